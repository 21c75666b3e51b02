/* Lists of the embedded upstream, as recorded (09, 09c, 18b, 20i). */
#include "test_serve_case.h"

/* The ids on the page, separated by blanks. */
static const char *ids(const struct fixture *f)
{
    static char out[4096];
    size_t len = 0, i;
    json_t *root = json_loads(body(f), 0, NULL), *row;
    out[0] = '\0';
    json_array_foreach(json_object_get(root, "documents"), i, row) len +=
        (size_t)snprintf(out + len, sizeof(out) - len, "%s%s", i ? " " : "",
                         json_string_value(json_object_get(row, "$id")));
    json_decref(root);
    return out;
}

static void list(struct fixture *f, const char *queries)
{
    char target[2048];
    (void)snprintf(target, sizeof(target), DOCUMENTS "?%s", queries);
    request(f, "GET", target, NULL);
}

static void a_page_is_answered_as_recorded_in_09(void **state)
{
    struct fixture *f = *state;
    request(f, "POST", DOCUMENTS, CREATE("l0", "hello"));
    list(f, "queries[0]={\"method\":\"equal\",\"attribute\":\"threadId\",\"values\":[\"t1\"]}&"
            "queries[1]={\"method\":\"limit\",\"values\":[2]}");
    expect_body(f, 200,
                "{\"total\":1,\"documents\":[{\"messageId\":\"l0\",\"threadId\":\"t1\",\"userId\":"
                "\"alice\",\"role\":\"user\",\"content\":\"hello\","
                "\"createdAt\":\"2026-11-22T10:00:00.000+00:00\",\"webSearchResults\":null,"
                "\"attachments\":null,\"$id\":\"l0\",\"$sequence\":1,"
                "\"$createdAt\":\"2026-11-22T18:09:32.548+00:00\",\"$updatedAt\":\"2026-11-22T18:"
                "09:32.548+00:00\",\"$permissions\":["
                "\"read(\\\"user:alice\\\")\",\"update(\\\"user:alice\\\")\",\"delete(\\\"user:"
                "alice\\\")\"],\"$databaseId\":\"main\","
                "\"$collectionId\":\"messages\"}]}");
}

