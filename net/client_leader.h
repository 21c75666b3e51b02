/*
 * One syncer at a time: the leader holds a lock on DIR/sync.lock that dies with its process.  The
 * file stays, and says who that is.
 *
 * Waiting for the lock costs nothing: the kernel tells when somebody who had the file open for
 * writing closes it, which a killed process does as well.
 *
 * Threading: one thread a lock.
 */
#ifndef AVJ_NET_CLIENT_LEADER_H
#define AVJ_NET_CLIENT_LEADER_H

#include "net/engine.h"

struct avj_sync_lock {
    int file;       /* DIR/sync.lock, -1: not open */
    int wake;       /* polls readable when the lock may have come free; -1: nothing tells */
    unsigned tries; /* since it last did */
    bool held;
};

/* Opens it, so that it can be waited for.  Errors: those of opening a file. */
AVJ_CHECKED enum avj_status avj_sync_lock_open(const char *dir, struct avj_sync_lock *lock,
                                               struct avj_error *err);
/* AVJ_ELOCKED names the process that has it.  Takes note of `session` (NULL: none), so that others
 * can name this one. */
AVJ_CHECKED enum avj_status avj_sync_lock_try(struct avj_sync_lock *lock, const char *session,
                                              struct avj_error *err);
/* Empties the wake-ups; what comes after is not missed by a try that follows. */
void avj_sync_lock_woken(struct avj_sync_lock *lock);
/* After a try in vain: milliseconds until the next is due even if nothing wakes. */
int64_t avj_sync_lock_pause_ms(struct avj_sync_lock *lock);

/*
 * Who finds another leading, and wants one sync now, asks it for one: behind the note in the file
 * stand the number of the last request and the leader's last answer.
 */
struct avj_sync_answer {
    uint64_t request; /* that it answers, and all before it */
    enum avj_status status;
    uint64_t pushed, pulled, rejected; /* since it was asked */
};

/* Asks; gives the number of the request, 0: the file can not be written. */
uint64_t avj_sync_lock_ask(struct avj_sync_lock *lock);
/* True once it is answered. */
bool avj_sync_lock_answered(struct avj_sync_lock *lock, uint64_t request,
                            struct avj_sync_answer *answer);
/* The leader's side: the newest request that is not answered, 0: none. */
uint64_t avj_sync_lock_asked(struct avj_sync_lock *lock);
void avj_sync_lock_answer(struct avj_sync_lock *lock, const struct avj_sync_answer *answer);

void avj_sync_lock_release(struct avj_sync_lock *lock);

#endif
