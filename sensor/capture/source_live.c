/* Rings of the kernel through libpcap, which maps them as TPACKET_V3 and puts a VLAN tag that the
 * card took out back into the frame.
 *
 * Opening several rings so that each frame is in exactly one: a socket that has not joined the
 * group yet gets a copy of everything. So every ring is activated with a filter of the kernel that
 * drops all, then all join, then what came before the filter is drained and forgotten, and only
 * then the filters are lifted. The drop-all is set on the socket itself: pcap_setfilter() would
 * also judge by it what already lies in the ring. For the same reason source_live_stop() does so.
 *
 * PACKET_FANOUT_FLAG_DEFRAG stays off: the kernel hashes fragments by their addresses alone, so a
 * datagram stays together on one ring; with the flag IPv4 would arrive merged, and the count of
 * packets and the overlaps that an attack leaves would be gone.
 *
 * Why frames are copied: libpcap gives a block of its ring back to the kernel inside
 * pcap_dispatch(), while sightings refer into a frame until the analyst is done with it. A copy
 * into the worker's blocks costs a few ns of bytes that decoding touches anyway, frees the ring at
 * once, and leaves one rule for how long bytes live.
 *
 * Counts: the kernel's are 32 bits wide and count from the last question on; libpcap adds them up in
 * 32 bits; differences are added here in 64. `offered` of the kernel includes what it dropped. What
 * the card lost is read by the interface's name.
 *
 * Limits: on "any", frames that leave through the loopback are offered but not taken. */
#include <pcap/pcap.h> /* first: it declares functions that the house bans */

#include "sensor/capture/source_live.h"

#include "base/log.h"
#include "sensor/capture/block.h"

#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

enum { DRAIN_ROUNDS = 50 };

struct source_live {
    pcap_t *pcap;
    int descriptor;
    uint16_t link_type;
    uint16_t index;
    bool first; /* of its interface */
    char interface[64];
    struct source_live_counts counts;
    struct pcap_stat seen; /* libpcap's sums at the last sample */
};

/* --- opening --- */

static enum status refuse(struct error *error, const char *interface, int code, pcap_t *pcap)
{
    char known[512];
    size_t bytes = 0;

    switch (code) {
    case PCAP_ERROR_PERM_DENIED:
    case PCAP_ERROR_PROMISC_PERM_DENIED:
        return error_set(error, STATUS_INPUT, interface,
                         "no permission to capture: run as root, or give the program the "
                         "capability with 'setcap cap_net_raw+ep earshot'");
    case PCAP_ERROR_IFACE_NOT_UP:
        return error_set(error, STATUS_INPUT, interface,
                         "the interface is down: 'ip link set %s up'", interface);
    case PCAP_ERROR_NO_SUCH_DEVICE:
        break;
    default:
        return error_set(error, STATUS_INPUT, interface, "the interface cannot be opened (%s)",
                         pcap == NULL ? "no memory" : pcap_geterr(pcap));
    }
    struct if_nameindex *names = if_nameindex();
    known[0] = '\0';
    for (size_t i = 0; names != NULL && names[i].if_index != 0; i++) {
        int put = snprintf(known + bytes, sizeof known - bytes, "%s%s", i == 0 ? "" : ", ",
                           names[i].if_name);
        if (put < 0 || (size_t)put >= sizeof known - bytes) {
            known[bytes] = '\0';
            break;
        }
        bytes += (size_t)put;
    }
    if_freenameindex(names);
    return error_set(error, STATUS_INPUT, interface, "there is no such interface; there are: %s",
                     known);
}

static enum status activate(struct source_live *ring, const struct source_live_options *options,
                            struct error *error)
{
    char why[PCAP_ERRBUF_SIZE] = "";
    ring->pcap = pcap_create(options->interface, why);
    if (ring->pcap == NULL) {
        return error_set(error, STATUS_INPUT, options->interface,
                         "the interface cannot be opened (%s)", why);
    }
    pcap_t *pcap = ring->pcap;
    /* libpcap prefers to wait for whole blocks, and so do we: no immediate mode. */
    if (pcap_set_snaplen(pcap, (int)options->snap_bytes) != 0 ||
        pcap_set_promisc(pcap, options->promiscuous) != 0 ||
        pcap_set_timeout(pcap, (int)options->timeout_ms) != 0 ||
        pcap_set_buffer_size(pcap, (int)options->buffer_bytes) != 0 ||
        pcap_set_tstamp_precision(pcap, PCAP_TSTAMP_PRECISION_NANO) != 0) {
        return error_set(error, STATUS_INPUT, options->interface,
                         "the interface cannot be opened with nanosecond time stamps");
    }
    int code = pcap_activate(pcap);
    if (code < 0) {
        return refuse(error, options->interface, code, pcap);
    }
    if (code > 0) {
        log_line(LOG_WARN, "%s: %s", options->interface,
                 code == PCAP_WARNING ? pcap_geterr(pcap) : pcap_statustostr(code));
    }
    if (pcap_setnonblock(pcap, 1, why) != 0) {
        return error_set(error, STATUS_INPUT, options->interface, "%s", why);
    }
    ring->descriptor = pcap_get_selectable_fd(pcap);
    ring->link_type = source_link_of_dlt(pcap_datalink(pcap));
    ring->index = options->index;
    (void)snprintf(ring->interface, sizeof ring->interface, "%s", options->interface);
    source_live_stop(ring);
    return STATUS_OK;
}

