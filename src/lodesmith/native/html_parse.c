/* Reads a page's bytes into a flat tree (html.h): a tolerant reading of HTML, not the standard's.
 *
 * Kept of the standard's tree builder: implied end tags, void and raw-text elements, scopes of end
 * tags. Left out: the adoption agency for misnested formatting, which moves no text. Each byte is
 * looked at a bounded number of times: a search that failed once ("no more </script>") is not made again.
 */
#include "html_tables.h"

#include <stdlib.h>
#include <string.h>

uint8_t ls_html_tag(const uint8_t *name, uint32_t size);
uint16_t ls_html_bits(unsigned tag);

enum { MAX_NODES = 1 << 21, NONE = 0 };
enum { MIN_READ_ONLY_BYTES = 20, MIN_SHOWN_BYTES = 120, MIN_SHOWN_BREAKS = 3 };

/* An open element, and what was open before it: each is restored when it closes. */
typedef struct { uint32_t node, same, scope, special, list; } open_element;

typedef struct {
    ls_page *page;
    const uint8_t *at, *end;
    open_element *stack; /* [0] is the document */
    uint32_t height, room;
    uint32_t last[NUM_TAGS]; /* stack index of the innermost open element of a tag, or 0 */
    uint32_t scope, special, list;
    uint32_t link; /* stack height at which <a href> was opened, or 0 */
    const uint8_t *no_raw_end[NUM_TAGS]; /* from here on there is no end tag of a raw element */
    const uint8_t *no_quote[2];
    int in_head, failed;
} reader;

static uint32_t add_node(reader *r, unsigned tag) {
    ls_page *page = r->page;
    if (page->num_nodes == page->max_nodes) {
        uint32_t wanted = page->max_nodes * 2;
        if (wanted > MAX_NODES) {
            page->signs |= SIGN_CUT;
            return NONE;
        }
        ls_node *grown = realloc(page->nodes, wanted * sizeof *grown);
        if (!grown) return r->failed = 1, NONE;
        page->nodes = grown;
        page->max_nodes = wanted;
    }
    uint32_t index = page->num_nodes++;
    ls_node *node = page->nodes + index;
    *node = (ls_node){.parent = r->stack[r->height].node, .end = index + 1, .tag = tag};
    return index;
}

static void push(reader *r, uint32_t node, unsigned tag) {
    if (r->height + 1 == r->room) {
        open_element *grown = realloc(r->stack, 2 * r->room * sizeof *grown);
        if (!grown) {
            r->failed = 1;
            return;
        }
        r->stack = grown;
        r->room *= 2;
    }
    r->stack[++r->height] = (open_element){node, r->last[tag], r->scope, r->special, r->list};
    unsigned bits = ls_html_bits(tag);
    r->last[tag] = r->height;
    if (bits & E_SCOPE) r->scope = r->height;
    if (bits & E_SPECIAL) r->special = r->height;
    if (bits & E_LIST) r->list = r->height;
}

static void pop_to(reader *r, uint32_t height) {
    for (; r->height >= height && r->height > 0; r->height--) {
        open_element *top = r->stack + r->height;
        ls_node *node = r->page->nodes + top->node;
        node->end = r->page->num_nodes;
        r->last[node->tag] = top->same;
        r->scope = top->scope, r->special = top->special, r->list = top->list;
        r->page->steps++;
    }
    if (r->link > r->height) r->link = 0;
}

/* Closes the innermost open `tag` unless `barrier` was opened inside it. */
static void close_above(reader *r, unsigned tag, uint32_t barrier) {
    if (r->last[tag] > barrier) pop_to(r, r->last[tag]);
}

static void add_text(reader *r, const uint8_t *start, const uint8_t *stop) {
    if (start == stop) return;
    if (r->in_head) {
        const uint8_t *p = start;
        while (p < stop && ls_is_space(*p)) p++;
        if (p == stop) return;
        pop_to(r, r->last[TAG_HEAD]);
        r->in_head = 0;
    }
    uint32_t index = add_node(r, TAG_TEXT);
    if (!index) return;
    ls_node *node = r->page->nodes + index;
    node->start = (uint32_t)(start - r->page->bytes);
    node->size = (uint32_t)(stop - start);
    if (r->link) node->flags |= N_LINK;
}

/* ---- attributes ---- */

typedef struct {
    ls_range name, value;
} attribute;

