/* floor: an empty pcap_loop over a file, the yardstick for cost per packet. */
#include <pcap/pcap.h>
#include <stdio.h>

static unsigned long long packets;
static unsigned long long bytes;

static void see(unsigned char *user, const struct pcap_pkthdr *head, const unsigned char *at)
{
    (void)user;
    (void)at;
    packets++;
    bytes += head->caplen;
}

int main(int argc, char **argv)
{
    char why[PCAP_ERRBUF_SIZE];
    pcap_t *file = argc < 2 ? NULL : pcap_open_offline(argv[1], why);
    if (file == NULL) {
        fprintf(stderr, "usage: floor FILE.pcap\n");
        return 2;
    }
    pcap_loop(file, -1, see, NULL);
    pcap_close(file);
    printf("%llu packets, %llu bytes\n", packets, bytes);
    return 0;
}
