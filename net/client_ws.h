/*
 * A websocket for the client.  It waits for its own sockets and for a wait set (client_wait.h) in
 * one system call.
 *
 * Threading: one thread.  Lifetime: the callbacks come from avj_ws_service and avj_ws_connect; they
 * must not free the ws.  Names are resolved by the system's blocking resolver.
 */
#ifndef AVJ_NET_CLIENT_WS_H
#define AVJ_NET_CLIENT_WS_H

#include "net/client_wait.h"

#include <stddef.h>

/* Largest text message that is taken; a longer one closes the socket (a sweep brings what it said).
 */
#define AVJ_WS_MESSAGE_MAX ((size_t)16 * 1024 * 1024)

struct avj_ws;

struct avj_ws_events {
    void *arg;
    void (*opened)(void *arg);
    void (*text)(void *arg, const char *text, size_t len);
    void (*closed)(void *arg, const char *why); /* once for every connect that began */
};

AVJ_CHECKED enum avj_status avj_ws_new(struct avj_wait *wait, const struct avj_ws_events *events,
                                       struct avj_ws **out, struct avj_error *err);
void avj_ws_free(struct avj_ws *ws); /* calls nothing */

/* Begins a connect; url and headers ("Name: value\n" lines) are copied.  Errors: AVJ_EINVAL (no
 * ws:// or wss:// URL), AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status avj_ws_connect(struct avj_ws *ws, const char *url, const char *headers,
                                           struct avj_error *err);
/* Queues a short text message (up to 4 KiB); the last one queued wins. */
void avj_ws_send(struct avj_ws *ws, const char *text);
/* Drops the connection; `closed` is called. */
void avj_ws_close(struct avj_ws *ws);
/* Waits up to timeout_ms (0: not at all) for the socket, its timers and the wait set; does the
 * socket's work. */
void avj_ws_service(struct avj_ws *ws, int timeout_ms);

#endif
