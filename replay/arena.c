/* Memory for one answer: see arena.h. */
#include "replay/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK  ((size_t)64 * 1024)
#define ALIGN  (_Alignof(max_align_t))
#define HEADER ((sizeof(struct avj_arena_block) + ALIGN - 1) / ALIGN * ALIGN)

struct avj_arena_block {
    struct avj_arena_block *next;
    size_t size; /* behind the header */
};

void *avj_arena_alloc(struct avj_arena *a, size_t len)
{
    if (len > SIZE_MAX / 2)
        return NULL;
    size_t need = (len + ALIGN - 1) / ALIGN * ALIGN;
    if (!a->blocks || a->blocks->size - a->used < need) {
        size_t size = need > BLOCK ? need : BLOCK;
        struct avj_arena_block *block = malloc(HEADER + size);
        if (!block)
            return NULL;
        *block = (struct avj_arena_block){a->blocks, size};
        a->blocks = block;
        a->used = 0;
    }
    void *piece = (uint8_t *)a->blocks + HEADER + a->used;
    a->used += need;
    return piece;
}

void *avj_arena_copy(struct avj_arena *a, const void *data, size_t len)
{
    void *piece = avj_arena_alloc(a, len ? len : 1);
    if (piece && len)
        memcpy(piece, data, len);
    return piece;
}

void avj_arena_reset(struct avj_arena *a)
{
    /* The oldest block has the usual size. */
    while (a->blocks && (a->blocks->next || a->blocks->size > BLOCK)) {
        struct avj_arena_block *next = a->blocks->next;
        free(a->blocks);
        a->blocks = next;
    }
    a->used = 0;
}

void avj_arena_release(struct avj_arena *a)
{
    while (a->blocks) {
        struct avj_arena_block *next = a->blocks->next;
        free(a->blocks);
        a->blocks = next;
    }
    a->used = 0;
}
