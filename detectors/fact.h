/* fact.h - DOOR 2: all that a detector can know, already enriched.
 *
 * Owns      nothing.
 * Borrows   slices: valid until on_fact returns; a detector copies what it keeps.
 * Time      time_ns is state time; it never goes back.
 * Bounds    sizeof(struct fact) <= 512.
 * Errors    none: what is not known is absent (empty slice, 0, false as each member says).
 * Thread    the analyst's.
 *
 * Kinds are few and say what changed above the packet; facts.def names them for --explain and docs.
 * `forced` facts come from closing what was open at the end of input: no detector counts them as
 * failures. Without zones every destination is own, and who answered a request is a server. */
#ifndef DETECTORS_FACT_H
#define DETECTORS_FACT_H

#include "base/addr.h"
#include "base/clock.h"
#include "base/hash.h"

enum fact_kind {
#define FACT(id, member, help) FACT_##id,
#include "detectors/facts.def"
#undef FACT
    FACT_COUNT
};
#define FACT_BIT(id) (UINT32_C(1) << FACT_##id)

/* Methods and verdicts by the words of the decoders, repeated here because detectors know base/
 * only; a test of sensor/state holds both lists equal. */
enum fact_method {
    FACT_METHOD_NONE,
    FACT_METHOD_OTHER,
    FACT_METHOD_INVITE,
    FACT_METHOD_ACK,
    FACT_METHOD_BYE,
    FACT_METHOD_CANCEL,
    FACT_METHOD_OPTIONS,
    FACT_METHOD_REGISTER,
    FACT_METHOD_PRACK,
    FACT_METHOD_SUBSCRIBE,
    FACT_METHOD_NOTIFY,
    FACT_METHOD_PUBLISH,
    FACT_METHOD_INFO,
    FACT_METHOD_REFER,
    FACT_METHOD_MESSAGE,
    FACT_METHOD_UPDATE,
    FACT_METHOD_COUNT
};

enum fact_side { FACT_OWN, FACT_FOREIGN, FACT_SIDE_UNKNOWN };

/* What is known of an address (by state, from the past). Of the far end of an answer, a transaction,
 * a registration, a call and a flow only `is_server` is told, where the fact itself says it; of who
 * answered 503 or nothing, all. */
struct fact_party {
    struct endpoint endpoint;
    bool proven; /* two-way proof within the last 5 min (docs/definitions.md) */
    uint64_t doubted_ns; /* somebody else may have sent credentials in its name then; 0 = never */
    bool is_server; /* has answered requests (or is declared) */
    bool is_peer; /* has answered requests outside a dialog; of callers only */
    uint8_t side; /* enum fact_side */
    uint16_t zone; /* 0 = none declared */
    uint16_t good_accounts; /* accounts with past success from this address; saturating */
    uint16_t site_good_accounts; /* the same for its /24 or /48; of failed logins only */
    /* From the MaxMind files; 0 = unknown, private or no file. Of TRANSACTION, REGISTRATION and CALL
     * facts only. */
    uint16_t country; /* ISO 3166 alpha-2, first letter in the high byte */
    uint32_t as_number;
};

/* Why a request, or a connection for some, did not get to a server. */
enum fact_refusal {
    FACT_REFUSAL_NONE,
    FACT_REFUSAL_NETWORK, /* ICMP: the network cannot be reached */
    FACT_REFUSAL_HOST,
    FACT_REFUSAL_PORT, /* ... nobody listens there */
    FACT_REFUSAL_PROHIBITED, /* ... a filter is in the way */
    FACT_REFUSAL_CONNECTION, /* TCP: a SYN was answered with a reset */
    FACT_REFUSAL_RESET, /* ... a connection was reset while requests waited */
    FACT_REFUSALS
};

/* --- numbers --- */

enum fact_number_class {
    FACT_NUMBER_NONE, /* a name, or nothing */
    FACT_NUMBER_INTERNAL, /* an extension or a number of the site itself */
    FACT_NUMBER_NATIONAL, /* of the site's country; never without site.country */
    FACT_NUMBER_INTERNATIONAL,
    FACT_NUMBER_EMERGENCY, /* excluded from every fraud and flood counter */
    FACT_NUMBER_UNKNOWN, /* digits that the dial plan does not explain */
};

