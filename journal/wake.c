/* Waking readers: see wake.h. */
#include "journal/wake.h"
#include "journal/private.h"

#include <errno.h>
#include <stdio.h>

#if defined(__linux__)
#include <sys/inotify.h>
#include <unistd.h>

int avj_wake_open(const char *path)
{
    char dir[AVJ_PATH_MAX];
    snprintf(dir, sizeof(dir), "%s/segments", path);
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0)
        return -1;
    if (inotify_add_watch(fd, dir, IN_MODIFY | IN_MOVED_TO) < 0) {
        int errnum = errno;
        close(fd);
        errno = errnum;
        return -1;
    }
    return fd;
}

bool avj_wake_drain(int fd)
{
    char events[4096];
    bool any = false;
    while (read(fd, events, sizeof(events)) > 0)
        any = true;
    return any;
}
#else
int avj_wake_open(const char *path)
{
    (void)path;
    errno = ENOSYS;
    return -1;
}

bool avj_wake_drain(int fd)
{
    (void)fd;
    return false;
}
#endif
