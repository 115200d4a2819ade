/* Bindings against a slow obvious model: random keeping, dropping and expiring. */
#include "wire.h"

#include "sensor/state/account.h"
#include "sensor/state/binding.h"
#include "sensor/state/names.h"

enum { ACCOUNTS = 12, PLACES = 3, STEPS = 20000, CONTACT_FIRST = 1000 };

static struct model {
    uint64_t due_s; /* 0 = not bound */
} model[ACCOUNTS][PLACES];

static uint64_t next(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return (*seed * UINT64_C(0x2545f4914f6cdd1d)) >> 33;
}

static const char *const places[PLACES] = {"192.0.2.1:5060", "198.51.100.1:5060",
                                           "[2001:db8::1]:5060"};

static struct slice user_of(unsigned account, char *buffer, size_t room)
{
    (void)snprintf(buffer, room, account % 2 == 0 ? "u%u" : "a-user-with-a-long-name-%u", account);
    return slice_of_string(buffer);
}

/* Renews or drops one binding at random, in both. */
static void change_one(struct binding_table *table, uint64_t *seed, uint64_t step, uint64_t now_s)
{
    static const uint32_t tags[PLACES] = {CONTACT_FIRST, CONTACT_FIRST + 1, CONTACT_FIRST + 2};
    unsigned account = (unsigned)(next(seed) % ACCOUNTS);
    unsigned place = (unsigned)(next(seed) % PLACES);
    struct model *one = &model[account][place];
    char buffer[64];
    struct slice user = user_of(account, buffer, sizeof buffer);
    struct endpoint client = wire_endpoint(places[place]);
    uint64_t hash = account_hash(HASH_KEY_FIXED, user, SLICE("pbx.example"));
    struct binding before;

    if (next(seed) % 8 == 0) {
        bool dropped = binding_drop(table, hash, &client.addr, false, &before);
        assert_int_equal(dropped, one->due_s != 0);
        one->due_s = 0;
    } else {
        uint64_t expires_s = 1 + next(seed) % (step % 50 == 0 ? 9000 : 60);
        struct binding binding = {.account_hash = hash,
                                  .client = client,
                                  .user = user,
                                  .domain = SLICE("pbx.example"),
                                  .agent = SLICE("Phone"),
                                  .contact_tag = tags[place],
                                  .due_s = (uint32_t)(now_s + expires_s)};
        enum binding_outcome outcome =
            binding_keep(table, &binding, tags, PLACES, now_s * NS_PER_S, &before);
        assert_int_equal(outcome == BINDING_KEPT, one->due_s != 0);
        assert_int_not_equal(outcome, BINDING_MOVED);
        one->due_s = binding.due_s;
    }
    assert_int_equal(binding_is_there(table, hash, &client.addr), one->due_s != 0);
}

static void expire_all(struct binding_table *table, uint64_t now_s)
{
    struct binding expired;

    while (binding_expire(table, now_s, &expired)) {
        bool found = false;
        for (unsigned i = 0; i < ACCOUNTS * PLACES && !found; i++) {
            struct model *one = &model[i / PLACES][i % PLACES];
            struct endpoint at = wire_endpoint(places[i % PLACES]);
            char buffer[64];
            if (slice_equal(expired.user, user_of(i / PLACES, buffer, sizeof buffer)) &&
                addr_equal(&at.addr, &expired.client.addr)) {
                assert_int_equal(one->due_s, expired.due_s);
                assert_true(one->due_s <= now_s);
                one->due_s = 0;
                found = true;
            }
        }
        assert_true(found);
        assert_text(expired.domain, "pbx.example");
        assert_text(expired.agent, "Phone");
    }
}

