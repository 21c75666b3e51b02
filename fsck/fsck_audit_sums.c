/* The audit's numbers: see fsck_audit_sums.h. */
#include "fsck/fsck_audit_sums.h"

#include "fsck/fsck_audit_sessions.h"
#include "journal/journal.h"

#include <stdlib.h>
#include <string.h>

struct fsck_sums {
    struct fsck_audit_summary totals;
    int64_t since_ms;
    bool counts; /* the entry at hand is not older than that */
    struct fsck_waits *waits;
    struct fsck_sessions *sessions;
    struct fsck_spans spans;
    struct fsck_series depth, growth;
    struct fsck_activity activity;
    struct fsck_audit_gap *gaps;
    size_t gap_count, gap_cap;
};

struct fsck_sums *fsck_sums_new(int64_t since_ms)
{
    struct fsck_sums *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->since_ms = since_ms;
    s->growth.keep = FSCK_KEEP_LAST;
    s->waits = fsck_waits_new();
    s->sessions = fsck_sessions_new();
    if (s->waits && s->sessions)
        return s;
    fsck_sums_free(s);
    return NULL;
}

void fsck_sums_free(struct fsck_sums *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->gap_count; i++)
        free(s->gaps[i].why);
    free(s->gaps);
    fsck_waits_free(s->waits);
    fsck_sessions_free(s->sessions);
    free(s);
}

bool fsck_room(void *items, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return true;
    size_t wanted = *cap ? *cap + *cap / 2 + 1 : 4;
    void *old, *grown;
    memcpy(&old, items, sizeof(old));
    grown = realloc(old, wanted * size);
    if (!grown)
        return false;
    memcpy(items, &grown, sizeof(grown));
    *cap = wanted;
    return true;
}

char *fsck_copy(struct avj_slice text, size_t max)
{
    size_t len = text.len < max ? text.len : max;
    if (!text.data)
        return NULL;
    char *copy = malloc(len + 1);
    if (!copy)
        return NULL;
    memcpy(copy, text.data, len);
    copy[len] = 0;
    return copy;
}

/* ---- the outbox ---- */

static uint64_t key_of(const struct fsck_told *t)
{
    return avj_hash64(t->id.data, t->id.len) + (uint64_t)t->entity;
}

static uint64_t unparked(const struct fsck_sums *s)
{
    return fsck_waits_depth(s->waits) - fsck_waits_parked(s->waits);
}

/* The outbox is as it is now; heard: by word of the server. */
static void note_depth(struct fsck_sums *s, int64_t at_ms, bool heard)
{
    uint64_t depth = fsck_waits_depth(s->waits);
    fsck_spans_depth(&s->spans, at_ms, unparked(s), heard);
    if (!s->counts)
        return;
    fsck_series_add(&s->depth, at_ms, depth, fsck_waits_parked(s->waits));
    if (depth > s->totals.depth_max) {
        s->totals.depth_max = depth;
        s->totals.depth_max_ms = at_ms;
    }
}

static void count(const struct fsck_sums *s, uint64_t *counter, uint64_t more)
{
    if (s->counts)
        *counter += more;
}

static void did(struct fsck_sums *s, const struct fsck_told *t, enum fsck_doing what)
{
    if (s->counts)
        fsck_activity_add(&s->activity, t->at_ms, what);
}

/* NULL: none is kept of so many statuses. */
static struct fsck_audit_status *status_of(struct fsck_sums *s, int64_t number)
{
    static struct fsck_audit_status nobody;
    struct fsck_audit_summary *a = &s->totals;
    size_t i = 0;
    while (i < a->status_count && a->statuses[i].status < number)
        i++;
    if (i < a->status_count && a->statuses[i].status == number)
        return &a->statuses[i];
    if (a->status_count == FSCK_STATUSES_MAX || !s->counts) {
        nobody = (struct fsck_audit_status){.status = number};
        return &nobody;
    }
    memmove(&a->statuses[i + 1], &a->statuses[i], (a->status_count - i) * sizeof(*a->statuses));
    a->statuses[i] = (struct fsck_audit_status){.status = number};
    a->status_count++;
    return &a->statuses[i];
}

/* ---- entries ---- */

static enum avj_status add_local(struct fsck_sums *s, uint64_t seq, const struct fsck_told *t)
{
    if (t->entity == AVJ_ENTITIES)
        return AVJ_OK;
    fsck_waits_park(s->waits, key_of(t), UINT64_MAX, false); /* it goes with this one */
    enum avj_status status = fsck_waits_add(s->waits, key_of(t), seq, t->at_ms);
    count(s, &s->totals.changes, 1);
    did(s, t, FSCK_CHANGED);
    note_depth(s, t->at_ms, false);
    return status;
}

