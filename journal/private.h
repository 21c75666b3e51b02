/*
 * The inside of struct avj_journal, shared by the files of this folder.
 *
 * Locks, taken in this order:
 *   append_mutex  threads of this handle: everything that moves the tail (appends, catching up,
 *                 rotation, carrying over).
 *   file `lock`   processes: who appends.  Held for one append.
 *   file `sync`   processes: who syncs.  Held for one sync.  Its holder never waits for the two
 *                 above.
 *   state_mutex   threads of this handle: what those who wait for a sync look at; never held across
 *                 I/O.
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

/* A place between two frames of the chain. */
struct avj_place {
    uint64_t segment_no;
    uint64_t offset;
    uint64_t chain;
    uint64_t next_seq;
};

/* Frames that this handle wrote to the last segment and that no sync covers yet, as they were
 * written: what is carried over where the file does not give them back. */
struct avj_retained {
    uint8_t *bytes;
    size_t len, cap;
    struct avj_retained_frame {
        uint64_t offset;
        size_t at, len; /* in `bytes` */
    } * frames;
    size_t count, room;
    uint64_t segment_no, last_seq;
};

/* Records that were appended and that a wait for durability must not end well for: those of a sync
 * that failed, and those that were lost with it. */
struct avj_misfortune {
    uint64_t first_seq, last_seq;
};
#define AVJ_MISFORTUNES 8u

struct avj_background; /* background.c */

struct avj_journal {
    const struct avj_io *io;
    struct avj_journal_options options; /* with the defaults filled in */
    char *path;
    uint8_t journal_id[16];
    uint8_t boot_id[16];
    uint32_t writer_id;
    uint64_t handle_id;       /* random; signs the append lock */
    long process;             /* for messages; a handle does not survive a fork */
    int lock_file, sync_file; /* -1 when read-only and missing */
    int wake_fd;

    pthread_mutex_t append_mutex;
    struct avj_packer *packer;
    struct avj_reader reader;          /* on the last segment */
    struct avj_segment_header segment; /* its header */
    struct avj_place tail;
    bool in_order;    /* when this handle last let the append lock go, it knew the end of the log */
    bool undisturbed; /* with the append lock: in_order, and nobody else has held it since */
    struct avj_place judged; /* the tail when it was last judged, or written */
    bool torn; /* bytes that are no part of the log lie behind the tail: the next append needs a new
                  segment */
    uint64_t torn_bytes; /* as found by open */
    uint64_t zeros_to;   /* from the tail to there are zeros: written ahead, or left by others */
    uint64_t first_seq, segments, sealed_bytes;
    unsigned durable_appends; /* of this handle, up to AVJ_RESERVE_AFTER */
    struct avj_retained retained;
    uint64_t own_last_seq;             /* of the last record that this handle appended */
    bool looked;                       /* at file `dictionary`: the next two hold */
    uint64_t waiting_dictionary;       /* hash of that which new segments begin with; 0: none */
    uint64_t next_training;            /* bytes of the log when a dictionary is to be trained */
    struct avj_background *background; /* NULL: none */

    pthread_mutex_t state_mutex;
    pthread_cond_t synced;
    int file;                   /* last segment, for writing; -1 until the first append */
    struct avj_place published; /* what is in `file` */
    bool name_durable;          /* the directory entry of `file` is known to be on stable storage */
    uint64_t durable_seq;
    bool syncing;
    bool lost;         /* records of this handle are, and it has not been told */
    uint64_t stalls;   /* how often a sync had to be given up for a lock that another holds */
    uint64_t poisoned; /* number of a segment that a sync failed for; 0: none */
    bool failed;       /* a sync failed and the log could not be carried on: no appends any more */
    struct avj_misfortune misfortunes[AVJ_MISFORTUNES]; /* the last ones */
    uint64_t misfortune_count;
};

void avj_segment_path(const char *journal, uint64_t number, const char *suffix,
                      char out[AVJ_PATH_MAX]);

/* ---- lock.c ---- */

/* Takes the append lock; waits up to lock_timeout_ms.  AVJ_ELOCKED names the process that has it.
 */
AVJ_CHECKED enum avj_status avj_append_lock(struct avj_journal *journal, struct avj_error *err);
void avj_append_unlock(struct avj_journal *journal);

