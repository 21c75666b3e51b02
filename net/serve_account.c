/* Routes of /v1/account. */
#include "net/serve_state.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PASSWORD_MIN 8
#define PASSWORD_MAX 256
#define EMAIL_MAX    256

static void missing_param(struct avj_call *call, const char *name)
{
    avj_answer_error(call, 400, "general_argument_invalid", "Param \"%s\" is not optional.", name);
}

/* A local part, one "@" and a domain, without spaces or control characters. */
static bool valid_email(const char *email)
{
    const char *at = strchr(email, '@');
    size_t len = strlen(email);
    if (!at || at == email || !at[1] || strchr(at + 1, '@') || len > EMAIL_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)email[i] <= ' ' || strchr("\"\\<>(),;:", email[i]))
            return false;
    return strchr(at, '.') || strcmp(at, "@localhost") == 0;
}

/* The body's e-mail in lower case; false: an error was answered. */
static bool email_param(struct avj_call *call, char out[EMAIL_MAX + 1])
{
    const char *email = avj_body_text(call, "email");
    if (!email) {
        missing_param(call, "email");
        return false;
    }
    if (!valid_email(email)) {
        avj_answer_error(call, 400, "general_argument_invalid",
                         "Invalid `email` param: Value must be a valid email address");
        return false;
    }
    size_t i = 0;
    for (; email[i]; i++)
        out[i] = (char)tolower((unsigned char)email[i]);
    out[i] = '\0';
    return true;
}

static bool password_param(struct avj_call *call, const char **password)
{
    *password = avj_body_text(call, "password");
    if (!*password)
        missing_param(call, "password");
    else if (strlen(*password) < PASSWORD_MIN || strlen(*password) > PASSWORD_MAX)
        avj_answer_error(
            call, 400, "general_argument_invalid",
            "Invalid `password` param: Password must be between 8 and 256 characters long.");
    else
        return true;
    return false;
}

static struct avj_server_user *user_new(struct avj_serve *serve, const char *id, const char *email,
                                        const char *name, const char *password)
{
    struct avj_server_user *user = calloc(1, sizeof(*user));
    char target[AVJ_SERVE_ID_TEXT];
    if (!user)
        return NULL;
    user->id = strdup(id);
    user->email = strdup(email);
    user->name = strdup(name);
    user->prefs = strdup("{}");
    user->target = avj_unique_id(serve, target) ? strdup(target) : NULL;
    user->created_ms = user->updated_ms = user->password_ms = serve->now_ms;
    bool hashed = password ? avj_password_hash(serve, password, &user->hash)
                           : (user->hash = strdup("")) != NULL;
    if (!user->id || !user->email || !user->name || !user->prefs || !user->target || !hashed) {
        avj_user_free(user);
        return NULL;
    }
    return user;
}

/* Journals and takes the user in; NULL: an error was answered. */
static const struct avj_server_user *user_add(struct avj_call *call, struct avj_server_user *user)
{
    enum avj_status status = user ? avj_user_store(call->serve, user) : AVJ_ENOMEM;
    if (status != AVJ_OK) {
        avj_user_free(user);
        avj_answer_storage_error(call, status);
        return NULL;
    }
    if (!avj_user_put(call->serve, user)) {
        avj_answer_server_error(call);
        return NULL;
    }
    return user;
}

void avj_route_account_create(struct avj_call *call)
{
    char email[EMAIL_MAX + 1], unique[AVJ_SERVE_ID_TEXT];
    const char *id = avj_body_text(call, "userId"), *password, *name = avj_body_text(call, "name");
    if (!id) {
        missing_param(call, "userId");
        return;
    }
    if (strcmp(id, "unique()") == 0)
        id = avj_unique_id(call->serve, unique) ? unique : NULL;
    if (!avj_valid_id(id)) {
        avj_answer_bad_id(call, "userId");
        return;
    }
    if (!email_param(call, email) || !password_param(call, &password))
        return;
    if (avj_map_get(&call->serve->users, id) || avj_map_get(&call->serve->emails, email)) {
        avj_answer_error(
            call, 409, "user_already_exists",
            "A user with the same id, email, or phone already exists in this project.");
        return;
    }
    const struct avj_server_user *user =
        user_add(call, user_new(call->serve, id, email, name ? name : "", password));
    if (user)
        avj_user_json(user, avj_answer(call, 201));
}

