/* Which entries may lose their bodies: see history_plan.h. */
#include "replay/history_plan.h"
#include "journal/fetch.h"
#include "replay/clock.h"
#include "replay/store_private.h"

#include <stdlib.h>
#include <string.h>

#define DAY_MS INT64_C(86400000)

/* A list of numbers. */
struct numbers {
    uint64_t *items;
    size_t count, cap;
};

/* What an entry may lose, while it is not known whether it may. */
struct candidate {
    uint64_t seq, until;
    uint32_t bytes;
};

struct span {
    uint64_t begin, end;
    size_t segment; /* it became stubs, all there; SIZE_MAX: it stays */
};

/* What is known of a document besides the view. */
struct known {
    uint64_t begin;                  /* of the span that is open; 0: none */
    bool delicate, deletes, kept;    /* in it: looks at fields; a delete; fields kept back */
    bool spared;                     /* a conflict of it is open */
    struct candidate *locals, *rows; /* of the open span */
    size_t local_count, row_count;
    struct span *spans; /* that are over, delicate ones */
    size_t span_count;
};

/* A document between two entries. */
struct state {
    struct numbers pending, rows; /* entries of mutations and of rows that are there */
    bool only_deletes;
};

struct planner {
    struct avj_store *store;
    const struct avj_compacting *how;
    struct avj_history_plan *plan;
    struct avj_error *err;
    struct avj_fetcher *fetcher;
    struct avj_view *view;
    struct known **documents; /* by slot */
    size_t document_cap;
    struct state before, after;
    uint64_t cutoff_seq; /* bodies up to there may go, or those */
    int64_t cutoff_ms;   /* stamped up to then */
    uint64_t last_seq;
};

static enum avj_status no_memory(struct planner *p)
{
    return avj_fail(p->err, AVJ_ENOMEM, "compacting: out of memory");
}

static bool push_number(struct numbers *n, uint64_t number)
{
    if (n->count == n->cap) {
        size_t cap = n->cap ? n->cap * 2 : 8;
        uint64_t *grown = realloc(n->items, cap * sizeof(*grown));
        if (!grown)
            return false;
        n->items = grown;
        n->cap = cap;
    }
    n->items[n->count++] = number;
    return true;
}

static bool has_number(const struct numbers *n, uint64_t number)
{
    for (size_t i = 0; i < n->count; i++)
        if (n->items[i] == number)
            return true;
    return false;
}

static bool push_candidate(struct candidate **list, size_t *count, const struct candidate *c)
{
    struct candidate *grown = avj_history_grow(*list, *count, sizeof(**list));
    if (!grown)
        return false;
    *list = grown;
    grown[(*count)++] = *c;
    return true;
}

/* An entry goes. */
static enum avj_status add_item(struct planner *p, uint32_t document, const struct candidate *c,
                                uint64_t settled_at)
{
    const struct avj_history_item item = {c->seq, settled_at, document, c->bytes};
    return avj_history_plan_add(p->plan, &item) == AVJ_OK ? AVJ_OK : no_memory(p);
}

/* ---- what is old ---- */

static void set_cutoff(struct planner *p)
{
    const struct avj_keep *keep = &p->plan->keep;
    uint64_t sum = 0;
    if (!keep->limited)
        return;
    if (keep->days)
        p->cutoff_ms = avj_hlc_ms(avj_store_stamp(p->store)) -
                       (keep->days < 1000000 ? keep->days : 1000000) * DAY_MS;
    for (size_t i = p->plan->segment_count; keep->bytes && i > 0 && !p->cutoff_seq; i--) {
        sum += p->plan->segments[i - 1].bytes;
        if (sum > keep->bytes)
            p->cutoff_seq = p->plan->segments[i - 1].first_seq - 1;
    }
    if (!keep->days && !keep->bytes)
        p->cutoff_seq = p->last_seq;
}

/* What became unnecessary with this entry is old enough. */
static bool is_old(const struct planner *p, uint64_t seq, uint64_t hlc)
{
    return seq <= p->cutoff_seq || (p->cutoff_ms > 0 && hlc && avj_hlc_ms(hlc) <= p->cutoff_ms);
}

