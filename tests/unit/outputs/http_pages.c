/* The figures for Prometheus and the page for people: what hostile texts become, and that the largest
 * page fits. */
#include "http_test.h"

#include "outputs/http_metrics.h"

static char out[METRICS_BYTES_MAX + 1];

static const char *metrics(void)
{
    struct text text = text_into(out, METRICS_BYTES_MAX);
    judge(111 * S);
    http_metrics_print(view, &host, &health, 111 * S, &text);
    assert_false(text.overflow);
    return text_terminate(&text);
}

static const char *page(void)
{
    struct text text = text_into(out, HTTP_PAGE_BYTES_MAX);
    judge(111 * S);
    http_page_print(view, &host, &health, 111 * S, &text);
    assert_false(text.overflow);
    return text_terminate(&text);
}

static unsigned count_of(const char *in, const char *what)
{
    unsigned count = 0;

    for (const char *at = in; (at = strstr(at, what)) != NULL; at++) {
        count++;
    }
    return count;
}

static void every_family_is_said_once_before_its_samples(void **state)
{
    char name[128];
    (void)state;

    tell_sensor((struct told){1000, 3, 2, 0}, 110 * S);
    tell_incident((struct incident_told){1, "open", "scan", 2, "scan"});
    const char *got = metrics();
    assert_non_null(strstr(got, "\nearshot_capture_packets_total 1000\n"));
    assert_non_null(strstr(got, "\nearshot_capture_drops_total{where=\"kernel\"} 3\n"
                                "earshot_capture_drops_total{where=\"nic\"} 2\n"));
    assert_non_null(
        strstr(got, "\nearshot_sip_messages_total{type=\"request\",method=\"INVITE\"} 7\n"));
    assert_non_null(
        strstr(got, "\nearshot_sip_messages_total{type=\"response\",class=\"1xx\"} 5\n"));
    assert_non_null(
        strstr(got, "\nearshot_sip_messages_total{type=\"response\",class=\"other\"} 1\n"));
    assert_non_null(strstr(got, "\nearshot_alerts_total{rule=\"scan\",severity=\"medium\"} 1\n"));
    assert_non_null(strstr(got, "\nearshot_processing_lag_seconds 0.07\n"));
    assert_non_null(strstr(got, "\nearshot_sensor_record_age_seconds 1.0\n"));
    assert_non_null(strstr(got, "\nearshot_healthy 0\n")); /* the frames that were lost */
    for (const char *at = got; (at = strstr(at, "# HELP ")) != NULL; at++) {
        struct slice rest = slice_of_string(at + 7);
        struct slice family = slice_part(rest, 0, slice_find(rest, ' '));
        (void)snprintf(name, sizeof name, "# HELP %.*s ", (int)family.bytes, family.at);
        assert_int_equal(count_of(got, name), 1);
        (void)snprintf(name, sizeof name, "# TYPE %.*s ", (int)family.bytes, family.at);
        assert_int_equal(count_of(got, name), 1);
    }
}

static void a_figure_that_is_not_told_has_no_sample(void **state)
{
    (void)state;
    host.live = false;
    const char *got = metrics();
    assert_null(strstr(got, "earshot_capture_packets_total"));
    assert_null(strstr(got, "earshot_sensor_record_age_seconds"));
    assert_null(strstr(got, "earshot_processing_lag_seconds"));
    assert_non_null(strstr(got, "\nearshot_healthy 1\n"));
}

static void steps_of_hooks_are_shown(void **state)
{
    struct record_maker *maker = bench_begin(&bench, DATASET_RESPONSE);
    (void)state;

    record_string(maker, FIELD_ID_EARSHOT_RESPONSE_STEP, "dry-run");
    record_string(maker, FIELD_ID_EARSHOT_RESPONSE_HOOK, "block\"it");
    http_view_see(view, bench_end(&bench), S, 0);
    assert_non_null(
        strstr(metrics(), "\nearshot_hooks_total{hook=\"block\\\"it\",result=\"dry-run\"} 1\n"));
    assert_non_null(strstr(page(), "<td>block&quot;it dry-run</td><td>1</td>"));
}

static void the_histogram_is_cumulative(void **state)
{
    static const int64_t scores[] = {1200, 3600, 4300, 4300};
    (void)state;

    for (size_t i = 0; i < 4; i++) {
        struct record_maker *maker = bench_begin(&bench, DATASET_CALL);
        record_decimal(maker, FIELD_ID_EARSHOT_CALL_MEDIA_MOS_MIN, scores[i]);
        http_view_see(view, bench_end(&bench), S, 0);
    }
    const char *got = metrics();
    assert_non_null(strstr(got, "\nearshot_call_mos_bucket{le=\"1.5\"} 1\n"));
    assert_non_null(strstr(got, "\nearshot_call_mos_bucket{le=\"3.5\"} 1\n"));
    assert_non_null(strstr(got, "\nearshot_call_mos_bucket{le=\"3.75\"} 2\n"));
    assert_non_null(strstr(got, "\nearshot_call_mos_bucket{le=\"4.5\"} 4\n"
                                "earshot_call_mos_bucket{le=\"+Inf\"} 4\n"
                                "earshot_call_mos_sum 13.4\nearshot_call_mos_count 4\n"));
}

