/* How a replica and the server meet: see world.h. */
#include "tests/property/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const none[] = {NULL};

/* ---- states from elsewhere ---- */

/* Rows for the library; what they point to is freed by rows_release. */
static struct avj_row *rows_pack(const struct row *rows, size_t count)
{
    struct avj_row *out = calloc(count ? count : 1, sizeof(*out));
    if (!out)
        abort();
    for (size_t i = 0; i < count; i++) {
        out[i] = (struct avj_row){.entity = rows[i].entity,
                                  .id = rows[i].id,
                                  .remote_id = rows[i].row,
                                  .version = time_text(rows[i].version_ms),
                                  .created = time_text(rows[i].version_ms),
                                  .deleted = rows[i].deleted};
        if (!rows[i].deleted)
            out[i].fields.data = fields_pack(&rows[i].fields, &out[i].fields.len);
    }
    return out;
}

static void rows_release(struct avj_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free((void *)(uintptr_t)rows[i].fields.data);
    free(rows);
}

bool hear(struct replica *r, const struct row *rows, size_t count, const char *by)
{
    struct avj_error err = {.status = AVJ_OK};
    struct avj_row *packed = rows_pack(rows, count);
    for (size_t i = 0; i < count; i++) {
        world_tell(r->world, "  hears by %s of %s %s, row %s at %lld: %s", by,
                   kind_name(rows[i].entity), rows[i].id, rows[i].row,
                   (long long)rows[i].version_ms,
                   rows[i].deleted ? "deleted" : fields_text(&rows[i].fields));
        (void)replica_stamp(r);
        oracle_remote(&r->oracle, &rows[i]);
    }
    enum avj_status status =
        avj_sync_remote(r->store[0], packed, count, by, AVJ_DURABLE, NULL, &err);
    rows_release(packed, count);
    return replica_expect(r, AVJ_OK, status, &err, "hear of rows");
}

/* ---- push ---- */

static bool in_flight(void *arg, const struct avj_push_op *op)
{
    const struct replica *r = arg;
    for (size_t i = 0; i < r->flight_count; i++)
        if (r->flight[i].op.entity == op->entity && strcmp(r->flight[i].op.id, op->id) == 0)
            return true;
    return false;
}

/* The first refusal of an attribute is learned from, as the engine does. */
static bool learn(struct replica *r, const struct avj_push_op *op, bool *learned)
{
    struct avj_error err = {.status = AVJ_OK};
    struct fieldmap fields = fields_unpack(op->fields);
    *learned = false;
    for (size_t i = 0; i < fields.count; i++) {
        const char *name = fields.at[i].name;
        if (!server_lacks(r->world, op->entity, name) || oracle_lacks(&r->oracle, op->entity, name))
            continue;
        *learned = true;
        world_tell(r->world, "  learns that %s has no %s", kind_name(op->entity), name);
        r->oracle.missing[r->oracle.missing_count++] =
            text_printf("%s.%s", kind_name(op->entity), name);
        enum avj_status status = avj_sync_learn(r->store[0], op->entity, name, "missing", &err);
        if (!replica_expect(r, AVJ_OK, status, &err, "learn"))
            return false;
    }
    return true;
}

static bool take_outbox(struct replica *r, size_t most, const struct avj_push_op **ops,
                        size_t *count)
{
    struct avj_error err = {.status = AVJ_OK};
    for (bool learned = true; learned;) {
        enum avj_status status = avj_outbox_next(r->store[0], most, in_flight, r, ops, count, &err);
        if (!replica_expect(r, AVJ_OK, status, &err, "look at the outbox"))
            return false;
        learned = false;
        for (size_t i = 0; i < *count && !learned; i++)
            if (!learn(r, &(*ops)[i], &learned))
                return false;
    }
    return true;
}

