/* envelope.c - the parts that all records share, in the order in which fields.def wants them.
 *
 * Texts that are printed for a record (users by the output rule, lower-cased schemes, numbers as
 * text) live in one scratch that is given back with the next record: no allocation, and nothing
 * outlives its record. */
#include "sensor/telemetry/envelope.h"

#include "decoders/sip_address.h"

void envelope_begin(struct telemetry *telemetry, enum dataset dataset, uint64_t time_ns,
                    uint64_t number)
{
    record_begin(&telemetry->maker, telemetry->memory, dataset, time_ns, number);
    hash_id_start(&telemetry->id);
    hash_id_slice(&telemetry->id, telemetry->observer);
    hash_id_slice(&telemetry->id, slice_of_string(dataset_rows[dataset].name));
    telemetry->scratch_used = 0;
    telemetry->related.ip_count = 0;
    telemetry->related.user_count = 0;
    telemetry->related.host_count = 0;
}

void envelope_key_endpoint(struct telemetry *telemetry, const struct endpoint *endpoint)
{
    hash_id_slice(&telemetry->id, slice_of(endpoint->addr.octets, sizeof endpoint->addr.octets));
    hash_id_u64(&telemetry->id, endpoint->port);
}

void envelope_end(struct telemetry *telemetry)
{
    struct record *record = telemetry->maker.record;

    record_end(&telemetry->maker, hash_id_end(&telemetry->id),
               telemetry->sequences[record->dataset]);
    telemetry->sequences[record->dataset]++;
    telemetry->options.on_record(telemetry->options.owner, record);
}

void envelope_span(struct telemetry *telemetry, uint64_t start_ns, uint64_t end_ns)
{
    if (start_ns != 0) {
        record_date(&telemetry->maker, FIELD_ID_EVENT_START, start_ns);
    }
    if (end_ns != 0) {
        record_date(&telemetry->maker, FIELD_ID_EVENT_END, end_ns);
    }
    if (start_ns != 0 && end_ns != 0) {
        record_long(&telemetry->maker, FIELD_ID_EVENT_DURATION,
                    (int64_t)time_since(end_ns, start_ns));
    }
}

static void put_end(struct telemetry *telemetry, enum field ip, enum field port,
                    const struct endpoint *endpoint)
{
    if (!addr_is_unspecified(&endpoint->addr)) {
        record_address(&telemetry->maker, ip, &endpoint->addr);
        envelope_relate_ip(telemetry, &endpoint->addr);
        if (endpoint->port != 0) {
            record_long(&telemetry->maker, port, endpoint->port);
        }
    }
}

void envelope_source(struct telemetry *telemetry, const struct endpoint *endpoint)
{
    put_end(telemetry, FIELD_ID_SOURCE_IP, FIELD_ID_SOURCE_PORT, endpoint);
}

void envelope_destination(struct telemetry *telemetry, const struct endpoint *endpoint)
{
    put_end(telemetry, FIELD_ID_DESTINATION_IP, FIELD_ID_DESTINATION_PORT, endpoint);
}

void envelope_roles(struct telemetry *telemetry, const struct endpoint *client,
                    const struct endpoint *server)
{
    put_end(telemetry, FIELD_ID_CLIENT_IP, FIELD_ID_CLIENT_PORT, client);
    put_end(telemetry, FIELD_ID_SERVER_IP, FIELD_ID_SERVER_PORT, server);
}

uint8_t envelope_protocol(uint8_t sip_transport)
{
    return sip_transport == SIP_UDP ? 17 : 6; /* TCP, and WebSocket over it */
}

void envelope_network(struct telemetry *telemetry, uint8_t protocol, const struct addr *addr,
                      const char *application)
{
    struct record_maker *maker = &telemetry->maker;

    if (protocol == 6 || protocol == 17) {
        record_string(maker, FIELD_ID_NETWORK_TRANSPORT, protocol == 6 ? "tcp" : "udp");
    }
    if (!addr_is_unspecified(addr)) {
        record_string(maker, FIELD_ID_NETWORK_TYPE, addr_is_v4(addr) ? "ipv4" : "ipv6");
    }
    record_string(maker, FIELD_ID_NETWORK_APPLICATION, application);
    if (application != NULL &&
        (strcmp(application, "sip") == 0 || strcmp(application, "rtp") == 0 ||
         strcmp(application, "rtcp") == 0 || strcmp(application, "stun") == 0)) {
        record_string(maker, FIELD_ID_NETWORK_PROTOCOL, application);
    }
}

