/* seconds.h - what the tests of rules about servers share: a server's second as a fact, and rows of
 * them. */
#ifndef TESTS_UNIT_DETECTORS_SECONDS_H
#define TESTS_UNIT_DETECTORS_SECONDS_H

#include "facts.h"

/* A server that lived, in a second in which nothing happened. */
static inline struct fact fact_second_of(const char *server)
{
    struct fact fact = {.kind = FACT_SERVER};

    fact.is.server = (struct fact_server){.server = party(server, 5060), .answered_before = 1000};
    fact.is.server.server.is_server = true;
    return fact;
}

/* Tells it at the next mark. */
static inline void second_tell(struct bench *bench, struct fact fact)
{
    bench->now_ns = (time_second(bench->now_ns) + 1) * NS_PER_S;
    bench_tell(bench, fact);
}

static inline void second_repeat(struct bench *bench, const struct fact *fact, uint32_t seconds)
{
    for (uint32_t i = 0; i < seconds; i++) {
        second_tell(bench, *fact);
    }
}

/* Four weeks of one calm hour each, at hour of week 0: `each` once a minute of it; then the same
 * hour of the fifth week begins. */
static inline void second_teach(struct bench *bench, const struct fact *each)
{
    for (uint32_t week = 0; week < 4; week++) {
        uint64_t begin_ns = START_NS + week * 7 * NS_PER_DAY;
        for (uint32_t minute = 0; minute < 61; minute++) {
            struct fact fact = *each;
            bench->now_ns = begin_ns + minute * NS_PER_MINUTE;
            fact.hour_of_week = minute < 60 ? 0 : 1;
            for (uint32_t i = 0; i < 12; i++) {
                second_tell(bench, fact);
            }
        }
    }
    bench->now_ns = START_NS + 4 * 7 * NS_PER_DAY;
}

#endif
