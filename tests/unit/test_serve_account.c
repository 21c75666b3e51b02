/* Accounts, sessions, projects and rate limits of the embedded upstream, as recorded (01, 02, 13,
 * 14, 14b, 17, 19, 48). */
#include "test_serve_case.h"

#define LOGIN(password) "{\"email\":\"alice@localhost.test\",\"password\":\"" password "\"}"
#define GUEST           "User (role: guests) missing scopes ([\\\"account\\\"])"

static void a_session_is_answered_as_recorded_in_01(void **state)
{
    struct fixture *f = *state;
    f->token = NULL;
    request(f, "POST", "/v1/account/sessions/email", LOGIN("password-1"));
    expect(f, 201);
    /* Every member but the random id, in the recorded order. */
    const char *rest = strstr(body(f), ",\"$createdAt\"");
    assert_non_null(rest);
    assert_string_equal(rest, ",\"$createdAt\":\"2026-11-22T18:09:32.548+00:00\",\"$updatedAt\":"
                              "\"2026-11-22T18:09:32.548+00:00\",\"userId\":\"alice\","
                              "\"expire\":\"2027-11-22T18:09:32.548+00:00\",\"provider\":\"email\","
                              "\"providerUid\":\"alice@localhost.test\","
                              "\"providerAccessToken\":\"\",\"providerAccessTokenExpiry\":\"\","
                              "\"providerRefreshToken\":\"\",\"ip\":\"127.0.0.1\",\"osCode\":\"\","
                              "\"osName\":\"\",\"osVersion\":\"\",\"clientType\":\"\","
                              "\"clientCode\":\"\",\"clientName\":\"\",\"clientVersion\":\"\","
                              "\"clientEngine\":\"\",\"clientEngineVersion\":\"\",\"deviceName\":"
                              "\"\",\"deviceBrand\":\"\",\"deviceModel\":\"\","
                              "\"countryCode\":\"--\",\"countryName\":\"Unknown\",\"current\":true,"
                              "\"factors\":[\"password\"],\"secret\":\"\",\"mfaUpdatedAt\":\"\"}");
    assert_true(has_header(
        f,
        "X-Ratelimit-Limit: 10\r\nX-Ratelimit-Remaining: 8\r\nX-Ratelimit-Reset: 1795374000\r\n"));
    assert_true(has_header(f, "Set-Cookie: a_session_testproject_legacy="));
    assert_true(has_header(f, "; expires=Mon, 22-Nov-2027 18:09:32 GMT; Max-Age=31536000; path=/; "
                              "httponly; samesite=None\r\n"));
}

static void a_wrong_password_and_an_unknown_email_look_the_same_01(void **state)
{
    struct fixture *f = *state;
    f->token = NULL;
    request(f, "POST", "/v1/account/sessions/email", LOGIN("password-2"));
    expect_error(f, 401, "user_invalid_credentials",
                 "Invalid credentials. Please check the email and password.");
    request(f, "POST", "/v1/account/sessions/email",
            "{\"email\":\"carol@localhost.test\",\"password\":\"password-1\"}");
    expect_error(f, 401, "user_invalid_credentials",
                 "Invalid credentials. Please check the email and password.");
}

static void no_password_and_no_secret_is_in_the_journal(void **state)
{
    struct fixture *f = *state;
    const char *secret = strchr(f->alice, '.') + 1;
    for (size_t i = 0; i < f->entry_count; i++) {
        assert_null(memmem(f->entries[i].data, f->entries[i].len, secret, strlen(secret)));
        assert_null(memmem(f->entries[i].data, f->entries[i].len, "password-1", 10));
    }
}

