/* Reading records in order, across segments, while others append. */
#include "journal/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct avj_cursor {
    struct avj_journal *journal;
    struct avj_reader reader;
    struct avj_unpacker *unpacker;
    struct avj_segment_header segment;
    struct avj_place place; /* of the next frame */
    struct avj_frame_info frame;
    uint64_t seq;  /* of the next record in the frame at hand */
    uint64_t from; /* records before this are passed over */
};

static enum avj_status start_at(struct avj_cursor *c, const struct avj_segment_entry *entry,
                                struct avj_error *err)
{
    char name[AVJ_PATH_MAX];
    avj_segment_path(c->journal->path, entry->number, ".seg", name);
    avj_reader_release(&c->reader);
    enum avj_status status = avj_reader_open(&c->reader, name, &c->segment, err);
    if (status != AVJ_OK)
        return status;
    if (memcmp(c->segment.journal_id, c->journal->journal_id, 16) != 0 ||
        c->segment.segment_no != entry->number)
        return avj_fail(err, AVJ_ECORRUPT,
                        "%s belongs to another place or journal; run avchat-fsck", name);
    c->place.segment_no = c->segment.segment_no;
    c->place.offset = AVJ_SEGMENT_HEADER_LEN;
    c->place.chain = c->segment.chain;
    c->place.next_seq = c->segment.first_seq;
    return AVJ_OK;
}

/* The last segment that begins at or before `from`; the first one when from is 0. */
static enum avj_status find_start(struct avj_cursor *c, struct avj_error *err)
{
    struct avj_segment_entry *segments;
    size_t count;
    enum avj_status status =
        avj_list_segments(c->journal->io, c->journal->path, &segments, &count, NULL, NULL, err);
    if (status != AVJ_OK)
        return status;
    size_t low = 0, high = count;
    if (count == 0)
        status = avj_fail(err, AVJ_ECORRUPT, "%s: all segments are gone; run avchat-fsck",
                          c->journal->path);
    while (status == AVJ_OK && c->from && high - low > 1) {
        size_t middle = low + (high - low) / 2;
        status = start_at(c, &segments[middle], err);
        if (status == AVJ_OK && c->segment.first_seq <= c->from)
            low = middle;
        else
            high = middle;
    }
    if (status == AVJ_OK)
        status = start_at(c, &segments[low], err);
    free(segments);
    if (status == AVJ_OK && low == 0 && c->segment.prev_segment_no != 0)
        return avj_fail(err, AVJ_ECORRUPT,
                        "%s: segments before %llu are missing: records up to sequence number %llu "
                        "are lost here; run avchat-fsck",
                        c->journal->path, (unsigned long long)c->segment.segment_no,
                        (unsigned long long)c->segment.first_seq - 1);
    if (status == AVJ_OK && c->from && c->from < c->segment.first_seq)
        return avj_fail(err, AVJ_ENOTFOUND, "%s: record %llu is not kept, the first is %llu",
                        c->journal->path, (unsigned long long)c->from,
                        (unsigned long long)c->segment.first_seq);
    return status;
}

enum avj_status avj_cursor_open(struct avj_journal *journal, uint64_t from_seq,
                                struct avj_cursor **out, struct avj_error *err)
{
    *out = NULL;
    struct avj_cursor *c = calloc(1, sizeof(*c));
    if (!c)
        return avj_fail(err, AVJ_ENOMEM, "cursor: out of memory");
    c->journal = journal;
    c->from = from_seq;
    avj_reader_init(&c->reader, journal->io);
    c->unpacker = avj_unpacker_new();
    enum avj_status status =
        c->unpacker ? find_start(c, err) : avj_fail(err, AVJ_ENOMEM, "cursor: out of memory");
    if (status != AVJ_OK) {
        avj_cursor_close(c);
        return status;
    }
    *out = c;
    return AVJ_OK;
}

void avj_cursor_close(struct avj_cursor *c)
{
    if (!c)
        return;
    avj_reader_release(&c->reader);
    avj_unpacker_free(c->unpacker);
    free(c);
}

