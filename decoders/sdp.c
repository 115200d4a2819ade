/* sdp.c - a session description read line by line (RFC 8866), as far as media and where they go
 * need it.
 *
 *   v=0                        session: o= version, c= address, a= defaults for all media
 *   o=- 1 2 IN IP4 192.0.2.1
 *   c=IN IP4 192.0.2.1
 *   m=audio 49170 RTP/AVP 0 101   media: kind, port, profile, payload types in order of preference
 *   c=..., a=rtpmap:, a=rtcp:     of this media only
 *
 * Grammar errors of lines that matter (v o s t c m, and lines that are none) make it malformed;
 * attribute values never do, and what parses is used. The order of lines is not judged, blank lines
 * are skipped, a last line without a line end is read but not judged: a body is cut by
 * Content-Length more often than by hand. Key material of a=crypto is not looked at: its presence
 * is all that counts. */
#include "decoders/sip_inside.h"

enum {
    ATTRIBUTES_MAX = 512,
    SEEN_V = 1,
    SEEN_O = 2,
    SEEN_S = 4,
    SEEN_T = 8,
    SEEN_ALL = 15,
};

struct reader {
    struct sdp *sdp; /* NULL: only judge */
    struct sdp_media *
        media; /* the one that lines belong to; NULL before the first m= and beyond the last kept */
    struct addr session_addr;
    bool session_has_addr;
    bool session_hold;
    bool in_media;
    bool fingerprint; /* of the session */
    uint8_t direction;
    unsigned seen;
    unsigned attributes;
    bool malformed;
    bool any; /* a v= or m= line */
};

/* Tables 4 and 5 of RFC 3551; the clock of G722 is 8000 by mistake and for ever (section 4.5.2). */
/* clang-format off */
static const struct sdp_format static_formats[35] = {
    [0] = {0, 1, 8000, "PCMU"}, [3] = {3, 1, 8000, "GSM"}, [4] = {4, 1, 8000, "G723"},
    [5] = {5, 1, 8000, "DVI4"}, [6] = {6, 1, 16000, "DVI4"}, [7] = {7, 1, 8000, "LPC"},
    [8] = {8, 1, 8000, "PCMA"}, [9] = {9, 1, 8000, "G722"}, [10] = {10, 2, 44100, "L16"},
    [11] = {11, 1, 44100, "L16"}, [12] = {12, 1, 8000, "QCELP"}, [13] = {13, 1, 8000, "CN"},
    [14] = {14, 1, 90000, "MPA"}, [15] = {15, 1, 8000, "G728"}, [16] = {16, 1, 11025, "DVI4"},
    [17] = {17, 1, 22050, "DVI4"}, [18] = {18, 1, 8000, "G729"}, [25] = {25, 1, 90000, "CelB"},
    [26] = {26, 1, 90000, "JPEG"}, [28] = {28, 1, 90000, "nv"}, [31] = {31, 1, 90000, "H261"},
    [32] = {32, 1, 90000, "MPV"}, [33] = {33, 1, 90000, "MP2T"}, [34] = {34, 1, 90000, "H263"},
};
/* clang-format on */

