/* events_wait.h on Linux: epoll(7) over an inotify watch of its own (other readers of the journal
 * in this process empty theirs) and a timerfd. */
#include "replay/events_wait.h"
#include "journal/wake.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

static bool add(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static void close_one(int fd)
{
    if (fd >= 0)
        close(fd);
}

/* Whatever errno says, it is not about the disk. */
static enum avj_status no_descriptor(struct avj_events_wait *wait, const char *what, int errnum,
                                     struct avj_error *err)
{
    char reason[128];
    bool limit = errnum == EMFILE || errnum == ENFILE || errnum == ENOSPC;
    avj_events_wait_close(wait);
    return avj_fail(err, AVJ_EIO, "subscribe: %s: %s%s", what,
                    limit ? "limit reached" : strerror_r(errnum, reason, sizeof(reason)),
                    limit ? ": raise `ulimit -n` or fs.inotify.max_user_instances" : "");
}

enum avj_status avj_events_wait_open(struct avj_events_wait *wait, const char *journal_path,
                                     struct avj_error *err)
{
    *wait = (struct avj_events_wait){.fd = -1, .wake = -1, .timer = -1};
    wait->wake = avj_wake_open(journal_path);
    if (wait->wake < 0)
        return no_descriptor(wait, "inotify", errno, err);
    wait->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (wait->timer < 0)
        return no_descriptor(wait, "timerfd", errno, err);
    wait->fd = epoll_create1(EPOLL_CLOEXEC);
    if (wait->fd < 0 || !add(wait->fd, wait->wake) || !add(wait->fd, wait->timer))
        return no_descriptor(wait, "epoll", errno, err);
    return AVJ_OK;
}

void avj_events_wait_close(struct avj_events_wait *wait)
{
    close_one(wait->fd);
    close_one(wait->timer);
    close_one(wait->wake);
    *wait = (struct avj_events_wait){.fd = -1, .wake = -1, .timer = -1};
}

bool avj_events_wait_drain(struct avj_events_wait *wait)
{
    return avj_wake_drain(wait->wake);
}

void avj_events_wait_alarm(struct avj_events_wait *wait, int64_t after_ms)
{
    struct itimerspec when = {.it_value = {0, 0}}; /* all zero: never */
    if (after_ms >= 0) {
        when.it_value.tv_sec = (time_t)(after_ms / 1000);
        when.it_value.tv_nsec = (long)(after_ms % 1000) * 1000000;
    }
    if (after_ms == 0)
        when.it_value.tv_nsec = 1;
    /* Setting it also makes one that has gone off unreadable. */
    int rc = timerfd_settime(wait->timer, 0, &when, NULL);
    assert(rc == 0); /* fails for wrong arguments only, timerfd_settime(2) */
    (void)rc;
}
