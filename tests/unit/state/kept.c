/* What state keeps over a restart: accounts and devices, addresses, bindings. */
#include "wire.h"

#include "sensor/state/binding.h"
#include "sensor/state/devices.h"
#include "sensor/state/proof.h"

enum { ENTRIES = 16, ROOM = 32 * 1024 };

#define NOW_NS (UINT64_C(1767600000) * NS_PER_S)

static uint8_t memory[ROOM];

/* From one part into the other, as they would through a file; `later_ns` is where the new run
 * begins. */
static uint64_t carry(const struct snapshot_part *from, struct snapshot_part *to, uint64_t saved_ns,
                      uint64_t later_ns)
{
    struct snapshot_out out = {.at = memory, .room = from->bytes_max};

    assert_true(from->bytes_max <= sizeof memory);
    from->save(from->owner, &out);
    assert_false(out.overflow);
    struct snapshot_in in = {.at = memory,
                             .bytes = out.bytes,
                             .entries = out.entries,
                             .saved_ns = saved_ns,
                             .now_ns = later_ns};
    assert_true(to->load(to->owner, &in));
    assert_int_equal(in.bytes, 0);
    /* Cut anywhere it is refused, and taken in as far as it goes. */
    for (size_t bytes = 0; bytes < out.bytes; bytes++) {
        in = (struct snapshot_in){.at = memory, .bytes = bytes, .now_ns = later_ns};
        assert_false(to->load(to->owner, &in));
    }
    in = (struct snapshot_in){
        .at = memory, .bytes = out.bytes, .saved_ns = saved_ns, .now_ns = later_ns};
    assert_true(to->load(to->owner, &in)); /* again: what is there stays */
    return in.future;
}

static struct device_view device(const struct device_table *table, uint64_t account,
                                 const char *addr, uint64_t now_ns)
{
    struct endpoint endpoint = wire_endpoint(addr);
    struct device_view view;

    device_ask(table, account, &endpoint.addr, 0, now_ns, &view);
    return view;
}

static struct device_table *devices_after(uint64_t later_ns, uint64_t *out_future)
{
    struct device_table *one;
    struct device_table *other;
    struct snapshot_part from;
    struct snapshot_part to;
    struct error error;
    struct endpoint home = wire_endpoint("192.0.2.21:5060");

    assert_int_equal(device_open(ENTRIES, HASH_KEY_FIXED, &one, &error), STATUS_OK);
    assert_int_equal(device_open(ENTRIES, HASH_KEY_FIXED, &other, &error), STATUS_OK);
    device_success(one, 1, &home.addr, 77, NOW_NS);
    device_failure(one, 1, &home.addr, NOW_NS);
    device_failure(one, 2, &home.addr, NOW_NS);
    device_part(one, &from);
    device_part(other, &to);
    *out_future = carry(&from, &to, NOW_NS, later_ns);
    device_close(one);
    return other;
}

static void devices_stay_known(void **state)
{
    uint64_t future;
    uint64_t later_ns = NOW_NS + NS_PER_DAY;
    struct device_table *table = devices_after(later_ns, &future);

    (void)state;
    assert_int_equal(future, 0);
    assert_true(device(table, 1, "192.0.2.99:1", later_ns).device_known);
    assert_false(device(table, 1, "198.51.100.1:1", later_ns).device_known);
    assert_true(device(table, 1, "198.51.100.1:1", later_ns).account_known);
    assert_int_equal(device(table, 1, "192.0.2.21:1", later_ns).failures, 1);
    assert_false(device(table, 2, "192.0.2.21:1", later_ns).account_known);
    assert_int_equal(device(table, 2, "192.0.2.21:1", later_ns).failures, 1);
    assert_false(device(table, 1, "192.0.2.21:1", NOW_NS + 31 * NS_PER_DAY).device_known);
    device_close(table);
    /* A clock that was a year ahead: known for 30 days from now, not for a year and 30. */
    later_ns = NOW_NS - 365 * NS_PER_DAY;
    table = devices_after(later_ns, &future);
    assert_int_equal(future, 2);
    assert_true(device(table, 1, "192.0.2.21:1", later_ns + 29 * NS_PER_DAY).device_known);
    assert_false(device(table, 1, "192.0.2.21:1", later_ns + 31 * NS_PER_DAY).device_known);
    device_close(table);
}

