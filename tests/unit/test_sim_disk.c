/* The simulated disk itself: what a power cut, a kill, a failing sync and a full disk leave, and
 * that it lets nobody get away with less than POSIX asks for. */
#include "tests/support/cases.h"
#include "tests/support/sim_disk.h"

#include <errno.h>

/* A disk and one process on it. */
struct rig {
    struct sim_disk *disk;
    struct sim_process *process;
    const struct avj_io *io;
};

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);

    if (!rig)
        return -1;
    rig->disk = sim_disk_new(7);
    rig->process = sim_process_new(rig->disk);
    rig->io = sim_process_io(rig->process);
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;

    sim_process_free(rig->process);
    sim_disk_free(rig->disk);
    free(rig);
    return 0;
}

#define SIM_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static int file_of(struct rig *rig, const char *path)
{
    int file = rig->io->open(rig->io->ctx, path, AVJ_OPEN_WRITE | AVJ_OPEN_CREATE);

    assert_true(file >= 0);
    return file;
}

static void put(struct rig *rig, int file, const char *text, uint64_t offset)
{
    assert_int_equal(rig->io->pwrite(rig->io->ctx, file, text, strlen(text), offset), strlen(text));
}

static void sync_file(struct rig *rig, int file)
{
    assert_int_equal(rig->io->sync(rig->io->ctx, file), 0);
}

static void sync_root(struct rig *rig)
{
    assert_int_equal(rig->io->sync_dir(rig->io->ctx, "/"), 0);
}

/* A file with that text, all of it durable; left open. */
static int durable_file(struct rig *rig, const char *path, const char *text)
{
    int file = file_of(rig, path);

    put(rig, file, text, 0);
    sync_file(rig, file);
    sync_root(rig);
    return file;
}

/* The file as text, "-" where there is none; NULs are shown as '.'. */
static const char *text_by(const struct avj_io *io, const char *path)
{
    static char text[8192];
    int file = io->open(io->ctx, path, AVJ_OPEN_READ);
    size_t got = 0;

    if (file < 0)
        return "-";
    assert_int_equal(avj_io_read_full(io, file, text, sizeof text - 1, 0, &got), 0);
    io->close(io->ctx, file);
    for (size_t i = 0; i < got; i++)
        if (text[i] == 0)
            text[i] = '.';
    text[got] = 0;
    return text;
}

static const char *text_on(struct sim_disk *disk, const char *path)
{
    struct sim_process *process = sim_process_new(disk);
    const char *text = text_by(sim_process_io(process), path);

    sim_process_free(process);
    return text;
}

/* The power goes; how much was not durable, and what the file then is in a state that `preset`
 * makes. */
static size_t undecided(struct rig *rig)
{
    struct sim_unit *units;
    size_t count = sim_units(rig->disk, &units);

    free(units);
    return count;
}

static struct sim_disk *crash(struct rig *rig, enum sim_preset preset)
{
    struct sim_unit *units;
    size_t count = sim_units(rig->disk, &units);
    uint8_t *ways = calloc(count + 1, 1);
    struct test_rng rng;
    struct sim_disk *after;

    assert_non_null(ways);
    test_rng_init(&rng, 1);
    sim_choose(preset, units, count, &rng, ways);
    after = sim_crash(rig->disk, ways, count);
    free(ways);
    free(units);
    return after;
}

static void assert_after(struct rig *rig, enum sim_preset preset, const char *path,
                         const char *wanted)
{
    struct sim_disk *after = crash(rig, preset);

    assert_string_equal(text_on(after, path), wanted);
    sim_disk_free(after);
}

/* How many of all states show that text. */
static unsigned states_with(struct rig *rig, const char *path, const char *text, unsigned *of)
{
    struct sim_unit *units;
    size_t count = sim_units(rig->disk, &units);
    uint8_t *ways = calloc(count + 1, 1);
    unsigned found = 0;

    assert_non_null(ways);
    *of = 0;
    do {
        struct sim_disk *after = sim_crash(rig->disk, ways, count);
        ++*of;
        found += strcmp(text_on(after, path), text) == 0;
        sim_disk_free(after);
    } while (sim_next_choice(units, count, ways));
    free(ways);
    free(units);
    return found;
}

