/* A view out of a snapshot file: mapped, not parsed.  See snapshot.h. */
#include "replay/snapshot.h"
#include "replay/snapshot_file.h"

#include <stdlib.h>
#include <string.h>

/* ---- mapping ---- */

static void unmap(void *arg, uint8_t *mapped, size_t len)
{
    const struct avj_io *io = arg;
    io->unmap(io->ctx, mapped, len);
}

static void drop(void *arg, uint8_t *mapped, size_t len)
{
    (void)arg;
    (void)len;
    free(mapped);
}

/* Into memory where the file system can not map. */
static enum avj_status read_whole(struct avj_view *view, const struct avj_io *io, int file,
                                  size_t len)
{
    size_t got;
    uint8_t *bytes = malloc(len);
    if (!bytes)
        return AVJ_ENOMEM;
    if (avj_io_read_full(io, file, bytes, len, 0, &got) < 0 || got < len) {
        free(bytes);
        return AVJ_EIO;
    }
    view->mapped = bytes;
    view->mapped_len = len;
    view->unmap = drop;
    return AVJ_OK;
}

static enum avj_status map(struct avj_view *view, const struct avj_io *io, int file, uint64_t bytes)
{
    size_t len = (size_t)bytes;
    if (len != bytes)
        return AVJ_ENOMEM;
    const void *mapped = io->map && io->unmap ? io->map(io->ctx, file, len) : NULL;
    if (!mapped)
        return read_whole(view, io, file, len);
    view->mapped = (uint8_t *)(uintptr_t)mapped;
    view->mapped_len = len;
    view->unmap = unmap;
    view->unmap_arg = (void *)(uintptr_t)io;
    return AVJ_OK;
}

/* ---- arrays ---- */

static enum avj_status adopt(const struct avj_view *view, struct avj_chunks *chunks,
                             const struct avj_section *s)
{
    if (s->count > UINT32_MAX || s->len != s->count * chunks->item_len)
        return AVJ_ECORRUPT;
    return avj_chunks_adopt(chunks, view->mapped + s->at, (size_t)s->count) ? AVJ_OK : AVJ_ENOMEM;
}

static enum avj_status adopt_slots(struct avj_view *view, const struct avj_snapshot_header *h)
{
    const struct avj_section *texts = &h->sections[AVJ_SECTION_TEXTS];
    const struct avj_section *base = &h->sections[AVJ_SECTION_BASE];
    struct avj_slots *slots = &view->slots;
    enum avj_status status = adopt(view, &slots->slots, &h->sections[AVJ_SECTION_SLOTS]);
    if (status != AVJ_OK)
        return status;
    if (texts->count % 8 || texts->count != texts->len || base->count > UINT32_MAX ||
        base->len != base->count * sizeof(uint32_t) || base->count <= avj_slots_last(slots))
        return AVJ_ECORRUPT;
    if (!avj_texts_adopt(&slots->texts, view->mapped + texts->at, (size_t)texts->len))
        return AVJ_ENOMEM;
    slots->base = (const uint32_t *)(const void *)(view->mapped + base->at);
    slots->base_cap = (uint32_t)base->count;
    slots->base_last = avj_slots_last(slots);
    return AVJ_OK;
}

static bool is_array(const struct avj_section *s, size_t item_len)
{
    return s->count <= s->len && s->len == s->count * item_len;
}

static enum avj_status adopt_outbox(struct avj_view *view, const struct avj_section *s)
{
    if (!is_array(s, sizeof(*view->outbox)))
        return AVJ_ECORRUPT;
    view->outbox_brought = (const struct avj_outbox_entry *)(const void *)(view->mapped + s->at);
    view->outbox_brought_count = (size_t)s->count;
    return AVJ_OK;
}

static enum avj_status copy_conflicts(struct avj_view *view, const struct avj_section *s)
{
    if (!is_array(s, sizeof(*view->conflicts)))
        return AVJ_ECORRUPT;
    view->conflicts = malloc(s->len ? (size_t)s->len : 1);
    if (!view->conflicts)
        return AVJ_ENOMEM;
    memcpy(view->conflicts, view->mapped + s->at, (size_t)s->len);
    view->conflict_count = view->conflict_cap = (size_t)s->count;
    return AVJ_OK;
}

