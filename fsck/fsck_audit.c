/* The sync audit: see fsck_audit.h. */
#include "fsck/fsck_audit.h"

#include "fsck/fsck_strings.h"
#include "journal/journal.h"
#include "replay/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct document {
    enum avj_entity entity;
    char *id;
    char *thread;
    struct fsck_event *events;
    size_t count, cap;
    size_t settled;        /* events before this one hold no own change that waits */
    struct document *next; /* of the same hash */
};

struct fsck_audit {
    const char *only; /* NULL: every document is kept, messages are shown */
    struct document **buckets;
    size_t bucket_count;
    struct document **documents; /* in the order of their first entry */
    size_t count, cap;
    struct fsck_strings *sessions_seen;
    struct fsck_audit_gap *gaps;
    size_t gap_count, gap_cap;
    struct fsck_audit_session *sessions;
    size_t session_count, session_cap;
    int64_t *waits;
    size_t wait_count, wait_cap;
    struct fsck_depth depths[FSCK_DEPTHS_MAX];
    size_t depth_count;
    uint64_t depth_step, depth_turn;
    uint64_t depth, depth_max;
    int64_t depth_max_ms;
    struct fsck_audit_summary totals;
};

const char *fsck_event_name(enum fsck_event_kind kind)
{
    static const char *const names[FSCK_EVENTS] = {
        [FSCK_EV_CREATED] = "created",   [FSCK_EV_EDITED] = "edited",
        [FSCK_EV_DELETED] = "deleted",   [FSCK_EV_PUSHED] = "pushed",
        [FSCK_EV_ELIDED] = "elided",     [FSCK_EV_ACKNOWLEDGED] = "acknowledged",
        [FSCK_EV_REJECTED] = "rejected", [FSCK_EV_RETRIED] = "retried",
        [FSCK_EV_DROPPED] = "dropped",   [FSCK_EV_REMOTE] = "remote",
        [FSCK_EV_CONFLICT] = "conflict", [FSCK_EV_REMOTE_DELETED] = "remote-deleted",
        [FSCK_EV_STREAMED] = "streamed",
    };
    return names[kind];
}

/* ---- memory ---- */

/* Room for one more item; false: out of memory. */
static bool room(void *items, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return true;
    size_t wanted = *cap ? *cap + *cap / 2 + 1 : 4;
    void *old, *grown;
    memcpy(&old, items, sizeof(old));
    grown = realloc(old, wanted * size);
    if (!grown)
        return false;
    memcpy(items, &grown, sizeof(grown));
    *cap = wanted;
    return true;
}

static char *copy_of(struct avj_slice text)
{
    if (!text.data)
        return NULL;
    char *copy = malloc(text.len + 1);
    if (!copy)
        return NULL;
    memcpy(copy, text.data, text.len);
    copy[text.len] = 0;
    return copy;
}

struct fsck_audit *fsck_audit_new(const char *id)
{
    struct fsck_audit *a = calloc(1, sizeof(*a));
    if (!a)
        return NULL;
    a->only = id;
    a->depth_step = 1;
    a->bucket_count = id ? 16 : 65536;
    a->buckets = calloc(a->bucket_count, sizeof(struct document *));
    a->sessions_seen = fsck_strings_new();
    if (!a->buckets || !a->sessions_seen) {
        fsck_audit_free(a);
        return NULL;
    }
    return a;
}

static void free_document(struct document *d)
{
    for (size_t i = 0; i < d->count; i++) {
        free(d->events[i].version);
        free(d->events[i].note);
    }
    free(d->events);
    free(d->thread);
    free(d->id);
    free(d);
}

void fsck_audit_free(struct fsck_audit *a)
{
    if (!a)
        return;
    for (size_t i = 0; i < a->count; i++)
        free_document(a->documents[i]);
    for (size_t i = 0; i < a->gap_count; i++)
        free(a->gaps[i].why);
    for (size_t i = 0; i < a->session_count; i++)
        free(a->sessions[i].facts);
    fsck_strings_free(a->sessions_seen);
    free(a->documents);
    free(a->buckets);
    free(a->gaps);
    free(a->sessions);
    free(a->waits);
    free(a);
}

/* ---- documents ---- */

static size_t bucket_of(const struct fsck_audit *a, enum avj_entity entity, struct avj_slice id)
{
    return (size_t)(avj_hash64(id.data, id.len) + (uint64_t)entity) % a->bucket_count;
}

