/* Everything that a view shows: see described.h. */
#include "tests/support/described.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(bool condition, const char *what)
{
    if (condition)
        return;
    fprintf(stderr, "describing a view: %s\n", what);
    abort();
}

static void put_fields(struct avj_fields fields, struct avj_pack *out)
{
    if (fields.len)
        avj_pack_raw(out, fields.data, fields.len);
    else
        avj_pack_nil(out);
}

static void put_id(const struct avj_view *view, uint32_t number, struct avj_pack *out)
{
    char buffer[AVJ_UUID_TEXT];
    const struct avj_slot *slot = number ? avj_view_slot(view, number) : NULL;
    avj_pack_cstr(out, slot ? avj_slot_id(&view->slots, slot, buffer) : NULL);
}

/* ---- one document ---- */

static void put_row(struct avj_view *view, uint32_t number, struct avj_pack *out)
{
    struct avj_row_texts texts;
    const struct avj_slot *slot = avj_view_slot(view, number);
    if (!(slot->flags & AVJ_SLOT_ROW)) {
        avj_pack_nil(out);
        return;
    }
    avj_view_row_texts(view, number, &texts);
    avj_pack_list(out, 4);
    avj_pack_cstr(out, texts.remote_id);
    avj_pack_cstr(out, texts.version);
    avj_pack_int(out, slot->version_ms);
    avj_pack_bool(out, (slot->flags & AVJ_SLOT_GONE) != 0);
}

static void put_rows(const struct avj_document *d, struct avj_pack *out)
{
    size_t count = 0;
    for (const struct avj_known_row *row = d->rows; row; row = row->next)
        count++;
    avj_pack_list(out, 6 * count);
    for (const struct avj_known_row *row = d->rows; row; row = row->next) {
        avj_pack_cstr(out, row->remote_id);
        avj_pack_cstr(out, row->version);
        avj_pack_int(out, row->version_ms);
        avj_pack_bool(out, row->deleted);
        avj_pack_int(out, (int64_t)row->seq);
        put_fields(avj_blob_fields(&row->fields), out);
    }
}

static void put_pending(const struct avj_document *d, struct avj_pack *out)
{
    avj_pack_list(out, 6 * d->pending_count);
    for (size_t i = 0; i < d->pending_count; i++) {
        const struct avj_pending *p = &d->pending[i];
        avj_pack_int(out, (int64_t)p->seq);
        avj_pack_int(out, (int64_t)p->hlc);
        avj_pack_int(out, p->op);
        avj_pack_bool(out, p->attempted);
        avj_pack_bool(out, p->trimmed);
        put_fields(avj_blob_fields(&p->fields), out);
    }
}

/* All of it, once more by way of the document. */
static void put_state(struct avj_view *view, uint32_t number, struct avj_pack *out)
{
    struct avj_document *d;
    struct avj_error err = {0};
    must(avj_view_open(view, number, &d, &err) == AVJ_OK, err.message);
    must(avj_view_load(view, d, &err) == AVJ_OK, err.message);
    must(d->derived || avj_document_derive(d) == AVJ_OK, "a document can not be derived");
    avj_pack_list(out, 12);
    avj_pack_int(out, d->entity);
    avj_pack_cstr(out, d->id);
    put_rows(d, out);
    put_pending(d, out);
    put_fields(avj_blob_fields(&d->kept), out);
    avj_pack_bool(out, d->parked);
    avj_pack_int(out, d->reject_status);
    avj_pack_cstr(out, d->reject_type);
    avj_pack_cstr(out, d->reject_message);
    avj_pack_bool(out, d->visible);
    put_fields(avj_blob_fields(&d->shared), out);
    put_fields(avj_document_fields(d), out);
    avj_view_put_back(view, number, d);
}

