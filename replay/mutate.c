/* Mutations: checked against the schema and what is visible, then appended as one frame. */
#include "replay/clock.h"
#include "replay/raw.h"
#include "replay/store_private.h"
#include "replay/table.h"

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

/* ---- the same in one pass, for fields as this program packs them ---- */

static bool quick_texts(struct avj_raw *raw)
{
    size_t items;
    struct avj_slice text;
    if (!avj_raw_list(raw, &items))
        return false;
    for (size_t i = 0; i < items; i++)
        if (!avj_raw_text(raw, &text))
            return false;
    return true;
}

static bool quick_value(struct avj_raw *raw, const struct avj_field *field, const char *id)
{
    struct avj_slice text;
    int64_t number;
    bool flag;
    switch (field->type) {
    case AVJ_F_TEXT:
        return avj_raw_text(raw, &text) &&
               (!(field->flags & AVJ_FF_ID) ||
                (text.len == strlen(id) && memcmp(text.data, id, text.len) == 0));
    case AVJ_F_BOOL:
        return avj_raw_bool(raw, &flag);
    case AVJ_F_INT:
        return avj_raw_int(raw, &number);
    case AVJ_F_TIME:
        return avj_raw_text(raw, &text) && avj_time_parse(text.data, text.len, &number);
    case AVJ_F_TEXTS:
        return quick_texts(raw);
    case AVJ_F_JSON:
        return avj_raw_skip(raw, 0);
    }
    return false;
}

static bool has_required(const struct avj_entity_schema *schema, uint32_t seen)
{
    for (size_t i = 0; i < schema->count; i++)
        if ((schema->fields[i].flags & AVJ_FF_REQUIRED) && !(seen & 1u << i))
            return false;
    return true;
}

