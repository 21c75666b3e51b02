/* Changes that wait: see fsck_audit_waits.h. */
#include "fsck/fsck_audit_waits.h"

#include <stdlib.h>
#include <string.h>

/* Changes of one document are a chain, the newest first; 0 ends it. */
struct node {
    uint64_t key, seq;
    int64_t at_ms;
    uint32_t next;
    bool parked;
};

struct fsck_waits {
    struct node *nodes; /* from 1 */
    uint32_t node_count, node_cap, unused;
    uint32_t *heads; /* open addressing, by key; 0: nobody */
    size_t mask, used;
    uint64_t depth, parked;
    uint32_t *times;
    size_t time_count, time_cap;
};

#define FIRST_HEADS 1024
#define IN_SECONDS  0x80000000u

struct fsck_waits *fsck_waits_new(void)
{
    struct fsck_waits *w = calloc(1, sizeof(*w));
    if (!w)
        return NULL;
    w->heads = calloc(FIRST_HEADS, sizeof(*w->heads));
    w->mask = FIRST_HEADS - 1;
    if (!w->heads) {
        free(w);
        return NULL;
    }
    return w;
}

void fsck_waits_free(struct fsck_waits *w)
{
    if (!w)
        return;
    free(w->nodes);
    free(w->heads);
    free(w->times);
    free(w);
}

/* ---- documents ---- */

/* Where the document's chain begins, or would. */
static size_t place_of(const struct fsck_waits *w, uint64_t key)
{
    size_t i = (size_t)key & w->mask;
    while (w->heads[i] && w->nodes[w->heads[i]].key != key)
        i = (i + 1) & w->mask;
    return i;
}

static bool grow_heads(struct fsck_waits *w)
{
    uint32_t *old = w->heads;
    size_t count = w->mask + 1;
    if (w->used * 4 < count * 3)
        return true;
    w->heads = calloc(count * 2, sizeof(*w->heads));
    if (!w->heads) {
        w->heads = old;
        return false;
    }
    w->mask = count * 2 - 1;
    for (size_t i = 0; i < count; i++)
        if (old[i])
            w->heads[place_of(w, w->nodes[old[i]].key)] = old[i];
    free(old);
    return true;
}

/* A chain ended: those that had to step over its place move up. */
static void close_up(struct fsck_waits *w, size_t hole)
{
    w->heads[hole] = 0;
    w->used--;
    for (size_t i = (hole + 1) & w->mask; w->heads[i]; i = (i + 1) & w->mask) {
        size_t home = (size_t)w->nodes[w->heads[i]].key & w->mask;
        if (((i - home) & w->mask) < ((i - hole) & w->mask))
            continue;
        w->heads[hole] = w->heads[i];
        w->heads[i] = 0;
        hole = i;
    }
}

static uint32_t new_node(struct fsck_waits *w)
{
    uint32_t number = w->unused;
    if (number) {
        w->unused = w->nodes[number].next;
        return number;
    }
    if (w->node_count + 1 >= w->node_cap) {
        uint32_t cap = w->node_cap ? w->node_cap + w->node_cap / 2 : 256;
        struct node *grown = realloc(w->nodes, cap * sizeof(*grown));
        if (!grown)
            return 0;
        w->nodes = grown;
        w->node_cap = cap;
    }
    return ++w->node_count;
}

enum avj_status fsck_waits_add(struct fsck_waits *w, uint64_t key, uint64_t seq, int64_t at_ms)
{
    if (!grow_heads(w))
        return AVJ_ENOMEM;
    uint32_t number = new_node(w);
    if (!number)
        return AVJ_ENOMEM;
    size_t i = place_of(w, key);
    w->used += w->heads[i] == 0;
    w->nodes[number] = (struct node){key, seq, at_ms, w->heads[i], false};
    w->heads[i] = number;
    w->depth++;
    return AVJ_OK;
}

void fsck_waits_park(struct fsck_waits *w, uint64_t key, uint64_t upto, bool parked)
{
    for (uint32_t n = w->heads[place_of(w, key)]; n; n = w->nodes[n].next) {
        if (w->nodes[n].seq > upto || w->nodes[n].parked == parked)
            continue;
        w->nodes[n].parked = parked;
        w->parked += parked ? 1 : UINT64_MAX;
    }
}

/* ---- times ---- */

