/* destinations.c - one region, six arrays, no pointers.
 *
 *   site      place -> [first, last second]           1,677 places: countries, and +8xx without one
 *             calls by class of hour                  48: hour of the day x (workday, weekend)
 *   accounts  groups of 8, 128 bytes each             8 places, 48 counts of hours
 *   numbers   groups of 8, 16 bytes each              in how many weeks
 *   blocks    two generations of a Bloom filter       16 bits an item, 8 bits within one line of 64
 *   learnt    block -> second at which it was learnt  4,096, newer over older
 *   hour      block -> accounts | source and last digits -> prefixes     4,096 each
 *
 * "As it was when the call started" needs the second at which a thing was learnt: places and numbers
 * have it, a Bloom filter has none, so what it learnt last stands in `learnt` beside it. Where
 * another block has taken that cell since, a call that began before looks like a call to a known
 * block: that errs towards silence, for one call.
 *
 * A generation is over after 90 days or when it has as many blocks as it is made for; so a block is
 * known for 90 to 180 days, and the filter never gets full. A block that is called again moves into
 * the present generation.
 *
 * A week has 168 hours, and fifty calls spread over them are one here and one there: nearly every
 * hour would be rare. So hours of workdays are one, and of weekends. And an hour that has just begun
 * for the first time is rare to a young sensor: nothing is said before two weeks are over.
 *
 * Limits: 32-bit tags; two accounts or numbers of one group are taken for each other once in 2^29.
 * The ninth country of an account makes it forget the one that it called longest ago. Who can place
 * answered calls can teach: after one such call the block and the country are known, after three
 * weeks the number is usual. */
#include "sensor/state/destinations.h"

#include "base/region.h"

enum {
    LETTERS = 26,
    PLACE_COUNTRIES = LETTERS * LETTERS,
    PLACES = 1 + PLACE_COUNTRIES + 1000, /* 0 = none; then countries; then codes of three digits */
    HOURS = 48,
    HOURS_ENOUGH = 50,
    HOURS_DAYS = 14,
    HOURS_RARE_ONE_IN = 50,
    WAYS = 8,
    ACCOUNT_PLACES = 8,
    LINE_WORDS = 8,
    LINE_BITS = 512,
    BITS_AN_ITEM = 16,
    PROBES = 8,
    RECENT = 4096,
    RECENT_ACCOUNTS = 4,
    RECENT_ACCOUNTS_TOLD = 3,
    PREFIXES = 7,
    SUFFIX_DIGITS = 8,
    WEEKS_TOLD = 3,
};
#define WEEK_S ((uint32_t)(7 * NS_PER_DAY / NS_PER_S))
#define DAY_S ((uint32_t)(NS_PER_DAY / NS_PER_S))
#define KNOWN_S ((uint32_t)(DESTINATION_KNOWN_NS / NS_PER_S))
#define RECENT_S ((uint32_t)(DESTINATION_RECENT_NS / NS_PER_S))

struct place {
    uint32_t first_s; /* 0 = never */
    uint32_t last_s;
};

struct account_past {
    uint32_t tag; /* 0 = free */
    uint32_t last_s;
    struct place abroad;
    uint8_t hours[HOURS];
    uint16_t places[ACCOUNT_PLACES];
    uint32_t first_s[ACCOUNT_PLACES];
    uint16_t last_day[ACCOUNT_PLACES];
};
static_assert(sizeof(struct account_past) == 128, "two lines");

struct number_past {
    uint32_t tag; /* 0 = free */
    uint32_t last_s;
    uint32_t counted_s; /* when `weeks` last grew */
    uint16_t week; /* of it */
    uint16_t weeks;
};

struct learnt {
    uint32_t tag;
    uint32_t at_s;
};

struct recent_block {
    uint32_t tag;
    uint32_t accounts[RECENT_ACCOUNTS];
    uint32_t at_s[RECENT_ACCOUNTS];
};

