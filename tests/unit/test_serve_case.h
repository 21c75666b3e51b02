/*
 * What the tests of the embedded upstream's core share: a server over a journal in memory, a clock
 * that the test sets, and requests in one line.  The expected answers are those of a recorded
 * Appwrite 1.8.1; the tests name the recording they follow.
 */
#ifndef TEST_SERVE_CASE_H
#define TEST_SERVE_CASE_H

#include "net/serve_core.h"
#include "net/serve_realtime.h"
#include "replay/clock.h"
#include "replay/entry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOCUMENTS "/v1/databases/main/collections/messages/documents"
#define ROWS      "/v1/tablesdb/main/tables/messages/rows"
#define START     "2026-11-22T18:09:32.548+00:00"

struct fixture {
    struct avj_serve *serve;
    struct avj_slice *entries; /* the journal */
    size_t entry_count;
    unsigned appends;
    enum avj_status append_status; /* what the next appends come to */
    uint64_t stamps, randoms;
    int64_t now_ms;
    struct avj_serve_response response;
    char alice[160], bob[160];      /* session tokens */
    const char *token;              /* of the next requests, NULL: a guest */
    struct avj_serve_request extra; /* headers of the next request */
};

static inline enum avj_status fixture_append(void *arg, const struct avj_slice *entries,
                                             size_t count, struct avj_error *err)
{
    struct fixture *f = arg;
    if (f->append_status != AVJ_OK)
        return avj_fail(err, f->append_status, "as the test wants it");
    f->appends++;
    /* No assertions here: cmocka would leave the library by longjmp. */
    for (size_t i = 0; i < count; i++) {
        struct avj_slice *grown = realloc(f->entries, (f->entry_count + 1) * sizeof(*f->entries));
        void *copy = malloc(entries[i].len);
        if (grown)
            f->entries = grown;
        if (!grown || !copy) {
            free(copy);
            return AVJ_ENOMEM;
        }
        memcpy(copy, entries[i].data, entries[i].len);
        f->entries[f->entry_count++] = (struct avj_slice){copy, entries[i].len};
    }
    return AVJ_OK;
}

static inline uint64_t fixture_stamp(void *arg)
{
    return ++((struct fixture *)arg)->stamps;
}

static inline bool fixture_random(void *arg, void *data, size_t len)
{
    struct fixture *f = arg;
    for (size_t i = 0; i < len; i++) {
        uint64_t z = ++f->randoms * UINT64_C(0x9e3779b97f4a7c15);
        ((uint8_t *)data)[i] = (uint8_t)((z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9) >> 56);
    }
    return true;
}

static inline int64_t time_ms(const char *text)
{
    int64_t ms = 0;
    assert_true(avj_time_parse(text, strlen(text), &ms));
    return ms;
}

static inline struct avj_serve *fixture_server(struct fixture *f,
                                               const struct avj_serve_config *config)
{
    const struct avj_serve_sink sink = {
        .arg = f, .append = fixture_append, .stamp = fixture_stamp, .random = fixture_random};
    struct avj_serve *serve = avj_serve_new(config, &sink);
    assert_non_null(serve);
    for (size_t i = 0; i < f->entry_count; i++) {
        struct avj_entry entry;
        struct avj_error err = {0};
        assert_int_equal(avj_entry_decode(f->entries[i].data, f->entries[i].len, &entry, &err),
                         AVJ_OK);
        assert_int_equal(entry.type, AVJ_E_SERVER);
        assert_int_equal(avj_serve_replay(serve, entry.root, &err), AVJ_OK);
        avj_entry_release(&entry);
    }
    return serve;
}

/* `target` is a path with an optional query, whose values are written without escapes and separated
 * by '&'. */
static inline void request(struct fixture *f, const char *method, const char *target,
                           const char *body)
{
    char copy[4096];
    const char *args[64];
    struct avj_serve_request r = f->extra;
    assert_true(strlen(target) < sizeof(copy));
    memcpy(copy, target, strlen(target) + 1);
    char *query = strchr(copy, '?');
    if (query)
        *query++ = '\0';
    for (char *save = NULL, *arg = query ? strtok_r(query, "&", &save) : NULL; arg;
         arg = strtok_r(NULL, "&", &save))
        args[r.arg_count++] = arg;
    r.method = method;
    r.path = copy;
    r.args = args;
    r.body = body;
    r.body_len = body ? strlen(body) : 0;
    r.project = r.project ? (r.project[0] ? r.project : NULL) : "testproject";
    if (f->token && !r.session)
        r.session = f->token;
    r.ip = "127.0.0.1";
    avj_serve_response_release(&f->response);
    avj_serve_handle(f->serve, &r, f->now_ms, &f->response);
    memset(&f->extra, 0, sizeof(f->extra));
}

static inline const char *body(const struct fixture *f)
{
    return f->response.body.data ? f->response.body.data : "";
}

static inline void expect(const struct fixture *f, int status)
{
    if (f->response.status != status)
        print_error("status %d, body %s\n", f->response.status, body(f));
    assert_int_equal(f->response.status, status);
}

static inline void expect_body(const struct fixture *f, int status, const char *text)
{
    expect(f, status);
    assert_string_equal(body(f), text);
}

