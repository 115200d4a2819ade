/* The queue of an output: the oldest first, the least valuable given up first, every record
 * accounted for after every step. */
#include "outputs_test.h"

#include "outputs/queue.h"

enum { TEXT_BYTES = 100, STEPS = 40000, MODEL_MAX = 40000 };

static struct output_tally tally;
static uint64_t next_id;

static struct queue *open_queue(size_t bytes_max, bool live)
{
    struct error error = {0};
    struct queue *queue = NULL;

    tally = (struct output_tally){0};
    next_id = 0;
    assert_int_equal(
        queue_open(&(struct queue_options){.bytes_max = bytes_max, .live = live, .tally = &tally},
                   &queue, &error),
        STATUS_OK);
    return queue;
}

static enum output_result put_bytes(struct queue *queue, enum dataset dataset, size_t bytes)
{
    static const char text[70 << 10];
    struct record record = {.dataset = (uint16_t)dataset, .id = {.low = ++next_id}};

    return queue_put(queue, &record, SLICE_NONE, SLICE_NONE, slice_of(text, bytes));
}

static enum output_result put(struct queue *queue, enum dataset dataset)
{
    return put_bytes(queue, dataset, TEXT_BYTES);
}

/* What one record of TEXT_BYTES takes, heads counted. */
static size_t cost(void)
{
    struct queue *queue = open_queue(1 << 20, true);

    (void)put(queue, DATASET_CALL);
    size_t bytes = tally.waiting_bytes;
    queue_close(queue);
    return bytes;
}

static uint64_t take_id(struct queue *queue)
{
    struct queue_item *item = queue_take(queue);
    uint64_t id = item == NULL ? 0 : item->id.low;

    if (item != NULL) {
        queue_acknowledge(queue, item);
    }
    return id;
}

static void an_item_is_what_was_put(void **state)
{
    struct queue *queue = open_queue(1 << 20, true);
    struct record record = {.dataset = DATASET_ALERT, .time_ns = 17, .id = {.high = 3, .low = 4}};
    char key[] = "key", head[] = "<134>", text[] = "{\"a\":1}";
    (void)state;

    assert_int_equal(queue_put(queue, &record, SLICE("key"), SLICE_NONE, SLICE("{}")),
                     OUTPUT_ACCEPTED);
    assert_int_equal(
        queue_put(queue, &record, slice_of(key, 3), slice_of(head, 5), slice_of(text, 7)),
        OUTPUT_ACCEPTED);
    memset(key, 'x', 3);
    memset(head, 'x', 5);
    memset(text, 'x', 7); /* what was borrowed is gone */
    struct queue_item *first = queue_take(queue);
    struct queue_item *second = queue_take(queue);
    assert_true(slice_equal(first->text, SLICE("{}")));
    assert_true(slice_equal(second->key, SLICE("key")));
    assert_true(slice_equal(second->text, SLICE("<134>{\"a\":1}")));
    assert_int_equal(second->time_ns, 17);
    assert_true(second->id.high == 3 && second->id.low == 4);
    assert_int_equal(second->dataset, DATASET_ALERT);
    assert_false(second->repeated);
    assert_int_equal(queue_taken(queue), 2);
    assert_null(queue_take(queue));
    queue_acknowledge(queue, second);
    queue_drop(queue, first);
    assert_int_equal(tally.acknowledged, 1);
    assert_int_equal(tally.dropped[DATASET_ALERT], 1);
    assert_int_equal(tally.waiting, 0);
    assert_int_equal(tally.waiting_bytes, 0);
    queue_close(queue);
}

static void comes_in_order_over_all_datasets(void **state)
{
    struct queue *queue = open_queue(1 << 20, true);
    (void)state;

    for (unsigned i = 0; i < 500; i++) {
        assert_int_equal(put(queue, (enum dataset)(i * 7 % DATASET_COUNT)), OUTPUT_ACCEPTED);
    }
    for (unsigned i = 1; i <= 500; i++) {
        assert_int_equal(take_id(queue), i);
    }
    assert_int_equal(take_id(queue), 0);
    queue_close(queue);
}