enum fact_number_type {
    FACT_NUMBER_TYPE_UNKNOWN,
    FACT_NUMBER_FIXED, /* also: fixed or mobile */
    FACT_NUMBER_MOBILE,
    FACT_NUMBER_TOLL_FREE,
    FACT_NUMBER_SHARED_COST,
    FACT_NUMBER_PREMIUM,
    FACT_NUMBER_SATELLITE, /* and other global networks: +870, +881, +882, +883 */
    FACT_NUMBER_OTHER, /* voip, personal, pager, UAN, voicemail */
    FACT_NUMBER_INVALID, /* no range of its country */
};

/* A number as it was dialled or shown, and what a call to it may cost (docs/definitions.md). */
struct fact_number {
    uint64_t e164; /* as a decimal number; 0 = not brought into that form */
    uint64_t block; /* its first seven digits; 0 = none */
    uint8_t class; /* enum fact_number_class */
    uint8_t type; /* enum fact_number_type */
    uint8_t digits; /* of e164 */
    uint8_t risk_type; /* points for what kind of number it is: premium, satellite, hot list ... */
    uint8_t risk_country; /* points for where it is */
    /* No number of our country: an international prefix (00, 011 ...) was dialled, or site.country is
     * known and the number's is another. */
    bool dialled_abroad;
    bool allowed; /* the operator said that calls there are wanted */
    char country[3]; /* ISO 3166 alpha-2, NUL-terminated; "" = none (unknown, or no country's) */
    const char *country_name; /* in English, static; NULL or "" = none */
    uint16_t cost_milli; /* a minute, thousandths of a currency unit: a guess */
};

/* Most messages carry on what was begun, and say nothing to those that look for strangers. */
enum fact_message_step {
    FACT_MESSAGE_ASKS, /* a request outside a dialog, its first copy, neither ACK nor CANCEL */
    FACT_MESSAGE_ANSWERS, /* a response to such a request, its first copy */
    FACT_MESSAGE_GOES_ON, /* every other */
    FACT_MESSAGE_STEPS
};

/* A SIP message. Client and server are roles: in a response `client` is still who asked. */
struct fact_message {
    struct fact_party client; /* sender of the request */
    struct fact_party server;
    uint8_t method; /* enum fact_method; of a response: of its CSeq */
    uint8_t step; /* enum fact_message_step */
    bool is_response;
    bool is_retransmission;
    bool has_credentials;
    bool in_dialog; /* To tag in a request */
    bool starts_dialog; /* INVITE without To tag, first copy */
    bool invalid; /* verdict invalid */
    bool has_branch_cookie;
    uint8_t suspicion; /* highest of its anomalies */
    uint8_t anomaly_kinds; /* how many */
    uint16_t status;
    uint16_t vias;
    uint32_t cseq; /* UINT32_MAX = absent */
    uint32_t max_forwards; /* UINT32_MAX = absent */
    uint32_t expires; /* UINT32_MAX = absent */
    struct slice call_id;
    struct slice user_agent;
    /* of a request only: an answer repeats them */
    struct slice uri_user;
    struct slice uri_host;
    struct slice from_user;
    struct slice from_host;
    struct slice from_display;
    struct slice from_tag;
    struct slice to_user;
    struct slice to_host;
    struct slice to_display;
    struct slice branch;
    struct slice via_parameters; /* the topmost Via's text behind sent-by */
};

enum fact_transaction_end {
    FACT_TRANSACTION_LOGIN_FAILED, /* auth_failure */
    FACT_TRANSACTION_SILENT, /* no answer, whatever was asked */
    FACT_TRANSACTION_ANSWERED, /* any other answer to what may begin something */
    FACT_TRANSACTION_WENT_ON, /* ... to BYE, CANCEL, PRACK, UPDATE or INFO */
    FACT_TRANSACTION_ENDS
};

