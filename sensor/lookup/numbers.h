/* numbers.h - a dialled or shown number -> E.164, country, kind, and what a call there may cost.
 *
 * Owns      the operator's lists, read at start; the tables of the plan are static data.
 * Borrows   texts during the call.
 * Time      none.
 * Bounds    NUMBERS_ROWS rows of the operator's file; a number has at most 15 digits (E.164).
 * Errors    a file that cannot be read or a row that is none: STATUS_USAGE with file and line.
 * Thread    made at start and reload, read by the analyst.
 *
 * Points and classes: docs/definitions.md, Numbers. A table made from libphonenumber's metadata
 * says country and kind; an overlay says what its metadata do not (satellite, islands, hot
 * countries); the operator's file and options say the last word. */
#ifndef SENSOR_LOOKUP_NUMBERS_H
#define SENSOR_LOOKUP_NUMBERS_H

#include "base/budget.h"
#include "base/option.h"

enum { NUMBERS_ROWS = 65536, NUMBERS_DIGITS = 15 };

/* Same values as enum fact_number_class and fact_number_type; sensor/state/facts.c holds them
 * equal. */
enum number_class {
    NUMBER_NONE,
    NUMBER_INTERNAL,
    NUMBER_NATIONAL,
    NUMBER_INTERNATIONAL,
    NUMBER_EMERGENCY,
    NUMBER_UNKNOWN
};
enum number_type {
    NUMBER_TYPE_UNKNOWN,
    NUMBER_FIXED,
    NUMBER_MOBILE,
    NUMBER_TOLL_FREE,
    NUMBER_SHARED_COST,
    NUMBER_PREMIUM,
    NUMBER_SATELLITE,
    NUMBER_OTHER,
    NUMBER_INVALID
};

struct number {
    uint64_t e164; /* as a decimal number; 0 = none */
    uint64_t block; /* its first seven digits (all, where it has fewer); 0 = none */
    uint8_t class; /* enum number_class */
    uint8_t type; /* enum number_type */
    uint8_t digits; /* of e164 */
    uint8_t risk_type; /* points */
    uint8_t risk_country; /* points */
    /* It is sure that the number is none of this site's country: an international prefix was
     * dialled (00, 011, +0 ...), or site.country is known and the number's is another. */
    bool dialled_abroad;
    bool allowed; /* site.allowed has it */
    char country[3]; /* "" = none */
    const char *country_name; /* in English, static; "" = none */
    uint16_t cost_milli; /* a minute, thousandths of a currency unit */
};

/* The options under "site." that say how people dial here; numbers.c has the rows. */
struct numbers_conf {
    char country[OPTION_TEXT_BYTES]; /* ISO 3166 alpha-2; "" = not said */
    struct option_list numbers; /* own numbers: E.164 beginnings "+1555010" */
    struct option_list outside; /* prefixes dialled for an outside line: "0", "9" */
    struct option_list international; /* "00", "011" ...; empty: 00, 011 and the country's own */
    struct option_list emergency; /* beside 112, 911, 999 and the country's own */
    struct option_list neighbours; /* countries where calls cost about as much as at home */
    struct option_list allowed; /* E.164 beginnings that calls may go to */
    char file[OPTION_TEXT_BYTES]; /* conf/numbers.csv; "" = none */
};
extern const struct option numbers_options[];

struct numbers;

MUST_USE enum status numbers_open(const struct numbers_conf *conf, struct numbers **out_numbers,
                                  struct error *error);
void numbers_close(struct numbers *numbers);
void numbers_budget(const struct numbers_conf *conf, struct budget *budget);
/* `user` as it stands in a SIP or tel URI: visual separators, phone-context and a leading + are
 * understood. */
void number_look(const struct numbers *numbers, struct slice user, struct number *out_number);

#endif
