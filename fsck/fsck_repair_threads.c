/*
 * Threads whose making is lost while messages of theirs are intact: where no server can bring them
 * back, they are made anew, so that the messages are seen again.
 */
#include "fsck/fsck_repair_private.h"

#include "replay/clock.h"
#include "replay/store_private.h"

#include <stdio.h>
#include <string.h>

#define TITLE "Recovered thread"

/* A server, known or once heard of, has the thread, and its next sweep brings it. */
static bool has_server(const struct avj_store *store)
{
    const struct avj_upstream *upstream = avj_store_upstream(store);
    struct avj_view_counts counts;
    avj_view_counts(store->view, &counts);
    return (upstream && upstream->endpoint) || counts.by_type[AVJ_E_ACK] ||
           counts.by_type[AVJ_E_REMOTE];
}

static void put_fields(struct avj_pack *fields, const char *id, int64_t first_ms, int64_t last_ms)
{
    char first[AVJ_TIME_TEXT], last[AVJ_TIME_TEXT];
    avj_time_format(first_ms, first);
    avj_time_format(last_ms, last);
    avj_pack_map(fields, 5);
    avj_pack_cstr(fields, "id");
    avj_pack_cstr(fields, id);
    avj_pack_cstr(fields, "title");
    avj_pack_cstr(fields, TITLE);
    avj_pack_cstr(fields, "createdAt");
    avj_pack_cstr(fields, first);
    avj_pack_cstr(fields, "updatedAt");
    avj_pack_cstr(fields, last);
    avj_pack_cstr(fields, "lastMessageAt");
    avj_pack_cstr(fields, last);
}

static enum avj_status make_thread(struct fsck_repair_run *run, struct avj_store *store,
                                   uint32_t number, int64_t first_ms)
{
    const struct avj_thread *thread = avj_view_thread(store->view, number);
    const struct avj_slot *slot = avj_view_slot(store->view, thread->slot);
    struct fsck_step step = {.kind = FSCK_STEP_THREAD};
    struct avj_pack fields = {0}, id = {0};
    char buffer[AVJ_UUID_TEXT];
    const char *text = avj_slot_id(&store->view->slots, slot, buffer);
    avj_pack_raw(&id, text, strlen(text) + 1); /* what it points to moves */
    if (!id.failed)
        put_fields(&fields, (const char *)id.data, first_ms, thread->newest_ms);
    enum avj_status status = AVJ_ENOMEM;
    if (!id.failed && !fields.failed) {
        struct avj_mutation mutation = {AVJ_CREATE, AVJ_THREAD, (const char *)id.data,
                                        (struct avj_fields){fields.data, fields.len}};
        status = avj_store_mutate(store, &mutation, 1, AVJ_DURABLE, NULL, run->err);
        snprintf(step.detail, sizeof(step.detail),
                 "thread %.200s is made anew as \"" TITLE "\": its messages are intact",
                 (const char *)id.data);
    }
    if (status == AVJ_OK)
        fsck_repair_tell(run, &step);
    avj_pack_release(&fields);
    avj_pack_release(&id);
    return status;
}

/* The slot's thread, where nobody sees it; 0: none. */
static uint32_t hidden_thread(const struct avj_view *view, uint32_t number)
{
    const struct avj_slot *slot = avj_view_slot(view, number);
    if (!avj_view_visible(view, number) || avj_slot_entity(slot) != AVJ_MESSAGE || !slot->thread)
        return 0;
    uint32_t thread = avj_view_thread(view, slot->thread)->slot;
    /* One that was deleted is none of a repair's business. */
    return thread && !(avj_view_slot(view, thread)->flags &
                       (AVJ_SLOT_VISIBLE | AVJ_SLOT_HIDDEN_STATE))
               ? slot->thread
               : 0;
}

static enum avj_status make_threads(struct fsck_repair_run *run, struct avj_store *store)
{
    enum avj_status status = AVJ_OK;
    uint32_t last = avj_slots_last(&store->view->slots);
    for (uint32_t n = 1; n <= last && status == AVJ_OK; n++) {
        uint32_t thread = hidden_thread(store->view, n);
        if (thread)
            status = make_thread(run, store, thread, avj_view_slot(store->view, n)->created_ms);
    }
    return status;
}

enum avj_status fsck_repair_threads(struct fsck_repair_run *run)
{
    /* The `repair` entry says who writes here. */
    struct avj_store_options options = {.no_snapshots = true, .anonymous = true};
    struct avj_store *store = NULL;
    options.journal.io = run->io;
    options.journal.no_background = true;
    enum avj_status status = avj_store_open(run->path, &options, &store, run->err);
    struct avj_view_counts counts;
    if (status == AVJ_OK) {
        avj_view_counts(store->view, &counts);
        if (counts.by_type[AVJ_E_REPAIR] && !has_server(store))
            status = make_threads(run, store);
    }
    avj_store_close(store);
    return status;
}
