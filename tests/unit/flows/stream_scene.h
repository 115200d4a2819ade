/* stream_scene.h - a stream table whose sightings are kept, for the tests of streams. */
#ifndef TESTS_UNIT_FLOWS_STREAM_SCENE_H
#define TESTS_UNIT_FLOWS_STREAM_SCENE_H

#include "tests/unit/flows/packet.h"

#include "sensor/flows/stream.h"

enum { SCENE_SIGHTINGS = 512 };

struct scene {
    struct stream_table *table;
    struct stream_sighting told[SCENE_SIGHTINGS];
    size_t told_count;
    struct stream_sighting turns[SCENE_SIGHTINGS]; /* BEGUN and RESUMED, apart from figures */
    size_t turn_count;
    struct alive_stream alive[SCENE_SIGHTINGS]; /* of the last mark that told any */
    size_t alive_count;
    uint64_t alive_s;
    uint64_t newest_ns;
    uint32_t alive_sightings;
    uint32_t reasons[REASON_COUNT];
    uint64_t number;
};

static inline void scene_on_sighting(void *owner, const struct stream_sighting *sighting)
{
    struct scene *scene = owner;
    if (sighting->event == STREAM_BEGUN || sighting->event == STREAM_RESUMED) {
        assert_true(scene->turn_count < SCENE_SIGHTINGS);
        scene->turns[scene->turn_count++] = *sighting;
        return;
    }
    assert_true(scene->told_count < SCENE_SIGHTINGS);
    scene->told[scene->told_count++] = *sighting;
}

static inline void scene_on_alive(void *owner, const struct alive_sighting *sighting)
{
    struct scene *scene = owner;
    uint64_t second = time_second(sighting->head.state_ns);
    if (scene->alive_s != second) {
        scene->alive_s = second;
        scene->alive_count = 0;
    }
    assert_true(scene->alive_count + sighting->stream_count <= SCENE_SIGHTINGS);
    memcpy(scene->alive + scene->alive_count, sighting->streams,
           sighting->stream_count * sizeof sighting->streams[0]);
    scene->alive_count += sighting->stream_count;
    scene->newest_ns = sighting->newest_ns;
    scene->alive_sightings++;
}

static inline void scene_on_reason(void *owner, enum reason reason)
{
    ((struct scene *)owner)->reasons[reason]++;
}

static inline void scene_open(struct scene *scene, uint32_t streams_max)
{
    struct error error;
    memset(scene, 0, sizeof *scene);
    struct stream_options options = {.streams_max = streams_max,
                                     .idle_ns = 300 * NS_PER_S,
                                     .key = HASH_KEY_FIXED,
                                     .on_sighting = scene_on_sighting,
                                     .on_alive = scene_on_alive,
                                     .on_reason = scene_on_reason,
                                     .owner = scene};
    assert_int_equal(stream_open(&options, &scene->table, &error), STATUS_OK);
}

static inline void scene_close(struct scene *scene)
{
    stream_close(scene->table);
}

/* The packet as the next one of the capture; every other one as a batch of one. */
static inline enum stream_seen scene_see(struct scene *scene, struct packet *packet,
                                         uint64_t time_ns)
{
    struct rtp_view view;
    packet->datagram.payload = packet->bytes;
    packet_at(packet, ++scene->number, time_ns);
    assert_int_equal(rtp_decode(packet->bytes, packet->datagram.payload_bytes,
                                packet->datagram.payload_wire, &view),
                     REASON_NONE);
    struct stream_lane lane;
    stream_look(scene->table, &packet->datagram, 1, &lane);
    assert_true(lane.hash == stream_hash(scene->table, &packet->datagram, view.ssrc));
    if (scene->number % 2 == 0 &&
        stream_see_run(scene->table, &packet->datagram, &lane, 0, 1) == 1) {
        return STREAM_SEEN_CONFIRMED;
    }
    return stream_see(scene->table, &packet->datagram, &view, lane.hash, lane.hint);
}

static inline void scene_mark(struct scene *scene, uint64_t second, uint64_t shift_ns)
{
    stream_mark(scene->table, second, scene->number + 1, shift_ns);
}

/* Ends everything; the last sighting that was told. */
static inline const struct stream_sighting *scene_end(struct scene *scene)
{
    stream_end(scene->table, scene->number + 1);
    assert_true(scene->told_count > 0);
    return &scene->told[scene->told_count - 1];
}

#endif
