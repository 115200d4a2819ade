/* Reassembly: any order, copies, overlaps, limits, time-outs; and against a simple one byte by
 * byte. */
#include "sensor/flows/fragment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define NOW (UINT64_C(1800000000) * NS_PER_S)

enum { BYTES_MAX = 8 << 20, DATA_BYTES = 65535 };

static uint8_t data[DATA_BYTES]; /* what the datagrams of these tests hold */

static int fill_data(void **state)
{
    (void)state;
    uint32_t value = 1;
    for (size_t index = 0; index < sizeof data; index++) {
        value = value * 1103515245 + 12345;
        data[index] = (uint8_t)(value >> 16);
    }
    return 0;
}

static struct fragment_table *open_table(size_t bytes_max)
{
    struct fragment_table *table = NULL;
    struct error error;
    assert_int_equal(fragment_table_open(bytes_max, HASH_KEY_FIXED, &table, &error), STATUS_OK);
    return table;
}

struct part {
    uint32_t offset;
    uint32_t bytes;
    bool more;
};

static struct layers fragment_of(bool ip6, uint32_t source, uint32_t id, struct part part,
                                 const uint8_t *at)
{
    const uint8_t from[] = {192, 0, (uint8_t)(source >> 8), (uint8_t)source};
    const uint8_t to[] = {198, 51, 100, 2};
    struct layers layers;
    memset(&layers, 0, sizeof layers);
    layers.source = addr_from_v4(from);
    layers.destination = addr_from_v4(to);
    if (ip6) {
        layers.source.octets[0] = 0x20;
        layers.destination.octets[0] = 0x20;
    }
    layers.fragment = true;
    layers.fragment_ip6 = ip6;
    layers.more_fragments = part.more;
    layers.fragment_protocol = PROTOCOL_UDP;
    layers.fragment_offset = (uint16_t)part.offset;
    layers.fragment_id = id;
    layers.fragment_at = at;
    layers.fragment_bytes = part.bytes;
    layers.fragment_wire = part.bytes;
    return layers;
}

/* Feeds a part of `data`. */
static struct fragment_result see(struct fragment_table *table, bool ip6, uint32_t id,
                                  struct part part, uint64_t now_ns)
{
    struct layers layers = fragment_of(ip6, 1, id, part, data + part.offset);
    struct fragment_result result;
    assert_int_equal(fragment_see(table, &layers, now_ns, &result), REASON_NONE);
    return result;
}

static void check_whole(const struct fragment_result *result, uint32_t bytes, uint32_t fragments)
{
    assert_true(result->whole);
    assert_int_equal(result->bytes, bytes);
    assert_int_equal(result->fragments, fragments);
    assert_memory_equal(result->at, data, bytes);
}

static void any_order_gives_the_datagram(void **state)
{
    static const struct part parts[] = {
        {0, 1480, true}, {1480, 1480, true}, {2960, 1480, true}, {4440, 33, false}};
    static const uint8_t orders[][4] = {
        {0, 1, 2, 3}, {3, 2, 1, 0}, {3, 0, 1, 2}, {1, 3, 0, 2}, {2, 0, 3, 1}};
    (void)state;
    struct fragment_table *table = open_table(BYTES_MAX);
    uint32_t id = 0;
    for (unsigned ip6 = 0; ip6 < 2; ip6++) {
        for (size_t order = 0; order < sizeof orders / sizeof orders[0]; order++) {
            id++;
            for (size_t index = 0; index < 4; index++) {
                struct fragment_result result =
                    see(table, ip6 == 1, id, parts[orders[order][index]], NOW + index);
                assert_false(result.overlap);
                if (index < 3) {
                    assert_false(result.whole);
                } else {
                    check_whole(&result, 4473, 4);
                    assert_int_equal(result.first_ns, NOW);
                }
            }
        }
    }
    assert_int_equal(fragment_evicted(table), 0);
    fragment_table_close(table);
}

