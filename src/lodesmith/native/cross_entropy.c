/* The cross entropy of scores, row by row, and its gradient in the scores' own place.
 *
 * A row of scores is as wide as a vocabulary and larger than what is computed from it, so what
 * counts is how often it is read from memory: once for the losses, once for the gradient. Vectors
 * are of 16 floats on every processor and products are rounded before they are added, so the width
 * of its registers changes no bit.
 */
#pragma GCC diagnostic ignored "-Wpsabi" /* such vectors are passed to inlined functions only */
#define LANES 16
#include "vectors.h"

#include <math.h>
#include <string.h>

#define SUMMED_AT_ONCE 2048 /* floats; their sum is added up in double precision */

INLINE float find_greatest(const float *row, size_t columns) {
    vf most = fill(-INFINITY);
    size_t at = 0;
    for (; at + LANES <= columns; at += LANES) most = select_greater(load(row + at), most);
    float greatest = largest_lane(most);
    for (; at < columns; at++)
        if (row[at] > greatest) greatest = row[at];
    return greatest;
}

/* The sum of e to the scores less the greatest; not a number where a score is none. */
INLINE double sum_powers(const float *row, size_t columns, float greatest) {
    double sum = 0;
    vi odd = {0}; /* comparing hides what is not a number, so it is looked for */
    for (size_t from = 0; from < columns; from += SUMMED_AT_ONCE) {
        size_t to = from + SUMMED_AT_ONCE < columns ? from + SUMMED_AT_ONCE : columns, at = from;
        vf sums = {0};
        for (; at + LANES <= to; at += LANES) {
            vf x = load(row + at);
            odd |= x != x;
            sums += exponential(x - greatest);
        }
        sum += sum_lanes(sums);
        for (; at < to; at++) {
            odd[0] |= -(row[at] != row[at]);
            sum += exponential(fill(row[at] - greatest))[0];
        }
    }
    int32_t any = 0;
    for (int lane = 0; lane < LANES; lane++) any |= odd[lane];
    return any || greatest == INFINITY ? (double)NAN : sum;
}

/* Write the loss of each row's label and the log of the row's sum of powers; both are 0 where there
 * is no label (below 0). */
WIDE LS_EXPORT void ls_cross_entropy(const float *scores, size_t rows, size_t columns,
                                     const int64_t *labels, float *losses, float *normalisers) {
    for (size_t r = 0; r < rows; r++) {
        losses[r] = normalisers[r] = 0;
        if (labels[r] < 0) continue;
        const float *row = scores + r * columns;
        float greatest = find_greatest(row, columns);
        double log_sum = log(sum_powers(row, columns, greatest));
        normalisers[r] = (float)(log_sum + greatest);
        losses[r] = (float)(log_sum + ((double)greatest - row[labels[r]]));
    }
}

/* Put the gradient of each row in its place, given those of its loss and of its normaliser. */
WIDE LS_EXPORT void ls_cross_entropy_gradient(float *scores, size_t rows, size_t columns,
                                              const int64_t *labels, const float *normalisers,
                                              const float *of_losses,
                                              const float *of_normalisers) {
    for (size_t r = 0; r < rows; r++) {
        float *row = scores + r * columns, normaliser = normalisers[r];
        if (labels[r] < 0) {
            memset(row, 0, columns * sizeof *row);
            continue;
        }
        float scale = of_losses[r] + of_normalisers[r] + (normaliser - normaliser); /* keeps NaN */
        size_t at = 0;
        for (; at + LANES <= columns; at += LANES)
            store(row + at, scale * exponential(load(row + at) - normaliser));
        for (; at < columns; at++) row[at] = scale * exponential(fill(row[at] - normaliser))[0];
        row[labels[r]] -= of_losses[r];
    }
}
