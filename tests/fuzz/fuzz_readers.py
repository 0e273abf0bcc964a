"""Feeds harmed bytes to every parser of data from outside, and checks what must always hold.

    python tests/fuzz/fuzz_readers.py --seconds 300                # all targets in turn
    LD_PRELOAD="$(gcc -print-file-name=libasan.so):$(gcc -print-file-name=libstdc++.so.6)" \
        ASAN_OPTIONS=detect_leaks=0 \
        python tests/fuzz/fuzz_readers.py --seconds 300 --sanitized

Mutations: bits flipped, stretches removed, doubled, moved, filled, cut off, and words of the
formats put in. A failing input is printed as the seed that makes it again (`--seed`, `--number`).
"""

import argparse
import contextlib
import ctypes
import gzip
import io
import itertools
import json
import random
import signal
import sys
import tempfile
import time
import traceback
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import lz4.frame
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from lodesmith.data import warc_batches, warc_http, warc_reader
from lodesmith.data.charset import decode_page
from lodesmith.data.documents import Document
from lodesmith.data.rows import ROW_FAULTS, read_json_rows, read_table_rows
from lodesmith.data.warc import read_warc
from lodesmith.native import library
from lodesmith.native import warc as kernel
from lodesmith.native.bpe import MergeLearner
from lodesmith.native.html import extract_html
from lodesmith.native.lines import hash_lines
from lodesmith.native.overlap import Runs
from lodesmith.prepare.ads import WithoutAds, remove_ads
from lodesmith.prepare.config import (
    NearDuplicatesConfig,
    PersonalDataConfig,
    PersonalDataKind,
    QualityConfig,
    RuleSet,
)
from lodesmith.prepare.duplicates.signatures import sign
from lodesmith.prepare.language.detect_language import detect_language
from lodesmith.prepare.personal_data import PersonalData
from lodesmith.prepare.quality import judge
from lodesmith.prepare.quality.natural import score_naturalness
from lodesmith.prepare.repair import repair_text
from lodesmith.prepare.words import split_words

_MAX_CPU_SECONDS = 5.0  # for one small input; more is a hang
_WORDS = [
    b"WARC/1.0\r\n", b"\r\n\r\n", b"Content-Length: ", b"WARC-Type: response\r\n",
    b"HTTP/1.1 200 OK",
    b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n", b"\x1f\x8b\x08\x00",
    b"0\r\n",
    b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"\x50\x2a\x4d\x18", b"FFFFFFFF\r\n", b"-1",
    b"\0" * 9,
    b"99999999999", b"http://a/ 1.1.1.1 20200101000000 text/html 5\n", b"{", b"\\ud800", b"\xff\xfe",  # noqa: E501
]  # fmt: skip


def make_record(number: int) -> bytes:
    page = f"<p>page {number} ".encode() * (number * 7)
    block = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=gbk\r\n\r\n" + page
    if number % 3 == 1:
        packed = gzip.compress(page)
        block = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + packed
    if number % 3 == 2:
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(page[i : i + 50]), page[i : i + 50])
                          for i in range(0, len(page), 50))  # fmt: skip
        block = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    head = b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://a/%d\r\n" % number
    return head + b"Content-Length: %d\r\n\r\n" % len(block) + block + b"\r\n\r\n"


RECORDS = [make_record(number) for number in range(1, 7)]
ARC_LINES = b"1 0 Live\nURL IP-address Archive-date Content-type Archive-length\n"
ARC = b"filedesc://x.arc 1.2.3.4 20140216050221 text/plain %d\n%s\n" % (len(ARC_LINES), ARC_LINES)
ARC += b"".join(b"http://a/ b 1.2.3.4 20140216050222 text/html 30\n%s\n" % (b"x" * 30)
                for _ in range(4))  # fmt: skip


def _make_parquet() -> bytes:
    buffer = io.BytesIO()
    rows = [f"text {number} " * 20 for number in range(50)]
    pq.write_table(pa.table({"text": rows, "id": list(range(50))}), buffer, row_group_size=20)
    return buffer.getvalue()


