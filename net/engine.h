/*
 * The sync engine: logs in, pushes the outbox, pulls, follows Realtime.  It ties the cores
 * (client_push.h, client_pull.h, client_realtime.h, client_appwrite.h: no I/O) to the transports
 * (client_http_curl.c, client_ws_lws.c) and to a store.  One thread; it blocks while it runs.
 *
 * The session secret lives beside the log in DIR/session.json, mode 0600, never in the log and
 * never in a message.
 */
#ifndef AVJ_ENGINE_H
#define AVJ_ENGINE_H

#include "replay/sessions.h"
#include "replay/store.h"
#include "replay/sync.h"

#include <signal.h>

AVJ_BEGIN_C

enum avj_engine_phase {
    AVJ_PHASE_CONNECT,
    AVJ_PHASE_PUSH,
    AVJ_PHASE_PULL,
    AVJ_PHASE_LIVE /* following */,
    AVJ_PHASE_WAIT /* backing off or rate limited */,
    AVJ_PHASE_DONE
};

struct avj_engine_progress {
    enum avj_engine_phase phase;
    uint64_t pushed;   /* documents acknowledged in this run */
    uint64_t rejected; /* parked in this run */
    uint64_t pending;  /* documents still to be pushed */
    uint64_t pulled;   /* remote states that were journaled in this run */
    int64_t wait_ms;   /* AVJ_PHASE_WAIT: until the next try */
    int64_t eta_ms;    /* until the outbox is empty at the current rate, -1: unknown */
    bool online;       /* the last request was answered */
    const char *note;  /* one line worth showing ("429: waiting until 18:10:00"), or NULL; borrowed
                          during the call */
};

struct avj_engine_options { /* zero is the default */
    bool follow;           /* stay, listen to Realtime, push what appears; else once.  Where another
                              process syncs this journal, the one waits until it is gone, the other
                              has it sync now, and waits for that */
    bool dry_run;          /* say what would be pushed and pulled, change nothing */
    bool accept_deletions; /* let a sweep remove more than the safe share */
    unsigned timeout_ms;   /* of one request, 0: 30,000 */
    const volatile sig_atomic_t
        *stop;   /* becomes non-zero: finish what is in flight and return AVJ_OK */
    int stop_fd; /* a descriptor that becomes readable at that moment (signal handler's pipe), 0 or
                    -1: none */
    void (*progress)(void *arg, const struct avj_engine_progress *progress);
    void *progress_arg;
};

/*
 * Runs until everything is pushed and pulled (once) or until stopped (follow).  *final (may be
 * NULL) gets the last progress. Errors: AVJ_EINVAL (the journal has no upstream), AVJ_EAUTH (no
 * session, or the server no longer takes it: log in again; nothing is lost), AVJ_ENET (once:
 * unreachable after the retries; follow keeps trying), AVJ_EREFUSED (a sweep would remove too much:
 * see accept_deletions), AVJ_EREJECTED (the project, database or a collection does not exist; the
 * message names it), and those of the journal.  Parked documents are no error.
 */
AVJ_API AVJ_CHECKED enum avj_status avj_engine_run(struct avj_store *store,
                                                   const struct avj_engine_options *options,
                                                   struct avj_engine_progress *final,
                                                   struct avj_error *err);

/*
 * Signs in with email and password, `create`: makes the account first.  Writes DIR/session.json
 * (0600, replaced atomically) and journals the login; a guest's work is claimed.  Refused with
 * AVJ_EREFUSED where the journal belongs to another user. Errors: AVJ_EAUTH (wrong password),
 * AVJ_EEXIST (create: the account exists), AVJ_ERATE, AVJ_ENET, AVJ_EINVAL (no upstream).
 */
AVJ_API AVJ_CHECKED enum avj_status avj_engine_login(struct avj_store *store, const char *email,
                                                     const char *password, bool create,
                                                     struct avj_error *err);

/* Ends the session upstream (when reachable) and here.  The journal keeps everything, pending work
 * included.  AVJ_EAUTH: there was none. */
AVJ_API AVJ_CHECKED enum avj_status avj_engine_logout(struct avj_store *store,
                                                      struct avj_error *err);

/* Asks the server who the session is.  *user_id and *email are malloc'd, the caller frees.
 * AVJ_EAUTH, AVJ_ENET. */
AVJ_API AVJ_CHECKED enum avj_status avj_engine_whoami(struct avj_store *store, char **user_id,
                                                      char **email, struct avj_error *err);

struct avj_engine_leader {
    long pid; /* of the process that syncs, on: */
    char host[AVJ_SESSION_NAME];
    char session[AVJ_SESSION_TEXT]; /* see sessions.h */
    int64_t since_ms;               /* since when it does; milliseconds since 1970 */
};

/* Does a process sync this journal at present?  All of *leader is zero where it does and does not
 * say who it is.  Takes no lock, writes nothing, asks no server. */
AVJ_API bool avj_engine_leader(struct avj_store *store, struct avj_engine_leader *leader);

/* True when DIR/session.json holds a session.  Reads only the file. */
AVJ_API bool avj_engine_has_session(struct avj_store *store);

AVJ_END_C

#endif
