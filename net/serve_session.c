/*
 * Sessions and JWTs: who a request is from.
 *
 * A session's token is "<session id>.<256 random bits in hex>".  The journal holds only a crypt(3)
 * hash of the random part; SHA-512 crypt at its lowest cost is enough for a secret that cannot be
 * guessed.  Once verified, the secret is kept in memory, so that a request costs a comparison.
 */
#include "net/serve_state.h"

#include <crypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECRET_DIGITS 64
#define JWT_LIFE_MS   900000
#define JWT_HEADER    "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9"
#define JWTS_SWEEP    1024

void avj_session_free(struct avj_server_session *session)
{
    if (!session)
        return;
    free(session->id);
    free(session->user);
    free(session->provider);
    free(session->ip);
    free(session->hash);
    free(session->secret);
    free(session);
}

bool avj_session_set_secret(struct avj_serve *serve, struct avj_server_session *session)
{
    char salt[16], setting[CRYPT_GENSALT_OUTPUT_SIZE];
    session->secret = malloc(SECRET_DIGITS + 1);
    if (!session->secret || !avj_random_hex(serve, session->secret, SECRET_DIGITS) ||
        !serve->sink.random(serve->sink.arg, salt, sizeof(salt)) ||
        !crypt_gensalt_rn("$6$", 1000, salt, sizeof(salt), setting, sizeof(setting)))
        return false;
    session->hash = avj_crypt(session->secret, setting);
    return session->hash != NULL;
}

/* In a time that does not depend on where they differ. */
static bool same_secret(const char *a, const char *b)
{
    size_t len = strlen(a);
    if (strlen(b) != len)
        return false;
    unsigned difference = 0;
    for (size_t i = 0; i < len; i++)
        difference |= (unsigned)(a[i] ^ b[i]);
    return difference == 0;
}

static bool verify(struct avj_server_session *session, const char *secret)
{
    if (session->secret)
        return same_secret(session->secret, secret);
    char *hash = strlen(secret) == SECRET_DIGITS ? avj_crypt(secret, session->hash) : NULL;
    bool same = hash && same_secret(hash, session->hash);
    free(hash);
    if (same)
        session->secret = strdup(secret);
    return same;
}

static struct avj_server_session *find_token(struct avj_serve *serve, const char *token, size_t len)
{
    char copy[AVJ_SERVE_ID_TEXT + SECRET_DIGITS + 2];
    if (len >= sizeof(copy))
        return NULL;
    memcpy(copy, token, len);
    copy[len] = '\0';
    char *dot = strchr(copy, '.');
    if (!dot)
        return NULL;
    *dot = '\0';
    struct avj_server_session *session = avj_map_get(&serve->sessions, copy);
    if (!session || session->expire_ms <= serve->now_ms || !verify(session, dot + 1))
        return NULL;
    return session;
}

static struct avj_server_session *from_cookies(struct avj_serve *serve, const char *cookies,
                                               const char *project)
{
    char name[128];
    int name_len = snprintf(name, sizeof(name), "a_session_%s", project);
    if (name_len <= 0 || (size_t)name_len >= sizeof(name))
        return NULL;
    for (const char *at = cookies; at && *at;) {
        at += strspn(at, " ;");
        size_t len = strcspn(at, ";");
        const char *value = memchr(at, '=', len);
        size_t got = value ? (size_t)(value - at) : 0;
        bool named = got >= (size_t)name_len && strncmp(at, name, (size_t)name_len) == 0 &&
                     (got == (size_t)name_len ||
                      (got == (size_t)name_len + 7 && strncmp(at + name_len, "_legacy", 7) == 0));
        struct avj_server_session *session =
            named ? find_token(serve, value + 1, len - got - 1) : NULL;
        if (session)
            return session;
        at += len;
    }
    return NULL;
}

static struct avj_server_session *from_fallback(struct avj_serve *serve, const char *fallback,
                                                const char *project)
{
    char name[128];
    (void)snprintf(name, sizeof(name), "a_session_%s", project);
    json_t *object = json_loads(fallback, 0, NULL);
    const char *token = json_string_value(json_object_get(object, name));
    struct avj_server_session *session = token ? find_token(serve, token, strlen(token)) : NULL;
    json_decref(object);
    return session;
}

