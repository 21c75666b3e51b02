/* Realtime of the embedded upstream, as recorded (40 to 45, 42 for transactions, 48, 51). */
#include "test_serve_case.h"

#define COLLECTION "channels[]=databases.main.collections.messages.documents"
#define ERROR_1003                                                                                 \
    "{\"type\":\"error\",\"data\":{\"code\":1003,\"message\":\"Error: Server Error\"}}"
#define ERROR_1008                                                                                 \
    "{\"type\":\"error\",\"data\":{\"code\":1008,\"message\":\"Error: Server Error\"}}"

struct opened {
    struct avj_realtime *socket;
    struct avj_text frame;
    bool close;
};

static struct opened open_socket(struct fixture *f, const char *project, const char *channels,
                                 const char *token)
{
    const char *args[4];
    struct opened opened = {0};
    struct avj_serve_request r = f->extra;
    char copy[512];
    (void)snprintf(copy, sizeof(copy), "%s", channels);
    r.args = args;
    if (project)
        args[r.arg_count++] = project;
    for (char *save = NULL, *arg = strtok_r(copy, "&", &save); arg;
         arg = strtok_r(NULL, "&", &save))
        args[r.arg_count++] = arg;
    r.session = token;
    opened.socket = avj_realtime_open(f->serve, &r, f->now_ms, &opened.frame, &opened.close);
    assert_non_null(opened.socket);
    memset(&f->extra, 0, sizeof(f->extra));
    return opened;
}

static void close_socket(struct opened *opened)
{
    avj_realtime_free(opened->socket);
    avj_text_release(&opened->frame);
}

static const char *say(struct fixture *f, struct opened *opened, const char *message)
{
    avj_text_reset(&opened->frame);
    avj_realtime_message(opened->socket, message, strlen(message), f->now_ms, &opened->frame);
    return opened->frame.data ? opened->frame.data : "";
}

static void handshakes_are_answered_as_recorded_40_41_44(void **state)
{
    static const struct {
        const char *sentence, *project, *channels, *frame;
        bool close;
    } cases[] = {
        {"a guest is connected (41)", "project=testproject", COLLECTION,
         "{\"type\":\"connected\",\"data\":{\"channels\":[\"databases.main.collections.messages."
         "documents\"],\"user\":null}}",
         false},
        {"unknown channels are taken (43)", "project=testproject",
         "channels[]=nonsense&channels[]=rows",
         "{\"type\":\"connected\",\"data\":{\"channels\":[\"nonsense\",\"rows\"],\"user\":null}}",
         false},
        {"without a project, too (44)", NULL, COLLECTION,
         "{\"type\":\"connected\",\"data\":{\"channels\":[\"databases.main.collections.messages."
         "documents\"],\"user\":null}}",
         false},
        {"an unknown project is a policy violation (44)", "project=no such", COLLECTION, ERROR_1008,
         true},
        {"so are no channels at all (44)", "project=testproject", "x=1", ERROR_1008, true},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct opened opened = open_socket(f, cases[i].project, cases[i].channels, NULL);
        assert_string_equal(opened.frame.data, cases[i].frame);
        assert_int_equal(opened.close, cases[i].close);
        close_socket(&opened);
    }
    f->extra.origin = "http://evil.example";
    struct opened opened = open_socket(f, "project=testproject", COLLECTION, f->alice);
    assert_string_equal(opened.frame.data, ERROR_1008);
    assert_true(opened.close);
    close_socket(&opened);
}

static void the_user_of_the_session_is_named_40(void **state)
{
    struct fixture *f = *state;
    struct opened opened =
        open_socket(f, "project=testproject", COLLECTION "&channels[]=account", f->alice);
    assert_memory_equal(opened.frame.data,
                        "{\"type\":\"connected\",\"data\":{\"channels\":[\"databases.main."
                        "collections.messages.documents\",\"account\",\"account.alice\"],"
                        "\"user\":{\"$id\":\"alice\",\"$createdAt\":",
                        150);
    close_socket(&opened);
}

