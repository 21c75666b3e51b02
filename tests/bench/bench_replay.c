/* Reading everything back: the engines' scans, the store's replay to a view, zstd on the same
 * blocks. */
#include "tests/bench/engines.h"
#include "tests/support/files.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char name[] = "replay";

static void add_rate(const struct bench *bench, const char *engine, uint64_t ns, uint64_t bytes)
{
    double seconds = (double)ns / 1e9;

    bench_add(name, engine, bench->messages, "records/s", (double)bench->count / seconds);
    bench_add(name, engine, bench->messages, "MB/s", (double)bytes / 1e6 / seconds);
}

static void fill(const struct bench *bench, const struct engine_run *run)
{
    for (size_t from = 0, end; from < bench->count; from = end) {
        end = bench_batch_end(bench, from, BENCH_BATCH);
        run->engine->append(run->state, &bench->items[from], end - from);
    }
}

static void by_engine(const struct bench *bench, const struct engine *engine)
{
    struct engine_run run = engine_start(bench, engine, false);
    struct engine_scan scan = {0};
    uint64_t start;

    fill(bench, &run);
    engine_check(bench, &run, bench->count);
    start = bench_now_ns();
    engine->scan(run.state, &scan);
    add_rate(bench, engine->name, bench_now_ns() - start, scan.bytes);
    (void)engine_finish(&run);
}

/* To a view that is ready: opened, every entry folded. */
static void open_store(const struct bench *bench, const char *dir)
{
    const struct avj_store_options options = {.read_only = true, .no_snapshots = true};
    struct avj_store *store;
    struct avj_error err;
    struct avj_store_status status;
    uint64_t start = bench_now_ns(), ns;

    bench_ok(avj_store_open(dir, &options, &store, &err), &err, "store");
    ns = bench_now_ns() - start;
    bench_ok(avj_store_status(store, &status, &err), &err, "store");
    if (status.visible[AVJ_MESSAGE] != bench->messages)
        bench_die("store: %" PRIu64 " of %zu messages", status.visible[AVJ_MESSAGE],
                  bench->messages);
    add_rate(bench, "store", ns, bench->entry_bytes);
    bench_add("open", "store", bench->messages, "ms", (double)ns / 1e6);
    avj_store_close(store);
}

static void by_store(const struct bench *bench)
{
    struct engine_run run;
    char *dir;

    if (bench->engine && strcmp(bench->engine, "store") != 0)
        return;
    run = engine_start(bench, &engine_store, false);
    dir = test_path(run.dir, "store");
    fill(bench, &run);
    open_store(bench, dir);
    (void)engine_finish(&run);
    free(dir);
}

static void by_zstd(const struct bench *bench, const char *engine, enum bench_blocks blocks)
{
    struct bench_zstd zstd = bench_zstd(bench, blocks);

    add_rate(bench, engine, zstd.decompress_ns, zstd.raw);
}

/* Every read is warm: the files were written just before. */
void bench_replay(struct bench *bench)
{
    const struct engine *engines[ENGINES_MAX];
    size_t count = engines_for(bench, ENGINE_SCAN, engines);

    by_zstd(bench, "zstd", BENCH_BLOCKS_BATCH);
    by_zstd(bench, "zstd-64k", BENCH_BLOCKS_64K);
    for (size_t k = 0; k < count; k++)
        by_engine(bench, engines[k]);
    by_store(bench);
}
