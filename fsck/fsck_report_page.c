/* The report's page: see fsck_report.h. */
#include "fsck/fsck_output.h"
#include "fsck/fsck_report.h"

#include <inttypes.h>

static const char style[] =
    ":root{color-scheme:light dark;--bg:#fbfaf7;--card:#fff;--ink:#1d2126;--soft:#5b636c;"
    "--line:#dcd9d1;--change:#2563a8;--synced:#1f7a4d;--heard:#7650a8;--session:#6b7683;"
    "--bad:#b3261e;--warn:#d98a1f;--sealed:#3f6f8f;--plain:#9db8c7}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#15181c;--card:#1d2126;--ink:#eceae5;"
    "--soft:#a9b0b8;--line:#363c44;--change:#6ea8e6;--synced:#5cc48f;--heard:#b493e0;"
    "--session:#8d98a5;--bad:#ff7b70;--warn:#f0b35c;--sealed:#78b0d2;--plain:#3f5a6a}}\n"
    "*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.5 "
    "system-ui,sans-serif}main{max-width:62rem;margin:0 auto;padding:2rem 1.2rem 4rem}"
    "h1{font-size:1.9rem;line-height:1.2;margin:0 0 .3rem}h2{font-size:1.2rem;margin:2.6rem 0 "
    ".2rem}p{margin:.3rem 0}.soft,figcaption{color:var(--soft);font-size:.9rem}"
    "code{overflow-wrap:anywhere;font-size:.9em}"
    ".verdict{border-left:.4rem solid var(--synced);background:var(--card);padding:.8rem "
    "1rem;margin:1.2rem 0;border-radius:.3rem}.verdict.bad{border-color:var(--bad)}"
    ".verdict.warn{border-color:var(--warn)}.verdict b{font-size:1.15rem}\n"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.7rem;"
    "margin:1rem 0}.tiles div{background:var(--card);border:1px solid var(--line);"
    "border-radius:.4rem;padding:.6rem .8rem}.tiles data,.tiles b{display:block;font-size:1.35rem;"
    "font-weight:650;font-variant-numeric:tabular-nums}.tiles span{color:var(--soft);"
    "font-size:.85rem}\n"
    "figure{margin:.8rem 0 1rem;background:var(--card);border:1px solid var(--line);"
    "border-radius:.4rem;padding:.8rem 1rem}svg{display:block;width:100%}"
    ".lane,.top{font-size:.85rem;color:var(--soft);margin:.5rem 0 .1rem}.lane "
    "b,.top{color:var(--ink)}.key{display:inline-block;width:.7rem;height:.7rem;"
    "border-radius:.15rem;margin-right:.4rem}.axis,.bins{display:flex;"
    "justify-content:space-between;gap:.3rem;color:var(--soft);font-size:.75rem;margin-top:.25rem;"
    "font-variant-numeric:tabular-nums}.axis span:nth-child(2){text-align:center}.axis "
    "span:last-child{text-align:right}.bins span{flex:1;text-align:center;min-width:0}.bins "
    "b{display:block;color:var(--ink);font-weight:600}\n"
    ".pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(17rem,1fr));gap:.9rem}"
    ".pair figure{margin:.8rem 0 0}.pair .axis span:nth-child(2){display:none}\n"
    ".ground,.grid{fill:var(--line);stroke:none}.grid{stroke:var(--line);stroke-width:1;"
    "vector-effect:non-scaling-stroke}.change{fill:var(--change)}.synced{fill:var(--synced)}"
    ".heard{fill:var(--heard)}.session{fill:var(--session)}.offline,.failed{fill:var(--bad)}"
    ".waiting{fill:var(--warn)}.sealed{fill:var(--sealed)}.plain{fill:var(--plain)}"
    ".area{fill-opacity:.28;stroke-width:2;vector-effect:non-scaling-stroke}"
    ".area.change{stroke:var(--change)}.area.heard{stroke:var(--heard)}"
    ".area.session{stroke:var(--session)}i.change{background:var(--change)}"
    "i.synced{background:var(--synced)}i.heard{background:var(--heard)}"
    "i.session{background:var(--session)}i.offline,i.failed{background:var(--bad)}"
    "i.waiting{background:var(--warn)}i.sealed{background:var(--sealed)}i.plain{background:var(--"
    "plain)}\n"
    "article{background:var(--card);border:1px solid var(--line);border-left:.35rem solid "
    "var(--session);border-radius:.3rem;padding:.7rem 1rem;margin:.7rem 0;overflow-wrap:anywhere}"
    "article.damage{border-left-color:var(--bad)}article.warning{border-left-color:var(--warn)}"
    "article h3{font-size:1rem;margin:0}article p{font-size:.93rem}\n"
    ".scroll{overflow-x:auto}table{border-collapse:collapse;font-size:.87rem;width:100%;"
    "font-variant-numeric:tabular-nums}th{text-align:left;color:var(--soft);font-weight:600}"
    "td,th{padding:.25rem .8rem .25rem 0;border-bottom:1px solid var(--line);"
    "vertical-align:top}td.n,th.n{text-align:right}details{margin:.5rem "
    "0}summary{cursor:pointer;color:var(--soft)}\n"
    "@media print{:root{--bg:#fff}main{padding:0;max-width:none}figure,article{break-inside:avoid}"
    "h2{break-after:avoid}*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}"
    "@media(max-width:32rem){main{padding:1rem .8rem 3rem}figure{padding:.6rem "
    ".6rem}.axis span:nth-child(2){display:none}.bins{font-size:.62rem}}";

