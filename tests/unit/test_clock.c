/* Time texts, both ways, and the hybrid logical clock. */
#include "replay/clock.h"
#include "tests/support/cases.h"

static const struct {
    const char *text;
    int64_t ms;
} good[] = {
    {"1970-01-01T00:00:00.000+00:00", 0},
    {"2026-11-22T18:09:32.548+00:00", 1795370972548},
    {"2026-11-22T18:09:32.548Z", 1795370972548},
    {"2026-11-22T18:09:32Z", 1795370972000},
    {"2026-11-22 18:09:32.5Z", 1795370972500},
    {"2026-11-22T18:09:32.548999999Z", 1795370972548},
    {"2026-11-22T20:09:32.548+02:00", 1795370972548},
    {"2026-11-22T12:39:32.548-0530", 1795370972548},
    {"1969-12-31T23:59:59.999+00:00", -1},
    {"2024-02-29T00:00:00.000+00:00", 1709164800000},
};

static const char *const bad[] = {
    "",
    "yesterday",
    "2026-11-22",
    "2026-13-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2023-02-29T00:00:00Z",
    "2026-11-22T24:00:00Z",
    "2026-11-22T18:09:32",
    "2026-11-22T18:09:32.Z",
    "2026-11-22T18:09:32Z ",
    "2026-11-22T18:09:32.1234567890Z",
    "2026-11-22T18:09:32+2:00",
};

static void times_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        int64_t ms = 42;
        assert_true(avj_time_parse(good[i].text, strlen(good[i].text), &ms));
        assert_int_equal(ms, good[i].ms);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t ms = 42;
        assert_false(avj_time_parse(bad[i], strlen(bad[i]), &ms));
        assert_int_equal(ms, 42);
    }
}

static void writing_and_reading_give_the_same(void **state)
{
    (void)state;
    for (int64_t ms = -62167219200000; ms < 253402300800000; ms += 86399999 * 97LL) {
        char text[AVJ_TIME_TEXT];
        int64_t back;
        avj_time_format(ms, text);
        assert_true(avj_time_parse(text, strlen(text), &back));
        assert_int_equal(back, ms);
    }
}

static void the_logical_clock_never_runs_backwards(void **state)
{
    (void)state;
    uint64_t last = 0;
    const int64_t wall[] = {1000, 1000, 1001, 500, 500, 2000};
    for (size_t i = 0; i < 6; i++) {
        uint64_t next = avj_hlc_next(last, wall[i]);
        assert_true(next > last);
        assert_true(avj_hlc_ms(next) >= wall[i]);
        last = next;
    }
    assert_int_equal(avj_hlc_ms(last), 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(writing_and_reading_give_the_same),
        cmocka_unit_test(the_logical_clock_never_runs_backwards),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
