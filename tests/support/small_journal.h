/*
 * A small journal of several segments in memory, with every kind of frame that the library writes,
 * and what must come of it when its bytes are damaged.  New features of the format go into the
 * table of steps in small_journal.c; everything that uses this is then tested with them.
 *
 * Threading: one thread a struct.
 */
#ifndef TEST_SMALL_JOURNAL_H
#define TEST_SMALL_JOURNAL_H

#include "journal/scan.h"
#include "tests/support/known.h"
#include "tests/support/mem_io.h"

#define SMALL_DIR          "j"
#define SMALL_SYNC         SMALL_DIR "/sync"
#define SMALL_OLDER_MAX    32
#define SMALL_SEGMENTS_MAX 16

enum small_end {
    SMALL_CLOSED,   /* everything is durable, the journal was closed */
    SMALL_KILLED,   /* the last two frames were written and not synced, nothing was closed */
    SMALL_REBOOTED, /* the same, and the machine was started anew */
    SMALL_MID_SYNC, /* killed in the middle of the last frame's sync */
    SMALL_ENDS
};
const char *small_end_text(enum small_end end);

struct small_frame {
    const char *path; /* of its segment; valid as long as the journal */
    uint64_t offset, len, first_seq;
};

/* What there is of one segment. */
struct small_extent {
    uint64_t promised; /* bytes in front of that must stay as they are */
    uint64_t written;  /* bytes in front of that are of the log, promised or not */
    bool sealed;
};

struct small_journal {
    struct mem_io *mem;
    enum small_end end;
    struct known known;
    struct mem_io *older[SMALL_OLDER_MAX]; /* as it was behind each durable step but the last */
    size_t older_count;
    struct mem_io *unsealed;    /* as it was before segments were sealed */
    struct small_frame *frames; /* that hold records */
    size_t frame_count;
    struct small_extent extents[SMALL_SEGMENTS_MAX], before[SMALL_SEGMENTS_MAX]; /* in `unsealed` */
    unsigned segments;
};

/* As the tests use a journal in memory: `mem`'s files, no thread but the caller's. */
struct avj_journal_options small_options(struct mem_io *mem);

/* Aborts with the library's text where a call of it fails.  `bytes`: the second segment is filled
 * up to about so many (0: a few frames). */
void small_journal_build(struct small_journal *small, enum small_end end, uint64_t seed,
                         size_t bytes);
void small_journal_release(struct small_journal *small);
/* Leaves a small dictionary for the next segment of a journal, where handles that are opened from
 * now on find it. */
void small_save_dictionary(struct avj_journal *journal);
/* Path of segment `number`; static storage, for one use at a time. */
const char *small_segment(unsigned number);
unsigned small_segments(struct mem_io *mem);

/* ---- what comes of damage ---- */

enum small_verdict {
    SMALL_SOUND, /* everything that was promised is there, in order, and then the end */
    SMALL_FOUND, /* the journal says that it is damaged */
    SMALL_LOST,  /* the end comes before something that was promised, and nothing is said */
    SMALL_WRONG, /* a record was given out that is none */
    SMALL_ODD,   /* another error */
};
const char *small_verdict_text(enum small_verdict verdict);

/* Opens for reading only and reads everything from record `from` (at least 1) on. */
enum small_verdict small_read(struct mem_io *mem, const struct known *known, uint64_t from,
                              struct avj_error *err);
/* Opens for writing, appends, opens again, reads everything.  Appended to a journal that is
 * SMALL_SOUND for readers this must be so too; where it is refused no byte of a segment may have
 * changed, and where it is not, only zeros may have. */
enum small_verdict small_write(struct mem_io *mem, const struct known *known,
                               struct avj_error *err);
/* Scans one segment: every record given out must be the known one (SMALL_WRONG), else SMALL_FOUND
 * where damage was told and SMALL_SOUND where not. */
enum small_verdict small_scan(struct mem_io *mem, const char *path, const struct known *known,
                              struct avj_error *err);

enum small_expected {
    SMALL_MUST_BE_SOUND, /* nothing was changed that matters */
    SMALL_MUST_BE_FOUND, /* a byte was changed that was promised */
    SMALL_MAY_BE_FOUND,  /* only what was promised to nobody, or serves for speed alone */
};
/* What must come of `mem`, which was made from the journal by damage. */
enum small_expected small_expect(const struct small_journal *small, struct mem_io *mem);
bool small_as_expected(enum small_expected expected, enum small_verdict verdict);

#endif