static const struct {
    const char *sentence, *queries, *ids;
} choices[] = {
    {"without an order rows come as they were made", "x=1", "m0 m1 m2 m3 m4"},
    {"the newest first", "queries[]={\"method\":\"orderDesc\",\"attribute\":\"$createdAt\"}",
     "m4 m3 m2 m1 m0"},
    {"by the last change", "queries[]={\"method\":\"orderAsc\",\"attribute\":\"$updatedAt\"}",
     "m0 m2 m3 m4 m1"},
    {"by the last change, backwards",
     "queries[]={\"method\":\"orderDesc\",\"attribute\":\"$updatedAt\"}", "m1 m4 m3 m2 m0"},
    {"by two orders (09c)",
     "queries[]={\"method\":\"orderAsc\",\"attribute\":\"role\"}&queries[]={\"method\":"
     "\"orderDesc\",\"attribute\":\"$id\"}",
     "m4 m3 m2 m1 m0"},
    {"by id, backwards", "queries[]={\"method\":\"orderDesc\",\"attribute\":\"$id\"}",
     "m4 m3 m2 m1 m0"},
    {"a limit and an offset (09c)",
     "queries[]={\"method\":\"limit\",\"values\":[1]}&queries[]={\"method\":\"offset\","
     "\"values\":[4]}",
     "m4"},
    {"an offset with a sort",
     "queries[]={\"method\":\"orderDesc\",\"attribute\":\"content\"}&queries[]={\"method\":"
     "\"limit\",\"values\":[2]}&"
     "queries[]={\"method\":\"offset\",\"values\":[2]}",
     "m2 m0"},
    {"behind a cursor (09)",
     "queries[]={\"method\":\"cursorAfter\",\"values\":[\"m2\"]}&queries[]={\"method\":"
     "\"limit\",\"values\":[2]}",
     "m3 m4"},
    {"behind a cursor, by the last change",
     "queries[]={\"method\":\"orderAsc\",\"attribute\":\"$updatedAt\"}&queries[]={\"method\":"
     "\"cursorAfter\",\"values\":[\"m4\"]}",
     "m1"},
    {"behind a cursor, backwards",
     "queries[]={\"method\":\"orderDesc\",\"attribute\":\"$id\"}&queries[]={\"method\":"
     "\"cursorAfter\",\"values\":[\"m3\"]}",
     "m2 m1 m0"},
    {"before a cursor (09c): the page that ends there",
     "queries[]={\"method\":\"cursorBefore\",\"values\":[\"m4\"]}&queries[]={\"method\":"
     "\"limit\",\"values\":[2]}",
     "m2 m3"},
    {"before a cursor in a sort",
     "queries[]={\"method\":\"orderDesc\",\"attribute\":\"content\"}&queries[]={\"method\":"
     "\"cursorBefore\",\"values\":[\"m0\"]}&"
     "queries[]={\"method\":\"limit\",\"values\":[2]}",
     "m3 m2"},
    {"behind a cursor in a sort",
     "queries[]={\"method\":\"orderAsc\",\"attribute\":\"content\"}&queries[]={\"method\":"
     "\"cursorAfter\",\"values\":[\"m3\"]}",
     "m4"},
    {"equal with several values",
     "queries[]={\"method\":\"equal\",\"attribute\":\"messageId\",\"values\":[\"m1\",\"m3\"]}",
     "m1 m3"},
    {"notEqual",
     "queries[]={\"method\":\"notEqual\",\"attribute\":\"messageId\",\"values\":[\"m1\"]}",
     "m0 m2 m3 m4"},
    {"lessThan on a system field",
     "queries[]={\"method\":\"lessThan\",\"attribute\":\"$sequence\",\"values\":[3]}", "m0 m1"},
    {"lessThanEqual",
     "queries[]={\"method\":\"lessThanEqual\",\"attribute\":\"messageId\",\"values\":[\"m1\"]}",
     "m0 m1"},
    {"greaterThan on $updatedAt (09), to the millisecond",
     "queries[]={\"method\":\"greaterThan\",\"attribute\":\"$updatedAt\",\"values\":[\"2026-11-"
     "22T18:09:32.551+00:00\"]}",
     "m1 m3 m4"},
    {"greaterThanEqual on $updatedAt (09c), in another zone",
     "queries[]={\"method\":\"greaterThanEqual\",\"attribute\":\"$updatedAt\",\"values\":["
     "\"2026-11-22T20:09:32.551+02:00\"]}",
     "m1 m2 m3 m4"},
    {"between",
     "queries[]={\"method\":\"between\",\"attribute\":\"messageId\",\"values\":[\"m1\",\"m3\"]"
     "}",
     "m1 m2 m3"},
    {"isNull (09c)", "queries[]={\"method\":\"isNull\",\"attribute\":\"attachments\"}",
     "m0 m1 m2 m3 m4"},
    {"isNotNull", "queries[]={\"method\":\"isNotNull\",\"attribute\":\"attachments\"}", ""},
    {"startsWith",
     "queries[]={\"method\":\"startsWith\",\"attribute\":\"content\",\"values\":[\"changed\"]}",
     "m1"},
    {"endsWith",
     "queries[]={\"method\":\"endsWith\",\"attribute\":\"content\",\"values\":[\" 3\"]}", "m3"},
    {"contains",
     "queries[]={\"method\":\"contains\",\"attribute\":\"content\",\"values\":[\"xt\"]}",
     "m0 m2 m3 m4"},
    {"or (09c)",
     "queries[]={\"method\":\"or\",\"values\":[{\"method\":\"equal\",\"attribute\":"
     "\"messageId\",\"values\":[\"m0\"]},"
     "{\"method\":\"equal\",\"attribute\":\"messageId\",\"values\":[\"m4\"]}]}",
     "m0 m4"},
    {"and",
     "queries[]={\"method\":\"and\",\"values\":[{\"method\":\"equal\",\"attribute\":"
     "\"threadId\",\"values\":[\"t1\"]},"
     "{\"method\":\"equal\",\"attribute\":\"messageId\",\"values\":[\"m4\"]}]}",
     "m4"},
    {"nothing compares to null",
     "queries[]={\"method\":\"notEqual\",\"attribute\":\"attachments\",\"values\":[\"x\"]}", ""},
};

static void queries_choose_and_order(void **state)
{
    struct fixture *f = *state;
    make_messages(f, 5);
    f->now_ms += 10;
    request(f, "PATCH", DOCUMENTS "/m1", "{\"data\":{\"content\":\"changed\"}}");
    for (size_t i = 0; i < sizeof(choices) / sizeof(choices[0]); i++) {
        list(f, choices[i].queries);
        if (strcmp(ids(f), choices[i].ids) != 0)
            print_error("%s: %s\n", choices[i].sentence, body(f));
        expect(f, 200);
        assert_string_equal(ids(f), choices[i].ids);
    }
}

