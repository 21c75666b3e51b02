/* Where the frames of a sealed segment stand: see index.h. */
#include "journal/index.h"
#include "journal/bytes.h"

#include <stdlib.h>
#include <string.h>

enum avj_status avj_index_load(struct avj_reader *reader, const struct avj_segment_header *segment,
                               struct avj_unpacker *unpacker, struct avj_index *index,
                               struct avj_error *err)
{
    struct avj_frame_info frame;
    const uint8_t *stored;
    enum avj_damage damage;
    enum avj_at at =
        avj_reader_frame(reader, segment->from.index_at, UINT64_MAX, &frame, &stored, &damage);
    if (at == AVJ_AT_ERROR)
        return avj_fail_errno(err, -reader->io_error, "index of segment %llu",
                              (unsigned long long)segment->segment_no);
    if (at != AVJ_AT_FRAME || frame.type != AVJ_FRAME_INDEX ||
        frame.raw_len != (size_t)frame.count * AVJ_INDEX_ENTRY_LEN)
        return AVJ_ECORRUPT;
    enum avj_status status = avj_unpack(unpacker, &frame, stored);
    if (status != AVJ_OK)
        return status;
    index->entries = avj_unpacked(unpacker).data;
    index->count = frame.count;
    index->segment_no = segment->segment_no;
    return AVJ_OK;
}

static uint64_t first_seq(const struct avj_index *index, size_t i)
{
    return avj_get_le64(index->entries + i * AVJ_INDEX_ENTRY_LEN);
}

void avj_index_find(const struct avj_index *index, uint64_t seq, struct avj_place *place)
{
    size_t low = 0, high = index->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (first_seq(index, middle) <= seq)
            low = middle;
        else
            high = middle;
    }
    const uint8_t *entry = index->entries + low * AVJ_INDEX_ENTRY_LEN;
    place->segment_no = index->segment_no;
    place->next_seq = avj_get_le64(entry);
    place->offset = avj_get_le64(entry + 8);
    place->chain = avj_get_le64(entry + 16);
}

bool avj_index_add(struct avj_index_builder *b, const struct avj_place *place)
{
    if (b->count == AVJ_RECORDS_PER_FRAME_MAX)
        return false;
    if (b->count == b->room) {
        size_t room = b->room ? b->room * 2 : 64;
        uint8_t *entries = realloc(b->entries, room * AVJ_INDEX_ENTRY_LEN);
        if (!entries)
            return false;
        b->entries = entries;
        b->room = room;
    }
    uint8_t *entry = b->entries + b->count++ * AVJ_INDEX_ENTRY_LEN;
    avj_put_le64(entry, place->next_seq);
    avj_put_le64(entry + 8, place->offset);
    avj_put_le64(entry + 16, place->chain);
    return true;
}

void avj_index_builder_release(struct avj_index_builder *b)
{
    free(b->entries);
    memset(b, 0, sizeof(*b));
}
