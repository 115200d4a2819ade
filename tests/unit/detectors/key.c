/* Keys: each kind of fact under each kind of key, equal where it must be, apart where it must be,
 * and as text. */
#include "facts.h"

#include "detectors/frame/key.h"

static bool hash_of(enum key_kind kind, const struct fact *fact, uint64_t *out_hash)
{
    return key_of(kind, fact, HASH_KEY_FIXED, out_hash);
}

/* Which facts have which keys: S source, P prefix, A account, B source-account, V source-server, D
 * account-device, M stream, T site. */
static void test_presence(void **state)
{
    (void)state;
    struct fact_party source = party("203.0.113.1", 5060);
    struct fact flow = {.kind = FACT_FLOW};
    struct fact second = {.kind = FACT_SECOND};
    struct fact incident = {.kind = FACT_INCIDENT};
    struct fact named = {.kind = FACT_INCIDENT};
    struct fact no_device = fact_transaction(source, 200);

    flow.is.flow.originator = source;
    named.is.incident.source = source;
    named.is.incident.account = SLICE("a@example.com");
    no_device.is.transaction.device_hash = 0;
    const struct {
        struct fact fact;
        const char *keys;
    } rows[] = {
        {fact_request(source, party("192.0.2.10", 5060)), "SPVT"},
        {fact_transaction(source, 200), "SPABVDT"},
        {no_device, "SPABVT"},
        {fact_registration(source), "SPABVDT"},
        {fact_call(FACT_CALL_STARTED, 0), "SPVT"},
        {fact_interval(source, source, 1), "SPVMT"},
        {flow, "SPVT"},
        {second, "T"},
        {incident, "T"},
        {named, "SPABT"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char got[16] = "";
        static const char letters[] = "SPABVDMT";
        static const enum key_kind kinds[] = {
            KEY_SOURCE,        KEY_SOURCE_PREFIX,  KEY_ACCOUNT, KEY_SOURCE_ACCOUNT,
            KEY_SOURCE_SERVER, KEY_ACCOUNT_DEVICE, KEY_STREAM,  KEY_SITE};
        size_t used = 0;
        for (size_t kind = 0; kind < COUNT_OF(kinds); kind++) {
            uint64_t hash;
            if (hash_of(kinds[kind], &rows[i].fact, &hash)) {
                got[used++] = letters[kind];
            }
        }
        got[used] = '\0';
        if (strcmp(got, rows[i].keys) != 0) {
            fail_msg("row %zu: %s, wanted %s", i, got, rows[i].keys);
        }
    }
}

/* A response is about the client of its request, not about who sent it. */
static void test_roles(void **state)
{
    (void)state;
    struct fact_party client = party("203.0.113.1", 5060);
    struct fact_party server = party("192.0.2.10", 5060);
    struct fact request = fact_request(client, server);
    struct fact answer = fact_answer(client, server, 200);
    uint64_t one = 0;
    uint64_t other = 0;

    assert_true(hash_of(KEY_SOURCE, &request, &one) && hash_of(KEY_SOURCE, &answer, &other));
    assert_int_equal(one, other);
    assert_true(hash_of(KEY_SOURCE_SERVER, &request, &one) &&
                hash_of(KEY_SOURCE_SERVER, &answer, &other));
    assert_int_equal(one, other);
}

struct change {
    void (*change)(struct fact *fact);
    const char *same; /* kinds whose key stays, as letters of test_presence */
};

static void another_port(struct fact *fact)
{
    fact->is.transaction.client.endpoint.port = 7000;
    fact->is.transaction.server.endpoint.port = 7000;
}

static void another_host(struct fact *fact)
{
    fact->is.transaction.client.endpoint.addr.octets[15] ^= 1;
}

static void another_network(struct fact *fact)
{
    fact->is.transaction.client.endpoint.addr.octets[5] ^= 1;
}

static void another_account(struct fact *fact)
{
    fact->is.transaction.account = SLICE("1002@example.com");
}

static void another_server(struct fact *fact)
{
    fact->is.transaction.server.endpoint.addr.octets[15] ^= 1;
}

static void another_device(struct fact *fact)
{
    fact->is.transaction.device_hash++;
}

/* Neighbours in a /64 may be one guesser; neighbours in a /24 are two. */
static void test_home_of_a_source(void **state)
{
    (void)state;
    static const struct {
        const char *one;
        const char *other;
        bool same;
    } rows[] = {{"2001:db8:1:2::3", "2001:db8:1:2:ffff::4", true},
                {"2001:db8:1:2::3", "2001:db8:1:3::3", false},
                {"203.0.113.1", "203.0.113.2", false}};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct fact one = fact_transaction(party(rows[i].one, 5060), 401);
        struct fact other = fact_transaction(party(rows[i].other, 5060), 401);
        uint64_t first = 0;
        uint64_t second = 0;
        assert_true(hash_of(KEY_SOURCE_ACCOUNT, &one, &first));
        assert_true(hash_of(KEY_SOURCE_ACCOUNT, &other, &second));
        assert_int_equal(first == second, rows[i].same);
    }
}

