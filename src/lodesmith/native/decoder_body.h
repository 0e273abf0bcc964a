/* The decoder's kernels for one width of register; included once for each.
 *
 * Before it: LANES, and for registers that have them MULTIPLY_ADD, LOAD_INT8, LOAD_INT4 and
 * LOAD_SCALES. A half is 16 outputs, half a panel: HALF_VECTORS registers.
 */
#include "panels.h"
#include "vectors.h"

#include <math.h>

#define HALF 16
#define SUMMED_AT_ONCE 64
#define FETCHED_AHEAD 4608 /* bytes of a panel */
#define HALF_VECTORS (HALF / LANES)

#ifndef LOAD_INT8
INLINE vf load_int8(const int8_t *p) {
    float wide[LANES];
    for (int lane = 0; lane < LANES; lane++) wide[lane] = (float)p[lane];
    return load(wide);
}

INLINE vf load_int4(const uint8_t *p, int shift) {
    float wide[LANES];
    for (int lane = 0; lane < LANES; lane++)
        wide[lane] = (float)ls_int4_values[(p[lane] >> shift) & 15];
    return load(wide);
}

INLINE vf load_scales(const uint16_t *p) {
    float wide[LANES];
    for (int lane = 0; lane < LANES; lane++) wide[lane] = bf16_to_float(p[lane]);
    return load(wide);
}
#define LOAD_INT8 load_int8
#define LOAD_INT4 load_int4
#define LOAD_SCALES load_scales
#endif

/* Weights of one half for input k of a group. */
INLINE vf load_weights(enum format format, const uint8_t *group, size_t k, int half, int vector) {
    int at = half * HALF + vector * LANES;
    if (format == FORMAT_FLOAT) return load((const float *)group + k * PANEL + at);
    const uint8_t *codes = group + PANEL * sizeof(uint16_t);
    if (format == FORMAT_INT8) return LOAD_INT8((const int8_t *)codes + k * PANEL + at);
    return LOAD_INT4(codes + k * HALF + vector * LANES, half * 4);
}

/* Ask for what a tile reads some hundred nanoseconds later. The processor does so by itself only
 * where weights are read at full speed, not where several rows are computed between two reads. */
INLINE void fetch_ahead(const uint8_t *from, int panels, size_t panel_bytes, size_t bytes) {
    UNROLL for (int panel = 0; panel < panels; panel++)
        UNROLL for (size_t at = 0; at < bytes; at += 64)
            __builtin_prefetch(from + (size_t)panel * panel_bytes + FETCHED_AHEAD + at);
}

INLINE void put_sums(int rows, int halves, int go_on, vf acc[TILE_ROWS][8][HALF_VECTORS],
                     float *sums, size_t sums_stride) {
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int h = 0; h < halves; h++)
            UNROLL for (int v = 0; v < HALF_VECTORS; v++) {
                float *to = sums + r * sums_stride + h * HALF + v * LANES;
                store(to, go_on ? load(to) + acc[r][h][v] : acc[r][h][v]);
            }
}

/* Sum rows x halves over num_in inputs, on top of what `sums` holds if `go_on`.
 *
 * Sums of SUMMED_AT_ONCE inputs are added up, not each input to one sum: rounding grows with how
 * often a sum is rounded. ROWS and HALVES are constants wherever this is called; halves pass from
 * panel to panel.
 */
INLINE void tile(enum format format, int rows, int halves, int go_on, const float *x,
                 size_t x_stride, size_t num_in, const uint8_t *panel, size_t panel_bytes,
                 int first_half, float *sums, size_t sums_stride) {
    vf acc[TILE_ROWS][8][HALF_VECTORS];
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int h = 0; h < halves; h++)
            UNROLL for (int v = 0; v < HALF_VECTORS; v++) acc[r][h][v] = (vf){0};
    size_t bytes = group_bytes(format);
    for (size_t start = 0; start < num_in; start += GROUP, panel += bytes) {
        if (start && start % SUMMED_AT_ONCE == 0) {
            put_sums(rows, halves, go_on, acc, sums, sums_stride);
            go_on = 1;
            UNROLL for (int r = 0; r < rows; r++)
                UNROLL for (int h = 0; h < halves; h++)
                    UNROLL for (int v = 0; v < HALF_VECTORS; v++) acc[r][h][v] = (vf){0};
        }
        size_t count = num_in - start < GROUP ? num_in - start : GROUP;
        vf scales[8][HALF_VECTORS];
        if (format != FORMAT_FLOAT) {
            UNROLL for (int h = 0; h < halves; h++) {
                int half = first_half + h;
                const uint16_t *from = (const uint16_t *)(panel + (half / 2) * panel_bytes);
                UNROLL for (int v = 0; v < HALF_VECTORS; v++)
                    scales[h][v] = LOAD_SCALES(from + half % 2 * HALF + v * LANES);
            }
        }
        if (format == FORMAT_INT4) fetch_ahead(panel, (halves + 1) / 2, panel_bytes, bytes);
        for (size_t k = 0; k < count; k++) {
            vf w[8][HALF_VECTORS];
            if (format == FORMAT_INT8 || (format == FORMAT_FLOAT && rows > 4))
                fetch_ahead(panel + k * bytes / GROUP, (halves + 1) / 2, panel_bytes, bytes / GROUP);
            UNROLL for (int h = 0; h < halves; h++) {
                int half = first_half + h;
                const uint8_t *from = panel + (half / 2) * panel_bytes;
                UNROLL for (int v = 0; v < HALF_VECTORS; v++) {
                    w[h][v] = load_weights(format, from, k, half % 2, v);
                    if (format != FORMAT_FLOAT) w[h][v] *= scales[h][v];
                }
            }
            UNROLL for (int r = 0; r < rows; r++) {
                vf input = fill(x[r * x_stride + k]);
                UNROLL for (int h = 0; h < halves; h++)
                    UNROLL for (int v = 0; v < HALF_VECTORS; v++)
                        acc[r][h][v] = MULTIPLY_ADD(input, w[h][v], acc[r][h][v]);
            }
        }
        x += count;
    }
    put_sums(rows, halves, go_on, acc, sums, sums_stride);
}

