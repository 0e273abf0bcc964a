/* Learns byte-pair merges: cut text into words, count equal words, merge the most frequent pair.
 *
 * Only distinct words are kept, so memory follows the vocabulary of the text, not its length. A
 * merge touches only words that hold its pair; the heap keeps counts that may be too high by now
 * and mends them when they come up.
 *
 * Source: R. Sennrich, B. Haddow, A. Birch, ACL 2016, section 3.2.
 */
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

enum { APART = 0, LETTER = 1, NUMBER = 2, SPACE = 3 }; /* classes of code points, from Python */

typedef struct {
    int64_t count;
    uint64_t hash;
    size_t start; /* in `bytes` */
    uint32_t size;
} word_t;

typedef struct {
    uint64_t key; /* left << 32 | right */
    int64_t count;
    uint32_t *words; /* that hold the pair, or held it once */
    uint32_t num_words, room;
} pair_t;

typedef struct {
    int64_t count;
    uint64_t key;
    uint32_t pair;
} entry_t;

typedef struct {
    const uint8_t *classes; /* of each code point; the caller keeps it */
    uint8_t *bytes;         /* of all distinct words, one after the other */
    size_t num_bytes, bytes_room;
    word_t *words;
    uint32_t num_words, words_room;
    uint32_t *slots; /* hash table of word numbers + 1 */
    uint32_t num_slots;
    int failed; /* out of memory */

    uint32_t *symbols; /* of word w from words[w].start on: a symbol never takes more than a byte */
    uint32_t *lengths;
    pair_t *pairs;
    uint32_t num_pairs, pairs_room;
    uint32_t *pair_slots;
    uint32_t num_pair_slots;
    entry_t *heap;
    uint32_t heap_size, heap_room;
} bpe_t;

/* -- memory: `failed` is checked by the callers from Python -- */

static int grow(bpe_t *bpe, void **array, size_t size, size_t needed, size_t room) {
    if (needed <= room) return 1;
    void *larger = realloc(*array, size * needed);
    if (larger == NULL) {
        bpe->failed = 1;
        return 0;
    }
    *array = larger;
    return 1;
}

static uint64_t mix(uint64_t x) { /* finaliser of SplitMix64 */
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    return x ^ (x >> 31);
}

static uint64_t hash_bytes(const uint8_t *text, size_t size) {
    uint64_t hash = size, block;
    for (; size >= 8; text += 8, size -= 8) {
        memcpy(&block, text, 8);
        hash = mix(hash ^ block) + 0x9E3779B97F4A7C15ull;
    }
    block = 0;
    memcpy(&block, text, size);
    return mix(hash ^ block);
}

/* -- words -- */

/* Doubles a table of slots; each holds the number of a thing from 1, or 0. */
static int double_slots(bpe_t *bpe, uint32_t **slots, uint32_t *num_slots, uint32_t num_things,
                        uint64_t (*hash_of)(const bpe_t *, uint32_t)) {
    uint32_t doubled = *num_slots ? *num_slots * 2 : 1u << 16;
    uint32_t *fresh = doubled ? calloc(doubled, sizeof *fresh) : NULL;
    if (fresh == NULL) {
        bpe->failed = 1;
        return 0;
    }
    for (uint32_t thing = 0; thing < num_things; thing++) {
        uint32_t slot = (uint32_t)hash_of(bpe, thing) & (doubled - 1);
        while (fresh[slot]) slot = (slot + 1) & (doubled - 1);
        fresh[slot] = thing + 1;
    }
    free(*slots);
    *slots = fresh;
    *num_slots = doubled;
    return 1;
}

static uint64_t hash_of_word(const bpe_t *bpe, uint32_t word) { return bpe->words[word].hash; }

static uint64_t hash_of_pair(const bpe_t *bpe, uint32_t pair) { return mix(bpe->pairs[pair].key); }

static int rehash_words(bpe_t *bpe) {
    return double_slots(bpe, &bpe->slots, &bpe->num_slots, bpe->num_words, hash_of_word);
}

