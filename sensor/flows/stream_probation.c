/* stream_probation.c - is it RTP? Four packets in a row decide, by content, on any port.
 *
 * RTP has no magic: a version of two bits, and numbers that must behave like a sender's. What is
 * asked of each packet against the one before it: same SSRC (that is the key),
 * same payload type or a signal between (comfort noise, events) sequence 1 to 50 ahead, time stamp
 * not back, some payload and of four such packets in a row: 5 to 500 packets a second time stamps
 * that ran as fast as the arrivals for one known clock, within 20 %; also static types are allowed
 * any (devices stamp G.722 with 16 kHz) A burst or a late packet among the four spoils the last
 * test for good streams that arrive in clumps, so a longer run may pass it as a whole too. A packet
 * that fails begins a new run, but the stream's figures go on: they count from its first packet.
 *
 * What looked like RTP elsewhere and must not pass: DNS, TFTP, NFS, games and meters with a first
 * byte of 0x80 (their fields at the places of sequence and time stamp do not run), so on the ports
 * of such protocols, and with SSRC 0 or 1, nothing passes at all; there an SDP must name the stream. */
#include "sensor/flows/stream_cell.h"

enum { SEQUENCE_STEP_MAX = 50, RATE_MIN = 5, RATE_MAX = 500 };

bool stream_port_excluded(uint16_t port)
{
    switch (port) {
    case 53: /* DNS */
    case 67: /* DHCP */
    case 69: /* TFTP */
    case 123: /* NTP */
    case 137: /* NetBIOS names */
    case 161: /* SNMP */
    case 443: /* QUIC */
    case 500: /* IKE */
    case 1900: /* SSDP */
    case 3478: /* STUN and TURN */
        return true;
    default:
        return false;
    }
}

bool stream_ssrc_excluded(uint32_t ssrc)
{
    return ssrc <= 1;
}

/* Did the time stamps run like the arrivals, for this clock, within 20 %? */
static bool fits_clock(uint64_t ticks, uint64_t span_ns, uint8_t clock)
{
    uint64_t media_ns = ticks * stream_tick_ns[clock] >> STREAM_TICK_BITS;
    uint64_t apart = media_ns > span_ns ? media_ns - span_ns : span_ns - media_ns;
    return apart <= media_ns / 5;
}

/* `steps` packets after the one at (from_ns, from_ts). */
static bool runs_like_media(const struct stream_tick *tick, uint64_t from_ns, uint32_t from_ts,
                            uint32_t steps, uint8_t own_clock)
{
    uint64_t span_ns = time_since(tick->time_ns, from_ns);
    uint64_t ticks = tick->timestamp - from_ts;
    if (ticks == 0 || ticks > INT32_MAX || span_ns > steps * (NS_PER_S / RATE_MIN) ||
        span_ns < steps * (NS_PER_S / RATE_MAX)) {
        return false;
    }
    if (own_clock != STREAM_CLOCK_NONE && fits_clock(ticks, span_ns, own_clock)) {
        return true;
    }
    for (uint8_t clock = 0; clock < STREAM_CLOCKS; clock++) {
        if (fits_clock(ticks, span_ns, clock)) {
            return true;
        }
    }
    return false;
}

bool stream_probation_see(struct stream_parts *parts, const struct rtp_view *view,
                          const struct stream_tick *tick, int32_t sequence_step, bool was_secondary)
{
    struct stream_hot *hot = parts->hot;
    struct stream_cold *cold = parts->cold;
    bool same_type = !tick->type_changed || tick->secondary || was_secondary;
    bool good = cold->run.length > 0 && sequence_step > 0 && sequence_step <= SEQUENCE_STEP_MAX &&
                (int32_t)(tick->timestamp - hot->last_ts) >= 0 && same_type &&
                view->payload_bytes > 0;
    if (!good) {
        cold->run.length = 0;
        cold->run.from_ns = tick->time_ns;
        cold->run.from_ts = tick->timestamp;
    }
    uint32_t place = cold->run.length % STREAM_PROBATION;
    cold->run.ns[place] = tick->time_ns;
    cold->run.ts[place] = tick->timestamp;
    cold->run.length++;
    if (cold->run.length < STREAM_PROBATION || (hot->flags & STREAM_FLAG_EXCLUDED) != 0) {
        return false;
    }
    uint32_t oldest = (place + 1) % STREAM_PROBATION;
    return runs_like_media(tick, cold->run.ns[oldest], cold->run.ts[oldest], STREAM_PROBATION - 1,
                           hot->clock) ||
           runs_like_media(tick, cold->run.from_ns, cold->run.from_ts, cold->run.length - 1,
                           hot->clock);
}
