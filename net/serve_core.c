/* The embedded upstream's life: making it, and what the realtime side asks of it (serve_core.h). */
#include "net/serve_state.h"

#include <stdlib.h>
#include <string.h>

struct avj_serve *avj_serve_new(const struct avj_serve_config *config,
                                const struct avj_serve_sink *sink)
{
    struct avj_serve *serve = calloc(1, sizeof(*serve));
    if (!serve)
        return NULL;
    serve->config = *config;
    serve->sink = *sink;
    avj_serve_schema_init(&serve->schema, &config->deployment);
    return serve;
}

#define FREE_ALL(map, type, release)                                                               \
    do {                                                                                           \
        for (size_t i = 0; i < (map)->cap; i++)                                                    \
            release((type *)avj_map_at((map), i));                                                 \
        avj_map_release(map);                                                                      \
    } while (0)

void avj_serve_free(struct avj_serve *serve)
{
    if (!serve)
        return;
    FREE_ALL(&serve->tables, struct avj_server_table, avj_server_table_free);
    FREE_ALL(&serve->sessions, struct avj_server_session, avj_session_free);
    FREE_ALL(&serve->jwts, struct avj_server_jwt, avj_jwt_free);
    FREE_ALL(&serve->transactions, struct avj_transaction, avj_tx_free);
    avj_map_release(&serve->emails);
    FREE_ALL(&serve->users, struct avj_server_user, avj_user_free);
    avj_limit_free(serve);
    free(serve);
}

void avj_serve_response_release(struct avj_serve_response *response)
{
    avj_text_release(&response->headers);
    avj_text_release(&response->body);
    for (size_t i = 0; i < response->event_count; i++)
        avj_event_release(&response->events[i]);
    free(response->events);
    memset(response, 0, sizeof(*response));
}

bool avj_serve_project_known(const struct avj_serve *serve, const char *project)
{
    return avj_valid_id(project) &&
           (!serve->config.project || strcmp(serve->config.project, project) == 0);
}

bool avj_serve_origin_known(const char *origin)
{
    static const char *const hosts[] = {"localhost", "127.0.0.1", "[::1]"};
    if (!origin || !origin[0])
        return true;
    const char *host = strstr(origin, "://");
    host = host ? host + 3 : origin;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        size_t len = strlen(hosts[i]);
        if (strncmp(host, hosts[i], len) == 0 &&
            (!host[len] ||
             (host[len] == ':' && host[len + 1 + strspn(host + len + 1, "0123456789")] == '\0')))
            return true;
    }
    return false;
}

const char *avj_serve_who(struct avj_serve *serve, const struct avj_serve_request *request,
                          int64_t now_ms)
{
    struct avj_server_session *session;
    const char *user;
    bool bad_jwt;
    if (now_ms > serve->now_ms)
        serve->now_ms = now_ms;
    avj_session_identify(serve, request, &session, &user, &bad_jwt);
    return user;
}
