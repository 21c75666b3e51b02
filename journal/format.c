/* Segment and frame headers to bytes and back: see format.h and FORMAT.md. */
#include "journal/format.h"
#include "journal/bytes.h"
#include "journal/dictionary.h"

#include <string.h>
#include <xxhash.h>

static const uint8_t segment_magic[8] = {'A', 'V', 'J', 'S', 'E', 'G', 0x0a, 0x1a};
static const uint8_t frame_magic[4] = {'A', 'V', 'J', 'F'};

static void header_hash(const uint8_t *bytes, uint8_t out[16])
{
    avj_hash128(bytes, AVJ_SEGMENT_HASH_OFFSET, out);
}

/* Where the fields of the features stand. */
#define DICTIONARY_AT 144u
#define SEALED_AT     176u
#define COMPACTED_AT  768u

static uint64_t frames_at(const struct avj_segment_header *h)
{
    if (h->dictionary.kind != AVJ_DICTIONARY_EMBEDDED)
        return AVJ_SEGMENT_HEADER_LEN;
    uint64_t end = AVJ_SEGMENT_HEADER_LEN + (uint64_t)h->dictionary.stored_len;
    return (end + AVJ_FRAME_ALIGN - 1) / AVJ_FRAME_ALIGN * AVJ_FRAME_ALIGN;
}

/* The chain begins with the header's hash.  The header of a sealed segment tells of the frames
 * behind it, so there it begins with the salt. */
static uint64_t first_chain(const struct avj_segment_header *h, const uint8_t *bytes)
{
    return h->sealed ? avj_frame_place(h->salt, 0) : avj_get_le64(bytes + AVJ_SEGMENT_HASH_OFFSET);
}

static void encode_dictionary(const struct avj_dictionary_ref *d, uint8_t *out)
{
    avj_put_le32(out, d->kind);
    avj_put_le32(out + 4, d->len);
    avj_put_le64(out + 8, d->hash);
    avj_put_le32(out + 16, d->stored_len);
    avj_put_le64(out + 24, d->stored_hash);
}

static void encode_sealed(const struct avj_sealed_from *from, uint8_t *out)
{
    memcpy(out, from->salt, 16);
    avj_put_le64(out + 16, from->end);
    avj_put_le64(out + 24, from->last_seq);
    avj_put_le64(out + 32, from->chain);
    memcpy(out + 40, from->content, 16);
    avj_put_le64(out + 56, from->index_at);
    avj_put_le64(out + 64, from->set_aside_bytes);
    avj_put_le64(out + 72, (uint64_t)from->sealed_ms);
}

static void encode_compacted(const struct avj_compacted *c, uint8_t *out)
{
    memcpy(out, c->sealed_content, 16);
    avj_put_le64(out + 16, c->replaced);
    avj_put_le64(out + 24, (uint64_t)c->ms);
}

void avj_segment_header_encode(struct avj_segment_header *h, uint8_t out[AVJ_SEGMENT_HEADER_LEN])
{
    h->frames_at = frames_at(h);
    if (h->dictionary.kind != AVJ_DICTIONARY_NONE)
        h->incompat |= AVJ_INCOMPAT_DICTIONARY;
    if (h->sealed)
        h->incompat |= AVJ_INCOMPAT_SEALED;
    if (h->compacted)
        h->incompat |= AVJ_INCOMPAT_COMPACTED;
    memset(out, 0, AVJ_SEGMENT_HEADER_LEN);
    memcpy(out, segment_magic, 8);
    avj_put_le16(out + 8, h->version);
    avj_put_le16(out + 10, AVJ_SEGMENT_HEADER_LEN);
    avj_put_le32(out + 12, h->compat);
    avj_put_le32(out + 16, h->ro_compat);
    avj_put_le32(out + 20, h->incompat);
    memcpy(out + 24, h->journal_id, 16);
    avj_put_le64(out + 40, h->segment_no);
    memcpy(out + 48, h->salt, 16);
    avj_put_le64(out + 64, h->first_seq);
    memcpy(out + 72, h->boot_id, 16);
    avj_put_le64(out + 88, (uint64_t)h->created_ms);
    avj_put_le64(out + 96, h->prev_segment_no);
    memcpy(out + 104, h->prev_salt, 16);
    avj_put_le64(out + 120, h->prev_end);
    avj_put_le64(out + 128, h->prev_last_seq);
    avj_put_le64(out + 136, h->prev_chain);
    if (h->incompat & AVJ_INCOMPAT_DICTIONARY)
        encode_dictionary(&h->dictionary, out + DICTIONARY_AT);
    if (h->sealed)
        encode_sealed(&h->from, out + SEALED_AT);
    if (h->compacted)
        encode_compacted(&h->compaction, out + COMPACTED_AT);
    header_hash(out, out + AVJ_SEGMENT_HASH_OFFSET);
    h->chain = first_chain(h, out);
}

