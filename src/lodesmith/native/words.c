/* Words of a text as hashes, in one pass over its UTF-8; and hashes of runs of words.
 *
 * A word is a run of letters, digits and accents, or one Chinese character or kana, without regard
 * to case. `classes[point]` holds the lower-case code point in its low 24 bits and above them what
 * the point is to a word; points past the table are ideographs up to LAST_SINGLE, else marks.
 *
 * Marks part clauses: commas, full stops, brackets and the like, ends of lines. A dash, a stop, a
 * colon or the like parts them only beside another such or a blank, as in "a - b" but not in "a-b",
 * or behind a Chinese character; behind that a blank before another parts them, too. Quotes never do. */
#include "kernels.h"

enum { MARK, WORD, DIGIT, SINGLE, BLANK, LINE, SOFT_MARK, QUOTE };
enum { IS_SINGLE = 1, HAS_LETTER = 2, AFTER_MARK = 4, BEGINS_LINE = 8 }; /* flags of a word */

#define TABLE_POINTS 0x20000u
#define LAST_SINGLE 0x3FFFFu
#define BASE 0x9E3779B97F4A7C15ull       /* odd, so no factor is lost modulo 2^64 */
#define RUN_FACTOR 0xD6E8FEB86659FD93ull /* odd */

/* Finaliser of SplitMix64: G. Steele et al., OOPSLA 2014, doi:10.1145/2660193.2660195. */
static inline uint64_t mix(uint64_t value) {
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ull;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBull;
    return value ^ (value >> 31);
}

/* Returns the code point at `at`, and where the next begins; a torn one is read as its bytes. */
static inline uint32_t next_point(const uint8_t **at, const uint8_t *end) {
    const uint8_t *text = *at;
    uint32_t first = *text;
    size_t left = (size_t)(end - text);
    if (first < 0xC0 || left < 2) {
        *at += 1;
        return first;
    }
    if (first < 0xE0) {
        *at += 2;
        return (first & 0x1F) << 6 | (text[1] & 0x3Fu);
    }
    if (first < 0xF0 && left >= 3) {
        *at += 3;
        return (first & 0xF) << 12 | (text[1] & 0x3Fu) << 6 | (text[2] & 0x3Fu);
    }
    if (left >= 4) {
        *at += 4;
        return (first & 7) << 18 | (text[1] & 0x3Fu) << 12 | (text[2] & 0x3Fu) << 6 |
               (text[3] & 0x3Fu);
    }
    *at += 1;
    return first;
}

/* What a word's flags say of the gap before it; `kinds` has a bit for each class in it. */
static inline uint8_t judge_gap(uint32_t kinds, uint32_t size, int after_single, int is_single) {
    if (kinds & 1u << LINE) return AFTER_MARK | BEGINS_LINE;
    uint32_t parting = 1u << MARK;
    if (after_single || size > 1) parting |= 1u << SOFT_MARK;
    if (after_single && is_single) parting |= 1u << BLANK;
    return kinds & parting ? AFTER_MARK : 0;
}

/* Writes each word's hash, its length in code points, and its flags: 1 Chinese or kana, 2 not
 * digits only, 4 a mark stands before it, 8 it begins a line. All have room for size / 2 + 1 words, which no text exceeds: a word of one byte
 * needs a byte that parts it from the next, every other word takes two. Returns how many. */
LS_EXPORT size_t ls_words_split(const uint8_t *text, size_t size, const uint32_t *classes,
                                uint64_t *hashes, int64_t *lengths, uint8_t *flags) {
    const uint8_t *at = text, *end = text + size;
    size_t count = 0, room = size / 2 + 1;
    uint64_t hash = 0;
    int64_t length = 0;
    uint8_t flag = 0, before = 0;
    uint32_t gap = 1u << LINE, gap_size = 1; /* a text begins a line */
    int after_single = 0;
    while (at < end) {
        uint32_t point = next_point(&at, end);
        uint32_t entry = point < TABLE_POINTS ? classes[point]
                         : point <= LAST_SINGLE ? (uint32_t)SINGLE << 24 | point
                                                : point;
        uint32_t class = entry >> 24, lower = entry & 0xFFFFFF;
        if (class == WORD || class == DIGIT) {
            if (!length) before = judge_gap(gap, gap_size, after_single, 0), flag = 0;
            hash = hash * BASE + lower + 1;
            length++;
            if (class == WORD) flag = HAS_LETTER;
            gap = gap_size = 0, after_single = 0;
            continue;
        }
        if (length && count < room)
            hashes[count] = mix(hash), lengths[count] = length, flags[count++] = flag | before;
        hash = 0, length = 0;
        if (class != SINGLE) {
            gap |= 1u << class, gap_size++;
            continue;
        }
        before = judge_gap(gap, gap_size, after_single, 1);
        if (count < room) {
            hashes[count] = mix(lower + 1), lengths[count] = 1;
            flags[count++] = IS_SINGLE | HAS_LETTER | before;
        }
        gap = gap_size = 0, after_single = 1;
    }
    if (length && count < room)
        hashes[count] = mix(hash), lengths[count] = length, flags[count++] = flag | before;
    return count;
}

/* Writes the hash of each run of `run` words: count - run + 1 of them, run between 1 and count. */
LS_EXPORT void ls_words_runs(const uint64_t *hashes, size_t count, size_t run, uint64_t *out) {
    uint64_t factor = 1, total = 0;
    for (size_t word = 0; word < run; word++) factor *= RUN_FACTOR;
    for (size_t word = 0; word < count; word++) {
        total = total * RUN_FACTOR + hashes[word];
        if (word >= run) total -= hashes[word - run] * factor;
        if (word + 1 >= run) out[word + 1 - run] = mix(total);
    }
}
