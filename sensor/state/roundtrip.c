/* roundtrip.c - why it is built so.
 *
 * Entries are keyed without ports: RTCP may run beside its stream's port, on it, or anywhere that
 * a=rtcp says. An SR is remembered with the time at which it passed, the last REMEMBERED of them:
 * a receiver quotes the latest that it got, which at the tap may be some back.
 *
 *   sender A --SR(n), t1--> tap --> B        half of A's stream  = t2 - t1 - DLSR
 *   A <-- tap <--RR(LSR=n, DLSR), t2-- B     round trip          = half of A's + half of B's stream
 *
 * A half below 0 or above 10 s is a stale or forged quotation and is left out; LSR or DLSR 0 means
 * "none" (RFC 3550 section 6.4.1). */
#include "sensor/state/roundtrip.h"

#include "base/clock.h"

enum { REMEMBERED = 4 };
#define HALF_MAX_NS (10 * NS_PER_S)
#define IDLE_NS (300 * NS_PER_S)

struct entry {
    uint64_t passed_ns[REMEMBERED]; /* when the SR with that quotation passed */
    uint32_t quotation[REMEMBERED]; /* middle 32 bits of its NTP time */
    uint64_t half_sum_ns;
    uint64_t half_max_ns;
    uint32_t half_count;
    uint32_t receiver; /* SSRC of who reports: the stream the other way */
    uint32_t reports;
    uint32_t jitter_max;
    int32_t lost_first;
    int32_t lost_last;
    uint8_t fraction_max;
    uint8_t next; /* place in quotation */
};

static uint64_t hash_of(const struct roundtrip_table *table, const struct addr *source,
                        const struct addr *destination, uint32_t ssrc)
{
    uint64_t addresses =
        hash_mix(hash_addr(table->key, source), hash_addr(table->key, destination));
    return hash_mix(addresses, ssrc);
}

static struct entry *entry_of(struct roundtrip_table *table, const struct addr *source,
                              const struct addr *destination, uint32_t ssrc, uint64_t now_ns)
{
    bool is_new;
    uint32_t cell =
        table_take(&table->entries, hash_of(table, source, destination, ssrc), 0, now_ns, &is_new);

    table_touch(&table->entries, cell, now_ns);
    return table_at(&table->entries, cell);
}

static void remember(struct entry *entry, uint64_t ntp, uint64_t passed_ns)
{
    uint32_t quotation = (uint32_t)(ntp >> 16);

    if (quotation == 0) {
        return;
    }
    for (unsigned i = 0; i < REMEMBERED; i++) {
        if (entry->quotation[i] == quotation) {
            return; /* a copy: the first passed first */
        }
    }
    entry->quotation[entry->next] = quotation;
    entry->passed_ns[entry->next] = passed_ns;
    entry->next = (uint8_t)((entry->next + 1) % REMEMBERED);
}

static void measure(struct entry *entry, const struct rtcp_report *report, uint64_t now_ns)
{
    if (report->last_sr == 0 || report->delay_since_sr == 0) {
        return;
    }
    for (unsigned i = 0; i < REMEMBERED; i++) {
        if (entry->quotation[i] != report->last_sr) {
            continue;
        }
        uint64_t held_ns = (uint64_t)report->delay_since_sr * NS_PER_S >> 16;
        uint64_t since_ns = time_since(now_ns, entry->passed_ns[i]);
        if (since_ns >= held_ns && since_ns - held_ns <= HALF_MAX_NS) {
            uint64_t half_ns = since_ns - held_ns;
            entry->half_sum_ns += half_ns;
            entry->half_count++;
            entry->half_max_ns = half_ns > entry->half_max_ns ? half_ns : entry->half_max_ns;
        }
        return;
    }
}

static void note(struct entry *entry, const struct rtcp_report *report, uint32_t receiver)
{
    if (entry->reports == 0) {
        entry->lost_first = report->cumulative_lost;
    }
    entry->reports++;
    entry->receiver = receiver;
    entry->lost_last = report->cumulative_lost;
    if (report->jitter > entry->jitter_max) {
        entry->jitter_max = report->jitter;
    }
    if (report->fraction_lost > entry->fraction_max) {
        entry->fraction_max = report->fraction_lost;
    }
}

void roundtrip_see(struct roundtrip_table *table, const struct rtcp_sighting *sighting)
{
    const struct sighting *head = &sighting->head;
    const struct rtcp_view *view = &sighting->view;
    uint64_t kept_ns = time_since(head->state_ns, table->shifted_ns);

    if (view->encrypted) {
        return;
    }
    if (view->has_sender_info) {
        remember(entry_of(table, &head->source, &head->destination, view->sender, kept_ns),
                 view->ntp, head->time_ns);
    }
    for (unsigned i = 0; i < view->report_count && i < RTCP_REPORTS_MAX; i++) {
        const struct rtcp_report *report = &view->reports[i];
        struct entry *entry =
            entry_of(table, &head->destination, &head->source, report->ssrc, kept_ns);
        measure(entry, report, head->time_ns);
        note(entry, report, view->sender);
    }
}

static void add_half(const struct entry *entry, struct roundtrip_view *view)
{
    if (entry->half_count > 0) {
        view->mean_ns += entry->half_sum_ns / entry->half_count;
        view->max_ns += entry->half_max_ns;
    }
}

void roundtrip_get(const struct roundtrip_table *table, const struct addr *source,
                   const struct addr *destination, uint32_t ssrc, struct roundtrip_view *out_view)
{
    uint32_t cell = table_find(&table->entries, hash_of(table, source, destination, ssrc));

    *out_view = (struct roundtrip_view){0};
    if (cell == TABLE_NONE) {
        return;
    }
    const struct entry *entry = table_at(&table->entries, cell);
    out_view->jitter_max = entry->jitter_max;
    out_view->lost = (int64_t)entry->lost_last - entry->lost_first;
    out_view->reports = entry->reports;
    out_view->fraction_max = entry->fraction_max;
    add_half(entry, out_view);
    cell = table_find(&table->entries, hash_of(table, destination, source, entry->receiver));
    if (cell != TABLE_NONE) {
        add_half(table_at(&table->entries, cell), out_view);
    }
}

void roundtrip_mark(struct roundtrip_table *table, uint64_t mark_s, uint64_t shift_ns)
{
    table->shifted_ns += shift_ns;
    uint64_t kept_ns = time_since(mark_s * NS_PER_S, table->shifted_ns);
    for (uint32_t cell = table->entries.oldest[0];
         cell != TABLE_NONE &&
         time_since(kept_ns, table_touched_ns(&table->entries, cell)) >= IDLE_NS;
         cell = table->entries.oldest[0]) {
        table_give(&table->entries, cell);
    }
}

static struct table_options entries_of(uint32_t entries_max)
{
    return (struct table_options){
        .name = "rtcp",
        .cells_max = entries_max,
        .cell_bytes = sizeof(struct entry),
    };
}

enum status roundtrip_open(uint32_t entries_max, struct hash_key key, struct roundtrip_table *table,
                           struct error *error)
{
    struct table_options options = entries_of(entries_max);

    table->key = key;
    table->shifted_ns = 0;
    return table_open(&table->entries, &options, error);
}

void roundtrip_close(struct roundtrip_table *table)
{
    table_close(&table->entries);
}

size_t roundtrip_bytes_max(uint32_t entries_max)
{
    struct table_options options = entries_of(entries_max);
    return table_bytes_max(&options);
}
