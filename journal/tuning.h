/*
 * How zstd is set up for what the journal compresses.  One table, measured on chat entries (about
 * 900 bytes a record; the made-up ones of tests/support and real conversations), so that the packer
 * and the training of dictionaries compress alike.
 *
 * Which for a payload of `raw` bytes:
 *
 *   raw < AVJ_SMALL_RAW                 AVJ_TUNE_SMALL   with the segment's dictionary
 *   raw < AVJ_BULK_RAW                  AVJ_TUNE_MEDIUM  with the segment's dictionary
 *   parts of larger ones                AVJ_TUNE_BULK    without the built-in one: it is slower and
 *                                                        hardly smaller
 *                                       AVJ_TUNE_PARTS   with a dictionary of the journal's own
 *   parts of sealed frames (64 KiB)     AVJ_TUNE_SEALED  with their own
 *
 * Keep a ZSTD_CCtx for each tuning in use: changing parameters throws the digested dictionary away.
 * Give it its dictionary once, with ZSTD_CCtx_loadDictionary: it is digested by the
 * first compression (64 KiB: 0.5 ms), so that opening a journal to read costs nothing.  A
 * ZSTD_CDict would have a level's parameters and not these.
 *
 * Threading: pure functions; a context belongs to one thread.
 */
#ifndef AVJ_TUNING_H
#define AVJ_TUNING_H

#include "journal/status.h"

struct ZSTD_CCtx_s; /* zstd.h's ZSTD_CCtx */

enum avj_tuning {
    AVJ_TUNE_SMALL,
    AVJ_TUNE_MEDIUM,
    AVJ_TUNE_BULK,
    AVJ_TUNE_PARTS,
    AVJ_TUNE_SEALED,
    AVJ_TUNINGS
};

/* The small tuning's window is 16 KiB: zstd lets a payload of more than a window see less and less
 * of a dictionary. */
#define AVJ_SMALL_RAW ((size_t)16 * 1024)
#define AVJ_BULK_RAW  ((size_t)256 * 1024)

/* The tuning for a payload of raw bytes in a segment that is written to. */
enum avj_tuning avj_tuning_for(size_t raw);

/* Sets every parameter that the table names, the content checksum, and that frames name no
 * dictionary (the journal's frame header does).  False: this libzstd refuses one of them. */
AVJ_CHECKED bool avj_tune(struct ZSTD_CCtx_s *zstd, enum avj_tuning tuning);

#endif