struct recent_dialled {
    uint32_t tag; /* of source and last digits */
    uint32_t at_s;
    uint16_t prefixes[PREFIXES]; /* 0 = free */
};

struct past {
    uint64_t evicted;
    uint32_t generation_s; /* when the present one began; 0 = not yet */
    uint32_t generation_items;
    uint32_t generation; /* 0 or 1: the present one */
    uint32_t heard_s; /* first call that was learnt; 0 = none yet */
    uint32_t hours[HOURS];
    struct place places[PLACES];
    struct learnt learnt[RECENT];
    struct recent_block blocks[RECENT];
    struct recent_dialled dialled[RECENT];
};

struct destination_table {
    struct region region;
    struct past *past;
    struct account_past *accounts;
    struct number_past *numbers;
    uint64_t *filters[2];
    uint32_t groups;
    uint32_t lines;
    struct hash_key key;
};

/* --- open and close --- */

static uint32_t groups_of(uint32_t entries_max)
{
    return entries_max < WAYS ? 1 : entries_max / WAYS;
}

static uint32_t lines_of(uint32_t entries_max)
{
    return (uint32_t)(((uint64_t)groups_of(entries_max) * WAYS * BITS_AN_ITEM + LINE_BITS - 1) /
                      LINE_BITS);
}

static size_t rounded(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static size_t region_bytes(uint32_t entries_max)
{
    size_t entries = (size_t)groups_of(entries_max) * WAYS;

    return rounded(sizeof(struct past)) + entries * sizeof(struct account_past) +
           rounded(entries * sizeof(struct number_past)) +
           (size_t)2 * lines_of(entries_max) * LINE_WORDS * sizeof(uint64_t);
}

size_t destination_bytes_max(uint32_t entries_max)
{
    return sizeof(struct destination_table) + region_bytes(entries_max);
}

enum status destination_open(uint32_t entries_max, struct hash_key key,
                             struct destination_table **out_table, struct error *error)
{
    struct destination_table *table = calloc(1, sizeof *table);

    if (table == NULL) {
        return error_system(error, STATUS_FAILED, "memory", "cannot make the past of calls");
    }
    enum status status = region_open(region_bytes(entries_max), &table->region, error);
    if (status != STATUS_OK) {
        free(table);
        return status;
    }
    table->groups = groups_of(entries_max);
    table->lines = lines_of(entries_max);
    table->key = key;
    size_t entries = (size_t)table->groups * WAYS;
    uint8_t *at = table->region.at;
    table->past = (void *)at;
    at += rounded(sizeof(struct past));
    table->accounts = (void *)at;
    at += entries * sizeof(struct account_past);
    table->numbers = (void *)at;
    at += rounded(entries * sizeof(struct number_past));
    table->filters[0] = (void *)at;
    table->filters[1] = table->filters[0] + (size_t)table->lines * LINE_WORDS;
    *out_table = table;
    return STATUS_OK;
}

void destination_close(struct destination_table *table)
{
    if (table != NULL) {
        region_close(&table->region);
        free(table);
    }
}

uint64_t destination_evicted(const struct destination_table *table)
{
    return table->past->evicted;
}

/* --- small things --- */

static uint32_t second_of(uint64_t now_ns)
{
    uint64_t second = time_second(now_ns);

    return second > UINT32_MAX ? UINT32_MAX : second == 0 ? 1 : (uint32_t)second;
}

static uint32_t age_of(uint32_t now_s, uint32_t then_s)
{
    return now_s > then_s ? now_s - then_s : 0;
}

static uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)hash == 0 ? 1 : (uint32_t)hash;
}

/* A number below `count`, by other bits than the tag. */
static uint32_t spread(uint64_t hash, uint32_t count)
{
    return (uint32_t)((hash >> 32) * count >> 32);
}

