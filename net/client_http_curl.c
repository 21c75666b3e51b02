/*
 * client_http.h on libcurl's multi interface (CURLMOPT_SOCKETFUNCTION: curl tells which sockets it
 * waits for, client_wait.h does the waiting).  Connections are kept alive and shared; TLS verifies
 * against the system's certificates.
 */
#include "net/client_http.h"
#include "net/client_wait.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct transfer {
    struct transfer *next;
    CURL *easy;
    struct curl_slist *headers;
    char *body;
    uint64_t token;
    struct avj_http_answer answer;
    size_t headers_len, body_cap;
    char error[CURL_ERROR_SIZE];
};

struct avj_http {
    CURLM *multi;
    struct avj_wait *wait;
    long timeout_ms;
    int64_t due_ms; /* when curl wants to be called, -1: not */
    struct transfer *running, *done;
    size_t count;
};

static int64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void socket_ready(void *arg, int fd, unsigned events)
{
    struct avj_http *http = arg;
    int mask = (events & AVJ_WAIT_READ ? CURL_CSELECT_IN : 0) |
               (events & AVJ_WAIT_WRITE ? CURL_CSELECT_OUT : 0) |
               (events & AVJ_WAIT_ERROR ? CURL_CSELECT_ERR : 0);
    int running;
    curl_multi_socket_action(http->multi, fd, mask, &running);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socketp)
{
    struct avj_http *http = arg;
    (void)easy, (void)socketp;
    if (what == CURL_POLL_REMOVE) {
        avj_wait_drop(http->wait, fd);
        return 0;
    }
    unsigned events = what == CURL_POLL_IN    ? (unsigned)AVJ_WAIT_READ
                      : what == CURL_POLL_OUT ? (unsigned)AVJ_WAIT_WRITE
                                              : (unsigned)(AVJ_WAIT_READ | AVJ_WAIT_WRITE);
    return avj_wait_set(http->wait, fd, events, socket_ready, http) ? -1 : 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct avj_http *http = arg;
    (void)multi;
    http->due_ms = timeout_ms < 0 ? -1 : monotonic_ms() + timeout_ms;
    return 0;
}

static pthread_once_t global_once = PTHREAD_ONCE_INIT;
static CURLcode global_result;

static void global_init(void)
{
    global_result = curl_global_init(CURL_GLOBAL_DEFAULT);
}

enum avj_status avj_http_new(const struct avj_http_options *options, struct avj_http **out,
                             struct avj_error *err)
{
    pthread_once(&global_once, global_init);
    struct avj_http *http = global_result ? NULL : calloc(1, sizeof *http);
    if (!http || !(http->multi = curl_multi_init())) {
        free(http);
        return avj_fail(err, AVJ_ENOMEM, "set up HTTP: out of memory");
    }
    http->wait = options->wait;
    http->timeout_ms = options->timeout_ms ? (long)options->timeout_ms : 30000;
    http->due_ms = -1;
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_MAX_HOST_CONNECTIONS, 8L);
    *out = http;
    return AVJ_OK;
}

static void transfer_free(struct avj_http *http, struct transfer *transfer)
{
    if (transfer->easy) {
        curl_multi_remove_handle(http->multi, transfer->easy);
        curl_easy_cleanup(transfer->easy);
    }
    curl_slist_free_all(transfer->headers);
    if (transfer->body)
        explicit_bzero(transfer->body, strlen(transfer->body)); /* may be a password */
    free(transfer->body);
    avj_http_answer_release(&transfer->answer);
    free(transfer);
}

static void list_free(struct avj_http *http, struct transfer *list)
{
    while (list) {
        struct transfer *next = list->next;
        transfer_free(http, list);
        list = next;
    }
}

void avj_http_free(struct avj_http *http)
{
    if (!http)
        return;
    list_free(http, http->running);
    list_free(http, http->done);
    curl_multi_cleanup(http->multi);
    free(http);
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    size_t len = size * count;
    /* A new status line (after 100 Continue) begins a new set. */
    if (len >= 5 && memcmp(data, "HTTP/", 5) == 0)
        transfer->headers_len = 0;
    if (len > AVJ_HTTP_HEADERS_MAX - transfer->headers_len)
        return 0;
    char *grown = realloc(transfer->answer.headers, transfer->headers_len + len + 1);
    if (!grown)
        return 0;
    memcpy(grown + transfer->headers_len, data, len);
    transfer->headers_len += len;
    grown[transfer->headers_len] = '\0';
    transfer->answer.headers = grown;
    return len;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    struct avj_http_answer *answer = &transfer->answer;
    size_t len = size * count;
    if (len > AVJ_HTTP_BODY_MAX - answer->body_len) {
        answer->too_large = true;
        return 0;
    }
    size_t need = answer->body_len + len + 1;
    if (need > transfer->body_cap) {
        size_t cap = need < 4096 ? 4096 : need * 2;
        char *grown = realloc(answer->body, cap);
        if (!grown)
            return 0;
        answer->body = grown;
        transfer->body_cap = cap;
    }
    memcpy(answer->body + answer->body_len, data, len);
    answer->body_len += len;
    answer->body[answer->body_len] = '\0';
    return len;
}

