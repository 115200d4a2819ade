/* icmp.h - packets that did not arrive, as ICMP says.
 *
 * Owns      nothing.
 * Borrows   the frame's bytes.
 * Time      none.
 * Bounds    what was captured; of the quoted packet only its addresses, ports and first byte.
 * Errors    none: always REASON_ICMP, for an ICMP message is no traffic of ours.
 * Thread    any. */
#ifndef DECODERS_ICMP_H
#define DECODERS_ICMP_H

#include "decoders/decoder.h"

/* Why something that was sent did not get there. The last two are TCP's own. */
enum undelivered {
    UNDELIVERED_NOT,
    UNDELIVERED_NETWORK, /* no way to that network */
    UNDELIVERED_HOST,
    UNDELIVERED_PORT, /* nobody listens there */
    UNDELIVERED_PROHIBITED, /* by a filter */
    UNDELIVERED_CONNECTION, /* a SYN was answered with a reset */
    UNDELIVERED_RESET, /* a connection that stood was reset */
};

/* Behind the IP header that `layers` holds, of version 6 if fragment_ip6. Of an error that quotes
 * UDP with a text inside, or TCP, layers->undelivered says why, and addresses, ports and protocol
 * are those of the quoted packet, tcp_sequence tells it from the next (of UDP: length and checksum);
 * `ip` stays the header of the ICMP message, and there is no payload. */
enum reason icmp_decode(struct cursor cursor, struct layers *layers);

#endif
