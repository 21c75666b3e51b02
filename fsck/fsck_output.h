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
        *err;       /* what stood in the way, when the summary says so; borrowed, may be NULL */
    bool named_one; /* text: an audit of one id */
    bool dry_run;   /* of a repair: what would be done */
};

/* Sinks that write to `output` (borrowed). */
void fsck_text_sink(struct fsck_output *output, struct fsck_sink *sink);
void fsck_json_sink(struct fsck_output *output, struct fsck_sink *sink);

/* ---- fsck_repair_output.c ---- */

/* The same with the steps of a repair. */
void fsck_text_repair_sink(struct fsck_output *output, struct fsck_repair_sink *sink);
void fsck_json_repair_sink(struct fsck_output *output, struct fsck_repair_sink *sink);

/* ---- fsck_salvage_output.c ---- */

/* What a salvage to folder `to` gave. */
void fsck_text_salvaged(FILE *out, const struct fsck_salvaged *done, const char *to);
void fsck_json_salvaged(FILE *out, const struct fsck_salvaged *done);

#endif
