/*
 * Frames on the loose: bytes that look like a frame, wherever they are found and whatever is
 * damaged, for salvage.  What comes of them may be believed only as far as it says so.
 *
 * Threading: one thread a struct.  Memory: a frame, raw, at most AVJ_FRAME_RAW_MAX.
 */
#ifndef AVJ_LOOSE_H
#define AVJ_LOOSE_H

#include "journal/dictionary.h"
#include "journal/journal.h"

struct avj_loose_frame {
    uint64_t first_seq;
    uint32_t count;     /* records that it says it has */
    size_t total;       /* bytes that it says it takes, at most those that there are */
    bool whole;         /* zstd's checksum holds over all of it, or nothing was compressed and the
                           records fill it */
    const uint8_t *raw; /* what could be unpacked: records behind their lengths; valid until the
                           next call */
    size_t raw_len;
};

struct avj_loose {
    const struct avj_dictionary *dictionaries; /* borrowed; which one is needed a frame says */
    size_t dictionary_count;
    void *unpacker; /* private, as is the rest */
    uint8_t *raw;
    size_t room;
};

void avj_loose_init(struct avj_loose *loose, const struct avj_dictionary *dictionaries,
                    size_t count);
void avj_loose_release(struct avj_loose *loose);

/* What stands at `bytes`, which begin with a frame's magic.  AVJ_END: no frame of records, nothing
 * of it can be unpacked.  AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status avj_loose_unpack(struct avj_loose *loose, const uint8_t *bytes,
                                             size_t len, struct avj_loose_frame *frame);

/* The next record in `raw`; *at moves.  False: there is no whole one there. */
bool avj_loose_next(const struct avj_loose_frame *frame, size_t *at, struct avj_slice *record);

#endif