static void sizes_at_the_edges(void **state)
{
    (void)state;
    struct fragment_table *table = open_table(BYTES_MAX);
    struct fragment_result result;
    /* two fragments of 8 and 1 bytes */
    assert_false(see(table, false, 1, (struct part){0, 8, true}, NOW).whole);
    result = see(table, false, 1, (struct part){8, 1, false}, NOW);
    check_whole(&result, 9, 2);
    /* a last one of no bytes */
    assert_false(see(table, false, 2, (struct part){0, 8, true}, NOW).whole);
    result = see(table, false, 2, (struct part){8, 0, false}, NOW);
    check_whole(&result, 8, 1);
    /* the largest, in pieces of 8 from the end */
    for (uint32_t offset = 65528; offset > 0; offset -= 8) {
        uint32_t bytes = offset == 65528 ? 7 : 8;
        assert_false(see(table, true, 3, (struct part){offset, bytes, bytes == 8}, NOW).whole);
    }
    result = see(table, true, 3, (struct part){0, 8, true}, NOW);
    check_whole(&result, 65535, 8192);
    fragment_table_close(table);
}

static void bad_fragments_are_refused(void **state)
{
    (void)state;
    struct fragment_table *table = open_table(BYTES_MAX);
    struct fragment_result result;
    struct layers layers = fragment_of(false, 1, 1, (struct part){65528, 8, false}, data);
    assert_int_equal(fragment_see(table, &layers, NOW, &result), REASON_FRAGMENT_RANGE);
    layers = fragment_of(false, 1, 1, (struct part){0, 9, true}, data);
    assert_int_equal(fragment_see(table, &layers, NOW, &result), REASON_FRAGMENT_SHORT);
    layers = fragment_of(false, 1, 1, (struct part){4, 8, true}, data);
    assert_int_equal(fragment_see(table, &layers, NOW, &result), REASON_FRAGMENT_SHORT);
    assert_int_equal(fragment_expire(table, NOW + 2 * FRAGMENT_TIMEOUT_NS), 0);
    fragment_table_close(table);
}

static void copies_are_no_overlap(void **state)
{
    (void)state;
    for (unsigned ip6 = 0; ip6 < 2; ip6++) {
        struct fragment_table *table = open_table(BYTES_MAX);
        struct part first = {0, 1480, true};
        struct part last = {1480, 100, false};
        assert_false(see(table, ip6 == 1, 1, first, NOW).whole);
        assert_false(see(table, ip6 == 1, 1, first, NOW).overlap);
        struct fragment_result result = see(table, ip6 == 1, 1, last, NOW);
        check_whole(&result, 1580, 2);
        /* the mirror's copy of the last one opens nothing */
        result = see(table, ip6 == 1, 1, last, NOW + NS_PER_MS);
        assert_false(result.whole || result.overlap);
        assert_int_equal(fragment_expire(table, NOW + 2 * FRAGMENT_TIMEOUT_NS), 0);
        fragment_table_close(table);
    }
}

static void an_id_may_come_again(void **state)
{
    (void)state;
    struct fragment_table *table = open_table(BYTES_MAX);
    for (uint64_t turn = 0; turn < 5; turn++) {
        uint64_t now_ns = NOW + turn * NS_PER_S;
        assert_false(see(table, false, 1, (struct part){0, 8, true}, now_ns).whole);
        struct fragment_result result = see(table, false, 1, (struct part){8, 9, false}, now_ns);
        check_whole(&result, 17, 2);
    }
    fragment_table_close(table);
}

static void first_bytes_win_in_ip4(void **state)
{
    (void)state;
    struct fragment_table *table = open_table(BYTES_MAX);
    uint8_t other[64];
    memset(other, 0xee, sizeof other);
    assert_false(see(table, false, 1, (struct part){8, 16, true}, NOW).whole);
    struct layers layers = fragment_of(false, 1, 1, (struct part){0, 32, true}, other);
    struct fragment_result result;
    assert_int_equal(fragment_see(table, &layers, NOW, &result), REASON_NONE);
    assert_true(result.overlap);
    layers = fragment_of(false, 1, 1, (struct part){16, 24, false}, other);
    assert_int_equal(fragment_see(table, &layers, NOW, &result), REASON_NONE);
    assert_true(result.whole);
    assert_false(result.overlap); /* told once */
    assert_int_equal(result.bytes, 40);
    assert_memory_equal(result.at, other, 8);
    assert_memory_equal(result.at + 8, data + 8, 16);
    assert_memory_equal(result.at + 24, other, 16);
    fragment_table_close(table);
}

