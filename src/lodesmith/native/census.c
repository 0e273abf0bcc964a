/* How many characters of each class a text holds, and how often one class follows another.
 *
 * What a class is, the caller's table says: one byte for each code point of the first plane, then
 * one for each of the sixteen planes above it. So one kernel serves every step that must know
 * quickly whether a text needs it at all.
 */
#include "kernels.h"

#define PLANE 0x10000
#define UNREADABLE 0xFFFD

static int is_follower(uint8_t byte) {
    return (byte & 0xC0) == 0x80;
}

/* Reads one character at `text`, which has `left` > 0 bytes; sets how many bytes it took. Bytes
 * that are no UTF-8 come out as U+FFFD, one at a time, and surrogates as they are. */
static uint32_t read_character(const uint8_t *text, size_t left, size_t *taken) {
    uint8_t lead = text[0];
    *taken = 1;
    if (lead < 0x80) {
        return lead;
    }
    if (lead >= 0xC2 && lead < 0xE0 && left >= 2 && is_follower(text[1])) {
        *taken = 2;
        return (uint32_t)(lead & 0x1F) << 6 | (text[1] & 0x3F);
    }
    if (lead >= 0xE0 && lead < 0xF0 && left >= 3 && is_follower(text[1]) && is_follower(text[2])) {
        *taken = 3;
        return (uint32_t)(lead & 0x0F) << 12 | (uint32_t)(text[1] & 0x3F) << 6 | (text[2] & 0x3F);
    }
    if (lead >= 0xF0 && lead < 0xF5 && left >= 4 && is_follower(text[1]) && is_follower(text[2]) &&
        is_follower(text[3])) {
        *taken = 4;
        return (uint32_t)(lead & 0x07) << 18 | (uint32_t)(text[1] & 0x3F) << 12 |
               (uint32_t)(text[2] & 0x3F) << 6 | (text[3] & 0x3F);
    }
    return UNREADABLE;
}

/* Adds to `counts[16 * before + class]` for every character; the first follows class 0.
 * `classes` has 65,536 + 16 entries, of which the lowest four bits count; `counts` has 256. */
LS_EXPORT void ls_census_count(const uint8_t *text, size_t size, const uint8_t *classes,
                               int64_t *counts) {
    size_t taken;
    unsigned before = 0;
    for (size_t at = 0; at < size; at += taken) {
        uint32_t character = read_character(text + at, size - at, &taken);
        uint32_t plane = character >> 16;
        size_t entry = plane == 0 ? character : PLANE + (plane > 16 ? 15 : plane - 1);
        unsigned class = classes[entry] & 15;
        counts[before << 4 | class]++;
        before = class;
    }
}
