/*
 * Sealing and dictionaries: finished segments become smaller and nothing else changes; whatever
 * fails on the way leaves one valid set of segments; a journal learns to compress its own records.
 */
#include "journal/scan.h"
#include "tests/support/fault_io.h"
#include "tests/support/journal_case.h"
#include "tests/support/messages.h"
#include "tests/support/rng.h"

#include <errno.h>

static const struct avj_journal_options small = {.segment_target = 64 * 1024,
                                                 .no_background = true};

/* Some segments of numbered records, durable; returns how many records. */
static uint64_t several_segments(const char *dir, size_t segments)
{
    struct avj_journal *journal;
    uint64_t next = 1;

    create_journal(dir, &small);
    journal = open_journal(dir, &small);
    while (count_segments(dir) < segments) {
        append_numbered(journal, next, 12, AVJ_RELAXED);
        next += 12;
    }
    append_numbered(journal, next, 1, AVJ_DURABLE);
    avj_journal_close(journal);
    return next;
}

static struct avj_maintained maintain(struct avj_journal *journal)
{
    struct avj_maintained done;
    struct avj_error err = {0};

    assert_ok(avj_journal_maintain(journal, NULL, &done, &err), err);
    return done;
}

static char *segment_name(const char *dir, unsigned number)
{
    return test_path(dir, "segments/%016x.seg", number);
}

static struct avj_segment_header header_of(const char *dir, unsigned number)
{
    struct avj_segment_header header;
    struct avj_error err = {0};
    char *name = segment_name(dir, number);

    assert_ok(avj_read_segment_header(avj_io_posix(), name, &header, &err), err);
    free(name);
    return header;
}

static void finished_segments_are_sealed_and_read_as_before(void **state)
{
    struct journal_case *c = *state;
    uint64_t last = several_segments(c->dir, 4);
    struct avj_journal *journal = open_journal(c->dir, &small);
    struct avj_journal_info before = journal_info(journal), after;
    struct avj_maintained done = maintain(journal);

    assert_int_equal(done.sealed, 3);
    assert_int_equal(done.damaged, 0);
    assert_true(done.bytes_after < done.bytes_before);
    after = journal_info(journal);
    assert_int_equal(after.segments, 4);
    assert_int_equal(after.sealed, 3);
    assert_true(after.bytes < before.bytes);
    assert_numbered(journal, last);
    assert_int_equal(maintain(journal).sealed, 0); /* once is enough */
    append_numbered(journal, last + 1, 3, AVJ_DURABLE);
    avj_journal_close(journal);

    journal = open_journal(c->dir, &small);
    assert_numbered(journal, last + 3);
    avj_journal_close(journal);
    for (unsigned number = 1; number <= 3; number++)
        assert_true(header_of(c->dir, number).sealed);
    assert_false(header_of(c->dir, 4).sealed);
}

static void a_cursor_goes_on_while_what_it_reads_is_sealed(void **state)
{
    struct journal_case *c = *state;
    uint64_t last = several_segments(c->dir, 4), seq = 0;
    struct avj_journal *journal = open_journal(c->dir, &small);
    struct avj_cursor *cursor;
    struct avj_record record;
    struct avj_error err = {0};
    enum avj_status status;

    assert_ok(avj_cursor_open(journal, 0, &cursor, &err), err);
    while (seq < 100) {
        assert_ok(avj_cursor_next(cursor, &record, &err), err);
        assert_int_equal(record.seq, ++seq);
    }
    assert_int_equal(maintain(journal).sealed, 3);
    while ((status = avj_cursor_next(cursor, &record, &err)) == AVJ_OK) {
        assert_int_equal(record.seq, ++seq);
        assert_true(numbered_is(seq, record.data, record.len));
    }
    assert_status(AVJ_END, status, err);
    assert_int_equal(seq, last);
    avj_cursor_close(cursor);
    avj_journal_close(journal);
}

