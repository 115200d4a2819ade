/* The E-model: figures computed by hand from G.107, G.113 and Cole and Rosenbluth, and when
 * there is no score. */
#include "sensor/state/quality.h"

#include "base/clock.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct formula_row {
    const char *label;
    double r0, ie, bpl, loss, burst, delay;
    double ie_eff, id, r, mos;
};

static void near(const char *label, const char *what, double got, double want, double within)
{
    if (fabs(got - want) > within) {
        print_error("%s: %s %f, expected %f\n", label, what, got, want);
        fail();
    }
}

static void formulas_give_the_table(void **state)
{
    (void)state;
    /* clang-format off */
    static const struct formula_row rows[] = {
        {"G.711 PLC 0 % 0 ms",      93.2,  0, 25.1,  0, 1,   0,  0.00,  0.00, 93.20, 4.41},
        {"G.711 PLC 0 % 150 ms",    93.2,  0, 25.1,  0, 1, 150,  0.00,  3.60, 89.60, 4.33},
        {"G.711 PLC 1 % 50 ms",     93.2,  0, 25.1,  1, 1,  50,  3.64,  1.20, 88.36, 4.30},
        {"G.711 PLC 2 % 150 ms",    93.2,  0, 25.1,  2, 1, 150,  7.01,  3.60, 82.59, 4.12},
        {"G.711 PLC 5 % 150 ms",    93.2,  0, 25.1,  5, 1, 150, 15.78,  3.60, 73.82, 3.77},
        {"G.711 PLC 5 % BurstR 2",  93.2,  0, 25.1,  5, 2, 150, 17.21,  3.60, 72.39, 3.71},
        {"G.711 no PLC 1 % 50 ms",  93.2,  0,  4.3,  1, 1,  50, 17.92,  1.20, 74.08, 3.78},
        {"G.711 no PLC 2 % 150 ms", 93.2,  0,  4.3,  2, 1, 150, 30.16,  3.60, 59.44, 3.07},
        {"G.729A 0 % 0 ms",         93.2, 11, 19.0,  0, 1,   0, 11.00,  0.00, 82.20, 4.10},
        {"G.729A 0 % 150 ms",       93.2, 11, 19.0,  0, 1, 150, 11.00,  3.60, 78.60, 3.97},
        {"G.729A 1 % 150 ms",       93.2, 11, 19.0,  1, 1, 150, 15.20,  3.60, 74.40, 3.80},
        {"G.729A 3 % 250 ms",       93.2, 11, 19.0,  3, 1, 250, 22.45, 14.00, 56.75, 2.93},
        {"G.723.1 1 % 150 ms",      93.2, 15, 16.1,  1, 1, 150, 19.68,  3.60, 69.92, 3.59},
        {"GSM-EFR 2 % 100 ms",      93.2,  5, 10.0,  2, 1, 100, 20.00,  2.40, 70.80, 3.63},
        {"G.711 PLC 0 % 400 ms",    93.2,  0, 25.1,  0, 1, 400,  0.00, 34.10, 59.10, 3.05},
        {"G.711 no PLC 30 %",       93.2,  0,  4.3, 30, 1, 300, 83.09, 20.70, -10.59, 1.00},
    };
    /* clang-format on */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct formula_row *row = &rows[i];
        double ie_eff = quality_ie_eff(row->ie, row->bpl, row->loss, row->burst);
        double id = quality_id(row->delay);
        near(row->label, "Ie,eff", ie_eff, row->ie_eff, 0.005);
        near(row->label, "Id", id, row->id, 0.01);
        near(row->label, "R", row->r0 - id - ie_eff, row->r, 0.015);
        near(row->label, "MOS", quality_mos(row->r0 - id - ie_eff), row->mos, 0.005);
    }
}

