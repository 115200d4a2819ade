/* A stage for the tests of calls and media: parties speak SIP in shorthand, a log keeps what was
 * told. */
#ifndef TESTS_UNIT_STATE_SCENE_H
#define TESTS_UNIT_STATE_SCENE_H

#include "base/table.h"
#include "sensor/state/call.h"
#include "sensor/state/media.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum { SCENE_TEXT = 4096, SCENE_LOG = 65536, SCENE_CALLS = 64 };
#define SCENE_START_NS (UINT64_C(1767323045) * NS_PER_S)

/* One message. `what` is a method or a status with the CSeq method ("200 INVITE"). */
struct said {
    double at_s;
    const char *what;
    unsigned cseq;
    const char *from_tag;
    const char *to_tag; /* NULL = none */
    const char *source; /* NULL = A; "192.0.2.9:5060" */
    const char *sent_by; /* of the only Via; NULL = that of A */
    const char *contact; /* host; NULL = 192.0.2.1 */
    const char *uri; /* of a request; NULL = sip:bob@example.com */
    const char *headers; /* more lines, each with its CRLF */
    const char *sdp; /* "c-line address port direction", see scene_sdp() */
    unsigned vias; /* 0 = 1 */
    bool copy; /* a retransmission */
    bool first_final;
    bool has_transaction; /* the transaction table knew it */
};

#define SAID(at, text, number, from, to)                                                           \
    {                                                                                              \
        .at_s = at, .what = text, .cseq = number, .from_tag = from, .to_tag = to                   \
    }
#define SAID_WITH(at, text, number, from, to, ...)                                                 \
    {                                                                                              \
        .at_s = at, .what = text, .cseq = number, .from_tag = from, .to_tag = to, __VA_ARGS__      \
    }

struct told {
    enum change_kind kind;
    bool forced;
    uint64_t time_ns;
    struct call call; /* texts copied below */
    char call_id[300];
    char from_user[300];
    char to_user[300];
    char to_tag[64];
    char uri[600];
    char reason[64];
    char auth_user[64];
};

struct scene {
    struct call_table *calls;
    struct media_table *media;
    const char *call_id;
    uint64_t number;
    uint32_t cell;
    struct told told[SCENE_CALLS];
    unsigned told_count;
    struct media_stream stream; /* the last one told */
    enum change_kind stream_kind;
    char stream_call[300];
    unsigned stream_count;
    bool stream_forced;
};

static inline struct endpoint scene_endpoint(const char *text)
{
    struct endpoint endpoint = {{{0}}, 0};
    struct slice whole = slice_of_string(text);
    size_t colon = slice_find_last(whole, ':');
    uint32_t port;

    assert_true(addr_parse(slice_part(whole, 0, colon), &endpoint.addr));
    assert_true(slice_u32(slice_from(whole, colon + 1), &port));
    endpoint.port = (uint16_t)port;
    return endpoint;
}

static inline void scene_copy(char *out, size_t room, struct slice text)
{
    size_t bytes = text.bytes < room - 1 ? text.bytes : room - 1;

    if (bytes > 0) {
        memcpy(out, text.at, bytes);
    }
    out[bytes] = 0;
}

static inline void scene_on_change(void *owner, const struct change *change)
{
    struct scene *scene = owner;

    if (change->stream != NULL) {
        scene->stream = *change->stream;
        scene->stream_kind = (enum change_kind)change->kind;
        scene->stream_forced = change->forced;
        scene->stream_count++;
        scene_copy(scene->stream_call, sizeof scene->stream_call,
                   change->stream->call == NULL ? SLICE_NONE : change->stream->call->call_id);
        return;
    }
    assert_non_null(change->call);
    struct told *told = &scene->told[scene->told_count++ % SCENE_CALLS];
    told->kind = (enum change_kind)change->kind;
    told->forced = change->forced;
    told->time_ns = change->time_ns;
    told->call = *change->call;
    scene_copy(told->call_id, sizeof told->call_id, change->call->call_id);
    scene_copy(told->from_user, sizeof told->from_user, change->call->from_user);
    scene_copy(told->to_user, sizeof told->to_user, change->call->to_user);
    scene_copy(told->to_tag, sizeof told->to_tag, change->call->to_tag);
    scene_copy(told->uri, sizeof told->uri, change->call->uri);
    scene_copy(told->reason, sizeof told->reason, change->call->reason);
    scene_copy(told->auth_user, sizeof told->auth_user, change->call->auth_user);
}

