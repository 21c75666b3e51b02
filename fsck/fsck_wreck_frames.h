/*
 * Frames that do not stand by themselves any more and whose records can still be had: whose end is
 * damaged and not their content, or that have one wrong bit.
 *
 * Threading: one thread.  What was found is remembered, and so is what could not be: a search is
 * made once.
 */
#ifndef FSCK_WRECK_FRAMES_H
#define FSCK_WRECK_FRAMES_H

#include "fsck/fsck_wreck.h"

struct fsck_frames;

struct fsck_frames *fsck_frames_new(void);         /* NULL: out of memory */
void fsck_frames_free(struct fsck_frames *frames); /* NULL is allowed */

/* Looks at bytes offset to end of the file, which hold no good frame, and gives what can be had
 * to events->frame and events->record.  Errors: theirs, AVJ_EIO, AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status fsck_frames_give(const struct fsck_wreck *wreck,
                                             const struct fsck_wreck_file *file, uint64_t offset,
                                             uint64_t end, const struct avj_scan_events *events,
                                             struct avj_error *err);

#endif
