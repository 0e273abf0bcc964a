/* Finds the blocks of text of a page, the element that holds the main content, and which blocks stay.
 *
 * The idea (maximum subsequence, Pasternack and Roth 2009, on a tree): each block is worth its
 * characters where it reads like prose, code or a table, and costs where it reads like links and
 * labels; the element whose blocks are worth most is the content. Names of classes only prune
 * (a sidebar is no content, unless it holds most of the page) and sharpen the choice.
 */
#include "html_tables.h"

#include <stdlib.h>
#include <string.h>

enum {
    PROSE_WEIGHT = 60,      /* a sentence of this many characters is prose */
    LONG_WEIGHT = 140,      /* so is a text of this many without one */
    SHORT_WEIGHT = 120,     /* what a set phrase and its object make up */
    FORMULA_WEIGHT = 20,    /* of a formula that is a picture */
    HIDDEN_WEIGHT = 200,    /* less prose than this may mean that the text is hidden */
    MAJORITY_PERCENT = 50,  /* who holds this share of the prose is never pruned */
    BODY_WEIGHT = 600,      /* an article's body by name: what stands beside it is no body */
    UNFOLDED_PERCENT = 40,  /* "read more" with this share of the prose and no links is the text itself */
};

typedef struct {
    int64_t value;             /* of the subtree's blocks */
    uint32_t weight, linked, prose;
    uint32_t plain; /* prose outside of what its name calls something else than content */
    uint32_t mains; /* elements named as the main content */
    uint32_t marks; /* elements that an article has: <article>, <h1>, bodies by name */
} totals;

typedef struct {
    ls_article *article;
    ls_page *page;
    totals *sums; /* one for each node */
    uint32_t page_prose, body_prose; /* of all, of the largest element named as the content */
    int manual, distrust;
} judge;

/* ---- contexts ---- */

static void inherit(ls_page *page, ls_context *contexts, uint32_t index) {
    ls_node *node = page->nodes + index;
    ls_context context = contexts[node->parent];
    unsigned tag = node->tag;
    if (ls_html_bits(tag) & E_BLOCK) context.owner = index;
    if (tag == TAG_LI) context.item = index;
    else if (tag == TAG_UL || tag == TAG_OL || tag == TAG_MENU || tag == TAG_DIR) {
        context.item = 0;
        if (context.depth < 20) context.depth++;
    } else if (tag == TAG_TD || tag == TAG_TH) {
        context.cell = index;
        context.item = context.depth = 0;
    } else if (tag >= TAG_H1 && tag <= TAG_H6) context.heading = (uint8_t)(tag - TAG_H1 + 1);
    else if (tag == TAG_PRE || tag == TAG_LISTING || tag == TAG_XMP || tag == TAG_TEXTAREA) context.code = 1;
    else if (tag == TAG_BLOCKQUOTE) context.quote = 1;
    else if (tag == TAG_MATH) context.math = index;
    contexts[index] = context;
}

/* Of several hidden spans side by side, which a script would choose from, shows the last. */
static void show_alternatives(ls_page *page) {
    const unsigned both = N_HIDDEN | N_HIDDEN_ATTR;
    int follows = 0;
    for (uint32_t i = 1; i < page->num_nodes; i++) {
        ls_node *node = page->nodes + i;
        if (node->tag != TAG_SPAN || (node->flags & both) != both) continue;
        uint32_t next = node->end, parent_end = page->nodes[node->parent].end;
        while (next < parent_end && page->nodes[next].tag == TAG_TEXT) next++;
        int another = next < parent_end && page->nodes[next].tag == TAG_SPAN && (page->nodes[next].flags & both) == both;
        if (follows && !another) node->flags &= ~both;
        follows = another;
        i = node->end - 1;
    }
}

/* ---- blocks ---- */

static int is_wide(const uint8_t *p) { return *p >= 0xE3 && *p != 0xEF; }

