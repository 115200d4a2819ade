/* costly.c - why it is built so.
 *
 * Two things make a call ours to judge. Either one of our accounts calls: then the number is what it
 * seems to be. Or the number itself tells: an international prefix was dialled, or it is a premium
 * or satellite number. Else an international number may be our own, called from outside at a site
 * that has not said its country; that may be a country of risk.
 *
 * A server that calls without a password and without a registration passes on what others asked of
 * it (a B2BUA's second leg, a carrier). Its From may be anything, so it would be another account;
 * the first leg has the account and the password. */
#include "detectors/frame/costly.h"

#include "detectors/frame/key.h"

static const char *type_word(uint8_t type)
{
    switch ((enum fact_number_type)type) {
    case FACT_NUMBER_FIXED:
        return "fixed";
    case FACT_NUMBER_MOBILE:
        return "mobile";
    case FACT_NUMBER_TOLL_FREE:
        return "toll-free";
    case FACT_NUMBER_SHARED_COST:
        return "shared cost";
    case FACT_NUMBER_PREMIUM:
        return "premium";
    case FACT_NUMBER_SATELLITE:
        return "satellite";
    case FACT_NUMBER_OTHER:
        return "other";
    case FACT_NUMBER_INVALID:
        return "no such number";
    case FACT_NUMBER_TYPE_UNKNOWN:
        break;
    }
    return "";
}

unsigned costly_points(const struct fact_number *number)
{
    unsigned points = number->risk_type + (unsigned)number->risk_country;

    return points < COSTLY_POINTS_MAX ? points : COSTLY_POINTS_MAX;
}

bool costly_is_ours(const struct fact_call *call)
{
    return call->caller_registered || call->has_credentials || call->account_known;
}

bool costly_is_stranger(const struct fact_call *call)
{
    return !call->caller_registered && !call->has_credentials && !call->caller.is_peer &&
           !call->device_known && call->caller.good_accounts == 0;
}

/* As numbers stand in signalling between carriers: its own digits and no others. */
static bool is_plain(const struct fact_call *call)
{
    size_t digits = 0;

    for (size_t i = 0; i < call->dialled.bytes; i++) {
        digits += call->dialled.at[i] >= '0' && call->dialled.at[i] <= '9';
    }
    return digits == call->called.digits;
}

bool costly_is_outside(const struct fact_call *call)
{
    const struct fact_number *called = &call->called;

    if (called->type == FACT_NUMBER_PREMIUM || called->type == FACT_NUMBER_SATELLITE) {
        return true;
    }
    return called->dialled_abroad && (call->calling.e164 == 0 || !is_plain(call));
}

static bool is_passed_on(const struct fact_call *call)
{
    return call->caller.is_peer && !call->caller_registered && !call->has_credentials;
}

bool costly_is(const struct fact_call *call)
{
    const struct fact_number *called = &call->called;
    bool costs = called->class == FACT_NUMBER_INTERNATIONAL || costly_points(called) > 0;

    if (called->e164 == 0 || called->class == FACT_NUMBER_EMERGENCY ||
        called->class == FACT_NUMBER_INTERNAL || called->type == FACT_NUMBER_TOLL_FREE || !costs) {
        return false;
    }
    return !is_passed_on(call) && (costly_is_ours(call) || costly_is_outside(call));
}

bool costly_is_night(uint8_t hour_of_week)
{
    uint8_t hour = hour_of_week % 24;

    return hour >= 22 || hour < 6;
}

bool costly_is_listed(const struct option_list *list, struct slice account)
{
    struct slice user = slice_part(account, 0, slice_find(account, '@'));

    for (uint32_t i = 0; i < list->count; i++) {
        struct slice item = slice_of_string(list->items[i]);
        if (slice_equal(item, account) || slice_equal(item, user)) {
            return true;
        }
    }
    return false;
}

void costly_write(struct text *text, const struct fact_number *number)
{
    const char *word = type_word(number->type);
    const char *country = number->country_name == NULL ? number->country : number->country_name;

    char digits[24];
    struct text called = text_into(digits, sizeof digits);

    text_format(&called, "+%" PRIu64, number->e164);
    key_write_name(text, text_slice(&called), sizeof digits);
    if (country[0] == '\0' && word[0] == '\0') {
        return;
    }
    text_string(text, " (");
    text_string(text, country);
    text_string(text, country[0] != '\0' && word[0] != '\0' ? ", " : "");
    text_string(text, word);
    text_string(text, ")");
}
