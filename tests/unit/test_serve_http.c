/*
 * The embedded upstream over real connections: framing, sizes, many at once, Realtime, and how it
 * ends.
 */
#include "net/serve.h"
#include "tests/support/files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <errno.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define DOCUMENTS  "/v1/databases/main/collections/messages/documents"
#define ANSWER_MAX ((size_t)32 * 1024 * 1024)
#define SILENCE_S  60 /* only a failure waits that long */

/* ---- a server in a process of its own ---- */

struct server {
    char *folder, *journal;
    int port, stop_fd;
    pid_t pid;
    char token[160];
};

static void on_listening(void *arg, const char *host, int port)
{
    (void)host;
    if (write(*(int *)arg, &port, sizeof(port)) != sizeof(port))
        _exit(9);
}

/* Serves until the other end of stop_fd is closed. */
static enum avj_status serve(const char *journal, int stop_fd, int port_fd, int port,
                             struct avj_error *err)
{
    struct avj_store *store;
    enum avj_status status = avj_store_open(journal, NULL, &store, err);
    if (status != AVJ_OK)
        return status;
    const struct avj_serve_options options = {.stop_fd = stop_fd,
                                              .port = port,
                                              .no_rate_limit = true,
                                              .listening = on_listening,
                                              .listening_arg = &port_fd};
    status = avj_serve_run(store, &options, err);
    avj_store_close(store);
    return status;
}

static void child(const struct server *server, int stop_fd, int port_fd)
{
    struct avj_error err = {0};
    enum avj_status status = serve(server->journal, stop_fd, port_fd, 0, &err);
    if (status != AVJ_OK)
        (void)fprintf(stderr, "%s\n", err.message);
    exit(status == AVJ_OK ? 0 : 1);
}

static void start(struct server *server)
{
    int stop[2], port[2];
    assert_int_equal(pipe(stop), 0);
    assert_int_equal(pipe(port), 0);
    server->pid = fork();
    assert_true(server->pid >= 0);
    if (server->pid == 0) {
        (void)close(stop[1]);
        (void)close(port[0]);
        child(server, stop[0], port[1]);
    }
    (void)close(stop[0]);
    (void)close(port[1]);
    assert_int_equal(read(port[0], &server->port, sizeof(server->port)), sizeof(server->port));
    (void)close(port[0]);
    server->stop_fd = stop[1];
}

static void stop(struct server *server)
{
    int status = 0;
    (void)close(server->stop_fd); /* the other end becomes readable */
    assert_int_equal(waitpid(server->pid, &status, 0), server->pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- a client ---- */

struct answer {
    int status;
    char *head, *body; /* body points behind head, in the same memory */
    size_t len;
};

static int dial(const struct server *server)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)server->port)};
    const struct timeval silence = {.tv_sec = SILENCE_S};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof(silence)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void send_all(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        assert_true(sent > 0);
        data += sent;
        len -= (size_t)sent;
    }
}

static void send_head(const struct server *server, int fd, const char *method, const char *target,
                      const char *more, long long body_len)
{
    char head[2048];
    int len = snprintf(head, sizeof(head),
                       "%s %s HTTP/1.1\r\nHost: localhost\r\nX-Appwrite-Project: p\r\n%s%s%s%s"
                       "Content-Length: %lld\r\n\r\n",
                       method, target, server->token[0] ? "X-Appwrite-Session: " : "",
                       server->token, server->token[0] ? "\r\n" : "", more, body_len);
    assert_true(len > 0 && (size_t)len < sizeof(head));
    send_all(fd, head, (size_t)len);
}