/* Counts what tells prose from labels in one run of text. */
static void measure_text(ls_block *block, const uint8_t *p, const uint8_t *end, int linked) {
    uint32_t weight = 0, sentences = 0, commas = 0;
    while (p < end) {
        uint8_t byte = *p;
        if (byte < 0x80) {
            if (byte <= ' ') { p++; continue; }
            weight++;
            if (byte == ',' || byte == ';') commas++;
            else if (byte == '.' || byte == '!' || byte == '?')
                sentences += p + 1 == end || p[1] <= ' ' || p[1] == '"' || p[1] == '<' || p[1] >= 0x80;
            else if (byte == '&') {
                const uint8_t *q = p + 1;
                while (q < end && q - p < 10 && *q != ';' && *q > ' ') q++;
                if (q < end && *q == ';') {
                    if (q - p == 5 && !memcmp(p, "&nbsp", 5)) weight--;
                    p = q;
                }
            }
            p++;
        } else if (byte < 0xE0) {
            if (p + 1 < end) {
                if (byte == 0xD8 && p[1] == 0x8C) commas++;
                else if ((byte == 0xD8 && p[1] == 0x9F) || (byte == 0xDB && p[1] == 0x94)) sentences++;
                if (byte == 0xC2 && p[1] == 0xA0) weight--;
            }
            weight++;
            p += 2;
        } else {
            weight += is_wide(p) ? 3 : 1;
            if (end - p >= 3) {
                if (p[0] == 0xE3 && p[1] == 0x80) {
                    if (p[2] == 0x82) sentences++;
                    else if (p[2] == 0x81) commas++;
                    else if (p[2] == 0x80) weight -= 3;
                } else if (p[0] == 0xEF && p[1] == 0xBC) {
                    if (p[2] == 0x81 || p[2] == 0x9F) sentences++, weight += 2;
                    else if (p[2] == 0x8C || p[2] == 0x9B) commas++, weight += 2;
                } else if (p[0] == 0xE0 && p[1] == 0xA5 && p[2] == 0xA4) sentences++;
            }
            p += byte >= 0xF0 ? 4 : 3;
        }
    }
    block->weight += weight;
    if (linked) block->linked += weight;
    if (block->sentences < 60000) block->sentences += (uint16_t)(sentences < 5000 ? sentences : 5000);
    if (block->commas < 60000) block->commas += (uint16_t)(commas < 5000 ? commas : 5000);
}

/* Whether a text claims rights: the line at the foot of a page. */
static int is_legal(const uint8_t *p, const uint8_t *end) {
    static const char *const marks[] = {"©", "&copy;", "&#169;", "ICP备", "版权所有", "All rights reserved", "All Rights Reserved"};
    if (end - p > 1500) return 0;
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        size_t size = strlen(marks[i]);
        for (const uint8_t *q = p; (q = memchr(q, marks[i][0], (size_t)(end - q))) != NULL; q++)
            if ((size_t)(end - q) >= size && !memcmp(q, marks[i], size)) return 1;
    }
    return 0;
}

static int is_prose(const ls_block *b) {
    if (b->legal) return 0;
    if (b->linked * 3 > b->weight || b->heading) return 0;
    if (b->weight >= PROSE_WEIGHT && b->sentences) return 1;
    return b->weight >= LONG_WEIGHT || (b->weight >= PROSE_WEIGHT * 2 / 3 && b->sentences + b->commas >= 2);
}

static int is_unseen(const judge *j, const ls_node *node) {
    if (node->flags & N_TEX) return 0;
    if (node->tag == TAG_BUTTON && j->article->contexts[node->parent].heading) return (node->flags & N_HIDDEN) != 0;
    return (node->flags & (N_DROP | N_HIDDEN)) != 0;
}

/* What is looked at where a page shows next to nothing: 1 hidden elements, 2 also unclosed <noscript>
 * and the like that have swallowed the page. */
enum { SHOW_HIDDEN = 1, SHOW_ALL = 2 };

