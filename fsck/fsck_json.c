/* JSON lines: see fsck_output.h. */
#include "fsck/fsck_output.h"

#include "replay/clock.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

static void set(json_t *object, const char *key, json_t *value)
{
    (void)json_object_set_new(object, key, value); /* out of memory: seen when the line is made */
}

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

/* Bytes of a journal need not be UTF-8, JSON must be. */
static json_t *text(const char *value)
{
    json_t *good = json_string(value);
    if (good)
        return good;
    char safe[512];
    size_t i = 0;
    for (; value[i] && i + 1 < sizeof(safe); i++)
        safe[i] = (unsigned char)value[i] < 0x80 ? value[i] : '?';
    safe[i] = 0;
    return json_string(safe);
}

static json_t *time_text(int64_t ms)
{
    char out[AVJ_TIME_TEXT];
    avj_time_format(ms, out);
    return json_string(out);
}

static void print_line(struct fsck_output *output, json_t *object)
{
    char *line = json_dumps(object, JSON_COMPACT);
    if (line)
        fprintf(output->out, "%s\n", line);
    else
        fputs("{\"error\":\"out of memory\"}\n", output->out);
    free(line);
    json_decref(object);
}

static json_t *ids(const struct fsck_ids *given)
{
    json_t *list = json_array();
    for (size_t i = 0; i < given->count; i++)
        (void)json_array_append_new(list, text(given->ids[i]));
    return list;
}

static void put_place(json_t *o, const struct fsck_finding *f)
{
    char file[48];
    snprintf(file, sizeof(file), "segments/%016" PRIx64 ".seg", f->segment);
    set(o, "segment", number(f->segment));
    set(o, "file", json_string(file));
    set(o, "offset", number(f->offset));
    set(o, "length", number(f->length));
}

static void json_finding(void *arg, const struct fsck_finding *f)
{
    const struct fsck_kind *kind = fsck_kind(f->code);
    json_t *o = json_object();
    set(o, "id", json_string(kind->id));
    set(o, "severity", json_string(fsck_severity_name(kind->severity)));
    set(o, "phase", json_string(fsck_phase_name(kind->phase)));
    set(o, "title", json_string(kind->title));
    if (f->detail[0])
        set(o, "detail", text(f->detail));
    if (f->segment)
        put_place(o, f);
    if (f->first_seq)
        set(o, "firstSeq", number(f->first_seq));
    if (f->last_seq)
        set(o, "lastSeq", number(f->last_seq));
    if (f->count)
        set(o, "count", number(f->count));
    if (f->threads.count || f->messages.count) {
        set(o, "threads", ids(&f->threads));
        set(o, "messages", ids(&f->messages));
        if (f->threads.more || f->messages.more)
            set(o, "moreAffected", json_true());
    }
    set(o, "meaning", json_string(kind->meaning));
    set(o, "next", json_string(kind->next));
    print_line(arg, o);
}

static json_t *event_object(const struct fsck_event *e)
{
    json_t *o = json_object();
    set(o, "event", json_string(fsck_event_name(e->kind)));
    set(o, "seq", number(e->seq));
    set(o, "at", time_text(e->at_ms));
    if (e->session[0])
        set(o, "session", text(e->session));
    if (e->upto)
        set(o, "upToSeq", number(e->upto));
    if (e->version)
        set(o, "version", text(e->version));
    if (e->status)
        set(o, "status", json_integer(e->status));
    if (e->waited_ms >= 0)
        set(o, "timeToAckMs", json_integer(e->waited_ms));
    if (e->count > 1)
        set(o, "entries", number(e->count));
    if (e->note && e->note[0])
        set(o, "note", text(e->note));
    return o;
}

static void put_first(json_t *o, const char *key, const struct fsck_event *e)
{
    if (!json_object_get(o, key))
        set(o, key, event_object(e));
}

static void json_audit(void *arg, const struct fsck_audit_document *d)
{
    json_t *o = json_object(), *events = json_array(), *line = json_object();
    uint64_t attempts = 0;
    set(o, "id", text(d->id));
    set(o, "kind", json_string(avj_schema(d->entity)->kind));
    if (d->thread)
        set(o, "thread", text(d->thread));
    for (size_t i = 0; i < d->count; i++) {
        const struct fsck_event *e = &d->events[i];
        if (e->kind == FSCK_EV_CREATED || e->kind == FSCK_EV_REMOTE)
            put_first(o, "made", e);
        if (e->kind == FSCK_EV_ACKNOWLEDGED)
            set(o, "acknowledged", event_object(e)); /* the last one stands */
        attempts += e->kind == FSCK_EV_PUSHED;
        (void)json_array_append_new(events, event_object(e));
    }
    set(o, "attempts", number(attempts));
    set(o, "events", events);
    set(line, "audit", o);
    print_line(arg, line);
}

