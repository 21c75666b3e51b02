/*
 * Which snapshot a store opens from, what becomes of those that are damaged, stale, or somebody
 * else's, and when they are written: in every case the store shows what the log holds.
 */
#include "journal/bytes.h"
#include "journal/format.h"
#include "replay/snapshot.h"
#include "tests/support/cases.h"
#include "tests/support/described.h"
#include "tests/support/history_store.h"

#define JOURNAL "j"

/* ---- a journal with an older and a newer snapshot, and records behind both ---- */

struct rig {
    struct mem_io *mem;
    struct mem_io *backup; /* the log as it was between the two */
    struct history_store s;
    uint64_t older, newer;
    size_t backup_count;
};

static void rig_begin(struct rig *rig, uint64_t seed)
{
    rig->mem = mem_io_new(seed);
    history_store_begin(&rig->s, mem_io_table(rig->mem), JOURNAL, seed);
    history_store_add(&rig->s, 20, AVJ_DURABLE);
    rig->older = history_store_snapshot(&rig->s);
    history_store_add(&rig->s, 10, AVJ_DURABLE);
    history_store_close(&rig->s);
    rig->backup = mem_io_copy(rig->mem);
    rig->backup_count = rig->s.records.count;
    history_store_open(&rig->s);
    history_store_add(&rig->s, 10, AVJ_DURABLE);
    rig->newer = history_store_snapshot(&rig->s);
    history_store_add(&rig->s, 10, AVJ_DURABLE);
    history_store_close(&rig->s);
}

static void rig_end(struct rig *rig)
{
    history_store_end(&rig->s);
    mem_io_free(rig->backup);
    mem_io_free(rig->mem);
}

static bool has(struct rig *rig, uint64_t seq, const char *suffix)
{
    char *path = history_store_snapshot_path(&rig->s, seq, suffix);
    bool there = mem_io_exists(rig->mem, path);
    free(path);
    return there;
}

/* The bytes of a snapshot, to be changed in place. */
static uint8_t *bytes_of(struct rig *rig, uint64_t seq, size_t *len)
{
    char *path = history_store_snapshot_path(&rig->s, seq, ".snap");
    uint8_t *bytes = mem_io_data(rig->mem, path, len);
    free(path);
    assert_non_null(bytes);
    return bytes;
}

static void move(struct rig *rig, uint64_t from, uint64_t to)
{
    char *a = history_store_snapshot_path(&rig->s, from, ".snap");
    char *b = history_store_snapshot_path(&rig->s, to, ".snap");
    mem_io_move(rig->mem, a, b);
    free(a);
    free(b);
}

static void flip(struct rig *rig, uint64_t seq, size_t offset)
{
    size_t len;
    bytes_of(rig, seq, &len)[offset] ^= 0x10;
}

static void cut(struct rig *rig, uint64_t seq, size_t keep)
{
    char *path = history_store_snapshot_path(&rig->s, seq, ".snap");
    mem_io_resize(rig->mem, path, keep);
    free(path);
}

/* Changes a number of the header as another program would have written it: the hash is right. */
static void rewrite_header(struct rig *rig, size_t offset, uint8_t value)
{
    size_t len;
    uint8_t *page = bytes_of(rig, rig->newer, &len);
    page[offset] = value;
    avj_put_le64(page + 4088, avj_hash64(page, 4088));
}

static bool is_of_snapshots(const char *name)
{
    return strncmp(name, JOURNAL "/snapshots/", strlen(JOURNAL "/snapshots/")) == 0;
}

/* The log of the backup in place of the one that is there. */
static void restore_log(struct rig *rig)
{
    const char *name;
    for (size_t i = 0; (name = mem_io_name(rig->mem, i)) != NULL;) {
        char *copy = strdup(name);
        assert_non_null(copy);
        if (is_of_snapshots(copy))
            i++;
        else
            mem_io_remove(rig->mem, copy);
        free(copy);
    }
    for (size_t i = 0; (name = mem_io_name(rig->backup, i)) != NULL; i++) {
        size_t len;
        const uint8_t *data = mem_io_data(rig->backup, name, &len);
        if (!is_of_snapshots(name))
            mem_io_put(rig->mem, name, data, len);
    }
    for (size_t i = rig->backup_count; i < rig->s.records.count; i++)
        free((void *)(uintptr_t)rig->s.records.items[i].data);
    rig->s.records.count = rig->backup_count;
    rig->s.history.seq = rig->backup_count;
}