/* A client transaction got its final answer, or none in 32 s (status 0): TRANSACTION, told once for
 * each request, at the lowest hop that was seen. HOP: the same of a hop further on: a proxy
 * asked for the client of the one below. Told of final answers only, for rules about servers. A
 * sender who never answered a request himself is no proxy, whatever Vias he writes. */
struct fact_transaction {
    struct fact_party client;
    struct fact_party server;
    uint8_t method; /* enum fact_method */
    uint8_t end; /* enum fact_transaction_end */
    bool has_credentials;
    bool challenged; /* 401/407 to a request without credentials */
    bool stale; /* 401/407 with stale=true, or an old nonce (docs/definitions.md) */
    /* 401/403/407 to credentials, not stale: the only thing that counts as one; but no 403 to a call of
     * an account that has logged in from here */
    bool auth_failure;
    bool echoed; /* of a failure: its nonce was sent to the client: whoever made it hears us */
    bool passed_on; /* the answer is that of a hop further on: `server` did not think of it */
    bool timeout; /* no final answer although this server is seen to answer others */
    bool one_way; /* the capture shows one direction only: a missing answer proves nothing */
    bool account_known; /* the account has succeeded before, from anywhere */
    /* (account, site prefix) or (account, device) has succeeded in the last 30 days */
    bool device_known;
    bool place_known; /* (account, site prefix) has: any guesser can copy an agent's name */
    /* the answer says that the user exists: 401/407/2xx/18x for REGISTER, INVITE ... */
    bool user_exists;
    uint16_t status;
    uint16_t q850; /* cause in the Reason header of the final answer; 0 = none */
    uint32_t cseq;
    uint64_t response_ns; /* request to final answer; 0 = timeout */
    uint64_t device_hash; /* of +sip.instance, else User-Agent; 0 = none */
    uint64_t call_id_hash;
    uint64_t nonce_hash; /* of the request's credentials; 0 = none */
    uint64_t response_hash; /* keyed hash of the digest response; 0 = none */
    /* hash of (nonce, nc, cnonce, uri, method): two response values for one = two passwords */
    uint64_t proof_key;
    /* AOR user@host of the To (REGISTER) or From (others); lower-cased host */
    struct slice account;
    struct slice auth_user; /* digest user name, else empty */
    struct slice realm;
    struct slice target_user; /* REGISTER: To user; others: request URI user */
    struct slice target_host;
    struct slice call_id;
    struct slice user_agent;
    struct slice reason; /* phrase of the final answer */
};

/* A registration attempt chain ended: a binding was made, kept, removed or refused. */
struct fact_registration {
    struct fact_party client;
    struct fact_party server;
    bool success;
    bool has_credentials;
    bool removed; /* expires 0 or Contact * */
    bool refreshed; /* same contact, same device as before */
    bool account_known;
    bool device_known;
    bool place_known; /* as of a transaction */
    uint8_t rounds; /* challenges in this attempt */
    uint16_t status;
    /* authentication failures of this account since its last success, from anywhere */
    uint32_t failures;
    uint64_t device_hash;
    struct slice account;
    struct slice auth_user;
    struct slice realm;
    struct slice contact;
    struct slice call_id;
    struct slice user_agent;
};

enum fact_call_event {
    FACT_CALL_STARTED,
    FACT_CALL_RINGING, /* of an extension (six digits or fewer) only with early media */
    FACT_CALL_ANSWERED,
    FACT_CALL_ENDED,
    FACT_CALL_MEDIA, /* ten seconds after its answer: who is heard */
    FACT_CALL_TORN, /* its end was forged */
    /* It rang and its caller hung up: known at once, and once. ENDED is told all the same, and may
     * say that it was taken up again. */
    FACT_CALL_GIVEN_UP,
    FACT_CALL_EVENTS
};

/* What a side of a call said of its audio, and how much of it was heard. */
struct fact_call_side {
    bool named; /* it said where it receives */
    bool sends; /* by its description */
    bool receives;
    bool hidden; /* named a private address that its signalling does not come from */
    bool secure; /* wants encrypted media */
    bool spoke; /* it was heard a second behind the answer, or later */
    uint32_t packets; /* that it sent in the last whole interval of 5 s */
    uint32_t stray; /* the same, to where nobody said that he listens */
};