PAGE = """<!doctype html><html lang=zh><head><title>标题</title><meta charset=gbk></head><body>
<nav><a href=/>首页</a></nav><article class=post-content><h1>Head</h1>
<p>一段很长的文字，说明很多事情。 Text &amp; &#x4e2d;.</p><ul><li>one<ol start=3><li>two</ol></ul>
<table><tr><th colspan=2>a<td rowspan=3>b|<tr><td>c<br>d</table><pre><code class="language-c">
int x;</code></pre><math><mfrac><mi>a</mi><msup>b c</msup></mfrac></math><img class=tex alt="x^2">
<script type="math/tex">y</script><blockquote>q</blockquote></article><aside class=sidebar>
<p hidden>no</p></aside><footer>&copy; 2020</footer></body></html>""".encode()
TEXT = (
    "他对这?(ge)鑫侍夂苊靼住? 加微信abc123。\n"
    "Good text, it is. cafÃ© &amp;amp; 浣犲ソ\n上一篇：标题"
)

PROSE = (
    "The council met on Monday, and didn't agree; e.g. Mr. Smith's plan (see p. 12) cost $3.50...\n"
    "• Read more\n{ lorem ipsum }\nthe the the the the and of to be with that have\n"
    "Call 13812345678 or mail a.b@example.org, IBAN DE89370400440532013000, 110101199003078515\n"
    "会议认为，改造工程应当分三年完成，第一年先修道路和水管。会议认为，改造工程应当分三年完成。\n"
    "これは日本語の文です。 Это русский текст. 한국어 문장입니다 ﬁ Ⅷ ½ 👩‍👩‍👧 e\u0301"
)
QUALITY = QualityConfig(rule_sets=get_args(RuleSet))
PERSONAL_DATA = PersonalData(PersonalDataConfig(kinds=get_args(PersonalDataKind)))

SEEDS: dict[str, list[bytes]] = {
    "plain": [b"".join(RECORDS)],
    "gzip": [b"".join(map(gzip.compress, RECORDS)), gzip.compress(b"".join(RECORDS))],
    "zstd": [b"".join(map(zstandard.compress, RECORDS))],
    "lz4": [b"".join(map(lz4.frame.compress, RECORDS))],
    "arc": [ARC, gzip.compress(ARC)],
    "http": [record.split(b"\r\n\r\n", 1)[1] for record in RECORDS],
    "inflate": [zlib.compress(b"".join(RECORDS), level) for level in (0, 1, 6, 9)]
    + [gzip.compress(b"ab" * 500), zlib.compress(random.Random(1).randbytes(3000))],
    "html": [PAGE, PAGE.decode().encode("gb18030"), b"<table><tr><td>" * 30],
    "text": [TEXT.encode(), TEXT.encode().decode("latin-1").encode(), TEXT.encode("gb18030")],
    "rules": [PROSE.encode(), TEXT.encode(), PROSE.encode("utf-16-le")],
    "merges": [PROSE.encode(), PROSE.encode("gb18030", "replace")],
    "json": ["".join(json.dumps({"text": f"t{n} ä", "id": n}) + "\n" for n in range(9)).encode()],
    "parquet": [_make_parquet()],
}


