/*
 * What the sync engine needs of a store: the outbox, and the entries that only the engine writes.
 *
 * Threading and lifetimes as store.h.  All appends here are durable unless said otherwise.
 */
#ifndef AVJ_SYNC_H
#define AVJ_SYNC_H

#include "replay/store.h"

AVJ_BEGIN_C

/* Longest id Appwrite takes. */
#define AVJ_REMOTE_ID_TEXT 37

enum avj_push_kind {
    AVJ_PUSH_CREATE,
    AVJ_PUSH_UPDATE,
    AVJ_PUSH_DELETE,
    AVJ_PUSH_ELIDE /* made and deleted before it ever left: acknowledge with status 0 */
};

/* One document's pending mutations, coalesced. */
struct avj_push_op {
    enum avj_push_kind kind;
    enum avj_entity entity;
    const char *id;
    char remote_id[AVJ_REMOTE_ID_TEXT]; /* of the row; for a create the one derived from user and
                                           local id, the same at every try */
    uint64_t upto_seq;        /* covers this document's mutations up to and with this one */
    struct avj_fields fields; /* create: all visible ones; update: the changed ones, nil where
                                 cleared; local names */
    const char *base_version; /* $updatedAt of the known row, NULL for a create */
    bool attempted;           /* an earlier `push` entry covers it: it may be upstream already */
    bool duplicate_row; /* delete of a second row with the same local id (another client's retry) */
};

/*
 * The next operations in dependency order (a thread before its messages, messages before their
 * thread's delete; per document in order), at most `max`. Parked documents, and what depends on a
 * parked create, are left out.  skip(arg, op) (may be NULL) leaves out what is in flight. *ops:
 * array owned by the store, borrowed until the next non-const call.
 */
AVJ_API AVJ_CHECKED enum avj_status
avj_outbox_next(struct avj_store *store, size_t max,
                bool (*skip)(void *arg, const struct avj_push_op *op), void *arg,
                const struct avj_push_op **ops, size_t *count, struct avj_error *err);

/* Documents with something to be sent, those that are parked apart. */
AVJ_API uint64_t avj_outbox_count(const struct avj_store *store);

/* Journals that an attempt begins; `via` is "transaction" or "single". */
AVJ_API AVJ_CHECKED enum avj_status avj_sync_push(struct avj_store *store,
                                                  const struct avj_push_op *ops, size_t count,
                                                  const char *attempt, const char *via,
                                                  struct avj_error *err);

/* An answer that did not do what a request of an attempt asked for. */
struct avj_push_answer {
    const char *attempt, *via;     /* as in avj_sync_push */
    const struct avj_push_op *ops; /* the documents it was about; count 0: all of the attempt */
    size_t count;
    int status;          /* HTTP status, 0: no answer came */
    const char *step;    /* "read", "begin", "stage", "commit", "write" */
    const char *message; /* may be NULL */
    unsigned in_a_row;   /* answers of that status to this attempt, with this one */
    int64_t wait_ms;     /* the server asked to wait so long; 0: it did not */
    int64_t took_ms;     /* -1: not known */
};
/* Journals it, without waiting for the disk: what is lost of it in a power cut is only history. */
AVJ_API AVJ_CHECKED enum avj_status avj_sync_answer(struct avj_store *store,
                                                    const struct avj_push_answer *answer,
                                                    struct avj_error *err);

/* A server row in local terms. */
struct avj_row {
    enum avj_entity entity;
    const char *id;        /* local id */
    const char *remote_id; /* $id */
    const char *version;   /* $updatedAt */
    const char *created;   /* $createdAt, may be NULL */
    bool deleted;
    struct avj_fields fields; /* local names, need not be canonical; ignored when deleted */
};

struct avj_outcome {
    const struct avj_push_op *op;
    bool acknowledged;       /* else rejected for good */
    int status;              /* HTTP status; 0 with AVJ_PUSH_ELIDE */
    struct avj_row row;      /* acknowledged, not a delete: the row as the server holds it now */
    const char *const *kept; /* names of local fields that the deployment has no attribute for and
                                that were not sent */
    size_t kept_count;
    const char *error_type, *error_message; /* rejected */
};

/* Journals outcomes in one frame. */
AVJ_API AVJ_CHECKED enum avj_status avj_sync_settle(struct avj_store *store,
                                                    const struct avj_outcome *outcomes,
                                                    size_t count, struct avj_error *err);

/*
 * Journals server states from realtime, pull or push (`by`).  States that say nothing new (same
 * row, same or older version) are not written, except that a newer version with the same content
 * is.  Conflicts with pending edits are journaled in the same frame. *applied (may be NULL): how
 * many were written.
 */
AVJ_API AVJ_CHECKED enum avj_status avj_sync_remote(struct avj_store *store,
                                                    const struct avj_row *rows, size_t count,
                                                    const char *by, enum avj_durability durability,
                                                    size_t *applied, struct avj_error *err);

AVJ_API AVJ_CHECKED enum avj_status avj_sync_gap(struct avj_store *store, bool open,
                                                 const char *why, const char *swept_until,
                                                 struct avj_error *err);

/* A login (user id), claiming a guest's work; a logout (NULL). */
AVJ_API AVJ_CHECKED enum avj_status avj_sync_login(struct avj_store *store, const char *user,
                                                   const char *email, struct avj_error *err);

/* What the deployment's collection turned out to lack, or to hold as a native array; kept for later
 * sessions. */
AVJ_API AVJ_CHECKED enum avj_status
avj_sync_learn(struct avj_store *store, enum avj_entity entity, const char *field,
               const char *what /* "missing", "array", "text" */, struct avj_error *err);
/* NULL: nothing learned about it. */
AVJ_API const char *avj_sync_learned(const struct avj_store *store, enum avj_entity entity,
                                     const char *field);

/* How far the server's clock is from the one that stamps mutations here: merges compare the two.
 * Measurements that differ by less than AVJ_CLOCK_STEP_MS from what the log has are not journaled:
 * Date headers have seconds.  AVJ_EINVAL: beyond AVJ_CLOCK_OFFSET_MAX_MS. */
#define AVJ_CLOCK_STEP_MS 2000
AVJ_API AVJ_CHECKED enum avj_status avj_sync_clock(struct avj_store *store, int64_t offset_ms,
                                                   struct avj_error *err);

/* Lets a parked document try again, or gives its pending mutations up.  AVJ_ENOTFOUND. */
AVJ_API AVJ_CHECKED enum avj_status avj_sync_retry(struct avj_store *store, enum avj_entity entity,
                                                   const char *id, struct avj_error *err);
AVJ_API AVJ_CHECKED enum avj_status avj_sync_drop(struct avj_store *store, enum avj_entity entity,
                                                  const char *id, struct avj_error *err);

/* Every row that is known to be upstream (not deleted), for the sweep that looks for absent ones.
 * Stops when each returns false. */
AVJ_API void avj_sync_known_rows(struct avj_store *store, enum avj_entity entity,
                                 bool (*each)(void *arg, const char *id, const char *remote_id,
                                              const char *version),
                                 void *arg);
/* The local id a row belongs to, by its $id; NULL: unknown. */
AVJ_API const char *avj_sync_local_id(struct avj_store *store, enum avj_entity entity,
                                      const char *remote_id);

/* Generic append of ready-made entries (the embedded upstream's `server` entries), folded in. */
AVJ_API AVJ_CHECKED enum avj_status avj_store_append(struct avj_store *store,
                                                     const struct avj_slice *entries, size_t count,
                                                     enum avj_durability durability,
                                                     uint64_t *first_seq, struct avj_error *err);

AVJ_END_C

#endif
