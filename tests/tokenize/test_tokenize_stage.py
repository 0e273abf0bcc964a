"""The stage: twins on one side, exact tokens, the same bytes after a kill."""

from pathlib import Path
from types import ModuleType

import pytest

from lodesmith.core.errors import UserError
from lodesmith.core.storage import hash_file
from lodesmith.data.documents import Document, read_documents, write_documents
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.data.tokens import TokenSet
from lodesmith.lineage.artifact import Artifact, Draft, Order
from lodesmith.lineage.text_index import TextIndex
from lodesmith.lineage.workspace import Workspace
from lodesmith.tokenize import shard, stage
from lodesmith.tokenize.config import TokenizeConfig

SETTINGS = TokenizeConfig(vocab_size=330, held_out_fraction=0.2)
NUM_TOPICS = 40


def make_prepare(folder: Path, documents: list[Document]) -> Artifact:
    def make(draft: Draft) -> None:
        half = len(documents) // 2
        write_documents(draft.path / "documents-00000.jsonl.zst", documents[:half])
        write_documents(draft.path / "documents-00001.jsonl.zst", documents[half:])

    return Workspace(folder).build(Order(kind="prepare", version=1, config={}), make)


def make_documents() -> list[Document]:
    texts = {
        "en": "Topic {0}: choose Insert - Frame {0}, then press Enter {0} times.\nThe end of {0}.",
        "zh": "主题{0}：选择“插入 - 框架”{0}，然后按 Enter 键{0}次。\n到此为止{0}。",
    }
    return [
        Document(id=f"{language}{topic:014d}", source=f"acquire-0/{language}.warc.gz#{topic}",
                 url=f"file:///{language}/topic{topic}.{language}.html", language=language,
                 text=text.format(topic))
        for language, text in texts.items() for topic in range(NUM_TOPICS)
    ]  # fmt: skip


@pytest.fixture(scope="module")
def prepare(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return make_prepare(tmp_path_factory.mktemp("prepare"), make_documents())


def run(folder: Path, prepare: Artifact, settings: TokenizeConfig = SETTINGS) -> Draft:
    draft = Draft(path=folder)
    stage.make(draft, parents={"prepare": prepare}, tokenize=settings)
    return draft


def hashes(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    names = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: hash_file(path) for name, path in names.items() if "scratch" not in name}


def test_twins_fall_on_the_same_side_and_nothing_is_lost(tmp_path: Path, prepare: Artifact) -> None:
    draft = run(tmp_path, prepare)
    sides = {
        side: set(TokenSet.open(tmp_path / side).document_ids) for side in ("train", "held_out")
    }
    assert sides["train"] | sides["held_out"] == {document.id for document in make_documents()}
    assert not sides["train"] & sides["held_out"]
    for side in sides.values():
        assert {name[2:] for name in side if name[:2] == "en"} == {
            name[2:] for name in side if name[:2] == "zh"
        }
    held_out = list(read_documents(tmp_path / "held_out.jsonl.zst"))
    assert [document.id for document in held_out] == TokenSet.open(
        tmp_path / "held_out"
    ).document_ids
    assert draft.counts["num_train_documents"] == len(sides["train"])
    assert draft.counts["num_held_out_documents"] == len(sides["held_out"]) > 0


def test_tokens_decode_to_the_documents(tmp_path: Path, prepare: Artifact) -> None:
    run(tmp_path, prepare)
    tokenizer = Tokenizer.load(tmp_path / "tokenizer")
    texts = {document.id: document.text for document in make_documents()}
    for side in ("train", "held_out"):
        tokens = TokenSet.open(tmp_path / side)
        tokens.check_tokenizer(tokenizer.digest)
        for name in tokens.document_ids:
            span = tokens.span_of_document(name)
            ids = tokens.tokens[span.start : span.stop].tolist()
            assert ids[0] == tokenizer.end_of_text_id
            assert tokenizer.decode(ids[1:]) == texts[name]


def test_the_merges_are_learned_from_the_training_side_only(tmp_path: Path) -> None:
    documents = make_documents()
    draft = run(tmp_path / "one", make_prepare(tmp_path / "w1", documents))
    held_out = set(TokenSet.open(tmp_path / "one" / "held_out").document_ids)
    changed = [
        Document(id=document.id, source=document.source, url=document.url, language="en",
                 text="zyzzyva " * 50 if document.id in held_out else document.text)
        for document in documents
    ]  # fmt: skip
    run(tmp_path / "two", make_prepare(tmp_path / "w2", changed))
    one, two = hashes(tmp_path / "one"), hashes(tmp_path / "two")
    assert draft.counts["vocab_size"] == 330
    changed_files = {name for name in one if one[name] != two[name]}
    assert changed_files == {
        "held_out.jsonl.zst", "held_out/tokens.bin", "held_out/ends.npy", "held_out/meta.json",
    }  # fmt: skip


def test_counts_say_how_much_text_a_token_holds(tmp_path: Path, prepare: Artifact) -> None:
    counts = run(tmp_path, prepare).counts
    tokens = TokenSet.open(tmp_path / "train")
    assert counts["num_train_tokens"] == tokens.num_tokens
    bytes_per_token = counts["train_bytes"] / (tokens.num_tokens - tokens.num_documents)
    assert counts["bytes_per_token"] == pytest.approx(bytes_per_token, abs=1e-3)


def test_the_index_finds_a_sentence_of_the_training_side(tmp_path: Path, prepare: Artifact) -> None:
    run(tmp_path, prepare)
    texts = {document.id: document.text for document in make_documents()}
    names = TokenSet.open(tmp_path / "train").document_ids
    index = TextIndex.open(tmp_path / "text-index")
    wanted = texts[names[-1]][-20:]
    matches = index.find(wanted, fetch=lambda number: texts[names[number]])
    assert [names[match.document] for match in matches] == [
        name for name in names if wanted in texts[name]
    ]


@pytest.mark.parametrize(
    ("module", "killed_in"),
    [
        (stage, "train_tokenizer"),
        (shard, "write_token_set"),
        (shard, "write_documents"),
        (shard, "build_text_index"),
        (stage, "join_token_sets"),
        (stage, "join_text_indexes"),
    ],
)
def test_a_killed_stage_goes_on_to_the_same_bytes(
    tmp_path: Path,
    prepare: Artifact,
    monkeypatch: pytest.MonkeyPatch,
    module: ModuleType,
    killed_in: str,
) -> None:
    run(tmp_path / "whole", prepare)

    def die(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module, killed_in, die)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "killed", prepare)
    again = run(tmp_path / "killed", prepare)
    assert hashes(tmp_path / "killed") == hashes(tmp_path / "whole")
    assert again.counts["num_train_documents"] > 0


