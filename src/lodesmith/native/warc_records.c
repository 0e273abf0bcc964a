/* Finds the records of a block of archive bytes, and inside them the fields that a reader wants.
 *
 * It takes only what is beyond doubt: a record whose header is well formed, whose block is as long
 * as it says and is followed by line ends and another record or the end. At anything else it stops
 * and says where; a slower reader in Python then decides what can be saved.
 *
 * Sources: ISO 28500:2017, section 4 (records); RFC 9112, sections 2-5 (messages).
 */
#include "warc_inflate.h"

#include <stdlib.h>
#include <string.h>

/* One row for each record; a text is two numbers, start and size, in the inflated bytes. The same
 * order as in native/warc.py. */
enum {
    MEMBER_START, /* in the compressed bytes; of an uncompressed file, where the record begins */
    ORDINAL,      /* how many records of the member begin before this one */
    TYPE, TYPE_SIZE,
    URI, URI_SIZE,
    DATE, DATE_SIZE,
    RECORD_ID, RECORD_ID_SIZE,
    CONTENT_TYPE, CONTENT_TYPE_SIZE,
    BLOCK, BLOCK_SIZE,
    HTTP_STATUS, /* 0: no HTTP message, -1: one that only Python can take apart */
    HTTP_TYPE, HTTP_TYPE_SIZE,
    BODY,        /* goes up to the block's end */
    IS_CODED,    /* the body is in chunks or in a content coding */
    HEAD,        /* where the record's header begins */
    ROW_SIZE
};

enum { /* why no more rows come */
    ALL_READ = 0,
    NEEDS_INPUT = 1,
    NEEDS_ROOM = 2,  /* for output or rows */
    IS_ODD = 3,      /* what comes next is for the slower reader */
};

#define MAX_HEADER (1 << 16)

typedef struct {
    const uint8_t *base, *at, *end;
} Text;

static int is_space(uint8_t c) { /* as Python's str.strip for ASCII */
    return c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x1F);
}

static int is_digit(uint8_t c) {
    return c >= '0' && c <= '9';
}

static void trim(const uint8_t **start, const uint8_t **end) {
    while (*start < *end && is_space(**start)) (*start)++;
    while (*start < *end && is_space((*end)[-1])) (*end)--;
}

static int equals(const uint8_t *start, const uint8_t *end, const char *lower) {
    size_t size = strlen(lower);
    if ((size_t)(end - start) != size) return 0;
    for (size_t at = 0; at < size; at++) {
        uint8_t c = start[at];
        if (c >= 'A' && c <= 'Z') c |= 32;
        if (c != (uint8_t)lower[at]) return 0;
    }
    return 1;
}

/* The first of a repeated field counts. */
static void keep_text(int64_t *row, int field, const Text *text, const uint8_t *start,
                      const uint8_t *end) {
    if (row[field] >= 0) return;
    row[field] = start - text->base;
    row[field + 1] = end - start;
}

/* Returns the size of a line `WARC/1.0`, 0 where none begins here. */
static size_t match_version(const uint8_t *at, const uint8_t *end) {
    const uint8_t *start = at;
    if (end - at < 9 || memcmp(at, "WARC/", 5) != 0) return 0;
    if (!is_digit(at[5]) || at[6] != '.' || !is_digit(at[7])) return 0;
    for (at += 8; at < end && (*at == ' ' || *at == '\t');) at++;
    if (at < end && *at == '\r') at++;
    return at < end && *at == '\n' ? (size_t)(at + 1 - start) : 0;
}

static int parse_size(const uint8_t *start, const uint8_t *end, int64_t *size) {
    if (start == end || end - start > 12) return 0;
    *size = 0;
    for (; start < end; start++) {
        if (!is_digit(*start)) return 0;
        *size = *size * 10 + (*start - '0');
    }
    return 1;
}

