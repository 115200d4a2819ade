/* call_cell.h - what a call really occupies; for call.c, call_text.c, dialog.c, media.c and
 * endpoint.c alone.
 *
 * Owns      nothing: cells belong to the call table.
 * Borrows   nothing.
 * Time      state time, ns.
 * Bounds    a cell is 144 bytes, what comes with an answer 104 more; texts stand in chunks of 32, at
 *           most CALL_TEXT_BYTES of them.
 * Errors    none.
 * Thread    the analyst's.
 *
 *   cell     144 + 32 (table) + 16 (index); an in-dialog message touches its first 64 bytes
 *   more     104: ringing, forks, counts, media; taken when there is something to write
 *   sound    call_sound.c: path and audio of an answered call; for half of the calls that there may be
 *   text     chunk -> chunk -> ...: call_text.c
 *
 * struct call (call.h) is a view that is put together from both when a change is told: readers get
 * slices and words, memory stays below 512 bytes a call. */
#ifndef SENSOR_STATE_CALL_CELL_H
#define SENSOR_STATE_CALL_CELL_H

#include "base/slab.h"
#include "base/table.h"
#include "sensor/state/call.h"
#include "sensor/state/codec.h"
#include "sensor/state/order.h"

enum {
    TEXT_FIELD_MAX = 256,
    CALL_TEXT_BYTES = 2048, /* of one call, heads of fields included */
    CALL_TEXT_SLACK = 28,
    CALL_VIEWS = 4, /* views that stay valid while others are made */
    CALL_FORK_TAGS = 3,
    CALL_CODECS = 4,
    CALL_WATCHES = 256, /* calls whose BYE is in doubt, at once */
    CALL_LINGER_MAX = 16384, /* told calls kept for streams that are told late */
};
#define CALL_TEXT_NONE UINT32_MAX
#define CALL_LATE_NS (5 * NS_PER_S) /* media after the end still belongs to the call */

enum cell_flag {
    CELL_LIVE = 1 << 0, /* the cell is taken */
    CELL_PARTIAL = 1 << 1,
    CELL_INVITE = 1 << 2,
    CELL_FINAL = 1 << 3,
    CELL_ACK = 1 << 4,
    CELL_BYE = 1 << 5,
    CELL_CANCEL = 1 << 6,
    CELL_OVER = 1 << 7,
    CELL_TOLD = 1 << 8, /* CALL_ENDED was put */
    CELL_CREDENTIALS = 1 << 9,
    CELL_INVALID_ONLY = 1 << 10,
    CELL_ACCEPTED_INVALID = 1 << 11,
    CELL_REQUEST = 1 << 12,
    CELL_RESPONSE = 1 << 13,
    CELL_HELD_CALLER = 1 << 14, /* its last description holds */
    CELL_HELD_CALLEE = 1 << 15,
    CELL_T38 = 1 << 16,
    CELL_FROM_CALLER = 1 << 17, /* media seen */
    CELL_FROM_CALLEE = 1 << 18,
    CELL_PROVISIONAL = 1 << 19, /* above 100 */
    CELL_PHRASE = 1 << 20, /* the phrase of the status stands in the texts */
    CELL_STARTED = 1 << 21, /* CALL_STARTED was put */
    CELL_TO_TAG = 1 << 22, /* to_tag is set */
    CELL_ELSEWHERE = 1 << 23, /* its media may flow where no description says: ICE, multicast */
    CELL_JUDGED = 1 << 24, /* CALL_MEDIA was put, or cannot be */
    CELL_EARLY_MEDIA = 1 << 25, /* a 18x came with a session description */
    CELL_EXTENSION = 1 << 26, /* what was dialled is six digits or fewer */
    CELL_GIVEN_UP = 1 << 27, /* CALL_GIVEN_UP was put */
};

