"""Pages that could hang or crash a parser, read in a process of their own with limits.

The limits count CPU time and memory, not wall time, so that a busy machine gives the same result.
"""

import json
import resource
import subprocess
import sys

from lodesmith.prepare.two_readings import Reading, read_page

_CPU_SECONDS = 60  # a well-formed page of 16 MiB takes about 2
_MEMORY_BYTES = 6 << 30


def read_hard_page(markup: str, *, cpu_seconds: int = _CPU_SECONDS) -> Reading | None:
    """Return the two readings of a page, None where it exceeds the limits."""
    process = subprocess.run(
        [sys.executable, "-m", "lodesmith.prepare.isolated", str(cpu_seconds)],
        input=markup.encode("utf-8", "replace"),
        capture_output=True,
        check=False,
    )
    return Reading(**json.loads(process.stdout)) if process.returncode == 0 else None


def _main() -> None:
    cpu_seconds = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # elsewhere the kernel does not hold to it
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    reading = read_page(sys.stdin.buffer.read().decode())
    fields = {name: getattr(reading, name) for name in ("title", "main", "full")}
    sys.stdout.buffer.write(json.dumps(fields).encode())


if __name__ == "__main__":
    _main()
