/* The merge rules: see merge.h and MERGE.md. */
#include "replay/merge.h"
#include "replay/clock.h"
#include "replay/table.h"

#include <stdlib.h>
#include <string.h>

/*
 * One field of the document: what the server has in it now, and whether what is believed of it is
 * that.  Names and values point into the bytes of rows and pending mutations.
 */
struct known_field {
    struct avj_value name, now; /* nil: absent */
    bool missing;               /* the deployment has no such attribute */
    bool given;                 /* the server gives it a value of its own */
    bool written;               /* by one of the mutations believed in */
    bool seen;                  /* what is shown here, so far, is what the server has */
    bool told;                  /* that the server's was beaten: once is enough */
    bool differs;
};

struct merge {
    const struct avj_document *document;
    const struct avj_incoming *incoming;
    bool (*unsendable)(void *arg, enum avj_entity entity, const char *name, size_t len);
    void *arg;
    struct avj_plan *plan;
    bool now_absent; /* in the server's state after this one */
    struct avj_tree *now_tree, *base_tree;
    struct avj_value now, base;
    /* Every field of now, of base and of the mutations read so far. */
    struct avj_table fields;
    /* Believed: base with the mutations up to some one. */
    bool believed_absent;
    size_t unshown; /* written fields that the server's state does not show */
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
    uint64_t theirs = in->dropped ? in->hash : avj_hash64(in->fields.data, in->fields.len);
    uint64_t ours = row->dropped ? row->hash : avj_hash64(row->fields.data, row->fields.len);
    return theirs <= ours;
}

bool avj_merge_outlived(const struct avj_document *d, const struct avj_incoming *in)
{
    if (!in->deleted || !in->acknowledged || d->pending[in->acknowledged - 1].op != AVJ_DELETE)
        return false;
    for (const struct avj_known_row *row = d->rows; row; row = row->next)
        if (!row->deleted && strcmp(row->remote_id, in->remote_id) != 0)
            return true;
    return false;
}

