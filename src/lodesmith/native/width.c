/* The choice of a width of register: see width.h. */
#include "width.h"

#include <string.h>

enum width choose_width(const char *wanted) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    int has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    int has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") &&
                     __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                     __builtin_cpu_supports("avx512dq");
    if (wanted && !strcmp(wanted, "plain")) return WIDTH_PLAIN;
    if (has_avx512 && !(wanted && !strcmp(wanted, "avx2"))) return WIDTH_AVX512;
    if (has_avx2) return WIDTH_AVX2;
#endif
    (void)wanted;
    return WIDTH_PLAIN;
}
