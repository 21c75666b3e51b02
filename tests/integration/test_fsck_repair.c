/*
 * Repair: what comes of every kind of damage.  Afterwards the normal reader reads the whole log:
 * each record that was intact, byte for byte under its number, and a `repair` entry for each that
 * is lost (FORMAT.md, Repair; MERGE.md, Repair).
 */
#include "tests/integration/fsck_wrecks.h"

#include "fsck/fsck_repair.h"
#include "journal/mend.h"
#include "replay/entry.h"
#include "replay/sync.h"
#include "tests/support/fault_io.h"

#include <errno.h>

/* ---- what a repair said ---- */

#define STEPS_MAX 64

struct mended {
    struct fsck_step steps[STEPS_MAX];
    size_t count;
    struct seen seen; /* of the check behind it */
    int code;
    struct avj_error err;
};

static void see_step(void *arg, const struct fsck_step *step)
{
    struct mended *m = arg;

    if (m->count < STEPS_MAX)
        m->steps[m->count++] = *step;
}

static void mend_with(const char *dir, const struct fsck_repair_options *options, struct mended *m)
{
    struct fsck_repair_sink sink = {
        .check = {.arg = &m->seen, .finding = see_finding, .summary = see_summary},
        .arg = m,
        .step = see_step};

    memset(m, 0, sizeof *m);
    m->code = fsck_repair(dir, NULL, options, &sink, &m->err);
}

static void mend(const char *dir, struct mended *m)
{
    mend_with(dir, NULL, m);
}

static const struct fsck_step *step_of(const struct mended *m, enum fsck_step_kind kind)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->steps[i].kind == kind)
            return &m->steps[i];
    return NULL;
}

static void print_mended(const struct mended *m)
{
    for (size_t i = 0; i < m->count; i++)
        print_message("  %s: %s %s\n", fsck_step_name(m->steps[i].kind), m->steps[i].detail,
                      m->steps[i].kept);
    print_message("  repair exit %d %s\n", m->code, m->err.message);
    print_seen(&m->seen);
}

/* ---- what is there then ---- */

static bool is_lost(const struct wreck_case *c, uint64_t seq)
{
    return (c->first && seq >= c->first && seq <= c->last) ||
           (c->first2 && seq >= c->first2 && seq <= c->last2);
}

static bool is_op(const void *data, size_t len, const char *op)
{
    struct avj_entry entry;
    struct avj_value o;

    if (avj_entry_decode(data, len, &entry, NULL) != AVJ_OK)
        return false;
    bool is = entry.type == AVJ_E_REPAIR && avj_value_get(entry.root, "o", &o) &&
              avj_value_text_is(o, op);
    avj_entry_release(&entry);
    return is;
}

static bool is_record(uint64_t number, const struct avj_record *record)
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

/* Every record up to `records`, by the rules of a reader. */
static bool reads_whole(const char *dir, const struct wreck_case *c, uint64_t records)
{
    struct avj_error err = {0};
    struct avj_journal *journal = NULL;
    struct avj_cursor *cursor = NULL;
    struct avj_record record;
    uint64_t seq = 0;
    enum avj_status status = avj_journal_open(dir, NULL, &journal, &err);

    if (status == AVJ_OK)
        status = avj_cursor_open(journal, 1, &cursor, &err);
    while (status == AVJ_OK && (status = avj_cursor_next(cursor, &record, &err)) == AVJ_OK) {
        bool good = record.seq == ++seq;
        if (seq <= records)
            good = good && (is_lost(c, seq) ? is_op(record.data, record.len, "lost")
                                            : is_record(seq, &record));
        if (!good) {
            print_message("%s: record %llu is not what it should be\n", c->sentence,
                          (unsigned long long)seq);
            status = AVJ_ECORRUPT;
        }
    }
    if (status != AVJ_END)
        print_message("%s: record %llu: %s\n", c->sentence, (unsigned long long)seq, err.message);
    avj_cursor_close(cursor);
    avj_journal_close(journal);
    return status == AVJ_END && seq >= records;
}

