/* The file interface on the real file system, and the loops over short and interrupted calls. */
#include "tests/support/cases.h"
#include "tests/support/fault_io.h"
#include "tests/support/files.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct avj_io *io;

static int setup(void **state)
{
    io = avj_io_posix();
    *state = test_dir_new();
    return 0;
}

static int teardown(void **state)
{
    test_dir_free(*state);
    return 0;
}

static int open_file(const char *folder, const char *name, unsigned flags)
{
    char *path = test_path(folder, "%s", name);
    int file = io->open(io->ctx, path, flags);

    free(path);
    return file;
}

static int must_open(const char *folder, const char *name, unsigned flags)
{
    int file = open_file(folder, name, flags);

    assert_true(file >= 0);
    return file;
}

static void flags_of_open_mean_what_they_say(void **state)
{
    static const struct {
        const char *sentence;
        bool exists;
        unsigned flags;
        int error;
    } rows[] = {
        {"reading needs the file", false, AVJ_OPEN_READ, -ENOENT},
        {"writing alone does not create", false, AVJ_OPEN_WRITE, -ENOENT},
        {"create makes it", false, AVJ_OPEN_WRITE | AVJ_OPEN_CREATE, 0},
        {"create takes what is there", true, AVJ_OPEN_WRITE | AVJ_OPEN_CREATE, 0},
        {"excl makes what is not there", false, AVJ_OPEN_WRITE | AVJ_OPEN_CREATE | AVJ_OPEN_EXCL,
         0},
        {"excl refuses what is there", true, AVJ_OPEN_WRITE | AVJ_OPEN_CREATE | AVJ_OPEN_EXCL,
         -EEXIST},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *path = test_path(*state, "file-%zu", i);
        int file;
        if (rows[i].exists)
            test_write_file(path, "", 0);
        file = io->open(io->ctx, path, rows[i].flags);
        free(path);
        if (rows[i].error ? file != rows[i].error : file < 0)
            fail_msg("%s: open gave %d", rows[i].sentence, file);
        if (file >= 0)
            assert_int_equal(io->close(io->ctx, file), 0);
    }
}

static void what_is_written_is_read_back_at_its_offset(void **state)
{
    int file = must_open(*state, "f", AVJ_OPEN_WRITE | AVJ_OPEN_CREATE);
    char data[16] = {0};

    assert_int_equal(io->pwrite(io->ctx, file, "world", 5, 7), 5);
    assert_int_equal(io->pwrite(io->ctx, file, "hello, ", 7, 0), 7);
    assert_int_equal(io->size(io->ctx, file), 12);
    assert_int_equal(io->pread(io->ctx, file, data, sizeof data, 0), 12);
    assert_string_equal(data, "hello, world");
    assert_int_equal(io->pread(io->ctx, file, data, sizeof data, 12), 0);
    assert_int_equal(io->sync(io->ctx, file), 0);
    assert_int_equal(io->sync_dir(io->ctx, *state), 0);
    assert_int_equal(io->close(io->ctx, file), 0);
}

static void a_file_opened_to_read_can_not_be_written(void **state)
{
    int file = must_open(*state, "f", AVJ_OPEN_WRITE | AVJ_OPEN_CREATE);

    io->close(io->ctx, file);
    file = must_open(*state, "f", AVJ_OPEN_READ);
    assert_int_equal(io->pwrite(io->ctx, file, "x", 1, 0), -EBADF);
    io->close(io->ctx, file);
}

struct seen {
    int calls, stop_after;
};

static int count_name(void *arg, const char *name)
{
    struct seen *seen = arg;

    if (name[0] == '.')
        return -1;
    return ++seen->calls == seen->stop_after ? 42 : 0;
}

static void a_listing_gives_every_name_once_and_stops_when_told(void **state)
{
    struct seen all = {0}, some = {.stop_after = 2};
    char *missing = test_path(*state, "missing");

    for (int i = 0; i < 5; i++) {
        char name[8];
        snprintf(name, sizeof name, "n%d", i);
        io->close(io->ctx, must_open(*state, name, AVJ_OPEN_WRITE | AVJ_OPEN_CREATE));
    }
    assert_int_equal(io->list(io->ctx, *state, count_name, &all), 0);
    assert_int_equal(all.calls, 5);
    assert_int_equal(io->list(io->ctx, *state, count_name, &some), 42);
    assert_int_equal(some.calls, 2);
    assert_int_equal(io->list(io->ctx, missing, count_name, &all), -ENOENT);
    free(missing);
}

