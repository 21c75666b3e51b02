/* What the libwebsockets side of the embedded upstream shares; private to serve_*_lws.c. */
#ifndef AVJ_SERVE_PRIVATE_LWS_H
#define AVJ_SERVE_PRIVATE_LWS_H

#include "net/serve_core.h"
#include "net/serve_realtime.h"

/* A client that does not take its frames is dropped when this much waits for it. */
#define AVJ_SOCKET_QUEUE_MAX ((size_t)64 * 1024 * 1024)

struct lws;
struct avj_socket;

struct avj_server {
    struct avj_serve *serve;
    struct avj_socket *sockets; /* those that are connected */
    bool stopping;
};

/* A frame that several sockets send. */
struct avj_frame {
    unsigned refs;
    size_t len;
    unsigned char data[]; /* LWS_PRE bytes of room, then the frame */
};

struct avj_queued {
    struct avj_frame *frame;
    struct avj_queued *next;
};

struct avj_socket {
    struct lws *wsi;
    struct avj_realtime *realtime;
    struct avj_socket *next;
    struct avj_queued *first, *last;
    size_t queued;
    bool close;              /* when the queue is empty */
    struct avj_text message; /* received so far */
};

/* One HTTP exchange. */
struct avj_exchange {
    struct avj_serve_request request;
    struct avj_text strings; /* what the request points into */
    char **args;
    struct avj_text body;
    struct avj_text answer; /* LWS_PRE bytes of room, head and body */
    size_t sent;
    bool refused; /* the body is too large: it is read and thrown away */
    bool hang_up; /* the connection can not be kept */
    char ip[48];
};

/* Of every connection; libwebsockets zeroes it. */
struct avj_connection {
    struct avj_exchange *exchange;
    struct avj_socket *socket;
};

/* serve_request_lws.c: the request's headers; false: out of memory.  Free with avj_exchange_free.
 */
struct avj_exchange *avj_exchange_new(struct lws *wsi);
void avj_exchange_free(struct avj_exchange *exchange);

/* Callbacks: 0, or non-zero to close the connection. */
int avj_http_begin(struct avj_server *server, struct lws *wsi, struct avj_connection *connection);
int avj_http_body(struct avj_connection *connection, const char *data, size_t len);
int avj_http_end(struct avj_server *server, struct lws *wsi, struct avj_connection *connection);
int avj_http_writable(struct lws *wsi, struct avj_connection *connection);

int avj_socket_open(struct avj_server *server, struct lws *wsi, struct avj_connection *connection);
int avj_socket_receive(struct lws *wsi, struct avj_socket *socket, const char *data, size_t len);
int avj_socket_writable(struct lws *wsi, struct avj_socket *socket);
void avj_socket_close(struct avj_server *server, struct avj_connection *connection);
/* Hands an event to every socket that wants it. */
void avj_socket_publish(struct avj_server *server, const struct avj_serve_event *event);

int64_t avj_server_now_ms(void);

#endif
