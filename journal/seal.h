/*
 * Sealing: a segment that is finished is rewritten into well-compressed frames of even size with an
 * index, under its own number.  The records, their numbers and their order stay; so do the bytes
 * that crashes left behind the segment's end.  The new file is complete, verified and synced before
 * it takes the old one's name, so that a crash leaves one or the other.
 *
 * Threading: one thread a call.  Processes: whoever has the lock of file `seal.lock`.  Readers that
 * have the old file open go on reading it.  Memory: some 20 MiB; one frame raw and packed.
 */
#ifndef AVJ_SEAL_H
#define AVJ_SEAL_H

#include "journal/private.h"

#define AVJ_SEAL_LOCK  "seal.lock"
#define AVJ_SEAL_DRAFT "seal.tmp"
/* Raw bytes of a frame, unless one record has more: what is read to get at one record.  A quarter
 * of it is unpacked. */
#define AVJ_SEAL_RAW ((size_t)256 * 1024)
/* What is set aside is kept in pieces of this size. */
#define AVJ_SEAL_PIECE ((size_t)1024 * 1024)

struct avj_sealing {
    const struct avj_io *io;
    const char *path;          /* of the journal */
    struct avj_packer *packer; /* of level AVJ_LEVEL_SEALING */
    bool (*stop)(void *arg);   /* asked between frames; may be NULL */
    void *arg;
};

/* The lock of those who seal, compact or train.  AVJ_ELOCKED: another process is at it;
 * AVJ_EREADONLY, AVJ_EIO, AVJ_EACCES. */
AVJ_CHECKED enum avj_status avj_seal_lock(struct avj_journal *journal, int *lock,
                                          struct avj_error *err);
void avj_seal_unlock(struct avj_journal *journal, int lock);

/* Seals one segment.  AVJ_END: it is the last one, empty, or sealed already, or stop() said so.
 * Errors: AVJ_ECORRUPT (it is damaged: left as it is), AVJ_ENOSPC, AVJ_EIO, AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status avj_seal_segment(const struct avj_sealing *sealing, uint64_t number,
                                             struct avj_error *err);

#endif