static void put_document(struct avj_view *view, uint32_t number, bool deep, struct avj_pack *out)
{
    const struct avj_slot *slot = avj_view_slot(view, number);
    struct avj_fields fields;
    avj_pack_list(out, 12);
    avj_pack_cstr(out, avj_schema(avj_slot_entity(slot))->kind);
    put_id(view, number, out);
    avj_pack_bool(out, avj_view_visible(view, number));
    avj_pack_int(out, (int64_t)slot->digest[0]);
    avj_pack_int(out, (int64_t)slot->digest[1]);
    avj_pack_int(out, slot->created_ms);
    put_id(view, slot->thread ? avj_view_thread(view, slot->thread)->slot : 0, out);
    avj_pack_int(out, (int64_t)avj_slot_body(slot));
    avj_pack_int(out, (int64_t)avj_outbox_turn(view, number));
    struct avj_error err = {0};
    must(avj_view_fields(view, number, &fields, &err) == AVJ_OK, err.message);
    put_fields(fields, out);
    put_row(view, number, out);
    if (deep)
        put_state(view, number, out);
    else
        avj_pack_nil(out);
}

/* ---- the rest ---- */

static void put_list(const struct avj_view *view, const struct avj_span *list, struct avj_pack *out)
{
    const uint32_t *items = avj_span_data(view, list);
    avj_pack_list(out, list->len);
    for (uint32_t i = 0; i < list->len; i++)
        put_id(view, items[i], out);
}

static void put_thread(const struct avj_view *view, const struct avj_thread *t,
                       struct avj_pack *out)
{
    avj_pack_list(out, 7);
    put_id(view, t->slot, out);
    avj_pack_int(out, t->last_message_ms);
    avj_pack_int(out, t->newest_ms);
    avj_pack_bool(out, t->pinned);
    put_fields((struct avj_fields){avj_span_data(view, &t->fields), t->fields.len}, out);
    put_list(view, &t->messages, out);
    put_list(view, &t->summaries, out);
}

static void put_outbox(const struct avj_view *view, struct avj_pack *out)
{
    size_t at = 0, count = 0;
    while (avj_outbox_each(view, &at))
        count++;
    must(count == view->outbox_live, "the outbox gives another number than it has");
    avj_pack_list(out, count);
    at = 0;
    for (uint32_t n; (n = avj_outbox_each(view, &at)) != 0;)
        put_id(view, n, out);
}

static void put_counts(const struct avj_view *view, struct avj_pack *out)
{
    const uint64_t *counts = (const uint64_t *)(const void *)&view->counts;
    avj_pack_list(out, sizeof(view->counts) / sizeof(*counts));
    for (size_t i = 0; i < sizeof(view->counts) / sizeof(*counts); i++)
        avj_pack_int(out, (int64_t)counts[i]);
}

static void put_facts(const struct avj_view *view, struct avj_pack *out)
{
    avj_pack_list(out, 10 + 3 + AVJ_ENTITIES);
    avj_pack_int(out, (int64_t)view->digest[0]);
    avj_pack_int(out, (int64_t)view->digest[1]);
    avj_pack_int(out, (int64_t)view->last_seq);
    avj_pack_int(out, (int64_t)view->last_hlc);
    avj_pack_cstr(out, view->user);
    avj_pack_bool(out, view->gap_open);
    avj_pack_cstr(out, view->swept);
    avj_pack_int(out, view->last_ack_ms);
    avj_pack_int(out, view->clock_offset_ms);
    avj_pack_list(out, 2 * view->learned_count + view->conflict_count);
    for (size_t i = 0; i < view->learned_count; i++) {
        avj_pack_cstr(out, view->learned[i].field);
        avj_pack_cstr(out, view->learned[i].what);
    }
    for (size_t i = 0; i < view->conflict_count; i++)
        avj_pack_int(out, (int64_t)view->conflicts[i]);
    for (int i = 0; i < 3 + AVJ_ENTITIES; i++)
        avj_pack_cstr(out, view->upstream[i]);
}

void described(struct avj_view *view, bool deep, struct avj_pack *out)
{
    size_t documents = avj_slots_last(&view->slots);
    size_t threads = view->threads.count ? view->threads.count - 1 : 0;
    avj_pack_reset(out);
    avj_pack_list(out, 3 + documents + threads);
    put_facts(view, out);
    put_counts(view, out);
    put_outbox(view, out);
    for (uint32_t n = 1; n <= documents; n++)
        put_document(view, n, deep, out);
    for (uint32_t n = 1; n <= threads; n++)
        put_thread(view, avj_view_thread(view, n), out);
    must(!out->failed, "out of memory");
}

