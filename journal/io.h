/*
 * The file interface: every access of the journal to files, clocks and randomness goes through one
 * of these structs, so that tests can fail, cut, reorder and count every one of them.
 *
 * Convention: functions return >= 0 on success and -errno on failure; EINTR is handled by the
 * implementation's caller (journal code loops on short reads and writes and on -EINTR).  Paths are
 * absolute or relative to the working directory, NUL-terminated.  File handles are small
 * non-negative ints owned by whoever opened them.
 *
 * Threading: an implementation must accept calls from several threads at once.
 */
#ifndef AVJ_IO_H
#define AVJ_IO_H

#include "journal/status.h"

#include <stdint.h>
#include <sys/types.h>

AVJ_BEGIN_C

enum avj_open_flags {
    AVJ_OPEN_READ = 0,         /* read only, must exist */
    AVJ_OPEN_WRITE = 1u << 0,  /* read and write */
    AVJ_OPEN_CREATE = 1u << 1, /* create when missing (mode 0600) */
    AVJ_OPEN_EXCL = 1u << 2,   /* fail with -EEXIST when it is there */
};

enum avj_lock_result { AVJ_LOCK_TAKEN = 0, AVJ_LOCK_BUSY = 1 };

struct avj_io {
    void *ctx; /* passed back to every function; not owned */

    int (*open)(void *ctx, const char *path, unsigned flags);
    int (*close)(void *ctx, int file);
    /* May be short; 0 is end of file. */
    ssize_t (*pread)(void *ctx, int file, void *data, size_t len, uint64_t offset);
    /* May be short. */
    ssize_t (*pwrite)(void *ctx, int file, const void *data, size_t len, uint64_t offset);
    int64_t (*size)(void *ctx, int file);
    /* Data and size durable (fdatasync; F_FULLFSYNC on macOS).  A failure is final: never called
     * again on that file. */
    int (*sync)(void *ctx, int file);
    /* The directory's names durable. */
    int (*sync_dir)(void *ctx, const char *path);
    int (*rename)(void *ctx, const char *from, const char *to);
    int (*unlink)(void *ctx, const char *path);
    int (*mkdir)(void *ctx, const char *path); /* mode 0700 */
    /* Calls each(arg, name) for every entry but "." and ".."; stops and returns its value when that
     * is not 0. */
    int (*list)(void *ctx, const char *path, int (*each)(void *arg, const char *name), void *arg);
    /* Exclusive advisory lock on the whole file that dies with its holder; AVJ_LOCK_TAKEN,
     * AVJ_LOCK_BUSY or -errno. Never waits. */
    int (*try_lock)(void *ctx, int file);
    int (*unlock)(void *ctx, int file);
    /* Optional: 1 where another open of the file holds its lock, 0 where none does, or -errno.
     * Takes no lock and disturbs nobody who does; the file may be open for reading only. */
    int (*locked)(void *ctx, int file);
    /*
     * Optional, both or neither (NULL): the file's first `len` bytes (1 at least) as memory of the
     * caller's own, private and copied on write: it may be cast to be written to, which neither the
     * file nor anybody else sees.  Valid until unmap, also when the file is closed, renamed over or
     * removed; not when it is cut.  NULL where that can not be done, or the file has not so many
     * bytes: read it then.
     */
    const void *(*map)(void *ctx, int file, size_t len);
    void (*unmap)(void *ctx, const void *map, size_t len);

    int64_t (*now_ms)(void *ctx);             /* wall clock, milliseconds since 1970-01-01 UTC */
    int64_t (*monotonic_ms)(void *ctx);       /* for timeouts only */
    void (*sleep_us)(void *ctx, unsigned us); /* at least so long */
    int (*random)(void *ctx, void *data, size_t len);
    /* 16 bytes that change with every boot of the machine, zeros where the system has none. */
    void (*boot_id)(void *ctx, uint8_t id[16]);
};

/* The real file system.  Static storage, stateless. */
AVJ_API const struct avj_io *avj_io_posix(void);

/* Reads exactly len bytes unless the file ends first; *got says how many.  Returns 0 or -errno. */
AVJ_API int avj_io_read_full(const struct avj_io *io, int file, void *data, size_t len,
                             uint64_t offset, size_t *got);
/* io->locked; where there is none the lock is taken for a moment.  1, 0 or -errno. */
AVJ_API int avj_io_is_locked(const struct avj_io *io, int file);
/* Asks for a sync again where a signal interrupted it; a failed one never.  Returns 0 or -errno. */
AVJ_API int avj_io_sync(const struct avj_io *io, int file);
/* Writes all of data; on failure *done says how much got out.  Returns 0 or -errno. */
AVJ_API int avj_io_write_full(const struct avj_io *io, int file, const void *data, size_t len,
                              uint64_t offset, size_t *done);

AVJ_END_C

#endif
