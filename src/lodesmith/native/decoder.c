/* A decoder's passes over tokens of many sequences at once, with paged keys and values.
 *
 * A pass goes through the layers in steps (normalise, multiply, turn, attend ...). The pieces of a
 * step are shared out among the threads of a team, which meet after each. Who computes a piece
 * changes nothing in it.
 *
 * Rows of a pass are tokens; those of one sequence stand together, at positions one after the
 * other. Keys of one block and head lie as head_dim x 32 positions, values as 32 positions x
 * head_dim in panels of 32, so that both are panels that a tile can multiply with.
 */
#include "panels.h"
#include "decoder_pack.h"
#include "kernels.h"
#include "team.h"
#include "width.h"

#include <math.h>
#include <stdlib.h>

#define STEPS_PER_LAYER 9
#define MOST_RANK 1024 /* of all adapters' matrices that stand beside one product */
#define MOST_HEADS_OF_GROUP 64 /* query heads that share a key-value head */
#define FEW_ROWS 4 /* up to here each thread normalises all rows itself instead of waiting */

enum part {
    INPUT_NORM, POST_NORM, Q_NORM, K_NORM, Q_PROJ, K_PROJ, V_PROJ, O_PROJ, GATE_PROJ, UP_PROJ,
    DOWN_PROJ, FINAL_NORM, EMBEDDING, HEAD,
};

typedef struct {
    int64_t vocab_size, hidden_size, intermediate_size, num_layers, num_heads, num_key_value_heads;
    int64_t head_dim, max_model_len, max_rows, num_blocks, num_threads, format, head_format;
    double eps;
} shape;

typedef struct {
    const float *input_norm, *post_norm, *q_norm, *k_norm;
    matrix qkv, o, gate_up, down;
} layer;

typedef struct {
    float *normed, *scores, *queries, *read, *thin; /* of one thread */
} desk;

enum place { BESIDE_QKV, BESIDE_O, BESIDE_GATE_UP, BESIDE_DOWN, NUM_PLACES };

typedef struct {
    matrix a, b; /* y += b (a x); no data where the adapter has nothing there */
} thin;

typedef struct {
    int64_t num_layers;
    thin *thins; /* NUM_PLACES for each layer */
} adapter;

typedef struct {
    int64_t num_rows, num_seqs, table_stride, num_out;
    const int32_t *ids, *positions; /* of each row */
    const int32_t *starts;          /* first row of each sequence, and the number of rows */
    const int32_t *tables;          /* blocks of each sequence */
    const int32_t *out_rows;        /* whose last states are wanted */
    float *states;                  /* num_out rows of padded hidden_size */
    const adapter *const *adapters; /* of each sequence, NULL where it has none; or NULL */
} pass;

typedef struct {
    shape s;
    const kernels *k;
    team *crew;
    layer *layers;
    matrix head;
    const float *final_norm, *embedding, *cosines, *sines; /* the caller's; embedding or NULL */
    float *keys, *values;                                  /* the caller's too */
    size_t x_width, qkv_width, attention_width, ff_width, value_panels, key_floats, value_floats;
    float *x, *normed, *qkv, *read, *inner, *raw; /* rows of a pass */
    desk *desks;
    const pass *now;
    const float *logit_states;
    float *logits;
    int32_t *best;
    int64_t num_logits;
} decoder;

static size_t padded(size_t count) {
    return (count + PANEL - 1) / PANEL * PANEL;
}

static size_t at_least(size_t count) {
    return count ? count : 1;
}

static const kernels *choose_kernels(const char *wanted) {
#if defined(__x86_64__)
    static const kernels *const by_width[] = {&ls_kernels_plain, &ls_kernels_avx2,
                                              &ls_kernels_avx512};
    return by_width[choose_width(wanted)];
#else
    (void)wanted;
    return &ls_kernels_plain;
#endif
}

/* Set the row range of one member when rows are shared out evenly. */
static void share(const decoder *d, int member, size_t count, size_t *first, size_t *end) {
    size_t size = (size_t)team_size(d->crew);
    *first = count * (size_t)member / size;
    *end = count * ((size_t)member + 1) / size;
}

