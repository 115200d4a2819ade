/* dialog.c - why it is built so.
 *
 * A tap sees the same INVITE on several hops, in several forks, again with credentials, and now and
 * then behind its own answer. All of it is one call (docs/definitions.md); what a message means
 * is decided here from the message and the call's cell alone, never from addresses.
 *
 *   INVITE without To tag    begins it, or is another round, hop or branch of it
 *   1xx                      rings; To tags beyond the first are forks
 *   2xx                      answers it, whatever was seen before (a CANCEL may cross it)
 *   3xx-6xx                  ends it once no INVITE transaction is open; another INVITE reopens it
 *   BYE                      ends it, unless it is for a fork that lost
 *
 * The outcome is that of docs/definitions.md, first that holds: a 2xx; 487 as last final or a CANCEL
 * without one; a final of 300 or more, or a challenge that nobody answered; a provisional; an
 * attempt. It is computed from three values when it is asked for: no state can contradict it.
 *
 * Invalid requests (verdict X) do nothing by themselves. An invalid INVITE waits 32 s and becomes a
 * call as soon as its answer shows that the addressed element took it (section 3); an invalid BYE
 * counts when it is answered with 200.
 *
 * Limits: a challenge is told from a late copy of one by its CSeq; an INVITE whose transaction is
 * unknown (no branch) counts as closed by the first final answer. */
#include "sensor/state/call_cell.h"

#include "decoders/sip_header.h"

bool dialog_is_first_invite(const struct sip_message *message)
{
    return !sip_is_response(message) && message->method == SIP_METHOD_INVITE &&
           message->to_tag.bytes == 0;
}

uint32_t dialog_tag_of(uint64_t hash)
{
    return hash == 0 ? 0 : (uint32_t)hash == 0 ? 1 : (uint32_t)hash;
}

static uint32_t from_tag_of(const struct dialog_step *step)
{
    return dialog_tag_of(step->sip->keys.from_tag);
}

static uint32_t to_tag_of(const struct dialog_step *step)
{
    return dialog_tag_of(step->sip->keys.to_tag);
}

static const struct call_more *more_of(const struct dialog_step *step)
{
    return call_more(step->table, step->at);
}

static struct call_more *more_for_writing(const struct dialog_step *step)
{
    return call_more_take(step->table, step->at);
}

bool dialog_from_caller(const struct call_cell *cell, const struct sip_sighting *sip)
{
    uint32_t from = dialog_tag_of(sip->keys.from_tag);
    uint32_t to = dialog_tag_of(sip->keys.to_tag);
    bool request_by_caller = from == cell->from_tag || to == 0 || to != cell->from_tag;

    return sip_is_response(&sip->message) ? !request_by_caller : request_by_caller;
}

enum call_outcome dialog_outcome(const struct call_cell *cell, uint16_t *out_status)
{
    *out_status = 0;
    if ((cell->flags & CELL_INVALID_ONLY) != 0) {
        return CALL_ATTEMPTED;
    }
    if (cell->answered_ns != 0) {
        *out_status = cell->status;
        return CALL_ANSWERED;
    }
    if (cell->status == 487 || ((cell->flags & CELL_CANCEL) != 0 && cell->status == 0)) {
        *out_status = cell->status;
        return CALL_CANCELLED;
    }
    if (cell->challenge != 0 || cell->status != 0) {
        *out_status = cell->challenge != 0 ? cell->challenge : cell->status;
        return CALL_FAILED;
    }
    return (cell->flags & CELL_PROVISIONAL) != 0 ? CALL_RINGING : CALL_ATTEMPTED;
}

/* --- requests --- */

static uint16_t hop_bit(uint16_t vias)
{
    unsigned hop = vias == 0 ? 0 : vias - 1U;
    return (uint16_t)(1U << (hop > 15 ? 15 : hop));
}

/* A call that was over without a BYE goes on: another round, another branch, a late 200. */
static void reopen(struct dialog_step *step)
{
    struct call_cell *cell = step->at;

    if ((cell->flags & CELL_OVER) != 0) {
        cell->flags &= ~(uint32_t)CELL_OVER;
        cell->ended_ns = 0;
        cell->ended_by = CALL_ENDED_BY_NOBODY;
        cell->end_reason = CALL_END_OWN;
    }
}

