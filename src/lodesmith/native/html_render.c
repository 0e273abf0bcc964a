/* Writes kept blocks as UTF-8 text: one line for each block, with a byte for each line that says its kind. */
#include "html_tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KIND_TEXT = 0, KIND_HEADING = 1 /* to 6 */, KIND_ITEM = 7, KIND_CELL = 8, KIND_CODE = 9, KIND_QUOTE = 10 };
enum { MAX_TEX = 4096 };
enum { MAX_ORDINAL = 1000000, MAX_COLUMNS = 64, MAX_CELL_WEIGHT = 800 };
enum { G_SEEN = 1, G_ROWS = 2 /* cells stand side by side */, G_LAYOUT = 4 /* not to be written as a table */ };


typedef struct {
    ls_article *article;
    char *text;
    uint8_t *kinds;
    size_t size, room, num_lines, line_room;
    size_t line;     /* where the open line begins */
    uint8_t kind;
    int failed, space, broken; /* white space is due; it held a line break */
    int markdown;
    uint32_t table;  /* whose first row has been written */
    int in_cell;     /* a cell of a Markdown table is one line */
    uint8_t *grids;  /* what a table was found to be, by node; Markdown only */
    uint32_t spans[MAX_COLUMNS]; /* rows below that a cell of the column still covers */
    uint32_t item;   /* whose mark has been written */
    uint32_t *ordinals; /* of list items, by node; counted on the way */
} writer;

static void reserve(writer *w, size_t more) {
    if (w->size + more <= w->room) return;
    size_t room = (w->room + more) * 3 / 2 + 4096;
    char *grown = realloc(w->text, room);
    if (!grown) {
        w->failed = 1;
        return;
    }
    w->text = grown;
    w->room = room;
}

static void put(writer *w, const char *bytes, size_t size) {
    reserve(w, size);
    if (w->failed) return;
    memcpy(w->text + w->size, bytes, size);
    w->size += size;
}

static int is_blank(const writer *w) {
    for (size_t i = w->line; i < w->size; i++)
        if (!ls_is_space((uint8_t)w->text[i])) return 0;
    return 1;
}

static void end_line(writer *w, int even_if_blank) {
    w->space = w->broken = 0;
    if (!even_if_blank && is_blank(w)) {
        w->size = w->line;
        return;
    }
    while (w->size > w->line && (w->text[w->size - 1] == ' ' || w->text[w->size - 1] == '\t')) w->size--;
    put(w, "\n", 1);
    if (w->num_lines == w->line_room) {
        size_t room = w->line_room * 2 + 256;
        uint8_t *grown = realloc(w->kinds, room);
        if (!grown) {
            w->failed = 1;
            return;
        }
        w->kinds = grown;
        w->line_room = room;
    }
    if (!w->failed) w->kinds[w->num_lines++] = w->kind;
    w->line = w->size;
}

static int ends_wide(const writer *w) {
    size_t size = w->size - w->line;
    if (size < 3) return 0;
    uint8_t lead = (uint8_t)w->text[w->size - 3];
    return lead >= 0xE3 && lead <= 0xEF && lead != 0xEA && (lead < 0xEB || lead == 0xEF);
}

static int begins_wide(const uint8_t *p) { return *p >= 0xE3 && *p <= 0xEF && *p != 0xEA && (*p < 0xEB || *p == 0xEF); }

/* Writes due white space: none at a line's begin, nor for a line break between two Chinese characters. */
static void put_space(writer *w, const uint8_t *next) {
    if (!w->space) return;
    int wide = w->broken && ends_wide(w) && begins_wide(next);
    if (w->size > w->line && w->text[w->size - 1] != ' ' && !wide) put(w, " ", 1);
    w->space = w->broken = 0;
}

/* One piece of text whose bytes stand as they are, white space folded. */
static void put_folded(writer *w, const uint8_t *p, const uint8_t *end) {
    while (p < end) {
        const uint8_t *start = p;
        while (p < end && *p > ' ' && *p != 0xC2 && *p != 0xE3) p++;
        if (p > start) {
            put_space(w, start);
            put(w, (const char *)start, (size_t)(p - start));
            continue;
        }
        if (*p <= ' ') {
            w->space = 1;
            w->broken |= *p == '\n' || *p == '\r';
            p++;
        } else if (*p == 0xC2 && p + 1 < end && p[1] == 0xA0) {
            w->space = 1;
            p += 2;
        } else if (*p == 0xE3 && end - p >= 3 && p[1] == 0x80 && p[2] == 0x80 && is_blank(w)) {
            p += 3; /* the indent of a Chinese paragraph */
        } else {
            put_space(w, p); /* the bytes that follow the first stand above " " */
            put(w, (const char *)p++, 1);
        }
    }
}

