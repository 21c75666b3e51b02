/* The inside of a repair, shared by fsck_repair.c and fsck_repair_steps.c. */
#ifndef FSCK_REPAIR_PRIVATE_H
#define FSCK_REPAIR_PRIVATE_H

#include "fsck/fsck_repair.h"
#include "fsck/fsck_repair_entry.h"

#define FSCK_MOVES_MAX 512

struct fsck_repair_run {
    const char *path;
    const struct avj_io *io;
    struct avj_io held; /* the same for one who has the locks already */
    const struct fsck_repair_options *options;
    const struct fsck_repair_sink *sink;
    struct avj_error *err;
    struct avj_mend_lock locks;
    int64_t now_ms;

    /* What the check found: */
    char *moves[FSCK_MOVES_MAX]; /* files that are to be moved aside */
    size_t move_count;
    struct fsck_ids threads, messages; /* affected by what is lost */
    struct fsck_ranges no_entries;
    bool lock_missing, witness_wrong, session_open, blind;
    bool threads_missing; /* of messages that are there */
    struct fsck_summary before;

    struct fsck_capture capture;
    struct fsck_wreck wreck;
    struct fsck_plan plan;
    int64_t after_ms, before_ms; /* when what is lost was written; 0: not known */
    char aside[48];              /* "aside/1"; "": nothing was put there yet */
    bool did;
};

/* Moves that file of the journal aside; a copy of the name is kept.  Errors: AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status fsck_repair_will_move(struct fsck_repair_run *run, const char *name);

/* Does, or with dry_run tells, everything that is planned.  Errors: AVJ_EIO and others: what was
 * done stays done, and a repair that is begun anew goes on. */
AVJ_CHECKED enum avj_status fsck_repair_steps(struct fsck_repair_run *run);

/* Makes threads whose messages are intact and whose making is lost, where no server has them.  The
 * caller has let the locks go. */
AVJ_CHECKED enum avj_status fsck_repair_threads(struct fsck_repair_run *run);

/* Something was done. */
void fsck_repair_tell(struct fsck_repair_run *run, const struct fsck_step *step);

#endif
