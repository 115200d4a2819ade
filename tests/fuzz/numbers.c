/* A user part of any bytes as a number, in countries that dial in different ways. The first byte
 * chooses the country; what comes out must hold together. */
#include "tests/fuzz/fuzz.h"

#include "base/text.h"
#include "sensor/lookup/numbers.h"

enum { PLACES = 8 };

static struct numbers *place(unsigned which)
{
    static const char countries[PLACES][3] = {"", "DE", "US", "BR", "CN", "BS", "RU", "AU"};
    static struct numbers *opened[PLACES];

    if (opened[which] == NULL) {
        static struct numbers_conf conf;
        struct error error = {0};
        option_presets(numbers_options, &conf);
        memcpy(conf.country, countries[which], sizeof countries[which]);
        enum status status = numbers_open(&conf, &opened[which], &error);
        assert(status == STATUS_OK);
        for (const struct option *row = numbers_options; row->kind != OPTION_END; row++) {
            option_clear(row, &conf);
        }
    }
    return opened[which];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct number number = {0};
    struct number again = {0};
    char user[32];

    if (size == 0) {
        return 0;
    }
    struct numbers *numbers = place(data[0] % PLACES);
    number_look(numbers, slice_of(data + 1, size - 1), &number);
    assert(number.class <= NUMBER_UNKNOWN && number.type <= NUMBER_INVALID);
    assert(number.digits <= NUMBERS_DIGITS && (number.e164 == 0) == (number.digits == 0));
    assert(number.risk_type <= 60 && number.risk_country <= 20);
    assert(number.block <= 9999999 && number.country[2] == '\0');
    if (number.class == NUMBER_NONE || number.class == NUMBER_EMERGENCY) {
        assert(number.e164 == 0 && number.risk_type == 0 && number.cost_milli == 0);
    }
    if (number.e164 != 0) {
        /* The number with + is the same number. */
        struct text text = text_into(user, sizeof user);
        text_byte(&text, '+');
        text_u64(&text, number.e164);
        number_look(numbers, text_slice(&text), &again);
        assert(number.digits < 7 || (again.e164 == number.e164 && again.type == number.type));
        assert(number.digits < 7 || again.risk_type == number.risk_type);
    }
    return 0;
}
