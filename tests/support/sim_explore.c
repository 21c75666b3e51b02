/* States after power cuts, and what a journal makes of them: see sim_explore.h. */
#include "tests/support/sim_explore.h"

#include "tests/support/sim_rot.h"

#include <stdlib.h>
#include <string.h>

struct avj_journal_options sim_options(const struct avj_io *io)
{
    return (struct avj_journal_options){
        .io = io,
        .compression_level = 1,
        .segment_target = 64 * 1024,
        .lock_timeout_ms = 60000,
        .no_background = true,
    };
}

struct sim_disk *sim_explore_disk(uint64_t seed)
{
    struct sim_disk *disk = sim_disk_new(seed);
    struct sim_process *process = sim_process_new(disk);
    const struct avj_io *io = sim_process_io(process);

    if (io->mkdir(io->ctx, "/home") != 0 || io->sync_dir(io->ctx, "/") != 0)
        abort();
    sim_process_free(process);
    return disk;
}

void sim_explore_report(const struct sim_explorer *x, FILE *out)
{
    fprintf(out,
            "%llu states (%llu of them after a second crash during recovery) of %llu moments, %llu "
            "of which in every state\n",
            (unsigned long long)x->states, (unsigned long long)x->second,
            (unsigned long long)x->moments, (unsigned long long)x->exhausted);
}

void sim_explore_wrong(struct sim_explorer *x, const struct sim_disk *disk, const char *what,
                       const char *why)
{
    fflush(stdout);
    if (!x->failed)
        fprintf(stderr, "WRONG, AVJ_TEST_SEED=%llu, state %llu: %s: %s\n",
                (unsigned long long)x->seed, (unsigned long long)x->states, what, why);
    x->failed = true;
    if (disk)
        sim_trace_print(disk, what, stderr);
}

/* ---- one state ---- */

/* A journal's recovery on one disk. */
struct recovery {
    struct sim_explorer *explorer;
    struct sim_disk *disk;
    struct sim_process *process;
    struct avj_journal *journal;
    struct sim_ledger ledger;
    struct sim_relaxed relaxed;
    struct sim_reading reading;
    struct avj_error err;
    uint64_t seen; /* changes of the disk when it was last looked at */
    const char *what;
};

static bool wrong(struct recovery *r, const char *what)
{
    sim_explore_wrong(r->explorer, r->disk, what, r->err.message);
    return false;
}

static bool open_it(struct recovery *r)
{
    const struct avj_io *io = sim_process_io(r->process);
    struct avj_journal_options options = sim_options(io);
    enum avj_status status = avj_journal_open(SIM_JOURNAL, &options, &r->journal, &r->err);

    if (status == AVJ_ENOTJOURNAL && !r->ledger.created) {
        if (avj_journal_create(SIM_JOURNAL, &options, &r->err) != AVJ_OK)
            return wrong(r, "no journal is there and none can be made");
        r->ledger.created = true;
        status = avj_journal_open(SIM_JOURNAL, &options, &r->journal, &r->err);
    }
    if (status != AVJ_OK)
        return wrong(r, "open");
    r->ledger.created = true;
    return true;
}

static bool read_it(struct recovery *r, const char *when)
{
    if (sim_read(r->journal, &r->reading, &r->err) != AVJ_END)
        return wrong(r, when);
    if (sim_ledger_verify(&r->ledger, &r->reading, &r->err) != AVJ_OK)
        return wrong(r, when);
    return true;
}

static bool append_to_it(struct recovery *r, enum sim_batch_size size,
                         enum avj_durability durability)
{
    uint64_t before = r->ledger.at.count, last;

    if (sim_ledger_append(&r->ledger, &r->relaxed, r->process, r->journal, size, durability,
                          &r->err) != AVJ_OK)
        return wrong(r, "append after recovery");
    last = r->relaxed.last;
    if (last - before > SIM_BATCH_MAX || last <= before) {
        (void)avj_fail(&r->err, AVJ_EFORMAT, "number %llu, where %llu were there",
                       (unsigned long long)last, (unsigned long long)before);
        return wrong(r, "append after recovery");
    }
    return true;
}

/* Nothing is written by who only looks. */
static bool look_without_writing(struct recovery *r)
{
    struct sim_process *process = sim_process_new(r->disk);
    struct avj_journal_options options = sim_options(sim_process_io(process));
    struct avj_journal *journal = NULL;
    uint64_t changes = sim_changes(r->disk);
    size_t before = r->reading.tags.count;
    bool good = true;

    options.read_only = true;
    if (avj_journal_open(SIM_JOURNAL, &options, &journal, &r->err) != AVJ_OK ||
        sim_read(journal, &r->reading, &r->err) != AVJ_END ||
        sim_ledger_verify(&r->ledger, &r->reading, &r->err) != AVJ_OK)
        good = wrong(r, "read-only");
    else if (changes != sim_changes(r->disk) || before != r->reading.tags.count) {
        (void)avj_fail(&r->err, AVJ_EFORMAT, "the disk was changed, or other records are there");
        good = wrong(r, "read-only");
    }
    avj_journal_close(journal);
    sim_process_free(process);
    return good;
}

