/*
 * Power cuts, by the hundred thousand: random programs over the journal's API, of one to three
 * processes that take turns at any call, on the simulated disk.  Between any two calls that change
 * the disk the power may go: then the journal is opened in the states that this can leave (all of
 * them where they are few, else some of every kind), checked and appended to; and in a share of
 * them the power goes again during that recovery, at each of its calls.
 *
 * What must hold: all that was told to be durable is there, in order, once; what else is there was
 * appended, whole, behind it; opening never calls a crash corruption; the journal goes on.
 *
 * The short form is the test: AVJ_SIM_STATES states, 100,000 where that is not set.  The long form
 * is the target `crash-states` (cmake --build BUILD --target crash-states): as many as
 * AVJ_SIM_STATES says, 5,000,000 where that is not set.  Both can be run by hand: --help.
 */
#include "tests/support/cases.h"
#include "tests/support/sim_rot.h"
#include "tests/support/sim_sched.h"

#include <errno.h>
#include <getopt.h>
#include <time.h>

#define STATES_SHORT  100000u
#define STATES_LONG   5000000u
#define PROCESSES_MAX 3

static struct {
    uint64_t states;
    bool long_form;
} asked;

/* What a program is like, chosen by its seed. */
struct profile {
    unsigned processes, steps;   /* steps of each */
    unsigned tiny, small, large; /* of a hundred batches; the rest are huge or nested */
    unsigned moments_one_in;     /* of moments, one of so many is looked at */
};

static const struct profile profiles[] = {
    {1, 10, 100, 0, 0, 4},  /* few pieces: every state */
    {2, 7, 100, 0, 0, 6},   /* the same, two processes */
    {3, 5, 100, 0, 0, 6},   /* the same, three */
    {1, 14, 60, 30, 5, 8},  /* a bit of all */
    {2, 9, 60, 30, 5, 10},  /* the same, two processes */
    {3, 7, 50, 40, 5, 12},  /* the same, three */
    {1, 12, 20, 20, 30, 8}, /* segments get full */
    {2, 9, 20, 20, 30, 12}, /* the same, two processes */
};

/* A program under way. */
struct run {
    struct sim_explorer *explorer;
    const struct profile *profile;
    struct sim_disk *disk;
    struct sim_sched *sched;
    struct sim_ledger ledger;
    struct test_rng rng;
    uint64_t seen; /* changes of the disk when it was last thought of */
};

/* One process of it, and the next one that takes its place when it is killed. */
struct writer {
    struct run *run;
    struct sim_process *process;
    struct avj_journal *journal;
    struct avj_error err;
    struct sim_relaxed relaxed;
};

static bool one_in(struct run *run, unsigned n)
{
    return test_rng_below(&run->rng, n) == 0;
}

static bool changes(enum fault_call call)
{
    return call == FAULT_PWRITE || call == FAULT_SYNC || call == FAULT_SYNC_DIR ||
           call == FAULT_RENAME || call == FAULT_UNLINK || call == FAULT_MKDIR;
}

/* In front of every call. */
static void between_calls(void *arg, struct sim_process *process, enum fault_call call)
{
    struct run *run = arg;

    if (run->explorer->failed) {
        sim_kill(process);
        return;
    }
    /* What was not durable then, or is appended relaxed behind it, may be lost. */
    if (sim_failed(run->disk) > 0)
        sim_ledger_doubt(&run->ledger);
    if (changes(call) && sim_changes(run->disk) != run->seen) {
        run->seen = sim_changes(run->disk);
        if (one_in(run, run->profile->moments_one_in))
            (void)sim_explore(run->explorer, run->disk, &run->ledger);
        if (one_in(run, 12))
            sim_write_back(run->disk);
    }
    sim_sched_pass(run->sched, call == SIM_SLEEP);
}

/* ---- one process ---- */

/* Nothing fails on a disk without faults, but for a process that was killed; after a fault a handle
 * may refuse. */
static bool good(struct writer *w, enum avj_status status, const char *what)
{
    if (sim_killed(w->process))
        return false;
    if (status == AVJ_OK)
        return true;
    if (!w->run->explorer->failed && sim_failed(w->run->disk) == 0)
        sim_explore_wrong(w->run->explorer, w->run->disk, what, w->err.message);
    return false;
}

static void end_process(struct writer *w)
{
    avj_journal_close(w->journal);
    w->journal = NULL;
    sim_process_free(w->process);
    w->process = NULL;
    sim_relaxed_release(&w->relaxed);
}