/* Reads one answer; exactly its bytes. */
static struct answer receive(int fd)
{
    struct answer answer = {.head = malloc(ANSWER_MAX)};
    size_t len = 0;
    assert_non_null(answer.head);
    while (len < 4 || memcmp(answer.head + len - 4, "\r\n\r\n", 4) != 0) {
        assert_int_equal(recv(fd, answer.head + len, 1, 0), 1);
        assert_true(++len < 65536);
    }
    answer.head[len - 1] = '\0';
    assert_int_equal(sscanf(answer.head, "HTTP/1.1 %d ", &answer.status), 1);
    const char *length = strcasestr(answer.head, "\r\nContent-Length:");
    answer.len = length ? (size_t)strtoull(length + 17, NULL, 10) : 0;
    answer.body = answer.head + len;
    assert_true(len + answer.len + 1 < ANSWER_MAX);
    for (size_t got = 0; got < answer.len;) {
        ssize_t more = recv(fd, answer.body + got, answer.len - got, 0);
        assert_true(more > 0);
        got += (size_t)more;
    }
    answer.body[answer.len] = '\0';
    return answer;
}

static struct answer ask(const struct server *server, int fd, const char *method,
                         const char *target, const char *body)
{
    send_head(server, fd, method, target, "Content-Type: application/json\r\n",
              body ? (long long)strlen(body) : 0);
    if (body)
        send_all(fd, body, strlen(body));
    return receive(fd);
}

static void ask_for(const struct server *server, int fd, const char *method, const char *target,
                    const char *body, int status)
{
    struct answer answer = ask(server, fd, method, target, body);
    if (answer.status != status)
        print_error("%s %s: %s\n", method, target, answer.body);
    assert_int_equal(answer.status, status);
    free(answer.head);
}

static bool is_closed(int fd)
{
    char byte;
    for (;;) {
        ssize_t got = recv(fd, &byte, 1, 0);
        if (got <= 0)
            return got == 0 || errno == ECONNRESET;
    }
}

static char *message(const char *id, size_t content)
{
    char *text = malloc(content + 400);
    assert_non_null(text);
    int len = snprintf(text, 400,
                       "{\"documentId\":\"%s\",\"data\":{\"messageId\":\"%s\",\"threadId\":\"t\","
                       "\"userId\":\"u\",\"role\":\"user\",\"content\":\"",
                       id, id);
    memset(text + len, 'x', content);
    (void)snprintf(text + (size_t)len + content, 8, "\"}}");
    return text;
}

static void log_in(struct server *server)
{
    int fd = dial(server);
    ask_for(server, fd, "POST", "/v1/account",
            "{\"userId\":\"u\",\"email\":\"u@example.com\",\"password\":\"password-1\"}", 201);
    struct answer answer = ask(server, fd, "POST", "/v1/account/sessions/email",
                               "{\"email\":\"u@example.com\",\"password\":\"password-1\"}");
    assert_int_equal(answer.status, 201);
    const char *cookie = strstr(answer.head, "Set-Cookie: a_session_p=");
    assert_non_null(cookie);
    cookie += strlen("Set-Cookie: a_session_p=");
    size_t len = strcspn(cookie, ";");
    assert_true(len < sizeof(server->token));
    memcpy(server->token, cookie, len);
    free(answer.head);
    (void)close(fd);
}

static int setup(void **state)
{
    struct avj_error err = {0};
    struct server *server = calloc(1, sizeof(*server));
    assert_non_null(server);
    server->folder = test_dir_new();
    server->journal = test_path(server->folder, "journal");
    assert_int_equal(avj_store_create(server->journal, NULL, NULL, &err), AVJ_OK);
    start(server);
    log_in(server);
    *state = server;
    return 0;
}

static int teardown(void **state)
{
    struct server *server = *state;
    stop(server);
    free(server->journal);
    test_dir_free(server->folder);
    free(server);
    return 0;
}

/* ---- HTTP ---- */

static void a_connection_serves_many_requests(void **state)
{
    struct server *server = *state;
    int fd = dial(server);
    for (unsigned i = 0; i < 50; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "m%u", i);
        char *text = message(id, 10);
        ask_for(server, fd, "POST", DOCUMENTS, text, 201);
        free(text);
        ask_for(server, fd, "GET", DOCUMENTS "/nope", NULL, 404);
    }
    ask_for(server, fd, "DELETE", DOCUMENTS "/m7", NULL, 204);
    ask_for(server, fd, "OPTIONS", DOCUMENTS, NULL, 204);
    struct answer answer = ask(server, fd, "GET", "/v1/health/version", NULL);
    assert_string_equal(answer.body, "{\"version\":\"1.8.1\"}");
    assert_non_null(strstr(answer.head, "\r\nDate: "));
    assert_non_null(strstr(answer.head, "\r\nContent-Type: application/json; charset=UTF-8\r\n"));
    free(answer.head);
    (void)close(fd);
}

