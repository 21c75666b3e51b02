/* The records of one segment: see fsck_repair_plan.h. */
#include "fsck/fsck_repair_plan.h"

#include <stdlib.h>
#include <string.h>

static bool reserve(struct fsck_pool *p, size_t len)
{
    if (p->count == p->cap) {
        size_t cap = p->cap ? 2 * p->cap : 256;
        struct fsck_pool_item *items = realloc(p->items, cap * sizeof(*items));
        if (!items)
            return false;
        p->items = items;
        p->cap = cap;
    }
    if (p->room - p->used < len) {
        size_t room = 2 * p->room + len;
        uint8_t *bytes = realloc(p->bytes, room);
        if (!bytes)
            return false;
        p->bytes = bytes;
        p->room = room;
    }
    return true;
}

static enum avj_status take(void *arg, const struct avj_frame_info *frame, uint64_t seq,
                            const uint8_t *data, size_t len)
{
    struct fsck_pool *p = arg;
    (void)frame;
    if (seq < p->first_seq || seq > p->last_seq)
        return AVJ_OK;
    if (!reserve(p, p->keep ? len : 0))
        return avj_fail(p->err, AVJ_ENOMEM, "out of memory");
    p->items[p->count++] = (struct fsck_pool_item){seq, p->used, len};
    if (p->keep && len) {
        memcpy(p->bytes + p->used, data, len);
        p->used += len;
    }
    return AVJ_OK;
}

/* By number; of the same, what was taken first. */
static int by_number(const void *a, const void *b)
{
    const struct fsck_pool_item *x = a, *y = b;
    if (x->seq != y->seq)
        return x->seq < y->seq ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static void sort(struct fsck_pool *p)
{
    size_t kept = 0;
    if (p->count)
        qsort(p->items, p->count, sizeof(*p->items), by_number);
    for (size_t i = 0; i < p->count; i++)
        if (kept == 0 || p->items[kept - 1].seq != p->items[i].seq)
            p->items[kept++] = p->items[i];
    p->count = kept;
}

enum avj_status fsck_pool_fill(struct fsck_pool *p, const struct fsck_wreck *wreck,
                               const struct fsck_plan_segment *segment, bool keep,
                               struct avj_error *err)
{
    *p = (struct fsck_pool){
        .keep = keep, .first_seq = segment->first_seq, .last_seq = segment->last_seq, .err = err};
    enum avj_status status = AVJ_OK;
    for (size_t i = 0; i < segment->source_count && status == AVJ_OK; i++) {
        status = fsck_wreck_records(wreck, &wreck->files[segment->sources[i]], take, p, err);
        sort(p);
    }
    return status;
}

const struct fsck_pool_item *fsck_pool_find(const struct fsck_pool *p, uint64_t seq)
{
    size_t from = 0, to = p->count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (p->items[middle].seq == seq)
            return &p->items[middle];
        if (p->items[middle].seq < seq)
            from = middle + 1;
        else
            to = middle;
    }
    return NULL;
}

void fsck_pool_release(struct fsck_pool *p)
{
    free(p->items);
    free(p->bytes);
    memset(p, 0, sizeof(*p));
}
