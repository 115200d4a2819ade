#include "tests/unit/base/unit.h"

#include "base/wheel.h"

enum { TIMERS = 64 };

/* The slow and obvious wheel: a list of what is set. */
struct model {
    struct {
        bool set;
        uint64_t due_s;
        uint64_t order;
        uint64_t tag;
        uint32_t timer;
    } rows[TIMERS];
    uint64_t now_s;
    uint64_t order;
    unsigned count;
};

static void both_set(struct wheel *wheel, struct model *model, uint64_t due_s)
{
    for (unsigned i = 0; i < TIMERS; i++) {
        if (!model->rows[i].set) {
            model->rows[i].set = true;
            model->rows[i].due_s = due_s > model->now_s ? due_s : model->now_s;
            model->rows[i].order = model->order++;
            model->rows[i].tag = model->order * 3;
            model->rows[i].timer = wheel_set(wheel, due_s, model->rows[i].tag);
            model->count++;
            return;
        }
    }
}

static void both_cancel(struct wheel *wheel, struct model *model, unsigned row)
{
    if (model->rows[row].set) {
        wheel_cancel(wheel, model->rows[row].timer);
        model->rows[row].set = false;
        model->count--;
    }
}

/* The row that is due first, or TIMERS when none is due up to to_s. */
static unsigned model_first(const struct model *model, uint64_t to_s)
{
    unsigned first = TIMERS;

    for (unsigned i = 0; i < TIMERS; i++) {
        if (model->rows[i].set && model->rows[i].due_s <= to_s &&
            (first == TIMERS || model->rows[i].due_s < model->rows[first].due_s ||
             (model->rows[i].due_s == model->rows[first].due_s &&
              model->rows[i].order < model->rows[first].order))) {
            first = i;
        }
    }
    return first;
}

/* One step of both; true while something fires. */
static bool both_advance(struct wheel *wheel, struct model *model, uint64_t to_s)
{
    uint64_t tag = 0;
    uint64_t due_s = 0;
    unsigned row = model_first(model, to_s);
    bool fired = wheel_advance(wheel, to_s, &tag, &due_s);

    assert_int_equal(fired, row < TIMERS);
    if (!fired) {
        model->now_s = to_s > model->now_s ? to_s : model->now_s;
        assert_true(wheel->now_s == model->now_s);
        return false;
    }
    assert_true(due_s == model->rows[row].due_s);
    assert_true(tag == model->rows[row].tag);
    model->rows[row].set = false;
    model->now_s = due_s;
    model->count--;
    return true;
}

/* Distances that meet every level, their edges, and what lies beyond all. */
static uint64_t some_distance(uint64_t *seed)
{
    static const uint32_t spans[] = {1, 4, 255, 257, 600, 65535, 65537, 200000, 1U << 24, 1U << 26};
    uint32_t span = spans[random_below(seed, COUNT_OF(spans))];

    return random_below(seed, 4) == 0 ? span : random_below(seed, span);
}

static void one_random_life(uint64_t seed, uint64_t start_s)
{
    struct wheel wheel;
    struct model model = {.now_s = start_s};
    struct error error;

    assert_int_equal(wheel_open(&wheel, TIMERS, start_s, &error), STATUS_OK);
    for (unsigned round = 0; round < 4000; round++) {
        switch (random_below(&seed, 4)) {
        case 0:
        case 1: {
            uint64_t past = random_below(&seed, 8) == 0 ? random_below(&seed, 10) : 0;
            uint64_t base_s = model.now_s > past ? model.now_s - past : 0;
            both_set(&wheel, &model, past > 0 ? base_s : base_s + some_distance(&seed));
            break;
        }
        case 2:
            both_cancel(&wheel, &model, random_below(&seed, TIMERS));
            break;
        default: {
            uint64_t to_s = model.now_s + some_distance(&seed);
            while (both_advance(&wheel, &model, to_s)) {
                if (random_below(&seed, 3) == 0) {
                    both_set(&wheel, &model, model.now_s + some_distance(&seed)); /* while firing */
                }
                if (random_below(&seed, 5) == 0) {
                    both_cancel(&wheel, &model, random_below(&seed, TIMERS));
                }
            }
            break;
        }
        }
        assert_int_equal(wheel.active, model.count);
    }
    while (both_advance(&wheel, &model, UINT64_MAX)) {
    }
    assert_int_equal(wheel.active, 0);
    wheel_close(&wheel);
}

static void random_lives_equal_the_model(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        one_random_life(seed, seed % 3 == 0 ? 0 : 1767323045 + seed * 1000);
    }
    one_random_life(99, (1U << 24) - 2);
    one_random_life(98, 65536 - 1);
}

