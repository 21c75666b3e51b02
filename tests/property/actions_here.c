/* What a user does on a replica: see actions.h. */
#include "tests/property/actions.h"

#include <stdlib.h>
#include <string.h>

static struct avj_store *store_of(struct stage *s)
{
    struct avj_store *second = s->replica->store[1];
    return s->handle && second ? second : s->replica->store[0];
}

static enum avj_entity some_entity(struct stage *s)
{
    static const enum avj_entity often[] = {AVJ_THREAD,  AVJ_MESSAGE, AVJ_MESSAGE,
                                            AVJ_MESSAGE, AVJ_SUMMARY, AVJ_PROJECT};
    return often[test_rng_below(&s->rng, 6)];
}

/* A visible document by chance; NULL: there is none. */
static struct doc *some_visible(struct stage *s, enum avj_entity entity)
{
    const struct oracle *o = &s->replica->oracle;
    struct fieldmap fields;
    size_t count = 0;
    struct doc *chosen = NULL;
    for (size_t i = 0; i < o->doc_count; i++)
        if (o->docs[i]->entity == entity && doc_visible(o->docs[i], &fields) &&
            o->docs[i]->pending_count < PENDING_MAX - 4 && test_rng_below(&s->rng, ++count) == 0)
            chosen = o->docs[i];
    return chosen;
}

/* Room for a mutation more? */
static bool has_room(const struct doc *d)
{
    return !d || d->pending_count < PENDING_MAX - 4;
}

static int64_t fields_time(const struct fieldmap *fields, const char *name)
{
    int64_t ms = 0;
    return json_time(field_get(fields, name), &ms) ? ms : 0;
}

/* ---- mutations: told to the oracle, and to those who look for lost values ---- */

static void expect_mutation(struct stage *s, enum avj_op op, enum avj_entity entity, const char *id,
                            const struct fieldmap *fields)
{
    struct replica *r = s->replica;
    struct doc *d = oracle_find(&r->oracle, entity, id);
    struct fieldmap shown = {0};
    if (d && op != AVJ_CREATE) {
        (void)doc_visible(d, &shown);
        tokens_overrule(s->world, entity, id, &shown, op == AVJ_DELETE ? NULL : fields);
    }
    for (size_t i = 0; d && op == AVJ_DELETE && i < d->row_count; i++)
        tokens_overrule(s->world, entity, id, &d->rows[i].fields, NULL);
    if (fields)
        tokens_write(s->world, entity, id, fields);
    world_tell(s->world, "  %s of %s %s: %s", avj_op_name(op), kind_name(entity), id,
               fields ? fields_text(fields) : "");
    oracle_local(&r->oracle, replica_stamp(r), op, entity, id, fields);
}

static bool mutate(struct stage *s, enum avj_op op, enum avj_entity entity, const char *id,
                   const struct fieldmap *fields)
{
    struct avj_error err = {.status = AVJ_OK};
    struct avj_mutation m = {.op = op, .entity = entity, .id = id};
    uint8_t *packed = fields ? fields_pack(fields, &m.fields.len) : NULL;
    m.fields.data = packed;
    expect_mutation(s, op, entity, id, fields);
    enum avj_status status = avj_store_mutate(store_of(s), &m, 1, AVJ_DURABLE, NULL, &err);
    free(packed);
    return replica_expect(s->replica, AVJ_OK, status, &err, "mutate");
}

bool act_create(struct stage *s)
{
    enum avj_entity entity = some_entity(s);
    const char *id = some_id(s, entity);
    struct fieldmap fields = some_document(s, entity, id), shown;
    const struct doc *d = oracle_find(&s->replica->oracle, entity, id);
    if (!has_room(d))
        return true;
    if (!d || !doc_visible(d, &shown))
        return mutate(s, AVJ_CREATE, entity, id, &fields);
    struct avj_error err = {.status = AVJ_OK};
    struct avj_mutation m = {.op = AVJ_CREATE, .entity = entity, .id = id};
    uint8_t *packed = fields_pack(&fields, &m.fields.len);
    m.fields.data = packed;
    enum avj_status status = avj_store_mutate(store_of(s), &m, 1, AVJ_DURABLE, NULL, &err);
    free(packed);
    return replica_expect(s->replica, AVJ_EEXIST, status, &err, "create what is there");
}

bool act_update(struct stage *s)
{
    enum avj_entity entity = some_entity(s);
    const struct doc *d = some_visible(s, entity);
    struct fieldmap change = some_change(s, entity);
    return !d || mutate(s, AVJ_UPDATE, entity, d->id, &change);
}

bool act_delete(struct stage *s)
{
    enum avj_entity entity = some_entity(s);
    const struct doc *d = some_visible(s, entity);
    return !d || mutate(s, AVJ_DELETE, entity, d->id, NULL);
}

