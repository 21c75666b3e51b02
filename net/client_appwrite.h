/*
 * The Appwrite wire protocol as a codec without I/O: requests out, answers in.  Source: the
 * project's PROTOCOL.md and recordings of Appwrite 1.8.1.
 *
 * Threading: pure functions on plain data.  Lifetime: struct avj_appwrite borrows its texts;
 * requests and results belong to the caller.
 */
#ifndef AVJ_NET_CLIENT_APPWRITE_H
#define AVJ_NET_CLIENT_APPWRITE_H

#include "net/client_http.h"
#include "replay/schema.h"
#include "replay/sync.h"

#include <jansson.h>

/* Limits of the protocol. */
enum {
    AVJ_AW_TX_OPERATIONS = 100, /* of one transaction */
    AVJ_AW_QUERY_CHARS = 4096,  /* of one query */
    AVJ_AW_IDS_PER_QUERY =
        100, /* equal("$id", ...) with the longest ids stays below the line above */
};
#define AVJ_AW_BODY_MAX ((size_t)12 * 1024 * 1024)

/* Versions compare as major * 1000 + minor; 0: not known. */
enum { AVJ_AW_TRANSACTIONS_FROM = 1008 };

struct avj_appwrite {
    const char *endpoint; /* "https://host/v1", no slash at the end */
    const char *project, *database;
    const char *collections[AVJ_ENTITIES];
    const char *user;   /* NULL: a guest */
    const char *secret; /* of the session, NULL: none */
    int version;
};

/* ---- requests.  All: AVJ_ENOMEM, nothing else; *out is zero-initialised by the call ---- */

AVJ_CHECKED enum avj_status avj_aw_version(const struct avj_appwrite *aw,
                                           struct avj_http_request *out);
AVJ_CHECKED enum avj_status avj_aw_account(const struct avj_appwrite *aw,
                                           struct avj_http_request *out);
AVJ_CHECKED enum avj_status avj_aw_login(const struct avj_appwrite *aw, const char *email,
                                         const char *password, struct avj_http_request *out);
AVJ_CHECKED enum avj_status avj_aw_register(const struct avj_appwrite *aw, const char *email,
                                            const char *password, struct avj_http_request *out);
AVJ_CHECKED enum avj_status avj_aw_logout(const struct avj_appwrite *aw,
                                          struct avj_http_request *out);

struct avj_aw_list { /* zero: not asked for */
    const char *const
        *ids; /* exactly these rows, at most AVJ_AW_IDS_PER_QUERY, whoever owns them */
    size_t id_count;
    const char *updated_since; /* $updatedAt >= */
    const char *after;         /* cursor: the last $id of the page before */
    size_t limit;              /* ignored with ids */
    bool versions_only;        /* only the system fields */
};
AVJ_CHECKED enum avj_status avj_aw_list(const struct avj_appwrite *aw, enum avj_entity entity,
                                        const struct avj_aw_list *list,
                                        struct avj_http_request *out);

/* Single writes; `data` is borrowed.  base_version (may be NULL) makes it a compare-and-set. */
AVJ_CHECKED enum avj_status avj_aw_create(const struct avj_appwrite *aw, enum avj_entity entity,
                                          const char *remote_id, const json_t *data,
                                          struct avj_http_request *out);
AVJ_CHECKED enum avj_status avj_aw_update(const struct avj_appwrite *aw, enum avj_entity entity,
                                          const char *remote_id, const json_t *data,
                                          const char *base_version, struct avj_http_request *out);
AVJ_CHECKED enum avj_status avj_aw_delete(const struct avj_appwrite *aw, enum avj_entity entity,
                                          const char *remote_id, const char *base_version,
                                          struct avj_http_request *out);

/* Transactions. */
AVJ_CHECKED enum avj_status avj_aw_tx_begin(const struct avj_appwrite *aw,
                                            struct avj_http_request *out);
AVJ_CHECKED enum avj_status avj_aw_tx_stage(const struct avj_appwrite *aw, const char *tx,
                                            const json_t *operations, struct avj_http_request *out);
AVJ_CHECKED enum avj_status avj_aw_tx_end(const struct avj_appwrite *aw, const char *tx,
                                          bool commit, struct avj_http_request *out);
/* One operation of a transaction: a new reference, NULL when memory ran out.  `data` is borrowed; a
 * create gets its $permissions here, because a transaction gives none by itself and nobody could
 * read the row. */
json_t *avj_aw_operation(const struct avj_appwrite *aw, enum avj_push_kind kind,
                         enum avj_entity entity, const char *remote_id, const json_t *data);

/* ---- answers ---- */

enum avj_aw_verdict {
    AVJ_AW_OK,
    AVJ_AW_RETRY,         /* no answer, 408, 5xx, a locked resource: the same again later */
    AVJ_AW_RATE,          /* 429: not before rate_reset_ms */
    AVJ_AW_AUTH,          /* 401, 403: ask who the session is before believing anything */
    AVJ_AW_NOT_FOUND,     /* the row, or it may not be read */
    AVJ_AW_NO_COLLECTION, /* project, database or collection does not exist */
    AVJ_AW_EXISTS,        /* a row of that id is there */
    AVJ_AW_CONFLICT,      /* someone else changed it meanwhile */
    AVJ_AW_TX_GONE,       /* the transaction expired, ended or vanished: make a new one */
    AVJ_AW_CURSOR,        /* the row that the cursor names is gone */
    AVJ_AW_STRUCTURE,     /* the collection does not take this data */
    AVJ_AW_TOO_LARGE,     /* request or answer */
    AVJ_AW_REJECT,        /* any other refusal that a retry would not change */
    AVJ_AW_NOT_APPWRITE,  /* something answers, but not in this protocol */
};

struct avj_aw_result {
    enum avj_aw_verdict verdict;
    int status;
    char type[64];
    char message[240];
    json_t *json;          /* body, NULL where there is none */
    int64_t date_ms;       /* server's clock, 0: not said */
    int64_t rate_reset_ms; /* epoch, 0: not said */
    int rate_remaining;    /* -1: not said */
};
/* The server's clock when it answered, cut to seconds; 0: not said. */
int64_t avj_aw_date(const struct avj_http_answer *answer);
void avj_aw_decode(const struct avj_http_answer *answer, struct avj_aw_result *out);
void avj_aw_result_release(struct avj_aw_result *result);

/* "1.8.1" in {"version": ...} -> 1008; 0 when it is none. */
int avj_aw_parse_version(const json_t *json);
/* The rows of a list answer; NULL when it is none. */
json_t *avj_aw_rows(const json_t *json);
/* The session secret a login answer carries (malloc'd), NULL: none. */
char *avj_aw_secret(const char *project, const struct avj_http_answer *answer);
/* The attribute a structure refusal is about; false when the message names none.  *unknown: the
 * collection has no such attribute; *wants_array: it holds a native array; *element: the refusal is
 * about one item of an array. */
struct avj_aw_attribute {
    char name[80];
    bool unknown, wants_array, element;
};
bool avj_aw_parse_attribute(const char *message, struct avj_aw_attribute *out);

#endif
