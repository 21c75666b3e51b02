/* Making segments, and opening the last one for writing: see private.h. */
#include "journal/maintain.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- drafts ---- */

enum avj_status avj_draft_begin(struct avj_draft *draft, const struct avj_io *io, const char *path,
                                uint64_t segment_no, const char *name, struct avj_error *err)
{
    *draft = (struct avj_draft){.io = io, .path = path, .segment_no = segment_no, .file = -1};
    if (name)
        snprintf(draft->temp, sizeof(draft->temp), "%s/%s", path, name);
    else
        avj_segment_path(path, segment_no, ".tmp", draft->temp);
    (void)io->unlink(io->ctx, draft->temp); /* left by a process that died here */
    int file = io->open(io->ctx, draft->temp, AVJ_OPEN_WRITE | AVJ_OPEN_CREATE | AVJ_OPEN_EXCL);
    if (file < 0)
        return avj_fail_errno(err, -file, "create %s", draft->temp);
    draft->file = file;
    return AVJ_OK;
}

void avj_draft_drop(struct avj_draft *draft)
{
    if (draft->file < 0)
        return;
    (void)draft->io->close(draft->io->ctx, draft->file);
    (void)draft->io->unlink(draft->io->ctx, draft->temp);
    draft->file = -1;
}

static enum avj_status write_at(struct avj_draft *draft, const void *data, size_t len,
                                uint64_t offset, struct avj_error *err)
{
    size_t done;
    int r = avj_io_write_full(draft->io, draft->file, data, len, offset, &done);
    return r == 0 ? AVJ_OK : avj_fail_errno(err, -r, "write %s", draft->temp);
}

enum avj_status avj_draft_write(struct avj_draft *draft, const void *data, size_t len,
                                struct avj_error *err)
{
    enum avj_status status = write_at(draft, data, len, draft->at, err);
    if (status == AVJ_OK)
        draft->at += len;
    return status;
}

/* *stored (the caller frees) gets the dictionary as it stands behind the header, zeros up to the
 * first frame included. */
static enum avj_status pack_dictionary(struct avj_segment_header *h,
                                       const struct avj_dictionary *dictionary, uint8_t **stored,
                                       struct avj_error *err)
{
    uint8_t *packed = NULL;
    size_t len = dictionary->stored_len;
    enum avj_status status = AVJ_OK;
    if (!dictionary->stored)
        status = avj_dictionary_pack(dictionary->data, dictionary->len, &packed, &len, err);
    if (status != AVJ_OK)
        return status;
    size_t room = (len + AVJ_FRAME_ALIGN - 1) / AVJ_FRAME_ALIGN * AVJ_FRAME_ALIGN;
    uint8_t *bytes = calloc(1, room);
    if (bytes)
        memcpy(bytes, packed ? packed : dictionary->stored, len);
    free(packed);
    if (!bytes)
        return avj_fail(err, AVJ_ENOMEM, "dictionary: out of memory");
    h->dictionary.stored_len = (uint32_t)len;
    h->dictionary.stored_hash = avj_hash64(bytes, room);
    *stored = bytes;
    return AVJ_OK;
}

/* Names the dictionary in the header: a shipped one by its hash alone; another one is embedded. */
static enum avj_status name_dictionary(struct avj_segment_header *h,
                                       const struct avj_dictionary *dictionary, uint8_t **stored,
                                       struct avj_error *err)
{
    struct avj_dictionary shipped;
    memset(&h->dictionary, 0, sizeof(h->dictionary));
    *stored = NULL;
    if (!dictionary->len)
        return AVJ_OK;
    h->dictionary.kind = AVJ_DICTIONARY_SHIPPED;
    h->dictionary.len = dictionary->len;
    h->dictionary.hash = dictionary->hash;
    if (avj_dictionary_find(dictionary->hash, &shipped))
        return AVJ_OK;
    h->dictionary.kind = AVJ_DICTIONARY_EMBEDDED;
    return pack_dictionary(h, dictionary, stored, err);
}

enum avj_status avj_draft_header(struct avj_draft *draft, struct avj_segment_header *header,
                                 const struct avj_dictionary *dictionary, struct avj_error *err)
{
    uint8_t bytes[AVJ_SEGMENT_HEADER_LEN];
    uint8_t *stored = NULL;
    enum avj_status status = name_dictionary(header, dictionary, &stored, err);
    if (status != AVJ_OK)
        return status;
    avj_segment_header_encode(header, bytes);
    status = write_at(draft, bytes, sizeof(bytes), 0, err);
    if (status == AVJ_OK && stored)
        status = write_at(draft, stored, (size_t)(header->frames_at - AVJ_SEGMENT_HEADER_LEN),
                          AVJ_SEGMENT_HEADER_LEN, err);
    if (draft->at < header->frames_at)
        draft->at = header->frames_at;
    free(stored);
    return status;
}