static int keep_warc_field(int64_t *row, const Text *text, const uint8_t *name,
                           const uint8_t *name_end, const uint8_t *value,
                           const uint8_t *value_end) {
    switch (name_end - name) {
    case 9:
        if (equals(name, name_end, "warc-type")) keep_text(row, TYPE, text, value, value_end);
        if (equals(name, name_end, "warc-date")) keep_text(row, DATE, text, value, value_end);
        break;
    case 12:
        if (equals(name, name_end, "content-type")) {
            keep_text(row, CONTENT_TYPE, text, value, value_end);
        }
        break;
    case 14:
        if (row[BLOCK_SIZE] < 0 && equals(name, name_end, "content-length")) {
            return parse_size(value, value_end, &row[BLOCK_SIZE]);
        }
        if (equals(name, name_end, "warc-record-id")) {
            keep_text(row, RECORD_ID, text, value, value_end);
        }
        break;
    case 15:
        if (equals(name, name_end, "warc-target-uri")) {
            keep_text(row, URI, text, value, value_end);
        }
        break;
    default: break;
    }
    return 1;
}

/* Reads a record's header; leaves `text->at` at its block. */
static int read_warc_header(int64_t *row, Text *text) {
    const uint8_t *start = text->at, *line = start + match_version(start, text->end);
    if (line == start) return IS_ODD;
    for (;;) {
        const uint8_t *stop = memchr(line, '\n', (size_t)(text->end - line));
        if (stop == NULL) return text->end - start > MAX_HEADER ? IS_ODD : NEEDS_INPUT;
        if (stop - start > MAX_HEADER) return IS_ODD;
        const uint8_t *from = line, *to = stop;
        while (from < to && *from == '\r') from++;
        while (from < to && to[-1] == '\r') to--;
        if (from == to) {
            text->at = stop + 1;
            break;
        }
        if (*line == ' ' || *line == '\t' || match_version(line, stop + 1)) return IS_ODD;
        const uint8_t *colon = memchr(line, ':', (size_t)(stop - line));
        if (colon != NULL) {
            const uint8_t *name = line, *name_end = colon, *value = colon + 1, *value_end = stop;
            trim(&name, &name_end);
            trim(&value, &value_end);
            if (!keep_warc_field(row, text, name, name_end, value, value_end)) return IS_ODD;
        }
        line = stop + 1;
    }
    row[BLOCK] = text->at - text->base;
    return row[BLOCK_SIZE] < 0 ? IS_ODD : ALL_READ;
}

/* Returns the place behind the status line and its code, NULL where there is none. */
static const uint8_t *match_status(const uint8_t *at, const uint8_t *end, int64_t *status) {
    if (end - at < 10 || memcmp(at, "HTTP/", 5) != 0 || !is_digit(at[5])) return NULL;
    at += 6;
    if (*at == '.' && is_digit(at[1])) {
        for (at += 1; at < end && is_digit(*at);) at++;
    }
    if (at == end || (*at != ' ' && *at != '\t')) return NULL;
    while (at < end && (*at == ' ' || *at == '\t')) at++;
    if (end - at < 4 || !is_digit(at[0]) || !is_digit(at[1]) || !is_digit(at[2])) return NULL;
    *status = (at[0] - '0') * 100 + (at[1] - '0') * 10 + (at[2] - '0');
    if (!is_space(at[3])) return NULL; /* anything else is left to Python */
    at = memchr(at + 3, '\n', (size_t)(end - at - 3));
    return at ? at + 1 : NULL;
}

static void keep_http_field(int64_t *row, const Text *text, const uint8_t *name,
                            const uint8_t *name_end, const uint8_t *value,
                            const uint8_t *value_end) {
    if (equals(name, name_end, "content-type")) {
        keep_text(row, HTTP_TYPE, text, value, value_end);
    } else if (equals(name, name_end, "content-encoding") ||
               equals(name, name_end, "transfer-encoding")) {
        row[IS_CODED] |= !equals(value, value_end, "identity") && value < value_end;
    }
}

/* Takes the HTTP message of a block apart; what is unusual is left to Python. */
static void read_http(int64_t *row, const Text *text) {
    const uint8_t *start = text->base + row[BLOCK], *end = start + row[BLOCK_SIZE];
    if (end - start < 5 || memcmp(start, "HTTP/", 5) != 0) return;
    int64_t status;
    const uint8_t *line = match_status(start, end, &status);
    row[HTTP_STATUS] = -1;
    if (line == NULL) return;
    for (;;) {
        const uint8_t *stop = memchr(line, '\n', (size_t)(end - line));
        if (stop == NULL || *line == ' ' || *line == '\t') return;
        if (stop == line || (stop == line + 1 && *line == '\r')) {
            row[BODY] = stop + 1 - text->base;
            row[HTTP_STATUS] = status;
            return;
        }
        const uint8_t *colon = memchr(line, ':', (size_t)(stop - line));
        if (colon != NULL) {
            const uint8_t *name = line, *name_end = colon, *value = colon + 1, *value_end = stop;
            trim(&name, &name_end);
            trim(&value, &value_end);
            keep_http_field(row, text, name, name_end, value, value_end);
        }
        line = stop + 1;
    }
}

