/* CRC-32 as gzip has it (RFC 1952, section 8), fast enough not to be felt beside inflating.
 *
 * Sources: eight tables at once: M. E. Kounavis, F. L. Berry, "A systematic approach to building
 * high performance software-based CRC generators", ISCC 2005. Carry-less multiplication: V. Gopal
 * et al., "Fast CRC computation for generic polynomials using PCLMULQDQ", Intel 2009, from which
 * the folding constants of the reflected polynomial 0xEDB88320 are.
 */
#include "warc_inflate.h"

#include <string.h>

#if HAS_TARGETS
#include <immintrin.h>
#endif

/* The tables are filled by the compiler's own hand: constant, so no thread has to wait for one. */
#define B1(n) ((n) >> 1 ^ (0xEDB88320u & (0u - ((n) & 1u))))
#define B2(n) B1(B1(n))
#define B4(n) B2(B2(n))
#define ROW4(n) SHIFT(n), SHIFT((n) + 1u), SHIFT((n) + 2u), SHIFT((n) + 3u)
#define ROW16(n) ROW4(n), ROW4((n) + 4u), ROW4((n) + 8u), ROW4((n) + 12u)

/* crc of a half byte; two steps make a byte */
#define SHIFT(n) B4((uint32_t)(n))
static const uint32_t HALF[16] = {ROW16(0)};
#undef SHIFT

static inline uint32_t step_byte(uint32_t crc, uint8_t byte) {
    crc ^= byte;
    crc = crc >> 4 ^ HALF[crc & 15];
    return crc >> 4 ^ HALF[crc & 15];
}

#if HAS_TARGETS
__attribute__((target("pclmul,sse4.1"))) static inline __m128i fold(__m128i a, __m128i k,
                                                                    __m128i next) {
    __m128i low = _mm_clmulepi64_si128(a, k, 0x00);
    __m128i high = _mm_clmulepi64_si128(a, k, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

static inline __m128i load(const uint8_t *data) {
    return _mm_loadu_si128((const __m128i *)(const void *)data);
}

/* `size` is at least 64 and a multiple of 16 */
__attribute__((target("pclmul,sse4.1"))) static uint32_t fold_crc(uint32_t crc, const uint8_t *data,
                                                                  size_t size) {
    const __m128i by_64 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4);
    const __m128i by_16 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
    const __m128i by_8 = _mm_set_epi64x(0, 0x0163cd6124);
    const __m128i reduce = _mm_set_epi64x(0x01f7011641, 0x01db710641);
    const __m128i low_32 = _mm_setr_epi32(~0, 0, ~0, 0);
    __m128i x0 = _mm_xor_si128(load(data), _mm_cvtsi32_si128((int)crc));
    __m128i x1 = load(data + 16), x2 = load(data + 32), x3 = load(data + 48);
    for (data += 64, size -= 64; size >= 64; data += 64, size -= 64) {
        x0 = fold(x0, by_64, load(data));
        x1 = fold(x1, by_64, load(data + 16));
        x2 = fold(x2, by_64, load(data + 32));
        x3 = fold(x3, by_64, load(data + 48));
    }
    x0 = fold(fold(fold(x0, by_16, x1), by_16, x2), by_16, x3);
    for (; size >= 16; data += 16, size -= 16) x0 = fold(x0, by_16, load(data));
    /* 128 bits to 64 */
    x1 = _mm_clmulepi64_si128(x0, by_16, 0x10);
    x0 = _mm_xor_si128(_mm_srli_si128(x0, 8), x1);
    x1 = _mm_srli_si128(x0, 4);
    x0 = _mm_xor_si128(_mm_clmulepi64_si128(_mm_and_si128(x0, low_32), by_8, 0x00), x1);
    /* 64 bits to 32 (Barrett) */
    x1 = _mm_and_si128(_mm_clmulepi64_si128(_mm_and_si128(x0, low_32), reduce, 0x10), low_32);
    x1 = _mm_xor_si128(_mm_clmulepi64_si128(x1, reduce, 0x00), x0);
    return (uint32_t)_mm_extract_epi32(x1, 1);
}
#endif

/* Where there is no folding: 8 bytes at a time through tables kept by the caller's stack would
 * cost more than they save on short records, so processors without it go byte by byte, or by
 * their own CRC instruction. */
#if defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
static uint32_t plain_crc(uint32_t crc, const uint8_t *data, size_t size) {
    for (; size >= 8; data += 8, size -= 8) {
        uint64_t word;
        memcpy(&word, data, 8);
        crc = __crc32d(crc, word);
    }
    for (; size; size--) crc = __crc32b(crc, *data++);
    return crc;
}
#else
static uint32_t plain_crc(uint32_t crc, const uint8_t *data, size_t size) {
    for (; size; size--) crc = step_byte(crc, *data++);
    return crc;
}
#endif

uint32_t update_crc32(uint32_t crc, const uint8_t *data, size_t size) {
    crc = ~crc;
#if HAS_TARGETS
    if (size >= 64 && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1")) {
        size_t folded = size & ~(size_t)15;
        crc = fold_crc(crc, data, folded);
        data += folded;
        size -= folded;
    }
#endif
    return ~plain_crc(crc, data, size);
}
