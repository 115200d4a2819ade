/* call.h - one call for each Call-ID: trying, ringing, answered, ended, and who ended it.
 *
 * Owns      every open and lately ended call, its dialogs and texts.
 * Borrows   sightings during the call.
 * Time      state time, an argument; time-outs fall at marks.
 * Bounds    calls_max; when full the longest idle ends as forgotten (counted); answered calls are
 *           strong.
 * Errors    open only.
 * Thread    the analyst's.
 *
 * docs/definitions.md, Calls: a call is a Call-ID with an INVITE
 * without To tag; hops, forks and authentication rounds are inside it. outcome, status, from, to as
 * there. A call in which only in-dialog messages were seen is partial and makes no record: none of
 * its changes is put. BYE lost: end_inferred. CALL_ENDED is put 5 s after the end (the last
 * intervals of its streams, forks), 32 s after a final that invites another INVITE, 180 s after a
 * challenge. A call stays until its streams are closed, and lingers for streams that are told late.
 * */
#ifndef SENSOR_STATE_CALL_H
#define SENSOR_STATE_CALL_H

#include "sensor/state/change.h"
#include "sensor/state/transaction.h"

enum call_outcome { CALL_ATTEMPTED, CALL_RINGING, CALL_ANSWERED, CALL_CANCELLED, CALL_FAILED };
enum call_ended_by {
    CALL_ENDED_BY_NOBODY,
    CALL_ENDED_BY_CALLER,
    CALL_ENDED_BY_CALLEE,
    CALL_ENDED_BY_NETWORK,
    CALL_ENDED_BY_SENSOR
};
enum call_end_reason { CALL_END_OWN, CALL_END_INFERRED, CALL_END_EVICTED, CALL_END_CAPTURE };

/* What is remembered of an answered call for the question who hears whom and who ended it. Way 0 is
 * that of what the caller's side sends, way 1 of the callee's. */
enum { CALL_HOPS = 10 };

enum call_torn {
    CALL_TORN_NOT,
    CALL_TORN_SENDER_GOES_ON, /* who is said to have hung up still sends */
    CALL_TORN_BOTH_GO_ON,
    CALL_TORN_SECOND_BYE, /* the true one hangs up later */
    CALL_TORN_CANCEL, /* the caller goes on behind a CANCEL in his name */
};

enum call_hop_doubt {
    CALL_HOP_KNOWN,
    CALL_HOP_TTL, /* from a known address and port, but another number of hops away */
    CALL_HOP_PORT, /* from a known address, another port */
    CALL_HOP_STRANGER, /* from an address that has no part in the call */
};

enum call_side_flag {
    CALL_SIDE_NAMED = 1, /* it said where it receives audio */
    CALL_SIDE_SENDS = 2, /* by its description */
    CALL_SIDE_RECEIVES = 4,
    CALL_SIDE_HIDDEN = 8, /* a private address that its signalling does not come from */
    CALL_SIDE_SECURE = 16,
    CALL_SIDE_SHARED = 32, /* another call that is up named the same endpoint */
};

struct call_hop {
    uint32_t addr; /* hash */
    uint16_t port; /* 0 = any: a header named it */
    uint8_t ttl; /* 0 = not known */
};

struct call_way {
    uint64_t last_ns; /* last packet */
    uint64_t named_ns; /* last one to where somebody said that he listens */
    uint32_t mark_s; /* of the interval that these belong to */
    uint32_t packets;
    uint32_t stray; /* packets to where nobody said that he listens */
    uint32_t stray_to; /* hash of that endpoint */
    uint32_t from; /* hash of the source */
    uint32_t after; /* packets behind the accepted BYE */
};

struct call_sound {
    struct call_way ways[2];
    struct call_hop hops[CALL_HOPS];
    uint64_t ender_number; /* packet of the BYE or CANCEL */
    uint64_t ender_ns;
    uint64_t accepted_ns; /* its 2xx; 0 = none */
    struct endpoint ender; /* who sent it */
    uint8_t sides[2]; /* enum call_side_flag; of the caller, of the callee */
    uint8_t hop_count;
    uint8_t doubt; /* enum call_hop_doubt, of ender */
    uint8_t torn; /* enum call_torn, once told */
    bool hops_missed; /* more than CALL_HOPS: nobody is a stranger */
    bool ender_is_caller; /* whom the BYE claims to come from */
    uint16_t watch; /* its place among those that are watched, + 1; 0 = it is not */
    bool is_cancel;
};

