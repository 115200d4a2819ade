/* change.h - what just changed in state: kind and entry, handed on at once.
 *
 * Owns      nothing.
 * Borrows   the entry: it stays as it is until on_change returns. Whoever wants more copies.
 * Time      of the change: state time, ns.
 * Bounds    none of its own; a packet makes a handful of changes.
 * Errors    none.
 * Thread    the analyst's.
 *
 * A table calls on_change when its entry is in its new state and before the entry may go. The
 * analyst gives each change first to state/facts.c (the fact for the detectors), then to telemetry
 * (the record). on_change must not call back into the tables. */
#ifndef SENSOR_STATE_CHANGE_H
#define SENSOR_STATE_CHANGE_H

#include "base/clock.h"
#include "base/hash.h"
#include "sensor/flows/sighting.h"

enum change_kind {
    CHANGE_MESSAGE, /* sip + transaction (may be NULL) */
    CHANGE_TRANSACTION_ENDED, /* transaction; sip = the final response, NULL on time-out and where
                                 the answer came first */
    CHANGE_REGISTRATION, /* registration; sip = what ended the attempt, NULL on expiry or when told
                            later */
    CHANGE_CALL_STARTED, /* call, sip */
    CHANGE_CALL_RINGING, /* the first 18x, and the first with a session description */
    CHANGE_CALL_ANSWERED,
    /* call: it rang and its caller hung up. Told once, when that is known; it may be taken up again, and
     * is told ENDED all the same. No record is made of it */
    CHANGE_CALL_GIVEN_UP,
    CHANGE_CALL_ENDED, /* call; sip may be NULL */
    CHANGE_CALL_MEDIA, /* call: who is heard, ten seconds after the answer; no record is made of it */
    CHANGE_CALL_TORN, /* call: its end was forged; number = packet of the BYE. No record either */
    CHANGE_STREAM_INTERVAL, /* stream, sighting */
    CHANGE_STREAM_SILENT,
    CHANGE_STREAM_BEGUN, /* stream, sighting, of a stream that has a call. No record is made of it */
    CHANGE_STREAM_RESUMED, /* the same: it was told silent and is heard again */
    CHANGE_STREAM_ENDED,
    CHANGE_FLOW_ENDED, /* flow */
    CHANGE_SERVER, /* server; second: the one that is over */
    CHANGE_SECOND, /* second */
};

struct transaction;
struct registration;
struct call;
struct media_stream;
struct server;

struct change {
    uint8_t kind; /* enum change_kind */
    bool forced; /* the end of input closed it */
    bool is_retransmission; /* CHANGE_MESSAGE: a copy within its transaction */
    uint64_t time_ns;
    uint64_t number; /* packet that brought it; 0 at a mark; CHANGE_SERVER: its last request */
    uint64_t second; /* CHANGE_SECOND, CHANGE_SERVER */
    const struct sip_sighting *sip;
    const struct stream_sighting *stream_sighting;
    const struct flow_sighting *flow;
    const struct transaction *transaction;
    const struct registration *registration;
    const struct call *call;
    const struct media_stream *stream;
    const struct server *server;
};

#define CHANGE_BIT(id) (UINT32_C(1) << CHANGE_##id)

struct change_sink {
    void (*on_change)(void *owner, const struct change *change);
    void *owner;
    uint32_t unwanted; /* CHANGE_BIT()s that need not be told; 0 = all are wanted */
    bool
        no_extensions; /* nor CALL_RINGING without early media where six digits or fewer were dialled */
};

#endif
