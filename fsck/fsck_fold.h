/*
 * The phases that look into records: decode, fold, and what the audit takes from them.  Records
 * come in the order of the log; gaps are told.
 *
 * Threading: one thread at a time; its findings are its own until fsck_fold_finish.  Memory: the
 * view's index, that of its source, behind a gap 24 bytes a document, and what the audit keeps.
 */
#ifndef FSCK_FOLD_H
#define FSCK_FOLD_H

#include "fsck/fsck.h"
#include "fsck/fsck_audit.h"
#include "fsck/fsck_source.h"

struct fsck_fold;

/* capture: as fsck_source_new; audit (NULL: no audit): borrowed until free.  NULL: out of memory.
 */
struct fsck_fold *fsck_fold_new(const struct fsck_capture *capture, struct fsck_audit *audit);
void fsck_fold_free(struct fsck_fold *fold);

/* The record with number seq, of the frame at `offset` of `segment`.  Errors: AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status fsck_fold_record(struct fsck_fold *fold, uint64_t segment,
                                             uint64_t offset, uint64_t seq, const void *data,
                                             size_t len);

/* Records first..last are lost (last 0: to the end); the view stays as it was before the first of
 * such gaps.  Only ids are added to `finding` (borrowed, NULL: none).  Errors: AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status fsck_fold_gap(struct fsck_fold *fold, uint64_t first, uint64_t last,
                                          struct fsck_finding *finding);

/* Adds the findings to the list, those that only the whole log shows too, and the view to the
 * summary. */
void fsck_fold_finish(struct fsck_fold *fold, struct fsck_findings *findings,
                      struct fsck_summary *summary);

#endif
