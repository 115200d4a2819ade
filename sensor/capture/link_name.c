/* link_name.c - names of link types for people, from libpcap.
 *
 * libpcap names DLT_ values, files hold LINKTYPE_ values. They are the same numbers but for a few
 * old ones that systems numbered differently before the two were parted; libpcap keeps its mapping
 * to itself, so those few stand here. */
#include <pcap/pcap.h> /* first: it declares functions that the house bans */

#include "sensor/capture/source.h"

/* clang-format off */
static const struct { uint16_t link_type; int dlt; } differing[] = {
    {100, DLT_ATM_RFC1483},
    {101, DLT_RAW},
    {102, DLT_SLIP_BSDOS},
    {103, DLT_PPP_BSDOS},
    {106, DLT_ATM_CLIP},
    {246, DLT_PFSYNC},
};
/* clang-format on */

int source_link_dlt(uint16_t link_type)
{
    for (size_t i = 0; i < sizeof(differing) / sizeof(differing[0]); i++) {
        if (differing[i].link_type == link_type) {
            return differing[i].dlt;
        }
    }
    return link_type;
}

uint16_t source_link_of_dlt(int dlt)
{
    for (size_t i = 0; i < sizeof(differing) / sizeof(differing[0]); i++) {
        if (differing[i].dlt == dlt) {
            return differing[i].link_type;
        }
    }
    return (uint16_t)dlt;
}

const char *source_link_name(uint16_t link_type)
{
    static _Thread_local char unknown[sizeof("LINKTYPE 65535")];

    const char *name = pcap_datalink_val_to_name(source_link_dlt(link_type));
    if (name == NULL) {
        (void)snprintf(unknown, sizeof(unknown), "LINKTYPE %u", (unsigned)link_type);
        name = unknown;
    }
    return name;
}
