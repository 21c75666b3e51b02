/* Reading the whole log for needles: see search_scan.h. */
#include "replay/search_scan.h"

#include "journal/thread.h"

#include <stdatomic.h>
#include <stdlib.h>

/* Records between two looks at whether to go on. */
#define BREATH 1024
/* A stretch has at least so many records: beginning one costs a frame. */
#define STRETCH_MIN 8192
#define THREADS_MAX 4

/* ---- what was found ---- */

static int newest_first(const void *a, const void *b)
{
    const struct avj_found *x = a, *y = b;
    const struct avj_slot *p = avj_view_slot(x->view, x->number);
    const struct avj_slot *q = avj_view_slot(y->view, y->number);
    if (x->ms != y->ms)
        return x->ms > y->ms ? -1 : 1;
    if (avj_slot_entity(p) != avj_slot_entity(q))
        return avj_slot_entity(p) < avj_slot_entity(q) ? -1 : 1;
    return avj_slot_compare_ids(&x->view->slots, q, p);
}

void avj_founds_sort(struct avj_founds *founds)
{
    if (founds->count)
        qsort(founds->items, founds->count, sizeof(*founds->items), newest_first);
    if (founds->limit && founds->count > founds->limit)
        founds->count = founds->limit;
}

static bool grow(struct avj_founds *founds)
{
    size_t cap = founds->cap ? founds->cap * 2 : 64;
    struct avj_found *items = realloc(founds->items, cap * sizeof(*items));
    if (!items)
        return false;
    founds->items = items;
    founds->cap = cap;
    return true;
}

bool avj_founds_add(struct avj_founds *founds, struct avj_found found)
{
    /* Before it grows, what can not count any more goes. */
    if (founds->count == founds->cap && founds->limit && founds->count / 2 >= founds->limit)
        avj_founds_sort(founds);
    if (founds->count == founds->cap && !grow(founds))
        return false;
    founds->items[founds->count++] = found;
    return true;
}

void avj_founds_release(struct avj_founds *founds)
{
    free(founds->items);
    *founds = (struct avj_founds){.limit = founds->limit};
}

/* ---- one record ---- */

bool avj_needles_in(const struct avj_needles *needles, const void *data, size_t len)
{
    for (size_t i = 0; i < needles->count; i++)
        if (!avj_needle_in(&needles->items[i], data, len))
            return false;
    return true;
}

struct avj_slice avj_searched_text(enum avj_entity entity, struct avj_fields fields)
{
    return avj_packed_text(fields.data, fields.len, entity == AVJ_THREAD ? "title" : "content");
}

bool avj_scan_simple(const struct avj_view *view, const struct avj_slot *slot)
{
    return !(slot->flags & (AVJ_SLOT_OPEN | AVJ_SLOT_GROWS)) &&
           !((slot->flags & AVJ_SLOT_SIDE) && avj_side_at(view, slot->extra)->kept.len);
}

struct worker {
    struct team *team;
    struct avj_founds found, unsure;
    enum avj_status status;
    struct avj_error err;
    pthread_t thread;
};

struct team {
    const struct avj_scan *scan;
    uint64_t first, last, stretch; /* sequence numbers; records of a stretch */
    atomic_uint_fast64_t next;     /* stretch to be taken */
    atomic_uint_fast64_t done;     /* records */
    atomic_bool stop;
};

/* The visible message whose body this record is; 0: none. */
static uint32_t message_of(const struct avj_view *view, struct avj_slice id, uint64_t seq)
{
    uint32_t number = avj_view_find(view, AVJ_MESSAGE, id.data, id.len);
    if (!avj_view_visible(view, number))
        return 0;
    const struct avj_slot *slot = avj_view_slot(view, number);
    return avj_scan_simple(view, slot) && avj_slot_body(slot) == seq ? number : 0;
}

static enum avj_status keep(struct worker *w, struct avj_founds *founds, uint32_t number)
{
    const struct avj_view *view = w->team->scan->view;
    if (avj_founds_add(founds,
                       (struct avj_found){view, avj_view_slot(view, number)->created_ms, number}))
        return AVJ_OK;
    return avj_fail(&w->err, AVJ_ENOMEM, "search: out of memory");
}

/* A record that some other program wrote, in other order say. */
static enum avj_status consider_foreign(struct worker *w, const struct avj_record *record)
{
    struct avj_entry entry;
    uint32_t number = 0;
    enum avj_status status = avj_entry_decode(record->data, record->len, &entry, &w->err);
    if (status == AVJ_EFORMAT)
        return AVJ_OK; /* none that the fold took notice of */
    if (status != AVJ_OK)
        return status;
    if (entry.has_document && entry.entity == AVJ_MESSAGE)
        number = message_of(w->team->scan->view, entry.id, record->seq);
    avj_entry_release(&entry);
    return number ? keep(w, &w->unsure, number) : AVJ_OK;
}

