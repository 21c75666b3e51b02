/* The embedded upstream's server: listening, the loop, and libwebsockets' one callback (serve.h).
 */
#include "net/serve.h"

#include "net/serve_private_lws.h"
#include "net/serve_store.h"

#include <libwebsockets.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* A head (request line and headers) may have this many bytes; libwebsockets counts them in 16 bits.
 */
#define HEAD_MAX 65000

static int check_upgrade(struct lws *wsi)
{
    char path[64];
    int len = lws_hdr_copy(wsi, path, sizeof(path), WSI_TOKEN_GET_URI);
    return len > 0 && strcmp(path, "/v1/realtime") == 0 ? 0 : -1;
}

static int on_connection(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                         size_t len)
{
    struct avj_server *server = lws_context_user(lws_get_context(wsi));
    struct avj_connection *connection = user;
    switch (reason) {
    case LWS_CALLBACK_HTTP:
        return avj_http_begin(server, wsi, connection);
    case LWS_CALLBACK_HTTP_BODY:
        return avj_http_body(connection, in, len);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return avj_http_end(server, wsi, connection);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return avj_http_writable(wsi, connection);
    case LWS_CALLBACK_CLOSED_HTTP:
        if (connection) {
            avj_exchange_free(connection->exchange);
            connection->exchange = NULL;
        }
        return 0;
    case LWS_CALLBACK_FILTER_PROTOCOL_CONNECTION:
        return check_upgrade(wsi);
    case LWS_CALLBACK_ESTABLISHED:
        return avj_socket_open(server, wsi, connection);
    case LWS_CALLBACK_RECEIVE:
        return avj_socket_receive(wsi, connection->socket, in, len);
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return avj_socket_writable(wsi, connection->socket);
    case LWS_CALLBACK_CLOSED:
        avj_socket_close(server, connection);
        return 0;
    default:
        return 0;
    }
}

/* The descriptor that tells to stop. */
static int on_stop(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                   size_t len)
{
    struct avj_server *server = lws_context_user(lws_get_context(wsi));
    (void)user;
    (void)in;
    (void)len;
    if (reason == LWS_CALLBACK_RAW_RX_FILE || reason == LWS_CALLBACK_RAW_CLOSE_FILE) {
        server->stopping = true;
        lws_cancel_service(lws_get_context(wsi));
    }
    return 0;
}

static const struct lws_protocols protocols[] = {
    {"http", on_connection, sizeof(struct avj_connection), 65536, 0, NULL, 0},
    {"stop", on_stop, 0, 0, 0, NULL, 0},
    {NULL, NULL, 0, 0, 0, NULL, 0},
};

static struct lws_context *make_context(struct avj_server *server)
{
    struct lws_context_creation_info info;
    memset(&info, 0, sizeof(info));
    info.user = server;
    info.gid = -1;
    info.uid = -1;
    info.options = LWS_SERVER_OPTION_EXPLICIT_VHOSTS;
    info.max_http_header_data2 = HEAD_MAX;
    lws_set_log_level(0, NULL);
    return lws_create_context(&info);
}

static struct lws_vhost *make_listener(struct lws_context *context, const char *host, int port)
{
    struct lws_context_creation_info info;
    memset(&info, 0, sizeof(info));
    info.port = port;
    info.iface = host;
    info.protocols = protocols;
    info.vhost_name = "default";
    info.options = LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND;
    if (!strchr(host, ':'))
        info.options |= LWS_SERVER_OPTION_DISABLE_IPV6;
    info.keepalive_timeout = 60;
    info.timeout_secs = 30;
    info.ka_time = 60;
    info.ka_probes = 3;
    info.ka_interval = 10;
    return lws_create_vhost(context, &info);
}

/* libwebsockets closes what it adopts, and the descriptor is the caller's: a duplicate goes in. */
static bool watch_stop(struct lws_vhost *vhost, int stop_fd)
{
    if (stop_fd <= 0)
        return true;
    lws_sock_file_fd_type fd = {.filefd = dup(stop_fd)};
    if (fd.filefd < 0)
        return false;
    return lws_adopt_descriptor_vhost(vhost, LWS_ADOPT_RAW_FILE_DESC, fd, "stop", NULL) != NULL;
}

static enum avj_status serve_context(struct avj_server *server, struct lws_context *context,
                                     const struct avj_serve_options *options, struct avj_error *err)
{
    const char *host =
        !options->host || strcmp(options->host, "localhost") == 0 ? "127.0.0.1" : options->host;
    errno = 0;
    struct lws_vhost *vhost = make_listener(context, host, options->port);
    if (!vhost)
        return avj_fail(err, AVJ_EIO,
                        "cannot listen on %s port %d: the port is taken or the address is not this "
                        "machine's; choose another with --listen",
                        host, options->port);
    if (!watch_stop(vhost, options->stop_fd))
        return avj_fail(err, AVJ_ENOMEM, "cannot watch for the order to stop");
    if (options->listening)
        options->listening(options->listening_arg, host, lws_get_vhost_listen_port(vhost));
    while (!server->stopping && !(options->stop && *options->stop))
        if (lws_service(context, 0) < 0)
            break;
    return AVJ_OK;
}

static enum avj_status serve_state(struct avj_serve *serve, const struct avj_serve_options *options,
                                   struct avj_error *err)
{
    struct avj_server server = {.serve = serve};
    struct lws_context *context = make_context(&server);
    if (!context)
        return avj_fail(err, AVJ_ENOMEM, "cannot make the server: out of memory");
    enum avj_status status = serve_context(&server, context, options, err);
    lws_context_destroy(context);
    return status;
}

enum avj_status avj_serve_run(struct avj_store *store, const struct avj_serve_options *options,
                              struct avj_error *err)
{
    struct avj_serve_config config = {.project = options->project,
                                      .no_rate_limit = options->no_rate_limit};
    struct avj_serve *serve;
    int lock;
    enum avj_status status = avj_serve_lock(store, &lock, err);
    if (status != AVJ_OK)
        return status;
    if (options->deployment)
        config.deployment = *options->deployment;
    status = avj_serve_open(store, &config, &serve, err);
    if (status == AVJ_OK) {
        status = serve_state(serve, options, err);
        avj_serve_free(serve);
    }
    (void)close(lock);
    return status;
}
