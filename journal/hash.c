/* The hashes that the layers above share with the format: XXH3 (libxxhash). */
#include "journal/hash.h"
#include "journal/journal.h"

#include <string.h>
#include <xxhash.h>

uint64_t avj_hash64(const void *data, size_t len)
{
    return XXH3_64bits(data, len);
}

static void put_canonical(XXH128_hash_t hash, uint8_t out[16])
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, hash);
    memcpy(out, canonical.digest, 16);
}

void avj_hash128(const void *data, size_t len, uint8_t out[16])
{
    put_canonical(XXH3_128bits(data, len), out);
}

struct avj_hash_stream *avj_hash_stream_new(void)
{
    XXH3_state_t *state = XXH3_createState();
    if (state)
        (void)XXH3_128bits_reset(state);
    return (struct avj_hash_stream *)state;
}

void avj_hash_stream_free(struct avj_hash_stream *stream)
{
    (void)XXH3_freeState((XXH3_state_t *)stream);
}

void avj_hash_stream_add(struct avj_hash_stream *stream, const void *data, size_t len)
{
    (void)XXH3_128bits_update((XXH3_state_t *)stream, data, len);
}

void avj_hash_stream_end(const struct avj_hash_stream *stream, uint8_t out[16])
{
    put_canonical(XXH3_128bits_digest((const XXH3_state_t *)stream), out);
}
