/*
 * Moments as people write them: "2026-11-22", "2026-11-22 18:09", ISO 8601, "-2h" for two hours
 * ago. What names no zone is local time.
 *
 * Threading: as strptime(3) and mktime(3).
 */
#ifndef AVJ_MOMENT_H
#define AVJ_MOMENT_H

#include "journal/status.h"

#include <stdbool.h>
#include <stdint.h>

AVJ_BEGIN_C

/* Milliseconds since 1970, above 0; false: it is no moment, *ms is not to be used. */
AVJ_API bool avj_moment_parse(const char *text, int64_t *ms);

AVJ_END_C

#endif
