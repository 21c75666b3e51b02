/* The HTTP transport against a server of bare sockets, which answers by path. */
#include "tests/support/cases.h"

#include "net/client_http.h"
#include "net/client_wait.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct rig {
    pid_t server;
    int port;
    struct avj_wait *wait;
    struct avj_http *http;
    struct avj_error err;
};

/* ---- the server, in a process of its own ---- */

static void put(int fd, const char *text)
{
    if (write(fd, text, strlen(text)) < 0)
        _exit(0);
}

/* More than any answer may have. */
static void put_endless(int fd)
{
    static char block[1 << 16];
    memset(block, 'x', sizeof block);
    put(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    for (size_t sent = 0; sent < AVJ_HTTP_BODY_MAX + sizeof block; sent += sizeof block)
        if (write(fd, block, sizeof block) < 0)
            return;
}

/* Gives back the request itself as the body. */
static void put_echo(int fd, const char *request)
{
    char head[128];
    snprintf(head, sizeof head,
             "HTTP/1.1 201 Created\r\nX-Answer: yes\r\nContent-Length: %zu\r\n\r\n",
             strlen(request));
    put(fd, head);
    put(fd, request);
}

/* False: the connection ends here. */
static bool answer(int fd, const char *request)
{
    if (strstr(request, " /moved "))
        put(fd, "HTTP/1.1 301 Moved\r\nLocation: /secret\r\nContent-Length: 0\r\n\r\n");
    else if (strstr(request, " /endless "))
        put_endless(fd);
    else if (strstr(request, " /cut "))
        put(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
    else if (strstr(request, " /silent "))
        (void)!read(fd, (char[1]){0}, 1); /* until the client gives up */
    else if (strstr(request, " /empty "))
        put(fd, "HTTP/1.1 204 No Content\r\n\r\n");
    else
        put_echo(fd, request);
    return !strstr(request, " /endless ") && !strstr(request, " /cut ") &&
           !strstr(request, " /silent ");
}

/* Reads one request: the head, and a body of Content-Length bytes. */
static bool read_request(int fd, char *text, size_t size)
{
    size_t len = 0;
    for (;;) {
        ssize_t n = read(fd, text + len, size - 1 - len);
        if (n <= 0)
            return false;
        len += (size_t)n;
        text[len] = '\0';
        const char *end = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");
        size_t body = length ? (size_t)atoi(length + 16) : 0;
        if (end && strlen(end + 4) >= body)
            return true;
    }
}

static void serve(int listener)
{
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        char request[8192];
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            _exit(0);
        if (fork() == 0) {
            while (read_request(fd, request, sizeof request) && answer(fd, request))
                ;
            _exit(0);
        }
        close(fd);
    }
}

static int listen_on_loopback(int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) || listen(fd, 8) ||
        getsockname(fd, (struct sockaddr *)&at, &len))
        abort();
    *port = ntohs(at.sin_port);
    return fd;
}

static int setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    int listener = listen_on_loopback(&rig->port);
    rig->server = fork();
    if (rig->server == 0) {
        setpgid(0, 0);
        signal(SIGCHLD, SIG_IGN);
        serve(listener);
    }
    setpgid(rig->server, rig->server);
    close(listener);
    *state = rig;
    if (avj_wait_new(&rig->wait, &rig->err))
        return -1;
    struct avj_http_options options = {.wait = rig->wait, .timeout_ms = 20000};
    return avj_http_new(&options, &rig->http, &rig->err) ? -1 : 0;
}

static int teardown(void **state)
{
    struct rig *rig = *state;
    avj_http_free(rig->http);
    avj_wait_free(rig->wait);
    kill(-rig->server, SIGKILL); /* it and its connections */
    waitpid(rig->server, NULL, 0);
    free(rig);
    return 0;
}

/* ---- asking ---- */

static void start(struct rig *rig, const char *method, const char *path, const char *body,
                  uint64_t token)
{
    char url[128], headers[] = "X-Secret: s\nContent-Type: application/json\n";
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", rig->port, path);
    struct avj_http_request request = {
        .method = method, .url = url, .headers = headers, .body = (char *)(uintptr_t)body};
    assert_ok(avj_http_start(rig->http, &request, token, &rig->err), rig->err);
}

static uint64_t finish(struct rig *rig, struct avj_http_answer *answer)
{
    uint64_t token;
    while (!avj_http_take(rig->http, &token, answer)) {
        avj_wait_dispatch(rig->wait, avj_http_timeout_ms(rig->http));
        avj_http_tick(rig->http);
    }
    return token;
}

static void ask(struct rig *rig, const char *path, struct avj_http_answer *answer)
{
    start(rig, "GET", path, NULL, 7);
    assert_int_equal(finish(rig, answer), 7);
    assert_int_equal(avj_http_running(rig->http), 0);
}

