/* The entries that a sync engine writes: see sync.h. */
#include "replay/clock.h"
#include "replay/store_private.h"
#include "replay/table.h"

#include <stdlib.h>
#include <string.h>

static void put_text(struct avj_pack *p, const char *key, const char *text)
{
    avj_pack_cstr(p, key);
    avj_pack_cstr(p, text);
}

static void put_int(struct avj_pack *p, const char *key, int64_t value)
{
    avj_pack_cstr(p, key);
    avj_pack_int(p, value);
}

/* Appends what was packed and cleans up; `status` is that of the packing. */
static enum avj_status finish(struct avj_store *store, struct avj_batch *batch,
                              enum avj_status status, enum avj_durability durability,
                              struct avj_error *err)
{
    if (status == AVJ_OK)
        status = avj_batch_append(store, batch, durability, NULL, err);
    else
        avj_fail(err, status, "out of memory");
    avj_batch_release(batch);
    return status;
}

static void begin(struct avj_store *store, struct avj_batch *batch, enum avj_entry_type type,
                  enum avj_entity entity, const char *id, size_t pairs)
{
    avj_entry_begin(&batch->bytes, type, avj_store_stamp(store), store->session, entity, id, pairs);
}

static const char *push_kind_name(enum avj_push_kind kind)
{
    static const char *const names[] = {"create", "update", "delete", "elide"};
    return names[kind];
}

static void pack_documents(struct avj_pack *p, const struct avj_push_op *ops, size_t count)
{
    avj_pack_cstr(p, "d");
    avj_pack_list(p, count);
    for (size_t i = 0; i < count; i++) {
        avj_pack_list(p, 5);
        avj_pack_cstr(p, avj_schema(ops[i].entity)->kind);
        avj_pack_cstr(p, ops[i].id);
        avj_pack_cstr(p, ops[i].remote_id);
        avj_pack_int(p, (int64_t)ops[i].upto_seq);
        avj_pack_cstr(p, push_kind_name(ops[i].kind));
    }
}

enum avj_status avj_sync_push(struct avj_store *store, const struct avj_push_op *ops, size_t count,
                              const char *attempt, const char *via, struct avj_error *err)
{
    struct avj_batch batch = {.count = 0};
    begin(store, &batch, AVJ_E_PUSH, AVJ_ENTITIES, NULL, 3);
    put_text(&batch.bytes, "a", attempt);
    put_text(&batch.bytes, "v", via);
    pack_documents(&batch.bytes, ops, count);
    return finish(store, &batch, avj_batch_end(&batch), AVJ_DURABLE, err);
}

/* "d" is there in any case: programs that do not know "o" read an attempt on no documents. */
enum avj_status avj_sync_answer(struct avj_store *store, const struct avj_push_answer *answer,
                                struct avj_error *err)
{
    struct avj_batch batch = {.count = 0};
    struct avj_pack *p = &batch.bytes;
    bool repeats = answer->in_a_row > 1, timed = answer->took_ms >= 0, waits = answer->wait_ms > 0;
    begin(store, &batch, AVJ_E_PUSH, AVJ_ENTITIES, NULL,
          7 + (size_t)repeats + (size_t)timed + (size_t)waits);
    put_text(p, "a", answer->attempt);
    put_text(p, "v", answer->via);
    put_text(p, "o", "answer");
    put_int(p, "x", answer->status);
    put_text(p, "y", answer->step);
    put_text(p, "m", answer->message);
    if (repeats)
        put_int(p, "n", answer->in_a_row);
    if (waits)
        put_int(p, "w", answer->wait_ms);
    if (timed)
        put_int(p, "z", answer->took_ms);
    pack_documents(p, answer->ops, answer->count);
    return finish(store, &batch, avj_batch_end(&batch), AVJ_RELAXED, err);
}

/* ---- outcomes ---- */

static void pack_names(struct avj_pack *p, const char *const *names, size_t count)
{
    avj_pack_list(p, count);
    for (size_t i = 0; i < count; i++)
        avj_pack_cstr(p, names[i]);
}

/* Nothing was sent: what the deployment can not hold is kept here, the rest is as the server has it
 * already. */