static void put_verbatim(writer *w, const uint8_t *p, const uint8_t *end) {
    for (; p < end; p++) {
        if (*p == '\n') end_line(w, 1);
        else if (*p && *p != '\r') put(w, (const char *)p, 1);
    }
}

static void put_text(writer *w, const uint8_t *p, const uint8_t *end, int code) {
    void (*put_piece)(writer *, const uint8_t *, const uint8_t *) = code ? put_verbatim : put_folded;
    while (p < end) {
        const uint8_t *mark = memchr(p, '&', (size_t)(end - p));
        put_piece(w, p, mark ? mark : end);
        if (!mark) return;
        char decoded[8];
        uint32_t size = 0, read = ls_html_entity(mark, end, decoded, &size);
        if (read) put_piece(w, (const uint8_t *)decoded, (const uint8_t *)decoded + size);
        else put_piece(w, mark, mark + 1);
        p = mark + (read ? read : 1);
    }
}

/* ---- formulae ---- */

static ls_range attribute_of(const ls_page *page, const ls_node *node, const char *name) {
    const uint8_t *p = page->bytes + node->start, *end = p + node->size;
    size_t size = strlen(name);
    for (; p + size + 2 < end; p++) {
        if (!ls_is_space(*p) || !ls_html_same(p + 1, (uint32_t)size, name) || p[1 + size] != '=') continue;
        const uint8_t *value = p + size + 2, *stop;
        uint8_t quote = *value;
        if (quote != '"' && quote != '\'') {
            for (stop = value; stop < end && !ls_is_space(*stop) && *stop != '>' && *stop != '/';) stop++;
            return (ls_range){(uint32_t)(value - page->bytes), (uint32_t)(stop - value)};
        }
        stop = memchr(value + 1, quote, (size_t)(end - value - 1));
        if (!stop) return (ls_range){0, 0};
        return (ls_range){(uint32_t)(value + 1 - page->bytes), (uint32_t)(stop - value - 1)};
    }
    return (ls_range){0, 0};
}

/* A whole number that an attribute gives, between 0 and `most`; `otherwise` where it gives none. */
static uint32_t number_of(const ls_page *page, const ls_node *node, const char *name, uint32_t otherwise, uint32_t most) {
    ls_range value = attribute_of(page, node, name);
    uint32_t number = 0, i = 0;
    for (; i < value.size && (uint8_t)(page->bytes[value.start + i] - '0') < 10; i++)
        if (number < most) number = number * 10 + page->bytes[value.start + i] - '0';
    return !i ? otherwise : number < most ? number : most;
}

static void put_tex(writer *w, ls_range tex, int display) {
    const ls_page *page = w->article->page;
    if (!tex.size || tex.size > MAX_TEX) return;
    static const char wrapper[] = "{\\displaystyle ";
    const char *mark = display ? "$$" : "$";
    const uint8_t *p = page->bytes + tex.start;
    if (tex.size > sizeof wrapper && !memcmp(p, wrapper, sizeof wrapper - 1) && p[tex.size - 1] == '}') {
        p += sizeof wrapper - 1; /* says only that the formula is not squeezed */
        tex.size -= (uint32_t)sizeof wrapper;
    }
    put_space(w, (const uint8_t *)mark);
    put(w, mark, strlen(mark));
    size_t before = w->size;
    put_text(w, p, p + tex.size, 0);
    w->space = 0;
    if (w->size == before) w->size -= strlen(mark);
    else put(w, mark, strlen(mark));
}

/* Which child of its parent an element is, from 0; what lies far behind is not counted. */
static uint32_t place_of(const ls_page *page, uint32_t index) {
    uint32_t place = 0, steps = 0;
    for (uint32_t i = page->nodes[index].parent + 1; i < index && steps < 8; i = page->nodes[i].end, steps++)
        place += page->nodes[i].tag != TAG_TEXT;
    return place;
}

