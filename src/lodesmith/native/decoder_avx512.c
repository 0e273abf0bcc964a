/* The decoder's kernels for registers of 16 floats. */
#if defined(__x86_64__)
#include "registers_avx512.h"

#define LOAD_INT8(p) \
    ((vf)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)(p)))))
#define LOAD_SCALES(p)                                                                             \
    ((vf)_mm512_castsi512_ps(_mm512_slli_epi32(                                                    \
        _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(p))), 16)))
#define LOAD_INT4(p, shift) ((vf)load_int4(p, shift))

extern const int8_t ls_int4_values[16];

/* The permutation looks at the lowest four bits only, so the upper ones need not be cleared. */
static inline __attribute__((always_inline)) __m512 load_int4(const uint8_t *p, int shift) {
    __m512 values = _mm512_cvtepi32_ps(
        _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)ls_int4_values)));
    __m512i codes = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p));
    return _mm512_permutexvar_ps(_mm512_srli_epi32(codes, (unsigned)shift), values);
}

#include "decoder_body.h"

const kernels ls_kernels_avx512 = {"avx512", multiply, attend, normalise, gate, find_best};

#include "registers_end.h"
#else
typedef int ls_no_avx512;
#endif
