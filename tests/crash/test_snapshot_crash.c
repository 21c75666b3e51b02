/*
 * Power cuts while a snapshot is written, at each of its calls, on the simulated disk: the journal
 * opens in every state that is looked at, shows what its log holds, and goes on.
 */
#include "tests/support/cases.h"
#include "tests/support/described.h"
#include "tests/support/history_store.h"
#include "tests/support/sim_explore.h"

/* A journal with one snapshot; what was appended since is durable, or not. */
struct rig {
    struct sim_disk *disk;
    struct sim_process *process;
    struct history_store s;
    size_t durable; /* records */
    uint64_t seed;
};

static void rig_begin(struct rig *rig, uint64_t seed)
{
    rig->seed = seed;
    rig->disk = sim_explore_disk(seed);
    rig->process = sim_process_new(rig->disk);
    history_store_begin(&rig->s, sim_process_io(rig->process), SIM_JOURNAL, seed);
    history_store_add(&rig->s, 12, AVJ_DURABLE);
    (void)history_store_snapshot(&rig->s);
    history_store_add(&rig->s, 6, AVJ_DURABLE);
    rig->durable = rig->s.records.count;
    history_store_add(&rig->s, seed % 2 ? 6 : 0, AVJ_RELAXED);
}

static void rig_end(struct rig *rig)
{
    history_store_end(&rig->s);
    sim_process_free(rig->process);
    sim_disk_free(rig->disk);
}

/* ---- one state that the disk may be in ---- */

/* More is appended, snapshots are taken, and all of it is there again. */
static void goes_on(struct history_store *s, struct avj_store *store, const char *what)
{
    struct avj_error err = {0};
    char id[AVJ_ID_TEXT];
    uint8_t before[16], after[16];
    for (int i = 0; i < 4; i++)
        assert_ok(avj_thread_new(store, "after the cut", id, &err), err);
    assert_ok(avj_store_snapshot(store, NULL, &err), err);
    assert_ok(avj_thread_new(store, "after that", id, &err), err);
    avj_view_digest(store->view, before);
    uint64_t last = store->view->last_seq;
    avj_store_close(store);
    struct avj_store_options options = history_store_options(s);
    assert_ok(avj_store_open(SIM_JOURNAL, &options, &store, &err), err);
    avj_view_digest(store->view, after);
    if (store->snapshot_seq != last - 1 || memcmp(before, after, sizeof(before)) != 0)
        fail_msg("%s: it does not go on", what);
    avj_store_close(store);
}

static void look(struct rig *rig, struct sim_disk *disk, const char *what)
{
    struct avj_error err = {0};
    struct avj_store *store;
    struct sim_process *process = sim_process_new(disk);
    struct avj_store_options options = history_store_options(&rig->s);
    const struct avj_io *io = rig->s.io;
    options.journal.io = rig->s.io = sim_process_io(process);
    if (avj_store_open(SIM_JOURNAL, &options, &store, &err) != AVJ_OK)
        fail_msg("%s: %s", what, err.message);
    if (store->view->last_seq < rig->durable)
        fail_msg("%s: record %llu of %zu is the last", what,
                 (unsigned long long)store->view->last_seq, rig->durable);
    assert_true(history_store_shows(&rig->s, store, store->view->last_seq, what));
    goes_on(&rig->s, store, what);
    rig->s.io = io;
    sim_process_free(process);
}

static uint64_t states;

/* The states of this moment, one of each kind. */
static void look_at_states(struct rig *rig, const char *when)
{
    struct sim_unit *units;
    struct test_rng rng;
    size_t count = sim_units(rig->disk, &units);
    uint8_t *ways = calloc(count + 1, 1);
    assert_non_null(ways);
    test_rng_init(&rng, rig->seed);
    for (int preset = 0; preset < SIM_PRESETS; preset++) {
        char what[100];
        snprintf(what, sizeof(what), "seed %llu, %s, state %d", (unsigned long long)rig->seed, when,
                 preset);
        sim_choose((enum sim_preset)preset, units, count, &rng, ways);
        struct sim_disk *crashed = sim_crash(rig->disk, ways, count);
        look(rig, crashed, what);
        sim_disk_free(crashed);
        states++;
    }
    free(ways);
    free(units);
}

/* ---- the moments ---- */

/* False: it has fewer calls. */
static bool cut_at(uint64_t seed, uint64_t call)
{
    struct rig rig;
    char when[40];
    rig_begin(&rig, seed);
    snprintf(when, sizeof(when), "call %llu", (unsigned long long)call);
    sim_power_off_at(rig.disk, call);
    bool cut = avj_store_snapshot(rig.s.store, NULL, NULL) != AVJ_OK;
    if (!cut) /* whole, or pruning was cut short, which nobody needs to know */
        rig.durable = rig.s.records.count;
    sim_power_off_at(rig.disk, 0);
    look_at_states(&rig, when);
    rig_end(&rig);
    return cut;
}

static void the_power_goes_at_every_call(void **state)
{
    (void)state;
    for (uint64_t seed = 40; seed < 42; seed++) {
        uint64_t call = 1;
        while (cut_at(seed, call))
            call++;
        for (uint64_t behind = 0; behind < 8; behind++) /* pruning */
            (void)cut_at(seed, call + behind);
        assert_true(call > 10);
    }
    print_message("%llu states\n", (unsigned long long)states);
}

/* As the background writes it: of records that are not durable yet. */
static void put_unsynced(struct rig *rig)
{
    const struct avj_io *io = rig->s.io;
    struct avj_journal_info info;
    uint64_t bytes;
    char *path = history_store_snapshot_path(&rig->s, rig->s.records.count, ".snap");
    assert_int_equal(avj_journal_info(avj_store_journal(rig->s.store), &info, NULL), AVJ_OK);
    int file = io->open(io->ctx, path, AVJ_OPEN_WRITE | AVJ_OPEN_CREATE | AVJ_OPEN_EXCL);
    assert_true(file >= 0);
    assert_int_equal(avj_snapshot_put(rig->s.store->view, io, file, info.journal_id, &bytes, NULL),
                     AVJ_OK);
    assert_int_equal(io->close(io->ctx, file), 0);
    assert_int_equal(io->sync_dir(io->ctx, SIM_JOURNAL "/snapshots"), 0);
    free(path);
}

static void a_snapshot_may_be_ahead_of_what_is_durable(void **state)
{
    (void)state;
    for (uint64_t seed = 51; seed < 71; seed += 2) {
        struct rig rig;
        rig_begin(&rig, seed);
        assert_true(rig.s.records.count > rig.durable);
        put_unsynced(&rig);
        look_at_states(&rig, "ahead");
        rig_end(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_power_goes_at_every_call),
        cmocka_unit_test(a_snapshot_may_be_ahead_of_what_is_durable),
    };
    return cmocka_run_group_tests_name("snapshots and power cuts", tests, NULL, NULL);
}