static void a_cursor_begins_at_any_record_of_a_sealed_segment(void **state)
{
    struct journal_case *c = *state;
    uint64_t last = several_segments(c->dir, 3);
    struct avj_journal *journal = open_journal(c->dir, &small);

    assert_int_equal(maintain(journal).sealed, 2);
    for (uint64_t from = 1; from <= last; from++) {
        struct avj_cursor *cursor;
        struct avj_record record;
        struct avj_error err = {0};
        assert_ok(avj_cursor_open(journal, from, &cursor, &err), err);
        assert_ok(avj_cursor_next(cursor, &record, &err), err);
        assert_int_equal(record.seq, from);
        assert_true(numbered_is(from, record.data, record.len));
        avj_cursor_close(cursor);
    }
    avj_journal_close(journal);
}

/* Frames of one record of 60 KB each, so that a sealed segment has several frames to choose from.
 */
static void the_index_leads_to_the_right_one_of_many_frames(void **state)
{
    struct journal_case *c = *state;
    static uint8_t data[60000];
    struct avj_slice slice = {data, sizeof data};
    struct avj_error err = {0};
    struct avj_journal *journal;
    struct test_rng rng;

    create_journal(c->dir, &(struct avj_journal_options){.no_background = true});
    journal = open_journal(c->dir, &(struct avj_journal_options){.no_background = true});
    for (uint32_t i = 1; i <= 100; i++) {
        test_rng_init(&rng, i);
        test_rng_fill(&rng, data, sizeof data);
        memcpy(data, &i, sizeof i);
        assert_ok(avj_journal_append(journal, &slice, 1, AVJ_RELAXED, NULL, &err), err);
    }
    assert_ok(avj_journal_rotate(journal, &err), err);
    assert_int_equal(maintain(journal).sealed, 1);
    for (uint32_t from = 100; from >= 1; from--) {
        struct avj_cursor *cursor;
        struct avj_record record;
        uint32_t number;
        assert_ok(avj_cursor_open(journal, from, &cursor, &err), err);
        assert_ok(avj_cursor_next(cursor, &record, &err), err);
        memcpy(&number, record.data, sizeof number);
        assert_int_equal(number, from);
        avj_cursor_close(cursor);
    }
    avj_journal_close(journal);
}

static void a_damaged_segment_stays_as_it_is_and_is_counted(void **state)
{
    struct journal_case *c = *state;
    char *name = segment_name(c->dir, 2);
    struct avj_journal *journal;
    struct avj_maintained done;
    size_t before_len, after_len;
    uint8_t *before, *after;

    several_segments(c->dir, 4);
    test_flip(name, 4096 + 300, 4);
    before = test_read_file(name, &before_len);
    journal = open_journal(c->dir, &small);
    done = maintain(journal);
    assert_int_equal(done.sealed, 2);
    assert_int_equal(done.damaged, 1);
    avj_journal_close(journal);
    after = test_read_file(name, &after_len);
    assert_int_equal(before_len, after_len);
    assert_memory_equal(before, after, after_len);
    free(before);
    free(after);
    free(name);
}

static enum avj_status count_damage(void *arg, enum avj_damage damage, uint64_t offset,
                                    uint64_t len, const struct avj_frame_info *next_good)
{
    (void)damage, (void)offset, (void)len, (void)next_good;
    ++*(unsigned *)arg;
    return AVJ_OK;
}

static void what_a_crash_left_behind_is_kept(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *journal;
    struct avj_scan_result result;
    struct avj_error err = {0};
    unsigned damages = 0;
    const struct avj_scan_events events = {.arg = &damages, .damage = count_damage};
    char *name = segment_name(c->dir, 1), torn[500];

    create_journal(c->dir, &small);
    journal = open_journal(c->dir, &small);
    append_numbered(journal, 1, 5, AVJ_DURABLE);
    avj_journal_close(journal);
    memset(torn, 't', sizeof torn);
    test_append_file(name, torn, sizeof torn);
    journal = open_journal(c->dir, &small);
    append_numbered(journal, 6, 5, AVJ_DURABLE);
    assert_int_equal(maintain(journal).sealed, 1);
    assert_numbered(journal, 10);
    avj_journal_close(journal);
    assert_ok(avj_scan_segment(avj_io_posix(), name, 0, true, &events, &result, &err), err);
    assert_int_equal(damages, 0);
    assert_int_equal(result.set_aside_bytes, sizeof torn);
    assert_int_equal(result.records, 5);
    free(name);
}

