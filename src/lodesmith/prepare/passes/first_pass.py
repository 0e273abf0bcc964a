"""First pass over a shard: each page on its own, from bytes to text without advertising.

It leaves pieces (`pieces`), and for the merge between the passes a hash of every text and line. A
step is imported where it is applied: the rules and tables of some take longer to load than a small
corpus takes to clean.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lodesmith.core.shards import UNWATCHED, Watch
from lodesmith.core.storage import JSON
from lodesmith.data.charset import decode_page
from lodesmith.data.documents import Document
from lodesmith.prepare.config import PrepareConfig
from lodesmith.prepare.extract import TOO_LARGE, extract
from lodesmith.prepare.funnel.funnel import Funnel
from lodesmith.prepare.input.pages import Drop, Page, blame_record
from lodesmith.prepare.input.records import READ_FAULTS, Record, explain_fault, read_source
from lodesmith.prepare.input.sources import Source
from lodesmith.prepare.passes.carried import Carried, Rejected, reject
from lodesmith.prepare.passes.pieces import write_pieces
from lodesmith.prepare.shards.shard_files import Shard

_WARM_UP = (  # texts that take the ways through the steps that load something
    "The words of a page that people read, and that of another. " * 20,
    "Die Wörter einer Seite, die jemand liest, und die einer anderen. " * 20,
    "一个网页上的文字，有人阅读，也有人忘记。" * 20,
)
_PAGE_STEPS = ("repair", "language", "quality", "ads")  # those after extract that need one page


@dataclass(slots=True)
class _Trail:
    """What the steps did to one document: counted only when its language is known."""

    bytes_in: int
    sizes: list[tuple[str, int, int]] = field(default_factory=list)  # step, bytes in and out
    repaired: tuple[str, str] | None = None  # the text before and after

    def passed(self, step: str, document: Document) -> None:
        size = len(document.text.encode("utf-8", "replace"))
        self.sizes.append((step, self.bytes_in, size))
        self.bytes_in = size


def clean_shard(
    shard: Shard,
    sources: Sequence[Source],
    steps: Sequence[str],
    config: PrepareConfig,
    *,
    watch: Watch = UNWATCHED,
) -> JSON:
    """Take one shard's pages through the steps that look at one page alone, and write its pieces.

    Returns:
        The funnel, the number of pieces and of records, and faults of the input files.
    """
    worker = _Worker(shard, steps, config, watch)
    exact = config.exact_duplicates if "exact_duplicates" in steps else None
    num_pieces = write_pieces(shard, worker.run(sources), exact)
    watch.end()
    return worker.finish(num_pieces)


def warm_up(steps: tuple[str, ...], config: PrepareConfig) -> None:
    """Load what these steps need, so that processes forked from this one share it."""
    worker = _Worker(Shard(0, Path(), Path()), steps, config, UNWATCHED)
    for text in _WARM_UP:
        markup = f"<h1>Page</h1><p>{text}</p>".encode()
        worker.clean(Page(source="", url="", payload=markup, content_type="text/html"), None)


class _Worker:
    def __init__(
        self, shard: Shard, steps: Sequence[str], config: PrepareConfig, watch: Watch
    ) -> None:
        self.shard, self.steps, self.config, self.watch = shard, steps, config, watch
        self.page_steps = [step for step in _PAGE_STEPS if step in steps]
        self.funnel = Funnel(steps)
        self.faults: list[str] = []
        self.num_records = 0

    def run(self, sources: Sequence[Source]) -> Iterator[Carried | Rejected]:
        for source in sources:
            for page, fault in self._records(source):
                condemned = self.watch.work(self.num_records)
                self.num_records += 1
                item = self._try(page, fault, condemned)
                yield item

    def finish(self, num_pieces: int) -> JSON:
        return {
            "funnel": self.funnel.to_json(),
            "num_pieces": num_pieces,
            "num_records": self.num_records,
            "faults": self.faults,
        }

    def _records(self, source: Source) -> Iterator[Record]:
        """Yield a source's records; a file that ends badly ends its own records only."""
        num_read = 0
        records = read_source(source)
        try:
            while True:
                if why := self.watch.read(self.num_records):
                    raise ValueError(why)
                record = next(records, None)
                if record is None:
                    return
                num_read += 1
                yield record
        except (*READ_FAULTS, MemoryError) as error:
            self.faults.append(explain_fault(source, error))
            page = Page(source=source.name, url="", payload=b"", corpus=source.corpus)
            yield page, Drop("file cannot be read further (after records)", num_read)

    def _try(self, page: Page, fault: Drop | None, condemned: str | None) -> Carried | Rejected:
        """Clean a page, or reject it unread if it is known to be more than a worker can bear."""
        if condemned is None:
            try:
                return self.clean(page, fault)
            except Exception as error:  # noqa: BLE001 one record must not cost its shard
                condemned = blame_record(error)
        trail = _Trail(page.num_bytes)
        return self._reject(page.document(), self.steps[0], Drop(condemned), trail)

    def clean(self, page: Page, fault: Drop | None) -> Carried | Rejected:
        """Take a page through the steps, up to the one that drops it."""
        trail = _Trail(page.num_bytes)
        step, item = self.steps[0], fault or self._first(page)
        carried = item if isinstance(item, Carried) else Carried(page.document())
        if isinstance(item, Drop):
            return self._reject(carried.document, step, item, trail)
        if "extract" in self.steps:
            trail.passed("extract", carried.document)
        for step in self.page_steps:
            if step == "language":
                carried, confidence = self._identify(carried)
                result = self._judge_language(carried.document, confidence)
            else:
                result = self._apply(step, carried)
            if isinstance(result, Drop):
                return self._reject(carried.document, step, result, trail)
            if step == "repair":
                trail.repaired = (carried.document.text, result.text)
            carried = carried.with_document(result)
            trail.passed(step, result)
        self._count(carried.document, trail)
        return carried

    def _first(self, page: Page) -> Carried | Drop:
        if "extract" not in self.steps:
            return Carried(page.document(decode_page(page.payload, charset=page.charset).text))
        result, limit = extract(page, self.config.extract), self.config.extract.max_page_bytes
        if page.num_bytes <= limit:
            scores = self.funnel["extract"].scores
            scores.add(TOO_LARGE, page.num_bytes, limit, passed=True)
        if isinstance(result, Drop):
            return result
        return Carried(result.document, result.code_lines)

    def _identify(self, carried: Carried) -> tuple[Carried, float]:
        """Return the document with its language, and how sure that is."""
        from lodesmith.prepare.language import identify

        found, confidence = identify(carried.document, code_lines=carried.code_lines)
        return carried.with_document(found), confidence

    def _judge_language(self, document: Document, confidence: float) -> Document | Drop:
        from lodesmith.prepare.language import judge_language

        limit = self.config.min_language_confidence
        if confidence >= limit:
            scores = self.funnel["language"].scores
            scores.add("language unclear", confidence, limit, passed=True)
        return judge_language(document, confidence, self.config)

    def _apply(self, step: str, carried: Carried) -> Document | Drop:
        document, code = carried.document, carried.code_lines
        if step == "repair":
            from lodesmith.prepare.repair import repair

            return repair(document, self.config.repair)
        if step == "quality":
            return self._judge(document, code)
        from lodesmith.prepare.ads import remove_ads

        without, tally = remove_ads(document, code_lines=code), self.funnel["ads"]
        if isinstance(without, Drop):
            return without
        for reason, value, limit in without.passed:
            tally.scores.add(reason, value, limit, passed=True)
        if without.lines:
            tally.add_lines(without.lines)
        return without.document

    def _judge(self, document: Document, code_lines: frozenset[str]) -> Document | Drop:
        from lodesmith.prepare.quality import judge
        from lodesmith.prepare.quality.faults import listen

        with listen() as passed:
            result = judge(document, self.config.quality, code_lines=code_lines)
        for reason, value, limit in passed:
            self.funnel["quality"].scores.add(reason, value, limit, passed=True)
        return result

    def _reject(self, document: Document, step: str, drop: Drop, trail: _Trail) -> Rejected:
        self._count(document, trail)
        self.funnel[step].add(document, bytes_in=trail.bytes_in, bytes_out=None)
        self.funnel[step].add_drop(document, drop)
        return reject(document, step, drop)

    def _count(self, document: Document, trail: _Trail) -> None:
        for step, bytes_in, bytes_out in trail.sizes:
            self.funnel[step].add(document, bytes_in=bytes_in, bytes_out=bytes_out)
        if trail.repaired:
            self.funnel["repair"].add_repair(document, *trail.repaired)
