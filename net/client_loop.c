/* See client_loop.h. */
#include "net/client_loop.h"

#include <stdio.h>
#include <time.h>

#ifdef CLOCK_BOOTTIME
#define STEADY_CLOCK CLOCK_BOOTTIME /* goes on while the machine sleeps */
#else
#define STEADY_CLOCK CLOCK_MONOTONIC
#endif

static int64_t clock_ms(clockid_t clock)
{
    struct timespec now = {0};
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

enum avj_status avj_loop_init(struct avj_loop *loop, unsigned timeout_ms, struct avj_error *err)
{
    *loop = (struct avj_loop){.offset_ms = clock_ms(CLOCK_REALTIME) - clock_ms(STEADY_CLOCK)};
    enum avj_status status = avj_wait_new(&loop->wait, err);
    struct avj_http_options options = {.wait = loop->wait, .timeout_ms = timeout_ms};
    if (!status)
        status = avj_http_new(&options, &loop->http, err);
    if (status)
        avj_loop_release(loop);
    return status;
}

void avj_loop_release(struct avj_loop *loop)
{
    avj_ws_free(loop->ws);
    avj_http_free(loop->http);
    avj_wait_free(loop->wait);
    *loop = (struct avj_loop){0};
}

int64_t avj_loop_now(const struct avj_loop *loop)
{
    return clock_ms(STEADY_CLOCK) + loop->offset_ms;
}

void avj_loop_wait(struct avj_loop *loop, int64_t until_ms)
{
    int timeout = avj_http_timeout_ms(loop->http);
    if (until_ms >= 0) {
        int64_t left = until_ms - avj_loop_now(loop);
        int most = left < 0 ? 0 : left > 3600000 ? 3600000 : (int)left;
        timeout = timeout < 0 || most < timeout ? most : timeout;
    }
    if (loop->ws) {
        avj_ws_service(loop->ws, timeout);
        timeout = 0;
    }
    avj_wait_dispatch(loop->wait, timeout);
    avj_http_tick(loop->http);
}

void avj_loop_ask(struct avj_loop *loop, const struct avj_http_request *request,
                  struct avj_aw_result *result, struct avj_http_answer *answer)
{
    struct avj_http_answer own = {0};
    struct avj_error err = {0};
    uint64_t token;
    if (avj_http_start(loop->http, request, 0, &err))
        snprintf(own.error, sizeof own.error, "%.200s", err.message);
    else
        while (!avj_http_take(loop->http, &token, &own))
            avj_loop_wait(loop, -1);
    avj_aw_decode(&own, result);
    if (answer)
        *answer = own;
    else
        avj_http_answer_release(&own);
}
