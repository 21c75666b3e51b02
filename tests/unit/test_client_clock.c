/* What Date headers tell about the server's clock: a row for each thing that answers can be like.
 */
#include "net/client_clock.h"
#include "tests/support/cases.h"

#define NOON 1795348800000

struct answer {
    int64_t sent_ms, answered_ms, date_ms; /* since noon; of the date: in whole seconds */
};

struct clock_case {
    const char *sentence;
    struct answer answers[4];
    size_t count;
    bool known;
    int64_t least, most; /* of the offset */
};

static const struct clock_case cases[] = {
    {"before any answer nothing is known", {{0, 0, 0}}, 0, false, 0, 0},
    {"clocks that agree are apart by half a second at most", {{300, 320, 0}}, 1, true, -500, 500},
    {"a server an hour ahead", {{300, 320, 3600000}}, 1, true, 3599500, 3600500},
    {"a server an hour behind", {{300, 320, -3600000}}, 1, true, -3600500, -3599500},
    {"the middle of request and answer counts", {{0, 2000, 1000}}, 1, true, 500, 500},
    {"an answer that took too long tells nothing", {{0, 5000, 60000}}, 1, false, 0, 0},
    {"a clock that ran backwards meanwhile tells nothing", {{500, 100, 60000}}, 1, false, 0, 0},
    {"the quickest answer is believed",
     {{0, 3000, 1000}, {4000, 4010, 4000}, {5000, 8000, 7000}},
     3,
     true,
     495,
     495},
    {"a clock that was set since is noticed, however slow the answer",
     {{0, 10, 0}, {1000, 3000, 3601000}},
     2,
     true,
     3599000,
     3600500},
};

static void answers_tell_how_far_the_clocks_are_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct clock_case *c = &cases[i];
        struct avj_server_clock clock = {.known = false};
        print_message("  %s\n", c->sentence);
        for (size_t a = 0; a < c->count; a++)
            (void)avj_server_clock_hear(&clock, NOON + c->answers[a].sent_ms,
                                        NOON + c->answers[a].answered_ms,
                                        NOON + c->answers[a].date_ms);
        assert_int_equal(clock.known, c->known);
        assert_true(clock.offset_ms >= c->least && clock.offset_ms <= c->most);
    }
}

static void an_answer_without_times_tells_nothing(void **state)
{
    (void)state;
    struct avj_server_clock clock = {.known = false};
    assert_false(avj_server_clock_hear(&clock, 0, NOON, NOON));
    assert_false(avj_server_clock_hear(&clock, NOON, NOON, 0));
    assert_true(avj_server_clock_hear(&clock, NOON, NOON + 20, NOON));
    assert_false(avj_server_clock_hear(&clock, NOON, NOON + 20, NOON)); /* no better */
    assert_true(avj_server_clock_hear(&clock, NOON, NOON + 10, NOON));  /* quicker */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_tell_how_far_the_clocks_are_apart),
        cmocka_unit_test(an_answer_without_times_tells_nothing),
    };
    return cmocka_run_group_tests_name("the server's clock", tests, NULL, NULL);
}
