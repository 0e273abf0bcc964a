/* MinHash: a text as the least values of many hash functions over its runs of characters or words.
 *
 * A run is hashed once to 32 bits; function j of it is factor[j] * run + offset[j] modulo 2^32, and
 * a signature holds the least value of each function. Runs are gathered in blocks, so that the
 * inner loop works on registers only; a run met a moment ago is left out, it can change nothing.
 *
 * Source: A. Broder, Compression and Complexity of Sequences 1997, section 3.
 */
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

#define BLOCK 1024
#define SEEN 4096
#define MAX_RUN 64
#define BASE UINT64_C(0x9E3779B97F4A7C15) /* odd */

typedef struct {
    const uint32_t *factors, *offsets; /* of each function */
    uint32_t *lowest;                  /* the signature */
    size_t num_functions;
    size_t num_runs; /* waiting in `runs` */
    size_t run;      /* characters or words in one */
    size_t count;    /* of characters or words so far */
    uint64_t hash, leaving;
    uint64_t ring[MAX_RUN];
    uint32_t runs[BLOCK];
    uint32_t seen[SEEN];
} sketch_t;

/* Source: finaliser of SplitMix64, G. Steele et al., OOPSLA 2014. */
static uint64_t mix(uint64_t value) {
    value = (value ^ (value >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94D049BB133111EB);
    return value ^ (value >> 31);
}

/* Odd factors and any offsets, the same for ever, so that signatures can be compared. */
LS_EXPORT void ls_minhash_functions(size_t count, uint32_t *factors, uint32_t *offsets) {
    for (size_t place = 0; place < count; place++) {
        factors[place] = (uint32_t)(mix(2 * place + 1) >> 32) | 1;
        offsets[place] = (uint32_t)(mix(2 * place + 2) >> 32);
    }
}

static inline uint32_t least(uint32_t left, uint32_t right) { return left < right ? left : right; }

/* Four runs at a time, so that the lowest values are loaded and stored a quarter as often. */
WIDE static void lower(const uint32_t *restrict runs, size_t num_runs,
                       const uint32_t *restrict factors, const uint32_t *restrict offsets,
                       uint32_t *restrict lowest, size_t num_functions) {
    size_t at = 0;
    for (; at + 4 <= num_runs; at += 4) {
        uint32_t first = runs[at], second = runs[at + 1], third = runs[at + 2],
                 fourth = runs[at + 3];
        for (size_t place = 0; place < num_functions; place++) {
            uint32_t factor = factors[place], offset = offsets[place];
            uint32_t one = least(first * factor + offset, second * factor + offset);
            uint32_t two = least(third * factor + offset, fourth * factor + offset);
            lowest[place] = least(lowest[place], least(one, two));
        }
    }
    for (; at < num_runs; at++)
        for (size_t place = 0; place < num_functions; place++)
            lowest[place] = least(lowest[place], runs[at] * factors[place] + offsets[place]);
}

static void flush(sketch_t *sketch) {
    lower(sketch->runs, sketch->num_runs, sketch->factors, sketch->offsets, sketch->lowest,
          sketch->num_functions);
    sketch->num_runs = 0;
}

static void start(sketch_t *sketch, size_t run) {
    sketch->num_runs = sketch->count = 0;
    sketch->hash = 0;
    sketch->run = run;
    sketch->leaving = 1;
    for (size_t item = 0; item < run; item++) sketch->leaving *= BASE;
    for (uint32_t slot = 0; slot < SEEN; slot++) sketch->seen[slot] = ~slot; /* of no run here */
    memset(sketch->lowest, 0xFF, sketch->num_functions * sizeof *sketch->lowest);
}

static void add_run(sketch_t *sketch) {
    uint32_t hash = (uint32_t)(mix(sketch->hash) >> 32);
    uint32_t *slot = &sketch->seen[hash % SEEN];
    if (*slot == hash) return;
    *slot = hash;
    sketch->runs[sketch->num_runs++] = hash;
    if (sketch->num_runs == BLOCK) flush(sketch);
}

/* One more character or word: the oldest leaves the run. */
static void add(sketch_t *sketch, uint64_t item) {
    size_t place = sketch->count % sketch->run;
    sketch->hash = sketch->hash * BASE + item;
    if (sketch->count >= sketch->run) sketch->hash -= sketch->ring[place] * sketch->leaving;
    sketch->ring[place] = item;
    sketch->count++;
    if (sketch->count >= sketch->run) add_run(sketch);
}

/* A text shorter than a run is one run. Returns how many characters or words there were. */
static size_t finish(sketch_t *sketch) {
    if (sketch->count && sketch->count < sketch->run) add_run(sketch);
    flush(sketch);
    return sketch->count;
}

/* Reads UTF-8 and never past `end`; a byte that is none stands for itself. */
static uint32_t next_point(const uint8_t **at, const uint8_t *end) {
    const uint8_t *here = *at;
    uint32_t first = here[0];
    size_t more = first < 0xC0 ? 0 : first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
    if (!more || (size_t)(end - here) <= more) {
        *at = here + 1;
        return first;
    }
    uint32_t point = first & (0x3Fu >> more);
    for (size_t place = 1; place <= more; place++) point = point << 6 | (here[place] & 0x3Fu);
    *at = here + more + 1;
    return point;
}

static int is_space(uint32_t point) {
    if (point < 0x80) return point == ' ' || (point >= 0x09 && point <= 0x0D);
    return point == 0x85 || point == 0xA0 || point == 0x3000 || point == 0x1680 ||
           (point >= 0x2000 && point <= 0x200A) || point == 0x2028 || point == 0x2029 ||
           point == 0x202F || point == 0x205F;
}

/* Signs a text by its runs of characters, white space left out. `run` is 1 to 64. */
LS_EXPORT size_t ls_minhash_characters(const uint8_t *text, size_t size, size_t run,
                                       const uint32_t *factors, const uint32_t *offsets,
                                       uint32_t *lowest, size_t num_functions) {
    sketch_t sketch = {
        .factors = factors, .offsets = offsets, .lowest = lowest, .num_functions = num_functions};
    start(&sketch, run);
    for (const uint8_t *at = text, *end = text + size; at < end;) {
        uint32_t point = next_point(&at, end);
        if (!is_space(point)) add(&sketch, point + 1);
    }
    return finish(&sketch);
}

/* Signs hashes of words by their runs. `run` is 1 to 64. */
LS_EXPORT size_t ls_minhash_words(const uint64_t *words, size_t count, size_t run,
                                  const uint32_t *factors, const uint32_t *offsets,
                                  uint32_t *lowest, size_t num_functions) {
    sketch_t sketch = {
        .factors = factors, .offsets = offsets, .lowest = lowest, .num_functions = num_functions};
    start(&sketch, run);
    for (size_t word = 0; word < count; word++) add(&sketch, words[word]);
    return finish(&sketch);
}

/* The keys of a signature's bands: `rows` of its numbers and the band's own number, mixed. */
LS_EXPORT void ls_minhash_bands(const uint32_t *signatures, size_t num_signatures, size_t num_bands,
                                size_t num_rows, uint64_t *keys, uint64_t *digests) {
    size_t width = num_bands * num_rows;
    for (size_t text = 0; text < num_signatures; text++) {
        const uint32_t *signature = signatures + text * width;
        uint64_t digest = 0;
        for (size_t band = 0; band < num_bands; band++) {
            uint64_t key = band + 1;
            for (size_t row = 0; row < num_rows; row++)
                key = mix(key * BASE + signature[band * num_rows + row]);
            keys[text * num_bands + band] = key;
            digest = mix(digest * BASE + key);
        }
        digests[text] = digest;
    }
}

typedef struct {
    const uint32_t *signatures; /* `width` numbers each */
    size_t width, min_equal;
    uint32_t *owners; /* of each place in the bucket: a union-find forest */
    uint32_t *left, *right, *equal; /* of each link: places in `members` */
    size_t num_links;
} linking_t;

static uint32_t find(uint32_t *owners, uint32_t place) {
    while (owners[place] != place) place = owners[place] = owners[owners[place]];
    return place;
}

static void compare(linking_t *linking, const uint32_t *members, uint64_t start, uint32_t earlier,
                    uint32_t later) {
    members += start;
    uint32_t one = find(linking->owners, earlier), two = find(linking->owners, later);
    if (one == two) return;
    const uint32_t *left = linking->signatures + (size_t)members[earlier] * linking->width;
    const uint32_t *right = linking->signatures + (size_t)members[later] * linking->width;
    uint32_t equal = 0;
    for (size_t place = 0; place < linking->width; place++) equal += left[place] == right[place];
    if (equal < linking->min_equal) return;
    linking->owners[one < two ? two : one] = one < two ? one : two;
    linking->left[linking->num_links] = (uint32_t)(start + earlier);
    linking->right[linking->num_links] = (uint32_t)(start + later);
    linking->equal[linking->num_links++] = equal;
}

/* Links signatures that are alike within each bucket of different ones: a spanning forest.
 *
 * Each is compared with the first `reach` of its bucket and with the `reach` before it, so that a
 * bucket of a million costs a million times a constant. `members` are numbers of signatures,
 * bucket i being those from starts[i] to starts[i + 1]. Returns the number of links, less than
 * that of members, or SIZE_MAX where memory is out.
 */
LS_EXPORT size_t ls_minhash_link(const uint32_t *signatures, size_t width, const uint32_t *members,
                                 const uint64_t *starts, size_t num_buckets, size_t min_equal,
                                 size_t reach, uint32_t *left, uint32_t *right, uint32_t *equal) {
    size_t longest = 1;
    for (size_t bucket = 0; bucket < num_buckets; bucket++)
        if (starts[bucket + 1] - starts[bucket] > longest)
            longest = starts[bucket + 1] - starts[bucket];
    uint32_t *owners = malloc(longest * sizeof *owners);
    if (!owners) return SIZE_MAX;
    linking_t linking = {.signatures = signatures, .width = width, .min_equal = min_equal,
                         .owners = owners, .left = left, .right = right,
                         .equal = equal};
    for (size_t bucket = 0; bucket < num_buckets; bucket++) {
        uint32_t size = (uint32_t)(starts[bucket + 1] - starts[bucket]);
        for (uint32_t later = 0; later < size; later++) {
            owners[later] = later;
            for (uint32_t first = 0; first < later && first < reach; first++)
                compare(&linking, members, starts[bucket], first, later);
            /* Those within reach of the start are done. */
            for (uint32_t back = 1; back <= reach && later >= reach + back; back++)
                compare(&linking, members, starts[bucket], later - back, later);
        }
    }
    free(owners);
    return linking.num_links;
}
