/* Signing in and out: the part of engine.h that needs no sync. */
#include "net/client_loop.h"
#include "net/client_session.h"
#include "net/client_upstream.h"
#include "net/engine.h"

#include <stdlib.h>
#include <string.h>

static const char *dir_of(struct avj_store *store)
{
    return avj_journal_path(avj_store_journal(store));
}

/* ---- the upstream of a journal ---- */

static bool http_url(const char *text)
{
    return (strncmp(text, "http://", 7) == 0 && text[7]) ||
           (strncmp(text, "https://", 8) == 0 && text[8]);
}

/* What goes into headers and paths must not end them. */
static bool plain(const char *text)
{
    for (; text && *text; text++)
        if ((unsigned char)*text <= 0x20 || (unsigned char)*text >= 0x7f)
            return false;
    return text != NULL;
}

enum avj_status avj_upstream_open(struct avj_store *store, struct avj_upstream_access *out,
                                  struct avj_error *err)
{
    const struct avj_upstream *up = avj_store_upstream(store);
    *out = (struct avj_upstream_access){.endpoint = NULL};
    if (!up->endpoint || !up->project || !up->database)
        return avj_fail(err, AVJ_EINVAL,
                        "this journal has no upstream: make one with avchat init --endpoint URL "
                        "--project P --database D");
    if (!http_url(up->endpoint) || !plain(up->endpoint) || !plain(up->project))
        return avj_fail(err, AVJ_EINVAL, "the upstream's endpoint or project is not usable: %s",
                        up->endpoint);
    out->endpoint = strdup(up->endpoint);
    if (!out->endpoint)
        return avj_fail(err, AVJ_ENOMEM, "out of memory");
    for (size_t len = strlen(out->endpoint); len && out->endpoint[len - 1] == '/';)
        out->endpoint[--len] = '\0';
    out->aw = (struct avj_appwrite){
        .endpoint = out->endpoint, .project = up->project, .database = up->database};
    for (int e = 0; e < AVJ_ENTITIES; e++)
        out->aw.collections[e] =
            up->collections[e] ? up->collections[e] : avj_schema((enum avj_entity)e)->collection;
    return AVJ_OK;
}

enum avj_status avj_upstream_sign(struct avj_store *store, struct avj_upstream_access *access,
                                  struct avj_error *err)
{
    const char *user = avj_store_user(store);
    enum avj_status status = avj_session_load(dir_of(store), &access->session, err);
    if (status)
        return status == AVJ_ENOTFOUND || status == AVJ_EFORMAT
                   ? avj_fail(err, AVJ_EAUTH, "not signed in: run avchat login EMAIL")
                   : status;
    const struct avj_session *session = &access->session;
    if (strcmp(session->endpoint, access->endpoint) != 0 ||
        strcmp(session->project, access->aw.project) != 0)
        return avj_fail(err, AVJ_EAUTH,
                        "the session is for another server: run avchat login EMAIL");
    if (!user || strcmp(user, session->user) != 0)
        return avj_fail(err, AVJ_EAUTH, "the session is another user's: run avchat login EMAIL");
    access->aw.user = session->user;
    access->aw.secret = session->secret;
    return AVJ_OK;
}

void avj_upstream_release(struct avj_upstream_access *access)
{
    free(access->endpoint);
    avj_session_release(&access->session);
    *access = (struct avj_upstream_access){.endpoint = NULL};
}

/* ---- requests that are waited for ---- */

enum avj_status avj_upstream_refusal(const struct avj_aw_result *result, const char *what,
                                     struct avj_error *err)
{
    switch (result->verdict) {
    case AVJ_AW_OK:
        return AVJ_OK;
    case AVJ_AW_RETRY:
        return avj_fail(err, AVJ_ENET, "%s: %s", what, result->message);
    case AVJ_AW_RATE:
        return avj_fail(err, AVJ_ERATE, "%s: too many attempts; try again later", what);
    case AVJ_AW_AUTH:
        return avj_fail(err, AVJ_EAUTH, "%s: %s", what, result->message);
    case AVJ_AW_NO_COLLECTION:
        return avj_fail(err, AVJ_EREJECTED, "%s: %s", what, result->message);
    case AVJ_AW_NOT_APPWRITE:
        return avj_fail(err, AVJ_EPROTO, "%s: %s: not an Appwrite server? check the endpoint", what,
                        result->message);
    default:
        if (strcmp(result->type, "user_already_exists") == 0 || result->status == 409)
            return avj_fail(err, AVJ_EEXIST, "%s: %s", what, result->message);
        return avj_fail(err, AVJ_EREJECTED, "%s: %s", what, result->message);
    }
}

/* Consumes `request` (made with status `made`). */
static enum avj_status ask(struct avj_loop *loop, enum avj_status made,
                           struct avj_http_request *request, const char *what,
                           struct avj_aw_result *result, struct avj_http_answer *answer,
                           struct avj_error *err)
{
    if (made)
        return avj_fail(err, made, "%s: out of memory", what);
    avj_loop_ask(loop, request, result, answer);
    avj_http_request_release(request);
    return avj_upstream_refusal(result, what, err);
}

/* ---- login ---- */

struct login {
    struct avj_upstream_access access;
    struct avj_loop loop;
    struct avj_session session; /* the new one */
};

static enum avj_status make_account(struct login *login, const char *email, const char *password,
                                    struct avj_error *err)
{
    struct avj_http_request request;
    struct avj_aw_result result = {0};
    enum avj_status status =
        ask(&login->loop, avj_aw_register(&login->access.aw, email, password, &request), &request,
            "make the account", &result, NULL, err);
    avj_aw_result_release(&result);
    return status;
}

