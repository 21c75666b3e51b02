/*
 * What happened to documents: events, kept as fsck_audit.h says.
 * Threading: one thread.
 */
#ifndef FSCK_AUDIT_DOCS_H
#define FSCK_AUDIT_DOCS_H

#include "fsck/fsck_audit_sums.h"

struct fsck_docs_told;

/* sums: whose sessions and gaps are used; borrowed.  NULL: out of memory. */
struct fsck_docs_told *fsck_docs_told_new(const struct fsck_audit_with *with,
                                          const struct fsck_sums *sums);
void fsck_docs_told_free(struct fsck_docs_told *docs);

/* An entry that fsck_sums_add has seen, read whole.  Errors: AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status fsck_docs_told_add(struct fsck_docs_told *docs, uint64_t seq,
                                               const struct fsck_told *told);
/* Gives those that are left; how many documents were given in all. */
uint64_t fsck_docs_told_end(struct fsck_docs_told *docs);

#endif
