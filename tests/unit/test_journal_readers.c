/*
 * Readers need nothing but leave to read: they take no lock and change nothing, whoever writes
 * meanwhile, and a folder that they may not write to is good enough.
 */
#include "tests/support/fault_io.h"
#include "tests/support/process_case.h"

#include <grp.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534

/* What changes the folder, or is waited for by others. */
#define FAULT_CHANGES                                                                              \
    (FAULT_IN(FAULT_PWRITE) | FAULT_IN(FAULT_SYNC) | FAULT_IN(FAULT_SYNC_DIR) |                    \
     FAULT_IN(FAULT_RENAME) | FAULT_IN(FAULT_UNLINK) | FAULT_IN(FAULT_MKDIR))
#define FAULT_LOCKS (FAULT_IN(FAULT_TRY_LOCK) | FAULT_IN(FAULT_UNLOCK))

static const struct avj_journal_options small = {.segment_target = 64 * 1024};

/* Several segments of numbered records; gives the last sequence number. */
static uint64_t fill(struct avj_journal *writer, const char *dir, uint64_t next)
{
    size_t segments = count_segments(dir) + 3;

    for (; count_segments(dir) < segments; next += 40)
        append_numbered(writer, next, 40, next % 3 ? AVJ_RELAXED : AVJ_DURABLE);
    return next - 1;
}

static void follow(struct avj_cursor *cursor, uint64_t from, uint64_t to)
{
    struct avj_error err = {0};
    struct avj_record record;

    for (uint64_t seq = from; seq <= to; seq++) {
        assert_ok(avj_cursor_next(cursor, &record, &err), err);
        assert_int_equal(record.seq, seq);
        assert_true(numbered_is(seq, record.data, record.len));
    }
    assert_status(AVJ_END, avj_cursor_next(cursor, &record, &err), err);
}

/* Opening, reading, following, info and close, all through a watched file interface. */
static void a_read_only_handle_takes_no_lock_and_changes_nothing(void **state)
{
    struct journal_case *c = *state;
    struct fault_io *fault = fault_io_new(avj_io_posix());
    const struct avj_journal_options watched = {.io = fault_io_table(fault), .read_only = true};
    struct avj_journal *writer, *reader;
    struct avj_cursor *cursor;
    struct avj_error err = {0};
    uint64_t first, second;

    create_journal(c->dir, &small);
    writer = open_journal(c->dir, &small);
    first = fill(writer, c->dir, 1);
    reader = open_journal(c->dir, &watched);
    assert_ok(avj_cursor_open(reader, 0, &cursor, &err), err);
    follow(cursor, 1, first);
    second = fill(writer, c->dir, first + 1);
    follow(cursor, first + 1, second);
    assert_int_equal(journal_info(reader).next_seq, second + 1);
    avj_cursor_close(cursor);
    avj_journal_close(reader);
    assert_int_equal(fault_io_count(fault, FAULT_LOCKS), 0);
    assert_int_equal(fault_io_count(fault, FAULT_CHANGES), 0);
    avj_journal_close(writer);
    fault_io_free(fault);
}

/* A handle for writing may lock when it is opened and when it appends; not to read. */
static void cursors_and_info_of_a_writing_handle_take_no_lock(void **state)
{
    struct journal_case *c = *state;
    struct fault_io *fault = fault_io_new(avj_io_posix());
    const struct fault_plan no_faults = {0};
    const struct avj_journal_options watched = {.io = fault_io_table(fault),
                                                .segment_target = 64 * 1024};
    struct avj_journal *writer, *reader;
    struct avj_cursor *cursor;
    struct avj_error err = {0};
    uint64_t first, second;

    create_journal(c->dir, &small);
    writer = open_journal(c->dir, &small);
    first = fill(writer, c->dir, 1);
    reader = open_journal(c->dir, &watched);
    fault_io_plan(fault, &no_faults);
    assert_ok(avj_cursor_open(reader, 0, &cursor, &err), err);
    follow(cursor, 1, first);
    second = fill(writer, c->dir, first + 1);
    follow(cursor, first + 1, second);
    assert_int_equal(journal_info(reader).next_seq, second + 1);
    avj_cursor_close(cursor);
    assert_int_equal(fault_io_count(fault, FAULT_LOCKS), 0);
    assert_int_equal(fault_io_count(fault, FAULT_CHANGES), 0);
    avj_journal_close(reader);
    avj_journal_close(writer);
    fault_io_free(fault);
}

/* Only segments hold data: who reads does without the other files, and does not make them. */
static void lost_side_files_are_not_missed_and_not_made_by_a_reader(void **state)
{
    struct journal_case *c = *state;
    const struct avj_journal_options read_only = {.read_only = true};
    static const char *const names[] = {"lock", "sync"};
    struct avj_journal *journal;
    uint64_t last;

    create_journal(c->dir, &small);
    journal = open_journal(c->dir, &small);
    last = fill(journal, c->dir, 1);
    avj_journal_close(journal);
    for (size_t i = 0; i < 2; i++) {
        char *path = test_path(c->dir, "%s", names[i]);
        assert_int_equal(unlink(path), 0);
        free(path);
    }
    journal = open_journal(c->dir, &read_only);
    assert_numbered(journal, last);
    avj_journal_close(journal);
    for (size_t i = 0; i < 2; i++) {
        char *path = test_path(c->dir, "%s", names[i]);
        assert_false(test_exists(path));
        free(path);
    }
}

