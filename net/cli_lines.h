/*
 * Lines of a descriptor, each at most CLI_LINE_MAX bytes, in memory bounded by that.
 * Threading: one thread.  Lifetime: a line is borrowed until the next call.
 */
#ifndef AVJ_CLI_LINES_H
#define AVJ_CLI_LINES_H

#include "net/cli.h"

struct cli_lines { /* zero but for file */
    int file;
    char *data;
    size_t cap, begin, end; /* what is read and not yet given */
    size_t looked;          /* of it, this much holds no newline */
    bool ended;
};

/* AVJ_OK with the next line, its newline taken off; AVJ_END; AVJ_ETOOBIG; AVJ_ENOMEM; AVJ_EIO with
 * errno set. */
enum avj_status cli_lines_next(struct cli_lines *lines, const char **line, size_t *len);
/* True when the next call would have to wait for more to be written. */
bool cli_lines_would_wait(struct cli_lines *lines);
void cli_lines_release(struct cli_lines *lines);

#endif
