/* stun.c - STUN and TURN messages (RFC 8489 section 5, RFC 8656), by their magic cookie.
 *
 *   |0 0|     message type      |        message length         |
 *   |                magic cookie 2112A442                      |
 *   |                transaction id (96 bits)                   |
 *   |   attribute type  |  length  | value, padded to 4 ...     |
 *
 * The class of a message is spread over bits 4 and 8 of its type: 0 request, 1 indication, 2
 * success, 3 error. RFC 3489 knows no cookie; such messages are not told from other bytes and
 * refused. Bytes behind the stated length are ignored: TURN relays pad. */
#include "decoders/stun.h"

enum { HEADER_BYTES = 20, TRANSACTION_BYTES = 12, ATTRIBUTES_MAX = 64 };
enum {
    ATTRIBUTE_MAPPED_ADDRESS = 0x0001,
    ATTRIBUTE_USERNAME = 0x0006,
    ATTRIBUTE_XOR_MAPPED_ADDRESS = 0x0020,
    ATTRIBUTE_USE_CANDIDATE = 0x0025,
};
enum { FAMILY_IP4 = 1, FAMILY_IP6 = 2 };
#define MAGIC_COOKIE UINT32_C(0x2112a442)

/* `mask`: cookie and transaction id, which XOR-MAPPED-ADDRESS is folded with; NULL for the plain
 * one. */
static bool stun_address(struct cursor value, const uint8_t *mask, struct endpoint *out_endpoint)
{
    cursor_skip(&value, 1);
    uint8_t family = cursor_u8(&value);
    uint16_t port = cursor_be16(&value);
    size_t octet_count = family == FAMILY_IP4 ? 4 : 16;
    const uint8_t *octets = cursor_take(&value, octet_count);
    if (octets == NULL || (family != FAMILY_IP4 && family != FAMILY_IP6)) {
        return false;
    }
    uint8_t plain[16] = {0};
    for (size_t index = 0; index < octet_count; index++) {
        plain[index] = (uint8_t)(octets[index] ^ (mask == NULL ? 0 : mask[index]));
    }
    out_endpoint->addr = family == FAMILY_IP4 ? addr_from_v4(plain) : addr_from_v6(plain);
    out_endpoint->port = (uint16_t)(mask == NULL ? port : port ^ (MAGIC_COOKIE >> 16));
    return true;
}

static void stun_attribute(uint16_t type, struct cursor value, const uint8_t *mask,
                           struct stun_view *view)
{
    struct endpoint mapped;
    size_t bytes = cursor_left(&value);
    switch (type) {
    case ATTRIBUTE_USERNAME:
        view->username = slice_of(value.at, bytes);
        break;
    case ATTRIBUTE_USE_CANDIDATE:
        view->use_candidate = true;
        break;
    case ATTRIBUTE_XOR_MAPPED_ADDRESS:
        if (stun_address(value, mask, &mapped)) {
            view->mapped = mapped;
            view->has_mapped = true;
        }
        break;
    case ATTRIBUTE_MAPPED_ADDRESS:
        if (!view->has_mapped && stun_address(value, NULL, &mapped)) {
            view->mapped = mapped;
            view->has_mapped = true;
        }
        break;
    default:
        break;
    }
}

enum reason stun_decode(const uint8_t *at, uint32_t bytes, struct stun_view *out_view)
{
    struct cursor cursor = cursor_over(at, bytes);
    uint16_t type = cursor_be16(&cursor);
    uint16_t length = cursor_be16(&cursor);
    struct cursor mask = cursor;
    uint32_t cookie = cursor_be32(&cursor);
    const uint8_t *transaction = cursor_take(&cursor, TRANSACTION_BYTES);
    const uint8_t *mask_at = cursor_take(&mask, 16);
    if (transaction == NULL || mask_at == NULL) {
        return REASON_STUN_SHORT;
    }
    if (cookie != MAGIC_COOKIE || type >> 14 != 0) {
        return REASON_STUN_COOKIE;
    }
    if (length % 4 != 0 || length > cursor_left(&cursor)) {
        return REASON_STUN_LENGTH;
    }
    unsigned class = ((unsigned)type >> 7 & 2) | ((unsigned)type >> 4 & 1);
    struct stun_view view = {
        .type = type,
        .is_request = class == 0,
        .is_response = class >= 2,
    };
    memcpy(view.transaction, transaction, sizeof view.transaction);
    cursor_limit(&cursor, length);
    for (unsigned count = 0; cursor_left(&cursor) >= 4 && count < ATTRIBUTES_MAX; count++) {
        uint16_t attribute = cursor_be16(&cursor);
        uint16_t value_bytes = cursor_be16(&cursor);
        const uint8_t *value = cursor_take(&cursor, value_bytes);
        if (value == NULL) {
            return REASON_STUN_LENGTH;
        }
        stun_attribute(attribute, cursor_over(value, value_bytes), mask_at, &view);
        cursor_skip(&cursor, (4u - value_bytes % 4) % 4);
    }
    *out_view = view;
    return REASON_NONE;
}
