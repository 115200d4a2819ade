/* call_sound.c - why it is built so.
 *
 * Two questions need more than a dialog's messages say: does each side hear the other, and did the
 * one hang up who is said to have? Both are answered from what is remembered here of an answered
 * call, in one cell of a slab that has room for half of the calls:
 *
 *   hops   addresses that have a part in the dialog: both ends of every 2xx inside it, on each hop,
 *          the ends of the first INVITE, and the Contact of the answer
 *   ways   packets of each direction in its last interval, and behind an accepted BYE
 *   ender  who sent the BYE that was accepted
 *
 * Only a 2xx adds to the path: it went where the request came from, so a new address that a
 * re-INVITE announced is known, and one that nobody accepted is not. A Contact names an address
 * without a port, because what is sent from there may come from any; one that is seen with its port is
 * known better. Via and Record-Route name the
 * proxies of hops that we do not see; they are not read: it cost 8 % of all instructions, and a BYE
 * from there is honest all the same as long as its sender falls silent. With more than CALL_HOPS
 * nobody is a stranger any more.
 *
 * A BYE was forged when a stranger sent it and who is said to have hung up still sends audio, or
 * hangs up himself a second later; or when both sides talk on for ten seconds. All is counted from
 * the 2xx to the BYE, not from the BYE: one that is answered late is nobody's fault
 * (docs/definitions.md). The known address with another port or another distance says less than a
 * strange one, so the audio must go on for longer.
 *
 * Intervals are told every five seconds. A call that may give a proof before is watched: each second
 * its streams say what their intervals hold so far, and it is judged as if they ended there. The next
 * interval counts alone again, so nothing counts twice. Of calls whose BYE came from a known hop only
 * those are watched of which both sides are heard afterwards: of a thousand calls none.
 *
 * A CANCEL has one Via, that of the hop that it cancels. One that says it is the caller's and comes
 * from elsewhere is remembered; when the caller goes on in the dialog afterwards, it was forged. */
#include "sensor/state/call_cell.h"

#include "sensor/state/shift.h"

enum { SENDER_PACKETS = 40, BOTH_PACKETS = 100, LOOK_S = 5 };
#define SENDER_NS (2 * NS_PER_S)
#define SENDER_KNOWN_NS (5 * NS_PER_S) /* its address is known: media may stop 4 s late */
#define BOTH_NS (10 * NS_PER_S)
#define SECOND_BYE_NS NS_PER_S
#define WATCH_NS (20 * NS_PER_S) /* no proof needs more than half of it */

struct call_sound *call_sound_of(const struct call_table *table, const struct call_cell *cell)
{
    uint32_t sound = call_more(table, cell)->sound;

    return sound == 0 ? NULL : slab_at(&table->sounds, sound - 1);
}

static struct call_sound *take(struct call_table *table, struct call_cell *cell)
{
    struct call_sound *sound = call_sound_of(table, cell);

    if (sound == NULL) {
        uint32_t taken = slab_take(&table->sounds);
        if (taken == SLAB_NONE) {
            table->sounds_missed++;
            return NULL;
        }
        call_more_take(table, cell)->sound = taken + 1;
        sound = slab_at(&table->sounds, taken);
    }
    return sound;
}

void call_sound_release(struct call_table *table, struct call_cell *cell)
{
    uint32_t sound = call_more(table, cell)->sound;

    if (sound != 0) {
        slab_give(&table->sounds, sound - 1);
        call_more_take(table, cell)->sound = 0;
    }
}

/* --- the path --- */

static uint32_t addr_hash(const struct call_table *table, const struct addr *addr)
{
    return (uint32_t)hash_addr(table->limits.key, addr);
}

static void add_hop(struct call_sound *sound, uint32_t addr, uint16_t port, uint8_t ttl)
{
    for (unsigned i = 0; i < sound->hop_count; i++) {
        struct call_hop *hop = &sound->hops[i];
        if (hop->addr == addr && (hop->port == port || port == 0)) {
            hop->ttl = ttl != 0 ? ttl : hop->ttl;
            return;
        }
    }
    if (sound->hop_count == CALL_HOPS) {
        sound->hops_missed = true;
        return;
    }
    sound->hops[sound->hop_count++] = (struct call_hop){addr, port, ttl};
}

/* "host", "host:port", "[v6]:port" where the host is an address. */
static bool addr_of_host(struct slice host, struct addr *out_addr)
{
    bool bracketed = host.bytes > 0 && host.at[0] == '[';
    size_t end = slice_find(host, bracketed ? ']' : ':');

    host = slice_part(host, 0, bracketed && end < host.bytes ? end + 1 : end);
    return addr_parse(slice_trim(host), out_addr);
}

