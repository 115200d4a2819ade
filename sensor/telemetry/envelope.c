/* envelope.c - the parts that all records share, in the order in which fields.def wants them.
 *
 * Texts that are printed for a record (users by the output rule, lower-cased schemes, numbers as
 * text) live in one scratch that is given back with the next record: no allocation, and nothing
 * outlives its record. */
#include "sensor/telemetry/envelope.h"

#include "decoders/sip_address.h"
#include "sensor/state/account.h"

enum { DIGITS_MAX = 20 }; /* of a number of 64 bits */

void envelope_begin(struct telemetry *telemetry, enum dataset dataset, uint64_t time_ns,
                    uint64_t number)
{
    record_begin(&telemetry->maker, telemetry->memory, dataset, time_ns, number);
    hash_id_start(&telemetry->id);
    hash_id_slice(&telemetry->id, telemetry->observer);
    hash_id_slice(&telemetry->id, telemetry->datasets[dataset]);
    telemetry->scratch_used = 0;
    telemetry->related.ip_count = 0;
    telemetry->related.user_count = 0;
    telemetry->related.host_count = 0;
    telemetry->related.host = SLICE_NONE;
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

/* An end of a record: these fields stand in a row. */
enum { END_IP, END_PORT, END_COUNTRY, END_AS_NUMBER, END_AS_NAME };
#define END_STANDS(end)                                                                            \
    static_assert(FIELD_ID_##end##_IP + END_PORT == FIELD_ID_##end##_PORT &&                       \
                      FIELD_ID_##end##_IP + END_COUNTRY ==                                         \
                          FIELD_ID_##end##_GEO_COUNTRY_ISO_CODE &&                                 \
                      FIELD_ID_##end##_IP + END_AS_NUMBER == FIELD_ID_##end##_AS_NUMBER &&         \
                      FIELD_ID_##end##_IP + END_AS_NAME == FIELD_ID_##end##_AS_ORGANIZATION_NAME,  \
                  "an end's fields follow its address")
END_STANDS(SOURCE);
END_STANDS(DESTINATION);
END_STANDS(CLIENT);
END_STANDS(SERVER);

static void put_place(struct telemetry *telemetry, enum field ip, const struct addr *addr)
{
    struct record_maker *maker = &telemetry->maker;
    const struct geo_answer *answer = geo_look(telemetry->geo, addr);
    const char country[2] = {(char)(answer->country >> 8), (char)(answer->country & 0xff)};

    if (answer->country != 0) {
        record_text(maker, ip + END_COUNTRY, slice_of(country, sizeof country));
    }
    if (answer->as_number != 0) {
        record_long(maker, ip + END_AS_NUMBER, answer->as_number);
        record_string(maker, ip + END_AS_NAME, answer->as_name);
    }
}

static void put_end(struct telemetry *telemetry, enum field ip, const struct endpoint *endpoint)
{
    if (addr_is_unspecified(&endpoint->addr)) {
        return;
    }
    record_address(&telemetry->maker, ip, &endpoint->addr);
    if (endpoint->port != 0) {
        record_long(&telemetry->maker, ip + END_PORT, endpoint->port);
    }
    if (telemetry->geo != NULL) {
        put_place(telemetry, ip, &endpoint->addr);
    }
}

void envelope_source(struct telemetry *telemetry, const struct endpoint *endpoint)
{
    put_end(telemetry, FIELD_ID_SOURCE_IP, endpoint);
    envelope_relate_ip(telemetry, &endpoint->addr);
}

void envelope_destination(struct telemetry *telemetry, const struct endpoint *endpoint)
{
    put_end(telemetry, FIELD_ID_DESTINATION_IP, endpoint);
    envelope_relate_ip(telemetry, &endpoint->addr);
}

void envelope_roles(struct telemetry *telemetry, const struct endpoint *client,
                    const struct endpoint *server)
{
    put_end(telemetry, FIELD_ID_CLIENT_IP, client);
    put_end(telemetry, FIELD_ID_SERVER_IP, server);
}

uint8_t envelope_protocol(uint8_t sip_transport)
{
    return sip_transport == SIP_UDP ? 17 : 6; /* TCP, and WebSocket over it */
}

/* Applications that are protocols by themselves. */
static bool is_protocol(struct slice application)
{
    return slice_equal(application, SLICE("sip")) || slice_equal(application, SLICE("rtp")) ||
           slice_equal(application, SLICE("rtcp")) || slice_equal(application, SLICE("stun"));
}

void envelope_network(struct telemetry *telemetry, uint8_t protocol, const struct addr *addr,
                      const char *application)
{
    struct record_maker *maker = &telemetry->maker;
    struct slice name = slice_of_string(application);

    if (protocol == 6 || protocol == 17) {
        record_text(maker, FIELD_ID_NETWORK_TRANSPORT, protocol == 6 ? SLICE("tcp") : SLICE("udp"));
    }
    if (!addr_is_unspecified(addr)) {
        record_text(maker, FIELD_ID_NETWORK_TYPE, addr_is_v4(addr) ? SLICE("ipv4") : SLICE("ipv6"));
    }
    record_text(maker, FIELD_ID_NETWORK_APPLICATION, name);
    if (is_protocol(name)) {
        record_text(maker, FIELD_ID_NETWORK_PROTOCOL, name);
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

struct slice envelope_user(struct telemetry *telemetry, struct slice user)
{
    if (account_user_is_plain(user)) { /* what the output rule leaves alone: nearly every user */
        return user;
    }
    struct text text = scratch_begin(telemetry);
    sip_user_print(&text, slice_part(user, 0, ENVELOPE_RAW_MAX));
    return text.overflow ? user : scratch_end(telemetry, &text);
}

static bool is_capital(char byte)
{
    return byte >= 'A' && byte <= 'Z';
}

struct slice envelope_lower(struct telemetry *telemetry, struct slice part)
{
    unsigned capitals = 0;

    for (size_t i = 0; i < part.bytes; i++) {
        capitals |= is_capital(part.at[i]);
    }
    if (capitals == 0 && part.bytes <= ENVELOPE_RAW_MAX) {
        return part;
    }
    size_t bytes = part.bytes < ENVELOPE_RAW_MAX ? part.bytes : ENVELOPE_RAW_MAX;
    char *lower = telemetry->scratch + telemetry->scratch_used;
    if (bytes > sizeof telemetry->scratch - telemetry->scratch_used) {
        return part;
    }
    for (size_t i = 0; i < bytes; i++) {
        lower[i] = (char)(part.at[i] + (is_capital(part.at[i]) ? 'a' - 'A' : 0));
    }
    telemetry->scratch_used += bytes;
    return slice_of(lower, bytes);
}

struct slice envelope_number(struct telemetry *telemetry, uint64_t value)
{
    char *end = telemetry->scratch + telemetry->scratch_used + DIGITS_MAX;
    char *at = end;

    if (sizeof telemetry->scratch - telemetry->scratch_used < DIGITS_MAX) {
        return SLICE_NONE;
    }
    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    telemetry->scratch_used += DIGITS_MAX;
    return slice_of(at, (size_t)(end - at));
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

static void add_text(struct slice *set, uint32_t *count, struct slice value)
{
    uint32_t place = *count;

    if (slice_is_empty(value)) {
        return;
    }
    for (uint32_t i = 0; i < *count; i++) {
        if (slice_equal(set[i], value)) {
            return;
        }
    }
    if (*count == ENVELOPE_RELATED_MAX) {
        return;
    }
    for (; place > 0 && slice_compare(set[place - 1], value) > 0; place--) {
        set[place] = set[place - 1];
    }
    set[place] = value;
    (*count)++;
}

void envelope_relate_ip(struct telemetry *telemetry, const struct addr *addr)
{
    struct envelope_related *related = &telemetry->related;
    uint32_t place = related->ip_count;

    if (addr_is_unspecified(addr) || related->ip_count == ENVELOPE_RELATED_MAX) {
        return;
    }
    for (uint32_t i = 0; i < related->ip_count; i++) {
        if (addr_equal(&related->ips[i], addr)) {
            return;
        }
    }
    for (; place > 0 && addr_compare(&related->ips[place - 1], addr) > 0; place--) {
        related->ips[place] = related->ips[place - 1];
    }
    related->ips[place] = *addr;
    related->ip_count++;
}

void envelope_relate_user(struct telemetry *telemetry, struct slice user)
{
    add_text(telemetry->related.users, &telemetry->related.user_count, user);
}

/* Can an address begin so? */
static bool may_begin_address(struct slice name)
{
    char byte = name.bytes == 0 ? '\0' : slice_lower(name.at[0]);
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') || byte == ':' ||
           byte == '[';
}

void envelope_relate_host(struct telemetry *telemetry, struct slice host)
{
    struct addr addr;
    struct slice name = host;

    if (slice_equal(host, telemetry->related.host)) {
        return; /* both ends of a call are often of one domain */
    }
    telemetry->related.host = host;
    if (name.bytes > 0 && name.at[0] == '[') {
        name = slice_part(name, 0, slice_find(name, ']') + 1);
    } else {
        size_t colon = slice_find(name, ':');
        if (colon < name.bytes && slice_find_last(name, ':') == colon) {
            name = slice_part(name, 0, colon);
        }
    }
    if (may_begin_address(name) && addr_parse(name, &addr)) {
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
