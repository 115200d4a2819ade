/* source_live.h - rings of the kernel on one interface: frames in blocks, and what was lost before us.
 *
 * Owns      a ring owns its socket and its mapping; source_live_close() gives both back.
 * Borrows   the block during source_live_take(): frames are copied into it.
 * Time      the kernel's stamps, ns since the epoch.
 * Bounds    options: buffer_bytes for each ring; SOURCE_RINGS_MAX rings on an interface.
 * Errors    open: STATUS_INPUT with one line that says what to do. source_live_take: STATUS_INPUT when the
 *           interface is gone; one that is only down is waited for.
 * Thread    source_live_open() and source_live_close() one; each ring then belongs to one thread.
 *
 * Several rings of an interface share its frames by the hash of their outermost flow
 * (PACKET_FANOUT_HASH), so both directions of a flow come from one ring. Nothing is ever sent. */
#ifndef SENSOR_CAPTURE_SOURCE_LIVE_H
#define SENSOR_CAPTURE_SOURCE_LIVE_H

#include "sensor/capture/source.h"

enum { SOURCE_RINGS_MAX = 16, SOURCE_INTERFACES_MAX = 64 };

struct source_live_options {
    const char *interface; /* "any" is one too */
    uint16_t index; /* of the interface, for frames */
    uint64_t buffer_bytes;
    uint32_t snap_bytes;
    uint32_t timeout_ms; /* the kernel hands over a part-filled block then */
    bool promiscuous;
    const char *filter; /* BPF; "" = none */
};

/* Cumulative, since source_live_open() returned. taken = offered - dropped once the ring is drained. */
struct source_live_counts {
    uint64_t taken; /* given to us */
    uint64_t offered; /* passed the filter */
    uint64_t dropped; /* of those, for want of room in the ring */
    uint64_t interface_dropped; /* by the card or its driver, of the whole interface; told by the
                                   first ring */
};

struct source_live;

/* Opens `count` rings, all or none. Frames that came meanwhile are in none of them. */
MUST_USE enum status source_live_open(const struct source_live_options *options, unsigned count,
                                      struct source_live **out_rings, struct error *error);
void source_live_close(struct source_live *ring);
int source_live_descriptor(const struct source_live *ring); /* to be polled for reading */
/* Appends what the ring holds now to the block, until one of them is exhausted: *out_full = the
 * block. Does not wait. */
MUST_USE enum status source_live_take(struct source_live *ring, struct block *block, bool *out_full,
                                      struct error *error);
/* Asks the kernel; at least once in 10 minutes, or its 32 bits run over. */
void source_live_sample(struct source_live *ring);
const struct source_live_counts *source_live_counts(const struct source_live *ring);
/* From now on no new frame: what is in the ring can still be taken. */
void source_live_stop(struct source_live *ring);

#endif