static void exact_delay_impairment(void **state)
{
    (void)state;
    near("Idd", "up to 100 ms", quality_idd(100), 0, 1e-9);
    near("Idd", "400 ms", quality_idd(400), 24.07, 0.005);
    near("Idd", "MOS at 400 ms", quality_mos(93.2 - quality_idd(400)), 3.56, 0.005);
    assert_true(quality_idd(150) > 0 && quality_idd(150) < quality_id(150));
}

static void mos_of_r(void **state)
{
    (void)state;
    static const struct {
        double r, mos;
    } rows[] = {{-5, 1},    {0, 1},     {3, 1},     {6.4, 1},   {50, 2.575}, {60, 3.10},
                {70, 3.60}, {80, 4.02}, {90, 4.34}, {100, 4.5}, {129, 4.5}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        near("MOS of R", "", quality_mos(rows[i].r), rows[i].mos, 0.005);
    }
}

static struct quality_input clean(const char *codec)
{
    return (struct quality_input){.codec = codec,
                                  .packets = 250,
                                  .expected = 250,
                                  .ptime_ns = 20 * NS_PER_MS,
                                  .variation_ns = 0};
}

static void wideband_on_one_scale(void **state)
{
    (void)state;
    near("AMR-WB", "0 %", quality_mos((129 - 13) / 1.29), 4.34, 0.005);
    double ie_eff = quality_ie_eff(13, 13, 2, 1);
    near("AMR-WB", "Ie,eff", ie_eff, 23.93, 0.005);
    near("AMR-WB", "2 %", quality_mos((129 - ie_eff) / 1.29), 4.08, 0.005);

    struct quality_input input = clean("amr-wb");
    struct quality_score score;
    quality_score(&input, &score);
    /* 20 ms packet + 5 ms look-ahead + 40 ms buffer = 65 ms, Id 1.56. */
    assert_int_equal(score.scale, QUALITY_WIDEBAND);
    assert_int_equal(score.delay_ms, 65);
    assert_int_equal(score.r_milli, 129000 - 13000 - 1560);
    assert_int_equal(score.mos_milli, lround(quality_mos(114.44 / 1.29) * 1000));
    assert_string_equal(score.basis, "g107.1/AMR-WB/g113iv/delay=65ms");
}

static void a_score_says_how_it_came(void **state)
{
    (void)state;
    struct quality_input input = clean("PCMU");
    struct quality_score score;
    quality_score(&input, &score);
    assert_int_equal(score.delay_ms, 60);
    assert_true(score.delay_assumed);
    assert_int_equal(score.r_milli, 93200 - 1440);
    assert_int_equal(score.mos_milli, 4380);
    assert_string_equal(score.basis, "g107/PCMU/plc/delay=60ms");

    input.round_trip_ns = 180 * NS_PER_MS;
    quality_score(&input, &score);
    assert_int_equal(score.delay_ms, 150);
    assert_false(score.delay_assumed);
    near("150 ms", "MOS", score.mos_milli / 1e3, 4.33, 0.005);
}

static void jitter_buffer_has_bounds(void **state)
{
    (void)state;
    static const struct {
        uint64_t variation_ns;
        unsigned delay_ms;
    } rows[] = {{0, 60},
                {20 * NS_PER_MS, 60},
                {21 * NS_PER_MS, 62},
                {99 * NS_PER_MS, 218},
                {100 * NS_PER_MS, 220},
                {101 * NS_PER_MS, 220},
                {UINT64_MAX - 1, 220},
                {UINT64_MAX, 60}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct quality_input input = clean("PCMA");
        struct quality_score score;
        input.variation_ns = rows[i].variation_ns;
        quality_score(&input, &score);
        assert_int_equal(score.delay_ms, rows[i].delay_ms);
    }
}

