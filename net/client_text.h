/*
 * A growable text buffer for URLs, headers and bodies.  Zero-initialise; once an allocation failed,
 * `failed` stays set and nothing more is added: check it once, through avj_text_take.
 *
 * Threading: plain data.  Lifetime: data is NUL-terminated and valid until the next call.
 */
#ifndef AVJ_NET_CLIENT_TEXT_H
#define AVJ_NET_CLIENT_TEXT_H

#include "journal/status.h"

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
/* Hands the malloc'd text over (never NULL unless memory ran out) and leaves the buffer empty. */
char *avj_text_take(struct avj_text *text);
void avj_text_release(struct avj_text *text);

#endif
