/* media.c - why it is built so.
 *
 * A worker counts a stream where it is seen and tells an interval every 5 s; here each of these is
 * joined to its call, given a clock and a codec, and scored. No packet crosses to here: the cost is
 * a few look-ups for 250 packets.
 *
 *   sighting --join--> call        figures of the sighting go out with the change;
 *            --SDP---> clock       an entry of 48 bytes remembers the join, the worst interval
 *            --RTCP--> round trip  and what the stream adds to its call
 *
 * The clock (docs/architecture.md): static types have theirs; a dynamic type has the one that the
 * receiver's description gives it (RFC 3264: a receiver's table is what is sent to it), else the
 * sender's own; without one the slope of its time stamps tells. The worker ran the jitter recursion
 * for all six rates, so the choice is an index.
 *
 * A call's figures are those of its closed streams, plus the open ones when it is told: the end of
 * a call is told 5 s after it, that of a stream up to 300 s later.
 *
 * Limits: streams beyond streams_max forget the longest idle, whose worst interval starts anew. */
#include "sensor/state/media_inside.h"

enum { CANDIDATE_PACKETS_MIN = 3, SRTP_TAG_BYTES = 10 };

/* --- open streams of a call --- */

static struct open_stream *stream_at(const struct media_table *table, uint32_t index)
{
    return table_at(&table->streams, index);
}

static void list_enter(struct media_table *table, uint32_t index)
{
    struct open_stream *stream = stream_at(table, index);
    struct call_cell *cell = call_cell_at(table->calls, stream->call);
    struct call_more *more = call_more_take(table->calls, cell);

    stream->before = TABLE_NONE;
    stream->after = more->streams_head;
    if (more->streams_head != TABLE_NONE) {
        stream_at(table, more->streams_head)->before = index;
    }
    more->streams_head = index;
    more->streams_open++;
    if (cell->queue == QUEUE_LINGER) {
        call_queue_move(table->calls, stream->call, QUEUE_STREAMS);
    }
}

static void count_up(uint16_t *count)
{
    *count = *count == UINT16_MAX ? UINT16_MAX : (uint16_t)(*count + 1);
}

static void add_figures(struct media_table *table, struct call_cell *cell,
                        const struct open_stream *stream)
{
    struct call_more *more = call_more_take(table->calls, cell);

    if ((cell->flags & CELL_TOLD) != 0) {
        return;
    }
    if (stream->mos_milli != 0) {
        more->mos_sum_milli += stream->mos_milli;
        count_up(&more->mos_count);
    }
    if (stream->loss_ppm > more->loss_ppm_max) {
        more->loss_ppm_max = stream->loss_ppm;
    }
    more->dtmf_events += stream->dtmf_events;
}

/* Out of the list of its call; the call that lost it, or TABLE_NONE. */
static uint32_t list_leave(struct media_table *table, uint32_t index)
{
    struct open_stream *stream = stream_at(table, index);
    uint32_t call = stream->call;

    stream->call = TABLE_NONE;
    if (call == TABLE_NONE) {
        return TABLE_NONE;
    }
    struct call_cell *cell = call_cell_at(table->calls, call);
    struct call_more *more = call_more_take(table->calls, cell);
    if (stream->before == TABLE_NONE) {
        more->streams_head = stream->after;
    } else {
        stream_at(table, stream->before)->after = stream->after;
    }
    if (stream->after != TABLE_NONE) {
        stream_at(table, stream->after)->before = stream->before;
    }
    more->streams_open--;
    add_figures(table, cell, stream);
    return call;
}

/* A told call that lost its last stream may go; others may go with it, so nothing of a call is held
 * meanwhile. */
static void let_linger(struct media_table *table, uint32_t call)
{
    if (call == TABLE_NONE) {
        return;
    }
    const struct call_cell *cell = call_cell_at(table->calls, call);
    if (call_more(table->calls, cell)->streams_open == 0 && cell->queue == QUEUE_STREAMS) {
        call_linger(table->calls, call);
    }
}

static void on_stream_evict(void *owner, uint32_t index, void *at)
{
    (void)at;
    let_linger(owner, list_leave(owner, index));
}

