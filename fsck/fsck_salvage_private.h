/* The inside of a salvage, shared by its files. */
#ifndef FSCK_SALVAGE_PRIVATE_H
#define FSCK_SALVAGE_PRIVATE_H

#include "fsck/fsck_salvage.h"
#include "fsck/fsck_wreck.h"

/* A record, and how good it is. */
struct fsck_found {
    uint64_t seq;
    size_t at, len; /* in bytes */
    bool proven;    /* its frame stands by itself in its own place of a segment of this journal */
    bool whole;     /* its frame was unpacked to the end */
};

struct fsck_find {
    struct fsck_found *items; /* sorted: by number, each once */
    size_t count, cap;
    uint8_t *bytes;
    size_t used, room;
    uint64_t partial;
};

/* What was found in one file, for the report. */
struct fsck_find_file {
    char name[FSCK_WRECK_NAME];
    uint64_t size, frames, partial, records;
    const char *state; /* static: what its header is */
    bool foreign;      /* another journal's: not looked at */
    int error;         /* errno of reading it; 0 */
};

struct fsck_find_files {
    struct fsck_find_file *items;
    size_t count, cap;
};

/* Looks through every file.  Errors: AVJ_ENOTFOUND, AVJ_EACCES (the folder itself), AVJ_ENOMEM;
 * a file that can not be read is told of in the report.  Release both in every case. */
AVJ_CHECKED enum avj_status fsck_find_all(const struct avj_io *io, const char *path,
                                          struct fsck_find *find, struct fsck_find_files *files,
                                          struct avj_error *err);
void fsck_find_release(struct fsck_find *find, struct fsck_find_files *files);

/* Writes the documents that the records tell of, and what was made up to the report.  Errors:
 * AVJ_ENOMEM; a full disk shows in the files. */
struct fsck_salvage_out {
    FILE *lines, *conflicts, *incomplete, *report;
    struct fsck_salvaged *done;
};
AVJ_CHECKED enum avj_status fsck_salvage_documents(const struct fsck_find *find,
                                                   const struct fsck_salvage_out *out,
                                                   struct avj_error *err);

#endif
