/* Mirror copies: what is one, what is none, and for how long the table remembers. */
#include "sensor/flows/duplicate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define NOW (UINT64_C(1800000000) * NS_PER_S)

enum { PAYLOAD_BYTES = 60 };

static uint8_t payload[PAYLOAD_BYTES] = "REGISTER sip:registrar.example.com SIP/2.0\r\n";

static struct duplicate_table *open_table(uint64_t seed)
{
    struct duplicate_table *table = NULL;
    struct error error;
    struct hash_key key = {.seed = seed};
    assert_int_equal(duplicate_table_open(key, &table, &error), STATUS_OK);
    return table;
}

static struct layers packet(void)
{
    struct layers layers;
    const uint8_t source[] = {192, 0, 2, 1};
    const uint8_t destination[] = {198, 51, 100, 2};
    memset(&layers, 0, sizeof layers);
    layers.source = addr_from_v4(source);
    layers.destination = addr_from_v4(destination);
    layers.source_port = 5060;
    layers.destination_port = 5062;
    layers.protocol = PROTOCOL_UDP;
    layers.ttl = 64;
    layers.ip_id = 1;
    layers.checksum = 0xabcd;
    layers.link_hash_input = 1;
    layers.payload = payload;
    layers.payload_bytes = PAYLOAD_BYTES;
    layers.payload_wire = PAYLOAD_BYTES;
    return layers;
}

static void a_copy_within_the_window_is_one(void **state)
{
    (void)state;
    struct duplicate_table *table = open_table(1);
    struct layers layers = packet();
    assert_false(duplicate_see(table, &layers, 0, NOW));
    assert_true(duplicate_see(table, &layers, 0, NOW));
    assert_true(duplicate_see(table, &layers, 0, NOW + DUPLICATE_WINDOW_NS));
    assert_true(duplicate_see(table, &layers, 0, NOW - DUPLICATE_WINDOW_NS)); /* stamped before */
    assert_false(duplicate_see(table, &layers, 0, NOW + DUPLICATE_WINDOW_NS + 1));
    assert_true(duplicate_see(table, &layers, 0, NOW + 2 * DUPLICATE_WINDOW_NS + 1));
    assert_false(duplicate_see(table, &layers, 0, NOW + 500 * NS_PER_MS)); /* retransmitted */
    duplicate_table_close(table);
}

/* A copy of a copy is measured against the first: a loop does not hide packets for ever. */
static void copies_do_not_prolong_the_window(void **state)
{
    (void)state;
    struct duplicate_table *table = open_table(1);
    struct layers layers = packet();
    uint32_t kept = 0;
    for (uint64_t turn = 0; turn < 100; turn++) {
        kept += duplicate_see(table, &layers, 0, NOW + turn * 10 * NS_PER_MS) ? 0 : 1;
    }
    assert_int_equal(kept, 17); /* one of six */
    duplicate_table_close(table);
}

static void change_source(struct layers *layers)
{
    layers->source.octets[15]++;
}

static void change_destination(struct layers *layers)
{
    layers->destination.octets[0]++;
}

static void swap_ports(struct layers *layers)
{
    layers->source_port = 5062;
    layers->destination_port = 5060;
}

static void change_protocol(struct layers *layers)
{
    layers->protocol = PROTOCOL_TCP;
}

static void change_id(struct layers *layers)
{
    layers->ip_id = 2;
}

static void change_length(struct layers *layers)
{
    layers->payload_wire++;
}

static void change_checksum(struct layers *layers)
{
    layers->checksum++;
}

static void change_sequence(struct layers *layers)
{
    layers->tcp_sequence++;
}

static void change_acknowledgement(struct layers *layers)
{
    layers->tcp_acknowledgement++;
}

static uint8_t other_payload[PAYLOAD_BYTES];

static void change_first_bytes(struct layers *layers)
{
    memcpy(other_payload, payload, sizeof payload);
    other_payload[31]++;
    layers->payload = other_payload;
}