static enum avj_status fill_session(struct login *login, const char *email,
                                    const struct avj_aw_result *result,
                                    const struct avj_http_answer *answer, struct avj_error *err)
{
    struct avj_session *session = &login->session;
    const char *user = json_string_value(json_object_get(result->json, "userId"));
    const char *secret = json_string_value(json_object_get(result->json, "secret"));
    session->secret = avj_aw_secret(login->access.aw.project, answer);
    if (!session->secret && secret && *secret && plain(secret))
        session->secret = strdup(secret);
    if (!user || !plain(user) || !session->secret)
        return avj_fail(err, AVJ_EPROTO, "log in: the server's answer holds no session");
    session->user = strdup(user);
    session->email = strdup(email);
    session->endpoint = strdup(login->access.endpoint);
    session->project = strdup(login->access.aw.project);
    bool ok = session->user && session->email && session->endpoint && session->project;
    return ok ? AVJ_OK : avj_fail(err, AVJ_ENOMEM, "out of memory");
}

static enum avj_status make_session(struct login *login, const char *email, const char *password,
                                    struct avj_error *err)
{
    struct avj_http_request request;
    struct avj_aw_result result = {0};
    struct avj_http_answer answer = {0};
    enum avj_status status =
        ask(&login->loop, avj_aw_login(&login->access.aw, email, password, &request), &request,
            "log in", &result, &answer, err);
    if (!status)
        status = fill_session(login, email, &result, &answer, err);
    avj_aw_result_release(&result);
    avj_http_answer_release(&answer);
    return status;
}

/* The session that was made upstream and is not wanted: ended as far as that can be done. */
static void forget_session(struct login *login)
{
    struct avj_http_request request;
    struct avj_aw_result result = {0};
    login->access.aw.secret = login->session.secret;
    if (avj_aw_logout(&login->access.aw, &request))
        return;
    avj_loop_ask(&login->loop, &request, &result, NULL);
    avj_http_request_release(&request);
    avj_aw_result_release(&result);
}

/* The log first: it refuses a foreign user.  Should the file then fail, logging in again is all it
 * takes. */
static enum avj_status keep_session(struct avj_store *store, struct login *login,
                                    struct avj_error *err)
{
    enum avj_status status = avj_sync_login(store, login->session.user, login->session.email, err);
    if (!status)
        status = avj_session_save(dir_of(store), &login->session, err);
    if (status)
        forget_session(login);
    return status;
}

enum avj_status avj_engine_login(struct avj_store *store, const char *email, const char *password,
                                 bool create, struct avj_error *err)
{
    struct login login = {.loop = {0}};
    enum avj_status status = avj_upstream_open(store, &login.access, err);
    if (!status)
        status = avj_loop_init(&login.loop, 0, err);
    if (!status && create)
        status = make_account(&login, email, password, err);
    if (!status)
        status = make_session(&login, email, password, err);
    if (!status)
        status = keep_session(store, &login, err);
    avj_session_release(&login.session);
    avj_loop_release(&login.loop);
    avj_upstream_release(&login.access);
    return status;
}

/* ---- logout and whoami ---- */

enum avj_status avj_engine_logout(struct avj_store *store, struct avj_error *err)
{
    struct login login = {.loop = {0}};
    enum avj_status status = avj_upstream_open(store, &login.access, err);
    if (!status)
        status = avj_session_load(dir_of(store), &login.session, err);
    if (status == AVJ_ENOTFOUND)
        status = avj_fail(err, AVJ_EAUTH, "not signed in");
    bool readable = status == AVJ_OK;
    /* Unreachable is no reason to stay signed in here. */
    if (readable && avj_loop_init(&login.loop, 0, NULL) == AVJ_OK)
        forget_session(&login);
    if (readable || status == AVJ_EFORMAT)
        status = avj_session_remove(dir_of(store), err);
    if (!status)
        status = avj_sync_login(store, NULL, NULL, err);
    avj_session_release(&login.session);
    avj_loop_release(&login.loop);
    avj_upstream_release(&login.access);
    return status;
}

static enum avj_status take_account(const struct avj_aw_result *result, char **user, char **email,
                                    struct avj_error *err)
{
    const char *id = json_string_value(json_object_get(result->json, "$id"));
    const char *mail = json_string_value(json_object_get(result->json, "email"));
    if (!id)
        return avj_fail(err, AVJ_EPROTO, "ask who is signed in: the answer names nobody");
    *user = strdup(id);
    *email = strdup(mail ? mail : "");
    if (*user && *email)
        return AVJ_OK;
    free(*user);
    free(*email);
    *user = *email = NULL;
    return avj_fail(err, AVJ_ENOMEM, "out of memory");
}

enum avj_status avj_engine_whoami(struct avj_store *store, char **user_id, char **email,
                                  struct avj_error *err)
{
    struct avj_upstream_access access;
    struct avj_loop loop = {0};
    struct avj_http_request request;
    struct avj_aw_result result = {0};
    *user_id = *email = NULL;
    enum avj_status status = avj_upstream_open(store, &access, err);
    if (!status)
        status = avj_upstream_sign(store, &access, err);
    if (!status)
        status = avj_loop_init(&loop, 0, err);
    if (!status)
        status = ask(&loop, avj_aw_account(&access.aw, &request), &request, "ask who is signed in",
                     &result, NULL, err);
    if (!status)
        status = take_account(&result, user_id, email, err);
    avj_aw_result_release(&result);
    avj_loop_release(&loop);
    avj_upstream_release(&access);
    return status;
}

bool avj_engine_has_session(struct avj_store *store)
{
    struct avj_session session;
    bool has = avj_session_load(dir_of(store), &session, NULL) == AVJ_OK;
    if (has)
        avj_session_release(&session);
    return has;
}
