/* The decoder's kernels for registers of 4 floats, which every processor of today has. */
#include "registers_plain.h"
#include "decoder_body.h"

const kernels ls_kernels_plain = {"plain", multiply, attend, normalise, gate, find_best};