static int sync_and_close(struct avj_draft *draft)
{
    const struct avj_io *io = draft->io;
    int r = avj_io_sync(io, draft->file);
    int closed = io->close(io->ctx, draft->file);
    draft->file = -1;
    return r < 0 ? r : closed;
}

enum avj_status avj_draft_publish(struct avj_draft *draft, struct avj_error *err)
{
    const struct avj_io *io = draft->io;
    char name[AVJ_PATH_MAX], dir[AVJ_PATH_MAX];
    avj_segment_path(draft->path, draft->segment_no, ".seg", name);
    snprintf(dir, sizeof(dir), "%s/segments", draft->path);
    int r = sync_and_close(draft);
    enum avj_status status = r < 0 ? avj_fail_errno(err, -r, "write %s", draft->temp) : AVJ_OK;
    if (status == AVJ_OK && (r = io->rename(io->ctx, draft->temp, name)) < 0)
        status = avj_fail_errno(err, -r, "rename %s", draft->temp);
    if (status != AVJ_OK) {
        (void)io->unlink(io->ctx, draft->temp);
        return status;
    }
    /* From here on the name may be durable and may not: who comes next takes the segment as it is.
     */
    r = io->sync_dir(io->ctx, dir);
    return r < 0 ? avj_fail_errno(err, -r, "sync directory %s", dir) : AVJ_OK;
}

/* ---- frames and headers ---- */

size_t avj_frame_build(struct avj_frame_header *h, const struct avj_payload *payload,
                       const uint8_t salt[16], uint64_t offset, uint8_t *frame)
{
    uint64_t place = avj_frame_place(salt, offset);
    size_t total = (size_t)avj_frame_total(payload->stored_len);
    h->flags = (uint8_t)((payload->compressed ? AVJ_FRAME_FLAG_ZSTD : 0) |
                         (payload->bare ? AVJ_FRAME_FLAG_BARE : 0));
    h->count = payload->count;
    h->stored_len = payload->stored_len;
    h->raw_len = payload->raw_len;
    h->payload_hash = avj_payload_hash(place, payload->stored, payload->stored_len);
    h->dict_id = payload->dictionary;
    avj_frame_header_encode(h, place, frame);
    memcpy(frame + AVJ_FRAME_HEADER_LEN, payload->stored, payload->stored_len);
    size_t used = AVJ_FRAME_HEADER_LEN + payload->stored_len;
    memset(frame + used, 0, total - used);
    avj_frame_trailer_encode((uint32_t)total, h->header_hash,
                             frame + total - AVJ_FRAME_TRAILER_LEN);
    return total;
}

enum avj_status avj_next_header(struct avj_journal *j, const struct avj_place *place,
                                struct avj_segment_header *h, struct avj_error *err)
{
    memset(h, 0, sizeof(*h));
    h->version = AVJ_FORMAT_VERSION;
    memcpy(h->journal_id, j->journal_id, 16);
    h->segment_no = place->segment_no + 1;
    int r = j->io->random(j->io->ctx, h->salt, 16);
    if (r < 0)
        return avj_fail_errno(err, -r, "random numbers");
    h->first_seq = place->next_seq;
    memcpy(h->boot_id, j->boot_id, 16);
    h->created_ms = j->io->now_ms(j->io->ctx);
    h->prev_segment_no = place->segment_no;
    memcpy(h->prev_salt, j->segment.salt, 16);
    h->prev_end = place->offset;
    h->prev_last_seq = place->next_seq - 1;
    h->prev_chain = place->chain;
    return AVJ_OK;
}

uint64_t avj_segment_size(struct avj_journal *j, uint64_t number)
{
    char name[AVJ_PATH_MAX];
    avj_segment_path(j->path, number, ".seg", name);
    int file = j->io->open(j->io->ctx, name, AVJ_OPEN_READ);
    int64_t size = file < 0 ? 0 : j->io->size(j->io->ctx, file);
    if (file >= 0)
        (void)j->io->close(j->io->ctx, file);
    return size < 0 ? 0 : (uint64_t)size;
}

/* ---- the last segment, for writing ---- */

/* What is at the path must be the segment that was read: somebody may have put a copy there. */
static enum avj_status same_segment(struct avj_journal *j, int file, const char *name,
                                    struct avj_error *err)
{
    uint8_t bytes[AVJ_SEGMENT_HEADER_LEN];
    struct avj_segment_header header;
    size_t got;
    int r = avj_io_read_full(j->io, file, bytes, sizeof(bytes), 0, &got);
    if (r < 0)
        return avj_fail_errno(err, -r, "%s", name);
    if (got == sizeof(bytes) && avj_segment_header_decode(bytes, &header, NULL) == AVJ_OK &&
        memcmp(header.salt, j->segment.salt, 16) == 0)
        return AVJ_OK;
    return avj_fail(err, AVJ_EIO, "%s was replaced: open the journal again", name);
}

