"""Addresses, robots.txt, sitemaps, links, charsets: each a pure function with hostile input."""

import gzip

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lodesmith.acquire.crawl.answer import TooLargeError, Unpacker
from lodesmith.acquire.crawl.config import Limits
from lodesmith.acquire.crawl.links import read_facts
from lodesmith.acquire.crawl.robots import parse_robots
from lodesmith.acquire.crawl.sitemaps import parse_sitemap
from lodesmith.acquire.crawl.urls import join_url, make_territory, parse_url, why_trap
from lodesmith.data.charset import decode_page


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("HTTP://EXAMPLE.org:80", "http://example.org/"),
        ("https://example.org:443/a/./b/../c", "https://example.org/a/c"),
        ("http://example.org/%7Ea%2fb%e4", "http://example.org/~a%2Fb%E4"),
        ("http://example.org/a?utm_source=x&id=1&fbclid=2#f", "http://example.org/a?id=1"),
        ("http://example.org/a;jsessionid=0A1B?x", "http://example.org/a?x"),
        ("http://example.org/中文", "http://example.org/%E4%B8%AD%E6%96%87"),
        ("http://example.org./a\n b", "http://example.org/a%20b"),
        ("http://[::1]:8080/", "http://[::1]:8080/"),
        ("http://example.org/../../a", "http://example.org/a"),
        ("http://example.org/100%", "http://example.org/100%25"),
    ],
)
def test_spellings_of_one_address_become_one(written: str, same: str) -> None:
    url = parse_url(written)
    assert url is not None
    assert url.text == same


@pytest.mark.parametrize(
    "text", ["ftp://a.org/", "http://", "http://a b/", "http://[::1", "http://a.org:99999/", "x",
             "http://" + "a" * 64 + ".org/", "http://a%00.org/", "http://exa\u200bmple\u3000.org/"]
)  # fmt: skip
def test_what_is_no_web_address_is_none(text: str) -> None:
    assert parse_url(text) is None


@given(st.text(max_size=80))
def test_normalising_again_changes_nothing(text: str) -> None:
    url = parse_url("http://example.org/" + text)
    if url is not None:
        assert parse_url(url.text) == url


@given(st.text(max_size=60))
def test_no_link_makes_joining_fail(link: str) -> None:
    url = join_url("http://example.org/a/b?c", link)
    assert url is None or url.text.startswith(("http://", "https://"))


def test_traps_are_seen_in_the_address() -> None:
    limits = Limits(max_url_chars=100, max_parameters=2)
    reasons = [
        why_trap(url, limits)
        for text in ("/a", "/a?b&c&d", "/x/x/x/x", "/" + "y" * 100)
        if (url := parse_url("http://a.org" + text))
    ]
    assert reasons == [None, "too many parameters", "repeated path segments", "address too long"]


@pytest.mark.parametrize(
    ("scope", "inside", "outside"),
    [
        ("host", "http://www.a.org/x", "http://b.www.a.org/"),
        ("domain", "https://b.a.org/", "http://nota.org/"),
        ("prefix", "http://www.a.org/zh/x", "http://www.a.org/en/"),
    ],
)
def test_scope_holds_what_it_says(scope: str, inside: str, outside: str) -> None:
    territory = make_territory(["http://www.a.org/zh/"], scope, [], [])  # type: ignore[arg-type]
    assert [territory.holds(url) for url in map(parse_url, (inside, outside)) if url] == [
        True,
        False,
    ]


def test_include_and_exclude_are_globs_over_host_and_path() -> None:
    territory = make_territory(["http://a.org/"], "host", ["a.org/zh/**"], ["**/*.pdf"])
    paths = ("/zh/1.html", "/en/1.html", "/zh/1.pdf")
    urls = [url for path in paths if (url := parse_url("http://a.org" + path))]
    assert [territory.holds(url) for url in urls] == [True, False, False]


def test_robots_rules_follow_the_standard() -> None:
    robots = parse_robots(
        b"\xef\xbb\xbfUser-Agent: other\nDisallow: /\n\nuser-agent: LODESMITH/1.0\nUser-agent: x\n"
        b"Disallow: /a # why\nAllow: /a/b\nDisallow: /*.gif$\nDisallow: /*/c*/d\nDisallow: /%7Ez\n"
        b"crawl-delay: 3\nDisallow:\nSitemap: http://a.org/s.xml\n"
    )
    allowed = ("/", "/a/b/x", "/1.gif?x")
    forbidden = ("/a", "/ab", "/1.gif", "/x/cc/d", "/~z", "/%7ez")
    assert [path for path in (*allowed, *forbidden) if robots.allows(path)] == list(allowed)
    assert (robots.delay_seconds, robots.sitemaps) == (3.0, ("http://a.org/s.xml",))


def test_of_two_rules_of_equal_length_the_allowing_one_wins() -> None:
    assert parse_robots(b"User-agent: *\nDisallow: /a\nAllow: /a").allows("/a")


