/* Arrays whose items never move: see chunks.h. */
#include "replay/chunks.h"

#include <stdlib.h>
#include <string.h>

void avj_chunks_release(struct avj_chunks *c)
{
    for (size_t i = c->mapped; i < c->chunk_count; i++)
        free(c->chunks[i]);
    free(c->chunks);
    avj_chunks_init(c, c->item_len);
}

static bool reserve(struct avj_chunks *c, size_t chunks)
{
    if (chunks <= c->chunk_cap)
        return true;
    size_t cap = c->chunk_cap ? c->chunk_cap : 16;
    while (cap < chunks)
        cap *= 2;
    uint8_t **grown = realloc(c->chunks, cap * sizeof(*grown));
    if (!grown)
        return false;
    c->chunks = grown;
    c->chunk_cap = cap;
    return true;
}

void *avj_chunks_add(struct avj_chunks *c)
{
    if (c->count >> AVJ_CHUNK_SHIFT == c->chunk_count) {
        if (!reserve(c, c->chunk_count + 1))
            return NULL;
        uint8_t *chunk = calloc(AVJ_CHUNK_ITEMS, c->item_len);
        if (!chunk)
            return NULL;
        c->chunks[c->chunk_count++] = chunk;
    }
    return avj_chunks_at(c, c->count++);
}

bool avj_chunks_adopt(struct avj_chunks *c, void *items, size_t count)
{
    size_t whole = count >> AVJ_CHUNK_SHIFT, rest = count & (AVJ_CHUNK_ITEMS - 1);
    if (!reserve(c, whole + 1))
        return false;
    for (size_t i = 0; i < whole; i++)
        c->chunks[i] = (uint8_t *)items + i * AVJ_CHUNK_ITEMS * c->item_len;
    c->chunk_count = c->mapped = whole;
    if (rest) {
        uint8_t *chunk = calloc(AVJ_CHUNK_ITEMS, c->item_len);
        if (!chunk)
            return false;
        memcpy(chunk, (uint8_t *)items + whole * AVJ_CHUNK_ITEMS * c->item_len, rest * c->item_len);
        c->chunks[c->chunk_count++] = chunk;
    }
    c->count = count;
    return true;
}

size_t avj_chunks_bytes(const struct avj_chunks *c, size_t i)
{
    size_t behind = c->count - (i << AVJ_CHUNK_SHIFT);
    return (behind < AVJ_CHUNK_ITEMS ? behind : AVJ_CHUNK_ITEMS) * c->item_len;
}

size_t avj_chunks_memory(const struct avj_chunks *c)
{
    return c->chunk_cap * sizeof(*c->chunks) +
           (c->chunk_count - c->mapped) * AVJ_CHUNK_ITEMS * c->item_len;
}
