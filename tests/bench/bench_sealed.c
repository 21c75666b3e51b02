/*
 * Sealing: what was written one message at a time, rewritten into large frames by
 * avj_journal_maintain; what that takes and saves, and how fast both kinds are read.
 */
#include "tests/bench/engines.h"
#include "tests/support/files.h"

#include <stdlib.h>

static void add_disk(const struct bench *bench, const char *engine, uint64_t bytes)
{
    bench_add("disk-sealed", engine, bench->messages, "bytes/message",
              (double)bytes / (double)bench->messages);
    bench_add("disk-sealed", engine, bench->messages, "of the JSON",
              (double)bytes / (double)bench->json_bytes);
}

static void add_rate(const struct bench *bench, const char *engine, uint64_t ns)
{
    bench_add("sealed", engine, bench->messages, "MB/s",
              (double)bench->entry_bytes * 1e3 / (double)ns);
}

/* Nothing is sealed before it is asked for. */
static struct avj_journal *open_journal(const struct bench *bench, const char *path)
{
    struct avj_journal_options options = {.compression_level = bench->level, .no_background = true};
    struct avj_journal *journal;
    struct avj_error err;

    bench_ok(avj_journal_open(path, &options, &journal, &err), &err, "sealed");
    return journal;
}

static void write_one_at_a_time(const struct bench *bench, const char *path)
{
    struct avj_journal_options options = {.compression_level = bench->level};
    struct avj_journal *journal;
    struct avj_error err;

    bench_ok(avj_journal_create(path, &options, &err), &err, "sealed");
    journal = open_journal(bench, path);
    for (size_t i = 0; i < bench->count; i++)
        bench_ok(avj_journal_append(journal, &bench->items[i].entry, 1, AVJ_RELAXED, NULL, &err),
                 &err, "sealed");
    /* The last segment is never sealed: let that be an empty one. */
    bench_ok(avj_journal_rotate(journal, &err), &err, "sealed");
    avj_journal_close(journal);
}

static void read_all(const struct bench *bench, const char *path, const char *engine)
{
    struct avj_journal *journal = open_journal(bench, path);
    struct avj_cursor *cursor;
    struct avj_record record;
    struct avj_error err;
    enum avj_status status;
    size_t count = 0;
    uint64_t start = bench_now_ns();

    bench_ok(avj_cursor_open(journal, 0, &cursor, &err), &err, "sealed");
    while ((status = avj_cursor_next(cursor, &record, &err)) == AVJ_OK)
        count++;
    if (status != AVJ_END || count != bench->count)
        bench_die("sealed: %zu of %zu records are there", count, bench->count);
    add_rate(bench, engine, bench_now_ns() - start);
    avj_cursor_close(cursor);
    avj_journal_close(journal);
}

static void seal(const struct bench *bench, const char *path)
{
    struct avj_journal *journal = open_journal(bench, path);
    struct avj_error err;
    uint64_t start = bench_now_ns();

    bench_ok(avj_journal_maintain(journal, NULL, NULL, &err), &err, "sealed");
    add_rate(bench, "maintain", bench_now_ns() - start);
    avj_journal_close(journal);
}

void bench_sealed(struct bench *bench)
{
    char *path = test_path(bench->dir, "sealed");

    write_one_at_a_time(bench, path);
    add_disk(bench, "before", bench_disk_usage(path));
    read_all(bench, path, "read before");
    seal(bench, path);
    add_disk(bench, "sealed", bench_disk_usage(path));
    read_all(bench, path, "read sealed");
    test_dir_free(path);
}
