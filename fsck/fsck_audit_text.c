/* The audit as text for people: see fsck_output.h. */
#include "fsck/fsck_output.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

/* Lists are cut: all of them is in the JSON. */
#define LINES_MAX 12

const char *fsck_duration(int64_t ms, char out[FSCK_NUMBER_TEXT])
{
    int64_t s = ms / 1000;
    if (ms < 1000)
        snprintf(out, FSCK_NUMBER_TEXT, "%" PRId64 " ms", ms);
    else if (s < 60)
        snprintf(out, FSCK_NUMBER_TEXT, "%" PRId64 ".%" PRId64 " s", s, ms % 1000 / 100);
    else if (s < 3600)
        snprintf(out, FSCK_NUMBER_TEXT, "%" PRId64 " min %" PRId64 " s", s / 60, s % 60);
    else if (s < 86400)
        snprintf(out, FSCK_NUMBER_TEXT, "%" PRId64 " h %" PRId64 " min", s / 3600, s / 60 % 60);
    else
        snprintf(out, FSCK_NUMBER_TEXT, "%" PRId64 " d %" PRId64 " h", s / 86400, s / 3600 % 24);
    return out;
}

const char *fsck_short_duration(int64_t ms, char out[FSCK_NUMBER_TEXT])
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}, {1, "ms"}};
    size_t i = 0;
    while (i < 4 && ms < units[i].ms)
        i++;
    snprintf(out, FSCK_NUMBER_TEXT, "%.3g %s", (double)ms / (double)units[i].ms, units[i].name);
    return out;
}

uint64_t fsck_failed_answers(const struct fsck_audit_summary *s)
{
    uint64_t failed = 0;
    for (size_t i = 0; i < s->status_count; i++)
        failed += s->statuses[i].failed;
    return failed;
}

const char *fsck_local_time(int64_t ms, char out[FSCK_NUMBER_TEXT])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    if (!localtime_r(&seconds, &tm) || !strftime(out, FSCK_NUMBER_TEXT, "%Y-%m-%d %H:%M:%S", &tm))
        snprintf(out, FSCK_NUMBER_TEXT, "?");
    return out;
}

static void put_count(FILE *out, uint64_t value, const char *noun)
{
    char text[FSCK_NUMBER_TEXT];
    fprintf(out, "%s %s%s", fsck_grouped(value, text), noun, value == 1 ? "" : "s");
}

/* ---- one document ---- */

static void put_side(FILE *out, const char *what, const char *text)
{
    if (!text)
        return;
    fprintf(out, "\n%*s%-5s ", 39, "", what);
    fsck_plain(out, text);
}

static void put_conflict(FILE *out, const struct fsck_event *e)
{
    put_side(out, "lost", e->lost);
    put_side(out, "won", e->won);
    fprintf(out, "\n%*s", 39, "");
    if (e->settled_by)
        fprintf(out, "settled by record %" PRIu64, e->settled_by);
    else
        fprintf(out, "to restore what lost: avchat conflicts restore %" PRIu64, e->seq);
}

static void put_answer(FILE *out, const struct fsck_event *e)
{
    char text[FSCK_NUMBER_TEXT];
    if (e->status == 0)
        fputs(", no answer", out);
    else if (e->status > 0)
        fprintf(out, ", status %" PRId64, e->status);
    if (e->kind == FSCK_EV_ANSWERED && e->count > 1)
        fprintf(out, ", %" PRIu64 " times in a row", e->count);
    if (e->pause_ms)
        fprintf(out, ", to wait %s", fsck_duration(e->pause_ms, text));
}

