"""`clean`: every record of every kind of file ends in one of the two outputs, once."""

import errno
import gzip
import json
import os
import pkgutil
import random
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

import lodesmith
from lodesmith.core.errors import EngineError, UserError
from lodesmith.core.process import measure_cost
from lodesmith.data.warc import WarcWriter
from lodesmith.prepare.clean import CleanSummary, clean
from lodesmith.prepare.config import PrepareConfig
from lodesmith.prepare.input import records

_TEXT = (
    "The quick start number {n} shows how to open a document and where its settings are kept. "
    "A template holds styles{n}, so that every letter{n} of a company looks the same. You can "
    "protect cell {n} against changes with a password{n} of your own, and whatever you type into "
    "the table{n} is drawn at once. Charts{n} follow their data and sheets{n} follow their names."
)
_CONFIG = PrepareConfig(num_workers=1)


def _text(number: int) -> str:
    return _TEXT.replace("{n}", str(number * 2654435761 % 10**9))  # no near copies


def _markup(number: int) -> str:
    return f"<html><head><title>T{number}</title></head><body><p>{_text(number)}</p></body></html>"


def _run(folder: Path, *inputs: Path, **options: Any) -> tuple[CleanSummary, list[Any], list[Any]]:
    output, rejected = folder / "result" / "kept.jsonl", folder / "result" / "dropped.jsonl"
    options = {"config": _CONFIG, **options}
    summary = clean(inputs, output=output, rejected=rejected, **options)
    kept, dropped = (
        [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        for path in (output, rejected)
    )
    return summary, kept, dropped


def _write_warc(path: Path, numbers: range) -> Path:
    with path.open("wb") as file:
        writer = WarcWriter(file)
        for number in numbers:
            writer.write(
                uri=f"http://x/{number}", payload=_markup(number).encode(),
                content_type="text/html", date="2024-01-01T00:00:00Z",
            )  # fmt: skip
    return path


def _write_all_kinds(folder: Path) -> None:
    folder.mkdir()
    (folder / "a.html").write_text(_markup(1))
    (folder / "b.txt").write_text(_text(2))
    rows = [
        {"id": "r3", "text": _text(3)},
        {"html": _markup(4), "url": "http://x/4"},
        {"raw": _text(5)},
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "c.jsonl").write_text(lines)
    more = json.dumps({"id": "r6", "raw": _markup(6)}) + "\n\n"
    (folder / "d.jsonl.gz").write_bytes(gzip.compress(more.encode()))
    last = json.dumps({"id": "r7", "text": _text(7)})
    (folder / "e.jsonl.zst").write_bytes(zstandard.compress(last.encode()))
    pq.write_table(
        pa.table({"id": ["r8", "r9"], "text": [_text(8), _text(9)]}), folder / "f.parquet"
    )
    _write_warc(folder / "sub.warc.gz", range(10, 12))


def test_all_kinds_of_files_are_read(tmp_path: Path) -> None:
    _write_all_kinds(tmp_path / "in")
    summary, kept, dropped = _run(tmp_path, tmp_path / "in")
    assert [record["text"] for record in kept] == [_text(n) for n in range(1, 12)]
    assert all({"id", "source", "url", "language", "text"} <= set(record) for record in kept)
    assert {record["language"] for record in kept} == {"en"}
    names = [record["source"].removeprefix(str(tmp_path / "in") + "/") for record in kept]
    assert names[:9] == [
        "a.html", "b.txt", "c.jsonl#r3", "c.jsonl#2", "c.jsonl#3", "d.jsonl.gz#r6",
        "e.jsonl.zst#r7",
        "f.parquet#r8", "f.parquet#r9",
    ]  # fmt: skip
    assert names[9].startswith("sub.warc.gz#")
    assert [record["reason"] for record in dropped] == ["extract: record is no page (warcinfo)"]
    assert summary.num_records == len(kept) + len(dropped) == 12
    assert summary.problems == []
    assert "11 of 12 records kept" in summary.to_text()


def test_every_record_ends_in_one_output_with_the_step_and_the_value(tmp_path: Path) -> None:
    rows = [
        {"id": "good", "text": _text(1)},
        {"id": "copy", "text": _text(1).upper()},
        {"id": "near", "text": _text(1) + " Amen."},
        {"id": "short", "text": "This is the text that you see."},
        {"id": "empty", "text": ""},
        {"id": "none", "body": "x"},
        {"id": "mail", "text": _text(2) + " Write to a@b.org."},
    ]
    lines = [json.dumps(row) for row in rows]
    path = tmp_path / "in.jsonl"
    path.write_text(
        "\n".join([*lines, "{torn", "[1, 2]", '{"id": "\\ud800", "text": "\\ud800 x"}'])
    )
    summary, kept, dropped = _run(tmp_path, path)
    assert [record["source"].rpartition("#")[2] for record in kept] == ["good", "mail"]
    assert kept[1]["text"].endswith("Write to <EMAIL>.")
    reasons = {record["source"].rpartition("#")[2]: record["reason"] for record in dropped}
    assert reasons == {
        "copy": "exact_duplicates: equal to an earlier document",
        "near": reasons["near"],
        "short": "quality: too few words (7, limit 50)",
        "empty": "extract: page has no text (0)",
        "none": "extract: record has no field text, html or raw (it has id, body)",
        "8": "extract: line is no JSON (8)",
        "9": "extract: line is no JSON object (9)",
        "?": reasons["?"],
    }
    assert reasons["near"].startswith("near_duplicates: nearly equal to an earlier document (0.9")
    assert summary.num_records == len(rows) + 3 == len(kept) + len(dropped)
    assert all(
        {"id", "source", "url", "language", "text", "step", "value"} <= set(r) for r in dropped
    )


def test_an_output_below_a_file_is_the_users_error(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text(_text(1))
    with pytest.raises(UserError, match=r"in\.txt/out\.jsonl cannot be written: .*name another"):
        clean([tmp_path / "in.txt"], output=tmp_path / "in.txt" / "out.jsonl")


def test_chats_and_questions_are_pointed_to_the_section_that_learns_from_them(
    tmp_path: Path,
) -> None:
    chat = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    rows = [{"question": "Why?", "answer": "So."}, {"instruction": "Go", "output": "Gone"}]
    path = tmp_path / "chats.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    table = tmp_path / "chats.parquet"
    pq.write_table(pa.table({"n": [1], "messages": [chat]}), table)
    _, kept, dropped = _run(tmp_path, path, table)
    assert kept == []
    reason = (
        "extract: record is a chat or a question: name its file in a domain of the section tune"
    )
    assert [row["reason"] for row in dropped] == [
        f"{reason} (it has question, answer)",
        f"{reason} (it has instruction, output)",
        f"{reason} (it has n, messages)",
    ]


def test_a_mixed_page_comes_out_with_the_language_of_each_paragraph_that_is_left(
    tmp_path: Path,
) -> None:
    chinese = (
        "医院的影像科每天为上百位病人做超声检查，医生把看到的情况写进报告，病人第二天就能拿到。"
    )
    spam = "加微信 vx88888 领取彩金，澳门首家线上赌场上线啦，注册就送888元！"
    lines = [
        chinese,
        spam,
        f"{chinese}这是第二段。",
        *_text(1).split("\n"),
        "报告由两位医生核对过才发出。",
    ]
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps({"text": "\n".join(lines)}))
    _, kept, dropped = _run(tmp_path, path)
    assert dropped == []
    left = kept[0]["text"].split("\n")
    assert left == [line for line in lines if line != spam]
    assert kept[0]["measures"]["paragraph_languages"] == [
        ["zh", 2],
        ["en", len(left) - 3],
        ["zh", 1],
    ]


def test_the_funnel_counts_each_input_by_itself(tmp_path: Path) -> None:
    for name, numbers in (("news", (1, 2)), ("help", (3,))):
        (tmp_path / name).mkdir()
        for number in numbers:
            (tmp_path / name / f"{number}.html").write_text(_markup(number))
    short = tmp_path / "short.txt"
    short.write_text("This is the text that you see.")
    summary, kept, dropped = _run(tmp_path, tmp_path / "news", tmp_path / "help", short)
    names = [str(tmp_path / name) for name in ("help", "news", "short.txt")]
    quality = next(step for step in summary.funnel["steps"] if step["step"] == "quality")
    assert {
        name: (group["documents_in"], group["documents_out"])
        for name, group in quality["by_corpus"].items()
    } == dict(zip(names, [(1, 1), (2, 2), (1, 0)], strict=True))
    assert [record["corpus"] for record in kept] == [names[1], names[1], names[0]]
    assert [record["corpus"] for record in dropped] == [names[2]]


def test_a_json_line_with_texts_in_another_charset_is_read(tmp_path: Path) -> None:
    chinese = "医院的影像科每天为上百位病人做超声检查，医生把看到的情况写进报告。" * 4
    path = tmp_path / "in.jsonl"
    path.write_bytes(
        json.dumps({"id": "gbk", "text": chinese}, ensure_ascii=False).encode("gb18030")
        + b"\n"
        + json.dumps({"id": "cut", "text": _text(1)}).encode().replace(b"document", b"docum\xe9nt")
        + b'\n{"id": "half", "text": "\xff'
    )
    _, kept, dropped = _run(tmp_path, path, steps=["extract"])
    assert [record["text"] for record in kept][:1] == [chinese]
    assert [record["source"].rpartition("#")[2] for record in kept] == ["gbk", "cut"]
    assert [record["reason"] for record in dropped] == ["extract: line is no JSON (3)"]


def test_faulty_files_are_told_in_one_line_each_and_the_rest_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "good.txt").write_text(_text(1))
    (folder / "empty.html").touch()
    (folder / "notes.docx").write_text("x")
    (folder / ".hidden.txt").write_text(_text(3))
    os.mkfifo(folder / "pipe.jsonl")
    (folder / "dangling.txt").symlink_to("nowhere")
    lines = "".join(json.dumps({"id": n, "text": _text(n)}) + "\n" for n in range(4, 9))
    torn = gzip.compress(lines.encode())[:-20]
    (folder / "torn.jsonl.gz").write_bytes(torn)
    (folder / "wrong.jsonl.zst").write_bytes(b"no zstd at all")
    (folder / "wrong.parquet").write_bytes(b"no parquet at all")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "s.txt"))
        summary, kept, dropped = _run(tmp_path, folder)
    told = "\n".join(summary.problems)
    for name in ("empty.html", "pipe.jsonl", "dangling.txt", "torn.jsonl.gz", "wrong.jsonl.zst",
                 "wrong.parquet", "s.txt", "files of other kinds left out: "):  # fmt: skip
        assert told.count(name) == 1, name
    assert len(summary.problems) == 8
    assert kept[0]["text"] == _text(1)
    assert [record["source"].rpartition("/")[2] for record in dropped] == [
        "torn.jsonl.gz", "wrong.jsonl.zst", "wrong.parquet"
    ]  # fmt: skip
    errors = capsys.readouterr().err.splitlines()
    assert sum(line.startswith("warning: ") for line in errors) == 8
    assert not list((tmp_path / "result").glob(".*"))


