/* How usual the words of a text are, and how usual it is that they stand side by side.
 *
 * `filter` is a Bloom filter of runs with a level each; a run of level 3 is in it at levels 1, 2
 * and 3. Source: B. Bloom, CACM 13(7), 1970, doi:10.1145/362686.362692. */
#include <stdlib.h>

#include "kernels.h"

#define RUN_FACTOR 0xD6E8FEB86659FD93ull
#define NUM_PROBES 4
#define LONGEST_WORD 4 /* Chinese characters */
#define NUM_WORD_LEVELS 5

static inline uint64_t mix(uint64_t value) {
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ull;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBull;
    return value ^ (value >> 31);
}

static inline uint64_t key_of(const uint64_t *parts, uint32_t run, uint32_t level) {
    uint64_t total = 0;
    for (uint32_t part = 0; part < run; part++) total = total * RUN_FACTOR + parts[part];
    return mix(total + run * 0x9E3779B97F4A7C15ull + level);
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

static inline uint8_t level_of(const uint8_t *filter, uint64_t num_bits, const uint64_t *parts,
                               uint32_t run, uint32_t num_levels) {
    uint32_t level = 0;
    while (level < num_levels && is_known(filter, num_bits, key_of(parts, run, level + 1))) level++;
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
        levels[at] = level_of(filter, num_bits, parts + at, run, num_levels);
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
            uint8_t level = level_of(filter, num_bits, parts + at, size, NUM_WORD_LEVELS);
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
