/* Creating, appending and reading back: what the journal gives when nothing goes wrong. */
#include "tests/support/journal_case.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct avj_journal_options small = {.segment_target = 64 * 1024};

static void a_new_journal_is_empty(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *journal;
    struct avj_journal_info info;

    create_journal(c->dir, NULL);
    journal = open_journal(c->dir, NULL);
    info = journal_info(journal);
    assert_int_equal(info.first_seq, 1);
    assert_int_equal(info.next_seq, 1);
    assert_int_equal(info.segments, 1);
    assert_int_equal(info.unsynced_tail_bytes, 0);
    assert_string_equal(avj_journal_path(journal), c->dir);
    assert_numbered(journal, 0);
    avj_journal_close(journal);
}

static void create_refuses_a_journal_that_is_there(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *journal;
    struct avj_error err = {0};

    create_journal(c->dir, NULL);
    journal = open_journal(c->dir, NULL);
    append_numbered(journal, 1, 3, AVJ_DURABLE);
    assert_status(AVJ_EEXIST, avj_journal_create(c->dir, NULL, &err), err);
    assert_true(strlen(err.message) > 0);
    assert_numbered(journal, 3);
    avj_journal_close(journal);
}

static void create_takes_an_empty_folder(void **state)
{
    struct journal_case *c = *state;

    assert_int_equal(mkdir(c->dir, 0700), 0);
    create_journal(c->dir, NULL);
    avj_journal_close(open_journal(c->dir, NULL));
}

static void create_fails_where_its_parent_is_missing(void **state)
{
    struct journal_case *c = *state;
    char *dir = test_path(c->dir, "deeper/still");
    struct avj_error err = {0};

    assert_true(avj_journal_create(dir, NULL, &err) < 0);
    assert_contains(err.message, dir);
    assert_false(test_exists(dir));
    free(dir);
}

/* One record of each size; the content is tied to the size, so that two can not be mistaken for
 * each other. */
static uint8_t *sized_record(size_t len)
{
    uint8_t *data = malloc(len + 1);

    assert_non_null(data);
    for (size_t i = 0; i < len; i++)
        data[i] = (uint8_t)(len * 31 + i * 7 + i / 251);
    return data;
}

static void records_of_any_size_come_back_as_they_were(void **state)
{
    static const size_t sizes[] = {0,       1,       2,
                                   7,       8,       127,
                                   128,     16383,   16384,
                                   65536,   70000,   1048575,
                                   1048576, 2097152, AVJ_RECORD_MAX - 1,
                                   0,       100,     AVJ_RECORD_MAX};
    const size_t count = sizeof sizes / sizeof sizes[0];
    struct journal_case *c = *state;
    struct avj_journal *journal;
    struct avj_cursor *cursor;
    struct avj_record record;
    struct avj_error err = {0};

    create_journal(c->dir, NULL);
    journal = open_journal(c->dir, NULL);
    for (size_t i = 0; i < count; i++) {
        uint8_t *data = sized_record(sizes[i]);
        struct avj_slice slice = {data, sizes[i]};
        uint64_t seq = 0;
        assert_ok(avj_journal_append(journal, &slice, 1, AVJ_RELAXED, &seq, &err), err);
        assert_int_equal(seq, i + 1);
        free(data);
    }
    avj_journal_close(journal);

    journal = open_journal(c->dir, NULL);
    assert_ok(avj_cursor_open(journal, 0, &cursor, &err), err);
    for (size_t i = 0; i < count; i++) {
        uint8_t *data = sized_record(sizes[i]);
        assert_ok(avj_cursor_next(cursor, &record, &err), err);
        assert_int_equal(record.seq, i + 1);
        assert_int_equal(record.len, sizes[i]);
        if (sizes[i] > 0)
            assert_memory_equal(record.data, data, sizes[i]);
        free(data);
    }
    assert_status(AVJ_END, avj_cursor_next(cursor, &record, &err), err);
    avj_cursor_close(cursor);
    avj_journal_close(journal);
}