static ls_range range_of(const reader *r, const uint8_t *start, const uint8_t *stop) {
    return (ls_range){(uint32_t)(start - r->page->bytes), (uint32_t)(stop - start)};
}

/* Reads the next attribute; returns 0 at the end of the tag, with r->at on the ">" or at the end. */
static int next_attribute(reader *r, attribute *found) {
    const uint8_t *p = r->at, *end = r->end;
    while (p < end && (ls_is_space(*p) || *p == '/')) p++;
    if (p == end || *p == '>') return r->at = p, 0;
    const uint8_t *name = p++;
    while (p < end && !ls_is_space(*p) && *p != '/' && *p != '>' && *p != '=') p++;
    found->name = range_of(r, name, p);
    while (p < end && ls_is_space(*p)) p++;
    found->value = range_of(r, p, p);
    if (p < end && *p == '=') {
        p++;
        while (p < end && ls_is_space(*p)) p++;
        const uint8_t *value = p, *stop = NULL;
        if (p < end && (*p == '"' || *p == '\'')) {
            int single = *p == '\'';
            value = p + 1;
            if (!r->no_quote[single] || value < r->no_quote[single]) {
                stop = memchr(value, *p, (size_t)(end - value));
                if (!stop) r->no_quote[single] = value;
            }
            p = stop ? stop + 1 : value;
        }
        if (!stop) { /* bare, or a quote that never ends */
            while (p < end && !ls_is_space(*p) && *p != '>') p++;
            stop = p;
        }
        found->value = range_of(r, value, stop);
    }
    r->at = p;
    return 1;
}

static int named(const reader *r, ls_range range, const char *name) {
    return ls_html_same(r->page->bytes + range.start, range.size, name);
}

/* Tells whether a value holds a lower-case text, spaces in it left out ("display: none"). */
static int holds(const reader *r, ls_range range, const char *text) {
    const uint8_t *bytes = r->page->bytes + range.start;
    uint32_t matched = 0, size = range.size < 2048 ? range.size : 2048;
    for (uint32_t i = 0; i < size; i++) {
        if (bytes[i] == ' ') continue;
        uint8_t byte = ls_lower(bytes[i]);
        if (byte == (uint8_t)text[matched]) matched++;
        else matched = byte == (uint8_t)text[0];
        if (!text[matched]) return 1;
    }
    return 0;
}

static uint32_t flags_of_role(const reader *r, ls_range role) {
    static const char *const around[] = {"navigation", "banner", "contentinfo",
                                         "search", "dialog", "alertdialog", "menu", "menubar", "toolbar", "tablist"};
    if (named(r, role, "main")) return N_MAIN;
    if (named(r, role, "article")) return N_FAIR;
    if (named(r, role, "complementary")) return N_SIDE;
    for (size_t i = 0; i < sizeof around / sizeof *around; i++)
        if (named(r, role, around[i])) return N_STRONG;
    return 0;
}

static uint32_t flags_of_words(uint32_t kinds) {
    uint32_t flags = 0;
    if (kinds & W_ALONE) flags |= N_GOOD;
    if (kinds & (W_ARTICLE | W_BODY)) flags |= N_FAIR;
    if (kinds & W_STRONG) flags |= N_STRONG;
    if (kinds & W_TEASER) flags |= N_TEASER;
    if (kinds & W_COMMENT) flags |= N_COMMENT;
    if (kinds & W_WEAK) flags |= N_WEAK;
    if (kinds & W_SIDE) flags |= N_SIDE;
    if (kinds & W_CAPTION) flags |= N_CAPTION;
    if (kinds & W_GUTTER) flags |= N_GUTTER;
    if (kinds & W_SCREEN) flags |= N_HIDDEN;
    if (kinds & W_MATH) flags |= N_MATH;
    return flags;
}

