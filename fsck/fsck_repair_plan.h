/*
 * What a repair is to do to the segments: which stay, which are written anew and from what, and
 * which records are lost for good.
 *
 * The rule: every number from 1 to the last has a segment, every sequence number a record.  A
 * segment stays if it is whole and fits its neighbours.  Any other is written anew with each record
 * that is intact in any file that holds that segment, and it says of its end what its successor
 * says, so that this one fits as it is.
 *
 * Reads only.  Threading: one thread.  Memory: 16 bytes a record of one segment, and of its records
 * what they have where they are to be written.
 */
#ifndef FSCK_REPAIR_PLAN_H
#define FSCK_REPAIR_PLAN_H

#include "fsck/fsck_findings.h"
#include "fsck/fsck_wreck.h"
#include "journal/mend.h"

/* More lost records than that are not the work of a disk. */
#define FSCK_LOST_MAX ((uint64_t)100 * 1000 * 1000)
#define FSCK_SOURCES  8

enum fsck_fate {
    FSCK_STAYS,
    FSCK_ANEW,  /* it is written anew, with its records and what stands in for the lost ones */
    FSCK_EMPTY, /* it is written anew, and there were never records in it */
};

struct fsck_plan_segment {
    uint64_t number;
    enum fsck_fate fate;
    bool there;                   /* a file of that name is */
    uint64_t first_seq, last_seq; /* last_seq is first_seq - 1 where it is empty */
    struct avj_mend_end end;      /* segment_no 0: known when it has been written */
    size_t sources[FSCK_SOURCES]; /* files of the wreck, the best first */
    size_t source_count;
    const struct avj_segment_header *like; /* NULL: nothing is known of it */
    uint64_t intact, lost;                 /* records, where it is written anew */
};

struct fsck_range {
    uint64_t first, last;
};

struct fsck_ranges {
    struct fsck_range *items; /* owned; apart, in order */
    size_t count, cap;
    uint64_t total;
};

struct fsck_plan {
    struct fsck_wreck *wreck;             /* borrowed */
    const struct fsck_ranges *no_entries; /* borrowed: records that are to be replaced */
    struct fsck_plan_segment *segments;
    size_t count;
    bool go_on; /* a new segment is to be begun behind them */
    struct fsck_ranges lost;
};

struct fsck_planning {
    struct fsck_wreck *wreck;           /* gathered */
    const struct fsck_capture *capture; /* of the same moment */
    const struct fsck_ranges *no_entries;
};

/* Errors: AVJ_ECORRUPT (nothing is left that a journal could be made of), AVJ_ETOOBIG, AVJ_EIO,
 * AVJ_EACCES, AVJ_ENOMEM.  Release in every case. */
AVJ_CHECKED enum avj_status fsck_plan_make(const struct fsck_planning *with, struct fsck_plan *plan,
                                           struct avj_error *err);
void fsck_plan_release(struct fsck_plan *plan);

/* False: out of memory. Ranges come in order. */
bool fsck_ranges_add(struct fsck_ranges *ranges, uint64_t first, uint64_t last);
bool fsck_ranges_hold(const struct fsck_ranges *ranges, uint64_t seq);
void fsck_ranges_release(struct fsck_ranges *ranges);

/* ---- fsck_repair_pool.c: the records of one segment, from all its sources ---- */

struct fsck_pool_item {
    uint64_t seq;
    size_t at, len; /* in bytes */
};

struct fsck_pool {
    struct fsck_pool_item *items; /* by number, each once */
    size_t count, cap;
    uint8_t *bytes;
    size_t used, room;
    bool keep; /* bytes too */
    uint64_t first_seq, last_seq;
    struct avj_error *err;
};

/* Errors: as fsck_wreck_records.  Release in every case. */
AVJ_CHECKED enum avj_status fsck_pool_fill(struct fsck_pool *pool, const struct fsck_wreck *wreck,
                                           const struct fsck_plan_segment *segment, bool keep,
                                           struct avj_error *err);
/* NULL: the record is lost. */
const struct fsck_pool_item *fsck_pool_find(const struct fsck_pool *pool, uint64_t seq);
void fsck_pool_release(struct fsck_pool *pool);

#endif
