/* status.c - errors are composed beside the target first, because callers like to wrap: the old
 * text may be an argument of the new one. 1 KiB of stack buys that nobody has to think about it. */
#include "base/status.h"

#include <errno.h>
#include <stdarg.h>

static void error_fill(struct error *error, enum status code, int sys_errno, const char *where,
                       const char *message)
{
    char where_copy[sizeof error->where];

    (void)snprintf(where_copy, sizeof where_copy, "%s", where == NULL ? "" : where);
    error->code = code;
    error->sys_errno = sys_errno;
    memcpy(error->where, where_copy, sizeof where_copy);
    memcpy(error->message, message, sizeof error->message);
}

enum status error_set(struct error *error, enum status code, const char *where, const char *format,
                      ...)
{
    char message[sizeof error->message];
    va_list arguments;

    assert(code != STATUS_OK);
    va_start(arguments, format);
    (void)vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (error != NULL) {
        error_fill(error, code, 0, where, message);
    }
    return code;
}

enum status error_system(struct error *error, enum status code, const char *where,
                         const char *format, ...)
{
    int sys_errno = errno;
    char message[sizeof error->message];
    va_list arguments;

    assert(code != STATUS_OK);
    va_start(arguments, format);
    int written = vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    if (written >= 0 && (size_t)written < sizeof message) {
        char text[128];
        /* The GNU form: returns the text, which need not be in the buffer. */
        const char *reason = strerror_r(sys_errno, text, sizeof text);
        (void)snprintf(message + written, sizeof message - (size_t)written, ": %s", reason);
    }
    if (error != NULL) {
        error_fill(error, code, sys_errno, where, message);
    }
    errno = sys_errno;
    return code;
}
