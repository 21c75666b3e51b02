/* The fold: one function per entry type, by way of an open document.  See view.h and MERGE.md. */
#include "replay/clock.h"
#include "replay/view_private.h"

#include <stdlib.h>
#include <string.h>

const char *avj_view_learned(const struct avj_view *view, enum avj_entity entity, const char *field,
                             size_t len)
{
    for (size_t i = view->learned_count; i > 0; i--) {
        const struct avj_learned *l = &view->learned[i - 1];
        if (l->entity == entity && strlen(l->field) == len && memcmp(l->field, field, len) == 0)
            return l->what;
    }
    return NULL;
}

bool avj_view_unsendable(void *view, enum avj_entity entity, const char *name, size_t len)
{
    const char *what = avj_view_learned(view, entity, name, len);
    return what && strcmp(what, "missing") == 0;
}

/* ---- a document being changed ---- */

struct change {
    struct avj_edit edit;
    struct avj_before before;
    enum avj_entry_type type;
    bool nothing; /* was changed */
};

static enum avj_status no_memory(struct avj_error *err)
{
    return avj_fail(err, AVJ_ENOMEM, "out of memory");
}

static enum avj_status change_begin(struct avj_view *view, uint32_t number,
                                    enum avj_entry_type type, struct change *c,
                                    struct avj_error *err)
{
    c->type = type;
    c->nothing = false;
    avj_view_before(view, number, &c->before);
    return avj_edit_begin(view, number, &c->edit, err);
}

/* Every change of a document ends here, the failed ones too: `status` is what came of it. */
static enum avj_status change_end(struct avj_view *view, struct change *c, enum avj_status status,
                                  struct avj_error *err)
{
    if (status != AVJ_OK || c->nothing) {
        avj_view_put_back(view, c->edit.number, c->edit.document);
        return status == AVJ_ENOMEM ? no_memory(err) : status;
    }
    status = avj_edit_end(view, &c->edit, err);
    if (status == AVJ_OK)
        avj_view_tell(view, c->type, c->edit.number, &c->before);
    return status;
}

static void unpark(struct avj_document *d)
{
    d->parked = false;
    free(d->reject_type);
    free(d->reject_message);
    d->reject_type = d->reject_message = NULL;
}

/* Documents are taken out of their entries by this; the error text is the same for all. */
static enum avj_status lacks(const struct avj_entry *e, const char *what, struct avj_error *err)
{
    return avj_fail(err, AVJ_EFORMAT, "entry of type %s: %s is missing or of the wrong kind",
                    avj_entry_type_name(e->type), what);
}

static uint32_t find(const struct avj_view *view, const struct avj_entry *e)
{
    return avj_view_find(view, e->entity, e->id.data, e->id.len);
}

/* ---- conflicts ---- */

static enum avj_status conflict_open(struct avj_view *view, uint64_t seq)
{
    if (view->conflict_count == view->conflict_cap) {
        size_t cap = view->conflict_cap ? view->conflict_cap * 2 : 16;
        uint64_t *grown = realloc(view->conflicts, cap * sizeof(*grown));
        if (!grown)
            return AVJ_ENOMEM;
        view->conflicts = grown;
        view->conflict_cap = cap;
    }
    view->conflicts[view->conflict_count++] = seq;
    view->counts.conflicts = view->conflict_count;
    return AVJ_OK;
}

/* Restored, or dismissed: it needs nobody any more. */
static void conflict_close(struct avj_view *view, uint64_t seq)
{
    size_t kept = 0;
    for (size_t i = 0; i < view->conflict_count; i++)
        if (view->conflicts[i] != seq)
            view->conflicts[kept++] = view->conflicts[i];
    view->conflict_count = kept;
    view->counts.conflicts = kept;
}

static enum avj_status fold_conflict(struct avj_view *view, const struct avj_entry *e, uint64_t seq)
{
    struct avj_value op;
    (void)avj_value_get(e->root, "o", &op);
    if (avj_value_text_is(op, "dismiss"))
        conflict_close(view, (uint64_t)avj_value_get_int(e->root, "s", 0));
    else if (conflict_open(view, seq) != AVJ_OK)
        return AVJ_ENOMEM;
    avj_view_tell_status(view, e->type);
    return AVJ_OK;
}

