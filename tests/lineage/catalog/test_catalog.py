"""A catalog behaves as a dict of lists would, through merges, parts and damage."""

import threading
import uuid
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from lodesmith.core.errors import DamagedArtifactError, UserError
from lodesmith.lineage.catalog import Catalog, key_of, run_writer, runs, sealed, writer
from lodesmith.lineage.catalog import catalog as catalog_module

NAMES = st.sampled_from([f"doc-{number}" for number in range(12)])


def add(catalog: Catalog, names: list[str], *, archive: str = "a", first: int = 0, tag=None):
    with catalog.writer(tag=tag) as rows:
        rows.add(
            ids=names, archives=archive, offsets=np.arange(len(names)) + first,
            lengths=[7] * len(names), languages="zh", urls=[f"http://{name}/" for name in names],
            content_hashes=[name.encode() for name in names],
        )  # fmt: skip
    return rows.commit


@pytest.fixture(params=["disk", "memory"])
def catalog(request, tmp_path: Path) -> Catalog:
    place = f"memory://{uuid.uuid4().hex}" if request.param == "memory" else tmp_path / "catalog"
    return Catalog(place)


class CatalogMachine(RuleBasedStateMachine):
    """Adds, merges and vacuums at will; a dict of lists is the truth."""

    def __init__(self) -> None:
        super().__init__()
        self.place = f"memory://{uuid.uuid4().hex}"  # no disk to wait for
        self.catalog = Catalog(self.place)
        self.truth: dict[str, list[int]] = {}
        self.snapshots: dict[int, dict[str, list[int]]] = {}
        self.count = 0

    def teardown(self) -> None:
        fsspec.filesystem("memory").store.clear()

    @rule(names=st.lists(NAMES, min_size=1, max_size=8))
    def add(self, names: list[str]) -> None:
        add(self.catalog, names, first=self.count)
        for number, name in enumerate(names):
            self.truth.setdefault(name, []).append(self.count + number)
        self.count += len(names)

    @rule(whole=st.booleans())
    def compact(self, whole: bool) -> None:
        self.catalog.compact(whole=whole)

    @rule()
    def remember(self) -> None:
        number = self.catalog.snapshot().commit.number
        self.snapshots[number] = {name: list(places) for name, places in self.truth.items()}

    @rule()
    @precondition(lambda self: self.catalog.snapshot().commit.number)
    def vacuum(self) -> None:
        self.catalog.vacuum(grace_seconds=0)
        self.snapshots.clear()

    @invariant()
    def answers_as_the_dict_does(self) -> None:
        for catalog in (self.catalog, Catalog(self.place)):  # one that knows, one that opens
            check(catalog.snapshot(), self.truth)
        for number, truth in self.snapshots.items():
            check(self.catalog.snapshot(number), truth)


def check(snapshot, truth: dict[str, list[int]]) -> None:
    names = [f"doc-{number}" for number in range(12)]
    for name, places in zip(names, snapshot.find_many(names), strict=True):
        assert [place.offset for place in places] == truth.get(name, [])
        if places:
            assert snapshot.find_url(f"http://{name}/") == places
            assert snapshot.find_content(name) == places
    assert snapshot.find("never added") == []


CatalogMachine.TestCase.settings = settings(max_examples=8, stateful_step_count=12, deadline=None)
TestCatalogIsADict = CatalogMachine.TestCase


def test_a_place_says_all_that_was_added(catalog: Catalog) -> None:
    add(catalog, ["one", "two"], archive="acquire-1/x.warc.gz", first=5)
    (place,) = catalog.snapshot().find("two")
    assert (place.archive, place.offset, place.length, place.language) == (
        "acquire-1/x.warc.gz", 6, 7, "zh")  # fmt: skip
    assert place.digest == key_of("content", "two")[:8]


def test_columns_may_name_archives_and_languages_row_by_row(catalog: Catalog) -> None:
    with catalog.writer() as rows:
        rows.add(ids=pa.array(["a", "b"]), archives=["x", "y"], offsets=[1, 2**48 - 1],
                 lengths=[0, 2**32 - 1], languages=pa.array(["en", "zh"]))  # fmt: skip
    places = [found[0] for found in catalog.snapshot().find_many(["a", "b"])]
    assert [(p.archive, p.offset, p.length, p.language) for p in places] == [
        ("x", 1, 0, "en"), ("y", 2**48 - 1, 2**32 - 1, "zh")]  # fmt: skip


def test_a_tag_is_added_once(catalog: Catalog) -> None:
    assert add(catalog, ["a"], tag="prepare-1") is not None
    assert add(catalog, ["a"], tag="prepare-1") is None
    assert len(catalog.snapshot().find("a")) == 1
    assert catalog.snapshot().tags == {"prepare-1"}


