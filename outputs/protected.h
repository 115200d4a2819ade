/* protected.h - the never-block list: whom no response may touch, and why.
 *
 * Owns      its entries.
 * Borrows   texts during a call; reasons are copied.
 * Time      none.
 * Bounds    PROTECTED_MAX entries of each kind; what does not fit is refused, and no auto starts.
 * Errors    add: false, the list is full.
 * Thread    one at a time.
 *
 * Asked with parsed targets: an address is compared as bits, never as text. */
#ifndef OUTPUTS_PROTECTED_H
#define OUTPUTS_PROTECTED_H

#include "base/option.h"
#include "outputs/response_target.h"

enum { PROTECTED_MAX = 1024, PROTECTED_WHY_BYTES = 96 };

struct protected_list;

/* One entry by itself. Plain memory: it crosses to the response process. */
enum protected_kind { PROTECTED_NETWORK, PROTECTED_ACCOUNT, PROTECTED_NUMBER, PROTECTED_KINDS };
struct protected_entry {
    uint32_t kind; /* enum protected_kind */
    struct prefix prefix; /* of a network */
    char text[RESPONSE_VALUE_BYTES]; /* why, of a network; else the name */
};

MUST_USE enum status protected_open(struct protected_list **out_list, struct error *error);
void protected_close(struct protected_list *list);
/* `why`: a noun phrase for the record, "the default gateway". A prefix that is there already is not
 * put twice. */
MUST_USE bool protected_add(struct protected_list *list, const struct prefix *prefix,
                            const char *why);
/* An account user@host, or a user at any host; a number. What is there already is not put twice. */
MUST_USE bool protected_add_account(struct protected_list *list, struct slice account);
MUST_USE bool protected_add_number(struct protected_list *list, struct slice number);
/* Private networks that may be touched all the same. */
void protected_allow(struct protected_list *list, const struct option_networks *networks);
/* Why the target is on the list; NULL = it is not. Valid as long as the list. */
const char *protected_why(const struct protected_list *list, const struct response_target *target);
/* Tells each entry of `wanted` that `list` has not, until one is not taken: false, and so is the
 * whole. What of `list` is not in `wanted` is counted. */
MUST_USE bool protected_missing(const struct protected_list *list,
                                const struct protected_list *wanted,
                                bool (*take)(void *owner, const struct protected_entry *entry),
                                void *owner, uint32_t *out_more);
MUST_USE bool protected_add_entry(struct protected_list *list, const struct protected_entry *entry);
/* Networks that were added: none means that nobody said what must be kept. */
uint32_t protected_networks(const struct protected_list *list);

#endif
