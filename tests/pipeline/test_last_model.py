"""The last model of a recipe is that recipe's, or it is said whose it is."""

from pathlib import Path

import pytest

from lodesmith.core.errors import UserError
from lodesmith.core.storage import write_json
from lodesmith.lineage.workspace import Workspace
from lodesmith.pipeline.run import last_model


def record(space: Workspace, file: str | None, name: str = "mine") -> None:
    artifacts = {"acquire": "acquire-1", "pretrain": "pretrain-2"}
    space.runs.mkdir(parents=True, exist_ok=True)
    write_json(space.runs / f"{name}.json", {"recipe": name, "file": file, "artifacts": artifacts})


def test_a_recipe_of_the_same_name_elsewhere_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = Workspace(tmp_path)
    record(space, str(tmp_path / "ann" / "mine.yaml"))
    assert last_model(space, str(tmp_path / "ann" / "mine.yaml")) == "pretrain-2"
    assert capsys.readouterr().err == ""
    assert last_model(space, str(tmp_path / "bo" / "mine.yaml")) == "pretrain-2"
    told = capsys.readouterr().err
    assert f"pretrain-2 is of {tmp_path}/ann/mine.yaml" in told
    assert f"`lodesmith run {tmp_path}/bo/mine.yaml`" in told


def test_a_recipe_of_ones_own_may_be_called_as_a_shipped_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    space = Workspace(tmp_path)
    record(space, None, "small")
    assert last_model(space, "small") == "pretrain-2"
    assert capsys.readouterr().err == ""
    assert last_model(space, str(tmp_path / "small.yaml")) == "pretrain-2"
    assert "is of the shipped recipe" in capsys.readouterr().err


def test_a_recipe_that_made_no_model_is_named_as_it_was_given(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^a/mine.yaml has made no model .* run a/mine.yaml` does"):
        last_model(Workspace(tmp_path), "a/mine.yaml")
