"""A plan as a person reads it: one screen of plain text."""

from collections.abc import Callable, Iterator

from lodesmith.core.units import format_bytes, format_count, format_seconds
from lodesmith.plan.report.result import Plan
from lodesmith.plan.search.trainer import section_text
from lodesmith.plan.step.step_time import StepTime
from lodesmith.plan.whole_run.inference import InferenceEstimate
from lodesmith.plan.workload.flops import count_petaflop_days

_BAR_WIDTH = 24
LEAST_SHOWN = 0.0005  # of the whole: what rounds to 0.0 %


def plan_text(plan: Plan) -> str:
    """Return the plan as plain text."""
    return "\n".join(
        [*_model_lines(plan), "", *_memory_lines(plan), "", *_step_lines(plan), "",
         *_run_lines(plan), "", *beyond_lines(plan), *_advice_lines(plan)]
    )  # fmt: skip


def _model_lines(plan: Plan) -> Iterator[str]:
    shape, training = plan.shape, plan.training
    yield (
        f"{plan.recipe}: {format_count(plan.parameters.total)} parameters "
        f"({shape.num_hidden_layers} layers, hidden {shape.hidden_size:,}, "
        f"{shape.num_attention_heads} heads, vocabulary {shape.vocab_size:,})"
    )
    yield f"on {plan.cluster}: {plan.num_devices:,} x {plan.device}, {training.precision}"
    yield (
        f"batch of {training.global_batch_size:,} x {training.sequence_length:,} tokens, "
        f"{plan.token_flops.total:.3g} FLOPs a token"
    )
    how = "given" if plan.layout_is_given else f"best of {plan.num_layouts_tried:,} tried"
    yield f"layout ({how}): {plan.layout}"
    yield f"  {section_text(plan.layout, plan.training.precision)}"
    if plan.untrainable:
        yield f"  our trainer cannot run it: {plan.untrainable}"
        if plan.best_trainable:
            other = plan.best_trainable
            yield f"  the fastest that it can: {other.layout}, {format_seconds(other.step_seconds)}"


def _memory_lines(plan: Plan) -> Iterator[str]:
    memory = plan.memory
    yield (
        f"Memory of the fullest device: {format_bytes(memory.total)} "
        f"of {plan.device_memory_gb:g} GB"
    )
    for name in memory.__slots__:
        if getattr(memory, name) >= LEAST_SHOWN * memory.total:
            yield _bar(name, getattr(memory, name), memory.total, format_bytes)


def _step_lines(plan: Plan) -> Iterator[str]:
    step = plan.step
    yield (
        f"One step: {format_seconds(step.total)}, "
        f"{format_count(plan.run.tokens_per_second)} tokens/s, "
        f"{plan.run.mfu:.1%} of peak (MFU; {plan.run.hfu:.1%} HFU)"
    )
    for name in StepTime.__slots__:
        if getattr(step, name) >= LEAST_SHOWN * step.total:
            yield _bar(name.replace("_", " "), getattr(step, name), step.total, format_seconds)


def _run_lines(plan: Plan) -> Iterator[str]:
    run = plan.run
    yield f"The whole run: {format_count(run.tokens)} tokens in {run.num_steps:,} steps"
    yield (
        f"  {format_seconds(run.days * 86400)} of wall time, {run.device_hours:,.0f} device-hours, "
        f"{run.model_flops:.3g} FLOPs "
        f"({_round(count_petaflop_days(run.model_flops))} PFLOP/s-days)"
    )
    yield f"  {format_energy(run.energy_kwh)}, {run.cost_dollars:,.0f} US dollars"
    yield (
        f"  checkpoint {format_bytes(run.checkpoint_bytes)} in "
        f"{format_seconds(run.checkpoint_seconds)}, every "
        f"{format_seconds(run.checkpoint_interval_seconds)}"
    )
    yield (
        f"  {run.expected_faults:.2g} faults expected, {run.effective_fraction:.1%} of the time is "
        f"work kept (ETTR): {format_count(run.goodput_tokens_per_second)} tokens/s goodput"
    )
    yield (
        f"  loaders read {format_bytes(run.loader_bytes_per_second)}/s; a save in a minute needs "
        f"{run.quick_save_gb_per_second:,.3g} GB/s"
    )
    loss = "no loss predicted: too small for the published laws"
    if run.losses_by_law:
        each = ", ".join(f"{value:.2f} ({name})" for name, value in run.losses_by_law.items())
        loss = f"loss about {each} nats a token"
    if plan.claim:
        yield (
            f"  claimed: {plan.claim.source}; that implies {plan.claim.implied_mfu:.1%} MFU, where "
            f"this plan reaches {run.mfu:.1%}"
        )
    yield f"  {loss} ({run.tokens_per_parameter:.1f} tokens a parameter)"