const struct sdp_format *sdp_static_format(uint8_t payload_type)
{
    if (payload_type >= sizeof static_formats / sizeof static_formats[0] ||
        static_formats[payload_type].clock_rate == 0) {
        return NULL;
    }
    return &static_formats[payload_type];
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* Number at the beginning of *rest, which is moved behind it; false where there is none. Saturates.
 */
static bool take_number(struct slice *rest, uint32_t *out_value)
{
    const char *at = rest->at;
    const char *const to = at + rest->bytes;
    uint64_t value = 0;

    for (; at < to && is_digit(*at); at++) {
        value = value * 10 + (uint64_t)(*at - '0');
        value = value < UINT32_MAX ? value : UINT32_MAX;
    }
    bool found = at > rest->at;
    *rest = slice_of(at, (size_t)(to - at));
    *out_value = (uint32_t)value;
    return found;
}

/* The next word; without bytes at the end. */
static struct slice take_word(struct slice *rest)
{
    const char *from = rest->at;
    const char *const end = from + rest->bytes;

    while (from < end && is_space(*from)) {
        from++;
    }
    const char *to = from;
    while (to < end && !is_space(*to)) {
        to++;
    }
    *rest = slice_of(to, (size_t)(end - to));
    return slice_of(from, (size_t)(to - from));
}

/* A line holds no line ends, so white space is SP and HTAB. */
static struct slice trim(struct slice text)
{
    const char *from = text.at;
    const char *to = from + text.bytes;

    while (from < to && is_space(*from)) {
        from++;
    }
    while (to > from && is_space(to[-1])) {
        to--;
    }
    return slice_of(from, (size_t)(to - from));
}

/* What stands before the first `sign`, or all; *out_rest is what stands behind it. */
static struct slice cut(struct slice text, char sign, struct slice *out_rest)
{
    size_t at = 0;

    while (at < text.bytes && text.at[at] != sign) {
        at++;
    }
    *out_rest = slice_from(text, at + 1);
    return slice_of(text.at, at);
}

/* --- c= and o= --- */
/* IN IP4|IP6 address[/ttl[/count]]. Returns false where that is not what stands there.
 * *out_literal: an IP address, so *out_addr is set; a name is well formed and gives none. */
static bool read_connection(struct slice value, struct addr *out_addr, bool *out_literal)
{
    struct slice net = take_word(&value);
    struct slice type = take_word(&value);
    struct slice address = take_word(&value);

    *out_literal = false;
    if (!slice_equal_nocase(net, SLICE("IN")) || address.bytes == 0 ||
        take_word(&value).bytes > 0) {
        return false;
    }
    bool ip4 = slice_equal_nocase(type, SLICE("IP4"));
    if (!ip4 && !slice_equal_nocase(type, SLICE("IP6"))) {
        return false;
    }
    struct slice host = slice_part(address, 0, slice_find(address, '/'));
    if (addr_parse(host, out_addr)) {
        *out_literal = true;
        return true;
    }
    for (size_t i = 0; i < host.bytes; i++) { /* a name has a letter, and no colon */
        char byte = host.at[i];
        if (byte == ':') {
            return false;
        }
        if ((byte | 0x20) >= 'a' && (byte | 0x20) <= 'z') {
            return slice_find(host, ':') == host.bytes;
        }
    }
    return false;
}

static void read_c(struct reader *reader, struct slice value, bool judged)
{
    struct addr addr = {{0}};
    bool literal = false;

    if (value.bytes > 7 && memcmp(value.at, "IN IP4 ", 7) == 0 &&
        addr_parse(slice_of(value.at + 7, value.bytes - 7), &addr)) {
        literal = true; /* nearly always: the address and nothing behind it */
    } else if (!read_connection(value, &addr, &literal)) {
        reader->malformed = reader->malformed || judged;
        if (!literal) {
            /* sg.sip of the torture set: words behind the address; it can be read nevertheless */
            struct slice rest = value;
            (void)take_word(&rest);
            (void)take_word(&rest);
            struct slice address = take_word(&rest);
            literal = addr_parse(slice_part(address, 0, slice_find(address, '/')), &addr);
        }
    }
    static const uint8_t zeros[4] = {0};
    bool hold = literal && addr_is_v4(&addr) && memcmp(addr.octets + 12, zeros, 4) == 0;
    if (reader->media != NULL) {
        reader->media->rtp.addr = addr;
        reader->media->has_address = literal;
        reader->media->hold = hold;
    } else if (!reader->in_media) {
        reader->session_addr = addr;
        reader->session_has_addr = literal;
        reader->session_hold = hold;
    }
}

static void read_o(struct reader *reader, struct slice value)
{
    uint64_t number = 0;

    if (reader->sdp == NULL) {
        return;
    }
    (void)take_word(&value);
    (void)take_word(&value);
    if (slice_u64(take_word(&value), &number)) {
        reader->sdp->session_version = number;
    }
}

/* --- m= --- */
static const struct {
    struct slice name;
    enum sdp_kind kind;
} kinds[] = {
    {{"audio", 5}, SDP_AUDIO},
    {{"video", 5}, SDP_VIDEO},
    {{"image", 5}, SDP_IMAGE},
    {{"text", 4}, SDP_TEXT},
    {{"application", 11}, SDP_APPLICATION},
    {{"message", 7}, SDP_MESSAGE},
};

static enum sdp_kind kind_of(struct slice name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (name.bytes == kinds[i].name.bytes && slice_equal_nocase(name, kinds[i].name)) {
            return kinds[i].kind;
        }
    }
    return SDP_OTHER;
}

