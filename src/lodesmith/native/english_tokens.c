/* See english_tokens.h. */
#include "english_tokens.h"

#define BASE 0x9E3779B97F4A7C15ull
#define LONGEST_SPECIAL 12
#define MOST_AFFIXES 4096 /* of one chunk; what is left is cut at infixes only */

#define MOST_RUN 0xFFFFu     /* of full stops in one affix */

typedef struct {
    const english_t *english;
    uint32_t start, end;
} span_t;

static inline uint32_t point_at(const span_t *span, uint32_t at) {
    return span->english->points[at];
}

static inline uint32_t kind_at(const span_t *span, uint32_t at) { return span->english->kinds[at]; }

/* Returns the cuts of a known form, 0 for anything else. */
static uint32_t find_special(const english_t *english, uint32_t start, uint32_t end) {
    if (end - start > LONGEST_SPECIAL || end <= start) return 0;
    uint64_t hash = 0;
    for (uint32_t at = start; at < end; at++) hash = hash * BASE + english->points[at] + 1;
    uint32_t slot = (uint32_t)(hash >> 32) & english->special_mask;
    for (; english->special_keys[slot]; slot = (slot + 1) & english->special_mask)
        if (english->special_keys[slot] == hash) return english->special_cuts[slot];
    return 0;
}

static void push(english_t *english, uint32_t start, uint32_t end) {
    if (end > start && english->num_tokens < english->num_points)
        english->tokens[english->num_tokens++] = (token_t){start, end};
}

static void push_special(english_t *english, uint32_t start, uint32_t cuts) {
    for (; cuts; cuts >>= 8) {
        push(english, start, start + (cuts & 0xFF));
        start += cuts & 0xFF;
    }
}

/* -- affixes -- */

/* US$, C$, A$ at the beginning of a span: their length, else 0. */
static uint32_t dollar_length(const span_t *span, uint32_t at) {
    uint32_t left = span->end - at, first = point_at(span, at);
    if (left >= 3 && first == 'U' && point_at(span, at + 1) == 'S' && point_at(span, at + 2) == '$')
        return 3;
    return left >= 2 && (first == 'C' || first == 'A') && point_at(span, at + 1) == '$' ? 2 : 0;
}

static uint32_t prefix_length(const span_t *span) {
    uint32_t at = span->start, point = point_at(span, at);
    if (kind_at(span, at) & (PREFIX | PUNCT | QUOTE | CURRENCY | ICON)) return 1;
    if (point == '+') return at + 1 == span->end || !(kind_at(span, at + 1) & DIGIT);
    if (point != '.') return dollar_length(span, at);
    while (at < span->end && point_at(span, at) == '.') at++;
    uint32_t length = at - span->start;
    return length >= 2 ? (length < MOST_RUN ? length : MOST_RUN) : 0;
}

/* Units of measure that a number loses, by length: the text before `at` is a digit. */
static int is_unit(const span_t *span, uint32_t at) {
    static const char *const units[] = {
        "km",  "m",    "dm",  "cm", "mm", "ha", "nm", "yd", "in", "ft", "kg", "mg", "g",  "t",
        "lb",  "oz",   "m/s", "km/h", "kmh", "mph", "hPa", "Pa", "mbar", "mb", "MB", "kb", "KB",
        "gb",  "GB",   "tb",  "TB", "T",  "G",  "M",  "K",  "%"};
    for (size_t unit = 0; unit < sizeof units / sizeof *units; unit++) {
        uint32_t length = 0;
        while (units[unit][length] && at + length < span->end &&
               point_at(span, at + length) == (uint8_t)units[unit][length])
            length++;
        if (!units[unit][length] && at + length == span->end) return 1;
    }
    uint32_t left = span->end - at, last = point_at(span, span->end - 1);
    if ((last == 0xB2 || last == 0xB3) && left <= 3 && point_at(span, span->end - 2) == 'm')
        return left == 2 || (left == 3 && (point_at(span, at) == 'k' || point_at(span, at) == 'd' ||
                                           point_at(span, at) == 'c' || point_at(span, at) == 'm'));
    return left == 2 && point_at(span, at) == 0xB5 && (last == 'm' || last == 'g');
}

