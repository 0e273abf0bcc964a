/* Registers of 4 floats, which every processor of today has. */
#define LANES 4
#if defined(__aarch64__)
#include <arm_neon.h>
#define MULTIPLY_ADD(a, b, c) ((vf)vfmaq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b)))
#endif
