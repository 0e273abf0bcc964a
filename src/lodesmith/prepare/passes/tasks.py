"""What the passes run, by name: each piece of work is imported where it runs.

The process that leads needs no numpy, no kernels and no rules; a small corpus is cleaned in less
time than those take to load.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from lodesmith.core.shards import UNWATCHED, Watch
from lodesmith.core.storage import JSON
from lodesmith.prepare.config import PersonalDataConfig, PrepareConfig
from lodesmith.prepare.funnel.samples import Excerpt
from lodesmith.prepare.shards.shard_files import Parts


def merge_at_once(
    step: str, parts: Parts, config: PrepareConfig, *, watch: Watch = UNWATCHED
) -> JSON:
    """Run a step's merge one task after another; return into how many ranges it was cut."""
    from lodesmith.prepare.passes.later_passes import MERGES

    watch.end()  # no single record is in hand

    def run(work: Callable[..., JSON], tasks: dict[str, tuple[Any, ...]]) -> list[JSON]:
        return [work(*arguments) for arguments in tasks.values()]

    return asdict(MERGES[step](parts, config, run))


def mask_excerpts(
    excerpts: Sequence[Excerpt], config: PersonalDataConfig, *, watch: Watch = UNWATCHED
) -> JSON:
    """Return excerpts without personal data, and beside each whether there was any near it.

    Of one that a recogniser fails on nothing is shown.
    """
    from lodesmith.prepare.input.pages import blame_record
    from lodesmith.prepare.personal_data import PersonalData

    watch.end()
    personal_data = PersonalData(config)
    texts: list[tuple[str, bool]] = []
    for excerpt in excerpts:
        try:
            texts.append(personal_data.mask_excerpt(*excerpt))
        except Exception as error:  # noqa: BLE001 one record must not cost its corpus
            blame_record(error)
            texts.append(("", True))
    return {"texts": texts}


def warm_up(*arguments: Any) -> None:
    """Load what a run's steps need, so that processes forked from this one share it."""
    from lodesmith.prepare.passes import first_pass, later_passes

    first_pass.warm_up(*arguments)
    later_passes.warm_up(*arguments)


def find_places(*arguments: Any, watch: Watch = UNWATCHED) -> JSON:
    """Look through a large file for places where it may be cut."""
    from lodesmith.prepare.input.places import find_places as work

    return work(*arguments, watch=watch)


def clean_shard(*arguments: Any, watch: Watch = UNWATCHED) -> JSON:
    """First pass."""
    from lodesmith.prepare.passes.first_pass import clean_shard as work

    return work(*arguments, watch=watch)


def deduplicate_shard(*arguments: Any, watch: Watch = UNWATCHED) -> JSON:
    """Second pass."""
    from lodesmith.prepare.passes.later_passes import deduplicate_shard as work

    return work(*arguments, watch=watch)


def finish_shard(*arguments: Any, watch: Watch = UNWATCHED) -> JSON:
    """Third pass."""
    from lodesmith.prepare.passes.later_passes import finish_shard as work

    return work(*arguments, watch=watch)
