/* A repair, from its locks to the check at its end: see fsck_repair.h. */
#include "fsck/fsck_repair_private.h"

#include "journal/witness.h"
#include "replay/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOCK_TIMEOUT_MS 2000u

/* ---- what the check says ---- */

static void add_ids(struct fsck_ids *to, const struct fsck_ids *from)
{
    for (size_t i = 0; i < from->count; i++)
        fsck_ids_add(to, from->ids[i], strlen(from->ids[i]));
    to->more = to->more || from->more;
}

static void release_ids(struct fsck_ids *ids)
{
    for (size_t i = 0; i < ids->count; i++)
        free(ids->ids[i]);
    memset(ids, 0, sizeof(*ids));
}

/* The name that a finding's detail begins with, up to a colon. */
static void move_named(struct fsck_repair_run *run, const char *detail)
{
    char name[sizeof(((struct fsck_finding *)0)->detail)];
    size_t len = strcspn(detail, ":");
    memcpy(name, detail, len);
    name[len] = 0;
    if (len && fsck_repair_will_move(run, name) != AVJ_OK)
        run->blind = true;
}

static void meet_finding(void *arg, const struct fsck_finding *f)
{
    struct fsck_repair_run *run = arg;
    if (f->first_seq && f->code != FSCK_NOT_AN_ENTRY && f->code != FSCK_NOT_FOLDED) {
        add_ids(&run->threads, &f->threads);
        add_ids(&run->messages, &f->messages);
    }
    switch (f->code) {
    case FSCK_LEFTOVER:
    case FSCK_STRANGE_NAME:
    case FSCK_SNAPSHOT_DAMAGED:
    case FSCK_SNAPSHOT_STALE:
    case FSCK_SNAPSHOT_DIFFERS:
    case FSCK_SNAPSHOT_LEFTOVER:
        move_named(run, f->detail);
        break;
    case FSCK_NO_LOCK:
        run->lock_missing = true;
        break;
    case FSCK_NO_WITNESS:
    case FSCK_WITNESS_DIFFERS:
        run->witness_wrong = true;
        break;
    case FSCK_NO_THREAD:
        run->threads_missing = true;
        break;
    case FSCK_SESSION_MODE:
        run->session_open = true;
        break;
    case FSCK_NOT_AN_ENTRY:
    case FSCK_NOT_FOLDED:
        if (f->first_seq && !fsck_ranges_add(&run->no_entries, f->first_seq, f->first_seq))
            run->blind = true;
        break;
    default:
        break;
    }
}

static void keep_summary(void *arg, const struct fsck_summary *summary)
{
    ((struct fsck_repair_run *)arg)->before = *summary;
}

static int by_first(const void *a, const void *b)
{
    const struct fsck_range *x = a, *y = b;
    return x->first < y->first ? -1 : x->first > y->first;
}

/* AVJ_END: the check could not be made to its end, *err says why. */
static enum avj_status check_first(struct fsck_repair_run *run, const struct fsck_options *options)
{
    struct fsck_options o = *options;
    struct fsck_sink sink = {.arg = run, .finding = meet_finding, .summary = keep_summary};
    sink.progress = run->sink->check.progress;
    o.io = &run->held;
    o.audit = false;
    o.max_duration_ms = 0;
    int code = fsck_run(run->path, &o, &sink, run->err);
    if (run->no_entries.count)
        qsort(run->no_entries.items, run->no_entries.count, sizeof(*run->no_entries.items),
              by_first);
    if (run->blind)
        return avj_fail(run->err, AVJ_ENOMEM, "out of memory");
    if (!(code & FSCK_FAILED))
        return AVJ_OK;
    struct avj_error why = *run->err;
    (void)avj_fail(run->err, AVJ_EIO,
                   "%s; nothing was changed: where the disk gives errors, copy the folder to "
                   "another one first",
                   why.message);
    return AVJ_END;
}