struct call {
    uint64_t call_id_hash;
    uint64_t number; /* its identity: packet of the first INVITE */
    uint64_t started_ns;
    uint64_t ringing_ns; /* first 18x; 0 = none */
    uint64_t answered_ns; /* first 2xx to INVITE */
    uint64_t ended_ns; /* BYE, final failure, CANCEL's 487 ... */
    uint64_t last_ns;
    uint64_t media_last_ns; /* last RTP or RTCP of it; 0 = none */
    uint8_t outcome; /* enum call_outcome */
    uint8_t ended_by;
    uint8_t end_reason;
    uint8_t transport;
    uint16_t status; /* final status to INVITE by docs/definitions.md; 0 = none */
    uint16_t q850; /* 0 = none */
    uint16_t challenges;
    uint16_t reinvites;
    uint16_t holds;
    uint16_t forks; /* To tags in 1xx/2xx beyond the first */
    uint16_t hops; /* different Via counts of the initial INVITE */
    uint16_t transfers;
    uint32_t retransmits;
    bool seen_invite;
    bool seen_final;
    bool seen_ack;
    bool seen_bye;
    bool ended;
    bool partial; /* only in-dialog messages: no INVITE without To tag */
    bool has_credentials;
    bool accepted_invalid; /* the INVITE was invalid and accepted all the same */
    bool invalid_only; /* invalid and never accepted: attempted */
    bool held;
    bool one_way; /* only requests or only responses were seen */
    bool early_media; /* a 18x came with a session description */
    bool given_up; /* CALL_GIVEN_UP was put */
    uint16_t interface;
    uint16_t vlan_outer;
    struct endpoint caller;
    struct endpoint callee;
    uint32_t cseq;
    struct slice call_id; /* whole up to 256 bytes; the key hashes all */
    struct slice from_user;
    struct slice from_host;
    struct slice from_tag;
    struct slice to_user;
    struct slice to_host;
    struct slice to_tag; /* of the winning fork */
    struct slice uri; /* request URI of the first INVITE */
    struct slice auth_user;
    struct slice user_agent;
    struct slice reason; /* status phrase */
    struct slice session_id;
    struct slice replaces;
    /* filled by media as its streams tell: see media.h */
    uint32_t streams; /* ever joined */
    uint32_t streams_open;
    uint32_t mos_min_milli; /* 0 = none */
    uint32_t mos_sum_milli; /* over streams with a MOS */
    uint32_t mos_count;
    uint32_t loss_ppm_max;
    uint64_t jitter_max_ns;
    uint64_t first_rtp_ns;
    uint8_t codecs[4]; /* payload types by first use */
    char codec_names[4][16];
    uint8_t codec_count;
    uint8_t security; /* enum sdp_security, strongest seen */
    bool t38;
    bool media_both_ways;
    bool elsewhere; /* its media may flow where no description says */
    uint32_t dtmf_events;
    const struct call_sound *sound; /* NULL = none; as long as the change */
    uint32_t heard[2]; /* CALL_MEDIA: packets of each way in the last whole interval */
    uint32_t heard_stray[2]; /* the same, where nobody listens */
};

struct call_table;

struct call_limits {
    uint32_t calls_max;
    uint64_t age_max_ns; /* 24 h */
    struct hash_key key;
};

MUST_USE enum status call_open(const struct call_limits *limits, struct change_sink sink,
                               struct call_table **out_table, struct error *error);
void call_close(struct call_table *table);
size_t call_bytes_max(const struct call_limits *limits);
/* By Call-ID; to look ahead in, no more. */
const struct table *call_index(const struct call_table *table);
/* The last step: brings what a telling of the call reads into the cache. */
void call_prefetch(const struct call_table *table, const struct sip_sighting *sip);
/* Any message with a Call-ID; returns the cell of its call, TABLE_NONE where there is none. */
uint32_t call_see(struct call_table *table, const struct sip_sighting *sip,
                  const struct transaction_view *transaction);
/* struct call is a view of a compact cell (call_cell.h), valid until three more views have been
 * made, by changes or by this. For reading: what is written into it is lost. */
struct call *call_at(struct call_table *table, uint32_t cell);
uint32_t call_find(struct call_table *table, uint64_t call_id_hash);
/* Generation of a cell: a remembered (cell, generation) is checked with it. */
uint32_t call_generation(const struct call_table *table, uint32_t cell);
void call_mark(struct call_table *table, uint64_t mark_s, uint64_t shift_ns);
void call_end(struct call_table *table); /* forced, in the order of first packets */
uint64_t call_evicted(const struct call_table *table);
uint32_t call_used(const struct call_table *table);

#endif