static void decode_dictionary(const uint8_t *in, struct avj_dictionary_ref *d)
{
    d->kind = avj_get_le32(in);
    d->len = avj_get_le32(in + 4);
    d->hash = avj_get_le64(in + 8);
    d->stored_len = avj_get_le32(in + 16);
    d->stored_hash = avj_get_le64(in + 24);
}

static void decode_sealed(const uint8_t *in, struct avj_sealed_from *from)
{
    memcpy(from->salt, in, 16);
    from->end = avj_get_le64(in + 16);
    from->last_seq = avj_get_le64(in + 24);
    from->chain = avj_get_le64(in + 32);
    memcpy(from->content, in + 40, 16);
    from->index_at = avj_get_le64(in + 56);
    from->set_aside_bytes = avj_get_le64(in + 64);
    from->sealed_ms = (int64_t)avj_get_le64(in + 72);
}

static void decode_compacted(const uint8_t *in, struct avj_compacted *c)
{
    memcpy(c->sealed_content, in, 16);
    c->replaced = avj_get_le64(in + 16);
    c->ms = (int64_t)avj_get_le64(in + 24);
}

static void decode_features(const uint8_t *in, struct avj_segment_header *h)
{
    if (h->incompat & AVJ_INCOMPAT_DICTIONARY)
        decode_dictionary(in + DICTIONARY_AT, &h->dictionary);
    h->sealed = (h->incompat & AVJ_INCOMPAT_SEALED) != 0;
    if (h->sealed)
        decode_sealed(in + SEALED_AT, &h->from);
    h->compacted = (h->incompat & AVJ_INCOMPAT_COMPACTED) != 0;
    if (h->compacted)
        decode_compacted(in + COMPACTED_AT, &h->compaction);
    h->frames_at = frames_at(h);
}

static bool features_possible(const struct avj_segment_header *h)
{
    const struct avj_dictionary_ref *d = &h->dictionary;
    if ((h->incompat & AVJ_INCOMPAT_DICTIONARY) &&
        (d->kind == AVJ_DICTIONARY_NONE || d->kind > AVJ_DICTIONARY_EMBEDDED || d->len == 0 ||
         d->len > AVJ_DICTIONARY_MAX || d->stored_len > AVJ_DICTIONARY_STORED_MAX ||
         (d->stored_len == 0) != (d->kind == AVJ_DICTIONARY_SHIPPED)))
        return false;
    if (h->compacted && (!h->sealed || h->compaction.replaced == 0))
        return false;
    return !h->sealed ||
           (h->from.index_at > h->frames_at && h->from.index_at % AVJ_FRAME_ALIGN == 0 &&
            h->from.last_seq >= h->first_seq);
}

static void decode_fields(const uint8_t *in, struct avj_segment_header *h)
{
    h->version = avj_get_le16(in + 8);
    h->compat = avj_get_le32(in + 12);
    h->ro_compat = avj_get_le32(in + 16);
    h->incompat = avj_get_le32(in + 20);
    memcpy(h->journal_id, in + 24, 16);
    h->segment_no = avj_get_le64(in + 40);
    memcpy(h->salt, in + 48, 16);
    h->first_seq = avj_get_le64(in + 64);
    memcpy(h->boot_id, in + 72, 16);
    h->created_ms = (int64_t)avj_get_le64(in + 88);
    h->prev_segment_no = avj_get_le64(in + 96);
    memcpy(h->prev_salt, in + 104, 16);
    h->prev_end = avj_get_le64(in + 120);
    h->prev_last_seq = avj_get_le64(in + 128);
    h->prev_chain = avj_get_le64(in + 136);
}

enum avj_status avj_segment_header_decode(const uint8_t in[AVJ_SEGMENT_HEADER_LEN],
                                          struct avj_segment_header *h, struct avj_error *err)
{
    memset(h, 0, sizeof(*h));
    if (memcmp(in, segment_magic, 8) != 0)
        return avj_fail(err, AVJ_ECORRUPT, "segment header: wrong magic");
    uint8_t hash[16];
    header_hash(in, hash);
    if (memcmp(hash, in + AVJ_SEGMENT_HASH_OFFSET, 16) != 0)
        return avj_fail(err, AVJ_ECORRUPT, "segment header: bad checksum");
    decode_fields(in, h);
    if (h->version != AVJ_FORMAT_VERSION || (h->incompat & ~AVJ_INCOMPAT_KNOWN))
        return avj_fail(err, AVJ_EVERSION,
                        "written by a newer program (format version %u, features 0x%x; this one "
                        "reads version %u): update avchat",
                        h->version, h->incompat, AVJ_FORMAT_VERSION);
    decode_features(in, h);
    h->chain = first_chain(h, in);
    if (avj_get_le16(in + 10) != AVJ_SEGMENT_HEADER_LEN || h->segment_no == 0 ||
        h->first_seq == 0 || h->first_seq > AVJ_SEQ_MAX || !features_possible(h))
        return avj_fail(err, AVJ_ECORRUPT, "segment header: impossible values");
    return AVJ_OK;
}

