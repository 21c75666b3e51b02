/* See client_realtime.h. */
#include "net/client_realtime.h"
#include "net/client_backoff.h"
#include "net/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum rt_state { RT_OFF, RT_CONNECTING, RT_LIVE };

struct avj_rt {
    const struct avj_appwrite *aw;
    enum rt_state state;
    struct avj_backoff backoff;
    unsigned policy; /* 1008 in a row without a connect between */
    int64_t not_before_ms;
    int64_t since_ms; /* RT_CONNECTING: when it began */
    int64_t frame_ms; /* last frame */
    int64_t ping_ms;  /* last ping */
};

enum avj_status avj_rt_new(const struct avj_appwrite *aw, uint64_t seed, struct avj_rt **out)
{
    struct avj_rt *rt = calloc(1, sizeof *rt);
    if (!rt)
        return AVJ_ENOMEM;
    rt->aw = aw;
    rt->backoff.random = seed;
    *out = rt;
    return AVJ_OK;
}

void avj_rt_free(struct avj_rt *rt)
{
    free(rt);
}

/* ---- the handshake ---- */

static void put_channel(struct avj_text *url, const char *database, const char *kind,
                        const char *collection, const char *rows)
{
    avj_text_puts(url, "&channels%5B%5D=databases.");
    avj_text_escape(url, database, strlen(database));
    avj_text_printf(url, ".%s.", kind);
    avj_text_escape(url, collection, strlen(collection));
    avj_text_printf(url, ".%s", rows);
}

char *avj_rt_url(const struct avj_appwrite *aw)
{
    struct avj_text url = {0};
    /* http becomes ws, https becomes wss */
    avj_text_printf(&url, "ws%s/realtime?project=", aw->endpoint + strlen("http"));
    avj_text_escape(&url, aw->project, strlen(aw->project));
    for (int e = 0; e < AVJ_ENTITIES; e++) {
        put_channel(&url, aw->database, "collections", aw->collections[e], "documents");
        /* One client that listens to the rows spelling silences the other one for everybody (1.8).
         */
        if (aw->version >= AVJ_AW_TRANSACTIONS_FROM)
            put_channel(&url, aw->database, "tables", aw->collections[e], "rows");
    }
    return avj_text_take(&url);
}

char *avj_rt_headers(const struct avj_appwrite *aw)
{
    struct avj_text headers = {0};
    avj_text_printf(&headers, "X-Appwrite-Project: %s\nX-Appwrite-Session: %s\n", aw->project,
                    aw->secret ? aw->secret : "");
    avj_text_printf(&headers, "Cookie: a_session_%s=", aw->project);
    avj_text_escape(&headers, aw->secret ? aw->secret : "", aw->secret ? strlen(aw->secret) : 0);
    avj_text_puts(&headers, "\n");
    return avj_text_take(&headers);
}

/* ---- the life of the socket ---- */

static int64_t later_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static enum avj_rt_action next_live(struct avj_rt *rt, int64_t now_ms, int64_t *until_ms)
{
    int64_t dead = rt->frame_ms + AVJ_RT_DEAD_MS, ping = rt->ping_ms + AVJ_RT_PING_MS;
    if (now_ms >= dead)
        return AVJ_RT_CLOSE;
    if (now_ms >= ping) {
        rt->ping_ms = now_ms;
        return AVJ_RT_PING;
    }
    *until_ms = dead < ping ? dead : ping;
    return AVJ_RT_WAIT;
}

enum avj_rt_action avj_rt_next(struct avj_rt *rt, int64_t now_ms, int64_t *until_ms)
{
    switch (rt->state) {
    case RT_OFF:
        *until_ms = rt->not_before_ms;
        if (now_ms < rt->not_before_ms)
            return AVJ_RT_WAIT;
        rt->state = RT_CONNECTING;
        rt->since_ms = now_ms;
        return AVJ_RT_CONNECT;
    case RT_CONNECTING:
        *until_ms = rt->since_ms + AVJ_RT_CONNECT_MS;
        return now_ms < *until_ms ? AVJ_RT_WAIT : AVJ_RT_CLOSE;
    default:
        return next_live(rt, now_ms, until_ms);
    }
}

void avj_rt_opened(struct avj_rt *rt, int64_t now_ms)
{
    rt->frame_ms = rt->ping_ms = now_ms;
}

