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

struct fsck_checking {            /* what a check works on; all borrowed */
    struct fsck_capture *capture; /* a segment that is sealed meanwhile is captured anew */
    struct fsck_findings *findings;
    struct fsck_pipe *pipe; /* takes the records; the caller ends it */
    struct fsck_summary *summary;
    int64_t deadline_ms; /* on io->monotonic_ms; 0: none */
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
