/* Searching: see search.h.  Titles are in memory; messages are read in the order of the log
 * (search_scan.c), but for those of one thread, which are read by themselves. */
#include "replay/search.h"
#include "replay/search_scan.h"
#include "replay/store_private.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct search {
    struct avj_store *store;
    const struct avj_search_options *options;
    struct avj_needles needles;
    struct avj_founds found;
};

static enum avj_status no_memory(struct avj_error *err)
{
    return avj_fail(err, AVJ_ENOMEM, "search: out of memory");
}

/* ---- words ---- */

static int by_cost(const void *a, const void *b)
{
    const struct avj_needle *x = a, *y = b;
    return x->cost < y->cost ? -1 : x->cost > y->cost;
}

static void release_needles(struct avj_needles *needles)
{
    for (size_t i = 0; i < needles->count; i++)
        avj_needle_release(&needles->items[i]);
    free(needles->items);
}

static enum avj_status make_needles(struct avj_needles *needles, const char *const *words,
                                    bool match_case, struct avj_error *err)
{
    size_t count = 0;
    while (words && words[count])
        count++;
    if (count == 0)
        return avj_fail(err, AVJ_EINVAL, "nothing to search for: give one word or more");
    needles->items = calloc(count, sizeof(*needles->items));
    if (!needles->items)
        return no_memory(err);
    for (; needles->count < count; needles->count++) {
        enum avj_status status =
            avj_needle_init(&needles->items[needles->count], words[needles->count], match_case);
        if (status == AVJ_EINVAL)
            return avj_fail(err, status, "word %zu to search for is %s", needles->count + 1,
                            *words[needles->count] ? "not UTF-8" : "empty");
        if (status != AVJ_OK)
            return no_memory(err);
    }
    qsort(needles->items, count, sizeof(*needles->items), by_cost);
    return AVJ_OK;
}

/* ---- documents by themselves ---- */

/* createdAt of a message; of a thread what it says of its last message, or that one where it is
 * newer: as struct avj_doc has it. */
static int64_t time_of(const struct avj_view *view, uint32_t number)
{
    const struct avj_slot *slot = avj_view_slot(view, number);
    if (avj_slot_entity(slot) != AVJ_THREAD)
        return slot->created_ms;
    const struct avj_thread *thread = avj_view_thread(view, slot->thread);
    size_t count = thread->messages.len;
    int64_t newest =
        count ? avj_view_slot(view, avj_thread_messages(view, thread)[count - 1])->created_ms : 0;
    return count && newest > thread->last_message_ms ? newest : thread->last_message_ms;
}

/* Reads the document, and keeps it where it holds all needles. */
static enum avj_status look(struct search *s, uint32_t number, struct avj_error *err)
{
    struct avj_view *view = s->store->view;
    struct avj_fields fields;
    enum avj_status status = avj_view_fields(view, number, &fields, err);
    if (status != AVJ_OK)
        return status;
    enum avj_entity entity = avj_slot_entity(avj_view_slot(view, number));
    struct avj_slice text = avj_searched_text(entity, fields);
    if (!avj_needles_in(&s->needles, text.data, text.len))
        return AVJ_OK;
    struct avj_found found = {view, time_of(view, number), number};
    return avj_founds_add(&s->found, found) ? AVJ_OK : no_memory(err);
}

static bool stopped(const struct search *s)
{
    return s->options->stop && s->options->stop(s->options->arg);
}

/* The newest first, so that no more are read than are wanted. */
static enum avj_status search_thread(struct search *s, struct avj_error *err)
{
    const struct avj_view *view = s->store->view;
    const char *id = s->options->thread;
    uint32_t number = avj_view_find(view, AVJ_THREAD, id, strlen(id));
    if (!avj_view_visible(view, number))
        return avj_fail(err, AVJ_ENOTFOUND, "no thread %s", id);
    const struct avj_thread *thread = avj_view_thread(view, avj_view_slot(view, number)->thread);
    size_t total = thread->messages.len, limit = s->options->limit;
    enum avj_status status = look(s, number, err);
    for (size_t i = 0; status == AVJ_OK && i < total; i++) {
        if ((limit && s->found.count >= limit) || stopped(s))
            break;
        status = look(s, avj_thread_messages(view, thread)[total - 1 - i], err);
        if (s->options->progress)
            s->options->progress(s->options->arg, i + 1, total);
    }
    return status;
}

/* ---- everything ---- */

