/* Mutations, checked against the schema and the view, and the operations of the data model built
 * from them. */
#include "replay/clock.h"
#include "replay/store_private.h"

#include <stdlib.h>
#include <string.h>

/* ---- checking ---- */

static bool list_of_texts(struct avj_value v)
{
    if (v.kind != AVJ_LIST)
        return false;
    for (size_t i = 0; i < v.len; i++)
        if (avj_value_item(v, i).kind != AVJ_TEXT)
            return false;
    return true;
}

static bool type_fits(const struct avj_field *field, struct avj_value v)
{
    int64_t ms;
    if (v.kind == AVJ_NIL)
        return true;
    switch (field->type) {
    case AVJ_F_TEXT:
        return v.kind == AVJ_TEXT;
    case AVJ_F_BOOL:
        return v.kind == AVJ_BOOL;
    case AVJ_F_INT:
        return v.kind == AVJ_INT;
    case AVJ_F_TIME:
        return v.kind == AVJ_TEXT && avj_time_parse(v.text, v.len, &ms);
    case AVJ_F_TEXTS:
        return list_of_texts(v);
    case AVJ_F_JSON:
        return true;
    }
    return false;
}

static const char *type_name(enum avj_field_type type)
{
    static const char *const names[] = {
        [AVJ_F_TEXT] = "text",
        [AVJ_F_BOOL] = "true or false",
        [AVJ_F_INT] = "a whole number",
        [AVJ_F_TIME] = "a time like 2026-11-22T18:09:32.548+00:00",
        [AVJ_F_TEXTS] = "a list of texts",
        [AVJ_F_JSON] = "any value",
    };
    return names[type];
}

static enum avj_status check_field(const struct avj_entity_schema *schema,
                                   const struct avj_field *field, const struct avj_mutation *m,
                                   struct avj_value root, struct avj_error *err)
{
    struct avj_value v;
    bool present = avj_value_get(root, field->name, &v) && v.kind != AVJ_NIL;
    bool required = (field->flags & AVJ_FF_REQUIRED) != 0;
    if (!present && required && m->op == AVJ_CREATE)
        return avj_fail(err, AVJ_EFORMAT, "%s %s: %s is missing", schema->kind, m->id, field->name);
    if (!type_fits(field, v))
        return avj_fail(err, AVJ_EFORMAT, "%s %s: %s must be %s", schema->kind, m->id, field->name,
                        type_name(field->type));
    if ((field->flags & AVJ_FF_ID) && present && !avj_value_text_is(v, m->id))
        return avj_fail(err, AVJ_EFORMAT, "%s %s: its id can not be changed", schema->kind, m->id);
    return AVJ_OK;
}

static enum avj_status check_fields(const struct avj_mutation *m, struct avj_error *err)
{
    const struct avj_entity_schema *schema = avj_schema(m->entity);
    struct avj_tree *tree = NULL;
    enum avj_status status = avj_tree_parse(m->fields.data, m->fields.len, &tree);
    if (status == AVJ_ENOMEM)
        return avj_fail(err, status, "out of memory");
    if (status != AVJ_OK || avj_tree_root(tree).kind != AVJ_MAP) {
        avj_tree_free(tree);
        return avj_fail(err, AVJ_EFORMAT, "%s %s: fields are no map", schema->kind, m->id);
    }
    for (size_t i = 0; status == AVJ_OK && i < schema->count; i++)
        status = check_field(schema, &schema->fields[i], m, avj_tree_root(tree), err);
    avj_tree_free(tree);
    return status;
}

static bool same_mutation(const void *item, const void *key)
{
    const struct avj_mutation *a = item, *b = key;
    return a->entity == b->entity && strcmp(a->id, b->id) == 0;
}

static uint64_t mutation_hash(const struct avj_mutation *m)
{
    return avj_hash64(m->id, strlen(m->id)) + (uint64_t)m->entity;
}