/* ---- power cuts ---- */

static void what_was_synced_with_its_name_is_there_in_every_state(void **state)
{
    struct rig *rig = *state;

    durable_file(rig, "/a", "hello");
    assert_int_equal(undecided(rig), 0);
    assert_after(rig, SIM_NOTHING, "/a", "hello");
    assert_after(rig, SIM_EVERYTHING, "/a", "hello");
}

static void a_writer_that_does_not_sync_loses_data(void **state)
{
    struct rig *rig = *state;
    int file = durable_file(rig, "/a", "hello");
    unsigned of;

    put(rig, file, " world", 5);
    assert_string_equal(text_by(rig->io, "/a"), "hello world");
    assert_after(rig, SIM_EVERYTHING, "/a", "hello world");
    assert_after(rig, SIM_NOTHING, "/a", "hello");
    /* One piece and the size: lost, there, or only as long. */
    assert_int_equal(states_with(rig, "/a", "hello......", &of), 1);
    assert_int_equal(of, 4);
    sync_file(rig, file);
    assert_after(rig, SIM_NOTHING, "/a", "hello world");
}

static void a_synced_file_may_lose_its_name_until_the_directory_is_synced(void **state)
{
    struct rig *rig = *state;
    int file = file_of(rig, "/a");

    put(rig, file, "hello", 0);
    sync_file(rig, file);
    assert_after(rig, SIM_NOTHING, "/a", "-");
    assert_after(rig, SIM_EVERYTHING, "/a", "hello");
    sync_root(rig);
    assert_after(rig, SIM_NOTHING, "/a", "hello");
}

static void a_name_may_be_there_without_the_content(void **state)
{
    struct rig *rig = *state;

    put(rig, file_of(rig, "/a"), "hello", 0);
    sync_root(rig);
    assert_after(rig, SIM_NOTHING, "/a", "");
    assert_after(rig, SIM_DATA_ONLY, "/a", "hello");
}

static void a_rename_without_a_sync_of_the_directory_happened_or_not(void **state)
{
    struct rig *rig = *state;
    unsigned of;

    durable_file(rig, "/a", "old");
    durable_file(rig, "/b", "new");
    assert_int_equal(rig->io->rename(rig->io->ctx, "/b", "/a"), 0);
    assert_string_equal(text_by(rig->io, "/b"), "-");
    assert_int_equal(states_with(rig, "/a", "old", &of), 1);
    assert_int_equal(states_with(rig, "/a", "new", &of), 1);
    assert_int_equal(of, 2);
    assert_after(rig, SIM_NOTHING, "/b", "new");
    sync_root(rig);
    assert_after(rig, SIM_NOTHING, "/a", "new");
    assert_after(rig, SIM_NOTHING, "/b", "-");
}

/* Created and renamed, neither durable: under the new name, the old one, or gone. */
static void a_rename_may_be_there_without_the_creation_before_it(void **state)
{
    struct rig *rig = *state;
    int file = file_of(rig, "/a");
    unsigned of;

    put(rig, file, "x", 0);
    sync_file(rig, file);
    assert_int_equal(rig->io->rename(rig->io->ctx, "/a", "/b"), 0);
    assert_int_equal(states_with(rig, "/b", "x", &of), 2);
    assert_int_equal(states_with(rig, "/a", "x", &of), 1);
    assert_int_equal(of, 4);
}