static void one_second_keeps_the_order_of_setting(void **state)
{
    struct wheel wheel;
    struct error error;
    uint64_t tag;
    uint64_t due_s;

    (void)state;
    assert_int_equal(wheel_open(&wheel, 10, 100, &error), STATUS_OK);
    /* Set from far, from nearer, from next door: 70,000 passes through all levels. */
    (void)wheel_set(&wheel, 70000, 1);
    (void)wheel_set(&wheel, 69999, 0);
    assert_false(wheel_advance(&wheel, 66000, &tag, &due_s));
    (void)wheel_set(&wheel, 70000, 2);
    assert_false(wheel_advance(&wheel, 69998, &tag, &due_s));
    (void)wheel_set(&wheel, 70000, 3);
    for (uint64_t wanted = 0; wanted <= 3; wanted++) {
        assert_true(wheel_advance(&wheel, 70000, &tag, &due_s));
        assert_int_equal(tag, wanted);
        assert_int_equal(due_s, wanted == 0 ? 69999 : 70000);
    }
    assert_false(wheel_advance(&wheel, 70000, &tag, &due_s));
    wheel_close(&wheel);
}

static void the_past_fires_next(void **state)
{
    struct wheel wheel;
    struct error error;
    uint64_t tag;
    uint64_t due_s;

    (void)state;
    assert_int_equal(wheel_open(&wheel, 4, 1000, &error), STATUS_OK);
    (void)wheel_set(&wheel, 1001, 2);
    (void)wheel_set(&wheel, 3, 1);
    assert_false(wheel_advance(&wheel, 999, &tag, &due_s)); /* behind where the wheel stands */
    assert_true(wheel_advance(&wheel, 1000, &tag, &due_s));
    assert_int_equal(tag, 1);
    assert_int_equal(due_s, 1000);
    assert_false(wheel_advance(&wheel, 1000, &tag, &due_s));
    assert_false(wheel_advance(&wheel, 500, &tag, &due_s)); /* a step back is no step */
    assert_int_equal(wheel.now_s, 1000);
    /* A timer that sets its follower keeps firing within one advance. */
    assert_true(wheel_advance(&wheel, 2000, &tag, &due_s));
    (void)wheel_set(&wheel, 1001, 7);
    (void)wheel_set(&wheel, 2000, 8);
    (void)wheel_set(&wheel, 2001, 9);
    assert_true(wheel_advance(&wheel, 2000, &tag, &due_s));
    assert_int_equal(tag, 7);
    assert_true(wheel_advance(&wheel, 2000, &tag, &due_s));
    assert_int_equal(tag, 8);
    assert_false(wheel_advance(&wheel, 2000, &tag, &due_s));
    wheel_close(&wheel);
}

/* Millions of long steps: a wheel that walks second by second would not end. */
static void a_step_of_years_is_fast(void **state)
{
    struct wheel wheel;
    struct error error;
    uint64_t tag;
    uint64_t due_s = 0;
    const uint64_t years_s = UINT64_C(10) << 32;

    (void)state;
    assert_int_equal(wheel_open(&wheel, 4, 0, &error), STATUS_OK);
    for (unsigned i = 1; i <= 2000; i++) {
        (void)wheel_set(&wheel, i * years_s - 1, i);
        assert_true(wheel_advance(&wheel, i * years_s, &tag, &due_s));
        assert_int_equal(tag, i);
        assert_true(due_s == i * years_s - 1);
        assert_false(wheel_advance(&wheel, i * years_s, &tag, &due_s));
        assert_true(wheel.now_s == i * years_s);
    }
    uint32_t last = wheel_set(&wheel, UINT64_MAX, 5);
    assert_false(wheel_advance(&wheel, UINT64_MAX - 1, &tag, &due_s));
    assert_true(wheel_advance(&wheel, UINT64_MAX, &tag, &due_s));
    assert_int_equal(tag, 5);
    (void)last;
    wheel_close(&wheel);
}

static void all_timers_can_be_out_and_cancelled(void **state)
{
    struct wheel wheel;
    struct error error;
    uint32_t timers[TIMERS];
    uint64_t tag;
    uint64_t due_s;

    (void)state;
    assert_int_equal(wheel_open(&wheel, TIMERS, 0, &error), STATUS_OK);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < TIMERS; i++) {
            timers[i] = wheel_set(&wheel, 10 + i % 3, i);
        }
        for (unsigned i = 0; i < TIMERS; i++) {
            wheel_cancel(&wheel, timers[(i * 29) % TIMERS]);
        }
        assert_int_equal(wheel.active, 0);
    }
    wheel_cancel(&wheel, WHEEL_NONE);
    assert_false(wheel_advance(&wheel, 1000, &tag, &due_s));
    wheel_close(&wheel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_lives_equal_the_model),
        cmocka_unit_test(one_second_keeps_the_order_of_setting),
        cmocka_unit_test(the_past_fires_next),
        cmocka_unit_test(a_step_of_years_is_fast),
        cmocka_unit_test(all_timers_can_be_out_and_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
