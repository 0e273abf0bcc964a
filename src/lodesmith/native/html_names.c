/* Looks up what a page names: elements, entities, and the words in class and id. */
#define LS_HTML_TABLES
#include "html_tables.h"

#include <string.h>

enum { MAX_WORD = 40, MAX_ENTITY = 32, MAX_NAMED_BYTES = 1 << 10 };

uint8_t ls_html_tag(const uint8_t *name, uint32_t size) {
    if (!ls_is_letter(*name)) return TAG_OTHER;
    unsigned letter = (*name | 32) - 'a';
    for (unsigned i = tag_first[letter]; i < tag_first[letter + 1]; i++)
        if (ls_html_same(name, size, tag_names[i].name)) return tag_names[i].tag;
    return TAG_OTHER;
}

uint16_t ls_html_bits(unsigned tag) { return tag_bits[tag]; }

int ls_html_same(const uint8_t *bytes, uint32_t size, const char *name) {
    for (uint32_t i = 0; i < size; i++)
        if (!name[i] || ls_lower(bytes[i]) != (uint8_t)name[i]) return 0;
    return !name[size];
}

static int is_digit(uint8_t byte) { return (uint8_t)(byte - '0') < 10; }

static uint32_t kinds_of(const char *word, uint32_t size) {
    unsigned letter = word[0] - 'a';
    uint32_t kinds = 0;
    for (unsigned i = word_first[letter]; i < word_first[letter + 1]; i++) {
        uint32_t length = words[i].size;
        if (length == size || (words[i].prefix && length < size))
            if (!memcmp(words[i].word, word, length)) kinds |= words[i].kinds;
    }
    return kinds;
}

/* One name of a class list: "post-related", "articleBody". A layout word takes back what the
 * others say of what is around an article: "has-sidebar" stands on the page's frame. */
static uint32_t kinds_of_name(const uint8_t *name, uint32_t size) {
    char word[2 * MAX_WORD];
    uint32_t kinds = 0, before = 0, length = 0; /* `before` letters of the previous word lead */
    for (uint32_t i = 0; i <= size; i++) {
        int letter = i < size && ls_is_letter(name[i]);
        int capital = letter && name[i] < 'a' && i && name[i - 1] >= 'a' && name[i - 1] <= 'z';
        if ((!letter || capital) && length) {
            int beside = (i < size && is_digit(name[i])) || (i > length && is_digit(name[i - length - 1]));
            if (!beside || length > 3) { /* "ad" in "css-3ad9f" is chance */
                kinds |= kinds_of(word + before, length);
                if (before) kinds |= kinds_of(word, before + length);
            }
            memmove(word, word + before, length);
            before = length;
            length = 0;
        }
        if (letter && length < MAX_WORD - 1 && before + length < 2 * MAX_WORD - 1)
            word[before + length++] = (char)ls_lower(name[i]);
    }
    if (kinds & W_LAYOUT) kinds &= ~(uint32_t)(W_STRONG | W_WEAK | W_COMMENT | W_TEASER | W_SIDE);
    return kinds;
}

/* The kinds of all names in a class or id. What is named both as article and as body of it
 * ("post-content") is W_ALONE. */
uint32_t ls_html_words(const uint8_t *value, uint32_t size) {
    uint32_t kinds = 0, i = 0;
    if (size > MAX_NAMED_BYTES) size = MAX_NAMED_BYTES;
    while (i < size) {
        while (i < size && ls_is_space(value[i])) i++;
        uint32_t start = i;
        while (i < size && !ls_is_space(value[i])) i++;
        uint32_t found = i > start ? kinds_of_name(value + start, i - start) : 0;
        if ((found & W_ARTICLE) && (found & W_BODY)) found |= W_ALONE;
        if (found & (W_STRONG | W_TEASER | W_COMMENT | W_WEAK | W_SIDE)) found &= ~(uint32_t)W_ALONE;
        kinds |= found;
    }
    return kinds;
}

