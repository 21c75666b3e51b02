/* Documents of the view, opened and closed, and what is summed up over them: see view_private.h. */
#include "replay/view_private.h"
#include "replay/clock.h"
#include "replay/open.h"

#include <stdlib.h>
#include <string.h>

struct avj_view *avj_view_new(const struct avj_source *source)
{
    struct avj_view *view = calloc(1, sizeof(*view));
    if (!view)
        return NULL;
    avj_slots_init(&view->slots);
    avj_chunks_init(&view->threads, sizeof(struct avj_thread));
    avj_chunks_init(&view->sides, sizeof(struct avj_side));
    avj_chunks_init(&view->open, sizeof(struct avj_open));
    if (source)
        view->source = *source;
    else if (avj_own_keep(view) != AVJ_OK) {
        free(view);
        return NULL;
    }
    return view;
}

static void free_threads(struct avj_view *view)
{
    for (size_t i = 1; i < view->threads.count; i++) {
        struct avj_thread *t = avj_view_thread(view, (uint32_t)i);
        avj_span_free(&t->fields);
        avj_span_free(&t->messages);
        avj_span_free(&t->summaries);
    }
    avj_chunks_release(&view->threads);
}

static struct avj_document *pointer(const struct avj_open *open)
{
    return (struct avj_document *)(uintptr_t)open->doc;
}

static void free_documents(struct avj_view *view)
{
    for (size_t i = 1; i < view->open.count; i++)
        avj_document_free(pointer(avj_open_at(view, (uint32_t)i)));
    for (size_t i = 1; i < view->sides.count; i++)
        avj_span_free(&avj_side_at(view, (uint32_t)i)->kept);
    avj_chunks_release(&view->open);
    avj_chunks_release(&view->sides);
}

void avj_view_free(struct avj_view *view)
{
    if (!view)
        return;
    free_threads(view);
    free_documents(view);
    avj_slots_release(&view->slots);
    avj_rows_free(view->rows);
    avj_own_free(view->own);
    avj_growings_release(&view->growing);
    for (size_t i = 0; i < sizeof(view->upstream) / sizeof(view->upstream[0]); i++)
        free(view->upstream[i]);
    for (size_t i = 0; i < view->learned_count; i++) {
        free(view->learned[i].field);
        free(view->learned[i].what);
    }
    free(view->learned);
    free(view->outbox);
    free(view->conflicts);
    free(view->user);
    free(view->rows_user);
    free(view->swept);
    avj_pack_release(&view->scratch);
    avj_pack_release(&view->body);
    if (view->mapped)
        view->unmap(view->unmap_arg, view->mapped, view->mapped_len);
    free(view);
}

bool avj_text_replace(char **slot, struct avj_slice text)
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

/* ---- spans, side records, open records ---- */

void avj_span_free(struct avj_span *span)
{
    if (span->cap)
        free((void *)(uintptr_t)span->at);
    *span = (struct avj_span){0};
}

bool avj_span_set(struct avj_span *span, const void *data, size_t len)
{
    if (len > UINT32_MAX)
        return false;
    if (len && span->cap < len) {
        void *bytes = malloc(len);
        if (!bytes)
            return false;
        avj_span_free(span);
        *span = (struct avj_span){.at = (uint64_t)(uintptr_t)bytes, .cap = (uint32_t)len};
    }
    if (!len) {
        avj_span_free(span);
        return true;
    }
    memcpy((void *)(uintptr_t)span->at, data, len);
    span->len = (uint32_t)len;
    return true;
}

/* A free record of the array: one given back, or a new one.  Number 0 is none. */
static uint32_t record_new(struct avj_chunks *chunks)
{
    if (chunks->count == 0 && !avj_chunks_add(chunks))
        return 0;
    if (chunks->count > UINT32_MAX || !avj_chunks_add(chunks))
        return 0;
    return (uint32_t)(chunks->count - 1);
}

uint32_t avj_side_new(struct avj_view *view)
{
    uint32_t number = view->free_side;
    if (!number)
        return record_new(&view->sides);
    view->free_side = avj_side_at(view, number)->next_free;
    avj_side_at(view, number)->next_free = 0;
    return number;
}

