/*
 * Snapshots: a view's index as a file, `snapshots/<seq>.snap` in the journal's folder, so that open
 * maps it instead of replaying what it covers.  Derived from the log and nothing else: they may be
 * deleted at any time.  SNAPSHOT.md has the bytes.
 *
 * A snapshot is used only if it is whole (all its hashes hold), made by this format's version on a
 * machine of this byte order, of this journal, and if the record that it ends with is in the log,
 * byte for byte; else it is set aside and the next one, or the whole log, serves.
 *
 * Threading: that of the store; avj_snapshot_consider may start a thread with a store of its own.
 */
#ifndef AVJ_SNAPSHOT_H
#define AVJ_SNAPSHOT_H

#include "replay/store_private.h"

/* Sets store->view to what the newest good snapshot holds, and store->snapshot_seq; leaves both
 * alone where there is none. */
void avj_snapshot_open(struct avj_store *store, const struct avj_source *source);

/* Starts one in the background where the log has grown enough; never waits. */
void avj_snapshot_consider(struct avj_store *store);

/* Writes one where the log has grown enough, after waiting for the background. */
void avj_snapshot_at_close(struct avj_store *store);

#endif
