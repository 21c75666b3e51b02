/* From records to the lines that avchat import takes: see fsck_salvage.h. */
#include "fsck/fsck_salvage_private.h"

#include "replay/clock.h"
#include "replay/view_private.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* A document that is to be written. */
struct piece {
    enum avj_entity entity;
    char *id;
    struct avj_pack fields; /* a map */
    uint64_t hlc;           /* of the first entry about it; 0: the replay shows it */
    bool gone;              /* it was deleted, or the replay shows it: nothing to add */
    bool touched;           /* some entry told fields */
    char *thread;           /* owned; NULL: none */
    int64_t created_ms;
};

struct salvage {
    const struct fsck_find *find;
    const struct fsck_salvage_out *out;
    struct avj_error *err;
    struct avj_view *view;
    struct piece *pieces; /* a hash table while entries are read; then a list */
    size_t count, cap;
};

static enum avj_status no_memory(const struct salvage *s)
{
    return avj_fail(s->err, AVJ_ENOMEM, "out of memory");
}

/* ---- JSON ---- */

/* What is no UTF-8 would make the line unreadable. */
static json_t *json_of_text(const char *text, size_t len)
{
    json_t *value = json_stringn(text, len);
    if (value)
        return value;
    char *copy = malloc(len + 1);
    if (!copy)
        return NULL;
    for (size_t i = 0; i < len; i++)
        copy[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
    value = json_stringn(copy, len);
    free(copy);
    return value;
}

static json_t *json_of(struct avj_value value)
{
    json_t *out = NULL;
    switch (value.kind) {
    case AVJ_BOOL:
        return json_boolean(value.boolean);
    case AVJ_INT:
        return json_integer((json_int_t)value.integer);
    case AVJ_REAL:
        return json_real(value.real);
    case AVJ_TEXT:
        return json_of_text(value.text, value.len);
    case AVJ_LIST:
        out = json_array();
        for (size_t i = 0; i < value.len; i++)
            (void)json_array_append_new(out, json_of(avj_value_item(value, i)));
        return out;
    case AVJ_MAP:
        out = json_object();
        for (size_t i = 0; i < value.len; i++) {
            struct avj_value key, item;
            char name[200];
            avj_value_pair(value, i, &key, &item);
            if (key.kind != AVJ_TEXT || key.len >= sizeof(name))
                continue;
            memcpy(name, key.text, key.len);
            name[key.len] = 0;
            (void)json_object_set_new(out, name, json_of(item));
        }
        return out;
    case AVJ_NIL:
    case AVJ_BYTES:
        break;
    }
    return json_null();
}

static void print_line(FILE *out, json_t *object)
{
    (void)json_dumpf(object, out, JSON_ENSURE_ASCII);
    fputc('\n', out);
}

/* {"kind":, "id":, fields...}; NULL: out of memory. */
static json_t *line_of(const struct piece *p)
{
    struct avj_tree *tree = NULL;
    json_t *object = json_object();
    if (p->fields.len && avj_tree_parse(p->fields.data, p->fields.len, &tree) != AVJ_OK)
        tree = NULL;
    (void)json_object_set_new(object, "kind", json_string(avj_schema(p->entity)->kind));
    (void)json_object_set_new(object, "id", json_of_text(p->id, strlen(p->id)));
    json_t *fields = tree ? json_of(avj_tree_root(tree)) : NULL;
    if (fields) {
        (void)json_object_del(fields, "id");
        (void)json_object_update(object, fields);
    }
    json_decref(fields);
    avj_tree_free(tree);
    return object;
}

/* ---- documents, by kind and id ---- */

static uint64_t hash_of(enum avj_entity entity, struct avj_slice id)
{
    return avj_hash64(id.data, id.len) * 31 + (uint64_t)entity;
}

static struct piece *slot_of(struct piece *pieces, size_t cap, enum avj_entity entity,
                             struct avj_slice id)
{
    size_t at = (size_t)hash_of(entity, id) & (cap - 1);
    while (pieces[at].id && (pieces[at].entity != entity || strlen(pieces[at].id) != id.len ||
                             memcmp(pieces[at].id, id.data, id.len) != 0))
        at = (at + 1) & (cap - 1);
    return &pieces[at];
}

static bool grow(struct salvage *s)
{
    if (2 * s->count < s->cap)
        return true;
    size_t cap = s->cap ? 2 * s->cap : 1024;
    struct piece *pieces = calloc(cap, sizeof(*pieces));
    if (!pieces)
        return false;
    for (size_t i = 0; i < s->cap; i++) {
        const char *id = s->pieces[i].id;
        if (id)
            *slot_of(pieces, cap, s->pieces[i].entity,
                     (struct avj_slice){(const uint8_t *)id, strlen(id)}) = s->pieces[i];
    }
    free(s->pieces);
    s->pieces = pieces;
    s->cap = cap;
    return true;
}

/* NULL: out of memory, or an id that can be none. */
static struct piece *piece_of(struct salvage *s, enum avj_entity entity, struct avj_slice id)
{
    if (id.len == 0 || memchr(id.data, 0, id.len) || !grow(s))
        return NULL;
    struct piece *p = slot_of(s->pieces, s->cap, entity, id);
    if (p->id)
        return p;
    p->id = strndup((const char *)id.data, id.len);
    p->entity = entity;
    s->count += p->id != NULL;
    return p->id ? p : NULL;
}

/* ---- what the replay shows ---- */

static enum avj_status replay(struct salvage *s)
{
    struct avj_error err = {0};
    s->view = avj_view_new(NULL);
    if (!s->view)
        return no_memory(s);
    for (size_t i = 0; i < s->find->count; i++) {
        const struct fsck_found *f = &s->find->items[i];
        enum avj_status status =
            avj_view_apply(s->view, f->seq, s->find->bytes + f->at, f->len, &err);
        if (status != AVJ_OK && status != AVJ_EFORMAT)
            return avj_fail(s->err, status, "record %llu: %s", (unsigned long long)f->seq,
                            err.message);
    }
    return AVJ_OK;
}

static enum avj_status take_shown(struct salvage *s, uint32_t number)
{
    const struct avj_slot *slot = avj_view_slot(s->view, number);
    char buffer[AVJ_UUID_TEXT];
    const char *id = avj_slot_id(&s->view->slots, slot, buffer);
    struct avj_fields fields;
    struct piece *p =
        piece_of(s, avj_slot_entity(slot), (struct avj_slice){(const uint8_t *)id, strlen(id)});
    if (!p)
        return no_memory(s);
    enum avj_status status = avj_view_fields(s->view, number, &fields, s->err);
    if (status != AVJ_OK)
        return status;
    avj_pack_raw(&p->fields, fields.data, fields.len);
    p->touched = p->gone = true; /* no entry has anything to add */
    return p->fields.failed ? no_memory(s) : AVJ_OK;
}

static enum avj_status take_all_shown(struct salvage *s)
{
    enum avj_status status = AVJ_OK;
    for (uint32_t n = 1; status == AVJ_OK && n <= avj_slots_last(&s->view->slots); n++)
        if (avj_view_visible(s->view, n))
            status = take_shown(s, n);
    return status;
}

/* ---- what else the entries tell ---- */

static enum avj_status merge_fields(struct salvage *s, struct piece *p, struct avj_value map)
{
    struct avj_pack patch = {0}, merged = {0};
    struct avj_fields base = {p->fields.data, p->fields.len};
    static const uint8_t empty[1] = {0x80};
    if (!base.len)
        base = (struct avj_fields){empty, 1};
    enum avj_status status = avj_fields_canonical(p->entity, map, false, &patch);
    if (status == AVJ_OK)
        status = avj_fields_merge(p->entity, base, (struct avj_fields){patch.data, patch.len}, true,
                                  &merged);
    avj_pack_release(&patch);
    if (status == AVJ_OK && !merged.failed) {
        avj_pack_release(&p->fields);
        p->fields = merged;
        p->touched = true;
        return AVJ_OK;
    }
    avj_pack_release(&merged);
    return status == AVJ_EFORMAT ? AVJ_OK : no_memory(s);
}

static void write_conflict(struct salvage *s, uint64_t seq, const struct avj_entry *e,
                           struct avj_value fields)
{
    struct avj_slice why = avj_value_get_text(e->root, "m");
    json_t *o = json_object();
    (void)json_object_set_new(o, "kind", json_string(avj_schema(e->entity)->kind));
    (void)json_object_set_new(o, "id", json_of_text((const char *)e->id.data, e->id.len));
    (void)json_object_set_new(o, "record", json_integer((json_int_t)seq));
    (void)json_object_set_new(o, "lost", json_of(fields));
    if (why.data)
        (void)json_object_set_new(o, "why", json_of_text((const char *)why.data, why.len));
    print_line(s->out->conflicts, o);
    json_decref(o);
    s->out->done->conflicts++;
}

/* Latest wins: what an entry says of a document that the replay does not show. */
static enum avj_status take_entry(struct salvage *s, uint64_t seq, const struct avj_entry *e)
{
    struct avj_value fields, op, hash;
    bool told = avj_value_get(e->root, "f", &fields) && fields.kind == AVJ_MAP;
    bool stub = !told && (avj_value_get(e->root, "g", &hash) || avj_value_get(e->root, "z", &hash));
    if (!e->has_document || e->entity >= AVJ_ENTITIES)
        return AVJ_OK;
    if (e->type == AVJ_E_CONFLICT && told)
        write_conflict(s, seq, e, fields);
    if (e->type != AVJ_E_LOCAL && e->type != AVJ_E_ACK && e->type != AVJ_E_REMOTE)
        return AVJ_OK;
    struct piece *p = piece_of(s, e->entity, e->id);
    if (!p)
        return e->id.len ? no_memory(s) : AVJ_OK;
    if (p->gone && p->touched && p->hlc == 0)
        return AVJ_OK; /* shown */
    if (!p->hlc)
        p->hlc = e->hlc ? e->hlc : 1;
    (void)avj_value_get(e->root, "o", &op);
    bool deletes = e->type == AVJ_E_LOCAL ? avj_value_text_is(op, "delete") : !told && !stub;
    p->gone = deletes || (p->gone && !told);
    return told ? merge_fields(s, p, fields) : AVJ_OK;
}

static enum avj_status take_entries(struct salvage *s)
{
    enum avj_status status = AVJ_OK;
    for (size_t i = 0; i < s->find->count && status == AVJ_OK; i++) {
        const struct fsck_found *f = &s->find->items[i];
        struct avj_entry entry;
        status = avj_entry_decode(s->find->bytes + f->at, f->len, &entry, NULL);
        if (status == AVJ_EFORMAT) {
            status = AVJ_OK;
            continue;
        }
        if (status != AVJ_OK)
            return no_memory(s);
        status = take_entry(s, f->seq, &entry);
        avj_entry_release(&entry);
    }
    return status;
}

/* ---- lines ---- */

static bool is_shown(const struct piece *p)
{
    return p->hlc == 0;
}

static char *text_of(json_t *line, const char *name)
{
    const char *text = json_string_value(json_object_get(line, name));
    return text && *text ? strdup(text) : NULL;
}

static int64_t time_of(json_t *line)
{
    const char *text = json_string_value(json_object_get(line, "createdAt"));
    int64_t ms = 0;
    if (text)
        (void)avj_time_parse(text, strlen(text), &ms);
    return ms;
}

/* What orders the lines; the list becomes dense. */
static enum avj_status arrange(struct salvage *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->cap; i++) {
        struct piece p = s->pieces[i];
        if (!p.id)
            continue;
        if (!p.touched || (p.gone && !is_shown(&p))) {
            free(p.id);
            avj_pack_release(&p.fields);
            continue;
        }
        json_t *line = line_of(&p);
        p.thread = text_of(line, "threadId");
        p.created_ms = time_of(line);
        json_decref(line);
        s->pieces[kept++] = p;
    }
    for (size_t i = kept; i < s->cap; i++)
        memset(&s->pieces[i], 0, sizeof(s->pieces[i]));
    s->count = kept;
    return AVJ_OK;
}

