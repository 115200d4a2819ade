/* sip_line.c - the header block cut into lines and names, in one pass.
 *
 *   bytes   INVITE sip:bob@example.com SIP/2.0 CR LF Via: SIP/2.0/UDP ... CR LF CR LF v=0 ...
 *   mask                                       1  1                       1  1  1  1
 *
 * A mask of 64 bytes has a bit for each byte that is not printable ASCII. In a clean message these
 * are the line ends and nothing else, so the loop below runs once a line and not once a byte;
 * whatever else it meets (a tab, a control byte, UTF-8, a stray CR) is remembered in `saw`, and
 * only then somebody looks at the text again. The masks come from AVX2, SSE2 or plain C: the only
 * difference between the three.
 *
 * Line ends: CRLF, LF. CR alone ends lines only where the first CR of the message does so without a
 * LF behind it; else it is a stray byte in a line (RFC 3261 section 7 knows CRLF only; a decoder
 * that is too liberal here sees headers that no server sees). A line that begins with SP or HTAB
 * goes on with the line before (section 7.3.1).
 *
 * Names are found without a chain of comparisons: first letter, last letter and length choose one
 * of 256 slots, whose name must then be equal. -Woverride-init makes a compile error of two names
 * that want one slot. */
#include "decoders/sip_inside.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#define ALWAYS_INLINE inline __attribute__((always_inline))

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

/* The multiplier was searched so that no two names share a slot: any odd number that compiles will
 * do. */
#define SLOT(first, last, bytes)                                                                   \
    ((((uint32_t)(bytes) | (uint32_t)(first) << 8 | (uint32_t)(last) << 16) * 0xe99967d7U) >> 24)

/* clang-format off */
static const uint8_t slots[256] = {
#define NAME(id, first, last, bytes) [SLOT(first, last, bytes)] = SIP_HEADER_##id
    NAME(ALLOW, 'a', 'w', 5), NAME(AUTHENTICATION_INFO, 'a', 'o', 19), NAME(AUTHORIZATION, 'a', 'n', 13),
    NAME(CALL_ID, 'c', 'd', 7), NAME(CONTACT, 'c', 't', 7), NAME(CONTENT_ENCODING, 'c', 'g', 16),
    NAME(CONTENT_LENGTH, 'c', 'h', 14), NAME(CONTENT_TYPE, 'c', 'e', 12), NAME(CSEQ, 'c', 'q', 4),
    NAME(DATE, 'd', 'e', 4), NAME(DIVERSION, 'd', 'n', 9), NAME(EVENT, 'e', 't', 5),
    NAME(EXPIRES, 'e', 's', 7), NAME(FROM, 'f', 'm', 4), NAME(HISTORY_INFO, 'h', 'o', 12),
    NAME(IDENTITY, 'i', 'y', 8), NAME(MAX_FORWARDS, 'm', 's', 12), NAME(MIN_EXPIRES, 'm', 's', 11),
    NAME(P_ASSERTED_IDENTITY, 'p', 'y', 19), NAME(P_ASSOCIATED_URI, 'p', 'i', 16),
    NAME(P_CHARGING_VECTOR, 'p', 'r', 17), NAME(P_PREFERRED_IDENTITY, 'p', 'y', 20),
    NAME(PATH, 'p', 'h', 4), NAME(PRIVACY, 'p', 'y', 7), NAME(PROXY_AUTHENTICATE, 'p', 'e', 18),
    NAME(PROXY_AUTHORIZATION, 'p', 'n', 19), NAME(PROXY_REQUIRE, 'p', 'e', 13), NAME(RACK, 'r', 'k', 4),
    NAME(REASON, 'r', 'n', 6), NAME(RECORD_ROUTE, 'r', 'e', 12), NAME(REFER_TO, 'r', 'o', 8),
    NAME(REFERRED_BY, 'r', 'y', 11), NAME(REMOTE_PARTY_ID, 'r', 'd', 15), NAME(REPLACES, 'r', 's', 8),
    NAME(REQUIRE, 'r', 'e', 7), NAME(RETRY_AFTER, 'r', 'r', 11), NAME(ROUTE, 'r', 'e', 5),
    NAME(RSEQ, 'r', 'q', 4), NAME(SERVER, 's', 'r', 6), NAME(SERVICE_ROUTE, 's', 'e', 13),
    NAME(SESSION_EXPIRES, 's', 's', 15), NAME(SESSION_ID, 's', 'd', 10), NAME(SUBJECT, 's', 't', 7),
    NAME(SUPPORTED, 's', 'd', 9), NAME(TARGET_DIALOG, 't', 'g', 13), NAME(TO, 't', 'o', 2),
    NAME(UNSUPPORTED, 'u', 'd', 11), NAME(USER_AGENT, 'u', 't', 10), NAME(VIA, 'v', 'a', 3),
    NAME(WARNING, 'w', 'g', 7), NAME(WWW_AUTHENTICATE, 'w', 'e', 16), NAME(IN_REPLY_TO, 'i', 'o', 11),
    NAME(ORGANIZATION, 'o', 'n', 12), NAME(MIN_SE, 'm', 'e', 6), NAME(ACCEPT, 'a', 't', 6),
    NAME(CONTENT_DISPOSITION, 'c', 'n', 19), NAME(MIME_VERSION, 'm', 'n', 12), NAME(JOIN, 'j', 'n', 4),
    NAME(IDENTITY_INFO, 'i', 'o', 13),
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
/* A line begins with up to NAME_BYTES bytes of name and colon. Letters are compared without case by
 * setting bit 5 of every byte: of the characters of names only - has a twin there, CR, and lines
 * with a stray CR are taken out before. */
#if defined(__SSE2__)
static ALWAYS_INLINE __m128i load16(const void *at)
{
    return _mm_loadu_si128((const __m128i *)at);
}

static ALWAYS_INLINE uint32_t same16(const char *text, const char *name)
{
    __m128i folded = _mm_or_si128(load16(text), _mm_set1_epi8(0x20));

    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(folded, load16(name)));
}

