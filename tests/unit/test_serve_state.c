/* The embedded upstream's state: what replay brings back, what a failed append leaves behind, and
 * deployments that lack attributes. */
#include "test_serve_case.h"

static void everything_that_was_answered_comes_back_by_replay(void **state)
{
    static const char *const targets[] = {
        DOCUMENTS "/m0",        DOCUMENTS "/m1",
        DOCUMENTS "/m2",        DOCUMENTS,
        "/v1/account",          "/v1/account/prefs",
        "/v1/account/sessions", "/v1/databases/main/collections/threads/documents"};
    struct fixture *f = *state;
    make_messages(f, 3);
    request(f, "PATCH", DOCUMENTS "/m1",
            "{\"data\":{\"content\":\"p\\u00e4tched "
            "\\u0001\"},\"permissions\":[\"read(\\\"any\\\")\"]}");
    expect(f, 200);
    request(f, "DELETE", DOCUMENTS "/m2", NULL);
    request(f, "POST", "/v1/databases/main/collections/threads/documents",
            "{\"documentId\":\"t\",\"data\":{\"threadId\":\"t\",\"userId\":\"alice\",\"isPinned\":"
            "true,\"tags\":[\"a\",\"b\"]}}");
    expect(f, 201);
    request(f, "PATCH", "/v1/account/prefs", "{\"prefs\":{\"theme\":\"dark\"}}");
    expect(f, 200);
    struct avj_serve *first = f->serve, *second = fixture_server(f, &recorded);
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        f->serve = first;
        request(f, "GET", targets[i], NULL);
        int status = f->response.status;
        char *before = strdup(body(f));
        f->serve = second;
        request(f, "GET", targets[i], NULL);
        expect_body(f, status, before);
        free(before);
    }
    /* Sequences go on where they were, and times never run backwards. */
    f->now_ms -= 3600000;
    request(f, "POST", DOCUMENTS, CREATE("m9", "x"));
    assert_string_equal(member(f, "$sequence"), "4");
    assert_true(time_ms(member(f, "$createdAt")) > time_ms(START));
    avj_serve_free(second);
    f->serve = first;
}

static void a_failed_append_changes_nothing(void **state)
{
    static const struct {
        const char *method, *target, *body;
    } cases[] = {
        {"POST", DOCUMENTS, CREATE("new", "x")},
        {"PATCH", DOCUMENTS "/m0", "{\"data\":{\"content\":\"x\"}}"},
        {"PUT", DOCUMENTS "/m0", "{\"data\":" MESSAGE_DATA("m0", "x") "}"},
        {"DELETE", DOCUMENTS "/m0", NULL},
        {"POST", "/v1/account",
         "{\"userId\":\"carol\",\"email\":\"carol@localhost.test\",\"password\":\"password-1\"}"},
        {"PATCH", "/v1/account/prefs", "{\"prefs\":{\"a\":1}}"},
        {"DELETE", "/v1/account/sessions/current", NULL},
    };
    struct fixture *f = *state;
    make_messages(f, 1);
    request(f, "GET", DOCUMENTS, NULL);
    char *before = strdup(body(f));
    size_t entries = f->entry_count;
    f->append_status = AVJ_EIO;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        request(f, cases[i].method, cases[i].target, cases[i].body);
        expect_error(f, 500, "general_unknown", "Server Error");
    }
    request(f, "GET", DOCUMENTS, NULL);
    expect_body(f, 200, before);
    request(f, "GET", "/v1/account/prefs", NULL);
    expect_body(f, 200, "{}");
    assert_int_equal(f->entry_count, entries);
    free(before);
}

static void a_change_that_no_frame_holds_is_the_clients_to_split(void **state)
{
    struct fixture *f = *state;
    f->append_status = AVJ_ETOOBIG;
    request(f, "POST", DOCUMENTS, CREATE("new", "x"));
    expect(f, 400);
    assert_string_equal(member(f, "type"), "general_bad_request");
}

