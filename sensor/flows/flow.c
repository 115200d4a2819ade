/* flow.c - five-tuples of one worker: who began, how much, and whose protocol it is.
 *
 *   shard  table of base/table.h by the symmetric flow hash, capacity flows_max / 16
 *   order  all flows by their first packet, with holes: a sweep at a mark tells them sorted,
 * whatever the hash order
 *
 * Media does not come here once its stream is confirmed, so this table may be slower than the
 * stream table; what comes is signalling, STUN, RTCP, and everything that is none of ours. For the
 * last kind nDPI is asked, within a budget of each shard: so many new examinations a second of
 * packet time, so many at once. Budgets of shards, not of the worker, because answers must not
 * depend on the number of workers. A flow beyond them stays without a name, counted.
 *
 * Proof over TCP: an address that acknowledges data hears what is sent to it. Nothing here needs
 * both directions, so each direction tells what it shows by itself, a few times at most: how far it
 * has sent, at its first data and where messages end, and acknowledgements that go beyond the first
 * one seen. One of each would do if every segment were acknowledged alone. Who keeps state above
 * the packet joins them. */
#include "sensor/flows/flow.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/table.h"
#include "sensor/flows/classify.h"

enum { EXAMINATIONS_OPEN = CLASSIFY_FLOWS_MAX / FLOW_SHARDS, EXAMINATIONS_A_SECOND = 32 };
/* A call's flow holds two streams, each of which may take four packets to be told. */
enum { UNSETTLED_PACKETS_MAX = 8 };
enum { SWEEP_S = 5, HOLE = -1, PROOFS_MAX = 4 };
#define EXAMINATION_IDLE_NS (5 * NS_PER_S)

/* What one direction of a TCP flow has shown. */
struct flow_side {
    uint32_t acknowledged; /* the first one seen, then the last one told */
    bool has_acknowledged;
    uint8_t told_data;
    uint8_t told_acknowledged;
};

struct flow {
    uint64_t number; /* of the first packet */
    uint64_t first_ns;
    uint64_t last_ns; /* own stamp */
    uint64_t active_ns; /* state time */
    struct addr source; /* the originator */
    struct addr destination;
    uint16_t source_port;
    uint16_t destination_port;
    uint16_t vlan_outer;
    uint16_t vlan_inner;
    uint32_t vni;
    uint32_t order;
    uint16_t interface;
    uint8_t protocol;
    uint8_t ttl;
    uint8_t application;
    uint8_t tcp_flags;
    uint8_t examined; /* packets shown to nDPI */
    bool guessed;
    bool asked; /* an examination was asked for, once */
    uint16_t examination; /* 0 = none open */
    uint16_t master; /* nDPI's numbers, 0 = none */
    uint16_t app;
    uint64_t bytes[2]; /* [0] from the originator */
    uint64_t packets[2];
    struct flow_side sides[2];
};
static_assert(sizeof(struct flow) <= 144, "a flood makes a flow of each packet");
static_assert(CLASSIFY_FLOWS_MAX <= UINT16_MAX, "examinations are kept in 16 bits");

/* Place of a flow: shard and cell of its table. */
struct flow_place {
    int32_t shard; /* HOLE: ended */
    uint32_t cell;
};

struct flow_shard {
    struct table table;
    uint32_t examinations; /* open */
    uint32_t examinations_second; /* begun since the mark */
};

struct flow_table {
    struct flow_options options;
    struct classify *classify; /* NULL: not asked for */
    struct region order; /* struct flow_place */
    uint32_t order_count;
    uint32_t order_max;
    uint64_t flows; /* ever */
    const struct datagram *current; /* while a packet is worked on: evictions happen at it */
    struct flow_shard shards[FLOW_SHARDS];
};

static struct table_options table_options_for(const struct flow_options *options)
{
    uint32_t per_shard = (options->flows_max + FLOW_SHARDS - 1) / FLOW_SHARDS;
    return (struct table_options){.name = "flows",
                                  .cells_max = per_shard == 0 ? 1 : per_shard,
                                  .cell_bytes = sizeof(struct flow)};
}

