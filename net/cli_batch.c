/* A batch of an import: see cli_batch.h. */
#include "net/cli_batch.h"

#include <stdlib.h>
#include <string.h>

#define NO_OFFSET SIZE_MAX

struct cli_batch_entry {
    struct cli_item item; /* its pointers are offsets until cli_batch_item makes them */
    size_t id, thread, fields;
    uint64_t key; /* of entity and id, to find it by */
};

static uint64_t key_of(enum avj_entity entity, const char *id)
{
    return avj_hash64(id, strlen(id)) + (uint64_t)entity;
}

static size_t add_text(struct cli_batch *batch, const char *text)
{
    size_t at = batch->bytes.len;

    avj_pack_raw(&batch->bytes, text, strlen(text) + 1);
    return at;
}

enum avj_status cli_batch_add(struct cli_batch *batch, const struct cli_item *item)
{
    if (!batch->entries)
        batch->entries = calloc(CLI_BATCH_ITEMS, sizeof(*batch->entries));
    if (!batch->entries || batch->count == CLI_BATCH_ITEMS)
        return AVJ_ENOMEM;
    struct cli_batch_entry *entry = &batch->entries[batch->count];
    entry->item = *item;
    entry->key = key_of(item->entity, item->id);
    entry->id = add_text(batch, item->id);
    entry->thread = item->thread ? add_text(batch, item->thread) : NO_OFFSET;
    entry->fields = batch->bytes.len;
    avj_pack_raw(&batch->bytes, item->fields.data, item->fields.len);
    if (batch->bytes.failed)
        return AVJ_ENOMEM;
    batch->count++;
    return AVJ_OK;
}

bool cli_batch_due(const struct cli_batch *batch)
{
    return batch->count >= CLI_BATCH_ITEMS || batch->bytes.len >= CLI_BATCH_BYTES;
}

struct cli_item cli_batch_item(const struct cli_batch *batch, size_t i)
{
    const struct cli_batch_entry *entry = &batch->entries[i];
    struct cli_item item = entry->item;

    item.id = (const char *)batch->bytes.data + entry->id;
    item.thread =
        entry->thread == NO_OFFSET ? NULL : (const char *)batch->bytes.data + entry->thread;
    item.fields.data = batch->bytes.data + entry->fields;
    return item;
}

bool cli_batch_has(const struct cli_batch *batch, enum avj_entity entity, const char *id)
{
    uint64_t key = key_of(entity, id);

    for (size_t i = batch->count; i-- > 0;) {
        if (batch->entries[i].key != key || batch->entries[i].item.entity != entity)
            continue;
        if (strcmp(cli_batch_item(batch, i).id, id) == 0)
            return true;
    }
    return false;
}

/* A thread whose lastMessageAt some messages of the frame may raise. */
struct raise {
    const char *thread;
    int64_t before_ms, after_ms;
    size_t mutation; /* of the thread's own line in this frame, NO_OFFSET: the thread is in the
                        store already */
    struct avj_pack fields; /* the raised ones */
};

struct frame {
    struct avj_mutation *mutations;
    size_t count;
    struct raise *raises;
    size_t raise_count;
};

/* Messages come thread by thread: the search from the newest ends at once. */
static struct raise *find_raise(struct frame *frame, const char *thread)
{
    for (size_t i = frame->raise_count; i-- > 0;)
        if (strcmp(frame->raises[i].thread, thread) == 0)
            return &frame->raises[i];
    return NULL;
}

static struct raise *add_raise(struct frame *frame, const char *thread, int64_t ms, size_t mutation)
{
    struct raise *raise = &frame->raises[frame->raise_count++];

    *raise = (struct raise){thread, ms, ms, mutation, {0}};
    return raise;
}

