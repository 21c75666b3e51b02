/* From a request to its handler: the route table, and what comes before every route (project,
 * session, origin, rate limit). */
#include "net/serve_state.h"

#include <string.h>

enum route_flags {
    NO_PROJECT = 1, /* answers without X-Appwrite-Project */
    ACCOUNT = 2,    /* for the signed in only */
};

struct route {
    const char *method, *pattern; /* behind /v1/, "*" is one segment */
    void (*handler)(struct avj_call *call);
    unsigned flags, limit, window_s;
};

#define ROWS(base, table, rows)                                                                    \
    {"POST", base "/*/" table "/*/" rows, avj_route_row_create, 0, 120, 60},                       \
        {"GET", base "/*/" table "/*/" rows, avj_route_row_list, 0, 0, 0},                         \
        {"PUT", base "/*/" table "/*/" rows, avj_route_bulk_refused, 0, 120, 60},                  \
        {"PATCH", base "/*/" table "/*/" rows, avj_route_bulk_refused, 0, 120, 60},                \
        {"DELETE", base "/*/" table "/*/" rows, avj_route_bulk_refused, 0, 60, 60},                \
        {"GET", base "/*/" table "/*/" rows "/*", avj_route_row_get, 0, 0, 0},                     \
        {"PATCH", base "/*/" table "/*/" rows "/*", avj_route_row_patch, 0, 120, 60},              \
        {"PUT", base "/*/" table "/*/" rows "/*", avj_route_row_put, 0, 120, 60},                  \
        {"DELETE", base "/*/" table "/*/" rows "/*", avj_route_row_delete, 0, 60, 60},             \
        {"POST", base "/transactions", avj_route_tx_create, 0, 0, 0},                              \
        {"GET", base "/transactions", avj_route_tx_list, 0, 0, 0},                                 \
        {"GET", base "/transactions/*", avj_route_tx_get, 0, 0, 0},                                \
        {"PATCH", base "/transactions/*", avj_route_tx_patch, 0, 0, 0},                            \
        {"DELETE", base "/transactions/*", avj_route_tx_delete, 0, 0, 0},                          \
    {                                                                                              \
        "POST", base "/transactions/*/operations", avj_route_tx_operations, 0, 0, 0                \
    }

/* The limit of e-mail sessions counts by e-mail: its handler takes it. */
static const struct route routes[] = {
    {"GET", "health", avj_route_health, NO_PROJECT, 0, 0},
    {"GET", "health/version", avj_route_version, NO_PROJECT, 0, 0},
    {"GET", "ping", avj_route_ping, NO_PROJECT, 0, 0},
    {"POST", "account", avj_route_account_create, 0, 0, 0},
    {"GET", "account", avj_route_account_get, ACCOUNT, 0, 0},
    {"GET", "account/prefs", avj_route_prefs_get, ACCOUNT, 0, 0},
    {"PATCH", "account/prefs", avj_route_prefs_patch, ACCOUNT, 0, 0},
    {"POST", "account/jwts", avj_route_jwt, ACCOUNT, 100, 3600},
    {"POST", "account/jwt", avj_route_jwt, ACCOUNT, 100, 3600},
    {"POST", "account/sessions/email", avj_route_session_email, 0, 0, 0},
    {"POST", "account/sessions/anonymous", avj_route_session_anonymous, 0, 50, 3600},
    {"GET", "account/sessions", avj_route_sessions_list, ACCOUNT, 0, 0},
    {"DELETE", "account/sessions", avj_route_sessions_delete, ACCOUNT, 100, 3600},
    {"GET", "account/sessions/*", avj_route_session_get, ACCOUNT, 0, 0},
    {"DELETE", "account/sessions/*", avj_route_session_delete, ACCOUNT, 100, 3600},
    ROWS("databases", "collections", "documents"),
    ROWS("tablesdb", "tables", "rows"),
};

