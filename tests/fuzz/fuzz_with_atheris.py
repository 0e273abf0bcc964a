"""The same targets as `fuzz_readers.py`, with inputs that libFuzzer grows by the code they reach.

    python -m pip install atheris
    python tests/fuzz/fuzz_with_atheris.py TARGET -max_total_time=300 [CORPUS_FOLDER]

Coverage is that of the readers' Python; run `fuzz_readers.py --sanitized` for what the kernels do
with memory. What is found is written to a `crash-...` file, which as an argument is run again.
"""

import sys
import tempfile
from pathlib import Path


def main() -> None:
    import atheris

    with atheris.instrument_imports(include=["lodesmith"]):
        import fuzz_readers

    target, *arguments = sys.argv[1:]
    check = fuzz_readers.TARGETS[target]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seeds = folder / "seeds"
        seeds.mkdir()
        for number, seed in enumerate(fuzz_readers.SEEDS[target]):
            (seeds / str(number)).write_bytes(seed)
        atheris.Setup(
            [sys.argv[0], *arguments, str(seeds)], lambda data: check(bytes(data), folder)
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
