/* Subscriptions: which events which change makes, when, and for whom.  The clock is the test's:
 * nothing here waits. */
#include "replay/store_private.h"
#include "tests/support/events_rig.h"

static void a_thread_comes(struct fixture *f)
{
    arrive(f->other, AVJ_THREAD, "new", NULL, "a title", V1, false);
}

static void a_thread_is_renamed_elsewhere(struct fixture *f)
{
    arrive(f->other, AVJ_THREAD, "new", NULL, "another", V2, false);
}

static void the_thread_goes(struct fixture *f)
{
    arrive(f->other, AVJ_THREAD, "new", NULL, NULL, V2, true);
}

static void it_is_touched(struct fixture *f)
{
    arrive(f->other, AVJ_MESSAGE, "m1", f->t, "from elsewhere", V2, false);
}

static void it_has_been_edited_here(struct fixture *f)
{
    a_message_comes(f);
    assert_ok(avj_message_edit(f->other, "m1", "edited", 6, &err), err);
}

static void another_edit_comes(struct fixture *f)
{
    arrive(f->other, AVJ_MESSAGE, "m1", f->t, "edited elsewhere", V2, false);
}

static void its_echo_comes_with_another_role(struct fixture *f)
{
    struct avj_pack p = {0};
    avj_pack_map(&p, 5);
    pack_text(&p, "id", "m1");
    pack_text(&p, "createdAt", "2026-11-22T18:00:00.000+00:00");
    pack_text(&p, "threadId", f->t);
    pack_text(&p, "role", "assistant");
    pack_text(&p, "content", "edited");
    struct avj_row row = {.entity = AVJ_MESSAGE,
                          .id = "m1",
                          .remote_id = "m1",
                          .version = V2,
                          .fields = {p.data, p.len}};
    assert_ok(avj_sync_remote(f->other, &row, 1, "realtime", AVJ_RELAXED, NULL, &err), err);
    avj_pack_release(&p);
}

static void a_project_comes(struct fixture *f)
{
    arrive(f->other, AVJ_PROJECT, "p1", NULL, "a name", V1, false);
}

static void a_gap_opens(struct fixture *f)
{
    assert_ok(avj_sync_gap(f->other, true, "test", NULL, &err), err);
}

static void a_login(struct fixture *f)
{
    assert_ok(avj_sync_login(f->other, "u", "u@example.org", &err), err);
}

static void a_message_is_edited(struct fixture *f)
{
    assert_ok(avj_message_edit(f->other, f->m, "other", 5, &err), err);
}

static void a_message_is_deleted(struct fixture *f)
{
    assert_ok(avj_message_delete(f->other, f->m, &err), err);
}

static void the_thread_is_renamed(struct fixture *f)
{
    assert_ok(avj_thread_rename(f->other, f->t, "renamed", &err), err);
}

static void the_thread_is_deleted(struct fixture *f)
{
    assert_ok(avj_thread_delete(f->other, f->t, &err), err);
}

static void a_summary_is_made(struct fixture *f)
{
    struct avj_pack p = {0};
    avj_pack_map(&p, 5);
    pack_text(&p, "id", "s1");
    pack_text(&p, "threadId", f->t);
    pack_text(&p, "messageId", f->m);
    pack_text(&p, "content", "in short");
    pack_text(&p, "createdAt", "2026-11-22T18:00:00.000Z");
    struct avj_mutation m = {AVJ_CREATE, AVJ_SUMMARY, "s1", {p.data, p.len}};
    assert_ok(avj_store_mutate(f->other, &m, 1, AVJ_RELAXED, NULL, &err), err);
    avj_pack_release(&p);
}

/* What is pending first is refused, or acknowledged without anything having been sent. */
static void settle_first(struct fixture *f, bool acknowledged)
{
    const struct avj_push_op *ops;
    size_t count;
    assert_ok(avj_outbox_next(f->other, 1, NULL, NULL, &ops, &count, &err), err);
    assert_int_equal(count, 1);
    struct avj_outcome outcome = {.op = ops,
                                  .acknowledged = acknowledged,
                                  .status = acknowledged ? 201 : 400,
                                  .error_type = "x",
                                  .error_message = "y"};
    outcome.row = (struct avj_row){.entity = ops->entity,
                                   .id = ops->id,
                                   .remote_id = ops->remote_id,
                                   .version = V1,
                                   .created = V1,
                                   .fields = ops->fields};
    assert_ok(avj_sync_settle(f->other, &outcome, 1, &err), err);
}