static void bad_queries_are_refused_with_the_recorded_words(void **state)
{
    static const struct {
        const char *queries, *type, *message;
    } cases[] = {
        {"queries[]={\"method\":\"search\",\"attribute\":\"content\",\"values\":[\"x\"]}",
         "general_query_invalid",
         "Searching by attribute \\\"content\\\" requires a fulltext index."},
        {"queries[]={\"method\":\"updatedAfter\",\"values\":[\"2026-11-22T18:09:32.844+00:00\"]}",
         "general_query_invalid", "Invalid query method: updatedAfter"},
        {"queries[]={\"method\":\"cursorAfter\",\"values\":[\"gone\"]}", "general_cursor_not_found",
         "Document 'gone' for the 'cursor' value not found."},
        {"queries[]={\"method\":\"equal\",\"attribute\":\"nope\",\"values\":[\"x\"]}",
         "general_query_invalid", "Invalid query: Attribute not found in schema: nope"},
        {"queries[]=nonsense", "general_query_invalid", "Invalid query: Syntax error"},
        {"queries[]={\"method\":\"equal\",\"attribute\":\"content\",\"values\":[]}",
         "general_query_invalid", "Invalid query: equal queries require at least one value."},
        {"queries[]={\"method\":\"select\",\"values\":[\"nope\"]}", "general_query_invalid",
         "Invalid query: Attribute not found in schema: nope"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        list(f, cases[i].queries);
        expect_error(f, 400, cases[i].type, cases[i].message);
    }
}

static void a_page_has_25_rows_unless_more_are_asked_for(void **state)
{
    struct fixture *f = *state;
    make_messages(f, 30);
    list(f, "x=1");
    assert_string_equal(member(f, "total"), "30");
    assert_string_equal(member(f, "documents.24.$id"), "m24");
    assert_string_equal(member(f, "documents.25"), "(absent)");
    list(f, "queries[]={\"method\":\"limit\",\"values\":[100000]}");
    assert_string_equal(member(f, "documents.29.$id"), "m29");
    list(f, "queries[]={\"method\":\"limit\",\"values\":[0]}");
    expect_body(f, 200, "{\"total\":30,\"documents\":[]}");
}

static void total_0_skips_the_count_and_total_false_does_not_18b(void **state)
{
    struct fixture *f = *state;
    make_messages(f, 3);
    list(f, "total=false&queries[]={\"method\":\"limit\",\"values\":[1]}");
    assert_string_equal(member(f, "total"), "3");
    list(f, "total=0&queries[]={\"method\":\"limit\",\"values\":[1]}");
    assert_string_equal(member(f, "total"), "0");
    assert_string_equal(ids(f), "m0");
}

static void select_always_has_the_system_fields_09(void **state)
{
    struct fixture *f = *state;
    make_messages(f, 1);
    list(f, "queries[]={\"method\":\"select\",\"values\":[\"messageId\",\"$updatedAt\"]}");
    expect(f, 200);
    assert_string_equal(member(f, "documents.0.messageId"), "m0");
    assert_string_equal(member(f, "documents.0.content"), "(absent)");
    assert_string_equal(member(f, "documents.0.$sequence"), "1");
    assert_string_equal(member(f, "documents.0.$collectionId"), "messages");
}

static void a_cursor_sees_rows_where_they_are_now(void **state)
{
    /* Under $updatedAt a cursor row that changes makes the next page skip rows: the trap that
     * clients must know. */
    struct fixture *f = *state;
    make_messages(f, 4);
    f->now_ms += 10;
    request(f, "PATCH", DOCUMENTS "/m0", "{\"data\":{\"content\":\"changed\"}}");
    list(f, "queries[]={\"method\":\"orderAsc\",\"attribute\":\"$updatedAt\"}&queries[]={"
            "\"method\":\"cursorAfter\",\"values\":[\"m0\"]}");
    assert_string_equal(ids(f), "");
}

/* The order of every kept index is the same whether it was made before or after the writes. */
static void orders_stand_after_many_changes(void **state)
{
    struct fixture *f = *state;
    static const char *const orders[] = {"$sequence", "$id", "$updatedAt"};
    make_messages(f, 60);
    for (unsigned i = 0; i < 3; i++) {
        char query[200];
        (void)snprintf(query, sizeof(query),
                       "queries[]={\"method\":\"orderAsc\",\"attribute\":\"%s\"}", orders[i]);
        list(f, query);
    }
    f->now_ms += 60000; /* a new window */
    for (unsigned i = 0; i < 60; i += 3) {
        char target[200];
        (void)snprintf(target, sizeof(target), DOCUMENTS "/m%u", i);
        f->now_ms += i % 2;
        request(f, "PATCH", target, "{\"data\":{\"content\":\"changed\"}}");
        (void)snprintf(target, sizeof(target), DOCUMENTS "/m%u", i + 1);
        request(f, "DELETE", target, NULL);
        expect(f, 204);
    }
    struct avj_serve *kept = f->serve;
    for (unsigned i = 0; i < 3; i++) {
        char query[300], before[4096];
        (void)snprintf(query, sizeof(query),
                       "queries[]={\"method\":\"orderAsc\",\"attribute\":\"%s\"}&queries[]={"
                       "\"method\":\"limit\",\"values\":[100]}",
                       orders[i]);
        f->serve = kept;
        list(f, query);
        assert_string_equal(member(f, "total"), "40");
        (void)snprintf(before, sizeof(before), "%s", ids(f));
        f->serve = fixture_server(f, &recorded);
        list(f, query);
        assert_string_equal(ids(f), before);
        avj_serve_free(f->serve);
    }
    f->serve = kept;
}

int main(void)
{
#define RECORDED(test) cmocka_unit_test_setup_teardown(test, setup_recorded, teardown)
    const struct CMUnitTest tests[] = {
        RECORDED(a_page_is_answered_as_recorded_in_09),
        RECORDED(queries_choose_and_order),
        RECORDED(bad_queries_are_refused_with_the_recorded_words),
        RECORDED(a_page_has_25_rows_unless_more_are_asked_for),
        RECORDED(total_0_skips_the_count_and_total_false_does_not_18b),
        RECORDED(select_always_has_the_system_fields_09),
        RECORDED(a_cursor_sees_rows_where_they_are_now),
        RECORDED(orders_stand_after_many_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
