/*
 * One place to wait for everything: curl's sockets, the journal's wake-ups, the stop descriptor.
 * The set is itself a descriptor, so that a websocket library with a loop of its own can wait for
 * it beside its own sockets.
 *
 * Threading: one thread a set.  Lifetime: descriptors are borrowed; take them out before closing
 * them.
 */
#ifndef AVJ_NET_CLIENT_WAIT_H
#define AVJ_NET_CLIENT_WAIT_H

#include "journal/status.h"

#include <stdint.h>

enum { AVJ_WAIT_READ = 1, AVJ_WAIT_WRITE = 2, AVJ_WAIT_ERROR = 4 };

struct avj_wait;
typedef void avj_wait_fn(void *arg, int fd, unsigned events);

AVJ_CHECKED enum avj_status avj_wait_new(struct avj_wait **out, struct avj_error *err);
void avj_wait_free(struct avj_wait *wait);
/* Watches fd for `events`; when they come, fn is called from avj_wait_dispatch. */
AVJ_CHECKED enum avj_status avj_wait_set(struct avj_wait *wait, int fd, unsigned events,
                                         avj_wait_fn *fn, void *arg);
/* Watches it no longer. */
void avj_wait_drop(struct avj_wait *wait, int fd);
/* Polls readable while something in the set is ready. */
int avj_wait_fd(const struct avj_wait *wait);
/* Waits up to timeout_ms (-1: for ever, 0: not at all) and calls what is ready.  A signal ends the
 * wait early. */
void avj_wait_dispatch(struct avj_wait *wait, int timeout_ms);

#endif
