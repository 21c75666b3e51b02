/* See oracle.h: the numbers in comments are the rows of MERGE.md. */
#include "tests/property/oracle.h"

#include "journal/journal.h"

#include <stdlib.h>
#include <string.h>

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

void oracle_release(struct oracle *o)
{
    for (size_t i = 0; i < o->doc_count; i++)
        free(o->docs[i]);
    free(o->docs);
    free(o->losses);
    *o = (struct oracle){.doc_count = 0};
}

struct doc *oracle_find(const struct oracle *o, enum avj_entity entity, const char *id)
{
    for (size_t i = 0; i < o->doc_count; i++)
        if (o->docs[i]->entity == entity && strcmp(o->docs[i]->id, id) == 0)
            return o->docs[i];
    return NULL;
}

static struct doc *need(struct oracle *o, enum avj_entity entity, const char *id)
{
    struct doc *d = oracle_find(o, entity, id);
    if (d)
        return d;
    o->docs = must(realloc(o->docs, (o->doc_count + 1) * sizeof(struct doc *)));
    d = must(calloc(1, sizeof(*d)));
    d->entity = entity;
    d->id = id;
    o->docs[o->doc_count++] = d;
    return d;
}

static struct row *find_row(struct doc *d, const char *row)
{
    for (size_t i = 0; i < d->row_count; i++)
        if (strcmp(d->rows[i].row, row) == 0)
            return &d->rows[i];
    return NULL;
}

struct row *oracle_row(const struct oracle *o, enum avj_entity entity, const char *row)
{
    for (size_t i = 0; i < o->doc_count; i++)
        if (o->docs[i]->entity == entity && find_row(o->docs[i], row))
            return find_row(o->docs[i], row);
    return NULL;
}

bool oracle_lacks(const struct oracle *o, enum avj_entity entity, const char *name)
{
    const char *both = text_printf("%s.%s", kind_name(entity), name);
    for (size_t i = 0; i < o->missing_count; i++)
        if (strcmp(o->missing[i], both) == 0)
            return true;
    return false;
}

/* ---- a document ---- */

const struct row *doc_base(const struct doc *d)
{
    const struct row *best = NULL;
    for (size_t i = 0; i < d->row_count; i++) {
        const struct row *r = &d->rows[i];
        if (r->deleted)
            continue;
        if (!best || r->version_ms > best->version_ms ||
            (r->version_ms == best->version_ms && strcmp(r->row, best->row) > 0))
            best = r;
    }
    return best;
}

/* A state that may be absent. */
struct state {
    bool there;
    struct fieldmap fields;
};

static void apply(struct state *s, const struct pending *p)
{
    if (p->op == AVJ_DELETE)
        *s = (struct state){.there = false};
    else if (p->op == AVJ_CREATE || s->there) {
        s->there = true;
        fields_apply(&s->fields, &p->fields);
    }
}

/* base + the first `count` mutations. */
static struct state state_at(const struct doc *d, const struct row *base, size_t count)
{
    struct state s = {.there = base != NULL};
    if (base)
        s.fields = base->fields;
    for (size_t i = 0; i < count; i++)
        apply(&s, &d->pending[i]);
    return s;
}

bool doc_shared(const struct doc *d, struct fieldmap *out)
{
    struct state s = state_at(d, doc_base(d), d->pending_count);
    fields_sort(d->entity, &s.fields);
    *out = s.fields;
    return s.there;
}

bool doc_visible(const struct doc *d, struct fieldmap *out)
{
    const struct row *base = doc_base(d);
    struct state s = {.there = base != NULL};
    s.fields = d->kept;
    if (base)
        fields_apply(&s.fields, &base->fields);
    for (size_t i = 0; i < d->pending_count; i++)
        apply(&s, &d->pending[i]);
    fields_sort(d->entity, &s.fields);
    *out = s.fields;
    return s.there;
}

static uint64_t load_be64(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v = v << 8 | p[i];
    return v;
}

