/*
 * DIR/session.json: the server session of this journal's user, mode 0600.  The secret is nowhere
 * else and never in a message. Threading: one thread.  Lifetime: what load fills in is freed by
 * avj_session_release, which wipes the secret.
 */
#ifndef AVJ_NET_CLIENT_SESSION_H
#define AVJ_NET_CLIENT_SESSION_H

#include "journal/status.h"

struct avj_session {
    char *endpoint, *project, *user, *email, *secret;
};

/* Errors: AVJ_ENOTFOUND (there is none), AVJ_EFORMAT, AVJ_EACCES, AVJ_EIO, AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status avj_session_load(const char *dir, struct avj_session *out,
                                             struct avj_error *err);
/* Replaces the file atomically; durable on return. */
AVJ_CHECKED enum avj_status avj_session_save(const char *dir, const struct avj_session *session,
                                             struct avj_error *err);
AVJ_CHECKED enum avj_status avj_session_remove(const char *dir, struct avj_error *err);
void avj_session_release(struct avj_session *session);

#endif
