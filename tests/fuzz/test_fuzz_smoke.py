"""A short, seeded run of every fuzz target; `fuzz_readers.py` runs them for as long as wanted."""

import runpy
from pathlib import Path

import pytest

_FUZZ = runpy.run_path(str(Path(__file__).with_name("fuzz_readers.py")))


@pytest.mark.parametrize("target", _FUZZ["TARGETS"])
def test_harmed_bytes_break_no_reader(target: str, tmp_path: Path) -> None:
    faults = [_FUZZ["find_fault"](target, 1, number, tmp_path) for number in range(60)]
    assert [fault for fault in faults if fault] == []