void avj_side_free(struct avj_view *view, uint32_t number)
{
    struct avj_side *side = avj_side_at(view, number);
    avj_span_free(&side->kept);
    *side = (struct avj_side){.next_free = view->free_side};
    view->free_side = number;
}

static uint32_t open_new(struct avj_view *view)
{
    uint32_t number = view->free_open;
    if (!number)
        return record_new(&view->open);
    view->free_open = avj_open_at(view, number)->next_free;
    avj_open_at(view, number)->next_free = 0;
    return number;
}

static void open_free(struct avj_view *view, uint32_t number)
{
    struct avj_open *open = avj_open_at(view, number);
    *open = (struct avj_open){.next_free = view->free_open};
    view->free_open = number;
}

/* ---- slots ---- */

uint32_t avj_view_need(struct avj_view *view, enum avj_entity entity, struct avj_slice id)
{
    bool added;
    return avj_slots_need(&view->slots, entity, id.data, id.len, &added);
}

/* A thread's number is given when it is first needed.  0: out of memory. */
static uint32_t give_number(struct avj_view *view, uint32_t number)
{
    struct avj_slot *slot = avj_view_slot(view, number);
    if (!slot->thread) {
        slot->thread = record_new(&view->threads);
        if (slot->thread)
            avj_view_thread(view, slot->thread)->slot = number;
    }
    return slot->thread;
}

uint32_t avj_view_need_thread(struct avj_view *view, const struct avj_slot_key *key)
{
    bool added;
    uint32_t number = avj_slots_need_key(&view->slots, key, &added);
    return number ? give_number(view, number) : 0;
}

/* The row and the fields kept back that a slot stands for. */
static enum avj_status row_of_slot(struct avj_view *view, uint32_t number, struct avj_document *d)
{
    const struct avj_slot *slot = avj_view_slot(view, number);
    struct avj_row_texts texts;
    avj_view_row_texts(view, number, &texts);
    struct avj_known_row *row = avj_document_add_row(d, texts.remote_id);
    if (!row)
        return AVJ_ENOMEM;
    row->version = strdup(texts.version);
    if (!row->version)
        return AVJ_ENOMEM;
    row->version_ms = slot->version_ms;
    row->deleted = (slot->flags & AVJ_SLOT_GONE) != 0;
    row->seq = avj_slot_body(slot);
    if (!(slot->flags & AVJ_SLOT_SIDE))
        return AVJ_OK;
    const struct avj_span *kept = &avj_side_at(view, slot->extra)->kept;
    return kept->len ? avj_blob_copy(&d->kept, avj_span_data(view, kept), kept->len) : AVJ_OK;
}

static enum avj_status pending_of_slot(const struct avj_slot *slot, struct avj_document *d)
{
    d->pending = calloc(1, sizeof(*d->pending));
    if (!d->pending)
        return AVJ_ENOMEM;
    d->pending_cap = d->pending_count = 1;
    d->pending[0] = (struct avj_pending){.seq = avj_slot_body(slot),
                                         .op = AVJ_CREATE,
                                         .attempted = (slot->flags & AVJ_SLOT_ATTEMPTED) != 0};
    return AVJ_OK;
}

/* What a thread shows is in memory: nothing has to be read for it. */
static enum avj_status shared_of_thread(const struct avj_view *view, const struct avj_slot *slot,
                                        struct avj_document *d)
{
    const struct avj_span *fields = &avj_view_thread(view, slot->thread)->fields;
    d->derived = true;
    return avj_blob_copy(&d->shared, avj_span_data(view, fields), fields->len);
}

