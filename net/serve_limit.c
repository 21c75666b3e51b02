/* Rate limits: windows aligned to the epoch, one bucket a caller and route. */
#include "net/serve_state.h"

#include <stdlib.h>
#include <string.h>

/* Windows that are over are swept when this many are known. */
#define WINDOWS_SWEEP 4096

static void sweep(struct avj_serve *serve, int64_t now_s)
{
    for (size_t i = 0; i < serve->windows.cap;) {
        struct avj_rate_window *window = avj_map_at(&serve->windows, i);
        if (window && window->end_s <= now_s) {
            (void)avj_map_take(&serve->windows,
                               window->key); /* may shift another one into slot i */
            free(window->key);
            free(window);
        } else {
            i++;
        }
    }
}

void avj_limit_free(struct avj_serve *serve)
{
    sweep(serve, INT64_MAX);
    avj_map_release(&serve->windows);
}

static struct avj_rate_window *find(struct avj_serve *serve, const char *key, int64_t now_s,
                                    unsigned window_s)
{
    struct avj_rate_window *window = avj_map_get(&serve->windows, key);
    if (!window) {
        if (serve->windows.count >= WINDOWS_SWEEP)
            sweep(serve, now_s);
        window = calloc(1, sizeof(*window));
        if (!window || !(window->key = strdup(key)) ||
            !avj_map_put(&serve->windows, window->key, window, NULL)) {
            if (window)
                free(window->key);
            free(window);
            return NULL;
        }
    }
    if (window->end_s <= now_s) {
        window->end_s = now_s - now_s % window_s + window_s;
        window->count = 0;
    }
    return window;
}

bool avj_limit_take(struct avj_call *call, const char *route, const char *who, unsigned limit,
                    unsigned window_s)
{
    struct avj_serve *serve = call->serve;
    if (serve->config.no_rate_limit)
        return true;
    struct avj_text key = {0};
    avj_text_printf(&key, "%s %s %s %s", call->request->method, route, who,
                    call->request->ip ? call->request->ip : "");
    struct avj_rate_window *window =
        key.failed ? NULL : find(serve, key.data, serve->now_ms / 1000, window_s);
    avj_text_release(&key);
    if (!window) {
        avj_answer_server_error(call);
        return false;
    }
    bool allowed = window->count < limit;
    if (allowed)
        window->count++;
    avj_text_printf(
        &call->response->headers,
        "X-Ratelimit-Limit: %u\r\nX-Ratelimit-Remaining: %u\r\nX-Ratelimit-Reset: %lld\r\n", limit,
        limit - window->count, (long long)window->end_s);
    if (!allowed)
        avj_answer_error(call, 429, "general_rate_limit_exceeded",
                         "Rate limit for the current endpoint has been exceeded. Please try again "
                         "after some time.");
    return allowed;
}