static uint32_t flags_of(reader *r, const attribute *a, unsigned tag) {
    const uint8_t *name = r->page->bytes + a->name.start;
    const uint8_t *value = r->page->bytes + a->value.start;
    switch (ls_lower(*name)) {
    case 'c':
        if (named(r, a->name, "class")) return flags_of_words(ls_html_words(value, a->value.size));
        break;
    case 'i':
        if (named(r, a->name, "id")) /* also an anchor: the weak words say nothing there */
            return flags_of_words(ls_html_words(value, a->value.size)) & ~(uint32_t)N_WEAK;
        if (named(r, a->name, "itemprop")) {
            if (named(r, a->value, "articlebody")) return N_MAIN | N_GOOD;
            if (named(r, a->value, "softwarehelp")) r->page->signs |= SIGN_MANUAL;
            return flags_of_words(ls_html_words(value, a->value.size)) & ~(uint32_t)(N_STRONG | N_WEAK | N_SIDE);
        }
        if (!named(r, a->name, "itemtype")) break;
        if (holds(r, a->value, "techarticle") || holds(r, a->value, "apireference")) r->page->signs |= SIGN_MANUAL;
        else if (holds(r, a->value, "article") || holds(r, a->value, "blogposting")) r->page->signs |= SIGN_ARTICLE;
        break;
    case 'r':
        if (named(r, a->name, "role")) return flags_of_role(r, a->value);
        if (tag == TAG_TEXTAREA && named(r, a->name, "readonly")) return N_READ_ONLY;
        break;
    case 'd':
        if (tag == TAG_TEXTAREA && named(r, a->name, "disabled")) return N_READ_ONLY;
        break;
    case 'a':
        if (named(r, a->name, "aria-hidden") && named(r, a->value, "true")) return N_HIDDEN | N_ARIA;
        break;
    case 'h':
        if (named(r, a->name, "hidden")) return N_HIDDEN | N_HIDDEN_ATTR;
        break;
    case 's':
        if (named(r, a->name, "style") && (holds(r, a->value, "display:none") || holds(r, a->value, "visibility:hidden")))
            return N_HIDDEN;
        break;
    case 't':
        if (named(r, a->name, "type") && tag == TAG_SCRIPT && holds(r, a->value, "math/tex")) return N_TEX;
        break;
    case 'e':
        if (named(r, a->name, "encoding") && tag == TAG_ANNOTATION && holds(r, a->value, "tex")) return N_TEX;
        break;
    }
    return 0;
}

static void read_meta(reader *r, ls_range key, ls_range content) {
    ls_page *page = r->page;
    if (!content.size) return;
    if (named(r, key, "og:type") && holds(r, content, "article")) page->signs |= SIGN_ARTICLE;
    else if (named(r, key, "article:published_time") || named(r, key, "date") || named(r, key, "pubdate") ||
             named(r, key, "datepublished")) page->date = content;
    else if (named(r, key, "author")) page->author = content;
    else if (named(r, key, "og:site_name")) page->site = content;
    else if (named(r, key, "og:title")) page->og_title = content;
    else if (named(r, key, "generator")) {
        static const char *const manuals[] = {"docbook", "sphinx", "docutils", "doxygen", "texinfo", "makeinfo",
                                              "javadoc", "asciidoc", "mkdocs", "docusaurus", "vuepress", "rdoc", "latex2html", "publican"};
        for (size_t i = 0; i < sizeof manuals / sizeof *manuals; i++)
            if (holds(r, content, manuals[i])) page->signs |= SIGN_MANUAL;
    }
    if (named(r, key, "article:published_time")) page->signs |= SIGN_ARTICLE;
}

/* Reads a start tag's attributes, up to its ">". */
static uint32_t read_attributes(reader *r, unsigned tag, int *has_link) {
    attribute a;
    ls_range key = {0}, content = {0}, href = {0};
    uint32_t flags = 0;
    int canonical = 0;
    while (next_attribute(r, &a)) {
        flags |= flags_of(r, &a, tag);
        if (tag == TAG_META) {
            if (named(r, a.name, "name") || named(r, a.name, "property") || named(r, a.name, "itemprop")) key = a.value;
            else if (named(r, a.name, "content")) content = a.value;
        }
        if ((tag == TAG_A || tag == TAG_LINK) && named(r, a.name, "href")) href = a.value, *has_link = 1;
        if (tag == TAG_LINK && named(r, a.name, "rel")) canonical = named(r, a.value, "canonical");
        if (tag == TAG_HTML && named(r, a.name, "lang")) r->page->language = a.value;
    }
    if (tag == TAG_META) read_meta(r, key, content);
    if (canonical) r->page->canonical = href;
    return flags;
}

/* ---- tags ---- */