enum fact_torn {
    FACT_TORN_NOT,
    FACT_TORN_SENDER_GOES_ON, /* who is said to have hung up still sent audio */
    FACT_TORN_BOTH_GO_ON, /* both sides did */
    FACT_TORN_SECOND_BYE, /* the true one hung up later */
    FACT_TORN_CANCEL, /* the caller went on behind a CANCEL in his name */
};
/* How usual a call at this hour is; one in fifty calls or fewer is rare. */
enum fact_hour { FACT_HOUR_UNKNOWN, FACT_HOUR_USUAL, FACT_HOUR_RARE };

struct fact_call {
    struct fact_party caller; /* who sent the first INVITE */
    struct fact_party callee; /* who it went to */
    uint8_t event; /* enum fact_call_event */
    bool has_credentials; /* of any of its INVITEs */
    bool challenged; /* the server asked for them: a 401 or 407 in this call */
    bool caller_registered; /* the From account has a binding from this address */
    bool account_known; /* the From account has succeeded before, from anywhere */
    /* (account, site prefix) or (account, agent) has, in the last 30 days, and not only in the last
     * 24 hours while the account was at home elsewhere: who stole a password logs in before he calls */
    bool device_known;
    bool ended_by_caller;
    bool held; /* a side holds, by its last description */
    /* MEDIA: its audio cannot be judged: T.38, ICE, multicast, a renewed description, a transfer */
    bool media_unclear;
    uint8_t torn; /* TORN: enum fact_torn */
    bool ender_on_path; /* TORN: the address has a part in the call: it was forged, or shared */
    /* A 18x came with a session description. RINGING is told again when it comes behind a plain one. */
    bool early_media;
    bool rang; /* a 18x came */
    bool given_up; /* GIVEN_UP was told of it */
    /* What the site and the account have called before, as it was when this call started. */
    bool first_abroad; /* the account's first call to another country */
    bool country_new_account;
    bool country_new_site;
    bool block_new_site; /* the called block, in 90 days */
    uint8_t weeks_called; /* different weeks in which this number was called before; up to 3 */
    uint8_t hour; /* enum fact_hour: of the account's calls, else of the site's */
    uint8_t block_accounts; /* other accounts that called the block within the last hour; up to 3 */
    uint8_t
        prefixes_tried; /* ways in which this source dialled these last digits in an hour; up to 7 */
    uint16_t status;
    uint64_t started_ns;
    uint64_t answered_ns; /* 0 = not answered */
    uint64_t ended_ns; /* 0 = goes on; an end is told some seconds later */
    uint64_t call_number; /* its identity: number of its first packet */
    struct fact_call_side sides[2]; /* MEDIA: caller's and callee's */
    /* TORN: who sent the BYE or CANCEL; nobody (all zero) where he forged an address of the call */
    struct fact_party ender;
    uint64_t torn_after_ns; /* how long behind its end audio, or a message, was seen */
    struct fact_number called; /* of the request URI of the first INVITE */
    struct fact_number
        calling; /* of From; of calls that ended, were given up, or went to a number that has e164 */
    struct slice call_id;
    struct slice from_user;
    struct slice from_host;
    struct slice to_user;
    struct slice to_host;
    struct slice account;
    struct slice dialled; /* user of that request URI, as it was sent */
    struct slice user_agent;
};

/* BEGUN and RESUMED come within a second, of streams of calls, and bring no figures but gap_ns. */
enum fact_stream_event {
    FACT_STREAM_INTERVAL,
    FACT_STREAM_SILENT, /* no packet for 3 s */
    FACT_STREAM_BEGUN,
    FACT_STREAM_RESUMED, /* it was told silent, and packets came again */
    FACT_STREAM_ENDED
};