static bool is_plain_rtp(struct slice profile)
{
    return SIP_SAME(profile.at, profile.bytes, "rtp/avp");
}

/* RTP/AVP, RTP/SAVPF, UDP/TLS/RTP/SAVPF, TCP/RTP/AVP ... */
static bool is_rtp_profile(struct slice profile)
{
    return is_plain_rtp(profile) || slice_contains_nocase(profile, SLICE("RTP/"));
}

static enum sdp_security security_of(struct slice profile)
{
    if (is_plain_rtp(profile)) {
        return SDP_CLEAR;
    }
    return slice_contains_nocase(profile, SLICE("TLS/"))    ? SDP_DTLS
           : slice_contains_nocase(profile, SLICE("/SAVP")) ? SDP_SDES
                                                            : SDP_CLEAR;
}

static void add_format(struct reader *reader, uint8_t payload_type)
{
    struct sdp_media *media = reader->media;

    if (media == NULL) {
        return;
    }
    if (media->format_count == SDP_FORMATS_MAX) {
        reader->sdp->formats_beyond = true;
        return;
    }
    struct sdp_format *format = &media->formats[media->format_count++];
    if (payload_type < sizeof static_formats / sizeof static_formats[0] &&
        static_formats[payload_type].clock_rate != 0) {
        *format = static_formats[payload_type];
    } else {
        *format = (struct sdp_format){.payload_type = payload_type, .channels = 1};
    }
}

static bool read_formats(struct reader *reader, struct slice rest)
{
    bool fits = true;
    struct slice word = take_word(&rest);

    for (; word.bytes > 0; word = take_word(&rest)) {
        struct slice digits = word;
        uint32_t number = 0;
        if (!take_number(&digits, &number) || digits.bytes > 0 || number > 127) {
            fits = false;
            continue;
        }
        add_format(reader, (uint8_t)number);
    }
    return fits;
}

/* A new media line with what the session gives by default. */
static void open_media(struct reader *reader)
{
    struct sdp *sdp = reader->sdp;

    reader->media = NULL;
    if (sdp == NULL) {
        return;
    }
    if (sdp->media_count == SDP_MEDIA_MAX) {
        sdp->media_beyond = sdp->media_beyond < UINT8_MAX ? sdp->media_beyond + 1 : UINT8_MAX;
        return;
    }
    struct sdp_media *media = &sdp->media[sdp->media_count++];
    memset(media, 0, offsetof(struct sdp_media, formats)); /* formats are written one by one */
    media->rtp.addr = reader->session_addr;
    media->has_address = reader->session_has_addr;
    media->hold = reader->session_hold;
    media->direction = reader->direction;
    reader->media = media;
}

/* Digits at `at`, at most `digits_max`; returns where they end. */
static inline const char *digits_at(const char *at, const char *to, int digits_max,
                                    uint32_t *out_value)
{
    uint32_t value = 0;

    for (to = to - at > digits_max ? at + digits_max : to; at < to; at++) {
        uint32_t digit = (uint32_t)(uint8_t)*at - '0';
        if (digit > 9) {
            break;
        }
        value = value * 10 + digit;
    }
    *out_value = value;
    return at;
}

/* "audio PORT RTP/AVP 0 8 101", as nearly all write it: one walk. False: to be read in words. */
static bool read_m_plain(struct reader *reader, struct slice value)
{
    const char *to = value.at + value.bytes;
    uint32_t port = 0;
    uint32_t types[SDP_FORMATS_MAX];
    unsigned count = 0;

    if (value.bytes < 17 || memcmp(value.at, "audio ", 6) != 0) {
        return false;
    }
    const char *at = digits_at(value.at + 6, to, 5, &port);
    if (at == value.at + 6 || port > UINT16_MAX || to - at < 9 || memcmp(at, " RTP/AVP", 8) != 0) {
        return false;
    }
    for (at += 8; at < to; count++) {
        const char *digits = at + 1;
        if (*at != ' ' || count == SDP_FORMATS_MAX) {
            return false;
        }
        at = digits_at(digits, to, 3, &types[count]);
        if (at == digits || types[count] > 127) {
            return false;
        }
    }
    if (count == 0) {
        return false;
    }
    open_media(reader);
    if (reader->media != NULL) {
        reader->media->kind = SDP_AUDIO;
        reader->media->is_rtp = true;
        reader->media->rtp.port = (uint16_t)port;
    }
    for (unsigned i = 0; i < count; i++) {
        add_format(reader, (uint8_t)types[i]);
    }
    return true;
}

