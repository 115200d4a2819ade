/* The three parts of a look, in order; the operator's word is the last:
 *
 *   user part --number_dial--> E.164 --number_plan--> country, kind --number_risk--> points, cost
 *                                                        site.* and the operator's file ----^
 *
 * Nothing here writes a number anywhere: they name people. */
#include "sensor/lookup/numbers.h"

#include "sensor/lookup/number_dial.h"
#include "sensor/lookup/number_list.h"
#include "sensor/lookup/number_risk.h"

enum { BLOCK_DIGITS = 7 };

/* clang-format off */
const struct option numbers_options[] = {
    OPTION("country", TEXT, numbers_conf, country, NULL, "", NULL,
           "country of the site, two letters of ISO 3166 as in DE: how people dial, and what is abroad; empty: only + and international prefixes are understood"),
    OPTION("numbers", LIST, numbers_conf, numbers, NULL, "", NULL,
           "beginnings of the site's own numbers, from the calling code on: +1555010"),
    OPTION("outside", LIST, numbers_conf, outside, NULL, "0,9", NULL,
           "digits that are dialled for an outside line"),
    OPTION("international", LIST, numbers_conf, international, NULL, "", NULL,
           "international prefixes; empty: those of the country, 00 and 011"),
    OPTION("emergency", LIST, numbers_conf, emergency, NULL, "", NULL,
           "emergency numbers beside 112, 911, 999 and those of the country"),
    OPTION("neighbours", LIST, numbers_conf, neighbours, NULL, "", NULL,
           "countries, two letters each, where calls cost about as much as at home"),
    OPTION("allowed", LIST, numbers_conf, allowed, NULL, "", NULL,
           "beginnings of numbers, from the calling code on, to which calls are wanted"),
    OPTION("numbers_file", TEXT, numbers_conf, file, NULL, "", NULL,
           "file of numbers and what a call to them may cost, see conf/numbers.csv; empty: none"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct numbers {
    struct dialling dialling;
    char *allowed; /* list as in struct plan_region */
    struct number_list *list;
    uint32_t near_count;
    char near[OPTION_LIST_MAX][3]; /* countries: the neighbours */
};

static enum status neighbours_open(const struct numbers_conf *conf, struct numbers *numbers,
                                   struct error *error)
{
    for (uint32_t i = 0; i < conf->neighbours.count; i++) {
        const struct plan_region *region = plan_region_of(conf->neighbours.items[i]);
        if (region == NULL) {
            return error_set(error, STATUS_USAGE, "site.neighbours",
                             "found '%s', two capital letters of ISO 3166 are allowed, as in DE",
                             conf->neighbours.items[i]);
        }
        memcpy(numbers->near[numbers->near_count++], region->country, sizeof region->country);
    }
    return STATUS_OK;
}

enum status numbers_open(const struct numbers_conf *conf, struct numbers **out_numbers,
                         struct error *error)
{
    struct numbers *numbers = calloc(1, sizeof *numbers);
    assert(numbers != NULL);
    enum status status = dialling_open(conf, &numbers->dialling, error);

    if (status == STATUS_OK) {
        status = dial_list(&conf->allowed, "site.allowed", &numbers->allowed, error);
    }
    if (status == STATUS_OK) {
        status = neighbours_open(conf, numbers, error);
    }
    if (status == STATUS_OK && conf->file[0] != '\0') {
        status = number_list_open(conf->file, &numbers->list, error);
    }
    if (status != STATUS_OK) {
        numbers_close(numbers);
        return status;
    }
    *out_numbers = numbers;
    return STATUS_OK;
}

void numbers_close(struct numbers *numbers)
{
    if (numbers == NULL) {
        return;
    }
    dialling_close(&numbers->dialling);
    number_list_close(numbers->list);
    free(numbers->allowed);
    free(numbers);
}

void numbers_budget(const struct numbers_conf *conf, struct budget *budget)
{
    if (conf->file[0] != '\0') {
        budget_add(budget, "rows of site.numbers_file", NUMBERS_ROWS, number_list_bytes_max());
    }
}

static bool is_near(const struct numbers *numbers, const struct plan_region *region)
{
    const struct plan_region *home = numbers->dialling.home;

    if (region == NULL) {
        return false;
    }
    if (home != NULL && memcmp(home->country, region->country, sizeof home->country) == 0) {
        return true;
    }
    for (uint32_t i = 0; i < numbers->near_count; i++) {
        if (memcmp(numbers->near[i], region->country, sizeof region->country) == 0) {
            return true;
        }
    }
    return false;
}

static void apply_row(struct number *number, const struct number_row *row, uint8_t *points)
{
    if (row != NULL) {
        *points = row->points;
        number->cost_milli = row->has_cost ? row->cost_milli : number->cost_milli;
    }
}

/* The operator's rows: the country's first, so that the cost of a number says more. */
static void apply_list(const struct number_list *list, struct number *number)
{
    const struct number_row *exact =
        number_list_look(list, NUMBER_ROW_EXACT, number->e164, number->digits);
    const struct number_row *block =
        number_list_look(list, NUMBER_ROW_BLOCK, number->e164, number->digits);

    apply_row(number, number_list_look(list, NUMBER_ROW_COUNTRY, number->e164, number->digits),
              &number->risk_country);
    apply_row(number, exact != NULL ? exact : block, &number->risk_type);
}

static void put_number(struct slice digits, struct number *out)
{
    for (size_t i = 0; i < digits.bytes; i++) {
        out->e164 = out->e164 * 10 + (uint64_t)(digits.at[i] - '0');
        out->block = i < BLOCK_DIGITS ? out->e164 : out->block;
    }
    out->digits = (uint8_t)digits.bytes;
}

static void judge(const struct numbers *numbers, const struct dialled *dialled, struct number *out)
{
    bool abroad = out->class == NUMBER_INTERNATIONAL;
    struct risk risk = risk_of(&dialled->plan, is_near(numbers, dialled->plan.region));

    out->type = risk.type;
    out->dialled_abroad = abroad && (dialled->prefixed || numbers->dialling.home != NULL);
    if (dialled->plan.region != NULL) {
        memcpy(out->country, dialled->plan.region->country, sizeof out->country);
        out->country_name = dialled->plan.region->name;
    }
    if (out->class == NUMBER_INTERNAL) {
        return; /* the site's own */
    }
    out->risk_type = risk.points_type;
    out->risk_country = risk.points_country;
    out->cost_milli = risk.cost_milli;
    apply_list(numbers->list, out);
}

void number_look(const struct numbers *numbers, struct slice user, struct number *out_number)
{
    struct dialled dialled;

    dial_read(&numbers->dialling, user, &dialled);
    *out_number = (struct number){.class = dialled.class};
    if (dialled.count != 0) {
        struct slice digits = slice_of(dialled.digits, dialled.count);
        put_number(digits, out_number);
        out_number->allowed = plan_list_take(numbers->allowed, digits) != 0;
        judge(numbers, &dialled, out_number);
    } else if (dialled.class == NUMBER_UNKNOWN && dialled.prefixed) {
        out_number->dialled_abroad = true;
        out_number->risk_type = RISK_UNREADABLE;
    }
}
