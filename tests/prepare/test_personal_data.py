"""Personal data is masked beside any script, and numbers of other kinds are left alone."""

import re
import sys
import types
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.core.errors import UserError
from lodesmith.data.documents import Document
from lodesmith.prepare.config import PersonalDataConfig
from lodesmith.prepare.personal_data import PersonalData
from lodesmith.prepare.personal_data.plug_ins import GROUP

_KINDS = PersonalDataConfig().kinds
_STEP = PersonalData(PersonalDataConfig(kinds=(*_KINDS, "person")))


def mask_text(text: str) -> tuple[str, dict[str, int]]:
    counts: dict[str, int] = {}
    for span in _STEP.find(text):
        counts[span.kind] = counts.get(span.kind, 0) + 1
    return _STEP.mask_text(text), counts


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("联系邮箱abc.def@mail.example.cn谢谢", "联系邮箱<EMAIL>谢谢"),
        ("Write to jane_doe+x@example.org.", "Write to <EMAIL>."),
        ("身份证号11010119900307123X，请核对", "身份证号<RESIDENT_ID>，请核对"),
        ("电话13812345678或138 1234 5678", "电话<MOBILE>或<MOBILE>"),
        ("手机+86-13812345678。", "手机<MOBILE>。"),
        ("座机010-62345678转1", "座机<LANDLINE>转1"),
        ("座机(021) 62345678", "座机<LANDLINE>"),
        ("卡号4111 1111 1111 1111已冻结", "卡号<BANK_CARD>已冻结"),
        ("卡号5201 6912 3456 7891。", "卡号<BANK_CARD>。"),
        ("from 123.234.45.89 at noon", "from <IP_ADDRESS> at noon"),
        ("地址为123.234.45.89的主机", "地址为<IP_ADDRESS>的主机"),
        ("身份证 110101 19900307 123X。", "身份证 <RESIDENT_ID>。"),
        ("身份证号110101900307123", "身份证号<RESIDENT_ID>"),
        ("座机01062345678", "座机<LANDLINE>"),
        ("税号91110108MA01ABCD3X，", "税号<COMPANY_CODE>，"),
        ("车牌京A12345和川A·D12345。", "车牌<PLATE>和<PLATE>。"),
        ("护照E12345678入境", "护照<PASSPORT>入境"),
        ("港澳通行证号码：C12345678", "港澳通行证号码：<PASSPORT>"),
        ("我住在北京市海淀区中关村大街27号院3号楼1201室，", "我住在<ADDRESS>，"),
        ("他搬到翠园小区3栋2单元501室了", "他搬到<ADDRESS>了"),
        ("患者张三丰，男，63岁", "患者<PERSON>，男，63岁"),
        ("请联系王建国先生", "请联系<PERSON>先生"),
        ("My name is John Smith.", "My name is <PERSON>."),
        ("lives at 12 Baker Street, London", "lives at <ADDRESS>, London"),
        ("at 9 Rue de la Paix, Paris", "at <ADDRESS>, Paris"),
        ("to Via Roma 131 and Mellemvej 32", "to <ADDRESS> and <ADDRESS>"),
        ("from ul. Narewska 94, 3rd floor", "from <ADDRESS>, 3rd floor"),
        ("in Springfield, IL 62704-1234.", "in <ADDRESS>."),
        ("near London SW1A 2AA or Ottawa K1A 0B1", "near London <ADDRESS> or Ottawa <ADDRESS>"),
        ("USS Hill\nFPO AE 25990", "<ADDRESS>"),
        ("PSC 6477, Box 2981\nAPO AE 83700", "<ADDRESS>"),
        ("write to Suite 318 or Apt. 4B", "write to <ADDRESS> or <ADDRESS>"),
        ("the corner of Crown St and Retreat Avenue", "the corner of <ADDRESS>"),
        (
            "Dear Ms. Oakley, I spoke to Mary and Peter Falk.",
            "Dear Ms. <PERSON>, I spoke to <PERSON> and <PERSON>.",
        ),
        (
            "Hi Joop,\nsee you.\nBest wishes,\nAnsel Masson",
            "Hi <PERSON>,\nsee you.\nBest wishes,\n<PERSON>",
        ),
        (
            "my wife Djevad is here, directed by Ayna Grow",
            "my wife <PERSON> is here, directed by <PERSON>",
        ),
        (
            '"No," says Du Cane. Tosh Olsen lives at sea.',
            '"No," says <PERSON>. <PERSON> lives at sea.',
        ),
        ("Mary's patient Ilse Vry", "<PERSON>'s patient <PERSON>"),
        ("call (905) 674-3793 or +44 20 7946 0958", "call <PHONE> or <PHONE>"),
        ("Mobile: 0490 39 07 81", "Mobile: <PHONE>"),
        ("Desk: +1-903-140-4508x769 or 903-240-4508x7", "Desk: <PHONE> or <PHONE>"),
        ("nobody is answering at 78 651 450.", "nobody is answering at <PHONE>."),
        ("no more messages to 0688 872 49 99", "no more messages to <PHONE>"),
        ("781 1704 office\n(579)888-3058 fax", "<PHONE> office\n<PHONE> fax"),
        ("085 175 7641-Office, 3660170548", "<PHONE>-Office, 3660170548"),
        ("SSN 460-89-9847.", "SSN <SOCIAL_SECURITY>."),
        ("pay GB56HXDO88167774656119 now", "pay <BANK_ACCOUNT> now"),
        ("https://a.cn/x?token=abcdef123456&x=1", "https://a.cn/x?token=<SECRET>&x=1"),
        ("https://me:secret@a.cn/", "https://<SECRET>@a.cn/"),
        ("密码：abc12345678。", "密码：<SECRET>。"),
        ("AKIAIOSFODNN7EXAMPLE is gone", "<SECRET> is gone"),
        ("from 2400:3200:baba::1 at noon", "from <IP_ADDRESS> at noon"),
    ],
)
def test_personal_data_is_masked(text: str, masked: str) -> None:
    assert mask_text(text)[0] == masked
    assert sum(mask_text(text)[1].values()) == masked.count("<")


