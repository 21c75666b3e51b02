/* What the journal refuses, and how it says so: wrong folders, newer versions, read-only handles,
 * busy locks. */
#include "tests/support/journal_case.h"

#include "journal/format.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void open_refuses_what_is_no_journal(void **state)
{
    static const char *const sentences[] = {"nothing there", "an empty folder",
                                            "a folder with other files", "a file"};
    struct journal_case *c = *state;
    struct avj_journal *journal = NULL;
    struct avj_error err = {0};

    for (size_t i = 0; i < sizeof sentences / sizeof sentences[0]; i++) {
        char *path = test_path(c->folder, "case-%zu", i), *file = test_path(path, "notes.txt");
        if (i == 1 || i == 2)
            assert_int_equal(mkdir(path, 0700), 0);
        if (i == 2)
            test_write_file(file, "hello", 5);
        if (i == 3)
            test_write_file(path, "hello", 5);
        print_message("%s\n", sentences[i]);
        assert_status(AVJ_ENOTJOURNAL, avj_journal_open(path, NULL, &journal, &err), err);
        assert_contains(err.message, path);
        free(path);
        free(file);
    }
}

static struct avj_segment_header read_header(const char *path)
{
    struct avj_segment_header header;
    struct avj_error err = {0};

    assert_ok(avj_read_segment_header(avj_io_posix(), path, &header, &err), err);
    return header;
}

static void write_header(const char *path, struct avj_segment_header *header)
{
    uint8_t bytes[AVJ_SEGMENT_HEADER_LEN];
    size_t len;
    uint8_t *file = test_read_file(path, &len);

    avj_segment_header_encode(header, bytes);
    memcpy(file, bytes, sizeof bytes);
    test_write_file(path, file, len);
    free(file);
}

static void a_newer_programs_journal_is_refused_with_the_way_out(void **state)
{
    static const struct {
        const char *sentence;
        uint16_t version;
        uint32_t incompat;
    } rows[] = {
        {"the next format version", AVJ_FORMAT_VERSION + 1, 0},
        {"a feature that readers must know", AVJ_FORMAT_VERSION, 1u << 31},
    };
    struct journal_case *c = *state;

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *dir = test_path(c->folder, "v%zu", i), *path;
        struct avj_journal *journal = NULL;
        struct avj_segment_header header;
        struct avj_error err = {0};

        create_journal(dir, NULL);
        path = last_segment(dir);
        header = read_header(path);
        header.version = rows[i].version;
        header.incompat |= rows[i].incompat;
        write_header(path, &header);
        print_message("%s\n", rows[i].sentence);
        assert_status(AVJ_EVERSION, avj_journal_open(dir, NULL, &journal, &err), err);
        assert_contains(err.message, "newer");
        free(path);
        free(dir);
    }
}

static void a_feature_that_only_writers_must_know_makes_it_read_only(void **state)
{
    struct journal_case *c = *state;
    const struct avj_journal_options read_only = {.read_only = true};
    struct avj_journal *journal;
    struct avj_segment_header header;
    struct avj_error err = {0};
    char *path;

    create_journal(c->dir, NULL);
    path = last_segment(c->dir);
    header = read_header(path);
    header.ro_compat |= 1u << 31;
    write_header(path, &header);
    journal = open_journal(c->dir, &read_only);
    assert_numbered(journal, 0);
    avj_journal_close(journal);
    if (avj_journal_open(c->dir, NULL, &journal, &err) == AVJ_OK) {
        enum avj_status status = numbered_append(journal, 1, 1, AVJ_DURABLE, NULL, &err);
        avj_journal_close(journal);
        assert_true(status == AVJ_EREADONLY || status == AVJ_EVERSION);
    } else {
        assert_int_equal(err.status, AVJ_EVERSION);
    }
    free(path);
}

static void a_read_only_handle_reads_but_does_not_write(void **state)
{
    struct journal_case *c = *state;
    const struct avj_journal_options read_only = {.read_only = true};
    struct avj_journal *journal;
    struct avj_error err = {0};

    create_journal(c->dir, NULL);
    journal = open_journal(c->dir, NULL);
    append_numbered(journal, 1, 4, AVJ_DURABLE);
    avj_journal_close(journal);

    journal = open_journal(c->dir, &read_only);
    assert_numbered(journal, 4);
    assert_status(AVJ_EREADONLY, numbered_append(journal, 5, 1, AVJ_DURABLE, NULL, &err), err);
    assert_status(AVJ_EREADONLY, avj_journal_sync(journal, &err), err);
    assert_numbered(journal, 4);
    avj_journal_close(journal);
}

/* Holds the lock until it is killed. */
static pid_t hold_lock(const char *dir)
{
    const struct avj_io *io = avj_io_posix();
    char *path = test_path(dir, "lock"), byte = 0;
    int ready[2];
    pid_t child;

    assert_int_equal(pipe(ready), 0);
    child = fork();
    if (child == 0) {
        int file = io->open(io->ctx, path, AVJ_OPEN_WRITE);
        byte = file >= 0 && io->try_lock(io->ctx, file) == AVJ_LOCK_TAKEN ? 'y' : 'n';
        if (write(ready[1], &byte, 1) == 1)
            pause();
        _exit(1);
    }
    assert_true(child > 0);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 'y');
    close(ready[0]);
    close(ready[1]);
    free(path);
    return child;
}

static void an_append_gives_up_when_the_lock_stays_taken_and_works_when_it_is_free(void **state)
{
    struct journal_case *c = *state;
    const struct avj_journal_options impatient = {.lock_timeout_ms = 30};
    struct avj_journal *journal;
    struct avj_error err = {0};
    pid_t child;

    create_journal(c->dir, NULL);
    journal = open_journal(c->dir, &impatient);
    append_numbered(journal, 1, 2, AVJ_DURABLE);
    child = hold_lock(c->dir);
    assert_status(AVJ_ELOCKED, numbered_append(journal, 3, 1, AVJ_DURABLE, NULL, &err), err);
    assert_contains(err.message, "lock");
    assert_true(avj_status_retryable(AVJ_ELOCKED));
    assert_numbered(journal, 2);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
    append_numbered(journal, 3, 1, AVJ_DURABLE);
    assert_numbered(journal, 3);
    avj_journal_close(journal);
}

static void opening_and_reading_need_no_lock(void **state)
{
    struct journal_case *c = *state;
    const struct avj_journal_options impatient = {.lock_timeout_ms = 1, .read_only = true};
    struct avj_journal *journal;
    pid_t child;

    create_journal(c->dir, NULL);
    journal = open_journal(c->dir, NULL);
    append_numbered(journal, 1, 20, AVJ_DURABLE);
    avj_journal_close(journal);
    child = hold_lock(c->dir);
    journal = open_journal(c->dir, &impatient);
    assert_numbered(journal, 20);
    avj_journal_close(journal);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOURNAL_CASE(open_refuses_what_is_no_journal),
        JOURNAL_CASE(a_newer_programs_journal_is_refused_with_the_way_out),
        JOURNAL_CASE(a_feature_that_only_writers_must_know_makes_it_read_only),
        JOURNAL_CASE(a_read_only_handle_reads_but_does_not_write),
        JOURNAL_CASE(an_append_gives_up_when_the_lock_stays_taken_and_works_when_it_is_free),
        JOURNAL_CASE(opening_and_reading_need_no_lock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
