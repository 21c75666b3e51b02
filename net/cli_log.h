/*
 * Which entries `avchat log` shows.
 * Threading: one thread.  Lifetime: a filter owns what it holds; cli_log_filter_release.
 */
#ifndef AVJ_CLI_LOG_H
#define AVJ_CLI_LOG_H

#include "net/cli.h"
#include "net/client_set.h"
#include "replay/entry.h"

struct cli_log_filter {
    uint64_t from, to;          /* sequence numbers; 0: open */
    int64_t since_ms, until_ms; /* 0: open */
    uint32_t types;             /* bits 1 << type, AVJ_ENTRY_TYPES for unknown ones; 0: all */
    char *thread, *message;     /* NULL: all */
    struct avj_set members;     /* the thread, and what was seen to be in it */
    bool limited;
    uint64_t limit; /* the newest so many; the first so many with first_ones: */
    bool first_ones;
};

/* From the command line.  An exit code; release in any case. */
int cli_log_filter_take(struct cli *cli, struct cli_log_filter *filter);
void cli_log_filter_release(struct cli_log_filter *filter);

/* The first record that has to be read, and the first that may be shown, for a journal that holds
 * the records [first, next).  Looks times up by halves, so that the rest of a long log is not read.
 */
void cli_log_filter_begin(const struct cli *cli, const struct cli_log_filter *filter,
                          uint64_t first, uint64_t next, uint64_t *read, uint64_t *show);

/* Does it name entries by what is in them, so that they can only be counted by reading them? */
bool cli_log_filter_looks_inside(const struct cli_log_filter *filter);

/* Forgets what a pass over the log has learned. */
void cli_log_filter_restart(struct cli_log_filter *filter);

/* Looks at the next entry: *shown, and *over when no later one can be.  AVJ_OK or AVJ_ENOMEM. */
enum avj_status cli_log_filter_look(struct cli_log_filter *filter, uint64_t seq,
                                    const struct avj_entry *entry, bool *shown, bool *over);

#endif
