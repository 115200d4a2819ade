/* incident.h - the life that every alert shares: open, update, close.
 *
 * Owns      the open incidents, one for each (rule, key), and what is remembered of closed ones.
 * Borrows   findings and facts during the call; texts are copied and cut.
 * Time      of the facts.
 * Bounds    incidents_max open ones; the lowest severity and oldest is folded first, severity 4
 *           never. Texts as below.
 * Errors    open only.
 * Thread    the analyst's.
 *
 * docs/definitions.md. Opened when the threshold is crossed; updated when the count has
 * doubled, severity or confidence rose, at most once a minute (a rise of severity is exempt once);
 * closed after max(5 min, 2 x window) of quiet, after 24 h, or at the end of input. Storm guard:
 * more than 20 opens of one rule in 60 s become one incident about many. */
#ifndef DETECTORS_FRAME_INCIDENT_H
#define DETECTORS_FRAME_INCIDENT_H

#include "detectors/detector.h"

enum {
    INCIDENT_ENTITY_BYTES = 192,
    INCIDENT_TEXT_BYTES = 512,
    INCIDENT_STORY_BYTES = 912, /* the longest sentence of each of five stages, names marked */
    INCIDENT_NAMES_MAX = 24,
    INCIDENT_ACCOUNTS_MAX = 16,
    INCIDENT_ACCOUNT_BYTES = 96,
    INCIDENT_CALL_ID_BYTES = 128,
};

enum incident_state { INCIDENT_OPEN, INCIDENT_UPDATE, INCIDENT_CLOSE };
enum incident_outcome { INCIDENT_ONGOING, INCIDENT_STOPPED, INCIDENT_SUCCEEDED, INCIDENT_UNKNOWN };

struct incident_evidence {
    uint64_t number; /* packet */
    uint64_t time_ns;
    char call_id[INCIDENT_CALL_ID_BYTES]; /* "" = none; cut for display */
};

/* As telemetry sees it when something is to be told; valid during the call. */
struct incident {
    const struct detector *rule;
    uint8_t state; /* enum incident_state: why it is told */
    uint8_t outcome; /* enum incident_outcome; ONGOING until closed */
    uint8_t severity; /* 1 to 4, after caps */
    uint8_t stage;
    bool source_proven;
    bool source_echoed; /* by the counted events themselves */
    bool source_server; /* has answered requests of others */
    bool device_known;
    bool many; /* the storm guard's: entity is "many" */
    uint8_t chain_severity; /* of the whole chain; = severity where it stands alone */
    uint32_t update; /* 0 at open, then counting */
    struct hash128 id;
    struct hash128 chain_id; /* = id where it stands alone */
    struct hash128 continues; /* zero, or the incident of 24 h that it goes on from */
    uint64_t number; /* packet that brought this telling; 0 at a mark */
    uint64_t opened_ns;
    uint64_t first_ns; /* first counted event */
    uint64_t last_ns;
    uint64_t told_ns; /* time of this telling */
    uint64_t count; /* in all */
    uint64_t observed;
    uint64_t threshold;
    uint64_t window_ns;
    uint64_t peak; /* largest observed */
    const char *unit;
    struct confidence confidence;
    uint8_t key_kind; /* enum key_kind */
    char entity[INCIDENT_ENTITY_BYTES]; /* the key as text */
    char secondary[INCIDENT_ENTITY_BYTES]; /* second part of a pair; "" = none */
    uint16_t source_accounts; /* that succeeded from it; the most that was seen */
    struct endpoint source; /* the attacker; addr all zero where all came not from one */
    struct endpoint destination; /* the victim; likewise */
    char account[INCIDENT_ACCOUNT_BYTES];
    char target[INCIDENT_ACCOUNT_BYTES];
    uint32_t account_count; /* distinct accounts named so far */
    char accounts[INCIDENT_ACCOUNTS_MAX][INCIDENT_ACCOUNT_BYTES];
    uint32_t evidence_count;
    struct incident_evidence evidence[DETECTOR_EVIDENCE_MAX];
    uint8_t transport; /* of the fact: 6, 17; 0 = not told */
    char message[INCIDENT_TEXT_BYTES]; /* the sentence */
    char chain_text[INCIDENT_STORY_BYTES]; /* one sentence a stage; "" while it stands alone */
    const struct slice *names; /* users, accounts and numbers in these two, as they stand there */
    uint32_t name_count;
};

#endif
