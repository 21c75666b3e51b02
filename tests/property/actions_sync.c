/* What the network, other clients and crashes do: see actions.h. */
#include "tests/property/actions.h"

#include "net/json.h"
#include "replay/history.h"

#include <stdlib.h>
#include <string.h>

static uint64_t below(struct stage *s, uint64_t limit)
{
    return test_rng_below(&s->rng, limit);
}

bool act_push(struct stage *s)
{
    return push_some(s->replica, 1 + (size_t)below(s, 8), &s->rng);
}

bool act_settle(struct stage *s)
{
    return settle_some(s->replica, 1 + (size_t)below(s, 6), &s->rng);
}

/* Some events, in any order, together or one by one; one may come again later. */
bool act_hear(struct stage *s)
{
    struct replica *r = s->replica;
    struct row rows[8];
    size_t count = 0, most = 1 + (size_t)below(s, 8);
    bool twice = below(s, 4) == 0;
    while (count < most && r->inbox_count) {
        size_t i = below(s, 2) ? 0 : (size_t)below(s, r->inbox_count);
        rows[count++] = s->world->events[r->inbox[i]];
        if (twice && below(s, 2))
            continue;
        r->inbox_count--;
        memmove(&r->inbox[i], &r->inbox[i + 1], (r->inbox_count - i) * sizeof(r->inbox[0]));
    }
    return !count || hear(r, rows, count, "realtime");
}

bool act_lose(struct stage *s)
{
    struct avj_error err = {.status = AVJ_OK};
    if (s->world->options.equal_ms)
        return true; /* a sweep can not tell two states of one version apart */
    s->replica->inbox_count = 0;
    (void)replica_stamp(s->replica);
    return replica_expect(s->replica, AVJ_OK,
                          avj_sync_gap(s->replica->store[0], true, "socket lost", NULL, &err), &err,
                          "open a gap");
}

bool act_sweep(struct stage *s)
{
    return s->world->options.equal_ms || sweep(s->replica);
}

bool act_reopen(struct stage *s)
{
    return replica_reopen(s->replica) && check_replica(s->replica);
}

bool act_snapshot(struct stage *s)
{
    struct avj_error err = {.status = AVJ_OK};
    enum avj_status status = avj_store_snapshot(s->replica->store[0], NULL, &err);
    return replica_expect(s->replica, AVJ_OK, status, &err, "make a snapshot");
}

/* Bodies that no document needs any more go, out of the segment so far. */
bool act_compact(struct stage *s)
{
    struct replica *r = s->replica;
    struct avj_error err = {.status = AVJ_OK};
    struct avj_keep keep = {.limited = true};
    struct avj_journal *journal = avj_store_journal(r->store[0]);
    (void)replica_stamp(r);
    enum avj_status status = avj_store_keep(r->store[0], &keep, &err);
    if (status == AVJ_OK)
        status = avj_journal_rotate(journal, &err);
    if (status == AVJ_OK)
        status = avj_journal_maintain(journal, NULL, NULL, &err);
    if (status == AVJ_OK)
        status = avj_store_compact(r->store[0], NULL, NULL, &err);
    return replica_expect(r, AVJ_OK, status, &err, "compact");
}

/* Entries of types and kinds that nobody knows yet: kept, and without effect. */
bool act_unknown(struct stage *s)
{
    static const char *const entries[] = {
        "{\"t\":\"hologram\",\"h\":1,\"e\":\"message\",\"i\":\"m0\",\"f\":{\"content\":\"z\"}}",
        "{\"t\":\"remote\",\"h\":1,\"e\":\"hologram\",\"i\":\"m0\",\"r\":\"r\",\"f\":{\"id\":1}}",
        "{\"t\":\"session\",\"h\":1,\"o\":\"hologram\",\"d\":7}",
    };
    struct avj_error err = {.status = AVJ_OK};
    struct avj_pack pack = {0};
    json_t *json = json_loads(entries[below(s, 3)], 0, NULL);
    avj_json_pack(&pack, json);
    json_decref(json);
    struct avj_slice entry = {pack.data, pack.len};
    enum avj_status status =
        avj_store_append(s->replica->store[0], &entry, 1, AVJ_DURABLE, NULL, &err);
    avj_pack_release(&pack);
    return replica_expect(s->replica, AVJ_OK, status, &err, "append what is unknown");
}

/* ---- other clients: they work on the server, and see what it has ---- */

static struct row *some_row(struct stage *s, enum avj_entity entity)
{
    size_t count = 0;
    struct row *chosen = NULL;
    for (size_t i = 0; i < s->world->row_count; i++)
        if (s->world->rows[i].entity == entity && below(s, ++count) == 0)
            chosen = &s->world->rows[i];
    return chosen;
}

/* They know what the deployment has no attribute for. */
static void leave_out_missing(struct stage *s, enum avj_entity entity, struct fieldmap *fields)
{
    for (size_t i = fields->count; i > 0; i--)
        if (server_lacks(s->world, entity, fields->at[i - 1].name))
            field_remove(fields, fields->at[i - 1].name);
}

/* A document under a random $id, whether there is one of that local id or not. */
static void other_creates(struct stage *s, enum avj_entity entity)
{
    const char *id = some_id(s, entity);
    struct fieldmap fields = some_document(s, entity, id);
    size_t rows = 0;
    for (size_t i = 0; i < s->world->row_count; i++)
        rows += s->world->rows[i].entity == entity && strcmp(s->world->rows[i].id, id) == 0;
    if (rows >= ROWS_MAX - 2)
        return;
    leave_out_missing(s, entity, &fields);
    tokens_write(s->world, entity, id, &fields);
    server_put(s->world, entity, text_printf("other-%u", s->world->names++), id, &fields);
}

bool act_other_writes(struct stage *s)
{
    enum avj_entity entity = (enum avj_entity)below(s, AVJ_ENTITIES);
    struct row *row = some_row(s, entity);
    if (!row || below(s, 3) == 0) {
        other_creates(s, entity);
        return true;
    }
    struct fieldmap change =
        row->deleted ? some_document(s, entity, row->id) : some_change(s, entity);
    leave_out_missing(s, entity, &change);
    tokens_overrule(s->world, entity, row->id, &row->fields, &change);
    tokens_write(s->world, entity, row->id, &change);
    world_tell(s->world, "  row %s of %s %s: %s", row->row, kind_name(entity), row->id,
               fields_text(&change));
    server_put(s->world, entity, row->row, row->id, &change);
    return true;
}

bool act_other_deletes(struct stage *s)
{
    enum avj_entity entity = (enum avj_entity)below(s, AVJ_ENTITIES);
    struct row *row = some_row(s, entity);
    if (!row || row->deleted)
        return true;
    world_tell(s->world, "  row %s of %s %s", row->row, kind_name(entity), row->id);
    tokens_overrule(s->world, entity, row->id, &row->fields, NULL);
    server_delete(s->world, row);
    return true;
}
