/* Segments written anew: see mend.h. */
#include "journal/mend.h"
#include "journal/sealer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- headers ---- */

static void name_predecessor(struct avj_segment_header *h, const struct avj_mend_end *before)
{
    h->prev_segment_no = before->segment_no;
    memcpy(h->prev_salt, before->salt, 16);
    h->prev_end = before->end;
    h->prev_last_seq = before->last_seq;
    h->prev_chain = before->chain;
}

static void begin_header(struct avj_segment_header *h, const struct avj_io *io,
                         const struct avj_mend_segment *segment)
{
    *h = (struct avj_segment_header){
        .version = AVJ_FORMAT_VERSION,
        .segment_no = segment->number,
        .first_seq = segment->first_seq,
        .created_ms = io->now_ms(io->ctx),
    };
    memcpy(h->journal_id, segment->journal_id, 16);
    name_predecessor(h, &segment->before);
}

/* ---- sealed ones ---- */

struct mend {
    const struct avj_mend_segment *segment;
    struct avj_sealer to;
    uint8_t *record; /* one, behind its length */
    size_t room;
};

static enum avj_status add_record(struct mend *m, const struct avj_slice *record)
{
    if (m->room < record->len + 4) {
        uint8_t *room = realloc(m->record, record->len + 4);
        if (!room)
            return avj_sealer_no_memory(&m->to);
        m->record = room;
        m->room = record->len + 4;
    }
    size_t len = avj_record_put(m->record, record->data, record->len);
    return avj_sealer_add(&m->to, m->record, len, 1);
}

static enum avj_status add_records(struct mend *m, struct avj_error *err)
{
    const struct avj_mend_segment *s = m->segment;
    enum avj_status status = AVJ_OK;
    for (uint64_t seq = s->first_seq; status == AVJ_OK && seq <= s->as.last_seq; seq++) {
        struct avj_slice record = {NULL, 0};
        status = s->record(s->arg, seq, &record, err);
        if (status == AVJ_OK)
            status = add_record(m, &record);
    }
    return status == AVJ_OK ? avj_sealer_end_records(&m->to) : status;
}

static void sealed_header(struct avj_segment_header *h, const struct avj_io *io,
                          const struct avj_mend_segment *segment)
{
    begin_header(h, io, segment);
    if (segment->like) {
        memcpy(h->boot_id, segment->like->boot_id, 16);
        h->created_ms = segment->like->created_ms;
        h->compacted = segment->like->compacted;
        h->compaction = segment->like->compaction;
    }
    memcpy(h->from.salt, segment->as.salt, 16);
    h->from.end = segment->as.end;
    h->from.chain = segment->as.chain;
    h->from.last_seq = segment->as.last_seq;
    h->from.sealed_ms = io->now_ms(io->ctx);
}

enum avj_status avj_mend_segment(const struct avj_io *io, const char *path,
                                 const struct avj_mend_segment *segment, struct avj_error *err)
{
    struct avj_sealing with = {.io = io, .path = path};
    struct mend m = {.segment = segment, .to.draft.file = -1};
    struct avj_segment_header header;
    struct avj_dictionary dictionary;
    sealed_header(&header, io, segment);
    avj_dictionary_default(&dictionary);
    with.packer = avj_packer_new(AVJ_LEVEL_SEALING);
    if (!with.packer)
        return avj_fail(err, AVJ_ENOMEM, "repairing segment %llu: out of memory",
                        (unsigned long long)segment->number);
    enum avj_status status = avj_sealer_begin(&m.to, &with, "repairing", &header, &dictionary, err);
    if (status == AVJ_OK)
        status = add_records(&m, err);
    if (status == AVJ_OK)
        status = avj_sealer_publish(&m.to);
    avj_sealer_release(&m.to);
    avj_packer_free(with.packer);
    free(m.record);
    return status;
}

/* ---- ordinary ones ---- */

static enum avj_status note_damage(void *arg, enum avj_damage damage, uint64_t offset, uint64_t len,
                                   const struct avj_frame_info *next_good)
{
    (void)arg, (void)damage, (void)offset, (void)len, (void)next_good;
    return AVJ_ECORRUPT;
}

static enum avj_status reads_back(const struct avj_draft *draft, const struct avj_mend_end *end,
                                  struct avj_error *err)
{
    const struct avj_scan_events events = {.damage = note_damage};
    struct avj_scan_result result;
    enum avj_status status =
        avj_scan_segment(draft->io, draft->temp, 0, true, &events, &result, err);
    if (status != AVJ_OK && status != AVJ_ECORRUPT)
        return status;
    if (status == AVJ_OK && result.header_ok && result.end == end->end &&
        result.chain == end->chain && result.next_seq == end->last_seq + 1)
        return AVJ_OK;
    return avj_fail(err, AVJ_EIO, "segment %llu: what was written reads back differently",
                    (unsigned long long)end->segment_no);
}