/* `seen` has the documents that earlier mutations of the same batch created. */
static enum avj_status check_mutation(struct avj_store *store, const struct avj_mutation *m,
                                      struct avj_table *seen, struct avj_error *err)
{
    if ((size_t)m->entity >= AVJ_ENTITIES || (size_t)m->op >= AVJ_OPS || !m->id || !*m->id)
        return avj_fail(err, AVJ_EINVAL, "mutation without entity, operation or id");
    const char *kind = avj_schema(m->entity)->kind;
    const struct avj_document *d = avj_view_find(store->view, m->entity, m->id, strlen(m->id));
    bool visible =
        (d && d->visible) || avj_table_find(seen, mutation_hash(m), same_mutation, m) != NULL;
    if (m->op == AVJ_CREATE && visible)
        return avj_fail(err, AVJ_EEXIST, "there is a %s %s already", kind, m->id);
    if (m->op != AVJ_CREATE && !visible)
        return avj_fail(err, AVJ_ENOTFOUND, "no %s %s", kind, m->id);
    if (m->op == AVJ_CREATE && !avj_table_add(seen, mutation_hash(m), (void *)(uintptr_t)m))
        return avj_fail(err, AVJ_ENOMEM, "out of memory");
    return m->op == AVJ_DELETE ? AVJ_OK : check_fields(m, err);
}

static enum avj_status check_all(struct avj_store *store, const struct avj_mutation *mutations,
                                 size_t count, struct avj_error *err)
{
    struct avj_table seen = {0};
    enum avj_status status = AVJ_OK;
    for (size_t i = 0; status == AVJ_OK && i < count; i++)
        status = check_mutation(store, &mutations[i], &seen, err);
    avj_table_release(&seen);
    return status;
}

/* ---- mutate ---- */

static enum avj_status pack_local(struct avj_store *store, const struct avj_mutation *m,
                                  struct avj_batch *batch)
{
    struct avj_pack *p = &batch->bytes;
    avj_entry_begin(p, AVJ_E_LOCAL, avj_store_stamp(store), store->session, m->entity, m->id,
                    m->op == AVJ_DELETE ? 2 : 3);
    avj_pack_cstr(p, "o");
    avj_pack_cstr(p, avj_op_name(m->op));
    avj_pack_cstr(p, "u");
    avj_pack_cstr(p, store->view->user);
    if (m->op != AVJ_DELETE) {
        avj_pack_cstr(p, "f");
        avj_pack_raw(p, m->fields.data, m->fields.len);
    }
    return avj_batch_end(batch);
}

enum avj_status avj_store_mutate(struct avj_store *store, const struct avj_mutation *mutations,
                                 size_t count, enum avj_durability durability, uint64_t *seq,
                                 struct avj_error *err)
{
    /* What others did meanwhile decides whether this is possible. */
    enum avj_status status = avj_store_refresh(store, NULL, err);
    if (status == AVJ_OK)
        status = check_all(store, mutations, count, err);
    if (status != AVJ_OK)
        return status;
    struct avj_batch batch = {.count = 0};
    for (size_t i = 0; status == AVJ_OK && i < count; i++)
        status = pack_local(store, &mutations[i], &batch);
    if (status == AVJ_OK)
        status = avj_batch_append(store, &batch, durability, seq, err);
    else
        status = avj_fail(err, status, "out of memory");
    avj_batch_release(&batch);
    return status;
}

/* ---- small maps ---- */

static void now_text(struct avj_store *store, char out[AVJ_TIME_TEXT])
{
    avj_time_format(avj_hlc_ms(avj_store_stamp(store)), out);
}

static void put_text(struct avj_pack *p, const char *name, const char *text)
{
    avj_pack_cstr(p, name);
    avj_pack_cstr(p, text);
}

static struct avj_mutation mutation(enum avj_op op, enum avj_entity entity, const char *id,
                                    const struct avj_pack *fields)
{
    struct avj_mutation m = {.op = op, .entity = entity, .id = id};
    if (fields)
        m.fields = (struct avj_fields){fields->data, fields->len};
    return m;
}

