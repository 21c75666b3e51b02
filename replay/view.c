/* The fold: one function per entry type.  See view.h and MERGE.md. */
#include "replay/view_private.h"
#include "replay/clock.h"

#include <stdlib.h>
#include <string.h>

struct avj_view *avj_view_new(void)
{
    return calloc(1, sizeof(struct avj_view));
}

void avj_view_free(struct avj_view *view)
{
    if (!view)
        return;
    for (int e = 0; e < AVJ_ENTITIES; e++) {
        for (size_t i = 0; i < view->all_count[e]; i++)
            avj_document_free(view->all[e][i]);
        free(view->all[e]);
    }
    for (size_t i = 0; i < view->threads.cap; i++)
        avj_thread_index_free(view->threads.slots[i].item);
    avj_table_release(&view->documents);
    avj_table_release(&view->rows);
    avj_table_release(&view->threads);
    for (size_t i = 0; i < sizeof(view->upstream) / sizeof(view->upstream[0]); i++)
        free(view->upstream[i]);
    for (size_t i = 0; i < view->learned_count; i++) {
        free(view->learned[i].field);
        free(view->learned[i].what);
    }
    free(view->learned);
    free(view->user);
    free(view->swept);
    free(view);
}

/* ---- lookups ---- */

struct key {
    enum avj_entity entity;
    const char *id;
    size_t len;
};

static uint64_t key_hash(const struct key *key)
{
    return avj_hash64(key->id, key->len) + (uint64_t)key->entity * 0x9e3779b97f4a7c15u;
}

static bool same_document(const void *item, const void *arg)
{
    const struct avj_document *d = item;
    const struct key *key = arg;
    return d->entity == key->entity && strlen(d->id) == key->len &&
           memcmp(d->id, key->id, key->len) == 0;
}

static bool same_row(const void *item, const void *arg)
{
    const struct avj_known_row *row = item;
    const struct key *key = arg;
    return row->document->entity == key->entity && strlen(row->remote_id) == key->len &&
           memcmp(row->remote_id, key->id, key->len) == 0;
}

struct avj_document *avj_view_find(const struct avj_view *view, enum avj_entity entity,
                                   const char *id, size_t len)
{
    struct key key = {entity, id, len};
    return avj_table_find(&view->documents, key_hash(&key), same_document, &key);
}

struct avj_known_row *avj_view_find_row(const struct avj_view *view, enum avj_entity entity,
                                        const char *remote_id, size_t len)
{
    struct key key = {entity, remote_id, len};
    return avj_table_find(&view->rows, key_hash(&key), same_row, &key);
}

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

static struct avj_document *need_document(struct avj_view *view, enum avj_entity entity,
                                          struct avj_slice id, uint64_t seq)
{
    struct avj_document *d = avj_view_find(view, entity, id.data, id.len);
    if (d)
        return d;
    size_t *count = &view->all_count[entity], *cap = &view->all_cap[entity];
    if (*count == *cap) {
        size_t grown_cap = *cap ? *cap * 2 : 64;
        struct avj_document **grown = realloc(view->all[entity], grown_cap * sizeof(*grown));
        if (!grown)
            return NULL;
        view->all[entity] = grown;
        *cap = grown_cap;
    }
    d = avj_document_new(entity, id.data, id.len, seq);
    struct key key = {entity, id.data, id.len};
    if (!d || !avj_table_add(&view->documents, key_hash(&key), d)) {
        avj_document_free(d);
        return NULL;
    }
    view->all[entity][(*count)++] = d;
    return d;
}

/* ---- accounts: what the view sums up over its documents ---- */

static void account(struct avj_view *view, const struct avj_document *d, bool in)
{
    uint64_t one = in ? 1 : (uint64_t)-1;
    view->counts.pending += one * d->pending_count;
    view->counts.parked += d->parked ? one : 0;
    if (!d->visible)
        return;
    view->counts.visible[d->entity] += one;
    uint64_t low = view->digest[1];
    if (in) {
        view->digest[1] += d->digest[1];
        view->digest[0] += d->digest[0] + (view->digest[1] < low);
    } else {
        view->digest[1] -= d->digest[1];
        view->digest[0] -= d->digest[0] + (view->digest[1] > low);
    }
}

