/* banned.h - names that do not compile here.
 *
 * Owns      nothing.
 * Borrows   nothing.
 * Time      the reason for some of these: packet time is an argument, never read.
 * Bounds    the reason for the others: they do not know the size of what they write.
 * Errors    a compile error that names the function.
 * Thread    any. */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

/* System headers first: poisoning must not break their own declarations. */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* alloca is a macro of stdlib.h, so -Walloca watches over it instead. */
/* sprintf is a macro where the library is fortified, so tests/check looks for that one. */
#pragma GCC poison strcpy strcat strncpy strncat sscanf gets strtok
#pragma GCC poison atoi atol atof rand srand localtime gmtime asctime ctime mktime
#ifndef EARSHOT_READS_CLOCK
#pragma GCC poison time gettimeofday
#endif

#endif
