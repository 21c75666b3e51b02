/* Events of documents: see fsck_audit_docs.h. */
#include "fsck/fsck_audit_docs.h"

#include "fsck/fsck_audit_texts.h"
#include "journal/journal.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS  65536
#define ATTEMPTS 16 /* whose answers may still come */

struct document {
    enum avj_entity entity;
    char *id, *thread;
    struct fsck_event *events;
    size_t count, cap;
    size_t settled; /* events before this one hold no own change that waits */
    bool continued;
    struct document *next;  /* of the same hash */
    struct document *after; /* in the order of their first event */
    struct fsck_edits edits;
};

struct attempt {
    char id[32];
    uint64_t *keys; /* of its documents */
    size_t count, cap;
};

struct fsck_docs_told {
    struct fsck_audit_with with;
    const struct fsck_sums *sums;
    struct document **buckets;
    struct document *first, *last;
    size_t events;  /* of all that are kept */
    uint64_t given; /* documents */
    struct attempt attempts[ATTEMPTS];
    size_t attempt_turn;
    struct document *clash; /* whose conflict waits for the state that won; NULL: none */
    size_t clash_event;
};

struct fsck_docs_told *fsck_docs_told_new(const struct fsck_audit_with *with,
                                          const struct fsck_sums *sums)
{
    struct fsck_docs_told *docs = calloc(1, sizeof(*docs));
    if (!docs)
        return NULL;
    docs->with = *with;
    docs->sums = sums;
    docs->buckets = calloc(BUCKETS, sizeof(struct document *));
    if (docs->buckets)
        return docs;
    free(docs);
    return NULL;
}

static void free_document(struct document *d)
{
    for (size_t i = 0; i < d->count; i++) {
        struct fsck_event *e = &d->events[i];
        free(e->version);
        free(e->note);
        free(e->attempt);
        free(e->via);
        free(e->lost);
        free(e->won);
    }
    fsck_edits_release(&d->edits);
    free(d->events);
    free(d->thread);
    free(d->id);
    free(d);
}

void fsck_docs_told_free(struct fsck_docs_told *docs)
{
    if (!docs)
        return;
    while (docs->first) {
        struct document *d = docs->first;
        docs->first = d->after;
        free_document(d);
    }
    for (size_t i = 0; i < ATTEMPTS; i++)
        free(docs->attempts[i].keys);
    free(docs->buckets);
    free(docs);
}

/* ---- which documents ---- */

static uint64_t key_of(enum avj_entity entity, struct avj_slice id)
{
    return avj_hash64(id.data, id.len) + (uint64_t)entity;
}

static struct document *find(const struct fsck_docs_told *docs, enum avj_entity entity,
                             struct avj_slice id)
{
    struct document *d = docs->buckets[key_of(entity, id) % BUCKETS];
    while (d &&
           (d->entity != entity || strlen(d->id) != id.len || memcmp(d->id, id.data, id.len) != 0))
        d = d->next;
    return d;
}

static bool is(struct avj_slice text, const char *what)
{
    return text.data && text.len == strlen(what) && memcmp(text.data, what, text.len) == 0;
}

static bool wanted(const struct fsck_docs_told *docs, enum avj_entity entity, struct avj_slice id,
                   struct avj_fields fields)
{
    switch (docs->with.of) {
    case FSCK_OF_ALL:
        return entity == AVJ_MESSAGE;
    case FSCK_OF_ID:
        return is(id, docs->with.id);
    case FSCK_OF_MESSAGE:
        return entity == AVJ_MESSAGE && is(id, docs->with.id);
    case FSCK_OF_THREAD:
        return (entity == AVJ_THREAD && is(id, docs->with.id)) ||
               is(fsck_field_text(fields, "threadId"), docs->with.id);
    default:
        return false;
    }
}

static void give(struct fsck_docs_told *docs, struct document *d)
{
    size_t count = 0, from = 0;
    const struct fsck_audit_gap *gaps = fsck_sums_gaps(docs->sums, &count);
    int64_t first = d->events[0].at_ms, last = d->events[d->count - 1].at_ms;
    while (from < count && gaps[from].closed_seq && gaps[from].closed_ms < first)
        from++;
    while (count > from && gaps[count - 1].opened_ms > last)
        count--;
    struct fsck_audit_document given = {
        .entity = d->entity,
        .id = d->id,
        .thread = d->thread,
        .events = d->events,
        .count = d->count,
        .continued = d->continued,
        .asked_for = docs->with.of != FSCK_OF_ALL,
        .gaps = gaps ? gaps + from : NULL,
        .gap_count = count - from,
    };
    docs->given += !d->continued;
    if (docs->with.document)
        docs->with.document(docs->with.arg, &given);
}

