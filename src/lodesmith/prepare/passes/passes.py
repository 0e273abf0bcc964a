"""The nine steps over a whole corpus: three passes over shards with two merges between them.

Steps that look at one page alone need one pass. Copies, repeated lines and near duplicates can be
told only with the whole corpus in view; then only hashes are held together, never texts. The first
pass cuts what it makes of a shard into pieces, which are the shards of the two others.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lodesmith.core.log import Progress, show_progress
from lodesmith.core.process import count_free_cores
from lodesmith.core.shards import Engine, Limits, Markers, Results, map_shards, open_engine
from lodesmith.core.storage import JSON
from lodesmith.prepare.config import STEPS, PrepareConfig
from lodesmith.prepare.funnel.funnel import Funnel
from lodesmith.prepare.funnel.samples import Excerpt, cut_all
from lodesmith.prepare.input.sources import Source
from lodesmith.prepare.passes.stretches import make_shards
from lodesmith.prepare.passes.tasks import (
    clean_shard,
    deduplicate_shard,
    finish_shard,
    mask_excerpts,
    merge_at_once,
    warm_up,
)
from lodesmith.prepare.shards.shard_files import (
    BYTES_PER_BYTE,
    MERGED,
    Parts,
    Ranges,
    Shard,
    number_pieces,
)

_ALL_OF_A_CLUSTER = 1 << 20  # more workers than any has
_COUNTS = ("num_records", "num_documents", "num_rejected", "text_bytes")
_LIMITS: Limits | None = Limits()  # None runs a single worker's shards in this process


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """What became of a corpus."""

    funnel: Funnel
    shards: list[Shard]
    num_records: int
    num_documents: int
    num_rejected: int
    text_bytes: int
    faults: list[str]  # one line on each input file that could not be read to its end


def prepare_corpus(
    sources: Sequence[Source],
    *,
    scratch: Path,
    final: Path,
    steps: Sequence[str] = STEPS,
    config: PrepareConfig,
    markers: Markers,
) -> Prepared:
    """Clean all sources and write `documents-*` and `rejected-*` files.

    Args:
        sources: files, in the order that decides which of two equal documents is the first.
        scratch: folder for work in progress; kept by the caller until all is done.
        final: folder for the result.
        steps: those that are run; their order is always that of `STEPS`.
        config: settings.
        markers: done-markers, in a folder that lives as long as `scratch`.

    Raises:
        UserError: a file of decontaminate.against cannot be read.
    """
    chosen = tuple(step for step in STEPS if step in steps)
    _check_benchmarks(chosen, config)
    with open_engine(config.engine):
        groups = make_shards(sources, _Passes([], config, markers, chosen).watched_tasks)
        shards = [Shard(number, scratch, final) for number in range(len(groups))]
        return _run_passes(shards, groups, _Passes(shards, config, markers, chosen))


def _check_benchmarks(steps: Sequence[str], config: PrepareConfig) -> None:
    """Read the benchmarks before the long work, not only behind it."""
    if "decontaminate" in steps and config.decontaminate.against:
        from lodesmith.prepare.decontaminate import read_benchmarks

        read_benchmarks(config.decontaminate)


def _run_passes(shards: list[Shard], groups: list[list[Source]], run: "_Passes") -> Prepared:
    chosen, config, scratch = run.steps, run.config, shards[0].folder
    sums = _Sums(chosen)
    with show_progress("prepare", total=len(shards), unit="shards") as bar:
        sums.add(
            replace(run, bar=bar).map(
                "clean", clean_shard, lambda shard: (shard, groups[shard.number], chosen, config)
            )
        )
    pieces = number_pieces(shards, sums.num_pieces)
    parts = Parts(scratch, len(pieces))
    with show_progress("compare", total=2 * len(pieces), unit="pieces") as bar:
        run = replace(run, shards=pieces, bar=bar)
        texts = run.merge("exact_duplicates", parts)
        sums.add(
            run.map("deduplicate", deduplicate_shard, lambda shard: (shard, texts, chosen, config))
        )
        alike = run.merge("near_duplicates", parts)
        sums.add(run.map("finish", finish_shard, lambda shard: (shard, alike, chosen, config)))
    sums.funnel.show_samples(run.mask if "personal_data" in chosen else cut_all)
    return sums.gather(pieces)


class _Sums:
    """What the passes did to all shards, of which one after the other is read."""

    def __init__(self, steps: Sequence[str]) -> None:
        self.funnel = Funnel(steps)
        self.num_pieces: list[int] = []  # of each shard
        self.faults: list[str] = []
        self.counts = dict.fromkeys(_COUNTS, 0)

    def add(self, results: Iterable[JSON]) -> None:
        """Add what one pass returned."""
        for result in results:
            self.funnel.merge(result["funnel"])
            self.faults += result.get("faults", ())
            self.num_pieces += [result["num_pieces"]] if "num_pieces" in result else []
            for name in _COUNTS:
                self.counts[name] += result.get(name, 0)

    def gather(self, shards: list[Shard]) -> Prepared:
        """Return what became of the corpus."""
        return Prepared(funnel=self.funnel, shards=shards, faults=self.faults, **self.counts)


@dataclass(frozen=True, slots=True)
class _Passes:
    shards: list[Shard]
    config: PrepareConfig
    markers: Markers
    steps: tuple[str, ...]
    bar: Progress | None = None

    def map(
        self,
        name: str,
        work: Callable[..., JSON],
        arguments: Callable[[Shard], tuple[Any, ...]],
    ) -> Results:
        """Run one pass over all shards."""
        return self.watched_tasks(
            work, {f"{name}-{shard.name}": arguments(shard) for shard in self.shards}
        )

    def merge(self, step: str, parts: Parts) -> Ranges:
        """Run a step's merge: as one task where its rows fit into memory, else in pieces."""
        if step not in self.steps:
            return Ranges()
        if self._rows_fit(step, parts):
            name, arguments = f"merge-{step}", (step, parts, self.config)
            return Ranges(**self._apart(name, merge_at_once, arguments))
        from lodesmith.prepare.passes.later_passes import MERGES

        return MERGES[step](parts, self.config, self.tasks)

    def _rows_fit(self, step: str, parts: Parts) -> bool:
        """Decide once, as a merge that goes on must be cut as it was begun."""
        files = [file for kind in MERGED[step] for file in parts.files(kind)]

        def look() -> JSON:
            total = sum(file.stat().st_size for file in files if file.exists())
            return {"fit": total * BYTES_PER_BYTE <= self.config.merge_memory_bytes}

        return bool(self.markers.once(f"merge-{step}-size", look)["fit"])

    def mask(self, excerpts: list[Excerpt]) -> list[tuple[str, bool]]:
        """Cut excerpts out, without personal data; tell beside each if there was any near it."""
        arguments = (excerpts, self.config.personal_data)
        masked = self._apart("samples", mask_excerpts, arguments)
        return [(text, is_personal) for text, is_personal in masked["texts"]]

    def _apart(self, name: str, work: Callable[..., JSON], arguments: tuple[Any, ...]) -> JSON:
        """Run one piece of work in a process beside this one, which has nothing heavy loaded."""
        apart = replace(self, bar=None)
        (result,) = apart.watched_tasks(work, {name: arguments}, engine="local")
        return result

    def watched_tasks(
        self,
        work: Callable[..., JSON],
        tasks: dict[str, tuple[Any, ...]],
        *,
        engine: Engine | None = None,
    ) -> Results:
        """Run pieces of work that meet records: one of them may be more than a worker can bear."""
        return map_shards(
            work,
            tasks,
            markers=self.markers,
            num_workers=self._num_workers(),
            progress=self.bar,
            limits=_LIMITS,
            warm_up=(warm_up, (self.steps, self.config)),
            engine=engine or self.config.engine,
        )

    def tasks(self, work: Callable[..., JSON], tasks: dict[str, tuple[Any, ...]]) -> Results:
        """Run the pieces of a merge; a single one in this process."""
        is_one = len(tasks) == 1
        return map_shards(
            work,
            tasks,
            markers=self.markers,
            num_workers=1 if is_one else self._num_workers(),
            engine="local" if is_one else self.config.engine,
        )

    def _num_workers(self) -> int:
        if self.config.num_workers is not None:
            return self.config.num_workers
        return count_free_cores() if self.config.engine == "local" else _ALL_OF_A_CLUSTER
