/* image.c - see image.h for the layout.
 *
 * Building only copies: checksums are made by image_seal(), which runs where the file is written,
 * so that the analyst does not wait for them. Whoever takes an image apart looks at sizes again
 * even after the checksums, with nothing but comparisons of what is left. */
#include "sensor/run/image.h"

#define MAGIC "EARSHOT\x1a"

enum { MAGIC_BYTES = 8, BYTE_ORDER_MARK = 0x01020304, FORMAT = 1, ALIGNMENT = 8 };

struct head {
    char magic[MAGIC_BYTES];
    uint32_t byte_order;
    uint32_t format;
    uint64_t key_mark;
    uint64_t saved_ns;
    uint64_t bytes; /* of the file */
    uint32_t sections;
    uint32_t reserved;
    char version[IMAGE_VERSION_BYTES];
};

struct section {
    char name[SNAPSHOT_NAME_BYTES];
    uint32_t version;
    uint32_t layout;
    uint64_t entries;
    uint64_t bytes;
    uint64_t checksum;
};
static_assert(sizeof(struct head) % ALIGNMENT == 0 && sizeof(struct section) % ALIGNMENT == 0,
              "sections stand aligned");

static size_t padded(size_t bytes)
{
    return (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

size_t image_bytes_max(size_t parts_bytes)
{
    return sizeof(struct head) + IMAGE_SECTIONS * (sizeof(struct section) + ALIGNMENT) +
           parts_bytes + sizeof(uint64_t);
}

/* --- building --- */

void image_begin(struct image *image, void *at, size_t room, uint64_t saved_ns)
{
    struct head head = {.magic = MAGIC,
                        .byte_order = BYTE_ORDER_MARK,
                        .format = FORMAT,
                        .saved_ns = saved_ns,
                        .version = EARSHOT_VERSION};

    assert(room >= image_bytes_max(0));
    *image = (struct image){.at = at, .room = room, .bytes = sizeof head};
    memcpy(image->at, &head, sizeof head);
}

void image_add(struct image *image, const struct snapshot_part *part)
{
    struct section section = {.version = part->version, .layout = part->layout};
    size_t begins = image->bytes + sizeof section;

    assert(strlen(part->name) < sizeof section.name && image->sections < IMAGE_SECTIONS);
    if (image->room - sizeof(uint64_t) < begins) {
        image->overflow = true;
        return;
    }
    struct snapshot_out out = {.at = image->at + begins,
                               .room = image->room - sizeof(uint64_t) - begins};
    part->save(part->owner, &out);
    size_t bytes = padded(out.bytes);
    if (out.overflow || out.room < bytes) {
        image->overflow = true;
        return;
    }
    memset(out.at + out.bytes, 0, bytes - out.bytes);
    memcpy(section.name, part->name, strlen(part->name));
    section.entries = out.entries;
    section.bytes = out.bytes;
    memcpy(image->at + image->bytes, &section, sizeof section);
    image->bytes = begins + bytes;
    image->sections++;
}

static uint64_t key_mark(struct hash_key key)
{
    return hash_slice(key, SLICE("earshot state"));
}

/* The section whose head stands at *at; moves behind its bytes. NULL: not so many bytes are left. */
static const uint8_t *section_at(const uint8_t *image, size_t end, size_t *at,
                                 struct section *out_section)
{
    if (end - *at < sizeof *out_section) {
        return NULL;
    }
    memcpy(out_section, image + *at, sizeof *out_section);
    size_t left = end - *at - sizeof *out_section;
    if (out_section->bytes > left || padded((size_t)out_section->bytes) > left) {
        return NULL;
    }
    const uint8_t *bytes = image + *at + sizeof *out_section;
    *at += sizeof *out_section + padded((size_t)out_section->bytes);
    return bytes;
}

void image_seal(struct image *image, struct hash_key key)
{
    struct head head;
    size_t at = sizeof head;

    for (uint32_t i = 0; i < image->sections; i++) {
        struct section section;
        size_t begins = at;
        const uint8_t *bytes = section_at(image->at, image->bytes, &at, &section);
        assert(bytes != NULL);
        section.checksum = hash_bytes(key, bytes, (size_t)section.bytes);
        memcpy(image->at + begins, &section, sizeof section);
    }
    memcpy(&head, image->at, sizeof head);
    head.key_mark = key_mark(key);
    head.sections = image->sections;
    head.bytes = image->bytes + sizeof(uint64_t);
    memcpy(image->at, &head, sizeof head);
    uint64_t checksum = hash_bytes(key, image->at, image->bytes);
    memcpy(image->at + image->bytes, &checksum, sizeof checksum);
    image->bytes += sizeof checksum;
}

/* --- checking --- */

static const char *head_fault(const struct head *head, size_t bytes, struct hash_key key)
{
    if (memcmp(head->magic, MAGIC, MAGIC_BYTES) != 0) {
        return "it is no state file";
    }
    if (head->byte_order != BYTE_ORDER_MARK) {
        return "it comes from a machine with another byte order";
    }
    if (head->format != FORMAT) {
        return "it has another format";
    }
    if (head->bytes != bytes) {
        return head->bytes > bytes ? "it is cut" : "something follows its end";
    }
    return head->key_mark != key_mark(key) ? "it was made with another key" : NULL;
}

static const char *sections_fault(const struct head *head, const uint8_t *image, size_t end,
                                  struct hash_key key)
{
    size_t at = sizeof *head;

    if (head->sections > IMAGE_SECTIONS) {
        return "it has too many sections";
    }
    for (uint32_t i = 0; i < head->sections; i++) {
        struct section section;
        const uint8_t *bytes = section_at(image, end, &at, &section);
        if (bytes == NULL) {
            return "a section is longer than the file";
        }
        if (section.name[sizeof section.name - 1] != '\0' ||
            section.checksum != hash_bytes(key, bytes, (size_t)section.bytes)) {
            return "a section does not match its checksum";
        }
    }
    return at == end ? NULL : "something stands behind its sections";
}

const char *image_fault(const void *at, size_t bytes, struct hash_key key)
{
    struct head head;
    uint64_t checksum;

    if (bytes < sizeof head + sizeof checksum) {
        return bytes == 0 ? "it is empty" : "it is cut";
    }
    memcpy(&head, at, sizeof head);
    const char *fault = head_fault(&head, bytes, key);
    if (fault != NULL) {
        return fault;
    }
    size_t end = bytes - sizeof checksum;
    memcpy(&checksum, (const uint8_t *)at + end, sizeof checksum);
    if (checksum != hash_bytes(key, at, end)) {
        return "it does not match its checksum";
    }
    return sections_fault(&head, at, end, key);
}

/* --- taking apart --- */

static const struct snapshot_part *part_of(const struct snapshot_part *parts, uint32_t count,
                                           const char *name)
{
    for (uint32_t i = 0; i < count; i++) {
        if (strncmp(parts[i].name, name, SNAPSHOT_NAME_BYTES) == 0) {
            return &parts[i];
        }
    }
    return NULL;
}

static enum image_outcome give(const struct snapshot_part *part, const struct section *section,
                               struct snapshot_in *in)
{
    if (part == NULL) {
        return IMAGE_UNKNOWN;
    }
    if (part->version != section->version || part->layout != section->layout) {
        return IMAGE_OTHER;
    }
    return part->load(part->owner, in) && !in->failed ? IMAGE_TAKEN : IMAGE_BROKEN;
}

void image_load(const void *image, size_t bytes, const struct snapshot_part *parts, uint32_t count,
                uint64_t now_ns, void (*tell)(void *owner, const struct image_told *told),
                void *owner)
{
    struct head head;
    size_t end = bytes - sizeof(uint64_t);

    memcpy(&head, image, sizeof head);
    /* Part by part in their order; those that no part wants come last. */
    for (uint32_t turn = 0; turn <= count; turn++) {
        size_t at = sizeof head;
        for (uint32_t i = 0; i < head.sections; i++) {
            struct section section;
            const char *name = (const char *)image + at;
            const uint8_t *from = section_at(image, end, &at, &section);
            if (from == NULL) {
                return;
            }
            const struct snapshot_part *part = part_of(parts, count, section.name);
            if (part != (turn < count ? &parts[turn] : NULL)) {
                continue;
            }
            struct snapshot_in in = {.at = from,
                                     .bytes = (size_t)section.bytes,
                                     .entries = section.entries,
                                     .saved_ns = head.saved_ns,
                                     .now_ns = now_ns};
            struct image_told told = {.entries = section.entries};
            told.outcome = give(part, &section, &in);
            told.name = slice_of(name, strnlen(name, sizeof section.name));
            told.future = in.future;
            tell(owner, &told);
        }
    }
}