def beyond_lines(plan: Plan) -> Iterator[str]:
    """Say what serving takes, and what other devices in the job and other sites are worth."""
    if plan.inference:
        yield from _inference_lines(plan.inference)
        yield ""
    if plan.unserved:
        yield f"Serving: {plan.unserved}"
        yield ""
    if plan.mixed:
        yield "Several kinds of devices in one job (planned above: the first alone)"
        for part in plan.mixed.parts:
            yield (
                f"  {part.num_devices:>6,} x {part.device}: "
                f"{format_count(part.tokens_per_second)} tokens/s alone"
            )
        yield (
            f"  together worth {plan.mixed.equal_in_slowest:,.0f} of the slowest by an equal "
            f"split, {plan.mixed.proportional_in_slowest:,.0f} by a proportional one, at best"
        )
        yield f"  {plan.mixed.verdict}"
        yield ""
    if plan.sites:
        sites = plan.sites
        yield f"{sites.num_sites} sites like this over the line"
        yield (
            f"  the text of {format_bytes(sites.dataset_bytes)} moves in "
            f"{format_seconds(sites.move_seconds)}; one exchange takes "
            f"{format_seconds(sites.exchange_seconds)}"
        )
        yield (
            f"  a step takes {format_seconds(sites.synchronous_seconds)} with an exchange each, "
            f"{format_seconds(sites.local_seconds)} with one in {sites.inner_steps}; "
            f"{format_seconds(sites.one_site_seconds)} on one site"
        )
        yield f"  {sites.verdict}"
        yield ""


def _inference_lines(served: InferenceEstimate) -> Iterator[str]:
    yield (
        f"Serving in {served.precision}, on groups of {served.num_devices:,} (tensor "
        f"{served.tensor_parallel_size}, pipeline {served.pipeline_parallel_size})"
    )
    yield (
        f"  weights {format_bytes(served.weight_bytes)}, cache of "
        f"{format_count(served.cache_tokens)} tokens at "
        f"{format_bytes(served.cache_bytes_per_token)} each: {served.num_running:,.0f} requests "
        f"of {served.prompt_tokens:,.0f} + {served.answer_tokens:,.0f} tokens together"
    )
    yield (
        f"  first token after {served.first_token_seconds * 1000:,.3g} ms, then one every "
        f"{served.token_seconds * 1000:,.3g} ms; {format_count(served.tokens_per_second)} answer "
        f"tokens/s, {format_count(served.tokens_per_second_per_device)} a device"
    )
    yield (
        f"  limits: {format_count(served.prompt_tokens_per_second)} prompt tokens/s, "
        f"{format_count(served.decode_tokens_per_second)} decoded; bound by {served.bound}"
    )


def _advice_lines(plan: Plan) -> Iterator[str]:
    yield "What dominates, and what to change first"
    yield from (f"  - {line}" for line in plan.advice)
    if plan.alternatives:
        yield "Next best layouts"
    for other in plan.alternatives:
        yield (
            f"  {format_seconds(other.step_seconds):>10}  {other.memory_gb:5.1f} GB  {other.layout}"
            + (" (not by our trainer)" if other.untrainable else "")
        )
    if plan.layouts_dropped:
        yield "Layouts that drop out"
    for reason, count in sorted(plan.layouts_dropped.items(), key=lambda item: -item[1]):
        yield f"  {count:>6,}  {reason}"


def _round(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def format_energy(kwh: float) -> str:
    """Return an energy in kWh, or MWh from ten thousand kWh on."""
    if kwh >= 10_000:
        return f"{kwh / 1000:,.0f} MWh"
    return f"{kwh:,.0f} kWh" if kwh >= 10 else f"{kwh:.2g} kWh"


def _bar(name: str, value: float, total: float, show: Callable[[float], str]) -> str:
    share = value / total if total else 0.0
    blocks = "#" * round(share * _BAR_WIDTH)
    shown = show(value)
    return f"  {name:<24} {shown:>12} {share:>6.1%}  {blocks}"
