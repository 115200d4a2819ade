/* fuzz.h - what every fuzz target declares.
 *
 * Owns, Borrows, Time, Bounds: nothing. Errors: a finding ends the process. Thread: one. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "base/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