/* Somebody works on: appends, seals; and it is still whole. */
static bool goes_on(const char *dir)
{
    struct avj_error err = {0};
    struct avj_store *store = NULL;
    struct seen seen;
    char id[AVJ_ID_TEXT];
    bool good = avj_store_open(dir, NULL, &store, &err) == AVJ_OK &&
                avj_thread_new(store, "after the repair", id, &err) == AVJ_OK &&
                avj_store_snapshot(store, NULL, &err) == AVJ_OK;

    avj_store_close(store);
    struct avj_journal *journal = open_it(dir);
    struct avj_maintained done = {0};
    good = good && avj_journal_rotate(journal, &err) == AVJ_OK &&
           avj_journal_maintain(journal, NULL, &done, &err) == AVJ_OK && done.damaged == 0;
    avj_journal_close(journal);
    check_with(dir, &(struct fsck_options){.deep = true}, &seen);
    if (!good || seen.code) {
        print_message("going on: %s\n", err.message);
        print_seen(&seen);
    }
    return good && seen.code == FSCK_CLEAN;
}

/* ---- the table ---- */

static bool is_put_right(const struct wreck_case *c, const char *dir, uint64_t records)
{
    struct mended m, again;
    uint64_t lost = 0;

    mend(dir, &m);
    for (uint64_t seq = 1; seq <= records; seq++)
        lost += is_lost(c, seq);
    for (size_t i = 0; i < m.count; i++)
        if (m.steps[i].kind == FSCK_STEP_LOST)
            lost -= m.steps[i].lost;
    bool good = m.code == FSCK_REPAIRED && m.count > 0 && lost == 0;
    if (!good)
        print_mended(&m);
    good = good && reads_whole(dir, c, records);
    mend(dir, &again);
    if (again.code != FSCK_CLEAN || again.count) {
        print_message("the second time:\n");
        print_mended(&again);
        good = false;
    }
    return good && goes_on(dir);
}

static void each_damage_is_put_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < WRECK_CASES; i++) {
        const struct wreck_case *c = &wreck_cases[i];
        struct fixture *f;

        setup((void **)&f);
        c->make(f->dir);
        bool good = is_put_right(c, f->dir, f->records);
        if (!good)
            print_message("%s: no\n", c->sentence);
        teardown((void **)&f);
        assert_true(good);
    }
}

/* ---- the rest ---- */

static void a_whole_journal_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct mended m;

    mend(f->dir, &m);
    assert_int_equal(m.code, FSCK_CLEAN);
    assert_int_equal(m.count, 0);
    char *aside = test_path(f->dir, "aside");
    assert_false(test_exists(aside));
    free(aside);
}

static void an_empty_journal_is_left_alone(void **state)
{
    struct fixture *f = *state;
    struct avj_error err = {0};
    struct mended m;

    assert_ok(avj_journal_create(f->dir, NULL, &err), err);
    mend(f->dir, &m);
    assert_int_equal(m.code, FSCK_CLEAN);
    assert_int_equal(m.count, 0);
}

static void the_original_is_kept_byte_for_byte(void **state)
{
    struct fixture *f = *state;
    struct mended m;
    char *path = segment_path(f->dir, 2);
    size_t len, kept_len;

    a_frame_in_the_middle(f->dir);
    uint8_t *damaged = test_read_file(path, &len);
    mend(f->dir, &m);
    const struct fsck_step *step = step_of(&m, FSCK_STEP_SEGMENT);
    assert_non_null(step);
    assert_string_equal(step->kept, "aside/1/0000000000000002.seg");
    assert_int_equal(step->records, 3);
    assert_int_equal(step->lost, 1);
    char *kept = test_path(f->dir, "%s", step->kept);
    uint8_t *original = test_read_file(kept, &kept_len);
    assert_int_equal(len, kept_len);
    assert_memory_equal(damaged, original, len);
    free(original);
    free(kept);
    free(damaged);
    free(path);
}

static void a_second_repair_has_a_folder_of_its_own(void **state)
{
    struct fixture *f = *state;
    struct mended m;

    overwrite_frame(f->dir, 2, 1);
    mend(f->dir, &m);
    overwrite_frame(f->dir, 3, 1);
    mend(f->dir, &m);
    assert_int_equal(m.code, FSCK_REPAIRED);
    assert_string_equal(step_of(&m, FSCK_STEP_SEGMENT)->kept, "aside/2/0000000000000003.seg");
}

/* What was kept by the first repair has what is lost by later damage. */
static void what_an_earlier_repair_kept_is_used(void **state)
{
    static const struct wreck_case one_lost = {"kept before", NULL, 5, 5, 0, 0};
    struct fixture *f = *state;
    struct mended m;

    overwrite_frame(f->dir, 2, 1);
    mend(f->dir, &m);
    char *path = segment_path(f->dir, 2);
    overwrite(path, HEADER + 66, 30, 0xee); /* all its records are in one frame now */
    mend(f->dir, &m);
    assert_int_equal(m.code, FSCK_REPAIRED);
    assert_true(reads_whole(f->dir, &one_lost, f->records));
    free(path);
}

static void a_dry_run_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct mended m;
    char *before = test_path(f->folder, "before");

    everything_at_once(f->dir);
    test_copy_tree(f->dir, before);
    mend_with(f->dir, &(struct fsck_repair_options){.dry_run = true}, &m);
    assert_int_equal(m.code, FSCK_DAMAGE);
    assert_non_null(step_of(&m, FSCK_STEP_SEGMENT));
    assert_non_null(step_of(&m, FSCK_STEP_LOST));
    assert_non_null(step_of(&m, FSCK_STEP_LOCK));
    char command[9000];
    snprintf(command, sizeof command, "diff -r %s %s", before, f->dir);
    assert_int_equal(system(command), 0);
    free(before);
}

static void a_writer_keeps_the_repair_out(void **state)
{
    struct fixture *f = *state;
    const struct avj_io *io = avj_io_posix();
    struct mended m;
    static const char *const locks[] = {"lock", "sync", "sync.lock", "seal.lock", "serve.lock"};

    a_frame_in_the_middle(f->dir);
    for (size_t i = 0; i < sizeof locks / sizeof locks[0]; i++) {
        char *path = test_path(f->dir, "%s", locks[i]);
        int file = io->open(io->ctx, path, AVJ_OPEN_WRITE | AVJ_OPEN_CREATE);
        assert_int_equal(io->try_lock(io->ctx, file), AVJ_LOCK_TAKEN);
        mend_with(f->dir, &(struct fsck_repair_options){.lock_timeout_ms = 1}, &m);
        assert_int_equal(m.code, FSCK_FAILED | FSCK_DAMAGE);
        assert_non_null(strstr(m.err.message, "this journal: end it, then try again"));
        assert_non_null(strstr(m.err.message, locks[i]));
        assert_int_equal(m.count, 0);
        io->close(io->ctx, file);
        free(path);
    }
    mend(f->dir, &m);
    assert_int_equal(m.code, FSCK_REPAIRED);
}

static void a_handle_that_was_open_goes_on(void **state)
{
    struct fixture *f = *state;
    struct mended m;
    struct seen seen;
    struct avj_error err = {0};
    uint64_t seq;
    struct avj_journal *journal = open_it(f->dir);

    append(journal, f->records + 1, AVJ_DURABLE);
    a_wrong_bit(f->dir); /* nothing is lost: nobody but the repair takes the lock */
    mend(f->dir, &m);
    assert_int_equal(m.code, FSCK_REPAIRED);
    struct avj_pack pack = {0};
    add_local(&pack, 99);
    struct avj_slice record = {pack.data, pack.len};
    assert_ok(avj_journal_append(journal, &record, 1, AVJ_DURABLE, &seq, &err), err);
    assert_int_equal(seq, f->records + 3); /* behind the repair's own entry */
    avj_pack_release(&pack);
    avj_journal_close(journal);
    check(f->dir, &seen);
    assert_int_equal(seen.code, FSCK_CLEAN);
}

static void a_disk_that_gives_errors_is_not_written_to(void **state)
{
    struct fixture *f = *state;
    struct fault_io *fault = fault_io_new(avj_io_posix());
    struct fsck_options options = {.io = fault_io_table(fault)};
    struct fsck_repair_sink quiet = {.arg = NULL};
    struct avj_error err = {0};

    a_frame_in_the_middle(f->dir);
    fault_io_plan(fault,
                  &(struct fault_plan){.calls = FAULT_IN(FAULT_PREAD), .nth = 20, .errnum = EIO});
    assert_true(fsck_repair(f->dir, &options, NULL, &quiet, &err) & FSCK_FAILED);
    assert_non_null(strstr(err.message, "nothing was changed"));
    assert_int_equal(fault_io_count(fault, FAULT_IN(FAULT_RENAME) | FAULT_IN(FAULT_MKDIR)), 0);
    fault_io_free(fault);
}

