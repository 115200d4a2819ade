/* open_relay.c - our server places an outside call for somebody whom nobody knows.
 *
 *      lane   calls of this source that this server took without a password and that cost nothing
 *
 * The server's own answer is the proof: a 200, or a 18x with a session description, after which the
 * caller hears the far end and somebody may be paid. A 180 alone may come from the phone beside the
 * server, a 100 from anything.
 *
 * Known is who has a binding, gave a password, had success from that network before, or is a peer:
 * an address that has answered a request outside a dialog, so that somebody of ours chose to ask it.
 * (To answer a BYE makes no peer: every stranger whose call was taken is sent one.)
 *
 * A password is one that the server asked for, in this call or of this source lately. Who lets
 * strangers call does not look at it, so anybody can send one; but a phone may have kept the nonce
 * of a challenge that we did not hear: severity 2.
 *
 * Outside is a number that cannot be one of our own (frame/costly.h). A carrier that brings calls
 * to our own numbers in a country of risk looks like one who calls there, so a plain number that is
 * neither premium nor satellite is severity 2 unless the source has shown itself as an attacker. So
 * is a source beside the server: it may be a phone that registered before we listened. And a source
 * ten of whose harmless calls this server took is a peer by address that we have only never seen
 * answer, unless it has shown itself as an attacker: anybody can make ten harmless calls first. */
#include "detectors/detector.h"
#include "detectors/frame/costly.h"
#include "detectors/frame/key.h"

