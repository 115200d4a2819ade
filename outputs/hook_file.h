/* hook_file.h - may this file be run as a hook?
 *
 * Owns      nothing.
 * Borrows   texts during the call.
 * Time      none.
 * Bounds    HOOK_PATH_BYTES of path, HOOK_FOLDER_ENTRIES_MAX files in the folder.
 * Errors    STATUS_USAGE: says which file, what is wrong, and the command that mends it.
 * Thread    any.
 *
 * A hook runs with the rights of the sensor, so whoever can change it has them. Folder and file must be
 * what they seem (no symbolic link on the way), belong to root or to us, and be writable by nobody
 * else; so must all that lies beside it: a module that it loads, its settings. Asked at the start and before each run. */
#ifndef OUTPUTS_HOOK_FILE_H
#define OUTPUTS_HOOK_FILE_H

#include "base/slice.h"

enum { HOOK_PATH_BYTES = 768, HOOK_FOLDER_ENTRIES_MAX = 1000 };

MUST_USE enum status hook_file_check(const char *folder, const char *name,
                                     char out_path[HOOK_PATH_BYTES], struct error *error);

#endif
