/* geo.c - MaxMind databases that may be replaced, cut or garbled while they are in use.
 *
 * The library maps a file. One that is cut in place would then end the sensor (SIGBUS), and one that
 * is written over would change under a lookup. So a file is copied into a sealed memory file, and
 * that is what the library maps: from then on nobody can touch it.
 *
 *   path --copy--> memory file, sealed --mmap--> MMDB_s      struct file, counted references
 *   struct geo: slots in the order of the configuration --> files;   cache of answers
 *
 * A geo never changes but for its cache. A new one is made beside it when a file has another
 * identity (device, inode, size, time of change), and takes over the files that have not changed.
 * Who looks up never waits for a disk.
 *
 * The tree inside is only believed as far as the library checks it: a lookup in a garbled one
 * fails, or finds something that is no country, and both are "unknown"; what it finds is read by
 * geo_value.c. At open the first records
 * are looked at for the layout; a database without the wanted names is refused then.
 *
 * Limits: a file that is being written in place while it is copied may be taken half new and half
 * old; its identity is then another one at the next look, and it is read again. */
#include "sensor/lookup/geo.h"

#include "base/hash.h"
#include "base/log.h"
#include "sensor/lookup/geo_value.h"

#include <errno.h>
#include <fcntl.h>
#include <maxminddb.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    COPY_BYTES = 8 << 10,
    PROBE_NODES = 65536, /* of the tree that are looked at for a record */
    PROBE_RECORDS = 64, /* records that may lack the name: anonymous networks, oceans */
    PATH_PARTS = 3, /* of a name in a record, with the NULL */
};

enum kind { COUNTRY, AUTONOMOUS_SYSTEM };

struct identity {
    uint64_t device;
    uint64_t inode;
    uint64_t bytes;
    uint64_t changed_ns; /* 0: there is no file */
};

/* One copy, used by every geo that was opened while the file was as it is. */
struct file {
    uint32_t users;
    const char *const *layout; /* the name in its records */
    MMDB_s database;
};

struct slot {
    enum kind kind;
    char path[OPTION_TEXT_BYTES];
    struct identity tried; /* what stood there when it was last tried, in vain or not */
    struct file *file; /* NULL = never read */
};

struct cached {
    struct addr addr; /* unspecified = free: that is never looked up */
    struct geo_answer answer;
};

struct geo {
    uint32_t slot_count;
    bool empty;
    struct slot slots[2 * GEO_FILES_MAX];
    struct cached cache[GEO_CACHE];
};

/* clang-format off */
const struct option geo_options[] = {
    OPTION("country_files", LIST, geo_conf, country_files, NULL, "", NULL,
           "MaxMind databases (.mmdb) that say an address's country, at most 4; the first that knows it answers"),
    OPTION("as_files", LIST, geo_conf, as_files, NULL, "", NULL,
           "MaxMind databases (.mmdb) that say an address's autonomous system, at most 4"),
    OPTION("check", DURATION_NS, geo_conf, check_ns, "1s", "60s", "1d",
           "live: how often it is looked whether one of these files was replaced"),
    {.kind = OPTION_END},
};
/* clang-format on */

static_assert((GEO_CACHE & (GEO_CACHE - 1)) == 0, "a mask chooses the place");

static const char *const country_nested[PATH_PARTS] = {"country", "iso_code", NULL};
static const char *const country_flat[PATH_PARTS] = {"country_code", NULL};
static const char *const as_number[PATH_PARTS] = {"autonomous_system_number", NULL};
static const char *const as_name[PATH_PARTS] = {"autonomous_system_organization", NULL};

/* --- values --- */

static bool get(MMDB_entry_s entry, const char *const *path, enum geo_value_kind kind,
                struct geo_value *out_value)
{
    const MMDB_s *database = entry.mmdb;

    return geo_value_find(database->data_section, database->data_section_size, entry.offset, path,
                          out_value) &&
           out_value->kind == kind;
}

/* Two capital letters, or 0. */
static uint16_t country_of(MMDB_entry_s entry, const char *const *path)
{
    struct geo_value value;

    if (!get(entry, path, GEO_VALUE_TEXT, &value) || value.text.bytes != 2) {
        return 0;
    }
    const char *code = value.text.at;
    bool letters = code[0] >= 'A' && code[0] <= 'Z' && code[1] >= 'A' && code[1] <= 'Z';
    return letters ? (uint16_t)((unsigned)code[0] << 8 | (unsigned)code[1]) : 0;
}

