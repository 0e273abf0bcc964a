/* What all kernels share.
 *
 * LS_EXPORT  a function that Python may call
 * WIDE       compile a loop once for each width of register; the loader picks the best that the
 *            processor has. Integer loops only: a float sum would depend on the width.
 * INLINE     of this file only, and always a part of whoever calls it
 * HAS_TARGETS  whether a function can be compiled for what only some processors of this kind have
 */
#ifndef LODESMITH_KERNELS_H
#define LODESMITH_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#define LS_EXPORT __attribute__((visibility("default")))

#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__)
#define WIDE __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define WIDE
#endif

#define INLINE static inline __attribute__((always_inline))

#if defined(__x86_64__) && defined(__GNUC__)
#define HAS_TARGETS 1
#else
#define HAS_TARGETS 0
#endif

#endif