static enum avj_status mutate_and_release(struct avj_store *store, enum avj_op op,
                                          enum avj_entity entity, const char *id,
                                          struct avj_pack *fields, struct avj_error *err)
{
    struct avj_mutation m = mutation(op, entity, id, fields);
    enum avj_status status = fields->failed
                                 ? avj_fail(err, AVJ_ENOMEM, "out of memory")
                                 : avj_store_mutate(store, &m, 1, AVJ_DURABLE, NULL, err);
    avj_pack_release(fields);
    return status;
}

static enum avj_status new_id(struct avj_store *store, char out[AVJ_ID_TEXT], struct avj_error *err)
{
    enum avj_status status = avj_id_new(store, out);
    return status == AVJ_OK ? AVJ_OK : avj_fail(err, status, "no random numbers to be had");
}

/* ---- threads ---- */

enum avj_status avj_thread_new(struct avj_store *store, const char *title, char out[AVJ_ID_TEXT],
                               struct avj_error *err)
{
    char id[AVJ_ID_TEXT], now[AVJ_TIME_TEXT];
    enum avj_status status = new_id(store, id, err);
    if (status != AVJ_OK)
        return status;
    now_text(store, now);
    struct avj_pack f = {0};
    avj_pack_map(&f, 6);
    put_text(&f, "id", id);
    put_text(&f, "title", title ? title : "New Chat");
    put_text(&f, "createdAt", now);
    put_text(&f, "updatedAt", now);
    put_text(&f, "lastMessageAt", now);
    avj_pack_cstr(&f, "isPinned");
    avj_pack_bool(&f, false);
    status = mutate_and_release(store, AVJ_CREATE, AVJ_THREAD, id, &f, err);
    if (status == AVJ_OK && out)
        memcpy(out, id, sizeof(id));
    return status;
}

enum avj_status avj_thread_rename(struct avj_store *store, const char *thread, const char *title,
                                  struct avj_error *err)
{
    char now[AVJ_TIME_TEXT];
    now_text(store, now);
    struct avj_pack f = {0};
    avj_pack_map(&f, 2);
    put_text(&f, "title", title);
    put_text(&f, "updatedAt", now);
    return mutate_and_release(store, AVJ_UPDATE, AVJ_THREAD, thread, &f, err);
}

static enum avj_status delete_documents(struct avj_store *store,
                                        struct avj_document *const *messages, size_t message_count,
                                        struct avj_document *const *summaries, size_t summary_count,
                                        const char *thread, struct avj_error *err)
{
    size_t count = 0, most = message_count + summary_count + 1;
    struct avj_mutation *list = malloc(most * sizeof(*list));
    if (!list)
        return avj_fail(err, AVJ_ENOMEM, "delete: out of memory");
    for (size_t i = 0; i < message_count; i++)
        list[count++] = mutation(AVJ_DELETE, AVJ_MESSAGE, messages[i]->id, NULL);
    for (size_t i = 0; i < summary_count; i++)
        list[count++] = mutation(AVJ_DELETE, AVJ_SUMMARY, summaries[i]->id, NULL);
    if (thread)
        list[count++] = mutation(AVJ_DELETE, AVJ_THREAD, thread, NULL);
    enum avj_status status = avj_store_mutate(store, list, count, AVJ_DURABLE, NULL, err);
    free(list);
    return status;
}

static enum avj_status visible_thread(struct avj_store *store, const char *thread,
                                      const struct avj_thread_index **index, struct avj_error *err)
{
    static const struct avj_thread_index empty;
    enum avj_status status = avj_store_refresh(store, NULL, err);
    if (status != AVJ_OK)
        return status;
    const struct avj_document *d = avj_view_find(store->view, AVJ_THREAD, thread, strlen(thread));
    if (!d || !d->visible)
        return avj_fail(err, AVJ_ENOTFOUND, "no thread %s", thread);
    *index = avj_view_find_thread(store->view, thread, strlen(thread));
    if (!*index)
        *index = &empty;
    return AVJ_OK;
}

enum avj_status avj_thread_delete(struct avj_store *store, const char *thread,
                                  struct avj_error *err)
{
    const struct avj_thread_index *index;
    enum avj_status status = visible_thread(store, thread, &index, err);
    if (status != AVJ_OK)
        return status;
    return delete_documents(store, index->messages, index->count, index->summaries,
                            index->summary_count, thread, err);
}