static void what_differs_is_no_copy(void **state)
{
    static void (*const changes[])(struct layers * layers) = {
        change_source,      change_destination, swap_ports,
        change_protocol,    change_id,          change_length,
        change_checksum,    change_sequence,    change_acknowledgement,
        change_first_bytes,
    };
    (void)state;
    for (size_t index = 0; index < sizeof changes / sizeof changes[0]; index++) {
        struct duplicate_table *table = open_table(1);
        struct layers layers = packet();
        assert_false(duplicate_see(table, &layers, 0, NOW));
        changes[index](&layers);
        if (duplicate_see(table, &layers, 0, NOW)) {
            fail_msg("change %zu", index);
        }
        duplicate_table_close(table);
    }
}

static void what_mirrors_change_is_a_copy(void **state)
{
    (void)state;
    struct duplicate_table *table = open_table(1);
    struct layers layers = packet();
    assert_false(duplicate_see(table, &layers, 0, NOW));
    layers.ttl--;
    layers.vlan_outer = 101;
    layers.vni = 7;
    layers.link_hash_input = 2;
    assert_true(duplicate_see(table, &layers, 3, NOW + 1));
    duplicate_table_close(table);
}

/* Where the checksum covers the payload its first bytes are enough, else all of it counts. */
static void without_a_checksum_all_bytes_count(void **state)
{
    (void)state;
    struct duplicate_table *table = open_table(1);
    struct layers layers = packet();
    memcpy(other_payload, payload, sizeof payload);
    other_payload[PAYLOAD_BYTES - 1]++;
    layers.checksum = 0;
    assert_false(duplicate_see(table, &layers, 0, NOW));
    assert_true(duplicate_see(table, &layers, 0, NOW));
    layers.payload = other_payload;
    assert_false(duplicate_see(table, &layers, 0, NOW));
    layers.checksum = 5;
    layers.payload_bytes = 31; /* short ones too */
    layers.payload_wire = 31;
    assert_false(duplicate_see(table, &layers, 0, NOW));
    other_payload[30]++;
    assert_false(duplicate_see(table, &layers, 0, NOW));
    layers.payload_bytes = 0;
    layers.payload_wire = 0;
    layers.payload = NULL;
    assert_false(duplicate_see(table, &layers, 0, NOW));
    assert_true(duplicate_see(table, &layers, 0, NOW));
    duplicate_table_close(table);
}

static void without_an_id_another_place_is_needed(void **state)
{
    (void)state;
    struct duplicate_table *table = open_table(1);
    struct layers layers = packet();
    layers.ip_id = 0;
    assert_false(duplicate_see(table, &layers, 0, NOW));
    assert_false(duplicate_see(table, &layers, 0, NOW + 1)); /* a real duplicate */
    assert_true(duplicate_see(table, &layers, 1, NOW + 2)); /* another port */
    layers.ttl--;
    assert_true(duplicate_see(table, &layers, 0, NOW + 3));
    layers.ttl++;
    layers.vlan_inner = 2;
    assert_true(duplicate_see(table, &layers, 0, NOW + 4));
    layers.vlan_inner = 0;
    layers.link_hash_input = 9;
    assert_true(duplicate_see(table, &layers, 0, NOW + 1 + DUPLICATE_WINDOW_NO_ID_NS));
    assert_false(duplicate_see(table, &layers, 0, NOW + 2 + DUPLICATE_WINDOW_NO_ID_NS));
    duplicate_table_close(table);
}

static struct layers fragment(uint16_t offset, uint32_t id)
{
    struct layers layers = packet();
    layers.protocol = PROTOCOL_NONE;
    layers.source_port = 0;
    layers.destination_port = 0;
    layers.checksum = 0;
    layers.payload = NULL;
    layers.payload_bytes = 0;
    layers.payload_wire = 0;
    layers.ip_id = (uint16_t)id;
    layers.fragment = true;
    layers.fragment_protocol = PROTOCOL_UDP;
    layers.fragment_offset = offset;
    layers.fragment_id = id;
    layers.fragment_at = payload;
    layers.fragment_bytes = PAYLOAD_BYTES;
    layers.fragment_wire = PAYLOAD_BYTES;
    return layers;
}