static struct document *find(const struct fsck_audit *a, enum avj_entity entity,
                             struct avj_slice id)
{
    struct document *d = a->buckets[bucket_of(a, entity, id)];
    while (d &&
           (d->entity != entity || strlen(d->id) != id.len || memcmp(d->id, id.data, id.len) != 0))
        d = d->next;
    return d;
}

static bool wanted(const struct fsck_audit *a, struct avj_slice id)
{
    return !a->only || (strlen(a->only) == id.len && memcmp(a->only, id.data, id.len) == 0);
}

/* NULL: out of memory. */
static struct document *find_or_add(struct fsck_audit *a, enum avj_entity entity,
                                    struct avj_slice id)
{
    struct document *d = find(a, entity, id);
    if (d)
        return d;
    if (!room(&a->documents, a->count, &a->cap, sizeof(struct document *)))
        return NULL;
    d = calloc(1, sizeof(*d));
    char *copy = copy_of(id);
    if (!d || !copy) {
        free(d);
        free(copy);
        return NULL;
    }
    d->entity = entity;
    d->id = copy;
    size_t bucket = bucket_of(a, entity, id);
    d->next = a->buckets[bucket];
    a->buckets[bucket] = d;
    a->documents[a->count++] = d;
    return d;
}

static struct fsck_event *add_event(struct fsck_audit *a, struct document *d,
                                    enum fsck_event_kind kind, uint64_t seq,
                                    const struct avj_entry *entry)
{
    const char *session =
        fsck_strings_add(a->sessions_seen, entry->session.data, entry->session.len);
    if (!session || !room(&d->events, d->count, &d->cap, sizeof(*d->events)))
        return NULL;
    struct fsck_event *event = &d->events[d->count++];
    *event = (struct fsck_event){
        .kind = kind,
        .seq = seq,
        .at_ms = avj_hlc_ms(entry->hlc),
        .upto = (uint64_t)avj_value_get_int(entry->root, "s", 0),
        .waited_ms = -1,
        .status = avj_value_get_int(entry->root, "x", 0),
        .count = 1,
        .session = session,
        .version = copy_of(avj_value_get_text(entry->root, "v")),
    };
    return event;
}

/* ---- the outbox over time ---- */

static void note_depth(struct fsck_audit *a, int64_t at_ms)
{
    if (a->depth > a->depth_max) {
        a->depth_max = a->depth;
        a->depth_max_ms = at_ms;
    }
    if (a->depth_turn++ % a->depth_step)
        return;
    if (a->depth_count == FSCK_DEPTHS_MAX) {
        for (size_t i = 0; i < FSCK_DEPTHS_MAX / 2; i++)
            a->depths[i] = a->depths[2 * i];
        a->depth_count = FSCK_DEPTHS_MAX / 2;
        a->depth_step *= 2;
    }
    a->depths[a->depth_count++] = (struct fsck_depth){at_ms, a->depth};
}

static bool is_own_change(const struct fsck_event *event)
{
    return event->kind == FSCK_EV_CREATED || event->kind == FSCK_EV_EDITED ||
           event->kind == FSCK_EV_DELETED;
}

/* Changes up to `upto` no longer wait; acknowledged ones are timed. */
static enum avj_status settle(struct fsck_audit *a, struct document *d, uint64_t upto,
                              int64_t at_ms, bool acknowledged)
{
    size_t i = d->settled;
    for (; i < d->count && d->events[i].seq <= upto; i++) {
        struct fsck_event *event = &d->events[i];
        if (!is_own_change(event))
            continue;
        if (a->depth)
            a->depth--;
        if (!acknowledged)
            continue;
        event->waited_ms = at_ms > event->at_ms ? at_ms - event->at_ms : 0;
        if (!room(&a->waits, a->wait_count, &a->wait_cap, sizeof(*a->waits)))
            return AVJ_ENOMEM;
        a->waits[a->wait_count++] = event->waited_ms;
        a->totals.acknowledged++;
    }
    d->settled = i;
    note_depth(a, at_ms);
    return AVJ_OK;
}

/* ---- entries ---- */

static enum fsck_event_kind local_kind(const struct avj_entry *entry)
{
    struct avj_slice op = avj_value_get_text(entry->root, "o");
    if (op.len == 6 && memcmp(op.data, "create", 6) == 0)
        return FSCK_EV_CREATED;
    return op.len == 6 && memcmp(op.data, "delete", 6) == 0 ? FSCK_EV_DELETED : FSCK_EV_EDITED;
}

