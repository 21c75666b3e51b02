/* See client_leader.h. */
#include "net/client_leader.h"
#include "journal/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/inotify.h>
#endif

/*
 * What the file says: process, session, since when, host; a line each, in this many bytes whatever
 * they are.  Others may read while it is written: they believe it only while the session that it
 * names is alive.
 */
#define NOTE_LEN 256

enum {
    SOON_MS = 2,      /* the close is told before the lock is let go: looked for again so soon, */
    SOON_TRIES = 100, /* so often */
    SLOW_MS = 60000,  /* a file system may tell nothing of who is on another machine */
    BLIND_MS = 500,   /* no wake-ups at all */
    LOOKS = 20,       /* at a note of one who is gone, while a new leader writes its own */
    LOOK_PAUSE_US = 500,
};

static char *path_of(const char *dir)
{
    char *path;
    return asprintf(&path, "%s/sync.lock", dir) < 0 ? NULL : path;
}

/* ---- the note ---- */

static void write_note(const struct avj_io *io, int file, const char *session)
{
    char text[NOTE_LEN + 1], host[128] = "";
    size_t done;
    if (gethostname(host, sizeof host - 1))
        host[0] = '\0';
    int len = snprintf(text, sizeof text, "%ld\n%s\n%lld\n%s\n", (long)getpid(),
                       session ? session : "", (long long)io->now_ms(io->ctx), host);
    memset(text + len, ' ', (size_t)(NOTE_LEN - len));
    text[NOTE_LEN - 1] = '\n';
    (void)avj_io_write_full(io, file, text, NOTE_LEN, 0, &done); /* only names who leads */
}

/* The next line of the note, NULL: there is none. */
static const char *take_line(char **at)
{
    char *line = *at, *end = line ? strchr(line, '\n') : NULL;
    if (end)
        *end = '\0';
    *at = end ? end + 1 : NULL;
    return end ? line : NULL;
}

static void copy_plain(char *out, size_t size, const char *text)
{
    size_t n = 0;
    for (; text && text[n] && n + 1 < size; n++)
        out[n] = (unsigned char)text[n] < ' ' ? '?' : text[n];
    out[n] = '\0';
}

static void read_note(const struct avj_io *io, int file, struct avj_engine_leader *out)
{
    char text[NOTE_LEN + 1] = "", *at = text;
    size_t got = 0;
    *out = (struct avj_engine_leader){0};
    if (avj_io_read_full(io, file, text, NOTE_LEN, 0, &got) < 0)
        return;
    const char *pid = take_line(&at);
    copy_plain(out->session, sizeof out->session, take_line(&at));
    const char *since = take_line(&at);
    copy_plain(out->host, sizeof out->host, take_line(&at));
    out->pid = pid ? strtol(pid, NULL, 10) : 0;
    out->since_ms = since ? strtoll(since, NULL, 10) : 0;
}

bool avj_engine_leader(struct avj_store *store, struct avj_engine_leader *leader)
{
    const struct avj_io *io = avj_io_posix();
    char *path = path_of(avj_journal_path(avj_store_journal(store)));
    int file = path ? io->open(io->ctx, path, AVJ_OPEN_READ) : -1;
    bool led = false, known = false;
    free(path);
    *leader = (struct avj_engine_leader){0};
    for (int i = 0; file >= 0 && i < LOOKS && !known; i++) {
        led = avj_io_is_locked(io, file) == 1;
        if (!led)
            break;
        read_note(io, file, leader);
        known = avj_session_alive(store, leader->session);
        if (!known)
            io->sleep_us(io->ctx, LOOK_PAUSE_US);
    }
    if (file >= 0)
        io->close(io->ctx, file);
    if (!known)
        *leader = (struct avj_engine_leader){0};
    return led;
}

/* ---- the lock ---- */

static int open_wake(const char *path)
{
#if defined(__linux__)
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd >= 0 && inotify_add_watch(fd, path, IN_CLOSE_WRITE) < 0) {
        close(fd);
        fd = -1;
    }
    return fd;
#else
    (void)path;
    return -1;
#endif
}

enum avj_status avj_sync_lock_open(const char *dir, struct avj_sync_lock *lock,
                                   struct avj_error *err)
{
    const struct avj_io *io = avj_io_posix();
    char *path = path_of(dir);
    *lock = (struct avj_sync_lock){.file = -1, .wake = -1};
    if (!path)
        return avj_fail(err, AVJ_ENOMEM, "out of memory");
    lock->file = io->open(io->ctx, path, AVJ_OPEN_WRITE | AVJ_OPEN_CREATE);
    /* Before the first try: who lets go after it is heard of. */
    if (lock->file >= 0)
        lock->wake = open_wake(path);
    free(path);
    return lock->file < 0 ? avj_fail_errno(err, -lock->file, "open %s/sync.lock", dir) : AVJ_OK;
}

enum avj_status avj_sync_lock_try(struct avj_sync_lock *lock, const char *session,
                                  struct avj_error *err)
{
    const struct avj_io *io = avj_io_posix();
    struct avj_engine_leader leader;
    int rc = io->try_lock(io->ctx, lock->file);
    lock->held = rc == AVJ_LOCK_TAKEN;
    if (lock->held) {
        write_note(io, lock->file, session);
        return AVJ_OK;
    }
    if (rc < 0)
        return avj_fail_errno(err, -rc, "lock sync.lock");
    lock->tries++;
    read_note(io, lock->file, &leader);
    return avj_fail(err, AVJ_ELOCKED, "process %ld is syncing this journal already", leader.pid);
}

void avj_sync_lock_woken(struct avj_sync_lock *lock)
{
    char events[1024];
    while (lock->wake >= 0 && read(lock->wake, events, sizeof events) > 0)
        lock->tries = 0;
}

int64_t avj_sync_lock_pause_ms(struct avj_sync_lock *lock)
{
    if (lock->wake < 0)
        return BLIND_MS;
    return lock->tries < SOON_TRIES ? SOON_MS : SLOW_MS;
}

void avj_sync_lock_release(struct avj_sync_lock *lock)
{
    const struct avj_io *io = avj_io_posix();
    if (lock->wake >= 0)
        close(lock->wake);
    if (lock->file >= 0)
        io->close(io->ctx, lock->file);
    *lock = (struct avj_sync_lock){.file = -1, .wake = -1};
}