void digest_add(uint64_t sum[2], enum avj_entity entity, const char *id,
                const struct fieldmap *fields)
{
    uint8_t hash[16];
    size_t len, kind = strlen(kind_name(entity)) + 1, name = strlen(id) + 1;
    uint8_t *packed = fields_pack(fields, &len);
    uint8_t *all = must(malloc(kind + name + len));
    memcpy(all, kind_name(entity), kind);
    memcpy(all + kind, id, name);
    memcpy(all + kind + name, packed, len);
    avj_hash128(all, kind + name + len, hash);
    free(all);
    free(packed);
    uint64_t low = sum[1];
    sum[1] += load_be64(hash + 8);
    sum[0] += load_be64(hash) + (sum[1] < low);
}

void oracle_digest(const struct oracle *o, uint64_t sum[2])
{
    struct fieldmap fields;
    sum[0] = sum[1] = 0;
    for (size_t i = 0; i < o->doc_count; i++)
        if (doc_shared(o->docs[i], &fields))
            digest_add(sum, o->docs[i]->entity, o->docs[i]->id, &fields);
}

/* ---- mutations and their outcomes ---- */

void oracle_local(struct oracle *o, int64_t ms, enum avj_op op, enum avj_entity entity,
                  const char *id, const struct fieldmap *fields)
{
    struct doc *d = need(o, entity, id);
    if (d->pending_count == PENDING_MAX)
        abort();
    struct pending *p = &d->pending[d->pending_count++];
    *p = (struct pending){.serial = ++o->serial, .ms = ms, .op = op};
    if (fields)
        p->fields = *fields;
    fields_sort(entity, &p->fields);
    d->parked = false;
}

static size_t up_to(const struct doc *d, unsigned serial)
{
    size_t n = 0;
    while (n < d->pending_count && d->pending[n].serial <= serial)
        n++;
    return n;
}

static void remove_pending(struct doc *d, size_t i)
{
    d->pending_count--;
    memmove(&d->pending[i], &d->pending[i + 1], (d->pending_count - i) * sizeof(d->pending[0]));
}

void oracle_push(struct oracle *o, enum avj_entity entity, const char *id, unsigned upto)
{
    struct doc *d = need(o, entity, id);
    for (size_t i = 0; i < up_to(d, upto); i++)
        d->pending[i].attempted = true;
}

void oracle_reject(struct oracle *o, enum avj_entity entity, const char *id, unsigned upto)
{
    struct doc *d = need(o, entity, id);
    size_t n = up_to(d, upto);
    if (n)
        d->parked = n == d->pending_count;
}

void oracle_retry(struct oracle *o, enum avj_entity entity, const char *id)
{
    need(o, entity, id)->parked = false;
}

void oracle_drop(struct oracle *o, enum avj_entity entity, const char *id)
{
    struct doc *d = need(o, entity, id);
    d->pending_count = 0;
    d->parked = false;
}

/* ---- server states ---- */

static uint64_t content_hash(const struct row *row)
{
    size_t len;
    uint8_t *packed = fields_pack(&row->fields, &len);
    uint64_t hash = avj_hash64(packed, len);
    free(packed);
    return hash;
}

int state_compare(const struct row *a, const struct row *b)
{
    uint64_t x = content_hash(a), y = content_hash(b);
    return x < y ? -1 : x > y;
}

/* 2, 3, 4, 7, 8 */
static bool says_nothing(const struct row *known, const struct row *in)
{
    if (!known)
        return false;
    if (in->version_ms != known->version_ms)
        return in->version_ms < known->version_ms;
    if (in->deleted || known->deleted)
        return known->deleted;
    return state_compare(in, known) <= 0;
}

static void lose(struct oracle *o, const struct doc *d, bool here, const struct fieldmap *fields)
{
    o->losses = must(realloc(o->losses, (o->loss_count + 1) * sizeof(struct loss)));
    struct loss *l = &o->losses[o->loss_count++];
    *l = (struct loss){.entity = d->entity, .id = d->id, .here = here, .fields = *fields};
    fields_sort(d->entity, &l->fields);
}

void oracle_forget_loss(struct oracle *o, size_t index)
{
    o->loss_count--;
    memmove(&o->losses[index], &o->losses[index + 1],
            (o->loss_count - index) * sizeof(o->losses[0]));
}

