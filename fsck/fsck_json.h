/* What makes the JSON lines of the findings and those of the audit.  Threading: pure functions. */
#ifndef FSCK_JSON_H
#define FSCK_JSON_H

#include "fsck/fsck_output.h"

#include <jansson.h>

/* `value` is consumed; out of memory shows when the line is made. */
void fsck_json_set(json_t *object, const char *key, json_t *value);
/* Bytes of a journal need not be UTF-8, JSON must be. */
json_t *fsck_json_text(const char *value);
/* Writes the object (consumed) and a line's end. */
void fsck_json_line(struct fsck_output *output, json_t *object);

#endif
