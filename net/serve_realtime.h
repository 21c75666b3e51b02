/*
 * Realtime without I/O: one object a socket; handshake, messages and events in, frames out.
 *
 * Unlike the real server, sockets do not shadow each other: every socket that listens to one of an
 * event's channels, and whose user may read the row, gets one frame.
 *
 * Threading: the server's thread.
 */
#ifndef AVJ_SERVE_REALTIME_H
#define AVJ_SERVE_REALTIME_H

#include "net/serve_core.h"

/* A longer message closes the socket. */
#define AVJ_REALTIME_MESSAGE_MAX 64000

struct avj_realtime;

/*
 * A socket has connected: `request` is its handshake.  *frame gets the first frame; with *close
 * true the connection ends behind it. NULL: out of memory.
 */
struct avj_realtime *avj_realtime_open(struct avj_serve *serve,
                                       const struct avj_serve_request *request, int64_t now_ms,
                                       struct avj_text *frame, bool *close);
void avj_realtime_free(struct avj_realtime *socket);

/* A text message came.  *frame gets the answer; empty: there is none. */
void avj_realtime_message(struct avj_realtime *socket, const char *data, size_t len, int64_t now_ms,
                          struct avj_text *frame);

/* Whether this socket receives the event's frame. */
bool avj_realtime_wants(const struct avj_realtime *socket, const struct avj_serve_event *event);

#endif
