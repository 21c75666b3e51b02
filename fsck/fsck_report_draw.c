/*
 * Drawings of the report, as SVG that is stretched to the page's width: lines keep their width, and
 * all words stand beside the drawings, so that they can be read on a telephone too.
 */
#include "fsck/fsck_output.h"
#include "fsck/fsck_report.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define WIDE 1000.0 /* of every drawing, in its own units */

struct scale {
    int64_t from_ms, to_ms;
};

static double x_of(const struct scale *s, int64_t ms)
{
    double span = (double)(s->to_ms - s->from_ms);
    double x = span > 0 ? (double)(ms - s->from_ms) / span * WIDE : 0;
    return x < 0 ? 0 : x > WIDE ? WIDE : x;
}

static struct scale scale_of(const struct fsck_audit_summary *a)
{
    return (struct scale){a->first_ms, a->last_ms > a->first_ms ? a->last_ms : a->first_ms + 1};
}

static void open_svg(FILE *out, const char *title, int high)
{
    fprintf(out,
            "<svg viewBox=\"0 0 1000 %d\" preserveAspectRatio=\"none\" role=\"img\" "
            "style=\"height:%dpx\"><title>%s</title>\n",
            high, high, title);
}

static void bar(FILE *out, const char *class, double x, double y, double wide, double high)
{
    fprintf(out, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>", class,
            x, y, wide, high);
}

static void axis(FILE *out, const struct scale *s)
{
    char text[FSCK_NUMBER_TEXT];
    fputs("<div class=\"axis\">", out);
    for (int i = 0; i <= 2; i++)
        fprintf(out, "<span>%.*s</span>", s->to_ms - s->from_ms < 600000 ? 19 : 16,
                fsck_local_time(s->from_ms + (s->to_ms - s->from_ms) * i / 2, text));
    fputs("</div>\n", out);
}

/* ---- the timeline ---- */

static void label(FILE *out, const char *class, const char *text)
{
    fprintf(out, "<p class=\"lane\"><i class=\"key %s\"></i>%s", class, text);
}

static void lane_of(FILE *out, const struct fsck_audit_summary *a, const struct scale *s,
                    enum fsck_doing what, const char *class, const char *name, uint64_t total)
{
    char text[FSCK_NUMBER_TEXT];
    double most = 1;
    for (size_t i = 0; i < FSCK_STRETCHES; i++)
        if (a->activity->counts[i][what] > most)
            most = a->activity->counts[i][what];
    label(out, class, name);
    fprintf(out, " <b>%s</b></p>", fsck_grouped(total, text));
    open_svg(out, name, 30);
    bar(out, "ground", 0, 29, WIDE, 1);
    for (size_t i = 0; i < FSCK_STRETCHES; i++) {
        uint32_t count = a->activity->counts[i][what];
        int64_t at = a->activity->from_ms + (int64_t)i * a->activity->width_ms;
        if (!count)
            continue;
        double x = x_of(s, at), high = 4 + 25 * sqrt(count / most);
        double wide = x_of(s, at + a->activity->width_ms) - x - 0.6;
        bar(out, class, x > WIDE - 3 ? WIDE - 3 : x, 29 - high, wide > 2.4 ? wide : 2.4, high);
    }
    fputs("</svg>\n", out);
}

static void lane_of_sessions(FILE *out, const struct fsck_audit_summary *a, const struct scale *s)
{
    double reached[4] = {-9, -9, -9, -9};
    char text[FSCK_NUMBER_TEXT];
    size_t from = a->session_count > 400 ? a->session_count - 400 : 0;
    label(out, "session", "Sessions");
    fprintf(out, " <b>%s</b></p>", fsck_grouped(a->session_count, text));
    open_svg(out, "When sessions wrote", 30);
    for (size_t i = from; i < a->session_count; i++) {
        double x = x_of(s, a->sessions[i].first_ms);
        double wide = x_of(s, a->sessions[i].last_ms) - x;
        int row = 0;
        while (row < 3 && reached[row] > x)
            row++;
        wide = wide > 3 ? wide : 3;
        x = x > WIDE - wide ? WIDE - wide : x;
        reached[row] = x + wide + 1;
        bar(out, "session", x, row * 7.5, wide, 6);
    }
    fputs("</svg>\n", out);
}

