/* sip_line.c - the header block cut into lines and names, in one pass.
 *
 *   bytes   INVITE sip:bob@example.com SIP/2.0 CR LF Via: SIP/2.0/UDP ... CR LF CR LF v=0 ...
 *   mask                                       1  1                       1  1  1  1
 *
 * A mask of 64 bytes has a bit for each byte that is not printable ASCII. In a clean message these
 * are the line ends and nothing else, so rows_cut() runs once a line and not once a byte;
 * whatever else it meets (a tab, a control byte, UTF-8, a stray CR) is remembered in `saw`, and
 * only then somebody looks at the text again. A second mask, of all signs, is kept for those who
 * read the values (struct sip_marks). The masks come from AVX2, SSE2 or plain C: the only
 * difference between the three.
 *
 * Line ends: CRLF, LF. CR alone ends lines only where the first CR of the message does so without a
 * LF behind it; else it is a stray byte in a line (RFC 3261 section 7 knows CRLF only; a decoder
 * that is too liberal here sees headers that no server sees). A line that begins with SP or HTAB
 * goes on with the line before (section 7.3.1).
 *
 * Names are found without a chain of comparisons: the first two letters, the last two and the length
 * choose one of 256 slots, whose name must then be equal. -Woverride-init makes a compile error of
 * two names that want one slot. */
#include "decoders/sip_inside.h"

#if SIP_VECTOR_BYTES > 1
#include <immintrin.h>
#endif

/* clang-format off */
const uint16_t sip_classes[256] = {
    0x000, 0x000, 0x000, 0x000, 0x000, 0x000, 0x000, 0x000, 0x000, 0x044, 0x044, 0x000, /* HTAB LF */
    0x000, 0x044, 0x000, 0x000, 0x000, 0x000, 0x000, 0x000, 0x000, 0x000, 0x000, 0x000, /* CR */
    0x000, 0x000, 0x000, 0x000, 0x000, 0x000, 0x000, 0x000, 0x044, 0x021, 0x860, 0x000, /* SP ! " */
    0x000, 0x0a1, 0x000, 0x021, 0x020, 0x020, 0x021, 0x421, 0x040, 0x623, 0x423, 0x020, /* $ ... / */
    0x63b, 0x63b, 0x63b, 0x63b, 0x63b, 0x63b, 0x63b, 0x63b, 0x63b, 0x63b, 0x120, 0x040, /* 0 ... ; */
    0x820, 0x200, 0x820, 0x020, 0x000, 0x633, 0x633, 0x633, 0x633, 0x633, 0x633, 0x623, /* < ... G */
    0x623, 0x623, 0x623, 0x623, 0x623, 0x623, 0x623, 0x623, 0x623, 0x623, 0x623, 0x623, /* H ... S */
    0x623, 0x623, 0x623, 0x623, 0x623, 0x623, 0x623, 0x020, 0x020, 0x020, 0x000, 0x223, /* T ... _ */
    0x021, 0x633, 0x633, 0x633, 0x633, 0x633, 0x633, 0x623, 0x623, 0x623, 0x623, 0x623, /* ` ... k */
    0x623, 0x623, 0x623, 0x623, 0x623, 0x623, 0x623, 0x623, 0x623, 0x623, 0x623, 0x623, /* l ... w */
    0x623, 0x623, 0x623, 0x020, 0x000, 0x020, 0x021,                                    /* x ... ~ */
};
/* clang-format on */

enum { NAME_BYTES = 32 }; /* more than the longest name and its colon: two vectors */

static const char names[SIP_HEADER_COUNT][NAME_BYTES] = {
#define X(id, name) [SIP_HEADER_##id] = name ":",
    SIP_HEADER_LIST(X)
#undef X
};

/* By the first two letters, the last two, and the length. The multiplier was searched so that no two
 * names share a slot: any odd number that compiles will do. */
#define SLOT(head, tail, bytes)                                                                    \
    (((((uint32_t)(head) | (uint32_t)(tail) << 16 | 0x20202020U) + (uint32_t)(bytes)) *            \
      0x15726ae7U) >>                                                                              \
     24)

