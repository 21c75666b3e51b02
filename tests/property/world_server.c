/* The server: rows, and every state they ever had.  See world.h. */
#include "tests/property/world.h"

#include <stdlib.h>
#include <string.h>

struct row *server_find(struct world *w, enum avj_entity entity, const char *row)
{
    for (size_t i = 0; i < w->row_count; i++)
        if (w->rows[i].entity == entity && strcmp(w->rows[i].row, row) == 0)
            return &w->rows[i];
    return NULL;
}

bool server_lacks(const struct world *w, enum avj_entity entity, const char *name)
{
    return w->options.lacking && ((entity == AVJ_MESSAGE && strcmp(name, "model") == 0) ||
                                  (entity == AVJ_THREAD && strcmp(name, "tags") == 0));
}

static void tell_everyone(struct world *w, const struct row *row)
{
    w->events = realloc(w->events, (w->event_count + 1) * sizeof(struct row));
    if (!w->events)
        abort();
    w->events[w->event_count] = *row;
    for (size_t i = 0; i < w->options.replicas; i++) {
        struct replica *r = &w->replicas[i];
        r->inbox = realloc(r->inbox, (r->inbox_count + 1) * sizeof(size_t));
        if (!r->inbox)
            abort();
        r->inbox[r->inbox_count++] = w->event_count;
    }
    w->event_count++;
}

static struct row *add_row(struct world *w, enum avj_entity entity, const char *row, const char *id)
{
    w->rows = realloc(w->rows, (w->row_count + 1) * sizeof(struct row));
    if (!w->rows)
        abort();
    struct row *r = &w->rows[w->row_count++];
    *r = (struct row){.entity = entity, .id = id, .row = row, .deleted = true};
    return r;
}

struct row *server_put(struct world *w, enum avj_entity entity, const char *row, const char *id,
                       const struct fieldmap *change)
{
    struct row *r = server_find(w, entity, row);
    if (!r)
        r = add_row(w, entity, row, id);
    if (r->deleted)
        r->fields = (struct fieldmap){0};
    /* Rows may have the same version; a row that is made anew never has that of its former self. */
    bool again = w->options.equal_ms && !r->deleted && w->now_ms <= r->version_ms;
    if (!again)
        r->version_ms = w->now_ms > r->version_ms ? w->now_ms : r->version_ms + 1;
    r->deleted = false;
    fields_apply(&r->fields, change);
    for (size_t i = r->fields.count; i > 0; i--)
        if (server_lacks(w, entity, r->fields.at[i - 1].name))
            field_remove(&r->fields, r->fields.at[i - 1].name);
    fields_sort(entity, &r->fields);
    if (again) /* 4: the greater content stays, which may be neither's wish */
        tokens_overrule(w, entity, r->id, &r->fields, NULL);
    tell_everyone(w, r);
    return r;
}

/* Its event carries the version of what was deleted. */
void server_delete(struct world *w, struct row *row)
{
    row->deleted = true;
    row->fields = (struct fieldmap){0};
    tell_everyone(w, row);
}

/* Of the states that a row had at its last version: which stays. */
static struct fieldmap standing(const struct world *w, const struct row *row)
{
    const struct row *best = row;
    for (size_t i = 0; i < w->event_count; i++) {
        const struct row *e = &w->events[i];
        if (e->entity == row->entity && strcmp(e->row, row->row) == 0 && !e->deleted &&
            e->version_ms == row->version_ms && state_compare(e, best) > 0)
            best = e;
    }
    return best->fields;
}

static bool stands_for_its_document(const struct world *w, const struct row *row)
{
    for (size_t i = 0; i < w->row_count; i++) {
        const struct row *other = &w->rows[i];
        if (other == row || other->deleted || other->entity != row->entity ||
            strcmp(other->id, row->id) != 0)
            continue;
        if (other->version_ms > row->version_ms ||
            (other->version_ms == row->version_ms && strcmp(other->row, row->row) > 0))
            return false;
    }
    return !row->deleted;
}

void server_digest(struct world *w, uint64_t sum[2])
{
    sum[0] = sum[1] = 0;
    for (size_t i = 0; i < w->row_count; i++) {
        struct fieldmap fields = w->rows[i].fields;
        if (!stands_for_its_document(w, &w->rows[i]))
            continue;
        if (w->options.equal_ms)
            fields = standing(w, &w->rows[i]);
        digest_add(sum, w->rows[i].entity, w->rows[i].id, &fields);
    }
}
