/* How usual the words of a text are, and how usual it is that they stand side by side.
 *
 * `filter` is a Bloom filter of runs with a level each; a run of level 3 is in it at levels 1, 2
 * and 3. Source: B. Bloom, CACM 13(7), 1970, doi:10.1145/362686.362692. */
#include <stdlib.h>

#include "keywords.h"

#define RUN_FACTOR 0xD6E8FEB86659FD93ull
#define NUM_PROBES 4
#define LONGEST_WORD 4 /* Chinese characters */
#define NUM_WORD_LEVELS 5

static inline uint64_t mix(uint64_t value) {
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ull;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBull;
    return value ^ (value >> 31);
}

/* What the keys of a run at all its levels share. */
static inline uint64_t base_of(const uint64_t *parts, uint32_t run, uint64_t salt) {
    uint64_t total = 0;
    for (uint32_t part = 0; part < run; part++) total = total * RUN_FACTOR + (parts[part] ^ salt);
    return total + run * 0x9E3779B97F4A7C15ull;
}

static inline uint64_t key_of(const uint64_t *parts, uint32_t run, uint32_t level) {
    return mix(base_of(parts, run, 0) + level);
}

static inline uint64_t bit_of(uint64_t key, uint64_t num_bits) {
    return (uint64_t)(((unsigned __int128)key * num_bits) >> 64);
}

static inline int is_known(const uint8_t *filter, uint64_t num_bits, uint64_t key) {
    uint64_t step = (key >> 32 | key << 32) | 1;
    for (int probe = 0; probe < NUM_PROBES; probe++, key += step) {
        uint64_t bit = bit_of(key, num_bits);
        if (!(filter[bit >> 3] >> (bit & 7) & 1)) return 0;
    }
    return 1;
}

static inline uint8_t level_of(const uint8_t *filter, uint64_t num_bits, uint64_t base,
                               uint32_t num_levels) {
    uint32_t level = 0;
    while (level < num_levels && is_known(filter, num_bits, mix(base + level + 1))) level++;
    return (uint8_t)level;
}

/* Puts keys of ls_natural_keys into a filter. */
LS_EXPORT void ls_natural_add(const uint64_t *keys, size_t count, uint8_t *filter,
                              uint64_t num_bits) {
    for (size_t at = 0; at < count; at++) {
        uint64_t key = keys[at], step = (key >> 32 | key << 32) | 1;
        for (int probe = 0; probe < NUM_PROBES; probe++, key += step) {
            uint64_t bit = bit_of(key, num_bits);
            filter[bit >> 3] |= (uint8_t)(1u << (bit & 7));
        }
    }
}

/* Writes the key of each run of `run` parts at a level: count - run + 1 keys, run <= count. */
LS_EXPORT void ls_natural_keys(const uint64_t *parts, size_t count, uint32_t run, uint32_t level,
                               uint64_t *keys) {
    for (size_t at = 0; at + run <= count; at++) keys[at] = key_of(parts + at, run, level);
}

/* Writes the level of each run of `run` parts, 0 where it is unknown: count - run + 1 of them. */
LS_EXPORT void ls_natural_levels(const uint64_t *parts, size_t count, uint32_t run,
                                 uint32_t num_levels, const uint8_t *filter, uint64_t num_bits,
                                 uint8_t *levels) {
    for (size_t at = 0; at + run <= count; at++)
        levels[at] = level_of(filter, num_bits, base_of(parts + at, run, 0), num_levels);
}

/* What a word costs, by its level: about -10 ln of its frequency, each level being ten times as
 * frequent as the one below. A character that is no known word costs most. */
static const uint32_t costs[NUM_WORD_LEVELS + 1] = {175, 156, 133, 110, 87, 64};

typedef struct {
    uint32_t cost;
    uint8_t size, level;
} step_t;

/* Joins Chinese characters to words, so that the words together are as frequent as can be.
 *
 * parts, flags: as ls_words_split writes them. words, levels, sizes: room for `count`; a word's
 * level is 0 where it is unknown, its size is in parts. Returns how many words, or -1 without
 * memory. */
