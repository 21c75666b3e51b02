/*
 * The file interface on a POSIX system.  Locks are open file description locks where the system has
 * them (Linux), because those of fcntl(F_SETLK) vanish when any other descriptor of the same file
 * is closed; flock(2) elsewhere.
 */
#include "journal/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int result(int value)
{
    return value < 0 ? -errno : value;
}

static int posix_open(void *ctx, const char *path, unsigned flags)
{
    (void)ctx;
    int mode = (flags & AVJ_OPEN_WRITE) ? O_RDWR : O_RDONLY;
    if (flags & AVJ_OPEN_CREATE)
        mode |= O_CREAT;
    if (flags & AVJ_OPEN_EXCL)
        mode |= O_EXCL;
    return result(open(path, mode | O_CLOEXEC, 0600));
}

static int posix_close(void *ctx, int file)
{
    (void)ctx;
    return result(close(file));
}

static ssize_t posix_pread(void *ctx, int file, void *data, size_t len, uint64_t offset)
{
    (void)ctx;
    ssize_t got = pread(file, data, len, (off_t)offset);
    return got < 0 ? -errno : got;
}

static ssize_t posix_pwrite(void *ctx, int file, const void *data, size_t len, uint64_t offset)
{
    (void)ctx;
    ssize_t put = pwrite(file, data, len, (off_t)offset);
    return put < 0 ? -errno : put;
}

static int64_t posix_size(void *ctx, int file)
{
    (void)ctx;
    struct stat st;
    return fstat(file, &st) < 0 ? -errno : (int64_t)st.st_size;
}

static int posix_sync(void *ctx, int file)
{
    (void)ctx;
#if defined(F_FULLFSYNC)
    return result(fcntl(file, F_FULLFSYNC));
#else
    return result(fdatasync(file));
#endif
}

static int posix_sync_dir(void *ctx, const char *path)
{
    (void)ctx;
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return -errno;
    int r = result(fsync(dir));
    close(dir);
    return r;
}

static int posix_rename(void *ctx, const char *from, const char *to)
{
    (void)ctx;
    return result(rename(from, to));
}

static int posix_unlink(void *ctx, const char *path)
{
    (void)ctx;
    return result(unlink(path));
}

static int posix_mkdir(void *ctx, const char *path)
{
    (void)ctx;
    return result(mkdir(path, 0700));
}

static int posix_list(void *ctx, const char *path, int (*each)(void *arg, const char *name),
                      void *arg)
{
    (void)ctx;
    DIR *dir = opendir(path);
    if (!dir)
        return -errno;
    int r = 0;
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(dir); /* a DIR of our own: no other thread reads it */
        if (!entry) {
            r = -errno;
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        r = each(arg, entry->d_name);
        if (r != 0)
            break;
    }
    closedir(dir);
    return r;
}

#if defined(F_OFD_SETLK)
static int set_lock(int file, short type)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET};
    if (fcntl(file, F_OFD_SETLK, &lock) == 0)
        return AVJ_LOCK_TAKEN;
    return errno == EAGAIN || errno == EACCES ? AVJ_LOCK_BUSY : -errno;
}

static int posix_try_lock(void *ctx, int file)
{
    (void)ctx;
    return set_lock(file, F_WRLCK);
}

static int posix_unlock(void *ctx, int file)
{
    (void)ctx;
    return set_lock(file, F_UNLCK);
}

static int posix_locked(void *ctx, int file)
{
    (void)ctx;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(file, F_OFD_GETLK, &lock) != 0)
        return -errno;
    return lock.l_type != F_UNLCK;
}
#else
static int posix_try_lock(void *ctx, int file)
{
    (void)ctx;
    if (flock(file, LOCK_EX | LOCK_NB) == 0)
        return AVJ_LOCK_TAKEN;
    return errno == EWOULDBLOCK ? AVJ_LOCK_BUSY : -errno;
}

static int posix_unlock(void *ctx, int file)
{
    (void)ctx;
    return result(flock(file, LOCK_UN));
}

/* A shared lock: those who look at the same moment do not see each other. */
static int posix_locked(void *ctx, int file)
{
    (void)ctx;
    if (flock(file, LOCK_SH | LOCK_NB) == 0)
        return result(flock(file, LOCK_UN));
    return errno == EWOULDBLOCK ? 1 : -errno;
}
#endif