static void loss_and_bursts_cost(void **state)
{
    (void)state;
    struct quality_input input = clean("PCMU");
    struct quality_score scattered, burst, all;
    input.packets = 9500;
    input.expected = 10000;
    input.lost = 500;
    input.loss_runs = 500;
    quality_score(&input, &scattered);
    near("5 %", "R", scattered.r_milli / 1e3, 93.2 - 1.44 - 15.78, 0.01);
    input.loss_runs = 100; /* runs of 5: BurstR 4.75 */
    quality_score(&input, &burst);
    assert_true(burst.mos_milli < scattered.mos_milli);
    input.loss_runs = 0; /* not known: 1 */
    quality_score(&input, &all);
    assert_int_equal(all.mos_milli, scattered.mos_milli);
    input.lost = 20000; /* never beyond all */
    input.packets = 100;
    quality_score(&input, &all);
    near("100 %", "R", all.r_milli / 1e3, 93.2 - 1.44 - 9500 / 125.1, 0.001);
}

static void no_score_without_grounds(void **state)
{
    (void)state;
    static const char *const unknown[] = {"",      "H264", "telephone-event", "G7221", "PCM",
                                          "PCMUX", NULL};
    struct quality_score score;
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        struct quality_input input = clean(unknown[i]);
        quality_score(&input, &score);
        assert_int_equal(score.mos_milli, 0);
        assert_string_equal(score.basis, "");
    }
    struct quality_input input = clean("PCMU");
    input.packets = 99;
    quality_score(&input, &score);
    assert_int_equal(score.mos_milli, 0);
    input.packets = 100;
    quality_score(&input, &score);
    assert_true(score.mos_milli > 4000);
    input.expected = 0;
    quality_score(&input, &score);
    assert_int_equal(score.mos_milli, 0);
    assert_true(quality_knows("pcma") && quality_knows("iLBC") && !quality_knows("VP8") &&
                !quality_knows(""));
}

static void bit_rate_picks_the_row(void **state)
{
    (void)state;
    static const struct {
        const char *codec;
        uint32_t payload_bytes, ptime_ms, clock;
        unsigned ie_milli;
    } rows[] = {
        {"AMR", 0, 20, 8000, 5000},       {"AMR", 32, 20, 8000, 5000},
        {"AMR", 33, 20, 8000, 5000},      {"AMR", 14, 20, 8000, 27000},
        {"AMR", 21, 20, 8000, 10000},     {"AMR-WB", 61, 20, 16000, 8000},
        {"AMR-WB", 18, 20, 16000, 41000}, {"G723", 24, 30, 8000, 15000},
        {"G723", 20, 30, 8000, 19000},    {"iLBC", 38, 20, 8000, 11000},
        {"iLBC", 50, 30, 8000, 12000},    {"iLBC", 0, 30, 8000, 12000},
        {"opus", 20, 20, 48000, 16000},   {"opus", 100, 20, 48000, 10700},
        {"opus", 0, 20, 48000, 20000},    {"speex", 38, 20, 8000, 13000},
        {"G722", 160, 20, 8000, 13000},   {"PCMU", 1, 20, 8000, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct quality_input input = clean(rows[i].codec);
        struct quality_score score;
        input.payload_bytes = rows[i].payload_bytes;
        input.ptime_ns = rows[i].ptime_ms * NS_PER_MS;
        input.clock_rate = rows[i].clock;
        quality_score(&input, &score);
        if (score.mos_milli == 0 || score.ie_milli != rows[i].ie_milli) {
            print_error("%s %u bytes: Ie %u\n", rows[i].codec, rows[i].payload_bytes,
                        score.ie_milli);
            fail();
        }
    }
    struct quality_input wide = clean("speex");
    struct quality_score score;
    wide.clock_rate = 16000;
    quality_score(&wide, &score);
    assert_int_equal(score.mos_milli, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formulas_give_the_table),
        cmocka_unit_test(exact_delay_impairment),
        cmocka_unit_test(mos_of_r),
        cmocka_unit_test(wideband_on_one_scale),
        cmocka_unit_test(a_score_says_how_it_came),
        cmocka_unit_test(jitter_buffer_has_bounds),
        cmocka_unit_test(loss_and_bursts_cost),
        cmocka_unit_test(no_score_without_grounds),
        cmocka_unit_test(bit_rate_picks_the_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
