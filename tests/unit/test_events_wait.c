/* Subscriptions: when the descriptor is readable, whose wake-ups are whose, and failures. */
#include "replay/store_private.h"
#include "tests/support/events_rig.h"

#include <sys/resource.h>
#include <unistd.h>

/* ---- the descriptor ---- */

static void the_descriptor_is_readable_while_there_is_something(void **state)
{
    struct fixture *f = *state;
    struct avj_events *events = subscribe(f->here, NULL);
    struct avj_event event;
    assert_false(readable(events));
    a_message_comes(f);
    assert_true(readable(events));
    assert_ok(avj_events_next(events, &event, &err), err); /* messages; and threads wait */
    assert_true(readable(events));
    assert_ok(avj_events_next(events, &event, &err), err);
    assert_status(AVJ_END, avj_events_next(events, &event, &err), err);
    assert_false(readable(events));
    a_message_comes(f); /* nothing new: not even written */
    assert_false(readable(events));
    avj_events_close(events);
}

static void held_back_changes_do_not_make_it_readable(void **state)
{
    struct fixture *f = *state;
    struct avj_events *events =
        subscribe(f->here, &(struct avj_events_options){.debounce_ms = HOUR_MS});
    a_message_is_sent(f);
    assert_true(readable(events)); /* nobody has looked what it is */
    assert_string_equal(told(f, events), "");
    assert_false(readable(events));
    avj_events_close(events);
}

static void it_becomes_readable_when_what_is_held_is_due(void **state)
{
    struct fixture *f = *state;
    struct avj_events *events = subscribe(f->here, &(struct avj_events_options){.debounce_ms = 1});
    a_message_is_sent_here(f);
    assert_string_equal(told(f, events), "");
    clock_ms++;
    struct pollfd poll_fd = {.fd = avj_events_fd(events), .events = POLLIN};
    assert_int_equal(poll(&poll_fd, 1, 60000), 1);
    assert_string_equal(told(f, events), "messages(T) threads status");
    assert_false(readable(events));
    avj_events_close(events);
}

/* The alarm goes by the system's clock, what is due by the store's: here they differ. */
static void an_alarm_that_went_off_too_early_is_set_anew(void **state)
{
    struct fixture *f = *state;
    struct avj_events *events = subscribe(f->here, &(struct avj_events_options){.debounce_ms = 1});
    a_message_is_sent_here(f);
    assert_string_equal(told(f, events), "");
    struct pollfd poll_fd = {.fd = avj_events_fd(events), .events = POLLIN};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(poll(&poll_fd, 1, 60000), 1);
        assert_string_equal(told(f, events), "");
    }
    clock_ms++;
    assert_string_equal(told(f, events), "messages(T) threads status");
    avj_events_close(events);
}

static void a_change_that_another_refresh_brought_makes_it_readable(void **state)
{
    struct fixture *f = *state;
    struct avj_events *events = subscribe(f->here, NULL);
    struct avj_change change = {.seq = 9,
                                .type = AVJ_E_REMOTE,
                                .entity = AVJ_MESSAGE,
                                .id = f->m,
                                .thread = f->t,
                                .remote = true,
                                .shows = true};
    assert_false(readable(events));
    f->here->watchers->changed(f->here->watchers->arg, &change);
    assert_true(readable(events));
    assert_string_equal(told(f, events), "messages(T)");
    assert_false(readable(events));
    avj_events_close(events);
}

static void nobody_takes_the_wake_ups_of_another(void **state)
{
    struct fixture *f = *state;
    struct avj_journal *journal = avj_store_journal(f->here);
    struct pollfd engine = {.fd = avj_journal_wake_fd(journal), .events = POLLIN};
    struct avj_events_options options = {.kinds = 1u << AVJ_EVENT_MESSAGES};
    struct avj_events *a = subscribe(f->here, &options), *c = subscribe(f->here, NULL),
                      *b = subscribe(f->here, &options);
    avj_events_close(c); /* from between them */
    a_message_comes(f);
    /* one after the other, each finds itself woken though those before have emptied theirs */
    assert_true(readable(a));
    assert_string_equal(told(f, a), "messages(T)");
    assert_false(readable(a));
    assert_int_equal(poll(&engine, 1, 0), 1);
    avj_journal_woken(journal);
    assert_int_equal(poll(&engine, 1, 0), 0);
    assert_true(readable(b));
    assert_string_equal(told(f, b), "messages(T)");
    assert_false(readable(b));
    /* and the other way round */
    it_is_edited_elsewhere(f);
    assert_int_equal(poll(&engine, 1, 0), 1);
    avj_journal_woken(journal);
    assert_ok(avj_store_refresh(f->here, NULL, &err), err);
    assert_true(readable(b));
    assert_string_equal(told(f, b), "messages(T)");
    assert_true(readable(a));
    avj_events_close(a); /* with something untold in it */
    it_goes(f);
    assert_string_equal(told(f, b), "messages(T)");
    avj_events_close(b);
    avj_events_close(NULL);
}