def test_a_group_of_our_own_replaces_the_one_for_all() -> None:
    robots = parse_robots(b"User-agent: *\nDisallow: /\nUser-agent: lodesmith\nDisallow: /x")
    assert (robots.allows("/y"), robots.allows("/x")) == (True, False)


@pytest.mark.timeout(60)  # exponential matching would take for ever
def test_hostile_robots_patterns_cost_little() -> None:
    robots = parse_robots(b"User-agent: *\n" + b"Disallow: /" + b"*a" * 5000 + b"b$\n")
    assert robots.allows("/" + "a" * 2000)


@given(st.binary(max_size=200))
def test_any_bytes_after_a_rule_of_robots_leave_it_in_force(body: bytes) -> None:
    assume(b"allow" not in body.lower())
    robots = parse_robots(b"User-agent: *\nDisallow: /private/\n" + body)
    assert not robots.allows("/private/a")
    assert robots.allows("/public")


def test_a_sitemap_index_and_a_text_sitemap_are_read() -> None:
    index = parse_sitemap(
        b'<?xml version="1.0"?><sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
        b"<sitemap><loc>http://a.org/1.xml</loc></sitemap></sitemapindex>"
    )
    assert (index.sitemaps, index.pages, index.fault) == (["http://a.org/1.xml"], [], None)
    assert parse_sitemap(gzip.compress(b"http://a.org/1\nhttp://a.org/2\n")).pages == [
        "http://a.org/1", "http://a.org/2",
    ]  # fmt: skip


def test_a_broken_sitemap_gives_what_came_before_the_fault() -> None:
    found = parse_sitemap(b"<urlset><url><loc>http://a.org/1</loc></url><url><loc>http://")
    assert found.pages == ["http://a.org/1"]
    assert found.fault is not None


def test_an_entity_bomb_in_a_sitemap_is_refused() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><urlset><url><loc>&b;</loc></url>'
    assert parse_sitemap(bomb).fault == (
        "it declares a document type, which could hold entity bombs"
    )


def test_a_sitemap_that_unpacks_without_end_is_left_early() -> None:
    bomb = gzip.compress(b"<urlset>" + b" " * (60 << 20))
    assert "more than 50 MiB" in (parse_sitemap(bomb).fault or "")


def test_links_are_found_and_hidden_ones_are_not() -> None:
    facts = read_facts(
        "<base href='/b/'><a class=x href=\"1?a=1&amp;b\">1</a><A HREF=2 >2</A>"
        "<!-- <a href=no1> --><script>'<a href=no2>'</script><a rel=nofollow href=no3>"
        "<area href=3><iframe src='4'></iframe><link rel=canonical href=c><link rel=next href=5>"
        "<link rel=stylesheet href=no4><meta http-equiv=Refresh content='3; URL=\"r\"'>"
        "<meta name=ROBOTS content='NoIndex, follow'><a href=1?a=1&amp;b>again</a>"
    )
    assert facts.links == ["1?a=1&b", "2", "3", "4", "5"]
    assert (facts.base, facts.canonical, facts.refresh) == ("/b/", "c", "r")
    assert (facts.noindex, facts.nofollow) == (True, False)


@pytest.mark.timeout(60)  # a quadratic search would take hours
@pytest.mark.parametrize(
    "unit",
    ["<!--", "<script>", "<a href=", "<a " + "x" * 7000, "<meta content='" + " " * 5000, "<"],
)
def test_hostile_markup_costs_no_more_than_its_bytes(unit: str) -> None:
    assert not read_facts(unit * ((2 << 20) // len(unit))).links


@given(st.text(alphabet="<a href='\"=>/!-scriptmebx \n", max_size=300))
def test_every_link_found_stands_in_the_markup(markup: str) -> None:
    spaceless = "".join(markup.split())
    assert [
        link for link in read_facts(markup).links if "".join(link.split()) not in spaceless
    ] == []


@pytest.mark.parametrize(
    ("charset", "text", "named", "told"),
    [
        ("gb18030", "黄河流经九个省区，注入渤海。", "gb2312", ("gb18030", "header")),
        ("big5", "<meta charset=Big5>這是臺灣的網頁。", "", ("big5hkscs", "page")),
        ("utf-8", "<meta charset=gbk>黄河流经九个省区", "latin-1", ("utf-8", "bytes")),
        ("utf-16", "黄河", "utf-8", ("utf-16-le", "mark")),
    ],
)
def test_the_charset_is_what_the_bytes_bear_out(
    charset: str, text: str, named: str, told: tuple[str, str]
) -> None:
    decoded = decode_page(text.encode(charset), charset=named)
    assert (decoded.charset, decoded.told_by) == told


def test_unpacking_ends_at_its_limit() -> None:
    packed = gzip.compress(bytes(1 << 24))
    with pytest.raises(TooLargeError):
        Unpacker("gzip", 1 << 20).feed(packed)
    assert len(Unpacker("gzip", 1 << 25).feed(packed)) == 1 << 24
    assert Unpacker("gzip", 100).feed(b"<p>never packed") == b"<p>never packed"