/* ---- comparing ---- */

static void print(struct avj_value v);

static void print_items(struct avj_value v)
{
    for (size_t i = 0; i < v.len; i++) {
        struct avj_value key, value;
        fputs(i ? ", " : "", stderr);
        if (v.kind == AVJ_MAP) {
            avj_value_pair(v, i, &key, &value);
            print(key);
            fputs(": ", stderr);
        } else {
            value = avj_value_item(v, i);
        }
        print(value);
    }
}

/* What is packed inside is shown too. */
static void print_bytes(struct avj_value v)
{
    struct avj_tree *tree;
    if (avj_tree_parse(v.text, v.len, &tree) != AVJ_OK) {
        fprintf(stderr, "%zu bytes", v.len);
        return;
    }
    print(avj_tree_root(tree));
    avj_tree_free(tree);
}

static void print(struct avj_value v)
{
    switch (v.kind) {
    case AVJ_TEXT:
        fprintf(stderr, "\"%.*s\"%s", v.len > 60 ? 60 : (int)v.len, v.text,
                v.len > 60 ? "..." : "");
        return;
    case AVJ_INT:
        fprintf(stderr, "%lld", (long long)v.integer);
        return;
    case AVJ_BOOL:
        fputs(v.boolean ? "yes" : "no", stderr);
        return;
    case AVJ_BYTES:
        print_bytes(v);
        return;
    case AVJ_LIST:
    case AVJ_MAP:
        fputs(v.kind == AVJ_LIST ? "[" : "{", stderr);
        print_items(v);
        fputs(v.kind == AVJ_LIST ? "]" : "}", stderr);
        return;
    case AVJ_NIL:
    case AVJ_REAL:
        fputs("-", stderr);
    }
}

/* Whose part it is, and the innermost values that differ. */
static void print_difference(struct avj_value a, struct avj_value b, int depth)
{
    bool lists = a.kind == AVJ_LIST && b.kind == AVJ_LIST && a.len == b.len && a.len;
    if (!lists) {
        fprintf(stderr, "%*s", 2 * depth, "");
        print(a);
        fprintf(stderr, "\n%*s", 2 * depth, "");
        print(b);
        fputs("\n", stderr);
    }
    for (size_t i = 0; lists && i < a.len; i++) {
        if (avj_value_equal(avj_value_item(a, i), avj_value_item(b, i)))
            continue;
        fprintf(stderr, "%*spart %zu", 2 * depth, "", i);
        if (a.len > 1 && avj_value_item(a, 1).kind == AVJ_TEXT) {
            fputs(" of ", stderr);
            print(avj_value_item(a, 1));
        }
        fputs("\n", stderr);
        print_difference(avj_value_item(a, i), avj_value_item(b, i), depth + 1);
    }
}

bool described_alike(const struct avj_pack *a, const struct avj_pack *b, const char *what)
{
    struct avj_tree *x, *y;
    if (a->len == b->len && memcmp(a->data, b->data, a->len) == 0)
        return true;
    must(avj_tree_parse(a->data, a->len, &x) == AVJ_OK, "no msgpack");
    must(avj_tree_parse(b->data, b->len, &y) == AVJ_OK, "no msgpack");
    fprintf(stderr, "%s: two views differ\n", what);
    print_difference(avj_tree_root(x), avj_tree_root(y), 1);
    avj_tree_free(x);
    avj_tree_free(y);
    return false;
}

bool described_same(struct avj_view *a, struct avj_view *b, bool deep, const char *what)
{
    struct avj_pack x = {0}, y = {0};
    described(a, deep, &x);
    described(b, deep, &y);
    bool same = described_alike(&x, &y, what);
    avj_pack_release(&x);
    avj_pack_release(&y);
    return same;
}
