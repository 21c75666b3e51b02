/* One run of the checker, phase by phase: see fsck.h. */
#include "fsck/fsck.h"

#include "fsck/fsck_check.h"
#include "fsck/fsck_state.h"
#include "journal/seal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Snapshots of fewer records than these are verified faster than a thread is started. */
#define THREADS_MIN 65536

/* As long as a segment may take to be sealed. */
#define SEALING_PATIENCE_MS 60000

struct run {
    const char *path;
    const struct fsck_options *options;
    const struct fsck_sink *sink;
    const struct avj_io *io;
    int64_t deadline_ms;
    struct fsck_mark mark;
    struct fsck_findings findings;
    struct fsck_snapshots snapshots;
    struct fsck_capture capture;
    struct fsck_audit *audit;
    struct fsck_fold *fold;
    struct fsck_summary summary;
    struct avj_error *err;
};

static void list_names(struct run *run, const struct fsck_names *names, enum fsck_code code)
{
    for (size_t i = 0; i < names->count; i++)
        fsck_detail(fsck_findings_add(&run->findings, code), "%s", names->names[i]);
}

/* The file interface knows no permissions: the session file is asked for directly. */
static void check_session_file(struct run *run)
{
    char path[FSCK_PATH_MAX];
    struct stat info;
    snprintf(path, sizeof(path), "%s/session.json", run->path);
    if (stat(path, &info) == 0 && (info.st_mode & 077) != 0)
        fsck_detail(fsck_findings_add(&run->findings, FSCK_SESSION_MODE),
                    "session.json has mode %04o", (unsigned)info.st_mode & 07777u);
}

static void check_files(struct run *run)
{
    const struct fsck_capture *c = &run->capture;
    list_names(run, &c->leftovers, FSCK_LEFTOVER);
    list_names(run, &c->strange, FSCK_STRANGE_NAME);
    if (c->lock_missing)
        fsck_detail(fsck_findings_add(&run->findings, FSCK_NO_LOCK), "lock");
    if (c->witness_missing)
        fsck_detail(fsck_findings_add(&run->findings, FSCK_NO_WITNESS), "sync");
    check_session_file(run);
}

static struct fsck_state state_of(struct run *run)
{
    return (struct fsck_state){.io = run->io,
                               .file = run->options->state,
                               .capture = &run->capture,
                               .deep = run->options->deep,
                               .mark = &run->mark,
                               .summary = &run->summary,
                               .findings = &run->findings,
                               .fold = run->fold};
}

static void note(struct run *run, const char *text)
{
    if (text[0] && run->sink->note)
        run->sink->note(run->sink->arg, text);
}

static enum avj_status go_on(struct run *run)
{
    struct fsck_state state = state_of(run);
    char why[256];
    if (!state.file)
        return AVJ_OK;
    enum avj_status status = fsck_state_load(&state, why);
    note(run, why);
    return status == AVJ_ENOMEM ? avj_fail(run->err, status, "out of memory") : AVJ_OK;
}

/* The time is over: how far it came is kept where it can be. */
static void stop_here(struct run *run)
{
    struct fsck_state state = state_of(run);
    struct avj_error err = {0};
    const char *next = "";
    if (state.file && (!run->mark.segments || !fsck_fold_is_whole(run->fold)))
        next = "; with what was found so far it can not go on from there";
    else if (state.file && fsck_state_save(&state, &err) != AVJ_OK)
        note(run, err.message);
    else if (state.file)
        next = "; the same command goes on from there";
    fsck_detail(fsck_findings_add(&run->findings, FSCK_UNFINISHED), "%llu records were checked%s",
                (unsigned long long)run->summary.records, next);
}

