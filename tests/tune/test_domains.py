"""What a domain of a chain may be called."""

import pytest
from pydantic import ValidationError

from lodesmith.tune.domains import DomainConfig


@pytest.mark.parametrize("name", ["liver-2", "超声", "médecine_générale"])
def test_a_domain_is_named_in_any_script(name):
    assert _read(name).domain == name


@pytest.mark.parametrize("name", ["two words", "tab\there", "no\u200bwidth"])
def test_a_name_that_is_no_word_is_refused(name):
    with pytest.raises(ValidationError, match="must be one word; join several by a hyphen"):
        _read(name)


def _read(name: str) -> DomainConfig:
    return DomainConfig(domain=name, files=["pairs.jsonl"], max_steps=1)