static void overlap_with_the_same_bytes_is_fine_in_ip4(void **state)
{
    (void)state;
    struct fragment_table *table = open_table(BYTES_MAX);
    assert_false(see(table, false, 1, (struct part){0, 24, true}, NOW).overlap);
    struct fragment_result result = see(table, false, 1, (struct part){16, 24, false}, NOW);
    check_whole(&result, 40, 2);
    assert_false(result.overlap);
    fragment_table_close(table);
}

static void overlap_drops_the_datagram_in_ip6(void **state)
{
    (void)state;
    for (unsigned differs = 0; differs < 2; differs++) {
        struct fragment_table *table = open_table(BYTES_MAX);
        struct fragment_result result;
        uint8_t part_bytes[24];
        memcpy(part_bytes, data + 16, sizeof part_bytes);
        part_bytes[0] = (uint8_t)(part_bytes[0] + differs);
        assert_false(see(table, true, 1, (struct part){0, 24, true}, NOW).whole);
        struct layers layers = fragment_of(true, 1, 1, (struct part){16, 24, false}, part_bytes);
        assert_int_equal(fragment_see(table, &layers, NOW, &result), REASON_FRAGMENT_OVERLAP6);
        assert_int_equal(result.overlap, differs == 1);
        assert_false(result.whole);
        /* also what comes later of it (RFC 5722) */
        assert_false(see(table, true, 1, (struct part){0, 24, true}, NOW).whole);
        assert_false(see(table, true, 1, (struct part){24, 16, false}, NOW).whole);
        assert_int_equal(fragment_expire(table, NOW + FRAGMENT_TIMEOUT_NS), 0);
        assert_false(see(table, true, 1, (struct part){0, 24, true}, NOW + 40 * NS_PER_S).whole);
        assert_true(see(table, true, 1, (struct part){24, 1, false}, NOW + 40 * NS_PER_S).whole);
        fragment_table_close(table);
    }
}

static void a_second_end_is_an_overlap(void **state)
{
    static const struct part rows[][2] = {
        {{16, 16, false}, {16, 8, false}}, /* nearer */
        {{16, 16, false}, {16, 17, false}}, /* further */
        {{16, 16, false}, {32, 8, true}}, /* bytes behind the end */
        {{16, 16, true}, {16, 8, false}}, /* an end before bytes that came */
    };
    (void)state;
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        struct fragment_table *table = open_table(BYTES_MAX);
        assert_false(see(table, false, 1, rows[row][0], NOW).overlap);
        struct fragment_result result = see(table, false, 1, rows[row][1], NOW);
        assert_true(result.overlap && !result.whole);
        if (row < 3) { /* IPv4: what came first holds */
            result = see(table, false, 1, (struct part){0, 16, true}, NOW);
            check_whole(&result, 32, 2);
        }
        struct layers layers = fragment_of(true, 1, 1, rows[row][0], data + rows[row][0].offset);
        assert_int_equal(fragment_see(table, &layers, NOW, &result), REASON_NONE);
        layers = fragment_of(true, 1, 1, rows[row][1], data + rows[row][1].offset);
        assert_int_equal(fragment_see(table, &layers, NOW, &result), REASON_FRAGMENT_OVERLAP6);
        fragment_table_close(table);
    }
}

static void change_destination(struct layers *layers)
{
    layers->destination.octets[15]++;
}

static void change_source(struct layers *layers)
{
    layers->source.octets[15]++;
}

static void change_id(struct layers *layers)
{
    layers->fragment_id += 0x10000;
}

static void change_protocol(struct layers *layers)
{
    layers->fragment_protocol = PROTOCOL_TCP;
}

