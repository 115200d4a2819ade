/* http_view.c - sums and last things, kept as the records pass.
 *
 * A page must be rendered within the turn of a loop, so nothing is looked for when somebody asks: the
 * last record of the sensor is kept as it came and read then, all else is counted here. The record's
 * figures are cumulative, so two of them give what happened in between. */
#include "outputs/http_view.h"

const char *const view_outcome_names[VIEW_OUTCOMES] = {"answered", "failed",    "cancelled",
                                                       "ringing",  "attempted", "other"};
/* Where people begin to complain (3.6), to be annoyed (3.1) and to hang up lies inside of these. */
const uint16_t view_mos_bounds[VIEW_MOS_BOUNDS] = {1500, 2000, 2500, 3000, 3250,
                                                   3500, 3750, 4000, 4250, 4500};

enum status http_view_open(struct http_view **out_view, struct error *error)
{
    struct http_view *view = calloc(1, sizeof *view);

    if (view == NULL) {
        return error_set(error, STATUS_FAILED, "", "no memory for what the pages show");
    }
    *out_view = view;
    return STATUS_OK;
}

void http_view_close(struct http_view *view)
{
    free(view);
}

static int64_t number_of(const struct record *record, enum field field)
{
    struct record_value value;

    return record_get(record, field, &value) ? value.number : 0;
}

static struct slice text_of(const struct record *record, enum field field)
{
    struct record_value value;

    return record_get(record, field, &value) ? value.text : SLICE_NONE;
}

uint64_t http_view_figure(const struct http_view *view, enum field field)
{
    return view->heard
               ? (uint64_t)number_of((const struct record *)(const void *)view->sensor, field)
               : 0;
}

/* --- the sensor's own record --- */

static void see_sensor(struct http_view *view, const struct record *record, uint64_t steady_ns,
                       uint64_t wall_ns)
{
    assert(record->bytes <= sizeof view->sensor);
    memcpy(view->sensor, record, record->bytes);
    view->heard = true;
    view->heard_ns = steady_ns;
    view->lag_ns = wall_ns == 0 ? 0 : time_since(wall_ns, record->time_ns);
    view->before = view->now;
    view->now = (struct view_figures){
        .time_ns = record->time_ns,
        .packets = http_view_figure(view, FIELD_ID_EARSHOT_SENSOR_CAPTURE_PACKETS),
        .messages = http_view_figure(view, FIELD_ID_EARSHOT_SENSOR_SIP_MESSAGES),
        .dropped_kernel = http_view_figure(view, FIELD_ID_EARSHOT_SENSOR_DROPS_KERNEL),
        .dropped_nic = http_view_figure(view, FIELD_ID_EARSHOT_SENSOR_DROPS_NIC),
        .dropped_records = http_view_figure(view, FIELD_ID_EARSHOT_SENSOR_DROPS_QUEUE),
    };
}

/* --- incidents --- */

static struct view_rule *rule_of(struct http_view *view, struct slice slug)
{
    if (slug.bytes >= VIEW_SLUG_BYTES) {
        slug = SLICE("other");
    }
    for (uint32_t i = 0; i < view->rule_count; i++) {
        if (slice_equal(slice_of_string(view->rules[i].slug), slug)) {
            return &view->rules[i];
        }
    }
    if (view->rule_count == VIEW_RULES) {
        return &view->rules[VIEW_RULES - 1];
    }
    if (view->rule_count == VIEW_RULES - 1) {
        slug = SLICE("other");
    }
    struct view_rule *rule = &view->rules[view->rule_count++];
    if (slug.bytes > 0) {
        memcpy(rule->slug, slug.at, slug.bytes);
    }
    return rule;
}

/* The incident's own place, a free one, or that of the one which is missed least: closed before
 * open, then the one told longest ago. */
static struct view_incident *place_of(struct http_view *view, struct hash128 id)
{
    struct view_incident *least = NULL;

    for (uint32_t i = 0; i < view->incident_count; i++) {
        struct view_incident *it = &view->incidents[i];
        if (it->id.high == id.high && it->id.low == id.low) {
            return it;
        }
        if (least == NULL || it->open < least->open ||
            (it->open == least->open && it->turn < least->turn)) {
            least = it;
        }
    }
    if (view->incident_count < VIEW_INCIDENTS) {
        return &view->incidents[view->incident_count++];
    }
    return least;
}

static uint16_t keep(char *at, size_t room, struct slice text)
{
    struct slice kept = slice_part(text, 0, room);

    if (kept.bytes > 0) {
        memcpy(at, kept.at, kept.bytes);
    }
    return (uint16_t)kept.bytes;
}