/* ---- documents ---- */

static struct known *known_of(struct planner *p, uint32_t number)
{
    if (number >= p->document_cap) {
        size_t cap = p->document_cap ? p->document_cap : 1024;
        while (cap <= number)
            cap *= 2;
        struct known **grown = realloc(p->documents, cap * sizeof(struct known *));
        if (!grown)
            return NULL;
        memset(grown + p->document_cap, 0, (cap - p->document_cap) * sizeof(struct known *));
        p->documents = grown;
        p->document_cap = cap;
    }
    if (!p->documents[number])
        p->documents[number] = calloc(1, sizeof(struct known));
    return p->documents[number];
}

static enum avj_status look_open(struct planner *p, uint32_t number, struct state *s)
{
    struct avj_document *d;
    enum avj_status status = avj_view_open(p->view, number, &d, p->err);
    bool good = true;
    if (status != AVJ_OK)
        return status;
    for (size_t i = 0; i < d->pending_count; i++) {
        good = good && push_number(&s->pending, d->pending[i].seq);
        s->only_deletes = s->only_deletes && d->pending[i].op == AVJ_DELETE;
    }
    for (const struct avj_known_row *row = d->rows; row; row = row->next)
        if (!row->deleted)
            good = good && push_number(&s->rows, row->seq);
    return good ? AVJ_OK : no_memory(p);
}

static enum avj_status look(struct planner *p, uint32_t number, struct state *s)
{
    s->pending.count = s->rows.count = 0;
    s->only_deletes = true;
    if (!number)
        return AVJ_OK;
    const struct avj_slot *slot = avj_view_slot(p->view, number);
    bool good = true;
    if (slot->flags & AVJ_SLOT_OPEN)
        return look_open(p, number, s);
    if (slot->flags & AVJ_SLOT_PENDING) {
        good = push_number(&s->pending, avj_slot_body(slot));
        s->only_deletes = false;
    } else if ((slot->flags & (AVJ_SLOT_ROW | AVJ_SLOT_GONE)) == AVJ_SLOT_ROW) {
        good = push_number(&s->rows, avj_slot_body(slot));
    }
    return good ? AVJ_OK : no_memory(p);
}

/* ---- one entry ---- */

struct entry {
    uint64_t seq, hlc;
    enum avj_entry_type type;
    uint32_t number;
    uint32_t body; /* bytes under "f"; 0: none, or a stub */
    bool has_fields, keeps, elided;
    enum avj_op op;
    int64_t upto;
};

/* Does the fold look at fields of what is pending, to find out what becomes of it? */
static bool is_delicate(const struct planner *p, const struct entry *e)
{
    const struct state *before = &p->before, *after = &p->after;
    size_t acknowledged = 0;
    if ((e->type != AVJ_E_ACK && e->type != AVJ_E_REMOTE) || !before->pending.count)
        return false;
    if (before->only_deletes || !after->rows.count || (e->type == AVJ_E_ACK && e->elided))
        return false;
    if (e->has_fields && !has_number(&after->rows, e->seq))
        return false; /* it came late */
    for (size_t i = 0; e->type == AVJ_E_ACK && e->has_fields && i < before->pending.count; i++)
        acknowledged += (int64_t)before->pending.items[i] <= e->upto;
    return acknowledged < before->pending.count;
}

/* A row of the document, there from c->seq to c->until, may go. */
static bool row_may_go(const struct planner *p, const struct known *k, const struct candidate *c)
{
    size_t segment = avj_history_segment_of(p->plan, c->seq);
    for (size_t i = 0; i < k->span_count; i++) {
        const struct span *s = &k->spans[i];
        if (s->begin <= c->until && s->end >= c->seq && s->segment != segment)
            return false;
    }
    return true;
}

