/* What rules on quality compare with their limits, counted in one pass over a text.
 *
 * Works for any words: those of `ls_words_split`, or English tokens as the published rules take
 * them. All counts are exact integers; ratios and limits are Python's affair. */
#include <stdlib.h>
#include <string.h>

#include "english_tokens.h"

#define BASE 0x9E3779B97F4A7C15ull

static inline uint64_t mix(uint64_t value) {
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9ull;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBull;
    return value ^ (value >> 31);
}

/* -- a table of hashes with a count each, emptied by raising `round` -- */

typedef struct {
    uint64_t hash;
    uint32_t round, count, first;
} slot_t;

typedef struct {
    slot_t *slots;
    uint32_t mask, round;
} table_t;

static int start_table(table_t *table, size_t most) {
    uint32_t num_slots = 64;
    while (num_slots < 2 * most && num_slots < 1u << 30) num_slots *= 2;
    table->slots = calloc(num_slots, sizeof(slot_t));
    table->mask = num_slots - 1;
    table->round = 0;
    return table->slots != NULL && num_slots >= 2 * most;
}

/* Returns the slot of a hash, whose count is 0 if it is new. */
static inline slot_t *find_slot(table_t *table, uint64_t hash) {
    uint32_t at = (uint32_t)hash & table->mask;
    while (table->slots[at].round == table->round && table->slots[at].hash != hash)
        at = (at + 1) & table->mask;
    slot_t *slot = &table->slots[at];
    if (slot->round != table->round) *slot = (slot_t){hash, table->round, 0, 0};
    return slot;
}

/* -- repetition of runs of words -- */

/* A word's polynomial, and by how many places it moves what stands before it: so runs of words can
 * be hashed as the string they make, whichever way it is cut. From the sums of all words before,
 * the polynomial and the length of any run follow at once; `add_up` fills in these and the hash. */
typedef struct {
    uint64_t sum;
    uint32_t places, length;
    uint64_t hash, sum_before;
    uint32_t places_before, chars_before;
} word_t;

enum { NUM_POWERS = 256 };

static uint64_t power_of(const uint64_t *powers, uint32_t places) {
    uint64_t power = 1;
    for (; places >= NUM_POWERS; places -= NUM_POWERS - 1) power *= powers[NUM_POWERS - 1];
    return power * powers[places];
}

/* Fills in the rest of `count` words, and the sums of the place behind them. */
static void add_up(word_t *words, size_t count, uint64_t *powers) {
    uint64_t sum = 0;
    uint32_t places = 0, chars = 0;
    powers[0] = 1;
    for (size_t place = 1; place < NUM_POWERS; place++) powers[place] = powers[place - 1] * BASE;
    for (size_t at = 0;; at++) {
        words[at].sum_before = sum;
        words[at].places_before = places;
        words[at].chars_before = chars;
        if (at == count) return;
        words[at].hash = mix(words[at].sum);
        sum = sum * power_of(powers, words[at].places) + words[at].sum;
        places += words[at].places;
        chars += words[at].length;
    }
}

/* Characters in the copies of the most frequent run, joined by spaces; of equally frequent ones
 * the first. Copies up to `free` count nothing, as short texts repeat a run by chance. */
static int64_t top_run_chars(table_t *table, const word_t *words, size_t count, size_t run,
                             uint32_t free_copies, int with_spaces) {
    uint32_t best = 0, best_at = 0;
    table->round++;
    for (size_t at = 0; at + run <= count; at++) {
        uint64_t hash = 0;
        for (size_t word = at; word < at + run; word++) hash = hash * 31 + words[word].hash;
        slot_t *slot = find_slot(table, mix(hash));
        if (!slot->count++) slot->first = (uint32_t)at;
        if (slot->count > best || (slot->count == best && slot->first < best_at)) {
            best = slot->count;
            best_at = slot->first;
        }
    }
    if (best <= free_copies) return 0;
    int64_t chars = with_spaces ? (int64_t)run - 1 : 0;
    for (size_t word = best_at; word < best_at + run; word++) chars += words[word].length;
    return chars * (best - free_copies);
}

/* Characters in runs that stand earlier in the text, none counted twice. */
static int64_t copied_run_chars(table_t *table, const word_t *words, size_t count, size_t run,
                                const uint64_t *powers) {
    int64_t chars = 0;
    table->round++;
    for (size_t at = 0; at + run <= count;) {
        const word_t *first = &words[at], *end = &words[at + run];
        uint64_t power = power_of(powers, end->places_before - first->places_before);
        slot_t *slot = find_slot(table, mix(end->sum_before - first->sum_before * power));
        if (slot->count) {
            chars += end->chars_before - first->chars_before;
            at += run;
        } else {
            slot->count = 1;
            at++;
        }
    }
    return chars;
}

