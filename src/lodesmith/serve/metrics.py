"""Counters and histograms in Prometheus' text format, named as vLLM names its own.

Dashboards made for vLLM therefore read this server too. Nothing in them tells what was asked.

Source: vLLM documentation, "Production Metrics"; Prometheus documentation, "Text-based format".
"""

from bisect import bisect_left
from collections import Counter
from itertools import accumulate

from lodesmith.infer.interface import EngineStats

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class Histogram:
    """How often a duration fell into each of a few ranges."""

    def __init__(self) -> None:
        self._counts = [0] * (len(_SECONDS) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self._counts[bisect_left(_SECONDS, seconds)] += 1
        self._sum += seconds

    def render(self, name: str, label: str) -> list[str]:
        """Return its lines."""
        bounds = [*(str(bound) for bound in _SECONDS), "+Inf"]
        totals = list(accumulate(self._counts))
        lines = [f"# TYPE {name} histogram"]
        lines += [
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

    def render(self, *, model: str, stats: EngineStats) -> str:
        """Return the page that Prometheus reads."""
        quoted = model.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        label = f'model_name="{quoted}"'
        lines: list[str] = []
        for name, kind, value in (
            ("vllm:num_requests_running", "gauge", stats.num_running),
            ("vllm:num_requests_waiting", "gauge", stats.num_waiting),
            ("vllm:kv_cache_usage_perc", "gauge", stats.cache_used_fraction),
            ("vllm:prompt_tokens_total", "counter", self.num_prompt_tokens),
            ("vllm:generation_tokens_total", "counter", self.num_generation_tokens),
        ):
            lines += [f"# TYPE {name} {kind}", f"{name}{{{label}}} {value}"]
        lines.append("# TYPE vllm:request_success_total counter")
        lines += [
            f'vllm:request_success_total{{{label},finished_reason="{reason}"}} {count}'
            for reason, count in sorted(self.num_finished.items())
        ]
        lines += self.first_token_seconds.render("vllm:time_to_first_token_seconds", label)
        lines += self.request_seconds.render("vllm:e2e_request_latency_seconds", label)
        return "\n".join(lines) + "\n"
