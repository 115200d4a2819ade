/* media_sound.c - why it is built so.
 *
 * What a stream tells of its call besides quality: that this direction is heard (call_sound.c). A
 * direction is the sum of its streams, on all hops that we see, of audio only: a picture that comes
 * through says nothing of the voice.
 *
 * A stream whose destination nobody named is stray: its sender talks to a port where nobody said
 * that he listens. That is also how media behind NAT looks, where the destination is what the far
 * end was seen to send from; who judges tells them apart by the ends of the other direction.
 *
 * Two calls that are up may name the same endpoints (legs of a PBX that lets the phones talk to each
 * other directly): what flows there joins one of them, and nothing is known of the other.
 *
 * A port may go on under another call (attended transfer, a B2BUA that keeps its ports). Then what
 * is heard behind the end belongs to that call and proves nothing about this one. */
#include "sensor/state/media_inside.h"

#define INTERVAL_NS_MAX (60 * NS_PER_S) /* it is five seconds, and stamps may be out of order */

static bool is_audio(const struct endpoint_claim *to, const struct endpoint_claim *from)
{
    return (to == NULL || to->kind == SDP_AUDIO) && (from == NULL || from->kind == SDP_AUDIO);
}

/* Another call that is up has named it. */
static bool is_shared(const struct media_table *table, const struct endpoint *endpoint,
                      uint32_t call)
{
    struct endpoint_found found;

    endpoint_find(&table->endpoints, endpoint, &found);
    for (uint32_t i = 0; i < found.count; i++) {
        uint32_t other = found.claims[i]->call;
        if (other != call && (call_cell_at(table->calls, other)->flags & CELL_OVER) == 0) {
            return true;
        }
    }
    return false;
}

static uint32_t end_hash(const struct media_table *table, const struct endpoint *endpoint)
{
    return (uint32_t)hash_mix(hash_addr(table->key, &endpoint->addr), endpoint->port);
}

/* Where the clock jumped in the middle of an interval nobody knows which of its packets lie behind
 * anything. */
static bool time_jumped(const struct call_heard *heard)
{
    return time_since(heard->last_ns, heard->from_ns) > INTERVAL_NS_MAX;
}

/* What the packets of a stream of this call say; false: nothing of its voice. */
static bool hear(const struct media_table *table, const struct sighting *head,
                 const struct open_stream *stream, const struct call_sound *sound,
                 struct call_heard *out)
{
    const struct endpoint_claim *to = media_claim(table, head, stream, true);
    const struct endpoint_claim *from = media_claim(table, head, stream, false);
    struct endpoint source = {head->source, head->source_port};
    struct endpoint destination = {head->destination, head->destination_port};

    out->mark_s = (uint32_t)time_second(head->state_ns);
    out->from = end_hash(table, &source);
    out->to = end_hash(table, &destination);
    out->from_caller = (stream->flags & OPEN_FROM_CALLER) != 0;
    out->stray = to == NULL;
    return is_audio(to, from) && !time_jumped(out) &&
           (sound->accepted_ns == 0 || (!is_shared(table, &source, stream->call) &&
                                        !is_shared(table, &destination, stream->call)));
}

void media_note_sound(struct media_table *table, const struct stream_sighting *sighting,
                      const struct open_stream *stream)
{
    bool counts = sighting->event == STREAM_INTERVAL || sighting->event == STREAM_ENDED;
    struct call_table *calls = table->calls;
    struct call_sound *sound = call_sound_of(calls, call_cell_at(calls, stream->call));

    if (sound == NULL || !counts || sighting->interval.packets == 0) {
        return;
    }
    uint64_t packets = sighting->interval.packets;
    struct call_heard heard = {
        .from_ns = sighting->interval_from_ns,
        .last_ns = sighting->last_ns,
        .packets = packets > UINT16_MAX ? UINT16_MAX : (uint32_t)packets,
    };
    if (!hear(table, &sighting->head, stream, sound, &heard)) {
        return;
    }
    if (call_sound_hear(sound, &heard)) {
        call_sound_tell_torn(calls, stream->call, sighting->head.state_ns);
    } else if (call_sound_wonders(sound)) {
        call_sound_watch(calls, stream->call);
    }
}

