/* What becomes of the segments: see fsck_repair_plan.h. */
#include "fsck/fsck_repair_plan.h"

#include <stdlib.h>
#include <string.h>

/* ---- ranges ---- */

bool fsck_ranges_add(struct fsck_ranges *r, uint64_t first, uint64_t last)
{
    r->total += last - first + 1;
    if (r->count && r->items[r->count - 1].last + 1 == first) {
        r->items[r->count - 1].last = last;
        return true;
    }
    if (r->count == r->cap) {
        size_t cap = r->cap ? 2 * r->cap : 16;
        struct fsck_range *items = realloc(r->items, cap * sizeof(*items));
        if (!items)
            return false;
        r->items = items;
        r->cap = cap;
    }
    r->items[r->count++] = (struct fsck_range){first, last};
    return true;
}

bool fsck_ranges_hold(const struct fsck_ranges *r, uint64_t seq)
{
    for (size_t i = 0; i < r->count; i++)
        if (seq >= r->items[i].first && seq <= r->items[i].last)
            return true;
    return false;
}

static bool any_between(const struct fsck_ranges *r, uint64_t first, uint64_t last)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->items[i].first <= last && r->items[i].last >= first)
            return true;
    return false;
}

void fsck_ranges_release(struct fsck_ranges *r)
{
    free(r->items);
    memset(r, 0, sizeof(*r));
}

/* ---- which segments there must be ---- */

struct making {
    const struct fsck_planning *with;
    struct fsck_plan *plan;
    struct avj_error *err;
};

static bool among_segments(const struct fsck_wreck_file *f)
{
    return strncmp(f->name, FSCK_SEGMENTS "/", sizeof(FSCK_SEGMENTS)) == 0;
}

static const struct fsck_wreck_file *file_at(const struct fsck_wreck *w, uint64_t place)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->files[i].place == place)
            return &w->files[i];
    return NULL;
}

static uint64_t last_number(const struct making *m)
{
    const struct fsck_wreck *w = m->with->wreck;
    const struct avj_sync_witness *witness = &m->with->capture->witness;
    uint64_t last = witness->valid ? witness->segment_no : 0;
    for (size_t i = 0; i < w->count; i++) {
        const struct fsck_wreck_file *f = &w->files[i];
        if (f->good && !f->foreign && among_segments(f) && f->number > last)
            last = f->number;
    }
    /* A wreck that stands where the next one would. */
    const struct fsck_wreck_file *next;
    while ((next = file_at(w, last + 1)) && !next->good)
        last++;
    return last;
}

/* ---- looking at files ---- */

/* Up to where the file of that segment is part of the log; 0: to its end. */
static uint64_t limit_of(const struct making *m, const struct fsck_wreck_file *f)
{
    const struct fsck_wreck *w = m->with->wreck;
    const struct fsck_capture *c = m->with->capture;
    const struct fsck_wreck_file *next = fsck_wreck_in_place(w, f->number + 1);
    if (next && f->good && next->header.prev_segment_no == f->number &&
        memcmp(next->header.prev_salt, fsck_wreck_salt(&f->header), 16) == 0)
        return next->header.prev_end;
    bool last = c->count && f->place && f->place == c->segments[c->count - 1].number;
    return last && c->tail.state != FSCK_TAIL_DAMAGED ? c->tail.end : 0;
}

static enum avj_status look_at_places(struct making *m)
{
    struct fsck_wreck *w = m->with->wreck;
    enum avj_status status = AVJ_OK;
    for (size_t i = 0; i < w->count && status == AVJ_OK; i++) {
        struct fsck_wreck_file *f = &w->files[i];
        if (f->place && f->number == f->place && !f->foreign)
            status = fsck_wreck_look(w, f, limit_of(m, f), m->err);
    }
    return status;
}

/* ---- where each begins ---- */

/* Any header of that segment; NULL: none is known. */
static const struct fsck_wreck_file *version_of(const struct fsck_wreck *w, uint64_t number)
{
    const struct fsck_wreck_file *best = fsck_wreck_in_place(w, number);
    for (size_t i = 0; i < w->count && !best; i++) {
        const struct fsck_wreck_file *f = &w->files[i];
        if (f->good && !f->foreign && f->number == number)
            best = f;
    }
    return best;
}