enum avj_status avj_thread_trim(struct avj_store *store, const char *thread, const char *from,
                                size_t *deleted, struct avj_error *err)
{
    const struct avj_thread_index *index;
    enum avj_status status = visible_thread(store, thread, &index, err);
    if (status != AVJ_OK)
        return status;
    const struct avj_document *first = avj_view_find(store->view, AVJ_MESSAGE, from, strlen(from));
    if (!first || !first->visible || first->thread != index)
        return avj_fail(err, AVJ_ENOTFOUND, "no message %s in thread %s", from, thread);
    size_t begin = 0;
    while (index->messages[begin]->created_ms < first->created_ms)
        begin++;
    size_t count = index->count - begin;
    status = delete_documents(store, index->messages + begin, count, NULL, 0, NULL, err);
    if (status == AVJ_OK && deleted)
        *deleted = count;
    return status;
}

/* ---- branch ---- */

/* `fields` of a document with some of them replaced. */
static enum avj_status copy_with(const struct avj_document *d, struct avj_pack *patch,
                                 struct avj_pack *out)
{
    struct avj_fields changes = {patch->data, patch->len};
    enum avj_status status =
        patch->failed ? AVJ_ENOMEM
                      : avj_fields_merge(d->entity, avj_document_fields(d), changes, true, out);
    avj_pack_release(patch);
    return status;
}

static enum avj_status branch_thread(struct avj_store *store, const struct avj_document *thread,
                                     const char *id, struct avj_pack *out)
{
    char now[AVJ_TIME_TEXT];
    now_text(store, now);
    struct avj_pack patch = {0};
    avj_pack_map(&patch, 7);
    put_text(&patch, "id", id);
    put_text(&patch, "createdAt", now);
    put_text(&patch, "updatedAt", now);
    avj_pack_cstr(&patch, "isBranched");
    avj_pack_bool(&patch, true);
    put_text(&patch, "isShared", NULL);
    put_text(&patch, "shareId", NULL);
    put_text(&patch, "sharedAt", NULL);
    return copy_with(thread, &patch, out);
}

static enum avj_status branch_message(const struct avj_document *message, const char *thread,
                                      const char *id, struct avj_pack *out)
{
    struct avj_pack patch = {0};
    avj_pack_map(&patch, 2);
    put_text(&patch, "id", id);
    put_text(&patch, "threadId", thread);
    return copy_with(message, &patch, out);
}

struct copies {
    struct avj_mutation *mutations;
    struct avj_pack *fields;
    char (*ids)[AVJ_ID_TEXT];
    size_t count;
};

static void copies_release(struct copies *c)
{
    for (size_t i = 0; c->fields && i < c->count; i++)
        avj_pack_release(&c->fields[i]);
    free(c->mutations);
    free(c->fields);
    free(c->ids);
}

static enum avj_status make_copies(struct avj_store *store, const struct avj_document *thread,
                                   struct avj_document *const *messages, struct copies *c,
                                   struct avj_error *err)
{
    c->mutations = calloc(c->count, sizeof(*c->mutations));
    c->fields = calloc(c->count, sizeof(*c->fields));
    c->ids = calloc(c->count, sizeof(*c->ids));
    if (!c->mutations || !c->fields || !c->ids)
        return avj_fail(err, AVJ_ENOMEM, "branch: out of memory");
    enum avj_status status = AVJ_OK;
    for (size_t i = 0; status == AVJ_OK && i < c->count; i++) {
        status = new_id(store, c->ids[i], err);
        if (status != AVJ_OK)
            return status;
        status = i == 0 ? branch_thread(store, thread, c->ids[0], &c->fields[0])
                        : branch_message(messages[i - 1], c->ids[0], c->ids[i], &c->fields[i]);
        c->mutations[i] =
            mutation(AVJ_CREATE, i == 0 ? AVJ_THREAD : AVJ_MESSAGE, c->ids[i], &c->fields[i]);
    }
    return status == AVJ_OK ? AVJ_OK : avj_fail(err, status, "branch: out of memory");
}

