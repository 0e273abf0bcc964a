"""Archives that other programs wrote, odd and broken ones among them."""

import re
import zlib
from pathlib import Path

import pytest

from lodesmith.data.warc import Damage, read_record_at, read_warc

SAMPLES = Path(__file__).parents[2].parent / "shared" / "data" / "warc"
WARCIO, RESILIPARSE = "warc-warcio/test/data/", "warc-resiliparse/tests/data/"
JWARC = "warc-jwarc/test-resources/org/netpreserve/jwarc/"

# file -> records, and damages: offset, reason, whether the record is lost; counted by hand and with
# other readers of WARC
EXPECTED: dict[str, tuple[int, list[tuple[int, str, bool]]]] = {
    "warc-commoncrawl/whirlwind.warc": (4, []),
    "warc-commoncrawl/whirlwind.warc.gz": (4, []),
    "warc-commoncrawl/whirlwind.warc.wat": (2, []),
    "warc-commoncrawl/whirlwind.warc.wet": (2, []),
    f"{JWARC}cc.warc.gz": (1, []),
    f"{JWARC}gzip_extra_sl.warc.gz": (1, []),
    f"{RESILIPARSE}block-sized-records.warc": (3, []),
    f"{RESILIPARSE}block-sized-records.warc.gz": (3, []),
    f"{RESILIPARSE}clipped.warc.gz": (0, [(0, "the file ends inside a gzip member", True)]),
    f"{RESILIPARSE}clueweb-quirk.warc.gz": (30, []),
    f"{RESILIPARSE}warcfile.warc": (50, []),
    f"{RESILIPARSE}warcfile.warc.gz": (50, []),
    f"{WARCIO}bad.arc": (
        1,
        [
            (0, "its length is negative", True),
            (134, "its length is negative", True),
            (262, "69 bytes that belong to no record", True),
        ],
    ),
    f"{WARCIO}example-bad-non-chunked.warc.gz": (6, []),
    f"{WARCIO}example-bad.warc.gz.bad": (6, []),
    f"{WARCIO}example-digest.warc": (4, []),
    f"{WARCIO}example-iana.org-chunked.warc": (3, []),
    f"{WARCIO}example-resource.warc.gz": (3, []),
    f"{WARCIO}example-space-in-target-uri.warc.gz": (2, []),
    f"{WARCIO}example-space-in-url.arc": (2, []),
    f"{WARCIO}example-trunc.warc": (
        4,
        [
            (1197, "its packed body is torn: what comes before that is kept", False),
            (2560, "6 bytes that belong to no record", True),
        ],
    ),
    f"{WARCIO}example-wget-bad-target-uri.warc.gz": (6, []),
    f"{WARCIO}example-wrong-chunks.warc.gz": (2, []),
    f"{WARCIO}example.arc": (2, []),
    f"{WARCIO}example.arc.gz": (2, []),
    f"{WARCIO}example.warc": (6, []),
    f"{WARCIO}example.warc.gz": (6, []),
    f"{WARCIO}post-test.warc.gz": (6, []),
}


def sample(name: str) -> Path:
    path = SAMPLES / name
    if not path.exists():
        pytest.skip(f"the sample {name} is not beside this checkout")
    return path


@pytest.mark.parametrize("name", EXPECTED)
def test_every_record_is_found_and_every_damage_told_with_place_and_reason(
    name: str,
) -> None:
    path = sample(name)
    damages: list[Damage] = []
    records = list(read_warc(path, on_damage=damages.append))
    told = [(damage.offset, damage.reason, damage.is_lost) for damage in damages]
    assert (len(records), told) == EXPECTED[name]
    assert all(read_record_at(path, record.offset) == record for record in records[:8])


def test_plain_and_compressed_forms_hold_the_same_records() -> None:
    for name in ("warc-commoncrawl/whirlwind.warc", f"{RESILIPARSE}warcfile.warc"):
        plain = [(r.record_id, r.payload) for r in read_warc(sample(name))]
        assert plain == [(r.record_id, r.payload) for r in read_warc(sample(f"{name}.gz"))]


def test_a_chunked_page_is_joined() -> None:
    records = list(read_warc(sample(f"{WARCIO}example-iana.org-chunked.warc")))
    page = next(record for record in records if record.type == "response")
    assert page.payload.startswith(b"<!doctype html>")
    assert page.payload.rstrip().endswith(b"</html>")
    assert page.charset == "utf-8"


def test_angle_brackets_around_an_address_are_not_part_of_it() -> None:
    for record in read_warc(sample(f"{WARCIO}example-wget-bad-target-uri.warc.gz")):
        assert not record.uri.startswith("<")


@pytest.mark.parametrize("name", ["block-sized-records.warc", "warcfile.warc"])
def test_the_lz4_form_of_a_file_holds_the_same_records(name: str) -> None:
    damages: list[Damage] = []
    records = list(read_warc(sample(f"{RESILIPARSE}{name}.lz4"), on_damage=damages.append))
    plain = list(read_warc(sample(f"{RESILIPARSE}{name}")))
    assert [record[1:] for record in records] == [record[1:] for record in plain]
    assert damages == []
    path = sample(f"{RESILIPARSE}{name}.lz4")
    assert all(read_record_at(path, record.offset) == record for record in records[:8])


@pytest.mark.parametrize("name", EXPECTED)
def test_the_reader_finds_what_a_search_for_record_beginnings_finds(name: str) -> None:
    """Counts independently: unpack with zlib whatever can be, then search for version lines."""
    path = sample(name)
    data = path.read_bytes()
    plain = b""
    while data[:2] == b"\x1f\x8b":
        inflater = zlib.decompressobj(31)
        plain += inflater.decompress(data)
        data = inflater.unused_data
    plain += data
    begins = re.findall(rb"(?m)^WARC/\d\.\d\r?\nWARC-|^WARC/\d\.\d\r?\n[A-Z]", plain)
    if begins:
        records, damages = EXPECTED[name]
        assert records <= len(begins) <= records + len(damages)
