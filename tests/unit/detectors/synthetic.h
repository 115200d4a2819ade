/* synthetic.h - detectors of the tests' own instead of the list of detectors.def: `detectors` is
 * defined here, so the linker leaves detectors/registry.c out. They write down what they hear and
 * raise what the test lays ready. */
#ifndef TESTS_UNIT_DETECTORS_SYNTHETIC_H
#define TESTS_UNIT_DETECTORS_SYNTHETIC_H

#include "facts.h"

enum { HEARD_MAX = 256, CROWD = 70 };

struct heard {
    const char *slug;
    uint8_t kind;
    uint64_t time_ns;
    void *lane;
    void *cell;
    struct fact_incident incident;
    char account[128];
};

static struct heard heard[HEARD_MAX];
static size_t heard_count;
static struct finding ready; /* what `source` raises on a MESSAGE, and `pair` on a TRANSACTION */
static bool raises;
static bool recent; /* what detector_recent said of `source` */
static bool asks; /* `slab` asks for its cell, where it is not given at once */

struct synthetic_conf {
    uint64_t cells;
};

static const struct option synthetic_options[] = {
    OPTION_TABLE_SIZE("cells", COUNT, synthetic_conf, cells, "1", "2", "100", "cells"),
    {.kind = OPTION_END},
};

static void hear(const char *slug, const struct fact *fact, void *lane, void *cell)
{
    struct heard *entry = &heard[heard_count % HEARD_MAX];

    *entry = (struct heard){slug, fact->kind, fact->time_ns, lane, cell, {.rule = NULL}, ""};
    if (fact->kind == FACT_INCIDENT) {
        struct slice account = fact->is.incident.account;
        entry->incident = fact->is.incident;
        if (account.bytes > 0) {
            memcpy(entry->account, account.at, account.bytes);
        }
    }
    heard_count++;
}

static void source_on_fact(struct detector_context *context, void *lane, void *cell,
                           const void *conf, const struct fact *fact)
{
    (void)conf;
    hear("source", fact, lane, cell);
    recent = detector_recent(context, "pair", fact, NS_PER_HOUR);
    if (raises) {
        detector_raise(context, &ready);
    }
}

static void pair_on_fact(struct detector_context *context, void *lane, void *cell, const void *conf,
                         const struct fact *fact)
{
    (void)conf;
    hear("pair", fact, lane, cell);
    if (raises) {
        detector_raise(context, &ready);
    }
}

static void slab_on_fact(struct detector_context *context, void *lane, void *cell, const void *conf,
                         const struct fact *fact)
{
    (void)conf;
    hear("slab", fact, lane, cell);
    if (asks && cell == NULL) {
        cell = detector_cell(context, lane);
    }
    if (cell != NULL) {
        ++*(uint64_t *)cell;
    }
}

static void incident_on_fact(struct detector_context *context, void *lane, void *cell,
                             const void *conf, const struct fact *fact)
{
    (void)context;
    (void)conf;
    hear("incident", fact, lane, cell);
}

static void crowd_on_fact(struct detector_context *context, void *lane, void *cell,
                          const void *conf, const struct fact *fact)
{
    struct finding finding = {.severity = 1, .count = 1, .confidence = {.value = 60}};

    (void)lane;
    (void)cell;
    (void)conf;
    (void)fact;
    detector_raise(context, &finding);
}

static bool source_heeds(const struct fact *fact)
{
    return !fact->is.message.is_response;
}

static const struct detector detector_source = {
    .slug = "source",
    .title = "test of one source",
    .category = "reconnaissance",
    .advice = "Do it.",
    .stage = 1,
    .key = KEY_SOURCE,
    .wants = FACT_BIT(MESSAGE),
    .lane_bytes = 8,
    .heeds = source_heeds,
    .on_fact = source_on_fact,
};
static const struct detector detector_pair = {
    .slug = "pair",
    .title = "test of a pair",
    .category = "authentication",
    .advice = "Do it.",
    .stage = 3,
    .key = KEY_SOURCE_ACCOUNT,
    .wants = FACT_BIT(TRANSACTION),
    .lane_bytes = 3,
    .on_fact = pair_on_fact,
};
static struct detector detector_slab = {
    .slug = "slab",
    .title = "test of a slab",
    .key = KEY_SOURCE,
    .wants = FACT_BIT(MESSAGE),
    .lane_bytes = 4,
    .conf_bytes = sizeof(struct synthetic_conf),
    .slab_bytes = 8,
    .slab_option = "cells",
    .options = synthetic_options,
    .on_fact = slab_on_fact,
};
static const struct detector detector_incident = {
    .slug = "incident",
    .title = "test of what is heard of incidents",
    .key = KEY_SITE,
    .wants = FACT_BIT(INCIDENT),
    .on_fact = incident_on_fact,
};

static char crowd_slugs[CROWD][12];
static struct detector crowd[CROWD];
static const struct detector *synthetic_list[CROWD + 5] = {
    &detector_source, &detector_pair, &detector_slab, &detector_incident, NULL,
};

/* The same storage under the name that the frame looks for. */
extern const struct detector *const detectors[CROWD + 5] __attribute__((alias("synthetic_list")));

size_t detector_count(void)
{
    size_t count = 0;

    while (synthetic_list[count] != NULL) {
        count++;
    }
    return count;
}

/* 70 more that all speak on a CALL, about the site. */
static inline void synthetic_crowd(void)
{
    for (unsigned i = 0; i < CROWD; i++) {
        (void)snprintf(crowd_slugs[i], sizeof crowd_slugs[i], "crowd-%02u", i);
        crowd[i] = (struct detector){.slug = crowd_slugs[i],
                                     .title = "one of a crowd",
                                     .advice = "Do it.",
                                     .key = KEY_SITE,
                                     .wants = FACT_BIT(CALL),
                                     .on_fact = crowd_on_fact};
        synthetic_list[4 + i] = &crowd[i];
    }
}

static inline void synthetic_reset(void)
{
    heard_count = 0;
    raises = false;
    recent = false;
    asks = false;
    detector_slab.slab_on_demand = false;
    ready = (struct finding){.severity = 3,
                             .stage = 0,
                             .count = 10,
                             .observed = 10,
                             .threshold = 10,
                             .window_ns = NS_PER_MINUTE,
                             .unit = "things",
                             .span_ns = 7 * NS_PER_S,
                             .detail = SLICE("did 10 things"),
                             .confidence = {.value = 60, .why = "condition met 60"}};
}

#endif
