/* The merge rules: see merge.h and MERGE.md. */
#include "replay/merge.h"
#include "replay/clock.h"

#include <stdlib.h>
#include <string.h>

struct merge {
    const struct avj_document *document;
    const struct avj_incoming *incoming;
    bool (*unsendable)(void *arg, enum avj_entity entity, const char *name, size_t len);
    void *arg;
    struct avj_plan *plan;
    /* the server's state after this one, and what we believed it to be */
    bool now_absent, believed_absent;
    struct avj_tree *now_tree, *believed_tree;
    struct avj_value now, believed;
};

bool avj_merge_stale(const struct avj_document *d, const struct avj_incoming *in)
{
    const struct avj_known_row *row = avj_document_row(d, in->remote_id);
    if (!row)
        return false;
    if (in->version_ms != row->version_ms)
        return in->version_ms < row->version_ms;
    /* Equally new.  A delete carries the version of what it deletes; a state that comes behind its
     * own delete is history. */
    if (in->deleted || row->deleted)
        return row->deleted;
    /* Two states of one millisecond: any order of arrival must choose the same one. */
    uint64_t theirs = avj_hash64(in->fields.data, in->fields.len);
    uint64_t ours = avj_hash64(row->fields.data, row->fields.len);
    return theirs <= ours;
}

/* The row that would stand for the document once `incoming` is in. */
static void state_after(struct merge *m, struct avj_fields *fields, bool *absent)
{
    const struct avj_incoming *in = m->incoming;
    const struct avj_known_row *best = NULL;
    bool incoming_best = !in->deleted;
    for (const struct avj_known_row *row = m->document->rows; row; row = row->next) {
        if (row->deleted || strcmp(row->remote_id, in->remote_id) == 0)
            continue;
        if (!best || row->version_ms > best->version_ms ||
            (row->version_ms == best->version_ms && strcmp(row->remote_id, best->remote_id) > 0))
            best = row;
    }
    if (best && incoming_best)
        incoming_best =
            in->version_ms > best->version_ms ||
            (in->version_ms == best->version_ms && strcmp(in->remote_id, best->remote_id) > 0);
    *absent = !incoming_best && !best;
    *fields = incoming_best ? in->fields
              : best        ? avj_blob_fields(&best->fields)
                            : (struct avj_fields){NULL, 0};
}

static enum avj_status parse(struct avj_fields fields, struct avj_tree **tree,
                             struct avj_value *root)
{
    *tree = NULL;
    *root = (struct avj_value){.kind = AVJ_MAP};
    if (!fields.len)
        return AVJ_OK;
    enum avj_status status = avj_tree_parse(fields.data, fields.len, tree);
    if (status == AVJ_OK)
        *root = avj_tree_root(*tree);
    return status;
}

static struct avj_value get(struct avj_value map, struct avj_value name)
{
    for (size_t i = 0; i < map.len; i++) {
        struct avj_value key, value;
        avj_value_pair(map, i, &key, &value);
        if (key.len == name.len && memcmp(key.text, name.text, name.len) == 0)
            return value;
    }
    return (struct avj_value){.kind = AVJ_NIL};
}

static bool is_unsendable(const struct merge *m, struct avj_value name)
{
    return m->unsendable && m->unsendable(m->arg, m->document->entity, name.text, name.len);
}

/* Where the deployment has no attribute for it, a creation time is the server's own. */
static bool given_by_server(const struct merge *m, struct avj_value name)
{
    const struct avj_field *field = avj_field_find(m->document->entity, name.text, name.len);
    return field && field->form == AVJ_R_CREATED;
}

/* What the server shows of such a field says nothing about edits of it. */
static bool cannot_tell(const struct merge *m, struct avj_value name)
{
    return given_by_server(m, name) || is_unsendable(m, name);
}

static bool same_field(const struct merge *m, struct avj_value name, struct avj_value a,
                       struct avj_value b)
{
    return avj_field_same(m->document->entity, name, a, b);
}