static void messages_are_answered_as_recorded_40_41_44(void **state)
{
    struct fixture *f = *state;
    struct opened opened = open_socket(f, "project=testproject", COLLECTION, NULL);
    char text[300];
    assert_string_equal(say(f, &opened, "{\"type\":\"ping\"}"), "{\"type\":\"pong\"}");
    assert_string_equal(say(f, &opened, "hello"), ERROR_1003);
    assert_string_equal(say(f, &opened, "{\"type\":\"subscribe\",\"data\":{}}"), ERROR_1003);
    assert_string_equal(
        say(f, &opened, "{\"type\":\"authentication\",\"data\":{\"session\":\"garbage\"}}"),
        ERROR_1003);
    assert_string_equal(say(f, &opened, "{\"type\":\"authentication\",\"data\":{}}"), ERROR_1003);
    (void)snprintf(text, sizeof(text),
                   "{\"type\":\"authentication\",\"data\":{\"session\":\"%s\"}}", f->alice);
    static const char expected[] = "{\"type\":\"response\",\"data\":{\"to\":\"authentication\","
                                   "\"success\":true,\"user\":{\"$id\":\"alice\",";
    assert_memory_equal(say(f, &opened, text), expected, sizeof(expected) - 1);
    close_socket(&opened);
}

/* ---- events ---- */

static void a_create_has_the_recorded_frame_40(void **state)
{
    static const char events[] =
        "{\"type\":\"event\",\"data\":{\"events\":["
        "\"databases.main.collections.messages.documents.e1.create\",\"databases.main.tables."
        "messages.rows.e1.create\","
        "\"databases.*.collections.*.documents.*.create\",\"databases.*.tables.*.rows.*.create\","
        "\"databases.main.collections.*.documents.e1.create\",\"databases.main.tables.*.rows.e1."
        "create\","
        "\"databases.*.collections.*.documents.e1.create\",\"databases.*.tables.*.rows.e1.create\","
        "\"databases.*.collections.messages.documents.e1.create\",\"databases.*.tables.messages."
        "rows.e1.create\","
        "\"databases.main.collections.messages.documents.*.create\",\"databases.main.tables."
        "messages.rows.*.create\","
        "\"databases.*.collections.messages.documents.*.create\",\"databases.*.tables.messages."
        "rows.*.create\","
        "\"databases.main.collections.*.documents.*.create\",\"databases.main.tables.*.rows.*."
        "create\","
        "\"databases.main.collections.messages.documents.e1\",\"databases.main.tables.messages."
        "rows.e1\","
        "\"databases.*.collections.*.documents.*\",\"databases.*.tables.*.rows.*\","
        "\"databases.main.collections.*.documents.e1\",\"databases.main.tables.*.rows.e1\","
        "\"databases.*.collections.*.documents.e1\",\"databases.*.tables.*.rows.e1\","
        "\"databases.*.collections.messages.documents.e1\",\"databases.*.tables.messages.rows.e1\","
        "\"databases.main.collections.messages.documents.*\",\"databases.main.tables.messages.rows."
        "*\","
        "\"databases.*.collections.messages.documents.*\",\"databases.*.tables.messages.rows.*\","
        "\"databases.main.collections.*.documents.*\",\"databases.main.tables.*.rows.*\","
        "\"databases.main.collections.messages\",\"databases.main.tables.messages\",\"databases.*."
        "collections.*\",\"databases.*.tables.*\","
        "\"databases.main.collections.*\",\"databases.main.tables.*\",\"databases.*.collections."
        "messages\",\"databases.*.tables.messages\","
        "\"databases.main\",\"databases.*\"],"
        "\"channels\":[\"rows\",\"databases.main.tables.messages.rows\",\"databases.main.tables."
        "messages.rows.e1\",\"documents\","
        "\"databases.main.collections.messages.documents\",\"databases.main.collections.messages."
        "documents.e1\"],"
        "\"timestamp\":\"2026-11-22T18:09:32.548+00:00\",\"payload\":";
    struct fixture *f = *state;
    request(f, "POST", DOCUMENTS, CREATE("e1", "hello"));
    assert_int_equal(f->response.event_count, 1);
    const struct avj_serve_event *event = &f->response.events[0];
    assert_int_equal(event->len, strlen(event->frame));
    assert_memory_equal(event->frame, events, sizeof(events) - 1);
    /* The payload is the answer. */
    size_t payload = sizeof(events) - 1;
    assert_int_equal(event->len - payload, f->response.body.len + 2);
    assert_memory_equal(event->frame + payload, body(f), f->response.body.len);
    assert_string_equal(event->frame + event->len - 2, "}}");
}

