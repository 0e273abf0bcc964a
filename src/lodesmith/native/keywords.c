/* How much of a text is keywords that it was stuffed with, by the places where they stand.
 *
 * Words of grammar bind the words of a good text together. A clause without any, and without a
 * number, is bare; bare clauses whose pairs of words come back in others are keywords: between
 * clauses of prose, where hardly any good text has them; or side by side, as tables and menus are,
 * too. Keywords in a sentence's place show by how much stands in runs around one content word,
 * keywords without marks by long stretches of pairs that all come back. Nothing here depends on
 * what was learnt. */
#include "keywords.h"

enum { HAS_LETTER = 2, AFTER_MARK = 4, BEGINS_LINE = 8 }; /* flags, as ls_words_split writes them */
enum { MIN_COPIES = 4, MIN_PROSE = 4, MAX_PHRASE = 8, MIN_STRETCH = 20 }; /* words */
enum { MIN_NAME = 3 }; /* characters of a Chinese word that is a phrase by itself */
enum { MIN_FORM_COPIES = 3 }; /* of a pair that a text of a few forms repeats */

enum { BETWEEN, BETWEEN_CLAUSES, LISTED, LISTED_CLAUSES, DENSE, DENSE_COPIES, STRETCHED, BOUND,
       BOUND_AGAIN, NUM_KEYWORDS };

enum { IS_KEY = 2 }; /* set in is_content beside 1: no word of grammar, and not digits only */

static inline int is_key(const natural_text *text, size_t at) { return text->is_content[at] > 1; }

static uint32_t count_parts(const natural_text *text, size_t start, size_t end) {
    uint32_t total = 0;
    for (size_t at = start; at < end; at++) total += text->sizes[at];
    return total;
}

static clause_span read_clause(const natural_text *text, uint32_t start, uint32_t end) {
    clause_span clause = {.start = start, .end = end};
    uint32_t size = end - start, num_keys = 0, num_function = 0;
    for (uint32_t at = start; at < end; at++) {
        num_keys += is_key(text, at);
        num_function += !text->is_content[at];
    }
    clause.is_bare = num_keys == size && (size > 1 || text->sizes[start] >= MIN_NAME);
    clause.is_prose = num_function && size >= MIN_PROSE;
    return clause;
}

/* Writes the clauses of a text, and what is no number; returns how many. */
static size_t find_clauses(natural_text *text) {
    size_t count = 0;
    uint32_t start = 0;
    uint8_t begins_line = 1;
    const uint8_t *flags = text->flags;
    for (uint32_t at = 0; at <= text->count; at++) {
        uint8_t found = at == text->count ? AFTER_MARK : 0;
        for (uint8_t part = 0; at < text->count && part < text->sizes[at]; part++) found |= *flags++;
        if (at < text->count && text->is_content[at] && found & HAS_LETTER)
            text->is_content[at] |= IS_KEY;
        if (!(found & AFTER_MARK) || at == 0) continue;
        text->clauses[count] = read_clause(text, start, at);
        text->clauses[count++].begins_line = begins_line;
        start = at, begins_line = (found & BEGINS_LINE) != 0;
    }
    return count;
}

/* Of a bare clause the slot of a pair of words, or of its only word. */
static inline run_slot *unit_at(const natural_text *text, const clause_span *clause, uint32_t unit) {
    return slot_at(&text->runs[clause->end - clause->start > 1], clause->start + unit);
}

static uint32_t num_units(const clause_span *clause) {
    uint32_t count = clause->end - clause->start;
    return !clause->is_bare ? 0 : count > 1 ? count - 1 : count;
}

static int comes_back(const natural_text *text, const clause_span *clause) {
    for (uint32_t unit = 0; unit < num_units(clause); unit++)
        if (unit_at(text, clause, unit)->tally >= MIN_COPIES) return 1;
    return 0;
}

static void tally_units(const natural_text *text, const clause_span *clause) {
    for (uint32_t unit = 0; unit < num_units(clause); unit++) unit_at(text, clause, unit)->tally++;
}