static void the_least_valuable_goes_first(void **state)
{
    static const enum dataset from_least[] = {
        DATASET_MEDIA_INTERVAL, DATASET_FLOW,         DATASET_SIP,  DATASET_MEDIA,
        DATASET_TRANSACTION,    DATASET_REGISTRATION, DATASET_CALL,
    };
    enum { KINDS = sizeof from_least / sizeof from_least[0] };
    size_t one = cost();
    struct queue *queue = open_queue(2 * KINDS * one, true);
    (void)state;

    for (unsigned i = 0; i < KINDS; i++) { /* the most valuable oldest, so that age does not help */
        assert_int_equal(put(queue, from_least[KINDS - 1 - i]), OUTPUT_ACCEPTED);
    }
    for (unsigned i = 0; i < KINDS; i++) {
        assert_int_equal(put(queue, DATASET_ALERT), OUTPUT_ACCEPTED); /* now it is full */
    }
    for (unsigned i = 0; i < KINDS; i++) {
        assert_int_equal(tally.dropped[from_least[i]], 0);
        assert_int_equal(put(queue, DATASET_ALERT), OUTPUT_ACCEPTED);
        assert_int_equal(tally.dropped[from_least[i]], 1);
        assert_int_equal(output_dropped(&tally), i + 1);
    }
    assert_int_equal(put(queue, DATASET_SENSOR), OUTPUT_ACCEPTED); /* all full of alerts */
    assert_int_equal(tally.dropped[DATASET_SENSOR], 1);
    assert_int_equal(put(queue, DATASET_ALERT), OUTPUT_ACCEPTED);
    assert_int_equal(tally.dropped[DATASET_ALERT], 1); /* the newest */
    assert_int_equal(take_id(queue), KINDS + 1);
    queue_close(queue);
}

static void of_a_kind_the_oldest_goes_first(void **state)
{
    size_t one = cost();
    struct queue *queue = open_queue(8 * one, true); /* an eighth is not for calls */
    (void)state;

    for (unsigned i = 1; i <= 9; i++) {
        assert_int_equal(put(queue, DATASET_CALL), OUTPUT_ACCEPTED);
    }
    assert_int_equal(tally.waiting, 7);
    assert_int_equal(tally.dropped[DATASET_CALL], 2);
    assert_int_equal(put(queue, DATASET_MEDIA_INTERVAL), OUTPUT_ACCEPTED); /* 10: worth less */
    assert_int_equal(tally.dropped[DATASET_MEDIA_INTERVAL], 1);
    assert_int_equal(put(queue, DATASET_ALERT), OUTPUT_ACCEPTED); /* 11: in the eighth */
    assert_int_equal(output_dropped(&tally), 3);
    for (unsigned i = 3; i <= 9; i++) {
        assert_int_equal(take_id(queue), i);
    }
    assert_int_equal(take_id(queue), 11);
    queue_close(queue);
}

/* Nothing is given up in vain: what is on its way makes no room. */
static void what_is_taken_stays(void **state)
{
    size_t one = cost();
    struct queue *queue = open_queue(8 * one, true);
    (void)state;

    for (unsigned i = 1; i <= 7; i++) {
        assert_int_equal(put(queue, i == 7 ? DATASET_MEDIA_INTERVAL : DATASET_CALL),
                         OUTPUT_ACCEPTED);
    }
    for (unsigned i = 1; i <= 6; i++) {
        assert_int_equal(queue_take(queue)->id.low, i);
    }
    assert_int_equal(put_bytes(queue, DATASET_CALL, 2 * one), OUTPUT_ACCEPTED);
    assert_int_equal(tally.dropped[DATASET_CALL], 1);
    assert_int_equal(tally.dropped[DATASET_MEDIA_INTERVAL], 0);
    assert_int_equal(put(queue, DATASET_CALL), OUTPUT_ACCEPTED);
    assert_int_equal(tally.dropped[DATASET_MEDIA_INTERVAL], 1);
    queue_close(queue);
    assert_int_equal(tally.dropped[DATASET_CALL], 8); /* 6 taken, one waiting */
    assert_int_equal(tally.waiting, 0);
}

/* A library's thread that hangs still reads what it was given. */
static void what_is_left_behind_is_counted(void **state)
{
    struct queue *queue = open_queue(1 << 20, true);
    (void)state;

    for (unsigned i = 1; i <= 5; i++) {
        (void)put(queue, i == 2 ? DATASET_ALERT : DATASET_CALL);
    }
    static struct queue_item *first, *second; /* known to who looks for leaks */
    first = queue_take(queue);
    second = queue_take(queue);
    queue_leave(queue);
    assert_int_equal(first->text.bytes, TEXT_BYTES);
    assert_int_equal(second->text.at[TEXT_BYTES - 1], 0);
    assert_int_equal(tally.dropped[DATASET_CALL], 4);
    assert_int_equal(tally.dropped[DATASET_ALERT], 1);
    assert_int_equal(tally.waiting, 0);
}