/* One step: all panels of a product, in pieces that the threads take as they come. */
static void multiply_shared(decoder *d, int step, const product *p) {
    size_t units = p->weights->num_panels / (p->ending == SWIGLU ? 2 : 1);
    size_t row_blocks = (p->num_rows + ROW_BLOCK - 1) / ROW_BLOCK;
    size_t size = p->num_rows > TILE_ROWS ? 1 : units / ((size_t)team_size(d->crew) * 8);
    if (size > 4) size = 4;
    size = at_least(size);
    size_t pieces = (units + size - 1) / size;
    for (;;) {
        size_t piece = team_take(d->crew, step);
        if (piece >= pieces * row_blocks) break;
        size_t first = piece % pieces * size, row = piece / pieces * ROW_BLOCK;
        size_t count = units - first < size ? units - first : size;
        size_t rows = p->num_rows - row < ROW_BLOCK ? p->num_rows - row : ROW_BLOCK;
        d->k->multiply(p, first, count, row, rows);
    }
    team_meet(d->crew);
}

/* Normalise x for a product; few rows each thread for itself. */
static const float *normalise_shared(decoder *d, int member, const float *weight) {
    size_t rows = (size_t)d->now->num_rows, width = d->x_width, first = 0, end = rows;
    float *y = d->desks[member].normed;
    if (rows > FEW_ROWS) {
        y = d->normed;
        share(d, member, rows, &first, &end);
    }
    for (size_t r = first; r < end; r++)
        d->k->normalise(d->x + r * width, weight, (float)d->s.eps, (size_t)d->s.hidden_size,
                        y + r * width);
    if (rows > FEW_ROWS) team_meet(d->crew);
    return y;
}

/* Turn a head by its position; dim i is paired with dim i + half (arXiv:2104.09864, 3.2.2). */
static void turn(const decoder *d, float *head, size_t position) {
    size_t half = (size_t)d->s.head_dim / 2;
    const float *cosine = d->cosines + position * half, *sine = d->sines + position * half;
    for (size_t i = 0; i < half; i++) {
        float a = head[i], b = head[i + half];
        head[i] = a * cosine[i] - b * sine[i];
        head[i + half] = b * cosine[i] + a * sine[i];
    }
}

static size_t sequence_of(const pass *now, size_t row) {
    size_t low = 0, high = (size_t)now->num_seqs;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if ((size_t)now->starts[middle] <= row) low = middle;
        else high = middle;
    }
    return low;
}

static void keep_head(decoder *d, size_t number, size_t row, size_t head, const float *key,
                      const float *value) {
    const pass *now = d->now;
    size_t dim = (size_t)d->s.head_dim, position = (size_t)now->positions[row];
    const int32_t *table = now->tables + sequence_of(now, row) * (size_t)now->table_stride;
    size_t block = (size_t)table[position / PANEL], slot = position % PANEL;
    size_t heads = (size_t)d->s.num_key_value_heads;
    size_t place = (number * (size_t)d->s.num_blocks + block) * heads + head;
    float *keys = d->keys + place * d->key_floats, *values = d->values + place * d->value_floats;
    for (size_t i = 0; i < dim; i++) keys[i * PANEL + slot] = key[i];
    for (size_t i = 0; i < dim; i++)
        values[i / PANEL * PANEL * PANEL + slot * PANEL + i % PANEL] = value[i];
}

/* Norm and turn queries and keys, and put keys and values into their block. */
static void place_rows(decoder *d, int member, size_t number) {
    const layer *l = &d->layers[number];
    size_t dim = (size_t)d->s.head_dim, heads = (size_t)d->s.num_heads, first, end;
    size_t kv_heads = (size_t)d->s.num_key_value_heads;
    share(d, member, (size_t)d->now->num_rows, &first, &end);
    for (size_t row = first; row < end; row++) {
        float *qkv = d->qkv + row * d->qkv_width;
        for (size_t head = 0; head < heads + kv_heads; head++) {
            float *one = qkv + head * dim;
            const float *weight = head < heads ? l->q_norm : l->k_norm;
            if (weight) d->k->normalise(one, weight, (float)d->s.eps, dim, one);
            turn(d, one, (size_t)d->now->positions[row]);
        }
        for (size_t head = 0; head < kv_heads; head++)
            keep_head(d, number, row, head, qkv + (heads + head) * dim,
                      qkv + (heads + kv_heads + head) * dim);
    }
    team_meet(d->crew);
}

