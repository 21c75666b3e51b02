/*
 * What an append asks of the operating system: how often each function of the file interface is
 * called, and what it takes, in durable appends and in relaxed ones of one message each.  What is
 * left of an append's time is the journal's own: compression, checksums, bookkeeping.
 */
#include "tests/bench/bench.h"
#include "tests/support/files.h"

#include <stdatomic.h>

enum call {
    OPEN,
    CLOSE,
    PREAD,
    PWRITE,
    SIZE,
    SYNC,
    SYNC_DIR,
    RENAME,
    UNLINK,
    TRY_LOCK,
    UNLOCK,
    CALLS,
};

static const char *const call_names[CALLS] = {"open",   "close",    "pread",    "pwrite",
                                              "size",   "sync",     "sync_dir", "rename",
                                              "unlink", "try_lock", "unlock"};

/* Any thread of the journal may call. */
static struct {
    _Atomic uint64_t count, ns;
} calls[CALLS];

static void took(enum call call, uint64_t start)
{
    atomic_fetch_add(&calls[call].count, 1);
    atomic_fetch_add(&calls[call].ns, bench_now_ns() - start);
}

/* Declares counted_NAME, which calls NAME of the real interface. */
#define COUNTED(type, call, name, parameters, arguments)                                           \
    static type counted_##name parameters                                                          \
    {                                                                                              \
        uint64_t start = bench_now_ns();                                                           \
        type result = avj_io_posix()->name arguments;                                              \
        took(call, start);                                                                         \
        return result;                                                                             \
    }

COUNTED(int, OPEN, open, (void *ctx, const char *path, unsigned flags), (ctx, path, flags))
COUNTED(int, CLOSE, close, (void *ctx, int file), (ctx, file))
COUNTED(ssize_t, PREAD, pread, (void *ctx, int file, void *data, size_t len, uint64_t offset),
        (ctx, file, data, len, offset))
COUNTED(ssize_t, PWRITE, pwrite,
        (void *ctx, int file, const void *data, size_t len, uint64_t offset),
        (ctx, file, data, len, offset))
COUNTED(int64_t, SIZE, size, (void *ctx, int file), (ctx, file))
COUNTED(int, SYNC, sync, (void *ctx, int file), (ctx, file))
COUNTED(int, SYNC_DIR, sync_dir, (void *ctx, const char *path), (ctx, path))
COUNTED(int, RENAME, rename, (void *ctx, const char *from, const char *to), (ctx, from, to))
COUNTED(int, UNLINK, unlink, (void *ctx, const char *path), (ctx, path))
COUNTED(int, TRY_LOCK, try_lock, (void *ctx, int file), (ctx, file))
COUNTED(int, UNLOCK, unlock, (void *ctx, int file), (ctx, file))

static struct avj_io counting(void)
{
    struct avj_io io = *avj_io_posix();

    io.open = counted_open;
    io.close = counted_close;
    io.pread = counted_pread;
    io.pwrite = counted_pwrite;
    io.size = counted_size;
    io.sync = counted_sync;
    io.sync_dir = counted_sync_dir;
    io.rename = counted_rename;
    io.unlink = counted_unlink;
    io.try_lock = counted_try_lock;
    io.unlock = counted_unlock;
    return io;
}

static void forget_calls(void)
{
    for (size_t i = 0; i < CALLS; i++) {
        atomic_store(&calls[i].count, 0);
        atomic_store(&calls[i].ns, 0);
    }
}

static void add_row(const char *name, const char *row, size_t ops, double count, double ns)
{
    if (count > 0)
        bench_add(name, row, ops, "calls/append", count / (double)ops);
    bench_add(name, row, ops, "us/append", ns / 1e3 / (double)ops);
}

static void add_calls(const char *name, size_t ops, uint64_t all_ns)
{
    uint64_t own_ns = all_ns;

    for (size_t i = 0; i < CALLS; i++) {
        uint64_t count = atomic_load(&calls[i].count), ns = atomic_load(&calls[i].ns);
        own_ns -= ns < own_ns ? ns : own_ns;
        if (count > 0)
            add_row(name, call_names[i], ops, (double)count, (double)ns);
    }
    add_row(name, "the journal itself", ops, 0, (double)own_ns);
    add_row(name, "all", ops, 0, (double)all_ns);
}

static void measure(const struct bench *bench, const char *name, enum avj_durability durability)
{
    struct avj_io io = counting();
    struct avj_journal_options options = {.compression_level = bench->level, .io = &io};
    char *path = test_path(bench->dir, "calls");
    struct avj_journal *journal;
    struct avj_error err;
    uint64_t start;

    bench_ok(avj_journal_create(path, &options, &err), &err, "calls");
    bench_ok(avj_journal_open(path, &options, &journal, &err), &err, "calls");
    forget_calls();
    start = bench_now_ns();
    for (size_t i = 0; i < bench->ops; i++)
        bench_ok(avj_journal_append(journal, &bench->items[i].entry, 1, durability, NULL, &err),
                 &err, "calls");
    add_calls(name, bench->ops, bench_now_ns() - start);
    avj_journal_close(journal);
    test_dir_free(path);
}

void bench_calls(struct bench *bench)
{
    measure(bench, "calls-durable", AVJ_DURABLE);
    measure(bench, "calls-relaxed", AVJ_RELAXED);
}