static enum avj_status pack_elided(struct avj_store *store, const struct avj_outcome *o,
                                   struct avj_batch *batch)
{
    const char *names[64];
    size_t count = 0;
    for (size_t i = 0; i < store->view->learned_count && count < 64; i++) {
        const struct avj_learned *l = &store->view->learned[i];
        if (l->entity == o->op->entity &&
            avj_view_unsendable(store->view, l->entity, l->field, strlen(l->field)))
            names[count++] = l->field;
    }
    begin(store, batch, AVJ_E_ACK, o->op->entity, o->op->id, 3);
    put_int(&batch->bytes, "s", (int64_t)o->op->upto_seq);
    put_int(&batch->bytes, "x", 0);
    avj_pack_cstr(&batch->bytes, "k");
    pack_names(&batch->bytes, names, count);
    return avj_batch_end(batch);
}

static enum avj_status pack_ack(struct avj_store *store, const struct avj_outcome *o,
                                struct avj_batch *batch)
{
    struct avj_pack *p = &batch->bytes;
    bool deleted = o->op->kind == AVJ_PUSH_DELETE || o->row.deleted;
    begin(store, batch, AVJ_E_ACK, o->op->entity, o->op->id, deleted ? 4 : 7);
    put_text(p, "r", deleted ? o->op->remote_id : o->row.remote_id);
    put_int(p, "s", (int64_t)o->op->upto_seq);
    put_int(p, "x", o->status ? o->status : 200);
    /* That of what was deleted: the row may have been made anew, and heard of, since. */
    put_text(p, "v", deleted ? o->op->base_version : o->row.version);
    if (deleted)
        return avj_batch_end(batch);
    put_text(p, "c", o->row.created);
    avj_pack_cstr(p, "f");
    avj_pack_raw(p, o->row.fields.data, o->row.fields.len);
    avj_pack_cstr(p, "k");
    pack_names(p, o->kept, o->kept_count);
    return avj_batch_end(batch);
}

static enum avj_status pack_reject(struct avj_store *store, const struct avj_outcome *o,
                                   struct avj_batch *batch)
{
    struct avj_pack *p = &batch->bytes;
    begin(store, batch, AVJ_E_REJECT, o->op->entity, o->op->id, 4);
    put_int(p, "s", (int64_t)o->op->upto_seq);
    put_int(p, "x", o->status);
    put_text(p, "y", o->error_type);
    put_text(p, "m", o->error_message);
    return avj_batch_end(batch);
}

/* ---- states from elsewhere ---- */

static enum avj_status pack_clashes(struct avj_store *store, const struct avj_row *row,
                                    const struct avj_plan *plan, struct avj_batch *batch)
{
    enum avj_status status = AVJ_OK;
    for (size_t i = 0; status == AVJ_OK && i < plan->clash_count; i++) {
        const struct avj_clash *c = &plan->clashes[i];
        struct avj_pack *p = &batch->bytes;
        begin(store, batch, AVJ_E_CONFLICT, row->entity, row->id, 5);
        put_int(p, "s", (int64_t)c->seq);
        put_text(p, "v", row->version);
        avj_pack_cstr(p, "f");
        if (c->fields.len)
            avj_pack_raw(p, c->fields.data, c->fields.len);
        else
            avj_pack_map(p, 0);
        put_text(p, "w", c->remote_lost ? "here" : "elsewhere");
        put_text(p, "m", c->why);
        status = avj_batch_end(batch);
    }
    return status;
}

static enum avj_status pack_remote(struct avj_store *store, const struct avj_row *row,
                                   struct avj_fields fields, const char *by,
                                   struct avj_batch *batch)
{
    struct avj_pack *p = &batch->bytes;
    begin(store, batch, AVJ_E_REMOTE, row->entity, row->id, row->deleted ? 4 : 5);
    put_text(p, "b", by);
    put_text(p, "r", row->remote_id);
    put_text(p, "v", row->version);
    put_text(p, "c", row->created);
    if (!row->deleted) {
        avj_pack_cstr(p, "f");
        avj_pack_raw(p, fields.data, fields.len);
    }
    return avj_batch_end(batch);
}

/* Canonical fields of a row.  AVJ_EFORMAT, AVJ_ENOMEM. */
static enum avj_status canonical(const struct avj_row *row, struct avj_pack *out)
{
    if (row->deleted)
        return AVJ_OK;
    struct avj_tree *tree;
    enum avj_status status = avj_tree_parse(row->fields.data, row->fields.len, &tree);
    if (status == AVJ_OK)
        status = avj_fields_canonical(row->entity, avj_tree_root(tree), true, out);
    avj_tree_free(tree);
    return status;
}

