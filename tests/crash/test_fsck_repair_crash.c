/*
 * A repair that is cut short: by a power cut at each of its calls, in every kind of state that the
 * disk may be found in then, and by each call failing.  Another repair always ends well, with every
 * record that was intact; each segment was in between as it was before, or repaired.
 */
#include "tests/integration/fsck_case.h"
#include "tests/support/sanitizers.h"
#include "tests/support/sim_explore.h"

#include "fsck/fsck_repair.h"
#include "journal/scan.h"

#include <errno.h>

#define SEED 77u
/* Of the calls, every so manyth; AVJ_REPAIR_STRIDE=1 (target repair-bits): all. */
static uint64_t step(void)
{
    const char *text = getenv("AVJ_REPAIR_STRIDE");
    uint64_t n = text ? strtoull(text, NULL, 10) : 0;

    return n ? n : TEST_SANITIZED ? 37 : 5;
}

/* Records that the damage costs: the frame that is overwritten, the segment that is removed. */
#define RECORDS    16u
#define DAMAGED    6u
#define GONE_FIRST 9u
#define GONE_LAST  12u

static const char *segment(unsigned number)
{
    static char path[64];

    snprintf(path, sizeof path, SIM_JOURNAL "/segments/%016x.seg", number);
    return path;
}

/* ---- the journal ---- */

static void add_records(struct avj_journal *journal, uint64_t from, unsigned count)
{
    struct avj_error err = {0};

    for (uint64_t number = from; number < from + count; number++) {
        struct avj_pack pack = {0};
        if (number == 1)
            add_thread(&pack);
        else
            add_local(&pack, number);
        struct avj_slice record = {pack.data, pack.len};
        assert_ok(avj_journal_append(journal, &record, 1, AVJ_DURABLE, NULL, &err), err);
        avj_pack_release(&pack);
    }
}

static void overwrite_second_frame(const struct avj_io *io)
{
    struct avj_segment_header header;
    uint8_t lengths[16];
    size_t got;
    int file = io->open(io->ctx, segment(2), AVJ_OPEN_WRITE);

    assert_true(file >= 0);
    assert_int_equal(avj_read_segment_header(io, segment(2), &header, NULL), AVJ_OK);
    assert_int_equal(avj_io_read_full(io, file, lengths, 16, header.frames_at, &got), 0);
    uint64_t second = header.frames_at + 64 + (avj_get_le32(lengths + 8) + 7) / 8 * 8 + 8;
    assert_int_equal(avj_io_write_full(io, file, "damage", 6, second + 70, &got), 0);
    assert_int_equal(io->close(io->ctx, file), 0);
}

/* Four segments of four records, the first of them sealed; a frame of the second is overwritten,
 * the third is gone, a leftover lies there.  All of it is durable. */
static struct sim_disk *damaged_disk(void)
{
    struct sim_disk *disk = sim_explore_disk(SEED);
    struct sim_process *process = sim_process_new(disk);
    const struct avj_io *io = sim_process_io(process);
    struct avj_journal_options options = sim_options(io);
    struct avj_journal *journal;
    struct avj_error err = {0};

    options.no_reserve = true;
    assert_ok(avj_journal_create(SIM_JOURNAL, &options, &err), err);
    assert_ok(avj_journal_open(SIM_JOURNAL, &options, &journal, &err), err);
    for (unsigned s = 0; s < 4; s++) {
        add_records(journal, 1 + 4 * s, 4);
        if (s < 3)
            assert_ok(avj_journal_rotate(journal, &err), err);
        if (s == 0)
            assert_ok(avj_journal_maintain(journal, NULL, NULL, &err), err);
    }
    avj_journal_close(journal);
    overwrite_second_frame(io);
    assert_int_equal(io->unlink(io->ctx, segment(3)), 0);
    int file = io->open(io->ctx, SIM_JOURNAL "/segments/0000000000000007.tmp",
                        AVJ_OPEN_WRITE | AVJ_OPEN_CREATE);
    assert_true(file >= 0);
    assert_int_equal(io->close(io->ctx, file), 0);
    sim_process_free(process);