static enum avj_status open_last(struct avj_journal *j, int *file, struct avj_error *err)
{
    char name[AVJ_PATH_MAX];
    avj_segment_path(j->path, j->tail.segment_no, ".seg", name);
    *file = j->io->open(j->io->ctx, name, AVJ_OPEN_WRITE);
    if (*file < 0)
        return avj_fail_errno(err, -*file, "%s", name);
    enum avj_status status = same_segment(j, *file, name, err);
    if (status != AVJ_OK)
        (void)j->io->close(j->io->ctx, *file);
    return status;
}

enum avj_status avj_segment_adopt(struct avj_journal *j, struct avj_error *err)
{
    if (j->file >= 0 && j->published.segment_no == j->tail.segment_no)
        return AVJ_OK;
    avj_leave(j); /* what is in an older segment is durable: its successor vouches for it */
    int file;
    enum avj_status status = open_last(j, &file, err);
    if (status != AVJ_OK)
        return status;
    struct avj_sync_witness witness;
    avj_witness_load(j->io, j->sync_file, j->journal_id, &witness);
    pthread_mutex_lock(&j->state_mutex);
    j->file = file;
    j->published = j->tail;
    /* A witness in this segment was written behind the sync of its name. */
    j->name_durable = witness.valid && witness.segment_no >= j->tail.segment_no;
    if (witness.valid && witness.seq > j->durable_seq && witness.seq < j->tail.next_seq)
        j->durable_seq = witness.seq;
    if (j->durable_seq + 1 < j->segment.first_seq)
        j->durable_seq = j->segment.first_seq - 1; /* a successor vouches for its predecessor */
    pthread_mutex_unlock(&j->state_mutex);
    return AVJ_OK;
}

/* What the next segment is to be compressed with: the dictionary that waits, else that of this one.
 * *file owns the bytes of the former. */
static enum avj_status next_dictionary(struct avj_journal *j, struct avj_dictionary *dictionary,
                                       struct avj_dictionary_file *file, struct avj_error *err)
{
    enum avj_status status = avj_dictionary_load(j, file, NULL);
    if (status == AVJ_OK && file->dictionary.len) {
        *dictionary = file->dictionary;
        return AVJ_OK;
    }
    if (j->segment.dictionary.kind == AVJ_DICTIONARY_NONE) {
        avj_dictionary_default(dictionary);
        return AVJ_OK;
    }
    return avj_reader_dictionary(&j->reader, &j->segment, dictionary, err);
}

static enum avj_status write_next(struct avj_journal *j, const struct avj_dictionary *dictionary,
                                  struct avj_error *err)
{
    struct avj_segment_header header;
    struct avj_draft draft;
    enum avj_status status = avj_next_header(j, &j->tail, &header, err);
    if (status == AVJ_OK)
        status = avj_draft_begin(&draft, j->io, j->path, header.segment_no, NULL, err);
    if (status != AVJ_OK)
        return status;
    status = avj_draft_header(&draft, &header, dictionary, err);
    if (status == AVJ_OK)
        return avj_draft_publish(&draft, err);
    avj_draft_drop(&draft);
    return status;
}

static enum avj_status begin_next(struct avj_journal *j, struct avj_error *err)
{
    struct avj_dictionary dictionary;
    struct avj_dictionary_file file;
    enum avj_status status = next_dictionary(j, &dictionary, &file, err);
    if (status == AVJ_OK)
        status = write_next(j, &dictionary, err);
    avj_dictionary_release(&file);
    return status;
}

enum avj_status avj_segment_rotate(struct avj_journal *j, struct avj_error *err)
{
    bool carried = false;
    enum avj_status status = avj_segment_adopt(j, err);
    if (status == AVJ_OK)
        status = avj_sync_and_leave(j, &carried, err);
    if (status == AVJ_OK && !carried)
        status = begin_next(j, err);
    j->undisturbed = false; /* there is a segment to go on in */
    if (status == AVJ_OK)
        status = avj_tail_catch_up(j, true, err);
    if (status == AVJ_OK)
        status = avj_segment_adopt(j, err);
    if (status != AVJ_OK)
        return status;
    pthread_mutex_lock(&j->state_mutex);
    j->name_durable = true;
    pthread_mutex_unlock(&j->state_mutex);
    avj_background_wake(j, AVJ_DUE_SEALING);
    return AVJ_OK;
}
