/*
 * The sync audit: for each document, what the log says happened to it, and how long changes waited
 * to be acknowledged.
 *
 * Threading: one thread.  Memory: some 60 bytes an event of the documents that are kept (with an id
 * to look for, only that one), the strings that come with them, and a bounded curve of the outbox
 * depth.
 */
#ifndef FSCK_AUDIT_H
#define FSCK_AUDIT_H

#include "replay/entry.h"

enum fsck_event_kind {
    FSCK_EV_CREATED, /* here */
    FSCK_EV_EDITED,
    FSCK_EV_DELETED,
    FSCK_EV_PUSHED,
    FSCK_EV_ACKNOWLEDGED,
    FSCK_EV_ELIDED, /* made and deleted before it ever left */
    FSCK_EV_REJECTED,
    FSCK_EV_RETRIED,
    FSCK_EV_DROPPED,
    FSCK_EV_REMOTE,
    FSCK_EV_REMOTE_DELETED,
    FSCK_EV_CONFLICT,
    FSCK_EV_STREAMED,
    FSCK_EVENTS,
};

struct fsck_event {
    enum fsck_event_kind kind;
    uint64_t seq;
    int64_t at_ms;
    uint64_t upto;       /* last own change it covers; conflict: the loser's; 0: none */
    int64_t waited_ms;   /* own changes: until they were acknowledged; -1: not (yet) */
    int64_t status;      /* of the server's answer */
    uint64_t count;      /* streamed: entries that were taken together */
    const char *session; /* that wrote it, "" unknown */
    char *version;       /* $updatedAt, NULL */
    char *note;          /* attempt, reason, fields, source; NULL */
};

struct fsck_audit_document {
    enum avj_entity entity;
    const char *id;
    const char *thread; /* NULL: none known */
    const struct fsck_event *events;
    size_t count;
};

struct fsck_audit_gap {
    uint64_t opened_seq, closed_seq; /* 0: still open (or opened before the log begins) */
    int64_t opened_ms, closed_ms;
    char *why;
};

struct fsck_audit_session {
    const char *id;
    uint64_t seq;
    int64_t at_ms;
    char *facts; /* "op open, host x" */
};

struct fsck_depth {
    int64_t at_ms;
    uint64_t depth;
};

#define FSCK_DEPTHS_MAX 256

struct fsck_audit_summary {
    uint64_t documents; /* given to the sink */
    uint64_t changes, acknowledged, rejected, pending, attempts, remote, conflicts;
    int64_t ack_p50_ms, ack_p95_ms, ack_max_ms; /* -1: nothing was acknowledged */
    const struct fsck_audit_gap *gaps;
    size_t gap_count;
    const struct fsck_audit_session *sessions;
    size_t session_count;
    uint64_t depth_max;
    int64_t depth_max_ms;
    const struct fsck_depth *depths; /* over time, thinned out */
    size_t depth_count;
};

struct fsck_audit;

/* Audits every message, or the documents with this id (borrowed until free).  NULL: out of memory.
 */
struct fsck_audit *fsck_audit_new(const char *id);
void fsck_audit_free(struct fsck_audit *audit);

/* Takes in one entry.  Errors: AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status fsck_audit_entry(struct fsck_audit *audit, uint64_t seq,
                                             const struct avj_entry *entry);

/* Gives every document in the order they appeared, then the summary.  Either function may be NULL.
 * Errors: AVJ_ENOMEM. */
void fsck_audit_finish(struct fsck_audit *audit,
                       void (*document)(void *arg, const struct fsck_audit_document *document),
                       void (*done)(void *arg, const struct fsck_audit_summary *summary),
                       void *arg);

const char *fsck_event_name(enum fsck_event_kind kind);

#endif