static void a_session_is_taken_in_each_of_its_three_places_02(void **state)
{
    struct fixture *f = *state;
    char text[400];
    f->token = NULL;
    (void)snprintf(text, sizeof(text), "other=1; a_session_testproject=%s; last=2", f->alice);
    f->extra.cookie = text;
    request(f, "GET", "/v1/account", NULL);
    expect(f, 200);
    assert_string_equal(member(f, "$id"), "alice");
    (void)snprintf(text, sizeof(text), "{\"a_session_testproject\":\"%s\"}", f->alice);
    f->extra.fallback_cookies = text;
    request(f, "GET", "/v1/account", NULL);
    expect(f, 200);
    f->extra.session = f->alice;
    request(f, "GET", "/v1/account", NULL);
    expect(f, 200);
    (void)snprintf(text, sizeof(text), "a_session_elsewhere=%s", f->alice);
    f->extra.cookie = text;
    request(f, "GET", "/v1/account", NULL);
    expect_error(f, 401, "general_unauthorized_scope", GUEST);
}

static void an_account_is_answered_as_recorded_in_02(void **state)
{
    struct fixture *f = *state;
    request(f, "GET", "/v1/account", NULL);
    const char *targets = strstr(body(f), ",\"targets\":");
    assert_non_null(targets);
    char head[800];
    (void)snprintf(head, sizeof(head), "%.*s", (int)(targets - body(f)), body(f));
    assert_string_equal(head,
                        "{\"$id\":\"alice\",\"$createdAt\":\"" START "\",\"$updatedAt\":\"" START
                        "\",\"name\":\"alice\",\"registration\":\"" START
                        "\",\"status\":true,\"labels\":[],\"passwordUpdate\":\"" START
                        "\",\"email\":\"alice@localhost.test\",\"phone\":\"\","
                        "\"emailVerification\":false,\"phoneVerification\":false,"
                        "\"mfa\":false,\"prefs\":{}");
    assert_string_equal(member(f, "targets.0.identifier"), "alice@localhost.test");
    assert_string_equal(member(f, "accessedAt"), START);
}

static void a_session_that_is_no_more_makes_a_guest_13_48(void **state)
{
    struct fixture *f = *state;
    request(f, "DELETE", "/v1/account/sessions/current", NULL);
    expect_body(f, 204, "");
    assert_true(has_header(f, "X-Fallback-Cookies: []\r\n"));
    assert_true(has_header(f, "Set-Cookie: a_session_testproject=deleted; expires=Thu, 01-Jan-1970 "
                              "00:00:01 GMT; Max-Age=0; path=/; httponly; "
                              "samesite=None\r\n"));
    assert_true(has_header(f, "X-Ratelimit-Limit: 100\r\nX-Ratelimit-Remaining: 99\r\n"));
    request(f, "GET", "/v1/account", NULL);
    expect_error(f, 401, "general_unauthorized_scope", GUEST);
    f->token = "garbage";
    request(f, "GET", "/v1/account", NULL);
    expect_error(f, 401, "general_unauthorized_scope", GUEST);
    f->token = f->bob;
    f->now_ms += INT64_C(31536000) * 1000 - 1;
    request(f, "GET", "/v1/account", NULL);
    expect(f, 200);
    f->now_ms += 1;
    request(f, "GET", "/v1/account", NULL);
    expect_error(f, 401, "general_unauthorized_scope", GUEST);
}

static void a_token_with_another_secret_is_nobodys(void **state)
{
    struct fixture *f = *state;
    char token[160];
    (void)snprintf(token, sizeof(token), "%s", f->alice);
    token[strlen(token) - 1] = token[strlen(token) - 1] == '0' ? '1' : '0';
    f->token = token;
    request(f, "GET", "/v1/account", NULL);
    expect(f, 401);
    /* Also by a server that has not seen the right one yet. */
    struct avj_serve *first = f->serve;
    f->serve = fixture_server(f, &recorded);
    request(f, "GET", "/v1/account", NULL);
    expect(f, 401);
    f->token = f->alice;
    request(f, "GET", "/v1/account", NULL);
    expect(f, 200);
    avj_serve_free(f->serve);
    f->serve = first;
}