static enum avj_status document_of_slot(struct avj_view *view, uint32_t number,
                                        struct avj_document **out)
{
    const struct avj_slot *slot = avj_view_slot(view, number);
    char buffer[AVJ_UUID_TEXT];
    struct avj_document *d = avj_document_new(
        avj_slot_entity(slot), avj_slot_id(&view->slots, slot, buffer), avj_slot_id_len(slot));
    enum avj_status status = d ? AVJ_OK : AVJ_ENOMEM;
    if (status == AVJ_OK && (slot->flags & AVJ_SLOT_ROW))
        status = row_of_slot(view, number, d);
    if (status == AVJ_OK && (slot->flags & AVJ_SLOT_PENDING))
        status = pending_of_slot(slot, d);
    if (status == AVJ_OK && d->entity == AVJ_THREAD && (slot->flags & AVJ_SLOT_VISIBLE) &&
        !d->kept.len)
        status = shared_of_thread(view, slot, d);
    if (status != AVJ_OK) {
        avj_document_free(d);
        return status;
    }
    d->visible = (slot->flags & AVJ_SLOT_VISIBLE) != 0;
    *out = d;
    return AVJ_OK;
}

enum avj_status avj_view_open(struct avj_view *view, uint32_t number, struct avj_document **out,
                              struct avj_error *err)
{
    struct avj_slot *slot = avj_view_slot(view, number);
    enum avj_status status = AVJ_OK;
    *out = NULL;
    if (!(slot->flags & AVJ_SLOT_OPEN)) {
        status = document_of_slot(view, number, out);
    } else {
        struct avj_open *open = avj_open_at(view, slot->extra);
        if (!open->doc) {
            status = avj_open_unpack(view->mapped + open->at, open->len, out);
            if (status == AVJ_OK)
                open->doc = (uint64_t)(uintptr_t)*out;
        }
        *out = pointer(open);
    }
    return status == AVJ_OK ? AVJ_OK : avj_fail(err, status, "out of memory");
}

void avj_view_put_back(struct avj_view *view, uint32_t number, struct avj_document *document)
{
    if (!(avj_view_slot(view, number)->flags & AVJ_SLOT_OPEN))
        avj_document_free(document);
}

/* ---- what a document is kept as ---- */

static bool row_fits_slot(const struct avj_known_row *row)
{
    int64_t ms;
    if (row->next || strlen(row->remote_id) > AVJ_ROW_ID_MAX)
        return false;
    if (!row->version || !*row->version)
        return row->version_ms == 0;
    return avj_time_is_canonical(row->version, strlen(row->version), &ms) &&
           ms == row->version_ms && ms != 0;
}

/* Is a slot all that is needed to make this document again? */
static bool fits_slot(const struct avj_document *d)
{
    if (d->parked)
        return false;
    if (!d->rows)
        return !d->kept.len &&
               (d->pending_count == 0 || (d->pending_count == 1 && d->pending[0].op == AVJ_CREATE &&
                                          !d->pending[0].trimmed));
    return d->pending_count == 0 && row_fits_slot(d->rows);
}

static enum avj_status keep_row(struct avj_view *view, uint32_t number, struct avj_document *d)
{
    struct avj_slot *slot = avj_view_slot(view, number);
    const struct avj_known_row *row = d->rows;
    bool derived = avj_view_is_derived(view, number, row->remote_id, strlen(row->remote_id));
    slot->flags |= AVJ_SLOT_ROW | (row->deleted ? AVJ_SLOT_GONE : 0);
    slot->version_ms = row->version_ms;
    avj_slot_set_body(slot, row->seq);
    if (derived && !d->kept.len)
        return AVJ_OK;
    uint32_t side = avj_side_new(view);
    if (!side)
        return AVJ_ENOMEM;
    slot->flags |= AVJ_SLOT_SIDE;
    slot->extra = side;
    if (!derived)
        memcpy(avj_side_at(view, side)->remote_id, row->remote_id, strlen(row->remote_id));
    return avj_span_set(&avj_side_at(view, side)->kept, d->kept.data, d->kept.len) ? AVJ_OK
                                                                                   : AVJ_ENOMEM;
}

static enum avj_status keep_as_slot(struct avj_view *view, uint32_t number, struct avj_document *d)
{
    struct avj_slot *slot = avj_view_slot(view, number);
    if (d->rows)
        return keep_row(view, number, d);
    if (!d->pending_count)
        return AVJ_OK;
    slot->flags |= AVJ_SLOT_PENDING | (d->pending[0].attempted ? AVJ_SLOT_ATTEMPTED : 0);
    avj_slot_set_body(slot, d->pending[0].seq);
    return AVJ_OK;
}