/* Each once, in their order; what came before its request is told behind it. */
static void tell_progress(struct dialog_step *step)
{
    struct call_cell *cell = step->at;

    if ((cell->flags & CELL_TOLD) != 0) {
        return;
    }
    cell->flags |= CELL_STARTED;
    call_tell(step->table, step->cell, CHANGE_CALL_STARTED, false);
    if (more_of(step)->ringing_ns != 0) {
        call_tell(step->table, step->cell, CHANGE_CALL_RINGING, false);
    }
    if (cell->answered_ns != 0) {
        call_tell(step->table, step->cell, CHANGE_CALL_ANSWERED, false);
    }
}

static void begin(struct dialog_step *step)
{
    struct call_cell *cell = step->at;
    const struct sighting *head = &step->sip->head;
    bool invalid = step->message->verdict == SIP_INVALID;
    bool answered = (cell->flags & CELL_RESPONSE) != 0;

    dialog_text_keep(step);
    cell->flags &= ~(uint32_t)CELL_PARTIAL;
    cell->flags |= CELL_INVITE;
    cell->number = sighting_number(head);
    cell->started_ns = step->table->now_ns;
    uint64_t ringing_ns = more_of(step)->ringing_ns;
    if (ringing_ns != 0 && ringing_ns < cell->started_ns) {
        cell->started_ns = ringing_ns;
    }
    if (cell->answered_ns != 0 && cell->answered_ns < cell->started_ns) {
        cell->started_ns = cell->answered_ns;
    }
    cell->from_tag = from_tag_of(step);
    cell->caller = (struct endpoint){head->source, head->source_port};
    cell->callee = (struct endpoint){head->destination, head->destination_port};
    cell->transport = head->transport;
    cell->interface = head->interface;
    cell->vlan_outer = head->vlan_outer;
    if (invalid && !answered) {
        cell->flags |= CELL_INVALID_ONLY;
        call_queue_move(step->table, step->cell, QUEUE_RETRY);
        return;
    }
    if (invalid) {
        cell->flags |= CELL_ACCEPTED_INVALID;
    }
    if (cell->answered_ns == 0 && (cell->flags & CELL_OVER) == 0) {
        call_queue_move(step->table, step->cell, QUEUE_SETUP);
    }
    tell_progress(step);
}

static void keep_credentials(struct dialog_step *step)
{
    struct call_cell *cell = step->at;

    if ((cell->flags & CELL_CREDENTIALS) == 0) {
        dialog_text_credentials(step);
    }
    cell->flags |= CELL_CREDENTIALS;
    more_for_writing(step)->credentials_cseq = step->message->cseq;
    cell->challenge = 0;
}

static void count_invite(struct dialog_step *step)
{
    if (!step->transaction->is_retransmission && step->transaction->transaction != NULL &&
        step->at->invites_open < UINT8_MAX) {
        step->at->invites_open++;
    }
}

static void see_first_invite(struct dialog_step *step)
{
    struct call_cell *cell = step->at;
    const struct sip_message *message = step->message;
    bool valid = message->verdict != SIP_INVALID;
    bool known = (cell->flags & CELL_INVITE) != 0;
    bool copy = step->transaction->is_retransmission ||
                (step->transaction->transaction == NULL && known && message->cseq == cell->cseq);

    if (!known) {
        begin(step);
    } else if (!valid) {
        return;
    } else if ((cell->flags & CELL_INVALID_ONLY) != 0) {
        cell->flags &= ~(uint32_t)CELL_INVALID_ONLY;
        call_queue_move(step->table, step->cell, QUEUE_SETUP);
        tell_progress(step);
    } else if (cell->answered_ns == 0 && !copy && (cell->flags & (CELL_TOLD | CELL_BYE)) == 0) {
        reopen(step);
        call_queue_move(step->table, step->cell, QUEUE_SETUP);
    }
    cell->hop_bits |= hop_bit(message->vias);
    if (!known || message->cseq > cell->cseq) {
        cell->cseq = message->cseq;
    }
    count_invite(step);
    if ((message->flags & SIP_FLAG_CREDENTIALS) != 0) {
        keep_credentials(step);
    }
}

/* CSeq and side: hop copies and retransmissions of one request have the same. */
static bool is_counted(struct dialog_step *step)
{
    uint32_t side = dialog_from_caller(step->at, step->sip) ? 1 : 2;
    uint32_t mark = step->message->cseq << 2 | side;
    struct call_more *more = more_for_writing(step);
    bool counted = more->mark == mark;

    more->mark = mark;
    return counted || step->transaction->is_retransmission;
}