/* clang-format off */
static const uint8_t slots[256] = {
#define NAME(id, a, b, y, z, bytes) [SLOT((a) | (b) << 8, (y) | (z) << 8, bytes)] = SIP_HEADER_##id
    NAME(ALLOW, 'a', 'l', 'o', 'w', 5), NAME(AUTHENTICATION_INFO, 'a', 'u', 'f', 'o', 19),
    NAME(AUTHORIZATION, 'a', 'u', 'o', 'n', 13), NAME(CALL_ID, 'c', 'a', 'i', 'd', 7),
    NAME(CONTACT, 'c', 'o', 'c', 't', 7), NAME(CONTENT_ENCODING, 'c', 'o', 'n', 'g', 16),
    NAME(CONTENT_LENGTH, 'c', 'o', 't', 'h', 14), NAME(CONTENT_TYPE, 'c', 'o', 'p', 'e', 12),
    NAME(CSEQ, 'c', 's', 'e', 'q', 4), NAME(DATE, 'd', 'a', 't', 'e', 4),
    NAME(DIVERSION, 'd', 'i', 'o', 'n', 9), NAME(EVENT, 'e', 'v', 'n', 't', 5),
    NAME(EXPIRES, 'e', 'x', 'e', 's', 7), NAME(FROM, 'f', 'r', 'o', 'm', 4),
    NAME(HISTORY_INFO, 'h', 'i', 'f', 'o', 12), NAME(IDENTITY, 'i', 'd', 't', 'y', 8),
    NAME(MAX_FORWARDS, 'm', 'a', 'd', 's', 12), NAME(MIN_EXPIRES, 'm', 'i', 'e', 's', 11),
    NAME(P_ASSERTED_IDENTITY, 'p', '-', 't', 'y', 19), NAME(P_ASSOCIATED_URI, 'p', '-', 'r', 'i', 16),
    NAME(P_CHARGING_VECTOR, 'p', '-', 'o', 'r', 17), NAME(P_PREFERRED_IDENTITY, 'p', '-', 't', 'y', 20),
    NAME(PATH, 'p', 'a', 't', 'h', 4), NAME(PRIVACY, 'p', 'r', 'c', 'y', 7),
    NAME(PROXY_AUTHENTICATE, 'p', 'r', 't', 'e', 18), NAME(PROXY_AUTHORIZATION, 'p', 'r', 'o', 'n', 19),
    NAME(PROXY_REQUIRE, 'p', 'r', 'r', 'e', 13), NAME(RACK, 'r', 'a', 'c', 'k', 4),
    NAME(REASON, 'r', 'e', 'o', 'n', 6), NAME(RECORD_ROUTE, 'r', 'e', 't', 'e', 12),
    NAME(REFER_TO, 'r', 'e', 't', 'o', 8), NAME(REFERRED_BY, 'r', 'e', 'b', 'y', 11),
    NAME(REMOTE_PARTY_ID, 'r', 'e', 'i', 'd', 15), NAME(REPLACES, 'r', 'e', 'e', 's', 8),
    NAME(REQUIRE, 'r', 'e', 'r', 'e', 7), NAME(RETRY_AFTER, 'r', 'e', 'e', 'r', 11),
    NAME(ROUTE, 'r', 'o', 't', 'e', 5), NAME(RSEQ, 'r', 's', 'e', 'q', 4),
    NAME(SERVER, 's', 'e', 'e', 'r', 6), NAME(SERVICE_ROUTE, 's', 'e', 't', 'e', 13),
    NAME(SESSION_EXPIRES, 's', 'e', 'e', 's', 15), NAME(SESSION_ID, 's', 'e', 'i', 'd', 10),
    NAME(SUBJECT, 's', 'u', 'c', 't', 7), NAME(SUPPORTED, 's', 'u', 'e', 'd', 9),
    NAME(TARGET_DIALOG, 't', 'a', 'o', 'g', 13), NAME(TO, 't', 'o', 't', 'o', 2),
    NAME(UNSUPPORTED, 'u', 'n', 'e', 'd', 11), NAME(USER_AGENT, 'u', 's', 'n', 't', 10),
    NAME(VIA, 'v', 'i', 'i', 'a', 3), NAME(WARNING, 'w', 'a', 'n', 'g', 7),
    NAME(WWW_AUTHENTICATE, 'w', 'w', 't', 'e', 16), NAME(IN_REPLY_TO, 'i', 'n', 't', 'o', 11),
    NAME(ORGANIZATION, 'o', 'r', 'o', 'n', 12), NAME(MIN_SE, 'm', 'i', 's', 'e', 6),
    NAME(ACCEPT, 'a', 'c', 'p', 't', 6), NAME(CONTENT_DISPOSITION, 'c', 'o', 'o', 'n', 19),
    NAME(MIME_VERSION, 'm', 'i', 'o', 'n', 12), NAME(JOIN, 'j', 'o', 'i', 'n', 4),
    NAME(IDENTITY_INFO, 'i', 'd', 'f', 'o', 13),
#undef NAME
};