/* What TeX puts before an element of a formula; a brace closes it. NULL: nothing. */
static const char *brace_of(const ls_page *page, uint32_t index) {
    if (page->nodes[index].tag == TAG_MSQRT) return "\\sqrt{";
    unsigned parent = page->nodes[page->nodes[index].parent].tag;
    uint32_t place = place_of(page, index);
    if (parent == TAG_MFRAC) return place ? "{" : "\\frac{";
    if (!place) return NULL;
    if (parent == TAG_MSUB || parent == TAG_MUNDER) return "_{";
    if (parent == TAG_MSUP || parent == TAG_MOVER) return "^{";
    if (parent == TAG_MSUBSUP || parent == TAG_MUNDEROVER) return place == 1 ? "_{" : "^{";
    return NULL;
}

/* Whether a part of a formula is a word, as in the name of a function: two Latin letters or more. */
static int is_word(const ls_page *page, const ls_node *text) {
    for (uint32_t i = 0; i < text->size; i++) {
        uint8_t letter = page->bytes[text->start + i] | 0x20;
        if (letter < 'a' || letter > 'z') return 0;
    }
    return text->size > 1;
}

/* Whether plain text would lose what a formula says: a shape, or a word between letters. */
static int has_shape(const ls_page *page, uint32_t index) {
    unsigned texts = 0, words = 0;
    for (uint32_t i = index + 1; i < page->nodes[index].end; i++) {
        unsigned tag = page->nodes[i].tag;
        if (tag >= TAG_MFRAC && tag <= TAG_MUNDEROVER && tag != TAG_MROW) return 1;
        if (tag != TAG_TEXT) continue;
        texts++;
        words += is_word(page, page->nodes + i);
    }
    return words && texts > 1;
}

/* Writes a <math> that has no TeX: fractions, powers, indices and roots as TeX, all else as it stands. */
static void put_parts(writer *w, uint32_t index, const char *mark) {
    enum { MAX_OPEN = 60 };
    uint32_t ends[MAX_OPEN], num_open = 0;
    const ls_page *page = w->article->page;
    put_space(w, (const uint8_t *)mark);
    put(w, mark, strlen(mark));
    for (uint32_t i = index + 1; i < page->nodes[index].end; i++) {
        const ls_node *node = page->nodes + i;
        for (; num_open && ends[num_open - 1] <= i; num_open--) put(w, "}", 1);
        if (node->tag == TAG_ANNOTATION || node->tag == TAG_ANNOTATION_XML) {
            i = node->end - 1;
        } else if (node->tag == TAG_TEXT) {
            int word = is_word(page, node);
            if (word) put(w, "\\mathrm{", 8);
            put_text(w, page->bytes + node->start, page->bytes + node->start + node->size, 0);
            if (word) put(w, "}", 1);
            w->space = 0;
        } else if (num_open < MAX_OPEN) {
            const char *brace = brace_of(page, i);
            if (!brace) continue;
            put(w, brace, strlen(brace));
            ends[num_open++] = node->end;
        }
    }
    for (; num_open; num_open--) put(w, "}", 1);
    put(w, mark, strlen(mark));
}

/* Writes a <math> as TeX; returns 0 where plain text says as much. */
static int put_math(writer *w, uint32_t index) {
    ls_page *page = w->article->page;
    ls_node *math = page->nodes + index;
    ls_range display = attribute_of(page, math, "display");
    int is_display = display.size == 5 && !memcmp(page->bytes + display.start, "block", 5);
    for (uint32_t i = index + 1; i + 1 < math->end; i++) {
        ls_node *node = page->nodes + i;
        if (node->tag != TAG_ANNOTATION || !(node->flags & N_TEX) || page->nodes[i + 1].tag != TAG_TEXT) continue;
        put_tex(w, (ls_range){page->nodes[i + 1].start, page->nodes[i + 1].size}, is_display);
        return 1;
    }
    ls_range alt = attribute_of(page, math, "alttext");
    if (alt.size) put_tex(w, alt, is_display);
    else if (has_shape(page, index)) put_parts(w, index, is_display ? "$$" : "$");
    else return 0;
    return 1;
}

/* ---- blocks ---- */

