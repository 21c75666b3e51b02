/* Frames out of a segment file: see reader.h. */
#include "journal/reader.h"
#include "journal/bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What is read at once where frames are small: little at first, since most who look at the end of
 * the log find nothing new there; twice as much with every step forward. */
#define WINDOW_MIN ((size_t)4 * 1024)
#define WINDOW     ((size_t)256 * 1024)

void avj_reader_init(struct avj_reader *r, const struct avj_io *io)
{
    memset(r, 0, sizeof(*r));
    r->io = io;
    r->file = -1;
    r->ahead = WINDOW_MIN;
}

void avj_reader_release(struct avj_reader *r)
{
    if (r->file >= 0)
        r->io->close(r->io->ctx, r->file);
    free(r->window);
    free(r->dictionary);
    free(r->stored);
    avj_reader_init(r, r->io);
}

void avj_reader_forget(struct avj_reader *r)
{
    r->len = 0;
    r->ahead = WINDOW_MIN;
}

int64_t avj_reader_size(struct avj_reader *r)
{
    return r->io->size(r->io->ctx, r->file);
}

static bool grow(struct avj_reader *r, size_t len)
{
    if (len <= r->cap)
        return true;
    uint8_t *window = realloc(r->window, len);
    if (!window)
        return false;
    r->window = window;
    r->cap = len;
    return true;
}

/* Reads the window anew from `offset`, at least `len` bytes where there are so many. */
static bool refill(struct avj_reader *r, uint64_t offset, size_t len)
{
    bool onward = r->len && offset > r->window_at && offset <= r->window_at + r->len;
    if (onward && r->ahead < WINDOW)
        r->ahead *= 2;
    if (len < r->ahead)
        len = r->ahead;
    r->len = 0;
    if (!grow(r, len)) {
        r->io_error = -ENOMEM;
        return false;
    }
    r->window_at = offset;
    r->io_error = avj_io_read_full(r->io, r->file, r->window, len, offset, &r->len);
    return r->io_error == 0;
}

/* Makes [offset, offset+len) available where the file and `limit` have it; *got says how much there
 * is.  NULL on a read error. */
static const uint8_t *fetch(struct avj_reader *r, uint64_t offset, size_t len, uint64_t limit,
                            size_t *got)
{
    static const uint8_t nothing[1];
    *got = 0;
    if (offset >= limit)
        return nothing;
    if (len > limit - offset)
        len = (size_t)(limit - offset);
    if ((offset < r->window_at || offset + len > r->window_at + r->len) && !refill(r, offset, len))
        return NULL;
    size_t skip = (size_t)(offset - r->window_at);
    *got = r->len - skip < len ? r->len - skip : len;
    return r->window + skip;
}

enum avj_status avj_reader_open(struct avj_reader *r, const char *path,
                                struct avj_segment_header *header, struct avj_error *err)
{
    memset(header, 0, sizeof(*header));
    r->len = 0;
    int file = r->io->open(r->io->ctx, path, AVJ_OPEN_READ);
    if (file < 0)
        return avj_fail_errno(err, -file, "%s", path);
    r->file = file;
    size_t got;
    const uint8_t *bytes = fetch(r, 0, AVJ_SEGMENT_HEADER_LEN, UINT64_MAX, &got);
    if (!bytes)
        return avj_fail_errno(err, -r->io_error, "%s", path);
    if (got < AVJ_SEGMENT_HEADER_LEN)
        return avj_fail(err, AVJ_ECORRUPT, "%s: shorter than a segment header", path);
    enum avj_status status = avj_segment_header_decode(bytes, header, err);
    if (status != AVJ_OK)
        avj_wrap(err, "%s", path);
    memcpy(r->salt, header->salt, 16);
    return status;
}

static enum avj_status damaged(const struct avj_segment_header *header, struct avj_error *err)
{
    return avj_fail(err, AVJ_ECORRUPT,
                    "segment %llu at offset %u: the dictionary is damaged; run avchat-fsck",
                    (unsigned long long)header->segment_no, AVJ_SEGMENT_HEADER_LEN);
}

