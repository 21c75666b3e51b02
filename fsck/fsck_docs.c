/* Documents, as far as gaps are concerned: see fsck_docs.h. */
#include "fsck/fsck_docs.h"

#include "journal/journal.h"
#include "replay/view_private.h"

#include <stdlib.h>
#include <string.h>

#define GAPS_MAX 64

enum { DOC_VISIBLE = 1, DOC_UPSTREAM = 2, DOC_MESSAGE = 4, DOC_DELETED = 8 };

struct doc {
    uint64_t key;    /* 0: free */
    uint64_t thread; /* messages: key of their thread */
    unsigned flags;
};

struct gap {
    uint64_t first, last;
    struct fsck_finding *finding;
};

struct fsck_docs {
    struct doc *slots; /* open addressing, a power of two of them */
    size_t count, cap;
    struct gap gaps[GAPS_MAX];
    size_t gap_count;
};

void fsck_docs_free(struct fsck_docs *docs)
{
    if (!docs)
        return;
    free(docs->slots);
    free(docs);
}

static uint64_t key_of(enum avj_entity entity, struct avj_slice id)
{
    uint64_t key = avj_hash64(id.data, id.len) * 31 + (uint64_t)entity;
    return key ? key : 1;
}

static struct doc *slot_of(struct doc *slots, size_t cap, uint64_t key)
{
    size_t i = (size_t)key & (cap - 1);
    while (slots[i].key && slots[i].key != key)
        i = (i + 1) & (cap - 1);
    return &slots[i];
}

static bool grow(struct fsck_docs *docs)
{
    if (docs->count < docs->cap / 4 * 3)
        return true;
    size_t cap = 2 * docs->cap;
    struct doc *slots = calloc(cap, sizeof(*slots));
    if (!slots)
        return false;
    for (size_t i = 0; i < docs->cap; i++)
        if (docs->slots[i].key)
            *slot_of(slots, cap, docs->slots[i].key) = docs->slots[i];
    free(docs->slots);
    docs->slots = slots;
    docs->cap = cap;
    return true;
}

/* ---- what the view knows ---- */

static uint64_t key_of_slot(const struct avj_view *view, const struct avj_slot *slot)
{
    char buffer[AVJ_UUID_TEXT];
    struct avj_slice id = {avj_slot_id(&view->slots, slot, buffer), avj_slot_id_len(slot)};
    return key_of(avj_slot_entity(slot), id);
}

/* Is it upstream, and was it deleted here?  An open document tells. */
static enum avj_status open_flags(struct avj_view *view, uint32_t number, unsigned *flags)
{
    struct avj_document *d;
    enum avj_status status = avj_view_open(view, number, &d, NULL);
    if (status != AVJ_OK)
        return status;
    if (d->rows)
        *flags |= DOC_UPSTREAM;
    if (d->pending_count && d->pending[d->pending_count - 1].op == AVJ_DELETE)
        *flags |= DOC_DELETED;
    avj_view_put_back(view, number, d);
    return AVJ_OK;
}

static enum avj_status take_slot(struct fsck_docs *docs, struct avj_view *view, uint32_t number)
{
    const struct avj_slot *slot = avj_view_slot(view, number);
    bool message = avj_slot_entity(slot) == AVJ_MESSAGE;
    unsigned flags = message ? DOC_MESSAGE : 0;
    /* Of some threads only messages tell. */
    if (avj_slot_entity(slot) == AVJ_THREAD &&
        !(slot->flags & (AVJ_SLOT_VISIBLE | AVJ_SLOT_HIDDEN_STATE)))
        return AVJ_OK;
    if (slot->flags & AVJ_SLOT_VISIBLE)
        flags |= DOC_VISIBLE;
    if (slot->flags & AVJ_SLOT_ROW)
        flags |= DOC_UPSTREAM;
    if ((slot->flags & AVJ_SLOT_OPEN) && open_flags(view, number, &flags) != AVJ_OK)
        return AVJ_ENOMEM;
    if (!grow(docs))
        return AVJ_ENOMEM;
    struct doc *doc = slot_of(docs->slots, docs->cap, key_of_slot(view, slot));
    docs->count += doc->key == 0;
    doc->key = key_of_slot(view, slot);
    doc->flags = flags;
    if (message && slot->thread)
        doc->thread =
            key_of_slot(view, avj_view_slot(view, avj_view_thread(view, slot->thread)->slot));
    return AVJ_OK;
}