/* `bytes` of name and the colon behind them */
static ALWAYS_INLINE bool name_is(const char *text, uint32_t bytes, const char *name)
{
    uint32_t wanted = (UINT32_C(2) << bytes) - 1;
    uint32_t same = same16(text, name);

    if (bytes >= 16) {
        same |= same16(text + 16, name + 16) << 16;
    }
    return (same & wanted) == wanted;
}

static ALWAYS_INLINE uint32_t colons16(const char *text)
{
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(load16(text), _mm_set1_epi8(':')));
}

/* Position of the first colon, NAME_BYTES where there is none. */
static ALWAYS_INLINE uint32_t colon_at(const char *text)
{
    uint32_t colons = colons16(text);

    if (colons == 0) {
        uint64_t more = (uint64_t)1 << NAME_BYTES | (uint64_t)colons16(text + 16) << 16;
        return (uint32_t)__builtin_ctzll(more);
    }
    return (uint32_t)__builtin_ctz(colons);
}
#else
static bool name_is(const char *text, uint32_t bytes, const char *name)
{
    return sip_same(text, bytes + 1, name, bytes + 1);
}

static uint32_t colon_at(const char *text)
{
    const char *colon = memchr(text, ':', NAME_BYTES);

    return colon == NULL ? NAME_BYTES : (uint32_t)(colon - text);
}
#endif

/* `text` holds NAME_BYTES readable bytes; the name has `bytes`, 1 to NAME_BYTES - 1, and a colon
 * follows it. */
static ALWAYS_INLINE enum sip_header name_find(const char *text, uint32_t bytes)
{
    if (bytes == 1) {
        return (enum sip_header)compact[(uint8_t)text[0]];
    }
    uint32_t first = (uint8_t)text[0] | 0x20U;
    uint32_t last = (uint8_t)text[bytes - 1] | 0x20U;
    uint32_t header = slots[SLOT(first, last, bytes)];

    return name_is(text, bytes, names[header]) ? (enum sip_header)header : SIP_HEADER_OTHER;
}

enum sip_header sip_header_of(struct slice name)
{
    char text[NAME_BYTES] = {0};

