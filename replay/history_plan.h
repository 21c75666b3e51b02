/*
 * Which entries may lose their bodies.  Found by folding the whole log once more, and looking at
 * each document before and after each of its entries.
 *
 * The rule that makes it safe: no step of a fold may need a body that is gone, whichever of the
 * segments are compacted already.  While mutations of a document are pending (a *span*: from the
 * first one to the entry after which none is), most entries look at no field: an acknowledgement of
 * all of them, a deletion, what came late.  A span in which some entry does look is *delicate*. Its
 * mutations become stubs only where it lies in one segment, so that all of them change at once and
 * say themselves what became of them; rows that were there during a delicate span stay, but for
 * those in the same segment as a span that becomes stubs.
 *
 * Threading: one thread.
 */
#ifndef AVJ_HISTORY_PLAN_H
#define AVJ_HISTORY_PLAN_H

#include "replay/history.h"

struct avj_history_item {
    uint64_t seq;
    uint64_t settled_at; /* local: "z"; else 0 */
    uint32_t document;   /* slot of the view it was found with; 0: a stream's */
    uint32_t bytes;      /* of the body */
};

struct avj_history_plan {
    struct avj_history_item *items; /* by seq */
    size_t count, cap;
    struct avj_keep keep;
    /* Of the segments: first sequence number, whether it is sealed, bytes of its file. */
    struct avj_history_segment {
        uint64_t first_seq, bytes;
        bool sealed;
    } * segments;
    size_t segment_count;
};

/* *plan: zeroed; release in every case.  Errors: as avj_store_compact. */
AVJ_CHECKED enum avj_status avj_history_plan_make(struct avj_store *store,
                                                  const struct avj_compacting *how,
                                                  struct avj_history_plan *plan,
                                                  struct avj_error *err);
void avj_history_plan_release(struct avj_history_plan *plan);

/* history_log.c: what is to be found out without a view.  Fills in segments, what is to be kept,
 * and the chunks of streams that are over; *last_seq: of the log. */
AVJ_CHECKED enum avj_status avj_history_read_log(struct avj_store *store,
                                                 struct avj_history_plan *plan, uint64_t *last_seq,
                                                 struct avj_error *err);

/* An array that grows by doubling: `items`, or where they are with room for one more behind
 * `count`. NULL: out of memory, they stay. */
void *avj_history_grow(void *items, size_t count, size_t item_len);

/* NULL: the entry stays. */
const struct avj_history_item *avj_history_plan_find(const struct avj_history_plan *plan,
                                                     uint64_t seq);
/* Adds an item (not in order).  Nothing happens where the entry's segment is not sealed, or it has
 * no body: it is none of this plan.  AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status avj_history_plan_add(struct avj_history_plan *plan,
                                                 const struct avj_history_item *item);
/* The first item at or behind `seq`; plan->count: none. */
size_t avj_history_plan_from(const struct avj_history_plan *plan, uint64_t seq);
/* Index of the segment that holds it. */
size_t avj_history_segment_of(const struct avj_history_plan *plan, uint64_t seq);

#endif
