/* Decoding and folding records: see fsck_fold.h. */
#include "fsck/fsck_fold.h"

#include "fsck/fsck_docs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fsck_fold {
    struct fsck_findings findings;
    struct fsck_fold_with with;
    struct fsck_source *source;
    struct avj_view *view;
    struct fsck_docs *docs;          /* behind the first gap */
    uint64_t folded_to;              /* last record in the view */
    uint64_t gap_first;              /* first record that the view lacks, 0: none */
    uint64_t stored_segment, stored; /* bytes of the log in front of it */
    uint64_t unknown;
    char unknown_names[160];
};

struct fsck_fold *fsck_fold_new(const struct fsck_fold_with *with)
{
    struct fsck_fold *fold = calloc(1, sizeof(*fold));
    if (!fold)
        return NULL;
    fold->with = *with;
    fold->source = fsck_source_new(with->capture);
    struct avj_source source = {fold->source, fsck_source_fetch};
    fold->view = fold->source ? avj_view_new(&source) : NULL;
    if (!fold->view) {
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
    fsck_source_free(fold->source);
    fsck_docs_free(fold->docs);
    fsck_findings_release(&fold->findings);
    free(fold);
}

void fsck_fold_recent(struct fsck_fold *fold,
                      bool (*find)(void *arg, uint64_t seq, struct avj_slice *record), void *arg)
{
    fsck_source_recent(fold->source, find, arg);
}

/* ---- what is wrong with a record ---- */

static struct fsck_finding *bad_record(struct fsck_fold *fold, enum fsck_code code,
                                       const struct fsck_record *at, const char *why)
{
    struct fsck_finding *finding = fsck_findings_add(&fold->findings, code);
    if (!finding)
        return NULL;
    finding->segment = at->segment;
    finding->offset = at->offset;
    finding->first_seq = finding->last_seq = at->seq;
    finding->count = 1;
    fsck_detail(finding, "%s", why);
    return finding;
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

/* ---- entries, looked at one by one ---- */

/* What needs every entry as a tree: documents behind a gap, names of unknown types.
 * *good: the record is an entry. */
static enum avj_status look_at_entry(struct fsck_fold *fold, const struct fsck_record *at,
                                     bool *good)
{
    struct avj_entry entry;
    struct avj_error err = {0};
    enum avj_status status = avj_entry_decode(at->data, at->len, &entry, &err);
    *good = status == AVJ_OK;
    if (status == AVJ_EFORMAT) {
        bad_record(fold, FSCK_NOT_AN_ENTRY, at, err.message);
        return AVJ_OK;
    }
    if (status != AVJ_OK)
        return status;
    if (entry.type == AVJ_ENTRY_TYPES)
        note_unknown(fold, entry.type_name);
    if (fold->docs)
        status = fsck_docs_entry(fold->docs, &entry);
    avj_entry_release(&entry);
    return status;
}

/* ---- the view ---- */

static enum avj_status stop_view(struct fsck_fold *fold, uint64_t first)
{
    if (fold->gap_first)
        return AVJ_OK;
    fold->gap_first = first;
    fold->docs = fsck_docs_new(fold->view);
    return fold->docs ? AVJ_OK : AVJ_ENOMEM;
}

/* The entry's document can not be brought up to date: the view ends in front of it. */
static enum avj_status not_fetched(struct fsck_fold *fold, const struct fsck_record *at,
                                   const struct avj_error *err)
{
    struct avj_entry entry;
    struct fsck_finding *finding = bad_record(fold, FSCK_NOT_FETCHED, at, err->message);
    if (finding && avj_entry_decode(at->data, at->len, &entry, NULL) == AVJ_OK) {
        if (entry.has_document && entry.entity == AVJ_THREAD)
            fsck_ids_add(&finding->threads, entry.id.data, entry.id.len);
        else if (entry.has_document && entry.entity == AVJ_MESSAGE)
            fsck_ids_add(&finding->messages, entry.id.data, entry.id.len);
        avj_entry_release(&entry);
    }
    return stop_view(fold, at->seq);
}

/* *look: the entry has to be looked at by itself. */
static enum avj_status fold_in(struct fsck_fold *fold, const struct fsck_record *at, bool *look,
                               struct avj_error *err)
{
    const uint64_t *unknown = &fold->view->counts.by_type[AVJ_ENTRY_TYPES];
    uint64_t before = *unknown;
    enum avj_status status = fsck_source_note(fold->source, at->segment, at->seq);
    if (status == AVJ_OK)
        status = avj_view_apply_prepared(fold->view, at->seq, at->data, at->len, at->prepared, err);
    if (status == AVJ_OK || status == AVJ_EFORMAT)
        fold->folded_to = at->seq;
    *look = fold->with.deep || status == AVJ_EFORMAT || *unknown != before;
    if (status != AVJ_OK && status != AVJ_EFORMAT && status != AVJ_ENOMEM) {
        *look = true;
        status = not_fetched(fold, at, err);
    }
    return status;
}

/* Bytes of the log in front of a segment. */
static uint64_t stored_before(struct fsck_fold *fold, uint64_t segment)
{
    const struct fsck_capture *c = fold->with.capture;
    if (fold->stored_segment == segment)
        return fold->stored;
    fold->stored_segment = segment;
    fold->stored = 0;
    for (size_t i = 0; i < c->count && c->segments[i].number < segment; i++)
        fold->stored += c->segments[i].size;
    return fold->stored;
}

static enum avj_status audit_record(struct fsck_fold *fold, const struct fsck_record *at)
{
    struct fsck_audit_at beside = {
        .stored = stored_before(fold, at->segment) + at->offset,
        .pending = fold->gap_first ? UINT64_MAX : fold->view->counts.pending,
    };
    return fsck_audit_record(fold->with.audit, at->seq, &beside, at->data, at->len);
}

enum avj_status fsck_fold_record(struct fsck_fold *fold, const struct fsck_record *at)
{
    struct avj_error err = {0};
    enum avj_status status = AVJ_OK;
    bool look = true, good = true;
    if (!fold->gap_first)
        status = fold_in(fold, at, &look, &err);
    bool refused = status == AVJ_EFORMAT;
    if (refused)
        status = AVJ_OK;
    if (status == AVJ_OK && look)
        status = look_at_entry(fold, at, &good);
    if (status == AVJ_OK && refused && good)
        bad_record(fold, FSCK_NOT_FOLDED, at, err.message);
    if (status == AVJ_OK && fold->with.audit)
        status = audit_record(fold, at);
    if (at->seq >= fsck_snapshots_next(fold->with.snapshots))
        fsck_snapshots_meet(fold->with.snapshots, at->seq, at->data, at->len,
                            fold->gap_first ? NULL : fold->view);
    return status;
}

void fsck_fold_ahead(const struct fsck_fold *fold, const struct avj_prepared *prepared)
{
    if (prepared->glanced && prepared->glance.has_document)
        avj_slots_prefetch(&fold->view->slots, &prepared->key);
}

enum avj_status fsck_fold_gap(struct fsck_fold *fold, uint64_t first, uint64_t last,
                              struct fsck_finding *finding)
{
    enum avj_status status = stop_view(fold, first);
    if (status == AVJ_OK)
        fsck_docs_gap(fold->docs, first, last ? last : UINT64_MAX, finding);
    return status;
}

/* ---- the end ---- */

enum avj_status fsck_fold_load_snapshots(struct fsck_fold *fold, int64_t deadline_ms)
{
    struct avj_source source = {fold->source, fsck_source_fetch};
    return fsck_snapshots_load(fold->with.snapshots, fold->view, fold->folded_to, &source,
                               deadline_ms);
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
    struct fsck_finding *finding = fsck_findings_add(&fold->findings, FSCK_UNMATCHED_ACKS);
    if (finding)
        finding->count = counts.unmatched_acks;
    fsck_detail(finding, "%llu acknowledgements", (unsigned long long)counts.unmatched_acks);
}

static void add_alone(struct fsck_fold *fold)
{
    uint64_t alone = fold->docs ? fsck_docs_messages_without_thread(fold->docs)
                                : fsck_view_messages_without_thread(fold->view);
    if (!alone)
        return;
    struct fsck_finding *finding = fsck_findings_add(&fold->findings, FSCK_NO_THREAD);
    if (finding)
        finding->count = alone;
    fsck_detail(finding, "%llu messages", (unsigned long long)alone);
}

void fsck_fold_finish(struct fsck_fold *fold, struct fsck_findings *findings,
                      struct fsck_summary *summary)
{
    struct fsck_finding *finding;
    if (fold->unknown) {
        finding = fsck_findings_add(&fold->findings, FSCK_UNKNOWN_TYPES);
        if (finding)
            finding->count = fold->unknown;
        fsck_detail(finding, "%llu entries: %s", (unsigned long long)fold->unknown,
                    fold->unknown_names);
    }
    if (fold->gap_first) {
        finding = fsck_findings_add(&fold->findings, FSCK_FOLD_STOPPED);
        if (finding)
            finding->first_seq = fold->gap_first;
        fsck_detail(finding, "the view is that of sequence number %llu",
                    (unsigned long long)fold->folded_to);
    }
    add_counts(fold, summary);
    add_alone(fold);
    fsck_findings_join(findings, &fold->findings);
}
