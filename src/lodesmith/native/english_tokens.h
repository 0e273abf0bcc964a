/* Cuts English text into tokens as the corpora did whose published limits are kept.
 *
 * Gopher's and C4's limits are applied by today's tools to the tokens of spaCy's rule-based English
 * tokenizer: chunks between white space lose affixes one by one, known forms (don't, e.g., a.m.)
 * are kept or cut at known places, addresses stay whole, what is left is cut at infixes. This is
 * our own writing of that behaviour, without regular expressions.
 */
#ifndef LODESMITH_ENGLISH_TOKENS_H
#define LODESMITH_ENGLISH_TOKENS_H

#include "kernels.h"

enum { /* classes of a code point, made by native/quality.py */
    ALPHA = 1, LOWER = 2, UPPER = 4, DIGIT = 8, QUOTE = 16, PUNCT = 32, ICON = 64, CURRENCY = 128,
    SPACE = 256, IS_ALPHA = 512, SYMBOL = 1024, PERIOD = 2048, CATEGORY_P = 4096, PREFIX = 8192,
    STOP_CHAR = 16384, LINE_BREAK = 32768
};

typedef struct {
    uint32_t start, end; /* code points */
} token_t;

typedef struct {
    const uint32_t *points; /* of the text, `num_points` */
    const uint32_t *kinds;  /* their classes */
    size_t num_points;
    const uint64_t *special_keys; /* hashes of known forms, 0 for a free slot */
    const uint32_t *special_cuts; /* lengths of their parts, a byte each, the first lowest */
    uint32_t special_mask;
    token_t *tokens; /* room for num_points */
    size_t num_tokens;
} english_t;

/* Appends the tokens of points[start, end). */
void ls_english_tokens(english_t *english, size_t start, size_t end);

#endif
