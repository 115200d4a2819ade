#include "tests/unit/base/unit.h"

#include "base/hash.h"

#include <xxhash.h>

static void hashes_are_keyed(void **state)
{
    struct hash_key other = {.seed = 1};

    (void)state;
    assert_true(hash_slice(HASH_KEY_FIXED, SLICE("x")) ==
                XXH3_64bits_withSeed("x", 1, HASH_KEY_FIXED.seed));
    assert_true(hash_slice(HASH_KEY_FIXED, SLICE("x")) == hash_bytes(HASH_KEY_FIXED, "x", 1));
    assert_true(hash_slice(HASH_KEY_FIXED, SLICE("x")) != hash_slice(other, SLICE("x")));
    assert_true(hash_slice(HASH_KEY_FIXED, SLICE_NONE) == hash_slice(HASH_KEY_FIXED, SLICE("")));
}

/* Every length and tail; case never matters, any other change does. */
static void case_does_not_matter_everything_else_does(void **state)
{
    static char upper[800];
    static char lower[800];
    uint64_t seed = 5;

    (void)state;
    for (size_t i = 0; i < sizeof upper; i++) {
        upper[i] = (char)(i * 37); /* every byte, at ever other places of a word */
        lower[i] = slice_lower(upper[i]);
    }
    for (size_t bytes = 0; bytes <= sizeof upper; bytes++) {
        uint64_t one = hash_slice_nocase(HASH_KEY_FIXED, slice_of(upper, bytes));
        assert_true(one == hash_slice_nocase(HASH_KEY_FIXED, slice_of(lower, bytes)));
        if (bytes > 0) {
            size_t at = random_below(&seed, (uint32_t)bytes);
            char kept = lower[at];
            lower[at] = (char)(lower[at] == '0' ? '1' : '0');
            assert_true(one != hash_slice_nocase(HASH_KEY_FIXED, slice_of(lower, bytes)));
            lower[at] = kept;
        }
    }
    assert_true(hash_slice_nocase(HASH_KEY_FIXED, SLICE("@[`{")) !=
                hash_slice_nocase(HASH_KEY_FIXED, SLICE("`[`{")));
    assert_true(hash_slice_nocase(HASH_KEY_FIXED, SLICE("\xc4")) !=
                hash_slice_nocase(HASH_KEY_FIXED, SLICE("\xe4")));
    assert_true(hash_slice_nocase(HASH_KEY_FIXED, SLICE_NONE) ==
                hash_slice_nocase(HASH_KEY_FIXED, SLICE("")));
}

static void endpoints_differ_by_port(void **state)
{
    struct endpoint one = {.port = 5060};
    struct endpoint other = {.port = 5061};
    struct endpoint swapped = {.port = 0xc413};

    (void)state;
    assert_true(hash_endpoint(HASH_KEY_FIXED, &one) == hash_endpoint(HASH_KEY_FIXED, &one));
    assert_true(hash_endpoint(HASH_KEY_FIXED, &one) != hash_endpoint(HASH_KEY_FIXED, &other));
    assert_true(hash_endpoint(HASH_KEY_FIXED, &one) != hash_endpoint(HASH_KEY_FIXED, &swapped));
    assert_true(hash_addr(HASH_KEY_FIXED, &one.addr) == hash_addr(HASH_KEY_FIXED, &other.addr));
    other.addr.octets[15] = 1;
    assert_true(hash_addr(HASH_KEY_FIXED, &one.addr) != hash_addr(HASH_KEY_FIXED, &other.addr));
    assert_true(hash_mix(1, 2) != hash_mix(2, 1));
}

/* Both words count, in their places, and the key does; no word wipes out the other. */
static void words_are_keyed(void **state)
{
    struct hash_key key = HASH_KEY_FIXED;
    uint64_t hash = hash_words(key, 1, 2);

    (void)state;
    assert_true(hash == hash_words(key, 1, 2));
    assert_true(hash != hash_words(key, 2, 1));
    assert_true(hash != hash_words((struct hash_key){.seed = 1}, 1, 2));
    for (unsigned bit = 0; bit < 64; bit++) {
        uint64_t flip = UINT64_C(1) << bit;
        assert_true(hash != hash_words(key, 1 ^ flip, 2));
        assert_true(hash != hash_words(key, 1, 2 ^ flip));
        assert_true(hash_words(key, flip, 0) != hash_words(key, 0, 0));
        assert_true(hash_words(key, 0, flip) != hash_words(key, 0, 0));
    }
}

