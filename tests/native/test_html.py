"""The page reader in C: what it keeps, what it leaves out, and that no page can hurt it."""

import html.entities

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lodesmith.native.html import (
    KIND_CODE,
    KIND_HEADING,
    SIGN_ARTICLE,
    SIGN_CUT,
    HtmlText,
    extract_html,
)
from lodesmith.native.html_tables import HEADER, render

_PROSE = "The style of a paragraph decides its font, its spacing and its colour on the page. "
_ZH = "段落样式决定文字的字体、间距和颜色，也决定它在页面上的位置。"
_PIECES = (
    "<div>", "</div>", "<p>", "</p>", "<li>", "<ul>", "</ul>", "<table><tr><td>", "</table>", "<b>",
    "</b>", "<a href=x>", "</a>", "<pre>\n", "</pre>", "<!--", "-->", "<script>", "</script>", "&",
    "&amp", "&#0;", "&nbsp;", "<title>", "<math>", "<svg>", "<h1>", "</h2>", "<br>", '"', "'", "=",
    "<span hidden>", "<x-y>", "</x-y>", "<textarea>", "<select>", _PROSE, _ZH, "\0", "\u3000",
    "<td", "<code>", "</code>", "<tr>", "<td>", "<blockquote>",
)  # fmt: skip


def _read(body: str, **how: bool) -> HtmlText:
    return extract_html(body.encode("utf-8", "surrogatepass"), **how)


def _lines(body: str, **how: bool) -> list[str]:
    return _read(body, **how).text.split("\n")


def test_the_tables_are_those_that_the_script_writes() -> None:
    assert HEADER.read_text(encoding="ascii") == render()


# What becomes of text


def test_every_entity_of_the_standard_is_decoded() -> None:
    for name, text in html.entities.html5.items():
        if not text.isspace():
            assert _read(f"<p>x&{name} y</p>").text == f"x{text} y"


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("a &lt;b&gt; &amp;amp; c", "a <b> &amp; c"),
        ("&#x4e2d;&#25991;&#128;&#0;&#xD800;&#x110000;", "中文€\ufffd\ufffd\ufffd"),
        ("&nosuch; & &; &# AT&T x&y", "&nosuch; & &; &# AT&T x&y"),
        ("&notit; &notin;", "¬it; ∉"),
        ("a<b>b</b>c <i>d</i>\n e", "abc d e"),
        ("中文\n中文 <b>和</b>\n英文 and\nmore", "中文中文 和英文 and more"),
        ("1 < 2 <3 and 4 > 3", "1 < 2 <3 and 4 > 3"),
        ("<ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp></ruby>字", "漢字"),
        ("a<br>b<br/>c", "a\nb\nc"),
        ("x<!-- no -->y<![CDATA[z]]>", "xy"),
        ("a<script>if (a<b) '</p>'</script>b<style>p{}</style>", "ab"),
        ("a&nbsp;&nbsp;b", "a b"),
    ],
)
def test_text_comes_out_as_a_reader_sees_it(markup: str, text: str) -> None:
    assert _read(f"<p>{markup}</p>").text == text


def test_unclosed_elements_end_where_the_standard_says() -> None:
    markup = (
        "<ul><li>one<li>two</ul><table><tr><td>a<td>b<tr><td>c</table><dl><dt>t<dd>d</dl><p>x<p>y"
    )
    assert _lines(markup, everything=True) == [
        "  • one",
        "  • two",
        "a\tb",
        "c",
        "t",
        "d",
        "x",
        "y",
    ]


def test_lists_are_numbered_and_indented() -> None:
    markup = "<ol><li>one<ul><li>in it</ul><li>two</ol>"
    assert _lines(markup, everything=True) == ["  1. one", "    • in it", "  2. two"]


def test_markdown_keeps_headings_lists_code_tables_and_formulae() -> None:
    lines = _lines(
        f"<h2>Head</h2><p>{_PROSE}</p><ul><li>item</ul><pre><code class='language-c'>int x;</code>"
        "</pre><table><tr><th>a<th>b<tr><td>1<td>2|3</table><p><code>tar</code> packs.</p>"
        "<blockquote>q</blockquote><p>so <math alttext='a^2'><mi>a</mi></math> holds</p>",
        everything=True,
        markdown=True,
    )
    assert lines == [
        "## Head", "", _PROSE.strip(), "", "- item", "", "```c", "int x;", "```", "",
        "| a | b |", "| --- | --- |", "| 1 | 2\\|3 |", "", "`tar` packs.", "", "> q", "",
        "so $a^2$ holds",
    ]  # fmt: skip


