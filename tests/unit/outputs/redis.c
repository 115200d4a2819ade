/* The output "redis" against a far end of the test's own: what is acknowledged, refused, broken,
 * garbage; that offered = acknowledged + waiting + dropped holds at every step. */
/* First: its headers name what banned.h forbids. */
#include <event2/event.h>

#include "outputs_test.h"

#include "outputs/output.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { GOT_BYTES = 1 << 20 };

/* The far end: a Unix socket that is listened on and answered by hand. */
static struct far {
    char path[64];
    int listener;
    int peer; /* -1: nobody has connected */
    bool lets_in; /* it answers PING by itself, and forgets that it was asked */
    size_t bytes;
    char got[GOT_BYTES];
} far;

static struct event_base *loop;
static struct output_tally tally;
static struct output_host host;
static const struct output *type;
static void *conf;
static void *redis;
static uint64_t offered;
static const struct record call = {.dataset = DATASET_CALL, .id = {.high = 1, .low = 2}};
static const struct record alert = {.dataset = DATASET_ALERT, .id = {.high = 3, .low = 4}};

static void set(const char *key, const char *value)
{
    struct error error;
    const struct option *option = option_find(type->options, slice_of_string(key));

    assert_non_null(option);
    assert_int_equal(option_parse(option, slice_of_string(value), conf, "test", key, &error),
                     STATUS_OK);
}

static int begin(void **state)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    (void)state;

    far = (struct far){.peer = -1, .lets_in = true};
    (void)snprintf(far.path, sizeof far.path, "/tmp/earshot-redis-%d", (int)getpid());
    (void)snprintf(at.sun_path, sizeof at.sun_path, "%s", far.path);
    (void)unlink(far.path);
    far.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(far.listener, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(far.listener, 5) != 0) {
        return -1;
    }
    for (size_t i = 0; outputs[i] != NULL; i++) {
        type = strcmp(outputs[i]->type, "redis") == 0 ? outputs[i] : type;
    }
    conf = calloc(1, type->conf_bytes);
    option_presets(type->options, conf);
    set("socket", far.path);
    loop = event_base_new();
    tally = (struct output_tally){0};
    host = (struct output_host){.name = "r", .loop = loop, .live = true, .tally = &tally};
    redis = NULL;
    offered = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    if (redis != NULL) {
        type->close(redis);
        assert_int_equal(tally.waiting, 0);
        assert_int_equal(offered, tally.acknowledged + output_dropped(&tally));
    }
    event_base_free(loop);
    free(conf);
    if (far.peer >= 0) {
        (void)close(far.peer);
    }
    (void)close(far.listener);
    (void)unlink(far.path);
    return 0;
}

static void open_redis(void)
{
    struct error error = {0};
    enum status status = type->open(&host, conf, &redis, &error);

    if (status != STATUS_OK) {
        fail_msg("%s: %s", error.where, error.message);
    }
}

