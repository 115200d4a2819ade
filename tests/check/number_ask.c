/* What number_look() says, for tools/numbers/numbers.py: a user part a line in, "class,country,type" a
 * line out. With an argument it is site.country. With "--time" as second argument the lines are only
 * looked up, a hundred times each, and the mean time of one is printed. */
#define EARSHOT_READS_CLOCK
#include "base/text.h"
#include "sensor/lookup/numbers.h"

#include <time.h>

static const char *const classes[] = {"NONE",          "INTERNAL",  "NATIONAL",
                                      "INTERNATIONAL", "EMERGENCY", "UNKNOWN"};
static const char *const types[] = {"UNKNOWN", "FIXED",     "MOBILE", "TOLL_FREE", "SHARED_COST",
                                    "PREMIUM", "SATELLITE", "OTHER",  "INVALID"};

enum { TIMES = 100 };

static uint64_t now_ns(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

int main(int argc, char **argv)
{
    static struct numbers_conf conf;
    struct error error = {0};
    struct numbers *numbers = NULL;
    char line[256];
    bool timed = argc > 2;
    uint64_t spent_ns = 0;
    uint64_t looks = 0;

    option_presets(numbers_options, &conf);
    (void)snprintf(conf.country, sizeof conf.country, "%s", argc > 1 ? argv[1] : "");
    if (numbers_open(&conf, &numbers, &error) != STATUS_OK) {
        fprintf(stderr, "%s: %s\n", error.where, error.message);
        return 1;
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        struct slice user = slice_trim(slice_of_string(line));
        struct number number = {0};
        uint64_t before_ns = timed ? now_ns() : 0;
        for (unsigned i = 0; i < (timed ? TIMES : 1); i++) {
            number_look(numbers, user, &number);
            looks++;
        }
        spent_ns += timed ? now_ns() - before_ns : 0;
        if (!timed) {
            printf("%s,%s,%s\n", classes[number.class], number.country, types[number.type]);
        }
    }
    if (timed) {
        printf("%" PRIu64 " ns a look\n", looks == 0 ? 0 : spent_ns / looks);
    }
    numbers_close(numbers);
    for (const struct option *row = numbers_options; row->kind != OPTION_END; row++) {
        option_clear(row, &conf);
    }
    return 0;
}
