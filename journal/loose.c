/* Frames on the loose: see loose.h. */
#include "journal/loose.h"
#include "journal/format.h"
#include "journal/payload.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

static const uint8_t zstd_magic[4] = {0x28, 0xb5, 0x2f, 0xfd};

void avj_loose_init(struct avj_loose *l, const struct avj_dictionary *dictionaries, size_t count)
{
    *l = (struct avj_loose){.dictionaries = dictionaries, .dictionary_count = count};
}

void avj_loose_release(struct avj_loose *l)
{
    ZSTD_freeDCtx(l->unpacker);
    free(l->raw);
    memset(l, 0, sizeof(*l));
}

static bool reserve(struct avj_loose *l, size_t len)
{
    if (!l->unpacker)
        l->unpacker = ZSTD_createDCtx();
    if (l->unpacker && l->room < len) {
        uint8_t *raw = realloc(l->raw, len);
        if (!raw)
            return false;
        l->raw = raw;
        l->room = len;
    }
    return l->unpacker != NULL;
}

static const struct avj_dictionary *named(const struct avj_loose *l, uint32_t id)
{
    for (size_t i = 0; i < l->dictionary_count; i++)
        if ((uint32_t)l->dictionaries[i].hash == id)
            return &l->dictionaries[i];
    return NULL;
}

/* Unpacks as far as it goes; true: to the end, and all checksums hold. */
static bool stream(struct avj_loose *l, ZSTD_inBuffer *in, ZSTD_outBuffer *out)
{
    size_t left = 1;
    while (in->pos < in->size) {
        size_t in_at = in->pos, out_at = out->pos;
        left = ZSTD_decompressStream(l->unpacker, out, in);
        if (ZSTD_isError(left) || (in->pos == in_at && out->pos == out_at))
            return false;
    }
    return left == 0;
}

static enum avj_status unpack(struct avj_loose *l, const struct avj_frame_header *h,
                              const uint8_t *stored, size_t len, struct avj_loose_frame *frame)
{
    const struct avj_dictionary *dictionary = h->dict_id ? named(l, h->dict_id) : NULL;
    ZSTD_outBuffer out = {l->raw, h->raw_len, 0};
    ZSTD_inBuffer magic = {zstd_magic, 4, 0}, in = {stored, len, 0};
    bool bare = (h->flags & AVJ_FRAME_FLAG_BARE) != 0;
    if (h->dict_id && !dictionary)
        return AVJ_END;
    (void)ZSTD_DCtx_reset(l->unpacker, ZSTD_reset_session_and_parameters);
    if (ZSTD_isError(ZSTD_DCtx_loadDictionary(l->unpacker, dictionary ? dictionary->data : NULL,
                                              dictionary ? dictionary->len : 0)))
        return AVJ_ENOMEM;
    if (bare)
        (void)stream(l, &magic, &out);
    frame->whole = stream(l, &in, &out) && out.pos == h->raw_len;
    frame->raw = l->raw;
    frame->raw_len = out.pos;
    return AVJ_OK;
}

static bool fills(const struct avj_loose_frame *frame)
{
    struct avj_slice record;
    size_t at = 0;
    uint32_t count = 0;
    while (avj_loose_next(frame, &at, &record))
        count++;
    return at == frame->raw_len && count == frame->count;
}

enum avj_status avj_loose_unpack(struct avj_loose *l, const uint8_t *bytes, size_t len,
                                 struct avj_loose_frame *frame)
{
    struct avj_frame_header h;
    memset(frame, 0, sizeof(*frame));
    if (len <= AVJ_FRAME_HEADER_LEN || !avj_frame_header_guess(bytes, &h) ||
        h.type != AVJ_FRAME_RECORDS)
        return AVJ_END;
    size_t there = len - AVJ_FRAME_HEADER_LEN;
    bool cut = there < h.stored_len;
    if (!reserve(l, h.raw_len))
        return AVJ_ENOMEM;
    frame->first_seq = h.first_seq;
    frame->count = h.count;
    frame->total = cut ? len : AVJ_FRAME_HEADER_LEN + h.stored_len;
    const uint8_t *stored = bytes + AVJ_FRAME_HEADER_LEN;
    size_t stored_len = cut ? there : h.stored_len;
    enum avj_status status = AVJ_OK;
    if (h.flags & AVJ_FRAME_FLAG_ZSTD) {
        status = unpack(l, &h, stored, stored_len, frame);
    } else {
        memcpy(l->raw, stored, stored_len < h.raw_len ? stored_len : h.raw_len);
        frame->raw = l->raw;
        frame->raw_len = stored_len < h.raw_len ? stored_len : h.raw_len;
        frame->whole = !cut;
    }
    frame->whole = frame->whole && !cut && fills(frame);
    return status == AVJ_OK && frame->raw_len == 0 ? AVJ_END : status;
}

bool avj_loose_next(const struct avj_loose_frame *frame, size_t *at, struct avj_slice *record)
{
    size_t span =
        *at < frame->raw_len ? avj_record_span(frame->raw + *at, frame->raw_len - *at) : 0;
    if (!span)
        return false;
    size_t length = 1;
    while (frame->raw[*at + length - 1] & 0x80)
        length++;
    *record = (struct avj_slice){frame->raw + *at + length, span - length};
    *at += span;
    return true;
}
