/*
 * Two devices and a server whose clock is an hour off, as processes on loopback: the later edit
 * wins, by what Date headers tell about the clocks.
 *
 * The clock is a fake (--wrap=clock_gettime): time passes for everybody when a test says so, and
 * the server's is off besides.
 */
#include "net/engine.h"
#include "net/serve.h"
#include "replay/sync.h"
#include "tests/support/cases.h"
#include "tests/support/files.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HOUR_MS ((int64_t)3600 * 1000)

static int64_t *passed_ms; /* shared by all processes */
static int64_t skew_ms;    /* of this one */

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = __real_clock_gettime(clock, now);
    if (clock == CLOCK_REALTIME && passed_ms)
        now->tv_sec += (time_t)((*passed_ms + skew_ms) / 1000);
    return result;
}

struct world {
    char *dir, *paths[3];
    pid_t server;
    int port;
    struct avj_store *laptop, *phone;
    char thread[AVJ_ID_TEXT], message[AVJ_ID_TEXT];
    struct avj_error err;
};

static void on_listening(void *arg, const char *host, int port)
{
    (void)host;
    if (write(*(int *)arg, &port, sizeof port) != sizeof port)
        _exit(3);
}

static void serve(const char *path, int ready)
{
    struct avj_store *store;
    struct avj_error err = {.status = AVJ_OK};
    struct avj_serve_options options = {.listening = on_listening, .listening_arg = &ready};
    if (avj_store_open(path, NULL, &store, &err) == AVJ_OK)
        (void)!avj_serve_run(store, &options, &err);
    fprintf(stderr, "the server ended: %s\n", err.message);
    _exit(1);
}

static void start_server(struct world *world, int64_t server_skew_ms)
{
    int ready[2];
    assert_ok(avj_store_create(world->paths[0], NULL, NULL, &world->err), world->err);
    assert_int_equal(pipe(ready), 0);
    world->server = fork();
    assert_true(world->server >= 0);
    if (world->server == 0) {
        close(ready[0]);
        skew_ms = server_skew_ms;
        serve(world->paths[0], ready[1]);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &world->port, sizeof world->port), sizeof world->port);
    close(ready[0]);
}

static struct avj_store *make_journal(struct world *world, const char *dir, bool create)
{
    char endpoint[64];
    struct avj_store *store;
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%d/v1", world->port);
    struct avj_upstream up = {.endpoint = endpoint, .project = "demo", .database = "main"};
    assert_ok(avj_store_create(dir, &up, NULL, &world->err), world->err);
    assert_ok(avj_store_open(dir, NULL, &store, &world->err), world->err);
    assert_ok(avj_engine_login(store, "ada@localhost.test", "correct horse", create, &world->err),
              world->err);
    return store;
}

static void sync_once(struct world *world, struct avj_store *store)
{
    struct avj_engine_options options = {.stop_fd = 0};
    assert_ok(avj_engine_run(store, &options, NULL, &world->err), world->err);
}

static void edit(struct world *world, struct avj_store *store, const char *text)
{
    assert_ok(avj_message_edit(store, world->message, text, strlen(text), &world->err), world->err);
}

/* A message on both devices. */
static void begin(struct world *world, int64_t server_skew_ms)
{
    static const char *const names[] = {"server", "laptop", "phone"};
    *world = (struct world){.dir = test_dir_new()};
    for (size_t i = 0; i < 3; i++)
        world->paths[i] = test_path(world->dir, "%s", names[i]);
    start_server(world, server_skew_ms);
    world->laptop = make_journal(world, world->paths[1], true);
    world->phone = make_journal(world, world->paths[2], false);
    assert_ok(avj_thread_new(world->laptop, "A thread", world->thread, &world->err), world->err);
    assert_ok(avj_message_send(world->laptop, world->thread, "user", "first", 5, world->message,
                               &world->err),
              world->err);
    sync_once(world, world->laptop);
    sync_once(world, world->phone);
}

