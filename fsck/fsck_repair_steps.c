/* A repair, step by step: see fsck_repair.h for their order. */
#include "fsck/fsck_repair_private.h"

#include "replay/clock.h"
#include "replay/glance.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *const names[FSCK_STEPS] = {
    [FSCK_STEP_MOVE] = "move", [FSCK_STEP_SEGMENT] = "segment", [FSCK_STEP_BEGIN] = "begin",
    [FSCK_STEP_LOST] = "lost", [FSCK_STEP_REPLACE] = "replace", [FSCK_STEP_WITNESS] = "witness",
    [FSCK_STEP_LOCK] = "lock", [FSCK_STEP_THREAD] = "thread",   [FSCK_STEP_MODE] = "mode",
};

const char *fsck_step_name(enum fsck_step_kind kind)
{
    return names[kind];
}

void fsck_repair_tell(struct fsck_repair_run *run, const struct fsck_step *step)
{
    run->did = true;
    if (run->sink->step)
        run->sink->step(run->sink->arg, step);
}

static void full_path(const struct fsck_repair_run *run, const char *name, char out[FSCK_PATH_MAX])
{
    snprintf(out, FSCK_PATH_MAX, "%s/%s", run->path, name);
}

static enum avj_status sync_folder(struct fsck_repair_run *run, const char *name)
{
    char path[FSCK_PATH_MAX];
    full_path(run, name, path);
    for (size_t len = strlen(path); len > 1 && path[len - 1] == '/'; len--)
        path[len - 1] = 0;
    int r = run->io->sync_dir(run->io->ctx, path);
    return r < 0 ? avj_fail_errno(run->err, -r, "sync directory %s", path) : AVJ_OK;
}

/* ---- the folder for what is set aside ---- */

struct highest {
    unsigned long number;
};

static int find_highest(void *arg, const char *name)
{
    struct highest *h = arg;
    if (strspn(name, "0123456789") == strlen(name) && strlen(name) < 10) {
        unsigned long number = strtoul(name, NULL, 10);
        if (number > h->number)
            h->number = number;
    }
    return 0;
}

static enum avj_status make_folder(struct fsck_repair_run *run, const char *name)
{
    char path[FSCK_PATH_MAX];
    full_path(run, name, path);
    int r = run->io->mkdir(run->io->ctx, path);
    return r < 0 && r != -EEXIST ? avj_fail_errno(run->err, -r, "create directory %s", path)
                                 : AVJ_OK;
}

/* The folder of this repair is there. */
static enum avj_status need_aside(struct fsck_repair_run *run)
{
    struct highest highest = {0};
    char path[FSCK_PATH_MAX];
    if (*run->aside)
        return AVJ_OK;
    full_path(run, FSCK_ASIDE, path);
    (void)run->io->list(run->io->ctx, path, find_highest, &highest);
    snprintf(run->aside, sizeof(run->aside), FSCK_ASIDE "/%lu", highest.number + 1);
    if (run->options->dry_run)
        return AVJ_OK;
    enum avj_status status = make_folder(run, FSCK_ASIDE);
    if (status == AVJ_OK)
        status = make_folder(run, run->aside);
    if (status == AVJ_OK)
        status = sync_folder(run, FSCK_ASIDE);
    return status == AVJ_OK ? sync_folder(run, "") : status;
}