/* RFC 3261 section 20 and the extensions that took a letter; a, d, j and u name headers that nobody reads here. */
static const uint8_t compact[256] = {
    ['b'] = SIP_HEADER_REFERRED_BY, ['B'] = SIP_HEADER_REFERRED_BY,
    ['c'] = SIP_HEADER_CONTENT_TYPE, ['C'] = SIP_HEADER_CONTENT_TYPE,
    ['e'] = SIP_HEADER_CONTENT_ENCODING, ['E'] = SIP_HEADER_CONTENT_ENCODING,
    ['f'] = SIP_HEADER_FROM, ['F'] = SIP_HEADER_FROM, ['i'] = SIP_HEADER_CALL_ID, ['I'] = SIP_HEADER_CALL_ID,
    ['k'] = SIP_HEADER_SUPPORTED, ['K'] = SIP_HEADER_SUPPORTED,
    ['l'] = SIP_HEADER_CONTENT_LENGTH, ['L'] = SIP_HEADER_CONTENT_LENGTH,
    ['m'] = SIP_HEADER_CONTACT, ['M'] = SIP_HEADER_CONTACT,
    ['n'] = SIP_HEADER_IDENTITY_INFO, ['N'] = SIP_HEADER_IDENTITY_INFO,
    ['o'] = SIP_HEADER_EVENT, ['O'] = SIP_HEADER_EVENT, ['r'] = SIP_HEADER_REFER_TO, ['R'] = SIP_HEADER_REFER_TO,
    ['s'] = SIP_HEADER_SUBJECT, ['S'] = SIP_HEADER_SUBJECT, ['t'] = SIP_HEADER_TO, ['T'] = SIP_HEADER_TO,
    ['v'] = SIP_HEADER_VIA, ['V'] = SIP_HEADER_VIA,
    ['x'] = SIP_HEADER_SESSION_EXPIRES, ['X'] = SIP_HEADER_SESSION_EXPIRES,
    ['y'] = SIP_HEADER_IDENTITY, ['Y'] = SIP_HEADER_IDENTITY,
};
/* clang-format on */

/* --- names --- */
/* Letters are compared without case by setting bit 5 of every byte: of the characters of names only
 * - has a twin there, CR, and there is none in the lines that are named so. */
#if SIP_VECTOR_BYTES > 1
static ALWAYS_INLINE __m128i load16(const void *at)
{
    return _mm_loadu_si128((const __m128i *)at);
}

static ALWAYS_INLINE uint32_t equal16(__m128i one, __m128i other)
{
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(one, other));
}

/* `bytes` < 16 of name and the colon behind them; `text` is what stands there. */
static ALWAYS_INLINE bool name_is(__m128i text, uint32_t bytes, const char *name)
{
    uint32_t other = ~equal16(_mm_or_si128(text, _mm_set1_epi8(0x20)), load16(name));

    return other << (31 - bytes) == 0;
}
#endif

static ALWAYS_INLINE uint32_t letters(const char *text)
{
    uint16_t two;

    memcpy(&two, text, sizeof two);
    return le16toh(two);
}

/* The only one that a name of at least 2 bytes can be. */
static ALWAYS_INLINE enum sip_header name_guess(const char *text, uint32_t bytes)
{
    return (enum sip_header)slots[SLOT(letters(text), letters(text + bytes - 2), bytes)];
}

