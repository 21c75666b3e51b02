/* Transactions of the embedded upstream, with their traps, as recorded (17, 20e, 20f, 20g, 20j, 21,
 * 22, 23 and their 30s). */
#include "test_serve_case.h"

#define TX "/v1/databases/transactions"
#define OPERATION(action, id, data)                                                                \
    "{\"databaseId\":\"main\",\"collectionId\":\"messages\",\"documentId\":\"" id                  \
    "\",\"action\":\"" action "\",\"data\":" data "}"
#define DELETION(id)                                                                               \
    "{\"databaseId\":\"main\",\"collectionId\":\"messages\",\"documentId\":\"" id                  \
    "\",\"action\":\"delete\"}"
#define OPERATIONS(list) "{\"operations\":[" list "]}"
#define CONFLICT         "The transaction has a conflict. Please resolve the conflict and try again."
#define WITH_ID(id, content)                                                                       \
    "{\"$id\":\"" id "\",\"messageId\":\"" id                                                      \
    "\",\"threadId\":\"t1\",\"userId\":\"alice\",\"content\":\"" content "\",\"role\":\"user\"}"

struct tx {
    char id[40], path[120], operations[140];
};

static struct tx begin(struct fixture *f)
{
    struct tx tx;
    request(f, "POST", TX, "{}");
    expect(f, 201);
    copy_member(f, "$id", tx.id, sizeof(tx.id));
    (void)snprintf(tx.path, sizeof(tx.path), TX "/%s", tx.id);
    (void)snprintf(tx.operations, sizeof(tx.operations), TX "/%s/operations", tx.id);
    return tx;
}

static void stage(struct fixture *f, const struct tx *tx, const char *operations)
{
    request(f, "POST", tx->operations, operations);
    expect(f, 201);
}

static void commit(struct fixture *f, const struct tx *tx)
{
    request(f, "PATCH", tx->path, "{\"commit\":true}");
}

static void a_transaction_is_answered_as_recorded_in_17(void **state)
{
    struct fixture *f = *state;
    struct tx tx = begin(f);
    char text[400];
    (void)snprintf(
        text, sizeof(text),
        "{\"$id\":\"%s\",\"$createdAt\":\"2026-11-22T18:09:32.548+00:00\",\"$updatedAt\":\"2026-11-"
        "22T18:09:32.548+00:00\","
        "\"status\":\"pending\",\"operations\":0,\"expiresAt\":\"2026-11-22T18:14:32.548+00:00\"}",
        tx.id);
    expect_body(f, 201, text);
    f->now_ms += 10;
    stage(f, &tx, OPERATIONS(OPERATION("create", "a", MESSAGE_DATA("a", "hello"))));
    assert_string_equal(member(f, "operations"), "1");
    assert_string_equal(member(f, "$updatedAt"), START); /* of before, as recorded */
    f->now_ms += 10;
    commit(f, &tx);
    expect(f, 200);
    assert_string_equal(member(f, "status"), "committed");
    assert_string_equal(member(f, "operations"), "1");
    assert_string_equal(member(f, "$updatedAt"), "2026-11-22T18:09:32.568+00:00");
}

static void everything_is_seen_inside_and_nothing_outside_until_the_commit_20e(void **state)
{
    struct fixture *f = *state;
    char target[200];
    request(f, "POST", DOCUMENTS, CREATE("s0", "hello"));
    struct tx tx = begin(f);
    stage(f, &tx,
          OPERATIONS(OPERATION("create", "s1", MESSAGE_DATA("s1", "hello")) "," OPERATION(
              "update", "s0",
              "{\"content\":\"by tx\"}") "," OPERATION("update", "s1",
                                                       "{\"content\":\"created then updated\"}")));
    (void)snprintf(target, sizeof(target), DOCUMENTS "/s1?transactionId=%s", tx.id);
    request(f, "GET", target, NULL);
    expect_body(f, 200,
                "{\"messageId\":\"s1\",\"threadId\":\"t1\",\"userId\":\"alice\",\"content\":"
                "\"created then updated\",\"role\":\"user\","
                "\"createdAt\":\"2026-11-22T10:00:00.000Z\",\"$id\":\"s1\",\"$databaseId\":"
                "\"main\",\"$collectionId\":\"messages\",\"$sequence\":0}");
    request(f, "GET", DOCUMENTS "/s1", NULL);
    expect(f, 404);
    unsigned appends = f->appends;
    commit(f, &tx);
    expect(f, 200);
    assert_int_equal(f->appends, appends + 1); /* one frame for all of it */
    request(f, "GET", DOCUMENTS "/s0", NULL);
    assert_string_equal(member(f, "content"), "by tx");
    assert_string_equal(member(f, "$permissions.0"), "read(\"user:alice\")");
    request(f, "GET", DOCUMENTS "/s1", NULL);
    assert_string_equal(member(f, "content"), "created then updated");
    assert_string_equal(member(f, "$permissions"),
                        "[]"); /* no default permissions for what is staged */
}