struct fact_stream {
    struct fact_party sender;
    struct fact_party receiver;
    uint8_t event; /* enum fact_stream_event */
    bool held; /* its call is on hold, or the direction is not sendrecv/sendonly */
    bool call_is_up;
    bool secondary_types;
    bool codec_known; /* Ie and Bpl of the codec are known */
    bool suspect_capture; /* our own loss may have caused it: no verdict */
    bool pauses; /* it sends nothing in silence: comfort noise, or gaps without loss */
    /* It began in the middle of its call: another one moved, or was replaced. Said once: BEGUN, or
     * INTERVAL where its call was found only then. */
    bool follows;
    uint32_t ssrc;
    uint16_t index; /* interval number */
    uint32_t packets; /* of the interval */
    uint32_t expected;
    uint32_t lost; /* net of reordering and duplicates */
    uint32_t longest_loss;
    uint32_t loss_ppm;
    /* delay variation of the interval, at the stream's clock; UINT64_MAX = unknown */
    uint64_t variation_mean_ns;
    uint32_t reordered; /* packets that came behind a later one: the variation leaves them out */
    uint64_t
        jitter_mean_ns; /* RFC 3550 A.8 over all packets of the interval; UINT64_MAX = unknown */
    uint32_t r_factor_milli; /* E-model R x 1000 of the interval; UINT32_MAX = none */
    uint32_t mos_milli; /* MOS x 1000 of the interval; 0 = none */
    uint64_t round_trip_ns; /* by RTCP; 0 = unknown */
    uint64_t stream_number;
    uint64_t call_number; /* 0 = no call */
    uint64_t started_ns; /* its first packet */
    uint64_t last_ns; /* its last */
    uint64_t silent_ns; /* SILENT and RESUMED: its last packet before the silence */
    uint64_t gap_ns; /* longest between two packets of the interval */
    struct slice call_id;
    struct slice codec;
    struct slice device; /* what "one device" is: account of the sender, else its address text */
};

struct fact_flow {
    struct fact_party originator;
    struct fact_party responder;
    uint8_t transport; /* 6 or 17 */
    uint8_t tcp_flags;
    bool answered;
    uint64_t first_ns;
    uint64_t packets[2]; /* originator's, responder's */
    uint64_t bytes[2];
    struct slice application;
};

/* Silence of an interface from which on nothing may be concluded from what is not heard. */
enum { FACT_SILENT_S = 3 };

/* What the sensor itself hears. While one_way_capture or silent_capture is set, nobody may conclude
 * that something ended, fell silent or does not answer: it may be us. */
struct fact_second {
    uint64_t second;
    bool one_way_capture; /* requests without answers, or answers without requests, all over */
    bool lossy_capture; /* more than 0.5 % of messages or frames did not reach us whole */
    bool
        silent_capture; /* live: an interface that brought traffic brings none, for FACT_SILENT_S */
    bool live;
    uint32_t silent_s; /* how long the one that is silent longest has been; 0 = none is */
    uint32_t requests; /* these and all below: of the last ten seconds */
    uint32_t answers;
    uint64_t frames; /* that reached us */
    uint64_t dropped; /* by kernel and card, live */
    uint64_t cut; /* of the frames: reached us in part */
    uint64_t copies; /* of the frames: copies that the mirror made */
    uint64_t clock_steps; /* of the wall clock by more than a second, live */
    uint32_t full_ppm; /* of the fullest table of what goes on now: calls, transactions ... */
    struct slice full_table; /* its name in tables.NAME.entries */
    struct slice silent_interface;
    uint32_t mute_s; /* live: that an interface has brought nothing at all since the start */
    struct slice mute_interface;
    uint64_t heard_ns; /* last signalling or RTCP that reached us; 0 = none so far */
    uint64_t flows_ns; /* last packet of a stream that was not told silent before it; 0 = none */
};

/* What a server was asked and answered in a second of packet time; told at its mark, of servers
 * that were busy in it, that have owed an answer since then, that lost calls, and once a minute of
 * those that call us. A server here is an address that requests go to; the role is all. ACK is no
 * request here. Unknown: from an address that never logged in and never answered a request. Who asks
 * is looked at only where a request begins something: INVITE, REGISTER, OPTIONS, SUBSCRIBE, MESSAGE. */