/* A record that holds all needles somewhere. */
static enum avj_status consider(struct worker *w, const struct avj_record *record)
{
    struct avj_glance glance;
    if (!avj_glance(record->data, record->len, &glance))
        return consider_foreign(w, record);
    if (!glance.has_document || glance.entity != AVJ_MESSAGE || !glance.f.len)
        return AVJ_OK;
    uint32_t number = message_of(w->team->scan->view, glance.id, record->seq);
    if (!number)
        return AVJ_OK;
    if (!avj_glance_plain(&glance, true))
        return keep(w, &w->unsure, number);
    struct avj_slice text = avj_searched_text(AVJ_MESSAGE, glance.f);
    if (!avj_needles_in(w->team->scan->needles, text.data, text.len))
        return AVJ_OK;
    return keep(w, &w->found, number);
}

/* ---- stretches ---- */

/* Counts, and in the thread that called asks and tells. */
static void breathe(struct worker *w, uint64_t records, bool caller)
{
    struct team *team = w->team;
    const struct avj_search_options *options = team->scan->options;
    uint64_t done = atomic_fetch_add(&team->done, records) + records;
    if (!caller)
        return;
    if (options->progress)
        options->progress(options->arg, done, team->last - team->first + 1);
    if (options->stop && options->stop(options->arg))
        atomic_store(&team->stop, true);
}

static enum avj_status scan_stretch(struct worker *w, uint64_t from, uint64_t to, bool caller)
{
    struct avj_cursor *cursor;
    struct avj_record record;
    uint64_t counted = 0;
    enum avj_status status = avj_cursor_open(w->team->scan->journal, from, &cursor, &w->err);
    if (status != AVJ_OK)
        return status;
    while (!atomic_load_explicit(&w->team->stop, memory_order_relaxed)) {
        status = avj_cursor_next(cursor, &record, &w->err);
        if (status != AVJ_OK || record.seq > to)
            break;
        if (avj_needles_in(w->team->scan->needles, record.data, record.len))
            status = consider(w, &record);
        if (status != AVJ_OK)
            break;
        if (++counted == BREATH) {
            breathe(w, counted, caller);
            counted = 0;
        }
    }
    breathe(w, counted, caller);
    avj_cursor_close(cursor);
    return status == AVJ_END ? AVJ_OK : status;
}

static void work(struct worker *w, bool caller)
{
    struct team *team = w->team;
    while (w->status == AVJ_OK && !atomic_load(&team->stop)) {
        uint64_t from = team->first + atomic_fetch_add(&team->next, 1) * team->stretch;
        if (from > team->last)
            return;
        uint64_t to = team->last - from < team->stretch ? team->last : from + team->stretch - 1;
        w->status = scan_stretch(w, from, to, caller);
    }
    if (w->status != AVJ_OK)
        atomic_store(&team->stop, true);
}

static void *run_worker(void *arg)
{
    work(arg, false);
    return NULL;
}

/* ---- all of it ---- */

static enum avj_status take(struct avj_founds *all, const struct avj_founds *part,
                            struct avj_error *err)
{
    for (size_t i = 0; i < part->count; i++)
        if (!avj_founds_add(all, part->items[i]))
            return avj_fail(err, AVJ_ENOMEM, "search: out of memory");
    return AVJ_OK;
}

static enum avj_status gather(struct avj_scan *scan, struct worker *w, struct avj_error *err)
{
    enum avj_status status = w->status;
    if (status == AVJ_OK)
        status = take(&scan->found, &w->found, err);
    else if (err)
        *err = w->err;
    if (status == AVJ_OK)
        status = take(&scan->unsure, &w->unsure, err);
    return status;
}

static enum avj_status run_team(struct avj_scan *scan, struct team *team, unsigned threads,
                                struct avj_error *err)
{
    struct worker workers[THREADS_MAX] = {{0}};
    enum avj_status status = AVJ_OK;
    unsigned started = 1;
    for (unsigned i = 0; i < THREADS_MAX; i++) {
        workers[i].team = team;
        workers[i].found.limit = scan->found.limit;
    }
    while (started < threads &&
           avj_thread_start(&workers[started].thread, run_worker, &workers[started]))
        started++;
    work(&workers[0], true);
    for (unsigned i = 1; i < started; i++)
        pthread_join(workers[i].thread, NULL);
    for (unsigned i = 0; i < started; i++) {
        if (status == AVJ_OK)
            status = gather(scan, &workers[i], err);
        avj_founds_release(&workers[i].found);
        avj_founds_release(&workers[i].unsure);
    }
    return status;
}

enum avj_status avj_scan_run(struct avj_scan *scan, struct avj_error *err)
{
    struct avj_journal_info info;
    struct team team = {.scan = scan, .last = scan->view->last_seq};
    enum avj_status status = avj_journal_info(scan->journal, &info, err);
    if (status != AVJ_OK || info.first_seq > team.last)
        return status;
    team.first = info.first_seq;
    uint64_t records = team.last - team.first + 1;
    unsigned threads = scan->threads < 1             ? 1
                       : scan->threads > THREADS_MAX ? THREADS_MAX
                                                     : scan->threads;
    /* Small enough that none waits long for the last one. */
    team.stretch = records / (threads * 8) + 1;
    if (team.stretch < STRETCH_MIN)
        team.stretch = STRETCH_MIN;
    status = run_team(scan, &team, threads, err);
    scan->stopped = status == AVJ_OK && atomic_load(&team.stop);
    return status;
}
