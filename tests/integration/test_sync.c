/*
 * The sync engine against the embedded upstream, over real sockets: two journals of one user, a
 * server that is killed and comes back, a session that ends, a follower that is told nothing and
 * hears everything.
 */
#include "tests/support/cases.h"

#include "net/client_loop.h"
#include "net/client_upstream.h"
#include "net/engine.h"
#include "net/serve.h"
#include "tests/support/files.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EMAIL    "ada@localhost.test"
#define PASSWORD "correct horse battery"

/* Nothing here takes long; what is not there by then never comes. */
enum { PATIENCE_S = 60 };

struct world {
    char *dir, *server_dir, *laptop_dir, *phone_dir;
    pid_t server, follower, second;
    int port, stop_follower, stop_second;
    struct avj_store *laptop, *phone;
    struct avj_error err;
    unsigned kill_at; /* pushed documents at which the server is killed and started again */
};

/* ---- processes ---- */

static void on_listening(void *arg, const char *host, int port)
{
    int *fd = arg;
    (void)host;
    if (write(*fd, &port, sizeof port) != sizeof port)
        _exit(3);
}

/* In the child: serves until it is killed. */
static void serve(const struct world *world, int port, int ready)
{
    struct avj_store *store;
    struct avj_error err = {.status = AVJ_OK};
    struct avj_serve_options options = {
        .port = port, .listening = on_listening, .listening_arg = &ready};
    if (avj_store_open(world->server_dir, NULL, &store, &err) == AVJ_OK)
        (void)!avj_serve_run(store, &options, &err);
    fprintf(stderr, "the server ended: %s\n", err.message);
    _exit(1);
}

static void start_server(struct world *world, int port)
{
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    world->server = fork();
    assert_true(world->server >= 0);
    if (world->server == 0) {
        close(ready[0]);
        if (world->follower > 0)
            close(world->stop_follower); /* or the follower would never see it closed */
        serve(world, port, ready[1]);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &world->port, sizeof world->port), sizeof world->port);
    close(ready[0]);
}

static void reap(pid_t *pid, int signal)
{
    if (*pid <= 0)
        return;
    if (signal)
        kill(*pid, signal);
    waitpid(*pid, NULL, 0);
    *pid = 0;
}

static void restart_server(struct world *world)
{
    reap(&world->server, SIGKILL);
    start_server(world, world->port);
}

/* In the child: follows until the pipe closes. */
static void follow(const char *dir, int stop)
{
    struct avj_store *store;
    struct avj_error err = {.status = AVJ_OK};
    struct avj_engine_options options = {.follow = true, .stop_fd = stop};
    enum avj_status status = avj_store_open(dir, NULL, &store, &err);
    if (!status)
        status = avj_engine_run(store, &options, NULL, &err);
    if (status)
        fprintf(stderr, "the follower ended: %s\n", err.message);
    else
        avj_store_close(store);
    _exit(status ? 1 : 0);
}

static void start_follower(struct world *world)
{
    int stop[2];
    assert_int_equal(pipe(stop), 0);
    world->follower = fork();
    assert_true(world->follower >= 0);
    if (world->follower == 0) {
        close(stop[1]);
        follow(world->phone_dir, stop[0]);
    }
    close(stop[0]);
    world->stop_follower = stop[1];
}