void envelope_interface(struct telemetry *telemetry, uint16_t interface)
{
    if (telemetry->options.interfaces != NULL) {
        record_string(&telemetry->maker, FIELD_ID_OBSERVER_INGRESS_INTERFACE_NAME,
                      telemetry->options.interfaces[interface]);
    }
}

void envelope_vlans(struct telemetry *telemetry, uint16_t vlan_outer, uint16_t vlan_inner)
{
    if (vlan_outer != 0) {
        record_text(&telemetry->maker, FIELD_ID_NETWORK_VLAN_ID,
                    envelope_number(telemetry, vlan_outer - 1U));
    }
    if (vlan_inner != 0) {
        record_text(&telemetry->maker, FIELD_ID_NETWORK_INNER_VLAN_ID,
                    envelope_number(telemetry, vlan_inner - 1U));
    }
}

void envelope_vni(struct telemetry *telemetry, uint32_t vni)
{
    if (vni != 0) {
        record_long(&telemetry->maker, FIELD_ID_EARSHOT_VNI, (int64_t)vni - 1);
    }
}

/* --- texts --- */

static struct text scratch_begin(struct telemetry *telemetry)
{
    return text_into(telemetry->scratch + telemetry->scratch_used,
                     sizeof telemetry->scratch - telemetry->scratch_used);
}

static struct slice scratch_end(struct telemetry *telemetry, const struct text *text)
{
    telemetry->scratch_used += text->bytes;
    return text_slice(text);
}

/* Printable ASCII without a percent sign is what the output rule leaves alone: nearly every user.
 */
static bool is_plain(struct slice text)
{
    for (size_t i = 0; i < text.bytes; i++) {
        if (text.at[i] < 0x20 || text.at[i] >= 0x7f || text.at[i] == '%') {
            return false;
        }
    }
    return true;
}

struct slice envelope_user(struct telemetry *telemetry, struct slice user)
{
    if (is_plain(user)) {
        return user;
    }
    struct text text = scratch_begin(telemetry);
    sip_user_print(&text, slice_part(user, 0, ENVELOPE_RAW_MAX));
    return text.overflow ? user : scratch_end(telemetry, &text);
}

struct slice envelope_lower(struct telemetry *telemetry, struct slice part)
{
    struct text text = scratch_begin(telemetry);

    for (size_t i = 0; i < part.bytes && i < ENVELOPE_RAW_MAX; i++) {
        text_byte(&text, slice_lower(part.at[i]));
    }
    return text.overflow ? part : scratch_end(telemetry, &text);
}

struct slice envelope_number(struct telemetry *telemetry, uint64_t value)
{
    struct text text = scratch_begin(telemetry);

    text_u64(&text, value);
    return scratch_end(telemetry, &text);
}

static struct slice part_of(const char *base, struct part part)
{
    return part.at == 0 && part.bytes == 0 ? SLICE_NONE : slice_of(base + part.at, part.bytes);
}

void envelope_uri(struct telemetry *telemetry, enum field original, const char *base,
                  const struct sip_uri *uri)
{
    struct record_maker *maker = &telemetry->maker;
    struct slice whole = part_of(base, uri->whole);
    struct slice user = envelope_user(telemetry, part_of(base, uri->user));
    struct slice host = part_of(base, uri->host);

    record_text(maker, original, whole);
    if (uri->scheme != SIP_SCHEME_NONE) {
        struct slice scheme = slice_part(whole, 0, slice_find(whole, ':'));
        record_text(maker, original + 1, envelope_lower(telemetry, scheme));
    }
    record_text(maker, original + 2, user);
    record_text(maker, original + 3, host);
    if (uri->port != 0) {
        record_text(maker, original + 4, envelope_number(telemetry, uri->port));
    }
    envelope_relate_user(telemetry, user);
    envelope_relate_host(telemetry, host);
}