static void put_item_mark(writer *w, const ls_context *context) {
    ls_page *page = w->article->page;
    const ls_node *item = page->nodes + context->item;
    char mark[64];
    int indent = 2 * (context->depth ? context->depth : 1), size;
    if (w->markdown) indent -= 2;
    int again = w->item == context->item;
    w->item = context->item;
    if (again) size = snprintf(mark, sizeof mark, "%*s", indent + 2, "");
    else if (page->nodes[item->parent].tag == TAG_OL) size = snprintf(mark, sizeof mark, "%*s%u. ", indent, "", w->ordinals[context->item]);
    else size = snprintf(mark, sizeof mark, "%*s%s ", indent, "", w->markdown ? "-" : "•");
    put(w, mark, (size_t)size);
}

static uint8_t kind_of(const ls_block *b, const ls_context *context) {
    if (b->code) return KIND_CODE;
    if (b->heading) return b->heading;
    if (context->item) return KIND_ITEM;
    if (context->cell) return KIND_CELL;
    return context->quote ? KIND_QUOTE : KIND_TEXT;
}

static void begin_line(writer *w, const ls_block *b, const ls_context *context) {
    w->kind = kind_of(b, context);
    if (b->code) return;
    if (w->markdown && b->heading) put(w, "###### " + 6 - b->heading, b->heading + 1u);
    else if (w->markdown && context->quote) put(w, "> ", 2);
    if (context->item && !b->heading) put_item_mark(w, context);
}

static int is_inline_code(unsigned tag) {
    return tag == TAG_CODE || tag == TAG_KBD || tag == TAG_SAMP || tag == TAG_TT;
}

/* The text of a block's nodes, without what begins its line. */
static void put_content(writer *w, const ls_block *b) {
    ls_page *page = w->article->page;
    const ls_context *contexts = w->article->contexts;
    size_t begin = w->size;
    uint32_t code_end = 0; /* node at which inline code ends */
    for (uint32_t i = b->first; i < b->end; i++) {
        ls_node *node = page->nodes + i;
        int shown_button = node->tag == TAG_BUTTON && contexts[node->parent].heading;
        if (code_end && i >= code_end) put(w, "`", 1), code_end = 0;
        if (node->flags & N_TEX && node->tag == TAG_SCRIPT) {
            put_tex(w, (ls_range){node->start, node->size}, 0);
        } else if (node->flags & N_TEX && node->tag == TAG_IMG) {
            put_tex(w, attribute_of(page, node, "alt"), 0);
        } else if (node->tag == TAG_MATH && put_math(w, i)) {
            i = node->end - 1;
        } else if (node->tag == TAG_ANNOTATION || node->tag == TAG_ANNOTATION_XML ||
                   ((node->flags & (N_DROP | N_HIDDEN)) && !shown_button)) {
            i = node->end - 1;
        } else if (node->tag == TAG_BR && w->in_cell) {
            w->space = 1;
        } else if (node->tag == TAG_BR) {
            end_line(w, b->code);
            if (!b->code && contexts[b->owner].item) put_item_mark(w, contexts + b->owner);
        } else if (node->tag == TAG_TEXT) {
            const uint8_t *p = page->bytes + node->start, *end = p + node->size;
            if (b->code && w->size == begin && p < end && *p == '\n') p++;
            put_text(w, p, end, b->code);
        } else if (w->markdown && !b->code && !code_end && is_inline_code(node->tag) && node->end > i + 1) {
            put_space(w, (const uint8_t *)"`");
            put(w, "`", 1);
            code_end = node->end;
        }
    }
    if (code_end) put(w, "`", 1);
}

/* ---- tables ---- */

static uint32_t cell_of(const writer *w, const ls_block *b) { return w->article->contexts[b->owner].cell; }

static uint32_t row_of(const writer *w, const ls_block *b) {
    uint32_t cell = cell_of(w, b);
    return cell ? w->article->page->nodes[cell].parent : 0;
}

/* Tells whether two blocks are short neighbours in a table's row, and so share a line. */
static int share_line(const writer *w, const ls_block *a, const ls_block *b) {
    uint32_t row = row_of(w, b);
    if (!row || row_of(w, a) != row || a->code || b->code || a->breaks || b->breaks) return 0;
    return cell_of(w, a) != cell_of(w, b) && a->weight < 400 && b->weight < 400;
}

