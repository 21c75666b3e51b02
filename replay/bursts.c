/* Gathering changes: see bursts.h. */
#include "replay/bursts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_AT_FIRST 64u

/* Longest that a burst is held, in debounce times: an interface that draws while somebody types
 * without a pause still draws. */
#define HELD_AT_MOST 10

/* ---- lists: a burst is in `quiet` and `old`, or in `due` ---- */

enum { BY_TURN = 0, BY_AGE = 1 };

static void append(struct avj_burst_list *list, int which, struct avj_burst *b)
{
    b->prev[which] = list->last;
    b->next[which] = NULL;
    if (list->last)
        list->last->next[which] = b;
    else
        list->first = b;
    list->last = b;
}

static void take_out(struct avj_burst_list *list, int which, struct avj_burst *b)
{
    if (b->prev[which])
        b->prev[which]->next[which] = b->next[which];
    else
        list->first = b->next[which];
    if (b->next[which])
        b->next[which]->prev[which] = b->prev[which];
    else
        list->last = b->prev[which];
}

static void hold(struct avj_bursts *bursts, struct avj_burst *b, int64_t now_ms)
{
    if (b->place == AVJ_BURST_HELD) {
        take_out(&bursts->quiet, BY_TURN, b);
    } else {
        b->first_ms = now_ms;
        append(&bursts->old, BY_AGE, b);
    }
    b->last_ms = now_ms;
    b->place = AVJ_BURST_HELD;
    append(&bursts->quiet, BY_TURN, b);
}

static void make_due(struct avj_bursts *bursts, struct avj_burst *b)
{
    if (b->place == AVJ_BURST_HELD) {
        take_out(&bursts->quiet, BY_TURN, b);
        take_out(&bursts->old, BY_AGE, b);
    }
    b->place = AVJ_BURST_DUE;
    append(&bursts->due, BY_TURN, b);
}

/* The held one that is due first, and when; NULL: none is held. */
static struct avj_burst *first_held(const struct avj_bursts *bursts, int64_t *when_ms)
{
    struct avj_burst *quiet = bursts->quiet.first, *old = bursts->old.first;
    if (!quiet)
        return NULL;
    int64_t quiet_ms = quiet->last_ms + bursts->debounce_ms;
    int64_t old_ms = old->first_ms + HELD_AT_MOST * bursts->debounce_ms;
    *when_ms = old_ms < quiet_ms ? old_ms : quiet_ms;
    return old_ms < quiet_ms ? old : quiet;
}

static void ripen(struct avj_bursts *bursts, int64_t now_ms)
{
    int64_t when_ms;
    struct avj_burst *b;
    while ((b = first_held(bursts, &when_ms)) && when_ms <= now_ms)
        make_due(bursts, b);
}

/* ---- which burst a change belongs to ---- */

static struct avj_burst *new_burst(enum avj_event_kind kind, const char *thread, uint64_t hash)
{
    size_t len = thread ? strlen(thread) + 1 : 0;
    struct avj_burst *b = calloc(1, sizeof(*b) + len);
    if (!b)
        return NULL;
    b->hash = hash;
    b->event.kind = kind;
    if (thread) {
        memcpy(b->thread, thread, len);
        b->event.thread = b->thread;
    }
    return b;
}

static struct avj_burst **bucket_of(const struct avj_bursts *bursts, uint64_t hash)
{
    return &bursts->buckets[hash & (bursts->bucket_count - 1)];
}

/* Where there is no memory for it, the chains just get longer. */
static void widen(struct avj_bursts *bursts)
{
    size_t had = bursts->bucket_count;
    struct avj_burst **old = bursts->buckets, **wider = calloc(had * 2, sizeof(*wider));
    if (!wider)
        return;
    bursts->buckets = wider;
    bursts->bucket_count = had * 2;
    for (size_t i = 0; i < had; i++) {
        while (old[i]) {
            struct avj_burst *b = old[i];
            old[i] = b->in_bucket;
            struct avj_burst **to = bucket_of(bursts, b->hash);
            b->in_bucket = *to;
            *to = b;
        }
    }
    free(old);
}

