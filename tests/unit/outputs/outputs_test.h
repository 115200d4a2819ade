/* outputs_test.h - what the tests of this room share: a maker, a record in memory, a program on a
 * pipe. */
#ifndef TESTS_UNIT_OUTPUTS_TEST_H
#define TESTS_UNIT_OUTPUTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>

#include "outputs/encode_json.h"
#include "outputs/record.h"

#include <cmocka.h>
#include <sys/wait.h>
#include <unistd.h>

#define AT_NS UINT64_C(1795166102113405678) /* 2026-11-20T09:15:02.113405678Z */

struct bench {
    struct record_maker maker;
    _Alignas(8) uint8_t memory[RECORD_BYTES_MAX];
};

static inline struct record_maker *bench_begin(struct bench *bench, enum dataset dataset)
{
    record_begin(&bench->maker, bench->memory, dataset, AT_NS, 7);
    return &bench->maker;
}

static inline const struct record *bench_end(struct bench *bench)
{
    record_end(&bench->maker,
               (struct hash128){.high = 0x0123456789abcdefU, .low = 0xfedcba9876543210U}, 42);
    return bench->maker.record;
}

/* Does it end with SIGABRT, as a failed assertion does? */
static inline bool aborts(void (*function)(void))
{
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        (void)fclose(stderr);
        function();
        _exit(0);
    }
    int status = 0;
    (void)waitpid(child, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

/* Exit status of a shell command; its output goes to the test's own. */
static inline int shell(const char *command)
{
    fflush(NULL);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif
