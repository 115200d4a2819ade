/* sip_address.h - URIs, name-addr, tel numbers (RFC 3261 section 19.1 and 20.10, RFC 3966).
 *
 * Owns      nothing.
 * Borrows   the text.
 * Time      none.
 * Bounds    each parser walks its text once.
 * Errors    what is odd comes back as a set of anomaly kinds; what can be read is read.
 * Thread    any. */
#ifndef DECODERS_SIP_ADDRESS_H
#define DECODERS_SIP_ADDRESS_H

#include "base/text.h"
#include "decoders/sip.h"

/* Kinds found, at most 8 in order of discovery. */
struct sip_findings {
    uint8_t kinds[8];
    uint8_t count;
};

/* A URI in `text`; parts are offsets from `base` (text.at >= base). */
void sip_uri_decode(const char *base, struct slice text, struct sip_uri *out_uri,
                    struct sip_findings *findings);

struct sip_name_addr {
    struct part display; /* without quotes */
    struct sip_uri uri;
    struct part parameters; /* header parameters, from the first ; on */
    struct part tag; /* present and empty: at > 0, bytes == 0 */
    bool star; /* Contact: * */
};
/* One name-addr or addr-spec with its parameters. False: nothing that could be an address. */
bool sip_name_addr_decode(const char *base, struct slice text, struct sip_name_addr *out_address,
                          struct sip_findings *findings);

/* The output rule for users (docs/definitions.md): %XX decoded once to printable UTF-8; %00-%1F, %7F,
 * %25 and bytes that are no UTF-8 stay escaped, upper-case hex. */
void sip_user_print(struct text *text, struct slice user);
/* "sip:user@host" of an AOR: scheme sip, user as above, host folded to lower case, port and
 * parameters dropped (RFC 3261 section 10.3). tel: gives "tel:NUMBER" without visual separators. */
void sip_aor_print(struct text *text, struct slice user, struct slice host, enum sip_scheme scheme);

#endif
