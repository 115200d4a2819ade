/* registrar_down.c - a server that many ask and that answers nobody any more.
 *
 * State keeps what waits for an answer (struct fact_server), so there is nothing to remember here.
 * Speaks only of servers that lived: a drained back end, or an address that never answered, is no
 * outage. Those who wait must be known or proven, and must have gone on asking: a capture that stops,
 * or a flood that the server does not answer, looks alike otherwise.
 *
 * Blindness first. When the sensor hears one direction only, or when no server at all has answered
 * since the same moment although others are asked too, it is the mirror that went dark. With one
 * server alone there is nothing to compare with, and confidence says so. */
#include "detectors/frame/method.h"

enum { LIVED = 20, REQUESTS_MIN = 2, ELSEWHERE_MIN = 10 };

struct conf {
    uint64_t requests;
    uint64_t sources;
    uint64_t silence_ns;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("requests", COUNT, conf, requests, "2", "10", "100000", "requests without any answer"),
    OPTION("sources", COUNT, conf, sources, "2", "5", "8", "different sources that sent them"),
    OPTION("silence", DURATION_NS, conf, silence_ns, "2s", "10s", "5m", "for so long"),
    {.kind = OPTION_END},
};
/* clang-format on */

static bool registrar_down_heeds(const struct fact *fact)
{
    const struct fact_server *server = &fact->is.server;

    return server->unanswered >= REQUESTS_MIN && server->answered_before >= LIVED &&
           !server->one_way;
}

static void registrar_down_on_fact(struct detector_context *context, void *lane, void *cell,
                                   const void *configuration, const struct fact *fact)
{
    const struct fact_server *server = &fact->is.server;
    const struct conf *conf = configuration;
    uint64_t silent_ns = time_since(fact->time_ns, server->unanswered_since_ns);
    uint64_t asked_ns = time_since(server->unanswered_last_ns, server->unanswered_since_ns);
    bool others_asked = server->elsewhere_requests >= ELSEWHERE_MIN;
    (void)lane;
    (void)cell;

    if (server->unanswered < conf->requests || server->unanswered_sources < conf->sources ||
        silent_ns < conf->silence_ns || asked_ns < conf->silence_ns / 2 ||
        (others_asked && server->elsewhere_answers == 0)) {
        return;
    }
    char buffer[200];
    struct text detail = text_into(buffer, sizeof buffer);
    struct finding finding = {.severity = 4,
                              .names_nobody = true,
                              .count = server->unanswered,
                              .observed = server->unanswered,
                              .threshold = conf->requests,
                              .window_ns = conf->silence_ns,
                              .unit = "requests without an answer",
                              .span_ns = silent_ns,
                              .only_rise = method_sum(server->requests) == 0};

    confidence_start(&finding.confidence, 60, "condition met");
    if (server->elsewhere_answers > 0) {
        confidence_add(&finding.confidence, 15, "other servers are heard to answer");
    }
    confidence_margin(&finding.confidence, finding.observed, finding.threshold);
    text_string(&detail, "has answered nobody since ");
    text_time(&detail, detector_told_ns(context, server->unanswered_since_ns), 0);
    text_format(&detail, ": %" PRIu32 " requests of %s%" PRIu32 " sources", server->unanswered,
                server->unanswered_sources >= 8 ? "at least " : "", server->unanswered_sources);
    finding.detail = text_slice(&detail);
    detector_raise(context, &finding);
}

const struct detector detector_registrar_down = {
    .slug = "registrar-down",
    .title = "server that answers nobody",
    .category = "availability",
    .sees = "a server that answered before and now leaves all requests of several known sources "
            "without any answer",
    .blind = "servers that few ask, and servers that answer with errors (response-spike)",
    .false_alarms = "a mirror that loses one direction while there is no other server to compare "
                    "with",
    .advice = "Nobody can register or call there: look at the server and its link now; if the "
              "server is well, look at the mirror port.",
    .example =
        "Server 192.0.2.10 has answered nobody since 2026-01-05T09:00:07Z: 12 requests of 6 "
        "sources (in 10.752 s; limit 10 requests without an answer in 10 s). Nobody can register "
        "or call there: look at the server and its link now; if the server is well, look at the "
        "mirror port.",
    .severity = 4,
    .key = KEY_SERVER,
    .wants = FACT_BIT(SERVER),
    .conf_bytes = sizeof(struct conf),
    .options = options,
    .heeds = registrar_down_heeds,
    .on_fact = registrar_down_on_fact,
};
