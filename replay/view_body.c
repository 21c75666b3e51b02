/* Fields that are read back from the log, by the sequence number of their entry: see
 * view_private.h. */
#include "replay/clock.h"
#include "replay/view_private.h"

#include <stdlib.h>
#include <string.h>

/* ---- records of a view without a source ---- */

struct avj_own_records {
    struct own_record {
        uint64_t seq;
        uint8_t *data;
        size_t len;
    } * records; /* by seq */
    size_t count, cap;
};

enum avj_status avj_own_keep(struct avj_view *view)
{
    view->own = calloc(1, sizeof(*view->own));
    return view->own ? AVJ_OK : AVJ_ENOMEM;
}

void avj_own_free(struct avj_own_records *own)
{
    if (!own)
        return;
    for (size_t i = 0; i < own->count; i++)
        free(own->records[i].data);
    free(own->records);
    free(own);
}

enum avj_status avj_own_add(struct avj_view *view, uint64_t seq, const void *data, size_t len)
{
    struct avj_own_records *own = view->own;
    if (own->count == own->cap) {
        size_t cap = own->cap ? own->cap * 2 : 64;
        struct own_record *grown = realloc(own->records, cap * sizeof(*grown));
        if (!grown)
            return AVJ_ENOMEM;
        own->records = grown;
        own->cap = cap;
    }
    struct avj_blob copy = {0};
    if (avj_blob_copy(&copy, data, len) != AVJ_OK)
        return AVJ_ENOMEM;
    own->records[own->count++] = (struct own_record){seq, copy.data, copy.len};
    return AVJ_OK;
}

static enum avj_status own_find(const struct avj_own_records *own, uint64_t seq,
                                struct avj_slice *record, struct avj_error *err)
{
    size_t low = 0, high = own->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (own->records[middle].seq < seq)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == own->count || own->records[low].seq != seq)
        return avj_fail(err, AVJ_ENOTFOUND, "record %llu was not folded", (unsigned long long)seq);
    *record = (struct avj_slice){own->records[low].data, own->records[low].len};
    return AVJ_OK;
}

enum avj_status avj_view_record(struct avj_view *view, uint64_t seq, struct avj_slice *record,
                                struct avj_error *err)
{
    if (view->now.data && seq == view->now_seq) {
        *record = view->now;
        return AVJ_OK;
    }
    if (view->own)
        return own_find(view->own, seq, record, err);
    return view->source.fetch(view->source.arg, seq, record, err);
}

/* ---- fields of an entry ---- */

static enum avj_status no_entry(uint64_t seq, struct avj_error *err)
{
    return avj_fail(err, AVJ_ECORRUPT, "record %llu does not hold what it held: run avchat-fsck",
                    (unsigned long long)seq);
}

/* {"$dropped": true} */
static const uint8_t dropped[] = {0x81, 0xa8, '$', 'd', 'r', 'o', 'p', 'p', 'e', 'd', 0xc3};
const struct avj_fields avj_dropped_fields = {dropped, sizeof(dropped)};

bool avj_stub_of(const struct avj_entry *e, struct avj_stub *stub)
{
    struct avj_value f, z, g;
    *stub = (struct avj_stub){.is = false};
    if (avj_value_get(e->root, "f", &f) && f.kind == AVJ_MAP)
        return false;
    if (avj_value_get(e->root, "z", &z) && z.kind == AVJ_INT && z.integer > 0)
        stub->settled_at = (uint64_t)z.integer;
    bool hashed = avj_value_get(e->root, "g", &g) && g.kind == AVJ_INT;
    if (hashed)
        stub->hash = (uint64_t)g.integer;
    bool row = e->type == AVJ_E_ACK || e->type == AVJ_E_REMOTE;
    stub->is = row ? hashed : stub->settled_at != 0;
    return stub->is;
}

bool avj_record_is_stub(const void *data, size_t len)
{
    struct avj_entry entry;
    struct avj_stub stub;
    if (avj_entry_decode(data, len, &entry, NULL) != AVJ_OK)
        return false;
    bool is = avj_stub_of(&entry, &stub);
    avj_entry_release(&entry);
    return is;
}