static void lane_of_spans(FILE *out, const struct fsck_audit_summary *a, const struct scale *s)
{
    char text[FSCK_NUMBER_TEXT];
    label(out, "offline", "Offline");
    fprintf(out, " <b>%zu</b> %s, %s in all</p>", a->span_count,
            a->span_count == 1 ? "span" : "spans", fsck_duration(a->offline_ms, text));
    open_svg(out, "When changes waited or events may have been missed", 26);
    bar(out, "ground", 0, 25, WIDE, 1);
    for (size_t i = 0; i < a->span_count; i++) {
        const struct fsck_span *span = &a->spans[i];
        double x = x_of(s, span->from_ms), wide = x_of(s, span->to_ms) - x;
        if (i < 600 || wide > 2)
            bar(out, span->gap ? "offline" : "waiting", x, 2, wide > 2 ? wide : 2, 23);
    }
    fputs("</svg>\n", out);
}

void fsck_draw_timeline(FILE *out, const struct fsck_audit_summary *a)
{
    struct scale s = scale_of(a);
    fputs("<figure>\n", out);
    lane_of_spans(out, a, &s);
    lane_of(out, a, &s, FSCK_CHANGED, "change", "Changes made here", a->changes);
    lane_of(out, a, &s, FSCK_SYNCED, "synced", "Changes acknowledged", a->acknowledged);
    lane_of(out, a, &s, FSCK_HEARD, "heard", "From elsewhere", a->remote);
    lane_of(out, a, &s, FSCK_FAILED_TRY, "failed", "Attempts that failed or were refused",
            a->rejected + fsck_failed_answers(a));
    lane_of_sessions(out, a, &s);
    axis(out, &s);
    fputs("<figcaption>Heights grow with the square root of the number. Offline: <i class=\"key "
          "offline\"></i>events may have been missed; <i class=\"key waiting\"></i>changes waited "
          "and nothing came from the server for a minute or more.</figcaption></figure>\n",
          out);
}

/* ---- curves ---- */

static void curve(FILE *out, const struct scale *s, const struct fsck_series *series, bool second,
                  bool steps, const char *class)
{
    double most = 1, y = 100, x = 0;
    for (size_t i = 0; i < series->count; i++) {
        double v = (double)(second ? series->points[i].second : series->points[i].value);
        most = v > most ? v : most;
    }
    fprintf(out, "<path class=\"%s\" d=\"M0 100", class);
    for (size_t i = 0; i < series->count; i++) {
        double v = (double)(second ? series->points[i].second : series->points[i].value);
        x = x_of(s, series->points[i].at_ms);
        if (steps)
            fprintf(out, "L%.1f %.1f", x, y);
        y = 100 - v / most * 96;
        fprintf(out, "L%.1f %.1f", x, y);
    }
    fprintf(out, "L1000 %.1fL1000 100Z\"/>", y);
}

static void frame(FILE *out)
{
    for (int y = 4; y <= 100; y += 48)
        fprintf(out, "<path class=\"grid\" d=\"M0 %dH1000\"/>", y);
}

void fsck_draw_outbox(FILE *out, const struct fsck_audit_summary *a)
{
    struct scale s = scale_of(a);
    char text[FSCK_NUMBER_TEXT];
    fprintf(out, "<figure><p class=\"top\">%s at most</p>\n", fsck_grouped(a->depth_max, text));
    open_svg(out, "Changes that waited to be acknowledged, over time", 100);
    frame(out);
    curve(out, &s, a->depth, false, true, "area change");
    fputs("</svg>\n", out);
    axis(out, &s);
    fprintf(out, "<figcaption>%s waiting at the end", fsck_grouped(a->pending, text));
    if (a->depth_max)
        fprintf(out, "; the most, %s", fsck_local_time(a->depth_max_ms, text));
    fputs(".</figcaption></figure>\n", out);
}