/* Hooks of the call table. */
static void on_figures(void *owner, uint32_t call)
{
    struct media_table *table = owner;
    struct call_cell *cell = call_cell_at(table->calls, call);

    for (uint32_t i = call_more(table->calls, cell)->streams_head; i != TABLE_NONE;
         i = stream_at(table, i)->after) {
        add_figures(table, cell, stream_at(table, i));
    }
}

static void on_release(void *owner, uint32_t call)
{
    struct media_table *table = owner;
    const struct call_cell *cell = call_cell_at(table->calls, call);

    /* What the call knows of them goes with it. */
    for (uint32_t i = call_more(table->calls, cell)->streams_head; i != TABLE_NONE;
         i = stream_at(table, i)->after) {
        stream_at(table, i)->call = TABLE_NONE;
    }
    endpoint_release(&table->endpoints, call);
}

/* --- clock and codec --- */

/* As stream_clock_rates of sighting.h, whose table lives in the workers' room. */
static uint8_t index_of_rate(uint32_t rate)
{
    switch (rate) {
    case 8000:
        return 0;
    case 16000:
        return 1;
    case 32000:
        return 2;
    case 44100:
        return 3;
    case 48000:
        return 4;
    case 90000:
        return 5;
    default:
        return STREAM_CLOCKS;
    }
}

/* What one end's description calls the payload type: the very endpoint, else any line of that side.
 */
static uint8_t codec_of_end(const struct media_table *table, const struct stream_sighting *sighting,
                            const struct open_stream *stream, bool receiver)
{
    bool from_caller = (stream->flags & OPEN_FROM_CALLER) != 0;
    enum endpoint_side side = receiver == from_caller ? ENDPOINT_CALLEE : ENDPOINT_CALLER;
    const struct endpoint_claim *claim = media_claim(table, &sighting->head, stream, receiver);
    uint8_t codec = CODEC_NONE;

    if (claim != NULL) {
        codec = endpoint_claim_codec(claim, sighting->payload_type);
    }
    return codec != CODEC_NONE
               ? codec
               : endpoint_codec(&table->endpoints, stream->call, side, sighting->payload_type);
}

static uint8_t codec_by_sdp(const struct media_table *table, const struct stream_sighting *sighting,
                            const struct open_stream *stream)
{
    uint8_t codec = codec_of_end(table, sighting, stream, true);

    return codec != CODEC_NONE ? codec : codec_of_end(table, sighting, stream, false);
}

static void clock_by_slope(const struct stream_sighting *sighting, struct media_stream *out)
{
    out->clock_rate = sighting->slope_rate;
    out->clock_index = index_of_rate(sighting->slope_rate);
    out->clock_basis = out->clock_index < STREAM_CLOCKS ? MEDIA_CLOCK_SLOPE : MEDIA_CLOCK_UNKNOWN;
}

static void name_codec(struct media_stream *out, const char *name)
{
    static_assert(sizeof out->codec == SDP_CODEC_BYTES, "names are cut alike");
    memcpy(out->codec, name, sizeof out->codec);
}

static void choose_clock(struct media_table *table, const struct stream_sighting *sighting,
                         struct open_stream *stream, struct media_stream *out)
{
    const struct sdp_format *fixed = sdp_static_format(sighting->payload_type);

    if (sighting->clock_is_static) {
        out->clock_rate = sighting->clock_rate;
        out->clock_index = 0;
        out->clock_basis = MEDIA_CLOCK_STATIC;
        if (fixed != NULL) {
            name_codec(out, fixed->codec);
        }
        return;
    }
    if (stream->codec_type != sighting->payload_type) {
        stream->codec = CODEC_NONE;
        stream->codec_type = sighting->payload_type;
    }
    if (stream->codec == CODEC_NONE && media_has_call(table, stream)) {
        stream->codec = codec_by_sdp(table, sighting, stream);
    }
    const struct codec *codec = codec_at(&table->calls->codecs, stream->codec);
    name_codec(out, codec->name);
    if (codec->clock_rate == 0) {
        clock_by_slope(sighting, out);
        return;
    }
    out->clock_rate = codec->clock_rate;
    out->clock_index = index_of_rate(codec->clock_rate);
    out->clock_basis = out->clock_index < STREAM_CLOCKS ? MEDIA_CLOCK_SDP : MEDIA_CLOCK_UNSUPPORTED;
}