/* ---- local ---- */

static enum avj_op op_of(const struct avj_entry *e)
{
    struct avj_value v;
    (void)avj_value_get(e->root, "o", &v);
    for (int op = 0; op < AVJ_OPS; op++)
        if (avj_value_text_is(v, avj_op_name((enum avj_op)op)))
            return (enum avj_op)op;
    return AVJ_OPS;
}

static enum avj_status pending_of(const struct avj_entry *e, uint64_t seq, struct avj_pending *p,
                                  struct avj_pack *fields, struct avj_error *err)
{
    *p = (struct avj_pending){.seq = seq, .hlc = e->hlc, .op = op_of(e)};
    if (p->op == AVJ_OPS)
        return lacks(e, "o", err);
    if (p->op == AVJ_DELETE)
        return AVJ_OK;
    struct avj_value map;
    struct avj_stub stub;
    if (avj_stub_of(e, &stub)) {
        p->settled_at = stub.settled_at;
        avj_pack_raw(fields, avj_dropped_fields.data, avj_dropped_fields.len);
        return fields->failed ? AVJ_ENOMEM : AVJ_OK;
    }
    if (!avj_value_get(e->root, "f", &map) || map.kind != AVJ_MAP)
        return lacks(e, "f", err);
    enum avj_status status = avj_fields_canonical(e->entity, map, p->op == AVJ_CREATE, fields);
    return status == AVJ_EFORMAT ? lacks(e, "f", err) : status;
}

/* What is visible must be known before a mutation is put on top. */
static enum avj_status derive(struct avj_view *view, struct avj_document *d, struct avj_error *err)
{
    if (d->derived)
        return AVJ_OK;
    enum avj_status status = avj_view_load(view, d, err);
    if (status == AVJ_OK && avj_document_derive(d) != AVJ_OK)
        status = no_memory(err);
    return status;
}

/* A mutation, whichever way its entry was read. */
static enum avj_status put_local(struct avj_view *view, uint32_t number,
                                 const struct avj_pending *p, struct avj_fields fields,
                                 struct avj_error *err)
{
    if (!number)
        return no_memory(err);
    if (p->op != AVJ_CREATE && !avj_view_visible(view, number))
        return AVJ_OK; /* another process deleted it first: the delete wins */
    struct change c;
    enum avj_status status = change_begin(view, number, AVJ_E_LOCAL, &c, err);
    if (status != AVJ_OK)
        return status;
    unpark(c.edit.document); /* what was refused is not what will be sent now */
    status = derive(view, c.edit.document, err);
    if (status == AVJ_OK)
        status = avj_document_push_pending(c.edit.document, p, fields);
    if (status == AVJ_OK)
        status = avj_outbox_add(view, p->seq, number);
    return change_end(view, &c, status, err);
}

static enum avj_status fold_local(struct avj_view *view, const struct avj_entry *e, uint64_t seq,
                                  struct avj_error *err)
{
    struct avj_pending p;
    struct avj_pack fields = {0};
    enum avj_status status = pending_of(e, seq, &p, &fields, err);
    if (status == AVJ_OK) {
        int64_t settles = avj_value_get_int(e->root, "c", 0);
        if (settles > 0)
            conflict_close(view, (uint64_t)settles);
        status = put_local(view, avj_view_need(view, e->entity, e->id), &p,
                           (struct avj_fields){fields.data, fields.len}, err);
    }
    avj_pack_release(&fields);
    return status;
}

enum avj_status avj_fold_update(struct avj_view *view, uint64_t seq, const struct avj_prepared *e,
                                struct avj_error *err)
{
    const struct avj_glance *g = &e->glance;
    const struct avj_pending p = {.seq = seq, .hlc = g->hlc, .op = g->op};
    bool added;
    return put_local(view, avj_slots_need_key(&view->slots, &e->key, &added), &p, g->f, err);
}

/* ---- push, reject, retry, drop ---- */

