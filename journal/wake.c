/* Waking readers: a descriptor that polls readable when any process wrote to a segment or made one.
 */
#include "journal/private.h"

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
        close(fd);
        return -1;
    }
    return fd;
}

void avj_wake_drain(int fd)
{
    char events[4096];
    while (read(fd, events, sizeof(events)) > 0)
        continue;
}
#else
int avj_wake_open(const char *path)
{
    (void)path;
    return -1;
}

void avj_wake_drain(int fd)
{
    (void)fd;
}
#endif
