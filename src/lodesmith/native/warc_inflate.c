/* Inflates streams as they stand in web archives: very many, most of them short.
 *
 * A code's table is no larger than its longest code needs, so that a short record does not pay
 * for filling a large one. The loop in `copy_symbols_fast` runs while input and output are far
 * from their ends and then needs no checks; `copy_symbols` does the rest, and stops between two
 * symbols, so that a call can be repeated with more input or more room.
 *
 * Sources: RFC 1950, 1951, 1952.
 */
#include "warc_inflate.h"

#include <string.h>

enum { AT_HEADER, AT_BLOCK, IN_STORED, IN_CODES, AT_TRAILER, AT_END };

/* A table entry: bits 0-7 how many bits it takes, extra bits included; 8-11 how many of these are
 * the code, or index a sub-table; 12-15 its kind, 16-31 a literal, the base of a length or
 * distance, or where a sub-table is. */
#define KIND_LITERAL 0x8000u
#define KIND_RARE 0x4000u
#define KIND_SUBTABLE 0x5000u
#define KIND_END 0x6000u /* end of block */
#define KIND_INVALID 0x4000u
#define KIND_MASK 0xF000u
#define ENTRY_BITS(entry) ((entry) & 0xFFu)
#define ENTRY_CODE(entry) ((entry) >> 8 & 0xFu)
#define ENTRY_VALUE(entry) ((entry) >> 16)

#define MAX_CODE_BITS 15
#define WINDOW 32768u
#define MAX_HEADER (1 << 17) /* a gzip header holds names of any length; longer ones are no names */

static const uint16_t LENGTH_BASE[29] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,
                                         15, 17, 19, 23, 27, 31, 35, 43, 51,  59,
                                         67, 83, 99, 115, 131, 163, 195, 227, 258};
