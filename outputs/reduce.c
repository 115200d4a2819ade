/* reduce.c - one form for each name, so that what is the same person stays the same person.
 *
 *      as it stands            normal form                hash (key 0123456789abcdef) mask
 *      %61LICE, alice          alice             ────▶    u-fdbf8b1cacd3d578        a***
 *      +1 (555) 01-00          +15550100         ────▶    n-8168b73935369d20        +1555****
 *
 * The normal form undoes escapes, shows what cannot be printed as \xNN, folds ASCII letters and drops
 * the visual separators of a number: the user of a URI as sent, of a field and of a sentence come
 * out alike. The hash is HMAC-SHA256 of that, its first 64 bits: two of a million people meet with a
 * chance of one in 37 million, and nobody without the key can try numbers until one fits.
 *
 * Recent names are kept in a table of one row a place: the same few thousand people make nearly all
 * records. A name that is not there costs a hash and takes the row.
 *
 * Limits: of a name only the first 1,024 bytes count; a text that was cut before it came here is
 * another name than the whole. */
#include <openssl/core_names.h>
#include <openssl/evp.h> /* first: it declares names that base/banned.h poisons */

#include "outputs/reduce.h"

#include "base/addr.h"

enum {
    NORMAL_BYTES_MAX = 4096, /* a sentence's worth of bytes, each as \xNN */
    DIGITS_MIN = 3, /* of a number */
    SHOWN_MAX = 6, /* digits of a masked number */
    HIDDEN_MIN = 4,
    DIGEST_BYTES = 32,
    HASH_BYTES = 8, /* of it, for a name */
    CUT_BYTES = 240, /* a URI of this length may have been cut before its @ */
};

struct kept_name {
    _Alignas(64) uint8_t name_bytes; /* 0 = free */
    uint8_t shown_bytes;
    char name[REDUCE_NAME_BYTES];
    char shown[REDUCE_NAME_BYTES_MAX];
};

static_assert(sizeof(struct kept_name) == 64, "a row is a line of the cache");

struct reducer {
    enum reduce_mode numbers;
    enum reduce_mode users;
    EVP_MAC *mac;
    EVP_MAC_CTX *context; /* the key is in it; NULL = there is none */
    uint32_t name_count;
    struct slice names[REDUCE_NAMES_MAX];
    struct kept_name kept_names[REDUCE_NAME_ROWS];
};

enum status reduce_open(enum reduce_mode numbers, enum reduce_mode users, struct slice key,
                        struct reducer **out_reducer, struct error *error)
{
    struct reducer *reducer = aligned_alloc(_Alignof(struct reducer), sizeof *reducer);

    if (reducer == NULL) {
        return error_set(error, STATUS_FAILED, "privacy", "no memory for it");
    }
    memset(reducer, 0, sizeof *reducer);
    reducer->numbers = numbers;
    reducer->users = users;
    assert(key.bytes > 0 || (numbers != REDUCE_HASH && users != REDUCE_HASH));
    if (key.bytes > 0) {
        char digest[] = "SHA256";
        OSSL_PARAM parameters[] = {
            OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
            OSSL_PARAM_construct_end()};
        reducer->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
        reducer->context = reducer->mac == NULL ? NULL : EVP_MAC_CTX_new(reducer->mac);
        if (reducer->context == NULL ||
            EVP_MAC_init(reducer->context, (const unsigned char *)key.at, key.bytes, parameters) !=
                1) {
            reduce_close(reducer);
            return error_set(error, STATUS_FAILED, "privacy",
                             "this host's libcrypto gives no HMAC-SHA256");
        }
    }
    *out_reducer = reducer;
    return STATUS_OK;
}

void reduce_close(struct reducer *reducer)
{
    if (reducer == NULL) {
        return;
    }
    EVP_MAC_CTX_free(reducer->context);
    EVP_MAC_free(reducer->mac);
    free(reducer);
}

/* --- the normal form --- */