/* By way of a tree; the canonical form is made in view->body. */
static enum avj_status body_of_tree(struct avj_view *view, uint64_t seq, struct avj_slice record,
                                    enum avj_entity entity, bool drop_nil, uint64_t *hlc,
                                    struct avj_error *err)
{
    struct avj_entry e;
    enum avj_status status = avj_entry_decode(record.data, record.len, &e, err);
    if (status != AVJ_OK)
        return status == AVJ_ENOMEM ? status : no_entry(seq, err);
    struct avj_value fields;
    *hlc = e.hlc;
    if (avj_stub_of(&e, &view->stub))
        avj_pack_raw(&view->body, dropped, sizeof(dropped));
    else if (!avj_value_get(e.root, "f", &fields) || fields.kind != AVJ_MAP)
        status = no_entry(seq, err);
    else if (avj_fields_canonical(entity, fields, drop_nil, &view->body) != AVJ_OK)
        status = avj_fail(err, AVJ_ENOMEM, "out of memory");
    avj_entry_release(&e);
    if (status == AVJ_OK && view->body.failed)
        status = avj_fail(err, AVJ_ENOMEM, "out of memory");
    return status;
}

enum avj_status avj_view_body(struct avj_view *view, uint64_t seq, enum avj_entity entity,
                              bool drop_nil, struct avj_fields *fields, uint64_t *hlc,
                              struct avj_error *err)
{
    struct avj_slice record;
    struct avj_glance glance;
    enum avj_status status = avj_view_record(view, seq, &record, err);
    view->stub = (struct avj_stub){.is = false};
    if (status != AVJ_OK)
        return status;
    if (avj_glance(record.data, record.len, &glance) && glance.entity == entity &&
        avj_glance_plain(&glance, drop_nil)) {
        *fields = glance.f;
        *hlc = glance.hlc;
        return AVJ_OK;
    }
    avj_pack_reset(&view->body);
    status = body_of_tree(view, seq, record, entity, drop_nil, hlc, err);
    *fields = (struct avj_fields){view->body.data, view->body.len};
    return status;
}

/* ---- documents ---- */

static enum avj_status load_row(struct avj_view *view, enum avj_entity entity,
                                struct avj_known_row *row, struct avj_error *err)
{
    struct avj_fields fields;
    uint64_t hlc;
    if (row->loaded || row->deleted)
        return AVJ_OK;
    enum avj_status status = avj_view_body(view, row->seq, entity, true, &fields, &hlc, err);
    if (status != AVJ_OK)
        return status;
    if (avj_blob_copy(&row->fields, fields.data, fields.len) != AVJ_OK)
        return avj_fail(err, AVJ_ENOMEM, "out of memory");
    row->loaded = true;
    row->dropped = view->stub.is;
    row->hash = view->stub.hash;
    return AVJ_OK;
}

static enum avj_status load_pending(struct avj_view *view, enum avj_entity entity,
                                    struct avj_pending *p, struct avj_error *err)
{
    struct avj_fields fields;
    if (p->loaded || p->op == AVJ_DELETE)
        return AVJ_OK;
    enum avj_status status =
        avj_view_body(view, p->seq, entity, p->op == AVJ_CREATE, &fields, &p->hlc, err);
    if (status != AVJ_OK)
        return status;
    if (avj_blob_copy(&p->fields, fields.data, fields.len) != AVJ_OK)
        return avj_fail(err, AVJ_ENOMEM, "out of memory");
    p->loaded = true;
    p->settled_at = view->stub.settled_at;
    return AVJ_OK;
}

enum avj_status avj_view_load(struct avj_view *view, struct avj_document *d, struct avj_error *err)
{
    enum avj_status status = AVJ_OK;
    for (struct avj_known_row *row = d->rows; status == AVJ_OK && row; row = row->next)
        status = load_row(view, d->entity, row, err);
    for (size_t i = 0; status == AVJ_OK && i < d->pending_count; i++)
        status = load_pending(view, d->entity, &d->pending[i], err);
    return status;
}

