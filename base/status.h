/* status.h - result codes, and the error that an operator reads.
 *
 * Owns      nothing; a struct error is plain memory of the caller.
 * Borrows   nothing; texts are copied.
 * Time      none.
 * Bounds    `where` and `message` are cut at their sizes.
 * Errors    this is them: the outside world (files, configuration, system calls) fails with an enum
 *           status and fills a struct error. Bytes of the wire are refused with an enum reason
 *           instead.
 * Thread    any. */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#include "base/banned.h"

#include <assert.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(text_at, first_at) __attribute__((__format__(__printf__, text_at, first_at)))
/* A large local of a hot place. Hardened builds clear all locals, which would cost more than the
 * work; what is read of this one is written before, and the tests run under sanitizers that would
 * know. */
#if defined(__has_attribute) && __has_attribute(uninitialized)
#define UNCLEARED __attribute__((uninitialized))
#else
#define UNCLEARED
#endif

/* Assertions check ourselves, never the wire. assert() stays on in release; assert_hot() stands on
 * the packet path and is on in test builds only. */
#ifdef EARSHOT_ASSERT_HOT
#define assert_hot(condition) assert(condition)
#else
#define assert_hot(condition) ((void)0)
#endif

/* The value is the exit status of the program. */
enum status {
    STATUS_OK = 0,
    STATUS_FAILED = 1, /* something inside failed: memory, a thread, an output */
    STATUS_USAGE = 2, /* wrong usage or configuration */
    STATUS_INPUT = 3, /* input that cannot be read */
};

struct error {
    enum status code;
    int sys_errno; /* 0 where no system call was involved */
    char where[256]; /* file, file:line:column, key or packet; may be empty */
    char message[768]; /* what failed and what to do, one sentence without a full stop */
};

/* Fills `error` and returns `code`, so that a function can end with `return error_set(...)`. */
enum status error_set(struct error *error, enum status code, const char *where, const char *format,
                      ...) PRINTF_LIKE(4, 5);
/* The same for a failed system call: errno is kept and its text appended. */
enum status error_system(struct error *error, enum status code, const char *where,
                         const char *format, ...) PRINTF_LIKE(4, 5);

#endif
