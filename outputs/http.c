/* http.c - figures for Prometheus, a verdict for watchers, a page for people.
 *
 *     /          the status page            /metrics   text format 0.0.4
 *     /healthz   200 or 503, JSON           /style.css
 *
 * evhttp reads requests in the writer's loop; a page is rendered into one buffer from what
 * http_view.c keeps, in well under a millisecond. evhttp bounds header and body, but neither the
 * number of connections nor the time that one may take (its time-out begins anew with each byte). So
 * every connection has a place here:
 *
 *     visits  [bufferevent, since]  VISITS_MAX of them
 *
 * A reference to its bufferevent keeps the descriptor ours. A connection that has ended is let go; one
 * that is older than VISIT_NS is shut down, whatever it is doing; when all places are taken the oldest
 * is shut down for the new one. Each answer closes its connection, so an old one is one that is slow.
 *
 * The page names people and their incidents, so only this host may ask unless `allow_remote` says
 * otherwise. A browser here can be lured into asking in another's name (a name that resolves to
 * 127.0.0.1): a Host that is neither an address nor localhost is refused.
 *
 * Limits: no TLS and no passwords; whoever opens it to a network puts a proxy before it. With -r it
 * serves as long as the run lasts. */
/* First: its headers name what banned.h forbids. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>

#include "outputs/http_metrics.h"
#include "outputs/http_page.h"
#include "outputs/live_clock.h"
#include "outputs/socket_address.h"

#include "base/log.h"

#include <unistd.h>

enum { VISITS_MAX = 32, HEADER_BYTES_MAX = 8 << 10, REQUEST_S = 5, BACKLOG = 32 };
enum { BODY_BYTES_MAX = METRICS_BYTES_MAX };
static_assert((int)BODY_BYTES_MAX >= (int)HTTP_PAGE_BYTES_MAX, "it holds the page too");
#define VISIT_NS (REQUEST_S * NS_PER_S)

struct conf {
    char address[OPTION_TEXT_BYTES];
    uint64_t port;
    bool allow_remote;
    uint64_t lost_ppm;
};

/* clang-format off */
static const struct option options[] = {
    OPTION("address", TEXT, conf, address, NULL, "127.0.0.1", NULL, "address to listen on, never a name; other than of this host only with allow_remote"),
    OPTION("port", COUNT, conf, port, "1", "9469", "65535", "TCP port to listen on"),
    OPTION("allow_remote", BOOL, conf, allow_remote, NULL, "false", NULL, "let other hosts ask too: without TLS and without a password"),
    OPTION("lost", PPM, conf, lost_ppm, "0%", "0.1%", "100%", "share of frames lost between two records of the sensor from which /healthz says no"),
    {.kind = OPTION_END},
};
/* clang-format on */

struct visit {
    struct bufferevent *stream; /* NULL: the place is free */
    uint64_t since_ns;
};

struct http {
    const struct output_host *host;
    bool any_host; /* the Host of a request may be a name */
    struct evhttp *server;
    struct http_view *view;
    struct health_watch watch;
    struct visit visits[VISITS_MAX];
    uint64_t now_ns; /* steady clock of the last poll */
    char *body; /* BODY_BYTES_MAX: what is rendered */
};

/* --- connections --- */

static void visit_let_go(struct visit *visit)
{
    (void)bufferevent_decref(visit->stream);
    visit->stream = NULL;
}

/* Makes the server see its end; the server lets go of its own reference then. */
static void visit_end(struct visit *visit)
{
    (void)shutdown(bufferevent_getfd(visit->stream), SHUT_RDWR);
    visit_let_go(visit);
}

/* The server frees a bufferevent by switching it off and giving up its reference. */
static bool visit_has_ended(const struct visit *visit)
{
    return (bufferevent_get_enabled(visit->stream) & (EV_READ | EV_WRITE)) == 0;
}

static void visits_look(struct http *http)
{
    for (size_t i = 0; i < VISITS_MAX; i++) {
        struct visit *visit = &http->visits[i];
        if (visit->stream == NULL) {
            continue;
        }
        if (visit_has_ended(visit)) {
            visit_let_go(visit);
        } else if (time_since(http->now_ns, visit->since_ns) >= VISIT_NS) {
            visit_end(visit);
        }
    }
}

/* A free place, or that of the oldest. */
static struct visit *visit_place(struct http *http)
{
    struct visit *oldest = &http->visits[0];

    visits_look(http);
    for (size_t i = 0; i < VISITS_MAX; i++) {
        struct visit *visit = &http->visits[i];
        if (visit->stream == NULL) {
            return visit;
        }
        if (visit->since_ns < oldest->since_ns) {
            oldest = visit;
        }
    }
    visit_end(oldest);
    return oldest;
}

