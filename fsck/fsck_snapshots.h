/*
 * Snapshots: files that are made from the log, so that the program need not replay it.  The checker
 * replays it, and proves that each says what the log says.
 *
 * A journal may be in use: snapshots are listed and opened before the log is looked at, so that the
 * log has all that they were made from.  Only the newest few are looked at; the program keeps two.
 *
 * Threading: fsck_snapshots_meet and _next belong to the thread that folds until it is done;
 * another may call fsck_snapshots_verify meanwhile.
 */
#ifndef FSCK_SNAPSHOTS_H
#define FSCK_SNAPSHOTS_H

#include "fsck/fsck_capture.h"
#include "fsck/fsck_findings.h"
#include "replay/snapshot_file.h"
#include "replay/view.h"

#define FSCK_SNAPSHOTS_MAX 8

enum fsck_snapshot_state {
    FSCK_SNAPSHOT_GOOD,
    FSCK_SNAPSHOT_BAD_BYTES,
    FSCK_SNAPSHOT_NOT_OURS, /* of another version or machine */
    FSCK_SNAPSHOT_UNREAD,   /* it could not be opened */
};

struct fsck_snapshot {
    char name[24]; /* in the folder */
    uint64_t seq;  /* that its name says */
    int file;      /* -1: not open */
    enum fsck_snapshot_state state;
    const char *why;                   /* what is wrong with its bytes */
    struct avj_snapshot_header header; /* FSCK_SNAPSHOT_GOOD: holds */
    bool met;                          /* its last record is in the log, */
    bool same_record;                  /* which is the one that it says */
    bool compacted;                    /* which compaction made a stub of since */
    bool unsure;                       /* the digest there is another, which compaction explains
                                          where the end is the same */
    char difference[160];              /* of the view, "": none was found */
};

struct fsck_snapshots {
    const struct avj_io *io;
    const char *path;                               /* of the journal, borrowed */
    struct fsck_snapshot items[FSCK_SNAPSHOTS_MAX]; /* by seq */
    size_t count;
    size_t next; /* first one whose last record was not met yet */
    struct fsck_names leftovers;
    bool nobody_writes; /* while they are listed: then what has a temporary name is one */
};

/* Lists the folder and reads the headers.  A folder that is not there is one without files. */
void fsck_snapshots_open(struct fsck_snapshots *snapshots, const struct avj_io *io,
                         const char *path);
void fsck_snapshots_close(struct fsck_snapshots *snapshots);

/* Sequence number of the next record that has to be met, UINT64_MAX: none. */
static inline uint64_t fsck_snapshots_next(const struct fsck_snapshots *snapshots)
{
    return snapshots->next < snapshots->count ? snapshots->items[snapshots->next].header.seq
                                              : UINT64_MAX;
}
/* The log has this record, at or behind fsck_snapshots_next(); view: with it folded in, NULL: there
 * is none.  What compaction dropped may have shown then: where the view is another one, only
 * loading the snapshot tells (fsck_snapshots_load). */
void fsck_snapshots_meet(struct fsck_snapshots *snapshots, uint64_t seq, const void *data,
                         size_t len, const struct avj_view *view);

/* Reads the files and compares their hashes, with two threads where `threads`.  Errors: AVJ_ENOMEM.
 */
AVJ_CHECKED enum avj_status fsck_snapshots_verify(struct fsck_snapshots *snapshots, bool threads);

/* The same for the next one, whose last record was passed over (data NULL: it could not be read
 * again).  What folding it gave can not be compared any more: the snapshot has to be loaded. */
void fsck_snapshots_meet_late(struct fsck_snapshots *snapshots, struct avj_slice record);

bool fsck_snapshots_any_unsure(const struct fsck_snapshots *snapshots);

/*
 * Each good snapshot (`all`; else each of which meeting its record left doubts) is loaded, what the
 * log has behind it is folded in, and the result compared with `view`, which was replayed from
 * nothing up to record `upto`: digest, counts, and all that shows of every document.  deadline_ms:
 * on io->monotonic_ms, 0: none.  Errors: AVJ_ENOMEM, AVJ_ETIMEOUT.
 */
AVJ_CHECKED enum avj_status fsck_snapshots_load(struct fsck_snapshots *snapshots,
                                                struct avj_view *view, uint64_t upto,
                                                const struct avj_source *source, bool all,
                                                int64_t deadline_ms);

/* checked_to: last record of the log; complete: it was read to its end. */
void fsck_snapshots_report(const struct fsck_snapshots *snapshots,
                           const struct fsck_capture *capture, uint64_t checked_to, bool complete,
                           struct fsck_findings *findings);

#endif
