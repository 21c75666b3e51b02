/*
 * The sync audit: what the log says happened, in numbers for all of it, and for each document that
 * is asked for as a list of events.
 *
 * Threading: one thread at a time.  Memory: the numbers take 4 bytes for each change that was
 * acknowledged, some 40 for each that waits, some 200 for each session, and a bounded rest.  Events
 * are kept of the documents asked for.  Where everything is asked for, of those that came last: the
 * oldest are told, and forgotten, when there are more than FSCK_EVENTS_KEPT events; what
 * happens to one of them later is told as its continuation.
 */
#ifndef FSCK_AUDIT_H
#define FSCK_AUDIT_H

#include "fsck/fsck_audit_series.h"
#include "fsck/fsck_audit_spans.h"
#include "fsck/fsck_audit_waits.h"
#include "replay/entry.h"

#define FSCK_EVENTS_KEPT 32768

enum fsck_event_kind {
    FSCK_EV_CREATED, /* here */
    FSCK_EV_EDITED,
    FSCK_EV_DELETED,
    FSCK_EV_PUSHED,
    FSCK_EV_ANSWERED, /* an attempt, with what did not help it on */
    FSCK_EV_ACKNOWLEDGED,
    FSCK_EV_ELIDED, /* made and deleted before it ever left */
    FSCK_EV_REJECTED,
    FSCK_EV_RETRIED,
    FSCK_EV_DROPPED,
    FSCK_EV_REMOTE,
    FSCK_EV_REMOTE_DELETED,
    FSCK_EV_CONFLICT,
    FSCK_EV_DISMISSED, /* a conflict */
    FSCK_EV_STREAMED,
    FSCK_EVENTS,
};

struct fsck_event {
    enum fsck_event_kind kind;
    uint64_t seq;
    int64_t at_ms;
    uint64_t upto;       /* last own change it covers; conflict: the loser's; 0: none */
    int64_t waited_ms;   /* own changes: until they were acknowledged; -1: not (yet) */
    int64_t took_ms;     /* pushed: until it was settled or tried anew; answered: the request; -1 */
    int64_t status;      /* of the server's answer; pushed: in the end; -1: none */
    uint64_t count;      /* streamed: entries taken together; answered: times in a row */
    int64_t pause_ms;    /* answered: the server asked to wait so long */
    const char *session; /* that wrote it, "" unknown */
    bool stub;           /* compaction took its body */
    char *version;       /* $updatedAt, NULL */
    char *note;          /* source, reason, the fields that lost, the step that failed; NULL */
    char *attempt;       /* id; NULL */
    char *via;           /* "transaction", "single"; NULL */

    /* conflicts, and edits that restore one */
    bool lost_here;      /* the edit made here lost */
    char *lost, *won;    /* text of both sides, cut; NULL: not known */
    uint64_t conflict;   /* restores or dismisses: which */
    uint64_t settled_by; /* conflict: by that record; 0: it is open */
};

struct fsck_audit_gap {
    uint64_t opened_seq, closed_seq; /* 0: still open (or opened before the log begins) */
    int64_t opened_ms, closed_ms;
    char *why;
};

struct fsck_audit_document {
    enum avj_entity entity;
    const char *id;
    const char *thread; /* NULL: none known */
    const struct fsck_event *events;
    size_t count;
    bool continued; /* what came before was told already */
    bool asked_for; /* by its id or its thread, not as one of all */
    /* Open at some time from its first event to its last. */
    const struct fsck_audit_gap *gaps;
    size_t gap_count;
};

struct fsck_audit_session {
    const char *id; /* "": entries that name none */
    uint64_t first_seq, last_seq;
    int64_t first_ms, last_ms;
    uint64_t entries, changes;
    char *device, *program; /* as it was opened; NULL: not said */
};

/* What a session entry says: "init", "login", "clock" ... */
struct fsck_audit_fact {
    uint64_t seq;
    int64_t at_ms;
    const char *session;
    char *text;
};

struct fsck_audit_kind {
    uint64_t entries, bytes, stubs;
};

struct fsck_audit_status {
    int64_t status;                 /* HTTP; 0: no answer came */
    uint64_t acknowledged, refused; /* documents */
    uint64_t failed;                /* requests */
};

#define FSCK_STATUSES_MAX 40
#define FSCK_FACTS_MAX    256
#define FSCK_SESSIONS_MAX 16384

struct fsck_audit_summary {
    uint64_t documents; /* given to the sink */
    uint64_t records;
    int64_t first_ms, last_ms; /* of the log, or from `since` on; 0: nothing */
    uint64_t changes, acknowledged, elided, dropped, rejected, remote, remote_deleted;
    uint64_t pending, parked; /* at the end */
    uint64_t conflicts, conflicts_settled;
    uint64_t attempts, transactions, singles, sent; /* sent: documents in attempts */
    uint64_t rate_limits;
    int64_t rate_limited_ms;
    uint64_t history, history_bytes; /* what compaction dropped */
    struct fsck_wait_times waits;
    struct fsck_audit_status statuses[FSCK_STATUSES_MAX]; /* by number */
    size_t status_count;
    struct fsck_audit_kind kinds[AVJ_ENTRY_TYPES + 1];
    const struct fsck_audit_gap *gaps;
    size_t gap_count;
    const struct fsck_span *spans;
    size_t span_count;
    uint64_t spans_left_out;
    int64_t offline_ms;
    const struct fsck_audit_session *sessions;
    size_t session_count;
    uint64_t sessions_left_out;
    const struct fsck_audit_fact *facts;
    size_t fact_count;
    uint64_t facts_left_out;
    uint64_t depth_max;
    int64_t depth_max_ms;
    const struct fsck_series *depth;  /* over time: changes that wait */
    const struct fsck_series *growth; /* over time: bytes on disk, and records */
    const struct fsck_activity *activity;
};

enum fsck_audit_of { FSCK_OF_ALL, FSCK_OF_ID, FSCK_OF_MESSAGE, FSCK_OF_THREAD, FSCK_OF_NONE };

struct fsck_audit_with {
    enum fsck_audit_of of; /* whose events; FSCK_OF_NONE: numbers only */
    const char *id;        /* borrowed until free */
    int64_t since_ms;      /* what is older is not told */
    /* Gets the documents: those that are let go of while the log is read, the others at the end. */
    void (*document)(void *arg, const struct fsck_audit_document *document);
    void *arg;
};

struct fsck_audit;

/* NULL: out of memory. */
struct fsck_audit *fsck_audit_new(const struct fsck_audit_with *with);
void fsck_audit_free(struct fsck_audit *audit);

/* What is known beside the record. */
struct fsck_audit_at {
    uint64_t stored;  /* bytes of the log, as it is on disk, in front of its frame */
    uint64_t pending; /* changes that wait behind it, by the fold; UINT64_MAX: not known */
};

/* Takes in one record.  What is no entry is passed over.  Errors: AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status fsck_audit_record(struct fsck_audit *audit, uint64_t seq,
                                              const struct fsck_audit_at *at, const void *data,
                                              size_t len);

/* Gives the documents that are left, in the order they appeared, then the summary (valid until
 * free). */
const struct fsck_audit_summary *fsck_audit_finish(struct fsck_audit *audit);

const char *fsck_event_name(enum fsck_event_kind kind);

#endif
