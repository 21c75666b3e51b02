/* The audit's events and spans, from hand-made entries with known times. */
#include "tests/support/cases.h"

#include "fsck/fsck_audit.h"
#include "replay/clock.h"

#define START_MS INT64_C(1767225600000) /* 2026-01-01T00:00:00Z */
#define MINUTE   INT64_C(60000)

/* ---- entries ---- */

#define TOLD_MAX 64

struct log {
    struct fsck_audit *audit;
    struct avj_pack pack;
    uint64_t seq;
    int64_t at_ms;     /* after the start */
    bool pending_less; /* the fold says that one change waits */
    /* what was told */
    unsigned documents, continued;
    struct {
        char id[32], thread[32], lost[64], won[64], note[64];
        struct fsck_event event; /* its strings are not kept */
        size_t gaps;
    } told[TOLD_MAX];
    size_t count;
};

static void see(void *arg, const struct fsck_audit_document *d)
{
    struct log *log = arg;

    log->documents++;
    log->continued += d->continued;
    for (size_t i = 0; i < d->count && log->count < TOLD_MAX; i++, log->count++) {
        const struct fsck_event *e = &d->events[i];
        log->told[log->count].event = *e;
        log->told[log->count].gaps = d->gap_count;
        snprintf(log->told[log->count].id, 32, "%s", d->id);
        snprintf(log->told[log->count].thread, 32, "%s", d->thread ? d->thread : "");
        snprintf(log->told[log->count].lost, 64, "%s", e->lost ? e->lost : "");
        snprintf(log->told[log->count].won, 64, "%s", e->won ? e->won : "");
        snprintf(log->told[log->count].note, 64, "%s", e->note ? e->note : "");
    }
}

static void begin_log(struct log *log, enum fsck_audit_of of, const char *id, int64_t since_ms)
{
    memset(log, 0, sizeof *log);
    log->audit = fsck_audit_new(&(struct fsck_audit_with){
        .of = of, .id = id, .since_ms = since_ms, .document = see, .arg = log});
    assert_non_null(log->audit);
}

static void end_log(struct log *log)
{
    fsck_audit_free(log->audit);
    avj_pack_release(&log->pack);
}

static void begin(struct log *log, enum avj_entry_type type, enum avj_entity entity, const char *id,
                  size_t pairs)
{
    avj_pack_reset(&log->pack);
    avj_entry_begin(&log->pack, type, (uint64_t)(START_MS + log->at_ms) << 16, "here", entity, id,
                    pairs);
}

static void text(struct log *log, const char *key, const char *value)
{
    avj_pack_cstr(&log->pack, key);
    avj_pack_cstr(&log->pack, value);
}

static void integer(struct log *log, const char *key, int64_t value)
{
    avj_pack_cstr(&log->pack, key);
    avj_pack_int(&log->pack, value);
}

static uint64_t end(struct log *log)
{
    struct fsck_audit_at at = {.pending = log->pending_less ? 1 : UINT64_MAX};

    assert_false(log->pack.failed);
    assert_int_equal(fsck_audit_record(log->audit, ++log->seq, &at, log->pack.data, log->pack.len),
                     AVJ_OK);
    return log->seq;
}

static void content(struct log *log, const char *thread, const char *value)
{
    avj_pack_cstr(&log->pack, "f");
    avj_pack_map(&log->pack, 2);
    text(log, "threadId", thread);
    text(log, "content", value);
}

static uint64_t local(struct log *log, const char *id, const char *thread, const char *value)
{
    begin(log, AVJ_E_LOCAL, AVJ_MESSAGE, id, 2);
    text(log, "o", "create");
    content(log, thread, value);
    return end(log);
}

static void state(struct log *log, enum avj_entry_type type, const char *id, uint64_t upto,
                  const char *value)
{
    begin(log, type, AVJ_MESSAGE, id, type == AVJ_E_ACK ? 4 : 2);
    text(log, "v", "2026-01-01T00:00:09.000+00:00");
    if (type == AVJ_E_ACK) {
        integer(log, "s", (int64_t)upto);
        integer(log, "x", 200);
    }
    content(log, "t1", value);
    end(log);
}