/* True: nothing is wrong with them.  False: they must be looked at more closely. */
static bool fields_fit(const struct avj_mutation *m)
{
    const struct avj_entity_schema *schema = avj_schema(m->entity);
    struct avj_raw raw = {m->fields.data, m->fields.data + m->fields.len};
    size_t pairs;
    uint32_t seen = 0; /* fields with a value, by rank; a schema has fewer than 32 */
    if (!m->fields.len || !avj_raw_map(&raw, &pairs))
        return false;
    for (size_t i = 0; i < pairs; i++) {
        struct avj_slice key;
        if (!avj_raw_text(&raw, &key))
            return false;
        size_t rank = avj_field_rank(m->entity, key.data, key.len);
        if (rank == schema->count || (raw.at < raw.end && *raw.at == 0xc0)) {
            if (!avj_raw_skip(&raw, 0))
                return false;
            continue;
        }
        if ((seen & 1u << rank) || !quick_value(&raw, &schema->fields[rank], m->id))
            return false;
        seen |= 1u << rank;
    }
    return raw.at == raw.end && (m->op != AVJ_CREATE || has_required(schema, seen));
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

/* The stream whose text the mutation would write over; NULL: none. */
static const struct avj_growing *overwritten(const struct avj_store *store,
                                             const struct avj_mutation *m)
{
    if (!store->view->growing.count || m->entity != AVJ_MESSAGE || m->op != AVJ_UPDATE ||
        !avj_packed_text(m->fields.data, m->fields.len, "content").data)
        return NULL;
    return avj_growing_find(store->view,
                            avj_view_find(store->view, AVJ_MESSAGE, m->id, strlen(m->id)));
}

/* Would it write the content of a message that grows?  One that does no more may be edited: that
 * ends its stream. */
static enum avj_status check_growing(struct avj_store *store, const struct avj_mutation *m,
                                     struct avj_error *err)
{
    const struct avj_growing *g = overwritten(store, m);
    if (!g || avj_growing_stopped(store, g))
        return AVJ_OK;
    return avj_fail(err, AVJ_EREFUSED, "message %s is being streamed: wait for its end, or stop it",
                    m->id);
}

/* `seen` has the documents that earlier mutations of the same batch created. */
static enum avj_status check_mutation(struct avj_store *store, const struct avj_mutation *m,
                                      struct avj_table *seen, struct avj_error *err)
{
    if ((size_t)m->entity >= AVJ_ENTITIES || (size_t)m->op >= AVJ_OPS || !m->id || !*m->id)
        return avj_fail(err, AVJ_EINVAL, "mutation without entity, operation or id");
    const char *kind = avj_schema(m->entity)->kind;
    if (strlen(m->id) > AVJ_ID_MAX)
        return avj_fail(err, AVJ_EINVAL, "%s: an id may have %zu bytes, this one has more", kind,
                        AVJ_ID_MAX);
    bool visible = avj_store_visible(store, m->entity, m->id) ||
                   avj_table_find(seen, mutation_hash(m), same_mutation, m) != NULL;
    if (m->op == AVJ_CREATE && visible)
        return avj_fail(err, AVJ_EEXIST, "there is a %s %s already", kind, m->id);
    if (m->op != AVJ_CREATE && !visible)
        return avj_fail(err, AVJ_ENOTFOUND, "no %s %s", kind, m->id);
    if (m->op == AVJ_CREATE && !avj_table_add(seen, mutation_hash(m), (void *)(uintptr_t)m))
        return avj_fail(err, AVJ_ENOMEM, "out of memory");
    return m->op == AVJ_DELETE || fields_fit(m) ? AVJ_OK : check_fields(m, err);
}

static enum avj_status check_all(struct avj_store *store, const struct avj_mutation *mutations,
                                 size_t count, bool growing, struct avj_error *err)
{
    struct avj_table seen = {0};
    enum avj_status status = AVJ_OK;
    for (size_t i = 0; status == AVJ_OK && i < count; i++) {
        status = check_mutation(store, &mutations[i], &seen, err);
        if (status == AVJ_OK && !growing)
            status = check_growing(store, &mutations[i], err);
    }
    avj_table_release(&seen);
    return status;
}

/* ---- mutate ---- */

/* conflict: sequence number of the one that this settles, 0: none. */
static enum avj_status pack_local(struct avj_store *store, const struct avj_mutation *m,
                                  uint64_t conflict, struct avj_batch *batch)
{
    struct avj_pack *p = &batch->bytes;
    avj_entry_begin(p, AVJ_E_LOCAL, avj_store_stamp(store), avj_store_session(store), m->entity,
                    m->id, (m->op == AVJ_DELETE ? 2u : 3u) + (conflict ? 1 : 0));
    avj_pack_cstr(p, "o");
    avj_pack_cstr(p, avj_op_name(m->op));
    avj_pack_cstr(p, "u");
    avj_pack_cstr(p, avj_store_user(store));
    if (m->op != AVJ_DELETE) {
        avj_pack_cstr(p, "f");
        avj_pack_raw(p, m->fields.data, m->fields.len);
    }
    if (conflict) {
        avj_pack_cstr(p, "c");
        avj_pack_int(p, (int64_t)conflict);
    }
    return avj_batch_end(batch);
}

static enum avj_status pack_all(struct avj_store *store, const struct avj_mutation *mutations,
                                size_t count, uint64_t conflict, const struct avj_mutating *how,
                                struct avj_batch *batch)
{
    const struct avj_slice none = {NULL, 0};
    enum avj_status status = AVJ_OK;
    for (size_t i = 0; status == AVJ_OK && i < count; i++) {
        const struct avj_growing *g = how->growing ? NULL : overwritten(store, &mutations[i]);
        status = pack_local(store, &mutations[i], conflict, batch);
        if (status == AVJ_OK && g)
            status = avj_stream_pack(store, AVJ_STREAM_END, mutations[i].id, g->turn, none, batch);
    }
    if (status == AVJ_OK && how->more)
        status = how->more(how->arg, batch);
    return status;
}

static enum avj_status mutate(struct avj_store *store, const struct avj_mutation *mutations,
                              size_t count, uint64_t conflict, const struct avj_mutating *how,
                              uint64_t *seq, struct avj_error *err)
{
    /* What others did meanwhile decides whether this is possible. */
    enum avj_status status = avj_store_refresh(store, NULL, err);
    if (status == AVJ_OK)
        status = check_all(store, mutations, count, how->growing, err);
    if (status != AVJ_OK)
        return status;
    struct avj_batch batch = {.count = 0};
    status = pack_all(store, mutations, count, conflict, how, &batch);
    if (status == AVJ_OK)
        status = avj_batch_append(store, &batch, how->durability, seq, err);
    else
        status = avj_fail(err, status, "out of memory");
    avj_batch_release(&batch);
    return status;
}

enum avj_status avj_store_mutate(struct avj_store *store, const struct avj_mutation *mutations,
                                 size_t count, enum avj_durability durability, uint64_t *seq,
                                 struct avj_error *err)
{
    const struct avj_mutating how = {.durability = durability};
    return mutate(store, mutations, count, 0, &how, seq, err);
}

enum avj_status avj_store_mutate_with(struct avj_store *store, const struct avj_mutation *mutations,
                                      size_t count, const struct avj_mutating *how,
                                      struct avj_error *err)
{
    return mutate(store, mutations, count, 0, how, NULL, err);
}

enum avj_status avj_store_mutate_for(struct avj_store *store, const struct avj_mutation *mutation,
                                     uint64_t conflict, struct avj_error *err)
{
    const struct avj_mutating how = {.durability = AVJ_DURABLE};
    return mutate(store, mutation, 1, conflict, &how, NULL, err);
}
