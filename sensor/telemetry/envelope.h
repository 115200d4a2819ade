/* envelope.h - what all records have in common: their making, their ends, their identity. Inside
 * telemetry only.
 *
 * Owns      struct telemetry: scratch, sequences.
 * Borrows   what it is told, during the call.
 * Time      of what it is told.
 * Bounds    RELATED_MAX of each kind; texts printed for one record share SCRATCH_BYTES.
 * Errors    none: what does not fit is cut and said so in the record.
 * Thread    the analyst's.
 *
 * Fields must be put in the order of fields.def, so the helpers below are called in the order in
 * which they stand here. */
#ifndef SENSOR_TELEMETRY_ENVELOPE_H
#define SENSOR_TELEMETRY_ENVELOPE_H

#include "sensor/telemetry/telemetry.h"

enum { ENVELOPE_RELATED_MAX = 32, ENVELOPE_SCRATCH_BYTES = 32 << 10, ENVELOPE_RAW_MAX = 1024 };

/* Sets of what a record is about: sorted and unique when they are put. */
struct envelope_related {
    uint32_t ip_count;
    uint32_t user_count;
    uint32_t host_count;
    struct slice host; /* the one that was added last, as given */
    struct addr ips[ENVELOPE_RELATED_MAX];
    struct slice users[ENVELOPE_RELATED_MAX];
    struct slice hosts[ENVELOPE_RELATED_MAX];
};

struct telemetry {
    struct telemetry_options options;
    struct geo *geo; /* NULL = nothing is known of addresses */
    struct slice observer;
    struct slice datasets[DATASET_COUNT]; /* their names */
    uint32_t wants; /* CHANGE_BIT()s */
    uint64_t sequences[DATASET_COUNT];
    uint64_t refreshed; /* registrations, told or not */
    struct record_maker maker;
    struct hash_id id;
    struct envelope_related related;
    size_t scratch_used;
    char scratch[ENVELOPE_SCRATCH_BYTES];
    _Alignas(8) uint8_t memory[RECORD_BYTES_MAX];
};

/* Begins a record and its identity (observer and dataset stand in it already). */
void envelope_begin(struct telemetry *telemetry, enum dataset dataset, uint64_t time_ns,
                    uint64_t number);
/* Parts of the natural key. */
void envelope_key_endpoint(struct telemetry *telemetry, const struct endpoint *endpoint);
/* The record is complete: identity, sequence, on_record. */
void envelope_end(struct telemetry *telemetry);

/* event.start, end, duration; a start of 0 is not known. */
void envelope_span(struct telemetry *telemetry, uint64_t start_ns, uint64_t end_ns);
/* observer.ingress.interface.name, live. */
void envelope_interface(struct telemetry *telemetry, uint16_t interface);
/* source.ip and port, destination.ip and port; they become related too. An unspecified address is
 * left out. The roles are the same two ends by other names. */
void envelope_source(struct telemetry *telemetry, const struct endpoint *endpoint);
void envelope_destination(struct telemetry *telemetry, const struct endpoint *endpoint);
void envelope_roles(struct telemetry *telemetry, const struct endpoint *client,
                    const struct endpoint *server);
/* network.transport, type, application, protocol. `protocol` as in the IP header, 0 = not known. */
void envelope_network(struct telemetry *telemetry, uint8_t protocol, const struct addr *addr,
                      const char *application);
void envelope_vlans(struct telemetry *telemetry, uint16_t vlan_outer, uint16_t vlan_inner);
uint8_t envelope_protocol(uint8_t sip_transport); /* enum sip_transport -> 6 or 17 */

/* A URI: five fields in a row, original first. `base`: what its parts are offsets of. */
void envelope_uri(struct telemetry *telemetry, enum field original, const char *base,
                  const struct sip_uri *uri);
/* User and host where the whole URI was not kept. */
void envelope_user_host(struct telemetry *telemetry, enum field username, struct slice user,
                        struct slice host);
/* The user by the output rule (docs/definitions.md), in scratch until the next record. */
struct slice envelope_user(struct telemetry *telemetry, struct slice user);
struct slice envelope_lower(struct telemetry *telemetry, struct slice text);
struct slice envelope_number(struct telemetry *telemetry, uint64_t value);

void envelope_relate_ip(struct telemetry *telemetry, const struct addr *addr);
void envelope_relate_user(struct telemetry *telemetry, struct slice user);
/* A name goes to related.hosts, an address to related.ip; a port behind it is dropped. */
void envelope_relate_host(struct telemetry *telemetry, struct slice host);
void envelope_put_related(struct telemetry *telemetry);
void envelope_vni(struct telemetry *telemetry, uint32_t vni);

/* Nanoseconds as milliseconds in thousandths (= microseconds), rounded. */
void envelope_ms(struct telemetry *telemetry, enum field field, uint64_t span_ns);
/* Part in whole as a percentage in thousandths; nothing where the whole is 0. */
void envelope_percent(struct telemetry *telemetry, enum field field, uint64_t part, uint64_t whole);

/* --- one file for each kind of record --- */
void message_record(struct telemetry *telemetry, const struct change *change);
void transaction_record(struct telemetry *telemetry, const struct change *change);
void registration_record(struct telemetry *telemetry, const struct change *change);
void call_record(struct telemetry *telemetry, const struct change *change);
void media_record(struct telemetry *telemetry, const struct change *change);
void interval_record(struct telemetry *telemetry, const struct change *change);
void flow_record(struct telemetry *telemetry, const struct change *change);
void alert_record(struct telemetry *telemetry, const struct incident *incident);
void sensor_record(struct telemetry *telemetry, const struct telemetry_sensor *sensor);

/* What several of them say. */
bool transaction_failed(const struct transaction *transaction, bool forced);
const char *media_security_name(uint8_t security); /* enum sdp_security */

#endif
