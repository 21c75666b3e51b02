/* Rewriting finished segments: see seal.h. */
#include "journal/seal.h"
#include "journal/hash.h"
#include "journal/index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct seal {
    const struct avj_sealing *with;
    struct avj_error *err;

    struct avj_reader old;
    struct avj_segment_header here, next; /* of the original and of its successor */
    struct avj_place from;                /* in the original */
    struct avj_unpacker *unpacker;

    struct avj_draft draft;
    struct avj_segment_header header; /* of the sealed one */
    struct avj_place to;
    struct avj_index_builder index;
    struct avj_hash_stream *content;

    uint8_t *raw; /* records that wait for the next frame */
    size_t raw_len, raw_room;
    uint32_t raw_count;
};

static enum avj_status no_memory(struct seal *s)
{
    return avj_fail(s->err, AVJ_ENOMEM, "sealing segment %llu: out of memory",
                    (unsigned long long)s->here.segment_no);
}

static bool must_stop(const struct seal *s)
{
    return s->with->stop && s->with->stop(s->with->arg);
}

/* ---- writing ---- */

static enum avj_status write_frame(struct seal *s, uint8_t type, const uint8_t *raw, size_t len,
                                   uint16_t count)
{
    struct avj_payload payload;
    enum avj_status status = avj_pack_payload(s->with->packer, raw, len, &payload, s->err);
    if (status != AVJ_OK)
        return status;
    payload.count = count;
    struct avj_frame_header h = {
        .type = type,
        .first_seq = s->to.next_seq,
        .durable_seq = s->header.from.last_seq,
        .prev_hash = s->to.chain,
    };
    uint8_t *frame = malloc((size_t)avj_frame_total(payload.stored_len));
    if (!frame)
        return no_memory(s);
    size_t total = avj_frame_build(&h, &payload, s->header.salt, s->to.offset, frame);
    status = avj_draft_write(&s->draft, frame, total, s->err);
    free(frame);
    s->to.offset += total;
    s->to.chain = h.header_hash;
    return status;
}

/* The records that wait become a frame. */
static enum avj_status flush(struct seal *s)
{
    if (!s->raw_len)
        return AVJ_OK;
    if (must_stop(s))
        return AVJ_END;
    if (!avj_index_add(&s->index, &s->to))
        return no_memory(s);
    avj_hash_stream_add(s->content, s->raw, s->raw_len);
    enum avj_status status =
        write_frame(s, AVJ_FRAME_RECORDS, s->raw, s->raw_len, (uint16_t)s->raw_count);
    s->to.next_seq += s->raw_count;
    s->raw_len = 0;
    s->raw_count = 0;
    return status;
}

static bool reserve(struct seal *s, size_t len)
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

/* ---- reading ---- */

static enum avj_status damaged(struct seal *s)
{
    return avj_tail_misfit("what stands there", &s->from, s->err);
}

static enum avj_status take_frame(struct seal *s, const struct avj_frame_info *info,
                                  const uint8_t *stored)
{
    enum avj_status status = avj_unpack(s->unpacker, info, stored);
    if (status != AVJ_OK)
        return status == AVJ_ECORRUPT ? damaged(s) : no_memory(s);
    struct avj_slice payload = avj_unpacked(s->unpacker);
    if (s->raw_len + payload.len > AVJ_SEAL_RAW ||
        s->raw_count + info->count > AVJ_RECORDS_PER_FRAME_MAX)
        status = flush(s);
    if (status != AVJ_OK)
        return status;
    if (!reserve(s, s->raw_len + payload.len))
        return no_memory(s);
    memcpy(s->raw + s->raw_len, payload.data, payload.len);
    s->raw_len += payload.len;
    s->raw_count += info->count;
    avj_place_step(&s->from, info);
    return AVJ_OK;
}