static uint64_t hash_number(const struct destination_table *table, uint64_t digits)
{
    return hash_bytes(table->key, &digits, sizeof digits);
}

static bool is_letter(char letter)
{
    return letter >= 'A' && letter <= 'Z';
}

/* Networks that belong to no country are told apart by the first three digits: +870, +881 ... */
static uint32_t place_of(const struct destination_call *call)
{
    if (is_letter(call->country[0]) && is_letter(call->country[1])) {
        return 1 + (uint32_t)(call->country[0] - 'A') * LETTERS +
               (uint32_t)(call->country[1] - 'A');
    }
    uint64_t first = call->e164;
    while (first >= 1000) {
        first /= 10;
    }
    return first == 0 ? 0 : 1 + PLACE_COUNTRIES + (uint32_t)first;
}

static uint32_t class_of(uint8_t hour_of_week)
{
    return hour_of_week % 24U + (hour_of_week < 5 * 24 ? 0U : 24U);
}

static bool was_known(struct place place, uint32_t started_s, uint32_t now_s)
{
    return place.first_s != 0 && place.first_s < started_s &&
           age_of(now_s, place.last_s) <= KNOWN_S;
}

static void place_learn(struct place *place, uint32_t now_s)
{
    if (place->first_s == 0 || age_of(now_s, place->last_s) > KNOWN_S) {
        place->first_s = now_s;
    }
    place->last_s = now_s;
}

/* --- accounts --- */

static const struct account_past *account_find(const struct destination_table *table, uint64_t hash)
{
    const struct account_past *group = &table->accounts[spread(hash, table->groups) * WAYS];

    for (unsigned i = 0; i < WAYS; i++) {
        if (group[i].tag == tag_of(hash)) {
            return &group[i];
        }
    }
    return NULL;
}

static struct account_past *account_take(struct destination_table *table, uint64_t hash)
{
    struct account_past *group = &table->accounts[spread(hash, table->groups) * WAYS];
    struct account_past *oldest = &group[0];

    for (unsigned i = 0; i < WAYS; i++) {
        if (group[i].tag == tag_of(hash)) {
            return &group[i];
        }
        if (oldest->tag != 0 && (group[i].tag == 0 || group[i].last_s < oldest->last_s)) {
            oldest = &group[i];
        }
    }
    table->past->evicted += oldest->tag != 0;
    *oldest = (struct account_past){.tag = tag_of(hash)};
    return oldest;
}

static struct place account_place(const struct account_past *account, uint32_t place)
{
    for (unsigned i = 0; i < ACCOUNT_PLACES; i++) {
        if (account->places[i] == place) {
            return (struct place){account->first_s[i], account->last_day[i] * DAY_S};
        }
    }
    return (struct place){0, 0};
}

static void account_learn_place(struct account_past *account, uint32_t place, uint32_t now_s)
{
    unsigned chosen = 0;

    for (unsigned i = 0; i < ACCOUNT_PLACES; i++) {
        if (account->places[i] == place) {
            chosen = i;
            break;
        }
        if (account->places[chosen] != 0 &&
            (account->places[i] == 0 || account->last_day[i] < account->last_day[chosen])) {
            chosen = i;
        }
    }
    bool expired = age_of(now_s, account->last_day[chosen] * DAY_S) > KNOWN_S;
    if (account->places[chosen] != place || expired) {
        account->places[chosen] = (uint16_t)place;
        account->first_s[chosen] = now_s;
    }
    account->last_day[chosen] = (uint16_t)(now_s / DAY_S);
}

static void account_learn_hour(struct account_past *account, uint32_t class)
{
    if (account->hours[class] == UINT8_MAX) {
        for (unsigned i = 0; i < HOURS; i++) {
            account->hours[i] = account->hours[i] / 2;
        }
    }
    account->hours[class]++;
}

/* --- hours --- */

