/* Figures of seeded streams against a truth that is computed another way: doubles, arrays, no
 * windows. */
#include "tests/unit/flows/stream_scene.h"

#include <math.h>

enum { SEEDS = 80, PACKETS_MAX = 4000, SLOTS = 8192 };

struct sent {
    uint32_t place; /* 0, 1, ... in order of sending */
    double arrival_ns;
};

struct load {
    struct sent sent[2 * PACKETS_MAX];
    size_t count;
    uint32_t first_sequence;
    uint32_t first_timestamp;
    uint32_t ts_step;
    uint32_t rate;
    uint8_t payload_type;
};

static int by_arrival(const void *one, const void *other)
{
    const struct sent *a = one;
    const struct sent *b = other;
    return a->arrival_ns < b->arrival_ns   ? -1
           : a->arrival_ns > b->arrival_ns ? 1
                                           : (int)a->place - (int)b->place;
}

/* Loss (single and in runs), jitter, duplicates and delays that reorder, all by seed. */
static void load_make(struct load *load, uint64_t seed)
{
    static const uint32_t rates[] = {8000, 8000, 16000, 32000, 44100, 48000, 90000};
    uint64_t random = seed * UINT64_C(0x9e3779b97f4a7c15);
    uint32_t kind = random_below(&random, COUNT_OF(rates));
    memset(load, 0, sizeof *load);
    load->rate = rates[kind];
    load->payload_type = (uint8_t)(kind == 0 ? 0 : 96 + random_below(&random, 20));
    load->ts_step = load->rate / 50;
    load->first_sequence = seed % 3 == 0 ? 65000 : random_below(&random, 65536);
    load->first_timestamp = seed % 4 == 0 ? 0xffff0000 : (uint32_t)random_next(&random);
    uint32_t packets = 100 + random_below(&random, PACKETS_MAX - 100);
    uint32_t loss_ppm = random_below(&random, 4) * 30000;
    double jitter_ns = random_below(&random, 3) * 4e6;
    uint32_t late_ppm = random_below(&random, 3) * 20000;
    uint32_t losing = 0;
    for (uint32_t place = 0; place < packets; place++) {
        /* The first and the last packets come as they should: what precedes the first is a matter
         * of taste. */
        bool steady = place < 10 || place + 10 > packets;
        if (losing > 0 || (!steady && random_below(&random, 1000000) < loss_ppm)) {
            losing = losing > 0 ? losing - 1 : random_below(&random, place % 5 == 0 ? 40 : 2);
            if (!steady) {
                continue;
            }
        }
        double arrival =
            place * 2e7 + random_below(&random, 1000) * 1e-3 * (steady ? 0 : jitter_ns);
        if (!steady && random_below(&random, 1000000) < late_ppm) {
            arrival += 2e7 * (1 + random_below(&random, 40));
        }
        load->sent[load->count++] = (struct sent){place, floor(arrival)};
        if (!steady && random_below(&random, 100) == 0) {
            double after = random_below(&random, 2) == 0 ? 1e5 : 3e7;
            load->sent[load->count++] = (struct sent){place, floor(arrival + after)};
        }
    }
    qsort(load->sent, load->count, sizeof load->sent[0], by_arrival);
}

struct truth {
    uint64_t expected;
    uint64_t lost;
    uint64_t duplicates;
    uint64_t reordered;
    uint32_t longest;
    uint32_t runs;
    double jitter_mean;
    double jitter_max;
    double variation_mean;
    double variation_max;
};

/* RFC 3550 A.8 as it is written, over the packets chosen by `pick` (all, or those that raise the
 * highest). */
static void truth_jitter(const struct load *load, bool only_rising, double *out_mean,
                         double *out_max)
{
    double jitter = 0;
    double sum = 0;
    double updates = 0;
    const struct sent *before = NULL;
    *out_max = 0;
    for (size_t index = 0; index < load->count; index++) {
        const struct sent *now = &load->sent[index];
        if (before == NULL) {
            before = now;
            continue;
        }
        if (only_rising && now->place <= before->place) {
            continue;
        }
        double media =
            ((double)now->place - (double)before->place) * load->ts_step * 1e9 / load->rate;
        double distance = fabs(now->arrival_ns - before->arrival_ns - media);
        jitter += (distance - jitter) / 16;
        sum += jitter;
        updates++;
        *out_max = jitter > *out_max ? jitter : *out_max;
        before = now;
    }
    *out_mean = sum / updates;
}

static void truth_of(const struct load *load, struct truth *truth)
{
    static bool received[SLOTS];
    memset(received, 0, sizeof received);
    memset(truth, 0, sizeof *truth);
    uint32_t highest = 0;
    uint64_t distinct = 0;
    for (size_t index = 0; index < load->count; index++) {
        uint32_t place = load->sent[index].place;
        if (received[place]) {
            truth->duplicates++;
        } else {
            distinct++;
            truth->reordered += place < highest;
        }
        received[place] = true;
        highest = place > highest ? place : highest;
    }
    truth->expected = highest + 1;
    truth->lost = truth->expected - distinct;
    uint32_t run = 0;
    for (uint32_t place = 0; place <= highest; place++) {
        if (received[place]) {
            truth->runs += run > 0;
            run = 0;
        } else {
            run++;
            truth->longest = run > truth->longest ? run : truth->longest;
        }
    }
    truth_jitter(load, false, &truth->jitter_mean, &truth->jitter_max);
    truth_jitter(load, true, &truth->variation_mean, &truth->variation_max);
}

static size_t clock_index(uint32_t rate)
{
    for (size_t clock = 0; clock < STREAM_CLOCKS; clock++) {
        if (stream_clock_rates[clock] == rate) {
            return clock;
        }
    }
    fail_msg("no clock of %u", rate);
    return 0;
}