static void id_text(const struct hash_id *id, char *out)
{
    struct text text = text_into(out, HASH128_TEXT_BYTES);

    text_hash128(&text, hash_id_end(id));
    assert_false(text.overflow);
    assert_int_equal(text.bytes, HASH128_TEXT_BYTES);
}

/* The bytes are what anyone would frame by hand, and the digits are XXH3-128's canonical ones. */
static void an_identity_can_be_computed_again(void **state)
{
    static const uint8_t framed[] = {3,    0,    0,    0,    'a',  'b', 'c', 0x88, 0x77, 0x66,
                                     0x55, 0x44, 0x33, 0x22, 0x11, 0,   0,   0,    0};
    struct hash_id id;
    char got[HASH128_TEXT_BYTES];
    char wanted[HASH128_TEXT_BYTES + 1];

    (void)state;
    hash_id_start(&id);
    hash_id_slice(&id, SLICE("abc"));
    hash_id_u64(&id, UINT64_C(0x1122334455667788));
    hash_id_slice(&id, SLICE_NONE);
    id_text(&id, got);
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(framed, sizeof framed));
    for (size_t i = 0; i < 16; i++) {
        (void)snprintf(wanted + 2 * i, 3, "%02x", canonical.digest[i]);
    }
    assert_memory_equal(got, wanted, sizeof got);
    hash_id_start(&id);
    id_text(&id, got);
    assert_memory_equal(got, "99aa06d3014798d86001c324468d497f",
                        sizeof got); /* XXH3-128 of nothing */
}

static void fields_do_not_run_into_each_other(void **state)
{
    struct hash_id one;
    struct hash_id other;
    char one_text[HASH128_TEXT_BYTES];
    char other_text[HASH128_TEXT_BYTES];

    (void)state;
    hash_id_start(&one);
    hash_id_slice(&one, SLICE("ab"));
    hash_id_slice(&one, SLICE("c"));
    hash_id_start(&other);
    hash_id_slice(&other, SLICE("a"));
    hash_id_slice(&other, SLICE("bc"));
    id_text(&one, one_text);
    id_text(&other, other_text);
    assert_memory_not_equal(one_text, other_text, sizeof one_text);
}

/* Around the end of the buffer, and far beyond it: always an answer, always its own. */
static void long_identities_are_hashed_first(void **state)
{
    static char big[5000];
    struct hash_id id;
    char before[HASH128_TEXT_BYTES] = {0};

    (void)state;
    memset(big, 'x', sizeof big);
    for (size_t bytes = HASH_ID_BYTES_MAX - 30; bytes <= HASH_ID_BYTES_MAX + 30; bytes++) {
        char now[HASH128_TEXT_BYTES];
        hash_id_start(&id);
        hash_id_slice(&id, slice_of(big, bytes));
        hash_id_u64(&id, 7);
        hash_id_slice(&id, slice_of(big, sizeof big));
        assert_true(id.used <= HASH_ID_BYTES_MAX);
        id_text(&id, now);
        assert_memory_not_equal(now, before, sizeof now);
        memcpy(before, now, sizeof now);
    }
    hash_id_start(&id);
    for (unsigned i = 0; i < 3000; i++) {
        hash_id_u64(&id, i);
        assert_true(id.used <= HASH_ID_BYTES_MAX);
    }
    hash_id_start(&id);
    hash_id_slice(&id, slice_of(big, sizeof big));
    assert_int_equal(id.used, 4 + 16);
    hash_id_start(&id);
    hash_id_slice(&id, slice_of(big, HASH_ID_BYTES_MAX - 4));
    assert_int_equal(id.used, HASH_ID_BYTES_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_are_keyed),
        cmocka_unit_test(case_does_not_matter_everything_else_does),
        cmocka_unit_test(endpoints_differ_by_port),
        cmocka_unit_test(words_are_keyed),
        cmocka_unit_test(an_identity_can_be_computed_again),
        cmocka_unit_test(fields_do_not_run_into_each_other),
        cmocka_unit_test(long_identities_are_hashed_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
