/* media_quality_site.c - when bad streams are no longer one device's matter.
 *
 *      cell   devices[64]  {address, hashed | last bad stream}
 *             calls[256]   {number | when it went bad}
 *             calls that are up | calls that ended within the window
 *
 * Fed by the incidents of media-quality, not by intervals: what counts is how many devices suffer
 * and which share of the calls. A stream has two ends and the damage may be at either: it is put
 * down to the end that is a registered phone, and among two of them to the one that was in a bad
 * stream before, so that one user on bad Wi-Fi stays one device whomever he talks to.
 *
 * Severity 2 from 3 devices or 5 % of the calls (two at least). Severity 3 from 20 % and 10 bad
 * calls, and only when it lasts: 20 s of congestion stay 2. */
#include "detectors/detector.h"

#include "base/window.h"

enum { DEVICES_MAX = 64, CALLS_MAX = 256, CALLS_MIN = 2 };

struct conf {
    uint64_t window_ns;
    uint64_t devices;
    uint64_t share_ppm;
    uint64_t share_high_ppm;
    uint64_t calls;
    uint64_t persist_ns;
    uint64_t sites;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("window", DURATION_NS, conf, window_ns, "1m", "15m", "1d", "length of the sliding window"),
    OPTION("devices", COUNT, conf, devices, "2", "3", "64", "devices with bad streams that make it the site's matter"),
    OPTION("share", PPM, conf, share_ppm, "0.1%", "5%", "100%", "share of calls with bad streams that makes it the site's matter"),
    OPTION("share_high", PPM, conf, share_high_ppm, "1%", "20%", "100%", "share of bad calls from which it is urgent"),
    OPTION("calls", COUNT, conf, calls, "2", "10", "256", "bad calls there must be for it to be urgent"),
    OPTION("persist", DURATION_NS, conf, persist_ns, "0s", "2m", "1d", "how long calls must keep going bad for it to be urgent"),
    OPTION_TABLE_SIZE("sites", COUNT, conf, sites, "1", "1", "1", "sites that are remembered"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct lane {
    uint32_t handle;
};

struct seen {
    uint64_t name;
    uint64_t at_ns;
    uint64_t ends[2]; /* of a call: its phones; 0 = a server, or the same again */
};

struct cell {
    struct window ended;
    uint64_t up; /* answered and not ended */
    uint64_t first_ns; /* of this row of bad streams */
    uint64_t last_ns;
    uint32_t device_count;
    uint32_t call_count;
    struct seen devices[DEVICES_MAX];
    struct seen calls[CALLS_MAX];
};

static bool media_quality_site_heeds(const struct fact *fact)
{
    if (fact->kind == FACT_CALL) {
        return fact->is.call.event == FACT_CALL_ANSWERED ||
               (fact->is.call.event == FACT_CALL_ENDED && fact->is.call.answered_ns != 0);
    }
    return fact->is.incident.event == 0 && strcmp(fact->is.incident.rule, "media-quality") == 0;
}

/* What is older than the window goes; order stays. */
static uint32_t forget(struct seen *seen, uint32_t count, uint64_t now_ns, uint64_t window_ns)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (time_since(now_ns, seen[i].at_ns) < window_ns) {
            seen[kept++] = seen[i];
        }
    }
    return kept;
}

static struct seen *find(struct seen *seen, uint32_t count, uint64_t name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (seen[i].name == name) {
            return &seen[i];
        }
    }
    return NULL;
}

static uint32_t add(struct seen *seen, uint32_t count, uint32_t room, const struct seen *one)
{
    struct seen *found = find(seen, count, one->name);

    if (found != NULL) {
        found->at_ns = one->at_ns;
    } else if (count < room) {
        seen[count++] = *one;
    }
    return count;
}

static uint64_t phone_of(struct detector_context *context, const struct fact_party *end)
{
    bool server = end->is_server && end->good_accounts == 0;

    return server ? 0 : hash_addr(detector_hash_key(context), &end->endpoint.addr);
}

/* One phone with a bad link damages all whom it talks to: it is behind every bad call. */
static bool is_one_phone(const struct cell *cell)
{
    if (cell->call_count == 0) {
        return false;
    }
    const struct seen *last = &cell->calls[cell->call_count - 1];

    for (unsigned end = 0; end < 2; end++) {
        uint32_t with = 0;
        while (with < cell->call_count && last->ends[end] != 0 &&
               (cell->calls[with].ends[0] == last->ends[end] ||
                cell->calls[with].ends[1] == last->ends[end])) {
            with++;
        }
        if (with == cell->call_count) {
            return true;
        }
    }
    return false;
}

/* The end that the damage is put down to. */
static uint64_t device_of(struct detector_context *context, struct cell *cell,
                          const struct fact_incident *incident)
{
    const struct fact_party *ends[2] = {&incident->source, &incident->destination};
    struct hash_key key = detector_hash_key(context);
    uint64_t chosen = 0;

    /* First look for registered phones, then for what is at least no server. */
    for (unsigned look = 0; look < 2 && chosen == 0; look++) {
        for (unsigned i = 0; i < 2; i++) {
            uint64_t name = hash_addr(key, &ends[i]->endpoint.addr);
            if (look == 0 ? ends[i]->good_accounts == 0 : ends[i]->is_server) {
                continue;
            }
            if (find(cell->devices, cell->device_count, name) != NULL) {
                return name;
            }
            chosen = chosen == 0 ? name : chosen;
        }
    }
    return chosen != 0 ? chosen : hash_addr(key, &incident->source.endpoint.addr);
}

