/* Attention for one width of register; included once for each.
 *
 * Before it: LANES, and for registers that have them MULTIPLY_ADD and LARGER.
 *
 * Everything is one kind of product: a tile of ROWS rows, of which single floats are spread over a
 * register, times one or two registers of columns. Keys and values are turned or copied to where
 * their rows suit it. Each sum is taken in one order, whoever computes it, so the bits depend on
 * nothing but the head's own numbers.
 */
#include "attention.h"
#include "vectors.h"

#include <math.h>
#include <string.h>

#if LANES == 16 || defined(__aarch64__) /* there are 32 registers */
#define ROWS 12
#else
#define ROWS 6
#endif

#define STRIPS (BLOCK / ROWS)
#define ROWS_AHEAD 8 /* asked for while rows are copied: the gaps between them hide what comes next */

typedef float v4 __attribute__((vector_size(16)));
typedef float loose_v4 __attribute__((vector_size(16), aligned(4), may_alias));
#if defined(__clang__)
#define PICK(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define PICK(a, b, i, j, k, l) __builtin_shuffle(a, b, (int32_t __attribute__((vector_size(16)))){i, j, k, l})
#endif

INLINE size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

INLINE size_t most(size_t a, size_t b) {
    return a > b ? a : b;
}

INLINE size_t whole_registers(size_t count) {
    return (count + LANES - 1) / LANES * LANES;
}

/* ROWS x vectors of c = a b, or c += a b. a is read in rows, or `turned`: in columns. */
INLINE void tile(int vectors, int adds, int turned, size_t depth, const float *a, size_t a_stride,
                 const float *b, size_t b_stride, float *c, size_t c_stride) {
    vf sums[ROWS][2];
    UNROLL for (int r = 0; r < ROWS; r++)
        UNROLL for (int v = 0; v < vectors; v++) sums[r][v] = (vf){0};
    for (size_t k = 0; k < depth; k++) {
        vf right[2];
        UNROLL for (int v = 0; v < vectors; v++) right[v] = load(b + k * b_stride + v * LANES);
        UNROLL for (int r = 0; r < ROWS; r++) {
            vf left = fill(turned ? a[k * a_stride + r] : a[r * a_stride + k]);
            UNROLL for (int v = 0; v < vectors; v++)
                sums[r][v] = MULTIPLY_ADD(left, right[v], sums[r][v]);
        }
    }
    UNROLL for (int r = 0; r < ROWS; r++)
        UNROLL for (int v = 0; v < vectors; v++) {
            float *to = c + r * c_stride + v * LANES;
            store(to, adds ? load(to) + sums[r][v] : sums[r][v]);
        }
}

#define DEFINE_TILE(NAME, VECTORS, ADDS, TURNED)                                                   \
    static void NAME(size_t depth, const float *a, size_t a_stride, const float *b,                \
                     size_t b_stride, float *c, size_t c_stride) {                                 \
        tile(VECTORS, ADDS, TURNED, depth, a, a_stride, b, b_stride, c, c_stride);                 \
    }
DEFINE_TILE(put_two, 2, 0, 0)
DEFINE_TILE(put_one, 1, 0, 0)
DEFINE_TILE(add_two, 2, 1, 0)
DEFINE_TILE(add_one, 1, 1, 0)
DEFINE_TILE(add_two_turned, 2, 1, 1)
DEFINE_TILE(add_one_turned, 1, 1, 1)

