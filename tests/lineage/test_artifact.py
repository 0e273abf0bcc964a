import pytest
import shard_work

from lodesmith.core.config import Config
from lodesmith.core.errors import DamagedArtifactError, UserError
from lodesmith.core.shards import map_shards
from lodesmith.core.storage import write_json, write_text
from lodesmith.lineage.artifact import Order
from lodesmith.lineage.workspace import Workspace


class Settings(Config):
    without_effect = frozenset({"num_workers"})

    size: int = 3
    num_workers: int = 1


def order(size=3, num_workers=1, version=1, **parents):
    settings = Settings(size=size, num_workers=num_workers)
    return Order(kind="toy", version=version, config={"toy": settings}, parents=parents)


def make(draft):
    write_text(draft.path / "data" / "text.txt", "content")
    write_json(draft.path / "rates.json", {"seconds": 1.5})
    draft.observations.add("rates.json")
    draft.counts["num_documents"] = 1


def test_the_id_depends_on_what_goes_in_and_on_nothing_else(tmp_path):
    parent = Workspace(tmp_path).build(order(size=9), make)
    ids = {order().id, order(size=4).id, order(version=2).id, order(toy=parent).id}
    assert len(ids) == 4
    assert order(num_workers=8).id == order().id


def test_a_finished_artifact_is_not_made_again(tmp_path):
    space = Workspace(tmp_path)
    first = space.build(order(), make)
    again = space.build(order(), lambda draft: pytest.fail("made again"))
    assert again.receipt == first.receipt
    assert not list((tmp_path / "unfinished").iterdir())


def test_observations_are_kept_but_do_not_change_the_digest(tmp_path):
    def make_slowly(draft):
        make(draft)
        write_json(draft.path / "rates.json", {"seconds": 99})

    one = Workspace(tmp_path / "a").build(order(), make)
    two = Workspace(tmp_path / "b").build(order(), make_slowly)
    assert one.receipt.digest == two.receipt.digest
    assert set(one.receipt.observations) == {"rates.json"}
    assert one.file("rates.json").exists()


@pytest.mark.parametrize("error", [UserError, DamagedArtifactError])
def test_what_was_refused_leaves_nothing_behind_unless_work_was_done(tmp_path, error):
    def refuse(draft):
        write_text(draft.path / "half.txt", "written")
        raise error("no")

    def refuse_late(draft):
        draft.markers.once("first", lambda: None)
        refuse(draft)

    space = Workspace(tmp_path)
    for make_wrongly, kept in ((refuse, []), (refuse_late, [order().id])):
        with pytest.raises(error, match="no"):
            space.build(order(), make_wrongly)
        assert [path.name for path in (tmp_path / "unfinished").iterdir()] == kept


def test_an_interrupted_attempt_is_gone_on_with_and_counted(tmp_path):
    calls = []

    def make_in_two_goes(draft):
        draft.markers.once("first", lambda: calls.append("first"))
        if len(calls) == 1:
            calls.append("killed")
            raise KeyboardInterrupt
        make(draft)

    space = Workspace(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        space.build(order(), make_in_two_goes)
    assert space.list_artifacts() == []
    artifact = space.build(order(), make_in_two_goes)
    assert calls == ["first", "killed"]
    assert artifact.receipt.num_attempts == 2
    assert set(artifact.receipt.files) == {"data/text.txt"}


def test_temporaries_of_a_killed_attempt_do_not_stay(tmp_path):
    def make_beside_a_stray(draft):
        write_text(draft.path / "data" / ".text.txt.x1y2.tmp", "half")
        make(draft)

    artifact = Workspace(tmp_path).build(order(), make_beside_a_stray)
    assert {path.name for path in (artifact.path / "data").iterdir()} == {"text.txt"}


def test_a_changed_file_is_noticed(tmp_path):
    artifact = Workspace(tmp_path).build(order(), make)
    artifact.verify()
    artifact.file("data/text.txt").write_text("c0ntent")
    with pytest.raises(DamagedArtifactError, match=r"data/text.txt is not what the receipt says"):
        artifact.verify()


def test_a_torn_receipt_is_a_damaged_artifact(tmp_path):
    space = Workspace(tmp_path)
    artifact = space.build(order(), make)
    receipt = artifact.file("receipt.json")
    receipt.write_bytes(receipt.read_bytes()[:100])
    with pytest.raises(DamagedArtifactError, match="torn"):
        space.get(order())


def test_artifacts_are_found_by_the_beginning_of_their_id(tmp_path):
    space = Workspace(tmp_path)
    one, _two = space.build(order(size=1), make), space.build(order(size=2), make)
    assert space.find(one.id[:9]).id == one.id
    with pytest.raises(UserError, match="several artifacts"):
        space.find("toy")
    with pytest.raises(UserError, match="no artifact pretrain"):
        space.find("pretrain")
    for name in ("*", "[t]oy", "../artifacts/toy", str(tmp_path / "artifacts" / "toy")):
        with pytest.raises(UserError, match="no artifact"):
            space.find(name)
        assert space.find_unfinished(name) is None


def test_ancestors_are_found_by_kind(tmp_path):
    space = Workspace(tmp_path)
    parent = space.build(order(), make)
    child = space.build(Order(kind="other", version=1, config={}, parents={"toy": parent}), make)
    assert space.find_ancestor(child, "toy").id == parent.id
    with pytest.raises(UserError, match="was not made from any model"):
        space.find_ancestor(child, "model")


@pytest.mark.dist
def test_the_cpu_time_of_workers_is_in_the_receipt(tmp_path):
    def work(draft):
        tasks = dict.fromkeys(("one", "two"), (0.5,))
        map_shards(shard_work.burn, tasks, markers=draft.markers, num_workers=2)

    assert 1.0 <= Workspace(tmp_path).build(order(), work).receipt.cpu_seconds < 30
