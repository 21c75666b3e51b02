/*
 * Inside client_push*.c: a lane is one batch of documents on its way upstream.  client_push.c takes
 * batches and routes answers, client_push_read.c judges rows that were read, client_push_write.c
 * stages, commits and writes, client_push_op.c owns operations.
 */
#ifndef AVJ_NET_CLIENT_PUSH_LANE_H
#define AVJ_NET_CLIENT_PUSH_LANE_H

#include "net/client_backoff.h"
#include "net/client_push.h"
#include "net/client_rows.h"
#include "net/client_set.h"

enum lane_state {
    LANE_FREE,
    LANE_READ,  /* `purpose` says what for */
    LANE_BEGIN, /* a transaction */
    LANE_STAGE, /* its operations */
    LANE_COMMIT,
    LANE_ROLLBACK, /* then `after` */
    LANE_PROBE,    /* who the session is, then after_probe */
    LANE_SINGLE,   /* one document at a time */
};

enum read_purpose {
    READ_CHECK, /* before anything is sent: what is there, and is it what our changes were made on?
                 */
    READ_RECHECK, /* between staging and commit: only versions */
    READ_BACK,    /* after the commit: what the server holds now */
};

enum op_state { OP_OPEN, OP_ACKED, OP_REJECTED, OP_RELEASED /* back to the outbox */ };

struct lane_op {
    struct avj_push_op op; /* points into the next two */
    char *texts;
    uint8_t *fields;
    enum op_state state;
    enum avj_push_kind
        send;              /* what is written; a create of a row that is there becomes an update */
    struct avj_pack patch; /* its fields where they are not op.fields */
    bool use_patch;
    json_t *data, *omitted; /* what is written, and what the deployment can not hold */
    bool check;             /* read before writing */
    bool fresh;             /* READ_RECHECK found the version it was made on */
    bool foreign;           /* the row belongs to another user */
    bool has_row;
    struct avj_row_copy row; /* as last read or answered */
    int status;
    char error_type[64], error_message[240];
};

struct lane;
typedef enum avj_status lane_fn(struct avj_push *push, struct lane *lane);

struct lane {
    enum lane_state state;
    enum read_purpose purpose;
    enum lane_state after;
    lane_fn *after_probe;
    bool waiting;           /* a request is under way */
    bool got[AVJ_ENTITIES]; /* LANE_READ: these were answered */
    bool single;            /* no transaction for this batch any more */
    unsigned rounds;        /* conflicts met so far */
    unsigned tries;         /* times the server failed on this very batch */
    int64_t wait_until_ms;  /* after that */
    bool announced;         /* the attempt is in the journal */
    char attempt[24];       /* its id */
    int told_status;        /* of its answer that was journaled last */
    unsigned told;          /* such answers in a row */
    char tx[64];
    struct lane_op *ops;
    size_t count;
};

enum { CONFLICT_ROUNDS = 3, LANE_OPS_SINGLE = 20, SUSPECT_TRIES = 4, ASIDE_MS = 60000 };
/* Bytes of fields in one batch: well below the 12 MiB a request may have, JSON's escapes included.
 */
#define LANE_BYTES_MAX ((size_t)3 * 1024 * 1024)

struct avj_push {
    struct avj_store *store;
    const struct avj_appwrite *aw;
    struct avj_lessons lessons;
    struct avj_backoff backoff;
    unsigned tries_max;
    size_t lane_count;
    struct lane lanes[AVJ_PUSH_LANES_MAX];
    struct avj_set busy;    /* documents in lanes, by local id */
    struct avj_set parents; /* threads and projects whose create is in a lane or was left out: what
                               belongs to them waits */
    struct avj_set aside;   /* documents on which the server fails time and again: left out until
                               aside_until_ms */
    int64_t aside_until_ms;
    bool any_busy;
    bool no_transactions; /* the server turned out to have none */
    bool finishing;       /* no new batches */
    bool drained;         /* the outbox had nothing more to take */
    int64_t now_ms, wait_until_ms;
    bool rate_limited;                     /* the wait is the server's, not ours */
    int64_t write_wait_ms[AVJ_PUSH_ELIDE]; /* single writes of a kind: not before (their rate limits
                                              are apart) */
    int64_t blocked_until_ms; /* the earliest of these that held a lane back, 0: none did */
    uint64_t pushed, rejected;
    char note[320];
    struct avj_error failure; /* status not AVJ_OK: final */
};

