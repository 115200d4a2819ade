/* bytestream_inside.h - one TCP direction, its shard, and what is done to it: shared by the two
 * files that do it.
 *
 * Owns      nothing by itself: see bytestream.h.
 * Borrows   the segment at work.
 * Time      packet time in ns.
 * Bounds    see bytestream.h.
 * Errors    none.
 * Thread    one worker.
 *
 * bytestream.c finds the stream and the place of a segment; bytestream_walk.c holds bytes and cuts
 * them into messages. */
#ifndef SENSOR_FLOWS_BYTESTREAM_INSIDE_H
#define SENSOR_FLOWS_BYTESTREAM_INSIDE_H

#include "base/table.h"
#include "sensor/flows/bytestream.h"
#include "sensor/flows/chunks.h"

enum {
    PROBE_BYTES = 4096, /* no SIP until here: none of ours */
    GAP_BYTES = 64 << 10, /* held behind a gap until it is given up */
    WINDOW_BYTES = 1 << 20, /* farther from the expected byte is no loss but another place */
    SKIP_BYTES_MAX = 1 << 20, /* of a body that is not kept; a longer one is not believed */
    SCRATCH_BYTES = 256 << 10, /* all chunks of one stream fit */
    RECENT = 4,
    STRONG_PPM = 500000,
};
#define GAP_NS (2 * NS_PER_S)
#define SILENCE_NS (300 * NS_PER_S) /* of a message that does not go on */

static_assert((size_t)CHUNKS_MAX * CHUNK_CELL_BYTES <= SCRATCH_BYTES, "all that is held fits");
static_assert((size_t)CHUNKS_MAX * CHUNK_DATA_BYTES > SIP_MESSAGE_BYTES_MAX + 65535,
              "a message and a segment can be held");

enum carries { CARRIES_UNKNOWN, CARRIES_SIP, CARRIES_OTHER };

/* What must come before framing is worth asking again. */
enum want { WANT_LINE, WANT_BLANK, WANT_BYTES };

/* How the bytes so far end, for the empty line that may come next. */
enum tail { TAIL_TEXT, TAIL_CR, TAIL_LF, TAIL_LF_CR };

/* What ends the lines of a message, as its first line says (decoders/sip_line.c). */
enum line_ends { LINE_ENDS_UNKNOWN, LINE_ENDS_LF, LINE_ENDS_CR };

struct bytestream_recent {
    uint32_t sequence;
    uint32_t bytes;
    uint64_t hash;
};

struct bytestream {
    struct chunks chunks; /* base = the first byte that has not been told */
    uint32_t ready; /* bytes held from base on without a gap */
    uint32_t skip; /* bytes of a body that is not kept */
    uint32_t probed; /* bytes looked at while nothing is known */
    uint32_t need; /* of WANT_BYTES */
    uint32_t jump; /* where a SYN or a segment far away would go on */
    uint32_t acknowledged; /* of the other direction */
    uint8_t want; /* enum want */
    uint8_t tail; /* enum tail, of WANT_BLANK */
    uint8_t line_ends; /* enum line_ends, likewise */
    uint8_t carries; /* enum carries */
    uint8_t recent_next;
    bool based; /* base is known */
    bool jumps; /* jump is set */
    bool renewed; /* by a SYN: what the stream carries is open again */
    bool resync; /* to be told with the next message */
    bool ending; /* FIN or RST was the last that came */
    bool asked; /* its last message was a request, and `acknowledged` is of then */
    bool waits; /* in the list of those with something held or a clock */
    uint32_t waits_before; /* cells of that list */
    uint32_t waits_after;
    uint64_t gap_ns; /* since when bytes lie behind a gap; 0 = none */
    uint64_t seen_ns;
    uint64_t number; /* of the first packet */
    struct bytestream_recent recents[RECENT];
    struct datagram last; /* the last segment that was held */
};

struct bytestream_shard {
    struct bytestream_table *table;
    struct table streams;
    struct slab slab;
    uint32_t waits_first; /* longest without a segment */
    uint32_t waits_last;
};

struct bytestream_due {
    uint64_t number;
    uint32_t shard;
    uint32_t cell;
};

struct bytestream_table {
    struct bytestream_options options;
    struct bytestream_shard shards[FLOW_SHARDS];
    uint8_t *scratch;
    struct bytestream_due *due; /* room for all streams */
    uint64_t conflict_number; /* of the last packet that was told as a conflict */
    uint64_t now_number; /* of the packet at work: what is pushed out falls to it */
};

/* One stream at work. */
struct bytestream_work {
    struct bytestream_table *table;
    struct bytestream_shard *shard;
    struct bytestream *stream;
    const struct datagram *segment;
    uint32_t cell;
};

static inline struct bytestream *bytestream_at(const struct bytestream_shard *shard, uint32_t cell)
{
    return table_at(&shard->streams, cell);
}

static inline struct bytestream_work
bytestream_work_on(struct bytestream_shard *shard, uint32_t cell, const struct datagram *segment)
{
    return (struct bytestream_work){.table = shard->table,
                                    .shard = shard,
                                    .stream = bytestream_at(shard, cell),
                                    .segment = segment,
                                    .cell = cell};
}

static inline void bytestream_count(const struct bytestream_work *work, enum reason reason)
{
    work->table->options.on_reason(work->table->options.owner, reason);
}

/* The segment repeats a range with other bytes: told once a segment. */
static inline void bytestream_conflict(const struct bytestream_work *work)
{
    const struct bytestream_options *options = &work->table->options;

    if (work->table->conflict_number != work->segment->number) {
        work->table->conflict_number = work->segment->number;
        options->on_anomaly(options->owner, work->segment, ANOMALY_TCP_OVERLAP_CONFLICT);
    }
}

/* Brings the clocks up to date with what is held. */
void bytestream_settle(const struct bytestream_work *work, uint64_t now_ns);
void bytestream_forget(const struct bytestream_work *work); /* all that is held */
/* Holds or tells bytes that lie at `sequence`, which is not before the base. */
void bytestream_take(const struct bytestream_work *work, uint32_t sequence, const uint8_t *at,
                     uint32_t bytes);
/* Tells the message that will never be whole, as far as it came, and moves `base` by `lost` bytes
 * behind it. `resync`: it is not sure that what follows begins a message. */
void bytestream_give_up(const struct bytestream_work *work, uint32_t lost, bool resync);
void bytestream_give_up_gap(const struct bytestream_work *work);
bool bytestream_gap_over(const struct bytestream *stream, uint64_t now_ns);
void bytestream_remember(struct bytestream *stream, const struct datagram *segment);
void bytestream_wait(
    const struct bytestream_work *work); /* to the end of the list of those that wait */
/* The stream ends here: by silence, by another one in its place, by want of room. */
void bytestream_finish(const struct bytestream_work *work);

#endif
