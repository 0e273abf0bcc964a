"""Sealed data: opened by its key only, and not at all once it was changed."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.core.errors import DamagedArtifactError, UserError
from lodesmith.core.seal import (
    MAGIC,
    grant,
    granted_key,
    make_key,
    protect,
    read_key,
    reveal,
    seal,
    unseal,
)

KEY, OTHER = b"k" * 32, b"o" * 32


@given(st.binary(max_size=200))
def test_what_is_sealed_comes_back_whole(data):
    sealed = seal(data, KEY)
    assert sealed.startswith(MAGIC)
    assert unseal(sealed, KEY, name="x") == data
    assert sealed == seal(data, KEY)
    assert len(data) < 8 or data not in sealed[len(MAGIC) :]


def test_more_than_one_block_comes_back_in_order():
    data = os.urandom(1 << 20) + b"end"
    assert unseal(seal(data, KEY), KEY, name="x") == data
    assert unseal(seal(data[: 1 << 20], KEY), KEY, name="x") == data[: 1 << 20]


def test_another_key_opens_nothing():
    with pytest.raises(UserError, match="x was sealed with another key"):
        unseal(seal(b"secret", KEY), OTHER, name="x")


def test_a_change_or_a_cut_is_noticed():
    sealed = seal(b"a" * (1 << 20) + b"b" * 100, KEY)
    step = (1 << 20) + 16
    head = len(sealed) - step - 116
    blocks = sealed[head : head + step], sealed[head + step :]
    changed = [
        sealed[:-1],
        sealed[: -len(blocks[1])],
        sealed[:-1] + bytes([sealed[-1] ^ 1]),
        sealed[:head] + blocks[1] + blocks[0],
        sealed + b"more",
    ]
    for data in changed:
        with pytest.raises(DamagedArtifactError, match="x was changed or cut short"):
            unseal(data, KEY, name="x")


def test_a_key_is_made_once_and_only_its_owner_may_read_it(tmp_path):
    path = tmp_path / "key"
    make_key(path)
    assert len(read_key(path)) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(UserError, match="never written over"):
        make_key(path)
    path.chmod(0o644)
    with pytest.raises(UserError, match="can be read by others; run: chmod 600"):
        read_key(path)
    path.chmod(0o600)
    path.write_text("short")
    with pytest.raises(UserError, match="holds no key"):
        read_key(path)
    with pytest.raises(UserError, match="cannot be read"):
        read_key(tmp_path / "none")


def test_a_grant_ends_with_its_block_and_never_lies_in_the_workspace(tmp_path):
    path = tmp_path / "key"
    make_key(path)
    with grant(path, workspace=tmp_path / "ws"):
        assert granted_key() == read_key(path)
        sealed = protect(b"secret")
        assert reveal(sealed, name="x") == b"secret"
    assert granted_key() is None
    assert protect(b"plain") == b"plain"
    assert reveal(b"plain", name="x") == b"plain"
    with pytest.raises(UserError, match=r"x is sealed; only a run whose recipe names privacy\.key"):
        reveal(sealed, name="x")
    with pytest.raises(UserError, match="lies in the workspace"), grant(path, workspace=tmp_path):
        pass
    with grant(None, workspace=Path("ws")):
        assert granted_key() is None