static void change_vlan(struct layers *layers)
{
    layers->vlan_outer = 5;
}

static void change_vlan_inner(struct layers *layers)
{
    layers->vlan_inner = 5;
}

static void change_vni(struct layers *layers)
{
    layers->vni = 5;
}

static void change_version(struct layers *layers)
{
    layers->fragment_ip6 = true;
}

static void the_whole_key_counts(void **state)
{
    static void (*const changes[])(struct layers * layers) = {
        change_destination, change_source,     change_id,  change_protocol,
        change_vlan,        change_vlan_inner, change_vni, change_version,
    };
    (void)state;
    for (size_t index = 0; index < sizeof changes / sizeof changes[0]; index++) {
        struct fragment_table *table = open_table(BYTES_MAX);
        struct fragment_result result;
        assert_false(see(table, false, 1, (struct part){0, 8, true}, NOW).whole);
        struct layers layers = fragment_of(false, 1, 1, (struct part){8, 8, false}, data + 8);
        changes[index](&layers);
        assert_int_equal(fragment_see(table, &layers, NOW, &result), REASON_NONE);
        assert_false(result.whole);
        assert_true(see(table, false, 1, (struct part){8, 8, false}, NOW).whole);
        fragment_table_close(table);
    }
}

static void a_datagram_times_out(void **state)
{
    (void)state;
    struct fragment_table *table = open_table(BYTES_MAX);
    assert_false(see(table, false, 1, (struct part){0, 8, true}, NOW).whole);
    assert_false(see(table, false, 2, (struct part){0, 8, true}, NOW + 1).whole);
    assert_int_equal(fragment_expire(table, NOW + FRAGMENT_TIMEOUT_NS - 1), 0);
    assert_int_equal(fragment_expire(table, NOW + FRAGMENT_TIMEOUT_NS), 1);
    assert_int_equal(fragment_expire(table, NOW + FRAGMENT_TIMEOUT_NS + 1), 1);
    assert_int_equal(fragment_expire(table, NOW + FRAGMENT_TIMEOUT_NS + 1), 0);
    /* without a mark in between the next of the same id finds it out */
    uint64_t later_ns = NOW + NS_PER_HOUR;
    assert_false(see(table, false, 1, (struct part){0, 8, true}, later_ns).whole);
    assert_false(
        see(table, false, 1, (struct part){8, 8, false}, later_ns + FRAGMENT_TIMEOUT_NS).whole);
    assert_int_equal(fragment_expire(table, later_ns + FRAGMENT_TIMEOUT_NS), 1);
    assert_true(
        see(table, false, 1, (struct part){0, 8, true}, later_ns + FRAGMENT_TIMEOUT_NS).whole);
    assert_int_equal(fragment_evicted(table), 0);
    fragment_table_close(table);
}

/* One stamp in the far future must not keep those behind it from timing out. */
static void a_forged_stamp_holds_nobody_up(void **state)
{
    (void)state;
    struct fragment_table *table = open_table(BYTES_MAX);
    assert_false(see(table, false, 1, (struct part){0, 8, true}, NOW + 900 * NS_PER_DAY).whole);
    assert_false(see(table, false, 2, (struct part){0, 8, true}, NOW).whole);
    assert_int_equal(fragment_expire(table, NOW + 1), 1);
    assert_int_equal(fragment_expire(table, NOW + FRAGMENT_TIMEOUT_NS), 1);
    fragment_table_close(table);
}

static void a_cut_fragment_spoils_its_datagram(void **state)
{
    (void)state;
    struct fragment_table *table = open_table(BYTES_MAX);
    struct fragment_result result;
    assert_false(see(table, false, 1, (struct part){0, 16, true}, NOW).whole);
    struct layers layers = fragment_of(false, 1, 1, (struct part){16, 16, false}, data + 16);
    layers.fragment_bytes = 15;
    assert_int_equal(fragment_see(table, &layers, NOW, &result), REASON_NONE);
    assert_false(result.whole);
    assert_false(see(table, false, 1, (struct part){16, 16, false}, NOW).whole);
    assert_int_equal(fragment_expire(table, NOW + FRAGMENT_TIMEOUT_NS), 1);
    fragment_table_close(table);
}