enum avj_status avj_thread_branch(struct avj_store *store, const char *thread, const char *upto,
                                  char out[AVJ_ID_TEXT], struct avj_error *err)
{
    const struct avj_thread_index *index;
    enum avj_status status = visible_thread(store, thread, &index, err);
    if (status != AVJ_OK)
        return status;
    const struct avj_document *last = avj_view_find(store->view, AVJ_MESSAGE, upto, strlen(upto));
    if (!last || !last->visible || last->thread != index)
        return avj_fail(err, AVJ_ENOTFOUND, "no message %s in thread %s", upto, thread);
    size_t messages = 1;
    while (index->messages[messages - 1] != last)
        messages++;
    struct copies copies = {.count = messages + 1};
    status = make_copies(store, avj_view_find(store->view, AVJ_THREAD, thread, strlen(thread)),
                         index->messages, &copies, err);
    if (status == AVJ_OK)
        status = avj_store_mutate(store, copies.mutations, copies.count, AVJ_DURABLE, NULL, err);
    if (status == AVJ_OK && out)
        memcpy(out, copies.ids[0], AVJ_ID_TEXT);
    copies_release(&copies);
    return status;
}

/* ---- messages ---- */

enum avj_status avj_message_send(struct avj_store *store, const char *thread, const char *role,
                                 const char *text, size_t len, char out[AVJ_ID_TEXT],
                                 struct avj_error *err)
{
    const struct avj_thread_index *index;
    char id[AVJ_ID_TEXT], now[AVJ_TIME_TEXT];
    enum avj_status status = visible_thread(store, thread, &index, err);
    if (status == AVJ_OK)
        status = new_id(store, id, err);
    if (status != AVJ_OK)
        return status;
    /* Behind what the thread has, whatever the clock says: two messages of one millisecond keep
     * their order. */
    int64_t ms = avj_hlc_ms(avj_store_stamp(store));
    if (index->count && ms <= index->messages[index->count - 1]->created_ms)
        ms = index->messages[index->count - 1]->created_ms + 1;
    avj_time_format(ms, now);
    struct avj_pack message = {0}, raise = {0};
    avj_pack_map(&message, 5);
    put_text(&message, "id", id);
    put_text(&message, "threadId", thread);
    put_text(&message, "role", role);
    avj_pack_cstr(&message, "content");
    avj_pack_text(&message, text, len);
    put_text(&message, "createdAt", now);
    avj_pack_map(&raise, 2);
    put_text(&raise, "updatedAt", now);
    put_text(&raise, "lastMessageAt", now);
    struct avj_mutation both[] = {
        mutation(AVJ_CREATE, AVJ_MESSAGE, id, &message),
        mutation(AVJ_UPDATE, AVJ_THREAD, thread, &raise),
    };
    /* lastMessageAt only rises. */
    const struct avj_document *d = avj_view_find(store->view, AVJ_THREAD, thread, strlen(thread));
    size_t count = d->last_message_ms < ms ? 2 : 1;
    status = message.failed || raise.failed
                 ? avj_fail(err, AVJ_ENOMEM, "send: out of memory")
                 : avj_store_mutate(store, both, count, AVJ_DURABLE, NULL, err);
    avj_pack_release(&message);
    avj_pack_release(&raise);
    if (status == AVJ_OK && out)
        memcpy(out, id, sizeof(id));
    return status;
}

enum avj_status avj_message_edit(struct avj_store *store, const char *message, const char *text,
                                 size_t len, struct avj_error *err)
{
    struct avj_pack f = {0};
    avj_pack_map(&f, 1);
    avj_pack_cstr(&f, "content");
    avj_pack_text(&f, text, len);
    return mutate_and_release(store, AVJ_UPDATE, AVJ_MESSAGE, message, &f, err);
}

enum avj_status avj_message_delete(struct avj_store *store, const char *message,
                                   struct avj_error *err)
{
    struct avj_pack none = {0};
    return mutate_and_release(store, AVJ_DELETE, AVJ_MESSAGE, message, &none, err);
}
