/*
 * Values: reading and building the msgpack that entries and documents are made of, without the
 * layers above having to know msgpack-c.  A document's fields are always one *canonical* map: keys
 * unique, in schema order (schema.h), keys the schema does not know behind them in byte order; the
 * same fields are the same bytes everywhere.
 *
 * Threading: plain data; one thread an object.  Lifetime: values point into the tree and into the
 * bytes it was parsed from.
 */
#ifndef AVJ_VALUE_H
#define AVJ_VALUE_H

#include "journal/journal.h"

AVJ_BEGIN_C

enum avj_kind { AVJ_NIL, AVJ_BOOL, AVJ_INT, AVJ_REAL, AVJ_TEXT, AVJ_BYTES, AVJ_LIST, AVJ_MAP };

struct avj_value {
    enum avj_kind kind;
    bool boolean;
    int64_t integer;
    double real;
    const char *text; /* AVJ_TEXT (UTF-8, not NUL-terminated) and AVJ_BYTES */
    size_t len;       /* bytes of text; items of a list; pairs of a map */
    const void *node; /* private */
};

struct avj_tree; /* one parsed value with everything in it */

/* Nesting deeper than this is refused with AVJ_EFORMAT. */
#define AVJ_VALUE_DEPTH_MAX 32

/* Parses exactly one value filling all of data (borrowed while the tree lives).  Errors:
 * AVJ_EFORMAT, AVJ_ENOMEM. */
AVJ_API AVJ_CHECKED enum avj_status avj_tree_parse(const void *data, size_t len,
                                                   struct avj_tree **out);
AVJ_API struct avj_value avj_tree_root(const struct avj_tree *tree);
AVJ_API void avj_tree_free(struct avj_tree *tree);

/* Item i of a list; pair i of a map.  i must be below len. */
AVJ_API struct avj_value avj_value_item(struct avj_value list, size_t i);
AVJ_API void avj_value_pair(struct avj_value map, size_t i, struct avj_value *key,
                            struct avj_value *value);
/* The value under a text key; false (and *out nil) when there is none or `map` is no map. */
AVJ_API bool avj_value_get(struct avj_value map, const char *key, struct avj_value *out);
/* Convenience on maps: the text/integer/bool under key, or the default when absent or of another
 * kind. */
AVJ_API struct avj_slice avj_value_get_text(struct avj_value map,
                                            const char *key); /* {NULL,0} when absent */
AVJ_API int64_t avj_value_get_int(struct avj_value map, const char *key, int64_t otherwise);
AVJ_API bool avj_value_get_bool(struct avj_value map, const char *key, bool otherwise);
AVJ_API bool avj_value_text_is(struct avj_value value, const char *text);
/* Structural equality (1 and 1.0 differ; maps are equal in any order). */
AVJ_API bool avj_value_equal(struct avj_value a, struct avj_value b);

/* The text under a text key of a packed map (a document's fields, or what avj_pack_... wrote),
 * found without parsing the rest and without memory; borrowed from data.  {NULL, 0}: it is not
 * there, or is no text. */
AVJ_API struct avj_slice avj_packed_text(const void *data, size_t len, const char *key);

/* A growable output buffer.  Zero-initialise; once an allocation failed, `failed` stays set and
 * nothing more is added: check it once at the end. */
struct avj_pack {
    uint8_t *data;
    size_t len, cap;
    bool failed;
};

AVJ_API void avj_pack_release(struct avj_pack *pack);
AVJ_API void avj_pack_reset(struct avj_pack *pack); /* empty, memory kept */
/* Makes room for `len` more bytes at once; may be left out. */
AVJ_API void avj_pack_reserve(struct avj_pack *pack, size_t len);
AVJ_API void avj_pack_nil(struct avj_pack *pack);
AVJ_API void avj_pack_bool(struct avj_pack *pack, bool value);
AVJ_API void avj_pack_int(struct avj_pack *pack, int64_t value);
AVJ_API void avj_pack_real(struct avj_pack *pack, double value);
AVJ_API void avj_pack_text(struct avj_pack *pack, const char *text, size_t len);
AVJ_API void avj_pack_cstr(struct avj_pack *pack, const char *text); /* NULL: nil */
AVJ_API void avj_pack_bytes(struct avj_pack *pack, const void *data, size_t len);
AVJ_API void avj_pack_list(struct avj_pack *pack, size_t items); /* followed by that many values */
AVJ_API void avj_pack_map(struct avj_pack *pack,
                          size_t pairs); /* followed by that many key, value */
AVJ_API void avj_pack_value(struct avj_pack *pack, struct avj_value value);
AVJ_API void avj_pack_raw(struct avj_pack *pack, const void *data,
                          size_t len); /* bytes that are msgpack already */

AVJ_END_C

#endif
