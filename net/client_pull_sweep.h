/* Inside client_pull*.c: the state of a sweep.  client_pull.c walks its stages, client_pull_rows.c
 * takes rows and finds what is absent. */
#ifndef AVJ_NET_CLIENT_PULL_SWEEP_H
#define AVJ_NET_CLIENT_PULL_SWEEP_H

#include "net/client_backoff.h"
#include "net/client_pull.h"
#include "net/client_rows.h"
#include "net/client_set.h"

enum pull_stage {
    PULL_PROBE,    /* who is the session? */
    PULL_ROWS,     /* all rows of `entity`, or those changed since */
    PULL_VERSIONS, /* of all rows of `entity` */
    PULL_FETCH,    /* rows that turned out to be unknown or different */
    PULL_PROBE_AGAIN,
    PULL_VERIFY, /* absent rows, by their ids */
    PULL_PROBE_LAST,
    PULL_DONE,
};

/* Ids of rows, in order: to be fetched, or absent. */
struct pull_list {
    struct pull_item {
        enum avj_entity entity;
        char *remote_id, *id, *version; /* one allocation, remote_id's */
    } * items;
    size_t count, cap, at;
};

struct avj_pull {
    struct avj_pull_options options;
    struct avj_backoff backoff;
    enum pull_stage stage;
    enum avj_entity entity;
    bool waiting, denied; /* denied: a list was refused, the probe decides why */
    char since[32];       /* with the overlap taken off */
    char after[AVJ_REMOTE_ID_TEXT];
    size_t limit;
    unsigned restarts;
    bool skipped[AVJ_ENTITIES];
    struct avj_set known; /* "$id version" of every row known when the sweep began */
    struct avj_set seen;  /* $id of every row the server showed */
    uint64_t known_count;
    struct pull_list fetch, absent;
    uint64_t pulled, deletions, foreign;
    int64_t now_ms, wait_until_ms, started_ms;
    char note[320];
    struct avj_error failure;
};

AVJ_CHECKED enum avj_status avj_pull_fail(struct avj_pull *pull, enum avj_status status,
                                          const char *format, ...) AVJ_PRINTF(3, 4);

/* client_pull_rows.c */
AVJ_CHECKED enum avj_status avj_pull_remember_known(struct avj_pull *pull);
/* Journals a page of rows of `entity`. */
AVJ_CHECKED enum avj_status avj_pull_take_rows(struct avj_pull *pull, enum avj_entity entity,
                                               const json_t *rows);
/* Notes which rows of a page of versions are unknown or different here. */
AVJ_CHECKED enum avj_status avj_pull_take_versions(struct avj_pull *pull, enum avj_entity entity,
                                                   const json_t *rows);
/* Rows that were known, did not change meanwhile, and were not seen. */
AVJ_CHECKED enum avj_status avj_pull_find_absent(struct avj_pull *pull);
/* Journals what is still absent as deleted. */
AVJ_CHECKED enum avj_status avj_pull_delete_absent(struct avj_pull *pull);
void avj_pull_list_release(struct pull_list *list);

#endif