static enum avj_status row_is_over(struct planner *p, struct known *k, const struct entry *e,
                                   const struct candidate *c)
{
    if (!is_old(p, e->seq, e->hlc))
        return AVJ_OK;
    if (!k->begin)
        return row_may_go(p, k, c) ? add_item(p, e->number, c, 0) : AVJ_OK;
    return push_candidate(&k->rows, &k->row_count, c) ? AVJ_OK : no_memory(p);
}

/* Bytes under "f", about; 0: it has none. */
static enum avj_status body_len(struct planner *p, const void *data, size_t len, uint32_t *bytes)
{
    struct avj_glance glance;
    struct avj_entry e;
    struct avj_value f;
    *bytes = 0;
    if (avj_glance(data, len, &glance)) {
        *bytes = (uint32_t)glance.f.len;
        return AVJ_OK;
    }
    enum avj_status status = avj_entry_decode(data, len, &e, p->err);
    if (status != AVJ_OK)
        return status == AVJ_ENOMEM ? status : AVJ_OK;
    if (avj_value_get(e.root, "f", &f) && f.kind == AVJ_MAP)
        *bytes = (uint32_t)(len / 2 + 1);
    avj_entry_release(&e);
    return AVJ_OK;
}

/* Of an entry that was folded before. */
static enum avj_status body_of(struct planner *p, uint64_t seq, uint32_t *bytes)
{
    struct avj_record record;
    enum avj_status status = avj_fetcher_get(p->fetcher, seq, &record, p->err);
    return status == AVJ_OK ? body_len(p, record.data, record.len, bytes) : status;
}

static enum avj_status rows_that_went(struct planner *p, struct known *k, const struct entry *e)
{
    enum avj_status status = AVJ_OK;
    for (size_t i = 0; status == AVJ_OK && i < p->before.rows.count; i++) {
        struct candidate c = {p->before.rows.items[i], e->seq, 0};
        if (has_number(&p->after.rows, c.seq))
            continue;
        status = body_of(p, c.seq, &c.bytes);
        if (status == AVJ_OK)
            status = row_is_over(p, k, e, &c);
    }
    /* Of a state that came late nothing was ever to be seen. */
    bool row = e->type == AVJ_E_ACK || e->type == AVJ_E_REMOTE;
    if (status == AVJ_OK && row && e->body && !has_number(&p->after.rows, e->seq))
        status = row_is_over(p, k, e, &(struct candidate){e->seq, e->seq, e->body});
    return status;
}

static enum avj_status locals_that_went(struct planner *p, struct known *k, const struct entry *e)
{
    enum avj_status status = AVJ_OK;
    for (size_t i = 0; status == AVJ_OK && i < p->before.pending.count; i++) {
        struct candidate c = {p->before.pending.items[i], e->seq, 0};
        if (has_number(&p->after.pending, c.seq))
            continue;
        status = body_of(p, c.seq, &c.bytes);
        if (status == AVJ_OK && !push_candidate(&k->locals, &k->local_count, &c))
            status = no_memory(p);
    }
    if (status != AVJ_OK || e->type != AVJ_E_LOCAL || !e->body ||
        has_number(&p->after.pending, e->seq) || !is_old(p, e->seq, e->hlc))
        return status;
    /* It came behind a delete, and never was anything. */
    return add_item(p, e->number, &(struct candidate){e->seq, e->seq, e->body}, e->seq);
}

/* Nothing is pending any more. */
static enum avj_status close_span(struct planner *p, struct known *k, const struct entry *e)
{
    size_t segment = avj_history_segment_of(p->plan, k->begin);
    bool here = segment == avj_history_segment_of(p->plan, e->seq);
    bool goes = is_old(p, e->seq, e->hlc) && !k->kept &&
                (!k->delicate || (here && !k->deletes && p->plan->segments[segment].sealed));
    enum avj_status status = AVJ_OK;
    if (k->delicate) {
        struct span *spans = avj_history_grow(k->spans, k->span_count, sizeof(*k->spans));
        if (!spans)
            return no_memory(p);
        k->spans = spans;
        spans[k->span_count++] = (struct span){k->begin, e->seq, goes ? segment : SIZE_MAX};
    }
    for (size_t i = 0; goes && status == AVJ_OK && i < k->local_count; i++)
        status = add_item(p, e->number, &k->locals[i], k->locals[i].until);
    k->begin = 0;
    for (size_t i = 0; status == AVJ_OK && i < k->row_count; i++)
        if (row_may_go(p, k, &k->rows[i]))
            status = add_item(p, e->number, &k->rows[i], 0);
    k->local_count = k->row_count = 0;
    k->delicate = k->deletes = k->kept = false;
    free(k->locals);
    free(k->rows);
    k->locals = k->rows = NULL;
    return status;
}

