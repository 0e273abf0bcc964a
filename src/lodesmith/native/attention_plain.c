/* Attention for registers of 4 floats, which every processor of today has. */
#include "registers_plain.h"
#include "attention_body.h"

const attention_kernels ls_attention_plain = {"plain", forward, backward};