static void add_host(const struct call_table *table, struct call_sound *sound, struct slice host)
{
    struct addr addr;

    if (addr_of_host(host, &addr)) {
        add_hop(sound, addr_hash(table, &addr), 0, 0);
    }
}

void call_sound_path(struct dialog_step *step, bool first)
{
    const struct sighting *head = &step->sip->head;
    struct call_sound *sound =
        first ? take(step->table, step->at) : call_sound_of(step->table, step->at);

    if (sound == NULL || sound->accepted_ns != 0) {
        return;
    }
    if (first) {
        const struct call_cell *cell = step->at;
        add_hop(sound, addr_hash(step->table, &cell->caller.addr), cell->caller.port, 0);
        add_hop(sound, addr_hash(step->table, &cell->callee.addr), cell->callee.port, 0);
    }
    add_hop(sound, addr_hash(step->table, &head->source), head->source_port, head->ttl);
    add_hop(sound, addr_hash(step->table, &head->destination), head->destination_port, 0);
    if (first) { /* last: an address that is there with its port says more */
        add_host(step->table, sound, sip_part(step->message, step->message->contact.host));
    }
}

/* How far away the caller is, only his own messages say; the first that he sends in the dialog does.
 */
void call_sound_ack(struct dialog_step *step)
{
    const struct sighting *head = &step->sip->head;
    struct call_sound *sound = call_sound_of(step->table, step->at);

    for (unsigned i = 0; sound != NULL && i < sound->hop_count; i++) {
        struct call_hop *hop = &sound->hops[i];
        if (hop->ttl == 0 && hop->port == head->source_port &&
            hop->addr == addr_hash(step->table, &head->source)) {
            hop->ttl = head->ttl;
        }
    }
}

static enum call_hop_doubt doubt_of(const struct call_table *table, const struct call_sound *sound,
                                    const struct sighting *head)
{
    uint32_t addr = addr_hash(table, &head->source);
    bool by_udp = head->transport == SIP_UDP;
    enum call_hop_doubt doubt = sound->hops_missed ? CALL_HOP_KNOWN : CALL_HOP_STRANGER;

    for (unsigned i = 0; i < sound->hop_count; i++) {
        const struct call_hop *hop = &sound->hops[i];
        bool other_port = by_udp && hop->port != 0 && hop->port != head->source_port;
        bool other_ttl = hop->ttl != 0 && head->ttl != 0 && hop->ttl != head->ttl;
        enum call_hop_doubt here = other_port  ? CALL_HOP_PORT
                                   : other_ttl ? CALL_HOP_TTL
                                               : CALL_HOP_KNOWN;
        if (hop->addr == addr && here < doubt) {
            doubt = here;
        }
    }
    return doubt;
}

/* --- who ended it --- */

void call_sound_tell_torn(struct call_table *table, uint32_t cell, uint64_t now_ns)
{
    const struct call_sound *sound = call_sound_of(table, call_cell_at(table, cell));

    if (sound == NULL || (table->sink.unwanted >> CHANGE_CALL_TORN & 1) != 0) {
        return;
    }
    struct change change = {
        .kind = CHANGE_CALL_TORN,
        .time_ns = now_ns,
        .number = sound->ender_number,
        .call = call_view_make(table, cell),
    };
    table->sink.on_change(table->sink.owner, &change);
}

static void tell_now(const struct dialog_step *step, struct call_sound *sound, enum call_torn torn)
{
    sound->torn = (uint8_t)torn;
    call_sound_tell_torn(step->table, step->cell, step->table->now_ns);
}

static void keep_ender(const struct dialog_step *step, struct call_sound *sound, bool by_caller,
                       enum call_hop_doubt doubt)
{
    const struct sighting *head = &step->sip->head;

    sound->ender = (struct endpoint){head->source, head->source_port};
    sound->ender_number = sighting_number(head);
    sound->ender_ns = step->table->now_ns;
    sound->ender_is_caller = by_caller;
    sound->doubt = (uint8_t)doubt;
}

/* On several hops the strangest sender counts: the others pass on what he sent. */
void call_sound_bye(struct dialog_step *step, bool by_caller)
{
    struct call_sound *sound = call_sound_of(step->table, step->at);

    if (sound == NULL || step->transaction->is_retransmission) {
        return;
    }
    enum call_hop_doubt doubt = doubt_of(step->table, sound, &step->sip->head);
    if (sound->accepted_ns == 0) {
        bool other = sound->ender_number == 0 || sound->ender_is_caller != by_caller;
        if (other || doubt > sound->doubt) {
            keep_ender(step, sound, by_caller, doubt);
        }
        return;
    }
    if (sound->torn == CALL_TORN_NOT && sound->doubt == CALL_HOP_STRANGER &&
        doubt != CALL_HOP_STRANGER && by_caller == sound->ender_is_caller &&
        time_since(step->table->now_ns, sound->accepted_ns) >= SECOND_BYE_NS) {
        tell_now(step, sound, CALL_TORN_SECOND_BYE);
    }
}

