/* From a user part to a number. First the text loses what is for the eye (separators, %-escapes,
 * parameters), then several readings are tried:
 *
 *   [service code] [outside line]  international prefix | trunk prefix  number
 *
 * The first reading that a numbering plan confirms is the number. Where none does, the first that
 * was an international number by its form stands, as a number of no range; else short digits are an
 * extension and longer ones are unknown. */
#include "sensor/lookup/number_dial.h"

#include "base/text.h"

enum {
    EXTENSION_DIGITS = 6, /* so many may be an extension */
    LINES =
        4, /* digits for an outside line, one after the other: dial-plan probing writes 999900... */
    ABROAD_DIGITS = 7, /* least behind an international prefix */
    SERVICE_DIGITS = 3 /* of a code such as *72 or *123 */
};

struct attempt {
    const struct dialling *dialling;
    struct dialled *out;
    size_t whole; /* digits that were dialled, those for an outside line too */
    bool done;
};

/* --- text to digits --- */

static int hex_of(char byte)
{
    char lower = slice_lower(byte);

    if (byte >= '0' && byte <= '9') {
        return byte - '0';
    }
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* The next byte with its %-escape undone. */
static char byte_at(struct slice text, size_t *at)
{
    char byte = text.at[*at];

    if (byte == '%' && text.bytes - *at > 2) {
        int high = hex_of(text.at[*at + 1]);
        int low = hex_of(text.at[*at + 2]);
        if (high >= 0 && low >= 0) {
            *at += 3;
            return (char)(high << 4 | low);
        }
    }
    *at += 1;
    return byte;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_mark(char byte)
{
    return byte == '*' || byte == '#';
}

static bool is_separator(char byte)
{
    return byte == '-' || byte == '.' || byte == '(' || byte == ')' || byte == ' ';
}

/* Digits, *, # and + of the part before parameters; false where it is a name or too long. Most are
 * digits only, and of them no more is asked. */
static bool plain(struct slice text, char *out, size_t room, size_t *out_bytes)
{
    size_t bytes = 0;

    for (size_t at = 0; at < text.bytes;) {
        if (is_digit(text.at[at]) && bytes < room) {
            out[bytes++] = text.at[at++];
            continue;
        }
        char byte = byte_at(text, &at);
        if (byte == ';' || byte == ':' || byte == '@') {
            break;
        }
        if (is_separator(byte)) {
            continue;
        }
        bool plus = byte == '+' && (bytes == 0 || is_mark(out[bytes - 1]));
        if ((!is_digit(byte) && !is_mark(byte) && !plus) || bytes == room) {
            return false;
        }
        out[bytes++] = byte;
    }
    *out_bytes = bytes;
    return bytes != 0;
}

/* + and digits. */
static bool is_global(struct slice text)
{
    uint64_t value;

    return text.bytes != 0 && text.at[0] == '+' && slice_u64(slice_from(text, 1), &value);
}

/* RFC 3966 section 5.1.5: a local number says in which numbers it is local; a domain says nothing. */
static size_t context_of(struct slice user, char *out, size_t room)
{
    struct slice rest = user;

    (void)slice_split(&rest, ';');
    while (!slice_is_empty(rest)) {
        struct slice value = slice_split(&rest, ';');
        struct slice name = slice_split(&value, '=');
        size_t bytes = 0;
        if (slice_equal_nocase(name, SLICE("phone-context")) && plain(value, out, room, &bytes)) {
            return is_global(slice_of(out, bytes)) ? bytes : 0;
        }
    }
    return 0;
}

/* --- readings --- */

static void accept(struct attempt *attempt, struct slice digits, struct plan_answer plan,
                   bool prefixed)
{
    struct dialled *out = attempt->out;
    const struct plan_region *home = attempt->dialling->home;
    bool at_home = home != NULL && plan.region != NULL &&
                   memcmp(home->country, plan.region->country, sizeof home->country) == 0;

    if (plan.type == NUMBER_INVALID && out->count != 0) {
        return; /* an earlier reading is as good */
    }
    *out = (struct dialled){.count = (uint8_t)digits.bytes,
                            .class = at_home ? NUMBER_NATIONAL : NUMBER_INTERNATIONAL,
                            .prefixed = prefixed,
                            .plan = plan};
    memcpy(out->digits, digits.at, digits.bytes);
    if (plan_list_take(attempt->dialling->own, digits) != 0) {
        out->class = NUMBER_INTERNAL;
    }
    attempt->done = plan.type != NUMBER_INVALID || out->class == NUMBER_INTERNAL;
}

/* Behind an international prefix. `sure`: the prefix is one of this place, so that a number of no
 * range counts too. */
static void read_abroad(struct attempt *attempt, const char *prefixes, struct slice digits,
                        bool sure)
{
    size_t taken = plan_list_take(prefixes, digits);
    struct slice number = slice_from(digits, taken);

    if (taken == 0 || number.bytes < ABROAD_DIGITS) {
        return;
    }
    attempt->out->prefixed |= sure && attempt->out->count == 0;
    if (number.bytes > NUMBERS_DIGITS) {
        return;
    }
    struct plan_answer plan = plan_look(number);
    if (plan.region != NULL && (sure || plan.type != NUMBER_INVALID)) {
        accept(attempt, number, plan, true);
    }
}

/* A national number, with `before` put before it; taken only where the plan has it. */
static void read_home(struct attempt *attempt, const char *before, struct slice number)
{
    char room[NUMBERS_DIGITS];
    struct text text = text_into(room, sizeof room);

    text_u64(&text, attempt->dialling->home->code);
    text_string(&text, before);
    text_slice_put(&text, number);
    if (text.overflow || attempt->done) {
        return;
    }
    struct plan_answer plan = plan_look(text_slice(&text));
    if (plan.type != NUMBER_INVALID) {
        accept(attempt, text_slice(&text), plan, false);
    }
}

static void read_trunk(struct attempt *attempt, struct slice digits)
{
    const char *list = attempt->dialling->home->trunk;

    while (*list != '\0' && !attempt->done) {
        size_t taken = plan_list_next(&list, digits);
        if (taken != 0) {
            read_home(attempt, "", slice_from(digits, taken));
        }
    }
}

static void read_national(struct attempt *attempt, struct slice digits)
{
    const struct plan_region *home = attempt->dialling->home;
    char room[8];
    struct text code = text_into(room, sizeof room);

    read_trunk(attempt, digits);
    read_home(attempt, "", digits);
    if (digits.bytes == home->area_digits) {
        read_home(attempt, home->area, digits);
    }
    text_u64(&code, home->code);
    if (slice_starts_with(digits, text_slice(&code))) {
        read_home(attempt, "", slice_from(digits, code.bytes));
    }
    if (!attempt->done && attempt->out->count == 0 && digits.bytes < 32 &&
        (home->local_lengths >> digits.bytes & 1) != 0) {
        attempt->out->class = NUMBER_NATIONAL;
    }
}

static bool is_emergency(const struct dialling *dialling, struct slice digits)
{
    return plan_list_has(dialling->emergency, digits) ||
           (dialling->home != NULL && plan_list_has(dialling->home->emergency, digits));
}

static void read_dialled(struct attempt *attempt, struct slice digits)
{
    const struct dialling *dialling = attempt->dialling;

    if (is_emergency(dialling, digits)) {
        *attempt->out = (struct dialled){.class = NUMBER_EMERGENCY};
        attempt->done = true;
        return;
    }
    if (attempt->whole <= EXTENSION_DIGITS) {
        return; /* too few for anything else */
    }
    if (dialling->abroad[0] != '\0') {
        read_abroad(attempt, dialling->abroad, digits, true);
    } else if (dialling->home != NULL) {
        read_abroad(attempt, dialling->home->abroad, digits, true);
    }
    if (dialling->home != NULL && !attempt->done) {
        read_national(attempt, digits);
    }
    if (dialling->abroad[0] == '\0' && !attempt->done) {
        read_abroad(attempt, "00", digits, dialling->home == NULL);
        read_abroad(attempt, "011", digits, false);
    }
}

/* With and without digits for an outside line. */
static void read_lines(struct attempt *attempt, struct slice digits)
{
    attempt->whole = digits.bytes;
    read_dialled(attempt, digits);
    for (unsigned line = 0; line < LINES && !attempt->done; line++) {
        size_t taken = plan_list_take(attempt->dialling->outside, digits);
        if (taken == 0) {
            return;
        }
        digits = slice_from(digits, taken);
        read_dialled(attempt, digits);
    }
}

static void read_global(struct attempt *attempt, struct slice digits)
{
    struct plan_answer plan = plan_look(digits);

    if (digits.bytes <= NUMBERS_DIGITS && digits.bytes > EXTENSION_DIGITS) {
        accept(attempt, digits, plan, false);
    } else if (digits.bytes > NUMBERS_DIGITS) {
        attempt->out->prefixed = true;
    }
}

/* "+00972..." and "+0972..." stand in no plan: somebody tries how to get out. */
static void read_odd_global(struct attempt *attempt, struct slice digits)
{
    read_lines(attempt, digits);
    while (digits.bytes != 0 && digits.at[0] == '0') {
        digits = slice_from(digits, 1);
    }
    if (!attempt->done && attempt->out->class != NUMBER_NATIONAL && digits.bytes >= ABROAD_DIGITS &&
        digits.bytes <= NUMBERS_DIGITS) {
        accept(attempt, digits, plan_look(digits), true);
    }
}

/* Trunks bring calls for us with digits from the calling code on, often without +. */
static void read_own(struct attempt *attempt, struct slice digits)
{
    if (digits.bytes <= NUMBERS_DIGITS && plan_list_take(attempt->dialling->own, digits) != 0) {
        accept(attempt, digits, plan_look(digits), false);
    }
}

static void read_number(struct attempt *attempt, struct slice number)
{
    bool plus = number.bytes != 0 && number.at[0] == '+';
    struct slice digits = slice_from(number, plus);
    struct dialled *out = attempt->out;

    if (!plus) {
        read_lines(attempt, digits);
        if (out->class == NUMBER_NONE && digits.bytes > EXTENSION_DIGITS) {
            read_own(attempt, digits);
        }
    } else if (plan_list_has(attempt->dialling->emergency, digits)) {
        *out = (struct dialled){.class = NUMBER_EMERGENCY};
        attempt->done = true;
    } else if (digits.bytes != 0 && digits.at[0] == '0') {
        read_odd_global(attempt, digits);
    } else {
        read_global(attempt, digits);
    }
    if (out->class == NUMBER_NONE) {
        out->class = digits.bytes <= EXTENSION_DIGITS ? NUMBER_INTERNAL : NUMBER_UNKNOWN;
    }
}

/* Behind a service code (#31#..., *72..., 12345#...) a number counts where a plan has it. */
static void read_service(struct attempt *attempt, struct slice tail)
{
    size_t most = tail.bytes == 0 || tail.at[0] == '+' ? 0 : SERVICE_DIGITS;

    for (size_t skip = 0; skip <= most && !attempt->done; skip++) {
        *attempt->out = (struct dialled){0};
        /* No code has one digit. */
        if (skip != 1 && (skip == 0 || tail.bytes > skip + EXTENSION_DIGITS)) {
            read_number(attempt, slice_from(tail, skip));
        }
    }
    if (!attempt->done) {
        *attempt->out = (struct dialled){.class = NUMBER_INTERNAL};
    }
}

static __attribute__((noinline)) void read_text(const struct dialling *dialling, struct slice user,
                                                struct dialled *out)
{
    char room[2 * DIAL_BYTES] UNCLEARED;
    struct attempt attempt = {.dialling = dialling, .out = out};
    char *number = room + DIAL_BYTES;
    size_t bytes = 0;

    if (!plain(user, number, DIAL_BYTES, &bytes)) {
        return;
    }
    struct slice text = slice_of(number, bytes);
    size_t mark = text.bytes;
    while (mark != 0 && !is_mark(text.at[mark - 1])) {
        mark--;
    }
    if (mark != 0) {
        read_service(&attempt, slice_from(text, mark));
        return;
    }
    size_t before = 0;
    if (bytes != user.bytes && text.at[0] != '+') {
        before = context_of(user, room, DIAL_BYTES);
        memmove(room + before, number, bytes);
        text = slice_of(room, before + bytes);
    }
    read_number(&attempt, text);
}

/* Digits that are an extension or an emergency number, and no digit for an outside line before them. */
static bool is_short(const struct dialling *dialling, struct slice user)
{
    if (user.bytes == 0 || user.bytes > EXTENSION_DIGITS) {
        return false;
    }
    for (size_t i = 0; i < user.bytes; i++) {
        if (!is_digit(user.at[i])) {
            return false;
        }
    }
    return (dialling->outside_digits >> (user.at[0] - '0') & 1) == 0;
}

/* Most calls go from extension to extension: they cost a third of what any other reading does. */
void dial_read(const struct dialling *dialling, struct slice user, struct dialled *out)
{
    *out = (struct dialled){0};
    if (is_short(dialling, user)) {
        out->class = is_emergency(dialling, user) ? NUMBER_EMERGENCY : NUMBER_INTERNAL;
        return;
    }
    read_text(dialling, user, out);
}

/* --- options --- */

static int compare_lengths(const void *one, const void *other)
{
    size_t left = strlen(one);
    size_t right = strlen(other);

    return left != right ? (left < right ? 1 : -1) : strcmp(one, other);
}

enum status dial_list(const struct option_list *items, const char *key, char **out_list,
                      struct error *error)
{
    enum { ITEM_BYTES = NUMBERS_DIGITS + 1 };
    char(*sorted)[ITEM_BYTES] = calloc(items->count + 1, sizeof *sorted);
    char *list = calloc(items->count + 1, ITEM_BYTES);
    size_t bytes = 0;

    assert(sorted != NULL && list != NULL);
    for (uint32_t i = 0; i < items->count; i++) {
        struct slice item = slice_of_string(items->items[i]);
        size_t plus = item.bytes != 0 && item.at[0] == '+';
        struct slice digits = slice_from(item, plus);
        uint64_t value;
        if (digits.bytes > NUMBERS_DIGITS || !slice_u64(digits, &value)) {
            free(sorted);
            free(list);
            return error_set(error, STATUS_USAGE, key,
                             "found '%s', up to 15 digits, perhaps with + before them, are allowed",
                             items->items[i]);
        }
        memcpy(sorted[i], digits.at, digits.bytes);
    }
    qsort(sorted, items->count, sizeof *sorted, compare_lengths);
    for (uint32_t i = 0; i < items->count; i++) {
        size_t length = strlen(sorted[i]);
        memcpy(list + bytes, sorted[i], length);
        bytes += length;
        list[bytes++] = ' ';
    }
    list[bytes == 0 ? 0 : bytes - 1] = '\0';
    free(sorted);
    *out_list = list;
    return STATUS_OK;
}

/* Digits that everybody knows, whatever the country. */
static enum status emergency_list(const struct numbers_conf *conf, struct dialling *out,
                                  struct error *error)
{
    static char known[][OPTION_TEXT_BYTES] = {"112", "911", "999"};
    struct option_list all = {.count = conf->emergency.count + 3};

    all.items = calloc(all.count, sizeof *all.items);
    assert(all.items != NULL);
    memcpy(all.items, known, sizeof known);
    for (uint32_t i = 0; i < conf->emergency.count; i++) {
        memcpy(all.items[i + 3], conf->emergency.items[i], sizeof *all.items);
    }
    enum status status = dial_list(&all, "site.emergency", &out->emergency, error);
    free(all.items);
    return status;
}

enum status dialling_open(const struct numbers_conf *conf, struct dialling *out,
                          struct error *error)
{
    *out = (struct dialling){.home = plan_region_of(conf->country)};
    if (conf->country[0] != '\0' && out->home == NULL) {
        return error_set(error, STATUS_USAGE, "site.country",
                         "found '%s', two capital letters of ISO 3166 are allowed, as in DE",
                         conf->country);
    }
    enum status status = dial_list(&conf->outside, "site.outside", &out->outside, error);
    for (const char *at = out->outside; status == STATUS_OK && *at != '\0'; at++) {
        out->outside_digits |= (uint16_t)(*at == ' ' ? 0 : 1U << (*at - '0'));
    }
    if (status == STATUS_OK) {
        status = dial_list(&conf->international, "site.international", &out->abroad, error);
    }
    if (status == STATUS_OK) {
        status = emergency_list(conf, out, error);
    }
    if (status == STATUS_OK) {
        status = dial_list(&conf->numbers, "site.numbers", &out->own, error);
    }
    return status;
}

void dialling_close(struct dialling *dialling)
{
    free(dialling->outside);
    free(dialling->abroad);
    free(dialling->emergency);
    free(dialling->own);
}
