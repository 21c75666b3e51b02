/* What the parts of the embedded upstream share; private to serve_*.c. */
#ifndef AVJ_SERVE_STATE_H
#define AVJ_SERVE_STATE_H

#include "net/serve_core.h"
#include "net/serve_perms.h"
#include "net/serve_table.h"

#include <jansson.h>

#define AVJ_SERVE_ID_TEXT   37
#define AVJ_SESSION_LIFE_MS ((int64_t)31536000 * 1000)

struct avj_server_user {
    char *id, *email, *name,
        *prefs;   /* prefs: a JSON object's text; email is empty for an anonymous one */
    char *hash;   /* crypt(3) of the password, empty: none */
    char *target; /* id of the e-mail target */
    int64_t created_ms, updated_ms, password_ms;
};

struct avj_server_session {
    char *id, *user, *provider, *ip;
    char *hash;   /* crypt(3) of the secret */
    char *secret; /* the secret, once it was verified in this run; NULL before */
    int64_t created_ms, expire_ms;
};

struct avj_server_jwt {
    char *token, *user;
    int64_t expire_ms;
};

struct avj_rate_window {
    char *key;
    int64_t end_s;
    unsigned count;
};

enum avj_stage { AVJ_STAGE_CREATE, AVJ_STAGE_UPDATE, AVJ_STAGE_UPSERT, AVJ_STAGE_DELETE };

struct avj_staged {
    enum avj_stage action;
    struct avj_server_table *table;
    char *id;          /* as named by the operation */
    json_t *data;      /* NULL for a delete */
    uint64_t mutation; /* the server's last write when it was staged */
};

struct avj_transaction {
    char id[AVJ_SERVE_ID_TEXT];
    char *owner;
    const char *status;
    int64_t created_ms, updated_ms, expires_ms;
    uint64_t number;   /* order of creation */
    size_t operations; /* that were staged, also once they are done */
    size_t bytes;      /* of the requests that staged them */
    struct avj_staged *staged;
    size_t count, cap;
};

struct avj_serve {
    struct avj_serve_config config;
    struct avj_serve_sink sink;
    struct avj_serve_schema schema;
    struct avj_map tables;   /* "database/collection" */
    struct avj_map users;    /* by id */
    struct avj_map emails;   /* users by e-mail, lower case */
    struct avj_map sessions; /* by id */
    struct avj_map jwts, windows, transactions;
    int64_t now_ms; /* never runs backwards */
    uint64_t mutations, transactions_made;
};

/* How the two spellings of the rows API name things. */
struct avj_spelling {
    const char *row, *Row, *rows, *table, *Table, *row_id, *table_id, *table_key, *base;
};
extern const struct avj_spelling avj_spelling_databases, avj_spelling_tablesdb;

#define AVJ_SEGMENTS_MAX 8

struct avj_call {
    struct avj_serve *serve;
    const struct avj_serve_request *request;
    struct avj_serve_response *response;
    const struct avj_spelling *spelling;
    const char *user;                   /* NULL: a guest */
    struct avj_server_session *session; /* NULL: a guest, or a JWT */
    char path[1024];
    const char *segments[AVJ_SEGMENTS_MAX]; /* behind "v1" */
    size_t segment_count;
    json_t *body; /* an object; empty when the request has none */
    bool done;    /* an answer was written */
};

/* serve_answer.c */
void avj_answer_error(struct avj_call *call, int status, const char *type, const char *format, ...)
    AVJ_PRINTF(4, 5);
/* "document_" or "row_" before `what`; `{Row}` and `{row}` in text are replaced by the spelling's
 * words. */
void avj_answer_row_error(struct avj_call *call, int status, const char *what, const char *text);
void avj_answer_unauthorized(struct avj_call *call);
void avj_answer_not_found(struct avj_call *call);
void avj_answer_server_error(struct avj_call *call);
void avj_answer_storage_error(struct avj_call *call, enum avj_status status);
/* Begins an answer whose JSON body the caller writes. */
struct avj_text *avj_answer(struct avj_call *call, int status);
void avj_answer_empty(struct avj_call *call, int status);

/* serve_params.c */
const char *avj_arg(const struct avj_call *call, const char *name);
/* The text under a key of the body; NULL when it is absent or no text. */
const char *avj_body_text(const struct avj_call *call, const char *name);
bool avj_valid_id(const char *id);
void avj_answer_bad_id(struct avj_call *call, const char *param);
/* A fresh 20-digit id of the form that Appwrite makes; false: no randomness. */
bool avj_unique_id(struct avj_serve *serve, char out[AVJ_SERVE_ID_TEXT]);
bool avj_random_hex(struct avj_serve *serve, char *out, size_t digits);

