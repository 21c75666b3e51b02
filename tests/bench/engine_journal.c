/* The journal as an engine: entries as records, a transaction is a frame. */
#include "tests/bench/engines.h"
#include "tests/support/files.h"

#include <stdlib.h>

struct state {
    struct avj_journal *journal;
    enum avj_durability durability;
};

static void *open_journal(const struct engine *engine, const struct engine_place *place)
{
    struct state *s = bench_calloc(1, sizeof *s);
    struct avj_journal_options options = {.compression_level = place->level};
    char *path = test_path(place->dir, "journal");
    struct avj_error err;

    (void)engine;
    s->durability = place->durable ? AVJ_DURABLE : AVJ_RELAXED;
    bench_ok(avj_journal_create(path, &options, &err), &err, "journal");
    bench_ok(avj_journal_open(path, &options, &s->journal, &err), &err, "journal");
    free(path);
    return s;
}

static void append(void *state, const struct bench_item *items, size_t count)
{
    struct state *s = state;
    struct avj_slice records[BENCH_BATCH];
    struct avj_error err;

    for (size_t i = 0; i < count; i++)
        records[i] = items[i].entry;
    bench_ok(avj_journal_append(s->journal, records, count, s->durability, NULL, &err), &err,
             "journal");
}

static void scan(void *state, struct engine_scan *seen)
{
    struct state *s = state;
    struct avj_cursor *cursor;
    struct avj_record record;
    struct avj_error err;
    enum avj_status status;

    bench_ok(avj_cursor_open(s->journal, 0, &cursor, &err), &err, "cursor");
    while ((status = avj_cursor_next(cursor, &record, &err)) == AVJ_OK)
        engine_saw(seen, record.data, record.len);
    if (status != AVJ_END)
        bench_ok(status, &err, "cursor");
    avj_cursor_close(cursor);
}

static uint64_t counted(void *state)
{
    struct state *s = state;
    struct avj_journal_info info;
    struct avj_error err;

    bench_ok(avj_journal_info(s->journal, &info, &err), &err, "journal");
    return info.bytes;
}

static void close_journal(void *state)
{
    struct state *s = state;

    avj_journal_close(s->journal);
    free(s);
}

const struct engine engine_journal = {
    .name = "journal",
    .uses = ENGINE_DURABLE | ENGINE_RELAXED | ENGINE_SCAN,
    .open = open_journal,
    .append = append,
    .scan = scan,
    .counted = counted,
    .close = close_journal,
};

const struct engine engine_journal_one_core = {
    .name = "journal-1core",
    .uses = ENGINE_RELAXED | ENGINE_ONE_CORE,
    .open = open_journal,
    .append = append,
    .scan = scan,
    .close = close_journal,
};
