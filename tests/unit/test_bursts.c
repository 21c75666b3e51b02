/*
 * When changes become events: time lines, each a sentence.  Steps are TIME:WHAT, with a debounce
 * time of 30 ms: l a local change, r a remote one, s one that is due at once (a token), - nothing
 * is due, E an event is, w the time until one is due (w30; w- for none).
 */
#include "replay/bursts.h"
#include "tests/support/cases.h"

#include <inttypes.h>

static struct avj_error err;

struct timeline {
    const char *sentence, *steps;
};

static const struct timeline timelines[] = {
    {"nothing happened: nothing is due, nor will be", "0:- 0:w- 1000000:-"},
    {"a local change is held for the debounce time", "0:l 0:- 0:w30 29:- 29:w1 30:E 30:- 30:w-"},
    {"it is due from then on, however late one asks", "0:l 5000:w0 5000:E 5000:-"},
    {"each change begins the wait anew", "0:l 20:l 30:- 49:- 50:E 50:-"},
    {"a change at the very end of the wait still belongs to the burst", "0:l 30:l 59:- 60:E 60:-"},
    {"what comes after the event is a burst of its own", "0:l 30:E 31:l 60:- 61:E"},
    {"without a pause it is told after ten debounce times all the same",
     "0:l 25:l 50:l 75:l 100:l 125:l 150:l 175:l 200:l 225:l 250:l 275:l 299:l 299:- 300:E 300:-"},
    {"the ten times count from the first change of the burst, not from the one before",
     "0:l 30:E 100:l 125:l 150:l 175:l 200:l 225:l 250:l 275:l 300:l 325:l 350:l 375:l 399:l 399:- "
     "400:E"},
    {"a change just before the end of the ten times does not put it off", "0:l 299:l 300:E 300:-"},
    {"a remote change is due at once", "7:r 7:w0 7:E 7:-"},
    {"so is a token of a stream", "7:s 7:E 7:-"},
    {"a remote change takes the local ones of its burst with it", "0:l 10:r 10:E 10:- 40:-"},
    {"a local change does not hold back what is due", "0:r 0:l 0:E 0:- 30:-"},
    {"a clock that stands still is no reason to tell anything early", "5:l 5:l 5:- 5:- 5:w30"},
};

static const struct avj_change *change(uint64_t seq, bool remote)
{
    static struct avj_change c;
    c = (struct avj_change){
        .seq = seq, .type = AVJ_E_LOCAL, .entity = AVJ_MESSAGE, .remote = remote};
    return &c;
}

static void step(const struct timeline *t, struct avj_bursts *b, int64_t now, const char *what)
{
    struct avj_event event;
    static uint64_t seq;
    bool told;
    switch (*what) {
    case 'l':
    case 'r':
    case 's':
        avj_bursts_add(b, AVJ_EVENT_MESSAGES, "t", change(++seq, *what == 'r'), *what == 's', now);
        break;
    case 'w':
        if (avj_bursts_wait_ms(b, now) != (what[1] == '-' ? -1 : strtol(what + 1, NULL, 10)))
            fail_msg("%s: at %" PRId64 " the wait is %" PRId64 ", not %s", t->sentence, now,
                     avj_bursts_wait_ms(b, now), what + 1);
        break;
    default:
        told = avj_bursts_next(b, now, &event);
        if (told != (*what == 'E'))
            fail_msg("%s: at %" PRId64 " %s", t->sentence, now, told ? "an event" : "no event");
    }
}

static void changes_become_events_in_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(timelines) / sizeof(*timelines); i++) {
        const struct timeline *t = &timelines[i];
        struct avj_bursts b;
        assert_ok(avj_bursts_init(&b, 30, NULL), err);
        for (const char *at = t->steps; *at; at += strcspn(at, " "), at += *at == ' ') {
            char *what;
            int64_t now = strtol(at, &what, 10);
            assert_int_equal(*what, ':');
            step(t, &b, now, what + 1);
        }
        avj_bursts_release(&b);
    }
}

static void without_debounce_a_local_change_is_due_at_once(void **state)
{
    struct avj_bursts b;
    struct avj_event event;
    (void)state;
    assert_ok(avj_bursts_init(&b, 0, NULL), err);
    avj_bursts_add(&b, AVJ_EVENT_MESSAGES, "t", change(1, false), false, 5);
    assert_true(avj_bursts_next(&b, 5, &event));
    avj_bursts_release(&b);
}

static void a_burst_says_which_entries_are_behind_it(void **state)
{
    struct avj_bursts b;
    struct avj_event event;
    (void)state;
    assert_ok(avj_bursts_init(&b, 30, NULL), err);
    avj_bursts_add(&b, AVJ_EVENT_MESSAGES, "t", change(7, false), false, 0);
    avj_bursts_add(&b, AVJ_EVENT_MESSAGES, "t", change(7, false), false, 0); /* two documents */
    avj_bursts_add(&b, AVJ_EVENT_MESSAGES, "t", change(9, false), false, 1);
    avj_bursts_add(&b, AVJ_EVENT_MESSAGES, "t", change(12, true), false, 2);
    assert_true(avj_bursts_next(&b, 2, &event));
    assert_string_equal(event.thread, "t");
    assert_int_equal(event.first_seq, 7);
    assert_int_equal(event.last_seq, 12);
    assert_int_equal(event.changes, 3);
    assert_true(event.local && event.remote);
    /* and the next one of the same kind and thread knows nothing of it */
    avj_bursts_add(&b, AVJ_EVENT_MESSAGES, "t", change(13, true), false, 3);
    assert_true(avj_bursts_next(&b, 3, &event));
    assert_int_equal(event.first_seq, 13);
    assert_int_equal(event.changes, 1);
    assert_true(!event.local && event.remote);
    avj_bursts_release(&b);
}