static uint32_t packed(int64_t ms)
{
    if (ms < 0)
        ms = 0;
    if (ms < IN_SECONDS)
        return (uint32_t)ms;
    int64_t seconds = ms / 1000;
    return IN_SECONDS | (uint32_t)(seconds < IN_SECONDS ? seconds : IN_SECONDS - 1);
}

static int64_t unpacked(uint32_t time)
{
    return time & IN_SECONDS ? (int64_t)(time & ~IN_SECONDS) * 1000 : time;
}

static bool note_time(struct fsck_waits *w, int64_t ms)
{
    if (w->time_count == w->time_cap) {
        size_t cap = w->time_cap ? w->time_cap + w->time_cap / 2 : 1024;
        uint32_t *grown = realloc(w->times, cap * sizeof(*grown));
        if (!grown)
            return false;
        w->times = grown;
        w->time_cap = cap;
    }
    w->times[w->time_count++] = packed(ms);
    return true;
}

static void let_go(struct fsck_waits *w, uint32_t number)
{
    struct node *node = &w->nodes[number];
    w->depth--;
    w->parked -= node->parked;
    node->next = w->unused;
    w->unused = number;
}

enum avj_status fsck_waits_settle(struct fsck_waits *w, uint64_t key, uint64_t upto, int64_t at_ms,
                                  bool timed, uint64_t *settled)
{
    size_t i = place_of(w, key);
    uint32_t *link = &w->heads[i];
    *settled = 0;
    if (!*link)
        return AVJ_OK;
    while (*link) {
        uint32_t number = *link;
        struct node *node = &w->nodes[number];
        if (node->seq > upto) {
            link = &node->next;
            continue;
        }
        int64_t waited = at_ms > node->at_ms ? at_ms - node->at_ms : 0;
        if (timed && !note_time(w, waited))
            return AVJ_ENOMEM;
        ++*settled;
        *link = node->next;
        let_go(w, number);
    }
    if (!w->heads[i])
        close_up(w, i);
    return AVJ_OK;
}

enum avj_status fsck_waits_trim(struct fsck_waits *w, uint64_t key, uint64_t count)
{
    uint64_t has = 0, settled;
    uint32_t head = w->heads[place_of(w, key)];
    for (uint32_t n = head; n; n = w->nodes[n].next)
        has++;
    for (; head && has > count; has--)
        head = w->nodes[head].next;
    return head ? fsck_waits_settle(w, key, w->nodes[head].seq, 0, false, &settled) : AVJ_OK;
}

uint64_t fsck_waits_depth(const struct fsck_waits *w)
{
    return w->depth;
}

uint64_t fsck_waits_parked(const struct fsck_waits *w)
{
    return w->parked;
}

/* ---- how long ---- */

int64_t fsck_wait_bound(size_t i)
{
    enum { S = 1000, MIN = 60 * S, H = 60 * MIN };
    static const int64_t bounds[FSCK_WAIT_BINS - 1] = {3,
                                                       10,
                                                       30,
                                                       100,
                                                       300,
                                                       1 * S,
                                                       3 * S,
                                                       10 * S,
                                                       30 * S,
                                                       1 * MIN,
                                                       5 * MIN,
                                                       15 * MIN,
                                                       1 * H,
                                                       3 * H,
                                                       12 * H,
                                                       24 * H,
                                                       72 * H,
                                                       INT64_C(168) * H,
                                                       INT64_C(720) * H};
    return i + 1 < FSCK_WAIT_BINS ? bounds[i] : INT64_MAX;
}

static int by_value(const void *x, const void *y)
{
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    return a < b ? -1 : a > b;
}

/* The smallest value that at least `percent` of all do not exceed (nearest rank). */
static int64_t percentile(const struct fsck_waits *w, unsigned percent)
{
    if (w->time_count == 0)
        return -1;
    size_t rank = (w->time_count * percent + 99) / 100;
    return unpacked(w->times[rank ? rank - 1 : 0]);
}

void fsck_waits_times(struct fsck_waits *w, struct fsck_wait_times *times)
{
    size_t bin = 0;
    if (w->time_count)
        qsort(w->times, w->time_count, sizeof(*w->times), by_value);
    *times = (struct fsck_wait_times){.count = w->time_count,
                                      .p50_ms = percentile(w, 50),
                                      .p95_ms = percentile(w, 95),
                                      .max_ms = percentile(w, 100)};
    for (size_t i = 0; i < w->time_count; i++) {
        while (unpacked(w->times[i]) >= fsck_wait_bound(bin) && bin + 1 < FSCK_WAIT_BINS)
            bin++;
        times->bins[bin]++;
    }
}