/* ---- operations ---- */

bool act_new_thread(struct stage *s)
{
    struct avj_error err = {.status = AVJ_OK};
    char id[AVJ_ID_TEXT];
    enum avj_status status = avj_thread_new(store_of(s), "New", id, &err);
    if (!replica_expect(s->replica, AVJ_OK, status, &err, "begin a thread"))
        return false;
    struct fieldmap f = {0};
    const char *now = time_json(replica_stamp(s->replica), 0);
    field_set(&f, "id", text_printf("\"%s\"", id));
    field_set(&f, "title", "\"New\"");
    field_set(&f, "createdAt", now);
    field_set(&f, "updatedAt", now);
    field_set(&f, "lastMessageAt", now);
    field_set(&f, "isPinned", "false");
    expect_mutation(s, AVJ_CREATE, AVJ_THREAD, text_printf("%s", id), &f);
    return true;
}

/* The visible messages (or summaries) of a thread. */
static size_t gather(const struct replica *r, enum avj_entity entity, const char *thread,
                     struct doc **out, struct fieldmap *fields)
{
    size_t count = 0;
    const char *quoted = text_printf("\"%s\"", thread);
    for (size_t i = 0; i < r->oracle.doc_count; i++) {
        struct doc *d = r->oracle.docs[i];
        if (d->entity != entity || !doc_visible(d, &fields[count]))
            continue;
        const char *in = field_get(&fields[count], "threadId");
        if (in && strcmp(in, quoted) == 0)
            out[count++] = d;
    }
    return count;
}

struct contents {
    struct doc *docs[256];
    struct fieldmap fields[256];
    size_t count;
};

static struct contents messages_of(const struct replica *r, const char *thread)
{
    struct contents c;
    c.count = gather(r, AVJ_MESSAGE, thread, c.docs, c.fields);
    return c;
}

static void expect_send(struct stage *s, const struct doc *thread, const char *id,
                        const char *content)
{
    struct contents c = messages_of(s->replica, thread->id);
    struct fieldmap t, f = {0}, raise = {0};
    int64_t stamp = replica_stamp(s->replica), newest = INT64_MIN, ms = stamp;
    (void)doc_visible(thread, &t);
    for (size_t i = 0; i < c.count; i++)
        if (fields_time(&c.fields[i], "createdAt") > newest)
            newest = fields_time(&c.fields[i], "createdAt");
    if (c.count && ms <= newest)
        ms = newest + 1;
    int64_t last = fields_time(&t, "lastMessageAt"), touched = fields_time(&t, "updatedAt");
    field_set(&f, "id", text_printf("\"%s\"", id));
    field_set(&f, "threadId", text_printf("\"%s\"", thread->id));
    field_set(&f, "role", "\"user\"");
    field_set(&f, "content", content);
    field_set(&f, "createdAt", time_json(ms, 0));
    expect_mutation(s, AVJ_CREATE, AVJ_MESSAGE, id, &f);
    field_set(&raise, "updatedAt", time_json(touched > stamp ? touched : stamp, 0));
    field_set(&raise, "lastMessageAt", time_json(ms, 0));
    if (last < ms && newest < ms)
        expect_mutation(s, AVJ_UPDATE, AVJ_THREAD, thread->id, &raise);
}

bool act_send(struct stage *s)
{
    struct avj_error err = {.status = AVJ_OK};
    const struct doc *thread = some_visible(s, AVJ_THREAD);
    char id[AVJ_ID_TEXT];
    if (!thread)
        return true;
    const char *text = text_printf("unique %u", s->world->names++);
    enum avj_status status =
        avj_message_send(store_of(s), thread->id, "user", text, strlen(text), id, &err);
    if (!replica_expect(s->replica, AVJ_OK, status, &err, "send"))
        return false;
    expect_send(s, thread, text_printf("%s", id), text_printf("\"%s\"", text));
    return true;
}

bool act_rename(struct stage *s)
{
    struct avj_error err = {.status = AVJ_OK};
    const struct doc *thread = some_visible(s, AVJ_THREAD);
    struct fieldmap shown, f = {0};
    if (!thread)
        return true;
    const char *title = text_printf("unique %u", s->world->names++);
    (void)doc_visible(thread, &shown);
    int64_t touched = fields_time(&shown, "updatedAt"), stamp = replica_stamp(s->replica);
    field_set(&f, "title", text_printf("\"%s\"", title));
    field_set(&f, "updatedAt", time_json(touched > stamp ? touched : stamp, 0));
    expect_mutation(s, AVJ_UPDATE, AVJ_THREAD, thread->id, &f);
    return replica_expect(s->replica, AVJ_OK,
                          avj_thread_rename(store_of(s), thread->id, title, &err), &err, "rename");
}

bool act_trim(struct stage *s)
{
    struct avj_error err = {.status = AVJ_OK};
    const struct doc *thread = some_visible(s, AVJ_THREAD);
    if (!thread)
        return true;
    struct contents c = messages_of(s->replica, thread->id);
    if (!c.count)
        return true;
    size_t from = (size_t)test_rng_below(&s->rng, c.count), deleted = 0, wanted = 0;
    enum avj_status status =
        avj_thread_trim(store_of(s), thread->id, c.docs[from]->id, &deleted, &err);
    for (size_t i = 0; i < c.count; i++)
        if (fields_time(&c.fields[i], "createdAt") >= fields_time(&c.fields[from], "createdAt")) {
            expect_mutation(s, AVJ_DELETE, AVJ_MESSAGE, c.docs[i]->id, NULL);
            wanted++;
        }
    if (deleted != wanted)
        world_fail(s->world, "trimming deleted %zu instead of %zu", deleted, wanted);
    return replica_expect(s->replica, AVJ_OK, status, &err, "trim");
}

bool act_delete_thread(struct stage *s)
{
    struct avj_error err = {.status = AVJ_OK};
    const struct doc *thread = some_visible(s, AVJ_THREAD);
    if (!thread)
        return true;
    struct contents c = messages_of(s->replica, thread->id);
    for (size_t i = 0; i < c.count; i++)
        expect_mutation(s, AVJ_DELETE, AVJ_MESSAGE, c.docs[i]->id, NULL);
    c.count = gather(s->replica, AVJ_SUMMARY, thread->id, c.docs, c.fields);
    for (size_t i = 0; i < c.count; i++)
        expect_mutation(s, AVJ_DELETE, AVJ_SUMMARY, c.docs[i]->id, NULL);
    expect_mutation(s, AVJ_DELETE, AVJ_THREAD, thread->id, NULL);
    return replica_expect(s->replica, AVJ_OK, avj_thread_delete(store_of(s), thread->id, &err),
                          &err, "delete a thread");
}

/* ---- branching ---- */

static bool is_up_to(const struct contents *c, size_t i, size_t upto)
{
    int64_t a = fields_time(&c->fields[i], "createdAt");
    int64_t b = fields_time(&c->fields[upto], "createdAt");
    return a < b || (a == b && strcmp(c->docs[i]->id, c->docs[upto]->id) <= 0);
}

/* The copy that the library made of a message: ids are not foreseen, contents are. */
static bool expect_copy(struct stage *s, const struct contents *c, size_t i, const char *branch,
                        const struct avj_doc *got)
{
    struct fieldmap want = c->fields[i], have = fields_unpack(got->fields);
    const char *id = text_printf("%s", got->id);
    field_set(&want, "id", text_printf("\"%s\"", id));
    field_set(&want, "threadId", text_printf("\"%s\"", branch));
    fields_sort(AVJ_MESSAGE, &want);
    if (!fields_equal(&want, &have)) {
        world_fail(s->world, "branch: %s is no copy of %s", fields_text(&have), fields_text(&want));
        return false;
    }
    expect_mutation(s, AVJ_CREATE, AVJ_MESSAGE, id, &want);
    return true;
}

static void expect_branch(struct stage *s, const struct doc *thread, const char *id)
{
    struct fieldmap f;
    const char *now = time_json(replica_stamp(s->replica), 0);
    (void)doc_visible(thread, &f);
    field_set(&f, "id", text_printf("\"%s\"", id));
    field_set(&f, "createdAt", now);
    field_set(&f, "updatedAt", now);
    field_set(&f, "lastMessageAt", now);
    field_set(&f, "isBranched", "true");
    field_set(&f, "isPinned", "false");
    field_remove(&f, "isShared");
    field_remove(&f, "shareId");
    field_remove(&f, "sharedAt");
    expect_mutation(s, AVJ_CREATE, AVJ_THREAD, id, &f);
}