static void rows_are_staged_by_their_own_routes_too_20e(void **state)
{
    struct fixture *f = *state;
    struct tx tx = begin(f);
    char text[600], target[200];
    (void)snprintf(
        text, sizeof(text),
        "{\"documentId\":\"s3\",\"data\":" MESSAGE_DATA("s3", "hello") ",\"transactionId\":\"%s\"}",
        tx.id);
    request(f, "POST", DOCUMENTS, text);
    expect_body(f, 201,
                "{\"$id\":\"s3\",\"$collectionId\":\"messages\",\"$databaseId\":\"main\","
                "\"messageId\":\"s3\",\"threadId\":\"t1\",\"userId\":\"alice\","
                "\"content\":\"hello\",\"role\":\"user\",\"createdAt\":\"2026-11-22T10:00:00."
                "000Z\",\"$permissions\":[\"read(\\\"user:alice\\\")\","
                "\"update(\\\"user:alice\\\")\",\"delete(\\\"user:alice\\\")\"],\"$sequence\":0}");
    (void)snprintf(text, sizeof(text), "{\"data\":{\"content\":\"p\"},\"transactionId\":\"%s\"}",
                   tx.id);
    request(f, "PATCH", DOCUMENTS "/s3", text);
    expect(f, 200);
    assert_string_equal(member(f, "content"), "p");
    (void)snprintf(text, sizeof(text),
                   "{\"data\":" MESSAGE_DATA("s4", "hello") ",\"transactionId\":\"%s\"}", tx.id);
    request(f, "PUT", DOCUMENTS "/s4", text);
    expect(f, 201);
    (void)snprintf(text, sizeof(text), "{\"transactionId\":\"%s\"}", tx.id);
    request(f, "DELETE", DOCUMENTS "/s4", text);
    expect(f, 204);
    (void)snprintf(target, sizeof(target), DOCUMENTS "/s4?transactionId=%s", tx.id);
    request(f, "DELETE", target, NULL);
    expect_error(f, 404, "document_not_found", NOT_FOUND);
    request(f, "GET", tx.path, NULL);
    assert_string_equal(member(f, "operations"), "4");
    commit(f, &tx);
    expect(f, 200);
    request(f, "GET", DOCUMENTS "/s3", NULL);
    assert_string_equal(member(f, "content"), "p");
    assert_string_equal(member(f, "$permissions.2"), "delete(\"user:alice\")");
    request(f, "GET", DOCUMENTS "/s4", NULL);
    expect(f, 404);
}

static void a_transaction_belongs_to_its_user_20e_20j(void **state)
{
    struct fixture *f = *state;
    struct tx tx = begin(f);
    f->token = f->bob;
    request(f, "GET", tx.path, NULL);
    expect_error(f, 404, "transaction_not_found",
                 "Transaction with the requested ID could not be found.");
    request(f, "POST", tx.operations, OPERATIONS(DELETION("a")));
    expect(f, 404);
    request(f, "GET", TX, NULL);
    expect_body(f, 200, "{\"total\":0,\"transactions\":[]}");
    f->token = NULL;
    tx = begin(f); /* a guest may begin one, and never finds it again */
    commit(f, &tx);
    expect_error(f, 404, "transaction_not_found",
                 "Transaction with the requested ID could not be found.");
}

static void a_transaction_ends_once_20e_22(void **state)
{
    struct fixture *f = *state;
    struct tx tx = begin(f);
    commit(f, &tx);
    expect(f, 200);
    commit(f, &tx);
    expect_error(f, 400, "transaction_not_ready",
                 "The transaction is not ready yet. Please try again later.");
    request(f, "POST", tx.operations, OPERATIONS(OPERATION("create", "a", MESSAGE_DATA("a", "x"))));
    expect_error(f, 400, "general_bad_request", "Invalid or non\xe2\x80\x91pending transaction");
    request(f, "GET", tx.path, NULL);
    assert_string_equal(member(f, "status"), "committed");
}

