/* What a hook says: first byte which reader, then the text. Targets that come out of it are exact ones. */
#include "tests/fuzz/fuzz.h"

#include "outputs/hook_answer.h"

static struct hook_listed items[HOOK_LISTED_MAX];

static void list(struct slice text)
{
    struct response_target again;
    uint32_t count = 0;

    if (hook_answer_list(text, items, &count)) {
        for (uint32_t i = 0; i < count; i++) {
            const struct response_target *target = &items[i].target;
            bool parsed = response_target_parse((enum response_target_type)target->type,
                                                slice_of_string(target->value), &again);
            assert(parsed && response_target_equal(target, &again));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t bytes)
{
    struct hook_check check;
    bool applied;
    bool verified;

    if (bytes == 0) {
        return 0;
    }
    struct slice text = slice_of(at + 1, bytes - 1);
    switch (at[0] % 3) {
    case 0:
        if (hook_answer_check(text, &check)) {
            assert(memchr(check.error, 0, sizeof check.error) != NULL);
        }
        break;
    case 1:
        if (!hook_answer_done(text, &applied, &verified)) {
            assert(!applied && !verified);
        }
        break;
    default:
        list(text);
        break;
    }
    return 0;
}
