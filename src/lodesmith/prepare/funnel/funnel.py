"""The funnel: what went into each step, what came out, and samples of what was dropped and why.

Shards tally on their own and their tallies are added in source order, so the funnel is the same
for any number of workers; its samples too (`samples`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lodesmith.core.storage import JSON
from lodesmith.prepare.config import STEPS
from lodesmith.prepare.funnel.samples import Excerpt
from lodesmith.prepare.funnel.tally import StepTally

NUM_GROUPS = 60  # largest languages, and sources, of which samples are kept

Mask = Callable[[list[Excerpt]], list[tuple[str, bool]]]
"""Cuts excerpts out, without personal data, and tells beside each whether there was any near it."""


def largest_groups(groups: Sequence[Mapping[str, Mapping[str, Any]]]) -> list[str]:
    """Return the names of the groups that most documents are in, given as each step counted them.

    Those of the first step count: what a later one sees is what those before it left.
    """
    first = groups[0]
    names = {name for each in groups for name in each}

    def size(name: str) -> int:
        return int(first[name]["documents_in"]) if name in first else 0

    return sorted(names, key=lambda name: (-size(name), name))[:NUM_GROUPS]


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

    def show_samples(self, mask: Mask) -> None:
        """Turn excerpts into texts, when all is counted; of small groups none are left.

        What stood before a repair is not shown beside personal data: it may be that in disguise.
        """
        self._forget_small_groups()
        places: list[tuple[Any, Any]] = []
        for tally in self.steps.values():
            lines = tally.lines_dropped.get("samples", [])
            places += [(lines, number) for number in range(len(lines))]
            for sample in tally.samples():
                places += [(sample, name) for name in ("text", "before") if name in sample]
        masked = mask([holder[name] for holder, name in places])
        is_hidden = False
        for (holder, name), (text, is_personal) in zip(places, masked, strict=True):
            is_hidden = is_personal or (is_hidden and name == "before")  # it follows its text
            holder[name] = None if is_hidden and name == "before" else text

    def _forget_small_groups(self) -> None:
        groupings = [tally.groupings for tally in self.steps.values()]
        for groups_by_step in zip(*groupings, strict=True):  # by language, then by corpus
            largest = set(largest_groups([groups.counts for groups in groups_by_step]))
            for groups in groups_by_step:
                groups.keep_samples_of(largest)

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