/* One turn of the writer's loop, and of the far end. */
static void turn(void)
{
    (void)event_base_loop(loop, EVLOOP_NONBLOCK);
    type->poll(redis);
    if (far.peer < 0) {
        far.peer = accept4(far.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }
    if (far.peer >= 0) {
        ssize_t some = recv(far.peer, far.got + far.bytes, GOT_BYTES - 1 - far.bytes, 0);
        far.bytes += some > 0 ? (size_t)some : 0;
        far.got[far.bytes] = '\0';
    }
    if (far.lets_in && strcmp(far.got, "*1\r\n$4\r\nPING\r\n") == 0) {
        far.bytes = 0;
        far.got[0] = '\0';
        (void)send(far.peer, "+PONG\r\n", 7, MSG_NOSIGNAL);
    }
    assert_int_equal(offered, tally.acknowledged + tally.waiting + output_dropped(&tally));
    (void)usleep(1000);
}

#define TURN_UNTIL(condition)                                                                      \
    do {                                                                                           \
        unsigned turns = 0;                                                                        \
        while (!(condition)) {                                                                     \
            turn();                                                                                \
            if (++turns > 5000) {                                                                  \
                fail_msg("never: %s", #condition);                                                 \
            }                                                                                      \
        }                                                                                          \
    } while (0)

static void turns(unsigned count)
{
    while (count-- > 0) {
        turn();
    }
}

static unsigned commands(const char *name)
{
    unsigned count = 0;

    for (const char *at = far.got; (at = strstr(at, name)) != NULL; at++) {
        count++;
    }
    return count;
}

static void offer(const struct record *record, const char *text)
{
    offered++;
    assert_int_equal(type->send(redis, record, slice_of_string(text)), OUTPUT_ACCEPTED);
}

static void say(const char *answer)
{
    size_t bytes = strlen(answer);

    while (bytes > 0) {
        ssize_t some = send(far.peer, answer, bytes, MSG_NOSIGNAL);
        if (some < 0 && errno != EAGAIN) {
            break; /* it does not want to hear more */
        }
        answer += some > 0 ? some : 0;
        bytes -= some > 0 ? (size_t)some : 0;
        turn();
    }
}

static void hang_up(void)
{
    (void)close(far.peer);
    far.peer = -1;
    far.bytes = 0;
    far.got[0] = '\0';
}

#define ID "$15\r\n1700000000000-0\r\n"

/* --- what goes right --- */

static void a_record_is_one_entry_of_its_stream(void **state)
{
    (void)state;
    set("maxlen", "500");
    open_redis();
    offer(&call, "{\"a\":1}");
    TURN_UNTIL(commands("XADD") == 1);
    assert_string_equal(far.got,
                        "*12\r\n$4\r\nXADD\r\n$12\r\nearshot:call\r\n$6\r\nMAXLEN\r\n$1\r\n~"
                        "\r\n$3\r\n500\r\n$1\r\n*\r\n$7\r\ndataset\r\n$12\r\nearshot.call"
                        "\r\n$2\r\nid\r\n$32\r\n00000000000000010000000000000002\r\n$4\r\n"
                        "json\r\n$7\r\n{\"a\":1}\r\n");
    assert_int_equal(tally.acknowledged, 0); /* sent is not there */
    assert_int_equal(tally.waiting, 1);
    say(ID);
    TURN_UNTIL(tally.acknowledged == 1);
    assert_int_equal(tally.waiting, 0);
}

static void it_says_who_it_is_first(void **state)
{
    (void)state;
    set("user", "sensor");
    set("password", "open sesame");
    set("db", "3");
    open_redis();
    offer(&call, "{}");
    TURN_UNTIL(commands("PING") == 1);
    assert_int_equal(commands("SELECT"), 1);
    turns(20);
    assert_int_equal(commands("XADD"), 0); /* not before it is let in */
    assert_memory_equal(far.got, "*3\r\n$4\r\nAUTH\r\n$6\r\nsensor\r\n$11\r\nopen sesame\r\n*2\r\n",
                        48);
    say("+OK\r\n+OK\r\n+PONG\r\n");
    TURN_UNTIL(commands("XADD") == 1);
    say(ID);
    TURN_UNTIL(tally.acknowledged == 1);
}

/* The first goes alone; then a hundred are on their way and no more. */
static void what_is_on_its_way_is_bounded(void **state)
{
    (void)state;
    open_redis();
    for (unsigned i = 0; i < 300; i++) {
        offer(&call, "{}");
    }
    TURN_UNTIL(commands("XADD") == 1);
    turns(20);
    assert_int_equal(commands("XADD"), 1);
    say(ID);
    TURN_UNTIL(commands("XADD") == 101);
    turns(20);
    assert_int_equal(commands("XADD"), 101);
    for (unsigned i = 0; i < 299; i++) {
        TURN_UNTIL(commands("XADD") > i + 1);
        say(ID);
    }
    TURN_UNTIL(tally.acknowledged == 300);
    assert_int_equal(tally.repeated, 0);
}

/* --- what goes wrong --- */

/* A far end that takes one in three words: all arrives, in order, what was on its way again. */
static void what_was_on_its_way_comes_again(void **state)
{
    (void)state;
    open_redis();
    offer(&call, "{\"n\":0}");
    TURN_UNTIL(commands("XADD") == 1);
    say(ID);
    TURN_UNTIL(tally.acknowledged == 1);
    offer(&call, "{\"n\":1}");
    offer(&alert, "{\"n\":2}");
    offer(&call, "{\"n\":3}");
    TURN_UNTIL(commands("XADD") == 4);
    say(ID);
    TURN_UNTIL(tally.acknowledged == 2);
    hang_up();
    TURN_UNTIL(tally.away);
    assert_int_equal(tally.waiting, 2);
    TURN_UNTIL(commands("XADD") == 1); /* one alone, after a pause */
    assert_non_null(strstr(far.got, "{\"n\":2}"));
    assert_true(tally.away);
    say(ID);
    TURN_UNTIL(commands("XADD") == 2);
    assert_false(tally.away);
    say(ID);
    TURN_UNTIL(tally.acknowledged == 4);
    assert_int_equal(tally.repeated, 2);
    assert_true(strstr(far.got, "{\"n\":2}") < strstr(far.got, "{\"n\":3}"));
}

/* Refused for now: waits, is sent again on a new connection, and was not sent twice. */
static void what_is_refused_for_now_waits(void **state)
{
    static const char *const refusals[] = {
        "-NOAUTH Authentication required.\r\n",
        "-LOADING Redis is loading the dataset in memory\r\n",
        "-OOM command not allowed when used memory > 'maxmemory'.\r\n",
        "-NOPERM this user has no permissions\r\n",
        "-READONLY You can't write\r\n",
        "-MOVED 3999 192.0.2.9:6379\r\n",
        "-ERR unknown command 'XADD'\r\n"};
    (void)state;

    open_redis();
    offer(&call, "{}");
    for (size_t i = 0; i < 2; i++) { /* pauses double: two are enough at once */
        TURN_UNTIL(commands("XADD") == 1);
        say(refusals[i]);
        TURN_UNTIL(tally.away);
        turns(10);
        hang_up();
    }
    for (size_t i = 2; i < sizeof refusals / sizeof refusals[0]; i++) {
        type->close(redis);
        assert_int_equal(output_dropped(&tally), 1);
        tally = (struct output_tally){0};
        offered = 0;
        open_redis();
        offer(&call, "{}");
        TURN_UNTIL(commands("XADD") == 1);
        say(refusals[i]);
        TURN_UNTIL(tally.away);
        assert_int_equal(tally.waiting, 1);
        assert_int_equal(output_dropped(&tally), 0);
        hang_up();
    }
    TURN_UNTIL(commands("XADD") == 1);
    say(ID);
    TURN_UNTIL(tally.acknowledged == 1);
    assert_false(tally.away);
    assert_int_equal(tally.repeated, 0);
}

/* The key is a list: never, so it is dropped and the next goes on. */
static void what_can_never_be_taken_is_dropped(void **state)
{
    (void)state;
    open_redis();
    offer(&call, "{}");
    offer(&alert, "{}");
    TURN_UNTIL(commands("XADD") == 1);
    say("-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
    TURN_UNTIL(commands("XADD") == 2);
    say(ID);
    TURN_UNTIL(tally.acknowledged == 1);
    assert_int_equal(tally.dropped[DATASET_CALL], 1);
    assert_int_equal(tally.dropped[DATASET_ALERT], 0);
    assert_false(tally.away);
}

/* What a far end may send that is no answer: the connection is given up, the record waits. */
static void garbage_breaks_the_connection_only(void **state)
{
    static char many[80 << 10];
    static const char *const rows[] = {
        "HTTP/1.1 400 Bad Request\r\n\r\n", /* no answer of Redis */
        "*2147483647\r\n", /* a list without an end */
        "*2\r\n$1\r\na\r\n$1\r\nb\r\n",
        ID ID, /* one more than was asked */
        many, /* a text that does not end */
        "$-5\r\n",
        "$99999999999999999999\r\n",
        "+OK\r\n", /* no entry's id: nobody knows what it did */
        ":1\r\n",
        "$-1\r\n",
    };
    (void)state;

    memset(many, 'x', sizeof many - 1);
    memcpy(many, "$400000000\r\n", 12);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tally = (struct output_tally){0};
        offered = 0;
        open_redis();
        offer(&call, "{}");
        TURN_UNTIL(commands("XADD") == 1);
        say(rows[i]);
        TURN_UNTIL(tally.away);
        assert_int_equal(tally.waiting + tally.acknowledged, 1);
        type->close(redis);
        hang_up();
    }
    redis = NULL;
}

/* Whoever does not answer as Redis does gets no record; one who may not PING does. */
static void no_record_goes_to_a_stranger(void **state)
{
    (void)state;
    far.lets_in = false;
    open_redis();
    offer(&call, "{}");
    TURN_UNTIL(commands("PING") == 1);
    say("+HELLO\r\n");
    TURN_UNTIL(tally.away);
    turns(10);
    assert_int_equal(commands("XADD"), 0);
    hang_up();
    TURN_UNTIL(commands("PING") == 1);
    say("-NOPERM this user has no permissions to run the 'ping' command\r\n");
    TURN_UNTIL(commands("XADD") == 1);
    say(ID);
    TURN_UNTIL(tally.acknowledged == 1);
}

/* It greets nobody: told that there is no room, before anything was asked. */
static void a_far_end_that_is_full_is_tried_again(void **state)
{
    (void)state;
    open_redis();
    TURN_UNTIL(far.peer >= 0);
    say("-ERR max number of clients reached\r\n");
    hang_up();
    TURN_UNTIL(tally.away);
    offer(&call, "{}");
    TURN_UNTIL(commands("XADD") == 1);
    say(ID);
    TURN_UNTIL(tally.acknowledged == 1);
}

/* Nobody there: the queue holds what it can, then the least valuable goes, counted. */
static void a_full_queue_gives_up_the_least_valuable(void **state)
{
    static char text[4096];
    (void)state;

    (void)close(far.listener);
    far.listener = -1;
    set("queue", "256KiB");
    open_redis();
    memset(text, 'x', sizeof text - 1);
    for (unsigned i = 0; i < 200; i++) {
        offer(i % 10 == 0 ? &alert : &call, text);
        if (i % 20 == 0) {
            turn();
        }
    }
    assert_true(tally.away);
    assert_true(tally.dropped[DATASET_CALL] > 100);
    assert_int_equal(tally.dropped[DATASET_ALERT], 0);
    assert_true(tally.waiting_bytes <= 256 << 10);
}

/* What it says of a command that it does not know repeats our words: they reach no log. */
static void our_words_are_not_said(void **state)
{
    int ends[2];
    char said[2048] = "";
    (void)state;

    set("password", "hunter2");
    far.lets_in = false;
    assert_int_equal(pipe(ends), 0);
    int kept = dup(STDERR_FILENO);
    (void)dup2(ends[1], STDERR_FILENO);
    open_redis();
    TURN_UNTIL(strstr(far.got, "hunter2") != NULL);
    say("-ERR unknown command 'AUTH', with args beginning with: 'hunter2'\r\n");
    TURN_UNTIL(tally.away);
    (void)dup2(kept, STDERR_FILENO);
    (void)close(kept);
    (void)close(ends[1]);
    assert_true(read(ends[0], said, sizeof said - 1) > 0);
    (void)close(ends[0]);
    assert_non_null(strstr(said, "unknown command 'AUTH'"));
    assert_null(strstr(said, "hunter2"));
}

/* --- what is refused at the start --- */

static void options_are_checked(void **state)
{
    static const struct {
        const char *key;
        const char *value;
        const char *says;
    } rows[] = {
        {"address", "192.0.2.7", "allow_plaintext: true"},
        {"address", "redis.example", "an IP address is allowed"},
        {"user", "sensor", "needs a password"},
    };
    struct error error = {0};
    (void)state;

    set("socket", "");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        void *instance = NULL;
        set(rows[i].key, rows[i].value);
        assert_int_equal(type->open(&host, conf, &instance, &error), STATUS_USAGE);
        assert_non_null(strstr(error.message, rows[i].says));
        set("user", "");
        set("address", "127.0.0.1");
    }
    set("address", "192.0.2.7");
    set("allow_plaintext", "true");
    open_redis();
}

int main(void)
{
#define WITH_FAR_END(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        WITH_FAR_END(a_record_is_one_entry_of_its_stream),
        WITH_FAR_END(it_says_who_it_is_first),
        WITH_FAR_END(what_is_on_its_way_is_bounded),
        WITH_FAR_END(what_was_on_its_way_comes_again),
        WITH_FAR_END(what_is_refused_for_now_waits),
        WITH_FAR_END(what_can_never_be_taken_is_dropped),
        WITH_FAR_END(garbage_breaks_the_connection_only),
        WITH_FAR_END(no_record_goes_to_a_stranger),
        WITH_FAR_END(a_far_end_that_is_full_is_tried_again),
        WITH_FAR_END(a_full_queue_gives_up_the_least_valuable),
        WITH_FAR_END(our_words_are_not_said),
        WITH_FAR_END(options_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
