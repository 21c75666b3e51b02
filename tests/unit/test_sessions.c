/* Sessions: what who writes leaves in the log, who is alive, and what becomes of who was killed. */
#include "replay/sessions.h"
#include "replay/store_private.h"
#include "tests/support/cases.h"
#include "tests/support/fault_io.h"
#include "tests/support/files.h"
#include "tests/support/process.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct avj_error err;

struct fixture {
    char *dir, *path;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->dir = test_dir_new();
    f->path = test_path(f->dir, "j");
    assert_ok(avj_store_create(f->path, NULL, NULL, &err), err);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    process_kill_all();
    test_dir_free(f->dir);
    free(f->path);
    free(f);
    return 0;
}

static struct avj_store *open_store(const struct fixture *f,
                                    const struct avj_store_options *options)
{
    struct avj_store *store;
    assert_ok(avj_store_open(f->path, options, &store, &err), err);
    return store;
}

static void write_something(struct avj_store *store)
{
    assert_ok(avj_thread_new(store, "a thread", NULL, &err), err);
}

static size_t files_in_sessions(const struct fixture *f)
{
    char *folder = test_path(f->path, "sessions");
    size_t lock = test_count_names(folder, "lock"), tmp = test_count_names(folder, ".tmp");
    size_t all = test_count_names(folder, "");
    free(folder);
    return all - lock - tmp;
}

/* What the log says of sessions: "open 0, close 0, killed 0", where 0 is the session concerned by
 * its place among those that were seen. */
static const char *said(const struct fixture *f)
{
    static char text[512];
    char seen[8][AVJ_SESSION_TEXT];
    size_t count = 0, used = 0;
    struct avj_store_options options = {.read_only = true};
    struct avj_store *store = open_store(f, &options);
    struct avj_cursor *cursor;
    struct avj_record record;
    assert_ok(avj_cursor_open(avj_store_journal(store), 0, &cursor, &err), err);
    text[0] = 0;
    while (avj_cursor_next(cursor, &record, &err) == AVJ_OK) {
        struct avj_entry e;
        struct avj_value op;
        assert_ok(avj_entry_decode(record.data, record.len, &e, &err), err);
        (void)avj_value_get(e.root, "o", &op);
        if (e.type == AVJ_E_SESSION && !avj_value_text_is(op, "init")) {
            struct avj_slice who = avj_value_get_text(e.root, "who");
            who = who.data ? who : e.session;
            size_t i = 0;
            while (i < count && memcmp(seen[i], who.data, who.len) != 0)
                i++;
            if (i == count && count < 8) {
                assert_int_equal(who.len, AVJ_SESSION_TEXT - 1);
                memcpy(seen[count++], who.data, who.len);
            }
            used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%.*s %zu",
                                     used ? ", " : "", (int)op.len, op.text, i);
        }
        avj_entry_release(&e);
    }
    avj_cursor_close(cursor);
    avj_store_close(store);
    return text;
}

static void who_only_reads_is_no_session(void **state)
{
    struct fixture *f = *state;
    struct avj_store *store = open_store(f, NULL);
    struct avj_store_status before, after;
    assert_ok(avj_store_status(store, &before, &err), err);
    assert_ok(avj_store_refresh(store, NULL, &err), err);
    avj_store_close(store);
    struct avj_store_options options = {.read_only = true};
    store = open_store(f, &options);
    assert_ok(avj_store_status(store, &after, &err), err);
    avj_store_close(store);
    assert_int_equal(before.records, after.records);
    assert_string_equal(said(f), "");
}

static void who_writes_once_says_so_once(void **state)
{
    struct fixture *f = *state;
    struct avj_store *store = open_store(f, NULL);
    write_something(store);
    assert_int_equal(files_in_sessions(f), 1);
    avj_store_close(store);
    assert_int_equal(files_in_sessions(f), 0);
    assert_string_equal(said(f), "open 0");
}

static void who_writes_more_says_when_it_goes(void **state)
{
    struct fixture *f = *state;
    struct avj_store *store = open_store(f, NULL);
    write_something(store);
    write_something(store);
    avj_store_close(store);
    assert_string_equal(said(f), "open 0, close 0");
}

static unsigned syncs;
static int (*real_sync)(void *ctx, int file);

static int count_sync(void *ctx, int file)
{
    syncs++;
    return real_sync(ctx, file);
}

/* With and without a session: what one message costs. */
static unsigned syncs_of_one_message(const struct fixture *f, bool anonymous)
{
    struct avj_io io = *avj_io_posix();
    struct avj_store_options options = {.journal = {.io = &io, .no_background = true},
                                        .anonymous = anonymous};
    real_sync = io.sync;
    io.sync = count_sync;
    syncs = 0;
    struct avj_store *store = open_store(f, &options);
    write_something(store);
    avj_store_close(store);
    return syncs;
}

