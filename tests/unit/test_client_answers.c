/* What an answer means: texts as Appwrite 1.8.1 sends them. */
#include "tests/support/cases.h"

#include "net/client_appwrite.h"

#define ERROR(code, type, message)                                                                 \
    "{\"message\":\"" message "\",\"code\":" #code ",\"type\":\"" type "\",\"version\":\"1.8.1\"}"

struct verdict_case {
    const char *name;
    int status;
    const char *body;
    enum avj_aw_verdict verdict;
};

static const struct verdict_case verdicts[] = {
    {"a row", 200, "{\"$id\":\"a\"}", AVJ_AW_OK},
    {"a delete", 204, "", AVJ_AW_OK},
    {"no answer at all", 0, NULL, AVJ_AW_RETRY},
    {"a captive portal's 200", 200, "<html>", AVJ_AW_RETRY},
    {"a database that is slow", 408, ERROR(408, "database_timeout", "x"), AVJ_AW_RETRY},
    {"a server error", 500, ERROR(500, "general_unknown", "Server Error"), AVJ_AW_RETRY},
    {"a proxy without its server", 502, "Bad Gateway", AVJ_AW_RETRY},
    {"a proxy's own code", 522, "", AVJ_AW_RETRY},
    {"too many requests", 429, ERROR(429, "general_rate_limit_exceeded", "x"), AVJ_AW_RATE},
    {"a guest", 401, ERROR(401, "general_unauthorized_scope", "x"), AVJ_AW_AUTH},
    {"no permission", 401, ERROR(401, "user_unauthorized", "x"), AVJ_AW_AUTH},
    {"a blocked user", 403, ERROR(403, "user_blocked", "x"), AVJ_AW_AUTH},
    {"a row that is not there", 404, ERROR(404, "document_not_found", "x"), AVJ_AW_NOT_FOUND},
    {"the same of the tables API", 404, ERROR(404, "row_not_found", "x"), AVJ_AW_NOT_FOUND},
    {"no collection", 404, ERROR(404, "collection_not_found", "x"), AVJ_AW_NO_COLLECTION},
    {"no database", 404, ERROR(404, "database_not_found", "Database not found"),
     AVJ_AW_NO_COLLECTION},
    {"no project", 404, ERROR(404, "project_not_found", "x"), AVJ_AW_NO_COLLECTION},
    {"no such route", 404, ERROR(404, "general_route_not_found", "x"), AVJ_AW_REJECT},
    {"another kind of server", 404, "<html>", AVJ_AW_NOT_APPWRITE},
    {"a redirect, which is not followed", 301, "", AVJ_AW_NOT_APPWRITE},
    {"a create that is there", 409, ERROR(409, "document_already_exists", "x"), AVJ_AW_EXISTS},
    {"a newer row", 409, ERROR(409, "document_update_conflict", "x"), AVJ_AW_CONFLICT},
    {"a transaction's conflict", 409, ERROR(409, "transaction_conflict", "x"), AVJ_AW_CONFLICT},
    {"a locked resource", 423, ERROR(423, "general_resource_locked", "x"), AVJ_AW_RETRY},
    {"a unique index", 409, ERROR(409, "document_unique_constraint_violation", "x"), AVJ_AW_REJECT},
    {"an expired transaction, by the book", 410, ERROR(410, "transaction_expired", "x"),
     AVJ_AW_TX_GONE},
    {"an expired transaction, as seen", 500, ERROR(500, "transaction_expired", "Server Error"),
     AVJ_AW_TX_GONE},
    {"a commit after the commit", 400, ERROR(400, "transaction_not_ready", "x"), AVJ_AW_TX_GONE},
    {"a stage after the commit", 400,
     ERROR(400, "general_bad_request", "Invalid or non\u2011pending transaction"), AVJ_AW_TX_GONE},
    {"a transaction that was cleared away", 404, ERROR(404, "transaction_not_found", "x"),
     AVJ_AW_TX_GONE},
    {"a cursor whose row is gone", 400, ERROR(400, "general_cursor_not_found", "x"), AVJ_AW_CURSOR},
    {"data of the wrong structure", 400, ERROR(400, "document_invalid_structure", "x"),
     AVJ_AW_STRUCTURE},
    {"a body over 12 MiB", 413, "", AVJ_AW_TOO_LARGE},
    {"any other argument", 400, ERROR(400, "general_argument_invalid", "x"), AVJ_AW_REJECT},
};

static void every_answer_has_its_verdict(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++) {
        const struct verdict_case *c = &verdicts[i];
        struct avj_http_answer answer = {.status = c->status,
                                         .body = c->body ? strdup(c->body) : NULL,
                                         .body_len = c->body ? strlen(c->body) : 0};
        struct avj_aw_result result;
        avj_aw_decode(&answer, &result);
        if (result.verdict != c->verdict)
            fail_msg("%s: verdict %d, not %d", c->name, (int)result.verdict, (int)c->verdict);
        assert_true(c->status < 400 || result.message[0]);
        avj_aw_result_release(&result);
        avj_http_answer_release(&answer);
    }
}

