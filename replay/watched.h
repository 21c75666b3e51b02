/* avj_view_apply for a store that has watchers. */
#ifndef AVJ_WATCHED_H
#define AVJ_WATCHED_H

#include "replay/store_private.h"

AVJ_CHECKED enum avj_status
avj_watched_apply(struct avj_store *store, const struct avj_record *record, struct avj_error *err);

#endif
