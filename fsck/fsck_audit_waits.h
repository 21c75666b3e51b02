/*
 * Own changes that wait to be acknowledged, and how long those that were have waited.
 *
 * Threading: one thread.  Memory: some 40 bytes for each change that waits, 4 for each that was
 * acknowledged (times of 24 days and more are kept to the second).
 */
#ifndef FSCK_AUDIT_WAITS_H
#define FSCK_AUDIT_WAITS_H

#include "journal/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fsck_waits;

struct fsck_waits *fsck_waits_new(void); /* NULL: out of memory */
void fsck_waits_free(struct fsck_waits *waits);

/* A change with this number to the document `key` (a hash of it).  Errors: AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status fsck_waits_add(struct fsck_waits *waits, uint64_t key, uint64_t seq,
                                           int64_t at_ms);

/* Those of the document up to `upto` wait no longer; where `timed`, how long they did is noted.
 * *settled: how many there were.  Errors: AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status fsck_waits_settle(struct fsck_waits *waits, uint64_t key, uint64_t upto,
                                              int64_t at_ms, bool timed, uint64_t *settled);
/* The oldest of the document, at most so many, wait no longer, without having been acknowledged. */
AVJ_CHECKED enum avj_status fsck_waits_trim(struct fsck_waits *waits, uint64_t key, uint64_t count);

/* Those of the document up to `upto` are parked: they wait for a person.  Or, not any more. */
void fsck_waits_park(struct fsck_waits *waits, uint64_t key, uint64_t upto, bool parked);

uint64_t fsck_waits_depth(const struct fsck_waits *waits);
uint64_t fsck_waits_parked(const struct fsck_waits *waits);

/* From the shortest to the longest, by nearest rank; -1: nothing was timed. */
#define FSCK_WAIT_BINS 20
struct fsck_wait_times {
    uint64_t count;
    int64_t p50_ms, p95_ms, max_ms;
    /* How many took less than 3 ms, 10 ms, ... 30 days, or more: see fsck_wait_bound. */
    uint64_t bins[FSCK_WAIT_BINS];
};
/* Sorts. */
void fsck_waits_times(struct fsck_waits *waits, struct fsck_wait_times *times);
/* The bound below which bin `i` ends, in milliseconds; the last has none: INT64_MAX. */
int64_t fsck_wait_bound(size_t i);

#endif
