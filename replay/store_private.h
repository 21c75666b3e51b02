/* The inside of struct avj_store, for store.c, operations.c, outbox.c and sync.c. */
#ifndef AVJ_STORE_PRIVATE_H
#define AVJ_STORE_PRIVATE_H

#include "replay/events.h"
#include "replay/sync.h"
#include "replay/view_private.h"

/* Everything borrowed during the call, which must not touch the store. */
struct avj_watcher {
    void (*changed)(void *arg, const struct avj_change *change);
    void *arg;
    struct avj_watcher *next;
};

struct avj_store {
    struct avj_watcher *watchers; /* told of every entry that is folded in after open */
    struct avj_journal *journal;
    struct avj_cursor *cursor; /* stands behind the last record folded */
    struct avj_view *view;
    struct avj_store_options options;
    struct avj_upstream upstream; /* points into the view */
    char session[17];
    uint64_t hlc;

    struct avj_doc *docs; /* what the last listing handed out */
    size_t docs_cap;
    struct avj_push_op *ops; /* what the last look at the outbox handed out, and the fields of it */
    struct avj_blob *op_fields;
    size_t ops_count, ops_cap;
    uint64_t outbox_round;
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

void avj_doc_fill(const struct avj_view *view, const struct avj_document *document,
                  struct avj_doc *doc);

#endif
