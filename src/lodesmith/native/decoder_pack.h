/* Puts weights into panels: see panels.h. */
#ifndef LODESMITH_DECODER_PACK_H
#define LODESMITH_DECODER_PACK_H

#include "panels.h"

/* Lay out a matrix of zeros; returns 0, or -1 where there is no memory. */
int matrix_new(matrix *m, enum format format, size_t num_out, size_t num_in);
void matrix_free(matrix *m);

/* Put `count` rows of num_in floats at outputs column, column + 1, ... of the matrix. */
void matrix_pack(matrix *m, size_t column, const float *rows, size_t count);

/* Read one output's weights back, as a product would see them. */
void matrix_unpack(const matrix *m, size_t column, float *row);

/* Return zeroed memory, in large pages where there are such: a stream through weights then looks
 * up 512 times fewer addresses. `free` gives it back. */
void *large_zeros(size_t bytes);

#endif
