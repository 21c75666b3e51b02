/*
 * A second thread to compress with: it takes one piece of work at a time while its owner does
 * another.
 *
 * Threading: start and wait belong to one thread, in turn.  The thread sleeps where there is
 * nothing to do, blocks all signals, and ends with free.
 */
#ifndef AVJ_SECOND_H
#define AVJ_SECOND_H

#include <stddef.h>
#include <stdint.h>

struct avj_second_thread;

/* Compresses at that zstd level, with content checksum.  NULL: out of memory, or no thread to be
 * had. */
struct avj_second_thread *avj_second_thread_new(int level);
/* NULL is allowed. */
void avj_second_thread_free(struct avj_second_thread *second);

/* Begins to compress data (borrowed until wait returns) to `out`. */
void avj_second_thread_start(struct avj_second_thread *second, const uint8_t *data, size_t len,
                             uint8_t *out, size_t room);
/* Waits for it; what ZSTD_compress2 returned. */
size_t avj_second_thread_wait(struct avj_second_thread *second);

#endif
