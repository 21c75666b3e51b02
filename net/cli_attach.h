/* Messages with a file attached. */
#ifndef AVJ_CLI_ATTACH_H
#define AVJ_CLI_ATTACH_H

#include "net/cli.h"

/* Sends a message with the text file at `path` in its attachments, durable; prints its id.  An exit
 * code. */
int cli_send_attached(struct cli *cli, const char *thread, const char *role, const char *text,
                      size_t len, const char *path);

#endif