void avj_route_account_get(struct avj_call *call)
{
    (void)avj_serve_user_json(call->serve, call->user, avj_answer(call, 200));
}

void avj_route_prefs_get(struct avj_call *call)
{
    const struct avj_server_user *user = avj_map_get(&call->serve->users, call->user);
    avj_text_puts(avj_answer(call, 200), user->prefs[0] ? user->prefs : "{}");
}

void avj_route_prefs_patch(struct avj_call *call)
{
    struct avj_server_user *user = avj_map_get(&call->serve->users, call->user);
    const json_t *prefs = json_object_get(call->body, "prefs");
    if (!json_is_object(prefs)) {
        avj_answer_error(call, 400, "general_argument_invalid",
                         "Invalid `prefs` param: Value must be a valid object.");
        return;
    }
    char *text = json_dumps(prefs, JSON_COMPACT), *before = user->prefs;
    int64_t before_ms = user->updated_ms;
    if (text) {
        user->prefs = text;
        user->updated_ms = call->serve->now_ms;
    }
    enum avj_status status = text ? avj_user_store(call->serve, user) : AVJ_ENOMEM;
    if (status != AVJ_OK) {
        user->prefs = before;
        user->updated_ms = before_ms;
        free(text);
        avj_answer_storage_error(call, status);
        return;
    }
    free(before);
    avj_user_json(user, avj_answer(call, 200));
}

void avj_route_jwt(struct avj_call *call)
{
    const char *jwt = avj_jwt_make(call->serve, call->user);
    if (jwt)
        avj_text_printf(avj_answer(call, 201), "{\"jwt\":\"%s\"}", jwt);
    else
        avj_answer_server_error(call);
}

/* ---- sessions ---- */

static void session_json(const struct avj_call *call, const struct avj_server_session *session,
                         bool current, struct avj_text *out)
{
    static const char *const blanks[] = {"osCode",        "osName",       "osVersion",
                                         "clientType",    "clientCode",   "clientName",
                                         "clientVersion", "clientEngine", "clientEngineVersion",
                                         "deviceName",    "deviceBrand",  "deviceModel"};
    const struct avj_server_user *user = avj_map_get(&call->serve->users, session->user);
    avj_text_printf(out, "{\"$id\":\"%s\",\"$createdAt\":", session->id);
    avj_text_json_time(out, session->created_ms);
    avj_text_puts(out, ",\"$updatedAt\":");
    avj_text_json_time(out, session->created_ms);
    avj_text_puts(out, ",\"userId\":");
    avj_text_json_cstr(out, session->user);
    avj_text_puts(out, ",\"expire\":");
    avj_text_json_time(out, session->expire_ms);
    avj_text_printf(out, ",\"provider\":\"%s\",\"providerUid\":", session->provider);
    avj_text_json_cstr(out, user ? user->email : "");
    avj_text_puts(out, ",\"providerAccessToken\":\"\",\"providerAccessTokenExpiry\":\"\","
                       "\"providerRefreshToken\":\"\",\"ip\":");
    avj_text_json_cstr(out, session->ip);
    for (size_t i = 0; i < sizeof(blanks) / sizeof(blanks[0]); i++)
        avj_text_printf(out, ",\"%s\":\"\"", blanks[i]);
    avj_text_printf(out,
                    ",\"countryCode\":\"--\",\"countryName\":\"Unknown\",\"current\":%s,"
                    "\"factors\":[\"%s\"],\"secret\":\"\",\"mfaUpdatedAt\":\"\"}",
                    current ? "true" : "false",
                    strcmp(session->provider, "email") == 0 ? "password" : session->provider);
}

