/* classify.h - nDPI's opinion about a flow, where our decoders have none. The only file that knows
 * nDPI.
 *
 * Owns      an nDPI module for each shard, made at the first flow of it that asks (live: one in
 *           all), and the flow states it lends out.
 * Borrows   packets during the call.
 * Time      packet time in ms, an argument.
 * Bounds    CLASSIFY_PACKETS_UDP and _TCP packets a flow, CLASSIFY_FLOWS_MAX flows under
 *           examination at once.
 * Errors    a module that cannot be made: said once, then no opinions.
 * Thread    one worker.
 *
 * A second opinion, never trusted on a port guess. nDPI remembers earlier flows and lets them sway a
 * verdict, so a module belongs to a shard, not to a worker: then an answer does not depend on which
 * worker saw what (docs/architecture.md; decision 005). */
#ifndef SENSOR_FLOWS_CLASSIFY_H
#define SENSOR_FLOWS_CLASSIFY_H

#include "sensor/flows/unwrap.h"

enum { CLASSIFY_PACKETS_UDP = 8, CLASSIFY_PACKETS_TCP = 24, CLASSIFY_FLOWS_MAX = 1024 };

struct classify;

enum { CLASSIFY_NAME_BYTES = 24 };

/* Protocols by nDPI's numbers, 0 = none. A flow keeps them as such: a flood of flows has no names. */
struct classify_verdict {
    bool final;
    bool guessed;
    uint16_t master;
    uint16_t app;
};

struct classify *classify_open(void); /* NULL: no memory */
/* Live: one module for all shards, made now. The kernel parts the flows, not the shards, so every worker
 * would need 16, and a module that is made while packets come costs packets. */
void classify_share(struct classify *classify);
void classify_close(struct classify *classify);
/* A flow's examination; returned as a small id, 0 = no room now. */
uint32_t classify_begin(struct classify *classify, uint32_t shard);
void classify_packet(struct classify *classify, uint32_t id, const struct datagram *datagram,
                     struct classify_verdict *out_verdict);
void classify_give_up(struct classify *classify, uint32_t id, struct classify_verdict *out_verdict);
void classify_end(struct classify *classify, uint32_t id);
/* The name of a protocol of some verdict, cut; "" of none. */
void classify_name(const struct classify *classify, uint16_t protocol,
                   char out_name[CLASSIFY_NAME_BYTES]);

#endif
