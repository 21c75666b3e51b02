/* Open documents as bytes: see open.h. */
#include "replay/open.h"

#include <stdlib.h>
#include <string.h>

/* ---- packing ---- */

static void pack_row(const struct avj_known_row *row, struct avj_pack *out)
{
    avj_pack_list(out, 5);
    avj_pack_cstr(out, row->remote_id);
    avj_pack_cstr(out, row->version);
    avj_pack_int(out, row->version_ms);
    avj_pack_bool(out, row->deleted);
    avj_pack_int(out, (int64_t)row->seq);
}

static void pack_pending(const struct avj_pending *p, struct avj_pack *out)
{
    avj_pack_list(out, 5);
    avj_pack_int(out, (int64_t)p->seq);
    avj_pack_int(out, (int64_t)p->hlc);
    avj_pack_int(out, p->op);
    avj_pack_bool(out, p->attempted);
    if (p->trimmed)
        avj_pack_bytes(out, p->fields.data, p->fields.len);
    else
        avj_pack_nil(out);
}

static size_t row_count(const struct avj_document *d)
{
    size_t count = 0;
    for (const struct avj_known_row *row = d->rows; row; row = row->next)
        count++;
    return count;
}

void avj_open_pack(const struct avj_document *d, struct avj_pack *out)
{
    avj_pack_list(out, 11);
    avj_pack_int(out, d->entity);
    avj_pack_cstr(out, d->id);
    avj_pack_list(out, row_count(d));
    for (const struct avj_known_row *row = d->rows; row; row = row->next)
        pack_row(row, out);
    avj_pack_bytes(out, d->kept.data, d->kept.len);
    avj_pack_list(out, d->pending_count);
    for (size_t i = 0; i < d->pending_count; i++)
        pack_pending(&d->pending[i], out);
    avj_pack_bool(out, d->parked);
    avj_pack_int(out, d->reject_status);
    avj_pack_cstr(out, d->reject_type);
    avj_pack_cstr(out, d->reject_message);
    avj_pack_bool(out, d->visible);
    /* With fields kept back it is derived anew. */
    if (d->derived && !d->kept.len)
        avj_pack_bytes(out, d->shared.data, d->shared.len);
    else
        avj_pack_nil(out);
}

/* ---- unpacking ---- */

static bool take_text(struct avj_value v, char **out)
{
    if (v.kind == AVJ_NIL)
        return true;
    if (v.kind != AVJ_TEXT)
        return false;
    *out = malloc(v.len + 1);
    if (!*out)
        return false;
    memcpy(*out, v.text, v.len);
    (*out)[v.len] = 0;
    return true;
}

static bool take_bytes(struct avj_value v, struct avj_blob *out)
{
    return v.kind == AVJ_BYTES && avj_blob_copy(out, v.text, v.len) == AVJ_OK;
}

static bool unpack_row(struct avj_value v, struct avj_known_row *row)
{
    if (v.kind != AVJ_LIST || v.len != 5)
        return false;
    row->version_ms = avj_value_item(v, 2).integer;
    row->deleted = avj_value_item(v, 3).boolean;
    row->seq = (uint64_t)avj_value_item(v, 4).integer;
    return take_text(avj_value_item(v, 0), &row->remote_id) && row->remote_id &&
           take_text(avj_value_item(v, 1), &row->version);
}

/* In the order in which they stood. */
static bool unpack_rows(struct avj_value v, struct avj_document *d)
{
    struct avj_known_row **end = &d->rows;
    for (size_t i = 0; v.kind == AVJ_LIST && i < v.len; i++) {
        *end = calloc(1, sizeof(**end));
        if (!*end || !unpack_row(avj_value_item(v, i), *end))
            return false;
        end = &(*end)->next;
    }
    return v.kind == AVJ_LIST;
}

static bool unpack_one(struct avj_value v, struct avj_pending *p)
{
    if (v.kind != AVJ_LIST || v.len != 5)
        return false;
    p->seq = (uint64_t)avj_value_item(v, 0).integer;
    p->hlc = (uint64_t)avj_value_item(v, 1).integer;
    p->op = (enum avj_op)avj_value_item(v, 2).integer;
    p->attempted = avj_value_item(v, 3).boolean;
    struct avj_value fields = avj_value_item(v, 4);
    p->trimmed = p->loaded = fields.kind != AVJ_NIL;
    return !p->trimmed || take_bytes(fields, &p->fields);
}

static bool unpack_pending(struct avj_value v, struct avj_document *d)
{
    if (v.kind != AVJ_LIST)
        return false;
    d->pending = calloc(v.len ? v.len : 1, sizeof(*d->pending));
    if (!d->pending)
        return false;
    d->pending_cap = v.len ? v.len : 1;
    for (size_t i = 0; i < v.len; i++) {
        d->pending_count++;
        if (!unpack_one(avj_value_item(v, i), &d->pending[i]))
            return false;
    }
    return true;
}

static bool unpack_rest(struct avj_value root, struct avj_document *d)
{
    struct avj_value shared = avj_value_item(root, 10);
    d->parked = avj_value_item(root, 5).boolean;
    d->reject_status = (int)avj_value_item(root, 6).integer;
    d->visible = avj_value_item(root, 9).boolean;
    d->derived = shared.kind == AVJ_BYTES;
    return take_text(avj_value_item(root, 7), &d->reject_type) &&
           take_text(avj_value_item(root, 8), &d->reject_message) &&
           (!d->derived || take_bytes(shared, &d->shared));
}

enum avj_status avj_open_unpack(const void *data, size_t len, struct avj_document **out)
{
    struct avj_tree *tree;
    *out = NULL;
    enum avj_status status = avj_tree_parse(data, len, &tree);
    if (status != AVJ_OK)
        return status;
    struct avj_value root = avj_tree_root(tree);
    struct avj_document *d = NULL;
    bool ok = root.kind == AVJ_LIST && root.len == 11;
    if (ok) {
        struct avj_value id = avj_value_item(root, 1);
        d = avj_document_new((enum avj_entity)avj_value_item(root, 0).integer, id.text, id.len);
        ok = d && unpack_rows(avj_value_item(root, 2), d) &&
             take_bytes(avj_value_item(root, 3), &d->kept) &&
             unpack_pending(avj_value_item(root, 4), d) && unpack_rest(root, d);
    }
    avj_tree_free(tree);
    if (!ok) {
        avj_document_free(d);
        return AVJ_ENOMEM; /* the bytes are as they were written */
    }
    *out = d;
    return AVJ_OK;
}