/* Turn rows into columns: to[c][r] = from[r][c]. Columns up to a block's end become 0. */
static void turn_block(const float *from, size_t stride, size_t rows, size_t columns, float *to) {
    const size_t to_stride = row_stride(BLOCK);
    size_t whole_rows = rows / 4 * 4, whole_columns = columns / 4 * 4;
    for (size_t r = 0; r < whole_rows; r += 4)
        for (size_t c = 0; c < whole_columns; c += 4) {
            const float *at = from + r * stride + c;
            v4 w = *(const loose_v4 *)at, x = *(const loose_v4 *)(at + stride);
            v4 y = *(const loose_v4 *)(at + 2 * stride), z = *(const loose_v4 *)(at + 3 * stride);
            v4 wy = PICK(w, y, 0, 4, 1, 5), xz = PICK(x, z, 0, 4, 1, 5);
            v4 wy_end = PICK(w, y, 2, 6, 3, 7), xz_end = PICK(x, z, 2, 6, 3, 7);
            float *put = to + c * to_stride + r;
            *(loose_v4 *)put = PICK(wy, xz, 0, 4, 1, 5);
            *(loose_v4 *)(put + to_stride) = PICK(wy, xz, 2, 6, 3, 7);
            *(loose_v4 *)(put + 2 * to_stride) = PICK(wy_end, xz_end, 0, 4, 1, 5);
            *(loose_v4 *)(put + 3 * to_stride) = PICK(wy_end, xz_end, 2, 6, 3, 7);
        }
    for (size_t c = 0; c < columns; c++) {
        for (size_t r = c < whole_columns ? whole_rows : 0; r < rows; r++)
            to[c * to_stride + r] = from[r * stride + c];
        memset(to + c * to_stride + rows, 0, (BLOCK - rows) * sizeof *to);
    }
}

static void turn_rows(const float *from, size_t stride, size_t rows, size_t columns, float *to) {
    for (size_t r = 0; r < rows; r += BLOCK, to += columns * row_stride(BLOCK))
        turn_block(from + r * stride, stride, least(BLOCK, rows - r), columns, to);
}

/* to = scale * from */
INLINE void scale_row(const float *from, size_t columns, float scale, float *to) {
    size_t c = 0;
    for (; c + LANES <= columns; c += LANES) store(to + c, load(from + c) * scale);
    for (; c < columns; c++) to[c] = from[c] * scale;
}

/* Copy rows, scaled, to where rows are padded with zeros, and put rows of zeros after them. */
static void copy_rows(const float *from, size_t stride, size_t rows, size_t columns, float scale,
                      float *to, size_t all_rows) {
    size_t to_stride = row_stride(columns);
    for (size_t r = 0; r < rows; r++) {
        float *row = to + r * to_stride;
        for (size_t c = 0; c < columns; c += 16)
            __builtin_prefetch(from + least(r + ROWS_AHEAD, rows - 1) * stride + c);
        for (size_t c = columns; c < whole_registers(columns); c++) row[c] = 0;
        scale_row(from + r * stride, columns, scale, row);
    }
    memset(to + rows * to_stride, 0, (all_rows - rows) * to_stride * sizeof *to);
}

INLINE float *head_of(const heads *h, size_t batch, size_t head) {
    return h->data + (int64_t)batch * h->batch + (int64_t)head * h->head;
}

/* One query head of one sequence. */
typedef struct {
    size_t tokens, dim, stride, batch, head, kv_head;
    const int32_t *starts;
    float *normalisers;
} task;

INLINE task task_of(const attention *a, size_t item) {
    size_t num_heads = (size_t)a->num_heads, tokens = (size_t)a->num_tokens;
    task t = {tokens, (size_t)a->head_dim, row_stride((size_t)a->head_dim), item / num_heads,
              item % num_heads, 0, NULL, a->normalisers + item * tokens * 2};
    t.kv_head = t.head / (num_heads / (size_t)a->num_kv_heads);
    if (a->starts) t.starts = a->starts + t.batch * tokens;
    return t;
}

/* The first key that a query reads: no later one than its own. */
INLINE size_t start_of(const task *t, size_t query) {
    if (!t->starts || query >= t->tokens || t->starts[query] < 0) return 0;
    return least((size_t)t->starts[query], query);
}

/* The first key that any of some queries reads, rounded down to a whole register. */
INLINE size_t first_start(const task *t, size_t query, size_t count) {
    if (!t->starts) return 0;
    size_t first = query;
    for (size_t i = query; i < query + count; i++) first = least(first, start_of(t, i));
    return first / LANES * LANES;
}