static int period_is_suffix(const span_t *span) {
    if (span->end - span->start < 2) return 0;
    uint32_t before = span->end - 2, kind = kind_at(span, before), point = point_at(span, before);
    if (kind & (DIGIT | LOWER | QUOTE | PUNCT)) return 1;
    if (point == '%' || point == 0xB2 || point == '-' || point == '+' || point == '|') return 1;
    if (span->end - span->start < 3) return 0;
    if (kind & UPPER && kind_at(span, before - 1) & UPPER) return 1;
    uint32_t lower = point | 0x20;
    return point_at(span, before - 1) == 0xB0 && (lower == 'f' || lower == 'c' || lower == 'k');
}

static uint32_t marks_length(const span_t *span) {
    uint32_t last = span->end - 1, point = point_at(span, last), at = span->end;
    if (point == '.') {
        while (at > span->start && point_at(span, at - 1) == '.') at--;
        if (span->end - at >= 2) return span->end - at < MOST_RUN ? span->end - at : MOST_RUN;
        return (uint32_t)period_is_suffix(span);
    }
    if (point == 0x2026 && last > span->start && point_at(span, last - 1) == 0x2026) return 2;
    if (kind_at(span, last) & (PUNCT | QUOTE | ICON) || point == 0x2014 || point == 0x2013) return 1;
    if ((point | 0x20) == 's' && last > span->start &&
        (point_at(span, last - 1) == '\'' || point_at(span, last - 1) == 0x2019))
        return 2;
    return 0;
}

/* The suffix that begins first wins, as a search from the left finds it. */
static uint32_t suffix_length(const span_t *span) {
    uint32_t longest = marks_length(span), size = span->end - span->start;
    for (uint32_t length = 4; length > longest; length--) {
        if (length >= size) continue;
        uint32_t at = span->end - length;
        if (!(kind_at(span, at - 1) & DIGIT)) continue;
        if (is_unit(span, at) || dollar_length(span, at) == length) return length;
        if (length == 1 && (point_at(span, at) == '+' || kind_at(span, at) & CURRENCY)) return 1;
    }
    return longest;
}

/* -- addresses -- */

static int is_host_char(uint32_t point) {
    return (point >= '0' && point <= '9') || ((point | 0x20) >= 'a' && (point | 0x20) <= 'z') ||
           (point >= 0xA1 && point <= 0xFFFF);
}

static int is_end_of_address(const span_t *span, uint32_t at) {
    if (at < span->end && point_at(span, at) == ':') {
        uint32_t digits = ++at;
        while (at < span->end && point_at(span, at) < 0x80 && kind_at(span, at) & DIGIT) at++;
        if (at - digits < 2 || at - digits > 5) return 0;
    }
    if (at == span->end) return 1;
    uint32_t point = point_at(span, at);
    return point == '/' || point == '?' || point == '#';
}

static int is_label(const span_t *span, uint32_t start, uint32_t end) {
    return end > start && end - start <= 64 && is_host_char(point_at(span, start)) &&
           is_host_char(point_at(span, end - 1));
}

static int is_top_level(const span_t *span, uint32_t start, uint32_t end) {
    for (uint32_t at = start; at < end; at++)
        if (!(kind_at(span, at) & LOWER)) return 0;
    return end - start >= 2 && end - start <= 63;
}