static enum avj_status compare(struct planner *p, const struct entry *e)
{
    struct known *k = known_of(p, e->number);
    if (!k)
        return no_memory(p);
    if (!k->begin && p->after.pending.count)
        k->begin = e->seq;
    if (k->begin) {
        k->deletes = k->deletes || (e->type == AVJ_E_LOCAL && e->op == AVJ_DELETE);
        k->kept = k->kept || e->keeps;
        k->delicate = k->delicate || is_delicate(p, e);
    }
    enum avj_status status = locals_that_went(p, k, e);
    if (status == AVJ_OK)
        status = rows_that_went(p, k, e);
    if (status == AVJ_OK && k->begin && !p->after.pending.count)
        status = close_span(p, k, e);
    return status;
}

/* ---- all entries ---- */

/* What of an entry matters here; false: it is of no document. */
static enum avj_status read_entry(struct planner *p, const struct avj_record *record,
                                  struct entry *e, struct avj_slice *id, enum avj_entity *entity,
                                  bool *of_document)
{
    struct avj_entry decoded;
    struct avj_value f, k;
    struct avj_stub stub;
    enum avj_status status = avj_entry_decode(record->data, record->len, &decoded, p->err);
    *of_document = false;
    if (status != AVJ_OK)
        return status;
    *e = (struct entry){.seq = record->seq, .hlc = decoded.hlc, .type = decoded.type};
    *of_document = decoded.has_document;
    *entity = decoded.entity;
    *id = decoded.id; /* points into the record */
    bool fields = avj_value_get(decoded.root, "f", &f) && f.kind == AVJ_MAP;
    bool is_stub = avj_stub_of(&decoded, &stub);
    struct avj_slice op = avj_value_get_text(decoded.root, "o");
    e->op = op.len == 6 && memcmp(op.data, "delete", 6) == 0 ? AVJ_DELETE : AVJ_UPDATE;
    e->has_fields = fields || is_stub;
    e->keeps = decoded.type == AVJ_E_ACK && avj_value_get(decoded.root, "k", &k) &&
               k.kind == AVJ_LIST && k.len;
    e->elided = avj_value_get_int(decoded.root, "x", 0) == 0;
    e->upto = avj_value_get_int(decoded.root, "s", -1);
    avj_entry_release(&decoded);
    if (fields && !is_stub)
        return body_len(p, record->data, record->len, &e->body);
    return AVJ_OK;
}

static enum avj_status take_record(struct planner *p, const struct avj_record *record)
{
    struct entry e;
    struct avj_slice id;
    enum avj_entity entity;
    bool of_document;
    enum avj_status status = read_entry(p, record, &e, &id, &entity, &of_document);
    if (status == AVJ_OK && of_document)
        e.number = avj_view_find(p->view, entity, id.data, id.len);
    if (status == AVJ_OK)
        status = look(p, of_document ? e.number : 0, &p->before);
    if (status == AVJ_OK)
        status = avj_view_apply(p->view, record->seq, record->data, record->len, p->err);
    if (status != AVJ_OK || !of_document)
        return status;
    e.number = avj_view_find(p->view, entity, id.data, id.len);
    status = look(p, e.number, &p->after);
    return status == AVJ_OK && e.number ? compare(p, &e) : status;
}

