/* Offline spans: see fsck_audit_spans.h. */
#include "fsck/fsck_audit_spans.h"

#include <stdlib.h>

static int64_t length(const struct fsck_span *span)
{
    return span->to_ms - span->from_ms;
}

static void add(struct fsck_spans *s, struct fsck_span span)
{
    if (length(&span) <= 0 && !span.open)
        return;
    if (s->count < 2 * FSCK_SPANS_MAX) {
        s->list[s->count++] = span;
        return;
    }
    size_t shortest = 0;
    for (size_t i = 1; i < s->count; i++)
        if (length(&s->list[i]) < length(&s->list[shortest]))
            shortest = i;
    if (length(&span) > length(&s->list[shortest])) {
        struct fsck_span out = s->list[shortest];
        s->list[shortest] = span;
        span = out;
    }
    s->left_out++;
    s->left_out_ms += length(&span);
}

static void end_waiting(struct fsck_spans *s, int64_t at_ms, bool open)
{
    if (s->waiting_ms && at_ms - s->waiting_ms >= FSCK_OFFLINE_MS)
        add(s, (struct fsck_span){.from_ms = s->waiting_ms,
                                  .to_ms = at_ms,
                                  .waiting = true,
                                  .open = open,
                                  .depth = s->waiting_depth});
    s->waiting_ms = 0;
    s->waiting_depth = 0;
}

static void see(struct fsck_spans *s, int64_t at_ms, uint64_t depth)
{
    if (at_ms > s->last_ms)
        s->last_ms = at_ms;
    if (s->waiting_ms && depth > s->waiting_depth)
        s->waiting_depth = depth;
    if (s->gap_ms && depth > s->gap_depth)
        s->gap_depth = depth;
}

void fsck_spans_server(struct fsck_spans *s, int64_t at_ms, uint64_t depth)
{
    if (s->server)
        return;
    s->server = true;
    fsck_spans_depth(s, at_ms, depth, false);
}

void fsck_spans_depth(struct fsck_spans *s, int64_t at_ms, uint64_t depth, bool heard)
{
    see(s, at_ms, depth);
    if (!s->server && !heard)
        return;
    s->server = true;
    if (heard || depth == 0)
        end_waiting(s, at_ms, false);
    if (depth && !s->waiting_ms) {
        s->waiting_ms = at_ms;
        s->waiting_depth = depth;
    }
}

void fsck_spans_gap(struct fsck_spans *s, int64_t at_ms, uint64_t depth, bool open)
{
    fsck_spans_server(s, at_ms, depth);
    see(s, at_ms, depth);
    if (open && !s->gap_ms) {
        s->gap_ms = at_ms;
        s->gap_depth = depth;
    }
    if (open || !s->gap_ms)
        return;
    add(s, (struct fsck_span){
               .from_ms = s->gap_ms, .to_ms = at_ms, .gap = true, .depth = s->gap_depth});
    s->gap_ms = 0;
}

static int by_time(const void *x, const void *y)
{
    const struct fsck_span *a = x, *b = y;
    return a->from_ms < b->from_ms ? -1 : a->from_ms > b->from_ms;
}

static void join(struct fsck_span *span, const struct fsck_span *next)
{
    if (next->to_ms > span->to_ms)
        span->to_ms = next->to_ms;
    if (next->depth > span->depth)
        span->depth = next->depth;
    span->waiting |= next->waiting;
    span->gap |= next->gap;
    span->open |= next->open;
}

void fsck_spans_end(struct fsck_spans *s, int64_t *total_ms)
{
    size_t kept = 0;
    if (s->gap_ms)
        add(s, (struct fsck_span){.from_ms = s->gap_ms,
                                  .to_ms = s->last_ms,
                                  .gap = true,
                                  .open = true,
                                  .depth = s->gap_depth});
    s->gap_ms = 0;
    end_waiting(s, s->last_ms, true);
    qsort(s->list, s->count, sizeof(*s->list), by_time);
    *total_ms = s->left_out_ms;
    for (size_t i = 0; i < s->count; i++) {
        if (kept && s->list[i].from_ms < s->list[kept - 1].to_ms)
            join(&s->list[kept - 1], &s->list[i]);
        else
            s->list[kept++] = s->list[i];
    }
    s->count = kept;
    for (size_t i = 0; i < kept; i++)
        *total_ms += length(&s->list[i]);
}