static void labels_are_escaped(void **state)
{
    (void)state;
    places[0].name = "a\"b\\c\nd\x1b{}";
    const char *got = metrics();
    assert_non_null(
        strstr(got, "earshot_output_away{output=\"a\\\"b\\\\c\\\\x0Ad\\\\x1B{}\"} 0\n"));
    assert_null(strchr(got, '\x1b'));
}

static const char *const hostile[] = {
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</p></article><iframe src=//203.0.113.9/>",
    "&lt;b&gt; &#60;script&#62;",
    "<!--",
    "]]>",
    "<svg/onload=alert(1)>",
    "\x1b[2J\x1b]0;owned\x07",
    "a\r\nSet-Cookie: x=y\r\n\r\n<b>",
    "\xe2\x80\xae"
    "drow",
    "\xff\xfe<\xc0\xbc"
    "script>",
    "javascript:alert(1)",
    "{{7*7}}",
    "%3Cscript%3E",
};

/* Tags of ours begin with these; no text can make another. */
static void only_our_own_elements_stand_in_the_page(void **state)
{
    static const char *const ours[] = {
        "!doctype", "html",   "head",    "meta", "title",   "link",   "body",   "header",
        "h1",       "span",   "div",     "p>",   "p ",      "b>",     "ul",     "li",
        "main",     "br>",    "section", "h2",   "article", "h3",     "em>",    "table>",
        "thead>",   "tbody>", "tr>",     "th>",  "td",      "small>", "footer", "a "};
    (void)state;

    host.identity.observer = hostile[0];
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        tell_incident((struct incident_told){i, "open", hostile[i], 2, hostile[i]});
        places[i % 2].name = hostile[i];
        tell_sensor((struct told){1, 0, 0, 0}, 110 * S);
        const char *got = page();
        for (const char *at = got; (at = strchr(at, '<')) != NULL;) {
            bool known = false;
            at += at[1] == '/' ? 2 : 1;
            for (size_t k = 0; k < sizeof ours / sizeof ours[0]; k++) {
                known |= strncmp(at, ours[k], strlen(ours[k])) == 0;
            }
            if (at[-1] == '/') {
                known = true; /* ends of ours: each was begun by one of these */
            }
            if (!known) {
                fail_msg("row %d: '%.30s' is no tag of ours", (int)i, at);
            }
        }
        assert_null(strstr(got, "<script"));
        assert_null(strstr(got, "<img"));
        assert_null(strstr(got, "<iframe"));
        assert_null(strchr(got, '\x1b'));
        assert_null(strchr(got, '\r'));
        assert_null(strstr(got, "\xe2\x80\xae"));
    }
}

static void texts_are_shown_as_they_are(void **state)
{
    (void)state;
    tell_incident((struct incident_told){1, "open", "scan", 4, "<b>\"A&B's\"\n"});
    assert_non_null(strstr(page(), "<p>&lt;b&gt;&quot;A&amp;B&#39;s&quot;\\x0A</p>"));
}

/* Everything as long as it can be, every byte escaped: the page is whole. */
static void the_largest_page_fits(void **state)
{
    static char sentence[RECORD_SENTENCE_MAX + 1];
    static char name[OPTION_TEXT_BYTES];
    (void)state;

    memset(sentence, '"', sizeof sentence - 1);
    memset(name, '"', sizeof name - 1);
    host.identity.observer = name;
    place_count = OUTPUT_PLACES_MAX;
    for (uint32_t i = 0; i < place_count; i++) {
        places[i] = (struct output_place){.name = name, .type = &file_type};
        places[i].tally.dropped[DATASET_CALL] = UINT64_MAX;
        places[i].tally.waiting = UINT64_MAX;
    }
    for (uint64_t i = 0; i < 2 * VIEW_INCIDENTS; i++) {
        tell_incident((struct incident_told){i, "open", name, 4, sentence});
    }
    struct record_maker *maker = bench_begin(&bench, DATASET_SENSOR);
    for (unsigned code = 100; code < 700; code++) {
        char text[8];
        (void)snprintf(text, sizeof text, "%u", code);
        record_count(maker, FIELD_ID_EARSHOT_SENSOR_SIP_RESPONSES, slice_of_string(text),
                     UINT64_MAX);
    }
    http_view_see(view, bench_end(&bench), 110 * S, 0);
    const char *got = page();
    assert_non_null(strstr(got, "</html>\n"));
    assert_non_null(strstr(got, "Here stand 50 of them"));
    memset(name, 1, sizeof name - 1); /* the longest that a byte of a label becomes */
    assert_true(strlen(metrics()) > HTTP_PAGE_BYTES_MAX / 2);
}

int main(void)
{
#define WITH_VIEW(test) cmocka_unit_test_setup_teardown(test, view_begin, view_end)
    const struct CMUnitTest tests[] = {
        WITH_VIEW(every_family_is_said_once_before_its_samples),
        WITH_VIEW(a_figure_that_is_not_told_has_no_sample),
        WITH_VIEW(steps_of_hooks_are_shown),
        WITH_VIEW(the_histogram_is_cumulative),
        WITH_VIEW(labels_are_escaped),
        WITH_VIEW(only_our_own_elements_stand_in_the_page),
        WITH_VIEW(texts_are_shown_as_they_are),
        WITH_VIEW(the_largest_page_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
