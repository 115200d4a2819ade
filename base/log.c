/* log.c - one write(2) for a line, so lines of several threads do not mix.
 *
 * The limit knows no clock: a call site speaks five times, then at its 10th, 100th, 1,000th ...
 * line. That tells "still, and more often" without a flood, and a test needs no sleep. Call sites
 * are told apart by the address of their format. A mutex stands here: nothing on the way of a
 * packet logs. */
#include "base/log.h"

#include "base/text.h"

#include <pthread.h>
#include <stdarg.h>
#include <unistd.h>

enum { SITES = 256, LINES_FIRST = 5 };

struct site {
    uint64_t key; /* 0 = free */
    uint64_t seen;
    uint64_t silent; /* not said since the last one said */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct site sites[SITES + 1]; /* the last one serves all that find no place */
static enum log_level highest = LOG_INFO;

/* Under the lock. */
static struct site *site_of(uint64_t key)
{
    size_t home = (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 56);

    for (size_t i = 0; i < SITES; i++) {
        struct site *site = &sites[(home + i) % SITES];
        if (site->key == key || site->key == 0) {
            site->key = key;
            return site;
        }
    }
    return &sites[SITES];
}

static bool is_power_of_ten(uint64_t count)
{
    while (count % 10 == 0) {
        count /= 10;
    }
    return count == 1;
}

/* Whether this line may be said; then *out_silent lines before it were not. */
static bool may_speak(uint64_t key, uint64_t *out_silent)
{
    (void)pthread_mutex_lock(&lock);
    struct site *site = site_of(key);
    site->seen++;
    bool speak = site->seen <= LINES_FIRST || is_power_of_ten(site->seen);
    *out_silent = site->silent;
    site->silent = speak ? 0 : site->silent + 1;
    (void)pthread_mutex_unlock(&lock);
    return speak;
}

static void write_line(enum log_level level, struct slice message, uint64_t silent)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    char raw[LOG_LINE_BYTES];
    char tail_raw[64];
    struct text tail = text_into(tail_raw, sizeof tail_raw);
    struct text line = text_into(raw, sizeof raw);

    if (silent > 0) {
        text_format(&tail, " (and %" PRIu64 " more like it, not said)", silent);
    }
    text_byte(&tail, '\n');
    line.capacity -= tail.bytes;
    text_format(&line, "earshot: %s: ", names[level]);
    /* Piece by piece, so that of a long line the beginning is said. */
    while (message.bytes > 0 && !line.overflow) {
        size_t bytes = 1;
        while (bytes < message.bytes && bytes < 4 && (message.at[bytes] & 0xc0) == 0x80) {
            bytes++;
        }
        text_printable(&line, slice_part(message, 0, bytes));
        message = slice_from(message, bytes);
    }
    line.capacity = sizeof raw;
    line.overflow = false;
    text_slice_put(&line, text_slice(&tail));
    ssize_t written = write(STDERR_FILENO, line.at, line.bytes);
    (void)written; /* nowhere to say it */
}

void log_level_set(enum log_level level)
{
    (void)pthread_mutex_lock(&lock);
    highest = level;
    (void)pthread_mutex_unlock(&lock);
}

static bool is_wanted(enum log_level level)
{
    (void)pthread_mutex_lock(&lock);
    bool wanted = level <= highest;
    (void)pthread_mutex_unlock(&lock);
    return wanted;
}

void log_line(enum log_level level, const char *format, ...)
{
    char message[LOG_LINE_BYTES];
    uint64_t silent;
    va_list arguments;

    if (!is_wanted(level) || !may_speak((uintptr_t)format, &silent)) {
        return;
    }
    va_start(arguments, format);
    int wanted = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (wanted >= 0) {
        write_line(level, slice_of_string(message), silent);
    }
}

void log_seldom(enum log_level level, const char *format, ...)
{
    char message[LOG_LINE_BYTES];
    va_list arguments;

    if (!is_wanted(level)) {
        return;
    }
    va_start(arguments, format);
    int wanted = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (wanted >= 0) {
        write_line(level, slice_of_string(message), 0);
    }
}

void log_error_struct(const struct error *error)
{
    char message[sizeof error->where + sizeof error->message + 2];
    uint64_t silent;
    uint64_t key = 1469598103934665603U;

    int wanted = snprintf(message, sizeof message, "%s%s%s", error->where,
                          error->where[0] == '\0' ? "" : ": ", error->message);
    if (wanted < 0 || !is_wanted(LOG_ERROR)) {
        return;
    }
    for (const char *at = message; *at != '\0'; at++) {
        key = (key ^ (unsigned char)*at) * 1099511628211U; /* FNV-1a: any spread will do */
    }
    if (may_speak(key | 1, &silent)) {
        write_line(LOG_ERROR, slice_of_string(message), silent);
    }
}

void log_flush(void)
{
    uint64_t silent = 0;

    (void)pthread_mutex_lock(&lock);
    for (size_t i = 0; i <= SITES; i++) {
        silent += sites[i].silent;
        sites[i] = (struct site){.key = 0};
    }
    (void)pthread_mutex_unlock(&lock);
    if (silent > 0) {
        char message[64];
        int wanted = snprintf(message, sizeof message, "%" PRIu64 " lines were not said", silent);
        assert(wanted > 0);
        write_line(LOG_INFO, slice_of_string(message), 0);
    }
}