static void count_up(uint16_t *count)
{
    *count = *count == UINT16_MAX ? UINT16_MAX : (uint16_t)(*count + 1);
}

/* The tag that is not the caller's belongs to a fork that did not win. */
static bool is_of_lost_fork(const struct dialog_step *step)
{
    uint32_t from = from_tag_of(step);
    uint32_t other = from == step->at->from_tag ? to_tag_of(step) : from;

    for (unsigned i = 0; i < CALL_FORK_TAGS && other != step->at->to_tag; i++) {
        if (other != 0 && more_of(step)->fork_tags[i] == other) {
            return true;
        }
    }
    return false;
}

static void see_bye(struct dialog_step *step, bool by_caller)
{
    step->at->flags |= CELL_BYE;
    dialog_text_q850(step);
    if ((step->at->flags & CELL_OVER) == 0 || step->at->answered_ns == 0) {
        call_over(step->table, step->cell, by_caller ? CALL_ENDED_BY_CALLER : CALL_ENDED_BY_CALLEE,
                  CALL_END_OWN, step->table->now_ns, QUEUE_SOON);
    }
}

static void see_cancel(struct dialog_step *step)
{
    struct call_cell *cell = step->at;

    call_sound_goes_on(step);
    call_sound_cancel(step);
    cell->flags |= CELL_CANCEL;
    dialog_text_q850(step);
    if (cell->answered_ns == 0 && (cell->flags & (CELL_OVER | CELL_TOLD)) == 0) {
        call_queue_move(step->table, step->cell, QUEUE_RETRY);
    }
}

/* A fork that lost is told to go, and its call stays. */
static void see_bye_request(struct dialog_step *step)
{
    bool by_caller = dialog_from_caller(step->at, step->sip);

    if (step->at->answered_ns != 0 && is_of_lost_fork(step)) {
        return;
    }
    call_sound_bye(step, by_caller);
    if ((step->at->flags & CELL_BYE) == 0) {
        see_bye(step, by_caller);
    }
}

static void see_request(struct dialog_step *step)
{
    const struct sip_message *message = step->message;

    if (dialog_is_first_invite(message)) {
        see_first_invite(step);
        return;
    }
    if (message->verdict == SIP_INVALID) {
        return;
    }
    switch (message->method) {
    case SIP_METHOD_INVITE:
        count_invite(step);
        if (!is_counted(step)) {
            count_up(&more_for_writing(step)->reinvites);
        }
        break;
    case SIP_METHOD_ACK:
        step->at->flags |= CELL_ACK;
        call_sound_ack(step);
        break;
    case SIP_METHOD_CANCEL:
        see_cancel(step);
        break;
    case SIP_METHOD_BYE:
        see_bye_request(step);
        break;
    case SIP_METHOD_PRACK:
    case SIP_METHOD_UPDATE:
        call_sound_goes_on(step);
        break;
    case SIP_METHOD_REFER:
        if (!is_counted(step)) {
            count_up(&more_for_writing(step)->transfers);
        }
        break;
    default:
        break;
    }
}

/* --- responses --- */

static void note_to_tag(struct dialog_step *step)
{
    struct call_cell *cell = step->at;
    uint32_t tag = to_tag_of(step);

    if (tag == 0 || tag == cell->from_tag || (cell->to_tag == tag)) {
        return;
    }
    if ((cell->flags & CELL_TO_TAG) == 0) {
        cell->to_tag = tag;
        cell->flags |= CELL_TO_TAG;
        return;
    }
    struct call_more *more = more_for_writing(step);
    for (unsigned i = 0; i < CALL_FORK_TAGS; i++) {
        if (more->fork_tags[i] == tag) {
            return;
        }
        if (more->fork_tags[i] == 0) {
            more->fork_tags[i] = tag;
            more->forks++;
            return;
        }
    }
}