/* Indices of the messages up to `upto`, as they stand in the thread. */
static size_t in_order(const struct contents *c, size_t upto, size_t *order)
{
    size_t count = 0;
    for (size_t i = 0; i < c->count; i++) {
        if (!is_up_to(c, i, upto))
            continue;
        size_t at = count++;
        for (; at > 0 && is_up_to(c, i, order[at - 1]); at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    return count;
}

bool act_branch(struct stage *s)
{
    struct avj_error err = {.status = AVJ_OK};
    const struct doc *thread = some_visible(s, AVJ_THREAD);
    char id[AVJ_ID_TEXT];
    if (!thread || s->replica->oracle.doc_count > 120)
        return true;
    struct contents c = messages_of(s->replica, thread->id);
    if (!c.count)
        return true;
    size_t upto = (size_t)test_rng_below(&s->rng, c.count), order[256], count = 0;
    size_t wanted = in_order(&c, upto, order);
    const struct avj_doc *docs = NULL;
    enum avj_status status = avj_thread_branch(store_of(s), thread->id, c.docs[upto]->id, id, &err);
    if (!replica_expect(s->replica, AVJ_OK, status, &err, "branch"))
        return false;
    const char *branch = text_printf("%s", id);
    expect_branch(s, thread, branch);
    status = avj_store_messages(store_of(s), branch, NULL, 0, &docs, &count, &err);
    if (!replica_expect(s->replica, AVJ_OK, status, &err, "read a branch"))
        return false;
    if (count != wanted)
        world_fail(s->world, "branch: %zu messages instead of %zu", count, wanted);
    for (size_t i = 0; count == wanted && i < count; i++)
        if (!expect_copy(s, &c, order[i], branch, &docs[i]))
            return false;
    return count == wanted;
}

/* ---- a person decides ---- */

static struct doc *some_pending(struct stage *s, bool parked)
{
    const struct oracle *o = &s->replica->oracle;
    size_t count = 0;
    struct doc *chosen = NULL;
    for (size_t i = 0; i < o->doc_count; i++)
        if (o->docs[i]->pending_count && (!parked || o->docs[i]->parked) &&
            test_rng_below(&s->rng, ++count) == 0)
            chosen = o->docs[i];
    return chosen;
}

bool act_drop(struct stage *s)
{
    struct avj_error err = {.status = AVJ_OK};
    struct doc *d = some_pending(s, test_rng_below(&s->rng, 2) == 0);
    if (!d)
        return true;
    world_tell(s->world, "  of %s %s", kind_name(d->entity), d->id);
    for (size_t i = 0; i < d->pending_count; i++)
        tokens_overrule(s->world, d->entity, d->id, &d->pending[i].fields, NULL);
    (void)replica_stamp(s->replica);
    oracle_drop(&s->replica->oracle, d->entity, d->id);
    return replica_expect(s->replica, AVJ_OK, avj_sync_drop(store_of(s), d->entity, d->id, &err),
                          &err, "drop");
}

bool act_retry(struct stage *s)
{
    struct avj_error err = {.status = AVJ_OK};
    struct doc *d = some_pending(s, true);
    if (!d)
        return true;
    (void)replica_stamp(s->replica);
    oracle_retry(&s->replica->oracle, d->entity, d->id);
    return replica_expect(s->replica, AVJ_OK, avj_sync_retry(store_of(s), d->entity, d->id, &err),
                          &err, "retry");
}

/* The number of the i-th conflict, 0: the library has none there. */
static uint64_t conflict_seq(struct stage *s, size_t i)
{
    struct avj_error err = {.status = AVJ_OK};
    const struct avj_conflict *list;
    size_t count = 0;
    enum avj_status status = avj_store_conflicts(store_of(s), &list, &count, &err);
    return status == AVJ_OK && i < count ? list[i].seq : 0;
}

static bool some_loss(struct stage *s, size_t *i, struct loss *loss)
{
    const struct oracle *o = &s->replica->oracle;
    if (!o->loss_count)
        return false;
    *i = (size_t)test_rng_below(&s->rng, o->loss_count);
    *loss = o->losses[*i];
    return true;
}

bool act_restore(struct stage *s)
{
    struct avj_error err = {.status = AVJ_OK};
    struct loss loss;
    struct fieldmap shown;
    size_t i;
    if (!some_loss(s, &i, &loss))
        return true;
    const struct doc *d = oracle_find(&s->replica->oracle, loss.entity, loss.id);
    if (!doc_visible(d, &shown) || !has_room(d))
        return true; /* what is made anew of the past is told by other tests */
    uint64_t seq = conflict_seq(s, i);
    expect_mutation(s, AVJ_UPDATE, loss.entity, loss.id, &loss.fields);
    oracle_forget_loss(&s->replica->oracle, i);
    return replica_expect(s->replica, AVJ_OK, avj_conflict_restore(store_of(s), seq, &err), &err,
                          "restore a conflict");
}

bool act_dismiss(struct stage *s)
{
    struct avj_error err = {.status = AVJ_OK};
    struct loss loss;
    size_t i;
    if (!some_loss(s, &i, &loss))
        return true;
    uint64_t seq = conflict_seq(s, i);
    tokens_overrule(s->world, loss.entity, loss.id, &loss.fields, NULL);
    (void)replica_stamp(s->replica);
    oracle_forget_loss(&s->replica->oracle, i);
    return replica_expect(s->replica, AVJ_OK, avj_conflict_dismiss(store_of(s), seq, &err), &err,
                          "dismiss a conflict");
}