enum { TOP_2, TOP_3, TOP_4, COPIED_5, COPIED_10 = COPIED_5 + 5, NUM_REPEATS };

static void count_repeats(table_t *table, word_t *words, size_t count, uint32_t free_copies,
                          int with_spaces, int64_t *out) {
    uint64_t powers[NUM_POWERS];
    add_up(words, count, powers);
    for (size_t run = 2; run <= 4; run++)
        out[TOP_2 + run - 2] =
            top_run_chars(table, words, count, run, free_copies, with_spaces);
    for (size_t run = 5; run <= 10; run++)
        out[COPIED_5 + run - 5] = copied_run_chars(table, words, count, run, powers);
}

/* Counts repeated runs of words given by hash and length. out: 9 numbers. Returns -1 without
 * memory. */
LS_EXPORT int ls_quality_repeats(const uint64_t *hashes, const int64_t *lengths, size_t count,
                                 uint32_t free_copies, int64_t *out) {
    table_t table;
    word_t *words = malloc(sizeof(word_t) * (count + 1));
    int is_ready = start_table(&table, count + 1);
    if (words == NULL || !is_ready) {
        free(words);
        free(table.slots);
        return -1;
    }
    for (size_t word = 0; word < count; word++)
        words[word] = (word_t){hashes[word], 1, (uint32_t)lengths[word], 0, 0, 0, 0};
    count_repeats(&table, words, count, free_copies, 0, out);
    free(words);
    free(table.slots);
    return 0;
}

/* -- the published rules on English tokens -- */

typedef struct {
    english_t english;
    uint32_t *points, *kinds;
    word_t *words;
    table_t table;
    size_t size;
    const uint32_t *classes;
} text_t;

enum { /* numbers that `ls_quality_english` writes, in the order of native/quality.py */
    CHARS, TOKENS, PLAIN_TOKENS, PLAIN_CHARS, ALPHA_TOKENS, STOP_WORDS, HASH_SIGNS, ELLIPSES,
    LINES, BULLET_LINES, ELLIPSIS_LINES, PARAGRAPHS, COPIED_PARAGRAPHS, COPIED_PARAGRAPH_CHARS,
    BLOCKS, COPIED_BLOCKS, COPIED_BLOCK_CHARS, FULL_LINES, STOPPED_LINES, SHORT_LINES,
    COPIED_LINE_CHARS, NEWLINES, C4_SENTENCES, C4_LOREM, C4_BRACKET, C4_KEPT, REPEATS,
    NUM_COUNTS = REPEATS + NUM_REPEATS
};

static uint32_t class_of(const text_t *text, uint32_t point) {
    if (point < 0x20000) return text->classes[point];
    return point < 0x40000 ? ALPHA | LOWER | UPPER | IS_ALPHA : 0;
}

/* Decodes valid UTF-8; a torn end is left out. */
static void decode(text_t *text, const uint8_t *bytes, size_t size) {
    size_t count = 0;
    for (size_t at = 0; at < size;) {
        uint32_t first = bytes[at], point = first;
        size_t need = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
        if (at + need > size) break;
        if (need > 1) point = first & (0xFF >> (need + 1));
        for (size_t more = 1; more < need; more++) point = point << 6 | (bytes[at + more] & 0x3F);
        text->points[count] = point;
        text->kinds[count++] = class_of(text, point);
        at += need;
    }
    text->size = count;
}

static int equals(const text_t *text, size_t start, size_t end, const char *word) {
    size_t at = start;
    while (at < end && *word && text->points[at] == (uint8_t)*word) at++, word++;
    return at == end && !*word;
}