static void move_over_another(struct rig *rig)
{
    assert_int_equal(rig->io->mkdir(rig->io->ctx, "/d"), 0);
    durable_file(rig, "/d/a", "old");
    assert_int_equal(rig->io->sync_dir(rig->io->ctx, "/d"), 0);
    durable_file(rig, "/b", "new");
    assert_int_equal(rig->io->rename(rig->io->ctx, "/b", "/d/a"), 0);
    assert_string_equal(text_by(rig->io, "/b"), "-");
    assert_string_equal(text_by(rig->io, "/d/a"), "new");
}

static void a_file_that_is_moved_to_another_directory_is_never_lost(void **state)
{
    struct rig *rig = *state;
    unsigned of;

    move_over_another(rig);
    /* Neither; the new name, with or without the old one. */
    assert_int_equal(states_with(rig, "/d/a", "old", &of), 2);
    assert_int_equal(states_with(rig, "/b", "new", &of), 3);
    assert_int_equal(states_with(rig, "/b", "-", &of), 1);
    assert_int_equal(of, 4);
    assert_int_equal(rig->io->sync_dir(rig->io->ctx, "/d"), 0);
    assert_after(rig, SIM_NOTHING, "/d/a", "new");
    assert_after(rig, SIM_NOTHING, "/b", "new");
    assert_after(rig, SIM_EVERYTHING, "/b", "-");
}

static void a_sync_of_the_directory_it_comes_from_makes_a_move_durable(void **state)
{
    struct rig *rig = *state;

    move_over_another(rig);
    assert_int_equal(rig->io->rename(rig->io->ctx, "/d/a", "/b"), 0);
    assert_int_equal(rig->io->rename(rig->io->ctx, "/b", "/d/a"), 0);
    sync_root(rig);
    assert_int_equal(undecided(rig), 0);
    assert_after(rig, SIM_NOTHING, "/d/a", "new");
    assert_after(rig, SIM_NOTHING, "/b", "-");
}

static void an_unlink_without_a_sync_may_be_undone(void **state)
{
    struct rig *rig = *state;

    durable_file(rig, "/a", "x");
    assert_int_equal(rig->io->unlink(rig->io->ctx, "/a"), 0);
    assert_string_equal(text_by(rig->io, "/a"), "-");
    assert_after(rig, SIM_NOTHING, "/a", "x");
    sync_root(rig);
    assert_after(rig, SIM_NOTHING, "/a", "-");
}

static void a_directory_that_is_lost_takes_its_files_along(void **state)
{
    struct rig *rig = *state;
    int file;

    assert_int_equal(rig->io->mkdir(rig->io->ctx, "/d"), 0);
    file = file_of(rig, "/d/a");
    put(rig, file, "x", 0);
    sync_file(rig, file);
    assert_int_equal(rig->io->sync_dir(rig->io->ctx, "/d"), 0);
    assert_after(rig, SIM_NOTHING, "/d/a", "-");
    sync_root(rig);
    assert_after(rig, SIM_NOTHING, "/d/a", "x");
}

/* The text is cut at offsets 512 and 1024; each piece by itself. */
static void a_write_is_torn_where_sectors_meet(void **state)
{
    struct rig *rig = *state;
    int file = file_of(rig, "/a");
    char text[1001], middle[1500];
    unsigned of;

    memset(text, 'x', 1000);
    text[1000] = 0;
    put(rig, file, text, 400);
    sync_root(rig);
    assert_int_equal(undecided(rig), 3 + 1); /* and the size */
    memset(middle, '.', sizeof middle);
    memset(middle + 512, 'x', 512);
    middle[1024] = 0;
    assert_int_equal(states_with(rig, "/a", middle, &of), 1);
    middle[1024] = '.';
    middle[1400] = 0;
    assert_int_equal(states_with(rig, "/a", middle, &of), 1);
    assert_int_equal(of, 16);
}

