/*
 * SQLite in WAL mode, in two schemas: "blobs", one table of entries by number, which is as close to
 * a log as it gets; and "chat", messages in columns with their ids as keys and an index by thread
 * and time, which is what a chat on SQLite would have.  FULL syncs at every commit; NORMAL at
 * checkpoints only; OFF never.
 */
#include "tests/bench/engines.h"

#define CHAT 1u
#define SYNC(variant)                                                                              \
    ((variant) >> 1) /* as PRAGMA synchronous takes it: 0 OFF, 1 NORMAL, 2 FULL                    \
                      */
#define VARIANT(schema, synchronous) ((int)((schema) | (synchronous) << 1))

#ifdef BENCH_SQLITE

#include "tests/support/files.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

struct state {
    bool chat;
    sqlite3 *db;
    sqlite3_stmt *entry, *thread, *message, *begin, *commit;
};

static const char blobs_schema[] = "CREATE TABLE log(seq INTEGER PRIMARY KEY, entry BLOB NOT NULL)";

static const char chat_schema[] =
    "CREATE TABLE threads(id TEXT PRIMARY KEY, title TEXT, created INTEGER NOT NULL);"
    "CREATE TABLE messages(id TEXT PRIMARY KEY, thread TEXT NOT NULL, created INTEGER NOT NULL,"
    " role TEXT NOT NULL, content TEXT NOT NULL, model TEXT);"
    "CREATE INDEX messages_by_thread ON messages(thread, created)";

static void run(struct state *s, const char *sql)
{
    if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        bench_die("SQLite: %s: %s", sql, sqlite3_errmsg(s->db));
}

static sqlite3_stmt *prepared(struct state *s, const char *sql)
{
    sqlite3_stmt *statement = NULL;

    if (sqlite3_prepare_v2(s->db, sql, -1, &statement, NULL) != SQLITE_OK)
        bench_die("SQLite: %s: %s", sql, sqlite3_errmsg(s->db));
    return statement;
}

static void step(struct state *s, sqlite3_stmt *statement)
{
    if (sqlite3_step(statement) != SQLITE_DONE)
        bench_die("SQLite: %s", sqlite3_errmsg(s->db));
    sqlite3_reset(statement);
}

static void prepare(struct state *s)
{
    if (s->chat) {
        s->thread = prepared(s, "INSERT INTO threads(id, title, created) VALUES(?, ?, ?)");
        s->message = prepared(s, "INSERT INTO messages(id, thread, created, role, content, model)"
                                 " VALUES(?, ?, ?, ?, ?, ?)");
    } else {
        s->entry = prepared(s, "INSERT INTO log(entry) VALUES(?)");
    }
    s->begin = prepared(s, "BEGIN");
    s->commit = prepared(s, "COMMIT");
}

static void *open_sqlite(const struct engine *engine, const struct engine_place *place)
{
    struct state *s = bench_calloc(1, sizeof *s);
    char pragma[64], *path = test_path(place->dir, "db");

    s->chat = (unsigned)engine->variant & CHAT;
    if (sqlite3_open(path, &s->db) != SQLITE_OK)
        bench_die("SQLite: %s", path);
    run(s, "PRAGMA cache_size=-65536"); /* 64 MiB: the others map or cache as much */
    snprintf(pragma, sizeof pragma, "PRAGMA synchronous=%d", SYNC(engine->variant));
    run(s, pragma);
    run(s, "PRAGMA journal_mode=WAL");
    run(s, s->chat ? chat_schema : blobs_schema);
    prepare(s);
    free(path);
    return s;
}

static void bind_text(sqlite3_stmt *statement, int column, struct avj_slice text)
{
    sqlite3_bind_text(statement, column, text.data, (int)text.len, SQLITE_STATIC);
}

static void insert_thread(struct state *s, const struct bench_item *item)
{
    sqlite3_bind_text(s->thread, 1, item->id, -1, SQLITE_STATIC);
    bind_text(s->thread, 2, item->title);
    sqlite3_bind_int64(s->thread, 3, item->created_ms);
    step(s, s->thread);
}

