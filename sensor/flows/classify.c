/* classify.c - nDPI 4.2 behind a small door.
 *
 * One module a shard, made when its first flow asks (10 MiB, 20 ms); the states it works in (688
 * bytes each) stand in a region of ours, so that their number is bounded and what is not used is
 * not touched. What nDPI allocates inside a state is freed with its examination.
 *
 * What is believed: only verdicts that nDPI reached by inspection of this flow's packets. A guess
 * by port or address is passed on as a guess, for nobody to trust. A verdict from nDPI's caches of
 * earlier flows is dropped: it is about them.
 * SIP, RTP and RTCP are never taken from nDPI: it calls random bytes RTP at the first packet and
 * anything on port 5060 SIP; our decoders have judged those already.
 *
 * Limit: reassembled datagrams have no IP header in one piece and are not shown to nDPI. */
/* First: it brings system headers that declare names which ours poison. */
#include <ndpi_api.h>

#include "sensor/flows/classify.h"

#include "base/clock.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/region.h"
#include "base/slice.h"

/* nDPI and the libgcrypt under it start up with global state: two workers that made a module at the same
 * time aborted one run in fifty. */
static struct lock library = LOCK_OPEN;

struct classify {
    struct ndpi_detection_module_struct *modules[FLOW_SHARDS]; /* NULL until a flow of it asks */
    uint8_t shard_of[CLASSIFY_FLOWS_MAX + 1]; /* of an examination */
    bool shared; /* one module for all shards */
    bool failed; /* no module could be made: said once */
    struct region states; /* struct ndpi_flow_struct [CLASSIFY_FLOWS_MAX] */
    uint32_t free_ids[CLASSIFY_FLOWS_MAX];
    uint32_t free_count;
};

static struct ndpi_flow_struct *state_of(struct classify *classify, uint32_t id)
{
    assert(id >= 1 && id <= CLASSIFY_FLOWS_MAX);
    return (struct ndpi_flow_struct *)classify->states.at + (id - 1);
}

struct classify *classify_open(void)
{
    struct classify *classify = calloc(1, sizeof *classify);
    if (classify == NULL) {
        return NULL;
    }
    struct error error;
    size_t bytes = CLASSIFY_FLOWS_MAX * sizeof(struct ndpi_flow_struct);
    if (region_open(bytes, &classify->states, &error) != STATUS_OK) {
        free(classify);
        return NULL;
    }
    for (uint32_t index = 0; index < CLASSIFY_FLOWS_MAX; index++) {
        classify->free_ids[index] = CLASSIFY_FLOWS_MAX - index;
    }
    classify->free_count = CLASSIFY_FLOWS_MAX;
    return classify;
}

void classify_close(struct classify *classify)
{
    if (classify == NULL) {
        return;
    }
    for (size_t shard = 0; shard < FLOW_SHARDS; shard++) {
        if (classify->modules[shard] != NULL) {
            ndpi_exit_detection_module(classify->modules[shard]);
        }
    }
    region_close(&classify->states);
    free(classify);
}

static bool module_make(struct classify *classify, uint32_t shard)
{
    if (classify->modules[shard] != NULL || classify->failed) {
        return !classify->failed;
    }
    /* The library is linked by its exact version, but the struct is ours to allocate: ask. */
    bool fits = ndpi_detection_get_sizeof_ndpi_flow_struct() == sizeof(struct ndpi_flow_struct);
    lock_take(&library);
    struct ndpi_detection_module_struct *module =
        fits ? ndpi_init_detection_module(ndpi_dont_load_tor_hosts) : NULL;
    if (module == NULL) {
        lock_give(&library);
        classify->failed = true;
        log_line(LOG_WARN, "nDPI cannot be used (%s): flows of other programs stay without a name",
                 fits ? "no detection module" : "another version than it was built for");
        return false;
    }
    NDPI_PROTOCOL_BITMASK all;
    NDPI_BITMASK_SET_ALL(all);
    ndpi_set_protocol_detection_bitmask2(module, &all);
    ndpi_finalize_initialization(module);
    lock_give(&library);
    classify->modules[shard] = module;
    return true;
}

void classify_share(struct classify *classify)
{
    classify->shared = true;
    (void)module_make(classify, 0); /* a failure is said there */
}