/* serve_limit.c: false: a 429 was answered */
bool avj_limit_take(struct avj_call *call, const char *route, const char *who, unsigned limit,
                    unsigned window_s);
void avj_limit_free(struct avj_serve *serve);

/* serve_journal.c */
enum avj_status avj_state_write(struct avj_serve *serve, const char *kind, const char *id,
                                const struct avj_pack *value /* NULL: removed */);

/* A text of an entry's value, "" where there is none; the caller frees.  NULL: out of memory. */
char *avj_unpack_text(struct avj_value value, const char *key);

struct avj_change {
    struct avj_server_table *table;
    char *id;
    struct avj_server_row *row; /* NULL: removed */
};

struct avj_write_batch { /* zero-initialise */
    struct avj_change *changes;
    size_t count, cap;
};

/* The row as it will be after the batch; NULL: none. */
const struct avj_server_row *avj_write_batch_get(const struct avj_write_batch *batch,
                                                 const struct avj_server_table *table,
                                                 const char *id);
/* Takes the row over, also on failure.  False: out of memory. */
bool avj_write_batch_put(struct avj_write_batch *batch, struct avj_server_table *table,
                         struct avj_server_row *row);
bool avj_write_batch_remove(struct avj_write_batch *batch, struct avj_server_table *table,
                            const char *id);
/* Journals everything as one frame and applies it. */
enum avj_status avj_write_batch_commit(struct avj_serve *serve, struct avj_write_batch *batch);
void avj_write_batch_release(struct avj_write_batch *batch);

/* serve_session.c */
void avj_session_identify(struct avj_serve *serve, const struct avj_serve_request *request,
                          struct avj_server_session **session, const char **user, bool *bad_jwt);
bool avj_session_set_secret(struct avj_serve *serve, struct avj_server_session *session);
void avj_session_free(struct avj_server_session *session);
void avj_jwt_free(struct avj_server_jwt *jwt);
const char *avj_jwt_make(struct avj_serve *serve, const char *user);
bool avj_session_put(struct avj_serve *serve, struct avj_server_session *session);
enum avj_status avj_session_store(struct avj_serve *serve,
                                  const struct avj_server_session *session);
struct avj_server_session *avj_session_unpack(const char *id, struct avj_value value);

/* serve_user.c */
/* crypt(3) of a text; the caller frees.  NULL: out of memory, or no such setting. */
char *avj_crypt(const char *text, const char *setting);
bool avj_password_hash(struct avj_serve *serve, const char *password, char **out);
/* user NULL: takes as long and fails. */
bool avj_password_check(const struct avj_server_user *user, const char *password);
void avj_user_free(struct avj_server_user *user);
bool avj_user_put(struct avj_serve *serve, struct avj_server_user *user);
enum avj_status avj_user_store(struct avj_serve *serve, const struct avj_server_user *user);
struct avj_server_user *avj_user_unpack(const char *id, struct avj_value value);
void avj_user_json(const struct avj_server_user *user, struct avj_text *out);

/* serve_structure.c: whether data fits the attributes; base gives values for what data leaves out
 * (NULL: nothing does) */
bool avj_structure_check(const struct avj_collection_schema *schema, const json_t *data,
                         const struct avj_server_row *base, int64_t now_ms, char *message,
                         size_t size);

/* serve_render.c */
enum avj_row_shape {
    AVJ_SHAPE_ONE,
    AVJ_SHAPE_LIST,
    AVJ_SHAPE_COMMIT /* of a transaction's events */
};
/* selected: a flag an attribute, NULL: all. */
void avj_row_json(struct avj_text *out, const struct avj_spelling *spelling,
                  const struct avj_server_table *table, const struct avj_server_row *row,
                  enum avj_row_shape shape, const bool *selected);
/* As the answer to a create or (upsert) a PUT: first what `data` names, in its order. */
void avj_row_json_written(struct avj_text *out, const struct avj_spelling *spelling,
                          const struct avj_server_table *table, const struct avj_server_row *row,
                          const json_t *data, bool upsert);
void avj_cell_json(struct avj_text *out, const struct avj_cell *cell);

/* serve_event.c: `tables_only`: the names of a commit through tablesdb.  payload: JSON text. */
bool avj_event_add(struct avj_call *call, const struct avj_server_table *table, const char *id,
                   const char *perms, size_t perms_len, const char *action, bool tables_only,
                   const struct avj_text *payload);
void avj_event_release(struct avj_serve_event *event);

/* serve_write.c: what single writes and commits share */
struct avj_server_table *avj_server_table_find(struct avj_serve *serve, const char *database,
                                               const char *collection);
