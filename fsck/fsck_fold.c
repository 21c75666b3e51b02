/* Decoding and folding records: see fsck_fold.h. */
#include "fsck/fsck_fold.h"

#include "fsck/fsck_docs.h"
#include "replay/entry.h"
#include "replay/view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fsck_fold {
    struct fsck_findings *findings;
    struct fsck_audit *audit;
    struct avj_view *view;
    struct fsck_docs *docs;
    uint64_t folded_to; /* last record in the view */
    uint64_t gap_first; /* first lost record, 0: no gap */
    uint64_t unknown;
    char unknown_names[160];
};

struct fsck_fold *fsck_fold_new(struct fsck_findings *findings, struct fsck_audit *audit)
{
    struct fsck_fold *fold = calloc(1, sizeof(*fold));
    if (!fold)
        return NULL;
    fold->findings = findings;
    fold->audit = audit;
    fold->view = avj_view_new(NULL);
    fold->docs = fsck_docs_new();
    if (!fold->view || !fold->docs) {
        fsck_fold_free(fold);
        return NULL;
    }
    return fold;
}

void fsck_fold_free(struct fsck_fold *fold)
{
    if (!fold)
        return;
    avj_view_free(fold->view);
    fsck_docs_free(fold->docs);
    free(fold);
}

static void bad_record(struct fsck_fold *fold, enum fsck_code code, uint64_t segment,
                       uint64_t offset, uint64_t seq, const char *why)
{
    struct fsck_finding *finding = fsck_findings_add(fold->findings, code);
    if (!finding)
        return;
    finding->segment = segment;
    finding->offset = offset;
    finding->first_seq = finding->last_seq = seq;
    finding->count = 1;
    fsck_detail(finding, "%s", why);
}

static void note_unknown(struct fsck_fold *fold, struct avj_slice name)
{
    char quoted[48];
    fold->unknown++;
    size_t shown = name.len < 40 ? name.len : 40;
    snprintf(quoted, sizeof(quoted), "\"%.*s\"", (int)shown, (const char *)name.data);
    size_t used = strlen(fold->unknown_names);
    if (strstr(fold->unknown_names, quoted) ||
        used + strlen(quoted) + 3 > sizeof(fold->unknown_names))
        return;
    snprintf(fold->unknown_names + used, sizeof(fold->unknown_names) - used, "%s%s",
             used ? ", " : "", quoted);
}

/* *good: the record is an entry. */
static enum avj_status decode(struct fsck_fold *fold, uint64_t segment, uint64_t offset,
                              uint64_t seq, struct avj_slice record, bool *good)
{
    struct avj_entry entry;
    struct avj_error err = {0};
    enum avj_status status = avj_entry_decode(record.data, record.len, &entry, &err);
    *good = status == AVJ_OK;
    if (status == AVJ_EFORMAT) {
        bad_record(fold, FSCK_NOT_AN_ENTRY, segment, offset, seq, err.message);
        return AVJ_OK;
    }
    if (status != AVJ_OK)
        return status;
    if (entry.type == AVJ_ENTRY_TYPES)
        note_unknown(fold, entry.type_name);
    status = fsck_docs_entry(fold->docs, &entry);
    if (status == AVJ_OK && fold->audit)
        status = fsck_audit_entry(fold->audit, seq, &entry);
    avj_entry_release(&entry);
    return status;
}

enum avj_status fsck_fold_record(struct fsck_fold *fold, uint64_t segment, uint64_t offset,
                                 uint64_t seq, const void *data, size_t len)
{
    bool good;
    enum avj_status status =
        decode(fold, segment, offset, seq, (struct avj_slice){data, len}, &good);
    if (status != AVJ_OK || fold->gap_first)
        return status;
    struct avj_error err = {0};
    status = avj_view_apply(fold->view, seq, data, len, &err);
    fold->folded_to = seq;
    if (status == AVJ_EFORMAT) {
        if (good)
            bad_record(fold, FSCK_NOT_FOLDED, segment, offset, seq, err.message);
        status = AVJ_OK;
    }
    return status;
}

void fsck_fold_gap(struct fsck_fold *fold, uint64_t first, uint64_t last,
                   struct fsck_finding *finding)
{
    if (!fold->gap_first)
        fold->gap_first = first;
    fsck_docs_gap(fold->docs, first, last ? last : UINT64_MAX, finding);
}

static void add_counts(struct fsck_fold *fold, struct fsck_summary *summary)
{
    struct avj_view_counts counts;
    avj_view_counts(fold->view, &counts);
    summary->folded = true;
    summary->fold_complete = fold->gap_first == 0 && summary->complete;
    summary->folded_to = fold->folded_to;
    summary->pending = counts.pending;
    summary->parked = counts.parked;
    summary->conflicts = counts.conflicts;
    memcpy(summary->visible, counts.visible, sizeof(summary->visible));
    avj_view_digest(fold->view, summary->view_digest);
    if (counts.unmatched_acks == 0)
        return;
    struct fsck_finding *finding = fsck_findings_add(fold->findings, FSCK_UNMATCHED_ACKS);
    if (finding)
        finding->count = counts.unmatched_acks;
    fsck_detail(finding, "%llu acknowledgements", (unsigned long long)counts.unmatched_acks);
}

void fsck_fold_finish(struct fsck_fold *fold, struct fsck_summary *summary)
{
    struct fsck_finding *finding;
    if (fold->unknown) {
        finding = fsck_findings_add(fold->findings, FSCK_UNKNOWN_TYPES);
        if (finding)
            finding->count = fold->unknown;
        fsck_detail(finding, "%llu entries: %s", (unsigned long long)fold->unknown,
                    fold->unknown_names);
    }
    if (fold->gap_first) {
        finding = fsck_findings_add(fold->findings, FSCK_FOLD_STOPPED);
        if (finding)
            finding->first_seq = fold->gap_first;
        fsck_detail(finding, "the view is that of sequence number %llu",
                    (unsigned long long)fold->folded_to);
    }
    add_counts(fold, summary);
    uint64_t alone = fsck_docs_messages_without_thread(fold->docs);
    if (alone) {
        finding = fsck_findings_add(fold->findings, FSCK_NO_THREAD);
        if (finding)
            finding->count = alone;
        fsck_detail(finding, "%llu messages", (unsigned long long)alone);
    }
}
