/* method.h - requests that a service is asked by, and their names.
 *
 * Owns      nothing.
 * Borrows   nothing; names are static.
 * Time      none.
 * Bounds    none.
 * Errors    none.
 * Thread    any.
 *
 * The others belong to a dialog or a call that is there already: who floods begins. */
#ifndef DETECTORS_FRAME_METHOD_H
#define DETECTORS_FRAME_METHOD_H

#include "detectors/detector.h"

static inline bool method_asks(uint8_t method)
{
    return (1U << method &
            (1U << FACT_METHOD_INVITE | 1U << FACT_METHOD_REGISTER | 1U << FACT_METHOD_OPTIONS |
             1U << FACT_METHOD_SUBSCRIBE | 1U << FACT_METHOD_MESSAGE)) != 0;
}

static inline const char *method_name(uint8_t method)
{
    return method == FACT_METHOD_INVITE      ? "INVITE"
           : method == FACT_METHOD_REGISTER  ? "REGISTER"
           : method == FACT_METHOD_OPTIONS   ? "OPTIONS"
           : method == FACT_METHOD_SUBSCRIBE ? "SUBSCRIBE"
           : method == FACT_METHOD_MESSAGE   ? "MESSAGE"
                                             : "other";
}

/* Of the counts of a server's second. */
static inline uint64_t method_sum(const uint32_t *counts)
{
    uint64_t sum = 0;

    for (unsigned method = 0; method < FACT_METHOD_COUNT; method++) {
        sum += counts[method];
    }
    return sum;
}

#endif
