/* A sealed segment in the making: see sealer.h. */
#include "journal/sealer.h"
#include "journal/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum avj_status avj_sealer_no_memory(const struct avj_sealer *s)
{
    return avj_fail(s->err, AVJ_ENOMEM, "%s segment %llu: out of memory", s->doing,
                    (unsigned long long)s->header.segment_no);
}

/* ---- frames ---- */

static enum avj_status write_frame(struct avj_sealer *s, uint8_t type, const uint8_t *raw,
                                   size_t len, uint16_t count)
{
    struct avj_payload payload;
    enum avj_status status = avj_pack_payload(s->with->packer, raw, len, count, &payload, s->err);
    if (status != AVJ_OK)
        return status;
    struct avj_frame_header h = {
        .type = type,
        .first_seq = s->to.next_seq,
        .durable_seq = s->header.from.last_seq,
        .prev_hash = s->to.chain,
    };
    uint8_t *frame = malloc((size_t)avj_frame_total(payload.stored_len));
    if (!frame)
        return avj_sealer_no_memory(s);
    size_t total = avj_frame_build(&h, &payload, s->header.salt, s->to.offset, frame);
    status = avj_draft_write(&s->draft, frame, total, s->err);
    free(frame);
    s->to.offset += total;
    s->to.chain = h.header_hash;
    return status;
}

/* The records that wait become a frame. */
static enum avj_status flush(struct avj_sealer *s)
{
    if (!s->raw_len)
        return AVJ_OK;
    if (s->with->stop && s->with->stop(s->with->arg))
        return AVJ_END;
    if (!avj_index_add(&s->index, &s->to))
        return avj_sealer_no_memory(s);
    avj_hash_stream_add(s->content, s->raw, s->raw_len);
    enum avj_status status =
        write_frame(s, AVJ_FRAME_RECORDS, s->raw, s->raw_len, (uint16_t)s->raw_count);
    s->to.next_seq += s->raw_count;
    s->raw_len = 0;
    s->raw_count = 0;
    return status;
}

static bool reserve(struct avj_sealer *s, size_t len)
{
    if (len <= s->raw_room)
        return true;
    uint8_t *raw = realloc(s->raw, len);
    if (!raw)
        return false;
    s->raw = raw;
    s->raw_room = len;
    return true;
}

/* One record behind its length. */
static enum avj_status add_one(struct avj_sealer *s, const uint8_t *record, size_t len)
{
    enum avj_status status = AVJ_OK;
    if (s->raw_len + len > AVJ_SEAL_RAW || s->raw_count == AVJ_RECORDS_PER_FRAME_MAX)
        status = flush(s);
    if (status != AVJ_OK)
        return status;
    if (!reserve(s, len > AVJ_SEAL_RAW ? len : AVJ_SEAL_RAW))
        return avj_sealer_no_memory(s);
    memcpy(s->raw + s->raw_len, record, len);
    s->raw_len += len;
    s->raw_count++;
    return AVJ_OK;
}

enum avj_status avj_sealer_add(struct avj_sealer *s, const void *records, size_t len,
                               uint32_t count)
{
    const uint8_t *at = records, *end = at + len;
    enum avj_status status = AVJ_OK;
    for (uint32_t i = 0; status == AVJ_OK && i < count; i++) {
        size_t whole = avj_record_span(at, (size_t)(end - at));
        if (!whole)
            return avj_fail(s->err, AVJ_ECORRUPT,
                            "%s segment %llu: records do not fill their frame", s->doing,
                            (unsigned long long)s->header.segment_no);
        status = add_one(s, at, whole);
        at += whole;
    }
    return status;
}

enum avj_status avj_sealer_end_records(struct avj_sealer *s)
{
    enum avj_status status = flush(s);
    if (status != AVJ_OK)
        return status;
    s->header.from.index_at = s->to.offset;
    avj_hash_stream_end(s->content, s->header.from.content);
    return write_frame(s, AVJ_FRAME_INDEX, s->index.entries, s->index.count * AVJ_INDEX_ENTRY_LEN,
                       (uint16_t)s->index.count);
}

