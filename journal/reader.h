/*
 * Reads frames of one segment file through a window buffer.  It judges a frame by itself (limits,
 * both hashes, padding, trailer); whether it continues the log is its caller's business.
 *
 * Threading: one thread a reader.  Memory: the window grows to the largest frame met, at most
 * AVJ_FRAME_RAW_MAX and the headers.
 */
#ifndef AVJ_READER_H
#define AVJ_READER_H

#include "journal/dictionary.h"
#include "journal/format.h"

struct avj_reader {
    const struct avj_io *io;
    int file; /* owned; -1: closed */
    uint8_t salt[16];
    uint8_t *window;
    size_t cap, len;              /* allocated; filled */
    uint64_t window_at;           /* file offset of window[0] */
    size_t ahead;                 /* how much is read at once */
    uint8_t *dictionary, *stored; /* owned: the segment's, unpacked and as it stands; NULL: not
                                     loaded */
    int io_error;                 /* -errno of a failed read, 0 */
};

void avj_reader_init(struct avj_reader *reader, const struct avj_io *io);
void avj_reader_release(struct avj_reader *reader);

/* Opens `path` and reads its header.  Errors: AVJ_ENOTFOUND, AVJ_EACCES, AVJ_EIO, AVJ_ECORRUPT,
 * AVJ_EVERSION, AVJ_ENOMEM.  With AVJ_ECORRUPT the file stays open, so that a scan can look at what
 * is behind a damaged header. */
AVJ_CHECKED enum avj_status avj_reader_open(struct avj_reader *reader, const char *path,
                                            struct avj_segment_header *header,
                                            struct avj_error *err);

/* The dictionary of the segment that is open, by its header; len 0 where it has none.  *out borrows
 * from the reader until it is released or asked again.  Errors: AVJ_ECORRUPT, AVJ_EVERSION (one
 * that this program does not have), AVJ_EIO, AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status avj_reader_dictionary(struct avj_reader *reader,
                                                  const struct avj_segment_header *header,
                                                  struct avj_dictionary *out,
                                                  struct avj_error *err);

/* Current size of the file, or -errno. */
int64_t avj_reader_size(struct avj_reader *reader);

/* Forgets what was read ahead, so that bytes written since are seen. */
void avj_reader_forget(struct avj_reader *reader);

enum avj_at {
    AVJ_AT_FRAME, /* a frame, whole and good */
    AVJ_AT_END,   /* no byte at offset */
    AVJ_AT_ZEROS, /* a frame header's worth of zeros (or fewer up to the end) */
    AVJ_AT_BAD,   /* damage says what */
    AVJ_AT_ERROR, /* the read failed: io_error; or out of memory: io_error -ENOMEM */
};

/* Judges the frame at `offset` (8-byte aligned), looking at no byte at or behind `limit`.  On
 * AVJ_AT_FRAME: *frame and *stored (borrowed until the next call), and *header_hash through
 * frame->chain_after. On AVJ_AT_BAD frame's lengths are filled where the header was good (total_len
 * 0: it was not). */
enum avj_at avj_reader_frame(struct avj_reader *reader, uint64_t offset, uint64_t limit,
                             struct avj_frame_info *frame, const uint8_t **stored,
                             enum avj_damage *damage);

/* As avj_reader_frame, of the header alone: whether the frame is there to its end, and whole, is
 * not looked at. */
enum avj_at avj_reader_header(struct avj_reader *reader, uint64_t offset, uint64_t limit,
                              struct avj_frame_info *frame, enum avj_damage *damage);

/* As avj_reader_frame for a frame in memory: true if and only if these bytes are a good frame of
 * that segment and place. */
bool avj_frame_from_memory(const uint8_t salt[16], uint64_t offset, const uint8_t *bytes,
                           size_t len, struct avj_frame_info *frame, const uint8_t **stored);

/* Offset of the first byte at or after `offset` that is not zero, `limit` when there is none; on a
 * read error sets io_error and returns limit. */
uint64_t avj_reader_skip_zeros(struct avj_reader *reader, uint64_t offset, uint64_t limit);

/* Looks for the next good frame at or after `offset`, at every 8-byte step.  True with *frame
 * filled. */
bool avj_reader_resync(struct avj_reader *reader, uint64_t offset, uint64_t limit,
                       struct avj_frame_info *frame);

#endif