/* The oldest is told and its events are forgotten; that it was there is not. */
static void let_go(struct fsck_docs_told *docs)
{
    struct document *d = docs->first;
    give(docs, d);
    docs->first = d->after;
    if (!docs->first)
        docs->last = NULL;
    if (docs->clash == d)
        docs->clash = NULL;
    docs->events -= d->count;
    struct document **link =
        &docs->buckets[key_of(d->entity, (struct avj_slice){d->id, strlen(d->id)}) % BUCKETS];
    while (*link != d)
        link = &(*link)->next;
    *link = d->next;
    free_document(d);
}

/* NULL: out of memory. */
static struct document *add_document(struct fsck_docs_told *docs, enum avj_entity entity,
                                     struct avj_slice id)
{
    struct document *d = calloc(1, sizeof(*d));
    char *copy = fsck_copy(id, SIZE_MAX);
    if (!d || !copy) {
        free(d);
        free(copy);
        return NULL;
    }
    struct document **bucket = &docs->buckets[key_of(entity, id) % BUCKETS];
    d->entity = entity;
    d->id = copy;
    d->next = *bucket;
    *bucket = d;
    if (docs->last)
        docs->last->after = d;
    else
        docs->first = d;
    docs->last = d;
    return d;
}

/* ---- events ---- */

static struct fsck_event *add_event(struct fsck_docs_told *docs, struct document *d,
                                    enum fsck_event_kind kind, uint64_t seq,
                                    const struct fsck_told *t)
{
    if (!fsck_room(&d->events, d->count, &d->cap, sizeof(*d->events)))
        return NULL;
    struct fsck_event *event = &d->events[d->count++];
    docs->events++;
    *event = (struct fsck_event){
        .kind = kind,
        .seq = seq,
        .at_ms = t->at_ms,
        .waited_ms = -1,
        .took_ms = -1,
        .status = -1,
        .count = 1,
        .session = fsck_sums_session(docs->sums),
    };
    return event;
}

static bool is_own_change(const struct fsck_event *event)
{
    return event->kind == FSCK_EV_CREATED || event->kind == FSCK_EV_EDITED ||
           event->kind == FSCK_EV_DELETED;
}

static void time_changes(struct document *d, uint64_t upto, int64_t at_ms, bool acknowledged)
{
    size_t i = d->settled;
    for (; i < d->count && d->events[i].seq <= upto; i++)
        if (is_own_change(&d->events[i]) && acknowledged)
            d->events[i].waited_ms = at_ms > d->events[i].at_ms ? at_ms - d->events[i].at_ms : 0;
    d->settled = i;
}

/* The last attempt that has no end yet has it now. */
static void end_attempt(struct document *d, int64_t at_ms, int64_t status)
{
    for (size_t i = d->count; i-- > 0;) {
        struct fsck_event *e = &d->events[i];
        if (e->kind != FSCK_EV_PUSHED)
            continue;
        if (e->took_ms < 0) {
            e->took_ms = at_ms > e->at_ms ? at_ms - e->at_ms : 0;
            if (status >= 0)
                e->status = status;
        }
        return;
    }
}

/* The conflict with that number is settled by record `seq`. */
static void settle_conflict(struct document *d, uint64_t number, uint64_t seq)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->events[i].kind == FSCK_EV_CONFLICT && d->events[i].seq == number)
            d->events[i].settled_by = seq;
}

static enum fsck_event_kind kind_of(const struct fsck_told *t)
{
    bool row = t->at['f' - 'a'] || t->at['g' - 'a'];
    switch (t->type) {
    case AVJ_E_LOCAL:
        return fsck_told_is(t, 'o', "create")   ? FSCK_EV_CREATED
               : fsck_told_is(t, 'o', "delete") ? FSCK_EV_DELETED
                                                : FSCK_EV_EDITED;
    case AVJ_E_ACK:
        return fsck_told_int(t, 'x', 0) == 0 ? FSCK_EV_ELIDED : FSCK_EV_ACKNOWLEDGED;
    case AVJ_E_REJECT:
        return FSCK_EV_REJECTED;
    case AVJ_E_RETRY:
        return FSCK_EV_RETRIED;
    case AVJ_E_DROP:
        return FSCK_EV_DROPPED;
    case AVJ_E_REMOTE:
        return row ? FSCK_EV_REMOTE : FSCK_EV_REMOTE_DELETED;
    case AVJ_E_CONFLICT:
        return fsck_told_is(t, 'o', "dismiss") ? FSCK_EV_DISMISSED : FSCK_EV_CONFLICT;
    case AVJ_E_STREAM:
        return FSCK_EV_STREAMED;
    default:
        return FSCK_EVENTS;
    }
}