static int is_number_host(const span_t *span, uint32_t start, uint32_t end) {
    uint32_t octets[4] = {0}, count = 0, digits = 0;
    for (uint32_t at = start; at < end; at++) {
        uint32_t point = point_at(span, at);
        if (point == '.') {
            if (!digits || ++count > 3) return 0;
            digits = 0;
        } else if (point >= '0' && point <= '9' && ++digits <= 3) {
            octets[count] = octets[count] * 10 + point - '0';
        } else {
            return 0;
        }
    }
    if (count != 3 || !digits || octets[0] < 1 || octets[0] > 223) return 0;
    if (octets[1] > 255 || octets[2] > 255 || octets[3] < 1 || octets[3] > 254) return 0;
    if (octets[0] == 10 || octets[0] == 127) return 0; /* private networks are no addresses */
    if (octets[0] == 192 && octets[1] == 168) return 0;
    if (octets[0] == 169 && octets[1] == 254) return 0;
    return !(octets[0] == 172 && octets[1] >= 16 && octets[1] <= 31);
}

static int is_host_and_path(const span_t *span, uint32_t start) {
    uint32_t at = start, label = start, num_labels = 0;
    for (; at < span->end; at++) {
        uint32_t point = point_at(span, at);
        if (point == '.') {
            if (!is_label(span, label, at)) return 0;
            num_labels++;
            label = at + 1;
        } else if (!is_host_char(point) && point != '_' && point != '-') {
            break;
        }
    }
    if (!num_labels || !is_end_of_address(span, at)) return 0;
    return is_top_level(span, label, at) || is_number_host(span, start, at);
}

static int is_address(const span_t *span) {
    uint32_t at = span->start, has_dot = 0;
    for (; at < span->end; at++) has_dot |= point_at(span, at) == '.';
    if (!has_dot) return 0;
    uint32_t host = span->start;
    for (at = span->start; at + 2 < span->end; at++) {
        uint32_t point = point_at(span, at);
        if (point == ':' && point_at(span, at + 1) == '/' && point_at(span, at + 2) == '/') {
            if (at - span->start >= 2) host = at + 3;
            break;
        }
        if (!(kind_at(span, at) & (IS_ALPHA | DIGIT)) && point != '+' && point != '-' &&
            point != '.' && point != '_')
            break;
    }
    if (host < span->end && is_host_and_path(span, host)) return 1;
    int tries = 8; /* hosts after an @; a hostile chunk of them must not take quadratic time */
    for (at = host + 1; at + 1 < span->end && tries; at++)
        if (point_at(span, at) == '@' && tries-- && is_host_and_path(span, at + 1)) return 1;
    return 0;
}

/* -- infixes -- */

static uint32_t hyphen_length(const span_t *span, uint32_t at) {
    uint32_t point = point_at(span, at), length = 1;
    if (point == '-' || point == 0x2014) {
        uint32_t most = point == '-' ? 3 : 2;
        while (length < most && at + length < span->end && point_at(span, at + length) == point)
            length++;
    } else if (point != 0x2013 && point != '~') {
        return 0;
    }
    return at + length < span->end && kind_at(span, at + length) & ALPHA ? length : 0;
}

static uint32_t infix_length(const span_t *span, uint32_t at) {
    uint32_t point = point_at(span, at), kind = kind_at(span, at), run = at;
    if (kind & ICON || point == 0x2026) return 1;
    while (point == '.' && run < span->end && point_at(span, run) == '.') run++;
    if (run - at >= 2) return run - at;
    if (at == span->start) return 0;
    uint32_t before = kind_at(span, at - 1), next = at + 1 < span->end ? kind_at(span, at + 1) : 0;
    int next_is_minus = at + 1 < span->end && point_at(span, at + 1) == '-';
    if ((point == '+' || point == '-' || point == '*' || point == '^') && before & DIGIT &&
        (next & DIGIT || next_is_minus))
        return 1;
    if (point == '.') return before & (LOWER | QUOTE) && next & (UPPER | QUOTE);
    if (point == ',') return before & ALPHA && next & ALPHA;
    if (!(before & (ALPHA | DIGIT))) return 0;
    if (point == ':' || point == '<' || point == '>' || point == '=' || point == '/')
        return (next & ALPHA) != 0;
    return hyphen_length(span, at);
}