static int rehash_pairs(bpe_t *bpe) {
    return double_slots(bpe, &bpe->pair_slots, &bpe->num_pair_slots, bpe->num_pairs, hash_of_pair);
}

static void add_word(bpe_t *bpe, const uint8_t *text, size_t size, uint64_t hash, uint32_t slot) {
    size_t room = bpe->num_bytes + size > bpe->bytes_room ? (bpe->num_bytes + size) * 2 + 4096 : 0;
    uint32_t more = bpe->num_words == bpe->words_room ? bpe->words_room * 2 + 1024 : 0;
    if (room && !grow(bpe, (void **)&bpe->bytes, 1, room, bpe->bytes_room)) return;
    if (room) bpe->bytes_room = room;
    if (more && !grow(bpe, (void **)&bpe->words, sizeof(word_t), more, bpe->words_room)) return;
    if (more) bpe->words_room = more;
    memcpy(bpe->bytes + bpe->num_bytes, text, size);
    bpe->words[bpe->num_words] = (word_t){1, hash, bpe->num_bytes, (uint32_t)size};
    bpe->num_bytes += size;
    bpe->slots[slot] = ++bpe->num_words;
}

static void count_word(bpe_t *bpe, const uint8_t *text, size_t size) {
    if (bpe->num_words >= UINT32_MAX / 4 || size > UINT32_MAX) bpe->failed = 1;
    if (bpe->num_words * 2u >= bpe->num_slots && !rehash_words(bpe)) return;
    uint64_t hash = hash_bytes(text, size);
    uint32_t slot = (uint32_t)hash & (bpe->num_slots - 1), number;
    while ((number = bpe->slots[slot])) {
        word_t *word = &bpe->words[number - 1];
        if (word->hash == hash && word->size == size &&
            memcmp(bpe->bytes + word->start, text, size) == 0) {
            word->count++;
            return;
        }
        slot = (slot + 1) & (bpe->num_slots - 1);
    }
    add_word(bpe, text, size, hash, slot);
}

/* -- cutting text into words: `SPLIT_PATTERN` of data/byte_level.py, alternative by alternative -- */

typedef struct {
    const uint8_t *at, *end;
    const uint8_t *classes;
} cursor_t;

/* Returns the class of the code point at `at` and its size; -1 at the end. Text is valid UTF-8. */
static int look(const cursor_t *cursor, const uint8_t *at, unsigned *size) {
    if (at >= cursor->end) return -1;
    uint32_t point = *at;
    unsigned need = point < 0x80 ? 1 : point < 0xE0 ? 2 : point < 0xF0 ? 3 : 4;
    if (need > (size_t)(cursor->end - at)) need = 1;
    if (need == 2) point = (point & 0x1F) << 6 | (at[1] & 0x3F);
    if (need == 3) point = (point & 0xF) << 12 | (at[1] & 0x3Fu) << 6 | (at[2] & 0x3F);
    if (need == 4)
        point = (point & 7) << 18 | (at[1] & 0x3Fu) << 12 | (at[2] & 0x3Fu) << 6 | (at[3] & 0x3F);
    *size = need;
    return point < 0x110000 ? cursor->classes[point] : APART;
}

static int is_newline(const cursor_t *cursor, const uint8_t *at) {
    return at < cursor->end && (*at == '\n' || *at == '\r');
}

static const uint8_t *skip(const cursor_t *cursor, const uint8_t *at, int class, int most) {
    unsigned size;
    while (most-- && look(cursor, at, &size) == class) at += size;
    return at;
}

static int is_letter_of(uint8_t byte, char letter) { return (byte | 0x20) == letter; }