def test_every_row_of_a_markdown_table_has_all_its_columns() -> None:
    rows = (
        "<tr><th>name<th colspan=2>both</tr><tr><td rowspan=2>a<br>b<td><p>one</p><p>two</p><td>3"
        "</tr><tr><td><ul><li>item</ul><td></tr><tr><td colspan='3'>over all</tr>"
    )
    lines = _lines(
        f"<p>{_PROSE}</p><table>{rows}</table><table>{rows}</table>", everything=True, markdown=True
    )
    table = [
        "| name | both | |", "| --- | --- | --- |", "| a b | one two | 3 |", "| | item | |",
        "| over all | | |",
    ]  # fmt: skip
    assert lines == [_PROSE.strip(), "", *table, "", *table]


def test_a_table_that_lays_out_a_page_is_none_in_markdown() -> None:
    page = f"<table><tr><td>menu<td><h2>Head</h2><p>{_PROSE * 3}</p><pre>x = 1</pre></table>"
    text = _read(page, everything=True, markdown=True).text
    assert "|" not in text
    assert "\n\n## Head\n\n" in text


def test_a_numbered_list_begins_where_it_says() -> None:
    lines = _lines("<ol start=3><li>three<li>four</ol>", everything=True, markdown=True)
    assert lines == ["3. three", "4. four"]


@pytest.mark.parametrize(
    ("markup", "tex"),
    [
        ("<mfrac><mi>a</mi><mrow><mi>b</mi><mo>+</mo><mn>1</mn></mrow></mfrac>", "\\frac{a}{b+1}"),
        ("<msup><mi>x</mi><mn>2</mn></msup>=<msub><mi>y</mi><mi>i</mi></msub>", "x^{2}=y_{i}"),
        ("<msqrt><msubsup><mi>z</mi><mn>0</mn><mi>n</mi></msubsup></msqrt>", "\\sqrt{z_{0}^{n}}"),
        ("<mi>n</mi><mo>log</mo><mi>n</mi>", "n\\mathrm{log}n"),
    ],
)  # fmt: skip
def test_a_formula_without_tex_keeps_its_shape(markup: str, tex: str) -> None:
    assert _read(f"<p>So <math>{markup}</math> holds.</p>").text == f"So ${tex}$ holds."


@pytest.mark.parametrize(
    "markup",
    [
        "<math><semantics><mi>E</mi><annotation encoding='application/x-tex'>E=mc^2</annotation>"
        "</semantics></math>",
        "<math alttext='E=mc^2'><mi>E</mi></math>",
        "<span class=katex><span class=katex-mathml><math><annotation encoding='application/x-tex'>"
        "E=mc^2</annotation></math></span><span class=katex-html aria-hidden=true>E</span></span>",
        "<script type='math/tex'>E=mc^2</script>",
        "<span class=mwe-math style='display: none'><math alttext='E=mc^2'></math></span>",
        "<img class=tex src=x.png alt='E=mc^2'>",
    ],
)
def test_a_formula_is_its_tex(markup: str) -> None:
    assert _read(f"<p>Energy {markup} is mass.</p>").text == "Energy $E=mc^2$ is mass."
    assert _read(f"<p>{markup} is energy.</p>").text == "$E=mc^2$ is energy."


def test_preformatted_text_is_exact() -> None:
    code = "def f(x):\n\n    return x  # <&>\n\tend"
    escaped = code.replace("&", "&amp;").replace("<", "&lt;")
    found = _read(f"<p>{_PROSE}</p><pre>\n{escaped}</pre><p>{_PROSE}</p>")
    assert f"\n{code}\n" in found.text
    kinds = dict(zip(found.text.split("\n"), found.kinds, strict=True))
    assert kinds["    return x  # <&>"] == KIND_CODE


# What is the main content


def _portal(paragraphs: list[str]) -> str:
    """A page as Chinese portals build it: tables, links everywhere, lines broken by <br>."""
    links = "".join(f"<tr><td>·<a href=/{n}>推荐新闻标题第{n}条</a></td></tr>" for n in range(30))
    text = "<br><br>　　".join(paragraphs)
    return (
        "<title>标题_某某网</title><table><tr><td><a href=/>首页</a>|<a href=/n>新闻</a></table>"
        f"<table><tr><td><table><tr><td><b>标题</b><tr><td>　　{text}</table></td>"
        f"<td><table>{links}</table></td></tr></table><center>版权所有 京ICP备05008888号</center>"
    )


