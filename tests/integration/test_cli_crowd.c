/*
 * Many processes, one journal: four that write, two that watch, one that syncs and is killed, one
 * that takes its place; a server and a second device.  At the end all have the same, nothing is
 * lost and nothing is there twice.  What the processes say is waited for, nothing else.
 */
#include "net/engine.h"
#include "tests/support/files.h"
#include "tests/support/process_case.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WRITERS = 4, WATCHERS = 2, MESSAGES = 40, PATIENCE_MS = 60000 };

#define EMAIL    "crowd@localhost.test"
#define PASSWORD "correct horse battery"

static struct avj_error err;

struct crowd {
    char *folder, *avchat, *server_dir, *dir, *other_dir;
    char endpoint[128], thread[AVJ_ID_TEXT];
    struct process server;
    struct avj_store *store;
    unsigned asked; /* messages that were only to be heard */
};

/* Reads its output up to and with a line that contains `text`; gives that line. */
static const char *hear(struct process *process, const char *text)
{
    static char line[8192];
    size_t used = 0;
    for (;;) {
        struct pollfd out = {.fd = process->out, .events = POLLIN};
        if (poll(&out, 1, PATIENCE_MS) != 1)
            fail_msg("it never said: %s", text);
        if (read(process->out, line + used, 1) != 1)
            fail_msg("it ended without saying: %s", text);
        if (line[used] != '\n' && used + 2 < sizeof(line)) {
            used++;
            continue;
        }
        line[used] = '\0';
        used = 0;
        if (strstr(line, text))
            return line;
    }
}

static void end_well(struct process *process, int signal)
{
    int status;
    if (signal)
        assert_int_equal(kill(process->pid, signal), 0);
    free(process_finish(process, &status, NULL));
    if (signal == SIGKILL)
        assert_true(WIFSIGNALED(status));
    else
        assert_int_equal(status, 0);
}

static struct avj_store *make_journal(const struct crowd *c, const char *dir, bool create)
{
    struct avj_store *store;
    struct avj_upstream up = {.endpoint = c->endpoint, .project = "demo", .database = "main"};
    assert_ok(avj_store_create(dir, &up, NULL, &err), err);
    assert_ok(avj_store_open(dir, NULL, &store, &err), err);
    assert_ok(avj_engine_login(store, EMAIL, PASSWORD, create, &err), err);
    return store;
}

static void begin(struct crowd *c)
{
    *c = (struct crowd){.folder = test_dir_new()};
    c->avchat = test_path(getenv("AVJ_BIN"), "avchat");
    c->server_dir = test_path(c->folder, "server");
    c->dir = test_path(c->folder, "journal");
    c->other_dir = test_path(c->folder, "other");
    assert_ok(avj_store_create(c->server_dir, NULL, NULL, &err), err);
    char *serve[] = {c->avchat,
                     (char *)(uintptr_t) "-C",
                     c->server_dir,
                     (char *)(uintptr_t) "serve",
                     (char *)(uintptr_t) "--listen",
                     (char *)(uintptr_t) "127.0.0.1:0",
                     NULL};
    c->server = process_start(serve, NULL, 0);
    const char *line = hear(&c->server, "listening on ");
    snprintf(c->endpoint, sizeof(c->endpoint), "%.100s", strstr(line, "http://"));
    c->store = make_journal(c, c->dir, true);
    assert_ok(avj_thread_new(c->store, "A thread", c->thread, &err), err);
}

static void end(struct crowd *c)
{
    process_kill_all();
    avj_store_close(c->store);
    test_dir_free(c->folder);
    free(c->avchat);
    free(c->server_dir);
    free(c->dir);
    free(c->other_dir);
}

static struct process start(const struct crowd *c, const char *a, const char *b, const char *d)
{
    char *argv[] = {c->avchat,
                    (char *)(uintptr_t) "-C",
                    c->dir,
                    (char *)(uintptr_t) "--json",
                    (char *)(uintptr_t)a,
                    (char *)(uintptr_t)b,
                    (char *)(uintptr_t)d,
                    NULL};
    return process_start(argv, NULL, 0);
}

/* It watches from some moment on: something is said until it hears of it. */
static struct process start_watcher(struct crowd *c)
{
    struct process process = start(c, "watch", NULL, NULL);
    struct pollfd out = {.fd = process.out, .events = POLLIN};
    do {
        assert_ok(avj_message_send(c->store, c->thread, "user", "?", 1, NULL, &err), err);
        assert_true(++c->asked < PATIENCE_MS / 100);
    } while (poll(&out, 1, 100) == 0);
    return process;
}

