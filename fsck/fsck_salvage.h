/*
 * Salvage: everything that can still be read of a journal, even of one that can not be repaired, as
 * lines that avchat import takes.
 *
 * Frames are looked for by their first bytes in every file of the folder, whatever it is called;
 * of damaged ones what can be unpacked is taken.  The records are replayed in the order of their
 * numbers, and what the replay shows is written; of documents that it does not show, because what
 * made them is lost, what the other entries tell.  The folder itself is only read.
 *
 * Written to the new folder: salvaged.jsonl (projects, threads, messages, summaries),
 * conflicts.jsonl (what lost a merge), incomplete.jsonl (what lacks too much to be imported),
 * report.txt.
 *
 * Threading: one thread.  Memory: all records that are found, and those of
 * damaged segments twice; and what the replay of them takes.
 */
#ifndef FSCK_SALVAGE_H
#define FSCK_SALVAGE_H

#include "journal/io.h"
#include "journal/status.h"

#include <stdio.h>

struct fsck_salvaged {
    uint64_t files, records; /* looked at; found, each once */
    uint64_t partial;        /* frames of which only a part could be had */
    uint64_t missing;        /* numbers between the first and the last that nothing has */
    uint64_t projects, threads, messages, summaries; /* written */
    uint64_t made_up;    /* of them: threads and fields that had to be made up */
    uint64_t incomplete; /* documents that lack too much */
    uint64_t conflicts;
};

/*
 * Reads folder `path`, whatever state it is in, and makes folder `out`, which must not be there, be
 * empty, or hold nothing of these names, and must not lie in `path`.  io: for reading; NULL: the
 * file system.  Errors: AVJ_EEXIST, AVJ_EINVAL (out lies in path), AVJ_ENOTFOUND (nothing was
 * found: nothing is written), AVJ_EIO, AVJ_EACCES, AVJ_ENOSPC, AVJ_ENOMEM.
 */
AVJ_CHECKED enum avj_status fsck_salvage(const char *path, const char *out, const struct avj_io *io,
                                         struct fsck_salvaged *done, struct avj_error *err);

#endif
