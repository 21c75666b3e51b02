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
#include "fsck/fsck_snapshots.h"
#include "fsck/fsck_source.h"
#include "replay/view_private.h"

struct fsck_fold;

struct fsck_fold_with {
    const struct fsck_capture *capture; /* as fsck_source_new */
    struct fsck_snapshots *snapshots;   /* meet their records; borrowed until free */
    struct fsck_audit *audit;           /* NULL: no audit; borrowed until free */
    bool deep; /* decode entries in full where a glance is enough to fold them */
};

/* NULL: out of memory. */
struct fsck_fold *fsck_fold_new(const struct fsck_fold_with *with);
void fsck_fold_free(struct fsck_fold *fold);

/* As fsck_source_recent. */
void fsck_fold_recent(struct fsck_fold *fold,
                      bool (*find)(void *arg, uint64_t seq, struct avj_slice *record), void *arg);

/* A record, and where it stands. */
struct fsck_record {
    uint64_t segment, offset; /* of its frame */
    uint64_t seq;
    const void *data;
    size_t len;
    const struct avj_prepared *prepared;
};
/* All is borrowed during the call.  Errors: AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status fsck_fold_record(struct fsck_fold *fold,
                                             const struct fsck_record *record);
/* What this one will need, some records later, is fetched into the cache. */
void fsck_fold_ahead(const struct fsck_fold *fold, const struct avj_prepared *prepared);

/* Records first..last are lost (last 0: to the end); the view stays as it was before the first of
 * such gaps.  Only ids and times are added to `finding` (borrowed, NULL: none).  Errors:
 * AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status fsck_fold_gap(struct fsck_fold *fold, uint64_t first, uint64_t last,
                                          struct fsck_finding *finding);

/* ---- what an earlier check has folded ---- */

/* The view can be handed on: the log has no gap so far, and all entries were good. */
bool fsck_fold_is_whole(const struct fsck_fold *fold);
uint64_t fsck_fold_last(const struct fsck_fold *fold); /* sequence number, 0: none */
void fsck_fold_digest(const struct fsck_fold *fold, uint8_t digest[16]);
/* Entries of unknown types, and the names of some; borrowed. */
const char *fsck_fold_unknown(const struct fsck_fold *fold, uint64_t *count);
/* The view, as a snapshot, into an open and empty file; durable on return.  Errors: as
 * avj_snapshot_put. */
AVJ_CHECKED enum avj_status fsck_fold_save(struct fsck_fold *fold, const struct avj_io *io,
                                           int file, struct avj_error *err);

struct fsck_fold_start {
    const struct avj_io *io;
    int file;        /* what fsck_fold_save wrote; borrowed during the call */
    size_t segments; /* of the capture, that are folded in */
    uint64_t seq;
    const uint8_t *digest;
    uint64_t unknown;
    struct avj_slice unknown_names;
};
/* A fold that has folded nothing goes on behind that.  AVJ_ENOTFOUND: it is damaged, or not of this
 * log; the fold is as it was.  AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status fsck_fold_load(struct fsck_fold *fold,
                                           const struct fsck_fold_start *start);

/* fsck_snapshots_load with the view as it is. */
AVJ_CHECKED enum avj_status fsck_fold_load_snapshots(struct fsck_fold *fold, bool all,
                                                     int64_t deadline_ms);

/* Adds the findings to the list, those that only the whole log shows too, and the view to the
 * summary. */
void fsck_fold_finish(struct fsck_fold *fold, struct fsck_findings *findings,
                      struct fsck_summary *summary);

#endif
