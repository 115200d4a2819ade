/* bytestream.c - TCP in order, and the SIP messages in it (RFC 9293 section 3.10, RFC 3261
 * section 18.3).
 *
 *   segment --> in order, nothing held --> framing reads the segment itself: whole messages are told
 *           |                              from there
 *           '-> else held in chunks --> when a message may be whole: copied together once, framed,
 *                                       told, dropped
 *
 * Each direction is a stream of its own, so a capture of one side works like one of both. Framing
 * is asked again only when there is a reason: the rest of a body has come, or a line (while there
 * is no start line) or an empty line (while the headers are not whole); so the work stays linear
 * however a sender cuts its bytes.
 *
 * A sensor sees segments that nobody accepted: a FIN, RST or SYN may be forged to blind it. FIN and
 * RST only start a clock: the stream ends when nothing follows within GAP_NS. A SYN, or a jump by
 * more than WINDOW_BYTES, is believed when data comes that goes on from there.
 *
 * Limits: a retransmission is compared with what is held and with the last few segments, not with
 * all that went by. */
#include "sensor/flows/bytestream_inside.h"

static void on_evict(void *owner, uint32_t cell, void *at)
{
    struct bytestream_shard *shard = owner;
    struct datagram last = ((struct bytestream *)at)->last;
    struct bytestream_work work = bytestream_work_on(shard, cell, &last);

    last.number = shard->table->now_number;
    bytestream_count(&work, REASON_TABLE_BYTESTREAM);
    bytestream_finish(&work);
}

/* A payload that was sent before, whole: the same bytes or not? New ones are remembered. */
static void compare_recent(const struct bytestream_work *work)
{
    struct bytestream *stream = work->stream;
    const struct datagram *segment = work->segment;
    uint64_t hash = hash_bytes(work->table->options.key, segment->payload, segment->payload_bytes);

    for (unsigned i = 0; i < RECENT; i++) {
        const struct bytestream_recent *recent = &stream->recents[i];
        if (recent->sequence == segment->tcp_sequence && recent->bytes == segment->payload_bytes) {
            if (recent->hash != hash) {
                bytestream_conflict(work);
            }
            return;
        }
    }
    stream->recents[stream->recent_next++ % RECENT] = (struct bytestream_recent){
        .sequence = segment->tcp_sequence, .bytes = segment->payload_bytes, .hash = hash};
}

/* Where the segment lies. False: it is old, or too far away to be believed yet. */
static bool find_place(const struct bytestream_work *work, uint32_t sequence)
{
    struct bytestream *stream = work->stream;
    uint32_t wire = work->segment->payload_wire;
    int32_t distance = (int32_t)(sequence - stream->chunks.base);

    if (!stream->based) {
        stream->based = true;
        stream->chunks.base = sequence;
        return true;
    }
    if (stream->jumps && sequence == stream->jump && distance != 0) {
        bytestream_finish(work);
        stream->chunks.base = sequence;
        stream->jumps = false;
        stream->resync = !stream->renewed && stream->carries == CARRIES_SIP;
        if (stream->renewed) {
            stream->carries = CARRIES_UNKNOWN;
            stream->probed = 0;
        }
        return true;
    }
    if (distance > WINDOW_BYTES || distance < -WINDOW_BYTES) {
        if (!stream->jumps || !stream->renewed) {
            stream->jumps = true;
            stream->renewed = false;
            stream->jump = sequence + wire;
        }
        return false;
    }
    return distance >= 0 || (uint32_t)-distance < wire;
}

static void see_payload(const struct bytestream_work *work)
{
    struct bytestream *stream = work->stream;
    const struct datagram *segment = work->segment;
    uint32_t sequence = segment->tcp_sequence + ((segment->tcp_flags & TCP_SYN) != 0 ? 1 : 0);
    const uint8_t *at = segment->payload;
    uint32_t bytes = segment->payload_bytes;
    uint32_t hole = segment->payload_wire > bytes ? segment->payload_wire - bytes : 0;

    bool probe = bytes == 1 && stream->based && sequence + 1 == stream->chunks.base + stream->ready;
    if (probe) { /* TCP's own keep-alive repeats one byte, of any value */
        return;
    }
    compare_recent(work);
    if (!find_place(work, sequence)) {
        return;
    }
    stream->ending = false;
    uint32_t old = stream->chunks.base - sequence;
    if (old <= WINDOW_BYTES && old > 0) { /* told already */
        uint32_t gone = old < bytes ? old : bytes;
        hole = old > bytes ? hole - (old - bytes) : hole;
        at += gone;
        bytes -= gone;
        sequence += old;
    }
    if (bytes > 0) {
        bytestream_take(work, sequence, at, bytes);
    }
    if (hole > 0 && stream->chunks.base + stream->ready == sequence + bytes) {
        bytestream_remember(stream, segment);
        bytestream_give_up(work, hole, false); /* cut by the snap length: it will never come */
        bytestream_settle(work, segment->state_ns);
    }
    while (bytestream_gap_over(stream, segment->state_ns)) {
        bytestream_give_up_gap(work);
    }
    if (stream->carries == CARRIES_UNKNOWN && stream->probed + stream->ready >= PROBE_BYTES) {
        stream->carries = CARRIES_OTHER;
        bytestream_forget(work);
    }
}