static void count_tokens(text_t *text, int64_t *out) {
    static const char *const stops[] = {"the", "be", "to", "of", "and", "that", "have", "with"};
    uint32_t seen = 0;
    for (size_t token = 0; token < text->english.num_tokens; token++) {
        uint32_t start = text->english.tokens[token].start, end = text->english.tokens[token].end;
        uint32_t any = 0, all = SYMBOL;
        word_t word = {0, end - start, end - start, 0, 0, 0, 0};
        for (uint32_t at = start; at < end; at++) {
            any |= text->kinds[at];
            all &= text->kinds[at];
            word.sum = word.sum * BASE + text->points[at] + 1;
        }
        text->words[token] = word;
        out[ALPHA_TOKENS] += (any & IS_ALPHA) != 0;
        out[PLAIN_TOKENS] += !all;
        out[PLAIN_CHARS] += all ? 0 : end - start;
        for (uint32_t stop = 0; stop < 8 && end - start <= 4; stop++)
            if (equals(text, start, end, stops[stop])) seen |= 1u << stop;
    }
    out[TOKENS] = (int64_t)text->english.num_tokens;
    for (; seen; seen &= seen - 1) out[STOP_WORDS]++;
}

static int is_ellipsis_end(const text_t *text, size_t start, size_t end) {
    if (end > start && text->points[end - 1] == 0x2026) return 1;
    return end - start >= 3 && equals(text, end - 3, end, "...");
}

static void trim(const text_t *text, size_t *start, size_t *end) {
    while (*start < *end && text->kinds[*start] & SPACE) ++*start;
    while (*end > *start && text->kinds[*end - 1] & SPACE) --*end;
}

static uint64_t hash_span(const text_t *text, size_t start, size_t end) {
    uint64_t hash = 0;
    for (size_t at = start; at < end; at++) hash = hash * BASE + text->points[at] + 1;
    return mix(hash);
}

/* -- C4 works line by line on what is left of a line -- */

static const char *const phrases[] = {"lorem ipsum",    "javascript",    "terms of use",
                                      "privacy policy", "cookie policy", "uses cookies",
                                      "use of cookies", "use cookies"};
enum { LOREM = 1, JAVASCRIPT = 2, POLICY = 0xFC };

static inline uint32_t lower(uint32_t point) {
    return point >= 'A' && point <= 'Z' ? point | 0x20 : point;
}

static int begins_with(const text_t *text, size_t at, size_t end, const char *phrase) {
    while (at < end && *phrase && lower(text->points[at]) == (uint8_t)*phrase) at++, phrase++;
    return !*phrase;
}

/* Returns a bit for each phrase that a line holds, in any case. */
static uint32_t find_phrases(const text_t *text, size_t start, size_t end) {
    uint32_t found = 0;
    for (size_t at = start; at < end; at++) {
        uint32_t first = lower(text->points[at]), begins = 0;
        switch (first) {
        case 'l': begins = LOREM; break;
        case 'j': begins = JAVASCRIPT; break;
        case 't': begins = 1 << 2; break;
        case 'p': begins = 1 << 3; break;
        case 'c': begins = 1 << 4; break;
        case 'u': begins = 7 << 5; break;
        }
        for (uint32_t phrase = 0; begins >> phrase; phrase++)
            if (begins >> phrase & 1 && begins_with(text, at, end, phrases[phrase]))
                found |= 1u << phrase;
    }
    return found;
}

static size_t citation_length(const text_t *text, size_t at, size_t end) {
    size_t stop = at + 1;
    if (text->points[at] != '[') return 0;
    if (at + 6 <= end && equals(text, at, at + 6, "[edit]")) return 6;
    if (at + 17 <= end && equals(text, at, at + 17, "[citation needed]")) return 17;
    while (stop < end && text->kinds[stop] & DIGIT) stop++;
    return stop < end && text->points[stop] == ']' ? stop + 1 - at : 0;
}

/* Takes citations out of a line, moving what is behind them; returns the line's new end. */
static size_t remove_citations(text_t *text, size_t start, size_t end) {
    size_t to = start;
    for (size_t at = start; at < end;) {
        size_t length = citation_length(text, at, end);
        if (length) {
            at += length;
            continue;
        }
        text->points[to] = text->points[at];
        text->kinds[to++] = text->kinds[at++];
    }
    return to;
}

static int ends_as_sentence(const text_t *text, size_t start, size_t end) {
    if (end == start || (end - start >= 3 && equals(text, end - 3, end, "..."))) return 0;
    uint32_t last = text->points[end - 1];
    return last == '.' || last == '?' || last == '!' || last == '"' || last == '\'';
}

/* White space longer than one blank is a token of its own, which may begin a sentence. */
static int is_wide_gap(const text_t *text, size_t start, size_t end) {
    return end > start && (end - start > 1 || text->points[start] != ' ');
}