/* One server state being merged. */
struct meeting {
    struct oracle *o;
    struct doc *d;
    int64_t version_ms;
    struct state now;      /* the server's, with the new state in */
    struct state believed; /* base as it was + what is settled */
    struct state seen;     /* what was visible here when the mutation at hand was made */
    struct fieldmap told;  /* values of others that were kept as a loss already */
};

/* Has the server everything that the first n mutations wrote, as they wrote it? */
static bool is_shown(const struct meeting *m, const struct row *base, size_t n)
{
    struct state wanted = state_at(m->d, base, n);
    if (!wanted.there || !m->now.there)
        return !wanted.there && !m->now.there;
    for (size_t i = 0; i < n; i++)
        for (size_t f = 0; f < m->d->pending[i].fields.count; f++) {
            const char *name = m->d->pending[i].fields.at[f].name;
            if (oracle_lacks(m->o, m->d->entity, name))
                return false;
            if (!field_is_given(m->d->entity, name) &&
                !values_same(m->d->entity, name, field_get(&wanted.fields, name),
                             field_get(&m->now.fields, name)))
                return false;
        }
    return true;
}

/* 28, 30, 31, 34: from `first` on */
static void meet_absence(struct meeting *m, bool had_base, size_t first)
{
    struct doc *d = m->d;
    size_t begin = first;
    for (; begin < d->pending_count; begin++) {
        const struct pending *p = &d->pending[begin];
        if (p->op == AVJ_CREATE && (begin > 0 || (!p->attempted && !had_base)))
            break; /* it has nothing to do with what was deleted */
    }
    for (size_t i = first; i < begin; i++) {
        if (d->pending[first].op != AVJ_DELETE)
            lose(m->o, d, true, &d->pending[first].fields);
        remove_pending(d, first);
    }
}

static bool cannot_tell(const struct meeting *m, const char *name)
{
    return field_is_given(m->d->entity, name) || oracle_lacks(m->o, m->d->entity, name);
}

static bool changed_elsewhere(const struct meeting *m, const char *name)
{
    return !cannot_tell(m, name) &&
           !values_same(m->d->entity, name, field_get(&m->now.fields, name),
                        field_get(&m->believed.fields, name));
}

/* 23 to 27, 33, of one field: true when it stays pending. */
static bool field_stays(struct meeting *m, const struct pending *p, const char *name,
                        const char *mine, struct fieldmap *lost, struct fieldmap *beaten)
{
    enum avj_entity entity = m->d->entity;
    const char *theirs = field_get(&m->now.fields, name);
    int64_t x, y;
    if (!changed_elsewhere(m, name) || values_same(entity, name, theirs, mine))
        return true;
    if (field_is_fixed(entity, name))
        return false;
    if (field_only_grows(entity, name))
        return !json_time(theirs, &x) || (json_time(mine, &y) && y > x);
    if (m->version_ms > p->ms + m->o->offset_ms) {
        field_set(lost, name, mine);
        return false;
    }
    if (!field_get(&m->told, name))
        field_set(beaten, name, theirs ? theirs : "null");
    field_set(&m->told, name, "true");
    return true;
}

/* False: nothing of it stays. */
static bool meet_edit(struct meeting *m, struct pending *p)
{
    struct fieldmap stays = {0}, lost = {0}, beaten = {0};
    for (size_t f = 0; f < p->fields.count; f++)
        if (field_stays(m, p, p->fields.at[f].name, p->fields.at[f].json, &lost, &beaten))
            field_set(&stays, p->fields.at[f].name, p->fields.at[f].json);
    if (lost.count)
        lose(m->o, m->d, true, &lost);
    if (beaten.count)
        lose(m->o, m->d, false, &beaten);
    bool some = stays.count || !p->fields.count;
    p->fields = stays;
    return some;
}

/* 29 */
static void meet_edit_deleted(struct meeting *m)
{
    struct fieldmap beaten = {0};
    for (size_t f = 0; f < m->now.fields.count; f++) {
        const char *name = m->now.fields.at[f].name, *theirs = m->now.fields.at[f].json;
        if (changed_elsewhere(m, name) && !field_get(&m->told, name) &&
            !values_same(m->d->entity, name, theirs, field_get(&m->seen.fields, name)))
            field_set(&beaten, name, theirs);
    }
    if (beaten.count)
        lose(m->o, m->d, false, &beaten);
}

