/* Realtime sockets (serve_realtime.h). */
#include "net/serve_realtime.h"

#include "net/serve_perms.h"

#include <stdlib.h>
#include <string.h>

enum { ERROR_MESSAGE = 1003, ERROR_POLICY = 1008 };

struct avj_realtime {
    struct avj_serve *serve;
    char *project, *user;     /* user NULL: a guest */
    struct avj_text channels; /* NUL-terminated texts, one after the other */
};

void avj_realtime_free(struct avj_realtime *socket)
{
    if (!socket)
        return;
    free(socket->project);
    free(socket->user);
    avj_text_release(&socket->channels);
    free(socket);
}

/* In production the real server gives this text for every error. */
static void error_frame(struct avj_text *frame, int code)
{
    avj_text_printf(
        frame, "{\"type\":\"error\",\"data\":{\"code\":%d,\"message\":\"Error: Server Error\"}}",
        code);
}

static const char *arg(const struct avj_serve_request *request, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < request->arg_count; i++)
        if (strncmp(request->args[i], name, len) == 0 && request->args[i][len] == '=')
            return request->args[i] + len + 1;
    return NULL;
}

static void add_channel(struct avj_realtime *socket, const char *name)
{
    avj_text_add(&socket->channels, name, strlen(name) + 1);
}

/* The channels asked for; "account" brings the user's own with it. */
static void take_channels(struct avj_realtime *socket, const struct avj_serve_request *request)
{
    for (size_t i = 0; i < request->arg_count; i++) {
        const char *value =
            strncmp(request->args[i], "channels[", 9) == 0 ? strstr(request->args[i], "]=") : NULL;
        if (!value || !value[2])
            continue;
        add_channel(socket, value + 2);
        if (socket->user && strcmp(value + 2, "account") == 0) {
            avj_text_puts(&socket->channels, "account.");
            add_channel(socket, socket->user);
        }
    }
}

static bool set_user(struct avj_realtime *socket, const char *user)
{
    char *copy = user ? strdup(user) : NULL;
    if (user && !copy)
        return false;
    free(socket->user);
    socket->user = copy;
    return true;
}

static void user_json(const struct avj_realtime *socket, struct avj_text *frame)
{
    if (!socket->user || !avj_serve_user_json(socket->serve, socket->user, frame))
        avj_text_puts(frame, "null");
}

static void connected_frame(const struct avj_realtime *socket, struct avj_text *frame)
{
    avj_text_puts(frame, "{\"type\":\"connected\",\"data\":{\"channels\":");
    avj_perms_json(frame, socket->channels.data,
                   socket->channels.len); /* the same form: texts in a row */
    avj_text_puts(frame, ",\"user\":");
    user_json(socket, frame);
    avj_text_puts(frame, "}}");
}

/* Valid UTF-8 or not: the text goes back to the client in a text frame. */
static bool channels_valid(const struct avj_text *channels)
{
    for (size_t at = 0; at < channels->len; at += strlen(channels->data + at) + 1) {
        json_t *text = json_string(channels->data + at);
        json_decref(text);
        if (!text)
            return false;
    }
    return channels->len > 0;
}

struct avj_realtime *avj_realtime_open(struct avj_serve *serve,
                                       const struct avj_serve_request *request, int64_t now_ms,
                                       struct avj_text *frame, bool *close)
{
    struct avj_serve_request handshake = *request;
    struct avj_realtime *socket = calloc(1, sizeof(*socket));
    if (!socket)
        return NULL;
    if (arg(request, "project"))
        handshake.project = arg(request, "project");
    socket->serve = serve;
    /* Without any project the real server connects a guest who never hears anything. */
    bool named = handshake.project && handshake.project[0],
         known = !named || avj_serve_project_known(serve, handshake.project);
    socket->project = strdup(named ? handshake.project : "");
    bool done = socket->project &&
                set_user(socket, named && known ? avj_serve_who(serve, &handshake, now_ms) : NULL);
    take_channels(socket, request);
    if (!done || socket->channels.failed) {
        avj_realtime_free(socket);
        return NULL;
    }
    *close =
        !known || !channels_valid(&socket->channels) || !avj_serve_origin_known(request->origin);
    if (*close)
        error_frame(frame, ERROR_POLICY);
    else
        connected_frame(socket, frame);
    return socket;
}

static void authenticate(struct avj_realtime *socket, const json_t *data, int64_t now_ms,
                         struct avj_text *frame)
{
    const char *token = json_string_value(json_object_get(data, "session"));
    const struct avj_serve_request request = {.project = socket->project, .session = token};
    const char *user =
        token && socket->project[0] ? avj_serve_who(socket->serve, &request, now_ms) : NULL;
    if (!user || !set_user(socket, user)) {
        error_frame(frame, ERROR_MESSAGE);
        return;
    }
    avj_text_puts(
        frame,
        "{\"type\":\"response\",\"data\":{\"to\":\"authentication\",\"success\":true,\"user\":");
    user_json(socket, frame);
    avj_text_puts(frame, "}}");
}

void avj_realtime_message(struct avj_realtime *socket, const char *data, size_t len, int64_t now_ms,
                          struct avj_text *frame)
{
    json_t *message = json_loadb(data, len, 0, NULL);
    const char *type = json_string_value(json_object_get(message, "type"));
    if (type && strcmp(type, "ping") == 0)
        avj_text_puts(frame, "{\"type\":\"pong\"}");
    else if (type && strcmp(type, "authentication") == 0)
        authenticate(socket, json_object_get(message, "data"), now_ms, frame);
    else
        error_frame(frame, ERROR_MESSAGE);
    json_decref(message);
}

static bool listens(const struct avj_realtime *socket, const struct avj_serve_event *event)
{
    for (size_t at = 0; at < socket->channels.len; at += strlen(socket->channels.data + at) + 1)
        for (size_t i = 0; i < event->channels_len; i += strlen(event->channels + i) + 1)
            if (strcmp(socket->channels.data + at, event->channels + i) == 0)
                return true;
    return false;
}

bool avj_realtime_wants(const struct avj_realtime *socket, const struct avj_serve_event *event)
{
    if (!socket->project[0] || !listens(socket, event))
        return false;
    return (event->users && socket->user) ||
           avj_perms_allow(event->perms, event->perms_len, "read", socket->user);
}