enum call_queue_kind {
    QUEUE_NONE,
    QUEUE_SETUP, /* no final answer: looked at every 30 s */
    QUEUE_UP, /* answered: every 10 s */
    QUEUE_SOON, /* ended, told 5 s later */
    /* ended so that another INVITE may follow (or a CANCEL waits for its 487): 32 s later */
    QUEUE_RETRY,
    QUEUE_CHALLENGE, /* challenged: somebody may be typing a password: 180 s later */
    QUEUE_STREAMS, /* told, streams are open */
    QUEUE_LINGER, /* told */
    QUEUE_COUNT
};

struct call_cell {
    uint64_t last_ns;
    uint64_t started_ns;
    uint64_t answered_ns;
    uint32_t flags; /* enum cell_flag */
    uint32_t cseq; /* of the newest initial INVITE */
    uint32_t from_tag; /* hashes */
    uint32_t to_tag; /* of the winning fork, else of the first */
    uint32_t more; /* in the slab of struct call_more, + 1; 0 = none yet */
    uint32_t due_s;
    uint16_t status; /* last final but 401/407, or the 2xx */
    uint16_t challenge; /* 401 or 407 that no INVITE with credentials has followed */
    uint8_t queue; /* enum call_queue_kind */
    uint8_t invites_open; /* INVITE transactions without a final answer */
    uint8_t ended_by;
    uint8_t end_reason;
    uint16_t retransmits; /* saturating, like all counts here */
    uint16_t text_bytes;
    uint32_t endpoints; /* head of the list in endpoint.c; TABLE_NONE = none */
    uint64_t number; /* 72 bytes up to here */
    uint64_t ended_ns;
    uint32_t queue_before;
    uint32_t queue_after;
    uint32_t text_first; /* chunks; CALL_TEXT_NONE = no text */
    uint32_t text_last;
    uint16_t
        hop_bits; /* a bit for each Via count of the initial INVITE, the last for 16 and more */
    uint16_t interface;
    uint16_t vlan_outer;
    struct endpoint caller;
    struct endpoint callee;
    uint8_t transport;
};
static_assert(offsetof(struct call_cell, number) <= 64,
              "the first line is what each message touches");
static_assert(sizeof(struct call_cell) <= 144, "a flood is made of such");

/* What a call has once somebody has answered it: a flood has calls without. */
struct call_more {
    uint64_t media_last_ns;
    uint64_t ringing_ns;
    uint32_t mark; /* CSeq and side of the last counted re-INVITE or REFER */
    uint32_t credentials_cseq;
    uint32_t fork_tags[CALL_FORK_TAGS];
    uint32_t streams_head; /* open ones, in media.c; TABLE_NONE = none */
    uint32_t streams_open;
    uint16_t session_s; /* Session-Expires; 0 = none */
    uint16_t q850;
    uint16_t challenges; /* saturating, like all counts here */
    uint16_t reinvites;
    uint16_t holds;
    uint16_t transfers;
    uint8_t forks;
    uint8_t security;
    uint8_t codec_count;
    /* media of streams that are closed, and what only grows */
    uint64_t first_rtp_ns;
    uint32_t jitter_max_ns; /* saturating at 4.2 s */
    uint32_t mos_sum_milli;
    uint32_t loss_ppm_max;
    uint32_t dtmf_events;
    uint16_t mos_min_milli;
    uint16_t mos_count;
    uint16_t streams;
    uint8_t codec_types[CALL_CODECS];
    uint8_t codec_numbers[CALL_CODECS];
    uint32_t sound; /* in the slab of struct call_sound, + 1; 0 = none */
};
static_assert(sizeof(struct call_cell) + sizeof(struct call_more) <= 256,
              "goal D1: 512 bytes a call with its texts");

enum call_text {
    TEXT_END,
    TEXT_CALL_ID,
    TEXT_FROM_USER,
    TEXT_FROM_HOST,
    TEXT_FROM_TAG,
    TEXT_TO_USER,
    TEXT_TO_HOST,
    TEXT_TO_TAG,
    TEXT_URI, /* as TEXT_TO_USER: "sip:user@host" of the To */
    TEXT_AUTH_USER,
    TEXT_USER_AGENT,
    TEXT_PHRASE,
    TEXT_SESSION_ID,
    TEXT_REPLACES,
    TEXT_COUNT
};