@pytest.mark.parametrize(
    "text",
    [
        "LibreOffice 7.4.7.2 and version 10.12.14.16", "the server 192.168.11.1 or 127.0.0.1",
        "mDNS 224.0.0.251", "Section 6.2.4.3", "between -2.147.483.648 and 2.147.483.647",
        "ISO/IEC 26300:2-2015", "order 4111 1111 1111 1112", "id a13812345678b", "3.13812345678",
        "user@host", "@media print", "1234567890123456789012", "2024-05-31 12:00:00",
        "0x1F60013812345678", "pi is 3.14159265358979", "客服热线400-820-1234", "四川A12345",
        "第5号文件，10号线，3楼检验科", "password: required()", "2024年5月12号",
        "GB56HXDO88167774656118",
        "2001:db8::1 or ::1", "the key=value pairs",
        "St. John, Fort Wayne and Mary Street", "the Charles River and the Nobel Prize of 1921",
        "1991-2012, Al R. Lane", "if name is None, this is NOT", "iPhone P4 2GB",
        "on Route 66 in May 2020", "Boulevard 2020", "Suite of 3", "Room 12",
        "Please sign here. This is The End", "AB 12345", "in CA 90 of 100", "written by Hand",
        "cell 654435761", "from 2009-2010 Mobile, Inc.", "replies to messages from 2010-10-12",
        "in 12 345 678 home games", "(C) 2001 2003 Office", "国际标准书号978-7-1234-5678-9",
    ],
)  # fmt: skip
def test_other_numbers_and_signs_stay(text: str) -> None:
    assert mask_text(text) == (text, {})


@given(st.integers(0, 10**15 - 1))
def test_card_numbers_are_masked_exactly_if_the_check_digit_is_right(number: int) -> None:
    head = f"4{number:014d}"
    total = sum(
        sum(divmod(int(digit) * (2 if place % 2 == 0 else 1), 10))
        for place, digit in enumerate(reversed(head))
    )
    right = -total % 10
    for check in range(10):
        is_masked = mask_text(f"卡{head}{check}号")[0] == "卡<BANK_CARD>号"
        assert is_masked == (check == right) or "<MOBILE>" in mask_text(f"卡{head}{check}号")[0]