static enum avj_status check_with(struct run *run, struct fsck_pipe *pipe)
{
    bool may_stop = !run->options->state; /* behind the last mark it goes on to the end */
    struct fsck_checking checking = {
        .capture = &run->capture,
        .findings = &run->findings,
        .pipe = pipe,
        .summary = &run->summary,
        .deadline_ms = run->deadline_ms,
        .mark = run->options->state ? &run->mark : NULL,
        .progress = run->sink->progress,
        .progress_arg = run->sink->arg,
    };
    enum avj_status status = fsck_check(&checking, run->err);
    if (status == AVJ_OK &&
        fsck_snapshots_verify(&run->snapshots, run->summary.records >= THREADS_MIN) != AVJ_OK)
        status = avj_fail(run->err, AVJ_ENOMEM, "out of memory");
    enum avj_status folded = fsck_pipe_end(pipe);
    bool deep = run->options->deep;
    if (folded == AVJ_OK && status == AVJ_OK &&
        (deep || fsck_snapshots_any_unsure(&run->snapshots)))
        folded = fsck_fold_load_snapshots(run->fold, deep, may_stop ? run->deadline_ms : 0);
    if (folded == AVJ_ETIMEOUT)
        status = avj_fail(run->err, folded, "%s: the time allowed ran out", run->path);
    else if (folded != AVJ_OK)
        status = avj_fail(run->err, folded, "out of memory");
    return status;
}

static enum avj_status check_records(struct run *run)
{
    const struct fsck_options *o = run->options;
    run->audit = o->audit ? fsck_audit_new(&(struct fsck_audit_with){
                                .of = o->audit_of,
                                .id = o->audit_id,
                                .since_ms = o->audit_since_ms,
                                .document = run->sink->audit,
                                .arg = run->sink->arg,
                            })
                          : NULL;
    run->fold = fsck_fold_new(&(struct fsck_fold_with){
        .capture = &run->capture,
        .snapshots = &run->snapshots,
        .audit = run->audit,
        .deep = o->deep,
    });
    struct fsck_pipe *pipe = run->fold ? fsck_pipe_new(run->fold) : NULL;
    if (!pipe || (o->audit && !run->audit)) {
        fsck_pipe_free(pipe);
        return avj_fail(run->err, AVJ_ENOMEM, "out of memory");
    }
    enum avj_status status = go_on(run);
    if (status == AVJ_OK)
        status = check_with(run, pipe);
    fsck_pipe_free(pipe);
    run->summary.complete = status == AVJ_OK;
    if (status == AVJ_ETIMEOUT)
        stop_here(run);
    else if (status == AVJ_OK && o->state)
        fsck_state_remove(run->io, o->state);
    if (status == AVJ_ENOMEM)
        return status;
    fsck_fold_finish(run->fold, &run->findings, &run->summary);
    fsck_snapshots_report(&run->snapshots, &run->capture, run->summary.last_seq,
                          run->summary.complete, &run->findings);
    return status;
}

static enum avj_status check_all(struct run *run)
{
    fsck_snapshots_open(&run->snapshots, run->io, run->path);
    enum avj_status status = fsck_capture(run->io, run->path, &run->capture, run->err);
    if (status != AVJ_OK)
        return status;
    check_files(run);
    return check_records(run);
}

static void release(struct run *run)
{
    fsck_fold_free(run->fold);
    fsck_audit_free(run->audit);
    fsck_snapshots_close(&run->snapshots);
    fsck_capture_release(&run->capture);
    fsck_findings_release(&run->findings);
}

/* Another check, for what it says of the snapshots. */
static enum avj_status compare_once_more(const struct run *run, struct fsck_findings *findings)
{
    static const struct fsck_sink nobody;
    struct fsck_options options = {.deep = run->options->deep};
    struct avj_error err = {0};
    struct run again = {.path = run->path,
                        .options = &options,
                        .sink = &nobody,
                        .io = run->io,
                        .deadline_ms = run->deadline_ms,
                        .err = &err};
    enum avj_status status = check_all(&again);
    *findings = again.findings;
    memset(&again.findings, 0, sizeof(again.findings));
    release(&again);
    return status;
}

/*
 * Compaction drops what the end of the log needs no more.  A log that grows and is compacted while
 * it is read shows, at the moment that is looked at, what neither it nor the snapshot shows at any
 * other.  So a difference counts if it is still there while nobody can compact.
 */