static void flow_tell(struct flow_table *table, struct flow *flow, enum stream_end reason,
                      uint64_t key, uint64_t sub_bits, uint64_t time_ns, uint64_t state_ns)
{
    struct flow_sighting sighting;
    memset(&sighting, 0, sizeof sighting); /* its gaps too */
    sighting.head = (struct sighting){.bytes = sizeof sighting,
                                      .kind = SIGHTING_FLOW,
                                      .transport = flow->protocol,
                                      .interface = flow->interface,
                                      .key = key,
                                      .sub = sub_bits | flow->number,
                                      .time_ns = time_ns,
                                      .state_ns = state_ns,
                                      .source = flow->source,
                                      .destination = flow->destination,
                                      .source_port = flow->source_port,
                                      .destination_port = flow->destination_port,
                                      .vlan_outer = flow->vlan_outer,
                                      .vlan_inner = flow->vlan_inner,
                                      .vni = flow->vni,
                                      .ttl = flow->ttl};
    sighting.flow_number = flow->number;
    sighting.first_ns = flow->first_ns;
    sighting.last_ns = flow->last_ns;
    sighting.forward_bytes = flow->bytes[0];
    sighting.forward_packets = flow->packets[0];
    sighting.backward_bytes = flow->bytes[1];
    sighting.backward_packets = flow->packets[1];
    sighting.application = flow->application;
    sighting.end_reason = (uint8_t)reason;
    sighting.tcp_flags = flow->tcp_flags;
    sighting.ndpi_guessed = flow->guessed;
    static_assert(sizeof sighting.ndpi_app == CLASSIFY_NAME_BYTES, "same names");
    if ((flow->master | flow->app) != 0) {
        classify_name(table->classify, flow->master, sighting.ndpi_master);
        classify_name(table->classify, flow->app, sighting.ndpi_app);
    }
    table->options.on_sighting(table->options.owner, &sighting);
}

/* --- nDPI --- */

static void examination_end(struct flow_table *table, struct flow_shard *shard, struct flow *flow)
{
    classify_end(table->classify, flow->examination);
    flow->examination = 0;
    shard->examinations--;
}

static void examination_keep(struct flow *flow, const struct classify_verdict *verdict)
{
    flow->guessed = verdict->guessed;
    flow->master = verdict->master;
    flow->app = verdict->app;
}

static void examination_give_up(struct flow_table *table, struct flow_shard *shard,
                                struct flow *flow)
{
    if (flow->examination == 0) {
        return;
    }
    if (flow->application == FLOW_UNKNOWN) {
        struct classify_verdict verdict;
        classify_give_up(table->classify, flow->examination, &verdict);
        examination_keep(flow, &verdict);
    }
    examination_end(table, shard, flow);
}

static void examination_begin(struct flow_table *table, struct flow_shard *shard, struct flow *flow)
{
    if (shard->examinations < EXAMINATIONS_OPEN &&
        shard->examinations_second < EXAMINATIONS_A_SECOND) {
        flow->examination =
            (uint16_t)classify_begin(table->classify, (uint32_t)(shard - table->shards));
    }
    if (flow->examination == 0) {
        table->options.on_reason(table->options.owner, REASON_FLOW_UNCLASSIFIED);
        return;
    }
    shard->examinations++;
    shard->examinations_second++;
}

static void examination_see(struct flow_table *table, struct flow_shard *shard, struct flow *flow,
                            const struct datagram *datagram)
{
    if (flow->examination == 0) {
        return;
    }
    if (flow->application != FLOW_UNKNOWN) {
        examination_end(table, shard, flow);
        return;
    }
    struct classify_verdict verdict;
    classify_packet(table->classify, flow->examination, datagram, &verdict);
    flow->examined++;
    if (verdict.final) {
        examination_keep(flow, &verdict);
        examination_end(table, shard, flow);
        return;
    }
    uint8_t packets_max =
        flow->protocol == PROTOCOL_TCP ? CLASSIFY_PACKETS_TCP : CLASSIFY_PACKETS_UDP;
    if (flow->examined >= packets_max) {
        examination_give_up(table, shard, flow);
    }
}

/* --- open, order, end --- */

/* Called by a full shard's table while table->current is taken in. */
static void flow_on_evict(void *owner, uint32_t cell, void *at)
{
    (void)cell;
    struct flow_table *table = owner;
    struct flow *flow = at;
    const struct datagram *datagram = table->current;
    examination_give_up(table, &table->shards[datagram_shard(datagram)], flow);
    table->options.on_reason(table->options.owner, REASON_TABLE_FLOW);
    flow_tell(table, flow, STREAM_END_EVICTED, datagram->number << 1 | 1, SUB_ENDED | SUB_FLOWS,
              datagram->time_ns, datagram->state_ns);
    ((struct flow_place *)table->order.at)[flow->order].shard = HOLE;
}