static void a_piece_that_was_overwritten_is_lost_or_there_in_one_of_its_versions(void **state)
{
    struct rig *rig = *state;
    int file = durable_file(rig, "/a", "0");
    unsigned of;

    put(rig, file, "1", 0);
    put(rig, file, "2", 0);
    assert_int_equal(undecided(rig), 1);
    assert_int_equal(states_with(rig, "/a", "0", &of), 1);
    assert_int_equal(states_with(rig, "/a", "1", &of), 1);
    assert_int_equal(states_with(rig, "/a", "2", &of), 1);
    assert_int_equal(of, 3);
    for (int i = 0; i < 20; i++)
        put(rig, file, i % 2 ? "1" : "2", 0);
    assert_int_equal(undecided(rig), 1);
    assert_after(rig, SIM_EVERYTHING, "/a", "1");
}

static void later_pieces_lie_over_earlier_ones(void **state)
{
    struct rig *rig = *state;
    int file = durable_file(rig, "/a", "......");
    unsigned of;

    put(rig, file, "abcd", 0);
    put(rig, file, "XY", 2);
    put(rig, file, "cdef", 2);
    put(rig, file, "1234", 0);
    assert_string_equal(text_by(rig->io, "/a"), "1234ef");
    assert_after(rig, SIM_EVERYTHING, "/a", "1234ef");
    assert_int_equal(states_with(rig, "/a", "abcdef", &of), 2);
    assert_int_equal(states_with(rig, "/a", "abXY..", &of), 1);
    assert_int_equal(states_with(rig, "/a", "1234..", &of), 4);
    assert_int_equal(of, 16);
}

static void zeros_written_ahead_are_nothing_but_a_size(void **state)
{
    struct rig *rig = *state;
    int file = durable_file(rig, "/a", "x");
    char zeros[1000] = {0};

    assert_int_equal(rig->io->pwrite(rig->io->ctx, file, zeros, sizeof zeros, 1), sizeof zeros);
    assert_int_equal(undecided(rig), 1);
    assert_after(rig, SIM_NOTHING, "/a", "x");
    assert_int_equal(rig->io->size(rig->io->ctx, file), 1001);
}

static void a_crash_leaves_the_disk_it_was_made_from_as_it_is(void **state)
{
    struct rig *rig = *state;
    int file = durable_file(rig, "/a", "hello");
    struct sim_disk *after;
    struct sim_process *other;
    const struct avj_io *io;
    int theirs;

    put(rig, file, "j", 0);
    after = crash(rig, SIM_NOTHING);
    other = sim_process_new(after);
    io = sim_process_io(other);
    theirs = io->open(io->ctx, "/a", AVJ_OPEN_WRITE);
    assert_int_equal(io->pwrite(io->ctx, theirs, "bY", 2, 0), 2);
    assert_int_equal(io->sync(io->ctx, theirs), 0);
    assert_string_equal(text_by(io, "/a"), "bYllo");
    assert_string_equal(text_by(rig->io, "/a"), "jello");
    assert_after(rig, SIM_NOTHING, "/a", "hello");
    sim_process_free(other);
    sim_disk_free(after);
}

static void the_boot_id_changes_with_a_crash_and_only_then(void **state)
{
    struct rig *rig = *state;
    struct sim_process *other = sim_process_new(rig->disk), *later;
    struct sim_disk *after;
    uint8_t one[16], two[16], three[16];

    rig->io->boot_id(rig->io->ctx, one);
    sim_process_io(other)->boot_id(sim_process_io(other)->ctx, two);
    after = crash(rig, SIM_EVERYTHING);
    later = sim_process_new(after);
    sim_process_io(later)->boot_id(sim_process_io(later)->ctx, three);
    assert_memory_equal(one, two, 16);
    assert_memory_not_equal(one, three, 16);
    sim_process_free(other);
    sim_process_free(later);
    sim_disk_free(after);
}