enum sip_header sip_header_of(struct slice name)
{
    if (name.bytes < 2) {
        return name.bytes == 0 ? SIP_HEADER_OTHER : (enum sip_header)compact[(uint8_t)name.at[0]];
    }
    if (name.bytes >= NAME_BYTES) {
        return SIP_HEADER_OTHER;
    }
    enum sip_header header = name_guess(name.at, (uint32_t)name.bytes);
    bool same = names[header][name.bytes] == ':' &&
                sip_same(name.at, name.bytes, names[header], name.bytes);
    return same ? header : SIP_HEADER_OTHER;
}

static bool is_token(const char *text, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) {
        if (!sip_is(text[i], SIP_TOKEN)) {
            return false;
        }
    }
    return bytes > 0;
}

/* A name that is not in the list, white space before the colon, a colon that is far or missing;
 * also the last line of a message without a body, behind which there are not NAME_BYTES to load.
 * Returns where the value begins. */
static uint32_t name_unusual(const struct sip_lines *lines, uint32_t from, uint32_t to,
                             struct sip_row *row)
{
    const char *text = (const char *)lines->at + from;
    uint32_t bytes = to - from;
    const char *found = memchr(text, ':', bytes);
    uint32_t name_bytes = found == NULL ? bytes : (uint32_t)(found - text);
    uint32_t value = found == NULL ? bytes : name_bytes + 1;

    while (name_bytes > 0 && (text[name_bytes - 1] == ' ' || text[name_bytes - 1] == '\t')) {
        name_bytes--;
    }
    row->header =
        found == NULL ? SIP_HEADER_OTHER : (uint8_t)sip_header_of(slice_of(text, name_bytes));
    row->malformed =
        found == NULL || (row->header == SIP_HEADER_OTHER && !is_token(text, name_bytes));
    return from + value;
}

/* The value between `at` and `to` without the white space around it. */
static __attribute__((noinline)) void value_trim(const char *text, uint32_t at, uint32_t to,
                                                 struct sip_row *row)
{
    const char *from = sip_skip_space(text + at, text + to);

    row->value = sip_part_of(text, from, sip_trim_end(from, text + to));
}

static __attribute__((noinline)) void row_unusual(const struct sip_lines *lines, uint32_t from,
                                                  uint32_t to, struct sip_row *row)
{
    value_trim((const char *)lines->at, name_unusual(lines, from, to, row), to, row);
}

/* The row's value is its line: from the colon on it becomes the value, and the row gets its name. */
static ALWAYS_INLINE void row_split(const char *text, struct sip_row *row, enum sip_header header,
                                    uint32_t name_bytes)
{
    size_t to = (size_t)row->value.at + row->value.bytes;
    size_t at = (size_t)row->value.at + name_bytes + 1;

    at += text[at] == ' ' ? 1 : 0;
    row->header = (uint8_t)header;
    row->malformed = false;
    row->value = (struct part){.at = (uint32_t)at, .bytes = (uint32_t)(to - at)};
    if ((uint8_t)text[at] <= ' ' || (uint8_t)text[to - 1] <= ' ') {
        value_trim(text, (uint32_t)at, (uint32_t)to, row);
    }
}

/* A name that is long, compact or of no list. Where its line is marked and the first mark is the
 * colon, it is a token at least. */
static __attribute__((noinline)) void row_seldom(const struct sip_lines *lines, struct sip_row *row)
{
    const char *text = (const char *)lines->at;
    uint32_t from = row->value.at;
    uint32_t to = from + row->value.bytes;
    uint32_t colon = to < lines->marks.bytes ? sip_mark_next(&lines->marks, from) : to;

    if (colon == from || colon >= to || text[colon] != ':') {
        row_unusual(lines, from, to, row);
        return;
    }
    row_split(text, row, sip_header_of(slice_of(text + from, colon - from)), colon - from);
}