struct call_text_item {
    enum call_text field;
    enum call_text same_as; /* TEXT_END: no reference */
    struct slice text;
};

struct call_text_pool {
    struct region region;
    uint32_t chunks_max;
    uint32_t high_water;
    uint32_t used;
    uint32_t free_head;
};

struct call_view {
    struct call call;
    char text[CALL_TEXT_BYTES + CALL_TEXT_SLACK];
    char uri[2 * TEXT_FIELD_MAX + 8];
};

struct call_queue {
    uint32_t first;
    uint32_t last;
    uint32_t count;
};

/* A call whose end may have been forged: what is heard of it between two intervals. */
struct call_watch {
    uint32_t cell;
    uint32_t generation;
    struct {
        uint64_t last_ns;
        uint32_t packets; /* behind the accepted BYE, of intervals that go on */
    } ways[2];
};

struct call_table {
    struct table cells;
    struct call_text_pool texts;
    struct slab more;
    struct slab sounds;
    uint64_t sounds_missed; /* answered calls without one: the slab was used up */
    struct order order;
    struct call_limits limits;
    struct change_sink sink;
    struct call_queue queues[QUEUE_COUNT];
    struct codec_table codecs;
    struct call_watch watches[CALL_WATCHES];
    uint32_t watch_count;
    uint64_t now_ns;
    uint64_t now_number;
    const struct sip_sighting *sip; /* of the message that is being seen */
    uint32_t linger_max;
    unsigned view_next;
    char text_scratch[CALL_TEXT_BYTES];
    struct call_view views[CALL_VIEWS];
    /* media.c fills a cell's figures before it is told, and lets go of a cell that goes */
    void (*on_figures)(void *media, uint32_t cell);
    void (*on_release)(void *media, uint32_t cell);
    /* ... and says what its sides agreed on before its audio is judged */
    void (*on_judge)(void *media, uint32_t cell);
    void *media;
};

static inline struct call_cell *call_cell_at(const struct call_table *table, uint32_t cell)
{
    return table_at(&table->cells, cell);
}

/* For reading: of a call that has none yet, all is zero. */
extern const struct call_more call_no_more;
static inline const struct call_more *call_more(const struct call_table *table,
                                                const struct call_cell *cell)
{
    return cell->more == 0 ? &call_no_more : slab_at(&table->more, cell->more - 1);
}

/* --- call_text.c --- */
MUST_USE enum status call_text_open(struct call_text_pool *pool, uint32_t chunks_max,
                                    struct error *error);
void call_text_close(struct call_text_pool *pool);
size_t call_text_bytes_max(uint32_t chunks_max);
/* Adds fields: empty ones are nothing, long ones are cut at TEXT_FIELD_MAX; all of them or none. */
void call_text_put(struct call_table *table, struct call_cell *cell,
                   const struct call_text_item *items, size_t count);
void call_text_prefetch(const struct call_table *table, const struct call_cell *cell);
void call_text_give(struct call_table *table, struct call_cell *cell);
/* The newest text of each field, pointing into `out_view`. */
void call_text_get(const struct call_table *table, const struct call_cell *cell,
                   struct call_view *out_view, struct slice out_fields[TEXT_COUNT]);

/* --- call_view.c --- */
const char *call_view_phrase(uint16_t status); /* the usual one; "" for a rare status */
struct call *call_view_make(struct call_table *table, uint32_t cell);

/* --- call.c --- */
struct call_more *call_more_take(struct call_table *table, struct call_cell *cell);
void call_tell(struct call_table *table, uint32_t cell, enum change_kind kind, bool forced);
void call_queue_move(struct call_table *table, uint32_t cell, enum call_queue_kind kind);
/* It is over; told when its queue says so. */
void call_over(struct call_table *table, uint32_t cell, enum call_ended_by by,
               enum call_end_reason reason, uint64_t ended_ns, enum call_queue_kind kind);
