/* costly_facts.h - what the tests of toll fraud share: calls of 1001@example.com to Somalia and
 * elsewhere, event by event. */
#ifndef TESTS_UNIT_DETECTORS_COSTLY_FACTS_H
#define TESTS_UNIT_DETECTORS_COSTLY_FACTS_H

#include "facts.h"

static inline struct fact_number number_abroad(uint64_t e164, const char *country, uint8_t type,
                                               uint8_t risk_type, uint8_t risk_country)
{
    struct fact_number number = {.e164 = e164,
                                 .class = FACT_NUMBER_INTERNATIONAL,
                                 .type = type,
                                 .digits = 12,
                                 .risk_type = risk_type,
                                 .risk_country = risk_country,
                                 .dialled_abroad = true,
                                 .cost_milli = 600};
    uint64_t block = e164;

    while (block >= 10000000) {
        block /= 10;
    }
    number.block = block;
    for (number.digits = 0; e164 > 0; e164 /= 10) {
        number.digits++;
    }
    memcpy(number.country, country, strlen(country) < 3 ? strlen(country) : 2);
    return number;
}

static inline struct fact_number number_somalia(void)
{
    return number_abroad(252612345678, "SO", FACT_NUMBER_MOBILE, 0, 20);
}

static inline struct fact_number number_britain(void)
{
    return number_abroad(442079460001, "GB", FACT_NUMBER_FIXED, 0, 10);
}

static inline struct fact_number number_satellite(void)
{
    return number_abroad(88161234567, "", FACT_NUMBER_SATELLITE, 45, 0);
}

/* A registered phone of ours, all that is new being new. */
static inline struct fact costly_call(struct bench *bench, uint64_t call, struct fact_number called)
{
    struct fact fact = fact_call(FACT_CALL_RINGING, 0);

    fact.is.call.caller.proven = true; /* by the login of a minute ago */
    fact.hour_of_week = 10; /* Monday, ten o'clock */
    fact.is.call.caller_registered = true;
    fact.is.call.account_known = true;
    fact.is.call.device_known = true;
    fact.is.call.rang = true;
    fact.is.call.first_abroad = true;
    fact.is.call.country_new_account = true;
    fact.is.call.country_new_site = true;
    fact.is.call.block_new_site = true;
    fact.is.call.started_ns = bench->now_ns;
    fact.is.call.call_number = call;
    fact.is.call.called = called;
    fact.is.call.account = SLICE("1001@example.com");
    fact.is.call.dialled = SLICE("00252612345678");
    fact.is.call.call_id = SLICE("call-1@192.0.2.1");
    return fact;
}

/* Nothing is new. */
static inline struct fact usual_call(struct bench *bench, uint64_t call, struct fact_number called)
{
    struct fact fact = costly_call(bench, call, called);

    fact.is.call.first_abroad = false;
    fact.is.call.country_new_account = false;
    fact.is.call.country_new_site = false;
    fact.is.call.block_new_site = false;
    return fact;
}

/* From nobody that we know. */
static inline void make_stranger(struct fact *fact)
{
    fact->is.call.caller_registered = false;
    fact->is.call.account_known = false;
    fact->is.call.device_known = false;
    fact->is.call.caller = party("203.0.113.66", 5060);
}

static inline void tell_event(struct bench *bench, struct fact *fact, uint8_t event)
{
    fact->is.call.event = event;
    if (event == FACT_CALL_ANSWERED) {
        fact->is.call.answered_ns = bench->now_ns;
    } else if (event == FACT_CALL_ENDED) {
        fact->is.call.ended_ns = bench->now_ns;
        bench->now_ns += 5 * NS_PER_S;
    }
    bench_tell(bench, *fact);
}

/* It rings, is answered after 3 s, and ends after so long. */
static inline void tell_whole(struct bench *bench, struct fact fact, uint64_t talk_ns)
{
    tell_event(bench, &fact, FACT_CALL_RINGING);
    bench->now_ns += 3 * NS_PER_S;
    tell_event(bench, &fact, FACT_CALL_ANSWERED);
    bench->now_ns += talk_ns;
    tell_event(bench, &fact, FACT_CALL_ENDED);
}

#endif
