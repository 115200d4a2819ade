/* sip_inside.h - what the files of the SIP decoder share: character classes, lines, parameters, one
 * message's work.
 *
 * Owns      nothing.
 * Borrows   the message's bytes during the decoding.
 * Time      none.
 * Bounds    SIP_LINES_BATCH lines at a time; every scan moves forward and stops at the end that it
 *           was given.
 * Errors    oddities are anomalies of the message; what can be read is read.
 * Thread    any.
 *
 * Not for other rooms: they include sip.h, sip_header.h and sip_address.h. */
#ifndef DECODERS_SIP_INSIDE_H
#define DECODERS_SIP_INSIDE_H

#include "decoders/sdp.h"
#include "decoders/sip_address.h"
#include "decoders/sip_header.h"

#include <endian.h>

/* Bytes of the widest vectors that are used where the processor has them; tests choose less. */
#ifndef SIP_VECTOR_BYTES
#if defined(__SSE2__)
#define SIP_VECTOR_BYTES 32
#else
#define SIP_VECTOR_BYTES 1
#endif
#endif

#if SIP_VECTOR_BYTES > 1
#include <emmintrin.h>
#endif

/* For the two large locals of each message: clearing them would cost more than most headers. What
 * is read of them is written before, and the tests run under a sanitizer that would know. */
#if defined(__has_attribute)
#if __has_attribute(uninitialized)
#define SIP_UNINITIALIZED __attribute__((uninitialized))
#endif
#endif
#ifndef SIP_UNINITIALIZED
#define SIP_UNINITIALIZED
#endif

#define ALWAYS_INLINE inline __attribute__((always_inline))

/* --- characters (RFC 3261 section 25.1) --- */
enum sip_class {
    SIP_TOKEN = 0x001, /* alphanum - . ! % * _ + ` ' ~ */
    SIP_HOST = 0x002, /* of a name or an IPv4 address; _ is no host character but is seen */
    SIP_SPACE = 0x004, /* SP, HTAB, and CR and LF of a fold */
    SIP_DIGIT = 0x008,
    SIP_HEX = 0x010,
    SIP_WORD = 0x020, /* of a Call-ID */
    SIP_VALUE_END = 0x040, /* ends the value of a parameter: ; , " and white space */
    SIP_PERCENT = 0x080,
    SIP_COLON = 0x100,
    SIP_BASE64URL = 0x200,
    SIP_SCHEME = 0x400,
    SIP_BRACKET = 0x800, /* < > " */
};

extern const uint16_t sip_classes[256];

static inline bool sip_is(char byte, unsigned classes)
{
    return (sip_classes[(uint8_t)byte] & classes) != 0;
}

static inline const char *sip_skip_space(const char *at, const char *to)
{
    while (at < to && sip_is(*at, SIP_SPACE)) {
        at++;
    }
    return at;
}

static inline const char *sip_trim_end(const char *from, const char *to)
{
    while (to > from && sip_is(to[-1], SIP_SPACE)) {
        to--;
    }
    return to;
}

/* Behind the quote that closes the string whose opening quote stands before `at`; NULL when none
 * does. */
static inline const char *sip_skip_quoted(const char *at, const char *to)
{
    for (; at < to; at++) {
        if (*at == '"') {
            return at + 1;
        }
        if (*at == '\\' && ++at == to) {
            break;
        }
    }
    return NULL;
}

static inline struct part sip_part_of(const char *base, const char *from, const char *to)
{
    return (struct part){.at = (uint32_t)(from - base), .bytes = (uint32_t)(to - from)};
}

static inline char sip_lower(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
}

#define SIP_FOLD(i)                                                                                \
    (from + (i) < word_bytes && word[from + (i)] >= 'a' && word[from + (i)] <= 'z' ? 0x20 : 0)
/* Up to 8 bytes of a literal from `from` on: a load, an or and a comparison. */
static ALWAYS_INLINE bool sip_same_word(const char *at, const char *word, size_t word_bytes,
                                        size_t from)
{
    const uint8_t folds[8] = {SIP_FOLD(0), SIP_FOLD(1), SIP_FOLD(2), SIP_FOLD(3),
                              SIP_FOLD(4), SIP_FOLD(5), SIP_FOLD(6), SIP_FOLD(7)};
    size_t bytes = word_bytes - from < 8 ? word_bytes - from : 8;
    uint64_t have = 0;
    uint64_t want = 0;
    uint64_t fold = 0;

    memcpy(&have, at + from, bytes);
    memcpy(&want, word + from, bytes);
    memcpy(&fold, folds, sizeof folds);
    return (have | fold) == want;
}
#undef SIP_FOLD

