/*
 * Streams of the view: answers that grow.  While a message has one, its content is the stream's
 * text, whatever base and pending say; see MERGE.md, "Streams".  The text is in memory once, and
 * appended to: n bytes cost O(n), however many the deltas.
 *
 * Threading: that of the view.  Lifetime: what is found is borrowed until the next entry is folded.
 */
#ifndef AVJ_VIEW_STREAM_H
#define AVJ_VIEW_STREAM_H

#include "replay/entry.h"
#include "replay/events.h"

struct avj_view;

struct avj_growing {
    uint32_t slot; /* of its message */
    bool interrupted;
    bool dropped;  /* compaction took a part of the text: a look at the past */
    uint64_t turn; /* the `begin` whose writer may append: the last one */
    char *session; /* that wrote it; NULL: it says none */
    uint8_t *text;
    size_t len, cap;
};

struct avj_growings {
    struct avj_growing **items; /* by slot */
    size_t count, cap;
};

/* NULL: nothing grows there.  Quick where the slot says so: ask avj_view_grows first. */
struct avj_growing *avj_growing_find(const struct avj_view *view, uint32_t slot);
void avj_growings_release(struct avj_growings *all);

/* What a snapshot brought along.  text: copied.  AVJ_ENOMEM, AVJ_EEXIST. */
AVJ_CHECKED enum avj_status avj_growing_add(struct avj_view *view, const struct avj_growing *from);

/* A `stream` entry. */
AVJ_CHECKED enum avj_status avj_fold_stream(struct avj_view *view, const struct avj_entry *entry,
                                            uint64_t seq, struct avj_error *err);
/* That session is over: what it wrote is interrupted. */
void avj_growings_left(struct avj_view *view, struct avj_slice session);
/* Its message is not visible any more: the text goes with it. */
void avj_growing_gone(struct avj_view *view, uint32_t slot);

/* Puts the text into *fields, which may lie in view->body, where what is made of it lies then. */
AVJ_CHECKED enum avj_status avj_growing_show(struct avj_view *view, uint32_t slot,
                                             struct avj_fields *fields, struct avj_error *err);

#endif
