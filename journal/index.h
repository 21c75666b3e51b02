/*
 * The index of a sealed segment: where each of its frames stands, for seeking.  It is itself a
 * frame of the chain; FORMAT.md has its bytes.
 *
 * Threading: pure functions over a reader.  Memory: 24 bytes a frame, at most 1.5 MiB.
 */
#ifndef AVJ_INDEX_H
#define AVJ_INDEX_H

#include "journal/private.h"

/* Entries, borrowed from the unpacker until its next use. */
struct avj_index {
    const uint8_t *entries;
    size_t count;
    uint64_t segment_no;
};

/* Reads and verifies the index frame that the header names.  AVJ_ECORRUPT, AVJ_EIO, AVJ_ENOMEM. */
AVJ_CHECKED enum avj_status avj_index_load(struct avj_reader *reader,
                                           const struct avj_segment_header *segment,
                                           struct avj_unpacker *unpacker, struct avj_index *index,
                                           struct avj_error *err);

/* The last frame that begins at or before `seq`; the first one where there is none. */
void avj_index_find(const struct avj_index *index, uint64_t seq, struct avj_place *place);

/* An index in the making. */
struct avj_index_builder {
    uint8_t *entries;
    size_t count, room;
};
/* False: out of memory, or more frames than an index can hold. */
bool avj_index_add(struct avj_index_builder *builder, const struct avj_place *place);
void avj_index_builder_release(struct avj_index_builder *builder);

#endif