/* What is to be sent must make the row what is visible here. */
static bool check_op(struct replica *r, const struct doc *d, const struct flight *f)
{
    struct fieldmap wanted, got = {0};
    bool there = d && doc_visible(d, &wanted);
    const struct row *base = d ? doc_base(d) : NULL;
    if (!d || !d->pending_count || d->parked || there == (f->op.kind == AVJ_PUSH_DELETE)) {
        if (f->op.kind == AVJ_PUSH_ELIDE)
            return true;
        world_fail(r->world, "the outbox has a wrong operation for %s %s", kind_name(f->op.entity),
                   f->op.id);
        return false;
    }
    if (f->op.kind != AVJ_PUSH_CREATE && f->op.kind != AVJ_PUSH_UPDATE)
        return true;
    if (f->op.kind == AVJ_PUSH_UPDATE) {
        got = base->fields;
        (void)doc_shared(d, &wanted);
    }
    fields_apply(&got, &f->fields);
    for (size_t i = 0; i < wanted.count; i++)
        if (!values_same(d->entity, wanted.at[i].name, wanted.at[i].json,
                         field_get(&got, wanted.at[i].name))) {
            world_fail(r->world, "%s %s: what is sent, %s, does not make it %s",
                       kind_name(d->entity), d->id, fields_text(&f->fields), fields_text(&wanted));
            return false;
        }
    return true;
}

/* The server does an operation; a row that is not as it was thought to be is heard of first. */
static bool serve(struct replica *r, struct flight *f, bool *moved)
{
    struct world *w = r->world;
    struct row *row = server_find(w, f->op.entity, f->op.remote_id);
    bool there = row && !row->deleted;
    *moved = false;
    f->row = (struct row){
        .entity = f->op.entity, .id = f->op.id, .row = text_printf("%s", f->op.remote_id)};
    f->row.deleted = true;
    if (f->op.kind == AVJ_PUSH_ELIDE || (f->op.kind == AVJ_PUSH_DELETE && !there))
        return true;
    if (f->op.kind == AVJ_PUSH_CREATE)
        *moved = there;
    else
        *moved = !there || !f->op.base_version ||
                 strcmp(f->op.base_version, time_text(row->version_ms)) != 0;
    if (*moved) {
        struct row state = there ? *row : f->row;
        const struct row *known = oracle_row(&r->oracle, f->op.entity, f->op.remote_id);
        if (!there)
            state.version_ms = known ? known->version_ms : 0;
        return hear(r, &state, 1, "push");
    }
    bool deletes = f->op.kind == AVJ_PUSH_DELETE;
    /* Of several rows only one stands for the document, the others go with it unseen. */
    if (row && oracle_find(&r->oracle, f->op.entity, f->op.id)->row_count > 1)
        tokens_overrule(w, f->op.entity, f->op.id, &row->fields, deletes ? NULL : &f->fields);
    if (deletes)
        server_delete(w, row);
    else
        row = server_put(w, f->op.entity, f->row.row, f->op.id, &f->fields);
    f->row = *row;
    return true;
}

static const char *op_name(enum avj_push_kind kind)
{
    static const char *const names[] = {"create", "update", "delete", "elide"};
    return names[kind];
}

static void copy_op(struct flight *f, const struct avj_push_op *op)
{
    *f = (struct flight){.op = *op, .fields = fields_unpack(op->fields)};
    f->op.id = text_printf("%s", op->id);
    f->op.base_version = op->base_version ? text_printf("%s", op->base_version) : NULL;
}

static bool journal_attempt(struct replica *r, const struct avj_push_op *op, const struct flight *f)
{
    struct avj_error err = {.status = AVJ_OK};
    (void)replica_stamp(r);
    oracle_push(&r->oracle, op->entity, f->op.id, f->upto);
    return replica_expect(r, AVJ_OK, avj_sync_push(r->store[0], op, 1, "x", "single", &err), &err,
                          "journal a push");
}

static bool send(struct replica *r, const struct avj_push_op *op, struct test_rng *rng)
{
    struct flight f;
    bool moved = false;
    copy_op(&f, op);
    world_tell(r->world, "  sends %s %s %s (row %s, base %s): %s", op_name(op->kind),
               kind_name(op->entity), f.op.id, f.op.remote_id,
               f.op.base_version ? f.op.base_version : "none", fields_text(&f.fields));
    struct doc *d = oracle_find(&r->oracle, op->entity, f.op.id);
    if (!check_op(r, d, &f))
        return false;
    f.base_ms = f.op.base_version && doc_base(d) ? doc_base(d)->version_ms : 0;
    f.upto = d->pending_count ? d->pending[d->pending_count - 1].serial : 0;
    if (op->kind != AVJ_PUSH_ELIDE && !journal_attempt(r, op, &f))
        return false;
    uint64_t luck = r->world->calm ? 99 : test_rng_below(rng, 20);
    f.end = luck == 0 ? FLIGHT_REFUSED : luck == 1 ? FLIGHT_LOST : FLIGHT_DONE;
    if (f.op.kind == AVJ_PUSH_ELIDE)
        f.end = FLIGHT_DONE;
    if (f.end != FLIGHT_REFUSED && !serve(r, &f, &moved))
        return false;
    if (!moved)
        r->flight[r->flight_count++] = f;
    return true;
}