static void sessions_are_listed_and_ended_one_by_one_19(void **state)
{
    struct fixture *f = *state;
    char id[64], target[128];
    f->token = NULL;
    f->now_ms++;
    request(f, "POST", "/v1/account/sessions/email", LOGIN("password-1"));
    copy_member(f, "$id", id, sizeof(id));
    f->token = f->alice;
    request(f, "GET", "/v1/account/sessions", NULL);
    assert_string_equal(member(f, "total"), "2");
    assert_string_equal(member(f, "sessions.0.current"), "true");
    assert_string_equal(member(f, "sessions.1.$id"), id);
    assert_string_equal(member(f, "sessions.1.current"), "false");
    (void)snprintf(target, sizeof(target), "/v1/account/sessions/%s", id);
    f->token = f->bob;
    request(f, "DELETE", target, NULL);
    expect(f, 404);
    f->token = f->alice;
    request(f, "DELETE", target, NULL);
    expect(f, 204);
    assert_false(has_header(f, "X-Fallback-Cookies"));
    request(f, "GET", "/v1/account/sessions/current", NULL);
    expect(f, 200);
    request(f, "DELETE", "/v1/account/sessions", NULL);
    expect(f, 204);
    request(f, "GET", "/v1/account", NULL);
    expect(f, 401);
}

static void a_jwt_stands_for_its_user_for_15_minutes_19(void **state)
{
    struct fixture *f = *state;
    char jwt[400];
    request(f, "POST", "/v1/account/jwts", "{}");
    expect(f, 201);
    copy_member(f, "jwt", jwt, sizeof(jwt));
    f->token = NULL;
    f->extra.jwt = jwt;
    request(f, "GET", "/v1/account", NULL);
    assert_string_equal(member(f, "$id"), "alice");
    f->extra.jwt = jwt;
    f->extra.session = f->alice;
    request(f, "GET", "/v1/account", NULL);
    assert_string_equal(member(f, "type"), "user_jwt_and_cookie_set");
    f->extra.jwt = "garbage";
    request(f, "GET", "/v1/account", NULL);
    expect_error(f, 401, "user_jwt_invalid",
                 "Failed to verify JWT. Invalid token: Incomplete segments");
    f->now_ms += 900000;
    f->extra.jwt = jwt;
    request(f, "GET", "/v1/account", NULL);
    expect(f, 401);
}

static void an_anonymous_account_has_a_session_and_no_email(void **state)
{
    struct fixture *f = *state;
    f->token = NULL;
    request(f, "POST", "/v1/account/sessions/anonymous", "{}");
    expect(f, 201);
    assert_string_equal(member(f, "provider"), "anonymous");
    f->token = f->alice;
    request(f, "POST", "/v1/account/sessions/anonymous", "{}");
    assert_string_equal(member(f, "type"), "user_session_already_exists");
}

static void accounts_want_an_id_an_email_and_a_password(void **state)
{
    static const struct {
        const char *body;
        int status;
        const char *type;
    } cases[] = {
        {"{\"email\":\"c@localhost.test\",\"password\":\"password-1\"}", 400,
         "general_argument_invalid"},
        {"{\"userId\":\"c\",\"password\":\"password-1\"}", 400, "general_argument_invalid"},
        {"{\"userId\":\"c\",\"email\":\"c\",\"password\":\"password-1\"}", 400,
         "general_argument_invalid"},
        {"{\"userId\":\"c\",\"email\":\"c@localhost.test\",\"password\":\"short\"}", 400,
         "general_argument_invalid"},
        {"{\"userId\":\"-c\",\"email\":\"c@localhost.test\",\"password\":\"password-1\"}", 400,
         "general_argument_invalid"},
        {"{\"userId\":\"c\",\"email\":\"ALICE@localhost.test\",\"password\":\"password-1\"}", 409,
         "user_already_exists"},
        {"{\"userId\":\"alice\",\"email\":\"c@localhost.test\",\"password\":\"password-1\"}", 409,
         "user_already_exists"},
        {"{\"userId\":\"unique()\",\"email\":\"c@localhost.test\",\"password\":\"password-1\"}",
         201, "(absent)"},
    };
    struct fixture *f = *state;
    f->token = NULL;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        request(f, "POST", "/v1/account", cases[i].body);
        expect(f, cases[i].status);
        assert_string_equal(member(f, "type"), cases[i].type);
    }
}