static json_t *gap_list(const struct fsck_audit_summary *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->gap_count; i++) {
        const struct fsck_audit_gap *g = &s->gaps[i];
        json_t *o = json_object();
        if (g->opened_seq) {
            set(o, "openedSeq", number(g->opened_seq));
            set(o, "openedAt", time_text(g->opened_ms));
        }
        if (g->closed_seq) {
            set(o, "closedSeq", number(g->closed_seq));
            set(o, "closedAt", time_text(g->closed_ms));
        }
        if (g->why)
            set(o, "why", text(g->why));
        (void)json_array_append_new(list, o);
    }
    return list;
}

static json_t *session_list(const struct fsck_audit_summary *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->session_count; i++) {
        const struct fsck_audit_session *session = &s->sessions[i];
        json_t *o = json_object();
        set(o, "session", text(session->id));
        set(o, "seq", number(session->seq));
        set(o, "at", time_text(session->at_ms));
        if (session->facts)
            set(o, "facts", text(session->facts));
        (void)json_array_append_new(list, o);
    }
    return list;
}

static json_t *depth_list(const struct fsck_audit_summary *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->depth_count; i++) {
        json_t *o = json_object();
        set(o, "at", time_text(s->depths[i].at_ms));
        set(o, "depth", number(s->depths[i].depth));
        (void)json_array_append_new(list, o);
    }
    return list;
}

static void json_audit_summary(void *arg, const struct fsck_audit_summary *s)
{
    json_t *o = json_object(), *ack = json_object(), *line = json_object();
    set(o, "documents", number(s->documents));
    set(o, "changes", number(s->changes));
    set(o, "acknowledged", number(s->acknowledged));
    set(o, "pending", number(s->pending));
    set(o, "attempts", number(s->attempts));
    set(o, "rejected", number(s->rejected));
    set(o, "remote", number(s->remote));
    set(o, "conflicts", number(s->conflicts));
    set(ack, "p50", s->ack_p50_ms < 0 ? json_null() : json_integer(s->ack_p50_ms));
    set(ack, "p95", s->ack_p95_ms < 0 ? json_null() : json_integer(s->ack_p95_ms));
    set(ack, "max", s->ack_max_ms < 0 ? json_null() : json_integer(s->ack_max_ms));
    set(o, "timeToAckMs", ack);
    set(o, "gaps", gap_list(s));
    set(o, "sessions", session_list(s));
    set(o, "outboxDepthMax", number(s->depth_max));
    if (s->depth_max)
        set(o, "outboxDepthMaxAt", time_text(s->depth_max_ms));
    set(o, "outboxDepth", depth_list(s));
    set(line, "auditSummary", o);
    print_line(arg, line);
}

static void put_view(json_t *o, const struct fsck_summary *s)
{
    char digest[33];
    for (size_t i = 0; i < 16; i++)
        snprintf(digest + 2 * i, 3, "%02x", s->view_digest[i]);
    set(o, "pending", number(s->pending));
    set(o, "parked", number(s->parked));
    set(o, "conflicts", number(s->conflicts));
    for (int e = 0; e < AVJ_ENTITIES; e++)
        set(o, avj_schema((enum avj_entity)e)->collection, number(s->visible[e]));
    set(o, "viewDigest", json_string(digest));
    set(o, "viewComplete", json_boolean(s->fold_complete));
    set(o, "viewSeq", number(s->folded_to));
}

static void json_summary(void *arg, const struct fsck_summary *s)
{
    struct fsck_output *output = arg;
    json_t *o = json_object(), *line = json_object();
    set(o, "ok", json_boolean(s->ok));
    set(o, "complete", json_boolean(s->complete));
    set(o, "exit", json_integer(s->exit_code));
    set(o, "segments", number(s->segments));
    set(o, "frames", number(s->frames));
    set(o, "records", number(s->records));
    set(o, "bytes", number(s->bytes));
    set(o, "lostRecords", number(s->lost_records));
    set(o, "lostRecordsExact", json_boolean(s->lost_exact));
    set(o, "unsyncedTailBytes", number(s->unsynced_tail_bytes));
    set(o, "setAsideBytes", number(s->set_aside_bytes));
    set(o, "infos", number(s->findings[FSCK_INFO]));
    set(o, "warnings", number(s->findings[FSCK_WARNING]));
    set(o, "damages", number(s->findings[FSCK_DAMAGED]));
    if (s->folded) {
        put_view(o, s);
    } else {
        set(o, "pending", json_null());
        set(o, "viewDigest", json_null());
    }
    if ((s->exit_code & FSCK_FAILED) && output->err && output->err->message[0])
        set(o, "error", text(output->err->message));
    set(line, "summary", o);
    print_line(output, line);
}

void fsck_json_sink(struct fsck_output *output, struct fsck_sink *sink)
{
    *sink = (struct fsck_sink){
        .arg = output,
        .finding = json_finding,
        .audit = json_audit,
        .audit_summary = json_audit_summary,
        .summary = json_summary,
    };
}
