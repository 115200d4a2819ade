/* http_health.c - end to end: does it hear, does it go on, does what it tells arrive.
 *
 * A process that answers proves nothing, so each condition is taken from what the sensor told of
 * itself. Not healthy is:
 *
 *     live: no record of the sensor for 30 s     capture, state or the writer stand still
 *     an incident of sensor-blind is open        it does not hear what it should
 *     frames lost in the last 10 s, above `lost` by kernel or card
 *     records lost inside in the last 10 s       the writer was too slow
 *     an output lost records in the last minute  they are gone, wherever it stands now
 *
 * Fewer lost frames, and an output that is away while its queue still holds, are named and healthy:
 * who restarts a sensor for them would lose more. */
#include "outputs/http_health.h"

#define SILENCE_NS (30 * NS_PER_S)
#define AWAY_NS (60 * NS_PER_S)
#define LOSS_NS (60 * NS_PER_S)

void health_watch_look(struct health_watch *watch, const struct output_host *host,
                       uint64_t steady_ns)
{
    for (uint32_t i = 0; i < *host->place_count; i++) {
        const struct output_tally *tally = &host->places[i].tally;
        uint64_t dropped = output_dropped(tally);
        if (dropped != watch->places[i].dropped) {
            watch->places[i].dropped = dropped;
            watch->places[i].dropped_ns = steady_ns;
        }
        if (!tally->away) {
            watch->places[i].away_since_ns = 0;
        } else if (watch->places[i].away_since_ns == 0) {
            watch->places[i].away_since_ns = steady_ns;
        }
    }
}

/* A text for the next reason; the last place is kept for "and more". */
static struct text reason_begin(struct health *health)
{
    if (health->count + 1 >= HEALTH_REASONS) {
        health->count = HEALTH_REASONS;
        struct text more = text_into(health->reasons[HEALTH_REASONS - 1], HEALTH_REASON_BYTES - 1);
        text_string(&more, "and more");
        (void)text_terminate(&more);
        return text_into(NULL, 0);
    }
    return text_into(health->reasons[health->count], HEALTH_REASON_BYTES - 1);
}

static void reason_end(struct health *health, struct text *text, bool bad)
{
    health->good &= !bad;
    if (text->capacity > 0) {
        (void)text_terminate(text);
        health->count++;
    }
}

static void judge_going_on(struct health *health, const struct health_watch *watch,
                           const struct http_view *view, uint64_t steady_ns)
{
    uint64_t since_ns = time_since(steady_ns, view->heard ? view->heard_ns : watch->started_ns);

    if (view->heard && since_ns < SILENCE_NS) {
        return;
    }
    struct text text = reason_begin(health);
    text_format(
        &text,
        view->heard
            ? "the last record of the sensor came %" PRIu64
              " s ago: capture or analysis stands still"
            : "no record of the sensor has come yet, %" PRIu64
              " s after the start (due within 10 s; the datasets of this output must hold sensor)",
        since_ns / NS_PER_S);
    reason_end(health, &text, true);
}

static void judge_hearing(struct health *health, const struct http_view *view)
{
    if (!view->blind) {
        return;
    }
    struct text text = reason_begin(health);
    text_string(&text, "the sensor does not hear what it should: see its incident of sensor-blind");
    reason_end(health, &text, true);
}

static void put_share(struct text *text, uint64_t ppm)
{
    text_format(text, "%" PRIu64 ".%02" PRIu64 " %%", ppm / 10000, ppm % 10000 / 100);
}

static void judge_frames(struct health *health, const struct health_watch *watch,
                         const struct http_view *view)
{
    const struct view_figures *now = &view->now;
    const struct view_figures *before = &view->before;
    uint64_t kernel = time_since(now->dropped_kernel, before->dropped_kernel);
    uint64_t nic = time_since(now->dropped_nic, before->dropped_nic);
    uint64_t offered = time_since(now->packets, before->packets) + kernel + nic;

    if (kernel + nic > 0) {
        uint64_t ppm = (kernel + nic) * 1000000 / offered;
        struct text text = reason_begin(health);
        text_format(&text,
                    "of %" PRIu64 " frames of the last interval the kernel dropped %" PRIu64
                    " and the card %" PRIu64 " (",
                    offered, kernel, nic);
        put_share(&text, ppm);
        text_string(&text, ")");
        reason_end(health, &text, ppm >= watch->lost_ppm);
    }
    uint64_t records = time_since(now->dropped_records, before->dropped_records);
    if (records > 0) {
        struct text text = reason_begin(health);
        text_format(&text,
                    "%" PRIu64
                    " records of the last interval were lost inside: the outputs hold up "
                    "the writer",
                    records);
        reason_end(health, &text, true);
    }
}

static void judge_place(struct health *health, const struct health_watch *watch,
                        const struct output_host *host, uint32_t index, uint64_t steady_ns)
{
    const struct output_place *place = &host->places[index];
    uint64_t dropped_ns = watch->places[index].dropped_ns;
    uint64_t away_ns = watch->places[index].away_since_ns;
    bool lost = dropped_ns != 0 && time_since(steady_ns, dropped_ns) < LOSS_NS;
    bool away = away_ns != 0 && time_since(steady_ns, away_ns) >= AWAY_NS;

    if (!lost && !away) {
        return;
    }
    struct text text = reason_begin(health);
    text_string(&text, "output ");
    text_printable(&text, slice_part(slice_of_string(place->name), 0, 64));
    if (lost) {
        text_format(&text, " has lost %" PRIu64 " records so far, the last %" PRIu64 " s ago",
                    watch->places[index].dropped, time_since(steady_ns, dropped_ns) / NS_PER_S);
    }
    if (away_ns != 0) {
        text_format(&text, "%s has been away for %" PRIu64 " s, %" PRIu64 " records wait",
                    lost ? ";" : "", time_since(steady_ns, away_ns) / NS_PER_S,
                    place->tally.waiting);
    }
    reason_end(health, &text, lost);
}

void health_judge(const struct health_watch *watch, const struct http_view *view,
                  const struct output_host *host, uint64_t steady_ns, struct health *out_health)
{
    out_health->good = true;
    out_health->count = 0;
    if (host->live) {
        judge_going_on(out_health, watch, view, steady_ns);
    }
    judge_hearing(out_health, view);
    judge_frames(out_health, watch, view);
    for (uint32_t i = 0; i < *host->place_count; i++) {
        judge_place(out_health, watch, host, i, steady_ns);
    }
}

void health_print(const struct health *health, struct text *text)
{
    text_string(text, health->good ? "{\"status\":\"ok\",\"reasons\":["
                                   : "{\"status\":\"unhealthy\",\"reasons\":[");
    for (uint32_t i = 0; i < health->count; i++) {
        text_string(text, i == 0 ? "\"" : ",\"");
        (void)text_json(text, slice_of_string(health->reasons[i]));
        text_byte(text, '"');
    }
    text_string(text, "]}\n");
}
