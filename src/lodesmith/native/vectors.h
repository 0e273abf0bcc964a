/* Registers of LANES floats, which is defined before; included once for each width.
 *
 * Before it too, for processors that have them: MULTIPLY_ADD and LARGER.
 */
#include "kernels.h"

#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

typedef float vf __attribute__((vector_size(4 * LANES)));
typedef int32_t vi __attribute__((vector_size(4 * LANES)));
typedef float loose_vf __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

INLINE vf load(const float *p) {
    return *(const loose_vf *)p;
}

INLINE void store(float *p, vf v) {
    *(loose_vf *)p = v;
}

INLINE vf fill(float value) {
    return value - (vf){0};
}

#ifndef MULTIPLY_ADD
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#endif

/* e to the x within two units in the last place: x = n ln 2 + r, and a Taylor series of r.
 * For x from -88, which gives 0, to 88, and for what is no number. */
INLINE vf exponential_within(vf x) {
    const float rounder = 12582912.0f; /* 1.5 x 2^23: adding it rounds to a whole number */
    vf shifted = MULTIPLY_ADD(x, fill(1.44269504f), fill(rounder));
    vf n = shifted - fill(rounder);
    vf r = MULTIPLY_ADD(n, fill(-0.693145752f), x); /* ln 2 in two parts, the first exact times n */
    r = MULTIPLY_ADD(n, fill(-1.42860677e-6f), r);
    vf sum = fill(1.0f / 5040);
    sum = MULTIPLY_ADD(sum, r, fill(1.0f / 720));
    sum = MULTIPLY_ADD(sum, r, fill(1.0f / 120));
    sum = MULTIPLY_ADD(sum, r, fill(1.0f / 24));
    sum = MULTIPLY_ADD(sum, r, fill(1.0f / 6));
    sum = MULTIPLY_ADD(sum, r, fill(0.5f));
    sum = MULTIPLY_ADD(sum, r, fill(1.0f));
    sum = MULTIPLY_ADD(sum, r, fill(1.0f));
    vi power = ((vi)shifted - (vi)fill(rounder) + 127) << 23;
    return sum * (vf)power;
}

INLINE vf select_greater(vf a, vf b) {
    vi mask = a > b;
    return (vf)((mask & (vi)a) | (~mask & (vi)b));
}

#ifndef LARGER
#define LARGER select_greater /* b where either is no number */
#endif

INLINE vf exponential(vf x) {
    vf top = fill(88.0f), from = select_greater(x, fill(-87.0f));
    vi mask = from > top;
    return exponential_within((vf)((mask & (vi)top) | (~mask & (vi)from)));
}

INLINE float sum_lanes(vf v) {
    float lanes[LANES];
    store(lanes, v);
    for (int width = LANES / 2; width; width /= 2)
        for (int lane = 0; lane < width; lane++) lanes[lane] += lanes[lane + width];
    return lanes[0];
}

INLINE float largest_lane(vf v) {
    float lanes[LANES];
    store(lanes, v);
    UNROLL for (int width = LANES / 2; width; width /= 2)
        UNROLL for (int lane = 0; lane < width; lane++)
            lanes[lane] = lanes[lane] > lanes[lane + width] ? lanes[lane] : lanes[lane + width];
    return lanes[0];
}