/* The stream with its call; one that has told no interval yet is joined for this moment. */
static bool find_call(struct media_table *table, const struct alive_stream *one,
                      struct stream_sighting *sighting, struct open_stream *out)
{
    uint32_t index = table_find(&table->streams, hash_mix(table->key.seed, one->stream_number));

    if (index == TABLE_NONE) {
        return false;
    }
    const struct open_stream *stream = table_at(&table->streams, index);
    *out = *stream;
    sighting->head.source = one->source;
    sighting->head.destination = one->destination;
    sighting->head.source_port = one->source_port;
    sighting->head.destination_port = one->destination_port;
    sighting->first_ns = one->from_ns;
    sighting->last_ns = one->last_ns;
    return media_has_call(table, out) || media_join(table, sighting, out);
}

/* Few calls are watched, mostly none, and many streams are alive. */
void media_see_alive(struct media_table *table, const struct alive_sighting *alive)
{
    struct call_table *calls = table->calls;
    struct stream_sighting sighting;

    if (calls->watch_count == 0) {
        return;
    }
    memset(&sighting, 0, sizeof sighting);
    sighting.head.state_ns = alive->head.state_ns;
    for (uint32_t i = 0; i < alive->stream_count; i++) {
        const struct alive_stream *one = &alive->streams[i];
        struct open_stream stream;
        if (!find_call(table, one, &sighting, &stream)) {
            continue;
        }
        struct call_watch *watch = call_sound_watched(calls, stream.call);
        struct call_heard heard = {.from_ns = one->from_ns,
                                   .last_ns = one->last_ns,
                                   .packets =
                                       one->packets > UINT16_MAX ? UINT16_MAX : one->packets};
        if (watch != NULL && hear(table, &sighting.head, &stream,
                                  call_sound_of(calls, call_cell_at(calls, stream.call)), &heard)) {
            call_sound_hear_so_far(calls, watch, &heard);
        }
    }
}

/* What a side said of its audio, over all its descriptions: what one of them rules out is not
 * expected. */
static uint8_t side_of(const struct media_table *table, uint32_t call, uint8_t side)
{
    uint8_t flags = CALL_SIDE_SENDS | CALL_SIDE_RECEIVES;

    for (uint32_t i = call_cell_at(table->calls, call)->endpoints; i != TABLE_NONE;) {
        const struct endpoint_claim *claim = table_at(&table->endpoints.claims, i);
        uint32_t index = i;
        i = claim->next;
        if (claim->side != side || claim->kind != SDP_AUDIO ||
            (claim->flags & ENDPOINT_RTCP) != 0) {
            continue;
        }
        bool alias = (claim->flags & ENDPOINT_ALIAS) != 0;
        bool secure = claim->security == SDP_SDES || claim->security == SDP_DTLS;
        bool mute = claim->direction == SDP_RECVONLY || claim->direction == SDP_INACTIVE;
        bool deaf = claim->direction == SDP_SENDONLY || claim->direction == SDP_INACTIVE;
        flags |= CALL_SIDE_NAMED;
        flags |= endpoint_is_shared(&table->endpoints, index) ? CALL_SIDE_SHARED : 0;
        flags |= alias ? CALL_SIDE_HIDDEN : 0;
        flags |= secure ? CALL_SIDE_SECURE : 0;
        flags &= (uint8_t) ~(mute ? CALL_SIDE_SENDS : 0);
        flags &= (uint8_t) ~(deaf ? CALL_SIDE_RECEIVES : 0);
    }
    return flags;
}

void media_judge(void *owner, uint32_t call)
{
    struct media_table *table = owner;
    struct call_sound *sound = call_sound_of(table->calls, call_cell_at(table->calls, call));

    sound->sides[0] = side_of(table, call, ENDPOINT_CALLER);
    sound->sides[1] = side_of(table, call, ENDPOINT_CALLEE);
}
