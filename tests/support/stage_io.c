/* A file interface that counts and holds calls of several processes: see stage_io.h. */
#include "tests/support/stage_io.h"

#include "journal/bytes.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FILES_MAX       1024
#define SEQS_MAX        4096
#define HOLDS_MAX       48
#define PATIENCE_MS     60000
#define FRAME_HEADER    64u
#define FRAME_TRAILER   8u
#define FRAME_ALIGNMENT 8u

enum file_kind { KIND_OTHER, KIND_SEGMENT, KIND_MAKING };

struct event {
    enum stage_call call;
    pid_t pid;
};

struct plan {
    _Atomic uint64_t count, nth;
    _Atomic int how;
};

/* In memory that all processes share. */
struct stage {
    struct avj_io table;
    int told[2];                   /* pipe: events to the director */
    struct event early[HOLDS_MAX]; /* the director's: told of before it asked */
    size_t early_count;
    int go[HOLDS_MAX][2]; /* pipes: a byte lets the call that is held there go on */
    _Atomic unsigned holds;
    _Atomic int held[HOLDS_MAX]; /* whose it is; 0: may go on */
    struct plan plans[STAGE_CALLS];
    _Atomic uint64_t begun;             /* syncs of segments, those in the making included */
    _Atomic uint64_t ended;             /* number of the latest one that succeeded */
    _Atomic uint64_t written[SEQS_MAX]; /* by sequence number: the first one that covers it */
};

/* Kinds of the open files of this process. */
static _Atomic int kinds[FILES_MAX];

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "stage: %s: %s\n", what, strerror(errno));
    abort();
}

/* ---- telling and holding ---- */

static void tell(struct stage *stage, enum stage_call call)
{
    struct event event = {call, getpid()};

    must(write(stage->told[1], &event, sizeof event) == (ssize_t)sizeof event, "tell");
}

static void tell_and_hold(struct stage *stage, enum stage_call call)
{
    unsigned place = atomic_fetch_add(&stage->holds, 1);
    char byte;
    ssize_t got;

    must(place < HOLDS_MAX, "too many held calls");
    atomic_store(&stage->held[place], (int)getpid());
    tell(stage, call);
    while ((got = read(stage->go[place][0], &byte, 1)) < 0 && errno == EINTR)
        continue;
    must(got == 1, "wait for go");
}

/* Counts `calls` of a kind; true when the planned one is among them. */
static bool count(struct stage *stage, enum stage_call call, uint64_t calls, enum stage_how *how)
{
    struct plan *plan = &stage->plans[call];
    uint64_t nth = atomic_load(&plan->nth);
    uint64_t before = atomic_fetch_add(&plan->count, calls);

    *how = (enum stage_how)atomic_load(&plan->how);
    return nth > before && nth <= before + calls;
}

/* ---- the calls ---- */

static const struct avj_io *base(void)
{
    return avj_io_posix();
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), n = strlen(end);

    return len >= n && strcmp(text + len - n, end) == 0;
}

static enum file_kind kind_of(int file)
{
    return file >= 0 && file < FILES_MAX ? (enum file_kind)atomic_load(&kinds[file]) : KIND_OTHER;
}

static int stage_open(void *ctx, const char *path, unsigned flags)
{
    int file = base()->open(base()->ctx, path, flags);

    (void)ctx;
    if (file >= 0 && file < FILES_MAX)
        atomic_store(&kinds[file], ends_with(path, ".seg")   ? KIND_SEGMENT
                                   : ends_with(path, ".tmp") ? KIND_MAKING
                                                             : KIND_OTHER);
    return file;
}

static int stage_close(void *ctx, int file)
{
    (void)ctx;
    return base()->close(base()->ctx, file);
}

static ssize_t stage_pread(void *ctx, int file, void *data, size_t len, uint64_t offset)
{
    (void)ctx;
    return base()->pread(base()->ctx, file, data, len, offset);
}