static void the_power_goes_at_a_chosen_call_and_nothing_is_done_any_more(void **state)
{
    struct rig *rig = *state;
    int file = durable_file(rig, "/a", "hello");

    sim_power_off_at(rig->disk, 2);
    put(rig, file, "j", 0);
    assert_int_equal(rig->io->sync(rig->io->ctx, file), -EIO);
    assert_int_equal(rig->io->pwrite(rig->io->ctx, file, "b", 1, 0), -EIO);
    assert_int_equal(rig->io->sync(rig->io->ctx, file), -EIO);
    assert_after(rig, SIM_NOTHING, "/a", "hello");
    assert_after(rig, SIM_EVERYTHING, "/a", "jello");
}

static void what_the_system_wrote_back_by_itself_is_durable(void **state)
{
    struct rig *rig = *state;

    put(rig, file_of(rig, "/a"), "hello", 0);
    for (int i = 0; i < 30; i++)
        sim_write_back(rig->disk);
    assert_int_equal(undecided(rig), 0);
    assert_after(rig, SIM_NOTHING, "/a", "hello");
}

/* The number of states and how often each preset finds what it is meant to. */
static void every_preset_makes_choices_that_exist(void **state)
{
    struct rig *rig = *state;
    struct test_rng rng;
    struct sim_unit *units;
    uint8_t ways[64];
    size_t count;

    put(rig, file_of(rig, "/a"), "hello", 0);
    put(rig, file_of(rig, "/b"), "hello", 2000);
    put(rig, file_of(rig, "/b"), "again", 2000);
    count = sim_units(rig->disk, &units);
    assert_int_equal(count, 2 + 2 + 2);
    assert_int_equal(sim_choices(units, count, 1000), 2 * 2 * 2 * 2 * 2 * 3);
    assert_int_equal(sim_choices(units, count, 50), 50);
    test_rng_init(&rng, 3);
    for (int preset = 0; preset < SIM_PRESETS; preset++)
        for (int i = 0; i < 50; i++) {
            sim_choose((enum sim_preset)preset, units, count, &rng, ways);
            for (size_t k = 0; k < count; k++)
                assert_true(ways[k] < units[k].ways ||
                            (units[k].kind == SIM_SIZE && ways[k] < SIM_SIZE_WAYS));
            sim_disk_free(sim_crash(rig->disk, ways, count));
        }
    free(units);
}

/* ---- processes ---- */

static void a_kill_takes_files_and_locks_but_nothing_that_was_written(void **state)
{
    struct rig *rig = *state;
    struct sim_process *other = sim_process_new(rig->disk);
    const struct avj_io *io = sim_process_io(other);
    int mine = file_of(rig, "/a"), theirs = io->open(io->ctx, "/a", AVJ_OPEN_WRITE);

    assert_int_equal(io->try_lock(io->ctx, theirs), AVJ_LOCK_TAKEN);
    assert_int_equal(rig->io->try_lock(rig->io->ctx, mine), AVJ_LOCK_BUSY);
    assert_int_equal(io->pwrite(io->ctx, theirs, "x", 1, 0), 1);
    sim_kill_at(other, 2);
    assert_int_equal(io->size(io->ctx, theirs), 1);
    assert_int_equal(io->pwrite(io->ctx, theirs, "y", 1, 0), -EIO);
    assert_true(sim_killed(other));
    assert_int_equal(sim_open_files(other), 0);
    assert_int_equal(io->open(io->ctx, "/a", AVJ_OPEN_READ), -EIO);
    assert_int_equal(rig->io->try_lock(rig->io->ctx, mine), AVJ_LOCK_TAKEN);
    assert_string_equal(text_by(rig->io, "/a"), "x");
    sim_process_free(other);
}

static void a_lock_belongs_to_the_open_file_and_goes_with_it(void **state)
{
    struct rig *rig = *state;
    const struct avj_io *io = rig->io;
    int one = file_of(rig, "/a"), two = file_of(rig, "/a");

    assert_int_equal(io->try_lock(io->ctx, one), AVJ_LOCK_TAKEN);
    assert_int_equal(io->try_lock(io->ctx, one), AVJ_LOCK_TAKEN);
    assert_int_equal(io->try_lock(io->ctx, two), AVJ_LOCK_BUSY);
    assert_int_equal(io->unlock(io->ctx, two), 0);
    assert_int_equal(io->try_lock(io->ctx, two), AVJ_LOCK_BUSY);
    assert_int_equal(io->close(io->ctx, one), 0);
    assert_int_equal(io->try_lock(io->ctx, two), AVJ_LOCK_TAKEN);
    assert_int_equal(sim_open_files(rig->process), 1);
}