/* Opening works, unless it was just then that a sync failed. */
static void begin_process(struct writer *w)
{
    struct avj_journal_options options;
    uint64_t failed = sim_failed(w->run->disk);
    enum avj_status status;

    w->process = sim_process_new(w->run->disk);
    options = sim_options(sim_process_io(w->process));
    status = avj_journal_open(SIM_JOURNAL, &options, &w->journal, &w->err);
    if (status == AVJ_OK || w->run->explorer->failed)
        return;
    if (sim_failed(w->run->disk) == failed)
        sim_explore_wrong(w->run->explorer, w->run->disk, "open", w->err.message);
    else
        status = avj_journal_open(SIM_JOURNAL, &options, &w->journal, &w->err);
}

static enum sim_batch_size some_size(struct run *run)
{
    const struct profile *p = run->profile;
    uint64_t percent = test_rng_below(&run->rng, 100);

    if (percent < p->tiny)
        return SIM_TINY;
    if (percent < p->tiny + p->small)
        return SIM_SMALL;
    if (percent < p->tiny + p->small + p->large)
        return SIM_LARGE;
    return one_in(run, 2) ? SIM_HUGE : SIM_NESTED;
}

static void append(struct writer *w, enum avj_durability durability)
{
    enum avj_status status = sim_ledger_append(&w->run->ledger, &w->relaxed, w->process, w->journal,
                                               some_size(w->run), durability, &w->err);

    (void)good(w, status, "append");
}

static void make_durable(struct writer *w, bool rotate)
{
    enum avj_status status =
        rotate ? avj_journal_rotate(w->journal, &w->err) : avj_journal_sync(w->journal, &w->err);

    if (good(w, status, rotate ? "rotate" : "sync"))
        sim_ledger_synced(&w->run->ledger, &w->relaxed);
    else
        sim_relaxed_release(&w->relaxed);
}

/* Some records of what is sealed become shorter; each stays at its place. */
static void compact(struct writer *w)
{
    uint64_t segments = 0;
    enum avj_status status = sim_shorten(w->journal, &segments, &w->err);

    w->run->explorer->compacted += segments;
    if (status != AVJ_ELOCKED)
        (void)good(w, status, "compact");
}

/* One process at a time seals what is finished, which adds and takes away no record. */
static void maintain(struct writer *w)
{
    struct avj_maintained done = {0};
    enum avj_status status = avj_journal_maintain(w->journal, NULL, &done, &w->err);

    w->run->explorer->sealed += done.sealed;
    if (status != AVJ_ELOCKED)
        (void)good(w, status, "maintain");
    if (!sim_killed(w->process) && one_in(w->run, 2))
        compact(w);
}

/* Then there is something to seal. */
static void rotate(struct writer *w)
{
    make_durable(w, true);
    if (one_in(w->run, 3) && !sim_killed(w->process))
        maintain(w);
}

static void reopen(struct writer *w)
{
    end_process(w);
    begin_process(w);
}

static void step(struct writer *w)
{
    uint64_t percent = test_rng_below(&w->run->rng, 100);

    if (percent < 38)
        append(w, AVJ_DURABLE);
    else if (percent < 72)
        append(w, AVJ_RELAXED);
    else if (percent < 82)
        make_durable(w, false);
    else if (percent < 88)
        rotate(w);
    else if (percent < 91)
        maintain(w);
    else if (percent < 95)
        reopen(w);
    else
        sim_kill_at(w->process, 1 + test_rng_below(&w->run->rng, 40));
    if (sim_killed(w->process))
        reopen(w);
}

static void write_much(void *arg)
{
    struct writer *w = arg;

    begin_process(w);
    for (unsigned i = 0; i < w->run->profile->steps; i++)
        if (w->journal && !w->run->explorer->failed)
            step(w);
    end_process(w);
}

/* ---- one program ---- */

static void create(struct run *run)
{
    struct writer w = {.run = run, .process = sim_process_new(run->disk)};
    struct avj_journal_options options = sim_options(sim_process_io(w.process));

    if (good(&w, avj_journal_create(SIM_JOURNAL, &options, &w.err), "create"))
        run->ledger.created = true;
    sim_process_free(w.process);
}

/* Once or twice in a row, in one of the ways there are. */
static void let_syncs_fail(struct run *run)
{
    const struct fault_plan plan = {FAULT_IN(FAULT_SYNC), 1 + test_rng_below(&run->rng, 24),
                                    1 + test_rng_below(&run->rng, 2), FAULT_ERROR, EIO};

    sim_fail(run->disk, &plan, one_in(run, 2) ? SIM_SYNC_LOST : SIM_SYNC_REVERTED);
}

