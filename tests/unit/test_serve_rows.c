/* Single rows of the embedded upstream, as recorded (03 to 10, 12, 15, 16, 20i, 24, 51). */
#include "test_serve_case.h"

#define PERMS(user)                                                                                \
    "[\"read(\\\"user:" user "\\\")\",\"update(\\\"user:" user "\\\")\",\"delete(\\\"user:" user   \
    "\\\")\"]"
#define CREATED_ANSWER                                                                             \
    "{\"messageId\":\"mmws5isfw\",\"threadId\":\"t1\",\"userId\":\"alice\",\"content\":\"hello\"," \
    "\"role\":\"user\","                                                                           \
    "\"createdAt\":\"2026-11-22T10:00:00.000+00:00\",\"$id\":\"mmws5isfw\",\"$"                    \
    "permissions\":" PERMS(                                                                        \
        "alice") ",\"$createdAt\":\"2026-11-22T18:09:32.548+00:00\",\"$updatedAt\":\"2026-11-"     \
                 "22T18:09:32.548+00:00\",\"$sequence\":1,"                                        \
                 "\"webSearchResults\":null,\"attachments\":null,\"$databaseId\":\"main\",\""

static void a_created_document_is_answered_as_recorded_in_03(void **state)
{
    struct fixture *f = *state;
    request(f, "POST", DOCUMENTS, CREATE("mmws5isfw", "hello"));
    expect_body(f, 201, CREATED_ANSWER "$collectionId\":\"messages\"}");
    assert_true(has_header(f, "X-Ratelimit-Limit: 120\r\nX-Ratelimit-Remaining: "
                              "119\r\nX-Ratelimit-Reset: 1795371000\r\n"));
}

static void a_created_row_is_answered_as_recorded_in_30i(void **state)
{
    struct fixture *f = *state;
    request(f, "POST", ROWS,
            "{\"rowId\":\"mmws5isfw\",\"data\":" MESSAGE_DATA("mmws5isfw", "hello") "}");
    expect_body(f, 201, CREATED_ANSWER "$tableId\":\"messages\"}");
}

static void explicit_permissions_are_kept_and_foreign_ones_refused_03b(void **state)
{
    struct fixture *f = *state;
    request(f, "POST", DOCUMENTS,
            "{\"documentId\":\"p\",\"data\":" MESSAGE_DATA(
                "p", "hello") ",\"permissions\":[\"read(\\\"user:alice\\\")\",\"update(\\\"user:"
                              "alice\\\")\"]}");
    expect(f, 201);
    assert_string_equal(member(f, "$permissions"),
                        "[\"read(\\\"user:alice\\\")\",\"update(\\\"user:alice\\\")\"]");
    request(f, "POST", DOCUMENTS,
            "{\"documentId\":\"q\",\"data\":" MESSAGE_DATA(
                "q", "hello") ",\"permissions\":[\"read(\\\"user:bob\\\")\"]}");
    expect_error(f, 401, "user_unauthorized",
                 "Permissions must be one of: (any, users, user:alice, user:alice/unverified, "
                 "users/unverified)");
}

static void an_id_can_be_taken_once_04(void **state)
{
    struct fixture *f = *state;
    request(f, "POST", DOCUMENTS, CREATE("a", "hello"));
    request(f, "POST", DOCUMENTS, CREATE("a", "hello"));
    expect_error(f, 409, "document_already_exists",
                 "Document with the requested ID already exists. Try again with a different ID or "
                 "use ID.unique() to generate a unique ID.");
    request(f, "POST", ROWS, "{\"rowId\":\"a\",\"data\":" MESSAGE_DATA("a", "hello") "}");
    expect_error(f, 409, "row_already_exists",
                 "Row with the requested ID already exists. Try again with a different ID or use "
                 "ID.unique() to generate a unique ID.");
}