static void the_thread_is_refused(struct fixture *f)
{
    settle_first(f, false);
}

static void the_thread_is_acknowledged(struct fixture *f)
{
    settle_first(f, true);
}

static void an_attempt_begins(struct fixture *f)
{
    const struct avj_push_op *ops;
    size_t count;
    assert_ok(avj_outbox_next(f->other, 1, NULL, NULL, &ops, &count, &err), err);
    assert_ok(avj_sync_push(f->other, ops, count, "a1", "single", &err), err);
}

struct action {
    const char *sentence;
    void (*before)(struct fixture *f); /* NULL: nothing */
    void (*action)(struct fixture *f);
    const char *events;
};

static const struct action actions[] = {
    {"a thread from elsewhere", NULL, a_thread_comes, "threads messages(new)"},
    {"its new title", a_thread_comes, a_thread_is_renamed_elsewhere, "threads"},
    {"its end is told though it has vanished", a_thread_comes, the_thread_goes,
     "threads messages(new)"},
    {"a message from elsewhere raises its thread", NULL, a_message_comes, "messages(T) threads"},
    {"an edit of it does not", a_message_comes, it_is_edited_elsewhere, "messages(T)"},
    {"its end does", a_message_comes, it_goes, "messages(T) threads"},
    {"a newer version of the same content looks the same", a_message_comes, it_is_touched,
     "status"},
    {"an echo that brings something new and settles an edit", it_has_been_edited_here,
     its_echo_comes_with_another_role, "messages(T) status"},
    {"a newer edit elsewhere that wins over one here: the conflict is in front of it",
     it_has_been_edited_here, another_edit_comes, "status messages(T)"},
    {"a project from elsewhere", NULL, a_project_comes, "projects"},
    {"an event gap is status", NULL, a_gap_opens, "status"},
    {"so is a session", NULL, a_login, "status"},
    {"a message of another process", NULL, a_message_is_sent, "messages(T) threads status"},
    {"one of this store itself", NULL, a_message_is_sent_here, "messages(T) threads status"},
    {"an edit", NULL, a_message_is_edited, "messages(T) status"},
    {"a deletion", NULL, a_message_is_deleted, "messages(T) threads status"},
    {"a new title", NULL, the_thread_is_renamed, "threads status"},
    {"a thread is deleted with its messages", NULL, the_thread_is_deleted,
     "messages(T) threads status"},
    {"a summary", NULL, a_summary_is_made, "summaries(T) status"},
    {"what is refused looks the same, and is parked", NULL, the_thread_is_refused, "status"},
    {"what is acknowledged as it was looks the same", NULL, the_thread_is_acknowledged, "status"},
    {"an attempt changes nothing that anybody draws", NULL, an_attempt_begins, ""},
};

static void every_change_makes_the_events_of_its_kind(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++) {
        const struct action *a = &actions[i];
        void *state;
        assert_int_equal(events_rig_setup(&state), 0);
        struct fixture *f = state;
        if (a->before)
            a->before(f);
        assert_ok(avj_store_refresh(f->here, NULL, &err), err);
        struct avj_events *events =
            subscribe(f->here, &(struct avj_events_options){.no_debounce = true});
        a->action(f);
        const char *got = told(f, events);
        if (strcmp(got, a->events) != 0)
            fail_msg("%s: \"%s\", not \"%s\"", a->sentence, got, a->events);
        assert_string_equal(told(f, events), "");
        avj_events_close(events);
        events_rig_teardown(&state);
    }
}

static void every_kind_has_a_name(void **state)
{
    (void)state;
    for (int k = 0; k < AVJ_EVENT_KINDS; k++)
        assert_contains(avj_event_name((enum avj_event_kind)k), "_updated");
    assert_string_equal(avj_event_name(AVJ_EVENT_MESSAGES), "messages_updated");
    assert_string_equal(avj_event_name(AVJ_EVENT_KINDS), "unknown");
}

/* A token: no entry of today makes one, so the store's part is played by hand. */
static void a_token_of_a_stream_is_told_at_once(void **state)
{
    struct fixture *f = *state;
    struct avj_events *events = subscribe(f->here, NULL);
    struct avj_change token = {
        .seq = 9, .type = AVJ_E_STREAM, .entity = AVJ_MESSAGE, .id = f->m, .thread = f->t};
    f->here->watchers->changed(f->here->watchers->arg, &token);
    assert_string_equal(told(f, events), "stream(T)");
    avj_events_close(events);
}