/* failed < 0: the attempt itself; else an answer to it, of that status. */
static void push(struct log *log, const char *id, int64_t failed, unsigned in_a_row)
{
    begin(log, AVJ_E_PUSH, AVJ_ENTITIES, NULL, failed < 0 ? 3 : 7);
    text(log, "a", "attempt-7");
    text(log, "v", "single");
    if (failed >= 0) {
        text(log, "o", "answer");
        integer(log, "x", failed);
        integer(log, "n", in_a_row);
        integer(log, "w", 30000);
    }
    avj_pack_cstr(&log->pack, "d");
    avj_pack_list(&log->pack, id != NULL);
    if (id) {
        avj_pack_list(&log->pack, 5);
        avj_pack_cstr(&log->pack, "message");
        avj_pack_cstr(&log->pack, id);
        avj_pack_cstr(&log->pack, "row");
        avj_pack_int(&log->pack, (int64_t)log->seq);
        avj_pack_cstr(&log->pack, "create");
    }
    end(log);
}

static uint64_t conflict(struct log *log, const char *id, const char *won, const char *lost)
{
    begin(log, AVJ_E_CONFLICT, AVJ_MESSAGE, id, 4);
    integer(log, "s", 1);
    avj_pack_cstr(&log->pack, "f");
    avj_pack_map(&log->pack, 1);
    text(log, "content", lost);
    text(log, "w", won);
    text(log, "m", "why");
    return end(log);
}

static void gap(struct log *log, const char *op)
{
    begin(log, AVJ_E_GAP, AVJ_ENTITIES, NULL, 2);
    text(log, "o", op);
    text(log, "m", "socket lost");
    end(log);
}

static const struct fsck_event *event_of(const struct log *log, enum fsck_event_kind kind)
{
    for (size_t i = 0; i < log->count; i++)
        if (log->told[i].event.kind == kind)
            return &log->told[i].event;
    fail_msg("no event \"%s\"", fsck_event_name(kind));
    return NULL;
}

/* ---- one document ---- */

static void a_failed_answer_reaches_the_documents_of_its_attempt(void **state_)
{
    (void)state_;
    struct log log;

    begin_log(&log, FSCK_OF_ID, "m1", 0);
    local(&log, "m1", "t1", "hello");
    push(&log, "m1", -1, 0);
    log.at_ms = 700;
    push(&log, NULL, 429, 4);
    log.at_ms = 1000;
    state(&log, AVJ_E_ACK, "m1", 1, "hello");
    const struct fsck_audit_summary *s = fsck_audit_finish(log.audit);
    const struct fsck_event *answered = event_of(&log, FSCK_EV_ANSWERED);
    assert_int_equal(answered->status, 429);
    assert_int_equal(answered->count, 4);
    assert_int_equal(answered->pause_ms, 30000);
    const struct fsck_event *pushed = event_of(&log, FSCK_EV_PUSHED);
    assert_int_equal(pushed->took_ms, 1000);
    assert_int_equal(pushed->status, 200);
    /* The 4th of a row stands for itself and the 3rd; the two before had entries of their own. */
    assert_int_equal(s->rate_limits, 2);
    assert_int_equal(s->rate_limited_ms, 30000);
    assert_int_equal(s->singles, 1);
    end_log(&log);
}

static void an_attempt_ends_where_the_next_begins(void **state_)
{
    (void)state_;
    struct log log;

    begin_log(&log, FSCK_OF_MESSAGE, "m1", 0);
    local(&log, "m1", "t1", "hello");
    push(&log, "m1", -1, 0);
    log.at_ms = 400;
    push(&log, "m1", -1, 0);
    (void)fsck_audit_finish(log.audit);
    assert_int_equal(log.told[1].event.took_ms, 400);
    assert_int_equal(log.told[1].event.status, -1);
    assert_int_equal(log.told[2].event.took_ms, -1);
    end_log(&log);
}

