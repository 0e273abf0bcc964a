/* Weights into panels, rounded to 8 or 4 bits where that is asked for.
 *
 * The scale of a group is kept in 16 bits (the upper half of a float) and weights are rounded by
 * the scale as it is kept, so that its own rounding costs nothing.
 *
 * A weight of 4 bits is one of 16 values times its scale. The values are those that make the mean
 * squared error least for 32 normally distributed weights divided by the largest of them, found
 * by Lloyd's iteration (S. P. Lloyd, "Least squares quantization in PCM", 1982, section II): 12 %
 * less error than 16 evenly spaced ones.
 */
#define _GNU_SOURCE /* posix_memalign and madvise are not in C11 */
#include "decoder_pack.h"

#include "kernels.h"

#include <math.h>
#include <stdlib.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

const int8_t ls_int4_values[16] = {-113, -91, -72, -56, -42, -29, -16, -3,
                                   9,    22,  35,  49,  64,  81,  100, 125};

#define LARGE_PAGE ((size_t)1 << 21)

void *large_zeros(size_t bytes) {
    void *memory = NULL;
    size_t boundary = bytes >= LARGE_PAGE ? LARGE_PAGE : 64;
    bytes = (bytes + boundary - 1) / boundary * boundary;
    if (posix_memalign(&memory, boundary, bytes)) return NULL;
#if defined(__linux__)
    if (boundary == LARGE_PAGE) madvise(memory, bytes, MADV_HUGEPAGE); /* a wish: may be refused */
#endif
    memset(memory, 0, bytes);
    return memory;
}

int matrix_new(matrix *m, enum format format, size_t num_out, size_t num_in) {
    m->format = format;
    m->num_out = num_out;
    m->num_in = num_in;
    m->num_panels = (num_out + PANEL - 1) / PANEL;
    m->panel_bytes = (num_in + GROUP - 1) / GROUP * group_bytes(format);
    m->data = large_zeros(m->num_panels * m->panel_bytes);
    return m->data ? 0 : -1;
}

void matrix_free(matrix *m) {
    free(m->data);
    m->data = NULL;
}

static uint16_t round_to_bf16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

static float largest_of(const float *w, size_t count) {
    float largest = 0;
    for (size_t i = 0; i < count; i++)
        if (fabsf(w[i]) > fabsf(largest)) largest = w[i];
    return largest;
}

static uint16_t round_int8(const float *w, size_t count, uint8_t *codes) {
    uint16_t kept = round_to_bf16(fabsf(largest_of(w, count)) / 127.0f);
    float scale = bf16_to_float(kept), inverse = scale > 0 ? 1.0f / scale : 0;
    for (size_t i = 0; i < count; i++) {
        float code = nearbyintf(w[i] * inverse);
        codes[i] = (uint8_t)(int8_t)(code > 127 ? 127 : code < -127 ? -127 : code);
    }
    return kept;
}

/* The squared error of rounding to the nearest of the 16 values times the scale. */
WIDE static float int4_error(const float *w, float scale) {
    float inverse = 1.0f / scale, scaled[GROUP], nearest[GROUP], errors[8] = {0}, sum = 0;
    for (int i = 0; i < GROUP; i++) {
        scaled[i] = w[i] * inverse;
        nearest[i] = (float)ls_int4_values[0];
    }
    for (int level = 1; level < 16; level++) {
        float next = (float)ls_int4_values[level];
        float edge = 0.5f * ((float)ls_int4_values[level - 1] + next);
        for (int i = 0; i < GROUP; i++) nearest[i] = scaled[i] > edge ? next : nearest[i];
    }
    for (int i = 0; i < GROUP; i += 8)
        for (int lane = 0; lane < 8; lane++) {
            float miss = scaled[i + lane] - nearest[i + lane];
            errors[lane] += miss * miss;
        }
    for (int lane = 0; lane < 8; lane++) sum += errors[lane];
    return sum * scale * scale;
}

WIDE static void round_to_int4(const float *w, float scale, uint8_t *codes) {
    float inverse = 1.0f / scale;
    int32_t code[GROUP] = {0};
    for (int level = 1; level < 16; level++) {
        float edge = 0.5f * (float)(ls_int4_values[level - 1] + ls_int4_values[level]);
        for (int i = 0; i < GROUP; i++) code[i] += w[i] * inverse > edge;
    }
    for (int i = 0; i < GROUP; i++) codes[i] = (uint8_t)code[i];
}

#define NUM_TRIES 8

/* Try a few scales round that of the largest weight: clipping it a little often costs less. */
static uint16_t round_int4(const float *w, size_t count, uint8_t *codes) {
    float padded[GROUP] = {0}, largest = largest_of(w, count), least = INFINITY;
    uint16_t kept = 0;
    memset(codes, 0, GROUP);
    memcpy(padded, w, count * sizeof *w);
    for (int try = 0; try < NUM_TRIES; try++) {
        float end = try % 2 ? -113.0f : 125.0f; /* which end of the values the largest one meets */
        uint16_t bits = round_to_bf16(largest / end * (1.04f - 0.05f * (float)(try / 2)));
        float scale = bf16_to_float(bits), error = scale == 0 ? INFINITY : int4_error(padded, scale);
        if (error < least) {
            least = error;
            kept = bits;
        }
    }
    if (kept) round_to_int4(padded, bf16_to_float(kept), codes);
    return kept;
}

static void pack_group(enum format format, uint8_t *group, size_t lane, const float *w,
                       size_t count) {
    uint8_t codes[GROUP];
    uint8_t *data = group + PANEL * sizeof(uint16_t);
    ((uint16_t *)group)[lane] =
        format == FORMAT_INT8 ? round_int8(w, count, codes) : round_int4(w, count, codes);
    for (size_t k = 0; k < count; k++) {
        if (format == FORMAT_INT8) data[k * PANEL + lane] = codes[k];
        else data[k * 16 + lane % 16] |= (uint8_t)(codes[k] << (lane / 16 * 4));
    }
}

void matrix_pack(matrix *m, size_t column, const float *rows, size_t count) {
    size_t bytes = group_bytes(m->format);
    for (size_t start = 0, g = 0; start < m->num_in; start += GROUP, g++) {
        size_t inputs = m->num_in - start < GROUP ? m->num_in - start : GROUP;
        for (size_t r = 0; r < count; r++) {
            size_t panel = (column + r) / PANEL, lane = (column + r) % PANEL;
            uint8_t *group = m->data + panel * m->panel_bytes + g * bytes;
            const float *w = rows + r * m->num_in + start;
            if (m->format == FORMAT_FLOAT)
                for (size_t k = 0; k < inputs; k++) ((float *)group)[k * PANEL + lane] = w[k];
            else
                pack_group(m->format, group, lane, w, inputs);
        }
    }
}

void matrix_unpack(const matrix *m, size_t column, float *row) {
    size_t lane = column % PANEL, bytes = group_bytes(m->format);
    for (size_t k = 0; k < m->num_in; k++) {
        const uint8_t *group = m->data + column / PANEL * m->panel_bytes + k / GROUP * bytes;
        const uint8_t *data = group + PANEL * sizeof(uint16_t);
        size_t at = k % GROUP;
        if (m->format == FORMAT_FLOAT) {
            row[k] = ((const float *)group)[at * PANEL + lane];
            continue;
        }
        float scale = bf16_to_float(((const uint16_t *)group)[lane]);
        int code = m->format == FORMAT_INT8
                       ? (int8_t)data[at * PANEL + lane]
                       : ls_int4_values[(data[at * 16 + lane % 16] >> (lane / 16 * 4)) & 15];
        row[k] = (float)code * scale;
    }
}
