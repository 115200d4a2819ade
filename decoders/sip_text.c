/* sip_text.c - control bytes and bytes above ASCII in a header block (RFC 3261
 * section 7.3.1, 25.1).
 *
 * The line scan has seen that there are some; this walk, which few messages need, says where: a
 * control byte may stand behind a backslash in a quoted string and nowhere else, and what is not
 * ASCII must be UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF). */
#include "decoders/sip_inside.h"

static void controls_check(struct sip_message *message, const char *at, const char *to)
{
    bool quoted = false;

    for (; at < to; at++) {
        uint8_t byte = (uint8_t)*at;
        if (byte == '"') {
            quoted = !quoted;
        } else if (byte == '\n') {
            quoted = quoted && at + 1 < to && (at[1] == ' ' || at[1] == '\t'); /* a fold goes on */
        } else if (byte == '\\' && quoted && at + 1 < to && at[1] != '\r' && at[1] != '\n') {
            at++;
            byte = (uint8_t)*at;
            if ((byte < 0x20 && byte != '\t') || byte == 0x7f) {
                sip_anomaly(message, ANOMALY_QUOTED_CONTROL);
            }
        } else if ((byte < 0x20 && byte != '\t' && byte != '\r') || byte == 0x7f) {
            sip_anomaly(message, ANOMALY_CONTROL_CHAR);
        }
    }
}

/* Bytes of the sequence at `at`; 0 where it is none, more than there are where the text ends inside
 * of it. */
static unsigned sequence_bytes(const uint8_t *at, const uint8_t *to)
{
    static const uint8_t low[5] = {0, 0, 0x80, 0xa0, 0x90}; /* the second byte after C2, E0, F0 */
    uint8_t first = at[0];
    unsigned bytes = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

    if (bytes < 2 || first > 0xf4) {
        return first < 0x80 ? 1 : 0;
    }
    for (unsigned i = 1; i < bytes && at + i < to; i++) {
        uint8_t from = i == 1 && (first == 0xe0 || first == 0xf0) ? low[bytes] : 0x80;
        uint8_t until = i == 1 && first == 0xed ? 0x9f : i == 1 && first == 0xf4 ? 0x8f : 0xbf;
        if (at[i] < from || at[i] > until) {
            return 0;
        }
    }
    return bytes;
}

static bool is_utf8(const uint8_t *at, const uint8_t *to, bool cut)
{
    while (at < to) {
        unsigned bytes = sequence_bytes(at, to);
        if (bytes == 0) {
            return false;
        }
        if (at + bytes > to) {
            return cut;
        }
        at += bytes;
    }
    return true;
}

void sip_text_check(struct sip_work *work, uint32_t bytes, uint32_t saw)
{
    if ((saw & SIP_SAW_CONTROL) != 0) {
        controls_check(work->message, work->raw, work->raw + bytes);
    }
    if ((saw & SIP_SAW_HIGH) != 0) {
        const uint8_t *at = (const uint8_t *)work->raw;
        if (!is_utf8(at, at + bytes, work->cut)) {
            sip_anomaly(work->message, ANOMALY_NON_UTF8);
        }
    }
}