static enum avj_status search_titles(struct search *s, struct avj_error *err)
{
    const struct avj_view *view = s->store->view;
    enum avj_status status = AVJ_OK;
    for (uint32_t i = 1; status == AVJ_OK && i < view->threads.count; i++) {
        uint32_t number = avj_view_thread(view, i)->slot;
        if (avj_view_visible(view, number))
            status = look(s, number, err);
    }
    return status;
}

/* Messages that are more than a slot and a record. */
static enum avj_status search_open(struct search *s, struct avj_error *err)
{
    const struct avj_view *view = s->store->view;
    enum avj_status status = AVJ_OK;
    for (uint32_t i = 1; status == AVJ_OK && i <= avj_slots_last(&view->slots); i++) {
        const struct avj_slot *slot = avj_view_slot(view, i);
        if (avj_slot_entity(slot) == AVJ_MESSAGE && avj_view_visible(view, i) &&
            !avj_scan_simple(view, slot))
            status = look(s, i, err);
        if ((i & 1023) == 0 && stopped(s))
            break;
    }
    return status;
}

static unsigned processors(const struct avj_store *store)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return store->options.journal.no_background || online < 1 ? 1 : (unsigned)online;
}

static enum avj_status search_log(struct search *s, struct avj_error *err)
{
    struct avj_scan scan = {.journal = s->store->journal,
                            .view = s->store->view,
                            .needles = &s->needles,
                            .options = s->options,
                            .threads = processors(s->store),
                            .found = {.limit = s->options->limit}};
    enum avj_status status = avj_scan_run(&scan, err);
    for (size_t i = 0; status == AVJ_OK && i < scan.found.count; i++)
        if (!avj_founds_add(&s->found, scan.found.items[i]))
            status = no_memory(err);
    for (size_t i = 0; status == AVJ_OK && i < scan.unsure.count; i++)
        status = look(s, scan.unsure.items[i].number, err);
    if (status == AVJ_OK && !scan.stopped)
        status = search_open(s, err);
    avj_founds_release(&scan.found);
    avj_founds_release(&scan.unsure);
    return status;
}

/* ---- what is handed out ---- */

static const char *copy_id(struct avj_store *store, uint32_t number)
{
    char buffer[AVJ_UUID_TEXT];
    const struct avj_slot *slot = avj_view_slot(store->view, number);
    const char *id = avj_slot_id(&store->view->slots, slot, buffer);
    return avj_arena_copy(&store->found_memory, id, avj_slot_id_len(slot) + 1);
}

static bool fill(struct avj_store *store, const struct avj_found *found, struct avj_hit *hit)
{
    const struct avj_slot *slot = avj_view_slot(store->view, found->number);
    *hit = (struct avj_hit){.entity = avj_slot_entity(slot), .ms = found->ms};
    hit->id = copy_id(store, found->number);
    if (slot->thread) /* its own, where it is one */
        hit->thread = copy_id(store, avj_view_thread(store->view, slot->thread)->slot);
    return hit->id && (hit->thread || !slot->thread);
}

static enum avj_status hand_out(struct search *s, const struct avj_hit **hits, size_t *count,
                                struct avj_error *err)
{
    struct avj_store *store = s->store;
    avj_founds_sort(&s->found);
    avj_arena_reset(&store->found_memory);
    struct avj_hit *out =
        avj_arena_alloc(&store->found_memory, (s->found.count ? s->found.count : 1) * sizeof(*out));
    if (!out)
        return no_memory(err);
    for (size_t i = 0; i < s->found.count; i++)
        if (!fill(store, &s->found.items[i], &out[i]))
            return no_memory(err);
    *hits = out;
    *count = s->found.count;
    return AVJ_OK;
}

enum avj_status avj_store_search(struct avj_store *store, const char *const *words,
                                 const struct avj_search_options *options,
                                 const struct avj_hit **hits, size_t *count, struct avj_error *err)
{
    static const struct avj_search_options defaults = {.limit = 0};
    struct search s = {.store = store, .options = options ? options : &defaults};
    s.found.limit = s.options->limit;
    *hits = NULL;
    *count = 0;
    enum avj_status status = make_needles(&s.needles, words, s.options->match_case, err);
    if (status == AVJ_OK && s.options->thread) {
        status = search_thread(&s, err);
    } else if (status == AVJ_OK) {
        status = search_titles(&s, err);
        if (status == AVJ_OK)
            status = search_log(&s, err);
    }
    if (status == AVJ_OK)
        status = hand_out(&s, hits, count, err);
    avj_founds_release(&s.found);
    release_needles(&s.needles);
    return status;
}