static int rank_of(enum avj_entity entity)
{
    return entity == AVJ_PROJECT ? 0 : entity == AVJ_THREAD ? 1 : entity == AVJ_MESSAGE ? 2 : 3;
}

static int by_place(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    if (x->entity != y->entity)
        return rank_of(x->entity) < rank_of(y->entity) ? -1 : 1;
    int order = strcmp(x->thread ? x->thread : "", y->thread ? y->thread : "");
    if (order)
        return order;
    if (x->created_ms != y->created_ms)
        return x->created_ms < y->created_ms ? -1 : 1;
    return strcmp(x->id, y->id);
}

static void make_up(struct salvage *s, const struct piece *p, json_t *line, const char *name,
                    const char *text)
{
    if (json_object_get(line, name) && !json_is_null(json_object_get(line, name)))
        return;
    (void)json_object_set_new(line, name, json_string(text));
    fprintf(s->out->report, "made up: %s \"%s\" of %s %s\n", name, text,
            avj_schema(p->entity)->kind, p->id);
    s->out->done->made_up++;
}

static void make_up_time(struct salvage *s, const struct piece *p, json_t *line)
{
    char text[AVJ_TIME_TEXT];
    avj_time_format(p->hlc > 1 ? avj_hlc_ms(p->hlc) : 0, text);
    make_up(s, p, line, "createdAt", text);
}

