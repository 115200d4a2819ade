/* phone.h - one that comes back as a phone does: soon, under its own Call-ID, with a rising CSeq.
 *
 * Owns      nothing: a part of the things in the cells of detectors (remembered.h).
 * Borrows   the array during the call.
 * Time      of the facts, in milliseconds as there.
 * Bounds    the owner's array.
 * Errors    none.
 * Thread    the analyst's.
 *
 * A registration keeps its Call-ID and counts its CSeq up (RFC 3261 section 10.2). Tools that use
 * one Call-ID for a whole run share it between users, so it must be nobody else's. */
#ifndef DETECTORS_FRAME_PHONE_H
#define DETECTORS_FRAME_PHONE_H

#include "detectors/frame/remembered.h"

/* Phones come back within 30 min (RFC 5626 section 4.5). */
#define PHONE_BACK_MS (35U * 60U * 1000U)

struct phone {
    struct remembered is;
    uint32_t call_id; /* low half of its hash */
    uint32_t cseq;
};

/* Was it this phone again that said so? */
static inline bool phone_is_back(void *things, uint32_t used, size_t stride,
                                 const struct phone *phone, uint32_t call_id, uint32_t cseq)
{
    if (phone->call_id != call_id || cseq <= phone->cseq) {
        return false;
    }
    for (uint32_t i = 0; i < used; i++) {
        const struct phone *other = (const void *)remembered_at(things, i, stride);
        if (other != phone && other->call_id == call_id) {
            return false;
        }
    }
    return true;
}

#endif
