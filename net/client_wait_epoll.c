/* client_wait.h on Linux: epoll(7).  A port to kqueue replaces this one file. */
#include "net/client_wait.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

struct watch {
    int fd; /* -1: free */
    unsigned generation;
    avj_wait_fn *fn;
    void *arg;
};

struct avj_wait {
    int epoll;
    struct watch *watches;
    size_t count;
    unsigned generation;
};

enum { EVENTS_AT_ONCE = 16 };

enum avj_status avj_wait_new(struct avj_wait **out, struct avj_error *err)
{
    struct avj_wait *wait = calloc(1, sizeof *wait);
    if (!wait)
        return avj_fail(err, AVJ_ENOMEM, "out of memory");
    wait->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (wait->epoll < 0) {
        int errnum = errno;
        free(wait);
        return avj_fail_errno(err, errnum, "epoll_create1");
    }
    *out = wait;
    return AVJ_OK;
}

void avj_wait_free(struct avj_wait *wait)
{
    if (!wait)
        return;
    close(wait->epoll);
    free(wait->watches);
    free(wait);
}

static struct watch *find(struct avj_wait *wait, int fd)
{
    for (size_t i = 0; i < wait->count; i++)
        if (wait->watches[i].fd == fd)
            return &wait->watches[i];
    return NULL;
}

static struct watch *slot(struct avj_wait *wait)
{
    struct watch *watch = find(wait, -1);
    if (watch)
        return watch;
    struct watch *grown = realloc(wait->watches, (wait->count + 1) * sizeof *grown);
    if (!grown)
        return NULL;
    wait->watches = grown;
    grown[wait->count] = (struct watch){.fd = -1};
    return &grown[wait->count++];
}

void avj_wait_drop(struct avj_wait *wait, int fd)
{
    struct watch *watch = find(wait, fd);
    if (!watch)
        return;
    /* Already closed descriptors have left the set by themselves: nothing to do about a failure. */
    (void)epoll_ctl(wait->epoll, EPOLL_CTL_DEL, fd, NULL);
    *watch = (struct watch){.fd = -1};
}

enum avj_status avj_wait_set(struct avj_wait *wait, int fd, unsigned events, avj_wait_fn *fn,
                             void *arg)
{
    struct watch *watch = find(wait, fd);
    bool known = watch != NULL;
    if (!known && !(watch = slot(wait)))
        return AVJ_ENOMEM;
    unsigned generation = known ? watch->generation : ++wait->generation;
    struct epoll_event event = {.events = (events & AVJ_WAIT_READ ? (unsigned)EPOLLIN : 0u) |
                                          (events & AVJ_WAIT_WRITE ? (unsigned)EPOLLOUT : 0u),
                                .data.u64 = (uint64_t)generation << 32 | (uint32_t)fd};
    int rc = epoll_ctl(wait->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    /* A descriptor closed and opened again under the same number is new to the kernel. */
    if (rc < 0 && known && errno == ENOENT)
        rc = epoll_ctl(wait->epoll, EPOLL_CTL_ADD, fd, &event);
    if (rc < 0)
        return AVJ_EIO;
    *watch = (struct watch){.fd = fd, .generation = generation, .fn = fn, .arg = arg};
    return AVJ_OK;
}

int avj_wait_fd(const struct avj_wait *wait)
{
    return wait->epoll;
}

static unsigned translate(uint32_t events)
{
    return (events & EPOLLIN ? AVJ_WAIT_READ : 0u) | (events & EPOLLOUT ? AVJ_WAIT_WRITE : 0u) |
           (events & (EPOLLERR | EPOLLHUP) ? AVJ_WAIT_ERROR : 0u);
}

void avj_wait_dispatch(struct avj_wait *wait, int timeout_ms)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int n = epoll_wait(wait->epoll, events, EVENTS_AT_ONCE, timeout_ms);
    for (int i = 0; i < n; i++) {
        int fd = (int)(uint32_t)events[i].data.u64;
        struct watch *watch = find(wait, fd);
        /* An earlier callback may have taken it out, and even put another one under its number. */
        if (watch && watch->generation == (unsigned)(events[i].data.u64 >> 32))
            watch->fn(watch->arg, fd, translate(events[i].events));
    }
}