enum avj_status avj_view_load_history(struct avj_view *view, struct avj_document *d,
                                      struct avj_error *err)
{
    bool history = false;
    enum avj_status status = AVJ_OK;
    for (const struct avj_known_row *row = d->rows; row; row = row->next)
        history = history || row->dropped;
    for (size_t i = 0; i < d->pending_count; i++)
        history = history || d->pending[i].settled_at;
    for (size_t i = 0; history && status == AVJ_OK && i < d->pending_count; i++) {
        struct avj_pending *p = &d->pending[i];
        struct avj_fields fields;
        uint64_t hlc;
        if (p->settled_at || p->op == AVJ_DELETE)
            continue;
        status = avj_view_body(view, p->seq, d->entity, p->op == AVJ_CREATE, &fields, &hlc, err);
        p->settled_at = view->stub.settled_at;
    }
    return status;
}

/* Fields of an open document: those of its last derivation, or derived now. */
static enum avj_status open_fields(struct avj_view *view, uint32_t number,
                                   struct avj_fields *fields, struct avj_error *err)
{
    struct avj_document *d;
    enum avj_status status = avj_view_open(view, number, &d, err);
    if (status != AVJ_OK)
        return status;
    if (!d->derived) {
        status = avj_view_load(view, d, err);
        if (status == AVJ_OK && avj_document_derive(d) != AVJ_OK)
            status = avj_fail(err, AVJ_ENOMEM, "out of memory");
    }
    if (status == AVJ_OK)
        *fields = avj_document_fields(d);
    return status;
}

static enum avj_status with_kept(struct avj_view *view, enum avj_entity entity,
                                 const struct avj_span *kept, struct avj_fields *fields,
                                 struct avj_error *err)
{
    struct avj_fields over = {avj_span_data(view, kept), kept->len};
    struct avj_pack merged = {0};
    enum avj_status status = avj_fields_merge(entity, over, *fields, true, &merged);
    if (status != AVJ_OK) {
        avj_pack_release(&merged);
        return avj_fail(err, status, "out of memory");
    }
    avj_pack_release(&view->body);
    view->body = merged;
    *fields = (struct avj_fields){merged.data, merged.len};
    return AVJ_OK;
}

enum avj_status avj_view_settled_fields(struct avj_view *view, uint32_t number,
                                        struct avj_fields *fields, struct avj_error *err)
{
    const struct avj_slot *slot = avj_view_slot(view, number);
    enum avj_entity entity = avj_slot_entity(slot);
    uint64_t hlc;
    *fields = (struct avj_fields){NULL, 0};
    if (!(slot->flags & AVJ_SLOT_VISIBLE))
        return AVJ_OK;
    if (entity == AVJ_THREAD) {
        const struct avj_span *span = &avj_view_thread(view, slot->thread)->fields;
        *fields = (struct avj_fields){avj_span_data(view, span), span->len};
        return AVJ_OK;
    }
    if (slot->flags & AVJ_SLOT_OPEN)
        return open_fields(view, number, fields, err);
    enum avj_status status =
        avj_view_body(view, avj_slot_body(slot), entity, true, fields, &hlc, err);
    if (status == AVJ_OK && (slot->flags & AVJ_SLOT_SIDE)) {
        const struct avj_span *kept = &avj_side_at(view, slot->extra)->kept;
        if (kept->len)
            status = with_kept(view, entity, kept, fields, err);
    }
    return status;
}

enum avj_status avj_view_fields(struct avj_view *view, uint32_t number, struct avj_fields *fields,
                                struct avj_error *err)
{
    enum avj_status status = avj_view_settled_fields(view, number, fields, err);
    if (status == AVJ_OK && avj_view_grows(view, number))
        status = avj_growing_show(view, number, fields, err);
    return status;
}

/* ---- times ---- */

static bool digits(const char *text, const char *pattern)
{
    for (; *pattern; pattern++, text++)
        if (*pattern == '0' ? (*text < '0' || *text > '9') : *text != *pattern)
            return false;
    return true;
}

bool avj_time_is_canonical(const char *text, size_t len, int64_t *ms)
{
    return len == AVJ_TIME_TEXT - 1 && digits(text, "0000-00-00T00:00:00.000+00:00") &&
           !(text[17] == '6') && avj_time_parse(text, len, ms);
}