INLINE void hide(float *scores, size_t key, size_t start, size_t query) {
    static const int32_t lanes[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    vi keys;
    memcpy(&keys, lanes, sizeof keys);
    keys += (int32_t)key;
    vi seen = (keys >= (int32_t)start) & (keys <= (int32_t)query);
    store(scores, (vf)((seen & (vi)load(scores)) | (~seen & (vi)fill(-INFINITY))));
}

/* Hide the keys from `from` to `to`, both whole registers, that a query does not read. */
INLINE void hide_unseen(const task *t, float *scores, size_t from, size_t to, size_t query) {
    size_t start = start_of(t, query);
    for (size_t key = from; key < to && key < start; key += LANES)
        hide(scores + key - from, key, start, query);
    for (size_t key = most(from, (query + 1) / LANES * LANES); key < to; key += LANES)
        hide(scores + key - from, key, start, query);
}

/* e to the x, and 0 from -88 on down */
INLINE vf exponential_below(vf x) {
    return exponential_within(LARGER(fill(-88.0f), x));
}

/* Scores of one query become e to what they are less than the largest so far. Returns by what
 * earlier ones are to be multiplied. */
INLINE float soften(float *scores, size_t count, float *top, float *sum) {
    vf tops = fill(*top);
    for (size_t i = 0; i < count; i += LANES) tops = LARGER(tops, load(scores + i));
    float largest = largest_lane(tops), base = largest == -INFINITY ? 0 : largest;
    vf sums = {0};
    for (size_t i = 0; i < count; i += LANES) {
        vf e = exponential_below(load(scores + i) - base);
        store(scores + i, e);
        sums += e;
    }
    float factor = exponential_below(fill(*top - base))[0];
    *sum = *sum * factor + sum_lanes(sums);
    *top = largest;
    return factor;
}

/* Scores of a strip of queries with the keys from `from` to `to`. */
static void score_strip(const task *t, const float *q, const float *keys, size_t from, size_t to,
                        float *scores) {
    size_t turned = row_stride(BLOCK);
    for (size_t key = from; key < to;) {
        const float *b = keys + key / BLOCK * t->dim * turned + key % BLOCK;
        float *c = scores + key - from;
        int two = key % BLOCK + 2 * LANES <= BLOCK && key + LANES < to;
        (two ? put_two : put_one)(t->dim, q, t->stride, b, turned, c, row_stride(SPAN));
        key += two ? 2 * LANES : LANES;
    }
}

/* out += weights of a strip (rows, `weight_stride`) times rows of a matrix */
INLINE void add_rows(const task *t, size_t depth, const float *weights, size_t weight_stride,
                     const float *rows, float *out) {
    size_t c = 0;
    for (; c + LANES < t->dim; c += 2 * LANES)
        add_two(depth, weights, weight_stride, rows + c, t->stride, out + c, t->stride);
    if (c < t->dim)
        add_one(depth, weights, weight_stride, rows + c, t->stride, out + c, t->stride);
}

static void forward(const attention *a, size_t item, float *scratch) {
    const task now = task_of(a, item), *t = &now;
    const float *k = head_of(&a->k, t->batch, t->kv_head), *v = head_of(&a->v, t->batch, t->kv_head);
    const float *q = head_of(&a->q, t->batch, t->head);
    float *out = head_of(&a->out, t->batch, t->head);
    float *keys = scratch, *values = keys + turned_floats(a);
    float *strip = values + padded_tokens(a) * t->stride, *sums = strip + ROWS * t->stride;
    float *scores = sums + ROWS * t->stride;
    turn_rows(k, (size_t)a->k.token, t->tokens, t->dim, keys);
    copy_rows(v, (size_t)a->v.token, t->tokens, t->dim, 1, values, t->tokens);
    for (size_t query = 0; query < t->tokens; query += ROWS) {
        size_t count = least(ROWS, t->tokens - query), end = query + count;
        float top[ROWS], sum[ROWS] = {0};
        for (size_t r = 0; r < ROWS; r++) top[r] = -INFINITY;
        copy_rows(q + query * (size_t)a->q.token, (size_t)a->q.token, count, t->dim, a->scale, strip,
                  ROWS);
        memset(sums, 0, ROWS * t->stride * sizeof *sums);
        for (size_t from = first_start(t, query, count); from < end;) {
            size_t to = least(end, (from / SPAN + 1) * SPAN), width = whole_registers(to - from);
            score_strip(t, strip, keys, from, to, scores);
            for (size_t r = 0; r < count; r++) {
                float *row = scores + r * row_stride(SPAN);
                hide_unseen(t, row, from, from + width, query + r);
                float factor = soften(row, width, &top[r], &sum[r]);
                if (from >= SPAN) scale_row(sums + r * t->stride, t->stride, factor, sums + r * t->stride);
            }
            add_rows(t, to - from, scores, row_stride(SPAN), values + from * t->stride, sums);
            from = to;
        }
        for (size_t r = 0; r < count; r++) {
            float *kept = t->normalisers + (query + r) * 2;
            kept[0] = top[r];
            kept[1] = 1.0f / sum[r];
            scale_row(sums + r * t->stride, t->dim, kept[1], out + (query + r) * (size_t)a->out.token);
        }
    }
}

/* What the backward pass of a head works with, all of it in scratch. */
typedef struct {
    float *keys, *keys_turned, *values_turned;
    float *q, *grad_out, *grad_q, *grad_k, *grad_v;
    float *weights, *grads;     /* of the scores of a block of queries and one of keys */
    float *top, *scale, *delta; /* of each query: weight = scale * e to the (score - top) */
} desk;

static float dot(const float *x, const float *y, size_t count) {
    vf sums = {0};
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) sums = MULTIPLY_ADD(load(x + i), load(y + i), sums);
    float sum = sum_lanes(sums);
    for (; i < count; i++) sum += x[i] * y[i];
    return sum;
}

