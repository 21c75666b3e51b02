/*
 * Reading the whole log for needles, by several threads where there is a processor for each: what
 * takes a search its time.  Every thread takes a stretch of the log after the other, decompresses
 * it, and looks into the bytes of records as they are; only those that hold all needles are
 * understood, and count where they hold what is visible of a document now.
 *
 * Threading: the view and the needles are only read while it runs; what is called back is called in
 * the thread that called.
 */
#ifndef AVJ_SEARCH_SCAN_H
#define AVJ_SEARCH_SCAN_H

#include "replay/needle.h"
#include "replay/search.h"
#include "replay/view_private.h"

struct avj_found {
    const struct avj_view *view; /* for qsort(), which passes nothing along */
    int64_t ms;
    uint32_t number; /* of its slot */
};

/* Newest first once sorted.  With a limit, no more than some times that many are kept, and the
 * newest in any case.  Zero-initialise. */
struct avj_founds {
    struct avj_found *items;
    size_t count, cap;
    size_t limit; /* 0: none */
};

AVJ_CHECKED bool avj_founds_add(struct avj_founds *founds, struct avj_found found);
/* In order, at most `limit`. */
void avj_founds_sort(struct avj_founds *founds);
void avj_founds_release(struct avj_founds *founds);

struct avj_needles { /* the cheapest first */
    struct avj_needle *items;
    size_t count;
};
bool avj_needles_in(const struct avj_needles *needles, const void *data, size_t len);

struct avj_scan {
    struct avj_journal *journal;
    const struct avj_view *view;
    const struct avj_needles *needles;
    const struct avj_search_options *options;
    unsigned threads; /* at most; 0: one */

    struct avj_founds found;  /* messages */
    struct avj_founds unsure; /* documents that are to be read in full, to see */
    bool stopped;
};

/* Fills found and unsure; they are the caller's to release, on errors too.  Errors: those of
 * reading the log, AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status avj_scan_run(struct avj_scan *scan, struct avj_error *err);

/* True where the slot is the whole of what is visible of the document, but for its body. */
bool avj_scan_simple(const struct avj_view *view, const struct avj_slot *slot);

/* Titles and contents are what is searched. */
struct avj_slice avj_searched_text(enum avj_entity entity, struct avj_fields fields);

#endif
