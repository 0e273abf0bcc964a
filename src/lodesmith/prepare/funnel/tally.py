"""What one step did to the documents that came to it: counts, bytes, scores and samples.

A tally becomes JSON and is added to another one without loss; samples are still excerpts then
(`samples`), and become texts in the funnel.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lodesmith.core.storage import JSON
from lodesmith.data.documents import Document
from lodesmith.prepare.funnel.groups import COUNTS, Groups, add_counts
from lodesmith.prepare.funnel.samples import (
    NUM_CHARS,
    Excerpt,
    Sample,
    choose,
    cut_excerpt,
    describe,
    draw,
    first_difference,
)
from lodesmith.prepare.funnel.scores import Scores
from lodesmith.prepare.input.pages import Drop

_NUM_SAMPLES = 3  # of each reason, and of texts that were repaired or masked
_NUM_LINE_SAMPLES = 10
_LEAD_CHARS = 60  # shown before what was repaired or masked

_CHANGES = ("repaired", "masked")


@dataclass
class StepTally:
    """What one step did."""

    total: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTS, 0))
    by_language: Groups = field(default_factory=Groups)
    by_corpus: Groups = field(default_factory=Groups)
    dropped: dict[str, dict[str, Any]] = field(default_factory=dict)  # by reason
    lines_dropped: dict[str, Any] = field(default_factory=dict)
    changed: dict[str, dict[str, Any]] = field(default_factory=dict)  # "repaired", "masked"
    scores: Scores = field(default_factory=Scores)

    def add(self, document: Document, *, bytes_in: int, bytes_out: int | None) -> None:
        """Count one document; `bytes_out` is None if it was dropped."""
        kept = bytes_out is not None
        numbers = (1, int(kept), bytes_in, bytes_out or 0)
        for groups, name in self._groups_of(document):
            groups.count(name, numbers)
            if kept:
                groups.sample(name, document, lambda: _sample(document), kind="kept")
        add_counts(self.total, numbers)

    @property
    def groupings(self) -> tuple[Groups, Groups]:
        """The documents by language, and by corpus."""
        return self.by_language, self.by_corpus

    def _groups_of(self, document: Document) -> tuple[tuple[Groups, str], tuple[Groups, str]]:
        return (self.by_language, document.language), (self.by_corpus, document.corpus)

    def add_drop(self, document: Document, drop: Drop) -> None:
        """Count why a document was dropped, and keep the first few as samples."""
        entry = self.dropped.setdefault(
            drop.reason, {"count": 0, "limit": drop.limit, "samples": []}
        )
        entry["count"] += 1
        draw(entry["samples"], document, lambda: _sample(document, drop), most=_NUM_SAMPLES)
        for groups, name in self._groups_of(document):
            groups.sample(
                name, document, lambda: {**_sample(document, drop), "reason": drop.reason},
                kind="dropped",
            )  # fmt: skip
        if _is_number(drop.value) and _is_number(drop.limit):
            self.scores.add(drop.reason, drop.value, drop.limit, passed=False)

    def add_lines(self, lines: Sequence[str]) -> None:
        """Count lines taken out of documents that stay."""
        samples = (cut_excerpt(line.strip()) for line in lines if line.strip())
        self._add_lines(len(lines), sum(len(line.encode()) + 1 for line in lines), samples)

    def _add_lines(self, num_lines: int, num_bytes: int, samples: Iterable[Excerpt]) -> None:
        entry = self.lines_dropped
        if not entry:
            entry.update(lines=0, bytes=0, samples=[])
        entry["lines"] += num_lines
        entry["bytes"] += num_bytes
        known = entry["samples"]
        for sample in samples:
            if len(known) < _NUM_LINE_SAMPLES and sample not in known:
                known.append(sample)

    def add_repair(self, document: Document, before: str, after: str) -> None:
        """Count what was mended in a text, by kind."""
        repairs = document.measures.get("repairs", {})
        if not repairs:
            return
        entry = self._change("repaired", {kind: each["count"] for kind, each in repairs.items()})

        def show() -> Sample:
            start = max(0, first_difference(before, after) - _LEAD_CHARS)
            texts = {"before": cut_excerpt(before, start), "text": cut_excerpt(after, start)}
            return describe(document, kinds=sorted(repairs), **texts)

        draw(entry["samples"], document, show, most=_NUM_SAMPLES)

    def add_masked(self, document: Document, counts: dict[str, int], place: int) -> None:
        """Count placeholders, by kind, of a document that holds them from a place on."""
        if not counts:
            return
        entry = self._change("masked", counts)

        def show() -> Sample:
            start = max(0, place - _LEAD_CHARS)
            return describe(
                document, kinds=sorted(counts), text=document.text[start : start + NUM_CHARS]
            )

        draw(entry["samples"], document, show, most=_NUM_SAMPLES)

    def _change(self, name: str, counts: dict[str, int]) -> dict[str, Any]:
        entry = self.changed.setdefault(name, {"counts": {}, "samples": []})
        for kind, count in counts.items():
            entry["counts"][kind] = entry["counts"].get(kind, 0) + count
        return entry

    def merge(self, other: JSON) -> None:
        """Add what another shard counted, given as `to_json` gave it."""
        add_counts(self.total, [other[name] for name in COUNTS])
        self.by_language.merge(other["by_language"])
        self.by_corpus.merge(other["by_corpus"])
        for more in other["dropped"]:
            entry = self.dropped.setdefault(
                more["reason"], {"count": 0, "limit": more["limit"], "samples": []}
            )
            entry["count"] += more["count"]
            _add_samples(entry, "samples", more, most=_NUM_SAMPLES)
        if lines := other.get("lines_dropped"):
            self._add_lines(lines["lines"], lines["bytes"], lines["samples"])
        for name in _CHANGES:
            if name in other:
                more = {"samples": other[f"{name}_samples"]}
                _add_samples(self._change(name, other[name]), "samples", more, most=_NUM_SAMPLES)
        self.scores.merge(other.get("scores", ()))

    def to_json(self, step: str) -> JSON:
        """Return the tally as it stands in funnel.json."""
        reasons = sorted(self.dropped.items(), key=lambda item: (-item[1]["count"], item[0]))
        return {
            "step": step,
            **self.total,
            "by_language": self.by_language.to_json(),
            "by_corpus": self.by_corpus.to_json(),
            "dropped": [{"reason": reason, **entry} for reason, entry in reasons],
            **({"lines_dropped": self.lines_dropped} if self.lines_dropped else {}),
            **self._changes(),
            **({"scores": self.scores.to_json()} if self.scores.by_name else {}),
        }

    def _changes(self) -> JSON:
        changes: JSON = {}
        for name, entry in sorted(self.changed.items()):
            changes[name] = dict(sorted(entry["counts"].items()))
            changes[f"{name}_samples"] = entry["samples"]
        return changes

    def samples(self) -> list[Sample]:
        """Return all samples of documents that may still hold personal data."""
        lists = [entry["samples"] for entry in self.dropped.values()]
        lists += [groups.samples() for groups in self.groupings]
        lists.append(self.changed.get("repaired", {}).get("samples", []))
        return [sample for samples in lists for sample in samples]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _sample(document: Document, drop: Drop | None = None) -> Sample:
    value = {} if drop is None else {"value": drop.value}
    return describe(document, **value, text=cut_excerpt(document.text))


def _add_samples(entry: dict[str, Any], kind: str, more: JSON, *, most: int) -> None:
    entry[kind] = choose([*entry[kind], *more[kind]], most=most)
