/* gate.h - the device gate: does this row of failed logins look like a phone with a wrong password?
 *
 * Owns      nothing: a plain struct in a lane or cell; zeroed memory is a valid start.
 * Borrows   the fact during the call.
 * Time      of the facts, in milliseconds that wrap after 49 days: only gaps are taken.
 * Bounds    28 bytes; counts are halved together before one overflows.
 * Errors    none.
 * Thread    the analyst's. */
#ifndef DETECTORS_FRAME_GATE_H
#define DETECTORS_FRAME_GATE_H

#include "detectors/fact.h"

#define GATE_GAP_NS (10 * NS_PER_S)

struct gate {
    uint32_t last_ms;
    uint32_t call_id; /* low halves of the hashes */
    uint32_t device;
    uint32_t cseq;
    uint16_t failures;
    uint16_t gaps_short;
    uint16_t gaps_long;
    uint8_t call_changes;
    uint8_t device_changes;
    uint8_t cseq_falls;
};

/* One authentication failure. */
void gate_see(struct gate *gate, const struct fact *fact);
/* True: two failures or more, and a phone could have done this. */
bool gate_holds(const struct gate *gate);

#endif
