#include "base/calendar.h"

uint8_t calendar_hour_of_week(const struct calendar *calendar, uint64_t time_ns)
{
    (void)calendar;
    /* 1 January 1970 was a Thursday. */
    return (uint8_t)((time_ns / NS_PER_HOUR + 3 * 24) % CALENDAR_HOURS_OF_WEEK);
}
