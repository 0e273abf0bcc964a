"""A plan as one HTML file that needs nothing else: charts, and the words of the terminal report."""

from collections.abc import Callable, Iterable, Iterator
from html import escape

from lodesmith.core.units import format_bytes, format_count, format_seconds
from lodesmith.plan.report.charts import Dot, draw_bar, draw_scatter
from lodesmith.plan.report.result import Plan
from lodesmith.plan.report.text import LEAST_SHOWN, beyond_lines, format_energy
from lodesmith.plan.search.trainer import section_text
from lodesmith.plan.step.step_time import StepTime

_GIGA = 1e9
_STYLE = """
:root { color-scheme: light dark; --paper: #fbfaf7; --ink: #1d2226; --pale: #6b7378;
  --rest: #e6e3da; --fill: #2f6f73; --best: #c2571a; --line: #d5d1c6; --card: #fff; }
@media (prefers-color-scheme: dark) { :root { --paper: #15191b; --ink: #e7e5df; --pale: #9aa3a8;
  --rest: #2b3236; --fill: #5fb0b4; --best: #f0935a; --line: #384045; --card: #1d2326; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: .5rem 0; } h2 { font-size: 1.15rem; margin: 0 0 .5rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  padding: 1rem; margin: 1rem 0; }
p { margin: .3rem 0; } .pale, .axis { color: var(--pale); fill: var(--pale); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem; }
.tiles div { border-left: 3px solid var(--fill); padding-left: .6rem; }
.tiles b { display: block; font-size: 1.2rem; } .tiles span { color: var(--pale); }
.row { display: grid; grid-template: "name bar number" / 13rem 1fr 9.5rem; gap: .1rem .75rem;
  align-items: center; }
.name { grid-area: name; } .row svg { grid-area: bar; }
.number { grid-area: number; text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.bar { width: 100%; height: .9rem; display: block; } .rest { fill: var(--rest); }
.fill { fill: var(--fill); } .over { fill: var(--best); }
.chart { width: 100%; height: auto; } .axis { font-size: 12px; }
.grid { stroke: var(--line); stroke-width: 1; }
.limit { stroke: var(--best); stroke-width: 1.5; stroke-dasharray: 5 4; }
.dot { fill: var(--fill); fill-opacity: .45; } .best { fill: var(--best); }
.able { fill: none; stroke: var(--ink); stroke-width: 2; }
code { font-size: .9em; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; } td { padding: .15rem .4rem .15rem 0;
  vertical-align: top; } .scroll { overflow-x: auto; }
@media (max-width: 30rem) { body { padding: .5rem; font-size: 15px; } section { padding: .7rem; }
  .row { grid-template: "name number" "bar bar" / 1fr max-content; margin-bottom: .3rem; }
  .axis { font-size: 20px; } .dot { r: 5px; } }
"""


def plan_page(plan: Plan) -> str:
    """Return the plan as the text of an HTML file."""
    title = escape(f"Plan of {plan.recipe} on {plan.cluster}")
    sections = (
        ("Layout", _layout_rows(plan)),
        ("Where the time of a step goes", _time_rows(plan)),
        ("Memory of the fullest device", _memory_rows(plan)),
        ("Layouts: memory against step time", _scatter_rows(plan)),
        ("What the run takes", _run_rows(plan)),
        *(
            [("Serving, several kinds, several sites", _beyond_rows(plan))]
            if plan.mixed or plan.sites
            else []
        ),
        ("What dominates, and what to change first", _advice_rows(plan)),
        ("Layouts that drop out", _dropped_rows(plan)),
    )
    body = "".join(
        f"<section><h2>{name}</h2>{''.join(rows)}</section>\n" for name, rows in sections
    )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head>\n<body>\n"
        f"<h1>{title}</h1>{''.join(_header_rows(plan))}\n{body}</body></html>\n"
    )


def _header_rows(plan: Plan) -> Iterator[str]:
    run, training = plan.run, plan.training
    yield (
        f'<p class="pale">{format_count(plan.parameters.total)} parameters, '
        f"{plan.num_devices:,} × {escape(plan.device)}, {training.precision}, batch of "
        f"{training.global_batch_size:,} × {training.sequence_length:,} tokens</p>"
    )
    tiles = (
        (format_seconds(run.days * 86400), "wall time"),
        (f"${run.cost_dollars:,.0f}", "cost"),
        (format_energy(run.energy_kwh), "energy"),
        (format_seconds(plan.step.total), "one step"),
        (f"{run.mfu:.1%}", "of peak (MFU)"),
        (f"{run.effective_fraction:.1%}", "of the time is work kept (ETTR)"),
    )
    inner = "".join(
        f"<div><b>{escape(value)}</b><span>{name}</span></div>" for value, name in tiles
    )
    yield f'<section class="tiles">{inner}</section>'


