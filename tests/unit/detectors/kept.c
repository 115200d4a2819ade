/* Over a restart: who goes on from an image tells what he would have told without one, also where
 * tables are too small for all; and what is no image does no harm. */
#include "costly_facts.h"

enum { ROOM = 32 << 20, ENTRIES = 64, SOURCES = 90, FACTS = 6000, CUT = 2900 };

static const char *const kept_rules =
    "scan,enumeration,registration-bruteforce,registration-device-failing,password-spray,"
    "registration-breach";

struct image {
    struct snapshot_out out[FRAME_PARTS];
    uint32_t count;
    uint8_t *memory;
};

static void open_small(struct bench *bench, const char *rules)
{
    struct frame_limits limits = {.incidents_max = 64, .closed_max = 64, .key = HASH_KEY_FIXED};

    for (unsigned kind = 0; kind < KEY_COUNT; kind++) {
        limits.entries[kind] = ENTRIES;
    }
    bench_open_limits(bench, rules, &limits);
}

static void save(const struct bench *bench, struct image *image)
{
    struct snapshot_part parts[FRAME_PARTS];
    size_t used = 0;

    image->count = frame_parts(bench->frame, parts, FRAME_PARTS);
    image->memory = malloc(ROOM);
    assert_non_null(image->memory);
    for (uint32_t i = 0; i < image->count; i++) {
        image->out[i] =
            (struct snapshot_out){.at = image->memory + used, .room = parts[i].bytes_max};
        assert_true(used + parts[i].bytes_max < ROOM);
        parts[i].save(parts[i].owner, &image->out[i]);
        assert_false(image->out[i].overflow);
        used += image->out[i].bytes;
    }
}

/* `cut` bytes are missing at the end of each part. */
static uint64_t load(struct bench *bench, const struct image *image, uint64_t now_ns, size_t cut,
                     bool *out_whole)
{
    struct snapshot_part parts[FRAME_PARTS];
    uint32_t count = frame_parts(bench->frame, parts, FRAME_PARTS);
    uint64_t future = 0;

    assert_int_equal(count, image->count);
    *out_whole = true;
    for (uint32_t i = 0; i < count; i++) {
        const struct snapshot_out *out = &image->out[i];
        struct snapshot_in in = {.at = out->at,
                                 .bytes = out->bytes - (cut < out->bytes ? cut : out->bytes),
                                 .entries = out->entries,
                                 .saved_ns = now_ns,
                                 .now_ns = now_ns};
        *out_whole = parts[i].load(parts[i].owner, &in) && *out_whole;
        future += in.future;
    }
    return future;
}

/* A crowd that guesses, asks for names and scans, a fact every 20 s, with pauses in
 * which incidents close; the same for the same number. */
static void act(struct bench *bench, uint32_t number)
{
    char addr[32];
    char name[32];
    uint64_t seed = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
    uint32_t draw = (uint32_t)(seed >> 32) ^ (uint32_t)(seed >> 20);
    uint32_t source = draw % (draw % 3 == 0 ? SOURCES : 6);

    (void)snprintf(addr, sizeof addr, "203.0.113.%u", source + 1);
    (void)snprintf(name, sizeof name, "%u", 1000 + draw / 7 % 40);
    struct fact fact = fact_failure(party(addr, 5060), number);
    struct fact_transaction *try = &fact.is.transaction;
    try->client.proven = source < 80;
    if (draw % 5 == 0) {
        try->account = slice_of_string(name);
    } else if (draw % 5 == 1) {
        try->target_user = slice_of_string(name);
        try->has_credentials = false;
        try->auth_failure = false;
        try->status = draw % 2 == 0 ? 404 : 401;
        try->user_exists = draw % 2 != 0;
    } else if (draw % 5 == 2) {
        fact = fact_request(party(addr, 5060), party_number(draw / 11 % 30, 5060));
        fact.is.message.client.proven = source < 80;
    }
    bench_tell(bench, fact);
    bench_wait(bench, number % 300 == 299 ? 30 * NS_PER_HOUR : 20 * NS_PER_S);
}