/* The newest entry with fields of it, for messages and stamps. */
static uint64_t newest_body(const struct avj_document *d)
{
    if (d->pending_count)
        return d->pending[d->pending_count - 1].seq;
    const struct avj_known_row *row = avj_document_base(d);
    return row ? row->seq : 0;
}

static enum avj_status keep_open(struct avj_view *view, uint32_t number, struct avj_document *d)
{
    struct avj_slot *slot = avj_view_slot(view, number);
    uint32_t at = open_new(view);
    if (!at)
        return AVJ_ENOMEM;
    slot->flags |= AVJ_SLOT_OPEN;
    slot->extra = at;
    avj_open_at(view, at)->doc = (uint64_t)(uintptr_t)d;
    return AVJ_OK;
}

static void note_open(struct avj_view *view, uint32_t number, const struct avj_document *d)
{
    struct avj_slot *slot = avj_view_slot(view, number);
    struct avj_open *open = avj_open_at(view, slot->extra);
    open->pending = (uint32_t)d->pending_count;
    open->parked = d->parked;
    open->order = d->pending_count == 0 ? 0
                  : d->visible          ? d->pending[0].seq
                                        : d->pending[d->pending_count - 1].seq;
    avj_slot_set_body(slot, newest_body(d));
}

/* Forgets what the slot says of the document's state; the document says it. */
static void clear_state(struct avj_view *view, struct avj_slot *slot)
{
    if (slot->flags & AVJ_SLOT_SIDE)
        avj_side_free(view, slot->extra);
    if (slot->flags & AVJ_SLOT_OPEN)
        open_free(view, slot->extra);
    slot->flags &= (uint16_t)~AVJ_SLOT_HIDDEN_STATE;
    slot->extra = 0;
    slot->version_ms = 0;
    avj_slot_set_body(slot, 0);
}

/* What the log can give back takes no memory. */
static void unload(struct avj_document *d)
{
    for (struct avj_known_row *row = d->rows; row; row = row->next) {
        row->loaded = false;
        avj_blob_release(&row->fields);
    }
    for (size_t i = 0; i < d->pending_count; i++) {
        if (d->pending[i].trimmed)
            continue;
        d->pending[i].loaded = false;
        avj_blob_release(&d->pending[i].fields);
    }
}

static enum avj_status keep(struct avj_view *view, uint32_t number, struct avj_document *d)
{
    struct avj_slot *slot = avj_view_slot(view, number);
    enum avj_status status = AVJ_OK;
    if (fits_slot(d)) {
        clear_state(view, slot);
        status = keep_as_slot(view, number, d);
        avj_document_free(d);
        return status;
    }
    if (!(slot->flags & AVJ_SLOT_OPEN)) {
        clear_state(view, slot);
        status = keep_open(view, number, d);
    }
    if (status == AVJ_OK) {
        note_open(view, number, d);
        unload(d);
    } else {
        avj_document_free(d);
    }
    return status;
}

/* ---- edits ---- */

static size_t pending_count(const struct avj_view *view, const struct avj_slot *slot)
{
    if (slot->flags & AVJ_SLOT_OPEN)
        return avj_open_at(view, slot->extra)->pending;
    return slot->flags & AVJ_SLOT_PENDING ? 1 : 0;
}

enum avj_status avj_edit_begin(struct avj_view *view, uint32_t number, struct avj_edit *edit,
                               struct avj_error *err)
{
    const struct avj_slot *slot = avj_view_slot(view, number);
    *edit = (struct avj_edit){.number = number, .pending = pending_count(view, slot)};
    edit->parked = (slot->flags & AVJ_SLOT_OPEN) && avj_open_at(view, slot->extra)->parked;
    return avj_view_open(view, number, &edit->document, err);
}