def test_only_the_steps_asked_for_are_run_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(json.dumps({"text": "kurz &amp; gut, a@b.cn", "language": "de"}) + "\n")
    summary, kept, _ = _run(tmp_path, path, steps=["personal_data", "repair"])
    assert kept[0]["text"] == "kurz & gut, <EMAIL>"
    assert kept[0]["language"] == "de"
    assert [step["step"] for step in summary.funnel["steps"]] == ["repair", "personal_data"]


def test_an_unknown_step_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(UserError, match="'langage'; did you mean language"):
        clean([tmp_path / "a.txt"], output=tmp_path / "o.jsonl", steps=["langage"])
    assert not (tmp_path / "o.jsonl").exists()


@pytest.mark.parametrize("name", ["missing.txt", "empty-folder", "x.docx"])
def test_nothing_to_read_is_the_users_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty-folder").mkdir()
    (tmp_path / "x.docx").write_text("x")
    with pytest.raises(UserError, match=r"there is no(thing| file)"):
        clean([tmp_path / name], output=tmp_path / "o.jsonl")
    assert not (tmp_path / "o.jsonl").exists()


def test_outputs_that_cannot_be_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(_text(1))
    with pytest.raises(UserError, match="is a folder"):
        clean([tmp_path / "a.txt"], output=tmp_path)
    os.mkfifo(tmp_path / "pipe")
    for odd in (tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(UserError, match="is no regular file"):
            clean([tmp_path / "a.txt"], output=tmp_path / "o.jsonl", rejected=odd)
    with pytest.raises(UserError, match="cannot hold both"):
        clean([tmp_path / "a.txt"], output=tmp_path / "o.jsonl", rejected=tmp_path / "o.jsonl")


def test_a_result_in_the_input_folder_is_not_read_again(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(_text(1))
    output = tmp_path / "out.jsonl"
    for _ in range(2):
        summary = lodesmith.clean([str(tmp_path)], output=str(output), config=_CONFIG)
        assert (summary.num_records, summary.num_documents) == (1, 1)


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(_text(1))
    summary, _, dropped = _run(tmp_path, tmp_path / "a.txt", tmp_path / "a.txt")
    assert (summary.num_records, dropped) == (1, [])


def test_a_clipped_archive_gives_what_it_holds(tmp_path: Path) -> None:
    path = _write_warc(tmp_path / "a.warc.gz", range(6))
    path.write_bytes(path.read_bytes()[:-30])
    summary, kept, dropped = _run(tmp_path, path)
    assert len(kept) == 5
    reasons = [record["reason"] for record in dropped]
    assert sum(reason.startswith("extract: damaged record") for reason in reasons) == 1
    assert summary.num_records == len(kept) + len(dropped)


def test_a_page_of_which_a_part_was_saved_says_so(tmp_path: Path) -> None:
    body = _markup(1).encode()
    block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
    block += b"%x\r\n%s\r\nno chunk" % (len(body), body)
    head = "WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://a.cn/\r\n"
    record = f"{head}Content-Length: {len(block)}\r\n\r\n".encode() + block + b"\r\n\r\n"
    (tmp_path / "a.warc").write_bytes(record)
    summary, kept, dropped = _run(tmp_path, tmp_path / "a.warc")
    assert (summary.num_records, dropped) == (1, [])
    assert kept[0]["measures"]["damage"].startswith("its chunked body has no chunk at byte ")


def test_a_line_or_file_that_would_fill_the_memory_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lodesmith.prepare.input.records.MAX_PAYLOAD_BYTES", 2000)
    # patches reach this process only
    monkeypatch.setattr("lodesmith.prepare.passes.passes._LIMITS", None)
    (tmp_path / "a.txt").write_text("x" * 2001)
    rows = [{"id": "r1", "text": _text(1)}, {"text": "y" * 9000}, {"id": "r3", "text": _text(3)}]
    lines = "\n".join(json.dumps(row) for row in rows).encode()
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(lines))
    (tmp_path / "c.jsonl").write_bytes(lines[:5000])
    inputs = [tmp_path / name for name in ("a.txt", "b.jsonl.gz", "c.jsonl")]
    summary, kept, dropped = _run(tmp_path, *inputs, steps=["language"])
    assert [record["source"].rpartition("#")[2] for record in kept] == ["r1", "r3", "r1"]
    assert [record["reason"].split(": ", 1)[1] for record in dropped] == [
        "file is no page: too large",
        "line is too long (9013, limit 2000)",
        f"line is too long ({5000 - lines.index(b'{', 1)}, limit 2000)",
    ]
    assert summary.problems == []


def _raise_on(function: Callable[..., Any], word: str, error: Exception) -> Callable[..., Any]:
    """Return the function with a fault: it raises where its first text or document has a word."""

    def faulty(*arguments: Any, **options: Any) -> Any:
        for argument in arguments:
            if word in (argument if isinstance(argument, str) else getattr(argument, "text", "")):
                raise error
        return function(*arguments, **options)

    return faulty


def _write_poisoned(folder: Path) -> Path:
    rows = [{"id": f"r{n}", "text": "Poison. " * (n == 2) + _text(n)} for n in range(4)]
    path = folder / "in.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("step", "where"),
    [
        ("repair", "lodesmith.prepare.repair.repair"),
        ("ads", "lodesmith.prepare.ads.remove_ads"),
        ("exact_duplicates", "lodesmith.prepare.passes.later_passes.remove_lines"),
        ("personal_data", "lodesmith.prepare.personal_data.PersonalData.find"),
        ("decontaminate", "lodesmith.prepare.passes.later_passes.check_contamination"),
    ],
)
def test_a_record_that_a_step_fails_on_is_reported_and_its_shard_goes_on(
    step: str, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # patches reach this process only
    monkeypatch.setattr("lodesmith.prepare.passes.passes._LIMITS", None)
    path = _write_poisoned(tmp_path)
    work = pkgutil.resolve_name(where)
    monkeypatch.setattr(where, _raise_on(work, "Poison", ValueError("odd")))
    summary, kept, (record,) = _run(tmp_path, path)
    assert [record["source"].rpartition("#")[2] for record in kept] == ["r0", "r1", "r3"]
    assert summary.num_records == 4
    assert record["reason"].endswith(": record makes a step fail (ValueError)")
    assert step in ("repair", "ads") or record["step"] == step  # told at the first of a pass
    monkeypatch.setattr(where, _raise_on(work, "Poison", OSError(errno.ENOSPC, "full")))
    with pytest.raises(EngineError, match="no space left"):  # no fault of the record
        _run(tmp_path, path)


def test_a_dropped_record_that_cannot_be_masked_is_reported_without_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lodesmith.prepare.passes.passes._LIMITS", None)
    path = _write_poisoned(tmp_path)
    for where in ("repair.repair", "personal_data.PersonalData.find"):
        where = f"lodesmith.prepare.{where}"  # noqa: PLW2901
        monkeypatch.setattr(where, _raise_on(pkgutil.resolve_name(where), "Poison", KeyError()))
    _, kept, (record,) = _run(tmp_path, path)
    assert len(kept) == 3
    assert (record["step"], record["text"]) == ("extract", "")


@pytest.mark.slow
def test_a_line_of_four_gigabytes_is_one_rejected_record_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("wb") as file:
        file.write(json.dumps({"id": "r1", "text": _text(1)}).encode() + b"\n")
        file.seek(4 << 30)  # a hole, which costs no disk
        file.write(b"\n" + json.dumps({"id": "r3", "text": _text(3)}).encode())
    source = records.Source(path=path, kind="json", name="a", num_bytes=4 << 30)
    before = sum(
        process.memory_info().rss
        for process in (psutil.Process(), *psutil.Process().children(recursive=True))
    )
    with measure_cost() as cost:
        found = list(records.read_source(source))
    assert [(page.source, drop and drop.reason) for page, drop in found] == [
        ("a#r1", None), ("a#2", "line is too long"), ("a#r3", None)
    ]  # fmt: skip
    assert cost.peak_memory_bytes - before < 1 << 30


def test_a_torn_zstd_file_is_told_and_gives_what_it_holds(tmp_path: Path) -> None:
    rows = [json.dumps({"id": f"r{n}", "text": random.Random(n).randbytes(900).hex()})
            for n in range(400)]  # fmt: skip
    whole = zstandard.compress("\n".join(rows).encode())
    (tmp_path / "whole.jsonl.zst").write_bytes(whole + zstandard.compress(b"\n" + rows[0].encode()))
    (tmp_path / "torn.jsonl.zst").write_bytes(whole[: len(whole) * 2 // 3])
    summary, kept, dropped = _run(
        tmp_path, tmp_path / "torn.jsonl.zst", tmp_path / "whole.jsonl.zst", steps=["language"]
    )
    assert len(summary.problems) == 1
    assert (
        "torn.jsonl.zst could not be read to its end: the file is cut short" in summary.problems[0]
    )
    names = [record["source"].rpartition("/")[2] for record in [*kept, *dropped]]
    assert sum(name.startswith("whole") for name in names) == 401
    assert 100 < sum(name.startswith("torn.jsonl.zst#") for name in names) < 400


def test_a_torn_gzip_file_gives_the_lines_before_the_place(tmp_path: Path) -> None:
    rows = [json.dumps({"id": f"r{n}", "text": random.Random(n).randbytes(90).hex()})
            for n in range(40)]  # fmt: skip
    whole = gzip.compress("\n".join(rows).encode())
    (tmp_path / "torn.jsonl.gz").write_bytes(whole[: len(whole) * 2 // 3])
    (tmp_path / "two.jsonl.gz").write_bytes(
        whole + gzip.compress(b"\n" + rows[0].encode()) + b"\0" * 9
    )
    summary, kept, dropped = _run(
        tmp_path, tmp_path / "torn.jsonl.gz", tmp_path / "two.jsonl.gz", steps=["language"]
    )
    assert [problem.rpartition("/")[2] for problem in summary.problems] == [
        "torn.jsonl.gz could not be read to its end: the file is cut short"
    ]
    names = [record["source"].rpartition("/")[2] for record in [*kept, *dropped]]
    assert sum(name.startswith("two") for name in names) == 41
    assert 20 < sum(name.startswith("torn.jsonl.gz#") for name in names) < 40


def test_archives_are_known_by_their_bytes_and_packed_pages_are_unpacked(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    _write_warc(folder / "crawl.bad", range(2))
    (folder / "crawl.unpacked").write_bytes(gzip.decompress((folder / "crawl.bad").read_bytes()))
    (folder / "page.html.gz").write_bytes(gzip.compress(_markup(2).encode()))
    (folder / "text.txt.gz").write_bytes(gzip.compress(_text(3).encode())[:-9])
    (folder / "notes.docx").write_bytes(b"PK")
    summary, kept, dropped = _run(tmp_path, folder, steps=["extract"])
    names = [record["source"].rpartition("/")[2].partition("#")[0] for record in kept]
    assert names == ["crawl.bad"] * 2 + ["crawl.unpacked"] * 2 + ["page.html.gz"]
    assert any("text.txt.gz could not be read" in problem for problem in summary.problems)
    assert any("files of other kinds left out: 1 .docx" in line for line in summary.problems)
    assert len(kept) + len(dropped) == summary.num_records == 5 + 2 + 1


def test_one_row_that_is_no_utf8_does_not_cost_the_table(tmp_path: Path) -> None:
    texts = pa.array([_text(1).encode(), b"\xff\xfe\xd6 " + _text(2).encode(), _text(3).encode()])
    broken = pa.Array.from_buffers(pa.string(), 3, texts.buffers())
    pq.write_table(pa.table({"text": broken, "id": pa.array(["a", "b", "c"]).dictionary_encode()}),
                   tmp_path / "t.parquet")  # fmt: skip
    summary, kept, dropped = _run(tmp_path, tmp_path / "t.parquet", steps=["language"])
    assert {record["source"].rpartition("#")[2] for record in [*kept, *dropped]} == {"a", "b", "c"}
    assert summary.problems == []


def test_odd_names_loops_and_closed_folders_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    (folder / "good.txt").write_text(_text(1))
    odd = os.fsencode(folder) + b"/sub/\xff\xfe.txt"
    with open(odd, "w") as file:  # noqa: PTH123 pathlib would do too, but says less
        file.write(_text(2))
    (folder / "sub" / "loop").symlink_to("..", target_is_directory=True)
    (folder / "self.txt").symlink_to("self.txt")
    closed = folder / "closed"
    closed.mkdir()
    (closed / "c.txt").write_text(_text(3))
    closed.chmod(0)
    try:
        summary, kept, _ = _run(tmp_path, folder, steps=["language"])
    finally:
        closed.chmod(0o755)
    assert r"in/sub/\xff\xfe.txt" in " ".join(record["source"] for record in kept)
    told = "\n".join(summary.problems)
    assert "sub/loop is left out: it is a link to a folder" in told
    assert "self.txt is left out: " in told
    assert len(kept) == (3 if os.geteuid() == 0 else 2)
    assert os.geteuid() == 0 or "closed is left out: Permission denied" in told
