/*
 * Records by their sequence number, in any order, for readers that keep an index instead of bodies.
 * Frames that were needed lately stay decompressed in a cache of bounded size.
 *
 * Reads the files by itself, next to whatever writes or seals them: needs no lock and no struct
 * avj_journal.  Records never change, so that what it gives is right whenever it is given (but for
 * records that were not acknowledged and were lost with a failed sync: where a cursor says
 * AVJ_ESYNC close the fetcher too).
 *
 * Memory: the cache; of each segment that was read from up to 4 KiB of places a MiB, 4 MiB in all;
 * 32 dictionaries.  At most 32 files are open.
 *
 * Threading: one thread a fetcher.
 */
#ifndef AVJ_FETCH_H
#define AVJ_FETCH_H

#include "journal/journal.h"

struct avj_fetcher;

/* path: the journal's directory (copied).  io as in avj_journal_options.  cache_bytes: decompressed
 * bytes kept, 0: 16 MiB; one frame is kept in any case.  Looks at no file yet.  AVJ_ENOMEM. */
AVJ_API AVJ_CHECKED enum avj_status avj_fetcher_open(const struct avj_io *io, const char *path,
                                                     size_t cache_bytes, struct avj_fetcher **out,
                                                     struct avj_error *err);

/* Record `seq`.  record->data is borrowed until the next call with this fetcher.  Errors:
 * AVJ_ENOTFOUND (before the first record kept, or not written yet), AVJ_ECORRUPT (the message names
 * segment and offset), AVJ_EVERSION, AVJ_EACCES, AVJ_EIO, AVJ_ENOMEM. */
AVJ_API AVJ_CHECKED enum avj_status avj_fetcher_get(struct avj_fetcher *fetcher, uint64_t seq,
                                                    struct avj_record *record,
                                                    struct avj_error *err);

struct avj_fetcher_stats {
    uint64_t gets, hits; /* records asked for; of them out of the cache */
    uint64_t frames;     /* decompressed */
    size_t cached_bytes, directory_bytes;
    size_t open_files;
};
AVJ_API void avj_fetcher_stats(const struct avj_fetcher *fetcher, struct avj_fetcher_stats *stats);

AVJ_API void avj_fetcher_close(struct avj_fetcher *fetcher); /* NULL is allowed */

#endif
