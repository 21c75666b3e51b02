/*
 * SQLite as a chat would use it: WAL mode, synchronous=NORMAL (FULL where durable), threads and
 * messages in columns, threads indexed in the order of their list, messages by thread and time.
 * "sqlite-fts" is the same database, asked through an FTS5 index of the contents.
 */
#include "tests/bench/life/life.h"

#define FTS 1

#ifdef BENCH_SQLITE

#include "tests/support/files.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct state {
    sqlite3 *db;
    bool durable;
    sqlite3_stmt *thread, *message, *raise, *begin, *commit, *newest;
};

static const char schema[] =
    "CREATE TABLE threads(id TEXT PRIMARY KEY, title TEXT NOT NULL, created INTEGER NOT NULL,"
    " last_message INTEGER NOT NULL, pinned INTEGER NOT NULL);"
    "CREATE INDEX threads_in_order ON threads(pinned DESC, last_message DESC);"
    "CREATE TABLE messages(id TEXT PRIMARY KEY, thread_id TEXT NOT NULL,"
    " created_at INTEGER NOT NULL, role TEXT NOT NULL, content TEXT NOT NULL, model TEXT);"
    "CREATE INDEX messages_by_thread ON messages(thread_id, created_at)";

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

static bool step(struct state *s, sqlite3_stmt *statement)
{
    int status = sqlite3_step(statement);

    if (status != SQLITE_ROW && status != SQLITE_DONE)
        bench_die("SQLite: %s", sqlite3_errmsg(s->db));
    return status == SQLITE_ROW;
}

static void step_once(struct state *s, sqlite3_stmt *statement)
{
    (void)step(s, statement);
    sqlite3_reset(statement);
}

static void *open_sqlite(const struct life_engine *engine, const char *dir, enum life_open how)
{
    struct state *s = bench_calloc(1, sizeof *s);
    char *path = test_path(dir, "db");

    (void)engine;
    if (sqlite3_open(path, &s->db) != SQLITE_OK)
        bench_die("SQLite: %s", path);
    run(s, "PRAGMA journal_mode=WAL");
    run(s, "PRAGMA synchronous=NORMAL");
    if (how == LIFE_NEW) {
        run(s, "PRAGMA cache_size=-65536");
        run(s, schema);
    }
    free(path);
    return s;
}

/* ---- writing ---- */

static void prepare_to_write(struct state *s)
{
    s->thread = prepared(s, "INSERT INTO threads(id, title, created, last_message, pinned)"
                            " VALUES(?, ?, ?, ?, ?)");
    s->message = prepared(s, "INSERT INTO messages(id, thread_id, created_at, role, content, model)"
                             " VALUES(?, ?, ?, ?, ?, ?)");
    s->raise = prepared(s, "UPDATE threads SET last_message = ?1"
                           " WHERE id = ?2 AND last_message < ?1");
    s->begin = prepared(s, "BEGIN");
    s->commit = prepared(s, "COMMIT");
}

static void bind_text(sqlite3_stmt *statement, int column, struct avj_slice text)
{
    sqlite3_bind_text(statement, column, text.data, (int)text.len, SQLITE_STATIC);
}

static void put_thread(struct state *s, const struct bench_item *item)
{
    sqlite3_bind_text(s->thread, 1, item->id, -1, SQLITE_STATIC);
    bind_text(s->thread, 2, item->title);
    sqlite3_bind_int64(s->thread, 3, item->created_ms);
    sqlite3_bind_int64(s->thread, 4, item->created_ms);
    sqlite3_bind_int64(s->thread, 5, item->pinned);
    step_once(s, s->thread);
}

static void put_message(struct state *s, const struct bench_item *item)
{
    sqlite3_bind_text(s->message, 1, item->id, -1, SQLITE_STATIC);
    bind_text(s->message, 2, item->thread);
    sqlite3_bind_int64(s->message, 3, item->created_ms);
    bind_text(s->message, 4, item->role);
    bind_text(s->message, 5, item->content);
    bind_text(s->message, 6, item->model);
    step_once(s, s->message);
}

static void raise_thread(struct state *s, const struct bench_item *last)
{
    sqlite3_bind_int64(s->raise, 1, last->created_ms);
    bind_text(s->raise, 2, last->thread);
    step_once(s, s->raise);
}

static bool same_thread(const struct bench_item *a, const struct bench_item *b)
{
    return b->entity == AVJ_MESSAGE && a->thread.len == b->thread.len &&
           memcmp(a->thread.data, b->thread.data, a->thread.len) == 0;
}

/* A thread's time is raised once for the messages that follow each other. */
static void put_items(struct state *s, const struct bench_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (items[i].entity == AVJ_THREAD) {
            put_thread(s, &items[i]);
            continue;
        }
        put_message(s, &items[i]);
        if (i + 1 == count || !same_thread(&items[i], &items[i + 1]))
            raise_thread(s, &items[i]);
    }
}