/* The conflicts of a state with what is pending. */
static enum avj_status pack_meeting(struct avj_store *store, const struct avj_row *row,
                                    const struct avj_document *d,
                                    const struct avj_incoming *incoming, struct avj_batch *batch)
{
    struct avj_plan plan;
    enum avj_status status = avj_merge_plan(d, incoming, avj_view_unsendable, store->view, &plan);
    if (status != AVJ_OK)
        return status;
    status = pack_clashes(store, row, &plan, batch);
    avj_plan_release(&plan);
    return status;
}

static enum avj_status pack_state(struct avj_store *store, const struct avj_row *row,
                                  struct avj_fields fields, const char *by, struct avj_batch *batch,
                                  bool *written, struct avj_error *err)
{
    struct avj_incoming incoming = {.remote_id = row->remote_id,
                                    .version = row->version,
                                    .deleted = row->deleted,
                                    .fields = fields,
                                    .clock_offset_ms = store->view->clock_offset_ms};
    if (row->version)
        (void)avj_time_parse(row->version, strlen(row->version), &incoming.version_ms);
    uint32_t number = avj_view_find(store->view, row->entity, row->id, strlen(row->id));
    struct avj_document *d;
    *written = false;
    if (!number) {
        *written = true;
        return pack_remote(store, row, fields, by, batch);
    }
    enum avj_status status = avj_view_open(store->view, number, &d, err);
    if (status != AVJ_OK)
        return status;
    if (avj_merge_reads(d, &incoming))
        status = avj_view_load(store->view, d, err);
    if (status == AVJ_OK && !avj_merge_stale(d, &incoming)) {
        status = pack_meeting(store, row, d, &incoming, batch);
        if (status == AVJ_OK)
            status = pack_remote(store, row, fields, by, batch);
        *written = status == AVJ_OK;
    }
    avj_view_put_back(store->view, number, d);
    return status;
}

/* ---- answers ---- */

/* The state of a row that an outcome tells, as the fold will take it. */
static void outcome_row(const struct avj_outcome *o, const struct avj_document *d,
                        struct avj_row *row, struct avj_incoming *incoming)
{
    *row = o->row;
    row->entity = o->op->entity;
    row->id = o->op->id;
    row->deleted = o->op->kind == AVJ_PUSH_DELETE || o->row.deleted;
    if (row->deleted)
        row->remote_id = o->op->remote_id;
    *incoming = (struct avj_incoming){.remote_id = row->remote_id, .deleted = row->deleted};
    if (row->deleted)
        row->version = o->op->base_version;
    if (row->version)
        (void)avj_time_parse(row->version, strlen(row->version), &incoming->version_ms);
    incoming->version = row->version;
    while (incoming->acknowledged < d->pending_count &&
           d->pending[incoming->acknowledged].seq <= o->op->upto_seq)
        incoming->acknowledged++;
}

static enum avj_status meet_answer(struct avj_store *store, const struct avj_outcome *o,
                                   struct avj_document *d, struct avj_batch *batch,
                                   struct avj_error *err)
{
    struct avj_row row;
    struct avj_incoming incoming;
    struct avj_pack fields = {0};
    outcome_row(o, d, &row, &incoming);
    if (incoming.acknowledged == d->pending_count || avj_merge_outlived(d, &incoming))
        return AVJ_OK;
    enum avj_status status = canonical(&row, &fields);
    if (status == AVJ_EFORMAT)
        avj_fail(err, status, "row %s: fields are no map", row.remote_id);
    incoming.fields = (struct avj_fields){fields.data, fields.len};
    incoming.clock_offset_ms = store->view->clock_offset_ms;
    if (status == AVJ_OK && avj_merge_reads(d, &incoming))
        status = avj_view_load(store->view, d, err);
    if (status == AVJ_OK)
        status = pack_meeting(store, &row, d, &incoming, batch);
    avj_pack_release(&fields);
    return status;
}

/* An acknowledgement, behind what its row does to edits that were made since: the server may have
 * been written by others before it was read back. */
