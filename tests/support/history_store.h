/*
 * A journal that holds a random history, with a copy of its records beside it: what the store shows
 * can be compared with what replaying those gives.
 *
 * Threading: one thread.  Failures of the machine, and of the store where nothing was made to fail,
 * abort.
 */
#ifndef TEST_HISTORY_STORE_H
#define TEST_HISTORY_STORE_H

#include "replay/store_private.h"
#include "tests/support/history.h"
#include "tests/support/snapshot_copy.h"

struct history_store {
    const struct avj_io *io; /* NULL: the real file system */
    char *path;
    struct history history;
    struct kept_records records;
    struct avj_store *store; /* NULL: closed */
};

/* Creates the journal and opens it.  io, path: borrowed, copied. */
void history_store_begin(struct history_store *s, const struct avj_io *io, const char *path,
                         uint64_t seed);
void history_store_end(struct history_store *s);

/* Nothing in the background, on s->io. */
struct avj_store_options history_store_options(const struct history_store *s);
void history_store_open(struct history_store *s);
void history_store_close(struct history_store *s);
/* Appends so many entries, `durability` each, one frame each. */
void history_store_add(struct history_store *s, size_t count, enum avj_durability durability);
/* Takes a snapshot; its number. */
uint64_t history_store_snapshot(struct history_store *s);

/* A view of the first `count` records. */
struct avj_view *history_store_replayed(struct history_store *s, size_t count);
/* The store shows just what the first `count` records give; else it is said under `what`. */
bool history_store_shows(struct history_store *s, struct avj_store *store, size_t count,
                         const char *what);
/* "PATH/snapshots/<seq><suffix>"; the caller frees. */
char *history_store_snapshot_path(const struct history_store *s, uint64_t seq, const char *suffix);

#endif