static void meet_presence(struct meeting *m, size_t first)
{
    for (size_t i = first; i < m->d->pending_count;) {
        struct pending *p = &m->d->pending[i];
        if (p->op == AVJ_DELETE) {
            meet_edit_deleted(m);
            return; /* what is behind it was not made of what changed */
        }
        struct fieldmap mine = p->fields;
        bool stays = meet_edit(m, p);
        fields_apply(&m->seen.fields, &mine);
        if (stays)
            i++;
        else
            remove_pending(m->d, i);
    }
}

static void put_row(struct doc *d, const struct row *in)
{
    struct row *known = find_row(d, in->row);
    if (!known) {
        if (d->row_count == ROWS_MAX)
            abort();
        known = &d->rows[d->row_count++];
        known->version_ms = 0;
    }
    int64_t version_ms = known->version_ms > in->version_ms ? known->version_ms : in->version_ms;
    *known = *in;
    known->version_ms = version_ms;
    if (!doc_base(d))
        d->kept = (struct fieldmap){0};
}

/* A state arrives that settles `acknowledged` mutations whatever it shows. */
static void take(struct oracle *o, struct doc *d, const struct row *in, size_t acknowledged)
{
    size_t settled = acknowledged;
    if (!says_nothing(find_row(d, in->row), in)) {
        struct meeting m = {.o = o, .d = d, .version_ms = in->version_ms};
        const struct row *known = doc_base(d);
        struct row before = {.deleted = true};
        if (known)
            before = *known;
        const struct row *base = known ? &before : NULL;
        put_row(d, in);
        m.now = state_at(d, doc_base(d), 0);
        for (size_t n = acknowledged + 1; n <= d->pending_count; n++)
            if (is_shown(&m, base, n))
                settled = n;
        m.believed = m.seen = state_at(d, base, settled);
        if (m.now.there)
            meet_presence(&m, settled);
        else
            meet_absence(&m, base != NULL, settled);
    } else if (acknowledged && !doc_base(d)) {
        /* what was acknowledged is gone again, and with it what later edits were made of */
        struct meeting m = {.o = o, .d = d};
        meet_absence(&m, false, settled);
    }
    for (; settled > 0; settled--)
        remove_pending(d, 0);
    if (!d->pending_count)
        d->parked = false;
}

void oracle_remote(struct oracle *o, const struct row *row)
{
    take(o, need(o, row->entity, row->id), row, 0);
}

static void keep_back(struct doc *d, size_t settled, const char *const *kept)
{
    for (size_t i = 0; i < settled; i++)
        for (const char *const *name = kept; *name; name++) {
            const char *json = field_get(&d->pending[i].fields, *name);
            struct fieldmap one = {.count = 1, .at = {{*name, json}}};
            if (json)
                fields_apply(&d->kept, &one);
        }
}

static bool outlived(const struct doc *d, const char *row)
{
    for (size_t i = 0; i < d->row_count; i++)
        if (!d->rows[i].deleted && strcmp(d->rows[i].row, row) != 0)
            return true;
    return false;
}

void oracle_ack(struct oracle *o, enum avj_entity entity, const char *id, unsigned upto,
                const struct row *row, const char *const *kept)
{
    struct doc *d = need(o, entity, id);
    size_t settled = up_to(d, upto);
    struct row in = {.deleted = true};
    keep_back(d, settled, kept);
    if (!row) {
        for (; settled > 0; settled--)
            remove_pending(d, 0);
        if (!d->pending_count)
            d->parked = false;
        if (!doc_base(d))
            d->kept = (struct fieldmap){0};
        return;
    }
    in = *row;
    if (in.deleted) {
        const struct row *known = find_row(d, in.row);
        if (settled && d->pending[settled - 1].op == AVJ_DELETE &&
            outlived(d, in.row)) { /* 11: the delete is not done */
            if (!says_nothing(known, &in))
                put_row(d, &in);
            return;
        }
    }
    take(o, d, &in, settled);
}