/* The last of the blocks from `first` on that stand in one row with it. */
static uint32_t end_of_row(const writer *w, uint32_t first) {
    const ls_block *blocks = w->article->blocks;
    uint32_t last = first;
    for (uint32_t i = first + 1; i < w->article->num_blocks; i++) {
        if (!blocks[i].keep) continue;
        if (!share_line(w, blocks + last, blocks + i)) break;
        last = i;
    }
    return last;
}

static void put_cell(writer *w, const ls_block *b) {
    w->space = w->broken = 0;
    size_t start = w->size;
    put_content(w, b);
    w->space = w->broken = 0;
    if (!w->markdown) return;
    for (size_t i = start; i < w->size && !w->failed; i++) {
        if (w->text[i] != '|') continue;
        reserve(w, 1);
        if (w->failed) return;
        memmove(w->text + i + 1, w->text + i, w->size - i);
        w->text[i++] = '\\';
        w->size++;
    }
}

/* Writes a row of short cells with tabs between them. */
static void put_row(writer *w, uint32_t first, uint32_t last) {
    w->kind = KIND_CELL;
    for (uint32_t i = first; i <= last; i++) {
        const ls_block *b = w->article->blocks + i;
        if (!b->keep) continue;
        if (i > first) put(w, "\t", 1);
        put_cell(w, b);
    }
}

/* ---- tables in Markdown ---- */

static uint32_t table_of(const writer *w, uint32_t cell) {
    const ls_node *nodes = w->article->page->nodes;
    uint32_t i = nodes[cell].parent;
    for (int steps = 0; i && steps < 3 && nodes[i].tag != TAG_TABLE; steps++) i = nodes[i].parent;
    return nodes[i].tag == TAG_TABLE ? i : 0;
}

/* Marks the table of a cell, and those around it, which lay out rather than tabulate. */
static void see_table(writer *w, uint32_t table) {
    while (!(w->grids[table] & G_SEEN)) {
        w->grids[table] |= G_SEEN;
        uint32_t cell = w->article->contexts[w->article->page->nodes[table].parent].cell;
        table = cell ? table_of(w, cell) : 0;
        if (!table) return;
        w->grids[table] |= G_LAYOUT;
    }
}

/* Tells tables of short cells from those that lay out a page. */
static void find_grids(writer *w) {
    const ls_article *article = w->article;
    uint32_t before = 0; /* the cell of the block before */
    for (uint32_t i = 0; i < article->num_blocks; i++) {
        const ls_block *b = article->blocks + i;
        if (!b->keep) continue;
        uint32_t cell = cell_of(w, b), table = cell ? table_of(w, cell) : 0;
        if (table) {
            see_table(w, table);
            if (b->code || b->heading || b->weight > MAX_CELL_WEIGHT) w->grids[table] |= G_LAYOUT;
            else if (before && before != cell && row_of(w, b) == article->page->nodes[before].parent) w->grids[table] |= G_ROWS;
        }
        before = cell;
    }
}

static int is_grid_cell(const writer *w, const ls_block *b) {
    uint32_t cell = w->markdown ? cell_of(w, b) : 0, table = cell ? table_of(w, cell) : 0;
    return table && (w->grids[table] & (G_ROWS | G_LAYOUT)) == G_ROWS;
}

static void put_empty_cells(writer *w, uint32_t count) {
    for (; count; count--) put(w, " |", 2);
}

/* Writes empty cells where a cell of a row above reaches into this one. */
static uint32_t skip_covered(writer *w, uint32_t column) {
    for (; column < MAX_COLUMNS && w->spans[column]; column++) w->spans[column]--, put_empty_cells(w, 1);
    return column;
}

/* The blocks before node `end`, from `*block` on, in one line: a cell, and what stands astray before it. */
static void put_grid_cell(writer *w, uint32_t end, uint32_t *block, uint32_t last) {
    size_t start = w->size;
    for (; *block <= last; ++*block) {
        const ls_block *b = w->article->blocks + *block;
        if (!b->keep) continue;
        if (b->first >= end) break;
        put(w, " ", 1);
        put_cell(w, b);
    }
    if (w->size == start || w->text[w->size - 1] != ' ') put(w, " ", 1);
    put(w, "|", 1);
}

