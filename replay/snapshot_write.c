/* Writing a view into a snapshot file: see snapshot.h and snapshot_file.h. */
#include "replay/open.h"
#include "replay/snapshot.h"
#include "replay/snapshot_file.h"

#include <stdlib.h>
#include <string.h>

struct writing {
    struct avj_view *view;
    struct avj_snapshot_writer w;
    struct avj_snapshot_header header;
    uint64_t data_at;   /* of the next piece of section DATA */
    uint64_t *open_len; /* of each open document, packed */
    uint64_t pending;   /* written entries of the outbox */
    enum avj_status status;
};

static void begin(struct writing *s, enum avj_section_kind kind)
{
    avj_section_begin(&s->w, &s->header.sections[kind]);
}

/* ---- arrays ---- */

static void add_chunks(struct writing *s, const struct avj_chunks *chunks)
{
    for (size_t i = 0; i < chunks->chunk_count; i++)
        avj_section_add(&s->w, chunks->chunks[i], avj_chunks_bytes(chunks, i));
}

static void write_slots(struct writing *s)
{
    begin(s, AVJ_SECTION_SLOTS);
    add_chunks(s, &s->view->slots.slots);
    avj_section_end(&s->w, s->view->slots.slots.count);
}

static void write_texts(struct writing *s)
{
    const struct avj_texts *t = &s->view->slots.texts;
    size_t left = t->used - t->mapped_len;
    begin(s, AVJ_SECTION_TEXTS);
    if (t->mapped_len)
        avj_section_add(&s->w, t->mapped, t->mapped_len);
    for (size_t i = 0; left; i++) {
        size_t len = left < AVJ_TEXTS_BLOCK ? left : AVJ_TEXTS_BLOCK;
        avj_section_add(&s->w, t->blocks[i], len);
        left -= len;
    }
    avj_section_end(&s->w, t->used);
}

static void write_base(struct writing *s)
{
    uint64_t cap = (uint64_t)avj_slots_last(&s->view->slots) * 4 / 3 + 16;
    uint32_t *base = cap <= UINT32_MAX ? calloc((size_t)cap, sizeof(*base)) : NULL;
    if (!base) {
        s->status = AVJ_ENOMEM;
        return;
    }
    avj_slots_fill_base(&s->view->slots, base, (uint32_t)cap);
    begin(s, AVJ_SECTION_BASE);
    avj_section_add(&s->w, base, (size_t)cap * sizeof(*base));
    avj_section_end(&s->w, cap);
    free(base);
}

/* ---- data: what spans and open records point to ---- */

/* Pieces stand one behind the other, at multiples of 8. */
static uint64_t piece_len(uint64_t len)
{
    return (len + 7) / 8 * 8;
}

static void add_piece(struct writing *s, const void *data, size_t len)
{
    static const uint8_t zeros[8];
    if (len)
        avj_section_add(&s->w, data, len);
    avj_section_add(&s->w, zeros, (size_t)(piece_len(len) - len));
    s->data_at += piece_len(len);
}

static void data_of_threads(struct writing *s)
{
    const struct avj_view *view = s->view;
    for (size_t i = 1; i < view->threads.count; i++) {
        const struct avj_thread *t = avj_view_thread(view, (uint32_t)i);
        add_piece(s, avj_span_data(view, &t->fields), t->fields.len);
        add_piece(s, avj_span_data(view, &t->messages), t->messages.len * sizeof(uint32_t));
        add_piece(s, avj_span_data(view, &t->summaries), t->summaries.len * sizeof(uint32_t));
    }
}

static void data_of_sides(struct writing *s)
{
    for (size_t i = 1; i < s->view->sides.count; i++) {
        const struct avj_side *side = avj_side_at(s->view, (uint32_t)i);
        add_piece(s, avj_span_data(s->view, &side->kept), side->kept.len);
    }
}

