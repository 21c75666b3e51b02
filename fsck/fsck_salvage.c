/* A salvage, from the files to the report: see fsck_salvage.h. */
#include "fsck/fsck_salvage_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINES, CONFLICTS, INCOMPLETE, REPORT, OUTS };
static const char *const names[OUTS] = {
    [LINES] = "salvaged.jsonl",
    [CONFLICTS] = "conflicts.jsonl",
    [INCOMPLETE] = "incomplete.jsonl",
    [REPORT] = "report.txt",
};

struct salvaging {
    const char *path, *out;
    struct avj_error *err;
    struct fsck_find find;
    struct fsck_find_files files;
    FILE *outs[OUTS];
    struct fsck_salvaged *done;
};

/* ---- the folder ---- */

/* The folder that `out` is, or will be made in. */
static bool find_place(const char *out, char place[PATH_MAX])
{
    char parent[PATH_MAX];
    if (realpath(out, place))
        return true;
    snprintf(parent, sizeof(parent), "%s", out);
    size_t len = strlen(parent);
    while (len > 1 && parent[len - 1] == '/')
        parent[--len] = 0;
    char *slash = strrchr(parent, '/');
    if (slash == parent)
        slash++; /* "/x" */
    if (slash)
        *slash = 0;
    return realpath(slash ? parent : ".", place) != NULL;
}

/* A name below `path` would make the source grow while it is read. */
static enum avj_status check_apart(const struct salvaging *s)
{
    char source[PATH_MAX], place[PATH_MAX];
    if (!realpath(s->path, source))
        return avj_fail_errno(s->err, errno, "%s", s->path);
    if (!find_place(s->out, place))
        return avj_fail_errno(s->err, errno, "%s", s->out);
    size_t len = strlen(source);
    if (strncmp(place, source, len) == 0 && (place[len] == 0 || place[len] == '/'))
        return avj_fail(s->err, AVJ_EINVAL,
                        "%s lies in the journal, which is only read: name a folder elsewhere",
                        s->out);
    return AVJ_OK;
}

static enum avj_status open_outs(struct salvaging *s)
{
    char name[PATH_MAX];
    enum avj_status status = check_apart(s);
    if (status == AVJ_OK && mkdir(s->out, 0700) != 0 && errno != EEXIST)
        status = avj_fail_errno(s->err, errno, "create directory %s", s->out);
    for (int i = 0; i < OUTS && status == AVJ_OK; i++) {
        snprintf(name, sizeof(name), "%s/%s", s->out, names[i]);
        int file = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        s->outs[i] = file < 0 ? NULL : fdopen(file, "w");
        if (file < 0 && errno == EEXIST)
            return avj_fail(s->err, AVJ_EEXIST, "%s is there already: name a new folder", name);
        if (!s->outs[i])
            return avj_fail_errno(s->err, errno, "create %s", name);
    }
    return status;
}

static enum avj_status close_outs(struct salvaging *s, enum avj_status status)
{
    for (int i = 0; i < OUTS; i++) {
        if (!s->outs[i])
            continue;
        bool bad = fflush(s->outs[i]) != 0 || ferror(s->outs[i]) || fsync(fileno(s->outs[i])) != 0;
        int errnum = errno;
        if ((fclose(s->outs[i]) != 0 || bad) && status == AVJ_OK)
            status = avj_fail_errno(s->err, errnum, "write %s/%s", s->out, names[i]);
    }
    return status;
}

/* ---- the report ---- */

static void report_files(struct salvaging *s)
{
    FILE *out = s->outs[REPORT];
    fprintf(out, "What was found where\n\n");
    for (size_t i = 0; i < s->files.count; i++) {
        const struct fsck_find_file *f = &s->files.items[i];
        fprintf(out, "%s: %llu bytes, %s; %llu records in %llu frames", f->name,
                (unsigned long long)f->size, f->state, (unsigned long long)f->records,
                (unsigned long long)f->frames);
        if (f->partial)
            fprintf(out, ", of which %llu could be had in part only",
                    (unsigned long long)f->partial);
        if (f->error)
            fprintf(out, "; reading it failed: %s", strerror(f->error));
        fputc('\n', out);
    }
}

static void report_missing(struct salvaging *s)
{
    FILE *out = s->outs[REPORT];
    uint64_t expected = 1;
    fprintf(out, "\nWhat is missing\n\n");
    for (size_t i = 0; i < s->find.count; i++) {
        uint64_t seq = s->find.items[i].seq;
        if (seq > expected) {
            fprintf(out, "records %llu to %llu\n", (unsigned long long)expected,
                    (unsigned long long)seq - 1);
            s->done->missing += seq - expected;
        }
        expected = seq + 1;
    }
    if (!s->done->missing)
        fprintf(out, "nothing in front of record %llu, the last one that was found\n",
                (unsigned long long)expected - 1);
    fprintf(out, "What came behind record %llu, if anything did, can not be told.\n",
            (unsigned long long)expected - 1);
}

static void report_sum(struct salvaging *s)
{
    const struct fsck_salvaged *d = s->done;
    fprintf(s->outs[REPORT],
            "\nWritten: %llu projects, %llu threads, %llu messages, %llu summaries; incomplete "
            "%llu; lost in conflicts %llu\n\nNext: avchat -C NEW init; avchat -C NEW import "
            "%s/%s\n",
            (unsigned long long)d->projects, (unsigned long long)d->threads,
            (unsigned long long)d->messages, (unsigned long long)d->summaries,
            (unsigned long long)d->incomplete, (unsigned long long)d->conflicts, s->out,
            names[LINES]);
}

static enum avj_status write_all(struct salvaging *s)
{
    struct fsck_salvage_out out = {.lines = s->outs[LINES],
                                   .conflicts = s->outs[CONFLICTS],
                                   .incomplete = s->outs[INCOMPLETE],
                                   .report = s->outs[REPORT],
                                   .done = s->done};
    report_files(s);
    report_missing(s);
    fprintf(s->outs[REPORT], "\nWhat is not as it was\n\n");
    enum avj_status status = fsck_salvage_documents(&s->find, &out, s->err);
    report_sum(s);
    return status;
}

enum avj_status fsck_salvage(const char *path, const char *out, const struct avj_io *io,
                             struct fsck_salvaged *done, struct avj_error *err)
{
    struct salvaging s = {.path = path, .out = out, .err = err, .done = done};
    memset(done, 0, sizeof(*done));
    enum avj_status status = fsck_find_all(io ? io : avj_io_posix(), path, &s.find, &s.files, err);
    done->files = s.files.count;
    done->records = s.find.count;
    done->partial = s.find.partial;
    if (status == AVJ_OK && s.find.count == 0)
        status = avj_fail(err, AVJ_ENOTFOUND, "%s: no record can be found in any file", path);
    if (status == AVJ_OK)
        status = open_outs(&s);
    if (status == AVJ_OK)
        status = write_all(&s);
    status = close_outs(&s, status);
    fsck_find_release(&s.find, &s.files);
    return status;
}
