/*
 * When to try again: exponential backoff with full jitter (M. Brooker, "Exponential Backoff And
 * Jitter", AWS Architecture Blog, 2015): a random time between nothing and min(cap, base * 2^n), so
 * that clients that failed together do not return together.
 *
 * Threading: plain data.
 */
#ifndef AVJ_NET_CLIENT_BACKOFF_H
#define AVJ_NET_CLIENT_BACKOFF_H

#include <stdint.h>

enum { AVJ_BACKOFF_BASE_MS = 500, AVJ_BACKOFF_CAP_MS = 60000 };

struct avj_backoff {
    uint64_t random; /* state of the generator; seed it with anything */
    unsigned tries;  /* failures in a row */
};

/* Counts a failure; the milliseconds to wait. */
int64_t avj_backoff_next(struct avj_backoff *backoff);
/* xorshift64*: also for ids of attempts.  Not for secrets. */
uint64_t avj_backoff_random(struct avj_backoff *backoff);

#endif