static int closes_p(unsigned tag, unsigned bits) {
    if (tag == TAG_TR || tag == TAG_TD || tag == TAG_TH || tag == TAG_TBODY || tag == TAG_THEAD ||
        tag == TAG_TFOOT || tag == TAG_CAPTION || tag == TAG_BODY || tag == TAG_LEGEND || tag == TAG_COLGROUP)
        return 0;
    return (bits & E_BLOCK) != 0;
}

/* Where line numbers and anchors stand; a <div class="gutter"> is a layout's column. */
static int is_small(unsigned tag) {
    return tag == TAG_TD || tag == TAG_TH || tag == TAG_SPAN || tag == TAG_A || tag == TAG_PRE || tag == TAG_SUP;
}

static int is_heading(unsigned tag) { return tag >= TAG_H1 && tag <= TAG_H6; }

/* Closes what a start tag ends by itself. */
static void imply_ends(reader *r, unsigned tag, unsigned bits) {
    uint32_t foreign = r->last[TAG_SVG] > r->last[TAG_MATH] ? r->last[TAG_SVG] : r->last[TAG_MATH];
    if (foreign && foreign > r->last[TAG_FOREIGNOBJECT] && (bits & E_BLOCK)) pop_to(r, foreign);
    if (bits & E_BLOCK) {
        close_above(r, TAG_SELECT, r->scope);
        if (closes_p(tag, bits)) close_above(r, TAG_P, r->scope);
    }
    if (is_heading(tag) && is_heading(r->page->nodes[r->stack[r->height].node].tag)) pop_to(r, r->height);
    uint32_t table = r->last[TAG_TABLE];
    switch (tag) {
    case TAG_LI: close_above(r, TAG_LI, r->list); break;
    case TAG_DT: case TAG_DD:
        close_above(r, TAG_DT, r->list);
        close_above(r, TAG_DD, r->list);
        break;
    case TAG_TBODY: case TAG_THEAD: case TAG_TFOOT:
        close_above(r, TAG_TBODY, table), close_above(r, TAG_THEAD, table), close_above(r, TAG_TFOOT, table);
        /* fall through */
    case TAG_TR: close_above(r, TAG_CAPTION, table), close_above(r, TAG_TR, table); break;
    case TAG_TD: case TAG_TH: close_above(r, TAG_TD, table), close_above(r, TAG_TH, table); break;
    case TAG_OPTION: close_above(r, TAG_OPTION, r->scope); break;
    case TAG_A: r->link = 0; break;
    }
}

/* The first place of an end tag of a raw element, or NULL. */
static const uint8_t *find_raw_end(reader *r, unsigned tag, const uint8_t *name, uint32_t size) {
    const uint8_t *p = r->at;
    if (r->no_raw_end[tag] && p >= r->no_raw_end[tag]) return NULL;
    while ((p = memchr(p, '<', (size_t)(r->end - p))) != NULL) {
        if ((uint32_t)(r->end - p) < size + 2) break;
        if (p[1] == '/') {
            uint32_t i = 0;
            while (i < size && ls_lower(p[2 + i]) == ls_lower(name[i])) i++;
            if (i == size && (p + 2 + size == r->end || !ls_is_letter(p[2 + size]))) return p;
        }
        p++;
    }
    r->no_raw_end[tag] = r->at;
    return NULL;
}

static void read_json_ld(reader *r, ls_range content) {
    static const char *const kinds[] = {"\"newsarticle\"", "\"article\"", "\"blogposting\"", "\"reportagenewsarticle\""};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (holds(r, content, kinds[i])) r->page->signs |= SIGN_ARTICLE;
}

/* Whether a <textarea> shows something, code or a poem, rather than asking for a reader's words.
 * Where it can be filled in, several lines that are there already are shown; what others may paste
 * into their pages (a frame, a link, a picture) is not the page's text. */
static int shows_text(const reader *r, ls_range content, uint32_t flags) {
    static const char *const pasted[] = {"<iframe", "&lt;iframe", "<script", "&lt;script", "<a ", "&lt;a ",
                                         "<img", "&lt;img", "<embed", "&lt;embed", "<object", "&lt;object",
                                         "[url", "[img", "http"};
    const uint8_t *p = r->page->bytes + content.start, *end = p + content.size;
    while (p < end && ls_is_space(*p)) p++;
    for (size_t i = 0; i < sizeof pasted / sizeof *pasted; i++) {
        size_t size = strlen(pasted[i]);
        if ((size_t)(end - p) >= size && ls_html_same(p, (uint32_t)size, pasted[i])) return 0;
    }
    uint32_t breaks = 0;
    for (const uint8_t *q = p; q < end && breaks < MIN_SHOWN_BREAKS; q++) breaks += *q == '\n';
    if (flags & N_READ_ONLY) return end - p >= MIN_READ_ONLY_BYTES;
    return end - p >= MIN_SHOWN_BYTES && breaks == MIN_SHOWN_BREAKS;
}

