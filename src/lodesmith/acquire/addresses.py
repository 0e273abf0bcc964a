"""Which network addresses a download may reach: public ones, unless the recipe allows others.

A name is resolved once and the connection goes to the very address that was checked; a name that
points elsewhere a moment later (DNS rebinding), an odd spelling of 127.0.0.1 and a redirect into
the machine's own network then gain nothing.

Source: the IANA registries of special-purpose addresses for IPv4 and IPv6 (RFC 6890 and updates).
"""

import ipaddress
import socket
from collections.abc import Iterable

from lodesmith.core.errors import EngineError, UserError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Python's own `is_global` has changed its mind between minor versions; hence a table.
_NOT_PUBLIC_4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",  # private use
        "100.64.0.0/10",  # shared behind carriers' NAT
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, and the clouds' metadata services
        "192.0.0.0/24", "192.88.99.0/24",  # protocol assignments, retired 6to4 relays
        "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24",  # documentation
        "198.18.0.0/15",  # benchmarks
        "224.0.0.0/4", "240.0.0.0/4",  # multicast, reserved, broadcast
    )
)  # fmt: skip
_GLOBAL_6 = ipaddress.IPv6Network("2000::/3")  # all that is assigned for global use lies here
_NOT_PUBLIC_6 = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
        "2001:db8::/32", "3fff::/20",  # documentation
    )
)  # fmt: skip
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address
_6TO4 = ipaddress.IPv6Network("2002::/16")  # RFC 3056: bits 16 to 48 are one


class PrivateAddressError(UserError):
    """A host lies where downloads may not go."""


def is_public(ip: str | Address) -> bool:
    """Tell whether an address is one of the open internet, IPv4 inside IPv6 looked into.

    >>> is_public("93.184.216.34"), is_public("2606:4700::1111")
    (True, True)
    >>> is_public("169.254.169.254"), is_public("::ffff:10.0.0.1"), is_public("fe80::1%eth0")
    (False, False, False)
    """
    address = ipaddress.ip_address(ip)
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_4)
    embedded = _find_embedded(address)
    if embedded is not None:
        return is_public(embedded)
    return address in _GLOBAL_6 and not any(address in network for network in _NOT_PUBLIC_6)


def _find_embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that packets to an IPv6 address end at, None where there is none."""
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    bits = int(address)
    if address in _NAT64:
        return ipaddress.IPv4Address(bits & 0xFFFFFFFF)
    return ipaddress.IPv4Address(bits >> 80 & 0xFFFFFFFF) if address in _6TO4 else None


def check_addresses(host: str, addresses: Iterable[str], *, allow_private: bool) -> list[str]:
    """Return the addresses of a host that a download may connect to, in the order given.

    One private address among public ones does not make the others bad: it is left out.

    Args:
        host: as written in the URL, for the message.
        addresses: what it resolved to.
        allow_private: whether the recipe says so.

    Raises:
        PrivateAddressError: none is left.
    """
    found = list(dict.fromkeys(addresses))
    allowed = [ip for ip in found if allow_private or is_public(ip)]
    if not allowed:
        raise PrivateAddressError(
            f"{host} lies in a private network ({', '.join(found[:3]) or 'no address'}), which "
            "downloads may not reach; if that is meant, set allow_private: true for the source"
        )
    return allowed


def resolve_host(host: str, port: int, *, allow_private: bool) -> list[str]:
    """Return the addresses to connect to for a host name or a literal address.

    Raises:
        EngineError: the name is not known.
        PrivateAddressError: it leads to private addresses only, and these are not allowed.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "no valid name"
        raise EngineError(
            f"{host} cannot be found ({reason}); check the name and the network"
        ) from None
    addresses = [str(entry[4][0]) for entry in found]
    return check_addresses(host, addresses, allow_private=allow_private)
