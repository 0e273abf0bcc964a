"""What preparing real pages costs in CPU time, beside the HTML parser alone on the same pages.

    .venv/bin/python bench/prepare.py lodesmith-workspace/artifacts/acquire-*

Both run in processes of their own, so that starting Python and its workers is counted, on one
worker and then on as many as there are free cores; the digests of the results must be equal.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lodesmith.core.storage import hash_file, read_json

_PARSER_ALONE = """
import sys
from pathlib import Path
from lodesmith.core.storage import read_json
from lodesmith.data.warc import read_warc
from resiliparse.extract.html2text import extract_plain_text
folder, size = Path(sys.argv[1]), 0
for entry in read_json(folder / "sources.json"):
    if entry["use"] == "pages":
        for record in read_warc(folder / entry["file"]):
            if record.type == "resource":
                text = record.payload.decode("utf-8", "replace")
                size += len(extract_plain_text(text, main_content=True))
"""

_WHOLE_PATH = """
import sys
from pathlib import Path
from lodesmith.lineage.artifact import Draft, open_artifact
from lodesmith.prepare.config import PrepareConfig
from lodesmith.prepare.stage import make
if __name__ == "__main__":
    make(
        Draft(path=Path(sys.argv[2])),
        parents={"acquire": open_artifact(Path(sys.argv[1]))},
        prepare=PrepareConfig(num_workers=int(sys.argv[3])),
    )
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures the CPU time of the prepare stage.")
    parser.add_argument("acquire", type=Path, help="folder of an acquire artifact")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        print(json.dumps(measure(arguments.acquire, arguments.workers, Path(scratch)), indent=2))


def measure(acquire: Path, num_workers: int, scratch: Path) -> dict[str, object]:
    alone = run(_PARSER_ALONE, scratch / "alone.py", acquire)
    runs, digests = {}, set()
    for workers in sorted({1, num_workers}):
        final = scratch / f"result-{workers}"
        final.mkdir()
        runs[workers] = run(_WHOLE_PATH, scratch / "whole.py", acquire, final, workers)
        files = sorted(path for path in final.iterdir() if path.is_file())
        digests.add(tuple(hash_file(path) for path in files))
    steps = read_json(final / "funnel.json")["steps"]
    return {
        "pages": steps[0]["documents_in"],
        "html_megabytes": round(steps[0]["bytes_in"] / 1e6, 2),
        "parser_alone": alone,
        "whole_path_by_workers": runs,
        "cpu_times_parser": {
            workers: round(cost["cpu_seconds"] / alone["cpu_seconds"], 2)
            for workers, cost in runs.items()
        },
        "equal_bytes_for_any_workers": len(digests) == 1,
        "funnel": [
            f"{step['step']}: {step['documents_in']} -> {step['documents_out']} documents, "
            f"{step['bytes_in']} -> {step['bytes_out']} bytes"
            for step in steps
        ],
    }


def run(program: str, file: Path, *arguments: object) -> dict[str, float]:
    """Return what a program cost, its children counted."""
    file.write_text(program, encoding="utf-8")
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, str(file), *map(str, arguments)], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "cpu_seconds": round(
            after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2
        ),
        "wall_seconds": round(time.perf_counter() - started, 2),
        "peak_megabytes_of_a_process": round(after.ru_maxrss / 1e3, 1),
    }


if __name__ == "__main__":
    main()