static void queries_arrive_decoded(void **state)
{
    struct server *server = *state;
    int fd = dial(server);
    ask_for(server, fd, "POST", DOCUMENTS,
            "{\"documentId\":\"q\",\"data\":{\"messageId\":\"q\",\"threadId\":\"t\",\"userId\":"
            "\"u\",\"role\":\"user\",\"content\":\"a&b=c+d%25 \\u00e9\"}}",
            201);
    struct answer answer =
        ask(server, fd, "GET",
            DOCUMENTS "?queries%5B0%5D=%7B%22method%22%3A%22equal%22%2C%22attribute%22%3A%22content"
                      "%22%2C%22values%22%3A%5B%22a%26b%3Dc%2Bd%2525%20%C3%A9%22%5D%7D",
            NULL);
    assert_int_equal(answer.status, 200);
    assert_memory_equal(answer.body, "{\"total\":1,", 11);
    free(answer.head);
    (void)close(fd);
}

static void large_bodies_go_in_and_come_out_whole(void **state)
{
    struct server *server = *state;
    int fd = dial(server);
    const size_t size = 1000000;
    for (unsigned i = 0; i < 12; i++) {
        char id[16];
        (void)snprintf(id, sizeof(id), "big%u", i);
        char *text = message(id, size);
        ask_for(server, fd, "POST", DOCUMENTS, text, 201);
        free(text);
    }
    struct answer answer = ask(server, fd, "GET", DOCUMENTS, NULL);
    assert_int_equal(answer.status, 200);
    assert_true(answer.len > 12 * size);
    assert_string_equal(answer.body + answer.len - 2, "]}");
    assert_int_equal(strlen(answer.body), answer.len);
    free(answer.head);
    (void)close(fd);
}

static void a_client_that_waits_for_100_is_told_to_go_on(void **state)
{
    struct server *server = *state;
    int fd = dial(server);
    char *text = message("waited", 2000), interim[25];
    send_head(server, fd, "POST", DOCUMENTS, "Expect: 100-continue\r\n", (long long)strlen(text));
    assert_int_equal(recv(fd, interim, sizeof(interim), MSG_WAITALL), sizeof(interim));
    assert_memory_equal(interim, "HTTP/1.1 100 Continue\r\n\r\n", sizeof(interim));
    send_all(fd, text, strlen(text));
    struct answer answer = receive(fd);
    assert_int_equal(answer.status, 201);
    free(answer.head);
    free(text);
    (void)close(fd);
}

static void a_body_over_12_mib_is_refused_with_an_empty_413(void **state)
{
    struct server *server = *state;
    int fd = dial(server);
    send_head(server, fd, "POST", DOCUMENTS, "", 12 * 1024 * 1024 + 1);
    struct answer answer = receive(fd);
    assert_int_equal(answer.status, 413);
    assert_int_equal(answer.len, 0);
    free(answer.head);
    (void)close(fd);
    fd = dial(server);
    ask_for(server, fd, "GET", "/v1/account", NULL, 200);
    (void)close(fd);
}

static void nonsense_harms_nobody_else(void **state)
{
    static const char *const nonsense[] = {
        "\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "POST /v1/account HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "GET /v1/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /v1/account HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    };
    struct server *server = *state;
    for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
        int fd = dial(server);
        send_all(fd, nonsense[i], strlen(nonsense[i]));
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        assert_true(is_closed(fd));
        (void)close(fd);
        fd = dial(server);
        ask_for(server, fd, "GET", "/v1/health/version", NULL, 200);
        (void)close(fd);
    }
}

