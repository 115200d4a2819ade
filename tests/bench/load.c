/* load: writes a capture of telephony with a known truth, from a seed.
 *
 *   load rtp   CALLS SECONDS SEED OUT.pcap [TRUTH.jsonl]
 *              calls at once with G.711 both ways, RTCP every 5 s, a fifth of the streams impaired
 *              (loss, duplicates, reordering, jitter)
 *   load sip   CALLS RATE SEED OUT.pcap
 *              calls without media: INVITE 407 ACK INVITE 100 180 200 ACK BYE 200; one in ten fails
 *              or is cancelled; RATE calls a second
 *   load flood CALLS RATE SEED OUT.pcap
 *              INVITEs, each with its own Call-ID and source
 *
 * Packets are in order of time, with valid checksums. The truth of a stream (one JSON object a
 * line) is counted while it is made, with doubles and without a line of the sensor's code: packets,
 * distinct, lost, duplicates, reordered, and the jitter of RFC 3550 A.8. */
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAME_MAX = 2048, PAYLOAD = 160 };

static FILE *out;
static FILE *truth_out;
static uint64_t state;
static uint64_t frames;

static uint64_t draw(void) /* xorshift64* */
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * UINT64_C(0x2545F4914F6CDD1D);
}

static double draw_unit(void)
{
    return (double)(draw() >> 11) / 9007199254740992.0;
}

static double draw_normal(void)
{
    double u = draw_unit();
    double v = draw_unit();
    return sqrt(-2 * log(u < 1e-12 ? 1e-12 : u)) * cos(2 * 3.14159265358979323846 * v);
}

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value & 0xffff);
}

