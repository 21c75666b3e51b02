/*
 * A journal, a server in memory and the push core between them, for the tests of push; and
 * scenarios: how it begins, how it must end.
 *
 * Threading: one thread.  Uses cmocka's assertions: for test functions only.
 */
#ifndef TEST_PUSH_RIG_H
#define TEST_PUSH_RIG_H

#include "tests/support/cases.h"

#include "tests/support/client_fake.h"
#include "tests/support/client_store.h"

struct rig {
    struct client_store client;
    struct fake fake;
    struct avj_push *push;
    int64_t waited;
    struct avj_error err;
};

struct scenario {
    const char *name;
    void (*arrange)(struct rig *rig);
    enum avj_status status;
    unsigned pushed, rejected;
    void (*verify)(struct rig *rig);
    unsigned tries_max;
    int version; /* 0: 1008 */
};

static inline void new_push(struct rig *rig, unsigned tries_max)
{
    struct avj_push_options options = {
        .store = rig->client.store, .aw = &rig->client.aw, .seed = 7, .tries_max = tries_max};
    avj_push_free(rig->push);
    assert_int_equal(avj_push_new(&options, &rig->push), AVJ_OK);
}

static inline enum avj_status run(struct rig *rig)
{
    return fake_push(&rig->fake, rig->push, 3000, &rig->waited, &rig->err);
}

static inline const char *attribute(struct rig *rig, enum avj_entity entity, const char *by,
                                    const char *value, const char *name)
{
    json_t *row = fake_find(&rig->fake, entity, by, value);
    return row ? json_string_value(json_object_get(row, name)) : NULL;
}

static inline const char *upstream(struct rig *rig, const char *message)
{
    const char *content = attribute(rig, AVJ_MESSAGE, "messageId", message, "content");
    return content ? content : "(no row)";
}

static inline void assert_here(struct rig *rig, const char *message, const char *content)
{
    char *text = client_text(&rig->client, AVJ_MESSAGE, message, "content");
    assert_string_equal(text ? text : "(no document)", content);
    free(text);
}

static inline void fault(struct rig *rig, struct fake_fault fault)
{
    for (size_t i = 0; i < sizeof rig->fake.faults / sizeof *rig->fake.faults; i++)
        if (rig->fake.faults[i].kind == FAKE_NONE) {
            rig->fake.faults[i] = fault;
            return;
        }
    fail_msg("no room for another fault");
}

static inline void a_thread_and_a_message(struct rig *rig)
{
    client_thread(&rig->client, "t1");
    client_message(&rig->client, "m1", "t1", "hello");
}

/* Pushed and settled before the case begins. */
static inline void synced(struct rig *rig)
{
    a_thread_and_a_message(rig);
    new_push(rig, 0);
    assert_ok(run(rig), rig->err);
    json_array_clear(rig->fake.log);
}

static inline void synced_then_edited(struct rig *rig)
{
    synced(rig);
    client_edit(&rig->client, "m1", "edited here");
}

static inline void both_up_once(struct rig *rig)
{
    assert_int_equal(fake_count(&rig->fake, AVJ_THREAD), 1);
    assert_int_equal(fake_count(&rig->fake, AVJ_MESSAGE), 1);
    assert_string_equal(upstream(rig, "m1"), "hello");
    assert_int_equal(client_status(&rig->client).pending, 0);
}

static inline const char *message_row(struct fake *fake, size_t i)
{
    return json_string_value(json_object_get(json_array_get(fake->rows[AVJ_MESSAGE], i), "$id"));
}

static inline void deleted_thread(struct rig *rig)
{
    synced(rig);
    assert_ok(avj_thread_delete(rig->client.store, "t1", &rig->err), rig->err);
}

static inline void verify_nothing_upstream(struct rig *rig)
{
    assert_int_equal(fake_count(&rig->fake, AVJ_THREAD), 0);
    assert_int_equal(fake_count(&rig->fake, AVJ_MESSAGE), 0);
    assert_int_equal(client_status(&rig->client).pending, 0);
}

static inline void verify_edited_once(struct rig *rig)
{
    assert_int_equal(fake_count(&rig->fake, AVJ_MESSAGE), 1);
    assert_string_equal(upstream(rig, "m1"), "edited here");
    assert_int_equal(client_status(&rig->client).pending, 0);
    assert_int_equal(client_status(&rig->client).conflicts, 0);
}

static inline void edit_elsewhere(struct fake *fake)
{
    fake->now_ms += 120000; /* later than anything here */
    fake_put(fake, AVJ_MESSAGE, message_row(fake, 0), json_pack("{s:s}", "model", "of another"));
}

static inline void verify_merged(struct rig *rig)
{
    assert_string_equal(upstream(rig, "m1"), "edited here");
    assert_string_equal(attribute(rig, AVJ_MESSAGE, "messageId", "m1", "model"), "of another");
    char *model = client_text(&rig->client, AVJ_MESSAGE, "m1", "model");
    assert_string_equal(model ? model : "(none)", "of another");
    free(model);
    assert_int_equal(client_status(&rig->client).pending, 0);
}

static inline void one_bad_among_forty(struct rig *rig)
{
    char id[32];
    rig->fake.poison = "far too long";
    client_thread(&rig->client, "t1");
    for (int i = 0; i < 40; i++) {
        snprintf(id, sizeof id, "m%d", i);
        client_message(&rig->client, id, "t1", i == 23 ? "far too long" : "fine");
    }
}

static inline void scenario_holds(void **state)
{
    const struct scenario *scenario = *state;
    struct rig rig = {.push = NULL};
    struct avj_push_stats stats;
    fake_init(&rig.fake);
    client_store_open(&rig.client);
    if (scenario->version)
        rig.client.aw.version = scenario->version;
    scenario->arrange(&rig);
    new_push(&rig, scenario->tries_max);
    assert_status(scenario->status, run(&rig), rig.err);
    avj_push_stats(rig.push, &stats);
    assert_int_equal(stats.pushed, scenario->pushed);
    assert_int_equal(stats.rejected, scenario->rejected);
    scenario->verify(&rig);
    avj_push_free(rig.push);
    client_store_close(&rig.client);
    fake_release(&rig.fake);
}

/* One cmocka test for each scenario of `from`, into `to`. */
static inline void scenario_tests(const struct scenario *from, size_t count, struct CMUnitTest *to)
{
    for (size_t i = 0; i < count; i++)
        to[i] = (struct CMUnitTest){.name = from[i].name,
                                    .test_func = scenario_holds,
                                    .initial_state = (void *)(uintptr_t)&from[i]};
}

#endif
