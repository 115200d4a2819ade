/* dialog_text.c - why it is built so.
 *
 * Which strings of a message a call keeps. Most stand in the first INVITE; later come the digest
 * user, the tag of the fork that answers, and a phrase where it is not the usual one. What repeats
 * another field is kept as a reference (call_text.c): the request URI mostly is the To. */
#include "sensor/state/call_cell.h"

#include "decoders/sip_header.h"

static struct slice text_of(const struct dialog_step *step, struct part part)
{
    return sip_part(step->message, part);
}

static bool uri_is_of_to(const struct dialog_step *step)
{
    const struct sip_message *message = step->message;
    struct slice uri = text_of(step, message->uri.whole);
    struct slice user = text_of(step, message->to.user);
    struct slice host = text_of(step, message->to.host);

    return slice_starts_with(uri, SLICE("sip:")) && uri.bytes == 5 + user.bytes + host.bytes &&
           user.bytes <= TEXT_FIELD_MAX && host.bytes <= TEXT_FIELD_MAX && user.bytes > 0 &&
           slice_equal(slice_part(uri, 4, 4 + user.bytes), user) && uri.at[4 + user.bytes] == '@' &&
           slice_equal(slice_from(uri, 5 + user.bytes), host);
}

static struct call_text_item item_of(const struct dialog_step *step, enum call_text field,
                                     struct part part)
{
    return (struct call_text_item){field, TEXT_END, text_of(step, part)};
}

/* The same, or a reference where it is the text of `as`. */
static struct call_text_item item_or_same(const struct dialog_step *step, enum call_text field,
                                          struct part part, enum call_text as, struct part as_part)
{
    struct call_text_item item = item_of(step, field, part);

    if (item.text.bytes > 0 && slice_equal(item.text, text_of(step, as_part))) {
        item.same_as = as;
    }
    return item;
}

void dialog_text_keep(struct dialog_step *step)
{
    const struct sip_message *message = step->message;
    bool response = sip_is_response(message);
    const struct call_text_item items[] = {
        item_of(step, TEXT_CALL_ID, message->call_id),
        item_of(step, TEXT_FROM_USER, message->from.user),
        item_of(step, TEXT_FROM_HOST, message->from.host),
        item_of(step, TEXT_FROM_TAG, message->from_tag),
        item_or_same(step, TEXT_TO_USER, message->to.user, TEXT_FROM_USER, message->from.user),
        item_or_same(step, TEXT_TO_HOST, message->to.host, TEXT_FROM_HOST, message->from.host),
        {TEXT_URI, uri_is_of_to(step) ? TEXT_TO_USER : TEXT_END, text_of(step, message->uri.whole)},
        item_of(step, TEXT_USER_AGENT, message->user_agent),
        item_of(step, TEXT_SESSION_ID, message->session_id),
        item_of(step, TEXT_REPLACES, message->replaces),
    };

    call_text_give(step->table, step->at);
    /* A response has no URI, and its User-Agent is the callee's. */
    call_text_put(step->table, step->at, items, response ? 6 : sizeof items / sizeof items[0]);
}

/* The phrase is kept only where it is not the RFC's own. */
void dialog_text_phrase(struct dialog_step *step)
{
    struct slice phrase = text_of(step, step->message->reason);

    step->at->flags &= ~(uint32_t)CELL_PHRASE;
    if (!slice_is_empty(phrase) &&
        !slice_equal(phrase, slice_of_string(call_view_phrase(step->message->status)))) {
        const struct call_text_item item = {TEXT_PHRASE, TEXT_END, phrase};
        call_text_put(step->table, step->at, &item, 1);
        step->at->flags |= CELL_PHRASE;
    }
}

void dialog_text_q850(struct dialog_step *step)
{
    uint16_t cause = sip_q850(step->message);

    if (cause != 0) {
        call_more_take(step->table, step->at)->q850 = cause;
    }
}

void dialog_text_credentials(struct dialog_step *step)
{
    const struct call_text_item item =
        item_or_same(step, TEXT_AUTH_USER, step->message->auth_username, TEXT_FROM_USER,
                     step->message->from.user);

    call_text_put(step->table, step->at, &item, 1);
}

void dialog_text_to_tag(struct dialog_step *step)
{
    const struct call_text_item item = item_of(step, TEXT_TO_TAG, step->message->to_tag);

    call_text_put(step->table, step->at, &item, 1);
}
