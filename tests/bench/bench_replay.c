/* Reading everything back: the cursor, the store's replay to a view, zstd on the same blocks,
 * SQLite's scan. */
#include "tests/bench/bench.h"
#include "tests/support/files.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zstd.h>

static const char name[] = "replay";

static void add_rate(const struct bench *bench, const char *engine, uint64_t ns, size_t records,
                     uint64_t bytes)
{
    double seconds = (double)ns / 1e9;

    bench_add(name, engine, bench->messages, "records/s", (double)records / seconds);
    bench_add(name, engine, bench->messages, "MB/s", (double)bytes / 1e6 / seconds);
}

static char *written_journal(struct bench *bench)
{
    char *dir = test_path(bench->dir, "replay");
    struct avj_store_options options = {.journal.compression_level = bench->level};
    struct avj_mutation batch[BENCH_BATCH];
    struct avj_store *store;
    struct avj_error err;

    bench_ok(avj_store_create(dir, NULL, &options, &err), &err, "store");
    bench_ok(avj_store_open(dir, &options, &store, &err), &err, "store");
    for (size_t from = 0; from < bench->count;) {
        size_t end = bench_batch_end(bench, from);
        for (size_t i = from; i < end; i++)
            batch[i - from] = (struct avj_mutation){AVJ_CREATE, bench->items[i].entity,
                                                    bench->items[i].id, bench->items[i].fields};
        bench_ok(avj_store_mutate(store, batch, end - from, AVJ_RELAXED, NULL, &err), &err,
                 "store");
        from = end;
    }
    avj_store_close(store);
    return dir;
}

static void by_cursor(struct bench *bench, const char *dir)
{
    const struct avj_journal_options options = {.read_only = true};
    struct avj_journal *journal;
    struct avj_cursor *cursor;
    struct avj_record record;
    struct avj_error err;
    enum avj_status status;
    uint64_t start = bench_now_ns(), bytes = 0;
    size_t records = 0;

    bench_ok(avj_journal_open(dir, &options, &journal, &err), &err, "journal");
    bench_ok(avj_cursor_open(journal, 0, &cursor, &err), &err, "cursor");
    while ((status = avj_cursor_next(cursor, &record, &err)) == AVJ_OK) {
        bytes += record.len;
        records++;
    }
    if (status != AVJ_END || records < bench->count)
        bench_die("cursor: %zu of %zu records: %s", records, bench->count, err.message);
    add_rate(bench, "cursor", bench_now_ns() - start, records, bytes);
    avj_cursor_close(cursor);
    avj_journal_close(journal);
}

/* To a view that is ready: opened, every entry folded. */
static void by_store(struct bench *bench, const char *dir)
{
    const struct avj_store_options options = {.read_only = true};
    struct avj_store *store;
    struct avj_error err;
    const struct avj_doc *docs;
    size_t count;
    uint64_t start = bench_now_ns(), ns;

    bench_ok(avj_store_open(dir, &options, &store, &err), &err, "store");
    ns = bench_now_ns() - start;
    bench_ok(avj_store_list(store, AVJ_MESSAGE, &docs, &count, &err), &err, "store");
    if (count != bench->messages)
        bench_die("store: %zu of %zu messages", count, bench->messages);
    add_rate(bench, "store-open", ns, bench->count, bench->entry_bytes);
    bench_add("open", "store", bench->messages, "ms", (double)ns / 1e6);
    avj_store_close(store);
}

static void by_zstd(struct bench *bench)
{
    size_t cap = AVJ_FRAME_RAW_MAX, out_cap = ZSTD_compressBound(cap);
    uint8_t *in = malloc(cap), *out = malloc(out_cap), *back = malloc(cap);
    ZSTD_CCtx *compress = ZSTD_createCCtx();
    ZSTD_DCtx *decompress = ZSTD_createDCtx();
    uint64_t ns = 0;

    if (!in || !out || !back || !compress || !decompress)
        bench_die("out of memory");
    for (size_t from = 0; from < bench->count;) {
        size_t end = bench_batch_end(bench, from), len = 0, stored;
        uint64_t start;
        for (; from < end; from++) {
            memcpy(in + len, bench->items[from].entry.data, bench->items[from].entry.len);
            len += bench->items[from].entry.len;
        }
        stored = ZSTD_compressCCtx(compress, out, out_cap, in, len, bench->level);
        start = bench_now_ns();
        if (ZSTD_isError(stored) || ZSTD_decompressDCtx(decompress, back, cap, out, stored) != len)
            bench_die("zstd failed");
        ns += bench_now_ns() - start;
    }
    add_rate(bench, "zstd", ns, bench->count, bench->entry_bytes);
    ZSTD_freeCCtx(compress);
    ZSTD_freeDCtx(decompress);
    free(in);
    free(out);
    free(back);
}

static void by_sqlite(struct bench *bench)
{
    char *dir = test_path(bench->dir, "sqlite-scan"), *path = test_path(dir, "db");
    struct bench_sqlite *db;

    if (mkdir(dir, 0700) < 0)
        bench_die("make %s", dir);
    db = bench_sqlite_open(path, "OFF");
    if (db) {
        uint64_t start, bytes;
        size_t rows;
        bench_sqlite_begin(db);
        for (size_t i = 0; i < bench->count; i++)
            bench_sqlite_insert(db, bench->items[i].entry);
        bench_sqlite_commit(db);
        bench_sqlite_checkpoint(db);
        start = bench_now_ns();
        rows = bench_sqlite_scan(db, &bytes);
        if (rows != bench->count)
            bench_die("SQLite: %zu of %zu rows", rows, bench->count);
        add_rate(bench, "sqlite-scan", bench_now_ns() - start, rows, bytes);
    }
    bench_sqlite_close(db);
    free(path);
    test_dir_free(dir);
}

/* Every read is warm: the files were written just before. */
void bench_replay(struct bench *bench)
{
    char *dir = written_journal(bench);

    by_zstd(bench);
    by_cursor(bench, dir);
    by_store(bench, dir);
    by_sqlite(bench);
    test_dir_free(dir);
}