static enum avj_status pack_answer(struct avj_store *store, const struct avj_outcome *o,
                                   struct avj_batch *batch, struct avj_error *err)
{
    uint32_t number = avj_view_find(store->view, o->op->entity, o->op->id, strlen(o->op->id));
    enum avj_status status = AVJ_OK;
    /* One that is not open has but one mutation pending: mostly the one that is acknowledged, but
     * it may have been given up and the document made anew since. */
    const struct avj_slot *slot = number ? avj_view_slot(store->view, number) : NULL;
    if (slot && ((slot->flags & AVJ_SLOT_OPEN) ||
                 ((slot->flags & AVJ_SLOT_PENDING) && avj_slot_body(slot) > o->op->upto_seq))) {
        struct avj_document *d;
        status = avj_view_open(store->view, number, &d, err);
        if (status == AVJ_OK)
            status = meet_answer(store, o, d, batch, err);
        if (d)
            avj_view_put_back(store->view, number, d);
    }
    return status == AVJ_OK ? pack_ack(store, o, batch) : status;
}

static enum avj_status pack_outcome(struct avj_store *store, const struct avj_outcome *o,
                                    struct avj_batch *batch, struct avj_error *err)
{
    enum avj_status status;
    if (!o->acknowledged)
        status = pack_reject(store, o, batch);
    else if (o->op->kind == AVJ_PUSH_ELIDE)
        status = pack_elided(store, o, batch);
    else
        return pack_answer(store, o, batch, err);
    return status == AVJ_ENOMEM ? avj_fail(err, status, "out of memory") : status;
}

struct outcomes {
    const struct avj_outcome *items;
    size_t count;
};

static bool about_outcomes(void *arg, const struct avj_change *change)
{
    const struct outcomes *all = arg;
    for (size_t i = 0; i < all->count; i++) {
        const struct avj_push_op *op = all->items[i].op;
        if (op->entity == change->entity && strcmp(op->id, change->id) == 0)
            return true;
    }
    return false;
}

static enum avj_status settle_once(struct avj_store *store, const struct avj_outcome *outcomes,
                                   size_t count, struct avj_error *err)
{
    struct avj_batch batch = {.count = 0};
    struct outcomes all = {outcomes, count};
    struct avj_condition condition = {about_outcomes, &all};
    enum avj_status status = avj_store_refresh(store, NULL, err);
    for (size_t i = 0; status == AVJ_OK && i < count; i++)
        status = pack_outcome(store, &outcomes[i], &batch, err);
    if (status == AVJ_OK)
        status = avj_batch_append_if(store, &batch, AVJ_DURABLE, &condition, err);
    avj_batch_release(&batch);
    return status;
}

enum avj_status avj_sync_settle(struct avj_store *store, const struct avj_outcome *outcomes,
                                size_t count, struct avj_error *err)
{
    enum avj_status status;
    do
        status = settle_once(store, outcomes, count, err);
    while (status == AVJ_ECHANGED);
    return status;
}

/* ---- rows, in batches ---- */

static bool same_row(const void *item, const void *key)
{
    const struct avj_row *a = item, *b = key;
    return a->entity == b->entity && strcmp(a->id, b->id) == 0;
}

static uint64_t hash_of(const char *id)
{
    return avj_hash64(id, strlen(id));
}

/* Rows of one call are planned against the view as it stands, so a document met twice ends the
 * batch. */
struct remote_batch {
    struct avj_batch batch;
    struct avj_table seen; /* the rows in it, those too that said nothing new */
    size_t fresh;          /* rows in it that did */
    size_t next;           /* row that is not in it */
};

static bool about_rows(void *arg, const struct avj_change *change)
{
    const struct remote_batch *r = arg;
    struct avj_row key = {.entity = change->entity, .id = change->id};
    return avj_table_find(&r->seen, hash_of(change->id), same_row, &key) != NULL;
}

static void clear(struct remote_batch *r)
{
    avj_batch_release(&r->batch);
    avj_table_release(&r->seen);
    *r = (struct remote_batch){.next = r->next};
}

static enum avj_status take_row(struct avj_store *store, struct remote_batch *r,
                                const struct avj_row *row, const char *by, struct avj_error *err)
{
    struct avj_pack fields = {0};
    bool written = false;
    enum avj_status status = canonical(row, &fields);
    if (status == AVJ_OK)
        status = pack_state(store, row, (struct avj_fields){fields.data, fields.len}, by, &r->batch,
                            &written, err);
    avj_pack_release(&fields);
    if (status == AVJ_OK && !avj_table_add(&r->seen, hash_of(row->id), (void *)(uintptr_t)row))
        status = AVJ_ENOMEM;
    if (status == AVJ_OK && written)
        r->fresh++;
    if (status == AVJ_ENOMEM)
        avj_fail(err, status, "out of memory");
    else if (status == AVJ_EFORMAT)
        avj_fail(err, status, "row %s: fields are no map", row->remote_id);
    return status;
}