static uint8_t judge_hour(uint64_t here, uint64_t all)
{
    if (all < HOURS_ENOUGH) {
        return DESTINATION_HOUR_UNKNOWN;
    }
    return here * HOURS_RARE_ONE_IN < all ? DESTINATION_HOUR_RARE : DESTINATION_HOUR_USUAL;
}

static uint8_t hour_of(const struct destination_table *table, const struct account_past *account,
                       uint32_t class, uint32_t now_s)
{
    uint8_t judged = DESTINATION_HOUR_UNKNOWN;
    uint64_t all = 0;

    if (table->past->heard_s == 0 || age_of(now_s, table->past->heard_s) < HOURS_DAYS * DAY_S) {
        return judged;
    }

    for (unsigned i = 0; account != NULL && i < HOURS; i++) {
        all += account->hours[i];
    }
    if (account != NULL) {
        judged = judge_hour(account->hours[class], all);
    }
    if (judged != DESTINATION_HOUR_UNKNOWN) {
        return judged;
    }
    all = 0;
    for (unsigned i = 0; i < HOURS; i++) {
        all += table->past->hours[i];
    }
    return judge_hour(table->past->hours[class], all);
}

static void site_learn_hour(struct past *past, uint32_t class)
{
    if (past->hours[class] == UINT32_MAX) {
        for (unsigned i = 0; i < HOURS; i++) {
            past->hours[i] /= 2;
        }
    }
    past->hours[class]++;
}

/* --- numbers --- */

static uint8_t weeks_of(const struct destination_table *table, uint64_t hash, uint32_t started_s,
                        uint32_t now_s)
{
    const struct number_past *group = &table->numbers[spread(hash, table->groups) * WAYS];

    for (unsigned i = 0; i < WAYS; i++) {
        const struct number_past *number = &group[i];
        if (number->tag == tag_of(hash) && age_of(now_s, number->last_s) <= KNOWN_S) {
            uint32_t newest = number->weeks > 0 && number->counted_s >= started_s;
            uint32_t weeks = number->weeks - newest;
            return (uint8_t)(weeks < WEEKS_TOLD ? weeks : WEEKS_TOLD);
        }
    }
    return 0;
}

static void number_learn(struct destination_table *table, uint64_t hash, uint32_t now_s)
{
    struct number_past *group = &table->numbers[spread(hash, table->groups) * WAYS];
    struct number_past *chosen = &group[0];

    for (unsigned i = 0; i < WAYS; i++) {
        if (group[i].tag == tag_of(hash)) {
            chosen = &group[i];
            break;
        }
        if (chosen->tag != 0 && (group[i].tag == 0 || group[i].last_s < chosen->last_s)) {
            chosen = &group[i];
        }
    }
    if (chosen->tag != tag_of(hash) || age_of(now_s, chosen->last_s) > KNOWN_S) {
        table->past->evicted += chosen->tag != 0 && chosen->tag != tag_of(hash);
        *chosen = (struct number_past){.tag = tag_of(hash)};
    }
    uint16_t week = (uint16_t)(now_s / WEEK_S);
    if ((chosen->weeks == 0 || chosen->week != week) && chosen->weeks <= WEEKS_TOLD) {
        chosen->weeks++; /* one more than is told: the newest may be taken off */
        chosen->week = week;
        chosen->counted_s = now_s;
    }
    chosen->last_s = now_s;
}

/* --- blocks --- */

static uint64_t *line_of(const struct destination_table *table, unsigned generation, uint64_t hash)
{
    return table->filters[generation] + (size_t)spread(hash, table->lines) * LINE_WORDS;
}

static bool filter_has(const struct destination_table *table, unsigned generation, uint64_t hash)
{
    const uint64_t *line = line_of(table, generation, hash);
    uint64_t bits = hash_mix(hash, table->key.seed);

    for (unsigned i = 0; i < PROBES; i++) {
        uint32_t bit = (uint32_t)(bits >> (7 * i)) % LINE_BITS;
        if ((line[bit / 64] >> bit % 64 & 1) == 0) {
            return false;
        }
    }
    return true;
}

