/* The report as a file: see fsck_report.h. */
#include "fsck/fsck_report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void take_journal(void *arg, const struct fsck_journal *journal)
{
    struct fsck_report *r = arg;
    r->journal = *journal;
    r->files = malloc((journal->count + 1) * sizeof(*r->files));
    r->journal_path = strdup(journal->path);
    if (r->files)
        memcpy(r->files, journal->files, journal->count * sizeof(*r->files));
    else
        r->journal.count = 0;
    r->journal.files = r->files;
    r->journal.path = r->journal_path;
    if (r->inner.journal)
        r->inner.journal(r->inner.arg, journal);
}

static void take_finding(void *arg, const struct fsck_finding *finding)
{
    struct fsck_report *r = arg;
    if (r->finding_count < FSCK_REPORT_FINDINGS)
        r->findings[r->finding_count++] = finding;
    else
        r->findings_left_out++;
    if (r->inner.finding)
        r->inner.finding(r->inner.arg, finding);
}

static void take_document(void *arg, const struct fsck_audit_document *document)
{
    struct fsck_report *r = arg;
    if (r->inner.audit)
        r->inner.audit(r->inner.arg, document);
}

static void take_audit(void *arg, const struct fsck_audit_summary *audit)
{
    struct fsck_report *r = arg;
    r->audit = audit;
    if (r->inner.audit_summary)
        r->inner.audit_summary(r->inner.arg, audit);
}

static void take_progress(void *arg, uint64_t done, uint64_t total)
{
    struct fsck_report *r = arg;
    r->inner.progress(r->inner.arg, done, total);
}

/* ---- the file ---- */

static enum avj_status failed(struct fsck_report *r, const char *what)
{
    return avj_fail(&r->err, AVJ_EIO, "report %s: %s: %s", r->path, what, strerror(errno));
}

static enum avj_status fill(struct fsck_report *r, const struct fsck_summary *s, int file)
{
    mode_t mask = umask(0);
    umask(mask);
    FILE *out = fdopen(file, "w");
    if (!out) {
        close(file);
        return failed(r, "write");
    }
    fsck_report_page(r, s, out);
    bool bad =
        fflush(out) != 0 || ferror(out) || fchmod(file, 0666 & ~mask) != 0 || fsync(file) != 0;
    enum avj_status status = bad ? failed(r, "write") : AVJ_OK;
    if (fclose(out) != 0 && !bad)
        status = failed(r, "write");
    return status;
}

static enum avj_status write_page(struct fsck_report *r, const struct fsck_summary *s)
{
    size_t room = strlen(r->path) + 16;
    char *beside = malloc(room);
    if (!beside)
        return avj_fail(&r->err, AVJ_ENOMEM, "report %s: out of memory", r->path);
    snprintf(beside, room, "%s.XXXXXX", r->path);
    int file = mkstemp(beside);
    enum avj_status status = file < 0 ? failed(r, "make") : fill(r, s, file);
    if (status == AVJ_OK && rename(beside, r->path) != 0)
        status = failed(r, "rename");
    if (status != AVJ_OK && file >= 0)
        unlink(beside);
    free(beside);
    return status;
}

static void take_summary(void *arg, const struct fsck_summary *summary)
{
    struct fsck_report *r = arg;
    if (!r->made_ms)
        r->made_ms = (int64_t)time(NULL) * 1000;
    if (write_page(r, summary) == AVJ_OK)
        r->err = (struct avj_error){0};
    if (r->inner.summary)
        r->inner.summary(r->inner.arg, summary);
}

void fsck_report_begin(struct fsck_report *r, const char *path, const struct fsck_sink *inner,
                       struct fsck_sink *sink)
{
    *r = (struct fsck_report){.path = path, .inner = *inner};
    (void)avj_fail(&r->err, AVJ_EIO, "report %s: the check did not get that far", path);
    *sink = (struct fsck_sink){
        .arg = r,
        .journal = take_journal,
        .finding = take_finding,
        .audit = take_document,
        .audit_summary = take_audit,
        .summary = take_summary,
        .progress = inner->progress ? take_progress : NULL,
    };
}

void fsck_report_release(struct fsck_report *r)
{
    free(r->files);
    free(r->journal_path);
}