static enum avj_status add_settled(struct fsck_sums *s, const struct fsck_told *t)
{
    int64_t upto = fsck_told_int(t, 's', 0), number = fsck_told_int(t, 'x', 0);
    bool sent = t->type == AVJ_E_ACK && number > 0;
    uint64_t settled = 0;
    if (t->entity == AVJ_ENTITIES)
        return AVJ_OK;
    enum avj_status status = fsck_waits_settle(s->waits, key_of(t), upto > 0 ? (uint64_t)upto : 0,
                                               t->at_ms, sent && s->counts, &settled);
    if (sent) {
        count(s, &s->totals.acknowledged, settled);
        count(s, &status_of(s, number)->acknowledged, 1);
        did(s, t, FSCK_SYNCED);
    } else {
        count(s, t->type == AVJ_E_ACK ? &s->totals.elided : &s->totals.dropped, settled);
    }
    note_depth(s, t->at_ms, sent);
    return status;
}

static void add_reject(struct fsck_sums *s, const struct fsck_told *t)
{
    int64_t upto = fsck_told_int(t, 's', 0);
    bool parks = t->type == AVJ_E_REJECT;
    if (t->entity == AVJ_ENTITIES)
        return;
    fsck_waits_park(s->waits, key_of(t), upto > 0 ? (uint64_t)upto : 0, parks);
    if (parks) {
        count(s, &s->totals.rejected, 1);
        count(s, &status_of(s, fsck_told_int(t, 'x', 0))->refused, 1);
        did(s, t, FSCK_FAILED_TRY);
    }
    note_depth(s, t->at_ms, parks);
}

/* Of equal answers in a row the 1st, 2nd, 4th, 8th ... are entries: each stands for those since the
 * one before. */
static uint64_t stands_for(const struct fsck_told *t)
{
    int64_t in_a_row = fsck_told_int(t, 'n', 1);
    return in_a_row > 1 ? (uint64_t)(in_a_row - in_a_row / 2) : 1;
}

static void add_answer(struct fsck_sums *s, const struct fsck_told *t)
{
    int64_t number = fsck_told_int(t, 'x', 0);
    uint64_t times = stands_for(t);
    count(s, &status_of(s, number)->failed, times);
    did(s, t, FSCK_FAILED_TRY);
    if (number == 429) {
        count(s, &s->totals.rate_limits, times);
        if (s->counts)
            s->totals.rate_limited_ms += fsck_told_int(t, 'w', 0);
    }
    fsck_spans_server(&s->spans, t->at_ms, unparked(s));
    if (number > 0)
        note_depth(s, t->at_ms, true);
}

static void add_push(struct fsck_sums *s, const struct fsck_told *t)
{
    struct avj_raw raw = {NULL, NULL};
    struct fsck_sent sent;
    if (t->at['o' - 'a']) {
        add_answer(s, t);
        return;
    }
    count(s, &s->totals.attempts, 1);
    count(s, fsck_told_is(t, 'v', "single") ? &s->totals.singles : &s->totals.transactions, 1);
    while (fsck_told_sent(t, &raw, &sent))
        count(s, &s->totals.sent, 1);
    fsck_spans_server(&s->spans, t->at_ms, unparked(s));
}

static void add_remote(struct fsck_sums *s, const struct fsck_told *t)
{
    bool gone = !t->at['f' - 'a'] && !t->at['g' - 'a'];
    count(s, &s->totals.remote, 1);
    count(s, &s->totals.remote_deleted, gone);
    did(s, t, FSCK_HEARD);
    note_depth(s, t->at_ms, true);
}

static void add_conflict(struct fsck_sums *s, const struct fsck_told *t)
{
    bool dismissed = fsck_told_is(t, 'o', "dismiss");
    count(s, dismissed ? &s->totals.conflicts_settled : &s->totals.conflicts, 1);
}

static enum avj_status add_gap(struct fsck_sums *s, uint64_t seq, const struct fsck_told *t)
{
    bool closes = fsck_told_is(t, 'o', "close");
    struct fsck_audit_gap *last = s->gap_count ? &s->gaps[s->gap_count - 1] : NULL;
    bool open = last && !last->closed_seq;
    fsck_spans_gap(&s->spans, t->at_ms, unparked(s), !closes);
    if (open != closes)
        return AVJ_OK; /* one more reason for an open gap, or a sweep without one */
    if (!open) {
        if (!fsck_room(&s->gaps, s->gap_count, &s->gap_cap, sizeof(*s->gaps)))
            return AVJ_ENOMEM;
        last = &s->gaps[s->gap_count++];
        *last = (struct fsck_audit_gap){.why = fsck_copy(fsck_told_text(t, 'm'), 200)};
    }
    if (closes) {
        last->closed_seq = seq;
        last->closed_ms = t->at_ms;
    } else {
        last->opened_seq = seq;
        last->opened_ms = t->at_ms;
    }
    return AVJ_OK;
}

/* A session that names a server, or a user of one. */
static void meet_server(struct fsck_sums *s, const struct fsck_told *t)
{
    struct avj_fields all = fsck_told_all(t);
    if (fsck_told_is(t, 'o', "login") || fsck_field_text(all, "endpoint").len)
        fsck_spans_server(&s->spans, t->at_ms, unparked(s));
}

