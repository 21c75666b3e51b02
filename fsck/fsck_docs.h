/*
 * What the checker remembers of each document from the first gap in the log on, where the view can
 * not go further: enough to tell which documents a gap touched, and which messages have no thread.
 *
 * Documents are kept as 64-bit hashes of kind and id: 24 bytes each.  Threading: one thread.
 */
#ifndef FSCK_DOCS_H
#define FSCK_DOCS_H

#include "fsck/fsck_findings.h"

#include "replay/entry.h"
#include "replay/view.h"

struct fsck_docs;

/* Begins with the documents that the view knows.  NULL: out of memory. */
struct fsck_docs *fsck_docs_new(struct avj_view *view);
void fsck_docs_free(struct fsck_docs *docs);

/*
 * Takes in one entry.  What it tells of documents that records in one of the lost ranges must have
 * been about is added to that range's finding. Errors: AVJ_ENOMEM.
 */
AVJ_CHECKED enum avj_status fsck_docs_entry(struct fsck_docs *docs, const struct avj_entry *entry);

/* Records first..last are lost; what is learned about them goes into `finding` (borrowed, may be
 * NULL). */
void fsck_docs_gap(struct fsck_docs *docs, uint64_t first, uint64_t last,
                   struct fsck_finding *finding);

/* Visible messages whose thread is not. */
uint64_t fsck_docs_messages_without_thread(const struct fsck_docs *docs);
/* The same of a view, which needs no struct fsck_docs. */
uint64_t fsck_view_messages_without_thread(struct avj_view *view);

#endif