static void a_document_is_read_in_the_order_of_the_attributes_05(void **state)
{
    struct fixture *f = *state;
    request(f, "POST", DOCUMENTS, CREATE("a", "hello"));
    request(f, "GET", DOCUMENTS "/a", NULL);
    expect_body(f, 200,
                "{\"messageId\":\"a\",\"threadId\":\"t1\",\"userId\":\"alice\",\"role\":\"user\","
                "\"content\":\"hello\","
                "\"createdAt\":\"2026-11-22T10:00:00.000+00:00\",\"webSearchResults\":null,"
                "\"attachments\":null,\"$sequence\":1,\"$id\":\"a\","
                "\"$createdAt\":\"2026-11-22T18:09:32.548+00:00\",\"$updatedAt\":\"2026-11-22T18:"
                "09:32.548+00:00\",\"$permissions\":" PERMS(
                    "alice") ",\"$databaseId\":\"main\",\"$collectionId\":\"messages\"}");
    request(f, "GET", DOCUMENTS "/nope", NULL);
    expect_error(f, 404, "document_not_found", NOT_FOUND);
    request(f, "GET", ROWS "/nope", NULL);
    expect_error(f, 404, "row_not_found", "Row with the requested ID could not be found.");
    request(f, "GET",
            DOCUMENTS
            "/a?queries[0]={\"method\":\"select\",\"values\":[\"content\",\"$updatedAt\"]}",
            NULL);
    assert_string_equal(member(f, "content"), "hello");
    assert_string_equal(member(f, "role"), "(absent)");
    assert_string_equal(member(f, "$sequence"), "1");
}

static void a_patch_merges_and_raises_the_version_06(void **state)
{
    struct fixture *f = *state;
    request(f, "POST", DOCUMENTS, CREATE("a", "hello"));
    request(f, "PATCH", DOCUMENTS "/a", "{\"data\":{\"content\":\"patched\"}}");
    expect(f, 200);
    assert_string_equal(member(f, "content"), "patched");
    assert_string_equal(member(f, "role"), "user");
    /* In the same millisecond: the version rises all the same. */
    assert_string_equal(member(f, "$updatedAt"), "2026-11-22T18:09:32.549+00:00");
    assert_string_equal(member(f, "$createdAt"), START);
    request(f, "PATCH", DOCUMENTS "/nope", "{\"data\":{\"content\":\"x\"}}");
    expect_error(f, 404, "document_not_found", NOT_FOUND);
    request(f, "PATCH", DOCUMENTS "/a", "{\"data\":{}}");
    expect_error(f, 400, "document_missing_payload",
                 "The document data and permissions are missing. You must provide either document "
                 "data or permissions to be updated.");
}

static void a_patch_that_changes_nothing_keeps_the_version_and_is_told_06_40(void **state)
{
    struct fixture *f = *state;
    request(f, "POST", DOCUMENTS, CREATE("a", "hello"));
    unsigned appends = f->appends;
    f->now_ms += 1000;
    request(f, "PATCH", DOCUMENTS "/a", "{\"data\":{\"content\":\"hello\"}}");
    expect(f, 200);
    assert_string_equal(member(f, "$updatedAt"), START);
    assert_int_equal(f->response.event_count, 1);
    assert_int_equal(f->appends, appends);
}

static void a_put_answers_in_its_own_order_07(void **state)
{
    struct fixture *f = *state;
    request(f, "PUT", DOCUMENTS "/u", "{\"data\":" MESSAGE_DATA("u", "inserted by upsert") "}");
    expect_body(
        f, 200,
        "{\"messageId\":\"u\",\"threadId\":\"t1\",\"userId\":\"alice\",\"content\":\"inserted by "
        "upsert\",\"role\":\"user\","
        "\"createdAt\":\"2026-11-22T10:00:00.000+00:00\",\"$id\":\"u\",\"$permissions\":" PERMS(
            "alice") ",\"$updatedAt\":\"2026-11-22T18:09:32.548+00:00\",\"$createdAt\":\"2026-11-"
                     "22T18:09:32.548+00:00\","
                     "\"webSearchResults\":null,\"attachments\":null,\"$sequence\":1,\"$"
                     "databaseId\":\"main\",\"$collectionId\":\"messages\"}");
    request(f, "PUT", DOCUMENTS "/u", "{\"data\":" MESSAGE_DATA("u", "inserted by upsert") "}");
    expect(f, 200); /* identical: a new version all the same */
    assert_string_equal(member(f, "$updatedAt"), "2026-11-22T18:09:32.549+00:00");
    request(f, "PUT", DOCUMENTS "/u", "{\"data\":{\"content\":\"partial only\"}}");
    expect_error(f, 400, "document_invalid_structure",
                 "Invalid document structure: Missing required attribute \\\"messageId\\\"");
}