static struct avj_burst *burst_of(struct avj_bursts *bursts, enum avj_event_kind kind,
                                  const char *thread)
{
    if (!thread)
        return bursts->plain[kind];
    uint64_t hash = avj_hash64(thread, strlen(thread)) + (uint64_t)kind * 0x9e3779b97f4a7c15u;
    for (struct avj_burst *b = *bucket_of(bursts, hash); b; b = b->in_bucket)
        if (b->hash == hash && b->event.kind == kind && strcmp(b->thread, thread) == 0)
            return b;
    struct avj_burst *b = bursts->count < AVJ_EVENTS_APART ? new_burst(kind, thread, hash) : NULL;
    if (!b)
        return bursts->plain[kind];
    if (bursts->count++ >= bursts->bucket_count)
        widen(bursts);
    struct avj_burst **to = bucket_of(bursts, hash);
    b->in_bucket = *to;
    *to = b;
    return b;
}

static void forget(struct avj_bursts *bursts, struct avj_burst *b)
{
    struct avj_burst **at = bucket_of(bursts, b->hash);
    while (*at != b)
        at = &(*at)->in_bucket;
    *at = b->in_bucket;
    bursts->count--;
}

/* ---- the interface ---- */

enum avj_status avj_bursts_init(struct avj_bursts *bursts, int64_t debounce_ms,
                                const char *only_thread)
{
    static const bool of_a_thread[AVJ_EVENT_KINDS] = {
        [AVJ_EVENT_MESSAGES] = true, [AVJ_EVENT_SUMMARIES] = true, [AVJ_EVENT_STREAM] = true};
    *bursts = (struct avj_bursts){.debounce_ms = debounce_ms, .bucket_count = BUCKETS_AT_FIRST};
    bursts->buckets = calloc(BUCKETS_AT_FIRST, sizeof(*bursts->buckets));
    bool ok = bursts->buckets != NULL;
    for (int k = 0; ok && k < AVJ_EVENT_KINDS; k++) {
        bursts->plain[k] =
            new_burst((enum avj_event_kind)k, of_a_thread[k] ? only_thread : NULL, 0);
        ok = bursts->plain[k] != NULL;
    }
    if (!ok)
        avj_bursts_release(bursts);
    return ok ? AVJ_OK : AVJ_ENOMEM;
}

void avj_bursts_release(struct avj_bursts *bursts)
{
    for (size_t i = 0; bursts->buckets && i < bursts->bucket_count; i++) {
        while (bursts->buckets[i]) {
            struct avj_burst *b = bursts->buckets[i];
            bursts->buckets[i] = b->in_bucket;
            free(b);
        }
    }
    for (int k = 0; k < AVJ_EVENT_KINDS; k++)
        free(bursts->plain[k]);
    free(bursts->buckets);
    free(bursts->told);
    *bursts = (struct avj_bursts){.count = 0};
}

void avj_bursts_add(struct avj_bursts *bursts, enum avj_event_kind kind, const char *thread,
                    const struct avj_change *change, bool at_once, int64_t now_ms)
{
    struct avj_burst *b = burst_of(bursts, kind, thread);
    struct avj_event *event = &b->event;
    if (b->place == AVJ_BURST_NONE)
        event->first_seq = change->seq;
    if (event->last_seq != change->seq)
        event->changes++; /* an entry may change several documents */
    event->last_seq = change->seq;
    event->local = event->local || !change->remote;
    event->remote = event->remote || change->remote;
    if (b->place == AVJ_BURST_DUE)
        return;
    if (at_once || change->remote || bursts->debounce_ms == 0)
        make_due(bursts, b);
    else
        hold(bursts, b, now_ms);
}

size_t avj_bursts_due(struct avj_bursts *bursts, int64_t now_ms)
{
    size_t count = 0;
    ripen(bursts, now_ms);
    for (const struct avj_burst *b = bursts->due.first; b; b = b->next[BY_TURN])
        count++;
    return count;
}

bool avj_bursts_next(struct avj_bursts *bursts, int64_t now_ms, struct avj_event *event)
{
    free(bursts->told);
    bursts->told = NULL;
    ripen(bursts, now_ms);
    struct avj_burst *b = bursts->due.first;
    if (!b)
        return false;
    take_out(&bursts->due, BY_TURN, b);
    *event = b->event;
    if (b == bursts->plain[event->kind]) {
        b->place = AVJ_BURST_NONE;
        b->event = (struct avj_event){.kind = event->kind, .thread = event->thread};
    } else {
        forget(bursts, b);
        bursts->told = b;
    }
    return true;
}

int64_t avj_bursts_wait_ms(const struct avj_bursts *bursts, int64_t now_ms)
{
    int64_t when_ms;
    if (bursts->due.first)
        return 0;
    if (!first_held(bursts, &when_ms))
        return -1;
    return when_ms > now_ms ? when_ms - now_ms : 0;
}