/* It ends by itself when told to, with nothing to complain of. */
static void stop_follower(struct world *world)
{
    int status;
    close(world->stop_follower);
    assert_int_equal(waitpid(world->follower, &status, 0), world->follower);
    world->follower = 0;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- journals ---- */

static struct avj_store *make_journal(struct world *world, const char *dir, bool create)
{
    char endpoint[64];
    struct avj_store *store;
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%d/v1/", world->port);
    struct avj_upstream up = {.endpoint = endpoint, .project = "demo", .database = "main"};
    assert_ok(avj_store_create(dir, &up, NULL, &world->err), world->err);
    assert_ok(avj_store_open(dir, NULL, &store, &world->err), world->err);
    assert_ok(avj_engine_login(store, EMAIL, PASSWORD, create, &world->err), world->err);
    return store;
}

static int setup(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    struct avj_error err;
    world->dir = test_dir_new();
    world->server_dir = test_path(world->dir, "server");
    world->laptop_dir = test_path(world->dir, "laptop");
    world->phone_dir = test_path(world->dir, "phone");
    if (avj_store_create(world->server_dir, NULL, NULL, &err))
        return -1;
    start_server(world, 0);
    world->laptop = make_journal(world, world->laptop_dir, true);
    world->phone = make_journal(world, world->phone_dir, false);
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    reap(&world->follower, SIGKILL);
    reap(&world->second, SIGKILL);
    reap(&world->server, SIGKILL);
    avj_store_close(world->laptop);
    avj_store_close(world->phone);
    free(world->server_dir);
    free(world->laptop_dir);
    free(world->phone_dir);
    test_dir_free(world->dir);
    free(world);
    return 0;
}

static void on_progress(void *arg, const struct avj_engine_progress *progress)
{
    struct world *world = arg;
    if (!world->kill_at || progress->pushed < world->kill_at)
        return;
    world->kill_at = 0;
    restart_server(world);
}

static struct avj_engine_progress sync_once(struct world *world, struct avj_store *store)
{
    struct avj_engine_options options = {.progress = on_progress, .progress_arg = world};
    struct avj_engine_progress final;
    assert_ok(avj_engine_run(store, &options, &final, &world->err), world->err);
    return final;
}

static struct avj_store_status status_of(struct world *world, struct avj_store *store)
{
    struct avj_store_status status;
    assert_ok(avj_store_refresh(store, NULL, &world->err), world->err);
    assert_ok(avj_store_status(store, &status, &world->err), world->err);
    return status;
}

static bool equal(struct world *world)
{
    struct avj_store_status a = status_of(world, world->laptop);
    struct avj_store_status b = status_of(world, world->phone);
    return !a.pending && !b.pending && memcmp(a.digest, b.digest, sizeof a.digest) == 0;
}

static size_t count(struct world *world, struct avj_store *store, enum avj_entity entity)
{
    const struct avj_doc *docs;
    size_t n;
    assert_ok(avj_store_refresh(store, NULL, &world->err), world->err);
    assert_ok(avj_store_list(store, entity, &docs, &n, &world->err), world->err);
    return n;
}

/* Waits until the phone's journal, which the follower writes, says so: woken by its appends. */
static void wait_until(struct world *world, bool (*condition)(struct world *world))
{
    time_t give_up = time(NULL) + PATIENCE_S;
    int fd = avj_journal_wake_fd(avj_store_journal(world->phone));
    while (!condition(world)) {
        struct pollfd wake = {.fd = fd, .events = POLLIN};
        if (time(NULL) > give_up)
            fail_msg("gave up waiting");
        (void)poll(&wake, 1, fd < 0 ? 50 : 1000);
        avj_journal_woken(avj_store_journal(world->phone));
    }
}

static void new_thread(struct world *world, struct avj_store *store, char out[AVJ_ID_TEXT])
{
    assert_ok(avj_thread_new(store, "A thread", out, &world->err), world->err);
}

static void say(struct world *world, struct avj_store *store, const char *thread, const char *text,
                char out[AVJ_ID_TEXT])
{
    assert_ok(avj_message_send(store, thread, "user", text, strlen(text), out, &world->err),
              world->err);
}

static void say_often(struct world *world, struct avj_store *store, const char *thread, int times)
{
    char text[40];
    for (int i = 0; i < times; i++) {
        snprintf(text, sizeof text, "message %d", i);
        say(world, store, thread, text, NULL);
    }
}

/* ---- once ---- */

static void what_one_device_writes_the_other_gets(void **state)
{
    struct world *world = *state;
    char thread[AVJ_ID_TEXT];
    new_thread(world, world->laptop, thread);
    say_often(world, world->laptop, thread, 250);
    struct avj_engine_progress pushed = sync_once(world, world->laptop);
    assert_int_equal(pushed.pushed, 251);
    assert_int_equal(pushed.pending, 0);
    assert_true(pushed.online);
    struct avj_engine_progress pulled = sync_once(world, world->phone);
    assert_int_equal(pulled.pulled, 251);
    assert_true(equal(world));
    /* And nothing is left to do. */
    uint64_t records = status_of(world, world->phone).records;
    struct avj_engine_progress again = sync_once(world, world->phone);
    assert_int_equal(again.pulled + again.pushed, 0);
    assert_in_range(status_of(world, world->phone).records, records, records + 1);
}

static void edits_of_both_devices_meet(void **state)
{
    struct world *world = *state;
    char thread[AVJ_ID_TEXT], message[AVJ_ID_TEXT];
    new_thread(world, world->laptop, thread);
    say(world, world->laptop, thread, "first", message);
    (void)sync_once(world, world->laptop);
    (void)sync_once(world, world->phone);
    assert_ok(avj_thread_rename(world->laptop, thread, "Renamed here", &world->err), world->err);
    assert_ok(avj_message_edit(world->phone, message, "edited there", 12, &world->err), world->err);
    say(world, world->phone, thread, "second", NULL);
    (void)sync_once(world, world->phone);
    (void)sync_once(world, world->laptop);
    (void)sync_once(world, world->phone);
    assert_true(equal(world));
    assert_int_equal(count(world, world->laptop, AVJ_MESSAGE), 2);
    assert_int_equal(status_of(world, world->laptop).conflicts, 0);
}

static void the_same_edit_on_both_devices_ends_the_same(void **state)
{
    struct world *world = *state;
    char thread[AVJ_ID_TEXT], message[AVJ_ID_TEXT];
    new_thread(world, world->laptop, thread);
    say(world, world->laptop, thread, "first", message);
    (void)sync_once(world, world->laptop);
    (void)sync_once(world, world->phone);
    assert_ok(avj_message_edit(world->laptop, message, "laptop's", 8, &world->err), world->err);
    assert_ok(avj_message_edit(world->phone, message, "phone's", 7, &world->err), world->err);
    (void)sync_once(world, world->laptop);
    (void)sync_once(world, world->phone);
    (void)sync_once(world, world->laptop);
    assert_true(equal(world));
    assert_int_equal(status_of(world, world->phone).conflicts, 1);
}

static void a_deleted_thread_disappears_everywhere(void **state)
{
    struct world *world = *state;
    char thread[AVJ_ID_TEXT], other[AVJ_ID_TEXT];
    new_thread(world, world->laptop, thread);
    new_thread(world, world->laptop, other);
    say_often(world, world->laptop, thread, 10);
    (void)sync_once(world, world->laptop);
    (void)sync_once(world, world->phone);
    assert_ok(avj_thread_delete(world->laptop, thread, &world->err), world->err);
    (void)sync_once(world, world->laptop);
    (void)sync_once(world, world->phone);
    assert_true(equal(world));
    assert_int_equal(count(world, world->phone, AVJ_THREAD), 1);
    assert_int_equal(count(world, world->phone, AVJ_MESSAGE), 0);
}

static void a_dry_run_counts_and_changes_nothing(void **state)
{
    struct world *world = *state;
    char thread[AVJ_ID_TEXT];
    new_thread(world, world->laptop, thread);
    (void)sync_once(world, world->laptop);
    new_thread(world, world->phone, thread);
    uint64_t records = status_of(world, world->phone).records;
    struct avj_engine_options options = {.dry_run = true};
    struct avj_engine_progress final;
    assert_ok(avj_engine_run(world->phone, &options, &final, &world->err), world->err);
    assert_int_equal(final.pushed, 1);
    assert_int_equal(final.pulled, 1);
    assert_int_equal(status_of(world, world->phone).records, records);
}

/* ---- a server that goes away ---- */

static void the_server_is_killed_in_the_middle_of_a_push(void **state)
{
    struct world *world = *state;
    char thread[AVJ_ID_TEXT];
    new_thread(world, world->laptop, thread);
    say_often(world, world->laptop, thread, 900);
    world->kill_at = 200;
    struct avj_engine_progress final = sync_once(world, world->laptop);
    assert_int_equal(world->kill_at, 0);
    assert_int_equal(final.pending, 0);
    (void)sync_once(world, world->phone);
    assert_true(equal(world));
    assert_int_equal(count(world, world->phone, AVJ_MESSAGE), 900);
}

static void without_a_server_a_single_run_says_so_and_keeps_everything(void **state)
{
    struct world *world = *state;
    char thread[AVJ_ID_TEXT];
    new_thread(world, world->laptop, thread);
    reap(&world->server, SIGKILL);
    struct avj_engine_options options = {.timeout_ms = 2000};
    struct avj_engine_progress final;
    assert_status(AVJ_ENET, avj_engine_run(world->laptop, &options, &final, &world->err),
                  world->err);
    assert_int_equal(final.pending, 1);
    assert_false(final.online);
    assert_int_equal(status_of(world, world->laptop).parked, 0);
    start_server(world, world->port);
    (void)sync_once(world, world->laptop);
    assert_int_equal(status_of(world, world->laptop).pending, 0);
}

/* ---- sessions ---- */

/* Ends the laptop's session on the server, behind its back. */
static void end_session(struct world *world)
{
    struct avj_upstream_access access;
    struct avj_loop loop;
    struct avj_http_request request;
    struct avj_aw_result result;
    assert_ok(avj_upstream_open(world->laptop, &access, &world->err), world->err);
    assert_ok(avj_upstream_sign(world->laptop, &access, &world->err), world->err);
    assert_ok(avj_loop_init(&loop, 0, &world->err), world->err);
    assert_int_equal(avj_aw_logout(&access.aw, &request), AVJ_OK);
    avj_loop_ask(&loop, &request, &result, NULL);
    assert_int_equal(result.status, 204);
    avj_aw_result_release(&result);
    avj_http_request_release(&request);
    avj_loop_release(&loop);
    avj_upstream_release(&access);
}

static void a_session_that_ended_stops_the_sync_and_loses_nothing(void **state)
{
    struct world *world = *state;
    char thread[AVJ_ID_TEXT], *user, *email;
    struct avj_engine_options options = {.follow = false};
    new_thread(world, world->laptop, thread);
    (void)sync_once(world, world->laptop);
    end_session(world);
    say_often(world, world->laptop, thread, 3);
    assert_status(AVJ_EAUTH, avj_engine_run(world->laptop, &options, NULL, &world->err),
                  world->err);
    assert_status(AVJ_EAUTH, avj_engine_whoami(world->laptop, &user, &email, &world->err),
                  world->err);
    assert_int_equal(count(world, world->laptop, AVJ_THREAD), 1);
    assert_int_equal(count(world, world->laptop, AVJ_MESSAGE), 3);
    assert_int_equal(status_of(world, world->laptop).parked, 0);
    assert_ok(avj_engine_login(world->laptop, EMAIL, PASSWORD, false, &world->err), world->err);
    (void)sync_once(world, world->laptop);
    (void)sync_once(world, world->phone);
    assert_true(equal(world));
}

static void signing_in_and_out(void **state)
{
    struct world *world = *state;
    char *user, *email;
    assert_true(avj_engine_has_session(world->laptop));
    assert_ok(avj_engine_whoami(world->laptop, &user, &email, &world->err), world->err);
    assert_string_equal(email, EMAIL);
    assert_string_equal(user, avj_store_user(world->laptop));
    free(user);
    free(email);
    assert_status(AVJ_EEXIST, avj_engine_login(world->laptop, EMAIL, PASSWORD, true, &world->err),
                  world->err);
    assert_status(AVJ_EAUTH,
                  avj_engine_login(world->laptop, EMAIL, "wrong password", false, &world->err),
                  world->err);
    assert_null(strstr(world->err.message, "wrong password"));
    assert_ok(avj_engine_logout(world->laptop, &world->err), world->err);
    assert_false(avj_engine_has_session(world->laptop));
    assert_status(AVJ_EAUTH, avj_engine_logout(world->laptop, &world->err), world->err);
    struct avj_engine_options options = {.follow = false};
    assert_status(AVJ_EAUTH, avj_engine_run(world->laptop, &options, NULL, &world->err),
                  world->err);
}

static void another_users_login_is_refused(void **state)
{
    struct world *world = *state;
    assert_status(
        AVJ_EREFUSED,
        avj_engine_login(world->laptop, "eve@localhost.test", PASSWORD, true, &world->err),
        world->err);
    assert_true(avj_engine_has_session(world->laptop));
    (void)sync_once(world, world->laptop);
}

/* ---- following ---- */

static void a_follower_hears_what_others_write(void **state)
{
    struct world *world = *state;
    char thread[AVJ_ID_TEXT], message[AVJ_ID_TEXT];
    new_thread(world, world->laptop, thread);
    (void)sync_once(world, world->laptop);
    start_follower(world);
    wait_until(world, equal);
    say(world, world->laptop, thread, "hello", message);
    (void)sync_once(world, world->laptop);
    wait_until(world, equal);
    assert_ok(avj_message_delete(world->laptop, message, &world->err), world->err);
    (void)sync_once(world, world->laptop);
    wait_until(world, equal);
    assert_int_equal(count(world, world->phone, AVJ_MESSAGE), 0);
    stop_follower(world);
}

static bool phone_has_pushed(struct world *world)
{
    return status_of(world, world->phone).pending == 0;
}

/* This process writes into the phone's journal; the follower, another process, pushes it. */
static void a_follower_pushes_what_other_processes_write(void **state)
{
    struct world *world = *state;
    char thread[AVJ_ID_TEXT];
    start_follower(world);
    wait_until(world, equal);
    new_thread(world, world->phone, thread);
    say_often(world, world->phone, thread, 20);
    wait_until(world, phone_has_pushed);
    (void)sync_once(world, world->laptop);
    assert_true(equal(world));
    assert_int_equal(count(world, world->laptop, AVJ_MESSAGE), 20);
    stop_follower(world);
}

static void a_single_run_is_made_by_who_leads(void **state)
{
    struct world *world = *state;
    char thread[AVJ_ID_TEXT];
    start_follower(world);
    wait_until(world, equal);
    new_thread(world, world->laptop, thread);
    say_often(world, world->laptop, thread, 30);
    (void)sync_once(world, world->laptop);
    wait_until(world, equal);
    say_often(world, world->phone, thread, 20);
    struct avj_engine_progress final = sync_once(world, world->phone);
    assert_int_equal(final.pending, 0);
    assert_true(final.online);
    struct avj_store_status status = status_of(world, world->phone);
    assert_int_equal(status.pending, 0);
    assert_int_equal(status.visible[AVJ_MESSAGE], 50);
    final = sync_once(world, world->phone);
    assert_int_equal(final.pushed + final.pulled, 0);
    stop_follower(world);
    (void)sync_once(world, world->phone);
    (void)sync_once(world, world->laptop);
    assert_true(equal(world));
}

static void who_leads_says_that_the_server_is_gone(void **state)
{
    struct world *world = *state;
    struct avj_engine_options options = {.follow = false};
    start_follower(world);
    wait_until(world, equal);
    reap(&world->server, SIGKILL);
    assert_status(AVJ_ENET, avj_engine_run(world->phone, &options, NULL, &world->err), world->err);
    start_server(world, world->port);
    (void)sync_once(world, world->phone);
    stop_follower(world);
}

static bool phone_is_led_by_the_second(struct world *world)
{
    struct avj_engine_leader leader;
    return avj_engine_leader(world->phone, &leader) && leader.pid == world->second;
}

static bool phone_is_led_by_the_first(struct world *world)
{
    struct avj_engine_leader leader;
    return avj_engine_leader(world->phone, &leader) && leader.pid == world->follower;
}

static void start_second(struct world *world)
{
    pid_t first = world->follower;
    int stop = world->stop_follower;
    start_follower(world);
    world->second = world->follower;
    world->stop_second = world->stop_follower;
    world->follower = first;
    world->stop_follower = stop;
}

/* It has nothing to wake the phone's journal by until it leads. */
static void wait_for_leader(struct world *world, bool (*condition)(struct world *world))
{
    time_t give_up = time(NULL) + PATIENCE_S;
    while (!condition(world)) {
        if (time(NULL) > give_up)
            fail_msg("gave up waiting for the leader");
        (void)poll(NULL, 0, 5);
    }
}

static void another_takes_over_when_the_leader_is_killed(void **state)
{
    struct world *world = *state;
    struct avj_engine_leader leader;
    char thread[AVJ_ID_TEXT];
    int status;
    start_follower(world);
    wait_for_leader(world, phone_is_led_by_the_first);
    start_second(world);
    new_thread(world, world->phone, thread);
    say_often(world, world->phone, thread, 50);
    reap(&world->follower, SIGKILL);
    close(world->stop_follower);
    wait_for_leader(world, phone_is_led_by_the_second);
    assert_true(avj_engine_leader(world->phone, &leader));
    assert_true(avj_session_alive(world->phone, leader.session));
    wait_until(world, phone_has_pushed);
    (void)sync_once(world, world->laptop);
    assert_true(equal(world));
    assert_int_equal(count(world, world->laptop, AVJ_MESSAGE), 50);
    close(world->stop_second);
    assert_int_equal(waitpid(world->second, &status, 0), world->second);
    world->second = 0;
    assert_int_equal(status, 0);
    assert_false(avj_engine_leader(world->phone, &leader));
}

static bool phone_knows_of_a_gap(struct world *world)
{
    return status_of(world, world->phone).gap_open;
}

static void a_follower_survives_the_servers_death(void **state)
{
    struct world *world = *state;
    char thread[AVJ_ID_TEXT], mine[AVJ_ID_TEXT];
    new_thread(world, world->laptop, thread);
    say_often(world, world->laptop, thread, 5);
    (void)sync_once(world, world->laptop);
    start_follower(world);
    wait_until(world, equal);
    reap(&world->server, SIGKILL);
    wait_until(world, phone_knows_of_a_gap);
    new_thread(world, world->phone, mine);
    say_often(world, world->laptop, thread, 5);
    start_server(world, world->port);
    (void)sync_once(world, world->laptop);
    wait_until(world, phone_has_pushed);
    (void)sync_once(world, world->laptop);
    wait_until(world, equal);
    assert_int_equal(count(world, world->laptop, AVJ_THREAD), 2);
    assert_int_equal(count(world, world->phone, AVJ_MESSAGE), 10);
    stop_follower(world);
}

static bool gap_is_closed(struct world *world)
{
    return !status_of(world, world->phone).gap_open;
}

/* What was deleted while nobody listened is found by the sweep that closes the gap. */
static void a_delete_during_the_gap_is_found(void **state)
{
    struct world *world = *state;
    char thread[AVJ_ID_TEXT], message[AVJ_ID_TEXT];
    new_thread(world, world->laptop, thread);
    say(world, world->laptop, thread, "soon gone", message);
    (void)sync_once(world, world->laptop);
    start_follower(world);
    wait_until(world, equal);
    stop_follower(world);
    assert_ok(avj_message_delete(world->laptop, message, &world->err), world->err);
    (void)sync_once(world, world->laptop);
    start_follower(world);
    wait_until(world, equal);
    wait_until(world, gap_is_closed);
    assert_int_equal(count(world, world->phone, AVJ_MESSAGE), 0);
    stop_follower(world);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_one_device_writes_the_other_gets),
        CASE(edits_of_both_devices_meet),
        CASE(the_same_edit_on_both_devices_ends_the_same),
        CASE(a_deleted_thread_disappears_everywhere),
        CASE(a_dry_run_counts_and_changes_nothing),
        CASE(the_server_is_killed_in_the_middle_of_a_push),
        CASE(without_a_server_a_single_run_says_so_and_keeps_everything),
        CASE(a_session_that_ended_stops_the_sync_and_loses_nothing),
        CASE(signing_in_and_out),
        CASE(another_users_login_is_refused),
        CASE(a_follower_hears_what_others_write),
        CASE(a_follower_pushes_what_other_processes_write),
        CASE(a_single_run_is_made_by_who_leads),
        CASE(who_leads_says_that_the_server_is_gone),
        CASE(another_takes_over_when_the_leader_is_killed),
        CASE(a_follower_survives_the_servers_death),
        CASE(a_delete_during_the_gap_is_found),
    };
    return cmocka_run_group_tests_name("sync", tests, NULL, NULL);
}