struct fsck_docs *fsck_docs_new(struct avj_view *view)
{
    struct fsck_docs *docs = calloc(1, sizeof(*docs));
    if (!docs)
        return NULL;
    docs->cap = 1024;
    docs->slots = calloc(docs->cap, sizeof(*docs->slots));
    enum avj_status status = docs->slots ? AVJ_OK : AVJ_ENOMEM;
    for (uint32_t n = 1; status == AVJ_OK && n <= avj_slots_last(&view->slots); n++)
        status = take_slot(docs, view, n);
    if (status == AVJ_OK)
        return docs;
    fsck_docs_free(docs);
    return NULL;
}

/* Compaction took its fields, which the end of the log needs no more: this is a moment in front of
 * that, and nobody knows its thread there. */
static bool is_dropped(struct avj_view *view, uint32_t number)
{
    struct avj_fields fields;
    struct avj_tree *tree;
    struct avj_error err = {0};
    if (avj_view_fields(view, number, &fields, &err) != AVJ_OK ||
        avj_tree_parse(fields.data, fields.len, &tree) != AVJ_OK)
        return false;
    bool dropped = avj_value_get_bool(avj_tree_root(tree), "$dropped", false);
    avj_tree_free(tree);
    return dropped;
}

uint64_t fsck_view_messages_without_thread(struct avj_view *view)
{
    uint64_t count = 0;
    for (uint32_t n = 1; n <= avj_slots_last(&view->slots); n++) {
        const struct avj_slot *slot = avj_view_slot(view, n);
        if (avj_slot_entity(slot) != AVJ_MESSAGE || !(slot->flags & AVJ_SLOT_VISIBLE))
            continue;
        if (slot->thread ? !avj_view_visible(view, avj_view_thread(view, slot->thread)->slot)
                         : !is_dropped(view, n))
            count++;
    }
    return count;
}

/* ---- gaps ---- */

void fsck_docs_gap(struct fsck_docs *docs, uint64_t first, uint64_t last,
                   struct fsck_finding *finding)
{
    if (docs->gap_count < GAPS_MAX)
        docs->gaps[docs->gap_count++] = (struct gap){first, last, finding};
}

static void affected(struct gap *gap, enum avj_entity entity, struct avj_slice id)
{
    if (!gap || !gap->finding)
        return;
    if (entity == AVJ_THREAD)
        fsck_ids_add(&gap->finding->threads, id.data, id.len);
    else if (entity == AVJ_MESSAGE)
        fsck_ids_add(&gap->finding->messages, id.data, id.len);
}

/* An entry speaks of a change of this document by its sequence number. */
static void mentions(struct fsck_docs *docs, enum avj_entity entity, struct avj_slice id,
                     int64_t seq)
{
    for (size_t i = 0; i < docs->gap_count && seq > 0; i++)
        if ((uint64_t)seq >= docs->gaps[i].first && (uint64_t)seq <= docs->gaps[i].last)
            affected(&docs->gaps[i], entity, id);
}

static struct gap *last_gap(struct fsck_docs *docs)
{
    return docs->gap_count ? &docs->gaps[docs->gap_count - 1] : NULL;
}

static void pushed(struct fsck_docs *docs, const struct avj_entry *entry)
{
    struct avj_value list;
    if (!docs->gap_count || !avj_value_get(entry->root, "d", &list) || list.kind != AVJ_LIST)
        return;
    for (size_t i = 0; i < list.len; i++) {
        struct avj_value op = avj_value_item(list, i);
        if (op.kind != AVJ_LIST || op.len < 4)
            continue;
        struct avj_value kind = avj_value_item(op, 0), id = avj_value_item(op, 1);
        struct avj_value upto = avj_value_item(op, 3);
        if (kind.kind != AVJ_TEXT || id.kind != AVJ_TEXT || upto.kind != AVJ_INT)
            continue;
        enum avj_entity entity = avj_entity_from_kind(kind.text, kind.len);
        mentions(docs, entity, (struct avj_slice){id.text, id.len}, upto.integer);
    }
}

/* ---- documents ---- */