bool avj_rt_closed(struct avj_rt *rt, int64_t now_ms)
{
    bool live = rt->state == RT_LIVE;
    int64_t wait = avj_backoff_next(&rt->backoff);
    if (rt->policy > AVJ_RT_POLICY_RETRIES)
        wait = later_of(wait, AVJ_RT_POLICY_WAIT_MS);
    rt->state = RT_OFF;
    rt->not_before_ms = now_ms + wait;
    return live;
}

bool avj_rt_live(const struct avj_rt *rt)
{
    return rt->state == RT_LIVE;
}

/* ---- frames ---- */

static void feed_connected(struct avj_rt *rt, const json_t *data, int64_t now_ms,
                           struct avj_rt_event *event)
{
    const char *user = json_string_value(json_object_get(json_object_get(data, "user"), "$id"));
    if (!user || !rt->aw->user || strcmp(user, rt->aw->user) != 0) {
        event->kind = AVJ_RT_GUEST;
        return;
    }
    rt->state = RT_LIVE;
    rt->policy = 0;
    rt->backoff.tries = 0;
    rt->ping_ms = now_ms;
    event->kind = AVJ_RT_LIVE;
}

static void feed_error(struct avj_rt *rt, const json_t *data, struct avj_rt_event *event)
{
    json_int_t code = json_integer_value(json_object_get(data, "code"));
    const char *message = json_string_value(json_object_get(data, "message"));
    if (code == 1008)
        rt->policy++;
    event->kind = AVJ_RT_REFUSED;
    snprintf(event->message, sizeof event->message, "realtime error %lld: %.120s", (long long)code,
             message ? message : "");
}

/*
 * The action of "PREFIX ID.ACTION" with exactly this id; NULL when the name is another's.
 * Collection names and ids may hold dots: they are compared whole, and what remains is the action.
 */
static const char *action_of(const char *name, const char *database, const char *kind,
                             const char *collection, const char *rows, const char *id)
{
    char prefix[512];
    int len = snprintf(prefix, sizeof prefix, "databases.%s.%s.%s.%s.%s.", database, kind,
                       collection, rows, id);
    if (len < 0 || (size_t)len >= sizeof prefix || strncmp(name, prefix, (size_t)len) != 0)
        return NULL;
    return name + len;
}

static bool known_action(const char *action, bool *deleted)
{
    static const char *const writes[] = {"create", "update", "upsert"};
    *deleted = strcmp(action, "delete") == 0;
    for (size_t i = 0; i < sizeof writes / sizeof *writes; i++)
        if (strcmp(action, writes[i]) == 0)
            return true;
    return *deleted;
}

static void feed_event(struct avj_rt *rt, const json_t *data, struct avj_rt_event *event)
{
    const struct avj_appwrite *aw = rt->aw;
    json_t *payload = json_object_get(data, "payload");
    const char *name = json_string_value(json_array_get(json_object_get(data, "events"), 0));
    const char *id = json_string_value(json_object_get(payload, "$id"));
    for (int e = 0; name && id && e < AVJ_ENTITIES; e++) {
        const char *action =
            action_of(name, aw->database, "collections", aw->collections[e], "documents", id);
        if (!action)
            action = action_of(name, aw->database, "tables", aw->collections[e], "rows", id);
        if (!action || !known_action(action, &event->deleted))
            continue;
        event->kind = AVJ_RT_ROW;
        event->entity = (enum avj_entity)e;
        event->row = json_incref(payload);
        return;
    }
}

void avj_rt_feed(struct avj_rt *rt, const char *text, size_t len, int64_t now_ms,
                 struct avj_rt_event *event)
{
    *event = (struct avj_rt_event){.kind = AVJ_RT_NOTHING};
    rt->frame_ms = now_ms;
    json_t *frame = json_loadb(text, len, JSON_ALLOW_NUL, NULL);
    const char *type = json_string_value(json_object_get(frame, "type"));
    const json_t *data = json_object_get(frame, "data");
    if (type && strcmp(type, "connected") == 0)
        feed_connected(rt, data, now_ms, event);
    else if (type && strcmp(type, "error") == 0)
        feed_error(rt, data, event);
    else if (type && strcmp(type, "event") == 0)
        feed_event(rt, data, event);
    json_decref(frame);
}

void avj_rt_event_release(struct avj_rt_event *event)
{
    json_decref(event->row);
    *event = (struct avj_rt_event){.kind = AVJ_RT_NOTHING};
}
