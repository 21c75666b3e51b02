/* The audit as JSON lines: see fsck_output.h. */
#include "fsck/fsck_json.h"

#include "replay/clock.h"

#include <string.h>

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *time_text(int64_t ms)
{
    char out[AVJ_TIME_TEXT];
    avj_time_format(ms, out);
    return json_string(out);
}

static void set_text(json_t *o, const char *key, const char *value)
{
    if (value && value[0])
        fsck_json_set(o, key, fsck_json_text(value));
}

static json_t *event_object(const struct fsck_event *e)
{
    json_t *o = json_object();
    fsck_json_set(o, "event", json_string(fsck_event_name(e->kind)));
    fsck_json_set(o, "seq", number(e->seq));
    fsck_json_set(o, "at", time_text(e->at_ms));
    set_text(o, "session", e->session);
    if (e->upto)
        fsck_json_set(o, "upToSeq", number(e->upto));
    set_text(o, "attempt", e->attempt);
    set_text(o, "via", e->via);
    set_text(o, "version", e->version);
    if (e->status >= 0)
        fsck_json_set(o, "status", json_integer(e->status));
    if (e->waited_ms >= 0)
        fsck_json_set(o, "timeToAckMs", json_integer(e->waited_ms));
    if (e->took_ms >= 0)
        fsck_json_set(o, "durationMs", json_integer(e->took_ms));
    if (e->pause_ms)
        fsck_json_set(o, "waitMs", json_integer(e->pause_ms));
    if (e->count > 1)
        fsck_json_set(o, e->kind == FSCK_EV_ANSWERED ? "inARow" : "entries", number(e->count));
    set_text(o, "note", e->note);
    if (e->stub)
        fsck_json_set(o, "stub", json_true());
    if (e->conflict)
        fsck_json_set(o, "ofConflict", number(e->conflict));
    if (e->kind != FSCK_EV_CONFLICT)
        return o;
    fsck_json_set(o, "lost", json_string(e->lost_here ? "here" : "elsewhere"));
    set_text(o, "lostText", e->lost);
    set_text(o, "wonText", e->won);
    if (e->settled_by)
        fsck_json_set(o, "settledBySeq", number(e->settled_by));
    else
        fsck_json_set(o, "restore",
                      json_sprintf("avchat conflicts restore %llu", (unsigned long long)e->seq));
    return o;
}

static json_t *gap_list(const struct fsck_audit_gap *gaps, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct fsck_audit_gap *g = &gaps[i];
        json_t *o = json_object();
        if (g->opened_seq) {
            fsck_json_set(o, "openedSeq", number(g->opened_seq));
            fsck_json_set(o, "openedAt", time_text(g->opened_ms));
        }
        if (g->closed_seq) {
            fsck_json_set(o, "closedSeq", number(g->closed_seq));
            fsck_json_set(o, "closedAt", time_text(g->closed_ms));
        }
        set_text(o, "why", g->why);
        (void)json_array_append_new(list, o);
    }
    return list;
}

static void put_first(json_t *o, const char *key, const struct fsck_event *e)
{
    if (!json_object_get(o, key))
        fsck_json_set(o, key, event_object(e));
}

static void put_events(json_t *o, const struct fsck_audit_document *d)
{
    json_t *events = json_array();
    uint64_t attempts = 0;
    for (size_t i = 0; i < d->count; i++) {
        const struct fsck_event *e = &d->events[i];
        if (e->kind == FSCK_EV_CREATED || e->kind == FSCK_EV_REMOTE)
            put_first(o, "made", e);
        if (e->kind == FSCK_EV_ACKNOWLEDGED)
            fsck_json_set(o, "acknowledged", event_object(e)); /* the last one stands */
        attempts += e->kind == FSCK_EV_PUSHED;
        (void)json_array_append_new(events, event_object(e));
    }
    fsck_json_set(o, "attempts", number(attempts));
    fsck_json_set(o, "events", events);
}

static json_t *text_of_look(const char *thread)
{
    char command[320];
    snprintf(command, sizeof(command), "avchat messages %.250s --at SEQ", thread);
    return fsck_json_text(command);
}

void fsck_json_audit(void *arg, const struct fsck_audit_document *d)
{
    json_t *o = json_object(), *line = json_object();
    const char *thread = d->entity == AVJ_THREAD ? d->id : d->thread;
    fsck_json_set(o, "id", fsck_json_text(d->id));
    fsck_json_set(o, "kind", json_string(avj_schema(d->entity)->kind));
    set_text(o, "thread", d->thread);
    if (d->continued)
        fsck_json_set(o, "continued", json_true());
    put_events(o, d);
    if (d->asked_for) {
        fsck_json_set(o, "gaps", gap_list(d->gaps, d->gap_count));
        if (thread)
            fsck_json_set(o, "stateAfter", text_of_look(thread));
    }
    fsck_json_set(line, "audit", o);
    fsck_json_line(arg, line);
}

/* ---- all of it ---- */

static json_t *session_list(const struct fsck_audit_summary *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->session_count; i++) {
        const struct fsck_audit_session *session = &s->sessions[i];
        json_t *o = json_object();
        fsck_json_set(o, "session", fsck_json_text(session->id));
        fsck_json_set(o, "from", time_text(session->first_ms));
        fsck_json_set(o, "to", time_text(session->last_ms));
        fsck_json_set(o, "firstSeq", number(session->first_seq));
        fsck_json_set(o, "lastSeq", number(session->last_seq));
        fsck_json_set(o, "entries", number(session->entries));
        fsck_json_set(o, "changes", number(session->changes));
        set_text(o, "device", session->device);
        set_text(o, "program", session->program);
        (void)json_array_append_new(list, o);
    }
    return list;
}