static int hex_value(char byte)
{
    char lower = slice_lower(byte);

    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Undone once, never twice: an escaped percent sign stays escaped. */
static size_t undo_escapes(struct slice name, char *to)
{
    size_t bytes = 0;

    for (size_t i = 0; i < name.bytes; i++) {
        int high = name.at[i] == '%' && i + 2 < name.bytes ? hex_value(name.at[i + 1]) : -1;
        int low = high < 0 ? -1 : hex_value(name.at[i + 2]);
        bool is_escape = low >= 0 && (high << 4 | low) != '%';
        char undone = (char)((unsigned)high << 4 | (unsigned)low);
        to[bytes++] = is_escape ? undone : name.at[i];
        i += is_escape ? 2 : 0;
    }
    return bytes;
}

static bool is_separator(char byte) /* RFC 3966 section 3, and the space that people write */
{
    return byte == '-' || byte == '.' || byte == '(' || byte == ')' || byte == ' ';
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* At least three digits and nothing else but a plus before them, keys of a telephone and
 * separators. */
static bool is_number(struct slice name)
{
    size_t digits = 0;

    for (size_t i = 0; i < name.bytes; i++) {
        char byte = name.at[i];
        bool plus = byte == '+' && i == 0;
        if (!is_digit(byte) && !plus && byte != '*' && byte != '#' && !is_separator(byte)) {
            return false;
        }
        digits += is_digit(byte);
    }
    return digits >= DIGITS_MIN;
}

bool reduce_is_host_number(struct slice host)
{
    char first = host.bytes == 0 ? '\0' : host.at[0];

    return (is_digit(first) || first == '+') && slice_find(host, '.') == host.bytes &&
           is_number(host);
}

/* Into `room` of NORMAL_BYTES_MAX; *out_number tells which of the two it is. */
static struct slice normal_of(struct slice name, char *room, bool *out_number)
{
    char plain[NORMAL_BYTES_MAX / 4] UNCLEARED;
    struct text text = text_into(room, NORMAL_BYTES_MAX);
    size_t bytes = 0;

    name = slice_trim(slice_part(name, 0, sizeof plain));
    bytes = undo_escapes(name, plain);
    text_printable(&text, slice_of(plain, bytes));
    struct slice whole = text_slice(&text);
    struct slice head = slice_part(whole, 0, slice_find(whole, ';')); /* +1555...;phone-context= */
    *out_number = is_number(head);
    if (*out_number) {
        whole = head;
    }
    bytes = 0;
    for (size_t i = 0; i < whole.bytes; i++) {
        if (!*out_number || !is_separator(whole.at[i])) {
            room[bytes++] = slice_lower(whole.at[i]);
        }
    }
    return slice_of(room, bytes);
}

/* --- hash and mask --- */

static void digest_of(struct reducer *reducer, struct slice text,
                      unsigned char out_digest[DIGEST_BYTES])
{
    size_t bytes = 0;
    bool done = EVP_MAC_init(reducer->context, NULL, 0, NULL) == 1 &&
                EVP_MAC_update(reducer->context, (const unsigned char *)text.at, text.bytes) == 1 &&
                EVP_MAC_final(reducer->context, out_digest, &bytes, DIGEST_BYTES) == 1;

    assert(done && bytes == DIGEST_BYTES); /* memory and key are there since open */
}

struct hash128 reduce_identity(struct reducer *reducer, struct hash128 identity)
{
    unsigned char digest[DIGEST_BYTES];
    struct hash128 keyed = {.high = 0};

    if (reducer->context == NULL) {
        return identity;
    }
    digest_of(reducer, slice_of(&identity, sizeof identity), digest);
    for (unsigned i = 0; i < 8; i++) {
        keyed.high = keyed.high << 8 | digest[i];
        keyed.low = keyed.low << 8 | digest[8 + i];
    }
    return keyed;
}

static void put_hash(struct reducer *reducer, struct slice normal, bool number, struct text *out)
{
    unsigned char digest[DIGEST_BYTES];

    digest_of(reducer, normal, digest);
    text_string(out, number ? "n-" : "u-");
    for (unsigned i = 0; i < HASH_BYTES; i++) {
        text_hex(out, digest[i], 2);
    }
}

/* At least half of it and the last four are hidden, and always four stars stand for them. */
static void put_masked_number(struct slice normal, struct text *out)
{
    size_t first = normal.bytes > 0 && normal.at[0] == '+';
    size_t digits = normal.bytes - first;
    size_t shown = digits / 2;

    shown = digits > HIDDEN_MIN && shown > digits - HIDDEN_MIN ? digits - HIDDEN_MIN : shown;
    shown = digits <= HIDDEN_MIN ? 0 : shown > SHOWN_MAX ? SHOWN_MAX : shown;
    text_slice_put(out, slice_part(normal, 0, first + shown));
    text_string(out, "****");
}

static void put_masked_user(struct slice normal, struct text *out)
{
    size_t bytes = normal.bytes == 0 || normal.at[0] == '\\' ? 0 : 1;

    while (bytes > 0 && bytes < normal.bytes && ((uint8_t)normal.at[bytes] & 0xc0) == 0x80) {
        bytes++;
    }
    text_slice_put(out, slice_part(normal, 0, bytes));
    text_string(out, "***");
}

/* One user or number, without a domain. */
static void put_reduced(struct reducer *reducer, struct slice name, struct text *out)
{
    char room[NORMAL_BYTES_MAX] UNCLEARED;
    bool number;
    struct slice normal = normal_of(name, room, &number);
    enum reduce_mode mode = number ? reducer->numbers : reducer->users;

    if (mode == REDUCE_CLEAR) {
        text_slice_put(out, name);
    } else if (mode == REDUCE_HASH) {
        put_hash(reducer, normal, number, out);
    } else if (number) {
        put_masked_number(normal, out);
    } else {
        put_masked_user(normal, out);
    }
}

static void put_user(struct reducer *reducer, struct slice name, struct text *out)
{
    uint64_t place = hash_slice(HASH_KEY_FIXED, name) & (REDUCE_NAME_ROWS - 1);
    struct kept_name *row = &reducer->kept_names[place];

    if (name.bytes == 0) {
        return;
    }
    if (slice_equal(name, slice_of(row->name, row->name_bytes))) {
        text_slice_put(out, slice_of(row->shown, row->shown_bytes));
        return;
    }
    size_t before = out->bytes;
    put_reduced(reducer, name, out);
    size_t bytes = out->bytes - before;
    if (!out->overflow && name.bytes <= REDUCE_NAME_BYTES && bytes <= REDUCE_NAME_BYTES_MAX) {
        memcpy(row->name, name.at, name.bytes);
        memcpy(row->shown, out->at + before, bytes);
        row->name_bytes = (uint8_t)name.bytes;
        row->shown_bytes = (uint8_t)bytes;
    }
}

/* Only what may begin an address is read as one. */
static bool is_address(struct slice name)
{
    struct addr addr;
    char first = name.bytes == 0 ? '\0' : name.at[0];

    return (is_digit(first) || first == '[' || first == ':' || hex_value(first) >= 0) &&
           (slice_find(name, '.') < name.bytes || slice_find(name, ':') < name.bytes) &&
           addr_parse(name, &addr);
}

/* How many bytes from `from` on are letters, digits, plus, dash, underscore or space: nearly every
 * name is made of nothing else, and such a one is no address and has no domain. */
static size_t plain_span(struct slice text, size_t from)
{
    /* Bits of the ASCII characters, 64 a word. */
    static const uint64_t plain[2] = {UINT64_C(0x03ff280100000000), UINT64_C(0x07fffffe87fffffe)};
    size_t at = from;

    while (at < text.bytes && (uint8_t)text.at[at] < 0x80 &&
           (plain[text.at[at] / 64] >> text.at[at] % 64 & 1) != 0) {
        at++;
    }
    return at;
}

/* Where the user of user@domain ends; what begins with its only @ names no domain. */
static size_t user_end(struct slice name)
{
    size_t at = slice_find_last(name, '@');

    return at == 0 ? name.bytes : at;
}

void reduce_name(struct reducer *reducer, struct slice name, struct text *out)
{
    if (plain_span(name, 0) == name.bytes) {
        put_user(reducer, name, out);
        return;
    }
    size_t at = user_end(name);

    if (is_address(name)) {
        text_slice_put(out, name);
        return;
    }
    put_user(reducer, slice_part(name, 0, at), out);
    text_slice_put(out, slice_from(name, at));
}

/* --- URIs --- */

/* Parameters that name nobody; all others may hold anything. */
static bool is_harmless(struct slice parameter)
{
    static const char *const names[] = {"transport", "lr",      "ob",     "ttl",   "maddr",
                                        "method",    "expires", "q",      "rport", "received",
                                        "alias",     "reason",  "reg-id", "tag",   "+sip.instance",
                                        "counter",   "privacy", "limit",  "screen"};
    struct slice name = slice_trim(slice_part(parameter, 0, slice_find(parameter, '=')));

    if (slice_find(parameter, '@') < parameter.bytes) {
        return false;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (slice_equal_nocase(name, slice_of_string(names[i]))) {
            return true;
        }
    }
    return slice_equal_nocase(parameter, SLICE("user=phone"));
}

/* What follows a host, or an address in angle brackets. */
static void put_parameters(struct slice rest, struct text *out)
{
    bool hidden = false;

    while (rest.bytes > 0) {
        size_t end = 1;
        while (end < rest.bytes && rest.at[end] != ';' && rest.at[end] != '?') {
            end++;
        }
        struct slice part = slice_part(rest, 0, end);
        rest = slice_from(rest, end);
        if (part.at[0] == ';' && is_harmless(slice_from(part, 1))) {
            text_slice_put(out, part);
        } else if (part.at[0] == '?') {
            text_string(out, "?***");
            return;
        } else if (!hidden) {
            text_string(out, ";***");
            hidden = true;
        }
    }
}

static size_t find_either(struct slice text, size_t from, char one, char other)
{
    while (from < text.bytes && text.at[from] != one && text.at[from] != other) {
        from++;
    }
    return from;
}

/* Where the sign before the host stands, as decoders read it: the last one before parameters. */
static size_t find_sign(struct slice rest)
{
    size_t sign = slice_find(rest, '@');
    size_t end = find_either(rest, sign, ';', '?');

    for (size_t i = sign; i < end; i++) {
        sign = rest.at[i] == '@' ? i : sign;
    }
    return sign;
}

/* What holds anything else is no host, and may be a user that a strange sign cut off. */
static bool may_be_host(struct slice text)
{
    for (size_t i = 0; i < text.bytes; i++) {
        char byte = text.at[i];
        char lower = slice_lower(byte);
        if (!is_digit(byte) && (lower < 'a' || lower > 'z') && (uint8_t)byte < 0x80 &&
            memchr(".-_:[]", byte, 6) == NULL) {
            return false;
        }
    }
    return true;
}

/* host[:port], which may be a number in the place of one. */
static void put_host(struct reducer *reducer, struct slice host, struct text *out)
{
    size_t port = slice_find(host, ':');
    struct slice name = slice_part(host, 0, port);

    if (reduce_is_host_number(name)) {
        put_user(reducer, name, out);
        host = slice_from(host, port);
    }
    text_slice_put(out, host);
}

static bool is_host(struct slice host)
{
    return reduce_is_host_number(slice_part(host, 0, slice_find(host, ':'))) || may_be_host(host);
}

/* [user[:password]@]host[:port][;parameters][?headers] */
static void put_sip(struct reducer *reducer, struct slice rest, bool was_cut, struct text *out)
{
    size_t sign = find_sign(rest);
    size_t end = find_either(rest, 0, ';', '?');

    if (sign < rest.bytes) {
        struct slice user = slice_part(rest, 0, sign);
        reduce_name(reducer, slice_part(user, 0, slice_find(user, ':')), out);
        text_byte(out, '@');
        rest = slice_from(rest, sign + 1);
        end = find_either(rest, 0, ';', '?');
    } else if (was_cut || !is_host(slice_trim(slice_part(rest, 0, end)))) {
        put_user(reducer, rest, out);
        return;
    }
    put_host(reducer, slice_part(rest, 0, end), out);
    put_parameters(slice_from(rest, end), out);
}

static void put_tel(struct reducer *reducer, struct slice rest, struct text *out)
{
    size_t end = find_either(rest, 0, ';', '?');

    put_user(reducer, slice_part(rest, 0, end), out);
    put_parameters(slice_from(rest, end), out);
}

/* The part of an address that is one URI. */
static void put_uri(struct reducer *reducer, struct slice uri, struct text *out)
{
    size_t colon = slice_find(uri, ':');
    struct slice scheme = slice_trim(slice_part(uri, 0, colon));
    struct slice rest = slice_from(uri, colon + 1);

    if (slice_equal(uri, SLICE("*")) || slice_equal_nocase(scheme, SLICE("urn"))) {
        text_slice_put(out, uri); /* all contacts, or a service */
        return;
    }
    if (colon < uri.bytes && slice_equal_nocase(scheme, SLICE("tel"))) {
        text_slice_put(out, slice_part(uri, 0, colon + 1));
        put_tel(reducer, rest, out);
    } else if (colon < uri.bytes && (slice_equal_nocase(scheme, SLICE("sip")) ||
                                     slice_equal_nocase(scheme, SLICE("sips")))) {
        text_slice_put(out, slice_part(uri, 0, colon + 1));
        put_sip(reducer, rest, uri.bytes >= CUT_BYTES, out);
    } else {
        put_sip(reducer, uri, true, out);
    }
}

/* Where a display name ends: an angle bracket inside of quotes opens nothing. */
static size_t find_bracket(struct slice address)
{
    size_t at = 0;

    if (address.bytes > 0 && address.at[0] == '"') {
        for (at = 1; at < address.bytes && address.at[at] != '"'; at++) {
            at += address.at[at] == '\\';
        }
    }
    return at >= address.bytes ? address.bytes : at + slice_find(slice_from(address, at), '<');
}

static void put_display(struct reducer *reducer, struct slice display, struct text *out)
{
    display = slice_trim(display);
    if (display.bytes > 0 && display.at[0] == '"') {
        display = slice_part(display, 1, slice_find_last(display, '"'));
    }
    if (display.bytes > 0) {
        text_byte(out, '"');
        put_user(reducer, display, out);
        text_string(out, "\" ");
    }
}

/* sip:user@host[:port] of plain characters, as nearly all are; false: it has to be read with care. */
static bool put_plain_uri(struct reducer *reducer, struct slice uri, struct text *out)
{
    if (uri.bytes < 6 || memcmp(uri.at, "sip:", 4) != 0) {
        return false;
    }
    size_t sign = plain_span(uri, 4);
    if (sign == 4 || sign >= uri.bytes || uri.at[sign] != '@') {
        return false;
    }
    size_t end = sign;
    do {
        end = plain_span(uri, end + 1);
    } while (end < uri.bytes && (uri.at[end] == '.' || uri.at[end] == ':'));
    if (end < uri.bytes) {
        return false;
    }
    size_t port = sign + 1 + slice_find(slice_from(uri, sign + 1), ':');
    if (reduce_is_host_number(slice_part(uri, sign + 1, port))) {
        return false;
    }
    text_slice_put(out, slice_part(uri, 0, 4));
    put_user(reducer, slice_part(uri, 4, sign), out);
    text_slice_put(out, slice_from(uri, sign));
    return true;
}

void reduce_uri(struct reducer *reducer, struct slice uri, struct text *out)
{
    if (put_plain_uri(reducer, uri, out)) {
        return;
    }
    uri = slice_trim(uri);
    size_t open = find_bracket(uri);
    if (open == uri.bytes) {
        put_uri(reducer, uri, out);
        return;
    }
    struct slice inside = slice_from(uri, open + 1);
    size_t close = slice_find(inside, '>');
    put_display(reducer, slice_part(uri, 0, open), out);
    text_byte(out, '<');
    put_uri(reducer, slice_part(inside, 0, close), out);
    text_byte(out, '>');
    put_parameters(slice_trim(slice_from(inside, close + 1)), out);
}

/* --- sentences --- */

void reduce_forget(struct reducer *reducer)
{
    reducer->name_count = 0;
}

void reduce_remember(struct reducer *reducer, struct slice name)
{
    name = slice_part(name, 0, user_end(name));
    if (name.bytes == 0 || is_address(name) || reducer->name_count == REDUCE_NAMES_MAX) {
        return;
    }
    for (uint32_t i = 0; i < reducer->name_count; i++) {
        if (slice_equal(reducer->names[i], name)) {
            return;
        }
    }
    reducer->names[reducer->name_count++] = name;
}

static bool is_word(char byte)
{
    return is_digit(byte) || (slice_lower(byte) >= 'a' && slice_lower(byte) <= 'z') ||
           byte == '_' || byte == '\\' || (uint8_t)byte >= 0x80;
}

/* Does what stands at `at` hold both sides together? Points and dashes do in words, colons and strokes
 * in addresses, ports, prefixes and times. */
static bool is_joint(struct slice text, size_t at)
{
    if (at == 0 || at + 1 >= text.bytes) {
        return false;
    }
    char before = text.at[at - 1];
    char behind = text.at[at + 1];

    switch (text.at[at]) {
    case '.':
    case '-':
        return is_word(before) && is_word(behind);
    case ':':
        return (before == ':' || hex_value(before) >= 0) &&
               (behind == ':' || hex_value(behind) >= 0);
    case '/':
        return is_digit(before) && is_digit(behind);
    default:
        return false;
    }
}

/* May a name begin or end between `at - 1` and `at`? */
static bool is_edge(struct slice text, size_t at)
{
    if (at == 0 || at == text.bytes) {
        return true;
    }
    if (is_word(text.at[at - 1]) && is_word(text.at[at])) {
        return false;
    }
    return !is_joint(text, at) && !is_joint(text, at - 1);
}

/* Names of one or two letters are words of sentences too: only with a domain are they names. */
static bool stands_at(struct slice sentence, size_t at, struct slice name)
{
    size_t end = at + name.bytes;

    if (!slice_starts_with(slice_from(sentence, at), name)) {
        return false;
    }
    if (name.bytes < 3 && (end == sentence.bytes || sentence.at[end] != '@')) {
        return false;
    }
    return is_edge(sentence, at) && is_edge(sentence, end);
}

/* A hook says 1004.acl or user-1004, and 01004 for who dials a line first. */
static bool stands_inside(struct slice text, size_t at, struct slice name)
{
    size_t end = at + name.bytes;

    return slice_starts_with_nocase(slice_from(text, at), name) &&
           (name.bytes >= 3 || (is_edge(text, at) && is_edge(text, end)));
}

static void reduce_where(struct reducer *reducer, struct slice sentence,
                         bool (*stands)(struct slice text, size_t at, struct slice name),
                         struct text *out)
{
    size_t told = 0;

    for (size_t at = 0; at < sentence.bytes;) {
        struct slice longest = SLICE_NONE;
        for (uint32_t i = 0; i < reducer->name_count; i++) {
            struct slice name = reducer->names[i];
            if (name.bytes > longest.bytes && stands(sentence, at, name)) {
                longest = slice_part(sentence, at, at + name.bytes);
            }
        }
        if (longest.bytes == 0) {
            at++;
            continue;
        }
        text_slice_put(out, slice_part(sentence, told, at));
        put_user(reducer, longest, out);
        at += longest.bytes;
        told = at;
    }
    text_slice_put(out, slice_from(sentence, told));
}

void reduce_sentence(struct reducer *reducer, struct slice sentence, struct text *out)
{
    reduce_where(reducer, sentence, stands_at, out);
}

void reduce_foreign(struct reducer *reducer, struct slice text, struct text *out)
{
    reduce_where(reducer, text, stands_inside, out);
}
