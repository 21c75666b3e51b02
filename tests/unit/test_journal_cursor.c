/* Reading: from the start, from the middle, at the end while others append, and waking up. */
#include "tests/support/journal_case.h"

#include <poll.h>

static const struct avj_journal_options small = {.segment_target = 64 * 1024};

static struct avj_cursor *open_cursor(struct avj_journal *journal, uint64_t from)
{
    struct avj_cursor *cursor = NULL;
    struct avj_error err = {0};

    assert_ok(avj_cursor_open(journal, from, &cursor, &err), err);
    assert_non_null(cursor);
    return cursor;
}

/* The cursor must give exactly first..last and then the end. */
static void assert_gives(struct avj_cursor *cursor, uint64_t first, uint64_t last)
{
    struct avj_record record;
    struct avj_error err = {0};

    for (uint64_t seq = first; seq <= last; seq++) {
        assert_ok(avj_cursor_next(cursor, &record, &err), err);
        assert_int_equal(record.seq, seq);
        if (!numbered_is(seq, record.data, record.len))
            fail_msg("record %llu is wrong", (unsigned long long)seq);
    }
    assert_status(AVJ_END, avj_cursor_next(cursor, &record, &err), err);
}

static void a_cursor_starts_at_any_record(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *journal;
    const uint64_t last = 900;

    create_journal(c->dir, &small);
    journal = open_journal(c->dir, &small);
    for (uint64_t from = 1; from <= last; from += 9)
        append_numbered(journal, from, 9, AVJ_RELAXED);
    assert_true(count_segments(c->dir) >= 3);
    for (uint64_t from = 0; from <= last; from += from < 30 ? 1 : 41) {
        struct avj_cursor *cursor = open_cursor(journal, from);
        assert_gives(cursor, from == 0 ? 1 : from, last);
        avj_cursor_close(cursor);
    }
    avj_journal_close(journal);
}

static void a_cursor_may_start_at_the_record_that_comes_next(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *journal;
    struct avj_cursor *cursor;

    create_journal(c->dir, NULL);
    journal = open_journal(c->dir, NULL);
    append_numbered(journal, 1, 10, AVJ_DURABLE);
    cursor = open_cursor(journal, 11);
    assert_gives(cursor, 1, 0);
    append_numbered(journal, 11, 4, AVJ_DURABLE);
    assert_gives(cursor, 11, 14);
    avj_cursor_close(cursor);
    avj_journal_close(journal);
}

static void a_cursor_sees_what_another_handle_appends_while_it_lives(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *reader, *writer;
    struct avj_cursor *cursor;
    uint64_t next = 1;

    create_journal(c->dir, &small);
    reader = open_journal(c->dir, &small);
    writer = open_journal(c->dir, &small);
    cursor = open_cursor(reader, 0);
    assert_gives(cursor, 1, 0);
    for (size_t round = 0; round < 120; round++) {
        size_t count = 1 + round % 13;
        append_numbered(writer, next, count, round % 4 ? AVJ_RELAXED : AVJ_DURABLE);
        assert_gives(cursor, next, next + count - 1);
        next += count;
    }
    assert_true(count_segments(c->dir) >= 3);
    avj_cursor_close(cursor);
    avj_journal_close(writer);
    avj_journal_close(reader);
}

static void cursors_of_one_journal_do_not_disturb_each_other(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *journal;
    struct avj_cursor *one, *two;
    struct avj_record record;
    struct avj_error err = {0};

    create_journal(c->dir, &small);
    journal = open_journal(c->dir, &small);
    for (uint64_t from = 1; from <= 600; from += 20)
        append_numbered(journal, from, 20, AVJ_RELAXED);
    one = open_cursor(journal, 0);
    two = open_cursor(journal, 300);
    for (uint64_t i = 0; i < 250; i++) {
        assert_ok(avj_cursor_next(one, &record, &err), err);
        assert_true(numbered_is(1 + i, record.data, record.len));
        assert_ok(avj_cursor_next(two, &record, &err), err);
        assert_true(numbered_is(300 + i, record.data, record.len));
    }
    avj_cursor_close(two);
    assert_gives(one, 251, 600);
    avj_cursor_close(one);
    avj_journal_close(journal);
}

