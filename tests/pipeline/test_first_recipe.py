"""A recipe for files of any kind and name is one that runs."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from lodesmith.acquire.files.local_files import list_files
from lodesmith.acquire.files.source_files import FilesSource
from lodesmith.core.errors import UserError
from lodesmith.pipeline.first_recipe import survey, write_first_recipe
from lodesmith.pipeline.recipe import Recipe, load_recipe
from lodesmith.pipeline.run import dry_run


def plant(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text, "utf-8")
    return folder


def first_recipe(*entries: Path) -> Recipe:
    path = entries[0].parent / "first.yaml"
    path.write_text(write_first_recipe(survey(entries)), "utf-8")
    assert dry_run(str(path), workspace=entries[0].parent / "w")[0].id
    return load_recipe(str(path))


def test_pages_tables_archives_and_chats_each_get_their_place(tmp_path: Path) -> None:
    chat = json.dumps({"question": "咳嗽怎么办？", "answer": "多喝水。"}, ensure_ascii=False)
    folder = plant(
        tmp_path / "我的 资料", a_HTM="<p>a</p>", b_txt="b", c_jsonl='{"text": "c"}', d_jsonl=chat,
        e_docx="e", f_warc="", g_json="[1]", h_jsonl="no",
    )  # fmt: skip
    (folder / "i.jsonl.gz").write_bytes(gzip.compress(b'{"text": "i", "url": "u"}'))
    (folder / "j.jsonl.gz").write_bytes(b"torn")
    recipe = first_recipe(folder)
    assert recipe.acquire is not None
    assert [(source.kind, source.label) for source in recipe.acquire.sources] == [
        ("files", "我的-资料"), ("warc", "warc"), ("dataset", "dataset"),
    ]  # fmt: skip
    assert [domain.files for domain in recipe.domains] == [[str(folder / "d.jsonl")]]
    assert survey([folder]).tell() == (
        "2 pages, 1 archive, 2 tables, 1 file of chats, 4 files of other kinds, left out"
    )


@pytest.mark.parametrize("name", ["a: b #c", "it's", '"q"', "new\nline", "资料 [1]"])
def test_a_folder_of_any_name_makes_a_valid_recipe(tmp_path: Path, name: str) -> None:
    folder = plant(tmp_path / name / "warc", a_txt="a")
    other = plant(tmp_path / "x" / "warc", a_txt="a", f_warc="")
    recipe = first_recipe(folder, other)
    assert recipe.acquire is not None
    assert isinstance(recipe.acquire.sources[0], FilesSource)
    assert len(list_files(recipe.acquire.sources[0].files, patterns=["**"]).members) == 1
    labels = [source.label for source in recipe.acquire.sources]
    assert labels == ["warc", "warc-2", "warc-3"]


def test_more_text_means_more_steps_and_a_larger_vocabulary(tmp_path: Path) -> None:
    sizes = []
    for number in (1_000, 4_000_000, 90_000_000):
        folder = plant(tmp_path / str(number))
        with (folder / "a.txt").open("wb") as file:
            file.truncate(number)
        recipe = first_recipe(folder)
        assert recipe.pretrain is not None
        assert recipe.tokenize is not None
        sizes.append((recipe.pretrain.max_steps, recipe.tokenize.vocab_size))
    assert sizes == [(200, 1024), (837, 4096), (3000, 8192)]


def test_nothing_to_learn_from_is_told_with_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no pages, archives or .* \(1 file of another kind"):
        survey([plant(tmp_path / "a", b_docx="b")])
    with pytest.raises(UserError, match="there is no file or folder absent"):
        survey([Path("absent")])


def test_a_recipe_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    plant(tmp_path / "pages", a_txt="a")
    command = [sys.executable, "-m", "lodesmith", "init", "pages", "-o", "r.yaml"]
    first, second = (
        subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )
        for _ in range(2)
    )
    assert (first.returncode, second.returncode) == (0, 2)
    assert "lodesmith run r.yaml" in first.stdout
    assert "r.yaml is there already" in second.stderr