static void a_put_refills_optional_attributes_that_it_does_not_name(void **state)
{
    struct fixture *f = *state;
    request(f, "POST", DOCUMENTS, CREATE("a", "hello"));
    request(f, "PATCH", DOCUMENTS "/a", "{\"data\":{\"attachments\":\"[1]\"}}");
    request(f, "PUT", DOCUMENTS "/a", "{\"data\":" MESSAGE_DATA("a", "put") "}");
    expect(f, 200);
    assert_string_equal(member(f, "attachments"), "[1]");
}

static void a_deleted_document_is_gone_08(void **state)
{
    struct fixture *f = *state;
    request(f, "POST", DOCUMENTS, CREATE("a", "hello"));
    request(f, "DELETE", DOCUMENTS "/a", NULL);
    expect_body(f, 204, "");
    assert_string_equal(f->response.type, "text/html");
    assert_true(has_header(f, "X-Ratelimit-Limit: 60\r\nX-Ratelimit-Remaining: 59\r\n"));
    request(f, "DELETE", DOCUMENTS "/a", NULL);
    expect_error(f, 404, "document_not_found", NOT_FOUND);
    request(f, "POST", DOCUMENTS, CREATE("a", "again"));
    assert_string_equal(member(f, "$sequence"), "2");
}

static void bad_data_is_refused_with_the_recorded_words_10(void **state)
{
    static const struct {
        const char *body;
        int status;
        const char *type, *message;
    } cases[] = {
        {"{\"documentId\":\"x\",\"data\":{\"messageId\":\"x\",\"threadId\":\"t1\",\"userId\":"
         "\"alice\",\"content\":\"hello\",\"role\":\"user\",\"nope\":1}}",
         400, "document_invalid_structure",
         "Invalid document structure: Unknown attribute: \\\"nope\\\""},
        {"{\"documentId\":\"x\",\"data\":{\"messageId\":\"x\",\"threadId\":\"t1\",\"userId\":"
         "\"alice\",\"content\":5,\"role\":\"user\"}}",
         400, "document_invalid_structure",
         "Invalid document structure: Attribute \\\"content\\\" has invalid type. Value must be a "
         "valid string and no longer than 1000000 chars"},
        {"{\"documentId\":\"x\",\"data\":{\"messageId\":\"x\"}}", 400, "document_invalid_structure",
         "Invalid document structure: Missing required attribute \\\"threadId\\\""},
        {"{\"documentId\":\"x\",\"data\":{\"messageId\":\"x\",\"threadId\":\"t1\",\"userId\":"
         "\"alice\",\"content\":\"\",\"role\":\"rrrrrrrrrrrrrrrrrrrrr\"}}",
         400, "document_invalid_structure",
         "Invalid document structure: Attribute \\\"role\\\" has invalid type. Value must be a "
         "valid string and no longer than 20 chars"},
        {"{\"documentId\":\"x\",\"data\":{\"messageId\":\"x\",\"threadId\":null,\"userId\":"
         "\"alice\",\"content\":\"\",\"role\":\"user\"}}",
         400, "document_invalid_structure",
         "Invalid document structure: Missing required attribute \\\"threadId\\\""},
        {"{\"documentId\":\"bad id!\",\"data\":{\"messageId\":\"b\"}}", 400,
         "general_argument_invalid",
         "Invalid `documentId` param: Parameter must contain at most 36 chars. Valid chars are "
         "a-z, A-Z, 0-9, period, hyphen, and underscore. "
         "Can't start with a special char"},
        {"{\"documentId\":\"\",\"data\":{\"messageId\":\"b\"}}", 400, "general_argument_invalid",
         "Invalid `documentId` param: Parameter must contain at most 36 chars. Valid chars are "
         "a-z, A-Z, 0-9, period, hyphen, and underscore. "
         "Can't start with a special char"},
        {"{\"documentId\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\",\"data\":{\"messageId\":\"b\"}"
         "}",
         400, "general_argument_invalid",
         "Invalid `documentId` param: Parameter must contain at most 36 chars. Valid chars are "
         "a-z, A-Z, 0-9, period, hyphen, and underscore. "
         "Can't start with a special char"},
        {"{\"data\":{\"messageId\":\"b\"}}", 400, "document_missing_data",
         "Document ID is required when creating a single document."},
        {"{\"documentId\":\"x\"}", 400, "document_missing_data",
         "The document data is missing. Try again with document data populated"},
        {"{not json", 400, "document_missing_data",
         "The document data is missing. Try again with document data populated"},
        {"{\"documentId\":\"x\",\"data\":{\"a\":1},\"documents\":[{\"$id\":\"y\"}]}", 400,
         "general_bad_request",
         "You can only send one of the following parameters: data, documents"},
        {"{\"documents\":[{\"$id\":\"y\"}]}", 401, "general_unauthorized_scope",
         "The current user or API key does not have the required scopes to access the requested "
         "resource."},
        {"{\"documents\":[]}", 400, "document_missing_data",
         "The document data is missing. Try again with document data populated"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        request(f, "POST", DOCUMENTS, cases[i].body);
        expect_error(f, cases[i].status, cases[i].type, cases[i].message);
        assert_int_equal(f->response.event_count, 0);
    }
}

static void datetimes_are_normalised_10(void **state)
{
    static const struct {
        const char *given, *kept;
    } cases[] = {{"\"yesterday\"", "2026-11-21T00:00:00.000+00:00"},
                 {"\"2026-11-22T10:00:00Z\"", "2026-11-22T10:00:00.000+00:00"},
                 {"\"2026-11-22T12:00:00.5+02:00\"", "2026-11-22T10:00:00.500+00:00"},
                 {"null", "null"}};
    struct fixture *f = *state;
    request(f, "POST", DOCUMENTS, CREATE("a", "hello"));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[200];
        (void)snprintf(text, sizeof(text), "{\"data\":{\"createdAt\":%s}}", cases[i].given);
        request(f, "PATCH", DOCUMENTS "/a", text);
        expect(f, 200);
        assert_string_equal(member(f, "createdAt"), cases[i].kept);
    }
}

