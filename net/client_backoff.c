/* See client_backoff.h. */
#include "net/client_backoff.h"

uint64_t avj_backoff_random(struct avj_backoff *backoff)
{
    uint64_t x = backoff->random ? backoff->random : 0x9e3779b97f4a7c15u;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    backoff->random = x;
    return x * 0x2545f4914f6cdd1du;
}

int64_t avj_backoff_next(struct avj_backoff *backoff)
{
    unsigned doublings = backoff->tries < 7 ? backoff->tries : 7;
    int64_t most = (int64_t)AVJ_BACKOFF_BASE_MS << doublings;
    if (most > AVJ_BACKOFF_CAP_MS)
        most = AVJ_BACKOFF_CAP_MS;
    backoff->tries++;
    return (int64_t)(avj_backoff_random(backoff) % (uint64_t)most) + 1;
}
