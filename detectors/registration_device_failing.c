/* registration_device_failing.c - a device of ours keeps trying with a wrong password.
 *
 * The other side of the device gate (frame/gate.h): what passes it is shown here with severity 1,
 * one incident a device, so that the phone with the old password is seen without waking
 * anybody. More than one try in 10 s, another Call-ID each time or another device leave the gate,
 * and registration-bruteforce takes over.
 *
 * Limits: a request without User-Agent and +sip.instance has no device; its failures are counted by
 * the other rule. */
#include "detectors/detector.h"
#include "detectors/frame/gate.h"

#include "base/window.h"

enum { NAME_SHOWN = 48 };

struct conf {
    uint64_t failures;
    uint64_t window_ns;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("failures", COUNT, conf, failures, "2", "5", "10000", "failed logins of one device within the window"),
    OPTION("window", DURATION_NS, conf, window_ns, "1m", "1h", "1d", "length of the sliding window"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct lane {
    struct window failures;
    struct gate gate;
    uint32_t first_s; /* of this row of failures */
};
static_assert(sizeof(struct lane) <= DETECTOR_LANE_BYTES, "it must fit into a lane");

static bool registration_device_failing_heeds(const struct fact *fact)
{
    const struct fact_transaction *try = &fact->is.transaction;

    return try->auth_failure && !fact->forced &&
           (try->client.side != FACT_FOREIGN || try->device_known);
}

static void registration_device_failing_on_fact(struct detector_context *context, void *memory,
                                                void *cell, const void *configuration,
                                                const struct fact *fact)
{
    const struct fact_transaction *try = &fact->is.transaction;
    const struct conf *conf = configuration;
    struct lane *lane = memory;
    uint32_t now_s = (uint32_t)time_second(fact->time_ns);
    (void)cell;

    if (window_sum(&lane->failures, fact->time_ns, conf->window_ns) == 0) {
        lane->first_s = now_s;
        lane->gate = (struct gate){0};
    }
    uint32_t failures = window_add(&lane->failures, fact->time_ns, conf->window_ns, 1);
    gate_see(&lane->gate, fact);
    if (failures < conf->failures || !gate_holds(&lane->gate)) {
        return;
    }
    char buffer[200];
    struct text detail = text_into(buffer, sizeof buffer);
    uint64_t span_ns = (uint64_t)(now_s - lane->first_s) * NS_PER_S;
    struct finding finding = {.severity = 1,
                              .count = failures,
                              .observed = failures,
                              .threshold = conf->failures,
                              .window_ns = conf->window_ns,
                              .unit = "failures",
                              .span_ns = span_ns < conf->window_ns ? span_ns : conf->window_ns,
                              .account = try->account};
    confidence_start(&finding.confidence, 60, "condition met at our own device");
    if (try->device_known) {
        confidence_add(&finding.confidence, 20, "the device had success before");
    }
    confidence_margin(&finding.confidence, failures, conf->failures);
    text_string(&detail, "tries again and again with a wrong password, from ");
    text_addr(&detail, &try->client.endpoint.addr);
    text_format(&detail, ": %" PRIu32 " failed logins", failures);
    finding.detail = text_slice(&detail);
    detector_raise(context, &finding);
}

const struct detector detector_registration_device_failing = {
    .slug = "registration-device-failing",
    .title = "device that keeps failing to log in",
    .category = "authentication",
    .sees = "a phone that tries to register with a wrong password again and again",
    .blind = "phones that change their Call-ID with every try; they are told as guessing once they "
             "are many",
    .false_alarms =
        "a very patient guesser looks the same until a second account, a proof or a success tells",
    .advice = "Set the right password in the phone, or remove the account from it.",
    .example =
        "Account 1001@voice.example.com on ExamplePhone 5.2 tries again and again with a wrong "
        "password, from 192.0.2.21: 5 failed logins (in 2 min; limit 5 failures in 1 h). Set the "
        "right password in the phone, or remove the account from it.",
    .severity = 1,
    .key = KEY_ACCOUNT_DEVICE,
    .wants = FACT_BIT(TRANSACTION),
    .transaction_ends = 1 << FACT_TRANSACTION_LOGIN_FAILED,
    .lane_bytes = sizeof(struct lane),
    .conf_bytes = sizeof(struct conf),
    .options = options,
    .kept = 1,
    .heeds = registration_device_failing_heeds,
    .on_fact = registration_device_failing_on_fact,
};
