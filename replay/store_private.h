/* The inside of struct avj_store, for store.c, operations.c, outbox.c and sync.c. */
#ifndef AVJ_STORE_PRIVATE_H
#define AVJ_STORE_PRIVATE_H

#include "journal/fetch.h"
#include "replay/arena.h"
#include "replay/events.h"
#include "replay/sync.h"
#include "replay/view_private.h"

/* Everything borrowed during the call, which must not touch the store. */
struct avj_watcher {
    void (*changed)(void *arg, const struct avj_change *change);
    void *arg;
    struct avj_watcher *next;
};

/* What one reading function handed out last. */
struct avj_answer {
    struct avj_arena memory;
    struct avj_doc *docs;
    size_t cap;
};

struct avj_store {
    struct avj_watcher *watchers; /* told of every entry that is folded in after open */
    struct avj_journal *journal;
    struct avj_cursor *cursor;   /* stands behind the last record folded */
    struct avj_fetcher *fetcher; /* NULL: nothing was fetched yet */
    struct avj_view *view;
    struct avj_store_options options;
    struct avj_upstream upstream; /* points into the view */
    char session[17];
    int session_file;        /* its lock, see sessions.h; -1: nothing was written yet */
    long session_pid;        /* of the process that took it */
    bool session_open;       /* its open entry is in the log */
    uint64_t session_frames; /* that it wrote */
    uint64_t hlc;
    bool frozen; /* opened at a moment of the past */
    bool ready;  /* open is done: watchers are told */

    uint64_t snapshot_seq;     /* of the one that open used; 0: none */
    uint64_t snapshot_tail;    /* last record when a snapshot was last written or used */
    int64_t snapshot_ended_ms; /* when this process last had one written, monotonic; 0: never */
    uint64_t folded;           /* by open */
    struct avj_snapshotter *snapshotter; /* snapshot_background.c; NULL: none runs */

    struct avj_answer got, listed, paged, parked, walked;
    struct avj_arena stream_memory; /* of what avj_store_streams handed out */
    struct avj_arena conflict_memory, found_memory;
    struct avj_push_op *ops; /* what the last look at the outbox handed out */
    struct avj_arena op_memory;
    size_t ops_count, ops_cap;
    char local_id[AVJ_UUID_TEXT]; /* what avj_sync_local_id gave */
    uint32_t *handed;             /* threads in it that are not upstream yet */
    size_t handed_count, handed_cap;
};

/* Several entries to be appended as one frame.  Zero-initialise. */
struct avj_batch {
    struct avj_pack bytes;
    size_t *ends; /* end offset of each entry */
    size_t count, cap;
};

void avj_batch_release(struct avj_batch *batch);
/* Marks the bytes packed since the last call as one entry.  AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status avj_batch_end(struct avj_batch *batch);
/* Appends the batch (as few frames as its size allows; one in practice) and folds it in.  *last_seq
 * may be NULL.  An empty batch is AVJ_OK. */
AVJ_CHECKED enum avj_status avj_batch_append(struct avj_store *store, struct avj_batch *batch,
                                             enum avj_durability durability, uint64_t *last_seq,
                                             struct avj_error *err);

/* What was planned against the view as it stood: it stands as long as nobody else has written about
 * what it concerns. */
struct avj_condition {
    /* Does the change touch it?  Only called for changes of documents. */
    bool (*concerns)(void *arg, const struct avj_change *change);
    void *arg;
};

/* As avj_batch_append, on a condition (NULL: none) that is looked at when nobody else can append
 * any more.  AVJ_ECHANGED: it does not hold, and what could not be written was not; the view has
 * what the others wrote: plan anew; err is left alone. */
AVJ_CHECKED enum avj_status avj_batch_append_if(struct avj_store *store, struct avj_batch *batch,
                                                enum avj_durability durability,
                                                const struct avj_condition *condition,
                                                struct avj_error *err);

/* Appends records and folds them in, without reading them back where nobody else appended. */
AVJ_CHECKED enum avj_status avj_store_write(struct avj_store *store,
                                            const struct avj_slice *records, size_t count,
                                            enum avj_durability durability, uint64_t *first_seq,
                                            struct avj_error *err);

/* One mutation, durable, that settles a conflict. */
AVJ_CHECKED enum avj_status avj_store_mutate_for(struct avj_store *store,
                                                 const struct avj_mutation *mutation,
                                                 uint64_t conflict, struct avj_error *err);

/* Mutations that are to be one frame with other entries: more() packs these behind them; NULL:
 * none.  Content of messages that grow may be written where `growing`. */
struct avj_mutating {
    enum avj_status (*more)(void *arg, struct avj_batch *batch);
    void *arg;
    bool growing;
    enum avj_durability durability;
};
AVJ_CHECKED enum avj_status avj_store_mutate_with(struct avj_store *store,
                                                  const struct avj_mutation *mutations,
                                                  size_t count, const struct avj_mutating *how,
                                                  struct avj_error *err);

/* ---- streams ---- */

/* Is the stream interrupted: by its own word, or because its process is gone? */
bool avj_growing_stopped(const struct avj_store *store, const struct avj_growing *growing);
/* A `stream` entry about it into the batch. */
AVJ_CHECKED enum avj_status avj_stream_pack(struct avj_store *store, enum avj_stream_op op,
                                            const char *message, uint64_t turn,
                                            struct avj_slice delta, struct avj_batch *batch);

/* Is there a visible document of that id? */
bool avj_store_visible(const struct avj_store *store, enum avj_entity entity, const char *id);

/* Fills *doc; its texts and fields are copied into memory. */
AVJ_CHECKED enum avj_status avj_doc_fill(struct avj_store *store, uint32_t number,
                                         struct avj_arena *memory, struct avj_doc *doc,
                                         struct avj_error *err);

/* store_replay.c: folds what the cursor gives, until it gives no more or the moment of the past is
 * reached.  *changed may be NULL. */
AVJ_CHECKED enum avj_status avj_store_fold_tail(struct avj_store *store, bool *changed,
                                                uint64_t total, struct avj_error *err);

#endif
