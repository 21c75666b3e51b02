/* A subscription: a watcher of the store, what it gathered (bursts.c), and what to wait for
 * (events_wait.h).  See events.h. */
#include "replay/bursts.h"
#include "replay/events_wait.h"
#include "replay/store_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define DEBOUNCE_MS 30

struct avj_events {
    struct avj_store *store;
    const struct avj_io *io;
    struct avj_watcher watcher;
    struct avj_events_options options;
    char *thread; /* that of the options; NULL */
    struct avj_bursts bursts;
    struct avj_events_wait wait;
    int64_t alarm_ms;     /* when it goes off, or went; -1: not set */
    bool fetching;        /* the alarm is set at the end of it */
    bool stale;           /* the last refresh failed: what woke us may still be unread */
    uint64_t message_seq; /* of the last change of a message */
    /* the counts of the view when last looked at: the status is told where they change */
    uint64_t pending, parked, conflicts;
};

const char *avj_event_name(enum avj_event_kind kind)
{
    static const char *const names[AVJ_EVENT_KINDS] = {"threads_updated",   "messages_updated",
                                                       "summaries_updated", "projects_updated",
                                                       "stream_updated",    "status_updated"};
    return (size_t)kind < AVJ_EVENT_KINDS ? names[kind] : "unknown";
}

static int64_t now_ms(const struct avj_events *events)
{
    return events->io->monotonic_ms(events->io->ctx);
}

/* ---- the alarm ---- */

static int64_t wait_ms(const struct avj_events *events, int64_t now)
{
    return events->stale ? AVJ_EVENTS_RETRY_MS : avj_bursts_wait_ms(&events->bursts, now);
}

static void set_alarm(struct avj_events *events, int64_t now)
{
    int64_t wait = wait_ms(events, now);
    if (wait < 0 && events->alarm_ms < 0)
        return;
    if (wait == 0 && events->alarm_ms >= 0 && events->alarm_ms <= now)
        return; /* it has gone off, and stays so */
    avj_events_wait_alarm(&events->wait, wait);
    events->alarm_ms = wait < 0 ? -1 : now + wait;
}

/* A refresh that somebody else made brought something.  One that goes off too early is set anew
 * then: cheaper than moving it with every change. */
static void advance_alarm(struct avj_events *events, int64_t now)
{
    int64_t wait = wait_ms(events, now);
    if (wait >= 0 && (events->alarm_ms < 0 || events->alarm_ms > now + wait))
        set_alarm(events, now);
}

/* ---- from changes to events ---- */

static void gather_kind(struct avj_events *events, const struct avj_change *change,
                        enum avj_event_kind kind, const char *thread)
{
    bool of_a_thread =
        kind == AVJ_EVENT_MESSAGES || kind == AVJ_EVENT_SUMMARIES || kind == AVJ_EVENT_STREAM;
    if (events->options.kinds && !(events->options.kinds & 1u << kind))
        return;
    if (of_a_thread && events->thread) {
        if (!thread || strcmp(thread, events->thread) != 0)
            return;
        thread = NULL; /* there is only one */
    }
    avj_bursts_add(&events->bursts, kind, of_a_thread ? thread : NULL, change,
                   kind == AVJ_EVENT_STREAM || events->options.no_debounce, now_ms(events));
}

static bool counts_changed(struct avj_events *events)
{
    struct avj_view_counts counts;
    avj_view_counts(events->store->view, &counts);
    bool changed = counts.pending != events->pending || counts.parked != events->parked ||
                   counts.conflicts != events->conflicts;
    events->pending = counts.pending;
    events->parked = counts.parked;
    events->conflicts = counts.conflicts;
    return changed;
}

/* What is visible of a document changed. */
static void gather_shown(struct avj_events *events, const struct avj_change *change)
{
    bool came_or_went = change->appeared || change->vanished;
    if (change->entity == AVJ_MESSAGE) {
        /* Two changes of one entry: it left one thread and came to another. */
        came_or_went = came_or_went || change->seq == events->message_seq;
        events->message_seq = change->seq;
    }
    switch (change->entity) {
    case AVJ_THREAD:
        gather_kind(events, change, AVJ_EVENT_THREADS, NULL);
        if (came_or_went) /* and what is listed under it with it */
            gather_kind(events, change, AVJ_EVENT_MESSAGES, change->id);
        break;
    case AVJ_MESSAGE:
        gather_kind(events, change, AVJ_EVENT_MESSAGES, change->thread);
        if (came_or_went) /* threads are listed by their last message */
            gather_kind(events, change, AVJ_EVENT_THREADS, NULL);
        break;
    case AVJ_SUMMARY:
        gather_kind(events, change, AVJ_EVENT_SUMMARIES, change->thread);
        break;
    case AVJ_PROJECT:
        gather_kind(events, change, AVJ_EVENT_PROJECTS, NULL);
        break;
    case AVJ_ENTITIES:
        break;
    }
}

