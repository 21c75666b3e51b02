/*
 * HTTP for the client: requests and answers as plain data, and the transport that carries several
 * of them at once.  The cores (client_appwrite.h, client_push.h, client_pull.h) build requests and
 * read answers; only client_http_curl.c does I/O.
 *
 * Threading: one thread a transport.  Lifetime: a started request is copied; answers are handed
 * over to the caller.
 */
#ifndef AVJ_NET_CLIENT_HTTP_H
#define AVJ_NET_CLIENT_HTTP_H

#include "journal/status.h"

#include <stdint.h>

/* Largest answer that is taken: a page of 500 rows of 64 KiB fits. */
#define AVJ_HTTP_BODY_MAX    ((size_t)48 * 1024 * 1024)
#define AVJ_HTTP_HEADERS_MAX ((size_t)64 * 1024)

struct avj_http_request {
    const char *method; /* static: "GET", "POST", "PATCH", "DELETE" */
    char *url;          /* owned, as the next two */
    char *headers;      /* "Name: value" lines, each ended by \n */
    char *body;         /* JSON; NULL: none */
};
void avj_http_request_release(struct avj_http_request *request);

struct avj_http_answer {
    int status;    /* 0: no answer came; `error` says why */
    char *headers; /* owned: the lines as received, NUL-terminated; may be NULL */
    char *body;    /* owned, NUL-terminated; may be NULL */
    size_t body_len;
    bool too_large; /* there was an answer, longer than AVJ_HTTP_BODY_MAX */
    /* By the wall clock, milliseconds since 1970: when the request was on its way, and when the
     * first byte of the answer came.  0: not known. */
    int64_t sent_ms, answered_ms;
    char error[256];
};
void avj_http_answer_release(struct avj_http_answer *answer);
/* The n-th (from 0) value of a header, any case; its length in *len.  NULL: there are not that
 * many. */
const char *avj_http_header(const struct avj_http_answer *answer, const char *name, size_t n,
                            size_t *len);

struct avj_http;
struct avj_wait;

struct avj_http_options {
    struct avj_wait *wait; /* borrowed: sockets are watched through it */
    unsigned timeout_ms;   /* of one request, 0: 30,000 */
};

AVJ_CHECKED enum avj_status avj_http_new(const struct avj_http_options *options,
                                         struct avj_http **out, struct avj_error *err);
void avj_http_free(struct avj_http *http); /* ends what is under way */

/* Begins a request; `token` comes back with its answer.  Redirects are not followed: a session must
 * not travel to another host. */
AVJ_CHECKED enum avj_status avj_http_start(struct avj_http *http,
                                           const struct avj_http_request *request, uint64_t token,
                                           struct avj_error *err);
/* Does what time asks for; call when avj_http_timeout_ms has passed, and after avj_wait_dispatch.
 */
void avj_http_tick(struct avj_http *http);
/* Milliseconds until avj_http_tick is due, -1: not needed. */
int avj_http_timeout_ms(const struct avj_http *http);
/* A finished request, if there is one: *answer is the caller's to release. */
bool avj_http_take(struct avj_http *http, uint64_t *token, struct avj_http_answer *answer);
size_t avj_http_running(const struct avj_http *http);

#endif
