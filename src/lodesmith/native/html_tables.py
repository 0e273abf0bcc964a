"""Writes `html_tables.h`: what the page reader looks up by name (elements, entities, class words).

    python -m lodesmith.native.html_tables

The lists of elements and words are kept here, because a person reads and changes them; C gets
them sorted. Entities come from Python's own table of the HTML standard. A test holds that the
header is what this script writes.
"""

import html.entities
from collections.abc import Iterable
from pathlib import Path

HEADER = Path(__file__).with_name("html_tables.h")

# What an element does to the tree and to the text; the bits stand in html.h.
_BLOCK, _VOID, _RAW, _DROP, _SPECIAL, _SCOPE, _LIST, _HEAD = (
    "BLOCK", "VOID", "RAW", "DROP", "SPECIAL", "SCOPE", "LIST", "HEAD"
)  # fmt: skip

_GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("html body", (_BLOCK, _SPECIAL, _SCOPE)),
    ("head", (_BLOCK, _SPECIAL, _DROP)),
    ("title", (_RAW, _DROP, _HEAD)),
    ("script style", (_RAW, _DROP, _HEAD)),
    ("base link meta", (_VOID, _HEAD)),
    ("noscript template", (_DROP, _SPECIAL, _HEAD)),
    ("article section nav aside header footer main hgroup address", (_BLOCK, _SPECIAL, _LIST)),
    ("blockquote details figure fieldset search", (_BLOCK, _SPECIAL, _LIST)),
    ("noframes", (_BLOCK, _SPECIAL)),  # of a page of frames: its only text
    ("div center p pre listing figcaption summary form legend h1 h2 h3 h4 h5 h6",
     (_BLOCK, _SPECIAL)),
    ("ul ol menu dir dl", (_BLOCK, _SPECIAL, _LIST)),
    ("li dt dd", (_BLOCK, _SPECIAL)),
    ("table", (_BLOCK, _SPECIAL, _SCOPE, _LIST)),
    ("caption td th", (_BLOCK, _SPECIAL, _SCOPE, _LIST)),
    ("tr tbody thead tfoot colgroup", (_BLOCK, _SPECIAL)),
    ("hr", (_BLOCK, _VOID)),
    ("br img input wbr area col embed param source track", (_VOID,)),
    ("textarea", (_BLOCK, _RAW, _DROP)),
    ("xmp", (_BLOCK, _RAW)),
    ("iframe noembed", (_RAW, _DROP)),
    ("select button datalist", (_DROP, _SPECIAL)),
    ("dialog", (_BLOCK, _DROP, _SPECIAL)),
    ("object applet", (_DROP, _SPECIAL)),
    ("svg canvas audio video map rp rt", (_DROP,)),
    ("a abbr b big cite code del em font i ins kbd label mark math annotation annotation-xml", ()),
    ("nobr q ruby s samp small span strike strong sub sup time tt u var option", ()),
    ("foreignobject", ()),
    ("mrow mfrac msup msub msubsup msqrt mroot mover munder munderover", ()),
)  # fmt: skip

# Words of class, id, role and itemprop, split at everything but letters and at capitals inside.
# A word that ends in * is the beginning of longer ones. Written from knowledge of common sites'
# markup; pinyin and abbreviations are those of Chinese portals.
_WORDS: dict[str, str] = {
    "ARTICLE": (
        "answer art arti artical article articles blog chapter entry essay hentry lemma "
        "news post postmessage* posts question single story thread topic wenzhang"
    ),
    "BODY": (
        "area artibody* article articlebody* articlecontent articletext body bodycontent "
        "bodytext con cont content contents copy desc description detail details document "
        "editor endtext entrycontent fulltext main maincontent* maintext markdown neirong "
        "newscontent para paragraph* postbody postcontent postmessage* primary prose "
        "readability rich richcontent richtext storybody summernote text txt zhengwen zw"
    ),
    "ALONE": (
        "artibody* articlebody* articlecontent articletext bodytext endtext entrycontent "
        "fulltext hentry mainarticle neirong newscontent postbody postcontent postmessage* "
        "storybody zhengwen zw"
    ),
    "STRONG": (
        "aboutauthor ad adbox addthis* addtoany* ads adsbygoogle adsense adv advert* "
        "adwrap* authorbio authorbox authorcard authorinfo backtotop banner bdshare* "
        "biography breadcrumb* breakingnews bshare* catlinks colophon consent contentinfo "
        "cookie* crumb crumbs daohang dfp dibu disclaimer* docnav donate donation* erweima "
        "feedback* fenxiang foot footbar footer ft ftr fundraising gdpr gg gotop gpt "
        "guanggao headerlink jiathis* jumplink* legal lightbox livebar login mailinglist "
        "masthead menu* mod-share modal* mostpopular mostread mostviewed mwjump* nav "
        "navbar* navbox navfooter navheader navi navigation* newsletter* noprint outbrain* "
        "overlay* pagelist pagenav* pagenavi pager paginat* pagination* paywall* poll polls "
        "popover popular popup* prevnext printonly promo* qrcode* rating ratings register "
        "remen revcontent screenreader* search searchbox searchform share* sharedaddy "
        "sharing signin signup sistersitebox sitemap skip skiplink* sns social* sponsor* "
        "srOnly subscribe* subscription* survey taboola* tagcloud tagcloud* taglist ticker "
        "toolbar* toolbox tools tooltip* topbar totop trending visuallyhidden vote* wechat "
        "weixin youce zergnet"
    ),
    "TEASER": (
        "alsoread associated crosslink* furtherreading guess hotlist hotnews inlinelink* "
        "latestnews latestposts mightlike morefrom morelike morenews moreon morestories "
        "nextpost nextup otherstories prevpost readmore readnext recentpost recentposts "
        "recirc* recirculation recommend* relate related* relatepost* seealso storylinks "
        "suggested suggestion* suggestions teaser teasers topstories tuijian upnext "
        "xiangguan youmaylike"
    ),
    "COMMENT": (
        "cmt cmts comment commentarea commentbox* commentform* commentlist* comments "
        "commentsection* commentwrap* coral* discussion disqus* fbcomments* guestbook "
        "liuyan livefyre* pinglun reactions replies reply respond spotim"
    ),
    "WEAK": (
        "action actions author* badge bio bottom by byline callout caption* carousel* "
        "categories category contact credit* cta date edit embed entrymeta extra follow* "
        "gallery hd head header heading* hot info infobox infos keywords label labels "
        "latest licence license meta metadata more next postmeta prev previous print* "
        "pubdate published recent right secondary side slider slideshow source subnav "
        "tableofcontents tag tags thumb thumbnail* thumbs time timestamp toc topics topnav "
        "utility video widget*"
    ),
    "CAPTION": "caption* credit* figcaption imagecaption photocredit wpcaption",
    "SCREEN": "screenreadertext srOnly visuallyhidden",
    "GUTTER": (
        "anchorlink blobnum editsection gutter headeranchor headerlink* lineno linenodiv "
        "linenos linenumber linenumbers"
    ),
    "MATH": "equation formula katex latex math mathjax mwe tex",
    "SIDE": "aside complementary rail rightrail sidebar* sidecol sidenav",
    "LAYOUT": (
        "col columns container elementor grid has is layout mediaembed no open page row "
        "socialembed status tweet* with without wrap wrapper"
    ),
}  # fmt: skip


