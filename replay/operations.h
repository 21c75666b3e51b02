/*
 * What the operations of the data model (operations_*.c) share.  They stand on the public API of
 * store.h alone: what is visible, and avj_store_mutate.
 *
 * Threading: that of the store.
 */
#ifndef AVJ_OPERATIONS_H
#define AVJ_OPERATIONS_H

#include "replay/clock.h"
#include "replay/store.h"

/* ---- one document, read ---- */

/* Its parts are borrowed from the store (see there) and from the tree. */
struct avj_subject {
    struct avj_doc doc;
    struct avj_tree *tree;
    struct avj_value fields;
};

/* Refreshes the store and reads a document.  Errors: AVJ_ENOTFOUND (the message names it), and
 * those of avj_store_refresh and avj_store_get.  Release with avj_subject_release, after errors
 * too. */
AVJ_CHECKED enum avj_status avj_subject_load(struct avj_store *store, enum avj_entity entity,
                                             const char *id, struct avj_subject *subject,
                                             struct avj_error *err);
void avj_subject_release(struct avj_subject *subject);

/* The time of a change that is made now: the present, or the document's updatedAt where that is
 * later (a faster clock wrote it). */
void avj_subject_touch(struct avj_store *store, const struct avj_subject *subject,
                       char out[AVJ_TIME_TEXT]);

/* Updates the document with `pairs` pairs, packed one after the other without a map around them,
 * and updatedAt, durable.  Consumes pairs and subject. */
AVJ_CHECKED enum avj_status avj_subject_update(struct avj_store *store, struct avj_subject *subject,
                                               size_t count, struct avj_pack *pairs,
                                               struct avj_error *err);

/* Refreshes the store and looks for a message, which must be in the thread; its createdAt into *ms.
 * AVJ_ENOTFOUND names what is missing. */
AVJ_CHECKED enum avj_status avj_message_in(struct avj_store *store, const char *thread,
                                           const char *message, int64_t *ms, struct avj_error *err);

/* Copies a text value into out; "" where it is none or does not fit. */
void avj_text_copy(struct avj_value map, const char *key, char *out, size_t size);

/* ---- several mutations that are to be one frame ---- */

struct avj_edits_item;

struct avj_edits {         /* all zero: empty */
    struct avj_pack bytes; /* ids and fields, copied */
    struct avj_edits_item *items;
    size_t count, cap;
    bool failed; /* out of memory */
};

/* Copies id and fields (NULL: none). */
void avj_edits_add(struct avj_edits *edits, enum avj_op op, enum avj_entity entity, const char *id,
                   const struct avj_pack *fields);
void avj_edits_reverse(struct avj_edits *edits); /* the last shall be first */
void avj_edits_release(struct avj_edits *edits);
/* Appends what is in it, durable.  Errors: those of avj_store_mutate. */
AVJ_CHECKED enum avj_status avj_edits_append(struct avj_store *store, const struct avj_edits *edits,
                                             struct avj_error *err);

/* The same with other entries, and other durability: see avj_store_mutate_with. */
struct avj_mutating;
AVJ_CHECKED enum avj_status avj_edits_append_with(struct avj_store *store,
                                                  const struct avj_edits *edits,
                                                  const struct avj_mutating *how,
                                                  struct avj_error *err);

/* A message that is to be made. */
struct avj_new_message {
    const char *thread, *role;
    struct avj_slice text;
    struct avj_fields more; /* see avj_message_send_with */
    const char *id;
};
/* Adds it, and what it raises of its thread, which is looked up.  The errors of
 * avj_message_send_with. */
AVJ_CHECKED enum avj_status avj_edits_new_message(struct avj_store *store,
                                                  const struct avj_new_message *message,
                                                  struct avj_edits *edits, struct avj_error *err);

/* ---- parts of several operations ---- */

AVJ_CHECKED enum avj_status avj_new_id(struct avj_store *store, char out[AVJ_ID_TEXT],
                                       struct avj_error *err);
void avj_now_text(struct avj_store *store, char out[AVJ_TIME_TEXT]);
void avj_put_text(struct avj_pack *pack, const char *name, const char *text); /* NULL: nil */
void avj_put_bool(struct avj_pack *pack, const char *name, bool value);

/* Adds the deletion of threads with their messages and summaries.  threads: their ids, one after
 * the other, each with its NUL. */
AVJ_CHECKED enum avj_status avj_edits_delete_threads(struct avj_store *store,
                                                     const struct avj_pack *threads,
                                                     struct avj_edits *edits,
                                                     struct avj_error *err);

/* How often an operation on many documents is begun anew when other processes deleted some of them
 * while it was being put together. */
#define AVJ_OPERATION_TRIES 5

#endif