/* The highest number that any file has of that segment; 0: none. */
static uint64_t highest_of(const struct fsck_wreck *w, uint64_t number)
{
    uint64_t highest = 0;
    for (size_t i = 0; i < w->count; i++)
        if (w->files[i].number == number && !w->files[i].foreign && w->files[i].max_seq > highest)
            highest = w->files[i].max_seq;
    return highest;
}

/* The sequence number behind the last record that is there, or was. */
static uint64_t behind_all(const struct making *m, uint64_t last)
{
    const struct fsck_wreck *w = m->with->wreck;
    const struct fsck_capture *c = m->with->capture;
    uint64_t next = 1;
    if (c->witness.valid)
        next = c->witness.seq + 1;
    if (highest_of(w, last) + 1 > next)
        next = highest_of(w, last) + 1;
    const struct fsck_wreck_file *version = version_of(w, last);
    if (version && version->header.first_seq > next)
        next = version->header.first_seq;
    return next;
}

/* The lowest first number that a segment from `number` on is known to have. */
static uint64_t known_first(const struct fsck_wreck *w, uint64_t number, uint64_t last,
                            uint64_t behind)
{
    uint64_t first = behind;
    for (uint64_t k = number; k <= last; k++) {
        const struct fsck_wreck_file *version = version_of(w, k), *f = file_at(w, k);
        if (version)
            return version->header.first_seq < first ? version->header.first_seq : first;
        /* Of a file whose header is lost that is a guess. */
        if (f && f->number == k && f->min_seq && f->min_seq < first)
            first = f->min_seq;
    }
    return first;
}

static void place_firsts(struct making *m, uint64_t behind)
{
    struct fsck_plan *plan = m->plan;
    const struct fsck_wreck *w = m->with->wreck;
    uint64_t last = plan->count;
    for (uint64_t k = 1; k <= last; k++) {
        struct fsck_plan_segment *s = &plan->segments[k - 1];
        uint64_t at_most = known_first(w, k, last, behind);
        const struct fsck_wreck_file *f = file_at(w, k);
        s->number = k;
        s->there = f != NULL;
        s->first_seq = at_most;
        if (!version_of(w, k) && !(f && f->number == k && f->min_seq)) {
            /* Nothing tells: one record at least for the one before, if there is one to have. */
            uint64_t at_least = k > 1 ? s[-1].first_seq + 1 : 1;
            if (k > 1 && highest_of(w, k - 1) + 1 > at_least)
                at_least = highest_of(w, k - 1) + 1;
            s->first_seq = at_least < at_most ? at_least : at_most;
        }
        if (k == 1)
            s->first_seq = 1;
        else if (s->first_seq < s[-1].first_seq)
            s->first_seq = s[-1].first_seq;
    }
    for (uint64_t k = 1; k <= last; k++) {
        struct fsck_plan_segment *s = &plan->segments[k - 1];
        s->last_seq = (k < last ? s[1].first_seq : behind) - 1;
        if (s->last_seq + 1 < s->first_seq)
            s->last_seq = s->first_seq - 1;
    }
}

/* ---- which stay ---- */

static bool same_end(const struct avj_segment_header *next, const struct avj_mend_end *end)
{
    return end->segment_no && next->prev_segment_no == end->segment_no &&
           memcmp(next->prev_salt, end->salt, 16) == 0 && next->prev_end == end->end &&
           next->prev_chain == end->chain && next->prev_last_seq == end->last_seq;
}

static bool fits_before(const struct fsck_plan_segment *s, const struct fsck_wreck_file *f)
{
    return s->number == 1 ? f->header.prev_segment_no == 0 : same_end(&f->header, &s[-1].end);
}

/* What its successor, which is whole, says of its end. */
static bool claim_of(const struct fsck_plan_segment *s, const struct fsck_wreck_file *next,
                     struct avj_mend_end *end)
{
    if (!next || next->header.prev_segment_no != s->number ||
        next->header.prev_last_seq != s->last_seq || next->header.first_seq != s->last_seq + 1)
        return false;
    *end = (struct avj_mend_end){.segment_no = s->number,
                                 .end = next->header.prev_end,
                                 .chain = next->header.prev_chain,
                                 .last_seq = s->last_seq};
    memcpy(end->salt, next->header.prev_salt, 16);
    return true;
}

