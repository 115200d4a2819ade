/* resend.c - messages in a row; when the row reaches its end, what is still kept moves to the front.
 *
 *   [    gone    | size head text | size head text | ...      |      free      ]
 *                ^ first           ^ given                    ^ end
 *
 * The row is twice as long as what may be kept, so a byte moves at most once for each byte that
 * comes. */
#include "outputs/resend.h"

struct sizes {
    uint32_t head;
    uint32_t text;
};

struct resend {
    size_t bytes_max;
    size_t first;
    size_t given; /* the next to give; `end` = none */
    size_t end;
    char row[];
};

enum status resend_open(size_t bytes_max, struct resend **out_resend, struct error *error)
{
    struct resend *resend = calloc(1, sizeof *resend + 2 * bytes_max);

    if (resend == NULL) {
        return error_set(error, STATUS_FAILED, "", "no memory for messages to send again");
    }
    resend->bytes_max = bytes_max;
    *out_resend = resend;
    return STATUS_OK;
}

void resend_close(struct resend *resend)
{
    free(resend);
}

static size_t message_bytes(const struct resend *resend, size_t at)
{
    struct sizes sizes;

    memcpy(&sizes, resend->row + at, sizeof sizes);
    return sizeof sizes + sizes.head + sizes.text;
}

void resend_keep(struct resend *resend, struct slice head, struct slice text)
{
    struct sizes sizes = {.head = (uint32_t)head.bytes, .text = (uint32_t)text.bytes};
    size_t bytes = sizeof sizes + head.bytes + text.bytes;

    assert(resend->given == resend->end);
    while (resend->first < resend->end && resend->end - resend->first + bytes > resend->bytes_max) {
        resend->first += message_bytes(resend, resend->first);
    }
    if (bytes <= resend->bytes_max) {
        if (resend->end + bytes > 2 * resend->bytes_max) {
            memmove(resend->row, resend->row + resend->first, resend->end - resend->first);
            resend->end -= resend->first;
            resend->first = 0;
        }
        char *at = resend->row + resend->end;
        memcpy(at, &sizes, sizeof sizes);
        memcpy(at + sizeof sizes, head.at, head.bytes);
        memcpy(at + sizeof sizes + head.bytes, text.at, text.bytes);
        resend->end += bytes;
    }
    resend->given = resend->end;
}

void resend_begin(struct resend *resend)
{
    resend->given = resend->first;
}

bool resend_next(struct resend *resend, struct slice *out_head, struct slice *out_text)
{
    struct sizes sizes;

    if (resend->given == resend->end) {
        return false;
    }
    const char *at = resend->row + resend->given;
    memcpy(&sizes, at, sizeof sizes);
    *out_head = slice_of(at + sizeof sizes, sizes.head);
    *out_text = slice_of(at + sizeof sizes + sizes.head, sizes.text);
    resend->given += message_bytes(resend, resend->given);
    return true;
}