static void fragments_are_compared_by_their_bytes(void **state)
{
    (void)state;
    struct duplicate_table *table = open_table(1);
    struct layers first = fragment(0, 7);
    struct layers second = fragment(64, 7);
    struct layers other = fragment(0, 8);
    assert_false(duplicate_see(table, &first, 0, NOW));
    assert_false(duplicate_see(table, &second, 0, NOW));
    assert_false(duplicate_see(table, &other, 0, NOW));
    assert_true(duplicate_see(table, &first, 0, NOW));
    assert_true(duplicate_see(table, &second, 0, NOW));
    first.more_fragments = true;
    assert_false(duplicate_see(table, &first, 0, NOW));
    memcpy(other_payload, payload, sizeof payload);
    other_payload[PAYLOAD_BYTES - 1]++;
    second.fragment_at = other_payload;
    assert_false(duplicate_see(table, &second, 0, NOW));
    duplicate_table_close(table);
}

/* Exactly the last DUPLICATE_CELLS packets are remembered, whatever the seed makes of their chains.
 */
static void the_oldest_are_forgotten(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct duplicate_table *table = open_table(seed);
        struct layers layers = packet();
        for (uint32_t packet_index = 0; packet_index <= DUPLICATE_CELLS; packet_index++) {
            layers.tcp_sequence = packet_index;
            assert_false(duplicate_see(table, &layers, 0, NOW));
        }
        for (uint32_t packet_index = 1; packet_index <= DUPLICATE_CELLS; packet_index++) {
            layers.tcp_sequence = packet_index;
            assert_true(duplicate_see(table, &layers, 0, NOW));
        }
        layers.tcp_sequence = 0;
        assert_false(duplicate_see(table, &layers, 0, NOW));
        layers.tcp_sequence = 1; /* pushed out by that one */
        assert_false(duplicate_see(table, &layers, 0, NOW));
        duplicate_table_close(table);
    }
}

/* Answers follow the packets, not the seed: random traffic with few different packets. */
static void the_seed_does_not_matter(void **state)
{
    (void)state;
    struct duplicate_table *one = open_table(1);
    struct duplicate_table *other = open_table(UINT64_C(0xdeadbeefcafe));
    uint64_t random = 7;
    uint32_t copies = 0;
    for (uint32_t turn = 0; turn < 200000; turn++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        struct layers layers = packet();
        layers.ip_id = (uint16_t)(random >> 60);
        layers.tcp_sequence = (uint32_t)(random >> 40) % 30000;
        layers.ttl = (uint8_t)(60 + (random >> 38) % 2);
        bool copy = duplicate_see(one, &layers, 0, NOW + turn * 1000);
        assert_int_equal(copy, duplicate_see(other, &layers, 0, NOW + turn * 1000));
        copies += copy ? 1 : 0;
    }
    assert_in_range(copies, 1000, 199000);
    duplicate_table_close(one);
    duplicate_table_close(other);
}

/* A flood of one packet without id, always in the same place: none is a copy, and the chain of its
 * twins is not walked (that would take minutes). */
static void a_flood_of_equal_packets_stays_cheap(void **state)
{
    (void)state;
    struct duplicate_table *table = open_table(1);
    struct layers layers = packet();
    layers.ip_id = 0;
    for (uint32_t turn = 0; turn < 1000000; turn++) {
        assert_false(duplicate_see(table, &layers, 0, NOW + turn));
    }
    duplicate_table_close(table);
}

/* What the table must answer, in the plainest way: all packets in a list, and the first of them that
 * is not two windows older than the newest stamp. */
struct list {
    struct {
        uint32_t which;
        uint64_t time_ns;
        uint8_t ttl;
    } packets[60000];
    uint32_t count;
    uint32_t live;
    uint64_t newest_ns;
};