/* Hangs what stands in a raw element into the tree as its text. */
static void add_raw_text(reader *r, unsigned tag, uint32_t index, ls_range content) {
    r->page->nodes[index].flags &= ~(uint32_t)N_DROP;
    push(r, index, tag);
    if (r->failed) return;
    add_text(r, r->page->bytes + content.start, r->page->bytes + content.start + content.size);
    pop_to(r, r->height);
}

static void read_raw(reader *r, unsigned tag, uint32_t index, const uint8_t *name, uint32_t size) {
    const uint8_t *stop = find_raw_end(r, tag, name, size);
    if (!stop && tag != TAG_SCRIPT && tag != TAG_STYLE) return; /* what follows is read as markup */
    if (!stop) stop = r->end;
    ls_range content = range_of(r, r->at, stop);
    if (index && (r->page->nodes[index].flags & N_TEX)) {
        r->page->nodes[index].start = content.start;
        r->page->nodes[index].size = content.size;
    }
    if (tag == TAG_TITLE && !r->page->title.size && !r->last[TAG_SVG]) r->page->title = content;
    if (tag == TAG_SCRIPT) read_json_ld(r, content);
    if (index && (tag == TAG_XMP || (tag == TAG_TEXTAREA && shows_text(r, content, r->page->nodes[index].flags))))
        add_raw_text(r, tag, index, content);
    r->at = memchr(stop, '>', (size_t)(r->end - stop));
    r->at = r->at ? r->at + 1 : r->end;
}

static void start_tag(reader *r, const uint8_t *name, uint32_t size) {
    unsigned tag = ls_html_tag(name, size), bits = ls_html_bits(tag);
    int has_link = 0;
    uint32_t attributes = (uint32_t)(r->at - r->page->bytes);
    uint32_t flags = read_attributes(r, tag, &has_link);
    uint32_t attributes_size = (uint32_t)(r->at - r->page->bytes) - attributes;
    if (r->at == r->end) return; /* the page ends inside the tag */
    r->at++;
    if (r->in_head && !(bits & E_HEAD)) pop_to(r, r->last[TAG_HEAD]), r->in_head = 0;
    if ((tag == TAG_HTML || tag == TAG_BODY || tag == TAG_HEAD) && (r->last[tag] || r->last[TAG_BODY])) return;
    imply_ends(r, tag, bits);
    uint32_t index = add_node(r, tag);
    if (index) {
        ls_node *node = r->page->nodes + index;
        if (bits & E_DROP || (flags & N_GUTTER && is_small(tag))) flags |= N_DROP;
        if (tag == TAG_MAIN) flags |= N_MAIN;
        if (tag == TAG_HTML || tag == TAG_BODY) flags &= N_MAIN;
        if (tag == TAG_TABLE || tag == TAG_TBODY || tag == TAG_MATH) flags &= ~(uint32_t)N_HIDDEN;
        if (tag == TAG_A && has_link) flags |= N_LINK;
        if (tag == TAG_IMG && flags & N_MATH) flags |= N_TEX; /* its alt is the formula */
        if ((flags & N_MATH) && !(flags & N_ARIA)) flags &= ~(uint32_t)N_HIDDEN;
        node->flags = flags;
        node->start = attributes;
        node->size = attributes_size;
    }
    if (tag == TAG_HEAD) r->in_head = 1;
    if (bits & E_RAW) read_raw(r, tag, index, name, size);
    else if (!(bits & E_VOID) && index) {
        push(r, index, tag);
        if (tag == TAG_A && has_link) r->link = r->height;
    }
}