static void a_rolled_back_transaction_has_failed_20f(void **state)
{
    struct fixture *f = *state;
    struct tx tx = begin(f);
    stage(f, &tx, OPERATIONS(OPERATION("create", "a", MESSAGE_DATA("a", "x"))));
    request(f, "PATCH", tx.path, "{}");
    expect_error(f, 400, "general_bad_request", "Either commit or rollback must be true");
    request(f, "PATCH", tx.path, "{\"commit\":true,\"rollback\":true}");
    expect_error(f, 400, "general_bad_request", "Cannot commit and rollback at the same time");
    request(f, "PATCH", tx.path, "{\"rollback\":true}");
    expect(f, 200);
    assert_string_equal(member(f, "status"), "failed");
    assert_string_equal(member(f, "operations"), "1");
    request(f, "GET", DOCUMENTS "/a", NULL);
    expect(f, 404);
    request(f, "DELETE", tx.path, NULL);
    expect_body(f, 204, "");
    request(f, "GET", tx.path, NULL);
    expect(f, 404);
}

static void a_row_that_changed_after_staging_is_a_conflict_20g_21(void **state)
{
    static const char *const staged[] = {
        OPERATIONS(OPERATION("update", "a", "{\"content\":\"tx\"}")),
        OPERATIONS(OPERATION("upsert", "a", WITH_ID("a", "tx"))), OPERATIONS(DELETION("a")),
        OPERATIONS(OPERATION("create", "new", MESSAGE_DATA("new", "x")) "," OPERATION(
            "create", "a", MESSAGE_DATA("a", "dup")))};
    struct fixture *f = *state;
    request(f, "POST", DOCUMENTS, CREATE("a", "hello"));
    for (size_t i = 0; i < sizeof(staged) / sizeof(staged[0]); i++) {
        struct tx tx = begin(f);
        char text[100];
        stage(f, &tx, staged[i]);
        (void)snprintf(text, sizeof(text), "{\"data\":{\"content\":\"outside %zu\"}}", i);
        request(f, "PATCH", DOCUMENTS "/a", text); /* in the same millisecond */
        expect(f, 200);
        unsigned appends = f->appends;
        commit(f, &tx);
        expect_error(f, 409, "transaction_conflict", CONFLICT);
        assert_int_equal(f->appends, appends);
        assert_int_equal(f->response.event_count, 0);
        request(f, "GET", tx.path, NULL);
        assert_string_equal(member(f, "status"), "failed");
    }
    request(f, "GET", DOCUMENTS "/new", NULL);
    expect(f, 404);
}

static void of_two_transactions_on_one_row_the_second_conflicts_21(void **state)
{
    struct fixture *f = *state;
    request(f, "POST", DOCUMENTS, CREATE("a", "hello"));
    struct tx first = begin(f), second = begin(f);
    stage(f, &first, OPERATIONS(OPERATION("update", "a", "{\"content\":\"tx0\"}")));
    stage(f, &second, OPERATIONS(OPERATION("update", "a", "{\"content\":\"tx1\"}")));
    commit(f, &first);
    expect(f, 200);
    commit(f, &second);
    expect_error(f, 409, "transaction_conflict", CONFLICT);
    request(f, "GET", DOCUMENTS "/a", NULL);
    assert_string_equal(member(f, "content"), "tx0");
}

static void a_missing_row_is_404_when_staging_and_when_committing_21(void **state)
{
    static const char *const staged[] = {
        OPERATIONS(DELETION("a")), OPERATIONS(OPERATION("update", "a", "{\"content\":\"tx\"}"))};
    struct fixture *f = *state;
    for (size_t i = 0; i < 2; i++) {
        struct tx tx = begin(f);
        request(f, "POST", tx.operations, staged[i]);
        expect_error(f, 404, "document_not_found", NOT_FOUND);
        request(f, "GET", tx.path, NULL);
        assert_string_equal(member(f, "operations"), "0");
        request(f, "POST", DOCUMENTS, CREATE("a", "hello"));
        stage(f, &tx, staged[i]);
        request(f, "DELETE", DOCUMENTS "/a", NULL);
        commit(f, &tx);
        expect_error(f, 404, "document_not_found", NOT_FOUND);
    }
}

