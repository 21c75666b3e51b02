/*
 * A life's journal: a million messages in twenty thousand threads, in our store and beside it in
 * SQLite and LMDB, as a chat would keep them there.  Measured is what a person waits for: opening
 * after a crash, the newest messages of a thread, replaying everything, appending, searching,
 * checking.
 *
 * The data is made once and loaded by forked copies of `bench`, several at a time.  Everything that
 * is measured happens in a process of its own, `bench-child` (child.c), which begins small: so that
 * its memory is that of the engine.  It is given a verb, an engine and the engine's folder, and
 * answers with lines of "NAME VALUE".
 *
 * Threading: one thread.  Failures end the program.
 */
#ifndef BENCH_LIFE_H
#define BENCH_LIFE_H

#include "tests/bench/bench.h"

#define LIFE_THREADS 20000
#define LIFE_NEWEST  50 /* messages that a thread shows */
#define LIFE_FIRST   50 /* threads that a list shows */
/* A word that only some LIFE_RARES messages have, and one that a fifth of them has. */
#define LIFE_RARE   "tarsier"
#define LIFE_RARES  10
#define LIFE_COMMON "example"

/* ---- engines: store.c, sqlite.c, lmdb.c ---- */

/* What a reading function went through.  digest: of the ids, or of the contents, in their order;
 * the same from every engine that holds the same. */
struct life_found {
    size_t count;
    uint64_t digest;
};

void life_saw(struct life_found *found, const void *data, size_t len);

enum life_open {
    LIFE_NEW,  /* in an empty folder, to be filled */
    LIFE_USED, /* as an application opens what is there */
};

struct life_engine {
    const char *name;
    const char *package; /* Debian's, that is missing; no functions then */
    int variant;         /* the engine's own */
    void *(*open)(const struct life_engine *engine, const char *dir, enum life_open how);
    /* Puts up to BENCH_BATCH items in as one transaction. */
    void (*put)(void *state, const struct bench_item *items, size_t count, bool durable);
    /* The first threads of the list, `limit` of them or (0) all: id, title and last message are
     * read.  each (may be NULL) gets their ids. */
    struct life_found (*threads)(void *state, size_t limit,
                                 void (*each)(void *arg, const char *id, size_t len), void *arg);
    /* The newest messages of a thread: every byte of their contents is read. */
    struct life_found (*newest)(void *state, const char *thread, size_t limit);
    /* Messages that contain a word, the newest `limit` or (0) all.  NULL: can not. */
    size_t (*search)(void *state, const char *word, size_t limit);
    void (*close)(void *state);
};

/* NULL: there is none of this name. */
const struct life_engine *life_engine(const char *name);

/* As an application opens it; the others one thing apart from that. */
extern const struct life_engine life_store;                   /* store.c */
extern const struct life_engine life_store_still;             /* seals nothing in the background */
extern const struct life_engine life_store_replaying;         /* only reads, without snapshots */
extern const struct life_engine life_store_replaying_alone;   /* and with one thread */
extern const struct life_engine life_sqlite, life_sqlite_fts; /* sqlite.c */
extern const struct life_engine life_lmdb;                    /* lmdb.c */

/* Fills a store with the same messages as a synced one has them: half of them made here, pushed and
 * acknowledged, half of them from another device. */
/* The background's first work, where there is none: the journal gets its dictionary.  After so many
 * batches no segment is finished, so that none is sealed. */
#define LIFE_TRAINED 8
void life_store_train(const char *dir);
void life_store_fill_synced(const struct bench *bench, const char *dir);
/* Builds the full-text index of a database that is filled. */
void life_sqlite_index_words(const char *dir);

/* ---- the data: data.c ---- */

/* Messages of bench->threads threads.  In real order a person has a few exchanges in one of some
 * threads that live for days, then in another; scattered, every message is in any thread. */
void life_data_make(struct bench *bench, uint64_t seed, bool scattered);

/* ---- loading: load.c ---- */

/* Makes folders in bench->dir, each filled by the engine that it is named after; "store-sealed" is
 * a copy of "store", sealed; "store-synced" see above. */
void life_load(struct bench *bench, bool scattered);

/* ---- asking bench-child: ask.c ---- */

/* Answers of one call.  The caller frees it with life_answer_free. */
struct life_answer {
    char *text;
};

/* Runs bench-child with verb, engine and further arguments (NULL-terminated; bench->dir is put
 * before the name of the folder). */
struct life_answer life_ask(const struct bench *bench, const char *verb, const char *engine,
                            const char *folder, ...);
bool life_answer_has(const struct life_answer *answer, const char *name, uint64_t *value);
/* Ends the program when there is no such line in it. */
uint64_t life_answer(const struct life_answer *answer, const char *name);
void life_answer_free(struct life_answer *answer);
/* Lets bench-child append until it has said `messages` times that it has, then kills it. */
void life_write_and_kill(const struct bench *bench, const char *engine, const char *folder,
                         size_t messages);

/* ---- life.c ---- */
void bench_life(struct bench *bench, uint64_t seed);

#endif
