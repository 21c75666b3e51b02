/*
 * client_ws.h on libwebsockets 4.1.  Debian builds it without external polling, so the wait set's
 * descriptor is adopted into its loop as a "raw file": lws polls it beside the socket, and
 * lws_service returns when either is ready.
 */
#include "net/client_ws.h"

#include <fcntl.h>
#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SEND_MAX = 4096 };

struct avj_ws {
    struct lws_context *context;
    struct avj_ws_events events;
    struct lws *wsi; /* the connection that counts; callbacks of older ones are ignored */
    bool connecting; /* inside lws_client_connect_via_info */
    bool reported;   /* closed() was called for this connect */
    char *headers;
    char *text; /* message being received */
    size_t len, cap;
    size_t send_len;
    unsigned char send[LWS_PRE + SEND_MAX];
    lws_sorted_usec_list_t timer;
};

static void report_closed(struct avj_ws *ws, const char *why)
{
    ws->wsi = NULL;
    ws->len = ws->send_len = 0;
    if (ws->reported)
        return;
    ws->reported = true;
    ws->events.closed(ws->events.arg, why);
}

static int add_header(struct lws *wsi, const char *line, size_t len, unsigned char **at,
                      unsigned char *end)
{
    char name[64];
    const char *colon = memchr(line, ':', len);
    if (!colon || (size_t)(colon - line) + 2 > sizeof name)
        return -1;
    size_t n = (size_t)(colon - line) + 1;
    memcpy(name, line, n);
    name[n] = '\0';
    while (n < len && line[n] == ' ')
        n++;
    return lws_add_http_header_by_name(wsi, (const unsigned char *)name,
                                       (const unsigned char *)line + n, (int)(len - n), at, end);
}

static int add_headers(struct avj_ws *ws, struct lws *wsi, unsigned char **at, size_t space)
{
    unsigned char *end = *at + space;
    for (const char *line = ws->headers; line && *line;) {
        const char *stop = strchr(line, '\n');
        size_t len = stop ? (size_t)(stop - line) : strlen(line);
        if (len && add_header(wsi, line, len, at, end))
            return -1;
        line += len + (stop ? 1 : 0);
    }
    return 0;
}

static int receive(struct avj_ws *ws, struct lws *wsi, const char *data, size_t len)
{
    if (len > AVJ_WS_MESSAGE_MAX - ws->len)
        return -1;
    if (ws->len + len > ws->cap) {
        size_t cap = (ws->len + len) * 2;
        char *grown = realloc(ws->text, cap);
        if (!grown)
            return -1;
        ws->text = grown;
        ws->cap = cap;
    }
    if (len)
        memcpy(ws->text + ws->len, data, len);
    ws->len += len;
    if (!lws_is_final_fragment(wsi) || lws_remaining_packet_payload(wsi))
        return 0;
    len = ws->len;
    ws->len = 0;
    ws->events.text(ws->events.arg, ws->text ? ws->text : "", len);
    return 0;
}

static int write_pending(struct avj_ws *ws, struct lws *wsi)
{
    size_t len = ws->send_len;
    ws->send_len = 0;
    if (!len)
        return 0;
    return lws_write(wsi, ws->send + LWS_PRE, len, LWS_WRITE_TEXT) < (int)len ? -1 : 0;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len)
{
    struct avj_ws *ws = lws_context_user(lws_get_context(wsi));
    (void)user;
    if (reason == LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER)
        return add_headers(ws, wsi, in, len);
    bool ours = ws && (wsi == ws->wsi || ws->connecting);
    if (!ours)
        return 0;
    switch (reason) {
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        ws->events.opened(ws->events.arg);
        return 0;
    case LWS_CALLBACK_CLIENT_RECEIVE:
        return receive(ws, wsi, in, len);
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return write_pending(ws, wsi);
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        report_closed(ws, in ? in : "could not connect");
        return 0;
    case LWS_CALLBACK_CLIENT_CLOSED:
        report_closed(ws, "connection lost");
        return 0;
    default:
        return 0;
    }
}

static const struct lws_protocols protocols[] = {{"avchat", on_event, 0, 16384, 0, NULL, 0},
                                                 {NULL, NULL, 0, 0, 0, NULL, 0}};

