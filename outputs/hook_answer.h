/* hook_answer.h - what a hook said on its standard output.
 *
 * Owns      nothing.
 * Borrows   the text during the call.
 * Time      none.
 * Bounds    HOOK_LISTED_MAX targets of a list; more is a bad answer.
 * Errors    an answer that is not what docs/hooks.md says is a false return.
 * Thread    any. */
#ifndef OUTPUTS_HOOK_ANSWER_H
#define OUTPUTS_HOOK_ANSWER_H

#include "outputs/response_target.h"

enum { HOOK_LISTED_MAX = 2048, HOOK_WHY_BYTES = 512 };

struct hook_check {
    bool ok;
    bool changes; /* it changes the world, and what it does can be taken back */
    bool targets[RESPONSE_TARGET_TYPES]; /* what it can be asked to act on */
    char error[HOOK_WHY_BYTES]; /* printable */
};

struct hook_listed {
    struct response_target target;
    uint64_t expires_s; /* 0 = not known */
};

MUST_USE bool hook_answer_check(struct slice output, struct hook_check *out_check);
/* of apply and revoke; what is missing is false */
MUST_USE bool hook_answer_done(struct slice output, bool *out_applied, bool *out_verified);
/* A target that is not exactly one is left out: nobody can have asked for it. */
MUST_USE bool hook_answer_list(struct slice output, struct hook_listed *out_items,
                               uint32_t *out_count);

#endif