static bool close_it(struct recovery *r)
{
    avj_journal_close(r->journal);
    r->journal = NULL;
    if (sim_open_files(r->process) == 0)
        return true;
    (void)avj_fail(&r->err, AVJ_EFORMAT, "files are left open");
    return wrong(r, "close");
}

/* Opens, reads, goes on, reads all again; by the same handle and by a new one. */
static bool recover(struct recovery *r)
{
    bool twice = test_rng_below(&r->explorer->rng, 4) == 0;

    if (!open_it(r) || !read_it(r, "after recovery"))
        return false;
    sim_ledger_adopt(&r->ledger, &r->reading);
    if (test_rng_below(&r->explorer->rng, 8) == 0 && !look_without_writing(r))
        return false;
    if (twice && !append_to_it(r, SIM_SMALL, AVJ_RELAXED))
        return false;
    if (!append_to_it(r, SIM_TINY, AVJ_DURABLE) || !read_it(r, "after recovery and an append"))
        return false;
    if (!close_it(r))
        return false;
    return !twice || (open_it(r) && read_it(r, "opened once more") && close_it(r));
}

static bool some_states(struct sim_explorer *x, struct sim_disk *disk,
                        const struct sim_ledger *ledger);

/* Does the call change the disk?  Between two of those no moment differs from another. */
static bool changes(enum fault_call call)
{
    return call != SIM_SLEEP &&
           (FAULT_IN(call) &
            (FAULT_IN(FAULT_PWRITE) | FAULT_IN(FAULT_SYNC) | FAULT_IN(FAULT_SYNC_DIR) |
             FAULT_IN(FAULT_RENAME) | FAULT_IN(FAULT_UNLINK) | FAULT_IN(FAULT_MKDIR))) != 0;
}

static void again(void *arg, struct sim_process *process, enum fault_call call)
{
    struct recovery *r = arg;

    if (!changes(call) || sim_changes(r->disk) == r->seen || r->explorer->failed)
        return;
    r->seen = sim_changes(r->disk);
    if (some_states(r->explorer, r->disk, &r->ledger))
        return;
    sim_trace_print(r->disk, "the second crash came during this recovery", stderr);
    sim_kill(process);
}

/* Takes the disk. */
static bool check_state(struct sim_explorer *x, struct sim_disk *disk,
                        const struct sim_ledger *ledger, bool crash_again)
{
    struct recovery r = {.explorer = x, .disk = disk};
    bool good;

    sim_ledger_copy(&r.ledger, ledger);
    r.process = sim_process_new(disk);
    x->states++;
    if (crash_again)
        sim_set_hook(disk, again, &r);
    good = recover(&r);
    avj_journal_close(r.journal);
    sim_process_free(r.process);
    sim_disk_free(disk);
    sim_ledger_release(&r.ledger);
    sim_relaxed_release(&r.relaxed);
    sim_reading_release(&r.reading);
    return good && !x->failed;
}

/* ---- many states ---- */

struct moment {
    struct sim_disk *disk;
    const struct sim_ledger *ledger;
    struct sim_unit *units;
    size_t count;
    uint8_t *ways;
    bool first; /* not within a recovery */
};

static struct moment look_at(struct sim_disk *disk, const struct sim_ledger *ledger)
{
    struct moment m = {.disk = disk, .ledger = ledger};

    m.count = sim_units(disk, &m.units);
    m.ways = calloc(m.count + 1, 1);
    if (!m.ways)
        abort();
    return m;
}

static bool check_choice(struct sim_explorer *x, const struct moment *m)
{
    bool crash_again =
        m->first && x->second_one_in > 0 && test_rng_below(&x->rng, x->second_one_in) == 0;

    if (x->states >= x->limit || x->failed)
        return !x->failed;
    if (!m->first)
        x->second++;
    if (check_state(x, sim_crash(m->disk, m->ways, m->count), m->ledger, crash_again))
        return true;
    fprintf(stderr, "what became of what was not durable:\n");
    sim_units_print(m->units, m->count, m->ways, stderr);
    sim_trace_print(m->disk, "before the crash", stderr);
    return false;
}

static bool check_all(struct sim_explorer *x, struct moment *m)
{
    memset(m->ways, 0, m->count);
    do {
        if (!check_choice(x, m))
            return false;
    } while (sim_next_choice(m->units, m->count, m->ways));
    return true;
}