static const uint8_t *match_contraction(const cursor_t *cursor) {
    const uint8_t *at = cursor->at;
    size_t left = (size_t)(cursor->end - at);
    if (left < 2 || *at != '\'') return NULL;
    if (at[1] < 0x80 && memchr("sdmt", at[1] | 0x20, 4) && (at[1] | 0x20) >= 'a') return at + 2;
    if (left < 3) return NULL;
    int ends_in_e = is_letter_of(at[2], 'e');
    if (is_letter_of(at[1], 'l') && is_letter_of(at[2], 'l')) return at + 3;
    if ((is_letter_of(at[1], 'v') || is_letter_of(at[1], 'r')) && ends_in_e) return at + 3;
    return NULL;
}

/* `\s*[\r\n]+|\s+(?!\S)|\s+` */
static const uint8_t *match_space(const cursor_t *cursor) {
    const uint8_t *after_newline = NULL, *last = cursor->at, *at = cursor->at;
    unsigned size;
    while (look(cursor, at, &size) == SPACE) {
        last = at;
        at += size;
        if (is_newline(cursor, last)) after_newline = at;
    }
    if (after_newline) return after_newline;
    if (at == cursor->end || last == cursor->at) return at;
    return last; /* the last space goes to the word behind it */
}

static const uint8_t *match_word(const cursor_t *cursor) {
    const uint8_t *found = match_contraction(cursor), *at = cursor->at;
    unsigned size = 1, next_size;
    if (found) return found;
    int class = look(cursor, at, &size);
    if (class == LETTER) return skip(cursor, at, LETTER, -1);
    if (class == NUMBER) return skip(cursor, at, NUMBER, 3);
    int next = look(cursor, at + size, &next_size);
    if (next == LETTER && !is_newline(cursor, at)) return skip(cursor, at + size, LETTER, -1);
    if (class == SPACE && !(*at == ' ' && next == APART)) return match_space(cursor);
    at = skip(cursor, at + (class == SPACE), APART, -1);
    while (is_newline(cursor, at)) at++;
    return at;
}

/* -- pairs -- */

/* Returns the number of a pair, made if it is new; UINT32_MAX without memory. */
static uint32_t find_pair(bpe_t *bpe, uint32_t left, uint32_t right) {
    if (bpe->num_pairs * 2u >= bpe->num_pair_slots && !rehash_pairs(bpe)) return UINT32_MAX;
    uint64_t key = (uint64_t)left << 32 | right;
    uint32_t slot = (uint32_t)mix(key) & (bpe->num_pair_slots - 1), number;
    while ((number = bpe->pair_slots[slot])) {
        if (bpe->pairs[number - 1].key == key) return number - 1;
        slot = (slot + 1) & (bpe->num_pair_slots - 1);
    }
    if (bpe->num_pairs == bpe->pairs_room) {
        uint32_t room = bpe->pairs_room * 2 + 4096;
        if (!grow(bpe, (void **)&bpe->pairs, sizeof(pair_t), room, bpe->pairs_room))
            return UINT32_MAX;
        bpe->pairs_room = room;
    }
    bpe->pairs[bpe->num_pairs] = (pair_t){.key = key};
    bpe->pair_slots[slot] = ++bpe->num_pairs;
    return bpe->num_pairs - 1;
}

static void note_word(bpe_t *bpe, uint32_t number, uint32_t word) {
    pair_t *pair = &bpe->pairs[number];
    if (pair->num_words && pair->words[pair->num_words - 1] == word) return; /* twice in a word */
    if (pair->num_words == pair->room) {
        uint32_t room = pair->room * 2 + 2;
        if (!grow(bpe, (void **)&pair->words, sizeof(uint32_t), room, pair->room)) return;
        pair->room = room;
    }
    pair->words[pair->num_words++] = word;
}

static void change(bpe_t *bpe, uint32_t left, uint32_t right, uint32_t word, int64_t by) {
    uint32_t pair = find_pair(bpe, left, right);
    if (pair == UINT32_MAX) return;
    bpe->pairs[pair].count += by;
    if (by > 0) note_word(bpe, pair, word);
}

/* -- heap: highest count first, of equal counts the smallest pair -- */

static int is_before(const entry_t *one, const entry_t *other) {
    return one->count != other->count ? one->count > other->count : one->key < other->key;
}