/* Every change of a document stands between these two. */
static void change_begin(struct avj_view *view, struct avj_document *d)
{
    account(view, d, false);
}

static enum avj_status change_end(struct avj_view *view, struct avj_document *d)
{
    enum avj_status status = avj_document_derive(d);
    account(view, d, true);
    if (status == AVJ_OK)
        status = avj_listing_update(view, d);
    avj_outbox_place(view, d);
    return status;
}

static bool replace_text(char **slot, struct avj_slice text)
{
    char *copy = NULL;
    if (text.data) {
        copy = malloc(text.len + 1);
        if (!copy)
            return false;
        memcpy(copy, text.data, text.len);
        copy[text.len] = 0;
    }
    free(*slot);
    *slot = copy;
    return true;
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
                                  struct avj_error *err)
{
    *p = (struct avj_pending){.seq = seq, .hlc = e->hlc, .op = op_of(e)};
    if (p->op == AVJ_OPS)
        return lacks(e, "o", err);
    if (p->op == AVJ_DELETE)
        return AVJ_OK;
    struct avj_value fields;
    if (!avj_value_get(e->root, "f", &fields) || fields.kind != AVJ_MAP)
        return lacks(e, "f", err);
    struct avj_pack canonical = {0};
    enum avj_status status =
        avj_fields_canonical(e->entity, fields, p->op == AVJ_CREATE, &canonical);
    if (status == AVJ_OK)
        avj_blob_take(&p->fields, &canonical);
    avj_pack_release(&canonical);
    return status == AVJ_EFORMAT ? lacks(e, "f", err) : status;
}

static enum avj_status fold_local(struct avj_view *view, const struct avj_entry *e, uint64_t seq,
                                  struct avj_error *err)
{
    struct avj_pending p;
    enum avj_status status = pending_of(e, seq, &p, err);
    if (status != AVJ_OK)
        return status;
    struct avj_document *d = need_document(view, e->entity, e->id, seq);
    if (!d) {
        avj_blob_release(&p.fields);
        return AVJ_ENOMEM;
    }
    if (p.op != AVJ_CREATE && !d->visible) {
        /* Another process deleted it first: the delete wins. */
        avj_blob_release(&p.fields);
        return AVJ_OK;
    }
    change_begin(view, d);
    unpark(d); /* what was refused is not what will be sent now */
    status = avj_document_push_pending(d, &p);
    if (status != AVJ_OK)
        avj_blob_release(&p.fields);
    enum avj_status derived = change_end(view, d);
    return status != AVJ_OK ? status : derived;
}

/* ---- push, reject, retry, drop ---- */

static enum avj_status fold_push(struct avj_view *view, const struct avj_entry *e,
                                 struct avj_error *err)
{
    struct avj_value list;
    if (!avj_value_get(e->root, "d", &list) || list.kind != AVJ_LIST)
        return lacks(e, "d", err);
    for (size_t i = 0; i < list.len; i++) {
        struct avj_value item = avj_value_item(list, i);
        if (item.kind != AVJ_LIST || item.len < 4)
            return lacks(e, "d", err);
        struct avj_value kind = avj_value_item(item, 0), id = avj_value_item(item, 1);
        struct avj_value upto = avj_value_item(item, 3);
        if (kind.kind != AVJ_TEXT || id.kind != AVJ_TEXT || upto.kind != AVJ_INT)
            return lacks(e, "d", err);
        enum avj_entity entity = avj_entity_from_kind(kind.text, kind.len);
        struct avj_document *d =
            entity == AVJ_ENTITIES ? NULL : avj_view_find(view, entity, id.text, id.len);
        for (size_t p = 0; d && p < d->pending_count; p++)
            if (d->pending[p].seq <= (uint64_t)upto.integer)
                d->pending[p].attempted = true;
    }
    return AVJ_OK;
}

