/*
 * Changes gathered into events: the part of events.h without a store, a descriptor or a clock.
 * Changes and the time go in, due events come out.
 *
 * A burst is what is known of one (kind, thread) and not told yet.  It is either held, until it has
 * been quiet for the debounce time or held for ten times that, or due, and then told in the order
 * in which bursts became due.
 *
 * Threading: one thread a struct.
 */
#ifndef AVJ_BURSTS_H
#define AVJ_BURSTS_H

#include "replay/events.h"

struct avj_burst {
    struct avj_event event;
    uint64_t hash;
    int64_t first_ms, last_ms;
    enum { AVJ_BURST_NONE, AVJ_BURST_HELD, AVJ_BURST_DUE } place;
    struct avj_burst *in_bucket;         /* next */
    struct avj_burst *prev[2], *next[2]; /* in the lists below */
    char thread[];
};

struct avj_burst_list {
    struct avj_burst *first, *last;
};

struct avj_bursts {
    int64_t debounce_ms;
    struct avj_burst_list quiet; /* held ones by their last change */
    struct avj_burst_list old;   /* held ones by their first change */
    struct avj_burst_list due;
    struct avj_burst **buckets; /* those of a thread */
    size_t bucket_count, count;
    /* For what is of no thread, and for what can not be kept apart: there without memory to ask
     * for. */
    struct avj_burst *plain[AVJ_EVENT_KINDS];
    struct avj_burst *told; /* its thread's name is borrowed out; NULL */
};

/* debounce_ms 0: nothing is held back.  only_thread: the only one that there will be; NULL; copied.
 * AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status avj_bursts_init(struct avj_bursts *bursts, int64_t debounce_ms,
                                            const char *only_thread);
void avj_bursts_release(struct avj_bursts *bursts);

/* One entry's change.  at_once: as all that is remote, it is due now.  Never fails: see
 * avj_event.thread. */
void avj_bursts_add(struct avj_bursts *bursts, enum avj_event_kind kind, const char *thread,
                    const struct avj_change *change, bool at_once, int64_t now_ms);
/* How many are due. */
size_t avj_bursts_due(struct avj_bursts *bursts, int64_t now_ms);
/* Takes the next one that is; false: none.  The thread's name is good until the next call. */
bool avj_bursts_next(struct avj_bursts *bursts, int64_t now_ms, struct avj_event *event);
/* Milliseconds until one is, 0: there is one; -1: nothing is held. */
int64_t avj_bursts_wait_ms(const struct avj_bursts *bursts, int64_t now_ms);

#endif
