/* one_way_audio.c - calls in which one side hears nothing.
 *
 *      cell   recent[256]  {when, network of who is deaf, address of the server}
 *             judged calls within the window
 *             the last call in which both sides were heard
 *
 * State tells of every answered call, ten seconds after its answer, what each side sent in the last
 * whole interval of 5 s. A direction is expected where its sender's description sends, its
 * receiver's receives, and neither holds. It is deaf with fewer than `packets` packets while the
 * other has `flow`; more than that to a port that nobody named are as good as none.
 *
 * Who was heard once behind the answer has a way through, and may have nothing to say (pauses after
 * comfort noise).
 *
 * One deaf call is a ticket: 2. Five within the window at one place are worth waking somebody up:
 * the network of those who hear nothing, the server they talk through, or a tenth of all calls of
 * the site.
 *
 * As long as no call was heard both ways it may be us who hear one side only: a mirror of one
 * direction is no fault of the calls. */
#include "detectors/detector.h"
#include "detectors/frame/key.h"

#include "base/window.h"

enum { RECENT_MAX = 256, PLACE_SHARE = 10 };
#define HEARING_NS NS_PER_DAY

struct conf {
    uint64_t window_ns;
    uint64_t packets;
    uint64_t flow;
    uint64_t calls;
    uint64_t sites;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("packets", COUNT, conf, packets, "1", "5", "100", "packets in 5 s below which a direction is not heard"),
    OPTION("flow", COUNT, conf, flow, "10", "50", "1000", "packets in 5 s from which the other direction counts as heard"),
    OPTION("window", DURATION_NS, conf, window_ns, "1m", "15m", "1d", "length of the sliding window"),
    OPTION("calls", COUNT, conf, calls, "2", "5", "256", "one-way calls at one place that make it urgent"),
    OPTION_TABLE_SIZE("sites", COUNT, conf, sites, "1", "1", "1", "sites that are remembered"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct lane {
    uint32_t handle;
};

struct deaf {
    uint64_t at_ns;
    uint64_t network; /* hash */
    uint64_t server;
};

struct cell {
    bool deaf; /* we hear one direction only, or an interface is silent */
    struct window judged;
    uint64_t both_ns; /* the last call that was heard both ways; 0 = none yet */
    uint32_t count;
    struct deaf recent[RECENT_MAX];
};

/* Who does not hear whom. */
struct verdict {
    const struct fact_party *deaf;
    const struct fact_party *mute;
    const struct fact_call_side *deaf_side;
    const struct fact_call_side *mute_side;
    bool caller_is_deaf;
};

static bool one_way_audio_heeds(const struct fact *fact)
{
    const struct fact_call *call = &fact->is.call;

    if (fact->kind == FACT_SECOND) {
        return true;
    }
    return call->event == FACT_CALL_MEDIA && !fact->forced && !call->held && !call->media_unclear &&
           call->sides[0].named && call->sides[1].named;
}

static bool is_expected(const struct fact_call *call, unsigned sender)
{
    return call->sides[sender].sends && call->sides[1 - sender].receives;
}

static bool find_deaf(const struct fact_call *call, const struct conf *conf, struct verdict *out)
{
    for (unsigned mute = 0; mute < 2; mute++) {
        const struct fact_call_side *silent = &call->sides[mute];
        const struct fact_call_side *other = &call->sides[1 - mute];
        if (silent->packets < conf->packets && !silent->spoke && other->packets >= conf->flow &&
            is_expected(call, mute)) {
            *out = (struct verdict){.deaf = mute == 0 ? &call->callee : &call->caller,
                                    .mute = mute == 0 ? &call->caller : &call->callee,
                                    .deaf_side = other,
                                    .mute_side = silent,
                                    .caller_is_deaf = mute == 1};
            return true;
        }
    }
    return false;
}

/* What is older than the window goes, and the oldest where there is no room. */
static void remember(struct cell *cell, const struct conf *conf, const struct deaf *deaf)
{
    uint32_t kept = 0;

    for (uint32_t i = cell->count == RECENT_MAX ? 1 : 0; i < cell->count; i++) {
        if (time_since(deaf->at_ns, cell->recent[i].at_ns) < conf->window_ns) {
            cell->recent[kept++] = cell->recent[i];
        }
    }
    cell->recent[kept] = *deaf;
    cell->count = kept + 1;
}

enum place { PLACE_CALL, PLACE_NETWORK, PLACE_SERVER, PLACE_SITE };

/* The narrowest place that has enough of them; *out_calls: how many it has. */
static enum place place_of(const struct cell *cell, const struct conf *conf, uint64_t judged,
                           uint64_t *out_calls)
{
    const struct deaf *last = &cell->recent[cell->count - 1];
    uint64_t network = 0;
    uint64_t server = 0;

    for (uint32_t i = 0; i < cell->count; i++) {
        network += cell->recent[i].network == last->network;
        server += cell->recent[i].server == last->server;
    }
    *out_calls = network;
    if (network >= conf->calls) {
        return PLACE_NETWORK;
    }
    *out_calls = server;
    if (server >= conf->calls) {
        return PLACE_SERVER;
    }
    *out_calls = cell->count;
    return cell->count >= conf->calls && cell->count * PLACE_SHARE >= judged ? PLACE_SITE
                                                                             : PLACE_CALL;
}

static void write_cause(struct text *detail, const struct verdict *verdict)
{
    if (verdict->mute_side->stray > 0) {
        text_string(detail, "; it is sent to a port that nobody named");
    } else if (verdict->deaf_side->hidden) {
        text_string(detail, "; the deaf side named a private address");
    } else if (verdict->deaf_side->secure != verdict->mute_side->secure) {
        text_string(detail, "; only one side wants encrypted media");
    } else {
        text_string(detail, "; nothing of it reaches us: a blocked port, or a sender that is mute");
    }
}

static void write_detail(struct text *detail, const struct conf *conf, const struct fact_call *call,
                         const struct verdict *verdict, enum place place, uint64_t calls)
{
    struct prefix network = addr_site_prefix(&verdict->deaf->endpoint.addr);

    text_format(detail, "has %" PRIu64 " call%s in which one side hears nothing", calls,
                calls == 1 ? "" : "s");
    if (place == PLACE_NETWORK) {
        text_string(detail, ", the deaf ones all in ");
        text_prefix(detail, &network);
    } else if (place == PLACE_SERVER) {
        text_string(detail, ", all through ");
        text_addr(detail, &call->callee.endpoint.addr);
    } else if (place == PLACE_CALL) {
        text_format(detail, " (urgent from %" PRIu64 " in ", conf->calls);
        text_duration(detail, conf->window_ns);
        text_string(detail, ")");
    }
    text_string(detail, calls == 1 ? ": " : ", the last: ");
    key_write_name(detail, call->from_user, 24);
    text_string(detail, verdict->caller_is_deaf ? " does not hear " : " is not heard by ");
    key_write_name(detail, call->to_user, 24);
    write_cause(detail, verdict);
}

static void tell(struct detector_context *context, const struct cell *cell, const struct conf *conf,
                 const struct fact *fact, const struct verdict *verdict)
{
    const struct fact_call *call = &fact->is.call;
    uint64_t judged = window_sum(&cell->judged, fact->time_ns, conf->window_ns);
    uint64_t calls;
    enum place place = place_of(cell, conf, judged, &calls);
    char buffer[255];
    char name[160];
    struct text detail = text_into(buffer, sizeof buffer);
    struct text target = text_into(name, sizeof name);
    struct finding finding = {.severity = place == PLACE_CALL ? 2 : 3,
                              .names_nobody = true,
                              .count = cell->count,
                              .observed = calls,
                              .threshold =
                                  place == PLACE_CALL ? 0 : conf->calls, /* one is enough */
                              .window_ns = conf->window_ns,
                              .unit = "calls",
                              .span_ns = time_since(fact->time_ns, cell->recent[0].at_ns)};

    text_slice_put(&target,
                   slice_part(verdict->caller_is_deaf ? call->from_user : call->to_user, 0, 64));
    text_string(&target, "@");
    text_slice_put(&target,
                   slice_part(verdict->caller_is_deaf ? call->from_host : call->to_host, 0, 64));
    finding.target = text_slice(&target);
    confidence_start(&finding.confidence, 60, "condition met");
    confidence_add(&finding.confidence, 15, "other calls are heard both ways");
    confidence_margin(&finding.confidence, calls, conf->calls);
    write_detail(&detail, conf, call, verdict, place, calls);
    finding.detail = text_slice(&detail);
    detector_raise(context, &finding);
}

static void one_way_audio_on_fact(struct detector_context *context, void *lane, void *memory,
                                  const void *configuration, const struct fact *fact)
{
    const struct fact_call *call = &fact->is.call;
    const struct conf *conf = configuration;
    struct cell *cell = memory;
    struct verdict verdict;
    (void)lane;

    if (cell == NULL) {
        return;
    }
    if (fact->kind == FACT_SECOND) {
        cell->deaf = fact->is.second.one_way_capture || fact->is.second.silent_capture;
        return;
    }
    if (cell->deaf) {
        return;
    }
    (void)window_add(&cell->judged, fact->time_ns, conf->window_ns, 1);
    if (call->sides[0].packets >= conf->packets && call->sides[1].packets >= conf->packets) {
        cell->both_ns = fact->time_ns;
    }
    bool hears = cell->both_ns != 0 && time_since(fact->time_ns, cell->both_ns) <= HEARING_NS;
    if (!hears || !find_deaf(call, conf, &verdict)) {
        return;
    }
    struct hash_key key = detector_hash_key(context);
    struct prefix network = addr_site_prefix(&verdict.deaf->endpoint.addr);
    struct deaf deaf = {.at_ns = fact->time_ns,
                        .network = hash_addr(key, &network.addr),
                        .server = hash_addr(key, &call->callee.endpoint.addr)};
    remember(cell, conf, &deaf);
    tell(context, cell, conf, fact, &verdict);
}

const struct detector detector_one_way_audio = {
    .slug = "one-way-audio",
    .title = "calls in which one side hears nothing",
    .category = "quality",
    .sees = "answered calls in which, ten seconds after the answer, one side sends audio and "
            "nothing comes from the other, although both agreed to talk",
    .blind = "audio that stops later in a call, calls with ICE, and everything until a first call "
             "was heard both ways",
    .false_alarms = "a phone that sends nothing at all while its user is mute or does not speak, "
                    "and media of which one direction takes another way than past the sensor",
    .advice = "Look at the firewall and NAT between the deaf side and the sender: ports of the "
              "media, private addresses in the session description, SIP ALG.",
    .example =
        "The site has 1 call in which one side hears nothing (urgent from 5 in 15 min): 1003 "
        "does not hear 1004; nothing of it reaches us: a blocked port, or a sender that is mute. "
        "Look at the firewall and NAT between the deaf side and the sender: ports of the media, "
        "private addresses in the session description, SIP ALG.",
    .severity = 2,
    .key = KEY_SITE,
    .wants = FACT_BIT(CALL) | FACT_BIT(SECOND),
    .call_events = 1 << FACT_CALL_MEDIA,
    .lane_bytes = sizeof(struct lane),
    .conf_bytes = sizeof(struct conf),
    .slab_bytes = sizeof(struct cell),
    .slab_option = "sites",
    .options = options,
    .heeds = one_way_audio_heeds,
    .on_fact = one_way_audio_on_fact,
};