static void open_and_close(struct rig *rig, bool no_snapshots, size_t add)
{
    struct avj_error err = {0};
    struct avj_store_options options = history_store_options(&rig->s);
    options.no_snapshots = no_snapshots;
    assert_ok(avj_store_open(JOURNAL, &options, &rig->s.store, &err), err);
    history_store_add(&rig->s, add, AVJ_RELAXED);
    history_store_close(&rig->s);
}

/* ---- accidents ---- */

static void nothing(struct rig *rig)
{
    (void)rig;
}

static void newest_flipped(struct rig *rig)
{
    flip(rig, rig->newer, 8200);
}

static void newest_header_flipped(struct rig *rig)
{
    flip(rig, rig->newer, 45);
}

static void newest_cut(struct rig *rig)
{
    cut(rig, rig->newer, 4096 * 20);
}

static void newest_empty(struct rig *rig)
{
    cut(rig, rig->newer, 0);
}

static void newest_header_only(struct rig *rig)
{
    cut(rig, rig->newer, 4096);
}

static void newest_longer(struct rig *rig)
{
    size_t len;
    (void)bytes_of(rig, rig->newer, &len);
    cut(rig, rig->newer, len + 1);
}

static void newest_renamed(struct rig *rig)
{
    move(rig, rig->newer, rig->newer + 1);
    rig->newer++;
}

static void both_flipped(struct rig *rig)
{
    flip(rig, rig->newer, 8200);
    flip(rig, rig->older, 8200);
}

static void newest_gone(struct rig *rig)
{
    char *path = history_store_snapshot_path(&rig->s, rig->newer, ".snap");
    mem_io_remove(rig->mem, path);
    free(path);
}

static void all_gone(struct rig *rig)
{
    char *path = history_store_snapshot_path(&rig->s, rig->older, ".snap");
    newest_gone(rig);
    mem_io_remove(rig->mem, path);
    mem_io_remove(rig->mem, JOURNAL "/snapshots/lock");
    free(path);
}

static void other_version(struct rig *rig)
{
    rewrite_header(rig, 8, AVJ_SNAPSHOT_VERSION + 1);
}

static void other_shape(struct rig *rig)
{
    rewrite_header(rig, 16, 17);
}

static void other_byte_order(struct rig *rig)
{
    rewrite_header(rig, 23, 1);
}

static void other_journal(struct rig *rig)
{
    rewrite_header(rig, 24, 0xee);
}

static void other_record(struct rig *rig)
{
    rewrite_header(rig, 48, 0xee);
}

static void log_of_yesterday(struct rig *rig)
{
    restore_log(rig);
}

static void log_that_went_another_way(struct rig *rig)
{
    restore_log(rig);
    rig->s.history.hlc += 12345;
    open_and_close(rig, true, 25);
}

enum used { NEWER, OLDER, NONE };

static const struct accident {
    const char *sentence;
    void (*happens)(struct rig *rig);
    enum used used;
    bool newer_bad, older_bad; /* set aside */
} accidents[] = {
    {"of two good ones the newest serves", nothing, NEWER, false, false},
    {"a changed section: the older one serves", newest_flipped, OLDER, true, false},
    {"a changed header: the older one serves", newest_header_flipped, OLDER, true, false},
    {"a file that is broken off: the older one serves", newest_cut, OLDER, true, false},
    {"an empty file: the older one serves", newest_empty, OLDER, true, false},
    {"a header and nothing else: the older one serves", newest_header_only, OLDER, true, false},
    {"a byte too many: the older one serves", newest_longer, OLDER, true, false},
    {"one under another's name: the older one serves", newest_renamed, OLDER, true, false},
    {"both changed: the log serves", both_flipped, NONE, true, true},
    {"the newest removed: the older one serves", newest_gone, OLDER, false, false},
    {"all removed: the log serves", all_gone, NONE, false, false},
    {"of another version of the format: the older one serves", other_version, OLDER, true, false},
    {"of other structures: the older one serves", other_shape, OLDER, true, false},
    {"of the other byte order: the older one serves", other_byte_order, OLDER, true, false},
    {"of another journal: the older one serves", other_journal, OLDER, true, false},
    {"of another record: the older one serves", other_record, OLDER, true, false},
    {"of records that the log has lost: the older one serves", log_of_yesterday, OLDER, true,
     false},
    {"of a log that went another way: the older one serves", log_that_went_another_way, OLDER, true,
     false},
};

static struct avj_store *open_with(struct rig *rig, bool read_only, bool no_snapshots)
{
    struct avj_error err = {0};
    struct avj_store *store;
    struct avj_store_options options = history_store_options(&rig->s);
    options.read_only = read_only;
    options.no_snapshots = no_snapshots;
    assert_ok(avj_store_open(JOURNAL, &options, &store, &err), err);
    return store;
}

static uint64_t seq_of(const struct rig *rig, enum used used)
{
    return used == NEWER ? rig->newer : used == OLDER ? rig->older : 0;
}

static void assert_opens(struct rig *rig, const struct accident *a, bool read_only)
{
    struct avj_store *store = open_with(rig, read_only, false);
    struct avj_store_status status;
    struct avj_error err = {0};
    assert_ok(avj_store_status(store, &status, &err), err);
    assert_int_equal(status.snapshot_seq, seq_of(rig, a->used));
    assert_int_equal(status.folded, rig->s.records.count - status.snapshot_seq);
    assert_true(history_store_shows(&rig->s, store, rig->s.records.count, a->sentence));
    assert_int_equal(has(rig, rig->newer, ".bad"), !read_only && a->newer_bad);
    assert_int_equal(has(rig, rig->older, ".bad"), !read_only && a->older_bad);
    avj_store_close(store);
}

/* As if nothing had been: more is appended, the next snapshot is good, what was set aside goes. */
static void assert_goes_on(struct rig *rig, const struct accident *a)
{
    history_store_open(&rig->s);
    history_store_add(&rig->s, 15, AVJ_DURABLE);
    uint64_t newest = history_store_snapshot(&rig->s);
    assert_false(has(rig, rig->newer, ".bad"));
    assert_false(has(rig, rig->older, ".bad"));
    history_store_close(&rig->s);
    history_store_open(&rig->s);
    assert_int_equal(rig->s.store->snapshot_seq, newest);
    assert_true(history_store_shows(&rig->s, rig->s.store, rig->s.records.count, a->sentence));
    history_store_close(&rig->s);
}

static void accidents_cost_time_and_nothing_else(void **state)
{
    (void)state;
    uint64_t seed = test_rng_seed("histories");
    for (size_t i = 0; i < sizeof(accidents) / sizeof(accidents[0]); i++) {
        struct rig rig;
        print_message("%s\n", accidents[i].sentence);
        rig_begin(&rig, seed + i);
        accidents[i].happens(&rig);
        assert_opens(&rig, &accidents[i], true);
        assert_opens(&rig, &accidents[i], false);
        assert_goes_on(&rig, &accidents[i]);
        rig_end(&rig);
    }
}

static void who_wants_none_reads_none(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, 3);
    both_flipped(&rig);
    struct avj_store *store = open_with(&rig, false, true);
    assert_int_equal(store->snapshot_seq, 0);
    assert_true(history_store_shows(&rig.s, store, rig.s.records.count, "without snapshots"));
    avj_store_close(store);
    assert_true(has(&rig, rig.newer, ".snap"));
    rig_end(&rig);
}

/* ---- writing ---- */

static size_t count_files(struct rig *rig)
{
    size_t count = 0;
    const char *name;
    for (size_t i = 0; (name = mem_io_name(rig->mem, i)) != NULL; i++)
        count += is_of_snapshots(name);
    return count;
}

static void two_are_kept_and_strays_go(void **state)
{
    (void)state;
    struct rig rig;
    uint64_t last = 0, before = 0;
    rig_begin(&rig, 4);
    mem_io_put(rig.mem, JOURNAL "/snapshots/0000000000000007.tmp", "x", 1);
    mem_io_put(rig.mem, JOURNAL "/snapshots/0000000000000009.bad", "x", 1);
    mem_io_put(rig.mem, JOURNAL "/snapshots/0000000000000008.bad", "x", 1);
    mem_io_put(rig.mem, JOURNAL "/snapshots/notes.txt", "x", 1);
    history_store_open(&rig.s);
    for (int i = 0; i < 4; i++) {
        before = last;
        history_store_add(&rig.s, 3, AVJ_RELAXED);
        last = history_store_snapshot(&rig.s);
    }
    assert_true(has(&rig, last, ".snap"));
    assert_true(has(&rig, before, ".snap"));
    assert_true(mem_io_exists(rig.mem, JOURNAL "/snapshots/notes.txt")); /* nobody's business */
    assert_int_equal(count_files(&rig), 4);                              /* and the lock */
    rig_end(&rig);
}

