/* The checker against a journal that others append to meanwhile: what is in the making is not
 * damage. */
#include "tests/integration/fsck_case.h"

#include "tests/support/rng.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- in use ---- */

/* One process of several that append, bounded so that a check of it all stays quick; ends by being
 * killed, or with 3 on an error. */
static void write_on(const char *dir, unsigned kind)
{
    alarm(120); /* nobody is left behind by a test that was killed */
    struct avj_journal_options options = {.segment_target = 64 * 1024};
    struct avj_journal *journal;
    struct avj_pack pack = {0};
    struct test_rng rng;

    if (avj_journal_open(dir, &options, &journal, NULL) != AVJ_OK)
        _exit(3);
    test_rng_init(&rng, kind);
    for (uint64_t n = 2; n < 400; n++) {
        struct avj_slice records[8];
        add_local(&pack, n * 16 + kind);
        size_t count = 1 + test_rng_below(&rng, 8);
        for (size_t i = 0; i < count; i++)
            records[i] = (struct avj_slice){pack.data, pack.len};
        enum avj_durability durability = n % 8 ? AVJ_RELAXED : AVJ_DURABLE;
        enum avj_status status =
            avj_journal_append(journal, records, count, durability, NULL, NULL);
        if (status != AVJ_OK && status != AVJ_ELOCKED)
            _exit(3);
    }
    for (;;)
        pause();
}

static void end_writer(pid_t child)
{
    int status;

    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status)); /* it had no error of its own */
}

#define WRITERS 3

/* Checks while it grows; returns whether every check was calm. */
static bool check_while_written(const char *dir, unsigned checks, uint64_t *records)
{
    bool calm = true;
    pid_t writers[WRITERS];

    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = fork();
        assert_true(writers[i] >= 0);
        if (writers[i] == 0)
            write_on(dir, i);
    }
    for (unsigned run = 0; run < checks && calm; run++) {
        struct seen seen;
        check(dir, &seen);
        calm = seen.code == FSCK_CLEAN && seen.findings == 0 && seen.summary.records >= *records;
        if (!calm)
            print_seen(&seen);
        *records = seen.summary.records;
    }
    for (unsigned i = 0; i < WRITERS; i++)
        end_writer(writers[i]);
    return calm;
}

static void a_journal_in_use_never_looks_damaged(void **state)
{
    (void)state;
    uint64_t grown = 0;

    for (unsigned round = 0; round < 16; round++) {
        struct fixture *f;
        uint64_t records = 0;
        setup((void **)&f);
        bool calm = check_while_written(f->dir, 12, &records);
        grown += records - f->records;
        teardown((void **)&f);
        assert_true(calm);
    }
    assert_true(grown > 0); /* else nothing was raced */
}

/* ---- every interleaving with one write ---- */

/*
 * The file system with a writer in it: at call `start` it takes the append lock and writes the
 * first half of a frame; `pause` calls later (a sleep is one) the other half, and lets go.
 */
struct writer {
    const char *dir;
    char *segment;
    uint8_t *bytes; /* of the frame */
    size_t len;
    uint64_t offset;
    uint64_t calls, start, pause;
    int file, lock;
    bool begun, ended;
};

static void write_half(struct writer *w, size_t from, size_t to)
{
    const struct avj_io *io = avj_io_posix();
    size_t done;

    if (avj_io_write_full(io, w->file, w->bytes + from, to - from, w->offset + from, &done) < 0)
        abort();
}

static void writer_begins(struct writer *w)
{
    const struct avj_io *io = avj_io_posix();
    char *lock = test_path(w->dir, "lock");

    w->lock = io->open(io->ctx, lock, AVJ_OPEN_WRITE);
    w->file = io->open(io->ctx, w->segment, AVJ_OPEN_WRITE);
    free(lock);
    if (w->lock < 0 || w->file < 0)
        abort();
    if (io->try_lock(io->ctx, w->lock) != AVJ_LOCK_TAKEN) {
        /* The checker looks in peace: the writer waits, as they all do. */
        io->close(io->ctx, w->lock);
        io->close(io->ctx, w->file);
        return;
    }
    w->begun = true;
    w->start = w->calls;
    write_half(w, 0, w->len / 2);
}

static void writer_ends(struct writer *w)
{
    const struct avj_io *io = avj_io_posix();

    write_half(w, w->len / 2, w->len);
    w->ended = true;
    io->close(io->ctx, w->file);
    io->close(io->ctx, w->lock);
}

static void step(void *ctx)
{
    struct writer *w = ctx;

    w->calls++;
    if (!w->begun && w->calls >= w->start)
        writer_begins(w);
    else if (w->begun && !w->ended && w->calls >= w->start + w->pause)
        writer_ends(w);
}

static int step_open(void *ctx, const char *path, unsigned flags)
{
    step(ctx);
    return avj_io_posix()->open(NULL, path, flags);
}

static ssize_t step_pread(void *ctx, int file, void *data, size_t len, uint64_t offset)
{
    step(ctx);
    return avj_io_posix()->pread(NULL, file, data, len, offset);
}

