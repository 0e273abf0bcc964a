/* Causal attention for learning: a call, and the kernels over it for each width of register. */
#ifndef LODESMITH_ATTENTION_H
#define LODESMITH_ATTENTION_H

#include <stddef.h>
#include <stdint.h>

#define BLOCK 96          /* queries, and keys, whose scores lie in the second cache */
#define SPAN (5 * BLOCK)  /* keys whose scores of a few queries lie in the first */
#define MOST_ROWS 12      /* queries that a tile takes at most */

/* Where the floats of a head are; those of one token lie side by side. */
typedef struct {
    float *data;
    int64_t batch, head, token; /* floats from one to the next */
} heads;

typedef struct {
    int64_t num_batches, num_heads, num_kv_heads, num_tokens, head_dim;
    const int32_t *starts; /* num_batches x num_tokens: the first token that each reads, or NULL */
    float scale;
    heads q, k, v, out, grad_out, grad_q;
    heads grad_k, grad_v; /* for each query head: who shares keys adds them up */
    float *normalisers;   /* num_batches x num_heads x num_tokens x 2: largest score, 1 / sum */
} attention;

typedef struct {
    const char *name;
    /* Compute one query head of one sequence. scratch: as many floats as asked for below. */
    void (*forward)(const attention *a, size_t item, float *scratch);
    void (*backward)(const attention *a, size_t item, float *scratch);
} attention_kernels;

extern const attention_kernels ls_attention_plain;
#if defined(__x86_64__)
extern const attention_kernels ls_attention_avx2, ls_attention_avx512;
#endif

/* Rows of a matrix in scratch begin an odd number of cache lines apart: so the lines of a column
 * spread over all places of the first cache, where lines apart by a power of 2 push each other out. */
static inline size_t row_stride(size_t columns) {
    return ((columns + 15) / 16 | 1) * 16;
}

/* Tokens rounded up to whole blocks. */
static inline size_t padded_tokens(const attention *a) {
    return ((size_t)a->num_tokens + BLOCK - 1) / BLOCK * BLOCK;
}

static inline size_t turned_floats(const attention *a) {
    return padded_tokens(a) / BLOCK * (size_t)a->head_dim * row_stride(BLOCK);
}

static inline size_t forward_floats(const attention *a) {
    size_t stride = row_stride((size_t)a->head_dim);
    return turned_floats(a) + padded_tokens(a) * stride +
           MOST_ROWS * (2 * stride + row_stride(SPAN));
}

static inline size_t backward_floats(const attention *a) {
    size_t stride = row_stride((size_t)a->head_dim);
    return 2 * turned_floats(a) + padded_tokens(a) * (6 * stride + 3) +
           2 * BLOCK * row_stride(BLOCK);
}

#endif