static void read_m(struct reader *reader, struct slice value, bool judged)
{
    struct slice rest = value;

    reader->any = true;
    reader->in_media = true;
    if (read_m_plain(reader, value)) {
        return;
    }
    struct slice name = take_word(&rest);
    struct slice port = take_word(&rest);
    struct slice profile = take_word(&rest);
    uint32_t number = 0;
    uint32_t count = 0;

    open_media(reader);
    bool fits = take_number(&port, &number) && number <= UINT16_MAX;
    if (port.bytes > 0) { /* port/count */
        struct slice ports = slice_from(port, 1);
        fits = fits && port.at[0] == '/' && take_number(&ports, &count) && ports.bytes == 0;
    }
    bool is_rtp = is_rtp_profile(profile);
    struct slice formats = rest;
    fits =
        fits && (number == 0 || take_word(&formats).bytes > 0); /* rejected lines often lose them */
    if (reader->media != NULL) {
        reader->media->kind = (uint8_t)kind_of(name);
        reader->media->is_rtp = is_rtp;
        reader->media->rtp.port = number <= UINT16_MAX ? (uint16_t)number : 0;
        reader->media->security = (uint8_t)security_of(profile);
    }
    if (is_rtp) {
        fits = read_formats(reader, rest) && fits;
    }
    reader->malformed = reader->malformed || (judged && !fits);
}

/* --- a= --- */
static void map_format(struct sdp_media *media, uint32_t type, struct slice codec,
                       const uint32_t *clock, uint32_t channels)
{
    for (unsigned i = 0; i < media->format_count; i++) {
        struct sdp_format *format = &media->formats[i];
        if (format->payload_type != type) {
            continue;
        }
        size_t bytes = codec.bytes < SDP_CODEC_BYTES - 1 ? codec.bytes : SDP_CODEC_BYTES - 1;
        memset(format->codec, 0, sizeof format->codec);
        for (size_t byte = 0; byte < bytes; byte++) {
            format->codec[byte] = codec.at[byte];
        }
        format->clock_rate = clock != NULL ? *clock : format->clock_rate;
        format->channels = channels < UINT8_MAX ? (uint8_t)channels : UINT8_MAX;
        return;
    }
}

/* "101 telephone-event/8000[/1]" without any more white space. False: to be read in words. */
static bool read_rtpmap_plain(struct sdp_media *media, struct slice value)
{
    const char *to = value.at + value.bytes;
    uint32_t type = 0;
    uint32_t clock = 0;
    uint32_t channels = 1;
    const char *at = digits_at(value.at, to, 3, &type);

    if (at == value.at || at == to || *at != ' ') {
        return false;
    }
    const char *codec = ++at;
    while (at < to && *at != '/' && !is_space(*at)) {
        at++;
    }
    if (at == to || *at != '/' || at == codec) {
        return false;
    }
    const char *digits = at + 1;
    struct slice name = slice_of(codec, (size_t)(at - codec));
    at = digits_at(digits, to, 9, &clock);
    if (at == digits) {
        return false;
    }
    if (at < to && *at == '/') {
        digits = at + 1;
        at = digits_at(digits, to, 9, &channels);
        if (at == digits) {
            return false;
        }
    }
    if (at < to) {
        return false;
    }
    map_format(media, type, name, &clock, channels);
    return true;
}