static enum avj_status mark_attempted(struct avj_view *view, uint32_t number, uint64_t upto,
                                      struct avj_error *err)
{
    struct avj_slot *slot = avj_view_slot(view, number);
    if ((slot->flags & AVJ_SLOT_PENDING) && avj_slot_body(slot) <= upto)
        slot->flags |= AVJ_SLOT_ATTEMPTED;
    if (!(slot->flags & AVJ_SLOT_OPEN))
        return AVJ_OK;
    struct avj_document *d;
    enum avj_status status = avj_view_open(view, number, &d, err);
    for (size_t p = 0; status == AVJ_OK && p < d->pending_count; p++)
        if (d->pending[p].seq <= upto)
            d->pending[p].attempted = true;
    return status;
}

static enum avj_status fold_push(struct avj_view *view, const struct avj_entry *e,
                                 struct avj_error *err)
{
    struct avj_value list;
    if (!avj_value_get(e->root, "d", &list) || list.kind != AVJ_LIST)
        return lacks(e, "d", err);
    enum avj_status status = AVJ_OK;
    for (size_t i = 0; status == AVJ_OK && i < list.len; i++) {
        struct avj_value item = avj_value_item(list, i);
        if (item.kind != AVJ_LIST || item.len < 4)
            return lacks(e, "d", err);
        struct avj_value kind = avj_value_item(item, 0), id = avj_value_item(item, 1);
        struct avj_value upto = avj_value_item(item, 3);
        if (kind.kind != AVJ_TEXT || id.kind != AVJ_TEXT || upto.kind != AVJ_INT)
            return lacks(e, "d", err);
        enum avj_entity entity = avj_entity_from_kind(kind.text, kind.len);
        uint32_t number = entity == AVJ_ENTITIES ? 0 : avj_view_find(view, entity, id.text, id.len);
        if (number)
            status = mark_attempted(view, number, (uint64_t)upto.integer, err);
    }
    return status;
}

static size_t pending_up_to(const struct avj_document *d, uint64_t seq)
{
    size_t count = 0;
    while (count < d->pending_count && d->pending[count].seq <= seq)
        count++;
    return count;
}

static enum avj_status park(struct avj_document *d, const struct avj_entry *e, uint64_t upto)
{
    unpark(d);
    /* A later edit has not been refused yet. */
    d->parked = pending_up_to(d, upto) == d->pending_count;
    d->reject_status = (int)avj_value_get_int(e->root, "x", 0);
    bool ok = avj_text_replace(&d->reject_type, avj_value_get_text(e->root, "y")) &&
              avj_text_replace(&d->reject_message, avj_value_get_text(e->root, "m"));
    return ok ? AVJ_OK : AVJ_ENOMEM;
}

static enum avj_status fold_reject(struct avj_view *view, const struct avj_entry *e,
                                   struct avj_error *err)
{
    int64_t upto = avj_value_get_int(e->root, "s", -1);
    if (upto < 0)
        return lacks(e, "s", err);
    uint32_t number = find(view, e);
    if (!number) {
        view->counts.unmatched_acks++;
        return AVJ_OK;
    }
    struct change c;
    enum avj_status status = change_begin(view, number, e->type, &c, err);
    if (status != AVJ_OK)
        return status;
    c.nothing = pending_up_to(c.edit.document, (uint64_t)upto) == 0;
    if (c.nothing)
        view->counts.unmatched_acks++;
    else
        status = park(c.edit.document, e, (uint64_t)upto);
    return change_end(view, &c, status, err);
}

static enum avj_status fold_retry(struct avj_view *view, const struct avj_entry *e,
                                  struct avj_error *err)
{
    uint32_t number = find(view, e);
    struct change c;
    if (!number)
        return AVJ_OK;
    enum avj_status status = change_begin(view, number, e->type, &c, err);
    if (status != AVJ_OK)
        return status;
    unpark(c.edit.document);
    return change_end(view, &c, AVJ_OK, err);
}

static enum avj_status fold_drop(struct avj_view *view, const struct avj_entry *e,
                                 struct avj_error *err)
{
    int64_t upto = avj_value_get_int(e->root, "s", -1);
    if (upto < 0)
        return lacks(e, "s", err);
    uint32_t number = find(view, e);
    struct change c;
    if (!number)
        return AVJ_OK;
    enum avj_status status = change_begin(view, number, e->type, &c, err);
    if (status != AVJ_OK)
        return status;
    unpark(c.edit.document);
    avj_document_drop_first(c.edit.document, pending_up_to(c.edit.document, (uint64_t)upto));
    return change_end(view, &c, AVJ_OK, err);
}