static int is_forced(const ls_node *node, int shown) {
    if (!(node->flags & N_DROP)) return shown >= SHOW_HIDDEN;
    unsigned tag = node->tag, never = E_RAW | E_HEAD;
    if (tag == TAG_NOSCRIPT) return shown == SHOW_ALL;
    return shown == SHOW_ALL && !(ls_html_bits(tag) & never) && tag != TAG_HEAD && tag != TAG_SELECT && tag != TAG_DATALIST;
}

static void close_block(judge *j, ls_block *open, uint32_t end) {
    if (open->weight || open->code) {
        open->end = end;
        j->article->blocks[j->article->num_blocks++] = *open;
    }
    *open = (ls_block){0};
}

/* Cuts the page into blocks: what stands between two line breaks of the layout; <br> is none. */
static void find_blocks(judge *j, int shown) {
    ls_page *page = j->page;
    ls_block open = {0};
    uint32_t lead = 0; /* the first inline element since the last line break: a line may begin inside it */
    j->article->num_blocks = 0;
    for (uint32_t i = 1; i < page->num_nodes; i++) {
        ls_node *node = page->nodes + i;
        inherit(page, j->article->contexts, i);
        ls_context *context = j->article->contexts + i;
        if (is_unseen(j, node) && !is_forced(node, shown)) {
            i = node->end - 1;
            continue;
        }
        if (ls_html_bits(node->tag) & E_BLOCK) {
            close_block(j, &open, i);
            lead = 0;
            continue;
        }
        if (node->tag == TAG_BR) open.breaks++;
        if (!lead || j->article->contexts[lead].owner != context->owner) lead = i;
        if (node->tag != TAG_TEXT && !(node->flags & N_TEX)) continue;
        if (open.owner != context->owner) close_block(j, &open, i);
        if (!open.first) {
            open.first = lead;
            open.owner = context->owner;
            open.heading = context->heading;
            open.code = context->code;
        }
        if (node->tag == TAG_IMG) {
            open.weight += FORMULA_WEIGHT;
            continue;
        }
        const uint8_t *text = page->bytes + node->start;
        measure_text(&open, text, text + node->size, node->flags & N_LINK);
        if (open.weight < 800 && is_legal(text, text + node->size)) open.legal = 1;
    }
    close_block(j, &open, page->num_nodes);
}

/* ---- values ---- */

static int64_t value_of(const judge *j, const ls_block *b) {
    int64_t weight = b->weight, linked = b->linked;
    if (b->legal) return -weight;
    if (b->code) return weight;
    if (b->heading) return -linked;
    if (is_prose(b)) return weight - 2 * linked;
    if (linked * 2 > weight) return -linked / 2 - 5;
    if (linked * 4 > weight) return 0;
    unsigned tag = j->page->nodes[b->owner].tag;
    if (tag == TAG_P && !b->sentences && !b->commas) return 0;
    if (tag == TAG_P || tag == TAG_LI || tag == TAG_TD || tag == TAG_DD || tag == TAG_DT || tag == TAG_BLOCKQUOTE)
        return (weight - linked) / 3;
    return -10;
}

/* Flags of a node's names and of what it is by itself. */
static unsigned named_as(const ls_node *node) {
    unsigned tag = node->tag, flags = node->flags;
    if (tag == TAG_NAV || tag == TAG_FOOTER) flags |= N_STRONG;
    if (tag == TAG_ASIDE) flags |= N_SIDE;
    if (tag == TAG_HEADER || tag == TAG_FIGCAPTION) flags |= N_WEAK;
    if (tag >= TAG_H1 && tag <= TAG_H6) flags &= ~(unsigned)(N_WEAK | N_STRONG | N_SIDE);
    return flags & (N_STRONG | N_WEAK | N_TEASER | N_COMMENT | N_SIDE);
}