/* The first asks for a group of its own, so that no other sensor's is met. */
static enum status join(struct source_live *const *rings, unsigned count, struct error *error)
{
    unsigned group = (PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_UNIQUEID) << 16;
    for (unsigned i = 0; i < count; i++) {
        int descriptor = pcap_fileno(rings[i]->pcap);
        int wanted = (int)group;
        if (setsockopt(descriptor, SOL_PACKET, PACKET_FANOUT, &wanted, sizeof wanted) != 0) {
            return error_system(error, STATUS_INPUT, rings[i]->interface,
                                "%u workers cannot share the interface; try --workers 1", count);
        }
        if (i == 0) {
            int given = 0;
            socklen_t bytes = sizeof given;
            if (getsockopt(descriptor, SOL_PACKET, PACKET_FANOUT, &given, &bytes) != 0) {
                return error_system(error, STATUS_INPUT, rings[i]->interface,
                                    "the group of its rings has no number");
            }
            group = ((unsigned)given & 0xffff) | PACKET_FANOUT_HASH << 16;
        }
    }
    return STATUS_OK;
}

static void forget_frame(u_char *owner, const struct pcap_pkthdr *head, const u_char *at)
{
    struct source_live *ring = (void *)owner;
    (void)head;
    (void)at;
    ring->counts.taken++;
}

/* Everything that came before the filter dropped all; then counting begins. */
static void drain(struct source_live *ring)
{
    for (int i = 0; i < DRAIN_ROUNDS; i++) {
        (void)pcap_dispatch(ring->pcap, -1, forget_frame, (void *)ring);
        source_live_sample(ring);
        if (ring->counts.taken >= ring->counts.offered - ring->counts.dropped) {
            break;
        }
        struct pollfd ready = {.fd = ring->descriptor, .events = POLLIN};
        (void)poll(&ready, 1, 10);
    }
    ring->counts = (struct source_live_counts){0};
}

/* A loopback shows every frame as it leaves and as it arrives, and libpcap passes over the former
 * behind the kernel's back. Left out in the kernel, before the filter, they are in no count. */
static int attach_loopback(const struct source_live *ring, const struct bpf_program *program)
{
    static const struct sock_filter arriving[] = {
        {.code = BPF_LD | BPF_B | BPF_ABS, .k = (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)},
        {.code = BPF_JMP | BPF_JEQ | BPF_K, .jt = 0, .jf = 1, .k = PACKET_OUTGOING},
        {.code = BPF_RET | BPF_K, .k = 0},
    };
    enum { ARRIVING = sizeof arriving / sizeof arriving[0] };
    size_t count = ARRIVING + program->bf_len;
    struct sock_filter *all = calloc(count, sizeof *all);
    if (all == NULL) {
        return -1;
    }
    memcpy(all, arriving, sizeof arriving);
    for (size_t i = 0; i < program->bf_len; i++) { /* jumps are relative */
        const struct bpf_insn *from = &program->bf_insns[i];
        all[ARRIVING + i] =
            (struct sock_filter){.code = from->code, .jt = from->jt, .jf = from->jf, .k = from->k};
    }
    struct sock_fprog whole = {.len = (unsigned short)count, .filter = all};
    int failed =
        setsockopt(pcap_fileno(ring->pcap), SOL_SOCKET, SO_ATTACH_FILTER, &whole, sizeof whole);
    free(all);
    return failed;
}

static enum status lift(struct source_live *ring, const char *filter, struct error *error)
{
    struct bpf_program program;
    if (pcap_compile(ring->pcap, &program, filter, 1, PCAP_NETMASK_UNKNOWN) != 0) {
        return error_set(error, STATUS_USAGE, "capture.filter", "'%s' is no filter for %s: %s",
                         filter, ring->interface, pcap_geterr(ring->pcap));
    }
    int failed = strcmp(ring->interface, "lo") == 0 ? attach_loopback(ring, &program)
                                                    : pcap_setfilter(ring->pcap, &program);
    pcap_freecode(&program);
    return failed == 0 ? STATUS_OK
                       : error_set(error, STATUS_INPUT, ring->interface,
                                   "the filter cannot be set (%s)", pcap_geterr(ring->pcap));
}