static void on_call(struct cell *cell, const struct conf *conf, const struct fact *fact)
{
    if (fact->is.call.event == FACT_CALL_ANSWERED) {
        cell->up++;
        return;
    }
    cell->up -= cell->up > 0;
    (void)window_add(&cell->ended, fact->time_ns, conf->window_ns, 1);
}

static uint8_t severity_of(const struct cell *cell, const struct conf *conf, uint64_t calls)
{
    uint64_t bad_ppm = (uint64_t)cell->call_count * 1000000;
    bool lasts = time_since(cell->last_ns, cell->first_ns) >= conf->persist_ns;

    if (cell->call_count >= conf->calls && bad_ppm >= conf->share_high_ppm * calls && lasts) {
        return 3;
    }
    if (cell->device_count >= conf->devices ||
        (cell->call_count >= CALLS_MIN && cell->device_count >= CALLS_MIN &&
         bad_ppm >= conf->share_ppm * calls)) {
        return 2;
    }
    return 0;
}

/* What was crossed: the number of devices, else the share of the calls. */
static void put_limit(const struct cell *cell, const struct conf *conf, uint64_t calls,
                      struct finding *finding)
{
    if (cell->device_count >= conf->devices) {
        finding->observed = cell->device_count;
        finding->threshold = conf->devices;
        finding->unit = "devices";
        return;
    }
    uint64_t share = (conf->share_ppm * calls + 999999) / 1000000;

    finding->observed = cell->call_count;
    finding->threshold = share > CALLS_MIN ? share : CALLS_MIN;
    finding->unit = "bad calls";
}

static void on_bad_stream(struct detector_context *context, struct cell *cell,
                          const struct conf *conf, const struct fact *fact)
{
    const struct fact_incident *incident = &fact->is.incident;
    uint64_t now_ns = fact->time_ns;

    cell->device_count = forget(cell->devices, cell->device_count, now_ns, conf->window_ns);
    cell->call_count = forget(cell->calls, cell->call_count, now_ns, conf->window_ns);
    if (cell->device_count == 0) {
        cell->first_ns = now_ns;
    }
    cell->last_ns = now_ns;
    struct seen device = {.name = device_of(context, cell, incident), .at_ns = now_ns};
    struct seen call = {
        .name = incident->call_number,
        .at_ns = now_ns,
        .ends = {phone_of(context, &incident->source), phone_of(context, &incident->destination)}};
    cell->device_count = add(cell->devices, cell->device_count, DEVICES_MAX, &device);
    if (incident->call_number != 0) {
        cell->call_count = add(cell->calls, cell->call_count, CALLS_MAX, &call);
    }
    uint64_t calls = cell->up + window_sum(&cell->ended, now_ns, conf->window_ns);
    calls = calls > cell->call_count ? calls : cell->call_count;
    uint8_t severity = severity_of(cell, conf, calls);
    if (severity == 0 || is_one_phone(cell)) {
        return;
    }
    char buffer[160];
    struct text detail = text_into(buffer, sizeof buffer);
    struct finding finding = {.severity = severity,
                              .count = cell->device_count,
                              .window_ns = conf->window_ns,
                              .span_ns = time_since(now_ns, cell->first_ns)};
    put_limit(cell, conf, calls, &finding);
    confidence_start(&finding.confidence, 60, "condition met");
    confidence_margin(&finding.confidence, finding.observed, finding.threshold);
    text_format(&detail,
                "has bad audio at %" PRIu32 " devices and in %" PRIu32 " of %" PRIu64 " calls",
                cell->device_count, cell->call_count, calls);
    finding.detail = text_slice(&detail);
    detector_raise(context, &finding);
}

static void media_quality_site_on_fact(struct detector_context *context, void *lane, void *memory,
                                       const void *conf, const struct fact *fact)
{
    struct cell *cell = memory;
    (void)lane;

    if (cell == NULL) {
        return;
    }
    if (fact->kind == FACT_CALL) {
        on_call(cell, conf, fact);
    } else {
        on_bad_stream(context, cell, conf, fact);
    }
}

const struct detector detector_media_quality_site = {
    .slug = "media-quality-site",
    .title = "bad audio at several devices",
    .category = "quality",
    .sees = "bad streams at several devices, or in a large share of the calls, within a quarter of "
            "an hour",
    .blind = "sites are not told apart yet: all that we hear is one site",
    .false_alarms =
        "one device without a registration that talks to several others over a bad link",
    .advice = "Look for what the devices share: link, switch, access point, trunk or media server.",
    .example =
        "The site has bad audio at 2 devices and in 2 of 2 calls (in 25 s; limit 2 bad calls in "
        "15 min). Look for what the devices share: link, switch, access point, trunk or media "
        "server.",
    .severity = 2,
    .key = KEY_SITE,
    .wants = FACT_BIT(INCIDENT) | FACT_BIT(CALL),
    .call_events = 1 << FACT_CALL_ANSWERED | 1 << FACT_CALL_ENDED,
    .lane_bytes = sizeof(struct lane),
    .conf_bytes = sizeof(struct conf),
    .slab_bytes = sizeof(struct cell),
    .slab_option = "sites",
    .options = options,
    .heeds = media_quality_site_heeds,
    .on_fact = media_quality_site_on_fact,
};