/* ---- server states: ack and remote ---- */

struct state {
    struct avj_incoming incoming;
    struct avj_slice remote_id, version;
    struct avj_pack fields;
    char *texts; /* remote id and version, NUL-terminated */
};

static void state_release(struct state *s)
{
    avj_pack_release(&s->fields);
    free(s->texts);
}

static enum avj_status state_of(const struct avj_entry *e, struct state *s, struct avj_error *err)
{
    memset(s, 0, sizeof(*s));
    s->remote_id = avj_value_get_text(e->root, "r");
    s->version = avj_value_get_text(e->root, "v");
    if (!s->remote_id.len || memchr(s->remote_id.data, 0, s->remote_id.len))
        return lacks(e, "r", err);
    struct avj_value fields;
    struct avj_stub stub;
    s->incoming.dropped = avj_stub_of(e, &stub);
    s->incoming.hash = stub.hash;
    s->incoming.deleted =
        !s->incoming.dropped && (!avj_value_get(e->root, "f", &fields) || fields.kind == AVJ_NIL);
    if (!s->incoming.deleted && !s->incoming.dropped && fields.kind != AVJ_MAP)
        return lacks(e, "f", err);
    if (s->version.data)
        (void)avj_time_parse(s->version.data, s->version.len, &s->incoming.version_ms);
    s->texts = malloc(s->remote_id.len + s->version.len + 2);
    if (!s->texts)
        return AVJ_ENOMEM;
    memcpy(s->texts, s->remote_id.data, s->remote_id.len);
    s->texts[s->remote_id.len] = 0;
    char *version = s->texts + s->remote_id.len + 1;
    if (s->version.len)
        memcpy(version, s->version.data, s->version.len);
    version[s->version.len] = 0;
    s->incoming.remote_id = s->texts;
    s->incoming.version = version;
    if (s->incoming.deleted)
        return AVJ_OK;
    enum avj_status status = AVJ_OK;
    if (s->incoming.dropped)
        avj_pack_raw(&s->fields, avj_dropped_fields.data, avj_dropped_fields.len);
    else
        status = avj_fields_canonical(e->entity, fields, true, &s->fields);
    if (s->fields.failed)
        return AVJ_ENOMEM;
    s->incoming.fields = (struct avj_fields){s->fields.data, s->fields.len};
    return status == AVJ_EFORMAT ? lacks(e, "f", err) : status;
}

static enum avj_status put_row(struct avj_view *view, struct change *c, uint64_t seq,
                               struct state *s)
{
    struct avj_document *d = c->edit.document;
    struct avj_known_row *row = avj_document_row(d, s->incoming.remote_id);
    if (!row) {
        row = avj_document_add_row(d, s->incoming.remote_id);
        if (!row ||
            avj_rows_note(view, c->edit.number, s->remote_id.data, s->remote_id.len) != AVJ_OK)
            return AVJ_ENOMEM;
    }
    struct avj_slice version = {s->incoming.version, strlen(s->incoming.version)};
    /* The ack of a delete carries no version of its own. */
    if ((version.len || !row->version) && !avj_text_replace(&row->version, version))
        return AVJ_ENOMEM;
    if (s->incoming.version_ms > row->version_ms)
        row->version_ms = s->incoming.version_ms;
    row->deleted = s->incoming.deleted;
    row->loaded = !row->deleted;
    row->seq = row->deleted ? 0 : seq;
    row->dropped = s->incoming.dropped;
    row->hash = s->incoming.hash;
    if (s->incoming.deleted)
        avj_blob_release(&row->fields);
    else
        avj_blob_take(&row->fields, &s->fields);
    if (!avj_document_base(d))
        avj_blob_release(&d->kept); /* what is made anew under this id begins empty */
    d->derived = false;
    return AVJ_OK;
}

static void trim(struct avj_pending *p, struct avj_blob *fields)
{
    avj_blob_release(&p->fields);
    p->fields = *fields;
    p->trimmed = p->loaded = true;
    *fields = (struct avj_blob){0};
}