def mutate(data: bytes, chance: random.Random) -> bytes:  # noqa: C901 a list of harms
    """Return the bytes with a few harms."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 9))):
        at, size = chance.randrange(len(out) + 1), chance.choice((1, 2, 8, 60, 700))
        kind = chance.randrange(7)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del out[at : at + size]
        elif kind == 2:
            out[at:at] = out[at : at + size]
        elif kind == 3:
            out[at : at + size] = chance.randbytes(min(size, 60))
        elif kind == 4:
            out[at:at] = chance.choice(_WORDS)
        elif kind == 5:
            piece = bytes(out[at : at + size])
            there = chance.randrange(len(out) + 1)
            out[there:there] = piece
        elif chance.random() < 0.3:
            del out[at:]
    return bytes(out)


def check_archive(data: bytes, folder: Path) -> None:
    """Both readers end, agree, and name each record once; nothing but damage is raised."""
    path = folder / "a.warc"
    path.write_bytes(data)
    damages: list[object] = []
    try:
        records = list(read_warc(path, on_damage=damages.append))
    except warc_reader.UserError:
        return  # compressed otherwise
    offsets = [record.offset for record in records]
    assert len(set(offsets)) == len(offsets), "two records of one name"
    assert all(0 <= offset < len(data) for offset in offsets), "a record outside the file"
    assert all(len(record.payload) <= 64 << 20 for record in records)
    assert records or damages or not data.strip(b"\0\r\n"), "nothing read and nothing said"
    slow = _read_slowly(path)
    assert slow == records or _differs_in_names_only(slow, records, data), "the readers disagree"
    again = _read_in_blocks(path, 1 + zlib.crc32(data) % 5000)
    assert again == (records, damages), "it matters where blocks end"


def _read_in_blocks(path: Path, num_bytes: int) -> tuple[list[object], list[object]]:
    kept = warc_batches._INPUT_BYTES
    warc_batches._INPUT_BYTES = num_bytes
    damages: list[object] = []
    try:
        return list(read_warc(path, on_damage=damages.append)), damages
    finally:
        warc_batches._INPUT_BYTES = kept


def _read_slowly(path: Path) -> list[object]:
    kept = warc_reader._read_quickly

    def one_by_one(file, codec, report, start):
        place = start
        while place is not None:
            stream = warc_reader.ArchiveBytes(file, start=place, codec=codec)
            place = yield from warc_reader._read_run(stream, report)

    warc_reader._read_quickly = one_by_one
    try:
        return list(read_warc(path, on_damage=lambda _: None))
    finally:
        warc_reader._read_quickly = kept


def _differs_in_names_only(slow: list, quick: list, data: bytes) -> bool:
    """A member that is one whole record is that to the quick reader, whatever follows it; the slow
    one looks at what follows and may cut it."""
    del data
    shared = {record.payload for record in slow} & {record.payload for record in quick}
    return len(shared) >= min(len(slow), len(quick)) // 2


def check_http(data: bytes, _: Path) -> None:
    with contextlib.suppress(warc_http.UndecodableBodyError):
        warc_http.parse_response(data)
    warc_http.holds_whole_body(data)
    assert len(warc_http.join_chunks(data)[0]) <= len(data)


def check_inflate(data: bytes, _: Path) -> None:
    """What zlib inflates we inflate alike, and what it refuses we refuse."""
    wrapper, wbits = (kernel.GZIP, 31) if data[:1] == b"\x1f" else (kernel.ZLIB, 15)
    decoder = zlib.decompressobj(wbits)
    try:
        expected: bytes | None = decoder.decompress(data)
        if not decoder.eof:
            expected = None
    except zlib.error:
        expected = None
    inflater, pieces, rest = kernel.Inflater(wrapper), [], data
    try:
        while not inflater.is_done:
            piece, used = inflater.inflate(rest, is_all=True)
            pieces.append(piece)
            rest = rest[used:]
        found: bytes | None = b"".join(pieces)
    except kernel.InflateError:
        found = None
    assert found == expected, "zlib sees it otherwise"
    if found is not None:
        assert len(rest) == len(decoder.unused_data)


def check_json(data: bytes, folder: Path) -> None:
    for name, packed in (("a.jsonl", data), ("a.jsonl.gz", data), ("a.jsonl.zst", data)):
        (folder / name).write_bytes(packed)
        try:
            rows = list(read_json_rows(folder / name, max_bytes=200))
        except ROW_FAULTS:
            assert name != "a.jsonl", "plain lines can always be read"
            continue
        lines = data.count(b"\n") + 1
        assert len(rows) <= lines


def check_parquet(data: bytes, folder: Path) -> None:
    (folder / "a.parquet").write_bytes(data)
    try:
        for row in read_table_rows(folder / "a.parquet", columns=None):
            assert row.fault is None
    except ROW_FAULTS:
        pass


def check_html(data: bytes, _: Path) -> None:
    """Each line has a kind, whatever the bytes are and however they are written."""
    markup = decode_page(data, charset="").text.encode("utf-8", "replace")
    for how in ({}, {"everything": True}, {"markdown": True}):
        found = extract_html(markup, **how)
        lines = found.text.split("\n") if found.text else []
        assert len(found.kinds) == len(lines), "a line without a kind"
        assert len(found.text) <= 200 * len(markup) + 100, "more text than a page can hold"


def check_text(data: bytes, _: Path) -> None:
    """Repair ends and is its own fixed point; each line stays or is named."""
    mended = repair_text(data.decode("utf-8", "replace"))
    assert repair_text(mended) == mended, "repaired text is repaired further"
    document = Document(id="a", source="a", url="", language="zh", text=mended)
    result = remove_ads(document)
    if isinstance(result, WithoutAds):
        kept = result.document.text.split("\n")
        assert {*kept, *result.lines, ""} >= set(mended.split("\n"))


def check_rules(data: bytes, _: Path) -> None:
    """Every judgement of a text is a number in its range, and the same the second time."""
    text = data.decode("utf-8", "surrogateescape" if data[:1] < b"a" else "replace")
    document = Document(id="a", source="a", url="", language="und", text=text)
    verdicts = [_judge_all(document), _judge_all(document)]
    assert verdicts[0] == verdicts[1], "the second judgement is another"
    words = split_words(text)
    known = Runs.build([(7, words.hashes, 5)])
    count, owner = known.find(words.hashes)
    assert (count, owner) == ((len(words.hashes) - 4, 7) if len(words.hashes) > 4 else (0, None))
    hashes, columns = hash_lines(text, max_counter=40)
    assert len(hashes) == len(columns) == text.casefold().count("\n") + 1
    masked = PERSONAL_DATA.find(text)
    assert all(0 <= span.start < span.end <= len(text) for span in masked)


def _judge_all(document: Document) -> list[object]:
    text = document.text
    language, confidence = detect_language(text)
    assert 0 <= confidence <= 1
    natural = [score_naturalness(text, code) for code in ("zh", "en", "und")]
    assert all(each is None or 0 <= each <= 1 for each in natural)
    signs = [sign(text, NearDuplicatesConfig(ngram=kind)) for kind in ("characters", "words")]
    verdict = judge(document, QUALITY)
    return [language, confidence, natural, [each.tolist() for each in signs], str(verdict)]


def check_merges(data: bytes, _: Path) -> None:
    """Words are the text again, and merges are learnt of ids that are there."""
    text = data.decode("utf-8", "replace")
    with MergeLearner() as learner:
        assert b"".join(learner.split(text)) == text.encode()
        learner.add(text)
        merges = learner.learn(num_merges=60, least_count=2, byte_ids=range(256))
    assert all(max(pair) < 256 + number for number, pair in enumerate(merges))


TARGETS: dict[str, Callable[[bytes, Path], None]] = {
    "plain": check_archive, "gzip": check_archive, "zstd": check_archive, "lz4": check_archive,
    "arc": check_archive, "http": check_http, "inflate": check_inflate, "html": check_html,
    "text": check_text, "rules": check_rules, "merges": check_merges, "json": check_json,
    "parquet": check_parquet,
}  # fmt: skip


def find_fault(target: str, seed: int, number: int, folder: Path) -> str | None:
    """Run one input, a pure function of target, seed and number; say what it broke, if anything."""
    chance = random.Random(f"{target}-{seed}-{number}")
    data = mutate(chance.choice(SEEDS[target]), chance)
    again = f"--targets {target} --seed {seed} --number {number}"
    started = time.process_time()
    try:
        TARGETS[target](data, folder)
    except Exception:  # noqa: BLE001 whatever it is, it is what was looked for
        return f"{again}\n{traceback.format_exc()}"
    return f"{again}: too slow" if time.process_time() - started > _MAX_CPU_SECONDS else None


def use_sanitized_kernels(folder: Path) -> None:
    from lodesmith.native.build import build_library

    build_library(folder / "k.so", extra_flags=("-fsanitize=address,undefined", "-g",
                                                "-fno-sanitize-recover=undefined"))  # fmt: skip
    sanitized = ctypes.CDLL(str(folder / "k.so"))
    for module in [module for name, module in sys.modules.items() if name.startswith("lodesmith.")]:
        if hasattr(module, "load_library"):
            module.load_library = lambda: sanitized
    library.load_library = lambda: sanitized


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60, help="CPU time")
    parser.add_argument("--targets", default=",".join(TARGETS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--number", type=int, help="run this input only")
    parser.add_argument("--sanitized", action="store_true", help="kernels with ASAN and UBSAN")
    parser.add_argument("--keep-going", action="store_true", help="list failures, do not stop")
    options = parser.parse_args()
    targets = options.targets.split(",")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    counts = dict.fromkeys([*targets, "failures"], 0)
    with tempfile.TemporaryDirectory() as name:
        if options.sanitized:
            use_sanitized_kernels(Path(name))
        try:
            run_inputs(options, targets, counts, Path(name))
        finally:  # also when someone stops it
            print(json.dumps({**counts, "cpu_s": round(time.process_time())}), flush=True)


def run_inputs(
    options: argparse.Namespace, targets: list[str], counts: dict[str, int], folder: Path
) -> None:
    numbers = itertools.count() if options.number is None else [options.number]
    for number in numbers:
        for target in targets:
            fault = find_fault(target, options.seed, number, folder)
            counts[target] += 1
            if fault is not None:
                counts["failures"] += 1
                print(fault, file=sys.stderr)
                if not options.keep_going:
                    sys.exit(1)
        if time.process_time() >= options.seconds:
            break


if __name__ == "__main__":
    main()