static size_t pending_up_to(const struct avj_document *d, uint64_t seq)
{
    size_t count = 0;
    while (count < d->pending_count && d->pending[count].seq <= seq)
        count++;
    return count;
}

static enum avj_status fold_reject(struct avj_view *view, const struct avj_entry *e,
                                   struct avj_error *err)
{
    int64_t upto = avj_value_get_int(e->root, "s", -1);
    if (upto < 0)
        return lacks(e, "s", err);
    struct avj_document *d = avj_view_find(view, e->entity, e->id.data, e->id.len);
    if (!d || pending_up_to(d, (uint64_t)upto) == 0) {
        view->counts.unmatched_acks++;
        return AVJ_OK;
    }
    change_begin(view, d);
    unpark(d);
    /* A later edit has not been refused yet. */
    d->parked = pending_up_to(d, (uint64_t)upto) == d->pending_count;
    d->reject_status = (int)avj_value_get_int(e->root, "x", 0);
    bool ok = replace_text(&d->reject_type, avj_value_get_text(e->root, "y")) &&
              replace_text(&d->reject_message, avj_value_get_text(e->root, "m"));
    enum avj_status status = change_end(view, d);
    return ok ? status : AVJ_ENOMEM;
}

static enum avj_status fold_retry(struct avj_view *view, const struct avj_entry *e)
{
    struct avj_document *d = avj_view_find(view, e->entity, e->id.data, e->id.len);
    if (!d)
        return AVJ_OK;
    change_begin(view, d);
    unpark(d);
    return change_end(view, d);
}

static enum avj_status fold_drop(struct avj_view *view, const struct avj_entry *e,
                                 struct avj_error *err)
{
    int64_t upto = avj_value_get_int(e->root, "s", -1);
    if (upto < 0)
        return lacks(e, "s", err);
    struct avj_document *d = avj_view_find(view, e->entity, e->id.data, e->id.len);
    if (!d)
        return AVJ_OK;
    change_begin(view, d);
    unpark(d);
    for (size_t n = pending_up_to(d, (uint64_t)upto); n > 0; n--)
        avj_document_drop_pending(d, 0);
    return change_end(view, d);
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
    if (!s->remote_id.len)
        return lacks(e, "r", err);
    struct avj_value fields;
    s->incoming.deleted = !avj_value_get(e->root, "f", &fields) || fields.kind == AVJ_NIL;
    if (!s->incoming.deleted && fields.kind != AVJ_MAP)
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
    enum avj_status status = avj_fields_canonical(e->entity, fields, true, &s->fields);
    s->incoming.fields = (struct avj_fields){s->fields.data, s->fields.len};
    return status == AVJ_EFORMAT ? lacks(e, "f", err) : status;
}

static enum avj_status need_row(struct avj_view *view, struct avj_document *d,
                                const char *remote_id, struct avj_known_row **out)
{
    *out = avj_document_row(d, remote_id);
    if (*out)
        return AVJ_OK;
    struct avj_known_row *row = calloc(1, sizeof(*row));
    if (row)
        row->remote_id = strdup(remote_id);
    struct key key = {d->entity, remote_id, strlen(remote_id)};
    if (!row || !row->remote_id) {
        free(row);
        return AVJ_ENOMEM;
    }
    row->document = d;
    row->deleted = true;
    if (!avj_table_add(&view->rows, key_hash(&key), row)) {
        free(row->remote_id);
        free(row);
        return AVJ_ENOMEM;
    }
    row->next = d->rows;
    d->rows = row;
    *out = row;
    return AVJ_OK;
}

