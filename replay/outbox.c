/* The outbox: pending mutations, coalesced a document, in dependency order.  See sync.h. */
#include "replay/store_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The $id of a document that was made here: a hash of the user, the kind and the local id, so that
 * every try and every device of the user names the same row, while another user's import of the
 * same file names another.
 */
static void derive_remote_id(const struct avj_store *store, const struct avj_document *d,
                             char out[AVJ_REMOTE_ID_TEXT])
{
    struct avj_pack bytes = {0};
    const char *user = store->view->user ? store->view->user : "";
    const char *kind = avj_schema(d->entity)->kind;
    avj_pack_raw(&bytes, user, strlen(user) + 1);
    avj_pack_raw(&bytes, kind, strlen(kind) + 1);
    avj_pack_raw(&bytes, d->id, strlen(d->id));
    uint8_t hash[16] = {0};
    if (!bytes.failed)
        avj_hash128(bytes.data, bytes.len, hash);
    avj_pack_release(&bytes);
    for (size_t i = 0; i < sizeof(hash); i++)
        snprintf(out + 2 * i, 3, "%02x", hash[i]);
}

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

static bool was_attempted(const struct avj_document *d)
{
    for (size_t i = 0; i < d->pending_count; i++)
        if (d->pending[i].attempted)
            return true;
    return false;
}

static enum avj_status describe(struct avj_store *store, const struct avj_document *d,
                                struct avj_push_op *op, struct avj_blob *fields)
{
    const struct avj_known_row *base = avj_document_base(d);
    memset(op, 0, sizeof(*op));
    op->entity = d->entity;
    op->id = d->id;
    op->upto_seq = d->pending[d->pending_count - 1].seq;
    op->attempted = was_attempted(d);
    if (base)
        snprintf(op->remote_id, sizeof(op->remote_id), "%s", base->remote_id);
    else
        derive_remote_id(store, d, op->remote_id);
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
    enum avj_status status = changed_fields(store, d, base, fields, &sendable);
    op->kind = sendable ? AVJ_PUSH_UPDATE : AVJ_PUSH_ELIDE;
    op->fields = avj_blob_fields(fields);
    return status;
}

/* A message needs its thread upstream, or in front of it in the same hand-out. */
static bool is_blocked(const struct avj_store *store, const struct avj_document *d)
{
    if (!d->thread || !d->visible)
        return false;
    const struct avj_document *thread =
        avj_view_find(store->view, AVJ_THREAD, d->thread->id, strlen(d->thread->id));
    if (!thread || !thread->visible || avj_document_base(thread))
        return false;
    return thread->outbox_round != store->outbox_round;
}

static bool reserve_ops(struct avj_store *store)
{
    if (store->ops_count < store->ops_cap)
        return true;
    size_t cap = store->ops_cap ? store->ops_cap * 2 : 64;
    struct avj_push_op *ops = realloc(store->ops, cap * sizeof(*ops));
    if (ops)
        store->ops = ops;
    struct avj_blob *fields = realloc(store->op_fields, cap * sizeof(*fields));
    if (fields)
        store->op_fields = fields;
    if (!ops || !fields)
        return false;
    store->ops_cap = cap;
    return true;
}

static enum avj_status hand_out(struct avj_store *store, struct avj_document *d,
                                bool (*skip)(void *arg, const struct avj_push_op *op), void *arg)
{
    if (!reserve_ops(store))
        return AVJ_ENOMEM;
    struct avj_push_op *op = &store->ops[store->ops_count];
    struct avj_blob *fields = &store->op_fields[store->ops_count];
    *fields = (struct avj_blob){0};
    enum avj_status status = describe(store, d, op, fields);
    if (status != AVJ_OK || (skip && skip(arg, op))) {
        avj_blob_release(fields);
        return status;
    }
    d->outbox_round = store->outbox_round;
    store->ops_count++;
    return AVJ_OK;
}

enum avj_status avj_outbox_next(struct avj_store *store, size_t max,
                                bool (*skip)(void *arg, const struct avj_push_op *op), void *arg,
                                const struct avj_push_op **ops, size_t *count,
                                struct avj_error *err)
{
    for (size_t i = 0; i < store->ops_count; i++)
        avj_blob_release(&store->op_fields[i]);
    store->ops_count = 0;
    store->outbox_round++;
    enum avj_status status = AVJ_OK;
    struct avj_document *d = store->view->outbox_first;
    for (; status == AVJ_OK && d && store->ops_count < max; d = d->outbox_next)
        if (!d->parked && !is_blocked(store, d))
            status = hand_out(store, d, skip, arg);
    *ops = store->ops;
    *count = store->ops_count;
    return status == AVJ_OK ? AVJ_OK : avj_fail(err, status, "outbox: out of memory");
}