/* ---- dispatch ---- */

struct chain {
    struct fixture *f;
    size_t calls, sent;
};

static void send_another(void *arg, const struct avj_event *event)
{
    struct chain *chain = arg;
    (void)event;
    chain->calls++;
    chain->sent +=
        avj_message_send(chain->f->here, chain->f->t, "user", "again", 5, NULL, NULL) == AVJ_OK;
}

static void what_a_callback_changes_is_told_by_the_next_dispatch(void **state)
{
    struct fixture *f = *state;
    struct chain chain = {.f = f};
    struct avj_events *events =
        subscribe(f->here, &(struct avj_events_options){.no_debounce = true,
                                                        .kinds = 1u << AVJ_EVENT_MESSAGES});
    assert_ok(avj_events_dispatch(events, send_another, &chain, &err), err);
    assert_int_equal(chain.calls, 0);
    a_message_is_sent(f);
    for (size_t round = 1; round <= 3; round++) {
        assert_true(readable(events));
        assert_ok(avj_events_dispatch(events, send_another, &chain, &err), err);
        assert_int_equal(chain.calls, round);
        assert_int_equal(chain.sent, round);
    }
    avj_events_close(events);
}

/* ---- failures ---- */

/* The lowest number that the next descriptor may get: where none is left out, how many are open. */
static int open_descriptors(void)
{
    int next = dup(0);
    assert_true(next >= 0);
    close(next);
    return next;
}

static void a_failed_refresh_is_tried_again_and_nothing_is_lost(void **state)
{
    struct fixture *f = *state;
    struct avj_events *events = subscribe(f->here, NULL);
    struct avj_event event;
    a_message_comes(f);
    fault_io_plan(f->fault,
                  &(struct fault_plan){.calls = FAULT_IN(FAULT_PREAD), .nth = 1, .errnum = 5});
    assert_status(AVJ_EIO, avj_events_next(events, &event, &err), err);
    assert_false(readable(events)); /* not in a hurry */
    assert_int_equal(avj_events_due_ms(events), AVJ_EVENTS_RETRY_MS);
    struct chain chain = {.f = f};
    assert_status(AVJ_EIO, avj_events_dispatch(events, send_another, &chain, &err), err);
    assert_int_equal(chain.calls, 0);
    fault_io_plan(f->fault, &(struct fault_plan){0});
    assert_string_equal(told(f, events), "messages(T) threads");
    assert_int_equal(avj_events_due_ms(events), -1);
    avj_events_close(events);
}

static void without_descriptors_there_is_no_subscription(void **state)
{
    struct fixture *f = *state;
    struct rlimit limit, none;
    struct avj_events *events = (void *)f;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    for (rlim_t room = 0; room < 3; room++) {
        int next = open_descriptors();
        none = (struct rlimit){(rlim_t)next + room, limit.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        enum avj_status status = avj_events_open(f->here, NULL, &events, &err);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        assert_status(AVJ_EIO, status, err);
        assert_null(events);
        assert_null(f->here->watchers);
        assert_contains(err.message, "ulimit -n");
        assert_int_equal(open_descriptors(), next);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EVENTS_CASE(the_descriptor_is_readable_while_there_is_something),
        EVENTS_CASE(held_back_changes_do_not_make_it_readable),
        EVENTS_CASE(it_becomes_readable_when_what_is_held_is_due),
        EVENTS_CASE(an_alarm_that_went_off_too_early_is_set_anew),
        EVENTS_CASE(a_change_that_another_refresh_brought_makes_it_readable),
        EVENTS_CASE(nobody_takes_the_wake_ups_of_another),
        EVENTS_CASE(what_a_callback_changes_is_told_by_the_next_dispatch),
        EVENTS_CASE(a_failed_refresh_is_tried_again_and_nothing_is_lost),
        EVENTS_CASE(without_descriptors_there_is_no_subscription),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
