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
    MAJORITY_PERCENT = 50,  /* who holds this share of the prose is never pruned */
};

typedef struct {
    int64_t value;             /* of the subtree's blocks */
    uint32_t weight, linked, prose;
} totals;

typedef struct {
    ls_article *article;
    ls_page *page;
    totals *sums; /* one for each node */
    uint32_t page_prose;
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
    else if (tag == TAG_PRE || tag == TAG_LISTING || tag == TAG_XMP) context.code = 1;
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
        if (follows && !another) node->flags &= (uint16_t)~both;
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

static int is_prose(const ls_block *b) {
    if (b->linked * 3 > b->weight || b->heading) return 0;
    if (b->weight >= PROSE_WEIGHT && b->sentences) return 1;
    return b->weight >= LONG_WEIGHT || (b->weight >= PROSE_WEIGHT * 2 / 3 && b->sentences + b->commas >= 2);
}

static int is_unseen(const judge *j, const ls_node *node) {
    if (node->flags & N_TEX) return 0;
    if (node->tag == TAG_BUTTON && j->article->contexts[node->parent].heading) return (node->flags & N_HIDDEN) != 0;
    return (node->flags & (N_DROP | N_HIDDEN)) != 0;
}

static void close_block(judge *j, ls_block *open, uint32_t end) {
    if (open->weight || open->code) {
        open->end = end;
        j->article->blocks[j->article->num_blocks++] = *open;
    }
    *open = (ls_block){0};
}

/* Cuts the page into blocks: what stands between two line breaks of the layout; <br> is none. */
static void find_blocks(judge *j, int hidden_too) {
    ls_page *page = j->page;
    ls_block open = {0};
    j->article->num_blocks = 0;
    for (uint32_t i = 1; i < page->num_nodes; i++) {
        ls_node *node = page->nodes + i;
        inherit(page, j->article->contexts, i);
        ls_context *context = j->article->contexts + i;
        if (is_unseen(j, node) && !(hidden_too && !(node->flags & N_DROP))) {
            i = node->end - 1;
            continue;
        }
        if (ls_html_bits(node->tag) & E_BLOCK) {
            close_block(j, &open, i);
            continue;
        }
        if (node->tag == TAG_BR) open.breaks++;
        if (node->tag != TAG_TEXT && !(node->flags & N_TEX)) continue;
        if (open.owner != context->owner) close_block(j, &open, i);
        if (!open.first) {
            open.first = i;
            open.owner = context->owner;
            open.heading = context->heading;
            open.code = context->code;
        }
        const uint8_t *text = page->bytes + node->start;
        measure_text(&open, text, text + node->size, node->flags & N_LINK);
    }
    close_block(j, &open, page->num_nodes);
}

/* ---- values ---- */

static int64_t value_of(const judge *j, const ls_block *b) {
    int64_t weight = b->weight, linked = b->linked;
    if (b->code) return weight;
    if (b->heading) return -linked;
    if (is_prose(b)) return weight - 2 * linked;
    if (linked * 2 > weight) return -linked / 2 - 5;
    unsigned tag = j->page->nodes[b->owner].tag;
    if (tag == TAG_P || tag == TAG_LI || tag == TAG_TD || tag == TAG_DD || tag == TAG_DT || tag == TAG_BLOCKQUOTE)
        return (weight - linked) / 3;
    return -10;
}

static void add_up(judge *j, int with_pruning);

static int is_pruned(judge *j, uint32_t index) {
    ls_node *node = j->page->nodes + index;
    const totals *sum = j->sums + index;
    unsigned tag = node->tag, flags = node->flags;
    if (tag == TAG_NAV || tag == TAG_ASIDE || tag == TAG_FOOTER) flags |= N_STRONG;
    if (tag == TAG_HEADER || tag == TAG_FIGCAPTION) flags |= N_WEAK;
    if (tag == TAG_BODY || tag == TAG_HTML || tag == TAG_MAIN || tag == TAG_ARTICLE || !(flags & (N_STRONG | N_WEAK | N_TEASER | N_COMMENT)))
        return 0;
    if ((uint64_t)sum->prose * 100 > (uint64_t)j->page_prose * MAJORITY_PERCENT) return 0;
    if (flags & (N_STRONG | N_TEASER | N_COMMENT)) return !(flags & N_MAIN);
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
        if (is_prose(b)) sum->prose += b->weight;
    }
    for (uint32_t i = page->num_nodes - 1; i > 0; i--) {
        if (with_pruning && is_pruned(j, i)) {
            page->nodes[i].flags |= N_PRUNED;
            continue;
        }
        totals *from = j->sums + i, *to = j->sums + page->nodes[i].parent;
        to->value += from->value;
        to->weight += from->weight;
        to->linked += from->linked;
        to->prose += from->prose;
    }
}

/* ---- the root ---- */

static uint32_t find_root(judge *j) {
    ls_page *page = j->page;
    uint32_t best = 0;
    for (uint32_t i = 0; i < page->num_nodes; i++) {
        if (page->nodes[i].flags & N_PRUNED) {
            i = page->nodes[i].end - 1;
            continue;
        }
        if (j->sums[i].value >= j->sums[best].value) best = i;
    }
    return best;
}

/* Prefers an element inside or around that is named as the article's body and holds nearly as much. */
static uint32_t sharpen_root(judge *j, uint32_t root) {
    ls_page *page = j->page;
    int64_t wanted = j->sums[root].value * 7 / 10, best_value = 0;
    uint32_t best = root;
    for (uint32_t i = root; i < page->nodes[root].end; i++) {
        if (page->nodes[i].flags & N_PRUNED) {
            i = page->nodes[i].end - 1;
            continue;
        }
        if (!(page->nodes[i].flags & (N_GOOD | N_MAIN))) continue;
        if (j->sums[i].value >= wanted && j->sums[i].value >= best_value) best = i, best_value = j->sums[i].value;
    }
    return best;
}

/* ---- which blocks stay ---- */

static void choose_blocks(judge *j, int strict) {
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
        if (is_prose(b) || b->code) {
            if (!seen++) first_prose = i;
            last_prose = i;
        }
    }
    if (!seen || !strict) return;
    for (uint32_t i = 0; i < article->num_blocks; i++) {
        ls_block *b = article->blocks + i;
        if (!b->keep || b->code || is_prose(b)) continue;
        unsigned tag = page->nodes[b->owner].tag;
        if (b->linked * 2 > b->weight) b->keep = 0;
        else if (i < first_prose && !b->heading) b->keep = 0;
        else if (i > last_prose && (b->heading || b->weight < PROSE_WEIGHT) && tag != TAG_LI) b->keep = 0;
        if (b->heading == 1) b->keep = 0;
    }
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
        if (!article->num_blocks) find_blocks(j, 1);
        add_up(j, 0);
        j->page_prose = j->sums[0].prose;
        if (everything) {
            for (uint32_t i = 0; i < article->num_blocks; i++) article->blocks[i].keep = 1;
        } else {
            add_up(j, 1);
            article->root = sharpen_root(j, find_root(j));
            choose_blocks(j, (page->signs & SIGN_ARTICLE) != 0);
        }
    }
    page->steps += 8 * (uint64_t)page->num_nodes + page->size;
    free(j->sums);
    free(j);
    return failed ? -1 : 0;
}