static void filter_put(struct destination_table *table, unsigned generation, uint64_t hash)
{
    uint64_t *line = line_of(table, generation, hash);
    uint64_t bits = hash_mix(hash, table->key.seed);

    for (unsigned i = 0; i < PROBES; i++) {
        uint32_t bit = (uint32_t)(bits >> (7 * i)) % LINE_BITS;
        line[bit / 64] |= UINT64_C(1) << bit % 64;
    }
}

static bool generation_is_over(const struct destination_table *table, uint32_t now_s)
{
    const struct past *past = table->past;

    return past->generation_s == 0 || age_of(now_s, past->generation_s) >= KNOWN_S ||
           past->generation_items >= table->groups * WAYS;
}

static void block_learn(struct destination_table *table, uint64_t hash, uint32_t now_s)
{
    struct past *past = table->past;

    if (generation_is_over(table, now_s)) {
        past->generation ^= past->generation_s != 0;
        memset(table->filters[past->generation], 0,
               (size_t)table->lines * LINE_WORDS * sizeof(uint64_t));
        past->generation_s = now_s;
        past->generation_items = 0;
    }
    if (filter_has(table, past->generation, hash)) {
        return;
    }
    if (!filter_has(table, past->generation ^ 1, hash)) {
        past->learnt[spread(hash, RECENT)] = (struct learnt){tag_of(hash), now_s};
    }
    filter_put(table, past->generation, hash);
    past->generation_items++;
}

static bool block_was_known(const struct destination_table *table, uint64_t hash,
                            uint32_t started_s)
{
    const struct learnt *learnt = &table->past->learnt[spread(hash, RECENT)];

    if (!filter_has(table, 0, hash) && !filter_has(table, 1, hash)) {
        return false;
    }
    return learnt->tag != tag_of(hash) || learnt->at_s < started_s;
}

/* --- the last hour --- */

static void note_account(struct destination_table *table, uint64_t block, uint64_t account,
                         uint32_t now_s)
{
    struct recent_block *entry = &table->past->blocks[spread(block, RECENT)];
    unsigned chosen = 0;

    if (entry->tag != tag_of(block)) {
        *entry = (struct recent_block){.tag = tag_of(block)};
    }
    for (unsigned i = 0; i < RECENT_ACCOUNTS; i++) {
        if (entry->accounts[i] == tag_of(account)) {
            chosen = i;
            break;
        }
        if (entry->at_s[i] < entry->at_s[chosen]) {
            chosen = i;
        }
    }
    entry->accounts[chosen] = tag_of(account);
    entry->at_s[chosen] = now_s;
}

static uint8_t other_accounts(const struct destination_table *table, uint64_t block,
                              uint64_t account, uint32_t now_s)
{
    const struct recent_block *entry = &table->past->blocks[spread(block, RECENT)];
    unsigned count = 0;

    for (unsigned i = 0; entry->tag == tag_of(block) && i < RECENT_ACCOUNTS; i++) {
        count += entry->at_s[i] != 0 && entry->accounts[i] != tag_of(account) &&
                 age_of(now_s, entry->at_s[i]) < RECENT_S;
    }
    return (uint8_t)(count < RECENT_ACCOUNTS_TOLD ? count : RECENT_ACCOUNTS_TOLD);
}

/* The place of the last digits; false: too few digits. */
static bool dialled_place(const struct destination_table *table,
                          const struct destination_call *call, uint64_t *out_hash,
                          uint16_t *out_prefix)
{
    struct slice dialled = call->dialled;

    if (dialled.bytes < SUFFIX_DIGITS) {
        return false;
    }
    for (size_t i = dialled.bytes - SUFFIX_DIGITS; i < dialled.bytes; i++) {
        if (dialled.at[i] < '0' || dialled.at[i] > '9') {
            return false;
        }
    }
    size_t cut = dialled.bytes - SUFFIX_DIGITS;
    *out_hash =
        hash_mix(call->source, hash_slice(table->key, slice_part(dialled, cut, dialled.bytes)));
    *out_prefix = (uint16_t)(hash_slice(table->key, slice_part(dialled, 0, cut)) | 1);
    return true;
}

