/*
 * Compaction of sealed segments: their records may be replaced by others, shorter ones as a rule
 * (never removed: each keeps its sequence number), as the layer above decides.
 *
 * A segment is rewritten beside its original, synced, verified and renamed over it, as sealing
 * does: after a crash at any step there is one of the two, whole.  Readers that have the original
 * open read it to its end.  Threading as journal.h.
 */
#ifndef AVJ_REWRITE_H
#define AVJ_REWRITE_H

#include "journal/journal.h"

struct avj_rewriting {
    void *arg;
    /*
     * What becomes of record `seq`: *instead is set to what replaces it (borrowed until the next
     * call), or left alone: it stays.  May be asked several times about a record, and must say
     * the same then.  Anything but AVJ_OK ends the work with that status; the
     * segment at hand stays as it was.
     */
    enum avj_status (*decide)(void *arg, uint64_t seq, const void *data, size_t len,
                              struct avj_slice *instead, struct avj_error *err);
    /* Asked for every segment: is it worth while?  NULL: always.  A segment for which decide
     * replaces nothing is left as it is in any case. */
    bool (*wanted)(void *arg, uint64_t first_seq, uint64_t last_seq, uint64_t bytes);
    bool (*stop)(void *arg); /* true ends the work early, with AVJ_OK; may be NULL */
    void (*progress)(void *arg, uint64_t segments_done, uint64_t segments_total); /* may be NULL */
};

struct avj_rewritten {
    uint64_t segments;                  /* rewritten */
    uint64_t records;                   /* replaced in them */
    uint64_t bytes_before, bytes_after; /* of their files */
    uint64_t damaged;                   /* segments that are left as they are: run avchat-fsck */
};

/*
 * Rewrites the sealed segments that lie wholly at or before `upto_seq`.  Unsealed ones are left
 * alone (avj_journal_maintain seals).  done may be NULL.  Errors: as avj_journal_maintain, and
 * AVJ_ETOOBIG (a replacement is over AVJ_RECORD_MAX); what was done before stays done.
 * Older programs refuse a journal with rewritten segments (AVJ_EVERSION): to the layer above its
 * records may mean what those do not know.
 */
AVJ_API AVJ_CHECKED enum avj_status
avj_journal_rewrite(struct avj_journal *journal, uint64_t upto_seq, const struct avj_rewriting *how,
                    struct avj_rewritten *done, struct avj_error *err);

#endif