/* Sentences of a line: they end with a token that is a full stop of any script, and closing marks. */
static int64_t count_sentences(text_t *text, size_t start, size_t end) {
    size_t begin = 0, position = start;
    int seen_stop = 0;
    int64_t count = 0;
    text->english.num_tokens = 0;
    ls_english_tokens(&text->english, start, end);
    for (size_t token = begin; token < text->english.num_tokens; token++) {
        token_t span = text->english.tokens[token];
        uint32_t all = CATEGORY_P;
        for (uint32_t at = span.start; at < span.end; at++) all &= text->kinds[at];
        int is_stop = span.end - span.start == 1 && text->kinds[span.start] & PERIOD;
        if (seen_stop && (is_wide_gap(text, position, span.start) || (!all && !is_stop))) {
            count++;
            seen_stop = 0;
        }
        seen_stop |= is_stop;
        position = span.end;
    }
    return count + (end > start);
}

/* Judges one line of C4; writes 1 to `kept` if it stays. Returns 0 when the page goes for it. */
static int judge_c4_line(text_t *text, size_t start, size_t end, uint8_t *kept, int64_t *out) {
    size_t words = 0, word_chars = 0;
    trim(text, &start, &end);
    for (size_t at = start; at < end; at++) {
        word_chars = text->kinds[at] & SPACE ? 0 : word_chars + 1;
        words += word_chars == 1;
        if (word_chars > 1000) return 1;
    }
    end = remove_citations(text, start, end);
    if (!ends_as_sentence(text, start, end) || words < 3) return 1;
    uint32_t found = find_phrases(text, start, end);
    if (found & LOREM) {
        out[C4_LOREM] = 1;
        return 0;
    }
    if (found & JAVASCRIPT) return 1;
    for (size_t at = start; at < end; at++)
        if (text->points[at] == '{') {
            out[C4_BRACKET] = 1;
            return 0;
        }
    if (found & POLICY) return 1;
    *kept = 1;
    out[C4_KEPT]++;
    out[C4_SENTENCES] += count_sentences(text, start, end);
    return 1;
}

/* -- lines -- */

static size_t line_end(const text_t *text, size_t at) {
    while (at < text->size && !(text->kinds[at] & LINE_BREAK)) at++;
    return at;
}

static size_t next_line(const text_t *text, size_t end) {
    if (end + 1 < text->size && text->points[end] == '\r' && text->points[end + 1] == '\n')
        return end + 2;
    return end + 1;
}

/* Lines as Unicode ends them: bullets and ellipses. */
static void count_lines(text_t *text, int64_t *out) {
    for (size_t at = 0, end; at < text->size; at = next_line(text, end)) {
        end = line_end(text, at);
        size_t first = at, last = end;
        trim(text, &first, &last);
        out[LINES]++;
        out[BULLET_LINES] +=
            first < last && (text->points[first] == '-' || text->points[first] == 0x2022);
        out[ELLIPSIS_LINES] += is_ellipsis_end(text, first, last);
    }
}

static void count_c4(text_t *text, uint8_t *kept, int64_t *out) {
    size_t line = 0;
    for (size_t at = 0, end; at < text->size; at = next_line(text, end), line++) {
        end = line_end(text, at);
        if (!judge_c4_line(text, at, end, &kept[line], out)) return;
    }
}

/* Pieces between runs of at least `least` newlines: how many, how many copies, their characters. */
static void count_pieces(text_t *text, size_t start, size_t end, size_t least, int64_t *out) {
    text->table.round++;
    for (size_t at = start, piece = start; at <= end;) {
        size_t newlines = at;
        while (newlines < end && text->points[newlines] == '\n') newlines++;
        if (at < end && newlines - at < least) {
            at = newlines > at ? newlines : at + 1;
            continue;
        }
        slot_t *slot = find_slot(&text->table, hash_span(text, piece, at));
        out[0]++;
        if (slot->count++) {
            out[1]++;
            out[2] += (int64_t)(at - piece);
        }
        if (at == end) return;
        at = piece = newlines;
    }
}

/* Lines between newlines that are not blank: how they end, how short they are, copies. */
static void count_full_lines(text_t *text, int64_t *out) {
    text->table.round++;
    for (size_t at = 0, end; at <= text->size; at = end + 1) {
        for (end = at; end < text->size && text->points[end] != '\n';) end++;
        size_t first = at, last = end;
        trim(text, &first, &last);
        if (first == last) continue;
        out[FULL_LINES]++;
        out[STOPPED_LINES] += (text->kinds[end - 1] & STOP_CHAR) != 0;
        out[SHORT_LINES] += end - at <= 30;
        slot_t *slot = find_slot(&text->table, hash_span(text, at, end));
        if (slot->count++) out[COPIED_LINE_CHARS] += (int64_t)(end - at);
    }
}

