/* Curves that stay small: see fsck_audit_series.h. */
#include "fsck/fsck_audit_series.h"

#include <string.h>

static void take_in(struct fsck_point *point, const struct fsck_point *later, enum fsck_keep keep)
{
    if (keep == FSCK_KEEP_LAST || later->value >= point->value)
        *point = *later;
}

static void halve(struct fsck_series *s)
{
    for (size_t i = 0; i < FSCK_POINTS_MAX / 2; i++) {
        s->points[i] = s->points[2 * i];
        take_in(&s->points[i], &s->points[2 * i + 1], s->keep);
    }
    s->count = FSCK_POINTS_MAX / 2;
    s->step *= 2;
}

void fsck_series_add(struct fsck_series *s, int64_t at_ms, uint64_t value, uint64_t second)
{
    struct fsck_point sample = {at_ms, value, second};
    if (s->step == 0)
        s->step = 1;
    if (s->turn) {
        take_in(&s->points[s->count - 1], &sample, s->keep);
    } else {
        if (s->count == FSCK_POINTS_MAX)
            halve(s);
        s->points[s->count++] = sample;
    }
    s->turn = s->turn + 1 < s->step ? s->turn + 1 : 0;
}

static void widen(struct fsck_activity *a)
{
    for (size_t i = 0; i < FSCK_STRETCHES; i++)
        for (size_t d = 0; d < FSCK_DOINGS; d++)
            a->counts[i][d] =
                i < FSCK_STRETCHES / 2 ? a->counts[2 * i][d] + a->counts[2 * i + 1][d] : 0;
    a->width_ms *= 2;
}

void fsck_activity_add(struct fsck_activity *a, int64_t at_ms, enum fsck_doing what)
{
    if (a->width_ms == 0) {
        a->from_ms = at_ms;
        a->width_ms = 1000;
    }
    int64_t after = at_ms > a->from_ms ? at_ms - a->from_ms : 0;
    while (after / a->width_ms >= FSCK_STRETCHES)
        widen(a);
    a->counts[after / a->width_ms][what]++;
}
