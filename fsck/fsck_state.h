/*
 * How far a check with a time limit came, in a file of its own, so that the next check goes on
 * there: the segments that are done, what was counted and found in them, and beside the file
 * (FILE.view) what replaying them gave, as a snapshot is written.
 *
 * A state is of one journal as it was: where one of the segments that are done is another file now
 * (sealed or compacted meanwhile, say), where it was written by another version or is damaged, the
 * check begins anew.  Only checks that found no damage so far leave one: what comes after damage
 * depends on more than is kept.
 *
 * Threading: that of the run.
 */
#ifndef FSCK_STATE_H
#define FSCK_STATE_H

#include "fsck/fsck_check.h"

struct fsck_state {
    const struct avj_io *io;
    const char *file; /* borrowed */
    const struct fsck_capture *capture;
    bool deep; /* a deep check does not go on from one that was not */
    struct fsck_mark *mark;
    struct fsck_summary *summary;
    struct fsck_findings *findings; /* of the segments; those of files are made anew */
    struct fsck_fold *fold;         /* nothing folded yet, or all up to the mark */
};

/*
 * Takes up what an earlier check left; all stays as it is where that can not be done.  *why: one
 * line for the user, "" where there is no file.  AVJ_OK, AVJ_ENOTFOUND (begin anew), AVJ_ENOMEM.
 */
AVJ_CHECKED enum avj_status fsck_state_load(struct fsck_state *state, char why[256]);

/* Leaves the state at state->mark.  Durable on return.  Errors: AVJ_EIO, AVJ_ENOSPC, AVJ_EACCES,
 * AVJ_ENOMEM; what was there before is gone or stays. */
AVJ_CHECKED enum avj_status fsck_state_save(const struct fsck_state *state, struct avj_error *err);

/* The check came to its end. */
void fsck_state_remove(const struct avj_io *io, const char *file);

#endif
