/* Bulk append in batches, not synced, and what it takes on disk. */
#include "tests/bench/bench.h"
#include "tests/support/files.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zstd.h>

static const char name[] = "bulk-append";

static void add_rate(const struct bench *bench, const char *engine, uint64_t ns)
{
    double seconds = (double)ns / 1e9;

    bench_add(name, engine, bench->messages, "msgs/s", (double)bench->messages / seconds);
    bench_add(name, engine, bench->messages, "MB/s", (double)bench->entry_bytes / 1e6 / seconds);
}

static void add_disk(const struct bench *bench, const char *engine, uint64_t bytes)
{
    bench_add("disk-bulk", engine, bench->messages, "bytes/message",
              (double)bytes / (double)bench->messages);
    bench_add("disk-bulk", engine, bench->messages, "of the JSON",
              (double)bytes / (double)bench->json_bytes);
}

static void by_journal(struct bench *bench)
{
    char *dir = test_path(bench->dir, "journal");
    struct avj_journal_options options = {.compression_level = bench->level};
    struct avj_slice batch[BENCH_BATCH];
    struct avj_journal_info info;
    struct avj_journal *journal;
    struct avj_error err;
    uint64_t start;

    bench_ok(avj_journal_create(dir, &options, &err), &err, "journal");
    bench_ok(avj_journal_open(dir, &options, &journal, &err), &err, "journal");
    start = bench_now_ns();
    for (size_t from = 0; from < bench->count;) {
        size_t end = bench_batch_end(bench, from);
        for (size_t i = from; i < end; i++)
            batch[i - from] = bench->items[i].entry;
        bench_ok(avj_journal_append(journal, batch, end - from, AVJ_RELAXED, NULL, &err), &err,
                 "journal");
        from = end;
    }
    add_rate(bench, "journal", bench_now_ns() - start);
    bench_ok(avj_journal_info(journal, &info, &err), &err, "journal");
    add_disk(bench, "journal", info.bytes);
    avj_journal_close(journal);
    test_dir_free(dir);
}

static void by_store(struct bench *bench)
{
    char *dir = test_path(bench->dir, "store");
    struct avj_store_options options = {.journal.compression_level = bench->level};
    struct avj_mutation batch[BENCH_BATCH];
    struct avj_store *store;
    struct avj_error err;
    uint64_t start;

    bench_ok(avj_store_create(dir, NULL, &options, &err), &err, "store");
    bench_ok(avj_store_open(dir, &options, &store, &err), &err, "store");
    start = bench_now_ns();
    for (size_t from = 0; from < bench->count;) {
        size_t end = bench_batch_end(bench, from);
        for (size_t i = from; i < end; i++)
            batch[i - from] = (struct avj_mutation){AVJ_CREATE, bench->items[i].entity,
                                                    bench->items[i].id, bench->items[i].fields};
        bench_ok(avj_store_mutate(store, batch, end - from, AVJ_RELAXED, NULL, &err), &err,
                 "store");
        from = end;
    }
    add_rate(bench, "store", bench_now_ns() - start);
    avj_store_close(store);
    test_dir_free(dir);
}

static void by_sqlite(struct bench *bench, const char *synchronous, const char *engine)
{
    char *dir = test_path(bench->dir, "sqlite-bulk"), *path = test_path(dir, "db");
    struct bench_sqlite *db;
    uint64_t start;

    if (mkdir(dir, 0700) < 0)
        bench_die("make %s", dir);
    db = bench_sqlite_open(path, synchronous);
    start = bench_now_ns();
    for (size_t from = 0; db && from < bench->count;) {
        size_t end = bench_batch_end(bench, from);
        bench_sqlite_begin(db);
        for (; from < end; from++)
            bench_sqlite_insert(db, bench->items[from].entry);
        bench_sqlite_commit(db);
    }
    if (db) {
        add_rate(bench, engine, bench_now_ns() - start);
        bench_sqlite_checkpoint(db);
        add_disk(bench, engine, test_file_size(path));
    }
    bench_sqlite_close(db);
    free(path);
    test_dir_free(dir);
}

/* The limit of a compressed log: zstd on the same bytes in the same blocks, nothing written. */
static void by_zstd(struct bench *bench)
{
    size_t cap = AVJ_FRAME_RAW_MAX, out_cap = ZSTD_compressBound(cap);
    uint8_t *in = malloc(cap), *out = malloc(out_cap);
    ZSTD_CCtx *context = ZSTD_createCCtx();
    uint64_t ns = 0;

    if (!in || !out || !context)
        bench_die("out of memory");
    for (size_t from = 0; from < bench->count;) {
        size_t end = bench_batch_end(bench, from), len = 0;
        uint64_t start;
        for (; from < end; from++) {
            memcpy(in + len, bench->items[from].entry.data, bench->items[from].entry.len);
            len += bench->items[from].entry.len;
        }
        start = bench_now_ns();
        if (ZSTD_isError(ZSTD_compressCCtx(context, out, out_cap, in, len, bench->level)))
            bench_die("zstd failed");
        ns += bench_now_ns() - start;
    }
    add_rate(bench, "zstd", ns);
    ZSTD_freeCCtx(context);
    free(in);
    free(out);
}

void bench_bulk(struct bench *bench)
{
    by_zstd(bench);
    by_journal(bench);
    by_store(bench);
    by_sqlite(bench, "NORMAL", "sqlite-wal-normal");
    by_sqlite(bench, "FULL", "sqlite-wal-full");
}