/* How a wait between two tries to take a lock goes on. */
struct avj_patience {
    int64_t give_up_ms;
    unsigned pause_us;
};
void avj_patience_init(struct avj_patience *patience, struct avj_journal *journal);
/* Sleeps; false when the time is up. */
bool avj_patience_wait(struct avj_patience *patience, struct avj_journal *journal);

/* ---- tail.c ---- */

bool avj_follows(const struct avj_place *place, const struct avj_frame_info *frame);
void avj_place_begin(struct avj_place *place, const struct avj_segment_header *segment);
void avj_place_step(struct avj_place *place, const struct avj_frame_info *frame);

/* Is there proof that durable data should follow `place` in the file of `reader`?  False: what
 * follows was never promised to anybody.  same_boot: the segment was made in the present boot of
 * the machine. */
bool avj_tail_evidence(struct avj_reader *reader, const struct avj_place *place,
                       const struct avj_sync_witness *witness, bool same_boot);

/* How a successor fits a place. */
enum avj_fit {
    AVJ_FIT_NONE,  /* there is no successor */
    AVJ_FIT_HERE,  /* it goes on at this place */
    AVJ_FIT_LATER, /* it names a later end: frames are still to be read here */
    AVJ_FIT_CUT,   /* it names an earlier end: what stands between was carried over into it */
    AVJ_FIT_WRONG, /* it does not fit at all */
};

/* Opens the successor of `place` in `next` (initialised; to be released in every case) and says how
 * it fits.  `here` is the header of place's segment. Errors: those of avj_reader_open. */
AVJ_CHECKED enum avj_status
avj_tail_successor(const char *path, const struct avj_segment_header *here,
                   const struct avj_place *place, struct avj_reader *next,
                   struct avj_segment_header *header, enum avj_fit *fit, struct avj_error *err);

/* AVJ_ECORRUPT: `what` does not fit that place. */
enum avj_status avj_tail_misfit(const char *what, const struct avj_place *place,
                                struct avj_error *err);

/* AVJ_ECORRUPT: a sealed segment is never the last one. */
enum avj_status avj_tail_missing(const struct avj_place *place, struct avj_error *err);

/* AVJ_FIT_CUT: finds the place in the successor that holds the same records as *place in `old`,
 * comparing frame by frame from the cut on.  *place becomes that place, or, with AVJ_ESYNC, the
 * last one up to which both are the same: what came after it is gone. AVJ_ECORRUPT: the cut does
 * not fit. */
AVJ_CHECKED enum avj_status avj_tail_across_cut(const char *path, struct avj_reader *old,
                                                const struct avj_segment_header *here,
                                                struct avj_reader *next,
                                                const struct avj_segment_header *header,
                                                struct avj_place *place, struct avj_error *err);

/* Moves journal->tail over everything appended since.  `locked`: the caller holds the append lock,
 * so that nothing is in the making: then a bad tail is judged (journal->torn or AVJ_ECORRUPT); else
 * it only means "not yet".  Caller holds append_mutex. */
AVJ_CHECKED enum avj_status avj_tail_catch_up(struct avj_journal *journal, bool locked,
                                              struct avj_error *err);

/* ---- segment.c ---- */

/* A segment file in the making, under its temporary name. */
struct avj_draft {
    const struct avj_io *io;
    const char *path; /* of the journal */
    uint64_t segment_no;
    int file;
    uint64_t at; /* bytes written */
    char temp[AVJ_PATH_MAX];
};
/* name: in the journal's folder; NULL: beside the segments. */
AVJ_CHECKED enum avj_status avj_draft_begin(struct avj_draft *draft, const struct avj_io *io,
                                            const char *path, uint64_t segment_no, const char *name,
                                            struct avj_error *err);
AVJ_CHECKED enum avj_status avj_draft_write(struct avj_draft *draft, const void *data, size_t len,
                                            struct avj_error *err);
/* Header and dictionary (len 0: none); fills in what the header says of it. */
AVJ_CHECKED enum avj_status avj_draft_header(struct avj_draft *draft,
                                             struct avj_segment_header *header,
                                             const struct avj_dictionary *dictionary,
                                             struct avj_error *err);
