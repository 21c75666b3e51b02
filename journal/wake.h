/*
 * Wake-ups of one's own: what avj_journal_wake_fd() is made of, for those above the journal who
 * wait beside others that do, in one process.  Who empties a descriptor takes its wake-ups from
 * everybody who polls it; so each has its own.
 *
 * Threading: one thread a descriptor.
 */
#ifndef AVJ_WAKE_H
#define AVJ_WAKE_H

#include <stdbool.h>

/* A descriptor that polls readable once a process has written to a segment of the journal in
 * directory `path`, or made one; to be closed with close(2).  -1, with errno: there is none to be
 * had (ENOSYS: never on this system). */
int avj_wake_open(const char *path);
/* Empties it; false: nothing was in it. */
bool avj_wake_drain(int fd);

#endif