static void the_action_says_what_was_asked_for_40(void **state)
{
    static const struct {
        const char *method, *target, *body, *event;
    } cases[] = {
        {"POST", DOCUMENTS, CREATE("a", "1"),
         "\"databases.main.collections.messages.documents.a.create\""},
        {"PATCH", DOCUMENTS "/a", "{\"data\":{\"content\":\"2\"}}",
         "\"databases.main.collections.messages.documents.a.update\""},
        {"PUT", ROWS "/a", "{\"data\":" MESSAGE_DATA("a", "3") "}",
         "\"databases.main.collections.messages.documents.a.upsert\""},
        {"PUT", DOCUMENTS "/n", "{\"data\":" MESSAGE_DATA("n", "3") "}",
         "\"databases.main.collections.messages.documents.n.upsert\""},
        {"DELETE", ROWS "/a", NULL, "\"databases.main.collections.messages.documents.a.delete\""},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        request(f, cases[i].method, cases[i].target, cases[i].body);
        assert_int_equal(f->response.event_count, 1);
        const char *first = strstr(f->response.events[0].frame, "[\"");
        assert_non_null(first);
        assert_memory_equal(first + 1, cases[i].event, strlen(cases[i].event));
    }
    /* The whole last document is what a delete tells. */
    assert_non_null(strstr(f->response.events[0].frame, "\"content\":\"3\""));
}

static void a_refused_request_is_not_told(void **state)
{
    struct fixture *f = *state;
    request(f, "PATCH", DOCUMENTS "/nope", "{\"data\":{\"content\":\"2\"}}");
    assert_int_equal(f->response.event_count, 0);
    f->append_status = AVJ_EIO;
    request(f, "POST", DOCUMENTS, CREATE("a", "1"));
    expect(f, 500);
    assert_int_equal(f->response.event_count, 0);
    request(f, "GET", DOCUMENTS "/a", NULL);
    expect(f, 404);
}

#define OPERATION(action, id, data)                                                                \
    "{\"databaseId\":\"main\",\"collectionId\":\"messages\",\"documentId\":\"" id                  \
    "\",\"tableId\":\"messages\",\"rowId\":\"" id "\",\"action\":\"" action "\",\"data\":" data    \
    "}"

static void commit_some(struct fixture *f, const char *base)
{
    char target[200];
    request(f, "POST", base, "{}");
    char id[64];
    copy_member(f, "$id", id, sizeof(id));
    (void)snprintf(target, sizeof(target), "%s/%s/operations", base, id);
    request(
        f, "POST", target,
        "{\"operations\":[" OPERATION("create", "sc", MESSAGE_DATA("sc", "hello")) "," OPERATION(
            "update", "sc",
            "{\"content\":\"tx update\"}") "," OPERATION("upsert", "su",
                                                         MESSAGE_DATA(
                                                             "su",
                                                             "no $id")) "," OPERATION("delete",
                                                                                      "sdel",
                                                                                      "{}") "]}");
    expect(f, 201);
    (void)snprintf(target, sizeof(target), "%s/%s", base, id);
    request(f, "PATCH", target, "{\"commit\":true}");
    expect(f, 200);
}

static void a_commit_tells_each_operation_with_the_final_state_42(void **state)
{
    struct fixture *f = *state;
    request(f, "POST", DOCUMENTS, CREATE("sdel", "hello"));
    commit_some(f, "/v1/databases/transactions");
    assert_int_equal(
        f->response.event_count,
        3); /* the upsert went to another row than it named: nothing to tell of that one */
    const struct avj_serve_event *events = f->response.events;
    assert_non_null(strstr(events[0].frame,
                           "[\"databases.main.collections.messages.documents.sc.create\","
                           "\"databases.main.tables.messages.rows.sc.create\""));
    assert_non_null(
        strstr(events[1].frame, "[\"databases.main.collections.messages.documents.sc.update\""));
    assert_non_null(
        strstr(events[2].frame, "[\"databases.main.collections.messages.documents.sdel.delete\""));
    static const char payload[] =
        "\"payload\":{\"messageId\":\"sc\",\"threadId\":\"t1\",\"userId\":\"alice\",\"role\":"
        "\"user\",\"content\":\"tx update\","
        "\"createdAt\":\"2026-11-22T10:00:00.000+00:00\",\"webSearchResults\":null,\"attachments\":"
        "null,\"$sequence\":\"2\",\"$id\":\"sc\","
        "\"$createdAt\":\"2026-11-22T18:09:32.548+00:00\",\"$updatedAt\":\"2026-11-22T18:09:32.549+"
        "00:00\",\"$permissions\":[],"
        "\"$collection\":\"database_1_collection_2\",\"$tableId\":\"messages\",\"$collectionId\":"
        "\"messages\"}}}";
    assert_non_null(strstr(events[0].frame, payload));
    assert_non_null(strstr(events[1].frame, payload));
}

