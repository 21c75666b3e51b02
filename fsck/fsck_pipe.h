/*
 * Records on their way from the phases that read the log to those that look into them: one core
 * reads, verifies and decompresses while another folds.  A short log is folded where it is read.
 *
 * Threading: one thread calls; the fold is the pipe's until fsck_pipe_end, and belongs to a thread
 * of the pipe's own where one was started.  Memory: batches of 256 KiB, four that wait and 16 that
 * were folded last: entries often change what was written not long ago, which is found there.
 */
#ifndef FSCK_PIPE_H
#define FSCK_PIPE_H

#include "fsck/fsck_fold.h"

struct fsck_pipe;

/* NULL: out of memory. */
struct fsck_pipe *fsck_pipe_new(struct fsck_fold *fold);
void fsck_pipe_free(struct fsck_pipe *pipe); /* after fsck_pipe_end; NULL is allowed */

/* As fsck_fold_record (the bytes are copied) and fsck_fold_gap.  Errors: AVJ_ENOMEM, also of what
 * was given before. */
AVJ_CHECKED enum avj_status fsck_pipe_record(struct fsck_pipe *pipe, uint64_t segment,
                                             uint64_t offset, uint64_t seq, const void *data,
                                             size_t len);
void fsck_pipe_gap(struct fsck_pipe *pipe, uint64_t first, uint64_t last,
                   struct fsck_finding *finding);

/* Waits until all of it is folded.  Errors: AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status fsck_pipe_end(struct fsck_pipe *pipe);

#endif
