/*
 * The phases that look into records: decode, fold, and what the audit takes from them.  Records
 * come in the order of the log; gaps are told.
 *
 * Threading: one thread.  Memory: the view, 24 bytes a document, and what the audit keeps.
 */
#ifndef FSCK_FOLD_H
#define FSCK_FOLD_H

#include "fsck/fsck.h"
#include "fsck/fsck_audit.h"

struct fsck_fold;

/* findings and audit (NULL: no audit) are borrowed until free.  NULL: out of memory. */
struct fsck_fold *fsck_fold_new(struct fsck_findings *findings, struct fsck_audit *audit);
void fsck_fold_free(struct fsck_fold *fold);

/* The record with number seq, of the frame at `offset` of `segment`.  Errors: AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status fsck_fold_record(struct fsck_fold *fold, uint64_t segment,
                                             uint64_t offset, uint64_t seq, const void *data,
                                             size_t len);

/* Records first..last are lost (last 0: to the end); the view stays as it was before the first of
 * such gaps. */
void fsck_fold_gap(struct fsck_fold *fold, uint64_t first, uint64_t last,
                   struct fsck_finding *finding);

/* Adds the findings that only the whole log shows, and the view to the summary. */
void fsck_fold_finish(struct fsck_fold *fold, struct fsck_summary *summary);

#endif
