/* Rewriting finished segments: see seal.h. */
#include "journal/sampler.h"
#include "journal/sealer.h"

#include <stdlib.h>
#include <string.h>

struct seal {
    const struct avj_sealing *with;
    struct avj_error *err;

    struct avj_reader old;
    struct avj_segment_header here, next; /* of the original and of its successor */
    struct avj_place from;                /* in the original */
    struct avj_unpacker *unpacker;
    struct avj_sealer to;

    struct avj_sampler sampler;
};

/* ---- reading ---- */

static enum avj_status damaged(struct seal *s)
{
    return avj_tail_misfit("what stands there", &s->from, s->err);
}

/* Frame by frame, to the end that the successor names. */
static enum avj_status each_frame(struct seal *s,
                                  enum avj_status (*take)(struct seal *s,
                                                          const struct avj_frame_info *info,
                                                          const uint8_t *stored))
{
    enum avj_status status = AVJ_OK;
    avj_place_begin(&s->from, &s->here);
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
        status = take(s, &info, stored);
        avj_place_step(&s->from, &info);
    }
    if (status == AVJ_OK &&
        (s->from.chain != s->next.prev_chain || s->from.next_seq != s->next.first_seq))
        return damaged(s);
    return status;
}

static enum avj_status no_memory(struct seal *s)
{
    return avj_fail(s->err, AVJ_ENOMEM, "sealing segment %llu: out of memory",
                    (unsigned long long)s->here.segment_no);
}

static enum avj_status unpack(struct seal *s, const struct avj_frame_info *info,
                              const uint8_t *stored, struct avj_slice *payload)
{
    enum avj_status status = avj_unpack(s->unpacker, info, stored);
    if (status != AVJ_OK)
        return status == AVJ_ECORRUPT ? damaged(s) : no_memory(s);
    *payload = avj_unpacked(s->unpacker);
    return AVJ_OK;
}

static enum avj_status copy_frame(struct seal *s, const struct avj_frame_info *info,
                                  const uint8_t *stored)
{
    struct avj_slice payload;
    enum avj_status status = unpack(s, info, stored, &payload);
    return status == AVJ_OK ? avj_sealer_add(&s->to, payload.data, payload.len, info->count)
                            : status;
}

static enum avj_status copy_records(struct seal *s)
{
    enum avj_status status = each_frame(s, copy_frame);
    return status == AVJ_OK ? avj_sealer_end_records(&s->to) : status;
}

/* ---- the dictionary ---- */

static enum avj_status measure(struct seal *s, const struct avj_frame_info *info,
                               const uint8_t *stored)
{
    (void)stored;
    s->sampler.total += info->raw_len;
    return AVJ_OK;
}

static enum avj_status sample(struct seal *s, const struct avj_frame_info *info,
                              const uint8_t *stored)
{
    struct avj_slice payload = {NULL, 0};
    enum avj_status status = AVJ_OK;
    if (avj_sampler_wants(&s->sampler, info->raw_len))
        status = unpack(s, info, stored, &payload);
    if (status == AVJ_OK)
        avj_sampler_add(&s->sampler, payload.data, info->raw_len);
    return status;
}

static enum avj_status make_dictionary(struct seal *s, struct avj_dictionary *dictionary)
{
    *dictionary = (struct avj_dictionary){.len = 0};
    enum avj_status status = each_frame(s, measure);
    if (status != AVJ_OK || !avj_sampler_pays(&s->sampler))
        return status;
    if (avj_sampler_begin(&s->sampler) != AVJ_OK)
        return no_memory(s);
    status = each_frame(s, sample);
    if (status == AVJ_OK)
        avj_sampler_dictionary(&s->sampler, dictionary);
    return status;
}

/* What stands behind the original's end, up to the last byte that is not zero. */
static enum avj_status copy_set_aside(struct seal *s, uint8_t *buffer)
{
    int64_t size = avj_reader_size(&s->old);
    uint64_t at = s->next.prev_end;
    if (size < 0)
        return avj_fail_errno(s->err, (int)-size, "segment %llu",
                              (unsigned long long)s->here.segment_no);
    while (at < (uint64_t)size) {
        size_t got;
        int r = avj_io_read_full(s->old.io, s->old.file, buffer, AVJ_SEAL_PIECE, at, &got);
        if (r < 0)
            return avj_fail_errno(s->err, -r, "segment %llu",
                                  (unsigned long long)s->here.segment_no);
        size_t len = got;
        while (len > 0 && buffer[len - 1] == 0)
            len--;
        if (got == 0 || (len == 0 && at == s->next.prev_end))
            break; /* space written ahead */
        if (len > 0) {
            enum avj_status status = avj_sealer_set_aside(&s->to, buffer, got);
            if (status != AVJ_OK)
                return status;
        }
        at += got;
    }
    return AVJ_OK;
}

/* ---- the sealed segment ---- */

static enum avj_status begin(struct seal *s)
{
    const struct avj_io *io = s->with->io;
    struct avj_dictionary dictionary;
    struct avj_segment_header header = s->here;
    memcpy(header.from.salt, s->here.salt, 16);
    header.from.end = s->next.prev_end;
    header.from.chain = s->next.prev_chain;
    header.from.last_seq = s->next.prev_last_seq;
    header.from.sealed_ms = io->now_ms(io->ctx);
    enum avj_status status = avj_reader_dictionary(&s->old, &s->here, &dictionary, s->err);
    if (status == AVJ_OK && avj_unpacker_dictionary(s->unpacker, &dictionary) != AVJ_OK)
        status = no_memory(s);
    if (status == AVJ_OK)
        status = make_dictionary(s, &dictionary);
    return status == AVJ_OK
               ? avj_sealer_begin(&s->to, s->with, "sealing", &header, &dictionary, s->err)
               : status;
}

static enum avj_status rewrite(struct seal *s)
{
    enum avj_status status = begin(s);
    if (status == AVJ_OK)
        status = copy_records(s);
    if (status == AVJ_OK) {
        uint8_t *buffer = malloc(AVJ_SEAL_PIECE);
        status = buffer ? copy_set_aside(s, buffer) : avj_sealer_no_memory(&s->to);
        free(buffer);
    }
    if (status == AVJ_OK)
        status = avj_sealer_publish(&s->to);
    avj_sealer_release(&s->to);
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
    struct seal s = {.with = with, .err = err, .to.draft.file = -1};
    avj_reader_init(&s.old, with->io);
    s.unpacker = avj_unpacker_new();
    enum avj_status status =
        s.unpacker ? look(&s, number) : avj_fail(err, AVJ_ENOMEM, "sealing: out of memory");
    if (status == AVJ_OK)
        status = rewrite(&s);
    avj_reader_release(&s.old);
    avj_unpacker_free(s.unpacker);
    avj_sampler_release(&s.sampler);
    return status;
}
