/* Which registers a processor has, for kernels that are compiled once for each width. */
#ifndef LODESMITH_WIDTH_H
#define LODESMITH_WIDTH_H

enum width { WIDTH_PLAIN, WIDTH_AVX2, WIDTH_AVX512 }; /* of 4, 8 and 16 floats */

/* The widest that this processor has, and no wider than `wanted`: "avx2", "plain" or NULL. */
enum width choose_width(const char *wanted);

#endif
