/* Inflating (RFC 1951) with the wrappers of gzip (RFC 1952) and zlib (RFC 1950). */
#ifndef LODESMITH_WARC_INFLATE_H
#define LODESMITH_WARC_INFLATE_H

#include "kernels.h"

enum { /* what a call says */
    INFLATE_DONE = 0,       /* the stream has ended and its checksum is right */
    INFLATE_MORE_INPUT = 1, /* call again with the unused input and more behind it */
    INFLATE_MORE_ROOM = 2,  /* call again with more room for output */
    INFLATE_BAD_HEADER = -1,
    INFLATE_BAD_DATA = -2,
    INFLATE_BAD_CHECKSUM = -3,
    INFLATE_CUT_SHORT = -4,
};

enum { INFLATE_GZIP = 0, INFLATE_ZLIB = 1, INFLATE_RAW = 2 }; /* wrappers */

/* Tables are indexed by so many bits of the input; longer codes go on in a sub-table behind. The
 * sizes bound any complete code: 2^bits entries, and sub-tables of 2^(15 - bits) entries each of
 * which holds two codes or more. */
#define MAIN_BITS 11
#define DISTANCE_BITS 9
#define MAIN_SIZE ((1 << MAIN_BITS) + 288 / 2 * (1 << (15 - MAIN_BITS)))
#define DISTANCE_SIZE ((1 << DISTANCE_BITS) + 32 / 2 * (1 << (15 - DISTANCE_BITS)))

typedef struct {
    uint64_t bits; /* taken from the input, not used yet; lowest first */
    unsigned num_bits;
    int wrapper, phase, is_last, failure;
    uint32_t stored_left;        /* bytes of a stored block that are still to come */
    uint32_t check;              /* CRC-32 or Adler-32 of the output so far */
    uint64_t produced;           /* output bytes of this stream */
    unsigned main_bits, distance_bits;
    uint32_t main[MAIN_SIZE];
    uint32_t distance[DISTANCE_SIZE];
} Inflater;

typedef struct {
    const uint8_t *at, *end;
    int is_all; /* nothing comes after `end` */
} Input;

typedef struct {
    uint8_t *at, *end; /* the last 32 KiB of the stream's output stand before `at` */
} Output;

void inflate_start(Inflater *state, int wrapper);
int inflate_step(Inflater *state, Input *input, Output *output);
uint32_t update_crc32(uint32_t crc, const uint8_t *data, size_t size);

#endif
