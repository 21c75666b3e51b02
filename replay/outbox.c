/* The outbox: pending mutations, coalesced a document, in dependency order.  See sync.h. */
#include "replay/store_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what changed ---- */

struct difference {
    struct avj_pack pairs;
    size_t count;
    bool sendable; /* something in it that the deployment can hold */
};

static void differ(struct difference *diff, const struct avj_store *store,
                   const struct avj_document *d, struct avj_value name, struct avj_value value)
{
    avj_pack_value(&diff->pairs, name);
    avj_pack_value(&diff->pairs, value);
    diff->count++;
    if (!avj_view_unsendable(store->view, d->entity, name.text, name.len))
        diff->sendable = true;
}

static struct avj_value find(struct avj_value map, struct avj_value name)
{
    for (size_t i = 0; i < map.len; i++) {
        struct avj_value key, value;
        avj_value_pair(map, i, &key, &value);
        if (key.len == name.len && memcmp(key.text, name.text, name.len) == 0)
            return value;
    }
    return (struct avj_value){.kind = AVJ_NIL};
}

static void compare_maps(struct difference *diff, const struct avj_store *store,
                         const struct avj_document *d, struct avj_value base,
                         struct avj_value wanted)
{
    struct avj_value name, value;
    for (size_t i = 0; i < wanted.len; i++) {
        avj_value_pair(wanted, i, &name, &value);
        if (!avj_field_same(d->entity, name, find(base, name), value))
            differ(diff, store, d, name, value);
    }
    for (size_t i = 0; i < base.len; i++) {
        avj_value_pair(base, i, &name, &value);
        if (find(wanted, name).kind == AVJ_NIL)
            differ(diff, store, d, name, (struct avj_value){.kind = AVJ_NIL});
    }
}

/* The fields to be sent in an update, and whether there is anything to send. */
static enum avj_status changed_fields(const struct avj_store *store, const struct avj_document *d,
                                      const struct avj_known_row *base, struct avj_blob *out,
                                      bool *sendable)
{
    struct avj_tree *base_tree = NULL, *wanted_tree = NULL;
    struct difference diff = {.count = 0};
    enum avj_status status = avj_tree_parse(base->fields.data, base->fields.len, &base_tree);
    if (status == AVJ_OK)
        status = avj_tree_parse(d->shared.data, d->shared.len, &wanted_tree);
    if (status == AVJ_OK) {
        compare_maps(&diff, store, d, avj_tree_root(base_tree), avj_tree_root(wanted_tree));
        struct avj_pack map = {0};
        avj_pack_map(&map, diff.count);
        avj_pack_raw(&map, diff.pairs.data, diff.pairs.len);
        if (map.failed || diff.pairs.failed)
            status = AVJ_ENOMEM;
        else
            avj_blob_take(out, &map);
        avj_pack_release(&map);
    }
    *sendable = diff.sendable;
    avj_pack_release(&diff.pairs);
    avj_tree_free(base_tree);
    avj_tree_free(wanted_tree);
    return status;
}

/* ---- one document ---- */

/* A document that was made here, not sent and not touched since: its slot says it all. */
static enum avj_status describe_slot(struct avj_store *store, uint32_t number,
                                     struct avj_push_op *op, struct avj_error *err)
{
    const struct avj_slot *slot = avj_view_slot(store->view, number);
    struct avj_fields fields;
    enum avj_status status = avj_view_settled_fields(store->view, number, &fields, err);
    if (status != AVJ_OK)
        return status;
    op->kind = AVJ_PUSH_CREATE;
    op->upto_seq = avj_slot_body(slot);
    op->attempted = (slot->flags & AVJ_SLOT_ATTEMPTED) != 0;
    avj_view_derived_id(store->view, store->view->user, op->entity, op->id, op->remote_id);
    op->fields = fields;
    return AVJ_OK;
}

static bool was_attempted(const struct avj_document *d)
{
    for (size_t i = 0; i < d->pending_count; i++)
        if (d->pending[i].attempted)
            return true;
    return false;
}