/* One function for each number of rows; a number in between takes the next one, whose rows too
 * many are computed from whatever follows and thrown away. Fewer rows have more halves, so that
 * sums that do not wait for each other keep the multipliers busy. */
#if HALF_VECTORS == 1
#define FOR_EACH_SHAPE(ONE) ONE(1, 8) ONE(2, 4) ONE(3, 4) ONE(4, 4) ONE(6, 2) ONE(8, 2) ONE(12, 2)
#define MOST_ROWS 12
#elif HALF_VECTORS == 2
#define FOR_EACH_SHAPE(ONE) ONE(1, 4) ONE(2, 2) ONE(3, 2) ONE(4, 1) ONE(6, 1)
#define MOST_ROWS 6
#else
#define FOR_EACH_SHAPE(ONE) ONE(1, 2) ONE(2, 1) ONE(4, 1)
#define MOST_ROWS 4
#endif

typedef struct {
    const float *x;
    size_t x_stride, num_in;
    const uint8_t *panel; /* the first of them */
    size_t panel_bytes, num_halves;
    float *sums; /* rows of sums_stride floats; rows are padded to TILE_ROWS */
    size_t sums_stride;
} tiles;

#define DEFINE_TILE(ROWS, HALVES)                                                                  \
    INLINE void tile_##ROWS(enum format format, int go_on, const tiles *t) {                       \
        size_t half = 0;                                                                           \
        for (; half + HALVES <= t->num_halves; half += HALVES)                                     \
            tile(format, ROWS, HALVES, go_on, t->x, t->x_stride, t->num_in,                        \
                 t->panel + half / 2 * t->panel_bytes, t->panel_bytes,                             \
                 HALVES == 1 ? (int)(half % 2) : 0, t->sums + half * HALF, t->sums_stride);        \
        for (; HALVES > 2 && half + 2 <= t->num_halves; half += 2)                                 \
            tile(format, ROWS, 2, go_on, t->x, t->x_stride, t->num_in,                             \
                 t->panel + half / 2 * t->panel_bytes, t->panel_bytes, 0, t->sums + half * HALF,   \
                 t->sums_stride);                                                                  \
    }
FOR_EACH_SHAPE(DEFINE_TILE)

#define TRY_TILE(ROWS, HALVES)                                                                     \
    if (rows <= ROWS) {                                                                            \
        tile_##ROWS(format, go_on, t);                                                             \
        return;                                                                                    \
    }

INLINE void run_tiles_of(enum format format, int go_on, const tiles *t, size_t rows) {
    FOR_EACH_SHAPE(TRY_TILE)
}

static void run_float_tiles(const tiles *t, size_t rows) {
    run_tiles_of(FORMAT_FLOAT, 0, t, rows);
}

static void add_float_tiles(const tiles *t, size_t rows) {
    run_tiles_of(FORMAT_FLOAT, 1, t, rows);
}

static void run_int8_tiles(const tiles *t, size_t rows) {
    run_tiles_of(FORMAT_INT8, 0, t, rows);
}

static void run_int4_tiles(const tiles *t, size_t rows) {
    run_tiles_of(FORMAT_INT4, 0, t, rows);
}

static void finish_swiglu(const float *sums, size_t stride, size_t rows, float *y, size_t y_stride) {
    for (size_t r = 0; r < rows; r++)
        for (int at = 0; at < PANEL; at += LANES) {
            vf gate = load(sums + r * stride + at), up = load(sums + r * stride + PANEL + at);
            vf silu = gate / (1.0f + exponential(-gate));
            store(y + r * y_stride + at, silu * up);
        }
}

static void gate(const float *sums, float *y) {
    finish_swiglu(sums, 2 * PANEL, 1, y, PANEL);
}

static void finish_sums(const product *p, const float *sums, size_t stride, size_t panels,
                        size_t rows, float *y) {
    if (p->ending == SWIGLU) {
        for (size_t pair = 0; pair < panels / 2; pair++)
            finish_swiglu(sums + pair * 2 * PANEL, stride, rows, y + pair * PANEL, p->y_stride);
        return;
    }
    for (size_t r = 0; r < rows; r++)
        for (size_t at = 0; at < panels * PANEL; at += LANES) {
            float *to = y + r * p->y_stride + at;
            vf sum = load(sums + r * stride + at);
            store(to, p->ending == ADD ? load(to) + sum : sum);
        }
}

