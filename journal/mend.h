/*
 * Mending: what a repair needs of the format.  A segment that is damaged or missing is written anew
 * under its number, as a sealed segment whose header says of its original what its successor says,
 * so that the segments around it fit as they are.  No record is left out: each sequence number has
 * one, for those that are lost the layer above gives what stands in for them (FORMAT.md, *Repair*).
 *
 * As with sealing the new file is complete, read back, compared and synced before it takes its
 * name: a crash leaves what was there, or the new one.
 *
 * Threading: one thread a call.  Processes: whoever has avj_mend_lock.
 */
#ifndef AVJ_MEND_H
#define AVJ_MEND_H

#include "journal/journal.h"
#include "journal/scan.h"

/* Where a segment's log ends, as its successor's header names it. */
struct avj_mend_end {
    uint64_t segment_no; /* 0: there is none */
    uint8_t salt[16];
    uint64_t end, chain, last_seq;
};

struct avj_mend_segment {
    uint8_t journal_id[16];
    uint64_t number, first_seq;
    struct avj_mend_end before; /* of the segment before it; zeros for segment 1 */
    /* How its successor names it; last_seq is that of its last record, and not smaller than
     * first_seq.  What is arbitrary may be: nobody compares it with anything but the successor. */
    struct avj_mend_end as;
    const struct avj_segment_header *like; /* of a version of it; NULL: none is known */
    /* Each record from first_seq to as.last_seq, in order; borrowed until the next call. */
    enum avj_status (*record)(void *arg, uint64_t seq, struct avj_slice *record,
                              struct avj_error *err);
    void *arg;
};

/*
 * Writes the segment and gives it its name, over whatever has it; durable on return.
 * Errors: those of `record`, AVJ_EIO (also: it reads back differently), AVJ_ENOSPC, AVJ_ENOMEM;
 * the old file stays then.
 */
AVJ_CHECKED enum avj_status avj_mend_segment(const struct avj_io *io, const char *path,
                                             const struct avj_mend_segment *segment,
                                             struct avj_error *err);

/*
 * Begins an ordinary segment behind `before` (`as`, `like` and `record` are not looked at), with
 * these records (0: none) in one frame.  *end is its end: what a successor names, and what is
 * durable on return.  Errors as above.
 */
AVJ_CHECKED enum avj_status avj_mend_ordinary(const struct avj_io *io, const char *path,
                                              const struct avj_mend_segment *segment,
                                              const struct avj_slice *records, size_t count,
                                              struct avj_mend_end *end, struct avj_error *err);

/* Copies a file, durably; `to` is replaced if it is there.  Errors: AVJ_ENOTFOUND, AVJ_EIO... */
AVJ_CHECKED enum avj_status avj_mend_copy(const struct avj_io *io, const char *from, const char *to,
                                          struct avj_error *err);

/*
 * The header of a segment file as it was written: as it is, or with the one bit put back whose
 * change made its hash wrong (a hash of 128 bits leaves no doubt).  *mended: a bit was put back.
 * Errors: AVJ_ECORRUPT (more is damaged), AVJ_EVERSION, AVJ_EIO, AVJ_EACCES, AVJ_ENOTFOUND.
 */
AVJ_CHECKED enum avj_status avj_mend_header(const struct avj_io *io, const char *path,
                                            struct avj_segment_header *header, bool *mended,
                                            struct avj_error *err);

/*
 * What is left of a header that can not be mended: its fields as they stand there (zeros where the
 * file is shorter).  Nothing of it may be believed that is not proven otherwise.  Errors: AVJ_EIO,
 * AVJ_EACCES, AVJ_ENOTFOUND.
 */
AVJ_CHECKED enum avj_status avj_mend_guess(const struct avj_io *io, const char *path,
                                           struct avj_segment_header *header,
                                           struct avj_error *err);

/*
 * The dictionary that stands behind a good header, with the one bit put back whose change made its
 * hash wrong.  *bytes: the caller frees.  Seconds, for a large one.  Errors: AVJ_ECORRUPT (more is
 * damaged, or none is embedded), AVJ_EIO, AVJ_ENOMEM.
 */
AVJ_CHECKED enum avj_status avj_mend_dictionary(const struct avj_io *io, const char *path,
                                                const struct avj_segment_header *header,
                                                uint8_t **bytes, size_t *len,
                                                struct avj_error *err);

/* ---- mend_frame.c ---- */

#define AVJ_MEND_NO_BIT  SIZE_MAX       /* none is wrong: what is damaged is padding or trailer */
#define AVJ_MEND_ANY_BIT (SIZE_MAX - 1) /* look for it */
/* A payload is looked through up to this length: each bit costs a hash of it all. */
#define AVJ_MEND_PAYLOAD_MAX ((size_t)256 * 1024)

struct avj_mended_frame {
    struct avj_frame_info frame; /* what unpacking needs, and total_len */
    uint8_t *stored;             /* owned: free() */
    size_t bit;                  /* that was put back, counted from the frame's begin, or
                                    AVJ_MEND_NO_BIT */
    uint64_t hashed;             /* bytes, to find it */
};

/*
 * The frame that was at `offset` of a segment with that salt, where it does not stand by itself any
 * more: its header and payload hold, or do so with one bit put back.  Hashes of 64 bits, and zstd's
 * checksum when it is unpacked, leave no doubt.  bit: what an earlier call found, or
 * AVJ_MEND_ANY_BIT.  Errors: AVJ_END (more is damaged), AVJ_EIO, AVJ_ENOMEM.
 */
AVJ_CHECKED enum avj_status avj_mend_frame(const struct avj_io *io, const char *path,
                                           const uint8_t salt[16], uint64_t offset, size_t bit,
                                           struct avj_mended_frame *out, struct avj_error *err);

/* ---- mend_lock.c ---- */

enum {
    AVJ_MEND_SEAL,
    AVJ_MEND_APPEND,
    AVJ_MEND_SYNC,
    AVJ_MEND_LEADER,
    AVJ_MEND_SERVE,
    AVJ_MEND_LOCKS
};

/* All locks of the journal: nobody appends, syncs, seals, pushes or serves meanwhile. */
struct avj_mend_lock {
    const struct avj_io *io;
    int files[AVJ_MEND_LOCKS]; /* -1: not held */
};

/*
 * Takes them, making the files of the log's own where they are missing; waits up to timeout_ms for
 * those that are held for moments.  AVJ_ELOCKED says who has which; AVJ_EACCES, AVJ_EREADONLY,
 * AVJ_EIO.  Release in every case.
 */
AVJ_CHECKED enum avj_status avj_mend_lock_take(const struct avj_io *io, const char *path,
                                               unsigned timeout_ms, struct avj_mend_lock *lock,
                                               struct avj_error *err);
void avj_mend_lock_release(struct avj_mend_lock *lock);

/* Everything up to `end` is durable: what file `sync` says from now on, and nothing else. */
AVJ_CHECKED enum avj_status avj_mend_witness(struct avj_mend_lock *lock,
                                             const uint8_t journal_id[16],
                                             const struct avj_mend_end *end, struct avj_error *err);

#endif
