"""Electronic addresses, and what opens doors: passwords and tokens in URLs, keys of services.

A search begins at a sign that ordinary text seldom holds (`@`, `://`, a key's fixed beginning), so
that ordinary text costs a few scans for a substring.

Source: RFC 5321, section 4.5.3.1, for the lengths in addresses; the services' own documentation for
the beginnings of their keys; RFC 7519 for JSON web tokens.
"""

import ipaddress
import re
from collections.abc import Iterator

from lodesmith.prepare.personal_data.spans import Span

_DOMAIN = re.compile(
    r"[@＠](?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9@])"
)
_MAILBOX = re.compile(r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9_][A-Za-z0-9._%+-]{0,63}$")
_MAX_MAILBOX = 64

_USER_IN_URL = re.compile(r"://([^\s/?#@:]{1,64}:[^\s/?#@]{1,128})@")
_TOKEN_IN_URL = re.compile(
    r"[?&#](?:[A-Za-z_-]{0,20}(?:token|api_?key|secret|signature|passw(?:or)?d|session_?id)"
    r"|key|sig|sign|auth|code|sid|jwt|pwd)=([^\s&#\"'<>，。；]{6,})",
    re.IGNORECASE,
)
_ASSIGNED = re.compile(  # written out, for a search without regard to case is ten times slower
    r"(?:[Pp](?:assw(?:or)?d|ASSW(?:OR)?D|wd|WD)|[Aa](?:pi[_-]?[Kk]ey|PI_KEY|ccess[_-]?[Tt]oken)|"
    r"[Ss](?:ecret(?:[_-]?[Kk]ey)?|ECRET(?:_KEY)?)|ACCESS_TOKEN|密码|密钥|口令)"
    r"[\"']?\s{0,2}(?:[:=：]|是|为)\s{0,2}[\"']?([!-~]{8,128})"
)
_KEYS = {  # a beginning that text seldom holds -> the whole key
    "AKIA": r"AKIA[0-9A-Z]{16}",
    "ASIA": r"ASIA[0-9A-Z]{16}",
    "LTAI": r"LTAI[0-9A-Za-z]{12,26}",
    "AKID": r"AKID[0-9A-Za-z]{28,36}",
    "AIza": r"AIza[0-9A-Za-z_-]{35}",
    "sk-": r"sk-[0-9A-Za-z_-]{20,200}",
    "sk_live_": r"sk_live_[0-9A-Za-z]{16,64}",
    "ghp_": r"ghp_[0-9A-Za-z]{36}",
    "gho_": r"gho_[0-9A-Za-z]{36}",
    "github_pat_": r"github_pat_[0-9A-Za-z_]{40,90}",
    "glpat-": r"glpat-[0-9A-Za-z_-]{20}",
    "hf_": r"hf_[0-9A-Za-z]{30,40}",
    "xox": r"xox[abprs]-[0-9A-Za-z-]{10,80}",
    "eyJ": r"eyJ[0-9A-Za-z_-]{10,}\.eyJ[0-9A-Za-z_-]{10,}\.[0-9A-Za-z_-]{10,}",
    "-----BEGIN": r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\w+/=\s]{32,8192}-----END [A-Z ]*-----",
}
_KEY_PATTERNS = {
    sign: re.compile(rf"(?<![0-9A-Za-z]){key}(?![0-9A-Za-z])") for sign, key in _KEYS.items()
}
_IPV6 = re.compile(
    r"(?<![0-9A-Za-z:.])(?:[0-9A-Fa-f]{1,4}:){2,7}(?::|[0-9A-Fa-f]{1,4})[0-9A-Fa-f:]*"
)
_IPV6_SIGN = re.compile(r"[23][0-9A-Fa-f]{3}:[0-9A-Fa-f]{1,4}:")


def find_internet(text: str, kinds: frozenset[str]) -> Iterator[Span]:
    """Yield addresses of mail and machines, and secrets; they may overlap."""
    if "email" in kinds and ("@" in text or "＠" in text):
        yield from _find_emails(text)
    if "ip_address" in kinds and _IPV6_SIGN.search(text):
        yield from _find_ipv6(text)
    if "secret" in kinds:
        yield from _find_secrets(text)


def _find_emails(text: str) -> Iterator[Span]:
    for domain in _DOMAIN.finditer(text):
        at = domain.start()
        mailbox = _MAILBOX.search(text, max(0, at - _MAX_MAILBOX - 1), at)
        if mailbox:
            yield Span("email", mailbox.start(), domain.end())


def _find_ipv6(text: str) -> Iterator[Span]:
    for match in _IPV6.finditer(text):
        try:
            address = ipaddress.IPv6Address(match[0])
        except ValueError:
            continue
        if address.is_global:
            yield Span("ip_address", *match.span())


def _find_secrets(text: str) -> Iterator[Span]:
    if "://" in text:
        yield from (Span("secret", *match.span(1)) for match in _USER_IN_URL.finditer(text))
    if "=" in text:
        yield from (Span("secret", *match.span(1)) for match in _TOKEN_IN_URL.finditer(text))
    for sign, pattern in _KEY_PATTERNS.items():
        if sign in text:
            yield from (Span("secret", *match.span()) for match in pattern.finditer(text))
    for match in _ASSIGNED.finditer(text):
        if _looks_random(match[1]):
            yield Span("secret", *match.span(1))


def _looks_random(value: str) -> bool:
    """Tell a password from a word such as `required` or a name such as `get_password(user)`."""
    has_digit = any(char.isdigit() for char in value)
    has_letter = any(char.isalpha() for char in value)
    return has_digit and has_letter and not any(char in "()<>{}[]" for char in value)
