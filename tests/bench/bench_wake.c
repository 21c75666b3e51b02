/*
 * Another process sees an append: a reader sleeps in poll(2) on the journal's wake descriptor, a
 * writer appends; measured from the writer's call, or from its write to the file, to the moment the
 * reader has the record in its hands.  Beside it the bare limit: inotify on a plain file, one
 * pwrite, one read.
 *
 * The reader tells the time at which it had each record through a pipe.  The writer waits for that,
 * and then for some random time more, so that the reader is asleep again as it would be in a chat.
 */
#include "tests/bench/bench.h"
#include "tests/support/files.h"
#include "tests/support/rng.h"

#include <stdlib.h>

#ifdef __linux__

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_MIN_US 300
#define PAUSE_MAX_US 800

static void wait_for(int file)
{
    struct pollfd poll_file = {.fd = file, .events = POLLIN};

    if (poll(&poll_file, 1, 10000) != 1)
        bench_die("wake: nothing was seen for 10 seconds");
}

/* Says to the writer: "I had it now", or with 0: "I am listening". */
static void tell(int out, uint64_t now)
{
    if (write(out, &now, sizeof now) != (ssize_t)sizeof now)
        bench_die("wake: the pipe is broken");
}

static uint64_t hear(int in)
{
    uint64_t when;

    if (read(in, &when, sizeof when) != (ssize_t)sizeof when)
        bench_die("wake: the reader is gone");
    return when;
}

static void pause_a_little(struct test_rng *rng)
{
    long us = PAUSE_MIN_US + (long)test_rng_below(rng, PAUSE_MAX_US - PAUSE_MIN_US);
    struct timespec time = {.tv_nsec = us * 1000};

    nanosleep(&time, NULL);
}

/* ---- the reader's process ---- */

static void read_bare(const char *path, size_t count, int out)
{
    int wake = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    off_t at = 0;
    char data[65536], events[4096];

    if (wake < 0 || file < 0 || inotify_add_watch(wake, path, IN_MODIFY) < 0)
        bench_die("wake: inotify on %s", path);
    tell(out, 0);
    while (count > 0) {
        ssize_t got;
        wait_for(wake);
        if (read(wake, events, sizeof events) <= 0)
            bench_die("wake: inotify");
        got = pread(file, data, sizeof data, at);
        if (got <= 0)
            continue;
        at += got;
        tell(out, bench_now_ns());
        count--;
    }
}

static void read_journal(const char *path, size_t count, int out)
{
    const struct avj_journal_options options = {.read_only = true};
    struct avj_journal *journal;
    struct avj_cursor *cursor;
    struct avj_record record;
    struct avj_error err;
    int wake;

    bench_ok(avj_journal_open(path, &options, &journal, &err), &err, "wake");
    bench_ok(avj_cursor_open(journal, 0, &cursor, &err), &err, "wake");
    wake = avj_journal_wake_fd(journal);
    if (wake < 0)
        bench_die("wake: no descriptor to wait for");
    tell(out, 0);
    while (count > 0) {
        enum avj_status status;
        wait_for(wake);
        avj_journal_woken(journal);
        while ((status = avj_cursor_next(cursor, &record, &err)) == AVJ_OK) {
            tell(out, bench_now_ns());
            count--;
        }
        if (status != AVJ_END)
            bench_ok(status, &err, "wake");
    }
    avj_cursor_close(cursor);
    avj_journal_close(journal);
}

struct reader {
    pid_t pid;
    int in;
};

static struct reader start_reader(void (*read_all)(const char *path, size_t count, int out),
                                  const char *path, size_t count)
{
    int ends[2];
    struct reader reader;

    if (pipe2(ends, O_CLOEXEC) < 0 || (reader.pid = fork()) < 0)
        bench_die("wake: can not start a process");
    if (reader.pid == 0) {
        close(ends[0]);
        read_all(path, count, ends[1]);
        _exit(0);
    }
    close(ends[1]);
    reader.in = ends[0];
    (void)hear(reader.in);
    return reader;
}

