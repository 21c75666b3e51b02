/*
 * The journal: an append-only log of opaque records in a directory.  Of this folder, this header,
 * status.h and io.h are public: what is installed with libavchat.
 *
 * What it promises: a record whose append returned AVJ_OK with AVJ_DURABLE is there after any
 * crash, whole, once, at its sequence number; records are read back in sequence order; bytes that
 * were not written to this place of this journal are never returned.  The byte format is
 * FORMAT.md's.
 *
 * Many processes may have one journal open: each append takes a lock (file `lock`) for as long as
 * it takes to catch up with what others appended and write one frame; the lock dies with its
 * process.  Readers take no lock.
 *
 * Threading: a struct avj_journal may be used by several threads at once; concurrent durable
 * appends, of other processes too, share one sync.  A cursor belongs to one thread.  A handle may
 * start threads of its own (see no_background) and does not survive a fork: open another one in the
 * child.  Lifetime: close every cursor before the journal.
 */
#ifndef AVJ_JOURNAL_H
#define AVJ_JOURNAL_H

#include "journal/io.h"
#include "journal/status.h"

#include <stdint.h>

AVJ_BEGIN_C

/* Largest record, and most records in one append (one frame). */
#define AVJ_RECORD_MAX            ((size_t)15 * 1024 * 1024)
#define AVJ_RECORDS_PER_FRAME_MAX 65535u
/* Last sequence number that a journal can give. */
#define AVJ_SEQ_MAX ((uint64_t)INT64_MAX)
/* Largest payload of a frame before compression: records plus at most 4 bytes a record. */
#define AVJ_FRAME_RAW_MAX ((size_t)16 * 1024 * 1024)

struct avj_journal;
struct avj_cursor;

struct avj_slice {
    const void *data;
    size_t len;
};

enum avj_durability {
    AVJ_DURABLE = 0, /* returns after the data is on stable storage */
    AVJ_RELAXED = 1, /* returns after the write; survives a killed process, not a power cut nor a
                        disk that fails; the next durable append or sync covers it, or says that
                        it could not */
};

struct avj_journal_options { /* all zero: the defaults */
    const struct avj_io *io; /* NULL: avj_io_posix(); borrowed until close */
    bool read_only;          /* no lock, no write, no recovery */
    int compression_level;   /* zstd level, 0: 3 */
    uint64_t
        segment_target; /* bytes after which a new segment is begun, 0: 8 MiB; 64 KiB at least */
    unsigned lock_timeout_ms; /* how long an append waits for another process's lock, 0: 10,000 */
    bool no_reserve;          /* write no zeros ahead of durable appends (slower, files not larger
                                 than what is in them) */
    bool no_background; /* no thread of its own: sealing and training of dictionaries is left to
                           others and to avj_journal_maintain() */
};

struct avj_journal_info {
    uint8_t journal_id[16];
    uint64_t segments;  /* files in the chain */
    uint64_t sealed;    /* of them rewritten, smaller */
    uint64_t bytes;     /* their valid bytes, headers included */
    uint64_t reserved;  /* zeros written ahead in the last one; not in `bytes` */
    uint64_t first_seq; /* of the first record kept; 1 in a new journal */
    uint64_t next_seq;  /* the next record to be appended gets this */
    uint64_t
        durable_seq; /* everything up to and with this is known to be durable; 0: nothing known */
    uint64_t unsynced_tail_bytes; /* bytes behind the logical end that open found and set aside (a
                                     torn append) */
};

/*
 * Makes a new journal in directory `path`, which is created when missing and must otherwise be
 * empty of journal files. Durable on return, the directory's name in its parent included. Errors:
 * AVJ_EEXIST (there is a journal already), AVJ_EACCES, AVJ_EREADONLY, AVJ_ENOSPC, AVJ_EIO.  On
 * failure no journal is left behind.
 */
