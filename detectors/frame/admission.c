/* admission.c - forged sources in bulk say one thing each; whoever is worth an entry comes back.
 *
 *      unproven, no entry, table crowded ──▶ someone silent for a day? ──yes──▶ his place
 *                                                │ no
 *                                            its /24 or /48 has 64? ──yes──▶ refused (crowded)
 *                                                │ no
 *                            of an incident, or a tool's mark? ──yes──▶ entry
 *                                                │ no
 *                               third fact, by the count-min sketch? ──yes──▶ entry
 *                                                └──no──▶ refused (new), counted in the sketch
 *
 * Below their share of the table (a quarter) all keys get an entry at once, so that a quiet site is
 * judged to the unit. Above it a key that has shown nothing loses the two facts that bring it in:
 * who comes new into a flood is told two targets or two names later (docs/decisions/006).
 *
 * The sources of the Internet's background noise come once and never again; a day later each leaves
 * its place to the next, or they would fill the share for ever and make a quiet site look crowded.
 *
 * That one of ours answered does not help: our servers answer forged questions too. An answer to
 * the source is therefore not counted as a word of his.
 *
 * A sketch that only fades (all counts are halved) every 6 hours is full after some 200,000 keys and
 * then admits everybody, in the middle of the flood that it is for. So it also fades after as many
 * facts as it has columns. Measured, share of keys admitted at their first fact in a flood of new
 * ones: fading after 65,536 facts none of 2 million, after 98,304 0.03 %, after 131,072 2.2 %,
 * after 196,608 25 %. */
#include "detectors/frame/admission.h"

static void fade(struct admission *admission, uint64_t now_ns)
{
    unsigned lapses = (unsigned)(admission->added >= ADMISSION_FADE_FACTS);

    for (; lapses < COUNT_MIN_BITS &&
           time_since(now_ns, admission->faded_ns) / ADMISSION_FADE_NS > lapses;
         lapses++) {
    }
    if (lapses == 0) {
        return;
    }
    for (; lapses > 0; lapses--) {
        count_min_halve(&admission->seen);
    }
    admission->faded_ns = now_ns;
    admission->added = 0;
}

/* Something that the source did itself, not what was done to it. */
static bool is_word(const struct fact *fact)
{
    return fact->kind != FACT_MESSAGE || !fact->is.message.is_response;
}

bool admission_admits(struct admission *admission, struct table *table,
                      const struct admission_stranger *stranger)
{
    uint64_t now_ns = stranger->fact->time_ns;

    if (stranger->fact->kind == FACT_INCIDENT ||
        table_evict_idle(table, time_since(now_ns, ADMISSION_IDLE_NS))) {
        return true; /* some detector has judged it already, or it is not that crowded */
    }
    if (stranger->group != 0 &&
        table_weak_of_group(table, stranger->group) >= ADMISSION_PREFIX_MAX) {
        admission->refused_crowded++;
        return false;
    }
    if (stranger->marked) {
        return true;
    }
    if (is_word(stranger->fact)) {
        fade(admission, now_ns);
        admission->added++;
        uint64_t key = hash_mix(stranger->hash, stranger->kind);
        if (count_min_add(&admission->seen, key) >= ADMISSION_FACTS) {
            return true;
        }
    }
    admission->refused_new++;
    return false;
}