static void a_record_or_a_frame_that_is_too_big_is_refused_and_leaves_no_trace(void **state)
{
    struct journal_case *c = *state;
    uint8_t *data = calloc(1, AVJ_RECORD_MAX + 1);
    struct avj_slice over = {data, AVJ_RECORD_MAX + 1};
    struct avj_slice together[] = {
        {data, AVJ_RECORD_MAX / 2}, {data, AVJ_RECORD_MAX / 2}, {data, 2 * 1024 * 1024}};
    struct avj_journal *journal;
    struct avj_error err = {0};

    assert_non_null(data);
    create_journal(c->dir, NULL);
    journal = open_journal(c->dir, NULL);
    append_numbered(journal, 1, 1, AVJ_DURABLE);
    assert_status(AVJ_ETOOBIG, avj_journal_append(journal, &over, 1, AVJ_DURABLE, NULL, &err), err);
    assert_status(AVJ_ETOOBIG, avj_journal_append(journal, together, 3, AVJ_DURABLE, NULL, &err),
                  err);
    append_numbered(journal, 2, 1, AVJ_DURABLE);
    assert_numbered(journal, 2);
    avj_journal_close(journal);
    free(data);
}

static void the_most_records_of_a_frame_fit_in_one(void **state)
{
    struct journal_case *c = *state;
    struct avj_slice *slices = calloc(AVJ_RECORDS_PER_FRAME_MAX, sizeof *slices);
    struct avj_journal *journal;
    struct avj_cursor *cursor;
    struct avj_record record;
    struct avj_error err = {0};
    uint64_t seq = 0, offset = 0;

    assert_non_null(slices);
    for (size_t i = 0; i < AVJ_RECORDS_PER_FRAME_MAX; i++)
        slices[i] = (struct avj_slice){&"0123456789"[i % 10], i % 10 == 9 ? 0 : 1};
    create_journal(c->dir, NULL);
    journal = open_journal(c->dir, NULL);
    assert_ok(
        avj_journal_append(journal, slices, AVJ_RECORDS_PER_FRAME_MAX, AVJ_DURABLE, &seq, &err),
        err);
    assert_int_equal(seq, 1);
    assert_ok(avj_cursor_open(journal, 0, &cursor, &err), err);
    for (size_t i = 0; i < AVJ_RECORDS_PER_FRAME_MAX; i++) {
        assert_ok(avj_cursor_next(cursor, &record, &err), err);
        if (i == 0)
            offset = record.offset;
        if (record.seq != i + 1 || record.len != slices[i].len || record.offset != offset ||
            (record.len == 1 && record.data[0] != '0' + (int)(i % 10)))
            fail_msg("record %zu is wrong", i + 1);
    }
    assert_status(AVJ_END, avj_cursor_next(cursor, &record, &err), err);
    avj_cursor_close(cursor);
    avj_journal_close(journal);
    free(slices);
}

static void sequence_numbers_rise_without_holes_over_segments_and_reopenings(void **state)
{
    struct journal_case *c = *state;
    uint64_t next = 1;

    create_journal(c->dir, &small);
    for (size_t round = 0; round < 12; round++) {
        struct avj_journal *journal = open_journal(c->dir, &small);
        assert_int_equal(journal_info(journal).next_seq, next);
        for (size_t i = 0; i < 10; i++) {
            size_t count = 1 + (round * 10 + i) * 37 % 60;
            append_numbered(journal, next, count, i % 3 == 0 ? AVJ_DURABLE : AVJ_RELAXED);
            next += count;
        }
        assert_int_equal(journal_info(journal).next_seq, next);
        assert_int_equal(journal_info(journal).segments, count_segments(c->dir));
        assert_numbered(journal, next - 1);
        avj_journal_close(journal);
    }
    assert_true(count_segments(c->dir) >= 5);
}

static void relaxed_records_become_durable_with_sync_close_or_a_durable_append(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *journal;
    struct avj_error err = {0};

    create_journal(c->dir, NULL);
    journal = open_journal(c->dir, NULL);
    append_numbered(journal, 1, 5, AVJ_RELAXED);
    assert_true(journal_info(journal).durable_seq < 5);
    assert_ok(avj_journal_sync(journal, &err), err);
    assert_int_equal(journal_info(journal).durable_seq, 5);
    append_numbered(journal, 6, 2, AVJ_RELAXED);
    append_numbered(journal, 8, 1, AVJ_DURABLE);
    assert_int_equal(journal_info(journal).durable_seq, 8);
    append_numbered(journal, 9, 2, AVJ_RELAXED);
    avj_journal_close(journal);
    journal = open_journal(c->dir, NULL);
    assert_int_equal(journal_info(journal).durable_seq, 10);
    assert_numbered(journal, 10);
    avj_journal_close(journal);
}