/* Writes the row of the blocks `first` to `last`, and under a table's first row the line that makes it one. */
static void put_grid_row(writer *w, uint32_t first, uint32_t last) {
    ls_page *page = w->article->page;
    uint32_t row = row_of(w, w->article->blocks + first), table = table_of(w, cell_of(w, w->article->blocks + first));
    uint32_t column = 0, block = first;
    if (table != w->table) memset(w->spans, 0, sizeof w->spans);
    w->kind = KIND_CELL;
    w->in_cell = 1;
    put(w, "|", 1);
    for (uint32_t cell = row + 1; cell < page->nodes[row].end; cell = page->nodes[cell].end) {
        const ls_node *node = page->nodes + cell;
        if (node->tag != TAG_TD && node->tag != TAG_TH) continue;
        column = skip_covered(w, column);
        put_grid_cell(w, node->end, &block, last);
        uint32_t wide = number_of(page, node, "colspan", 1, MAX_COLUMNS), high = number_of(page, node, "rowspan", 1, MAX_ORDINAL);
        if (wide > 1) put_empty_cells(w, wide - 1);
        for (uint32_t end = column + (wide ? wide : 1); column < end; column++)
            if (column < MAX_COLUMNS && high > 1) w->spans[column] = high - 1;
    }
    column = skip_covered(w, column);
    if (block <= last) put_grid_cell(w, UINT32_MAX, &block, last), column++;
    w->in_cell = 0;
    if (table == w->table) return;
    w->table = table;
    end_line(w, 0);
    put(w, "|", 1);
    for (; column; column--) put(w, " --- |", 6);
}

/* The last of the blocks that stand in the row of `first`. */
static uint32_t end_of_grid_row(const writer *w, uint32_t first) {
    uint32_t row = row_of(w, w->article->blocks + first), last = first;
    for (uint32_t i = first + 1; i < w->article->num_blocks; i++) {
        const ls_block *b = w->article->blocks + i;
        if (b->first >= w->article->page->nodes[row].end) break;
        if (b->keep) last = i;
    }
    return last;
}

/* ---- the whole ---- */

/* The language that a <pre> names: class="language-c", "lang-c", "highlight-c". */
static ls_range code_language(const ls_page *page, uint32_t pre) {
    static const char *const marks[] = {"language-", "lang-", "highlight-source-"};
    for (uint32_t i = pre; i < pre + 2 && i < page->nodes[pre].end; i++) {
        if (page->nodes[i].tag == TAG_TEXT) break;
        ls_range names = attribute_of(page, page->nodes + i, "class");
        const uint8_t *p = page->bytes + names.start, *end = p + names.size;
        for (; p < end; p++)
            for (size_t k = 0; k < sizeof marks / sizeof *marks; k++) {
                size_t size = strlen(marks[k]);
                if ((size_t)(end - p) <= size || memcmp(p, marks[k], size)) continue;
                const uint8_t *stop = p += size;
                while (stop < end && !ls_is_space(*stop) && stop - p < 20) stop++;
                return (ls_range){(uint32_t)(p - page->bytes), (uint32_t)(stop - p)};
            }
    }
    return (ls_range){0, 0};
}

static void put_fence(writer *w, ls_range language) {
    w->kind = KIND_CODE;
    put(w, "```", 3);
    put(w, (const char *)w->article->page->bytes + language.start, language.size);
    end_line(w, 0);
}

static void put_code(writer *w, const ls_block *b) {
    if (w->markdown) put_fence(w, code_language(w->article->page, b->owner));
    size_t begin = w->size;
    begin_line(w, b, w->article->contexts + b->owner);
    put_content(w, b);
    end_line(w, 0);
    if (w->markdown && w->size > begin) put_fence(w, (ls_range){0, 0});
}

/* Markdown parts blocks by an empty line, items and rows of one list or table aside. */
static void part_blocks(writer *w, uint8_t before, uint8_t kind) {
    if (!w->markdown || !w->size || (before == kind && (kind == KIND_ITEM || kind == KIND_CELL))) return;
    w->kind = KIND_TEXT;
    end_line(w, 1);
}