LS_EXPORT int64_t ls_natural_segment(const uint64_t *parts, const uint8_t *flags, size_t count,
                                     const uint8_t *filter, uint64_t num_bits, uint64_t *words,
                                     uint8_t *levels, uint8_t *sizes) {
    step_t *steps = malloc(sizeof(step_t) * (count + 1));
    if (steps == NULL) return -1;
    steps[count] = (step_t){0, 0, 0};
    for (size_t at = count; at--;) { /* the cheapest way from here to the end, in 32 bits: wraps */
        step_t best = {0, 0, 0};
        for (uint32_t size = 1; size <= LONGEST_WORD && at + size <= count; size++) {
            if (size > 1 && !(flags[at] & flags[at + size - 1] & 1)) break;
            uint64_t base = base_of(parts + at, size, 0);
            uint8_t level = level_of(filter, num_bits, base, NUM_WORD_LEVELS);
            if (size > 1 && !level) continue;
            uint32_t cost = costs[level] + steps[at + size].cost;
            /* compared as a difference, which stays right when the sums have wrapped */
            if (!best.size || (int32_t)(cost - best.cost) < 0)
                best = (step_t){cost, (uint8_t)size, level};
        }
        steps[at] = best;
    }
    int64_t num_words = 0;
    for (size_t at = 0; at < count; at += steps[at].size, num_words++) {
        uint32_t size = steps[at].size;
        words[num_words] = size == 1 ? parts[at] : key_of(parts + at, size, 0);
        levels[num_words] = steps[at].level;
        sizes[num_words] = (uint8_t)size;
    }
    free(steps);
    return num_words;
}

/* -- the statistics of a text -- */

enum { PAIRS, TRIPLES, EDGES, NUM_SALTS };
enum { NUM_NUMBERS = NUM_WORD_LEVELS + 5 };
enum { WORD_KINDS = 9, PAIR_KINDS = 8, TRIPLE_KINDS = 3, SIZE_KINDS = 4, NUM_TOPS = 3 };

typedef struct {
    const uint8_t *filter;
    uint64_t num_bits;
    const uint64_t *function_words; /* sorted */
    uint64_t num_function_words;
    uint64_t salts[NUM_SALTS]; /* what tells runs of each sort apart in the filter */
    uint32_t num_levels[NUM_SALTS];
} natural_model;

static int make_room(run_counts *found, size_t count) {
    size_t room = 16;
    while (room < 2 * count) room *= 2;
    found->mask = room - 1;
    found->slots = calloc(room, sizeof(run_slot));
    found->slot_of = malloc((count + 1) * sizeof(uint32_t));
    return found->slots && found->slot_of;
}

static void count_runs(run_counts *found, const uint64_t *words, size_t count, uint32_t run) {
    for (size_t at = 0; at + run <= count; at++) {
        uint64_t key = base_of(words + at, run, 0), slot = mix(key) & found->mask;
        while (found->slots[slot].count && found->slots[slot].key != key)
            slot = (slot + 1) & found->mask;
        found->slots[slot].key = key;
        found->slots[slot].count++;
        found->slot_of[at] = (uint32_t)slot;
    }
}

/* Halves without a branch on what is compared: nobody could predict it. */
static uint8_t is_function(const natural_model *of, uint64_t word) {
    const uint64_t *at = of->function_words;
    uint64_t left = of->num_function_words;
    if (!left) return 0;
    while (left > 1) {
        uint64_t half = left / 2;
        at += (at[half - 1] < word) * half;
        left -= half;
    }
    return *at == word;
}

static uint8_t salted_level(const natural_model *of, int sort, const uint64_t *words, uint32_t run) {
    uint64_t base = base_of(words, run, of->salts[sort]);
    return level_of(of->filter, of->num_bits, base, of->num_levels[sort]);
}

/* `last` is the part that ends the first word of the pair: unknown pairs are told by their edge. */
static int64_t pair_kind(const natural_model *of, const natural_text *text, size_t at,
                         const uint64_t *last) {
    uint8_t level = salted_level(of, PAIRS, text->words + at, 2);
    if (level) return 3 + level;
    return count_at(&text->runs[1], at) > 1 ? 7 : salted_level(of, EDGES, last, 2);
}

static int64_t triple_kind(const natural_model *of, const natural_text *text, size_t at) {
    uint8_t level = salted_level(of, TRIPLES, text->words + at, 3);
    return !level && count_at(&text->runs[2], at) > 1 ? 2 : level;
}

static int64_t word_kind(const natural_text *text, size_t at) {
    uint8_t level = text->levels[at];
    return level <= 2 && count_at(&text->runs[0], at) > 1 ? 6 + level : level;
}

/* Writes the symbols of words, pairs, triples and sizes, `stride` apart; see natural.py. */
static void find_symbols(const natural_model *of, const natural_text *text, int64_t *symbols,
                         size_t stride) {
    int64_t *pairs = symbols + stride, *triples = pairs + stride, *sizes = triples + stride;
    const uint64_t *end = text->parts;
    int64_t kind = 0, pair = 0;
    for (size_t at = 0; at < text->count; at++) {
        int64_t previous = kind, previous_pair = pair;
        symbols[at] = kind = word_kind(text, at);
        uint8_t size = text->sizes[at];
        sizes[at] = (size < SIZE_KINDS ? size : SIZE_KINDS - 1) * 6 + text->levels[at];
        if (at > 0) {
            pair = pair_kind(of, text, at - 1, end - 1);
            pairs[at - 1] = (previous * WORD_KINDS + kind) * PAIR_KINDS + pair;
        }
        if (at > 1)
            triples[at - 2] = (previous_pair * PAIR_KINDS + pair) * TRIPLE_KINDS +
                              triple_kind(of, text, at - 2);
        end += size;
    }
}

