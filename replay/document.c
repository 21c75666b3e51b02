/* Documents of the view: see document.h. */
#include "replay/document.h"
#include "replay/clock.h"

#include <stdlib.h>
#include <string.h>

void avj_blob_release(struct avj_blob *blob)
{
    free(blob->data);
    *blob = (struct avj_blob){0};
}

void avj_blob_take(struct avj_blob *blob, struct avj_pack *pack)
{
    free(blob->data);
    /* The pack grew by doubling; what is kept for long is kept tight. */
    bool loose = pack->cap - pack->len > pack->len / 4 + 32;
    uint8_t *tight = loose && pack->len ? realloc(pack->data, pack->len) : NULL;
    blob->data = tight ? tight : pack->data;
    blob->len = pack->len;
    *pack = (struct avj_pack){0};
}

enum avj_status avj_blob_copy(struct avj_blob *blob, const void *data, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    if (!copy)
        return AVJ_ENOMEM;
    if (len)
        memcpy(copy, data, len);
    free(blob->data);
    *blob = (struct avj_blob){copy, len};
    return AVJ_OK;
}

struct avj_document *avj_document_new(enum avj_entity entity, const char *id, size_t len)
{
    struct avj_document *d = calloc(1, sizeof(*d));
    if (!d)
        return NULL;
    d->entity = entity;
    d->id = malloc(len + 1);
    if (!d->id) {
        free(d);
        return NULL;
    }
    memcpy(d->id, id, len);
    d->id[len] = 0;
    return d;
}

static void free_rows(struct avj_known_row *row)
{
    while (row) {
        struct avj_known_row *next = row->next;
        avj_blob_release(&row->fields);
        free(row->remote_id);
        free(row->version);
        free(row);
        row = next;
    }
}

void avj_document_free(struct avj_document *d)
{
    if (!d)
        return;
    free_rows(d->rows);
    for (size_t i = 0; i < d->pending_count; i++)
        avj_blob_release(&d->pending[i].fields);
    free(d->pending);
    avj_blob_release(&d->kept);
    avj_blob_release(&d->shared);
    avj_blob_release(&d->overlay);
    free(d->reject_type);
    free(d->reject_message);
    free(d->id);
    free(d);
}

struct avj_known_row *avj_document_base(const struct avj_document *d)
{
    struct avj_known_row *best = NULL;
    for (struct avj_known_row *row = d->rows; row; row = row->next) {
        if (row->deleted)
            continue;
        if (!best || row->version_ms > best->version_ms ||
            (row->version_ms == best->version_ms && strcmp(row->remote_id, best->remote_id) > 0))
            best = row;
    }
    return best;
}

struct avj_known_row *avj_document_row(const struct avj_document *d, const char *remote_id)
{
    for (struct avj_known_row *row = d->rows; row; row = row->next)
        if (strcmp(row->remote_id, remote_id) == 0)
            return row;
    return NULL;
}

struct avj_known_row *avj_document_add_row(struct avj_document *d, const char *remote_id)
{
    struct avj_known_row *row = calloc(1, sizeof(*row));
    if (row)
        row->remote_id = strdup(remote_id);
    if (!row || !row->remote_id) {
        free(row);
        return NULL;
    }
    row->deleted = true;
    row->next = d->rows;
    d->rows = row;
    return row;
}

static enum avj_status add_pending(struct avj_document *d, const struct avj_pending *pending)
{
    if (d->pending_count == d->pending_cap) {
        size_t cap = d->pending_cap ? d->pending_cap * 2 : 1;
        struct avj_pending *grown = realloc(d->pending, cap * sizeof(*grown));
        if (!grown)
            return AVJ_ENOMEM;
        d->pending = grown;
        d->pending_cap = cap;
    }
    d->pending[d->pending_count++] = *pending;
    return AVJ_OK;
}

void avj_document_drop_first(struct avj_document *d, size_t count)
{
    if (!count)
        return;
    for (size_t i = 0; i < count; i++)
        avj_blob_release(&d->pending[i].fields);
    d->derived = false;
    d->pending_count -= count;
    memmove(d->pending, d->pending + count, d->pending_count * sizeof(*d->pending));
}

/* state = state + one mutation */
static enum avj_status apply_pending(enum avj_entity entity, enum avj_op op,
                                     struct avj_fields fields, bool *absent, struct avj_blob *state)
{
    if (op == AVJ_DELETE) {
        avj_blob_release(state);
        *absent = true;
        return AVJ_OK;
    }
    if (*absent && op == AVJ_UPDATE)
        return AVJ_OK; /* an edit of what is gone: delete wins */
    struct avj_pack merged = {0};
    enum avj_status status =
        avj_fields_merge(entity, avj_blob_fields(state), fields, true, &merged);
    if (status == AVJ_OK) {
        *absent = false;
        avj_blob_take(state, &merged);
    }
    avj_pack_release(&merged);
    return status;
}