/* Names of 2 to 15 bytes, which 16 bytes decide that can be loaded there. */
static ALWAYS_INLINE void row_fill(const struct sip_lines *lines, const char *text,
                                   struct sip_row *row)
{
#if SIP_VECTOR_BYTES > 1
    const char *from = text + row->value.at;
    __m128i head = load16(from);
    uint32_t colons = equal16(head, _mm_set1_epi8(':'));
    uint32_t bytes = colons == 0 ? 0 : (uint32_t)__builtin_ctz(colons);
    if (bytes >= 2) {
        enum sip_header header = name_guess(from, bytes);
        if (name_is(head, bytes, names[header])) {
            row_split(text, row, header, bytes);
            return;
        }
    }
#else
    (void)text;
#endif
    row_seldom(lines, row);
}

/* --- masks --- */
struct masks {
    uint64_t odd; /* no printable ASCII */
    uint64_t marks; /* see struct sip_marks */
};

#if SIP_VECTOR_BYTES > 1
/* One more than a byte is, less 0x21 without wrapping, is negative where the byte is a control, DEL
 * or above it. */
static ALWAYS_INLINE uint64_t odd16(__m128i bytes)
{
    __m128i one_more = _mm_add_epi8(bytes, _mm_set1_epi8(1));

    return (uint32_t)_mm_movemask_epi8(_mm_subs_epi8(one_more, _mm_set1_epi8(0x21)));
}

/* All ones where a byte is one of the `count` from `first` on. */
static ALWAYS_INLINE __m128i range16(__m128i bytes, char first, int count)
{
    __m128i moved = _mm_add_epi8(bytes, _mm_set1_epi8((char)(0x80 - first)));

    return _mm_cmplt_epi8(moved, _mm_set1_epi8((char)(count - 0x80)));
}

static ALWAYS_INLINE uint64_t marks16(__m128i bytes)
{
    __m128i letters = range16(_mm_or_si128(bytes, _mm_set1_epi8(0x20)), 'a', 26);
    __m128i digits = range16(bytes, '0', 10);
    __m128i signs = _mm_or_si128(range16(bytes, '-', 2), _mm_cmpeq_epi8(bytes, _mm_set1_epi8('_')));

    return (uint16_t)~_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(letters, digits), signs));
}

static ALWAYS_INLINE struct masks masks_sse2(const uint8_t *at)
{
    struct masks masks = {.odd = 0};

    for (unsigned i = 0; i < 64; i += 16) {
        __m128i bytes = load16(at + i);
        masks.odd |= odd16(bytes) << i;
        masks.marks |= marks16(bytes) << i;
    }
    return masks;
}
#endif

#if SIP_VECTOR_BYTES >= 32
#define AVX2 __attribute__((target("avx2")))

/* A byte is plain where the bits that its two halves may have together are not none:
 *   0x2: - .    0x3: 0-9    0x4, 0x6: letters from 1 on    0x5, 0x7: letters to A    0x5: _
 * A look-up by the lower half gives none for a byte above 127. */
AVX2 static ALWAYS_INLINE uint64_t marks32(__m256i bytes)
{
    const __m256i low = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(10, 14, 14, 14, 14, 14, 14, 14, 14, 14, 12, 4, 4, 5, 5, 20));
    const __m256i high =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 0, 1, 2, 4, 24, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0));
    __m256i half = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(15));
    __m256i both =
        _mm256_and_si256(_mm256_shuffle_epi8(low, bytes), _mm256_shuffle_epi8(high, half));

    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(both, _mm256_setzero_si256()));
}

AVX2 static ALWAYS_INLINE uint64_t odd32(__m256i bytes)
{
    __m256i one_more = _mm256_add_epi8(bytes, _mm256_set1_epi8(1));

    return (uint32_t)_mm256_movemask_epi8(_mm256_subs_epi8(one_more, _mm256_set1_epi8(0x21)));
}

AVX2 static ALWAYS_INLINE struct masks masks_avx2(const uint8_t *at)
{
    __m256i first = _mm256_loadu_si256((const __m256i *)(const void *)at);
    __m256i second = _mm256_loadu_si256((const __m256i *)(const void *)(at + 32));

    return (struct masks){.odd = odd32(first) | odd32(second) << 32,
                          .marks = marks32(first) | marks32(second) << 32};
}
#endif

