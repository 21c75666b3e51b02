/* SQLite for the benchmarks: see bench.h. */
#include "tests/bench/bench.h"

#ifdef BENCH_SQLITE

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

struct bench_sqlite {
    sqlite3 *db;
    sqlite3_stmt *insert, *begin, *commit;
};

static void run(struct bench_sqlite *b, const char *sql)
{
    if (sqlite3_exec(b->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        bench_die("SQLite: %s: %s", sql, sqlite3_errmsg(b->db));
}

static sqlite3_stmt *prepared(struct bench_sqlite *b, const char *sql)
{
    sqlite3_stmt *statement = NULL;

    if (sqlite3_prepare_v2(b->db, sql, -1, &statement, NULL) != SQLITE_OK)
        bench_die("SQLite: %s: %s", sql, sqlite3_errmsg(b->db));
    return statement;
}

static void step(struct bench_sqlite *b, sqlite3_stmt *statement)
{
    if (sqlite3_step(statement) != SQLITE_DONE)
        bench_die("SQLite: %s", sqlite3_errmsg(b->db));
    sqlite3_reset(statement);
}

struct bench_sqlite *bench_sqlite_open(const char *path, const char *synchronous)
{
    struct bench_sqlite *b = calloc(1, sizeof *b);
    char pragma[64];

    if (!b || sqlite3_open(path, &b->db) != SQLITE_OK)
        bench_die("SQLite: %s", path);
    run(b, "PRAGMA journal_mode=WAL");
    snprintf(pragma, sizeof pragma, "PRAGMA synchronous=%s", synchronous);
    run(b, pragma);
    run(b, "CREATE TABLE IF NOT EXISTS log(seq INTEGER PRIMARY KEY, entry BLOB NOT NULL)");
    b->insert = prepared(b, "INSERT INTO log(entry) VALUES(?)");
    b->begin = prepared(b, "BEGIN");
    b->commit = prepared(b, "COMMIT");
    return b;
}

void bench_sqlite_begin(struct bench_sqlite *b)
{
    step(b, b->begin);
}

void bench_sqlite_insert(struct bench_sqlite *b, struct avj_slice entry)
{
    sqlite3_bind_blob(b->insert, 1, entry.data, (int)entry.len, SQLITE_STATIC);
    step(b, b->insert);
}

void bench_sqlite_commit(struct bench_sqlite *b)
{
    step(b, b->commit);
}

size_t bench_sqlite_scan(struct bench_sqlite *b, uint64_t *bytes)
{
    sqlite3_stmt *select = prepared(b, "SELECT seq, entry FROM log ORDER BY seq");
    size_t rows = 0;
    int status;

    *bytes = 0;
    while ((status = sqlite3_step(select)) == SQLITE_ROW) {
        const uint8_t *data = sqlite3_column_blob(select, 1);
        if (!data)
            bench_die("SQLite: an empty row");
        *bytes += (uint64_t)sqlite3_column_bytes(select, 1);
        rows++;
    }
    if (status != SQLITE_DONE)
        bench_die("SQLite: %s", sqlite3_errmsg(b->db));
    sqlite3_finalize(select);
    return rows;
}

void bench_sqlite_checkpoint(struct bench_sqlite *b)
{
    run(b, "PRAGMA wal_checkpoint(TRUNCATE)");
}

void bench_sqlite_close(struct bench_sqlite *b)
{
    if (!b)
        return;
    sqlite3_finalize(b->insert);
    sqlite3_finalize(b->begin);
    sqlite3_finalize(b->commit);
    sqlite3_close(b->db);
    free(b);
}

#else

struct bench_sqlite *bench_sqlite_open(const char *path, const char *synchronous)
{
    (void)path;
    (void)synchronous;
    return NULL;
}

void bench_sqlite_begin(struct bench_sqlite *b)
{
    (void)b;
}

void bench_sqlite_insert(struct bench_sqlite *b, struct avj_slice entry)
{
    (void)b;
    (void)entry;
}

void bench_sqlite_commit(struct bench_sqlite *b)
{
    (void)b;
}

size_t bench_sqlite_scan(struct bench_sqlite *b, uint64_t *bytes)
{
    (void)b;
    *bytes = 0;
    return 0;
}

void bench_sqlite_checkpoint(struct bench_sqlite *b)
{
    (void)b;
}

void bench_sqlite_close(struct bench_sqlite *b)
{
    (void)b;
}

#endif
