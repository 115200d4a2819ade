/* report_page.c - paragraphs with a hanging indent.
 *
 * A paragraph is put together in one line and wrapped when it ends: at spaces, counted in
 * characters as UTF-8 has them (wide and combining characters are counted as one: a table may then
 * be a column off, nothing worse). Colour is SGR around the label only, so wrapping never has to
 * look into it. */
#include "outputs/report_page.h"

#include "base/clock.h"

void page_open(struct page *page, FILE *out, bool colour, unsigned columns)
{
    page->out = out;
    page->colour = colour;
    page->columns = columns == 0                 ? PAGE_COLUMNS_PRESET
                    : columns < PAGE_COLUMNS_MIN ? PAGE_COLUMNS_MIN
                    : columns > PAGE_COLUMNS_MAX ? PAGE_COLUMNS_MAX
                                                 : columns;
    page->first = 0;
    page->hanging = 0;
    page->text = text_into(page->line, sizeof page->line);
}

static void ink(struct page *page, enum page_ink with)
{
    static const char *const codes[] = {
        [PAGE_PLAIN] = "0",       [PAGE_BOLD] = "1",    [PAGE_DIM] = "2",   [PAGE_RED] = "31",
        [PAGE_RED_BOLD] = "1;31", [PAGE_YELLOW] = "33", [PAGE_CYAN] = "36", [PAGE_GREEN] = "32",
    };

    if (page->colour) {
        fprintf(page->out, "\x1b[%sm", codes[with]);
    }
}

void page_heading(struct page *page, const char *heading)
{
    fputc('\n', page->out);
    ink(page, PAGE_BOLD);
    fputs(heading, page->out);
    ink(page, PAGE_PLAIN);
    fputc('\n', page->out);
}

void page_begin(struct page *page, const char *label, unsigned indent, enum page_ink with)
{
    size_t bytes = strlen(label);

    page->text = text_into(page->line, sizeof page->line);
    page->first = indent;
    page->hanging = indent;
    if (with != PAGE_PLAIN) {
        ink(page, with);
    }
    fputs(label, page->out);
    if (with != PAGE_PLAIN) {
        ink(page, PAGE_PLAIN);
    }
    fprintf(page->out, "%*s", bytes < indent ? (int)(indent - bytes) : 1, "");
}

static bool continues(char byte)
{
    return ((uint8_t)byte & 0xc0) == 0x80;
}

/* Bytes of the first `characters` characters. */
static size_t bytes_of(struct slice text, size_t characters)
{
    size_t at = 0;

    while (at < text.bytes && (characters > 0 || continues(text.at[at]))) {
        characters -= !continues(text.at[at]);
        at++;
    }
    return at;
}

static size_t characters_of(struct slice text)
{
    size_t count = 0;

    for (size_t i = 0; i < text.bytes; i++) {
        count += !continues(text.at[i]);
    }
    return count;
}

void page_end(struct page *page)
{
    struct slice rest = text_slice(&page->text);
    size_t room = page->columns - page->first;

    while (characters_of(rest) > room) {
        size_t end = bytes_of(rest, room + 1);
        size_t space = slice_find_last(slice_part(rest, 0, end), ' ');
        size_t cut = space == end || space == 0 ? bytes_of(rest, room) : space;
        fprintf(page->out, "%.*s\n%*s", (int)cut, rest.at, (int)page->hanging, "");
        rest = slice_from(rest, space == cut ? cut + 1 : cut);
        room = page->columns - page->hanging;
    }
    fprintf(page->out, "%.*s\n", (int)rest.bytes, rest.at);
}

void page_string(struct page *page, const char *text)
{
    text_string(&page->text, text);
}

void page_wire(struct page *page, struct slice text, size_t characters_max)
{
    char printed[4 * 1024];
    struct text out = text_into(printed, sizeof printed);

    text_printable(&out, slice_part(text, 0, sizeof printed / 4));
    struct slice shown = text_slice(&out);
    if (characters_of(shown) > characters_max) {
        text_slice_put(&page->text, slice_part(shown, 0, bytes_of(shown, characters_max - 2)));
        text_string(&page->text, "..");
    } else {
        text_slice_put(&page->text, shown);
    }
}

