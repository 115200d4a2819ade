/* Nonces: which are old, and how many excuses there are. */
#include "wire.h"

#include "sensor/state/nonces.h"

static struct nonce_table *open_table(uint32_t nonces_max)
{
    struct nonce_table *table = NULL;
    struct error error;

    assert_int_equal(nonce_open(nonces_max, HASH_KEY_FIXED, &table, &error), STATUS_OK);
    return table;
}

static struct nonce_client client(const char *endpoint, uint64_t account)
{
    return (struct nonce_client){.addr = wire_endpoint(endpoint).addr, .account_hash = account};
}

static void old(void **unused)
{
    struct nonce_table *table = open_table(64);
    struct nonce_client one = client("192.0.2.1:1", 10);
    struct nonce_client same_place = client("192.0.2.1:1", 11);
    struct nonce_client elsewhere = client("192.0.2.2:1", 10);
    (void)unused;

    assert_true(nonce_is_old(table, 1, &one, 5)); /* nobody got one: the capture began behind it */
    nonce_issue(table, 1, &one, WIRE_START_NS);
    assert_false(nonce_is_old(table, 1, &one, 5));
    assert_true(nonce_was_issued(table, 1));
    assert_false(nonce_was_issued(table, 99) || nonce_was_issued(table, 0));
    assert_false(nonce_is_old(table, 99, &one, 5)); /* made up */
    nonce_issue(table, 2, &one, WIRE_START_NS);
    assert_true(nonce_is_old(table, 1, &one, 5));
    assert_false(nonce_is_old(table, 2, &one, 5));
    nonce_issue(table, 3, &same_place, WIRE_START_NS);
    assert_false(nonce_is_old(table, 2, &one, 5)); /* another account's is not his */
    nonce_issue(table, 2, &elsewhere, WIRE_START_NS); /* the next hop's copy */
    assert_false(nonce_is_old(table, 2, &one, 5));
    assert_false(nonce_is_old(table, 2, &elsewhere, 5));
    /* success: old for the same user, for nobody else */
    assert_false(nonce_had_success(table, 2, 5));
    nonce_accept(table, 2, &one, 5, WIRE_START_NS);
    assert_true(nonce_had_success(table, 2, 5));
    assert_true(nonce_is_old(table, 2, &one, 5));
    assert_false(nonce_had_success(table, 2, 6));
    assert_false(nonce_is_old(table, 2, &one, 6));
    nonce_accept(table, 0, &one, 5, WIRE_START_NS);
    nonce_close(table);
}

static unsigned excuses(struct nonce_table *table, const struct nonce_client *who, unsigned tries)
{
    unsigned granted = 0;

    for (unsigned i = 0; i < tries; i++) {
        granted += nonce_excuse(table, who, WIRE_START_NS);
    }
    return granted;
}

static void rationed(void **unused)
{
    struct nonce_table *table = open_table(256);
    struct nonce_client one = client("192.0.2.1:1", 10);
    (void)unused;

    assert_int_equal(excuses(table, &one, 10), 3);
    nonce_accept(table, 0, &one, 5, WIRE_START_NS);
    assert_int_equal(excuses(table, &one, 10), 3);
    /* an address that tries account after account runs out as well */
    struct nonce_table *other = open_table(256);
    unsigned granted = 0;
    for (uint64_t account = 1; account <= 100; account++) {
        struct nonce_client each = client("192.0.2.1:1", account);
        granted += excuses(other, &each, 1);
    }
    assert_int_equal(granted, 64);
    nonce_close(other);
    nonce_close(table);
}

/* Full: the longest idle goes. */
static void full(void **unused)
{
    struct nonce_table *table = open_table(2);
    struct nonce_client one = client("192.0.2.1:1", 10);
    (void)unused;

    for (uint64_t nonce = 1; nonce <= 10; nonce++) {
        nonce_issue(table, nonce, &one, WIRE_START_NS + nonce);
    }
    assert_true(nonce_evicted(table) >= 8);
    assert_false(nonce_is_old(table, 10, &one, 5));
    assert_true(nonce_is_old(table, 9, &one, 5));
    assert_false(nonce_is_old(table, 1, &one, 5)); /* forgotten, so it looks made up */
    nonce_shift(table, NS_PER_DAY);
    assert_true(nonce_is_old(table, 9, &one, 5));
    nonce_close(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(old),
        cmocka_unit_test(rationed),
        cmocka_unit_test(full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
