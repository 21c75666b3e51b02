/* Filling the engines, in copies of this process: they have the data. */
#include "tests/bench/life/life.h"
#include "tests/support/files.h"
#include "tests/support/process.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct job {
    const struct bench *bench;
    const char *name; /* of the folder */
    void (*fill)(const struct job *job, const char *dir);
    void (*then)(const struct job *job, const char *dir, int out); /* NULL: nothing more */
    const struct life_engine *engine;
};

void life_store_train(const char *dir)
{
    const struct avj_journal_options options = {.no_background = true};
    struct avj_journal *journal;
    struct avj_error err;

    bench_ok(avj_journal_open(dir, &options, &journal, &err), &err, "training");
    bench_ok(avj_journal_maintain(journal, NULL, NULL, &err), &err, "training");
    avj_journal_close(journal);
}

static void fill_by_engine(const struct job *job, const char *dir)
{
    const struct bench *bench = job->bench;
    void *state = job->engine->open(job->engine, dir, LIFE_NEW);

    for (size_t from = 0, batch = 0, end; from < bench->count; from = end, batch++) {
        end = bench_batch_end(bench, from, BENCH_BATCH);
        if (job->engine == &life_store_still && batch == LIFE_TRAINED) {
            job->engine->close(state);
            life_store_train(dir);
            state = job->engine->open(job->engine, dir, LIFE_USED);
        }
        job->engine->put(state, &bench->items[from], end - from, false);
    }
    job->engine->close(state);
}

static void seal(const char *dir)
{
    const struct avj_journal_options options = {.no_background = true};
    struct avj_journal *journal;
    struct avj_error err;

    bench_ok(avj_journal_open(dir, &options, &journal, &err), &err, "sealing");
    /* The last segment is never sealed: let that be an empty one. */
    bench_ok(avj_journal_rotate(journal, &err), &err, "sealing");
    bench_ok(avj_journal_maintain(journal, NULL, NULL, &err), &err, "sealing");
    avj_journal_close(journal);
}

static void say_usage(const char *name, const char *dir, int out)
{
    dprintf(out, "%s %" PRIu64 "\n", name, bench_disk_usage(dir));
}

/* Beside the store as it was written, a copy that is sealed. */
static void seal_copy(const struct job *job, const char *dir, int out)
{
    char *sealed = test_path(job->bench->dir, "store-sealed");

    test_copy_tree(dir, sealed);
    seal(sealed);
    say_usage("store-sealed", sealed, out);
    free(sealed);
}

static void index_words(const struct job *job, const char *dir, int out)
{
    (void)job;
    life_sqlite_index_words(dir);
    say_usage("sqlite-fts", dir, out);
}

static void fill_synced(const struct job *job, const char *dir)
{
    life_store_fill_synced(job->bench, dir);
}

static void run_job(const struct job *job, int out)
{
    char *dir = test_path(job->bench->dir, "%s", job->name);

    if (mkdir(dir, 0700) < 0)
        bench_die("can not make %s", dir);
    job->fill(job, dir);
    say_usage(job->name, dir, out);
    if (job->then)
        job->then(job, dir, out);
    free(dir);
}

/* Jobs one after the other. */
static int run_row(void *arg, int out)
{
    for (const struct job *job = arg; job->name; job++)
        run_job(job, out);
    return 0;
}

static void take_usage(const struct bench *bench, const struct life_answer *said,
                       const char *series)
{
    static const char *const names[] = {"store",  "store-sealed", "store-synced",
                                        "sqlite", "sqlite-fts",   "lmdb"};
    uint64_t bytes;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (life_answer_has(said, names[i], &bytes))
            bench_add(series, names[i], bench->messages, "MB", (double)bytes / 1e6);
}

static void finish_row(const struct bench *bench, struct process *row, const char *series)
{
    struct life_answer said;
    int status;

    said.text = process_finish(row, &status, NULL);
    if (status != 0)
        bench_die("filling failed");
    take_usage(bench, &said, series);
    life_answer_free(&said);
}

/* Two rows at a time.  Sealing takes longer than everything else. */
void life_load(struct bench *bench, bool scattered)
{
    const char *series = scattered ? "scattered-disk" : "life-disk";
    struct job sealing[] = {{bench, "store", fill_by_engine, seal_copy, &life_store_still}, {0}};
    struct job others[4] = {{0}};
    struct process rows[2];
    size_t count = 0;

    if (!life_sqlite.package)
        others[count++] = (struct job){bench, "sqlite", fill_by_engine,
                                       scattered ? NULL : index_words, &life_sqlite};
    if (!life_lmdb.package)
        others[count++] = (struct job){bench, "lmdb", fill_by_engine, NULL, &life_lmdb};
    if (!scattered)
        others[count++] = (struct job){bench, "store-synced", fill_synced, NULL, NULL};
    rows[0] = process_fork(run_row, sealing);
    rows[1] = process_fork(run_row, others);
    finish_row(bench, &rows[0], series);
    finish_row(bench, &rows[1], series);
    sync(); /* what is measured next shall not meet what is still being written */
}