enum status source_live_open(const struct source_live_options *options, unsigned count,
                             struct source_live **out_rings, struct error *error)
{
    struct source_live *rings[SOURCE_RINGS_MAX] = {NULL};
    enum status status = STATUS_OK;
    assert(count >= 1 && count <= SOURCE_RINGS_MAX);
    for (unsigned i = 0; i < count && status == STATUS_OK; i++) {
        rings[i] = calloc(1, sizeof *rings[i]);
        if (rings[i] == NULL) {
            status = error_set(error, STATUS_FAILED, options->interface, "no memory for a ring");
        } else {
            rings[i]->first = i == 0;
            status = activate(rings[i], options, error);
        }
    }
    if (status == STATUS_OK && count > 1) {
        status = join(rings, count, error);
    }
    for (unsigned i = 0; i < count && status == STATUS_OK; i++) {
        drain(rings[i]);
    }
    for (unsigned i = 0; i < count && status == STATUS_OK; i++) {
        status = lift(rings[i], options->filter, error);
    }
    for (unsigned i = 0; i < count; i++) {
        if (status != STATUS_OK) {
            source_live_close(rings[i]);
        } else {
            out_rings[i] = rings[i];
        }
    }
    return status;
}

void source_live_close(struct source_live *ring)
{
    if (ring == NULL) {
        return;
    }
    if (ring->pcap != NULL) {
        pcap_close(ring->pcap);
    }
    free(ring);
}

int source_live_descriptor(const struct source_live *ring)
{
    return ring->descriptor;
}

void source_live_stop(struct source_live *ring)
{
    struct sock_filter nothing = {.code = BPF_RET | BPF_K, .k = 0};
    struct sock_fprog program = {.len = 1, .filter = &nothing};
    (void)setsockopt(pcap_fileno(ring->pcap), SOL_SOCKET, SO_ATTACH_FILTER, &program,
                     sizeof program);
}

/* --- taking --- */

struct taking {
    struct source_live *ring;
    struct block *block;
    size_t used; /* bytes of the block */
    bool full;
};

static void take_frame(u_char *owner, const struct pcap_pkthdr *head, const u_char *at)
{
    struct taking *taking = (void *)owner;
    struct block *block = taking->block;
    uint32_t captured = head->caplen < FRAME_BYTES_MAX ? head->caplen : (uint32_t)FRAME_BYTES_MAX;
    uint8_t *to = block->bytes + taking->used;
    memcpy(to, at, captured);
    block->frames[block->frame_count++] = (struct captured){
        .time_ns = (uint64_t)head->ts.tv_sec * NS_PER_S + (uint64_t)head->ts.tv_usec,
        .at = to,
        .captured = captured,
        .wire_bytes = head->len > captured ? head->len : captured,
        .link_type = taking->ring->link_type,
        .interface = taking->ring->index,
    };
    taking->ring->counts.taken++;
    taking->used += captured;
    taking->full = block->frame_count == BLOCK_FRAMES_MAX || taking->used >= BLOCK_BYTES;
    if (taking->full) {
        pcap_breakloop(taking->ring->pcap);
    }
}

enum status source_live_take(struct source_live *ring, struct block *block, bool *out_full,
                             struct error *error)
{
    const struct captured *last =
        block->frame_count == 0 ? NULL : &block->frames[block->frame_count - 1];
    struct taking taking = {
        .ring = ring,
        .block = block,
        .used = last == NULL ? 0 : (size_t)(last->at - block->bytes) + last->captured};
    int got = pcap_dispatch(ring->pcap, (int)(BLOCK_FRAMES_MAX - block->frame_count), take_frame,
                            (void *)&taking);
    *out_full = taking.full;
    if (got < 0 && got != PCAP_ERROR_BREAK) {
        return error_set(error, STATUS_INPUT, ring->interface, "capturing ended: %s",
                         pcap_geterr(ring->pcap));
    }
    return STATUS_OK;
}

/* The card's figure is not ours: it begins again with its driver, and libpcap reads 0 where the
 * interface was renamed or is gone. A step back is no four thousand million lost frames. */
static uint32_t grown(uint32_t before, uint32_t now)
{
    uint32_t difference = now - before;
    return difference > INT32_MAX ? 0 : difference;
}

void source_live_sample(struct source_live *ring)
{
    struct pcap_stat now;
    if (pcap_stats(ring->pcap, &now) != 0) {
        return; /* the interface is gone: the last figures stand */
    }
    ring->counts.offered += now.ps_recv - ring->seen.ps_recv;
    ring->counts.dropped += now.ps_drop - ring->seen.ps_drop;
    if (ring->first) {
        ring->counts.interface_dropped += grown(ring->seen.ps_ifdrop, now.ps_ifdrop);
    }
    ring->seen = now;
}

const struct source_live_counts *source_live_counts(const struct source_live *ring)
{
    return &ring->counts;
}
