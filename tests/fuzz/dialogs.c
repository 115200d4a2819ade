/* Transactions, registrations, calls and media under any order of well-formed messages: the input
 * chooses methods, codes, identities, tags, times. Every call that started ends once, every
 * transaction too, and detectors and records take what comes of it. Input: six bytes a message. */
#include "tests/fuzz/fuzz.h"

#include "detectors/frame/frame.h"
#include "sensor/run/config.h"
#include "sensor/state/state.h"
#include "sensor/telemetry/telemetry.h"

struct world {
    struct state *state;
    struct detectors_frame *frame;
    struct telemetry *telemetry;
    int64_t calls_open;
    uint64_t records;
};

static void on_record(void *owner, const struct record *record)
{
    struct world *world = owner;
    assert(record->bytes <= RECORD_BYTES_MAX);
    uint32_t at = 0;
    struct record_value value;
    while (record_next(record, &at, &value)) {
        assert(value.field < FIELD_COUNT);
    }
    world->records++;
}

static void on_incident(void *owner, const struct incident *incident)
{
    struct world *world = owner;
    assert(incident->severity >= 1 && incident->severity <= 4);
    telemetry_incident(world->telemetry, incident);
}

static void on_change(void *owner, const struct change *change)
{
    struct world *world = owner;
    if (change->kind == CHANGE_CALL_STARTED) {
        world->calls_open++;
    } else if (change->kind == CHANGE_CALL_ENDED && !change->call->partial) {
        world->calls_open--;
        assert(world->calls_open >= 0);
    }
    struct fact fact;
    if (facts_begin(state_facts_view(world->state), change, &fact)) {
        facts_finish(state_facts_view(world->state), change, &fact);
        frame_fact(world->frame, &fact);
    }
    telemetry_change(world->telemetry, change);
}

static const char *const methods[] = {"INVITE",   "ACK",     "BYE",       "CANCEL",
                                      "REGISTER", "OPTIONS", "SUBSCRIBE", "UPDATE"};
static const unsigned statuses[] = {100, 180, 183, 200, 202, 302, 401, 403,
                                    404, 407, 408, 481, 486, 487, 500, 603};

static size_t write_message(char *out, size_t room, const uint8_t *choice)
{
    const char *method = methods[choice[0] & 7];
    bool is_response = (choice[0] & 8) != 0;
    unsigned call = choice[1] & 7;
    unsigned branch = choice[1] >> 3 & 7;
    unsigned cseq = 1 + (choice[2] & 3);
    unsigned user = choice[2] >> 2 & 15;
    bool credentials = (choice[3] & 1) != 0;
    bool tagged = (choice[3] & 2) != 0;
    bool sdp = (choice[3] & 4) != 0;
    unsigned nonce = choice[3] >> 3 & 3;
    struct text text = text_into(out, room);
    if (is_response) {
        text_format(&text, "SIP/2.0 %u Reason\r\n", statuses[choice[4] & 15]);
    } else {
        text_format(&text, "%s sip:%u@192.0.2.10 SIP/2.0\r\n", method, 1000 + user);
    }
    text_format(&text,
                "Via: SIP/2.0/UDP 192.0.2.21:5060;branch=z9hG4bK-%u-%u\r\nMax-Forwards: 70\r\n",
                call, branch);
    text_format(&text, "From: <sip:%u@192.0.2.10>;tag=f%u\r\nTo: <sip:%u@192.0.2.10>%s\r\n", user,
                call, 1000 + user, tagged ? ";tag=t" : "");
    text_format(&text,
                "Call-ID: call-%u\r\nCSeq: %u %s\r\nContact: <sip:%u@192.0.2.21>;expires=%u\r\n",
                call, cseq, method, user, (unsigned)(choice[4] >> 4) * 60);
    if (credentials && !is_response) {
        text_format(&text,
                    "Authorization: Digest username=\"%u\", realm=\"r\", nonce=\"n%u\", "
                    "uri=\"sip:r\", response=\"%08x\"\r\n",
                    user, nonce, (unsigned)choice[5]);
    }
    if (is_response && statuses[choice[4] & 15] % 6 == 5) {
        text_format(&text, "WWW-Authenticate: Digest realm=\"r\", nonce=\"n%u\"%s\r\n", nonce,
                    (choice[3] & 32) != 0 ? ", stale=true" : "");
    }
    char body[160] = "";
    struct text part = text_into(body, sizeof body);
    if (sdp) {
        text_format(&part,
                    "v=0\r\no=- 1 1 IN IP4 192.0.2.21\r\ns=-\r\nc=IN IP4 192.0.2.%u\r\nt=0 "
                    "0\r\nm=audio %u RTP/AVP 0\r\n",
                    20u + (choice[5] & 3), 4000 + 2u * (choice[5] >> 2 & 3));
        text_string(&text, "Content-Type: application/sdp\r\n");
    }
    text_format(&text, "Content-Length: %zu\r\n\r\n", part.bytes);
    text_slice_put(&text, text_slice(&part));
    return text.bytes;
}

