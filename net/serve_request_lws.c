/* A request out of libwebsockets' header tables. */
#include "net/serve_private_lws.h"

#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>

/* Longest header value or query argument that is looked at; libwebsockets holds no more than this
 * for a whole head. */
#define VALUE_MAX ((size_t)64 * 1024)

/* Strings are collected first and pointed at afterwards, when the text does not move any more:
 * offsets, 0 for none. */
struct offsets {
    size_t path, project, key, session, fallback, cookie, jwt, timestamp, origin;
};

static const char *method_name(struct lws *wsi)
{
    static const struct {
        enum lws_token_indexes token;
        const char *name;
    } methods[] = {{WSI_TOKEN_GET_URI, "GET"},       {WSI_TOKEN_POST_URI, "POST"},
                   {WSI_TOKEN_PUT_URI, "PUT"},       {WSI_TOKEN_PATCH_URI, "PATCH"},
                   {WSI_TOKEN_DELETE_URI, "DELETE"}, {WSI_TOKEN_OPTIONS_URI, "OPTIONS"},
                   {WSI_TOKEN_HEAD_URI, "HEAD"}};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (lws_hdr_total_length(wsi, methods[i].token) > 0)
            return methods[i].name;
    return "GET";
}

static size_t keep(struct avj_text *strings, const char *value, int len)
{
    size_t at = strings->len;
    if (len < 0 || memchr(value, '\0', (size_t)len))
        return 0;
    avj_text_add(strings, value, (size_t)len);
    avj_text_add(strings, "", 1);
    return at;
}

static size_t keep_token(struct lws *wsi, struct avj_text *strings, char *buffer,
                         enum lws_token_indexes token)
{
    int len = lws_hdr_total_length(wsi, token) > 0
                  ? lws_hdr_copy(wsi, buffer, (int)VALUE_MAX, token)
                  : -1;
    return keep(strings, buffer, len);
}

static size_t keep_custom(struct lws *wsi, struct avj_text *strings, char *buffer, const char *name)
{
    int len = lws_hdr_custom_copy(wsi, buffer, (int)VALUE_MAX, name, (int)strlen(name));
    return keep(strings, buffer, len);
}

static size_t keep_path(struct lws *wsi, struct avj_text *strings, char *buffer)
{
    char *uri;
    int len = 0;
    if (lws_http_get_uri_and_method(wsi, &uri, &len) < 0)
        return keep_token(wsi, strings, buffer, WSI_TOKEN_GET_URI); /* an upgrade */
    return keep(strings, uri, len);
}

static bool keep_args(struct lws *wsi, struct avj_exchange *exchange, char *buffer, size_t **starts)
{
    size_t count = 0, cap = 0;
    int len;
    while ((len = lws_hdr_copy_fragment(wsi, buffer, (int)VALUE_MAX, WSI_TOKEN_HTTP_URI_ARGS,
                                        (int)count)) >= 0) {
        if (count == cap) {
            cap = cap ? cap * 2 : 8;
            size_t *grown = realloc(*starts, cap * sizeof(**starts));
            if (!grown)
                return false;
            *starts = grown;
        }
        (*starts)[count++] = keep(&exchange->strings, buffer, len);
    }
    exchange->request.arg_count = count;
    return true;
}

static void keep_headers(struct lws *wsi, struct avj_text *strings, char *buffer,
                         struct offsets *at)
{
    at->path = keep_path(wsi, strings, buffer);
    at->cookie = keep_token(wsi, strings, buffer, WSI_TOKEN_HTTP_COOKIE);
    at->origin = keep_token(wsi, strings, buffer, WSI_TOKEN_ORIGIN);
    at->project = keep_custom(wsi, strings, buffer, "x-appwrite-project:");
    at->key = keep_custom(wsi, strings, buffer, "x-appwrite-key:");
    at->session = keep_custom(wsi, strings, buffer, "x-appwrite-session:");
    at->fallback = keep_custom(wsi, strings, buffer, "x-fallback-cookies:");
    at->jwt = keep_custom(wsi, strings, buffer, "x-appwrite-jwt:");
    at->timestamp = keep_custom(wsi, strings, buffer, "x-appwrite-timestamp:");
}

static const char *at(const struct avj_exchange *exchange, size_t offset)
{
    return offset ? exchange->strings.data + offset : NULL;
}

static bool point(struct avj_exchange *exchange, const struct offsets *offsets,
                  const size_t *starts)
{
    struct avj_serve_request *request = &exchange->request;
    exchange->args = calloc(request->arg_count + 1, sizeof(char *));
    if (!exchange->args || exchange->strings.failed)
        return false;
    for (size_t i = 0; i < request->arg_count; i++)
        exchange->args[i] =
            exchange->strings.data + starts[i]; /* one with a NUL in it is the empty text at 0 */
    request->args = (const char *const *)exchange->args;
    request->path = offsets->path ? at(exchange, offsets->path) : "";
    request->project = at(exchange, offsets->project);
    request->key = at(exchange, offsets->key);
    request->session = at(exchange, offsets->session);
    request->fallback_cookies = at(exchange, offsets->fallback);
    request->cookie = at(exchange, offsets->cookie);
    request->jwt = at(exchange, offsets->jwt);
    request->timestamp = at(exchange, offsets->timestamp);
    request->origin = at(exchange, offsets->origin);
    request->ip = exchange->ip;
    return true;
}

struct avj_exchange *avj_exchange_new(struct lws *wsi)
{
    struct avj_exchange *exchange = calloc(1, sizeof(*exchange));
    char *buffer = malloc(VALUE_MAX);
    struct offsets offsets = {0};
    size_t *starts = NULL;
    bool done = false;
    if (exchange && buffer) {
        avj_text_add(&exchange->strings, "", 1); /* so that no string is at 0 */
        exchange->request.method = method_name(wsi);
        (void)lws_get_peer_simple(wsi, exchange->ip, sizeof(exchange->ip));
        keep_headers(wsi, &exchange->strings, buffer, &offsets);
        done = keep_args(wsi, exchange, buffer, &starts) && point(exchange, &offsets, starts);
    }
    free(starts);
    free(buffer);
    if (done)
        return exchange;
    avj_exchange_free(exchange);
    return NULL;
}

void avj_exchange_free(struct avj_exchange *exchange)
{
    if (!exchange)
        return;
    avj_text_release(&exchange->strings);
    free(exchange->args);
    avj_text_release(&exchange->body);
    avj_text_release(&exchange->answer);
    free(exchange);
}