static int holds_http(const int64_t *row, const uint8_t *base) {
    const uint8_t *type = base + row[TYPE];
    return row[TYPE] >= 0 && (equals(type, type + row[TYPE_SIZE], "response") ||
                              equals(type, type + row[TYPE_SIZE], "revisit"));
}

/* Skips the line ends behind a block; says whether what follows bears out that it ended there. */
static int is_followed_well(Text *text, int is_all) {
    int num_lines = 0;
    while (text->at < text->end && (*text->at == '\r' || *text->at == '\n')) {
        num_lines += *text->at++ == '\n';
    }
    if (text->at == text->end) return is_all ? ALL_READ : NEEDS_INPUT;
    if (num_lines >= 2 && match_version(text->at, text->end)) return ALL_READ;
    return is_all || text->end - text->at > 64 ? IS_ODD : NEEDS_INPUT;
}

/* Reads one record; `text->at` moves behind it and its line ends only if it is whole. */
static int read_record(int64_t *row, Text *text, int is_all, int64_t max_block) {
    for (int field = 0; field < ROW_SIZE; field++) row[field] = -1;
    row[HTTP_STATUS] = row[IS_CODED] = 0;
    row[MEMBER_START] = text->at - text->base;
    row[ORDINAL] = 0;
    row[HEAD] = text->at - text->base;
    Text ahead = *text;
    int result = read_warc_header(row, &ahead);
    if (result == NEEDS_INPUT && is_all) result = IS_ODD;
    if (result != ALL_READ) return result;
    if (row[BLOCK_SIZE] > max_block) return IS_ODD;
    if (row[BLOCK_SIZE] > ahead.end - ahead.at) return is_all ? IS_ODD : NEEDS_INPUT;
    ahead.at += row[BLOCK_SIZE];
    result = is_followed_well(&ahead, is_all);
    if (result != ALL_READ) return result;
    if (holds_http(row, text->base)) read_http(row, text);
    text->at = ahead.at;
    return ALL_READ;
}

static void skip_blank(Text *text) {
    while (text->at < text->end && (*text->at == '\r' || *text->at == '\n')) text->at++;
}

/* Reads the records of uncompressed bytes.
 *
 * Args: is_all: whether the bytes are the file's last; rows: room for `max_rows`.
 * Returns why it stopped; used: how many bytes are done with; num_rows: how many were written.
 */
LS_EXPORT int ls_warc_read_plain(const uint8_t *data, int64_t size, int is_all, int64_t max_block,
                                 int64_t *rows, int64_t max_rows, int64_t *used,
                                 int64_t *num_rows) {
    Text text = {data, data, data + size};
    int result = ALL_READ;
    *num_rows = 0;
    skip_blank(&text);
    while (text.at < text.end && result == ALL_READ) {
        if (*num_rows == max_rows) {
            result = NEEDS_ROOM;
            break;
        }
        result = read_record(rows + *num_rows * ROW_SIZE, &text, is_all, max_block);
        if (result == ALL_READ) ++*num_rows;
    }
    *used = text.at - data;
    return result;
}

/* Reads the records of one inflated member, all of them or, where one is odd, none. */
static int read_member(const uint8_t *base, const uint8_t *start, const uint8_t *end,
                       int64_t max_block, int64_t *rows, int64_t max_rows, int64_t *num_rows) {
    Text text = {base, start, end};
    *num_rows = 0;
    while (text.at < end) {
        if (*num_rows == max_rows) return NEEDS_ROOM;
        int64_t *row = rows + *num_rows * ROW_SIZE;
        int result = read_record(row, &text, 1, max_block);
        if (result != ALL_READ) return result;
        row[ORDINAL] = (*num_rows)++;
    }
    return *num_rows ? ALL_READ : IS_ODD;
}