static void a_tables_commit_has_22_names_42(void **state)
{
    static const char names[] =
        "\"events\":[\"databases.main.tables.messages.rows.sc.create\",\"databases.*.tables.*.rows."
        "*.create\","
        "\"databases.*.tables.messages.rows.sc.create\",\"databases.main.tables.*.rows.sc.create\","
        "\"databases.*.tables.*.rows.sc.create\","
        "\"databases.main.tables.messages.rows.*.create\",\"databases.*.tables.messages.rows.*."
        "create\",\"databases.main.tables.*.rows.*.create\","
        "\"databases.main.tables.messages.rows.sc\",\"databases.*.tables.*.rows.*\",\"databases.*."
        "tables.messages.rows.sc\","
        "\"databases.main.tables.*.rows.sc\",\"databases.*.tables.*.rows.sc\",\"databases.main."
        "tables.messages.rows.*\","
        "\"databases.*.tables.messages.rows.*\",\"databases.main.tables.*.rows.*\",\"databases."
        "main.tables.messages\",\"databases.*.tables.*\","
        "\"databases.*.tables.messages\",\"databases.main.tables.*\",\"databases.main\","
        "\"databases.*\"],\"channels\":[\"rows\","
        "\"databases.main.tables.messages.rows\",\"databases.main.tables.messages.rows.sc\","
        "\"documents\",";
    struct fixture *f = *state;
    request(f, "POST", DOCUMENTS, CREATE("sdel", "hello"));
    commit_some(f, "/v1/tablesdb/transactions");
    assert_non_null(strstr(f->response.events[0].frame, names));
}

static void every_channel_of_the_event_reaches_its_listeners_43(void **state)
{
    static const struct {
        const char *channels;
        bool hears;
    } cases[] = {
        {"channels[]=documents", true},
        {"channels[]=rows", true},
        {COLLECTION, true},
        {"channels[]=databases.main.tables.messages.rows", true},
        {"channels[]=databases.main.collections.messages.documents.a", true},
        {"channels[]=databases.main.tables.messages.rows.a", true},
        {"channels[]=nonsense&channels[]=rows", true},
        {"channels[]=databases.main.collections.messages.documents.b", false},
        {"channels[]=databases.main.collections.threads.documents", false},
        {"channels[]=databases.other.collections.messages.documents", false},
        {"channels[]=nonsense", false},
        {"channels[]=account", false},
    };
    struct fixture *f = *state;
    request(f, "POST", DOCUMENTS, CREATE("a", "1"));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct opened opened = open_socket(f, "project=testproject", cases[i].channels, f->alice);
        if (avj_realtime_wants(opened.socket, &f->response.events[0]) != cases[i].hears)
            fail_msg("%s", cases[i].channels);
        close_socket(&opened);
    }
}

