/* How much each line of a text looks like advertising or like the frame of a page.
 *
 * A line is folded (small letters, one shape for each digit, no decoration between spread
 * characters), its runs of two to five characters, its words and pairs of words are hashed, and
 * the weights of the hashes are added up as integers; what does not depend on words (length, ends
 * of sentences, links, digits) are `traits`, with weights of their own.
 *
 * Source: hashed n-grams as in A. Joulin et al., arXiv:1607.01759; hashing as in K. Weinberger et
 * al., arXiv:0902.2206. */
#include <math.h>

#include "kernels.h"

#define MAX_CODES 1024 /* of a line that are read; what follows adds nothing */
#define MAX_DIGITS 7   /* of a run: a telephone number differs from a year */
#define LONGEST 5
#define NUM_BITS 18
#define NUM_TRAITS 256
#define DECORATION 0x2605 /* stands for any symbol or emoji */
#define FACTOR UINT64_C(0x9E3779B97F4A7C15)

typedef struct {
    uint32_t codes[MAX_CODES + 2]; /* folded, between two marks */
    uint32_t count;
    uint32_t columns, digits, longest_digits, han, latin, capitals, words, ends, commas, marks;
    uint32_t decorations, dropped;
    int ends_sentence, has_at, has_money, has_colon, starts_with_bullet, has_code;
} line_t;

typedef void (*take_t)(void *to, uint32_t feature);

static inline int is_han(uint32_t code) {
    return (code >= 0x4E00 && code <= 0x9FFF) || (code >= 0x3400 && code <= 0x4DBF);
}

static inline int is_letter(uint32_t code) { return code >= 'a' && code <= 'z'; }

static inline int is_separator(uint32_t code) {
    return code == ' ' || code == '-' || code == '*' || code == '.' || code == '_' ||
           code == '~' || code == '|' || code == '/' || code == '+' || code == 0xB7 ||
           code == DECORATION;
}

/* Reads one character; a byte that begins none stands for itself. */
static size_t decode(const uint8_t *at, const uint8_t *end, uint32_t *code) {
    if (*at < 0xC2 || end - at < 2) return *code = *at, 1;
    if (*at < 0xE0) return *code = (at[0] & 31u) << 6 | (at[1] & 63u), 2;
    if (end - at < 3) return *code = *at, 1;
    if (*at < 0xF0) return *code = (at[0] & 15u) << 12 | (at[1] & 63u) << 6 | (at[2] & 63u), 3;
    if (end - at < 4 || *at > 0xF4) return *code = *at, 1;
    *code = (at[0] & 7u) << 18 | (at[1] & 63u) << 12 | (at[2] & 63u) << 6 | (at[3] & 63u);
    return 4;
}

/* Letters in rings, in mathematical type and of other alphabets that look alike. */
static uint32_t unmask(uint32_t code) {
    static const uint32_t alike[][2] = {
        {0x430, 'a'}, {0x435, 'e'}, {0x43E, 'o'}, {0x440, 'p'}, {0x441, 'c'}, {0x445, 'x'},
        {0x443, 'y'}, {0x456, 'i'}, {0x3BF, 'o'}, {0x3B1, 'a'}, {0x3BD, 'v'}, {0x501, 'd'},
    };
    if (code >= 0xFF01 && code <= 0xFF5E) return code - 0xFEE0;
    if (code == 0x3000 || code == 0xA0 || code == '\t') return ' ';
    if (code >= 0x2460 && code <= 0x249B) return '1'; /* digits in rings and brackets */
    if (code >= 0x2776 && code <= 0x2793) return '1';
    if (code >= 0x24B6 && code <= 0x24E9) return 'a' + (code - 0x24B6) % 26;
    if (code >= 0x1D400 && code <= 0x1D6A3) return 'a' + (code - 0x1D400) % 26;
    if (code >= 0x1D7CE && code <= 0x1D7FF) return '1';
    for (size_t each = 0; each < sizeof alike / sizeof *alike; each++)
        if (alike[each][0] == code) return alike[each][1];
    return code;
}

static inline int is_invisible(uint32_t code) {
    return (code >= 0x200B && code <= 0x200F) || code == 0x2060 || code == 0xFEFF ||
           code == 0xAD || code == '\r' || (code >= 0xFE00 && code <= 0xFE0F);
}

static inline int is_decoration(uint32_t code) {
    return (code >= 0x2190 && code <= 0x245F) || (code >= 0x2500 && code <= 0x27BF) ||
           (code >= 0x2B00 && code <= 0x2BFF) || (code >= 0x1F000 && code <= 0x1FAFF);
}

