/*
 * What the checker can find: one table, and the list of what one run found.
 *
 * Ids are stable: a number is never given another meaning, scripts may rely on them.
 * Threading: one thread a list.  Memory: a list keeps at most FSCK_FINDINGS_PER_KIND findings of
 * each kind and counts the rest.
 */
#ifndef FSCK_FINDINGS_H
#define FSCK_FINDINGS_H

#include "journal/status.h"

#include <stdint.h>

enum fsck_phase {
    FSCK_FILES,
    FSCK_FRAMES,
    FSCK_CHAIN,
    FSCK_DECODE,
    FSCK_FOLD,
    FSCK_PHASES,
};

enum fsck_severity {
    FSCK_INFO,    /* as it should be, worth knowing */
    FSCK_WARNING, /* nothing is lost, something should be put right */
    FSCK_DAMAGED, /* data that was written is not there as it was written */
    FSCK_SEVERITIES,
};

enum fsck_code {
    FSCK_NO_SEGMENTS,
    FSCK_SEGMENT_MISSING,
    FSCK_UNREADABLE,
    FSCK_NO_ACCESS,
    FSCK_LEFTOVER,
    FSCK_STRANGE_NAME,
    FSCK_NO_LOCK,
    FSCK_NO_WITNESS,
    FSCK_SESSION_MODE,
    FSCK_SEGMENT_HEADER,
    FSCK_FRAME_HEADER,
    FSCK_PAYLOAD,
    FSCK_TRAILER,
    FSCK_PADDING,
    FSCK_TRUNCATED,
    FSCK_DECOMPRESS,
    FSCK_UNSYNCED_TAIL,
    FSCK_SET_ASIDE,
    FSCK_DICTIONARY,
    FSCK_FOREIGN,
    FSCK_MISPLACED,
    FSCK_PREDECESSOR,
    FSCK_SHORT,
    FSCK_CHAIN_BROKEN,
    FSCK_SEQUENCE,
    FSCK_MISSING_DURABLE,
    FSCK_WITNESS_DIFFERS,
    FSCK_INDEX,
    FSCK_CONTENT,
    FSCK_NOT_AN_ENTRY,
    FSCK_UNKNOWN_TYPES,
    FSCK_NOT_FOLDED,
    FSCK_FOLD_STOPPED,
    FSCK_UNMATCHED_ACKS,
    FSCK_NO_THREAD,
    FSCK_NOT_FETCHED,
    FSCK_SNAPSHOT_DAMAGED,
    FSCK_SNAPSHOT_STALE,
    FSCK_SNAPSHOT_DIFFERS,
    FSCK_SNAPSHOT_LEFTOVER,
    FSCK_SNAPSHOT_OTHER,
    FSCK_UNFINISHED,
    FSCK_MORE,
    FSCK_LATER,
    FSCK_CLOCK_BACK,
    FSCK_INTERRUPTED,
    FSCK_SHARED_ROW,
    FSCK_CODES,
};

struct fsck_kind {
    const char *id; /* "AVJ-F001" */
    enum fsck_phase phase;
    enum fsck_severity severity;
    const char *title;
    const char *meaning; /* what it is to the user */
    const char *next;    /* what to do */
};

/* Static storage. */
const struct fsck_kind *fsck_kind(enum fsck_code code);
const char *fsck_phase_name(enum fsck_phase phase);
const char *fsck_severity_name(enum fsck_severity severity);

/* Ids of documents, each once; when it is full it says that there are more. */
#define FSCK_IDS_MAX 64
struct fsck_ids {
    char *ids[FSCK_IDS_MAX];
    size_t count;
    bool more;
};

struct fsck_finding {
    enum fsck_code code;
    uint64_t segment; /* 0: not in a segment */
    uint64_t offset, length;
    uint64_t first_seq, last_seq;      /* 0: not known */
    uint64_t count;                    /* of what the title speaks of; 0: one, or not known */
    char detail[256];                  /* "" or one line of particulars */
    int64_t after_ms, before_ms;       /* lost records were written between; 0: not known */
    struct fsck_ids threads, messages; /* known to be affected */
    char *titles[FSCK_IDS_MAX];        /* of the threads; NULL: not known */
};

#define FSCK_FINDINGS_PER_KIND 100

struct fsck_findings {
    struct fsck_finding **items;
    size_t count, cap;
    uint64_t by_code[FSCK_CODES];
    uint64_t by_severity[FSCK_SEVERITIES];
    bool failed; /* out of memory: some are not kept */
};

void fsck_findings_release(struct fsck_findings *list);
/* The new finding, all zero but its code; NULL when it is counted only (too many of its kind, or no
 * memory). Valid until release. */
struct fsck_finding *fsck_findings_add(struct fsck_findings *list, enum fsck_code code);
/* Moves all of `from`, which has none of the kinds that `list` has, behind those of the list. */
void fsck_findings_join(struct fsck_findings *list, struct fsck_findings *from);
/* Takes all of a kind away, as if they had not been found. */
void fsck_findings_drop(struct fsck_findings *list, enum fsck_code code);
/* Adds what was counted and not kept, as findings FSCK_MORE. */
void fsck_findings_close(struct fsck_findings *list);
/* Fills the detail; finding may be NULL. */
void fsck_detail(struct fsck_finding *finding, const char *format, ...) AVJ_PRINTF(2, 3);
/* Adds an id (copied) unless it is there. */
void fsck_ids_add(struct fsck_ids *ids, const char *id, size_t len);

#endif
