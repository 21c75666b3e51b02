/* See history.h. */
#include "tests/property/actions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- making ---- */

static unsigned pick(struct test_rng *rng)
{
    unsigned total = 0, at = 0;
    for (size_t i = 0; i < action_kinds; i++)
        total += actions_table[i].weight;
    for (unsigned n = (unsigned)test_rng_below(rng, total); n >= actions_table[at].weight; at++)
        n -= actions_table[at].weight;
    return at;
}

struct history history_make(uint64_t seed, size_t actions, bool clocks_off)
{
    struct test_rng rng;
    struct history h = {.count = actions};
    test_rng_init(&rng, seed);
    h.actions = calloc(actions ? actions : 1, sizeof(*h.actions));
    if (!h.actions)
        abort();
    h.options.replicas = 2 + (unsigned)test_rng_below(&rng, REPLICAS_MAX - 1);
    h.options.lacking = test_rng_below(&rng, 4) == 0;
    h.options.equal_ms = test_rng_below(&rng, 4) == 0;
    for (size_t i = 0; clocks_off && i < REPLICAS_MAX; i++)
        h.options.skews[i] = (int64_t)test_rng_below(&rng, 7200000) - 3600000;
    h.options.measured = clocks_off && test_rng_below(&rng, 2) == 0;
    for (size_t i = 0; i < actions; i++)
        h.actions[i] = (struct action){.kind = pick(&rng),
                                       .replica = (unsigned)test_rng_below(&rng, 12),
                                       .seed = test_rng_next(&rng)};
    return h;
}

void history_release(struct history *h)
{
    free(h->actions);
    *h = (struct history){.count = 0};
}

/* ---- living through ---- */

static bool step(struct world *w, const struct action *a)
{
    struct stage stage = {.world = w, .replica = &w->replicas[a->replica % w->options.replicas]};
    test_rng_init(&stage.rng, a->seed);
    w->now_ms += (int64_t)test_rng_below(&stage.rng, 3) * (int64_t)test_rng_below(&stage.rng, 3);
    if (test_rng_below(&stage.rng, 20) == 0)
        w->now_ms += 60000;
    stage.handle = test_rng_below(&stage.rng, 4) == 0;
    world_tell(w, "replica %zu %s, at %lld", (size_t)(stage.replica - w->replicas),
               actions_table[a->kind].does, (long long)w->now_ms);
    return actions_table[a->kind].run(&stage) && !w->failure[0] && check_replica(stage.replica);
}

static void ending(struct world *w, unsigned endings)
{
    bool ok = true;
    for (size_t i = 0; ok && (endings & END_REPLAY) && i < w->options.replicas; i++)
        ok = check_replay(&w->replicas[i]);
    if (ok && (endings & (END_REST | END_TOKENS)))
        ok = come_to_rest(w) && check_agreement(w);
    if (ok && (endings & END_TOKENS))
        ok = check_tokens(w);
    for (size_t i = 0; ok && (endings & END_REPLAY) && i < w->options.replicas; i++)
        ok = check_replay(&w->replicas[i]);
}

bool history_outcome(const struct history *h, uint64_t digest[2], size_t *losses)
{
    static struct world world;
    bool ok = world_begin(&world, &h->options);
    for (size_t i = 0; ok && i < h->count; i++)
        ok = step(&world, &h->actions[i]);
    ok = ok && come_to_rest(&world);
    server_digest(&world, digest);
    *losses = 0;
    for (size_t i = 0; i < h->options.replicas; i++)
        *losses += world.replicas[i].oracle.loss_count;
    world_end(&world);
    return ok;
}

void history_without_times(struct history *h)
{
    size_t kept = 0;
    for (size_t i = 0; i < h->count; i++)
        if (!actions_table[h->actions[i].kind].tells_time)
            h->actions[kept++] = h->actions[i];
    h->count = kept;
}

const char *history_run(const struct history *h, unsigned endings, bool tell)
{
    static char failure[4096];
    static struct world world;
    world.tell = tell;
    bool ok = world_begin(&world, &h->options);
    for (size_t i = 0; ok && i < h->count; i++)
        ok = step(&world, &h->actions[i]);
    if (ok)
        ending(&world, endings);
    memcpy(failure, world.failure, sizeof(failure));
    world_end(&world);
    return failure;
}

/* ---- making short ---- */

static bool fails_without(struct history *h, size_t first, size_t count, unsigned endings)
{
    struct history less = {.options = h->options, .count = h->count - count};
    less.actions = malloc((less.count ? less.count : 1) * sizeof(*less.actions));
    if (!less.actions)
        abort();
    memcpy(less.actions, h->actions, first * sizeof(*less.actions));
    memcpy(less.actions + first, h->actions + first + count,
           (h->count - first - count) * sizeof(*less.actions));
    if (!history_run(&less, endings, false)[0]) {
        history_release(&less);
        return false;
    }
    free(h->actions);
    *h = less;
    return true;
}

void history_shorten(struct history *h, unsigned endings)
{
    for (size_t part = h->count / 2; part > 0; part = part > 1 ? part / 2 : 0)
        for (bool again = true; again;) {
            again = false;
            for (size_t first = 0; first + part <= h->count;)
                if (fails_without(h, first, part, endings))
                    again = true;
                else
                    first += part;
        }
}
