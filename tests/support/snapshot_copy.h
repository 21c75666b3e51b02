/*
 * Views over records in memory, and views made again out of a snapshot of another, without a
 * journal around them.
 *
 * Threading: one thread.  Failures of memory abort.
 */
#ifndef TEST_SNAPSHOT_COPY_H
#define TEST_SNAPSHOT_COPY_H

#include "replay/snapshot.h"
#include "replay/snapshot_file.h"
#include "tests/support/mem_io.h"

/* Records by their sequence numbers, which begin with 1. */
struct kept_records {
    struct avj_slice *items;
    size_t count, cap;
};
void kept_records_add(struct kept_records *records, const void *data, size_t len);
void kept_records_release(struct kept_records *records);
/* For a view: valid as long as the records are. */
struct avj_source kept_records_source(struct kept_records *records);

/* Of every snapshot made here. */
#define SNAPSHOT_COPY_JOURNAL "0123456789abcdef"

/* Writes the view into file `path` of `io`, which must not be there. */
enum avj_status snapshot_copy_write(struct avj_view *view, const struct avj_io *io,
                                    const char *path);
/* The view in it; NULL: it was not taken. */
struct avj_view *snapshot_copy_read(const struct avj_io *io, const char *path,
                                    struct kept_records *records);
/* Both.  Must succeed. */
struct avj_view *snapshot_copy(struct avj_view *view, struct kept_records *records);

#endif
