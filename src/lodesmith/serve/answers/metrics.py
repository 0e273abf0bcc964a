"""Counters and histograms in Prometheus' text format, named as vLLM names its own.

Dashboards made for vLLM therefore read this server too. Nothing in them tells what was asked.

Source: vLLM documentation, "Production Metrics"; Prometheus documentation, "Text-based format".
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import accumulate

from lodesmith.infer.interface import EngineStats

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


Family = tuple[str, str, list[str]]  # a metric's name, its kind, its lines


class Histogram:
    """How often a duration fell into each of a few ranges."""

    def __init__(self) -> None:
        self._counts = [0] * (len(_SECONDS) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self._counts[bisect_left(_SECONDS, seconds)] += 1
        self._sum += seconds

    def samples(self, name: str, label: str) -> list[str]:
        """Return its lines."""
        bounds = [*(str(bound) for bound in _SECONDS), "+Inf"]
        totals = list(accumulate(self._counts))
        lines = [
            f'{name}_bucket{{{label},le="{bound}"}} {total}'
            for bound, total in zip(bounds, totals, strict=True)
        ]
        return [
            *lines,
            f"{name}_sum{{{label}}} {self._sum}",
            f"{name}_count{{{label}}} {totals[-1]}",
        ]


class Metrics:
    """What the server has done since it started; used from one thread."""

    def __init__(self) -> None:
        self.num_prompt_tokens = 0
        self.num_generation_tokens = 0
        self.num_finished: Counter[str] = Counter()  # choices, by finish reason
        self.first_token_seconds = Histogram()
        self.request_seconds = Histogram()

    def families(self, *, model: str, stats: EngineStats) -> Iterator[Family]:
        """Yield every metric of one model: name, kind, lines."""
        quoted = model.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        label = f'model_name="{quoted}"'
        for name, kind, value in (
            ("vllm:num_requests_running", "gauge", stats.num_running),
            ("vllm:num_requests_waiting", "gauge", stats.num_waiting),
            ("vllm:kv_cache_usage_perc", "gauge", stats.cache_used_fraction),
            ("vllm:num_preemptions_total", "counter", stats.num_preemptions),
            ("vllm:prefix_cache_queries_total", "counter", stats.num_queried_tokens),
            ("vllm:prefix_cache_hits_total", "counter", stats.num_reused_tokens),
            ("vllm:prompt_tokens_total", "counter", self.num_prompt_tokens),
            ("vllm:generation_tokens_total", "counter", self.num_generation_tokens),
        ):
            yield name, kind, [f"{name}{{{label}}} {value}"]
        success = "vllm:request_success_total"
        yield (
            success,
            "counter",
            [
                f'{success}{{{label},finished_reason="{reason}"}} {count}'
                for reason, count in sorted(self.num_finished.items())
            ],
        )
        for name, histogram in (
            ("vllm:time_to_first_token_seconds", self.first_token_seconds),
            ("vllm:e2e_request_latency_seconds", self.request_seconds),
        ):
            yield name, "histogram", histogram.samples(name, label)


def render_page(families: Iterable[Family]) -> str:
    """Return the page that Prometheus reads: the lines of each metric together, under its kind."""
    kinds: dict[str, str] = {}
    lines: dict[str, list[str]] = {}
    for name, kind, samples in families:
        kinds[name] = kind
        lines.setdefault(name, []).extend(samples)
    return "".join(
        "\n".join([f"# TYPE {name} {kind}", *lines[name], ""]) for name, kind in kinds.items()
    )
