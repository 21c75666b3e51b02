/* Lines of a descriptor: see cli_lines.h. */
#include "net/cli_lines.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_AT_ONCE ((size_t)256 * 1024)

static enum avj_status make_room(struct cli_lines *lines)
{
    if (lines->begin) {
        memmove(lines->data, lines->data + lines->begin, lines->end - lines->begin);
        lines->end -= lines->begin;
        lines->begin = 0;
    }
    if (lines->end < lines->cap)
        return AVJ_OK;
    if (lines->cap > CLI_LINE_MAX)
        return AVJ_ETOOBIG;
    size_t cap = lines->cap ? lines->cap * 2 : READ_AT_ONCE;
    if (cap > CLI_LINE_MAX)
        cap = CLI_LINE_MAX + 1; /* with its newline */
    char *data = realloc(lines->data, cap);
    if (!data)
        return AVJ_ENOMEM;
    lines->data = data;
    lines->cap = cap;
    return AVJ_OK;
}

static enum avj_status read_more(struct cli_lines *lines)
{
    ssize_t n;
    enum avj_status status = make_room(lines);

    if (status != AVJ_OK)
        return status;
    do
        n = read(lines->file, lines->data + lines->end, lines->cap - lines->end);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return AVJ_EIO;
    lines->ended = n == 0;
    lines->end += (size_t)n;
    return AVJ_OK;
}

static const char *newline(struct cli_lines *lines)
{
    size_t from = lines->begin + lines->looked;
    const char *found =
        lines->end > from ? memchr(lines->data + from, '\n', lines->end - from) : NULL;

    if (!found)
        lines->looked = lines->end - lines->begin;
    return found;
}

enum avj_status cli_lines_next(struct cli_lines *lines, const char **line, size_t *len)
{
    const char *found;

    while (!(found = newline(lines)) && !lines->ended) {
        enum avj_status status = read_more(lines);
        if (status != AVJ_OK)
            return status;
    }
    if (!found && lines->begin == lines->end)
        return AVJ_END;
    *line = lines->data + lines->begin;
    *len = found ? (size_t)(found - *line) : lines->end - lines->begin;
    lines->begin += *len + (found ? 1 : 0);
    lines->looked = 0;
    return AVJ_OK;
}

bool cli_lines_would_wait(struct cli_lines *lines)
{
    struct pollfd polled = {lines->file, POLLIN, 0};

    return !lines->ended && !newline(lines) && poll(&polled, 1, 0) == 0;
}

void cli_lines_release(struct cli_lines *lines)
{
    free(lines->data);
}
