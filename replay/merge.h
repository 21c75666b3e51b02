/*
 * What a server state does to a document with pending edits: decided here, for the fold (which
 * carries the plan out) and for the sync layer (which journals the conflicts in it).  Pure.
 * MERGE.md has the rules as a table.
 */
#ifndef AVJ_MERGE_H
#define AVJ_MERGE_H

#include "replay/document.h"

struct avj_incoming {
    const char *remote_id, *version;
    int64_t version_ms;
    bool deleted;
    struct avj_fields fields; /* canonical, no nils */
    /* an ack settles this many pending mutations whatever they look like; a state from elsewhere: 0
     */
    size_t acknowledged;
    int64_t clock_offset_ms; /* the server's clock, which versions are told by, minus the one that
                                stamps mutations */
    uint64_t seq;            /* of its entry */
    bool dropped;            /* its entry is a stub: fields are only a mark, and this their hash: */
    uint64_t hash;
};

struct avj_clash {
    uint64_t seq;     /* of the pending mutation concerned */
    bool remote_lost; /* the pending edit stays and will overwrite; else the pending edit lost */
    struct avj_blob fields; /* what was lost */
    const char *why;        /* constant text */
};

enum avj_fate {
    AVJ_FATE_KEEP,
    AVJ_FATE_SETTLED,
    AVJ_FATE_LOST,
    AVJ_FATE_TRIMMED /* keep with `fields` instead */
};

struct avj_plan {
    bool stale;              /* older than what is known of that row: changes nothing */
    enum avj_fate *fates;    /* one per pending mutation */
    struct avj_blob *fields; /* for AVJ_FATE_TRIMMED */
    size_t count;
    struct avj_clash *clashes;
    size_t clash_count;
};

/* Does the plan look at fields, so that they must be loaded? */
bool avj_merge_reads(const struct avj_document *document, const struct avj_incoming *incoming);

/* unsendable(arg, entity, name, len): the deployment has no such attribute, so its absence upstream
 * means nothing. */
AVJ_CHECKED enum avj_status
avj_merge_plan(const struct avj_document *document, const struct avj_incoming *incoming,
               bool (*unsendable)(void *arg, enum avj_entity entity, const char *name, size_t len),
               void *arg, struct avj_plan *plan);
void avj_plan_release(struct avj_plan *plan);

/* A delete of the document was acknowledged for one of its rows while another is there: that one is
 * no news, and the delete is not done. */
bool avj_merge_outlived(const struct avj_document *document, const struct avj_incoming *incoming);

/* True when `incoming` is older than what is known of its row, or the same. */
bool avj_merge_stale(const struct avj_document *document, const struct avj_incoming *incoming);

#endif