@given(st.text(alphabet="0123456789 +-.()@aE:/=号路市京王先生", max_size=60))
def test_masking_twice_is_masking_once(text: str) -> None:
    once = mask_text(text)[0]
    assert mask_text(once)[0].count("<") == once.count("<")


@given(st.text(max_size=80))
def test_text_between_the_places_found_stays_as_it_was(text: str) -> None:
    spans = _STEP.find(text)
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    assert _STEP.replace(text, []) == text


def _document(text: str) -> Document:
    return Document(
        id="1", source="s", url="u", language="zh", text=text, title=text, headings=[text]
    )


def test_headings_and_title_are_masked_too_and_places_are_noted() -> None:
    masked = _STEP.mask(_document("联系a@b.cn"))
    assert masked.counts == {"email": 1}
    assert masked.document.text == masked.document.title == "联系<EMAIL>"
    assert masked.document.headings == ["联系<EMAIL>"]
    assert masked.document.measures == {"personal_data": [["email", 2, 8]]}
    assert "a@b.cn" not in masked.document.to_json()


def test_only_the_kinds_asked_for_are_masked() -> None:
    step = PersonalData(PersonalDataConfig(kinds=("email",)))
    assert step.mask_text("a@b.cn 13812345678") == "<EMAIL> 13812345678"


def _with_key(path: Path, key: bytes) -> PersonalData:
    path.write_bytes(key)
    return PersonalData(PersonalDataConfig(action="pseudonymise", key_file=str(path)))


def test_a_pseudonym_is_the_same_for_the_same_value_and_key_only(tmp_path: Path) -> None:
    step = _with_key(tmp_path / "key", b"0123456789abcdef")
    one, same, other = re.findall(
        "<MOBILE [0-9a-f]{12}>", step.mask_text("13812345678 138 1234 5678 13912345678")
    )
    assert one == same != other
    again = _with_key(tmp_path / "other", b"fedcba9876543210")
    assert again.mask_text("13812345678") != one


def test_a_key_that_is_missing_or_short_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds 3 bytes"):
        _with_key(tmp_path / "key", b"abc")
    missing = PersonalDataConfig(action="pseudonymise", key_file=str(tmp_path / "none"))
    with pytest.raises(UserError, match="cannot be read"):
        PersonalData(missing)
    with pytest.raises(ValueError, match="set both or neither"):
        PersonalDataConfig(action="pseudonymise")


def test_an_id_depends_on_the_key_and_not_on_where_it_lies(tmp_path: Path) -> None:
    def identity(name: str, key: bytes) -> object:
        path = tmp_path / name
        path.write_bytes(key)
        return PersonalDataConfig(action="pseudonymise", key_file=str(path)).identity()

    assert identity("a", b"0" * 16) == identity("b", b"0" * 16) != identity("c", b"1" * 16)


def test_drop_names_how_many_pieces_and_keeps_none_of_them() -> None:
    step = PersonalData(PersonalDataConfig(action="drop"))
    masked = step.mask(_document("联系a@b.cn"))
    assert masked.drop is not None
    assert (masked.drop.text, masked.drop.value) == ("personal data (1, limit 0)", 1)
    assert "a@b.cn" not in masked.document.to_json()
    assert step.mask(_document("联系我们")).drop is None


def test_a_plug_in_of_another_package_finds_more(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint(name="names", value="reveal:load", group=GROUP)
    module = types.ModuleType("reveal")
    module.load = lambda: (
        lambda text: [("person", m.start(), m.end()) for m in re.finditer("Ada", text)]
    )  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "reveal", module)
    monkeypatch.setattr(
        "lodesmith.prepare.personal_data.plug_ins.entry_points", lambda group: [point]
    )
    step = PersonalData(PersonalDataConfig(plug_ins=("names",)))
    assert step.mask_text("Ada wrote to a@b.cn") == "<PERSON> wrote to <EMAIL>"
    with pytest.raises(UserError, match="did you mean names"):
        PersonalData(PersonalDataConfig(plug_ins=("name",)))