void fsck_draw_growth(FILE *out, const struct fsck_audit_summary *a)
{
    struct scale s = scale_of(a);
    char text[FSCK_NUMBER_TEXT];
    const struct fsck_series *g = a->growth;
    uint64_t bytes = g->count ? g->points[g->count - 1].value : 0;
    fprintf(out, "<div class=\"pair\"><figure><p class=\"top\">%s on disk</p>\n",
            fsck_bytes_text(bytes, text));
    open_svg(out, "Bytes of the log over time", 100);
    frame(out);
    curve(out, &s, g, false, false, "area heard");
    fputs("</svg>\n", out);
    axis(out, &s);
    fprintf(out, "</figure><figure><p class=\"top\">%s records</p>\n",
            fsck_grouped(a->records, text));
    open_svg(out, "Records of the log over time", 100);
    frame(out);
    curve(out, &s, g, true, false, "area session");
    fputs("</svg>\n", out);
    axis(out, &s);
    fputs("</figure></div>\n", out);
}

/* ---- how long ---- */

void fsck_draw_waits(FILE *out, const struct fsck_audit_summary *a)
{
    char text[FSCK_NUMBER_TEXT];
    size_t from = 0, to = FSCK_WAIT_BINS;
    double most = 1;
    while (from < FSCK_WAIT_BINS - 1 && !a->waits.bins[from])
        from++;
    while (to > from + 1 && !a->waits.bins[to - 1])
        to--;
    for (size_t i = from; i < to; i++)
        most = fmax(most, (double)a->waits.bins[i]);
    double wide = WIDE / (double)(to - from);
    fputs("<figure>\n", out);
    open_svg(out, "How many changes were acknowledged within which time", 120);
    for (size_t i = from; i < to; i++) {
        double high = a->waits.bins[i] ? 3 + 112 * (double)a->waits.bins[i] / most : 0;
        bar(out, "synced", (double)(i - from) * wide + wide * 0.08, 119 - high, wide * 0.84, high);
    }
    bar(out, "ground", 0, 119, WIDE, 1);
    fputs("</svg>\n<div class=\"bins\">", out);
    for (size_t i = from; i < to; i++) {
        bool last = i + 1 == FSCK_WAIT_BINS;
        fprintf(out, "<span><b>%s</b>", fsck_grouped(a->waits.bins[i], text));
        fprintf(out, "%s%s</span>", last ? "longer" : "&lt; ",
                last ? "" : fsck_short_duration(fsck_wait_bound(i), text));
    }
    fputs("</div></figure>\n", out);
}

/* ---- segments ---- */

/* Neighbours that are too narrow to be seen apart are drawn as one. */
static void draw_files(FILE *out, const struct fsck_report *r, double total)
{
    double x = 0, wide = 0;
    for (size_t i = 0; i < r->journal.count; i++) {
        const struct fsck_file *f = &r->files[i];
        wide += (double)f->size / total * WIDE;
        bool ends = i + 1 == r->journal.count || r->files[i + 1].sealed != f->sealed || wide > 3 ||
                    !f->header_good;
        if (!ends)
            continue;
        bar(out,
            !f->header_good ? "failed"
            : f->sealed     ? "sealed"
                            : "plain",
            x, 14, wide > 1.8 ? wide - 0.8 : wide, 30);
        x += wide;
        wide = 0;
    }
}

static void mark(FILE *out, const struct fsck_report *r, const struct fsck_finding *f, double total)
{
    double before = 0;
    bool damage = fsck_kind(f->code)->severity == FSCK_DAMAGED;
    for (size_t i = 0; i < r->journal.count; i++) {
        if (r->files[i].number != f->segment) {
            before += (double)r->files[i].size;
            continue;
        }
        double x = (before + (double)f->offset) / total * WIDE;
        x = x < 3 ? 3 : x > WIDE - 3 ? WIDE - 3 : x;
        double wide = (double)f->length / total * WIDE;
        bar(out, damage ? "failed" : "waiting", x, 6, wide > 4 ? wide : 4, 46);
        return;
    }
}

void fsck_draw_segments(FILE *out, const struct fsck_report *r)
{
    double total = 1;
    for (size_t i = 0; i < r->journal.count; i++)
        total += (double)r->files[i].size;
    fputs("<figure><p class=\"lane\"><i class=\"key sealed\"></i>sealed &#160;<i class=\"key "
          "plain\"></i>plain &#160;<i class=\"key failed\"></i>damage</p>\n",
          out);
    open_svg(out, "The segments of the log by size, from the first to the last", 54);
    draw_files(out, r, total);
    for (size_t i = 0; i < r->finding_count; i++)
        if (r->findings[i]->segment)
            mark(out, r, r->findings[i], total);
    fputs("</svg></figure>\n", out);
}