/* --- quality --- */

static uint32_t ppm_of(uint64_t part, uint64_t whole)
{
    if (whole == 0) {
        return 0;
    }
    return part >= whole ? 1000000 : (uint32_t)(part * 1000000 / whole);
}

static void score(const struct stream_sighting *sighting, const struct media_stream *media,
                  const struct stream_counts *counts, const struct stream_jitter *variation,
                  struct quality_score *out_score)
{
    bool has_clock = media->clock_index < STREAM_CLOCKS;
    uint32_t bytes = sighting->payload_bytes_typical;
    bool tagged = media->security == SDP_SDES || media->security == SDP_DTLS;
    struct quality_input input = {
        .codec = media->codec,
        .packets = counts->packets,
        .expected = counts->expected,
        .lost = counts->lost + counts->late,
        .loss_runs = counts->loss_runs,
        .round_trip_ns = media->round_trip_mean_ns,
        .ptime_ns = (uint64_t)media->ptime_ms * NS_PER_MS,
        .variation_ns = has_clock ? variation[media->clock_index].mean_ns : UINT64_MAX,
        .payload_bytes = tagged && bytes > SRTP_TAG_BYTES ? bytes - SRTP_TAG_BYTES : bytes,
        .clock_rate = media->clock_rate,
    };

    quality_score(&input, out_score);
}

static uint16_t ptime_of(const struct media_table *table, const struct stream_sighting *sighting,
                         const struct open_stream *stream)
{
    uint32_t ms = (sighting->ptime_us + 500) / 1000;

    if (ms == 0) {
        const struct endpoint_claim *claim = media_claim(table, &sighting->head, stream, true);
        ms = claim != NULL ? claim->ptime_ms : 0;
    }
    return ms > UINT16_MAX ? UINT16_MAX : (uint16_t)ms;
}

static void read_rtcp(const struct media_table *table, const struct stream_sighting *sighting,
                      struct media_stream *out)
{
    struct roundtrip_view view;

    roundtrip_get(&table->roundtrips, &sighting->head.source, &sighting->head.destination,
                  sighting->ssrc, &view);
    out->round_trip_mean_ns = view.mean_ns;
    out->round_trip_max_ns = view.max_ns;
    out->rtcp_reports = view.reports;
    out->rtcp_lost = view.lost;
    out->rtcp_fraction_max = view.fraction_max;
    if (out->clock_rate != 0) {
        out->rtcp_jitter_max_ns = view.jitter_max * NS_PER_S / out->clock_rate;
    }
}

/* --- the call --- */

static void note_codec(struct media_table *table, struct call_more *more,
                       const struct stream_sighting *sighting, const struct media_stream *media)
{
    uint8_t number = codec_number(&table->calls->codecs, media->codec, media->clock_rate);
    uint8_t type = sighting->payload_type;

    for (unsigned i = 0; i < more->codec_count; i++) {
        if (more->codec_types[i] == type &&
            (more->codec_numbers[i] == number || more->codec_numbers[i] == CODEC_NONE)) {
            more->codec_numbers[i] = number;
            return;
        }
    }
    if (more->codec_count < CALL_CODECS) {
        more->codec_types[more->codec_count] = type;
        more->codec_numbers[more->codec_count] = number;
        more->codec_count++;
    }
}

static void note_in_call(struct media_table *table, const struct stream_sighting *sighting,
                         struct open_stream *stream, const struct media_stream *media)
{
    struct call_cell *cell = call_cell_at(table->calls, stream->call);
    uint64_t now_ns = sighting->head.state_ns;
    uint64_t last_ns = sighting->last_ns < now_ns ? sighting->last_ns : now_ns;

