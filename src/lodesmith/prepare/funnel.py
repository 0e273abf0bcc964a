"""The funnel: what went into each step, what came out, and samples of what was dropped and why.

Shards tally on their own and their tallies are added in source order, so the funnel is the same
for any number of workers. Samples are the documents with the least ids, which are hashes: a fair
draw that any two halves of a corpus agree on. Scores are counted in bins, so that a funnel stays
small whatever the corpus.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import floor, log10
from typing import Any

from lodesmith.core.storage import JSON
from lodesmith.data.documents import Document
from lodesmith.prepare.config import STEPS
from lodesmith.prepare.pages import Drop

_NUM_SAMPLES = 3
_NUM_LINE_SAMPLES = 10
_SAMPLE_CHARS = 200

NUM_SHARES = 50  # bins of a value in [0, 1]
LEAST_POWER = -10  # of other values: everything below 0.1 is one bin

_COUNTS = ("documents_in", "documents_out", "bytes_in", "bytes_out")


@dataclass
class StepTally:
    """What one step did."""

    total: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTS, 0))
    by_language: dict[str, dict[str, int]] = field(default_factory=dict)
    by_corpus: dict[str, dict[str, int]] = field(default_factory=dict)
    dropped: dict[str, dict[str, Any]] = field(default_factory=dict)  # by reason
    lines_dropped: dict[str, Any] = field(default_factory=dict)
    masked: dict[str, int] = field(default_factory=dict)  # by kind
    scores: dict[str, dict[str, Any]] = field(default_factory=dict)  # by name of a measured value

    def add(self, document: Document, *, bytes_in: int, bytes_out: int | None) -> None:
        """Count one document; `bytes_out` is None if it was dropped."""
        kept = bytes_out is not None
        numbers = (1, int(kept), bytes_in, bytes_out or 0)
        groups = ((self.by_language, document.language), (self.by_corpus, document.corpus))
        for group, name in groups:
            _add_counts(group.setdefault(name, dict.fromkeys(_COUNTS, 0)), numbers)
        _add_counts(self.total, numbers)

    def add_drop(self, document: Document, drop: Drop) -> None:
        """Count why a document was dropped, and keep the first few as samples."""
        entry = self.dropped.setdefault(
            drop.reason, {"count": 0, "limit": drop.limit, "samples": []}
        )
        entry["count"] += 1
        if len(entry["samples"]) < _NUM_SAMPLES or document.id < entry["samples"][-1]["id"]:
            entry["samples"] = _choose([*entry["samples"], _sample(document, drop)])
        if _is_number(drop.value) and _is_number(drop.limit):
            self.add_score(drop.reason, drop.value, drop.limit, passed=False)

    def add_score(self, name: str, value: float, limit: float, *, passed: bool) -> None:
        """Count a value that was compared with a limit."""
        entry = self.scores.get(name)
        if entry is None:
            entry = self.scores[name] = {"limit": limit, "passed": {}, "failed": {}}
        bins = entry["passed" if passed else "failed"]
        place = bin_of(value, limit)
        bins[place] = bins.get(place, 0) + 1

    def add_lines(self, lines: Sequence[str]) -> None:
        """Count lines taken out of documents that stay."""
        self._add_lines(len(lines), sum(len(line.encode()) + 1 for line in lines), lines)

    def _add_lines(self, num_lines: int, num_bytes: int, samples: Iterable[str]) -> None:
        entry = self.lines_dropped
        if not entry:
            entry.update(lines=0, bytes=0, samples=[])
        entry["lines"] += num_lines
        entry["bytes"] += num_bytes
        known = entry["samples"]
        for line in samples:
            sample = line.strip()[:_SAMPLE_CHARS]
            if len(known) < _NUM_LINE_SAMPLES and sample and sample not in known:
                known.append(sample)

    def add_masked(self, counts: dict[str, int]) -> None:
        """Count placeholders."""
        for kind, count in counts.items():
            self.masked[kind] = self.masked.get(kind, 0) + count

    def merge(self, other: JSON) -> None:
        """Add what another shard counted, given as `to_json` gave it."""
        _add_counts(self.total, [other[name] for name in _COUNTS])
        groups = ((self.by_language, "by_language"), (self.by_corpus, "by_corpus"))
        for group, key in groups:
            for name, counts in other[key].items():
                _add_counts(group.setdefault(name, dict.fromkeys(_COUNTS, 0)), counts.values())
        for more in other["dropped"]:
            entry = self.dropped.setdefault(
                more["reason"], {"count": 0, "limit": more["limit"], "samples": []}
            )
            entry["count"] += more["count"]
            entry["samples"] = _choose([*entry["samples"], *more["samples"]])
        if lines := other.get("lines_dropped"):
            self._add_lines(lines["lines"], lines["bytes"], lines["samples"])
        self.add_masked(other.get("masked", {}))
        for score in other.get("scores", ()):
            known = {"limit": score["limit"], "passed": {}, "failed": {}}
            entry = self.scores.setdefault(score["name"], known)
            for side in ("passed", "failed"):
                for place, count in score[side]:
                    entry[side][place] = entry[side].get(place, 0) + count

    def to_json(self, step: str) -> JSON:
        """Return the tally as it stands in funnel.json."""
        reasons = sorted(self.dropped.items(), key=lambda item: (-item[1]["count"], item[0]))
        return {
            "step": step,
            **self.total,
            "by_language": dict(sorted(self.by_language.items())),
            "by_corpus": dict(sorted(self.by_corpus.items())),
            "dropped": [{"reason": reason, **entry} for reason, entry in reasons],
            **({"lines_dropped": self.lines_dropped} if self.lines_dropped else {}),
            **({"masked": dict(sorted(self.masked.items()))} if self.masked else {}),
            **({"scores": self._scores()} if self.scores else {}),
        }

    def _scores(self) -> JSON:
        sides = ("passed", "failed")
        return [
            {
                "name": name,
                "limit": entry["limit"],
                **{side: [list(pair) for pair in sorted(entry[side].items())] for side in sides},
            }
            for name, entry in sorted(self.scores.items())
        ]


def bin_of(value: float, limit: float) -> int:
    """Return the bin of a value: fiftieths where the limit is a share, else tenths of a decade.

    >>> bin_of(0.31, 0.5), bin_of(250, 50), bin_of(0, 50)
    (15, 23, -10)
    """
    if 0 <= limit <= 1:
        return min(NUM_SHARES - 1, max(0, floor(value * NUM_SHARES + 1e-9)))
    return max(LEAST_POWER, floor(10 * log10(value) + 1e-9)) if value > 0 else LEAST_POWER


def bin_edge(place: int, limit: float) -> float:
    """Return the least value of a bin."""
    return place / NUM_SHARES if 0 <= limit <= 1 else 10 ** (place / 10)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _sample(document: Document, drop: Drop) -> dict[str, Any]:
    return {
        "id": document.id,
        "url": document.url,
        "language": document.language,
        "corpus": document.corpus,
        "value": drop.value,
        "text": document.text[:_SAMPLE_CHARS],
    }


def _choose(samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(samples, key=lambda sample: (sample["id"], sample["url"]))[:_NUM_SAMPLES]


def _add_counts(counts: dict[str, int], numbers: Iterable[int]) -> None:
    for name, number in zip(_COUNTS, numbers, strict=True):
        counts[name] += number


class Funnel:
    """The tallies of all steps."""

    def __init__(self, steps: Sequence[str]) -> None:
        """Begin with nothing counted in the steps given, of those in `STEPS`."""
        self.steps = {step: StepTally() for step in STEPS if step in steps}

    def __getitem__(self, step: str) -> StepTally:
        return self.steps[step]

    def first_from(self, step: str) -> str:
        """Return the first step that is run, of this one and those after it; else the last run."""
        later = [name for name in self.steps if STEPS.index(name) >= STEPS.index(step)]
        return later[0] if later else list(self.steps)[-1]

    def samples(self) -> list[str]:
        """Return the texts of all samples."""
        found: list[str] = []
        for tally in self.steps.values():
            for entry in tally.dropped.values():
                found.extend(sample["text"] for sample in entry["samples"])
            found.extend(tally.lines_dropped.get("samples", ()))
        return found

    def change_samples(self, change: Callable[[str], str]) -> None:
        """Show every sample of text as `change` returns it."""
        for tally in self.steps.values():
            for entry in tally.dropped.values():
                for sample in entry["samples"]:
                    sample["text"] = change(sample["text"])
            if tally.lines_dropped:
                tally.lines_dropped["samples"] = list(map(change, tally.lines_dropped["samples"]))

    def merge(self, data: JSON) -> None:
        """Add the funnel of another shard or pass, given as `to_json` gave it."""
        for entry in data["steps"]:
            self.steps[entry["step"]].merge(entry)

    def to_json(self) -> JSON:
        """Return what funnel.json holds."""
        return {"steps": [tally.to_json(step) for step, tally in self.steps.items()]}

    def dropped(self) -> dict[str, int]:
        """Return how many documents each rule dropped, by "step: reason"."""
        return {
            f"{step}: {reason}": entry["count"]
            for step, tally in self.steps.items()
            for reason, entry in sorted(tally.dropped.items())
        }