void avj_route_health(struct avj_call *call)
{
    avj_text_puts(avj_answer(call, 200), "{\"name\":\"http\",\"ping\":0,\"status\":\"pass\"}");
}

void avj_route_version(struct avj_call *call)
{
    avj_text_puts(avj_answer(call, 200), "{\"version\":\"" AVJ_SERVE_VERSION "\"}");
}

void avj_route_ping(struct avj_call *call)
{
    avj_text_puts(avj_answer(call, 200), "Pong!");
    call->response->type = "text/plain; charset=UTF-8";
}

/* Splits the path behind "/v1/"; false: it is no path of ours. */
static bool split(struct avj_call *call)
{
    const char *path = call->request->path;
    size_t len = strlen(path);
    if (strncmp(path, "/v1/", 4) != 0 || len >= sizeof(call->path))
        return false;
    memcpy(call->path, path, len + 1);
    for (char *at = call->path + 4; at;) {
        char *slash = strchr(at, '/');
        if (call->segment_count == AVJ_SEGMENTS_MAX)
            return false;
        if (slash)
            *slash++ = '\0';
        if (*at)
            call->segments[call->segment_count++] = at;
        at = slash;
    }
    return true;
}

static bool matches(const struct route *route, const struct avj_call *call)
{
    const char *pattern = route->pattern;
    if (strcmp(route->method, call->request->method) != 0)
        return false;
    for (size_t i = 0; i < call->segment_count; i++) {
        size_t len = strcspn(pattern, "/");
        bool any = len == 1 && *pattern == '*';
        if (len == 0 || (!any && (strlen(call->segments[i]) != len ||
                                  memcmp(call->segments[i], pattern, len) != 0)))
            return false;
        pattern += len + (pattern[len] == '/');
    }
    return *pattern == '\0';
}

static const struct route *find_route(struct avj_call *call)
{
    if (split(call))
        for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
            if (matches(&routes[i], call))
                return &routes[i];
    avj_answer_error(call, 404, "general_route_not_found",
                     "Route not found. Please ensure the endpoint is configured correctly and that "
                     "the API route is valid for this SDK "
                     "version. Refer to the API docs for more details.");
    return NULL;
}

static bool check_project(struct avj_call *call)
{
    const char *project = call->request->project;
    if (!project || !project[0])
        avj_answer_error(call, 401, "general_access_forbidden",
                         "No Appwrite project was specified. Please specify your project ID when "
                         "initializing your Appwrite SDK.");
    else if (!avj_serve_project_known(call->serve, project))
        avj_answer_error(call, 404, "project_not_found",
                         "Project with the requested ID could not be found. Please check the value "
                         "of the X-Appwrite-Project header to "
                         "ensure the correct project ID is being used.");
    else
        return true;
    return false;
}

static bool check_identity(struct avj_call *call)
{
    bool bad_jwt;
    avj_session_identify(call->serve, call->request, &call->session, &call->user, &bad_jwt);
    bool key = call->request->key && call->request->key[0];
    if (bad_jwt)
        avj_answer_error(call, 401, "user_jwt_invalid", "Failed to verify JWT. Invalid token: %s",
                         strchr(call->request->jwt, '.') ? "Signature verification failed"
                                                         : "Incomplete segments");
    else if (call->session && call->request->jwt && call->request->jwt[0])
        avj_answer_error(
            call, 403, "user_jwt_and_cookie_set",
            "JWT and session used in the same request. Use either `setJWT` or `setSession`.");
    else if (key && call->session)
        avj_answer_error(call, 403, "user_key_and_session_set",
                         "API key and session used in the same request. Use either `setSession` or "
                         "`setKey`. Learn about which "
                         "authentication method to use in the SSR docs: "
                         "https://appwrite.io/docs/products/auth/server-side-rendering");
    else
        return true;
    return false;
}

