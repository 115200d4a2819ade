/* registration_breach.c - a login succeeded after guessing: our own server's answer proves it.
 *
 *      lane   failed logins of the account in 24 h, from anywhere | device gate over them
 *
 * Success = REGISTER accepted with credentials, or INVITE, from a network in which the account never
 * had one. It is a breach when guessing went before: an incident of registration-bruteforce or
 * password-spray that shares source, network or account, or 10 failures of the account within a
 * day. A device that the account has used elsewhere is its user's, unless it is from here that
 * passwords were guessed: the name of an agent is soon copied. Where all of these look like one
 * patient phone (frame/gate.h) and no incident was raised, it may be the user who found his
 * password at last: severity 2, ask him. */
#include "detectors/detector.h"
#include "detectors/frame/gate.h"

#include "base/window.h"

struct conf {
    uint64_t failures;
    uint64_t window_ns;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("failures", COUNT, conf, failures, "2", "10", "10000", "failed logins of the account before the success"),
    OPTION("window", DURATION_NS, conf, window_ns, "10m", "1d", "7d", "how long before the success guessing may have been"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct lane {
    struct window failures;
    struct gate gate;
    uint32_t first_s; /* of this row of failures */
};
static_assert(sizeof(struct lane) <= DETECTOR_LANE_BYTES, "it must fit into a lane");

/* Only successes that bind or call: REGISTRATION says it of REGISTER, TRANSACTION of INVITE. */
static bool is_success(const struct fact *fact)
{
    if (fact->kind == FACT_REGISTRATION) {
        const struct fact_registration *registration = &fact->is.registration;
        return registration->success && registration->has_credentials && !registration->removed &&
               !registration->place_known;
    }
    const struct fact_transaction *try = &fact->is.transaction;
    return try->method == FACT_METHOD_INVITE && try->has_credentials && try->status >= 200 &&
           try->status < 300 && !try->place_known;
}

static bool registration_breach_heeds(const struct fact *fact)
{
    if (fact->forced) {
        return false;
    }
    return (fact->kind == FACT_TRANSACTION && fact->is.transaction.auth_failure) ||
           is_success(fact);
}

static void on_failure(struct lane *lane, const struct conf *conf, const struct fact *fact)
{
    if (window_sum(&lane->failures, fact->time_ns, conf->window_ns) == 0) {
        lane->first_s = (uint32_t)time_second(fact->time_ns);
        lane->gate = (struct gate){0};
    }
    (void)window_add(&lane->failures, fact->time_ns, conf->window_ns, 1);
    gate_see(&lane->gate, fact);
}

static void write_detail(struct text *detail, const struct fact_party *client, uint32_t failures,
                         bool after_attack, bool phone)
{
    text_string(detail, "was logged in to");
    text_string(detail,
                after_attack ? ", during or after an attack on passwords, from " : " from ");
    text_addr(detail, &client->endpoint.addr);
    text_string(detail, phone ? " by what may be the user's phone" : "");
    if (failures > 0) {
        text_format(detail, ", after %" PRIu32 " failed logins", failures);
    }
}

/* The account's device at a new place: its user, who travels. */
static bool is_own(const struct fact *fact)
{
    return fact->kind == FACT_REGISTRATION ? fact->is.registration.device_known
                                           : fact->is.transaction.device_known;
}

static bool was_attacked(const struct detector_context *context, const struct fact *fact,
                         uint64_t window_ns)
{
    struct fact asked = *fact;

    if (is_own(fact)) { /* then the attack must have come from this source or its network */
        *(fact->kind == FACT_REGISTRATION ? &asked.is.registration.account
                                          : &asked.is.transaction.account) = SLICE_NONE;
    }
    return detector_recent(context, "registration-bruteforce", &asked, window_ns) ||
           detector_recent(context, "password-spray", &asked, window_ns);
}

static void on_success(struct detector_context *context, struct lane *lane, const struct conf *conf,
                       const struct fact *fact)
{
    uint32_t failures = window_sum(&lane->failures, fact->time_ns, conf->window_ns);
    const struct fact_party *client = fact->kind == FACT_REGISTRATION
                                          ? &fact->is.registration.client
                                          : &fact->is.transaction.client;
    bool after_attack = was_attacked(context, fact, conf->window_ns);

    if (!after_attack && (is_own(fact) || failures < conf->failures)) {
        return;
    }
    bool phone = !after_attack && gate_holds(&lane->gate);
    char buffer[200];
    struct text detail = text_into(buffer, sizeof buffer);
    uint32_t span_s = (uint32_t)time_second(fact->time_ns) - lane->first_s;
    struct finding finding = {.severity = phone ? 2 : 4,
                              .stage = 4,
                              .succeeded = true,
                              .count = 1,
                              .observed = failures,
                              .threshold = failures >= conf->failures ? conf->failures : 0,
                              .window_ns = conf->window_ns,
                              .unit = "failures",
                              .span_ns = failures > 0 ? span_s * NS_PER_S : 0};
    confidence_start(&finding.confidence, 40, "condition met");
    confidence_source(&finding.confidence, client);
    confidence_add(&finding.confidence, 15, "our server accepted the login");
    if (after_attack) {
        confidence_add(&finding.confidence, 15, "passwords were guessed before");
    }
    confidence_margin(&finding.confidence, failures, conf->failures);
    write_detail(&detail, client, failures, after_attack, phone);
    finding.detail = text_slice(&detail);
    detector_raise(context, &finding);
    memset(lane, 0, sizeof *lane); /* the next success must be earned anew */
}

static void registration_breach_on_fact(struct detector_context *context, void *lane, void *cell,
                                        const void *conf, const struct fact *fact)
{
    (void)cell;
    if (is_success(fact)) {
        on_success(context, lane, conf, fact);
    } else {
        on_failure(lane, conf, fact);
    }
}

const struct detector detector_registration_breach = {
    .slug = "registration-breach",
    .title = "login after password guessing",
    .category = "authentication",
    .sees = "an accepted login of an unknown device after passwords were guessed, by this source "
            "or for this account",
    .blind = "a password that was right at the first try, and an attacker behind the account's own "
             "address",
    .false_alarms =
        "the account's user at a new place while an attack on the account is going on; ask him",
    .advice = "Disable the account, remove its bindings, set a new password, and look at the calls "
              "it made since.",
    .example =
        "Account 1004@voice.example.com was logged in to, during or after an attack on "
        "passwords, from 203.0.113.54, after 12 failed logins (in 36 s; limit 10 failures in 1 "
        "d). Disable the account, remove its bindings, set a new password, and look at the calls "
        "it made since.",
    .tactic = {"TA0001", "Initial Access"},
    .attack = {"T1078", "T1110"},
    .severity = 4,
    .stage = 4,
    .key = KEY_ACCOUNT,
    .wants = FACT_BIT(REGISTRATION) | FACT_BIT(TRANSACTION),
    .transaction_ends = 1 << FACT_TRANSACTION_LOGIN_FAILED | 1 << FACT_TRANSACTION_ANSWERED,
    .lane_bytes = sizeof(struct lane),
    .conf_bytes = sizeof(struct conf),
    .options = options,
    .kept = 1,
    .heeds = registration_breach_heeds,
    .on_fact = registration_breach_on_fact,
};