static void data_of_open(struct writing *s)
{
    const struct avj_view *view = s->view;
    struct avj_pack packed = {0};
    s->open_len = calloc(view->open.count + 1, sizeof(*s->open_len));
    if (!s->open_len) {
        s->status = AVJ_ENOMEM;
        return;
    }
    for (size_t i = 1; i < view->open.count; i++) {
        const struct avj_open *open = avj_open_at(view, (uint32_t)i);
        avj_pack_reset(&packed);
        if (open->doc)
            avj_open_pack((const struct avj_document *)(uintptr_t)open->doc, &packed);
        else if (open->len)
            avj_pack_raw(&packed, view->mapped + open->at, open->len);
        if (packed.failed || packed.len > UINT32_MAX)
            s->status = AVJ_ENOMEM;
        s->open_len[i] = packed.len;
        add_piece(s, packed.data, packed.len);
    }
    avj_pack_release(&packed);
}

static void write_data(struct writing *s)
{
    begin(s, AVJ_SECTION_DATA);
    s->data_at = s->header.sections[AVJ_SECTION_DATA].at;
    data_of_threads(s);
    data_of_sides(s);
    data_of_open(s);
    avj_section_end(&s->w, 0);
}

/* ---- records that point into it, in the same order ---- */

static struct avj_span place(uint64_t *at, const struct avj_span *span, size_t item_len)
{
    struct avj_span out = {.at = span->len ? *at : 0, .len = span->len, .cap = 0};
    *at += piece_len(span->len * item_len);
    return out;
}

static void add_item_0(struct writing *s, const struct avj_chunks *chunks)
{
    static const uint8_t zeros[256];
    if (chunks->count)
        avj_section_add(&s->w, zeros, chunks->item_len);
}

static void write_threads(struct writing *s, uint64_t *at)
{
    const struct avj_chunks *threads = &s->view->threads;
    begin(s, AVJ_SECTION_THREADS);
    add_item_0(s, threads);
    for (size_t i = 1; i < threads->count; i++) {
        struct avj_thread t = *avj_view_thread(s->view, (uint32_t)i);
        t.fields = place(at, &t.fields, 1);
        t.messages = place(at, &t.messages, sizeof(uint32_t));
        t.summaries = place(at, &t.summaries, sizeof(uint32_t));
        avj_section_add(&s->w, &t, sizeof(t));
    }
    avj_section_end(&s->w, threads->count);
}

static void write_sides(struct writing *s, uint64_t *at)
{
    const struct avj_chunks *sides = &s->view->sides;
    begin(s, AVJ_SECTION_SIDES);
    add_item_0(s, sides);
    for (size_t i = 1; i < sides->count; i++) {
        struct avj_side side = *avj_side_at(s->view, (uint32_t)i);
        side.kept = place(at, &side.kept, 1);
        avj_section_add(&s->w, &side, sizeof(side));
    }
    avj_section_end(&s->w, sides->count);
}

static void write_open(struct writing *s, uint64_t *at)
{
    const struct avj_chunks *all = &s->view->open;
    begin(s, AVJ_SECTION_OPEN);
    add_item_0(s, all);
    for (size_t i = 1; s->open_len && i < all->count; i++) {
        struct avj_open open = *avj_open_at(s->view, (uint32_t)i);
        open.doc = 0;
        open.at = *at;
        open.len = (uint32_t)s->open_len[i];
        *at += piece_len(s->open_len[i]);
        avj_section_add(&s->w, &open, sizeof(open));
    }
    avj_section_end(&s->w, all->count);
}

/* ---- the rest ---- */

static void add_pending(void *arg, const struct avj_outbox_entry *entry)
{
    struct writing *s = arg;
    avj_section_add(&s->w, entry, sizeof(*entry));
    s->pending++;
}

static void write_outbox(struct writing *s)
{
    const struct avj_view *view = s->view;
    begin(s, AVJ_SECTION_OUTBOX);
    avj_outbox_walk(view, add_pending, s);
    avj_section_end(&s->w, s->pending);
    begin(s, AVJ_SECTION_CONFLICTS);
    if (view->conflict_count)
        avj_section_add(&s->w, view->conflicts, view->conflict_count * sizeof(*view->conflicts));
    avj_section_end(&s->w, view->conflict_count);
}

