/* syslog.c - a message for each record (RFC 5424), over UDP or TCP.
 *
 * The head is made here (syslog_head.c), the message is what the encoder wrote, and the queue holds
 * both until the way to the receiver (syslog_udp.c, syslog_tcp.c) has delivered them.
 *
 * A message is at most max_bytes long: receivers cut longer ones where they please. What is too long
 * is written again from fewer fields (trim.c), stage by stage, so it stays whole JSON or CEF; it says
 * so in earshot.truncated and in its head, and is counted.
 *
 * The receiver is an address, never a name: a sensor that asks a resolver would send packets that
 * nobody wanted (on whatever interface its routes choose), wait for the answer with everything
 * behind it, and deliver nothing on the day when the resolver is the one under attack. */
#include "outputs/live_clock.h"
#include "outputs/socket_address.h"
#include "outputs/syslog_head.h"
#include "outputs/syslog_link.h"

#include "base/log.h"
#include "outputs/encode_cef.h"
#include "outputs/encode_json.h"
#include "outputs/trim.h"

#include <unistd.h>

enum transport { TRANSPORT_UDP, TRANSPORT_TCP };
enum framing { FRAMING_OCTET_COUNTING, FRAMING_NEWLINE };
enum {
    TCP_BYTES = 8192, /* what a receiver should take (RFC 5425 section 4.3.1) */
    UDP_BYTES = 1472, /* an Ethernet frame's, without IPv4 and UDP heads */
    UDP6_BYTES = 1452,
    MESSAGE_BYTES_MIN = 1024,
    DATAGRAM_BYTES_MAX = 65487,
    WORK_BYTES = 32 << 10, /* gathered before they are sent in one go */
};
static_assert((int)ENCODE_CEF_BYTES_MAX <= (int)ENCODE_JSON_BYTES_MAX, "one buffer serves both");

