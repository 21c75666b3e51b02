/*
 * Records of the log once more, by their sequence number, for the view that is being replayed: it
 * keeps an index and no bodies.  Only the part of the log that is whole is read: the segments in
 * front of the first one that is missing, has a bad header, or belongs elsewhere.
 *
 * Threading: one thread, which may be another than the one that made it.  Memory: that of a
 * fetcher; where an intact record can not be had by way of its segment's index or neighbours, which
 * are damaged, the records of one segment more.
 */
#ifndef FSCK_SOURCE_H
#define FSCK_SOURCE_H

#include "fsck/fsck_capture.h"
#include "replay/view.h"

struct fsck_source;

/* capture: looked at here and not later; its path and io are borrowed until free.  NULL: out of
 * memory. */
struct fsck_source *fsck_source_new(const struct fsck_capture *capture);
void fsck_source_free(struct fsck_source *source);

/* The log has record seq in that segment.  In the order of the log.  Errors: AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status fsck_source_note(struct fsck_source *source, uint64_t segment,
                                             uint64_t seq);

/* Where to look first; NULL: nowhere.  *record stays until the next record is given to the fold. */
void fsck_source_recent(struct fsck_source *source,
                        bool (*find)(void *arg, uint64_t seq, struct avj_slice *record), void *arg);

/* For avj_view_new: arg is the source.  Errors: as avj_fetcher_get. */
AVJ_CHECKED enum avj_status fsck_source_fetch(void *source, uint64_t seq, struct avj_slice *record,
                                              struct avj_error *err);

#endif
