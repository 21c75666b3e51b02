/* avchat status: asks no server and takes no lock. */
#include "net/cli.h"
#include "net/engine.h"

#include <string.h>

struct state {
    struct avj_store_status store;
    const char *endpoint, *user; /* NULL: none */
    bool session;                /* a session is kept beside the log */
    int64_t oldest_ms;           /* age of the oldest pending change, -1: nothing is pending */
    bool led;                    /* a process syncs: */
    struct avj_engine_leader leader;
};

static int look(struct cli *cli, struct state *state)
{
    struct avj_error err = {0};
    int64_t now = avj_io_posix()->now_ms(avj_io_posix()->ctx);

    enum avj_status status = avj_store_status(cli->store, &state->store, &err);
    if (status != AVJ_OK)
        return cli_error(cli, status, &err);
    state->endpoint = avj_store_upstream(cli->store)->endpoint;
    state->user = avj_store_user(cli->store);
    state->session = avj_engine_has_session(cli->store);
    state->oldest_ms = -1;
    if (state->store.pending && state->store.oldest_pending_ms)
        state->oldest_ms =
            now > state->store.oldest_pending_ms ? now - state->store.oldest_pending_ms : 0;
    state->led = avj_engine_leader(cli->store, &state->leader);
    return CLI_DONE;
}

static json_t *number_or_null(int64_t number, int64_t none)
{
    return number == none ? json_null() : json_integer(number);
}

/* The user while a session is kept, "guest" where there never was one, null where one is missing.
 */
static const char *session_name(const struct state *state)
{
    if (state->session && state->user)
        return state->user;
    return state->endpoint && state->user ? NULL : "guest";
}

static void put_json(struct cli *cli, const struct state *state)
{
    const struct avj_store_status *s = &state->store;
    const struct avj_engine_leader *leader = &state->leader;
    char when[AVJ_TIME_TEXT], since[AVJ_TIME_TEXT], digest[33];

    avj_time_format(s->last_ack_ms, when);
    avj_time_format(leader->since_ms, since);
    for (size_t i = 0; i < sizeof(s->digest); i++)
        snprintf(digest + 2 * i, 3, "%02x", s->digest[i]);
    /* An empty outbox is empty at once; how fast a full one drains is only known while it does. */
    cli_json(
        cli,
        json_pack(
            "{s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:n, s:s?, s:b, s:I, s:s?, s:o, s:s?, "
            "s:s?, s:s?, s:s?, s:s, s:I, s:I, s:I}",
            "records", (json_int_t)s->records, "bytes", (json_int_t)s->bytes, "segments",
            (json_int_t)s->segments, "pending", (json_int_t)s->pending, "parked",
            (json_int_t)s->parked, "oldestPendingMs", number_or_null(state->oldest_ms, -1), "etaMs",
            s->pending ? json_null() : json_integer(0), "online", "session", session_name(state),
            "gapOpen", (int)s->gap_open, "conflicts", (json_int_t)s->conflicts, "lastAckAt",
            s->last_ack_ms ? when : NULL, "leader", number_or_null(leader->pid, 0), "user",
            state->user, "leaderSession", leader->pid ? leader->session : NULL, "leaderHost",
            leader->pid ? leader->host : NULL, "leaderSince", leader->pid ? since : NULL, "digest",
            digest, "unknownEntries", (json_int_t)s->unknown_entries, "threads",
            (json_int_t)s->visible[AVJ_THREAD], "messages", (json_int_t)s->visible[AVJ_MESSAGE]));
}

static void put_age(int64_t ms)
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {{86400000, "day"}, {3600000, "hour"}, {60000, "minute"}, {1000, "second"}};

    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
        long long count = ms / units[i].ms;
        if (count == 0)
            continue;
        printf("%lld %s%s", count, units[i].name, count == 1 ? "" : "s");
        return;
    }
    fputs("a moment", stdout);
}

static void put_leader(const struct avj_engine_leader *leader)
{
    char since[CLI_LOCAL_TIME];

    if (!leader->pid) {
        printf("syncing    by a process that does not say who it is\n");
        return;
    }
    cli_local_time(leader->since_ms, since);
    printf("syncing    by process %ld on ", leader->pid);
    cli_put_safe(stdout, leader->host, strlen(leader->host), false);
    printf(" since %s, session %s\n", since, leader->session);
}

static void put_server(const struct state *state)
{
    if (!state->endpoint) {
        printf("server     none: everything stays on this machine\n");
        return;
    }
    printf("server     %s\n", state->endpoint);
    if (state->session && state->user)
        printf("signed in  %s\n", state->user);
    else
        printf("signed in  no; sign in with: avchat login EMAIL\n");
    if (state->led)
        put_leader(&state->leader);
    else
        printf("syncing    no; run: avchat sync\n");
    if (state->store.gap_open)
        printf("gap        open: events may have been missed, the next sync looks\n");
}

static void put_outbox(const struct state *state)
{
    const struct avj_store_status *s = &state->store;
    char when[CLI_LOCAL_TIME];

    printf("pending    %llu", (unsigned long long)s->pending);
    if (state->oldest_ms >= 0) {
        fputs(", the oldest for ", stdout);
        put_age(state->oldest_ms);
    }
    putchar('\n');
    if (s->parked)
        printf("parked     %llu; see: avchat parked\n", (unsigned long long)s->parked);
    if (s->conflicts)
        printf("conflicts  %llu; see: avchat conflicts\n", (unsigned long long)s->conflicts);
    cli_local_time(s->last_ack_ms, when);
    if (*when)
        printf("confirmed  last %s\n", when);
    if (s->unknown_entries)
        printf("unknown    %llu entries are of types that this version does not know\n",
               (unsigned long long)s->unknown_entries);
}

static void put_holdings(const struct state *state)
{
    unsigned long long threads = state->store.visible[AVJ_THREAD];
    unsigned long long messages = state->store.visible[AVJ_MESSAGE];

    printf("holds      %llu thread%s, %llu message%s\n", threads, threads == 1 ? "" : "s", messages,
           messages == 1 ? "" : "s");
}

int cli_cmd_status(struct cli *cli)
{
    struct state state = {0};

    int code = look(cli, &state);
    if (code != CLI_DONE)
        return code;
    if (cli->json) {
        put_json(cli, &state);
        return CLI_DONE;
    }
    printf("journal    %s\n", cli->dir);
    printf("size       %llu records, %llu bytes in %llu segment%s\n",
           (unsigned long long)state.store.records, (unsigned long long)state.store.bytes,
           (unsigned long long)state.store.segments, state.store.segments == 1 ? "" : "s");
    put_holdings(&state);
    put_server(&state);
    put_outbox(&state);
    return CLI_DONE;
}
