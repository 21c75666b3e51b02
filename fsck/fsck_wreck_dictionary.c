/* Dictionaries from elsewhere: see fsck_wreck_dictionary.h. */
#include "fsck/fsck_wreck_dictionary.h"

#include "journal/bytes.h"
#include "journal/maintain.h"
#include "journal/mend.h"
#include "journal/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DICTIONARIES 16

struct fsck_dictionaries {
    struct avj_dictionary items[DICTIONARIES];
    uint8_t *bytes[DICTIONARIES]; /* owned; NULL: static storage */
    size_t count;
};

static void add(struct fsck_dictionaries *d, const uint8_t *data, size_t len, uint64_t hash)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->items[i].hash == hash)
            return;
    uint8_t *copy = d->count < DICTIONARIES && len ? malloc(len) : NULL;
    if (!copy)
        return;
    memcpy(copy, data, len);
    d->bytes[d->count] = copy;
    d->items[d->count++] =
        (struct avj_dictionary){.data = copy, .len = (uint32_t)len, .hash = hash};
}

static void mend(struct fsck_dictionaries *d, const struct fsck_wreck *w,
                 const struct fsck_wreck_file *file)
{
    char path[FSCK_PATH_MAX];
    uint8_t *bytes = NULL;
    size_t len = 0;
    snprintf(path, sizeof(path), "%s/%s", w->path, file->name);
    if (avj_mend_dictionary(w->io, path, &file->header, &bytes, &len, NULL) == AVJ_OK)
        add(d, bytes, len, file->header.dictionary.hash);
    free(bytes);
}

static void take_from_segment(struct fsck_dictionaries *d, const struct fsck_wreck *w,
                              const struct fsck_wreck_file *file)
{
    struct avj_reader reader;
    struct avj_segment_header header;
    struct avj_dictionary found;
    char path[FSCK_PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", w->path, file->name);
    avj_reader_init(&reader, w->io);
    enum avj_status status = avj_reader_open(&reader, path, &header, NULL);
    if (status == AVJ_OK || status == AVJ_ECORRUPT)
        status = avj_reader_dictionary(&reader, &file->header, &found, NULL);
    if (status == AVJ_OK)
        add(d, found.data, found.len, found.hash);
    avj_reader_release(&reader);
    if (status == AVJ_ECORRUPT && file->good)
        mend(d, w, file);
}

#define FILE_HEADER 64u

/* What file `dictionary` holds; see FORMAT.md. */
static void take_from_bytes(struct fsck_dictionaries *d, const uint8_t *bytes, size_t len)
{
    uint8_t *out = NULL;
    size_t out_len = 0;
    if (len <= FILE_HEADER)
        return;
    uint64_t hash = avj_get_le64(bytes + 32);
    uint32_t stored = avj_get_le32(bytes + 44);
    if (stored == 0 || stored > len - FILE_HEADER ||
        avj_dictionary_unpack(bytes + FILE_HEADER, stored, hash, &out, &out_len, NULL) != AVJ_OK)
        return;
    add(d, out, out_len, hash);
    free(out);
}

static void take_from_file(struct fsck_dictionaries *d, const struct fsck_wreck *w)
{
    char path[FSCK_PATH_MAX];
    size_t got = 0;
    snprintf(path, sizeof(path), "%s/" AVJ_DICTIONARY_FILE, w->path);
    int file = w->io->open(w->io->ctx, path, AVJ_OPEN_READ);
    if (file < 0)
        return;
    const size_t room = FILE_HEADER + AVJ_DICTIONARY_STORED_MAX;
    uint8_t *bytes = malloc(room);
    if (bytes && avj_io_read_full(w->io, file, bytes, room, 0, &got) == 0)
        take_from_bytes(d, bytes, got);
    free(bytes);
    (void)w->io->close(w->io->ctx, file);
}

struct fsck_dictionaries *fsck_dictionaries_new(const struct fsck_wreck *w)
{
    struct fsck_dictionaries *d = calloc(1, sizeof(*d));
    if (!d)
        return NULL;
    avj_dictionary_default(&d->items[d->count++]);
    take_from_file(d, w);
    for (size_t i = 0; i < w->count; i++)
        if (w->files[i].header.dictionary.kind == AVJ_DICTIONARY_EMBEDDED)
            take_from_segment(d, w, &w->files[i]);
    return d;
}

void fsck_dictionaries_free(struct fsck_dictionaries *d)
{
    for (size_t i = 0; d && i < d->count; i++)
        free(d->bytes[i]);
    free(d);
}

size_t fsck_dictionaries_count(const struct fsck_dictionaries *d)
{
    return d->count;
}

const struct avj_dictionary *fsck_dictionaries_get(const struct fsck_dictionaries *d, size_t i)
{
    return &d->items[i];
}