static void put(void *state, const struct bench_item *items, size_t count, bool durable)
{
    struct state *s = state;

    if (!s->begin)
        prepare_to_write(s);
    if (durable != s->durable)
        run(s, durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL");
    s->durable = durable;
    step_once(s, s->begin);
    put_items(s, items, count);
    step_once(s, s->commit);
}

/* ---- reading ---- */

static struct life_found threads(void *state, size_t limit,
                                 void (*each)(void *arg, const char *id, size_t len), void *arg)
{
    struct state *s = state;
    struct life_found found = {0};
    sqlite3_stmt *select = prepared(s, "SELECT id, title, last_message FROM threads"
                                       " ORDER BY pinned DESC, last_message DESC LIMIT ?");

    sqlite3_bind_int64(select, 1, limit ? (int64_t)limit : -1);
    while (step(s, select)) {
        const char *id = (const char *)sqlite3_column_text(select, 0);
        size_t len = (size_t)sqlite3_column_bytes(select, 0);
        if (!sqlite3_column_text(select, 1) || sqlite3_column_int64(select, 2) == 0)
            bench_die("SQLite: %s has no title or no time", id);
        life_saw(&found, id, len);
        if (each)
            each(arg, id, len);
    }
    sqlite3_finalize(select);
    return found;
}

static struct life_found newest(void *state, const char *thread, size_t limit)
{
    struct state *s = state;
    struct life_found found = {0};

    if (!s->newest)
        s->newest = prepared(s, "SELECT id, role, created_at, model, content FROM messages"
                                " WHERE thread_id = ? ORDER BY created_at DESC LIMIT ?");
    sqlite3_bind_text(s->newest, 1, thread, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s->newest, 2, (int64_t)limit);
    while (step(s, s->newest)) {
        for (int i = 0; i < 4; i++)
            (void)sqlite3_column_text(s->newest, i);
        const void *content = sqlite3_column_text(s->newest, 4);
        life_saw(&found, content, (size_t)sqlite3_column_bytes(s->newest, 4));
    }
    sqlite3_reset(s->newest);
    return found;
}

static size_t count_rows(struct state *s, const char *sql, const char *what, size_t limit)
{
    sqlite3_stmt *select = prepared(s, sql);
    size_t count = 0;

    sqlite3_bind_text(select, 1, what, -1, SQLITE_STATIC);
    sqlite3_bind_int64(select, 2, limit ? (int64_t)limit : -1);
    while (step(s, select))
        count += sqlite3_column_text(select, 0) != NULL;
    sqlite3_finalize(select);
    return count;
}

static size_t search_like(void *state, const char *word, size_t limit)
{
    char pattern[64];

    snprintf(pattern, sizeof pattern, "%%%s%%", word);
    return count_rows(state,
                      "SELECT id FROM messages WHERE content LIKE ?"
                      " ORDER BY created_at DESC LIMIT ?",
                      pattern, limit);
}

static size_t search_fts(void *state, const char *word, size_t limit)
{
    return count_rows(state,
                      "SELECT messages.id FROM words JOIN messages ON messages.rowid = words.rowid"
                      " WHERE words MATCH ? ORDER BY words.rowid DESC LIMIT ?",
                      word, limit);
}

void life_sqlite_index_words(const char *dir)
{
    struct state *s = open_sqlite(NULL, dir, LIFE_USED);

    run(s, "CREATE VIRTUAL TABLE words USING fts5(content, content='messages')");
    run(s, "INSERT INTO words(words) VALUES('rebuild')");
    life_sqlite.close(s);
}

static void close_sqlite(void *state)
{
    struct state *s = state;
    sqlite3_stmt *const all[] = {s->thread, s->message, s->raise, s->begin, s->commit, s->newest};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        sqlite3_finalize(all[i]);
    if (sqlite3_close(s->db) != SQLITE_OK)
        bench_die("SQLite: close");
    free(s);
}

#define ENGINE(text, how)                                                                          \
    {                                                                                              \
        .name = text, .variant = how, .open = open_sqlite, .put = put, .threads = threads,         \
        .newest = newest, .search = how == FTS ? search_fts : search_like, .close = close_sqlite   \
    }
#else
#define ENGINE(text, how)                                                                          \
    {                                                                                              \
        .name = text, .package = "libsqlite3-dev"                                                  \
    }
void life_sqlite_index_words(const char *dir)
{
    (void)dir;
}
#endif

const struct life_engine life_sqlite = ENGINE("sqlite", 0);
const struct life_engine life_sqlite_fts = ENGINE("sqlite-fts", FTS);
