/*
 * The checker's core: reads a journal without changing it and tells what it found.
 *
 * fsck_run() takes a folder and options and calls the sink: the journal, findings in the order of
 * the phases, then what was audited, then one summary.  An audit of everything in a long log gives
 * documents before the findings, while the log is read.  It prints nothing, so that tests and other
 * front ends call it directly.
 *
 * Threading: one thread a run, which calls the sink; a long log is folded by a second one, so that
 * options->io is called from both, and documents that are told while the log is read come from it
 * (only progress may be told at the same time).  Lifetime: whatever a sink's function is given is
 * borrowed during the call, but findings and the audit's summary until the run ends.
 */
#ifndef FSCK_H
#define FSCK_H

#include "fsck/fsck_audit.h"
#include "fsck/fsck_findings.h"

#include "journal/io.h"
#include "replay/schema.h"

/* Bits of the exit code, as e2fsck has them, and one more. */
enum fsck_exit {
    FSCK_CLEAN = 0,
    FSCK_REPAIRED = 1,
    FSCK_DAMAGE = 4,
    FSCK_FAILED = 8, /* the check could not be made, or not to its end */
    FSCK_USAGE = 16,
    FSCK_TAIL =
        64, /* the end of the log is not proven; nothing that was promised is known to be lost */
};

struct fsck_options {        /* all zero: the defaults */
    const struct avj_io *io; /* NULL: avj_io_posix() */
    bool deep;  /* look twice where once is enough if the program is right: see the manual */
    bool audit; /* numbers are given to the sink, and events where audit_of says */
    enum fsck_audit_of audit_of;
    const char *audit_id;    /* borrowed */
    int64_t audit_since_ms;  /* what is older is not told */
    int64_t max_duration_ms; /* 0: as long as it takes */
    /* File where a check whose time is over leaves how far it came, and goes on from
     * (fsck_state.h); NULL: none.  Not with audit. */
    const char *state;
};

struct fsck_summary {
    int exit_code;
    bool ok;       /* no damage, and the check was made to its end */
    bool complete; /* every captured byte was looked at */
    uint64_t segments, frames, records, bytes;
    uint64_t first_seq, last_seq; /* of the records seen; 0: none */
    uint64_t lost_records;
    bool lost_exact; /* false: at least so many */
    uint64_t unsynced_tail_bytes, set_aside_bytes;
    uint64_t findings[FSCK_SEVERITIES];
    bool folded;        /* there is a view: the fields below hold */
    bool fold_complete; /* false: the view is that of sequence number folded_to */
    uint64_t folded_to;
    uint64_t pending, parked, conflicts;
    uint64_t visible[AVJ_ENTITIES];
    uint8_t view_digest[16];
};

/* The files of the journal, for drawings of them. */
struct fsck_file {
    uint64_t number, size, first_seq;
    bool sealed, header_good;
};
struct fsck_journal {
    const char *path;
    uint8_t id[16];
    const struct fsck_file *files; /* segments */
    size_t count;
};

struct fsck_sink { /* any function may be NULL */
    void *arg;
    void (*journal)(void *arg, const struct fsck_journal *journal); /* the first, where known */
    void (*finding)(void *arg, const struct fsck_finding *finding);
    void (*audit)(void *arg, const struct fsck_audit_document *document);
    void (*audit_summary)(void *arg, const struct fsck_audit_summary *summary);
    void (*summary)(void *arg, const struct fsck_summary *summary);
    /* One line about how the check is made. */
    void (*note)(void *arg, const char *text);
    /* The last call, before anything is told, has done == total. */
    void (*progress)(void *arg, uint64_t done_bytes, uint64_t total_bytes);
};

/*
 * Checks the journal in folder `path`.  Returns the exit bits (FSCK_USAGE is never among them).
 * With FSCK_FAILED *err says what stood in the way; the summary is given in every case.
 */
int fsck_run(const char *path, const struct fsck_options *options, const struct fsck_sink *sink,
             struct avj_error *err);

#endif