/* Reads what stands between the header and the first frame, zeros at its end included. */
static enum avj_status read_stored(struct avj_reader *r, const struct avj_segment_header *header,
                                   struct avj_error *err)
{
    size_t room = (size_t)(header->frames_at - AVJ_SEGMENT_HEADER_LEN), got = 0;
    uint8_t *stored = realloc(r->stored, room);
    if (!stored)
        return avj_fail(err, AVJ_ENOMEM, "dictionary: out of memory");
    r->stored = stored;
    int e = avj_io_read_full(r->io, r->file, stored, room, AVJ_SEGMENT_HEADER_LEN, &got);
    if (e)
        return avj_fail_errno(err, -e, "segment %llu", (unsigned long long)header->segment_no);
    if (got < room || avj_hash64(stored, room) != header->dictionary.stored_hash)
        return damaged(header, err);
    return AVJ_OK;
}

static enum avj_status embedded(struct avj_reader *r, const struct avj_segment_header *header,
                                struct avj_dictionary *out, struct avj_error *err)
{
    const struct avj_dictionary_ref *ref = &header->dictionary;
    uint8_t *bytes;
    size_t len;
    enum avj_status status = read_stored(r, header, err);
    if (status != AVJ_OK)
        return status;
    status = avj_dictionary_unpack(r->stored, ref->stored_len, ref->hash, &bytes, &len, err);
    if (status != AVJ_OK)
        return status == AVJ_ENOMEM ? status : damaged(header, err);
    free(r->dictionary);
    r->dictionary = bytes;
    if (len != ref->len)
        return damaged(header, err);
    *out = (struct avj_dictionary){.data = bytes,
                                   .len = ref->len,
                                   .hash = ref->hash,
                                   .stored = r->stored,
                                   .stored_len = ref->stored_len};
    return AVJ_OK;
}

enum avj_status avj_reader_dictionary(struct avj_reader *r, const struct avj_segment_header *header,
                                      struct avj_dictionary *out, struct avj_error *err)
{
    const struct avj_dictionary_ref *ref = &header->dictionary;
    memset(out, 0, sizeof(*out));
    if (ref->kind == AVJ_DICTIONARY_NONE)
        return AVJ_OK;
    if (ref->kind == AVJ_DICTIONARY_SHIPPED) {
        if (avj_dictionary_find(ref->hash, out) && out->len == ref->len)
            return AVJ_OK;
        return avj_fail(err, AVJ_EVERSION,
                        "segment %llu uses a dictionary that this program does not have: update "
                        "avchat",
                        (unsigned long long)header->segment_no);
    }
    return embedded(r, header, out, err);
}

static void describe(const struct avj_frame_header *h, uint64_t offset, struct avj_frame_info *f)
{
    f->offset = offset;
    f->total_len = avj_frame_total(h->stored_len);
    f->stored_len = h->stored_len;
    f->raw_len = h->raw_len;
    f->count = h->count;
    f->first_seq = h->first_seq;
    f->durable_seq = h->durable_seq;
    f->chain_before = h->prev_hash;
    f->chain_after = h->header_hash;
    f->writer_id = h->writer_id;
    f->dictionary = h->dict_id;
    f->type = h->type;
    f->compressed = (h->flags & AVJ_FRAME_FLAG_ZSTD) != 0;
    f->bare = (h->flags & AVJ_FRAME_FLAG_BARE) != 0;
}

/* Everything behind a good header: payload, padding, trailer. */
static enum avj_damage judge_body(const struct avj_frame_header *h, uint64_t place,
                                  const uint8_t *bytes, size_t total)
{
    const uint8_t *stored = bytes + AVJ_FRAME_HEADER_LEN;
    if (avj_payload_hash(place, stored, h->stored_len) != h->payload_hash)
        return AVJ_DAMAGE_PAYLOAD;
    size_t padding = total - AVJ_FRAME_HEADER_LEN - h->stored_len - AVJ_FRAME_TRAILER_LEN;
    if (!avj_all_zero(stored + h->stored_len, padding))
        return AVJ_DAMAGE_PADDING;
    uint8_t trailer[AVJ_FRAME_TRAILER_LEN];
    avj_frame_trailer_encode((uint32_t)total, h->header_hash, trailer);
    if (memcmp(trailer, bytes + total - AVJ_FRAME_TRAILER_LEN, AVJ_FRAME_TRAILER_LEN) != 0)
        return AVJ_DAMAGE_TRAILER;
    return AVJ_DAMAGE_NONE;
}

bool avj_frame_from_memory(const uint8_t salt[16], uint64_t offset, const uint8_t *bytes,
                           size_t len, struct avj_frame_info *frame, const uint8_t **stored)
{
    struct avj_frame_header h;
    uint64_t place = avj_frame_place(salt, offset);
    memset(frame, 0, sizeof(*frame));
    if (len < AVJ_FRAME_HEADER_LEN || !avj_frame_header_decode(bytes, place, &h))
        return false;
    describe(&h, offset, frame);
    *stored = bytes + AVJ_FRAME_HEADER_LEN;
    return frame->total_len == len && judge_body(&h, place, bytes, len) == AVJ_DAMAGE_NONE;
}