/* Tells whether a subtree is left out because of its name. */
static int is_pruned(judge *j, uint32_t index) {
    const ls_node *node = j->page->nodes + index;
    const totals *sum = j->sums + index;
    unsigned tag = node->tag, flags = named_as(node);
    if (!flags || !sum->weight || node->flags & N_MAIN) return 0; /* inside a line a name says nothing */
    if (tag == TAG_BODY || tag == TAG_HTML || tag == TAG_ARTICLE || j->article->contexts[index].code) return 0;
    if (j->distrust) return sum->linked * 2 > sum->weight || (flags & N_STRONG && !sum->prose);
    if (sum->mains && !(flags & (N_COMMENT | N_TEASER)) && sum->prose * 4 > j->page_prose) return 0;
    int declared = (j->page->signs & SIGN_MANUAL) != 0;
    if (j->manual && (declared || !(flags & (N_COMMENT | N_TEASER)))) {
        if (sum->mains) return 0;
        int around = flags & (N_STRONG | N_TEASER) && sum->prose < LONG_WEIGHT;
        return around || sum->linked * 5 > sum->weight * 2;
    }
    if (flags == N_TEASER && sum->linked * 50 <= sum->weight && (uint64_t)sum->prose * 100 > (uint64_t)j->page_prose * UNFOLDED_PERCENT) return 0;
    uint32_t rest = j->page_prose - sum->prose;
    int beyond = !sum->marks && rest >= 2 * PROSE_WEIGHT && (flags & (N_COMMENT | N_TEASER) || (flags & N_SIDE && j->body_prose >= BODY_WEIGHT));
    uint32_t most = beyond ? 97 : MAJORITY_PERCENT;
    if ((uint64_t)sum->prose * 100 > (uint64_t)j->page_prose * most) return 0;
    if (flags & ~(unsigned)N_WEAK) return 1;
    return sum->prose < 200 || sum->linked * 5 > sum->weight * 2;
}

static void add_up(judge *j, int with_pruning) {
    ls_page *page = j->page;
    memset(j->sums, 0, page->num_nodes * sizeof *j->sums);
    for (uint32_t i = 0; i < j->article->num_blocks; i++) {
        ls_block *b = j->article->blocks + i;
        totals *sum = j->sums + b->owner;
        sum->weight += b->weight;
        sum->linked += b->linked;
        sum->value += value_of(j, b);
        if (is_prose(b)) sum->prose += b->weight, sum->plain += b->weight;
    }
    if (!with_pruning) j->body_prose = 0;
    for (uint32_t i = page->num_nodes - 1; i > 0; i--) {
        const ls_node *node = page->nodes + i;
        if (node->flags & (N_GOOD | N_MAIN) || node->tag == TAG_ARTICLE || node->tag == TAG_H1) j->sums[node->parent].marks++;
        if (node->flags & (N_GOOD | N_MAIN)) j->sums[node->parent].mains++;
        if (!with_pruning && node->flags & (N_GOOD | N_MAIN) && j->sums[i].plain > j->body_prose) j->body_prose = j->sums[i].plain;
        if (with_pruning && is_pruned(j, i)) {
            page->nodes[i].flags |= N_PRUNED;
            continue;
        }
        totals *from = j->sums + i, *to = j->sums + page->nodes[i].parent;
        to->value += from->value;
        to->weight += from->weight;
        to->linked += from->linked;
        to->prose += from->prose;
        if (!named_as(node) || node->flags & N_MAIN) to->plain += from->plain;
        to->marks += from->marks;
        to->mains += from->mains;
    }
}

/* Tells a manual from an article: it says so, or has code, lists of terms, or headings over text. */
static int is_manual(const judge *j) {
    const ls_article *article = j->article;
    if (j->page->signs & SIGN_MANUAL) return 1;
    if (j->page->signs & SIGN_ARTICLE) return 0;
    uint32_t sections = 0, code = 0, terms = 0;
    for (uint32_t i = 0; i < article->num_blocks; i++) {
        const ls_block *b = article->blocks + i;
        if (b->heading > 1 && b->linked * 2 < b->weight && i + 1 < article->num_blocks) sections += (uint32_t)is_prose(b + 1);
        code += b->code && j->page->nodes[b->owner].tag != TAG_TEXTAREA; /* any page may show one */
        terms += j->page->nodes[b->owner].tag == TAG_DD && b->weight >= 30 && b->linked * 2 < b->weight;
    }
    return code || sections >= 3 || terms >= 3;
}