static const uint8_t LENGTH_EXTRA[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                         2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
static const uint16_t DISTANCE_BASE[30] = {
    1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
    193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
static const uint8_t DISTANCE_EXTRA[30] = {0, 0, 0, 0, 1, 1, 2, 2,  3,  3,  4,  4,  5,  5,  6,
                                           6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13};
static const uint8_t LENGTHS_ORDER[19] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                          11, 4,  12, 3, 13, 2, 14, 1, 15};

static uint32_t main_entry(unsigned symbol) {
    if (symbol < 256) return KIND_LITERAL | symbol << 16;
    if (symbol == 256) return KIND_END;
    if (symbol > 285) return KIND_INVALID;
    return (uint32_t)LENGTH_BASE[symbol - 257] << 16 | LENGTH_EXTRA[symbol - 257];
}

static uint32_t distance_entry(unsigned symbol) {
    if (symbol > 29) return KIND_INVALID;
    return (uint32_t)DISTANCE_BASE[symbol] << 16 | DISTANCE_EXTRA[symbol];
}

static uint32_t plain_entry(unsigned symbol) {
    return symbol << 16;
}

/* An entry as `..._entry` made it holds the extra bits only. */
static inline uint32_t finish_entry(uint32_t entry, unsigned code_bits) {
    return entry + code_bits + (code_bits << 8);
}

static unsigned reverse(unsigned code, unsigned length) {
    code = (code & 0x5555u) << 1 | (code >> 1 & 0x5555u);
    code = (code & 0x3333u) << 2 | (code >> 2 & 0x3333u);
    code = (code & 0x0F0Fu) << 4 | (code >> 4 & 0x0F0Fu);
    code = (code & 0x00FFu) << 8 | (code >> 8 & 0x00FFu);
    return code >> (16 - length);
}

typedef struct {
    uint32_t *table;
    unsigned size, bits; /* entries that there is room for; bits that index the first part */
    uint32_t (*entry_of)(unsigned symbol);
    unsigned filled; /* entries in use */
    unsigned prefix; /* the long codes' first bits that the last sub-table stands for */
    unsigned sub_start, sub_bits;
} Builder;

/* Makes a table of `from` bits one of `to` bits: what a bit more could be does not matter yet. */
static void widen(uint32_t *table, unsigned from, unsigned to) {
    for (; from < to; from++) memcpy(table + (1u << from), table, sizeof *table << from);
}

/* Begins the sub-table of a prefix: as many bits as the codes with it can still take. */
static int open_subtable(Builder *builder, unsigned prefix, unsigned length,
                         const uint16_t *left_of_length) {
    unsigned bits = length - builder->bits;
    int room = 1 << bits;
    for (unsigned next = length;; next++) {
        room -= left_of_length[next];
        if (room <= 0 || next >= MAX_CODE_BITS) break;
        room <<= 1;
        bits++;
    }
    if (builder->filled + (1u << bits) > builder->size) return 0;
    builder->prefix = prefix;
    builder->sub_start = builder->filled;
    builder->sub_bits = bits;
    builder->filled += 1u << bits;
    builder->table[prefix] = KIND_SUBTABLE | builder->sub_start << 16 | bits << 8 | builder->bits;
    return 1;
}

static int put_long(Builder *builder, unsigned reversed, unsigned length, uint32_t entry,
                    const uint16_t *left_of_length) {
    unsigned prefix = reversed & ((1u << builder->bits) - 1);
    if (builder->prefix != prefix && !open_subtable(builder, prefix, length, left_of_length)) {
        return 0;
    }
    unsigned rest = length - builder->bits;
    for (unsigned at = reversed >> builder->bits; at < 1u << builder->sub_bits; at += 1u << rest) {
        builder->table[builder->sub_start + at] = finish_entry(entry, rest);
    }
    return 1;
}

/* Counts codes by length; 0 where they can be no prefix code. As in zlib, an incomplete set is
 * good only where it is a single code of one bit, or empty. */
static int check_lengths(const uint8_t *lengths, unsigned count, uint16_t *of_length,
                         unsigned *longest) {
    memset(of_length, 0, (MAX_CODE_BITS + 1) * sizeof *of_length);
    for (unsigned symbol = 0; symbol < count; symbol++) of_length[lengths[symbol]]++;
    of_length[0] = 0;
    int room = 1;
    *longest = 0;
    for (unsigned length = 1; length <= MAX_CODE_BITS; length++) {
        room = (room << 1) - of_length[length];
        if (room < 0) return 0;
        if (of_length[length]) *longest = length;
    }
    return room == 0 || *longest <= 1;
}

/* Builds the table of a canonical code (RFC 1951, section 3.2.2); 0 where there is none. */
static int build_table(Builder *builder, const uint8_t *lengths, unsigned count,
                       unsigned max_bits) {
    uint16_t of_length[MAX_CODE_BITS + 1], start[MAX_CODE_BITS + 2];
    uint16_t sorted[288];
    unsigned longest;
    if (!check_lengths(lengths, count, of_length, &longest)) return 0;
    builder->bits = longest < max_bits ? (longest ? longest : 1) : max_bits;
    builder->filled = 1u << builder->bits;
    builder->prefix = ~0u;
    builder->table[0] = finish_entry(KIND_INVALID, 1); /* stays where a code is incomplete */
    start[1] = 0;
    for (unsigned length = 1; length <= MAX_CODE_BITS; length++) {
        start[length + 1] = (uint16_t)(start[length] + of_length[length]);
    }
    unsigned total = start[MAX_CODE_BITS + 1];
    for (unsigned symbol = 0; symbol < count; symbol++) {
        if (lengths[symbol]) sorted[start[lengths[symbol]]++] = (uint16_t)symbol;
    }
    unsigned code = 0, length = 0, width = 0;
    for (unsigned number = 0; number < total; number++, code++) {
        unsigned symbol = sorted[number];
        code <<= lengths[symbol] - length;
        length = lengths[symbol];
        uint32_t entry = builder->entry_of(symbol);
        unsigned reversed = reverse(code, length), wanted = length < builder->bits ? length : builder->bits;
        widen(builder->table, width, wanted);
        width = wanted;
        if (length <= builder->bits) {
            builder->table[reversed] = finish_entry(entry, length);
        } else if (!put_long(builder, reversed, length, entry, of_length)) {
            return 0;
        }
        of_length[length]--; /* what is left, for the size of sub-tables */
    }
    widen(builder->table, width, builder->bits);
    return 1;
}

static int build_codes(Inflater *state, const uint8_t *lengths, unsigned num_main,
                       unsigned num_distance) {
    Builder main = {.table = state->main, .size = MAIN_SIZE, .entry_of = main_entry};
    Builder distance = {
        .table = state->distance, .size = DISTANCE_SIZE, .entry_of = distance_entry};
    if (!build_table(&main, lengths, num_main, MAIN_BITS)) return 0;
    if (!build_table(&distance, lengths + num_main, num_distance, DISTANCE_BITS)) return 0;
    state->main_bits = main.bits;
    state->distance_bits = distance.bits;
    return 1;
}

/* ---- bits ---- */

static inline uint64_t load_word(const uint8_t *at) {
    uint64_t word;
    memcpy(&word, at, 8);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* Fills up to 63 bits: a shift by 64 would be undefined. */
static void fill_bits(Inflater *state, Input *input) {
    while (state->num_bits < 56 && input->at < input->end) {
        state->bits |= (uint64_t)*input->at++ << state->num_bits;
        state->num_bits += 8;
    }
}

/* Takes up to 16 bits; 0 where the input has too few. */
static int take_bits(Inflater *state, Input *input, unsigned count, unsigned *value) {
    if (state->num_bits < count) fill_bits(state, input);
    if (state->num_bits < count) return 0;
    *value = (unsigned)(state->bits & ((1u << count) - 1));
    state->bits >>= count;
    state->num_bits -= count;
    return 1;
}

/* Gives whole bytes back to the input that they came from in this call. */
static void give_back(Inflater *state, Input *input) {
    input->at -= state->num_bits / 8;
    state->num_bits &= 7;
    state->bits &= (1u << state->num_bits) - 1;
}

/* Drops the bits up to the next whole byte. */
static void align_to_byte(Inflater *state, Input *input) {
    give_back(state, input);
    state->bits = 0;
    state->num_bits = 0;
}

static int short_of_input(const Input *input) {
    return input->is_all ? INFLATE_CUT_SHORT : INFLATE_MORE_INPUT;
}

/* ---- block headers ---- */

static int read_fixed(Inflater *state) {
    uint8_t lengths[288 + 32];
    memset(lengths, 8, 144);
    memset(lengths + 144, 9, 112);
    memset(lengths + 256, 7, 24);
    memset(lengths + 280, 8, 8);
    memset(lengths + 288, 5, 32);
    return build_codes(state, lengths, 288, 32) ? INFLATE_DONE : INFLATE_BAD_DATA;
}

/* Reads the lengths of both codes, themselves coded (RFC 1951, section 3.2.7). */
static int read_lengths(Inflater *state, Input *input, const uint32_t *table, unsigned bits,
                        uint8_t *lengths, unsigned count) {
    unsigned at = 0;
    while (at < count) {
        fill_bits(state, input);
        uint32_t entry = table[state->bits & ((1u << bits) - 1)];
        if ((entry & KIND_MASK) == KIND_INVALID) return INFLATE_BAD_DATA;
        unsigned symbol = ENTRY_VALUE(entry);
        unsigned extra = symbol < 16 ? 0 : symbol == 16 ? 2 : symbol == 17 ? 3 : 7;
        if (state->num_bits < ENTRY_BITS(entry) + extra) return short_of_input(input);
        state->bits >>= ENTRY_BITS(entry);
        state->num_bits -= ENTRY_BITS(entry);
        if (symbol < 16) {
            lengths[at++] = (uint8_t)symbol;
            continue;
        }
        unsigned more = (unsigned)(state->bits & ((1u << extra) - 1));
        state->bits >>= extra;
        state->num_bits -= extra;
        unsigned repeat = more + (symbol == 18 ? 11 : 3);
        if ((symbol == 16 && at == 0) || repeat > count - at) return INFLATE_BAD_DATA;
        memset(lengths + at, symbol == 16 ? lengths[at - 1] : 0, repeat);
        at += repeat;
    }
    return INFLATE_DONE;
}

static int read_dynamic(Inflater *state, Input *input) {
    unsigned counts, length;
    uint8_t of_lengths[19] = {0}, lengths[286 + 30];
    uint32_t table[128];
    if (!take_bits(state, input, 14, &counts)) return short_of_input(input);
    unsigned num_main = (counts & 31) + 257, num_distance = (counts >> 5 & 31) + 1;
    if (num_main > 286 || num_distance > 30) return INFLATE_BAD_DATA;
    for (unsigned number = 0; number < (counts >> 10) + 4; number++) {
        if (!take_bits(state, input, 3, &length)) return short_of_input(input);
        of_lengths[LENGTHS_ORDER[number]] = (uint8_t)length;
    }
    Builder builder = {.table = table, .size = 128, .entry_of = plain_entry};
    uint16_t of_length[MAX_CODE_BITS + 1];
    unsigned longest;
    if (!check_lengths(of_lengths, 19, of_length, &longest)) return INFLATE_BAD_DATA;
    if (longest == 1 && of_length[1] == 1) return INFLATE_BAD_DATA; /* as zlib: not here */
    if (!build_table(&builder, of_lengths, 19, 7)) return INFLATE_BAD_DATA;
    int result = read_lengths(state, input, table, builder.bits, lengths, num_main + num_distance);
    if (result != INFLATE_DONE) return result;
    if (lengths[256] == 0) return INFLATE_BAD_DATA; /* the block could not end */
    return build_codes(state, lengths, num_main, num_distance) ? INFLATE_DONE : INFLATE_BAD_DATA;
}

static int read_stored(Inflater *state, Input *input) {
    align_to_byte(state, input);
    if (input->end - input->at < 4) return short_of_input(input);
    unsigned size = input->at[0] | (unsigned)input->at[1] << 8;
    unsigned inverse = input->at[2] | (unsigned)input->at[3] << 8;
    if ((size ^ inverse) != 0xFFFF) return INFLATE_BAD_DATA;
    input->at += 4;
    state->stored_left = size;
    return INFLATE_DONE;
}

/* Reads a block's header whole, or leaves everything as it was. */
static int read_block_header(Inflater *state, Input *input) {
    uint64_t bits = state->bits;
    unsigned num_bits = state->num_bits, head;
    const uint8_t *at = input->at;
    int result = short_of_input(input);
    if (take_bits(state, input, 3, &head)) {
        state->is_last = head & 1;
        if (head >> 1 == 0) result = read_stored(state, input);
        if (head >> 1 == 1) result = read_fixed(state);
        if (head >> 1 == 2) result = read_dynamic(state, input);
        if (head >> 1 == 3) result = INFLATE_BAD_DATA;
        state->phase = head >> 1 == 0 ? IN_STORED : IN_CODES;
    }
    if (result != INFLATE_DONE) {
        state->bits = bits;
        state->num_bits = num_bits;
        state->phase = AT_BLOCK;
        input->at = at;
    }
    return result;
}

/* ---- block contents ---- */

static int copy_stored(Inflater *state, Input *input, Output *output) {
    size_t size = state->stored_left;
    if (size > (size_t)(input->end - input->at)) size = (size_t)(input->end - input->at);
    if (size > (size_t)(output->end - output->at)) size = (size_t)(output->end - output->at);
    if (size) memcpy(output->at, input->at, size);
    input->at += size;
    output->at += size;
    state->stored_left -= (uint32_t)size;
    if (state->stored_left == 0) {
        state->phase = state->is_last ? AT_TRAILER : AT_BLOCK;
        return INFLATE_DONE;
    }
    return output->at == output->end ? INFLATE_MORE_ROOM : short_of_input(input);
}

static inline uint32_t look_up(const uint32_t *table, unsigned bits, uint64_t *word,
                               unsigned *used) {
    uint32_t entry = table[*word & ((1u << bits) - 1)];
    if ((entry & KIND_MASK) == KIND_SUBTABLE) {
        *word >>= bits;
        *used += bits;
        entry = table[ENTRY_VALUE(entry) + (*word & ((1u << ENTRY_CODE(entry)) - 1))];
    }
    *used += ENTRY_BITS(entry);
    return entry;
}

/* A length or distance: its base and the extra bits, which stand behind the code in the word. */
static inline unsigned with_extra(uint32_t entry, uint64_t word) {
    uint64_t all = word & (((uint64_t)1 << ENTRY_BITS(entry)) - 1);
    return ENTRY_VALUE(entry) + (unsigned)(all >> ENTRY_CODE(entry));
}

/* Copies a match; up to 32 bytes behind its end may be overwritten. */
static inline void copy_match_fast(uint8_t *to, unsigned distance, unsigned length) {
    const uint8_t *from = to - distance;
    uint8_t *end = to + length;
    if (distance >= 16) {
        do {
            memcpy(to, from, 16);
            to += 16;
            from += 16;
        } while (to < end);
    } else if (distance >= 8) {
        do {
            memcpy(to, from, 8);
            to += 8;
            from += 8;
        } while (to < end);
    } else if (distance == 1) {
        memset(to, *from, length);
    } else {
        do { /* each step makes `distance` more bytes right */
            memcpy(to, from, 8);
            to += distance;
            from += distance;
        } while (to < end);
    }
}

#define FAST_INPUT 24  /* three words may be loaded in one round */
#define FAST_OUTPUT (3 + 258 + 32)

/* Only the lowest byte of `have` counts: so a whole entry can be taken from it, which saves a step
 * of the chain that every symbol waits for. */
#define DROP(count) (word >>= (uint8_t)(count), have -= (count))
#define REFILL() \
    (word |= load_word(in) << (uint8_t)have, in += 7 - (have >> 3 & 7), have |= 56)
#define PUT_LITERAL() (*out++ = (uint8_t)ENTRY_VALUE(entry), DROP(entry), entry = main[word & mask])

/* Rounds of up to three literals and a match, with no check but for the symbols themselves. Ends
 * with the state between two symbols; says whether the data are bad. */
INLINE int copy_rounds(Inflater *state, Input *input, Output *output, uint64_t produced) {
    const uint32_t *main = state->main, *distance_table = state->distance;
    const unsigned main_bits = state->main_bits, distance_bits = state->distance_bits;
    const uint32_t mask = (1u << main_bits) - 1, distance_mask = (1u << distance_bits) - 1;
    const uint8_t *in = input->at, *in_stop = input->end - FAST_INPUT;
    uint8_t *out = output->at, *out_stop = output->end - FAST_OUTPUT;
    const uint8_t *history = produced > WINDOW ? NULL : output->at - produced;
    uint64_t word = state->bits;
    unsigned have = state->num_bits;
    int result = INFLATE_DONE;
    uint32_t entry;
    if (in > in_stop || out > out_stop) return result;
    REFILL();
    entry = main[word & mask];
    do {
        REFILL(); /* does not change the bits that `entry` was found by */
        if (entry & KIND_LITERAL) {
            PUT_LITERAL();
            if (entry & KIND_LITERAL) {
                PUT_LITERAL();
                if (entry & KIND_LITERAL) {
                    PUT_LITERAL();
                    continue;
                }
            }
        }
        /* 56 - 2 * 11 bits are left: enough for a length of 15 + 5 */
        if (entry & KIND_RARE) {
            if ((entry & KIND_MASK) == KIND_SUBTABLE) {
                DROP(main_bits);
                entry = main[ENTRY_VALUE(entry) + (word & ((1u << ENTRY_CODE(entry)) - 1))];
            }
            if (entry & KIND_LITERAL) {
                PUT_LITERAL();
                continue;
            }
            if (entry & KIND_RARE) {
                DROP(entry);
                result = (entry & KIND_MASK) == KIND_END ? INFLATE_DONE : INFLATE_BAD_DATA;
                if (result == INFLATE_DONE) state->phase = state->is_last ? AT_TRAILER : AT_BLOCK;
                break;
            }
        }
        unsigned length = with_extra(entry, word);
        DROP(entry);
        REFILL();
        entry = distance_table[word & distance_mask];
        if ((entry & KIND_MASK) == KIND_SUBTABLE) {
            DROP(distance_bits);
            entry = distance_table[ENTRY_VALUE(entry) + (word & ((1u << ENTRY_CODE(entry)) - 1))];
        }
        unsigned distance = with_extra(entry, word);
        DROP(entry);
        if ((entry & KIND_RARE) || (history && distance > (size_t)(out - history))) {
            result = INFLATE_BAD_DATA;
            break;
        }
        entry = main[word & mask]; /* while the copy goes on */
        copy_match_fast(out, distance, length);
        out += length;
    } while (in <= in_stop && out <= out_stop);
    in -= have >> 3 & 7;
    have &= 7;
    state->bits = word & ((1u << have) - 1);
    state->num_bits = have;
    input->at = in;
    output->at = out;
    return result;
}

#if HAS_TARGETS
/* Shifts by a register that need no fixed one, and masks of so many bits in one step. */
__attribute__((target("bmi2"))) static int copy_rounds_bmi2(Inflater *state, Input *input,
                                                            Output *output, uint64_t produced) {
    return copy_rounds(state, input, output, produced);
}
#endif

static int copy_symbols_fast(Inflater *state, Input *input, Output *output, uint64_t produced) {
#if HAS_TARGETS
    if (__builtin_cpu_supports("bmi2")) return copy_rounds_bmi2(state, input, output, produced);
#endif
    return copy_rounds(state, input, output, produced);
}

/* One symbol, with every check; MORE_INPUT and MORE_ROOM leave the state as it was. */
static int copy_symbol(Inflater *state, Input *input, Output *output, uint64_t produced) {
    fill_bits(state, input);
    uint64_t word = state->bits;
    unsigned used = 0, length = 1;
    uint32_t entry = look_up(state->main, state->main_bits, &word, &used);
    unsigned kind = entry & KIND_MASK;
    if (kind == KIND_INVALID) return used > state->num_bits ? short_of_input(input) : INFLATE_BAD_DATA;
    unsigned distance = 0;
    if (kind == 0) {
        length = with_extra(entry, word);
        word >>= ENTRY_BITS(entry);
        if (used > state->num_bits) return short_of_input(input);
        entry = look_up(state->distance, state->distance_bits, &word, &used);
        if (used > state->num_bits) return short_of_input(input);
        distance = with_extra(entry, word);
        if ((entry & KIND_RARE) || distance > produced) return INFLATE_BAD_DATA;
    }
    word >>= ENTRY_BITS(entry);
    if (used > state->num_bits) return short_of_input(input);
    if (kind != KIND_END && length > (size_t)(output->end - output->at)) return INFLATE_MORE_ROOM;
    state->bits = word;
    state->num_bits -= used;
    if (kind == KIND_END) {
        state->phase = state->is_last ? AT_TRAILER : AT_BLOCK;
    } else if (kind == KIND_LITERAL) {
        *output->at++ = (uint8_t)ENTRY_VALUE(entry);
    } else {
        for (; length; length--, output->at++) *output->at = output->at[-(ptrdiff_t)distance];
    }
    return INFLATE_DONE;
}

static int copy_symbols(Inflater *state, Input *input, Output *output) {
    const uint8_t *start = output->at;
    uint64_t before = state->produced;
    while (state->phase == IN_CODES) {
        uint64_t produced = before + (uint64_t)(output->at - start);
        int result;
        if (input->end - input->at >= FAST_INPUT && output->end - output->at >= FAST_OUTPUT) {
            result = copy_symbols_fast(state, input, output, produced);
        } else {
            result = copy_symbol(state, input, output, produced);
        }
        if (result != INFLATE_DONE) return result;
    }
    return INFLATE_DONE;
}

/* ---- wrappers ---- */

/* Returns the place behind a zero-terminated text, NULL where it does not end. */
static const uint8_t *skip_text(const uint8_t *at, const uint8_t *end) {
    const uint8_t *zero = memchr(at, 0, (size_t)(end - at));
    return zero ? zero + 1 : NULL;
}

/* Returns the place behind a gzip header, NULL where it does not end in the input. */
static const uint8_t *skip_gzip_header(const uint8_t *start, const uint8_t *end, int *is_bad) {
    if (end - start < 10) return NULL;
    const uint8_t *at = start + 10;
    unsigned flags = start[3];
    if (flags & 4) { /* extra field */
        if (end - at < 2) return NULL;
        size_t size = at[0] | (size_t)at[1] << 8;
        if ((size_t)(end - at) < 2 + size) return NULL;
        at += 2 + size;
    }
    if (flags & 8 && (at = skip_text(at, end)) == NULL) return NULL;  /* name */
    if (flags & 16 && (at = skip_text(at, end)) == NULL) return NULL; /* comment */
    if (flags & 2) {
        if (end - at < 2) return NULL;
        unsigned check = update_crc32(0, start, (size_t)(at - start)) & 0xFFFF;
        *is_bad = check != (at[0] | (unsigned)at[1] << 8);
        at += 2;
    }
    return at;
}

static int read_gzip_header(Input *input) {
    static const uint8_t magic[3] = {0x1F, 0x8B, 8};
    size_t size = (size_t)(input->end - input->at);
    if (memcmp(input->at, magic, size < 3 ? size : 3) != 0) return INFLATE_BAD_HEADER;
    if (size > 3 && input->at[3] & 0xE0) return INFLATE_BAD_HEADER; /* flags of the future */
    int is_bad = 0;
    const uint8_t *after = skip_gzip_header(input->at, input->end, &is_bad);
    if (after == NULL) return size > MAX_HEADER ? INFLATE_BAD_HEADER : short_of_input(input);
    if (is_bad) return INFLATE_BAD_HEADER;
    input->at = after;
    return INFLATE_DONE;
}

static int read_header(Inflater *state, Input *input) {
    int result = INFLATE_DONE;
    if (state->wrapper == INFLATE_GZIP) result = read_gzip_header(input);
    if (state->wrapper == INFLATE_ZLIB) {
        if (input->end - input->at < 2) return short_of_input(input);
        unsigned head = (unsigned)input->at[0] << 8 | input->at[1];
        if ((input->at[0] & 15) != 8 || input->at[0] >> 4 > 7 || head % 31 || head & 0x20) {
            return INFLATE_BAD_HEADER; /* 0x20: a dictionary that nobody here has */
        }
        input->at += 2;
    }
    if (result == INFLATE_DONE) state->phase = AT_BLOCK;
    return result;
}

static int read_trailer(Inflater *state, Input *input) {
    align_to_byte(state, input);
    const uint8_t *at = input->at;
    size_t size = state->wrapper == INFLATE_GZIP ? 8 : state->wrapper == INFLATE_ZLIB ? 4 : 0;
    if ((size_t)(input->end - at) < size) return short_of_input(input);
    input->at += size;
    state->phase = AT_END;
    if (size == 8) {
        uint32_t check = (uint32_t)load_word(at), length = (uint32_t)(load_word(at) >> 32);
        if (check != state->check || length != (uint32_t)state->produced) {
            return INFLATE_BAD_CHECKSUM;
        }
    } else if (size == 4) {
        uint32_t check = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
        if (check != state->check) return INFLATE_BAD_CHECKSUM;
    }
    return INFLATE_DONE;
}

static uint32_t update_adler32(uint32_t check, const uint8_t *data, size_t size) {
    uint32_t low = check & 0xFFFF, high = check >> 16;
    while (size) {
        size_t run = size < 5552 ? size : 5552; /* RFC 1950: no overflow of 32 bits before */
        size -= run;
        for (; run; run--) {
            low += *data++;
            high += low;
        }
        low %= 65521;
        high %= 65521;
    }
    return high << 16 | low;
}

static void count_output(Inflater *state, const uint8_t *data, size_t size) {
    state->produced += size;
    if (state->wrapper == INFLATE_GZIP) state->check = update_crc32(state->check, data, size);
    if (state->wrapper == INFLATE_ZLIB) state->check = update_adler32(state->check, data, size);
}

void inflate_start(Inflater *state, int wrapper) {
    state->bits = 0;
    state->num_bits = 0;
    state->wrapper = wrapper;
    state->phase = AT_HEADER;
    state->failure = INFLATE_DONE;
    state->is_last = 0;
    state->stored_left = 0;
    state->check = wrapper == INFLATE_ZLIB ? 1 : 0;
    state->produced = 0;
}

static int do_phase(Inflater *state, Input *input, Output *output) {
    uint8_t *before = output->at;
    int result = INFLATE_DONE;
    switch (state->phase) {
    case AT_HEADER: return read_header(state, input);
    case AT_BLOCK: return read_block_header(state, input);
    case IN_STORED: result = copy_stored(state, input, output); break;
    case IN_CODES: result = copy_symbols(state, input, output); break;
    default: return read_trailer(state, input);
    }
    count_output(state, before, (size_t)(output->at - before));
    return result;
}

int inflate_step(Inflater *state, Input *input, Output *output) {
    int result = state->failure; /* what was bad stays bad */
    while (state->phase != AT_END && result == INFLATE_DONE) result = do_phase(state, input, output);
    if (result < 0) state->failure = result;
    give_back(state, input); /* the next call may come with another buffer */
    return result;
}