static int64_t step_size(void *ctx, int file)
{
    step(ctx);
    return avj_io_posix()->size(NULL, file);
}

static int step_list(void *ctx, const char *path, int (*each)(void *arg, const char *name),
                     void *arg)
{
    step(ctx);
    return avj_io_posix()->list(NULL, path, each, arg);
}

static void step_sleep(void *ctx, unsigned us)
{
    (void)us;
    step(ctx);
}

/* The writer's frame: what one more append adds to a copy of the journal. */
static void take_frame(struct writer *w, struct fixture *f)
{
    w->dir = f->dir;
    w->segment = segment_path(f->dir, SEGMENTS);
    w->offset = test_file_size(w->segment);
    struct avj_journal *journal = open_it(f->dir);
    append(journal, f->records + 1, AVJ_RELAXED);
    size_t size;
    uint8_t *data = test_read_file(w->segment, &size);
    w->len = size - w->offset;
    w->bytes = malloc(w->len);
    memcpy(w->bytes, data + w->offset, w->len);
    free(data);
    avj_journal_close(journal);
}

static void a_write_at_any_moment_of_the_check_is_no_damage(void **state)
{
    (void)state;
    struct fixture *f;
    struct writer w = {0};
    uint64_t calls = 1000, met = 0;

    setup((void **)&f);
    char *sync = test_path(f->dir, "sync");
    size_t sync_len;
    uint8_t *sync_data = test_read_file(sync, &sync_len);
    take_frame(&w, f);
    /* Closing made the frame durable, which the writer here does not: the witness is put back. */
    test_write_file(sync, sync_data, sync_len);
    struct avj_io io = *avj_io_posix();
    io.ctx = &w;
    io.open = step_open;
    io.pread = step_pread;
    io.size = step_size;
    io.list = step_list;
    io.sleep_us = step_sleep;
    for (uint64_t start = 1; start < calls; start++)
        for (uint64_t pause = 1; pause < 40; pause += 3) {
            struct seen seen;
            test_truncate_file(w.segment, w.offset);
            w.calls = 0;
            w.start = start;
            w.pause = pause;
            w.begun = w.ended = false;
            check_with(f->dir, &(struct fsck_options){.io = &io}, &seen);
            calls = w.calls;
            if (w.begun && !w.ended)
                writer_ends(&w);
            met += seen.summary.records == f->records + 1;
            if (seen.code || seen.findings) {
                print_message("a write at call %llu, %llu calls long:\n", (unsigned long long)start,
                              (unsigned long long)pause);
                print_seen(&seen);
                fail();
            }
        }
    assert_true(met > 0); /* some checks saw it, some did not */
    free(w.bytes);
    free(w.segment);
    free(sync_data);
    free(sync);
    teardown((void **)&f);
}

/* The file system with somebody who appends durably, once, at call `at`. */
struct appender {
    struct avj_journal *journal;
    uint64_t calls, at, next;
};

static void append_at(void *ctx)
{
    struct appender *a = ctx;
    struct avj_pack pack = {0};

    if (++a->calls != a->at)
        return;
    add_local(&pack, a->next++);
    struct avj_slice record = {pack.data, pack.len};
    if (avj_journal_append(a->journal, &record, 1, AVJ_DURABLE, NULL, NULL) != AVJ_OK)
        abort();
    avj_pack_release(&pack);
}

static int append_open(void *ctx, const char *path, unsigned flags)
{
    append_at(ctx);
    return avj_io_posix()->open(NULL, path, flags);
}

static ssize_t append_pread(void *ctx, int file, void *data, size_t len, uint64_t offset)
{
    append_at(ctx);
    return avj_io_posix()->pread(NULL, file, data, len, offset);
}

static int append_list(void *ctx, const char *path, int (*each)(void *arg, const char *name),
                       void *arg)
{
    append_at(ctx);
    return avj_io_posix()->list(NULL, path, each, arg);
}

static void a_durable_append_at_any_moment_of_the_check_is_no_damage(void **state)
{
    (void)state;
    struct fixture *f;
    struct avj_io io = *avj_io_posix();
    struct appender a = {.at = 1};

    setup((void **)&f);
    a.journal = open_it(f->dir);
    a.next = f->records + 1;
    io.ctx = &a;
    io.open = append_open;
    io.pread = append_pread;
    io.list = append_list;
    for (; a.at == 1 || a.calls >= a.at - 1; a.at++) {
        struct seen seen;
        a.calls = 0;
        check_with(f->dir, &(struct fsck_options){.io = &io}, &seen);
        if (seen.code || seen.findings) {
            print_message("an append at call %llu:\n", (unsigned long long)a.at);
            print_seen(&seen);
            fail();
        }
    }
    assert_true(a.at > 20);
    avj_journal_close(a.journal);
    teardown((void **)&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_at_any_moment_of_the_check_is_no_damage),
        cmocka_unit_test(a_durable_append_at_any_moment_of_the_check_is_no_damage),
        cmocka_unit_test(a_journal_in_use_never_looks_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