static void a_conflict_that_is_lost_here_has_both_sides(void **state_)
{
    (void)state_;
    struct log log;

    begin_log(&log, FSCK_OF_ID, "m1", 0);
    local(&log, "m1", "t1", "mine");
    uint64_t number = conflict(&log, "m1", "elsewhere", "mine");
    state(&log, AVJ_E_REMOTE, "m1", 0, "theirs");
    begin(&log, AVJ_E_LOCAL, AVJ_MESSAGE, "m1", 3);
    text(&log, "o", "update");
    content(&log, "t1", "mine");
    integer(&log, "c", (int64_t)number);
    uint64_t restored = end(&log);
    (void)fsck_audit_finish(log.audit);
    assert_true(log.told[1].event.lost_here);
    assert_string_equal(log.told[1].lost, "content \"mine\"");
    assert_string_equal(log.told[1].won, "content \"theirs\"");
    assert_int_equal(log.told[1].event.settled_by, restored);
    assert_int_equal(log.told[3].event.conflict, number);
    end_log(&log);
}

static void a_conflict_that_is_won_here_has_both_sides(void **state_)
{
    (void)state_;
    struct log log;

    begin_log(&log, FSCK_OF_ID, "m1", 0);
    local(&log, "m1", "t1", "mine");
    conflict(&log, "m1", "here", "theirs");
    state(&log, AVJ_E_REMOTE, "m1", 0, "theirs");
    (void)fsck_audit_finish(log.audit);
    assert_false(log.told[1].event.lost_here);
    assert_string_equal(log.told[1].lost, "content \"theirs\"");
    assert_string_equal(log.told[1].won, "content \"mine\"");
    assert_int_equal(log.told[1].event.settled_by, 0);
    end_log(&log);
}

static void a_stub_says_that_its_text_is_gone(void **state_)
{
    (void)state_;
    struct log log;

    begin_log(&log, FSCK_OF_ID, "m1", 0);
    begin(&log, AVJ_E_LOCAL, AVJ_MESSAGE, "m1", 2);
    text(&log, "o", "create");
    integer(&log, "z", 2);
    end(&log);
    begin(&log, AVJ_E_REMOTE, AVJ_MESSAGE, "m1", 2);
    text(&log, "v", "2026-01-01T00:00:09.000+00:00");
    integer(&log, "g", 77);
    end(&log);
    const struct fsck_audit_summary *s = fsck_audit_finish(log.audit);
    assert_int_equal(log.told[0].event.kind, FSCK_EV_CREATED);
    assert_true(log.told[0].event.stub);
    assert_int_equal(log.told[1].event.kind, FSCK_EV_REMOTE); /* no deletion */
    assert_int_equal(s->kinds[AVJ_E_LOCAL].stubs + s->kinds[AVJ_E_REMOTE].stubs, 2);
    assert_int_equal(s->remote_deleted, 0);
    end_log(&log);
}

static void a_thread_is_told_with_its_messages_alone(void **state_)
{
    (void)state_;
    struct log log;

    begin_log(&log, FSCK_OF_THREAD, "t1", 0);
    begin(&log, AVJ_E_LOCAL, AVJ_THREAD, "t1", 1);
    text(&log, "o", "create");
    end(&log);
    local(&log, "m1", "t1", "a");
    local(&log, "m2", "t2", "b");
    state(&log, AVJ_E_ACK, "m1", 2, "a");
    (void)fsck_audit_finish(log.audit);
    assert_int_equal(log.documents, 2);
    assert_string_equal(log.told[0].id, "t1");
    assert_string_equal(log.told[1].id, "m1");
    assert_string_equal(log.told[1].thread, "t1");
    assert_int_equal(log.told[2].event.kind, FSCK_EV_ACKNOWLEDGED);
    end_log(&log);
}

