/* response_target.h - whom a response is done to: exactly one address, account or number.
 *
 * Owns      nothing: plain memory of the caller.
 * Borrows   the text during the call.
 * Time      none.
 * Bounds    RESPONSE_VALUE_BYTES of text.
 * Errors    a text that is not exactly one target is a false return.
 * Thread    any. */
#ifndef OUTPUTS_RESPONSE_TARGET_H
#define OUTPUTS_RESPONSE_TARGET_H

#include "base/addr.h"

enum { RESPONSE_VALUE_BYTES = 256 };

/* Words of the configuration are in the order of this list: see response_target_words. */
enum response_target_type {
    RESPONSE_TARGET_NONE,
    RESPONSE_TARGET_IP,
    RESPONSE_TARGET_ACCOUNT,
    RESPONSE_TARGET_NUMBER,
    RESPONSE_TARGET_TYPES
};

struct response_target {
    uint8_t type; /* enum response_target_type */
    struct addr addr; /* of an ip */
    char value[RESPONSE_VALUE_BYTES]; /* as a hook is told; "" of none */
};

const char *response_target_word(enum response_target_type type); /* "none", "ip" ... */
/* The type of that word; RESPONSE_TARGET_TYPES where there is none. */
enum response_target_type response_target_of_word(struct slice word);
/* One address without a mask, an account user@host, a number of digits; none takes "" only. An IPv4
 * address that is written as IPv6 becomes IPv4. */
MUST_USE bool response_target_parse(enum response_target_type type, struct slice text,
                                    struct response_target *out_target);
void response_target_of_addr(const struct addr *addr, struct response_target *out_target);
bool response_target_equal(const struct response_target *one, const struct response_target *other);

#endif