AVJ_API AVJ_CHECKED enum avj_status avj_journal_create(const char *path,
                                                       const struct avj_journal_options *options,
                                                       struct avj_error *err);

/*
 * Opens the journal in `path` (borrowed during the call; options may be NULL) and finds its end,
 * verifying the last segment's frames.  A torn tail is set aside, never edited: the next append
 * begins a new segment. *out is owned by the caller: avj_journal_close. Errors: AVJ_ENOTJOURNAL,
 * AVJ_EVERSION (made by a newer program), AVJ_ECORRUPT (damage before the end: run avchat-fsck),
 * AVJ_ELOCKED (another process held the append lock for lock_timeout_ms), AVJ_EACCES, AVJ_EIO,
 * AVJ_ENOMEM.
 */
AVJ_API AVJ_CHECKED enum avj_status avj_journal_open(const char *path,
                                                     const struct avj_journal_options *options,
                                                     struct avj_journal **out,
                                                     struct avj_error *err);

/* Releases everything; NULL is allowed.  Makes relaxed appends durable as far as it can (errors are
 * ignored: use avj_journal_sync). */
AVJ_API void avj_journal_close(struct avj_journal *journal);

/*
 * Appends `count` records (1 .. AVJ_RECORDS_PER_FRAME_MAX; copied) as one frame: after a crash all
 * of them are there or none. *first_seq (may be NULL) gets the sequence number of the first; the
 * others follow without holes. Durable on return with AVJ_DURABLE. Errors:
 * nothing was appended: AVJ_ETOOBIG (a record over AVJ_RECORD_MAX, all together over
 * AVJ_FRAME_RAW_MAX, or sequence numbers used up), AVJ_ENOSPC (works again when there is space),
 * AVJ_ELOCKED (another process held the lock for lock_timeout_ms), AVJ_EREADONLY, AVJ_ECORRUPT,
 * AVJ_EIO, AVJ_ENOMEM;
 * appended, *first_seq is set, but not yet durable: AVJ_EUNSYNCED (another process holds up the
 * sync for lock_timeout_ms: avj_journal_sync() tries again); may have been appended: AVJ_ESYNC (the
 * sync failed.  Where the message says so the log goes on in a new segment, with these records
 * where they could be saved, and so does the handle: look before you append them again.  Else the
 * handle refuses further appends; open the journal again).
 */
AVJ_API AVJ_CHECKED enum avj_status avj_journal_append(struct avj_journal *journal,
                                                       const struct avj_slice *records,
                                                       size_t count, enum avj_durability durability,
                                                       uint64_t *first_seq, struct avj_error *err);

/*
 * As avj_journal_append, of records that were made for the log as it stood: when nobody else can
 * append any more, and before the records are, stands(arg, next_seq) is asked; next_seq is the
 * number that the first of them would get.  Where it returns false nothing is appended and the call
 * gives AVJ_ECHANGED.  It may read with cursors of this handle, which then see all there is; it
 * must be quick, and call nothing else of this handle: others wait.
 */
AVJ_API AVJ_CHECKED enum avj_status
avj_journal_append_if(struct avj_journal *journal, const struct avj_slice *records, size_t count,
                      enum avj_durability durability, bool (*stands)(void *arg, uint64_t next_seq),
                      void *arg, uint64_t *first_seq, struct avj_error *err);

/* Makes everything appended through this handle durable.  Errors: AVJ_ESYNC and AVJ_EUNSYNCED as
 * above, AVJ_EREADONLY. */
AVJ_API AVJ_CHECKED enum avj_status avj_journal_sync(struct avj_journal *journal,
                                                     struct avj_error *err);

/* Begins a new segment, whatever the size of the present one; what was appended to that is durable
 * on return.  Does nothing where the last segment is empty.  For programs that want a segment to
 * end now (before a copy of the folder is made, say).  Errors: as avj_journal_append. */
AVJ_API AVJ_CHECKED enum avj_status avj_journal_rotate(struct avj_journal *journal,
                                                       struct avj_error *err);