/* An edit that lost to a newer state waits no longer, and no acknowledgement says so. */
static void what_the_fold_let_go_of_does_not_wait(void **state_)
{
    (void)state_;
    struct log log;

    begin_log(&log, FSCK_OF_NONE, NULL, 0);
    local(&log, "m1", "t1", "lost");
    local(&log, "m2", "t1", "waits");
    log.pending_less = true;
    state(&log, AVJ_E_REMOTE, "m1", 0, "theirs");
    const struct fsck_audit_summary *s = fsck_audit_finish(log.audit);
    assert_int_equal(s->pending, 1);
    assert_int_equal(s->acknowledged, 0);
    end_log(&log);
}

static void what_is_older_than_since_is_known_but_not_told(void **state_)
{
    (void)state_;
    struct log log;

    begin_log(&log, FSCK_OF_ALL, NULL, START_MS + 500);
    local(&log, "m1", "t1", "old");
    log.at_ms = 1000;
    local(&log, "m2", "t1", "new");
    const struct fsck_audit_summary *s = fsck_audit_finish(log.audit);
    assert_int_equal(log.documents, 1);
    assert_string_equal(log.told[0].id, "m2");
    assert_int_equal(s->changes, 1);
    assert_int_equal(s->records, 1);
    assert_int_equal(s->pending, 2);
    end_log(&log);
}

static void the_oldest_of_very_many_are_told_first_and_go_on_later(void **state_)
{
    (void)state_;
    struct log log;
    char id[32];
    unsigned count = FSCK_EVENTS_KEPT + 10;

    begin_log(&log, FSCK_OF_ALL, NULL, 0);
    for (unsigned i = 0; i < count; i++) {
        snprintf(id, sizeof id, "m%u", i);
        local(&log, id, "t1", "a");
    }
    assert_int_equal(log.documents, 10);
    assert_string_equal(log.told[0].id, "m0");
    assert_string_equal(log.told[9].id, "m9");
    state(&log, AVJ_E_ACK, "m0", 1, "a");
    const struct fsck_audit_summary *s = fsck_audit_finish(log.audit);
    assert_int_equal(log.documents, count + 1);
    assert_int_equal(log.continued, 1);
    assert_int_equal(s->documents, count);
    end_log(&log);
}

/* ---- offline spans ---- */

struct span_case {
    const char *sentence;
    const char *script; /* c: change, a: acknowledged, r: from elsewhere, o, x: gap opened, closed,
                           p: refused; a digit: so many minutes pass */
    size_t spans;
    int64_t minutes;
    bool open;
};

static const struct span_case span_cases[] = {
    {"a journal that never had a server has none", "c9c9c", 0, 0, false},
    {"what is acknowledged soon is none", "oxcac", 0, 0, false},
    {"changes that wait unheard for long are one", "oxc9a", 1, 9, false},
    {"it is not over while they wait", "oxc9c", 1, 9, true},
    {"word from the server ends it, even if nothing is acknowledged", "oxc5r5a", 2, 10, false},
    {"an idle time is none", "oxca9r", 0, 0, false},
    {"a gap is one, with nothing waiting", "o7x", 1, 7, false},
    {"a gap and a wait that meet are one", "oxc3o3a3x", 1, 9, false},
    {"a change that was refused waits for a person, not for the server", "oxcp9r", 0, 0, false},
};

static void live(struct log *log, const char *script)
{
    uint64_t last = 0;

    for (; *script; script++) {
        if (*script >= '0' && *script <= '9')
            log->at_ms += (*script - '0') * MINUTE;
        else if (*script == 'c')
            last = local(log, "m1", "t1", "a");
        else if (*script == 'a')
            state(log, AVJ_E_ACK, "m1", last, "a");
        else if (*script == 'r')
            state(log, AVJ_E_REMOTE, "other", 0, "a");
        else if (*script == 'o' || *script == 'x')
            gap(log, *script == 'o' ? "open" : "close");
        else {
            begin(log, AVJ_E_REJECT, AVJ_MESSAGE, "m1", 2);
            integer(log, "s", (int64_t)last);
            integer(log, "x", 400);
            end(log);
        }
    }
}

