/* facts.h - change -> fact: what detectors are told, enriched with what state knows of the parties.
 *
 * Owns      nothing.
 * Borrows   the change and the tables; the fact's slices point into them and into the view's
 *           scratch.
 * Time      the change's.
 * Bounds    one fact a change.
 * Errors    none.
 * Thread    the analyst's. */
#ifndef SENSOR_STATE_FACTS_H
#define SENSOR_STATE_FACTS_H

#include "base/calendar.h"
#include "detectors/fact.h"
#include "sensor/lookup/geo.h"
#include "sensor/lookup/numbers.h"
#include "sensor/state/call.h"
#include "sensor/state/destinations.h"
#include "sensor/state/devices.h"
#include "sensor/state/direction.h"
#include "sensor/state/media.h"
#include "sensor/state/proof.h"
#include "sensor/state/registration.h"
#include "sensor/state/server.h"

/* The parties of the last facts: one message makes several facts about the same two. */
struct facts_party {
    struct addr addr;
    uint64_t time_ns;
    uint64_t changes; /* proof_changes() when it was asked; 0 = nothing asked */
    struct proof_view known;
};

struct facts_view {
    const struct proof_table *proof;
    const struct device_table *devices;
    const struct registration_table *registrations;
    struct destination_table *destinations;
    const struct server_table *servers;
    const struct numbers *numbers; /* the analyst sets these three */
    struct geo *geo; /* NULL = no file */
    /* What nobody wants: 1 << enum fact_message_step, 1 << enum fact_transaction_end. */
    uint32_t unheard_steps;
    uint32_t unheard_ends;
    struct calendar calendar; /* of the site */
    struct hash_key key;
    uint64_t quarter; /* hours since the epoch x 4, of hour_of_week: zones differ by quarters */
    uint8_t hour_of_week;
    bool one_way_capture; /* so far only one direction of SIP was seen, or one is missing now */
    struct direction direction;
    bool cut_messages; /* of the SIP messages so far the capture cut more than 0.5 % */
    bool lost_frames; /* the same of the frames of the last 10 s; the analyst sets it */
    struct fact_second hearing; /* what the analyst knows of the sensor; facts.c adds the rest */
    uint64_t now_ns; /* state time: no fact is told behind it */
    uint64_t heard_ns; /* the last packet that told of anything but a stream */
    uint64_t flows_ns; /* the last of a stream that was not told silent before it */
    struct facts_party parties[2];
    /* scratch for texts that a fact needs put together (account ...) */
    char scratch[1024];
};

/* What detectors choose by (detector.h, heeds). False: this change tells detectors nothing (partial
 * calls, hops further on without an answer, expiries ...). */
bool facts_begin(struct facts_view *view, const struct change *change, struct fact *out_fact);
/* The rest of a fact that was begun with the same change. */
void facts_finish(struct facts_view *view, const struct change *change, struct fact *fact);

#endif
