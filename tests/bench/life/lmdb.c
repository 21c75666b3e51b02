/*
 * LMDB as a chat would use it: messages by thread, time and id; threads in the order of their list,
 * and by id where they stand in that.  Values are texts one behind the other.  Durable as it comes,
 * else MDB_NOSYNC.
 */
#include "tests/bench/life/life.h"

#ifdef BENCH_LMDB

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREAD_LEN 40 /* of an id in a key, zeros behind it */
#define TIME_LEN   8

struct state {
    MDB_env *env;
    MDB_dbi messages, order, places;
    MDB_txn *reading; /* kept for all reads */
    bool durable;
};

struct order_key {
    uint8_t unpinned, time[TIME_LEN]; /* the later, the smaller */
    char id[THREAD_LEN];
};

static void check(int status, const char *what)
{
    if (status != MDB_SUCCESS)
        bench_die("LMDB: %s: %s", what, mdb_strerror(status));
}

static void put_be64(uint8_t out[TIME_LEN], uint64_t value)
{
    for (int i = 0; i < TIME_LEN; i++)
        out[i] = (uint8_t)(value >> (56 - 8 * i));
}

static MDB_txn *begin(struct state *s, unsigned flags)
{
    MDB_txn *txn;

    check(mdb_txn_begin(s->env, NULL, flags, &txn), "begin");
    return txn;
}

static void *open_lmdb(const struct life_engine *engine, const char *dir, enum life_open how)
{
    struct state *s = bench_calloc(1, sizeof *s);
    unsigned flags = how == LIFE_NEW ? MDB_CREATE : 0;
    MDB_txn *txn;

    (void)engine;
    check(mdb_env_create(&s->env), "create");
    check(mdb_env_set_maxdbs(s->env, 3), "databases");
    check(mdb_env_set_mapsize(s->env, (size_t)64 << 30), "map size"); /* address space only */
    check(mdb_env_open(s->env, dir, MDB_NOSYNC, 0600), dir);
    txn = begin(s, 0);
    check(mdb_dbi_open(txn, "messages", flags, &s->messages), "open");
    check(mdb_dbi_open(txn, "order", flags, &s->order), "open");
    check(mdb_dbi_open(txn, "places", flags, &s->places), "open");
    check(mdb_txn_commit(txn), "commit");
    return s;
}

/* ---- writing ---- */

static void put_pair(MDB_txn *txn, MDB_dbi db, MDB_val key, MDB_val value)
{
    check(mdb_put(txn, db, &key, &value, 0), "put");
}

static MDB_val val(const void *data, size_t len)
{
    return (MDB_val){len, (void *)(uintptr_t)data};
}

static struct order_key key_of(const char *id, size_t len, int64_t ms, bool pinned)
{
    struct order_key key = {.unpinned = !pinned};

    put_be64(key.time, ~(uint64_t)ms);
    memcpy(key.id, id, len < THREAD_LEN ? len : THREAD_LEN);
    return key;
}

static void put_thread(struct state *s, MDB_txn *txn, const struct bench_item *item)
{
    struct order_key key = key_of(item->id, strlen(item->id), item->created_ms, item->pinned);

    put_pair(txn, s->order, val(&key, sizeof key), val(item->title.data, item->title.len));
    put_pair(txn, s->places, val(key.id, sizeof key.id), val(&key, sizeof key));
}

/* Moves the thread in the order. */
static void raise_thread(struct state *s, MDB_txn *txn, const struct bench_item *message)
{
    struct order_key key = key_of(message->thread.data, message->thread.len, 0, false), old;
    MDB_val id = val(key.id, sizeof key.id), place, title;
    char copy[256];
    size_t len;

    check(mdb_get(txn, s->places, &id, &place), "thread");
    memcpy(&old, place.mv_data, sizeof old);
    place = val(&old, sizeof old);
    check(mdb_get(txn, s->order, &place, &title), "thread");
    len = title.mv_size < sizeof copy ? title.mv_size : sizeof copy;
    memcpy(copy, title.mv_data, len);
    key.unpinned = old.unpinned;
    put_be64(key.time, ~(uint64_t)message->created_ms);
    if (memcmp(key.time, old.time, TIME_LEN) >= 0)
        return;
    check(mdb_del(txn, s->order, &place, NULL), "thread");
    put_pair(txn, s->order, val(&key, sizeof key), val(copy, len));
    put_pair(txn, s->places, id, val(&key, sizeof key));
}