static void only_who_may_read_the_row_hears_of_it_51(void **state)
{
    struct fixture *f = *state;
    struct opened alice = open_socket(f, "project=testproject", COLLECTION, f->alice),
                  bob = open_socket(f, "project=testproject", COLLECTION, f->bob),
                  guest = open_socket(f, "project=testproject", COLLECTION, NULL);
    request(f, "POST", DOCUMENTS, CREATE("a", "1"));
    assert_true(avj_realtime_wants(alice.socket, &f->response.events[0])); /* the sender, too */
    assert_false(avj_realtime_wants(bob.socket, &f->response.events[0]));
    request(f, "PATCH", DOCUMENTS "/a",
            "{\"permissions\":[\"read(\\\"users\\\")\",\"update(\\\"user:alice\\\")\"]}");
    expect(f, 200);
    assert_true(avj_realtime_wants(bob.socket, &f->response.events[0]));
    assert_false(avj_realtime_wants(guest.socket, &f->response.events[0]));
    request(f, "PATCH", DOCUMENTS "/a",
            "{\"permissions\":[\"read(\\\"any\\\")\",\"update(\\\"user:alice\\\")\"]}");
    assert_true(avj_realtime_wants(guest.socket, &f->response.events[0]));
    /* Who just lost the right to read hears nothing. */
    request(f, "PATCH", DOCUMENTS "/a",
            "{\"permissions\":[\"read(\\\"user:alice\\\")\",\"update(\\\"user:alice\\\")\"]}");
    assert_false(avj_realtime_wants(bob.socket, &f->response.events[0]));
    close_socket(&alice);
    close_socket(&bob);
    close_socket(&guest);
}

static void a_collection_that_all_users_read_is_heard_by_all_users_40(void **state)
{
    struct fixture *f = *state;
    struct opened bob = open_socket(f, "project=testproject", COLLECTION, f->bob),
                  guest = open_socket(f, "project=testproject", COLLECTION, NULL);
    request(f, "POST", DOCUMENTS, CREATE("a", "1"));
    assert_true(avj_realtime_wants(bob.socket, &f->response.events[0]));
    assert_false(avj_realtime_wants(guest.socket, &f->response.events[0]));
    close_socket(&bob);
    close_socket(&guest);
}

static void an_open_socket_outlives_its_session_and_a_new_one_is_a_guests_45_48(void **state)
{
    struct fixture *f = *state;
    struct opened open_before = open_socket(f, "project=testproject", COLLECTION, f->bob);
    f->token = f->bob;
    request(f, "DELETE", "/v1/account/sessions/current", NULL);
    expect(f, 204);
    f->token = f->alice;
    request(f, "POST", DOCUMENTS, CREATE("a", "1"));
    assert_true(avj_realtime_wants(open_before.socket, &f->response.events[0]));
    struct opened open_after = open_socket(f, "project=testproject", COLLECTION, f->bob);
    assert_non_null(strstr(open_after.frame.data, "\"user\":null"));
    assert_false(avj_realtime_wants(open_after.socket, &f->response.events[0]));
    close_socket(&open_before);
    close_socket(&open_after);
}

static void a_socket_without_a_project_hears_nothing_44(void **state)
{
    struct fixture *f = *state;
    struct opened opened = open_socket(f, NULL, COLLECTION, f->alice);
    request(f, "POST", DOCUMENTS,
            "{\"documentId\":\"a\",\"data\":" MESSAGE_DATA(
                "a", "1") ",\"permissions\":[\"read(\\\"any\\\")\"]}");
    assert_false(avj_realtime_wants(opened.socket, &f->response.events[0]));
    close_socket(&opened);
}

int main(void)
{
#define RECORDED(test) cmocka_unit_test_setup_teardown(test, setup_recorded, teardown)
#define BY_ROW(test)   cmocka_unit_test_setup_teardown(test, setup_by_row, teardown)
    const struct CMUnitTest tests[] = {
        RECORDED(handshakes_are_answered_as_recorded_40_41_44),
        RECORDED(the_user_of_the_session_is_named_40),
        RECORDED(messages_are_answered_as_recorded_40_41_44),
        RECORDED(a_create_has_the_recorded_frame_40),
        RECORDED(the_action_says_what_was_asked_for_40),
        RECORDED(a_refused_request_is_not_told),
        RECORDED(a_commit_tells_each_operation_with_the_final_state_42),
        RECORDED(a_tables_commit_has_22_names_42),
        RECORDED(every_channel_of_the_event_reaches_its_listeners_43),
        BY_ROW(only_who_may_read_the_row_hears_of_it_51),
        RECORDED(a_collection_that_all_users_read_is_heard_by_all_users_40),
        RECORDED(an_open_socket_outlives_its_session_and_a_new_one_is_a_guests_45_48),
        BY_ROW(a_socket_without_a_project_hears_nothing_44),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