static enum avj_status write_frame(struct avj_draft *draft, const struct avj_segment_header *header,
                                   const struct avj_slice *records, size_t count,
                                   struct avj_mend_end *end, struct avj_error *err)
{
    struct avj_payload payload;
    struct avj_packer *packer = avj_packer_new(AVJ_LEVEL_DEFAULT);
    enum avj_status status = packer ? avj_pack_records(packer, records, count, &payload, err)
                                    : avj_fail(err, AVJ_ENOMEM, "out of memory");
    uint8_t *frame = status == AVJ_OK ? malloc((size_t)avj_frame_total(payload.stored_len)) : NULL;
    if (status == AVJ_OK && !frame)
        status = avj_fail(err, AVJ_ENOMEM, "out of memory");
    if (status == AVJ_OK) {
        struct avj_frame_header h = {
            .type = AVJ_FRAME_RECORDS,
            .first_seq = header->first_seq,
            .durable_seq = header->prev_last_seq,
            .prev_hash = header->chain,
        };
        size_t total = avj_frame_build(&h, &payload, header->salt, end->end, frame);
        status = avj_draft_write(draft, frame, total, err);
        end->end += total;
        end->chain = h.header_hash;
        end->last_seq += count;
    }
    free(frame);
    avj_packer_free(packer);
    return status;
}

static enum avj_status fill(struct avj_draft *draft, struct avj_segment_header *header,
                            const struct avj_slice *records, size_t count, struct avj_mend_end *end,
                            struct avj_error *err)
{
    struct avj_dictionary dictionary;
    avj_dictionary_default(&dictionary);
    enum avj_status status = avj_draft_header(draft, header, &dictionary, err);
    if (status != AVJ_OK)
        return status;
    end->segment_no = header->segment_no;
    memcpy(end->salt, header->salt, 16);
    end->end = header->frames_at;
    end->chain = header->chain;
    end->last_seq = header->first_seq - 1;
    if (count)
        status = write_frame(draft, header, records, count, end, err);
    return status == AVJ_OK ? reads_back(draft, end, err) : status;
}

enum avj_status avj_mend_ordinary(const struct avj_io *io, const char *path,
                                  const struct avj_mend_segment *segment,
                                  const struct avj_slice *records, size_t count,
                                  struct avj_mend_end *end, struct avj_error *err)
{
    struct avj_segment_header header;
    struct avj_draft draft;
    begin_header(&header, io, segment);
    int r = io->random(io->ctx, header.salt, 16);
    if (r < 0)
        return avj_fail_errno(err, -r, "random numbers");
    io->boot_id(io->ctx, header.boot_id);
    enum avj_status status =
        avj_draft_begin(&draft, io, path, segment->number, AVJ_SEAL_DRAFT, err);
    if (status != AVJ_OK)
        return status;
    status = fill(&draft, &header, records, count, end, err);
    if (status == AVJ_OK)
        return avj_draft_publish(&draft, err);
    avj_draft_drop(&draft);
    return status;
}

/* ---- copies ---- */

static enum avj_status copy_bytes(const struct avj_io *io, int from, int to, const char *name,
                                  struct avj_error *err)
{
    const size_t piece = (size_t)1024 * 1024;
    uint8_t *buffer = malloc(piece);
    enum avj_status status =
        buffer ? AVJ_OK : avj_fail(err, AVJ_ENOMEM, "copy %s: out of memory", name);
    size_t got = 1, done;
    for (uint64_t at = 0; status == AVJ_OK && got > 0; at += got) {
        int r = avj_io_read_full(io, from, buffer, piece, at, &got);
        if (r == 0 && got > 0)
            r = avj_io_write_full(io, to, buffer, got, at, &done);
        if (r < 0)
            status = avj_fail_errno(err, -r, "copy %s", name);
    }
    free(buffer);
    return status;
}

enum avj_status avj_mend_copy(const struct avj_io *io, const char *from, const char *to,
                              struct avj_error *err)
{
    int in = io->open(io->ctx, from, AVJ_OPEN_READ);
    if (in < 0)
        return avj_fail_errno(err, -in, "%s", from);
    (void)io->unlink(io->ctx, to);
    int out = io->open(io->ctx, to, AVJ_OPEN_WRITE | AVJ_OPEN_CREATE | AVJ_OPEN_EXCL);
    if (out < 0) {
        (void)io->close(io->ctx, in);
        return avj_fail_errno(err, -out, "create %s", to);
    }
    enum avj_status status = copy_bytes(io, in, out, from, err);
    int r = status == AVJ_OK ? avj_io_sync(io, out) : 0;
    int closed = io->close(io->ctx, out);
    (void)io->close(io->ctx, in);
    if (r == 0)
        r = closed;
    if (status == AVJ_OK && r < 0)
        status = avj_fail_errno(err, -r, "write %s", to);
    if (status != AVJ_OK)
        (void)io->unlink(io->ctx, to);
    return status;
}