static void what_is_not_there_is_named_10_20i(void **state)
{
    struct fixture *f = *state;
    request(f, "POST", "/v1/databases/main/collections/nope/documents", CREATE("a", "hello"));
    expect_error(f, 404, "collection_not_found",
                 "Collection with the requested ID could not be found.");
    request(f, "GET", "/v1/tablesdb/main/tables/nope/rows", NULL);
    expect_error(f, 404, "table_not_found", "Table with the requested ID could not be found.");
}

static void a_session_cannot_set_the_system_times_15(void **state)
{
    struct fixture *f = *state;
    request(f, "POST", DOCUMENTS,
            "{\"documentId\":\"a\",\"data\":{\"messageId\":\"ts\",\"threadId\":\"t1\",\"userId\":"
            "\"alice\",\"content\":\"hello\",\"role\":\"user\","
            "\"$createdAt\":\"2020-01-01T00:00:00.000+00:00\",\"$updatedAt\":\"2020-01-02T00:00:00."
            "000+00:00\"}}");
    expect(f, 201);
    assert_string_equal(member(f, "$createdAt"), START);
    request(f, "PATCH", DOCUMENTS "/a", "{\"data\":{\"$id\":\"other\",\"content\":\"later2\"}}");
    assert_string_equal(member(f, "$id"), "a");
}

static void a_thread_has_its_three_datetimes_16(void **state)
{
    struct fixture *f = *state;
    request(f, "POST", "/v1/databases/main/collections/threads/documents",
            "{\"documentId\":\"t\",\"data\":{\"threadId\":\"t\",\"userId\":\"alice\",\"title\":"
            "\"Thread\",\"isPinned\":false,"
            "\"createdAt\":\"2026-11-22T18:09:35.124Z\",\"lastMessageAt\":null}}");
    expect(f, 201);
    assert_string_equal(member(f, "createdAt"), "2026-11-22T18:09:35.124+00:00");
    assert_string_equal(member(f, "lastMessageAt"), "null");
    assert_string_equal(member(f, "updatedAt"), "null");
    assert_string_equal(member(f, "isPinned"), "false");
}