static void put_event(FILE *out, const struct fsck_event *e)
{
    char text[FSCK_NUMBER_TEXT];
    fprintf(out, "  %s.%03d  %-14s %8" PRIu64, fsck_local_time(e->at_ms, text),
            (int)(e->at_ms % 1000), fsck_event_name(e->kind), e->seq);
    fputs(e->session[0] ? "  session " : "", out);
    fsck_plain(out, e->session);
    if (e->via) {
        fputs(", ", out);
        fsck_plain(out, e->via);
    }
    put_answer(out, e);
    if (e->took_ms >= 0)
        fprintf(out, ", took %s", fsck_duration(e->took_ms, text));
    if (e->version && e->kind != FSCK_EV_CONFLICT) {
        fputs(", version ", out);
        fsck_plain(out, e->version);
    }
    if (e->kind == FSCK_EV_STREAMED && e->count > 1)
        fprintf(out, ", %" PRIu64 " entries", e->count);
    if (e->note && e->note[0]) {
        fputs(e->kind == FSCK_EV_REMOTE ? ", by " : ", ", out);
        fsck_plain(out, e->note);
    }
    if (e->waited_ms >= 0)
        fprintf(out, ", acknowledged after %s", fsck_duration(e->waited_ms, text));
    if (e->conflict)
        fprintf(out, ", %s conflict %" PRIu64, e->kind == FSCK_EV_DISMISSED ? "of" : "restores",
                e->conflict);
    if (e->stub)
        fputs(", text dropped by compaction", out);
    if (e->kind == FSCK_EV_CONFLICT)
        put_conflict(out, e);
    fputc('\n', out);
}

static void put_gap(FILE *out, const struct fsck_audit_gap *g)
{
    char text[FSCK_NUMBER_TEXT];
    fputs("  meanwhile a gap was open, ", out);
    fputs(g->opened_seq ? fsck_local_time(g->opened_ms, text) : "from before the log", out);
    fputs(" to ", out);
    fputs(g->closed_seq ? fsck_local_time(g->closed_ms, text) : "now", out);
    if (g->why) {
        fputs(": ", out);
        fsck_plain(out, g->why);
    }
    fputc('\n', out);
}

static void put_name(FILE *out, const struct fsck_audit_document *d)
{
    fprintf(out, "%s ", avj_schema(d->entity)->kind);
    fsck_plain(out, d->id);
    if (d->thread) {
        fputs(", thread ", out);
        fsck_plain(out, d->thread);
    }
}

static void put_document(FILE *out, const struct fsck_audit_document *d)
{
    const char *thread = d->entity == AVJ_THREAD ? d->id : d->thread;
    put_name(out, d);
    fputc('\n', out);
    for (size_t i = 0; i < d->count; i++)
        put_event(out, &d->events[i]);
    for (size_t i = 0; i < d->gap_count; i++)
        put_gap(out, &d->gaps[i]);
    if (!thread)
        return;
    fputs("  as it was after a record N of these: avchat messages ", out);
    fsck_plain(out, thread);
    fputs(" --at N  (before it: N - 1)\n", out);
}

/* What makes a document worth a line of its own among all; NULL: it went the usual way. */
static const char *remark(const struct fsck_audit_document *d)
{
    const char *said = NULL;
    bool waits = false;
    unsigned pushes = 0;
    for (size_t i = 0; i < d->count; i++) {
        const struct fsck_event *e = &d->events[i];
        pushes += e->kind == FSCK_EV_PUSHED;
        if (e->kind == FSCK_EV_CONFLICT)
            said = e->settled_by ? "conflict, settled" : "conflict, open";
        else if (e->kind == FSCK_EV_REJECTED)
            said = "refused";
        else if (e->kind == FSCK_EV_ANSWERED && !said)
            said = "an attempt failed";
        bool own = e->kind <= FSCK_EV_DELETED;
        bool settles = e->kind == FSCK_EV_ACKNOWLEDGED || e->kind == FSCK_EV_ELIDED ||
                       e->kind == FSCK_EV_DROPPED;
        waits = own || (waits && !settles);
    }
    return said ? said : waits ? "waits to be sent" : pushes > 1 ? "sent more than once" : NULL;
}

void fsck_text_audit(void *arg, const struct fsck_audit_document *d)
{
    struct fsck_output *output = arg;
    const char *said = remark(d);
    char text[FSCK_NUMBER_TEXT];
    if (d->asked_for) {
        put_document(output->out, d);
        return;
    }
    if (!said && !output->verbose) {
        output->plain_ones++;
        return;
    }
    if (output->told++ >= 200 && !output->verbose)
        return;
    fprintf(output->out, "%s  %-19s ", fsck_local_time(d->events[0].at_ms, text),
            said ? said : "fine");
    put_name(output->out, d);
    fputc('\n', output->out);
}

