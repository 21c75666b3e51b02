/*
 * A growing array whose items never move: a table of chunks.  It may begin in memory that is mapped
 * from a file (a snapshot), where it is read and written like the rest.
 *
 * Threading: one thread an array.  Items are zero when they are added.
 */
#ifndef AVJ_CHUNKS_H
#define AVJ_CHUNKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AVJ_CHUNK_SHIFT 12
#define AVJ_CHUNK_ITEMS ((size_t)1 << AVJ_CHUNK_SHIFT)

struct avj_chunks {
    uint8_t **chunks;
    size_t chunk_count, chunk_cap;
    size_t mapped;   /* chunks that are not ours to free */
    size_t item_len; /* bytes; set once */
    size_t count;    /* items */
};

static inline void avj_chunks_init(struct avj_chunks *c, size_t item_len)
{
    *c = (struct avj_chunks){.item_len = item_len};
}
void avj_chunks_release(struct avj_chunks *c);

static inline void *avj_chunks_at(const struct avj_chunks *c, size_t i)
{
    return c->chunks[i >> AVJ_CHUNK_SHIFT] + (i & (AVJ_CHUNK_ITEMS - 1)) * c->item_len;
}

/* Makes room for one more item, `count` - 1 then.  NULL: out of memory. */
void *avj_chunks_add(struct avj_chunks *c);

/* The empty array begins with `count` items at `items` (writable): whole chunks of them stay there
 * (borrowed), the rest is copied.  False: out of memory. */
bool avj_chunks_adopt(struct avj_chunks *c, void *items, size_t count);
/* Of the items in chunk `i`. */
size_t avj_chunks_bytes(const struct avj_chunks *c, size_t i);

/* Bytes held in memory of its own. */
size_t avj_chunks_memory(const struct avj_chunks *c);

#endif