/* Rows `row` to `row + count - 1` of one sequence, all query heads of one key-value head. */
static void attend_piece(decoder *d, int member, size_t number, size_t sequence, size_t row,
                         size_t count, size_t kv_head) {
    const pass *now = d->now;
    desk *mine = &d->desks[member];
    size_t dim = (size_t)d->s.head_dim, kv_heads = (size_t)d->s.num_key_value_heads;
    size_t group = (size_t)d->s.num_heads / kv_heads, blocks = (size_t)d->s.num_blocks;
    size_t lengths[MOST_HEADS_OF_GROUP];
    float scale = 1.0f / sqrtf((float)dim);
    for (size_t r = 0; r < count * group; r++) {
        const float *q = d->qkv + (row + r / group) * d->qkv_width + (kv_head * group + r % group) * dim;
        for (size_t i = 0; i < dim; i++) mine->queries[r * dim + i] = q[i] * scale;
        lengths[r] = (size_t)now->positions[row + r / group] + 1;
    }
    head_cache cache = {
        d->keys + number * blocks * kv_heads * d->key_floats,
        d->values + number * blocks * kv_heads * d->value_floats,
        kv_heads * d->key_floats, kv_heads * d->value_floats, kv_head * d->key_floats,
        kv_head * d->value_floats, dim, d->value_panels,
        now->tables + sequence * (size_t)now->table_stride};
    d->k->attend(&cache, mine->queries, lengths, count * group, mine->scores, mine->read);
    for (size_t r = 0; r < count * group; r++)
        memcpy(d->read + (row + r / group) * d->attention_width + (kv_head * group + r % group) * dim,
               mine->read + r * d->value_panels * PANEL, dim * sizeof(float));
}

static size_t tokens_at_once(const decoder *d) {
    return at_least(TILE_ROWS / (size_t)(d->s.num_heads / d->s.num_key_value_heads));
}

static void attend_shared(decoder *d, int member, int step, size_t number) {
    const pass *now = d->now;
    size_t kv_heads = (size_t)d->s.num_key_value_heads, at_once = tokens_at_once(d), seen = 0;
    size_t mine = team_take(d->crew, step);
    for (size_t sequence = 0; sequence < (size_t)now->num_seqs; sequence++) {
        size_t start = (size_t)now->starts[sequence], rows = (size_t)now->starts[sequence + 1] - start;
        size_t pieces = (rows + at_once - 1) / at_once * kv_heads;
        for (; mine < seen + pieces; mine = team_take(d->crew, step)) {
            /* The longest rows first, so that no thread is left alone with them at the end. */
            size_t part = (pieces - 1 - (mine - seen)) / kv_heads, head = (mine - seen) % kv_heads;
            size_t row = part * at_once, count = rows - row < at_once ? rows - row : at_once;
            attend_piece(d, member, number, sequence, start + row, count, head);
        }
        seen += pieces;
    }
    team_meet(d->crew);
}

static product product_of(const decoder *d, const matrix *weights, const float *x, size_t x_stride,
                          float *y, size_t y_stride) {
    return (product){weights, x, x_stride, (size_t)d->now->num_rows, y, y_stride, STORE};
}

/* Add what the adapters of sequences say beside one product, each sequence by one thread. */
static void adapt_shared(decoder *d, int member, int step, size_t number, enum place place,
                         const product *of) {
    const pass *now = d->now;
    if (!now->adapters) return;
    float *between = d->desks[member].thin;
    for (size_t i = team_take(d->crew, step); i < (size_t)now->num_seqs;
         i = team_take(d->crew, step)) {
        const adapter *one = now->adapters[i];
        const thin *t = one ? &one->thins[number * NUM_PLACES + (size_t)place] : NULL;
        if (!t || !t->a.data) continue;
        size_t end = (size_t)now->starts[i + 1], width = t->a.num_panels * PANEL;
        for (size_t row = (size_t)now->starts[i]; row < end; row += TILE_ROWS) {
            size_t rows = end - row < TILE_ROWS ? end - row : TILE_ROWS;
            product down = {&t->a, of->x + row * of->x_stride, of->x_stride, rows, between, width, STORE};
            product up = {&t->b, between, width, rows, of->y + row * of->y_stride, of->y_stride, ADD};
            d->k->multiply(&down, 0, t->a.num_panels, 0, rows);
            d->k->multiply(&up, 0, t->b.num_panels, 0, rows);
        }
    }
    team_meet(d->crew);
}