static void see_syn(const struct bytestream_work *work)
{
    struct bytestream *stream = work->stream;
    uint32_t first = work->segment->tcp_sequence + 1;

    if (!stream->based) {
        stream->based = true;
        stream->chunks.base = first;
    } else if (first != stream->chunks.base) {
        stream->jumps = true;
        stream->renewed = true;
        stream->jump = first;
    }
}

static uint64_t direction_hash(const struct bytestream_table *table, const struct datagram *segment)
{
    int order = addr_compare(&segment->source, &segment->destination);
    bool up = order != 0 ? order < 0 : segment->source_port < segment->destination_port;

    return hash_mix(segment->flow_hash ^ table->options.key.seed, up ? 1 : 2);
}

static void see_acknowledgement(const struct bytestream_work *work)
{
    const struct bytestream_options *options = &work->table->options;
    struct bytestream *stream = work->stream;
    const struct datagram *segment = work->segment;
    uint32_t more = segment->tcp_acknowledgement - stream->acknowledged;

    if (stream->asked && (segment->tcp_flags & TCP_ACK) != 0 && more >= BYTESTREAM_ANSWER_BYTES &&
        more <= WINDOW_BYTES) {
        stream->asked = false;
        options->on_answered(options->owner, segment);
    }
}

bool bytestream_see(struct bytestream_table *table, const struct datagram *segment)
{
    struct bytestream_shard *shard = &table->shards[datagram_shard(segment)];
    uint64_t hash = direction_hash(table, segment);
    bool opens = segment->payload_bytes > 0 || (segment->tcp_flags & TCP_SYN) != 0;
    uint32_t cell = table_find(&shard->streams, hash);
    bool is_new = false;

    table->now_number = segment->number;
    if (cell == TABLE_NONE) {
        if (!opens) {
            return true;
        }
        struct prefix site = addr_site_prefix(&segment->source);
        cell = table_take(&shard->streams, hash, hash_addr(table->options.key, &site.addr),
                          segment->state_ns, &is_new);
    }
    struct bytestream_work work = bytestream_work_on(shard, cell, segment);
    struct bytestream *stream = work.stream;
    if (is_new) {
        stream->chunks.first = SLAB_NONE;
        stream->number = segment->number;
    }
    table_touch(&shard->streams, cell, segment->state_ns);
    stream->seen_ns = segment->state_ns;
    if ((segment->tcp_flags & TCP_SYN) != 0) {
        see_syn(&work);
    }
    see_acknowledgement(&work);
    bool renews = stream->jumps && stream->renewed && segment->tcp_sequence == stream->jump;
    if (segment->payload_bytes > 0 && (stream->carries != CARRIES_OTHER || renews)) {
        see_payload(&work);
    }
    if ((segment->tcp_flags & (TCP_FIN | TCP_RST)) != 0 && !stream->ending) {
        stream->ending = true;
        bytestream_remember(stream, segment);
        bytestream_wait(&work);
    }
    return stream->carries != CARRIES_OTHER;
}

/* --- marks and the end --- */
/* Heap sort by the number of the first packet: in place, and n log n whatever came. */
static void due_sift(struct bytestream_due *due, size_t from, size_t total)
{
    for (size_t child; (child = 2 * from + 1) < total; from = child) {
        if (child + 1 < total && due[child + 1].number > due[child].number) {
            child++;
        }
        if (due[from].number >= due[child].number) {
            return;
        }
        struct bytestream_due swap = due[from];
        due[from] = due[child];
        due[child] = swap;
    }
}

static void due_sort(struct bytestream_due *due, size_t total)
{
    for (size_t from = total / 2; from > 0; from--) {
        due_sift(due, from - 1, total);
    }
    for (size_t last = total; last > 1; last--) {
        struct bytestream_due swap = due[0];
        due[0] = due[last - 1];
        due[last - 1] = swap;
        due_sift(due, 0, last - 1);
    }
}

static bool is_over(const struct bytestream *stream, uint64_t now_ns)
{
    return (stream->ending && time_since(now_ns, stream->seen_ns) > GAP_NS) ||
           time_since(now_ns, stream->seen_ns) > SILENCE_NS;
}

