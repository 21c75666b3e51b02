/*
 * Compaction with history.  What was done and acknowledged stays in the journal for ever: who,
 * what, when, as which version.  The *bodies* that no document needs any more - an edit that was
 * acknowledged, a row that a newer one replaced - may go when they are old enough: their entries
 * become stubs (MERGE.md).  A journal with stubs shows the same documents and has the same digest.
 *
 * How long bodies are kept is kept in the journal itself, and is for ever where nobody says
 * otherwise.
 *
 * Threading: as store.h.
 */
#ifndef AVJ_HISTORY_H
#define AVJ_HISTORY_H

#include "replay/store.h"

AVJ_BEGIN_C

struct avj_keep { /* all zero: everything */
    bool limited; /* to what follows, whichever keeps less; both zero: only what is needed */
    int64_t days;
    uint64_t bytes; /* of the log's newest segments */
};

/* From now on bodies are kept so long.  Nothing is dropped by it.  Durable on return.  Errors:
 * AVJ_EINVAL (negative), and those of avj_journal_append. */
AVJ_API AVJ_CHECKED enum avj_status
avj_store_keep(struct avj_store *store, const struct avj_keep *keep, struct avj_error *err);

struct avj_compacting { /* all zero: the defaults */
    void *arg;
    bool (*stop)(void *arg); /* true ends the work early, with AVJ_OK; may be NULL */
    /* What is done of the whole, in units of no meaning; may be NULL. */
    void (*progress)(void *arg, uint64_t done, uint64_t total);
};

struct avj_compacted_history {
    struct avj_keep keep;               /* what the journal says */
    uint64_t records;                   /* that became stubs */
    uint64_t bytes;                     /* of their bodies */
    uint64_t from, to;                  /* sequence numbers between which they are; 0: none */
    uint64_t segments;                  /* rewritten */
    uint64_t bytes_before, bytes_after; /* of their files */
    uint64_t damaged;                   /* segments that are left as they are: run avchat-fsck */
};

/*
 * Drops what may go, in sealed segments (avj_journal_maintain seals).  What is to go is recorded
 * first, as a `history` entry.  Twice is once.  Reads the whole log; memory: some 32 bytes a body
 * that goes.  Other processes go on meanwhile.  done may be NULL.  Errors: AVJ_EREADONLY,
 * AVJ_ELOCKED (another process seals or compacts), AVJ_ECORRUPT (the log can not be read to its
 * end: nothing is dropped), AVJ_ENOSPC, AVJ_EIO, AVJ_ENOMEM; what was done before stays done.
 */
AVJ_API AVJ_CHECKED enum avj_status avj_store_compact(struct avj_store *store,
                                                      const struct avj_compacting *how,
                                                      struct avj_compacted_history *done,
                                                      struct avj_error *err);

AVJ_END_C

#endif