def test_a_writer_that_fails_publishes_nothing(catalog: Catalog) -> None:
    def write() -> None:
        with catalog.writer() as rows:
            rows.add(ids=["a"], archives="x", offsets=[0], lengths=[0])
            rows.add(ids=["b"], archives="x", offsets=[-1], lengths=[0])

    with pytest.raises(UserError, match="offsets must be whole numbers"):
        write()
    assert catalog.snapshot().commit.number == 0


def test_an_old_snapshot_answers_after_compaction_as_before(catalog: Catalog) -> None:
    for number in range(10):
        add(catalog, [f"n{number}", "all"], first=number)
    before = catalog.snapshot()
    old = before.find("all")
    assert catalog.compact(whole=True) is not None
    assert catalog.snapshot(before.commit.number).find("all") == old == before.find("all")
    assert catalog.snapshot().find("all") == old
    assert len(catalog.snapshot().runs) == 1


def test_parts_and_flushes_change_no_answer(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(runs, "PART_PAGES", 2)
    monkeypatch.setattr(run_writer, "PART_PAGES", 2)
    monkeypatch.setattr(writer, "FLUSH_ROWS", 200)
    catalog = Catalog(tmp_path)
    for number in range(5):  # runs of many parts and of one, merged into more parts than each has
        add(catalog, [f"{number}-{i}" for i in range(50 if number == 3 else 450)], first=number)
    for _ in range(2):
        snapshot = catalog.snapshot()
        for number in range(5):
            names = [f"{number}-{i}" for i in range(50 if number == 3 else 450)]
            found = snapshot.find_many(names)
            assert [[p.offset for p in places] for places in found] == [
                [number + i] for i in range(len(names))]  # fmt: skip
        catalog.compact(whole=True)
    (run,) = catalog.snapshot().runs
    assert run.num_rows("places") == run.num_rows("links") // 2 == 4 * 450 + 50


def test_a_lookup_is_one_read_but_for_few(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    names = [f"{number:x}" for number in range(30_000)]
    with catalog.writer() as rows:
        rows.add(ids=names, archives="x", offsets=np.arange(30_000), lengths=np.zeros(30_000, int))
    snapshot = catalog.snapshot()
    assert all(len(places) == 1 for places in snapshot.find_many(names))
    assert snapshot.runs[0].num_reads <= 1.02 * 30_000


def test_thousands_of_rows_of_one_document_are_all_found_and_hide_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "PART_PAGES", 16)  # what spills over does so into other files too
    monkeypatch.setattr(run_writer, "PART_PAGES", 16)
    catalog = Catalog(tmp_path)
    others = [f"x{number}" for number in range(5_000)]
    add(catalog, ["same"] * 5_000 + others)
    snapshot = catalog.snapshot()
    assert [p.offset for p in snapshot.find("same")] == list(range(5_000))
    (run,) = snapshot.runs
    before = run.num_reads
    found = snapshot.find_many(others)
    assert [[p.offset for p in places] for places in found] == [[5_000 + n] for n in range(5_000)]
    assert run.num_reads - before <= 2.2 * 5_000  # one that was pushed away costs a second read


def test_runs_of_like_size_are_merged_and_large_ones_left_alone(catalog: Catalog) -> None:
    add(catalog, [f"x{number}" for number in range(2_000)])
    for number in range(catalog_module._FAN_OUT):
        assert catalog.compact() is None
        add(catalog, [f"y{number}"])
    assert catalog.compact() is not None
    assert [run.num_rows("places") for run in catalog.snapshot().runs] == [2_000, 8]


def test_a_compaction_that_was_overtaken_leaves_the_other_s_work(catalog: Catalog, monkeypatch):
    for number in range(3):
        add(catalog, [f"n{number}"])
    write = run_writer.RunWriter.write

    def slow_write(merging):
        merged = write(merging)
        monkeypatch.setattr(run_writer.RunWriter, "write", write)
        assert catalog.compact(whole=True) is not None
        add(catalog, ["later"])
        return merged

    monkeypatch.setattr(run_writer.RunWriter, "write", slow_write)
    assert catalog.compact(whole=True) is None
    found = catalog.snapshot().find_many(["n0", "n1", "n2", "later"])
    assert [len(places) for places in found] == [1, 1, 1, 1]


def test_rows_added_while_a_compaction_runs_stay(catalog: Catalog, monkeypatch) -> None:
    for number in range(3):
        add(catalog, [f"n{number}"])
    write = run_writer.RunWriter.write

    def slow_write(merging):
        monkeypatch.setattr(run_writer.RunWriter, "write", write)
        add(catalog, ["meanwhile"])
        return write(merging)

    monkeypatch.setattr(run_writer.RunWriter, "write", slow_write)
    assert catalog.compact(whole=True) is not None
    found = catalog.snapshot().find_many(["n0", "n1", "n2", "meanwhile"])
    assert [len(places) for places in found] == [1, 1, 1, 1]


def test_metadata_is_parquet_that_others_can_read(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    add(catalog, ["a", "b"], archive="x.warc", first=3)
    (file,) = catalog.snapshot().metadata_files
    assert pq.read_table(tmp_path / file).to_pylist()[1] == {
        "id": b"b", "url": b"http://b/", "language": "zh", "archive": "x.warc", "offset": 4,
        "length": 7}  # fmt: skip


def test_vacuum_spares_what_the_grace_period_covers(catalog: Catalog) -> None:
    for number in range(3):
        add(catalog, [f"n{number}"])
    catalog.compact(whole=True)
    assert catalog.vacuum() == 0
    assert len(catalog.snapshot(3).find("n1")) == 1
    assert catalog.vacuum(grace_seconds=0) == 3
    assert len(catalog.snapshot().find("n1")) == 1
    with pytest.raises(UserError, match="no snapshot 3; there are 4 to 4"):
        catalog.snapshot(3)


def test_four_writers_at_once_lose_no_row(catalog: Catalog) -> None:
    def write(name: str) -> None:
        for number in range(6):
            add(catalog, [f"{name}-{number}-{i}" for i in range(20)])

    threads = [threading.Thread(target=write, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    snapshot = catalog.snapshot()
    assert snapshot.commit.number == 24
    names = [f"w{w}-{number}-{i}" for w in range(4) for number in range(6) for i in range(20)]
    assert all(len(places) == 1 for places in snapshot.find_many(names))


@pytest.mark.parametrize(
    "wrong",
    [
        {"offsets": [2**48]}, {"offsets": [-1]}, {"lengths": [2**32]}, {"offsets": [1, 2]},
        {"offsets": [0.5]}, {"urls": ["a", "b"]}, {"languages": ["en", "zh"]}, {"archives": [None]},
    ],
)  # fmt: skip
def test_columns_that_do_not_fit_are_refused(catalog: Catalog, wrong: dict) -> None:
    columns = {"ids": ["a"], "archives": "x", "offsets": [0], "lengths": [0], **wrong}
    with pytest.raises(UserError), catalog.writer() as rows:
        rows.add(**columns)


def test_a_store_without_atomic_puts_is_refused() -> None:
    with pytest.raises(UserError, match="two writers could both believe"):
        Catalog("ftp://example.org/catalog")


def test_a_store_that_ignores_the_condition_is_refused(tmp_path: Path, monkeypatch) -> None:
    catalog = Catalog(tmp_path)

    def overwrite(name: str, data: bytes) -> bool:
        catalog._store.write(name, data)
        return True

    monkeypatch.setattr(catalog._store, "put_if_absent", overwrite)
    with pytest.raises(UserError, match="overwrites where it was asked not to"):
        add(catalog, ["a"])


@pytest.mark.parametrize("name", ["places-000000.rows", "names.json", "run.json"])
@pytest.mark.parametrize("harm", ["cut", "changed", "gone", "empty"])
def test_damage_is_reported_with_what_to_do(tmp_path: Path, name: str, harm: str) -> None:
    add(Catalog(tmp_path), [f"n{number}" for number in range(500)])
    (path,) = tmp_path.rglob(name)
    content = path.read_bytes()
    if harm == "gone":
        path.unlink()
    else:
        middle = len(content) // 2
        changed = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        path.write_bytes({"cut": content[:middle], "changed": changed, "empty": b""}[harm])
    with pytest.raises(DamagedArtifactError, match="rebuild the catalog"):
        Catalog(tmp_path).snapshot().find_many([f"n{number}" for number in range(500)])


def test_a_commit_of_a_newer_version_says_so(tmp_path: Path) -> None:
    (tmp_path / "commits").mkdir()
    commit = sealed.seal({"format": 99, "runs": []})
    (tmp_path / "commits" / f"{1:020d}.json").write_bytes(commit)
    with pytest.raises(DamagedArtifactError, match="format 99, this version reads 2"):
        Catalog(tmp_path).snapshot()


@pytest.mark.parametrize("hint", [b"", b"torn{", b"1", b"77"])
def test_a_lost_late_or_wrong_hint_changes_nothing(tmp_path: Path, hint: bytes) -> None:
    catalog = Catalog(tmp_path)
    for number in range(3):
        add(catalog, [f"n{number}"])
    (tmp_path / "latest").write_bytes(hint)
    assert Catalog(tmp_path).snapshot().commit.number == 3
    (tmp_path / "latest").unlink()
    assert Catalog(tmp_path).snapshot().commit.number == 3