static uint32_t as_number_of(MMDB_entry_s entry)
{
    struct geo_value value;

    if (!get(entry, as_number, GEO_VALUE_NUMBER, &value) || value.number > UINT32_MAX) {
        return 0;
    }
    return (uint32_t)value.number;
}

/* What does not fit is cut between two characters. */
static void put_as_name(MMDB_entry_s entry, char *out, size_t room)
{
    struct geo_value value;

    if (!get(entry, as_name, GEO_VALUE_TEXT, &value)) {
        return;
    }
    size_t bytes = value.text.bytes;
    if (bytes >= room) {
        bytes = room - 1;
        while (bytes > 0 && ((uint8_t)value.text.at[bytes] & 0xc0) == 0x80) {
            bytes--;
        }
    }
    bytes = strnlen(value.text.at, bytes);
    memcpy(out, value.text.at, bytes);
    out[bytes] = '\0';
}

/* --- reading a file --- */

static struct identity identity_of(const char *path)
{
    struct stat found;

    if (stat(path, &found) != 0 || !S_ISREG(found.st_mode)) {
        return (struct identity){0};
    }
    return (struct identity){.device = found.st_dev,
                             .inode = found.st_ino,
                             .bytes = (uint64_t)found.st_size,
                             .changed_ns = (uint64_t)found.st_mtim.tv_sec * NS_PER_S +
                                           (uint64_t)found.st_mtim.tv_nsec + 1};
}

static bool identity_equal(const struct identity *one, const struct identity *other)
{
    return one->device == other->device && one->inode == other->inode &&
           one->bytes == other->bytes && one->changed_ns == other->changed_ns;
}

static enum status write_all(int to, const uint8_t *at, size_t bytes, const char *path,
                             struct error *error)
{
    while (bytes > 0) {
        ssize_t done = write(to, at, bytes);
        if (done <= 0) {
            return error_system(error, STATUS_INPUT, path, "there is no memory for the file");
        }
        at += done;
        bytes -= (size_t)done;
    }
    return STATUS_OK;
}

static enum status copy(int from, int to, const char *path, struct error *error)
{
    uint8_t bytes[COPY_BYTES];
    uint64_t total = 0;

    for (;;) {
        ssize_t got = read(from, bytes, sizeof bytes);
        if (got == 0) {
            return STATUS_OK;
        }
        if (got < 0) {
            return error_system(error, STATUS_INPUT, path, "the file cannot be read");
        }
        total += (uint64_t)got;
        if (total > GEO_FILE_BYTES_MAX) {
            return error_set(error, STATUS_INPUT, path, "the file is larger than %d MiB",
                             GEO_FILE_BYTES_MAX >> 20);
        }
        enum status status = write_all(to, bytes, (size_t)got, path, error);
        if (status != STATUS_OK) {
            return status;
        }
    }
}

