/* codec.c - why it is built so.
 *
 * A linear search over a few dozen names: it runs for each dynamic format of a session description
 * that is new, and a description has at most SDP_MEDIA_MAX x SDP_FORMATS_MAX of them. */
#include "sensor/state/codec.h"

#include "base/slice.h"

/* clang-format off */
static const struct codec preset[] = {
    {8000, "PCMU"}, {8000, "PCMA"}, {8000, "G722"}, {8000, "G729"}, {8000, "G723"}, {8000, "GSM"},
    {48000, "opus"}, {8000, "AMR"}, {16000, "AMR-WB"}, {16000, "EVS"}, {8000, "iLBC"},
    {8000, "speex"}, {16000, "speex"}, {32000, "speex"}, {8000, "GSM-EFR"}, {8000, "GSM-HR-08"},
    {8000, "G726-40"}, {8000, "G726-32"}, {8000, "G726-24"}, {8000, "G726-16"},
    {8000, "AAL2-G726-40"}, {8000, "AAL2-G726-32"}, {8000, "AAL2-G726-24"}, {8000, "AAL2-G726-16"},
    {8000, "G728"}, {8000, "LPC"}, {8000, "DVI4"}, {16000, "DVI4"}, {11025, "DVI4"},
    {22050, "DVI4"}, {16000, "G7221"}, {32000, "G7221"}, {16000, "ISAC"}, {32000, "ISAC"},
    {8000, "SILK"}, {12000, "SILK"}, {16000, "SILK"}, {24000, "SILK"}, {48000, "CELT"},
    {8000, "BV16"}, {16000, "BV32"}, {8000, "EVRC"}, {8000, "EVRC0"}, {8000, "L16"},
    {16000, "L16"}, {44100, "L16"}, {48000, "L16"}, {44100, "MPEG4-GENERIC"},
    {48000, "MPEG4-GENERIC"}, {48000, "mp4a-latm"}, {90000, "H264"}, {90000, "H265"},
    {90000, "H263-1998"}, {90000, "H263-2000"}, {90000, "H263"}, {90000, "H261"},
    {90000, "MP4V-ES"}, {90000, "VP8"}, {90000, "VP9"}, {90000, "AV1"}, {90000, "X-H264UC"},
    {16000, "SIREN"}, {16000, "MSRTA"}, {1000, "T140"},
};
/* clang-format on */

void codec_open(struct codec_table *table)
{
    memset(table, 0, sizeof *table);
    table->count = 1;
    for (size_t i = 0; i < sizeof preset / sizeof preset[0]; i++) {
        table->codecs[table->count++] = preset[i];
    }
}

uint8_t codec_number(struct codec_table *table, const char *name, uint32_t clock_rate)
{
    struct slice wanted = slice_of_string(name);

    if (slice_is_empty(wanted)) {
        return CODEC_NONE;
    }
    for (uint32_t i = 1; i < table->count; i++) {
        const struct codec *codec = &table->codecs[i];
        if (codec->clock_rate == clock_rate && ((codec->name[0] ^ name[0]) & 0x1f) == 0 &&
            slice_equal_nocase(slice_of_string(codec->name), wanted)) {
            return (uint8_t)i;
        }
    }
    if (table->count > CODEC_MAX) {
        return CODEC_NONE;
    }
    struct codec *codec = &table->codecs[table->count];
    struct slice kept = slice_part(wanted, 0, sizeof codec->name - 1);
    memcpy(codec->name, kept.at, kept.bytes);
    codec->clock_rate = clock_rate;
    return (uint8_t)table->count++;
}

bool codec_is_secondary(const char *name)
{
    static const struct slice names[] = {
        {"telephone-event", 15}, {"CN", 2},      {"RED", 3},         {"RTX", 3},  {"ULPFEC", 6},
        {"PARITYFEC", 9},        {"FLEXFEC", 7}, {"FLEXFEC-03", 10}, {"tone", 4},
    };
    struct slice wanted = slice_of_string(name);

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (slice_equal(names[i], wanted) || slice_equal_nocase(names[i], wanted)) {
            return true;
        }
    }
    return false;
}