def test_a_chinese_portal_page_gives_its_article() -> None:
    text = _read(_portal([_ZH * 3, _ZH * 2])).text
    assert text.split("\n")[-2:] == [_ZH * 3, _ZH * 2]
    assert "推荐新闻" not in text
    assert "版权所有" not in text


def test_comments_and_teasers_go_and_short_articles_stay() -> None:
    comments = f"<div class='comment-body'><p>{_PROSE * 2}</p></div>" * 20
    body = f"<p>{_PROSE * 2}</p><p>{_PROSE}</p>"
    text = _read(
        f"<div class=post-content><h1>T</h1>{body}</div><div id=comments>{comments}</div>"
        "<div class=related-posts><h3><a href=x>Read this</a></h3><p>And its teaser.</p></div>"
    ).text
    assert text.count(_PROSE.strip()) == 3
    assert "teaser" not in text


def test_a_body_that_unfolds_at_read_more_is_whole() -> None:
    teaser = "<div class=teaser><p><a href=/x>A headline of another page, a summary.</a></p></div>"
    body = "".join(f"<p>Part {n}. {_PROSE * 2}</p>" for n in range(8))
    text = _read(
        f"<div class=story-body><p>Part 0. {_PROSE}</p><div id=read-more>{body}</div></div>{teaser}"
    ).text
    assert text.count("Part ") == 9
    assert "headline" not in text


def test_a_sidebar_longer_than_the_article_stays_out_of_it() -> None:
    feed = "".join(f"<li><span>News {n}. {_PROSE}</span></li>" for n in range(60))
    body = "".join(f"<p>Part {n}. {_PROSE * 2}</p>" for n in range(8))
    text = _read(
        f"<div class=grid><article><div class=article-body>{body}</div></article>"
        f"<aside id=sidebar><ul>{feed}</ul></aside></div>"
    ).text
    assert text.count("Part ") == 8
    assert "News" not in text


_VERSE = "The harbour empties like a cup,\nthe boats lie over on their knees,\n"


@pytest.mark.parametrize(
    "area",
    [
        f"<textarea readonly>{_VERSE}</textarea>",
        f"<textarea disabled=disabled>\n{_VERSE}</textarea>",
        f"<textarea name=code rows=9>{_VERSE * 3}</textarea>",  # nobody has to type it
        f"<xmp>{_VERSE}</xmp>",
    ],
)
def test_what_a_page_shows_in_a_box_of_text_is_its_text_line_by_line(area: str) -> None:
    found = _read(f"<h1>Low water</h1><p>{_PROSE * 3}</p>{area}<p>{_PROSE * 2}</p>")
    assert _VERSE.strip() in found.text
    assert found.kinds[found.text.split("\n").index("The harbour empties like a cup,")] == KIND_CODE


@pytest.mark.parametrize(
    "area",
    [
        "<form><textarea name=comment>Say something nice about this page.</textarea></form>",
        "<textarea readonly>&lt;iframe src='https://example.org/embed/1'></textarea>",
        "<textarea readonly>https://example.org/a-long-address-to-copy</textarea>",
        "<textarea readonly></textarea>",
    ],
)
def test_boxes_to_fill_in_or_to_paste_elsewhere_are_no_text(area: str) -> None:
    assert _lines(f"<p>{_PROSE * 3}</p>{area}<p>{_PROSE * 2}</p>") == [
        (_PROSE * 3).strip(), (_PROSE * 2).strip(),
    ]  # fmt: skip


def test_a_page_of_frames_says_what_it_says_without_them() -> None:
    page = f"<frameset cols='1,*'><frame src=a><noframes><body><p>{_ZH * 3}</p></body></noframes>"
    assert _lines(page) == [_ZH * 3]


def test_whom_a_notice_addresses_and_its_short_last_sentence_stay() -> None:
    address = "各乡镇人民政府，县直各单位："
    body = f"<div><p>{address}</p><p>{_ZH * 4}</p><p>{_ZH * 3}</p><p>特此通知。</p></div>"
    assert _lines(body) == [address, _ZH * 4, _ZH * 3, "特此通知。"]
    table = "<table><tr><td>Year<td>Sacks<tr><td>1790<td>410</table>"
    body = f"<td><b>Mill</b><p>{_PROSE * 3}{table}<p>It burned down in 1888."
    assert "1790\t410" in _lines(f"<table><tr><td><a href=x>Home</a>{body}</table>")