static enum avj_status doubt_differences(struct run *run)
{
    struct fsck_findings again = {0};
    if (!run->findings.by_code[FSCK_SNAPSHOT_DIFFERS])
        return AVJ_OK;
    int lock = fsck_lock(run->io, run->path, AVJ_SEAL_LOCK, SEALING_PATIENCE_MS);
    if (lock < 0 && lock != -EBUSY)
        return AVJ_OK; /* nobody compacts here */
    enum avj_status status = lock < 0 ? AVJ_ELOCKED : compare_once_more(run, &again);
    if (lock >= 0)
        (void)run->io->close(run->io->ctx, lock);
    if (status != AVJ_OK || !again.by_code[FSCK_SNAPSHOT_DIFFERS])
        fsck_findings_drop(&run->findings, FSCK_SNAPSHOT_DIFFERS);
    if (status != AVJ_OK)
        fsck_detail(fsck_findings_add(&run->findings, FSCK_UNFINISHED),
                    "snapshots could not be compared with a log that is being compacted");
    fsck_findings_release(&again);
    return status == AVJ_ENOMEM ? status : AVJ_OK;
}

static void tell_journal(struct run *run)
{
    const struct fsck_capture *c = &run->capture;
    struct fsck_file *files = run->sink->journal ? calloc(c->count + 1, sizeof(*files)) : NULL;
    if (!files)
        return;
    for (size_t i = 0; i < c->count; i++) {
        const struct fsck_segment *segment = &c->segments[i];
        bool good = segment->status == AVJ_OK;
        files[i] =
            (struct fsck_file){segment->number, segment->size, good ? segment->header.first_seq : 0,
                               good && segment->header.sealed, good};
    }
    struct fsck_journal journal = {.path = run->path, .files = files, .count = c->count};
    memcpy(journal.id, c->journal_id, sizeof(journal.id));
    run->sink->journal(run->sink->arg, &journal);
    free(files);
}

static void tell_findings(struct run *run)
{
    fsck_findings_close(&run->findings);
    if (!run->sink->finding)
        return;
    for (int phase = 0; phase < FSCK_PHASES; phase++)
        for (size_t i = 0; i < run->findings.count; i++)
            if ((int)fsck_kind(run->findings.items[i]->code)->phase == phase)
                run->sink->finding(run->sink->arg, run->findings.items[i]);
}

static void tell_summary(struct run *run, enum avj_status status)
{
    struct fsck_summary *s = &run->summary;
    const struct fsck_findings *f = &run->findings;
    if (f->by_severity[FSCK_DAMAGED])
        s->exit_code |= FSCK_DAMAGE;
    if (status != AVJ_OK || f->failed)
        s->exit_code |= FSCK_FAILED;
    if (f->by_code[FSCK_UNSYNCED_TAIL] || f->by_code[FSCK_NO_WITNESS])
        s->exit_code |= FSCK_TAIL;
    s->ok = (s->exit_code & (FSCK_DAMAGE | FSCK_FAILED)) == 0;
    memcpy(s->findings, f->by_severity, sizeof(s->findings));
    if (run->sink->summary)
        run->sink->summary(run->sink->arg, s);
}

int fsck_run(const char *path, const struct fsck_options *options, const struct fsck_sink *sink,
             struct avj_error *err)
{
    static const struct fsck_options defaults;
    struct run run = {
        .path = path, .options = options ? options : &defaults, .sink = sink, .err = err};
    run.io = run.options->io ? run.options->io : avj_io_posix();
    if (run.options->max_duration_ms)
        run.deadline_ms = run.io->monotonic_ms(run.io->ctx) + run.options->max_duration_ms;
    enum avj_status status = check_all(&run);
    if (status == AVJ_OK)
        status = doubt_differences(&run);
    if (sink->progress)
        sink->progress(sink->arg, 1, 1);
    tell_journal(&run);
    tell_findings(&run);
    if (run.audit && status != AVJ_ENOMEM) {
        const struct fsck_audit_summary *audited = fsck_audit_finish(run.audit);
        if (sink->audit_summary)
            sink->audit_summary(sink->arg, audited);
    }
    tell_summary(&run, status);
    release(&run);
    return run.summary.exit_code;
}