static void the_timestamp_header_is_a_compare_and_set_24(void **state)
{
    struct fixture *f = *state;
    const char *stale = "2026-11-22T18:09:32.547+00:00";
    request(f, "POST", DOCUMENTS, CREATE("a", "hello"));
    f->extra.timestamp = stale;
    request(f, "PATCH", DOCUMENTS "/a", "{\"data\":{\"content\":\"stale\"}}");
    expect_error(f, 409, "document_update_conflict", "Remote document is newer than local.");
    f->extra.timestamp = stale;
    request(f, "PATCH", ROWS "/a", "{\"data\":{\"content\":\"stale\"}}");
    expect_error(f, 409, "row_update_conflict", "Remote row is newer than local.");
    f->extra.timestamp = stale;
    request(f, "DELETE", DOCUMENTS "/a", NULL);
    expect_error(f, 409, "document_update_conflict", "Remote document is newer than local.");
    f->extra.timestamp = stale;
    request(f, "PUT", DOCUMENTS "/a", "{\"data\":" MESSAGE_DATA("a", "put ignores it") "}");
    expect(f, 200);
    f->extra.timestamp = "2026-11-22T18:09:32.549+00:00"; /* exactly $updatedAt */
    request(f, "PATCH", DOCUMENTS "/a", "{\"data\":{\"content\":\"equal stamp\"}}");
    expect(f, 200);
    f->extra.timestamp = "yesterday-ish";
    request(f, "PATCH", DOCUMENTS "/a", "{\"data\":{\"content\":\"x\"}}");
    expect_error(f, 400, "general_argument_invalid", "Invalid X-Appwrite-Timestamp header value");
}

static void guests_are_told_so_where_only_users_may_12(void **state)
{
    static const struct {
        const char *method, *target, *body;
        int status;
    } cases[] = {
        {"POST", DOCUMENTS, CREATE("g", "hello"), 401},
        {"GET", DOCUMENTS, NULL, 401},
        {"PATCH", DOCUMENTS "/a", "{\"data\":{\"content\":\"x\"}}", 401},
        {"DELETE", DOCUMENTS "/a", NULL, 401},
        {"PUT", DOCUMENTS "/g", "{\"data\":" MESSAGE_DATA("g", "hello") "}", 401},
    };
    struct fixture *f = *state;
    request(f, "POST", DOCUMENTS, CREATE("a", "hello"));
    f->token = NULL;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        request(f, cases[i].method, cases[i].target, cases[i].body);
        expect_error(f, cases[i].status, "user_unauthorized",
                     "The current user is not authorized to perform the requested action.");
    }
    request(f, "GET", DOCUMENTS "/a", NULL);
    expect_error(f, 404, "document_not_found", NOT_FOUND);
}

static void what_others_may_with_a_row_of_ones_own_51(void **state)
{
    struct fixture *f = *state;
    request(f, "POST", DOCUMENTS, CREATE("a", "1"));
    request(f, "PATCH", DOCUMENTS "/a",
            "{\"data\":{\"content\":\"2\"},\"permissions\":[\"read(\\\"user:bob\\\")\"]}");
    expect(f, 401);
    f->token = f->bob;
    request(f, "GET", DOCUMENTS "/a", NULL);
    expect_error(f, 404, "document_not_found", NOT_FOUND);
    request(f, "PATCH", DOCUMENTS "/a", "{\"data\":{\"content\":\"x\"}}");
    expect(f, 401);
    request(f, "DELETE", DOCUMENTS "/a", NULL);
    expect(f, 401);
    request(f, "GET", DOCUMENTS, NULL);
    expect_body(f, 200, "{\"total\":0,\"documents\":[]}");
    request(f, "POST", DOCUMENTS, CREATE("a", "dup"));
    expect(f, 409);
    request(f, "PUT", DOCUMENTS "/a", "{\"data\":" MESSAGE_DATA("a", "bob upserts") "}");
    expect(f, 401);
    f->token = f->alice;
    request(f, "DELETE", DOCUMENTS "/a", NULL);
    expect(f, 204);
}

