/* A frame with one wrong bit, or with a damaged end: see mend.h. */
#include "journal/format.h"
#include "journal/mend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_BITS (AVJ_FRAME_HEADER_LEN * 8)

static void flip(uint8_t *bytes, size_t bit)
{
    bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
}

/* As it stands there, or with the bit put back; false: more is damaged. */
static bool mend_header(uint8_t bytes[AVJ_FRAME_HEADER_LEN], uint64_t place,
                        struct avj_frame_header *h, size_t *bit)
{
    if (*bit < HEADER_BITS)
        flip(bytes, *bit);
    if (avj_frame_header_decode(bytes, place, h))
        return true;
    for (size_t i = 0; *bit == AVJ_MEND_ANY_BIT && i < HEADER_BITS; i++) {
        flip(bytes, i);
        if (avj_frame_header_decode(bytes, place, h)) {
            *bit = i;
            return true;
        }
        flip(bytes, i);
    }
    return false;
}

static bool mend_payload(struct avj_mended_frame *m, const struct avj_frame_header *h,
                         uint64_t place, size_t *bit)
{
    size_t len = h->stored_len;
    if (*bit >= HEADER_BITS && *bit < AVJ_MEND_ANY_BIT && *bit - HEADER_BITS < len * 8)
        flip(m->stored, *bit - HEADER_BITS);
    if (avj_payload_hash(place, m->stored, len) == h->payload_hash) {
        if (*bit == AVJ_MEND_ANY_BIT)
            *bit = AVJ_MEND_NO_BIT;
        return true;
    }
    if (*bit != AVJ_MEND_ANY_BIT || len > AVJ_MEND_PAYLOAD_MAX)
        return false;
    for (size_t i = 0; i < len * 8; i++) {
        flip(m->stored, i);
        m->hashed += len;
        if (avj_payload_hash(place, m->stored, len) == h->payload_hash) {
            *bit = HEADER_BITS + i;
            return true;
        }
        flip(m->stored, i);
    }
    return false;
}

static void describe(struct avj_mended_frame *m, const struct avj_frame_header *h, uint64_t offset)
{
    m->frame = (struct avj_frame_info){
        .offset = offset,
        .total_len = avj_frame_total(h->stored_len),
        .stored_len = h->stored_len,
        .raw_len = h->raw_len,
        .count = h->count,
        .first_seq = h->first_seq,
        .durable_seq = h->durable_seq,
        .chain_before = h->prev_hash,
        .chain_after = h->header_hash,
        .writer_id = h->writer_id,
        .dictionary = h->dict_id,
        .type = h->type,
        .compressed = (h->flags & AVJ_FRAME_FLAG_ZSTD) != 0,
        .bare = (h->flags & AVJ_FRAME_FLAG_BARE) != 0,
    };
}

static enum avj_status mend_in(const struct avj_io *io, int file, const char *path, uint64_t place,
                               uint64_t offset, struct avj_mended_frame *m, struct avj_error *err)
{
    uint8_t bytes[AVJ_FRAME_HEADER_LEN];
    struct avj_frame_header h;
    size_t got = 0;
    int r = avj_io_read_full(io, file, bytes, sizeof(bytes), offset, &got);
    if (r < 0)
        return avj_fail_errno(err, -r, "%s", path);
    if (got < sizeof(bytes) || avj_all_zero(bytes, sizeof(bytes)) ||
        !mend_header(bytes, place, &h, &m->bit) || h.type != AVJ_FRAME_RECORDS)
        return AVJ_END;
    m->stored = malloc(h.stored_len);
    if (!m->stored)
        return avj_fail(err, AVJ_ENOMEM, "%s: out of memory", path);
    r = avj_io_read_full(io, file, m->stored, h.stored_len, offset + sizeof(bytes), &got);
    if (r < 0)
        return avj_fail_errno(err, -r, "%s", path);
    if (got < h.stored_len || !mend_payload(m, &h, place, &m->bit))
        return AVJ_END;
    describe(m, &h, offset);
    return AVJ_OK;
}

enum avj_status avj_mend_frame(const struct avj_io *io, const char *path, const uint8_t salt[16],
                               uint64_t offset, size_t bit, struct avj_mended_frame *m,
                               struct avj_error *err)
{
    *m = (struct avj_mended_frame){.bit = bit};
    int file = io->open(io->ctx, path, AVJ_OPEN_READ);
    if (file < 0)
        return avj_fail_errno(err, -file, "%s", path);
    enum avj_status status = mend_in(io, file, path, avj_frame_place(salt, offset), offset, m, err);
    (void)io->close(io->ctx, file);
    if (status != AVJ_OK) {
        free(m->stored);
        m->stored = NULL;
    }
    return status;
}