static void add_history(struct fsck_sums *s, const struct fsck_told *t)
{
    struct avj_fields all = fsck_told_all(t);
    count(s, &s->totals.history, (uint64_t)fsck_field_int(all, "records"));
    count(s, &s->totals.history_bytes, (uint64_t)fsck_field_int(all, "bytes"));
}

static enum avj_status add_by_type(struct fsck_sums *s, uint64_t seq, const struct fsck_told *t)
{
    switch (t->type) {
    case AVJ_E_LOCAL:
        return add_local(s, seq, t);
    case AVJ_E_ACK:
    case AVJ_E_DROP:
        return add_settled(s, t);
    case AVJ_E_REJECT:
    case AVJ_E_RETRY:
        add_reject(s, t);
        return AVJ_OK;
    case AVJ_E_PUSH:
        add_push(s, t);
        return AVJ_OK;
    case AVJ_E_REMOTE:
        add_remote(s, t);
        return AVJ_OK;
    case AVJ_E_CONFLICT:
        add_conflict(s, t);
        return AVJ_OK;
    case AVJ_E_GAP:
        return add_gap(s, seq, t);
    case AVJ_E_SESSION:
        meet_server(s, t);
        return s->counts ? fsck_sessions_fact(s->sessions, seq, t) : AVJ_OK;
    case AVJ_E_HISTORY:
        add_history(s, t);
        return AVJ_OK;
    default:
        return AVJ_OK;
    }
}

static bool is_stub(const struct fsck_told *t)
{
    return !t->at['f' - 'a'] && (t->at['z' - 'a'] || t->at['g' - 'a']) && t->type != AVJ_E_PUSH;
}

static void count_entry(struct fsck_sums *s, uint64_t stored, const struct fsck_told *t)
{
    struct fsck_audit_summary *a = &s->totals;
    a->records++;
    a->kinds[t->type].entries++;
    a->kinds[t->type].bytes += t->len;
    a->kinds[t->type].stubs += is_stub(t);
    if (!a->first_ms)
        a->first_ms = t->at_ms;
    if (t->at_ms > a->last_ms)
        a->last_ms = t->at_ms;
    fsck_series_add(&s->growth, t->at_ms, stored, a->records);
}

/* A change that met a newer state may wait no longer without any acknowledgement: the fold knows.
 */
static enum avj_status follow_fold(struct fsck_sums *s, const struct fsck_told *t, uint64_t pending)
{
    uint64_t depth = fsck_waits_depth(s->waits);
    if (pending >= depth || t->entity == AVJ_ENTITIES)
        return AVJ_OK;
    enum avj_status status = fsck_waits_trim(s->waits, key_of(t), depth - pending);
    note_depth(s, t->at_ms, false);
    return status;
}

enum avj_status fsck_sums_add(struct fsck_sums *s, uint64_t seq, const struct fsck_audit_at *at,
                              const struct fsck_told *t)
{
    s->counts = t->at_ms >= s->since_ms;
    enum avj_status status = fsck_sessions_meet(s->sessions, seq, t);
    if (status == AVJ_OK && s->counts)
        count_entry(s, at->stored, t);
    if (status == AVJ_OK)
        status = add_by_type(s, seq, t);
    return status == AVJ_OK ? follow_fold(s, t, at->pending) : status;
}

const char *fsck_sums_session(const struct fsck_sums *s)
{
    return fsck_sessions_last(s->sessions);
}

const struct fsck_audit_gap *fsck_sums_gaps(const struct fsck_sums *s, size_t *gap_count)
{
    *gap_count = s->gap_count;
    return s->gaps;
}

/* ---- the end ---- */

/* What was over before `since` is not told. */
static void forget_old(struct fsck_sums *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->gap_count; i++) {
        struct fsck_audit_gap gap = s->gaps[i];
        if (gap.closed_seq && gap.closed_ms < s->since_ms)
            free(gap.why);
        else
            s->gaps[kept++] = gap;
    }
    s->gap_count = kept;
    for (size_t i = kept = 0; i < s->spans.count; i++)
        if (s->spans.list[i].to_ms >= s->since_ms)
            s->spans.list[kept++] = s->spans.list[i];
        else
            s->totals.offline_ms -= s->spans.list[i].to_ms - s->spans.list[i].from_ms;
    s->spans.count = kept;
}

struct fsck_audit_summary *fsck_sums_end(struct fsck_sums *s)
{
    struct fsck_audit_summary *a = &s->totals;
    if (a->last_ms > s->spans.last_ms)
        s->spans.last_ms = a->last_ms;
    fsck_waits_times(s->waits, &a->waits);
    fsck_spans_end(&s->spans, &a->offline_ms);
    forget_old(s);
    fsck_sessions_end(s->sessions, s->since_ms, a);
    a->pending = fsck_waits_depth(s->waits);
    a->parked = fsck_waits_parked(s->waits);
    a->gaps = s->gaps;
    a->gap_count = s->gap_count;
    a->spans = s->spans.list;
    a->span_count = s->spans.count;
    a->spans_left_out = s->spans.left_out;
    a->depth = &s->depth;
    a->growth = &s->growth;
    a->activity = &s->activity;
    return a;
}