void avj_segment_header_guess(const uint8_t in[AVJ_SEGMENT_HEADER_LEN],
                              struct avj_segment_header *h)
{
    memset(h, 0, sizeof(*h));
    decode_fields(in, h);
    h->incompat &= AVJ_INCOMPAT_KNOWN;
    decode_features(in, h);
    h->chain = first_chain(h, in);
    if (features_possible(h))
        return;
    h->sealed = h->compacted = false;
    h->incompat = 0;
    memset(&h->dictionary, 0, sizeof(h->dictionary));
    h->frames_at = AVJ_SEGMENT_HEADER_LEN;
}

uint64_t avj_frame_place(const uint8_t salt[16], uint64_t offset)
{
    uint8_t bytes[24];
    memcpy(bytes, salt, 16);
    avj_put_le64(bytes + 16, offset);
    return XXH3_64bits(bytes, sizeof(bytes));
}

uint64_t avj_payload_hash(uint64_t place, const void *stored, size_t len)
{
    return XXH3_64bits_withSeed(stored, len, place);
}

void avj_frame_header_encode(struct avj_frame_header *h, uint64_t place,
                             uint8_t out[AVJ_FRAME_HEADER_LEN])
{
    memcpy(out, frame_magic, 4);
    out[4] = h->type;
    out[5] = h->flags;
    avj_put_le16(out + 6, h->count);
    avj_put_le32(out + 8, h->stored_len);
    avj_put_le32(out + 12, h->raw_len);
    avj_put_le64(out + 16, h->first_seq);
    avj_put_le64(out + 24, h->durable_seq);
    avj_put_le64(out + 32, h->prev_hash);
    avj_put_le64(out + 40, h->payload_hash);
    avj_put_le32(out + 48, h->writer_id);
    avj_put_le32(out + 52, h->dict_id);
    h->header_hash = XXH3_64bits_withSeed(out, AVJ_FRAME_HASH_OFFSET, place);
    avj_put_le64(out + AVJ_FRAME_HASH_OFFSET, h->header_hash);
}

static bool numbers_fit(uint64_t first_seq, uint64_t count)
{
    return first_seq > 0 && first_seq <= AVJ_SEQ_MAX && count - 1 <= AVJ_SEQ_MAX - first_seq;
}

static bool flags_possible(uint8_t flags)
{
    return (flags & ~(AVJ_FRAME_FLAG_ZSTD | AVJ_FRAME_FLAG_BARE)) == 0 &&
           (!(flags & AVJ_FRAME_FLAG_BARE) || (flags & AVJ_FRAME_FLAG_ZSTD));
}

bool avj_frame_header_decode(const uint8_t in[AVJ_FRAME_HEADER_LEN], uint64_t place,
                             struct avj_frame_header *h)
{
    return memcmp(in, frame_magic, 4) == 0 &&
           XXH3_64bits_withSeed(in, AVJ_FRAME_HASH_OFFSET, place) ==
               avj_get_le64(in + AVJ_FRAME_HASH_OFFSET) &&
           avj_frame_header_guess(in, h);
}

bool avj_frame_header_guess(const uint8_t in[AVJ_FRAME_HEADER_LEN], struct avj_frame_header *h)
{
    if (memcmp(in, frame_magic, 4) != 0)
        return false;
    h->header_hash = avj_get_le64(in + AVJ_FRAME_HASH_OFFSET);
    h->type = in[4];
    h->flags = in[5];
    h->count = avj_get_le16(in + 6);
    h->stored_len = avj_get_le32(in + 8);
    h->raw_len = avj_get_le32(in + 12);
    h->first_seq = avj_get_le64(in + 16);
    h->durable_seq = avj_get_le64(in + 24);
    h->prev_hash = avj_get_le64(in + 32);
    h->payload_hash = avj_get_le64(in + 40);
    h->writer_id = avj_get_le32(in + 48);
    h->dict_id = avj_get_le32(in + 52);
    return h->type >= AVJ_FRAME_RECORDS && h->type <= AVJ_FRAME_SET_ASIDE &&
           flags_possible(h->flags) && h->count > 0 && h->stored_len > 0 && h->raw_len > 0 &&
           numbers_fit(h->first_seq, h->count) && h->stored_len <= AVJ_FRAME_STORED_MAX &&
           h->raw_len <= AVJ_FRAME_RAW_MAX;
}

uint64_t avj_frame_total(uint32_t stored_len)
{
    uint64_t body = AVJ_FRAME_HEADER_LEN + (uint64_t)stored_len;
    body = (body + AVJ_FRAME_ALIGN - 1) / AVJ_FRAME_ALIGN * AVJ_FRAME_ALIGN;
    return body + AVJ_FRAME_TRAILER_LEN;
}

void avj_frame_trailer_encode(uint32_t total, uint64_t hash, uint8_t out[AVJ_FRAME_TRAILER_LEN])
{
    avj_put_le32(out, total);
    avj_put_le32(out + 4, (uint32_t)hash);
}

bool avj_all_zero(const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (data[i])
            return false;
    return true;
}
