/*
 * JSON on one side, values (replay/value.h) and fields on the other.  jansson does the parsing and
 * the writing. Threading: pure functions.
 */
#ifndef AVJ_NET_JSON_H
#define AVJ_NET_JSON_H

#include "replay/fields.h"

#include <jansson.h>

/* A new reference, NULL on out of memory.  Bytes become null; text that is no UTF-8 too. */
json_t *avj_json_from_value(struct avj_value value);
/* An object with the fields in canonical order (local names). */
json_t *avj_json_from_fields(struct avj_fields fields);
/* Appends the value of `json` to `pack`. Integers and reals keep their kind. */
void avj_json_pack(struct avj_pack *pack, const json_t *json);

/*
 * Import line or server row to fields, both through the schema table; unknown names are kept as
 * they are. `avj_json_to_fields`: an object with local names ("kind" is skipped), into a canonical
 * map. Errors: AVJ_EFORMAT (a known field has the wrong type: err names it), AVJ_ENOMEM.
 */
enum avj_status avj_json_to_fields(enum avj_entity entity, const json_t *object,
                                   struct avj_pack *out, struct avj_error *err);

#endif