static void insert_message(struct state *s, const struct bench_item *item)
{
    sqlite3_bind_text(s->message, 1, item->id, -1, SQLITE_STATIC);
    bind_text(s->message, 2, item->thread);
    sqlite3_bind_int64(s->message, 3, item->created_ms);
    bind_text(s->message, 4, item->role);
    bind_text(s->message, 5, item->content);
    bind_text(s->message, 6, item->model);
    step(s, s->message);
}

static void insert_entry(struct state *s, const struct bench_item *item)
{
    sqlite3_bind_blob(s->entry, 1, item->entry.data, (int)item->entry.len, SQLITE_STATIC);
    step(s, s->entry);
}

/* A single insert is a transaction by itself. */
static void append(void *state, const struct bench_item *items, size_t count)
{
    struct state *s = state;

    if (count > 1)
        step(s, s->begin);
    for (size_t i = 0; i < count; i++) {
        if (!s->chat)
            insert_entry(s, &items[i]);
        else if (items[i].entity == AVJ_THREAD)
            insert_thread(s, &items[i]);
        else
            insert_message(s, &items[i]);
    }
    if (count > 1)
        step(s, s->commit);
}

/* All columns are read; the last one is what counts as seen. */
static void scan_rows(struct state *s, const char *sql, struct engine_scan *seen)
{
    sqlite3_stmt *select = prepared(s, sql);
    int last = sqlite3_column_count(select) - 1, status;

    while ((status = sqlite3_step(select)) == SQLITE_ROW) {
        for (int i = 0; i < last; i++) {
            (void)sqlite3_column_blob(select, i);
            seen->bytes += (uint64_t)sqlite3_column_bytes(select, i);
        }
        const void *data = sqlite3_column_blob(select, last);
        engine_saw(seen, data, (size_t)sqlite3_column_bytes(select, last));
    }
    if (status != SQLITE_DONE)
        bench_die("SQLite: %s", sqlite3_errmsg(s->db));
    sqlite3_finalize(select);
}

static void scan(void *state, struct engine_scan *seen)
{
    struct state *s = state;

    if (s->chat) {
        scan_rows(s, "SELECT id, created, title FROM threads", seen);
        scan_rows(s, "SELECT id, thread, created, role, model, content FROM messages", seen);
    } else {
        scan_rows(s, "SELECT entry FROM log ORDER BY seq", seen);
    }
}

/* The last one who closes moves the WAL into the database and removes it. */
static void close_sqlite(void *state)
{
    struct state *s = state;
    sqlite3_stmt *const all[] = {s->entry, s->thread, s->message, s->begin, s->commit};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        sqlite3_finalize(all[i]);
    if (sqlite3_close(s->db) != SQLITE_OK)
        bench_die("SQLite: close");
    free(s);
}

#define ENGINE(text, how, what)                                                                    \
    {                                                                                              \
        .name = text, .variant = what, .uses = how, .open = open_sqlite, .append = append,         \
        .scan = scan, .close = close_sqlite                                                        \
    }
#else
#define ENGINE(text, how, what)                                                                    \
    {                                                                                              \
        .name = text, .package = "libsqlite3-dev"                                                  \
    }
#endif

const struct engine engine_sqlite_blobs_full =
    ENGINE("sqlite-blobs-full", ENGINE_DURABLE, VARIANT(0u, 2u));
const struct engine engine_sqlite_blobs_normal =
    ENGINE("sqlite-blobs-normal", ENGINE_RELAXED, VARIANT(0u, 1u));
const struct engine engine_sqlite_blobs_off =
    ENGINE("sqlite-blobs-off", ENGINE_RELAXED | ENGINE_SCAN, VARIANT(0u, 0u));
const struct engine engine_sqlite_chat_full =
    ENGINE("sqlite-chat-full", ENGINE_DURABLE | ENGINE_COLUMNS, VARIANT(CHAT, 2u));
const struct engine engine_sqlite_chat_normal =
    ENGINE("sqlite-chat-normal", ENGINE_RELAXED | ENGINE_COLUMNS, VARIANT(CHAT, 1u));
const struct engine engine_sqlite_chat_off =
    ENGINE("sqlite-chat-off", ENGINE_RELAXED | ENGINE_SCAN | ENGINE_COLUMNS, VARIANT(CHAT, 0u));