/* Syncs, gives it its name (over an older version of the segment, where there is one), syncs the
 * directory.  The draft is gone in every case.  Only where the directory's sync is what failed may
 * the segment have its name: never write to its predecessor then. */
AVJ_CHECKED enum avj_status avj_draft_publish(struct avj_draft *draft, struct avj_error *err);
void avj_draft_drop(struct avj_draft *draft);

/* A whole frame at its place: `frame` has room for avj_frame_total(payload->stored_len) bytes.
 * header: type, first_seq, durable_seq, prev_hash and writer_id are filled; the rest is filled in.
 * Returns its length. */
size_t avj_frame_build(struct avj_frame_header *header, const struct avj_payload *payload,
                       const uint8_t salt[16], uint64_t offset, uint8_t *frame);

/* Bytes of its file; 0 where that can not be told. */
uint64_t avj_segment_size(struct avj_journal *journal, uint64_t number);

/* Header of a segment that goes on at `place` of the last one. */
AVJ_CHECKED enum avj_status avj_next_header(struct avj_journal *journal,
                                            const struct avj_place *place,
                                            struct avj_segment_header *header,
                                            struct avj_error *err);

/* Opens the last segment for writing where that has not been done.  Caller holds append_mutex and
 * the append lock. */
AVJ_CHECKED enum avj_status avj_segment_adopt(struct avj_journal *journal, struct avj_error *err);
/* Begins a new segment that cuts the present one at the tail.  Caller as above. */
AVJ_CHECKED enum avj_status avj_segment_rotate(struct avj_journal *journal, struct avj_error *err);

/* ---- sync.c ---- */

enum avj_status avj_sync_failed(struct avj_journal *journal, int errnum, struct avj_error *err);
/* Waits for records [.., seq], appended when `misfortunes` were on record, to be durable: one of
 * those who wait, in any thread and process, syncs for all. */
AVJ_CHECKED enum avj_status avj_sync_up_to(struct avj_journal *journal, uint64_t seq,
                                           uint64_t misfortunes, struct avj_error *err);
/* Gives the file up. */
void avj_leave(struct avj_journal *journal);
/* Makes the segment at hand durable and gives its file up.  Where its sync fails, or another's was
 * left unsettled, the log is carried over into a new segment instead (*carried).  Caller holds
 * append_mutex and the append lock. */
AVJ_CHECKED enum avj_status avj_sync_and_leave(struct avj_journal *journal, bool *carried,
                                               struct avj_error *err);
/* Takes the lock of file `sync`.  AVJ_ELOCKED names who has it. */
AVJ_CHECKED enum avj_status avj_sync_lock(struct avj_journal *journal, struct avj_error *err);
void avj_sync_unlock(struct avj_journal *journal);
/* No sync of that segment may be asked for any more: one failed, or nobody knows how it ended. */
bool avj_sync_is_over(struct avj_journal *journal, const struct avj_sync_state *state,
                      uint64_t segment_no);
/* Everything up to `place` is durable: remembers it for others and for whoever opens the journal
 * after a crash.  Caller holds the lock of file `sync`. */
void avj_bear_witness(struct avj_journal *journal, unsigned slot, const struct avj_place *place);
/* Records that waits for these must fail; caller holds state_mutex. */
void avj_add_misfortune(struct avj_journal *journal, uint64_t first_seq, uint64_t last_seq);

/* The same for records that are gone; what this handle appended among them is remembered until
 * avj_tell_lost.  Caller holds append_mutex and state_mutex. */
void avj_lose_records(struct avj_journal *journal, uint64_t first_seq, uint64_t last_seq);

/* AVJ_ESYNC, once, where records that this handle appended are gone. */
AVJ_CHECKED enum avj_status avj_tell_lost(struct avj_journal *journal, struct avj_error *err);

/* ---- carry.c ---- */

/* After a sync whose success nobody knows of: writes what stands behind the last durable place of
 * the last segment into a new one.  Does nothing where another process has done it.  Caller holds
 * append_mutex and the append lock, and has caught up; the tail is in the new segment then. */
AVJ_CHECKED enum avj_status avj_carry_over(struct avj_journal *journal, struct avj_error *err);

void avj_retain(struct avj_journal *journal, const uint8_t *frame, size_t len, uint64_t offset,
                uint64_t last_seq);
void avj_retained_release(struct avj_retained *retained);

#endif