/* From r->next on, as many as can be planned together. */
static enum avj_status gather(struct avj_store *store, struct remote_batch *r,
                              const struct avj_row *rows, size_t count, const char *by,
                              struct avj_error *err)
{
    enum avj_status status = AVJ_OK;
    while (status == AVJ_OK && r->next < count) {
        const struct avj_row *row = &rows[r->next];
        if (avj_table_find(&r->seen, hash_of(row->id), same_row, row))
            break;
        status = take_row(store, r, row, by, err);
        r->next++;
    }
    return status;
}

enum avj_status avj_sync_remote(struct avj_store *store, const struct avj_row *rows, size_t count,
                                const char *by, enum avj_durability durability, size_t *applied,
                                struct avj_error *err)
{
    struct remote_batch r = {.next = 0};
    struct avj_condition condition = {about_rows, &r};
    size_t fresh = 0, done = 0;
    enum avj_status status = avj_store_refresh(store, NULL, err);
    while (status == AVJ_OK && done < count) {
        r.next = done;
        status = gather(store, &r, rows, count, by, err);
        if (status == AVJ_OK)
            status = avj_batch_append_if(store, &r.batch, durability, &condition, err);
        if (status == AVJ_OK) {
            done = r.next;
            fresh += r.fresh;
        } else if (status == AVJ_ECHANGED) {
            status = avj_store_refresh(store, NULL, err); /* and once more from `done` on */
        }
        clear(&r);
    }
    if (applied)
        *applied = status == AVJ_OK ? fresh : 0;
    return status;
}

/* ---- gaps, sessions, what was learned ---- */

enum avj_status avj_sync_gap(struct avj_store *store, bool open, const char *why,
                             const char *swept_until, struct avj_error *err)
{
    if (open && store->view->gap_open)
        return AVJ_OK;
    struct avj_batch batch = {.count = 0};
    begin(store, &batch, AVJ_E_GAP, AVJ_ENTITIES, NULL, 3);
    put_text(&batch.bytes, "o", open ? "open" : "close");
    put_text(&batch.bytes, "m", why);
    put_text(&batch.bytes, "w", swept_until);
    return finish(store, &batch, avj_batch_end(&batch), AVJ_DURABLE, err);
}

static enum avj_status pack_session(struct avj_store *store, struct avj_batch *batch,
                                    const char *op, const char *user, const char *email)
{
    begin(store, batch, AVJ_E_SESSION, AVJ_ENTITIES, NULL, 3);
    put_text(&batch->bytes, "o", op);
    put_text(&batch->bytes, "u", user);
    put_text(&batch->bytes, "email", email);
    return avj_batch_end(batch);
}

enum avj_status avj_sync_login(struct avj_store *store, const char *user, const char *email,
                               struct avj_error *err)
{
    const char *owner = store->view->user;
    if (user && owner && strcmp(owner, user) != 0)
        return avj_fail(err, AVJ_EREFUSED,
                        "this journal belongs to user %s: make another one with avchat -C DIR init",
                        owner);
    struct avj_batch batch = {.count = 0};
    enum avj_status status = AVJ_OK;
    if (!user)
        status = pack_session(store, &batch, "logout", owner, NULL);
    else
        status = pack_session(store, &batch, "login", user, email);
    bool guest_work = avj_slots_last(&store->view->slots) > 0;
    if (status == AVJ_OK && user && !owner && guest_work)
        status = pack_session(store, &batch, "claim", user, email);
    return finish(store, &batch, status, AVJ_DURABLE, err);
}

enum avj_status avj_sync_learn(struct avj_store *store, enum avj_entity entity, const char *field,
                               const char *what, struct avj_error *err)
{
    struct avj_batch batch = {.count = 0};
    begin(store, &batch, AVJ_E_SESSION, AVJ_ENTITIES, NULL, 4);
    put_text(&batch.bytes, "o", "schema");
    put_text(&batch.bytes, "kind", avj_schema(entity)->kind);
    put_text(&batch.bytes, "field", field);
    put_text(&batch.bytes, "what", what);
    return finish(store, &batch, avj_batch_end(&batch), AVJ_DURABLE, err);
}

