/*
 * Push: what to ask the server in which order so that every pending change gets there exactly once
 * in effect.  No sockets, no clock: requests go out through avj_push_next, answers and the time
 * come in; state is the store's (outbox, push, ack, reject and remote entries).
 *
 * Per batch (a lane), on a server with transactions: journal the attempt; read the rows that may
 * have moved or may be there already; begin, stage, read the versions once more, commit, read the
 * rows back, settle.  Without transactions, and where a batch is refused down to one document,
 * documents are written one by one with compare-and-set.  Lanes run side by side on documents that
 * do not depend on each other.
 *
 * Threading: one thread.  Lifetime: borrows store and aw until avj_push_free; aw->version may be
 * filled in before the first avj_push_next.
 */
#ifndef AVJ_NET_CLIENT_PUSH_H
#define AVJ_NET_CLIENT_PUSH_H

#include "net/client_appwrite.h"

struct avj_push;

struct avj_push_options {
    struct avj_store *store;
    const struct avj_appwrite *aw;
    uint64_t seed;      /* of jitter and attempt ids */
    unsigned tries_max; /* unanswered requests in a row until AVJ_ENET, 0: for ever */
    unsigned lanes;     /* batches side by side, 0: AVJ_PUSH_LANES; at most AVJ_PUSH_LANES_MAX */
};

/* Appwrite 1.8.1 reaches its ceiling with two transactions side by side; the third hides the round
 * trips. */
enum { AVJ_PUSH_LANES = 3, AVJ_PUSH_LANES_MAX = 8 };

struct avj_call {
    struct avj_http_request request;
    uint64_t token;
};

struct avj_push_stats {
    uint64_t pushed, rejected; /* documents settled */
    bool busy;                 /* a batch is under way */
    int64_t wait_until_ms;     /* 0: not waiting */
    const char *note;          /* why it waits, or what was last refused; NULL */
};

AVJ_CHECKED enum avj_status avj_push_new(const struct avj_push_options *options,
                                         struct avj_push **out);
void avj_push_free(struct avj_push *push);

/* The next request to send.  AVJ_END: none at this moment (requests are under way, or it waits, or
 * the outbox is empty).  Errors are final: AVJ_EAUTH (the session is gone; nothing was rejected for
 * it), AVJ_ENET, AVJ_EREJECTED (a collection that must be there is not), AVJ_EPROTO, and the
 * journal's. */
AVJ_CHECKED enum avj_status avj_push_next(struct avj_push *push, int64_t now_ms,
                                          struct avj_call *call, struct avj_error *err);
/* What came back for a token. */
void avj_push_answer(struct avj_push *push, uint64_t token, const struct avj_http_answer *answer,
                     int64_t now_ms);

/* The outbox may have changed. */
void avj_push_wake(struct avj_push *push);
/* Takes no new batch from here on: what is under way is brought to its end. */
void avj_push_finish(struct avj_push *push);
/* Try at once, whatever the backoff says (a rate limit stays). */
void avj_push_hurry(struct avj_push *push);
/* True while a row of that $id is being written: what others say about it must wait, it would be
 * taken for a foreign edit. */
bool avj_push_in_flight(const struct avj_push *push, enum avj_entity entity, const char *remote_id);
/* Nothing under way, and the outbox had nothing when last asked. */
bool avj_push_idle(const struct avj_push *push);
void avj_push_stats(const struct avj_push *push, struct avj_push_stats *stats);

#endif