static desk lay_out(const attention *a, const task *t, float *scratch) {
    size_t all = padded_tokens(a), matrix = all * t->stride;
    desk d;
    float **parts[] = {&d.keys, &d.q, &d.grad_out, &d.grad_q, &d.grad_k, &d.grad_v};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++, scratch += matrix) *parts[i] = scratch;
    d.keys_turned = scratch;
    d.values_turned = d.keys_turned + turned_floats(a);
    d.weights = d.values_turned + turned_floats(a);
    d.grads = d.weights + BLOCK * row_stride(BLOCK);
    d.top = d.grads + BLOCK * row_stride(BLOCK);
    d.scale = d.top + all;
    d.delta = d.scale + all;

    const float *k = head_of(&a->k, t->batch, t->kv_head), *v = head_of(&a->v, t->batch, t->kv_head);
    const float *out = head_of(&a->out, t->batch, t->head);
    const float *grad_out = head_of(&a->grad_out, t->batch, t->head);
    copy_rows(k, (size_t)a->k.token, t->tokens, t->dim, 1, d.keys, all);
    turn_rows(k, (size_t)a->k.token, t->tokens, t->dim, d.keys_turned);
    turn_rows(v, (size_t)a->v.token, t->tokens, t->dim, d.values_turned);
    copy_rows(head_of(&a->q, t->batch, t->head), (size_t)a->q.token, t->tokens, t->dim, a->scale, d.q,
              all);
    copy_rows(grad_out, (size_t)a->grad_out.token, t->tokens, t->dim, 1, d.grad_out, all);
    memset(d.grad_q, 0, 3 * matrix * sizeof(float)); /* and those of keys and values */
    memset(d.top, 0, 3 * all * sizeof(float));
    for (size_t i = 0; i < t->tokens; i++) {
        d.top[i] = t->normalisers[i * 2];
        d.scale[i] = t->normalisers[i * 2 + 1];
        d.delta[i] = dot(out + i * (size_t)a->out.token, d.grad_out + i * t->stride, t->dim);
    }
    return d;
}

/* The keys of a block that each strip of queries reads, counted from the block's first. */
typedef struct {
    size_t query, key, strips; /* the first of each */
    size_t from[STRIPS], to[STRIPS];
} pairing;

static pairing pair_up(const task *t, size_t query, size_t key) {
    pairing p = {query, key, 0, {0}, {0}};
    for (size_t i = query; i < least(query + BLOCK, t->tokens); i += ROWS) {
        size_t count = least(ROWS, t->tokens - i), first = first_start(t, i, count);
        size_t s = p.strips++;
        p.from[s] = least(most(first, key) - key, BLOCK);
        p.to[s] = least(most(i + count, key) - key, BLOCK);
        if (p.to[s] < p.from[s]) p.to[s] = p.from[s];
    }
    return p;
}

/* out = rows of each strip times the columns of a turned block that the strip reads */
INLINE void score_block(const task *t, const pairing *p, const float *rows, const float *turned,
                        float *out) {
    size_t stride = row_stride(BLOCK);
    for (size_t c = 0; c < BLOCK; c += 2 * LANES)
        for (size_t s = 0; s < p->strips; s++) {
            size_t first = most(c, p->from[s]), end = least(c + 2 * LANES, p->to[s]);
            if (first >= end) continue;
            (end - first > LANES ? put_two : put_one)(
                t->dim, rows + s * ROWS * t->stride, t->stride, turned + first, stride,
                out + s * ROWS * stride + first, stride);
        }
}