static void given_back_it_has_its_old_place(void **state)
{
    struct queue *queue = open_queue(1 << 20, true);
    struct queue_item *items[7];
    (void)state;

    for (unsigned i = 1; i <= 8; i++) {
        (void)put(queue, i % 2 == 0 ? DATASET_CALL : DATASET_ALERT);
    }
    for (unsigned i = 1; i <= 6; i++) {
        items[i] = queue_take(queue);
    }
    queue_give_back(queue, items[4], true); /* in no order */
    queue_give_back(queue, items[6], false);
    queue_give_back(queue, items[2], false);
    queue_acknowledge(queue, items[5]);
    (void)put(queue, DATASET_CALL);
    queue_give_all_back(queue, false); /* 1 and 3 */
    assert_int_equal(queue_taken(queue), 0);
    assert_int_equal(tally.repeated, 0);
    for (unsigned i = 1; i <= 9; i++) {
        if (i != 5) {
            struct queue_item *item = queue_take(queue);
            assert_int_equal(item->id.low, i);
            assert_true(item->repeated == (i == 4));
            queue_acknowledge(queue, item);
        }
    }
    assert_int_equal(tally.repeated, 1); /* the far end may have had 4 before */
    assert_int_equal(tally.acknowledged, 9);
    queue_close(queue);
}

static void with_files_nothing_is_dropped(void **state)
{
    size_t one = cost();
    struct queue *queue = open_queue(8 * one, false);
    (void)state;

    for (unsigned i = 1; i <= 7; i++) {
        assert_int_equal(put(queue, DATASET_MEDIA_INTERVAL), OUTPUT_ACCEPTED);
    }
    assert_int_equal(put(queue, DATASET_CALL), OUTPUT_FULL);
    assert_int_equal(put(queue, DATASET_ALERT), OUTPUT_ACCEPTED);
    assert_int_equal(put(queue, DATASET_ALERT), OUTPUT_FULL);
    assert_int_equal(tally.accepted, 8); /* what was refused comes again */
    assert_int_equal(output_dropped(&tally), 0);
    assert_int_equal(put_bytes(queue, DATASET_CALL, 7 * one), OUTPUT_ACCEPTED);
    assert_int_equal(tally.dropped[DATASET_CALL], 1); /* there would never be room */
    (void)take_id(queue);
    assert_int_equal(put(queue, DATASET_CALL), OUTPUT_ACCEPTED);
    queue_close(queue);
    assert_int_equal(tally.accepted, tally.acknowledged + output_dropped(&tally));
}

/* --- against a model that is too simple to be wrong --- */

enum where { GONE, WAITING, TAKEN };

struct model {
    struct {
        enum where where;
        enum dataset dataset;
        size_t bytes;
        bool repeated;
        struct queue_item *item;
    } items[MODEL_MAX + 1]; /* by id */
    size_t bytes_max;
    size_t from; /* all before it are gone */
    uint64_t acknowledged, repeated, dropped[DATASET_COUNT];
};

static int worth(enum dataset dataset)
{
    static const enum dataset order[] = {
        DATASET_MEDIA_INTERVAL, DATASET_FLOW,         DATASET_SIP, DATASET_MEDIA,
        DATASET_TRANSACTION,    DATASET_REGISTRATION, DATASET_CALL};
    for (int i = 0; i < 7; i++) {
        if (order[i] == dataset) {
            return i;
        }
    }
    return 7;
}

/* Bytes of what is there: of all, or of what is worth less than `below` and waits. */
static size_t model_bytes(const struct model *model, int below, bool only_waiting)
{
    size_t sum = 0;
    for (size_t i = model->from; i <= next_id; i++) {
        bool counts =
            model->items[i].where == WAITING || (!only_waiting && model->items[i].where == TAKEN);
        sum += counts && worth(model->items[i].dataset) < below ? model->items[i].bytes : 0;
    }
    return sum;
}

static bool model_fits(const struct model *model, int kind, size_t bytes, size_t freed)
{
    size_t lesser = model->bytes_max - model->bytes_max / 8;
    return model_bytes(model, 8, false) - freed + bytes <= model->bytes_max &&
           (kind == 7 || model_bytes(model, 7, false) - freed + bytes <= lesser);
}

static void model_put(struct model *model, size_t id, enum dataset dataset, size_t bytes)
{
    int kind = worth(dataset);
    size_t freed = model_bytes(model, kind == 7 ? 7 : kind + 1, true);

    model->items[id].dataset = dataset;
    model->items[id].bytes = bytes;
    if (!model_fits(model, kind, bytes, freed)) {
        model->dropped[dataset]++;
        return;
    }
    for (int least = 0; !model_fits(model, kind, bytes, 0); least++) {
        for (size_t i = model->from; i < id && !model_fits(model, kind, bytes, 0); i++) {
            if (model->items[i].where == WAITING && worth(model->items[i].dataset) == least) {
                model->items[i].where = GONE;
                model->dropped[model->items[i].dataset]++;
            }
        }
    }
    model->items[id].where = WAITING;
}

static size_t model_oldest(const struct model *model)
{
    for (size_t i = model->from; i <= next_id; i++) {
        if (model->items[i].where == WAITING) {
            return i;
        }
    }
    return 0;
}