static void a_request_arrives_as_it_was_made(void **state)
{
    struct rig *rig = *state;
    struct avj_http_answer answer;
    size_t len;
    start(rig, "PATCH", "/echo", "{\"a\":1}", 1);
    assert_int_equal(finish(rig, &answer), 1);
    assert_int_equal(answer.status, 201);
    assert_contains(answer.body, "PATCH /echo HTTP/1.1\r\n");
    assert_contains(answer.body, "\r\nX-Secret: s\r\n");
    assert_contains(answer.body, "\r\nUser-Agent: avchat-journal/");
    assert_contains(answer.body, "\r\nContent-Length: 7\r\n");
    assert_contains(answer.body, "\r\n\r\n{\"a\":1}");
    assert_null(strstr(answer.body, "Expect:"));
    assert_null(strstr(answer.body, "Origin:"));
    assert_non_null(avj_http_header(&answer, "x-answer", 0, &len));
    assert_int_equal(len, 3);
    avj_http_answer_release(&answer);
}

static void several_are_under_way_at_once(void **state)
{
    struct rig *rig = *state;
    bool seen[8] = {false};
    for (uint64_t i = 0; i < 8; i++)
        start(rig, "GET", "/echo", NULL, i);
    assert_int_equal(avj_http_running(rig->http), 8);
    for (int i = 0; i < 8; i++) {
        struct avj_http_answer answer;
        uint64_t token = finish(rig, &answer);
        assert_in_range(token, 0, 7);
        assert_false(seen[token]);
        seen[token] = true;
        assert_int_equal(answer.status, 201);
        avj_http_answer_release(&answer);
    }
}

static void a_redirect_is_an_answer_and_not_followed(void **state)
{
    struct rig *rig = *state;
    struct avj_http_answer answer;
    ask(rig, "/moved", &answer);
    assert_int_equal(answer.status, 301);
    avj_http_answer_release(&answer);
}

static void an_empty_answer_has_no_body(void **state)
{
    struct rig *rig = *state;
    struct avj_http_answer answer;
    start(rig, "DELETE", "/empty", NULL, 1);
    (void)finish(rig, &answer);
    assert_int_equal(answer.status, 204);
    assert_int_equal(answer.body_len, 0);
    avj_http_answer_release(&answer);
}

static void an_answer_without_end_is_cut_off(void **state)
{
    struct rig *rig = *state;
    struct avj_http_answer answer;
    ask(rig, "/endless", &answer);
    assert_int_equal(answer.status, 0);
    assert_true(answer.too_large);
    assert_true(answer.body_len <= AVJ_HTTP_BODY_MAX);
    avj_http_answer_release(&answer);
}

/* Half an answer is none: nobody may believe half a list. */
static void half_an_answer_is_none(void **state)
{
    struct rig *rig = *state;
    struct avj_http_answer answer;
    ask(rig, "/cut", &answer);
    assert_int_equal(answer.status, 0);
    assert_true(answer.error[0]);
    avj_http_answer_release(&answer);
}

static void silence_is_an_error_after_the_timeout(void **state)
{
    struct rig *rig = *state;
    struct avj_http_answer answer;
    struct avj_http_options options = {.wait = rig->wait, .timeout_ms = 50};
    avj_http_free(rig->http);
    assert_ok(avj_http_new(&options, &rig->http, &rig->err), rig->err);
    ask(rig, "/silent", &answer);
    assert_int_equal(answer.status, 0);
    assert_contains(answer.error, "timed out");
    avj_http_answer_release(&answer);
}

static void nobody_listening_is_an_error_that_says_so(void **state)
{
    struct rig *rig = *state;
    struct avj_http_answer answer;
    kill(-rig->server, SIGKILL);
    waitpid(rig->server, NULL, 0);
    rig->server = fork(); /* for teardown to end */
    if (rig->server == 0) {
        setpgid(0, 0);
        for (;;)
            pause();
    }
    setpgid(rig->server, rig->server);
    ask(rig, "/echo", &answer);
    assert_int_equal(answer.status, 0);
    assert_contains(answer.error, "connect");
    avj_http_answer_release(&answer);
}

static void a_file_is_no_server(void **state)
{
    struct rig *rig = *state;
    struct avj_http_answer answer;
    char url[] = "file:///etc/passwd", headers[] = "";
    struct avj_http_request request = {.method = "GET", .url = url, .headers = headers};
    assert_ok(avj_http_start(rig->http, &request, 1, &rig->err), rig->err);
    (void)finish(rig, &answer);
    assert_int_equal(answer.status, 0);
    assert_int_equal(answer.body_len, 0);
    avj_http_answer_release(&answer);
}

static void leaving_in_the_middle_leaves_nothing_behind(void **state)
{
    struct rig *rig = *state;
    start(rig, "GET", "/silent", NULL, 1);
    avj_wait_dispatch(rig->wait, avj_http_timeout_ms(rig->http));
    avj_http_tick(rig->http);
    assert_int_equal(avj_http_running(rig->http), 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_request_arrives_as_it_was_made),
        CASE(several_are_under_way_at_once),
        CASE(a_redirect_is_an_answer_and_not_followed),
        CASE(an_empty_answer_has_no_body),
        CASE(an_answer_without_end_is_cut_off),
        CASE(half_an_answer_is_none),
        CASE(silence_is_an_error_after_the_timeout),
        CASE(nobody_listening_is_an_error_that_says_so),
        CASE(a_file_is_no_server),
        CASE(leaving_in_the_middle_leaves_nothing_behind),
    };
    return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