void call_sound_bye_accepted(struct dialog_step *step)
{
    struct call_sound *sound = call_sound_of(step->table, step->at);

    if (sound != NULL && sound->ender_number != 0 && sound->accepted_ns == 0) {
        sound->accepted_ns = step->table->now_ns;
        if (sound->doubt != CALL_HOP_KNOWN) {
            call_sound_watch(step->table, step->cell);
        }
    }
}

/* Its Via names the hop of the first INVITE, and it comes from neither end of that. */
void call_sound_cancel(struct dialog_step *step)
{
    const struct call_cell *cell = step->at;
    const struct sighting *head = &step->sip->head;
    struct addr named;

    if (cell->answered_ns != 0 || (cell->flags & CELL_PARTIAL) != 0 ||
        addr_equal(&head->source, &cell->caller.addr) ||
        addr_equal(&head->source, &cell->callee.addr) ||
        !addr_of_host(sip_part(step->message, step->message->sent_by), &named) ||
        !addr_equal(&named, &cell->caller.addr)) {
        return;
    }
    struct call_sound *sound = take(step->table, step->at);
    if (sound != NULL && sound->ender_number == 0) {
        keep_ender(step, sound, true, CALL_HOP_STRANGER);
        sound->is_cancel = true;
    }
}

void call_sound_goes_on(struct dialog_step *step)
{
    struct call_sound *sound = call_sound_of(step->table, step->at);
    const struct sighting *head = &step->sip->head;

    if (sound != NULL && sound->is_cancel && sound->torn == CALL_TORN_NOT &&
        step->at->status == 487 && !step->transaction->is_retransmission &&
        addr_equal(&head->source, &step->at->caller.addr)) {
        tell_now(step, sound, CALL_TORN_CANCEL);
    }
}

/* --- audio --- */

static bool goes_on(const struct call_sound *sound, const struct call_way *way, uint64_t span_ns,
                    uint32_t packets)
{
    return way->after >= packets && time_since(way->last_ns, sound->accepted_ns) >= span_ns;
}

static bool proves(struct call_sound *sound)
{
    const struct call_way *sender = &sound->ways[sound->ender_is_caller ? 0 : 1];
    uint64_t span_ns = sound->doubt == CALL_HOP_STRANGER ? SENDER_NS : SENDER_KNOWN_NS;

    if (sound->doubt != CALL_HOP_KNOWN && goes_on(sound, sender, span_ns, SENDER_PACKETS)) {
        sound->torn = CALL_TORN_SENDER_GOES_ON;
    } else if (goes_on(sound, &sound->ways[0], BOTH_NS, BOTH_PACKETS) &&
               goes_on(sound, &sound->ways[1], BOTH_NS, BOTH_PACKETS)) {
        sound->torn = CALL_TORN_BOTH_GO_ON;
    }
    return sound->torn != CALL_TORN_NOT;
}

/* Of the interval in which the BYE was accepted, the part that lies behind it. */
static uint32_t packets_after(const struct call_heard *heard, uint64_t accepted_ns)
{
    if (heard->from_ns >= accepted_ns) {
        return heard->packets;
    }
    if (heard->last_ns <= accepted_ns) {
        return 0;
    }
    uint64_t whole_ns = heard->last_ns - heard->from_ns;
    uint64_t behind_ns = heard->last_ns - accepted_ns;
    return (uint32_t)(heard->packets * (behind_ns / NS_PER_MS) / (whole_ns / NS_PER_MS + 1));
}

bool call_sound_hear(struct call_sound *sound, const struct call_heard *heard)
{
    struct call_way *way = &sound->ways[heard->from_caller ? 0 : 1];

    if (way->mark_s != heard->mark_s) {
        way->mark_s = heard->mark_s;
        way->packets = 0;
        way->stray = 0;
    }
    if (heard->stray) {
        way->stray += heard->packets;
        way->stray_to = heard->to;
    } else {
        way->packets += heard->packets;
        way->named_ns = heard->last_ns > way->named_ns ? heard->last_ns : way->named_ns;
    }
    way->from = heard->from;
    way->last_ns = heard->last_ns > way->last_ns ? heard->last_ns : way->last_ns;
    if (sound->accepted_ns == 0 || sound->torn != CALL_TORN_NOT) {
        return false;
    }
    way->after += packets_after(heard, sound->accepted_ns);
    return proves(sound);
}

bool call_sound_wonders(const struct call_sound *sound)
{
    return sound->accepted_ns != 0 && sound->torn == CALL_TORN_NOT && sound->ways[0].after > 0 &&
           sound->ways[1].after > 0;
}

/* --- from second to second --- */