static void end_tag(reader *r, const uint8_t *name, uint32_t size) {
    unsigned tag = ls_html_tag(name, size), bits = ls_html_bits(tag);
    if (tag == TAG_HTML || tag == TAG_BODY) return; /* text after them belongs to the page */
    if (tag == TAG_HEAD) r->in_head = 0;
    if (tag == TAG_A) r->link = 0;
    if ((tag == TAG_P && !r->last[TAG_P]) || tag == TAG_BR) {
        add_node(r, TAG_BR);
        return;
    }
    if (is_heading(tag) && !r->last[tag])
        for (unsigned other = TAG_H1; other <= TAG_H6; other++)
            if (r->last[other] > r->scope) tag = other;
    uint32_t barrier = 0;
    if (tag == TAG_TABLE) barrier = 0;
    else if (tag == TAG_TD || tag == TAG_TH || tag == TAG_TR || tag == TAG_TBODY || tag == TAG_THEAD ||
             tag == TAG_TFOOT || tag == TAG_CAPTION) barrier = r->last[TAG_TABLE];
    else if (tag == TAG_LI) barrier = r->list;
    else if (bits & (E_BLOCK | E_SPECIAL)) barrier = r->scope;
    else barrier = r->special;
    if (tag == TAG_OTHER && r->last[tag] > barrier) { /* the same name only */
        ls_node *open = r->page->nodes + r->stack[r->last[tag]].node;
        const uint8_t *other = r->page->bytes + open->start - size;
        if (open->start < size + 1 || other[-1] != '<') return;
        for (uint32_t i = 0; i < size; i++)
            if (ls_lower(other[i]) != ls_lower(name[i])) return;
    }
    close_above(r, tag, barrier);
}

static uint32_t name_size(const uint8_t *p, const uint8_t *end) {
    const uint8_t *start = p;
    while (p < end && !ls_is_space(*p) && *p != '/' && *p != '>') p++;
    return (uint32_t)(p - start);
}

static void skip_past(reader *r, const uint8_t *from, const char *text) {
    size_t size = strlen(text);
    const uint8_t *p = from;
    while ((p = memchr(p, text[0], (size_t)(r->end - p))) != NULL) {
        if ((size_t)(r->end - p) < size) break;
        if (!memcmp(p, text, size)) {
            r->at = p + size;
            return;
        }
        p++;
    }
    r->at = r->end;
}

/* Reads the markup behind "<". */
static void read_markup(reader *r, const uint8_t *p) {
    if (*p == '!' || *p == '?') {
        if (r->end - p > 2 && p[0] == '!' && p[1] == '-' && p[2] == '-') skip_past(r, p + 1, "-->");
        else skip_past(r, p, ">");
        return;
    }
    int closing = *p == '/';
    p += closing;
    if (p == r->end || !ls_is_letter(*p)) {
        skip_past(r, p, ">");
        return;
    }
    uint32_t size = name_size(p, r->end);
    r->at = p + size;
    if (!closing) {
        start_tag(r, p, size);
        return;
    }
    skip_past(r, r->at, ">");
    end_tag(r, p, size);
}

static int is_markup(const reader *r, const uint8_t *p) {
    if (++p == r->end) return 0;
    return ls_is_letter(*p) || *p == '/' || *p == '!' || *p == '?';
}

static void read_page(reader *r) {
    const uint8_t *text = r->at, *p;
    while (!r->failed && (p = memchr(r->at, '<', (size_t)(r->end - r->at))) != NULL) {
        r->at = p + 1;
        if (!is_markup(r, p)) continue; /* the character stays part of the text */
        add_text(r, text, p);
        if (r->page->signs & SIGN_CUT) return;
        read_markup(r, p + 1);
        text = r->at;
    }
    add_text(r, text, r->end);
}

/* Fills page->nodes (freed by the caller); returns 0, or -1 where memory is short. */
int ls_html_parse(ls_page *page) {
    reader *r = calloc(1, sizeof *r);
    if (!r) return -1;
    r->page = page;
    r->at = page->bytes;
    r->end = page->bytes + page->size;
    r->room = 256;
    r->stack = calloc(r->room, sizeof *r->stack);
    page->max_nodes = 1024;
    page->nodes = calloc(page->max_nodes, sizeof *page->nodes);
    page->num_nodes = 1;
    r->failed = !r->stack || !page->nodes;
    if (!r->failed) read_page(r), pop_to(r, 1);
    int failed = r->failed;
    if (page->nodes) page->nodes[0] = (ls_node){.end = page->num_nodes};
    page->steps += page->size + page->num_nodes;
    free(r->stack);
    free(r);
    return failed ? -1 : 0;
}