static inline void scene_open_sink(struct scene *scene, uint32_t calls_max, uint32_t streams_max,
                                   uint32_t unwanted, bool no_extensions)
{
    struct call_limits limits = {
        .calls_max = calls_max, .age_max_ns = 24 * NS_PER_HOUR, .key = HASH_KEY_FIXED};
    struct media_limits media = {
        .endpoints_max = 4 * calls_max, .streams_max = streams_max, .key = HASH_KEY_FIXED};
    struct change_sink sink = {.on_change = scene_on_change,
                               .owner = scene,
                               .unwanted = unwanted,
                               .no_extensions = no_extensions};
    struct error error;

    memset(scene, 0, sizeof *scene);
    scene->call_id = "call-1@192.0.2.1";
    assert_int_equal(call_open(&limits, sink, &scene->calls, &error), STATUS_OK);
    assert_int_equal(media_open(&media, scene->calls, sink, &scene->media, &error), STATUS_OK);
}

static inline void scene_open_with(struct scene *scene, uint32_t calls_max, uint32_t streams_max)
{
    scene_open_sink(scene, calls_max, streams_max, 0, false);
}

static inline void scene_open(struct scene *scene)
{
    scene_open_with(scene, 64, 64);
}

static inline void scene_close(struct scene *scene)
{
    media_close(scene->media);
    call_close(scene->calls);
}

static inline uint64_t scene_ns(double at_s)
{
    return SCENE_START_NS + (uint64_t)(at_s * 1000) * NS_PER_MS;
}

/* "192.0.2.1 4000 sendrecv" or with "|" and attribute or m-line text behind: "... sendrecv|0
 * 96|a=rtpmap:96 opus/48000/2" */
static inline void scene_sdp(struct text *text, const char *shorthand)
{
    struct slice rest = slice_of_string(shorthand);
    struct slice place = slice_split(&rest, '|');
    struct slice formats = slice_split(&rest, '|');
    struct slice addr = slice_split(&place, ' ');
    struct slice port = slice_split(&place, ' ');

    text_string(text, "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 ");
    text_slice_put(text, addr);
    text_string(text, "\r\nt=0 0\r\nm=audio ");
    text_slice_put(text, port);
    text_string(text, " RTP/AVP ");
    text_slice_put(text, slice_is_empty(formats) ? SLICE("0 8") : formats);
    text_string(text, "\r\na=");
    text_slice_put(text, slice_is_empty(place) ? SLICE("sendrecv") : place);
    text_string(text, "\r\n");
    while (!slice_is_empty(rest)) {
        text_slice_put(text, slice_split(&rest, '|'));
        text_string(text, "\r\n");
    }
}

static inline void scene_write(const struct scene *scene, const struct said *said,
                               struct text *text)
{
    struct slice method = slice_of_string(said->what);
    bool response = said->what[0] >= '0' && said->what[0] <= '9';
    struct slice status = SLICE_NONE;

    if (response) {
        status = slice_split(&method, ' ');
        text_format(text, "SIP/2.0 %.*s Phrase\r\n", (int)status.bytes, status.at);
    } else {
        text_format(text, "%s %s SIP/2.0\r\n", said->what,
                    said->uri == NULL ? "sip:bob@example.com" : said->uri);
    }
    if (said->sent_by != NULL) {
        text_format(text, "Via: SIP/2.0/UDP %s;branch=z9hG4bK-0-%u\r\n", said->sent_by, said->cseq);
    }
    for (unsigned i = said->sent_by != NULL; i < (said->vias == 0 ? 1 : said->vias); i++) {
        text_format(text, "Via: SIP/2.0/UDP 192.0.2.%u:5060;branch=z9hG4bK-%u-%u\r\n", 1 + i, i,
                    said->cseq);
    }
    text_format(text, "Max-Forwards: 70\r\nContact: <sip:x@%s>\r\nCall-ID: %s\r\n",
                said->contact == NULL ? "192.0.2.1" : said->contact, scene->call_id);
    text_format(text, "From: <sip:alice@example.com>;tag=%s\r\n", said->from_tag);
    text_format(text, "To: <sip:bob@example.com>%s%s\r\n",
                said->to_tag == NULL ? "" : ";tag=", said->to_tag == NULL ? "" : said->to_tag);
    text_format(text, "CSeq: %u %.*s\r\n%s", said->cseq, (int)method.bytes, method.at,
                said->headers == NULL ? "" : said->headers);
}

