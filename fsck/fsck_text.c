/* Text for people: see fsck_output.h. */
#include "fsck/fsck_output.h"

#include "replay/clock.h"

#include <inttypes.h>
#include <string.h>

#define NUMBER_TEXT 28

/* 1234567 as "1,234,567". */
static const char *grouped(uint64_t value, char out[NUMBER_TEXT])
{
    char digits[NUMBER_TEXT];
    size_t len = (size_t)snprintf(digits, sizeof(digits), "%" PRIu64, value), used = 0;
    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            out[used++] = ',';
        out[used++] = digits[i];
    }
    out[used] = 0;
    return out;
}

/* "1 record", "2 records" */
static void counted(FILE *out, uint64_t value, const char *noun)
{
    char text[NUMBER_TEXT];
    fprintf(out, "%s %s%s", grouped(value, text), noun, value == 1 ? "" : "s");
}

/* Text from the journal may hold anything: a terminal gets no control characters from it. */
static void plain(FILE *out, const char *text)
{
    for (; *text; text++)
        fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, out);
}

static void text_time(FILE *out, int64_t ms)
{
    char text[AVJ_TIME_TEXT];
    avj_time_format(ms, text);
    fputs(text, out);
}

static void print_ids(FILE *out, const char *what, const struct fsck_ids *ids)
{
    if (!ids->count)
        return;
    fprintf(out, "    affected %s:", what);
    for (size_t i = 0; i < ids->count; i++) {
        fputs(i ? ", " : " ", out);
        plain(out, ids->ids[i]);
    }
    fputs(ids->more ? " and more\n" : "\n", out);
}

static void print_place(FILE *out, const struct fsck_finding *f)
{
    if (f->segment) {
        fprintf(out, "    segments/%016" PRIx64 ".seg, offset %" PRIu64, f->segment, f->offset);
        if (f->length) {
            fputs(", ", out);
            counted(out, f->length, "byte");
        }
        fputc('\n', out);
    }
    if (f->first_seq && f->last_seq == f->first_seq)
        fprintf(out, "    record %" PRIu64 "\n", f->first_seq);
    else if (f->first_seq && f->last_seq)
        fprintf(out, "    records %" PRIu64 " to %" PRIu64 "\n", f->first_seq, f->last_seq);
    else if (f->first_seq)
        fprintf(out, "    records from %" PRIu64 " on\n", f->first_seq);
}

static void text_finding(void *arg, const struct fsck_finding *f)
{
    struct fsck_output *output = arg;
    FILE *out = output->out;
    const struct fsck_kind *kind = fsck_kind(f->code);
    fprintf(out, "%s %s: %s", kind->id, fsck_severity_name(kind->severity), kind->title);
    if (f->detail[0]) {
        fputs(": ", out);
        plain(out, f->detail);
    }
    fputc('\n', out);
    print_place(out, f);
    print_ids(out, "threads", &f->threads);
    print_ids(out, "messages", &f->messages);
    if (output->verbose)
        fprintf(out, "    %s\n", kind->meaning);
    fprintf(out, "    next: %s\n", kind->next);
}

static void print_event(FILE *out, const struct fsck_event *e)
{
    fputs("  ", out);
    text_time(out, e->at_ms);
    fprintf(out, "  %s, record %" PRIu64, fsck_event_name(e->kind), e->seq);
    if (e->count > 1) {
        fputs(" and ", out);
        counted(out, e->count - 1, "more");
    }
    if (e->upto)
        fprintf(out, ", up to %" PRIu64, e->upto);
    if (e->version) {
        fputs(", version ", out);
        plain(out, e->version);
    }
    if (e->status)
        fprintf(out, ", status %" PRId64, e->status);
    if (e->note && e->note[0]) {
        fputs(", ", out);
        plain(out, e->note);
    }
    if (e->waited_ms >= 0)
        fprintf(out, ", acknowledged after %" PRId64 " ms", e->waited_ms);
    if (e->session[0]) {
        fputs(", session ", out);
        plain(out, e->session);
    }
    fputc('\n', out);
}

static void text_audit(void *arg, const struct fsck_audit_document *d)
{
    struct fsck_output *output = arg;
    FILE *out = output->out;
    fprintf(out, "%s ", avj_schema(d->entity)->kind);
    plain(out, d->id);
    if (d->thread) {
        fputs(", thread ", out);
        plain(out, d->thread);
    }
    fputc('\n', out);
    for (size_t i = 0; i < d->count; i++)
        print_event(out, &d->events[i]);
}

static void print_gaps(FILE *out, const struct fsck_audit_summary *s)
{
    for (size_t i = 0; i < s->gap_count; i++) {
        const struct fsck_audit_gap *g = &s->gaps[i];
        fputs("gap: opened ", out);
        if (g->opened_seq)
            text_time(out, g->opened_ms);
        else
            fputs("before the log begins", out);
        if (g->why) {
            fputs(" (", out);
            plain(out, g->why);
            fputs(")", out);
        }
        if (g->closed_seq) {
            fputs(", closed ", out);
            text_time(out, g->closed_ms);
            fputc('\n', out);
        } else {
            fputs(", still open\n", out);
        }
    }
}