/* ---- waking ---- */

static bool is_ready(int fd)
{
    struct pollfd wake = {.fd = fd, .events = POLLIN};

    return poll(&wake, 1, 0) == 1;
}

static void the_wake_up_descriptor_is_ready_behind_each_append_until_it_is_emptied(void **state)
{
    struct journal_case *c = *state;
    const struct avj_journal_options read_only = {.read_only = true};
    struct avj_journal *writer, *reader;
    int fd;

    create_journal(c->dir, &small);
    writer = open_journal(c->dir, &small);
    reader = open_journal(c->dir, &read_only);
    fd = avj_journal_wake_fd(reader);
    if (fd >= 0) {
        assert_false(is_ready(fd));
        for (uint64_t seq = 1; seq <= 400; seq += 20) {
            append_numbered(writer, seq, 20, seq % 40 == 1 ? AVJ_DURABLE : AVJ_RELAXED);
            assert_true(is_ready(fd));
            avj_journal_woken(reader);
            assert_false(is_ready(fd));
        }
        assert_true(count_segments(c->dir) > 1);
    }
    avj_journal_close(reader);
    avj_journal_close(writer);
    if (fd < 0)
        skip(); /* no such thing on this system: readers poll by time */
}

/* ---- a folder that may not be written to ---- */

static void chmod_names(const char *dir, mode_t folder, mode_t file)
{
    static const char *const files[] = {"lock", "sync"};
    char *segments = test_path(dir, "segments"), *path;

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        path = test_path(dir, "%s", files[i]);
        assert_int_equal(chmod(path, file), 0);
        free(path);
    }
    for (size_t i = 1; i <= count_segments(dir); i++) {
        path = test_path(segments, "%016zx.seg", i);
        assert_int_equal(chmod(path, file), 0);
        free(path);
    }
    assert_int_equal(chmod(segments, folder), 0);
    assert_int_equal(chmod(dir, folder), 0);
    free(segments);
}

/* In a process of its own: root, whom modes do not stop, becomes nobody.  The folder is the working
 * directory, since the way to it may be closed to nobody. */
static int read_as_one_who_may_not_write(void *arg, int out)
{
    const struct avj_journal_options read_only = {.read_only = true};
    struct avj_journal *journal;
    struct avj_error err = {0};
    enum avj_status status;
    uint64_t seen = 0;

    if (chdir(arg) != 0)
        return 2;
    if (geteuid() == 0 && (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
        return 77;
    status = avj_journal_open("j", &small, &journal, &err);
    if (status != AVJ_EACCES) {
        fprintf(stderr, "opened for writing: %s\n", avj_status_text(status));
        return 3;
    }
    if (avj_journal_open("j", &read_only, &journal, &err) == AVJ_OK &&
        numbered_verify(journal, &seen, &err) == AVJ_END) {
        struct avj_journal_info info;
        status = avj_journal_info(journal, &info, &err);
        avj_journal_close(journal);
        return status == AVJ_OK && info.next_seq == seen + 1 &&
                       write(out, &seen, sizeof seen) == (ssize_t)sizeof seen
                   ? 0
                   : 4;
    }
    fprintf(stderr, "read-only: %s\n", err.message);
    return 5;
}

static void a_folder_that_may_not_be_written_to_is_good_enough_to_read(void **state)
{
    struct journal_case *c = *state;
    struct avj_journal *writer;
    struct process process;
    uint64_t last, seen = 0;
    size_t len;
    char *said;
    int status;

    create_journal(c->dir, &small);
    writer = open_journal(c->dir, &small);
    last = fill(writer, c->dir, 1);
    avj_journal_close(writer);
    chmod_names(c->dir, 0555, 0444);
    assert_int_equal(chmod(c->folder, 0755), 0);
    process = process_fork(read_as_one_who_may_not_write, c->folder);
    said = process_finish(&process, &status, &len);
    chmod_names(c->dir, 0755, 0644);
    if (len == sizeof seen)
        memcpy(&seen, said, sizeof seen);
    free(said);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip(); /* root in a place where it can not become another */
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(seen, last);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROCESS_CASE(a_read_only_handle_takes_no_lock_and_changes_nothing),
        PROCESS_CASE(cursors_and_info_of_a_writing_handle_take_no_lock),
        PROCESS_CASE(lost_side_files_are_not_missed_and_not_made_by_a_reader),
        PROCESS_CASE(the_wake_up_descriptor_is_ready_behind_each_append_until_it_is_emptied),
        PROCESS_CASE(a_folder_that_may_not_be_written_to_is_good_enough_to_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