struct conf {
    char address[OPTION_TEXT_BYTES];
    uint64_t port;
    unsigned transport;
    unsigned framing;
    unsigned facility;
    char app_name[OPTION_TEXT_BYTES];
    char hostname[OPTION_TEXT_BYTES];
    uint64_t max_bytes;
    uint64_t queue_bytes;
    uint64_t unacked_window;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("address", TEXT, conf, address, NULL, "127.0.0.1", NULL, "IPv4 or IPv6 address of the receiver; names are not resolved"),
    OPTION("port", COUNT, conf, port, "1", "514", "65535", "its port"),
    OPTION_CHOICE("transport", conf, transport, "udp", "udp|tcp", "udp loses without a word what does not arrive; tcp sends again behind a broken connection"),
    OPTION_CHOICE("framing", conf, framing, "octet-counting", "octet-counting|newline", "tcp: how a message ends; octet-counting is what all receivers understand"),
    OPTION_CHOICE("facility", conf, facility, "local0", "kern|user|mail|daemon|auth|syslog|lpr|news|uucp|cron|authpriv|ftp|ntp|audit|alert|clock|local0|local1|local2|local3|local4|local5|local6|local7", "facility of all messages"),
    OPTION("app_name", TEXT, conf, app_name, NULL, "earshot", NULL, "APP-NAME of all messages, up to 48 characters"),
    OPTION("hostname", TEXT, conf, hostname, NULL, "", NULL, "HOSTNAME of all messages; empty: the name of this host, with captures the sensor's name"),
    OPTION("max_bytes", BYTES, conf, max_bytes, "0", "0", "64KiB", "longest message, from 1KiB on; longer records lose whole fields; 0: 8192 bytes with tcp, 1472 with udp (IPv6: 1452)"),
    OPTION("queue", BYTES, conf, queue_bytes, "1MiB", "16MiB", "1GiB", "memory for records that wait for the receiver; when it is full the least valuable are dropped and counted"),
    OPTION("unacked_window", BYTES, conf, unacked_window, "0", "256KiB", "16MiB", "tcp: behind a broken connection so many bytes are sent again, marked maybe_dup, because the receiver may not have read them"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct syslog {
    const struct output_host *host;
    struct syslog_head head;
    size_t message_bytes_max;
    struct queue *queue;
    struct syslog_udp *udp; /* one of the two */
    struct syslog_tcp *tcp;
    size_t gathered; /* bytes put into the queue since the way was last asked */
    struct trim *trim;
    struct encode_json *encode_json;
    struct encode_cef *encode_cef;
    uint64_t cut; /* messages that lost fields */
    char place[ENDPOINT_TEXT_BYTES];
    _Alignas(8) uint8_t lesser[RECORD_BYTES_MAX]; /* a record with fewer fields */
    char encoded[ENCODE_JSON_BYTES_MAX];
};

/* --- open --- */

static size_t message_bytes(const struct conf *conf, const struct addr *addr)
{
    if (conf->max_bytes != 0) {
        return (size_t)conf->max_bytes;
    }
    return conf->transport == TRANSPORT_TCP ? TCP_BYTES : addr_is_v4(addr) ? UDP_BYTES : UDP6_BYTES;
}

static enum status syslog_check(const void *conf_bytes, struct error *error)
{
    const struct conf *conf = conf_bytes;
    struct addr addr;

    if (!addr_parse(slice_of_string(conf->address), &addr)) {
        return error_set(error, STATUS_USAGE, "address",
                         "'%s' is no IPv4 or IPv6 address (names are not resolved: the sensor asks "
                         "no name server)",
                         conf->address);
    }
    if (conf->max_bytes != 0 && conf->max_bytes < MESSAGE_BYTES_MIN) {
        return error_set(error, STATUS_USAGE, "max_bytes", "it must be 0 or at least %d",
                         (int)MESSAGE_BYTES_MIN);
    }
    if (conf->transport == TRANSPORT_UDP && conf->max_bytes > DATAGRAM_BYTES_MAX) {
        return error_set(error, STATUS_USAGE, "max_bytes", "with udp it is at most %d",
                         (int)DATAGRAM_BYTES_MAX);
    }
    return STATUS_OK;
}

/* What makes and shortens messages. */
static enum status open_makers(struct syslog *syslog, const struct conf *conf, struct error *error)
{
    const struct record_identity *identity = &syslog->host->identity;
    const char *host = conf->hostname[0] != '\0'    ? conf->hostname
                       : identity->hostname != NULL ? identity->hostname
                                                    : identity->observer;
    enum status status = trim_open(&syslog->trim, error);

    if (status == STATUS_OK) {
        status = encode_json_open(identity, &syslog->encode_json, error);
    }
    if (status == STATUS_OK) {
        status = encode_cef_open(identity, &syslog->encode_cef, error);
    }
    /* With captures no process id: the same input gives the same messages. */
    syslog_head_open(&syslog->head, conf->facility, slice_of_string(host),
                     slice_of_string(conf->app_name), syslog->host->live ? (uint64_t)getpid() : 0,
                     slice_of_string(identity->observer));
    return status;
}

static enum status open_link(struct syslog *syslog, const struct conf *conf,
                             const struct endpoint *to, struct error *error)
{
    struct syslog_link_options link = {.host = syslog->host,
                                       .queue = syslog->queue,
                                       .place = syslog->place,
                                       .message_bytes_max = syslog->message_bytes_max,
                                       .unacked_window = (size_t)conf->unacked_window,
                                       .octet_counting = conf->framing == FRAMING_OCTET_COUNTING};
    struct text place = text_into(syslog->place, sizeof syslog->place);

    text_endpoint(&place, to);
    (void)text_terminate(&place);
    link.to_bytes = socket_address(to, &link.to);
    return conf->transport == TRANSPORT_UDP ? syslog_udp_open(&link, &syslog->udp, error)
                                            : syslog_tcp_open(&link, &syslog->tcp, error);
}

static void syslog_close(void *instance)
{
    struct syslog *syslog = instance;

    syslog_udp_close(syslog->udp);
    syslog_tcp_close(syslog->tcp);
    if (syslog->queue != NULL) {
        queue_close(syslog->queue);
    }
    if (syslog->cut > 0) {
        log_line(LOG_INFO,
                 "output %s: %" PRIu64 " records were longer than %zu bytes and lost fields",
                 syslog->host->name, syslog->cut, syslog->message_bytes_max);
    }
    trim_close(syslog->trim);
    encode_json_close(syslog->encode_json);
    encode_cef_close(syslog->encode_cef);
    free(syslog);
}

static enum status syslog_open(const struct output_host *host, const void *conf_bytes,
                               void **out_instance, struct error *error)
{
    const struct conf *conf = conf_bytes;
    struct endpoint to = {.port = (uint16_t)conf->port};
    enum status status = syslog_check(conf, error);

    if (status != STATUS_OK) {
        return status;
    }
    bool parsed = addr_parse(slice_of_string(conf->address), &to.addr);
    assert(parsed);
    struct syslog *syslog = calloc(1, sizeof *syslog);
    if (syslog == NULL) {
        return error_set(error, STATUS_FAILED, host->name, "no memory for its buffers");
    }
    syslog->host = host;
    syslog->message_bytes_max = message_bytes(conf, &to.addr);
    status = open_makers(syslog, conf, error);
    if (status == STATUS_OK) {
        status = queue_open(&(struct queue_options){.bytes_max = (size_t)conf->queue_bytes,
                                                    .live = host->live,
                                                    .tally = host->tally},
                            &syslog->queue, error);
    }
    if (status == STATUS_OK) {
        status = open_link(syslog, conf, &to, error);
    }
    if (status != STATUS_OK) {
        syslog_close(syslog);
        return status;
    }
    *out_instance = syslog;
    return STATUS_OK;
}

/* --- records --- */

static void work(struct syslog *syslog)
{
    syslog->gathered = 0;
    if (syslog->udp != NULL) {
        syslog_udp_work(syslog->udp);
    } else {
        syslog_tcp_work(syslog->tcp);
    }
}

static struct slice encode(struct syslog *syslog, const struct record *record)
{
    if (syslog->host->format == OUTPUT_CEF) {
        return slice_of(syslog->encoded, encode_cef(syslog->encode_cef, record, syslog->encoded));
    }
    uint64_t created_ns = syslog->host->live ? live_clock_wall_ns() : 0;
    return slice_of(syslog->encoded,
                    encode_json(syslog->encode_json, record, created_ns, syslog->encoded));
}

/* The message in at most `room` bytes; SLICE_NONE when the record has too much that may not go. */
static struct slice shorten(struct syslog *syslog, const struct record *record, size_t room)
{
    for (unsigned stage = 1; stage <= TRIM_STAGES; stage++) {
        struct slice text =
            encode(syslog, trim_record(syslog->trim, record, stage, syslog->lesser));
        if (text.bytes <= room) {
            return text;
        }
    }
    return SLICE_NONE;
}

static size_t room_behind(const struct syslog *syslog, size_t head_bytes)
{
    size_t taken = head_bytes + sizeof SYSLOG_HEAD_REPEATED - 1 + sizeof SYSLOG_HEAD_END - 1;

    return syslog->message_bytes_max > taken ? syslog->message_bytes_max - taken : 0;
}

static enum output_result syslog_send(void *instance, const struct record *record,
                                      struct slice encoded)
{
    struct syslog *syslog = instance;
    struct output_tally *tally = syslog->host->tally;
    char head[SYSLOG_HEAD_BYTES_MAX];
    size_t head_bytes = syslog_head_put(&syslog->head, record, false, head);
    bool is_long = encoded.bytes > room_behind(syslog, head_bytes);

    if (is_long) {
        head_bytes = syslog_head_put(&syslog->head, record, true, head);
        encoded = shorten(syslog, record, room_behind(syslog, head_bytes));
        if (slice_is_empty(encoded)) {
            tally->accepted++;
            tally->dropped[record->dataset]++;
            return OUTPUT_ACCEPTED;
        }
    }
    enum output_result result =
        queue_put(syslog->queue, record, slice_of(head, head_bytes), SLICE_NONE, encoded);
    syslog->cut += is_long && result == OUTPUT_ACCEPTED;
    syslog->gathered += encoded.bytes;
    if (result == OUTPUT_FULL || syslog->gathered >= WORK_BYTES) {
        work(syslog);
    }
    return result;
}

static void syslog_poll(void *instance)
{
    work(instance);
}

extern const struct output output_syslog;
const struct output output_syslog = {
    .type = "syslog",
    .title = "messages of RFC 5424 over UDP or TCP, each a record as JSON or CEF",
    .conf_bytes = sizeof(struct conf),
    .formats = 1U << OUTPUT_JSON | 1U << OUTPUT_CEF,
    .options = options,
    .check = syslog_check,
    .open = syslog_open,
    .send = syslog_send,
    .poll = syslog_poll,
    .flush = syslog_poll,
    .close = syslog_close,
};