enum avj_status avj_document_state(const struct avj_document *d, size_t count, bool *absent,
                                   struct avj_blob *out)
{
    struct avj_known_row *base = avj_document_base(d);
    *absent = base == NULL;
    *out = (struct avj_blob){0};
    if (base) {
        struct avj_pack copy = {0};
        avj_pack_raw(&copy, base->fields.data, base->fields.len);
        if (copy.failed)
            return AVJ_ENOMEM;
        avj_blob_take(out, &copy);
    }
    enum avj_status status = AVJ_OK;
    for (size_t i = 0; status == AVJ_OK && i < count; i++)
        status = apply_pending(d->entity, d->pending[i].op, avj_blob_fields(&d->pending[i].fields),
                               absent, out);
    if (status != AVJ_OK)
        avj_blob_release(out);
    return status;
}

bool avj_fields_get(struct avj_fields fields, const char *name, struct avj_tree **tree,
                    struct avj_value *out)
{
    *out = (struct avj_value){.kind = AVJ_NIL};
    *tree = NULL;
    if (!fields.len || avj_tree_parse(fields.data, fields.len, tree) != AVJ_OK)
        return false;
    return avj_value_get(avj_tree_root(*tree), name, out);
}

static bool value_time(struct avj_value v, int64_t *ms)
{
    return v.kind == AVJ_TEXT && avj_time_parse(v.text, v.len, ms);
}

bool avj_field_same(enum avj_entity entity, struct avj_value name, struct avj_value a,
                    struct avj_value b)
{
    if (avj_value_equal(a, b))
        return true;
    const struct avj_field *field = avj_field_find(entity, name.text, name.len);
    int64_t x, y;
    return field && field->type == AVJ_F_TIME && value_time(a, &x) && value_time(b, &y) && x == y;
}

/* Fields that this program would write in another way: through a tree. */
static enum avj_status facts_of_tree(enum avj_entity entity, struct avj_fields fields,
                                     struct avj_facts *facts)
{
    struct avj_tree *tree;
    *facts = (struct avj_facts){.created_ms = 0};
    if (!fields.len)
        return AVJ_OK;
    enum avj_status status = avj_tree_parse(fields.data, fields.len, &tree);
    if (status != AVJ_OK)
        return status == AVJ_ENOMEM ? status : AVJ_OK;
    struct avj_value root = avj_tree_root(tree), v;
    if (avj_value_get(root, "createdAt", &v))
        (void)value_time(v, &facts->created_ms);
    if (entity == AVJ_THREAD) {
        if (avj_value_get(root, "lastMessageAt", &v))
            (void)value_time(v, &facts->last_message_ms);
        facts->pinned = avj_value_get_bool(root, "isPinned", false);
    } else if (entity != AVJ_PROJECT && avj_value_get(root, "threadId", &v) && v.kind == AVJ_TEXT) {
        facts->thread = (struct avj_slice){v.text, v.len};
    }
    avj_tree_free(tree);
    return AVJ_OK;
}

enum avj_status avj_fields_facts(enum avj_entity entity, struct avj_fields fields,
                                 struct avj_facts *facts)
{
    return avj_fields_plain(entity, fields, true, facts) ? AVJ_OK
                                                         : facts_of_tree(entity, fields, facts);
}

/* kept + base + pending, where there is something kept. */
static enum avj_status derive_overlay(struct avj_document *d)
{
    avj_blob_release(&d->overlay);
    if (!d->kept.len)
        return AVJ_OK;
    const struct avj_known_row *base = avj_document_base(d);
    bool absent = base == NULL;
    struct avj_fields fields = base ? avj_blob_fields(&base->fields) : (struct avj_fields){0};
    struct avj_pack merged = {0};
    enum avj_status status =
        avj_fields_merge(d->entity, avj_blob_fields(&d->kept), fields, true, &merged);
    if (status == AVJ_OK)
        avj_blob_take(&d->overlay, &merged);
    avj_pack_release(&merged);
    for (size_t i = 0; status == AVJ_OK && i < d->pending_count; i++)
        status = apply_pending(d->entity, d->pending[i].op, avj_blob_fields(&d->pending[i].fields),
                               &absent, &d->overlay);
    return status;
}

enum avj_status avj_document_derive(struct avj_document *d)
{
    bool absent;
    struct avj_blob state;
    enum avj_status status = avj_document_state(d, d->pending_count, &absent, &state);
    if (status != AVJ_OK)
        return status;
    avj_blob_release(&d->shared);
    d->shared = state;
    d->visible = !absent;
    d->derived = true;
    return derive_overlay(d);
}

enum avj_status avj_document_push_pending(struct avj_document *d, const struct avj_pending *pending,
                                          struct avj_fields fields)
{
    bool absent = !d->visible, over_absent = absent;
    enum avj_status status = apply_pending(d->entity, pending->op, fields, &absent, &d->shared);
    if (status == AVJ_OK && d->kept.len)
        status = apply_pending(d->entity, pending->op, fields, &over_absent, &d->overlay);
    if (status == AVJ_OK)
        status = add_pending(d, pending);
    if (status != AVJ_OK) {
        d->derived = false;
        return status;
    }
    d->visible = !absent;
    return AVJ_OK;
}

struct avj_fields avj_document_fields(const struct avj_document *d)
{
    return avj_blob_fields(d->overlay.len ? &d->overlay : &d->shared);
}
