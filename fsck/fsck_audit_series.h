/*
 * Curves over time that stay small however long the log is: when one is full, neighbours become one
 * point.
 *
 * Threading: one thread.  Memory: fixed.
 */
#ifndef FSCK_AUDIT_SERIES_H
#define FSCK_AUDIT_SERIES_H

#include <stddef.h>
#include <stdint.h>

#define FSCK_POINTS_MAX 256

/* A point stands for a stretch of samples. */
struct fsck_point {
    int64_t at_ms;  /* of its last sample, or of that with the greatest value */
    uint64_t value; /* the greatest, or the last */
    uint64_t second;
};

enum fsck_keep {
    FSCK_KEEP_PEAKS, /* of a curve that goes up and down */
    FSCK_KEEP_LAST,  /* of one that only grows */
};

struct fsck_series { /* all zero: empty */
    enum fsck_keep keep;
    struct fsck_point points[FSCK_POINTS_MAX];
    size_t count;
    uint64_t step, turn; /* samples in a point, and in the last one so far */
};

void fsck_series_add(struct fsck_series *series, int64_t at_ms, uint64_t value, uint64_t second);

/* How much of what happened in each of equal stretches of time. */
#define FSCK_STRETCHES 256

enum fsck_doing { FSCK_CHANGED, FSCK_SYNCED, FSCK_HEARD, FSCK_FAILED_TRY, FSCK_DOINGS };

struct fsck_activity { /* all zero: empty */
    int64_t from_ms, width_ms;
    uint32_t counts[FSCK_STRETCHES][FSCK_DOINGS];
};

void fsck_activity_add(struct fsck_activity *activity, int64_t at_ms, enum fsck_doing what);

#endif