static void without_any_header_there_is_nothing_to_mend(void **state)
{
    struct fixture *f = *state;
    struct mended m;

    for (unsigned s = 1; s <= SEGMENTS; s++)
        overwrite_header(f->dir, s);
    mend(f->dir, &m);
    assert_int_equal(m.code & FSCK_DAMAGE, FSCK_DAMAGE);
    assert_non_null(strstr(m.err.message, "backup"));
}

/* A snapshot remembers what the log has lost. */
static void snapshots_of_lost_records_are_moved_aside(void **state)
{
    struct fixture *f = *state;
    struct avj_store *store = NULL;
    struct avj_error err = {0};
    struct mended m;
    struct seen seen;

    assert_ok(avj_store_open(f->dir, NULL, &store, &err), err);
    assert_ok(avj_store_snapshot(store, NULL, &err), err);
    avj_store_close(store);
    a_frame_in_the_middle(f->dir);
    mend(f->dir, &m);
    assert_int_equal(m.code, FSCK_REPAIRED);
    assert_non_null(step_of(&m, FSCK_STEP_MOVE));
    char *snapshots = test_path(f->dir, "snapshots"), *aside = test_path(f->dir, "aside/1");
    assert_int_equal(test_count_names(snapshots, ".snap"), 0);
    assert_int_equal(test_count_names(aside, ".snap"), 1);
    check_with(f->dir, &(struct fsck_options){.deep = true}, &seen);
    assert_int_equal(seen.code, FSCK_CLEAN);
    free(snapshots);
    free(aside);
}

static void a_damaged_snapshot_is_moved_aside(void **state)
{
    struct fixture *f = *state;
    struct avj_store *store = NULL;
    struct avj_error err = {0};
    struct mended m;

    assert_ok(avj_store_open(f->dir, NULL, &store, &err), err);
    assert_ok(avj_store_snapshot(store, NULL, &err), err);
    avj_store_close(store);
    char *folder = test_path(f->dir, "snapshots"), *path = test_last_name(folder, ".snap");
    test_flip(path, 5000, 1);
    mend(f->dir, &m);
    assert_int_equal(m.code, FSCK_REPAIRED);
    assert_int_equal(m.count, 1);
    assert_int_equal(test_count_names(folder, ".snap"), 0);
    mend(f->dir, &m);
    assert_int_equal(m.code, FSCK_CLEAN);
    free(path);
    free(folder);
}

/* MERGE.md, Repair: lost records open the gap, and the swept time is forgotten. */
static void lost_records_make_the_next_sync_look_at_everything(void **state)
{
    struct fixture *f = *state;
    struct avj_store *store = NULL;
    struct avj_store_status status;
    struct avj_error err = {0};
    struct mended m;

    assert_ok(avj_store_open(f->dir, NULL, &store, &err), err);
    assert_ok(avj_sync_gap(store, false, "swept", "2026-01-01T00:00:00.000+00:00", &err), err);
    assert_ok(avj_store_status(store, &status, &err), err);
    assert_non_null(status.swept);
    assert_false(status.gap_open);
    avj_store_close(store);
    a_frame_in_the_middle(f->dir);
    mend(f->dir, &m);
    assert_ok(avj_store_open(f->dir, NULL, &store, &err), err);
    assert_ok(avj_store_status(store, &status, &err), err);
    assert_null(status.swept);
    assert_true(status.gap_open);
    avj_store_close(store);
}

static void a_repair_that_loses_nothing_leaves_the_swept_time(void **state)
{
    struct fixture *f = *state;
    struct avj_store *store = NULL;
    struct avj_store_status status;
    struct avj_error err = {0};
    struct mended m;

    assert_ok(avj_store_open(f->dir, NULL, &store, &err), err);
    assert_ok(avj_sync_gap(store, false, "swept", "2026-01-01T00:00:00.000+00:00", &err), err);
    avj_store_close(store);
    a_whole_header(f->dir);
    mend(f->dir, &m);
    assert_int_equal(m.code, FSCK_REPAIRED);
    assert_ok(avj_store_open(f->dir, NULL, &store, &err), err);
    assert_ok(avj_store_status(store, &status, &err), err);
    assert_non_null(status.swept);
    assert_false(status.gap_open);
    avj_store_close(store);
}