struct conf {
    uint64_t peer_calls;
    uint64_t prefixes;
    struct option_networks peers;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("peer_calls", COUNT, conf, peer_calls, "1", "10", "10000", "harmless calls without a password that the server took before, from which the source may be a peer"),
    OPTION("prefixes", COUNT, conf, prefixes, "2", "3", "7", "ways to dial the same number within an hour that show an attacker"),
    OPTION("peers", NETWORKS, conf, peers, NULL, "", NULL, "addresses that may call out without a password: carriers, other servers of ours"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct lane {
    uint64_t last_call; /* number + 1 of the last that was counted */
    uint64_t first_ns; /* of the outside calls */
    uint32_t harmless;
    uint32_t outside;
};

static bool open_relay_heeds(const struct fact *fact)
{
    const struct fact_call *call = &fact->is.call;

    return !fact->forced && !(call->has_credentials && call->challenged) &&
           (call->event == FACT_CALL_ANSWERED ||
            (call->event == FACT_CALL_RINGING && call->early_media));
}

static bool is_stranger(const struct fact_call *call)
{
    struct fact_call without = *call;

    without.has_credentials = call->has_credentials && call->caller.proven;
    return costly_is_stranger(&without);
}

/* A number that its country does not have has points too, and is nobody's. */
static bool is_risky(const struct fact_number *number)
{
    return number->type != FACT_NUMBER_INVALID && costly_points(number) >= COSTLY_RISKY;
}

static bool is_near(const struct fact_call *call)
{
    struct prefix site = addr_site_prefix(&call->callee.endpoint.addr);

    return prefix_contains(&site, &call->caller.endpoint.addr) ||
           addr_is_private(&call->caller.endpoint.addr);
}

static bool is_attacker(struct detector_context *context, const struct conf *conf,
                        const struct fact *fact)
{
    return fact->is.call.prefixes_tried >= conf->prefixes ||
           detector_recent(context, "scanner-fingerprint", fact, NS_PER_DAY) ||
           detector_recent(context, "enumeration", fact, NS_PER_DAY) ||
           detector_recent(context, "scan", fact, NS_PER_DAY);
}

static void tell(struct detector_context *context, const struct lane *lane, const struct conf *conf,
                 const struct fact *fact, bool again)
{
    const struct fact_call *call = &fact->is.call;
    const struct fact_number *called = &call->called;
    bool attacker = is_attacker(context, conf, fact);
    bool doubt = (!costly_is_outside(call) && !attacker) || is_near(call) ||
                 call->has_credentials || (lane->harmless >= conf->peer_calls && !attacker);
    char room[250];
    char target_room[32];
    struct text detail = text_into(room, sizeof room);
    struct text target = text_into(target_room, sizeof target_room);
    struct finding finding = {.severity = doubt ? 2 : 4,
                              .stage = 4,
                              .succeeded = true,
                              .count = lane->outside,
                              .observed = lane->outside,
                              .window_ns = NS_PER_HOUR,
                              .unit = "calls",
                              .span_ns =
                                  lane->outside < 2 ? 0 : time_since(fact->time_ns, lane->first_ns),
                              .only_rise = again};

    confidence_start(&finding.confidence, 40, "condition met");
    confidence_source(&finding.confidence, &call->caller);
    confidence_add(&finding.confidence, 15,
                   call->answered_ns != 0 ? "our server answered" : "our server sent early media");
    if (attacker) {
        confidence_add(&finding.confidence, 15, "scanned or tried out the dial plan before");
    }
    text_string(&detail, "was let through to ");
    costly_write(&detail, called);
    text_string(&detail, " by ");
    text_addr(&detail, &call->callee.endpoint.addr);
    text_string(&detail,
                call->has_credentials
                    ? " without registration, with a password nobody asked for, dialled as "
                    : " without registration or password, dialled as ");
    key_write_name(&detail, call->dialled, 32);
    text_string(&detail, call->answered_ns != 0 ? "; it was answered" : "; it hears early media");
    if (lane->outside > 1) {
        text_format(&detail, ", %" PRIu32 " such calls", lane->outside);
    }
    text_format(&target, "+%" PRIu64, called->e164);
    finding.detail = text_slice(&detail);
    finding.target = text_slice(&target);
    detector_raise(context, &finding);
}

static void open_relay_on_fact(struct detector_context *context, void *memory, void *cell,
                               const void *configuration, const struct fact *fact)
{
    const struct conf *conf = configuration;
    const struct fact_call *call = &fact->is.call;
    struct lane *lane = memory;
    bool again = lane->last_call == call->call_number + 1;
    (void)cell;

    if (!is_stranger(call) || option_networks_have(&conf->peers, &call->caller.endpoint.addr)) {
        return;
    }
    lane->last_call = call->call_number + 1;
    bool outside = call->called.e164 != 0 && call->called.class != FACT_NUMBER_INTERNAL &&
                   call->called.class != FACT_NUMBER_EMERGENCY &&
                   call->called.type != FACT_NUMBER_TOLL_FREE && !call->called.allowed &&
                   (costly_is_outside(call) || is_risky(&call->called));
    if (!outside) {
        lane->harmless += call->event == FACT_CALL_ANSWERED;
        return;
    }
    if (lane->outside == 0) {
        lane->first_ns = call->started_ns;
    }
    lane->outside += !again;
    tell(context, lane, conf, fact, again);
}

/* Numbers of calls are those of packets: another run has others. */
static bool open_relay_take_up(void *memory, void *cell)
{
    struct lane *lane = memory;
    (void)cell;

    lane->last_call = 0;
    return true;
}

const struct detector detector_open_relay = {
    .slug = "open-relay",
    .title = "outside call for a stranger",
    .category = "fraud",
    .sees = "our server that puts through or answers an outside call of a source that neither "
            "registered, nor gave a password, nor is a peer",
    .blind = "calls to national numbers, and strangers whom the server knows by a binding that "
             "somebody else made from the same address",
    .false_alarms = "a carrier or office that calls out through our server by its address alone "
                    "and was never seen to answer; name it in `peers`",
    .advice = "Close the dial plan for callers without a password at once, block the address, and "
              "look at the bill.",
    .example =
        "203.0.113.66 was let through to +252612345678 (Somalia, mobile) by 192.0.2.10 without "
        "registration or password, dialled as 00252612345678; it hears early media. Close the "
        "dial plan for callers without a password at once, block the address, and look at the "
        "bill.",
    .tactic = {"TA0001", "Initial Access"},
    .attack = {"T1190"},
    .severity = 4,
    .stage = 4,
    .key = KEY_SOURCE_SERVER,
    .wants = FACT_BIT(CALL),
    .call_events = 1 << FACT_CALL_RINGING | 1 << FACT_CALL_ANSWERED,
    .lane_bytes = sizeof(struct lane),
    .conf_bytes = sizeof(struct conf),
    .kept = 1,
    .take_up = open_relay_take_up,
    .options = options,
    .heeds = open_relay_heeds,
    .on_fact = open_relay_on_fact,
};
