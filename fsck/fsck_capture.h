/*
 * What there is to check: the files of the journal at one moment, and where its log ends there.
 *
 * A journal may be in use.  The note of what is durable is read first, then the list of segments,
 * their sizes and headers, and last the frames of the newest segment (without unpacking), to find
 * the end of the log.  Everything before that end never changes again, so the phases behind look at
 * that prefix only.  Where the end looks bad the capture is made again with the journal's append
 * lock held for that time: then nobody is in the middle of a write, and what is bad is bad.  Where
 * the lock can not be had (read-only media), a bad end must stay the same over several looks.
 */
#ifndef FSCK_CAPTURE_H
#define FSCK_CAPTURE_H

#include "journal/scan.h"

#define FSCK_PATH_MAX  4224
#define FSCK_NAMES_MAX 32

struct fsck_segment {
    uint64_t number;
    char name[24];
    uint64_t size;
    enum avj_status status; /* of reading the header; AVJ_OK: header is good */
    struct avj_segment_header header;
};

enum fsck_tail_state {
    FSCK_TAIL_GOOD,     /* the log ends cleanly */
    FSCK_TAIL_UNSYNCED, /* bytes behind the end that nobody was promised */
    FSCK_TAIL_DAMAGED,  /* bytes behind the end that were durable once, or can not be judged */
};

struct fsck_tail {
    enum fsck_tail_state state;
    uint64_t end; /* in the last segment */
    uint64_t next_seq;
    uint64_t file_bytes;
};

struct fsck_names {
    char *names[FSCK_NAMES_MAX]; /* relative to the journal */
    size_t count;
};

struct fsck_capture {
    const struct avj_io *io;
    const char *path; /* borrowed */
    struct fsck_segment *segments;
    size_t count;
    uint8_t journal_id[16]; /* what most headers say */
    struct avj_sync_witness witness;
    bool witness_missing; /* no file, or one that says nothing that can be believed */
    bool lock_missing;
    struct fsck_tail tail;
    struct fsck_names leftovers, strange;
};

/* Errors: AVJ_ENOTJOURNAL, AVJ_ENOTFOUND (no such folder), AVJ_EACCES, AVJ_EVERSION, AVJ_EIO,
 * AVJ_ENOMEM.  Release in every case. */
AVJ_CHECKED enum avj_status fsck_capture(const struct avj_io *io, const char *path,
                                         struct fsck_capture *capture, struct avj_error *err);
void fsck_capture_release(struct fsck_capture *capture);

/* One of the journal's lock files, locked by an open file that is returned: closing it lets go.
 * -ENOENT where there is no such file, another -errno where it can not be locked; -EBUSY: somebody
 * has it for longer than patience_ms. */
int fsck_lock(const struct avj_io *io, const char *path, const char *name, int64_t patience_ms);

/* Its header is good, and that of the segment that belongs here. */
bool fsck_segment_belongs(const struct fsck_capture *capture, const struct fsck_segment *segment);

void fsck_segment_path(const struct fsck_capture *capture, const struct fsck_segment *segment,
                       char out[FSCK_PATH_MAX]);

#endif