/* MERGE.md, Repair: threads of which only messages are left. */
static void a_lost_thread_is_made_anew_where_no_server_has_it(void **state)
{
    struct fixture *f = *state;
    struct avj_store *store = NULL;
    struct avj_error err = {0};
    struct avj_doc doc;
    struct mended m;

    the_first_frame(f->dir);
    mend(f->dir, &m);
    assert_int_equal(m.code, FSCK_REPAIRED);
    assert_non_null(step_of(&m, FSCK_STEP_THREAD));
    assert_int_equal(m.seen.by_code[FSCK_NO_THREAD], 0);
    assert_ok(avj_store_open(f->dir, NULL, &store, &err), err);
    assert_ok(avj_store_get(store, AVJ_THREAD, "thread-1", &doc), err);
    assert_non_null(memmem(doc.fields.data, doc.fields.len, "Recovered thread", 16));
    avj_store_close(store);
    mend(f->dir, &m);
    assert_int_equal(m.code, FSCK_CLEAN);
    assert_int_equal(m.count, 0);
}

static void a_lost_thread_that_a_server_has_is_left_to_the_sync(void **state)
{
    struct fixture *f = *state;
    struct avj_pack pack = {0};
    struct mended m;

    avj_entry_begin(&pack, AVJ_E_REMOTE, (uint64_t)2 << 40, "session-a", AVJ_MESSAGE, "message-2",
                    4);
    avj_pack_cstr(&pack, "b");
    avj_pack_cstr(&pack, "pull");
    avj_pack_cstr(&pack, "r");
    avj_pack_cstr(&pack, "row-2");
    avj_pack_cstr(&pack, "v");
    avj_pack_cstr(&pack, "2026-01-01T00:00:01.000+00:00");
    avj_pack_cstr(&pack, "f");
    avj_pack_map(&pack, 2);
    avj_pack_cstr(&pack, "threadId");
    avj_pack_cstr(&pack, "thread-1");
    avj_pack_cstr(&pack, "content");
    avj_pack_cstr(&pack, "as upstream");
    append_bad_record(f->dir, pack.data, pack.len);
    avj_pack_release(&pack);
    the_first_frame(f->dir);
    mend(f->dir, &m);
    assert_int_equal(m.code, FSCK_REPAIRED);
    assert_null(step_of(&m, FSCK_STEP_THREAD));
}

/* ---- a header with one wrong bit ---- */

static void any_bit_of_a_header_is_found(void **state)
{
    struct fixture *f = *state;
    char *path = segment_path(f->dir, 2);
    struct avj_segment_header was, header;
    bool mended;

    assert_int_equal(avj_read_segment_header(avj_io_posix(), path, &was, NULL), AVJ_OK);
    for (uint64_t bit = 0; bit < HEADER * 8; bit += 997) {
        test_flip(path, bit / 8, (uint8_t)(1u << (bit % 8)));
        assert_int_equal(avj_mend_header(avj_io_posix(), path, &header, &mended, NULL), AVJ_OK);
        assert_true(mended);
        assert_memory_equal(header.salt, was.salt, 16);
        assert_int_equal(header.chain, was.chain);
        test_flip(path, bit / 8, (uint8_t)(1u << (bit % 8)));
    }
    test_flip(path, 9, 1);
    test_flip(path, 999, 1);
    assert_int_equal(avj_mend_header(avj_io_posix(), path, &header, &mended, NULL), AVJ_ECORRUPT);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EMPTY(each_damage_is_put_right),
        WHOLE(a_whole_journal_is_left_alone),
        EMPTY(an_empty_journal_is_left_alone),
        WHOLE(the_original_is_kept_byte_for_byte),
        WHOLE(a_second_repair_has_a_folder_of_its_own),
        WHOLE(what_an_earlier_repair_kept_is_used),
        WHOLE(a_dry_run_changes_nothing),
        WHOLE(a_writer_keeps_the_repair_out),
        WHOLE(a_handle_that_was_open_goes_on),
        WHOLE(a_disk_that_gives_errors_is_not_written_to),
        WHOLE(without_any_header_there_is_nothing_to_mend),
        WHOLE(snapshots_of_lost_records_are_moved_aside),
        WHOLE(a_damaged_snapshot_is_moved_aside),
        WHOLE(lost_records_make_the_next_sync_look_at_everything),
        WHOLE(a_repair_that_loses_nothing_leaves_the_swept_time),
        WHOLE(a_lost_thread_is_made_anew_where_no_server_has_it),
        WHOLE(a_lost_thread_that_a_server_has_is_left_to_the_sync),
        WHOLE(any_bit_of_a_header_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
