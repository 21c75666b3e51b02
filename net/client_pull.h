/*
 * Pull: one sweep over the server's rows, so that nothing is missed and nothing is erased by
 * mistake.  No sockets, no clock; what it finds is journaled through the store.
 *
 * A full sweep: who is the session; every row (the first time) or the rows changed since the last
 * sweep and then every row's version; what is missing here; who is the session still; and only
 * then, each verified by a read of its own, what is missing there.  A quick sweep looks only for
 * changes.
 *
 * Threading: one thread.  Lifetime: borrows store, aw and texts until avj_pull_free.  One object a
 * sweep.
 */
#ifndef AVJ_NET_CLIENT_PULL_H
#define AVJ_NET_CLIENT_PULL_H

#include "net/client_push.h"

struct avj_pull;

enum {
    AVJ_PULL_PAGE = 500,      /* rows */
    AVJ_PULL_VERSIONS = 1000, /* rows of which only the version is read */
    AVJ_PULL_OVERLAP_MS =
        60000, /* $updatedAt is taken before the commit: rows can appear behind a watermark */
    AVJ_PULL_RESTARTS = 5, /* of one collection, after the row a cursor names went away */
    AVJ_PULL_DELETIONS_SAFE =
        20, /* so many, or this share of what is known, may be found deleted without asking */
    AVJ_PULL_DELETIONS_PERCENT = 30,
};

struct avj_pull_options {
    struct avj_store *store;
    const struct avj_appwrite *aw;
    uint64_t seed;
    unsigned tries_max;
    const char *since; /* server time of the last sweep; NULL: all rows */
    bool quick;        /* changes only: closes no gap, finds no deletions */
    bool accept_deletions;
    bool dry_run; /* count, write nothing */
    /* Rows that are being pushed: left alone. */
    bool (*busy)(const void *arg, enum avj_entity entity, const char *remote_id);
    const void *busy_arg;
};

struct avj_pull_stats {
    uint64_t pulled;    /* states journaled; with dry_run: that would be */
    uint64_t deletions; /* of them */
    uint64_t foreign;   /* rows of other users that were left out */
    bool done;
    int64_t wait_until_ms;
    int64_t started_ms; /* the server's clock when the sweep began, 0: not known */
    const char *note;
};

AVJ_CHECKED enum avj_status avj_pull_new(const struct avj_pull_options *options,
                                         struct avj_pull **out);
void avj_pull_free(struct avj_pull *pull);
/* As avj_push_next.  Also AVJ_EREFUSED: more rows are gone than may be without asking; nothing was
 * deleted. */
AVJ_CHECKED enum avj_status avj_pull_next(struct avj_pull *pull, int64_t now_ms,
                                          struct avj_call *call, struct avj_error *err);
void avj_pull_answer(struct avj_pull *pull, const struct avj_http_answer *answer, int64_t now_ms);
void avj_pull_stats(const struct avj_pull *pull, struct avj_pull_stats *stats);

#endif