static void one_message_costs_no_sync_more(void **state)
{
    struct fixture *f = *state;
    unsigned without = syncs_of_one_message(f, true);
    assert_true(without > 0);
    assert_int_equal(syncs_of_one_message(f, false), without);
}

static void two_stores_of_a_process_are_two_sessions(void **state)
{
    struct fixture *f = *state;
    struct avj_store *a = open_store(f, NULL), *b = open_store(f, NULL);
    char of_b[AVJ_SESSION_TEXT];
    write_something(a);
    write_something(b);
    memcpy(of_b, avj_store_session(b), sizeof(of_b));
    assert_true(avj_session_alive(a, avj_store_session(a)));
    assert_true(avj_session_alive(a, of_b));
    assert_true(avj_session_alive(b, avj_store_session(a)));
    avj_store_close(b);
    assert_false(avj_session_alive(a, of_b));
    avj_store_close(a);
    assert_string_equal(said(f), "open 0, open 1");
}

static void what_is_no_session_is_not_alive(void **state)
{
    static const char *const names[] = {
        "",
        "lock",
        "../lock",
        "../../x",
        "0123456789abcdef",
        "0123456789abcde",
        "0123456789abcdef0",
        "0123456789ABCDEF",
    };
    struct fixture *f = *state;
    struct avj_store *store = open_store(f, NULL);
    write_something(store);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (avj_session_alive(store, names[i]))
            fail_msg("\"%s\" is alive", names[i]);
    avj_store_close(store);
}

/* Writes, tells its id, and stays. */
static int writer(void *arg, int out)
{
    struct avj_store *store;
    if (avj_store_open(arg, NULL, &store, NULL) != AVJ_OK ||
        avj_thread_new(store, "by a writer", NULL, NULL) != AVJ_OK)
        return 1;
    if (write(out, avj_store_session(store), AVJ_SESSION_TEXT - 1) < 0)
        return 1;
    for (;;)
        pause();
}

static struct process start_writer(const struct fixture *f, char id[AVJ_SESSION_TEXT])
{
    struct process process = process_fork(writer, f->path);
    memset(id, 0, AVJ_SESSION_TEXT);
    for (size_t got = 0; got < AVJ_SESSION_TEXT - 1;) {
        ssize_t n = read(process.out, id + got, AVJ_SESSION_TEXT - 1 - got);
        assert_true(n > 0);
        got += (size_t)n;
    }
    return process;
}

static void kill_it(struct process *process)
{
    int status;
    assert_int_equal(kill(process->pid, SIGKILL), 0);
    free(process_finish(process, &status, NULL));
    assert_true(WIFSIGNALED(status));
}

static void a_session_lives_as_long_as_its_process(void **state)
{
    struct fixture *f = *state;
    char id[AVJ_SESSION_TEXT];
    struct process process = start_writer(f, id);
    struct avj_store_options options = {.read_only = true};
    struct avj_store *store = open_store(f, &options);
    assert_true(avj_session_alive(store, id));
    kill_it(&process);
    assert_false(avj_session_alive(store, id));
    assert_int_equal(files_in_sessions(f), 1);
    avj_store_close(store);
}

static void the_next_who_writes_buries_the_killed(void **state)
{
    struct fixture *f = *state;
    char id[AVJ_SESSION_TEXT];
    struct process process = start_writer(f, id);
    kill_it(&process);
    struct avj_store *store = open_store(f, NULL);
    assert_int_equal(files_in_sessions(f), 1); /* opening alone writes nothing */
    write_something(store);
    assert_int_equal(files_in_sessions(f), 1); /* its own */
    assert_false(avj_session_alive(store, id));
    avj_store_close(store);
    assert_string_equal(said(f), "open 0, killed 0, open 1");
}

static void who_runs_long_buries_the_killed(void **state)
{
    struct fixture *f = *state;
    char id[AVJ_SESSION_TEXT];
    size_t count;
    struct avj_store *store = open_store(f, NULL);
    write_something(store);
    struct process process = start_writer(f, id);
    assert_ok(avj_sessions_bury(store, &count, &err), err);
    assert_int_equal(count, 0);
    kill_it(&process);
    assert_ok(avj_sessions_bury(store, &count, &err), err);
    assert_int_equal(count, 1);
    assert_ok(avj_sessions_bury(store, &count, &err), err);
    assert_int_equal(count, 0);
    avj_store_close(store);
    assert_string_equal(said(f), "open 0, open 1, killed 1, close 0");
}