    stream->mos_milli = media->total.mos_milli;
    stream->loss_ppm = ppm_of(sighting->total.lost, sighting->total.expected);
    stream->dtmf_events = sighting->dtmf_events;
    if ((cell->flags & CELL_TOLD) != 0) {
        return;
    }
    struct call_more *more = call_more_take(table->calls, cell);
    if (last_ns > more->media_last_ns) {
        more->media_last_ns = last_ns;
    }
    if (more->first_rtp_ns == 0 || sighting->first_ns < more->first_rtp_ns) {
        more->first_rtp_ns = sighting->first_ns;
    }
    uint32_t mos_min = media->mos_min_milli;
    if (mos_min != 0 && (more->mos_min_milli == 0 || mos_min < more->mos_min_milli)) {
        more->mos_min_milli = (uint16_t)mos_min;
    }
    uint64_t jitter_ns =
        media->clock_index < STREAM_CLOCKS ? sighting->jitter[media->clock_index].max_ns : 0;
    if (jitter_ns > more->jitter_max_ns) {
        more->jitter_max_ns = jitter_ns > UINT32_MAX ? UINT32_MAX : (uint32_t)jitter_ns;
    }
    cell->flags |= media->from_caller ? CELL_FROM_CALLER : CELL_FROM_CALLEE;
    note_codec(table, more, sighting, media);
    call_touch(table->calls, stream->call, now_ns);
}

/* --- sightings --- */

/* Its receiver said that it only sends, or its sender that it only receives. */
static bool is_unexpected(const struct media_table *table, const struct stream_sighting *sighting,
                          const struct open_stream *stream)
{
    const struct endpoint_claim *to = media_claim(table, &sighting->head, stream, true);
    const struct endpoint_claim *from = media_claim(table, &sighting->head, stream, false);

    return (to != NULL && (to->direction == SDP_SENDONLY || to->direction == SDP_INACTIVE)) ||
           (from != NULL && (from->direction == SDP_RECVONLY || from->direction == SDP_INACTIVE));
}

/* Whose it is, and whether it ought to be heard. */
static void identify(struct media_table *table, const struct stream_sighting *sighting,
                     const struct open_stream *stream, struct media_stream *out)
{
    const struct sighting *head = &sighting->head;
    bool joined = media_has_call(table, stream);

    *out = (struct media_stream){
        .stream_number = sighting->stream_number,
        .source = {head->source, head->source_port},
        .destination = {head->destination, head->destination_port},
        .ssrc = sighting->ssrc,
        .clock_index = STREAM_CLOCKS,
        .payload_type = sighting->payload_type,
        .security = stream->security,
        .call_cell = joined ? stream->call : TABLE_NONE,
        .call_generation = joined ? stream->generation : 0,
        .expected_by_sdp = (stream->flags & OPEN_EXPECTED) != 0,
        .learned = (stream->flags & OPEN_LEARNED) != 0,
        .nat = (stream->flags & OPEN_NAT) != 0,
        .from_caller = (stream->flags & OPEN_FROM_CALLER) != 0,
        .is_new = sighting->index == 0 && (stream->flags & OPEN_BEGUN) == 0,
        .silent_ns = stream->silent_ns,
    };
    if (joined) {
        uint32_t flags = call_cell_at(table->calls, stream->call)->flags;
        out->held = is_unexpected(table, sighting, stream) ||
                    (flags & (CELL_HELD_CALLER | CELL_HELD_CALLEE)) != 0;
    }
}

static void fill(struct media_table *table, const struct stream_sighting *sighting,
                 struct open_stream *stream, struct media_stream *out)
{
    const struct endpoint_claim *to = media_claim(table, &sighting->head, stream, true);

    stream->security = to != NULL ? to->security : stream->security;
    stream->silent_ns = sighting->event == STREAM_SILENT ? sighting->last_ns : stream->silent_ns;
    identify(table, sighting, stream, out);
    choose_clock(table, sighting, stream, out);
    read_rtcp(table, sighting, out);
    out->ptime_ms = ptime_of(table, sighting, stream);
    score(sighting, out, &sighting->interval, sighting->interval_variation, &out->interval);
    score(sighting, out, &sighting->total, sighting->variation, &out->total);
    uint32_t interval = out->interval.mos_milli;
    if (interval != 0 && (stream->mos_min_milli == 0 || interval < stream->mos_min_milli)) {
        stream->mos_min_milli = interval;
    }
    out->mos_min_milli = stream->mos_min_milli;
}

static void put(struct media_table *table, const struct stream_sighting *sighting,
                struct media_stream *media, enum change_kind kind, bool forced)
{
    const struct sighting *head = &sighting->head;
    struct change change = {
        .kind = (uint8_t)kind,
        .forced = forced,
        .time_ns = head->state_ns,
        .number = (head->key & 1) != 0 ? sighting_number(head) : 0,
        .stream_sighting = sighting,
        .stream = media,
    };

