/* Hashes a text, and each of its lines, so that copies are found whatever their spacing.
 *
 * The text comes casefolded. Bytes are hashed eight at a time; a line is hashed without the white
 * space around it, a text with any white space as one space.
 */
#include "kernels.h"

#define FACTOR UINT64_C(0xD6E8FEB86659FD93)

typedef struct {
    uint64_t hash, word; /* `word` gathers up to eight bytes */
    size_t size;
} hashing_t;

/* Source: finaliser of SplitMix64, G. Steele et al., OOPSLA 2014. */
static uint64_t mix(uint64_t value) {
    value = (value ^ (value >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94D049BB133111EB);
    return value ^ (value >> 31);
}

static inline void put(hashing_t *hashing, uint8_t byte) {
    hashing->word = hashing->word << 8 | byte;
    if (++hashing->size % 8) return;
    hashing->hash = mix(hashing->hash ^ hashing->word) * FACTOR;
    hashing->word = 0;
}

static uint64_t finish(const hashing_t *hashing) {
    return mix(mix(hashing->hash ^ hashing->word) + hashing->size);
}

/* The bytes of white space that begin here, 0 where there is none. */
static size_t space_at(const uint8_t *at, const uint8_t *end) {
    if (*at < 0x80) return *at == ' ' || (*at >= 0x09 && *at <= 0x0D);
    if (end - at >= 2 && at[0] == 0xC2 && (at[1] == 0xA0 || at[1] == 0x85)) return 2;
    if (end - at < 3 || at[0] < 0xE2 || at[0] > 0xE3) return 0;
    if (at[0] == 0xE3) return at[1] == 0x80 && at[2] == 0x80 ? 3 : 0;
    if (at[1] == 0x80) /* U+2000 to 200A, 2028, 2029, 202F */
        return at[2] <= 0x8A || at[2] == 0xA8 || at[2] == 0xA9 || at[2] == 0xAF ? 3 : 0;
    return at[1] == 0x81 && at[2] == 0x9F ? 3 : 0;
}

LS_EXPORT uint64_t ls_lines_text(const uint8_t *text, size_t size) {
    hashing_t hashing = {0};
    int is_apart = 0;
    for (const uint8_t *at = text, *end = text + size; at < end;) {
        size_t space = space_at(at, end);
        if (space) {
            is_apart = 1;
            at += space;
            continue;
        }
        if (is_apart && hashing.size) put(&hashing, ' ');
        is_apart = 0;
        put(&hashing, *at++);
    }
    return finish(&hashing);
}

static int is_wide_digit(const uint8_t *at, const uint8_t *end) {
    return end - at >= 3 && at[0] == 0xEF && at[1] == 0xBC && at[2] >= 0x90 && at[2] <= 0x99;
}

static uint64_t hash_bytes(const uint8_t *at, const uint8_t *end, int is_counter) {
    hashing_t hashing = {0};
    while (at < end) {
        if (is_counter && *at >= '0' && *at <= '9') {
            put(&hashing, '0');
            at++;
        } else if (is_counter && is_wide_digit(at, end)) {
            put(&hashing, '0');
            at += 3;
        } else {
            put(&hashing, *at++);
        }
    }
    return finish(&hashing);
}

/* Hashes each line and counts its columns: two for each character from U+2E80 on.
 *
 * All digits of a line of at most `max_counter` characters are taken for 0. `hashes` and `columns`
 * have room for one more than there are line feeds. Returns the number of lines.
 */
LS_EXPORT size_t ls_lines_hash(const uint8_t *text, size_t size, size_t max_counter,
                               uint64_t *hashes, uint64_t *columns) {
    const uint8_t *at = text, *end = text + size;
    for (size_t line = 0;; line++) {
        const uint8_t *first = NULL, *last = at; /* the line without the space around it */
        size_t num_points = 0, num_wide = 0, points_here = 0, wide_here = 0;
        while (at < end && *at != '\n') {
            size_t space = space_at(at, end);
            if (space && !first) {
                at += space;
                continue;
            }
            if (!first) first = at;
            if ((*at & 0xC0) != 0x80) points_here++;
            /* E2 BA 80 is U+2E80; the bytes that begin later characters are larger. */
            if (*at > 0xE2 || (*at == 0xE2 && end - at > 1 && at[1] >= 0xBA)) wide_here++;
            at += space ? space : 1;
            if (space) continue;
            last = at;
            num_points = points_here;
            num_wide = wide_here;
        }
        hashes[line] = hash_bytes(first ? first : last, last, num_points <= max_counter);
        columns[line] = num_points + num_wide;
        if (at >= end) return line + 1;
        at++;
    }
}