static void note_dialled(struct destination_table *table, const struct destination_call *call,
                         uint32_t now_s)
{
    uint64_t hash;
    uint16_t prefix;

    if (!dialled_place(table, call, &hash, &prefix)) {
        return;
    }
    struct recent_dialled *entry = &table->past->dialled[spread(hash, RECENT)];
    if (entry->tag != tag_of(hash) || age_of(now_s, entry->at_s) >= RECENT_S) {
        *entry = (struct recent_dialled){.tag = tag_of(hash)};
    }
    entry->at_s = now_s;
    for (unsigned i = 0; i < PREFIXES; i++) {
        if (entry->prefixes[i] == prefix) {
            return;
        }
        if (entry->prefixes[i] == 0) {
            entry->prefixes[i] = prefix;
            return;
        }
    }
}

static uint8_t prefixes_of(const struct destination_table *table,
                           const struct destination_call *call, uint32_t now_s)
{
    uint64_t hash;
    uint16_t prefix;
    uint8_t count = 0;

    if (!dialled_place(table, call, &hash, &prefix)) {
        return 0;
    }
    const struct recent_dialled *entry = &table->past->dialled[spread(hash, RECENT)];
    if (entry->tag != tag_of(hash) || age_of(now_s, entry->at_s) >= RECENT_S) {
        return 0;
    }
    while (count < PREFIXES && entry->prefixes[count] != 0) {
        count++;
    }
    return count;
}

/* --- what state calls --- */

void destination_try(struct destination_table *table, const struct destination_call *call,
                     uint64_t now_ns)
{
    uint32_t now_s = second_of(now_ns);

    if (call->block != 0 && call->account != 0) {
        note_account(table, hash_number(table, call->block), call->account, now_s);
    }
    note_dialled(table, call, now_s);
}

void destination_ask(const struct destination_table *table, const struct destination_call *call,
                     uint64_t now_ns, struct destination_view *out_view)
{
    uint32_t now_s = second_of(now_ns);
    uint32_t started_s = second_of(call->started_ns);
    const struct account_past *account =
        call->account == 0 ? NULL : account_find(table, call->account);
    uint32_t place = place_of(call);

    *out_view = (struct destination_view){.hour = DESTINATION_HOUR_UNKNOWN};
    if (call->e164 == 0) {
        return;
    }
    out_view->hour = hour_of(table, account, class_of(call->hour_of_week), now_s);
    out_view->prefixes_tried = prefixes_of(table, call, now_s);
    out_view->weeks_called = weeks_of(table, hash_number(table, call->e164), started_s, now_s);
    uint64_t block = hash_number(table, call->block);
    out_view->block_new_site = !block_was_known(table, block, started_s);
    out_view->block_accounts = other_accounts(table, block, call->account, now_s);
    out_view->country_new_site =
        place != 0 && !was_known(table->past->places[place], started_s, now_s);
    out_view->country_new_account =
        place != 0 &&
        (account == NULL || !was_known(account_place(account, place), started_s, now_s));
    out_view->first_abroad =
        call->abroad && (account == NULL || !was_known(account->abroad, started_s, now_s));
}