static void see_provisional(struct dialog_step *step)
{
    struct call_cell *cell = step->at;

    note_to_tag(step);
    cell->flags |= CELL_PROVISIONAL;
    if (step->message->status == 199) {
        return;
    }
    bool early = step->sip->has_sdp && (cell->flags & CELL_EARLY_MEDIA) == 0;
    bool first = more_of(step)->ringing_ns == 0;
    if (first) {
        more_for_writing(step)->ringing_ns = step->table->now_ns;
    }
    if (early) {
        cell->flags |= CELL_EARLY_MEDIA;
    }
    if ((first || early) && (cell->flags & (CELL_STARTED | CELL_TOLD)) == CELL_STARTED) {
        call_tell(step->table, step->cell, CHANGE_CALL_RINGING, false);
    }
}

/* The fork that answers becomes the dialog; the one noted before it is a lost one then. */
static void win(struct dialog_step *step)
{
    struct call_cell *cell = step->at;
    uint32_t tag = to_tag_of(step);

    note_to_tag(step);
    if (tag == 0 || tag == cell->from_tag) {
        return;
    }
    for (unsigned i = 0; i < CALL_FORK_TAGS; i++) {
        if (more_of(step)->fork_tags[i] == tag) {
            more_for_writing(step)->fork_tags[i] = cell->to_tag;
        }
    }
    cell->to_tag = tag;
    dialog_text_to_tag(step);
}

static void keep_session(struct dialog_step *step)
{
    uint32_t seconds;

    if ((step->message->flags & SIP_FLAG_SESSION) == 0) {
        return;
    }
    struct slice rest = sip_value(step->message, SIP_HEADER_SESSION_EXPIRES);
    if (slice_u32(slice_trim(slice_split(&rest, ';')), &seconds)) {
        more_for_writing(step)->session_s = seconds > UINT16_MAX ? UINT16_MAX : (uint16_t)seconds;
    }
}

static void see_answer(struct dialog_step *step)
{
    struct call_cell *cell = step->at;

    if (!step->transaction->is_retransmission) {
        keep_session(step);
    }
    if (cell->answered_ns != 0) {
        note_to_tag(step);
        call_sound_path(step, false);
        return;
    }
    win(step);
    call_sound_path(step, true);
    cell->answered_ns = step->table->now_ns;
    cell->status = step->message->status;
    cell->challenge = 0;
    cell->flags |= CELL_FINAL;
    dialog_text_phrase(step);
    table_strengthen(&step->table->cells, step->cell);
    if ((cell->flags & (CELL_BYE | CELL_TOLD)) == 0) {
        reopen(step);
        call_queue_move(step->table, step->cell, QUEUE_UP);
    }
    if ((cell->flags & (CELL_STARTED | CELL_TOLD)) == CELL_STARTED) {
        call_tell(step->table, step->cell, CHANGE_CALL_ANSWERED, false);
    }
}

/* After some the caller may try again with the same Call-ID (RFC 3261 section 8.1.3.5), and people
 * who are asked for a password take their time. */
static enum call_queue_kind queue_after(uint16_t status)
{
    switch (status) {
    case 401:
    case 407:
        return QUEUE_CHALLENGE;
    case 413:
    case 415:
    case 416:
    case 420:
    case 421:
    case 422:
    case 484:
    case 488:
    case 491:
    case 494:
    case 500:
    case 503:
        return QUEUE_RETRY;
    default:
        return status < 400 ? QUEUE_RETRY : QUEUE_SOON;
    }
}

static enum call_ended_by refused_by(const struct call_cell *cell)
{
    switch (cell->status) {
    case 480:
    case 486:
    case 600:
    case 603:
    case 606:
        return CALL_ENDED_BY_CALLEE;
    case 487:
        return CALL_ENDED_BY_CALLER;
    default:
        return (cell->flags & CELL_CANCEL) != 0 ? CALL_ENDED_BY_CALLER : CALL_ENDED_BY_NETWORK;
    }
}

static void see_refusal(struct dialog_step *step)
{
    struct call_cell *cell = step->at;
    uint16_t status = step->message->status;
    bool old = step->message->cseq < cell->cseq; /* of an earlier round: a late copy, mostly */

    if (old && cell->status != 0) {
        return;
    }
    if (status == 401 || status == 407) {
        if (!step->transaction->is_retransmission) {
            count_up(&more_for_writing(step)->challenges);
        }
        if ((cell->flags & CELL_CREDENTIALS) == 0 ||
            step->message->cseq >= more_of(step)->credentials_cseq) {
            cell->challenge = status;
        }
    } else {
        cell->status = status;
        cell->challenge = 0;
    }
    cell->flags |= CELL_FINAL;
    dialog_text_phrase(step);
    dialog_text_q850(step);
    if (!old && (cell->flags & (CELL_TOLD | CELL_BYE)) == 0 &&
        (cell->invites_open == 0 || step->transaction->transaction == NULL)) {
        call_over(step->table, step->cell, refused_by(cell), CALL_END_OWN, step->table->now_ns,
                  queue_after(status));
    }
}