struct avj_maintenance { /* all zero: the defaults */
    void *arg;
    /* Asked often; true ends the work early, with AVJ_OK. */
    bool (*stop)(void *arg);
    /* After each finished segment, sealed now or before. */
    void (*progress)(void *arg, uint64_t segments_done, uint64_t segments_total);
};

struct avj_maintained {
    uint64_t sealed;                    /* segments */
    uint64_t bytes_before, bytes_after; /* of their files */
    uint64_t damaged;                   /* left as they are: run avchat-fsck */
    bool trained;                       /* a dictionary; the next segment begins with it */
};

/*
 * Does what pays now and is otherwise done in the background: seals finished segments (rewrites
 * them into well-compressed frames, some 8 MB of records a second; the records stay), and trains a
 * compression dictionary where the log has grown enough.  Appends and reads go on meanwhile, in
 * this process and others.  how and done may be NULL.  Errors: AVJ_ELOCKED (another process is at
 * it), AVJ_EREADONLY, AVJ_ENOSPC (sealing needs space for one more segment), AVJ_EIO, AVJ_ENOMEM;
 * what was done before stays done.
 */
AVJ_API AVJ_CHECKED enum avj_status avj_journal_maintain(struct avj_journal *journal,
                                                         const struct avj_maintenance *how,
                                                         struct avj_maintained *done,
                                                         struct avj_error *err);

/* Looks for what other processes appended and fills *info.  Errors: AVJ_ECORRUPT, AVJ_EIO. */
AVJ_API AVJ_CHECKED enum avj_status
avj_journal_info(struct avj_journal *journal, struct avj_journal_info *info, struct avj_error *err);

/* The directory as it was given to open.  Valid until close. */
AVJ_API const char *avj_journal_path(const struct avj_journal *journal);

struct avj_record {
    uint64_t seq;
    const uint8_t *data; /* borrowed: valid until the next call with the same cursor */
    size_t len;
    uint64_t segment; /* number of the segment and offset of the frame that hold it, for messages */
    uint64_t offset;
};

/*
 * A cursor that gives the records from from_seq (0: the first) on.  It sees what any process
 * appends while it lives. Errors: AVJ_ENOTFOUND (from_seq lies before the first record kept),
 * AVJ_ENOMEM, AVJ_EIO.
 */
AVJ_API AVJ_CHECKED enum avj_status avj_cursor_open(struct avj_journal *journal, uint64_t from_seq,
                                                    struct avj_cursor **out, struct avj_error *err);

/*
 * The next record.  AVJ_END: none yet; call again after more was appended.  Errors: AVJ_ECORRUPT
 * (the message names segment, offset and the first sequence number that is missing; the cursor
 * stays there), AVJ_EIO, AVJ_ENOMEM.
 */
AVJ_API AVJ_CHECKED enum avj_status
avj_cursor_next(struct avj_cursor *cursor, struct avj_record *record, struct avj_error *err);
/* Records before `seq` are passed over from now on, without being decompressed where that can be
 * spared.  Never goes back. */
AVJ_API void avj_cursor_skip(struct avj_cursor *cursor, uint64_t seq);
AVJ_API void avj_cursor_close(struct avj_cursor *cursor);

/*
 * A descriptor that polls readable when a process may have appended (inotify on Linux), or -1 where
 * there is none: then poll by time.  Owned by the journal.  avj_journal_woken() empties it; call it
 * before reading on.
 */
AVJ_API int avj_journal_wake_fd(struct avj_journal *journal);
AVJ_API void avj_journal_woken(struct avj_journal *journal);

/* XXH3-64 and XXH3-128 (canonical big-endian bytes), so that the layers above need no hash library
 * of their own. */
AVJ_API uint64_t avj_hash64(const void *data, size_t len);
AVJ_API void avj_hash128(const void *data, size_t len, uint8_t out[16]);

AVJ_END_C

#endif
