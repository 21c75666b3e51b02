/*
 * A sealed segment in the making: compressed frames of records, their index, and the bytes that
 * were set aside.  Sealing makes one of an ordinary segment, compaction another one of a sealed
 * segment; what both promise is kept here: the file is complete, read back, compared and synced
 * before it takes the name of the old one, so that a crash leaves one or the other.
 *
 * Threading: one thread a struct.  Processes: whoever has the lock of file `seal.lock`, since all
 * use the same temporary name.  Memory: one frame raw and packed, its packer apart.
 */
#ifndef AVJ_SEALER_H
#define AVJ_SEALER_H

#include "journal/index.h"
#include "journal/seal.h"

struct avj_sealer {
    const struct avj_sealing *with;
    struct avj_error *err;
    const char *doing; /* "sealing", for messages */
    struct avj_segment_header header;
    struct avj_dictionary dictionary;

    struct avj_draft draft;
    struct avj_place to;
    struct avj_index_builder index;
    struct avj_hash_stream *content;
    uint8_t *raw; /* records that wait for the next frame */
    size_t raw_len, raw_room;
    uint32_t raw_count;
};

/* `header`: what the new segment's is to say; salt, content, index and the length of what is set
 * aside are filled in.  dictionary: for all frames; len 0: none; borrowed until the release, which
 * is due in every case. */
AVJ_CHECKED enum avj_status avj_sealer_begin(struct avj_sealer *sealer,
                                             const struct avj_sealing *with, const char *doing,
                                             const struct avj_segment_header *header,
                                             const struct avj_dictionary *dictionary,
                                             struct avj_error *err);
/* `count` records behind their lengths.  AVJ_END: stop() said so. */
AVJ_CHECKED enum avj_status avj_sealer_add(struct avj_sealer *sealer, const void *records,
                                           size_t len, uint32_t count);
/* That were all: the last frame, and the index. */
AVJ_CHECKED enum avj_status avj_sealer_end_records(struct avj_sealer *sealer);
/* Bytes from behind the original's end; at most AVJ_SEAL_PIECE. */
AVJ_CHECKED enum avj_status avj_sealer_set_aside(struct avj_sealer *sealer, const void *data,
                                                 size_t len);
/* Verifies it and gives it its name.  Before it nothing has changed. */
AVJ_CHECKED enum avj_status avj_sealer_publish(struct avj_sealer *sealer);
void avj_sealer_release(struct avj_sealer *sealer);

enum avj_status avj_sealer_no_memory(const struct avj_sealer *sealer);

#endif
