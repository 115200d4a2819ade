/* decoder.h - what a frame holds, from the link down to UDP or TCP: one view, no copy.
 *
 * Owns      nothing.
 * Borrows   the frame's bytes: every pointer of a view points into them (or into the reassembled
 *           bytes that layers_resume() was given).
 * Time      none: a decoder has no memory of earlier packets and reads no clock.
 * Bounds    LAYERS_MAX links, tags and tunnels; every length is checked against the bytes that are
 *           there.
 * Errors    enum reason, counted by the caller; REASON_NONE with a view that reached UDP, TCP or a
 *           fragment.
 * Thread    any.
 *
 * link_type.c and link.c walk links and tags, ip.c IP headers and their extensions, tunnel.c GRE
 * and the UDP tunnels, transport.c UDP and TCP; each calls the next through layers_step() below, so
 * that any nesting works. The innermost address pair is the flow; the outer pair, VLANs and VNI
 * stay as labels. */
#ifndef DECODERS_DECODER_H
#define DECODERS_DECODER_H

#include "base/addr.h"
#include "base/cursor.h"
#include "decoders/reason.h"

enum { LAYERS_MAX = 16 };

enum protocol { PROTOCOL_NONE = 0, PROTOCOL_TCP = 6, PROTOCOL_UDP = 17 };

enum tcp_flag { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PSH = 8, TCP_ACK = 16 };

/* What unwrapping found so far. The first part is what travels on (flow key and labels). */
struct layers {
    struct addr source; /* innermost IP */
    struct addr destination;
    uint16_t source_port; /* 0 without UDP or TCP */
    uint16_t destination_port;
    uint8_t protocol; /* enum protocol; PROTOCOL_NONE for a fragment that is not whole */
    uint8_t ttl; /* innermost */
    uint8_t tcp_flags;
    uint8_t tunnels; /* how many tunnels were opened */
    uint16_t vlan_outer; /* VLAN id + 1; 0 = none */
    uint16_t vlan_inner; /* likewise */
    uint32_t vni; /* VXLAN VNI, GENEVE VNI, ERSPAN session id, GTP TEID or GRE key + 1; 0 = none */
    uint32_t tcp_sequence;
    uint32_t tcp_acknowledgement;
    uint16_t ip_id; /* IPv4 identification; 0 for IPv6 */
    uint16_t checksum; /* of UDP or TCP as on the wire; 0 = none (UDP over IPv4) */
    uint16_t unknown_type; /* ethertype or protocol behind an IGNORED reason, for the report */
    uint8_t depth; /* layers so far, for LAYERS_MAX and resume */
    uint8_t
        undelivered; /* enum undelivered (icmp.h), beside REASON_ICMP: this is what was refused */
    uint64_t link_hash_input; /* source MAC folded, for mirror copies: 0 where the link has none */
    uint16_t notes[4]; /* enum reason with verdict NOTED met on the way; 0 = none */

    const uint8_t *payload; /* of UDP or TCP */
    uint32_t payload_bytes; /* captured bytes of it, never beyond what IP and UDP say */
    uint32_t payload_wire; /* bytes of it on the wire by the lengths of IP and UDP; > payload_bytes:
                            * cut by the snap length */
    const uint8_t *ip; /* innermost IP header, for a second opinion; NULL after reassembly */
    uint32_t ip_bytes; /* captured bytes from there, bounded by the total length */
    uint32_t ip_wire; /* the total length */

    /* a fragment: payload of IP that must be put together first */
    bool fragment;
    bool more_fragments;
    uint8_t fragment_protocol; /* what the whole datagram holds (next header behind the fragment
                                  header) */
    bool fragment_ip6; /* the innermost IP is version 6 (also where there is no fragment) */
    uint16_t fragment_offset; /* bytes */
    uint32_t fragment_id; /* IPv4 16 bits, IPv6 32 bits */
    const uint8_t *fragment_at;
    uint32_t fragment_bytes; /* captured */
    uint32_t fragment_wire;
};

/* The whole way from the link. `captured` bytes are at `at`, the frame had `wire_bytes`. On another
 * reason than REASON_NONE the view holds what was found up to there. A datagram that UDP tunnels'
 * ports announce but that does not check out as the tunnel stays plain UDP. */
