/*
 * The audit's numbers: sums over all entries, in one pass.
 * Threading: one thread.  Memory: see fsck_audit.h.
 */
#ifndef FSCK_AUDIT_SUMS_H
#define FSCK_AUDIT_SUMS_H

#include "fsck/fsck_audit.h"
#include "fsck/fsck_audit_read.h"

struct fsck_sums;

struct fsck_sums *fsck_sums_new(int64_t since_ms); /* NULL: out of memory */
void fsck_sums_free(struct fsck_sums *sums);

/* One entry, in the order of the log.  Errors: AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status fsck_sums_add(struct fsck_sums *sums, uint64_t seq,
                                          const struct fsck_audit_at *at,
                                          const struct fsck_told *told);

/* The kept copy of the entry's session, valid until free; NULL: out of memory. */
const char *fsck_sums_session(const struct fsck_sums *sums);

/* Gaps so far. */
const struct fsck_audit_gap *fsck_sums_gaps(const struct fsck_sums *sums, size_t *count);

/* Valid until free. */
struct fsck_audit_summary *fsck_sums_end(struct fsck_sums *sums);

/* Room for one more item in *(void **)items; false: out of memory. */
bool fsck_room(void *items, size_t count, size_t *cap, size_t size);
/* NUL-terminated copies; NULL: no text, or out of memory. */
char *fsck_copy(struct avj_slice text, size_t max);

#endif