bool push_some(struct replica *r, size_t most, struct test_rng *rng)
{
    const struct avj_push_op *ops;
    size_t count;
    /* One after the other: the array is borrowed until the store changes. */
    for (; most > 0 && r->flight_count < FLIGHT_MAX; most--) {
        if (!take_outbox(r, 1, &ops, &count))
            return false;
        if (!count)
            return true;
        if (!send(r, &ops[0], rng))
            return false;
    }
    return true;
}

/* ---- answers ---- */

static size_t kept_of(const struct world *w, const struct flight *f, const char *kept[FIELDS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < f->fields.count; i++)
        if (server_lacks(w, f->op.entity, f->fields.at[i].name))
            kept[count++] = f->fields.at[i].name;
    kept[count] = NULL;
    return count;
}

static void expect_outcome(struct replica *r, const struct flight *f, const char *const *kept)
{
    struct oracle *o = &r->oracle;
    (void)replica_stamp(r);
    if (f->end == FLIGHT_REFUSED) {
        oracle_reject(o, f->op.entity, f->op.id, f->upto);
    } else if (f->op.kind == AVJ_PUSH_ELIDE) {
        const char *all[9] = {NULL};
        size_t count = 0;
        for (size_t i = 0; i < o->missing_count; i++) {
            size_t kind = strlen(kind_name(f->op.entity));
            if (strncmp(o->missing[i], kind_name(f->op.entity), kind) == 0)
                all[count++] = o->missing[i] + kind + 1;
        }
        oracle_ack(o, f->op.entity, f->op.id, f->upto, NULL, all);
    } else {
        struct row row = f->row;
        if (row.deleted)
            row.version_ms = f->base_ms;
        oracle_ack(o, f->op.entity, f->op.id, f->upto, &row, kept);
    }
}

static bool settle(struct replica *r, struct flight *f, bool read_now)
{
    struct avj_error err = {.status = AVJ_OK};
    const char *kept[FIELDS_MAX + 1];
    /* The row is read back some time after it was written: it may have changed again. */
    struct row *now = server_find(r->world, f->op.entity, f->op.remote_id);
    if (f->op.kind != AVJ_PUSH_DELETE && read_now && now)
        f->row = *now;
    size_t kept_count = kept_of(r->world, f, kept);
    struct avj_row *packed = rows_pack(&f->row, 1);
    struct avj_outcome outcome = {.op = &f->op,
                                  .acknowledged = f->end == FLIGHT_DONE,
                                  .status = f->op.kind == AVJ_PUSH_ELIDE ? 0 : 200,
                                  .row = packed[0],
                                  .kept = kept,
                                  .kept_count = kept_count};
    if (f->end == FLIGHT_REFUSED) {
        outcome.status = 400;
        outcome.error_type = "document_invalid_structure";
        outcome.error_message = "no";
    }
    world_tell(r->world, "  is answered about %s %s: %s", kind_name(f->op.entity), f->op.id,
               f->end == FLIGHT_REFUSED ? "refused"
               : f->row.deleted         ? "done, there is no row"
                                        : fields_text(&f->row.fields));
    expect_outcome(r, f, f->row.deleted ? none : kept);
    enum avj_status status = avj_sync_settle(r->store[0], &outcome, 1, &err);
    rows_release(packed, 1);
    return replica_expect(r, AVJ_OK, status, &err, "settle");
}

