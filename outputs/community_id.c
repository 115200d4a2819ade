/* community_id.c - "1:" and base64 of SHA-1 over seed (2), smaller address, larger address,
 * protocol, 0, ports (2 + 2), all in network order; both ends are ordered by (address, port), so
 * both directions get one name. IPv4 counts with its four bytes. The specification is public
 * (corelight/community-id-spec); its examples are the rows of the test.
 *
 * SHA-1 through the library costs more than the rest of a record, and the flows of neighbouring
 * records repeat: a cache of pairs answers most of them; of three flows that meet in one pair the
 * older goes. It changes no answer, only who computes it. The library is asked for SHA-1 at the first
 * flow: setting it up costs as much as all else at start. One that refuses (there are builds that
 * offer no SHA-1) leaves records without this name, and that is said once. */
#include <openssl/evp.h> /* first: it declares names that base/banned.h poisons */

#include "outputs/community_id.h"

#include "base/hash.h"
#include "base/log.h"

enum { SHA1_BYTES = 20, INPUT_BYTES_MAX = 2 + 16 + 16 + 2 + 4, WAYS = 2 };

struct entry {
    uint8_t input[INPUT_BYTES_MAX]; /* zeros behind it */
    uint8_t input_bytes; /* 0 = empty */
    char text[COMMUNITY_ID_BYTES];
};

struct community_id {
    EVP_MD *digest; /* NULL until the first flow */
    EVP_MD_CTX *context;
    bool refused; /* by the library; said */
    struct entry cache[COMMUNITY_CACHE / WAYS][WAYS]; /* the newer first */
};

enum status community_id_open(struct community_id **out_community, struct error *error)
{
    struct community_id *community = calloc(1, sizeof *community);

    if (community == NULL) {
        return error_set(error, STATUS_FAILED, "community id", "no memory");
    }
    *out_community = community;
    return STATUS_OK;
}

void community_id_close(struct community_id *community)
{
    if (community != NULL) {
        EVP_MD_CTX_free(community->context);
        EVP_MD_free(community->digest);
        free(community);
    }
}

static size_t put_address(uint8_t *at, const struct addr *addr)
{
    size_t skip = addr_is_v4(addr) ? 12 : 0;

    memcpy(at, addr->octets + skip, 16 - skip);
    return 16 - skip;
}

static size_t put_port(uint8_t *at, uint16_t port)
{
    at[0] = (uint8_t)(port >> 8);
    at[1] = (uint8_t)port;
    return 2;
}

static size_t make_input(uint8_t *input, uint8_t protocol, const struct endpoint *source,
                         const struct endpoint *destination)
{
    int order = addr_compare(&source->addr, &destination->addr);
    bool swap = order > 0 || (order == 0 && source->port > destination->port);
    const struct endpoint *first = swap ? destination : source;
    const struct endpoint *second = swap ? source : destination;
    size_t bytes = 2;

    input[0] = 0;
    input[1] = 0;
    bytes += put_address(input + bytes, &first->addr);
    bytes += put_address(input + bytes, &second->addr);
    input[bytes++] = protocol;
    input[bytes++] = 0;
    bytes += put_port(input + bytes, first->port);
    bytes += put_port(input + bytes, second->port);
    return bytes;
}

static void base64(const uint8_t *bytes, char *out)
{
    static const char digits[65] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < SHA1_BYTES; i += 3) {
        bool last = i + 3 > SHA1_BYTES; /* 20 = 6 * 3 + 2: one '=' at the end */
        uint32_t three =
            (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | (last ? 0U : bytes[i + 2]);
        *out++ = digits[three >> 18];
        *out++ = digits[three >> 12 & 63];
        *out++ = digits[three >> 6 & 63];
        *out++ = last ? '=' : digits[three & 63];
    }
}

static bool start_digest(struct community_id *community)
{
    community->digest = EVP_MD_fetch(NULL, "SHA1", NULL);
    community->context = EVP_MD_CTX_new();
    community->refused = community->digest == NULL || community->context == NULL;
    if (community->refused) {
        log_line(LOG_WARN, "the crypto library offers no SHA-1: records have no community id");
    }
    return !community->refused;
}

static bool digest(struct community_id *community, const uint8_t *input, size_t bytes,
                   uint8_t *out_sha1)
{
    if (community->refused || (community->digest == NULL && !start_digest(community))) {
        return false;
    }
    return EVP_DigestInit_ex2(community->context, community->digest, NULL) == 1 &&
           EVP_DigestUpdate(community->context, input, bytes) == 1 &&
           EVP_DigestFinal_ex(community->context, out_sha1, NULL) == 1;
}

static bool is_entry_of(const struct entry *entry, const uint8_t *input, size_t bytes)
{
    return entry->input_bytes == bytes && memcmp(entry->input, input, INPUT_BYTES_MAX) == 0;
}

struct slice community_id_of(struct community_id *community, uint8_t protocol,
                             const struct endpoint *source, const struct endpoint *destination)
{
    uint8_t input[INPUT_BYTES_MAX] = {0};
    uint8_t sha1[EVP_MAX_MD_SIZE];
    size_t bytes = make_input(input, protocol, source, destination);
    uint64_t hash = hash_bytes(HASH_KEY_FIXED, input, bytes);
    struct entry *pair = community->cache[hash % (COMMUNITY_CACHE / WAYS)];

    for (unsigned way = 0; way < WAYS; way++) {
        if (is_entry_of(&pair[way], input, bytes)) {
            return slice_of(pair[way].text, COMMUNITY_ID_BYTES);
        }
    }
    if (!digest(community, input, bytes, sha1)) {
        return SLICE_NONE;
    }
    pair[1] = pair[0];
    memcpy(pair[0].input, input, sizeof input);
    pair[0].input_bytes = (uint8_t)bytes;
    memcpy(pair[0].text, "1:", 2);
    base64(sha1, pair[0].text + 2);
    return slice_of(pair[0].text, COMMUNITY_ID_BYTES);
}