/* Does the server's state now show everything that pending mutations 0 .. count-1 wrote? */
static enum avj_status shows(struct merge *m, size_t count, bool *result)
{
    const struct avj_document *d = m->document;
    struct avj_blob state;
    bool absent;
    *result = false;
    enum avj_status status = avj_document_state(d, count, &absent, &state);
    if (status != AVJ_OK)
        return status;
    if (absent || m->now_absent) {
        *result = absent && m->now_absent;
        avj_blob_release(&state);
        return AVJ_OK;
    }
    struct avj_tree *tree;
    struct avj_value expected;
    status = parse(avj_blob_fields(&state), &tree, &expected);
    bool same = status == AVJ_OK;
    for (size_t i = 0; same && i < count; i++) {
        struct avj_tree *op_tree;
        struct avj_value op;
        status = parse(avj_blob_fields(&d->pending[i].fields), &op_tree, &op);
        for (size_t f = 0; status == AVJ_OK && same && f < op.len; f++) {
            struct avj_value name, value;
            avj_value_pair(op, f, &name, &value);
            /* Only its ack knows what was kept back. */
            same = !is_unsendable(m, name) &&
                   (given_by_server(m, name) ||
                    same_field(m, name, get(expected, name), get(m->now, name)));
        }
        avj_tree_free(op_tree);
        same = same && status == AVJ_OK;
    }
    *result = same;
    avj_tree_free(tree);
    avj_blob_release(&state);
    return status;
}

static enum avj_status count_settled(struct merge *m, size_t *settled)
{
    *settled = m->incoming->acknowledged;
    for (size_t count = m->document->pending_count; count > *settled; count--) {
        bool shown;
        enum avj_status status = shows(m, count, &shown);
        if (status != AVJ_OK)
            return status;
        if (shown) {
            *settled = count;
            break;
        }
    }
    return AVJ_OK;
}

static enum avj_status add_clash(struct merge *m, uint64_t seq, bool remote_lost, const char *why,
                                 struct avj_pack *fields)
{
    struct avj_plan *plan = m->plan;
    struct avj_clash *grown =
        realloc(plan->clashes, (plan->clash_count + 1) * sizeof(*plan->clashes));
    if (!grown || fields->failed)
        return AVJ_ENOMEM;
    plan->clashes = grown;
    struct avj_clash *clash = &grown[plan->clash_count++];
    *clash = (struct avj_clash){.seq = seq, .remote_lost = remote_lost, .why = why};
    avj_blob_take(&clash->fields, fields);
    return AVJ_OK;
}

/* ---- the remote row is gone ---- */

static enum avj_status meet_delete(struct merge *m, size_t settled)
{
    const struct avj_document *d = m->document;
    size_t keep_from = d->pending_count;
    for (size_t i = settled; i < d->pending_count; i++)
        if (d->pending[i].op == AVJ_CREATE &&
            (i > 0 || (!d->pending[i].attempted && !avj_document_base(d)))) {
            keep_from = i; /* made anew after the delete, or never connected with it */
            break;
        }
    enum avj_status status = AVJ_OK;
    for (size_t i = settled; status == AVJ_OK && i < keep_from; i++) {
        const struct avj_pending *p = &d->pending[i];
        m->plan->fates[i] = p->op == AVJ_DELETE ? AVJ_FATE_SETTLED : AVJ_FATE_LOST;
        if (p->op == AVJ_DELETE)
            continue;
        struct avj_pack lost = {0};
        avj_pack_raw(&lost, p->fields.data, p->fields.len);
        status =
            add_clash(m, p->seq, false, "edited here, deleted elsewhere: the delete wins", &lost);
        avj_pack_release(&lost);
    }
    return status;
}

/* ---- the remote row was edited ---- */

enum verdict { STAYS, GIVES_WAY, LOSES, WINS };