static void sync_with_nothing_to_do_succeeds(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *journal;
    struct avj_error err = {0};

    create_journal(c->dir, NULL);
    journal = open_journal(c->dir, NULL);
    assert_ok(avj_journal_sync(journal, &err), err);
    append_numbered(journal, 1, 1, AVJ_DURABLE);
    assert_ok(avj_journal_sync(journal, &err), err);
    assert_ok(avj_journal_sync(journal, &err), err);
    avj_journal_close(journal);
}

static void every_compression_level_reads_back(void **state)
{
    static const int levels[] = {-5, 1, 3, 9, 19};
    struct journal_case *c = *state;
    uint64_t next = 1;

    create_journal(c->dir, NULL);
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        struct avj_journal_options options = {.compression_level = levels[i]};
        struct avj_journal *journal = open_journal(c->dir, &options);
        append_numbered(journal, next, 40, AVJ_RELAXED);
        next += 40;
        assert_numbered(journal, next - 1);
        avj_journal_close(journal);
    }
}

static void text_is_stored_in_less_than_its_size_and_noise_in_hardly_more(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *journal;
    struct avj_error err = {0};
    static uint8_t text[100000], noise[100000];
    struct avj_slice slices[] = {{text, sizeof text}, {noise, sizeof noise}};
    uint64_t before, middle, after;

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t) "all work and no play "[i % 21];
    assert_int_equal(avj_io_posix()->random(NULL, noise, sizeof noise), 0);
    create_journal(c->dir, NULL);
    journal = open_journal(c->dir, NULL);
    before = journal_info(journal).bytes;
    assert_ok(avj_journal_append(journal, &slices[0], 1, AVJ_RELAXED, NULL, &err), err);
    middle = journal_info(journal).bytes;
    assert_ok(avj_journal_append(journal, &slices[1], 1, AVJ_RELAXED, NULL, &err), err);
    after = journal_info(journal).bytes;
    assert_true(middle - before < 2000);
    assert_true(after - middle < sizeof noise + 200);
    avj_journal_close(journal);
}

static void two_handles_of_one_process_append_in_turn(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *handles[2];

    create_journal(c->dir, &small);
    handles[0] = open_journal(c->dir, &small);
    handles[1] = open_journal(c->dir, &small);
    for (uint64_t i = 0; i < 300; i++)
        append_numbered(handles[i % 2], i * 5 + 1, 5, i % 7 == 0 ? AVJ_DURABLE : AVJ_RELAXED);
    assert_numbered(handles[0], 1500);
    assert_numbered(handles[1], 1500);
    avj_journal_close(handles[0]);
    assert_numbered(handles[1], 1500);
    append_numbered(handles[1], 1501, 1, AVJ_DURABLE);
    avj_journal_close(handles[1]);
    assert_true(count_segments(c->dir) > 1);
}

/* Passes one byte back and forth, so that the processes take strict turns. */
static int take_turns(struct avj_journal *journal, int in, int out, uint64_t first, uint64_t step,
                      uint64_t rounds)
{
    struct avj_error err;
    char token = 't';

    for (uint64_t i = 0; i < rounds; i++) {
        uint64_t seq = 0, number = first + i * step;
        if (read(in, &token, 1) != 1)
            return 1;
        if (numbered_append(journal, number, 1, i % 4 ? AVJ_RELAXED : AVJ_DURABLE, &seq, &err) !=
            AVJ_OK)
            return 2;
        if (seq != number || write(out, &token, 1) != 1)
            return 3;
    }
    return 0;
}

static int child_takes_turns(const char *dir, int in, int out)
{
    struct avj_journal *journal;
    struct avj_error err;
    int result;

    if (avj_journal_open(dir, &small, &journal, &err) != AVJ_OK)
        return 9;
    result = take_turns(journal, in, out, 2, 2, 400);
    avj_journal_close(journal);
    return result;
}

