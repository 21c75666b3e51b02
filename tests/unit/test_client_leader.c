/* DIR/sync.lock: one syncer at a time, who it is, and how the next hears that it is gone. */
#include "net/client_leader.h"
#include "tests/support/cases.h"
#include "tests/support/files.h"
#include "tests/support/process.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 60000

static struct avj_error err;

static int setup(void **state)
{
    char *dir = test_dir_new();
    *state = test_path(dir, "j");
    free(dir);
    return avj_store_create(*state, NULL, NULL, &err) == AVJ_OK ? 0 : -1;
}

static int teardown(void **state)
{
    char *folder = *state;
    process_kill_all();
    *strrchr(folder, '/') = '\0';
    test_dir_free(folder);
    return 0;
}

static struct avj_store *open_store(const char *path)
{
    struct avj_store_options options = {.read_only = true};
    struct avj_store *store;
    assert_ok(avj_store_open(path, &options, &store, &err), err);
    return store;
}

/* Leads, says so through the pipe, and sleeps until it is killed. */
static int lead(void *arg, int out)
{
    struct avj_store *store;
    struct avj_sync_lock lock;
    if (avj_store_open(arg, NULL, &store, NULL) != AVJ_OK)
        return 1;
    avj_session_hold(store);
    if (avj_sync_lock_open(arg, &lock, NULL) != AVJ_OK ||
        avj_sync_lock_try(&lock, avj_store_session(store), NULL) != AVJ_OK)
        return 1;
    if (write(out, avj_store_session(store), AVJ_SESSION_TEXT) != AVJ_SESSION_TEXT)
        return 1;
    for (;;)
        pause();
}

static struct process start_leader(char *path, char session[AVJ_SESSION_TEXT])
{
    struct process process = process_fork(lead, path);
    assert_int_equal(read(process.out, session, AVJ_SESSION_TEXT), AVJ_SESSION_TEXT);
    return process;
}

static void kill_it(struct process *process)
{
    int status;
    assert_int_equal(kill(process->pid, SIGKILL), 0);
    free(process_finish(process, &status, NULL));
    assert_true(WIFSIGNALED(status));
}

static void the_second_syncer_is_told_who_the_first_is(void **state)
{
    struct avj_sync_lock lock;
    char text[32], session[AVJ_SESSION_TEXT];
    struct process process = start_leader(*state, session);
    assert_ok(avj_sync_lock_open(*state, &lock, &err), err);
    assert_status(AVJ_ELOCKED, avj_sync_lock_try(&lock, NULL, &err), err);
    assert_false(lock.held);
    snprintf(text, sizeof text, "process %ld ", (long)process.pid);
    assert_contains(err.message, text);
    avj_sync_lock_release(&lock);
}

static void who_leads_is_named_while_it_does(void **state)
{
    struct avj_engine_leader leader;
    char session[AVJ_SESSION_TEXT], host[AVJ_SESSION_NAME] = "";
    struct avj_store *store = open_store(*state);
    assert_false(avj_engine_leader(store, &leader));
    struct process process = start_leader(*state, session);
    assert_true(avj_engine_leader(store, &leader));
    assert_int_equal(leader.pid, process.pid);
    assert_string_equal(leader.session, session);
    assert_true(leader.since_ms > 0);
    assert_int_equal(gethostname(host, sizeof host - 1), 0);
    assert_string_equal(leader.host, host);
    kill_it(&process);
    assert_false(avj_engine_leader(store, &leader));
    assert_int_equal(leader.pid, 0);
    avj_store_close(store);
}

/* The next has the lock already and has not written its name yet. */
static void nobody_is_named_who_is_gone(void **state)
{
    const struct avj_io *io = avj_io_posix();
    struct avj_engine_leader leader;
    char session[AVJ_SESSION_TEXT], *path = test_path(*state, "sync.lock");
    struct avj_store *store = open_store(*state);
    struct process process = start_leader(*state, session);
    kill_it(&process);
    int file = io->open(io->ctx, path, AVJ_OPEN_WRITE);
    assert_int_equal(io->try_lock(io->ctx, file), AVJ_LOCK_TAKEN);
    assert_true(avj_engine_leader(store, &leader));
    assert_int_equal(leader.pid, 0);
    assert_string_equal(leader.host, "");
    io->close(io->ctx, file);
    avj_store_close(store);
    free(path);
}

/* As the engine does: asleep for as long as the lock says, but for wake-ups. */
static void who_waits_sleeps_until_the_leader_is_killed(void **state)
{
    struct avj_sync_lock lock;
    char session[AVJ_SESSION_TEXT];
    struct process process = start_leader(*state, session);
    assert_ok(avj_sync_lock_open(*state, &lock, &err), err);
    while (avj_sync_lock_try(&lock, NULL, &err) == AVJ_ELOCKED &&
           avj_sync_lock_pause_ms(&lock) < 1000)
        ; /* it looks some times, and then sleeps */
    assert_false(lock.held);
    struct pollfd wake = {.fd = lock.wake, .events = POLLIN};
    assert_int_equal(poll(&wake, 1, 0), 0);
    kill_it(&process);
    assert_int_equal(poll(&wake, 1, PATIENCE_MS), 1);
    avj_sync_lock_woken(&lock);
    assert_true(avj_sync_lock_pause_ms(&lock) < 1000);
    while (avj_sync_lock_try(&lock, NULL, &err) != AVJ_OK)
        assert_true(avj_sync_lock_pause_ms(&lock) < 1000);
    assert_true(lock.held);
    avj_sync_lock_release(&lock);
}

static void a_note_of_any_bytes_is_read(void **state)
{
    static const char *const notes[] = {
        "",
        "\n\n\n\n\n",
        "99\n",
        "99\n../../lock\n1\n\033[2J\n",
        "no number\n0123456789abcdef0123456789abcdef\nnever\nhost\n",
        "4294967296000000000000\n0123456789abcdef\n-1\n",
    };
    const struct avj_io *io = avj_io_posix();
    char *path = test_path(*state, "sync.lock");
    struct avj_store *store = open_store(*state);
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++) {
        struct avj_engine_leader leader;
        test_write_file(path, notes[i], strlen(notes[i]));
        int file = io->open(io->ctx, path, AVJ_OPEN_WRITE);
        assert_int_equal(io->try_lock(io->ctx, file), AVJ_LOCK_TAKEN);
        assert_true(avj_engine_leader(store, &leader));
        assert_int_equal(leader.pid, 0);
        io->close(io->ctx, file);
    }
    avj_store_close(store);
    free(path);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_second_syncer_is_told_who_the_first_is),
        CASE(who_leads_is_named_while_it_does),
        CASE(nobody_is_named_who_is_gone),
        CASE(who_waits_sleeps_until_the_leader_is_killed),
        CASE(a_note_of_any_bytes_is_read),
    };
    return cmocka_run_group_tests_name("leader", tests, NULL, NULL);
}
