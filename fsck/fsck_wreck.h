/*
 * The files of a journal that may hold records, whatever they are called and whatever state they
 * are in: those among the segments, a sealed one that was not finished, and what repairs have set
 * aside.  For repair and salvage, which take a record from wherever it is whole.
 *
 * Reads only.  Threading: one thread a wreck.  Memory: a few hundred bytes a file, and the frame
 * buffers of a scan.
 */
#ifndef FSCK_WRECK_H
#define FSCK_WRECK_H

#include "fsck/fsck_capture.h"

#define FSCK_ASIDE    "aside"
#define FSCK_SEGMENTS "segments"
/* Longest name of a file in the journal's folder that is looked at. */
#define FSCK_WRECK_NAME 220

struct fsck_wreck_file {
    char name[FSCK_WRECK_NAME]; /* relative to the journal */
    uint64_t place;             /* number that its name gives, among the segments only; 0: none */
    uint64_t number;            /* of the segment that it holds; 0: nothing tells */
    uint64_t size;
    bool good; /* the header is as it was written, but for one bit where `mended` */
    bool mended;
    bool foreign;                     /* of another journal */
    struct avj_segment_header header; /* good, or what can be guessed */
    uint64_t frames, records;         /* that stand there and can be read */
    uint64_t min_seq, max_seq;        /* of them; 0: there are none */
    bool sound;                       /* no damage was met up to `limit`; the fields behind hold */
    uint64_t limit;                   /* what was asked for; 0: the whole file */
    uint64_t end, chain, next_seq;    /* where its log ends */
    const struct avj_dictionary *dictionary; /* in place of its own; NULL: that */
};

struct fsck_dictionaries;
struct fsck_frames;

struct fsck_wreck {
    const struct avj_io *io; /* borrowed, as is path */
    const char *path;
    struct fsck_wreck_file *files;
    size_t count;
    uint8_t journal_id[16]; /* of most good headers; zeros: there is none */
    bool known;             /* journal_id is one */
    struct fsck_dictionaries *dictionaries;
    struct fsck_frames *frames; /* that were mended */
};

/* Lists the files and reads their headers.  Errors: AVJ_ENOTJOURNAL, AVJ_EIO, AVJ_EACCES,
 * AVJ_EVERSION, AVJ_ENOMEM.  Release in every case. */
AVJ_CHECKED enum avj_status fsck_wreck_gather(const struct avj_io *io, const char *path,
                                              struct fsck_wreck *wreck, struct avj_error *err);
void fsck_wreck_release(struct fsck_wreck *wreck);

/* The good file that is in its place as segment `number`; NULL: there is none. */
const struct fsck_wreck_file *fsck_wreck_in_place(const struct fsck_wreck *wreck, uint64_t number);

/* How the segment `next` names the end of the one before it is how that names itself: a salt. */
const uint8_t *fsck_wreck_salt(const struct avj_segment_header *header);

/*
 * Reads a file up to `limit` (0: whole) and fills what is known by that.  Where its header is not
 * good, the salt of the segment is looked for first: as it stands there, and as the successor names
 * it.  Errors: AVJ_EIO, AVJ_EACCES, AVJ_ENOMEM.
 */
AVJ_CHECKED enum avj_status fsck_wreck_look(struct fsck_wreck *wreck, struct fsck_wreck_file *file,
                                            uint64_t limit, struct avj_error *err);

/* Each record of the file that can be read, in the order of the file.  After fsck_wreck_look. */
AVJ_CHECKED enum avj_status
fsck_wreck_records(const struct fsck_wreck *wreck, const struct fsck_wreck_file *file,
                   enum avj_status (*record)(void *arg, const struct avj_frame_info *frame,
                                             uint64_t seq, const uint8_t *data, size_t len),
                   void *arg, struct avj_error *err);

#endif
