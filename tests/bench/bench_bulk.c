/* Relaxed appends, in batches and one at a time, and what they take on disk. */
#include "tests/bench/engines.h"

#ifdef __linux__
#include <sched.h>
#endif

/* One of the two benchmarks of this file. */
struct kind {
    const char *name, *disk;
    size_t batch;
    enum bench_blocks blocks;
};

static const struct kind bulk = {"bulk-append", "disk-bulk", BENCH_BATCH, BENCH_BLOCKS_BATCH};
static const struct kind single = {"single-append", "disk-one-at-a-time", 1, BENCH_BLOCKS_MESSAGE};

static void add_rate(const struct bench *bench, const struct kind *kind, const char *engine,
                     uint64_t ns)
{
    double seconds = (double)ns / 1e9;

    bench_add(kind->name, engine, bench->messages, "msgs/s", (double)bench->messages / seconds);
    bench_add(kind->name, engine, bench->messages, "MB/s",
              (double)bench->entry_bytes / 1e6 / seconds);
}

static void add_cpu(const struct bench *bench, const struct kind *kind, const char *engine,
                    uint64_t ns)
{
    bench_add(kind->name, engine, bench->messages, "CPU us/message",
              (double)ns / 1e3 / (double)bench->messages);
}

static void add_disk(const struct bench *bench, const char *name, const char *engine,
                     const char *unit, const char *of_json, uint64_t bytes)
{
    bench_add(name, engine, bench->messages, unit, (double)bytes / (double)bench->messages);
    bench_add(name, engine, bench->messages, of_json, (double)bytes / (double)bench->json_bytes);
}

#ifdef __linux__
/* Keeps this thread, and those that are begun from it, on one processor; gives what was before. */
static cpu_set_t stay_on_one_core(void)
{
    cpu_set_t before, one;
    int cpu = sched_getcpu();
    size_t number = cpu < 0 ? 0 : (size_t)cpu;

    CPU_ZERO(&one);
    CPU_SET(number, &one);
    if (sched_getaffinity(0, sizeof before, &before) < 0 ||
        sched_setaffinity(0, sizeof one, &one) < 0)
        bench_die("can not stay on one processor");
    return before;
}

static void roam(const cpu_set_t *before)
{
    if (sched_setaffinity(0, sizeof *before, before) < 0)
        bench_die("can not leave the one processor");
}
#endif

static void by_engine(const struct bench *bench, const struct kind *kind,
                      const struct engine *engine)
{
    struct engine_run run = engine_start(bench, engine, false);
    uint64_t start = bench_now_ns(), cpu = bench_cpu_ns(), ns, counted;

    for (size_t from = 0, end; from < bench->count; from = end) {
        end = bench_batch_end(bench, from, kind->batch);
        engine->append(run.state, &bench->items[from], end - from);
    }
    ns = bench_now_ns() - start;
    counted = engine->counted ? engine->counted(run.state) : 0;
    engine_close(&run);
    add_rate(bench, kind, engine->name, ns);
    bench_add(kind->name, engine->name, bench->messages, "msgs/s with close",
              (double)bench->messages * 1e9 / (double)(bench_now_ns() - start));
    add_cpu(bench, kind, engine->name, bench_cpu_ns() - cpu);
    add_disk(bench, kind->disk, engine->name, "bytes/message", "of the JSON", engine_finish(&run));
    if (engine->counted)
        add_disk(bench, kind->disk, engine->name, "bytes/message counted", "of the JSON counted",
                 counted);
}

static void by_engine_on_its_cores(const struct bench *bench, const struct kind *kind,
                                   const struct engine *engine)
{
#ifdef __linux__
    if (engine->uses & ENGINE_ONE_CORE) {
        cpu_set_t before = stay_on_one_core();
        by_engine(bench, kind, engine);
        roam(&before);
        return;
    }
#endif
    by_engine(bench, kind, engine);
}

static void by_zstd(const struct bench *bench, const struct kind *kind, const char *engine,
                    enum bench_blocks blocks)
{
    struct bench_zstd zstd = bench_zstd(bench, blocks);

    add_rate(bench, kind, engine, zstd.compress_ns);
    add_cpu(bench, kind, engine, zstd.compress_cpu_ns);
    add_disk(bench, kind->disk, engine, "bytes/message", "of the JSON", zstd.stored);
}

static void measure(const struct bench *bench, const struct kind *kind)
{
    const struct engine *engines[ENGINES_MAX];
    size_t count = engines_for(bench, ENGINE_RELAXED, engines);

    by_zstd(bench, kind, "zstd", kind->blocks);
    if (kind->blocks != BENCH_BLOCKS_MESSAGE)
        by_zstd(bench, kind, "zstd-64k", BENCH_BLOCKS_64K);
    for (size_t k = 0; k < count; k++)
        by_engine_on_its_cores(bench, kind, engines[k]);
}

void bench_bulk(struct bench *bench)
{
    measure(bench, &bulk);
}

void bench_single(struct bench *bench)
{
    measure(bench, &single);
}