void avj_view_count_pending(struct avj_view *view, size_t before, size_t after)
{
    view->counts.pending += after;
    view->counts.pending -= before;
    view->outbox_live += (after ? 1u : 0u);
    view->outbox_live -= (before ? 1u : 0u);
}

enum avj_status avj_edit_end(struct avj_view *view, struct avj_edit *edit, struct avj_error *err)
{
    struct avj_document *d = edit->document;
    enum avj_status status = AVJ_OK;
    if (!d->derived) {
        status = avj_view_load(view, d, err);
        if (status == AVJ_OK && avj_document_derive(d) != AVJ_OK)
            status = avj_fail(err, AVJ_ENOMEM, "out of memory");
    }
    struct avj_shown shown = {.visible = status == AVJ_OK && d->visible};
    if (shown.visible) {
        shown.shared = avj_blob_fields(&d->shared);
        shown.fields = avj_document_fields(d);
        if (avj_fields_facts(d->entity, shown.fields, &shown.facts) != AVJ_OK)
            status = avj_fail(err, AVJ_ENOMEM, "out of memory");
    }
    if (status != AVJ_OK) {
        avj_view_put_back(view, edit->number, d);
        return status;
    }
    avj_view_count_pending(view, edit->pending, d->pending_count);
    view->counts.parked += d->parked;
    view->counts.parked -= edit->parked;
    status = avj_view_show(view, edit->number, &shown);
    if (status != AVJ_OK)
        avj_view_put_back(view, edit->number, d);
    else
        status = keep(view, edit->number, d);
    return status == AVJ_OK ? AVJ_OK : avj_fail(err, status, "out of memory");
}

/* ---- what shows ---- */

static void sum(struct avj_view *view, const uint64_t digest[2], bool in)
{
    uint64_t low = view->digest[1];
    if (in) {
        view->digest[1] += digest[1];
        view->digest[0] += digest[0] + (view->digest[1] < low);
    } else {
        view->digest[1] -= digest[1];
        view->digest[0] -= digest[0] + (view->digest[1] > low);
    }
}

static uint64_t load_be64(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v = v << 8 | p[i];
    return v;
}

/* XXH3-128(kind, 0, id, 0, fields): what a document adds to the digest. */
static bool hash_document(struct avj_pack *bytes, enum avj_entity entity, const char *id,
                          size_t id_len, struct avj_fields fields, uint64_t digest[2])
{
    const char *kind = avj_schema(entity)->kind;
    avj_pack_reset(bytes);
    avj_pack_raw(bytes, kind, strlen(kind) + 1);
    avj_pack_raw(bytes, id, id_len);
    avj_pack_raw(bytes, "", 1);
    avj_pack_raw(bytes, fields.data, fields.len);
    if (bytes->failed)
        return false;
    uint8_t hash[16];
    avj_hash128(bytes->data, bytes->len, hash);
    digest[0] = load_be64(hash);
    digest[1] = load_be64(hash + 8);
    return true;
}

static bool digest_of(struct avj_view *view, const struct avj_slot *slot,
                      const struct avj_shown *shown, uint64_t digest[2])
{
    char buffer[AVJ_UUID_TEXT];
    if (shown->digest) {
        memcpy(digest, shown->digest, 2 * sizeof(*digest));
        return true;
    }
    return hash_document(&view->scratch, avj_slot_entity(slot),
                         avj_slot_id(&view->slots, slot, buffer), avj_slot_id_len(slot),
                         shown->shared, digest);
}

enum avj_status avj_prepare(const void *data, size_t len, struct avj_pack *scratch,
                            struct avj_prepared *p)
{
    struct avj_glance *g = &p->glance;
    p->plain = false;
    p->thread.len = 0;
    p->glanced = avj_glance(data, len, g);
    if (!p->glanced || !g->has_document)
        return AVJ_OK;
    avj_slot_key_init(&p->key, g->entity, g->id.data, g->id.len);
    bool update = g->type == AVJ_E_LOCAL && g->op != AVJ_CREATE;
    p->plain = avj_glance_plain(g, !update);
    if (!p->plain || update)
        return AVJ_OK;
    if (g->facts.thread.len)
        avj_slot_key_init(&p->thread, AVJ_THREAD, g->facts.thread.data, g->facts.thread.len);
    bool ok = hash_document(scratch, g->entity, g->id.data, g->id.len, g->f, p->digest);
    return ok ? AVJ_OK : AVJ_ENOMEM;
}

