"""Personal data is masked beside any script, and numbers of other kinds are left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.data.documents import Document
from lodesmith.prepare.personal_data import mask_personal_data, mask_text


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
        ("卡号6222021234567890128。", None),  # depends on the check digit: see below
        ("from 123.234.45.89 at noon", "from <IP_ADDRESS> at noon"),
        ("地址为123.234.45.89的主机", "地址为<IP_ADDRESS>的主机"),
    ],
)
def test_personal_data_is_masked(text: str, masked: str | None) -> None:
    if masked is not None:
        assert mask_text(text)[0] == masked
        assert sum(mask_text(text)[1].values()) == masked.count("<")


@pytest.mark.parametrize(
    "text",
    [
        "LibreOffice 7.4.7.2 and version 10.12.14.16", "the server 192.168.11.1 or 127.0.0.1",
        "mDNS 224.0.0.251", "Section 6.2.4.3", "between -2.147.483.648 and 2.147.483.647",
        "ISO/IEC 26300:2-2015", "order 4111 1111 1111 1112", "id a13812345678b", "3.13812345678",
        "user@host", "@media print", "1234567890123456789012", "2024-05-31 12:00:00",
        "0x1F60013812345678", "pi is 3.14159265358979",
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


@given(st.text(max_size=80))
def test_masking_twice_is_masking_once(text: str) -> None:
    once = mask_text(text)[0]
    assert mask_text(once) == (once, {})


def test_headings_and_title_are_masked_too_and_only_counts_are_kept() -> None:
    document = Document(
        id="1", source="s", url="u", language="zh", text="联系a@b.cn\n正文", title="联系a@b.cn",
        headings=["联系a@b.cn"],
    )  # fmt: skip
    masked = mask_personal_data(document)
    assert masked.counts == {"email": 1}
    assert masked.document.text == "联系<EMAIL>\n正文"
    assert masked.document.headings == ["联系<EMAIL>"]
    assert masked.document.title == "联系<EMAIL>"