static enum verdict judge_field(const struct merge *m, const struct avj_pending *p,
                                struct avj_value name, struct avj_value mine)
{
    struct avj_value now = get(m->now, name);
    struct avj_value believed = get(m->believed, name);
    if (cannot_tell(m, name) || same_field(m, name, now, believed) ||
        same_field(m, name, now, mine))
        return STAYS;
    const struct avj_field *field = avj_field_find(m->document->entity, name.text, name.len);
    if (field && (field->flags & AVJ_FF_IMMUTABLE))
        return GIVES_WAY;
    if (field && field->merge == AVJ_M_MAX) {
        int64_t theirs = 0, ours = 0;
        bool have = now.kind == AVJ_TEXT && avj_time_parse(now.text, now.len, &theirs);
        bool mine_ok = mine.kind == AVJ_TEXT && avj_time_parse(mine.text, mine.len, &ours);
        return have && (!mine_ok || theirs >= ours) ? GIVES_WAY : STAYS;
    }
    return m->incoming->version_ms > avj_hlc_ms(p->hlc) ? LOSES : WINS;
}

struct split {
    struct avj_pack stays, lost, beaten;
    size_t stay_count, lost_count, beaten_count;
};

static void put_pair(struct avj_pack *pack, size_t *count, struct avj_value name,
                     struct avj_value value)
{
    avj_pack_value(pack, name);
    avj_pack_value(pack, value);
    (*count)++;
}

static void wrap_map(struct avj_pack *body, size_t count)
{
    struct avj_pack whole = {0};
    avj_pack_map(&whole, count);
    avj_pack_raw(&whole, body->data, body->len);
    whole.failed = whole.failed || body->failed;
    avj_pack_release(body);
    *body = whole;
}

static enum avj_status finish_split(struct merge *m, size_t index, struct split *s)
{
    const struct avj_pending *p = &m->document->pending[index];
    enum avj_status status = AVJ_OK;
    if (s->lost_count) {
        wrap_map(&s->lost, s->lost_count);
        status = add_clash(m, p->seq, false,
                           "edited in both places: the later edit, elsewhere, wins", &s->lost);
    }
    if (status == AVJ_OK && s->beaten_count) {
        wrap_map(&s->beaten, s->beaten_count);
        status = add_clash(m, p->seq, true, "edited in both places: the later edit, here, wins",
                           &s->beaten);
    }
    if (status != AVJ_OK)
        return status;
    if (s->stay_count == 0) {
        m->plan->fates[index] = s->lost_count ? AVJ_FATE_LOST : AVJ_FATE_SETTLED;
        return AVJ_OK;
    }
    wrap_map(&s->stays, s->stay_count);
    if (s->stays.failed)
        return AVJ_ENOMEM;
    m->plan->fates[index] = AVJ_FATE_TRIMMED;
    avj_blob_take(&m->plan->fields[index], &s->stays);
    return AVJ_OK;
}

static enum avj_status meet_edit(struct merge *m, size_t index)
{
    const struct avj_pending *p = &m->document->pending[index];
    struct avj_tree *tree;
    struct avj_value op;
    enum avj_status status = parse(avj_blob_fields(&p->fields), &tree, &op);
    if (status != AVJ_OK)
        return status;
    struct split s = {.stay_count = 0};
    bool changed = false;
    for (size_t f = 0; f < op.len; f++) {
        struct avj_value name, value;
        avj_value_pair(op, f, &name, &value);
        enum verdict verdict = judge_field(m, p, name, value);
        if (verdict == STAYS || verdict == WINS)
            put_pair(&s.stays, &s.stay_count, name, value);
        if (verdict == LOSES)
            put_pair(&s.lost, &s.lost_count, name, value);
        if (verdict == WINS)
            put_pair(&s.beaten, &s.beaten_count, name, get(m->now, name));
        changed = changed || verdict != STAYS;
    }
    if (changed)
        status = finish_split(m, index, &s);
    avj_pack_release(&s.stays);
    avj_pack_release(&s.lost);
    avj_pack_release(&s.beaten);
    avj_tree_free(tree);
    return status;
}