/* Answers 404 and gives NULL where there is no such collection. */
struct avj_server_table *avj_call_table(struct avj_call *call, const char *database,
                                        const char *collection);
bool avj_may(const struct avj_call *call, const struct avj_server_table *table,
             const struct avj_server_row *row, const char *action);
bool avj_may_create(const struct avj_call *call, const struct avj_server_table *table);
/* What a write came to; the message of AVJ_W_STRUCTURE is in `message`. */
enum avj_write_result {
    AVJ_W_OK,
    AVJ_W_EXISTS,
    AVJ_W_MISSING,
    AVJ_W_UNAUTHORIZED,
    AVJ_W_STRUCTURE,
    AVJ_W_NOMEM
};
struct avj_write {
    struct avj_server_table *table;
    const char *id;
    const json_t *data; /* attributes; names that begin with '$' are passed over */
    const char *perms;  /* blob; NULL: those of the row, or none */
    size_t perms_len;
    char message[600];
};
enum avj_write_result avj_write_create(struct avj_call *call, struct avj_write_batch *batch,
                                       struct avj_write *write);
enum avj_write_result avj_write_update(struct avj_call *call, struct avj_write_batch *batch,
                                       struct avj_write *write);
enum avj_write_result avj_write_upsert(struct avj_call *call, struct avj_write_batch *batch,
                                       struct avj_write *write);
enum avj_write_result avj_write_delete(struct avj_call *call, struct avj_write_batch *batch,
                                       struct avj_write *write);
void avj_answer_write_result(struct avj_call *call, enum avj_write_result result,
                             const struct avj_write *write);
/* Reads permissions of a body or of staged data; false: an error was answered.  *given: there were
 * some. */
bool avj_call_perms(struct avj_call *call, const json_t *list, struct avj_text *out, bool *given);

/* serve_tx.c, serve_stage.c, serve_commit.c */
/* The caller's transaction; NULL: 404 was answered. */
struct avj_transaction *avj_tx_find(struct avj_call *call, const char *id);
/* Whether operations may be added; else an error was answered. */
bool avj_tx_open_for(struct avj_call *call, const struct avj_transaction *tx, size_t more);
/* Adds an operation; copies the id, takes a reference to data. */
bool avj_tx_stage(struct avj_call *call, struct avj_transaction *tx,
                  const struct avj_staged *staged);
/* The row as the transaction sees it: 1 there (*out: new reference, NULL on out of memory), 0 not
 * there. */
bool avj_tx_row(const struct avj_call *call, const struct avj_transaction *tx,
                const struct avj_server_table *table, const char *id, json_t **out);
/* Stages one write of a row route. */
void avj_stage_single(struct avj_call *call, const struct avj_write *write, enum avj_stage action,
                      int status, const char *transaction);
void avj_tx_json(const struct avj_transaction *tx, struct avj_text *out);
/* Frees what was staged. */
void avj_tx_clear(struct avj_transaction *tx);
void avj_tx_commit(struct avj_call *call, struct avj_transaction *tx);
void avj_tx_free(struct avj_transaction *tx);
void avj_tx_expire(struct avj_serve *serve);

/* Route handlers. */
void avj_route_health(struct avj_call *call);
void avj_route_version(struct avj_call *call);
void avj_route_ping(struct avj_call *call);
void avj_route_account_create(struct avj_call *call);
void avj_route_account_get(struct avj_call *call);
void avj_route_prefs_get(struct avj_call *call);
void avj_route_prefs_patch(struct avj_call *call);
void avj_route_jwt(struct avj_call *call);
void avj_route_session_email(struct avj_call *call);
void avj_route_session_anonymous(struct avj_call *call);
void avj_route_session_get(struct avj_call *call);
void avj_route_session_delete(struct avj_call *call);
void avj_route_sessions_list(struct avj_call *call);
void avj_route_sessions_delete(struct avj_call *call);
void avj_route_row_create(struct avj_call *call);
void avj_route_row_get(struct avj_call *call);
void avj_route_row_patch(struct avj_call *call);
void avj_route_row_put(struct avj_call *call);
void avj_route_row_delete(struct avj_call *call);
void avj_route_row_list(struct avj_call *call);
void avj_route_bulk_refused(struct avj_call *call);
void avj_route_tx_create(struct avj_call *call);
void avj_route_tx_list(struct avj_call *call);
void avj_route_tx_get(struct avj_call *call);
void avj_route_tx_patch(struct avj_call *call);
void avj_route_tx_delete(struct avj_call *call);
void avj_route_tx_operations(struct avj_call *call);

#endif
