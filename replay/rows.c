/* Rows of the server: their $ids, and the documents they belong to.  See view_private.h. */
#include "replay/clock.h"
#include "replay/view_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- derived $ids ---- */

/* Room for what is hashed: an id, a kind, a user. */
#define FEW (AVJ_ID_MAX + 1024)

/* In memory of its own, so that it can not fail; a user of absurd length is hashed in
 * view->scratch.
 */
void avj_view_derived_id(struct avj_view *view, const char *user, enum avj_entity entity,
                         const char *id, char out[AVJ_DERIVED_ID_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t few[FEW], hash[16] = {0};
    struct avj_pack fixed = {.data = few, .cap = sizeof(few)};
    const char *owner = user ? user : "";
    const char *kind = avj_schema(entity)->kind;
    size_t owner_len = strlen(owner) + 1, kind_len = strlen(kind) + 1, id_len = strlen(id);
    struct avj_pack *bytes = owner_len + kind_len + id_len <= sizeof(few) ? &fixed : &view->scratch;
    avj_pack_reset(bytes);
    avj_pack_raw(bytes, owner, owner_len);
    avj_pack_raw(bytes, kind, kind_len);
    avj_pack_raw(bytes, id, id_len);
    if (!bytes->failed)
        avj_hash128(bytes->data, bytes->len, hash);
    for (size_t i = 0; i < sizeof(hash); i++) {
        out[2 * i] = digits[hash[i] >> 4];
        out[2 * i + 1] = digits[hash[i] & 15];
    }
    out[AVJ_DERIVED_ID_TEXT - 1] = 0;
}

static void derived_of_slot(struct avj_view *view, uint32_t number, char out[AVJ_DERIVED_ID_TEXT])
{
    char buffer[AVJ_UUID_TEXT];
    const struct avj_slot *slot = avj_view_slot(view, number);
    avj_view_derived_id(view, view->rows_user, avj_slot_entity(slot),
                        avj_slot_id(&view->slots, slot, buffer), out);
}

bool avj_view_is_derived(struct avj_view *view, uint32_t number, const char *remote_id, size_t len)
{
    char derived[AVJ_DERIVED_ID_TEXT];
    if (len != AVJ_DERIVED_ID_TEXT - 1)
        return false;
    if (!view->rows_user && view->user)
        view->rows_user = strdup(view->user); /* without it no slot says "derived" wrongly */
    if (!view->rows_user)
        return false;
    derived_of_slot(view, number, derived);
    return memcmp(derived, remote_id, len) == 0;
}

void avj_view_row_texts(struct avj_view *view, uint32_t number, struct avj_row_texts *texts)
{
    const struct avj_slot *slot = avj_view_slot(view, number);
    const char *other =
        slot->flags & AVJ_SLOT_SIDE ? avj_side_at(view, slot->extra)->remote_id : "";
    if (*other)
        memcpy(texts->remote_id, other, AVJ_ROW_ID_MAX + 1);
    else
        derived_of_slot(view, number, texts->remote_id);
    texts->version[0] = 0;
    if (slot->version_ms)
        avj_time_format(slot->version_ms, texts->version);
}

/* ---- documents by $id ---- */

struct avj_row_places {
    struct row_place {
        uint32_t tag, slot; /* slot 0: free */
    } * places;
    size_t cap, count;
};

void avj_rows_free(struct avj_row_places *rows)
{
    if (rows)
        free(rows->places);
    free(rows);
}

static void put(struct avj_row_places *rows, uint64_t hash, uint32_t number)
{
    size_t i = (size_t)hash & (rows->cap - 1);
    while (rows->places[i].slot)
        i = (i + 1) & (rows->cap - 1);
    rows->places[i] = (struct row_place){(uint32_t)(hash >> 32), number};
    rows->count++;
}

static enum avj_status note_rows(struct avj_view *view, uint32_t number)
{
    const struct avj_slot *slot = avj_view_slot(view, number);
    struct avj_row_texts texts;
    if (slot->flags & AVJ_SLOT_ROW) {
        avj_view_row_texts(view, number, &texts);
        put(view->rows, avj_hash64(texts.remote_id, strlen(texts.remote_id)), number);
    }
    if (!(slot->flags & AVJ_SLOT_OPEN))
        return AVJ_OK;
    struct avj_document *d;
    enum avj_status status = avj_view_open(view, number, &d, NULL);
    for (struct avj_known_row *row = status == AVJ_OK ? d->rows : NULL; row; row = row->next) {
        if ((view->rows->count + 1) * 4 > view->rows->cap * 3)
            return AVJ_END; /* more rows than documents: a larger table */
        put(view->rows, avj_hash64(row->remote_id, strlen(row->remote_id)), number);
    }
    return status;
}

static enum avj_status build(struct avj_view *view, size_t cap)
{
    struct avj_row_places *rows = calloc(1, sizeof(*rows));
    if (rows)
        rows->places = calloc(cap, sizeof(*rows->places));
    if (!rows || !rows->places) {
        free(rows);
        return AVJ_ENOMEM;
    }
    rows->cap = cap;
    avj_rows_free(view->rows);
    view->rows = rows;
    enum avj_status status = AVJ_OK;
    for (uint32_t n = 1; status == AVJ_OK && n <= avj_slots_last(&view->slots); n++)
        status = note_rows(view, n);
    if (status == AVJ_END)
        return build(view, cap * 2);
    return status;
}

static enum avj_status rebuild(struct avj_view *view)
{
    size_t cap = 1024;
    while (cap < (size_t)avj_slots_last(&view->slots) * 2)
        cap *= 2;
    if (view->rows && cap <= view->rows->cap)
        cap = view->rows->cap * 2;
    enum avj_status status = build(view, cap);
    if (status != AVJ_OK) {
        avj_rows_free(view->rows);
        view->rows = NULL;
    }
    return status;
}

enum avj_status avj_rows_note(struct avj_view *view, uint32_t number, const char *remote_id,
                              size_t len)
{
    struct avj_row_places *rows = view->rows;
    if (!rows)
        return AVJ_OK; /* not asked for yet */
    if ((rows->count + 1) * 4 > rows->cap * 3) {
        avj_rows_free(rows); /* built anew, larger, when it is asked for again */
        view->rows = NULL;
        return AVJ_OK;
    }
    put(rows, avj_hash64(remote_id, len), number);
    return AVJ_OK;
}

static enum avj_status has_row(struct avj_view *view, uint32_t number, const char *remote_id,
                               bool *result, struct avj_error *err)
{
    const struct avj_slot *slot = avj_view_slot(view, number);
    struct avj_row_texts texts;
    *result = false;
    if (slot->flags & AVJ_SLOT_ROW) {
        avj_view_row_texts(view, number, &texts);
        *result = strcmp(texts.remote_id, remote_id) == 0;
    }
    if (!(slot->flags & AVJ_SLOT_OPEN))
        return AVJ_OK;
    struct avj_document *d;
    enum avj_status status = avj_view_open(view, number, &d, err);
    if (status == AVJ_OK)
        *result = avj_document_row(d, remote_id) != NULL;
    return status;
}

enum avj_status avj_view_find_row(struct avj_view *view, enum avj_entity entity,
                                  const char *remote_id, uint32_t *number, struct avj_error *err)
{
    enum avj_status status = view->rows ? AVJ_OK : rebuild(view);
    uint64_t hash = avj_hash64(remote_id, strlen(remote_id));
    *number = 0;
    if (status != AVJ_OK)
        return avj_fail(err, status, "out of memory");
    const struct avj_row_places *rows = view->rows;
    for (size_t i = (size_t)hash & (rows->cap - 1); rows->places[i].slot;
         i = (i + 1) & (rows->cap - 1)) {
        uint32_t candidate = rows->places[i].slot;
        if (rows->places[i].tag != (uint32_t)(hash >> 32) ||
            avj_slot_entity(avj_view_slot(view, candidate)) != entity)
            continue;
        bool found;
        status = has_row(view, candidate, remote_id, &found, err);
        if (status != AVJ_OK)
            return status;
        if (found) {
            *number = candidate;
            return AVJ_OK;
        }
    }
    return AVJ_OK;
}
