/*
 * What a subscription waits for: one descriptor that polls readable when the journal was written
 * to, or when its alarm has gone off.  events_wait_epoll.c is Linux's; a port to kqueue replaces
 * that one file.
 *
 * Threading: one thread a struct.
 */
#ifndef AVJ_EVENTS_WAIT_H
#define AVJ_EVENTS_WAIT_H

#include "journal/status.h"

#include <stdint.h>

struct avj_events_wait {
    int fd;          /* to be polled for reading, no more */
    int wake, timer; /* inside it */
};

/* AVJ_EIO: no descriptor is to be had. */
AVJ_CHECKED enum avj_status avj_events_wait_open(struct avj_events_wait *wait,
                                                 const char *journal_path, struct avj_error *err);
void avj_events_wait_close(struct avj_events_wait *wait);
/* Takes the journal's wake-ups out; false: there were none. */
bool avj_events_wait_drain(struct avj_events_wait *wait);
/* The one alarm: readable after_ms from now until it is set anew; 0: at once; -1: never. */
void avj_events_wait_alarm(struct avj_events_wait *wait, int64_t after_ms);

#endif