static struct bufferevent *on_connection(struct event_base *loop, void *owner)
{
    struct http *http = owner;

    http->now_ns = live_clock_steady_ns();
    struct visit *visit = visit_place(http);
    struct bufferevent *stream = bufferevent_socket_new(loop, -1, BEV_OPT_CLOSE_ON_FREE);
    if (stream != NULL) {
        bufferevent_incref(stream);
        /* The server switches it on once it has the descriptor; until then it must not look ended. */
        *visit = (struct visit){.stream = stream, .since_ns = http->now_ns};
    }
    return stream;
}

/* --- requests --- */

static void put_security(struct evkeyvalq *headers)
{
    static const char *const rows[][2] = {
        {"Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; "
                                    "form-action 'none'; frame-ancestors 'none'"},
        {"X-Content-Type-Options", "nosniff"},
        {"X-Frame-Options", "DENY"},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Cache-Control", "no-store"},
        {"Connection", "close"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        (void)evhttp_add_header(headers, rows[i][0], rows[i][1]);
    }
}

static void answer(struct evhttp_request *request, int code, const char *reason, const char *type,
                   struct slice body)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    struct evbuffer *out = evbuffer_new();
    char length[32];

    (void)snprintf(length, sizeof length, "%zu", body.bytes);
    put_security(headers);
    (void)evhttp_add_header(headers, "Content-Type", type);
    (void)evhttp_add_header(headers, "Content-Length", length);
    if (out != NULL && evhttp_request_get_command(request) != EVHTTP_REQ_HEAD) {
        (void)evbuffer_add(out, body.at, body.bytes);
    }
    evhttp_send_reply(request, code, reason, out);
    if (out != NULL) {
        evbuffer_free(out);
    }
}

/* An address, with or without a port, or localhost. */
static bool names_this_host(const char *header)
{
    struct slice host = slice_of_string(header);
    struct addr addr;

    if (host.bytes == 0) {
        return true; /* HTTP/1.0, no browser */
    }
    size_t bracket = slice_find_last(host, ']');
    size_t colon = slice_find_last(host, ':');
    if (colon < host.bytes && (bracket == host.bytes || colon > bracket)) {
        host = slice_part(host, 0, colon);
    }
    return slice_equal_nocase(host, SLICE("localhost")) || addr_parse(host, &addr);
}

static void judge(struct http *http, struct health *health)
{
    http->now_ns = live_clock_steady_ns();
    health_watch_look(&http->watch, http->host, http->now_ns);
    health_judge(&http->watch, http->view, http->host, http->now_ns, health);
}

static void answer_path(struct http *http, struct evhttp_request *request, struct slice path)
{
    struct health health;
    struct text text = text_into(http->body, BODY_BYTES_MAX);

    if (slice_equal(path, SLICE("/style.css"))) {
        answer(request, HTTP_OK, "OK", "text/css; charset=utf-8", slice_of_string(http_page_style));
        return;
    }
    judge(http, &health);
    if (slice_equal(path, SLICE("/"))) {
        http_page_print(http->view, http->host, &health, http->now_ns, &text);
        answer(request, HTTP_OK, "OK", "text/html; charset=utf-8", text_slice(&text));
    } else if (slice_equal(path, SLICE("/metrics"))) {
        http_metrics_print(http->view, http->host, &health, http->now_ns, &text);
        answer(request, HTTP_OK, "OK", "text/plain; version=0.0.4; charset=utf-8",
               text_slice(&text));
    } else if (slice_equal(path, SLICE("/healthz"))) {
        health_print(&health, &text);
        answer(request, health.good ? HTTP_OK : HTTP_SERVUNAVAIL,
               health.good ? "OK" : "Service Unavailable", "application/json", text_slice(&text));
    } else {
        answer(request, HTTP_NOTFOUND, "Not Found", "text/plain; charset=utf-8",
               SLICE("there are /, /metrics and /healthz\n"));
    }
}

static void on_request(struct evhttp_request *request, void *owner)
{
    struct http *http = owner;
    const char *host = evhttp_find_header(evhttp_request_get_input_headers(request), "Host");
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = uri == NULL ? NULL : evhttp_uri_get_path(uri);

    if (!http->any_host && !names_this_host(host)) {
        answer(request, 421, "Misdirected Request", "text/plain; charset=utf-8",
               SLICE("ask by address, or as localhost\n"));
        return;
    }
    answer_path(http, request, slice_of_string(path));
}

/* --- the output --- */

static enum status listen_on(struct http *http, const struct conf *conf, const struct addr *addr,
                             struct error *error)
{
    const struct endpoint endpoint = {*addr, (uint16_t)conf->port};
    struct sockaddr_storage at;
    socklen_t bytes = socket_address(&endpoint, &at);
    int yes = 1;