static uint32_t put_utf8(uint32_t code, char *text) {
    if (code < 0x80) return text[0] = (char)code, 1;
    if (code < 0x800) {
        text[0] = (char)(0xC0 | code >> 6);
        return text[1] = (char)(0x80 | (code & 63)), 2;
    }
    if (code < 0x10000) {
        text[0] = (char)(0xE0 | code >> 12);
        text[1] = (char)(0x80 | (code >> 6 & 63));
        return text[2] = (char)(0x80 | (code & 63)), 3;
    }
    text[0] = (char)(0xF0 | code >> 18);
    text[1] = (char)(0x80 | (code >> 12 & 63));
    text[2] = (char)(0x80 | (code >> 6 & 63));
    return text[3] = (char)(0x80 | (code & 63)), 4;
}

/* windows-1252, as pages mean &#128; to &#159; (HTML standard, 13.2.5.84). */
static const uint16_t windows_1252[32] = {
    0x20AC, 0x81, 0x201A, 0x192, 0x201E, 0x2026, 0x2020, 0x2021, 0x2C6, 0x2030, 0x160, 0x2039, 0x152,
    0x8D, 0x17D, 0x8F, 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x2DC, 0x2122,
    0x161, 0x203A, 0x153, 0x9D, 0x17E, 0x178,
};

static uint32_t numeric(const uint8_t *at, const uint8_t *end, char *text, uint32_t *text_size) {
    const uint8_t *p = at + 2;
    int hex = p < end && (*p | 32) == 'x';
    uint32_t code = 0;
    p += hex;
    const uint8_t *digits = p;
    for (; p < end; p++) {
        uint32_t digit = *p - '0';
        if (hex && (uint8_t)((*p | 32) - 'a') < 6) digit = (*p | 32) - 'a' + 10;
        else if (digit > 9) break;
        if (code < 0x110000) code = code * (hex ? 16 : 10) + digit;
    }
    if (p == digits) return 0;
    if (code >= 0x80 && code < 0xA0) code = windows_1252[code - 0x80];
    if (!code || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) code = 0xFFFD;
    *text_size = put_utf8(code, text);
    return (uint32_t)(p - at) + (p < end && *p == ';');
}

/* The index of a name in the sorted table, or -1. */
static int find_entity(const uint8_t *name, uint32_t size) {
    int low = 0, high = NUM_ENTITIES - 1;
    while (low <= high) {
        int middle = (low + high) / 2;
        int order = strncmp(entities[middle].name, (const char *)name, size);
        if (!order && entities[middle].name[size]) order = 1;
        if (!order) return middle;
        if (order < 0) low = middle + 1;
        else high = middle - 1;
    }
    return -1;
}

/* Decodes the character reference at `at` ("&...") into `text` (8 bytes); returns the bytes read,
 * 0 where it is only an ampersand. */
uint32_t ls_html_entity(const uint8_t *at, const uint8_t *end, char *text, uint32_t *text_size) {
    if (end - at < 2) return 0;
    if (at[1] == '#') return numeric(at, end, text, text_size);
    uint32_t size = 0, room = (uint32_t)(end - at - 1 < MAX_ENTITY ? end - at - 1 : MAX_ENTITY);
    while (size < room && (ls_is_letter(at[1 + size]) || (uint8_t)(at[1 + size] - '0') < 10)) size++;
    if (size < room && at[1 + size] == ';') size++;
    else if (size > 6) size = 6; /* the longest name that needs no semicolon */
    for (; size >= 2; size--) {
        int found = find_entity(at + 1, size);
        if (found < 0) {
            if (at[size] == ';' && size > 7) size = 7;
            continue;
        }
        *text_size = (uint32_t)strlen(entities[found].text);
        memcpy(text, entities[found].text, *text_size);
        return size + 1;
    }
    return 0;
}