    struct sim_unit *units;
    size_t count = sim_units(disk, &units);
    uint8_t *ways = calloc(count + 1, 1);
    struct test_rng rng;
    test_rng_init(&rng, SEED);
    sim_choose(SIM_EVERYTHING, units, count, &rng, ways);
    struct sim_disk *durable = sim_crash(disk, ways, count);
    free(ways);
    free(units);
    sim_disk_free(disk);
    return durable;
}

/* ---- what must be there ---- */

static int repair(const struct avj_io *io, struct avj_error *err)
{
    struct fsck_options options = {.io = io};
    struct fsck_repair_sink quiet = {.arg = NULL};

    return fsck_repair(SIM_JOURNAL, &options, NULL, &quiet, err);
}

static int check_it(const struct avj_io *io, struct avj_error *err)
{
    struct fsck_options options = {.io = io};
    struct fsck_sink quiet = {.arg = NULL};

    return fsck_run(SIM_JOURNAL, &options, &quiet, err);
}

static bool is_lost_one(uint64_t seq)
{
    return seq == DAMAGED || (seq >= GONE_FIRST && seq <= GONE_LAST);
}

static bool is_of(const struct avj_record *record, const char *op)
{
    struct avj_entry entry;
    struct avj_value o;

    if (avj_entry_decode(record->data, record->len, &entry, NULL) != AVJ_OK)
        return false;
    bool is = entry.type == AVJ_E_REPAIR && avj_value_get(entry.root, "o", &o) &&
              avj_value_text_is(o, op);
    avj_entry_release(&entry);
    return is;
}

static bool is_number(const struct avj_record *record, uint64_t number)
{
    struct avj_pack pack = {0};

    if (number == 1)
        add_thread(&pack);
    else
        add_local(&pack, number);
    bool same = pack.len == record->len && memcmp(pack.data, record->data, pack.len) == 0;
    avj_pack_release(&pack);
    return same;
}

static void read_it(const struct avj_io *io, const char *what)
{
    struct avj_journal_options options = sim_options(io);
    struct avj_journal *journal;
    struct avj_cursor *cursor = NULL;
    struct avj_record record;
    struct avj_error err = {0};
    enum avj_status status;
    uint64_t seq = 0, told = 0;

    options.no_reserve = true;
    assert_ok(avj_journal_open(SIM_JOURNAL, &options, &journal, &err), err);
    assert_ok(avj_cursor_open(journal, 1, &cursor, &err), err);
    while ((status = avj_cursor_next(cursor, &record, &err)) == AVJ_OK) {
        bool good = record.seq == ++seq;
        if (seq > RECORDS)
            told += is_of(&record, "repair");
        else
            good = good && (is_lost_one(seq) ? is_of(&record, "lost") : is_number(&record, seq));
        if (!good)
            fail_msg("%s: record %llu", what, (unsigned long long)seq);
    }
    if (status != AVJ_END || seq < RECORDS || told == 0)
        fail_msg("%s: %s, %llu records", what, err.message, (unsigned long long)seq);
    avj_cursor_close(cursor);
    avj_journal_close(journal);
}

static size_t read_whole(const struct avj_io *io, const char *path, uint8_t *data, size_t room)
{
    size_t got = 0;
    int file = io->open(io->ctx, path, AVJ_OPEN_READ);

    if (file < 0)
        return 0;
    assert_int_equal(avj_io_read_full(io, file, data, room, 0, &got), 0);
    assert_int_equal(io->close(io->ctx, file), 0);
    return got;
}

static uint8_t original[16384]; /* segment 2, damaged */
static size_t original_len;

/* Whichever of the repairs replaced it. */
static bool original_is_kept(const struct avj_io *io)
{
    static uint8_t kept[sizeof original];

    for (int repairs = 1; repairs <= 2; repairs++) {
        char path[80];
        snprintf(path, sizeof path, SIM_JOURNAL "/aside/%d/0000000000000002.seg", repairs);
        if (read_whole(io, path, kept, sizeof kept) == original_len &&
            memcmp(kept, original, original_len) == 0)
            return true;
    }
    return false;
}