/* What is read of an archive block by block. A member that a block's end cuts through is not
 * inflated again: `taken` of its compressed bytes are done with, and what they gave stands in the
 * output. */
typedef struct {
    Inflater inflater;
    int64_t taken;
    size_t output_at, output_size;
} MemberReader;

LS_EXPORT MemberReader *ls_warc_reader_new(void) {
    return calloc(1, sizeof(MemberReader));
}

LS_EXPORT void ls_warc_reader_free(MemberReader *reader) {
    free(reader);
}

/* Forgets what was begun: the next block is from elsewhere. */
LS_EXPORT void ls_warc_reader_start(MemberReader *reader) {
    reader->taken = 0;
    reader->output_size = 0;
}

/* Inflates gzip members one behind the other and reads their records.
 *
 * Args: data: go on where the last call was done, all that there is room for; output: room for `output_size` inflated
 * bytes, to which the rows refer, and which the next call needs as it was.
 * Returns why it stopped; used: compressed bytes that are done with. At what is odd it is where
 * that member begins: below zero if that was in an earlier call's data. So are the rows'.
 */
LS_EXPORT int ls_warc_read_members(MemberReader *reader, const uint8_t *data, int64_t size,
                                   int is_all, uint8_t *output, int64_t output_size,
                                   int64_t max_block, int64_t *rows, int64_t max_rows,
                                   int64_t *used, int64_t *num_rows) {
    Input input = {data, data + size, is_all};
    Output out = {output + reader->output_size, output + output_size};
    if (reader->output_size) memmove(output, output + reader->output_at, reader->output_size);
    uint8_t *start = output;
    int64_t member = -reader->taken; /* where it begins */
    *num_rows = 0;
    for (;; start = out.at, member = input.at - data) {
        if (member >= 0) {
            while (input.at < input.end && *input.at == 0) input.at++; /* padding */
            member = *used = input.at - data;
            ls_warc_reader_start(reader);
            if (input.at == input.end) return ALL_READ;
            inflate_start(&reader->inflater, INFLATE_GZIP);
        }
        int64_t found, *first = rows + *num_rows * ROW_SIZE;
        int result = inflate_step(&reader->inflater, &input, &out);
        *used = member;
        if (result == INFLATE_MORE_INPUT && input.at == data) return IS_ODD; /* too large a header */
        if (result == INFLATE_MORE_INPUT || (result == INFLATE_MORE_ROOM && start > output)) {
            *used = input.at - data;
            reader->taken = *used - member;
            reader->output_at = (size_t)(start - output);
            reader->output_size = (size_t)(out.at - start);
            return result == INFLATE_MORE_INPUT ? NEEDS_INPUT : NEEDS_ROOM;
        }
        ls_warc_reader_start(reader);
        if (result != INFLATE_DONE) return IS_ODD;
        result = read_member(output, start, out.at, max_block, first, max_rows - *num_rows, &found);
        if (result == NEEDS_ROOM && *num_rows == 0) return IS_ODD; /* no call has more rows */
        if (result != ALL_READ) return result;
        for (int64_t row = 0; row < found; row++) first[row * ROW_SIZE + MEMBER_START] = member;
        *num_rows += found;
    }
}

/* ---- inflating piece by piece, for Python ---- */

LS_EXPORT Inflater *ls_warc_inflater_new(void) {
    return calloc(1, sizeof(Inflater));
}

LS_EXPORT void ls_warc_inflater_free(Inflater *state) {
    free(state);
}

LS_EXPORT void ls_warc_inflater_start(Inflater *state, int wrapper) {
    inflate_start(state, wrapper);
}

/* Inflates from `data` into `output` from `at` on; the stream's last 32 KiB must stand before. */
LS_EXPORT int ls_warc_inflate(Inflater *state, const uint8_t *data, int64_t size, int is_all,
                              uint8_t *output, int64_t at, int64_t output_size, int64_t *used,
                              int64_t *produced) {
    Input input = {data, data + size, is_all};
    Output out = {output + at, output + output_size};
    int result = inflate_step(state, &input, &out);
    *used = input.at - data;
    *produced = out.at - (output + at);
    return result;
}

LS_EXPORT uint32_t ls_warc_crc32(uint32_t crc, const uint8_t *data, int64_t size) {
    return update_crc32(crc, data, (size_t)size);
}