static void projects_keys_routes_and_origins_are_refused_as_recorded_14(void **state)
{
    struct fixture *f = *state;
    f->extra.project = "";
    request(f, "GET", DOCUMENTS, NULL);
    expect_error(f, 401, "general_access_forbidden",
                 "No Appwrite project was specified. Please specify your project ID when "
                 "initializing your Appwrite SDK.");
    f->extra.key = "some-key";
    request(f, "GET", DOCUMENTS, NULL);
    assert_string_equal(member(f, "type"), "user_key_and_session_set");
    request(f, "GET", "/v1/nope", NULL);
    expect_error(f, 404, "general_route_not_found",
                 "Route not found. Please ensure the endpoint is configured correctly and that the "
                 "API route is valid for this SDK version. "
                 "Refer to the API docs for more details.");
    f->extra.origin = "http://evil.example";
    request(f, "POST", DOCUMENTS, CREATE("a", "x"));
    expect_error(f, 403, "general_unknown_origin",
                 "Invalid Origin. Register your new client (evil.example) as a new Web platform on "
                 "your project console dashboard");
    assert_false(has_header(f, "X-Ratelimit"));
    assert_false(has_header(f, "Access-Control-Allow-Origin"));
    f->extra.origin = "http://evil.example";
    request(f, "GET", DOCUMENTS, NULL);
    expect(f, 200);
    f->extra.origin = "http://localhost.evil.example";
    request(f, "POST", DOCUMENTS, CREATE("a", "x"));
    expect(f, 403);
    f->extra.origin = "http://localhost:5173";
    request(f, "OPTIONS", DOCUMENTS, NULL);
    expect_body(f, 204, "");
    assert_true(has_header(f,
                           "Access-Control-Allow-Origin: "
                           "http://localhost:5173\r\nAccess-Control-Allow-Credentials: true\r\n"));
}

static void a_server_for_one_project_knows_no_other_14(void **state)
{
    struct fixture *f = *state;
    const struct avj_serve_config config = {.project = "testproject"};
    struct avj_serve *any = f->serve;
    f->serve = fixture_server(f, &config);
    f->extra.project = "nope";
    request(f, "GET", "/v1/account", NULL);
    expect_error(f, 404, "project_not_found",
                 "Project with the requested ID could not be found. Please check the value of the "
                 "X-Appwrite-Project header to ensure the "
                 "correct project ID is being used.");
    request(f, "GET", "/v1/account", NULL);
    expect(f, 200);
    avj_serve_free(f->serve);
    f->serve = any;
}

static void health_needs_nothing_19(void **state)
{
    struct fixture *f = *state;
    f->token = NULL;
    f->extra.project = "";
    request(f, "GET", "/v1/health/version", NULL);
    expect_body(f, 200, "{\"version\":\"1.8.1\"}");
    request(f, "GET", "/v1/health", NULL);
    expect_body(f, 200, "{\"name\":\"http\",\"ping\":0,\"status\":\"pass\"}");
    request(f, "GET", "/v1/ping", NULL);
    expect_body(f, 200, "Pong!");
}

/* ---- rate limits ---- */

static void the_121st_write_of_a_minute_is_refused_17(void **state)
{
    struct fixture *f = *state;
    f->now_ms = time_ms("2026-11-22T17:49:47.000Z");
    avj_serve_free(f->serve); /* with the clock set back */
    f->serve = fixture_server(f, &recorded);
    for (unsigned i = 0; i < 120; i++) {
        request(f, "POST", DOCUMENTS, CREATE("unique()", "x"));
        expect(f, 201);
    }
    assert_true(has_header(f, "X-Ratelimit-Remaining: 0\r\nX-Ratelimit-Reset: 1795369800\r\n"));
    request(f, "POST", DOCUMENTS, CREATE("unique()", "x"));
    expect_error(
        f, 429, "general_rate_limit_exceeded",
        "Rate limit for the current endpoint has been exceeded. Please try again after some time.");
    assert_true(has_header(f, "X-Ratelimit-Remaining: 0\r\nX-Ratelimit-Reset: 1795369800\r\n"));
    /* another collection: the same bucket; the other spelling, another user, another verb: others
     * of their own; GET and transactions: none */
    request(f, "POST", "/v1/databases/main/collections/threads/documents",
            "{\"documentId\":\"unique()\",\"data\":{\"threadId\":\"x\"}}");
    expect(f, 429);
    request(f, "POST", ROWS, "{\"rowId\":\"r\",\"data\":" MESSAGE_DATA("r", "x") "}");
    expect(f, 201);
    request(f, "PATCH", DOCUMENTS "/r", "{\"data\":{\"content\":\"y\"}}");
    expect(f, 200);
    request(f, "GET", DOCUMENTS "/r", NULL);
    assert_false(has_header(f, "X-Ratelimit"));
    request(f, "POST", "/v1/databases/transactions", "{}");
    expect(f, 201);
    assert_false(has_header(f, "X-Ratelimit"));
    f->token = f->bob;
    request(f, "POST", DOCUMENTS, CREATE("unique()", "x"));
    expect(f, 201);
    f->token = f->alice;
    f->now_ms = time_ms("2026-11-22T17:50:00.000Z"); /* the windows are aligned to the minute */
    request(f, "POST", DOCUMENTS, CREATE("unique()", "x"));
    expect(f, 201);
    assert_true(has_header(f, "X-Ratelimit-Remaining: 119\r\nX-Ratelimit-Reset: 1795369860\r\n"));
}

