/* Views out of snapshots of others: see snapshot_copy.h. */
#include "tests/support/snapshot_copy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "snapshot_copy: %s\n", what);
    abort();
}

/* ---- records ---- */

void kept_records_add(struct kept_records *r, const void *data, size_t len)
{
    if (r->count == r->cap) {
        r->cap = r->cap ? 2 * r->cap : 64;
        r->items = realloc(r->items, r->cap * sizeof(*r->items));
        must(r->items, "out of memory");
    }
    void *copy = malloc(len ? len : 1);
    must(copy, "out of memory");
    memcpy(copy, data, len);
    r->items[r->count++] = (struct avj_slice){copy, len};
}

void kept_records_release(struct kept_records *r)
{
    for (size_t i = 0; i < r->count; i++)
        free((void *)(uintptr_t)r->items[i].data);
    free(r->items);
    *r = (struct kept_records){.count = 0};
}

static enum avj_status fetch(void *arg, uint64_t seq, struct avj_slice *record,
                             struct avj_error *err)
{
    const struct kept_records *r = arg;
    if (seq == 0 || seq > r->count)
        return avj_fail(err, AVJ_ENOTFOUND, "no record %llu", (unsigned long long)seq);
    *record = r->items[seq - 1];
    return AVJ_OK;
}

struct avj_source kept_records_source(struct kept_records *r)
{
    return (struct avj_source){.arg = r, .fetch = fetch};
}

/* ---- snapshots ---- */

enum avj_status snapshot_copy_write(struct avj_view *view, const struct avj_io *io,
                                    const char *path)
{
    uint64_t bytes;
    int file = io->open(io->ctx, path, AVJ_OPEN_WRITE | AVJ_OPEN_CREATE | AVJ_OPEN_EXCL);
    if (file < 0)
        return AVJ_EIO;
    enum avj_status status =
        avj_snapshot_put(view, io, file, (const uint8_t *)SNAPSHOT_COPY_JOURNAL, &bytes, NULL);
    must(io->close(io->ctx, file) == 0, "close");
    return status;
}

struct avj_view *snapshot_copy_read(const struct avj_io *io, const char *path,
                                    struct kept_records *records)
{
    struct avj_snapshot_header header;
    struct avj_source source = kept_records_source(records);
    struct avj_view *view = NULL;
    int file = io->open(io->ctx, path, AVJ_OPEN_READ);
    must(file >= 0, "open");
    if (avj_snapshot_header_read(io, file, &header) &&
        avj_snapshot_take(io, file, &header, &source, false, &view) != AVJ_OK)
        must(!view, "a view of a snapshot that was not taken");
    must(io->close(io->ctx, file) == 0, "close");
    return view;
}

struct avj_view *snapshot_copy(struct avj_view *view, struct kept_records *records)
{
    struct mem_io *mem = mem_io_new(1);
    const struct avj_io *io = mem_io_table(mem);
    must(snapshot_copy_write(view, io, "s") == AVJ_OK, "a snapshot can not be written");
    struct avj_view *copy = snapshot_copy_read(io, "s", records);
    must(copy, "a snapshot is not taken");
    mem_io_free(mem);
    return copy;
}
