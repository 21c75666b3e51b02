/* HTTP exchanges: body in, answer out in pieces as the socket takes them. */
#include "net/serve_private_lws.h"

#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PIECE ((size_t)64 * 1024)

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {{200, "OK"},
                   {201, "Created"},
                   {204, "No Content"},
                   {400, "Bad Request"},
                   {401, "Unauthorized"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {409, "Conflict"},
                   {413, "Payload Too Large"},
                   {429, "Too Many Requests"},
                   {500, "Internal Server Error"}};
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return "Unknown";
}

int64_t avj_server_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void date(struct avj_text *out)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t now = (time_t)(avj_server_now_ms() / 1000);
    struct tm tm;
    if (gmtime_r(&now, &tm))
        avj_text_printf(out, "Date: %s, %02d %s %d %02d:%02d:%02d GMT\r\n", days[tm.tm_wday],
                        tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
                        tm.tm_sec);
}

/* Head and body behind LWS_PRE bytes of room. */
static bool compose(struct avj_exchange *exchange, const struct avj_serve_response *response)
{
    static const char room[LWS_PRE];
    struct avj_text *out = &exchange->answer;
    avj_text_add(out, room, sizeof(room));
    avj_text_printf(out, "HTTP/1.1 %d %s\r\n", response->status, reason(response->status));
    avj_text_add(out, response->headers.data ? response->headers.data : "", response->headers.len);
    if (response->type)
        avj_text_printf(out, "Content-Type: %s\r\n", response->type);
    date(out);
    if (exchange->hang_up)
        avj_text_puts(out, "Connection: close\r\n");
    avj_text_printf(out, "Content-Length: %zu\r\n", response->body.len);
    avj_text_puts(out, "\r\n");
    avj_text_add(out, response->body.data ? response->body.data : "", response->body.len);
    exchange->sent = LWS_PRE;
    return !out->failed && !response->headers.failed;
}

static int send_answer(struct lws *wsi, struct avj_exchange *exchange,
                       const struct avj_serve_response *response)
{
    if (!compose(exchange, response))
        return -1;
    (void)lws_callback_on_writable(wsi);
    return 0;
}

static int refuse(struct lws *wsi, struct avj_exchange *exchange)
{
    struct avj_serve_response response = {.status = 413};
    exchange->hang_up = true;
    exchange->refused = true;
    return send_answer(wsi, exchange, &response);
}

/* -1: the request does not say. */
static long long content_length(struct lws *wsi)
{
    char text[24];
    int len = lws_hdr_copy(wsi, text, sizeof(text), WSI_TOKEN_HTTP_CONTENT_LENGTH);
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0)
        return -1;
    long long value = 0;
    if (len <= 0)
        return INT64_MAX;
    for (int i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9' || i > 16)
            return INT64_MAX;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

static bool has_body_method(const char *method)
{
    return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
           strcmp(method, "PATCH") == 0;
}

/* curl waits a second for this before it sends a large body. */
static int go_on(struct lws *wsi)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    unsigned char out[LWS_PRE + sizeof(text)];
    if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_EXPECT) <= 0)
        return 0;
    memcpy(out + LWS_PRE, text, sizeof(text));
    return lws_write(wsi, out + LWS_PRE, sizeof(text) - 1, LWS_WRITE_RAW) < 0 ? -1 : 0;
}

int avj_http_begin(struct avj_server *server, struct lws *wsi, struct avj_connection *connection)
{
    long long length = content_length(wsi);
    avj_exchange_free(connection->exchange);
    struct avj_exchange *exchange = connection->exchange = avj_exchange_new(wsi);
    if (!exchange)
        return -1;
    if (length > (long long)AVJ_SERVE_BODY_MAX)
        return refuse(wsi, exchange);
    if (length > 0)
        return go_on(wsi);
    /* Without a length (a chunked body is not taken) nothing tells where the next request would
     * begin. */
    exchange->hang_up = length < 0 && has_body_method(exchange->request.method);
    return avj_http_end(server, wsi, connection);
}

int avj_http_body(struct avj_connection *connection, const char *data, size_t len)
{
    struct avj_exchange *exchange = connection->exchange;
    if (!exchange)
        return -1;
    if (exchange->refused)
        return 0;
    if (len > AVJ_SERVE_BODY_MAX - exchange->body.len)
        return -1;
    avj_text_add(&exchange->body, data, len);
    return exchange->body.failed ? -1 : 0;
}

int avj_http_end(struct avj_server *server, struct lws *wsi, struct avj_connection *connection)
{
    struct avj_exchange *exchange = connection->exchange;
    struct avj_serve_response response;
    if (!exchange)
        return -1;
    if (exchange->refused)
        return 0; /* answered already */
    exchange->request.body = exchange->body.data;
    exchange->request.body_len = exchange->body.len;
    avj_serve_handle(server->serve, &exchange->request, avj_server_now_ms(), &response);
    int failed = send_answer(wsi, exchange, &response);
    for (size_t i = 0; i < response.event_count; i++)
        avj_socket_publish(server, &response.events[i]);
    avj_serve_response_release(&response);
    return failed;
}

static int finish(struct lws *wsi, struct avj_connection *connection)
{
    bool hang_up = connection->exchange->hang_up;
    avj_exchange_free(connection->exchange);
    connection->exchange = NULL;
    return hang_up || lws_http_transaction_completed(wsi) ? -1 : 0;
}

int avj_http_writable(struct lws *wsi, struct avj_connection *connection)
{
    struct avj_exchange *exchange = connection->exchange;
    if (!exchange || !exchange->sent)
        return 0;
    size_t left = exchange->answer.len - exchange->sent, len = left < PIECE ? left : PIECE;
    enum lws_write_protocol how = len < left ? LWS_WRITE_HTTP : LWS_WRITE_HTTP_FINAL;
    if (len &&
        lws_write(wsi, (unsigned char *)exchange->answer.data + exchange->sent, len, how) < 0)
        return -1;
    exchange->sent += len;
    if (exchange->sent < exchange->answer.len) {
        (void)lws_callback_on_writable(wsi);
        return 0;
    }
    return finish(wsi, connection);
}