enum status flow_open(const struct flow_options *options, struct flow_table **out_table,
                      struct error *error)
{
    struct flow_table *table = calloc(1, sizeof *table);
    if (table == NULL) {
        return error_set(error, STATUS_FAILED, "flows", "no memory for the table");
    }
    table->options = *options;
    struct table_options shard_options = table_options_for(options);
    shard_options.on_evict = flow_on_evict;
    shard_options.owner = table;
    table->order_max = 2 * FLOW_SHARDS * shard_options.cells_max;
    enum status status =
        region_open(table->order_max * sizeof(struct flow_place), &table->order, error);
    for (size_t shard = 0; shard < FLOW_SHARDS && status == STATUS_OK; shard++) {
        status = table_open(&table->shards[shard].table, &shard_options, error);
    }
    if (status == STATUS_OK && options->classify) {
        table->classify = classify_open();
        if (table->classify == NULL) {
            status = error_set(error, STATUS_FAILED, "flows", "no memory for nDPI");
        } else if (options->classify_shared) {
            classify_share(table->classify);
        }
    }
    if (status != STATUS_OK) {
        flow_close(table);
        return status;
    }
    *out_table = table;
    return STATUS_OK;
}

static void flow_close_examinations(struct flow_table *table)
{
    for (size_t shard = 0; shard < FLOW_SHARDS; shard++) {
        struct table *cells = &table->shards[shard].table;
        if (cells->cells.at == NULL) {
            continue;
        }
        for (uint32_t cell = table_next(cells, 0); cell != TABLE_NONE;
             cell = table_next(cells, cell + 1)) {
            struct flow *flow = table_at(cells, cell);
            if (flow->examination != 0) {
                examination_end(table, &table->shards[shard], flow);
            }
        }
    }
}

void flow_close(struct flow_table *table)
{
    if (table == NULL) {
        return;
    }
    if (table->classify != NULL) {
        flow_close_examinations(table);
        classify_close(table->classify);
    }
    for (size_t shard = 0; shard < FLOW_SHARDS; shard++) {
        if (table->shards[shard].table.cells.at != NULL) {
            table_close(&table->shards[shard].table);
        }
    }
    region_close(&table->order);
    free(table);
}

size_t flow_bytes_max(const struct flow_options *options)
{
    struct table_options shard_options = table_options_for(options);
    return sizeof(struct flow_table) +
           FLOW_SHARDS * (table_bytes_max(&shard_options) +
                          2 * shard_options.cells_max * sizeof(struct flow_place));
}

static struct flow *flow_at(struct flow_table *table, struct flow_place place)
{
    return table_at(&table->shards[place.shard].table, place.cell);
}

static void order_append(struct flow_table *table, struct flow_place place)
{
    struct flow_place *order = table->order.at;
    if (table->order_count == table->order_max) {
        uint32_t kept = 0;
        for (uint32_t at = 0; at < table->order_count; at++) {
            if (order[at].shard != HOLE) {
                flow_at(table, order[at])->order = kept;
                order[kept++] = order[at];
            }
        }
        table->order_count = kept;
    }
    flow_at(table, place)->order = table->order_count;
    order[table->order_count++] = place;
}

/* --- packets --- */

static void flow_begin(struct flow_table *table, struct flow *flow, const struct datagram *datagram,
                       struct flow_place place)
{
    flow->number = datagram->number;
    flow->first_ns = datagram->time_ns;
    flow->source = datagram->source;
    flow->destination = datagram->destination;
    flow->source_port = datagram->source_port;
    flow->destination_port = datagram->destination_port;
    flow->vlan_outer = datagram->vlan_outer;
    flow->vlan_inner = datagram->vlan_inner;
    flow->vni = datagram->vni;
    flow->interface = datagram->interface;
    flow->protocol = datagram->protocol;
    flow->ttl = datagram->ttl;
    flow->application = FLOW_UNKNOWN;
    table->flows++;
    order_append(table, place);
}

static bool flow_proves(const struct flow *flow, struct flow_side *side,
                        const struct datagram *segment, bool ends_message)
{
    bool acknowledges = (segment->tcp_flags & TCP_ACK) != 0;
    if (acknowledges && !side->has_acknowledged) {
        side->has_acknowledged = true;
        side->acknowledged = segment->tcp_acknowledgement;
    }
    if (flow->application != FLOW_SIP) {
        return false;
    }
    bool tells = false;
    if (segment->payload_wire > 0 && side->told_data < PROOFS_MAX &&
        (side->told_data == 0 || ends_message)) {
        side->told_data++;
        tells = true;
    }
    if (acknowledges && side->told_acknowledged < PROOFS_MAX &&
        (int32_t)(segment->tcp_acknowledgement - side->acknowledged) > 0) {
        side->told_acknowledged++;
        side->acknowledged = segment->tcp_acknowledgement;
        tells = true;
    }
    return tells;
}

/* Shows the packet to nDPI, if the flow is nobody's. */
static void flow_examine(struct flow_table *table, struct flow_shard *shard, struct flow *flow,
                         const struct datagram *datagram, bool settled)
{
    if (table->classify != NULL && !flow->asked && flow->application == FLOW_UNKNOWN &&
        (settled || flow->packets[0] + flow->packets[1] > UNSETTLED_PACKETS_MAX)) {
        flow->asked = true;
        examination_begin(table, shard, flow);
    }
    examination_see(table, shard, flow, datagram);
}