static void note_mark(line_t *line, uint32_t code) {
    switch (code) {
        case 0x3002: case 0xFF01: case 0xFF1F: case '!': case '?': case ';': case 0xFF1B:
            line->ends++; break;
        case 0x3001: case ',': line->commas++; break;
        case '@': line->has_at = 1; break;
        case '$': case '%': case 0xA5: case 0x20AC: case 0xA3: line->has_money = 1; break;
        case ':': line->has_colon = 1; break;
        case '|': case '>': case '<': case 0xAB: case 0xBB: case 0x203A: line->marks++; break;
        case '{': case '}': case '=': case '\\': line->has_code = 1; break;
        default: break;
    }
}

/* Puts a folded character into the line, and counts it. */
static void put(line_t *line, uint32_t code, uint32_t *run) {
    if (code >= '0' && code <= '9') {
        line->digits++;
        if (++*run > line->longest_digits) line->longest_digits = *run;
        if (*run > MAX_DIGITS) return;
        code = '0';
    } else {
        *run = 0;
        if (is_han(code)) line->han++;
        else if (is_letter(code)) line->latin++;
        else note_mark(line, code);
    }
    uint32_t before = line->codes[line->count - 1];
    if (code == ' ' && (before == ' ' || before == 2)) return;
    if (code == ' ' && before == '.') line->ends++;
    if (is_letter(code) && !is_letter(before)) line->words++;
    line->codes[line->count++] = code;
}

static void read_line(line_t *line, const uint8_t *at, const uint8_t *end) {
    uint32_t run = 0;
    *line = (line_t){.count = 1};
    line->codes[0] = 2;
    while (at < end && line->count <= MAX_CODES) {
        uint32_t code = *at;
        if (code < 0x80) at++; else at += decode(at, end, &code);
        if (is_invisible(code)) continue;
        line->columns += code > 0x2E7F ? 2 : 1;
        if (code >= 0x80 || code == '\t') code = unmask(code);
        if (code >= 'A' && code <= 'Z') {
            code |= 32;
            if (!is_letter(line->codes[line->count - 1])) line->capitals++;
        }
        if (code == 0x2022 || (code >= 0x80 && is_decoration(code))) {
            line->decorations++;
            if (line->codes[line->count - 1] == DECORATION) continue;
            code = DECORATION;
        }
        put(line, code, &run);
    }
    while (line->count > 1 && line->codes[line->count - 1] == ' ') line->count--;
}

/* Whether a single character stands between separators or edges here: one of a spread word. */
static inline int is_single(const line_t *line, uint32_t at) {
    uint32_t code = line->codes[at], before = line->codes[at - 1];
    uint32_t after = at + 1 < line->count ? line->codes[at + 1] : 3;
    if (is_han(code)) return !is_han(before) && !is_han(after);
    return is_letter(code) && !is_letter(before) && !is_letter(after) && before != '\'';
}

/* Takes separators out from between characters that stand singly, three at least. */
static void join_spread(line_t *line) {
    uint8_t goes[MAX_CODES + 2] = {0}; /* first all are found: what is left looks different */
    uint32_t to = 1;
    for (uint32_t at = 2; at + 1 < line->count; at++) {
        if (is_separator(line->codes[at]) && is_single(line, at - 1) && is_single(line, at + 1) &&
            ((at > 3 && is_single(line, at - 3)) ||
             (at + 3 < line->count && is_single(line, at + 3))))
            goes[at] = 1, line->dropped++;
    }
    if (!line->dropped) return;
    for (uint32_t at = 1; at < line->count; at++)
        if (!goes[at]) line->codes[to++] = line->codes[at];
    line->count = to;
}

static void close_line(line_t *line) {
    uint32_t last = line->count - 1;
    while (last > 1 && (line->codes[last] == ' ' || line->codes[last] == '"' ||
                        line->codes[last] == ')' || line->codes[last] == 0x201D ||
                        line->codes[last] == 0x300D))
        last--;
    uint32_t code = line->codes[last];
    line->ends_sentence = code == '.' || code == '!' || code == '?' || code == 0x3002;
    line->starts_with_bullet = line->count > 1 && (line->codes[1] == DECORATION ||
                                                   line->codes[1] == '*' || line->codes[1] == '-');
    line->codes[line->count++] = 3;
}

static inline uint32_t slot(uint64_t hash) { return (uint32_t)(hash * FACTOR >> (64 - NUM_BITS)); }

