/*
 * Properties of stores that live through random histories: several replicas, a server, other
 * clients, lost answers, late and doubled events, crashes.  Each is a sentence; what is seen is
 * compared with an oracle (oracle.h) after every step.
 *
 * A failing history is made short and told, with the command that repeats it.  Seeds that once
 * failed are kept in `kept` and lived through in every run.
 *
 *   test_histories                  some seconds
 *   test_histories --soak SECONDS   new seeds until then (AVJ_SOAK_S; target property-soak)
 *   test_histories --seed N ACTIONS CLOCKS   one history, told
 */
#include "tests/property/history.h"
#include "tests/support/cases.h"

#include <time.h>

#define ALL (END_REPLAY | END_REST | END_TOKENS)

struct kept_seed {
    uint64_t seed;
    size_t actions;
    bool clocks_off;
    const char *found; /* what it once did wrong */
};

static const struct kept_seed kept[] = {
    {10, 380, true, "an answer whose row made later edits lose wrote no conflict"},
    {7, 260, true, "the answer to a delete took a row with it that was made anew since"},
    {40, 380, true, "the delete of one of two rows made edits meet the other as news"},
    {9, 340, false, "what was made anew behind a delete was merged with its predecessor's edits"},
    {18, 300, false, "clearing a field that the deployment lacks did not show"},
    {269, 340, false, "such a field came back with a document made anew"},
    {36, 220, false, "the answer of a vanished row let an edit overwrite another row unseen"},
    {3549300110182582527, 60, true,
     "a late answer met what was made anew since without a conflict"},
    {4, 140, true, "the server's clock was compared with ours as if they agreed"},
};

static void report(uint64_t seed, size_t actions, bool clocks_off, unsigned endings)
{
    struct history h = history_make(seed, actions, clocks_off);
    history_shorten(&h, endings);
    print_message("seed %llu; repeat with: test_histories --seed %llu %zu %d\n"
                  "the shortest history that fails, of %zu actions:\n",
                  (unsigned long long)seed, (unsigned long long)seed, actions, (int)clocks_off,
                  h.count);
    const char *failure = history_run(&h, endings, true);
    printf("%s\n", failure);
    fflush(stdout);
    history_release(&h);
}

static bool holds(uint64_t seed, size_t actions, bool clocks_off, unsigned endings)
{
    struct history h = history_make(seed, actions, clocks_off);
    bool failed = history_run(&h, endings, false)[0] != 0;
    history_release(&h);
    if (failed)
        report(seed, actions, clocks_off, endings);
    return !failed;
}

/* So many of a hundred: under a sanitizer each is ten times as dear. */
static size_t share(size_t histories)
{
    const char *percent = getenv("AVJ_HISTORIES");
    size_t n = histories * (percent ? strtoul(percent, NULL, 10) : 100) / 100;
    return n ? n : 1;
}

/* Histories of several lengths; each run takes other seeds. */
static void live(size_t histories, bool clocks_off, unsigned endings, const char *what)
{
    uint64_t seed = test_rng_seed(what);
    for (size_t i = 0; i < share(histories); i++)
        if (!holds(seed + i, 20 + i % 5 * 40, clocks_off, endings))
            fail();
}

static void what_is_seen_is_what_the_rules_say_after_every_step(void **state)
{
    (void)state;
    live(60, false, 0, "steps");
}

static void a_store_opened_anew_is_what_it_was_with_and_without_snapshots(void **state)
{
    (void)state;
    live(30, false, END_REPLAY, "replay");
}

static void replicas_at_rest_are_what_the_server_has(void **state)
{
    (void)state;
    live(40, false, END_REST, "rest");
}

static void no_value_is_lost(void **state)
{
    (void)state;
    live(40, false, END_TOKENS, "tokens");
}

/* The same histories with right clocks, and with clocks that are hours off but measured. */
static void clocks_that_are_off_and_measured_decide_as_right_ones(void **state)
{
    (void)state;
    uint64_t seed = test_rng_seed("clocks"), right[2], off[2];
    size_t losses, losses_off, all = 0;
    for (size_t i = 0; i < share(15) || !all; i++) {
        struct history h = history_make(seed + i, 100, false);
        history_without_times(&h);
        assert_true(history_outcome(&h, right, &losses));
        for (size_t r = 0; r < REPLICAS_MAX; r++)
            h.options.skews[r] = ((int64_t)r - 1) * 3600000 + 5000;
        h.options.measured = true;
        assert_true(history_outcome(&h, off, &losses_off));
        if (memcmp(right, off, sizeof(off)) != 0 || losses != losses_off)
            print_error("seed %llu\n", (unsigned long long)(seed + i));
        assert_memory_equal(right, off, sizeof(off));
        assert_int_equal(losses, losses_off);
        all += losses;
        history_release(&h);
    }
}

/* Measured or not. */
static void whatever_the_clocks_say_the_rest_holds(void **state)
{
    (void)state;
    live(15, true, ALL, "clocks off");
}

static void seeds_that_once_failed_hold(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        print_message("  %llu: %s\n", (unsigned long long)kept[i].seed, kept[i].found);
        if (!holds(kept[i].seed, kept[i].actions, kept[i].clocks_off, ALL))
            fail();
    }
}

/* ---- by hand ---- */

static int soak(long seconds)
{
    uint64_t seed = test_rng_seed("soak"), count = 0;
    time_t end = time(NULL) + seconds;
    for (; time(NULL) < end; count++)
        if (!holds(seed + count, 20 + count % 10 * 40, count % 3 == 0, ALL))
            return 1;
    printf("%llu histories held\n", (unsigned long long)count);
    return 0;
}

static int one(char **arguments)
{
    uint64_t seed = strtoull(arguments[0], NULL, 10);
    size_t actions = strtoul(arguments[1], NULL, 10);
    return holds(seed, actions, atoi(arguments[2]) != 0, ALL) ? 0 : 1;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_seen_is_what_the_rules_say_after_every_step),
        cmocka_unit_test(a_store_opened_anew_is_what_it_was_with_and_without_snapshots),
        cmocka_unit_test(replicas_at_rest_are_what_the_server_has),
        cmocka_unit_test(no_value_is_lost),
        cmocka_unit_test(clocks_that_are_off_and_measured_decide_as_right_ones),
        cmocka_unit_test(whatever_the_clocks_say_the_rest_holds),
        cmocka_unit_test(seeds_that_once_failed_hold),
    };
    if (argc == 3 && strcmp(argv[1], "--soak") == 0)
        return soak(atol(argv[2]));
    if (argc == 5 && strcmp(argv[1], "--seed") == 0)
        return one(argv + 2);
    return cmocka_run_group_tests_name("histories", tests, NULL, NULL);
}
