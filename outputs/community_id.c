/* community_id.c - "1:" and base64 of SHA-1 over seed (2), smaller address, larger address,
 * protocol, 0, ports (2 + 2), all in network order; both ends are ordered by (address, port), so
 * both directions get one name. IPv4 counts with its four bytes. The specification is public
 * (corelight/community-id-spec); its examples are the rows of the test.
 *
 * SHA-1 through the library costs more than the rest of a record, and the flows of neighbouring
 * records repeat: a direct-mapped cache answers most of them. It changes no answer, only who
 * computes it. */
#include <openssl/evp.h> /* first: it declares names that base/banned.h poisons */

#include "outputs/community_id.h"

#include "base/hash.h"

enum { SHA1_BYTES = 20, INPUT_BYTES_MAX = 2 + 16 + 16 + 2 + 4 };

struct entry {
    uint8_t input[INPUT_BYTES_MAX];
    uint8_t input_bytes; /* 0 = empty */
    char text[COMMUNITY_ID_BYTES];
};

struct community_id {
    EVP_MD *digest;
    EVP_MD_CTX *context;
    struct entry cache[COMMUNITY_CACHE];
};

enum status community_id_open(struct community_id **out_community, struct error *error)
{
    struct community_id *community = calloc(1, sizeof *community);

    if (community == NULL) {
        return error_set(error, STATUS_FAILED, "community id", "no memory");
    }
    community->digest = EVP_MD_fetch(NULL, "SHA1", NULL);
    community->context = EVP_MD_CTX_new();
    if (community->digest == NULL || community->context == NULL) {
        community_id_close(community);
        return error_set(error, STATUS_FAILED, "community id",
                         "the crypto library offers no SHA-1");
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

struct slice community_id_of(struct community_id *community, uint8_t protocol,
                             const struct endpoint *source, const struct endpoint *destination)
{
    uint8_t input[INPUT_BYTES_MAX];
    uint8_t sha1[EVP_MAX_MD_SIZE];
    size_t bytes = make_input(input, protocol, source, destination);
    uint64_t hash = hash_bytes(HASH_KEY_FIXED, input, bytes);
    struct entry *entry = &community->cache[hash % COMMUNITY_CACHE];

    if (entry->input_bytes != bytes || memcmp(entry->input, input, bytes) != 0) {
        if (EVP_DigestInit_ex2(community->context, community->digest, NULL) != 1 ||
            EVP_DigestUpdate(community->context, input, bytes) != 1 ||
            EVP_DigestFinal_ex(community->context, sha1, NULL) != 1) {
            return SLICE_NONE;
        }
        memcpy(entry->input, input, bytes);
        entry->input_bytes = (uint8_t)bytes;
        memcpy(entry->text, "1:", 2);
        base64(sha1, entry->text + 2);
    }
    return slice_of(entry->text, COMMUNITY_ID_BYTES);
}