static void gather(void *arg, const struct avj_change *change)
{
    struct avj_events *events = arg;
    if (events->options.on_change)
        events->options.on_change(events->options.on_change_arg, change);
    if (change->type == AVJ_E_STREAM && !change->stream.own)
        gather_kind(events, change, AVJ_EVENT_STREAM, change->thread);
    if (change->shows)
        gather_shown(events, change);
    bool counts = counts_changed(events);
    if (change->type != AVJ_E_STREAM &&
        (counts || !change->shows || change->entity == AVJ_ENTITIES))
        gather_kind(events, change, AVJ_EVENT_STATUS, NULL);
    if (!events->fetching)
        advance_alarm(events, now_ms(events));
}

/* ---- opening and closing ---- */

static int64_t debounce_ms(const struct avj_events_options *options)
{
    if (options->no_debounce)
        return 0;
    return options->debounce_ms ? options->debounce_ms : DEBOUNCE_MS;
}

static enum avj_status open_parts(struct avj_events *events, struct avj_error *err)
{
    const struct avj_events_options *options = &events->options;
    if (options->thread && !(events->thread = strdup(options->thread)))
        return avj_fail(err, AVJ_ENOMEM, "subscribe: out of memory");
    enum avj_status status = avj_bursts_init(&events->bursts, debounce_ms(options), events->thread);
    if (status != AVJ_OK)
        return avj_fail(err, status, "subscribe: out of memory");
    return avj_events_wait_open(&events->wait, avj_journal_path(avj_store_journal(events->store)),
                                err);
}

static void free_events(struct avj_events *events)
{
    avj_bursts_release(&events->bursts);
    free(events->thread);
    free(events);
}

enum avj_status avj_events_open(struct avj_store *store, const struct avj_events_options *options,
                                struct avj_events **out, struct avj_error *err)
{
    *out = NULL;
    struct avj_events *events = calloc(1, sizeof(*events));
    if (!events)
        return avj_fail(err, AVJ_ENOMEM, "subscribe: out of memory");
    if (options)
        events->options = *options;
    events->store = store;
    events->io = store->options.journal.io ? store->options.journal.io : avj_io_posix();
    events->alarm_ms = -1;
    enum avj_status status = open_parts(events, err);
    if (status != AVJ_OK) {
        free_events(events);
        return status;
    }
    (void)counts_changed(events);
    events->watcher = (struct avj_watcher){gather, events, store->watchers};
    store->watchers = &events->watcher;
    /* What was appended before the log was watched wakes nobody. */
    status = avj_store_refresh(store, NULL, err);
    if (status != AVJ_OK) {
        avj_events_close(events);
        return status;
    }
    set_alarm(events, now_ms(events));
    *out = events;
    return AVJ_OK;
}

void avj_events_close(struct avj_events *events)
{
    if (!events)
        return;
    struct avj_watcher **at = &events->store->watchers;
    while (*at != &events->watcher)
        at = &(*at)->next;
    *at = events->watcher.next;
    avj_events_wait_close(&events->wait);
    free_events(events);
}

/* ---- fetching ---- */

int avj_events_fd(struct avj_events *events)
{
    return events->wait.fd;
}

int64_t avj_events_due_ms(const struct avj_events *events)
{
    return wait_ms(events, now_ms(events));
}

/* Wake-ups are taken out first: what is appended from here on wakes again. */
static enum avj_status catch_up(struct avj_events *events, bool even_so, struct avj_error *err)
{
    bool woken = avj_events_wait_drain(&events->wait);
    if (!woken && !even_so)
        return AVJ_OK;
    enum avj_status status = avj_store_refresh(events->store, NULL, err);
    events->stale = status != AVJ_OK;
    return status;
}

enum avj_status avj_events_next(struct avj_events *events, struct avj_event *event,
                                struct avj_error *err)
{
    assert(!events->fetching);
    events->fetching = true;
    /* With something in hand there is no need to look for more. */
    bool nothing_due = avj_bursts_wait_ms(&events->bursts, now_ms(events)) != 0;
    enum avj_status status = catch_up(events, nothing_due, err);
    if (status == AVJ_OK && !avj_bursts_next(&events->bursts, now_ms(events), event))
        status = AVJ_END;
    set_alarm(events, now_ms(events));
    events->fetching = false;
    return status;
}

enum avj_status avj_events_dispatch(struct avj_events *events,
                                    void (*on_event)(void *arg, const struct avj_event *event),
                                    void *arg, struct avj_error *err)
{
    assert(!events->fetching);
    events->fetching = true;
    enum avj_status status = catch_up(events, true, err);
    int64_t now = now_ms(events);
    struct avj_event event;
    /* Only those of now: what on_event changes would else keep us here for ever. */
    size_t due = status == AVJ_OK ? avj_bursts_due(&events->bursts, now) : 0;
    for (; due > 0 && avj_bursts_next(&events->bursts, now, &event); due--)
        on_event(arg, &event);
    set_alarm(events, now_ms(events));
    events->fetching = false;
    return status;
}