/* ---- all of it ---- */

static void head(FILE *out, const char *what)
{
    fprintf(out, "  %-24s", what);
}

static void put_changes(FILE *out, const struct fsck_audit_summary *s)
{
    char text[FSCK_NUMBER_TEXT];
    head(out, "changes made here");
    fprintf(out, "%s:", fsck_grouped(s->changes, text));
    fprintf(out, " %s acknowledged", fsck_grouped(s->acknowledged, text));
    if (s->elided)
        fprintf(out, ", %s never had to leave", fsck_grouped(s->elided, text));
    if (s->dropped)
        fprintf(out, ", %s given up", fsck_grouped(s->dropped, text));
    fprintf(out, ", %s pending", fsck_grouped(s->pending, text));
    if (s->parked)
        fprintf(out, " (%s parked)", fsck_grouped(s->parked, text));
    fputc('\n', out);
    head(out, "from elsewhere");
    put_count(out, s->remote, "state");
    fputs(", ", out);
    put_count(out, s->conflicts, "conflict");
    fputc('\n', out);
}

static void put_attempts(FILE *out, const struct fsck_audit_summary *s)
{
    char text[FSCK_NUMBER_TEXT];
    head(out, "attempts");
    fprintf(out, "%s:", fsck_grouped(s->attempts, text));
    fprintf(out, " %s as transactions,", fsck_grouped(s->transactions, text));
    fprintf(out, " %s one by one; ", fsck_grouped(s->singles, text));
    put_count(out, s->sent, "document");
    fputs(" sent\n", out);
    for (size_t i = 0; i < s->status_count; i++) {
        const struct fsck_audit_status *one = &s->statuses[i];
        head(out, i ? "" : "answers");
        if (one->status)
            fprintf(out, "%-10" PRId64, one->status);
        else
            fputs("none      ", out);
        const char *comma = " ";
        if (one->acknowledged)
            fprintf(out, "%s%s acknowledged", comma, fsck_grouped(one->acknowledged, text));
        if (one->acknowledged)
            comma = ", ";
        if (one->refused)
            fprintf(out, "%s%s refused", comma, fsck_grouped(one->refused, text));
        if (one->refused)
            comma = ", ";
        if (one->failed)
            fprintf(out, "%s%s failed", comma, fsck_grouped(one->failed, text));
        fputc('\n', out);
    }
    if (s->rate_limits) {
        head(out, "rate limit");
        put_count(out, s->rate_limits, "wait");
        fprintf(out, ", %s in all\n", fsck_duration(s->rate_limited_ms, text));
    }
}

static void put_times(FILE *out, const struct fsck_audit_summary *s)
{
    char text[FSCK_NUMBER_TEXT];
    if (s->waits.count) {
        head(out, "time to acknowledgement");
        fprintf(out, "p50 %s", fsck_duration(s->waits.p50_ms, text));
        fprintf(out, ", p95 %s", fsck_duration(s->waits.p95_ms, text));
        fprintf(out, ", max %s\n", fsck_duration(s->waits.max_ms, text));
    }
    if (s->depth_max) {
        head(out, "outbox");
        fprintf(out, "at most %s waiting", fsck_grouped(s->depth_max, text));
        fprintf(out, ", %s\n", fsck_local_time(s->depth_max_ms, text));
    }
}

static void put_spans(FILE *out, const struct fsck_audit_summary *s)
{
    char text[FSCK_NUMBER_TEXT];
    if (!s->span_count)
        return;
    head(out, "offline");
    put_count(out, s->span_count + s->spans_left_out, "span");
    fprintf(out, ", %s in all\n", fsck_duration(s->offline_ms, text));
    size_t from = s->span_count > LINES_MAX ? s->span_count - LINES_MAX : 0;
    if (from)
        fprintf(out, "    (the last %d)\n", LINES_MAX);
    for (size_t i = from; i < s->span_count; i++) {
        const struct fsck_span *span = &s->spans[i];
        fprintf(out, "    %s", fsck_local_time(span->from_ms, text));
        fprintf(out, " to %s", fsck_local_time(span->to_ms, text));
        fprintf(out, "  %12s ", fsck_duration(span->to_ms - span->from_ms, text));
        if (span->waiting || span->depth)
            fprintf(out, " %s waited", fsck_grouped(span->depth, text));
        fprintf(out, "%s%s\n", span->gap ? ", events may have been missed" : "",
                span->open ? ", not over" : "");
    }
}