static enum avj_status show_thread(struct avj_view *view, uint32_t number,
                                   const struct avj_shown *shown)
{
    if (!give_number(view, number))
        return AVJ_ENOMEM;
    struct avj_thread *thread = avj_view_thread(view, avj_view_slot(view, number)->thread);
    thread->last_message_ms = shown->visible ? shown->facts.last_message_ms : 0;
    thread->pinned = shown->visible && shown->facts.pinned;
    bool ok =
        avj_span_set(&thread->fields, shown->fields.data, shown->visible ? shown->fields.len : 0);
    return ok ? AVJ_OK : AVJ_ENOMEM;
}

/* Messages and summaries: in the list of their thread. */
static enum avj_status show_in_thread(struct avj_view *view, uint32_t number,
                                      const struct avj_shown *shown)
{
    uint32_t thread = 0;
    struct avj_slot *slot = avj_view_slot(view, number);
    if (shown->visible && shown->facts.thread.data) {
        struct avj_slot_key key;
        if (!shown->thread)
            avj_slot_key_init(&key, AVJ_THREAD, shown->facts.thread.data, shown->facts.thread.len);
        thread = avj_view_need_thread(view, shown->thread ? shown->thread : &key);
        if (!thread)
            return AVJ_ENOMEM;
    }
    int64_t created_ms = shown->visible ? shown->facts.created_ms : 0;
    if (slot->thread == thread && slot->created_ms == created_ms)
        return AVJ_OK;
    if (slot->thread)
        avj_list_remove(view, number);
    slot->thread = thread;
    slot->created_ms = created_ms;
    return thread ? avj_list_add(view, number) : AVJ_OK;
}

enum avj_status avj_view_show(struct avj_view *view, uint32_t number, const struct avj_shown *shown)
{
    struct avj_slot *slot = avj_view_slot(view, number);
    enum avj_entity entity = avj_slot_entity(slot);
    uint64_t digest[2] = {0, 0};
    if (shown->visible && !digest_of(view, slot, shown, digest))
        return AVJ_ENOMEM;
    if (slot->flags & AVJ_SLOT_VISIBLE) {
        view->counts.visible[entity]--;
        sum(view, slot->digest, false);
    }
    slot->flags &= (uint16_t)~AVJ_SLOT_VISIBLE;
    memcpy(slot->digest, digest, sizeof(digest));
    if (shown->visible) {
        slot->flags |= AVJ_SLOT_VISIBLE;
        view->counts.visible[entity]++;
        sum(view, digest, true);
    } else {
        avj_growing_gone(view, number);
    }
    if (entity == AVJ_MESSAGE || entity == AVJ_SUMMARY)
        return show_in_thread(view, number, shown);
    slot->created_ms = shown->visible ? shown->facts.created_ms : 0;
    return entity == AVJ_THREAD ? show_thread(view, number, shown) : AVJ_OK;
}

/* ---- telling ---- */

void avj_view_before(const struct avj_view *view, uint32_t number, struct avj_before *before)
{
    const struct avj_slot *slot = avj_view_slot(view, number);
    before->visible = (slot->flags & AVJ_SLOT_VISIBLE) != 0;
    memcpy(before->digest, slot->digest, sizeof(before->digest));
    before->thread = slot->thread;
}

const char *avj_view_thread_id(const struct avj_view *view, uint32_t thread, char *buffer)
{
    if (!thread)
        return NULL;
    return avj_slot_id(&view->slots, avj_view_slot(view, avj_view_thread(view, thread)->slot),
                       buffer);
}