static void sink(bpe_t *bpe, uint32_t at) {
    entry_t *heap = bpe->heap, moved = heap[at];
    for (uint32_t child; (child = 2 * at + 1) < bpe->heap_size; at = child) {
        if (child + 1 < bpe->heap_size && is_before(&heap[child + 1], &heap[child])) child++;
        if (!is_before(&heap[child], &moved)) break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

static void push(bpe_t *bpe, uint32_t pair) {
    if (bpe->heap_size == bpe->heap_room) {
        uint32_t room = bpe->heap_room * 2 + 4096;
        if (!grow(bpe, (void **)&bpe->heap, sizeof(entry_t), room, bpe->heap_room)) return;
        bpe->heap_room = room;
    }
    entry_t entry = {bpe->pairs[pair].count, bpe->pairs[pair].key, pair};
    uint32_t at = bpe->heap_size++;
    for (; at && is_before(&entry, &bpe->heap[(at - 1) / 2]); at = (at - 1) / 2)
        bpe->heap[at] = bpe->heap[(at - 1) / 2];
    bpe->heap[at] = entry;
}

/* Returns the most frequent pair, UINT32_MAX if none is as frequent as `least`. */
static uint32_t pop(bpe_t *bpe, int64_t least) {
    while (bpe->heap_size) {
        entry_t *top = &bpe->heap[0];
        int64_t now = bpe->pairs[top->pair].count;
        uint32_t pair = top->pair;
        int is_true = top->count == now;
        if (is_true && now < least) return UINT32_MAX;
        if (is_true || now < least) {
            *top = bpe->heap[--bpe->heap_size];
        } else {
            top->count = now;
        }
        if (bpe->heap_size) sink(bpe, 0);
        if (is_true) return pair;
    }
    return UINT32_MAX;
}

/* -- merging -- */

static void merge_in_word(bpe_t *bpe, uint32_t word, uint32_t left, uint32_t right, uint32_t made) {
    uint32_t *symbols = bpe->symbols + bpe->words[word].start, length = bpe->lengths[word], out = 0;
    int64_t count = bpe->words[word].count;
    for (uint32_t at = 0; at < length; at++) {
        if (symbols[at] != left || at + 1 >= length || symbols[at + 1] != right) {
            symbols[out++] = symbols[at];
            continue;
        }
        if (out) { /* the symbol before may itself be `made` a moment ago */
            change(bpe, symbols[out - 1], left, word, -count);
            change(bpe, symbols[out - 1], made, word, count);
        }
        at++;
        if (at + 1 < length) {
            change(bpe, right, symbols[at + 1], word, -count);
            change(bpe, made, symbols[at + 1], word, count);
        }
        symbols[out++] = made;
    }
    bpe->lengths[word] = out;
}

static int start_training(bpe_t *bpe, const uint8_t *byte_ids) {
    bpe->symbols = malloc(sizeof(uint32_t) * (bpe->num_bytes + 1));
    bpe->lengths = malloc(sizeof(uint32_t) * (bpe->num_words + 1));
    if (bpe->symbols == NULL || bpe->lengths == NULL) bpe->failed = 1;
    for (size_t at = 0; at < bpe->num_bytes && !bpe->failed; at++)
        bpe->symbols[at] = byte_ids[bpe->bytes[at]];
    for (uint32_t word = 0; word < bpe->num_words && !bpe->failed; word++) {
        const uint32_t *symbols = bpe->symbols + bpe->words[word].start;
        bpe->lengths[word] = bpe->words[word].size;
        for (uint32_t at = 0; at + 1 < bpe->lengths[word]; at++)
            change(bpe, symbols[at], symbols[at + 1], word, bpe->words[word].count);
    }
    for (uint32_t pair = 0; pair < bpe->num_pairs && !bpe->failed; pair++) push(bpe, pair);
    return !bpe->failed;
}

static void merge_everywhere(bpe_t *bpe, uint32_t number, uint32_t made) {
    pair_t pair = bpe->pairs[number];
    uint32_t first_new = bpe->num_pairs; /* all pairs with `made` in them are new */
    bpe->pairs[number].words = NULL;
    bpe->pairs[number].num_words = bpe->pairs[number].room = 0;
    for (uint32_t at = 0; at < pair.num_words && !bpe->failed; at++)
        merge_in_word(bpe, pair.words[at], (uint32_t)(pair.key >> 32), (uint32_t)pair.key, made);
    free(pair.words);
    if (!bpe->failed) bpe->pairs[number].count = 0;
    for (uint32_t made_pair = first_new; made_pair < bpe->num_pairs && !bpe->failed; made_pair++)
        if (bpe->pairs[made_pair].count > 0) push(bpe, made_pair);
}

/* -- what Python calls -- */

/* Returns a trainer, NULL without memory. classes: 0x110000 bytes that outlive it. */
LS_EXPORT void *ls_bpe_new(const uint8_t *classes) {
    bpe_t *bpe = calloc(1, sizeof *bpe);
    if (bpe) bpe->classes = classes;
    return bpe;
}

/* Counts the words of a text in UTF-8; returns 0, or -1 without memory. */
LS_EXPORT int ls_bpe_add(void *handle, const uint8_t *text, size_t size) {
    bpe_t *bpe = handle;
    cursor_t cursor = {text, text + size, bpe->classes};
    while (cursor.at < cursor.end && !bpe->failed) {
        const uint8_t *end = match_word(&cursor);
        count_word(bpe, cursor.at, (size_t)(end - cursor.at));
        cursor.at = end;
    }
    return bpe->failed ? -1 : 0;
}

/* Writes the ends of a text's words, at most `room` of them; returns how many there are. */
LS_EXPORT size_t ls_bpe_split(void *handle, const uint8_t *text, size_t size, uint64_t *ends,
                              size_t room) {
    bpe_t *bpe = handle;
    cursor_t cursor = {text, text + size, bpe->classes};
    size_t count = 0;
    while (cursor.at < cursor.end) {
        cursor.at = match_word(&cursor);
        if (count < room) ends[count] = (uint64_t)(cursor.at - text);
        count++;
    }
    return count;
}

/* Returns the bytes of all distinct words: what memory follows. */
LS_EXPORT size_t ls_bpe_word_bytes(void *handle) {
    bpe_t *bpe = handle;
    return bpe->num_bytes + bpe->num_words * sizeof(word_t);
}

/* Learns merges; call once. byte_ids: the id of each byte. pairs: room for 2 * num_merges ids; merge
 * m makes id 256 + m. Returns how many merges were learnt, -1 without memory. */
LS_EXPORT int64_t ls_bpe_train(void *handle, const uint8_t *byte_ids, int64_t num_merges,
                               int64_t least_count, uint32_t *pairs) {
    bpe_t *bpe = handle;
    if (bpe->failed || bpe->symbols || !start_training(bpe, byte_ids)) return -1;
    int64_t merge = 0;
    for (; merge < num_merges && !bpe->failed; merge++) {
        uint32_t pair = pop(bpe, least_count);
        if (pair == UINT32_MAX) break;
        pairs[2 * merge] = (uint32_t)(bpe->pairs[pair].key >> 32);
        pairs[2 * merge + 1] = (uint32_t)bpe->pairs[pair].key;
        merge_everywhere(bpe, pair, (uint32_t)(256 + merge));
    }
    return bpe->failed ? -1 : merge;
}

LS_EXPORT void ls_bpe_free(void *handle) {
    bpe_t *bpe = handle;
    if (bpe == NULL) return;
    for (uint32_t pair = 0; pair < bpe->num_pairs; pair++) free(bpe->pairs[pair].words);
    free(bpe->bytes);
    free(bpe->words);
    free(bpe->slots);
    free(bpe->symbols);
    free(bpe->lengths);
    free(bpe->pairs);
    free(bpe->pair_slots);
    free(bpe->heap);
    free(bpe);
}
