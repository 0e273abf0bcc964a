/* The decoder's kernels for registers of 8 floats. */
#if defined(__x86_64__)
#include "registers_avx2.h"

#define LOAD_INT8(p) \
    ((vf)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(p)))))
#define LOAD_SCALES(p)                                                                             \
    ((vf)_mm256_castsi256_ps(_mm256_slli_epi32(                                                    \
        _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(p))), 16)))
#define LOAD_INT4(p, shift) ((vf)load_int4(p, shift))

extern const int8_t ls_int4_values[16];

static inline __attribute__((always_inline)) __m256 load_int4(const uint8_t *p, int shift) {
    __m128i codes = _mm_loadl_epi64((const __m128i *)p);
    codes = _mm_and_si128(_mm_srli_epi16(codes, shift), _mm_set1_epi8(15));
    __m128i values = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)ls_int4_values), codes);
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(values));
}

#include "decoder_body.h"

const kernels ls_kernels_avx2 = {"avx2", multiply, attend, normalise, gate, find_best};

#include "registers_end.h"
#else
typedef int ls_no_avx2;
#endif
