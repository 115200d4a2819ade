/* direction.c - a ring of seconds, and what the clients' own conduct says of the answers that were
 * not heard.
 *
 *      answers missing      ACKs without answers: an ACK follows a final answer only, and over TCP
 *                           the segment that acknowledges what came behind a request says as much; or
 *                           requests over UDP that are not repeated, as they would be within half a second
 *                           (RFC 3261, timers A and E) had nobody answered
 *      requests missing     answers without requests: nobody answers what was not asked
 *
 * Only senders that are known count: who has shown that it hears, has logged in, or has answered. So
 * neither an outage (everybody repeats himself) nor a scan or a flood (its sources are strangers)
 * looks like a mirror with one direction, and no forger can talk the sensor into doubting its ears.
 * TCP does not repeat, so that its requests are not says nothing here.
 *
 * Once found, it lasts until both directions are heard again, or clients begin to repeat themselves:
 * a quiet night is no proof of either.
 *
 * Limits: forging the addresses of known phones in bulk would do; a direction that was never heard
 * knows nobody, which state.c tells by counting from the start. */
#include "sensor/state/direction.h"

enum { FEW_IN = 20, ENOUGH = 5, ENOUGH_ANSWERS = 100, REPEATED_IN = 5, YOUNG_S = 2 };

static const struct direction_counts *second_before(const struct direction *direction,
                                                    uint64_t seconds)
{
    return &direction->seconds[(direction->second - seconds) % DIRECTION_SECONDS];
}

/* Judged by this second and the one before, so that what follows a loss is known from its start. */
bool direction_doubts(const struct direction *direction, bool is_answer)
{
    const struct direction_counts *now = second_before(direction, 0);
    const struct direction_counts *before = second_before(direction, 1);
    uint32_t requests = now->requests + before->requests;
    uint32_t answers = now->answers + before->answers;

    return is_answer ? requests * FEW_IN < answers : answers * FEW_IN < requests;
}

static void add(struct direction_counts *sum, const struct direction_counts *one)
{
    sum->requests += one->requests;
    sum->answers += one->answers;
    sum->acks += one->acks;
    sum->fresh += one->fresh;
    sum->repeated += one->repeated;
    sum->known_answers += one->known_answers;
}

void direction_see(struct direction *direction, const struct sip_message *message, bool is_udp,
                   bool is_copy, bool known)
{
    bool is_answer = sip_is_response(message);
    bool is_ack = !is_answer && message->method == SIP_METHOD_ACK;
    bool tells = !is_answer && !is_ack && is_udp && known;
    const struct direction_counts one = {.requests = !is_answer,
                                         .answers = is_answer,
                                         .acks = is_ack && known && !is_copy,
                                         .fresh = tells && !is_copy,
                                         .repeated = tells && is_copy,
                                         .known_answers = is_answer && known};

    add(&direction->seconds[direction->second % DIRECTION_SECONDS], &one);
    add(&direction->sum, &one);
}

void direction_see_answered(struct direction *direction, bool known)
{
    direction->seconds[direction->second % DIRECTION_SECONDS].acks += known;
    direction->sum.acks += known;
}

/* What the last seconds say. A request of the last two has had no time to be repeated. */
static void sum_up(const struct direction *direction, struct direction_counts *out)
{
    *out = (struct direction_counts){0};
    for (uint64_t i = 0; i < DIRECTION_WINDOW; i++) {
        struct direction_counts one = *second_before(direction, i);
        one.fresh = i < YOUNG_S ? 0 : one.fresh;
        add(out, &one);
    }
}

static bool is_repeated(const struct direction_counts *sum)
{
    return sum->repeated * REPEATED_IN >= sum->fresh;
}

static bool misses_answers(const struct direction_counts *sum)
{
    bool by_acks = sum->acks >= ENOUGH && sum->answers * FEW_IN < sum->acks;
    bool by_calm = sum->fresh >= ENOUGH && sum->answers * FEW_IN < sum->fresh && !is_repeated(sum);

    return by_acks || by_calm;
}

static bool misses_requests(const struct direction_counts *sum)
{
    return sum->known_answers >= ENOUGH_ANSWERS && sum->requests * FEW_IN < sum->known_answers;
}

/* Both directions, or clients that repeat themselves because nobody answers. */
static bool is_whole(const struct direction_counts *sum)
{
    uint32_t fewer = sum->requests < sum->answers ? sum->requests : sum->answers;
    uint32_t more = sum->requests < sum->answers ? sum->answers : sum->requests;

    return (fewer > 0 && fewer * FEW_IN >= more) || (sum->repeated >= ENOUGH && is_repeated(sum));
}

/* The seconds since the last mark are over: the oldest make room. */
static void slide(struct direction *direction, uint64_t second)
{
    uint64_t steps = time_since(second, direction->second);

    direction->second = second;
    for (uint64_t i = 0; i < steps && i < DIRECTION_SECONDS; i++) {
        struct direction_counts *old = &direction->seconds[(second - i) % DIRECTION_SECONDS];
        direction->sum.requests -= old->requests;
        direction->sum.answers -= old->answers;
        direction->sum.acks -= old->acks;
        direction->sum.fresh -= old->fresh;
        direction->sum.repeated -= old->repeated;
        direction->sum.known_answers -= old->known_answers;
        *old = (struct direction_counts){0};
    }
}

void direction_mark(struct direction *direction, uint64_t second)
{
    struct direction_counts sum;

    sum_up(direction, &sum);
    if (misses_answers(&sum) || misses_requests(&sum)) {
        direction->one_way = true;
    } else if (is_whole(&sum)) {
        direction->one_way = false;
    }
    slide(direction, second);
}