enum avj_status avj_ws_new(struct avj_wait *wait, const struct avj_ws_events *events,
                           struct avj_ws **out, struct avj_error *err)
{
    struct avj_ws *ws = calloc(1, sizeof *ws);
    if (!ws)
        return avj_fail(err, AVJ_ENOMEM, "out of memory");
    ws->events = *events;
    ws->reported = true;
    lws_set_log_level(0, NULL);
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .protocols = protocols,
        .options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
        .user = ws,
        .pt_serv_buf_size = 16384, /* the handshake with its cookie must fit */
        .max_http_header_data = 16384,
        .fd_limit_per_thread = 32,
    };
    ws->context = lws_create_context(&info);
    lws_sock_file_fd_type file = {
        .filefd = ws->context ? fcntl(avj_wait_fd(wait), F_DUPFD_CLOEXEC, 0) : -1};
    struct lws_vhost *vhost = ws->context ? lws_get_vhost_by_name(ws->context, "default") : NULL;
    if (file.filefd < 0 || !vhost ||
        !lws_adopt_descriptor_vhost(vhost, LWS_ADOPT_RAW_FILE_DESC, file, "avchat", NULL)) {
        avj_ws_free(ws);
        return avj_fail(err, AVJ_ENOMEM, "set up websockets: out of memory or descriptors");
    }
    *out = ws;
    return AVJ_OK;
}

void avj_ws_free(struct avj_ws *ws)
{
    if (!ws)
        return;
    ws->reported = true;
    ws->wsi = NULL;
    if (ws->context)
        lws_context_destroy(ws->context);
    if (ws->headers)
        explicit_bzero(ws->headers, strlen(ws->headers));
    free(ws->headers);
    free(ws->text);
    free(ws);
}

/* Splits a URL that lws_parse_uri may cut up in place. */
static bool parse_url(char *url, const char **host, int *port, char **path, bool *tls)
{
    const char *protocol, *rest;
    if (lws_parse_uri(url, &protocol, host, port, &rest))
        return false;
    *tls = strcmp(protocol, "wss") == 0;
    if (!*tls && strcmp(protocol, "ws") != 0)
        return false;
    size_t size = strlen(rest) + 2;
    *path = malloc(size);
    if (*path)
        snprintf(*path, size, "/%s", rest[0] == '/' ? rest + 1 : rest);
    return *path != NULL;
}

enum avj_status avj_ws_connect(struct avj_ws *ws, const char *url, const char *headers,
                               struct avj_error *err)
{
    const char *host;
    char *copy = strdup(url), *path = NULL;
    int port = 0;
    bool tls;
    free(ws->headers);
    ws->headers = strdup(headers);
    if (!copy || !ws->headers || !parse_url(copy, &host, &port, &path, &tls)) {
        free(copy);
        return avj_fail(err, AVJ_EINVAL, "not a realtime address: %s", url);
    }
    char authority[300];
    snprintf(authority, sizeof authority, port == (tls ? 443 : 80) ? "%s" : "%s:%d", host, port);
    struct lws_client_connect_info info = {
        .context = ws->context,
        .address = host,
        .port = port,
        .path = path,
        .host = authority,
        .ssl_connection = tls ? LCCSCF_USE_SSL : 0,
        .local_protocol_name = "avchat",
        .pwsi = &ws->wsi,
        .alpn = "http/1.1",
    };
    ws->reported = false;
    ws->connecting = true;
    struct lws *wsi = lws_client_connect_via_info(&info);
    ws->connecting = false;
    if (!wsi)
        report_closed(ws, "could not connect");
    free(path);
    free(copy);
    return AVJ_OK;
}

void avj_ws_send(struct avj_ws *ws, const char *text)
{
    size_t len = strlen(text);
    if (!ws->wsi || len > SEND_MAX)
        return;
    memcpy(ws->send + LWS_PRE, text, len);
    ws->send_len = len;
    lws_callback_on_writable(ws->wsi);
}

void avj_ws_close(struct avj_ws *ws)
{
    if (ws->wsi)
        lws_set_timeout(ws->wsi, PENDING_TIMEOUT_CLOSE_ACK, LWS_TO_KILL_ASYNC);
    report_closed(ws, "closed here");
}

static void on_timer(lws_sorted_usec_list_t *timer)
{
    (void)timer; /* its only purpose is to end the wait */
}

void avj_ws_service(struct avj_ws *ws, int timeout_ms)
{
    if (timeout_ms == 0) {
        lws_service(ws->context, -1);
        return;
    }
    if (timeout_ms > 0)
        lws_sul_schedule(ws->context, 0, &ws->timer, on_timer,
                         (lws_usec_t)timeout_ms * LWS_US_PER_MS);
    lws_service(ws->context, 0);
    lws_sul_cancel(&ws->timer);
}