uint32_t classify_begin(struct classify *classify, uint32_t shard)
{
    shard = classify->shared ? 0 : shard;
    if (classify->free_count == 0 || !module_make(classify, shard)) {
        return 0;
    }
    uint32_t id = classify->free_ids[--classify->free_count];
    classify->shard_of[id] = (uint8_t)shard;
    memset(state_of(classify, id), 0, sizeof(struct ndpi_flow_struct));
    return id;
}

void classify_end(struct classify *classify, uint32_t id)
{
    ndpi_free_flow_data(state_of(classify, id));
    assert(classify->free_count < CLASSIFY_FLOWS_MAX);
    classify->free_ids[classify->free_count++] = id;
}

static bool is_ours(uint16_t protocol)
{
    return protocol == NDPI_PROTOCOL_SIP || protocol == NDPI_PROTOCOL_RTP ||
           protocol == NDPI_PROTOCOL_RTCP;
}

static void verdict_of(const struct ndpi_flow_struct *state, ndpi_protocol protocol,
                       struct classify_verdict *out_verdict)
{
    *out_verdict = (struct classify_verdict){.final = false};
    bool is_known = protocol.master_protocol != NDPI_PROTOCOL_UNKNOWN ||
                    protocol.app_protocol != NDPI_PROTOCOL_UNKNOWN;
    bool is_guess = state->confidence == NDPI_CONFIDENCE_MATCH_BY_PORT ||
                    state->confidence == NDPI_CONFIDENCE_MATCH_BY_IP;
    if (!is_known || is_ours(protocol.master_protocol) || is_ours(protocol.app_protocol) ||
        (!is_guess && state->confidence != NDPI_CONFIDENCE_DPI)) {
        return;
    }
    out_verdict->final = true;
    out_verdict->guessed = is_guess;
    out_verdict->master = protocol.master_protocol;
    out_verdict->app = protocol.app_protocol;
}

void classify_packet(struct classify *classify, uint32_t id, const struct datagram *datagram,
                     struct classify_verdict *out_verdict)
{
    *out_verdict = (struct classify_verdict){.final = false};
    if (datagram->ip == NULL) {
        return;
    }
    struct ndpi_flow_struct *state = state_of(classify, id);
    struct ndpi_detection_module_struct *module = classify->modules[classify->shard_of[id]];
    uint32_t bytes = datagram->ip_bytes > UINT16_MAX ? UINT16_MAX : datagram->ip_bytes;
    ndpi_protocol protocol = ndpi_detection_process_packet(
        module, state, datagram->ip, (uint16_t)bytes, datagram->state_ns / NS_PER_MS);
    verdict_of(state, protocol, out_verdict);
    if (out_verdict->guessed) {
        /* Packets to come may know better. */
        *out_verdict = (struct classify_verdict){.final = false};
    }
}

void classify_give_up(struct classify *classify, uint32_t id, struct classify_verdict *out_verdict)
{
    struct ndpi_flow_struct *state = state_of(classify, id);
    struct ndpi_detection_module_struct *module = classify->modules[classify->shard_of[id]];
    u_int8_t was_guessed = 0;
    ndpi_protocol protocol = ndpi_detection_giveup(module, state, 1, &was_guessed);
    verdict_of(state, protocol, out_verdict);
    out_verdict->guessed = out_verdict->final && (out_verdict->guessed || was_guessed != 0);
    out_verdict->final = true;
}

void classify_name(const struct classify *classify, uint16_t protocol,
                   char out_name[CLASSIFY_NAME_BYTES])
{
    size_t shard = 0;

    static_assert(NDPI_PROTOCOL_UNKNOWN == 0, "zeroed flows have no name");
    out_name[0] = '\0';
    while (shard < FLOW_SHARDS && classify->modules[shard] == NULL) {
        shard++; /* all modules name alike */
    }
    if (protocol == NDPI_PROTOCOL_UNKNOWN || shard == FLOW_SHARDS) {
        return;
    }
    const char *name = ndpi_get_proto_name(classify->modules[shard], protocol);
    size_t bytes = strnlen(name, CLASSIFY_NAME_BYTES - 1);
    memcpy(out_name, name, bytes);
    out_name[bytes] = '\0';
}