static void see_alert(struct http_view *view, const struct record *record)
{
    struct slice slug = text_of(record, FIELD_ID_RULE_ID);
    struct slice state = text_of(record, FIELD_ID_EARSHOT_ALERT_STATE);
    int64_t level = number_of(record, FIELD_ID_EARSHOT_ALERT_LEVEL);
    bool closes = slice_equal(state, SLICE("close"));
    struct record_value id = {0};

    level = level < 1 ? 1 : level >= VIEW_LEVELS ? VIEW_LEVELS - 1 : level;
    if (slice_equal(state, SLICE("open"))) {
        rule_of(view, slug)->opened[level]++;
        view->open_count++;
    } else if (closes && view->open_count > 0) {
        view->open_count--;
    }
    if (slice_equal(slug, SLICE("sensor-blind"))) {
        view->blind = !closes;
    }
    if (!record_get(record, FIELD_ID_EARSHOT_ALERT_ID, &id)) {
        return;
    }
    struct view_incident *place = place_of(view, id.hash);
    place->id = id.hash;
    place->told_ns = record->time_ns;
    place->first_ns = (uint64_t)number_of(record, FIELD_ID_EARSHOT_ALERT_FIRST_SEEN);
    place->count = (uint64_t)number_of(record, FIELD_ID_EARSHOT_ALERT_COUNT);
    place->turn = ++view->turn;
    place->level = (uint8_t)level;
    place->open = !closes;
    place->title_bytes =
        keep(place->title, sizeof place->title, text_of(record, FIELD_ID_RULE_NAME));
    place->sentence_bytes =
        keep(place->sentence, sizeof place->sentence, text_of(record, FIELD_ID_MESSAGE));
}

static bool stands_before(const struct view_incident *one, const struct view_incident *other)
{
    if (one->open != other->open) {
        return one->open;
    }
    if (one->open && one->level != other->level) {
        return one->level > other->level;
    }
    return one->turn > other->turn;
}

uint32_t http_view_sorted(const struct http_view *view,
                          const struct view_incident *out[VIEW_INCIDENTS])
{
    for (uint32_t i = 0; i < view->incident_count; i++) {
        uint32_t at = i;
        while (at > 0 && stands_before(&view->incidents[i], out[at - 1])) {
            out[at] = out[at - 1];
            at--;
        }
        out[at] = &view->incidents[i];
    }
    return view->incident_count;
}

/* --- responses --- */

static struct view_step *step_of(struct http_view *view, struct slice hook, struct slice step)
{
    for (uint32_t i = 0; i < view->step_count; i++) {
        if (slice_equal(slice_of_string(view->steps[i].hook), hook) &&
            slice_equal(slice_of_string(view->steps[i].step), step)) {
            return &view->steps[i];
        }
    }
    if (view->step_count == VIEW_STEPS) {
        return &view->steps[VIEW_STEPS - 1];
    }
    struct view_step *place = &view->steps[view->step_count++];
    bool is_last = view->step_count == VIEW_STEPS;
    (void)keep(place->hook, VIEW_SLUG_BYTES - 1, is_last ? SLICE("other") : hook);
    (void)keep(place->step, VIEW_SLUG_BYTES - 1, is_last ? SLICE("other") : step);
    return place;
}

static void see_response(struct http_view *view, const struct record *record)
{
    struct slice hook = text_of(record, FIELD_ID_EARSHOT_RESPONSE_HOOK);
    struct slice step = text_of(record, FIELD_ID_EARSHOT_RESPONSE_STEP);

    step_of(view, slice_part(hook, 0, VIEW_SLUG_BYTES - 1),
            slice_part(step, 0, VIEW_SLUG_BYTES - 1))
        ->count++;
}

/* --- calls and media --- */

static void see_call(struct http_view *view, const struct record *record)
{
    struct slice outcome = text_of(record, FIELD_ID_EARSHOT_CALL_OUTCOME);
    struct record_value mos;
    size_t index = 0;

    while (index < VIEW_OUTCOMES - 1 &&
           !slice_equal(outcome, slice_of_string(view_outcome_names[index]))) {
        index++;
    }
    view->outcomes[index]++;
    if (record_get(record, FIELD_ID_EARSHOT_CALL_MEDIA_MOS_MIN, &mos) && mos.number > 0) {
        size_t bound = 0;
        while (bound < VIEW_MOS_BOUNDS && mos.number > view_mos_bounds[bound]) {
            bound++;
        }
        view->mos_counts[bound]++;
        view->mos_count++;
        view->mos_sum += (uint64_t)mos.number;
    }
}

static void see_media(struct http_view *view, const struct record *record)
{
    view->rtp_expected += (uint64_t)number_of(record, FIELD_ID_RTP_EXPECTED);
    view->rtp_lost += (uint64_t)number_of(record, FIELD_ID_RTP_LOST);
}

void http_view_see(struct http_view *view, const struct record *record, uint64_t steady_ns,
                   uint64_t wall_ns)
{
    assert(record->dataset < DATASET_COUNT);
    view->records[record->dataset]++;
    if (record->dataset == DATASET_SENSOR) {
        see_sensor(view, record, steady_ns, wall_ns);
    } else if (record->dataset == DATASET_ALERT) {
        see_alert(view, record);
    } else if (record->dataset == DATASET_RESPONSE) {
        see_response(view, record);
    } else if (record->dataset == DATASET_CALL) {
        see_call(view, record);
    } else if (record->dataset == DATASET_MEDIA) {
        see_media(view, record);
    }
}