static void one_source_has_its_share(void **state)
{
    (void)state;
    struct fragment_table *table = open_table(BYTES_MAX);
    struct fragment_result result;
    struct layers honest = fragment_of(false, 777, 1, (struct part){0, 8, true}, data);
    assert_int_equal(fragment_see(table, &honest, NOW, &result), REASON_NONE);
    for (uint32_t id = 0; id < 3 * FRAGMENT_SOURCE_MAX; id++) {
        assert_false(see(table, false, id, (struct part){0, 8, true}, NOW + id).whole);
    }
    assert_int_equal(fragment_evicted(table), 2 * FRAGMENT_SOURCE_MAX);
    /* its youngest are there, its older ones are not, others are untouched */
    assert_true(
        see(table, false, 3 * FRAGMENT_SOURCE_MAX - 1, (struct part){8, 1, false}, NOW).whole);
    assert_true(see(table, false, 2 * FRAGMENT_SOURCE_MAX, (struct part){8, 1, false}, NOW).whole);
    assert_false(
        see(table, false, 2 * FRAGMENT_SOURCE_MAX - 1, (struct part){8, 1, false}, NOW).whole);
    honest = fragment_of(false, 777, 1, (struct part){8, 1, false}, data + 8);
    assert_int_equal(fragment_see(table, &honest, NOW, &result), REASON_NONE);
    assert_true(result.whole);
    fragment_table_close(table);
}

static void the_table_has_its_size(void **state)
{
    (void)state;
    struct fragment_table *table = open_table(BYTES_MAX);
    struct fragment_result result;
    for (uint32_t source = 0; source < FRAGMENT_DATAGRAMS_MAX + 10; source++) {
        struct layers layers = fragment_of(false, source, 1, (struct part){0, 8, true}, data);
        assert_int_equal(fragment_see(table, &layers, NOW, &result), REASON_NONE);
    }
    assert_int_equal(fragment_evicted(table), 10);
    for (uint32_t source = 10; source < FRAGMENT_DATAGRAMS_MAX + 10; source++) {
        struct layers layers = fragment_of(false, source, 1, (struct part){8, 8, false}, data + 8);
        assert_int_equal(fragment_see(table, &layers, NOW, &result), REASON_NONE);
        check_whole(&result, 16, 2);
    }
    /* closed ones make room first: nothing more is lost */
    struct layers layers = fragment_of(false, 5000, 1, (struct part){0, 8, true}, data);
    assert_int_equal(fragment_see(table, &layers, NOW, &result), REASON_NONE);
    assert_int_equal(fragment_evicted(table), 10);
    fragment_table_close(table);
}

/* Bytes are bounded: the oldest go, and one source cannot take them all. */
static void pages_have_their_limit(void **state)
{
    (void)state;
    struct fragment_table *table = open_table(512 << 10);
    struct fragment_result result;
    struct layers honest = fragment_of(false, 777, 1, (struct part){0, 8, true}, data);
    assert_int_equal(fragment_see(table, &honest, NOW, &result), REASON_NONE);
    for (uint32_t id = 1; id <= 20; id++) { /* one source: each takes 64 pages but for a byte */
        struct layers layers = fragment_of(false, 1, id, (struct part){8, 65520, true}, data);
        assert_int_equal(fragment_see(table, &layers, NOW, &result), REASON_NONE);
    }
    assert_in_range(fragment_evicted(table), 18, 19);
    honest.more_fragments = false;
    honest.fragment_offset = 8;
    assert_int_equal(fragment_see(table, &honest, NOW, &result), REASON_NONE);
    assert_true(result.whole);
    uint64_t evicted = fragment_evicted(table);
    for (uint32_t source = 2; source <= 30; source++) { /* many sources */
        struct layers layers = fragment_of(false, source, 1, (struct part){8, 65520, true}, data);
        assert_int_equal(fragment_see(table, &layers, NOW, &result), REASON_NONE);
    }
    assert_in_range(fragment_evicted(table) - evicted, 22, 26);
    struct layers layers = fragment_of(false, 30, 1, (struct part){0, 8, true}, data);
    layers.more_fragments = true;
    assert_int_equal(fragment_see(table, &layers, NOW, &result), REASON_NONE);
    layers = fragment_of(false, 30, 1, (struct part){65528, 1, false}, data);
    assert_int_equal(fragment_see(table, &layers, NOW, &result), REASON_NONE);
    assert_true(result.whole); /* the youngest is whole */
    fragment_table_close(table);
}

