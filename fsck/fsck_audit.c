/* The sync audit: see fsck_audit.h. */
#include "fsck/fsck_audit.h"

#include "fsck/fsck_audit_docs.h"

#include <stdlib.h>

struct fsck_audit {
    bool documents;
    struct fsck_reader reader;
    struct fsck_sums *sums;
    struct fsck_docs_told *docs; /* NULL: only numbers are asked for */
};

const char *fsck_event_name(enum fsck_event_kind kind)
{
    static const char *const names[FSCK_EVENTS] = {
        [FSCK_EV_CREATED] = "created",   [FSCK_EV_EDITED] = "edited",
        [FSCK_EV_DELETED] = "deleted",   [FSCK_EV_PUSHED] = "pushed",
        [FSCK_EV_ANSWERED] = "answered", [FSCK_EV_ACKNOWLEDGED] = "acknowledged",
        [FSCK_EV_ELIDED] = "elided",     [FSCK_EV_REJECTED] = "rejected",
        [FSCK_EV_RETRIED] = "retried",   [FSCK_EV_DROPPED] = "dropped",
        [FSCK_EV_REMOTE] = "remote",     [FSCK_EV_REMOTE_DELETED] = "remote-deleted",
        [FSCK_EV_CONFLICT] = "conflict", [FSCK_EV_DISMISSED] = "dismissed",
        [FSCK_EV_STREAMED] = "streamed",
    };
    return names[kind];
}

struct fsck_audit *fsck_audit_new(const struct fsck_audit_with *with)
{
    struct fsck_audit *a = calloc(1, sizeof(*a));
    if (!a)
        return NULL;
    a->documents = with->of != FSCK_OF_NONE;
    a->sums = fsck_sums_new(with->since_ms);
    if (a->sums && a->documents)
        a->docs = fsck_docs_told_new(with, a->sums);
    if (a->sums && (a->docs || !a->documents))
        return a;
    fsck_audit_free(a);
    return NULL;
}

void fsck_audit_free(struct fsck_audit *a)
{
    if (!a)
        return;
    fsck_docs_told_free(a->docs);
    fsck_sums_free(a->sums);
    fsck_reader_release(&a->reader);
    free(a);
}

enum avj_status fsck_audit_record(struct fsck_audit *a, uint64_t seq,
                                  const struct fsck_audit_at *at, const void *data, size_t len)
{
    struct fsck_told told;
    bool entry;
    enum avj_status status = fsck_told_read(&a->reader, data, len, a->documents, &told, &entry);
    if (status != AVJ_OK || !entry)
        return status;
    status = fsck_sums_add(a->sums, seq, at, &told);
    if (status == AVJ_OK && a->docs)
        status = fsck_docs_told_add(a->docs, seq, &told);
    return status;
}

const struct fsck_audit_summary *fsck_audit_finish(struct fsck_audit *a)
{
    uint64_t documents = a->docs ? fsck_docs_told_end(a->docs) : 0;
    struct fsck_audit_summary *summary = fsck_sums_end(a->sums);
    summary->documents = documents;
    return summary;
}