static enum avj_status corrupt(struct avj_cursor *c, const char *what, struct avj_error *err)
{
    return avj_fail(
        err, AVJ_ECORRUPT,
        "journal %s: segment %llu at offset %llu: %s; records from sequence number %llu "
        "on are not readable here; run avchat-fsck",
        c->journal->path, (unsigned long long)c->place.segment_no,
        (unsigned long long)c->place.offset, what, (unsigned long long)c->place.next_seq);
}

static enum avj_status take_frame(struct avj_cursor *c, const uint8_t *stored,
                                  struct avj_error *err)
{
    enum avj_status status = avj_unpack(c->unpacker, &c->frame, stored);
    if (status == AVJ_ECORRUPT)
        return corrupt(c, avj_damage_text(AVJ_DAMAGE_DECOMPRESS), err);
    if (status != AVJ_OK)
        return avj_fail(err, status, "cursor: out of memory");
    c->seq = c->frame.first_seq;
    c->place.offset += c->frame.total_len;
    c->place.chain = c->frame.chain_after;
    c->place.next_seq += c->frame.count;
    return AVJ_OK;
}

/* Nothing can be read here and there is no successor: is something missing that was promised? */
static bool evidence(struct avj_cursor *c)
{
    struct avj_sync_witness witness = {0};
    if (c->journal->sync_file >= 0)
        avj_witness_load(c->journal->io, c->journal->sync_file, c->journal->journal_id, &witness);
    return avj_tail_evidence(&c->reader, &c->place, &witness);
}

/* What stands at the cursor's place; a frame that does not continue the log is no frame of it. */
static enum avj_at look(struct avj_cursor *c, const uint8_t **stored, enum avj_damage *damage)
{
    enum avj_at at =
        avj_reader_frame(&c->reader, c->place.offset, UINT64_MAX, &c->frame, stored, damage);
    if (at != AVJ_AT_FRAME ||
        (c->frame.chain_before == c->place.chain && c->frame.first_seq == c->place.next_seq))
        return at;
    *damage = AVJ_DAMAGE_CHAIN;
    return AVJ_AT_BAD;
}

/*
 * Brings the next frame in.  A writer may be at work: proof that something is missing here is
 * believed only after the place and its successor were looked at once more, since what was missing
 * at the first look may have been written, synced and witnessed between.
 */
static enum avj_status next_frame(struct avj_cursor *c, struct avj_error *err)
{
    bool proven = false;
    for (;;) {
        const uint8_t *stored;
        enum avj_damage damage;
        enum avj_at at = look(c, &stored, &damage);
        if (at == AVJ_AT_FRAME)
            return take_frame(c, stored, err);
        if (at == AVJ_AT_ERROR)
            return avj_fail_errno(err, -c->reader.io_error, "journal %s: segment %llu",
                                  c->journal->path, (unsigned long long)c->place.segment_no);
        avj_reader_forget(&c->reader);
        bool again;
        enum avj_status status = avj_tail_next_segment(c->journal->io, c->journal->path, &c->reader,
                                                       &c->segment, &c->place, &again, err);
        if (status == AVJ_OK) {
            proven = false;
            continue;
        }
        if (status != AVJ_END && !again)
            return status;
        if (proven)
            return corrupt(c, at == AVJ_AT_BAD ? avj_damage_text(damage) : "the log ends too early",
                           err);
        if (status == AVJ_END && !evidence(c))
            return AVJ_END;
        avj_reader_forget(&c->reader);
        proven = true;
    }
}

enum avj_status avj_cursor_next(struct avj_cursor *c, struct avj_record *record,
                                struct avj_error *err)
{
    for (;;) {
        struct avj_slice slice;
        if (avj_unpack_next(c->unpacker, &slice)) {
            uint64_t seq = c->seq++;
            if (seq < c->from)
                continue;
            record->seq = seq;
            record->data = slice.data;
            record->len = slice.len;
            record->segment = c->place.segment_no;
            record->offset = c->frame.offset;
            return AVJ_OK;
        }
        enum avj_status status = next_frame(c, err);
        if (status != AVJ_OK)
            return status;
    }
}
