/*
 * Answers that did not do what was asked for, as entries: with them the journal tells of every
 * attempt how it went.  (One that did is told by its acknowledgements.)  See client_push_lane.h.
 *
 * A server that is away for hours must not fill the log: of answers of one status to one attempt
 * the 1st, 2nd, 4th, 8th ... are written, each with its number.
 */
#include "net/client_push_lane.h"

static const char *step_of(const struct lane *lane)
{
    switch (lane->state) {
    case LANE_READ:
        return "read";
    case LANE_BEGIN:
        return "begin";
    case LANE_STAGE:
        return "stage";
    case LANE_COMMIT:
        return "commit";
    case LANE_SINGLE:
        return "write";
    default:
        return NULL; /* of no attempt: the session is asked for, a transaction is rolled back */
    }
}

/* False: it is one of a row that is passed over. */
static bool counts(struct lane *lane, int status)
{
    if (lane->told == 0 || lane->told_status != status)
        lane->told = 0;
    lane->told_status = status;
    lane->told++;
    return (lane->told & (lane->told - 1)) == 0;
}

/* The answer carries times where the transport knows them: until its first byte came. */
static int64_t took_of(const struct avj_push *push, const struct avj_http_answer *answer)
{
    int64_t until = answer->answered_ms ? answer->answered_ms : push->now_ms;
    bool known = answer->sent_ms > 0 && until >= answer->sent_ms;
    return known && answer->status != 0 ? until - answer->sent_ms : -1;
}

enum avj_status avj_lane_tell(struct avj_push *push, struct lane *lane,
                              const struct avj_http_answer *answer,
                              const struct avj_aw_result *result)
{
    const char *step = step_of(lane);
    if (!lane->announced || !step || result->verdict == AVJ_AW_OK || !counts(lane, result->status))
        return AVJ_OK;
    bool one = lane->state == LANE_SINGLE && lane->count;
    struct avj_push_answer told = {
        .attempt = lane->attempt,
        .via = lane->single ? "single" : "transaction",
        .ops = one ? &lane->ops[0].op : NULL,
        .count = one ? 1 : 0,
        .status = result->status,
        .step = step,
        .message = result->message[0] ? result->message : NULL,
        .in_a_row = lane->told,
        .wait_ms = result->verdict == AVJ_AW_RATE ? avj_push_rate_wait(push, result) : 0,
        .took_ms = took_of(push, answer),
    };
    enum avj_status status = avj_sync_answer(push->store, &told, &push->failure);
    return status ? avj_push_fail(push, status, "journal an answer") : AVJ_OK;
}
