/*
 * Memory for one answer: given out piece by piece, taken back as a whole.  Pieces do not move.
 *
 * Threading: one thread an arena.
 */
#ifndef AVJ_ARENA_H
#define AVJ_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct avj_arena { /* all zero: empty */
    struct avj_arena_block *blocks;
    size_t used; /* of the first block */
};

/* len bytes, aligned for any type.  NULL: out of memory. */
void *avj_arena_alloc(struct avj_arena *arena, size_t len);
/* A copy; for texts give the length with the NUL. */
void *avj_arena_copy(struct avj_arena *arena, const void *data, size_t len);
/* Empties it; some memory is kept for the next answer. */
void avj_arena_reset(struct avj_arena *arena);
void avj_arena_release(struct avj_arena *arena);

#endif