/* An invalid INVITE that the addressed element takes all the same; false: it does not. */
static bool promote(struct dialog_step *step)
{
    uint16_t status = step->message->status;

    if (!step->transaction->promoted &&
        (status == 400 || status == 416 || status == 481 || (status >= 500 && status < 600))) {
        return false;
    }
    step->at->flags &= ~(uint32_t)CELL_INVALID_ONLY;
    step->at->flags |= CELL_ACCEPTED_INVALID;
    call_queue_move(step->table, step->cell, QUEUE_SETUP);
    tell_progress(step);
    return true;
}

/* 481 or 408 to a request inside the dialog ends it (RFC 3261 section 12.2.1.2). */
static void see_refusal_inside(struct dialog_step *step)
{
    struct call_cell *cell = step->at;
    uint16_t status = step->message->status;
    const struct call_more *more = more_of(step);
    bool inside = step->message->cseq_method == SIP_METHOD_UPDATE ||
                  (more->reinvites > 0 && (more->mark & 3) != 0 &&
                   more->mark >> 2 == (step->message->cseq & UINT32_MAX >> 2));

    if (inside && (status == 481 || status == 408) && (cell->flags & CELL_OVER) == 0) {
        uint64_t ended_ns =
            more->media_last_ns > cell->answered_ns ? more->media_last_ns : step->table->now_ns;
        call_over(step->table, step->cell, CALL_ENDED_BY_NETWORK, CALL_END_INFERRED, ended_ns,
                  QUEUE_SOON);
    }
}

static void see_response_to_invite(struct dialog_step *step)
{
    struct call_cell *cell = step->at;
    uint16_t status = step->message->status;

    if (step->transaction->is_first_final && cell->invites_open > 0) {
        cell->invites_open--;
    }
    if (status == 0 || ((cell->flags & CELL_INVALID_ONLY) != 0 && !promote(step))) {
        return;
    }
    if (status > 100 && status < 200) {
        see_provisional(step);
    } else if (status >= 200 && status < 300) {
        see_answer(step);
    } else if (status >= 300 && cell->answered_ns != 0) {
        see_refusal_inside(step);
    } else if (status >= 300) {
        see_refusal(step);
    }
}

static void see_response(struct dialog_step *step)
{
    const struct sip_message *message = step->message;
    bool success = message->status >= 200 && message->status < 300;

    switch (message->cseq_method) {
    case SIP_METHOD_INVITE:
        see_response_to_invite(step);
        break;
    case SIP_METHOD_UPDATE:
        if (success) {
            call_sound_path(step, false);
        }
        if (success && !step->transaction->is_retransmission) {
            keep_session(step);
        } else if (step->at->answered_ns != 0) {
            see_refusal_inside(step);
        }
        break;
    case SIP_METHOD_BYE:
        /* The BYE itself was not seen, or was invalid and taken all the same. */
        if (success && step->at->answered_ns != 0 && is_of_lost_fork(step)) {
            break;
        }
        if (success && (step->at->flags & CELL_BYE) == 0) {
            see_bye(step, !dialog_from_caller(step->at, step->sip));
        }
        if (success) {
            call_sound_bye_accepted(step);
        }
        break;
    default:
        break;
    }
}

void dialog_see(struct dialog_step *step)
{
    struct call_cell *cell = step->at;
    bool response = sip_is_response(step->message);

    if (step->fresh && !dialog_is_first_invite(step->message)) {
        cell->flags |= CELL_PARTIAL;
        cell->from_tag = from_tag_of(step);
        dialog_text_keep(step);
        call_queue_move(step->table, step->cell, QUEUE_SETUP);
    }
    if (response) {
        see_response(step);
    } else {
        see_request(step);
    }
    cell->flags |= response ? CELL_RESPONSE : CELL_REQUEST;
    cell->last_ns = step->table->now_ns;
    if (step->transaction->is_retransmission) {
        count_up(&cell->retransmits);
    }
}