static void cookie_time(int64_t ms, char *out, size_t size)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    if (!gmtime_r(&seconds, &tm) || !strftime(out, size, "%a, %d-%b-%Y %H:%M:%S GMT", &tm))
        out[0] = '\0';
}

static void session_headers(struct avj_call *call, const struct avj_server_session *session)
{
    const char *project = call->request->project;
    struct avj_text *headers = &call->response->headers;
    char expires[64];
    cookie_time(session->expire_ms, expires, sizeof(expires));
    long long age = (long long)(AVJ_SESSION_LIFE_MS / 1000);
    avj_text_printf(headers, "X-Fallback-Cookies: {\"a_session_%s\":\"%s.%s\"}\r\n", project,
                    session->id, session->secret);
    avj_text_printf(
        headers,
        "Set-Cookie: a_session_%s_legacy=%s.%s; expires=%s; Max-Age=%lld; path=/; httponly\r\n",
        project, session->id, session->secret, expires, age);
    avj_text_printf(headers,
                    "Set-Cookie: a_session_%s=%s.%s; expires=%s; Max-Age=%lld; path=/; httponly; "
                    "samesite=None\r\n",
                    project, session->id, session->secret, expires, age);
}

static struct avj_server_session *session_new(struct avj_call *call, const char *user,
                                              const char *provider)
{
    struct avj_server_session *session = calloc(1, sizeof(*session));
    char id[AVJ_SERVE_ID_TEXT];
    if (!session)
        return NULL;
    session->id = avj_unique_id(call->serve, id) ? strdup(id) : NULL;
    session->user = strdup(user);
    session->provider = strdup(provider);
    session->ip = strdup(call->request->ip ? call->request->ip : "");
    session->created_ms = call->serve->now_ms;
    session->expire_ms = session->created_ms + AVJ_SESSION_LIFE_MS;
    if (!session->id || !session->user || !session->provider || !session->ip ||
        !avj_session_set_secret(call->serve, session)) {
        avj_session_free(session);
        return NULL;
    }
    return session;
}

static void session_begin(struct avj_call *call, const char *user, const char *provider)
{
    struct avj_server_session *session = session_new(call, user, provider);
    enum avj_status status = session ? avj_session_store(call->serve, session) : AVJ_ENOMEM;
    if (status != AVJ_OK) {
        avj_session_free(session);
        avj_answer_storage_error(call, status);
        return;
    }
    if (!avj_session_put(call->serve, session)) {
        avj_answer_server_error(call);
        return;
    }
    session_headers(call, session);
    session_json(call, session, true, avj_answer(call, 201));
}

static bool no_session_yet(struct avj_call *call)
{
    if (!call->session)
        return true;
    avj_answer_error(call, 401, "user_session_already_exists",
                     "Creation of a session is prohibited when a session is active.");
    return false;
}

void avj_route_session_email(struct avj_call *call)
{
    char email[EMAIL_MAX + 1];
    const char *password;
    const char *who = avj_body_text(call, "email");
    if (!avj_limit_take(call, "account/sessions/email", who ? who : "", 10, 3600) ||
        !no_session_yet(call) || !email_param(call, email) || !password_param(call, &password))
        return;
    const struct avj_server_user *user = avj_map_get(&call->serve->emails, email);
    if (!avj_password_check(user, password))
        avj_answer_error(call, 401, "user_invalid_credentials",
                         "Invalid credentials. Please check the email and password.");
    else
        session_begin(call, user->id, "email");
}

void avj_route_session_anonymous(struct avj_call *call)
{
    char id[AVJ_SERVE_ID_TEXT];
    if (!no_session_yet(call))
        return;
    if (!avj_unique_id(call->serve, id)) {
        avj_answer_server_error(call);
        return;
    }
    const struct avj_server_user *user = user_add(call, user_new(call->serve, id, "", "", NULL));
    if (user)
        session_begin(call, user->id, "anonymous");
}

