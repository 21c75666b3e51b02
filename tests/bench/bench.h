/*
 * Benchmarks of the journal and the store beside what they are measured against: SQLite, zstd
 * alone, and bare system calls.  Every engine gets the same messages in the same run; each
 * measurement is repeated in rounds, and the median is reported.
 *
 * Threading: one thread.  A failure of any engine ends the program with a line that says which.
 */
#ifndef BENCH_H
#define BENCH_H

#include "replay/store.h"

#define BENCH_BATCH 1000

/* A document: what is appended, in the forms that the engines take. */
struct bench_item {
    enum avj_entity entity;
    const char *id;
    struct avj_slice entry;   /* as a ready-made `local` entry */
    struct avj_fields fields; /* within entry */
};

struct bench {
    bool json;
    size_t messages;
    int rounds;
    int level;        /* zstd level of the journal and of zstd alone */
    const char *only; /* NULL: all */
    char *dir;
    struct bench_item *items; /* messages, and their threads before them */
    size_t count;
    uint64_t json_bytes;  /* of all items as import lines */
    uint64_t entry_bytes; /* of all entries */
};

_Noreturn void bench_die(const char *format, ...) AVJ_PRINTF(1, 2);
/* Ends the program unless status is AVJ_OK. */
void bench_ok(enum avj_status status, const struct avj_error *err, const char *what);
uint64_t bench_now_ns(void);
/* True when this benchmark was asked for. */
bool bench_wanted(const struct bench *bench, const char *name);
/* One result of one round. */
void bench_add(const char *name, const char *engine, size_t messages, const char *unit,
               double value);
/* Median of what was added so far under name, engine and unit; 0 where nothing was. */
double bench_median(const char *name, const char *engine, const char *unit);
/* Latencies of one round in ns (sorted by the call) as p50, p99 and rate. */
void bench_add_latencies(const char *name, const char *engine, uint64_t *ns, size_t count);
/* Prints everything. */
void bench_report(bool json);

/* ---- bench_data.c ---- */
void bench_data_make(struct bench *bench, uint64_t seed);
void bench_data_free(struct bench *bench);
/* End of the batch of BENCH_BATCH items that begins at `from`. */
size_t bench_batch_end(const struct bench *bench, size_t from);

/* ---- the benchmarks; each call is one round ---- */
void bench_durable(struct bench *bench); /* bench_durable.c */
void bench_bulk(struct bench *bench);    /* bench_bulk.c */
void bench_replay(struct bench *bench);  /* bench_replay.c */
void bench_read(struct bench *bench);    /* bench_read.c */
void bench_ratios(void);                 /* bench.c: of the medians */

/* ---- bench_sqlite.c: SQLite at its best, one table of blobs by number, in WAL mode ---- */
struct bench_sqlite;
struct bench_sqlite *bench_sqlite_open(const char *path,
                                       const char *synchronous); /* NULL: built without SQLite */
void bench_sqlite_begin(struct bench_sqlite *db);
void bench_sqlite_insert(struct bench_sqlite *db, struct avj_slice entry);
void bench_sqlite_commit(struct bench_sqlite *db);
/* Reads every row; returns the number of rows. */
size_t bench_sqlite_scan(struct bench_sqlite *db, uint64_t *bytes);
/* Moves everything from the WAL into the database file. */
void bench_sqlite_checkpoint(struct bench_sqlite *db);
void bench_sqlite_close(struct bench_sqlite *db);

#endif