/* Gate and up with adapters beside them: sums are kept as they are until all is added. */
static void adapt_gate_up(decoder *d, int member, size_t number, int step, product gate_up) {
    size_t width = d->ff_width, first, end;
    product raw = gate_up;
    raw.ending = STORE;
    raw.y = d->raw;
    raw.y_stride = 2 * width;
    multiply_shared(d, step + 3, &raw);
    adapt_shared(d, member, step + 7, number, BESIDE_GATE_UP, &raw);
    share(d, member, (size_t)d->now->num_rows, &first, &end);
    for (size_t row = first; row < end; row++)
        for (size_t at = 0; at < width; at += PANEL)
            d->k->gate(d->raw + row * 2 * width + 2 * at, d->inner + row * width + at);
    team_meet(d->crew);
}

static void run_layer(decoder *d, int member, size_t number, int step) {
    layer *l = &d->layers[number];
    size_t width = d->x_width;
    const float *normed = normalise_shared(d, member, l->input_norm);
    product qkv = product_of(d, &l->qkv, normed, width, d->qkv, d->qkv_width);
    multiply_shared(d, step, &qkv);
    adapt_shared(d, member, step + 5, number, BESIDE_QKV, &qkv);
    place_rows(d, member, number);
    attend_shared(d, member, step + 1, number);
    product o = product_of(d, &l->o, d->read, d->attention_width, d->x, width);
    o.ending = ADD;
    multiply_shared(d, step + 2, &o);
    adapt_shared(d, member, step + 6, number, BESIDE_O, &o);
    normed = normalise_shared(d, member, l->post_norm);
    product gate_up = product_of(d, &l->gate_up, normed, width, d->inner, d->ff_width);
    gate_up.ending = SWIGLU;
    if (d->now->adapters) adapt_gate_up(d, member, number, step, gate_up);
    else multiply_shared(d, step + 3, &gate_up);
    product down = product_of(d, &l->down, d->inner, d->ff_width, d->x, width);
    down.ending = ADD;
    multiply_shared(d, step + 4, &down);
    adapt_shared(d, member, step + 8, number, BESIDE_DOWN, &down);
}

/* The embedding of a model whose output matrix is the same is read from there. */
static void read_embedding(const decoder *d, size_t id, float *x) {
    size_t size = (size_t)d->s.hidden_size;
    if (d->embedding) memcpy(x, d->embedding + id * size, size * sizeof *x);
    else matrix_unpack(&d->head, id, x);
}

static void run_pass(void *context, int member) {
    decoder *d = context;
    const pass *now = d->now;
    size_t size = (size_t)d->s.hidden_size, first, end;
    share(d, member, (size_t)now->num_rows, &first, &end);
    for (size_t r = first; r < end; r++)
        read_embedding(d, (size_t)now->ids[r], d->x + r * d->x_width);
    team_meet(d->crew);
    for (size_t number = 0; number < (size_t)d->s.num_layers; number++)
        run_layer(d, member, number, (int)number * STEPS_PER_LAYER);
    share(d, member, (size_t)now->num_out, &first, &end);
    for (size_t i = first; i < end; i++)
        d->k->normalise(d->x + (size_t)now->out_rows[i] * d->x_width, d->final_norm,
                        (float)d->s.eps, size, now->states + i * d->x_width);
}