/* What grows, with its text: the log has it in as many pieces as there were deltas. */
static void pack_growing(const struct avj_view *view, struct avj_pack *out)
{
    avj_pack_list(out, view->growing.count);
    for (size_t i = 0; i < view->growing.count; i++) {
        const struct avj_growing *g = view->growing.items[i];
        avj_pack_list(out, 6);
        avj_pack_int(out, g->slot);
        avj_pack_int(out, (int64_t)g->turn);
        avj_pack_cstr(out, g->session);
        avj_pack_bool(out, g->interrupted);
        avj_pack_bool(out, g->dropped);
        avj_pack_bytes(out, g->text, g->len);
    }
}

static void pack_meta(const struct avj_view *view, struct avj_pack *out)
{
    const uint64_t *counts = (const uint64_t *)(const void *)&view->counts;
    size_t count_fields = sizeof(view->counts) / sizeof(uint64_t);
    avj_pack_list(out, 14);
    avj_pack_list(out, count_fields);
    for (size_t i = 0; i < count_fields; i++)
        avj_pack_int(out, (int64_t)counts[i]);
    avj_pack_int(out, (int64_t)view->outbox_live);
    avj_pack_int(out, view->free_side);
    avj_pack_int(out, view->free_open);
    avj_pack_cstr(out, view->user);
    avj_pack_cstr(out, view->rows_user);
    avj_pack_list(out, 3 + AVJ_ENTITIES);
    for (int i = 0; i < 3 + AVJ_ENTITIES; i++)
        avj_pack_cstr(out, view->upstream[i]);
    avj_pack_bool(out, view->gap_open);
    avj_pack_cstr(out, view->swept);
    avj_pack_int(out, view->last_ack_ms);
    avj_pack_int(out, view->clock_offset_ms);
    avj_pack_list(out, view->learned_count);
    for (size_t i = 0; i < view->learned_count; i++) {
        avj_pack_list(out, 3);
        avj_pack_int(out, view->learned[i].entity);
        avj_pack_cstr(out, view->learned[i].field);
        avj_pack_cstr(out, view->learned[i].what);
    }
    avj_pack_int(out, (int64_t)view->last_hlc);
    pack_growing(view, out);
}

static void write_meta(struct writing *s)
{
    struct avj_pack meta = {0};
    pack_meta(s->view, &meta);
    if (meta.failed)
        s->status = AVJ_ENOMEM;
    begin(s, AVJ_SECTION_META);
    avj_section_add(&s->w, meta.data, meta.len);
    avj_section_end(&s->w, 1);
    avj_pack_release(&meta);
}

static void write_all(struct writing *s)
{
    write_slots(s);
    write_texts(s);
    write_base(s);
    write_data(s);
    uint64_t at = s->header.sections[AVJ_SECTION_DATA].at;
    write_threads(s, &at);
    write_sides(s, &at);
    write_open(s, &at);
    write_outbox(s);
    write_meta(s);
}

enum avj_status avj_snapshot_put(struct avj_view *view, const struct avj_io *io, int file,
                                 const uint8_t journal_id[16], uint64_t *bytes,
                                 struct avj_error *err)
{
    struct writing s = {.view = view};
    struct avj_slice record;
    enum avj_status status = avj_view_record(view, view->last_seq, &record, err);
    if (status != AVJ_OK)
        return status;
    s.header.seq = view->last_seq;
    s.header.hlc = view->last_hlc;
    memcpy(s.header.journal_id, journal_id, 16);
    avj_hash128(record.data, record.len, s.header.record_hash);
    avj_view_digest(view, s.header.digest);
    if (!avj_snapshot_writer_init(&s.w, io, file))
        return avj_fail(err, AVJ_ENOMEM, "snapshot: out of memory");
    write_all(&s);
    int error = s.status == AVJ_OK ? avj_snapshot_writer_finish(&s.w, &s.header) : 0;
    avj_snapshot_writer_release(&s.w);
    free(s.open_len);
    *bytes = s.header.bytes;
    if (s.status != AVJ_OK)
        return avj_fail(err, s.status, "snapshot: out of memory");
    return error < 0 ? avj_fail_errno(err, -error, "snapshot") : AVJ_OK;
}