static void the_smallest_table_holds_one_datagram(void **state)
{
    (void)state;
    struct fragment_table *table = open_table(0);
    assert_false(see(table, false, 1, (struct part){0, 65528, true}, NOW).whole);
    struct fragment_result result = see(table, false, 1, (struct part){65528, 7, false}, NOW);
    check_whole(&result, 65535, 2);
    assert_true(fragment_table_bytes_max(0) > 65536);
    assert_true(fragment_table_bytes_max(BYTES_MAX) > BYTES_MAX);
    fragment_table_close(table);
}

/* A simple reassembler of one datagram, byte by byte. */
struct simple {
    uint8_t bytes[65536];
    bool present[65536];
    uint32_t end; /* 0 = not known */
    uint32_t reached;
    bool dropped;
    bool told;
};

struct simple_answer {
    bool whole;
    bool overlap;
    bool dropped;
};

static struct simple_answer simple_see(struct simple *simple, bool ip6, struct part part,
                                       const uint8_t *at)
{
    struct simple_answer answer = {0};
    uint32_t end = part.offset + part.bytes;
    bool fresh = false;
    bool known = false;
    bool differs = simple->end != 0 ? end > simple->end || (!part.more && end != simple->end)
                                    : !part.more && simple->reached > end;
    bool conflict = differs;
    if (simple->dropped) {
        return answer;
    }
    for (uint32_t index = 0; index < part.bytes && !conflict; index++) {
        uint32_t position = part.offset + index;
        known = known || simple->present[position];
        fresh = fresh || !simple->present[position];
        differs = differs || (simple->present[position] && simple->bytes[position] != at[index]);
        if (!simple->present[position]) {
            simple->present[position] = true;
            simple->bytes[position] = at[index];
        }
    }
    answer.overlap = differs && !simple->told;
    simple->told = simple->told || differs;
    if (ip6 && (differs || (known && fresh))) {
        simple->dropped = true;
        answer.dropped = true;
        return answer;
    }
    if (conflict) {
        return answer;
    }
    simple->reached = end > simple->reached ? end : simple->reached;
    simple->end = part.more ? simple->end : end;
    answer.whole = simple->end != 0;
    for (uint32_t index = 0; index < simple->end; index++) {
        answer.whole = answer.whole && simple->present[index];
    }
    return answer;
}

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static void random_fragments_agree_with_the_simple_way(void **state)
{
    static struct simple simple;
    (void)state;
    uint32_t seed = 5;
    uint32_t wholes = 0;
    uint32_t overlaps = 0;
    struct fragment_table *table = open_table(BYTES_MAX);
    for (uint32_t run = 0; run < 1500; run++) {
        bool ip6 = (run & 1) != 0;
        memset(&simple, 0, sizeof simple);
        uint32_t units = 1 + next_random(&seed) % 24;
        uint32_t scale = next_random(&seed) % 4 == 0 ? 40 : 1; /* some over several pages */
        for (uint32_t count = 0; count < 40; count++) {
            uint32_t offset = next_random(&seed) % (units + 1) * 8 * scale;
            struct part part = {.offset = offset, .more = next_random(&seed) % 5 != 0};
            part.bytes = next_random(&seed) % 4 * 8 * scale;
            part.bytes += part.more ? 0 : next_random(&seed) % 8;
            if (!part.more && next_random(&seed) % 4 != 0) { /* mostly the right end */
                part.offset = units * 8 * scale;
                part.bytes = 5;
            }
            if (!part.more && part.offset + part.bytes == 0) {
                continue; /* would be no fragment */
            }
            uint8_t bytes[4096];
            assert_true(part.bytes <= sizeof bytes);
            memcpy(bytes, data + part.offset, part.bytes);
            if (part.bytes > 0 && next_random(&seed) % 12 == 0) {
                bytes[next_random(&seed) % part.bytes] ^= 1;
            }
            struct layers layers = fragment_of(ip6, 9, run, part, bytes);
            struct fragment_result result;
            enum reason reason = fragment_see(table, &layers, NOW, &result);
            struct simple_answer answer = simple_see(&simple, ip6, part, bytes);
            assert_int_equal(reason, answer.dropped ? REASON_FRAGMENT_OVERLAP6 : REASON_NONE);
            assert_int_equal(result.whole, answer.whole);
            assert_int_equal(result.overlap, answer.overlap);
            overlaps += result.overlap ? 1 : 0;
            if (result.whole) {
                assert_int_equal(result.bytes, simple.end);
                assert_memory_equal(result.at, simple.bytes, simple.end);
                wholes++;
                break;
            }
        }
    }
    assert_in_range(wholes, 200, 1400); /* both ends are tested */
    assert_in_range(overlaps, 200, 1500);
    fragment_table_close(table);
}