static void assert_near_ns(const char *what, uint64_t seed, uint64_t got, double wanted)
{
    if (fabs((double)got - wanted) > 1000) {
        fail_msg("seed %" PRIu64 ": %s %" PRIu64 " ns, wanted %.1f", seed, what, got, wanted);
    }
}

static void load_play(const struct load *load, struct scene *scene)
{
    static struct packet packet;
    packet_start(&packet, 1, 4000, 2, 5000, PROTOCOL_UDP);
    uint64_t second = START_NS / NS_PER_S;
    for (size_t index = 0; index < load->count; index++) {
        const struct sent *sent = &load->sent[index];
        uint64_t now_ns = START_NS + (uint64_t)sent->arrival_ns;
        while (second < now_ns / NS_PER_S) {
            scene_mark(scene, ++second, 0);
        }
        packet_rtp(&packet, load->payload_type, (uint16_t)(load->first_sequence + sent->place),
                   load->first_timestamp + sent->place * load->ts_step, 0xfeed, 160);
        (void)scene_see(scene, &packet, now_ns);
    }
}

static void check_sums_of_intervals(const struct scene *scene)
{
    struct stream_counts sum = {0};
    const struct stream_sighting *last = &scene->told[scene->told_count - 1];
    for (size_t index = 0; index < scene->told_count; index++) {
        const struct stream_sighting *told = &scene->told[index];
        if (told->event == STREAM_SILENT) {
            continue;
        }
        sum.packets += told->interval.packets;
        sum.bytes += told->interval.bytes;
        sum.duplicates += told->interval.duplicates;
        sum.reordered += told->interval.reordered;
        sum.expected += told->interval.expected;
        sum.lost += told->interval.lost;
    }
    assert_int_equal(sum.packets, last->total.packets);
    assert_int_equal(sum.bytes, last->total.bytes);
    assert_int_equal(sum.duplicates, last->total.duplicates);
    assert_int_equal(sum.reordered, last->total.reordered);
    assert_int_equal(sum.expected, last->total.expected);
    assert_true(sum.lost >= last->total.lost); /* late packets take loss back */
}

static void figures_equal_the_truth(void **state)
{
    (void)state;
    static struct load load;
    static struct scene scene;
    uint64_t seen_loss = 0;
    uint64_t seen_reordered = 0;
    uint64_t seen_duplicates = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct truth truth;
        load_make(&load, seed);
        truth_of(&load, &truth);
        scene_open(&scene, 64);
        load_play(&load, &scene);
        const struct stream_sighting *got = scene_end(&scene);
        assert_int_equal(got->event, STREAM_ENDED);
        if (got->total.packets != load.count || got->total.expected != truth.expected ||
            got->total.lost != truth.lost || got->total.duplicates != truth.duplicates ||
            got->total.reordered != truth.reordered || got->total.resets != 0) {
            fail_msg("seed %" PRIu64 ": %" PRIu64 " packets, %" PRIu64 " expected (%" PRIu64
                     "), %" PRIu64 " lost (%" PRIu64 "), %" PRIu64 " duplicates (%" PRIu64
                     "), %" PRIu64 " reordered (%" PRIu64 "), %u resets",
                     seed, got->total.packets, got->total.expected, truth.expected, got->total.lost,
                     truth.lost, got->total.duplicates, truth.duplicates, got->total.reordered,
                     truth.reordered, got->total.resets);
        }
        assert_int_equal(got->total.longest_loss, truth.longest);
        assert_int_equal(got->total.loss_runs, truth.runs);
        assert_int_equal(got->clock_is_static, load.payload_type == 0);
        size_t clock = got->clock_is_static ? 0 : clock_index(load.rate);
        assert_near_ns("jitter", seed, got->jitter[clock].mean_ns, truth.jitter_mean);
        assert_near_ns("largest jitter", seed, got->jitter[clock].max_ns, truth.jitter_max);
        assert_near_ns("variation", seed, got->variation[clock].mean_ns, truth.variation_mean);
        assert_near_ns("largest variation", seed, got->variation[clock].max_ns,
                       truth.variation_max);
        assert_int_equal(got->slope_rate, load.rate);
        check_sums_of_intervals(&scene);
        seen_loss += truth.lost;
        seen_reordered += truth.reordered;
        seen_duplicates += truth.duplicates;
        scene_close(&scene);
    }
    assert_true(seen_loss > 1000 && seen_reordered > 100 && seen_duplicates > 100);
}

/* A perfect stream has a jitter of exactly nothing, and one constant offset decays as A.8 says. */
static void small_jitter_is_not_lost(void **state)
{
    (void)state;
    static struct scene scene;
    static struct packet packet;
    scene_open(&scene, 64);
    packet_start(&packet, 1, 4000, 2, 5000, PROTOCOL_UDP);
    double jitter = 0;
    double sum = 0;
    uint64_t now_ns = START_NS;
    for (uint32_t place = 0; place < 1000; place++) {
        /* 7 ns late every second packet: |D| is 7 ns each time. */
        uint64_t arrival = now_ns + place * 20 * NS_PER_MS + (place % 2 == 0 ? 0 : 7);
        packet_rtp(&packet, 0, (uint16_t)place, place * 160, 0xfeed, 160);
        (void)scene_see(&scene, &packet, arrival);
        if (place > 0) {
            jitter += (7 - jitter) / 16;
            sum += jitter;
        }
    }
    const struct stream_sighting *got = scene_end(&scene);
    assert_in_range(got->jitter[0].last_ns, 6, 7);
    assert_true(fabs((double)got->jitter[0].mean_ns - sum / 999) < 0.5);
    scene_close(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_equal_the_truth),
        cmocka_unit_test(small_jitter_is_not_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