static enum fsck_event_kind kind_of(const struct avj_entry *entry, bool row)
{
    switch (entry->type) {
    case AVJ_E_LOCAL:
        return local_kind(entry);
    case AVJ_E_ACK:
        return avj_value_get_int(entry->root, "x", 0) == 0 ? FSCK_EV_ELIDED : FSCK_EV_ACKNOWLEDGED;
    case AVJ_E_REJECT:
        return FSCK_EV_REJECTED;
    case AVJ_E_RETRY:
        return FSCK_EV_RETRIED;
    case AVJ_E_DROP:
        return FSCK_EV_DROPPED;
    case AVJ_E_REMOTE:
        return row ? FSCK_EV_REMOTE : FSCK_EV_REMOTE_DELETED;
    case AVJ_E_CONFLICT:
        return FSCK_EV_CONFLICT;
    case AVJ_E_STREAM:
        return FSCK_EV_STREAMED;
    default:
        return FSCK_EVENTS;
    }
}

/* "content, title (the other edit was later)" */
static char *conflict_note(const struct avj_entry *entry)
{
    char text[256];
    size_t used = 0;
    struct avj_value fields;
    struct avj_slice why = avj_value_get_text(entry->root, "m");
    text[0] = 0;
    if (avj_value_get(entry->root, "f", &fields) && fields.kind == AVJ_MAP)
        for (size_t i = 0; i < fields.len && used + 80 < sizeof(text); i++) {
            struct avj_value key, value;
            avj_value_pair(fields, i, &key, &value);
            if (key.kind == AVJ_TEXT)
                used +=
                    (size_t)snprintf(text + used, sizeof(text) - used, "%s%.*s", used ? ", " : "",
                                     (int)(key.len < 60 ? key.len : 60), key.text);
        }
    if (why.len && used < sizeof(text))
        snprintf(text + used, sizeof(text) - used, "%s(%.*s)", used ? " " : "",
                 (int)(why.len < 100 ? why.len : 100), (const char *)why.data);
    return strdup(text);
}

static char *reject_note(const struct avj_entry *entry)
{
    char text[300];
    struct avj_slice type = avj_value_get_text(entry->root, "y");
    struct avj_slice message = avj_value_get_text(entry->root, "m");
    snprintf(text, sizeof(text), "%.*s%s%.*s", (int)(type.len < 80 ? type.len : 80),
             type.len ? (const char *)type.data : "", type.len && message.len ? ": " : "",
             (int)(message.len < 200 ? message.len : 200),
             message.len ? (const char *)message.data : "");
    return strdup(text);
}

static char *note_of(enum fsck_event_kind kind, const struct avj_entry *entry)
{
    switch (kind) {
    case FSCK_EV_REJECTED:
        return reject_note(entry);
    case FSCK_EV_CONFLICT:
        return conflict_note(entry);
    case FSCK_EV_REMOTE:
    case FSCK_EV_REMOTE_DELETED:
        return copy_of(avj_value_get_text(entry->root, "b"));
    default:
        return NULL;
    }
}

static enum avj_status count_event(struct fsck_audit *a, struct document *d,
                                   struct fsck_event event)
{
    switch (event.kind) {
    case FSCK_EV_CREATED:
    case FSCK_EV_EDITED:
    case FSCK_EV_DELETED:
        a->totals.changes++;
        a->depth++;
        note_depth(a, event.at_ms);
        return AVJ_OK;
    case FSCK_EV_ACKNOWLEDGED:
    case FSCK_EV_ELIDED:
        return settle(a, d, event.upto, event.at_ms, event.kind == FSCK_EV_ACKNOWLEDGED);
    case FSCK_EV_DROPPED:
        return settle(a, d, event.upto, event.at_ms, false);
    case FSCK_EV_REJECTED:
        a->totals.rejected++;
        return AVJ_OK;
    case FSCK_EV_REMOTE:
    case FSCK_EV_REMOTE_DELETED:
        a->totals.remote++;
        return AVJ_OK;
    case FSCK_EV_CONFLICT:
        a->totals.conflicts++;
        return AVJ_OK;
    default:
        return AVJ_OK;
    }
}