static void print_sessions(FILE *out, const struct fsck_audit_summary *s)
{
    for (size_t i = 0; i < s->session_count; i++) {
        const struct fsck_audit_session *session = &s->sessions[i];
        fputs("session ", out);
        plain(out, session->id[0] ? session->id : "(none)");
        fputs(", ", out);
        text_time(out, session->at_ms);
        if (session->facts && session->facts[0]) {
            fputs(": ", out);
            plain(out, session->facts);
        }
        fputc('\n', out);
    }
}

static void text_audit_summary(void *arg, const struct fsck_audit_summary *s)
{
    struct fsck_output *output = arg;
    FILE *out = output->out;
    if (s->documents == 0)
        fputs(output->named_one ? "audit: no document has that id\n" : "audit: no messages\n", out);
    print_sessions(out, s);
    print_gaps(out, s);
    fputs("audit: ", out);
    counted(out, s->documents, "document");
    fputs(", ", out);
    counted(out, s->changes, "change");
    fprintf(out, " (%" PRIu64 " acknowledged, %" PRIu64 " pending), ", s->acknowledged, s->pending);
    counted(out, s->attempts, "attempt");
    fprintf(out, ", %" PRIu64 " rejected, %" PRIu64 " from elsewhere, ", s->rejected, s->remote);
    counted(out, s->conflicts, "conflict");
    fputs(", ", out);
    counted(out, s->gap_count, "gap");
    fputc('\n', out);
    if (s->ack_p50_ms >= 0)
        fprintf(out,
                "time to acknowledgement: p50 %" PRId64 " ms, p95 %" PRId64 " ms, max %" PRId64
                " ms\n",
                s->ack_p50_ms, s->ack_p95_ms, s->ack_max_ms);
    if (s->depth_max) {
        fprintf(out, "outbox: at most %" PRIu64 " waiting, at ", s->depth_max);
        text_time(out, s->depth_max_ms);
        fputc('\n', out);
    }
}

static void print_sizes(FILE *out, const struct fsck_summary *s)
{
    counted(out, s->segments, "segment");
    fputs(", ", out);
    counted(out, s->records, "record");
    fputs(", ", out);
    counted(out, s->bytes, "byte");
}

static void print_view(FILE *out, const struct fsck_summary *s)
{
    fputs("view: ", out);
    for (int e = 0; e < AVJ_ENTITIES; e++)
        fprintf(out, "%s%" PRIu64 " %s", e ? ", " : "", s->visible[e],
                avj_schema((enum avj_entity)e)->collection);
    fprintf(out, "; %" PRIu64 " parked, %" PRIu64 " conflicts; digest ", s->parked, s->conflicts);
    for (size_t i = 0; i < 16; i++)
        fprintf(out, "%02x", s->view_digest[i]);
    fputc('\n', out);
}

static void print_damage(FILE *out, const struct fsck_summary *s)
{
    fputs("DAMAGED: ", out);
    counted(out, s->findings[FSCK_DAMAGED], "place");
    fprintf(out, ", %s", s->lost_exact ? "" : "at least ");
    counted(out, s->lost_records, "record");
    fputs(" lost; read: ", out);
    print_sizes(out, s);
    fputs("; next: avchat-fsck --repair, which keeps the originals\n", out);
}

static void print_good(FILE *out, const struct fsck_summary *s)
{
    bool tail = (s->exit_code & FSCK_TAIL) != 0;
    fputs(tail ? "clean but for its end: " : "clean: ", out);
    print_sizes(out, s);
    if (s->pending) {
        fputs("; ", out);
        counted(out, s->pending, "change");
        fputs(s->pending == 1 ? " waits to be sent" : " wait to be sent", out);
    }
    if (s->unsynced_tail_bytes) {
        fputs("; ", out);
        counted(out, s->unsynced_tail_bytes, "byte");
        fputs(" of a write that a crash cut short, nothing to do", out);
    }
    if (s->findings[FSCK_WARNING]) {
        fputs("; ", out);
        counted(out, s->findings[FSCK_WARNING], "warning");
    }
    fputc('\n', out);
}

static void text_summary(void *arg, const struct fsck_summary *s)
{
    struct fsck_output *output = arg;
    FILE *out = output->out;
    if (output->verbose && s->folded)
        print_view(out, s);
    if (s->findings[FSCK_DAMAGED]) {
        print_damage(out, s);
    } else if (!s->ok) {
        if (s->segments == 0)
            return; /* it did not begin: the diagnostic says why */
        fputs("NOT CHECKED to the end: ", out);
        print_sizes(out, s);
        fputs(" so far, no damage among them\n", out);
    } else {
        print_good(out, s);
    }
}

void fsck_text_sink(struct fsck_output *output, struct fsck_sink *sink)
{
    *sink = (struct fsck_sink){
        .arg = output,
        .finding = text_finding,
        .audit = text_audit,
        .audit_summary = text_audit_summary,
        .summary = text_summary,
    };
}