/* Those whose time has come, in the order of their first packets. */
static size_t due_collect(struct bytestream_table *table, uint64_t now_ns)
{
    size_t total = 0;

    for (uint32_t shard = 0; shard < FLOW_SHARDS; shard++) {
        uint32_t cell = table->shards[shard].waits_first;
        while (cell != TABLE_NONE) {
            const struct bytestream *stream = bytestream_at(&table->shards[shard], cell);
            if (is_over(stream, now_ns) || bytestream_gap_over(stream, now_ns)) {
                table->due[total++] =
                    (struct bytestream_due){.number = stream->number, .shard = shard, .cell = cell};
            }
            cell = stream->waits_after;
        }
    }
    due_sort(table->due, total);
    return total;
}

static void run_due(struct bytestream_table *table, uint64_t now_ns)
{
    size_t total = due_collect(table, now_ns);

    for (size_t i = 0; i < total; i++) {
        struct bytestream_shard *shard = &table->shards[table->due[i].shard];
        uint32_t cell = table->due[i].cell;
        struct datagram last = bytestream_at(shard, cell)->last;
        struct bytestream_work work = bytestream_work_on(shard, cell, &last);
        last.number = work.stream->number;
        last.state_ns = now_ns;
        while (bytestream_gap_over(work.stream, now_ns)) {
            bytestream_give_up_gap(&work);
        }
        if (is_over(work.stream, now_ns)) {
            bool ended = work.stream->ending;
            bytestream_finish(&work);
            if (ended) {
                table_give(&shard->streams, cell);
            }
        }
    }
}

void bytestream_mark(struct bytestream_table *table, uint64_t mark_ns, uint64_t number)
{
    table->now_number = number;
    run_due(table, mark_ns);
}

void bytestream_end(struct bytestream_table *table)
{
    run_due(table, TIME_END);
}

/* --- open and close --- */
static uint32_t shard_part(size_t whole)
{
    size_t part = whole / FLOW_SHARDS;

    return part < 1 ? 1 : part > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)part;
}

static struct table_options table_options_of(const struct bytestream_options *options,
                                             struct bytestream_shard *shard)
{
    return (struct table_options){.name = "bytestream",
                                  .cells_max = shard_part(options->streams_max),
                                  .cell_bytes = sizeof(struct bytestream),
                                  .weak_ppm = STRONG_PPM,
                                  .on_evict = on_evict,
                                  .owner = shard};
}

static uint32_t cells_of(const struct bytestream_options *options)
{
    return shard_part(options->bytes_max / CHUNK_CELL_BYTES);
}

static enum status shard_open(struct bytestream_table *table, struct bytestream_shard *shard,
                              struct error *error)
{
    struct table_options options = table_options_of(&table->options, shard);

    shard->table = table;
    shard->waits_first = TABLE_NONE;
    shard->waits_last = TABLE_NONE;
    enum status status = table_open(&shard->streams, &options, error);
    if (status == STATUS_OK) {
        status = slab_open(&shard->slab, cells_of(&table->options), CHUNK_CELL_BYTES, error);
    }
    return status;
}

void bytestream_close(struct bytestream_table *table)
{
    if (table == NULL) {
        return;
    }
    for (uint32_t i = 0; i < FLOW_SHARDS; i++) {
        table_close(&table->shards[i].streams);
        slab_close(&table->shards[i].slab);
    }
    free(table->scratch);
    free(table->due);
    free(table);
}

enum status bytestream_open(const struct bytestream_options *options,
                            struct bytestream_table **out_table, struct error *error)
{
    struct bytestream_table *table = calloc(1, sizeof *table);
    size_t streams = (size_t)shard_part(options->streams_max) * FLOW_SHARDS;

    if (table == NULL) {
        return error_set(error, STATUS_FAILED, "", "no memory for TCP streams");
    }
    table->options = *options;
    table->scratch = malloc(SCRATCH_BYTES);
    table->due = malloc(streams * sizeof *table->due);
    enum status status = STATUS_OK;
    if (table->scratch == NULL || table->due == NULL) {
        status = error_set(error, STATUS_FAILED, "", "no memory for TCP streams");
    }
    for (uint32_t i = 0; i < FLOW_SHARDS && status == STATUS_OK; i++) {
        status = shard_open(table, &table->shards[i], error);
    }
    if (status != STATUS_OK) {
        bytestream_close(table);
        return status;
    }
    *out_table = table;
    return STATUS_OK;
}

size_t bytestream_bytes_max(const struct bytestream_options *options)
{
    struct table_options table = table_options_of(options, NULL);
    size_t streams = (size_t)shard_part(options->streams_max) * FLOW_SHARDS;
    size_t cells = (size_t)cells_of(options) * FLOW_SHARDS;

    return sizeof(struct bytestream_table) + SCRATCH_BYTES +
           streams * sizeof(struct bytestream_due) + FLOW_SHARDS * table_bytes_max(&table) +
           cells * (CHUNK_CELL_BYTES + sizeof(uint32_t));
}