/* How many frames these bytes begin with; with `now` their records are noted as written then. */
static uint64_t frames_in(struct stage *stage, const uint8_t *bytes, size_t len, uint64_t now)
{
    uint64_t frames = 0;

    for (size_t at = 0; at + FRAME_HEADER <= len && memcmp(bytes + at, "AVJF", 4) == 0; frames++) {
        uint64_t stored = avj_get_le32(bytes + at + 8), seq = avj_get_le64(bytes + at + 16);
        for (uint64_t i = 0; now && i < avj_get_le16(bytes + at + 6); i++)
            if (seq + i < SEQS_MAX)
                atomic_store(&stage->written[seq + i], now);
        at += (FRAME_HEADER + stored + FRAME_ALIGNMENT - 1) / FRAME_ALIGNMENT * FRAME_ALIGNMENT +
              FRAME_TRAILER;
    }
    return frames;
}

static ssize_t stage_pwrite(void *ctx, int file, const void *data, size_t len, uint64_t offset)
{
    struct stage *stage = ctx;
    uint64_t frames = kind_of(file) == KIND_OTHER ? 0 : frames_in(stage, data, len, 0);
    enum stage_how how = STAGE_TELL;
    bool planned = frames > 0 && count(stage, STAGE_FRAME, frames, &how);
    size_t half = planned && how == STAGE_HALF ? len / 2 : 0;
    uint64_t next;
    ssize_t put;

    if (half)
        must(base()->pwrite(base()->ctx, file, data, half, offset) == (ssize_t)half, "pwrite");
    if (planned && how != STAGE_TELL)
        tell_and_hold(stage, STAGE_FRAME);
    next = atomic_load(&stage->begun) + 1;
    put =
        base()->pwrite(base()->ctx, file, (const uint8_t *)data + half, len - half, offset + half);
    if (put < 0)
        return put;
    if (frames)
        frames_in(stage, data, len, next);
    if (planned && how == STAGE_TELL)
        tell(stage, STAGE_FRAME);
    return (ssize_t)half + put;
}

static int64_t stage_size(void *ctx, int file)
{
    (void)ctx;
    return base()->size(base()->ctx, file);
}

static int stage_sync(void *ctx, int file)
{
    struct stage *stage = ctx;
    enum file_kind kind = kind_of(file);
    enum stage_how how = STAGE_TELL;
    bool planned = kind == KIND_SEGMENT && count(stage, STAGE_SYNC, 1, &how);
    uint64_t mine = kind == KIND_OTHER ? 0 : atomic_fetch_add(&stage->begun, 1) + 1, ended;
    int r;

    if (planned && how != STAGE_TELL)
        tell_and_hold(stage, STAGE_SYNC);
    r = base()->sync(base()->ctx, file);
    ended = atomic_load(&stage->ended);
    while (r == 0 && ended < mine && !atomic_compare_exchange_weak(&stage->ended, &ended, mine))
        continue;
    if (planned && how == STAGE_TELL)
        tell(stage, STAGE_SYNC);
    return r;
}

static int stage_sync_dir(void *ctx, const char *path)
{
    (void)ctx;
    return base()->sync_dir(base()->ctx, path);
}

static int stage_rename(void *ctx, const char *from, const char *to)
{
    (void)ctx;
    return base()->rename(base()->ctx, from, to);
}

static int stage_unlink(void *ctx, const char *path)
{
    (void)ctx;
    return base()->unlink(base()->ctx, path);
}

static int stage_mkdir(void *ctx, const char *path)
{
    (void)ctx;
    return base()->mkdir(base()->ctx, path);
}

static int stage_list(void *ctx, const char *path, int (*each)(void *arg, const char *name),
                      void *arg)
{
    (void)ctx;
    return base()->list(base()->ctx, path, each, arg);
}

static int stage_try_lock(void *ctx, int file)
{
    enum stage_how how;
    bool planned = count(ctx, STAGE_LOCK, 1, &how);
    int r;

    if (planned && how != STAGE_TELL)
        tell_and_hold(ctx, STAGE_LOCK);
    r = base()->try_lock(base()->ctx, file);
    if (planned && how == STAGE_TELL)
        tell(ctx, STAGE_LOCK);
    return r;
}

static int stage_unlock(void *ctx, int file)
{
    (void)ctx;
    return base()->unlock(base()->ctx, file);
}

static int64_t stage_now_ms(void *ctx)
{
    (void)ctx;
    return base()->now_ms(base()->ctx);
}

static int64_t stage_monotonic_ms(void *ctx)
{
    (void)ctx;
    return base()->monotonic_ms(base()->ctx);
}