/* Scores become weights, and gradients of weights those of scores. */
static void weigh_block(const task *t, const pairing *p, const desk *d) {
    size_t stride = row_stride(BLOCK);
    for (size_t r = 0; r < p->strips * ROWS; r++) {
        size_t s = r / ROWS, query = p->query + r, from = p->from[s], to = whole_registers(p->to[s]);
        float *weights = d->weights + r * stride, *grads = d->grads + r * stride;
        memset(weights, 0, from * sizeof *weights);
        memset(grads, 0, from * sizeof *grads);
        if (from < to)
            hide_unseen(t, weights + from, p->key + from, p->key + to, query);
        for (size_t i = from; i < to; i += LANES) {
            vf weight = exponential_below(load(weights + i) - d->top[query]) * d->scale[query];
            store(weights + i, weight);
            store(grads + i, weight * (load(grads + i) - d->delta[query]));
        }
        memset(weights + to, 0, (BLOCK - to) * sizeof *weights);
        memset(grads + to, 0, (BLOCK - to) * sizeof *grads);
    }
}

/* grad_q += gradients of scores times keys */
static void add_to_queries(const task *t, const pairing *p, const desk *d) {
    for (size_t s = 0; s < p->strips; s++)
        if (p->from[s] < p->to[s])
            add_rows(t, p->to[s] - p->from[s], d->grads + s * ROWS * row_stride(BLOCK) + p->from[s],
                     row_stride(BLOCK), d->keys + (p->key + p->from[s]) * t->stride,
                     d->grad_q + (p->query + s * ROWS) * t->stride);
}

/* to += turned weights of a block times rows of its queries */
static void add_to_keys(const task *t, const pairing *p, const float *weights, const float *rows,
                        float *to) {
    size_t stride = row_stride(BLOCK), last = least(BLOCK, t->tokens - p->query);
    for (size_t c = 0; c < t->dim; c += 2 * LANES)
        for (size_t key = 0; key < BLOCK && p->key + key < t->tokens; key += ROWS) {
            size_t first = 0, end = p->strips;
            while (first < end && p->to[first] <= key) first++;
            while (end > first && p->from[end - 1] >= key + ROWS) end--;
            if (first == end) continue;
            size_t from = first * ROWS, depth = least(end * ROWS, last) - from;
            (c + LANES < t->dim ? add_two_turned : add_one_turned)(
                depth, weights + from * stride + key, stride,
                rows + (p->query + from) * t->stride + c, t->stride,
                to + (p->key + key) * t->stride + c, t->stride);
        }
}

static void put_rows(const task *t, const float *rows, float scale, const heads *h) {
    float *to = head_of(h, t->batch, t->head);
    for (size_t i = 0; i < t->tokens; i++)
        scale_row(rows + i * t->stride, t->dim, scale, to + i * (size_t)h->token);
}

static void backward(const attention *a, size_t item, float *scratch) {
    const task now = task_of(a, item), *t = &now;
    const desk d = lay_out(a, t, scratch);
    size_t block_floats = t->dim * row_stride(BLOCK);
    for (size_t key = 0; key < t->tokens; key += BLOCK)
        for (size_t query = key; query < t->tokens; query += BLOCK) {
            const pairing p = pair_up(t, query, key);
            size_t number = key / BLOCK * block_floats;
            score_block(t, &p, d.q + query * t->stride, d.keys_turned + number, d.weights);
            score_block(t, &p, d.grad_out + query * t->stride, d.values_turned + number, d.grads);
            weigh_block(t, &p, &d);
            add_to_queries(t, &p, &d);
            add_to_keys(t, &p, d.weights, d.grad_out, d.grad_v);
            add_to_keys(t, &p, d.grads, d.q, d.grad_k);
        }
    put_rows(t, d.grad_q, a->scale, &a->grad_q);
    put_rows(t, d.grad_k, 1, &a->grad_k);
    put_rows(t, d.grad_v, 1, &a->grad_v);
}