static bool list_see(struct list *list, uint32_t which, bool has_id, uint8_t ttl, uint64_t now_ns)
{
    list->newest_ns = now_ns > list->newest_ns ? now_ns : list->newest_ns;
    if (list->count - list->live > DUPLICATE_CELLS) {
        list->live = list->count - DUPLICATE_CELLS;
    }
    while (list->live != list->count &&
           list->newest_ns - list->packets[list->live].time_ns > 2 * DUPLICATE_WINDOW_NS) {
        list->live++;
    }
    for (uint32_t at = list->count; at > list->live; at--) {
        if (list->packets[at - 1].which == which) {
            uint64_t then_ns = list->packets[at - 1].time_ns;
            uint64_t apart_ns = now_ns > then_ns ? now_ns - then_ns : then_ns - now_ns;
            if (has_id
                    ? apart_ns <= DUPLICATE_WINDOW_NS
                    : apart_ns <= DUPLICATE_WINDOW_NO_ID_NS && ttl != list->packets[at - 1].ttl) {
                return true;
            }
            break;
        }
    }
    list->packets[list->count].which = which;
    list->packets[list->count].time_ns = now_ns;
    list->packets[list->count].ttl = ttl;
    list->count++;
    return false;
}

/* Stamps that go forth and back, gaps, and rates beyond what the ring holds in a window. */
static void the_search_agrees_with_a_list(void **state)
{
    static struct list list;
    (void)state;
    struct duplicate_table *table = open_table(5);
    uint64_t random = 9;
    uint64_t now_ns = NOW;
    uint32_t copies = 0;
    memset(&list, 0, sizeof list);
    for (uint32_t turn = 0; turn < 60000; turn++) {
        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        uint32_t bits = (uint32_t)(random >> 32);
        bool is_fast = turn / 20000 == 1; /* all of the ring within a window */
        now_ns += is_fast ? bits % 2000 : bits % 100000;
        uint64_t stamp_ns = now_ns;
        if ((bits >> 20 & 31) == 0) {
            stamp_ns -= (bits >> 8) % (150 * NS_PER_MS); /* up to 17 ms */
            stamp_ns -= (bits >> 25 & 3) * 40 * NS_PER_MS;
        } else if ((bits >> 20 & 2047) == 1) {
            now_ns += 60 * NS_PER_MS;
        }
        struct layers layers = packet();
        bool has_id = (bits >> 7 & 1) != 0;
        uint32_t which = bits % (is_fast ? 9000 : 700) * 2 + has_id;
        layers.ip_id = has_id ? 1 : 0;
        layers.tcp_sequence = which + 1;
        layers.ttl = (uint8_t)(60 + (bits >> 19 & 1));
        bool copy = duplicate_see(table, &layers, 0, stamp_ns);
        assert_int_equal(copy, list_see(&list, which, has_id, layers.ttl, stamp_ns));
        copies += copy ? 1 : 0;
        if (turn % 32 == 0) {
            duplicate_forget(table);
        }
    }
    assert_in_range(copies, 3000, 57000);
    duplicate_table_close(table);
}

static void the_bytes_are_told(void **state)
{
    (void)state;
    assert_in_range(duplicate_table_bytes_max(), 256 * 1024, 1024 * 1024);
    duplicate_table_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_within_the_window_is_one),
        cmocka_unit_test(copies_do_not_prolong_the_window),
        cmocka_unit_test(what_differs_is_no_copy),
        cmocka_unit_test(what_mirrors_change_is_a_copy),
        cmocka_unit_test(without_a_checksum_all_bytes_count),
        cmocka_unit_test(without_an_id_another_place_is_needed),
        cmocka_unit_test(fragments_are_compared_by_their_bytes),
        cmocka_unit_test(the_oldest_are_forgotten),
        cmocka_unit_test(the_seed_does_not_matter),
        cmocka_unit_test(a_flood_of_equal_packets_stays_cheap),
        cmocka_unit_test(the_search_agrees_with_a_list),
        cmocka_unit_test(the_bytes_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