/* ---- planning ---- */

static int each_snapshot(void *arg, const char *name)
{
    struct fsck_repair_run *run = arg;
    char full[FSCK_WRECK_NAME];
    size_t len = strlen(name);
    if (len < 5 || len > 64 || strcmp(name + len - 5, ".snap") != 0)
        return 0;
    snprintf(full, sizeof(full), AVJ_SNAPSHOT_FOLDER "/%.64s", name);
    return fsck_repair_will_move(run, full) == AVJ_OK ? 0 : 1;
}

/* A snapshot remembers what the log has lost: replaying the log must give what it gives. */
static enum avj_status move_snapshots(struct fsck_repair_run *run)
{
    char folder[FSCK_PATH_MAX];
    snprintf(folder, sizeof(folder), "%s/" AVJ_SNAPSHOT_FOLDER, run->path);
    return run->io->list(run->io->ctx, folder, each_snapshot, run) == 1 ? AVJ_ENOMEM : AVJ_OK;
}

/* Files among the segments that no number has any more. */
static enum avj_status move_strays(struct fsck_repair_run *run)
{
    enum avj_status status = AVJ_OK;
    for (size_t i = 0; i < run->wreck.count && status == AVJ_OK; i++) {
        const struct fsck_wreck_file *f = &run->wreck.files[i];
        bool draft = run->plan.go_on && strcmp(f->name, "seal.tmp") == 0;
        if (f->place > run->plan.count || draft)
            status = fsck_repair_will_move(run, f->name);
    }
    return status;
}

/* The witness is of this journal if its hash says so: where no segment that is in its place told
 * the journal's id, that could not be seen. */
static void find_witness(struct fsck_repair_run *run)
{
    struct avj_sync_state state;
    char path[FSCK_PATH_MAX];
    if (run->capture.witness.valid || !run->wreck.known)
        return;
    snprintf(path, sizeof(path), "%s/" AVJ_WITNESS_FILE, run->path);
    int file = run->io->open(run->io->ctx, path, AVJ_OPEN_READ);
    if (file < 0)
        return;
    avj_sync_state_load(run->io, file, run->wreck.journal_id, &state);
    (void)run->io->close(run->io->ctx, file);
    if (state.witness.valid)
        run->capture.witness = state.witness;
}

static enum avj_status plan(struct fsck_repair_run *run)
{
    enum avj_status status = fsck_capture(&run->held, run->path, &run->capture, run->err);
    if (status == AVJ_OK)
        status = fsck_wreck_gather(run->io, run->path, &run->wreck, run->err);
    if (status == AVJ_OK)
        find_witness(run);
    struct fsck_planning with = {
        .wreck = &run->wreck, .capture = &run->capture, .no_entries = &run->no_entries};
    if (status == AVJ_OK)
        status = fsck_plan_make(&with, &run->plan, run->err);
    if (status == AVJ_OK)
        status = move_strays(run);
    if (status == AVJ_OK && (run->plan.lost.count || run->no_entries.count))
        status = move_snapshots(run);
    return status;
}

/* ---- the run ---- */

static int always_taken(void *ctx, int file)
{
    (void)ctx, (void)file;
    return AVJ_LOCK_TAKEN;
}

static int never_let_go(void *ctx, int file)
{
    (void)ctx, (void)file;
    return 0;
}

static enum avj_status work(struct fsck_repair_run *run, const struct fsck_options *options)
{
    unsigned timeout =
        run->options->lock_timeout_ms ? run->options->lock_timeout_ms : LOCK_TIMEOUT_MS;
    /* What is no journal gets no files. */
    enum avj_status status = fsck_capture(run->io, run->path, &run->capture, run->err);
    fsck_capture_release(&run->capture);
    if (status == AVJ_OK && run->capture.lock_missing)
        run->lock_missing = true;
    if (status == AVJ_OK && run->capture.witness_missing)
        run->witness_wrong = true;
    if (status == AVJ_OK && !run->options->dry_run)
        status = avj_mend_lock_take(run->io, run->path, timeout, &run->locks, run->err);
    if (status == AVJ_OK)
        status = check_first(run, options);
    if (status == AVJ_OK)
        status = plan(run);
    return status == AVJ_OK ? fsck_repair_steps(run) : status;
}