static const char *base_of(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

static void kept_as(const struct fsck_repair_run *run, const char *name, char *out, size_t room)
{
    snprintf(out, room, "%s/%.*s", run->aside, FSCK_WRECK_NAME, base_of(name));
}

/* Files of the wreck that had this name are there now. */
static void renamed(struct fsck_repair_run *run, const char *name, const char *now)
{
    for (size_t i = 0; i < run->wreck.count; i++)
        if (strcmp(run->wreck.files[i].name, name) == 0)
            snprintf(run->wreck.files[i].name, FSCK_WRECK_NAME, "%.219s", now);
}

static enum avj_status move_aside(struct fsck_repair_run *run, const char *name)
{
    struct fsck_step step = {.kind = FSCK_STEP_MOVE};
    char from[FSCK_PATH_MAX], to[FSCK_PATH_MAX], folder[FSCK_PATH_MAX];
    char now[FSCK_WRECK_NAME + 64];
    enum avj_status status = need_aside(run);
    if (status != AVJ_OK)
        return status;
    kept_as(run, name, now, sizeof(now));
    snprintf(step.kept, sizeof(step.kept), "%s", now);
    snprintf(step.detail, sizeof(step.detail), "%.200s is no part of the log", name);
    if (!run->options->dry_run) {
        full_path(run, name, from);
        full_path(run, now, to);
        int r = run->io->rename(run->io->ctx, from, to);
        if (r == -ENOENT)
            return AVJ_OK;
        if (r < 0)
            return avj_fail_errno(run->err, -r, "move %s", from);
        renamed(run, name, now);
        snprintf(folder, sizeof(folder), "%.*s", (int)(base_of(name) - name), name);
        status = sync_folder(run, run->aside);
        if (status == AVJ_OK)
            status = sync_folder(run, folder);
    }
    fsck_repair_tell(run, &step);
    return status;
}

enum avj_status fsck_repair_will_move(struct fsck_repair_run *run, const char *name)
{
    for (size_t i = 0; i < run->move_count; i++)
        if (strcmp(run->moves[i], name) == 0)
            return AVJ_OK;
    if (run->move_count == FSCK_MOVES_MAX)
        return AVJ_OK; /* the next repair takes the rest */
    char *copy = strdup(name);
    if (!copy)
        return avj_fail(run->err, AVJ_ENOMEM, "out of memory");
    run->moves[run->move_count++] = copy;
    return AVJ_OK;
}

static enum avj_status move_all(struct fsck_repair_run *run)
{
    enum avj_status status = AVJ_OK;
    for (size_t i = 0; i < run->move_count && status == AVJ_OK; i++)
        status = move_aside(run, run->moves[i]);
    return status;
}

/* ---- originals ---- */

static void name_of(const struct fsck_plan_segment *s, char out[FSCK_WRECK_NAME])
{
    snprintf(out, FSCK_WRECK_NAME, FSCK_SEGMENTS "/%016llx.seg", (unsigned long long)s->number);
}

static enum avj_status keep_original(struct fsck_repair_run *run, const struct fsck_plan_segment *s)
{
    char name[FSCK_WRECK_NAME], now[FSCK_WRECK_NAME + 64], from[FSCK_PATH_MAX], to[FSCK_PATH_MAX];
    enum avj_status status = need_aside(run);
    name_of(s, name);
    kept_as(run, name, now, sizeof(now));
    if (status != AVJ_OK || run->options->dry_run)
        return status;
    full_path(run, name, from);
    full_path(run, now, to);
    status = avj_mend_copy(run->io, from, to, run->err);
    if (status == AVJ_OK)
        renamed(run, name, now);
    return status;
}

/* All of them before the first is replaced: a file may hold another segment than its own. */
static enum avj_status keep_originals(struct fsck_repair_run *run)
{
    bool any = false;
    enum avj_status status = AVJ_OK;
    for (size_t i = 0; i < run->plan.count && status == AVJ_OK; i++) {
        const struct fsck_plan_segment *s = &run->plan.segments[i];
        if (s->fate == FSCK_STAYS || !s->there)
            continue;
        any = true;
        status = keep_original(run, s);
    }
    return status == AVJ_OK && any && !run->options->dry_run ? sync_folder(run, run->aside)
                                                             : status;
}

/* ---- segments ---- */

struct writing {
    struct fsck_repair_run *run;
    struct fsck_pool pool;
    struct avj_pack pack;
    struct fsck_range lost; /* what `pack` stands in for */
};

static const struct fsck_range *range_of(const struct fsck_ranges *ranges, uint64_t seq)
{
    for (size_t i = 0; i < ranges->count; i++)
        if (seq >= ranges->items[i].first && seq <= ranges->items[i].last)
            return &ranges->items[i];
    return NULL;
}

static enum avj_status give_record(void *arg, uint64_t seq, struct avj_slice *record,
                                   struct avj_error *err)
{
    struct writing *w = arg;
    const struct fsck_pool_item *item = fsck_pool_find(&w->pool, seq);
    if (item && !fsck_ranges_hold(&w->run->no_entries, seq)) {
        *record = (struct avj_slice){w->pool.bytes + item->at, item->len};
        return AVJ_OK;
    }
    if (item) {
        fsck_entry_replaced(&w->pack, w->run->now_ms, w->pool.bytes + item->at, item->len);
        w->lost.first = 0;
    } else if (!w->lost.first || seq > w->lost.last) {
        const struct fsck_range *range = range_of(&w->run->plan.lost, seq);
        if (!range)
            return avj_fail(err, AVJ_EIO, "record %llu was there and can not be read any more",
                            (unsigned long long)seq);
        w->lost = *range;
        fsck_entry_lost(&w->pack, w->run->now_ms, range->first, range->last);
    }
    *record = (struct avj_slice){w->pack.data, w->pack.len};
    return w->pack.failed ? avj_fail(err, AVJ_ENOMEM, "out of memory") : AVJ_OK;
}

static void tell_segment(struct fsck_repair_run *run, const struct fsck_plan_segment *s)
{
    struct fsck_step step = {
        .kind = FSCK_STEP_SEGMENT, .segment = s->number, .records = s->intact, .lost = s->lost};
    char name[FSCK_WRECK_NAME];
    name_of(s, name);
    if (s->fate == FSCK_ANEW) {
        step.first_seq = s->first_seq;
        step.last_seq = s->last_seq;
    }
    if (s->there)
        kept_as(run, name, step.kept, sizeof(step.kept));
    snprintf(step.detail, sizeof(step.detail), "segment %llu %s: intact records %llu, lost %llu",
             (unsigned long long)s->number,
             s->there ? "is written anew" : "is made anew, which was missing",
             (unsigned long long)s->intact, (unsigned long long)s->lost);
    fsck_repair_tell(run, &step);
}

static enum avj_status write_segment(struct fsck_repair_run *run, size_t index)
{
    struct fsck_plan_segment *s = &run->plan.segments[index];
    struct writing w = {.run = run};
    struct avj_mend_segment segment = {.number = s->number,
                                       .first_seq = s->first_seq,
                                       .as = s->end,
                                       .like = s->like,
                                       .record = give_record,
                                       .arg = &w};
    memcpy(segment.journal_id, run->wreck.journal_id, 16);
    if (index > 0)
        segment.before = s[-1].end;
    enum avj_status status = AVJ_OK;
    if (s->fate == FSCK_EMPTY) {
        status = avj_mend_ordinary(run->io, run->path, &segment, NULL, 0, &s->end, run->err);
    } else {
        status = fsck_pool_fill(&w.pool, &run->wreck, s, true, run->err);
        if (status == AVJ_OK)
            status = avj_mend_segment(run->io, run->path, &segment, run->err);
    }
    fsck_pool_release(&w.pool);
    avj_pack_release(&w.pack);
    return status;
}

static enum avj_status write_segments(struct fsck_repair_run *run)
{
    enum avj_status status = AVJ_OK;
    for (size_t i = 0; i < run->plan.count && status == AVJ_OK; i++) {
        if (run->plan.segments[i].fate == FSCK_STAYS)
            continue;
        if (!run->options->dry_run)
            status = write_segment(run, i);
        if (status == AVJ_OK)
            tell_segment(run, &run->plan.segments[i]);
    }
    return status;
}

/* ---- the new last segment ---- */

/* A segment's existence proves that its predecessor is durable. */
static enum avj_status settle_last(struct fsck_repair_run *run)
{
    const struct fsck_plan_segment *s = &run->plan.segments[run->plan.count - 1];
    char name[FSCK_WRECK_NAME], path[FSCK_PATH_MAX];
    if (s->fate != FSCK_STAYS)
        return AVJ_OK; /* it was, or will be, made durable when it is written */
    name_of(s, name);
    full_path(run, name, path);
    int file = run->io->open(run->io->ctx, path, AVJ_OPEN_WRITE);
    int r = file < 0 ? file : avj_io_sync(run->io, file);
    if (file >= 0)
        (void)run->io->close(run->io->ctx, file);
    return r < 0 ? avj_fail_errno(run->err, -r, "sync %s", path) : AVJ_OK;
}

static enum avj_status begin_next(struct fsck_repair_run *run, struct avj_mend_end *end)
{
    const struct fsck_plan_segment *last = &run->plan.segments[run->plan.count - 1];
    struct fsck_repair_report report = {
        .now_ms = run->now_ms,
        .lost = &run->plan.lost,
        .replaced = &run->no_entries,
        .threads = &run->threads,
        .messages = &run->messages,
        .after_ms = run->after_ms,
        .before_ms = run->before_ms,
        .kept = run->aside,
    };
    struct avj_pack pack = {0};
    for (size_t i = 0; i < run->plan.count; i++)
        report.segments += run->plan.segments[i].fate != FSCK_STAYS;
    fsck_entry_report(&pack, &report);
    struct avj_slice record = {pack.data, pack.len};
    struct avj_mend_segment segment = {
        .number = last->number + 1, .first_seq = last->last_seq + 1, .before = last->end};
    memcpy(segment.journal_id, run->wreck.journal_id, 16);
    enum avj_status status =
        pack.failed ? avj_fail(run->err, AVJ_ENOMEM, "out of memory") : settle_last(run);
    if (status == AVJ_OK)
        status = avj_mend_ordinary(run->io, run->path, &segment, &record, 1, end, run->err);
    avj_pack_release(&pack);
    return status;
}

static enum avj_status go_on(struct fsck_repair_run *run, struct avj_mend_end *end)
{
    const struct fsck_plan_segment *last = &run->plan.segments[run->plan.count - 1];
    struct fsck_step step = {.kind = FSCK_STEP_BEGIN, .segment = last->number + 1};
    enum avj_status status = run->options->dry_run ? AVJ_OK : begin_next(run, end);
    snprintf(step.detail, sizeof(step.detail),
             "segment %llu is begun with an entry that tells of this repair",
             (unsigned long long)last->number + 1);
    if (status == AVJ_OK)
        fsck_repair_tell(run, &step);
    return status;
}

/* What file `sync` said, where it said something. */
static enum avj_status keep_witness(struct fsck_repair_run *run, char *kept, size_t room)
{
    char from[FSCK_PATH_MAX], to[FSCK_PATH_MAX];
    full_path(run, "sync", from);
    int64_t size = run->io->size(run->io->ctx, run->locks.files[AVJ_MEND_SYNC]);
    if (size <= 0)
        return AVJ_OK;
    enum avj_status status = need_aside(run);
    if (status != AVJ_OK)
        return status;
    kept_as(run, "sync", kept, room);
    full_path(run, kept, to);
    status = avj_mend_copy(run->io, from, to, run->err);
    return status == AVJ_OK ? sync_folder(run, run->aside) : status;
}

static enum avj_status write_witness(struct fsck_repair_run *run, const struct avj_mend_end *end)
{
    struct fsck_step step = {.kind = FSCK_STEP_WITNESS};
    enum avj_status status = AVJ_OK;
    snprintf(step.detail, sizeof(step.detail), "file sync says again what is durable");
    if (run->options->dry_run) {
        if (run->witness_wrong)
            fsck_repair_tell(run, &step);
        return AVJ_OK;
    }
    if (!run->plan.go_on)
        status = settle_last(run);
    if (status == AVJ_OK && run->witness_wrong)
        status = keep_witness(run, step.kept, sizeof(step.kept));
    if (status == AVJ_OK)
        status = avj_mend_witness(&run->locks, run->wreck.journal_id, end, run->err);
    if (status == AVJ_OK && run->witness_wrong)
        fsck_repair_tell(run, &step);
    return status;
}

static enum avj_status mend_segments(struct fsck_repair_run *run)
{
    const struct fsck_plan_segment *last = &run->plan.segments[run->plan.count - 1];
    struct avj_mend_end end = last->end;
    /* The entry first: whoever folds the log with what is lost must also meet it. */
    bool first = last->end.segment_no != 0;
    enum avj_status status = AVJ_OK;
    if (run->plan.go_on && first)
        status = go_on(run, &end);
    if (status == AVJ_OK)
        status = write_segments(run);
    if (status == AVJ_OK && run->plan.go_on && !first)
        status = go_on(run, &end);
    if (status == AVJ_OK && (run->plan.go_on || run->witness_wrong))
        status = write_witness(run, &end);
    return status;
}

/* ---- telling of what is lost ---- */

static int64_t time_of(const struct fsck_pool *pool, const struct fsck_pool_item *item)
{
    struct avj_glance glance;
    struct avj_entry entry;
    const uint8_t *data = pool->bytes + item->at;
    if (avj_glance(data, item->len, &glance))
        return avj_hlc_ms(glance.hlc);
    if (avj_entry_decode(data, item->len, &entry, NULL) != AVJ_OK)
        return 0;
    int64_t ms = avj_hlc_ms(entry.hlc);
    avj_entry_release(&entry);
    return ms;
}

/* Between which moments the lost records of that range were written, as far as the segment's own
 * records tell, and else the headers. */
static void find_times(struct fsck_repair_run *run, const struct fsck_range *range,
                       struct fsck_step *step)
{
    for (size_t i = 0; i < run->plan.count; i++) {
        const struct fsck_plan_segment *s = &run->plan.segments[i];
        struct fsck_pool pool;
        if (s->fate != FSCK_ANEW || s->last_seq < range->first || s->first_seq > range->last)
            continue;
        if (s->like && !step->after_ms)
            step->after_ms = s->like->created_ms;
        if (fsck_pool_fill(&pool, &run->wreck, s, true, NULL) == AVJ_OK) {
            const struct fsck_pool_item *a = fsck_pool_find(&pool, range->first - 1);
            const struct fsck_pool_item *b = fsck_pool_find(&pool, range->last + 1);
            if (a)
                step->after_ms = time_of(&pool, a);
            if (b)
                step->before_ms = time_of(&pool, b);
        }
        fsck_pool_release(&pool);
        const struct fsck_wreck_file *next = fsck_wreck_in_place(&run->wreck, s->number + 1);
        if (next && !step->before_ms && s->last_seq <= range->last)
            step->before_ms = next->header.created_ms;
    }
}

#define TIMES_FOR 64u /* ranges whose time is looked for: each reads its segment */

static void tell_lost(struct fsck_repair_run *run)
{
    const struct fsck_ranges *lost = &run->plan.lost;
    for (size_t i = 0; i < lost->count; i++) {
        const struct fsck_range *range = &lost->items[i];
        struct fsck_step step = {.kind = FSCK_STEP_LOST,
                                 .first_seq = range->first,
                                 .last_seq = range->last,
                                 .lost = range->last - range->first + 1};
        if (i < TIMES_FOR)
            find_times(run, range, &step);
        if (step.lost == 1)
            snprintf(step.detail, sizeof(step.detail), "record %llu",
                     (unsigned long long)range->first);
        else
            snprintf(step.detail, sizeof(step.detail), "%llu records, number %llu to %llu",
                     (unsigned long long)step.lost, (unsigned long long)range->first,
                     (unsigned long long)range->last);
        if (!run->after_ms)
            run->after_ms = step.after_ms;
        if (step.before_ms)
            run->before_ms = step.before_ms;
        fsck_repair_tell(run, &step);
    }
    if (lost->count && run->sink->affected)
        run->sink->affected(run->sink->arg, &run->threads, &run->messages);
}

static void tell_replaced(struct fsck_repair_run *run)
{
    for (size_t i = 0; i < run->no_entries.count; i++) {
        const struct fsck_range *range = &run->no_entries.items[i];
        struct fsck_step step = {
            .kind = FSCK_STEP_REPLACE, .first_seq = range->first, .last_seq = range->last};
        snprintf(step.detail, sizeof(step.detail),
                 "record %llu, which is no entry, is replaced by one that says so",
                 (unsigned long long)range->first);
        fsck_repair_tell(run, &step);
    }
}

/* ---- the small things ---- */

static enum avj_status close_session(struct fsck_repair_run *run)
{
    struct fsck_step step = {.kind = FSCK_STEP_MODE};
    char path[FSCK_PATH_MAX];
    if (!run->session_open)
        return AVJ_OK;
    full_path(run, "session.json", path);
    if (!run->options->dry_run && chmod(path, 0600) != 0)
        return avj_fail_errno(run->err, errno, "chmod %s", path);
    snprintf(step.detail, sizeof(step.detail),
             "session.json is closed to other users; if others had access, log out and in again");
    fsck_repair_tell(run, &step);
    return AVJ_OK;
}

static void tell_lock(struct fsck_repair_run *run)
{
    struct fsck_step step = {.kind = FSCK_STEP_LOCK};
    if (!run->lock_missing)
        return;
    snprintf(step.detail, sizeof(step.detail), "file lock is made, which was missing");
    fsck_repair_tell(run, &step);
}

enum avj_status fsck_repair_steps(struct fsck_repair_run *run)
{
    tell_lock(run);
    enum avj_status status = close_session(run);
    tell_lost(run);
    tell_replaced(run);
    if (status == AVJ_OK)
        status = move_all(run);
    if (status == AVJ_OK)
        status = keep_originals(run);
    return status == AVJ_OK ? mend_segments(run) : status;
}
