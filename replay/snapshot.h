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

/* The same when open has replayed: at once where that was a large part of the log, so that a
 * process that is killed afterwards spares the next one the same; else in the background. */
void avj_snapshot_after_open(struct avj_store *store);

/* Writes one where the log has grown enough, after waiting for the background. */
void avj_snapshot_at_close(struct avj_store *store);

/* snapshot_write.c: the view, into an open and empty file; durable on return. */
AVJ_CHECKED enum avj_status avj_snapshot_put(struct avj_view *view, const struct avj_io *io,
                                             int file, const uint8_t journal_id[16],
                                             uint64_t *bytes, struct avj_error *err);

struct avj_snapshot_header;

/* snapshot_open.c: reads and verifies the header, the file's size included. */
bool avj_snapshot_header_read(const struct avj_io *io, int file,
                              struct avj_snapshot_header *header);
/* The view that an open snapshot holds, verified.  AVJ_ECORRUPT: it is damaged or stale, and of use
 * to nobody; AVJ_ENOTFOUND: the record that it ends with was compacted since, and nothing is wrong
 * but that it can not be used; AVJ_ENOMEM, AVJ_EIO: what was in the way may pass. */
AVJ_CHECKED enum avj_status avj_snapshot_take(const struct avj_io *io, int file,
                                              const struct avj_snapshot_header *header,
                                              const struct avj_source *source, bool threads,
                                              struct avj_view **out);

#define AVJ_SNAPSHOT_FOLDER "snapshots"
/* Records behind the last snapshot from which on a new one pays, and the least time between two by
 * one process. */
#define AVJ_SNAPSHOT_RECORDS  16384
#define AVJ_SNAPSHOT_PAUSE_MS 5000

#endif