/* ---- what is summed up ---- */

static bool take_text(struct avj_value v, char **slot)
{
    struct avj_slice text = {v.kind == AVJ_TEXT ? v.text : NULL, v.kind == AVJ_TEXT ? v.len : 0};
    return avj_text_replace(slot, text);
}

static bool take_counts(struct avj_value list, struct avj_view_counts *counts)
{
    uint64_t *fields = (uint64_t *)(void *)counts;
    if (list.kind != AVJ_LIST || list.len != sizeof(*counts) / sizeof(*fields))
        return false;
    for (size_t i = 0; i < list.len; i++)
        fields[i] = (uint64_t)avj_value_item(list, i).integer;
    return true;
}

static bool take_learned(struct avj_value list, struct avj_view *view)
{
    if (list.kind != AVJ_LIST)
        return false;
    view->learned = calloc(list.len ? list.len : 1, sizeof(*view->learned));
    for (size_t i = 0; view->learned && i < list.len; i++) {
        struct avj_value item = avj_value_item(list, i);
        struct avj_learned *l = &view->learned[i];
        if (item.kind != AVJ_LIST || item.len != 3)
            return false;
        view->learned_count++;
        l->entity = (enum avj_entity)avj_value_item(item, 0).integer;
        if (!take_text(avj_value_item(item, 1), &l->field) ||
            !take_text(avj_value_item(item, 2), &l->what))
            return false;
    }
    return view->learned != NULL;
}

static bool take_one_growing(struct avj_value item, struct avj_view *view)
{
    struct avj_growing g = {.slot = 0};
    if (item.kind != AVJ_LIST || item.len != 6)
        return false;
    struct avj_value text = avj_value_item(item, 5);
    int64_t slot = avj_value_item(item, 0).integer;
    if (slot < 1 || slot > avj_slots_last(&view->slots) || text.kind != AVJ_BYTES ||
        !take_text(avj_value_item(item, 2), &g.session))
        return false;
    g.slot = (uint32_t)slot;
    g.turn = (uint64_t)avj_value_item(item, 1).integer;
    g.interrupted = avj_value_item(item, 3).boolean;
    g.dropped = avj_value_item(item, 4).boolean;
    g.text = (uint8_t *)(uintptr_t)text.text;
    g.len = text.len;
    bool ok = avj_growing_add(view, &g) == AVJ_OK;
    free(g.session);
    return ok;
}

static bool take_growing(struct avj_value list, struct avj_view *view)
{
    bool ok = list.kind == AVJ_LIST;
    for (size_t i = 0; ok && i < list.len; i++)
        ok = take_one_growing(avj_value_item(list, i), view);
    return ok;
}

static bool take_meta(struct avj_view *view, struct avj_value root)
{
    if (root.kind != AVJ_LIST || root.len != 14)
        return false;
    view->outbox_live = (size_t)avj_value_item(root, 1).integer;
    view->free_side = (uint32_t)avj_value_item(root, 2).integer;
    view->free_open = (uint32_t)avj_value_item(root, 3).integer;
    struct avj_value upstream = avj_value_item(root, 6);
    bool ok = take_counts(avj_value_item(root, 0), &view->counts) &&
              take_text(avj_value_item(root, 4), &view->user) &&
              take_text(avj_value_item(root, 5), &view->rows_user) && upstream.kind == AVJ_LIST &&
              upstream.len == 3 + AVJ_ENTITIES;
    for (size_t i = 0; ok && i < upstream.len; i++)
        ok = take_text(avj_value_item(upstream, i), &view->upstream[i]);
    view->gap_open = avj_value_item(root, 7).boolean;
    view->last_ack_ms = avj_value_item(root, 9).integer;
    view->clock_offset_ms = avj_value_item(root, 10).integer;
    view->last_hlc = (uint64_t)avj_value_item(root, 12).integer;
    return ok && take_text(avj_value_item(root, 8), &view->swept) &&
           take_learned(avj_value_item(root, 11), view) &&
           take_growing(avj_value_item(root, 13), view);
}

