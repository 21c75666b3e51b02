/*
 * The phases frames and chain: every segment of the capture is read frame by frame, held against
 * its header, its neighbours and the witness, and its records are handed to the fold.  One pass
 * over the bytes does all of it.
 *
 * Threading: one thread.  Memory: the scan's two frame buffers, a few hundred bytes a
 * segment, and the pipe.
 */
#ifndef FSCK_CHECK_H
#define FSCK_CHECK_H

#include "fsck/fsck_capture.h"
#include "fsck/fsck_pipe.h"

/* How far a check has come: the end of a segment. */
struct fsck_mark {
    size_t segments;   /* of the capture, that are done */
    uint64_t expected; /* sequence number that comes next */
    bool witness_met;
};

struct fsck_checking {            /* what a check works on; all borrowed */
    struct fsck_capture *capture; /* a segment that is sealed meanwhile is captured anew */
    struct fsck_findings *findings;
    struct fsck_pipe *pipe; /* takes the records; the caller ends it */
    struct fsck_summary *summary;
    int64_t deadline_ms; /* on io->monotonic_ms; 0: none */
    /* NULL, or where to begin (all zero: at the beginning); when the deadline passes the check goes
     * on to the end of a segment, never the last one, and tells where that is.  All zero then: what
     * was found does not let a check go on there. */
    struct fsck_mark *mark;
    void (*progress)(void *arg, uint64_t done_bytes, uint64_t total_bytes);
    void *progress_arg;
};

/*
 * Adds findings, and the counts to the summary.  Errors: AVJ_ENOMEM, AVJ_EVERSION; AVJ_ETIMEOUT
 * (the deadline passed; what was seen so far counts), AVJ_EACCES and AVJ_EIO (a segment could not
 * be read; the others were checked).
 */
AVJ_CHECKED enum avj_status fsck_check(const struct fsck_checking *checking, struct avj_error *err);

#endif
