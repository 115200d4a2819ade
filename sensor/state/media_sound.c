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

void media_note_sound(struct media_table *table, const struct stream_sighting *sighting,
                      const struct open_stream *stream)
{
    const struct sighting *head = &sighting->head;
    bool counts = sighting->event == STREAM_INTERVAL || sighting->event == STREAM_ENDED;
    struct call_sound *sound =
        call_sound_of(table->calls, call_cell_at(table->calls, stream->call));

    if (sound == NULL || !counts || sighting->interval.packets == 0) {
        return;
    }
    const struct endpoint_claim *to = media_claim(table, sighting, stream, true);
    const struct endpoint_claim *from = media_claim(table, sighting, stream, false);
    struct endpoint source = {head->source, head->source_port};
    struct endpoint destination = {head->destination, head->destination_port};
    uint64_t packets = sighting->interval.packets;
    struct call_heard heard = {
        .from_ns = sighting->interval_from_ns,
        .last_ns = sighting->last_ns,
        .mark_s = (uint32_t)time_second(head->state_ns),
        .packets = packets > UINT16_MAX ? UINT16_MAX : (uint32_t)packets,
        .from = end_hash(table, &source),
        .to = end_hash(table, &destination),
        .from_caller = (stream->flags & OPEN_FROM_CALLER) != 0,
        .stray = to == NULL,
    };
    if (!is_audio(to, from) ||
        (sound->accepted_ns != 0 && (is_shared(table, &source, stream->call) ||
                                     is_shared(table, &destination, stream->call)))) {
        return;
    }
    if (call_sound_hear(sound, &heard)) {
        call_sound_tell_torn(table->calls, stream->call, head->state_ns);
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