static void only_one_process_seals_at_a_time(void **state)
{
    struct journal_case *c = *state;
    const struct avj_io *io = avj_io_posix();
    struct avj_journal *journal;
    struct avj_maintained done;
    struct avj_error err = {0};
    char *name = test_path(c->dir, "seal.lock");
    int lock;

    several_segments(c->dir, 2);
    lock = io->open(io->ctx, name, AVJ_OPEN_WRITE | AVJ_OPEN_CREATE);
    assert_int_equal(io->try_lock(io->ctx, lock), AVJ_LOCK_TAKEN);
    journal = open_journal(c->dir, &small);
    assert_status(AVJ_ELOCKED, avj_journal_maintain(journal, NULL, &done, &err), err);
    io->close(io->ctx, lock);
    assert_int_equal(maintain(journal).sealed, 1);
    avj_journal_close(journal);
    free(name);
}

static bool at_once(void *arg)
{
    (void)arg;
    return true;
}

static void it_stops_when_it_is_asked_to_and_goes_on_later(void **state)
{
    struct journal_case *c = *state;
    const struct avj_maintenance how = {.stop = at_once};
    uint64_t last = several_segments(c->dir, 3);
    struct avj_journal *journal = open_journal(c->dir, &small);
    struct avj_maintained done;
    struct avj_error err = {0};

    assert_ok(avj_journal_maintain(journal, &how, &done, &err), err);
    assert_int_equal(done.sealed, 0);
    assert_numbered(journal, last);
    assert_int_equal(maintain(journal).sealed, 2);
    assert_numbered(journal, last);
    avj_journal_close(journal);
}

/* ---- whatever fails ---- */

struct way {
    const char *sentence;
    unsigned calls;
    uint64_t times;
    enum fault_how how;
    int errnum;
};

static const struct way ways[] = {
    {"input/output error, once", FAULT_ANY, 1, FAULT_ERROR, EIO},
    {"input/output error for good", FAULT_ANY, 0, FAULT_ERROR, EIO},
    {"the disk gets full", FAULT_SPACE, 0, FAULT_HALF_ERROR, ENOSPC},
    {"a sync fails, once", FAULT_IN(FAULT_SYNC) | FAULT_IN(FAULT_SYNC_DIR), 1, FAULT_ERROR, EIO},
    {"nothing but short reads and writes", FAULT_IN(FAULT_PREAD) | FAULT_IN(FAULT_PWRITE), 0,
     FAULT_SHORT, 0},
};

/* Seals a copy with the nth call failing; false when nothing failed any more. */
static bool seal_with(struct journal_case *c, const struct way *way, uint64_t nth, uint64_t last)
{
    const struct fault_plan plan = {way->calls, nth, way->times, way->how, way->errnum};
    const struct fault_plan none = {0};
    struct fault_io *fault = fault_io_new(avj_io_posix());
    struct avj_journal_options options = small;
    struct avj_maintained done;
    struct avj_journal *journal;
    char *dir = test_path(c->folder, "sealing");
    bool failed;

    options.io = fault_io_table(fault);
    test_copy_tree(c->dir, dir);
    journal = open_journal(dir, &options);
    fault_io_plan(fault, &plan);
    enum avj_status ignored = avj_journal_maintain(journal, NULL, &done, NULL);
    (void)ignored;
    failed = fault_io_failed(fault) > 0;
    fault_io_plan(fault, &none);
    assert_numbered(journal, last);
    (void)maintain(journal);
    append_numbered(journal, last + 1, 1, AVJ_DURABLE);
    avj_journal_close(journal);
    assert_int_equal(fault_io_open_files(fault), 0);
    fault_io_free(fault);
    journal = open_journal(dir, &small);
    assert_numbered(journal, last + 1);
    assert_int_equal(journal_info(journal).sealed, 2);
    avj_journal_close(journal);
    test_dir_free(dir);
    return failed;
}

