/* The score of every language for a text: naive Bayes over byte sequences that an automaton finds.
 *
 * Walks one state a byte and adds up integers, so that the result depends on no processor. A state
 * has a row of 256 following states; rows are shared between states, and `rows` says which.
 */
#include "kernels.h"

#define MAX_COUNT 63

typedef struct {
    const uint32_t *next;     /* num_rows * 256 states */
    const uint32_t *rows;     /* num_states */
    const int32_t *features;  /* num_states; -1 for none */
    const int16_t *weights;   /* num_features * num_languages */
    const int32_t *of_count;  /* MAX_COUNT + 1: what a feature counts that stands so often */
    int64_t num_languages;
} model;

/* Counts the features of a text; lists each once in `found` and returns how many there are. */
static int64_t walk(const model *of, const uint8_t *text, size_t size, int32_t *counts,
                    int32_t *found) {
    int64_t num_found = 0;
    uint32_t state = 0;
    for (size_t at = 0; at < size; at++) {
        state = of->next[(size_t)of->rows[state] << 8 | text[at]];
        int32_t feature = of->features[state];
        if (feature >= 0 && counts[feature]++ == 0) {
            found[num_found++] = feature;
        }
    }
    return num_found;
}

/* Adds to `scores` (one a language) what the features of a text are worth, and returns how many
 * different features there are. `counts` (zero, and zero again afterwards) and `found` have room for
 * one entry a feature. The caller has checked that states and features lie within the tables. */
LS_EXPORT int64_t ls_language_score(const model *of, const uint8_t *text, size_t size,
                                    int32_t *counts, int32_t *found, int64_t *scores) {
    int64_t num_found = walk(of, text, size, counts, found);
    for (int64_t index = 0; index < num_found; index++) {
        int32_t feature = found[index], count = counts[feature];
        int64_t worth = of->of_count[count > MAX_COUNT ? MAX_COUNT : count];
        const int16_t *weights = of->weights + (int64_t)feature * of->num_languages;
        for (int64_t language = 0; language < of->num_languages; language++) {
            scores[language] += worth * weights[language];
        }
        counts[feature] = 0;
    }
    return num_found;
}
