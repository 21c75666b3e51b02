/* See client_clock.h.  As F. Cristian, "Probabilistic clock synchronization", 1989. */
#include "net/client_clock.h"

enum { HALF_SECOND_MS = 500 }; /* a Date is cut to the second: it is half of one late, on average */

static bool agree(const struct avj_server_clock *a, const struct avj_server_clock *b)
{
    int64_t apart = a->offset_ms - b->offset_ms;
    int64_t slack = a->half_trip_ms + b->half_trip_ms + 2 * HALF_SECOND_MS;
    return apart >= -slack && apart <= slack;
}

bool avj_server_clock_hear(struct avj_server_clock *clock, int64_t sent_ms, int64_t answered_ms,
                           int64_t date_ms)
{
    if (sent_ms <= 0 || date_ms <= 0 || answered_ms < sent_ms ||
        answered_ms - sent_ms > AVJ_CLOCK_TRIP_MAX_MS)
        return false;
    struct avj_server_clock now = {.known = true, .half_trip_ms = (answered_ms - sent_ms + 1) / 2};
    now.offset_ms = date_ms + HALF_SECOND_MS - (sent_ms + now.half_trip_ms);
    /* Where the two can not both be right, one of the clocks was set since. */
    if (clock->known && agree(&now, clock) && now.half_trip_ms >= clock->half_trip_ms)
        return false;
    *clock = now;
    return true;
}