void destination_learn(struct destination_table *table, const struct destination_call *call,
                       uint64_t now_ns)
{
    uint32_t now_s = second_of(now_ns);
    uint32_t place = place_of(call);
    uint32_t class = class_of(call->hour_of_week);

    if (table->past->heard_s == 0) {
        table->past->heard_s = now_s;
    }
    site_learn_hour(table->past, class);
    if (call->account != 0) {
        struct account_past *account = account_take(table, call->account);
        account->last_s = now_s;
        account_learn_hour(account, class);
        if (call->e164 != 0 && place != 0) {
            account_learn_place(account, place, now_s);
        }
        if (call->abroad) {
            place_learn(&account->abroad, now_s);
        }
    }
    if (call->e164 == 0) {
        return;
    }
    if (place != 0) {
        place_learn(&table->past->places[place], now_s);
    }
    number_learn(table, hash_number(table, call->e164), now_s);
    block_learn(table, hash_number(table, call->block), now_s);
}

/* --- a clock that jumped --- */

static void shift_second(uint32_t *second, uint32_t shift_s)
{
    if (*second != 0) {
        *second = *second > UINT32_MAX - shift_s ? UINT32_MAX : *second + shift_s;
    }
}

static void shift_past(struct past *past, uint32_t shift_s)
{
    shift_second(&past->generation_s, shift_s);
    shift_second(&past->heard_s, shift_s);
    for (unsigned i = 0; i < PLACES; i++) {
        shift_second(&past->places[i].first_s, shift_s);
        shift_second(&past->places[i].last_s, shift_s);
    }
    for (unsigned i = 0; i < RECENT; i++) {
        shift_second(&past->learnt[i].at_s, shift_s);
        shift_second(&past->dialled[i].at_s, shift_s);
        for (unsigned k = 0; k < RECENT_ACCOUNTS; k++) {
            shift_second(&past->blocks[i].at_s[k], shift_s);
        }
    }
}

void destination_shift(struct destination_table *table, uint64_t shift_ns)
{
    uint32_t shift_s = second_of(shift_ns);

    shift_past(table->past, shift_s);
    for (size_t i = 0; i < (size_t)table->groups * WAYS; i++) {
        struct account_past *account = &table->accounts[i];
        struct number_past *number = &table->numbers[i];
        if (account->tag != 0) {
            shift_second(&account->last_s, shift_s);
            shift_second(&account->abroad.first_s, shift_s);
            shift_second(&account->abroad.last_s, shift_s);
            for (unsigned k = 0; k < ACCOUNT_PLACES; k++) {
                shift_second(&account->first_s[k], shift_s);
                account->last_day[k] = (uint16_t)(account->last_day[k] + shift_s / DAY_S);
            }
        }
        if (number->tag != 0) {
            shift_second(&number->last_s, shift_s);
            shift_second(&number->counted_s, shift_s);
        }
    }
}

/* --- over a restart --- */

static size_t filters_bytes(uint32_t lines)
{
    return (size_t)2 * lines * LINE_WORDS * sizeof(uint64_t);
}

size_t destination_kept_bytes_max(uint32_t entries_max)
{
    size_t entries = (size_t)groups_of(entries_max) * WAYS;

    return sizeof(struct past) + filters_bytes(lines_of(entries_max)) + 2 * sizeof(uint32_t) +
           entries *
               (2 * sizeof(uint32_t) + sizeof(struct account_past) + sizeof(struct number_past));
}

/* What is taken of one array, each with its place: where it stands says half of its hash. */
static void save_entries(const void *entries, uint32_t count, size_t bytes,
                         struct snapshot_out *out)
{
    const uint8_t *at = entries;
    uint32_t tag;
    uint32_t used = 0;

    for (uint32_t i = 0; i < count; i++) {
        memcpy(&tag, at + i * bytes, sizeof tag);
        used += tag != 0;
    }
    snapshot_put_count(out, used);
    for (uint32_t i = 0; i < count; i++) {
        memcpy(&tag, at + i * bytes, sizeof tag);
        if (tag != 0) {
            snapshot_put_u32(out, i);
            snapshot_put(out, at + i * bytes, bytes);
        }
    }
}