static inline void expect_error(const struct fixture *f, int status, const char *type,
                                const char *message)
{
    char text[1024];
    (void)snprintf(text, sizeof(text),
                   "{\"message\":\"%s\",\"code\":%d,\"type\":\"%s\",\"version\":\"1.8.1\"}",
                   message, status, type);
    expect_body(f, status, text);
}

/* The text of a member of the answer; "a.b" goes into members, "a.0" into arrays.  Valid until the
 * next call. */
static inline const char *member(const struct fixture *f, const char *path)
{
    static char out[2048];
    char copy[256], *save = NULL;
    json_t *root = json_loads(body(f), 0, NULL);
    const json_t *at = root;
    assert_non_null(root);
    assert_true(strlen(path) < sizeof(copy));
    memcpy(copy, path, strlen(path) + 1);
    for (char *name = strtok_r(copy, ".", &save); name; name = strtok_r(NULL, ".", &save))
        at = json_is_array(at) ? json_array_get(at, (size_t)atoi(name)) : json_object_get(at, name);
    if (json_is_string(at))
        (void)snprintf(out, sizeof(out), "%s", json_string_value(at));
    else {
        char *text = at ? json_dumps(at, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
        (void)snprintf(out, sizeof(out), "%s", text ? text : "(absent)");
        free(text);
    }
    json_decref(root);
    return out;
}

static inline void copy_member(const struct fixture *f, const char *path, char *out, size_t size)
{
    const char *text = member(f, path);
    assert_true(strlen(text) < size);
    memcpy(out, text, strlen(text) + 1);
}

static inline bool has_header(const struct fixture *f, const char *line)
{
    return f->response.headers.data && strstr(f->response.headers.data, line);
}

static inline void log_in(struct fixture *f, const char *name, char token[160])
{
    char text[256];
    (void)snprintf(text, sizeof(text),
                   "{\"userId\":\"%s\",\"email\":\"%s@localhost.test\",\"password\":\"password-1\","
                   "\"name\":\"%s\"}",
                   name, name, name);
    f->token = NULL;
    request(f, "POST", "/v1/account", text);
    expect(f, 201);
    (void)snprintf(text, sizeof(text),
                   "{\"email\":\"%s@localhost.test\",\"password\":\"password-1\"}", name);
    request(f, "POST", "/v1/account/sessions/email", text);
    expect(f, 201);
    const char *at = strstr(f->response.headers.data, "a_session_testproject\":\"");
    assert_non_null(at);
    at += strlen("a_session_testproject\":\"");
    size_t len = strcspn(at, "\"");
    assert_true(len < 160);
    memcpy(token, at, len);
    token[len] = '\0';
}

static inline struct fixture *fixture_new(const struct avj_serve_config *config)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    f->now_ms = time_ms(START);
    f->serve = fixture_server(f, config);
    log_in(f, "alice", f->alice);
    log_in(f, "bob", f->bob);
    f->token = f->alice;
    return f;
}

static inline void fixture_free(struct fixture *f)
{
    avj_serve_response_release(&f->response);
    avj_serve_free(f->serve);
    for (size_t i = 0; i < f->entry_count; i++)
        free((void *)(uintptr_t)f->entries[i].data);
    free(f->entries);
    free(f);
}

/* The collection of the recordings: fewer attributes, and every user may do everything with every
 * row. */
static const char *const recorded_missing[] = {"messages.model", "messages.webSearchImgs",
                                               "messages.imgurl", "messages.isPlan", NULL};
static const struct avj_serve_config recorded = {
    .deployment = {.missing = recorded_missing,
                   .users_may =
                       AVJ_USERS_CREATE | AVJ_USERS_READ | AVJ_USERS_UPDATE | AVJ_USERS_DELETE}};
/* Each row has its own permissions. */
static const struct avj_serve_config by_row = {.deployment = {.missing = recorded_missing}};

static inline int setup_recorded(void **state)
{
    *state = fixture_new(&recorded);
    return 0;
}

static inline int setup_by_row(void **state)
{
    *state = fixture_new(&by_row);
    return 0;
}

static inline int teardown(void **state)
{
    fixture_free(*state);
    return 0;
}

#define MESSAGE_DATA(id, content)                                                                  \
    "{\"messageId\":\"" id "\",\"threadId\":\"t1\",\"userId\":\"alice\",\"content\":\"" content    \
    "\",\"role\":\"user\",\"createdAt\":\"2026-11-22T10:00:00.000Z\"}"
#define CREATE(id, content) "{\"documentId\":\"" id "\",\"data\":" MESSAGE_DATA(id, content) "}"
#define NOT_FOUND           "Document with the requested ID could not be found."

/* Makes messages m0, m1, ... a millisecond apart from each other, in thread t1. */
static inline void make_messages(struct fixture *f, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        char text[512];
        (void)snprintf(text, sizeof(text),
                       "{\"documentId\":\"m%u\",\"data\":{\"messageId\":\"m%u\",\"threadId\":"
                       "\"t1\",\"userId\":\"alice\",\"content\":\"text %u\","
                       "\"role\":\"user\"}}",
                       i, i, i);
        f->now_ms++;
        request(f, "POST", DOCUMENTS, text);
        expect(f, 201);
    }
}

#endif
