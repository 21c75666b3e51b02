/*
 * The fast fold gives what the slow one gives, after every entry of random histories: view_fast.c
 * folds without opening documents, view_fold.c by way of an open document.
 */
#include "replay/view_private.h"
#include "tests/support/cases.h"
#include "tests/support/described.h"
#include "tests/support/history.h"

#define ENTRIES 70

/* How many histories: fewer where a sanitizer makes each ten times as dear. */
static uint64_t rounds(void)
{
    const char *set = getenv("AVJ_HISTORIES");
    return set ? strtoull(set, NULL, 0) : 2000;
}

/* One entry into both; false: they took it differently. */
static bool apply_to_both(struct avj_view *fast, struct avj_view *slow, uint64_t seq,
                          const struct avj_pack *entry)
{
    struct avj_error a = {0}, b = {0};
    enum avj_status first = avj_view_apply(fast, seq, entry->data, entry->len, &a);
    enum avj_status second = avj_view_apply(slow, seq, entry->data, entry->len, &b);
    if (first == second && (first == AVJ_OK || strcmp(a.message, b.message) == 0))
        return true;
    fprintf(stderr, "entry %llu: fast: %s, slow: %s\n", (unsigned long long)seq,
            first == AVJ_OK ? "taken" : a.message, second == AVJ_OK ? "taken" : b.message);
    return false;
}

static bool same_all_the_way(uint64_t seed)
{
    struct history h;
    struct avj_pack entry = {0};
    struct avj_view *fast = avj_view_new(NULL), *slow = avj_view_new(NULL);
    bool same = fast && slow;
    char what[80];
    history_init(&h, seed);
    slow->slow = true;
    for (int i = 0; same && i < ENTRIES; i++) {
        history_next(&h, &entry);
        snprintf(what, sizeof(what), "AVJ_TEST_SEED=%llu, entry %llu", (unsigned long long)seed,
                 (unsigned long long)h.seq);
        /* Looking deeper loads what stands in memory, so it is not done every time. */
        same = apply_to_both(fast, slow, h.seq, &entry) &&
               described_same(fast, slow, i % 8 == 7 || i + 1 == ENTRIES, what);
    }
    avj_pack_release(&entry);
    avj_view_free(fast);
    avj_view_free(slow);
    return same;
}

static void random_histories_fold_alike(void **state)
{
    (void)state;
    uint64_t seed = test_rng_seed("histories"), n = getenv("AVJ_TEST_SEED") ? 1 : rounds();
    for (uint64_t i = 0; i < n; i++)
        if (!same_all_the_way(seed + i))
            fail_msg("AVJ_TEST_SEED=%llu repeats it", (unsigned long long)(seed + i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_histories_fold_alike),
    };
    return cmocka_run_group_tests_name("fast and slow fold", tests, NULL, NULL);
}
