/*
 * The embedded upstream without I/O: requests and the time in; answers, journal entries and
 * realtime events out.
 *
 * It speaks as Appwrite 1.8.1 does, for the four collections of AVChat in any database (PROTOCOL.md
 * says what is and what is not). State is what replaying its `server` entries gives; everything is
 * journaled before it is answered.  Pending transactions, JWTs and rate-limit windows live only in
 * memory.
 *
 * Threading: one thread a server.
 */
#ifndef AVJ_SERVE_CORE_H
#define AVJ_SERVE_CORE_H

#include "net/serve_schema.h"
#include "net/text.h"
#include "replay/value.h"

#define AVJ_SERVE_VERSION "1.8.1"
/* A larger request body is refused with 413. */
#define AVJ_SERVE_BODY_MAX ((size_t)12 * 1024 * 1024)

struct avj_serve;

/* What the server stands on.  Everything is called on the server's thread. */
struct avj_serve_sink {
    void *arg;
    /* Makes the entries durable, all or none.  AVJ_ETOOBIG: they do not fit one frame. */
    enum avj_status (*append)(void *arg, const struct avj_slice *entries, size_t count,
                              struct avj_error *err);
    uint64_t (*stamp)(void *arg);
    /* Cryptographic randomness; false on failure. */
    bool (*random)(void *arg, void *data, size_t len);
};

struct avj_serve_config { /* zero is the default */
    const char *project;  /* NULL: any project id is taken; borrowed */
    bool no_rate_limit;
    struct avj_deployment deployment; /* `missing` is borrowed during avj_serve_new */
};

/* NULL: out of memory.  The sink is copied. */
struct avj_serve *avj_serve_new(const struct avj_serve_config *config,
                                const struct avj_serve_sink *sink);
void avj_serve_free(struct avj_serve *serve);

/* Takes in one `server` entry of the journal, in order, before the first request.  Errors:
 * AVJ_EFORMAT, AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status avj_serve_replay(struct avj_serve *serve, struct avj_value entry,
                                             struct avj_error *err);

struct avj_serve_request { /* borrowed during the call; absent headers are NULL */
    const char *method, *path;
    const char *const *args; /* "name=value" of the query, percent-decoded */
    size_t arg_count;
    const char *body;
    size_t body_len;
    const char *ip;
    const char *project, *key, *session, *fallback_cookies, *cookie, *jwt, *timestamp, *origin;
};

/* One frame for the sockets that listen. */
struct avj_serve_event {
    char *frame; /* JSON text */
    size_t len;
    char *channels; /* NUL-terminated texts, one after the other */
    size_t channels_len;
    char *perms; /* of the row (serve_perms.h) */
    size_t perms_len;
    bool users; /* every user may read it */
};

struct avj_serve_response {
    int status;
    const char *type;        /* Content-Type; static */
    struct avj_text headers; /* "Name: value\r\n", all but Date, Content-Type and Content-Length */
    struct avj_text body;
    struct avj_serve_event *events;
    size_t event_count;
};

/* Answers a request.  *response is filled whatever happens; release it. */
void avj_serve_handle(struct avj_serve *serve, const struct avj_serve_request *request,
                      int64_t now_ms, struct avj_serve_response *response);
void avj_serve_response_release(struct avj_serve_response *response);

/* For the realtime side: whether a project is served, and whether an Origin header (NULL: none) is
 * one of ours. */
bool avj_serve_project_known(const struct avj_serve *serve, const char *project);
bool avj_serve_origin_known(const char *origin);
/* The user whom the request's session stands for, NULL: a guest.  Valid until the next call of
 * avj_serve_handle. */
const char *avj_serve_who(struct avj_serve *serve, const struct avj_serve_request *request,
                          int64_t now_ms);
/* A user as GET /v1/account shows it; false when there is none of that id. */
bool avj_serve_user_json(struct avj_serve *serve, const char *user, struct avj_text *out);

#endif
