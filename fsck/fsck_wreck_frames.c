/* Frames with a wrong bit: see fsck_wreck_frames.h. */
#include "fsck/fsck_wreck_frames.h"

#include "journal/mend.h"
#include "journal/payload.h"
#include "journal/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes that are hashed at most to find wrong bits: half a minute. */
#define BUDGET  ((uint64_t)200 * 1000 * 1000 * 1000)
#define NOTHING (SIZE_MAX - 2) /* nothing is to be had there */

struct tried {
    size_t file; /* of the wreck */
    uint64_t offset;
    size_t bit;
};

struct fsck_frames {
    struct tried *tried;
    size_t count, cap;
    uint64_t hashed;
};

struct fsck_frames *fsck_frames_new(void)
{
    return calloc(1, sizeof(struct fsck_frames));
}

void fsck_frames_free(struct fsck_frames *frames)
{
    if (frames)
        free(frames->tried);
    free(frames);
}

static struct tried *find(struct fsck_frames *f, size_t file, uint64_t offset)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->tried[i].file == file && f->tried[i].offset == offset)
            return &f->tried[i];
    return NULL;
}

static void remember(struct fsck_frames *f, size_t file, uint64_t offset, size_t bit)
{
    if (f->count == f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 16;
        struct tried *tried = realloc(f->tried, cap * sizeof(*tried));
        if (!tried)
            return; /* then it is looked for again */
        f->tried = tried;
        f->cap = cap;
    }
    f->tried[f->count++] = (struct tried){file, offset, bit};
}

static enum avj_status mend(const struct fsck_wreck *w, const struct fsck_wreck_file *file,
                            const char *path, uint64_t offset, struct avj_mended_frame *m,
                            struct avj_error *err)
{
    struct fsck_frames *f = w->frames;
    size_t index = (size_t)(file - w->files);
    const struct tried *before = find(f, index, offset);
    if ((before && before->bit == NOTHING) || (!before && f->hashed > BUDGET))
        return AVJ_END;
    enum avj_status status = avj_mend_frame(w->io, path, file->header.salt, offset,
                                            before ? before->bit : AVJ_MEND_ANY_BIT, m, err);
    f->hashed += m->hashed;
    if (!before && (status == AVJ_OK || status == AVJ_END))
        remember(f, index, offset, status == AVJ_OK ? m->bit : NOTHING);
    return status;
}

static enum avj_status give_records(struct avj_unpacker *unpacker, const struct avj_mended_frame *m,
                                    const struct avj_scan_events *events, struct avj_error *err)
{
    struct avj_slice record;
    enum avj_status status = avj_unpack(unpacker, &m->frame, m->stored);
    if (status == AVJ_ECORRUPT)
        return AVJ_OK;
    if (status != AVJ_OK)
        return avj_fail(err, status, "out of memory");
    if (events->frame)
        status = events->frame(events->arg, &m->frame);
    uint64_t seq = m->frame.first_seq;
    while (status == AVJ_OK && avj_unpack_next(unpacker, &record)) {
        if (events->record)
            status = events->record(events->arg, &m->frame, seq, record.data, record.len);
        seq++;
    }
    return status;
}

/* The dictionary that the file's frames need; what can not be had is none. */
static enum avj_status prepare(const struct fsck_wreck *w, const struct fsck_wreck_file *file,
                               const char *path, struct avj_reader *reader,
                               struct avj_unpacker *unpacker)
{
    struct avj_segment_header header;
    struct avj_dictionary dictionary = {.len = 0};
    avj_reader_init(reader, w->io);
    enum avj_status status = avj_reader_open(reader, path, &header, NULL);
    if (file->dictionary)
        dictionary = *file->dictionary;
    else if ((status == AVJ_OK || status == AVJ_ECORRUPT) &&
             avj_reader_dictionary(reader, &file->header, &dictionary, NULL) != AVJ_OK)
        dictionary.len = 0;
    return avj_unpacker_dictionary(unpacker, &dictionary);
}

enum avj_status fsck_frames_give(const struct fsck_wreck *w, const struct fsck_wreck_file *file,
                                 uint64_t offset, uint64_t end,
                                 const struct avj_scan_events *events, struct avj_error *err)
{
    char path[FSCK_PATH_MAX];
    struct avj_reader reader;
    struct avj_unpacker *unpacker = avj_unpacker_new();
    snprintf(path, sizeof(path), "%s/%s", w->path, file->name);
    if (!unpacker)
        return avj_fail(err, AVJ_ENOMEM, "out of memory");
    enum avj_status status = prepare(w, file, path, &reader, unpacker);
    while (status == AVJ_OK && offset < end) {
        struct avj_mended_frame m;
        status = mend(w, file, path, offset, &m, err);
        if (status != AVJ_OK)
            break;
        status = give_records(unpacker, &m, events, err);
        offset += m.frame.total_len;
        free(m.stored);
    }
    avj_reader_release(&reader);
    avj_unpacker_free(unpacker);
    return status == AVJ_END ? AVJ_OK : status;
}
