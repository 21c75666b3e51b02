/* See client_leader.h. */
#include "net/client_leader.h"
#include "journal/bytes.h"
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
    if (fd >= 0 && inotify_add_watch(fd, path, IN_CLOSE_WRITE | IN_MODIFY) < 0) {
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
#if defined(__linux__)
    _Alignas(struct inotify_event) char events[4096];
    ssize_t got;
    while (lock->wake >= 0 && (got = read(lock->wake, events, sizeof events)) > 0) {
        for (ssize_t at = 0; at < got;) {
            struct inotify_event event;
            memcpy(&event, events + at, sizeof event);
            if (event.mask & (IN_CLOSE_WRITE | IN_Q_OVERFLOW))
                lock->tries = 0;
            at += (ssize_t)(sizeof event + event.len);
        }
    }
#else
    (void)lock;
#endif
}

int64_t avj_sync_lock_pause_ms(struct avj_sync_lock *lock)
{
    if (lock->wake < 0)
        return BLIND_MS;
    return lock->tries < SOON_TRIES ? SOON_MS : SLOW_MS;
}

/* ---- asking the leader ---- */

enum { ASKED_AT = NOTE_LEN, ANSWER_AT = NOTE_LEN + 8, ANSWER_LEN = 40 };

static bool read_at(const struct avj_sync_lock *lock, uint64_t at, uint8_t *bytes, size_t len)
{
    const struct avj_io *io = avj_io_posix();
    size_t got = 0;
    memset(bytes, 0, len);
    return avj_io_read_full(io, lock->file, bytes, len, at, &got) == 0;
}

static bool write_at(const struct avj_sync_lock *lock, uint64_t at, const uint8_t *bytes,
                     size_t len)
{
    const struct avj_io *io = avj_io_posix();
    size_t done;
    return avj_io_write_full(io, lock->file, bytes, len, at, &done) == 0;
}

static uint64_t number_at(const struct avj_sync_lock *lock, uint64_t at)
{
    uint8_t bytes[8];
    return read_at(lock, at, bytes, sizeof bytes) ? avj_get_le64(bytes) : 0;
}

/* Numbers go round: the later of two is less than half the way ahead. */
static bool is_before(uint64_t a, uint64_t b)
{
    return b - a - 1 < UINT64_MAX / 2;
}

uint64_t avj_sync_lock_ask(struct avj_sync_lock *lock)
{
    uint8_t bytes[8];
    uint64_t request = number_at(lock, ASKED_AT), answered = number_at(lock, ANSWER_AT);
    if (is_before(request, answered))
        request = answered; /* the file was damaged */
    request += request == UINT64_MAX ? 2 : 1;
    avj_put_le64(bytes, request);
    return write_at(lock, ASKED_AT, bytes, sizeof bytes) ? request : 0;
}

bool avj_sync_lock_answered(struct avj_sync_lock *lock, uint64_t request,
                            struct avj_sync_answer *answer)
{
    uint8_t bytes[ANSWER_LEN];
    if (!read_at(lock, ANSWER_AT, bytes, sizeof bytes))
        return false;
    *answer = (struct avj_sync_answer){.request = avj_get_le64(bytes),
                                       .status = (enum avj_status)(int32_t)avj_get_le32(bytes + 8),
                                       .pushed = avj_get_le64(bytes + 16),
                                       .pulled = avj_get_le64(bytes + 24),
                                       .rejected = avj_get_le64(bytes + 32)};
    return answer->request && !is_before(answer->request, request);
}

uint64_t avj_sync_lock_asked(struct avj_sync_lock *lock)
{
    uint64_t request = number_at(lock, ASKED_AT);
    return is_before(number_at(lock, ANSWER_AT), request) ? request : 0;
}

void avj_sync_lock_answer(struct avj_sync_lock *lock, const struct avj_sync_answer *answer)
{
    uint8_t bytes[ANSWER_LEN] = {0};
    avj_put_le64(bytes, answer->request);
    avj_put_le32(bytes + 8, (uint32_t)answer->status);
    avj_put_le64(bytes + 16, answer->pushed);
    avj_put_le64(bytes + 24, answer->pulled);
    avj_put_le64(bytes + 32, answer->rejected);
    /* The number last: who reads it has the rest. */
    (void)(write_at(lock, ANSWER_AT + 8, bytes + 8, sizeof bytes - 8) &&
           write_at(lock, ANSWER_AT, bytes, 8)); /* else the asker goes on waiting for our end */
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
