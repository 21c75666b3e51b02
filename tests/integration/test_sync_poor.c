/*
 * Syncing with a deployment that has less than the schema: attributes and collections are missing,
 * and every user may read every row, as a collection-level permission has it. What can not go up
 * stays here and is not lost; what belongs to others does not come in; replicas still end equal.
 */
#include "net/engine.h"
#include "net/json.h"
#include "net/serve.h"
#include "net/serve_schema.h"
#include "tests/support/cases.h"
#include "tests/support/files.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const missing[] = {"messages.model",
                                      "messages.webSearchImgs",
                                      "messages.imgurl",
                                      "messages.isPlan",
                                      "threads.tags",
                                      "threads.isBranched",
                                      "threads.projectId",
                                      "threads.isShared",
                                      "threads.shareId",
                                      "threads.sharedAt",
                                      "summaries",
                                      "projects",
                                      NULL};

struct world {
    char *dir;
    pid_t server;
    int port;
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
    static const struct avj_deployment poor = {missing, AVJ_USERS_CREATE | AVJ_USERS_READ |
                                                            AVJ_USERS_UPDATE | AVJ_USERS_DELETE};
    struct avj_store *store;
    struct avj_error err = {.status = AVJ_OK};
    struct avj_serve_options options = {
        .listening = on_listening, .listening_arg = &ready, .deployment = &poor};
    if (avj_store_open(path, NULL, &store, &err) == AVJ_OK)
        (void)!avj_serve_run(store, &options, &err);
    fprintf(stderr, "the server ended: %s\n", err.message);
    _exit(1);
}

static int setup(void **state)
{
    static struct world world;
    int ready[2];
    world.dir = test_dir_new();
    char *path = test_path(world.dir, "server");
    if (avj_store_create(path, NULL, NULL, &world.err) || pipe(ready))
        return -1;
    world.server = fork();
    if (world.server == 0) {
        close(ready[0]);
        serve(path, ready[1]);
    }
    close(ready[1]);
    free(path);
    *state = &world;
    return read(ready[0], &world.port, sizeof world.port) == sizeof world.port ? 0 : -1;
}

static int teardown(void **state)
{
    struct world *world = *state;
    kill(world->server, SIGKILL);
    waitpid(world->server, NULL, 0);
    test_dir_free(world->dir);
    return 0;
}

static struct avj_store *journal(struct world *world, const char *name, const char *email,
                                 bool create)
{
    char endpoint[64];
    struct avj_store *store;
    char *path = test_path(world->dir, "%s", name);
    snprintf(endpoint, sizeof endpoint, "http://127.0.0.1:%d/v1", world->port);
    struct avj_upstream up = {.endpoint = endpoint, .project = "demo", .database = "main"};
    assert_ok(avj_store_create(path, &up, NULL, &world->err), world->err);
    assert_ok(avj_store_open(path, NULL, &store, &world->err), world->err);
    assert_ok(avj_engine_login(store, email, "correct horse battery", create, &world->err),
              world->err);
    free(path);
    return store;
}

static void put(struct world *world, struct avj_store *store, enum avj_entity entity,
                const char *id, const char *json)
{
    json_t *object = json_loads(json, 0, NULL);
    struct avj_pack fields = {0};
    assert_non_null(object);
    assert_ok(avj_json_to_fields(entity, object, &fields, &world->err), world->err);
    struct avj_mutation m = {AVJ_CREATE, entity, id, {fields.data, fields.len}};
    assert_ok(avj_store_mutate(store, &m, 1, AVJ_DURABLE, NULL, &world->err), world->err);
    avj_pack_release(&fields);
    json_decref(object);
}

static struct avj_store_status sync_once(struct world *world, struct avj_store *store)
{
    struct avj_engine_options options = {0};
    struct avj_store_status status;
    assert_ok(avj_engine_run(store, &options, NULL, &world->err), world->err);
    assert_ok(avj_store_status(store, &status, &world->err), world->err);
    return status;
}

#define THREAD                                                                                     \
    "{\"id\":\"t\",\"title\":\"T\",\"createdAt\":\"2026-01-01T00:00:00.000Z\",\"isPinned\":false," \
    "\"tags\":[\"a\",\"b\"],\"zeta\":7}"
#define MESSAGE                                                                                    \
    "{\"id\":\"m\",\"threadId\":\"t\",\"role\":\"assistant\",\"content\":\"hi\",\"model\":"        \
    "\"gpt\","                                                                                     \
    "\"createdAt\":\"2026-01-01T00:00:01.000Z\",\"isPlan\":true}"

static void has_field(struct avj_store *store, enum avj_entity entity, const char *id,
                      const char *field, bool wanted)
{
    struct avj_doc doc;
    struct avj_tree *tree;
    struct avj_value v;
    assert_int_equal(avj_store_get(store, entity, id, &doc), AVJ_OK);
    assert_int_equal(avj_tree_parse(doc.fields.data, doc.fields.len, &tree), AVJ_OK);
    assert_int_equal(avj_value_get(avj_tree_root(tree), field, &v), wanted);
    avj_tree_free(tree);
}