static void feed_message(struct world *world, const uint8_t *choice, uint64_t number, uint64_t now)
{
    static uint8_t sighting_bytes[SIGHTING_BYTES_MAX];
    char raw[2048];
    size_t bytes = write_message(raw, sizeof raw, choice);
    struct sip_sighting *sip = (void *)sighting_bytes;
    memset(sip, 0, sizeof *sip);
    if (sip_decode((const uint8_t *)raw, bytes, bytes, SIP_UDP, true, &sip->message) !=
        REASON_NONE) {
        return;
    }
    static const uint8_t hosts[4][4] = {
        {192, 0, 2, 10}, {192, 0, 2, 21}, {203, 0, 113, 66}, {192, 0, 2, 11}};
    bool forward = (choice[0] & 16) == 0;
    sip->head = (struct sighting){
        .bytes = sizeof *sip,
        .kind = SIGHTING_SIP,
        .transport = SIP_UDP,
        .key = number << 1 | 1,
        .time_ns = now,
        .state_ns = now,
        .source = addr_from_v4(hosts[forward ? 1 + (choice[0] >> 5 & 1) : 0]),
        .destination = addr_from_v4(hosts[forward ? 0 : 1 + (choice[0] >> 5 & 1)]),
        .source_port = 5060,
        .destination_port = 5060};
    sip->first_byte_ns = now;
    sip_keys_make(HASH_KEY_FIXED, &sip->head.source, &sip->head.destination, &sip->message,
                  &sip->keys);
    if ((sip->message.flags & SIP_FLAG_SDP) != 0) {
        struct slice body =
            slice_of(sip->message.raw + sip->message.body_at, sip->message.body_bytes);
        sip->has_sdp = sdp_decode(body, false, sip->sdp) == REASON_NONE;
        sip->head.bytes += (uint32_t)sizeof(struct sdp);
    }
    state_see(world->state, &sip->head, false);
}

static struct config *config;

static void open_world(struct world *world)
{
    struct error error;
    if (config == NULL) {
        struct settings settings;
        settings_start(&settings);
        if (config_open(&settings, &config, &error) != STATUS_OK) {
            abort();
        }
    }
    struct state_limits limits = {.transactions_max = 64,
                                  .attempts_max = 64,
                                  .bindings_max = 64,
                                  .accounts_max = 64,
                                  .calls_max = 16,
                                  .destinations_max = 16,
                                  .endpoints_max = 32,
                                  .streams_max = 32,
                                  .sources_max = 32,
                                  .servers_max = 32,
                                  .call_age_max_ns = NS_PER_DAY,
                                  .key = HASH_KEY_FIXED};
    struct frame_limits frame = {.incidents_max = 64, .closed_max = 64, .key = HASH_KEY_FIXED};
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        frame.entries[i] = 64;
    }
    struct telemetry_options telemetry = {.observer_name = "fuzz",
                                          .sip = TELEMETRY_SIP_MESSAGES,
                                          .media_interval = true,
                                          .flow = true,
                                          .refreshes = true,
                                          .on_record = on_record,
                                          .owner = world};
    struct change_sink sink = {.on_change = on_change, .owner = world};
    if (telemetry_open(&telemetry, &world->telemetry, &error) != STATUS_OK ||
        frame_open(&frame, config->detectors, on_incident, world, &world->frame, &error) !=
            STATUS_OK ||
        state_open(&limits, sink, &world->state, &error) != STATUS_OK) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world world = {.calls_open = 0};
    open_world(&world);
    struct cursor cursor = cursor_over(data, size);
    uint64_t now = 1000 * NS_PER_S;
    uint64_t second = 1000;
    uint64_t number = 0;
    while (cursor_left(&cursor) >= 7) {
        const uint8_t *choice = cursor_take(&cursor, 6);
        uint8_t gap = cursor_u8(&cursor);
        feed_message(&world, choice, ++number, now);
        now += (gap & 0x80) != 0 ? (uint64_t)(gap & 0x7f) * NS_PER_S : (uint64_t)gap * NS_PER_MS;
        while (second < time_second(now)) {
            struct mark_sighting mark = {.second = ++second,
                                         .head = {.kind = SIGHTING_MARK, .key = (number + 1) << 1}};
            state_mark(world.state, &mark);
        }
    }
    state_end(world.state, now);
    frame_end(world.frame, now);
    assert(world.calls_open == 0);
    state_close(world.state);
    frame_close(world.frame);
    telemetry_close(world.telemetry);
    return 0;
}