static void end_reader(struct reader *reader)
{
    int status;

    close(reader->in);
    if (waitpid(reader->pid, &status, 0) < 0 || status != 0)
        bench_die("wake: the reader failed");
}

/* ---- the writer ---- */

/* The journal's way to its files, which notes when a frame is written. */
static struct avj_io noting;
static _Atomic uint64_t frame_written_ns; /* any thread of the journal may write */

static ssize_t noting_pwrite(void *ctx, int file, const void *data, size_t len, uint64_t offset)
{
    if (len >= 4 && memcmp(data, "AVJF", 4) == 0)
        frame_written_ns = bench_now_ns();
    return avj_io_posix()->pwrite(ctx, file, data, len, offset);
}

struct writer {
    const struct bench *bench;
    int file; /* of the bare limit */
    off_t at;
    struct avj_journal *journal;
    enum avj_durability durability;
    bool from_the_write;
};

/* Both give the time from which the reader's is measured. */
static uint64_t write_bare(struct writer *w, const struct avj_slice *entry)
{
    uint64_t start = bench_now_ns();

    if (pwrite(w->file, entry->data, entry->len, w->at) != (ssize_t)entry->len)
        bench_die("wake: writing a bare file failed");
    w->at += (off_t)entry->len;
    return start;
}

static uint64_t write_journal(struct writer *w, const struct avj_slice *entry)
{
    uint64_t start = bench_now_ns();
    struct avj_error err;

    bench_ok(avj_journal_append(w->journal, entry, 1, w->durability, NULL, &err), &err, "wake");
    return w->from_the_write ? frame_written_ns : start;
}

static void measure(struct writer *w, const char *engine, struct reader *reader,
                    uint64_t (*write_one)(struct writer *w, const struct avj_slice *entry))
{
    size_t ops = w->bench->ops;
    uint64_t *ns = bench_calloc(ops, sizeof *ns);
    struct test_rng rng;

    test_rng_init(&rng, 3);
    for (size_t i = 0; i < ops; i++) {
        uint64_t start, seen;
        pause_a_little(&rng);
        start = write_one(w, &w->bench->items[i].entry);
        seen = hear(reader->in);
        ns[i] = seen > start ? seen - start : 0;
    }
    bench_add_latencies("wake", engine, ns, ops);
    free(ns);
}

static void by_hand(const struct bench *bench)
{
    char *path = test_path(bench->dir, "wake-file");
    struct writer w = {.bench = bench};
    struct reader reader;

    w.file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (w.file < 0)
        bench_die("wake: can not create %s", path);
    reader = start_reader(read_bare, path, bench->ops);
    measure(&w, "inotify+pwrite", &reader, write_bare);
    end_reader(&reader);
    close(w.file);
    (void)unlink(path);
    free(path);
}

static void by_journal(const struct bench *bench, const char *engine,
                       enum avj_durability durability)
{
    struct avj_journal_options options = {.compression_level = bench->level, .io = &noting};
    char *path = test_path(bench->dir, "wake-journal");
    struct writer w = {.bench = bench, .durability = durability};
    struct reader reader;
    struct avj_error err;

    w.from_the_write = durability == AVJ_DURABLE;
    noting = *avj_io_posix();
    noting.pwrite = noting_pwrite;
    bench_ok(avj_journal_create(path, &options, &err), &err, "wake");
    reader = start_reader(read_journal, path, bench->ops);
    bench_ok(avj_journal_open(path, &options, &w.journal, &err), &err, "wake");
    measure(&w, engine, &reader, write_journal);
    end_reader(&reader);
    avj_journal_close(w.journal);
    test_dir_free(path);
}

void bench_wake(struct bench *bench)
{
    by_hand(bench);
    by_journal(bench, "journal", AVJ_RELAXED);
    by_journal(bench, "journal-durable", AVJ_DURABLE);
}

#else

/* The journal has no wake descriptor here. */
void bench_wake(struct bench *bench)
{
    (void)bench;
}

#endif