static void count_signs(const text_t *text, int64_t *out) {
    out[CHARS] = (int64_t)text->size;
    for (size_t at = 0; at < text->size; at++) {
        out[HASH_SIGNS] += text->points[at] == '#';
        out[NEWLINES] += text->points[at] == '\n';
        out[ELLIPSES] += text->points[at] == 0x2026;
    }
    for (size_t at = 0; at + 3 <= text->size;) {
        int is_ellipsis = equals(text, at, at + 3, "...");
        out[ELLIPSES] += is_ellipsis;
        at += is_ellipsis ? 3 : 1;
    }
}

static void free_text(text_t *text) {
    free(text->points);
    free(text->kinds);
    free(text->words);
    free(text->english.tokens);
    free(text->table.slots);
}

static int start_text(text_t *text, const uint8_t *bytes, size_t size) {
    text->points = malloc(sizeof(uint32_t) * (size + 1));
    text->kinds = malloc(sizeof(uint32_t) * (size + 1));
    text->words = malloc(sizeof(word_t) * (size + 1));
    text->english.tokens = malloc(sizeof(token_t) * (size + 1));
    if (!text->points || !text->kinds || !text->words || !text->english.tokens) return 0;
    decode(text, bytes, size);
    text->english.points = text->points;
    text->english.kinds = text->kinds;
    text->english.num_points = text->size;
    ls_english_tokens(&text->english, 0, text->size);
    size_t lines = 1;
    for (size_t at = 0; at < text->size; at++) lines += text->points[at] == '\n';
    size_t tokens = text->english.num_tokens;
    return start_table(&text->table, (lines > tokens ? lines : tokens) + 1);
}

/* Counts all that the published rules ask of a text in valid UTF-8, under 2^31 bytes.
 *
 * classes: of 0x20000 code points. keys, cuts: `mask` + 1 slots of known forms. which: 1 tokens and
 * lines, 2 repetition, 4 C4. out: NUM_COUNTS zeros. kept: a zero for each line of the text as Python's
 * splitlines cuts it, set to 1 where C4 keeps it. Returns 0, or -1 without memory. */
LS_EXPORT int ls_quality_english(const uint8_t *bytes, size_t size, const uint32_t *classes,
                                 const uint64_t *keys, const uint32_t *cuts, uint32_t mask,
                                 uint32_t which, int64_t *out, uint8_t *kept) {
    text_t text = {.classes = classes};
    text.english.special_keys = keys;
    text.english.special_cuts = cuts;
    text.english.special_mask = mask;
    if (size >> 31 || !start_text(&text, bytes, size)) {
        free_text(&text);
        return -1;
    }
    size_t first = 0, last = text.size;
    trim(&text, &first, &last);
    count_tokens(&text, out);
    count_signs(&text, out);
    count_lines(&text, out);
    count_full_lines(&text, out);
    if (which & 2) {
        count_pieces(&text, first, last, 2, &out[PARAGRAPHS]);
        count_pieces(&text, 0, text.size, 1, &out[BLOCKS]);
        count_repeats(&text.table, text.words, text.english.num_tokens, 0, 1, &out[REPEATS]);
    }
    if (which & 4) count_c4(&text, kept, out); /* last: it takes citations out of the text */
    free_text(&text);
    return 0;
}

/* Writes where each English token ends, in code points, at most `room`; returns how many. For
 * tests beside the tokenizer itself. */
LS_EXPORT size_t ls_quality_tokens(const uint8_t *bytes, size_t size, const uint32_t *classes,
                                   const uint64_t *keys, const uint32_t *cuts, uint32_t mask,
                                   uint32_t *spans, size_t room) {
    text_t text = {.classes = classes};
    text.english.special_keys = keys;
    text.english.special_cuts = cuts;
    text.english.special_mask = mask;
    size_t count = 0;
    if (!(size >> 31) && start_text(&text, bytes, size)) {
        count = text.english.num_tokens;
        for (size_t token = 0; token < count && token < room; token++) {
            spans[2 * token] = text.english.tokens[token].start;
            spans[2 * token + 1] = text.english.tokens[token].end;
        }
    }
    free_text(&text);
    return count;
}