    int listener = socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        bind(listener, (const struct sockaddr *)&at, bytes) != 0 ||
        listen(listener, BACKLOG) != 0) {
        enum status status =
            error_system(error, STATUS_FAILED, http->host->name, "cannot listen on %s port %d",
                         conf->address, (int)conf->port);
        if (listener >= 0) {
            (void)close(listener);
        }
        return status;
    }
    if (evhttp_accept_socket_with_handle(http->server, listener) == NULL) {
        (void)close(listener);
        return error_set(error, STATUS_FAILED, http->host->name, "no memory for its listener");
    }
    return STATUS_OK;
}

static enum status http_check(const void *conf_bytes, struct error *error)
{
    const struct conf *conf = conf_bytes;
    struct addr addr;

    if (!addr_parse(slice_of_string(conf->address), &addr)) {
        return error_set(error, STATUS_USAGE, "address", "found '%s', an IP address is allowed",
                         conf->address);
    }
    if (!conf->allow_remote && !addr_is_loopback(&addr)) {
        return error_set(error, STATUS_USAGE, "address",
                         "%s can be reached from other hosts, without TLS and without a password; "
                         "set allow_remote: true if that is meant",
                         conf->address);
    }
    return STATUS_OK;
}

static void http_close(void *instance)
{
    struct http *http = instance;

    for (size_t i = 0; i < VISITS_MAX; i++) {
        if (http->visits[i].stream != NULL) {
            visit_let_go(&http->visits[i]);
        }
    }
    if (http->server != NULL) {
        evhttp_free(http->server);
    }
    http_view_close(http->view);
    free(http->body);
    free(http);
}

static enum status server_open(struct http *http, const struct conf *conf, const struct addr *addr,
                               struct error *error)
{
    http->body = malloc(BODY_BYTES_MAX);
    http->server = evhttp_new(http->host->loop);
    if (http->body == NULL || http->server == NULL) {
        return error_set(error, STATUS_FAILED, http->host->name, "no memory for its server");
    }
    evhttp_set_max_headers_size(http->server, HEADER_BYTES_MAX);
    evhttp_set_max_body_size(http->server, 0);
    evhttp_set_timeout(http->server, REQUEST_S);
    evhttp_set_allowed_methods(http->server, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
    evhttp_set_bevcb(http->server, on_connection, http);
    evhttp_set_gencb(http->server, on_request, http);
    enum status status = http_view_open(&http->view, error);
    return status != STATUS_OK ? status : listen_on(http, conf, addr, error);
}

static enum status http_open(const struct output_host *host, const void *conf_bytes,
                             void **out_instance, struct error *error)
{
    const struct conf *conf = conf_bytes;
    struct addr addr = {{0}};
    enum status status = http_check(conf, error);

    if (status != STATUS_OK) {
        return status;
    }
    bool parsed = addr_parse(slice_of_string(conf->address), &addr);
    assert(parsed);
    struct http *http = calloc(1, sizeof *http);
    if (http == NULL) {
        return error_set(error, STATUS_FAILED, host->name, "no memory");
    }
    http->host = host;
    http->any_host = conf->allow_remote;
    http->now_ns = live_clock_steady_ns();
    http->watch.started_ns = http->now_ns;
    http->watch.lost_ppm = conf->lost_ppm;
    status = server_open(http, conf, &addr, error);
    if (status != STATUS_OK) {
        http_close(http);
        return status;
    }
    *out_instance = http;
    return STATUS_OK;
}

static enum output_result http_send(void *instance, const struct record *record,
                                    struct slice encoded)
{
    struct http *http = instance;
    uint64_t wall_ns = http->host->live ? live_clock_wall_ns() : 0;
    (void)encoded; /* it reads the record itself */

    http_view_see(http->view, record, live_clock_steady_ns(), wall_ns);
    http->host->tally->accepted++;
    http->host->tally->acknowledged++;
    return OUTPUT_ACCEPTED;
}

static void http_poll(void *instance)
{
    struct http *http = instance;

    http->now_ns = live_clock_steady_ns();
    health_watch_look(&http->watch, http->host, http->now_ns);
    visits_look(http);
}

static void http_flush(void *instance)
{
    (void)instance; /* it gathers nothing */
}

extern const struct output output_http;
const struct output output_http = {
    .type = "http",
    .title = "pages over HTTP: /metrics for Prometheus, /healthz, a status page",
    .conf_bytes = sizeof(struct conf),
    .formats = 0,
    .options = options,
    .check = http_check,
    .open = http_open,
    .send = http_send,
    .poll = http_poll,
    .flush = http_flush,
    .close = http_close,
};
