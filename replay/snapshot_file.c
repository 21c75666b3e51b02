/* The bytes of a snapshot file: see snapshot_file.h. */
#include "replay/snapshot_file.h"
#include "journal/bytes.h"
#include "replay/view_private.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- header ---- */

static const uint8_t magic[8] = {'A', 'V', 'J', 'S', 'N', 'A', 'P', '1'};

/* What the arrays look like in memory: another program version or machine may differ. */
static uint64_t shape(void)
{
    static const uint32_t order = 0x01020304;
    uint8_t first;
    memcpy(&first, &order, 1);
    return (uint64_t)first << 56 | (uint64_t)sizeof(struct avj_slot) << 40 |
           (uint64_t)sizeof(struct avj_thread) << 32 | (uint64_t)sizeof(struct avj_side) << 24 |
           (uint64_t)sizeof(struct avj_open) << 16 | (uint64_t)AVJ_CHUNK_SHIFT << 8 |
           (uint64_t)sizeof(struct avj_outbox_entry);
}

enum {
    AT_MAGIC = 0,
    AT_VERSION = 8,
    AT_SECTIONS = 12,
    AT_SHAPE = 16,
    AT_JOURNAL = 24,
    AT_SEQ = 40,
    AT_RECORD_HASH = 48,
    AT_HLC = 64,
    AT_DIGEST = 72,
    AT_BYTES = 88,
    AT_TABLE = 96,
    AT_HASH = 4088
};
static_assert(AT_TABLE + AVJ_SECTIONS * 32 <= AT_HASH, "the table fits the page");
static_assert(AT_HASH + 8 == AVJ_SNAPSHOT_PAGE, "the hash ends the page");

void avj_snapshot_header_encode(const struct avj_snapshot_header *h,
                                uint8_t page[AVJ_SNAPSHOT_PAGE])
{
    memset(page, 0, AVJ_SNAPSHOT_PAGE);
    memcpy(page + AT_MAGIC, magic, 8);
    avj_put_le32(page + AT_VERSION, AVJ_SNAPSHOT_VERSION);
    avj_put_le32(page + AT_SECTIONS, AVJ_SECTIONS);
    avj_put_le64(page + AT_SHAPE, shape());
    memcpy(page + AT_JOURNAL, h->journal_id, 16);
    avj_put_le64(page + AT_SEQ, h->seq);
    memcpy(page + AT_RECORD_HASH, h->record_hash, 16);
    avj_put_le64(page + AT_HLC, h->hlc);
    memcpy(page + AT_DIGEST, h->digest, 16);
    avj_put_le64(page + AT_BYTES, h->bytes);
    for (int i = 0; i < AVJ_SECTIONS; i++) {
        uint8_t *entry = page + AT_TABLE + 32 * i;
        avj_put_le64(entry, h->sections[i].at);
        avj_put_le64(entry + 8, h->sections[i].len);
        avj_put_le64(entry + 16, h->sections[i].count);
        avj_put_le64(entry + 24, h->sections[i].hash);
    }
    avj_put_le64(page + AT_HASH, avj_hash64(page, AT_HASH));
}

static bool section_fits(const struct avj_section *s, uint64_t bytes)
{
    return s->at % AVJ_SNAPSHOT_PAGE == 0 && s->at >= AVJ_SNAPSHOT_PAGE && s->at <= bytes &&
           s->len <= bytes - s->at;
}

bool avj_snapshot_header_decode(const uint8_t page[AVJ_SNAPSHOT_PAGE],
                                struct avj_snapshot_header *h)
{
    if (memcmp(page, magic, 8) != 0 || avj_get_le64(page + AT_HASH) != avj_hash64(page, AT_HASH) ||
        avj_get_le32(page + AT_VERSION) != AVJ_SNAPSHOT_VERSION ||
        avj_get_le32(page + AT_SECTIONS) != AVJ_SECTIONS ||
        avj_get_le64(page + AT_SHAPE) != shape())
        return false;
    memcpy(h->journal_id, page + AT_JOURNAL, 16);
    h->seq = avj_get_le64(page + AT_SEQ);
    memcpy(h->record_hash, page + AT_RECORD_HASH, 16);
    h->hlc = avj_get_le64(page + AT_HLC);
    memcpy(h->digest, page + AT_DIGEST, 16);
    h->bytes = avj_get_le64(page + AT_BYTES);
    for (int i = 0; i < AVJ_SECTIONS; i++) {
        const uint8_t *entry = page + AT_TABLE + 32 * i;
        h->sections[i] = (struct avj_section){avj_get_le64(entry), avj_get_le64(entry + 8),
                                              avj_get_le64(entry + 16), avj_get_le64(entry + 24)};
        if (!section_fits(&h->sections[i], h->bytes))
            return false;
    }
    return true;
}

static uint64_t hash_of_hashes(uint64_t *hashes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t bytes[8];
        avj_put_le64(bytes, hashes[i]);
        memcpy(&hashes[i], bytes, 8);
    }
    return avj_hash64(hashes, count * sizeof(*hashes));
}

/* ---- writing ---- */

bool avj_snapshot_writer_init(struct avj_snapshot_writer *w, const struct avj_io *io, int file)
{
    *w = (struct avj_snapshot_writer){.io = io, .file = file, .at = AVJ_SNAPSHOT_PAGE};
    w->block = malloc(AVJ_SNAPSHOT_BLOCK);
    return w->block != NULL;
}

void avj_snapshot_writer_release(struct avj_snapshot_writer *w)
{
    free(w->block);
    free(w->hashes);
    w->block = NULL;
    w->hashes = NULL;
}