static void put_sessions(FILE *out, const struct fsck_audit_summary *s)
{
    char text[FSCK_NUMBER_TEXT];
    head(out, "sessions");
    fprintf(out, "%s\n", fsck_grouped(s->session_count, text));
    size_t from = s->session_count > LINES_MAX ? s->session_count - LINES_MAX : 0;
    if (from)
        fprintf(out, "    (the last %d)\n", LINES_MAX);
    for (size_t i = from; i < s->session_count; i++) {
        const struct fsck_audit_session *session = &s->sessions[i];
        fprintf(out, "    %s", fsck_local_time(session->first_ms, text));
        fprintf(out, " to %s  ", fsck_local_time(session->last_ms, text));
        fsck_plain(out, session->id[0] ? session->id : "(none)");
        if (session->device) {
            fputs(" on ", out);
            fsck_plain(out, session->device);
        }
        fputs(", ", out);
        put_count(out, session->changes, "change");
        fputc('\n', out);
    }
    for (size_t i = 0; i < s->fact_count && i < LINES_MAX; i++) {
        fprintf(out, "    %s  ", fsck_local_time(s->facts[i].at_ms, text));
        fsck_plain(out, s->facts[i].text);
        fputc('\n', out);
    }
}

static void put_kinds(FILE *out, const struct fsck_audit_summary *s)
{
    char text[FSCK_NUMBER_TEXT];
    head(out, "entries");
    fputs("(bytes before compression)\n", out);
    for (int t = 0; t <= AVJ_ENTRY_TYPES; t++) {
        const struct fsck_audit_kind *kind = &s->kinds[t];
        if (!kind->entries)
            continue;
        fprintf(out, "    %-20s",
                t < AVJ_ENTRY_TYPES ? avj_entry_type_name((enum avj_entry_type)t) : "(unknown)");
        fprintf(out, " %12s", fsck_grouped(kind->entries, text));
        fprintf(out, " %16s bytes", fsck_grouped(kind->bytes, text));
        if (kind->stubs)
            fprintf(out, ", %s without a body", fsck_grouped(kind->stubs, text));
        fputc('\n', out);
    }
}

void fsck_text_audit_summary(void *arg, const struct fsck_audit_summary *s)
{
    struct fsck_output *output = arg;
    FILE *out = output->out;
    char text[FSCK_NUMBER_TEXT];
    if (output->of == FSCK_OF_NONE)
        return; /* it was made for the report */
    if (s->documents == 0)
        fputs(output->of == FSCK_OF_ALL ? "audit: no messages\n"
                                        : "audit: no document has that id\n",
              out);
    if (output->plain_ones) {
        put_count(out, output->plain_ones, "document");
        fputs(" with nothing to tell apart (--verbose lists them)\n", out);
    }
    if (output->told > 200 && !output->verbose)
        fprintf(out, "and %" PRIu64 " more (--verbose or --json lists them)\n", output->told - 200);
    if (!s->records)
        return;
    fprintf(out, "audit of %s", fsck_grouped(s->records, text));
    fprintf(out, " entries, %s", fsck_local_time(s->first_ms, text));
    fprintf(out, " to %s, local time\n", fsck_local_time(s->last_ms, text));
    put_changes(out, s);
    put_attempts(out, s);
    put_times(out, s);
    put_spans(out, s);
    put_sessions(out, s);
    put_kinds(out, s);
    if (s->history) {
        head(out, "compaction dropped");
        fprintf(out, "the bodies of %s records", fsck_grouped(s->history, text));
        fprintf(out, ", %s bytes\n", fsck_grouped(s->history_bytes, text));
    }
}