static enum avj_status copy_records(struct seal *s)
{
    enum avj_status status = AVJ_OK;
    while (status == AVJ_OK && s->from.offset < s->next.prev_end) {
        struct avj_frame_info info;
        const uint8_t *stored;
        enum avj_damage damage;
        enum avj_at at =
            avj_reader_frame(&s->old, s->from.offset, s->next.prev_end, &info, &stored, &damage);
        if (at == AVJ_AT_ERROR)
            return avj_fail_errno(s->err, -s->old.io_error, "segment %llu",
                                  (unsigned long long)s->here.segment_no);
        if (at != AVJ_AT_FRAME || !avj_follows(&s->from, &info))
            return damaged(s);
        status = take_frame(s, &info, stored);
    }
    if (status == AVJ_OK &&
        (s->from.chain != s->next.prev_chain || s->from.next_seq != s->next.first_seq))
        return damaged(s);
    return status == AVJ_OK ? flush(s) : status;
}

/* What stands behind the original's end, up to the last byte that is not zero. */
static enum avj_status copy_set_aside(struct seal *s)
{
    int64_t size = avj_reader_size(&s->old);
    uint64_t at = s->next.prev_end;
    if (size < 0)
        return avj_fail_errno(s->err, (int)-size, "segment %llu",
                              (unsigned long long)s->here.segment_no);
    if (!reserve(s, AVJ_SEAL_RAW))
        return no_memory(s);
    while (at < (uint64_t)size) {
        size_t got;
        int r = avj_io_read_full(s->old.io, s->old.file, s->raw, AVJ_SEAL_RAW, at, &got);
        if (r < 0)
            return avj_fail_errno(s->err, -r, "segment %llu",
                                  (unsigned long long)s->here.segment_no);
        size_t len = got;
        while (len > 0 && s->raw[len - 1] == 0)
            len--;
        if (got == 0 || (len == 0 && at == s->next.prev_end))
            break; /* space written ahead */
        if (len > 0) {
            enum avj_status status = write_frame(s, AVJ_FRAME_SET_ASIDE, s->raw, got, 1);
            if (status != AVJ_OK)
                return status;
            s->header.from.set_aside_bytes += got;
        }
        at += got;
    }
    return AVJ_OK;
}

/* ---- the sealed segment ---- */

static enum avj_status plan(struct seal *s)
{
    const struct avj_io *io = s->with->io;
    struct avj_dictionary dictionary;
    s->header = s->here;
    memset(&s->header.dictionary, 0, sizeof(s->header.dictionary));
    s->header.incompat = s->header.ro_compat = s->header.compat = 0;
    s->header.sealed = true;
    memcpy(s->header.from.salt, s->here.salt, 16);
    s->header.from.end = s->next.prev_end;
    s->header.from.chain = s->next.prev_chain;
    s->header.from.last_seq = s->next.prev_last_seq;
    s->header.from.sealed_ms = io->now_ms(io->ctx);
    s->header.frames_at = AVJ_SEGMENT_HEADER_LEN;
    int r = io->random(io->ctx, s->header.salt, 16);
    if (r < 0)
        return avj_fail_errno(s->err, -r, "random numbers");
    s->header.chain = avj_frame_place(s->header.salt, 0);
    avj_place_begin(&s->from, &s->here);
    avj_place_begin(&s->to, &s->header);
    enum avj_status status = avj_reader_dictionary(&s->old, &s->here, &dictionary, s->err);
    if (status == AVJ_OK && avj_unpacker_dictionary(s->unpacker, &dictionary) != AVJ_OK)
        return no_memory(s);
    return status;
}

static enum avj_status write_all(struct seal *s)
{
    static const struct avj_dictionary none;
    s->draft.at = s->header.frames_at;
    enum avj_status status = copy_records(s);
    if (status != AVJ_OK)
        return status;
    s->header.from.index_at = s->to.offset;
    avj_hash_stream_end(s->content, s->header.from.content);
    status = write_frame(s, AVJ_FRAME_INDEX, s->index.entries, s->index.count * AVJ_INDEX_ENTRY_LEN,
                         (uint16_t)s->index.count);
    if (status == AVJ_OK)
        status = copy_set_aside(s);
    return status == AVJ_OK ? avj_draft_header(&s->draft, &s->header, &none, s->err) : status;
}

