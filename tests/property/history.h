/*
 * Histories: lists of things that happen to a world.  An action carries a seed of its own and finds
 * out from the world as it stands what it can do, so that a history in which some are left out is
 * still one: that is how a failing one is made short.
 *
 * Threading: one thread.
 */
#ifndef PROPERTY_HISTORY_H
#define PROPERTY_HISTORY_H

#include "tests/property/world.h"

struct action {
    unsigned kind;    /* see history.c */
    unsigned replica; /* of options.replicas, modulo */
    uint64_t seed;
};

struct history {
    struct world_options options;
    struct action *actions;
    size_t count;
};

/* What is asked at the end, behind what holds after every step. */
enum ending {
    END_REPLAY = 1, /* opened anew, every replica is as it was */
    END_REST = 2,   /* at rest, all replicas are what the server has */
    END_TOKENS = 4, /* and no value is lost */
};

/* The history of that seed. */
struct history history_make(uint64_t seed, size_t actions, bool clocks_off);
void history_release(struct history *history);

/* Lives through it.  "" when everything held, else what did not; valid until the next call. */
const char *history_run(const struct history *history, unsigned endings, bool tell);
/* Lives through it and comes to rest: the digest of all replicas, and how many values lost a merge.
 * False: something did not hold. */
bool history_outcome(const struct history *history, uint64_t digest[2], size_t *losses);
/* Leaves out what has times by a replica's clock in it. */
void history_without_times(struct history *history);
/* Leaves out what it can while it still fails. */
void history_shorten(struct history *history, unsigned endings);

#endif
