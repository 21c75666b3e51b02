/*
 * The same states of rows, whatever their order, however often each comes and however they are
 * parcelled, give the same view.  States come as by a careless network: of several rows with one
 * local id, several of one millisecond, deletes before what they delete.
 */
#include "tests/property/world.h"
#include "tests/support/cases.h"

enum { STATES = 40, ORDERS = 12, SETS = 25 };

static struct row some_state(struct test_rng *rng)
{
    static const char *const ids[] = {"t", "00000000-0000-4000-8000-000000000001", "u"};
    struct row row = {.entity = test_rng_below(rng, 3) ? AVJ_MESSAGE : AVJ_THREAD};
    size_t id = (size_t)test_rng_below(rng, 3);
    /* A row belongs to one document. */
    row.id = ids[id];
    row.row = text_printf("row %zu %u", id, (unsigned)test_rng_below(rng, 2));
    row.version_ms = 1795370400000 + (int64_t)test_rng_below(rng, 4);
    row.deleted = test_rng_below(rng, 4) == 0;
    field_set(&row.fields, "id", text_printf("\"%s\"", row.id));
    field_set(&row.fields, "zeta", text_printf("%u", (unsigned)test_rng_below(rng, 3)));
    if (row.entity == AVJ_MESSAGE)
        field_set(&row.fields, "threadId", test_rng_below(rng, 2) ? "\"t\"" : "\"u\"");
    if (test_rng_below(rng, 2))
        field_set(&row.fields, "createdAt", time_json(row.version_ms, 0));
    fields_sort(row.entity, &row.fields);
    return row;
}

static void shuffle(struct test_rng *rng, struct row *rows, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t other = (size_t)test_rng_below(rng, i);
        struct row row = rows[i - 1];
        rows[i - 1] = rows[other];
        rows[other] = row;
    }
}

/* All of them in a new order, some twice, in parcels of some. */
static bool deliver(struct test_rng *rng, struct replica *r, const struct row *states)
{
    struct row rows[2 * STATES];
    size_t count = STATES;
    memcpy(rows, states, STATES * sizeof(*rows));
    for (size_t i = 0; i < STATES; i++)
        if (test_rng_below(rng, 3) == 0)
            rows[count++] = states[i];
    shuffle(rng, rows, count);
    for (size_t done = 0; done < count;) {
        size_t parcel = 1 + (size_t)test_rng_below(rng, 6);
        if (parcel > count - done)
            parcel = count - done;
        if (!hear(r, rows + done, parcel, "realtime"))
            return false;
        done += parcel;
        if (test_rng_below(rng, 8) == 0 && !replica_reopen(r))
            return false;
    }
    return check_replica(r);
}

static void any_order_and_number_of_the_same_states_gives_the_same_view(void **state)
{
    (void)state;
    static struct world world;
    uint64_t seed = test_rng_seed("orders");
    for (uint64_t set = 0; set < SETS; set++) {
        struct test_rng rng;
        struct row states[STATES];
        uint64_t first[2], now[2];
        test_rng_init(&rng, seed + set);
        struct world_options options = {.replicas = 1};
        for (unsigned order = 0; order < ORDERS; order++) {
            bool ok = world_begin(&world, &options);
            struct test_rng making; /* texts live as long as a world: made anew for each */
            test_rng_init(&making, seed + set);
            for (size_t i = 0; i < STATES; i++)
                states[i] = some_state(&making);
            ok = ok && deliver(&rng, &world.replicas[0], states);
            oracle_digest(&world.replicas[0].oracle, order ? now : first);
            if (!ok || (order && memcmp(now, first, sizeof(now)) != 0))
                print_error("set %llu (AVJ_TEST_SEED=%llu), order %u: %s\n",
                            (unsigned long long)set, (unsigned long long)seed, order,
                            world.failure);
            world_end(&world);
            assert_true(ok);
            if (order)
                assert_memory_equal(now, first, sizeof(now));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_and_number_of_the_same_states_gives_the_same_view),
    };
    return cmocka_run_group_tests_name("orders", tests, NULL, NULL);
}
