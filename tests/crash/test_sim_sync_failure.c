/*
 * Syncs that fail, and full disks, on the simulated disk.
 *
 * A sync fails once, each in turn, in every way that Linux knows, under several processes that
 * append to one journal and know nothing of each other's troubles.  What any of them was told to be
 * durable, before or after, is there after a power cut in every state; the handle that met the
 * failure goes on or refuses; opening the journal anew always works.
 *
 * On a full disk an append fails whole, says why, and works again when there is space.
 */
#include "tests/support/cases.h"
#include "tests/support/sanitizers.h"
#include "tests/support/sim_explore.h"

#include <errno.h>

#define PROCESSES 2
/* Under sanitizers every second sync fails in turn. */
#define STEP (TEST_SANITIZED ? 2u : 1u)

/* What is done, a letter a step; lower case by the first process, upper case by the second:
 * d durable append, r relaxed append, h a huge durable append, s sync, t rotate, m maintain (seal),
 * c compact what is sealed, o close and open again. */
struct script {
    const char *sentence;
    const char *steps;
};

static const struct script scripts[] = {
    {"one process, durable appends", "dddddod"},
    {"one process, relaxed appends and syncs", "rrsrrsdors"},
    {"one process that rotates", "drtdrtdod"},
    {"one process, segments get full", "hrhrhrhod"},
    {"two processes in turn", "dDdDdDoOdD"},
    {"the second one appends behind what the first one lost", "drrdDRDDoOd"},
    {"the second one has read what the first one lost", "dRDrSdRDDSod"},
    {"two processes that rotate", "drtDRTdDtTDd"},
    {"two processes, segments get full", "hHrRhHrHhoO"},
    {"one process that seals", "drtmdrtdmod"},
    {"one process that seals what the other one wrote", "drtDRMdtRMDodO"},
    {"one process that seals and compacts", "drtmcdrtdmocd"},
    {"one process that compacts what the other one sealed", "drtDMcRtDRMCdoO"},
    {"relaxed appends of one, synced by the other", "rRrRSrRsDrSd"},
    {"the second one rotates when the first one lost what it had appended", "dDRdTDRdTd"},
};

struct way {
    const char *sentence;
    unsigned calls;
    enum sim_sync_failure failure;
};

static const struct way ways[] = {
    {"a failed sync loses what it was to write", FAULT_IN(FAULT_SYNC), SIM_SYNC_LOST},
    {"a failed sync takes the cache back to the disk", FAULT_IN(FAULT_SYNC), SIM_SYNC_REVERTED},
    {"a failed sync of a directory", FAULT_IN(FAULT_SYNC_DIR), SIM_SYNC_LOST},
};

/* One process and its handle. */
struct writer {
    struct sim_process *process;
    struct avj_journal *journal; /* NULL: it could not be opened */
    struct sim_relaxed relaxed;
};

struct run {
    struct sim_explorer *explorer;
    struct sim_disk *disk;
    struct sim_ledger ledger;
    struct writer writers[PROCESSES];
    enum sim_sync_failure failure;
    struct avj_error err;
};

static void wrong(struct run *run, const char *what)
{
    sim_explore_wrong(run->explorer, run->disk, what, run->err.message);
}

/* ---- processes ---- */

static void close_writer(struct writer *w)
{
    avj_journal_close(w->journal);
    sim_process_free(w->process);
    sim_relaxed_release(&w->relaxed);
    *w = (struct writer){0};
}

/* While the failure is still to come (or was before) this works. */
static enum avj_status open_writer(struct run *run, struct writer *w)
{
    struct avj_journal_options options;

    w->process = sim_process_new(run->disk);
    options = sim_options(sim_process_io(w->process));
    return avj_journal_open(SIM_JOURNAL, &options, &w->journal, &run->err);
}

static void reopen(struct run *run, struct writer *w)
{
    uint64_t failed = sim_failed(run->disk);

    close_writer(w);
    if (open_writer(run, w) == AVJ_OK)
        return;
    if (sim_failed(run->disk) == failed)
        wrong(run, "open");
    close_writer(w);
    if (open_writer(run, w) != AVJ_OK)
        wrong(run, "open, tried again");
}

static void begin(struct run *run, struct sim_explorer *explorer)
{
    struct sim_process *process;
    struct avj_journal_options options;

    *run = (struct run){.explorer = explorer};
    run->disk = sim_explore_disk(explorer->seed);
    process = sim_process_new(run->disk);
    options = sim_options(sim_process_io(process));
    if (avj_journal_create(SIM_JOURNAL, &options, &run->err) != AVJ_OK)
        wrong(run, "create");
    run->ledger.created = true;
    sim_process_free(process);
    for (int i = 0; i < PROCESSES; i++)
        if (open_writer(run, &run->writers[i]) != AVJ_OK)
            wrong(run, "open");
}

