/*
 * Sessions: which processes write a journal, and which of them are gone.
 *
 * A store that writes is a session.  Its first frame ends with a `session` entry, o open; until the
 * store is closed it holds a lock on a file of its own, `sessions/ID`, that dies with its process.
 * So whether a session is alive is not guessed from process numbers or times: alive is who holds
 * its lock.  A store that only reads writes nothing and is no session.
 *
 *   ended in order   the file is gone; o close says when, where the session wrote more than one
 *                    frame (who writes one and leaves is spared a second sync)
 *   killed           the file is there, unlocked: process killed or machine crashed.  The next
 *                    session that writes adds o killed to its first frame and removes the file
 *
 * Limits: a child that was forked, and neither runs another program nor ends, holds its parent's
 * lock.  On a network file system this is as good as its locks, like the journal's appends.
 *
 * Threading: as the store.
 */
#ifndef AVJ_SESSIONS_H
#define AVJ_SESSIONS_H

#include "replay/store.h"

AVJ_BEGIN_C

#define AVJ_SESSION_TEXT 17 /* 16 hexadecimal digits and NUL */
#define AVJ_SESSION_NAME 128

/* Is there a process that has session `id` open?  True also where that can not be told (the file
 * may not be read), and for this store's own session. */
AVJ_API bool avj_session_alive(const struct avj_store *store, const char *id);

/* Makes this store's session known to be alive before it writes; by itself it is with its first
 * write.  Writes no entry.  Where it fails, or the store is read-only, nothing happens. */
AVJ_API void avj_session_hold(struct avj_store *store);

struct avj_session_info {
    char id[AVJ_SESSION_TEXT];
    long pid;                       /* on: */
    char host[AVJ_SESSION_NAME];    /* name of the machine */
    char device[AVJ_SESSION_NAME];  /* what its user calls it; the host's name by default */
    char program[AVJ_SESSION_NAME]; /* and its version */
    int64_t since_ms;               /* when its lock was taken; milliseconds since 1970 */
    bool own;                       /* this store's */
};

/* Calls each() for every session that is alive and has written or was held, in no promised order,
 * until it returns false.  The texts come from a file that others can write: show them with care.
 * info is borrowed during the call.  Errors: AVJ_EACCES, AVJ_EIO, AVJ_ENOMEM. */
AVJ_API AVJ_CHECKED enum avj_status
avj_sessions(struct avj_store *store, bool (*each)(void *arg, const struct avj_session_info *info),
             void *arg, struct avj_error *err);

/* Writes o killed for sessions whose processes are gone, and removes their files; *count (may be
 * NULL) counts them.  Happens by itself with a session's first write; for programs that run long.
 * Nothing where another process is at it.  Relaxed: whoever wrote it, a lost one is written again.
 * Errors: those of avj_journal_append. */
AVJ_API AVJ_CHECKED enum avj_status avj_sessions_bury(struct avj_store *store, size_t *count,
                                                      struct avj_error *err);

AVJ_END_C

#endif