/* ---- the root ---- */

static uint32_t next_unpruned(const judge *j, uint32_t i) {
    const ls_node *node = j->page->nodes + i;
    return node->flags & N_PRUNED ? node->end : i + 1;
}

/* The page's <main> (or role=main), if it holds much of the page; else the document. */
static uint32_t find_main(judge *j) {
    ls_page *page = j->page;
    uint32_t best = 0;
    for (uint32_t i = 1; i < page->num_nodes; i = next_unpruned(j, i))
        if ((page->nodes[i].flags & (N_MAIN | N_PRUNED)) == N_MAIN && (!best || j->sums[i].weight > j->sums[best].weight)) best = i;
    const totals *main = j->sums + best, *all = j->sums;
    return main->weight * 3 >= all->weight || main->prose * 2 >= all->prose ? best : 0;
}

static uint32_t find_root(judge *j, uint32_t within) {
    ls_page *page = j->page;
    uint32_t best = within, end = page->nodes[within].end;
    for (uint32_t i = within; i < end; i = next_unpruned(j, i))
        if (!(page->nodes[i].flags & N_PRUNED) && j->sums[i].value >= j->sums[best].value) best = i;
    return best;
}

/* Prefers an element inside that is named as the article's body and holds nearly as much. */
static uint32_t sharpen_root(judge *j, uint32_t root) {
    ls_page *page = j->page;
    int64_t wanted = j->sums[root].value * 7 / 10, best_value = 0;
    uint32_t best = root;
    for (uint32_t i = root; i < page->nodes[root].end; i = next_unpruned(j, i)) {
        if ((page->nodes[i].flags & N_PRUNED) || !(page->nodes[i].flags & (N_GOOD | N_MAIN))) continue;
        if (j->sums[i].value >= wanted && j->sums[i].value >= best_value) best = i, best_value = j->sums[i].value;
    }
    return best;
}

/* Climbs to the ancestor that still adds text rather than links: a manual's sections stand side by side. */
static uint32_t widen_root(judge *j, uint32_t root, uint32_t within) {
    uint32_t best = root;
    for (uint32_t i = root; i != within && i; ) {
        i = j->page->nodes[i].parent;
        const totals *from = j->sums + best, *to = j->sums + i;
        if (to->weight > from->weight && (to->linked - from->linked) * 2 < to->weight - from->weight) best = i;
    }
    return best;
}

/* Climbs as long as it costs nothing and adds no link: to the heading over a lone paragraph. */
static uint32_t take_heading(judge *j, uint32_t root, uint32_t within) {
    for (uint32_t i = root; i != within && i; root = i) {
        i = j->page->nodes[i].parent;
        if (j->sums[i].value < j->sums[root].value || j->sums[i].linked > j->sums[root].linked) break;
    }
    return root;
}

static void choose_root(judge *j) {
    uint32_t within = find_main(j);
    uint32_t root = find_root(j, within);
    if (!(j->page->signs & SIGN_ARTICLE)) root = take_heading(j, root, within);
    if (j->sums[root].value <= 0) root = within; /* an index: links only */
    else if (!j->manual) root = sharpen_root(j, root);
    else root = within ? within : widen_root(j, root, within);
    j->article->root = root;
}

/* ---- which blocks stay ---- */

/* Whether a block is mostly links: leads to other pages. A sentence with names linked is none. */
static int is_lead(const ls_block *b, unsigned tag) {
    uint32_t plain = b->weight - b->linked;
    if (b->linked * 2 <= b->weight) return 0;
    return !(plain * 4 >= b->weight && plain >= 40 && (b->sentences || tag == TAG_BLOCKQUOTE));
}