static bool check_origin(struct avj_call *call)
{
    const char *origin = call->request->origin;
    if (strcmp(call->request->method, "GET") == 0 || avj_serve_origin_known(origin))
        return true;
    const char *host = strstr(origin, "://");
    host = host ? host + 3 : origin;
    avj_answer_error(call, 403, "general_unknown_origin",
                     "Invalid Origin. Register your new client (%.*s) as a new Web platform on "
                     "your project console dashboard",
                     (int)strcspn(host, ":/"), host);
    return false;
}

static bool check_scope(struct avj_call *call, const struct route *route)
{
    /* A session may outlive its user only in a damaged journal. */
    if (call->user && !avj_map_get(&call->serve->users, call->user))
        call->user = NULL;
    if (call->user || !(route->flags & ACCOUNT))
        return true;
    avj_answer_error(call, 401, "general_unauthorized_scope",
                     "User (role: guests) missing scopes ([\"account\"])");
    return false;
}

static bool check_limit(struct avj_call *call, const struct route *route)
{
    return !route->limit || avj_limit_take(call, route->pattern, call->user ? call->user : "",
                                           route->limit, route->window_s);
}

static void dispatch(struct avj_call *call)
{
    const struct route *route = find_route(call);
    if (!route)
        return;
    if (!(route->flags & NO_PROJECT) &&
        (!check_project(call) || !check_identity(call) || !check_origin(call) ||
         !check_scope(call, route) || !check_limit(call, route)))
        return;
    /* A body that is no JSON object counts as an empty one, as it does there. */
    call->body = json_loadb(call->request->body ? call->request->body : "", call->request->body_len,
                            JSON_ALLOW_NUL, NULL);
    if (!json_is_object(call->body)) {
        json_decref(call->body);
        call->body = json_object();
    }
    if (call->body)
        route->handler(call);
    json_decref(call->body);
    if (!call->done || call->response->body.failed)
        avj_answer_server_error(call);
}

static void cors(struct avj_call *call)
{
    const char *origin = call->request->origin;
    if (!origin || !origin[0] || !avj_serve_origin_known(origin))
        return;
    avj_text_printf(
        &call->response->headers,
        "Access-Control-Allow-Origin: %s\r\nAccess-Control-Allow-Credentials: true\r\n"
        "Access-Control-Allow-Methods: GET, POST, PUT, PATCH, DELETE\r\n"
        "Access-Control-Allow-Headers: Accept, Origin, Cookie, Set-Cookie, Content-Type, Range, "
        "Cache-Control, Expires, Pragma, "
        "X-Requested-With, X-Fallback-Cookies, X-Forwarded-For, X-SDK-Version, X-SDK-Name, "
        "X-SDK-Language, X-SDK-Platform, "
        "X-SDK-GraphQL, X-Appwrite-ID, X-Appwrite-Timestamp, X-Appwrite-Session, X-Appwrite-JWT, "
        "X-Appwrite-Project, "
        "X-Appwrite-Key, X-Appwrite-Dev-Key, X-Appwrite-Locale, X-Appwrite-Mode, "
        "X-Appwrite-Response-Format\r\n"
        "Access-Control-Expose-Headers: X-Appwrite-Session, X-Fallback-Cookies\r\nVary: Origin\r\n",
        origin);
}

void avj_serve_handle(struct avj_serve *serve, const struct avj_serve_request *request,
                      int64_t now_ms, struct avj_serve_response *response)
{
    struct avj_call call = {.serve = serve, .request = request, .response = response};
    memset(response, 0, sizeof(*response));
    if (now_ms > serve->now_ms)
        serve->now_ms = now_ms;
    call.spelling = strncmp(request->path, "/v1/tablesdb/", 13) == 0 ? &avj_spelling_tablesdb
                                                                     : &avj_spelling_databases;
    cors(&call);
    if (strcmp(request->method, "OPTIONS") == 0)
        avj_answer_empty(&call, 204);
    else
        dispatch(&call);
}