static void release(struct fsck_repair_run *run)
{
    fsck_plan_release(&run->plan);
    fsck_wreck_release(&run->wreck);
    fsck_capture_release(&run->capture);
    release_ids(&run->threads);
    release_ids(&run->messages);
    fsck_ranges_release(&run->no_entries);
    for (size_t i = 0; i < run->move_count; i++)
        free(run->moves[i]);
}

struct passing { /* the sink of the last check, which tells what the repair did, too */
    const struct fsck_sink *to;
    int more;
};

static void pass_finding(void *arg, const struct fsck_finding *finding)
{
    const struct passing *p = arg;
    if (p->to->finding)
        p->to->finding(p->to->arg, finding);
}

static void pass_progress(void *arg, uint64_t done, uint64_t total)
{
    const struct passing *p = arg;
    if (p->to->progress)
        p->to->progress(p->to->arg, done, total);
}

static void pass_summary(void *arg, const struct fsck_summary *summary)
{
    const struct passing *p = arg;
    struct fsck_summary s = *summary;
    s.exit_code |= p->more;
    s.ok = s.ok && !(p->more & FSCK_FAILED);
    if (p->to->summary)
        p->to->summary(p->to->arg, &s);
}

static int check_last(const struct fsck_repair_run *run, const struct fsck_options *options,
                      enum avj_status status)
{
    struct passing passing = {.to = &run->sink->check};
    struct fsck_options o = *options;
    struct fsck_sink sink = {.arg = &passing,
                             .finding = pass_finding,
                             .summary = pass_summary,
                             .progress = pass_progress};
    struct avj_error err = {0};
    if (run->did && !run->options->dry_run)
        passing.more |= FSCK_REPAIRED;
    if (status == AVJ_ECORRUPT)
        passing.more |= FSCK_DAMAGE; /* there is nothing to make a journal of */
    else if (status != AVJ_OK)
        passing.more |= FSCK_FAILED;
    o.io = run->io;
    o.audit = false;
    int code = fsck_run(run->path, &o, &sink, &err) | passing.more;
    if (status == AVJ_OK && (code & FSCK_FAILED))
        *run->err = err;
    else if (status == AVJ_OK)
        run->err->message[0] = 0; /* what was met on the way and got over is none */
    return code;
}

int fsck_repair(const char *path, const struct fsck_options *options,
                const struct fsck_repair_options *repair, const struct fsck_repair_sink *sink,
                struct avj_error *err)
{
    static const struct fsck_options default_options;
    static const struct fsck_repair_options default_repair;
    struct avj_error own = {0};
    struct fsck_repair_run run = {.path = path,
                                  .options = repair ? repair : &default_repair,
                                  .sink = sink,
                                  .err = err ? err : &own};
    if (!options)
        options = &default_options;
    run.io = options->io ? options->io : avj_io_posix();
    run.held = *run.io;
    if (!run.options->dry_run) {
        run.held.try_lock = always_taken;
        run.held.unlock = never_let_go;
    }
    run.now_ms = run.io->now_ms(run.io->ctx);
    run.locks.io = run.io;
    for (int kind = 0; kind < AVJ_MEND_LOCKS; kind++)
        run.locks.files[kind] = -1;
    enum avj_status status = work(&run, options);
    avj_mend_lock_release(&run.locks);
    if (status == AVJ_OK && !run.options->dry_run && (run.plan.lost.count || run.threads_missing))
        status = fsck_repair_threads(&run);
    int code = check_last(&run, options, status);
    release(&run);
    return code;
}
