/* gate.c - a phone with a wrong password against a guesser, by what neither can hide well.
 *
 * A phone tries again by its timer: the median gap is 10 s or more, under one Call-ID with a rising
 * CSeq (RFC 3261 section 10.2.4), always as the same device. One change in eight tries is allowed,
 * because phones are rebooted. A guesser who keeps to all of it is as slow as a phone: 8,640
 * guesses a day at best.
 *
 * The median needs no list: it is 10 s or more exactly when no more gaps are shorter than are
 * longer. */
#include "detectors/frame/gate.h"

enum { TOLERANCE = 8, COUNT_MAX = 240 };

static uint32_t low(uint64_t hash)
{
    return (uint32_t)hash;
}

static void halve(struct gate *gate)
{
    gate->failures /= 2;
    gate->gaps_short /= 2;
    gate->gaps_long /= 2;
    gate->call_changes /= 2;
    gate->device_changes /= 2;
    gate->cseq_falls /= 2;
}

void gate_see(struct gate *gate, const struct fact *fact)
{
    const struct fact_transaction *try = &fact->is.transaction;
    uint32_t now_ms = (uint32_t)(fact->time_ns / NS_PER_MS);

    if (gate->failures > 0) {
        bool same_call = gate->call_id == low(try->call_id_hash);
        if ((uint32_t)(now_ms - gate->last_ms) < GATE_GAP_NS / NS_PER_MS) {
            gate->gaps_short++;
        } else {
            gate->gaps_long++;
        }
        if (!same_call) {
            gate->call_changes++;
        } else if (try->cseq <= gate->cseq) {
            gate->cseq_falls++;
        }
        if (gate->device != low(try->device_hash)) {
            gate->device_changes++;
        }
    }
    gate->last_ms = now_ms;
    gate->call_id = low(try->call_id_hash);
    gate->device = low(try->device_hash);
    gate->cseq = try->cseq;
    gate->failures++;
    if (gate->failures >= UINT16_MAX || gate->call_changes >= COUNT_MAX ||
        gate->device_changes >= COUNT_MAX || gate->cseq_falls >= COUNT_MAX) {
        halve(gate);
    }
}

bool gate_holds(const struct gate *gate)
{
    return gate->failures >= 2 && gate->gaps_long >= gate->gaps_short &&
           gate->call_changes * TOLERANCE <= gate->failures &&
           gate->device_changes * TOLERANCE <= gate->failures &&
           gate->cseq_falls * TOLERANCE <= gate->failures;
}
