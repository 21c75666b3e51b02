/*
 * The report: what a check and its audit found, as one HTML page that needs nothing else: no
 * script, no style or picture from elsewhere.  It is well-formed XML too.  However long the log is,
 * it has a bounded number of points and rows.
 *
 * Threading: as the sink.
 */
#ifndef FSCK_REPORT_H
#define FSCK_REPORT_H

#include "fsck/fsck.h"

#include <stdio.h>

/* Findings that are written out, and rows of a table; the rest is counted. */
#define FSCK_REPORT_FINDINGS 200
#define FSCK_REPORT_ROWS     60

struct fsck_report {
    const char *path;       /* of the page; borrowed */
    struct fsck_sink inner; /* gets everything too */
    struct fsck_journal journal;
    struct fsck_file *files;
    char *journal_path;
    const struct fsck_finding *findings[FSCK_REPORT_FINDINGS];
    size_t finding_count;
    uint64_t findings_left_out;
    const struct fsck_audit_summary *audit;
    int64_t made_ms;      /* 0: now */
    struct avj_error err; /* why it was not written */
};

/*
 * A sink that hands everything on to `inner` (copied) and writes the page when the summary comes:
 * beside `path`, then renamed over it, so that it is there whole or as it was.  report->err says
 * afterwards whether it was.  Release in every case.
 */
void fsck_report_begin(struct fsck_report *report, const char *path, const struct fsck_sink *inner,
                       struct fsck_sink *sink);
void fsck_report_release(struct fsck_report *report);

/* The page itself. */
void fsck_report_page(const struct fsck_report *report, const struct fsck_summary *summary,
                      FILE *out);

/* fsck_report_draw.c: drawings, each with its title and a text that says the same. */
void fsck_draw_timeline(FILE *out, const struct fsck_audit_summary *audit);
void fsck_draw_outbox(FILE *out, const struct fsck_audit_summary *audit);
void fsck_draw_waits(FILE *out, const struct fsck_audit_summary *audit);
void fsck_draw_growth(FILE *out, const struct fsck_audit_summary *audit);
void fsck_draw_segments(FILE *out, const struct fsck_report *report);

/* Text from a journal: markup in it is not markup, and what XML can not hold is "?". */
void fsck_escaped(FILE *out, const char *text);
const char *fsck_bytes_text(uint64_t bytes, char out[28]);

#endif