static void an_unlinked_file_stays_for_who_has_it_open(void **state)
{
    struct rig *rig = *state;
    int file = durable_file(rig, "/a", "x");
    char byte;

    assert_int_equal(rig->io->unlink(rig->io->ctx, "/a"), 0);
    sync_root(rig);
    put(rig, file_of(rig, "/a"), "other", 0);
    assert_int_equal(rig->io->pread(rig->io->ctx, file, &byte, 1, 0), 1);
    assert_int_equal(byte, 'x');
}

static void a_sleep_moves_the_clocks_and_nothing_else_does(void **state)
{
    struct rig *rig = *state;
    int64_t begin = rig->io->monotonic_ms(rig->io->ctx), now = rig->io->now_ms(rig->io->ctx);

    file_of(rig, "/a");
    assert_int_equal(rig->io->monotonic_ms(rig->io->ctx), begin);
    rig->io->sleep_us(rig->io->ctx, 2500000);
    assert_int_equal(rig->io->monotonic_ms(rig->io->ctx), begin + 2500);
    assert_int_equal(rig->io->now_ms(rig->io->ctx), now + 2500);
}

/* ---- faults ---- */

static void fail_next_sync(struct rig *rig, enum sim_sync_failure failure)
{
    const struct fault_plan plan = {FAULT_IN(FAULT_SYNC), 1, 1, FAULT_ERROR, EIO};

    sim_fail(rig->disk, &plan, failure);
}

static void what_a_failed_sync_lost_stays_lost_whatever_is_synced_later(void **state)
{
    struct rig *rig = *state;
    char text[5001];
    int file;

    memset(text, 'a', 5000);
    text[5000] = 0;
    file = durable_file(rig, "/a", text);
    put(rig, file, "LOST", 0);
    fail_next_sync(rig, SIM_SYNC_LOST);
    assert_int_equal(rig->io->sync(rig->io->ctx, file), -EIO);
    assert_int_equal(sim_failed(rig->disk), 1);
    put(rig, file, "kept", 4500); /* another page */
    sync_file(rig, file);
    memcpy(text + 4500, "kept", 4);
    assert_after(rig, SIM_NOTHING, "/a", text);
    /* The cache shows it, and it may have reached the disk when the sync failed. */
    memcpy(text, "LOST", 4);
    assert_after(rig, SIM_EVERYTHING, "/a", text);
    assert_string_equal(text_by(rig->io, "/a"), text);
    /* Who writes to its page again has it written after all. */
    put(rig, file, "b", 100);
    sync_file(rig, file);
    text[100] = 'b';
    assert_after(rig, SIM_NOTHING, "/a", text);
}

static void a_reverted_sync_takes_the_cache_back_to_the_disk(void **state)
{
    struct rig *rig = *state;
    int file = durable_file(rig, "/a", "hello");

    put(rig, file, "jello!!", 0);
    fail_next_sync(rig, SIM_SYNC_REVERTED);
    assert_int_equal(rig->io->sync(rig->io->ctx, file), -EIO);
    assert_string_equal(text_by(rig->io, "/a"), "hello..");
    put(rig, file, "y", 4);
    sync_file(rig, file);
    assert_after(rig, SIM_NOTHING, "/a", "helly..");
}

