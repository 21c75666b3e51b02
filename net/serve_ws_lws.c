/* Realtime sockets on libwebsockets: queues of frames that sockets share. */
#include "net/serve_private_lws.h"

#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>

static struct avj_frame *frame_new(const char *data, size_t len)
{
    struct avj_frame *frame = malloc(sizeof(*frame) + LWS_PRE + len);
    if (!frame)
        return NULL;
    frame->refs = 1;
    frame->len = len;
    memcpy(frame->data + LWS_PRE, data, len);
    return frame;
}

static void frame_unref(struct avj_frame *frame)
{
    if (frame && --frame->refs == 0)
        free(frame);
}

/* A frame that cannot be queued ends the connection: the client would miss it without knowing. */
static void drop(struct avj_socket *socket)
{
    lws_set_timeout(socket->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_ASYNC);
}

static void enqueue(struct avj_socket *socket, struct avj_frame *frame)
{
    struct avj_queued *queued = frame && socket->queued + frame->len <= AVJ_SOCKET_QUEUE_MAX
                                    ? calloc(1, sizeof(*queued))
                                    : NULL;
    if (!queued) {
        drop(socket);
        return;
    }
    queued->frame = frame;
    frame->refs++;
    if (socket->last)
        socket->last->next = queued;
    else
        socket->first = queued;
    socket->last = queued;
    socket->queued += frame->len;
    (void)lws_callback_on_writable(socket->wsi);
}

static void enqueue_text(struct avj_socket *socket, const struct avj_text *text)
{
    struct avj_frame *frame = text->failed ? NULL : frame_new(text->data, text->len);
    enqueue(socket, frame);
    frame_unref(frame);
}

static struct avj_queued *dequeue(struct avj_socket *socket)
{
    struct avj_queued *queued = socket->first;
    if (!queued)
        return NULL;
    socket->first = queued->next;
    if (!socket->first)
        socket->last = NULL;
    socket->queued -= queued->frame->len;
    return queued;
}

int avj_socket_open(struct avj_server *server, struct lws *wsi, struct avj_connection *connection)
{
    struct avj_exchange *handshake = avj_exchange_new(wsi);
    struct avj_socket *socket = handshake ? calloc(1, sizeof(*socket)) : NULL;
    struct avj_text frame = {0};
    if (socket) {
        socket->wsi = wsi;
        socket->realtime = avj_realtime_open(server->serve, &handshake->request,
                                             avj_server_now_ms(), &frame, &socket->close);
    }
    avj_exchange_free(handshake);
    if (!socket || !socket->realtime) {
        free(socket);
        avj_text_release(&frame);
        return -1;
    }
    connection->socket = socket;
    socket->next = server->sockets;
    server->sockets = socket;
    enqueue_text(socket, &frame);
    avj_text_release(&frame);
    return 0;
}

int avj_socket_receive(struct lws *wsi, struct avj_socket *socket, const char *data, size_t len)
{
    if (!socket || lws_frame_is_binary(wsi) || len > AVJ_REALTIME_MESSAGE_MAX - socket->message.len)
        return -1;
    avj_text_add(&socket->message, data, len);
    if (socket->message.failed)
        return -1;
    if (!lws_is_final_fragment(wsi) || lws_remaining_packet_payload(wsi) > 0)
        return 0;
    struct avj_text frame = {0};
    avj_realtime_message(socket->realtime, socket->message.data ? socket->message.data : "",
                         socket->message.len, avj_server_now_ms(), &frame);
    avj_text_reset(&socket->message);
    if (frame.len || frame.failed)
        enqueue_text(socket, &frame);
    avj_text_release(&frame);
    return 0;
}

int avj_socket_writable(struct lws *wsi, struct avj_socket *socket)
{
    struct avj_queued *queued = socket ? dequeue(socket) : NULL;
    if (!queued)
        return 0;
    int written = lws_write(wsi, queued->frame->data + LWS_PRE, queued->frame->len, LWS_WRITE_TEXT);
    frame_unref(queued->frame);
    free(queued);
    if (written < 0 || (socket->close && !socket->first))
        return -1;
    if (socket->first)
        (void)lws_callback_on_writable(wsi);
    return 0;
}

void avj_socket_close(struct avj_server *server, struct avj_connection *connection)
{
    struct avj_socket *socket = connection->socket;
    if (!socket)
        return;
    for (struct avj_socket **at = &server->sockets; *at; at = &(*at)->next)
        if (*at == socket) {
            *at = socket->next;
            break;
        }
    for (struct avj_queued *queued; (queued = dequeue(socket));) {
        frame_unref(queued->frame);
        free(queued);
    }
    avj_realtime_free(socket->realtime);
    avj_text_release(&socket->message);
    free(socket);
    connection->socket = NULL;
}

void avj_socket_publish(struct avj_server *server, const struct avj_serve_event *event)
{
    struct avj_frame *frame = NULL;
    for (struct avj_socket *socket = server->sockets; socket; socket = socket->next) {
        if (socket->close || !avj_realtime_wants(socket->realtime, event))
            continue;
        if (!frame)
            frame = frame_new(event->frame, event->len);
        enqueue(socket, frame);
    }
    frame_unref(frame);
}