static bool check_preset(struct sim_explorer *x, struct moment *m, enum sim_preset preset)
{
    sim_choose(preset, m->units, m->count, &x->rng, m->ways);
    return check_choice(x, m);
}

static void release_moment(struct moment *m)
{
    free(m->units);
    free(m->ways);
}

/* Everything has reached the disk, the witness of the last sync too, and then a bit rots: what was
 * durable is there, or the journal says that it is damaged. */
static enum avj_status read_rotten(struct recovery *r)
{
    struct avj_journal_options options = sim_options(sim_process_io(r->process));
    enum avj_status status = avj_journal_open(SIM_JOURNAL, &options, &r->journal, &r->err);

    if (status == AVJ_OK)
        status = sim_read(r->journal, &r->reading, &r->err);
    if (status == AVJ_END)
        status = sim_ledger_verify(&r->ledger, &r->reading, &r->err);
    return status;
}

static bool check_rot(struct sim_explorer *x, struct moment *m)
{
    struct recovery r = {.explorer = x};
    enum avj_status status = AVJ_OK;

    sim_choose(SIM_EVERYTHING, m->units, m->count, &x->rng, m->ways);
    r.disk = sim_crash(m->disk, m->ways, m->count);
    sim_ledger_copy(&r.ledger, m->ledger);
    if (sim_rot(r.disk, &x->rng)) {
        x->states++;
        r.process = sim_process_new(r.disk);
        status = read_rotten(&r);
        avj_journal_close(r.journal);
        sim_process_free(r.process);
    }
    if (status != AVJ_OK && status != AVJ_ECORRUPT) {
        (void)wrong(&r, "a bit has rotted and nothing says so");
        sim_trace_print(m->disk, "before that", stderr);
    }
    sim_disk_free(r.disk);
    sim_ledger_release(&r.ledger);
    sim_relaxed_release(&r.relaxed);
    sim_reading_release(&r.reading);
    return !x->failed;
}

/* Second crashes: few states a moment, but at every call. */
static bool some_states(struct sim_explorer *x, struct sim_disk *disk,
                        const struct sim_ledger *ledger)
{
    struct moment m = look_at(disk, ledger);
    bool good;

    if (sim_choices(m.units, m.count, 5) <= 4)
        good = check_all(x, &m);
    else
        good = check_preset(x, &m, SIM_NOTHING) && check_preset(x, &m, SIM_EVERYTHING) &&
               check_preset(x, &m, SIM_HALF) &&
               check_preset(x, &m, (enum sim_preset)test_rng_below(&x->rng, SIM_PRESETS));
    release_moment(&m);
    return good;
}

/* Each preset once, the random ones three times. */
static bool check_presets(struct sim_explorer *x, struct moment *m)
{
    for (int preset = 0; preset < SIM_PRESETS; preset++) {
        int times = preset == SIM_HALF || preset == SIM_MOST || preset == SIM_PREFIX ? 3 : 1;
        while (times-- > 0)
            if (!check_preset(x, m, (enum sim_preset)preset))
                return false;
    }
    return true;
}

static bool check_moment(struct sim_explorer *x, struct moment *m)
{
    uint64_t choices = sim_choices(m->units, m->count, SIM_MANY + 1);
    bool all = choices <= SIM_SOME || (choices <= SIM_MANY && x->full_one_in > 0 &&
                                       test_rng_below(&x->rng, x->full_one_in) == 0);

    if (!all)
        return check_presets(x, m);
    x->exhausted++;
    return check_all(x, m);
}

static bool check_rots(struct sim_explorer *x, struct moment *m)
{
    for (int i = 0; i < x->rots && m->ledger->durable > 0; i++)
        if (!check_rot(x, m))
            return false;
    return true;
}

bool sim_explore(struct sim_explorer *x, struct sim_disk *disk, const struct sim_ledger *ledger)
{
    struct moment m = look_at(disk, ledger);
    bool good;

    m.first = true;
    x->moments++;
    good = x->rots > 0 ? check_rots(x, &m) : check_moment(x, &m);
    release_moment(&m);
    return good;
}

bool sim_explore_live(struct sim_explorer *x, struct sim_disk *disk,
                      const struct sim_ledger *ledger)
{
    struct recovery r = {.explorer = x, .disk = disk, .process = sim_process_new(disk)};
    bool good;

    sim_ledger_copy(&r.ledger, ledger);
    sim_ledger_durable(&r.ledger, r.ledger.at.count);
    good = open_it(&r) && read_it(&r, "opened without a crash") && close_it(&r);
    avj_journal_close(r.journal);
    sim_process_free(r.process);
    sim_ledger_release(&r.ledger);
    sim_relaxed_release(&r.relaxed);
    sim_reading_release(&r.reading);
    return good && !x->failed;
}