static void a_full_disk_takes_what_fits_and_then_nothing_that_grows(void **state)
{
    struct rig *rig = *state;
    const struct avj_io *io = rig->io;
    int file = durable_file(rig, "/a", "hello");

    sim_limit_space(rig->disk, 8);
    assert_int_equal(io->pwrite(io->ctx, file, "world", 5, 5), 3);
    assert_int_equal(io->pwrite(io->ctx, file, "ld", 2, 8), -ENOSPC);
    assert_int_equal(io->open(io->ctx, "/b", AVJ_OPEN_WRITE | AVJ_OPEN_CREATE), -ENOSPC);
    assert_int_equal(io->mkdir(io->ctx, "/d"), -ENOSPC);
    put(rig, file, "J", 0);
    assert_string_equal(text_by(io, "/a"), "Jellowor");
    assert_int_equal(sim_used_space(rig->disk), 8);
    assert_int_equal(io->unlink(io->ctx, "/a"), 0);
    put(rig, file_of(rig, "/b"), "again", 0);
    sim_limit_space(rig->disk, 0);
    put(rig, file, "ld", 8);
}

static void any_call_can_fail_by_number(void **state)
{
    struct rig *rig = *state;
    const struct avj_io *io = rig->io;
    const struct fault_plan third = {FAULT_ANY, 3, 1, FAULT_ERROR, EACCES},
                            half = {FAULT_IN(FAULT_PWRITE), 1, 1, FAULT_HALF_ERROR, EIO};
    int file = file_of(rig, "/a");

    sim_fail(rig->disk, &third, SIM_SYNC_LOST);
    put(rig, file, "x", 0);
    sync_file(rig, file);
    assert_int_equal(io->mkdir(io->ctx, "/d"), -EACCES);
    assert_int_equal(io->mkdir(io->ctx, "/d"), 0);
    sim_fail(rig->disk, &half, SIM_SYNC_LOST);
    assert_int_equal(io->pwrite(io->ctx, file, "abcd", 4, 0), -EIO);
    assert_string_equal(text_by(io, "/a"), "ab");
}

static void short_reads_and_writes_come_as_asked_for(void **state)
{
    struct rig *rig = *state;
    int file = file_of(rig, "/a"), short_ones = 0;
    char data[100] = "x";

    sim_short_calls(rig->disk, 2);
    for (int i = 0; i < 100; i++) {
        ssize_t put_len = rig->io->pwrite(rig->io->ctx, file, data, sizeof data, 0);
        assert_true(put_len >= 1);
        short_ones += put_len < 100;
    }
    assert_true(short_ones > 25 && short_ones < 75);
}

/* ---- errors of the caller ---- */

static int count_name(void *arg, const char *name)
{
    (void)name;
    return ++*(int *)arg == 2 ? 42 : 0;
}

static void it_refuses_what_a_file_system_refuses(void **state)
{
    struct rig *rig = *state;
    const struct avj_io *io = rig->io;
    int read_only, names = 0;

    durable_file(rig, "/a", "x");
    durable_file(rig, "/b", "x");
    assert_int_equal(io->mkdir(io->ctx, "/d"), 0);
    read_only = io->open(io->ctx, "/a", AVJ_OPEN_READ);
    assert_int_equal(io->pwrite(io->ctx, read_only, "y", 1, 0), -EBADF);
    assert_int_equal(io->open(io->ctx, "/c", AVJ_OPEN_WRITE), -ENOENT);
    assert_int_equal(io->open(io->ctx, "/x/c", AVJ_OPEN_CREATE), -ENOENT);
    assert_int_equal(io->open(io->ctx, "/a/c", AVJ_OPEN_CREATE), -ENOTDIR);
    assert_int_equal(io->open(io->ctx, "/d", AVJ_OPEN_WRITE), -EISDIR);
    assert_int_equal(io->open(io->ctx, "/a", AVJ_OPEN_CREATE | AVJ_OPEN_EXCL), -EEXIST);
    assert_int_equal(io->mkdir(io->ctx, "/a"), -EEXIST);
    assert_int_equal(io->rename(io->ctx, "/c", "/e"), -ENOENT);
    assert_int_equal(io->rename(io->ctx, "/d", "/e"), -EISDIR);
    assert_int_equal(io->unlink(io->ctx, "/c"), -ENOENT);
    assert_int_equal(io->sync_dir(io->ctx, "/c"), -ENOENT);
    assert_int_equal(io->list(io->ctx, "/", count_name, &names), 42);
    assert_int_equal(names, 2);
    assert_int_equal(io->close(io->ctx, read_only), 0);
    assert_int_equal(io->close(io->ctx, read_only), -EBADF);
}