static void every_call_fails_in_turn_and_the_log_stays_whole(void **state)
{
    struct journal_case *c = *state;
    uint64_t last = several_segments(c->dir, 3);

    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        uint64_t nth = 1;
        while (seal_with(c, &ways[i], nth, last))
            nth++;
        print_message("%s: %llu places\n", ways[i].sentence, (unsigned long long)nth - 1);
        assert_true(nth > 2);
    }
}

/* ---- dictionaries ---- */

/* One message a frame, as a chat writes them; returns how many bytes of log they took. */
static uint64_t append_messages(struct avj_journal *journal, struct message_maker *maker,
                                size_t count)
{
    uint64_t before = journal_info(journal).bytes;
    struct avj_error err = {0};

    for (size_t i = 0; i < count; i++) {
        struct message m;
        message_next(maker, &m);
        char *line = message_line(&m);
        struct avj_slice slice = {line, strlen(line)};
        assert_ok(avj_journal_append(journal, &slice, 1, AVJ_RELAXED, NULL, &err), err);
        free(line);
    }
    return journal_info(journal).bytes - before;
}

static void a_journal_learns_to_compress_its_own_records(void **state)
{
    struct journal_case *c = *state;
    const struct avj_journal_options quiet = {.no_background = true};
    struct message_maker maker;
    struct avj_journal *journal;
    struct avj_segment_header header;
    uint64_t before, after;

    message_maker_init(&maker, 7);
    create_journal(c->dir, &quiet);
    journal = open_journal(c->dir, &quiet);
    assert_int_equal(header_of(c->dir, 1).dictionary.kind, AVJ_DICTIONARY_SHIPPED);
    before = append_messages(journal, &maker, 800);
    assert_true(maintain(journal).trained);
    assert_false(maintain(journal).trained); /* not until there is much more */
    append_messages(journal, &maker, 1);     /* begins the next segment */
    assert_int_equal(count_segments(c->dir), 2);
    header = header_of(c->dir, 2);
    assert_int_equal(header.dictionary.kind, AVJ_DICTIONARY_EMBEDDED);
    assert_true(header.frames_at > 4096);
    after = append_messages(journal, &maker, 800);
    print_message("%llu bytes of log before, %llu after\n", (unsigned long long)before,
                  (unsigned long long)after);
    assert_true(after * 10 < before * 9);
    avj_journal_close(journal);

    /* It stays in use, and what was written with it can be read, sealed or not. */
    journal = open_journal(c->dir, &quiet);
    struct avj_error err = {0};
    assert_ok(avj_journal_rotate(journal, &err), err);
    append_messages(journal, &maker, 1);
    assert_int_equal(header_of(c->dir, 3).dictionary.hash, header.dictionary.hash);
    assert_int_equal(maintain(journal).sealed, 2);
    struct avj_cursor *cursor;
    struct avj_record record;
    enum avj_status status;
    uint64_t seen = 0;
    assert_ok(avj_cursor_open(journal, 0, &cursor, &err), err);
    message_maker_release(&maker);
    message_maker_init(&maker, 7);
    while ((status = avj_cursor_next(cursor, &record, &err)) == AVJ_OK) {
        struct message m;
        message_next(&maker, &m);
        char *line = message_line(&m);
        assert_int_equal(record.len, strlen(line));
        assert_memory_equal(record.data, line, record.len);
        free(line);
        seen++;
    }
    assert_status(AVJ_END, status, err);
    assert_int_equal(seen, 1602);
    avj_cursor_close(cursor);
    avj_journal_close(journal);
    message_maker_release(&maker);
}