static void what_the_server_can_not_hold_stays_here(void **state)
{
    struct world *world = *state;
    struct avj_store *laptop = journal(world, "laptop", "ada@localhost.test", true);
    struct avj_store *phone = journal(world, "phone", "ada@localhost.test", false);
    put(world, laptop, AVJ_THREAD, "t", THREAD);
    put(world, laptop, AVJ_MESSAGE, "m", MESSAGE);
    struct avj_store_status a = sync_once(world, laptop), b = sync_once(world, phone);
    assert_int_equal(a.pending, 0);
    assert_int_equal(a.parked, 0);
    has_field(laptop, AVJ_THREAD, "t", "tags", true);
    has_field(laptop, AVJ_THREAD, "t", "zeta", true);
    has_field(laptop, AVJ_MESSAGE, "m", "model", true);
    has_field(phone, AVJ_MESSAGE, "m", "content", true);
    has_field(phone, AVJ_MESSAGE, "m", "model", false);
    assert_memory_equal(a.digest, b.digest, sizeof a.digest);

    /* An edit on the other device does not take it away either. */
    assert_ok(avj_message_edit(phone, "m", "edited", 6, &world->err), world->err);
    b = sync_once(world, phone);
    a = sync_once(world, laptop);
    has_field(laptop, AVJ_MESSAGE, "m", "model", true);
    assert_memory_equal(a.digest, b.digest, sizeof a.digest);
    avj_store_close(laptop);
    avj_store_close(phone);
}

static void the_same_import_on_two_devices_is_one_document(void **state)
{
    struct world *world = *state;
    struct avj_store *laptop = journal(world, "laptop", "ada@localhost.test", true);
    struct avj_store *phone = journal(world, "phone", "ada@localhost.test", false);
    for (int i = 0; i < 2; i++) {
        put(world, i ? phone : laptop, AVJ_THREAD, "t", THREAD);
        put(world, i ? phone : laptop, AVJ_MESSAGE, "m", MESSAGE);
    }
    struct avj_store_status a = sync_once(world, laptop), b = sync_once(world, phone);
    a = sync_once(world, laptop);
    assert_int_equal(a.pending + b.pending + a.parked + b.parked, 0);
    assert_memory_equal(a.digest, b.digest, sizeof a.digest);
    has_field(phone, AVJ_MESSAGE, "m", "model", true);
    const struct avj_doc *docs;
    size_t count;
    assert_ok(avj_store_list(phone, AVJ_MESSAGE, &docs, &count, &world->err), world->err);
    assert_int_equal(count, 1);
    avj_store_close(laptop);
    avj_store_close(phone);
}

static void what_other_users_wrote_stays_theirs(void **state)
{
    struct world *world = *state;
    struct avj_store *ada = journal(world, "ada", "ada@localhost.test", true);
    struct avj_store *bob = journal(world, "bob", "bob@localhost.test", true);
    put(world, ada, AVJ_THREAD, "t", THREAD);
    put(world, ada, AVJ_MESSAGE, "m", MESSAGE);
    sync_once(world, ada);
    const struct avj_doc *docs;
    size_t count;
    sync_once(world, bob);
    assert_ok(avj_store_list(bob, AVJ_THREAD, &docs, &count, &world->err), world->err);
    assert_int_equal(count, 0);
    /* The same file imported by another user makes rows of that user. */
    put(world, bob, AVJ_THREAD, "t", THREAD);
    put(world, bob, AVJ_MESSAGE, "m", MESSAGE);
    struct avj_store_status status = sync_once(world, bob);
    assert_int_equal(status.pending + status.parked, 0);
    assert_ok(avj_thread_delete(bob, "t", &world->err), world->err);
    sync_once(world, bob);
    sync_once(world, ada);
    assert_ok(avj_store_list(ada, AVJ_MESSAGE, &docs, &count, &world->err), world->err);
    assert_int_equal(count, 1);
    avj_store_close(ada);
    avj_store_close(bob);
}

static void a_collection_that_is_not_there_parks_what_needs_it(void **state)
{
    struct world *world = *state;
    struct avj_store *store = journal(world, "laptop", "ada@localhost.test", true);
    put(world, store, AVJ_THREAD, "t", THREAD);
    put(world, store, AVJ_PROJECT, "p",
        "{\"id\":\"p\",\"name\":\"P\",\"createdAt\":\"2026-01-01T00:00:00.000Z\"}");
    put(world, store, AVJ_MESSAGE, "m", MESSAGE);
    struct avj_store_status status = sync_once(world, store);
    assert_int_equal(status.parked, 1);
    assert_int_equal(status.pending, 1);
    const struct avj_doc *docs;
    size_t count;
    assert_ok(avj_store_parked(store, &docs, &count, &world->err), world->err);
    assert_int_equal(docs[0].entity, AVJ_PROJECT);
    assert_contains(docs[0].reject_message, "projects");
    avj_store_close(store);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(what_the_server_can_not_hold_stays_here),
        CASE(the_same_import_on_two_devices_is_one_document),
        CASE(what_other_users_wrote_stays_theirs),
        CASE(a_collection_that_is_not_there_parks_what_needs_it),
    };
    return cmocka_run_group_tests_name("a poor deployment", tests, NULL, NULL);
}