static void read_rtpmap(struct sdp_media *media, struct slice value)
{
    uint32_t type = 0;
    uint32_t clock = 0;
    uint32_t channels = 1;

    if (read_rtpmap_plain(media, value)) {
        return;
    }
    value = trim(value);
    if (!take_number(&value, &type)) {
        return;
    }
    value = trim(value);
    struct slice rest;
    struct slice codec = cut(value, '/', &rest);
    bool has_clock = take_number(&rest, &clock);
    if (rest.bytes > 1 && rest.at[0] == '/') {
        rest = slice_from(rest, 1);
        (void)take_number(&rest, &channels);
    }
    map_format(media, type, codec, has_clock ? &clock : NULL, channels);
}

/* port [IN IP4 address] (RFC 3605) */
static void read_rtcp(struct sdp_media *media, struct slice value)
{
    uint32_t port = 0;
    struct addr addr;
    bool literal = false;

    if (!take_number(&value, &port) || port > UINT16_MAX) {
        return;
    }
    media->rtcp.port = (uint16_t)port;
    if (read_connection(value, &addr, &literal) && literal) {
        media->rtcp.addr = addr;
    }
}

static void read_direction(struct reader *reader, enum sdp_direction direction)
{
    if (reader->media != NULL) {
        reader->media->direction = (uint8_t)direction;
    } else if (!reader->in_media) {
        reader->direction = (uint8_t)direction;
    }
}

static void read_keys(struct reader *reader, bool fingerprint)
{
    if (reader->media == NULL) {
        reader->fingerprint = reader->fingerprint || (fingerprint && !reader->in_media);
        return;
    }
    uint8_t security = reader->media->security;
    if (security == SDP_CLEAR) {
        reader->media->security = SDP_BEST_EFFORT;
    } else if (fingerprint && security == SDP_SDES) {
        reader->media->security = SDP_DTLS;
    }
}

/* Attributes by the length of their name: most lines are compared with one name or none. */
static void read_attribute(struct reader *reader, struct slice name, struct slice value)
{
    struct sdp_media *media = reader->media;
    uint32_t number = 0;

    switch (name.bytes) {
    case 4:
        if (media != NULL && SIP_SAME(name.at, 4, "rtcp")) {
            read_rtcp(media, trim(value));
        }
        break;
    case 5:
        if (SIP_SAME(name.at, 5, "group")) {
            reader->sdp->bundle =
                reader->sdp->bundle || slice_starts_with_nocase(trim(value), SLICE("BUNDLE"));
        } else if (media != NULL && SIP_SAME(name.at, 5, "ptime")) {
            value = trim(value);
            if (take_number(&value, &number) && number <= UINT16_MAX) {
                media->ptime_ms = (uint16_t)number;
            }
        }
        break;
    case 6:
        if (media != NULL && SIP_SAME(name.at, 6, "rtpmap")) {
            read_rtpmap(media, value);
        } else if (SIP_SAME(name.at, 6, "crypto")) {
            read_keys(reader, false);
        }
        break;
    case 8:
        if (SIP_SAME(name.at, 8, "sendrecv")) {
            read_direction(reader, SDP_SENDRECV);
        } else if (SIP_SAME(name.at, 8, "sendonly")) {
            read_direction(reader, SDP_SENDONLY);
        } else if (SIP_SAME(name.at, 8, "recvonly")) {
            read_direction(reader, SDP_RECVONLY);
        } else if (SIP_SAME(name.at, 8, "inactive")) {
            read_direction(reader, SDP_INACTIVE);
        } else if (media != NULL && SIP_SAME(name.at, 8, "rtcp-mux")) {
            media->rtcp_mux = true;
        }
        break;
    case 9:
        reader->sdp->ice = reader->sdp->ice || SIP_SAME(name.at, 9, "ice-ufrag");
        break;
    case 11:
        if (SIP_SAME(name.at, 11, "fingerprint")) {
            read_keys(reader, true);
        }
        break;
    case 13:
        if (media != NULL && SIP_SAME(name.at, 13, "rtcp-mux-only")) {
            media->rtcp_mux = true;
        }
        break;
    default:
        break;
    }
}

static void read_a(struct reader *reader, struct slice value)
{
    struct slice rest;

    if (value.bytes > 7 && reader->media != NULL && memcmp(value.at, "rtpmap:", 7) == 0) {
        read_rtpmap(reader->media, slice_of(value.at + 7, value.bytes - 7)); /* most are these */
        return;
    }
    struct slice name = cut(value, ':', &rest);

    read_attribute(reader, trim(name), rest);
}