/* ---- text ---- */

/* Bytes of a character of UTF-8 that XML may hold; 0: none. */
static size_t good(const unsigned char *p)
{
    static const unsigned char lead[] = {0, 0, 0xc2, 0xe0, 0xf0}, most[] = {0, 0, 0xdf, 0xef, 0xf4};
    if (*p < 0x80)
        return *p >= 0x20 || *p == '\n' || *p == '\t';
    for (size_t n = 2; n <= 4; n++) {
        size_t i = 1;
        if (*p < lead[n] || *p > most[n])
            continue;
        while (i < n && (p[i] & 0xc0) == 0x80)
            i++;
        bool odd = (*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) ||
                   (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f) ||
                   (*p == 0xef && p[1] == 0xbf && p[2] > 0xbd);
        return i == n && !odd ? n : 0;
    }
    return 0;
}

void fsck_escaped(FILE *out, const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    while (p && *p) {
        size_t n = good(p);
        if (n == 0)
            fputc('?', out);
        else if (*p == '<')
            fputs("&lt;", out);
        else if (*p == '>')
            fputs("&gt;", out);
        else if (*p == '&')
            fputs("&amp;", out);
        else if (*p == '"')
            fputs("&quot;", out);
        else
            fwrite(p, 1, n, out);
        p += n ? n : 1;
    }
}

const char *fsck_bytes_text(uint64_t bytes, char out[28])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit < 4) {
        value /= 1024;
        unit++;
    }
    snprintf(out, 28, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return out;
}

/* A number, for people and for programs. */
static void number(FILE *out, const char *id, uint64_t value)
{
    char text[FSCK_NUMBER_TEXT];
    fprintf(out, "<data id=\"n-%s\" value=\"%" PRIu64 "\">%s</data>", id, value,
            fsck_grouped(value, text));
}

static void tile(FILE *out, const char *id, uint64_t value, const char *what)
{
    fputs("<div>", out);
    number(out, id, value);
    fprintf(out, "<span>%s</span></div>\n", what);
}

static void time_tile(FILE *out, const char *id, int64_t ms, const char *what)
{
    char text[FSCK_NUMBER_TEXT];
    if (ms < 0)
        return;
    fprintf(out, "<div><data id=\"n-%s\" value=\"%" PRId64 "\">%s</data><span>%s</span></div>\n",
            id, ms, fsck_duration(ms, text), what);
}

/* ---- the head ---- */

static void put_verdict(FILE *out, const struct fsck_summary *s)
{
    char text[FSCK_NUMBER_TEXT];
    if (s->findings[FSCK_DAMAGED]) {
        fprintf(out, "<div class=\"verdict bad\"><b>Damaged in %" PRIu64 " %s</b><p>%s",
                s->findings[FSCK_DAMAGED], s->findings[FSCK_DAMAGED] == 1 ? "place" : "places",
                s->lost_exact ? "" : "At least ");
        fprintf(
            out,
            "%s %s lost. Next: avchat-fsck --repair, which keeps the originals; each finding says "
            "more.</p></div>\n",
            fsck_grouped(s->lost_records, text), s->lost_records == 1 ? "record" : "records");
    } else if (!s->ok) {
        fputs("<div class=\"verdict warn\"><b>Not checked to the end</b><p>No damage in what was "
              "checked.</p></div>\n",
              out);
    } else if (s->findings[FSCK_WARNING] || (s->exit_code & FSCK_TAIL)) {
        fputs("<div class=\"verdict warn\"><b>Nothing is lost</b><p>Something should be put right, "
              "or is worth knowing: see the findings.</p></div>\n",
              out);
    } else {
        fputs("<div class=\"verdict\"><b>Clean</b><p>Every byte of the log is as it was written, "
              "and nothing is missing.</p></div>\n",
              out);
    }
}

