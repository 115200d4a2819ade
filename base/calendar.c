/* A POSIX rule says when summer time begins and ends in every year:
 *
 *   CET-1CEST,M3.5.0,M10.5.0/3        std offset [dst [offset] , begin [/time] , end [/time]]
 *
 * Offsets count westward there, eastward here. The time of a change is local by the clock that is in
 * force before it: 02:00 where the rule says nothing, -167 to 167 hours (RFC 8536 section 3.3.1), so
 * that a change may fall into a neighbouring year. So a time is looked for in the summers of three
 * years: [begin, end), where the end is the year's own, or the next year's in the south. Days are
 * counted in the proleptic Gregorian calendar.
 *
 * A summer time without its dates is refused: the standard leaves them to whoever reads it. */
#include "base/calendar.h"

enum {
    SECONDS_OF_HOUR = 3600,
    SECONDS_OF_DAY = 86400,
    HOURS_OF_OFFSET = 24,
    HOURS_OF_CHANGE = 167
};
enum { CHANGE_MONTH, CHANGE_JULIAN, CHANGE_DAY };

/* --- reading a rule --- */

static bool is_letter(char byte)
{
    return slice_lower(byte) >= 'a' && slice_lower(byte) <= 'z';
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool take(struct slice *rest, char byte)
{
    if (rest->bytes == 0 || rest->at[0] != byte) {
        return false;
    }
    *rest = slice_from(*rest, 1);
    return true;
}

/* "CEST" or "<+0330>", three characters or more. The name itself says nothing here. */
static bool take_name(struct slice *rest)
{
    size_t bytes = 0;
    bool quoted = take(rest, '<');

    while (bytes < rest->bytes &&
           (is_letter(rest->at[bytes]) ||
            (quoted &&
             (is_digit(rest->at[bytes]) || rest->at[bytes] == '+' || rest->at[bytes] == '-')))) {
        bytes++;
    }
    *rest = slice_from(*rest, bytes);
    return bytes >= 3 && (!quoted || take(rest, '>'));
}

/* One to `digits` digits, from..to. */
static bool take_number(struct slice *rest, size_t digits, uint32_t from, uint32_t to,
                        uint32_t *out_number)
{
    size_t bytes = 0;

    while (bytes < digits && bytes < rest->bytes && is_digit(rest->at[bytes])) {
        bytes++;
    }
    if (!slice_u32(slice_part(*rest, 0, bytes), out_number) || *out_number < from ||
        *out_number > to) {
        return false;
    }
    *rest = slice_from(*rest, bytes);
    return true;
}

/* [+-]hh[:mm[:ss]] in seconds. */
static bool take_time(struct slice *rest, uint32_t hours_max, int32_t *out_seconds)
{
    uint32_t hours;
    uint32_t minutes = 0;
    uint32_t seconds = 0;
    bool negative = take(rest, '-');

    if (!negative) {
        (void)take(rest, '+');
    }
    if (!take_number(rest, 3, 0, hours_max, &hours) ||
        (take(rest, ':') && (!take_number(rest, 2, 0, 59, &minutes) ||
                             (take(rest, ':') && !take_number(rest, 2, 0, 59, &seconds))))) {
        return false;
    }
    int32_t sum = (int32_t)(hours * SECONDS_OF_HOUR + minutes * 60 + seconds);
    *out_seconds = negative ? -sum : sum;
    return true;
}

static bool take_date(struct slice *rest, struct calendar_change *change)
{
    uint32_t month;
    uint32_t week;
    uint32_t day;

    if (take(rest, 'M')) {
        if (!take_number(rest, 2, 1, 12, &month) || !take(rest, '.') ||
            !take_number(rest, 1, 1, 5, &week) || !take(rest, '.') ||
            !take_number(rest, 1, 0, 6, &day)) {
            return false;
        }
        *change = (struct calendar_change){.kind = CHANGE_MONTH,
                                           .month = (uint8_t)month,
                                           .week = (uint8_t)week,
                                           .day = (uint16_t)day};
        return true;
    }
    bool julian = take(rest, 'J');
    if (!take_number(rest, 3, julian ? 1 : 0, 365, &day)) {
        return false;
    }
    *change =
        (struct calendar_change){.kind = julian ? CHANGE_JULIAN : CHANGE_DAY, .day = (uint16_t)day};
    return true;
}

static bool take_change(struct slice *rest, struct calendar_change *change)
{
    if (!take(rest, ',') || !take_date(rest, change)) {
        return false;
    }
    change->at_s = 2 * SECONDS_OF_HOUR;
    return !take(rest, '/') || take_time(rest, HOURS_OF_CHANGE, &change->at_s);
}

static bool take_rule(struct slice *rest, struct calendar *calendar)
{
    int32_t west_s;

    if (!take_name(rest) || !take_time(rest, HOURS_OF_OFFSET, &west_s)) {
        return false;
    }
    calendar->east_s = -west_s;
    if (rest->bytes == 0) {
        return true;
    }
    if (!take_name(rest)) {
        return false;
    }
    calendar->has_summer = true;
    calendar->summer_east_s = calendar->east_s + SECONDS_OF_HOUR;
    if (rest->bytes > 0 && rest->at[0] != ',') {
        if (!take_time(rest, HOURS_OF_OFFSET, &west_s)) {
            return false;
        }
        calendar->summer_east_s = -west_s;
    }
    return take_change(rest, &calendar->begins) && take_change(rest, &calendar->ends) &&
           rest->bytes == 0;
}

enum status calendar_parse(struct slice rule, const char *where, struct calendar *out,
                           struct error *error)
{
    struct calendar calendar = {.east_s = 0};
    struct slice rest = rule;

    if (rule.bytes > 0 && !take_rule(&rest, &calendar)) {
        return error_set(
            error, STATUS_USAGE, where,
            "'%.*s' is no time-zone rule of POSIX such as CET-1CEST,M3.5.0,M10.5.0/3 "
            "or <+0330>-3:30; it goes wrong at character %zu (the rule of a named zone "
            "is the last line of its file in /usr/share/zoneinfo)",
            (int)(rule.bytes < 128 ? rule.bytes : 128), rule.at, rule.bytes - rest.bytes + 1);
    }
    *out = calendar;
    return STATUS_OK;
}

/* --- days --- */

static bool is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* From 1 January 1970 to 1 January of the year; years from 1969 on. */
static int64_t days_before(int64_t year)
{
    int64_t past = year - 1;

    return (year - 1970) * 365 + (past / 4 - past / 100 + past / 400) -
           (1969 / 4 - 1969 / 100 + 1969 / 400);
}

static int64_t year_of(int64_t day)
{
    int64_t year = 1970 + day / 366;

    while (days_before(year + 1) <= day) {
        year++;
    }
    return year;
}

static int64_t day_of_month(const struct calendar_change *change, int64_t year)
{
    static const uint16_t before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    bool leap = is_leap(year);
    int64_t first = before[change->month - 1] + (leap && change->month > 2 ? 1 : 0);
    int64_t next = before[change->month] + (leap && change->month > 1 ? 1 : 0);
    /* 1 January 1970 was a Thursday: 4. In 1969 the sum is still positive. */
    int64_t weekday = (days_before(year) + first + 4 + 371) % 7;
    int64_t day = first + (change->day + 7 - weekday) % 7 + 7 * (change->week - 1);

    return day >= next ? day - 7 : day;
}

/* When the change falls in that year, in seconds since the epoch. */
static int64_t change_at(const struct calendar_change *change, int64_t year, int32_t east_s)
{
    int64_t day;

    if (change->kind == CHANGE_MONTH) {
        day = day_of_month(change, year);
    } else if (change->kind == CHANGE_JULIAN) {
        day = change->day - 1 + (is_leap(year) && change->day > 59 ? 1 : 0);
    } else {
        day = change->day;
    }
    return (days_before(year) + day) * SECONDS_OF_DAY + change->at_s - east_s;
}

static bool is_summer(const struct calendar *calendar, int64_t second)
{
    int64_t this_year = year_of(second / SECONDS_OF_DAY);

    for (int64_t year = this_year - 1; year <= this_year + 1; year++) {
        int64_t begin = change_at(&calendar->begins, year, calendar->east_s);
        int64_t end = change_at(&calendar->ends, year, calendar->summer_east_s);
        if (end < begin) {
            end = change_at(&calendar->ends, year + 1, calendar->summer_east_s);
        }
        if (begin <= second && second < end) {
            return true;
        }
    }
    return false;
}

uint8_t calendar_hour_of_week(const struct calendar *calendar, uint64_t time_ns)
{
    const int64_t week_s = 7 * SECONDS_OF_DAY;
    int64_t second = (int64_t)(time_ns / NS_PER_S);
    bool summer = calendar->has_summer && is_summer(calendar, second);
    int64_t local = second + (summer ? calendar->summer_east_s : calendar->east_s);

    /* 1 January 1970 was a Thursday; a week more, because local time may lie before it. */
    return (uint8_t)((local + 3 * SECONDS_OF_DAY + week_s) % week_s / SECONDS_OF_HOUR);
}