static void count_items(writer *w) {
    ls_page *page = w->article->page;
    for (uint32_t i = 1; i < page->num_nodes; i++)
        if (page->nodes[i].tag == TAG_OL) w->ordinals[i] = number_of(page, page->nodes + i, "start", 1, MAX_ORDINAL) - 1;
        else if (page->nodes[i].tag == TAG_LI) w->ordinals[i] = ++w->ordinals[page->nodes[i].parent];
}

static void put_blocks(writer *w) {
    ls_article *article = w->article;
    uint8_t before = KIND_TEXT;
    for (uint32_t i = 0; i < article->num_blocks && !w->failed; i++) {
        const ls_block *b = article->blocks + i;
        if (!b->keep) continue;
        const ls_context *context = article->contexts + b->owner;
        int is_grid = is_grid_cell(w, b);
        uint8_t kind = is_grid ? KIND_CELL : kind_of(b, context);
        if (is_grid && table_of(w, context->cell) != w->table) before = KIND_TEXT;
        part_blocks(w, before, kind);
        before = kind;
        uint32_t last = is_grid ? end_of_grid_row(w, i) : w->markdown ? i : end_of_row(w, i);
        if (is_grid) {
            put_grid_row(w, i, last);
        } else if (b->code) {
            put_code(w, b);
        } else if (last > i) {
            put_row(w, i, last);
            before = KIND_CELL;
        } else {
            begin_line(w, b, context);
            put_content(w, b);
        }
        i = last;
        end_line(w, 0);
    }
}

/* What `ls_html_extract` returns; ranges count bytes of the page. */
typedef struct {
    char *text;
    uint8_t *kinds;
    uint64_t size, num_lines, steps;
    uint32_t signs, num_nodes;
    ls_range title, author, date, canonical, language, site, og_title;
} ls_extracted;

static int render(ls_article *article, int markdown, ls_extracted *result) {
    writer w = {.article = article, .markdown = markdown};
    w.ordinals = calloc(article->page->num_nodes, sizeof *w.ordinals);
    w.grids = markdown ? calloc(article->page->num_nodes, 1) : NULL;
    w.failed = !w.ordinals || (markdown && !w.grids);
    if (!w.failed && markdown) find_grids(&w);
    if (!w.failed) count_items(&w), put_blocks(&w);
    free(w.ordinals);
    free(w.grids);
    result->text = w.text;
    result->kinds = w.kinds;
    result->size = w.size;
    result->num_lines = w.num_lines;
    return w.failed ? -1 : 0;
}

/* Extracts a page's text; mode bit 0 takes everything, bit 1 writes Markdown. Returns 0, or -1
 * where memory is short. `ls_html_free` frees the result in either case. */
LS_EXPORT int ls_html_extract(const uint8_t *bytes, uint64_t size, uint32_t mode, ls_extracted *result) {
    ls_page page = {.bytes = bytes, .size = (uint32_t)size};
    ls_article article = {.page = &page};
    memset(result, 0, sizeof *result);
    if (size > UINT32_MAX / 2) return -1;
    int failed = ls_html_parse(&page) || ls_html_judge(&article, mode & 1) || render(&article, mode >> 1 & 1, result);
    result->signs = page.signs;
    result->num_nodes = page.num_nodes;
    result->steps = page.steps;
    result->title = page.title, result->author = page.author, result->date = page.date;
    result->canonical = page.canonical, result->language = page.language;
    result->site = page.site, result->og_title = page.og_title;
    free(page.nodes);
    free(article.contexts);
    free(article.blocks);
    return failed ? -1 : 0;
}

LS_EXPORT void ls_html_free(ls_extracted *result) {
    free(result->text);
    free(result->kinds);
    result->text = NULL;
    result->kinds = NULL;
}

/* Decodes the character references of a piece of text; `target` has room for `size` bytes. */
LS_EXPORT uint64_t ls_html_unescape(const uint8_t *bytes, uint64_t size, char *target) {
    const uint8_t *p = bytes, *end = bytes + size;
    char *to = target;
    while (p < end) {
        char decoded[8];
        uint32_t length = 0, read = *p == '&' ? ls_html_entity(p, end, decoded, &length) : 0;
        if (read && length <= read) memcpy(to, decoded, length), to += length, p += read;
        else *to++ = (char)*p++;
    }
    return (uint64_t)(to - target);
}