#if SIP_VECTOR_BYTES == 1
static ALWAYS_INLINE struct masks masks_plain(const uint8_t *at)
{
    static const unsigned plain = SIP_HOST;
    struct masks masks = {.odd = 0};

    for (unsigned i = 0; i < 64; i++) {
        masks.odd |= (uint64_t)((uint8_t)(at[i] - 0x20) >= 0x5f) << i;
        masks.marks |= (uint64_t)!sip_is((char)at[i], plain) << i;
    }
    return masks;
}
#endif

/* Fewer than 64 bytes, and none before them that could be read too. */
static __attribute__((noinline)) struct masks masks_few(const uint8_t *at, uint32_t bytes)
{
    uint8_t room[64] = {0};
    unsigned left_out = 64 - bytes;

    memcpy(room + left_out, at, bytes);
#if SIP_VECTOR_BYTES > 1
    struct masks masks = masks_sse2(room);
#else
    struct masks masks = masks_plain(room);
#endif
    return (struct masks){.odd = masks.odd >> left_out, .marks = masks.marks >> left_out};
}

/* The last block, of `bytes` < 64 behind `before` others: read as the end of a whole one. */
static ALWAYS_INLINE struct masks masks_last(const uint8_t *at, uint32_t bytes, uint32_t before,
                                             struct masks (*masks_of)(const uint8_t *at))
{
    unsigned left_out = 64 - bytes;

    if (before < left_out) {
        return masks_few(at, bytes);
    }
    struct masks masks = masks_of(at - left_out);
    return (struct masks){.odd = masks.odd >> left_out, .marks = masks.marks >> left_out};
}

/* The masks of up to SIP_SCAN_BLOCKS more blocks: one run over the bytes, so that the vectors of
 * constants are made once. */
static ALWAYS_INLINE void scan(struct sip_lines *lines, struct masks (*masks_of)(const uint8_t *at))
{
    const uint8_t *const text = lines->at;
    const uint32_t from = lines->scanned;
    const uint32_t left = lines->bytes - from;
    const uint32_t blocks = left < SIP_SCAN_BLOCKS * 64 ? left / 64 : SIP_SCAN_BLOCKS;
    const uint32_t place = from < SIP_MARKED_BYTES ? from : SIP_MARKED_BYTES;
    uint64_t *odd = lines->odd;
    uint64_t *marks = &lines->marks.words[place / 64]; /* beyond the marked bytes nobody asks */
    uint32_t done = blocks * 64;

    for (uint32_t i = 0; i < blocks; i++) {
        struct masks masks = masks_of(text + from + i * 64);
        odd[i] = masks.odd;
        marks[i] = htole64(masks.marks);
    }
    if (blocks < SIP_SCAN_BLOCKS && left % 64 > 0) {
        struct masks masks = masks_last(text + from + done, left % 64, from + done, masks_of);
        odd[blocks] = masks.odd;
        marks[blocks] = htole64(masks.marks);
        done = left;
    }
    odd[(done + 63) / 64] = UINT64_MAX;
    marks[(done + 63) / 64] = UINT64_MAX;
    lines->scanned = from + done;
}

#if SIP_VECTOR_BYTES >= 32
AVX2 static void scan_avx2(struct sip_lines *lines)
{
    scan(lines, masks_avx2);
}
#endif

static void scan_narrow(struct sip_lines *lines)
{
#if SIP_VECTOR_BYTES > 1
    scan(lines, masks_sse2);
#else
    scan(lines, masks_plain);
#endif
}

/* Goes on to the next block; false at the end of the bytes. */
static ALWAYS_INLINE bool block_next(struct sip_lines *lines)
{
    uint32_t block = lines->block + 64;

    if (block >= lines->scanned) {
        if (lines->scanned == lines->bytes) {
            return false;
        }
        lines->scan(lines);
    }
    lines->block = block;
    lines->mask = lines->odd[block / 64 % SIP_SCAN_BLOCKS];
    return true;
}

/* --- lines --- */
static bool is_blank(const uint8_t *at, uint32_t from, uint32_t to)
{
    while (from < to && at[from] == '\r') {
        from++;
    }
    return from == to;
}

/* A CR without a LF behind it. The first one of a message decides what it is in this message; a run
 * of them before a LF is stray in any case. Returns true where it ends the line. */