/* Thread, time, id; role, model, content. */
static void put_message(struct state *s, MDB_txn *txn, const struct bench_item *item)
{
    char key[THREAD_LEN + TIME_LEN + 64] = {0};
    size_t id_len = strlen(item->id), len = 2 + item->role.len + item->model.len;
    MDB_val at, value = {len + item->content.len, NULL};
    uint8_t *out;

    memcpy(key, item->thread.data, item->thread.len < THREAD_LEN ? item->thread.len : THREAD_LEN);
    put_be64((uint8_t *)key + THREAD_LEN, (uint64_t)item->created_ms);
    memcpy(key + THREAD_LEN + TIME_LEN, item->id, id_len < 64 ? id_len : 64);
    at = val(key, THREAD_LEN + TIME_LEN + (id_len < 64 ? id_len : 64));
    check(mdb_put(txn, s->messages, &at, &value, MDB_RESERVE), "put");
    out = value.mv_data;
    out[0] = (uint8_t)item->role.len;
    out[1] = (uint8_t)item->model.len;
    memcpy(out + 2, item->role.data, item->role.len);
    if (item->model.len > 0)
        memcpy(out + 2 + item->role.len, item->model.data, item->model.len);
    memcpy(out + len, item->content.data, item->content.len);
}

static void put(void *state, const struct bench_item *items, size_t count, bool durable)
{
    struct state *s = state;
    MDB_txn *txn;

    if (s->reading)
        mdb_txn_abort(s->reading);
    s->reading = NULL;
    if (durable != s->durable)
        check(mdb_env_set_flags(s->env, MDB_NOSYNC, !durable), "flags");
    s->durable = durable;
    txn = begin(s, 0);
    for (size_t i = 0; i < count; i++) {
        if (items[i].entity == AVJ_THREAD) {
            put_thread(s, txn, &items[i]);
        } else {
            put_message(s, txn, &items[i]);
            raise_thread(s, txn, &items[i]);
        }
    }
    check(mdb_txn_commit(txn), "commit");
}

/* ---- reading ---- */

static MDB_cursor *cursor_in(struct state *s, MDB_dbi db)
{
    MDB_cursor *cursor;

    if (!s->reading)
        s->reading = begin(s, MDB_RDONLY);
    check(mdb_cursor_open(s->reading, db, &cursor), "cursor");
    return cursor;
}

static struct life_found threads(void *state, size_t limit,
                                 void (*each)(void *arg, const char *id, size_t len), void *arg)
{
    struct life_found found = {0};
    struct state *s = state;
    MDB_cursor *cursor = cursor_in(s, s->order);
    MDB_val key, title;

    while ((limit == 0 || found.count < limit) &&
           mdb_cursor_get(cursor, &key, &title, MDB_NEXT) == MDB_SUCCESS) {
        const char *id = (const char *)key.mv_data + offsetof(struct order_key, id);
        size_t len = strnlen(id, THREAD_LEN);
        if (title.mv_size == 0 || *(const char *)title.mv_data == '\0')
            bench_die("LMDB: %.*s has no title", (int)len, id);
        life_saw(&found, id, len);
        if (each)
            each(arg, id, len);
    }
    mdb_cursor_close(cursor);
    return found;
}

static struct life_found newest(void *state, const char *thread, size_t limit)
{
    struct life_found found = {0};
    struct state *s = state;
    MDB_cursor *cursor = cursor_in(s, s->messages);
    char end[THREAD_LEN + TIME_LEN] = {0};
    size_t len = strlen(thread);
    MDB_val key = val(end, sizeof end), value;
    int status;

    memcpy(end, thread, len < THREAD_LEN ? len : THREAD_LEN);
    memset(end + THREAD_LEN, 0xff, TIME_LEN);
    status = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    status = mdb_cursor_get(cursor, &key, &value, status == MDB_SUCCESS ? MDB_PREV : MDB_LAST);
    while (status == MDB_SUCCESS && found.count < limit &&
           memcmp(key.mv_data, end, THREAD_LEN) == 0) {
        const uint8_t *data = value.mv_data;
        size_t before = (size_t)2 + data[0] + data[1];
        life_saw(&found, data + before, value.mv_size - before);
        status = mdb_cursor_get(cursor, &key, &value, MDB_PREV);
    }
    mdb_cursor_close(cursor);
    return found;
}

static void close_lmdb(void *state)
{
    struct state *s = state;

    if (s->reading)
        mdb_txn_abort(s->reading);
    mdb_env_close(s->env);
    free(s);
}

const struct life_engine life_lmdb = {
    .name = "lmdb",
    .open = open_lmdb,
    .put = put,
    .threads = threads,
    .newest = newest,
    .close = close_lmdb,
};

#else
const struct life_engine life_lmdb = {.name = "lmdb", .package = "liblmdb-dev"};
#endif
