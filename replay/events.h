/*
 * Events for a user interface: what to draw anew, whoever changed it: this store, another process
 * of this machine, or another device by way of the sync.
 *
 * A subscription gathers changes and hands out one event per (kind, thread) and burst.  Changes
 * made on this machine are held back until there has been none of the same (kind, thread) for
 * debounce_ms (and no longer than ten times that); merges of what came from elsewhere, and tokens
 * of a stream, are due at once.  Times are those of the monotonic clock, taken when a change is
 * folded in.  Of streams that the store writes itself it makes no stream events: whoever appended
 * has drawn it.
 *
 * Use: poll avj_events_fd() for reading, then call avj_events_next() until AVJ_END; or
 * avj_events_dispatch() with a callback.  Both refresh the store, so that its reading functions
 * give what the event is about, or what has become of it since.  Any number of subscriptions may be
 * open beside each other and beside a sync engine, on one store or on several of one journal.
 *
 * Memory: what nobody fetches is one event per (kind, thread), for up to AVJ_EVENTS_APART of these;
 * of what comes on top, only the kind is kept.
 *
 * Threading: that of its store.  Lifetime: close it before the store.
 */
#ifndef AVJ_EVENTS_H
#define AVJ_EVENTS_H

#include "replay/store.h"

AVJ_BEGIN_C

struct avj_events;

/* Pairs of (kind, thread) that a subscription tells apart at once. */
#define AVJ_EVENTS_APART 65536u

enum avj_event_kind {
    AVJ_EVENT_THREADS,   /* the list of threads, or what it shows of them: last message, count */
    AVJ_EVENT_MESSAGES,  /* the messages of a thread, or that it came or went */
    AVJ_EVENT_SUMMARIES, /* the summaries of a thread */
    AVJ_EVENT_PROJECTS,
    AVJ_EVENT_STREAM, /* a growing answer in a thread */
    AVJ_EVENT_STATUS, /* pending, parked, conflicts, gap, session: avj_store_status; and so the
                         `pending` and `parked` of documents */
    AVJ_EVENT_KINDS
};

/* "messages_updated" and so on.  Static storage. */
AVJ_API const char *avj_event_name(enum avj_event_kind kind);

struct avj_event {
    enum avj_event_kind kind;
    /* Messages, summaries, stream: whose, which may have vanished; NULL: perhaps of every thread
     * (there were more than AVJ_EVENTS_APART, or memory ran out).  Else NULL.  Borrowed until the
     * next call. */
    const char *thread;
    bool local, remote; /* made on this machine; came from elsewhere (both in one burst, perhaps) */
    uint64_t first_seq, last_seq; /* entries behind it */
    uint64_t changes;             /* how many of the entries */
};

/* What folding an entry in did to a document.  Several of these for one entry are possible. */
struct avj_change {
    uint64_t seq;
    enum avj_entry_type type;
    enum avj_entity entity; /* AVJ_ENTITIES: none; something that avj_store_status tells changed */
    const char *id;
    const char *thread; /* messages and summaries: the thread it is, or was, listed in; NULL */
    bool remote;        /* from elsewhere; else made on this machine */
    bool shows;         /* what is visible of it changed, else only its state in the sync */
    bool appeared, vanished;
    struct avj_change_stream { /* type AVJ_E_STREAM: an answer grows; nothing else changed then */
        enum avj_stream_op op;
        const char *session;    /* of who writes it; NULL: it says none */
        uint64_t offset;        /* bytes of text before this entry */
        struct avj_slice delta; /* append: what came behind them */
        bool own;               /* written by way of the very store that tells of it */
    } stream;
};

struct avj_events_options { /* all zero: the defaults */
    unsigned debounce_ms;   /* 0: 30 */
    bool no_debounce;       /* everything at once */
    const char *thread;     /* only of this thread (and of kinds without one); NULL: all.  Copied */
    unsigned kinds;         /* bits 1 << kind; 0: all */
    /* For those who want every change itself, whatever kinds and thread say; NULL: not called.
     * Called while the store folds in, by whatever call made it do so: take notes (all of `change`
     * is borrowed during the call), do not call the store. */
    void (*on_change)(void *arg, const struct avj_change *change);
    void *on_change_arg;
};

/* Sees what is folded in from now on, beginning with what others have appended since the store was
 * last refreshed: it refreshes the store.  options may be NULL.  Errors: AVJ_ENOMEM, AVJ_EIO (no
 * descriptor to be had), and those of avj_store_refresh. */
AVJ_API AVJ_CHECKED enum avj_status avj_events_open(struct avj_store *store,
                                                    const struct avj_events_options *options,
                                                    struct avj_events **out, struct avj_error *err);
AVJ_API void avj_events_close(struct avj_events *events); /* NULL is allowed */

/* Polls readable when there may be an event: something was appended by anyone, or one that was held
 * back is due.  Owned by the subscription; only to be polled. */
AVJ_API int avj_events_fd(struct avj_events *events);

/* The next event that is due, in the order in which they became so.  AVJ_END: none now.  Errors:
 * those of avj_store_refresh; nothing is forgotten, and the descriptor polls readable again after
 * AVJ_EVENTS_RETRY_MS. */
#define AVJ_EVENTS_RETRY_MS 1000
AVJ_API AVJ_CHECKED enum avj_status avj_events_next(struct avj_events *events,
                                                    struct avj_event *event, struct avj_error *err);

/* Milliseconds until something held back is due, -1: nothing is held back.  For loops that can not
 * poll the descriptor. */
AVJ_API int64_t avj_events_due_ms(const struct avj_events *events);

/* Calls on_event for every event that is due now.  It may use and change the store, but not close
 * the subscription, nor fetch from it.  Errors: those of avj_events_next; none was told then. */
AVJ_API AVJ_CHECKED enum avj_status
avj_events_dispatch(struct avj_events *events,
                    void (*on_event)(void *arg, const struct avj_event *event), void *arg,
                    struct avj_error *err);

AVJ_END_C

#endif