static const void *posix_map(void *ctx, int file, size_t len)
{
    int64_t size = posix_size(ctx, file);
    /* What lies behind the end could be mapped, but not be touched. */
    if (len == 0 || size < 0 || (uint64_t)size < len)
        return NULL;
    void *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    return map == MAP_FAILED ? NULL : map;
}

static void posix_unmap(void *ctx, const void *map, size_t len)
{
    (void)ctx;
    (void)munmap((void *)(uintptr_t)map, len);
}

static int64_t clock_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t posix_now_ms(void *ctx)
{
    (void)ctx;
    return clock_ms(CLOCK_REALTIME);
}

static int64_t posix_monotonic_ms(void *ctx)
{
    (void)ctx;
    return clock_ms(CLOCK_MONOTONIC);
}

static void posix_sleep_us(void *ctx, unsigned us)
{
    (void)ctx;
    struct timespec time = {.tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000};
    nanosleep(&time, NULL);
}

static int posix_random(void *ctx, void *data, size_t len)
{
    int file = posix_open(ctx, "/dev/urandom", AVJ_OPEN_READ);
    if (file < 0)
        return file;
    size_t done = 0;
    int r = 0;
    while (done < len) {
        ssize_t got = read(file, (char *)data + done, len - done);
        if (got > 0)
            done += (size_t)got;
        else if (got == 0 || errno != EINTR) {
            r = got == 0 ? -EIO : -errno;
            break;
        }
    }
    close(file);
    return r;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void posix_boot_id(void *ctx, uint8_t id[16])
{
    memset(id, 0, 16);
    int file = posix_open(ctx, "/proc/sys/kernel/random/boot_id", AVJ_OPEN_READ);
    if (file < 0)
        return;
    char text[64];
    ssize_t got = read(file, text, sizeof(text));
    close(file);
    size_t digits = 0;
    for (ssize_t i = 0; i < got && digits < 32; i++) {
        int digit = hex_digit(text[i]);
        if (digit < 0)
            continue;
        id[digits / 2] = (uint8_t)(id[digits / 2] << 4 | digit);
        digits++;
    }
}

const struct avj_io *avj_io_posix(void)
{
    static const struct avj_io io = {
        .open = posix_open,
        .close = posix_close,
        .pread = posix_pread,
        .pwrite = posix_pwrite,
        .size = posix_size,
        .sync = posix_sync,
        .sync_dir = posix_sync_dir,
        .rename = posix_rename,
        .unlink = posix_unlink,
        .mkdir = posix_mkdir,
        .list = posix_list,
        .try_lock = posix_try_lock,
        .unlock = posix_unlock,
        .locked = posix_locked,
        .map = posix_map,
        .unmap = posix_unmap,
        .now_ms = posix_now_ms,
        .monotonic_ms = posix_monotonic_ms,
        .sleep_us = posix_sleep_us,
        .random = posix_random,
        .boot_id = posix_boot_id,
    };
    return &io;
}

int avj_io_read_full(const struct avj_io *io, int file, void *data, size_t len, uint64_t offset,
                     size_t *got)
{
    *got = 0;
    while (*got < len) {
        ssize_t n = io->pread(io->ctx, file, (uint8_t *)data + *got, len - *got, offset + *got);
        if (n == -EINTR)
            continue;
        if (n < 0)
            return (int)n;
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return 0;
}

int avj_io_write_full(const struct avj_io *io, int file, const void *data, size_t len,
                      uint64_t offset, size_t *done)
{
    *done = 0;
    while (*done < len) {
        ssize_t n =
            io->pwrite(io->ctx, file, (const uint8_t *)data + *done, len - *done, offset + *done);
        if (n == -EINTR)
            continue;
        if (n < 0)
            return (int)n;
        if (n == 0)
            return -EIO;
        *done += (size_t)n;
    }
    return 0;
}

int avj_io_is_locked(const struct avj_io *io, int file)
{
    if (io->locked)
        return io->locked(io->ctx, file);
    int r = io->try_lock(io->ctx, file);
    if (r == AVJ_LOCK_BUSY)
        return 1;
    return r < 0 ? r : io->unlock(io->ctx, file);
}

int avj_io_sync(const struct avj_io *io, int file)
{
    int r;
    do
        r = io->sync(io->ctx, file);
    while (r == -EINTR);
    return r < 0 ? r : 0;
}
