/* Registers of 8 floats: what is compiled from here to registers_end.h may use AVX2. */
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC target("avx2,fma")
#endif

#define LANES 8
#define MULTIPLY_ADD(a, b, c) ((vf)_mm256_fmadd_ps((__m256)(a), (__m256)(b), (__m256)(c)))
#define LARGER(a, b) ((vf)_mm256_max_ps((__m256)(a), (__m256)(b)))