static struct proof_view address(const struct proof_table *table, const char *addr, uint64_t now_ns)
{
    struct endpoint endpoint = wire_endpoint(addr);
    struct proof_view view;

    proof_ask(table, &endpoint.addr, now_ns, &view);
    return view;
}

static void prove_by_tcp(struct proof_table *table, const char *from, const char *to)
{
    struct endpoint ends[2] = {wire_endpoint(from), wire_endpoint(to)};

    for (unsigned i = 0; i < 3; i++) {
        const struct proof_sighting segment = {.head = {.source = ends[i % 2].addr,
                                                        .source_port = ends[i % 2].port,
                                                        .destination = ends[1 - i % 2].addr,
                                                        .destination_port = ends[1 - i % 2].port,
                                                        .state_ns = NOW_NS},
                                               .proof = PROOF_TCP,
                                               .sequence_end = 100,
                                               .acknowledged = i == 0 ? 0 : 100};
        proof_see_sighting(table, &segment);
    }
}

static struct proof_table *addresses_after(uint64_t later_ns)
{
    struct proof_table *one;
    struct proof_table *other;
    struct snapshot_part from;
    struct snapshot_part to;
    struct error error;
    struct endpoint home = wire_endpoint("192.0.2.21:5060");

    assert_int_equal(proof_open(ENTRIES, HASH_KEY_FIXED, &one, &error), STATUS_OK);
    assert_int_equal(proof_open(ENTRIES, HASH_KEY_FIXED, &other, &error), STATUS_OK);
    proof_good_account(one, &home.addr, 1, NOW_NS);
    proof_good_account(one, &home.addr, 2, NOW_NS - NS_PER_DAY);
    prove_by_tcp(one, "203.0.113.5:4000", "192.0.2.10:5060");
    proof_part(one, &from);
    proof_part(other, &to);
    (void)carry(&from, &to, NOW_NS, later_ns);
    proof_close(one);
    return other;
}

static void addresses_stay_known(void **state)
{
    struct endpoint home = wire_endpoint("192.0.2.21:5060");
    uint64_t soon_ns = NOW_NS + 4 * NS_PER_MINUTE;
    struct proof_table *table = addresses_after(soon_ns);

    (void)state;
    assert_int_equal(address(table, "192.0.2.21:1", soon_ns).good_accounts, 2);
    assert_int_equal(proof_ask_site(table, &home.addr), 2);
    assert_true(address(table, "203.0.113.5:1", soon_ns).proven);
    assert_false(address(table, "203.0.113.5:1", NOW_NS + 6 * NS_PER_MINUTE).proven);
    /* An account that comes back is counted once. */
    proof_good_account(table, &home.addr, 1, soon_ns);
    assert_int_equal(address(table, "192.0.2.21:1", soon_ns).good_accounts, 2);
    proof_close(table);
    /* After six minutes the proof is none, and who has nothing else is gone. */
    table = addresses_after(NOW_NS + 6 * NS_PER_MINUTE);
    assert_int_equal(proof_used(table), 2); /* an address and its site */
    proof_close(table);
    /* After a month one account is too old, a minute later the other. */
    table = addresses_after(NOW_NS - NS_PER_HOUR + PROOF_GOOD_NS);
    assert_int_equal(proof_ask_site(table, &home.addr), 1);
    proof_close(table);
    /* A clock that was set back proves nothing. */
    table = addresses_after(NOW_NS - NS_PER_DAY);
    assert_false(address(table, "203.0.113.5:1", NOW_NS - NS_PER_DAY).proven);
    assert_int_equal(proof_ask_site(table, &home.addr), 2);
    proof_close(table);
}