enum reason layers_decode(uint16_t link_type, const uint8_t *at, uint32_t captured,
                          uint32_t wire_bytes, struct layers *out_layers);
/* Goes on behind a fragment that has been put together: `bytes` is the whole payload of IP.
 * Addresses, labels and depth are taken from `layers`. */
enum reason layers_resume(struct layers *layers, const uint8_t *at, uint32_t bytes);

/* --- between the decoders' own files --- */
/* `wire` is how many bytes the packet had from the cursor on by its own lengths; the cursor may
 * hold fewer. */
enum reason link_decode(uint16_t link_type, struct cursor cursor, uint32_t wire,
                        struct layers *layers);
enum reason link_ethernet(struct cursor cursor, uint32_t wire, struct layers *layers);
enum reason link_ethertype(uint16_t ethertype, struct cursor cursor, uint32_t wire,
                           struct layers *layers);
enum reason link_llc(struct cursor cursor, uint32_t wire, struct layers *layers);
enum reason link_ppp(struct cursor cursor, uint32_t wire, struct layers *layers);
enum reason link_pppoe(struct cursor cursor, uint32_t wire, struct layers *layers);
enum reason ip_decode(struct cursor cursor, uint32_t wire, struct layers *layers);
enum reason ip_protocol(uint8_t protocol, struct cursor cursor, uint32_t wire,
                        struct layers *layers);
enum reason tunnel_gre(struct cursor cursor, uint32_t wire, struct layers *layers);
/* A UDP payload on a tunnel port: true when it was a tunnel, and then *out_reason is how that
 * ended. */
bool tunnel_udp(struct cursor cursor, uint32_t wire, struct layers *layers,
                enum reason *out_reason);
enum reason transport_udp(struct cursor cursor, uint32_t wire, struct layers *layers);
enum reason transport_tcp(struct cursor cursor, uint32_t wire, struct layers *layers);
/* Why a header of `need` bytes could not be read: `reason` when the wire had fewer, else the snap
 * length. */
static inline enum reason layers_short(uint32_t wire, uint32_t need, enum reason reason)
{
    return wire < need ? reason : REASON_SNAP_CUT;
}
/* Goes on behind a tunnel's own fragments; their fragment_protocol is one of these, which no IP
 * header can bring: both are for experiments (RFC 3692), and ip.c takes no fragment of them. */
enum { FRAGMENT_CAPWAP_ETHERNET = 253, FRAGMENT_CAPWAP_WIFI = 254 };
enum reason tunnel_resume(uint8_t protocol, struct cursor cursor, uint32_t wire,
                          struct layers *layers);
/* The ports that announce a tunnel, and who opens it; tunnel.c makes its rows of them. */
#define TUNNEL_PORTS(PORT)                                                                         \
    PORT(1701, l2tp)                                                                               \
    PORT(2152, gtp)                                                                                \
    PORT(3544, teredo)                                                                             \
    PORT(4789, vxlan)                                                                              \
    PORT(4790, vxlan_gpe)                                                                          \
    PORT(5247, capwap)                                                                             \
    PORT(6081, geneve)                                                                             \
    PORT(8472, vxlan)                                                                              \
    PORT(37008, tzsp)
/* Only on such a port tunnel_udp() is worth its call. Asked twice a packet, so each has a slot of
 * its own: two in one slot do not compile, and another factor will part them. Port 0 is among them;
 * it has slot 0. */
#define TUNNEL_SLOT(port) ((uint32_t)(port)*6 / 16 % 16)
static inline bool tunnel_port(uint16_t port)
{
#define TUNNEL_SLOT_ROW(port, name) [TUNNEL_SLOT(port)] = (port),
    static const uint16_t slots[16] = {TUNNEL_PORTS(TUNNEL_SLOT_ROW)};
#undef TUNNEL_SLOT_ROW
    return slots[TUNNEL_SLOT(port)] == port;
}
/* One layer more: false when LAYERS_MAX is used up. */
bool layers_step(struct layers *layers);
void layers_note(struct layers *layers, enum reason reason);

#endif
