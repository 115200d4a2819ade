/* Two lists that the metadata lack: calling codes that are no ordinary country's, and countries that
 * fraud reports name. Both are data of the day they were written; the operator's file says more. */
#include "sensor/lookup/number_risk.h"

enum {
    POINTS_PREMIUM = 50,
    POINTS_NETWORK = 45, /* satellite and other global networks */
    POINTS_ISLAND = 35,
    POINTS_LOOKS_DOMESTIC = 30, /* +1, yet neither the United States nor Canada */
    POINTS_SHARED = 20,
    POINTS_INVALID = 15,
    POINTS_HOT_COUNTRY = 20,
    POINTS_FOREIGN = 10,
    /* A minute, in thousandths. Guesses: a carrier's rates belong into the operator's file. */
    COST_PREMIUM = 3000,
    COST_NETWORK = 6000,
    COST_ISLAND = 1500,
    COST_HOT_COUNTRY = 600,
    COST_FOREIGN = 150,
    COST_NATIONAL = 20,
    NORTH_AMERICA = 1
};

struct special { /* calling codes of no country */
    uint16_t code;
    uint8_t type; /* enum number_type */
    uint8_t points;
    uint16_t cost_milli;
};

static const struct special specials[] = {
    {800, NUMBER_TOLL_FREE, 0, 0},
    {808, NUMBER_SHARED_COST, POINTS_SHARED, COST_FOREIGN},
    {870, NUMBER_SATELLITE, POINTS_NETWORK, COST_NETWORK},
    {878, NUMBER_OTHER, POINTS_NETWORK, COST_NETWORK},
    {881, NUMBER_SATELLITE, POINTS_NETWORK, COST_NETWORK},
    {882, NUMBER_SATELLITE, POINTS_NETWORK, COST_NETWORK},
    {883, NUMBER_SATELLITE, POINTS_NETWORK, COST_NETWORK},
    {888, NUMBER_OTHER, POINTS_NETWORK, COST_NETWORK},
    {979, NUMBER_PREMIUM, POINTS_PREMIUM, COST_PREMIUM},
};

static const uint16_t islands[] = {247, 290, 500, 672, 677, 678, 682, 683,
                                   685, 686, 687, 688, 689, 690, 691, 692};

/* Cuba, Latvia, Lithuania, Somalia: named for decades. Dominican Republic, Nigeria, United Arab
 * Emirates, Saudi Arabia, Morocco, Sri Lanka: reports of 2021 and 2022. Mauritania, Sierra Leone:
 * warnings of one-ring calls. */
static const char hot_countries[][3] = {"CU", "LV", "LT", "SO", "DO", "NG",
                                        "AE", "SA", "MA", "LK", "MR", "SL"};

static const struct special *special_of(unsigned code)
{
    for (size_t i = 0; i < sizeof specials / sizeof *specials; i++) {
        if (specials[i].code == code) {
            return &specials[i];
        }
    }
    return NULL;
}

static bool is_island(unsigned code)
{
    for (size_t i = 0; i < sizeof islands / sizeof *islands; i++) {
        if (islands[i] == code) {
            return true;
        }
    }
    return false;
}

static bool is_hot(const char *country)
{
    for (size_t i = 0; i < sizeof hot_countries / sizeof *hot_countries; i++) {
        if (memcmp(hot_countries[i], country, sizeof hot_countries[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool looks_domestic(const struct plan_region *region)
{
    return region->code == NORTH_AMERICA && memcmp(region->country, "US", 3) != 0 &&
           memcmp(region->country, "CA", 3) != 0;
}

static void raise(struct risk *risk, uint8_t points, uint16_t cost_milli)
{
    risk->points_type = points > risk->points_type ? points : risk->points_type;
    risk->cost_milli = cost_milli > risk->cost_milli ? cost_milli : risk->cost_milli;
}

static void add_place(struct risk *risk, const struct plan_region *region)
{
    bool hot = is_hot(region->country);

    risk->points_country = hot ? POINTS_HOT_COUNTRY : POINTS_FOREIGN;
    if (risk->type == NUMBER_TOLL_FREE) {
        return;
    }
    raise(risk, 0, hot ? COST_HOT_COUNTRY : COST_FOREIGN);
    if (is_island(region->code)) {
        raise(risk, POINTS_ISLAND, COST_ISLAND);
    }
    if (looks_domestic(region)) {
        raise(risk, POINTS_LOOKS_DOMESTIC, 0);
    }
}

struct risk risk_of(const struct plan_answer *plan, bool near)
{
    struct risk risk = {.type = plan->type};
    const struct special *special = plan->region == NULL ? NULL : special_of(plan->region->code);

    if (special != NULL) {
        return (struct risk){.type = special->type,
                             .points_type = special->points,
                             .cost_milli = special->cost_milli};
    }
    if (plan->type == NUMBER_PREMIUM) {
        raise(&risk, POINTS_PREMIUM, COST_PREMIUM);
    } else if (plan->type == NUMBER_SHARED_COST) {
        raise(&risk, POINTS_SHARED, COST_NATIONAL);
    } else if (plan->type != NUMBER_TOLL_FREE) {
        raise(&risk, 0, COST_NATIONAL);
    }
    if (plan->region != NULL && !near) {
        add_place(&risk, plan->region);
    }
    if (plan->type == NUMBER_INVALID) {
        risk.points_type = (uint8_t)(risk.points_type + POINTS_INVALID);
    }
    return risk;
}