static void assert_same(const struct incident *one, const struct incident *other)
{
    assert_ptr_equal(one->rule, other->rule);
    assert_string_equal(one->entity, other->entity);
    assert_string_equal(one->message, other->message);
    assert_string_equal(one->chain_text, other->chain_text);
    assert_string_equal(one->unit, other->unit);
    assert_int_equal(one->state, other->state);
    assert_int_equal(one->outcome, other->outcome);
    assert_int_equal(one->severity, other->severity);
    assert_int_equal(one->chain_severity, other->chain_severity);
    assert_int_equal(one->update, other->update);
    assert_int_equal(one->count, other->count);
    assert_int_equal(one->account_count, other->account_count);
    assert_int_equal(one->evidence_count, other->evidence_count);
    assert_int_equal(one->opened_ns, other->opened_ns);
    assert_memory_equal(&one->id, &other->id, sizeof one->id);
    assert_memory_equal(&one->chain_id, &other->chain_id, sizeof one->chain_id);
    assert_memory_equal(&one->continues, &other->continues, sizeof one->continues);
}

static void test_goes_on(void **state)
{
    (void)state;
    struct bench whole;
    struct bench second;
    struct image image;
    bool good;

    open_small(&whole, kept_rules);
    for (uint32_t i = 0; i < CUT; i++) {
        act(&whole, i);
    }
    save(&whole, &image);
    size_t before = whole.count;
    open_small(&second, kept_rules);
    assert_int_equal(load(&second, &image, whole.now_ns, 0, &good), 0);
    assert_true(good);
    second.now_ns = whole.now_ns;
    second.number = whole.number;
    for (uint32_t i = CUT; i < FACTS; i++) {
        act(&whole, i);
        act(&second, i);
    }
    frame_end(whole.frame, whole.now_ns);
    frame_end(second.frame, second.now_ns);
    assert_int_equal(second.count, whole.count - before);
    assert_true(second.count > 40 && before > 40);
    for (size_t i = 0; i < second.count; i++) {
        assert_same(&second.told[i], &whole.told[before + i]);
    }
    struct frame_counts counts;
    frame_counts(whole.frame, &counts);
    assert_true(counts.evicted > 0); /* else no order was tested */
    free(image.memory);
    bench_close(&second);
    bench_close(&whole);
}

/* Twice through an image is once. */
static void test_image_of_an_image(void **state)
{
    (void)state;
    struct bench one;
    struct bench other;
    struct image first;
    struct image second;
    bool good;

    open_small(&one, kept_rules);
    for (uint32_t i = 0; i < CUT; i++) {
        act(&one, i);
    }
    frame_shift(one.frame, NS_PER_HOUR); /* a clock that jumped: what it was moved by is kept too */
    save(&one, &first);
    open_small(&other, kept_rules);
    (void)load(&other, &first, one.now_ns + NS_PER_HOUR, 0, &good);
    assert_true(good);
    save(&other, &second);
    for (uint32_t i = 0; i < first.count; i++) {
        assert_int_equal(first.out[i].bytes, second.out[i].bytes);
        assert_int_equal(first.out[i].entries, second.out[i].entries);
    }
    free(first.memory);
    free(second.memory);
    bench_close(&one);
    bench_close(&other);
}

/* Half of it is younger than the new run: that half is left out. */
static void test_future_is_left_out(void **state)
{
    (void)state;
    struct bench one;
    struct bench other;
    struct image image;
    bool good;

    open_small(&one, kept_rules);
    for (uint32_t i = 0; i < 40; i++) {
        act(&one, i);
    }
    save(&one, &image);
    open_small(&other, kept_rules);
    uint64_t future = load(&other, &image, START_NS + 20 * 20 * NS_PER_S, 0, &good);
    assert_true(good);
    struct frame_counts had;
    struct frame_counts has;
    frame_counts(one.frame, &had);
    frame_counts(other.frame, &has);
    assert_true(future > 0 && has.entries > 0 && has.entries < had.entries);
    free(image.memory);
    bench_close(&one);
    bench_close(&other);
}

