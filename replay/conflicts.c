/* What lost a merge: listed, restored, dismissed.  See store.h. */
#include "replay/clock.h"
#include "replay/store_private.h"

#include <stdlib.h>
#include <string.h>

static enum avj_status no_memory(struct avj_error *err)
{
    return avj_fail(err, AVJ_ENOMEM, "conflicts: out of memory");
}

static enum avj_status fill_conflict(struct avj_store *store, uint64_t seq,
                                     struct avj_conflict *conflict, struct avj_error *err)
{
    struct avj_slice record;
    struct avj_entry e;
    enum avj_status status = avj_view_record(store->view, seq, &record, err);
    if (status == AVJ_OK)
        status = avj_entry_decode(record.data, record.len, &e, err);
    if (status != AVJ_OK)
        return status;
    struct avj_arena *memory = &store->conflict_memory;
    struct avj_slice why = avj_value_get_text(e.root, "m");
    struct avj_slice version = avj_value_get_text(e.root, "v");
    struct avj_value fields, won;
    struct avj_pack packed = {0};
    (void)avj_value_get(e.root, "w", &won);
    *conflict = (struct avj_conflict){.seq = seq,
                                      .entity = e.entity,
                                      .ms = avj_hlc_ms(e.hlc),
                                      .lost_here = avj_value_text_is(won, "elsewhere"),
                                      .edit_seq = (uint64_t)avj_value_get_int(e.root, "s", 0)};
    if (avj_value_get(e.root, "f", &fields) && fields.kind == AVJ_MAP)
        avj_pack_value(&packed, fields);
    char *id = avj_arena_alloc(memory, e.id.len + 1 + why.len + 1 + version.len + 1);
    uint8_t *bytes = avj_arena_copy(memory, packed.data, packed.len);
    if (id && bytes && !packed.failed) {
        char *at = id;
        memcpy(at, e.id.data, e.id.len);
        at[e.id.len] = 0;
        conflict->id = at;
        at += e.id.len + 1;
        memcpy(at, why.data ? why.data : "", why.len);
        at[why.len] = 0;
        conflict->why = at;
        at += why.len + 1;
        memcpy(at, version.data ? version.data : "", version.len);
        at[version.len] = 0;
        conflict->version = version.data ? at : NULL;
        conflict->fields = (struct avj_fields){bytes, packed.len};
    } else {
        status = no_memory(err);
    }
    avj_pack_release(&packed);
    avj_entry_release(&e);
    return status;
}

enum avj_status avj_store_conflicts(struct avj_store *store, const struct avj_conflict **conflicts,
                                    size_t *count, struct avj_error *err)
{
    size_t n = store->view->conflict_count;
    enum avj_status status = AVJ_OK;
    *count = 0;
    avj_arena_reset(&store->conflict_memory);
    struct avj_conflict *list =
        avj_arena_alloc(&store->conflict_memory, (n ? n : 1) * sizeof(*list));
    if (!list)
        return no_memory(err);
    for (size_t i = 0; status == AVJ_OK && i < n; i++)
        status = fill_conflict(store, store->view->conflicts[i], &list[i], err);
    *conflicts = list;
    *count = status == AVJ_OK ? n : 0;
    return status;
}

static enum avj_status find(struct avj_store *store, uint64_t seq, struct avj_conflict *conflict,
                            struct avj_error *err)
{
    enum avj_status status = avj_store_refresh(store, NULL, err);
    if (status != AVJ_OK)
        return status;
    avj_arena_reset(&store->conflict_memory);
    for (size_t i = 0; i < store->view->conflict_count; i++)
        if (store->view->conflicts[i] == seq)
            return fill_conflict(store, seq, conflict, err);
    return avj_fail(err, AVJ_ENOTFOUND, "no open conflict %llu", (unsigned long long)seq);
}

/* Entries of one document, folded apart from the rest. */
struct past {
    struct avj_view *view;
    enum avj_entity entity;
    struct avj_slice id;
};

