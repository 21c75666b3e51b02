#include "replay/snapshot.h"
void avj_snapshot_open(struct avj_store *store, const struct avj_source *source)
{
    (void)store;
    (void)source;
}
void avj_snapshot_consider(struct avj_store *store)
{
    (void)store;
}
void avj_snapshot_at_close(struct avj_store *store)
{
    (void)store;
}