def list_tags() -> dict[str, tuple[str, ...]]:
    """Return every known element's name and properties."""
    return {name: bits for names, bits in _GROUPS for name in names.split()}


def list_words() -> dict[str, tuple[str, ...]]:
    """Return every word's kinds, prefixes with their * at the end."""
    kinds: dict[str, list[str]] = {}
    for kind, words in _WORDS.items():
        for word in words.split():
            kinds.setdefault(word.lower().replace("-", ""), []).append(kind)
    return {word: tuple(dict.fromkeys(found)) for word, found in sorted(kinds.items())}


def render() -> str:
    """Return the header's text."""
    tags = list_tags()
    names = sorted(tags)
    lines = ["/* Written by html_tables.py: do not edit. */", "#ifndef LS_HTML_TABLES_H",
             "#define LS_HTML_TABLES_H", '#include "html.h"', ""]  # fmt: skip
    lines += ["enum ls_tag {", "    TAG_OTHER,", "    TAG_TEXT,"]
    lines += [f"    TAG_{_constant(name)}," for name in names]
    lines += ["    NUM_TAGS", "};", ""]
    lines += ["#ifdef LS_HTML_TABLES", ""]
    lines += ["static const struct { const char *name; uint8_t tag; } tag_names[] = {"]
    lines += [f'    {{"{name}", TAG_{_constant(name)}}},' for name in names] + ["};", ""]
    lines += ["static const uint8_t tag_first[27] = {" + _first_letters(names) + "};", ""]
    lines += ["static const uint16_t tag_bits[NUM_TAGS] = {"]
    lines += [f"    [TAG_{_constant(name)}] = {_bits('E_', tags[name])}," for name in names]
    lines += ["};", "", *_words(), "", *_entities(), "", "#endif", "#endif", ""]
    return "\n".join(lines)


def _constant(name: str) -> str:
    return name.upper().replace("-", "_")


def _bits(prefix: str, names: Iterable[str]) -> str:
    return " | ".join(prefix + name for name in names) or "0"


def _first_letters(names: list[str]) -> str:
    """Return where the names of each letter begin, and the end."""
    letters = "abcdefghijklmnopqrstuvwxyz{"
    return ", ".join(str(sum(name[0] < letter for name in names)) for letter in letters)


def _words() -> list[str]:
    words = list_words()
    lines = [
        "static const struct { const char *word; uint8_t size, prefix; uint16_t kinds; }",
        "    words[] = {",
    ]
    for word, kinds in words.items():
        stem = word.rstrip("*")
        prefix = int(word != stem)
        lines.append(f'    {{"{stem}", {len(stem)}, {prefix}, {_bits("W_", kinds)}}},')
    first = _first_letters(list(words))
    return [*lines, "};", "", f"static const uint16_t word_first[27] = {{{first}}};"]


def _entities() -> list[str]:
    """Names without their &, sorted by bytes; names that need no semicolon are there without it."""
    table = sorted(html.entities.html5.items())
    lines = ["static const struct { const char *name, *text; } entities[] = {"]
    for name, text in table:
        escaped = "".join(f"\\{byte:03o}" for byte in text.encode())
        lines.append(f'    {{"{name}", "{escaped}"}},')
    return [*lines, "};", f"enum {{ NUM_ENTITIES = {len(table)} }};"]


if __name__ == "__main__":
    HEADER.write_text(render(), encoding="ascii")
