/* A decoder's weights, packed for reading in one stream, and the kernels over them.
 *
 * A matrix of N outputs and K inputs lies in panels of 32 outputs. In a panel the weights of one
 * input for all 32 outputs stand together, so each output has a lane of a register to itself, and
 * is summed over 64 inputs one after the other, then over these sums. That order is the same for
 * one row and for a thousand, for a prompt read whole or in pieces, and for registers of any width:
 * what a request gets does not depend on who else is served.
 *
 * Weights of 8 or 4 bits have a scale for each output and each 32 inputs, a group. They are turned
 * back into floats as they are read and activations stay floats, so the result is exactly that of
 * a float matrix with those values.
 */
#ifndef LODESMITH_PANELS_H
#define LODESMITH_PANELS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PANEL 32    /* outputs side by side, and positions in a block of keys and values */
#define GROUP 32    /* inputs that share a scale */
#define TILE_ROWS 12 /* rows that a tile computes at most */
#define ROW_BLOCK 96 /* rows that stay in the second cache while panels pass by */

enum format { FORMAT_FLOAT = 0, FORMAT_INT8 = 1, FORMAT_INT4 = 2, NUM_FORMATS };

/* The 16 values of a weight of 4 bits: denser where weights are. See decoder_pack.c. */
extern const int8_t ls_int4_values[16];

typedef struct {
    enum format format;
    size_t num_out, num_in, num_panels, panel_bytes;
    uint8_t *data;
} matrix;

/* How the result of a tile is stored. */
enum ending {
    STORE,    /* y = W x */
    ADD,      /* y += W x */
    SWIGLU,   /* panels in pairs, gate and up: y = silu(gate) * up */
};

typedef struct {
    const matrix *weights;
    const float *x; /* rows of x_stride floats; TILE_ROWS more rows can be read */
    size_t x_stride, num_rows;
    float *y; /* rows of y_stride floats, a multiple of PANEL; for SWIGLU half as many panels */
    size_t y_stride;
    enum ending ending;
} product;

/* Attention of a few query rows that share a key-value head. */
typedef struct {
    const float *keys, *values;    /* of this layer */
    size_t key_block, value_block; /* floats from one block to the next, over all heads */
    size_t key_offset, value_offset; /* of this head inside a block */
    size_t head_dim, value_panels;   /* value_panels x PANEL >= head_dim */
    const int32_t *table;            /* number of the block of positions 32 i to 32 i + 31 */
} head_cache;

typedef struct {
    const char *name;
    /* Compute panels first to first + count - 1 (pairs, for SWIGLU) of rows row to row + rows - 1. */
    void (*multiply)(const product *p, size_t first, size_t count, size_t row, size_t rows);
    /* q: num_rows x head_dim, scaled; lengths: positions each row sees; out: num_rows x
     * value_panels x PANEL; scores: num_rows x (longest rounded up to PANEL). */
    void (*attend)(const head_cache *cache, const float *q, const size_t *lengths, size_t num_rows,
                   float *scores, float *out);
    void (*normalise)(const float *x, const float *weight, float eps, size_t size, float *y);
    /* sums: PANEL of gate, PANEL of up; y: PANEL of silu(gate) * up. */
    void (*gate)(const float *sums, float *y);
    size_t (*find_best)(const float *x, size_t size);
} kernels;

extern const kernels ls_kernels_plain;
#if defined(__x86_64__)
extern const kernels ls_kernels_avx2, ls_kernels_avx512;
#endif

static inline float bf16_to_float(uint16_t bits) {
    uint32_t wide = (uint32_t)bits << 16;
    float value;
    memcpy(&value, &wide, sizeof value);
    return value;
}

static inline size_t group_bytes(enum format format) {
    if (format == FORMAT_FLOAT) return GROUP * PANEL * sizeof(float);
    return PANEL * sizeof(uint16_t) + GROUP * PANEL / (format == FORMAT_INT8 ? 1 : 2);
}

#endif