static enum avj_status take_all(struct planner *p)
{
    struct avj_cursor *cursor;
    struct avj_record record;
    enum avj_status status = avj_cursor_open(avj_store_journal(p->store), 0, &cursor, p->err);
    while (status == AVJ_OK && (status = avj_cursor_next(cursor, &record, p->err)) == AVJ_OK) {
        if (record.seq > p->last_seq)
            break; /* appended since it was begun */
        if (record.seq % 1024 == 0 && p->how->stop && p->how->stop(p->how->arg))
            status = AVJ_END;
        else
            status = take_record(p, &record);
        if (status == AVJ_OK && record.seq % 4096 == 0 && p->how->progress)
            p->how->progress(p->how->arg, record.seq / 2, p->last_seq);
        if (status == AVJ_END)
            p->plan->count = 0; /* stopped: there is no plan */
    }
    avj_cursor_close(cursor);
    return status == AVJ_END ? AVJ_OK : status;
}

static enum avj_status fetch(void *arg, uint64_t seq, struct avj_slice *record,
                             struct avj_error *err)
{
    struct planner *p = arg;
    struct avj_record found;
    enum avj_status status = avj_fetcher_get(p->fetcher, seq, &found, err);
    if (status == AVJ_OK)
        *record = (struct avj_slice){found.data, found.len};
    return status;
}

/* Documents that a person may want to make anew out of what lost a merge keep everything. */
static enum avj_status spare_conflicts(struct planner *p)
{
    enum avj_status status = AVJ_OK;
    for (size_t i = 0; status == AVJ_OK && i < p->view->conflict_count; i++) {
        struct avj_record record;
        struct avj_entry e;
        status = avj_fetcher_get(p->fetcher, p->view->conflicts[i], &record, p->err);
        if (status == AVJ_OK)
            status = avj_entry_decode(record.data, record.len, &e, p->err);
        if (status != AVJ_OK)
            break;
        uint32_t number = avj_view_find(p->view, e.entity, e.id.data, e.id.len);
        struct known *k = number ? known_of(p, number) : NULL;
        if (k)
            k->spared = true;
        else if (number)
            status = no_memory(p);
        avj_entry_release(&e);
    }
    size_t kept = 0;
    for (size_t i = 0; i < p->plan->count; i++) {
        uint32_t number = p->plan->items[i].document;
        if (!number || !p->documents[number]->spared)
            p->plan->items[kept++] = p->plan->items[i];
    }
    p->plan->count = kept;
    return status;
}

static int by_seq(const void *a, const void *b)
{
    const struct avj_history_item *x = a, *y = b;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static enum avj_status plan_with(struct planner *p)
{
    const struct avj_source source = {p, fetch};
    enum avj_status status =
        avj_fetcher_open(p->store->options.journal.io,
                         avj_journal_path(avj_store_journal(p->store)), 0, &p->fetcher, p->err);
    if (status != AVJ_OK)
        return status;
    p->view = avj_view_new(&source);
    if (!p->view)
        return no_memory(p);
    status = avj_history_read_log(p->store, p->plan, &p->last_seq, p->err);
    if (status != AVJ_OK)
        return status;
    set_cutoff(p);
    if (p->plan->keep.limited) {
        status = take_all(p);
        if (status == AVJ_OK)
            status = spare_conflicts(p);
    }
    if (status == AVJ_OK && p->plan->count)
        qsort(p->plan->items, p->plan->count, sizeof(*p->plan->items), by_seq);
    return status;
}

enum avj_status avj_history_plan_make(struct avj_store *store, const struct avj_compacting *how,
                                      struct avj_history_plan *plan, struct avj_error *err)
{
    struct planner p = {.store = store, .how = how, .plan = plan, .err = err};
    enum avj_status status = plan_with(&p);
    for (size_t i = 0; i < p.document_cap; i++)
        if (p.documents[i]) {
            free(p.documents[i]->locals);
            free(p.documents[i]->rows);
            free(p.documents[i]->spans);
            free(p.documents[i]);
        }
    free(p.documents);
    free(p.before.pending.items);
    free(p.before.rows.items);
    free(p.after.pending.items);
    free(p.after.rows.items);
    avj_view_free(p.view);
    avj_fetcher_close(p.fetcher);
    return status;
}