/* Pending mutations as the plan wants them. */
static void carry_out(struct avj_document *d, struct avj_plan *plan)
{
    size_t kept = 0;
    for (size_t i = 0; i < d->pending_count; i++) {
        enum avj_fate fate = i < plan->count ? plan->fates[i] : AVJ_FATE_KEEP;
        if (fate != AVJ_FATE_KEEP)
            d->derived = false;
        if (fate == AVJ_FATE_SETTLED || fate == AVJ_FATE_LOST) {
            avj_blob_release(&d->pending[i].fields);
            continue;
        }
        if (fate == AVJ_FATE_TRIMMED)
            trim(&d->pending[i], &plan->fields[i]);
        d->pending[kept++] = d->pending[i];
    }
    d->pending_count = kept;
    if (!d->pending_count)
        unpark(d);
}

static enum avj_status take_state(struct avj_view *view, struct change *c, uint64_t seq,
                                  struct state *s, struct avj_error *err)
{
    struct avj_document *d = c->edit.document;
    struct avj_plan plan;
    enum avj_status status = AVJ_OK;
    s->incoming.clock_offset_ms = view->clock_offset_ms;
    if (avj_merge_reads(d, &s->incoming))
        status = avj_view_load(view, d, err);
    if (status == AVJ_OK && avj_merge_reads(d, &s->incoming))
        status = avj_view_load_history(view, d, err);
    if (status != AVJ_OK)
        return status;
    s->incoming.seq = seq;
    status = avj_merge_plan(d, &s->incoming, avj_view_unsendable, view, &plan);
    if (status != AVJ_OK)
        return status;
    c->nothing = plan.stale && s->incoming.acknowledged == 0;
    if (!plan.stale)
        status = put_row(view, c, seq, s);
    if (status == AVJ_OK)
        carry_out(d, &plan);
    avj_plan_release(&plan);
    return status;
}

static enum avj_status fold_remote(struct avj_view *view, const struct avj_entry *e, uint64_t seq,
                                   struct avj_error *err)
{
    struct state s;
    enum avj_status status = state_of(e, &s, err);
    uint32_t number = status == AVJ_OK ? avj_view_need(view, e->entity, e->id) : 0;
    if (status == AVJ_OK && !number)
        status = AVJ_ENOMEM;
    struct change c;
    if (status == AVJ_OK)
        status = change_begin(view, number, e->type, &c, err);
    if (status == AVJ_OK)
        status = change_end(view, &c, take_state(view, &c, seq, &s, err), err);
    state_release(&s);
    return status;
}

/* ---- ack ---- */

struct names {
    struct avj_value list;
};

static bool is_named(void *arg, struct avj_value name, struct avj_value value)
{
    (void)value;
    const struct names *names = arg;
    for (size_t i = 0; i < names->list.len; i++)
        if (avj_value_equal(avj_value_item(names->list, i), name))
            return true;
    return false;
}

/* Fields that were acknowledged without having been sent stay here. */
static enum avj_status keep_back(struct avj_document *d, size_t settled, struct avj_value list)
{
    struct names names = {list};
    enum avj_status status = AVJ_OK;
    d->derived = false;
    for (size_t i = 0; status == AVJ_OK && i < settled; i++) {
        struct avj_pack named = {0}, merged = {0};
        status =
            avj_fields_filter(avj_blob_fields(&d->pending[i].fields), is_named, &names, &named);
        struct avj_fields patch = {named.data, named.len};
        if (status == AVJ_OK)
            status = avj_fields_merge(d->entity, avj_blob_fields(&d->kept), patch, true, &merged);
        if (status == AVJ_OK)
            avj_blob_take(&d->kept, &merged);
        avj_pack_release(&named);
        avj_pack_release(&merged);
    }
    return status;
}

/* Nothing was sent: the mutations go, the rest stays as it is. */
static void settle_only(struct avj_document *d, size_t settled)
{
    avj_document_drop_first(d, settled);
    if (!avj_document_base(d))
        avj_blob_release(&d->kept);
    if (!d->pending_count)
        unpark(d);
}