def test_names_that_mislead_do_not_empty_a_page() -> None:
    text = _read("".join(f"<div class=teaser><p>{_PROSE * 3}</p></div>" for _ in range(3))).text
    assert text.count("decides its font") == 9


def test_text_that_a_script_would_show_is_found() -> None:
    markup = (
        f"<div>Menu</div><div id=js_content style='visibility: hidden'><p>{_PROSE * 5}</p></div>"
    )
    assert _PROSE.strip() in _read(markup).text


def test_boxes_of_a_manual_stay() -> None:
    box = f"<div class=sidebar><p><b>Note</b></p><p>{_PROSE * 2}</p></div>"
    markup = (
        f"<meta name=generator content='DocBook XSL'><div class=section><p>{_PROSE}</p>{box}</div>"
    )
    assert "Note" in _lines(markup)


def test_what_a_page_says_of_itself_is_read() -> None:
    found = _read(
        "<html lang=de><title>A &amp; B - Site</title><meta name=author content='N. N.'>"
        "<meta property=og:type content=article><meta property=article:published_time content=2020>"
        "<link rel=canonical href='http://x/'><meta property=og:site_name content=Site><p>x"
    )
    said = found.said
    assert (said["title"], said["author"], said["date"]) == ("A & B - Site", "N. N.", "2020")
    assert (said["canonical"], said["language"], said["site"]) == ("http://x/", "de", "Site")
    assert found.signs & SIGN_ARTICLE


# Properties


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(_PIECES) | st.text(max_size=8), max_size=60), st.booleans())
def test_any_page_gives_a_kind_for_each_line(pieces: list[str], markdown: bool) -> None:
    found = _read("".join(pieces), markdown=markdown)
    lines = found.text.split("\n") if found.text else []
    assert len(found.kinds) >= len(lines)
    assert "\0" not in found.text


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=2000))
def test_any_bytes_give_text(payload: bytes) -> None:
    found = extract_html(payload)
    found.text.encode()
    assert all(kind <= KIND_CODE + 1 or kind in KIND_HEADING for kind in found.kinds)


@given(
    st.lists(st.integers(0, 10**6), min_size=2, max_size=20),
    st.sampled_from(["div", "p", "li", "td"]),
)
def test_the_order_of_the_text_is_kept(numbers: list[int], tag: str) -> None:
    markup = "".join(f"<{tag}>x{number} {_PROSE}</{tag}>" for number in numbers)
    words = [word for word in _read(markup, everything=True).text.split() if word[0] == "x"]
    assert words == [f"x{number}" for number in numbers]


@pytest.mark.parametrize(
    "unit",
    [
        "<div>", "<b>", "<p><b>", "<ul><li>", "<table><tr><td>", "</div>", "<a href=x>", "<svg>",
        "<x-y>", "<title>", "<textarea>", "<script>", "<!-", "<!--", "<a b='", '<a b="', "&#", "&",
        "<a b=c d", "&amp", "<", "</", "<p hidden>", "<span hidden></span>", "<math><mi>x</mi>",
        "<h1>x<h2>", "\0", "<div class='comment nav", "<select><option>", "<pre>\n\n", "<li>x",
        "中 ", "<math alttext=' a", "<tr><td>a<td>b|",
    ],
)  # fmt: skip
def test_work_grows_in_proportion_to_the_page(unit: str) -> None:
    small, large = (_read(unit * n).steps for n in (2_000, 20_000))
    assert large < 12 * small + 10_000


@pytest.mark.parametrize(
    "markup",
    [
        "<div>" * 1_000_000 + _PROSE,
        "<p " + " ".join(f"a{n}='{n}'" for n in range(1_000_000)) + f">{_PROSE}",
        "<p title='" + "x" * 16_000_000 + f"'>{_PROSE}",
        "<table><tr><td>" * 300_000 + _PROSE,
        f"<p>{_PROSE}" + "&amp;" * 1_000_000,
    ],
    ids=["nested", "attributes", "long-attribute", "tables", "entities"],
)
def test_a_hostile_page_is_read_like_any_other(markup: str) -> None:
    assert "decides its font" in _read(markup).text


def test_a_page_of_too_many_elements_is_cut_and_says_so() -> None:
    found = _read(f"<p>{_PROSE}</p>" + "<i>x" * 1_200_000)
    assert found.signs & SIGN_CUT
    assert _PROSE.strip() in found.text