/* Which no program does, but a server may say. */
static void a_message_that_moved_is_told_to_both_threads_and_in_the_list_of_them(void **state)
{
    struct fixture *f = *state;
    struct avj_events *events = subscribe(f->here, NULL);
    struct avj_change move = {.seq = 9,
                              .type = AVJ_E_REMOTE,
                              .entity = AVJ_MESSAGE,
                              .id = f->m,
                              .thread = "old",
                              .remote = true,
                              .shows = true};
    f->here->watchers->changed(f->here->watchers->arg, &move);
    move.thread = f->t;
    f->here->watchers->changed(f->here->watchers->arg, &move);
    assert_string_equal(told(f, events), "messages(old) messages(T) threads");
    avj_events_close(events);
}

static void events_are_of_what_came_after_the_subscription(void **state)
{
    struct fixture *f = *state;
    a_message_is_sent(f);
    assert_ok(avj_store_refresh(f->here, NULL, &err), err);
    struct avj_events *events =
        subscribe(f->here, &(struct avj_events_options){.no_debounce = true});
    assert_string_equal(told(f, events), "");
    avj_events_close(events);
}

/* ---- time ---- */

/* Whoever looks only when the descriptor says so would wait for ever. */
static void what_came_between_opening_and_subscribing_wakes(void **state)
{
    struct fixture *f = *state;
    struct avj_event event;
    assert_ok(avj_message_send(f->other, f->t, "user", "early", 5, NULL, &err), err);
    struct avj_events *events =
        subscribe(f->here, &(struct avj_events_options){.no_debounce = true});
    struct pollfd poll_fd = {.fd = avj_events_fd(events), .events = POLLIN};
    assert_int_equal(poll(&poll_fd, 1, 0), 1);
    assert_ok(avj_events_next(events, &event, &err), err);
    assert_int_equal(event.kind, AVJ_EVENT_MESSAGES);
    avj_events_close(events);
}

static void local_changes_are_held_for_30_ms_unless_told_otherwise(void **state)
{
    struct fixture *f = *state;
    const struct {
        struct avj_events_options options;
        int64_t ms;
    } rows[] = {{{.debounce_ms = 0}, 30}, {{.debounce_ms = 100}, 100}, {{.no_debounce = true}, 0}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct avj_events *events = subscribe(f->here, &rows[i].options);
        assert_int_equal(avj_events_due_ms(events), -1);
        a_message_is_sent_here(f);
        assert_int_equal(avj_events_due_ms(events), rows[i].ms);
        if (rows[i].ms > 0) {
            clock_ms += rows[i].ms - 1;
            assert_string_equal(told(f, events), "");
            assert_int_equal(avj_events_due_ms(events), 1);
            clock_ms++;
        }
        assert_int_equal(avj_events_due_ms(events), 0);
        assert_string_equal(told(f, events), "messages(T) threads status");
        assert_int_equal(avj_events_due_ms(events), -1);
        avj_events_close(events);
    }
}

static void with_no_options_the_defaults_hold(void **state)
{
    struct fixture *f = *state;
    struct avj_events *events = subscribe(f->here, NULL);
    a_message_is_sent(f);
    assert_string_equal(told(f, events), "");
    assert_int_equal(avj_events_due_ms(events), 30);
    avj_events_close(events);
}

static void a_burst_of_changes_is_one_event(void **state)
{
    struct fixture *f = *state;
    struct avj_events *events = subscribe(f->here, NULL);
    struct avj_event event;
    for (int i = 0; i < 5; i++) {
        a_message_is_sent(f);
        a_message_is_sent_here(f);
        clock_ms += 20;
        assert_status(AVJ_END, avj_events_next(events, &event, &err), err);
    }
    clock_ms += 10;
    assert_ok(avj_events_next(events, &event, &err), err);
    assert_int_equal(event.kind, AVJ_EVENT_MESSAGES);
    assert_string_equal(event.thread, f->t);
    assert_int_equal(event.changes, 10);
    assert_true(event.local && !event.remote);
    struct avj_store_status status;
    assert_ok(avj_store_status(f->here, &status, &err), err);
    assert_in_range(event.last_seq, status.records - 1, status.records);
    assert_string_equal(told(f, events), "threads status");
    avj_events_close(events);
}