/* The state that a repair left, and one more repair. */
static void ends_well(struct sim_disk *disk, const char *what)
{
    struct sim_process *process = sim_process_new(disk);
    const struct avj_io *io = sim_process_io(process);
    struct avj_error err = {0};

    int found = check_it(io, &err);
    if (found & FSCK_FAILED)
        fail_msg("%s: the check fails: %s", what, err.message);
    int code = repair(io, &err);
    if (code & ~FSCK_REPAIRED || ((found & FSCK_DAMAGE) && !(code & FSCK_REPAIRED)))
        fail_msg("%s: exit %d: %s", what, code, err.message);
    if (check_it(io, &err) != FSCK_CLEAN)
        fail_msg("%s: not clean", what);
    if (repair(io, &err) != FSCK_CLEAN)
        fail_msg("%s: there is something left to do", what);
    read_it(io, what);
    if (!original_is_kept(io))
        fail_msg("%s: the original is gone", what);
    sim_process_free(process);
}

static void take_original(struct sim_disk *disk)
{
    struct sim_process *process = sim_process_new(disk);

    original_len = read_whole(sim_process_io(process), segment(2), original, sizeof original);
    assert_true(original_len > 4096 && original_len < sizeof original);
    sim_process_free(process);
}

/* ---- power cuts ---- */

static uint64_t states;

static void look_at_all(struct sim_disk *disk, const char *when)
{
    struct sim_unit *units;
    struct test_rng rng;
    size_t count = sim_units(disk, &units);
    uint8_t *ways = calloc(count + 1, 1);

    test_rng_init(&rng, SEED);
    for (int preset = 0; preset < SIM_PRESETS; preset++) {
        char what[100];
        snprintf(what, sizeof what, "%s, state %d", when, preset);
        sim_choose((enum sim_preset)preset, units, count, &rng, ways);
        struct sim_disk *crashed = sim_crash(disk, ways, count);
        ends_well(crashed, what);
        sim_disk_free(crashed);
        states++;
    }
    free(ways);
    free(units);
}

/* False: the repair has fewer calls. */
static bool cut_at(uint64_t call)
{
    struct sim_disk *disk = damaged_disk();
    struct sim_process *process = sim_process_new(disk);
    struct avj_error err = {0};
    char when[40];

    take_original(disk);
    snprintf(when, sizeof when, "the power goes at call %llu", (unsigned long long)call);
    sim_power_off_at(disk, call);
    bool cut = (repair(sim_process_io(process), &err) & FSCK_FAILED) != 0;
    sim_power_off_at(disk, 0);
    sim_kill(process);
    look_at_all(disk, when);
    sim_process_free(process);
    sim_disk_free(disk);
    return cut;
}

static void the_power_goes_at_every_call(void **state)
{
    uint64_t call = 1;

    (void)state;
    while (cut_at(call))
        call += step();
    assert_true(call > 100);
    print_message("%llu calls, %llu states\n", (unsigned long long)call,
                  (unsigned long long)states);
}

/* ---- failing calls ---- */

static bool fail_at(uint64_t call, int errnum)
{
    struct sim_disk *disk = damaged_disk();
    struct sim_process *process = sim_process_new(disk);
    struct avj_error err = {0};
    struct fault_plan plan = {.calls = FAULT_ANY, .nth = call, .times = 1, .errnum = errnum};
    struct fault_plan none = {0};
    char what[60];

    take_original(disk);
    sim_fail(disk, &plan, SIM_SYNC_LOST);
    (void)repair(sim_process_io(process), &err);
    bool failed = sim_failed(disk) > 0;
    sim_fail(disk, &none, SIM_SYNC_LOST);
    sim_process_free(process);
    snprintf(what, sizeof what, "call %llu fails", (unsigned long long)call);
    ends_well(disk, what);
    sim_disk_free(disk);
    return failed;
}

static void any_call_may_fail(void **state)
{
    uint64_t call = 1;

    (void)state;
    while (fail_at(call, call % 2 ? EIO : ENOSPC))
        call += step();
    assert_true(call > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_power_goes_at_every_call),
        cmocka_unit_test(any_call_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