static struct flow_view flow_see_any(struct flow_table *table, const struct datagram *datagram,
                                     enum flow_application application, bool settled)
{
    uint32_t shard_index = datagram_shard(datagram);
    struct flow_shard *shard = &table->shards[shard_index];
    struct prefix site = addr_site_prefix(&datagram->source);
    uint64_t group = hash_addr(table->options.key, &site.addr);
    bool is_new = false;
    table->current = datagram;
    uint32_t cell =
        table_take(&shard->table, datagram->flow_hash, group, datagram->state_ns, &is_new);
    table->current = NULL;
    struct flow *flow = table_at(&shard->table, cell);
    if (is_new) {
        flow_begin(table, flow, datagram,
                   (struct flow_place){.shard = (int32_t)shard_index, .cell = cell});
    } else {
        table_touch(&shard->table, cell, datagram->state_ns);
    }
    bool is_forward =
        flow->source_port == datagram->source_port && addr_equal(&flow->source, &datagram->source);
    size_t direction = is_forward ? 0 : 1;
    flow->bytes[direction] += datagram->ip_wire;
    flow->packets[direction]++;
    flow->last_ns = datagram->time_ns;
    flow->active_ns = datagram->state_ns;
    flow->tcp_flags |= datagram->tcp_flags;
    if (application != FLOW_UNKNOWN &&
        (flow->application == FLOW_UNKNOWN || application < flow->application)) {
        flow->application = (uint8_t)application;
    }
    flow_examine(table, shard, flow, datagram, settled);
    return (struct flow_view){
        .application = flow->application,
        .is_new = is_new,
        .tcp_flags = flow->tcp_flags,
        .tells_proof =
            datagram->protocol == PROTOCOL_TCP &&
            flow_proves(flow, &flow->sides[direction], datagram, application == FLOW_SIP),
    };
}

struct flow_view flow_see(struct flow_table *table, const struct datagram *datagram,
                          enum flow_application application)
{
    return flow_see_any(table, datagram, application, true);
}

struct flow_view flow_see_unsettled(struct flow_table *table, const struct datagram *datagram)
{
    return flow_see_any(table, datagram, FLOW_UNKNOWN, false);
}

bool flow_is_sip(const struct flow_table *table, const struct datagram *datagram)
{
    const struct table *cells = &table->shards[datagram_shard(datagram)].table;
    uint32_t cell = table_find(cells, datagram->flow_hash);
    return cell != TABLE_NONE &&
           ((const struct flow *)table_at(cells, cell))->application == FLOW_SIP;
}

/* --- marks --- */

static void flow_finish(struct flow_table *table, struct flow_place place, enum stream_end reason,
                        uint64_t key, uint64_t time_ns)
{
    struct flow_shard *shard = &table->shards[place.shard];
    struct flow *flow = flow_at(table, place);
    examination_give_up(table, shard, flow);
    flow_tell(table, flow, reason, key, SUB_FLOWS, time_ns, time_ns);
    ((struct flow_place *)table->order.at)[flow->order].shard = HOLE;
    table_give(&shard->table, place.cell);
}

void flow_mark(struct flow_table *table, uint64_t mark_s, uint64_t number, uint64_t shift_ns)
{
    for (size_t shard = 0; shard < FLOW_SHARDS; shard++) {
        table->shards[shard].examinations_second = 0;
    }
    if (mark_s % SWEEP_S != 0 && shift_ns == 0) {
        return;
    }
    uint64_t mark_ns = mark_s * NS_PER_S;
    const struct flow_place *order = table->order.at;
    for (uint32_t at = 0; at < table->order_count; at++) {
        if (order[at].shard == HOLE) {
            continue;
        }
        struct flow *flow = flow_at(table, order[at]);
        flow->active_ns = time_add(flow->active_ns, shift_ns);
        uint64_t idle_ns = time_since(mark_ns, flow->active_ns);
        if (idle_ns >= table->options.idle_ns) {
            flow_finish(table, order[at], STREAM_END_IDLE, number << 1, mark_ns);
        } else if (idle_ns >= EXAMINATION_IDLE_NS) {
            examination_give_up(table, &table->shards[order[at].shard], flow);
        }
    }
}

void flow_end(struct flow_table *table, uint64_t number)
{
    const struct flow_place *order = table->order.at;
    for (uint32_t at = 0; at < table->order_count; at++) {
        if (order[at].shard != HOLE) {
            uint64_t last_ns = flow_at(table, order[at])->last_ns;
            flow_finish(table, order[at], STREAM_END_CAPTURE, number << 1, last_ns);
        }
    }
    table->order_count = 0;
}

uint64_t flow_count(const struct flow_table *table)
{
    return table->flows;
}