static const char long_user[] = "a-user-whose-name-is-much-longer-than-what-a-cell-has-room-for";

static struct binding_table *bindings_after(uint64_t later_ns)
{
    struct binding_table *one;
    struct binding_table *other;
    struct snapshot_part from;
    struct snapshot_part to;
    struct error error;
    const char *const clients[] = {"192.0.2.21:5060", "[2001:db8::5]:5060", "192.0.2.22:5070"};

    assert_int_equal(binding_open(ENTRIES, HASH_KEY_FIXED, &one, &error), STATUS_OK);
    assert_int_equal(binding_open(ENTRIES, HASH_KEY_FIXED, &other, &error), STATUS_OK);
    for (uint32_t i = 0; i < 3; i++) {
        struct binding before;
        struct binding binding = {.account_hash = i + 1,
                                  .client = wire_endpoint(clients[i]),
                                  .user = i == 2 ? slice_of_string(long_user) : SLICE("1001"),
                                  .domain = SLICE("pbx.example"),
                                  .agent = i == 0 ? SLICE_NONE : SLICE("Phone 5"),
                                  .contact_tag = 40 + i,
                                  .due_s = (uint32_t)time_second(NOW_NS) + 600 * (i + 1),
                                  .is_tel = i == 1};
        for (unsigned times = 0; times <= i; times++) {
            (void)binding_keep(one, &binding, &binding.contact_tag, 1, NOW_NS, &before);
        }
    }
    binding_part(one, &from);
    binding_part(other, &to);
    (void)carry(&from, &to, NOW_NS, later_ns);
    assert_int_equal(binding_used(other), 3);
    binding_close(one);
    return other;
}

static void bindings_stay(void **state)
{
    struct endpoint client = wire_endpoint("192.0.2.22:5070");
    struct binding_table *table = bindings_after(NOW_NS + NS_PER_MINUTE);
    struct binding out;

    (void)state;
    assert_true(binding_is_there(table, 3, &client.addr));
    assert_false(binding_expire(table, time_second(NOW_NS) + 599, &out));
    assert_true(binding_expire(table, time_second(NOW_NS) + 600, &out));
    assert_int_equal(out.contact_tag, 40);
    assert_text(out.user, "1001");
    assert_text(out.agent, "");
    assert_false(binding_expire(table, time_second(NOW_NS) + 600, &out));
    assert_true(binding_drop(table, 3, &client.addr, false, &out));
    assert_text(out.user, long_user);
    assert_text(out.domain, "pbx.example");
    assert_text(out.agent, "Phone 5");
    assert_int_equal(out.refreshes, 2);
    assert_int_equal(out.client.port, 5070);
    assert_false(out.is_tel);
    client = wire_endpoint("[2001:db8::5]:5060");
    assert_true(binding_drop(table, 2, &client.addr, false, &out));
    assert_true(out.is_tel && addr_equal(&out.client.addr, &client.addr));
    binding_close(table);
    /* What expired while nobody looked is told at the first mark. */
    table = bindings_after(NOW_NS + NS_PER_HOUR);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(binding_expire(table, time_second(NOW_NS + NS_PER_HOUR), &out));
    }
    assert_false(binding_expire(table, time_second(NOW_NS + NS_PER_HOUR), &out));
    binding_close(table);
    /* A clock that was set back: what was left is left. */
    uint64_t back_s = time_second(NOW_NS - NS_PER_DAY);
    table = bindings_after(NOW_NS - NS_PER_DAY);
    assert_false(binding_expire(table, back_s + 599, &out));
    assert_true(binding_expire(table, back_s + 600, &out));
    binding_close(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(devices_stay_known),
        cmocka_unit_test(addresses_stay_known),
        cmocka_unit_test(bindings_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