static void two_processes_append_in_turn_and_see_each_other(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *journal;
    int to_child[2], to_parent[2], status = -1;
    pid_t child;

    create_journal(c->dir, &small);
    assert_int_equal(pipe(to_child), 0);
    assert_int_equal(pipe(to_parent), 0);
    child = fork();
    if (child == 0) {
        close(to_child[1]);
        close(to_parent[0]);
        _exit(child_takes_turns(c->dir, to_child[0], to_parent[1]));
    }
    assert_true(child > 0);
    close(to_child[0]);
    journal = open_journal(c->dir, &small);
    assert_int_equal(write(to_parent[1], "t", 1), 1); /* the first turn is ours */
    close(to_parent[1]);
    assert_int_equal(take_turns(journal, to_parent[0], to_child[1], 1, 2, 400), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_numbered(journal, 800);
    avj_journal_close(journal);
    close(to_parent[0]);
    close(to_child[1]);
}

#define WRITERS 4
#define EACH    150

static int write_my_records(const char *dir, uint32_t writer)
{
    struct avj_journal *journal;
    struct avj_error err;

    if (avj_journal_open(dir, &small, &journal, &err) != AVJ_OK)
        return 9;
    for (uint32_t i = 0; i < EACH; i++) {
        uint32_t pair[64] = {writer, i};
        struct avj_slice slice = {pair, sizeof pair};
        if (avj_journal_append(journal, &slice, 1, i % 5 ? AVJ_RELAXED : AVJ_DURABLE, NULL, &err) !=
            AVJ_OK) {
            fprintf(stderr, "writer %u: %s\n", writer, err.message);
            return 1;
        }
    }
    avj_journal_close(journal);
    return 0;
}

static void processes_that_append_at_once_lose_nothing_and_keep_their_order(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *journal;
    struct avj_cursor *cursor;
    struct avj_record record;
    struct avj_error err = {0};
    uint32_t next[WRITERS] = {0};
    pid_t children[WRITERS];

    create_journal(c->dir, &small);
    for (uint32_t i = 0; i < WRITERS; i++) {
        children[i] = fork();
        if (children[i] == 0)
            _exit(write_my_records(c->dir, i));
        assert_true(children[i] > 0);
    }
    for (size_t i = 0; i < WRITERS; i++) {
        int status = -1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    journal = open_journal(c->dir, NULL);
    assert_ok(avj_cursor_open(journal, 0, &cursor, &err), err);
    for (uint64_t seq = 1; seq <= WRITERS * EACH; seq++) {
        uint32_t pair[2];
        assert_ok(avj_cursor_next(cursor, &record, &err), err);
        assert_int_equal(record.seq, seq);
        memcpy(pair, record.data, sizeof pair);
        assert_true(pair[0] < WRITERS);
        assert_int_equal(pair[1], next[pair[0]]++);
    }
    assert_status(AVJ_END, avj_cursor_next(cursor, &record, &err), err);
    avj_cursor_close(cursor);
    avj_journal_close(journal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOURNAL_CASE(a_new_journal_is_empty),
        JOURNAL_CASE(create_refuses_a_journal_that_is_there),
        JOURNAL_CASE(create_takes_an_empty_folder),
        JOURNAL_CASE(create_fails_where_its_parent_is_missing),
        JOURNAL_CASE(records_of_any_size_come_back_as_they_were),
        JOURNAL_CASE(a_record_or_a_frame_that_is_too_big_is_refused_and_leaves_no_trace),
        JOURNAL_CASE(the_most_records_of_a_frame_fit_in_one),
        JOURNAL_CASE(sequence_numbers_rise_without_holes_over_segments_and_reopenings),
        JOURNAL_CASE(relaxed_records_become_durable_with_sync_close_or_a_durable_append),
        JOURNAL_CASE(sync_with_nothing_to_do_succeeds),
        JOURNAL_CASE(every_compression_level_reads_back),
        JOURNAL_CASE(text_is_stored_in_less_than_its_size_and_noise_in_hardly_more),
        JOURNAL_CASE(two_handles_of_one_process_append_in_turn),
        JOURNAL_CASE(two_processes_append_in_turn_and_see_each_other),
        JOURNAL_CASE(processes_that_append_at_once_lose_nothing_and_keep_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
