/* A page as a flat array of nodes, in the order of their start tags.
 *
 * parse (html_parse.c)   bytes -> nodes; each knows its parent and where its subtree ends, so that every later walk is a loop
 * judge (html_judge.c)   nodes -> blocks with features, the root of the main content, which blocks stay
 * render (html_render.c) kept blocks -> UTF-8 text, one kind for each line
 *
 * All three are linear in the page's bytes, use no recursion, and stop growing at fixed limits.
 */
#ifndef LS_HTML_H
#define LS_HTML_H

#include "kernels.h"

/* What an element is (tag_bits). */
enum {
    E_BLOCK = 1,    /* breaks the line */
    E_VOID = 2,     /* has no content */
    E_RAW = 4,      /* content is not markup */
    E_DROP = 8,     /* content is no text of the page */
    E_SPECIAL = 16, /* an inline element's end tag does not reach beyond it */
    E_SCOPE = 32,   /* a block's end tag does not reach beyond it */
    E_LIST = 64,    /* <li>, <dt>, <dd> are not closed across it */
    E_HEAD = 128,   /* may stand in <head> */
};

/* Kinds of words in class, id, role and itemprop. */
enum {
    W_ARTICLE = 1, W_BODY = 2, W_ALONE = 4, W_STRONG = 8, W_TEASER = 16, W_COMMENT = 32, W_WEAK = 64,
    W_CAPTION = 128, W_SCREEN = 256, W_GUTTER = 512, W_MATH = 1024, W_LAYOUT = 2048, W_SIDE = 4096,
};

/* What a node was found to be (ls_node.flags). */
enum {
    N_LINK = 1,       /* text inside <a href> */
    N_HIDDEN = 2,     /* not shown: hidden, aria-hidden, display:none */
    N_DROP = 4,       /* never text */
    N_GOOD = 8,       /* named as an article's body */
    N_FAIR = 16,      /* named as content or article */
    N_STRONG = 32,    /* named as something around an article */
    N_WEAK = 64,      /* named as something that may be around it */
    N_TEASER = 128,   /* named as a lead to other pages */
    N_COMMENT = 256,
    N_CAPTION = 512,
    N_MATH = 1024,
    N_MAIN = 2048,    /* <main>, role=main, itemprop=articleBody */
    N_TEX = 4096,     /* <script type=math/tex>, <annotation encoding=application/x-tex> */
    N_HIDDEN_ATTR = 8192,
    N_PRUNED = 16384,
    N_ARIA = 32768,   /* aria-hidden */
    N_GUTTER = 131072, /* line numbers beside code, links to a heading itself */
    N_READ_ONLY = 262144, /* <textarea readonly>: shown, not to be filled in */
    N_SIDE = 65536,   /* named as standing beside: page furniture, or a box of a manual */
};

/* What a page says of itself (ls_page.signs). */
enum { SIGN_ARTICLE = 1, SIGN_MANUAL = 2, SIGN_CUT = 4 };

typedef struct {
    uint32_t parent, end;  /* node's parent; first node after its subtree */
    uint32_t start, size;  /* bytes of a text; of the attributes of an element */
    uint32_t tag, flags;
} ls_node;

typedef struct { uint32_t start, size; } ls_range;

typedef struct {
    const uint8_t *bytes;
    uint32_t size;
    ls_node *nodes;
    uint32_t num_nodes, max_nodes;
    uint32_t signs;
    ls_range title, author, date, canonical, language, site, og_title;
    uint64_t steps; /* bytes and nodes looked at: what tests count instead of time */
} ls_page;

/* A run of text between two line breaks of the layout. */
typedef struct {
    uint32_t first, end;       /* nodes */
    uint32_t owner;            /* nearest block element */
    uint32_t weight, linked;   /* characters but spaces, wide ones three; those in links */
    uint16_t sentences, commas;
    uint8_t heading, code, keep, breaks, legal;
} ls_block;

/* What a node inherits from the elements around it. */
typedef struct {
    uint32_t owner, item, cell, math;
    uint8_t heading, depth, code, quote;
} ls_context;

typedef struct {
    ls_page *page;
    ls_context *contexts;
    ls_block *blocks;
    uint32_t num_blocks, root;
} ls_article;

int ls_html_parse(ls_page *page);
int ls_html_judge(ls_article *article, int everything);
uint8_t ls_html_tag(const uint8_t *name, uint32_t size);
uint16_t ls_html_bits(unsigned tag);
uint32_t ls_html_entity(const uint8_t *at, const uint8_t *end, char *text, uint32_t *text_size);
uint32_t ls_html_words(const uint8_t *value, uint32_t size);
int ls_html_same(const uint8_t *bytes, uint32_t size, const char *name);

static inline int ls_is_space(uint8_t byte) {
    return byte == ' ' || (byte >= '\t' && byte <= '\r' && byte != '\v');
}

static inline uint8_t ls_lower(uint8_t byte) { return byte >= 'A' && byte <= 'Z' ? byte | 32 : byte; }

static inline int ls_is_letter(uint8_t byte) { return (uint8_t)((byte | 32) - 'a') < 26; }

#endif
