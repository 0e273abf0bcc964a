/* Attention for registers of 16 floats. */
#if defined(__x86_64__)
#include "registers_avx512.h"
#include "attention_body.h"

const attention_kernels ls_attention_avx512 = {"avx512", forward, backward};

#include "registers_end.h"
#else
typedef int ls_no_attention_avx512;
#endif
