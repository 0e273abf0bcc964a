/* Attention for registers of 8 floats. */
#if defined(__x86_64__)
#include "registers_avx2.h"
#include "attention_body.h"

const attention_kernels ls_attention_avx2 = {"avx2", forward, backward};

#include "registers_end.h"
#else
typedef int ls_no_attention_avx2;
#endif