static void one_of_the_same_record_takes_the_place_of_the_other(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, 5);
    history_store_open(&rig.s);
    uint64_t first = history_store_snapshot(&rig.s);
    flip(&rig, first, 5000);
    assert_int_equal(history_store_snapshot(&rig.s), first);
    history_store_close(&rig.s);
    history_store_open(&rig.s);
    assert_int_equal(rig.s.store->snapshot_seq, first);
    assert_int_equal(rig.s.store->folded, 0);
    rig_end(&rig);
}

static void what_it_tells_is_true(void **state)
{
    (void)state;
    struct rig rig;
    struct avj_snapshot_info info;
    struct avj_error err = {0};
    size_t len;
    rig_begin(&rig, 6);
    history_store_open(&rig.s);
    assert_ok(avj_store_snapshot(rig.s.store, &info, &err), err);
    assert_int_equal(info.seq, rig.s.records.count);
    assert_int_equal(info.documents, avj_slots_last(&rig.s.store->view->slots));
    (void)bytes_of(&rig, info.seq, &len);
    assert_int_equal(info.bytes, len);
    rig_end(&rig);
}

static void a_second_writer_is_told_so(void **state)
{
    (void)state;
    struct rig rig;
    struct avj_error err = {0};
    const struct avj_io *io;
    rig_begin(&rig, 7);
    io = mem_io_table(rig.mem);
    int file = io->open(io->ctx, JOURNAL "/snapshots/lock", AVJ_OPEN_WRITE);
    assert_int_equal(io->try_lock(io->ctx, file), AVJ_LOCK_TAKEN);
    history_store_open(&rig.s);
    assert_status(AVJ_ELOCKED, avj_store_snapshot(rig.s.store, NULL, &err), err);
    assert_contains(err.message, "another process is writing a snapshot");
    assert_int_equal(io->close(io->ctx, file), 0);
    assert_ok(avj_store_snapshot(rig.s.store, NULL, &err), err);
    rig_end(&rig);
}

static void who_may_only_read_writes_none(void **state)
{
    (void)state;
    struct rig rig;
    struct avj_error err = {0};
    rig_begin(&rig, 8);
    size_t before = count_files(&rig);
    struct avj_store *store = open_with(&rig, true, false);
    assert_status(AVJ_EREADONLY, avj_store_snapshot(store, NULL, &err), err);
    avj_store_close(store);
    assert_int_equal(count_files(&rig), before);
    rig_end(&rig);
}

/* ---- by itself ---- */

static void closing_writes_one_when_the_log_has_grown(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, 9);
    size_t tail = rig.s.records.count - rig.newer;
    open_and_close(&rig, true, AVJ_SNAPSHOT_RECORDS - tail - 1);
    open_and_close(&rig, false, 0);
    assert_false(has(&rig, rig.s.records.count, ".snap")); /* one record too few */
    open_and_close(&rig, true, 1);
    assert_false(has(&rig, rig.s.records.count, ".snap")); /* not wanted */
    open_and_close(&rig, false, 0);
    assert_true(has(&rig, rig.s.records.count, ".snap"));
    history_store_open(&rig.s);
    assert_int_equal(rig.s.store->folded, 0);
    assert_true(history_store_shows(&rig.s, rig.s.store, rig.s.records.count, "after closing"));
    rig_end(&rig);
}

/* A command that had to replay a long tail spares the next one that, where it may. */
static void closing_writes_one_for_readers_too(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, 10);
    open_and_close(&rig, true, AVJ_SNAPSHOT_RECORDS);
    size_t before = count_files(&rig);
    mem_io_kill(rig.mem, true); /* a folder that can not be written to */
    avj_store_close(open_with(&rig, true, false));
    mem_io_kill(rig.mem, false);
    assert_int_equal(count_files(&rig), before);
    assert_false(has(&rig, rig.s.records.count, ".snap"));
    avj_store_close(open_with(&rig, true, false));
    assert_true(has(&rig, rig.s.records.count, ".snap"));
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accidents_cost_time_and_nothing_else),
        cmocka_unit_test(who_wants_none_reads_none),
        cmocka_unit_test(two_are_kept_and_strays_go),
        cmocka_unit_test(one_of_the_same_record_takes_the_place_of_the_other),
        cmocka_unit_test(what_it_tells_is_true),
        cmocka_unit_test(a_second_writer_is_told_so),
        cmocka_unit_test(who_may_only_read_writes_none),
        cmocka_unit_test(closing_writes_one_when_the_log_has_grown),
        cmocka_unit_test(closing_writes_one_for_readers_too),
    };
    return cmocka_run_group_tests_name("snapshots", tests, NULL, NULL);
}
