/*
 * Fields as the property tests see them: a list of names with the JSON text of each value, "null"
 * in a change clears.  Slow and plain on purpose: what is tested against it must not share its
 * ideas.  What the tests know of the schema (orders, times, what only grows) is written here once
 * more, by hand.
 *
 * Threading: one thread.  Texts are kept in one pool until texts_release, so maps are copied by
 * assignment and own nothing.
 */
#ifndef PROPERTY_FIELDMAP_H
#define PROPERTY_FIELDMAP_H

#include "replay/fields.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FIELDS_MAX = 24 };

struct fieldmap {
    size_t count;
    struct {
        const char *name, *json;
    } at[FIELDS_MAX];
};

/* Kept until texts_release. */
const char *text_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void texts_release(void);

/* The JSON text; NULL: absent. */
const char *field_get(const struct fieldmap *map, const char *name);
void field_set(struct fieldmap *map, const char *name, const char *json);
void field_remove(struct fieldmap *map, const char *name);
/* Every field of `change` on top; those that are "null" go. */
void fields_apply(struct fieldmap *map, const struct fieldmap *change);
/* "{name:value,...}" for messages. */
const char *fields_text(const struct fieldmap *map);

/* Schema order, unknown names behind it by their bytes. */
void fields_sort(enum avj_entity entity, struct fieldmap *map);
bool fields_equal(const struct fieldmap *a, const struct fieldmap *b); /* texts, in this order */

/* As msgpack, in the order of the map.  malloc'd. */
uint8_t *fields_pack(const struct fieldmap *map, size_t *len);
/* Out of the library's form, in its order. */
struct fieldmap fields_unpack(struct avj_fields fields);

/* ---- the schema, once more ---- */

const char *kind_name(enum avj_entity entity);
bool field_is_time(enum avj_entity entity, const char *name);
bool field_only_grows(enum avj_entity entity, const char *name);
bool field_is_fixed(enum avj_entity entity, const char *name); /* ids and a thread's createdAt */
bool field_is_given(enum avj_entity entity, const char *name); /* by the server */

/* Milliseconds of a time's JSON text; false: it is none. */
bool json_time(const char *json, int64_t *ms);
/* The JSON text of a time, as Appwrite writes it; `how` 1: with Z, 2: in another time zone. */
const char *time_json(int64_t ms, unsigned how);
/* A time without quotes, as versions are. */
const char *time_text(int64_t ms);

/* The same value, as far as the field's meaning goes.  NULL and "null" are absent. */
bool values_same(enum avj_entity entity, const char *name, const char *a, const char *b);

#endif
