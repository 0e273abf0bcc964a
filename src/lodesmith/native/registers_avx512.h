/* Registers of 16 floats: what is compiled from here to registers_end.h may use AVX-512. */
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,avx512f,avx512bw,avx512vl,avx512dq"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,avx512f,avx512bw,avx512vl,avx512dq")
#endif

#define LANES 16
#define MULTIPLY_ADD(a, b, c) ((vf)_mm512_fmadd_ps((__m512)(a), (__m512)(b), (__m512)(c)))
#define LARGER(a, b) ((vf)_mm512_max_ps((__m512)(a), (__m512)(b)))
