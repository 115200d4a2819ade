/* rtp_drop.c - many streams stop at one moment while their calls are up.
 *
 *      cell   streams that flow: at this mark, at the one before
 *             the same of each of 64 senders that are no registered phones
 *             seconds[16]   how many fell silent in it
 *             moments[64]   the same, of quarters of a second
 *             burst         the drop that is being judged or was told
 *             ears[1024]    where those that fell silent were heard, the last of each place
 *
 * A worker tells a stream silent 3 s after its last packet, and each stream that got packets at the
 * marks that 5 s divide: how many tell an interval is how many flow, so no count can drift. Only
 * streams count that ought to flow: their call is up, nobody holds, they are older than `age` (many
 * announcements of one length that end together are no drop) and are none that pause by nature.
 *
 * Anybody can send streams to a port that a call listens at, and stop. One ear hears one stream, or
 * two where audio and video share a port: of more that stop there together none counts.
 *
 * It is judged at each mark. What stops within one second, as many as it takes and as large a share,
 * is a drop as soon as it is told silent; what follows within `window` is added to it. Else the drop
 * is the fullest stretch of `window` in the last 16 s, when a second has passed in which nothing
 * followed, and half of it must have stopped within a second or two: calls that come and go stop here
 * and there, a broken link or a dead server stops all at once.
 *
 * A firewall or media server that hands over to its twin moves all streams at once, to new ports or
 * addresses: the old ones stop and are no loss. So a stream that begins in the middle of its call
 * makes up for one that stopped; it is told within a second, long before the old one is silent.
 *
 * Silence of everything, or of an interface, is nobody's fault but the sensor's: so something must
 * have reached us, a second after the drop and a second before the judgement. Until then the drop
 * waits, a minute at most; what comes back meanwhile no longer counts. Nor is anything judged while an interface is
 * silent or one direction is missing; and where half of all streams stopped, as with a mirror that
 * lost a direction, there is time to find that out. */
#include "detectors/detector.h"

enum {
    SERVERS = 64,
    PROBES = 4,
    SECONDS = 16,
    QUARTERS = 4, /* of a second: calls that end by chance do not fill four in a row */
    MOMENTS = SECONDS * QUARTERS,
    EARS = 1024,
    EAR_STREAMS = 2,
    LOOK_S = 5,
    SHARE_ALL = 950000,
    SHARE_SERVER = 900000,
    SHARE_HALF = 450000, /* to SHARE_MORE: as many as one direction has */
    SHARE_MORE = 550000,
    SILENT_S = 4, /* by then all that stopped in one second have been told */
};
#define WAIT_NS NS_PER_MINUTE
#define HALF_WAIT_NS (10 * NS_PER_S)
#define NONE_BACK_NS (30 * NS_PER_S) /* when nobody came back by then it is said */

