/*
 * A growable text, and JSON written straight into it: answers and events are rendered from rows
 * without a tree between. Threading: one thread an object.  Lifetime: `data` is valid until the
 * next call that adds.
 */
#ifndef AVJ_SERVE_SB_H
#define AVJ_SERVE_SB_H

#include "journal/status.h"

#include <stdint.h>

/* Zero-initialise.  Once an allocation failed, `failed` stays set and nothing more is added: check
 * it once at the end. */
struct avj_sb {
    char *data; /* NUL-terminated as soon as something was added; NULL before */
    size_t len, cap;
    bool failed;
};

void avj_sb_release(struct avj_sb *text);
void avj_sb_reset(struct avj_sb *text); /* empty, memory kept */
void avj_sb_bytes(struct avj_sb *text, const char *data, size_t len);
void avj_sb_cstr(struct avj_sb *text, const char *data);
void avj_sb_printf(struct avj_sb *text, const char *format, ...) AVJ_PRINTF(2, 3);
/* As a JSON string with its quotes.  UTF-8 goes through as it is; `data` must be valid UTF-8. */
void avj_sb_json(struct avj_sb *text, const char *data, size_t len);
void avj_sb_json_cstr(struct avj_sb *text, const char *data);
/* A time as Appwrite writes it, quoted. */
void avj_sb_json_time(struct avj_sb *text, int64_t ms);

#endif