static void the_same_seed_gives_the_same_disk(void **state)
{
    struct rig *rig = *state;
    struct sim_disk *twin = sim_disk_new(7), *other = sim_disk_new(8);
    struct sim_process *on_twin = sim_process_new(twin), *on_other = sim_process_new(other);
    uint8_t here[32], there[32], elsewhere[32];

    assert_int_equal(rig->io->random(rig->io->ctx, here, 32), 0);
    assert_int_equal(sim_process_io(on_twin)->random(on_twin, there, 32), 0);
    assert_int_equal(sim_process_io(on_other)->random(on_other, elsewhere, 32), 0);
    assert_memory_equal(here, there, 32);
    assert_memory_not_equal(here, elsewhere, 32);
    sim_process_free(on_twin);
    sim_process_free(on_other);
    sim_disk_free(twin);
    sim_disk_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SIM_TEST(what_was_synced_with_its_name_is_there_in_every_state),
        SIM_TEST(a_writer_that_does_not_sync_loses_data),
        SIM_TEST(a_synced_file_may_lose_its_name_until_the_directory_is_synced),
        SIM_TEST(a_name_may_be_there_without_the_content),
        SIM_TEST(a_rename_without_a_sync_of_the_directory_happened_or_not),
        SIM_TEST(a_rename_may_be_there_without_the_creation_before_it),
        SIM_TEST(a_file_that_is_moved_to_another_directory_is_never_lost),
        SIM_TEST(a_sync_of_the_directory_it_comes_from_makes_a_move_durable),
        SIM_TEST(an_unlink_without_a_sync_may_be_undone),
        SIM_TEST(a_directory_that_is_lost_takes_its_files_along),
        SIM_TEST(a_write_is_torn_where_sectors_meet),
        SIM_TEST(a_piece_that_was_overwritten_is_lost_or_there_in_one_of_its_versions),
        SIM_TEST(later_pieces_lie_over_earlier_ones),
        SIM_TEST(zeros_written_ahead_are_nothing_but_a_size),
        SIM_TEST(a_crash_leaves_the_disk_it_was_made_from_as_it_is),
        SIM_TEST(the_boot_id_changes_with_a_crash_and_only_then),
        SIM_TEST(the_power_goes_at_a_chosen_call_and_nothing_is_done_any_more),
        SIM_TEST(what_the_system_wrote_back_by_itself_is_durable),
        SIM_TEST(every_preset_makes_choices_that_exist),
        SIM_TEST(a_kill_takes_files_and_locks_but_nothing_that_was_written),
        SIM_TEST(a_lock_belongs_to_the_open_file_and_goes_with_it),
        SIM_TEST(an_unlinked_file_stays_for_who_has_it_open),
        SIM_TEST(a_sleep_moves_the_clocks_and_nothing_else_does),
        SIM_TEST(what_a_failed_sync_lost_stays_lost_whatever_is_synced_later),
        SIM_TEST(a_reverted_sync_takes_the_cache_back_to_the_disk),
        SIM_TEST(a_full_disk_takes_what_fits_and_then_nothing_that_grows),
        SIM_TEST(any_call_can_fail_by_number),
        SIM_TEST(short_reads_and_writes_come_as_asked_for),
        SIM_TEST(it_refuses_what_a_file_system_refuses),
        SIM_TEST(the_same_seed_gives_the_same_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
