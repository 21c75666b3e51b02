/*
 * Offline spans: times in which the journal was not in step with its server.  A span is the union,
 * where they meet, of
 *   - a gap, from its opening to its closing: events from elsewhere may have been missed;
 *   - a time of at least FSCK_OFFLINE_MS in which changes waited that were not parked, and nothing
 *     came from the server: no acknowledgement, refusal, row or answer.
 * A journal that never had a server has no spans.  The log's last entry ends what is still open.
 *
 * Threading: one thread.  Memory: at most FSCK_SPANS_MAX spans of each kind; when there are more,
 * the shortest are only counted.
 */
#ifndef FSCK_AUDIT_SPANS_H
#define FSCK_AUDIT_SPANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FSCK_OFFLINE_MS 60000
#define FSCK_SPANS_MAX  1024

struct fsck_span {
    int64_t from_ms, to_ms;
    bool waiting, gap;
    bool open;      /* at the end of the log */
    uint64_t depth; /* changes that waited, at most */
};

struct fsck_spans { /* all zero: empty */
    struct fsck_span list[2 * FSCK_SPANS_MAX];
    size_t count;
    uint64_t left_out;
    int64_t left_out_ms;
    bool server;            /* there is one */
    int64_t waiting_ms;     /* since then changes wait unheard; 0: none does */
    uint64_t waiting_depth; /* the most of them */
    int64_t gap_ms;         /* open since; 0: none is */
    uint64_t gap_depth;
    int64_t last_ms; /* of the log so far */
};

/* The journal has a server from here on. */
void fsck_spans_server(struct fsck_spans *spans, int64_t at_ms, uint64_t depth);
/* So many changes wait now, parked ones apart; heard: by word of the server. */
void fsck_spans_depth(struct fsck_spans *spans, int64_t at_ms, uint64_t depth, bool heard);
void fsck_spans_gap(struct fsck_spans *spans, int64_t at_ms, uint64_t depth, bool open);
/* The end of the log: joins what meets, in the order of time.  *total_ms: of all of them. */
void fsck_spans_end(struct fsck_spans *spans, int64_t *total_ms);

#endif
