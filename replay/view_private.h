/*
 * The inside of struct avj_view, for the files of this folder that read it (store.c, outbox.c,
 * sync.c).  Only view.c and listing.c change it.
 */
#ifndef AVJ_VIEW_PRIVATE_H
#define AVJ_VIEW_PRIVATE_H

#include "replay/document.h"
#include "replay/merge.h"
#include "replay/table.h"
#include "replay/view.h"

/* The messages (and summaries) of a thread by (createdAt, id), whether the thread itself is known
 * or not. */
struct avj_thread_index {
    char *id;
    struct avj_document **messages;
    size_t count, cap;
    struct avj_document **summaries;
    size_t summary_count, summary_cap;
};

struct avj_learned {
    enum avj_entity entity;
    char *field, *what;
};

struct avj_view {
    struct avj_table documents;              /* struct avj_document by entity and id */
    struct avj_table rows;                   /* struct avj_known_row by entity and $id */
    struct avj_table threads;                /* struct avj_thread_index by id */
    struct avj_document **all[AVJ_ENTITIES]; /* in the order of first mention; visible or not */
    size_t all_count[AVJ_ENTITIES], all_cap[AVJ_ENTITIES];
    struct avj_document *outbox_first, *outbox_last;

    uint64_t digest[2];
    struct avj_view_counts counts;
    uint64_t last_seq, last_hlc;

    char *user;                       /* NULL: guest */
    char *upstream[3 + AVJ_ENTITIES]; /* endpoint, project, database, collections */
    bool gap_open;
    char *swept;
    int64_t last_ack_ms;
    struct avj_learned *learned;
    size_t learned_count;
};

struct avj_document *avj_view_find(const struct avj_view *view, enum avj_entity entity,
                                   const char *id, size_t len);
struct avj_known_row *avj_view_find_row(const struct avj_view *view, enum avj_entity entity,
                                        const char *remote_id, size_t len);
struct avj_thread_index *avj_view_find_thread(const struct avj_view *view, const char *id,
                                              size_t len);
const char *avj_view_learned(const struct avj_view *view, enum avj_entity entity, const char *field,
                             size_t len);
/* For avj_merge_plan: arg is the view. */
bool avj_view_unsendable(void *view, enum avj_entity entity, const char *name, size_t len);

/* listing.c: keeps the orders right when a document changed. AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status avj_listing_update(struct avj_view *view,
                                               struct avj_document *document);
void avj_outbox_place(struct avj_view *view, struct avj_document *document);
void avj_thread_index_free(struct avj_thread_index *index);

#endif
