/* The table of engines: see engines.h. */
#include "tests/bench/engines.h"
#include "tests/support/files.h"

#include <string.h>
#include <sys/stat.h>

const struct engine *const engine_table[] = {
    &engine_bare_growing,
    &engine_bare_zeroed,
    &engine_bare_direct,
    &engine_journal,
    &engine_journal_one_core,
    &engine_store,
    &engine_sqlite_blobs_full,
    &engine_sqlite_blobs_normal,
    &engine_sqlite_blobs_off,
    &engine_sqlite_chat_full,
    &engine_sqlite_chat_normal,
    &engine_sqlite_chat_off,
    &engine_lmdb,
    &engine_leveldb,
    &engine_rocksdb,
    &engine_rocksdb_wal_zstd,
    NULL,
};

_Static_assert(sizeof engine_table / sizeof engine_table[0] - 1 <= ENGINES_MAX, "ENGINES_MAX");

static bool takes_part(const struct bench *bench, const struct engine *engine, enum engine_use use)
{
    return !engine->package && (engine->uses & use) &&
           (!bench->engine || strcmp(bench->engine, engine->name) == 0);
}

size_t engines_for(const struct bench *bench, enum engine_use use,
                   const struct engine *out[ENGINES_MAX])
{
    const struct engine *some[ENGINES_MAX];
    size_t count = 0;

    for (size_t i = 0; engine_table[i]; i++)
        if (takes_part(bench, engine_table[i], use))
            some[count++] = engine_table[i];
    for (size_t i = 0; i < count; i++)
        out[i] = some[(i + (size_t)bench->round) % count];
    return count;
}

bool engine_exists(const char *name)
{
    for (size_t i = 0; engine_table[i]; i++)
        if (strcmp(engine_table[i]->name, name) == 0)
            return true;
    return false;
}

void engine_saw(struct engine_scan *scan, const void *data, size_t len)
{
    const uint8_t *bytes = data;

    scan->count++;
    scan->bytes += len;
    if (scan->verify)
        scan->digest += avj_hash64(data, len);
    else if (len > 0)
        scan->digest += (uint64_t)bytes[0] + bytes[len - 1];
}

void engine_check(const struct bench *bench, const struct engine_run *run, size_t count)
{
    struct engine_scan scan = {.verify = true}, want = {.verify = true};

    if (!run->engine->scan)
        return;
    run->engine->scan(run->state, &scan);
    for (size_t i = 0; i < count; i++)
        engine_saw(&want, bench->items[i].entry.data, bench->items[i].entry.len);
    if (scan.count != count)
        bench_die("%s: %zu of %zu are there", run->engine->name, scan.count, count);
    if (!(run->engine->uses & ENGINE_COLUMNS) && scan.digest != want.digest)
        bench_die("%s: what was read is not what was appended", run->engine->name);
}

static uint64_t bytes_to_come(const struct bench *bench, bool durable)
{
    size_t count = durable ? bench->ops : bench->count;
    uint64_t bytes = 0;

    for (size_t i = 0; i < count; i++)
        bytes += bench->items[i].entry.len;
    return bytes;
}

struct engine_run engine_start(const struct bench *bench, const struct engine *engine, bool durable)
{
    struct engine_run run = {.engine = engine, .dir = test_path(bench->dir, "%s", engine->name)};
    struct engine_place place = {run.dir, durable, bytes_to_come(bench, durable), bench->level};

    if (mkdir(run.dir, 0700) < 0)
        bench_die("can not make %s", run.dir);
    run.state = engine->open(engine, &place);
    return run;
}

void engine_close(struct engine_run *run)
{
    if (run->state)
        run->engine->close(run->state);
    run->state = NULL;
}

uint64_t engine_finish(struct engine_run *run)
{
    uint64_t bytes;

    engine_close(run);
    bytes = bench_disk_usage(run->dir);
    test_dir_free(run->dir);
    return bytes;
}
