/*
 * A second thread to compress with: it takes parts of one payload while its owner takes others.
 *
 * Threading: start and wait belong to one thread, in turn.  The thread sleeps where there is
 * nothing to do, blocks all signals, and ends with free.
 */
#ifndef AVJ_SECOND_H
#define AVJ_SECOND_H

#include "journal/parts.h"

struct avj_second_thread;

/* NULL: out of memory, or no thread to be had. */
struct avj_second_thread *avj_second_thread_new(void);
/* NULL is allowed. */
void avj_second_thread_free(struct avj_second_thread *second);

/* Begins to compress parts with that context (borrowed like the work, until wait returns). */
void avj_second_thread_start(struct avj_second_thread *second, struct avj_parts_work *work,
                             struct ZSTD_CCtx_s *zstd);
/* Waits until it found no part left. */
void avj_second_thread_wait(struct avj_second_thread *second);

#endif
