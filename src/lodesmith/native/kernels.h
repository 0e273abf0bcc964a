/* What all kernels share.
 *
 * LS_EXPORT  a function that Python may call
 * WIDE       compile a loop once for each width of register; the loader picks the best that the
 *            processor has. Integer loops only: a float sum would depend on the width.
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

#endif