static enum avj_status settle(struct avj_view *view, const struct avj_entry *e, struct change *c,
                              uint64_t seq, struct state *s, size_t settled, struct avj_error *err)
{
    struct avj_document *d = c->edit.document;
    enum avj_status status = AVJ_OK;
    struct avj_value kept;
    if (avj_value_get(e->root, "k", &kept) && kept.kind == AVJ_LIST && kept.len) {
        status = avj_view_load(view, d, err);
        if (status == AVJ_OK)
            status = keep_back(d, settled, kept);
    }
    if (status != AVJ_OK)
        return status;
    if (avj_value_get_int(e->root, "x", 0) == 0) {
        settle_only(d, settled);
        return AVJ_OK;
    }
    struct avj_known_row *row = avj_document_row(d, s->incoming.remote_id);
    if (s->incoming.deleted) {
        /* Logs of before told no version. */
        struct avj_value version;
        if (row && !avj_value_get(e->root, "v", &version))
            s->incoming.version_ms = row->version_ms;
    }
    s->incoming.acknowledged = settled;
    if (avj_merge_outlived(d, &s->incoming))
        return avj_merge_stale(d, &s->incoming) ? AVJ_OK : put_row(view, c, seq, s);
    return take_state(view, c, seq, s, err);
}

static enum avj_status fold_ack(struct avj_view *view, const struct avj_entry *e, uint64_t seq,
                                struct avj_error *err)
{
    int64_t upto = avj_value_get_int(e->root, "s", -1);
    if (upto < 0)
        return lacks(e, "s", err);
    struct state s = {.texts = NULL};
    enum avj_status status = AVJ_OK;
    if (avj_value_get_int(e->root, "x", 0) != 0)
        status = state_of(e, &s, err);
    uint32_t number = status == AVJ_OK ? avj_view_need(view, e->entity, e->id) : 0;
    if (status == AVJ_OK && !number)
        status = AVJ_ENOMEM;
    struct change c;
    if (status == AVJ_OK)
        status = change_begin(view, number, e->type, &c, err);
    if (status == AVJ_OK) {
        size_t settled = pending_up_to(c.edit.document, (uint64_t)upto);
        if (!settled)
            view->counts.unmatched_acks++;
        status = change_end(view, &c, settle(view, e, &c, seq, &s, settled, err), err);
        view->last_ack_ms = avj_hlc_ms(e->hlc);
    }
    state_release(&s);
    return status;
}

/* ---- gap, session ---- */

static enum avj_status fold_gap(struct avj_view *view, const struct avj_entry *e)
{
    struct avj_value op;
    (void)avj_value_get(e->root, "o", &op);
    if (avj_value_text_is(op, "open"))
        view->gap_open = true;
    if (avj_value_text_is(op, "close")) {
        view->gap_open = false;
        struct avj_slice until = avj_value_get_text(e->root, "w");
        if (until.data && !avj_text_replace(&view->swept, until))
            return AVJ_ENOMEM;
    }
    return AVJ_OK;
}

/* Records are lost for good: whatever they said of the server's state is to be fetched anew. */
static enum avj_status fold_repair(struct avj_view *view, const struct avj_entry *e)
{
    struct avj_value lost;
    if (!avj_value_get(e->root, "lost", &lost) || lost.kind != AVJ_LIST || lost.len == 0)
        return AVJ_OK;
    view->gap_open = true;
    free(view->swept);
    view->swept = NULL;
    return AVJ_OK;
}

static enum avj_status fold_init(struct avj_view *view, const struct avj_entry *e)
{
    static const char *const keys[] = {"endpoint", "project", "database"};
    bool ok = true;
    for (size_t i = 0; i < 3; i++)
        ok = ok && avj_text_replace(&view->upstream[i], avj_value_get_text(e->root, keys[i]));
    struct avj_value collections;
    (void)avj_value_get(e->root, "collections", &collections);
    for (int k = 0; k < AVJ_ENTITIES; k++) {
        struct avj_slice name =
            avj_value_get_text(collections, avj_schema((enum avj_entity)k)->kind);
        ok = ok && avj_text_replace(&view->upstream[3 + k], name);
    }
    return ok ? AVJ_OK : AVJ_ENOMEM;
}

