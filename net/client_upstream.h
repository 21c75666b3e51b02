/* A journal's upstream, ready to make requests: the endpoint from the log, the session from its
 * file.  Threading: one thread. */
#ifndef AVJ_NET_CLIENT_UPSTREAM_H
#define AVJ_NET_CLIENT_UPSTREAM_H

#include "net/client_appwrite.h"
#include "net/client_session.h"

struct avj_upstream_access {
    char *endpoint; /* without a slash at its end */
    struct avj_session session;
    struct avj_appwrite aw; /* borrows from these and from the store */
};

/* AVJ_EINVAL: the journal has no upstream, or one that is no URL. */
AVJ_CHECKED enum avj_status
avj_upstream_open(struct avj_store *store, struct avj_upstream_access *out, struct avj_error *err);
/* Adds user and secret.  AVJ_EAUTH: there is no session, or not one of this journal's user at this
 * upstream. */
AVJ_CHECKED enum avj_status avj_upstream_sign(struct avj_store *store,
                                              struct avj_upstream_access *access,
                                              struct avj_error *err);
void avj_upstream_release(struct avj_upstream_access *access);
/* The status and message for an answer that is not AVJ_AW_OK. */
enum avj_status avj_upstream_refusal(const struct avj_aw_result *result, const char *what,
                                     struct avj_error *err);

#endif