static bool stray_cr(struct sip_lines *lines, uint32_t at, bool first_line)
{
    if ((lines->saw & SIP_SAW_BARE_CR) == 0 && first_line) {
        uint32_t next = at + 1;
        while (next < lines->bytes && lines->at[next] == '\r') {
            next++;
        }
        lines->cr_lines = next == lines->bytes || lines->at[next] != '\n';
    }
    lines->saw |= SIP_SAW_BARE_CR;
    return lines->cr_lines;
}

/* What the byte at `at`, which begins no CRLF, is worth: 1 = it ends the line, 0 = it does not. */
static uint32_t odd_byte(struct sip_lines *lines, uint32_t at, bool first_line)
{
    uint8_t byte = lines->at[at];

    if (byte == '\r') {
        return stray_cr(lines, at, first_line) ? 1 : 0;
    }
    if (byte == '\n') {
        lines->saw |= SIP_SAW_BARE_LF;
        return 1;
    }
    if (byte != '\t') {
        lines->saw |= byte >= 0x80 ? SIP_SAW_HIGH : SIP_SAW_CONTROL;
    }
    return 0;
}

static void row_take(struct sip_lines *lines, uint32_t from, uint32_t to)
{
    struct sip_row *row = &lines->rows[lines->count++];

    if (from > 0) {
        row_unusual(lines, from, to, row);
        return;
    }
    *row = (struct sip_row){.value.bytes = to, .malformed = true}; /* the start line has no name */
    lines->start_end = to;
}

/* The end of the bytes without an empty line: what is left is a line. */
static void lines_close(struct sip_lines *lines)
{
    lines->ended = true;
    lines->body_at = lines->bytes;
    if (lines->line < lines->bytes) {
        row_take(lines, lines->line, lines->bytes);
        lines->unended = true;
        lines->line = lines->bytes;
    }
}

/* Where the line begins behind the one that ends at `place`; 0 = it does not end there. */
static uint32_t line_end(struct sip_lines *lines, uint32_t place)
{
    if (lines->at[place] == '\r' && place + 2 <= lines->bytes && lines->at[place + 1] == '\n') {
        return place + 2;
    }
    uint32_t bytes = odd_byte(lines, place, lines->line == 0);
    return bytes == 0 ? 0 : place + bytes;
}

/* One line, whatever it is: the first, the last, and all that are odd. False: there are no more. */
static __attribute__((noinline)) bool line_take(struct sip_lines *lines)
{
    const uint8_t *const at = lines->at;
    const uint32_t line = lines->line;
    uint32_t resume = line;

    for (;;) {
        while (lines->mask == 0) {
            if (!block_next(lines)) {
                lines_close(lines);
                return false;
            }
        }
        uint32_t place = lines->block + (uint32_t)__builtin_ctzll(lines->mask);
        lines->mask &= lines->mask - 1;
        uint32_t next = place < resume ? 0 : line_end(lines, place);
        if (next == 0) {
            continue;
        }
        bool folded = resume > line; /* else is_blank() could look at the same bytes again */
        resume = next;
        if (place == line || (at[line] == '\r' && !folded && is_blank(at, line, place))) {
            lines->ended = true;
            lines->whole = true;
            lines->body_at = next;
            return false;
        }
        if (next < lines->bytes && line > 0 && (at[next] == ' ' || at[next] == '\t')) {
            lines->saw |= SIP_SAW_FOLD;
            continue;
        }
        row_take(lines, line, place);
        lines->line = next;
        return true;
    }
}

/* The last place where a line may end that is taken here: within what is scanned, and with two line
 * ends before the end of the bytes. */
static size_t last_end(const struct sip_lines *lines)
{
    size_t last = lines->bytes - 4;

    return last < lines->scanned ? last : lines->scanned - 1;
}

/* Lines that end with CRLF and hold nothing odd, before one that begins with something printable or
 * is empty. Stops at the first that is not so. Local copies: a row is written between any two reads,
 * and the compiler cannot know that it is another object. */
