/* storm.c - more than 20 incidents of one rule within a minute are one incident about many.
 *
 * What counts is how many keys wanted to open one, told or not: if only the told ones counted, each
 * minute would let 20 more through while the storm goes on. A key that was folded stays so until
 * the storm's incident closes, else the same keys would come back one by one as soon as it is
 * quieter. The largest keys are kept by space-saving; ties go to the lower row: answers repeat. */
#include "detectors/frame/incidents.h"

/* Two bits a key; a filter that is full takes everything until the storm is over. */
static bool is_folded(const struct storm *storm, uint64_t key_hash)
{
    uint32_t one = (uint32_t)(key_hash % STORM_FOLDED_BITS);
    uint32_t other = (uint32_t)((key_hash >> 32) % STORM_FOLDED_BITS);

    return (storm->folded[one / 64] >> one % 64 & storm->folded[other / 64] >> other % 64 & 1) != 0;
}

static void fold(struct storm *storm, uint64_t key_hash)
{
    uint32_t one = (uint32_t)(key_hash % STORM_FOLDED_BITS);
    uint32_t other = (uint32_t)((key_hash >> 32) % STORM_FOLDED_BITS);

    storm->folded[one / 64] |= UINT64_C(1) << one % 64;
    storm->folded[other / 64] |= UINT64_C(1) << other % 64;
}

bool storm_takes(struct storm *storm, uint64_t key_hash, uint64_t now_ns, bool *out_new)
{
    *out_new = false;
    if (storm->active && is_folded(storm, key_hash)) {
        return true;
    }
    if (window_add(&storm->opens, now_ns, STORM_WINDOW_NS, 1) <= STORM_OPENS_MAX) {
        return false;
    }
    if (!storm->active) {
        storm->active = true;
        storm->used = 0;
        memset(&storm->keys, 0, sizeof storm->keys);
        memset(storm->folded, 0, sizeof storm->folded);
    }
    (void)distinct_add(&storm->keys, key_hash);
    fold(storm, key_hash);
    *out_new = true;
    return true;
}

static void name_row(struct storm_row *row, uint64_t key_hash, struct slice name)
{
    size_t bytes = name.bytes < sizeof row->name ? name.bytes : sizeof row->name - 1;

    row->key_hash = key_hash;
    memset(row->name, 0, sizeof row->name);
    if (bytes > 0) {
        memcpy(row->name, name.at, bytes);
    }
}

void storm_note(struct storm *storm, uint64_t key_hash, struct slice name)
{
    uint32_t least = 0;

    for (uint32_t i = 0; i < storm->used; i++) {
        if (storm->top[i].key_hash == key_hash) {
            storm->top[i].count++;
            return;
        }
        if (storm->top[i].count < storm->top[least].count) {
            least = i;
        }
    }
    if (storm->used < STORM_TOP) {
        storm->top[storm->used].count = 1;
        name_row(&storm->top[storm->used++], key_hash, name);
        return;
    }
    storm->top[least].count++;
    name_row(&storm->top[least], key_hash, name);
}

void storm_write(const struct storm *storm, bool are_names, struct text *text)
{
    bool said[STORM_TOP] = {false};

    for (uint32_t written = 0; written < storm->used; written++) {
        uint32_t best = STORM_TOP;
        for (uint32_t i = 0; i < storm->used; i++) {
            if (!said[i] && (best == STORM_TOP || storm->top[i].count > storm->top[best].count)) {
                best = i;
            }
        }
        said[best] = true;
        struct text entry = *text; /* whole or not at all */
        text_string(&entry, written == 0 ? "" : ", ");
        if (are_names) {
            key_write_name(&entry, slice_of_string(storm->top[best].name), STORM_NAME_BYTES);
        } else {
            text_string(&entry, storm->top[best].name);
        }
        text_format(&entry, " (%" PRIu64 ")", storm->top[best].count);
        if (!entry.overflow) {
            *text = entry;
        }
    }
}
