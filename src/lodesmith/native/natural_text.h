/* A text cut into words, and how often each word, pair and triple stands in it. */
#ifndef LODESMITH_NATURAL_TEXT_H
#define LODESMITH_NATURAL_TEXT_H

#include "kernels.h"

typedef struct {
    uint64_t key;
    uint32_t count, tally; /* how often a run stands in the text; what keywords.c counts of it */
} run_slot;

/* How often each run of a text stands in it. `slot_of` says for each place which of the table's
 * slots its run has; the table is at most half full. */
typedef struct {
    run_slot *slots;
    uint32_t *slot_of;
    uint64_t mask;
} run_counts;

static inline run_slot *slot_at(const run_counts *found, size_t at) {
    return &found->slots[found->slot_of[at]];
}

static inline uint32_t count_at(const run_counts *found, size_t at) {
    return slot_at(found, at)->count;
}

/* Words between two marks. */
typedef struct {
    uint32_t start, end;
    uint8_t begins_line, is_prose, is_bare; /* see keywords.c */
} clause_span;

typedef struct {
    const uint64_t *parts;
    const uint8_t *flags; /* of the parts */
    uint64_t *words;      /* these and sizes are the caller's */
    uint8_t *levels, *sizes, *is_content;
    size_t count;
    run_counts runs[3];
    clause_span *clauses; /* room for each word */
} natural_text;

#endif