/* Told, and its last stream is closed. */
void call_linger(struct call_table *table, uint32_t cell);
void call_touch(struct call_table *table, uint32_t cell, uint64_t now_ns);

/* --- dialog.c: what one message means to its call --- */
struct dialog_step {
    struct call_table *table;
    const struct sip_message *message;
    const struct sip_sighting *sip;
    const struct transaction_view *transaction; /* never NULL */
    struct call_cell *at;
    uint32_t cell;
    bool fresh; /* the cell was taken for this message */
};
void dialog_see(struct dialog_step *step);
bool dialog_is_first_invite(const struct sip_message *message); /* INVITE without To tag */
enum call_outcome dialog_outcome(const struct call_cell *cell, uint16_t *out_status);
uint32_t dialog_tag_of(uint64_t hash); /* as a cell keeps it; 0 = no tag */
/* Did the caller's side send this message? */
bool dialog_from_caller(const struct call_cell *cell, const struct sip_sighting *sip);

/* --- call_sound.c: the path and the audio of an answered call --- */
/* What is remembered of it, or NULL. */
struct call_sound *call_sound_of(const struct call_table *table, const struct call_cell *cell);
void call_sound_release(struct call_table *table, struct call_cell *cell);
/* A 2xx inside the dialog: its two ends are on the path; of the first, also who it names. */
void call_sound_path(struct dialog_step *step, bool first);
void call_sound_ack(struct dialog_step *step);
void call_sound_bye(struct dialog_step *step, bool by_caller);
void call_sound_bye_accepted(struct dialog_step *step);
/* CANCEL, and what the caller says behind one. */
void call_sound_cancel(struct dialog_step *step);
void call_sound_goes_on(struct dialog_step *step);
/* Packets of one direction, as one of its streams tells them; true: they prove that the BYE was
 * nobody's who speaks here. */
struct call_heard {
    uint64_t from_ns; /* what is told covers */
    uint64_t last_ns; /* its last packet */
    uint32_t mark_s;
    uint32_t packets;
    uint32_t from; /* hashes of its ends */
    uint32_t to;
    bool from_caller;
    bool stray; /* nobody named its destination */
};
bool call_sound_hear(struct call_sound *sound, const struct call_heard *heard);
/* Both sides were heard behind its accepted BYE, and nothing is proven yet. */
bool call_sound_wonders(const struct call_sound *sound);
/* It is looked at each second from now on, as long as there may be a proof; when too many are watched
 * it is judged by its intervals alone. */
void call_sound_watch(struct call_table *table, uint32_t cell);
struct call_watch *call_sound_watched(struct call_table *table, uint32_t cell); /* or NULL */
/* Of an interval that goes on: counts until the next mark. */
void call_sound_hear_so_far(struct call_table *table, struct call_watch *watch,
                            const struct call_heard *heard);
/* A mark: who is watched is judged. */
void call_sound_mark(struct call_table *table);
void call_sound_tell_torn(struct call_table *table, uint32_t cell, uint64_t now_ns);
/* Ten seconds after the answer: both directions are judged, once. */
void call_sound_judge(struct call_table *table, uint32_t cell);
void call_sound_shift(struct call_sound *sound, uint64_t shift_ns);

/* --- dialog_text.c: what of a message a call keeps as text --- */
void dialog_text_keep(struct dialog_step *step); /* all of the message that begins it */
void dialog_text_credentials(struct dialog_step *step); /* the digest user */
void dialog_text_to_tag(struct dialog_step *step); /* of the fork that answers */
void dialog_text_phrase(struct dialog_step *step); /* of a final status */
void dialog_text_q850(struct dialog_step *step); /* the cause in a Reason header */

#endif