/* Hands over the slots of all runs of characters, words and pairs of words. */
static uint32_t each_run(const line_t *line, take_t take, void *to) {
    uint32_t num = 0;
    uint64_t word = 0, last_word = 1;
    for (uint32_t at = 0; at < line->count; at++) {
        uint64_t hash = 0;
        uint32_t size = line->count - at < LONGEST ? line->count - at : LONGEST;
        for (uint32_t part = 0; part < size; part++) {
            hash = (hash + line->codes[at + part] + 1) * FACTOR;
            hash ^= hash >> 29;
            if (!part) continue;
            take(to, slot(hash + part));
            num++;
        }
        if (is_letter(line->codes[at])) {
            word = (word + line->codes[at]) * FACTOR;
            word ^= word >> 31;
        } else if (word) {
            take(to, slot(word ^ 0x57));
            take(to, slot(word * 3 + last_word));
            num += 2;
            last_word = word;
            word = 0;
        }
    }
    return num;
}

static uint32_t level(uint32_t value, uint32_t top) {
    uint32_t bits = 0;
    while (value >>= 1) bits++;
    return bits < top ? bits : top;
}

static uint32_t few(uint32_t value, uint32_t top) { return value < top ? value : top; }

/* Hands over what a line is like apart from its words; each trait has a place below 256. */
static void each_trait(const line_t *line, take_t take, void *to) {
    uint32_t is_chinese = line->han * 2 > line->latin, size = level(line->columns, 9);
    take(to, 0 + is_chinese * 10 + size);
    take(to, 20 + (uint32_t)line->ends_sentence * 20 + is_chinese * 10 + size);
    take(to, 60 + is_chinese * 8 + few(line->ends, 7));
    take(to, 76 + is_chinese * 8 + few(line->commas, 7));
    take(to, 92 + few(line->marks, 5));
    take(to, 98 + few(line->decorations, 7));
    take(to, 106 + few(line->longest_digits, 13));
    take(to, 120 + (line->columns ? few(10 * line->digits / line->columns, 9) : 0));
    take(to, 130 + (line->words ? few(8 * line->capitals / line->words, 8) : 9));
    take(to, 140 + (uint32_t)line->has_at * 2 + (uint32_t)line->has_money);
    take(to, 144 + (uint32_t)line->has_colon * 2 + (uint32_t)line->starts_with_bullet);
    take(to, 148 + few(line->dropped, 4));
    take(to, 153 + (uint32_t)line->has_code);
}

static void prepare(line_t *line, const uint8_t *at, const uint8_t *end) {
    read_line(line, at, end);
    join_spread(line);
    close_line(line);
}

typedef struct {
    const int8_t *weights;
    int64_t sum;
} sum_t;

typedef struct {
    const int16_t *weights;
    int64_t sum;
} traits_t;

static inline void add_weight(void *to, uint32_t feature) {
    sum_t *sum = to;
    sum->sum += sum->weights[feature];
}

static inline void add_trait(void *to, uint32_t feature) {
    traits_t *sum = to;
    sum->sum += sum->weights[feature];
}

/* Writes the score of each line, in thousandths of a logit, and its width in columns.
 *
 * weights: 2^18 of runs, each worth 1/`scale`; traits: 256 thousandths of a logit. scores, columns:
 * room for one a line, which is one more than there are line feeds. */
LS_EXPORT void ls_ads_score(const uint8_t *text, size_t size, const int8_t *weights, double scale,
                            const int16_t *traits, int32_t *scores, uint32_t *columns) {
    const uint8_t *at = text, *end = text + size;
    line_t line;
    for (;; at++) {
        const uint8_t *start = at;
        while (at < end && *at != '\n') at++;
        prepare(&line, start, at);
        sum_t runs = {weights, 0};
        traits_t others = {traits, 0};
        uint32_t num_runs = each_run(&line, add_weight, &runs);
        each_trait(&line, add_trait, &others);
        double share = num_runs ? (double)runs.sum / (scale * sqrt((double)num_runs)) : 0.0;
        *scores++ = (int32_t)(1000.0 * share) + (int32_t)others.sum;
        *columns++ = line.columns;
        if (at >= end) return;
    }
}

typedef struct {
    uint32_t *slots;
    uint32_t count;
} list_t;

static void list(void *to, uint32_t feature) {
    list_t *found = to;
    found->slots[found->count++] = feature;
}

/* Lists the slots of one line's runs, for training, and its traits behind them; returns how many
 * runs there are. slots: room for 6 times 1,026 and 13 more. */
LS_EXPORT uint32_t ls_ads_features(const uint8_t *text, size_t size, uint32_t *slots) {
    line_t line;
    list_t found = {slots, 0};
    prepare(&line, text, text + size);
    each_run(&line, list, &found);
    uint32_t num_runs = found.count;
    each_trait(&line, list, &found);
    return num_runs;
}
