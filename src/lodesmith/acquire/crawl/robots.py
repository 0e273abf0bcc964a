"""robots.txt: what a host asks crawlers to leave alone, and how fast it wants to be asked.

Source: RFC 9309: groups and matching in section 2.2, reading and its limits in section 2.5.
Crawl-delay and Sitemap are no part of it, but widely written.
"""

import math
import re
from dataclasses import dataclass, field

AGENT = "lodesmith"  # our product token
MAX_ROBOTS_BYTES = 500 << 10  # RFC 9309, section 2.5: at least 500 KiB are read
_MAX_RULES = 10_000  # of one group; more is an attack on the matcher


@dataclass(frozen=True, slots=True)
class Rule:
    """One allow or disallow line."""

    pattern: str
    allows: bool
    matcher: re.Pattern[str]


@dataclass(frozen=True)
class Robots:
    """What a host's robots.txt says to us."""

    rules: tuple[Rule, ...] = ()  # the longest pattern first, allow before disallow
    delay_seconds: float = 0.0
    sitemaps: tuple[str, ...] = ()

    def allows(self, target: str) -> bool:
        """Tell whether a path with its query may be fetched."""
        path = _normal(target)
        found = next((rule for rule in self.rules if rule.matcher.match(path)), None)
        return found is None or found.allows


@dataclass
class _Group:
    agents: list[str] = field(default_factory=list)
    rules: dict[str, bool] = field(default_factory=dict)
    delay: float = 0.0
    is_open: bool = True  # further User-agent lines belong to it until a rule comes


def parse_robots(body: bytes) -> Robots:
    r"""Return the rules for us of a robots.txt.

    >>> robots = parse_robots(b"User-agent: *\nDisallow: /a\nAllow: /a/b$\nCrawl-delay: 2")
    >>> robots.allows("/a/c"), robots.allows("/a/b"), robots.delay_seconds
    (False, True, 2.0)
    """
    text = body[:MAX_ROBOTS_BYTES].decode("utf-8", "replace").removeprefix("\ufeff")
    groups: list[_Group] = []
    sitemaps: list[str] = []
    for line in re.split(r"[\r\n]+", text):
        key, colon, value = line.partition("#")[0].partition(":")
        key, value = key.strip().lower(), value.strip()
        if key == "sitemap" and value and len(sitemaps) < 1000:
            sitemaps.append(value)
        elif colon:
            _read_line(groups, key, value)
    ours = [group for group in groups if AGENT in group.agents]
    ours = ours or [group for group in groups if "*" in group.agents]
    rules: dict[str, bool] = {}
    for group in ours:  # groups that name the same agent count as one
        for pattern, allows in group.rules.items():
            rules[pattern] = rules.get(pattern, False) or allows  # of equals, allow wins
    compiled = [Rule(pattern, allows, _compile(pattern)) for pattern, allows in rules.items()]
    compiled.sort(key=lambda rule: (-len(rule.pattern), not rule.allows))
    delay = max((group.delay for group in ours), default=0.0)
    return Robots(tuple(compiled), delay, tuple(sitemaps))


def _read_line(groups: list[_Group], key: str, value: str) -> None:
    if key == "user-agent":
        if not groups or not groups[-1].is_open:
            groups.append(_Group())
        token = re.match(r"[A-Za-z_-]+|\*", value)
        groups[-1].agents.append(token[0].lower() if token else "")
        return
    if not groups:
        return
    group = groups[-1]
    if key in ("allow", "disallow"):
        group.is_open = False
        if value and len(group.rules) < _MAX_RULES:
            pattern = _normal(value)
            group.rules[pattern] = group.rules.get(pattern, False) or key == "allow"
    elif key == "crawl-delay":
        group.is_open = False
        group.delay = max(group.delay, _seconds(value))


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        return 0.0
    return seconds if math.isfinite(seconds) and seconds > 0 else 0.0


def _compile(pattern: str) -> re.Pattern[str]:
    """Return a matcher from the path's start; `*` is lazy and possessive, so never slow."""
    ends = pattern.endswith("$")
    pieces = re.sub(r"\*+", "*", pattern.removesuffix("$")).split("*")
    # (?>.*?piece) never gives back what it took, which keeps matching linear in path and pieces;
    # the first place where a piece fits is always good enough, but for a last one tied to the end
    last = pieces.pop() if ends and len(pieces) > 1 else None
    head = re.escape(pieces[0]) + "".join(f"(?>.*?{re.escape(piece)})" for piece in pieces[1:])
    tail = "" if not ends else r"\Z" if last is None else f"(?=.*{re.escape(last)}\\Z)"
    return re.compile(head + tail, re.DOTALL)


def _normal(path: str) -> str:
    """Return a path or pattern with one spelling for each character (RFC 9309, section 2.2.2)."""
    raw = path.encode("utf-8", "replace")
    text = re.sub(rb"%([0-9A-Fa-f]{2})", _unescape, raw)
    return "".join(chr(byte) if byte < 128 else f"%{byte:02X}" for byte in text)


def _unescape(match: re.Match[bytes]) -> bytes:
    byte = bytes([int(match[1], 16)])
    is_plain = byte.isalnum() or byte in b"-._~"
    return byte if is_plain else match[0].upper()