static void a_deployment_without_an_attribute_refuses_it_and_hides_what_was_stored(void **state)
{
    static const char *const missing[] = {"messages.attachments", "threads.tags", NULL};
    const struct avj_serve_config config = {.deployment = {.missing = missing}};
    struct fixture *f = *state;
    request(f, "POST", DOCUMENTS, CREATE("a", "x"));
    request(f, "PATCH", DOCUMENTS "/a", "{\"data\":{\"attachments\":\"[]\"}}");
    expect(f, 200);
    struct avj_serve *first = f->serve;
    f->serve = fixture_server(f, &config);
    request(f, "GET", DOCUMENTS "/a", NULL);
    expect(f, 200);
    assert_string_equal(member(f, "attachments"), "(absent)");
    request(f, "PATCH", DOCUMENTS "/a", "{\"data\":{\"attachments\":\"[]\"}}");
    expect_error(f, 400, "document_invalid_structure",
                 "Invalid document structure: Unknown attribute: \\\"attachments\\\"");
    request(
        f, "POST", "/v1/databases/main/collections/threads/documents",
        "{\"documentId\":\"t\",\"data\":{\"threadId\":\"t\",\"userId\":\"alice\",\"tags\":[]}}");
    expect_error(f, 400, "document_invalid_structure",
                 "Invalid document structure: Unknown attribute: \\\"tags\\\"");
    avj_serve_free(f->serve);
    f->serve = first;
}

static void lists_of_texts_are_checked_and_kept(void **state)
{
    static const struct {
        const char *tags;
        int status;
    } cases[] = {{"[]", 200},    {"[\"a\",\"b\"]", 200}, {"null", 200},
                 {"\"a\"", 400}, {"[1]", 400},           {"{}", 400}};
    struct fixture *f = *state;
    const char *thread = "/v1/databases/main/collections/threads/documents/t";
    request(f, "PUT", thread, "{\"data\":{\"threadId\":\"t\",\"userId\":\"alice\"}}");
    expect(f, 200);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[200];
        (void)snprintf(text, sizeof(text), "{\"data\":{\"tags\":%s}}", cases[i].tags);
        request(f, "PATCH", thread, text);
        expect(f, cases[i].status);
        if (cases[i].status == 200)
            assert_string_equal(member(f, "tags"), cases[i].tags);
    }
    request(f, "PATCH", thread, "{\"data\":{\"tags\":[\"a\",\"b\"]}}");
    request(
        f, "GET",
        "/v1/databases/main/collections/threads/"
        "documents?queries[]={\"method\":\"contains\",\"attribute\":\"tags\",\"values\":[\"b\"]}",
        NULL);
    assert_string_equal(member(f, "total"), "1");
}

static void damaged_entries_are_named(void **state)
{
    static const struct {
        const char *kind, *collection, *id;
        enum avj_status status;
    } cases[] = {
        {"row", "main/messages", "x", AVJ_EFORMAT}, /* no fields */
        {"row", "nonsense", "x", AVJ_EFORMAT},      /* no database */
        {"row", "main/of_a_later_version", "x", AVJ_OK},
        {"later", NULL, "x", AVJ_OK},
        {"row", NULL, "x", AVJ_EFORMAT},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct avj_pack pack = {0};
        struct avj_entry entry;
        struct avj_error err = {0};
        avj_entry_begin(&pack, AVJ_E_SERVER, 1, NULL, AVJ_ENTITIES, NULL,
                        cases[i].collection ? 4 : 3);
        avj_pack_cstr(&pack, "k");
        avj_pack_cstr(&pack, cases[i].kind);
        if (cases[i].collection) {
            avj_pack_cstr(&pack, "c");
            avj_pack_cstr(&pack, cases[i].collection);
        }
        avj_pack_cstr(&pack, "i");
        avj_pack_cstr(&pack, cases[i].id);
        avj_pack_cstr(&pack, "d");
        avj_pack_map(&pack, 0);
        assert_int_equal(avj_entry_decode(pack.data, pack.len, &entry, &err), AVJ_OK);
        assert_int_equal(avj_serve_replay(f->serve, entry.root, &err), cases[i].status);
        if (cases[i].status != AVJ_OK)
            assert_non_null(strstr(err.message, "server entry of row x"));
        avj_entry_release(&entry);
        avj_pack_release(&pack);
    }
}

int main(void)
{
#define RECORDED(test) cmocka_unit_test_setup_teardown(test, setup_recorded, teardown)
    const struct CMUnitTest tests[] = {
        RECORDED(everything_that_was_answered_comes_back_by_replay),
        RECORDED(a_failed_append_changes_nothing),
        RECORDED(a_change_that_no_frame_holds_is_the_clients_to_split),
        RECORDED(a_deployment_without_an_attribute_refuses_it_and_hides_what_was_stored),
        RECORDED(lists_of_texts_are_checked_and_kept),
        RECORDED(damaged_entries_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
