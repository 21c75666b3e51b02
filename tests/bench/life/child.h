/*
 * build/tests/bench-child, which `bench --life` runs: what it is told, and what it does. Threading:
 * one thread.
 */
#ifndef BENCH_LIFE_CHILD_H
#define BENCH_LIFE_CHILD_H

#include "tests/bench/life/life.h"

#include <inttypes.h>

struct child {
    const struct life_engine *engine;
    const char *dir;
    char **rest; /* further arguments, NULL behind the last */
};

/* The i-th of the further arguments, as a number. */
size_t child_number(const struct child *child, size_t i);
void child_say(const char *name, uint64_t value);
/* Sorts. */
uint64_t child_percentile(uint64_t *ns, size_t count, size_t percent);

void child_append(const struct child *child); /* child_append.c */
void child_write(const struct child *child);  /* child_append.c */
void child_zstd(const struct child *child);   /* child_zstd.c */

#endif
