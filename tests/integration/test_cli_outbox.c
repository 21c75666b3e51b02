/*
 * avchat pending, parked, retry and drop over outboxes that a sync has met a refusal in: the
 * refusals are journaled through the library, the command is run on what is there then.
 */
#include "tests/support/cases.h"
#include "tests/support/files.h"
#include "tests/support/process.h"

#include "replay/sync.h"

#include <sys/wait.h>

struct chat {
    char *folder, *dir, *avchat;
    struct avj_store *store;
    char thread[AVJ_ID_TEXT], message[AVJ_ID_TEXT];
};

static void open_chat(struct chat *c)
{
    struct avj_error err = {0};

    assert_ok(avj_store_open(c->dir, NULL, &c->store, &err), err);
}

/* A thread and a message, nothing of it sent. */
static int begin(void **state)
{
    struct chat *c = calloc(1, sizeof(*c));
    struct avj_error err = {0};

    assert_non_null(c);
    c->folder = test_dir_new();
    c->dir = test_path(c->folder, "journal");
    c->avchat = test_path(getenv("AVJ_BIN"), "avchat");
    assert_ok(avj_store_create(c->dir, NULL, NULL, &err), err);
    open_chat(c);
    assert_ok(avj_thread_new(c->store, "Refused", c->thread, &err), err);
    assert_ok(avj_message_send(c->store, c->thread, "user", "hello", 5, c->message, &err), err);
    *state = c;
    return 0;
}

static int end(void **state)
{
    struct chat *c = *state;

    avj_store_close(c->store);
    test_dir_free(c->folder);
    free(c->dir);
    free(c->avchat);
    free(c);
    return 0;
}

static void run(struct chat *c, const char *command, const char *argument, int code, char **said)
{
    char *argv[] = {c->avchat,       (char *)"-C",     c->dir, (char *)"--json",
                    (char *)command, (char *)argument, NULL};
    struct process process = process_start(argv, NULL, code != 0);
    int status;

    char *text = process_finish(&process, &status, NULL);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), code);
    if (said)
        *said = text;
    else
        free(text);
}

static void expect(struct chat *c, const char *command, const char *wanted)
{
    char *said;

    run(c, command, NULL, 0, &said);
    assert_string_equal(said, wanted);
    free(said);
}

/* What the engine does with the outbox's first operation: tried, and refused for good. */
static void refuse_first(struct chat *c)
{
    const struct avj_push_op *ops;
    struct avj_error err = {0};
    size_t count;

    assert_ok(avj_store_refresh(c->store, NULL, &err), err);
    assert_ok(avj_outbox_next(c->store, 1, NULL, NULL, &ops, &count, &err), err);
    assert_int_equal(count, 1);
    struct avj_outcome refused = {.op = ops,
                                  .status = 400,
                                  .error_type = "document_invalid_structure",
                                  .error_message = "title is too long"};
    assert_ok(avj_sync_settle(c->store, &refused, 1, &err), err);
}

static void accept_first(struct chat *c)
{
    const struct avj_push_op *ops;
    struct avj_error err = {0};
    size_t count;

    assert_ok(avj_store_refresh(c->store, NULL, &err), err);
    assert_ok(avj_outbox_next(c->store, 1, NULL, NULL, &ops, &count, &err), err);
    assert_int_equal(count, 1);
    struct avj_outcome accepted = {.op = ops, .acknowledged = true, .status = 201};
    accepted.row = (struct avj_row){.entity = ops->entity,
                                    .id = ops->id,
                                    .remote_id = ops->remote_id,
                                    .version = "2026-11-22T18:00:00.000+00:00",
                                    .created = "2026-11-22T18:00:00.000+00:00",
                                    .fields = ops->fields};
    assert_ok(avj_sync_settle(c->store, &accepted, 1, &err), err);
}

static void pending_lists_a_thread_before_its_message(void **state)
{
    struct chat *c = *state;
    char *said;

    run(c, "pending", NULL, 0, &said);
    const char *thread = strstr(said, c->thread), *message = strstr(said, c->message);
    assert_non_null(thread);
    assert_non_null(message);
    assert_true(thread < message);
    assert_contains(said, "{\"kind\": \"thread\", ");
    assert_contains(said, "\"op\": \"create\"");
    assert_contains(said, "\"attempted\": false");
    free(said);
}