static void a_merge_is_told_at_once_with_what_was_held_of_its_thread(void **state)
{
    struct fixture *f = *state;
    struct avj_events *events =
        subscribe(f->here, &(struct avj_events_options){.kinds = 1u << AVJ_EVENT_MESSAGES});
    struct avj_event event;
    a_message_is_sent(f);
    assert_status(AVJ_END, avj_events_next(events, &event, &err), err);
    a_message_comes(f);
    assert_ok(avj_events_next(events, &event, &err), err);
    assert_true(event.local && event.remote);
    assert_int_equal(event.changes, 2);
    clock_ms += 30;
    assert_status(AVJ_END, avj_events_next(events, &event, &err), err);
    avj_events_close(events);
}

/* ---- filters ---- */

static void a_subscription_to_a_thread_hears_of_no_other(void **state)
{
    struct fixture *f = *state;
    char other[AVJ_ID_TEXT];
    assert_ok(avj_thread_new(f->other, "other", other, &err), err);
    assert_ok(avj_store_refresh(f->here, NULL, &err), err);
    char *name = strdup(f->t);
    struct avj_events *events =
        subscribe(f->here, &(struct avj_events_options){.no_debounce = true, .thread = name});
    memset(name, 'x', strlen(name)); /* it was copied */
    free(name);
    assert_ok(avj_message_send(f->other, other, "user", "x", 1, NULL, &err), err);
    assert_string_equal(told(f, events), "threads status");
    a_message_is_sent(f);
    assert_string_equal(told(f, events), "messages(T) threads status");
    avj_events_close(events);
}

static void a_subscription_to_kinds_hears_of_no_other(void **state)
{
    struct fixture *f = *state;
    for (unsigned k = 0; k < AVJ_EVENT_KINDS; k++) {
        struct avj_events *events =
            subscribe(f->here, &(struct avj_events_options){.no_debounce = true, .kinds = 1u << k});
        a_message_is_sent(f);
        const char *wanted = k == AVJ_EVENT_THREADS    ? "threads"
                             : k == AVJ_EVENT_MESSAGES ? "messages(T)"
                             : k == AVJ_EVENT_STATUS   ? "status"
                                                       : "";
        assert_string_equal(told(f, events), wanted);
        avj_events_close(events);
    }
}

/* ---- the changes themselves ---- */

struct seen {
    size_t count;
    struct avj_change last;
    char id[64], thread[64];
};

static void see(void *arg, const struct avj_change *change)
{
    struct seen *seen = arg;
    seen->count++;
    seen->last = *change;
    snprintf(seen->id, sizeof(seen->id), "%s", change->id ? change->id : "");
    snprintf(seen->thread, sizeof(seen->thread), "%s", change->thread ? change->thread : "");
}

static void every_change_is_shown_whatever_the_filters_say(void **state)
{
    struct fixture *f = *state;
    struct seen seen = {0};
    struct avj_events *events =
        subscribe(f->here, &(struct avj_events_options){.kinds = 1u << AVJ_EVENT_PROJECTS,
                                                        .thread = "none",
                                                        .on_change = see,
                                                        .on_change_arg = &seen});
    a_message_comes(f);
    assert_string_equal(told(f, events), "");
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.id, "m1");
    assert_string_equal(seen.thread, f->t);
    assert_int_equal(seen.last.entity, AVJ_MESSAGE);
    assert_true(seen.last.appeared && seen.last.shows && seen.last.remote && !seen.last.vanished);
    it_goes(f);
    assert_string_equal(told(f, events), "");
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.thread, f->t);
    assert_true(seen.last.vanished && seen.last.shows && !seen.last.appeared);
    avj_events_close(events);
    a_project_comes(f);
    assert_ok(avj_store_refresh(f->here, NULL, &err), err);
    assert_int_equal(seen.count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_change_makes_the_events_of_its_kind),
        cmocka_unit_test(every_kind_has_a_name),
        EVENTS_CASE(a_token_of_a_stream_is_told_at_once),
        EVENTS_CASE(a_message_that_moved_is_told_to_both_threads_and_in_the_list_of_them),
        EVENTS_CASE(events_are_of_what_came_after_the_subscription),
        EVENTS_CASE(what_came_between_opening_and_subscribing_wakes),
        EVENTS_CASE(local_changes_are_held_for_30_ms_unless_told_otherwise),
        EVENTS_CASE(with_no_options_the_defaults_hold),
        EVENTS_CASE(a_burst_of_changes_is_one_event),
        EVENTS_CASE(a_merge_is_told_at_once_with_what_was_held_of_its_thread),
        EVENTS_CASE(a_subscription_to_a_thread_hears_of_no_other),
        EVENTS_CASE(a_subscription_to_kinds_hears_of_no_other),
        EVENTS_CASE(every_change_is_shown_whatever_the_filters_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