static uint32_t sum16(const uint8_t *at, size_t bytes, uint32_t sum)
{
    for (size_t i = 0; i + 1 < bytes; i += 2) {
        sum += (uint32_t)at[i] << 8 | at[i + 1];
    }
    return bytes % 2 != 0 ? sum + ((uint32_t)at[bytes - 1] << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
    while (sum >> 16 != 0) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

struct peer {
    uint32_t addr;
    uint16_t port;
};

/* Ethernet, IPv4, UDP around a payload; returns the frame's bytes. */
static size_t wrap(uint8_t *frame, struct peer from, struct peer to, const void *payload,
                   size_t bytes, uint16_t id)
{
    static const uint8_t ethernet[14] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0};
    memcpy(frame, ethernet, sizeof ethernet);
    uint8_t *ip = frame + 14;
    memset(ip, 0, 20);
    ip[0] = 0x45;
    put16(ip + 2, (uint32_t)(28 + bytes));
    put16(ip + 4, id);
    ip[8] = 64;
    ip[9] = 17;
    put32(ip + 12, from.addr);
    put32(ip + 16, to.addr);
    put16(ip + 10, fold(sum16(ip, 20, 0)));
    uint8_t *udp = ip + 20;
    put16(udp, from.port);
    put16(udp + 2, to.port);
    put16(udp + 4, (uint32_t)(8 + bytes));
    put16(udp + 6, 0);
    memcpy(udp + 8, payload, bytes);
    uint16_t checksum = fold(sum16(udp, 8 + bytes, sum16(ip + 12, 8, (uint32_t)(17 + 8 + bytes))));
    put16(udp + 6, checksum == 0 ? 0xffff : checksum);
    return 42 + bytes;
}

static void write_frame(uint64_t time_us, const uint8_t *frame, size_t bytes)
{
    uint32_t head[4] = {(uint32_t)(time_us / 1000000), (uint32_t)(time_us % 1000000),
                        (uint32_t)bytes, (uint32_t)bytes};
    fwrite(head, sizeof head, 1, out);
    fwrite(frame, bytes, 1, out);
    frames++;
}

/* --- a heap of frames by time: jitter and reordering come out in order of arrival --- */

struct event {
    uint64_t time_us;
    uint64_t order; /* equal times leave in the order in which they were made */
    uint32_t stream; /* UINT32_MAX: no RTP, nothing to count */
    uint32_t extended;
    uint32_t timestamp;
    uint16_t bytes;
    uint8_t frame[PAYLOAD + 64 + 14];
    uint8_t *large;
};

static struct event **heap;
static size_t heap_count;
static size_t heap_room;
static uint64_t next_order;

static bool before(const struct event *one, const struct event *other)
{
    return one->time_us != other->time_us ? one->time_us < other->time_us
                                          : one->order < other->order;
}

static void push(struct event *event)
{
    event->order = next_order++;
    if (heap_count == heap_room) {
        heap_room = heap_room == 0 ? 1024 : heap_room * 2;
        heap = realloc(heap, heap_room * sizeof *heap);
    }
    size_t at = heap_count++;
    for (; at > 0 && before(event, heap[(at - 1) / 2]); at = (at - 1) / 2) {
        heap[at] = heap[(at - 1) / 2];
    }
    heap[at] = event;
}

static struct event *pop(void)
{
    struct event *top = heap[0];
    struct event *last = heap[--heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= heap_count) {
            break;
        }
        child += child + 1 < heap_count && before(heap[child + 1], heap[child]);
        if (!before(heap[child], last)) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    if (heap_count > 0) {
        heap[at] = last;
    }
    return top;
}

/* --- streams and their truth --- */

struct stream {
    struct peer from;
    struct peer to;
    uint32_t ssrc;
    uint32_t first; /* extended sequence number of its first packet made */
    uint32_t timestamp; /* of its first packet */
    uint32_t sent;
    uint64_t start_us;
    bool impaired;
    char call_id[48];
    /* truth, counted at emission */
    uint8_t *seen;
    uint32_t seen_room;
    uint64_t packets;
    uint64_t distinct;
    uint64_t duplicates;
    uint64_t reordered;
    uint32_t first_seen;
    uint32_t highest;
    double last_arrival;
    double last_timestamp;
    double jitter;
    double jitter_sum;
    double jitter_max;
};

static struct stream *streams;

static void count_truth(struct stream *stream, const struct event *event)
{
    uint32_t index = event->extended - stream->first;
    double arrival =
        (double)(event->time_us - stream->start_us) / 1e6; /* small numbers keep their digits */
    double stamp = (double)(uint32_t)(event->timestamp - stream->timestamp) / 8000.0;
    if (stream->packets == 0) {
        stream->first_seen = stream->highest = event->extended;
    } else {
        double d = fabs((arrival - stream->last_arrival) - (stamp - stream->last_timestamp));
        stream->jitter += (d - stream->jitter) / 16;
        stream->jitter_sum += stream->jitter;
        stream->jitter_max =
            stream->jitter > stream->jitter_max ? stream->jitter : stream->jitter_max;
    }
    stream->last_arrival = arrival;
    stream->last_timestamp = stamp;
    stream->packets++;
    if (stream->seen[index] != 0) {
        stream->duplicates++;
        return;
    }
    stream->seen[index] = 1;
    stream->distinct++;
    if (event->extended < stream->highest) {
        stream->reordered++;
    } else {
        stream->highest = event->extended;
    }
}

static void drain(uint64_t until_us)
{
    while (heap_count > 0 && heap[0]->time_us < until_us) {
        struct event *event = pop();
        write_frame(event->time_us, event->large != NULL ? event->large : event->frame,
                    event->bytes);
        if (event->stream != UINT32_MAX) {
            count_truth(&streams[event->stream], event);
        }
        free(event->large);
        free(event);
    }
}

static struct event *event_new(uint64_t time_us)
{
    struct event *event = calloc(1, sizeof *event);
    event->time_us = time_us;
    event->stream = UINT32_MAX;
    return event;
}

static void push_text(uint64_t time_us, struct peer from, struct peer to, const char *text)
{
    struct event *event = event_new(time_us);
    event->large = malloc(FRAME_MAX);
    event->bytes = (uint16_t)wrap(event->large, from, to, text, strlen(text), (uint16_t)draw());
    push(event);
}

/* --- signalling --- */

struct dialog {
    const char *call_id;
    uint32_t from_user;
    uint32_t to_user;
    struct peer caller;
    struct peer proxy;
    struct peer media_caller;
    struct peer media_callee;
};

static void message(char *text, const struct dialog *dialog, const char *start, const char *method,
                    unsigned cseq, unsigned branch, bool to_tag, const struct peer *media,
                    const char *extra)
{
    char sdp[256] = "";
    if (media != NULL) {
        snprintf(sdp, sizeof sdp,
                 "v=0\r\no=- 1 1 IN IP4 %u.%u.%u.%u\r\ns=-\r\nc=IN IP4 %u.%u.%u.%u\r\nt=0 0\r\n"
                 "m=audio %u RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 "
                 "telephone-event/8000\r\na=sendrecv\r\n",
                 media->addr >> 24, media->addr >> 16 & 255, media->addr >> 8 & 255,
                 media->addr & 255, media->addr >> 24, media->addr >> 16 & 255,
                 media->addr >> 8 & 255, media->addr & 255, media->port);
    }
    uint32_t a = dialog->caller.addr;
    snprintf(
        text, FRAME_MAX - 64,
        "%s\r\nVia: SIP/2.0/UDP %u.%u.%u.%u:%u;branch=z9hG4bK-%s-%u;rport\r\nMax-Forwards: 70\r\n"
        "From: \"User %u\" <sip:%u@pbx.example>;tag=f%s\r\nTo: "
        "<sip:%u@pbx.example>%s%s\r\nCall-ID: %s@pbx.example\r\n"
        "CSeq: %u %s\r\nContact: <sip:%u@%u.%u.%u.%u:%u>\r\nUser-Agent: Desk Phone 4.2.1\r\n"
        "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, NOTIFY, REFER, UPDATE\r\nSupported: replaces, "
        "timer\r\n%s%s"
        "Content-Length: %zu\r\n\r\n%s",
        start, a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255, dialog->caller.port, dialog->call_id,
        branch, dialog->from_user, dialog->from_user, dialog->call_id, dialog->to_user,
        to_tag ? ";tag=t" : "", to_tag ? dialog->call_id : "", dialog->call_id, cseq, method,
        dialog->from_user, a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255, dialog->caller.port,
        extra, media != NULL ? "Content-Type: application/sdp\r\n" : "", strlen(sdp), sdp);
}

static void request(uint64_t at, const struct dialog *dialog, const char *method, unsigned cseq,
                    unsigned branch, bool to_tag, bool media, const char *extra)
{
    char start[96];
    char text[FRAME_MAX];
    snprintf(start, sizeof start, "%s sip:%u@pbx.example SIP/2.0", method, dialog->to_user);
    message(text, dialog, start, method, cseq, branch, to_tag, media ? &dialog->media_caller : NULL,
            extra);
    push_text(at, dialog->caller, dialog->proxy, text);
}

static void response(uint64_t at, const struct dialog *dialog, const char *status,
                     const char *method, unsigned cseq, unsigned branch, bool media,
                     const char *extra)
{
    char start[96];
    char text[FRAME_MAX];
    snprintf(start, sizeof start, "SIP/2.0 %s", status);
    message(text, dialog, start, method, cseq, branch, strncmp(status, "100", 3) != 0,
            media ? &dialog->media_callee : NULL, extra);
    push_text(at, dialog->proxy, dialog->caller, text);
}

enum { CHALLENGED = 1, ANSWERED, BUSY, CANCELLED };

static void call(uint64_t at, const struct dialog *dialog, uint64_t talk_us, int outcome)
{
    static const char challenge[] = "Proxy-Authenticate: Digest realm=\"pbx.example\", "
                                    "nonce=\"4f2a9c0d7e\", algorithm=MD5, qop=\"auth\"\r\n";
    static const char credentials[] =
        "Proxy-Authorization: Digest username=\"u\", realm=\"pbx.example\", nonce=\"4f2a9c0d7e\", "
        "uri=\"sip:pbx.example\", "
        "response=\"0123456789abcdef0123456789abcdef\", cnonce=\"1\", nc=00000001, qop=auth, "
        "algorithm=MD5\r\n";
    request(at, dialog, "INVITE", 1, 1, false, true, "");
    response(at + 2000, dialog, "407 Proxy Authentication Required", "INVITE", 1, 1, false,
             challenge);
    request(at + 3000, dialog, "ACK", 1, 1, true, false, "");
    request(at + 4000, dialog, "INVITE", 2, 2, false, true, credentials);
    response(at + 5000, dialog, "100 Trying", "INVITE", 2, 2, false, "");
    response(at + 40000, dialog, "180 Ringing", "INVITE", 2, 2, false, "");
    if (outcome == BUSY) {
        response(at + 900000, dialog, "486 Busy Here", "INVITE", 2, 2, false, "");
        request(at + 901000, dialog, "ACK", 2, 2, true, false, "");
        return;
    }
    if (outcome == CANCELLED) {
        request(at + 900000, dialog, "CANCEL", 2, 2, false, false, "");
        response(at + 901000, dialog, "200 OK", "CANCEL", 2, 2, false, "");
        response(at + 902000, dialog, "487 Request Terminated", "INVITE", 2, 2, false, "");
        request(at + 903000, dialog, "ACK", 2, 2, true, false, "");
        return;
    }
    response(at + 1000000, dialog, "200 OK", "INVITE", 2, 2, true, "");
    request(at + 1001000, dialog, "ACK", 2, 3, true, false, "");
    request(at + 1000000 + talk_us, dialog, "BYE", 3, 4, true, false, "");
    response(at + 1002000 + talk_us, dialog, "200 OK", "BYE", 3, 4, false, "");
}

static struct dialog dialog_of(uint32_t index, char *call_id)
{
    snprintf(call_id, 48, "%08x%08x%u", (unsigned)draw(), (unsigned)draw(), index);
    uint32_t host = 0xC6336400 + 10 + index % 200; /* 198.51.100.10 and on */
    return (struct dialog){
        .call_id = call_id,
        .from_user = 1000 + index % 5000,
        .to_user = 6000 + (uint32_t)(draw() % 3000),
        .caller = {host, (uint16_t)(5060 + index / 200 % 50)},
        .proxy = {0xC000020A, 5060},
        .media_caller = {host, (uint16_t)(16384 + index / 200 * 4 % 40000)},
        .media_callee = {0xC0000214 + index % 20, (uint16_t)(20000 + index / 20 * 4 % 40000)}};
}

/* --- the three shapes --- */

static void stream_packet(uint32_t index, uint64_t base_us)
{
    struct stream *stream = &streams[index];
    uint32_t number = stream->sent++;
    if (stream->impaired && number > 4 && draw_unit() < 0.005) {
        return; /* lost */
    }
    uint64_t delay = 0;
    if (stream->impaired) {
        double spread = fabs(draw_normal()) * 2000;
        delay = (uint64_t)(spread > 15000 ? 15000 : spread);
        delay += number > 4 && draw_unit() < 0.002 ? 45000 : 0; /* overtaken by two */
    }
    unsigned copies = 1 + (stream->impaired && number > 4 && draw_unit() < 0.0005);
    for (unsigned copy = 0; copy < copies; copy++) {
        struct event *event = event_new(base_us + delay + copy * 3000);
        uint8_t rtp[12 + PAYLOAD];
        event->extended = stream->first + number;
        event->timestamp = stream->timestamp + number * PAYLOAD;
        rtp[0] = 0x80;
        rtp[1] = number == 0 ? 0x80 : 0;
        put16(rtp + 2, event->extended & 0xffff);
        put32(rtp + 4, event->timestamp);
        put32(rtp + 8, stream->ssrc);
        memset(rtp + 12, 0xd5, PAYLOAD);
        event->stream = index;
        event->bytes = (uint16_t)wrap(event->frame, stream->from, stream->to, rtp, sizeof rtp,
                                      (uint16_t)draw());
        push(event);
    }
}

static void report_packet(const struct stream *stream, uint64_t at)
{
    uint8_t sr[28] = {0x80, 200, 0, 6};
    put32(sr + 4, stream->ssrc);
    put32(sr + 8, (uint32_t)(at / 1000000 + 2208988800u));
    put32(sr + 20, stream->sent);
    put32(sr + 24, stream->sent * PAYLOAD);
    struct event *event = event_new(at);
    struct peer from = {stream->from.addr, (uint16_t)(stream->from.port + 1)};
    struct peer to = {stream->to.addr, (uint16_t)(stream->to.port + 1)};
    event->bytes = (uint16_t)wrap(event->frame, from, to, sr, sizeof sr, (uint16_t)draw());
    push(event);
}

static void stream_start(struct stream *stream, struct peer from, struct peer to,
                         const char *call_id, uint64_t start_us, uint32_t packets)
{
    *stream =
        (struct stream){.from = from, .to = to, .ssrc = (uint32_t)draw(), .start_us = start_us};
    stream->first = 65536 + (uint32_t)(draw() & 0xffff);
    stream->timestamp = (uint32_t)draw();
    stream->impaired = draw_unit() < 0.2;
    stream->seen = calloc(packets + 8, 1);
    memcpy(stream->call_id, call_id, sizeof stream->call_id);
}

static void load_rtp(uint32_t calls, uint32_t seconds, uint64_t epoch_us)
{
    streams = calloc(calls * 2, sizeof *streams);
    uint32_t packets = seconds * 50;
    for (uint32_t i = 0; i < calls; i++) {
        char call_id[48] = "";
        struct dialog dialog = dialog_of(i, call_id);
        uint64_t at = epoch_us + draw() % 2000000;
        call(at, &dialog, (uint64_t)seconds * 1000000 + 100000, ANSWERED);
        stream_start(&streams[2 * i], dialog.media_caller, dialog.media_callee, call_id,
                     at + 1010000, packets);
        stream_start(&streams[2 * i + 1], dialog.media_callee, dialog.media_caller, call_id,
                     at + 1015000, packets);
    }
    for (uint64_t slot = 0; slot < packets + 200; slot++) {
        uint64_t slot_us = epoch_us + 1000000 + slot * 20000;
        for (uint32_t i = 0; i < calls * 2; i++) {
            struct stream *stream = &streams[i];
            uint64_t due = stream->start_us + (uint64_t)stream->sent * 20000;
            if (stream->sent < packets && due < slot_us + 20000) {
                stream_packet(i, due);
                if (stream->sent % 250 == 0) {
                    report_packet(stream, due + 7);
                }
            }
        }
        drain(slot_us);
    }
    drain(UINT64_MAX);
    for (uint32_t i = 0; truth_out != NULL && i < calls * 2; i++) {
        const struct stream *stream = &streams[i];
        uint64_t expected = stream->highest - stream->first_seen + 1;
        fprintf(truth_out,
                "{\"ssrc\":\"0x%08x\",\"source\":\"%u.%u.%u.%u:%u\",\"destination\":\"%u.%u.%u.%u:%"
                "u\",\"packets\":%" PRIu64 ",\"expected\":%" PRIu64 ",\"lost\":%" PRIu64
                ",\"duplicates\":%" PRIu64 ",\"reordered\":%" PRIu64
                ",\"jitter_mean_ms\":%.6f,\"jitter_max_ms\":%.6f,\"call\":\"%s@pbx.example\"}\n",
                stream->ssrc, stream->from.addr >> 24, stream->from.addr >> 16 & 255,
                stream->from.addr >> 8 & 255, stream->from.addr & 255, stream->from.port,
                stream->to.addr >> 24, stream->to.addr >> 16 & 255, stream->to.addr >> 8 & 255,
                stream->to.addr & 255, stream->to.port, stream->packets, expected,
                expected - stream->distinct, stream->duplicates, stream->reordered,
                1e3 * stream->jitter_sum / (double)(stream->packets - 1), 1e3 * stream->jitter_max,
                stream->call_id);
    }
}

static void load_sip(uint32_t calls, uint32_t rate, uint64_t epoch_us)
{
    for (uint32_t i = 0; i < calls; i++) {
        char call_id[48] = "";
        struct dialog dialog = dialog_of(i, call_id);
        uint64_t at = epoch_us + (uint64_t)i * 1000000 / rate;
        uint64_t fate = draw() % 20;
        call(at, &dialog, 2000000 + draw() % 1000000,
             fate == 0   ? BUSY
             : fate == 1 ? CANCELLED
                         : ANSWERED);
        drain(at);
    }
    drain(UINT64_MAX);
}

static void load_flood(uint32_t calls, uint32_t rate, uint64_t epoch_us)
{
    for (uint32_t i = 0; i < calls; i++) {
        char call_id[48] = "";
        struct dialog dialog = dialog_of(i, call_id);
        dialog.caller.addr = 0xCB007100 ^ (uint32_t)(draw() & 0xffffff);
        uint64_t at = epoch_us + (uint64_t)i * 1000000 / rate;
        request(at, &dialog, "INVITE", 1, 1, false, true, "");
        drain(at);
    }
    drain(UINT64_MAX);
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "usage: load rtp CALLS SECONDS SEED OUT.pcap [TRUTH.jsonl]\n"
                        "       load sip|flood CALLS RATE SEED OUT.pcap\n");
        return 2;
    }
    uint32_t calls = (uint32_t)strtoul(argv[2], NULL, 10);
    uint32_t second = (uint32_t)strtoul(argv[3], NULL, 10);
    state = strtoull(argv[4], NULL, 10) * UINT64_C(0x9E3779B97F4A7C15) + 1;
    out = fopen(argv[5], "wb");
    truth_out = argc > 6 ? fopen(argv[6], "w") : NULL;
    if (out == NULL || (argc > 6 && truth_out == NULL)) {
        fprintf(stderr, "load: an output file cannot be written\n");
        return 1;
    }
    static char buffer[1 << 20];
    setvbuf(out, buffer, _IOFBF, sizeof buffer);
    uint32_t head[6] = {0xa1b2c3d4, 0x00040002, 0, 0, 262144, 1};
    fwrite(head, sizeof head, 1, out);
    uint64_t epoch_us = UINT64_C(1767225600) * 1000000; /* 2026-01-01 */
    if (strcmp(argv[1], "rtp") == 0) {
        load_rtp(calls, second, epoch_us);
    } else if (strcmp(argv[1], "sip") == 0) {
        load_sip(calls, second, epoch_us);
    } else {
        load_flood(calls, second, epoch_us);
    }
    fprintf(stderr, "%" PRIu64 " packets\n", frames);
    return fclose(out) != 0 || (truth_out != NULL && fclose(truth_out) != 0);
}
