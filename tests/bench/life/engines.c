/* The table of engines: see life.h. */
#include "tests/bench/life/life.h"

#include <string.h>

static const struct life_engine *const all[] = {
    &life_store,
    &life_store_still,
    &life_store_replaying,
    &life_store_replaying_alone,
    &life_sqlite,
    &life_sqlite_fts,
    &life_lmdb,
};

const struct life_engine *life_engine(const char *name)
{
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    return NULL;
}

void life_saw(struct life_found *found, const void *data, size_t len)
{
    found->count++;
    found->digest = found->digest * UINT64_C(0x9e3779b97f4a7c15) + avj_hash64(data, len);
}
