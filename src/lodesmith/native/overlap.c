/* Looks for known runs of words, of several lengths, in one pass over a text's hashes of words.
 *
 * No known run is shorter than `prefix` words, so each begins with a prefix of that length. A
 * rolling hash of prefixes is looked up in a bitmap; only where it may be known are whole runs
 * hashed and searched for. The cost does not depend on how many lengths there are.
 */
#include "kernels.h"

#define BASE UINT64_C(0xD6E8FEB86659FD93) /* odd */

/* Source: finaliser of SplitMix64, G. Steele et al., OOPSLA 2014. */
static uint64_t mix(uint64_t value) {
    value = (value ^ (value >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94D049BB133111EB);
    return value ^ (value >> 31);
}

static uint64_t polynomial(const uint64_t *words, size_t length) {
    uint64_t total = 0;
    for (size_t word = 0; word < length; word++) total = total * BASE + words[word];
    return total;
}

/* Runs of different lengths differ by them as well. */
static uint64_t hash_run(const uint64_t *words, size_t length) {
    return mix(mix(polynomial(words, length)) + length);
}

/* Two bits of a bitmap of a power of two bits stand for a prefix. */
static int test(const uint8_t *bits, uint64_t mask, uint64_t hash) {
    uint64_t one = hash & mask, two = (hash >> 32) & mask;
    return (bits[one >> 3] >> (one & 7)) & (bits[two >> 3] >> (two & 7)) & 1;
}

static void mark(uint8_t *bits, uint64_t mask, uint64_t hash) {
    uint64_t one = hash & mask, two = (hash >> 32) & mask;
    bits[one >> 3] |= (uint8_t)(1u << (one & 7));
    bits[two >> 3] |= (uint8_t)(1u << (two & 7));
}

/* Hashes all runs of a text, count - length + 1 of them, and marks their prefixes. */
LS_EXPORT void ls_overlap_add(const uint64_t *words, size_t count, size_t length, size_t prefix,
                              uint8_t *bits, uint64_t mask, uint64_t *hashes) {
    for (size_t start = 0; start + length <= count; start++) {
        hashes[start] = hash_run(words + start, length);
        mark(bits, mask, mix(polynomial(words + start, prefix)));
    }
}

static size_t search(const uint64_t *sorted, size_t count, uint64_t hash) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sorted[middle] < hash)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && sorted[low] == hash ? low : count;
}

/* Returns at how many words a known run begins; `found` is the place of the first in `runs`. */
LS_EXPORT size_t ls_overlap_find(const uint64_t *words, size_t count, size_t prefix,
                                 const uint8_t *bits, uint64_t mask, const uint64_t *runs,
                                 size_t num_runs, const uint64_t *lengths, size_t num_lengths,
                                 uint64_t *found) {
    uint64_t total = 0, leaving = 1;
    size_t hits = 0;
    for (size_t word = 0; word < prefix; word++) leaving *= BASE;
    for (size_t end = 0; end < count; end++) {
        total = total * BASE + words[end];
        if (end >= prefix) total -= words[end - prefix] * leaving;
        if (end + 1 < prefix || !test(bits, mask, mix(total))) continue;
        size_t start = end + 1 - prefix;
        for (size_t which = 0; which < num_lengths; which++) {
            if (lengths[which] > count - start) continue;
            size_t place = search(runs, num_runs, hash_run(words + start, lengths[which]));
            if (place == num_runs) continue;
            if (!hits++) *found = place;
            break;
        }
    }
    return hits;
}