/* What of it a crash of the machine leaves: files that nobody holds. */
static void a_crash_between_making_and_naming_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct avj_store *store = open_store(f, NULL);
    write_something(store);
    avj_store_close(store);
    char *left = test_path(f->path, "sessions/0123456789abcdef.tmp");
    test_write_file(left, "", 0);
    store = open_store(f, NULL);
    write_something(store);
    avj_store_close(store);
    assert_false(test_exists(left));
    assert_string_equal(said(f), "open 0, open 1");
    free(left);
}

struct listed {
    struct avj_session_info infos[4];
    size_t count;
};

static bool list(void *arg, const struct avj_session_info *info)
{
    struct listed *l = arg;
    if (l->count < 4)
        l->infos[l->count++] = *info;
    return true;
}

static void those_who_are_alive_can_be_listed(void **state)
{
    struct fixture *f = *state;
    char id[AVJ_SESSION_TEXT];
    struct listed l = {.count = 0};
    struct avj_store_options options = {.program = "a program 1", .device = "the\nlaptop"};
    struct avj_store *store = open_store(f, &options);
    assert_ok(avj_sessions(store, list, &l, &err), err);
    assert_int_equal(l.count, 0);
    struct process process = start_writer(f, id);
    write_something(store);
    assert_ok(avj_sessions(store, list, &l, &err), err);
    assert_int_equal(l.count, 2);
    const struct avj_session_info *own = &l.infos[l.infos[0].own ? 0 : 1];
    const struct avj_session_info *other = &l.infos[l.infos[0].own ? 1 : 0];
    assert_true(own->own && !other->own);
    assert_string_equal(own->id, avj_store_session(store));
    assert_string_equal(own->program, "a program 1");
    assert_string_equal(own->device, "the laptop");
    assert_int_equal(own->pid, getpid());
    assert_string_equal(other->id, id);
    assert_int_equal(other->pid, process.pid);
    assert_string_equal(other->host, own->host);
    assert_string_equal(other->device, other->host);
    assert_true(other->since_ms > 0);
    kill_it(&process);
    l.count = 0;
    assert_ok(avj_sessions(store, list, &l, &err), err);
    assert_int_equal(l.count, 1);
    avj_store_close(store);
}

static int no_folder(void *ctx, const char *path)
{
    (void)ctx, (void)path;
    return -30; /* EROFS */
}

static void what_is_written_does_not_wait_for_a_session(void **state)
{
    struct fixture *f = *state;
    struct avj_io io = *avj_io_posix();
    struct avj_store_options options = {.journal = {.io = &io, .no_background = true}};
    io.mkdir = no_folder;
    struct avj_store *store = open_store(f, &options);
    write_something(store);
    assert_string_equal(said(f), "");
    io.mkdir = avj_io_posix()->mkdir;
    write_something(store); /* now it can */
    avj_store_close(store);
    assert_string_equal(said(f), "open 0, close 0");
}

static void sessions_change_no_document(void **state)
{
    struct fixture *f = *state;
    struct avj_store *store = open_store(f, NULL);
    struct avj_store_status one, two;
    write_something(store);
    struct avj_store *other = open_store(f, NULL);
    char *dead = test_path(f->path, "sessions/0123456789abcdef");
    write_something(other);
    assert_ok(avj_store_refresh(store, NULL, &err), err);
    assert_ok(avj_store_status(store, &one, &err), err);
    test_write_file(dead, "", 0);
    size_t count;
    assert_ok(avj_sessions_bury(other, &count, &err), err);
    assert_int_equal(count, 1);
    avj_store_close(other);
    assert_ok(avj_store_refresh(store, NULL, &err), err);
    assert_ok(avj_store_status(store, &two, &err), err);
    assert_true(two.records > one.records);
    assert_memory_equal(one.digest, two.digest, sizeof(one.digest));
    assert_int_equal(two.unknown_entries, 0);
    assert_int_equal(two.pending, one.pending);
    avj_store_close(store);
    free(dead);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(who_only_reads_is_no_session),
        T(who_writes_once_says_so_once),
        T(who_writes_more_says_when_it_goes),
        T(one_message_costs_no_sync_more),
        T(two_stores_of_a_process_are_two_sessions),
        T(what_is_no_session_is_not_alive),
        T(a_session_lives_as_long_as_its_process),
        T(the_next_who_writes_buries_the_killed),
        T(who_runs_long_buries_the_killed),
        T(a_crash_between_making_and_naming_leaves_nothing),
        T(those_who_are_alive_can_be_listed),
        T(what_is_written_does_not_wait_for_a_session),
        T(sessions_change_no_document),
    };
    return cmocka_run_group_tests_name("sessions", tests, NULL, NULL);
}