def test_no_documents_is_a_clear_error(tmp_path: Path) -> None:
    prepare = make_prepare(tmp_path / "workspace", [])
    with pytest.raises(UserError, match="no document is left to train on"):
        run(tmp_path / "draft", prepare)


def test_nothing_held_out_is_noted(tmp_path: Path, prepare: Artifact) -> None:
    draft = run(tmp_path, prepare, TokenizeConfig(vocab_size=300, held_out_fraction=0))
    assert draft.counts["num_held_out_tokens"] == 0
    assert "no document is held out" in draft.notes[0]


@pytest.mark.dist
def test_two_workers_give_the_bytes_of_one(
    tmp_path: Path, prepare: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path / "one", prepare, SETTINGS.model_copy(update={"num_workers": 1}))
    monkeypatch.setattr(stage, "_BYTES_PER_WORKER", 1)
    run(tmp_path / "two", prepare, SETTINGS.model_copy(update={"num_workers": 2}))
    assert hashes(tmp_path / "two") == hashes(tmp_path / "one")


def test_many_small_indexes_give_the_bytes_of_one(
    tmp_path: Path, prepare: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path / "one", prepare)
    monkeypatch.setattr(shard, "_INDEX_BYTES", 100)
    run(tmp_path / "many", prepare)
    assert hashes(tmp_path / "many") == hashes(tmp_path / "one")


def test_a_large_corpus_is_learnt_from_a_sample_of_it(tmp_path: Path, prepare: Artifact) -> None:
    counts = run(tmp_path / "all", prepare).counts
    few = TokenizeConfig(
        vocab_size=330, held_out_fraction=0.2, max_training_bytes=counts["train_bytes"] // 8
    )
    sampled = run(tmp_path / "few", prepare, few)
    vocab = [
        (tmp_path / name / "tokenizer" / "tokenizer.json").read_bytes() for name in ("all", "few")
    ]
    assert vocab[0] != vocab[1]
    assert sampled.counts["num_train_documents"] == counts["num_train_documents"]