static void fill(struct fsck_event *e, const struct fsck_told *t)
{
    int64_t upto = fsck_told_int(t, 's', 0), conflict = fsck_told_int(t, 'c', 0);
    e->upto = upto > 0 ? (uint64_t)upto : 0;
    if (t->type == AVJ_E_ACK || t->type == AVJ_E_REJECT)
        e->status = fsck_told_int(t, 'x', 0);
    e->version = fsck_copy(fsck_told_text(t, 'v'), 64);
    e->note = fsck_note_of(e->kind, t);
    e->stub = !t->at['f' - 'a'] && (t->at['z' - 'a'] || t->at['g' - 'a']);
    if (t->type == AVJ_E_LOCAL && conflict > 0)
        e->conflict = (uint64_t)conflict;
    if (e->kind == FSCK_EV_DISMISSED)
        e->conflict = e->upto;
}

/* What the event does to those before it. */
static void take_effect(struct document *d, const struct fsck_event *e)
{
    switch (e->kind) {
    case FSCK_EV_ACKNOWLEDGED:
    case FSCK_EV_ELIDED:
    case FSCK_EV_DROPPED:
        time_changes(d, e->upto, e->at_ms, e->kind == FSCK_EV_ACKNOWLEDGED);
        if (e->kind == FSCK_EV_ACKNOWLEDGED)
            end_attempt(d, e->at_ms, e->status);
        break;
    case FSCK_EV_REJECTED:
        end_attempt(d, e->at_ms, e->status);
        break;
    default:
        break;
    }
    if (e->conflict)
        settle_conflict(d, e->conflict, e->seq);
}

/* Both sides of a conflict: what it says was lost, and the edit, or the state behind it in the same
 * frame, that won. */
static void fill_conflict(struct fsck_docs_told *docs, struct document *d,
                          const struct fsck_told *t)
{
    struct fsck_event *e = &d->events[d->count - 1];
    struct avj_fields lost = fsck_told_fields(t);
    e->lost_here = fsck_told_is(t, 'w', "elsewhere");
    e->lost = fsck_gist(lost, lost);
    docs->clash = NULL;
    if (!e->lost_here) {
        e->won = fsck_edits_gist(&d->edits, lost);
        return;
    }
    fsck_edits_lost(&d->edits, lost);
    docs->clash = d;
    docs->clash_event = d->count - 1;
}

static void end_conflict(struct fsck_docs_told *docs, struct document *d, const struct fsck_told *t)
{
    if (docs->clash != d || (t->type != AVJ_E_ACK && t->type != AVJ_E_REMOTE))
        return;
    struct fsck_event *e = &d->events[docs->clash_event];
    if (!e->won)
        e->won = fsck_gist(fsck_told_fields(t), d->edits.lost);
    docs->clash = NULL;
}

static void learn_thread(struct document *d, struct avj_fields fields)
{
    struct avj_slice thread = fsck_field_text(fields, "threadId");
    char *copy = d->entity == AVJ_THREAD ? NULL : fsck_copy(thread, 256);
    if (!copy)
        return;
    free(d->thread);
    d->thread = copy;
}

static enum avj_status document_entry(struct fsck_docs_told *docs, uint64_t seq,
                                      const struct fsck_told *t)
{
    enum fsck_event_kind kind = kind_of(t);
    struct avj_fields fields =
        kind == FSCK_EV_CONFLICT ? (struct avj_fields){NULL, 0} : fsck_told_fields(t);
    struct document *d = find(docs, t->entity, t->id);
    if (kind == FSCK_EVENTS || (!d && !wanted(docs, t->entity, t->id, fields)))
        return AVJ_OK;
    bool made = kind == FSCK_EV_CREATED || kind == FSCK_EV_REMOTE || kind == FSCK_EV_STREAMED;
    bool met = d != NULL;
    if (!met)
        d = add_document(docs, t->entity, t->id);
    if (!d)
        return AVJ_ENOMEM;
    d->continued |= !met && !made && docs->with.of == FSCK_OF_ALL && docs->given > 0;
    if (kind == FSCK_EV_STREAMED && d->count && d->events[d->count - 1].kind == kind) {
        d->events[d->count - 1].count++; /* tokens of one answer are one event */
        return AVJ_OK;
    }
    struct fsck_event *e = add_event(docs, d, kind, seq, t);
    if (!e)
        return AVJ_ENOMEM;
    fill(e, t);
    take_effect(d, e);
    learn_thread(d, fields);
    if (docs->with.of == FSCK_OF_ALL)
        return AVJ_OK;
    if (kind == FSCK_EV_CONFLICT)
        fill_conflict(docs, d, t);
    end_conflict(docs, d, t);
    return t->type == AVJ_E_LOCAL && !fsck_edits_add(&d->edits, fields) ? AVJ_ENOMEM : AVJ_OK;
}

/* ---- attempts ---- */