static void run_head(void *context, int member) {
    decoder *d = context;
    size_t rows = (size_t)d->num_logits, width = d->head.num_panels * PANEL, first, end;
    product head = {&d->head, d->logit_states, d->x_width, rows, d->logits, width, STORE};
    multiply_shared(d, 0, &head);
    share(d, member, rows, &first, &end);
    for (size_t r = first; r < end; r++)
        d->best[r] = (int32_t)d->k->find_best(d->logits + r * width, (size_t)d->s.vocab_size);
}

typedef struct {
    matrix *into;
    const float *rows;
    size_t count, column, panel_step; /* 2: every second panel, gate and up in turns */
} packing;

typedef struct {
    decoder *d;
    const packing *p;
} packing_work;

/* Pack what falls into one panel at a time, so that no two threads write to the same one. */
static void run_packing(void *context, int member) {
    const packing_work *work = context;
    const packing *p = work->p;
    size_t shift = p->column % PANEL, panels = (shift + p->count + PANEL - 1) / PANEL, first, end;
    share(work->d, member, panels, &first, &end);
    for (size_t i = first; i < end; i++) {
        size_t row = i ? i * PANEL - shift : 0, next = (i + 1) * PANEL - shift;
        size_t column = p->panel_step == 1 ? p->column + row : p->column + 2 * row;
        if (next > p->count) next = p->count;
        matrix_pack(p->into, column, p->rows + row * p->into->num_in, next - row);
    }
}

static void pack_shared(decoder *d, packing p) {
    packing_work work = {d, &p};
    team_run(d->crew, run_packing, &work);
}

/* Take one weight: norms and the embedding are kept by the caller, matrices are packed. */
LS_EXPORT void ls_decoder_put(decoder *d, int64_t part, int64_t number, const float *w) {
    size_t dim = (size_t)d->s.head_dim, queries = dim * (size_t)d->s.num_heads;
    size_t keys = dim * (size_t)d->s.num_key_value_heads, inner = (size_t)d->s.intermediate_size;
    size_t size = (size_t)d->s.hidden_size;
    layer *l = &d->layers[number];
    switch ((enum part)part) {
    case INPUT_NORM: l->input_norm = w; break;
    case POST_NORM: l->post_norm = w; break;
    case Q_NORM: l->q_norm = w; break;
    case K_NORM: l->k_norm = w; break;
    case Q_PROJ: pack_shared(d, (packing){&l->qkv, w, queries, 0, 1}); break;
    case K_PROJ: pack_shared(d, (packing){&l->qkv, w, keys, queries, 1}); break;
    case V_PROJ: pack_shared(d, (packing){&l->qkv, w, keys, queries + keys, 1}); break;
    case O_PROJ: pack_shared(d, (packing){&l->o, w, size, 0, 1}); break;
    case GATE_PROJ: pack_shared(d, (packing){&l->gate_up, w, inner, 0, 2}); break;
    case UP_PROJ: pack_shared(d, (packing){&l->gate_up, w, inner, PANEL, 2}); break;
    case DOWN_PROJ: pack_shared(d, (packing){&l->down, w, size, 0, 1}); break;
    case FINAL_NORM: d->final_norm = w; break;
    case EMBEDDING: d->embedding = w; break;
    case HEAD: pack_shared(d, (packing){&d->head, w, (size_t)d->s.vocab_size, 0, 1}); break;
    }
}

static const matrix *matrix_of(const decoder *d, int64_t part, int64_t number, size_t *column) {
    size_t dim = (size_t)d->s.head_dim, queries = dim * (size_t)d->s.num_heads;
    size_t keys = dim * (size_t)d->s.num_key_value_heads;
    const layer *l = &d->layers[number];
    switch ((enum part)part) {
    case Q_PROJ: return &l->qkv;
    case K_PROJ: *column += queries; return &l->qkv;
    case V_PROJ: *column += queries + keys; return &l->qkv;
    case O_PROJ: return &l->o;
    case GATE_PROJ: *column += *column / PANEL * PANEL; return &l->gate_up;
    case UP_PROJ: *column += *column / PANEL * PANEL + PANEL; return &l->gate_up;
    case DOWN_PROJ: return &l->down;
    default: return &d->head;
    }
}