/* Returns how often the most frequent runs of content words stand, free copies left out. */
static int64_t count_tops(natural_text *text, uint32_t run, uint32_t free_copies) {
    uint32_t tops[NUM_TOPS] = {0}; /* the largest first */
    run_counts *found = &text->runs[run - 1];
    for (size_t at = 0; at + run <= text->count; at++) {
        uint32_t *count = &slot_at(found, at)->count, taken = *count, next;
        for (uint32_t word = 0; word < run; word++) taken = text->is_content[at + word] ? taken : 0;
        if (taken) *count = 0; /* each run once */
        for (int top = 0; top < NUM_TOPS && taken; top++)
            if (taken > tops[top]) next = tops[top], tops[top] = taken, taken = next;
    }
    int64_t total = 0;
    for (int top = 0; top < NUM_TOPS; top++)
        if (tops[top] > free_copies) total += tops[top] - free_copies;
    return total;
}

/* Returns how many words stand in pairs of content words that come back at least four times. */
static int64_t count_covered(const natural_text *text) {
    int64_t covered = 0;
    int before = 0;
    for (size_t at = 0; at < text->count; at++) {
        int starts = at + 1 < text->count && text->is_content[at] && text->is_content[at + 1] &&
                     count_at(&text->runs[1], at) >= 4;
        covered += starts || before;
        before = starts;
    }
    return covered;
}

/* Writes numbers: words of at least each level, three tops, words of grammar, words covered. */
static void find_numbers(natural_text *text, int64_t *numbers) {
    for (int place = 0; place < NUM_NUMBERS; place++) numbers[place] = 0;
    int64_t *others = numbers + NUM_WORD_LEVELS;
    for (size_t at = 0; at < text->count; at++) {
        for (uint8_t level = 0; level < text->levels[at]; level++) numbers[level]++;
        others[3] += !text->is_content[at];
    }
    others[4] = count_covered(text); /* before the counts are used up */
    others[0] = count_tops(text, 1, 2);
    others[1] = count_tops(text, 2, 2);
    others[2] = count_tops(text, 3, 1);
}

static void free_text(natural_text *text) {
    free(text->clauses);
    free(text->levels);
    for (int run = 0; run < 3; run++) {
        free(text->runs[run].slots);
        free(text->runs[run].slot_of);
    }
}

/* Cuts a text into words and counts its runs. Returns how many words, or -1 without memory. */
static int64_t read_text(const natural_model *of, natural_text *text, size_t count) {
    text->levels = malloc(2 * (count + 1));
    text->clauses = malloc((count + 1) * sizeof(clause_span));
    if (!text->levels || !text->clauses) return -1;
    text->is_content = text->levels + count + 1;
    int64_t num_words = ls_natural_segment(text->parts, text->flags, count, of->filter, of->num_bits,
                                           text->words, text->levels, text->sizes);
    if (num_words < 0) return -1;
    text->count = (size_t)num_words;
    for (uint32_t run = 1; run <= 3; run++) {
        if (!make_room(&text->runs[run - 1], text->count)) return -1;
        count_runs(&text->runs[run - 1], text->words, text->count, run);
    }
    for (size_t at = 0; at < text->count; at++)
        text->is_content[at] = !is_function(of, text->words[at]);
    return num_words;
}

/* Measures a text whose parts ls_words_split wrote.
 *
 * words, sizes: room for `count`, as of ls_natural_segment. symbols: room for 4 * count; words, pairs, triples and sizes begin `count` apart.
 * numbers: room for ten, and for the nine of ls_keywords_count. Returns how many words, or -1
 * without memory. */
LS_EXPORT int64_t ls_natural_measure(const natural_model *of, const uint64_t *parts,
                                     const uint8_t *flags, size_t count, uint64_t *words,
                                     uint8_t *sizes, int64_t *symbols, int64_t *numbers) {
    natural_text text = {.parts = parts, .flags = flags, .words = words, .sizes = sizes};
    int64_t num_words = read_text(of, &text, count);
    if (num_words >= 0) {
        find_symbols(of, &text, symbols, count);
        ls_keywords_count(&text, numbers + NUM_NUMBERS); /* before the counts are used up */
        find_numbers(&text, numbers);
    }
    free_text(&text);
    return num_words;
}