static void a_dictionary_file_that_can_not_be_believed_is_made_again(void **state)
{
    struct journal_case *c = *state;
    const struct avj_journal_options quiet = {.no_background = true};
    struct message_maker maker;
    struct avj_journal *journal;
    char *name = test_path(c->dir, "dictionary");
    uint64_t size;

    message_maker_init(&maker, 7);
    create_journal(c->dir, &quiet);
    journal = open_journal(c->dir, &quiet);
    append_messages(journal, &maker, 800);
    assert_true(maintain(journal).trained);
    size = test_file_size(name);
    for (uint64_t offset = 0; offset < size; offset += offset < 70 ? 1 : 997) {
        struct avj_error err = {0};
        test_flip(name, offset, 0x10);
        assert_ok(avj_journal_rotate(journal, &err), err);
        append_messages(journal, &maker, 1);
        test_flip(name, offset, 0x10);
    }
    test_truncate_file(name, size / 2);
    assert_true(maintain(journal).trained);
    assert_int_equal(test_file_size(name) > 64, 1);
    avj_journal_close(journal);
    message_maker_release(&maker);
    free(name);
}

/* ---- space written ahead ---- */

static void space_is_written_ahead_of_durable_appends_only(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *journal, *other;
    struct avj_journal_info info;

    create_journal(c->dir, &small);
    journal = open_journal(c->dir, &small);
    append_numbered(journal, 1, 20, AVJ_RELAXED);
    append_numbered(journal, 21, 1, AVJ_DURABLE); /* one alone does not pay for it */
    assert_int_equal(journal_info(journal).reserved, 0);
    for (uint64_t seq = 22; seq <= 30; seq++)
        append_numbered(journal, seq, 1, AVJ_DURABLE);
    info = journal_info(journal);
    assert_true(info.reserved > 0);
    assert_true(info.bytes + info.reserved <= 64 * 1024);
    assert_numbered(journal, 30);
    /* Others find the end of the log in front of it, and so does whoever comes after. */
    other = open_journal(c->dir, &small);
    assert_int_equal(journal_info(other).next_seq, 31);
    append_numbered(other, 31, 1, AVJ_DURABLE);
    append_numbered(journal, 32, 1, AVJ_RELAXED);
    assert_numbered(other, 32);
    assert_int_equal(count_segments(c->dir), 1);
    avj_journal_close(other);
    avj_journal_close(journal);
    journal = open_journal(c->dir, &small);
    assert_int_equal(journal_info(journal).unsynced_tail_bytes, 0);
    append_numbered(journal, 33, 1, AVJ_DURABLE);
    assert_int_equal(count_segments(c->dir), 1);
    avj_journal_close(journal);
}

static void without_leave_no_space_is_written_ahead(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal_options options = small;
    struct avj_journal *journal;

    options.no_reserve = true;
    create_journal(c->dir, &options);
    journal = open_journal(c->dir, &options);
    for (uint64_t seq = 1; seq <= 30; seq++)
        append_numbered(journal, seq, 1, AVJ_DURABLE);
    assert_int_equal(journal_info(journal).reserved, 0);
    avj_journal_close(journal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOURNAL_CASE(finished_segments_are_sealed_and_read_as_before),
        JOURNAL_CASE(a_cursor_goes_on_while_what_it_reads_is_sealed),
        JOURNAL_CASE(a_cursor_begins_at_any_record_of_a_sealed_segment),
        JOURNAL_CASE(the_index_leads_to_the_right_one_of_many_frames),
        JOURNAL_CASE(a_damaged_segment_stays_as_it_is_and_is_counted),
        JOURNAL_CASE(what_a_crash_left_behind_is_kept),
        JOURNAL_CASE(only_one_process_seals_at_a_time),
        JOURNAL_CASE(it_stops_when_it_is_asked_to_and_goes_on_later),
        JOURNAL_CASE(every_call_fails_in_turn_and_the_log_stays_whole),
        JOURNAL_CASE(a_journal_learns_to_compress_its_own_records),
        JOURNAL_CASE(a_dictionary_file_that_can_not_be_believed_is_made_again),
        JOURNAL_CASE(space_is_written_ahead_of_durable_appends_only),
        JOURNAL_CASE(without_leave_no_space_is_written_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