static void end(struct world *world)
{
    if (world->server <= 0)
        return;
    kill(world->server, SIGKILL);
    waitpid(world->server, NULL, 0);
    world->server = 0;
    avj_store_close(world->laptop);
    avj_store_close(world->phone);
    for (size_t i = 0; i < 3; i++)
        free(world->paths[i]);
    test_dir_free(world->dir);
}

/* What a test that failed has left. */
static struct world world;

static int clean_up(void **state)
{
    (void)state;
    end(&world);
    return 0;
}

static void assert_shows(struct avj_store *store, const char *text)
{
    struct avj_doc doc;
    struct avj_tree *tree;
    assert_int_equal(avj_store_get(store, AVJ_MESSAGE, world.message, &doc), AVJ_OK);
    assert_int_equal(avj_tree_parse(doc.fields.data, doc.fields.len, &tree), AVJ_OK);
    struct avj_value content;
    assert_true(avj_value_get(avj_tree_root(tree), "content", &content));
    assert_true(avj_value_text_is(content, text));
    avj_tree_free(tree);
}

static void assert_one_conflict(bool lost_here)
{
    const struct avj_conflict *conflicts;
    size_t count;
    assert_ok(avj_store_conflicts(world.phone, &conflicts, &count, &world.err), world.err);
    assert_int_equal(count, 1);
    assert_int_equal(conflicts[0].lost_here, lost_here);
}

static const int64_t skews[] = {HOUR_MS, -HOUR_MS, 0};

static void the_later_edit_here_wins_whatever_the_servers_clock_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof skews / sizeof *skews; i++) {
        begin(&world, skews[i]);
        edit(&world, world.laptop, "the laptop's, earlier");
        sync_once(&world, world.laptop);
        *passed_ms += 60000;
        edit(&world, world.phone, "the phone's, later");
        sync_once(&world, world.phone);
        sync_once(&world, world.laptop);
        assert_shows(world.phone, "the phone's, later");
        assert_shows(world.laptop, "the phone's, later");
        assert_one_conflict(false);
        end(&world);
    }
}

static void the_later_edit_elsewhere_wins_whatever_the_servers_clock_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof skews / sizeof *skews; i++) {
        begin(&world, skews[i]);
        edit(&world, world.phone, "the phone's, earlier");
        *passed_ms += 60000;
        edit(&world, world.laptop, "the laptop's, later");
        sync_once(&world, world.laptop);
        sync_once(&world, world.phone);
        assert_shows(world.phone, "the laptop's, later");
        assert_one_conflict(true);
        end(&world);
    }
}

static void the_clock_is_journaled_once_and_told(void **state)
{
    (void)state;
    struct avj_store_status before, after;
    begin(&world, HOUR_MS);
    assert_ok(avj_store_status(world.phone, &before, &world.err), world.err);
    assert_in_range(before.clock_offset_ms, HOUR_MS - 1500, HOUR_MS + 1500);
    sync_once(&world, world.phone);
    assert_ok(avj_store_status(world.phone, &after, &world.err), world.err);
    assert_int_equal(after.clock_offset_ms, before.clock_offset_ms);
    avj_store_close(world.phone);
    assert_ok(avj_store_open(world.paths[2], NULL, &world.phone, &world.err), world.err);
    assert_ok(avj_store_status(world.phone, &after, &world.err), world.err);
    assert_int_equal(after.clock_offset_ms, before.clock_offset_ms);
    end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_later_edit_here_wins_whatever_the_servers_clock_says,
                                  clean_up),
        cmocka_unit_test_teardown(the_later_edit_elsewhere_wins_whatever_the_servers_clock_says,
                                  clean_up),
        cmocka_unit_test_teardown(the_clock_is_journaled_once_and_told, clean_up),
    };
    passed_ms =
        mmap(NULL, sizeof *passed_ms, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (passed_ms == MAP_FAILED)
        return 1;
    return cmocka_run_group_tests_name("sync with a server whose clock is off", tests, NULL, NULL);
}