/* `word` is in lower case. */
static ALWAYS_INLINE bool sip_same(const char *at, size_t bytes, const char *word,
                                   size_t word_bytes)
{
    if (bytes != word_bytes) {
        return false;
    }
    if (__builtin_constant_p(word_bytes) && word_bytes <= 8) {
        return sip_same_word(at, word, word_bytes, 0);
    }
    if (__builtin_constant_p(word_bytes) && word_bytes <= 16) {
        return sip_same_word(at, word, word_bytes, 0) &&
               sip_same_word(at, word, word_bytes, word_bytes - 8);
    }
    for (size_t i = 0; i < bytes; i++) {
        if (sip_lower(at[i]) != word[i]) {
            return false;
        }
    }
    return true;
}
/* Two words of 3 to 16 bytes: their beginnings and their ends, which meet or overlap. */
static inline bool sip_equal_words(const char *one, const char *other, size_t bytes)
{
    if (bytes < 4) {
        return memcmp(one, other, 3) == 0;
    }
    if (bytes < 8) {
        return memcmp(one, other, 4) == 0 && memcmp(one + bytes - 4, other + bytes - 4, 4) == 0;
    }
    return memcmp(one, other, 8) == 0 && memcmp(one + bytes - 8, other + bytes - 8, 8) == 0;
}

#define SIP_SAME(at, bytes, literal) sip_same(at, bytes, literal, sizeof(literal) - 1)

/* --- marks: made by sip_line.c --- */
/* A bit for each byte that is not plain: not a letter or digit, nor - . _ which are what tokens,
 * hosts, Call-IDs and most users are made of. So a scan steps from sign to sign and not from byte
 * to byte. Of the first SIP_MARKED_BYTES of a message; what lies behind is read byte by byte. */
enum { SIP_MARKED_BYTES = 8192, SIP_SCAN_BLOCKS = 16 };

struct sip_marks {
    const char *text;
    uint32_t bytes; /* that may be marked: of the message, at most SIP_MARKED_BYTES */
    uint64_t words[SIP_MARKED_BYTES / 64 + SIP_SCAN_BLOCKS + 1]; /* little-endian; all ones behind
                                                                  * what is scanned */
};

/* The first byte at or behind `at` that is not plain. There is one: whoever asks knows a mark at
 * the end of his text (white space or a line end, marks->bytes lies behind it). */
static inline uint32_t sip_mark_next(const struct sip_marks *marks, uint32_t at)
{
    const char *words = (const char *)marks->words;
    uint64_t bits;

    memcpy(&bits, words + at / 8, sizeof bits); /* at least 57 bytes ahead: nearly always enough */
    bits = le64toh(bits) >> at % 8;
    while (bits == 0) {
        at = at / 8 * 8 + 64;
        memcpy(&bits, words + at / 8, sizeof bits);
        bits = le64toh(bits);
    }
    return at + (uint32_t)__builtin_ctzll(bits);
}

/* The first CR or LF from `at` on, or `to`; `begin` <= at: from where on bytes can be read. */
static inline const char *sip_line_end(const char *begin, const char *at, const char *to)
{
#if SIP_VECTOR_BYTES > 1
    const __m128i cr = _mm_set1_epi8('\r');
    const __m128i lf = _mm_set1_epi8('\n');
    const char *from = at;
    while (to - begin >= 16 && at < to) {
        from = to - at < 16 ? to - 16 : at; /* the last bytes as the end of whole 16 */
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)from);
        uint32_t ends = (uint32_t)_mm_movemask_epi8(
            _mm_or_si128(_mm_cmpeq_epi8(bytes, cr), _mm_cmpeq_epi8(bytes, lf)));
        ends >>= at - from;
        if (ends != 0) {
            return at + __builtin_ctz(ends);
        }
        at = from + 16;
    }
#endif
    (void)begin;
    while (at < to && *at != '\r' && *at != '\n') {
        at++;
    }
    return at;
}

/* --- lines: sip_line.c --- */
enum { SIP_LINES_BATCH = 32 };

enum sip_saw {
    SIP_SAW_BARE_LF = 1,
    SIP_SAW_BARE_CR = 2,
    SIP_SAW_FOLD = 4,
    SIP_SAW_CONTROL = 8,
    SIP_SAW_HIGH = 16, /* a byte above 127 */
};

struct sip_row {
    struct part value; /* trimmed; of the start line all of it */
    uint8_t header; /* enum sip_header */
    bool malformed; /* no colon, no name, or a name that is no token; the start line too. Then it is
                     * SIP_HEADER_OTHER */
};

