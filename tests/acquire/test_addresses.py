"""Private addresses are told from public ones, however they are written."""

import socket

import pytest

from lodesmith.acquire.addresses import (
    PrivateAddressError,
    check_addresses,
    is_public,
    resolve_host,
)
from lodesmith.core.errors import EngineError

PRIVATE = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254",
    "172.16.0.1", "172.31.255.255", "192.0.0.8", "192.168.1.1", "198.18.0.1", "224.0.0.1",
    "255.255.255.255", "::", "::1", "::ffff:127.0.0.1", "::127.0.0.1", "fc00::1", "fd12::1",
    "fe80::1", "fec0::1", "ff02::1", "2001:db8::1", "2001::1", "2002:7f00:1::", "64:ff9b::a00:1",
    "64:ff9b:1::1", "100::1",
]  # fmt: skip
PUBLIC = [
    "1.1.1.1", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "192.167.1.1",
    "223.255.255.254", "::ffff:8.8.8.8", "2606:4700::1111", "2a00:1450::1", "2002:808:808::",
    "64:ff9b::808:808",
]  # fmt: skip


@pytest.mark.parametrize("ip", PRIVATE)
def test_an_address_that_is_not_of_the_open_internet_is_refused(ip: str) -> None:
    assert not is_public(ip)
    with pytest.raises(PrivateAddressError, match="allow_private: true"):
        check_addresses("host", [ip], allow_private=False)
    assert check_addresses("host", [ip], allow_private=True) == [ip]


@pytest.mark.parametrize("ip", PUBLIC)
def test_a_public_address_passes(ip: str) -> None:
    assert is_public(ip)
    assert check_addresses("host", [ip, "10.0.0.1", ip], allow_private=False) == [ip]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f.1", "0", "::1"])
def test_odd_spellings_of_loopback_are_seen_through(host: str) -> None:
    with pytest.raises((PrivateAddressError, EngineError)):
        resolve_host(host, 80, allow_private=False)


def test_an_unknown_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(EngineError, match=r"nowhere\.invalid cannot be found \(Name or service"):
        resolve_host("nowhere.invalid", 80, allow_private=False)
