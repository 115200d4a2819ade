/* The head of a syslog message, byte for byte, and what cannot stand in it. */
#include "outputs_test.h"

#include "outputs/syslog_head.h"

static char out[SYSLOG_HEAD_BYTES_MAX + 1];

static const char *head_of(const struct syslog_head *head, const struct record *record, bool cut)
{
    out[syslog_head_put(head, record, cut, out)] = 0;
    return out;
}

static struct syslog_head plain(void)
{
    struct syslog_head head;

    syslog_head_open(&head, 16, SLICE("edge-1"), SLICE("earshot"), 812, SLICE("edge-1"));
    return head;
}

#define DATA                                                                                       \
    " [earshot@32473 event_id=\"0123456789abcdeffedcba9876543210\" "                               \
    "dataset=\"earshot.alert\" sequence=\"42\" observer="

static void writes_a_head(void **state)
{
    static struct bench bench;
    struct syslog_head head = plain();
    (void)state;

    bench_begin(&bench, DATASET_ALERT);
    const struct record *record = bench_end(&bench);
    assert_string_equal(head_of(&head, record, false),
                        "<134>1 2026-11-20T09:15:02.113405Z edge-1 earshot 812 earshot.alert" DATA
                        "\"edge-1\"");
    assert_string_equal(head_of(&head, record, true),
                        "<134>1 2026-11-20T09:15:02.113405Z edge-1 earshot 812 earshot.alert" DATA
                        "\"edge-1\" truncated=\"true\"");
}

static void maps_severities(void **state)
{
    static const struct {
        int64_t ecs;
        const char *head;
    } cases[] = {{21, "<133>1"}, {47, "<132>1"}, {73, "<131>1"}, {99, "<130>1"}};
    struct syslog_head head = plain();
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static struct bench bench;
        struct record_maker *maker = bench_begin(&bench, DATASET_ALERT);
        record_long(maker, FIELD_ID_EVENT_SEVERITY, cases[i].ecs);
        assert_memory_equal(head_of(&head, bench_end(&bench), false), cases[i].head, 6);
    }
}

/* Names of the operator's: whatever they hold, the head stays one that RFC 5424 reads. */
static void cleans_names(void **state)
{
    static struct bench bench;
    struct syslog_head head;
    (void)state;

    bench_begin(&bench, DATASET_ALERT);
    const struct record *record = bench_end(&bench);
    syslog_head_open(&head, 0, SLICE("a b\n\xc3\xbc"), SLICE_NONE, 0, SLICE("x\"y\\z]\n"));
    assert_string_equal(head_of(&head, record, false),
                        "<6>1 2026-11-20T09:15:02.113405Z a_b___ - - earshot.alert" DATA
                        "\"x\\\"y\\\\z\\]\\\\x0A\"");
}

static void the_longest_names_fit(void **state)
{
    static struct bench bench;
    static char name[4096];
    struct syslog_head head;
    (void)state;

    memset(name, 1, sizeof name);
    bench_begin(&bench, DATASET_MEDIA_INTERVAL);
    struct slice all = slice_of(name, sizeof name);
    syslog_head_open(&head, 23, all, all, UINT64_MAX, all);
    size_t bytes = syslog_head_put(&head, bench_end(&bench), true, out);
    assert_true(bytes > SYSLOG_HOST_BYTES + SYSLOG_APP_BYTES && bytes < 1400);
}

static void leaves_out_a_time_that_receivers_refuse(void **state)
{
    static _Alignas(8) uint8_t memory[RECORD_BYTES_MAX];
    struct record_maker maker;
    struct syslog_head head = plain();
    (void)state;

    record_begin(&maker, memory, DATASET_CALL, UINT64_C(4102444800) * NS_PER_S, 1);
    record_end(&maker, (struct hash128){0}, 0);
    assert_non_null(strstr(head_of(&head, maker.record, false), "<134>1 - edge-1 "));
    record_begin(&maker, memory, DATASET_CALL, UINT64_C(4102444800) * NS_PER_S - 1, 1);
    record_end(&maker, (struct hash128){0}, 0);
    assert_non_null(
        strstr(head_of(&head, maker.record, false), "<134>1 2099-12-31T23:59:59.999999Z "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_a_head),
        cmocka_unit_test(maps_severities),
        cmocka_unit_test(cleans_names),
        cmocka_unit_test(the_longest_names_fit),
        cmocka_unit_test(leaves_out_a_time_that_receivers_refuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