struct sip_lines {
    const uint8_t *at; /* the start line */
    uint32_t bytes;
    uint32_t scanned; /* bytes before this one are in the masks */
    uint32_t block; /* where the 64 bytes begin that `mask` is about */
    uint32_t line; /* where the line begins that has not been told */
    uint64_t mask; /* those of block that have not been looked at */
    void (*scan)(struct sip_lines *lines); /* as wide as the processor allows */
    uint32_t body_at;
    uint32_t start_end; /* of the start line, without its line end */
    uint32_t saw; /* enum sip_saw */
    uint32_t count; /* rows of this batch */
    bool ended; /* no more batches */
    bool whole; /* ended by an empty line: body_at is set */
    bool unended; /* the last row's line had no line end */
    bool cr_lines; /* CR alone ends a line (RFC 4475 shows no such message; seen from home-made
                      senders) */
    struct sip_row rows[SIP_LINES_BATCH];
    uint64_t odd[SIP_SCAN_BLOCKS + 1]; /* bytes below SP, DEL, above DEL, of the last scan; all ones
                                        * behind it */
    struct sip_marks marks; /* of what is scanned */
};

void sip_lines_start(struct sip_lines *lines, const uint8_t *at, size_t bytes);
void sip_lines_next(
    struct sip_lines *lines); /* the next batch; row 0 of the first is the start line */

/* --- start line: sip_start.c --- */
bool sip_start_fits(const char *from, const char *to, bool known);
/* The same of the first `to` bytes of a marked message; false says nothing. */
bool sip_start_fits_plain(const struct sip_marks *marks, uint32_t to);
/* The line [from, end) of a stream whose bytes end at `to`. */
bool sip_start_likely(const char *from, const char *end, const char *to);
/* `cut`: the line may have lost its end, so only its first words are read and nothing is judged. */
void sip_start_decode(struct sip_message *message, const struct sip_marks *marks, const char *from,
                      const char *to, bool cut);
enum sip_method sip_method_nocase(struct slice token);

/* --- addresses: sip_address.c --- */
enum sip_note {
    SIP_NOTE_HEADERS = 1, /* the URI has ?headers */
    SIP_NOTE_SPACE = 2, /* white space inside the URI */
    SIP_NOTE_ODD = 4, /* the parameters or what is around them break the grammar */
    SIP_NOTE_EMPTY_TAG = 8,
};

struct sip_parameter {
    const char *name;
    const char *value; /* without quotes */
    uint32_t name_bytes;
    uint32_t value_bytes;
    bool has_value;
    bool quoted;
};

/* `at` stands on a semicolon; returns where the next one, a comma or the end stands. */
const char *sip_parameter_scan(const char *at, const char *to, struct sip_parameter *out_parameter,
                               unsigned *notes);

struct sip_address {
    struct sip_name_addr name;
    struct slice expires; /* parameters of a Contact */
    struct slice q;
    unsigned notes; /* enum sip_note */
    const char *stop; /* the comma, or the end */
};

/* Returns false where nothing could be an address. `list`: a comma ends the address. */
bool sip_address_scan(const char *base, const char *from, const char *to, bool list,
                      struct sip_address *out_address, struct sip_findings *findings);
void sip_uri_scan(const char *base, const char *from, const char *to, struct sip_uri *out_uri,
                  struct sip_findings *findings, unsigned *notes);

bool sip_uri_is_phone(const char *at, const char *to); /* ;user=phone among the parameters */

/* --- the usual form, from sign to sign: sip_plain.c --- */
/* All return false (or 0) where the text is not of that form or not marked: then it is to be read
 * by the scans above, whatever has been written already. */
struct sip_plain_parameter {
    struct part name;
    struct part value; /* where there is none: no bytes, behind the name */
};

struct sip_plain {
    struct part expires; /* at > 0 where there is such a parameter */
    struct part q;
};

/* The parameter whose semicolon stands at *at, which is moved to where the next one or `to` is. */
static ALWAYS_INLINE bool sip_plain_parameter(const struct sip_marks *marks, uint32_t *at,
                                              uint32_t to,
                                              struct sip_plain_parameter *out_parameter)
{
    const char *text = marks->text;
    uint32_t name = *at + 1;

    if (text[*at] != ';') {
        return false;
    }
    uint32_t end = sip_mark_next(marks, name);
    uint32_t value = end;
    out_parameter->name = (struct part){.at = name, .bytes = end - name};
    if (text[end] == '=') {
        value = end + 1;
        end = sip_mark_next(marks, value);
        while (end < to && !sip_is(text[end], SIP_VALUE_END)) {
            end = sip_mark_next(marks, end + 1);
        }
        if (end == value) {
            return false;
        }
    }
    out_parameter->value = (struct part){.at = value, .bytes = end - value};
    *at = end;
    return out_parameter->name.bytes > 0 && (end == to || text[end] == ';');
}

/* sip:[user@]host[:port][;parameters], all of [from, to) */
bool sip_plain_uri(const struct sip_marks *marks, uint32_t from, uint32_t to,
                   struct sip_uri *out_uri);
