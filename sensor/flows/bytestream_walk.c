/* bytestream_walk.c - the bytes of one direction: held, put together, cut into messages.
 *
 * Framing is asked again only when there is a reason: the rest of a body has come, or a line (while
 * there is no start line) or an empty line (while the headers are not whole). So the work stays
 * linear however a sender cuts its bytes: 64 KiB of headers in segments of one byte cost one look
 * at each byte, not 64 Ki looks at all.
 *
 * Behind a gap that is given up, the message before it tells by its Content-Length where the next
 * one begins; where that lies inside the gap, or the headers were not whole, the next start line is
 * searched. */
#include "sensor/flows/bytestream_inside.h"

/* --- the list of those that wait --- */
static void waits_leave(const struct bytestream_work *work)
{
    struct bytestream_shard *shard = work->shard;
    struct bytestream *stream = work->stream;

    if (!stream->waits) {
        return;
    }
    if (stream->waits_before == TABLE_NONE) {
        shard->waits_first = stream->waits_after;
    } else {
        bytestream_at(shard, stream->waits_before)->waits_after = stream->waits_after;
    }
    if (stream->waits_after == TABLE_NONE) {
        shard->waits_last = stream->waits_before;
    } else {
        bytestream_at(shard, stream->waits_after)->waits_before = stream->waits_before;
    }
    stream->waits = false;
}

void bytestream_wait(const struct bytestream_work *work)
{
    struct bytestream_shard *shard = work->shard;
    struct bytestream *stream = work->stream;

    waits_leave(work);
    stream->waits = true;
    stream->waits_after = TABLE_NONE;
    stream->waits_before = shard->waits_last;
    if (shard->waits_last == TABLE_NONE) {
        shard->waits_first = work->cell;
    } else {
        bytestream_at(shard, shard->waits_last)->waits_after = work->cell;
    }
    shard->waits_last = work->cell;
}

/* --- framing --- */
struct walk {
    const uint8_t *at;
    uint32_t bytes;
    uint32_t done;
    bool held; /* `at` is a copy: the chunks know when a byte came, */
    uint32_t
        news_from; /* but of these the segment at work: they may share a chunk with older ones */
    uint32_t news_to;
};

static void tell(const struct bytestream_work *work, const struct walk *walk, uint32_t bytes,
                 bool cut)
{
    const struct bytestream_options *options = &work->table->options;
    struct bytestream *stream = work->stream;
    bool is_new = !walk->held || (walk->done >= walk->news_from && walk->done < walk->news_to);
    uint64_t first_byte_ns = is_new ? work->segment->time_ns
                                    : chunks_time(&work->shard->slab, &stream->chunks, walk->done);

    options->on_message(options->owner, work->segment, walk->at + walk->done, bytes, cut,
                        stream->resync, first_byte_ns);
    stream->resync = false;
    stream->asked = (work->segment->tcp_flags & TCP_ACK) != 0 &&
                    !slice_starts_with(slice_of(walk->at + walk->done, bytes), SLICE("SIP/"));
    stream->acknowledged = work->segment->tcp_acknowledgement;
}

/* An empty line in these bytes, which follow those before: CRLF CRLF, LF LF, or CR CR where lines
 * end so. Elsewhere CR CR would have framing look at all headers again, for each segment that has one. */
static bool scan_blank(struct bytestream *stream, const uint8_t *at, uint32_t bytes)
{
    uint8_t tail = stream->tail;
    uint8_t ends = stream->line_ends;
    bool blank = false;

    for (uint32_t i = 0; i < bytes; i++) {
        if (at[i] == '\n') {
            blank = blank || tail == TAIL_LF || tail == TAIL_LF_CR;
            tail = TAIL_LF;
            ends = ends == LINE_ENDS_UNKNOWN ? LINE_ENDS_LF : ends;
        } else if (at[i] == '\r') {
            blank = blank || (tail == TAIL_CR && ends != LINE_ENDS_LF);
            tail = tail == TAIL_LF || tail == TAIL_LF_CR ? TAIL_LF_CR : TAIL_CR;
        } else {
            ends = ends == LINE_ENDS_UNKNOWN && tail == TAIL_CR ? LINE_ENDS_CR : ends;
            tail = TAIL_TEXT;
        }
    }
    stream->tail = tail;
    stream->line_ends = ends;
    return blank;
}