/* Whether a short block begins as the lines do that sites put between an article's paragraphs. */
static int is_set_phrase(const judge *j, const ls_block *b) {
    static const char *const phrases[] = {
        "advert", "image copyright", "image caption", "media playback", "photo:", "photo by", "read more",
        "read also", "also read", "related:", "share this", "story continues", "continue reading",
        "sign up for", "click here", "follow us", "subscribe to", "相关阅读", "责任编辑", "责编", "（责任编辑",
        "(责任编辑", "原标题", "点击进入", "扫一扫", "分享到", "上一篇", "下一篇", "延伸阅读", "推荐阅读", "编辑：",
        "更多精彩", "返回搜狐", "特别声明", "声明：", "您所在的位置", "您的位置", "当前位置", "你的位置", "所在位置",
    };
    const ls_node *node = j->page->nodes + b->first;
    for (uint32_t i = b->first; i < b->end && node->tag != TAG_TEXT; i++) node = j->page->nodes + i;
    const uint8_t *p = j->page->bytes + node->start, *end = p + node->size;
    while (p < end && (*p <= ' ' || (end - p > 2 && *p == 0xE3 && p[1] == 0x80 && p[2] == 0x80))) p += *p <= ' ' ? 1 : 3;
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++) {
        size_t size = strlen(phrases[i]);
        if ((size_t)(end - p) >= size && ls_html_same(p, (uint32_t)size, phrases[i])) return 1;
    }
    return 0;
}

/* Whether a block ends as the line does that says to whom a letter or a notice is written. */
static int ends_with_colon(const ls_page *page, const ls_block *b) {
    for (uint32_t i = b->end; i-- > b->first;) {
        const ls_node *node = page->nodes + i;
        if (node->tag != TAG_TEXT) continue;
        const uint8_t *start = page->bytes + node->start, *end = start + node->size;
        while (end > start && ls_is_space(end[-1])) end--;
        if (end == start) continue;
        return end[-1] == ':' || (end - start > 2 && end[-3] == 0xEF && end[-2] == 0xBC && end[-1] == 0x9A);
    }
    return 0;
}

/* Whether a short paragraph is a sentence or an address beside the first long one: not a dateline. */
static int opens_text(const ls_page *page, const ls_block *b, const ls_block *prose) {
    const ls_node *node = page->nodes + b->owner, *other = page->nodes + prose->owner;
    if (node->tag != TAG_P || other->tag != TAG_P || node->parent != other->parent || b->linked) return 0;
    return b->sentences || ends_with_colon(page, b);
}

/* Whether a short paragraph is a sentence in the element of the last long one: what stands between them is text. */
static int closes_text(const ls_page *page, const ls_block *b, const ls_block *prose) {
    const ls_node *node = page->nodes + b->owner, *other = page->nodes + prose->owner;
    return node->tag == TAG_P && node->parent == other->parent && b->sentences && !b->linked;
}

