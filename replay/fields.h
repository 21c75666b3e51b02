/*
 * Fields: canonical maps (value.h) as immutable byte strings, and what the fold does with them.
 * Threading: pure functions.  Every output goes to a caller's avj_pack and is canonical.
 */
#ifndef AVJ_FIELDS_H
#define AVJ_FIELDS_H

#include "replay/schema.h"
#include "replay/value.h"

AVJ_BEGIN_C

/* A canonical map; len 0 means the empty map. */
struct avj_fields {
    const uint8_t *data;
    size_t len;
};

/* Sorts any map into canonical form; with `drop_nil`, pairs whose value is nil are left out.  Key
 * twice: the last wins.  Errors: AVJ_EFORMAT (no map, a key that is no text), AVJ_ENOMEM. */
AVJ_API AVJ_CHECKED enum avj_status avj_fields_canonical(enum avj_entity entity,
                                                         struct avj_value map, bool drop_nil,
                                                         struct avj_pack *out);

/* `base` with every pair of `patch` put in; a nil in patch removes (drop_nil) or stays as nil. */
AVJ_API AVJ_CHECKED enum avj_status avj_fields_merge(enum avj_entity entity, struct avj_fields base,
                                                     struct avj_fields patch, bool drop_nil,
                                                     struct avj_pack *out);

/* Only those pairs of `fields` for which keep(arg, name, value) is true. */
AVJ_API AVJ_CHECKED enum avj_status avj_fields_filter(struct avj_fields fields,
                                                      bool (*keep)(void *arg, struct avj_value name,
                                                                   struct avj_value value),
                                                      void *arg, struct avj_pack *out);

AVJ_END_C

#endif
