/*
 * Time: ISO 8601 text to milliseconds and back, and the hybrid logical clock that stamps entries.
 *
 * Source of the clock: S. Kulkarni et al., "Logical Physical Clocks", 2014: milliseconds in the
 * upper 48 bits, a counter in the lower 16; never runs backwards, stays within a counter of the
 * wall clock while that behaves.
 */
#ifndef AVJ_CLOCK_H
#define AVJ_CLOCK_H

#include "journal/status.h"

#include <stdint.h>

AVJ_BEGIN_C

/* "2026-11-22T18:09:32.548+00:00", "...Z", without a fraction or with up to nine digits (cut to
 * milliseconds), any offset. False when it is no such time; *ms is untouched then. */
AVJ_API bool avj_time_parse(const char *text, size_t len, int64_t *ms);

/* "YYYY-MM-DDTHH:MM:SS.mmm+00:00", as Appwrite writes it.  out holds AVJ_TIME_TEXT bytes, NUL
 * included. */
#define AVJ_TIME_TEXT 30
AVJ_API void avj_time_format(int64_t ms, char out[AVJ_TIME_TEXT]);

/* The next stamp: later than `last`, not before now_ms. */
AVJ_API uint64_t avj_hlc_next(uint64_t last, int64_t now_ms);
AVJ_API int64_t avj_hlc_ms(uint64_t hlc);

/* A hundred years: two clocks that are further apart are not believed. */
#define AVJ_CLOCK_OFFSET_MAX_MS 3155760000000

AVJ_END_C

#endif
