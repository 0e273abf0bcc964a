/* The score of every language for a text: naive Bayes over byte sequences that an automaton finds.
 *
 * Walks one state a byte and adds up integers, so that the result depends on no processor. A state
 * has a row of 256 following states; rows are shared between states, and `rows` says which.
 */
#include <string.h>

#include "kernels.h"

#define MAX_COUNT 63

typedef struct {
    const uint32_t *next;     /* num_rows * 256 states */
    const uint32_t *rows;     /* num_states */
    const int32_t *features;  /* num_states; -1 for none */
    const int16_t *weights;   /* num_features * num_languages */
    const int32_t *of_count;  /* MAX_COUNT + 1: what a feature counts that stands so often */
    int64_t num_languages;
} model;

/* Counts the features of a text; lists each once in `found` and returns how many there are. */
static int64_t walk(const model *of, const uint8_t *text, size_t size, int32_t *counts,
                    int32_t *found) {
    int64_t num_found = 0;
    uint32_t state = 0;
    for (size_t at = 0; at < size; at++) {
        state = of->next[(size_t)of->rows[state] << 8 | text[at]];
        int32_t feature = of->features[state];
        if (feature >= 0 && counts[feature]++ == 0) {
            found[num_found++] = feature;
        }
    }
    return num_found;
}

WIDE static void add_weights(int64_t *scores, const int16_t *weights, int32_t worth,
                             int64_t num_languages) {
    for (int64_t language = 0; language < num_languages; language++)
        scores[language] += worth * weights[language]; /* below 2^14 * 2^15 */
}

/* Adds to `scores` (one a language) what the features of a text are worth, and returns how many
 * different features there are. `counts` (zero, and zero again afterwards) and `found` have room for
 * one entry a feature. The caller has checked that states and features lie within the tables. */
LS_EXPORT int64_t ls_language_score(const model *of, const uint8_t *text, size_t size,
                                    int32_t *counts, int32_t *found, int64_t *scores) {
    int64_t num_found = walk(of, text, size, counts, found);
    for (int64_t index = 0; index < num_found; index++) {
        int32_t feature = found[index], count = counts[feature];
        int32_t worth = of->of_count[count > MAX_COUNT ? MAX_COUNT : count];
        add_weights(scores, of->weights + (int64_t)feature * of->num_languages, worth,
                    of->num_languages);
        counts[feature] = 0;
    }
    return num_found;
}

/* -- what the lines of a page are written in -- */

enum { /* of a code point; regular expressions in language.py say which has what */
    LETTER = 1, CJK = 2, KANA = 4, HANGUL = 8, OTHER = 16, IN_WORD = 32, OWN = 64, ODD = 128
};
enum { TABLE_POINTS = 0x40000, LONGEST_ENGLISH = 5 };

/* Letters of the whole piece; all others without its addresses, `letters` also without CJK. */
typedef struct {
    int32_t all_letters, letters, cjk, kana, hangul;
    int32_t words;        /* between which CJK characters stand, too */
    int32_t joined_words; /* where they have been taken out */
    int32_t english;      /* of these, words that no other language writes often */
    int32_t own, odd;     /* characters of alphabets with one language; with a case of their own */
} line_census;

typedef struct {
    char letters[LONGEST_ENGLISH];
    int32_t size; /* more than LONGEST_ENGLISH: not one of the words */
    int in_word, in_joined;
} open_word;

static int is_english(const open_word *word) {
    static const char words[][LONGEST_ENGLISH + 1] = {"the", "and",  "that", "with",  "this",
                                                      "from", "are", "you",  "which", "when"};
    for (size_t at = 0; at < sizeof words / sizeof *words; at++)
        if ((size_t)word->size == strlen(words[at]) &&
            !memcmp(word->letters, words[at], (size_t)word->size))
            return 1;
    return 0;
}

static void end_word(open_word *word, line_census *found) {
    if (word->size && word->size <= LONGEST_ENGLISH) found->english += is_english(word);
    word->size = 0;
    word->in_joined = 0;
}

static void extend_word(open_word *word, uint32_t point) {
    uint32_t lower = point | 0x20;
    if (word->size < LONGEST_ENGLISH && lower >= 'a' && lower <= 'z' && point < 0x80)
        word->letters[word->size++] = (char)lower;
    else
        word->size = LONGEST_ENGLISH + 1;
}

static void count_point(uint32_t point, uint8_t class, open_word *word, line_census *found) {
    int is_other = (class & OTHER) != 0;
    found->words += is_other && !word->in_word;
    word->in_word = is_other;
    found->own += (class & OWN) != 0;
    found->odd += (class & ODD) != 0;
    if (class & CJK) {
        found->cjk++;
        found->kana += (class & KANA) != 0;
        found->hangul += (class & HANGUL) != 0;
        return;
    }
    found->letters += class & LETTER;
    found->joined_words += is_other && !word->in_joined;
    if (class & IN_WORD) extend_word(word, point);
    else end_word(word, found);
    word->in_joined = is_other;
}

/* Returns the code point at `text`, and its size; a torn one is read as its first byte. */
static uint32_t read_point(const uint8_t *text, size_t left, size_t *size) {
    uint32_t first = *text;
    *size = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (*size > left) *size = 1;
    if (*size == 1) return first;
    uint32_t point = first & (0xFFu >> (*size + 1));
    for (size_t at = 1; at < *size; at++) point = point << 6 | (text[at] & 0x3Fu);
    return point;
}

/* Returns how long the address is that begins here, 0 where none does. */
static size_t address_size(const uint8_t *text, size_t left) {
    static const char starts[][9] = {"http://", "https://", "www."};
    for (int each = 0; each < 3; each++) {
        size_t size = strlen(starts[each]), end = size;
        if (left <= size || memcmp(text, starts[each], size)) continue;
        while (end < left && text[end] > 0x20 && text[end] < 0x7F) end++;
        return end > size ? end : 0;
    }
    return 0;
}

static int is_ascii(const uint8_t *text, size_t size) {
    uint8_t all = 0;
    for (size_t at = 0; at < size; at++) all |= text[at];
    return all < 0x80;
}

static line_census count_piece(const uint8_t *text, size_t size, const uint8_t *classes) {
    line_census found = {0};
    open_word word = {.size = 0};
    int with_addresses = is_ascii(text, size);
    for (size_t at = 0, step; at < size; at += step) {
        step = 0;
        if (!with_addresses && (text[at] == 'h' || text[at] == 'w'))
            step = address_size(text + at, size - at);
        if (step) {
            for (size_t byte = 0; byte < step; byte++)
                found.all_letters += classes[text[at + byte]] & LETTER;
            count_point(' ', 0, &word, &found);
            continue;
        }
        uint32_t point = read_point(text + at, size - at, &step);
        uint8_t class = point < TABLE_POINTS ? classes[point] : 0;
        found.all_letters += class & LETTER;
        count_point(point, class, &word, &found);
    }
    end_word(&word, &found);
    return found;
}

/* Counts the characters of each piece of a text in UTF-8; piece n ends at ends[n], where the next
 * begins. `classes` has TABLE_POINTS entries. */
LS_EXPORT void ls_language_count(const uint8_t *text, const int64_t *ends, size_t num_pieces,
                                 const uint8_t *classes, line_census *found) {
    int64_t start = 0;
    for (size_t piece = 0; piece < num_pieces; start = ends[piece++])
        found[piece] = count_piece(text + start, (size_t)(ends[piece] - start), classes);
}