static void end(struct run *run)
{
    for (int i = 0; i < PROCESSES; i++)
        close_writer(&run->writers[i]);
    sim_ledger_release(&run->ledger);
    sim_disk_free(run->disk);
}

/* ---- a sync fails ---- */

static enum avj_status append(struct run *run, struct writer *w, enum sim_batch_size size,
                              enum avj_durability durability)
{
    return sim_ledger_append(&run->ledger, &w->relaxed, w->process, w->journal, size, durability,
                             &run->err);
}

static enum avj_status make_durable(struct run *run, struct writer *w, bool rotate)
{
    enum avj_status status = rotate ? avj_journal_rotate(w->journal, &run->err)
                                    : avj_journal_sync(w->journal, &run->err);

    if (status == AVJ_OK)
        sim_ledger_synced(&run->ledger, &w->relaxed);
    else
        sim_relaxed_release(&w->relaxed);
    return status;
}

static enum avj_status act(struct run *run, struct writer *w, char what)
{
    uint64_t compacted;

    switch (what) {
    case 'd':
        return append(run, w, SIM_SMALL, AVJ_DURABLE);
    case 'r':
        return append(run, w, SIM_SMALL, AVJ_RELAXED);
    case 'h':
        return append(run, w, SIM_HUGE, AVJ_DURABLE);
    case 's':
        return make_durable(run, w, false);
    case 't':
        return make_durable(run, w, true);
    case 'm':
        return avj_journal_maintain(w->journal, NULL, NULL, &run->err);
    case 'c':
        return sim_shorten(w->journal, &compacted, &run->err);
    default:
        reopen(run, w);
        return AVJ_OK;
    }
}

/* Before the failure nothing may go wrong, behind it a handle may refuse.  What was not durable
 * then may be lost, and what is appended relaxed behind it with it.  But what the cache still has
 * is carried over by the next one to sync, so that nobody else is told of a loss; where it has not,
 * what another process had appended can not be carried over, and its handle says so, once. */
static void step(struct run *run, char letter)
{
    bool second = letter < 'a';
    struct writer *w = &run->writers[second];
    uint64_t failed = sim_failed(run->disk);
    enum avj_status status = act(run, w, (char)(second ? letter - 'A' + 'a' : letter));

    if (status == AVJ_ESYNC && run->failure == SIM_SYNC_LOST && sim_failed(run->disk) == failed)
        wrong(run, "what the cache still has is carried over");
    if (status == AVJ_ESYNC && run->failure == SIM_SYNC_REVERTED)
        sim_relaxed_release(&w->relaxed);

    if (status != AVJ_OK && sim_failed(run->disk) == 0)
        wrong(run, "no sync has failed");
    if (sim_failed(run->disk) > 0)
        sim_ledger_doubt(&run->ledger);
}

/* The nth sync fails; false: there are not so many. */
static bool run_script(struct sim_explorer *explorer, const struct script *script,
                       const struct way *way, uint64_t nth)
{
    const struct fault_plan plan = {way->calls, nth, 1, FAULT_ERROR, EIO};
    char sentence[200];
    struct run run;
    bool failed;

    snprintf(sentence, sizeof sentence, "%s, the %lluth: %s (\"%s\")", way->sentence,
             (unsigned long long)nth, script->sentence, script->steps);
    test_rng_init(&explorer->rng, explorer->seed + nth);
    begin(&run, explorer);
    run.failure = way->failure;
    sim_fail(run.disk, &plan, way->failure);
    for (const char *at = script->steps; *at && !explorer->failed; at++) {
        step(&run, *at);
        if (sim_failed(run.disk) == 0)
            continue;
        if (!sim_explore(explorer, run.disk, &run.ledger) ||
            !sim_explore_live(explorer, run.disk, &run.ledger))
            wrong(&run, "after the failure");
    }
    failed = sim_failed(run.disk) > 0;
    if (explorer->failed)
        print_error("so it was with: %s\n", sentence);
    end(&run);
    return failed;
}

/* All of them are run, whatever fails: what can not be done well yet is told as a whole. */
static unsigned run_scripts(struct sim_explorer *explorer, const struct way *way)
{
    unsigned bad = 0;

    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++)
        for (uint64_t nth = 1; run_script(explorer, &scripts[i], way, nth); nth += STEP) {
            bad += explorer->failed;
            explorer->failed = false;
        }
    return bad;
}