/* ---- a header with one wrong bit ---- */

static enum avj_status find_the_bit(uint8_t *bytes, struct avj_segment_header *header)
{
    for (size_t bit = 0; bit < AVJ_SEGMENT_HEADER_LEN * 8; bit++) {
        uint8_t mask = (uint8_t)(1u << (bit % 8));
        bytes[bit / 8] ^= mask;
        enum avj_status status = avj_segment_header_decode(bytes, header, NULL);
        if (status != AVJ_ECORRUPT)
            return status;
        bytes[bit / 8] ^= mask;
    }
    return AVJ_ECORRUPT;
}

static enum avj_status read_header(const struct avj_io *io, const char *path,
                                   uint8_t bytes[AVJ_SEGMENT_HEADER_LEN], size_t *got,
                                   struct avj_error *err)
{
    memset(bytes, 0, AVJ_SEGMENT_HEADER_LEN);
    int file = io->open(io->ctx, path, AVJ_OPEN_READ);
    if (file < 0)
        return avj_fail_errno(err, -file, "%s", path);
    int r = avj_io_read_full(io, file, bytes, AVJ_SEGMENT_HEADER_LEN, 0, got);
    (void)io->close(io->ctx, file);
    return r < 0 ? avj_fail_errno(err, -r, "%s", path) : AVJ_OK;
}

enum avj_status avj_mend_header(const struct avj_io *io, const char *path,
                                struct avj_segment_header *header, bool *mended,
                                struct avj_error *err)
{
    uint8_t bytes[AVJ_SEGMENT_HEADER_LEN];
    size_t got = 0;
    *mended = false;
    enum avj_status status = read_header(io, path, bytes, &got, err);
    if (status != AVJ_OK)
        return status;
    if (got < sizeof(bytes))
        return avj_fail(err, AVJ_ECORRUPT, "%s: shorter than a segment header", path);
    status = avj_segment_header_decode(bytes, header, err);
    if (status != AVJ_ECORRUPT)
        return status;
    status = find_the_bit(bytes, header);
    *mended = status == AVJ_OK;
    return status;
}

enum avj_status avj_mend_guess(const struct avj_io *io, const char *path,
                               struct avj_segment_header *header, struct avj_error *err)
{
    uint8_t bytes[AVJ_SEGMENT_HEADER_LEN];
    size_t got = 0;
    enum avj_status status = read_header(io, path, bytes, &got, err);
    if (status == AVJ_OK)
        avj_segment_header_guess(bytes, header);
    return status;
}

/* ---- a dictionary with one wrong bit ---- */

static bool put_the_bit_back(uint8_t *bytes, size_t len, uint64_t hash)
{
    if (avj_hash64(bytes, len) == hash)
        return true;
    for (size_t bit = 0; bit < len * 8; bit++) {
        uint8_t mask = (uint8_t)(1u << (bit % 8));
        bytes[bit / 8] ^= mask;
        if (avj_hash64(bytes, len) == hash)
            return true;
        bytes[bit / 8] ^= mask;
    }
    return false;
}

enum avj_status avj_mend_dictionary(const struct avj_io *io, const char *path,
                                    const struct avj_segment_header *header, uint8_t **bytes,
                                    size_t *len, struct avj_error *err)
{
    const struct avj_dictionary_ref *ref = &header->dictionary;
    size_t room = (size_t)(header->frames_at - AVJ_SEGMENT_HEADER_LEN), got = 0;
    if (ref->kind != AVJ_DICTIONARY_EMBEDDED || room == 0 || room > AVJ_DICTIONARY_STORED_MAX + 8)
        return avj_fail(err, AVJ_ECORRUPT, "%s: no dictionary is embedded", path);
    uint8_t *stored = calloc(1, room);
    int file = stored ? io->open(io->ctx, path, AVJ_OPEN_READ) : -ENOMEM;
    int r =
        file < 0 ? file : avj_io_read_full(io, file, stored, room, AVJ_SEGMENT_HEADER_LEN, &got);
    if (file >= 0)
        (void)io->close(io->ctx, file);
    enum avj_status status = r < 0 ? avj_fail_errno(err, -r, "%s", path) : AVJ_OK;
    if (status == AVJ_OK && (got < room || !put_the_bit_back(stored, room, ref->stored_hash)))
        status = avj_fail(err, AVJ_ECORRUPT, "%s: the dictionary is damaged", path);
    if (status == AVJ_OK)
        status = avj_dictionary_unpack(stored, ref->stored_len, ref->hash, bytes, len, err);
    free(stored);
    return status;
}