void call_sound_watch(struct call_table *table, uint32_t cell)
{
    struct call_sound *sound = call_sound_of(table, call_cell_at(table, cell));

    if (sound != NULL && sound->watch == 0 && table->watch_count < CALL_WATCHES) {
        table->watches[table->watch_count++] =
            (struct call_watch){.cell = cell, .generation = call_generation(table, cell)};
        sound->watch = (uint16_t)table->watch_count;
    }
}

struct call_watch *call_sound_watched(struct call_table *table, uint32_t cell)
{
    const struct call_sound *sound = call_sound_of(table, call_cell_at(table, cell));

    return sound == NULL || sound->watch == 0 ? NULL : &table->watches[sound->watch - 1];
}

void call_sound_hear_so_far(struct call_table *table, struct call_watch *watch,
                            const struct call_heard *heard)
{
    const struct call_sound *sound = call_sound_of(table, call_cell_at(table, watch->cell));
    unsigned way = heard->from_caller ? 0 : 1;

    if (sound == NULL) {
        return;
    }
    watch->ways[way].packets += packets_after(heard, sound->accepted_ns);
    if (heard->last_ns > watch->ways[way].last_ns) {
        watch->ways[way].last_ns = heard->last_ns;
    }
}

/* Would the call's intervals prove it if they ended now? */
static bool proves_so_far(struct call_sound *sound, const struct call_watch *watch)
{
    struct call_sound then = *sound;

    for (unsigned i = 0; i < 2; i++) {
        struct call_way *way = &then.ways[i];
        way->after += watch->ways[i].packets;
        way->last_ns =
            watch->ways[i].last_ns > way->last_ns ? watch->ways[i].last_ns : way->last_ns;
    }
    if (sound->torn != CALL_TORN_NOT || !proves(&then)) {
        return false;
    }
    *sound = then;
    return true;
}

static bool is_over(const struct call_table *table, const struct call_sound *sound)
{
    return sound->torn != CALL_TORN_NOT || time_since(table->now_ns, sound->accepted_ns) > WATCH_NS;
}

/* What is settled makes room; the others move up, in their order. */
void call_sound_mark(struct call_table *table)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < table->watch_count; i++) {
        struct call_watch watch = table->watches[i];
        const struct call_cell *cell = call_cell_at(table, watch.cell);
        bool lives = (cell->flags & CELL_LIVE) != 0 &&
                     call_generation(table, watch.cell) == watch.generation;
        struct call_sound *sound = lives ? call_sound_of(table, cell) : NULL;
        if (sound == NULL) {
            continue;
        }
        if (proves_so_far(sound, &watch)) {
            call_sound_tell_torn(table, watch.cell, table->now_ns);
        }
        sound->watch = 0;
        if (!is_over(table, sound)) {
            table->watches[kept++] =
                (struct call_watch){.cell = watch.cell, .generation = watch.generation};
            sound->watch = (uint16_t)kept;
        }
    }
    table->watch_count = kept;
}

/* The figures of the last interval whose end has passed: the first look at a call that is up comes
 * 10 to 11 s after its answer, so that this interval lies wholly behind the first second of it. */
void call_sound_judge(struct call_table *table, uint32_t index)
{
    struct call_cell *cell = call_cell_at(table, index);
    struct call_sound *sound = call_sound_of(table, cell);
    uint32_t skipped = CELL_JUDGED | CELL_PARTIAL | CELL_OVER;

    if ((cell->flags & skipped) == 0 && sound != NULL &&
        (table->sink.unwanted >> CHANGE_CALL_MEDIA & 1) == 0) {
        if (table->on_judge != NULL) {
            table->on_judge(table->media, index);
        }
        struct call *call = call_view_make(table, index);
        uint32_t mark_s = (uint32_t)(time_second(table->now_ns) / LOOK_S * LOOK_S);
        for (unsigned way = 0; way < 2; way++) {
            bool told = sound->ways[way].mark_s == mark_s;
            call->heard[way] = told ? sound->ways[way].packets : 0;
            call->heard_stray[way] = told ? sound->ways[way].stray : 0;
        }
        struct change change = {.kind = CHANGE_CALL_MEDIA,
                                .time_ns = table->now_ns,
                                .number = cell->number,
                                .call = call};
        table->sink.on_change(table->sink.owner, &change);
    }
    cell->flags |= CELL_JUDGED;
}

void call_sound_shift(struct call_sound *sound, uint64_t shift_ns)
{
    shift_time(&sound->ender_ns, shift_ns);
    shift_time(&sound->accepted_ns, shift_ns);
    for (unsigned way = 0; way < 2; way++) {
        shift_time(&sound->ways[way].last_ns, shift_ns);
        shift_time(&sound->ways[way].named_ns, shift_ns);
    }
}