static void many_connections_are_served_side_by_side(void **state)
{
    enum { CONNECTIONS = 200 };
    struct server *server = *state;
    int fds[CONNECTIONS];
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        fds[i] = dial(server);
        send_head(server, fds[i], "GET", "/v1/account", "", 0);
    }
    for (unsigned i = CONNECTIONS; i-- > 0;) {
        struct answer answer = receive(fds[i]);
        assert_int_equal(answer.status, 200);
        free(answer.head);
        (void)close(fds[i]);
    }
}

/* ---- Realtime ---- */

static int upgrade(const struct server *server, const char *target, bool *taken)
{
    char text[1024];
    int fd = dial(server), len = snprintf(text, sizeof(text),
                                          "GET %s HTTP/1.1\r\nHost: localhost\r\n"
                                          "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                                          "Sec-WebSocket-Version: 13\r\n"
                                          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                                          "Cookie: a_session_p=%s\r\n\r\n",
                                          target, server->token);
    send_all(fd, text, (size_t)len);
    char first[12] = {0};
    *taken = recv(fd, first, sizeof(first), MSG_WAITALL) == sizeof(first) &&
             memcmp(first, "HTTP/1.1 101", sizeof(first)) == 0;
    for (uint32_t last = 0; *taken && last != 0x0d0a0d0a;) {
        unsigned char byte;
        assert_int_equal(recv(fd, &byte, 1, 0), 1);
        last = last << 8 | byte;
    }
    return fd;
}

/* One text frame of the server's (which are not masked); the caller frees it.  NULL: the end. */
static char *frame(int fd)
{
    unsigned char head[2], more[8];
    if (recv(fd, head, 2, MSG_WAITALL) != 2 || head[0] != 0x81)
        return NULL;
    size_t len = head[1], extra = len == 126 ? 2 : len == 127 ? 8 : 0;
    assert_int_equal(recv(fd, more, extra, MSG_WAITALL), extra);
    if (extra)
        len = 0;
    for (size_t i = 0; i < extra; i++)
        len = len << 8 | more[i];
    assert_true(len < ANSWER_MAX);
    char *text = malloc(len + 1);
    assert_non_null(text);
    assert_int_equal(recv(fd, text, len, MSG_WAITALL), len);
    text[len] = '\0';
    return text;
}

static void say(int fd, const char *text, size_t len)
{
    unsigned char head[14] = {0x81, 0x80 | 127};
    for (unsigned i = 0; i < 8; i++)
        head[2 + i] = (unsigned char)((uint64_t)len >> (56 - 8 * i));
    send_all(fd, (const char *)head, sizeof(head)); /* masked with zeros */
    send_all(fd, text, len);
}

static void expect_frame(int fd, const char *part)
{
    char *text = frame(fd);
    assert_non_null(text);
    if (!strstr(text, part))
        fail_msg("%s is not in %.300s", part, text);
    free(text);
}

#define REALTIME "/v1/realtime?project=p&channels[]=databases.main.collections.messages.documents"

static void sockets_hear_what_is_written(void **state)
{
    struct server *server = *state;
    enum { SOCKETS = 20 };
    int sockets[SOCKETS], http = dial(server);
    bool taken;
    for (unsigned i = 0; i < SOCKETS; i++) {
        sockets[i] = upgrade(server, REALTIME, &taken);
        assert_true(taken);
        expect_frame(sockets[i], "\"user\":{\"$id\":\"u\"");
    }
    char *big = message("big", 300000), *small = message("small", 1);
    ask_for(server, http, "POST", DOCUMENTS, big, 201);
    ask_for(server, http, "POST", DOCUMENTS, small, 201);
    ask_for(server, http, "DELETE", DOCUMENTS "/big", NULL, 204);
    for (unsigned i = 0; i < SOCKETS; i++) {
        expect_frame(sockets[i], ".documents.big.create\"");
        expect_frame(sockets[i], ".documents.small.create\"");
        expect_frame(sockets[i], ".documents.big.delete\"");
        say(sockets[i], "{\"type\":\"ping\"}", 15);
        expect_frame(sockets[i], "{\"type\":\"pong\"}");
        (void)close(sockets[i]);
    }
    /* The sockets are gone, and nobody is in the way of the next event. */
    ask_for(server, http, "DELETE", DOCUMENTS "/small", NULL, 204);
    (void)close(http);
    free(big);
    free(small);
}

