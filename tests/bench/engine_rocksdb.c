/*
 * RocksDB: entries by number, its own defaults; once plain and once with a WAL compressed by zstd.
 * Durable with `sync`, relaxed without; the WAL is written in both.  Versions before 7.10.2 cannot
 * read a compressed WAL back when a batch passed 32 KiB: here it is only read while it is open.
 */
#include "tests/bench/engines.h"

#ifdef BENCH_ROCKSDB

#include <rocksdb/c.h>
#include <stdlib.h>

struct state {
    rocksdb_options_t *options;
    rocksdb_t *db;
    rocksdb_writeoptions_t *write;
    rocksdb_writebatch_t *batch;
    uint64_t next;
};

static void check(const char *error)
{
    if (error)
        bench_die("RocksDB: %s", error);
}

/* Big-endian: byte order is number order. */
static void put_key(uint64_t number, char key[8])
{
    for (int i = 7; i >= 0; i--, number >>= 8)
        key[i] = (char)(number & 0xff);
}

static void *open_rocksdb(const struct engine *engine, const struct engine_place *place)
{
    struct state *s = bench_calloc(1, sizeof *s);
    char *error = NULL;

    s->options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(s->options, 1);
    rocksdb_options_set_wal_compression(s->options, engine->variant);
    s->db = rocksdb_open(s->options, place->dir, &error);
    check(error);
    s->write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(s->write, place->durable);
    s->batch = rocksdb_writebatch_create();
    return s;
}

static void append(void *state, const struct bench_item *items, size_t count)
{
    struct state *s = state;
    char *error = NULL, key[8];

    rocksdb_writebatch_clear(s->batch);
    for (size_t i = 0; i < count; i++) {
        put_key(s->next++, key);
        rocksdb_writebatch_put(s->batch, key, sizeof key, items[i].entry.data, items[i].entry.len);
    }
    rocksdb_write(s->db, s->write, s->batch, &error);
    check(error);
}

static void scan(void *state, struct engine_scan *seen)
{
    struct state *s = state;
    rocksdb_readoptions_t *read = rocksdb_readoptions_create();
    rocksdb_iterator_t *it = rocksdb_create_iterator(s->db, read);
    char *error = NULL;
    size_t len;

    for (rocksdb_iter_seek_to_first(it); rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
        const char *value = rocksdb_iter_value(it, &len);
        engine_saw(seen, value, len);
    }
    rocksdb_iter_get_error(it, &error);
    check(error);
    rocksdb_iter_destroy(it);
    rocksdb_readoptions_destroy(read);
}

static void close_rocksdb(void *state)
{
    struct state *s = state;

    rocksdb_writebatch_destroy(s->batch);
    rocksdb_writeoptions_destroy(s->write);
    rocksdb_close(s->db);
    rocksdb_options_destroy(s->options);
    free(s);
}

const struct engine engine_rocksdb = {
    .name = "rocksdb",
    .uses = ENGINE_DURABLE | ENGINE_RELAXED | ENGINE_SCAN,
    .variant = rocksdb_no_compression,
    .open = open_rocksdb,
    .append = append,
    .scan = scan,
    .close = close_rocksdb,
};

const struct engine engine_rocksdb_wal_zstd = {
    .name = "rocksdb-wal-zstd",
    .uses = ENGINE_DURABLE | ENGINE_RELAXED,
    .variant = rocksdb_zstd_compression,
    .open = open_rocksdb,
    .append = append,
    .scan = scan,
    .close = close_rocksdb,
};

#else
const struct engine engine_rocksdb = {.name = "rocksdb", .package = "librocksdb-dev"};
const struct engine engine_rocksdb_wal_zstd = {.name = "rocksdb-wal-zstd",
                                               .package = "librocksdb-dev"};
#endif