/* Marks what stays within the root; returns whether any of it reads like text. */
static int choose_blocks(judge *j, int strict) {
    ls_article *article = j->article;
    ls_page *page = j->page;
    uint32_t root = article->root, end = page->nodes[root].end;
    uint32_t pruned_until = 0, next_prune = root;
    uint32_t first_prose = 0, last_prose = 0, seen = 0;
    for (uint32_t i = 0; i < article->num_blocks; i++) {
        ls_block *b = article->blocks + i;
        b->keep = 0;
        if (b->first < root || b->first >= end) continue;
        for (; next_prune <= b->first; next_prune++) {
            if (next_prune < pruned_until) continue;
            if ((page->nodes[next_prune].flags & N_PRUNED) && next_prune != root) pruned_until = page->nodes[next_prune].end;
        }
        if (b->first < pruned_until) continue;
        b->keep = 1;
        if (b->legal && b->weight < 800) b->keep = 0;
        else if (is_prose(b) || b->code) {
            if (!seen++) first_prose = i;
            last_prose = i;
        }
    }
    if (!seen) return 0;
    if (!strict) return 1;
    for (uint32_t i = last_prose + 1; i < article->num_blocks; i++) /* a short last sentence ends the text as well */
        if (article->blocks[i].keep && closes_text(page, article->blocks + i, article->blocks + last_prose)) last_prose = i;
    int said = (page->signs & SIGN_ARTICLE) != 0;
    int named = (page->nodes[root].flags & N_GOOD) != 0; /* what stands in a body is the article's */
    for (uint32_t i = 0; i < article->num_blocks; i++) {
        ls_block *b = article->blocks + i;
        if (!b->keep || b->code) continue;
        unsigned tag = page->nodes[b->owner].tag;
        if (b->weight < SHORT_WEIGHT && is_set_phrase(j, b)) b->keep = 0;
        if (is_prose(b)) continue;
        if (is_lead(b, tag)) b->keep = 0;
        else if (named && !b->heading && (tag == TAG_P || tag == TAG_LI || tag == TAG_TD) && b->linked * 5 < b->weight) continue;
        else if (i < first_prose && !b->heading && !opens_text(page, b, article->blocks + first_prose)) b->keep = 0;
        else if (i > last_prose && tag != TAG_LI && !(tag == TAG_P && !b->linked && (!said || b->sentences || b->weight >= PROSE_WEIGHT))) b->keep = 0;
        if (b->heading == 1 && page->signs & SIGN_ARTICLE) b->keep = 0; /* the title has it */
    }
    return 1;
}

/* A page without prose, an index or a few labels: all that no name takes away. */
static void keep_labels(judge *j) {
    uint32_t pruned_until = 0, next = 0;
    for (uint32_t i = 0; i < j->article->num_blocks; i++) {
        ls_block *b = j->article->blocks + i;
        for (; next <= b->first; next++)
            if (next >= pruned_until && j->page->nodes[next].flags & N_PRUNED) pruned_until = j->page->nodes[next].end;
        b->keep = b->first >= pruned_until;
    }
}

/* Looks also at hidden elements where a page shows next to nothing and they hold much more. */
static void show_more(judge *j) {
    uint32_t prose = j->sums[0].prose, weight = j->sums[0].weight;
    if (prose >= HIDDEN_WEIGHT) return;
    for (int shown = SHOW_HIDDEN; shown <= SHOW_ALL; shown++) {
        find_blocks(j, shown);
        add_up(j, 0);
        if (j->sums[0].prose >= prose * 3 + HIDDEN_WEIGHT || (!weight && j->sums[0].weight && shown == SHOW_HIDDEN)) return;
    }
    find_blocks(j, 0);
    add_up(j, 0);
}

int ls_html_judge(ls_article *article, int everything) {
    judge *j = calloc(1, sizeof *j);
    ls_page *page = article->page;
    if (!j) return -1;
    j->article = article;
    j->page = page;
    article->contexts = calloc(page->num_nodes, sizeof *article->contexts);
    article->blocks = malloc((page->num_nodes + 1) * sizeof *article->blocks);
    j->sums = malloc(page->num_nodes * sizeof *j->sums);
    int failed = !article->contexts || !article->blocks || !j->sums;
    if (!failed) {
        show_alternatives(page);
        find_blocks(j, 0);
        add_up(j, 0);
        show_more(j);
        j->page_prose = j->sums[0].prose;
        j->manual = is_manual(j);
        if (everything) {
            for (uint32_t i = 0; i < article->num_blocks; i++) article->blocks[i].keep = 1;
        } else {
            add_up(j, 1);
            if (j->sums[0].prose < PROSE_WEIGHT && j->page_prose >= 2 * LONG_WEIGHT) { /* names that mislead: only their links go */
                for (uint32_t i = 0; i < page->num_nodes; i++) page->nodes[i].flags &= ~(unsigned)N_PRUNED;
                j->distrust = 1;
                add_up(j, 1);
            }
            choose_root(j);
            if (!choose_blocks(j, !j->manual)) keep_labels(j);
        }
    }
    page->steps += 8 * (uint64_t)page->num_nodes + page->size;
    free(j->sums);
    free(j);
    return failed ? -1 : 0;
}
