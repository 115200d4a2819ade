/* hook_answer.c - three small objects, read without believing them. */
#include "outputs/hook_answer.h"

#include "outputs/json_read.h"

bool hook_answer_check(struct slice output, struct hook_check *out_check)
{
    struct json_value whole = json_read(output);
    struct json_value targets = json_member(whole, "targets");
    struct json_value item;
    size_t at = 0;

    if (whole.kind != JSON_OBJECT) {
        return false;
    }
    *out_check = (struct hook_check){.ok = json_member(whole, "ok").kind == JSON_TRUE,
                                     .changes = json_member(whole, "changes").kind != JSON_FALSE};
    out_check->targets[RESPONSE_TARGET_NONE] = !out_check->changes;
    while (json_item(targets, &at, &item)) {
        enum response_target_type type = response_target_of_word(item.text);
        if (type < RESPONSE_TARGET_TYPES) {
            out_check->targets[type] = true;
        }
    }
    struct text error = text_into(out_check->error, sizeof out_check->error - 1);
    text_printable(&error, slice_part(json_member(whole, "error").text, 0, HOOK_WHY_BYTES / 4));
    return true;
}

bool hook_answer_done(struct slice output, bool *out_applied, bool *out_verified)
{
    struct json_value whole = json_read(output);

    *out_applied = json_member(whole, "applied").kind == JSON_TRUE;
    *out_verified = json_member(whole, "verified").kind == JSON_TRUE;
    return whole.kind == JSON_OBJECT;
}

bool hook_answer_list(struct slice output, struct hook_listed *out_items, uint32_t *out_count)
{
    struct json_value targets = json_member(json_read(output), "targets");
    struct json_value item;
    size_t at = 0;

    *out_count = 0;
    if (targets.kind != JSON_ARRAY) {
        return false;
    }
    while (json_item(targets, &at, &item)) {
        enum response_target_type type = response_target_of_word(json_member(item, "type").text);
        struct hook_listed listed = {.expires_s = 0};
        if (type == RESPONSE_TARGET_NONE || type >= RESPONSE_TARGET_TYPES ||
            !response_target_parse(type, json_member(item, "value").text, &listed.target)) {
            continue;
        }
        if (*out_count == HOOK_LISTED_MAX) {
            return false;
        }
        (void)json_whole(json_member(item, "expires_s"), &listed.expires_s);
        out_items[(*out_count)++] = listed;
    }
    return true;
}