/* The session that the path names and that is the caller's; NULL: an error was answered. */
static struct avj_server_session *named_session(struct avj_call *call)
{
    const char *id = call->segments[2];
    struct avj_server_session *session =
        strcmp(id, "current") == 0 ? call->session : avj_map_get(&call->serve->sessions, id);
    if (session && strcmp(session->user, call->user) == 0)
        return session;
    avj_answer_error(call, 404, "user_session_not_found",
                     "The current user session could not be found.");
    return NULL;
}

void avj_route_session_get(struct avj_call *call)
{
    const struct avj_server_session *session = named_session(call);
    if (session)
        session_json(call, session, session == call->session, avj_answer(call, 200));
}

static enum avj_status session_end(struct avj_call *call, struct avj_server_session *session)
{
    enum avj_status status = avj_state_write(call->serve, "session", session->id, NULL);
    if (status != AVJ_OK)
        return status;
    if (session == call->session) {
        call->session = NULL; /* and with it the name of its user */
        call->user = NULL;
    }
    avj_session_free(avj_map_take(&call->serve->sessions, session->id));
    return AVJ_OK;
}

static void forget_headers(struct avj_call *call)
{
    const char *project = call->request->project;
    const char *gone =
        "deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT; Max-Age=0; path=/; httponly";
    avj_text_printf(&call->response->headers,
                    "X-Fallback-Cookies: []\r\nSet-Cookie: a_session_%s_legacy=%s\r\nSet-Cookie: "
                    "a_session_%s=%s; samesite=None\r\n",
                    project, gone, project, gone);
}

void avj_route_session_delete(struct avj_call *call)
{
    struct avj_server_session *session = named_session(call);
    if (!session)
        return;
    bool current = session == call->session;
    enum avj_status status = session_end(call, session);
    if (status != AVJ_OK) {
        avj_answer_storage_error(call, status);
        return;
    }
    if (current)
        forget_headers(call);
    avj_answer_empty(call, 204);
}

/* The caller's sessions that have not expired, oldest first; *count of them.  NULL with *count 0:
 * none or out of memory. */
static struct avj_server_session **own_sessions(struct avj_call *call, size_t *count)
{
    const struct avj_map *map = &call->serve->sessions;
    struct avj_server_session **own = calloc(map->count + 1, sizeof(struct avj_server_session *));
    *count = 0;
    for (size_t i = 0; own && i < map->cap; i++) {
        struct avj_server_session *session = avj_map_at(map, i);
        if (!session || session->expire_ms <= call->serve->now_ms ||
            strcmp(session->user, call->user) != 0)
            continue;
        size_t at = (*count)++;
        for (; at > 0 && own[at - 1]->created_ms > session->created_ms; at--)
            own[at] = own[at - 1];
        own[at] = session;
    }
    return own;
}

void avj_route_sessions_list(struct avj_call *call)
{
    size_t count;
    struct avj_server_session **own = own_sessions(call, &count);
    if (!own) {
        avj_answer_server_error(call);
        return;
    }
    struct avj_text *body = avj_answer(call, 200);
    avj_text_printf(body, "{\"total\":%zu,\"sessions\":[", count);
    for (size_t i = 0; i < count; i++) {
        if (i)
            avj_text_puts(body, ",");
        session_json(call, own[i], own[i] == call->session, body);
    }
    avj_text_puts(body, "]}");
    free(own);
}

void avj_route_sessions_delete(struct avj_call *call)
{
    size_t count;
    struct avj_server_session **own = own_sessions(call, &count);
    enum avj_status status = own ? AVJ_OK : AVJ_ENOMEM;
    for (size_t i = 0; status == AVJ_OK && i < count; i++)
        status = session_end(call, own[i]);
    free(own);
    if (status != AVJ_OK) {
        avj_answer_storage_error(call, status);
        return;
    }
    forget_headers(call);
    avj_answer_empty(call, 204);
}