static void names_can_be_made_moved_and_removed(void **state)
{
    char *folder = test_path(*state, "folder"), *a = test_path(*state, "folder/a"),
         *b = test_path(*state, "folder/b");

    assert_int_equal(io->mkdir(io->ctx, folder), 0);
    assert_int_equal(io->mkdir(io->ctx, folder), -EEXIST);
    test_write_file(a, "a", 1);
    test_write_file(b, "bb", 2);
    assert_int_equal(io->rename(io->ctx, a, b), 0);
    assert_false(test_exists(a));
    assert_int_equal(test_file_size(b), 1);
    assert_int_equal(io->unlink(io->ctx, b), 0);
    assert_int_equal(io->unlink(io->ctx, b), -ENOENT);
    assert_int_equal(io->rename(io->ctx, a, b), -ENOENT);
    free(folder);
    free(a);
    free(b);
}

static void a_lock_excludes_other_handles_until_it_is_given_up(void **state)
{
    int one = must_open(*state, "lock", AVJ_OPEN_WRITE | AVJ_OPEN_CREATE);
    int two = must_open(*state, "lock", AVJ_OPEN_WRITE);
    int three = must_open(*state, "lock", AVJ_OPEN_WRITE);

    assert_int_equal(io->try_lock(io->ctx, one), AVJ_LOCK_TAKEN);
    assert_int_equal(io->try_lock(io->ctx, two), AVJ_LOCK_BUSY);
    /* Closing another descriptor of the file must not end the lock, as it would with
     * fcntl(F_SETLK). */
    io->close(io->ctx, three);
    assert_int_equal(io->try_lock(io->ctx, two), AVJ_LOCK_BUSY);
    assert_int_equal(io->unlock(io->ctx, one), 0);
    assert_int_equal(io->try_lock(io->ctx, two), AVJ_LOCK_TAKEN);
    io->close(io->ctx, two);
    assert_int_equal(io->try_lock(io->ctx, one), AVJ_LOCK_TAKEN);
    io->close(io->ctx, one);
}

static void a_lock_dies_with_the_process_that_holds_it(void **state)
{
    int file = must_open(*state, "lock", AVJ_OPEN_WRITE | AVJ_OPEN_CREATE), ready[2];
    char byte = 0;
    pid_t child;

    assert_int_equal(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        int mine = open_file(*state, "lock", AVJ_OPEN_WRITE);
        byte = io->try_lock(io->ctx, mine) == AVJ_LOCK_TAKEN ? 'y' : 'n';
        if (write(ready[1], &byte, 1) == 1)
            pause();
        _exit(1);
    }
    assert_true(child > 0);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    assert_int_equal(io->try_lock(io->ctx, file), AVJ_LOCK_BUSY);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(io->try_lock(io->ctx, file), AVJ_LOCK_TAKEN);
    io->close(io->ctx, file);
    close(ready[0]);
    close(ready[1]);
}

static void clocks_and_randomness_behave(void **state)
{
    uint8_t a[16] = {0}, b[16] = {0};
    int64_t before = io->monotonic_ms(io->ctx);

    (void)state;
    assert_true(io->now_ms(io->ctx) > INT64_C(1700000000000));
    io->sleep_us(io->ctx, 1000);
    assert_true(io->monotonic_ms(io->ctx) >= before);
    assert_int_equal(io->random(io->ctx, a, sizeof a), 0);
    assert_int_equal(io->random(io->ctx, b, sizeof b), 0);
    assert_memory_not_equal(a, b, sizeof a);
    io->boot_id(io->ctx, a);
    io->boot_id(io->ctx, b);
    assert_memory_equal(a, b, sizeof a);
}

