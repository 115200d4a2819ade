/* An automaton over the digits behind the calling code; equal ends are one state, so all plans of the
 * world fit into little memory:
 *
 *   calling code --> root state --digit--> state --digit--> ... --> what the number is that ends here
 *
 * State 0 is the dead end. A number that ends at a state of no kind, or in the dead end, is in no
 * range; whose it would be is what all numbers below the last live state have in common. */
#include "sensor/lookup/number_plan.h"

enum {
    PLAN_NOBODY = 31, /* owner: numbers of several regions lie below */
    PLAN_CODE_DIGITS = 3,
    PLAN_CODES = 1000
};

enum plan_kind { NONE, FIXED, MOBILE, TOLL_FREE, SHARED_COST, PREMIUM, OTHER };

struct plan_state {
    uint16_t next[10];
    uint8_t kind : 3;
    uint8_t region : 5; /* among those of the calling code */
    uint8_t owner;
};

static const struct plan_state plan_states[] = {
#define PLAN_STATE(kind_, region_, owner_, ...)                                                    \
    {.next = {__VA_ARGS__}, .kind = (kind_), .region = (region_), .owner = (owner_)},
#include "sensor/lookup/number_table.def"
};

struct plan_code {
    uint16_t root;
    uint16_t first; /* region */
    uint8_t regions; /* 0 = no such calling code */
};

static const struct plan_code plan_codes[PLAN_CODES] = {
#define PLAN_CODE(code_, root_, first_, regions_)                                                  \
    [code_] = {.root = (root_), .first = (first_), .regions = (regions_)},
#include "sensor/lookup/number_table.def"
};

static const struct plan_region plan_regions[] = {
#define PLAN_REGION(country_, name_, code_, local_, area_, digits_, trunk_, abroad_, emergency_)   \
    {.country = country_,                                                                          \
     .name = name_,                                                                                \
     .area_digits = (digits_),                                                                     \
     .code = (code_),                                                                              \
     .local_lengths = (local_),                                                                    \
     .area = area_,                                                                                \
     .trunk = trunk_,                                                                              \
     .abroad = abroad_,                                                                            \
     .emergency = emergency_},
#include "sensor/lookup/number_table.def"
};

static const uint8_t types[] = {
    [NONE] = NUMBER_INVALID,
    [FIXED] = NUMBER_FIXED,
    [MOBILE] = NUMBER_MOBILE,
    [TOLL_FREE] = NUMBER_TOLL_FREE,
    [SHARED_COST] = NUMBER_SHARED_COST,
    [PREMIUM] = NUMBER_PREMIUM,
    [OTHER] = NUMBER_OTHER,
};

/* Calling codes are free of prefixes: the first that fits is the one. */
static const struct plan_code *code_of(struct slice digits, size_t *out_bytes)
{
    unsigned code = 0;

    for (size_t i = 0; i < PLAN_CODE_DIGITS && i < digits.bytes; i++) {
        code = code * 10 + (unsigned)(digits.at[i] - '0');
        if (code == 0) {
            return NULL;
        }
        if (plan_codes[code].regions != 0) {
            *out_bytes = i + 1;
            return &plan_codes[code];
        }
    }
    return NULL;
}

struct plan_answer plan_look(struct slice digits)
{
    size_t at = 0;
    const struct plan_code *code = code_of(digits, &at);

    if (code == NULL) {
        return (struct plan_answer){.type = NUMBER_INVALID};
    }
    const struct plan_state *state = &plan_states[code->root];
    while (at < digits.bytes) {
        unsigned next = state->next[digits.at[at] - '0'];
        if (next == 0) {
            break;
        }
        state = &plan_states[next];
        at++;
    }
    uint8_t kind = at == digits.bytes ? state->kind : NONE;
    uint8_t region = kind == NONE ? state->owner : state->region;
    region = region == PLAN_NOBODY ? 0 : region;
    return (struct plan_answer){.region = &plan_regions[code->first + region], .type = types[kind]};
}

const struct plan_region *plan_region_of(const char *country)
{
    for (size_t i = 0; i < sizeof plan_regions / sizeof *plan_regions && country[0] != '\0'; i++) {
        if (strcmp(plan_regions[i].country, country) == 0) {
            return &plan_regions[i];
        }
    }
    return NULL;
}

/* Bytes of the entry at `list` if `digits` begins with it, else 0. */
static size_t begins(const char *list, struct slice digits)
{
    size_t at = 0;

    while (at < digits.bytes && (list[at] == digits.at[at] || list[at] == 'x')) {
        at++;
    }
    return list[at] == ' ' || list[at] == '\0' ? at : 0;
}

static const char *next_entry(const char *list)
{
    while (*list != ' ' && *list != '\0') {
        list++;
    }
    return *list == ' ' ? list + 1 : list;
}

size_t plan_list_next(const char **list, struct slice digits)
{
    size_t taken = 0;

    while (**list != '\0' && taken == 0) {
        taken = begins(*list, digits);
        *list = next_entry(*list);
    }
    return taken;
}

size_t plan_list_take(const char *list, struct slice digits)
{
    return plan_list_next(&list, digits);
}

bool plan_list_has(const char *list, struct slice digits)
{
    size_t longest = 0; /* the first */

    while (list[longest] != ' ' && list[longest] != '\0') {
        longest++;
    }
    if (longest < digits.bytes) {
        return false;
    }
    while (*list != '\0') {
        if (begins(list, digits) == digits.bytes) {
            return digits.bytes != 0;
        }
        list = next_entry(list);
    }
    return false;
}
