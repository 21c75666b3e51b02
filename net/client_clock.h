/*
 * How far the server's clock is from this machine's, out of the Date headers of its answers.  A
 * Date has seconds and was written some time between the request and the answer; the answer that
 * came quickest tells most.
 *
 * Threading: plain data.  Zero-initialise.
 */
#ifndef AVJ_NET_CLIENT_CLOCK_H
#define AVJ_NET_CLIENT_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Answers that took longer tell too little. */
#define AVJ_CLOCK_TRIP_MAX_MS 4000

struct avj_server_clock {
    bool known;
    int64_t offset_ms; /* the server's clock minus this machine's, give or take the next and 500 */
    int64_t half_trip_ms;
};

/* An answer, by this machine's wall clock (milliseconds since 1970; 0: not known), with the Date
 * that it carries (0: none).  True: what is known was changed. */
bool avj_server_clock_hear(struct avj_server_clock *clock, int64_t sent_ms, int64_t answered_ms,
                           int64_t date_ms);

#endif