static bool add_header(struct transfer *transfer, const char *line)
{
    struct curl_slist *list = curl_slist_append(transfer->headers, line);
    if (list)
        transfer->headers = list;
    return list != NULL;
}

static bool add_headers(struct transfer *transfer, const char *lines)
{
    /* No "Expect: 100-continue": a round trip for nothing. */
    bool ok = add_header(transfer, "Expect:");
    while (ok && *lines) {
        const char *end = strchr(lines, '\n');
        size_t len = end ? (size_t)(end - lines) : strlen(lines);
        char *line = strndup(lines, len);
        ok = line && add_header(transfer, line);
        free(line);
        lines += len + (end ? 1 : 0);
    }
    return ok;
}

static bool only_http(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK;
#else
    return curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS)) ==
           CURLE_OK;
#endif
}

static bool set_up(struct avj_http *http, struct transfer *transfer,
                   const struct avj_http_request *request)
{
    CURL *easy = transfer->easy;
    if (!only_http(easy) || curl_easy_setopt(easy, CURLOPT_URL, request->url))
        return false;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->error);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, http->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     http->timeout_ms < 10000 ? http->timeout_ms : 10000L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "avchat-journal/" AVJ_VERSION);
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
    if (!transfer->body)
        return true;
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(transfer->body));
    return curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer->body) == CURLE_OK;
}

enum avj_status avj_http_start(struct avj_http *http, const struct avj_http_request *request,
                               uint64_t token, struct avj_error *err)
{
    struct transfer *transfer = calloc(1, sizeof *transfer);
    if (!transfer)
        return avj_fail(err, AVJ_ENOMEM, "out of memory");
    transfer->token = token;
    transfer->body = request->body ? strdup(request->body) : NULL;
    bool ok = (!request->body || transfer->body) && add_headers(transfer, request->headers) &&
              (transfer->easy = curl_easy_init()) && set_up(http, transfer, request);
    if (!ok || curl_multi_add_handle(http->multi, transfer->easy) != CURLM_OK) {
        transfer_free(http, transfer);
        return avj_fail(err, AVJ_ENOMEM, "begin a request: out of memory, or a bad endpoint URL");
    }
    transfer->next = http->running;
    http->running = transfer;
    http->count++;
    return AVJ_OK;
}

/* When the request went out (behind names, connections and TLS) and when the answer began. */
static void note_times(struct transfer *transfer)
{
    struct timespec now;
    curl_off_t total = 0, sent = 0, answered = 0;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0 ||
        curl_easy_getinfo(transfer->easy, CURLINFO_TOTAL_TIME_T, &total) != CURLE_OK ||
        curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &sent) != CURLE_OK ||
        curl_easy_getinfo(transfer->easy, CURLINFO_STARTTRANSFER_TIME_T, &answered) != CURLE_OK)
        return;
    int64_t now_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    transfer->answer.sent_ms = (now_us - (total - sent)) / 1000;
    transfer->answer.answered_ms = (now_us - (total - answered)) / 1000;
}

static void finish(struct avj_http *http, struct transfer *transfer, CURLcode result)
{
    for (struct transfer **at = &http->running; *at; at = &(*at)->next)
        if (*at == transfer) {
            *at = transfer->next;
            break;
        }
    struct avj_http_answer *answer = &transfer->answer;
    long status = 0;
    if (result == CURLE_OK)
        curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    if (result == CURLE_OK)
        note_times(transfer);
    else
        snprintf(answer->error, sizeof answer->error, "%s",
                 transfer->error[0] ? transfer->error : curl_easy_strerror(result));
    answer->status = (int)status;
    curl_multi_remove_handle(http->multi, transfer->easy);
    curl_easy_cleanup(transfer->easy);
    transfer->easy = NULL;
    transfer->next = http->done;
    http->done = transfer;
    http->count--;
}

static void collect(struct avj_http *http)
{
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(http->multi, &left));) {
        char *private = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode result = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        finish(http, (struct transfer *)(void *)private, result);
    }
}

void avj_http_tick(struct avj_http *http)
{
    if (http->due_ms >= 0 && monotonic_ms() >= http->due_ms) {
        int running;
        http->due_ms = -1;
        curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    collect(http);
}

int avj_http_timeout_ms(const struct avj_http *http)
{
    if (http->done)
        return 0;
    if (http->due_ms < 0)
        return -1;
    int64_t left = http->due_ms - monotonic_ms();
    return left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

bool avj_http_take(struct avj_http *http, uint64_t *token, struct avj_http_answer *answer)
{
    /* Answers are handed out in the order they came: the oldest is last in the list. */
    struct transfer **at = &http->done;
    if (!*at)
        return false;
    while ((*at)->next)
        at = &(*at)->next;
    struct transfer *transfer = *at;
    *at = NULL;
    *token = transfer->token;
    *answer = transfer->answer;
    transfer->answer = (struct avj_http_answer){0};
    transfer_free(http, transfer);
    return true;
}

size_t avj_http_running(const struct avj_http *http)
{
    return http->count;
}