static void a_row_that_anyone_may_read_is_read_by_guests(void **state)
{
    struct fixture *f = *state;
    request(f, "POST", DOCUMENTS,
            "{\"documentId\":\"a\",\"data\":" MESSAGE_DATA(
                "a", "1") ",\"permissions\":[\"read(\\\"any\\\")\"]}");
    request(f, "POST", DOCUMENTS, CREATE("b", "2"));
    f->token = NULL;
    request(f, "GET", DOCUMENTS "/a", NULL);
    expect(f, 200);
    request(f, "GET", DOCUMENTS, NULL);
    assert_string_equal(member(f, "total"), "1");
    assert_string_equal(member(f, "documents.0.$id"), "a");
}

static void bulk_routes_are_refused_to_sessions_20b_20c_20d(void **state)
{
    static const char *const methods[] = {"PUT", "PATCH", "DELETE"};
    struct fixture *f = *state;
    for (size_t i = 0; i < 3; i++) {
        request(f, methods[i], DOCUMENTS, "{\"documents\":[{\"$id\":\"a\"}]}");
        expect_error(f, 404, "database_not_found", "Database not found");
        request(f, methods[i], ROWS, "{\"rows\":[{\"$id\":\"a\"}]}");
        expect_error(f, 404, "database_not_found", "Database not found");
    }
}

static void databases_do_not_share_rows(void **state)
{
    struct fixture *f = *state;
    request(f, "POST", DOCUMENTS, CREATE("a", "1"));
    request(f, "GET", "/v1/databases/other/collections/messages/documents/a", NULL);
    expect(f, 404);
    request(f, "GET", ROWS "/a", NULL);
    expect(f, 200);
}

static void unique_ids_are_made_where_they_are_asked_for_17(void **state)
{
    struct fixture *f = *state;
    request(f, "POST", DOCUMENTS, CREATE("unique()", "1"));
    expect(f, 201);
    assert_int_equal(strlen(member(f, "$id")), 20);
    assert_memory_equal(member(f, "$id"), "6b032fdc", 8); /* the seconds, in hex */
}

int main(void)
{
#define RECORDED(test) cmocka_unit_test_setup_teardown(test, setup_recorded, teardown)
#define BY_ROW(test)   cmocka_unit_test_setup_teardown(test, setup_by_row, teardown)
    const struct CMUnitTest tests[] = {
        RECORDED(a_created_document_is_answered_as_recorded_in_03),
        RECORDED(a_created_row_is_answered_as_recorded_in_30i),
        RECORDED(explicit_permissions_are_kept_and_foreign_ones_refused_03b),
        RECORDED(an_id_can_be_taken_once_04),
        RECORDED(a_document_is_read_in_the_order_of_the_attributes_05),
        RECORDED(a_patch_merges_and_raises_the_version_06),
        RECORDED(a_patch_that_changes_nothing_keeps_the_version_and_is_told_06_40),
        RECORDED(a_put_answers_in_its_own_order_07),
        RECORDED(a_put_refills_optional_attributes_that_it_does_not_name),
        RECORDED(a_deleted_document_is_gone_08),
        RECORDED(bad_data_is_refused_with_the_recorded_words_10),
        RECORDED(datetimes_are_normalised_10),
        RECORDED(what_is_not_there_is_named_10_20i),
        RECORDED(a_session_cannot_set_the_system_times_15),
        RECORDED(a_thread_has_its_three_datetimes_16),
        RECORDED(the_timestamp_header_is_a_compare_and_set_24),
        RECORDED(guests_are_told_so_where_only_users_may_12),
        BY_ROW(what_others_may_with_a_row_of_ones_own_51),
        BY_ROW(a_row_that_anyone_may_read_is_read_by_guests),
        BY_ROW(bulk_routes_are_refused_to_sessions_20b_20c_20d),
        BY_ROW(databases_do_not_share_rows),
        BY_ROW(unique_ids_are_made_where_they_are_asked_for_17),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
