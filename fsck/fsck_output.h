/*
 * Findings, audits and the summary as text for people, or as JSON, one object a line.
 * Threading: one thread an output.
 */
#ifndef FSCK_OUTPUT_H
#define FSCK_OUTPUT_H

#include "fsck/fsck.h"
#include "fsck/fsck_audit.h"
#include "fsck/fsck_repair.h"
#include "fsck/fsck_salvage.h"

#include <stdio.h>

struct fsck_output {
    FILE *out;    /* borrowed */
    bool verbose; /* text: with meanings and counts */
    const struct avj_error
        *err; /* what stood in the way, when the summary says so; borrowed, may be NULL */
    enum fsck_audit_of of; /* what is audited */
    uint64_t plain_ones;   /* text: documents of all that have nothing to tell */
    uint64_t told;         /* text: the others */
    bool dry_run;          /* of a repair: what would be done */
};

/* Sinks that write to `output` (borrowed). */
void fsck_text_sink(struct fsck_output *output, struct fsck_sink *sink);
void fsck_json_sink(struct fsck_output *output, struct fsck_sink *sink);

/* The audit's part of them; `arg` is the output. */
void fsck_text_audit(void *arg, const struct fsck_audit_document *document);
void fsck_text_audit_summary(void *arg, const struct fsck_audit_summary *summary);
void fsck_json_audit(void *arg, const struct fsck_audit_document *document);
void fsck_json_audit_summary(void *arg, const struct fsck_audit_summary *summary);

/* Requests that failed, of any status. */
uint64_t fsck_failed_answers(const struct fsck_audit_summary *summary);

/* Text from the journal may hold anything: a terminal gets no control characters from it. */
void fsck_plain(FILE *out, const char *text);
/* 1234567 as "1,234,567". */
#define FSCK_NUMBER_TEXT 28
const char *fsck_grouped(uint64_t value, char out[FSCK_NUMBER_TEXT]);
/* "90 ms", "2.1 s", "3 min 20 s", "4 h 10 min", "3 d 4 h" */
const char *fsck_duration(int64_t ms, char out[FSCK_NUMBER_TEXT]);
/* A round one without a second unit: "30 s". */
const char *fsck_short_duration(int64_t ms, char out[FSCK_NUMBER_TEXT]);
/* "2026-11-22 20:19:10" as here. */
const char *fsck_local_time(int64_t ms, char out[FSCK_NUMBER_TEXT]);

/* ---- fsck_repair_output.c ---- */

/* The same with the steps of a repair. */
void fsck_text_repair_sink(struct fsck_output *output, struct fsck_repair_sink *sink);
void fsck_json_repair_sink(struct fsck_output *output, struct fsck_repair_sink *sink);

/* ---- fsck_salvage_output.c ---- */

/* What a salvage to folder `to` gave. */
void fsck_text_salvaged(FILE *out, const struct fsck_salvaged *done, const char *to);
void fsck_json_salvaged(FILE *out, const struct fsck_salvaged *done);

#endif