/* The fields that import insists on; false: too much is missing. */
static bool complete(struct salvage *s, const struct piece *p, json_t *line)
{
    switch (p->entity) {
    case AVJ_THREAD:
        make_up(s, p, line, "title", "Salvaged thread");
        break;
    case AVJ_PROJECT:
        make_up(s, p, line, "name", "Salvaged project");
        break;
    case AVJ_MESSAGE:
        if (!p->thread || !json_is_string(json_object_get(line, "content")))
            return false;
        make_up(s, p, line, "role", "user");
        break;
    default:
        if (!p->thread || !json_is_string(json_object_get(line, "content")) ||
            !json_is_string(json_object_get(line, "messageId")))
            return false;
        break;
    }
    make_up_time(s, p, line);
    return true;
}

static void count_line(struct fsck_salvaged *done, enum avj_entity entity)
{
    done->projects += entity == AVJ_PROJECT;
    done->threads += entity == AVJ_THREAD;
    done->messages += entity == AVJ_MESSAGE;
    done->summaries += entity == AVJ_SUMMARY;
}

static void write_piece(struct salvage *s, const struct piece *p)
{
    json_t *line = line_of(p);
    if (complete(s, p, line)) {
        print_line(s->out->lines, line);
        count_line(s->out->done, p->entity);
        if (!is_shown(p))
            fprintf(s->out->report, "in part: %s %s, from the entries that are left of it\n",
                    avj_schema(p->entity)->kind, p->id);
    } else {
        print_line(s->out->incomplete, line);
        s->out->done->incomplete++;
        fprintf(s->out->report, "incomplete: %s %s, see incomplete.jsonl\n",
                avj_schema(p->entity)->kind, p->id);
    }
    json_decref(line);
}