static struct attempt *begin_attempt(struct fsck_docs_told *docs, struct avj_slice id)
{
    struct attempt *a = &docs->attempts[docs->attempt_turn++ % ATTEMPTS];
    a->count = 0;
    size_t len = id.len < sizeof(a->id) ? id.len : sizeof(a->id) - 1;
    memcpy(a->id, id.len ? id.data : "", len);
    a->id[len] = 0;
    return a;
}

static enum avj_status pushed(struct fsck_docs_told *docs, uint64_t seq, const struct fsck_told *t)
{
    struct avj_raw raw = {NULL, NULL};
    struct fsck_sent sent;
    struct attempt *a = begin_attempt(docs, fsck_told_text(t, 'a'));
    while (fsck_told_sent(t, &raw, &sent)) {
        struct document *d = find(docs, sent.entity, sent.id);
        if (!d && wanted(docs, sent.entity, sent.id, (struct avj_fields){NULL, 0})) {
            d = add_document(docs, sent.entity, sent.id);
            if (!d)
                return AVJ_ENOMEM;
            d->continued = docs->with.of == FSCK_OF_ALL && docs->given > 0;
        }
        if (!d)
            continue;
        end_attempt(d, t->at_ms, -1);
        struct fsck_event *e = add_event(docs, d, FSCK_EV_PUSHED, seq, t);
        if (!e || !fsck_room(&a->keys, a->count, &a->cap, sizeof(*a->keys)))
            return AVJ_ENOMEM;
        a->keys[a->count++] = key_of(sent.entity, sent.id);
        e->upto = sent.upto;
        e->attempt = fsck_copy(fsck_told_text(t, 'a'), 64);
        e->via = fsck_copy(fsck_told_text(t, 'v'), 32);
    }
    return AVJ_OK;
}

static enum avj_status answered_one(struct fsck_docs_told *docs, uint64_t seq,
                                    const struct fsck_told *t, struct document *d)
{
    struct fsck_event *e = add_event(docs, d, FSCK_EV_ANSWERED, seq, t);
    if (!e)
        return AVJ_ENOMEM;
    e->status = fsck_told_int(t, 'x', 0);
    e->took_ms = fsck_told_int(t, 'z', -1);
    e->pause_ms = fsck_told_int(t, 'w', 0);
    int64_t in_a_row = fsck_told_int(t, 'n', 1);
    e->count = in_a_row > 0 ? (uint64_t)in_a_row : 1;
    e->attempt = fsck_copy(fsck_told_text(t, 'a'), 64);
    e->via = fsck_copy(fsck_told_text(t, 'v'), 32);
    e->note = fsck_note_of(e->kind, t);
    return AVJ_OK;
}

static enum avj_status answered_all(struct fsck_docs_told *docs, uint64_t seq,
                                    const struct fsck_told *t, const struct attempt *a)
{
    enum avj_status status = AVJ_OK;
    for (size_t i = 0; status == AVJ_OK && i < a->count; i++)
        for (struct document *d = docs->buckets[a->keys[i] % BUCKETS]; d; d = d->next)
            if (key_of(d->entity, (struct avj_slice){d->id, strlen(d->id)}) == a->keys[i])
                status = answered_one(docs, seq, t, d);
    return status;
}

static enum avj_status answered(struct fsck_docs_told *docs, uint64_t seq,
                                const struct fsck_told *t)
{
    struct avj_raw raw = {NULL, NULL};
    struct fsck_sent sent;
    enum avj_status status = AVJ_OK;
    bool named = false;
    while (status == AVJ_OK && fsck_told_sent(t, &raw, &sent)) {
        struct document *d = find(docs, sent.entity, sent.id);
        named = true;
        if (d)
            status = answered_one(docs, seq, t, d);
    }
    struct avj_slice id = fsck_told_text(t, 'a');
    for (size_t i = 0; status == AVJ_OK && !named && i < ATTEMPTS; i++)
        if (is(id, docs->attempts[i].id))
            return answered_all(docs, seq, t, &docs->attempts[i]);
    return status;
}

enum avj_status fsck_docs_told_add(struct fsck_docs_told *docs, uint64_t seq,
                                   const struct fsck_told *t)
{
    enum avj_status status = AVJ_OK;
    if (t->at_ms < docs->with.since_ms)
        return AVJ_OK;
    if (t->type == AVJ_E_PUSH)
        status = t->at['o' - 'a'] ? answered(docs, seq, t) : pushed(docs, seq, t);
    else if (t->entity != AVJ_ENTITIES)
        status = document_entry(docs, seq, t);
    while (docs->with.of == FSCK_OF_ALL && docs->events > FSCK_EVENTS_KEPT &&
           docs->first != docs->last)
        let_go(docs);
    return status;
}

uint64_t fsck_docs_told_end(struct fsck_docs_told *docs)
{
    while (docs->first) {
        struct document *d = docs->first;
        give(docs, d);
        docs->first = d->after;
        free_document(d);
    }
    docs->last = NULL;
    return docs->given;
}