static void put_head(FILE *out, const struct fsck_report *r, const struct fsck_summary *s)
{
    char text[FSCK_NUMBER_TEXT];
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><meta "
          "name=\"viewport\" content=\"width=device-width,initial-scale=1\"/><title>Journal "
          "report</title>\n<style>",
          out);
    fputs(style, out);
    fputs("</style></head><body><main>\n<h1>Journal report</h1>\n<p><code>", out);
    fsck_escaped(out, r->journal_path ? r->journal_path : "");
    fputs("</code></p>\n<p class=\"soft\">journal ", out);
    for (size_t i = 0; i < 16; i++)
        fprintf(out, "%02x", r->journal.id[i]);
    fprintf(out, " &#183; made %s, local time, by avchat-fsck " AVJ_VERSION "</p>\n",
            fsck_local_time(r->made_ms, text));
    put_verdict(out, s);
    fputs("<div class=\"tiles\">\n", out);
    tile(out, "records", s->records, "records");
    tile(out, "segments", s->segments, "segments");
    fprintf(out,
            "<div><data id=\"n-bytes\" value=\"%" PRIu64 "\">%s</data><span>on disk</span></div>\n",
            s->bytes, fsck_bytes_text(s->bytes, text));
    tile(out, "pending", s->pending,
         s->fold_complete ? "changes wait to be sent" : "changes waited where replay stopped");
    tile(out, "lostRecords", s->lost_records, "records lost");
    tile(out, "damages", s->findings[FSCK_DAMAGED], "places damaged");
    tile(out, "warnings", s->findings[FSCK_WARNING], "warnings");
    fputs("</div>\n", out);
}

/* ---- findings ---- */

static void put_ids(FILE *out, const char *what, const struct fsck_ids *ids, char *const *titles)
{
    if (!ids->count)
        return;
    fprintf(out, "<p class=\"soft\">%s: ", what);
    for (size_t i = 0; i < ids->count; i++) {
        fputs(i ? ", " : "", out);
        fsck_escaped(out, ids->ids[i]);
        if (titles && titles[i]) {
            fputs(" (", out);
            fsck_escaped(out, titles[i]);
            fputc(')', out);
        }
    }
    fputs(ids->more ? " and more</p>" : "</p>", out);
}

static void put_place(FILE *out, const struct fsck_finding *f)
{
    if (f->segment)
        fprintf(out,
                "<p class=\"soft\"><code>segments/%016" PRIx64 ".seg</code>, offset %" PRIu64
                ", %" PRIu64 " bytes</p>",
                f->segment, f->offset, f->length);
    if (f->first_seq && f->last_seq > f->first_seq)
        fprintf(out, "<p class=\"soft\">records %" PRIu64 " to %" PRIu64 "</p>", f->first_seq,
                f->last_seq);
    else if (f->first_seq)
        fprintf(out, "<p class=\"soft\">record %" PRIu64 "%s</p>", f->first_seq,
                f->last_seq ? "" : " and on");
}

static void put_finding(FILE *out, const struct fsck_finding *f)
{
    const struct fsck_kind *kind = fsck_kind(f->code);
    fprintf(out, "<article class=\"%s\"><h3>%s &#183; ", fsck_severity_name(kind->severity),
            kind->id);
    fsck_escaped(out, kind->title);
    fputs("</h3>", out);
    if (f->detail[0]) {
        fputs("<p>", out);
        fsck_escaped(out, f->detail);
        fputs("</p>", out);
    }
    put_place(out, f);
    put_ids(out, "threads", &f->threads, f->titles);
    put_ids(out, "messages", &f->messages, NULL);
    fputs("<p>", out);
    fsck_escaped(out, kind->meaning);
    fputs("</p><p><b>Next:</b> ", out);
    fsck_escaped(out, kind->next);
    fputs("</p></article>\n", out);
}

