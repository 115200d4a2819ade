/* direction.c - a ring of seconds, and what the clients' own conduct says of the answers that were
 * not heard.
 *
 *      answers missing      ACKs without answers: an ACK follows a final answer only; or requests
 *                           of known clients over UDP that they do not repeat, as they would within
 *                           half a second (RFC 3261, timers A and E) had nobody answered
 *      requests missing     answers without requests: nobody answers what was not asked
 *
 * So neither an outage (everybody repeats himself) nor a scan of addresses that never answer (its
 * source is not known, and sends no ACK) looks like a mirror with one direction. TCP does not
 * repeat, so its requests say nothing here.
 *
 * Once found, it lasts until both directions are heard again: a quiet night is no proof of it.
 *
 * Limits: a flood of forged ACKs, twenty for each answer of the site, is taken for a lost
 * direction. */
#include "sensor/state/direction.h"

enum { FEW_IN = 20, ENOUGH = 10, ENOUGH_ANSWERS = 100, REPEATED_IN = 5 };

bool direction_doubts(const struct direction *direction)
{
    return direction->sum.answers * FEW_IN < direction->sum.requests;
}

void direction_see(struct direction *direction, const struct sip_message *message, bool is_udp,
                   bool is_copy, bool known)
{
    bool is_answer = sip_is_response(message);
    bool is_ack = !is_answer && message->method == SIP_METHOD_ACK;
    bool tells = !is_answer && !is_ack && is_udp && known;
    const struct direction_counts one = {.requests = !is_answer,
                                         .answers = is_answer,
                                         .acks = is_ack && !is_copy,
                                         .fresh = tells && !is_copy,
                                         .repeated = tells && is_copy};
    struct direction_counts *now = &direction->seconds[direction->second % DIRECTION_SECONDS];
    struct direction_counts *places[] = {now, &direction->sum};

    for (unsigned i = 0; i < 2; i++) {
        places[i]->requests += one.requests;
        places[i]->answers += one.answers;
        places[i]->acks += one.acks;
        places[i]->fresh += one.fresh;
        places[i]->repeated += one.repeated;
    }
}

static bool misses_answers(const struct direction_counts *sum)
{
    bool by_acks = sum->acks >= ENOUGH && sum->answers * FEW_IN < sum->acks;
    bool by_calm = sum->fresh >= ENOUGH && sum->answers * FEW_IN < sum->fresh &&
                   sum->repeated * REPEATED_IN < sum->fresh;

    return by_acks || by_calm;
}

static bool misses_requests(const struct direction_counts *sum)
{
    return sum->answers >= ENOUGH_ANSWERS && sum->requests * FEW_IN < sum->answers;
}

static bool hears_both(const struct direction_counts *sum)
{
    uint32_t fewer = sum->requests < sum->answers ? sum->requests : sum->answers;
    uint32_t more = sum->requests < sum->answers ? sum->answers : sum->requests;

    return fewer > 0 && fewer * FEW_IN >= more;
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
        *old = (struct direction_counts){0};
    }
}

void direction_mark(struct direction *direction, uint64_t second)
{
    if (misses_answers(&direction->sum) || misses_requests(&direction->sum)) {
        direction->one_way = true;
    } else if (hears_both(&direction->sum)) {
        direction->one_way = false;
    }
    slide(direction, second);
}