static void learn_thread(struct document *d, const struct avj_entry *entry, struct avj_value fields)
{
    struct avj_slice thread = avj_value_get_text(fields, "threadId");
    if (entry->entity != AVJ_MESSAGE || !thread.len)
        return;
    char *copy = copy_of(thread);
    if (!copy)
        return;
    free(d->thread);
    d->thread = copy;
}

/* Tokens of one answer are one event. */
static bool joins_stream(const struct document *d, enum fsck_event_kind kind)
{
    return kind == FSCK_EV_STREAMED && d->count && d->events[d->count - 1].kind == FSCK_EV_STREAMED;
}

static enum avj_status document_entry(struct fsck_audit *a, uint64_t seq,
                                      const struct avj_entry *entry)
{
    struct avj_value fields;
    bool row = avj_value_get(entry->root, "f", &fields) && fields.kind == AVJ_MAP;
    enum fsck_event_kind kind = kind_of(entry, row);
    if (kind == FSCK_EVENTS || !wanted(a, entry->id))
        return AVJ_OK;
    struct document *d = find_or_add(a, entry->entity, entry->id);
    if (!d)
        return AVJ_ENOMEM;
    if (joins_stream(d, kind)) {
        d->events[d->count - 1].count++;
        return AVJ_OK;
    }
    struct fsck_event *event = add_event(a, d, kind, seq, entry);
    if (!event)
        return AVJ_ENOMEM;
    event->note = note_of(kind, entry);
    if (row && kind != FSCK_EV_CONFLICT)
        learn_thread(d, entry, fields);
    return count_event(a, d, *event);
}

static enum avj_status pushed_one(struct fsck_audit *a, uint64_t seq, const struct avj_entry *entry,
                                  struct avj_value op)
{
    if (op.kind != AVJ_LIST || op.len < 4)
        return AVJ_OK;
    struct avj_value kind = avj_value_item(op, 0), id = avj_value_item(op, 1);
    struct avj_value upto = avj_value_item(op, 3);
    if (kind.kind != AVJ_TEXT || id.kind != AVJ_TEXT)
        return AVJ_OK;
    enum avj_entity entity = avj_entity_from_kind(kind.text, kind.len);
    struct avj_slice name = {id.text, id.len};
    if (entity == AVJ_ENTITIES || id.len == 0 || !wanted(a, name))
        return AVJ_OK;
    struct document *d = find_or_add(a, entity, name);
    struct fsck_event *event = d ? add_event(a, d, FSCK_EV_PUSHED, seq, entry) : NULL;
    if (!event)
        return AVJ_ENOMEM;
    a->totals.attempts++;
    event->upto = upto.kind == AVJ_INT && upto.integer > 0 ? (uint64_t)upto.integer : 0;
    struct avj_slice attempt = avj_value_get_text(entry->root, "a");
    struct avj_slice via = avj_value_get_text(entry->root, "v");
    char note[160];
    snprintf(note, sizeof(note), "attempt %.*s%s%.*s", (int)(attempt.len < 64 ? attempt.len : 64),
             attempt.len ? (const char *)attempt.data : "", via.len ? ", " : "",
             (int)(via.len < 32 ? via.len : 32), via.len ? (const char *)via.data : "");
    free(event->version); /* "v" is no version here */
    event->version = NULL;
    event->note = strdup(note);
    return AVJ_OK;
}

static enum avj_status push_entry(struct fsck_audit *a, uint64_t seq, const struct avj_entry *entry)
{
    struct avj_value list;
    enum avj_status status = AVJ_OK;
    if (!avj_value_get(entry->root, "d", &list) || list.kind != AVJ_LIST)
        return AVJ_OK;
    for (size_t i = 0; i < list.len && status == AVJ_OK; i++)
        status = pushed_one(a, seq, entry, avj_value_item(list, i));
    return status;
}

