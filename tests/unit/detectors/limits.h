/* limits.h - what the tests of scan, enumeration and password-spray share: rows of "so many things,
 * so far apart", told to a bench of the rule alone, and the severity that comes out. */
#ifndef TESTS_UNIT_DETECTORS_LIMITS_H
#define TESTS_UNIT_DETECTORS_LIMITS_H

#include "facts.h"

struct limit_row {
    const char *name;
    uint32_t things; /* targets, users, accounts */
    uint64_t gap_ns; /* between them */
    bool proven;
    unsigned severity; /* 0 = silent */
    uint32_t of; /* how many of them exist, how often each is tried ...: the test's own */
    uint16_t good; /* accounts with success at the source */
};

/* Tells what the client does with the thing of that number. */
typedef void limit_act(struct bench *bench, const struct limit_row *row, struct fact_party client,
                       uint32_t thing);

/* "1000" and on, with what stands behind; valid until 256 more were named. */
static inline struct slice limit_name(uint32_t thing, const char *behind)
{
    static char names[256][32];

    return text_number(names[thing % 256], sizeof names[0], "", 1000 + thing, behind);
}

static inline void limit_rows(const char *slug, const char *addr, const struct limit_row *rows,
                              size_t count, limit_act *act, limit_act *at_end)
{
    for (size_t i = 0; i < count; i++) {
        const struct limit_row *row = &rows[i];
        struct bench bench;
        struct fact_party client = party(addr, 5060);
        client.proven = row->proven;
        client.site_good_accounts = row->good;
        bench_open(&bench, slug);
        for (uint32_t thing = 0; thing < row->things; thing++) {
            act(&bench, row, client, thing);
            bench.now_ns += row->gap_ns;
        }
        if (at_end != NULL) {
            at_end(&bench, row, client, row->things);
        }
        if (bench_severity(&bench, slug) != row->severity) {
            fail_msg("%s: severity %u", row->name, bench_severity(&bench, slug));
        }
        bench_close(&bench);
    }
}

#endif