void avj_session_identify(struct avj_serve *serve, const struct avj_serve_request *request,
                          struct avj_server_session **session, const char **user, bool *bad_jwt)
{
    const char *project = request->project ? request->project : "";
    *session = NULL;
    *bad_jwt = false;
    if (request->session && request->session[0])
        *session = find_token(serve, request->session, strlen(request->session));
    if (!*session && request->cookie)
        *session = from_cookies(serve, request->cookie, project);
    if (!*session && request->fallback_cookies)
        *session = from_fallback(serve, request->fallback_cookies, project);
    *user = *session ? (*session)->user : NULL;
    if (request->jwt && request->jwt[0]) {
        struct avj_server_jwt *jwt = avj_map_get(&serve->jwts, request->jwt);
        *bad_jwt = !jwt || jwt->expire_ms <= serve->now_ms;
        *user = *bad_jwt ? NULL : jwt->user;
    }
}

bool avj_session_put(struct avj_serve *serve, struct avj_server_session *session)
{
    if (!avj_map_reserve(&serve->sessions, 1)) {
        avj_session_free(session);
        return false;
    }
    avj_session_free(avj_map_take(&serve->sessions, session->id));
    return avj_map_put(&serve->sessions, session->id, session, NULL);
}

enum avj_status avj_session_store(struct avj_serve *serve, const struct avj_server_session *session)
{
    struct avj_pack pack = {0};
    avj_pack_map(&pack, 6);
    avj_pack_cstr(&pack, "user");
    avj_pack_cstr(&pack, session->user);
    avj_pack_cstr(&pack, "provider");
    avj_pack_cstr(&pack, session->provider);
    avj_pack_cstr(&pack, "ip");
    avj_pack_cstr(&pack, session->ip);
    avj_pack_cstr(&pack, "hash");
    avj_pack_cstr(&pack, session->hash);
    avj_pack_cstr(&pack, "created");
    avj_pack_int(&pack, session->created_ms);
    avj_pack_cstr(&pack, "expire");
    avj_pack_int(&pack, session->expire_ms);
    enum avj_status status = avj_state_write(serve, "session", session->id, &pack);
    avj_pack_release(&pack);
    return status;
}

struct avj_server_session *avj_session_unpack(const char *id, struct avj_value value)
{
    struct avj_server_session *session = calloc(1, sizeof(*session));
    if (!session)
        return NULL;
    session->id = strdup(id);
    session->user = avj_unpack_text(value, "user");
    session->provider = avj_unpack_text(value, "provider");
    session->ip = avj_unpack_text(value, "ip");
    session->hash = avj_unpack_text(value, "hash");
    session->created_ms = avj_value_get_int(value, "created", 0);
    session->expire_ms = avj_value_get_int(value, "expire", 0);
    if (!session->id || !session->user || !session->provider || !session->ip || !session->hash) {
        avj_session_free(session);
        return NULL;
    }
    return session;
}

void avj_jwt_free(struct avj_server_jwt *jwt)
{
    if (!jwt)
        return;
    free(jwt->token);
    free(jwt->user);
    free(jwt);
}

static void sweep_jwts(struct avj_serve *serve)
{
    for (size_t i = 0; i < serve->jwts.cap;) {
        struct avj_server_jwt *jwt = avj_map_at(&serve->jwts, i);
        if (jwt && jwt->expire_ms <= serve->now_ms)
            avj_jwt_free(
                avj_map_take(&serve->jwts, jwt->token)); /* may shift another one into slot i */
        else
            i++;
    }
}

const char *avj_jwt_make(struct avj_serve *serve, const char *user)
{
    const size_t size = sizeof(JWT_HEADER) + 2 + 32 + SECRET_DIGITS;
    if (serve->jwts.count >= JWTS_SWEEP)
        sweep_jwts(serve);
    struct avj_server_jwt *jwt = calloc(1, sizeof(*jwt));
    char payload[33], secret[SECRET_DIGITS + 1];
    if (!jwt || !(jwt->token = malloc(size)) || !(jwt->user = strdup(user)) ||
        !avj_random_hex(serve, payload, 32) || !avj_random_hex(serve, secret, SECRET_DIGITS)) {
        avj_jwt_free(jwt);
        return NULL;
    }
    (void)snprintf(jwt->token, size, "%s.%s.%s", JWT_HEADER, payload, secret);
    jwt->expire_ms = serve->now_ms + JWT_LIFE_MS;
    if (!avj_map_put(&serve->jwts, jwt->token, jwt, NULL)) {
        avj_jwt_free(jwt);
        return NULL;
    }
    return jwt->token;
}