static void rows_cut(struct sip_lines *lines)
{
    const uint8_t *const text = lines->at;
    const uint64_t *odd = &lines->odd[lines->block / 64 % SIP_SCAN_BLOCKS];
    const struct sip_row *const end = &lines->rows[SIP_LINES_BATCH];
    struct sip_row *row = &lines->rows[lines->count];
    size_t block = lines->block;
    size_t line = lines->line;
    uint64_t mask = lines->mask;

    if (lines->bytes < line + 5 || text[line] <= ' ') {
        return;
    }
    size_t last = last_end(lines);
    while (row < end) {
        while (mask == 0) { /* ends at the latest behind the last block */
            mask = *++odd;
            block += 64;
        }
        size_t place = block + (unsigned)__builtin_ctzll(mask);
        if (place > last || memcmp(text + place, "\r\n", 2) != 0) {
            if (place < line) {
                mask &= mask - 1; /* the LF of a CRLF between two blocks */
                continue;
            }
            if (block < lines->scanned) {
                break;
            }
            if (lines->scanned == lines->bytes) {
                block -= 64;
                mask = 0;
                break;
            }
            lines->scan(lines);
            last = last_end(lines);
            odd = lines->odd;
            mask = *odd;
            continue;
        }
        bool goes_on = text[place + 2] > ' ';
        if (!goes_on && memcmp(text + place + 2, "\r\n", 2) != 0) {
            break;
        }
        row->value = (struct part){.at = (uint32_t)line, .bytes = (uint32_t)(place - line)};
        row++;
        mask &= mask - 1;
        mask &= mask - 1;
        line = place + 2;
        if (!goes_on) {
            break;
        }
    }
    lines->block = (uint32_t)block;
    lines->mask = mask;
    lines->line = (uint32_t)line;
    lines->count = (uint32_t)(row - lines->rows);
}

/* Names and values of the rows from `first` on, which hold whole lines. */
static void rows_name(struct sip_lines *lines, uint32_t first)
{
    const char *const text = (const char *)lines->at;
    const struct sip_row *const end = &lines->rows[lines->count];
    struct sip_row *row = &lines->rows[first];

    if (row < end && row->value.at == 0) {
        lines->start_end = row->value.bytes;
        row->header = SIP_HEADER_OTHER; /* it has no name */
        row->malformed = true;
        row++;
    }
    const uint32_t last = lines->bytes < 16 ? 0 : lines->bytes - 16;
    const struct sip_row *wide = end; /* behind the last row from which 16 bytes can be loaded */
    while (wide > row && wide[-1].value.at > last) {
        wide--;
    }
    for (; row < wide; row++) {
        row_fill(lines, text, row);
    }
    for (; row < end; row++) {
        row_seldom(lines, row);
    }
}

void sip_lines_start(struct sip_lines *lines, const uint8_t *at, size_t bytes)
{
    assert(bytes <= UINT32_MAX - 64);
    lines->at = at;
    lines->bytes = (uint32_t)bytes;
    lines->scanned = 0;
    lines->block = 0;
    lines->line = 0;
    lines->body_at = 0;
    lines->start_end = 0;
    lines->count = 0;
    lines->saw = 0;
    lines->ended = false;
    lines->whole = false;
    lines->unended = false;
    lines->cr_lines = false;
    lines->marks.text = (const char *)at;
    lines->marks.bytes = lines->bytes < SIP_MARKED_BYTES ? lines->bytes : SIP_MARKED_BYTES;
    lines->scan = scan_narrow;
#if SIP_VECTOR_BYTES >= 32
    if (__builtin_cpu_supports("avx2")) {
        lines->scan = scan_avx2;
    }
#endif
    lines->scan(lines);
    lines->mask = bytes == 0 ? 0 : lines->odd[0];
}

void sip_lines_next(struct sip_lines *lines)
{
    lines->count = 0;
    for (;;) {
        uint32_t first = lines->count;
        rows_cut(lines);
        rows_name(lines, first);
        if (lines->count == SIP_LINES_BATCH) {
            return;
        }
        const uint8_t *line = lines->at + lines->line;
        if (lines->line > 0 && lines->bytes - lines->line >= 2 && memcmp(line, "\r\n", 2) == 0) {
            lines->ended = true;
            lines->whole = true;
            lines->body_at = lines->line + 2;
            return;
        }
        if (!line_take(lines)) {
            return;
        }
    }
}