static enum avj_status fold_past(struct past *past, const struct avj_record *record,
                                 struct avj_error *err)
{
    struct avj_glance g;
    if (!avj_glance(record->data, record->len, &g) || !g.has_document || g.entity != past->entity ||
        g.id.len != past->id.len || memcmp(g.id.data, past->id.data, g.id.len) != 0)
        return AVJ_OK;
    return avj_view_apply(past->view, record->seq, record->data, record->len, err);
}

/* The last fields that a document showed before record `before`: out of all that the log has of it.
 */
static enum avj_status last_shown(struct avj_store *store, struct past *past, uint64_t before,
                                  struct avj_pack *out, struct avj_error *err)
{
    struct avj_cursor *cursor;
    enum avj_status status = avj_cursor_open(store->journal, 0, &cursor, err);
    struct avj_record record = {.seq = 0};
    while (status == AVJ_OK) {
        struct avj_fields fields = {NULL, 0};
        status = avj_cursor_next(cursor, &record, err);
        if (status != AVJ_OK || record.seq >= before)
            break;
        status = fold_past(past, &record, err);
        uint32_t number = avj_view_find(past->view, past->entity, past->id.data, past->id.len);
        if (status == AVJ_OK && number)
            status = avj_view_fields(past->view, number, &fields, err);
        if (status == AVJ_OK && fields.len) {
            avj_pack_reset(out);
            avj_pack_raw(out, fields.data, fields.len);
        }
    }
    avj_cursor_close(cursor);
    return status == AVJ_END ? AVJ_OK : status;
}

/* What a document that was deleted is made of again: the fields it had when the edit was made, as
 * far as the log tells, with the lost ones on top. */
static enum avj_status remake(struct avj_store *store, const struct avj_conflict *conflict,
                              struct avj_pack *out, struct avj_error *err)
{
    struct avj_pack known = {0};
    struct past past = {.view = avj_view_new(NULL), .entity = conflict->entity};
    past.id = (struct avj_slice){conflict->id, strlen(conflict->id)};
    if (!past.view)
        return no_memory(err);
    enum avj_status status = last_shown(store, &past, conflict->seq, &known, err);
    avj_view_free(past.view);
    if (status == AVJ_OK) {
        struct avj_fields base = {known.data, known.len};
        status = avj_fields_merge(conflict->entity, base, conflict->fields, true, out);
        if (status != AVJ_OK)
            no_memory(err);
    }
    avj_pack_release(&known);
    return status;
}

enum avj_status avj_conflict_restore(struct avj_store *store, uint64_t seq, struct avj_error *err)
{
    struct avj_conflict conflict;
    struct avj_pack made = {0};
    enum avj_status status = find(store, seq, &conflict, err);
    if (status != AVJ_OK)
        return status;
    struct avj_mutation m = {.entity = conflict.entity, .id = conflict.id};
    m.op = avj_store_visible(store, m.entity, m.id) ? AVJ_UPDATE : AVJ_CREATE;
    m.fields = conflict.fields;
    if (m.op == AVJ_CREATE) {
        status = remake(store, &conflict, &made, err);
        m.fields = (struct avj_fields){made.data, made.len};
    }
    if (status == AVJ_OK)
        status = avj_store_mutate_for(store, &m, seq, err);
    avj_pack_release(&made);
    return status;
}

enum avj_status avj_conflict_dismiss(struct avj_store *store, uint64_t seq, struct avj_error *err)
{
    struct avj_conflict conflict;
    enum avj_status status = find(store, seq, &conflict, err);
    if (status != AVJ_OK)
        return status;
    struct avj_batch batch = {.count = 0};
    avj_entry_begin(&batch.bytes, AVJ_E_CONFLICT, avj_store_stamp(store), store->session,
                    conflict.entity, conflict.id, 2);
    avj_pack_cstr(&batch.bytes, "o");
    avj_pack_cstr(&batch.bytes, "dismiss");
    avj_pack_cstr(&batch.bytes, "s");
    avj_pack_int(&batch.bytes, (int64_t)seq);
    status = avj_batch_end(&batch);
    status =
        status == AVJ_OK ? avj_batch_append(store, &batch, AVJ_DURABLE, NULL, err) : no_memory(err);
    avj_batch_release(&batch);
    return status;
}
