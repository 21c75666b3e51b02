/*
 * What the engine waits with: one wait set, HTTP, and a websocket where there is one; and a clock
 * that does not jump. Threading: one thread.
 */
#ifndef AVJ_NET_CLIENT_LOOP_H
#define AVJ_NET_CLIENT_LOOP_H

#include "net/client_appwrite.h"
#include "net/client_http.h"
#include "net/client_wait.h"
#include "net/client_ws.h"

struct avj_loop {
    struct avj_wait *wait;
    struct avj_http *http;
    struct avj_ws *ws; /* NULL: none */
    int64_t offset_ms; /* wall clock at the start minus steady clock */
};

AVJ_CHECKED enum avj_status avj_loop_init(struct avj_loop *loop, unsigned timeout_ms,
                                          struct avj_error *err);
void avj_loop_release(struct avj_loop *loop);
/* Milliseconds since 1970 as the wall clock had it at the start; steady from there, through sleep
 * as well. */
int64_t avj_loop_now(const struct avj_loop *loop);
/* Waits until something is ready or until_ms (-1: for ever), and lets everyone do what is due. */
void avj_loop_wait(struct avj_loop *loop, int64_t until_ms);
/* One request, waited for.  The result is the caller's to release; `answer` (may be NULL) too. */
void avj_loop_ask(struct avj_loop *loop, const struct avj_http_request *request,
                  struct avj_aw_result *result, struct avj_http_answer *answer);

#endif
