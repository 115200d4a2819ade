/* filter: BPF over frames of several link types. */
#include "tests/unit/base/unit.h"

#include "sensor/capture/filter.h"

/* Ethernet, IPv4, UDP from 192.0.2.1:5060 to 192.0.2.2:5060, no payload. */
static const uint8_t ethernet[42] = {2,    0, 0,   0,  0, 1, 2,    0,    0,    0,    0, 2, 8,   0,
                                     0x45, 0, 0,   28, 0, 1, 0,    0,    64,   17,   0, 0, 192, 0,
                                     2,    1, 192, 0,  2, 2, 0x13, 0xc4, 0x13, 0xc4, 0, 8, 0,   0};

static struct captured frame_of(uint16_t link_type, const uint8_t *at, uint32_t bytes)
{
    return (struct captured){
        .at = at, .captured = bytes, .wire_bytes = bytes, .link_type = link_type};
}

static void matches_by_link_type(void **state)
{
    (void)state;
    static const struct {
        const char *expression;
        uint16_t link_type;
        size_t skip; /* of the frame: 14 = raw IP */
        bool matches;
    } rows[] = {
        {"udp port 5060", 1, 0, true},
        {"udp port 5061", 1, 0, false},
        {"udp port 5060", 101, 14, true},
        {"host 192.0.2.2", 101, 14, true},
        {"ether src 02:00:00:00:00:02", 1, 0, true},
        {"ether src 02:00:00:00:00:02", 101, 14, false}, /* no such header: no match */
        {"less 10", 1, 0, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct filter *filter = NULL;
        struct error error = {0};
        assert_int_equal(filter_open(rows[i].expression, &filter, &error), STATUS_OK);
        struct captured frame = frame_of(rows[i].link_type, ethernet + rows[i].skip,
                                         (uint32_t)(sizeof ethernet - rows[i].skip));
        assert_int_equal(filter_matches(filter, &frame), rows[i].matches);
        assert_int_equal(filter_matches(filter, &frame), rows[i].matches); /* compiled by now */
        filter_close(filter);
    }
}

static void mixes_link_types(void **state)
{
    (void)state;
    struct filter *filter = NULL;
    struct error error = {0};
    assert_int_equal(filter_open("udp", &filter, &error), STATUS_OK);
    for (uint16_t link_type = 0; link_type < 3 * FILTER_LINKS_MAX; link_type++) {
        struct captured frame = frame_of(link_type, ethernet, sizeof ethernet);
        bool matches = filter_matches(filter, &frame);
        if (link_type == 1 || link_type >= FILTER_LINKS_MAX) {
            assert_true(matches); /* Ethernet; beyond the bound everything passes */
        }
    }
    filter_close(filter);
}

static void refuses_what_is_no_filter(void **state)
{
    (void)state;
    struct filter *filter = NULL;
    struct error error = {0};
    assert_int_equal(filter_open("udp prt 5060", &filter, &error), STATUS_USAGE);
    assert_non_null(strstr(error.message, "udp prt 5060"));
    assert_null(filter);
    assert_int_equal(filter_open("wlan type data", &filter, &error), STATUS_OK);
    filter_close(filter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_by_link_type),
        cmocka_unit_test(mixes_link_types),
        cmocka_unit_test(refuses_what_is_no_filter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