void envelope_user_host(struct telemetry *telemetry, enum field username, struct slice user,
                        struct slice host)
{
    user = envelope_user(telemetry, user);
    record_text(&telemetry->maker, username, user);
    record_text(&telemetry->maker, username + 1, host);
    envelope_relate_user(telemetry, user);
    envelope_relate_host(telemetry, host);
}

/* --- related --- */

/* The place of a value in a sorted set, or the set's size with *out_found. */
static uint32_t place_of(const struct slice *set, uint32_t count, struct slice value,
                         bool *out_found)
{
    uint32_t place = 0;
    int order = 1;

    while (place < count && (order = slice_compare(set[place], value)) < 0) {
        place++;
    }
    *out_found = place < count && order == 0;
    return place;
}

static void add_text(struct slice *set, uint32_t *count, struct slice value)
{
    bool found;
    uint32_t place = place_of(set, *count, value, &found);
    if (slice_is_empty(value) || found || *count == ENVELOPE_RELATED_MAX) {
        return;
    }
    memmove(set + place + 1, set + place, (*count - place) * sizeof *set);
    set[place] = value;
    (*count)++;
}

void envelope_relate_ip(struct telemetry *telemetry, const struct addr *addr)
{
    struct envelope_related *related = &telemetry->related;
    uint32_t place = 0;
    int order = 1;

    if (addr_is_unspecified(addr) || related->ip_count == ENVELOPE_RELATED_MAX) {
        return;
    }
    while (place < related->ip_count && (order = addr_compare(&related->ips[place], addr)) < 0) {
        place++;
    }
    if (place < related->ip_count && order == 0) {
        return;
    }
    memmove(related->ips + place + 1, related->ips + place,
            (related->ip_count - place) * sizeof related->ips[0]);
    related->ips[place] = *addr;
    related->ip_count++;
}

void envelope_relate_user(struct telemetry *telemetry, struct slice user)
{
    add_text(telemetry->related.users, &telemetry->related.user_count, user);
}

void envelope_relate_host(struct telemetry *telemetry, struct slice host)
{
    struct addr addr;
    struct slice name = host;

    if (name.bytes > 0 && name.at[0] == '[') {
        name = slice_part(name, 0, slice_find(name, ']') + 1);
    } else if (slice_find(name, ':') == slice_find_last(name, ':')) {
        name = slice_part(name, 0, slice_find(name, ':'));
    }
    if (addr_parse(name, &addr)) {
        envelope_relate_ip(telemetry, &addr);
    } else {
        add_text(telemetry->related.hosts, &telemetry->related.host_count, name);
    }
}

void envelope_put_related(struct telemetry *telemetry)
{
    const struct envelope_related *related = &telemetry->related;

    for (uint32_t i = 0; i < related->host_count; i++) {
        record_text(&telemetry->maker, FIELD_ID_RELATED_HOSTS, related->hosts[i]);
    }
    for (uint32_t i = 0; i < related->ip_count; i++) {
        record_address(&telemetry->maker, FIELD_ID_RELATED_IP, &related->ips[i]);
    }
    for (uint32_t i = 0; i < related->user_count; i++) {
        record_text(&telemetry->maker, FIELD_ID_RELATED_USER, related->users[i]);
    }
}

/* --- figures --- */

void envelope_ms(struct telemetry *telemetry, enum field field, uint64_t span_ns)
{
    record_decimal(&telemetry->maker, field, (int64_t)((span_ns + NS_PER_US / 2) / NS_PER_US));
}

void envelope_percent(struct telemetry *telemetry, enum field field, uint64_t part, uint64_t whole)
{
    if (whole != 0 && part <= UINT64_MAX / 100000) {
        record_decimal(&telemetry->maker, field, (int64_t)((part * 100000 + whole / 2) / whole));
    }
}
