/*
 * Inside client_engine*.c: one run of the sync engine.  client_engine.c is the loop,
 * client_engine_sweep.c decides when to sweep, client_engine_live.c follows Realtime,
 * client_engine_ask.c syncs at the request of another process.
 */
#ifndef AVJ_NET_CLIENT_ENGINE_RUN_H
#define AVJ_NET_CLIENT_ENGINE_RUN_H

#include "net/client_backoff.h"
#include "net/client_clock.h"
#include "net/client_leader.h"
#include "net/client_loop.h"
#include "net/client_pull.h"
#include "net/client_push.h"
#include "net/client_realtime.h"
#include "net/client_rows.h"
#include "net/client_upstream.h"
#include "net/engine.h"
#include "replay/clock.h"

enum {
    ENGINE_TRIES_ONCE = 5, /* unanswered requests in a row until a single run gives up */
    ENGINE_QUICK_MS =
        60000, /* between looks for changes while following: a live socket proves nothing */
    ENGINE_FULL_MS = 3600000, /* between full sweeps while following */
    ENGINE_ALONE_MS = 10000,  /* how long the first sweep waits for the socket */
    ENGINE_STOP_MS = 10000,   /* for what is under way when told to stop */
    ENGINE_PROGRESS_MS = 100,
    ENGINE_POLL_MS = 500, /* looks for others' entries where nothing wakes us */
};

/* A realtime row that waits for the push of its document to end. */
struct deferred {
    enum avj_entity entity;
    bool deleted;
    json_t *row;
};

struct engine {
    struct avj_store *store;
    const struct avj_engine_options *options;
    struct avj_upstream_access access;
    struct avj_sync_lock lock;
    bool answered; /* another process led and has synced for this one: */
    struct avj_sync_answer answer;
    uint64_t asked;   /* request that is being served, 0: none */
    bool asked_look;  /* there may be a new one */
    bool asked_sweep; /* the sweep under way began after it came */
    bool asked_swept; /* and such a one has ended */
    uint64_t asked_pushed, asked_pulled, asked_rejected; /* counts when it came */
    struct avj_loop loop;
    struct avj_backoff backoff;
    struct avj_server_clock clock;
    struct avj_push *push;
    struct avj_pull *pull; /* NULL: no sweep under way */
    bool pull_quick;
    uint64_t pull_token; /* answers to an abandoned sweep are dropped by it */
    bool swept;          /* a full sweep was completed in this run */
    bool pushing;        /* the outbox may be taken from */
    int64_t begun_ms;
    int64_t quick_due_ms, full_due_ms;
    char seen_until[AVJ_TIME_TEXT]; /* server time that quick sweeps begin from, "" before the first
                                     */
    struct avj_rt *rt;
    struct deferred *deferred;
    size_t deferred_count;
    bool woken; /* someone appended */
    bool stopping;
    int64_t stop_ms;
    uint64_t pulled; /* by sweeps that ended, and by realtime */
    struct avj_engine_progress progress;
    int64_t progress_ms;
    char note[320];
    enum avj_status failure; /* from inside a callback */
    enum avj_status refused; /* of a sweep: reported when the push is done */
    struct avj_error refused_error;
    struct avj_error *err;
};

/* client_engine_sweep.c */
AVJ_CHECKED enum avj_status avj_engine_sweep_begin(struct engine *engine, bool quick);
void avj_engine_sweep_abandon(struct engine *engine);
/* Begins a sweep when one is due; *until_ms is lowered to when the next will be. */
AVJ_CHECKED enum avj_status avj_engine_sweep_due(struct engine *engine, int64_t now_ms,
                                                 int64_t *until_ms);
/* Sends what the sweep asks for, notices its end. */
AVJ_CHECKED enum avj_status avj_engine_sweep_pump(struct engine *engine, int64_t now_ms);

/* client_engine_live.c */
AVJ_CHECKED enum avj_status avj_engine_live_begin(struct engine *engine);
AVJ_CHECKED enum avj_status avj_engine_live_pump(struct engine *engine, int64_t now_ms,
                                                 int64_t *until_ms);
/* Journals rows that waited, as far as they need not wait any more. */
AVJ_CHECKED enum avj_status avj_engine_live_apply(struct engine *engine);
void avj_engine_live_end(struct engine *engine);

/* client_engine_ask.c */
/* Asks who leads for a sync (*request: 0 at first) and looks for its answer.  AVJ_OK: not yet;
 * AVJ_END: done; AVJ_ENET, AVJ_EREFUSED: what it said. */
AVJ_CHECKED enum avj_status avj_engine_ask_leader(struct engine *engine, uint64_t *request);
/* As the leader: begins what others ask for, before the sweep is pumped; */
AVJ_CHECKED enum avj_status avj_engine_take_asked(struct engine *engine);
/* answers when it is done, behind all else.  True: there is something to be begun at once. */
bool avj_engine_answer_asked(struct engine *engine);
/* Is there a request that is not answered? */
bool avj_engine_is_asked(struct engine *engine);
/* The server could not be reached: tells so whoever asked before it was tried. */
void avj_engine_answer_cut_off(struct engine *engine);

/* client_engine.c */
AVJ_CHECKED enum avj_status avj_engine_start(struct engine *engine, struct avj_call *call);
void avj_engine_note(struct engine *engine, const char *note);

/* Tokens: push lanes as they are, sweeps with this bit and their number. */
#define ENGINE_TOKEN_PULL ((uint64_t)1 << 63)

#endif