static void flush(struct avj_snapshot_writer *w)
{
    size_t done;
    if (!w->used || w->error)
        return;
    if (w->hash_count == w->hash_cap) {
        size_t cap = w->hash_cap ? w->hash_cap * 2 : 64;
        uint64_t *grown = realloc(w->hashes, cap * sizeof(*grown));
        if (!grown) {
            w->error = -ENOMEM;
            return;
        }
        w->hashes = grown;
        w->hash_cap = cap;
    }
    w->hashes[w->hash_count++] = avj_hash64(w->block, w->used);
    w->error = avj_io_write_full(w->io, w->file, w->block, w->used, w->at, &done);
    w->at += w->used;
    w->used = 0;
}

void avj_section_begin(struct avj_snapshot_writer *w, struct avj_section *section)
{
    w->at = (w->at + AVJ_SNAPSHOT_PAGE - 1) / AVJ_SNAPSHOT_PAGE * AVJ_SNAPSHOT_PAGE;
    w->hash_count = 0;
    w->section = section;
    section->at = w->at;
}

void avj_section_add(struct avj_snapshot_writer *w, const void *data, size_t len)
{
    const uint8_t *bytes = data;
    while (len && !w->error) {
        size_t n = AVJ_SNAPSHOT_BLOCK - w->used < len ? AVJ_SNAPSHOT_BLOCK - w->used : len;
        memcpy(w->block + w->used, bytes, n);
        w->used += n;
        bytes += n;
        len -= n;
        if (w->used == AVJ_SNAPSHOT_BLOCK)
            flush(w);
    }
}

void avj_section_end(struct avj_snapshot_writer *w, uint64_t count)
{
    flush(w);
    w->section->len = w->at - w->section->at;
    w->section->count = count;
    w->section->hash = w->error ? 0 : hash_of_hashes(w->hashes, w->hash_count);
}

int avj_snapshot_writer_finish(struct avj_snapshot_writer *w, struct avj_snapshot_header *h)
{
    uint8_t page[AVJ_SNAPSHOT_PAGE];
    size_t done;
    /* The last section is never empty, so the file is as long as this says. */
    h->bytes = w->at;
    avj_snapshot_header_encode(h, page);
    if (!w->error)
        w->error = avj_io_write_full(w->io, w->file, page, sizeof(page), 0, &done);
    if (!w->error)
        w->error = avj_io_sync(w->io, w->file);
    return w->error;
}

/* ---- verifying ---- */

struct task {
    uint64_t at;
    size_t len;
    uint64_t hash;
};

struct verification {
    const struct avj_io *io;
    int file;
    struct task *tasks;
    size_t count;
    atomic_size_t next;
    atomic_int status; /* enum avj_status */
};

static void *verify_blocks(void *arg)
{
    struct verification *v = arg;
    uint8_t *block = malloc(AVJ_SNAPSHOT_BLOCK);
    size_t i;
    if (!block)
        atomic_store(&v->status, AVJ_ENOMEM);
    while (atomic_load(&v->status) == AVJ_OK && (i = atomic_fetch_add(&v->next, 1)) < v->count) {
        struct task *t = &v->tasks[i];
        size_t got;
        if (avj_io_read_full(v->io, v->file, block, t->len, t->at, &got) < 0 || got < t->len)
            atomic_store(&v->status, AVJ_ECORRUPT);
        else
            t->hash = avj_hash64(block, t->len);
    }
    free(block);
    return NULL;
}

static size_t blocks_of(const struct avj_section *s)
{
    return (size_t)((s->len + AVJ_SNAPSHOT_BLOCK - 1) / AVJ_SNAPSHOT_BLOCK);
}

static void make_tasks(const struct avj_snapshot_header *h, struct task *tasks)
{
    for (int i = 0; i < AVJ_SECTIONS; i++) {
        const struct avj_section *s = &h->sections[i];
        for (size_t b = 0; b < blocks_of(s); b++) {
            uint64_t rest = s->len - b * AVJ_SNAPSHOT_BLOCK;
            tasks->at = s->at + b * AVJ_SNAPSHOT_BLOCK;
            tasks->len = rest < AVJ_SNAPSHOT_BLOCK ? (size_t)rest : AVJ_SNAPSHOT_BLOCK;
            tasks++;
        }
    }
}

static enum avj_status compare(const struct avj_snapshot_header *h, const struct task *tasks)
{
    enum avj_status status = AVJ_OK;
    for (int i = 0; status == AVJ_OK && i < AVJ_SECTIONS; i++) {
        size_t n = blocks_of(&h->sections[i]);
        uint64_t *hashes = malloc((n ? n : 1) * sizeof(*hashes));
        if (!hashes)
            return AVJ_ENOMEM;
        for (size_t b = 0; b < n; b++)
            hashes[b] = tasks[b].hash;
        if (hash_of_hashes(hashes, n) != h->sections[i].hash)
            status = AVJ_ECORRUPT;
        free(hashes);
        tasks += n;
    }
    return status;
}

enum avj_status avj_snapshot_verify(const struct avj_io *io, int file,
                                    const struct avj_snapshot_header *h, bool threads)
{
    struct verification v = {.io = io, .file = file};
    pthread_t other;
    for (int i = 0; i < AVJ_SECTIONS; i++)
        v.count += blocks_of(&h->sections[i]);
    v.tasks = calloc(v.count ? v.count : 1, sizeof(*v.tasks));
    if (!v.tasks)
        return AVJ_ENOMEM;
    make_tasks(h, v.tasks);
    threads = threads && v.count > 4 && pthread_create(&other, NULL, verify_blocks, &v) == 0;
    verify_blocks(&v);
    if (threads)
        pthread_join(other, NULL);
    enum avj_status status = (enum avj_status)atomic_load(&v.status);
    if (status == AVJ_OK)
        status = compare(h, v.tasks);
    free(v.tasks);
    return status;
}