static enum avj_status put_row(struct avj_view *view, struct avj_document *d, struct state *s)
{
    struct avj_known_row *row;
    enum avj_status status = need_row(view, d, s->incoming.remote_id, &row);
    if (status != AVJ_OK)
        return status;
    struct avj_slice version = {s->incoming.version, strlen(s->incoming.version)};
    /* The ack of a delete carries no version of its own. */
    if ((version.len || !row->version) && !replace_text(&row->version, version))
        return AVJ_ENOMEM;
    if (s->incoming.version_ms > row->version_ms)
        row->version_ms = s->incoming.version_ms;
    row->deleted = s->incoming.deleted;
    if (s->incoming.deleted)
        avj_blob_release(&row->fields);
    else
        avj_blob_take(&row->fields, &s->fields);
    if (!avj_document_base(d))
        avj_blob_release(&d->kept); /* what is made anew under this id begins empty */
    return AVJ_OK;
}

/* Pending mutations as the plan wants them, from the last to the first so that places stay right.
 */
static void carry_out(struct avj_document *d, struct avj_plan *plan)
{
    for (size_t i = plan->count; i > 0; i--) {
        size_t at = i - 1;
        if (plan->fates[at] == AVJ_FATE_SETTLED || plan->fates[at] == AVJ_FATE_LOST) {
            avj_document_drop_pending(d, at);
        } else if (plan->fates[at] == AVJ_FATE_TRIMMED) {
            avj_blob_release(&d->pending[at].fields);
            d->pending[at].fields = plan->fields[at];
            plan->fields[at] = (struct avj_blob){0};
        }
    }
    if (!d->pending_count)
        unpark(d);
}

