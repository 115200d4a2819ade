/* quality.h - the E-model (ITU-T G.107) for a stream or an interval of it.
 *
 * Owns      the table of codecs (Ie, Bpl, their source).
 * Borrows   nothing.
 * Time      none.
 * Bounds    none.
 * Errors    an unknown codec or fewer than 100 packets: no score, never a default.
 * Thread    any; one of three files that may use floating point; results are rounded to
 *           thousandths.
 *
 * Formulas: ITU-T G.107 and, for the delay, Cole and Rosenbluth 2001 (quality.c); codecs and their
 * sources: quality_codecs.def. */
#ifndef SENSOR_STATE_QUALITY_H
#define SENSOR_STATE_QUALITY_H

#include "base/slice.h"

enum quality_scale { QUALITY_NARROWBAND, QUALITY_WIDEBAND };

struct quality_input {
    const char *codec; /* rtpmap name, any case */
    uint64_t packets; /* received */
    uint64_t expected;
    uint64_t lost; /* net; later with late ones */
    uint64_t loss_runs; /* 0 = not known: BurstR 1 */
    uint64_t round_trip_ns; /* 0 = not known */
    uint64_t ptime_ns; /* 0 = 20 ms */
    uint64_t variation_ns; /* mean delay variation; UINT64_MAX = unknown */
    uint32_t payload_bytes; /* typical, without an authentication tag: picks the row; 0 = unknown */
    uint32_t clock_rate; /* 0 = not known; tells Speex narrowband from its wideband */
};

struct quality_score {
    uint32_t mos_milli; /* 1000 to 4500; 0 = none */
    int32_t r_milli;
    uint8_t scale; /* enum quality_scale */
    bool delay_assumed; /* round trip not known */
    uint16_t delay_ms; /* Ta that was used */
    uint16_t ie_milli; /* Ie of the codec alone */
    char basis[64]; /* "g107/PCMU/plc/delay=62ms"; "" = none */
};

void quality_score(const struct quality_input *input, struct quality_score *out_score);
bool quality_knows(const char *codec);
/* The formulas alone, for tests and docs: Ie,eff and Id in, MOS out (thousandths). */
double quality_ie_eff(double ie, double bpl, double loss_percent, double burst_ratio);
double quality_id(double delay_ms);
/* The exact Idd of G.107, for comparison: scores use quality_id(). */
double quality_idd(double delay_ms);
double quality_mos(double r);

#endif
