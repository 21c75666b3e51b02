/*
 * LMDB: entries by number, put at the end (MDB_APPEND), which is its fastest way.  Durable as it
 * comes; relaxed with MDB_NOSYNC.
 */
#include "tests/bench/engines.h"

#ifdef BENCH_LMDB

#include <lmdb.h>
#include <stdlib.h>

struct state {
    MDB_env *env;
    MDB_dbi db;
    size_t next;
};

static void check(int status, const char *what)
{
    if (status != MDB_SUCCESS)
        bench_die("LMDB: %s: %s", what, mdb_strerror(status));
}

static MDB_txn *begin(struct state *s, unsigned flags)
{
    MDB_txn *txn;

    check(mdb_txn_begin(s->env, NULL, flags, &txn), "begin");
    return txn;
}

static void *open_lmdb(const struct engine *engine, const struct engine_place *place)
{
    struct state *s = bench_calloc(1, sizeof *s);
    MDB_txn *txn;

    (void)engine;
    check(mdb_env_create(&s->env), "create");
    /* Address space only: what is appended takes up to four times its size in pages. */
    check(mdb_env_set_mapsize(s->env, (place->bytes * 4 + (UINT64_C(256) << 20)) & ~UINT64_C(4095)),
          "map size");
    check(mdb_env_open(s->env, place->dir, place->durable ? 0 : MDB_NOSYNC, 0600), place->dir);
    txn = begin(s, 0);
    check(mdb_dbi_open(txn, NULL, MDB_INTEGERKEY, &s->db), "open");
    check(mdb_txn_commit(txn), "commit");
    return s;
}

static void append(void *state, const struct bench_item *items, size_t count)
{
    struct state *s = state;
    MDB_txn *txn = begin(s, 0);

    for (size_t i = 0; i < count; i++) {
        MDB_val key = {sizeof s->next, &s->next};
        MDB_val value = {items[i].entry.len, (void *)(uintptr_t)items[i].entry.data};
        check(mdb_put(txn, s->db, &key, &value, MDB_APPEND), "put");
        s->next++;
    }
    check(mdb_txn_commit(txn), "commit");
}

static void scan(void *state, struct engine_scan *seen)
{
    struct state *s = state;
    MDB_txn *txn = begin(s, MDB_RDONLY);
    MDB_cursor *cursor;
    MDB_val key, value;
    int status;

    check(mdb_cursor_open(txn, s->db, &cursor), "cursor");
    while ((status = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == MDB_SUCCESS)
        engine_saw(seen, value.mv_data, value.mv_size);
    if (status != MDB_NOTFOUND)
        check(status, "cursor");
    mdb_cursor_close(cursor);
    mdb_txn_abort(txn);
}

static void close_lmdb(void *state)
{
    struct state *s = state;

    mdb_env_close(s->env);
    free(s);
}

const struct engine engine_lmdb = {
    .name = "lmdb",
    .uses = ENGINE_DURABLE | ENGINE_RELAXED | ENGINE_SCAN,
    .open = open_lmdb,
    .append = append,
    .scan = scan,
    .close = close_lmdb,
};

#else
const struct engine engine_lmdb = {.name = "lmdb", .package = "liblmdb-dev"};
#endif