/* A copy that nobody can change: *out_descriptor. */
static enum status copy_file(const char *path, int *out_descriptor, struct error *error)
{
    int from = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe has no end to wait for */
    if (from < 0) {
        return error_system(error, STATUS_INPUT, path, "the file cannot be opened");
    }
    int to = memfd_create("earshot-geo", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    enum status status =
        to < 0 ? error_system(error, STATUS_INPUT, path, "there is no memory for the file")
               : copy(from, to, path, error);
    (void)close(from);
    if (status == STATUS_OK &&
        fcntl(to, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0) {
        status = error_system(error, STATUS_INPUT, path, "the copy of the file cannot be sealed");
    }
    if (status != STATUS_OK && to >= 0) {
        (void)close(to);
    }
    *out_descriptor = to;
    return status;
}

/* The layout of a record, or NULL. */
static const char *const *layout_of(enum kind kind, MMDB_entry_s entry)
{
    if (kind == AUTONOMOUS_SYSTEM) {
        return as_number_of(entry) != 0 ? as_number : NULL;
    }
    return country_of(entry, country_nested) != 0 ? country_nested
           : country_of(entry, country_flat) != 0 ? country_flat
                                                  : NULL;
}

/* Looks through the tree for records that hold the wanted name. Nodes are numbered from the root
 * on, so that the first of them need no path. */
static const char *const *find_layout(enum kind kind, const MMDB_s *database)
{
    uint32_t nodes = database->metadata.node_count;
    unsigned records = 0;

    nodes = nodes < PROBE_NODES ? nodes : PROBE_NODES;
    for (uint32_t i = 0; i < nodes && records < PROBE_RECORDS; i++) {
        MMDB_search_node_s node;
        if (MMDB_read_node(database, i, &node) != MMDB_SUCCESS) {
            return NULL;
        }
        const char *const *layout = NULL;
        if (node.left_record_type == MMDB_RECORD_TYPE_DATA) {
            layout = layout_of(kind, node.left_record_entry);
            records++;
        }
        if (layout == NULL && node.right_record_type == MMDB_RECORD_TYPE_DATA) {
            layout = layout_of(kind, node.right_record_entry);
            records++;
        }
        if (layout != NULL) {
            return layout;
        }
    }
    return NULL;
}

static enum status open_database(const struct slot *slot, MMDB_s *database, struct error *error)
{
    int copied = -1;
    enum status status = copy_file(slot->path, &copied, error);
    if (status != STATUS_OK) {
        return status;
    }
    char name[64];
    (void)snprintf(name, sizeof name, "/proc/self/fd/%d", copied);
    int failed = MMDB_open(name, MMDB_MODE_MMAP, database);
    (void)close(copied); /* the mapping keeps it */
    return failed == MMDB_SUCCESS
               ? STATUS_OK
               : error_set(error, STATUS_INPUT, slot->path, "this is no MaxMind database (%s)",
                           MMDB_strerror(failed));
}

static enum status open_file(const struct slot *slot, struct file **out_file, struct error *error)
{
    struct file *file = calloc(1, sizeof *file);
    if (file == NULL) {
        return error_set(error, STATUS_INPUT, slot->path, "there is no memory for the file");
    }
    enum status status = open_database(slot, &file->database, error);
    if (status != STATUS_OK) {
        free(file);
        return status;
    }
    file->layout = find_layout(slot->kind, &file->database);
    if (file->layout == NULL) {
        MMDB_close(&file->database);
        free(file);
        return error_set(error, STATUS_INPUT, slot->path,
                         slot->kind == COUNTRY
                             ? "its records have neither country.iso_code nor country_code"
                             : "its records have no autonomous_system_number");
    }
    file->users = 1;
    *out_file = file;
    return STATUS_OK;
}

static void leave_file(struct file *file)
{
    if (file != NULL && --file->users == 0) {
        MMDB_close(&file->database);
        free(file);
    }
}

/* --- slots --- */

static const struct slot *find_slot(const struct geo *geo, enum kind kind, const char *path)
{
    for (uint32_t i = 0; geo != NULL && i < geo->slot_count; i++) {
        if (geo->slots[i].kind == kind && strcmp(geo->slots[i].path, path) == 0) {
            return &geo->slots[i];
        }
    }
    return NULL;
}

static uint32_t files_of(const struct option_list *list)
{
    return list->count < GEO_FILES_MAX ? list->count : GEO_FILES_MAX;
}

static void fill_slot(struct geo *geo, const struct geo *before, enum kind kind, const char *path)
{
    struct slot *slot = &geo->slots[geo->slot_count++];
    const struct slot *known = find_slot(before, kind, path);
    struct identity now = identity_of(path);
    struct file *read = NULL;
    struct error error = {0};

    if (known != NULL) {
        *slot = *known;
    } else {
        *slot = (struct slot){.kind = kind};
        (void)snprintf(slot->path, sizeof slot->path, "%s", path);
    }
    if (known == NULL || !identity_equal(&now, &known->tried)) {
        slot->tried = now;
        if (open_file(slot, &read, &error) == STATUS_OK) {
            slot->file = read;
        } else {
            log_line(LOG_WARN, "%s: %s; %s", error.where, error.message,
                     slot->file == NULL ? "the run goes on without it"
                                        : "the one before stays in use");
        }
    }
    if (slot->file != NULL && slot->file != read) {
        slot->file->users++;
    }
    geo->empty = geo->empty && slot->file == NULL;
}

static void fill_slots(struct geo *geo, const struct geo *before, enum kind kind,
                       const struct option_list *list)
{
    if (list->count > GEO_FILES_MAX) {
        log_line(LOG_WARN, "geo.%s: only the first %d files are used",
                 kind == COUNTRY ? "country_files" : "as_files", GEO_FILES_MAX);
    }
    for (uint32_t i = 0; i < files_of(list); i++) {
        fill_slot(geo, before, kind, list->items[i]);
    }
}

enum status geo_open(const struct geo_conf *conf, const struct geo *before, struct geo **out_geo,
                     struct error *error)
{
    struct geo *geo = calloc(1, sizeof *geo);
    if (geo == NULL) {
        return error_set(error, STATUS_FAILED, "", "no memory for countries");
    }
    geo->empty = true;
    fill_slots(geo, before, COUNTRY, &conf->country_files);
    fill_slots(geo, before, AUTONOMOUS_SYSTEM, &conf->as_files);
    *out_geo = geo;
    return STATUS_OK;
}

void geo_close(struct geo *geo)
{
    if (geo == NULL) {
        return;
    }
    for (uint32_t i = 0; i < geo->slot_count; i++) {
        leave_file(geo->slots[i].file);
    }
    free(geo);
}

static bool names_others(const struct geo *geo, enum kind kind, const struct option_list *list,
                         uint32_t from)
{
    for (uint32_t i = 0; i < files_of(list); i++) {
        const struct slot *slot = &geo->slots[from + i];
        struct identity now = identity_of(list->items[i]);
        if (slot->kind != kind || strcmp(slot->path, list->items[i]) != 0 ||
            !identity_equal(&now, &slot->tried)) {
            return true;
        }
    }
    return false;
}

bool geo_is_stale(const struct geo *geo, const struct geo_conf *conf)
{
    uint32_t countries = files_of(&conf->country_files);

    return geo->slot_count != countries + files_of(&conf->as_files) ||
           names_others(geo, COUNTRY, &conf->country_files, 0) ||
           names_others(geo, AUTONOMOUS_SYSTEM, &conf->as_files, countries);
}

bool geo_is_empty(const struct geo *geo)
{
    return geo->empty;
}

static size_t list_bytes(const struct option_list *list)
{
    size_t bytes = 0;

    for (uint32_t i = 0; i < files_of(list); i++) {
        uint64_t file = identity_of(list->items[i]).bytes;
        bytes += file < GEO_FILE_BYTES_MAX ? (size_t)file : GEO_FILE_BYTES_MAX;
    }
    return bytes;
}

size_t geo_bytes(const struct geo_conf *conf)
{
    return sizeof(struct geo) + list_bytes(&conf->country_files) + list_bytes(&conf->as_files);
}

/* --- looking up --- */

static bool is_nobodys(const struct addr *addr)
{
    return addr_is_private(addr) || addr_is_multicast(addr) || addr_is_broadcast(addr) ||
           addr_is_unspecified(addr);
}

static bool find_entry(const struct file *file, const struct addr *addr, MMDB_entry_s *out_entry)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    struct sockaddr_in four = {.sin_family = AF_INET};
    const struct sockaddr *any = (const struct sockaddr *)(const void *)&six;
    int failed = MMDB_SUCCESS;

    if (addr_is_v4(addr)) {
        memcpy(&four.sin_addr, addr->octets + 12, 4);
        any = (const struct sockaddr *)(const void *)&four;
    } else {
        memcpy(&six.sin6_addr, addr->octets, 16);
    }
    MMDB_lookup_result_s found = MMDB_lookup_sockaddr(&file->database, any, &failed);
    *out_entry = found.entry;
    return failed == MMDB_SUCCESS && found.found_entry;
}

static void ask(const struct slot *slot, const struct addr *addr, struct geo_answer *answer)
{
    MMDB_entry_s entry;
    bool known = slot->kind == COUNTRY ? answer->country != 0 : answer->as_number != 0;

    if (known || slot->file == NULL || !find_entry(slot->file, addr, &entry)) {
        return;
    }
    if (slot->kind == COUNTRY) {
        answer->country = country_of(entry, slot->file->layout);
        return;
    }
    answer->as_number = as_number_of(entry);
    if (answer->as_number != 0) {
        put_as_name(entry, answer->as_name, sizeof answer->as_name);
    }
}

const struct geo_answer *geo_look(struct geo *geo, const struct addr *addr)
{
    static const struct geo_answer unknown;

    if (is_nobodys(addr)) {
        return &unknown;
    }
    struct cached *cached = &geo->cache[hash_addr(HASH_KEY_FIXED, addr) & (GEO_CACHE - 1)];
    if (!addr_equal(&cached->addr, addr)) {
        *cached = (struct cached){.addr = *addr};
        for (uint32_t i = 0; i < geo->slot_count; i++) {
            ask(&geo->slots[i], addr, &cached->answer);
        }
    }
    return &cached->answer;
}