void avj_view_tell(struct avj_view *view, enum avj_entry_type type, uint32_t number,
                   const struct avj_before *before)
{
    if (!view->changed)
        return;
    const struct avj_slot *slot = avj_view_slot(view, number);
    char id[AVJ_UUID_TEXT], thread[AVJ_UUID_TEXT];
    bool visible = (slot->flags & AVJ_SLOT_VISIBLE) != 0;
    struct avj_change change = {
        .seq = view->now_seq,
        .type = type,
        .entity = avj_slot_entity(slot),
        .id = avj_slot_id(&view->slots, slot, id),
        .remote = type == AVJ_E_REMOTE,
        .shows = visible != before->visible ||
                 memcmp(before->digest, slot->digest, sizeof(slot->digest)) != 0,
        .appeared = visible && !before->visible,
        .vanished = !visible && before->visible,
    };
    if (change.entity == AVJ_MESSAGE || change.entity == AVJ_SUMMARY) {
        change.thread =
            avj_view_thread_id(view, slot->thread ? slot->thread : before->thread, thread);
        if (before->thread && slot->thread && before->thread != slot->thread) {
            struct avj_change left = change; /* it moved: the old thread hears of it too */
            char old[AVJ_UUID_TEXT];
            left.thread = avj_view_thread_id(view, before->thread, old);
            view->changed(view->changed_arg, &left);
        }
    }
    view->changed(view->changed_arg, &change);
}

void avj_view_tell_status(struct avj_view *view, enum avj_entry_type type)
{
    struct avj_change change = {.seq = view->now_seq, .type = type, .entity = AVJ_ENTITIES};
    if (view->changed)
        view->changed(view->changed_arg, &change);
}

/* ---- applying ---- */

static void note_entry(struct avj_view *view, enum avj_entry_type type, uint64_t hlc)
{
    view->counts.by_type[type]++;
    if (hlc > view->last_hlc)
        view->last_hlc = hlc;
}

static enum avj_status apply(struct avj_view *view, uint64_t seq, const void *data, size_t len,
                             const struct avj_prepared *prepared, struct avj_error *err)
{
    bool done = false;
    enum avj_status status = AVJ_OK;
    if (prepared->glanced && !view->slow)
        status = avj_fold_fast(view, seq, prepared, &done, err);
    if (status == AVJ_OK && done)
        note_entry(view, prepared->glance.type, prepared->glance.hlc);
    if (status != AVJ_OK || done)
        return status;
    struct avj_entry e;
    status = avj_entry_decode(data, len, &e, err);
    if (status != AVJ_OK)
        return status;
    status = avj_fold(view, &e, seq, err);
    if (status == AVJ_OK)
        note_entry(view, e.type, e.hlc);
    avj_entry_release(&e);
    return status;
}

enum avj_status avj_view_apply_prepared(struct avj_view *view, uint64_t seq, const void *data,
                                        size_t len, const struct avj_prepared *prepared,
                                        struct avj_error *err)
{
    enum avj_status status = AVJ_OK;
    if (seq > AVJ_SLOT_SEQ_MAX)
        return avj_fail(err, AVJ_ETOOBIG, "record %llu: more records than a view can hold",
                        (unsigned long long)seq);
    view->now_seq = seq;
    view->now = (struct avj_slice){data, len};
    if (view->own)
        status = avj_own_add(view, seq, data, len);
    if (status == AVJ_OK)
        status = apply(view, seq, data, len, prepared, err);
    view->now = (struct avj_slice){NULL, 0};
    if (status == AVJ_OK) {
        view->counts.entries++;
        view->last_seq = seq;
        return AVJ_OK;
    }
    if (status == AVJ_ENOMEM)
        avj_fail(err, status, "out of memory");
    avj_wrap(err, "record %llu", (unsigned long long)seq);
    return status;
}

enum avj_status avj_view_apply(struct avj_view *view, uint64_t seq, const void *data, size_t len,
                               struct avj_error *err)
{
    struct avj_prepared prepared;
    if (avj_prepare(data, len, &view->scratch, &prepared) != AVJ_OK)
        return avj_fail(err, AVJ_ENOMEM, "record %llu: out of memory", (unsigned long long)seq);
    return avj_view_apply_prepared(view, seq, data, len, &prepared, err);
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