    if (media->call_cell != TABLE_NONE) {
        media->call = call_view_make(table->calls, media->call_cell);
        change.call = media->call;
    }
    table->sink.on_change(table->sink.owner, &change);
}

/* The entry of a stream; one that was never told before needs none to be told at its end. */
static uint32_t entry_of(struct media_table *table, const struct stream_sighting *sighting)
{
    uint64_t hash = hash_mix(table->key.seed, sighting->stream_number);
    bool ends = sighting->event == STREAM_ENDED || sighting->event == STREAM_CANDIDATE;
    uint32_t index = table_find(&table->streams, hash);
    bool is_new;

    if (index == TABLE_NONE && !ends) {
        index = table_take(&table->streams, hash, 0, sighting->head.state_ns, &is_new);
        struct open_stream *stream = stream_at(table, index);
        stream->call = TABLE_NONE;
        stream->codec_type = UINT8_MAX;
    } else if (index != TABLE_NONE) {
        table_touch(&table->streams, index, sighting->head.state_ns);
    }
    return index;
}

/* Its call is over for so long that these packets are somebody else's. */
static bool outlives_call(const struct media_table *table, const struct stream_sighting *sighting,
                          const struct open_stream *stream)
{
    const struct call_cell *cell = call_cell_at(table->calls, stream->call);

    return sighting->event == STREAM_INTERVAL && (cell->flags & CELL_OVER) != 0 &&
           sighting->interval_from_ns > time_add(cell->ended_ns, CALL_LATE_NS);
}

static void join(struct media_table *table, const struct stream_sighting *sighting, uint32_t index,
                 struct open_stream *stream)
{
    bool joined = media_has_call(table, stream);

    if (joined && !outlives_call(table, sighting, stream)) {
        return;
    }
    struct open_stream found = *stream;
    if (!media_join(table, sighting, &found)) {
        return;
    }
    uint32_t left = index == TABLE_NONE ? TABLE_NONE : list_leave(table, index);
    stream->call = found.call;
    stream->generation = found.generation;
    stream->security = found.security;
    stream->flags = found.flags;
    count_up(&call_more_take(table->calls, call_cell_at(table->calls, stream->call))->streams);
    if (index != TABLE_NONE) {
        list_enter(table, index);
        let_linger(table, left);
    }
}

/* It began, or is heard again: for detectors alone. What it is to its call is found once more, and
 * remembered, when it tells figures: more descriptions may be known by then. */
static void see_turn(struct media_table *table, const struct stream_sighting *sighting)
{
    bool begins = sighting->event == STREAM_BEGUN;
    enum change_kind kind = begins ? CHANGE_STREAM_BEGUN : CHANGE_STREAM_RESUMED;
    struct open_stream *stream = stream_at(table, entry_of(table, sighting));
    struct media_stream media;

    if ((table->sink.unwanted >> kind & 1) != 0) {
        return;
    }
    struct open_stream found = *stream;
    if (!media_has_call(table, stream) && !media_join(table, sighting, &found)) {
        return;
    }
    identify(table, sighting, &found, &media);
    stream->flags |= begins ? OPEN_BEGUN : 0;
    put(table, sighting, &media, kind, false);
}

