/* call_view.c - why it is built so.
 *
 * Readers of a change want words and slices, memory wants few bytes: struct call is put together
 * from the cell and its texts when a change is told, a handful of times in a call's life. Views
 * rotate, so that the last CALL_VIEWS of them stay as they are. The phrase of a status is kept only
 * where it is not the usual one. */
#include "sensor/state/call_cell.h"

const char *call_view_phrase(uint16_t status)
{
    static const struct {
        uint16_t status;
        const char *phrase;
    } phrases[] = {
        {200, "OK"},
        {202, "Accepted"},
        {302, "Moved Temporarily"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {407, "Proxy Authentication Required"},
        {408, "Request Timeout"},
        {480, "Temporarily Unavailable"},
        {481, "Call/Transaction Does Not Exist"},
        {486, "Busy Here"},
        {487, "Request Terminated"},
        {488, "Not Acceptable Here"},
        {500, "Server Internal Error"},
        {503, "Service Unavailable"},
        {603, "Decline"},
    };

    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++) {
        if (phrases[i].status == status) {
            return phrases[i].phrase;
        }
    }
    return "";
}

static uint16_t bits_of(uint16_t bits)
{
    uint16_t count = 0;

    for (; bits != 0; bits = (uint16_t)(bits & (bits - 1U))) {
        count++;
    }
    return count;
}

static void view_texts(const struct call_table *table, const struct call_cell *cell,
                       struct call_view *view)
{
    struct slice fields[TEXT_COUNT] UNCLEARED;
    struct call *call = &view->call;

    call_text_get(table, cell, view, fields);
    call->call_id = fields[TEXT_CALL_ID];
    call->from_user = fields[TEXT_FROM_USER];
    call->from_host = fields[TEXT_FROM_HOST];
    call->from_tag = fields[TEXT_FROM_TAG];
    call->to_user = fields[TEXT_TO_USER];
    call->to_host = fields[TEXT_TO_HOST];
    call->to_tag = fields[TEXT_TO_TAG];
    call->uri = fields[TEXT_URI];
    call->auth_user = fields[TEXT_AUTH_USER];
    call->user_agent = fields[TEXT_USER_AGENT];
    call->session_id = fields[TEXT_SESSION_ID];
    call->replaces = fields[TEXT_REPLACES];
    call->reason = SLICE_NONE;
    if ((cell->flags & CELL_PHRASE) != 0) {
        call->reason = fields[TEXT_PHRASE];
    } else if (call->status != 0) {
        call->reason = slice_of_string(call_view_phrase(call->status));
    }
}

static void view_more(const struct call_table *table, const struct call_more *more,
                      struct call *call)
{
    call->ringing_ns = more->ringing_ns;
    call->media_last_ns = more->media_last_ns;
    call->q850 = more->q850;
    call->challenges = more->challenges;
    call->reinvites = more->reinvites;
    call->holds = more->holds;
    call->forks = more->forks;
    call->transfers = more->transfers;
    call->streams = more->streams;
    call->streams_open = more->streams_open;
    call->mos_min_milli = more->mos_min_milli;
    call->mos_sum_milli = more->mos_sum_milli;
    call->mos_count = more->mos_count;
    call->loss_ppm_max = more->loss_ppm_max;
    call->jitter_max_ns = more->jitter_max_ns;
    call->first_rtp_ns = more->first_rtp_ns;
    call->codec_count = more->codec_count;
    for (unsigned i = 0; i < more->codec_count; i++) {
        call->codecs[i] = more->codec_types[i];
        memcpy(call->codec_names[i], codec_at(&table->codecs, more->codec_numbers[i])->name,
               sizeof call->codec_names[i]);
    }
    call->security = more->security;
    call->dtmf_events = more->dtmf_events;
    call->sound = more->sound == 0 ? NULL : slab_at(&table->sounds, more->sound - 1);
}

static void view_flags(const struct call_cell *cell, struct call *call)
{
    uint32_t flags = cell->flags;

    call->seen_invite = (flags & CELL_INVITE) != 0;
    call->seen_final = (flags & CELL_FINAL) != 0;
    call->seen_ack = (flags & CELL_ACK) != 0;
    call->seen_bye = (flags & CELL_BYE) != 0;
    call->ended = (flags & CELL_OVER) != 0;
    call->partial = (flags & CELL_PARTIAL) != 0;
    call->has_credentials = (flags & CELL_CREDENTIALS) != 0;
    call->accepted_invalid = (flags & CELL_ACCEPTED_INVALID) != 0;
    call->invalid_only = (flags & CELL_INVALID_ONLY) != 0;
    call->held = (flags & (CELL_HELD_CALLER | CELL_HELD_CALLEE)) != 0;
    call->early_media = (flags & CELL_EARLY_MEDIA) != 0;
    call->given_up = (flags & CELL_GIVEN_UP) != 0;
    call->t38 = (flags & CELL_T38) != 0;
    call->media_both_ways = (flags & CELL_FROM_CALLER) != 0 && (flags & CELL_FROM_CALLEE) != 0;
    call->elsewhere = (flags & CELL_ELSEWHERE) != 0;
    call->one_way = (flags & CELL_REQUEST) == 0 || (flags & CELL_RESPONSE) == 0;
}

struct call *call_view_make(struct call_table *table, uint32_t index)
{
    const struct call_cell *cell = call_cell_at(table, index);
    struct call_view *view = &table->views[table->view_next++ % CALL_VIEWS];
    struct call *call = &view->call;

    *call = (struct call){
        .call_id_hash = table_hash_of(&table->cells, index),
        .number = cell->number,
        .started_ns = cell->started_ns,
        .answered_ns = cell->answered_ns,
        .ended_ns = cell->ended_ns,
        .last_ns = cell->last_ns,
        .ended_by = cell->ended_by,
        .end_reason = cell->end_reason,
        .transport = cell->transport,
        .hops = bits_of(cell->hop_bits),
        .retransmits = cell->retransmits,
        .interface = cell->interface,
        .vlan_outer = cell->vlan_outer,
        .caller = cell->caller,
        .callee = cell->callee,
        .cseq = cell->cseq,
    };
    call->outcome = (uint8_t)dialog_outcome(cell, &call->status);
    view_flags(cell, call);
    if (cell->more != 0) {
        view_more(table, call_more(table, cell), call);
    }
    view_texts(table, cell, view);
    return call;
}
