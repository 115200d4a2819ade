/* The output "syslog" against far ends in the same program: frames, acknowledgement, repeats behind a
 * broken connection, a receiver that never reads, one that is not there; every record accounted for
 * after every step. */
#include <event2/event.h>

#include "outputs_test.h"

#include "outputs/output.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

static struct output_tally tally;
static struct output_host host;
static uint64_t offered;

static const struct output *syslog_type(void)
{
    for (size_t i = 0; outputs[i] != NULL; i++) {
        if (strcmp(outputs[i]->type, "syslog") == 0) {
            return outputs[i];
        }
    }
    fail_msg("no output of type syslog");
    return NULL;
}

static int open_loop(void **state)
{
    (void)state;
    tally = (struct output_tally){0};
    offered = 0;
    host = (struct output_host){.name = "siem",
                                .loop = event_base_new(),
                                .identity = {.observer = "edge-1", .version = "0.1.0"},
                                .live = true,
                                .tally = &tally};
    return host.loop == NULL ? -1 : 0;
}

static int close_loop(void **state)
{
    (void)state;
    event_base_free(host.loop);
    return 0;
}

/* `settings`: "key=value" up to a NULL. */
static enum status open_with(const char *const *settings, void **out_instance, struct error *error)
{
    const struct output *type = syslog_type();
    void *conf = calloc(1, type->conf_bytes);
    enum status status = STATUS_OK;

    assert_non_null(conf);
    option_presets(type->options, conf);
    for (; *settings != NULL && status == STATUS_OK; settings++) {
        struct slice value = slice_of_string(*settings);
        struct slice key = slice_split(&value, '=');
        const struct option *option = option_find(type->options, key);
        assert_non_null(option);
        status = option_parse(option, value, conf, "test", "key", error);
    }
    if (status == STATUS_OK) {
        status = type->open(&host, conf, out_instance, error);
    }
    free(conf);
    return status;
}

static void *opened(int port, const char *transport, const char *more)
{
    char port_text[32];
    char transport_text[32];
    void *instance = NULL;
    struct error error = {0};

    (void)snprintf(port_text, sizeof port_text, "port=%d", port);
    (void)snprintf(transport_text, sizeof transport_text, "transport=%s", transport);
    const char *const settings[] = {port_text, transport_text, more, NULL};
    assert_int_equal(open_with(settings, &instance, &error), STATUS_OK);
    return instance;
}

static void assert_counted(void)
{
    assert_int_equal(offered, tally.acknowledged + tally.waiting + output_dropped(&tally));
    assert_int_equal(offered, tally.accepted);
}

static void offer(void *syslog, enum dataset dataset, struct slice text)
{
    struct record record = {.bytes = sizeof record,
                            .dataset = (uint16_t)dataset,
                            .time_ns = AT_NS,
                            .sequence = offered,
                            .id = {.low = offered}};

    offered++;
    assert_int_equal(syslog_type()->send(syslog, &record, text), OUTPUT_ACCEPTED);
    assert_counted();
}

static void turn(void *syslog)
{
    (void)event_base_loop(host.loop, EVLOOP_NONBLOCK);
    syslog_type()->poll(syslog);
    assert_counted();
    (void)usleep(1000);
}