static bool is_sound(const struct making *m, const struct fsck_plan_segment *s,
                     const struct fsck_wreck_file *f)
{
    const struct fsck_capture *c = m->with->capture;
    if (!f || !f->sound || f->header.first_seq != s->first_seq || f->next_seq != s->last_seq + 1 ||
        !fits_before(s, f))
        return false;
    if (f->limit && !f->header.sealed && f->end != f->limit)
        return false;
    if (s->last_seq >= s->first_seq && any_between(m->with->no_entries, s->first_seq, s->last_seq))
        return false;
    /* A sync of it failed: what the file gives may not be what the disk has. */
    return s->number != m->plan->count || c->witness.unsettled != s->number;
}

static void invent_end(struct fsck_plan_segment *s, const struct fsck_wreck_file *f,
                       struct avj_mend_end *end)
{
    *end = (struct avj_mend_end){.segment_no = s->number,
                                 .end = f && f->size > 4096 ? f->size : 4096,
                                 .last_seq = s->last_seq};
    if (f)
        memcpy(end->salt, fsck_wreck_salt(&f->header), 16);
    end->chain = s->number ^ s->last_seq;
}

static void decide(const struct making *m, struct fsck_plan_segment *s)
{
    const struct fsck_wreck *w = m->with->wreck;
    const struct fsck_wreck_file *f = fsck_wreck_in_place(w, s->number);
    const struct fsck_wreck_file *next = fsck_wreck_in_place(w, s->number + 1);
    const struct fsck_wreck_file *version = version_of(w, s->number);
    struct avj_mend_end claim;
    bool claimed = claim_of(s, next, &claim), records = s->last_seq >= s->first_seq;
    s->like = version ? &version->header : NULL;
    if (is_sound(m, s, f)) {
        s->end = (struct avj_mend_end){
            .segment_no = s->number, .end = f->end, .chain = f->chain, .last_seq = s->last_seq};
        memcpy(s->end.salt, fsck_wreck_salt(&f->header), 16);
        /* Where they do not fit each other, the one before is made to fit the one behind. */
        if (!claimed || !records || same_end(&next->header, &s->end))
            return;
    }
    s->fate = records ? FSCK_ANEW : FSCK_EMPTY;
    memset(&s->end, 0, sizeof(s->end));
    if (records && claimed)
        s->end = claim;
    else if (records)
        invent_end(s, file_at(w, s->number), &s->end);
}

/* ---- what those that are written anew are made of ---- */

static bool salt_is(const struct fsck_wreck_file *f, const uint8_t *salt)
{
    return f->good && memcmp(fsck_wreck_salt(&f->header), salt, 16) == 0;
}

/* 0: none of its, 1: the best. */
static int rank_of(const struct fsck_plan_segment *s, const struct fsck_wreck_file *f,
                   const struct fsck_wreck_file *there, const struct fsck_wreck_file *next)
{
    if (f->number != s->number || f->foreign)
        return 0;
    bool known = there || next;
    bool fits = (next && salt_is(f, next->header.prev_salt)) ||
                (there && salt_is(f, fsck_wreck_salt(&there->header)));
    if (f->place == s->number)
        return next && f->good && !salt_is(f, next->header.prev_salt) ? 2 : 1;
    return fits ? 1 : !known ? 3 : 0;
}

static enum avj_status find_sources(struct making *m, struct fsck_plan_segment *s)
{
    struct fsck_wreck *w = m->with->wreck;
    const struct fsck_wreck_file *there = fsck_wreck_in_place(w, s->number);
    const struct fsck_wreck_file *next = fsck_wreck_in_place(w, s->number + 1);
    enum avj_status status = AVJ_OK;
    for (int rank = 1; rank <= 3; rank++) {
        /* Of one rank that which is in its place comes first. */
        for (int elsewhere = 0; elsewhere < 2; elsewhere++) {
            for (size_t i = 0; i < w->count && status == AVJ_OK; i++) {
                struct fsck_wreck_file *f = &w->files[i];
                if (s->source_count == FSCK_SOURCES || (f->place != s->number) != elsewhere ||
                    rank_of(s, f, there, next) != rank)
                    continue;
                if (elsewhere)
                    status = fsck_wreck_look(w, f, limit_of(m, f), m->err);
                s->sources[s->source_count++] = i;
            }
        }
    }
    return status;
}