void media_see_stream(struct media_table *table, const struct stream_sighting *sighting,
                      bool forced)
{
    static const enum change_kind kinds[] = {
        [STREAM_INTERVAL] = CHANGE_STREAM_INTERVAL, [STREAM_SILENT] = CHANGE_STREAM_SILENT,
        [STREAM_BEGUN] = CHANGE_STREAM_BEGUN,       [STREAM_RESUMED] = CHANGE_STREAM_RESUMED,
        [STREAM_ENDED] = CHANGE_STREAM_ENDED,       [STREAM_CANDIDATE] = CHANGE_STREAM_ENDED,
    };
    bool candidate = sighting->event == STREAM_CANDIDATE;
    struct open_stream passing = {.call = TABLE_NONE, .codec_type = UINT8_MAX};

    if (candidate && sighting->total.packets < CANDIDATE_PACKETS_MIN) {
        return;
    }
    if (sighting->event == STREAM_BEGUN || sighting->event == STREAM_RESUMED) {
        see_turn(table, sighting);
        return;
    }
    uint32_t index = entry_of(table, sighting);
    struct open_stream *stream = index == TABLE_NONE ? &passing : stream_at(table, index);
    join(table, sighting, index, stream);
    if (candidate && !media_has_call(table, stream)) {
        return;
    }
    struct media_stream media;
    fill(table, sighting, stream, &media);
    if (media.call_cell != TABLE_NONE) {
        note_in_call(table, sighting, stream, &media);
    }
    put(table, sighting, &media, kinds[sighting->event], forced);
    if (media_has_call(table, stream)) {
        media_note_sound(table, sighting, stream);
    }
    if (sighting->event != STREAM_ENDED && !candidate) {
        return;
    }
    if (index != TABLE_NONE) {
        let_linger(table, list_leave(table, index));
        table_give(&table->streams, index);
    } else if (media_has_call(table, stream)) {
        add_figures(table, call_cell_at(table->calls, stream->call), stream);
    }
}

void media_see_rtcp(struct media_table *table, const struct rtcp_sighting *sighting)
{
    uint64_t now_ns = sighting->head.state_ns;

    roundtrip_see(&table->roundtrips, sighting);
    uint32_t call = media_call_of_rtcp(table, &sighting->head);
    if (call != TABLE_NONE) {
        struct call_more *more = call_more_take(table->calls, call_cell_at(table->calls, call));
        more->media_last_ns = now_ns > more->media_last_ns ? now_ns : more->media_last_ns;
        call_touch(table->calls, call, now_ns);
    }
}

void media_mark(struct media_table *table, uint64_t mark_s, uint64_t shift_ns)
{
    roundtrip_mark(&table->roundtrips, mark_s, shift_ns);
}

/* --- open and close --- */

static struct table_options streams_of(const struct media_limits *limits, struct media_table *table)
{
    return (struct table_options){
        .name = "streams",
        .cells_max = limits->streams_max,
        .cell_bytes = sizeof(struct open_stream),
        .on_evict = on_stream_evict,
        .owner = table,
    };
}

enum status media_open(const struct media_limits *limits, struct call_table *calls,
                       struct change_sink sink, struct media_table **out_table, struct error *error)
{
    struct media_table *table = calloc(1, sizeof *table);

    if (table == NULL) {
        return error_system(error, STATUS_FAILED, "media", "no memory for the table of streams");
    }
    table->calls = calls;
    table->sink = sink;
    table->key = limits->key;
    struct table_options options = streams_of(limits, table);
    enum status status = table_open(&table->streams, &options, error);
    if (status != STATUS_OK) {
        goto free_table;
    }
    status = endpoint_open(limits->endpoints_max, limits->key, calls, &table->endpoints, error);
    if (status != STATUS_OK) {
        goto close_streams;
    }
    status = roundtrip_open(limits->streams_max, limits->key, &table->roundtrips, error);
    if (status != STATUS_OK) {
        goto close_endpoints;
    }
    calls->on_figures = on_figures;
    calls->on_release = on_release;
    calls->on_judge = media_judge;
    calls->media = table;
    *out_table = table;
    return STATUS_OK;

close_endpoints:
    endpoint_close(&table->endpoints);
close_streams:
    table_close(&table->streams);
free_table:
    free(table);
    return status;
}

void media_close(struct media_table *table)
{
    if (table == NULL) {
        return;
    }
    roundtrip_close(&table->roundtrips);
    endpoint_close(&table->endpoints);
    table_close(&table->streams);
    free(table);
}

size_t media_bytes_max(const struct media_limits *limits)
{
    struct table_options options = streams_of(limits, NULL);

    return sizeof(struct media_table) + table_bytes_max(&options) +
           endpoint_bytes_max(limits->endpoints_max) + roundtrip_bytes_max(limits->streams_max);
}

uint64_t media_evicted(const struct media_table *table)
{
    return table->streams.evicted + table->endpoints.claims.evicted +
           table->roundtrips.entries.evicted;
}

uint32_t media_used(const struct media_table *table)
{
    return table->streams.used;
}
