"""What vLLM counts, read out of its page for Prometheus, so that several stand on one."""

from collections.abc import Iterator

from lodesmith.serve.answers.metrics import Family

_OURS = "vllm:"  # the rest is of its process, and would stand twice where there are two
_HIDDEN = "vllm:lora_requests_info"  # names adapters, which a caller may not know of


def read_families(page: str) -> Iterator[Family]:
    """Yield the metrics of a page that are a model's: name, kind, lines.

    >>> list(read_families("# TYPE vllm:a gauge\\nvllm:a 1\\n# TYPE python_info gauge\\n"))
    [('vllm:a', 'gauge', ['vllm:a 1'])]
    """
    family: Family | None = None
    for line in page.splitlines():
        if line.startswith("# TYPE "):
            if family is not None:
                yield family
            _, _, name, kind = line.split()
            is_ours = name.startswith(_OURS) and name != _HIDDEN
            family = (name, kind, []) if is_ours else None
        elif family is not None and not line.startswith("#"):
            family[2].append(line)
    if family is not None:
        yield family