/* --- lines --- */
static bool read_line(struct reader *reader, struct slice line, bool judged)
{
    if (line.bytes < 2 || line.at[1] != '=' || line.at[0] < 'a' || line.at[0] > 'z') {
        reader->malformed = reader->malformed || judged;
        return true;
    }
    struct slice value = slice_of(line.at + 2, line.bytes - 2);
    switch (line.at[0]) {
    case 'v':
        reader->any = true;
        reader->seen |= SEEN_V;
        if (judged && !(value.bytes == 1 && *value.at == '0') &&
            !slice_equal(trim(value), SLICE("0"))) {
            reader->malformed = true;
        }
        break;
    case 'o':
        reader->seen |= SEEN_O;
        read_o(reader, value);
        break;
    case 's':
        reader->seen |= SEEN_S;
        break;
    case 't':
        reader->seen |= SEEN_T;
        break;
    case 'c':
        read_c(reader, value, judged);
        break;
    case 'm':
        read_m(reader, value, judged);
        break;
    case 'a':
        if (++reader->attributes > ATTRIBUTES_MAX) {
            return false;
        }
        if (reader->sdp != NULL) {
            read_a(reader, value);
        }
        break;
    default: /* b, i, k, e, p, u, r, z: nobody needs them */
        break;
    }
    return true;
}

/* What only the end of a media description tells. */
static void finish(struct reader *reader)
{
    static const struct addr none = {{0}};

    for (unsigned i = 0; reader->sdp != NULL && i < reader->sdp->media_count; i++) {
        struct sdp_media *media = &reader->sdp->media[i];
        if (reader->fingerprint && media->security != SDP_DTLS) {
            media->security = media->security == SDP_SDES ? SDP_DTLS : SDP_BEST_EFFORT;
        }
        if (media->rtcp_mux) {
            media->rtcp = media->rtp;
            continue;
        }
        if (addr_equal(&media->rtcp.addr, &none) || addr_is_unspecified(&media->rtcp.addr)) {
            media->rtcp.addr = media->rtp.addr;
        }
        if (media->rtcp.port == 0 && media->rtp.port != 0 && media->rtp.port != UINT16_MAX) {
            media->rtcp.port = (uint16_t)(media->rtp.port + 1);
        }
    }
}

static void read_all(struct slice text, bool cut, struct sdp *sdp, struct reader *reader)
{
    const char *at = text.at;
    const char *const to = text.bytes == 0 ? at : at + text.bytes;

    *reader = (struct reader){.sdp = sdp, .direction = SDP_SENDRECV};
    while (at < to) {
        const char *end = sip_line_end(text.at, at, to);
        if (end == to && cut) {
            break; /* half a line may be half an address */
        }
        if (end > at && !read_line(reader, slice_of(at, (size_t)(end - at)), end < to)) {
            break;
        }
        /* CRLF is one line end; as two it would give a blank line, which is skipped */
        at = end == to ? to : to - end > 1 && memcmp(end, "\r\n", 2) == 0 ? end + 2 : end + 1;
    }
    if (!cut && reader->seen != SEEN_ALL && reader->attributes <= ATTRIBUTES_MAX) {
        reader->malformed = true;
    }
    finish(reader);
}

static void clear(struct sdp *sdp)
{
    sdp->media_count = 0;
    sdp->media_beyond = 0;
    sdp->formats_beyond = false;
    sdp->malformed = false;
    sdp->ice = false;
    sdp->bundle = false;
    sdp->session_version = 0;
}

bool sdp_check(struct slice text, bool cut, struct sdp *out_sdp)
{
    struct reader reader;

    if (out_sdp != NULL) {
        clear(out_sdp);
    }
    read_all(text, cut, out_sdp, &reader);
    if (out_sdp != NULL) {
        out_sdp->malformed = reader.malformed;
    }
    return reader.malformed;
}

enum reason sdp_decode(struct slice text, bool cut, struct sdp *out_sdp)
{
    struct reader reader;

    clear(out_sdp);
    read_all(text, cut, out_sdp, &reader);
    out_sdp->malformed = reader.malformed;
    return reader.any ? REASON_NONE : REASON_SDP_NOT;
}