static void test_what_makes_a_key(void **state)
{
    (void)state;
    static const struct change changes[] = {
        {another_port, "SPABVDT"}, {another_host, "PABDT"},    {another_network, "ADT"},
        {another_account, "SPVT"}, {another_server, "SPABDT"}, {another_device, "SPABVT"},
    };
    static const char letters[] = "SPABVDT";
    static const enum key_kind kinds[] = {
        KEY_SOURCE,        KEY_SOURCE_PREFIX,  KEY_ACCOUNT, KEY_SOURCE_ACCOUNT,
        KEY_SOURCE_SERVER, KEY_ACCOUNT_DEVICE, KEY_SITE};

    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        struct fact before = fact_transaction(party_number(1, 5060), 200);
        struct fact after = before;
        changes[i].change(&after);
        for (size_t kind = 0; kind < COUNT_OF(kinds); kind++) {
            uint64_t one = 0;
            uint64_t other = 0;
            assert_true(hash_of(kinds[kind], &before, &one) &&
                        hash_of(kinds[kind], &after, &other));
            if ((one == other) != (strchr(changes[i].same, letters[kind]) != NULL)) {
                fail_msg("change %zu, key %c", i, letters[kind]);
            }
        }
    }
}

/* The network 203.0.113.0/24 is not the address 203.0.113.0; fairness counts by network. */
static void test_groups(void **state)
{
    (void)state;
    struct fact one = fact_transaction(party("203.0.113.0", 5060), 200);
    struct fact other = fact_transaction(party("203.0.113.9", 5060), 200);
    const struct hash_key key = HASH_KEY_FIXED;
    uint64_t address;
    uint64_t network;

    assert_true(key_of(KEY_SOURCE, &one, key, &address));
    assert_true(key_of(KEY_SOURCE_PREFIX, &one, key, &network));
    assert_int_not_equal(address, network);
    assert_int_not_equal(key_group(KEY_SOURCE, &one, key), 0);
    assert_int_equal(key_group(KEY_SOURCE, &one, key), key_group(KEY_SOURCE, &other, key));
    assert_int_equal(key_group(KEY_SOURCE_ACCOUNT, &one, key), key_group(KEY_SOURCE, &one, key));
    assert_int_equal(key_group(KEY_ACCOUNT, &one, key), 0);
    assert_int_equal(key_group(KEY_SITE, &one, key), 0);
}