void page_count(struct page *page, uint64_t value)
{
    char digits[20];
    struct text text = text_into(digits, sizeof digits);

    text_u64(&text, value);
    for (size_t i = 0; i < text.bytes; i++) {
        if (i > 0 && (text.bytes - i) % 3 == 0) {
            text_byte(&page->text, ',');
        }
        text_byte(&page->text, digits[i]);
    }
}

void page_counted(struct page *page, uint64_t value, const char *word)
{
    page_count(page, value);
    text_byte(&page->text, ' ');
    text_string(&page->text, word);
    if (value != 1) {
        text_byte(&page->text, 's');
    }
}

void page_bytes(struct page *page, uint64_t bytes)
{
    static const char *const units[] = {" bytes", " KiB", " MiB", " GiB", " TiB", " PiB"};
    unsigned unit = 0;
    uint64_t scale = 1;

    while (bytes / scale >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        scale *= 1024;
        unit++;
    }
    text_u64(&page->text, bytes / scale);
    if (unit > 0) {
        text_byte(&page->text, '.');
        text_u64(&page->text, bytes % scale * 10 / scale);
    }
    text_string(&page->text, units[unit]);
}

void page_decimal(struct page *page, int64_t thousandths)
{
    int64_t rounded = (thousandths + (thousandths < 0 ? -5 : 5)) / 10;

    text_decimal(&page->text, rounded, 2);
}

void page_percent(struct page *page, uint64_t part, uint64_t whole)
{
    if (whole != 0 && part <= UINT64_MAX / 100000) {
        uint64_t thousandths = part * 100000 / whole;
        if (part != 0 && thousandths < 10) {
            text_string(&page->text, "below 0.01");
        } else {
            page_decimal(page, (int64_t)thousandths);
        }
        text_string(&page->text, " %");
    }
}

static void put_time(struct page *page, uint64_t time_ns, size_t from, size_t to)
{
    char line[32];
    struct text text = text_into(line, sizeof line);

    text_time(&text, time_ns, 0);
    if (from == 0) {
        line[10] = ' ';
    }
    text_slice_put(&page->text, slice_part(text_slice(&text), from, to));
}

void page_date(struct page *page, uint64_t time_ns)
{
    put_time(page, time_ns, 0, 19);
}

void page_clock(struct page *page, uint64_t time_ns)
{
    put_time(page, time_ns, 11, 19);
}

bool page_is_same_day(uint64_t one_ns, uint64_t other_ns)
{
    return one_ns / NS_PER_DAY == other_ns / NS_PER_DAY;
}

/* Below a minute with its fraction, above in two units: "10 min 4 s", "1 h 20 min", "3 d 4 h". */
void page_span(struct page *page, uint64_t span_ns)
{
    static const struct {
        uint64_t large_ns;
        uint64_t small_ns;
        const char *large;
        const char *small;
    } units[] = {
        {NS_PER_DAY, NS_PER_HOUR, " d", " h"},
        {NS_PER_HOUR, NS_PER_MINUTE, " h", " min"},
        {NS_PER_MINUTE, NS_PER_S, " min", " s"},
    };

    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (span_ns >= units[i].large_ns) {
            uint64_t small = span_ns % units[i].large_ns / units[i].small_ns;
            page_count(page, span_ns / units[i].large_ns);
            page_string(page, units[i].large);
            if (small != 0) {
                text_byte(&page->text, ' ');
                text_u64(&page->text, small);
                page_string(page, units[i].small);
            }
            return;
        }
    }
    text_duration(&page->text, span_ns);
}

void page_endpoint(struct page *page, const struct endpoint *endpoint)
{
    text_endpoint(&page->text, endpoint);
}

void page_column(struct page *page, unsigned column)
{
    size_t at = page->first + characters_of(text_slice(&page->text));

    do {
        text_byte(&page->text, ' ');
    } while (++at < column);
}