/* One process for all of its messages, as a program that embeds the library. */
static int write_messages(void *arg, int out)
{
    const struct crowd *c = arg;
    struct avj_store *store;
    if (avj_store_open(c->dir, NULL, &store, NULL) != AVJ_OK)
        return 1;
    for (int i = 0; i < MESSAGES; i++) {
        char id[AVJ_ID_TEXT], line[AVJ_ID_TEXT + 1];
        if (avj_message_send(store, c->thread, "user", "hello", 5, id, NULL) != AVJ_OK)
            return 1;
        snprintf(line, sizeof(line), "%s\n", id);
        if (write(out, line, AVJ_ID_TEXT) != AVJ_ID_TEXT)
            return 1;
    }
    avj_store_close(store);
    return 0;
}

static void one_line_each(struct process *writers)
{
    for (size_t i = 0; i < WRITERS; i++)
        (void)hear(&writers[i], "-");
}

static struct avj_store_status status_of(struct avj_store *store)
{
    struct avj_store_status status;
    assert_ok(avj_store_refresh(store, NULL, &err), err);
    assert_ok(avj_store_status(store, &status, &err), err);
    return status;
}

static void sync_once(struct avj_store *store)
{
    struct avj_engine_options options = {.follow = false};
    assert_ok(avj_engine_run(store, &options, NULL, &err), err);
}

/* Every message that a writer was told to be durable is there. */
static void all_there(const struct crowd *c, char *const *said)
{
    size_t seen = 0;
    for (size_t w = 0; w < WRITERS; w++) {
        for (char *at = said[w]; *at; at += AVJ_ID_TEXT, seen++) {
            struct avj_doc doc;
            at[AVJ_ID_TEXT - 1] = '\0';
            if (avj_store_get(c->store, AVJ_MESSAGE, at, &doc) != AVJ_OK)
                fail_msg("message %s is lost", at);
            if (doc.pending || !doc.remote_id)
                fail_msg("message %s did not reach the server", at);
        }
    }
    assert_int_equal(seen, WRITERS * (MESSAGES - 1)); /* each one's first was heard before */
}

static void all_have_the_same_at_the_end(void **state)
{
    (void)state;
    struct crowd c;
    struct process writers[WRITERS], watchers[WATCHERS];
    struct avj_engine_leader leader;
    char *said[WRITERS];
    begin(&c);
    struct process first = start(&c, "sync", "--follow", NULL);
    (void)hear(&first, "\"phase\": \"live\"");
    struct process second = start(&c, "sync", "--follow", NULL);
    (void)hear(&second, "ready to take over");
    for (size_t i = 0; i < WATCHERS; i++)
        watchers[i] = start_watcher(&c);
    for (size_t i = 0; i < WRITERS; i++)
        writers[i] = process_fork(write_messages, &c);
    one_line_each(writers);
    end_well(&first, SIGKILL);
    (void)hear(&second, "\"phase\": \"live\"");
    assert_true(avj_engine_leader(c.store, &leader));
    assert_int_equal(leader.pid, second.pid);
    for (size_t i = 0; i < WRITERS; i++) {
        int status;
        said[i] = process_finish(&writers[i], &status, NULL);
        assert_int_equal(status, 0);
    }
    char last[AVJ_ID_TEXT];
    assert_ok(avj_message_send(c.store, c.thread, "user", "last", 4, last, &err), err);
    for (size_t i = 0; i < WATCHERS; i++) {
        (void)hear(&watchers[i], last);
        end_well(&watchers[i], SIGTERM);
    }
    sync_once(c.store); /* by who leads */
    struct avj_store_status here = status_of(c.store);
    assert_int_equal(here.pending, 0);
    assert_int_equal(here.visible[AVJ_MESSAGE], WRITERS * MESSAGES + 1 + c.asked);
    all_there(&c, said);
    end_well(&second, SIGTERM);
    struct avj_store *other = make_journal(&c, c.other_dir, false);
    sync_once(other);
    struct avj_store_status there = status_of(other);
    assert_int_equal(there.visible[AVJ_MESSAGE], WRITERS * MESSAGES + 1 + c.asked);
    assert_memory_equal(here.digest, there.digest, sizeof(here.digest));
    assert_int_equal(process_fsck(c.dir), 0);
    avj_store_close(other);
    for (size_t i = 0; i < WRITERS; i++)
        free(said[i]);
    end_well(&c.server, SIGTERM);
    end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(all_have_the_same_at_the_end)};
    return cmocka_run_group_tests_name("crowd", tests, NULL, NULL);
}
