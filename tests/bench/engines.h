/*
 * What appends are measured with: one table of engines behind one interface.  An engine whose
 * library was not there at build time has `package` set, and no functions.
 *
 * An engine is opened in an empty folder of its own, either durable (an append returns when it is
 * on stable storage) or relaxed (it never waits for the disk, save where the engine has no such
 * mode); appends and scans in one thread.  Failures end the program.
 */
#ifndef BENCH_ENGINES_H
#define BENCH_ENGINES_H

#include "tests/bench/bench.h"

enum engine_use {
    ENGINE_DURABLE = 1u << 0,  /* takes part in durable appends */
    ENGINE_RELAXED = 1u << 1,  /* in bulk appends and in single relaxed ones */
    ENGINE_SCAN = 1u << 2,     /* in reading everything back */
    ENGINE_ONE_CORE = 1u << 3, /* kept on one processor while it appends */
    ENGINE_COLUMNS = 1u << 4,  /* keeps no entries but what is in them */
};

struct engine_place {
    const char *dir; /* borrowed during open */
    bool durable;
    uint64_t bytes; /* of the entries that will be appended, at least */
    int level;
};

/* What a scan found.  With `verify` every byte is hashed; without, a value is only touched, so that
 * engines that hand out pointers into mapped files pay for their pages too. */
struct engine_scan {
    bool verify;
    size_t count;
    uint64_t bytes;
    uint64_t digest; /* sum of the values' hashes: the same in any order */
};

void engine_saw(struct engine_scan *scan, const void *data, size_t len);

struct engine {
    const char *name;
    const char *package; /* Debian's, that is missing */
    unsigned uses;
    int variant; /* the engine's own */
    void *(*open)(const struct engine *engine, const struct engine_place *place);
    /* Appends up to BENCH_BATCH items as one transaction. */
    void (*append)(void *state, const struct bench_item *items, size_t count);
    /* Reads everything back and tells engine_saw().  NULL: can not. */
    void (*scan)(void *state, struct engine_scan *scan);
    /* Bytes that its own books say it takes; NULL: keeps none. */
    uint64_t (*counted)(void *state);
    void (*close)(void *state);
};

extern const struct engine engine_bare_growing, engine_bare_zeroed,
    engine_bare_direct;                                             /* engine_bare.c */
extern const struct engine engine_journal, engine_journal_one_core; /* engine_journal.c */
extern const struct engine engine_store;                            /* engine_store.c */
extern const struct engine engine_sqlite_blobs_full, engine_sqlite_blobs_normal,
    engine_sqlite_blobs_off, engine_sqlite_chat_full, engine_sqlite_chat_normal,
    engine_sqlite_chat_off;                                         /* engine_sqlite.c */
extern const struct engine engine_lmdb;                             /* engine_lmdb.c */
extern const struct engine engine_leveldb;                          /* engine_leveldb.c */
extern const struct engine engine_rocksdb, engine_rocksdb_wal_zstd; /* engine_rocksdb.c */

#define ENGINES_MAX 16

/* All engines, NULL behind the last. */
extern const struct engine *const engine_table[];

/* Those of the table that are here, asked for, and have this use; in an order that turns with the
 * rounds, so that none always follows the same other.  Returns how many. */
size_t engines_for(const struct bench *bench, enum engine_use use,
                   const struct engine *out[ENGINES_MAX]);
bool engine_exists(const char *name);

/* An engine open in a folder of its own under bench->dir. */
struct engine_run {
    const struct engine *engine;
    char *dir;
    void *state;
};

struct engine_run engine_start(const struct bench *bench, const struct engine *engine,
                               bool durable);
/* Ends the program unless the first `count` items are there, and are what was appended. */
void engine_check(const struct bench *bench, const struct engine_run *run, size_t count);
void engine_close(struct engine_run *run);
/* Closes it where that has not been done and returns what its folder takes on the disk; the folder
 * is removed. */
uint64_t engine_finish(struct engine_run *run);

#endif
