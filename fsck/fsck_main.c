/* avchat-fsck: checks a journal.  The work is fsck_run()'s; here are the command line, the output
 * and the progress. */
#include "fsck/fsck_options.h"
#include "fsck/fsck_output.h"
#include "fsck/fsck_report.h"

#include <stdio.h>
#include <unistd.h>

struct progress {
    const struct avj_io *io;
    int64_t shown_ms; /* when it was last drawn */
    bool drawn;
};

/* Sinks have one argument: the progress is the program's own. */
static struct progress progress;

static void end_progress(void)
{
    if (progress.drawn)
        fputs("\r\033[K", stderr);
    progress.drawn = false;
}

static void show_progress(void *arg, uint64_t done, uint64_t total)
{
    (void)arg;
    int64_t now = progress.io->monotonic_ms(progress.io->ctx);
    if (done >= total)
        end_progress();
    if (now - progress.shown_ms < 200 || done >= total)
        return;
    progress.shown_ms = now;
    progress.drawn = true;
    fprintf(stderr, "\rchecking: %3u %%", (unsigned)(done * 100 / total));
}

static void show_note(void *arg, const char *text)
{
    (void)arg;
    end_progress();
    fprintf(stderr, "avchat-fsck: %s\n", text);
}

static void watch_progress(struct fsck_sink *sink)
{
    if (!isatty(STDERR_FILENO))
        return;
    progress.io = avj_io_posix();
    progress.shown_ms = progress.io->monotonic_ms(progress.io->ctx);
    sink->progress = show_progress;
}

static int end(int code, const struct avj_error *err, const char *failure)
{
    if (code & FSCK_FAILED)
        fprintf(stderr, "avchat-fsck: %s\n", err->message[0] ? err->message : failure);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fputs("avchat-fsck: can not write the result\n", stderr);
        code |= FSCK_FAILED;
    }
    return code;
}

static int check(const struct fsck_command_line *line)
{
    struct avj_error err = {0};
    struct fsck_output output = {
        .out = stdout,
        .verbose = line->verbose,
        .err = &err,
        .of = line->options.audit_of,
    };
    struct fsck_sink sink;
    if (line->json)
        fsck_json_sink(&output, &sink);
    else
        fsck_text_sink(&output, &sink);
    sink.note = show_note;
    /* What is told while the log is read must not meet the progress on the terminal. */
    if (line->options.audit_of != FSCK_OF_ALL || !isatty(STDOUT_FILENO))
        watch_progress(&sink);
    struct fsck_report report = {.path = NULL};
    struct fsck_sink outer = sink;
    if (line->report)
        fsck_report_begin(&report, line->report, &sink, &outer);
    int code = fsck_run(line->path, &line->options, &outer, &err);
    /* The check's own trouble is told first: it may be why there is no page. */
    if (report.err.status != AVJ_OK && !(code & FSCK_FAILED))
        err = report.err;
    if (report.err.status != AVJ_OK)
        code |= FSCK_FAILED;
    fsck_report_release(&report);
    return end(code, &err, "the check could not be made");
}

static int repair(const struct fsck_command_line *line)
{
    struct avj_error err = {0};
    struct fsck_output output = {.out = stdout, .verbose = line->verbose, .err = &err};
    struct fsck_repair_options how = {.dry_run = line->dry_run};
    struct fsck_repair_sink sink;
    if (line->json)
        fsck_json_repair_sink(&output, &sink);
    else
        fsck_text_repair_sink(&output, &sink);
    output.dry_run = line->dry_run;
    watch_progress(&sink.check);
    int code = fsck_repair(line->path, &line->options, &how, &sink, &err);
    if ((code & FSCK_DAMAGE) && !(code & FSCK_FAILED) && err.message[0])
        fprintf(stderr, "avchat-fsck: %s\n", err.message);
    return end(code, &err, "the repair could not be made");
}

static int salvage(const struct fsck_command_line *line)
{
    struct avj_error err = {0};
    struct fsck_salvaged done;
    enum avj_status status = fsck_salvage(line->path, line->salvage, line->options.io, &done, &err);
    if (status != AVJ_OK)
        return end(FSCK_FAILED, &err, "nothing could be salvaged");
    if (line->json)
        fsck_json_salvaged(stdout, &done);
    else
        fsck_text_salvaged(stdout, &done, line->salvage);
    return end(done.missing || done.partial ? FSCK_DAMAGE : FSCK_CLEAN, &err, "");
}

int main(int argc, char **argv)
{
    struct fsck_command_line line;
    fsck_options_parse(argc, argv, &line);
    switch (line.command) {
    case FSCK_DO_HELP:
        fsck_options_help(stdout);
        return FSCK_CLEAN;
    case FSCK_DO_VERSION:
        puts("avchat-fsck " AVJ_VERSION);
        return FSCK_CLEAN;
    case FSCK_DO_COMPLAIN:
        fprintf(stderr, "avchat-fsck: %s (see avchat-fsck --help)\n", line.complaint);
        return FSCK_USAGE;
    case FSCK_DO_CHECK:
        break;
    }
    if (line.salvage)
        return salvage(&line);
    return line.repair ? repair(&line) : check(&line);
}
