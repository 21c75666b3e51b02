/* What the operations of the data model share: see operations.h. */
#include "replay/operations.h"
#include "replay/store_private.h"

#include <stdlib.h>
#include <string.h>

/* ---- one document ---- */

enum avj_status avj_subject_load(struct avj_store *store, enum avj_entity entity, const char *id,
                                 struct avj_subject *subject, struct avj_error *err)
{
    *subject = (struct avj_subject){.tree = NULL};
    enum avj_status status = avj_store_refresh(store, NULL, err);
    if (status != AVJ_OK)
        return status;
    const char *kind = avj_schema(entity)->kind;
    status = avj_store_get(store, entity, id, &subject->doc);
    if (status == AVJ_ENOTFOUND)
        return avj_fail(err, status, "no %s %s", kind, id);
    if (status == AVJ_OK)
        status = avj_tree_parse(subject->doc.fields.data, subject->doc.fields.len, &subject->tree);
    if (status != AVJ_OK)
        return avj_fail(err, status, "%s %s: %s", kind, id, avj_status_text(status));
    subject->fields = avj_tree_root(subject->tree);
    return AVJ_OK;
}

void avj_subject_release(struct avj_subject *subject)
{
    avj_tree_free(subject->tree);
    subject->tree = NULL;
}

void avj_subject_touch(struct avj_store *store, const struct avj_subject *subject,
                       char out[AVJ_TIME_TEXT])
{
    int64_t now = avj_hlc_ms(avj_store_stamp(store)), last;
    struct avj_slice text = avj_value_get_text(subject->fields, "updatedAt");
    if (text.data && avj_time_parse(text.data, text.len, &last) && last > now)
        now = last;
    avj_time_format(now, out);
}

enum avj_status avj_subject_update(struct avj_store *store, struct avj_subject *subject,
                                   size_t count, struct avj_pack *pairs, struct avj_error *err)
{
    char now[AVJ_TIME_TEXT];
    avj_subject_touch(store, subject, now);
    struct avj_pack fields = {0};
    avj_pack_map(&fields, count + 1);
    avj_pack_raw(&fields, pairs->data, pairs->len);
    avj_put_text(&fields, "updatedAt", now);
    fields.failed |= pairs->failed;
    struct avj_edits edits = {.count = 0};
    avj_edits_add(&edits, AVJ_UPDATE, subject->doc.entity, subject->doc.id, &fields);
    enum avj_status status = avj_edits_append(store, &edits, err);
    avj_edits_release(&edits);
    avj_pack_release(&fields);
    avj_pack_release(pairs);
    avj_subject_release(subject);
    return status;
}

void avj_text_copy(struct avj_value map, const char *key, char *out, size_t size)
{
    struct avj_slice text = avj_value_get_text(map, key);
    size_t len = text.data && text.len < size ? text.len : 0;
    if (len)
        memcpy(out, text.data, len);
    out[len] = 0;
}

enum avj_status avj_message_in(struct avj_store *store, const char *thread, const char *message,
                               int64_t *ms, struct avj_error *err)
{
    struct avj_doc doc;
    struct avj_subject subject;
    enum avj_status status = avj_store_refresh(store, NULL, err);
    if (status != AVJ_OK)
        return status;
    if (avj_store_get(store, AVJ_THREAD, thread, &doc) == AVJ_ENOTFOUND)
        return avj_fail(err, AVJ_ENOTFOUND, "no thread %s", thread);
    status = avj_subject_load(store, AVJ_MESSAGE, message, &subject, err);
    struct avj_value in = {.kind = AVJ_NIL};
    if (status == AVJ_OK)
        (void)avj_value_get(subject.fields, "threadId", &in);
    if (status == AVJ_ENOTFOUND || (status == AVJ_OK && !avj_value_text_is(in, thread)))
        status = avj_fail(err, AVJ_ENOTFOUND, "no message %s in thread %s", message, thread);
    *ms = subject.doc.created_ms;
    avj_subject_release(&subject);
    return status;
}

/* ---- edits ---- */

struct avj_edits_item {
    enum avj_op op;
    enum avj_entity entity;
    size_t id, fields, len; /* offsets into the edits's bytes, and the length of the fields */
};

static bool reserve(struct avj_edits *edits)
{
    if (edits->count < edits->cap)
        return true;
    size_t cap = edits->cap ? edits->cap * 2 : 4;
    struct avj_edits_item *grown = realloc(edits->items, cap * sizeof(*grown));
    if (!grown)
        return false;
    edits->items = grown;
    edits->cap = cap;
    return true;
}

void avj_edits_add(struct avj_edits *edits, enum avj_op op, enum avj_entity entity, const char *id,
                   const struct avj_pack *fields)
{
    if ((fields && fields->failed) || !reserve(edits)) {
        edits->failed = true;
        return;
    }
    struct avj_edits_item *item = &edits->items[edits->count++];
    *item = (struct avj_edits_item){op, entity, edits->bytes.len, 0, 0};
    avj_pack_raw(&edits->bytes, id, strlen(id) + 1);
    item->fields = edits->bytes.len;
    if (fields) {
        item->len = fields->len;
        avj_pack_raw(&edits->bytes, fields->data, fields->len);
    }
}

void avj_edits_reverse(struct avj_edits *edits)
{
    for (size_t i = 0, k = edits->count; i + 1 < k; i++) {
        struct avj_edits_item swap = edits->items[i];
        edits->items[i] = edits->items[--k];
        edits->items[k] = swap;
    }
}

void avj_edits_release(struct avj_edits *edits)
{
    avj_pack_release(&edits->bytes);
    free(edits->items);
    *edits = (struct avj_edits){.count = 0};
}

enum avj_status avj_edits_append_with(struct avj_store *store, const struct avj_edits *edits,
                                      const struct avj_mutating *how, struct avj_error *err)
{
    struct avj_mutation *list = NULL;
    if (!edits->failed && !edits->bytes.failed)
        list = calloc(edits->count ? edits->count : 1, sizeof(*list));
    if (!list)
        return avj_fail(err, AVJ_ENOMEM, "out of memory");
    for (size_t i = 0; i < edits->count; i++) {
        const struct avj_edits_item *item = &edits->items[i];
        list[i] = (struct avj_mutation){.op = item->op, .entity = item->entity};
        list[i].id = (const char *)edits->bytes.data + item->id;
        if (item->len)
            list[i].fields = (struct avj_fields){edits->bytes.data + item->fields, item->len};
    }
    enum avj_status status = avj_store_mutate_with(store, list, edits->count, how, err);
    free(list);
    return status;
}

enum avj_status avj_edits_append(struct avj_store *store, const struct avj_edits *edits,
                                 struct avj_error *err)
{
    const struct avj_mutating how = {.durability = AVJ_DURABLE};
    return avj_edits_append_with(store, edits, &how, err);
}

/* ---- parts ---- */

enum avj_status avj_new_id(struct avj_store *store, char out[AVJ_ID_TEXT], struct avj_error *err)
{
    enum avj_status status = avj_id_new(store, out);
    return status == AVJ_OK ? AVJ_OK : avj_fail(err, status, "no random numbers to be had");
}

void avj_now_text(struct avj_store *store, char out[AVJ_TIME_TEXT])
{
    avj_time_format(avj_hlc_ms(avj_store_stamp(store)), out);
}

void avj_put_text(struct avj_pack *pack, const char *name, const char *text)
{
    avj_pack_cstr(pack, name);
    avj_pack_cstr(pack, text);
}

void avj_put_bool(struct avj_pack *pack, const char *name, bool value)
{
    avj_pack_cstr(pack, name);
    avj_pack_bool(pack, value);
}