/* What the loops must bring through, and what they must report. */
static void short_and_interrupted_calls_are_continued(void **state)
{
    static const struct {
        const char *sentence;
        struct fault_plan plan;
        int result;
    } rows[] = {
        {"nothing in the way", {.nth = 0}, 0},
        {"every call short", {.calls = FAULT_ANY, .nth = 1, .how = FAULT_SHORT}, 0},
        {"interrupted three times", {.calls = FAULT_ANY, .nth = 1, .times = 3, .errnum = EINTR}, 0},
        {"a bad disk", {.calls = FAULT_ANY, .nth = 1, .errnum = EIO}, -EIO},
        {"half of it, then no space",
         {.calls = FAULT_ANY, .nth = 1, .how = FAULT_HALF_ERROR, .errnum = ENOSPC},
         -ENOSPC},
    };
    const char text[] = "a text that is written and read in pieces";

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fault_io *fault = fault_io_new(io);
        const struct avj_io *table = fault_io_table(fault);
        char *path = test_path(*state, "f%zu", i), back[sizeof text] = {0};
        int file = table->open(table->ctx, path, AVJ_OPEN_WRITE | AVJ_OPEN_CREATE);
        size_t done = 0, got = 0;

        fault_io_plan(fault, &rows[i].plan);
        if (avj_io_write_full(table, file, text, sizeof text, 0, &done) != rows[i].result)
            fail_msg("%s: writing gave something else", rows[i].sentence);
        fault_io_plan(fault, &rows[i].plan);
        if (rows[i].result == 0) {
            assert_int_equal(done, sizeof text);
            assert_int_equal(avj_io_read_full(table, file, back, sizeof back, 0, &got), 0);
            assert_int_equal(got, sizeof text);
            assert_string_equal(back, text);
        } else {
            assert_true(done < sizeof text);
            assert_int_equal(avj_io_read_full(table, file, back, sizeof back, 0, &got),
                             rows[i].result);
        }
        table->close(table->ctx, file);
        assert_int_equal(fault_io_open_files(fault), 0);
        fault_io_free(fault);
        free(path);
    }
}

static void the_end_of_a_file_ends_a_read_without_an_error(void **state)
{
    int file = must_open(*state, "f", AVJ_OPEN_WRITE | AVJ_OPEN_CREATE);
    char data[8];
    size_t got = 99;

    assert_int_equal(io->pwrite(io->ctx, file, "abc", 3, 0), 3);
    assert_int_equal(avj_io_read_full(io, file, data, sizeof data, 1, &got), 0);
    assert_int_equal(got, 2);
    assert_int_equal(avj_io_read_full(io, file, data, sizeof data, 50, &got), 0);
    assert_int_equal(got, 0);
    io->close(io->ctx, file);
}

static void a_map_is_the_file_and_what_is_written_to_it_stays_there(void **state)
{
    int file = must_open(*state, "f", AVJ_OPEN_WRITE | AVJ_OPEN_CREATE);
    char data[8] = {0};
    const void *map;

    assert_int_equal(io->pwrite(io->ctx, file, "abcdefgh", 8, 0), 8);
    map = io->map(io->ctx, file, 5);
    assert_non_null(map);
    assert_memory_equal(map, "abcde", 5);
    memcpy((void *)(uintptr_t)map, "XY", 2);
    assert_memory_equal(map, "XYcde", 5);
    assert_int_equal(io->pread(io->ctx, file, data, sizeof data, 0), 8);
    assert_memory_equal(data, "abcdefgh", 8);
    io->close(io->ctx, file);
    file = must_open(*state, "f", AVJ_OPEN_READ);
    assert_memory_equal(map, "XYcde", 5); /* it outlives the file's handle */
    io->unmap(io->ctx, map, 5);
    map = io->map(io->ctx, file, 8); /* one that may only be read from will do */
    assert_non_null(map);
    memcpy((void *)(uintptr_t)map, "Z", 1);
    assert_memory_equal(map, "Zbcdefgh", 8);
    io->unmap(io->ctx, map, 8);
    io->close(io->ctx, file);
}

static void a_map_of_what_is_not_there_is_refused(void **state)
{
    int file = must_open(*state, "f", AVJ_OPEN_WRITE | AVJ_OPEN_CREATE);

    assert_int_equal(io->pwrite(io->ctx, file, "abc", 3, 0), 3);
    assert_null(io->map(io->ctx, file, 4));
    assert_null(io->map(io->ctx, file, 1 << 20));
    assert_null(io->map(io->ctx, file, 0));
    io->close(io->ctx, file);
    assert_null(io->map(io->ctx, file, 3));
}

int main(void)
{
#define IO_CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        IO_CASE(flags_of_open_mean_what_they_say),
        IO_CASE(what_is_written_is_read_back_at_its_offset),
        IO_CASE(a_file_opened_to_read_can_not_be_written),
        IO_CASE(a_listing_gives_every_name_once_and_stops_when_told),
        IO_CASE(names_can_be_made_moved_and_removed),
        IO_CASE(a_lock_excludes_other_handles_until_it_is_given_up),
        IO_CASE(a_lock_dies_with_the_process_that_holds_it),
        IO_CASE(clocks_and_randomness_behave),
        IO_CASE(short_and_interrupted_calls_are_continued),
        IO_CASE(the_end_of_a_file_ends_a_read_without_an_error),
        IO_CASE(a_map_is_the_file_and_what_is_written_to_it_stays_there),
        IO_CASE(a_map_of_what_is_not_there_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