static void offline_is_what_the_header_says(void **state_)
{
    (void)state_;
    for (size_t i = 0; i < sizeof span_cases / sizeof span_cases[0]; i++) {
        const struct span_case *c = &span_cases[i];
        struct log log;

        print_message("  %s\n", c->sentence);
        begin_log(&log, FSCK_OF_NONE, NULL, 0);
        live(&log, c->script);
        const struct fsck_audit_summary *s = fsck_audit_finish(log.audit);
        assert_int_equal(s->span_count, c->spans);
        assert_int_equal(s->offline_ms, c->minutes * MINUTE);
        if (c->spans)
            assert_int_equal(s->spans[c->spans - 1].open, c->open);
        end_log(&log);
    }
}

/* ---- what waits ---- */

/* Against a list that is searched from end to end. */
static void the_outbox_is_followed_whatever_the_order(void **state_)
{
    (void)state_;
    enum { DOCUMENTS = 40, CHANGES = 3000 };
    static struct {
        uint64_t key, seq;
        bool waits;
    } all[CHANGES];
    struct fsck_waits *waits = fsck_waits_new();
    uint64_t random = 7, depth = 0;

    for (uint64_t seq = 1; seq <= CHANGES; seq++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        /* Few distinct places in the table: chains and collisions. */
        uint64_t key = (random >> 40) % DOCUMENTS * 1024 + (random >> 33) % 2, settled, wanted = 0;
        all[seq - 1].key = key;
        all[seq - 1].seq = seq;
        all[seq - 1].waits = true;
        assert_int_equal(fsck_waits_add(waits, key, seq, 0), AVJ_OK);
        depth++;
        if (seq % 3)
            continue;
        uint64_t upto = seq - (random >> 50) % 20;
        for (uint64_t i = 0; i < seq; i++)
            if (all[i].waits && all[i].key == key && all[i].seq <= upto) {
                all[i].waits = false;
                wanted++;
            }
        assert_int_equal(fsck_waits_settle(waits, key, upto, 5, true, &settled), AVJ_OK);
        assert_int_equal(settled, wanted);
        depth -= wanted;
        assert_int_equal(fsck_waits_depth(waits), depth);
    }
    fsck_waits_free(waits);
}

static void long_waits_are_kept_to_the_second(void **state_)
{
    (void)state_;
    struct fsck_waits *waits = fsck_waits_new();
    struct fsck_wait_times times;
    uint64_t settled;
    int64_t year = INT64_C(365) * 86400000;

    assert_int_equal(fsck_waits_add(waits, 1, 1, 0), AVJ_OK);
    assert_int_equal(fsck_waits_settle(waits, 1, 1, year + 123, true, &settled), AVJ_OK);
    fsck_waits_times(waits, &times);
    assert_int_equal(times.max_ms, year);
    assert_int_equal(times.bins[FSCK_WAIT_BINS - 1], 1);
    fsck_waits_free(waits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_answer_reaches_the_documents_of_its_attempt),
        cmocka_unit_test(an_attempt_ends_where_the_next_begins),
        cmocka_unit_test(a_conflict_that_is_lost_here_has_both_sides),
        cmocka_unit_test(a_conflict_that_is_won_here_has_both_sides),
        cmocka_unit_test(a_stub_says_that_its_text_is_gone),
        cmocka_unit_test(a_thread_is_told_with_its_messages_alone),
        cmocka_unit_test(what_the_fold_let_go_of_does_not_wait),
        cmocka_unit_test(what_is_older_than_since_is_known_but_not_told),
        cmocka_unit_test(the_oldest_of_very_many_are_told_first_and_go_on_later),
        cmocka_unit_test(offline_is_what_the_header_says),
        cmocka_unit_test(the_outbox_is_followed_whatever_the_order),
        cmocka_unit_test(long_waits_are_kept_to_the_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