static void take_both(struct model *model, struct queue *queue)
{
    size_t id = model_oldest(model);
    struct queue_item *item = queue_take(queue);

    assert_int_equal(item == NULL ? 0 : item->id.low, id);
    if (item != NULL) {
        assert_true(item->repeated == model->items[id].repeated);
        model->repeated += item->repeated;
        model->items[id].where = TAKEN;
        model->items[id].item = item;
    }
}

/* A taken one, or 0. */
static size_t any_taken(const struct model *model, unsigned random)
{
    size_t span = next_id + 1 - model->from;

    for (size_t i = 0; i < span; i++) {
        size_t id = model->from + (random + i) % span;
        if (model->items[id].where == TAKEN) {
            return id;
        }
    }
    return 0;
}

static void end_one(struct model *model, struct queue *queue, size_t id, unsigned what)
{
    struct queue_item *item = model->items[id].item;

    model->items[id].where = what < 2 ? GONE : WAITING;
    if (what == 0) {
        queue_acknowledge(queue, item);
        model->acknowledged++;
    } else if (what == 1) {
        queue_drop(queue, item);
        model->dropped[model->items[id].dataset]++;
    } else {
        model->items[id].repeated |= what == 3;
        queue_give_back(queue, item, what == 3);
    }
}

static void all_back(struct model *model, struct queue *queue, bool sent)
{
    queue_give_all_back(queue, sent);
    for (size_t i = model->from; i <= next_id; i++) {
        if (model->items[i].where == TAKEN) {
            model->items[i].where = WAITING;
            model->items[i].repeated |= sent;
        }
    }
}

static void same(struct model *model, struct queue *queue)
{
    uint64_t waiting = 0, taken = 0, taken_bytes = 0;

    while (model->from < next_id && model->items[model->from].where == GONE) {
        model->from++;
    }
    for (size_t i = model->from; i <= next_id; i++) {
        waiting += model->items[i].where != GONE;
        taken += model->items[i].where == TAKEN;
        taken_bytes += model->items[i].where == TAKEN ? model->items[i].bytes : 0;
    }
    assert_int_equal(tally.waiting, waiting);
    assert_int_equal(queue_taken(queue), taken);
    assert_int_equal(queue_taken_bytes(queue), taken_bytes);
    assert_int_equal(tally.waiting_bytes, model_bytes(model, 8, false));
    assert_true(tally.waiting_bytes <= model->bytes_max);
    assert_int_equal(tally.acknowledged, model->acknowledged);
    assert_int_equal(tally.repeated, model->repeated);
    assert_memory_equal(tally.dropped, model->dropped, sizeof model->dropped);
    assert_int_equal(tally.accepted, tally.acknowledged + tally.waiting + output_dropped(&tally));
}

static uint32_t draw(uint64_t *seed, uint32_t below)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return (uint32_t)((*seed * UINT64_C(0x2545f4914f6cdd1d)) >> 33) % below;
}

static void keeps_to_the_model(void **state)
{
    static struct model model;
    size_t head = cost() - TEXT_BYTES;
    uint64_t seed = 20261122;
    (void)state;

    model.bytes_max = 40 * (head + TEXT_BYTES);
    struct queue *queue = open_queue(model.bytes_max, true);
    for (unsigned step = 0; step < STEPS && next_id < MODEL_MAX; step++) {
        uint32_t what = draw(&seed, 100);
        size_t id = any_taken(&model, draw(&seed, 1 << 20));
        if (what < 45) {
            enum dataset dataset = (enum dataset)draw(&seed, DATASET_COUNT);
            size_t bytes = draw(&seed, 3 * TEXT_BYTES);
            assert_int_equal(put_bytes(queue, dataset, bytes), OUTPUT_ACCEPTED);
            model_put(&model, next_id, dataset, bytes + head);
        } else if (what < 70) {
            take_both(&model, queue);
        } else if (what == 99) {
            all_back(&model, queue, draw(&seed, 2) == 1);
        } else if (id != 0) {
            end_one(&model, queue, id, what < 85 ? 0 : what < 87 ? 1 : 2 + draw(&seed, 2));
        }
        same(&model, queue);
    }
    queue_close(queue);
    assert_int_equal(tally.waiting, 0);
    assert_int_equal(tally.accepted, tally.acknowledged + output_dropped(&tally));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_item_is_what_was_put),
        cmocka_unit_test(comes_in_order_over_all_datasets),
        cmocka_unit_test(the_least_valuable_goes_first),
        cmocka_unit_test(of_a_kind_the_oldest_goes_first),
        cmocka_unit_test(what_is_taken_stays),
        cmocka_unit_test(what_is_left_behind_is_counted),
        cmocka_unit_test(given_back_it_has_its_old_place),
        cmocka_unit_test(with_files_nothing_is_dropped),
        cmocka_unit_test(keeps_to_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
