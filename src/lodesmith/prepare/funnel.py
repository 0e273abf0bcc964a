"""The funnel: what went into each step, what came out, and samples of what was dropped and why.

Shards tally on their own and their tallies are added in source order, so the funnel is the same
for any number of workers.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lodesmith.core.storage import JSON
from lodesmith.data.documents import Document
from lodesmith.prepare.config import STEPS
from lodesmith.prepare.pages import Drop

_NUM_SAMPLES = 3
_NUM_LINE_SAMPLES = 10
_SAMPLE_CHARS = 200

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
        if len(entry["samples"]) < _NUM_SAMPLES:
            entry["samples"].append(
                {
                    "id": document.id,
                    "url": document.url,
                    "value": drop.value,
                    "text": document.text[:_SAMPLE_CHARS],
                }
            )

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
            entry["samples"] = (entry["samples"] + more["samples"])[:_NUM_SAMPLES]
        if lines := other.get("lines_dropped"):
            self._add_lines(lines["lines"], lines["bytes"], lines["samples"])
        self.add_masked(other.get("masked", {}))

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
        }


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