/* A start line stands at walk->done. Returns false where more bytes are needed. */
static bool take_message(const struct bytestream_work *work, struct walk *walk,
                         const struct sip_frame *frame)
{
    struct bytestream *stream = work->stream;
    uint32_t left = walk->bytes - walk->done;

    if (frame->header_bytes == 0) {
        if (left <= SIP_MESSAGE_BYTES_MAX) {
            stream->want = WANT_BLANK;
            stream->tail = TAIL_TEXT;
            stream->line_ends = LINE_ENDS_UNKNOWN;
            (void)scan_blank(stream, walk->at + walk->done, left);
            return false;
        }
        tell(work, walk, SIP_MESSAGE_BYTES_MAX, true);
        stream->resync = true;
        walk->done += SIP_MESSAGE_BYTES_MAX;
    } else if (frame->message_bytes > SIP_MESSAGE_BYTES_MAX) {
        uint32_t skip = frame->message_bytes - frame->header_bytes;
        tell(work, walk, frame->header_bytes, false);
        stream->skip = skip <= SKIP_BYTES_MAX ? skip : 0;
        walk->done += frame->header_bytes;
    } else if (frame->whole) {
        tell(work, walk, frame->message_bytes, false);
        walk->done += frame->message_bytes;
    } else {
        stream->want = WANT_BYTES;
        stream->need = frame->message_bytes;
        return false;
    }
    return true;
}

static bool is_sip_port(const struct datagram *segment)
{
    return segment->source_port == 5060 || segment->destination_port == 5060 ||
           segment->source_port == 5061 || segment->destination_port == 5061;
}

/* Tells all whole messages; walk->done is how many bytes are used up. */
static void walk_messages(const struct bytestream_work *work, struct walk *walk)
{
    struct bytestream *stream = work->stream;

    stream->want = WANT_LINE;
    while (walk->done < walk->bytes) {
        uint32_t left = walk->bytes - walk->done;
        if (stream->skip > 0) {
            uint32_t skip = stream->skip < left ? stream->skip : left;
            stream->skip -= skip;
            walk->done += skip;
            continue;
        }
        struct sip_frame frame;
        /* Where it is not sure that a message begins, the shape of one is not enough. */
        bool known =
            !stream->resync && (stream->carries == CARRIES_SIP || is_sip_port(work->segment));
        enum reason reason = sip_frame_next(walk->at + walk->done, left, known, &frame);
        walk->done += frame.skip;
        if (stream->carries == CARRIES_SIP) {
            for (uint32_t i = 0; i < frame.keepalives; i++) {
                bytestream_count(work, REASON_KEEPALIVE);
            }
            stream->resync = stream->resync || frame.lost;
        } else {
            stream->probed += frame.skip;
        }
        if (reason != REASON_NONE) {
            return; /* no start line yet, or none at all in what was skipped */
        }
        if (stream->carries != CARRIES_SIP) {
            stream->carries = CARRIES_SIP;
            table_strengthen(&work->shard->streams, work->cell);
        }
        if (!take_message(work, walk, &frame)) {
            return;
        }
    }
}

/* --- what is held --- */
/* Brings the clocks up to date with what is held. */
void bytestream_settle(const struct bytestream_work *work, uint64_t now_ns)
{
    struct bytestream *stream = work->stream;
    uint32_t ready = chunks_ready(&work->shard->slab, &stream->chunks);

    if (stream->chunks.bytes == ready) {
        stream->gap_ns = 0;
    } else if (stream->gap_ns == 0 || ready != stream->ready) { /* another gap than before */
        stream->gap_ns = now_ns;
    }
    stream->ready = ready;
    if (stream->chunks.bytes == 0 && !stream->ending) {
        waits_leave(work);
    }
}

