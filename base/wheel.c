/* wheel.c - a hierarchical wheel whose levels are the digits of the second in base 256.
 *
 *      due   = [ beyond ... | digit 2 | digit 1 | digit 0 ]
 *      level = the highest digit in which due differs from now
 *
 * So a slot of level 1 or 2 is opened exactly when its digit comes up, and until then *all* timers
 * of its seconds are in it: opening it in list order, into lists that are empty, keeps the order of
 * setting. A scheme by distance (due - now) would put an early far timer behind a late near one.
 *
 * Advancing looks for the next slot in use of a level and jumps there: at most 3 * 255 looks for a
 * block of 2^24 s, and beyond those only to the nearest block that has a timer. A step of a century
 * is nothing.
 *
 * Limits: timers beyond the block of 2^24 s (194 days) are searched one by one, once a block. */
#include "base/wheel.h"

enum {
    DIGIT_BITS = 8,
    BLOCK_BITS = DIGIT_BITS * WHEEL_LEVELS,
    BEYOND = WHEEL_LEVELS * WHEEL_SLOTS,
    LISTS = BEYOND + 1,
};

struct node {
    uint64_t due_s;
    uint64_t tag;
    uint32_t next;
    uint32_t before;
    uint32_t list;
};

static struct node *node_of(const struct wheel *wheel, uint32_t timer)
{
    return slab_at(&wheel->nodes, timer);
}

enum status wheel_open(struct wheel *wheel, uint32_t timers_max, uint64_t now_s,
                       struct error *error)
{
    *wheel = (struct wheel){.now_s = now_s};
    wheel->head = malloc(2 * LISTS * sizeof *wheel->head);
    if (wheel->head == NULL) {
        return error_system(error, STATUS_FAILED, "memory", "cannot make a wheel of timers");
    }
    wheel->tail = wheel->head + LISTS;
    for (unsigned list = 0; list < 2 * LISTS; list++) {
        wheel->head[list] = WHEEL_NONE;
    }
    enum status status = slab_open(&wheel->nodes, timers_max, sizeof(struct node), error);
    if (status != STATUS_OK) {
        free(wheel->head);
        wheel->head = NULL;
    }
    return status;
}

void wheel_close(struct wheel *wheel)
{
    slab_close(&wheel->nodes);
    free(wheel->head);
    *wheel = (struct wheel){.now_s = 0};
}

static unsigned digit(uint64_t second, unsigned level)
{
    return (unsigned)(second >> (DIGIT_BITS * level)) & (WHEEL_SLOTS - 1);
}

static uint32_t list_for(const struct wheel *wheel, uint64_t due_s)
{
    uint64_t differs = due_s ^ wheel->now_s;

    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        if (differs >> (DIGIT_BITS * (level + 1)) == 0) {
            return level * WHEEL_SLOTS + digit(due_s, level);
        }
    }
    return BEYOND;
}

static void append(struct wheel *wheel, uint32_t timer)
{
    struct node *node = node_of(wheel, timer);
    uint32_t list = list_for(wheel, node->due_s);

    node->list = list;
    node->next = WHEEL_NONE;
    node->before = wheel->tail[list];
    if (node->before != WHEEL_NONE) {
        node_of(wheel, node->before)->next = timer;
    } else {
        wheel->head[list] = timer;
    }
    wheel->tail[list] = timer;
}

static void unlink_node(struct wheel *wheel, const struct node *node)
{
    if (node->before != WHEEL_NONE) {
        node_of(wheel, node->before)->next = node->next;
    } else {
        wheel->head[node->list] = node->next;
    }
    if (node->next != WHEEL_NONE) {
        node_of(wheel, node->next)->before = node->before;
    } else {
        wheel->tail[node->list] = node->before;
    }
}

static void drop(struct wheel *wheel, uint32_t timer)
{
    struct node *node = node_of(wheel, timer);

    unlink_node(wheel, node);
    node->list = LISTS; /* says: not set */
    slab_give(&wheel->nodes, timer);
    wheel->active--;
}

uint32_t wheel_set(struct wheel *wheel, uint64_t due_s, uint64_t tag)
{
    uint32_t timer = slab_take(&wheel->nodes);

    assert(timer != SLAB_NONE);
    struct node *node = node_of(wheel, timer);
    node->due_s = due_s > wheel->now_s ? due_s : wheel->now_s;
    node->tag = tag;
    append(wheel, timer);
    wheel->active++;
    return timer;
}

void wheel_cancel(struct wheel *wheel, uint32_t timer)
{
    if (timer != WHEEL_NONE) {
        assert(timer < wheel->nodes.high_water && node_of(wheel, timer)->list < LISTS);
        drop(wheel, timer);
    }
}

/* Deals a list out anew for the second at which the wheel stands now. */
static void open_list(struct wheel *wheel, uint32_t list)
{
    uint32_t timer = wheel->head[list];

    wheel->head[list] = WHEEL_NONE;
    wheel->tail[list] = WHEEL_NONE;
    while (timer != WHEEL_NONE) {
        uint32_t next = node_of(wheel, timer)->next;
        append(wheel, timer);
        timer = next;
    }
}

/* The first block behind this one that has a timer; UINT64_MAX where there is none. */
static uint64_t next_block(const struct wheel *wheel)
{
    uint64_t nearest = UINT64_MAX;

    for (uint32_t timer = wheel->head[BEYOND]; timer != WHEEL_NONE;
         timer = node_of(wheel, timer)->next) {
        uint64_t block = node_of(wheel, timer)->due_s >> BLOCK_BITS;
        nearest = block < nearest ? block : nearest;
    }
    return nearest;
}

/* Moves to the next second at which a list must be opened or a timer fires, at most to to_s; false
 * when there is none up to to_s, and then the wheel stands there. */
static bool step(struct wheel *wheel, uint64_t to_s)
{
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        unsigned shift = DIGIT_BITS * level;
        uint64_t above = wheel->now_s >> (shift + DIGIT_BITS) << (shift + DIGIT_BITS);
        for (unsigned slot = digit(wheel->now_s, level) + 1; slot < WHEEL_SLOTS; slot++) {
            uint64_t second = above | (uint64_t)slot << shift;
            if (second > to_s) {
                wheel->now_s = to_s;
                return false;
            }
            uint32_t list = level * WHEEL_SLOTS + slot;
            if (wheel->head[list] != WHEEL_NONE) {
                wheel->now_s = second;
                if (level > 0) {
                    open_list(wheel, list);
                }
                return true;
            }
        }
    }
    uint64_t block = next_block(wheel);
    if (block > to_s >> BLOCK_BITS) {
        wheel->now_s = to_s;
        return false;
    }
    wheel->now_s = block << BLOCK_BITS;
    open_list(wheel, BEYOND);
    return true;
}

bool wheel_advance(struct wheel *wheel, uint64_t to_s, uint64_t *out_tag, uint64_t *out_due_s)
{
    for (;;) {
        uint32_t timer = wheel->head[digit(wheel->now_s, 0)];
        /* Its list holds exactly what is due at this second. */
        if (timer != WHEEL_NONE && wheel->now_s <= to_s) {
            const struct node *node = node_of(wheel, timer);
            assert_hot(node->due_s == wheel->now_s);
            *out_tag = node->tag;
            *out_due_s = node->due_s;
            drop(wheel, timer);
            return true;
        }
        if (wheel->now_s >= to_s) {
            return false;
        }
        if (wheel->active == 0) {
            wheel->now_s = to_s;
            return false;
        }
        if (!step(wheel, to_s)) {
            return false;
        }
    }
}