static void run_program(struct sim_explorer *explorer, bool syncs_fail)
{
    struct run run = {.explorer = explorer};
    struct writer writers[PROCESSES_MAX] = {{0}};

    test_rng_init(&run.rng, explorer->seed);
    test_rng_init(&explorer->rng, test_rng_next(&run.rng));
    run.profile = &profiles[test_rng_below(&run.rng, sizeof profiles / sizeof *profiles)];
    run.disk = sim_explore_disk(test_rng_next(&run.rng));
    run.sched = sim_sched_new(test_rng_next(&run.rng));
    if (one_in(&run, 4))
        sim_short_calls(run.disk, 5);
    sim_set_hook(run.disk, between_calls, &run);
    create(&run);
    if (syncs_fail)
        let_syncs_fail(&run);
    for (unsigned i = 0; i < run.profile->processes; i++) {
        writers[i].run = &run;
        sim_sched_add(run.sched, write_much, &writers[i]);
    }
    if (run.ledger.created)
        sim_sched_run(run.sched);
    sim_set_hook(run.disk, NULL, NULL);
    if (!explorer->failed && sim_explore(explorer, run.disk, &run.ledger))
        (void)sim_explore_live(explorer, run.disk, &run.ledger);
    sim_ledger_release(&run.ledger);
    sim_sched_free(run.sched);
    sim_disk_free(run.disk);
}

static void run_programs(struct sim_explorer *explorer, bool syncs_fail, const char *what)
{
    uint64_t seed = test_rng_seed(what), programs = 0;
    clock_t begin = clock();

    sim_rot_nest();
    while (explorer->states < explorer->limit && !explorer->failed) {
        explorer->seed = seed + programs++;
        run_program(explorer, syncs_fail);
        if (asked.long_form && programs % 2000 == 0)
            sim_explore_report(explorer, stdout);
    }
    sim_explore_report(explorer, stdout);
    print_message("%llu programs, %llu sealed segments, %llu compacted, %.1f s of processor time\n",
                  (unsigned long long)programs, (unsigned long long)explorer->sealed,
                  (unsigned long long)explorer->compacted,
                  (double)(clock() - begin) / CLOCKS_PER_SEC);
    assert_false(explorer->failed);
}

static void what_was_acknowledged_outlives_every_power_cut_and_the_journal_goes_on(void **state)
{
    struct sim_explorer explorer = {.limit = asked.states, .second_one_in = 40, .full_one_in = 12};

    (void)state;
    run_programs(&explorer, false, __func__);
}

/* Whatever the moment: what was acknowledged has a witness, in whose light a hole in it is no torn
 * append. */
static void a_bit_that_rots_in_what_was_acknowledged_is_never_taken_for_a_torn_append(void **state)
{
    struct sim_explorer explorer = {.limit = asked.states / 10 + 1, .rots = 8};

    (void)state;
    run_programs(&explorer, false, __func__);
}

/* A sync fails under one of the processes, whichever way, and whatever the others are at. */
static void what_was_acknowledged_outlives_failing_syncs_too(void **state)
{
    struct sim_explorer explorer = {.limit = asked.states / 5 + 1, .second_one_in = 60};

    (void)state;
    run_programs(&explorer, true, __func__);
}

/* ---- how it is called ---- */

static const char usage[] =
    "usage: test_sim_crash [--states N] [--long] [--help]\n"
    "\n"
    "Opens a journal in N of the states that a power cut can leave it in, in N/10 in which a bit\n"
    "has rotted, and in N/5 after syncs that failed.\n"
    "  --states N   so many; else AVJ_SIM_STATES, else 100,000\n"
    "  --long       5,000,000 in place of 100,000; tells how far it is\n"
    "AVJ_TEST_SEED=N begins with the program of that seed: a failure says which.\n";

static bool understood(int argc, char *argv[])
{
    static const struct option options[] = {{"states", required_argument, NULL, 's'},
                                            {"long", no_argument, NULL, 'l'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    const char *states = getenv("AVJ_SIM_STATES");
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 's')
            states = optarg;
        else if (c == 'l')
            asked.long_form = true;
        else if (c == 'h')
            exit(fputs(usage, stdout) < 0);
        else
            return false;
    }
    asked.states = states && *states ? strtoull(states, NULL, 0)
                   : asked.long_form ? STATES_LONG
                                     : STATES_SHORT;
    return asked.states > 0 && optind == argc;
}

int main(int argc, char *argv[])
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_acknowledged_outlives_every_power_cut_and_the_journal_goes_on),
        cmocka_unit_test(a_bit_that_rots_in_what_was_acknowledged_is_never_taken_for_a_torn_append),
        cmocka_unit_test(what_was_acknowledged_outlives_failing_syncs_too),
    };

    if (!understood(argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