bool settle_some(struct replica *r, size_t most, struct test_rng *rng)
{
    for (; most > 0 && r->flight_count > 0; most--) {
        size_t i = (size_t)test_rng_below(rng, r->flight_count);
        struct flight f = r->flight[i];
        r->flight[i] = r->flight[--r->flight_count];
        if (f.end == FLIGHT_LOST && !r->world->calm)
            world_tell(r->world, "  is never answered about %s %s", kind_name(f.op.entity),
                       f.op.id);
        else if (f.end != FLIGHT_LOST && !settle(r, &f, test_rng_below(rng, 2) == 0))
            return false;
    }
    return true;
}

/* ---- sweep ---- */

struct absent {
    struct replica *replica;
    enum avj_entity entity;
    struct row rows[256];
    size_t count;
};

static bool note_absent(void *arg, const char *id, const char *remote_id, const char *version)
{
    struct absent *a = arg;
    struct row *row = server_find(a->replica->world, a->entity, remote_id);
    const struct row *known = oracle_row(&a->replica->oracle, a->entity, remote_id);
    if (known && strcmp(time_text(known->version_ms), version) != 0)
        world_fail(a->replica->world, "row %s is known at %s instead of %s", remote_id, version,
                   time_text(known->version_ms));
    if (row && !row->deleted)
        return true;
    a->rows[a->count++] = (struct row){.entity = a->entity,
                                       .id = text_printf("%s", id),
                                       .row = text_printf("%s", remote_id),
                                       .version_ms = known ? known->version_ms : 0,
                                       .deleted = true};
    return a->count < 256;
}

static bool close_gap(struct replica *r)
{
    struct avj_error err = {.status = AVJ_OK};
    (void)replica_stamp(r);
    return replica_expect(
        r, AVJ_OK, avj_sync_gap(r->store[0], false, "sweep", time_text(r->world->now_ms), &err),
        &err, "close a gap");
}

bool sweep(struct replica *r)
{
    struct world *w = r->world;
    struct absent absent = {.replica = r};
    for (size_t i = 0; i < w->row_count; i++)
        if (!w->rows[i].deleted && !hear(r, &w->rows[i], 1, "pull"))
            return false;
    for (absent.entity = 0; absent.entity < AVJ_ENTITIES; absent.entity++)
        avj_sync_known_rows(r->store[0], absent.entity, note_absent, &absent);
    if (absent.count && !hear(r, absent.rows, absent.count, "pull"))
        return false;
    return close_gap(r) && !w->failure[0];
}

/* ---- rest ---- */

static bool hear_everything(struct replica *r)
{
    while (r->inbox_count) {
        struct row event = r->world->events[r->inbox[--r->inbox_count]];
        if (!hear(r, &event, 1, "realtime"))
            return false;
    }
    return true;
}

static bool retry_everything(struct replica *r)
{
    struct avj_error err = {.status = AVJ_OK};
    for (size_t i = 0; i < r->oracle.doc_count; i++) {
        struct doc *d = r->oracle.docs[i];
        if (!d->parked)
            continue;
        oracle_retry(&r->oracle, d->entity, d->id);
        if (!replica_expect(r, AVJ_OK, avj_sync_retry(r->store[0], d->entity, d->id, &err), &err,
                            "retry"))
            return false;
    }
    return true;
}

static bool is_at_rest(const struct world *w)
{
    for (size_t i = 0; i < w->options.replicas; i++) {
        const struct replica *r = &w->replicas[i];
        if (r->inbox_count || r->flight_count)
            return false;
        for (size_t d = 0; d < r->oracle.doc_count; d++)
            if (r->oracle.docs[d]->pending_count)
                return false;
    }
    return true;
}

bool come_to_rest(struct world *w)
{
    struct test_rng rng;
    test_rng_init(&rng, 1);
    w->calm = true;
    for (unsigned round = 0; round < 60; round++) {
        w->now_ms += 7;
        for (size_t i = 0; i < w->options.replicas; i++) {
            struct replica *r = &w->replicas[i];
            world_tell(w, "replica %zu comes to rest", i);
            if (!retry_everything(r) || !settle_some(r, FLIGHT_MAX, &rng) || !hear_everything(r) ||
                (!w->options.equal_ms && !sweep(r)) || !push_some(r, FLIGHT_MAX, &rng) ||
                !settle_some(r, FLIGHT_MAX, &rng) || !check_replica(r))
                return false;
        }
        if (is_at_rest(w))
            return true;
    }
    world_fail(w, "it never comes to rest");
    return false;
}
