/* folder.h - the captures in a folder.
 *
 * Owns      the list and its names; folder_close() frees them.
 * Borrows   the path during open.
 * Time      none.
 * Bounds    SOURCE_FILES_MAX captures; more is an error, for to leave some out would falsify the
 *           answer.
 * Errors    STATUS_INPUT: cannot be listed, holds no capture, holds too many.
 * Thread    one at a time. */
#ifndef SENSOR_CAPTURE_FOLDER_H
#define SENSOR_CAPTURE_FOLDER_H

#include "sensor/capture/source.h"

struct folder {
    char **paths; /* "FOLDER/NAME", sorted by name (bytes) */
    uint32_t count;
};

bool folder_is(const char *path);
/* Regular files that begin like a capture; other files, hidden files and folders are passed over.
 */
MUST_USE enum status folder_open(struct folder *folder, const char *path, struct error *error);
void folder_close(struct folder *folder);

#endif