static enum avj_status fold_learned(struct avj_view *view, const struct avj_entry *e)
{
    struct avj_slice kind = avj_value_get_text(e->root, "kind");
    struct avj_slice field = avj_value_get_text(e->root, "field");
    struct avj_slice what = avj_value_get_text(e->root, "what");
    enum avj_entity entity = kind.data ? avj_entity_from_kind(kind.data, kind.len) : AVJ_ENTITIES;
    if (entity == AVJ_ENTITIES || !field.data || !what.data)
        return AVJ_OK;
    struct avj_learned *grown =
        realloc(view->learned, (view->learned_count + 1) * sizeof(*view->learned));
    if (!grown)
        return AVJ_ENOMEM;
    view->learned = grown;
    struct avj_learned *l = &grown[view->learned_count];
    *l = (struct avj_learned){.entity = entity};
    if (!avj_text_replace(&l->field, field) || !avj_text_replace(&l->what, what)) {
        free(l->field);
        return AVJ_ENOMEM;
    }
    view->learned_count++;
    return AVJ_OK;
}

/* Who writes the journal, and until when: of that only streams show anything. */
static bool is_coming_or_going(const struct avj_entry *e)
{
    struct avj_value op;
    (void)avj_value_get(e->root, "o", &op);
    return avj_value_text_is(op, "open") || avj_value_text_is(op, "close") ||
           avj_value_text_is(op, "killed");
}

/* Who is gone writes no stream any more. */
static void fold_leaving(struct avj_view *view, const struct avj_entry *e)
{
    struct avj_value op;
    (void)avj_value_get(e->root, "o", &op);
    if (avj_value_text_is(op, "close"))
        avj_growings_left(view, e->session);
    if (avj_value_text_is(op, "killed"))
        avj_growings_left(view, avj_value_get_text(e->root, "who"));
}

static enum avj_status fold_session(struct avj_view *view, const struct avj_entry *e)
{
    struct avj_value op;
    (void)avj_value_get(e->root, "o", &op);
    if (avj_value_text_is(op, "init"))
        return fold_init(view, e);
    if (avj_value_text_is(op, "schema"))
        return fold_learned(view, e);
    if (avj_value_text_is(op, "clock")) {
        int64_t offset = avj_value_get_int(e->root, "d", 0);
        if (offset >= -AVJ_CLOCK_OFFSET_MAX_MS && offset <= AVJ_CLOCK_OFFSET_MAX_MS)
            view->clock_offset_ms = offset;
    }
    bool ok = true;
    if (avj_value_text_is(op, "login"))
        ok = avj_text_replace(&view->user, avj_value_get_text(e->root, "u"));
    return ok ? AVJ_OK : AVJ_ENOMEM; /* after a logout the journal still belongs to its user */
}

/* ---- the rest ---- */

static enum avj_status and_tell(struct avj_view *view, const struct avj_entry *e,
                                enum avj_status status)
{
    if (status == AVJ_OK)
        avj_view_tell_status(view, e->type);
    return status;
}

enum avj_status avj_fold(struct avj_view *view, const struct avj_entry *e, uint64_t seq,
                         struct avj_error *err)
{
    if (e->has_document && (e->id.len > AVJ_ID_MAX || memchr(e->id.data, 0, e->id.len)))
        return lacks(e, "i", err);
    switch (e->type) {
    case AVJ_E_LOCAL:
        return fold_local(view, e, seq, err);
    case AVJ_E_PUSH:
        return fold_push(view, e, err);
    case AVJ_E_ACK:
        return fold_ack(view, e, seq, err);
    case AVJ_E_REJECT:
        return fold_reject(view, e, err);
    case AVJ_E_RETRY:
        return fold_retry(view, e, err);
    case AVJ_E_DROP:
        return fold_drop(view, e, err);
    case AVJ_E_REMOTE:
        return fold_remote(view, e, seq, err);
    case AVJ_E_GAP:
        return and_tell(view, e, fold_gap(view, e));
    case AVJ_E_CONFLICT:
        return fold_conflict(view, e, seq);
    case AVJ_E_SESSION:
        if (!is_coming_or_going(e))
            return and_tell(view, e, fold_session(view, e));
        fold_leaving(view, e);
        return AVJ_OK;
    case AVJ_E_REPAIR:
        return and_tell(view, e, fold_repair(view, e));
    case AVJ_E_STREAM:
        return avj_fold_stream(view, e, seq, err);
    case AVJ_E_SERVER:
    case AVJ_E_HISTORY:
    case AVJ_ENTRY_TYPES:
        return AVJ_OK; /* kept in the log; nothing of it shows in this view */
    }
    return AVJ_OK;
}
