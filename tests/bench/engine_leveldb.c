/* LevelDB: entries by number, its own defaults.  Durable with `sync`, relaxed without. */
#include "tests/bench/engines.h"

#ifdef BENCH_LEVELDB

#include <leveldb/c.h>
#include <stdlib.h>

struct state {
    leveldb_options_t *options;
    leveldb_t *db;
    leveldb_writeoptions_t *write;
    leveldb_writebatch_t *batch;
    uint64_t next;
};

static void check(const char *error)
{
    if (error)
        bench_die("LevelDB: %s", error);
}

/* Big-endian: byte order is number order. */
static void put_key(uint64_t number, char key[8])
{
    for (int i = 7; i >= 0; i--, number >>= 8)
        key[i] = (char)(number & 0xff);
}

static void *open_leveldb(const struct engine *engine, const struct engine_place *place)
{
    struct state *s = bench_calloc(1, sizeof *s);
    char *error = NULL;

    (void)engine;
    s->options = leveldb_options_create();
    leveldb_options_set_create_if_missing(s->options, 1);
    leveldb_options_set_compression(s->options, leveldb_snappy_compression);
    s->db = leveldb_open(s->options, place->dir, &error);
    check(error);
    s->write = leveldb_writeoptions_create();
    leveldb_writeoptions_set_sync(s->write, place->durable);
    s->batch = leveldb_writebatch_create();
    return s;
}

static void append(void *state, const struct bench_item *items, size_t count)
{
    struct state *s = state;
    char *error = NULL, key[8];

    leveldb_writebatch_clear(s->batch);
    for (size_t i = 0; i < count; i++) {
        put_key(s->next++, key);
        leveldb_writebatch_put(s->batch, key, sizeof key, items[i].entry.data, items[i].entry.len);
    }
    leveldb_write(s->db, s->write, s->batch, &error);
    check(error);
}

static void scan(void *state, struct engine_scan *seen)
{
    struct state *s = state;
    leveldb_readoptions_t *read = leveldb_readoptions_create();
    leveldb_iterator_t *it = leveldb_create_iterator(s->db, read);
    char *error = NULL;
    size_t len;

    for (leveldb_iter_seek_to_first(it); leveldb_iter_valid(it); leveldb_iter_next(it)) {
        const char *value = leveldb_iter_value(it, &len);
        engine_saw(seen, value, len);
    }
    leveldb_iter_get_error(it, &error);
    check(error);
    leveldb_iter_destroy(it);
    leveldb_readoptions_destroy(read);
}

static void close_leveldb(void *state)
{
    struct state *s = state;

    leveldb_writebatch_destroy(s->batch);
    leveldb_writeoptions_destroy(s->write);
    leveldb_close(s->db);
    leveldb_options_destroy(s->options);
    free(s);
}

const struct engine engine_leveldb = {
    .name = "leveldb",
    .uses = ENGINE_DURABLE | ENGINE_RELAXED | ENGINE_SCAN,
    .open = open_leveldb,
    .append = append,
    .scan = scan,
    .close = close_leveldb,
};

#else
const struct engine engine_leveldb = {.name = "leveldb", .package = "libleveldb-dev"};
#endif