/* Other rules than those that saved: what they do not know is passed over. */
static void test_other_rules(void **state)
{
    (void)state;
    struct bench one;
    struct bench other;
    struct image image;
    struct snapshot_part parts[FRAME_PARTS];

    open_small(&one, kept_rules);
    for (uint32_t i = 0; i < 400; i++) {
        act(&one, i);
    }
    save(&one, &image);
    struct snapshot_part all[FRAME_PARTS];
    uint32_t count = frame_parts(one.frame, all, FRAME_PARTS);
    open_small(&other, "scan,registration-breach");
    uint32_t fewer = frame_parts(other.frame, parts, FRAME_PARTS);
    assert_true(fewer < count);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < fewer; k++) {
            if (strcmp(all[i].name, parts[k].name) == 0) {
                struct snapshot_in in = {
                    .at = image.out[i].at, .bytes = image.out[i].bytes, .now_ns = one.now_ns};
                assert_true(parts[k].load(parts[k].owner, &in));
            }
        }
    }
    for (uint32_t i = 400; i < 800; i++) {
        act(&other, i);
    }
    free(image.memory);
    bench_close(&one);
    bench_close(&other);
}

static void test_cut_and_garbled(void **state)
{
    (void)state;
    struct bench one;
    struct image image;
    uint64_t seed = 77;

    open_small(&one, kept_rules);
    for (uint32_t i = 0; i < 300; i++) {
        act(&one, i);
    }
    save(&one, &image);
    for (uint32_t run = 0; run < 60; run++) {
        struct bench other;
        bool good;
        open_small(&other, kept_rules);
        (void)load(&other, &image, one.now_ns, run, &good);
        assert_true(good == (run == 0));
        other.now_ns = one.now_ns;
        for (uint32_t i = 300; i < 340; i++) {
            act(&other, i);
        }
        frame_end(other.frame, other.now_ns);
        bench_close(&other);
        for (uint32_t i = 0; run >= 30 && i < image.count; i++) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407U;
            if (image.out[i].bytes > 0) {
                image.out[i].at[(seed >> 33) % image.out[i].bytes] ^= (uint8_t)(1 << (seed >> 61));
            }
        }
        if (run >= 30) {
            open_small(&other, kept_rules);
            (void)load(&other, &image, one.now_ns, 0, &good);
            other.now_ns = one.now_ns;
            for (uint32_t i = 300; i < 340; i++) {
                act(&other, i);
            }
            frame_end(other.frame, other.now_ns);
            bench_close(&other);
        }
    }
    free(image.memory);
    bench_close(&one);
}

/* A run that ends in the middle of an attack has not made it usual. */
static void test_attack_does_not_teach(void **state)
{
    (void)state;
    struct bench bench;
    struct bench next;
    struct image image;
    bool whole;

    open_small(&bench, "toll-fraud-concurrent");
    for (uint64_t call = 1; call < 26; call++) {
        struct fact fact = costly_call(&bench, call, number_somalia());
        tell_event(&bench, &fact, FACT_CALL_ANSWERED);
    }
    assert_int_equal(bench_severity(&bench, "toll-fraud-concurrent"), 3);
    save(&bench, &image);
    open_small(&next, "toll-fraud-concurrent");
    assert_int_equal(load(&next, &image, bench.now_ns, 0, &whole), 0);
    assert_true(whole);
    free(image.memory);
    bench_wait(&next, NS_PER_DAY);
    for (uint64_t call = 100; call < 104; call++) {
        struct fact fact = costly_call(&next, call, number_somalia());
        tell_event(&next, &fact, FACT_CALL_ANSWERED);
        if (call == 100) {
            tell_event(&next, &fact, FACT_CALL_ENDED); /* what was before becomes usual now */
        }
    }
    assert_int_equal(bench_count(&next, "toll-fraud-concurrent", INCIDENT_OPEN), 1);
    bench_close(&next);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_goes_on),
        cmocka_unit_test(test_image_of_an_image),
        cmocka_unit_test(test_future_is_left_out),
        cmocka_unit_test(test_other_rules),
        cmocka_unit_test(test_cut_and_garbled),
        cmocka_unit_test(test_attack_does_not_teach),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