static void save(const void *owner, struct snapshot_out *out)
{
    const struct destination_table *table = owner;

    snapshot_put(out, table->past, sizeof *table->past);
    snapshot_put(out, table->filters[0], filters_bytes(table->lines));
    save_entries(table->accounts, table->groups * WAYS, sizeof *table->accounts, out);
    save_entries(table->numbers, table->groups * WAYS, sizeof *table->numbers, out);
}

/* A time that lies ahead would be younger than 90 days for longer than that. */
static void pull_back(uint32_t *second, uint32_t now_s)
{
    *second = *second < now_s ? *second : now_s;
}

static void pull_back_past(struct past *past, uint32_t now_s)
{
    pull_back(&past->generation_s, now_s);
    pull_back(&past->heard_s, now_s);
    for (unsigned i = 0; i < PLACES; i++) {
        pull_back(&past->places[i].first_s, now_s);
        pull_back(&past->places[i].last_s, now_s);
    }
    for (unsigned i = 0; i < RECENT; i++) {
        pull_back(&past->learnt[i].at_s, now_s);
        pull_back(&past->dialled[i].at_s, now_s);
        for (unsigned k = 0; k < RECENT_ACCOUNTS; k++) {
            pull_back(&past->blocks[i].at_s[k], now_s);
        }
    }
}

static void pull_back_account(struct account_past *account, uint32_t now_s)
{
    uint16_t day = (uint16_t)(now_s / DAY_S);

    pull_back(&account->last_s, now_s);
    pull_back(&account->abroad.first_s, now_s);
    pull_back(&account->abroad.last_s, now_s);
    for (unsigned i = 0; i < ACCOUNT_PLACES; i++) {
        pull_back(&account->first_s[i], now_s);
        account->last_day[i] = account->last_day[i] < day ? account->last_day[i] : day;
    }
}

static bool load_entries(void *entries, uint32_t count, size_t bytes, struct snapshot_in *in)
{
    uint32_t used = snapshot_get_u32(in);
    uint8_t *at = entries;

    for (uint32_t i = 0; i < used && !in->failed; i++) {
        uint32_t place = snapshot_get_u32(in);
        const void *entry = snapshot_take(in, bytes);
        if (entry != NULL && place < count) {
            memcpy(at + place * bytes, entry, bytes);
        }
    }
    return !in->failed;
}

static bool load(void *owner, struct snapshot_in *in)
{
    struct destination_table *table = owner;
    uint32_t count = table->groups * WAYS;
    uint32_t now_s = second_of(in->now_ns);
    bool good = snapshot_get(in, table->past, sizeof *table->past) &&
                snapshot_get(in, table->filters[0], filters_bytes(table->lines)) &&
                load_entries(table->accounts, count, sizeof *table->accounts, in) &&
                load_entries(table->numbers, count, sizeof *table->numbers, in);

    table->past->evicted = 0; /* counts are of this run */
    table->past->generation &= 1;
    pull_back_past(table->past, now_s);
    for (uint32_t i = 0; i < count; i++) {
        if (table->accounts[i].tag != 0) {
            pull_back_account(&table->accounts[i], now_s);
        }
        if (table->numbers[i].tag != 0) {
            pull_back(&table->numbers[i].last_s, now_s);
            pull_back(&table->numbers[i].counted_s, now_s);
        }
    }
    return good;
}

void destination_part(struct destination_table *table, struct snapshot_part *out_part)
{
    uint32_t layout = snapshot_layout(0, sizeof(struct past));

    layout = snapshot_layout(layout, sizeof(struct account_past));
    layout = snapshot_layout(layout, sizeof(struct number_past));
    *out_part = (struct snapshot_part){
        .name = "destinations",
        .version = 1,
        .layout = snapshot_layout(layout, region_bytes(table->groups * WAYS)),
        .owner = table,
        .bytes_max = destination_kept_bytes_max(table->groups * WAYS),
        .save = save,
        .load = load};
}