def _layout_rows(plan: Plan) -> Iterator[str]:
    how = "given" if plan.layout_is_given else f"best of {plan.num_layouts_tried:,} tried"
    yield f"<p>{escape(str(plan.layout))} <span class='pale'>({how})</span></p>"
    yield f"<p><code>{escape(section_text(plan.layout, plan.training.precision))}</code></p>"
    if plan.untrainable:
        yield f"<p>The trainer cannot run it yet: {escape(plan.untrainable)}.</p>"


def _time_rows(plan: Plan) -> Iterator[str]:
    step = plan.step
    causes = {name: getattr(step, name) for name in StepTime.__slots__}
    yield from _bars(causes, step.total, format_seconds)


def _memory_rows(plan: Plan) -> Iterator[str]:
    memory, room = plan.memory, plan.device_memory_gb * _GIGA
    causes = {name: getattr(memory, name) for name in memory.__slots__}
    causes["all of it"] = memory.total
    yield f"<p class='pale'>Bars are shares of the device's {plan.device_memory_gb:g} GB.</p>"
    yield from _bars(causes, room, format_bytes)


def _bars(causes: dict[str, float], whole: float, show: Callable[[float], str]) -> Iterator[str]:
    for name, value in sorted(causes.items(), key=lambda item: -item[1]):
        if value >= LEAST_SHOWN * whole:
            share = value / whole
            bar = draw_bar(share, style="over" if share > 1 else "fill")
            yield f'<div class="row"><div class="name">{name.replace("_", " ")}</div>{bar}'
            yield f'<div class="number">{show(value)} · {share:.1%}</div></div>'


def _scatter_rows(plan: Plan) -> Iterator[str]:
    dots = [
        Dot(
            x=other.memory_gb,
            y=other.step_seconds,
            style="dot able" if other.untrainable is None else "dot",
            label=f"{format_seconds(other.step_seconds)}, {other.memory_gb:.1f} GB: {other.layout}",
        )
        for other in plan.cloud
    ]
    memory_gb = plan.memory.total / _GIGA
    chosen = f"chosen: {format_seconds(plan.step.total)}, {memory_gb:.1f} GB: {plan.layout}"
    dots.append(Dot(x=memory_gb, y=plan.step.total, style="best", label=chosen))
    yield draw_scatter(
        dots, limit=plan.device_memory_gb, names=("memory, GB", "step, s"),
        title="Layouts by memory and step time",
    )  # fmt: skip
    yield (
        f"<p class='pale'>{len(plan.cloud):,} fastest of the layouts that fit; the chosen one is "
        "filled orange, the dashed line is the end of the device's memory, those that the trainer "
        "can run today have a rim. Point at a dot for its layout.</p>"
    )


def _run_rows(plan: Plan) -> Iterator[str]:
    run = plan.run
    rows = (
        ("tokens", f"{format_count(run.tokens)} in {run.num_steps:,} steps"),
        ("device-hours", f"{run.device_hours:,.0f}"),
        ("training FLOPs", f"{run.model_flops:.3g}"),
        ("cost", f"${run.cost_dollars:,.0f}"),
        ("energy", format_energy(run.energy_kwh)),
        ("MFU, HFU", f"{run.mfu:.1%}, {run.hfu:.1%}"),
        ("goodput", f"{format_count(run.goodput_tokens_per_second)} tokens/s"),
        ("faults expected", f"{run.expected_faults:.2g}"),
        ("checkpoint", f"{format_bytes(run.checkpoint_bytes)} in "
         f"{format_seconds(run.checkpoint_seconds)}, every "
         f"{format_seconds(run.checkpoint_interval_seconds)}"),
        ("loaders read", f"{format_bytes(run.loader_bytes_per_second)}/s"),
        *((f"loss by {name}", f"{loss:.3f} nats a token")
          for name, loss in run.losses_by_law.items()),
    )  # fmt: skip
    yield from _table(rows)
    yield "<h3>Where the wall time goes</h3>"
    lost = 1 - run.effective_fraction
    hours = run.days * 24
    yield from _bars(
        {"work that is kept": hours * (1 - lost), "faults and saves": hours * lost}, hours,
        lambda value: format_seconds(value * 3600),
    )  # fmt: skip


def _beyond_rows(plan: Plan) -> Iterator[str]:
    yield from (f"<p>{escape(line)}</p>" for line in beyond_lines(plan) if line)


def _advice_rows(plan: Plan) -> Iterator[str]:
    yield "<ul>"
    yield from (f"<li>{escape(line)}</li>" for line in plan.advice)
    yield "</ul>"


def _dropped_rows(plan: Plan) -> Iterator[str]:
    dropped = sorted(plan.layouts_dropped.items(), key=lambda item: -item[1])
    yield from _table([(f"{count:,}", reason) for reason, count in dropped])


def _table(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield '<div class="scroll"><table>'
    for name, value in rows:
        yield f"<tr><td class='pale'>{escape(name)}</td><td>{escape(value)}</td></tr>"
    yield "</table></div>"