static struct avj_http_answer with_headers(const char *headers)
{
    return (struct avj_http_answer){.status = 200, .headers = strdup(headers)};
}

static void the_clock_and_the_window_are_read_from_headers_in_any_case(void **state)
{
    (void)state;
    struct avj_aw_result result;
    struct avj_http_answer answer = with_headers("HTTP/1.1 429 Too Many Requests\r\n"
                                                 "X-Ratelimit-Limit: 60\r\n"
                                                 "x-ratelimit-remaining:  0 \r\n"
                                                 "X-RATELIMIT-RESET: 1795369860\r\n"
                                                 "Date: Sun, 22 Nov 2026 17:50:02 GMT\r\n\r\n");
    avj_aw_decode(&answer, &result);
    assert_int_equal(result.rate_remaining, 0);
    assert_int_equal(result.rate_reset_ms, 1795369860000);
    assert_int_equal(result.date_ms, 1795369802000);
    avj_aw_result_release(&result);
    avj_http_answer_release(&answer);
}

struct secret_case {
    const char *name, *headers, *secret;
};

static const struct secret_case secrets[] = {
    {"a cookie",
     "Set-Cookie: a_session_p_legacy=old; path=/; httponly\r\n"
     "Set-Cookie: a_session_p=new; expires=Mon, 22-Nov-2027 18:09:32 GMT; httponly\r\n",
     "new"},
    {"a percent-encoded cookie", "Set-Cookie: a_session_p=ab%3D%3d; path=/\r\n", "ab=="},
    {"the fallback header", "X-Fallback-Cookies: {\"a_session_p\":\"from=header\"}\r\n",
     "from=header"},
    {"both: the header is not encoded",
     "Set-Cookie: a_session_p=ab%3D\r\nX-Fallback-Cookies: {\"a_session_p\":\"ab=\"}\r\n", "ab="},
    {"another project's cookie", "Set-Cookie: a_session_q=new; path=/\r\n", NULL},
    {"a project whose name only begins alike", "Set-Cookie: a_session_pq=new\r\n", NULL},
    {"a logout's fallback header", "X-Fallback-Cookies: []\r\n", NULL},
    {"a secret that would break a header", "Set-Cookie: a_session_p=a%0D%0AX: y\r\n", NULL},
    {"an empty cookie", "Set-Cookie: a_session_p=; path=/\r\n", NULL},
    {"nothing", "Date: Sun, 22 Nov 2026 17:50:02 GMT\r\n", NULL},
};

static void the_session_secret_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        struct avj_http_answer answer = with_headers(secrets[i].headers);
        char *secret = avj_aw_secret("p", &answer);
        const char *wanted = secrets[i].secret;
        if (wanted ? !secret || strcmp(secret, wanted) != 0 : secret != NULL)
            fail_msg("%s: got %s", secrets[i].name, secret ? secret : "nothing");
        free(secret);
        avj_http_answer_release(&answer);
    }
}

struct attribute_case {
    const char *message, *name;
    bool unknown, wants_array, element;
};

static const struct attribute_case attributes[] = {
    {"Invalid document structure: Unknown attribute: \"nope\"", "nope", true, false, false},
    {"Invalid document structure: Attribute \"content\" has invalid type. Value must be a valid "
     "string and no longer than 1000000 chars",
     "content", false, false, false},
    {"Invalid document structure: Attribute \"tags\" must be an array", "tags", false, true, false},
    {"Invalid document structure: Attribute \"tags['0']\" has invalid type. Value must be a valid "
     "string and no longer than 10 chars",
     "tags", false, false, true},
    {"Invalid document structure: Missing required attribute \"threadId\"", "threadId", false,
     false, false},
    {"Document with the requested ID could not be found.", NULL, false, false, false},
    {"Unknown attribute: \"never ends", NULL, false, false, false},
};

static void a_refusal_names_its_attribute(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
        const struct attribute_case *c = &attributes[i];
        struct avj_aw_attribute got;
        bool found = avj_aw_parse_attribute(c->message, &got);
        assert_int_equal(found, c->name != NULL);
        if (!found)
            continue;
        assert_string_equal(got.name, c->name);
        assert_int_equal(got.unknown, c->unknown);
        assert_int_equal(got.wants_array, c->wants_array);
        assert_int_equal(got.element, c->element);
    }
}

static void versions_compare(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        int version;
    } cases[] = {
        {"{\"version\":\"1.8.1\"}", 1008},  {"{\"version\":\"1.6.2\"}", 1006},
        {"{\"version\":\"1.10.0\"}", 1010}, {"{\"version\":\"2.0.0-RC1\"}", 2000},
        {"{\"version\":\"new\"}", 0},       {"{}", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *json = json_loads(cases[i].json, 0, NULL);
        assert_int_equal(avj_aw_parse_version(json), cases[i].version);
        json_decref(json);
    }
}

