/* Keys of a catalog: BLAKE2b of many short byte strings, `digest_size` 12, one call a column.
 *
 * A catalog hashes ids and addresses that strangers chose, so the hash must be one in which nobody
 * can make two meet; and a call of hashlib for each row would cost more than all the rest of the
 * ingest. The same hash as `hashlib.blake2b(data, digest_size=12, person=...)`.
 *
 * Source: RFC 7693, sections 2.5 to 3.3, 2.6 (constants) and 2.7 (the schedule of the message);
 * the parameter block with `person` is that of the BLAKE2 paper, https://www.blake2.net/blake2.pdf,
 * section 2.8. */
#include <string.h>

#include "kernels.h"

enum { KEY_BYTES = 12, BLOCK_BYTES = 128, ROUNDS = 12, PERSON_BYTES = 16 };

static const uint64_t IV[8] = {
    0x6a09e667f3bcc908ull, 0xbb67ae8584caa73bull, 0x3c6ef372fe94f82bull, 0xa54ff53a5f1d36f1ull,
    0x510e527fade682d1ull, 0x9b05688c2b3e6c1full, 0x1f83d9abfb41bd6bull, 0x5be0cd19137e2179ull,
};

static const uint8_t SIGMA[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

static inline uint64_t turn(uint64_t value, unsigned by) {
    return value >> by | value << (64 - by);
}

static inline void mix(uint64_t v[16], unsigned a, unsigned b, unsigned c, unsigned d,
                       const uint64_t x, const uint64_t y) {
    v[a] += v[b] + x;
    v[d] = turn(v[d] ^ v[a], 32);
    v[c] += v[d];
    v[b] = turn(v[b] ^ v[c], 24);
    v[a] += v[b] + y;
    v[d] = turn(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = turn(v[b] ^ v[c], 63);
}

/* Reads a word that lies in memory least byte first, whatever this machine's order is. */
static inline uint64_t read_word(const uint8_t *at) {
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--) value = value << 8 | at[i];
    return value;
}

static void compress(uint64_t h[8], const uint8_t block[BLOCK_BYTES], uint64_t length, int last) {
    uint64_t v[16], m[16];
    for (int i = 0; i < 16; i++) m[i] = read_word(block + 8 * i);
    for (int i = 0; i < 8; i++) v[i] = h[i], v[i + 8] = IV[i];
    v[12] ^= length; /* the upper half of the counter is zero: no string is 2^64 bytes long */
    if (last) v[14] = ~v[14];
    for (int round = 0; round < ROUNDS; round++) {
        const uint8_t *s = SIGMA[round % 10];
        mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
        mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
        mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
        mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
        mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
        mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
        mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
        mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
    }
    for (int i = 0; i < 8; i++) h[i] ^= v[i] ^ v[i + 8];
}

static void hash_one(uint64_t h[8], const uint8_t *data, size_t size) {
    uint64_t done = 0;
    uint8_t rest[BLOCK_BYTES] = {0};
    while (size - done > BLOCK_BYTES) {
        compress(h, data + done, done + BLOCK_BYTES, 0);
        done += BLOCK_BYTES;
    }
    if (size > done) memcpy(rest, data + done, size - done);
    compress(h, rest, size, 1);
}

/* Writes 12 bytes for each of `count` strings; string i is data[offsets[i]] to data[offsets[i+1]],
 * and offsets never fall and never pass the data's end (the caller has checked). */
LS_EXPORT void ls_catalog_keys(const uint8_t *data, const int64_t *offsets, size_t count,
                               const uint8_t person[PERSON_BYTES], uint8_t *keys) {
    for (size_t i = 0; i < count; i++) {
        uint64_t h[8];
        memcpy(h, IV, sizeof h);
        h[0] ^= 0x01010000u ^ KEY_BYTES; /* depth 1, fan-out 1, no secret, size of the digest */
        h[6] ^= read_word(person);
        h[7] ^= read_word(person + 8);
        hash_one(h, data + offsets[i], (size_t)(offsets[i + 1] - offsets[i]));
        for (int byte = 0; byte < KEY_BYTES; byte++)
            keys[i * KEY_BYTES + byte] = (uint8_t)(h[byte / 8] >> 8 * (byte % 8));
    }
}