static void test_texts(void **state)
{
    (void)state;
    static const struct {
        enum key_kind kind;
        const char *entity;
        const char *secondary;
    } rows[] = {
        {KEY_SOURCE, "2001:db8:1:2::3", ""},
        {KEY_SOURCE_PREFIX, "2001:db8:1::/48", ""},
        {KEY_ACCOUNT, "1001@example.com", ""},
        {KEY_SOURCE_ACCOUNT, "2001:db8:1:2::/64", "1001@example.com"},
        {KEY_SOURCE_SERVER, "2001:db8:1:2::3", "192.0.2.10"},
        {KEY_ACCOUNT_DEVICE, "1001@example.com", "ExamplePhone 5.2"},
        {KEY_SITE, "site", ""},
    };
    struct fact fact = fact_transaction(party("2001:db8:1:2::3", 5060), 200);

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char one[INCIDENT_ENTITY_BYTES];
        char other[INCIDENT_ENTITY_BYTES];
        struct text entity = text_into(one, sizeof one);
        struct text secondary = text_into(other, sizeof other);
        key_write(rows[i].kind, &fact, &entity, &secondary);
        assert_string_equal(text_terminate(&entity), rows[i].entity);
        assert_string_equal(text_terminate(&secondary), rows[i].secondary);
    }
}

static void test_printable_is_cut(void **state)
{
    (void)state;
    char room[10];

    for (size_t capacity = 0; capacity <= sizeof room; capacity++) {
        struct text text = text_into(room, capacity);
        key_write_printable(&text, SLICE("ab\x01"
                                         "cd\x02"
                                         "ef"));
        static const char whole[] = "ab\\x01cd\\x02ef";
        static const size_t fits[] = {0, 1, 2, 2, 2, 2, 6, 7, 8, 8, 8};
        assert_int_equal(text.bytes, fits[capacity]);
        assert_false(text.overflow);
        assert_memory_equal(room, whole, text.bytes);
    }
}

/* Names are marked while a sentence is made and found when it is told, whatever is cut. */
static void test_names(void **state)
{
    (void)state;
    static const struct {
        size_t capacity;
        const char *sentence;
        const char *names[2];
    } rows[] = {
        {64, "alice\\x02 to bob.", {"alice\\x02", "bob"}},
        {20, "alice\\x02 to bob", {"alice\\x02", "bob"}},
        {18, "alice\\x02 to b", {"alice\\x02", "b"}},
        {16, "alice\\x02 to .", {"alice\\x02", NULL}},
        {7, "alice", {"alice", NULL}},
        {3, "a", {"a", NULL}},
        {2, ".", {NULL, NULL}},
        {0, "", {NULL, NULL}},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char room[64];
        char copied[64];
        struct slice names[2] = {SLICE_NONE, SLICE_NONE};
        struct text made = text_into(room, rows[i].capacity);
        key_write_name(&made, SLICE("alice\x02"), 24);
        text_string(&made, " to ");
        made.overflow = false;
        key_write_name(&made, SLICE("bob, who is cut"), 3);
        text_string(&made, ".");
        struct text text = text_into(copied, sizeof copied);
        key_write_marked(&text, text_slice(&made));
        uint32_t count = key_take_names(&text, names, COUNT_OF(names));
        assert_int_equal(count, (rows[i].names[0] != NULL) + (rows[i].names[1] != NULL));
        assert_true(slice_equal(text_slice(&text), slice_of_string(rows[i].sentence)));
        for (uint32_t j = 0; j < COUNT_OF(names); j++) {
            assert_true(slice_equal(names[j], slice_of_string(rows[i].names[j])));
        }
    }
}

/* More names than room for them: the sentence is whole all the same. */
static void test_too_many_names(void **state)
{
    (void)state;
    char room[32];
    struct slice names[1];
    struct text text = text_into(room, sizeof room);

    key_write_name(&text, SLICE("one"), 24);
    key_write_name(&text, SLICE("two"), 24);
    assert_int_equal(key_take_names(&text, names, 1), 1);
    assert_true(slice_equal(text_slice(&text), SLICE("onetwo")));
    assert_true(slice_equal(names[0], SLICE("one")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_presence),         cmocka_unit_test(test_roles),
        cmocka_unit_test(test_what_makes_a_key), cmocka_unit_test(test_home_of_a_source),
        cmocka_unit_test(test_groups),           cmocka_unit_test(test_texts),
        cmocka_unit_test(test_printable_is_cut), cmocka_unit_test(test_names),
        cmocka_unit_test(test_too_many_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