static void a_kind_without_threads_is_one_burst_too_and_begins_anew(void **state)
{
    struct avj_bursts b;
    struct avj_event event;
    (void)state;
    assert_ok(avj_bursts_init(&b, 30, NULL), err);
    for (uint64_t seq = 1; seq <= 3; seq++)
        avj_bursts_add(&b, AVJ_EVENT_STATUS, NULL, change(seq, false), false, 0);
    assert_true(avj_bursts_next(&b, 30, &event));
    assert_null(event.thread);
    assert_int_equal(event.changes, 3);
    assert_false(avj_bursts_next(&b, 1000, &event));
    avj_bursts_add(&b, AVJ_EVENT_STATUS, NULL, change(4, true), false, 1000);
    assert_true(avj_bursts_next(&b, 1000, &event));
    assert_int_equal(event.first_seq, 4);
    assert_int_equal(event.changes, 1);
    assert_false(event.local);
    avj_bursts_release(&b);
}

/* Adds a change of thread `name` and forgets how it is told. */
static void add(struct avj_bursts *b, const char *name, bool remote, int64_t now)
{
    avj_bursts_add(b, AVJ_EVENT_MESSAGES, name, change((uint64_t)now + 1, remote), false, now);
}

static void events_come_in_the_order_in_which_they_became_due(void **state)
{
    struct avj_bursts b;
    struct avj_event event;
    char order[32] = "";
    (void)state;
    assert_ok(avj_bursts_init(&b, 30, NULL), err);
    add(&b, "a", false, 0); /* changed again at 20: due at 50 */
    add(&b, "b", false, 5); /* due at 35 */
    add(&b, "c", true, 10); /* at once */
    add(&b, "a", false, 20);
    add(&b, "d", false, 21); /* due at 51 */
    add(&b, "e", true, 22);
    add(&b, "f", false, 30); /* not due yet when we ask */
    assert_int_equal(avj_bursts_due(&b, 55), 5);
    while (avj_bursts_next(&b, 55, &event))
        strncat(order, event.thread, sizeof(order) - strlen(order) - 1);
    assert_string_equal(order, "cebad");
    assert_int_equal(avj_bursts_wait_ms(&b, 55), 5);
    avj_bursts_release(&b);
}

static void what_has_been_busy_for_ten_times_goes_before_what_is_quiet_later(void **state)
{
    struct avj_bursts b;
    struct avj_event event;
    (void)state;
    assert_ok(avj_bursts_init(&b, 30, NULL), err);
    for (int64_t now = 0; now < 300; now += 10) {
        if (now == 280)
            add(&b, "quiet", false, now); /* due at 310 */
        add(&b, "busy", false, now);
    }
    assert_int_equal(avj_bursts_due(&b, 299), 0);
    assert_int_equal(avj_bursts_due(&b, 309), 1);
    assert_true(avj_bursts_next(&b, 310, &event));
    assert_string_equal(event.thread, "busy");
    assert_true(avj_bursts_next(&b, 310, &event));
    assert_string_equal(event.thread, "quiet");
    avj_bursts_release(&b);
}

static void thousands_of_threads_are_kept_apart(void **state)
{
    enum { THREADS = 20000 };
    struct avj_bursts b;
    struct avj_event event;
    (void)state;
    assert_ok(avj_bursts_init(&b, 30, NULL), err);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < THREADS; i++) {
            char name[24];
            snprintf(name, sizeof(name), "thread-%d", i);
            add(&b, name, i % 3 == 0, round);
        }
    }
    size_t told = 0;
    while (avj_bursts_next(&b, 100, &event)) {
        assert_non_null(event.thread);
        assert_int_equal(event.changes, 2);
        told++;
    }
    assert_int_equal(told, THREADS);
    assert_int_equal(b.count, 0);
    avj_bursts_release(&b);
}

static void of_more_threads_than_are_kept_apart_only_the_kind_is_told(void **state)
{
    struct avj_bursts b;
    struct avj_event event;
    size_t apart = 0, together = 0;
    (void)state;
    assert_ok(avj_bursts_init(&b, 30, NULL), err);
    for (unsigned i = 0; i < AVJ_EVENTS_APART + 10; i++) {
        char name[24];
        snprintf(name, sizeof(name), "thread-%u", i);
        avj_bursts_add(&b, AVJ_EVENT_MESSAGES, name, change(i + 1, false), false, 0);
    }
    while (avj_bursts_next(&b, 100, &event)) {
        apart += event.thread != NULL;
        together += event.thread == NULL;
        if (!event.thread) {
            assert_int_equal(event.kind, AVJ_EVENT_MESSAGES);
            assert_int_equal(event.changes, 10);
            assert_int_equal(event.last_seq, AVJ_EVENTS_APART + 10);
        }
    }
    assert_int_equal(apart, AVJ_EVENTS_APART);
    assert_int_equal(together, 1);
    avj_bursts_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_become_events_in_time),
        cmocka_unit_test(without_debounce_a_local_change_is_due_at_once),
        cmocka_unit_test(a_burst_says_which_entries_are_behind_it),
        cmocka_unit_test(a_kind_without_threads_is_one_burst_too_and_begins_anew),
        cmocka_unit_test(events_come_in_the_order_in_which_they_became_due),
        cmocka_unit_test(what_has_been_busy_for_ten_times_goes_before_what_is_quiet_later),
        cmocka_unit_test(thousands_of_threads_are_kept_apart),
        cmocka_unit_test(of_more_threads_than_are_kept_apart_only_the_kind_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