/* Feeds one message to calls and media. */
static inline uint32_t scene_say(struct scene *scene, const struct said *said)
{
    static char memory[SCENE_TEXT];
    static union {
        struct sip_sighting sip;
        uint8_t bytes[sizeof(struct sip_sighting) + sizeof(struct sdp)];
    } sighting;
    static struct transaction known;
    char body_memory[1024];
    struct text body = text_into(body_memory, sizeof body_memory);
    struct text text = text_into(memory, sizeof memory);

    memset(&sighting, 0, sizeof sighting);
    scene_write(scene, said, &text);
    if (said->sdp != NULL) {
        scene_sdp(&body, said->sdp);
        text_string(&text, "Content-Type: application/sdp\r\n");
        sighting.sip.has_sdp = true;
        assert_int_equal(sdp_decode(text_slice(&body), false, sighting.sip.sdp), REASON_NONE);
    }
    if (said->headers == NULL || strstr(said->headers, "Content-Length") == NULL) {
        text_format(&text, "Content-Length: %zu\r\n", body.bytes);
    }
    text_string(&text, "\r\n");
    text_slice_put(&text, text_slice(&body));
    assert_false(text.overflow);
    struct sip_sighting *sip = &sighting.sip;
    assert_int_equal(
        sip_decode((const uint8_t *)text.at, text.bytes, text.bytes, SIP_UDP, true, &sip->message),
        REASON_NONE);
    struct endpoint source = scene_endpoint(said->source == NULL ? "192.0.2.1:5060" : said->source);
    struct endpoint other = scene_endpoint("192.0.2.2:5060");
    sip->head.kind = SIGHTING_SIP;
    sip->head.time_ns = scene_ns(said->at_s);
    sip->head.state_ns = sip->head.time_ns;
    sip->head.key = ++scene->number << 1 | 1;
    sip->head.source = source.addr;
    sip->head.source_port = source.port;
    sip->head.destination = other.addr;
    sip->head.destination_port = other.port;
    sip_keys_make(HASH_KEY_FIXED, &source.addr, &other.addr, &sip->message, &sip->keys);
    struct transaction_view view = {.is_retransmission = said->copy,
                                    .is_first_final = said->first_final,
                                    .transaction = said->has_transaction ? &known : NULL};
    uint32_t cell = call_see(scene->calls, sip, &view);
    media_see_sdp(scene->media, sip, cell);
    scene->cell = cell;
    return cell;
}

static inline void scene_mark(struct scene *scene, double at_s)
{
    uint64_t mark_s = time_second(scene_ns(at_s));

    media_mark(scene->media, mark_s, 0);
    call_mark(scene->calls, mark_s, 0);
}

/* All marks of the seconds up to `to_s`. */
static inline void scene_wait(struct scene *scene, unsigned from_s, unsigned to_s)
{
    for (unsigned second = from_s; second <= to_s; second++) {
        scene_mark(scene, second);
    }
}

static inline const struct told *scene_last(const struct scene *scene, enum change_kind kind)
{
    for (unsigned i = scene->told_count; i > 0; i--) {
        if (scene->told[(i - 1) % SCENE_CALLS].kind == kind) {
            return &scene->told[(i - 1) % SCENE_CALLS];
        }
    }
    static const struct told none;
    print_error("no change of kind %u was told\n", (unsigned)kind);
    fail();
    return &none;
}

static inline unsigned scene_count(const struct scene *scene, enum change_kind kind)
{
    unsigned count = 0;

    for (unsigned i = 0; i < scene->told_count && i < SCENE_CALLS; i++) {
        count += scene->told[i].kind == kind ? 1 : 0;
    }
    return count;
}

#endif
