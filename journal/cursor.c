/* Reading records in order, across segments, while others append. */
#include "journal/index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct avj_cursor {
    struct avj_journal *journal;
    struct avj_reader reader;
    struct avj_unpacker *unpacker;
    struct avj_segment_header segment;
    struct avj_place place; /* of the next frame */
    uint64_t limit;         /* where the segment's log ends; UINT64_MAX: it may still grow */
    struct avj_frame_info frame;
    uint64_t seq;  /* of the next record in the frame at hand */
    uint64_t from; /* records before this are passed over */
};

/* ---- entering segments ---- */

/* A successor that is there already says where this segment ends: frames that still stand behind
 * were carried over.  One that comes later is met at the end. */
static enum avj_status find_limit(struct avj_cursor *c, struct avj_error *err)
{
    struct avj_reader next;
    struct avj_segment_header header;
    enum avj_fit fit;
    if (c->segment.sealed) {
        c->limit = c->segment.from.index_at;
        return AVJ_OK;
    }
    c->limit = UINT64_MAX;
    avj_reader_init(&next, c->journal->io);
    enum avj_status status =
        avj_tail_successor(c->journal->path, &c->segment, &c->place, &next, &header, &fit, err);
    if (status == AVJ_OK && (fit == AVJ_FIT_LATER || fit == AVJ_FIT_HERE))
        c->limit = header.prev_end;
    avj_reader_release(&next);
    /* One that is damaged, or does not fit, is complained of when it is its turn. */
    return status == AVJ_ECORRUPT || status == AVJ_EVERSION ? AVJ_OK : status;
}

/* The segment is open: what belongs to it is got ready, and c->place is its first frame. */
static enum avj_status enter(struct avj_cursor *c, struct avj_error *err)
{
    struct avj_dictionary dictionary;
    avj_place_begin(&c->place, &c->segment);
    enum avj_status status = avj_reader_dictionary(&c->reader, &c->segment, &dictionary, err);
    if (status == AVJ_OK && avj_unpacker_dictionary(c->unpacker, &dictionary) != AVJ_OK)
        status = avj_fail(err, AVJ_ENOMEM, "cursor: out of memory");
    return status == AVJ_OK ? find_limit(c, err) : status;
}

static enum avj_status open_segment(struct avj_cursor *c, const struct avj_segment_entry *entry,
                                    struct avj_error *err)
{
    char name[AVJ_PATH_MAX];
    avj_segment_path(c->journal->path, entry->number, ".seg", name);
    avj_reader_release(&c->reader);
    enum avj_status status = avj_reader_open(&c->reader, name, &c->segment, err);
    if (status == AVJ_ECORRUPT)
        avj_wrap(err, "run avchat-fsck %s", c->journal->path);
    if (status != AVJ_OK)
        return status;
    if (memcmp(c->segment.journal_id, c->journal->journal_id, 16) != 0 ||
        c->segment.segment_no != entry->number)
        return avj_fail(err, AVJ_ECORRUPT,
                        "%s belongs to another place or journal; run avchat-fsck", name);
    return AVJ_OK;
}