/* Read one row of a packed matrix back, as products see it. */
LS_EXPORT void ls_decoder_get(const decoder *d, int64_t part, int64_t number, int64_t row,
                              float *w) {
    size_t column = (size_t)row;
    const matrix *m = matrix_of(d, part, number, &column);
    matrix_unpack(m, column, w);
}

LS_EXPORT void ls_decoder_lend(decoder *d, float *keys, float *values, const float *cosines,
                               const float *sines) {
    d->keys = keys;
    d->values = values;
    d->cosines = cosines;
    d->sines = sines;
}

LS_EXPORT void ls_decoder_run(decoder *d, const pass *now) {
    d->now = now;
    team_run(d->crew, run_pass, d);
}

/* Scores of `count` states, which TILE_ROWS more rows must follow; best: the index of the largest. */
LS_EXPORT void ls_decoder_logits(decoder *d, const float *states, int64_t count, float *logits,
                                 int32_t *best) {
    d->logit_states = states;
    d->num_logits = count;
    d->logits = logits;
    d->best = best;
    team_run(d->crew, run_head, d);
}

LS_EXPORT const char *ls_decoder_kernels(const decoder *d) {
    return d->k->name;
}

LS_EXPORT int64_t ls_decoder_threads(const decoder *d) {
    return team_size(d->crew);
}

LS_EXPORT void ls_decoder_free(decoder *d) {
    if (!d) return;
    for (size_t i = 0; d->layers && i < (size_t)d->s.num_layers; i++) {
        matrix_free(&d->layers[i].qkv);
        matrix_free(&d->layers[i].o);
        matrix_free(&d->layers[i].gate_up);
        matrix_free(&d->layers[i].down);
    }
    for (int i = 0; d->desks && i < (int)d->s.num_threads; i++) {
        desk *one = &d->desks[i];
        free(one->normed), free(one->scores), free(one->queries), free(one->read);
        free(one->thin);
    }
    matrix_free(&d->head);
    free(d->x), free(d->normed), free(d->qkv), free(d->read), free(d->inner);
    free(d->raw);
    free(d->desks);
    free(d->layers);
    team_free(d->crew);
    free(d);
}

LS_EXPORT void ls_adapter_free(adapter *one) {
    if (!one) return;
    for (int64_t i = 0; one->thins && i < one->num_layers * NUM_PLACES; i++) {
        matrix_free(&one->thins[i].a);
        matrix_free(&one->thins[i].b);
    }
    free(one->thins);
    free(one);
}

LS_EXPORT adapter *ls_adapter_new(int64_t num_layers) {
    adapter *one = calloc(1, sizeof *one);
    if (!one) return NULL;
    one->num_layers = num_layers;
    one->thins = calloc((size_t)num_layers * NUM_PLACES, sizeof *one->thins);
    if (one->thins) return one;
    free(one);
    return NULL;
}

/* Take a (rank x num_in) and b (num_out x rank) beside one product; -1 where there is no memory. */
LS_EXPORT int64_t ls_adapter_put(adapter *one, int64_t number, int64_t place, const float *a,
                                 const float *b, const int64_t *sizes) {
    thin *t = &one->thins[number * NUM_PLACES + place];
    size_t num_in = (size_t)sizes[0], rank = (size_t)sizes[1], num_out = (size_t)sizes[2];
    if (rank > MOST_RANK || matrix_new(&t->a, FORMAT_FLOAT, rank, num_in)) return -1;
    if (matrix_new(&t->b, FORMAT_FLOAT, num_out, rank)) {
        matrix_free(&t->a);
        return -1;
    }
    matrix_pack(&t->a, 0, a, rank);
    matrix_pack(&t->b, 0, b, num_out);
    return 0;
}

static float *floats(size_t count) {
    return large_zeros(at_least(count) * sizeof(float));
}

/* Where 4 bits cost most, 8 are kept: queries, keys and values, and the way down of the layers at
 * both ends and of each third one between, as llama.cpp's mixed kinds do (llama-quant.cpp,
 * use_more_bits). That takes away 63 % of what 4 bits cost in bits per byte, for 1.1 bits a weight. */