enum avj_status avj_sealer_set_aside(struct avj_sealer *s, const void *data, size_t len)
{
    s->header.from.set_aside_bytes += len;
    return write_frame(s, AVJ_FRAME_SET_ASIDE, data, len, 1);
}

/* ---- the segment ---- */

enum avj_status avj_sealer_begin(struct avj_sealer *s, const struct avj_sealing *with,
                                 const char *doing, const struct avj_segment_header *header,
                                 const struct avj_dictionary *dictionary, struct avj_error *err)
{
    const struct avj_io *io = with->io;
    *s = (struct avj_sealer){
        .with = with, .err = err, .doing = doing, .header = *header, .draft.file = -1};
    s->dictionary = *dictionary;
    s->header.incompat = s->header.ro_compat = s->header.compat = 0;
    s->header.sealed = true;
    s->header.from.set_aside_bytes = 0;
    s->header.frames_at = AVJ_SEGMENT_HEADER_LEN;
    s->content = avj_hash_stream_new();
    if (!s->content)
        return avj_sealer_no_memory(s);
    int r = io->random(io->ctx, s->header.salt, 16);
    if (r < 0)
        return avj_fail_errno(err, -r, "random numbers");
    s->header.chain = avj_frame_place(s->header.salt, 0);
    enum avj_status status =
        avj_draft_begin(&s->draft, io, with->path, header->segment_no, AVJ_SEAL_DRAFT, err);
    /* Written once more at the end; for now it is to say where the first frame comes. */
    if (status == AVJ_OK)
        status = avj_draft_header(&s->draft, &s->header, dictionary, err);
    if (status == AVJ_OK && avj_packer_dictionary(with->packer, dictionary) != AVJ_OK)
        status = avj_sealer_no_memory(s);
    avj_place_begin(&s->to, &s->header);
    return status;
}

void avj_sealer_release(struct avj_sealer *s)
{
    avj_draft_drop(&s->draft);
    avj_hash_stream_free(s->content);
    avj_index_builder_release(&s->index);
    free(s->raw);
}

static enum avj_status note_damage(void *arg, enum avj_damage damage, uint64_t offset, uint64_t len,
                                   const struct avj_frame_info *next_good)
{
    (void)arg, (void)damage, (void)offset, (void)len, (void)next_good;
    return AVJ_ECORRUPT;
}

/* Reads what was written, as one who does not trust it; the header's hash of the content is that of
 * the records that were added. */
static enum avj_status verify(struct avj_sealer *s)
{
    const struct avj_scan_events events = {.damage = note_damage};
    struct avj_scan_result result;
    enum avj_status status =
        avj_scan_segment(s->with->io, s->draft.temp, 0, true, &events, &result, s->err);
    if (status != AVJ_OK && status != AVJ_ECORRUPT)
        return status;
    if (status == AVJ_OK && result.header_ok && result.next_seq == s->header.from.last_seq + 1)
        return AVJ_OK;
    return avj_fail(s->err, AVJ_EIO,
                    "%s segment %llu: what was written reads back differently; the segment stays "
                    "as it is",
                    s->doing, (unsigned long long)s->header.segment_no);
}

/* A sealed segment must have its successor, also after a crash: whoever made that may have died
 * before its name was durable. */
static enum avj_status settle_names(struct avj_sealer *s)
{
    char dir[AVJ_PATH_MAX];
    snprintf(dir, sizeof(dir), "%s/segments", s->with->path);
    int r = s->with->io->sync_dir(s->with->io->ctx, dir);
    return r < 0 ? avj_fail_errno(s->err, -r, "sync directory %s", dir) : AVJ_OK;
}

enum avj_status avj_sealer_publish(struct avj_sealer *s)
{
    enum avj_status status = avj_draft_header(&s->draft, &s->header, &s->dictionary, s->err);
    if (status == AVJ_OK)
        status = verify(s);
    if (status == AVJ_OK)
        status = settle_names(s);
    return status == AVJ_OK ? avj_draft_publish(&s->draft, s->err) : status;
}