/* client_push_op.c */
AVJ_CHECKED enum avj_status avj_op_copy(struct lane_op *to, const struct avj_push_op *from);
void avj_op_release(struct lane_op *op);
/* Makes data and omitted for what is to be sent.  A create's and an update's only. */
AVJ_CHECKED enum avj_status avj_op_prepare(struct avj_push *push, struct lane_op *op);
void avj_op_reject(struct lane_op *op, int status, const char *type, const char *message);
void avj_op_ack(struct lane_op *op, int status);
/* Journals what is acked and rejected, lets go of what is released, keeps what is open. */
AVJ_CHECKED enum avj_status avj_lane_settle(struct avj_push *push, struct lane *lane);
/* Journals one row of another's making that was met on the way.  `deleted`: it is gone. */
AVJ_CHECKED enum avj_status avj_lane_learn_row(struct avj_push *push, const struct lane_op *op,
                                               bool deleted);

/* client_push_read.c */
AVJ_CHECKED enum avj_status avj_lane_read(struct avj_push *push, struct lane *lane,
                                          enum read_purpose purpose);
AVJ_CHECKED enum avj_status avj_lane_read_request(struct avj_push *push, struct lane *lane,
                                                  struct avj_http_request *out);
AVJ_CHECKED enum avj_status avj_lane_read_answer(struct avj_push *push, struct lane *lane,
                                                 const struct avj_aw_result *result);
/* The collection is not there: parks what goes to an optional one, ends the run for the others. */
AVJ_CHECKED enum avj_status avj_lane_no_collection(struct avj_push *push, struct lane *lane,
                                                   enum avj_entity entity,
                                                   const struct avj_aw_result *result);

/* client_push_write.c */
AVJ_CHECKED enum avj_status avj_lane_send(struct avj_push *push, struct lane *lane);
/* Lets go of the second half, so that what is wrong with one document is found without holding up
 * the others. */
void avj_lane_halve(struct lane *lane);
AVJ_CHECKED enum avj_status avj_lane_write_request(struct avj_push *push, struct lane *lane,
                                                   struct avj_http_request *out);
AVJ_CHECKED enum avj_status avj_lane_write_answer(struct avj_push *push, struct lane *lane,
                                                  const struct avj_aw_result *result);

/* client_push_answer.c: journals an answer that did not do what was asked for */
AVJ_CHECKED enum avj_status avj_lane_tell(struct avj_push *push, struct lane *lane,
                                          const struct avj_http_answer *answer,
                                          const struct avj_aw_result *result);

/* client_push.c: how long a rate limit lasts */
int64_t avj_push_rate_wait(const struct avj_push *push, const struct avj_aw_result *result);

/* client_push.c: what every part says about an answer that is none, or not one about documents */
AVJ_CHECKED enum avj_status avj_lane_later(struct avj_push *push, struct lane *lane,
                                           const struct avj_aw_result *result);
AVJ_CHECKED enum avj_status avj_push_later(struct avj_push *push,
                                           const struct avj_aw_result *result);
AVJ_CHECKED enum avj_status avj_push_fail(struct avj_push *push, enum avj_status status,
                                          const char *format, ...) AVJ_PRINTF(3, 4);
/* Asks who the session is; goes on with `then` when it is still ours, and ends everything with
 * AVJ_EAUTH when it is not. */
AVJ_CHECKED enum avj_status avj_lane_probe(struct lane *lane, lane_fn *then);

#endif
