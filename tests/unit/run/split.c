/* Flows that come by more than one ring: each is said once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "decoders/decoder.h"
#include "sensor/run/split.h"

static struct sighting flow(uint16_t port, bool backward)
{
    struct sighting head = {.kind = SIGHTING_STREAM,
                            .transport = PROTOCOL_UDP,
                            .source_port = port,
                            .destination_port = 5060};
    assert_true(addr_parse(SLICE("192.0.2.21"), &head.source));
    assert_true(addr_parse(SLICE("192.0.2.10"), &head.destination));
    if (backward) {
        struct addr source = head.source;
        head.source = head.destination;
        head.destination = source;
        head.source_port = 5060;
        head.destination_port = port;
    }
    return head;
}

static void a_split_flow_is_said_once(void **state)
{
    static struct split split;
    struct sighting there = flow(5061, false);
    struct sighting back = flow(5061, true);
    (void)state;

    split = (struct split){0};
    assert_false(split_see(&split, &there, 1));
    assert_false(split_see(&split, &there, 1));
    assert_false(split_see(&split, &back, 1)); /* the same flow, by the same ring */
    assert_true(split_see(&split, &back, 2));
    assert_false(split_see(&split, &there, 1));
    assert_false(split_see(&split, &back, 2));
}

static void other_flows_are_others(void **state)
{
    static struct split split;
    struct sighting one = flow(5061, false);
    (void)state;

    split = (struct split){0};
    assert_false(split_see(&split, &one, 1));
    for (uint16_t port = 6000; port < 6100; port++) {
        struct sighting other = flow(port, false);
        assert_false(split_see(&split, &other, port % 4));
    }
    struct sighting tagged = one;
    tagged.vlan_outer = 8;
    assert_false(split_see(&split, &tagged, 2));
    struct sighting tcp = one;
    tcp.transport = PROTOCOL_TCP;
    assert_false(split_see(&split, &tcp, 2));
    /* SIP says its transport in words of its own */
    struct sighting sip = one;
    sip.kind = SIGHTING_SIP;
    sip.transport = SIP_UDP;
    assert_true(split_see(&split, &sip, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_split_flow_is_said_once),
        cmocka_unit_test(other_flows_are_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