static void pending_names_the_fields_of_an_update(void **state)
{
    struct chat *c = *state;
    struct avj_error err = {0};
    char *said;

    accept_first(c);
    accept_first(c);
    expect(c, "pending", "");
    assert_ok(avj_message_edit(c->store, c->message, "other", 5, &err), err);
    run(c, "pending", NULL, 0, &said);
    assert_contains(said, "\"op\": \"update\"");
    assert_contains(said, "\"fields\": [\"content\"]");
    free(said);
}

static void a_refused_document_is_parked_with_its_reason(void **state)
{
    struct chat *c = *state;
    char wanted[300];

    refuse_first(c);
    snprintf(wanted, sizeof(wanted),
             "{\"kind\": \"thread\", \"id\": \"%s\", \"status\": 400, \"type\": "
             "\"document_invalid_structure\", \"message\": \"title is too long\"}\n",
             c->thread);
    expect(c, "parked", wanted);
    expect(c, "pending", ""); /* the message waits for its thread */
}

static void retry_lets_it_go_again(void **state)
{
    struct chat *c = *state;
    char *said, prefix[9];

    refuse_first(c);
    snprintf(prefix, sizeof(prefix), "%.8s", c->thread);
    run(c, "retry", prefix, 0, NULL);
    expect(c, "parked", "");
    run(c, "pending", NULL, 0, &said);
    assert_contains(said, c->thread);
    assert_contains(said, c->message);
    free(said);
    run(c, "retry", c->thread, 1, NULL); /* it is parked no more */
}

static void drop_gives_the_change_up(void **state)
{
    struct chat *c = *state;
    struct avj_error err = {0};
    char *said;

    accept_first(c);
    accept_first(c);
    assert_ok(avj_message_edit(c->store, c->message, "other", 5, &err), err);
    refuse_first(c);
    run(c, "messages", c->thread, 0, &said);
    assert_contains(said, "\"content\": \"other\"");
    assert_contains(said, "\"parked\": true");
    free(said);
    run(c, "drop", c->message, 0, NULL);
    expect(c, "parked", "");
    expect(c, "pending", "");
    run(c, "messages", c->thread, 0, &said);
    assert_contains(said, "\"content\": \"hello\"");
    assert_contains(said, "\"parked\": false");
    free(said);
}

static void a_refused_delete_can_be_found_though_it_is_not_visible(void **state)
{
    struct chat *c = *state;
    struct avj_error err = {0};
    char *said;

    accept_first(c);
    accept_first(c);
    assert_ok(avj_message_delete(c->store, c->message, &err), err);
    refuse_first(c);
    run(c, "parked", NULL, 0, &said);
    assert_contains(said, c->message);
    free(said);
    run(c, "messages", c->thread, 0, &said);
    assert_string_equal(said, "");
    free(said);
    run(c, "drop", c->message, 0, NULL);
    run(c, "messages", c->thread, 0, &said);
    assert_contains(said, c->message);
    free(said);
}

static void what_is_not_parked_can_be_neither_retried_nor_dropped(void **state)
{
    struct chat *c = *state;

    run(c, "retry", c->thread, 1, NULL);
    run(c, "drop", c->message, 1, NULL);
    run(c, "drop", "", 1, NULL);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(pending_lists_a_thread_before_its_message),
        CASE(pending_names_the_fields_of_an_update),
        CASE(a_refused_document_is_parked_with_its_reason),
        CASE(retry_lets_it_go_again),
        CASE(drop_gives_the_change_up),
        CASE(a_refused_delete_can_be_found_though_it_is_not_visible),
        CASE(what_is_not_parked_can_be_neither_retried_nor_dropped),
    };

    if (!getenv("AVJ_BIN")) {
        fprintf(stderr, "AVJ_BIN must name the folder of avchat\n");
        return 2;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