static void push_infixes(english_t *english, const span_t *span) {
    uint32_t start = span->start, at = span->start;
    while (at < span->end) {
        uint32_t length = infix_length(span, at);
        if (!length) {
            at++;
            continue;
        }
        if (at != span->start) { /* an infix that begins the string stays with what follows */
            push(english, start, at);
            push(english, at, at + length);
            start = at + length;
        }
        at += length;
    }
    push(english, start, span->end);
}

/* -- chunks -- */

typedef struct {
    uint16_t ends[MOST_AFFIXES]; /* lengths of the affixes, outermost first */
    uint32_t count;
} affixes_t;

static void add(affixes_t *affixes, uint32_t length) {
    affixes->ends[affixes->count++] = (uint16_t)length;
}

/* Takes affixes off both ends until nothing changes or a known form is left. */
static void strip_affixes(span_t *span, affixes_t *prefixes, affixes_t *suffixes) {
    const english_t *english = span->english;
    while (span->start < span->end && !find_special(english, span->start, span->end)) {
        if (prefixes->count == MOST_AFFIXES || suffixes->count == MOST_AFFIXES) return;
        uint32_t before = prefix_length(span), size = span->end - span->start;
        if (before && find_special(english, span->start + before, span->end)) {
            add(prefixes, before);
            span->start += before;
            return;
        }
        span_t rest = {english, span->start + before, span->end};
        uint32_t after = rest.start < rest.end ? suffix_length(&rest) : 0;
        if (after && find_special(english, span->start, span->end - after)) {
            add(suffixes, after);
            span->end -= after;
            return;
        }
        if (!before && !after) return;
        if (before && after && before + after > size) after = 0;
        if (before) add(prefixes, before);
        if (after) add(suffixes, after);
        span->start += before;
        span->end -= after;
    }
}

/* Joins neighbours that together are a known form, as ")" and ":" are "):"; the longest first. A
 * form of several parts is cut already, as "do" and "n't" are. */
static void join_specials(english_t *english, size_t first) {
    token_t *tokens = english->tokens;
    for (size_t window = 5; window >= 2; window--) {
        size_t kept = first, at = first;
        while (at < english->num_tokens) {
            size_t last = at + window - 1;
            uint32_t cuts = last < english->num_tokens
                                ? find_special(english, tokens[at].start, tokens[last].end)
                                : 0;
            int is_one = cuts && !(cuts >> 8);
            token_t token = {tokens[at].start, tokens[is_one ? last : at].end};
            at += is_one ? window : 1;
            tokens[kept++] = token;
        }
        english->num_tokens = kept;
    }
}

static void push_chunk(english_t *english, uint32_t start, uint32_t end) {
    affixes_t prefixes, suffixes;
    prefixes.count = suffixes.count = 0;
    span_t span = {english, start, end};
    size_t first = english->num_tokens;
    uint32_t cuts = find_special(english, start, end);
    if (cuts) {
        push_special(english, start, cuts);
        return;
    }
    strip_affixes(&span, &prefixes, &suffixes);
    for (uint32_t prefix = 0; prefix < prefixes.count; prefix++) {
        push(english, start, start + prefixes.ends[prefix]);
        start += prefixes.ends[prefix];
    }
    cuts = find_special(english, span.start, span.end);
    if (cuts) {
        push_special(english, span.start, cuts);
    } else if (span.end > span.start && is_address(&span)) {
        push(english, span.start, span.end);
    } else {
        push_infixes(english, &span);
    }
    start = span.end;
    for (uint32_t suffix = suffixes.count; suffix--;) {
        push(english, start, start + suffixes.ends[suffix]);
        start += suffixes.ends[suffix];
    }
    if (english->num_tokens - first >= 2) join_specials(english, first);
}

void ls_english_tokens(english_t *english, size_t start, size_t end) {
    size_t at = start;
    while (at < end) {
        while (at < end && english->kinds[at] & SPACE) at++;
        size_t chunk = at;
        while (at < end && !(english->kinds[at] & SPACE)) at++;
        if (at > chunk) push_chunk(english, (uint32_t)chunk, (uint32_t)at);
    }
}