static void note_item(struct frame *frame, struct avj_store *store, const struct cli_item *item)
{
    struct avj_doc doc;

    frame->mutations[frame->count++] =
        (struct avj_mutation){item->op, item->entity, item->id, item->fields};
    if (item->entity == AVJ_THREAD && item->op == AVJ_CREATE)
        add_raise(frame, item->id, item->when_ms, frame->count - 1);
    if (item->entity != AVJ_MESSAGE || !item->thread)
        return;
    struct raise *raise = find_raise(frame, item->thread);
    if (!raise && avj_store_get(store, AVJ_THREAD, item->thread, &doc) == AVJ_OK)
        raise = add_raise(frame, item->thread, doc.last_message_ms, NO_OFFSET);
    if (raise && item->when_ms > raise->after_ms)
        raise->after_ms = item->when_ms;
}

/* Puts the raised time into the thread's own line, or adds an update where the thread is in the
 * store. */
static enum avj_status write_raise(struct frame *frame, struct raise *raise)
{
    struct avj_pack patch = {0};
    char when[AVJ_TIME_TEXT];
    enum avj_status status = AVJ_OK;

    avj_time_format(raise->after_ms, when);
    avj_pack_map(&patch, 1);
    avj_pack_cstr(&patch, "lastMessageAt");
    avj_pack_cstr(&patch, when);
    struct avj_fields fields = {patch.data, patch.len};
    if (raise->mutation == NO_OFFSET) {
        avj_pack_raw(&raise->fields, patch.data, patch.len);
        frame->mutations[frame->count++] = (struct avj_mutation){
            AVJ_UPDATE, AVJ_THREAD, raise->thread, {raise->fields.data, raise->fields.len}};
    } else {
        struct avj_mutation *mutation = &frame->mutations[raise->mutation];
        status = avj_fields_merge(AVJ_THREAD, mutation->fields, fields, true, &raise->fields);
        mutation->fields = (struct avj_fields){raise->fields.data, raise->fields.len};
    }
    bool failed = patch.failed || raise->fields.failed;
    avj_pack_release(&patch);
    return failed ? AVJ_ENOMEM : status;
}

static enum avj_status append_frame(const struct cli_batch *batch, struct avj_store *store,
                                    size_t from, size_t to, struct frame *frame,
                                    struct avj_error *err)
{
    enum avj_status status = AVJ_OK;

    for (size_t i = from; i < to; i++) {
        struct cli_item item = cli_batch_item(batch, i);
        note_item(frame, store, &item);
    }
    for (size_t i = 0; status == AVJ_OK && i < frame->raise_count; i++)
        if (frame->raises[i].after_ms > frame->raises[i].before_ms)
            status = write_raise(frame, &frame->raises[i]);
    if (status != AVJ_OK)
        return avj_fail(err, status, "%s", avj_status_text(status));
    return avj_store_mutate(store, frame->mutations, frame->count, AVJ_DURABLE, NULL, err);
}

enum avj_status cli_batch_append(const struct cli_batch *batch, struct avj_store *store,
                                 size_t from, size_t to, struct avj_error *err)
{
    struct frame frame = {0};
    enum avj_status status = AVJ_ENOMEM;

    /* At most one raise an item, and for each at most one mutation more. */
    frame.mutations = calloc(2 * (to - from) + 1, sizeof(*frame.mutations));
    frame.raises = calloc(to - from + 1, sizeof(*frame.raises));
    if (frame.mutations && frame.raises)
        status = append_frame(batch, store, from, to, &frame, err);
    else
        status = avj_fail(err, status, "%s", avj_status_text(status));
    for (size_t i = 0; i < frame.raise_count; i++)
        avj_pack_release(&frame.raises[i].fields);
    free(frame.raises);
    free(frame.mutations);
    return status;
}

void cli_batch_reset(struct cli_batch *batch)
{
    batch->count = 0;
    avj_pack_reset(&batch->bytes);
}

void cli_batch_release(struct cli_batch *batch)
{
    free(batch->entries);
    avj_pack_release(&batch->bytes);
}