static enum avj_status note_damage(void *arg, enum avj_damage damage, uint64_t offset, uint64_t len,
                                   const struct avj_frame_info *next_good)
{
    (void)arg, (void)damage, (void)offset, (void)len, (void)next_good;
    return AVJ_ECORRUPT;
}

/* Reads what was written, as one who does not trust it; the header's hash of the content is that of
 * the original's records. */
static enum avj_status verify(struct seal *s)
{
    const struct avj_scan_events events = {.damage = note_damage};
    struct avj_scan_result result;
    enum avj_status status =
        avj_scan_segment(s->with->io, s->draft.temp, 0, true, &events, &result, s->err);
    if (status != AVJ_OK && status != AVJ_ECORRUPT)
        return status;
    if (status == AVJ_OK && result.header_ok && result.next_seq == s->next.first_seq)
        return AVJ_OK;
    return avj_fail(s->err, AVJ_EIO,
                    "sealing segment %llu: what was written reads back differently; the segment "
                    "stays as it is",
                    (unsigned long long)s->here.segment_no);
}

/* A sealed segment must have its successor, also after a crash: whoever made that may have died
 * before its name was durable. */
static enum avj_status settle_names(struct seal *s)
{
    char dir[AVJ_PATH_MAX];
    snprintf(dir, sizeof(dir), "%s/segments", s->with->path);
    int r = s->with->io->sync_dir(s->with->io->ctx, dir);
    return r < 0 ? avj_fail_errno(s->err, -r, "sync directory %s", dir) : AVJ_OK;
}

static enum avj_status rewrite(struct seal *s)
{
    enum avj_status status = plan(s);
    if (status == AVJ_OK)
        status = avj_draft_begin(&s->draft, s->with->io, s->with->path, s->here.segment_no,
                                 AVJ_SEAL_DRAFT, s->err);
    if (status != AVJ_OK)
        return status;
    status = write_all(s);
    if (status == AVJ_OK)
        status = verify(s);
    if (status == AVJ_OK)
        status = settle_names(s);
    if (status == AVJ_OK)
        return avj_draft_publish(&s->draft, s->err);
    avj_draft_drop(&s->draft);
    return status;
}

/* Opens both segments; AVJ_END where there is nothing to seal. */
static enum avj_status look(struct seal *s, uint64_t number)
{
    char name[AVJ_PATH_MAX];
    struct avj_reader next;
    struct avj_place place;
    enum avj_fit fit;
    avj_segment_path(s->with->path, number, ".seg", name);
    enum avj_status status = avj_reader_open(&s->old, name, &s->here, s->err);
    if (status != AVJ_OK)
        return status;
    if (s->here.sealed || s->here.segment_no != number)
        return AVJ_END;
    if (s->here.ro_compat & ~AVJ_RO_COMPAT_KNOWN)
        return AVJ_END;
    avj_place_begin(&place, &s->here);
    avj_reader_init(&next, s->with->io);
    status = avj_tail_successor(s->with->path, &s->here, &place, &next, &s->next, &fit, s->err);
    avj_reader_release(&next);
    if (status != AVJ_OK)
        return status;
    if (fit == AVJ_FIT_WRONG)
        return avj_tail_misfit(name, &place, s->err);
    return fit == AVJ_FIT_LATER ? AVJ_OK : AVJ_END;
}

enum avj_status avj_seal_segment(const struct avj_sealing *with, uint64_t number,
                                 struct avj_error *err)
{
    struct seal s = {.with = with, .err = err, .draft.file = -1};
    avj_reader_init(&s.old, with->io);
    s.unpacker = avj_unpacker_new();
    s.content = avj_hash_stream_new();
    enum avj_status status = s.unpacker && s.content ? look(&s, number) : no_memory(&s);
    if (status == AVJ_OK)
        status = rewrite(&s);
    avj_reader_release(&s.old);
    avj_unpacker_free(s.unpacker);
    avj_hash_stream_free(s.content);
    avj_index_builder_release(&s.index);
    free(s.raw);
    return status;
}
