/* The hashes that the layers above share with the format: XXH3 (libxxhash). */
#include "journal/journal.h"

#include <xxhash.h>

uint64_t avj_hash64(const void *data, size_t len)
{
    return XXH3_64bits(data, len);
}

void avj_hash128(const void *data, size_t len, uint8_t out[16])
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, XXH3_128bits(data, len));
    for (size_t i = 0; i < 16; i++)
        out[i] = canonical.digest[i];
}