struct fact_server {
    struct fact_party server; /* good_accounts: it is a device, or registers at a provider */
    /* one direction only is heard, or an interface is silent: a missing answer proves nothing */
    bool one_way;
    /* requests, without copies */
    uint32_t requests[FACT_METHOD_COUNT];
    uint32_t unknown_requests[FACT_METHOD_COUNT];
    uint32_t followed; /* with credentials or a To tag, and ACKs: who sends them got an answer */
    uint32_t sources; /* different addresses that asked; never too high */
    uint32_t sources_new; /* of those: unknown, not proven, first seen within one or two minutes */
    uint32_t logins; /* addresses that had their first success here */
    /* answers, without copies */
    uint32_t answers; /* of any class */
    uint32_t retry_after; /* 503 with Retry-After */
    uint32_t first_answers; /* requests that got their first answer */
    uint32_t slow_answers; /* of those: after more than 500 ms */
    uint64_t first_answer_ns_mean; /* 0 = none */
    uint64_t usual_answer_ns; /* the mean of calm seconds; 0 = not known */
    uint64_t answered_before; /* requests that it ever answered */
    /* since its last answer, of addresses that are known or proven */
    uint32_t unanswered; /* requests, without copies */
    uint32_t unanswered_sources; /* different addresses, up to 8; of refused connections, too */
    uint32_t unanswered_servers; /* of those: servers that others ask */
    bool unanswered_calls; /* an INVITE is among them */
    uint32_t routes; /* other servers, no devices, that answered one of those in the last minute */
    uint64_t unanswered_since_ns; /* first and last of them, the last with copies; 0 = none */
    uint64_t unanswered_last_ns;
    /* since its last answer, by ICMP or a reset; of requests sent again, too */
    uint32_t refusals;
    uint8_t refusal; /* the last one: enum fact_refusal */
    struct addr refused_by; /* who said so: a router, or the server itself */
    uint64_t refused_since_ns; /* first and last of them; 0 = none */
    uint64_t refused_last_ns;
    uint32_t elsewhere_requests; /* in that time, to other servers that had answered before */
    uint32_t elsewhere_answers; /* ... and from any other */
    /* calls */
    uint32_t calls_lost; /* failed by an error, and the two did not meet elsewhere within 10 s */
    uint32_t calls_sent; /* INVITEs that came from it since it was told last */
    uint32_t calls_elsewhere; /* INVITEs of others since its last one */
    uint64_t last_call_ns; /* its last INVITE; 0 = none */
};

/* An incident opened, rose or closed: how detectors hear of each other. */
struct fact_incident {
    struct fact_party source; /* absent (port and address zero) where there is none */
    const char *rule; /* slug */
    uint64_t rule_hash;
    uint8_t event; /* 0 open, 1 rose, 2 close */
    uint8_t severity;
    uint8_t stage;
    uint8_t key_kind; /* enum key_kind of detector.h */
    uint64_t key_hash;
    uint64_t opened_ns;
    uint64_t count;
    struct hash128 id;
    struct slice account; /* where the key or the evidence names one */
    struct slice target;
    struct fact_party destination; /* of the fact that brought it; all zero where there is none */
    uint64_t call_number; /* of that fact's stream or call; 0 = none */
};

struct fact {
    uint8_t kind; /* enum fact_kind */
    bool forced; /* the end of input closed it, not the wire */
    uint16_t interface;
    uint8_t transport; /* IP protocol that carried it: 6 or 17; 0 = not told */
    uint8_t hour_of_week; /* 0 = Monday 00:00, in site.timezone */
    uint64_t time_ns;
    uint64_t
        number; /* packet that brought it; 0 for what a mark brought; SERVER: its last request */
    union {
        struct fact_message message;
        struct fact_transaction transaction;
        struct fact_registration registration;
        struct fact_call call;
        struct fact_stream stream;
        struct fact_flow flow;
        struct fact_second second;
        struct fact_incident incident;
        struct fact_server server;
    } is;
};

static_assert(sizeof(struct fact) <= 512, "a fact is at most 512 bytes");

#endif