static enum avj_status gap_entry(struct fsck_audit *a, uint64_t seq, const struct avj_entry *entry)
{
    struct avj_slice op = avj_value_get_text(entry->root, "o");
    bool closes = op.len == 5 && memcmp(op.data, "close", 5) == 0;
    struct fsck_audit_gap *last = a->gap_count ? &a->gaps[a->gap_count - 1] : NULL;
    bool open = last && !last->closed_seq;
    if (open && !closes)
        return AVJ_OK; /* one more reason for a gap that is open already */
    if (!open) {
        if (!room(&a->gaps, a->gap_count, &a->gap_cap, sizeof(*a->gaps)))
            return AVJ_ENOMEM;
        last = &a->gaps[a->gap_count++];
        memset(last, 0, sizeof(*last));
        last->why = copy_of(avj_value_get_text(entry->root, "m"));
    }
    if (closes) {
        last->closed_seq = seq;
        last->closed_ms = avj_hlc_ms(entry->hlc);
    } else {
        last->opened_seq = seq;
        last->opened_ms = avj_hlc_ms(entry->hlc);
    }
    return AVJ_OK;
}

/* What a session entry says of itself, but for the keys that every entry has: "o open, u anna". */
static char *facts_of(const struct avj_entry *entry)
{
    char text[256];
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; i < entry->root.len && used + 100 < sizeof(text); i++) {
        struct avj_value key, value;
        avj_value_pair(entry->root, i, &key, &value);
        if (key.kind != AVJ_TEXT || value.kind != AVJ_TEXT ||
            (key.len == 1 && strchr("tph", key.text[0])))
            continue;
        bool op = key.len == 1 && key.text[0] == 'o';
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%.*s%s%.*s", used ? ", " : "",
                                 op ? 0 : (int)(key.len < 24 ? key.len : 24), key.text,
                                 op ? "" : " ", (int)(value.len < 60 ? value.len : 60), value.text);
    }
    return strdup(text);
}

static enum avj_status session_entry(struct fsck_audit *a, uint64_t seq,
                                     const struct avj_entry *entry)
{
    const char *id = fsck_strings_add(a->sessions_seen, entry->session.data, entry->session.len);
    if (!id || !room(&a->sessions, a->session_count, &a->session_cap, sizeof(*a->sessions)))
        return AVJ_ENOMEM;
    a->sessions[a->session_count++] =
        (struct fsck_audit_session){id, seq, avj_hlc_ms(entry->hlc), facts_of(entry)};
    return AVJ_OK;
}

enum avj_status fsck_audit_entry(struct fsck_audit *a, uint64_t seq, const struct avj_entry *entry)
{
    switch (entry->type) {
    case AVJ_E_PUSH:
        return push_entry(a, seq, entry);
    case AVJ_E_GAP:
        return gap_entry(a, seq, entry);
    case AVJ_E_SESSION:
        return session_entry(a, seq, entry);
    default:
        return entry->has_document ? document_entry(a, seq, entry) : AVJ_OK;
    }
}

/* ---- the end ---- */

static int by_value(const void *x, const void *y)
{
    int64_t a = *(const int64_t *)x, b = *(const int64_t *)y;
    return a < b ? -1 : a > b;
}

/* The smallest value that at least `percent` of all do not exceed (nearest rank). */
static int64_t percentile(const int64_t *sorted, size_t count, unsigned percent)
{
    if (count == 0)
        return -1;
    size_t rank = (count * percent + 99) / 100;
    return sorted[rank ? rank - 1 : 0];
}

static void sum_up(struct fsck_audit *a)
{
    struct fsck_audit_summary *s = &a->totals;
    if (a->wait_count)
        qsort(a->waits, a->wait_count, sizeof(*a->waits), by_value);
    s->ack_p50_ms = percentile(a->waits, a->wait_count, 50);
    s->ack_p95_ms = percentile(a->waits, a->wait_count, 95);
    s->ack_max_ms = percentile(a->waits, a->wait_count, 100);
    s->pending = a->depth;
    s->gaps = a->gaps;
    s->gap_count = a->gap_count;
    s->sessions = a->sessions;
    s->session_count = a->session_count;
    s->depth_max = a->depth_max;
    s->depth_max_ms = a->depth_max_ms;
    s->depths = a->depths;
    s->depth_count = a->depth_count;
}

void fsck_audit_finish(struct fsck_audit *a,
                       void (*document)(void *arg, const struct fsck_audit_document *document),
                       void (*done)(void *arg, const struct fsck_audit_summary *summary), void *arg)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct document *d = a->documents[i];
        if (!a->only && d->entity != AVJ_MESSAGE)
            continue;
        a->totals.documents++;
        struct fsck_audit_document given = {d->entity, d->id, d->thread, d->events, d->count};
        if (document)
            document(arg, &given);
    }
    sum_up(a);
    if (done)
        done(arg, &a->totals);
}