void bytestream_forget(const struct bytestream_work *work)
{
    chunks_clear(&work->shard->slab, &work->stream->chunks);
    work->stream->want = WANT_LINE;
    work->stream->ready = 0;
    bytestream_settle(work, 0);
}

/* Asks framing about what lies ready; keeps the rest. The segment at work brought [news_from,
 * news_to). */
static void walk_held(const struct bytestream_work *work, uint32_t news_from, uint32_t news_to)
{
    struct bytestream *stream = work->stream;
    struct walk walk = {.at = work->table->scratch,
                        .bytes = stream->ready,
                        .held = true,
                        .news_from = news_from,
                        .news_to = news_to};

    chunks_copy(&work->shard->slab, &stream->chunks, work->table->scratch, stream->ready);
    walk_messages(work, &walk);
    chunks_drop(&work->shard->slab, &stream->chunks, walk.done, work->segment->time_ns);
    stream->ready -= walk.done;
    bytestream_settle(work, work->segment->state_ns);
}

void bytestream_give_up(const struct bytestream_work *work, uint32_t lost, bool resync)
{
    struct bytestream *stream = work->stream;
    uint32_t bytes = stream->ready;
    uint32_t rest = stream->want == WANT_BYTES && stream->need > bytes ? stream->need - bytes : 0;

    if (bytes > 0 && stream->carries == CARRIES_SIP && stream->skip == 0) {
        struct walk walk = {.at = work->table->scratch, .bytes = bytes, .held = true};
        chunks_copy(&work->shard->slab, &stream->chunks, work->table->scratch, bytes);
        if (sip_recognise(walk.at, bytes, false, true) == REASON_NONE) {
            tell(work, &walk, bytes < SIP_MESSAGE_BYTES_MAX ? bytes : SIP_MESSAGE_BYTES_MAX, true);
            stream->skip = rest; /* what the message still had */
        }
    }
    chunks_drop(&work->shard->slab, &stream->chunks, bytes + lost, work->segment->time_ns);
    if (stream->carries == CARRIES_SIP && resync && (lost == 0 || lost > stream->skip)) {
        stream->resync = true;
    }
    stream->skip = stream->skip > lost ? stream->skip - lost : 0;
    stream->want = WANT_LINE;
    stream->ready = 0;
}

/* The stream ends here: by silence, by another one in its place, by want of room. */
void bytestream_finish(const struct bytestream_work *work)
{
    bytestream_give_up(work, 0, false);
    work->stream->ending = false;
    work->stream->skip = 0;
    bytestream_forget(work);
}

/* Room for one more chunk: who has waited longest without a segment gives its own. */
static bool make_room(const struct bytestream_work *work)
{
    uint32_t victim = work->shard->waits_first;

    while (victim != TABLE_NONE &&
           (victim == work->cell || bytestream_at(work->shard, victim)->chunks.bytes == 0)) {
        victim = bytestream_at(work->shard, victim)->waits_after;
    }
    bytestream_count(work, REASON_BYTESTREAM_BYTES);
    if (victim == TABLE_NONE) {
        return false;
    }
    struct datagram last = bytestream_at(work->shard, victim)->last;
    struct bytestream_work other = bytestream_work_on(work->shard, victim, &last);
    last.number = work->table->now_number;
    bytestream_give_up(&other, 0, true);
    other.stream->skip = 0;
    bytestream_forget(&other);
    return true;
}

/* --- segments --- */
void bytestream_remember(struct bytestream *stream, const struct datagram *segment)
{
    stream->last = *segment;
    stream->last.payload = NULL;
    stream->last.payload_bytes = 0;
    stream->last.payload_wire = 0;
    stream->last.ip = NULL;
    stream->last.ip_bytes = 0;
}

