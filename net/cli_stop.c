/* Signals that ask to end, as a flag and as a descriptor to poll (the self-pipe of D. J.
 * Bernstein). */
#include "net/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* Where there is no descriptor that tells of appends, time must do. */
#define POLL_WITHOUT_WAKE_MS 250

static volatile sig_atomic_t stop_asked;
static int stop_pipe[2] = {-1, -1};

static void on_signal(int number)
{
    int saved = errno;

    (void)number;
    stop_asked = 1;
    ssize_t ignored = write(stop_pipe[1], "", 1);
    (void)ignored;
    errno = saved;
}

int cli_stop_install(struct cli_stop *stop)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction action, old;

    if (stop_pipe[0] < 0 && pipe2(stop_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
        return cli_fail("no pipe can be made: %s", strerror(errno));
    memset(&action, 0, sizeof(action));
    action.sa_handler = on_signal;
    /* A second signal does what it always does: the way out of a stop that hangs. */
    action.sa_flags = (int)SA_RESETHAND;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
        /* What the caller has switched off (nohup, a shell's background) stays off. */
        if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(numbers[i], &action, NULL);
    }
    stop->flag = &stop_asked;
    stop->fd = stop_pipe[0];
    return CLI_DONE;
}

bool cli_stop_wait(const struct cli_stop *stop, int fd)
{
    /* events 0: only that the reader of a pipe has gone is reported. */
    struct pollfd polls[] = {{stop->fd, POLLIN, 0}, {STDOUT_FILENO, 0, 0}, {fd, POLLIN, 0}};

    int ready = poll(polls, 3, fd < 0 ? POLL_WITHOUT_WAKE_MS : -1);
    if (*stop->flag || (ready > 0 && polls[0].revents))
        return false;
    return !(ready > 0 && (polls[1].revents & (POLLERR | POLLNVAL)));
}
