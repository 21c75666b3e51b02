/*
 * The view: the fold of entries, in order, into the current documents.  Pure: what it shows depends
 * on the entries alone, on no clock, file or environment; the same entries give the same view and
 * the same digest on every machine, whenever replayed.  The rules are MERGE.md's.
 *
 * It keeps an index; fields it reads back, by sequence number, from where its entries are.
 *
 * Threading: one thread a view.  Lifetime: what it hands out is borrowed until the next apply.
 */
#ifndef AVJ_VIEW_H
#define AVJ_VIEW_H

#include "replay/store.h"

struct avj_view;

/* Where entries are read again. */
struct avj_source {
    void *arg;
    /* The record of that sequence number, as it was applied; *record is borrowed until the next
     * call.  Any error ends what the view is doing. */
    enum avj_status (*fetch)(void *arg, uint64_t seq, struct avj_slice *record,
                             struct avj_error *err);
};

/* source: copied; NULL: the view keeps every record in memory.  NULL: out of memory. */
AVJ_API struct avj_view *avj_view_new(const struct avj_source *source);
AVJ_API void avj_view_free(struct avj_view *view);

/*
 * Folds one record in.  Sequence numbers must rise from one call to the next.  Errors: AVJ_EFORMAT
 * (not an entry, or an entry that lacks what its type needs; the view is unchanged and the next
 * record may follow), AVJ_ENOMEM and those of the source (the view is unusable).
 */
AVJ_API AVJ_CHECKED enum avj_status avj_view_apply(struct avj_view *view, uint64_t seq,
                                                   const void *data, size_t len,
                                                   struct avj_error *err);

/*
 * Digest of the shared state: the wrapping sum, over all visible documents, of XXH3-128(kind, 0,
 * id, 0, base + pending fields), as two big-endian 64-bit halves.  Fields kept back from the server
 * (AVJ_E_ACK "k") do not count, so that replicas with empty outboxes are equal.
 */
AVJ_API void avj_view_digest(const struct avj_view *view, uint8_t out[16]);

struct avj_view_counts {
    uint64_t entries;                      /* applied */
    uint64_t by_type[AVJ_ENTRY_TYPES + 1]; /* the last: unknown types */
    uint64_t visible[AVJ_ENTITIES];
    uint64_t pending;           /* mutations not settled */
    uint64_t parked, conflicts; /* documents; conflicts that nobody has settled */
    uint64_t unmatched_acks; /* acks and rejects of documents or sequence numbers that have nothing
                                pending */
};
AVJ_API void avj_view_counts(const struct avj_view *view, struct avj_view_counts *counts);

#endif