/* Holds bytes; where there is no room at all the stream gives up what it had. */
static bool hold(const struct bytestream_work *work, uint32_t sequence, const uint8_t *at,
                 uint32_t bytes)
{
    struct bytestream *stream = work->stream;
    bool conflict = false;
    bool append = sequence - stream->chunks.base == stream->ready;
    enum chunks_result result;

    do {
        result = chunks_hold(&work->shard->slab, &stream->chunks, sequence, at, bytes,
                             work->segment->time_ns, append, &conflict);
    } while (result == CHUNKS_NO_CELL && make_room(work));
    if (conflict) {
        bytestream_conflict(work);
    }
    bytestream_remember(stream, work->segment);
    bytestream_wait(work);
    if (result == CHUNKS_HELD) {
        return true;
    }
    if (result == CHUNKS_TOO_MANY) {
        bytestream_count(work, REASON_BYTESTREAM_BYTES);
    }
    bytestream_give_up(work, 0, true);
    stream->skip = 0;
    stream->chunks.base = sequence + bytes;
    bytestream_forget(work);
    return false;
}

/* Bytes in order while nothing is held: framing looks at the segment itself. */
static void see_direct(const struct bytestream_work *work, const uint8_t *at, uint32_t bytes)
{
    struct bytestream *stream = work->stream;
    struct walk walk = {.at = at, .bytes = bytes};

    walk_messages(work, &walk);
    stream->chunks.base += walk.done;
    if (walk.done < bytes && hold(work, stream->chunks.base, at + walk.done, bytes - walk.done)) {
        bytestream_settle(work, work->segment->state_ns);
    }
}

/* `at` are bytes that have just become ready; `several`: chunks behind a filled gap became so with
 * them. */
static bool is_worth_asking(struct bytestream *stream, const uint8_t *at, uint32_t bytes,
                            bool several)
{
    switch ((enum want)stream->want) {
    case WANT_BYTES:
        return stream->ready >= stream->need;
    case WANT_BLANK:
        return scan_blank(stream, at, bytes) || several || stream->ready > SIP_MESSAGE_BYTES_MAX;
    case WANT_LINE:
    default:
        return several || stream->skip > 0 || stream->ready >= PROBE_BYTES ||
               memchr(at, '\n', bytes) != NULL || memchr(at, '\r', bytes) != NULL;
    }
}

/* Bytes that have to be held first: others are held already, or there is a gap before these. */
static void see_held(const struct bytestream_work *work, uint32_t sequence, const uint8_t *at,
                     uint32_t bytes)
{
    struct bytestream *stream = work->stream;
    uint32_t offset = sequence - stream->chunks.base;
    uint32_t before = stream->ready;

    if (!hold(work, sequence, at, bytes)) {
        return;
    }
    bytestream_settle(work, work->segment->state_ns);
    if (stream->ready > before) {
        uint32_t old = before - offset; /* the segment reaches back to what was ready */
        bool several = stream->ready != offset + bytes;
        if (is_worth_asking(stream, at + old, bytes - old, several)) {
            walk_held(work, before, offset + bytes);
        }
    }
}

void bytestream_take(const struct bytestream_work *work, uint32_t sequence, const uint8_t *at,
                     uint32_t bytes)
{
    if (work->stream->chunks.bytes == 0 && sequence == work->stream->chunks.base) {
        see_direct(work, at, bytes);
    } else {
        see_held(work, sequence, at, bytes);
    }
}

/* --- gaps --- */
bool bytestream_gap_over(const struct bytestream *stream, uint64_t now_ns)
{
    return stream->gap_ns != 0 && (stream->chunks.bytes - stream->ready > GAP_BYTES ||
                                   time_since(now_ns, stream->gap_ns) > GAP_NS);
}

/* The gap will not be filled: the message in it is cut, and what lies behind it begins anew. */
void bytestream_give_up_gap(const struct bytestream_work *work)
{
    struct bytestream *stream = work->stream;

    bytestream_give_up(work, chunks_gap(&work->shard->slab, &stream->chunks), true);
    stream->gap_ns = 0;
    bytestream_settle(work, work->segment->state_ns);
    walk_held(work, 0, 0);
}