static void a_read_only_handle_follows_a_writer(void **state)
{
    struct journal_case *c = *state;
    const struct avj_journal_options read_only = {.read_only = true};
    struct avj_journal *reader, *writer;
    struct avj_cursor *cursor;

    create_journal(c->dir, &small);
    writer = open_journal(c->dir, &small);
    append_numbered(writer, 1, 7, AVJ_DURABLE);
    reader = open_journal(c->dir, &read_only);
    cursor = open_cursor(reader, 0);
    assert_gives(cursor, 1, 7);
    append_numbered(writer, 8, 3, AVJ_RELAXED);
    assert_gives(cursor, 8, 10);
    assert_int_equal(journal_info(reader).next_seq, 11);
    avj_cursor_close(cursor);
    avj_journal_close(reader);
    avj_journal_close(writer);
}

static void records_name_the_segment_and_the_frame_that_hold_them(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *journal;
    struct avj_cursor *cursor;
    struct avj_record record;
    struct avj_error err = {0};
    uint64_t segment = 0, offset = 0;

    create_journal(c->dir, &small);
    journal = open_journal(c->dir, &small);
    for (uint64_t from = 1; from <= 600; from += 10)
        append_numbered(journal, from, 10, AVJ_RELAXED);
    cursor = open_cursor(journal, 0);
    for (uint64_t seq = 1; seq <= 600; seq++) {
        assert_ok(avj_cursor_next(cursor, &record, &err), err);
        if (seq % 10 == 1)
            assert_true(record.segment > segment ||
                        (record.segment == segment && record.offset > offset));
        else
            assert_true(record.segment == segment && record.offset == offset);
        segment = record.segment;
        offset = record.offset;
    }
    assert_int_equal(segment, count_segments(c->dir));
    avj_cursor_close(cursor);
    avj_journal_close(journal);
}

static bool readable(int fd, int timeout_ms)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

    return poll(&poll_fd, 1, timeout_ms) == 1;
}

/* Waits for the event itself, at most so long that only a lost wake-up can take it. */
static void an_append_of_another_handle_wakes(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *reader, *writer;
    struct avj_cursor *cursor;
    uint64_t next = 1;
    int fd;

    create_journal(c->dir, &small);
    reader = open_journal(c->dir, &small);
    writer = open_journal(c->dir, &small);
    fd = avj_journal_wake_fd(reader);
    if (fd < 0)
        skip();
    cursor = open_cursor(reader, 0);
    for (size_t round = 0; round < 60; round++) {
        avj_journal_woken(reader);
        assert_gives(cursor, next, next - 1);
        append_numbered(writer, next, 10, AVJ_RELAXED);
        assert_true(readable(fd, 30000));
        avj_journal_woken(reader);
        assert_gives(cursor, next, next + 9);
        next += 10;
    }
    assert_true(count_segments(c->dir) >= 2);
    avj_journal_woken(reader);
    assert_false(readable(fd, 0));
    avj_cursor_close(cursor);
    avj_journal_close(writer);
    avj_journal_close(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOURNAL_CASE(a_cursor_starts_at_any_record),
        JOURNAL_CASE(a_cursor_may_start_at_the_record_that_comes_next),
        JOURNAL_CASE(a_cursor_sees_what_another_handle_appends_while_it_lives),
        JOURNAL_CASE(cursors_of_one_journal_do_not_disturb_each_other),
        JOURNAL_CASE(a_read_only_handle_follows_a_writer),
        JOURNAL_CASE(records_name_the_segment_and_the_frame_that_hold_them),
        JOURNAL_CASE(an_append_of_another_handle_wakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
