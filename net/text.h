/*
 * A growable text buffer for URLs, headers and bodies, and JSON written straight into it.
 * Zero-initialise; once an allocation failed, `failed` stays set and nothing more is added: check
 * it once, through avj_text_take.
 *
 * Threading: plain data.  Lifetime: data is NUL-terminated and valid until the next call.
 */
#ifndef AVJ_NET_TEXT_H
#define AVJ_NET_TEXT_H

#include "journal/status.h"

#include <stdint.h>

struct avj_text {
    char *data;
    size_t len, cap;
    bool failed;
};

void avj_text_add(struct avj_text *text, const char *data, size_t len);
void avj_text_puts(struct avj_text *text, const char *string);
void avj_text_printf(struct avj_text *text, const char *format, ...) AVJ_PRINTF(2, 3);
/* Percent-encodes everything but RFC 3986's unreserved characters. */
void avj_text_escape(struct avj_text *text, const char *data, size_t len);
/* As a JSON string with its quotes.  UTF-8 goes through as it is; `data` must be valid UTF-8. */
void avj_text_json(struct avj_text *text, const char *data, size_t len);
void avj_text_json_cstr(struct avj_text *text, const char *data);
/* A time as Appwrite writes it, quoted. */
void avj_text_json_time(struct avj_text *text, int64_t ms);
/* Empty, memory kept. */
void avj_text_reset(struct avj_text *text);
/* Hands the malloc'd text over (never NULL unless memory ran out) and leaves the buffer empty. */
char *avj_text_take(struct avj_text *text);
void avj_text_release(struct avj_text *text);

#endif