static void an_upsert_without_an_id_in_its_data_goes_to_a_new_row_21(void **state)
{
    struct fixture *f = *state;
    request(f, "POST", DOCUMENTS, CREATE("c", "hello"));
    struct tx tx = begin(f);
    stage(f, &tx, OPERATIONS(OPERATION("upsert", "c", MESSAGE_DATA("c", "upserted in tx"))));
    commit(f, &tx);
    expect(f, 200);
    request(f, "GET", DOCUMENTS "/c", NULL);
    assert_string_equal(member(f, "content"), "hello");
    request(f, "GET",
            DOCUMENTS
            "?queries[]={\"method\":\"equal\",\"attribute\":\"messageId\",\"values\":[\"c\"]}",
            NULL);
    assert_string_equal(member(f, "total"), "2");
    assert_string_equal(member(f, "documents.1.content"), "upserted in tx");
    assert_string_equal(member(f, "documents.1.$permissions"), "[]");
}

static void an_upsert_with_its_id_keeps_the_permissions_of_the_row_21(void **state)
{
    struct fixture *f = *state;
    request(f, "POST", DOCUMENTS, CREATE("d", "hello"));
    struct tx tx = begin(f);
    stage(f, &tx,
          OPERATIONS(OPERATION("upsert", "d", WITH_ID("d", "upserted")) "," OPERATION(
              "upsert", "e", WITH_ID("e", "new"))));
    commit(f, &tx);
    expect(f, 200);
    request(f, "GET", DOCUMENTS "/d", NULL);
    assert_string_equal(member(f, "content"), "upserted");
    assert_string_equal(member(f, "$permissions.0"), "read(\"user:alice\")");
    request(f, "GET", DOCUMENTS "/e", NULL);
    assert_string_equal(member(f, "$permissions"), "[]");
}

static void bad_structure_is_found_when_committing(void **state)
{
    struct fixture *f = *state;
    struct tx tx = begin(f);
    stage(f, &tx,
          OPERATIONS(OPERATION("create", "a", MESSAGE_DATA("a", "x")) "," OPERATION(
              "create", "b",
              "{\"messageId\":\"b\",\"threadId\":\"t1\",\"userId\":\"alice\",\"content\":\"\","
              "\"role\":\"user\",\"nope\":1}")));
    commit(f, &tx);
    expect_error(f, 400, "document_invalid_structure",
                 "Invalid document structure: Unknown attribute: \\\"nope\\\"");
    request(f, "GET", DOCUMENTS "/a", NULL);
    expect(f, 404);
}

static void an_expired_transaction_answers_500_23(void **state)
{
    struct fixture *f = *state;
    request(f, "POST", TX, "{\"ttl\":60}");
    struct tx tx = begin(f);
    stage(f, &tx, OPERATIONS(OPERATION("create", "a", MESSAGE_DATA("a", "x"))));
    f->now_ms += 300000;
    request(f, "GET", tx.path, NULL);
    assert_string_equal(member(f, "status"), "pending");
    request(f, "POST", tx.operations, OPERATIONS(OPERATION("create", "b", MESSAGE_DATA("b", "x"))));
    expect_error(f, 500, "transaction_expired", "Server Error");
    commit(f, &tx);
    expect_error(f, 500, "transaction_expired", "Server Error");
    request(f, "GET", DOCUMENTS "/a", NULL);
    expect(f, 404);
}

static void a_ttl_lies_between_a_minute_and_an_hour(void **state)
{
    static const struct {
        const char *body;
        int status;
    } cases[] = {{"{\"ttl\":59}", 400},
                 {"{\"ttl\":60}", 201},
                 {"{\"ttl\":3600}", 201},
                 {"{\"ttl\":3601}", 400},
                 {"{\"ttl\":\"x\"}", 400}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        request(*state, "POST", TX, cases[i].body);
        expect(*state, cases[i].status);
    }
}

/* `count` creates as the body of a staging call; the caller frees it. */
static char *many_creates(unsigned count)
{
    json_t *body_json = json_pack("{s:[]}", "operations");
    for (unsigned i = 0; i < count; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "r%u", i);
        json_t *operation = json_pack("{s:s,s:s,s:s,s:s,s:{s:s,s:s,s:s,s:s,s:s}}", "databaseId",
                                      "main", "collectionId", "messages", "documentId", id,
                                      "action", "create", "data", "messageId", id, "threadId", "t",
                                      "userId", "a", "content", "", "role", "user");
        assert_int_equal(json_array_append_new(json_object_get(body_json, "operations"), operation),
                         0);
    }
    char *text = json_dumps(body_json, JSON_COMPACT);
    json_decref(body_json);
    assert_non_null(text);
    return text;
}