static void count_clauses(const natural_text *text, size_t count, int64_t *numbers) {
    const clause_span *all = text->clauses;
    for (size_t at = 0; at < count; at++) tally_units(text, &all[at]);
    for (size_t at = 0; at < count; at++) {
        if (!comes_back(text, &all[at])) continue;
        const clause_span *before = !all[at].begins_line && at ? &all[at - 1] : 0;
        const clause_span *after = at + 1 < count && !all[at + 1].begins_line ? &all[at + 1] : 0;
        uint32_t size = all[at].end - all[at].start;
        int is_between = size <= MAX_PHRASE &&
                         ((before && before->is_prose) || (after && after->is_prose));
        int is_listed = (before && before->is_bare) || (after && after->is_bare);
        if (!is_between && !is_listed) continue;
        numbers[is_between ? BETWEEN : LISTED] += count_parts(text, all[at].start, all[at].end);
        numbers[is_between ? BETWEEN_CLAUSES : LISTED_CLAUSES]++;
    }
}

/* Adds the parts of a run to those that stand with each of its words, once for each. */
static void add_run(const natural_text *text, size_t start, size_t end) {
    uint32_t num_parts = count_parts(text, start, end);
    for (size_t at = start; at < end; at++) {
        run_slot *slot = slot_at(&text->runs[0], at);
        size_t earlier = start;
        while (slot_at(&text->runs[0], earlier) != slot) earlier++;
        if (earlier == at) slot->tally += num_parts;
    }
}

/* Counts how many parts stand in runs of pairs that come back, or are a long Chinese word that does,
 * with the word that has most; and how often that word stands in the text. */
static void count_dense(const natural_text *text, size_t count, int64_t *numbers) {
    for (size_t at = 0; at < text->count; at++) slot_at(&text->runs[0], at)->tally = 0;
    for (size_t clause = 0; clause < count; clause++) {
        size_t start = text->clauses[clause].start, end = text->clauses[clause].end;
        for (size_t at = start; at < end; at = start + 1) {
            for (start = at; start + 1 < end && start + 1 < at + MAX_PHRASE && is_key(text, start) &&
                             is_key(text, start + 1) && count_at(&text->runs[1], start) >= MIN_COPIES;)
                start++;
            int is_name = text->sizes[at] >= MIN_NAME && is_key(text, at) &&
                          count_at(&text->runs[0], at) >= MIN_COPIES;
            if (start > at || is_name) add_run(text, at, start + 1);
        }
    }
    for (size_t at = 0; at < text->count; at++) {
        const run_slot *slot = slot_at(&text->runs[0], at);
        if (slot->tally <= numbers[DENSE]) continue;
        numbers[DENSE] = slot->tally;
        numbers[DENSE_COPIES] = slot->count;
    }
}

/* Returns how many parts stand in long clauses of little grammar whose pairs come back. */
static int64_t count_stretched(const natural_text *text, size_t count) {
    int64_t total = 0;
    for (size_t clause = 0; clause < count; clause++) {
        uint32_t start = text->clauses[clause].start, end = text->clauses[clause].end;
        uint32_t size = end - start, repeats = 0, num_keys = 0;
        if (size < MIN_STRETCH) continue;
        for (uint32_t at = start; at < end; at++) num_keys += is_key(text, at);
        for (uint32_t at = start; at + 1 < end; at++)
            repeats += count_at(&text->runs[1], at) >= MIN_COPIES;
        if (5 * num_keys >= 4 * size && 5 * repeats >= 3 * (size - 1))
            total += count_parts(text, start, end);
    }
    return total;
}

/* Counts pairs of a word of grammar and another, and those of them that come back. */
static void count_bound(const natural_text *text, int64_t *numbers) {
    for (size_t at = 0; at + 1 < text->count; at++) {
        if (!text->is_content[at] == !text->is_content[at + 1]) continue;
        numbers[BOUND]++;
        numbers[BOUND_AGAIN] += count_at(&text->runs[1], at) >= MIN_FORM_COPIES;
    }
}

void ls_keywords_count(natural_text *text, int64_t *numbers) {
    for (int number = 0; number < NUM_KEYWORDS; number++) numbers[number] = 0;
    if (!text->count) return;
    size_t count = find_clauses(text);
    count_clauses(text, count, numbers);
    count_dense(text, count, numbers);
    numbers[STRETCHED] = count_stretched(text, count);
    count_bound(text, numbers);
}