static enum avj_at bad(enum avj_damage *damage, enum avj_damage value)
{
    *damage = value;
    return AVJ_AT_BAD;
}

static enum avj_at look_at_header(struct avj_reader *r, uint64_t offset, uint64_t limit,
                                  struct avj_frame_header *h, struct avj_frame_info *frame,
                                  enum avj_damage *damage)
{
    memset(frame, 0, sizeof(*frame));
    frame->offset = offset;
    *damage = AVJ_DAMAGE_NONE;
    size_t got;
    const uint8_t *bytes = fetch(r, offset, AVJ_FRAME_HEADER_LEN, limit, &got);
    if (!bytes)
        return AVJ_AT_ERROR;
    if (got == 0)
        return AVJ_AT_END;
    if (avj_all_zero(bytes, got))
        return AVJ_AT_ZEROS;
    if (got < AVJ_FRAME_HEADER_LEN)
        return bad(damage, AVJ_DAMAGE_TRUNCATED);
    if (!avj_frame_header_decode(bytes, avj_frame_place(r->salt, offset), h))
        return bad(damage, AVJ_DAMAGE_FRAME_HEADER);
    describe(h, offset, frame);
    return AVJ_AT_FRAME;
}

enum avj_at avj_reader_header(struct avj_reader *r, uint64_t offset, uint64_t limit,
                              struct avj_frame_info *frame, enum avj_damage *damage)
{
    struct avj_frame_header h;
    return look_at_header(r, offset, limit, &h, frame, damage);
}

enum avj_at avj_reader_frame(struct avj_reader *r, uint64_t offset, uint64_t limit,
                             struct avj_frame_info *frame, const uint8_t **stored,
                             enum avj_damage *damage)
{
    struct avj_frame_header h;
    enum avj_at at = look_at_header(r, offset, limit, &h, frame, damage);
    if (at != AVJ_AT_FRAME)
        return at;
    /* The lengths are hashed: only now may they size a read. */
    size_t total = (size_t)frame->total_len, got;
    const uint8_t *bytes = fetch(r, offset, total, limit, &got);
    if (!bytes)
        return AVJ_AT_ERROR;
    if (got < total)
        return bad(damage, AVJ_DAMAGE_TRUNCATED);
    *damage = judge_body(&h, avj_frame_place(r->salt, offset), bytes, total);
    if (*damage != AVJ_DAMAGE_NONE)
        return AVJ_AT_BAD;
    *stored = bytes + AVJ_FRAME_HEADER_LEN;
    return AVJ_AT_FRAME;
}

uint64_t avj_reader_skip_zeros(struct avj_reader *r, uint64_t offset, uint64_t limit)
{
    for (;;) {
        size_t got;
        const uint8_t *bytes = fetch(r, offset, WINDOW, limit, &got);
        if (!bytes)
            return limit;
        for (size_t i = 0; i < got; i++)
            if (bytes[i])
                return offset + i;
        if (got == 0)
            return offset < limit ? offset : limit;
        offset += got;
    }
}

bool avj_reader_resync(struct avj_reader *r, uint64_t offset, uint64_t limit,
                       struct avj_frame_info *frame)
{
    static const uint8_t magic[4] = {'A', 'V', 'J', 'F'};
    uint64_t at = (offset + AVJ_FRAME_ALIGN - 1) / AVJ_FRAME_ALIGN * AVJ_FRAME_ALIGN;
    for (;;) {
        size_t got;
        const uint8_t *bytes = fetch(r, at, WINDOW, limit, &got);
        if (!bytes || got < AVJ_FRAME_HEADER_LEN)
            return false;
        uint64_t from = at;
        for (size_t i = 0; i + 4 <= got; i += AVJ_FRAME_ALIGN, at += AVJ_FRAME_ALIGN) {
            if (memcmp(bytes + i, magic, 4) != 0)
                continue;
            const uint8_t *stored;
            enum avj_damage damage;
            if (avj_reader_frame(r, at, limit, frame, &stored, &damage) == AVJ_AT_FRAME)
                return true;
            /* The window may have moved. */
            bytes = fetch(r, from, WINDOW, limit, &got);
            if (!bytes)
                return false;
        }
    }
}