static void set_thread(struct fsck_docs *docs, struct doc *doc, struct avj_value fields)
{
    struct avj_slice thread = avj_value_get_text(fields, "threadId");
    if (thread.len == 0)
        return;
    doc->thread = key_of(AVJ_THREAD, thread);
    if (docs->gap_count && !slot_of(docs->slots, docs->cap, doc->thread)->key)
        affected(last_gap(docs), AVJ_THREAD, thread);
}

static void changed_here(struct doc *doc, const struct avj_entry *entry)
{
    struct avj_slice op = avj_value_get_text(entry->root, "o");
    if (op.len == 6 && memcmp(op.data, "delete", 6) == 0)
        doc->flags = (doc->flags & ~(unsigned)DOC_VISIBLE) | DOC_DELETED;
    else if (op.len == 6 && memcmp(op.data, "create", 6) == 0)
        doc->flags = (doc->flags & ~(unsigned)DOC_DELETED) | DOC_VISIBLE;
}

static void seen_upstream(struct doc *doc, bool row)
{
    doc->flags |= DOC_UPSTREAM;
    if (row && !(doc->flags & DOC_DELETED))
        doc->flags |= DOC_VISIBLE;
    else if (!row)
        doc->flags &= ~(unsigned)DOC_VISIBLE;
}

static void learn(struct fsck_docs *docs, struct doc *doc, const struct avj_entry *entry)
{
    struct avj_value fields;
    bool row = avj_value_get(entry->root, "f", &fields) && fields.kind == AVJ_MAP;
    switch (entry->type) {
    case AVJ_E_LOCAL:
        changed_here(doc, entry);
        break;
    case AVJ_E_REMOTE:
        seen_upstream(doc, row);
        break;
    case AVJ_E_ACK:
        if (avj_value_get_int(entry->root, "x", 0) != 0)
            seen_upstream(doc, row);
        break;
    case AVJ_E_DROP:
        if (!(doc->flags & DOC_UPSTREAM))
            doc->flags &= ~(unsigned)DOC_VISIBLE;
        break;
    default:
        return;
    }
    if (row && entry->entity == AVJ_MESSAGE)
        set_thread(docs, doc, fields);
}

/* The first word about a document is a create or its row; anything else means that what came before
 * is lost. */
static bool is_beginning(const struct avj_entry *entry)
{
    struct avj_slice op = avj_value_get_text(entry->root, "o");
    if (entry->type == AVJ_E_LOCAL)
        return op.len == 6 && memcmp(op.data, "create", 6) == 0;
    return entry->type == AVJ_E_REMOTE || entry->type == AVJ_E_STREAM;
}

enum avj_status fsck_docs_entry(struct fsck_docs *docs, const struct avj_entry *entry)
{
    if (entry->type == AVJ_E_PUSH)
        pushed(docs, entry);
    if (!entry->has_document || entry->type == AVJ_ENTRY_TYPES)
        return AVJ_OK;
    mentions(docs, entry->entity, entry->id, avj_value_get_int(entry->root, "s", 0));
    if (!grow(docs))
        return AVJ_ENOMEM;
    uint64_t key = key_of(entry->entity, entry->id);
    struct doc *doc = slot_of(docs->slots, docs->cap, key);
    if (!doc->key) {
        doc->key = key;
        doc->flags = entry->entity == AVJ_MESSAGE ? DOC_MESSAGE : 0;
        docs->count++;
        if (docs->gap_count && !is_beginning(entry))
            affected(last_gap(docs), entry->entity, entry->id);
    }
    learn(docs, doc, entry);
    return AVJ_OK;
}

uint64_t fsck_docs_messages_without_thread(const struct fsck_docs *docs)
{
    uint64_t count = 0;
    for (size_t i = 0; i < docs->cap; i++) {
        const struct doc *doc = &docs->slots[i];
        if (!doc->key || (doc->flags & (DOC_MESSAGE | DOC_VISIBLE)) != (DOC_MESSAGE | DOC_VISIBLE))
            continue;
        const struct doc *thread =
            doc->thread ? slot_of(docs->slots, docs->cap, doc->thread) : NULL;
        if (!thread || !thread->key || !(thread->flags & DOC_VISIBLE))
            count++;
    }
    return count;
}
