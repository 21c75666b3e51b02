/* A password: from the terminal, unseen, or from stdin's first line. */
#include "net/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define PASSWORD_MAX 1024

/*
 * One line, byte by byte, so that nothing behind it is taken from stdin.  -1: nothing came, or the
 * stop was asked for; PASSWORD_MAX: too long.
 */
static int read_line(int file, int stop_fd, char *line)
{
    struct pollfd polls[] = {{file, POLLIN, 0}, {stop_fd, POLLIN, 0}};
    int len = 0;

    while (len < PASSWORD_MAX) {
        char byte;
        if (poll(polls, stop_fd < 0 ? 1 : 2, -1) < 0 && errno != EINTR)
            return -1;
        if (stop_fd >= 0 && polls[1].revents)
            return -1;
        if (!polls[0].revents)
            continue;
        ssize_t n = read(file, &byte, 1);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0 || (n == 0 && len == 0))
            return -1;
        if (n == 0 || byte == '\n')
            break;
        line[len++] = byte;
    }
    if (len && len < PASSWORD_MAX && line[len - 1] == '\r')
        len--;
    return len;
}

static int read_unseen(int terminal, char *line)
{
    struct termios before, quiet;
    struct cli_stop stop;
    struct sigaction ignore, suspend;

    if (cli_stop_install(&stop) != CLI_DONE || tcgetattr(terminal, &before) < 0)
        return -1;
    /* Suspended here, the shell would get a terminal without echo. */
    memset(&ignore, 0, sizeof(ignore));
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGTSTP, &ignore, &suspend);
    quiet = before;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    quiet.c_lflag |= ECHONL;
    int len = -1;
    if (tcsetattr(terminal, TCSAFLUSH, &quiet) == 0) {
        len = read_line(terminal, stop.fd, line);
        tcsetattr(terminal, TCSAFLUSH, &before);
    }
    sigaction(SIGTSTP, &suspend, NULL);
    return len;
}

int cli_password(char **out)
{
    char line[PASSWORD_MAX];
    int len;

    if (isatty(STDIN_FILENO)) {
        fputs("Password: ", stderr);
        fflush(stderr);
        len = read_unseen(STDIN_FILENO, line);
    } else {
        len = read_line(STDIN_FILENO, -1, line);
    }
    int code = CLI_FAILED;
    if (len < 0)
        cli_say("no password was given: type it, or put it on the first line of stdin");
    else if (len == 0)
        cli_say("the password is empty");
    else if (len == PASSWORD_MAX)
        cli_say("the password is longer than %d bytes", PASSWORD_MAX - 1);
    else if (!cli_utf8_valid(line, (size_t)len) || memchr(line, 0, (size_t)len))
        cli_say("the password is no UTF-8 text");
    else if (!(*out = strndup(line, (size_t)len)))
        cli_say("out of memory");
    else
        code = CLI_DONE;
    explicit_bzero(line, sizeof(line));
    return code;
}
