/*
 * The `repair` entries of a repair, as MERGE.md describes them.
 * Threading: pure functions.
 */
#ifndef FSCK_REPAIR_ENTRY_H
#define FSCK_REPAIR_ENTRY_H

#include "fsck/fsck_repair_plan.h"
#include "replay/entry.h"

struct fsck_repair_report {
    int64_t now_ms;
    const struct fsck_ranges *lost, *replaced;
    const struct fsck_ids *threads, *messages; /* known to be affected */
    int64_t after_ms, before_ms;               /* 0: not known */
    const char *kept;                          /* folder */
    uint64_t segments;                         /* written anew */
};

/* What stands in for each of the lost records first..last. */
void fsck_entry_lost(struct avj_pack *pack, int64_t now_ms, uint64_t first, uint64_t last);
/* What stands in for a record that is no entry; its bytes are in it where they are few. */
void fsck_entry_replaced(struct avj_pack *pack, int64_t now_ms, const void *data, size_t len);
/* What was done, at the end of the log. */
void fsck_entry_report(struct avj_pack *pack, const struct fsck_repair_report *report);

#endif