static void stage_sleep_us(void *ctx, unsigned us)
{
    (void)ctx;
    base()->sleep_us(base()->ctx, us);
}

static int stage_random(void *ctx, void *data, size_t len)
{
    (void)ctx;
    return base()->random(base()->ctx, data, len);
}

static void stage_boot_id(void *ctx, uint8_t id[16])
{
    (void)ctx;
    base()->boot_id(base()->ctx, id);
}

static const struct avj_io stage_table = {
    .open = stage_open,
    .close = stage_close,
    .pread = stage_pread,
    .pwrite = stage_pwrite,
    .size = stage_size,
    .sync = stage_sync,
    .sync_dir = stage_sync_dir,
    .rename = stage_rename,
    .unlink = stage_unlink,
    .mkdir = stage_mkdir,
    .list = stage_list,
    .try_lock = stage_try_lock,
    .unlock = stage_unlock,
    .now_ms = stage_now_ms,
    .monotonic_ms = stage_monotonic_ms,
    .sleep_us = stage_sleep_us,
    .random = stage_random,
    .boot_id = stage_boot_id,
};

/* ---- the director ---- */

struct stage *stage_new(void)
{
    struct stage *stage =
        mmap(NULL, sizeof *stage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    must(stage != MAP_FAILED, "mmap");
    must(pipe(stage->told) == 0, "pipe");
    for (size_t i = 0; i < HOLDS_MAX; i++)
        must(pipe(stage->go[i]) == 0, "pipe");
    stage->table = stage_table;
    stage->table.ctx = stage;
    return stage;
}

void stage_free(struct stage *stage)
{
    for (int end = 0; end < 2; end++) {
        close(stage->told[end]);
        for (size_t i = 0; i < HOLDS_MAX; i++)
            close(stage->go[i][end]);
    }
    must(munmap(stage, sizeof *stage) == 0, "munmap");
}

const struct avj_io *stage_io(struct stage *stage)
{
    return &stage->table;
}

void stage_plan(struct stage *stage, enum stage_call call, uint64_t nth, enum stage_how how)
{
    atomic_store(&stage->plans[call].how, (int)how);
    atomic_store(&stage->plans[call].count, 0);
    atomic_store(&stage->plans[call].nth, nth);
}

uint64_t stage_count(const struct stage *stage, enum stage_call call)
{
    return atomic_load(&stage->plans[call].count);
}

static struct event next_event(struct stage *stage, enum stage_call wanted)
{
    static const char *const names[STAGE_CALLS] = {"no lock", "no frame", "no sync", "not ready"};
    struct pollfd told = {.fd = stage->told[0], .events = POLLIN};
    struct event event;
    int ready;

    while ((ready = poll(&told, 1, PATIENCE_MS)) < 0 && errno == EINTR)
        continue;
    errno = ETIME;
    must(ready == 1, names[wanted]);
    must(read(stage->told[0], &event, sizeof event) == (ssize_t)sizeof event, "read");
    return event;
}

pid_t stage_wait(struct stage *stage, enum stage_call call)
{
    struct event event;

    for (size_t i = 0; i < stage->early_count; i++) {
        if (stage->early[i].call != call)
            continue;
        event = stage->early[i];
        stage->early[i] = stage->early[--stage->early_count];
        return event.pid;
    }
    while ((event = next_event(stage, call)).call != call) {
        must(stage->early_count < HOLDS_MAX, "too many events");
        stage->early[stage->early_count++] = event;
    }
    return event.pid;
}

void stage_go(struct stage *stage, pid_t pid)
{
    unsigned holds = atomic_load(&stage->holds), freed = 0;

    for (unsigned i = 0; i < holds; i++) {
        if (atomic_load(&stage->held[i]) != (int)pid)
            continue;
        atomic_store(&stage->held[i], 0);
        must(write(stage->go[i][1], "", 1) == 1, "say go");
        freed++;
    }
    errno = ESRCH;
    must(freed > 0, "say go to one who is not held");
}

void stage_ready(struct stage *stage)
{
    tell_and_hold(stage, STAGE_READY);
}

bool stage_synced(const struct stage *stage, uint64_t seq)
{
    uint64_t written = seq < SEQS_MAX ? atomic_load(&stage->written[seq]) : 0;

    return written > 0 && atomic_load(&stage->ended) >= written;
}