struct conf {
    uint64_t share_ppm;
    uint64_t streams;
    uint64_t window_ns;
    uint64_t age_ns;
    uint64_t sites;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("share", PPM, conf, share_ppm, "5%", "30%", "100%", "share of the streams that must stop together"),
    OPTION("streams", COUNT, conf, streams, "2", "10", "100000", "streams that must stop together"),
    OPTION("window", DURATION_NS, conf, window_ns, "1s", "5s", "8s", "how far apart they may stop"),
    OPTION("age", DURATION_NS, conf, age_ns, "0s", "10s", "1h", "age from which a stream counts"),
    OPTION_TABLE_SIZE("sites", COUNT, conf, sites, "1", "1", "1", "sites that are remembered"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct lane {
    uint32_t handle;
};

/* How many tell an interval at a mark. */
struct flowing {
    uint64_t mark_ns;
    uint32_t now;
    uint32_t before;
};

struct server {
    struct addr addr;
    struct flowing flowing;
    uint64_t silent_first_ns; /* of those that stopped together */
    uint32_t silent;
    uint32_t active; /* when they did */
};

struct second {
    uint64_t second;
    uint32_t silent;
    uint32_t begun; /* streams of calls that were up already */
};

struct moment {
    uint64_t quarter;
    uint32_t silent;
};

struct burst {
    uint64_t first_ns; /* the last packets of its streams lie between these */
    uint64_t last_ns;
    uint64_t seen_ns; /* when it was found */
    uint32_t silent;
    uint32_t back;
    uint32_t active;
    uint64_t outage_ns; /* longest gap of those that came back */
    struct addr server; /* whose streams they all are; unspecified = several */
    uint32_t server_silent;
    bool told;
    bool told_none; /* that none came back */
    bool changed;
};

/* A port of a call at which streams fell silent. */
struct ear {
    uint64_t name;
    uint64_t second; /* of the first of them */
    uint64_t silent;
};

struct cell {
    struct flowing flowing;
    uint64_t heard_ns; /* as the second before told it */
    uint64_t silent_ns; /* newest last packet of those that stopped */
    uint32_t active; /* most that flowed since the seconds below were empty */
    bool deaf; /* an interface brings nothing any more: nothing is concluded from silence */
    bool fresh; /* streams fell silent since the last look */
    struct second seconds[SECONDS];
    struct moment moments[MOMENTS];
    struct burst burst;
    struct server servers[SERVERS];
    struct ear ears[EARS];
};

static bool rtp_drop_heeds(const struct fact *fact)
{
    const struct fact_stream *stream = &fact->is.stream;

    if (fact->kind == FACT_SECOND) {
        return true;
    }
    return stream->event != FACT_STREAM_ENDED && !fact->forced && stream->call_is_up &&
           !stream->held && !stream->suspect_capture;
}

/* --- what flows --- */

static void flow_on(struct flowing *flowing, uint64_t mark_ns)
{
    if (flowing->mark_ns != mark_ns) {
        bool next = mark_ns - flowing->mark_ns <= LOOK_S * NS_PER_S;
        flowing->before = next ? flowing->now : 0;
        flowing->now = 0;
        flowing->mark_ns = mark_ns;
    }
}

static uint32_t active_of(const struct flowing *flowing)
{
    return flowing->now > flowing->before ? flowing->now : flowing->before;
}

static uint32_t most(uint32_t active, const struct flowing *flowing)
{
    return active_of(flowing) > active ? active_of(flowing) : active;
}

/* The place of a sender: its own, else one of those that have at most one stream. */
static struct server *server_of(struct detector_context *context, struct cell *cell,
                                const struct fact_party *sender, uint64_t mark_ns)
{
    uint64_t hash = hash_addr(detector_hash_key(context), &sender->endpoint.addr);
    struct server *weak = NULL;

    if (sender->good_accounts > 0) {
        return NULL; /* a phone */
    }
    for (unsigned probe = 0; probe < PROBES; probe++) {
        struct server *server = &cell->servers[(hash + probe) % SERVERS];
        if (addr_equal(&server->addr, &sender->endpoint.addr)) {
            return server;
        }
        bool old = time_since(mark_ns, server->flowing.mark_ns) > 2 * LOOK_S * NS_PER_S;
        if (weak == NULL && (old || active_of(&server->flowing) <= 1)) {
            weak = server;
        }
    }
    if (weak != NULL) {
        *weak = (struct server){.addr = sender->endpoint.addr};
    }
    return weak;
}

static void on_interval(struct detector_context *context, struct cell *cell,
                        const struct fact *fact)
{
    const struct fact_stream *stream = &fact->is.stream;
    struct server *server = server_of(context, cell, &stream->sender, fact->time_ns);

    flow_on(&cell->flowing, fact->time_ns);
    cell->flowing.now++;
    if (server != NULL) {
        flow_on(&server->flowing, fact->time_ns);
        server->flowing.now++;
    }
}

/* --- what stops --- */

static struct second *second_of(struct cell *cell, uint64_t time_ns)
{
    uint64_t second = time_second(time_ns);
    struct second *place = &cell->seconds[second % SECONDS];

    if (place->second != second) {
        *place = (struct second){.second = second};
    }
    return place;
}

static struct moment *moment_of(struct cell *cell, uint64_t time_ns)
{
    uint64_t quarter = time_ns / (NS_PER_S / QUARTERS);
    struct moment *place = &cell->moments[quarter % MOMENTS];

    if (place->quarter != quarter) {
        *place = (struct moment){.quarter = quarter};
    }
    return place;
}

/* One of those that stopped together is heard again, or one that was not judged yet. */
static void on_resumed(struct cell *cell, const struct fact_stream *stream)
{
    struct burst *burst = &cell->burst;
    bool judged = burst->silent > 0 && stream->silent_ns >= burst->first_ns &&
                  stream->silent_ns <= burst->last_ns;
    struct second *second = second_of(cell, stream->silent_ns);
    struct moment *moment = moment_of(cell, stream->silent_ns);

    if (judged && burst->silent > burst->back) {
        burst->back++;
        burst->changed = true;
        burst->outage_ns = stream->gap_ns > burst->outage_ns ? stream->gap_ns : burst->outage_ns;
    } else if (!judged) {
        second->silent -= second->silent > 0;
        moment->silent -= moment->silent > 0;
    }
}

/* As many as one can listen to. A place that another ear takes over is forgotten: then it counts. */
static bool is_heard(struct detector_context *context, struct cell *cell, const struct conf *conf,
                     const struct fact_stream *stream)
{
    uint64_t name = hash_mix(hash_endpoint(detector_hash_key(context), &stream->receiver.endpoint),
                             stream->call_number);
    uint64_t second = time_second(stream->silent_ns);
    struct ear *ear = &cell->ears[name % EARS];
    uint64_t apart = second > ear->second ? second - ear->second : ear->second - second;

    if (ear->name != name || apart > time_second(conf->window_ns)) {
        *ear = (struct ear){.name = name, .second = second};
    }
    ear->silent++;
    return ear->silent <= EAR_STREAMS;
}

static void on_silent(struct detector_context *context, struct cell *cell, const struct conf *conf,
                      const struct fact *fact)
{
    const struct fact_stream *stream = &fact->is.stream;

    if (!is_heard(context, cell, conf, stream)) {
        return;
    }
    struct server *server = server_of(context, cell, &stream->sender, fact->time_ns);
    if (time_since(stream->silent_ns, cell->silent_ns) >= SECONDS * NS_PER_S) {
        cell->active = 0;
    }
    cell->silent_ns = stream->silent_ns > cell->silent_ns ? stream->silent_ns : cell->silent_ns;
    second_of(cell, stream->silent_ns)->silent++;
    moment_of(cell, stream->silent_ns)->silent++;
    cell->fresh = true;
    cell->active = most(cell->active, &cell->flowing);
    if (server == NULL) {
        return;
    }
    if (time_since(stream->silent_ns, server->silent_first_ns) > conf->window_ns) {
        server->silent = 0;
        server->active = 0;
        server->silent_first_ns = stream->silent_ns;
    }
    server->silent++;
    server->active = most(server->active, &server->flowing);
}

/* --- judging --- */

static uint32_t begun_from(const struct cell *cell, uint64_t from_s)
{
    uint32_t begun = 0;

    for (unsigned i = 0; i < SECONDS; i++) {
        begun += cell->seconds[i].second >= from_s ? cell->seconds[i].begun : 0;
    }
    return begun;
}

static uint32_t silent_in(const struct cell *cell, uint64_t from_s, uint64_t to_s)
{
    uint32_t silent = 0;

    for (unsigned i = 0; i < SECONDS; i++) {
        const struct second *second = &cell->seconds[i];
        silent += second->second >= from_s && second->second <= to_s ? second->silent : 0;
    }
    return silent;
}

/* The fullest stretch of `window`; *out_sharpest: its fullest two seconds. */
static void find_burst(const struct cell *cell, const struct conf *conf, uint64_t now_s,
                       struct burst *out, uint32_t *out_sharpest)
{
    uint64_t span_s = time_second(conf->window_ns);
    uint64_t first_s = 0;
    uint64_t last_s = 0;

    *out = (struct burst){.active = most(cell->active, &cell->flowing)};
    *out_sharpest = 0;
    for (unsigned i = 0; i < SECONDS; i++) {
        uint64_t from_s = cell->seconds[i].second;
        bool recent = from_s + SECONDS > now_s;
        uint32_t silent = recent ? silent_in(cell, from_s, from_s + span_s) : 0;
        if (silent > out->silent) {
            out->silent = silent;
            first_s = from_s;
        }
    }
    for (uint64_t s = first_s; s <= first_s + span_s; s++) {
        uint32_t sharp = silent_in(cell, s, s + 1);
        *out_sharpest = sharp > *out_sharpest ? sharp : *out_sharpest;
        last_s = silent_in(cell, s, s) > 0 ? s : last_s;
    }
    uint32_t begun = begun_from(cell, first_s);
    out->silent -= begun < out->silent ? begun : out->silent;
    out->first_ns = first_s * NS_PER_S;
    out->last_ns = (last_s + 1) * NS_PER_S - 1;
}

/* The most that stopped within one second of the stretch from..to. */
static uint32_t silent_at_once(const struct cell *cell, uint64_t from_s, uint64_t to_s)
{
    uint32_t most_silent = 0;

    for (uint64_t begin = from_s * QUARTERS; begin < (to_s + 1) * QUARTERS; begin++) {
        uint32_t silent = 0;
        for (uint64_t quarter = begin; quarter < begin + QUARTERS; quarter++) {
            const struct moment *moment = &cell->moments[quarter % MOMENTS];
            silent += moment->quarter == quarter ? moment->silent : 0;
        }
        most_silent = silent > most_silent ? silent : most_silent;
    }
    return most_silent;
}

static bool is_share(uint64_t part, uint64_t whole, uint64_t share_ppm)
{
    return part * 1000000 >= whole * share_ppm;
}

/* The sender that lost all its streams, and most of them. */
static void find_server(const struct cell *cell, const struct conf *conf, struct burst *burst)
{
    for (unsigned i = 0; i < SERVERS; i++) {
        const struct server *server = &cell->servers[i];
        bool now =
            server->silent_first_ns >= burst->first_ns && server->silent_first_ns <= burst->last_ns;
        /* some may have moved on */
        uint32_t silent = server->silent < burst->silent ? server->silent : burst->silent;
        if (now && silent >= conf->streams && silent > burst->server_silent &&
            is_share(server->silent, most(server->active, &server->flowing), SHARE_SERVER)) {
            burst->server = server->addr;
            burst->server_silent = silent;
        }
    }
}

static void write_detail(struct text *detail, const struct burst *burst)
{
    uint32_t active = burst->active > burst->silent ? burst->active : burst->silent;

    text_format(detail, "lost %" PRIu32 " of %" PRIu32 " media streams at once, their calls up",
                burst->silent, active);
    if (burst->server_silent > 0) {
        text_format(detail, ", %" PRIu32 " of them all that ", burst->server_silent);
        text_addr(detail, &burst->server);
        text_string(detail, " sent");
    }
    if (burst->back > 0) {
        text_format(detail, "; %" PRIu32 " came back, after up to ", burst->back);
        text_duration(detail, burst->outage_ns);
    } else if (burst->told) {
        text_string(detail, "; none came back");
    }
}

static void tell(struct detector_context *context, const struct burst *burst,
                 const struct conf *conf, uint64_t now_ns)
{
    char buffer[240];
    char name[ADDR_TEXT_BYTES];
    struct text detail = text_into(buffer, sizeof buffer);
    struct text target = text_into(name, sizeof name);
    bool all = is_share(burst->silent, burst->active, SHARE_ALL);
    struct finding finding = {.severity = all ? 4 : 3,
                              .names_nobody = true,
                              .count = burst->silent,
                              .observed = burst->silent,
                              .threshold = conf->streams,
                              .window_ns = conf->window_ns,
                              .unit = "streams",
                              .span_ns = time_since(now_ns, burst->first_ns),
                              .only_rise = burst->told};

    if (burst->server_silent > 0) {
        text_addr(&target, &burst->server);
    }
    finding.target = text_slice(&target);
    confidence_start(&finding.confidence, 60, "condition met");
    confidence_add(&finding.confidence, 15, "their calls are up");
    confidence_margin(&finding.confidence, burst->silent, conf->streams);
    write_detail(&detail, burst);
    finding.detail = text_slice(&detail);
    detector_raise(context, &finding);
}

static bool is_drop(const struct cell *cell, const struct conf *conf, struct burst *burst,
                    uint32_t sharpest)
{
    if (burst->silent < conf->streams || sharpest * 2 < burst->silent) {
        return false;
    }
    find_server(cell, conf, burst);
    return burst->server_silent > 0 || is_share(burst->silent, burst->active, conf->share_ppm);
}

static void forget_silent(struct cell *cell)
{
    memset(cell->seconds, 0, sizeof cell->seconds);
    memset(cell->moments, 0, sizeof cell->moments);
    cell->active = 0;
}

/* So many within a second, less those that others made up for, that what else stops says no more. */
static bool is_at_once(const struct cell *cell, const struct conf *conf, struct burst *found)
{
    uint64_t first_s = time_second(found->first_ns);
    uint32_t silent = silent_at_once(cell, first_s, time_second(found->last_ns));
    uint32_t begun = begun_from(cell, first_s);

    silent -= begun < silent ? begun : silent;
    if (silent < conf->streams) {
        return false;
    }
    find_server(cell, conf, found);
    return found->server_silent > 0 || is_share(silent, found->active, conf->share_ppm);
}

/* More of what was told, or is being judged. */
static bool joins(const struct burst *burst, const struct burst *found, const struct conf *conf)
{
    return burst->silent > 0 && found->first_ns <= time_add(burst->first_ns, conf->window_ns);
}

static void add(struct cell *cell, const struct conf *conf, const struct burst *found)
{
    struct burst *burst = &cell->burst;

    cell->fresh = false;
    burst->changed = burst->changed || found->silent > 0;
    burst->silent += found->silent;
    burst->last_ns = found->last_ns > burst->last_ns ? found->last_ns : burst->last_ns;
    burst->active = found->active > burst->active ? found->active : burst->active;
    find_server(cell, conf, burst);
    forget_silent(cell);
}

/* Who stopped in the second before SILENT_S may have company that is told at the next mark. */
static void look_for_burst(struct cell *cell, const struct conf *conf, uint64_t now_ns)
{
    struct burst found;
    uint32_t sharpest;

    find_burst(cell, conf, time_second(now_ns), &found, &sharpest);
    if (joins(&cell->burst, &found, conf)) {
        add(cell, conf, &found);
        return;
    }
    if (cell->burst.silent > 0 && !cell->burst.told) {
        return; /* one at a time */
    }
    bool at_once = is_at_once(cell, conf, &found);
    if (!at_once && time_second(found.last_ns) + SILENT_S >= time_second(now_ns)) {
        return;
    }
    cell->fresh = false;
    if (is_drop(cell, conf, &found, at_once ? found.silent : sharpest)) {
        found.seen_ns = now_ns;
        cell->burst = found;
        forget_silent(cell);
    }
}

/* All that came back has said so before. */
static void judge(struct detector_context *context, struct cell *cell, const struct conf *conf,
                  const struct fact *fact)
{
    struct burst *burst = &cell->burst;
    uint64_t now_ns = fact->time_ns;

    if (cell->fresh) {
        look_for_burst(cell, conf, now_ns);
    }
    if (burst->told && !burst->told_none && time_since(now_ns, burst->seen_ns) >= NONE_BACK_NS) {
        burst->told_none = true;
        burst->changed = burst->changed || burst->back == 0;
    }
    if (burst->told && burst->changed) {
        burst->changed = false;
        tell(context, burst, conf, now_ns);
    }
    if (burst->silent == 0 || burst->told) {
        return;
    }
    bool half = is_share(burst->silent, burst->active, SHARE_HALF) &&
                !is_share(burst->silent, burst->active, SHARE_MORE);
    if (half && time_since(now_ns, burst->last_ns) < HALF_WAIT_NS) {
        return;
    }
    uint64_t since_ns = time_add(burst->last_ns, NS_PER_S);
    bool alive = cell->heard_ns >= since_ns || fact->is.second.flows_ns >= since_ns;
    uint32_t gone = burst->silent - burst->back;
    if (gone * 2 < burst->silent || time_since(now_ns, burst->seen_ns) > WAIT_NS) {
        *burst = (struct burst){.silent = 0};
    } else if (alive && !cell->deaf) {
        burst->changed = false;
        tell(context, burst, conf, now_ns);
        burst->told = true;
    }
}

static void rtp_drop_on_fact(struct detector_context *context, void *lane, void *memory,
                             const void *configuration, const struct fact *fact)
{
    const struct fact_stream *stream = &fact->is.stream;
    const struct conf *conf = configuration;
    struct cell *cell = memory;
    (void)lane;

    if (cell == NULL) {
        return;
    }
    if (fact->kind == FACT_SECOND) {
        cell->deaf = fact->is.second.silent_capture || fact->is.second.one_way_capture;
        judge(context, cell, conf, fact);
        cell->heard_ns = fact->is.second.heard_ns;
        return;
    }
    if (stream->event == FACT_STREAM_RESUMED) {
        on_resumed(cell, stream);
        return;
    }
    if (stream->follows) {
        second_of(cell, stream->started_ns)->begun++;
    }
    bool old = time_since(stream->last_ns, stream->started_ns) >= conf->age_ns;
    if (!old || stream->pauses) {
        return;
    }
    if (stream->event == FACT_STREAM_INTERVAL) {
        on_interval(context, cell, fact);
    } else if (stream->event == FACT_STREAM_SILENT) {
        on_silent(context, cell, conf, fact);
    }
}

const struct detector detector_rtp_drop = {
    .slug = "rtp-drop",
    .title = "many media streams stop at once",
    .category = "availability",
    .sees = "a large share of the media streams, or all of one media server, that fall silent at "
            "the same moment for three seconds and more while their calls are up",
    .blind = "calls whose signalling we cannot read, streams younger than ten seconds, and a stop "
             "of everything that we hear: that is the sensor's own blindness",
    .false_alarms = "a mirror port that carries media only and stops while signalling comes from "
                    "another, and a conference in which all are muted at once by phones that then "
                    "send nothing",
    .advice = "Look at the media server that is named, or at the link, firewall and switch that "
              "the silent streams share.",
    .example =
        "The site lost 10 of 24 media streams at once, their calls up, 10 of them all that "
        "192.0.2.10 sent (in 4 s; limit 10 streams in 5 s). Look at the media server that is "
        "named, or at the link, firewall and switch that the silent streams share.",
    .severity = 3,
    .key = KEY_SITE,
    .wants = FACT_BIT(STREAM) | FACT_BIT(SECOND),
    .lane_bytes = sizeof(struct lane),
    .conf_bytes = sizeof(struct conf),
    .slab_bytes = sizeof(struct cell),
    .slab_option = "sites",
    .options = options,
    .heeds = rtp_drop_heeds,
    .on_fact = rtp_drop_on_fact,
};
