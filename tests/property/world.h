/*
 * A server and some replicas, and everything that can happen between them: the world in which
 * histories are lived through (history.h).  Replicas are stores in memory, driven through the
 * public API only, each with its oracle beside it; the server is a list of rows.
 *
 * Threading: one thread.  What goes wrong first is kept in `failure`; nothing aborts, so that a
 * history can be shortened.
 */
#ifndef PROPERTY_WORLD_H
#define PROPERTY_WORLD_H

#include "tests/property/oracle.h"

#include "replay/sync.h"
#include "tests/support/mem_io.h"
#include "tests/support/rng.h"

enum { REPLICAS_MAX = 4, HANDLES = 2, FLIGHT_MAX = 40 };

/* An operation that was taken out of the outbox, and what the server made of it. */
struct flight {
    struct avj_push_op op; /* its texts are kept, its fields are `fields` */
    struct fieldmap fields;
    unsigned upto; /* the oracle's number of the last mutation in it */
    enum { FLIGHT_DONE, FLIGHT_REFUSED, FLIGHT_LOST } end;
    int64_t base_ms; /* version of the row that it was based on, 0: none */
    struct row row;  /* as it was when it was done */
};

struct replica {
    struct world *world;
    struct mem_io *mem;
    struct avj_io io;                 /* of mem, with a clock of ours */
    struct avj_store *store[HANDLES]; /* the second may be NULL */
    struct oracle oracle;
    int64_t skew_ms;   /* its clock minus the server's */
    int64_t latest_ms; /* the latest time it has stamped anything with */
    size_t *inbox, inbox_count;
    struct flight flight[FLIGHT_MAX];
    size_t flight_count;
};

/* A value that somebody wrote, to be found again at the end. */
struct token {
    enum avj_entity entity;
    const char *id, *field, *json;
    bool overruled; /* replaced or deleted by somebody who saw it, or given up */
};

struct world_options {
    unsigned replicas;
    bool lacking;  /* the deployment lacks some attributes */
    bool equal_ms; /* rows change twice in a millisecond, and no event gets lost */
    int64_t skews[REPLICAS_MAX];
    bool measured; /* the replicas know how their clocks are off */
};

struct world {
    struct world_options options;
    int64_t now_ms; /* the server's clock */
    struct replica replicas[REPLICAS_MAX];
    struct row *rows; /* of the server, deleted ones too */
    size_t row_count;
    struct row *events; /* every state a row ever had */
    size_t event_count;
    struct token *tokens;
    size_t token_count;
    unsigned names;     /* for what must be unique */
    bool calm;          /* coming to rest: nothing gets lost or refused any more */
    bool tell;          /* prints what happens */
    char failure[4096]; /* "": none */
};

/* False: a replica could not be opened; see failure. */
bool world_begin(struct world *world, const struct world_options *options);
void world_end(struct world *world);
void world_fail(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
void world_tell(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- world_server.c ---- */

struct row *server_find(struct world *world, enum avj_entity entity, const char *row);
/* Writes a row: a new one, or `change` on top of it; everyone will hear of it. */
struct row *server_put(struct world *world, enum avj_entity entity, const char *row, const char *id,
                       const struct fieldmap *change);
void server_delete(struct world *world, struct row *row);
bool server_lacks(const struct world *world, enum avj_entity entity, const char *name);
void server_digest(struct world *world, uint64_t sum[2]);

/* ---- world_sync.c: how a replica and the server meet ---- */

bool hear(struct replica *replica, const struct row *rows, size_t count, const char *by);
bool push_some(struct replica *replica, size_t most, struct test_rng *rng);
bool settle_some(struct replica *replica, size_t most, struct test_rng *rng);
bool sweep(struct replica *replica);
/* Everyone pushes and hears everything until nothing is left. */
bool come_to_rest(struct world *world);

/* ---- world_check.c ---- */

bool check_replica(struct replica *replica);
bool check_replay(struct replica *replica); /* opened afresh, from snapshots and without */
bool check_agreement(struct world *world);
bool check_tokens(struct world *world);

/* ---- tokens: world.c ---- */

void tokens_write(struct world *world, enum avj_entity entity, const char *id,
                  const struct fieldmap *fields);
/* Somebody who saw `shown` replaced these fields of it (NULL: all of it). */
void tokens_overrule(struct world *world, enum avj_entity entity, const char *id,
                     const struct fieldmap *shown, const struct fieldmap *by);

/* ---- replicas: world.c ---- */

int64_t replica_now(struct replica *replica);
/* The time that its next entry is stamped with. */
int64_t replica_stamp(struct replica *replica);
bool replica_reopen(struct replica *replica);
bool replica_expect(struct replica *replica, enum avj_status wanted, enum avj_status got,
                    const struct avj_error *err, const char *what);

#endif