/* ---- requests ---- */

static const struct avj_appwrite aw = {.endpoint = "https://h/v1",
                                       .project = "p",
                                       .database = "d b",
                                       .collections = {"threads", "messages", "s", "projects"},
                                       .user = "me",
                                       .secret = "shh",
                                       .version = 1008};

static void a_list_asks_for_our_rows_and_spares_the_count(void **state)
{
    (void)state;
    struct avj_http_request request;
    struct avj_aw_list list = {.limit = 500, .after = "row.1"};
    assert_int_equal(avj_aw_list(&aw, AVJ_MESSAGE, &list, &request), AVJ_OK);
    assert_string_equal(
        request.url,
        "https://h/v1/databases/d%20b/collections/messages/documents"
        "?queries%5B0%5D=%7B%22method%22%3A%22equal%22%2C%22attribute%22%3A%22userId%22%2C"
        "%22values%22%3A%5B%22me%22%5D%7D"
        "&queries%5B1%5D=%7B%22method%22%3A%22limit%22%2C%22values%22%3A%5B500%5D%7D"
        "&queries%5B2%5D=%7B%22method%22%3A%22cursorAfter%22%2C%22values%22%3A%5B%22row.1%22%5D%7D"
        "&total=0");
    assert_string_equal(request.headers, "X-Appwrite-Project: p\nX-Appwrite-Session: shh\n");
    assert_null(request.body);
    avj_http_request_release(&request);
}

static void a_hundred_of_the_longest_ids_fit_one_query(void **state)
{
    (void)state;
    struct avj_http_request request;
    const char *ids[AVJ_AW_IDS_PER_QUERY];
    size_t decoded = 0;
    for (size_t i = 0; i < AVJ_AW_IDS_PER_QUERY; i++)
        ids[i] = "0123456789abcdef0123456789abcdef0123";
    struct avj_aw_list list = {.ids = ids, .id_count = AVJ_AW_IDS_PER_QUERY};
    assert_int_equal(avj_aw_list(&aw, AVJ_MESSAGE, &list, &request), AVJ_OK);
    const char *at = strchr(request.url, '=') + 1;
    for (; *at && *at != '&'; at += *at == '%' ? 3 : 1)
        decoded++;
    assert_in_range(decoded, 3000, AVJ_AW_QUERY_CHARS);
    avj_http_request_release(&request);
}

static void a_staged_create_carries_its_permissions(void **state)
{
    (void)state;
    json_t *data = json_pack("{s:s}", "content", "x");
    json_t *op = avj_aw_operation(&aw, AVJ_PUSH_CREATE, AVJ_MESSAGE, "r1", data);
    char *text = json_dumps(op, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text,
                        "{\"action\":\"create\",\"collectionId\":\"messages\",\"data\":{"
                        "\"$permissions\":[\"read(\\\"user:me\\\")\",\"update(\\\"user:me\\\")"
                        "\",\"delete(\\\"user:me\\\")\"],\"content\":\"x\"},\"databaseId\":"
                        "\"d b\",\"documentId\":\"r1\"}");
    assert_null(json_object_get(data, "$permissions"));
    free(text);
    json_decref(op);
    op = avj_aw_operation(&aw, AVJ_PUSH_DELETE, AVJ_MESSAGE, "r1", NULL);
    assert_null(json_object_get(op, "data"));
    json_decref(op);
    json_decref(data);
}

static void a_single_write_is_a_compare_and_set(void **state)
{
    (void)state;
    struct avj_http_request request;
    json_t *data = json_pack("{s:n}", "model");
    assert_int_equal(
        avj_aw_update(&aw, AVJ_THREAD, "a.b", data, "2026-11-22T18:05:05.984+00:00", &request),
        AVJ_OK);
    assert_string_equal(request.method, "PATCH");
    assert_contains(request.url, "/collections/threads/documents/a.b");
    assert_contains(request.headers, "X-Appwrite-Timestamp: 2026-11-22T18:05:05.984+00:00\n");
    assert_string_equal(request.body, "{\"data\":{\"model\":null}}");
    avj_http_request_release(&request);
    json_decref(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_answer_has_its_verdict),
        cmocka_unit_test(the_clock_and_the_window_are_read_from_headers_in_any_case),
        cmocka_unit_test(the_session_secret_is_found),
        cmocka_unit_test(a_refusal_names_its_attribute),
        cmocka_unit_test(versions_compare),
        cmocka_unit_test(a_list_asks_for_our_rows_and_spares_the_count),
        cmocka_unit_test(a_hundred_of_the_longest_ids_fit_one_query),
        cmocka_unit_test(a_staged_create_carries_its_permissions),
        cmocka_unit_test(a_single_write_is_a_compare_and_set),
    };
    return cmocka_run_group_tests_name("answers", tests, NULL, NULL);
}