static void what_was_acknowledged_outlives_a_failed_sync(void **state)
{
    const struct way *way = *state;
    struct sim_explorer explorer = {.limit = UINT64_MAX, .second_one_in = 60};
    unsigned bad;

    explorer.seed = test_rng_seed(way->sentence);
    bad = run_scripts(&explorer, way);
    sim_explore_report(&explorer, stdout);
    assert_int_equal(bad, 0);
}

/* ---- the disk is full ---- */

/* All that was told is there, and nothing of what was refused. */
static void look(struct run *run, const char *when)
{
    struct sim_reading reading = {0};

    for (int i = 0; i < PROCESSES; i++)
        if (sim_read(run->writers[i].journal, &reading, &run->err) != AVJ_END ||
            sim_ledger_verify(&run->ledger, &reading, &run->err) != AVJ_OK ||
            reading.tags.count != run->ledger.at.count)
            wrong(run, when);
    sim_reading_release(&reading);
}

/* Appends by both in turn until one is refused for want of space. */
static void fill(struct run *run, enum sim_batch_size size)
{
    enum avj_status status = AVJ_OK;

    for (int i = 0; i < 5000 && status == AVJ_OK; i++)
        status = append(run, &run->writers[i % PROCESSES], size, i % 3 ? AVJ_RELAXED : AVJ_DURABLE);
    if (status != AVJ_ENOSPC)
        wrong(run, "the disk is full");
}

/* Refused by each, as often as it is tried, in the same way. */
static void fill_in_vain(struct run *run, enum sim_batch_size size)
{
    for (int i = 0; i < 2 * PROCESSES; i++) {
        enum avj_status status = append(run, &run->writers[i % PROCESSES], size, AVJ_DURABLE);
        if (status != AVJ_ENOSPC && status != AVJ_OK)
            wrong(run, "the disk is still full");
        look(run, "reading on a full disk");
    }
}

static void go_on(struct run *run, enum sim_batch_size size)
{
    for (int i = 0; i < 3 * PROCESSES; i++)
        if (append(run, &run->writers[i % PROCESSES], size, AVJ_DURABLE) != AVJ_OK)
            wrong(run, "there is space again");
    look(run, "reading when there is space again");
}

static void fill_disk(struct sim_explorer *explorer, uint64_t room, enum sim_batch_size size)
{
    char sentence[80];
    struct run run;

    snprintf(sentence, sizeof sentence, "%llu bytes of room, batches of kind %d",
             (unsigned long long)room, (int)size);
    test_rng_init(&explorer->rng, explorer->seed + room);
    begin(&run, explorer);
    for (int i = 0; i < PROCESSES; i++)
        if (append(&run, &run.writers[i], SIM_SMALL, AVJ_DURABLE) != AVJ_OK)
            wrong(&run, "append");
    for (int times = 0; times < 3 && !explorer->failed; times++) {
        sim_limit_space(run.disk, sim_used_space(run.disk) + room);
        fill(&run, size);
        look(&run, "reading on a full disk");
        fill_in_vain(&run, size);
        (void)(sim_explore(explorer, run.disk, &run.ledger) &&
               sim_explore_live(explorer, run.disk, &run.ledger));
        sim_limit_space(run.disk, 0);
        go_on(&run, size);
        (void)sim_explore(explorer, run.disk, &run.ledger);
    }
    if (explorer->failed)
        print_error("so it was with: %s\n", sentence);
    end(&run);
}

static void on_a_full_disk_an_append_fails_whole_and_works_again_when_there_is_space(void **state)
{
    static const uint64_t rooms[] = {1,    7,    63,   64,   65,    100,   511,   512,   513,
                                     1000, 4095, 4096, 4097, 10000, 65536, 70000, 140000};
    struct sim_explorer explorer = {.limit = UINT64_MAX, .second_one_in = 60};

    (void)state;
    explorer.seed = test_rng_seed(__func__);
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms && !explorer.failed; i++)
        for (int size = 0; size < SIM_NESTED && !explorer.failed; size++)
            fill_disk(&explorer, rooms[i], (enum sim_batch_size)size);
    sim_explore_report(&explorer, stdout);
    assert_false(explorer.failed);
}

int main(void)
{
    struct CMUnitTest tests[sizeof ways / sizeof *ways + 1] = {
        cmocka_unit_test(on_a_full_disk_an_append_fails_whole_and_works_again_when_there_is_space),
    };

    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        tests[i + 1] =
            (struct CMUnitTest){.name = ways[i].sentence,
                                .test_func = what_was_acknowledged_outlives_a_failed_sync,
                                .initial_state = (void *)(uintptr_t)&ways[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
