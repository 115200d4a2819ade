/* respond_list.c - what the operator named, what the sensor itself writes to, what the machine lives
 * on.
 *
 * An output says where its far end is in a row named address, addresses, brokers, host, server or url,
 * whatever its type: so a new output is protected without a word here. A name is not looked up: that
 * would be a packet that nobody asked for, and an answer that changes. It is said instead. */
#include "sensor/run/respond_list.h"

#include "base/log.h"
#include "outputs/surroundings.h"
#include "sensor/lookup/number_plan.h"

static bool names_far_end(const char *key)
{
    static const char *const keys[] = {"address", "addresses", "broker", "brokers",
                                       "host",    "hosts",     "server", "url"};

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strcmp(key, keys[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* A row of an output that says where its far end is. */
struct far_end {
    const char *output;
    const char *key;
    bool live; /* what is not protected is said */
};

/* "https://192.0.2.1:9200/path", "192.0.2.1:9092", "[2001:db8::1]:514", "2001:db8::1": the address. */
static struct slice host_of(struct slice text)
{
    for (size_t i = 0; i + 2 < text.bytes; i++) {
        if (memcmp(text.at + i, "://", 3) == 0) {
            text = slice_from(text, i + 3);
            break;
        }
    }
    text = slice_part(text, 0, slice_find(text, '/'));
    if (slice_starts_with(text, SLICE("["))) {
        return slice_part(text, 1, slice_find(text, ']'));
    }
    size_t colon = slice_find(text, ':');
    return colon == slice_find_last(text, ':') ? slice_part(text, 0, colon) : text;
}

static bool add_far_end(struct protected_list *list, const struct far_end *far_end,
                        struct slice text)
{
    struct slice host = host_of(slice_trim(text));
    struct prefix prefix;
    char why[PROTECTED_WHY_BYTES];

    if (host.bytes == 0 || slice_starts_with(host, SLICE("/"))) {
        return true; /* a path: a socket of this machine */
    }
    if (!prefix_parse(host, &prefix)) {
        if (far_end->live) {
            log_line(LOG_WARN,
                     "outputs.%s.%s names a host, not an address: put its addresses into "
                     "response.protect, or a response may touch them",
                     far_end->output, far_end->key);
        }
        return true;
    }
    (void)snprintf(why, sizeof why, "the far end of output %.40s", far_end->output);
    return protected_add(list, &prefix, why);
}

static bool add_output(struct protected_list *list, const struct config_output *output, bool live)
{
    bool room = true;

    for (const struct option *row = output->type->options; room && row->kind != OPTION_END; row++) {
        const void *value = (const uint8_t *)output->conf + row->offset;
        struct far_end far_end = {.output = output->name, .key = row->key, .live = live};
        if (!names_far_end(row->key)) {
            continue;
        }
        if (row->kind == OPTION_TEXT) {
            room = add_far_end(list, &far_end, slice_of_string(value));
        } else if (row->kind == OPTION_LIST) {
            const struct option_list *items = value;
            for (uint32_t i = 0; i < items->count && room; i++) {
                room = add_far_end(list, &far_end, slice_of_string(items->items[i]));
            }
        }
    }
    return room;
}

/* One entry of a plan's list; x stands for any digit. */
static bool add_number(struct protected_list *list, struct slice number)
{
    char digits[RESPONSE_VALUE_BYTES];
    size_t any = slice_find(number, 'x');
    bool room = true;

    if (any == number.bytes || number.bytes > sizeof digits) {
        return protected_add_number(list, number);
    }
    memcpy(digits, number.at, number.bytes);
    for (char digit = '0'; digit <= '9' && room; digit++) {
        digits[any] = digit;
        room = add_number(list, slice_of(digits, number.bytes));
    }
    return room;
}

/* Those that everybody at home knows, as detections know them (docs/definitions.md, Numbers). */
static bool add_emergency(struct protected_list *list, const struct numbers_conf *conf)
{
    const struct plan_region *home = plan_region_of(conf->country);
    struct slice rest = slice_of_string(home == NULL ? "" : home->emergency);
    bool room = true;

    while (rest.bytes > 0 && room) {
        room = add_number(list, slice_split(&rest, ' '));
    }
    for (uint32_t i = 0; i < conf->emergency.count && room; i++) {
        room = protected_add_number(list, slice_of_string(conf->emergency.items[i]));
    }
    return room;
}

static bool add_named(struct protected_list *list, const struct config *config, bool live)
{
    const struct response_conf *conf = &config->response;
    bool room = true;

    protected_allow(list, &conf->allow_private);
    for (uint32_t i = 0; i < conf->protect.count && room; i++) {
        room = protected_add(list, &conf->protect.items[i], "in response.protect");
    }
    for (uint32_t i = 0; i < conf->protect_accounts.count && room; i++) {
        room = protected_add_account(list, slice_of_string(conf->protect_accounts.items[i]));
    }
    for (uint32_t i = 0; i < conf->protect_numbers.count && room; i++) {
        room = protected_add_number(list, slice_of_string(conf->protect_numbers.items[i]));
    }
    room = room && add_emergency(list, &config->site.numbers);
    for (uint32_t i = 0; i < config->output_count && room; i++) {
        room = add_output(list, &config->outputs[i], live);
    }
    return room;
}

enum status respond_list_open(const struct config *config, bool live,
                              struct protected_list **out_list, struct error *error)
{
    struct protected_list *list = NULL;
    enum status status = protected_open(&list, error);

    if (status == STATUS_OK && !add_named(list, config, live)) {
        status = error_set(error, STATUS_USAGE, "response.protect", "more than %d entries",
                           (int)PROTECTED_MAX);
    }
    if (status == STATUS_OK && live) {
        status = surroundings_add(list, error);
    }
    if (status != STATUS_OK) {
        protected_close(list);
        return status;
    }
    *out_list = list;
    return STATUS_OK;
}
