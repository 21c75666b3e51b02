/* Decoding and folding records: see fsck_fold.h. */
#include "fsck/fsck_fold.h"

#include "fsck/fsck_docs.h"
#include "fsck/fsck_standing.h"
#include "fsck/fsck_titles.h"
#include "replay/clock.h"
#include "replay/snapshot.h"
#include "replay/snapshot_file.h"

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
    int64_t seen_ms;                 /* when the last record was written, 0: not known */
    struct fsck_finding *behind;     /* of the gap that the next record ends; NULL: none */
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

/* Clocks differ, and a stamp is taken a moment before its entry is written: an hour is neither. */
#define CLOCK_BACK_MS 3600000

/* Each step back is told once, where it is: fold->seen_ms is the record's in front of it. */
static void judge_clock(struct fsck_fold *fold, const struct fsck_record *at)
{
    uint64_t hlc = at->prepared->glance.hlc;
    int64_t now = avj_hlc_ms(hlc);
    if (hlc > 1 && now + CLOCK_BACK_MS < fold->seen_ms) /* what repair put in has no time */
        fsck_detail(bad_record(fold, FSCK_CLOCK_BACK, at, ""), "by %lld minutes",
                    (long long)((fold->seen_ms - now) / 60000));
}

/* What an entry says that can not be, as far as a glance tells.  An acknowledgement may well come
 * for a change that realtime has told of before, or that was acknowledged already; not for one of a
 * document that nobody has heard of. */
static void judge(struct fsck_fold *fold, const struct fsck_record *at)
{
    const struct avj_glance *g = &at->prepared->glance;
    if (at->prepared->glanced)
        judge_clock(fold, at);
    if (!at->prepared->glanced || !g->has_document || g->upto <= 0)
        return;
    struct fsck_finding *finding = NULL;
    if ((uint64_t)g->upto >= at->seq)
        finding = bad_record(fold, FSCK_LATER, at, "");
    else if (g->type == AVJ_E_ACK && !fold->gap_first &&
             !avj_slots_find_key(&fold->view->slots, &at->prepared->key))
        finding = bad_record(fold, FSCK_UNMATCHED_ACKS, at, "");
    if (!finding)
        return;
    if (finding->code == FSCK_LATER)
        fsck_detail(finding, "%s up to record %lld", avj_entry_type_name(g->type),
                    (long long)g->upto);
    if (g->entity == AVJ_THREAD)
        fsck_ids_add(&finding->threads, g->id.data, g->id.len);
    else if (g->entity == AVJ_MESSAGE)
        fsck_ids_add(&finding->messages, g->id.data, g->id.len);
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

/* Lost records were written between those that are there. */
static void note_time(struct fsck_fold *fold, const struct avj_prepared *prepared)
{
    if (!prepared->glanced || prepared->glance.hlc <= 1)
        return;
    fold->seen_ms = avj_hlc_ms(prepared->glance.hlc);
    if (fold->behind)
        fold->behind->before_ms = fold->seen_ms;
    fold->behind = NULL;
}

enum avj_status fsck_fold_record(struct fsck_fold *fold, const struct fsck_record *at)
{
    struct avj_error err = {0};
    enum avj_status status = AVJ_OK;
    bool look = true, good = true;
    judge(fold, at);
    note_time(fold, at->prepared);
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
    if (finding)
        finding->after_ms = fold->seen_ms;
    fold->behind = finding;
    if (status == AVJ_OK)
        fsck_docs_gap(fold->docs, first, last ? last : UINT64_MAX, finding);
    return status;
}

/* ---- what an earlier check has folded ---- */

bool fsck_fold_is_whole(const struct fsck_fold *fold)
{
    return !fold->gap_first && !fold->findings.count && fold->folded_to;
}

uint64_t fsck_fold_last(const struct fsck_fold *fold)
{
    return fold->folded_to;
}

void fsck_fold_digest(const struct fsck_fold *fold, uint8_t digest[16])
{
    avj_view_digest(fold->view, digest);
}

const char *fsck_fold_unknown(const struct fsck_fold *fold, uint64_t *count)
{
    *count = fold->unknown;
    return fold->unknown_names;
}

enum avj_status fsck_fold_save(struct fsck_fold *fold, const struct avj_io *io, int file,
                               struct avj_error *err)
{
    uint64_t bytes;
    return avj_snapshot_put(fold->view, io, file, fold->with.capture->journal_id, &bytes, err);
}

/* Where the records of the segments are that are passed over. */
static enum avj_status note_segments(struct fsck_fold *fold, const struct fsck_fold_start *start)
{
    const struct fsck_segment *segments = fold->with.capture->segments;
    enum avj_status status = AVJ_OK;
    uint64_t last = 0;
    for (size_t i = 0; status == AVJ_OK && i < start->segments; i++) {
        uint64_t next = segments[i + 1].header.first_seq; /* one more is captured */
        if (segments[i].header.first_seq == next)
            continue;
        status = fsck_source_note(fold->source, segments[i].number, segments[i].header.first_seq);
        last = segments[i].number;
    }
    return status == AVJ_OK ? fsck_source_note(fold->source, last, start->seq) : status;
}

/* The log's own snapshots that end in what is passed over. */
static void meet_snapshots(struct fsck_fold *fold)
{
    struct fsck_snapshots *s = fold->with.snapshots;
    while (fsck_snapshots_next(s) <= fold->folded_to) {
        struct avj_slice record;
        struct avj_error err = {0};
        uint64_t seq = fsck_snapshots_next(s);
        bool there = fsck_source_fetch(fold->source, seq, &record, &err) == AVJ_OK;
        fsck_snapshots_meet_late(s, there ? record : (struct avj_slice){NULL, 0});
    }
}

enum avj_status fsck_fold_load(struct fsck_fold *fold, const struct fsck_fold_start *start)
{
    struct avj_source source = {fold->source, fsck_source_fetch};
    struct avj_snapshot_header header;
    struct avj_view *view;
    uint8_t digest[16];
    if (!avj_snapshot_header_read(start->io, start->file, &header) || header.seq != start->seq ||
        memcmp(header.journal_id, fold->with.capture->journal_id, 16) != 0)
        return AVJ_ENOTFOUND;
    enum avj_status status = note_segments(fold, start);
    if (status == AVJ_OK)
        status = avj_snapshot_take(start->io, start->file, &header, &source, true, &view);
    if (status != AVJ_OK)
        return status == AVJ_ENOMEM ? status : AVJ_ENOTFOUND;
    avj_view_digest(view, digest);
    if (memcmp(digest, start->digest, sizeof(digest)) != 0) {
        avj_view_free(view);
        return AVJ_ENOTFOUND;
    }
    avj_view_free(fold->view);
    fold->view = view;
    fold->folded_to = start->seq;
    fold->seen_ms = avj_hlc_ms(view->last_hlc);
    fold->unknown = start->unknown;
    snprintf(fold->unknown_names, sizeof(fold->unknown_names), "%.*s",
             (int)start->unknown_names.len, (const char *)start->unknown_names.data);
    meet_snapshots(fold);
    return AVJ_OK;
}

/* ---- the end ---- */

enum avj_status fsck_fold_load_snapshots(struct fsck_fold *fold, bool all, int64_t deadline_ms)
{
    struct avj_source source = {fold->source, fsck_source_fetch};
    return fsck_snapshots_load(fold->with.snapshots, fold->view, fold->folded_to, &source, all,
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
    fsck_standing(fold->view, &fold->findings);
    fsck_findings_join(findings, &fold->findings);
    fsck_titles_add(fold->view, findings);
}