/* A socket of loopback; `*port`: 0 = any, and what it became. */
static int listener(int type, int *port, int buffer_bytes)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)*port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof at;
    int yes = 1;
    int one = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    assert_true(one >= 0);
    (void)setsockopt(one, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (buffer_bytes != 0) {
        (void)setsockopt(one, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof buffer_bytes);
    }
    assert_int_equal(bind(one, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(getsockname(one, (struct sockaddr *)&at, &bytes), 0);
    *port = ntohs(at.sin_port);
    if (type == SOCK_STREAM) {
        assert_int_equal(listen(one, 4), 0);
    }
    return one;
}

static int accepted(int from, void *syslog)
{
    for (int i = 0; i < 5000; i++) {
        int one = accept4(from, NULL, NULL, SOCK_NONBLOCK);
        if (one >= 0) {
            return one;
        }
        turn(syslog);
    }
    fail_msg("nobody connected");
    return -1;
}

static char heard[4 << 20];

/* Reads until `count` messages ("{}" or what ends with }) are there or 5 s are over. */
static size_t hear(int from, void *syslog, unsigned count)
{
    size_t bytes = 0;
    size_t looked = 0; /* to the end of the last one that was found */
    unsigned seen = 0;

    for (int i = 0; i < 5000; i++) {
        ssize_t more = recv(from, heard + bytes, sizeof heard - 1 - bytes, 0);
        bytes += more > 0 ? (size_t)more : 0;
        heard[bytes] = 0;
        for (const char *at; (at = memmem(heard + looked, bytes - looked, "] {", 3)) != NULL;
             seen++) {
            looked = (size_t)(at - heard) + 3;
        }
        if (seen >= count) {
            return bytes;
        }
        turn(syslog);
    }
    return bytes;
}

static void until_acknowledged(void *syslog, uint64_t count)
{
    for (int i = 0; i < 5000 && tally.acknowledged < count; i++) {
        turn(syslog);
    }
    assert_int_equal(tally.acknowledged, count);
}

#define MESSAGE(number, mark)                                                                      \
    "<134>1 2026-11-20T09:15:02.113405Z edge-1 earshot %d earshot.call [earshot@32473 "            \
    "event_id=\"0000000000000000000000000000000" number                                            \
    "\" dataset=\"earshot.call\" sequence=\"" number "\" observer=\"edge-1\"" mark "] {}"

static void counts_octets(void **state)
{
    int port = 0;
    int from = listener(SOCK_STREAM, &port, 0);
    void *syslog = opened(port, "tcp", NULL);
    char one[512];
    char expected[1024];
    (void)state;

    offer(syslog, DATASET_CALL, SLICE("{}"));
    offer(syslog, DATASET_CALL, SLICE("{}"));
    assert_int_equal(tally.waiting, 2);
    int far_end = accepted(from, syslog);
    (void)hear(far_end, syslog, 2);
    int bytes = snprintf(one, sizeof one, MESSAGE("0", ""), (int)getpid());
    int put = snprintf(expected, sizeof expected, "%d %s", bytes, one);
    (void)snprintf(one, sizeof one, MESSAGE("1", ""), (int)getpid());
    (void)snprintf(expected + put, sizeof expected - (size_t)put, "%d %s", bytes, one);
    assert_string_equal(heard, expected);
    until_acknowledged(syslog, 2);
    assert_false(tally.away);
    syslog_type()->close(syslog);
    assert_int_equal(recv(far_end, heard, sizeof heard, 0), 0);
    (void)close(far_end);
    (void)close(from);
}

static void ends_with_a_line_feed(void **state)
{
    int port = 0;
    int from = listener(SOCK_STREAM, &port, 0);
    void *syslog = opened(port, "tcp", "framing=newline");
    char expected[512];
    (void)state;

    offer(syslog, DATASET_CALL, SLICE("{}"));
    int far_end = accepted(from, syslog);
    (void)hear(far_end, syslog, 1);
    (void)snprintf(expected, sizeof expected, MESSAGE("0", "") "\n", (int)getpid());
    assert_string_equal(heard, expected);
    syslog_type()->close(syslog);
    (void)close(far_end);
    (void)close(from);
}

/* Confirmed but perhaps not read: again, marked, and counted as repeated, not as acknowledged. */
static void repeats_behind_a_reset(void **state)
{
    int port = 0;
    int from = listener(SOCK_STREAM, &port, 0);
    void *syslog = opened(port, "tcp", "framing=newline");
    const struct linger slam = {.l_onoff = 1};
    char expected[1024];
    (void)state;

    offer(syslog, DATASET_CALL, SLICE("{}"));
    int far_end = accepted(from, syslog);
    until_acknowledged(syslog, 1); /* by its kernel: nobody has read it */
    (void)setsockopt(far_end, SOL_SOCKET, SO_LINGER, &slam, sizeof slam);
    (void)close(far_end);
    for (int i = 0; i < 2000 && !tally.away; i++) {
        turn(syslog);
    }
    assert_true(tally.away);
    offer(syslog, DATASET_CALL, SLICE("{}"));
    far_end = accepted(from, syslog);
    (void)hear(far_end, syslog, 2);
    int put = snprintf(expected, sizeof expected, MESSAGE("0", " maybe_dup=\"true\"") "\n",
                       (int)getpid());
    (void)snprintf(expected + put, sizeof expected - (size_t)put, MESSAGE("1", "") "\n",
                   (int)getpid());
    assert_string_equal(heard, expected);
    until_acknowledged(syslog, 2);
    assert_int_equal(tally.repeated, 1);
    assert_false(tally.away);
    syslog_type()->close(syslog);
    (void)close(far_end);
    (void)close(from);
}

/* Nothing of it is ever confirmed, so nothing is lost and nothing repeated when it comes at last. */
static void waits_for_one_that_comes_late(void **state)
{
    int port = 0;
    int from = listener(SOCK_STREAM, &port, 0);
    (void)state;

    (void)close(from); /* a port that nobody has */
    void *syslog = opened(port, "tcp", NULL);
    for (int i = 0; i < 3; i++) {
        offer(syslog, DATASET_CALL, SLICE("{}"));
    }
    for (int i = 0; i < 1000 && !tally.away; i++) {
        turn(syslog);
    }
    assert_true(tally.away);
    assert_int_equal(tally.waiting, 3);
    from = listener(SOCK_STREAM, &port, 0);
    int far_end = accepted(from, syslog);
    (void)hear(far_end, syslog, 3);
    until_acknowledged(syslog, 3);
    assert_int_equal(tally.repeated, 0);
    syslog_type()->close(syslog);
    (void)close(far_end);
    (void)close(from);
}

/* Live: no call waits, the queue stays within its bound, intervals go first and alerts never. */
static void loses_the_least_to_one_that_never_reads(void **state)
{
    int port = 0;
    int from = listener(SOCK_STREAM, &port, 4096);
    void *syslog = opened(port, "tcp", "queue=1MiB");
    static char text[1000];
    struct timespec begin;
    struct timespec end;
    (void)state;

    memset(text, 'x', sizeof text);
    text[0] = '{';
    (void)clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int i = 0; i < 20000; i++) {
        offer(syslog, i % 100 == 0 ? DATASET_ALERT : DATASET_MEDIA_INTERVAL,
              slice_of(text, sizeof text));
        if (i % 100 == 0) {
            (void)event_base_loop(host.loop, EVLOOP_NONBLOCK);
        }
        assert_true(tally.waiting_bytes <= 1 << 20);
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    assert_true(end.tv_sec - begin.tv_sec < 5);
    assert_true(tally.dropped[DATASET_MEDIA_INTERVAL] > 10000);
    assert_int_equal(tally.dropped[DATASET_ALERT], 0);
    syslog_type()->close(syslog);
    assert_int_equal(tally.waiting, 0);
    assert_counted();
    (void)close(from);
}

/* Behind a reset what had left is marked, what had not is not; all of it comes, in order. */
static void marks_only_what_had_left(void **state)
{
    enum { RECORDS = 3000 };
    int port = 0;
    int from = listener(SOCK_STREAM, &port, 4096);
    void *syslog = opened(port, "tcp", "framing=newline");
    const struct linger slam = {.l_onoff = 1};
    static char text[1000];
    unsigned marked = 0;
    (void)state;

    memset(text, 'x', sizeof text);
    text[0] = '{';
    int far_end = accepted(from, syslog);
    for (int i = 0; i < RECORDS; i++) {
        offer(syslog, DATASET_CALL, slice_of(text, sizeof text));
    }
    for (int i = 0; i < 200; i++) {
        turn(syslog);
    }
    (void)setsockopt(far_end, SOL_SOCKET, SO_LINGER, &slam, sizeof slam);
    (void)close(far_end);
    far_end = accepted(from, syslog);
    size_t bytes = hear(far_end, syslog, RECORDS);
    char *line = heard;
    for (uint64_t i = 0; i < RECORDS; i++) {
        char expected[64];
        char *end = memchr(line, '\n', (size_t)(heard + bytes - line));
        assert_non_null(end);
        *end = 0;
        (void)snprintf(expected, sizeof expected, "sequence=\"%" PRIu64 "\"", i);
        assert_non_null(strstr(line, expected));
        bool is_marked = strstr(line, " maybe_dup=\"true\"] {") != NULL;
        assert_true(!is_marked || marked == i); /* those that had left are the first */
        marked += is_marked;
        line = end + 1;
    }
    assert_true(marked > 0 && marked < RECORDS);
    assert_int_equal(tally.repeated, marked);
    until_acknowledged(syslog, RECORDS);
    syslog_type()->close(syslog);
    (void)close(far_end);
    (void)close(from);
}

static void sends_datagrams(void **state)
{
    int port = 0;
    int from = listener(SOCK_DGRAM, &port, 0);
    void *syslog = opened(port, "udp", NULL);
    char expected[512];
    (void)state;

    offer(syslog, DATASET_CALL, SLICE("{}"));
    offer(syslog, DATASET_CALL, SLICE("{}"));
    turn(syslog);
    ssize_t bytes = recv(from, heard, sizeof heard, 0); /* the probe */
    int wanted = snprintf(expected, sizeof expected, MESSAGE("0", ""), (int)getpid());
    assert_int_equal(bytes, wanted);
    assert_memory_equal(heard, expected, (size_t)bytes);
    assert_int_equal(recv(from, heard, sizeof heard, 0), -1); /* alone, until nothing came back */
    assert_int_equal(tally.acknowledged, 0);
    until_acknowledged(syslog, 2);
    assert_int_equal(recv(from, heard, sizeof heard, 0), wanted);
    syslog_type()->close(syslog);
    (void)close(from);
}

static void waits_while_datagrams_are_refused(void **state)
{
    int port = 0;
    int from = listener(SOCK_DGRAM, &port, 0);
    (void)state;

    (void)close(from);
    void *syslog = opened(port, "udp", NULL);
    for (int i = 0; i < 5; i++) {
        offer(syslog, DATASET_CALL, SLICE("{}"));
    }
    for (int i = 0; i < 1000 && !tally.away; i++) {
        turn(syslog);
    }
    assert_true(tally.away);
    assert_int_equal(tally.waiting, 5);
    from = listener(SOCK_DGRAM, &port, 0);
    until_acknowledged(syslog, 5);
    assert_int_equal(tally.repeated, 1);
    ssize_t bytes = recv(from, heard, sizeof heard, 0);
    assert_true(bytes > 0);
    heard[bytes] = 0;
    assert_non_null(strstr(heard, "sequence=\"0\" observer=\"edge-1\" maybe_dup=\"true\"] {}"));
    /* It goes: one datagram pays for knowing that. */
    (void)close(from);
    offer(syslog, DATASET_CALL, SLICE("{}"));
    offer(syslog, DATASET_CALL, SLICE("{}"));
    syslog_type()->poll(syslog);
    for (int i = 0; i < 300; i++) {
        turn(syslog);
    }
    assert_true(tally.away);
    assert_int_equal(tally.acknowledged, 6);
    assert_int_equal(tally.waiting, 1);
    syslog_type()->close(syslog);
    assert_int_equal(output_dropped(&tally), 1);
    assert_counted();
}

/* What is too long loses fields and says so; what cannot be made short enough is counted. */
static void shortens_long_records(void **state)
{
    static struct bench bench;
    static char text[ENCODE_JSON_BYTES_MAX];
    int port = 0;
    int from = listener(SOCK_STREAM, &port, 0);
    void *syslog = opened(port, "tcp", "max_bytes=1KiB");
    struct encode_json *encoder;
    struct error error;
    char value[RECORD_TEXT_MAX];
    (void)state;

    memset(value, 'v', sizeof value);
    assert_int_equal(encode_json_open(&host.identity, &encoder, &error), STATUS_OK);
    for (int hostile = 0; hostile < 2; hostile++) {
        struct record_maker *maker = bench_begin(&bench, DATASET_CALL);
        struct slice action = slice_of(value, hostile == 0 ? 8 : sizeof value);
        memset(value, hostile == 0 ? 'v' : 1, sizeof value);
        record_text(maker, FIELD_ID_EVENT_ACTION, action);
        for (int i = 0; i < 8; i++) {
            record_text(maker, FIELD_ID_RELATED_USER, slice_of(value, sizeof value));
        }
        const struct record *record = bench_end(&bench);
        size_t bytes = encode_json(encoder, record, 0, text);
        assert_true(bytes > 1024);
        offered++;
        assert_int_equal(syslog_type()->send(syslog, record, slice_of(text, bytes)),
                         OUTPUT_ACCEPTED);
        assert_counted();
    }
    encode_json_close(encoder);
    assert_int_equal(tally.dropped[DATASET_CALL], 1); /* 256 bytes of six each */
    int far_end = accepted(from, syslog);
    (void)hear(far_end, syslog, 1);
    assert_true(strtol(heard, NULL, 10) <= 1024);
    assert_non_null(strstr(heard, " truncated=\"true\"] {"));
    assert_non_null(strstr(heard, "\"truncated\":[\"related\"]"));
    assert_null(strstr(heard, "\"user\""));
    syslog_type()->close(syslog);
    (void)close(far_end);
    (void)close(from);
}

/* The limit holds to the byte, with room left for the mark of a repeat. */
static void keeps_to_the_limit(void **state)
{
    int port = 0;
    int from = listener(SOCK_DGRAM, &port, 1 << 20);
    void *syslog = opened(port, "udp", "max_bytes=1KiB");
    static char text[1000];
    ssize_t longest = 0;
    (void)state;

    memset(text, 'x', sizeof text);
    text[0] = '{';
    for (size_t bytes = 600; bytes <= sizeof text; bytes++) {
        offer(syslog, DATASET_CALL, slice_of(text, bytes));
    }
    for (uint64_t i = 0; i < offered; i++) {
        ssize_t bytes = -1;
        while ((bytes = recv(from, heard, sizeof heard, 0)) < 0) {
            turn(syslog);
        }
        longest = bytes > longest ? bytes : longest;
    }
    assert_int_equal(longest, 1024 - strlen(" maybe_dup=\"true\""));
    syslog_type()->close(syslog);
    (void)close(from);
}

static void refuses_options_that_cannot_be(void **state)
{
    static const struct {
        const char *settings[3];
        const char *says;
    } cases[] = {
        {{"address=siem.example"}, "names are not resolved"},
        {{"address="}, "is no IPv4 or IPv6 address"},
        {{"max_bytes=1000"}, "at least 1024"},
        {{"transport=udp", "max_bytes=64KiB"}, "at most 65487"},
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error error = {0};
        void *instance = NULL;
        assert_int_equal(open_with(cases[i].settings, &instance, &error), STATUS_USAGE);
        assert_non_null(strstr(error.message, cases[i].says));
    }
}

static void speaks_over_ipv6(void **state)
{
    struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    socklen_t bytes = sizeof at;
    char port[32];
    void *syslog;
    struct error error;
    (void)state;

    int from = socket(AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (from < 0 || bind(from, (struct sockaddr *)&at, sizeof at) != 0) {
        (void)close(from);
        skip(); /* a machine without IPv6 */
    }
    assert_int_equal(getsockname(from, (struct sockaddr *)&at, &bytes), 0);
    (void)snprintf(port, sizeof port, "port=%d", ntohs(at.sin6_port));
    const char *const settings[] = {port, "address=::1", NULL};
    assert_int_equal(open_with(settings, &syslog, &error), STATUS_OK);
    offer(syslog, DATASET_CALL, SLICE("{}"));
    until_acknowledged(syslog, 1);
    assert_true(recv(from, heard, sizeof heard, 0) > 0);
    syslog_type()->close(syslog);
    (void)close(from);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, open_loop, close_loop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(counts_octets),
        TEST(ends_with_a_line_feed),
        TEST(repeats_behind_a_reset),
        TEST(waits_for_one_that_comes_late),
        TEST(loses_the_least_to_one_that_never_reads),
        TEST(marks_only_what_had_left),
        TEST(keeps_to_the_limit),
        TEST(sends_datagrams),
        TEST(waits_while_datagrams_are_refused),
        TEST(shortens_long_records),
        TEST(refuses_options_that_cannot_be),
        TEST(speaks_over_ipv6),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