/* [display] <URI>[;parameters], no list */
bool sip_plain_address(const struct sip_marks *marks, struct part value, struct sip_uri *out_uri,
                       struct part *out_display, struct part *out_tag, struct sip_plain *out_rest);
/* The number behind the colon at `at`, which ends at `end`; returns `end`. */
uint32_t sip_plain_port_seldom(const struct sip_marks *marks, uint32_t at, uint32_t end,
                               uint16_t *out_port);

/* Four bytes that are digits, as nearly all ports are. */
static ALWAYS_INLINE bool sip_four_digits(const char *at, uint32_t *out_number)
{
    uint32_t digits;

    memcpy(&digits, at, sizeof digits);
    digits = le32toh(digits) - 0x30303030;
    if (((digits | (digits + 0x06060606)) & 0xf0f0f0f0) != 0) {
        return false;
    }
    digits = digits * 10 + (digits >> 8); /* pairs in the bytes 0 and 2 */
    *out_number = (digits & 0xff) * 100 + (digits >> 16 & 0xff);
    return true;
}

/* Behind the port whose colon stands at `at`; 0 = none, or none that is in range. */
static ALWAYS_INLINE uint32_t sip_plain_port(const struct sip_marks *marks, uint32_t at,
                                             uint16_t *out_port)
{
    uint32_t end = sip_mark_next(marks, at + 1);
    uint32_t port;

    if (end - at != 5 || !sip_four_digits(marks->text + at + 1, &port)) {
        return sip_plain_port_seldom(marks, at, end, out_port);
    }
    *out_port = (uint16_t)port;
    return end;
}

/* --- one message's work --- */
struct sip_work {
    struct sip_message *message;
    const struct sip_marks *marks;
    const char *raw;
    uint32_t bytes; /* captured, from the start line on */
    bool cut; /* by the snap length: what is missing is nobody's fault */
    bool via_odd;
    bool via_stamped; /* the topmost Via has received, or rport with a value */
    bool contact_star;
    bool has_length; /* a valid Content-Length */
    bool bad_length;
    bool lengths_differ;
    uint64_t seen; /* bit = enum sip_header */
    uint64_t done; /* judged already, because a second line came */
    uint64_t length; /* Content-Length, the first valid one */
    uint32_t contacts;
    struct part first[SIP_HEADER_COUNT]; /* value of the first line of each header; set where `seen`
                                            says so */
};

static_assert(SIP_HEADER_COUNT <= 64, "the set of headers seen is one word");
#define SIP_BIT(id) (UINT64_C(1) << SIP_HEADER_##id)

static inline bool sip_has(const struct sip_work *work, enum sip_header header)
{
    return (work->seen & UINT64_C(1) << header) != 0;
}

/* SLICE_NONE where there is no such header. */
static inline struct slice sip_first(const struct sip_work *work, enum sip_header header)
{
    if (!sip_has(work, header)) {
        return SLICE_NONE;
    }
    return slice_of(work->raw + work->first[header].at, work->first[header].bytes);
}

void sip_findings_tell(struct sip_message *message, const struct sip_findings *findings);
bool sip_number_long(struct slice text, uint64_t *out_value); /* sip_identity.c */

/* Digits only; a number that does not fit is UINT64_MAX. False: no number. */
static inline bool sip_number(struct slice text, uint64_t *out_value)
{
    enum { FEW_DIGITS = 9 };
    uint32_t value = 0;

    if (text.bytes > FEW_DIGITS) {
        return sip_number_long(text, out_value);
    }
    for (size_t i = 0; i < text.bytes; i++) {
        uint32_t digit = (uint32_t)(uint8_t)text.at[i] - '0';
        if (digit > 9) {
            return false;
        }
        value = value * 10 + digit;
    }
    *out_value = value;
    return text.bytes > 0;
}

void sip_via_check(struct sip_work *work, struct slice value,
                   bool topmost); /* sip_via.c: one line */
void sip_identity_check(struct sip_work *work); /* sip_identity.c */
void sip_contact_check(struct sip_work *work, struct slice value); /* one line */
void sip_auth_check(struct sip_work *work, enum sip_header header,
                    struct slice value); /* sip_auth.c */
void sip_check_headers(struct sip_work *work); /* sip_check.c: what is left */
void sip_check_repeated(struct sip_work *work, enum sip_header header, struct slice value);
void sip_text_check(struct sip_work *work, uint32_t bytes, uint32_t saw); /* sip_text.c */
void sip_length_check(struct sip_work *work, struct slice value); /* sip_body.c */
void sip_body_check(struct sip_work *work, bool whole, struct sdp *out_sdp);

#endif