/* A thread that only its messages tell of. */
static enum avj_status need_thread(struct salvage *s, const char *id, int64_t created_ms)
{
    struct piece *p = piece_of(s, AVJ_THREAD, (struct avj_slice){(const uint8_t *)id, strlen(id)});
    if (!p)
        return no_memory(s);
    if (p->touched && (!p->gone || is_shown(p)))
        return AVJ_OK;
    avj_pack_reset(&p->fields);
    p->gone = false;
    p->touched = true;
    p->hlc = (uint64_t)(created_ms > 0 ? created_ms : 1) << 16;
    return AVJ_OK;
}

static enum avj_status need_threads(struct salvage *s)
{
    enum avj_status status = AVJ_OK;
    for (size_t i = 0; i < s->cap && status == AVJ_OK; i++) {
        const struct piece *p = &s->pieces[i];
        if (!p->id || !p->touched || (p->gone && !is_shown(p)) ||
            (p->entity != AVJ_MESSAGE && p->entity != AVJ_SUMMARY))
            continue;
        json_t *line = line_of(p);
        char *thread = text_of(line, "threadId");
        size_t cap = s->cap;
        if (thread)
            status = need_thread(s, thread, time_of(line));
        free(thread);
        json_decref(line);
        if (s->cap != cap)
            i = (size_t)-1; /* the table moved: begin anew, those that are there are found */
    }
    return status;
}

static void release(struct salvage *s)
{
    for (size_t i = 0; i < s->cap; i++) {
        free(s->pieces[i].id);
        free(s->pieces[i].thread);
        avj_pack_release(&s->pieces[i].fields);
    }
    free(s->pieces);
    avj_view_free(s->view);
}

enum avj_status fsck_salvage_documents(const struct fsck_find *find,
                                       const struct fsck_salvage_out *out, struct avj_error *err)
{
    struct salvage s = {.find = find, .out = out, .err = err};
    enum avj_status status = replay(&s);
    if (status == AVJ_OK)
        status = take_all_shown(&s);
    if (status == AVJ_OK)
        status = take_entries(&s);
    if (status == AVJ_OK)
        status = need_threads(&s);
    if (status == AVJ_OK)
        status = arrange(&s);
    if (status == AVJ_OK && s.count)
        qsort(s.pieces, s.count, sizeof(*s.pieces), by_place);
    for (size_t i = 0; status == AVJ_OK && i < s.count; i++)
        write_piece(&s, &s.pieces[i]);
    release(&s);
    return status;
}