/* A pending delete meets a newer edit: the delete wins, the edit is kept as lost. */
static enum avj_status meet_edit_with_delete(struct merge *m, size_t index)
{
    if (m->believed_absent)
        return AVJ_OK;
    struct avj_pack beaten = {0};
    size_t count = 0;
    for (size_t f = 0; f < m->now.len; f++) {
        struct avj_value name, value;
        avj_value_pair(m->now, f, &name, &value);
        if (!cannot_tell(m, name) && !same_field(m, name, value, get(m->believed, name)))
            put_pair(&beaten, &count, name, value);
    }
    enum avj_status status = AVJ_OK;
    if (count) {
        wrap_map(&beaten, count);
        status = add_clash(m, m->document->pending[index].seq, true,
                           "deleted here, edited elsewhere: the delete wins", &beaten);
    }
    avj_pack_release(&beaten);
    return status;
}

static enum avj_status meet_all(struct merge *m, size_t settled)
{
    for (size_t i = 0; i < settled; i++)
        m->plan->fates[i] = AVJ_FATE_SETTLED;
    if (m->now_absent)
        return meet_delete(m, settled);
    enum avj_status status = AVJ_OK;
    for (size_t i = settled; status == AVJ_OK && i < m->document->pending_count; i++)
        status = m->document->pending[i].op == AVJ_DELETE ? meet_edit_with_delete(m, i)
                                                          : meet_edit(m, i);
    return status;
}

static enum avj_status plan_pending(struct merge *m)
{
    size_t settled;
    struct avj_blob believed = {0};
    struct avj_fields now;
    state_after(m, &now, &m->now_absent);
    enum avj_status status = parse(now, &m->now_tree, &m->now);
    if (status == AVJ_OK)
        status = count_settled(m, &settled);
    if (status == AVJ_OK)
        status = avj_document_state(m->document, settled, &m->believed_absent, &believed);
    if (status == AVJ_OK)
        status = parse(avj_blob_fields(&believed), &m->believed_tree, &m->believed);
    if (status == AVJ_OK)
        status = meet_all(m, settled);
    avj_tree_free(m->now_tree);
    avj_tree_free(m->believed_tree);
    avj_blob_release(&believed);
    return status;
}

enum avj_status
avj_merge_plan(const struct avj_document *document, const struct avj_incoming *incoming,
               bool (*unsendable)(void *arg, enum avj_entity entity, const char *name, size_t len),
               void *arg, struct avj_plan *plan)
{
    memset(plan, 0, sizeof(*plan));
    plan->stale = avj_merge_stale(document, incoming);
    plan->count = document->pending_count;
    if (plan->count == 0)
        return AVJ_OK;
    plan->fates = calloc(plan->count, sizeof(*plan->fates));
    plan->fields = calloc(plan->count, sizeof(*plan->fields));
    if (!plan->fates || !plan->fields) {
        avj_plan_release(plan);
        return AVJ_ENOMEM;
    }
    if (plan->stale) {
        /* It settles what it acknowledges and says nothing else. */
        for (size_t i = 0; i < incoming->acknowledged; i++)
            plan->fates[i] = AVJ_FATE_SETTLED;
        return AVJ_OK;
    }
    struct merge m = {document, incoming, unsendable, arg, plan, .now_absent = false};
    enum avj_status status = plan_pending(&m);
    if (status != AVJ_OK)
        avj_plan_release(plan);
    return status;
}

void avj_plan_release(struct avj_plan *plan)
{
    for (size_t i = 0; plan->fields && i < plan->count; i++)
        avj_blob_release(&plan->fields[i]);
    for (size_t i = 0; i < plan->clash_count; i++)
        avj_blob_release(&plan->clashes[i].fields);
    free(plan->fates);
    free(plan->fields);
    free(plan->clashes);
    memset(plan, 0, sizeof(*plan));
}