static void a_transaction_holds_100_operations(void **state)
{
    struct fixture *f = *state;
    struct tx tx = begin(f);
    char *full = many_creates(100), *more = many_creates(1);
    stage(f, &tx, full);
    request(f, "POST", tx.operations, more);
    expect(f, 400);
    assert_string_equal(member(f, "type"), "transaction_limit_exceeded");
    free(full);
    free(more);
    commit(f, &tx);
    expect(f, 200);
    assert_int_equal(f->response.event_count, 100);
}

static void permission_is_needed_for_every_operation(void **state)
{
    struct fixture *f = *state;
    request(f, "POST", DOCUMENTS, CREATE("a", "hello"));
    f->token = f->bob;
    struct tx tx = begin(f);
    request(f, "POST", tx.operations,
            OPERATIONS(OPERATION("update", "a", "{\"content\":\"bob's\"}")));
    expect(f, 401);
    request(
        f, "POST", tx.operations,
        OPERATIONS(OPERATION("create", "b", "{\"$permissions\":[\"read(\\\"user:alice\\\")\"]}")));
    expect(f, 401);
    request(f, "GET", tx.path, NULL);
    assert_string_equal(member(f, "operations"), "0");
}

static void what_cannot_be_journaled_stays_pending(void **state)
{
    struct fixture *f = *state;
    struct tx tx = begin(f);
    stage(f, &tx, OPERATIONS(OPERATION("create", "a", MESSAGE_DATA("a", "x"))));
    f->append_status = AVJ_ENOSPC;
    commit(f, &tx);
    expect_error(f, 500, "general_unknown", "Server Error");
    assert_int_equal(f->response.event_count, 0);
    f->append_status = AVJ_OK;
    request(f, "GET", DOCUMENTS "/a", NULL);
    expect(f, 404);
    commit(f, &tx);
    expect(f, 200);
}

static void the_tables_spelling_has_its_own_words_30e(void **state)
{
    struct fixture *f = *state;
    char target[120];
    request(f, "POST", "/v1/tablesdb/transactions", "{}");
    expect(f, 201);
    (void)snprintf(target, sizeof(target), "/v1/tablesdb/transactions/%s/operations",
                   member(f, "$id"));
    request(f, "POST", target,
            "{\"operations\":[{\"databaseId\":\"main\",\"tableId\":\"messages\",\"rowId\":\"gone\","
            "\"action\":\"delete\"}]}");
    expect_error(f, 404, "row_not_found", "Row with the requested ID could not be found.");
    request(f, "POST", target,
            "{\"operations\":[{\"databaseId\":\"main\",\"tableId\":\"messages\",\"rowId\":\"r\","
            "\"action\":\"create\",\"data\":" MESSAGE_DATA("r", "x") "}]}");
    expect(f, 201);
}

int main(void)
{
#define RECORDED(test) cmocka_unit_test_setup_teardown(test, setup_recorded, teardown)
#define BY_ROW(test)   cmocka_unit_test_setup_teardown(test, setup_by_row, teardown)
    const struct CMUnitTest tests[] = {
        RECORDED(a_transaction_is_answered_as_recorded_in_17),
        RECORDED(everything_is_seen_inside_and_nothing_outside_until_the_commit_20e),
        RECORDED(rows_are_staged_by_their_own_routes_too_20e),
        RECORDED(a_transaction_belongs_to_its_user_20e_20j),
        RECORDED(a_transaction_ends_once_20e_22),
        RECORDED(a_rolled_back_transaction_has_failed_20f),
        RECORDED(a_row_that_changed_after_staging_is_a_conflict_20g_21),
        RECORDED(of_two_transactions_on_one_row_the_second_conflicts_21),
        RECORDED(a_missing_row_is_404_when_staging_and_when_committing_21),
        RECORDED(an_upsert_without_an_id_in_its_data_goes_to_a_new_row_21),
        RECORDED(an_upsert_with_its_id_keeps_the_permissions_of_the_row_21),
        RECORDED(bad_structure_is_found_when_committing),
        RECORDED(an_expired_transaction_answers_500_23),
        RECORDED(a_ttl_lies_between_a_minute_and_an_hour),
        RECORDED(a_transaction_holds_100_operations),
        BY_ROW(permission_is_needed_for_every_operation),
        RECORDED(what_cannot_be_journaled_stays_pending),
        RECORDED(the_tables_spelling_has_its_own_words_30e),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
