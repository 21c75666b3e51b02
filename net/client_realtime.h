/*
 * Realtime: when to connect, ping, give up and come back, and what a frame says.  No sockets, no
 * clock.
 *
 * A live socket is no proof of completeness (frames are sent once, unnumbered, and can be lost
 * while the socket stays open): whoever uses this sweeps after every connect and now and then
 * besides.
 *
 * Threading: one thread.  Lifetime: borrows aw until avj_rt_free.
 */
#ifndef AVJ_NET_CLIENT_REALTIME_H
#define AVJ_NET_CLIENT_REALTIME_H

#include "net/client_appwrite.h"

struct avj_rt;

enum {
    AVJ_RT_PING_MS = 20000,         /* as the SDK does; 32 messages a minute are allowed */
    AVJ_RT_DEAD_MS = 45000,         /* without a frame: two pings unanswered */
    AVJ_RT_CONNECT_MS = 15000,      /* for the handshake and the first frame */
    AVJ_RT_POLICY_RETRIES = 5,      /* 1008 right after connecting can be a race of the server's */
    AVJ_RT_POLICY_WAIT_MS = 300000, /* afterwards it is meant: come back slowly */
};

enum avj_rt_action { AVJ_RT_WAIT, AVJ_RT_CONNECT, AVJ_RT_PING, AVJ_RT_CLOSE };

enum avj_rt_event_kind {
    AVJ_RT_NOTHING, /* pong, unknown, not about our collections */
    AVJ_RT_LIVE,    /* events flow from here on: sweep now */
    AVJ_RT_GUEST,   /* the server does not know the session: ask, then stop */
    AVJ_RT_ROW,     /* a row was written or deleted */
    AVJ_RT_REFUSED, /* an error frame */
};

struct avj_rt_event {
    enum avj_rt_event_kind kind;
    enum avj_entity entity;
    bool deleted;
    json_t *row;       /* owned; release with avj_rt_event_release */
    char message[200]; /* AVJ_RT_REFUSED */
};

AVJ_CHECKED enum avj_status avj_rt_new(const struct avj_appwrite *aw, uint64_t seed,
                                       struct avj_rt **out);
void avj_rt_free(struct avj_rt *rt);

/* "wss://host/v1/realtime?project=...", malloc'd; both spellings of every channel where the server
 * has both.  NULL: memory ran out. */
char *avj_rt_url(const struct avj_appwrite *aw);
/* The handshake's headers, malloc'd, as struct avj_http_request's. */
char *avj_rt_headers(const struct avj_appwrite *aw);

/* What to do now.  AVJ_RT_WAIT: nothing before *until_ms. */
enum avj_rt_action avj_rt_next(struct avj_rt *rt, int64_t now_ms, int64_t *until_ms);
void avj_rt_opened(struct avj_rt *rt, int64_t now_ms);
/* The socket is gone, or never came.  True when it had been live: events may have been missed. */
bool avj_rt_closed(struct avj_rt *rt, int64_t now_ms);
void avj_rt_feed(struct avj_rt *rt, const char *text, size_t len, int64_t now_ms,
                 struct avj_rt_event *event);
void avj_rt_event_release(struct avj_rt_event *event);
bool avj_rt_live(const struct avj_rt *rt);

#endif