bool avj_merge_reads(const struct avj_document *d, const struct avj_incoming *in)
{
    const struct avj_known_row *row = avj_document_row(d, in->remote_id);
    if (row && in->version_ms == row->version_ms && !in->deleted && !row->deleted)
        return true;
    return d->pending_count > in->acknowledged;
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

/* ---- fields by name ---- */

static bool same_name(const void *item, const void *key)
{
    const struct known_field *f = item;
    const struct avj_value *name = key;
    return f->name.len == name->len && memcmp(f->name.text, name->text, name->len) == 0;
}

/* NULL: out of memory. */
static struct known_field *need_field(struct merge *m, struct avj_value name)
{
    uint64_t hash = avj_hash64(name.text, name.len);
    struct known_field *f = avj_table_find(&m->fields, hash, same_name, &name);
    if (f)
        return f;
    f = calloc(1, sizeof(*f));
    if (!f || !avj_table_add(&m->fields, hash, f)) {
        free(f);
        return NULL;
    }
    enum avj_entity entity = m->document->entity;
    const struct avj_field *known = avj_field_find(entity, name.text, name.len);
    f->name = name;
    f->now = (struct avj_value){.kind = AVJ_NIL};
    f->missing = m->unsendable && m->unsendable(m->arg, entity, name.text, name.len);
    /* Where the deployment has no attribute for it, a creation time is the server's own. */
    f->given = known && known->form == AVJ_R_CREATED;
    return f;
}

static void free_fields(struct avj_table *fields)
{
    for (size_t i = 0; i < fields->cap; i++)
        free(fields->slots[i].item);
    avj_table_release(fields);
}

/* What the server shows of such a field says nothing about edits of it. */
static bool cannot_tell(const struct known_field *f)
{
    return f->given || f->missing;
}

static bool is_now(const struct merge *m, const struct known_field *f, struct avj_value value)
{
    return avj_field_same(m->document->entity, f->name, value, f->now);
}

/* ---- belief: base with the mutations up to some one ---- */

/* Only its ack knows what was kept back. */
static bool is_unshown(const struct known_field *f)
{
    return f->written && (f->missing || (f->differs && !f->given));
}

static enum avj_status read_now(struct merge *m)
{
    for (size_t i = 0; i < m->now.len; i++) {
        struct avj_value name, value;
        avj_value_pair(m->now, i, &name, &value);
        struct known_field *f = need_field(m, name);
        if (!f)
            return AVJ_ENOMEM;
        f->now = value;
    }
    return AVJ_OK;
}

static void believe_nothing(struct merge *m)
{
    m->believed_absent = true;
    for (size_t i = 0; i < m->fields.cap; i++) {
        struct known_field *f = m->fields.slots[i].item;
        if (!f)
            continue;
        m->unshown -= is_unshown(f);
        f->differs = f->now.kind != AVJ_NIL;
        m->unshown += is_unshown(f);
    }
}

/* Belief as it was before the first mutation. */
static enum avj_status believe_base(struct merge *m)
{
    m->unshown = 0;
    for (size_t i = 0; i < m->fields.cap; i++)
        if (m->fields.slots[i].item)
            ((struct known_field *)m->fields.slots[i].item)->written = false;
    believe_nothing(m);
    m->believed_absent = !avj_document_base(m->document);
    for (size_t i = 0; i < m->base.len; i++) {
        struct avj_value name, value;
        avj_value_pair(m->base, i, &name, &value);
        struct known_field *f = need_field(m, name);
        if (!f)
            return AVJ_ENOMEM;
        f->differs = !is_now(m, f, value);
    }
    return AVJ_OK;
}

static enum avj_status believe_write(struct merge *m, const struct avj_pending *p)
{
    /* An edit of what is gone writes nothing, and its fields are not there. */
    bool applies = p->op == AVJ_CREATE || !m->believed_absent;
    struct avj_tree *tree;
    struct avj_value op;
    enum avj_status status = parse(avj_blob_fields(&p->fields), &tree, &op);
    for (size_t i = 0; status == AVJ_OK && i < op.len; i++) {
        struct avj_value name, value;
        avj_value_pair(op, i, &name, &value);
        struct known_field *f = need_field(m, name);
        if (!f) {
            status = AVJ_ENOMEM;
            break;
        }
        m->unshown -= is_unshown(f);
        f->written = true;
        if (applies)
            f->differs = !is_now(m, f, value);
        m->unshown += is_unshown(f);
    }
    if (applies)
        m->believed_absent = false;
    avj_tree_free(tree);
    return status;
}

static enum avj_status believe(struct merge *m, const struct avj_pending *p)
{
    if (p->op != AVJ_DELETE)
        return believe_write(m, p);
    believe_nothing(m);
    return AVJ_OK;
}

/* Does the server's state now show everything that the mutations believed in wrote? */
static bool is_shown(const struct merge *m)
{
    if (m->now_absent || m->believed_absent)
        return m->now_absent && m->believed_absent;
    return m->unshown == 0;
}

/* The longest run of mutations that is shown, in one pass over all of them. */
static enum avj_status count_settled(struct merge *m, size_t *settled)
{
    *settled = m->incoming->acknowledged;
    enum avj_status status = believe_base(m);
    for (size_t i = 0; status == AVJ_OK && i < m->document->pending_count; i++) {
        status = believe(m, &m->document->pending[i]);
        if (i >= m->incoming->acknowledged && is_shown(m))
            *settled = i + 1;
    }
    return status;
}

static enum avj_status believe_settled(struct merge *m, size_t settled)
{
    enum avj_status status = believe_base(m);
    for (size_t i = 0; status == AVJ_OK && i < settled; i++)
        status = believe(m, &m->document->pending[i]);
    for (size_t i = 0; i < m->fields.cap; i++) {
        struct known_field *f = m->fields.slots[i].item;
        if (f)
            f->seen = !f->differs;
    }
    return status;
}

static enum avj_status add_clash(struct merge *m, uint64_t seq, bool remote_lost, const char *why,
                                 struct avj_pack *fields)
{
    struct avj_plan *plan = m->plan;
    if (fields->failed)
        return AVJ_ENOMEM;
    size_t count = plan->clash_count;
    if ((count & (count - 1)) == 0) { /* full, as room is made by doubling */
        struct avj_clash *grown =
            realloc(plan->clashes, (count ? 2 * count : 1) * sizeof(*plan->clashes));
        if (!grown)
            return AVJ_ENOMEM;
        plan->clashes = grown;
    }
    struct avj_clash *clash = &plan->clashes[plan->clash_count++];
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
                                const struct known_field *f, struct avj_value mine)
{
    struct avj_value now = f->now;
    if (cannot_tell(f) || !f->differs || is_now(m, f, mine))
        return STAYS;
    const struct avj_field *field = avj_field_find(m->document->entity, f->name.text, f->name.len);
    if (field && (field->flags & AVJ_FF_IMMUTABLE))
        return GIVES_WAY;
    if (field && field->merge == AVJ_M_MAX) {
        int64_t theirs = 0, ours = 0;
        bool have = now.kind == AVJ_TEXT && avj_time_parse(now.text, now.len, &theirs);
        bool mine_ok = mine.kind == AVJ_TEXT && avj_time_parse(mine.text, mine.len, &ours);
        return have && (!mine_ok || theirs >= ours) ? GIVES_WAY : STAYS;
    }
    int64_t mine_ms = avj_hlc_ms(p->hlc) + m->incoming->clock_offset_ms;
    return m->incoming->version_ms > mine_ms ? LOSES : WINS;
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
    for (size_t i = 0; status == AVJ_OK && i < op.len; i++) {
        struct avj_value name, value;
        avj_value_pair(op, i, &name, &value);
        struct known_field *f = need_field(m, name);
        if (!f) {
            status = AVJ_ENOMEM;
            break;
        }
        enum verdict verdict = judge_field(m, p, f, value);
        if (verdict == STAYS || verdict == WINS)
            put_pair(&s.stays, &s.stay_count, name, value);
        if (verdict == LOSES)
            put_pair(&s.lost, &s.lost_count, name, value);
        if (verdict == WINS && !f->told)
            put_pair(&s.beaten, &s.beaten_count, name, f->now);
        f->told = f->told || verdict == WINS;
        f->seen = is_now(m, f, value);
        changed = changed || verdict != STAYS;
    }
    if (status == AVJ_OK && changed)
        status = finish_split(m, index, &s);
    avj_pack_release(&s.stays);
    avj_pack_release(&s.lost);
    avj_pack_release(&s.beaten);
    avj_tree_free(tree);
    return status;
}

/* A pending delete meets a newer edit: the delete wins; what was not seen when it was made is kept
 * as lost. */
static enum avj_status meet_edit_with_delete(struct merge *m, size_t index)
{
    struct avj_pack beaten = {0};
    size_t count = 0;
    for (size_t i = 0; i < m->now.len; i++) {
        struct avj_value name, value;
        avj_value_pair(m->now, i, &name, &value);
        const struct known_field *f = need_field(m, name);
        if (f && !cannot_tell(f) && f->differs && !f->seen && !f->told)
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
    for (size_t i = settled; status == AVJ_OK && i < m->document->pending_count; i++) {
        if (m->document->pending[i].op == AVJ_DELETE)
            return meet_edit_with_delete(m, i); /* what is made anew behind it is another one */
        status = meet_edit(m, i);
    }
    return status;
}

/* What became of them is known where compaction took their fields. */
static bool is_history(const struct merge *m)
{
    for (size_t i = 0; i < m->document->pending_count; i++)
        if (m->document->pending[i].settled_at)
            return !m->now_absent; /* a delete is met without a look at fields */
    return false;
}

static void follow_history(struct merge *m)
{
    for (size_t i = 0; i < m->document->pending_count; i++) {
        uint64_t settled_at = m->document->pending[i].settled_at;
        bool settled = settled_at ? settled_at <= m->incoming->seq : i < m->incoming->acknowledged;
        m->plan->fates[i] = settled ? AVJ_FATE_SETTLED : AVJ_FATE_KEEP;
    }
}

static enum avj_status plan_pending(struct merge *m)
{
    size_t settled = m->document->pending_count;
    struct avj_fields now, base = {NULL, 0};
    const struct avj_known_row *row = avj_document_base(m->document);
    if (row)
        base = avj_blob_fields(&row->fields);
    state_after(m, &now, &m->now_absent);
    if (is_history(m)) {
        follow_history(m);
        return AVJ_OK;
    }
    enum avj_status status = AVJ_OK;
    if (m->incoming->acknowledged < settled) {
        status = parse(now, &m->now_tree, &m->now);
        if (status == AVJ_OK)
            status = parse(base, &m->base_tree, &m->base);
        if (status == AVJ_OK)
            status = read_now(m);
        if (status == AVJ_OK)
            status = count_settled(m, &settled);
        if (status == AVJ_OK && settled < m->document->pending_count)
            status = believe_settled(m, settled);
    }
    if (status == AVJ_OK)
        status = meet_all(m, settled);
    avj_tree_free(m->now_tree);
    avj_tree_free(m->base_tree);
    free_fields(&m->fields);
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
    for (size_t i = 0; i < incoming->acknowledged; i++)
        plan->fates[i] = AVJ_FATE_SETTLED;
    if (incoming->acknowledged == plan->count)
        return AVJ_OK;
    struct merge m = {document, incoming, unsendable, arg, plan, .now_absent = false};
    enum avj_status status = AVJ_OK;
    if (!plan->stale)
        status = plan_pending(&m);
    else if (incoming->acknowledged && !avj_document_base(document))
        /* What was acknowledged is gone again, and with it what later edits were made of. */
        status = meet_delete(&m, incoming->acknowledged);
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