    if (name.bytes == 0 || name.bytes >= NAME_BYTES || memchr(name.at, '\r', name.bytes) != NULL) {
        return SIP_HEADER_OTHER;
    }
    memcpy(text, name.at, name.bytes);
    text[name.bytes] = ':';
    return name_find(text, (uint32_t)name.bytes);
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
static __attribute__((noinline)) uint32_t row_unusual(const struct sip_lines *lines, uint32_t from,
                                                      uint32_t to, struct sip_row *row)
{
    const char *text = (const char *)lines->at + from;
    uint32_t bytes = to - from;
    const char *found = memchr(text, ':', bytes);
    uint32_t name_bytes = found == NULL ? bytes : (uint32_t)(found - text);
    uint32_t value = found == NULL ? bytes : name_bytes + 1;

    while (name_bytes > 0 && (text[name_bytes - 1] == ' ' || text[name_bytes - 1] == '\t')) {
        name_bytes--;
    }
    row->header = (uint8_t)sip_header_of(slice_of(text, name_bytes));
    row->malformed =
        found == NULL || (row->header == SIP_HEADER_OTHER && !is_token(text, name_bytes));
    return from + value;
}

/* Names and values of the rows from `first` on, which hold where their lines begin and end. */
static void rows_fill(struct sip_lines *lines, uint32_t first)
{
    const char *const text = (const char *)lines->at;
    const uint32_t count = lines->count;
    /* The last byte from which NAME_BYTES can be loaded, or none: a stray CR makes every line
     * unusual. */
    bool loads = lines->bytes >= NAME_BYTES && (lines->saw & SIP_SAW_BARE_CR) == 0;
    const uint32_t last = loads ? lines->bytes - NAME_BYTES : 0;

    for (uint32_t i = first; i < count; i++) {
        struct sip_row *row = &lines->rows[i];
        uint32_t at = row->value_from;
        uint32_t to = row->value_to;
        enum sip_header header = SIP_HEADER_OTHER;
        if (at <= last) {
            uint32_t colon = colon_at(text + at);
            if (colon - 1 < NAME_BYTES - 1) {
                header = name_find(text + at, colon);
            }
            row->header = (uint8_t)header;
            row->malformed = false;
            if (header != SIP_HEADER_OTHER) {
                at += colon + 1;
            }
        }
        /* A colon beyond the end of its line cannot be part of a known name: none holds a line end.
         */
        if (header == SIP_HEADER_OTHER) {
            at = row_unusual(lines, at, to, row);
        }
        at += at < to && text[at] == ' ' ? 1 : 0;
        while (at < to && (uint8_t)text[at] <= ' ' && sip_is(text[at], SIP_SPACE)) {
            at++;
        }
        while (to > at && (uint8_t)text[to - 1] <= ' ' && sip_is(text[to - 1], SIP_SPACE)) {
            to--;
        }
        row->value_from = at;
        row->value_to = to;
    }
}

/* --- masks --- */
typedef uint64_t mask64(const uint8_t *at);

#if defined(__SSE2__)
/* One more than a byte is, as a signed number, below 0x21 where the byte is a control, DEL or above
 * it. */
static ALWAYS_INLINE uint64_t mask16_sse2(const uint8_t *at)
{
    __m128i one_more = _mm_add_epi8(load16(at), _mm_set1_epi8(1));

    return (uint32_t)_mm_movemask_epi8(_mm_cmplt_epi8(one_more, _mm_set1_epi8(0x21)));
}

static ALWAYS_INLINE uint64_t mask64_sse2(const uint8_t *at)
{
    return mask16_sse2(at) | mask16_sse2(at + 16) << 16 | mask16_sse2(at + 32) << 32 |
           mask16_sse2(at + 48) << 48;
}

__attribute__((target("avx2"))) static inline uint64_t mask32_avx2(const uint8_t *at)
{
    __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)at);
    __m256i one_more = _mm256_add_epi8(bytes, _mm256_set1_epi8(1));

    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpgt_epi8(_mm256_set1_epi8(0x21), one_more));
}

__attribute__((target("avx2"))) static inline uint64_t mask64_avx2(const uint8_t *at)
{
    return mask32_avx2(at) | mask32_avx2(at + 32) << 32;
}
#else
static ALWAYS_INLINE uint64_t mask64_plain(const uint8_t *at)
{
    uint64_t mask = 0;

    for (unsigned i = 0; i < 64; i++) {
        mask |= (uint64_t)((uint8_t)(at[i] - 0x20) >= 0x5f) << i;
    }
    return mask;
}
#endif