const char *avj_sync_learned(const struct avj_store *store, enum avj_entity entity,
                             const char *field)
{
    return avj_view_learned(store->view, entity, field, strlen(field));
}

enum avj_status avj_sync_clock(struct avj_store *store, int64_t offset_ms, struct avj_error *err)
{
    if (offset_ms < -AVJ_CLOCK_OFFSET_MAX_MS || offset_ms > AVJ_CLOCK_OFFSET_MAX_MS)
        return avj_fail(err, AVJ_EINVAL, "the server's clock is off by centuries");
    int64_t change = offset_ms - store->view->clock_offset_ms;
    if (change >= -AVJ_CLOCK_STEP_MS && change <= AVJ_CLOCK_STEP_MS)
        return AVJ_OK;
    struct avj_batch batch = {.count = 0};
    begin(store, &batch, AVJ_E_SESSION, AVJ_ENTITIES, NULL, 2);
    put_text(&batch.bytes, "o", "clock");
    put_int(&batch.bytes, "d", offset_ms);
    return finish(store, &batch, avj_batch_end(&batch), AVJ_DURABLE, err);
}

/* ---- a person decides ---- */

static enum avj_status decide(struct avj_store *store, enum avj_entry_type type,
                              enum avj_entity entity, const char *id, struct avj_error *err)
{
    enum avj_status status = avj_store_refresh(store, NULL, err);
    if (status != AVJ_OK)
        return status;
    uint32_t number = avj_view_find(store->view, entity, id, strlen(id));
    if (!number || !avj_outbox_turn(store->view, number))
        return avj_fail(err, AVJ_ENOTFOUND, "nothing is pending for %s %s",
                        avj_schema(entity)->kind, id);
    /* The body of a document with something pending is its last mutation. */
    uint64_t upto = avj_slot_body(avj_view_slot(store->view, number));
    struct avj_batch batch = {.count = 0};
    begin(store, &batch, type, entity, id, 1);
    put_int(&batch.bytes, "s", (int64_t)upto);
    return finish(store, &batch, avj_batch_end(&batch), AVJ_DURABLE, err);
}

enum avj_status avj_sync_retry(struct avj_store *store, enum avj_entity entity, const char *id,
                               struct avj_error *err)
{
    return decide(store, AVJ_E_RETRY, entity, id, err);
}

enum avj_status avj_sync_drop(struct avj_store *store, enum avj_entity entity, const char *id,
                              struct avj_error *err)
{
    return decide(store, AVJ_E_DROP, entity, id, err);
}

/* ---- known rows ---- */

static bool each_row(struct avj_store *store, uint32_t number, const char *id,
                     bool (*each)(void *arg, const char *id, const char *remote_id,
                                  const char *version),
                     void *arg)
{
    const struct avj_slot *slot = avj_view_slot(store->view, number);
    if ((slot->flags & (AVJ_SLOT_ROW | AVJ_SLOT_GONE)) == AVJ_SLOT_ROW) {
        struct avj_row_texts texts;
        avj_view_row_texts(store->view, number, &texts);
        return each(arg, id, texts.remote_id, texts.version);
    }
    struct avj_document *d;
    if (!(slot->flags & AVJ_SLOT_OPEN) || avj_view_open(store->view, number, &d, NULL) != AVJ_OK)
        return true;
    for (const struct avj_known_row *row = d->rows; row; row = row->next)
        if (!row->deleted && !each(arg, id, row->remote_id, row->version))
            return false;
    return true;
}

void avj_sync_known_rows(struct avj_store *store, enum avj_entity entity,
                         bool (*each)(void *arg, const char *id, const char *remote_id,
                                      const char *version),
                         void *arg)
{
    const struct avj_slots *slots = &store->view->slots;
    char buffer[AVJ_UUID_TEXT];
    for (uint32_t n = 1; n <= avj_slots_last(slots); n++)
        if (avj_slot_entity(avj_slot_at(slots, n)) == entity &&
            !each_row(store, n, avj_slot_id(slots, avj_slot_at(slots, n), buffer), each, arg))
            return;
}

const char *avj_sync_local_id(struct avj_store *store, enum avj_entity entity,
                              const char *remote_id)
{
    uint32_t number;
    if (avj_view_find_row(store->view, entity, remote_id, &number, NULL) != AVJ_OK || !number)
        return NULL;
    return avj_slot_id(&store->view->slots, avj_view_slot(store->view, number), store->local_id);
}