static enum avj_status read_meta(struct avj_view *view, const struct avj_snapshot_header *h)
{
    const struct avj_section *s = &h->sections[AVJ_SECTION_META];
    struct avj_tree *tree;
    enum avj_status status = avj_tree_parse(view->mapped + s->at, (size_t)s->len, &tree);
    if (status != AVJ_OK)
        return status == AVJ_ENOMEM ? status : AVJ_ECORRUPT;
    bool ok = take_meta(view, avj_tree_root(tree));
    avj_tree_free(tree);
    view->last_seq = h->seq;
    for (int i = 0; i < 2; i++)
        for (int b = 0; b < 8; b++)
            view->digest[i] = view->digest[i] << 8 | h->digest[8 * i + b];
    return ok ? AVJ_OK : AVJ_ENOMEM; /* it is as this program wrote it */
}

static enum avj_status fill(struct avj_view *view, const struct avj_snapshot_header *h)
{
    enum avj_status status = adopt_slots(view, h);
    if (status == AVJ_OK)
        status = adopt(view, &view->threads, &h->sections[AVJ_SECTION_THREADS]);
    if (status == AVJ_OK)
        status = adopt(view, &view->sides, &h->sections[AVJ_SECTION_SIDES]);
    if (status == AVJ_OK)
        status = adopt(view, &view->open, &h->sections[AVJ_SECTION_OPEN]);
    if (status == AVJ_OK)
        status = adopt_outbox(view, &h->sections[AVJ_SECTION_OUTBOX]);
    if (status == AVJ_OK)
        status = copy_conflicts(view, &h->sections[AVJ_SECTION_CONFLICTS]);
    return status == AVJ_OK ? read_meta(view, h) : status;
}

/* ---- a file ---- */

/* The log must have the record that the snapshot ends with.  AVJ_ENOTFOUND: compaction made a stub
 * of it, so that nobody can tell any more. */
static enum avj_status in_the_log(struct avj_view *view, const struct avj_snapshot_header *h)
{
    struct avj_slice record;
    uint8_t hash[16];
    enum avj_status status = view->source.fetch(view->source.arg, h->seq, &record, NULL);
    if (status != AVJ_OK)
        return status == AVJ_ENOTFOUND ? AVJ_ECORRUPT : status;
    avj_hash128(record.data, record.len, hash);
    if (memcmp(hash, h->record_hash, sizeof(hash)) == 0)
        return AVJ_OK;
    return avj_record_is_stub(record.data, record.len) ? AVJ_ENOTFOUND : AVJ_ECORRUPT;
}

bool avj_snapshot_header_read(const struct avj_io *io, int file, struct avj_snapshot_header *h)
{
    uint8_t page[AVJ_SNAPSHOT_PAGE];
    size_t got;
    int64_t size = io->size(io->ctx, file);
    return avj_io_read_full(io, file, page, sizeof(page), 0, &got) == 0 && got == sizeof(page) &&
           avj_snapshot_header_decode(page, h) && size >= 0 && (uint64_t)size == h->bytes;
}

enum avj_status avj_snapshot_take(const struct avj_io *io, int file,
                                  const struct avj_snapshot_header *h,
                                  const struct avj_source *source, bool threads,
                                  struct avj_view **out)
{
    *out = NULL;
    enum avj_status status = avj_snapshot_verify(io, file, h, threads);
    if (status != AVJ_OK)
        return status;
    struct avj_view *view = avj_view_new(source);
    if (!view)
        return AVJ_ENOMEM;
    status = in_the_log(view, h);
    if (status == AVJ_OK)
        status = map(view, io, file, h->bytes);
    if (status == AVJ_OK)
        status = fill(view, h);
    if (status == AVJ_OK)
        *out = view;
    else
        avj_view_free(view);
    return status;
}
