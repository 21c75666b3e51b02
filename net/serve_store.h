/*
 * The embedded upstream on a store: its `server` entries out of the journal and into it.
 * Threading: the server's thread.  Lifetime: the store must outlive what is made of it.
 */
#ifndef AVJ_SERVE_STORE_H
#define AVJ_SERVE_STORE_H

#include "net/serve_core.h"
#include "replay/sync.h"

/*
 * Makes the server and replays its state.  Errors: AVJ_EINVAL (the journal has an upstream),
 * AVJ_ENOMEM, AVJ_EFORMAT, and those of a cursor.
 */
AVJ_CHECKED enum avj_status avj_serve_open(struct avj_store *store,
                                           const struct avj_serve_config *config,
                                           struct avj_serve **out, struct avj_error *err);

/* Two servers on one journal would contradict each other: takes DIR/serve.lock until its descriptor
 * is closed.  Errors: AVJ_ELOCKED, AVJ_EIO. */
AVJ_CHECKED enum avj_status avj_serve_lock(struct avj_store *store, int *fd, struct avj_error *err);

#endif