#define PANELS_AT_ONCE 4

static void multiply_panels(const product *p, size_t first, size_t panels, size_t row,
                            size_t rows) {
    float sums[TILE_ROWS * PANELS_AT_ONCE * PANEL];
    const matrix *m = p->weights;
    float *y = p->y + (p->ending == SWIGLU ? first / 2 : first) * PANEL;
    for (size_t end = row + rows; row < end; row += MOST_ROWS) {
        size_t count = end - row < MOST_ROWS ? end - row : MOST_ROWS;
        tiles t = {p->x + row * p->x_stride, p->x_stride, m->num_in,
                   m->data + first * m->panel_bytes, m->panel_bytes, panels * 2, sums,
                   PANELS_AT_ONCE * PANEL};
        if (m->format == FORMAT_FLOAT) run_float_tiles(&t, count);
        else if (m->format == FORMAT_INT8) run_int8_tiles(&t, count);
        else run_int4_tiles(&t, count);
        finish_sums(p, sums, PANELS_AT_ONCE * PANEL, panels, count, y + row * p->y_stride);
    }
}

static void multiply(const product *p, size_t first, size_t count, size_t row, size_t rows) {
    size_t unit = p->ending == SWIGLU ? 2 : 1, step = rows > 4 ? unit : PANELS_AT_ONCE;
    for (size_t at = first * unit, end = (first + count) * unit; at < end; at += step)
        multiply_panels(p, at, end - at < step ? end - at : step, row, rows);
}

static void normalise(const float *x, const float *weight, float eps, size_t size, float *y) {
    vf squares = {0};
    size_t i = 0;
    for (; i + LANES <= size; i += LANES) squares = MULTIPLY_ADD(load(x + i), load(x + i), squares);
    float sum = sum_lanes(squares);
    for (; i < size; i++) sum += x[i] * x[i];
    float scale = 1.0f / sqrtf(sum / (float)size + eps);
    for (i = 0; i + LANES <= size; i += LANES)
        store(y + i, load(x + i) * scale * load(weight + i));
    for (; i < size; i++) y[i] = x[i] * scale * weight[i];
}

/* Scores become probabilities; those of positions that a row does not see become zero. */
static void soften(float *scores, size_t length, size_t width) {
    float top = -INFINITY;
    for (size_t i = 0; i < length; i++) top = scores[i] > top ? scores[i] : top;
    for (size_t i = length; i < width; i++) scores[i] = -INFINITY;
    vf sums = {0};
    for (size_t i = 0; i < width; i += LANES) {
        vf e = exponential(load(scores + i) - top);
        if (i + LANES > length)
            for (int lane = 0; lane < LANES; lane++)
                if (i + (size_t)lane >= length) e[lane] = 0;
        store(scores + i, e);
        sums += e;
    }
    float scale = 1.0f / sum_lanes(sums);
    for (size_t i = 0; i < width; i += LANES) store(scores + i, load(scores + i) * scale);
}

static void attend(const head_cache *c, const float *q, const size_t *lengths, size_t num_rows,
                   float *scores, float *out) {
    size_t longest = 0, out_stride = c->value_panels * PANEL;
    for (size_t r = 0; r < num_rows; r++) longest = lengths[r] > longest ? lengths[r] : longest;
    size_t num_blocks = (longest + PANEL - 1) / PANEL, width = num_blocks * PANEL;
    for (size_t row = 0; row < num_rows; row += MOST_ROWS) {
        size_t rows = num_rows - row < MOST_ROWS ? num_rows - row : MOST_ROWS;
        for (size_t block = 0; block < num_blocks; block++) {
            const float *keys =
                c->keys + (size_t)c->table[block] * c->key_block + c->key_offset;
            tiles t = {q + row * c->head_dim, c->head_dim, c->head_dim, (const uint8_t *)keys, 0, 2,
                       scores + row * width + block * PANEL, width};
            run_float_tiles(&t, rows);
        }
        for (size_t r = row; r < row + rows; r++) soften(scores + r * width, lengths[r], width);
        memset(out + row * out_stride, 0, rows * out_stride * sizeof *out);
        for (size_t block = 0; block < num_blocks; block++) {
            const float *values =
                c->values + (size_t)c->table[block] * c->value_block + c->value_offset;
            tiles t = {scores + row * width + block * PANEL, width, PANEL,
                       (const uint8_t *)values, PANEL * PANEL * sizeof(float), c->value_panels * 2,
                       out + row * out_stride, out_stride};
            add_float_tiles(&t, rows);
        }
    }
}

static size_t find_best(const float *x, size_t size) {
    float top = -INFINITY;
    for (size_t i = 0; i < size; i++) top = x[i] > top ? x[i] : top;
    for (size_t i = 0; i < size; i++)
        if (x[i] == top) return i;
    return 0;
}
