/* filter.c - BPF by libpcap, compiled when a link type is met first.
 *
 * Files may hold frames of several link types, and a program is good for one. The expression itself
 * is checked at open against Ethernet, so that a typing mistake is told before anything is read; an
 * expression that only another link type knows (wlan ...) is accepted when that one takes it. */
#include <pcap/pcap.h> /* first: it declares functions that the house bans */

#include "sensor/capture/filter.h"

enum { EXPRESSION_BYTES_MAX = 4096, SNAP_BYTES = FRAME_BYTES_MAX };

struct filter {
    char expression[EXPRESSION_BYTES_MAX];
    uint32_t count;
    struct {
        uint16_t link_type;
        bool compiled;
        struct bpf_program program;
    } links[FILTER_LINKS_MAX];
};

static bool compile(struct filter *filter, uint16_t link_type, struct bpf_program *out_program,
                    char *why, size_t why_bytes)
{
    pcap_t *dead = pcap_open_dead(source_link_dlt(link_type), SNAP_BYTES);
    if (dead == NULL) {
        (void)snprintf(why, why_bytes, "no memory");
        return false;
    }
    bool good = pcap_compile(dead, out_program, filter->expression, 1, PCAP_NETMASK_UNKNOWN) == 0;
    if (!good) {
        (void)snprintf(why, why_bytes, "%s", pcap_geterr(dead));
    }
    pcap_close(dead);
    return good;
}

enum status filter_open(const char *expression, struct filter **out_filter, struct error *error)
{
    static const uint16_t tried[] = {1, 105, 101}; /* Ethernet, 802.11, raw IP */
    if (strlen(expression) >= EXPRESSION_BYTES_MAX) {
        return error_set(error, STATUS_USAGE, "capture.filter", "the filter is too long");
    }
    struct filter *filter = calloc(1, sizeof *filter);
    if (filter == NULL) {
        return error_set(error, STATUS_FAILED, "capture.filter", "no memory for the filter");
    }
    memcpy(filter->expression, expression, strlen(expression) + 1);
    char why[PCAP_ERRBUF_SIZE] = "";
    char first[PCAP_ERRBUF_SIZE] = "";
    for (size_t i = 0; i < sizeof tried / sizeof tried[0]; i++) {
        struct bpf_program program;
        if (compile(filter, tried[i], &program, why, sizeof why)) {
            pcap_freecode(&program);
            *out_filter = filter;
            return STATUS_OK;
        }
        if (i == 0) {
            memcpy(first, why, sizeof first);
        }
    }
    free(filter);
    return error_set(error, STATUS_USAGE, "capture.filter", "'%s' is no filter: %s", expression,
                     first);
}

void filter_close(struct filter *filter)
{
    if (filter == NULL) {
        return;
    }
    for (uint32_t i = 0; i < filter->count; i++) {
        if (filter->links[i].compiled) {
            pcap_freecode(&filter->links[i].program);
        }
    }
    free(filter);
}

bool filter_matches(struct filter *filter, const struct captured *frame)
{
    uint32_t i = 0;
    while (i < filter->count && filter->links[i].link_type != frame->link_type) {
        i++;
    }
    if (i == FILTER_LINKS_MAX) {
        return true;
    }
    if (i == filter->count) {
        char why[PCAP_ERRBUF_SIZE];
        filter->count++;
        filter->links[i].link_type = frame->link_type;
        filter->links[i].compiled =
            compile(filter, frame->link_type, &filter->links[i].program, why, sizeof why);
    }
    if (!filter->links[i].compiled) {
        return false;
    }
    struct pcap_pkthdr head = {.caplen = frame->captured, .len = frame->wire_bytes};
    return pcap_offline_filter(&filter->links[i].program, &head, frame->at) != 0;
}