static int is_sensitive(size_t number, size_t num_layers) {
    size_t eighth = num_layers / 8;
    return number < eighth || number >= 7 * num_layers / 8 || (number - eighth) % 3 == 2;
}

static int lay_out_layer(const decoder *d, size_t number) {
    layer *l = &d->layers[number];
    enum format format = (enum format)d->s.format, finer = format;
    if (format == FORMAT_INT4) finer = FORMAT_INT8;
    enum format down = is_sensitive(number, (size_t)d->s.num_layers) ? finer : format;
    size_t size = (size_t)d->s.hidden_size, dim = (size_t)d->s.head_dim;
    size_t queries = dim * (size_t)d->s.num_heads;
    size_t all = queries + 2 * dim * (size_t)d->s.num_key_value_heads;
    size_t inner = (size_t)d->s.intermediate_size;
    return matrix_new(&l->qkv, finer, all, size) || matrix_new(&l->o, format, size, queries) ||
           matrix_new(&l->gate_up, format, 2 * padded(inner), size) ||
           matrix_new(&l->down, down, size, inner);
}

static int lay_out_desk(const decoder *d, desk *one) {
    size_t group = (size_t)(d->s.num_heads / d->s.num_key_value_heads);
    size_t rows = tokens_at_once(d) * group + TILE_ROWS;
    one->normed = floats((FEW_ROWS + TILE_ROWS) * d->x_width);
    one->scores = floats(rows * padded((size_t)d->s.max_model_len));
    one->queries = floats(rows * (size_t)d->s.head_dim);
    one->read = floats(rows * d->value_panels * PANEL);
    one->thin = floats(2 * TILE_ROWS * MOST_RANK);
    return !(one->normed && one->scores && one->queries && one->read && one->thin);
}

static int lay_out(decoder *d) {
    const shape *s = &d->s;
    size_t rows = (size_t)s->max_rows + TILE_ROWS;
    d->crew = team_new((int)s->num_threads, (int)s->num_layers * STEPS_PER_LAYER + 1);
    d->layers = calloc((size_t)s->num_layers, sizeof *d->layers);
    d->desks = calloc((size_t)s->num_threads, sizeof *d->desks);
    if (!d->crew || !d->layers || !d->desks) return -1;
    for (int64_t i = 0; i < s->num_layers; i++)
        if (lay_out_layer(d, (size_t)i)) return -1;
    for (int64_t i = 0; i < s->num_threads; i++)
        if (lay_out_desk(d, &d->desks[i])) return -1;
    d->x = floats(rows * d->x_width);
    d->normed = floats(rows * d->x_width);
    d->qkv = floats(rows * d->qkv_width);
    d->read = floats(rows * d->attention_width);
    d->inner = floats(rows * d->ff_width);
    d->raw = floats(rows * 2 * d->ff_width);
    if (matrix_new(&d->head, (enum format)s->head_format, (size_t)s->vocab_size,
                   (size_t)s->hidden_size))
        return -1;
    return d->x && d->normed && d->qkv && d->read && d->inner && d->raw ? 0 : -1;
}

/* Lay out a decoder without weights; NULL where there is no memory, or too many heads in a group.
 * `wanted` names kernels slower than the best this processor has, for tests; else NULL. */
LS_EXPORT decoder *ls_decoder_new(const shape *s, const char *wanted) {
    if (s->num_heads / s->num_key_value_heads > MOST_HEADS_OF_GROUP) return NULL;
    decoder *d = calloc(1, sizeof *d);
    if (!d) return NULL;
    d->s = *s;
    d->k = choose_kernels(wanted);
    d->x_width = padded((size_t)s->hidden_size);
    d->attention_width = padded((size_t)(s->num_heads * s->head_dim));
    d->qkv_width = padded((size_t)((s->num_heads + 2 * s->num_key_value_heads) * s->head_dim));
    d->ff_width = padded((size_t)s->intermediate_size);
    d->value_panels = padded((size_t)s->head_dim) / PANEL;
    d->key_floats = (size_t)s->head_dim * PANEL;
    d->value_floats = d->value_panels * PANEL * PANEL;
    if (lay_out(d)) {
        ls_decoder_free(d);
        return NULL;
    }
    return d;
}