/* The last segment that begins at or before `from`; the first one when from is 0. */
static enum avj_status find_segment(struct avj_cursor *c, const struct avj_segment_entry *segments,
                                    size_t count, struct avj_error *err)
{
    size_t low = 0, high = count;
    enum avj_status status = AVJ_OK;
    while (status == AVJ_OK && c->from && high - low > 1) {
        size_t middle = low + (high - low) / 2;
        status = open_segment(c, &segments[middle], err);
        if (status == AVJ_OK && c->segment.first_seq <= c->from)
            low = middle;
        else
            high = middle;
    }
    if (status == AVJ_OK)
        status = open_segment(c, &segments[low], err);
    if (status == AVJ_OK && low == 0 && c->segment.prev_segment_no != 0)
        return avj_fail(err, AVJ_ECORRUPT,
                        "%s: segments before %llu are missing: records up to sequence number %llu "
                        "are lost here; run avchat-fsck",
                        c->journal->path, (unsigned long long)c->segment.segment_no,
                        (unsigned long long)c->segment.first_seq - 1);
    return status;
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

/* In a sealed segment the index leads straight to the frame of c->from. */
static enum avj_status seek(struct avj_cursor *c, struct avj_error *err)
{
    struct avj_index index;
    if (!c->segment.sealed || c->from <= c->segment.first_seq)
        return AVJ_OK;
    enum avj_status status = avj_index_load(&c->reader, &c->segment, c->unpacker, &index, err);
    if (status == AVJ_ENOMEM || status == AVJ_EIO)
        return status;
    if (status != AVJ_OK)
        return corrupt(c, avj_damage_text(AVJ_DAMAGE_INDEX), err);
    avj_index_find(&index, c->from, &c->place);
    return AVJ_OK;
}

static enum avj_status find_start(struct avj_cursor *c, struct avj_error *err)
{
    struct avj_segment_entry *segments;
    size_t count;
    enum avj_status status =
        avj_list_segments(c->journal->io, c->journal->path, &segments, &count, NULL, NULL, err);
    if (status != AVJ_OK)
        return status;
    if (count == 0)
        status = avj_fail(err, AVJ_ECORRUPT, "%s: all segments are gone; run avchat-fsck",
                          c->journal->path);
    else
        status = find_segment(c, segments, count, err);
    free(segments);
    if (status == AVJ_OK && c->from && c->from < c->segment.first_seq)
        return avj_fail(err, AVJ_ENOTFOUND, "%s: record %llu is not kept, the first is %llu",
                        c->journal->path, (unsigned long long)c->from,
                        (unsigned long long)c->segment.first_seq);
    if (status == AVJ_OK)
        status = enter(c, err);
    return status == AVJ_OK ? seek(c, err) : status;
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

void avj_cursor_skip(struct avj_cursor *c, uint64_t seq)
{
    if (seq > c->from)
        c->from = seq;
}

void avj_cursor_close(struct avj_cursor *c)
{
    if (!c)
        return;
    avj_reader_release(&c->reader);
    avj_unpacker_free(c->unpacker);
    free(c);
}

/* ---- frames ---- */

static enum avj_status take_frame(struct avj_cursor *c, const uint8_t *stored,
                                  struct avj_error *err)
{
    bool wanted = c->frame.first_seq + c->frame.count > c->from;
    enum avj_status status = wanted ? avj_unpack(c->unpacker, &c->frame, stored) : AVJ_OK;
    if (status == AVJ_ECORRUPT)
        return corrupt(c, avj_damage_text(AVJ_DAMAGE_DECOMPRESS), err);
    if (status != AVJ_OK)
        return avj_fail(err, status, "cursor: out of memory");
    c->seq = c->frame.first_seq;
    avj_place_step(&c->place, &c->frame);
    return AVJ_OK;
}

/* Nothing can be read here and there is no successor: is something missing that was promised?
 * Without the append lock a bad frame may be one in the making, so that alone proves nothing. */
static bool evidence(struct avj_cursor *c)
{
    struct avj_sync_witness witness = {0};
    if (c->journal->sync_file >= 0)
        avj_witness_load(c->journal->io, c->journal->sync_file, c->journal->journal_id, &witness);
    return avj_tail_evidence(&c->reader, &c->place, &witness, false);
}

/* What stands at the cursor's place; a frame that does not continue the log is no frame of it. */
static enum avj_at look(struct avj_cursor *c, const uint8_t **stored, enum avj_damage *damage)
{
    *damage = AVJ_DAMAGE_TRUNCATED;
    if (c->place.offset >= c->limit)
        return AVJ_AT_END;
    enum avj_at at =
        avj_reader_frame(&c->reader, c->place.offset, c->limit, &c->frame, stored, damage);
    if (at != AVJ_AT_FRAME || avj_follows(&c->place, &c->frame))
        return at;
    *damage = AVJ_DAMAGE_CHAIN;
    return AVJ_AT_BAD;
}

/* The reader goes on in `next`; *place is where. */
static enum avj_status go_on_in(struct avj_cursor *c, struct avj_reader *next,
                                const struct avj_segment_header *header,
                                const struct avj_place *place, struct avj_error *err)
{
    avj_reader_release(&c->reader);
    c->reader = *next;
    avj_reader_init(next, c->journal->io);
    c->segment = *header;
    enum avj_status status = enter(c, err);
    if (place)
        c->place = *place;
    return status;
}

/* A sealed segment ends in its index, without which it is not what was sealed. */
static enum avj_status check_index(struct avj_cursor *c, struct avj_error *err)
{
    struct avj_index index;
    if (!c->segment.sealed)
        return AVJ_OK;
    enum avj_status status = avj_index_load(&c->reader, &c->segment, c->unpacker, &index, err);
    if (status == AVJ_ECORRUPT)
        return corrupt(c, avj_damage_text(AVJ_DAMAGE_INDEX), err);
    return status;
}

/* AVJ_OK: the cursor is in the next segment.  AVJ_END: there is none.  *again: it names a later
 * end. */
static enum avj_status next_segment(struct avj_cursor *c, bool *again, struct avj_error *err)
{
    struct avj_reader next;
    struct avj_segment_header header;
    struct avj_place place = c->place;
    enum avj_fit fit;
    char name[AVJ_PATH_MAX];
    *again = false;
    enum avj_status status = check_index(c, err);
    if (status != AVJ_OK)
        return status;
    avj_reader_init(&next, c->journal->io);
    status =
        avj_tail_successor(c->journal->path, &c->segment, &c->place, &next, &header, &fit, err);
    *again = status == AVJ_OK && fit == AVJ_FIT_LATER;
    if (status == AVJ_OK && fit == AVJ_FIT_NONE)
        status = c->segment.sealed ? avj_tail_missing(&c->place, err) : AVJ_END;
    else if (status == AVJ_OK && fit == AVJ_FIT_HERE)
        status = go_on_in(c, &next, &header, NULL, err);
    else if (status == AVJ_OK && fit == AVJ_FIT_CUT) {
        status = avj_tail_across_cut(c->journal->path, &c->reader, &c->segment, &next, &header,
                                     &place, err);
        if (status == AVJ_OK)
            status = go_on_in(c, &next, &header, &place, err);
    } else if (status == AVJ_OK) {
        avj_segment_path(c->journal->path, c->place.segment_no + 1, ".seg", name);
        status = avj_tail_misfit(name, &c->place, err);
    }
    avj_reader_release(&next);
    return status;
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
        enum avj_status status = next_segment(c, &again, err);
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