/* All contacts stay listed, so every place has its own binding. */
static void like_the_model(void **unused)
{
    struct binding_table *table;
    struct error error;
    uint64_t seed = 42;
    uint64_t now_s = WIRE_START_NS / NS_PER_S;
    (void)unused;

    memset(model, 0, sizeof model);
    assert_int_equal(binding_open(64, HASH_KEY_FIXED, &table, &error), STATUS_OK);
    for (uint64_t step = 1; step <= STEPS; step++) {
        change_one(table, &seed, step, now_s);
        now_s += next(&seed) % 3 == 0;
        now_s += step % 1000 == 0 ? 5000 : 0;
        expire_all(table, now_s);
        unsigned bound = 0;
        for (unsigned i = 0; i < ACCOUNTS * PLACES; i++) {
            uint64_t due_s = model[i / PLACES][i % PLACES].due_s;
            bound += due_s != 0;
            assert_true(due_s == 0 || due_s > now_s);
        }
        assert_int_equal(binding_used(table), bound);
    }
    binding_close(table);
}

/* Texts are held as often as they are taken, cut, and refused when there is no room. */
static void names_are_shared(void **unused)
{
    static char text[200];
    static struct names names;
    struct error error;
    (void)unused;

    memset(text, 'n', sizeof text);
    assert_int_equal(names_open(&names, 2, HASH_KEY_FIXED, &error), STATUS_OK);
    assert_int_equal(names_take(&names, SLICE_NONE), 0);
    name_id one = names_take(&names, SLICE("one"));
    assert_int_equal(names_take(&names, SLICE("one")), one);
    name_id cut = names_take(&names, slice_of(text, sizeof text));
    assert_int_equal(names_text(&names, cut).bytes, NAMES_TEXT_BYTES);
    assert_int_equal(names_take(&names, slice_of(text, NAMES_TEXT_BYTES)), cut);
    assert_int_equal(names_take(&names, SLICE("three")), 0); /* full, and nobody is pushed out */
    names_give(&names, one);
    assert_text(names_text(&names, one), "one");
    names_give(&names, one);
    name_id three = names_take(&names, SLICE("three"));
    assert_int_not_equal(three, 0);
    assert_text(names_text(&names, three), "three");
    assert_int_equal(names_text(&names, 0).bytes, 0);
    names_give(&names, 0);
    names_close(&names);
}

/* Every spelling of an account has one hash. */
static void accounts(void **unused)
{
    static const struct {
        const char *user;
        const char *host;
        const char *text;
        bool same; /* as alice@example.com */
    } rows[] = {
        {"alice", "example.com", "alice@example.com", true},
        {"alice", "EXAMPLE.com", "alice@example.com", true},
        {"%61lice", "example.com", "alice@example.com", true},
        {"Alice", "example.com", "Alice@example.com", false},
        {"alice", "example.org", "alice@example.org", false},
        {"", "example.com", "example.com", false},
        {"+15550100", "", "+15550100", false},
    };
    uint64_t alice = account_hash(HASH_KEY_FIXED, SLICE("alice"), SLICE("example.com"));
    (void)unused;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char buffer[64];
        struct text text = text_into(buffer, sizeof buffer);
        struct slice user = slice_of_string(rows[i].user);
        struct slice host = slice_of_string(rows[i].host);
        account_print(&text, user, host);
        assert_text(text_slice(&text), rows[i].text);
        uint64_t hash = account_hash(HASH_KEY_FIXED, user, host);
        assert_int_equal(hash == alice, rows[i].same);
        assert_int_not_equal(hash, 0);
    }
    assert_int_equal(account_hash(HASH_KEY_FIXED, SLICE_NONE, SLICE_NONE), 0);
    /* long escaped users differ behind what is printed of them */
    char longs[2][300];
    for (unsigned i = 0; i < 2; i++) {
        memset(longs[i], 'x', sizeof longs[i]);
        longs[i][0] = '%';
        longs[i][299] = i == 0 ? 'a' : 'b';
    }
    assert_int_not_equal(account_hash(HASH_KEY_FIXED, slice_of(longs[0], 300), SLICE("h")),
                         account_hash(HASH_KEY_FIXED, slice_of(longs[1], 300), SLICE("h")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(like_the_model),
        cmocka_unit_test(names_are_shared),
        cmocka_unit_test(accounts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