static json_t *fact_list(const struct fsck_audit_summary *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->fact_count; i++) {
        json_t *o = json_object();
        fsck_json_set(o, "seq", number(s->facts[i].seq));
        fsck_json_set(o, "at", time_text(s->facts[i].at_ms));
        set_text(o, "session", s->facts[i].session);
        fsck_json_set(o, "says", fsck_json_text(s->facts[i].text));
        (void)json_array_append_new(list, o);
    }
    return list;
}

static json_t *span_list(const struct fsck_audit_summary *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->span_count; i++) {
        const struct fsck_span *span = &s->spans[i];
        json_t *o = json_object();
        fsck_json_set(o, "from", time_text(span->from_ms));
        fsck_json_set(o, "to", time_text(span->to_ms));
        fsck_json_set(o, "ms", json_integer(span->to_ms - span->from_ms));
        fsck_json_set(o, "waiting", json_boolean(span->waiting));
        fsck_json_set(o, "gap", json_boolean(span->gap));
        fsck_json_set(o, "open", json_boolean(span->open));
        fsck_json_set(o, "waitingChanges", number(span->depth));
        (void)json_array_append_new(list, o);
    }
    return list;
}

static json_t *point_list(const struct fsck_series *series, const char *value, const char *second)
{
    json_t *list = json_array();
    for (size_t i = 0; i < series->count; i++) {
        json_t *o = json_object();
        fsck_json_set(o, "at", time_text(series->points[i].at_ms));
        fsck_json_set(o, value, number(series->points[i].value));
        fsck_json_set(o, second, number(series->points[i].second));
        (void)json_array_append_new(list, o);
    }
    return list;
}

static json_t *status_list(const struct fsck_audit_summary *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->status_count; i++) {
        const struct fsck_audit_status *one = &s->statuses[i];
        json_t *o = json_object();
        fsck_json_set(o, "status", json_integer(one->status));
        fsck_json_set(o, "acknowledged", number(one->acknowledged));
        fsck_json_set(o, "refused", number(one->refused));
        fsck_json_set(o, "failed", number(one->failed));
        (void)json_array_append_new(list, o);
    }
    return list;
}

static json_t *kind_list(const struct fsck_audit_summary *s)
{
    json_t *all = json_object();
    for (int t = 0; t <= AVJ_ENTRY_TYPES; t++) {
        json_t *o = json_object();
        fsck_json_set(o, "entries", number(s->kinds[t].entries));
        fsck_json_set(o, "bytes", number(s->kinds[t].bytes));
        fsck_json_set(o, "stubs", number(s->kinds[t].stubs));
        fsck_json_set(
            all, t < AVJ_ENTRY_TYPES ? avj_entry_type_name((enum avj_entry_type)t) : "unknown", o);
    }
    return all;
}

static json_t *or_null(int64_t ms)
{
    return ms < 0 ? json_null() : json_integer(ms);
}

static void put_counts(json_t *o, const struct fsck_audit_summary *s)
{
    fsck_json_set(o, "documents", number(s->documents));
    fsck_json_set(o, "records", number(s->records));
    fsck_json_set(o, "changes", number(s->changes));
    fsck_json_set(o, "acknowledged", number(s->acknowledged));
    fsck_json_set(o, "elided", number(s->elided));
    fsck_json_set(o, "dropped", number(s->dropped));
    fsck_json_set(o, "pending", number(s->pending));
    fsck_json_set(o, "parked", number(s->parked));
    fsck_json_set(o, "attempts", number(s->attempts));
    fsck_json_set(o, "transactions", number(s->transactions));
    fsck_json_set(o, "singles", number(s->singles));
    fsck_json_set(o, "sent", number(s->sent));
    fsck_json_set(o, "rejected", number(s->rejected));
    fsck_json_set(o, "remote", number(s->remote));
    fsck_json_set(o, "conflicts", number(s->conflicts));
    fsck_json_set(o, "rateLimits", number(s->rate_limits));
    fsck_json_set(o, "rateLimitedMs", json_integer(s->rate_limited_ms));
    fsck_json_set(o, "compactedRecords", number(s->history));
    fsck_json_set(o, "compactedBytes", number(s->history_bytes));
}

void fsck_json_audit_summary(void *arg, const struct fsck_audit_summary *s)
{
    json_t *o = json_object(), *ack = json_object(), *line = json_object();
    put_counts(o, s);
    if (s->records) {
        fsck_json_set(o, "from", time_text(s->first_ms));
        fsck_json_set(o, "to", time_text(s->last_ms));
    }
    fsck_json_set(ack, "p50", or_null(s->waits.p50_ms));
    fsck_json_set(ack, "p95", or_null(s->waits.p95_ms));
    fsck_json_set(ack, "max", or_null(s->waits.max_ms));
    fsck_json_set(o, "timeToAckMs", ack);
    fsck_json_set(o, "answers", status_list(s));
    fsck_json_set(o, "entries", kind_list(s));
    fsck_json_set(o, "gaps", gap_list(s->gaps, s->gap_count));
    fsck_json_set(o, "offline", span_list(s));
    fsck_json_set(o, "offlineMs", json_integer(s->offline_ms));
    fsck_json_set(o, "sessions", session_list(s));
    fsck_json_set(o, "facts", fact_list(s));
    fsck_json_set(o, "outboxDepthMax", number(s->depth_max));
    if (s->depth_max)
        fsck_json_set(o, "outboxDepthMaxAt", time_text(s->depth_max_ms));
    fsck_json_set(o, "outboxDepth", point_list(s->depth, "depth", "parked"));
    fsck_json_set(o, "growth", point_list(s->growth, "bytes", "records"));
    fsck_json_set(line, "auditSummary", o);
    fsck_json_line(arg, line);
}
