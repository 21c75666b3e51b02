/* One run of the checker, phase by phase: see fsck.h. */
#include "fsck/fsck.h"

#include "fsck/fsck_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Snapshots of fewer records than these are verified faster than a thread is started. */
#define THREADS_MIN 65536

struct run {
    const char *path;
    const struct fsck_options *options;
    const struct fsck_sink *sink;
    const struct avj_io *io;
    int64_t deadline_ms;
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

static enum avj_status check_with(struct run *run, struct fsck_pipe *pipe)
{
    struct fsck_checking checking = {
        .capture = &run->capture,
        .findings = &run->findings,
        .pipe = pipe,
        .summary = &run->summary,
        .deadline_ms = run->deadline_ms,
        .progress = run->sink->progress,
        .progress_arg = run->sink->arg,
    };
    enum avj_status status = fsck_check(&checking, run->err);
    if (status == AVJ_OK &&
        fsck_snapshots_verify(&run->snapshots, run->summary.records >= THREADS_MIN) != AVJ_OK)
        status = avj_fail(run->err, AVJ_ENOMEM, "out of memory");
    enum avj_status folded = fsck_pipe_end(pipe);
    if (folded == AVJ_OK && status == AVJ_OK && run->options->deep)
        folded = fsck_fold_load_snapshots(run->fold, run->deadline_ms);
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
    enum avj_status status = check_with(run, pipe);
    fsck_pipe_free(pipe);
    run->summary.complete = status == AVJ_OK;
    if (status == AVJ_ETIMEOUT) {
        fsck_detail(fsck_findings_add(&run->findings, FSCK_UNFINISHED), "%llu records were checked",
                    (unsigned long long)run->summary.records);
    }
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

static void release(struct run *run)
{
    fsck_fold_free(run->fold);
    fsck_audit_free(run->audit);
    fsck_snapshots_close(&run->snapshots);
    fsck_capture_release(&run->capture);
    fsck_findings_release(&run->findings);
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