static enum avj_status describe_open(struct avj_store *store, struct avj_document *d,
                                     struct avj_push_op *op, struct avj_blob *fields,
                                     struct avj_error *err)
{
    const struct avj_known_row *base = avj_document_base(d);
    enum avj_status status = avj_view_load(store->view, d, err);
    if (status == AVJ_OK && !d->derived && avj_document_derive(d) != AVJ_OK)
        status = avj_fail(err, AVJ_ENOMEM, "outbox: out of memory");
    if (status != AVJ_OK)
        return status;
    op->upto_seq = d->pending[d->pending_count - 1].seq;
    op->attempted = was_attempted(d);
    if (base)
        snprintf(op->remote_id, sizeof(op->remote_id), "%s", base->remote_id);
    else
        avj_view_derived_id(store->view, store->view->user, d->entity, d->id, op->remote_id);
    op->base_version = base ? base->version : NULL;
    if (!d->visible) {
        op->kind = base || op->attempted ? AVJ_PUSH_DELETE : AVJ_PUSH_ELIDE;
        return AVJ_OK;
    }
    if (!base) {
        op->kind = AVJ_PUSH_CREATE;
        op->fields = avj_document_fields(d);
        return AVJ_OK;
    }
    bool sendable;
    status = changed_fields(store, d, base, fields, &sendable);
    op->kind = sendable ? AVJ_PUSH_UPDATE : AVJ_PUSH_ELIDE;
    op->fields = avj_blob_fields(fields);
    return status == AVJ_OK ? AVJ_OK : avj_fail(err, status, "outbox: out of memory");
}

/* Moves what the operation points to into memory that stays. */
static bool keep(struct avj_store *store, struct avj_push_op *op)
{
    struct avj_arena *memory = &store->op_memory;
    op->id = avj_arena_copy(memory, op->id, strlen(op->id) + 1);
    op->fields.data = avj_arena_copy(memory, op->fields.data, op->fields.len);
    if (op->base_version)
        op->base_version = avj_arena_copy(memory, op->base_version, strlen(op->base_version) + 1);
    return op->id && op->fields.data;
}

static enum avj_status describe(struct avj_store *store, uint32_t number, struct avj_push_op *op,
                                struct avj_error *err)
{
    const struct avj_slot *slot = avj_view_slot(store->view, number);
    char buffer[AVJ_UUID_TEXT];
    struct avj_blob fields = {0};
    struct avj_document *d;
    memset(op, 0, sizeof(*op));
    op->entity = avj_slot_entity(slot);
    op->id = avj_slot_id(&store->view->slots, slot, buffer);
    enum avj_status status;
    if (!(slot->flags & AVJ_SLOT_OPEN)) {
        status = describe_slot(store, number, op, err);
    } else {
        status = avj_view_open(store->view, number, &d, err);
        if (status == AVJ_OK)
            status = describe_open(store, d, op, &fields, err);
    }
    if (status == AVJ_OK && !keep(store, op))
        status = avj_fail(err, AVJ_ENOMEM, "outbox: out of memory");
    avj_blob_release(&fields);
    return status;
}

/* ---- what waits for what ---- */

static bool is_upstream(const struct avj_view *view, const struct avj_slot *slot)
{
    if (!(slot->flags & AVJ_SLOT_OPEN))
        return (slot->flags & (AVJ_SLOT_ROW | AVJ_SLOT_GONE)) == AVJ_SLOT_ROW;
    const struct avj_open *open = avj_open_at(view, slot->extra);
    return open->doc && avj_document_base((struct avj_document *)(uintptr_t)open->doc);
}

static bool was_handed_out(const struct avj_store *store, uint32_t number)
{
    for (size_t i = store->handed_count; i > 0; i--)
        if (store->handed[i - 1] == number)
            return true;
    return false;
}

