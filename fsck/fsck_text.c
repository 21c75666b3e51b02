/* Text for people: see fsck_output.h. */
#include "fsck/fsck_output.h"

#include <inttypes.h>
#include <string.h>

/* 1234567 as "1,234,567". */
const char *fsck_grouped(uint64_t value, char out[FSCK_NUMBER_TEXT])
{
    char digits[FSCK_NUMBER_TEXT];
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
    char text[FSCK_NUMBER_TEXT];
    fprintf(out, "%s %s%s", fsck_grouped(value, text), noun, value == 1 ? "" : "s");
}

/* Text from the journal may hold anything: a terminal gets no control characters from it. */
void fsck_plain(FILE *out, const char *text)
{
    for (; *text; text++)
        fputc((unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text, out);
}

/* titles: of each, NULL: none */
static void print_ids(FILE *out, const char *what, const struct fsck_ids *ids, char *const *titles)
{
    if (!ids->count)
        return;
    fprintf(out, "    affected %s:", what);
    for (size_t i = 0; i < ids->count; i++) {
        fputs(i ? ", " : " ", out);
        fsck_plain(out, ids->ids[i]);
        if (titles && titles[i]) {
            fputs(" \"", out);
            fsck_plain(out, titles[i]);
            fputc('"', out);
        }
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

static void print_written(FILE *out, const struct fsck_finding *f)
{
    char after[FSCK_NUMBER_TEXT], before[FSCK_NUMBER_TEXT];
    if (f->after_ms && f->before_ms)
        fprintf(out, "    written between %s and %s\n", fsck_local_time(f->after_ms, after),
                fsck_local_time(f->before_ms, before));
    else if (f->after_ms)
        fprintf(out, "    written after %s\n", fsck_local_time(f->after_ms, after));
    else if (f->before_ms)
        fprintf(out, "    written before %s\n", fsck_local_time(f->before_ms, before));
}

static void text_finding(void *arg, const struct fsck_finding *f)
{
    struct fsck_output *output = arg;
    FILE *out = output->out;
    const struct fsck_kind *kind = fsck_kind(f->code);
    fprintf(out, "%s %s: %s", kind->id, fsck_severity_name(kind->severity), kind->title);
    if (f->detail[0]) {
        fputs(": ", out);
        fsck_plain(out, f->detail);
    }
    fputc('\n', out);
    print_place(out, f);
    print_written(out, f);
    print_ids(out, "threads", &f->threads, f->titles);
    print_ids(out, "messages", &f->messages, NULL);
    if (output->verbose)
        fprintf(out, "    %s\n", kind->meaning);
    fprintf(out, "    next: %s\n", kind->next);
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
        .audit = fsck_text_audit,
        .audit_summary = fsck_text_audit_summary,
        .summary = text_summary,
    };
}
