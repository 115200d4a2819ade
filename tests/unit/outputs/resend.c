/* What is sent again: the last messages that fit, oldest first, each as it was, as often as asked. */
#include "outputs_test.h"

#include "outputs/resend.h"

enum { ROUNDS = 20000 };

static struct resend *open_resend(size_t bytes_max)
{
    struct resend *resend = NULL;
    struct error error;

    assert_int_equal(resend_open(bytes_max, &resend, &error), STATUS_OK);
    return resend;
}

static void gives_what_was_kept(void **state)
{
    struct resend *resend = open_resend(1000);
    struct slice head;
    struct slice text;
    (void)state;

    assert_false(resend_next(resend, &head, &text));
    resend_keep(resend, SLICE("h1"), SLICE("one"));
    resend_keep(resend, SLICE("h2"), SLICE("two"));
    assert_false(resend_next(resend, &head, &text)); /* nobody asked yet */
    for (int i = 0; i < 2; i++) {
        resend_begin(resend);
        assert_true(resend_next(resend, &head, &text));
        assert_true(slice_equal(head, SLICE("h1")) && slice_equal(text, SLICE("one")));
        assert_true(resend_next(resend, &head, &text));
        assert_true(slice_equal(head, SLICE("h2")) && slice_equal(text, SLICE("two")));
        assert_false(resend_next(resend, &head, &text));
    }
    resend_begin(resend); /* broken again in the middle */
    assert_true(resend_next(resend, &head, &text));
    resend_begin(resend);
    assert_true(resend_next(resend, &head, &text));
    assert_true(slice_equal(head, SLICE("h1")));
    resend_close(resend);
}

static void keeps_nothing_without_a_window(void **state)
{
    struct resend *resend = open_resend(0);
    struct slice head;
    struct slice text;
    (void)state;

    resend_keep(resend, SLICE("h"), SLICE("text"));
    resend_begin(resend);
    assert_false(resend_next(resend, &head, &text));
    resend_close(resend);
}

/* A message that is larger than the window is the last one and is not there: nothing before it is
 * among the last bytes either. */
static void forgets_all_behind_a_message_beyond_it(void **state)
{
    struct resend *resend = open_resend(100);
    static const char large[200];
    struct slice head;
    struct slice text;
    (void)state;

    resend_keep(resend, SLICE("h"), SLICE("text"));
    resend_keep(resend, SLICE("h"), slice_of(large, sizeof large));
    resend_begin(resend);
    assert_false(resend_next(resend, &head, &text));
    resend_close(resend);
}

/* Against a plain list, with sizes that wrap anywhere. */
static void holds_the_last_bytes_whatever_their_sizes(void **state)
{
    struct resend *resend = open_resend(4096);
    static char filler[5000];
    size_t sizes[ROUNDS];
    uint64_t seed = 7;
    (void)state;

    for (size_t round = 0; round < ROUNDS; round++) {
        seed = seed * UINT64_C(6364136223846793005) + 1;
        sizes[round] = (size_t)(seed >> 33) % (round % 100 == 0 ? 5000 : 300);
        memset(filler, (int)(round % 251), sizes[round]);
        resend_keep(resend, slice_of(&round, sizeof round), slice_of(filler, sizes[round]));
        if (round % 37 > 1 && round % 100 > 1) {
            continue;
        }
        size_t first = round + 1;
        size_t bytes = 0;
        while (first > 0 && bytes + 8 + sizeof round + sizes[first - 1] <= 4096) {
            bytes += 8 + sizeof round + sizes[--first];
        }
        struct slice head;
        struct slice text;
        resend_begin(resend);
        for (size_t i = first; i <= round; i++) {
            assert_true(resend_next(resend, &head, &text));
            assert_memory_equal(head.at, &i, sizeof i);
            assert_int_equal(text.bytes, sizes[i]);
            assert_true(text.bytes == 0 || (uint8_t)text.at[text.bytes - 1] == i % 251);
        }
        assert_false(resend_next(resend, &head, &text));
    }
    resend_close(resend);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gives_what_was_kept),
        cmocka_unit_test(keeps_nothing_without_a_window),
        cmocka_unit_test(forgets_all_behind_a_message_beyond_it),
        cmocka_unit_test(holds_the_last_bytes_whatever_their_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