/* A message needs its thread upstream, or in front of it in the same hand-out. */
static enum avj_status is_blocked(struct avj_store *store, uint32_t number, bool *blocked,
                                  struct avj_error *err)
{
    struct avj_view *view = store->view;
    const struct avj_slot *slot = avj_view_slot(view, number);
    *blocked = false;
    if (avj_slot_entity(slot) == AVJ_THREAD || !slot->thread || !(slot->flags & AVJ_SLOT_VISIBLE))
        return AVJ_OK;
    uint32_t thread = avj_view_thread(view, slot->thread)->slot;
    const struct avj_slot *t = avj_view_slot(view, thread);
    if (!(t->flags & AVJ_SLOT_VISIBLE))
        return AVJ_OK;
    if ((t->flags & AVJ_SLOT_OPEN)) {
        struct avj_document *d; /* makes sure that it is in memory */
        enum avj_status status = avj_view_open(view, thread, &d, err);
        if (status != AVJ_OK)
            return status;
    }
    *blocked = !is_upstream(view, t) && !was_handed_out(store, thread);
    return AVJ_OK;
}

static enum avj_status note_handed_out(struct avj_store *store, uint32_t number,
                                       struct avj_error *err)
{
    const struct avj_slot *slot = avj_view_slot(store->view, number);
    if (avj_slot_entity(slot) != AVJ_THREAD || is_upstream(store->view, slot))
        return AVJ_OK;
    if (store->handed_count == store->handed_cap) {
        size_t cap = store->handed_cap ? store->handed_cap * 2 : 64;
        uint32_t *grown = realloc(store->handed, cap * sizeof(*grown));
        if (!grown)
            return avj_fail(err, AVJ_ENOMEM, "outbox: out of memory");
        store->handed = grown;
        store->handed_cap = cap;
    }
    store->handed[store->handed_count++] = number;
    return AVJ_OK;
}

static bool reserve_ops(struct avj_store *store)
{
    if (store->ops_count < store->ops_cap)
        return true;
    size_t cap = store->ops_cap ? store->ops_cap * 2 : 64;
    struct avj_push_op *ops = realloc(store->ops, cap * sizeof(*ops));
    if (!ops)
        return false;
    store->ops = ops;
    store->ops_cap = cap;
    return true;
}

static bool is_parked(const struct avj_view *view, uint32_t number)
{
    const struct avj_slot *slot = avj_view_slot(view, number);
    return (slot->flags & AVJ_SLOT_OPEN) && avj_open_at(view, slot->extra)->parked;
}

static enum avj_status hand_out(struct avj_store *store, uint32_t number,
                                bool (*skip)(void *arg, const struct avj_push_op *op), void *arg,
                                struct avj_error *err)
{
    bool blocked = is_parked(store->view, number);
    enum avj_status status = blocked ? AVJ_OK : is_blocked(store, number, &blocked, err);
    if (status != AVJ_OK || blocked)
        return status;
    if (!reserve_ops(store))
        return avj_fail(err, AVJ_ENOMEM, "outbox: out of memory");
    struct avj_push_op *op = &store->ops[store->ops_count];
    status = describe(store, number, op, err);
    if (status != AVJ_OK || (skip && skip(arg, op)))
        return status;
    store->ops_count++;
    return note_handed_out(store, number, err);
}

enum avj_status avj_outbox_next(struct avj_store *store, size_t max,
                                bool (*skip)(void *arg, const struct avj_push_op *op), void *arg,
                                const struct avj_push_op **ops, size_t *count,
                                struct avj_error *err)
{
    size_t at = 0;
    uint32_t number;
    enum avj_status status = AVJ_OK;
    store->ops_count = store->handed_count = 0;
    avj_arena_reset(&store->op_memory);
    avj_outbox_trim(store->view);
    while (status == AVJ_OK && store->ops_count < max &&
           (number = avj_outbox_each(store->view, &at)) != 0)
        status = hand_out(store, number, skip, arg, err);
    *ops = store->ops;
    *count = store->ops_count;
    return status;
}

uint64_t avj_outbox_count(const struct avj_store *store)
{
    return store->view->outbox_live - store->view->counts.parked;
}