static enum avj_status add_lost(struct making *m, struct fsck_plan_segment *s, uint64_t first,
                                uint64_t last)
{
    struct fsck_ranges *lost = &m->plan->lost;
    s->lost += last - first + 1;
    if (!fsck_ranges_add(lost, first, last))
        return avj_fail(m->err, AVJ_ENOMEM, "out of memory");
    if (lost->total > FSCK_LOST_MAX)
        return avj_fail(m->err, AVJ_ETOOBIG,
                        "more than %llu records are missing: that is not repaired; "
                        "avchat-fsck --salvage saves what is left",
                        (unsigned long long)FSCK_LOST_MAX);
    return AVJ_OK;
}

static enum avj_status count_lost(struct making *m, struct fsck_plan_segment *s)
{
    struct fsck_pool pool;
    enum avj_status status = fsck_pool_fill(&pool, m->with->wreck, s, false, m->err);
    uint64_t expected = s->first_seq;
    for (size_t i = 0; i < pool.count && status == AVJ_OK; i++) {
        if (pool.items[i].seq > expected)
            status = add_lost(m, s, expected, pool.items[i].seq - 1);
        expected = pool.items[i].seq + 1;
    }
    if (status == AVJ_OK && expected <= s->last_seq)
        status = add_lost(m, s, expected, s->last_seq);
    s->intact = pool.count;
    fsck_pool_release(&pool);
    return status;
}

static enum avj_status plan_segments(struct making *m)
{
    struct fsck_plan *plan = m->plan;
    const struct fsck_capture *c = m->with->capture;
    enum avj_status status = AVJ_OK;
    for (size_t i = 0; i < plan->count && status == AVJ_OK; i++) {
        struct fsck_plan_segment *s = &plan->segments[i];
        decide(m, s);
        if (s->fate == FSCK_STAYS)
            continue;
        plan->go_on = true;
        status = find_sources(m, s);
        if (status == AVJ_OK && s->fate == FSCK_ANEW)
            status = count_lost(m, s);
    }
    const struct fsck_wreck_file *last = fsck_wreck_in_place(m->with->wreck, plan->count);
    if (c->tail.state != FSCK_TAIL_GOOD || (last && last->header.sealed))
        plan->go_on = true;
    return status;
}

/* ---- the plan ---- */

/* Versions that are not in their place may tell of records that nothing else tells of. */
static enum avj_status look_elsewhere(struct making *m)
{
    struct fsck_wreck *w = m->with->wreck;
    enum avj_status status = AVJ_OK;
    for (size_t i = 0; i < w->count && status == AVJ_OK; i++) {
        struct fsck_wreck_file *f = &w->files[i];
        if (f->number && f->place != f->number && !f->foreign && !fsck_wreck_in_place(w, f->number))
            status = fsck_wreck_look(w, f, limit_of(m, f), m->err);
    }
    return status;
}

enum avj_status fsck_plan_make(const struct fsck_planning *with, struct fsck_plan *plan,
                               struct avj_error *err)
{
    struct making m = {.with = with, .plan = plan, .err = err};
    *plan = (struct fsck_plan){.wreck = with->wreck, .no_entries = with->no_entries};
    uint64_t last = last_number(&m);
    if (!with->wreck->known || last == 0)
        return avj_fail(err, AVJ_ECORRUPT,
                        "no segment is left whose header can be read: restore the folder from a "
                        "backup, or use avchat-fsck --salvage");
    if (last > with->wreck->count + FSCK_LOST_MAX / 1000)
        return avj_fail(err, AVJ_ETOOBIG, "too many segments are missing: not repaired");
    plan->segments = calloc((size_t)last, sizeof(*plan->segments));
    if (!plan->segments)
        return avj_fail(err, AVJ_ENOMEM, "out of memory");
    plan->count = (size_t)last;
    enum avj_status status = look_at_places(&m);
    if (status == AVJ_OK)
        status = look_elsewhere(&m);
    if (status != AVJ_OK)
        return status;
    place_firsts(&m, behind_all(&m, last));
    return plan_segments(&m);
}

void fsck_plan_release(struct fsck_plan *plan)
{
    free(plan->segments);
    fsck_ranges_release(&plan->lost);
    memset(plan, 0, sizeof(*plan));
}