static void put_findings(FILE *out, const struct fsck_report *r)
{
    fputs("<h2>Findings</h2>\n", out);
    if (!r->finding_count)
        fputs("<p class=\"soft\">None.</p>\n", out);
    for (size_t i = 0; i < r->finding_count; i++)
        put_finding(out, r->findings[i]);
    if (r->findings_left_out)
        fprintf(out, "<p class=\"soft\">And %" PRIu64 " more: see avchat-fsck --json.</p>\n",
                r->findings_left_out);
}

/* ---- tables ---- */

static void open_table(FILE *out, const char *title, const char *heads)
{
    fprintf(out,
            "<details><summary>%s</summary><div class=\"scroll\"><table><thead>%s</thead><tbody>\n",
            title, heads);
}

static void close_table(FILE *out, size_t left_out)
{
    fputs("</tbody></table></div>", out);
    if (left_out)
        fprintf(out, "<p class=\"soft\">And %zu before these.</p>", left_out);
    fputs("</details>\n", out);
}

static void put_spans(FILE *out, const struct fsck_audit_summary *a)
{
    char text[FSCK_NUMBER_TEXT];
    size_t from = a->span_count > FSCK_REPORT_ROWS ? a->span_count - FSCK_REPORT_ROWS : 0;
    open_table(out, "Offline spans as a table",
               "<tr><th>from</th><th>to</th><th class=\"n\">for</th><th "
               "class=\"n\">waited</th><th>why</th></tr>");
    for (size_t i = from; i < a->span_count; i++) {
        const struct fsck_span *s = &a->spans[i];
        fprintf(out, "<tr><td>%s</td>", fsck_local_time(s->from_ms, text));
        fprintf(out, "<td>%s%s</td>", fsck_local_time(s->to_ms, text), s->open ? ", not over" : "");
        fprintf(out, "<td class=\"n\">%s</td>", fsck_duration(s->to_ms - s->from_ms, text));
        fprintf(out, "<td class=\"n\">%s</td>", fsck_grouped(s->depth, text));
        fprintf(out, "<td>%s%s%s</td></tr>\n", s->gap ? "events may have been missed" : "",
                s->gap && s->waiting ? ", " : "", s->waiting ? "changes waited" : "");
    }
    close_table(out, from);
}

static void cell(FILE *out, uint64_t value)
{
    char text[FSCK_NUMBER_TEXT];
    fprintf(out, "<td class=\"n\">%s</td>", fsck_grouped(value, text));
}

static void put_answers(FILE *out, const struct fsck_audit_summary *a)
{
    open_table(out, "Answers of the server by status",
               "<tr><th>status</th><th class=\"n\">documents acknowledged</th><th "
               "class=\"n\">documents refused</th><th class=\"n\">requests that failed</th></tr>");
    for (size_t i = 0; i < a->status_count; i++) {
        const struct fsck_audit_status *s = &a->statuses[i];
        if (s->status)
            fprintf(out, "<tr><td>%" PRId64 "</td>", s->status);
        else
            fputs("<tr><td>no answer</td>", out);
        cell(out, s->acknowledged);
        cell(out, s->refused);
        cell(out, s->failed);
        fputs("</tr>\n", out);
    }
    close_table(out, 0);
}

static void put_kinds(FILE *out, const struct fsck_audit_summary *a)
{
    open_table(out, "What the log is made of",
               "<tr><th>entries</th><th class=\"n\">number</th><th class=\"n\">bytes before "
               "compression</th><th class=\"n\">bodies dropped by compaction</th></tr>");
    for (int t = 0; t <= AVJ_ENTRY_TYPES; t++) {
        if (!a->kinds[t].entries)
            continue;
        fprintf(out, "<tr><td>%s</td>",
                t < AVJ_ENTRY_TYPES ? avj_entry_type_name((enum avj_entry_type)t) : "unknown");
        cell(out, a->kinds[t].entries);
        cell(out, a->kinds[t].bytes);
        cell(out, a->kinds[t].stubs);
        fputs("</tr>\n", out);
    }
    close_table(out, 0);
}