static ALWAYS_INLINE uint64_t mask_of(const uint8_t *at, uint32_t bytes, uint32_t block,
                                      mask64 *mask)
{
    uint32_t left = bytes - block;

    if (left >= 64) {
        return mask(at + block);
    }
    uint8_t room[64];
    memset(room, 'x', sizeof room);
    memcpy(room, at + block, left);
    return mask(room);
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
static __attribute__((noinline)) uint32_t odd_byte(struct sip_lines *lines, uint32_t at,
                                                   bool first_line)
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

/* The end of the bytes without an empty line: what is left is a line. */
static void lines_close(struct sip_lines *lines)
{
    lines->ended = true;
    lines->body_at = lines->bytes;
    if (lines->line < lines->bytes) {
        lines->rows[lines->count++] =
            (struct sip_row){.value_from = lines->line, .value_to = lines->bytes};
        lines->unended = true;
        lines->line = lines->bytes;
    }
}

/* Fills rows with the ends of lines. Local copies: a row is written between any two reads, and the
 * compiler cannot know that it is another object. */
static ALWAYS_INLINE void lines_walk(struct sip_lines *lines, mask64 *mask_fn)
{
    const uint8_t *const at = lines->at;
    const uint32_t bytes = lines->bytes;
    uint64_t mask = lines->mask;
    uint32_t block = lines->block;
    uint32_t line = lines->line;
    uint32_t resume = lines->resume;
    uint32_t count = 0;

    while (count < SIP_LINES_BATCH) {
        while (mask == 0 && (block += 64) < bytes) {
            mask = mask_of(at, bytes, block, mask_fn);
        }
        if (mask == 0) {
            lines->line = line;
            lines->count = count;
            lines_close(lines);
            return;
        }
        uint32_t place = block + (uint32_t)__builtin_ctzll(mask);
        mask &= mask - 1;
        if (place < resume) { /* a LF whose CR stood in the block before */
            continue;
        }
        uint32_t next = place + 2;
        if (at[place] != '\r' || next > bytes || at[place + 1] != '\n') {
            uint32_t end_bytes = odd_byte(lines, place, line == 0);
            if (end_bytes == 0) {
                continue;
            }
            next = place + end_bytes;
        } else if (next - block < 65) {
            mask &= mask - 1; /* its LF */
        }
        bool folded = resume > line; /* else is_blank() could look at the same bytes again */
        resume = next;
        if (place == line || (at[line] == '\r' && !folded && is_blank(at, line, place))) {
            lines->ended = true;
            lines->whole = true;
            lines->body_at = next;
            break;
        }
        if (next < bytes && at[next] <= ' ' && line > 0 && (at[next] == ' ' || at[next] == '\t')) {
            lines->saw |= SIP_SAW_FOLD;
            continue;
        }
        lines->rows[count].value_from = line;
        lines->rows[count].value_to = place;
        count++;
        line = next;
    }
    lines->mask = mask;
    lines->block = block;
    lines->line = line;
    lines->resume = resume;
    lines->count = count;
}

#if defined(__SSE2__)
__attribute__((target("avx2"))) static void lines_walk_avx2(struct sip_lines *lines)
{
    lines_walk(lines, mask64_avx2);
}

static void lines_walk_sse2(struct sip_lines *lines)
{
    lines_walk(lines, mask64_sse2);
}
#endif

void sip_lines_start(struct sip_lines *lines, const uint8_t *at, size_t bytes)
{
    assert(bytes <= UINT32_MAX - 64);
    lines->at = at;
    lines->bytes = (uint32_t)bytes;
    lines->block = (uint32_t)-64;
    lines->line = 0;
    lines->resume = 0;
    lines->mask = 0;
    lines->body_at = 0;
    lines->start_end = 0;
    lines->count = 0;
    lines->saw = 0;
    lines->ended = false;
    lines->whole = false;
    lines->unended = false;
    lines->cr_lines = false;
}

void sip_lines_next(struct sip_lines *lines)
{
    bool begins = lines->line == 0;

    lines->count = 0;
#if defined(__SSE2__)
    if (__builtin_cpu_supports("avx2")) {
        lines_walk_avx2(lines);
    } else {
        lines_walk_sse2(lines);
    }
#else
    lines_walk(lines, mask64_plain);
#endif
    if (begins && lines->count > 0) { /* the start line has no name */
        lines->start_end = lines->rows[0].value_to;
        lines->rows[0].malformed = true;
        lines->rows[0].header = SIP_HEADER_OTHER;
    }
    rows_fill(lines, begins ? 1 : 0);
}
