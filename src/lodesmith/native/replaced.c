/* How likely each word of a text stands in the place of another: a small network over its neighbours.
 *
 * A word is a short vector. The vectors of a word and of three on either side lie side by side; with
 * the mean vector of the text, which says what it is about, and how usual the two pairs are that the
 * word stands in, they go through one hidden layer. All numbers are whole, so that the result is the
 * same on any processor.
 *
 * Source: the task, replaced token detection, is that of K. Clark et al., ELECTRA, arXiv:2003.10555.
 */
#include <stdlib.h>

#include "kernels.h"

enum { REACH = 3, PLACES = 2 * REACH + 1, WIDTH = 16, HIDDEN = 32, SPAN = PLACES * WIDTH };
enum { UNKNOWN, NUMBER, BEYOND, NUM_MARKS };      /* the first rows: no word of the list */
enum { LATIN_OR_HAN = 2 };                        /* a part's flag: not digits only */
enum { NO_PAIR = 648 };                           /* the symbol at either end of a text */
enum { MOST = 6, LOWEST = -4, NUM_LEVELS = 8, MAX_JUDGED = 256 }; /* see ls_replaced_sum */

typedef struct {
    const uint32_t *keys; /* upper halves of the hashes of words; row NUM_MARKS + n belongs to key n */
    const uint32_t *slots; /* where a key is looked up: its place + 1, 0 where there is none */
    uint64_t mask;
    const int16_t *vectors; /* (rows, WIDTH) */
    const int32_t *own;     /* (rows) what a word says by itself */
    const int16_t *window;  /* (HIDDEN, SPAN) */
    const int16_t *subject; /* (HIDDEN, WIDTH) */
    const int32_t *before;  /* (NO_PAIR + 1, HIDDEN), of the pair that ends in the word */
    const int32_t *after;   /* (NO_PAIR + 1, HIDDEN), of the pair that begins with it */
    const int32_t *offsets; /* (HIDDEN) */
    const int32_t *output;  /* (HIDDEN) */
    int64_t hidden_shift, offset, scale; /* a logit is scale */
} replaced_model;

/* Enters keys into an empty table of mask + 1 slots, which is at most half full. */
LS_EXPORT void ls_replaced_index(const uint32_t *keys, uint32_t count, uint32_t *slots, uint64_t mask) {
    for (uint32_t place = 0; place < count; place++) {
        uint64_t slot = keys[place] & mask;
        while (slots[slot]) slot = (slot + 1) & mask;
        slots[slot] = place + 1;
    }
}

static uint32_t row_of(const replaced_model *of, uint64_t word) {
    uint32_t key = (uint32_t)(word >> 32), place;
    for (uint64_t slot = key & of->mask; (place = of->slots[slot]) != 0; slot = (slot + 1) & of->mask)
        if (of->keys[place - 1] == key) return NUM_MARKS + place - 1;
    return UNKNOWN;
}

/* The logit of a word, from the vectors around it and what its pairs add; `base` holds what the
 * text's subject does. */
WIDE static int64_t judge_word(const replaced_model *of, const int16_t *window, const int32_t *before,
                               const int32_t *after, const int64_t *base) {
    int64_t total = of->offset;
    for (int unit = 0; unit < HIDDEN; unit++) {
        const int16_t *weights = of->window + unit * SPAN;
        int32_t sum = 0;
        for (int at = 0; at < SPAN; at++) sum += (int32_t)window[at] * weights[at];
        int64_t level = base[unit] + before[unit] + after[unit] + sum;
        if (level > 0) total += (level >> of->hidden_shift) * of->output[unit];
    }
    return total;
}

static void find_base(const replaced_model *of, const int16_t *vectors, size_t count, int64_t *base) {
    for (int unit = 0; unit < HIDDEN; unit++) base[unit] = of->offsets[unit];
    for (int at = 0; at < WIDTH; at++) {
        int64_t sum = 0;
        for (size_t word = 0; word < count; word++) sum += vectors[word * WIDTH + (size_t)at];
        for (int unit = 0; unit < HIDDEN; unit++)
            base[unit] += sum * of->subject[unit * WIDTH + at] / (int64_t)count;
    }
}

/* Adds up what the words of a text say: the sum of their logits, each between -MOST and MOST, in
 * units of `scale`; how many are above each of NUM_LEVELS logits from LOWEST on; how many were judged.
 * Of a long text every second or third one is, and so on.
 *
 * words: as ls_natural_segment writes them, `sizes` in parts with `flags`. pairs: count - 1 symbols,
 * as ls_natural_measure writes them, each below NO_PAIR. sums: room for NUM_LEVELS + 2. Returns 0, or
 * -1 without memory. */
LS_EXPORT int ls_replaced_sum(const replaced_model *of, const uint64_t *words, const uint8_t *sizes,
                              const uint8_t *flags, const int64_t *pairs, size_t count,
                              int64_t *sums) {
    int16_t *vectors = malloc((count + 2 * REACH) * WIDTH * sizeof *vectors);
    uint32_t *rows = malloc((count + 1) * sizeof *rows);
    if (!vectors || !rows) return free(vectors), free(rows), -1;
    for (size_t word = 0; word < count; word++) {
        rows[word] = row_of(of, words[word]);
        if (rows[word] == UNKNOWN && !(*flags & LATIN_OR_HAN)) rows[word] = NUMBER;
        flags += sizes[word];
    }
    for (size_t place = 0; place < count + 2 * REACH; place++) {
        int is_inside = place >= REACH && place < count + REACH;
        const int16_t *from = of->vectors + (size_t)(is_inside ? rows[place - REACH] : BEYOND) * WIDTH;
        for (int at = 0; at < WIDTH; at++) vectors[place * WIDTH + (size_t)at] = from[at];
    }
    for (int sum = 0; sum < NUM_LEVELS + 2; sum++) sums[sum] = 0;
    int64_t base[HIDDEN], most = MOST * of->scale;
    if (count) find_base(of, vectors + REACH * WIDTH, count, base);
    size_t step = 1 + (count ? count - 1 : 0) / MAX_JUDGED;
    for (size_t word = 0; word < count; word += step) {
        int64_t before = word ? pairs[word - 1] : NO_PAIR;
        int64_t after = word + 1 < count ? pairs[word] : NO_PAIR;
        int64_t logit = of->own[rows[word]] + judge_word(of, vectors + word * WIDTH,
                                                         of->before + before * HIDDEN,
                                                         of->after + after * HIDDEN, base);
        sums[0] += logit > most ? most : logit < -most ? -most : logit;
        for (int level = 0; level < NUM_LEVELS; level++) sums[1 + level] += logit > (LOWEST + level) * of->scale;
        sums[NUM_LEVELS + 1]++;
    }
    free(vectors);
    free(rows);
    return 0;
}
