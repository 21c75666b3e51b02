/*
 * Repair: puts a damaged journal right without taking anything away.
 *
 * Every lock of the journal is taken; it is checked; what is to be done is planned from the files
 * themselves (fsck_repair_plan.h).  Then, in this order: leftovers and snapshots of records that
 * are not there any more are moved to aside/NUMBER, originals are copied there, a new segment with
 * a `repair` entry is begun behind the last one, the damaged segments are written anew one by one,
 * each whole under a temporary name before it takes the old one's, and the witness is written.  A
 * crash between two steps leaves a journal that the next repair goes on with.  Last it is checked
 * again.
 *
 * Threading: one thread a run, which calls the sink.  What a sink's function is given is borrowed
 * during the call.
 */
#ifndef FSCK_REPAIR_H
#define FSCK_REPAIR_H

#include "fsck/fsck.h"

enum fsck_step_kind {
    FSCK_STEP_MOVE,    /* a file was moved aside */
    FSCK_STEP_SEGMENT, /* a segment was written anew */
    FSCK_STEP_BEGIN,   /* a new last segment was begun */
    FSCK_STEP_LOST,    /* records first_seq to last_seq are lost */
    FSCK_STEP_REPLACE, /* a record that is no entry was replaced */
    FSCK_STEP_WITNESS, /* the note of what is durable was written */
    FSCK_STEP_LOCK,    /* the lock file was made */
    FSCK_STEP_THREAD,  /* a thread was made anew, of which only messages are left */
    FSCK_STEP_MODE,    /* session.json was closed to others */
    FSCK_STEPS,
};

const char *fsck_step_name(enum fsck_step_kind kind); /* "segment"; static storage */

struct fsck_step {
    enum fsck_step_kind kind;
    uint64_t segment;             /* 0: none */
    uint64_t first_seq, last_seq; /* 0: none */
    uint64_t records, lost;       /* intact ones that are in it again; those that are not */
    int64_t after_ms, before_ms;  /* lost ones were written between these; 0: not known */
    char kept[300];               /* where the original is, relative to the journal; "" */
    char detail[320];             /* one line for people */
};

struct fsck_repair_options {
    bool dry_run;             /* tell what would be done */
    unsigned lock_timeout_ms; /* 0: two seconds */
};

struct fsck_repair_sink {
    struct fsck_sink check; /* of what is found after the repair; dry_run: before it */
    void *arg;
    void (*step)(void *arg, const struct fsck_step *step); /* as each is done; may be NULL */
    /* Documents that were about in the lost records, as far as other entries tell; may be NULL. */
    void (*affected)(void *arg, const struct fsck_ids *threads, const struct fsck_ids *messages);
};

/*
 * Returns exit bits: those of the check that follows, and FSCK_REPAIRED where something was done.
 * FSCK_FAILED with *err: it could not be done (to its end), e.g. because another process has a
 * lock.  options and repair may be NULL.
 */
int fsck_repair(const char *path, const struct fsck_options *options,
                const struct fsck_repair_options *repair, const struct fsck_repair_sink *sink,
                struct avj_error *err);

#endif
