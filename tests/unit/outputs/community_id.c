/* Community IDs of flows, computed with another implementation (python hashlib) after the published
 * specification. */
#include "outputs_test.h"

#include "outputs/community_id.h"

static const struct {
    uint8_t protocol;
    const char *source;
    uint16_t source_port;
    const char *destination;
    uint16_t destination_port;
    const char *id;
} rows[] = {
    {17, "203.0.113.66", 5071, "192.0.2.10", 5060, "1:CaJkKuMwkV32eXTE4PvspzeqmMk="},
    {6, "203.0.113.66", 5071, "192.0.2.10", 5060, "1:T7VHXtu7ELZ01YNfhnk70gb3bJg="},
    {17, "192.0.2.1", 5060, "192.0.2.1", 5061, "1:WcT1XhTpY4L2xDU0AR4hB4QuLDo="},
    {17, "2001:db8::10", 5060, "2001:db8::66", 16384, "1:5ph1YqH9WdlOuwQR3Ue5T8NET5o="},
    {17, "198.51.100.20", 16384, "192.0.2.20", 30002, "1:UxwQ3TA4YWxpbJ67AoAtB+h2DX4="},
    {6, "2001:db8::66", 65535, "2001:db8::10", 1, "1:BA1hqKi478B+Hoj31SHbEOuWH6Y="},
};

static struct endpoint endpoint_of(const char *text, uint16_t port)
{
    struct endpoint endpoint = {.port = port};
    assert_true(addr_parse(slice_of_string(text), &endpoint.addr));
    return endpoint;
}

/* Both directions, and again from the cache. */
static void gives_known_ids(void **state)
{
    struct community_id *community;
    struct error error;
    (void)state;

    assert_int_equal(community_id_open(&community, &error), STATUS_OK);
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            struct endpoint source = endpoint_of(rows[i].source, rows[i].source_port);
            struct endpoint destination =
                endpoint_of(rows[i].destination, rows[i].destination_port);
            struct slice id = community_id_of(community, rows[i].protocol, &source, &destination);
            assert_true(slice_equal(id, slice_of_string(rows[i].id)));
            id = community_id_of(community, rows[i].protocol, &destination, &source);
            assert_true(slice_equal(id, slice_of_string(rows[i].id)));
        }
    }
    community_id_close(community);
}

/* More flows than the cache holds: whoever pushes out whom, the answers stay. */
static void survives_its_cache(void **state)
{
    struct community_id *community;
    struct error error;
    char first[COMMUNITY_ID_BYTES];
    struct endpoint source = endpoint_of(rows[0].source, rows[0].source_port);
    struct endpoint destination = endpoint_of(rows[0].destination, rows[0].destination_port);
    (void)state;

    assert_int_equal(community_id_open(&community, &error), STATUS_OK);
    for (unsigned i = 0; i < 4 * COMMUNITY_CACHE; i++) {
        struct endpoint other = endpoint_of("198.51.100.1", (uint16_t)i);
        memcpy(first, community_id_of(community, 17, &source, &other).at, sizeof first);
        struct slice again = community_id_of(community, 17, &other, &source);
        assert_memory_equal(first, again.at, sizeof first);
    }
    assert_true(slice_equal(community_id_of(community, 17, &source, &destination),
                            slice_of_string(rows[0].id)));
    community_id_close(community);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_known_ids),
        cmocka_unit_test(survives_its_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