/* Random fragments of many sources in a small table: nothing is lost of the lists and pages. */
static void a_small_table_survives_anything(void **state)
{
    (void)state;
    struct fragment_table *table = open_table(200 << 10);
    uint32_t seed = 11;
    for (uint32_t turn = 0; turn < 100000; turn++) {
        struct part part = {.offset = next_random(&seed) % 1000 * 8,
                            .bytes = next_random(&seed) % 20 * 8,
                            .more = next_random(&seed) % 3 != 0};
        struct layers layers = fragment_of(next_random(&seed) % 2 == 0, next_random(&seed) % 50,
                                           next_random(&seed) % 40, part, data);
        layers.fragment_bytes -= next_random(&seed) % 50 == 0 && part.bytes > 0 ? 1 : 0;
        struct fragment_result result;
        (void)fragment_see(table, &layers, NOW + turn * NS_PER_MS, &result);
        if (turn % 1000 == 0) {
            (void)fragment_expire(table, NOW + turn * NS_PER_MS);
        }
    }
    (void)fragment_expire(table, NOW + NS_PER_DAY);
    assert_int_equal(fragment_expire(table, NOW + 2 * NS_PER_DAY), 0);
    assert_true(fragment_evicted(table) > 0);
    fragment_table_close(table);
    fragment_table_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_gives_the_datagram),
        cmocka_unit_test(sizes_at_the_edges),
        cmocka_unit_test(bad_fragments_are_refused),
        cmocka_unit_test(copies_are_no_overlap),
        cmocka_unit_test(an_id_may_come_again),
        cmocka_unit_test(first_bytes_win_in_ip4),
        cmocka_unit_test(overlap_with_the_same_bytes_is_fine_in_ip4),
        cmocka_unit_test(overlap_drops_the_datagram_in_ip6),
        cmocka_unit_test(a_second_end_is_an_overlap),
        cmocka_unit_test(the_whole_key_counts),
        cmocka_unit_test(a_datagram_times_out),
        cmocka_unit_test(a_forged_stamp_holds_nobody_up),
        cmocka_unit_test(a_cut_fragment_spoils_its_datagram),
        cmocka_unit_test(one_source_has_its_share),
        cmocka_unit_test(the_table_has_its_size),
        cmocka_unit_test(pages_have_their_limit),
        cmocka_unit_test(the_smallest_table_holds_one_datagram),
        cmocka_unit_test(random_fragments_agree_with_the_simple_way),
        cmocka_unit_test(a_small_table_survives_anything),
    };
    return cmocka_run_group_tests(tests, fill_data, NULL);
}
