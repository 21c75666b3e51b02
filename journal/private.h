/*
 * The inside of struct avj_journal, shared by the files of this folder.
 *
 * Two mutexes, taken in this order:
 *   append_mutex  serialises everything that moves the tail: appends, catching up, rotation.
 *   state_mutex   guards what threads waiting for a sync look at; never held across I/O.
 */
#ifndef AVJ_PRIVATE_H
#define AVJ_PRIVATE_H

#include "journal/payload.h"
#include "journal/reader.h"
#include "journal/witness.h"

#include <pthread.h>

#define AVJ_PATH_MAX                4096
#define AVJ_SEGMENT_TARGET_DEFAULT  ((uint64_t)8 * 1024 * 1024)
#define AVJ_SEGMENT_TARGET_MIN      ((uint64_t)64 * 1024)
#define AVJ_LOCK_TIMEOUT_DEFAULT_MS 10000u
#define AVJ_LEVEL_DEFAULT           3

/* A place between two frames of the chain. */
struct avj_place {
    uint64_t segment_no;
    uint64_t offset;
    uint64_t chain;
    uint64_t next_seq;
};

struct avj_journal {
    const struct avj_io *io;
    struct avj_journal_options options; /* with the defaults filled in */
    char *path;
    uint8_t journal_id[16];
    uint8_t boot_id[16];
    uint32_t writer_id;
    int lock_file, sync_file; /* -1 when read-only and missing */
    int wake_fd;
    struct avj_packer *packer;

    pthread_mutex_t append_mutex;
    struct avj_reader reader;          /* on the last segment */
    struct avj_segment_header segment; /* its header */
    struct avj_place tail;
    bool torn; /* bytes that are no part of the log lie behind the tail: the next append needs a new
                  segment */
    uint64_t torn_bytes; /* as found by open */
    uint64_t first_seq, segments, sealed_bytes;

    pthread_mutex_t state_mutex;
    pthread_cond_t synced;
    int file;                   /* last segment, for writing; -1 until the first append */
    struct avj_place published; /* what is in `file` */
    bool name_durable;          /* the directory entry of `file` is known to be on stable storage */
    uint64_t durable_seq;
    bool syncing;
    bool failed; /* a sync failed: this handle acknowledges nothing any more */
    unsigned witness_turn;
};

void avj_segment_path(const char *journal, uint64_t number, const char *suffix,
                      char out[AVJ_PATH_MAX]);

/* ---- tail.c ---- */

/* Is there proof that durable data should follow `place` in the file of `reader`?  False: what
 * follows was never promised to anybody. */
bool avj_tail_evidence(struct avj_reader *reader, const struct avj_place *place,
                       const struct avj_sync_witness *witness);

/* Makes `reader` the segment that follows `place`, when there is one that fits.  AVJ_END: none yet.
 * AVJ_ECORRUPT: there is one and it does not continue at `place`; *again is then true when `place`
 * lies before the end that the successor gives, so that frames are still to be read here. */
AVJ_CHECKED enum avj_status avj_tail_next_segment(const struct avj_io *io, const char *path,
                                                  struct avj_reader *reader,
                                                  struct avj_segment_header *segment,
                                                  struct avj_place *place, bool *again,
                                                  struct avj_error *err);

/* Moves journal->tail over everything appended since.  `locked`: the caller holds the file lock, so
 * that nothing is in the making: then a bad tail is judged (journal->torn or AVJ_ECORRUPT); else it
 * only means "not yet".  Caller holds append_mutex. */
AVJ_CHECKED enum avj_status avj_tail_catch_up(struct avj_journal *journal, bool locked,
                                              struct avj_error *err);

/* ---- append.c ---- */

AVJ_CHECKED enum avj_status avj_file_lock(struct avj_journal *journal, struct avj_error *err);
void avj_file_unlock(struct avj_journal *journal);

/* Writes a new segment file: temporary name, header, sync, rename, directory sync.  On error no
 * segment of that number is there. */
AVJ_CHECKED enum avj_status avj_segment_create(const struct avj_io *io, const char *path,
                                               const struct avj_segment_header *header,
                                               struct avj_error *err);

/* ---- wake.c ---- */
int avj_wake_open(const char *path);
void avj_wake_drain(int fd);

#endif