static void put_sessions(FILE *out, const struct fsck_audit_summary *a)
{
    char text[FSCK_NUMBER_TEXT];
    size_t from = a->session_count > FSCK_REPORT_ROWS ? a->session_count - FSCK_REPORT_ROWS : 0;
    open_table(out, "Sessions and devices",
               "<tr><th>session</th><th>device</th><th>from</th><th>to</th><th "
               "class=\"n\">entries</th><th class=\"n\">changes</th></tr>");
    for (size_t i = from; i < a->session_count; i++) {
        const struct fsck_audit_session *s = &a->sessions[i];
        fputs("<tr><td><code>", out);
        fsck_escaped(out, s->id[0] ? s->id : "(none)");
        fputs("</code></td><td>", out);
        fsck_escaped(out, s->device ? s->device : "not said");
        fprintf(out, "</td><td>%s</td>", fsck_local_time(s->first_ms, text));
        fprintf(out, "<td>%s</td>", fsck_local_time(s->last_ms, text));
        cell(out, s->entries);
        cell(out, s->changes);
        fputs("</tr>\n", out);
    }
    close_table(out, from);
}

static void put_files(FILE *out, const struct fsck_report *r)
{
    char text[FSCK_NUMBER_TEXT];
    size_t from = r->journal.count > FSCK_REPORT_ROWS ? r->journal.count - FSCK_REPORT_ROWS : 0;
    open_table(out, "Segments as a table",
               "<tr><th>segment</th><th>form</th><th class=\"n\">bytes</th><th class=\"n\">first "
               "record</th><th class=\"n\">findings</th></tr>");
    for (size_t i = from; i < r->journal.count; i++) {
        const struct fsck_file *f = &r->files[i];
        uint64_t findings = 0;
        for (size_t k = 0; k < r->finding_count; k++)
            findings += r->findings[k]->segment == f->number;
        fprintf(out, "<tr><td><code>%016" PRIx64 "</code></td><td>%s</td>", f->number,
                !f->header_good ? "header damaged"
                : f->sealed     ? "sealed"
                                : "plain");
        fprintf(out, "<td class=\"n\">%s</td>", fsck_grouped(f->size, text));
        cell(out, f->first_seq);
        cell(out, findings);
        fputs("</tr>\n", out);
    }
    close_table(out, from);
}

/* ---- the audit ---- */

static void put_audit(FILE *out, const struct fsck_audit_summary *a)
{
    fputs("<h2>What happened when</h2>\n", out);
    fsck_draw_timeline(out, a);
    put_spans(out, a);
    put_sessions(out, a);
    fputs("<h2>Sync in numbers</h2>\n<div class=\"tiles\">\n", out);
    tile(out, "changes", a->changes, "changes made here");
    tile(out, "acknowledged", a->acknowledged, "acknowledged");
    tile(out, "attempts", a->attempts, "attempts");
    tile(out, "remote", a->remote, "states from elsewhere");
    tile(out, "conflicts", a->conflicts, "conflicts");
    tile(out, "rejected", a->rejected, "refused");
    tile(out, "rateLimits", a->rate_limits, "rate-limit waits (429)");
    time_tile(out, "offlineMs", a->offline_ms, "offline");
    fputs("</div>\n", out);
    put_answers(out, a);
    fputs("<h2>The outbox</h2>\n", out);
    fsck_draw_outbox(out, a);
    if (a->waits.count) {
        fputs("<h2>Time to acknowledgement</h2>\n<div class=\"tiles\">\n", out);
        time_tile(out, "ackP50", a->waits.p50_ms, "half of them within");
        time_tile(out, "ackP95", a->waits.p95_ms, "95 of 100 within");
        time_tile(out, "ackMax", a->waits.max_ms, "the longest");
        fputs("</div>\n", out);
        fsck_draw_waits(out, a);
    }
    fputs("<h2>Growth of the log</h2>\n", out);
    fsck_draw_growth(out, a);
    put_kinds(out, a);
}

void fsck_report_page(const struct fsck_report *r, const struct fsck_summary *s, FILE *out)
{
    put_head(out, r, s);
    put_findings(out, r);
    if (r->journal.count) {
        fputs("<h2>Segments</h2>\n", out);
        fsck_draw_segments(out, r);
        put_files(out, r);
    }
    if (r->audit && r->audit->records)
        put_audit(out, r->audit);
    fputs("</main></body></html>\n", out);
}