static void a_socket_that_breaks_the_rules_is_closed(void **state)
{
    struct server *server = *state;
    bool taken;
    int fd = upgrade(server, "/v1/realtime?project=p", &taken);
    assert_true(taken);
    expect_frame(fd, "\"code\":1008");
    assert_true(is_closed(fd));
    (void)close(fd);
    fd = upgrade(server, "/v1/elsewhere", &taken);
    assert_false(taken);
    (void)close(fd);
    fd = upgrade(server, REALTIME, &taken);
    expect_frame(fd, "connected");
    char *long_message = calloc(1, 64001);
    assert_non_null(long_message);
    memset(long_message, ' ', 64000);
    memcpy(long_message, "{\"type\":\"ping\"}", 15);
    say(fd, long_message, 64000);
    expect_frame(fd, "pong");
    say(fd, long_message, 64001);
    assert_true(is_closed(fd));
    free(long_message);
    (void)close(fd);
}

/* ---- beginning and end ---- */

static void what_was_answered_survives_a_kill(void **state)
{
    struct server *server = *state;
    int status, fd = dial(server);
    char *text = message("kept", 10);
    ask_for(server, fd, "POST", DOCUMENTS, text, 201);
    free(text);
    assert_int_equal(kill(server->pid, SIGKILL), 0);
    assert_int_equal(waitpid(server->pid, &status, 0), server->pid);
    (void)close(fd);
    (void)close(server->stop_fd);
    start(server);
    fd = dial(server);
    ask_for(server, fd, "GET", DOCUMENTS "/kept", NULL, 200); /* with the same session */
    (void)close(fd);
}

static void two_servers_on_one_journal_or_one_port_are_refused(void **state)
{
    struct server *server = *state;
    struct avj_error err = {0};
    assert_int_equal(serve(server->journal, -1, -1, 0, &err), AVJ_ELOCKED);
    assert_non_null(strstr(err.message, "already serves"));
    char *other = test_path(server->folder, "other");
    assert_int_equal(avj_store_create(other, NULL, NULL, &err), AVJ_OK);
    assert_int_equal(serve(other, -1, -1, server->port, &err), AVJ_EIO);
    assert_non_null(strstr(err.message, "the port is taken"));
    free(other);
}

static void a_journal_with_an_upstream_is_none_itself(void **state)
{
    struct server *server = *state;
    struct avj_error err = {0};
    const struct avj_upstream upstream = {.endpoint = "https://example.com/v1",
                                          .project = "p",
                                          .database = "d",
                                          .collections = {"t", "m", "s", "p"}};
    char *other = test_path(server->folder, "client");
    assert_int_equal(avj_store_create(other, &upstream, NULL, &err), AVJ_OK);
    assert_int_equal(serve(other, -1, -1, 0, &err), AVJ_EINVAL);
    assert_non_null(strstr(err.message, "https://example.com/v1"));
    free(other);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(a_connection_serves_many_requests),
        CASE(queries_arrive_decoded),
        CASE(large_bodies_go_in_and_come_out_whole),
        CASE(a_client_that_waits_for_100_is_told_to_go_on),
        CASE(a_body_over_12_mib_is_refused_with_an_empty_413),
        CASE(nonsense_harms_nobody_else),
        CASE(many_connections_are_served_side_by_side),
        CASE(sockets_hear_what_is_written),
        CASE(a_socket_that_breaks_the_rules_is_closed),
        CASE(what_was_answered_survives_a_kill),
        CASE(two_servers_on_one_journal_or_one_port_are_refused),
        CASE(a_journal_with_an_upstream_is_none_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