static void deletes_are_60_a_minute_and_failed_ones_count_17b(void **state)
{
    struct fixture *f = *state;
    for (unsigned i = 0; i < 60; i++) {
        request(f, "DELETE", DOCUMENTS "/nope", NULL);
        expect(f, 404);
    }
    request(f, "DELETE", DOCUMENTS "/nope60", NULL);
    expect(f, 429);
}

static void logins_are_ten_an_hour_for_an_email(void **state)
{
    struct fixture *f = *state;
    f->token = NULL;
    for (unsigned i = 0; i < 9; i++) {
        request(f, "POST", "/v1/account/sessions/email", LOGIN("password-2"));
        expect(f, 401);
    }
    request(f, "POST", "/v1/account/sessions/email", LOGIN("password-1"));
    expect(f, 429);
    request(f, "POST", "/v1/account/sessions/email",
            "{\"email\":\"bob@localhost.test\",\"password\":\"password-1\"}");
    expect(f, 201);
}

static void limits_can_be_off(void **state)
{
    struct fixture *f = *state;
    const struct avj_serve_config config = {.no_rate_limit = true};
    struct avj_serve *limited = f->serve;
    f->serve = fixture_server(f, &config);
    for (unsigned i = 0; i < 130; i++) {
        request(f, "POST", DOCUMENTS, CREATE("unique()", "x"));
        expect(f, 201);
    }
    assert_false(has_header(f, "X-Ratelimit"));
    avj_serve_free(f->serve);
    f->serve = limited;
}

int main(void)
{
#define RECORDED(test) cmocka_unit_test_setup_teardown(test, setup_recorded, teardown)
    const struct CMUnitTest tests[] = {
        RECORDED(a_session_is_answered_as_recorded_in_01),
        RECORDED(a_wrong_password_and_an_unknown_email_look_the_same_01),
        RECORDED(no_password_and_no_secret_is_in_the_journal),
        RECORDED(a_session_is_taken_in_each_of_its_three_places_02),
        RECORDED(an_account_is_answered_as_recorded_in_02),
        RECORDED(a_session_that_is_no_more_makes_a_guest_13_48),
        RECORDED(a_token_with_another_secret_is_nobodys),
        RECORDED(sessions_are_listed_and_ended_one_by_one_19),
        RECORDED(a_jwt_stands_for_its_user_for_15_minutes_19),
        RECORDED(an_anonymous_account_has_a_session_and_no_email),
        RECORDED(accounts_want_an_id_an_email_and_a_password),
        RECORDED(projects_keys_routes_and_origins_are_refused_as_recorded_14),
        RECORDED(a_server_for_one_project_knows_no_other_14),
        RECORDED(health_needs_nothing_19),
        RECORDED(the_121st_write_of_a_minute_is_refused_17),
        RECORDED(deletes_are_60_a_minute_and_failed_ones_count_17b),
        RECORDED(logins_are_ten_an_hour_for_an_email),
        RECORDED(limits_can_be_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