static enum avj_status take_state(struct avj_view *view, struct avj_document *d, struct state *s)
{
    struct avj_plan plan;
    enum avj_status status = avj_merge_plan(d, &s->incoming, avj_view_unsendable, view, &plan);
    if (status != AVJ_OK)
        return status;
    if (!plan.stale)
        status = put_row(view, d, s);
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
    if (status == AVJ_OK) {
        struct avj_document *d = need_document(view, e->entity, e->id, seq);
        if (!d) {
            state_release(&s);
            return AVJ_ENOMEM;
        }
        change_begin(view, d);
        status = take_state(view, d, &s);
        enum avj_status derived = change_end(view, d);
        if (status == AVJ_OK)
            status = derived;
    }
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
static enum avj_status settle_only(struct avj_document *d, size_t settled)
{
    for (; settled > 0; settled--)
        avj_document_drop_pending(d, 0);
    if (!d->pending_count)
        unpark(d);
    return AVJ_OK;
}

static enum avj_status settle(struct avj_view *view, const struct avj_entry *e,
                              struct avj_document *d, struct state *s, size_t settled)
{
    enum avj_status status = AVJ_OK;
    struct avj_value kept;
    if (avj_value_get(e->root, "k", &kept) && kept.kind == AVJ_LIST && kept.len)
        status = keep_back(d, settled, kept);
    if (status != AVJ_OK)
        return status;
    if (avj_value_get_int(e->root, "x", 0) == 0)
        return settle_only(d, settled);
    struct avj_known_row *row = avj_document_row(d, s->incoming.remote_id);
    if (s->incoming.deleted) {
        if (row && row->version_ms > s->incoming.version_ms)
            s->incoming.version_ms = row->version_ms;
        /* Another row with the same local id is still there: the delete is not done. */
        for (const struct avj_known_row *r = d->rows; r; r = r->next)
            if (!r->deleted && r != row)
                settled = 0;
    }
    s->incoming.acknowledged = settled;
    return take_state(view, d, s);
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
    struct avj_document *d = status == AVJ_OK ? need_document(view, e->entity, e->id, seq) : NULL;
    if (status == AVJ_OK && !d)
        status = AVJ_ENOMEM;
    if (status == AVJ_OK) {
        size_t settled = pending_up_to(d, (uint64_t)upto);
        if (!settled)
            view->counts.unmatched_acks++;
        change_begin(view, d);
        status = settle(view, e, d, &s, settled);
        enum avj_status derived = change_end(view, d);
        if (status == AVJ_OK)
            status = derived;
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
        if (until.data && !replace_text(&view->swept, until))
            return AVJ_ENOMEM;
    }
    return AVJ_OK;
}

static enum avj_status fold_init(struct avj_view *view, const struct avj_entry *e)
{
    static const char *const keys[] = {"endpoint", "project", "database"};
    bool ok = true;
    for (size_t i = 0; i < 3; i++)
        ok = ok && replace_text(&view->upstream[i], avj_value_get_text(e->root, keys[i]));
    struct avj_value collections;
    (void)avj_value_get(e->root, "collections", &collections);
    for (int k = 0; k < AVJ_ENTITIES; k++) {
        struct avj_slice name =
            avj_value_get_text(collections, avj_schema((enum avj_entity)k)->kind);
        ok = ok && replace_text(&view->upstream[3 + k], name);
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
    if (!replace_text(&l->field, field) || !replace_text(&l->what, what)) {
        free(l->field);
        return AVJ_ENOMEM;
    }
    view->learned_count++;
    return AVJ_OK;
}

static enum avj_status fold_session(struct avj_view *view, const struct avj_entry *e)
{
    struct avj_value op;
    (void)avj_value_get(e->root, "o", &op);
    if (avj_value_text_is(op, "init"))
        return fold_init(view, e);
    if (avj_value_text_is(op, "schema"))
        return fold_learned(view, e);
    bool ok = true;
    if (avj_value_text_is(op, "login"))
        ok = replace_text(&view->user, avj_value_get_text(e->root, "u"));
    return ok ? AVJ_OK : AVJ_ENOMEM; /* after a logout the journal still belongs to its user */
}

/* ---- the rest ---- */

static enum avj_status fold(struct avj_view *view, const struct avj_entry *e, uint64_t seq,
                            struct avj_error *err)
{
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
        return fold_retry(view, e);
    case AVJ_E_DROP:
        return fold_drop(view, e, err);
    case AVJ_E_REMOTE:
        return fold_remote(view, e, seq, err);
    case AVJ_E_GAP:
        return fold_gap(view, e);
    case AVJ_E_CONFLICT:
        view->counts.conflicts++;
        return AVJ_OK;
    case AVJ_E_SESSION:
        return fold_session(view, e);
    case AVJ_E_STREAM:
    case AVJ_E_REPAIR:
    case AVJ_E_SERVER:
    case AVJ_ENTRY_TYPES:
        return AVJ_OK; /* kept in the log; nothing of it shows in this view */
    }
    return AVJ_OK;
}

enum avj_status avj_view_apply(struct avj_view *view, uint64_t seq, const void *data, size_t len,
                               struct avj_error *err)
{
    struct avj_entry e;
    enum avj_status status = avj_entry_decode(data, len, &e, err);
    if (status == AVJ_OK) {
        status = fold(view, &e, seq, err);
        if (status == AVJ_ENOMEM)
            avj_fail(err, status, "out of memory");
        if (status == AVJ_OK) {
            view->counts.entries++;
            view->counts.by_type[e.type]++;
            view->last_seq = seq;
            if (e.hlc > view->last_hlc)
                view->last_hlc = e.hlc;
        }
        avj_entry_release(&e);
    }
    if (status != AVJ_OK)
        avj_wrap(err, "record %llu", (unsigned long long)seq);
    return status;
}

static void store_be64(uint8_t *p, uint64_t v)
{
    for (int i = 7; i >= 0; i--, v >>= 8)
        p[i] = (uint8_t)v;
}

void avj_view_digest(const struct avj_view *view, uint8_t out[16])
{
    store_be64(out, view->digest[0]);
    store_be64(out + 8, view->digest[1]);
}

void avj_view_counts(const struct avj_view *view, struct avj_view_counts *counts)
{
    *counts = view->counts;
}
