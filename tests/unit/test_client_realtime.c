/* Realtime: frames as Appwrite 1.8.1 sent them, and the life of the socket. */
#include "tests/support/cases.h"

#include "net/client_realtime.h"

static const struct avj_appwrite aw = {
    .endpoint = "https://host:8443/v1",
    .project = "testproject",
    .database = "main",
    .collections = {"threads", "messages", "summaries", "projects"},
    .user = "alice",
    .secret = "a+b==",
    .version = 1008};

/* ---- the handshake ---- */

static void both_spellings_are_subscribed_where_the_server_has_both(void **state)
{
    (void)state;
    struct avj_appwrite old = aw;
    old.version = 1007;
    char *url = avj_rt_url(&aw), *old_url = avj_rt_url(&old);
    assert_string_equal(old_url, "wss://host:8443/v1/realtime?project=testproject"
                                 "&channels%5B%5D=databases.main.collections.threads.documents"
                                 "&channels%5B%5D=databases.main.collections.messages.documents"
                                 "&channels%5B%5D=databases.main.collections.summaries.documents"
                                 "&channels%5B%5D=databases.main.collections.projects.documents");
    assert_contains(url, "&channels%5B%5D=databases.main.collections.threads.documents");
    assert_contains(url, "&channels%5B%5D=databases.main.tables.threads.rows");
    assert_contains(url, "&channels%5B%5D=databases.main.tables.projects.rows");
    free(url);
    free(old_url);
}

static void plain_http_becomes_ws_and_the_cookie_is_encoded(void **state)
{
    (void)state;
    struct avj_appwrite local = aw;
    local.endpoint = "http://127.0.0.1:80/v1";
    char *url = avj_rt_url(&local), *headers = avj_rt_headers(&local);
    assert_int_equal(strncmp(url, "ws://127.0.0.1:80/v1/realtime?", 30), 0);
    assert_contains(headers, "X-Appwrite-Session: a+b==\n");
    assert_contains(headers, "Cookie: a_session_testproject=a%2Bb%3D%3D\n");
    free(url);
    free(headers);
}

/* ---- frames ---- */

#define CONNECTED                                                                                  \
    "{\"type\":\"connected\",\"data\":{\"channels\":[\"databases.main.collections.messages."       \
    "documents\"],\"user\":{\"$id\":\"alice\",\"$createdAt\":\"2026-11-22T17:21:32.780+00:00\","   \
    "\"name\":\"alice\",\"status\":true}}}"

#define PAYLOAD(id)                                                                                \
    "\"payload\":{\"messageId\":\"m\",\"threadId\":\"rt\",\"userId\":\"alice\",\"content\":"       \
    "\"hello\",\"$id\":\"" id "\",\"$createdAt\":\"2026-11-22T17:41:02.448+00:00\","               \
    "\"$updatedAt\":\"2026-11-22T17:41:02.448+00:00\",\"$sequence\":114}"

#define EVENT(name, id)                                                                            \
    "{\"type\":\"event\",\"data\":{\"events\":[\"" name "\",\"databases.*.collections.*."          \
    "documents.*.create\"],\"channels\":[\"rows\",\"documents\"],\"timestamp\":"                   \
    "\"2026-11-22T17:41:02.454+00:00\"," PAYLOAD(id) "}}"

struct frame_case {
    const char *name, *frame;
    enum avj_rt_event_kind kind;
    enum avj_entity entity;
    bool deleted;
};

static const struct frame_case frames[] = {
    {"connected as ourselves", CONNECTED, AVJ_RT_LIVE, 0, false},
    {"connected as nobody: the session is gone",
     "{\"type\":\"connected\",\"data\":{\"channels\":[],\"user\":null}}", AVJ_RT_GUEST, 0, false},
    {"connected as someone else",
     "{\"type\":\"connected\",\"data\":{\"channels\":[],\"user\":{\"$id\":\"bob\"}}}", AVJ_RT_GUEST,
     0, false},
    {"a pong", "{\"type\":\"pong\"}", AVJ_RT_NOTHING, 0, false},
    {"a create", EVENT("databases.main.collections.messages.documents.rt1.create", "rt1"),
     AVJ_RT_ROW, AVJ_MESSAGE, false},
    {"an update in the other spelling",
     EVENT("databases.main.tables.threads.rows.rt1.update", "rt1"), AVJ_RT_ROW, AVJ_THREAD, false},
    {"an upsert", EVENT("databases.main.collections.projects.documents.rt1.upsert", "rt1"),
     AVJ_RT_ROW, AVJ_PROJECT, false},
    {"a delete", EVENT("databases.main.tables.summaries.rows.rt1.delete", "rt1"), AVJ_RT_ROW,
     AVJ_SUMMARY, true},
    {"an id with dots", EVENT("databases.main.collections.messages.documents.a.b.create", "a.b"),
     AVJ_RT_ROW, AVJ_MESSAGE, false},
    {"an id that ends like an action",
     EVENT("databases.main.collections.messages.documents.a.delete.update", "a.delete"), AVJ_RT_ROW,
     AVJ_MESSAGE, false},
    {"an id that looks like a path",
     EVENT("databases.main.collections.messages.documents.rows.x.delete", "rows.x"), AVJ_RT_ROW,
     AVJ_MESSAGE, true},
    {"a name that is not about its payload",
     EVENT("databases.main.collections.messages.documents.rt1.create", "rt2"), AVJ_RT_NOTHING, 0,
     false},
    {"an action that we do not know",
     EVENT("databases.main.collections.messages.documents.rt1.archive", "rt1"), AVJ_RT_NOTHING, 0,
     false},
    {"another database", EVENT("databases.other.collections.messages.documents.rt1.create", "rt1"),
     AVJ_RT_NOTHING, 0, false},
    {"another collection", EVENT("databases.main.collections.notes.documents.rt1.create", "rt1"),
     AVJ_RT_NOTHING, 0, false},
    {"an error",
     "{\"type\":\"error\",\"data\":{\"code\":1008,\"message\":\"Error: Server Error\"}}",
     AVJ_RT_REFUSED, 0, false},
    {"no JSON", "Bad Gateway", AVJ_RT_NOTHING, 0, false},
    {"an event without a payload",
     "{\"type\":\"event\",\"data\":{\"events\":[\"databases.main.collections.messages.documents.a."
     "create\"]}}",
     AVJ_RT_NOTHING, 0, false},
    {"a type that we do not know", "{\"type\":\"response\",\"data\":{\"to\":\"x\"}}",
     AVJ_RT_NOTHING, 0, false},
    {"types where objects belong", "{\"type\":7,\"data\":[]}", AVJ_RT_NOTHING, 0, false},
};

static struct avj_rt *new_rt(void)
{
    struct avj_rt *rt;
    assert_int_equal(avj_rt_new(&aw, 5, &rt), AVJ_OK);
    return rt;
}

static enum avj_rt_event_kind feed(struct avj_rt *rt, const char *frame, int64_t now)
{
    struct avj_rt_event event;
    avj_rt_feed(rt, frame, strlen(frame), now, &event);
    enum avj_rt_event_kind kind = event.kind;
    avj_rt_event_release(&event);
    return kind;
}

static void every_frame_says_what_it_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++) {
        const struct frame_case *c = &frames[i];
        struct avj_rt *rt = new_rt();
        struct avj_rt_event event;
        avj_rt_feed(rt, c->frame, strlen(c->frame), 1, &event);
        if (event.kind != c->kind)
            fail_msg("%s: %d, not %d", c->name, (int)event.kind, (int)c->kind);
        if (c->kind == AVJ_RT_ROW) {
            assert_int_equal(event.entity, c->entity);
            assert_int_equal(event.deleted, c->deleted);
            assert_non_null(json_object_get(event.row, "$id"));
        }
        avj_rt_event_release(&event);
        avj_rt_free(rt);
    }
}

/* ---- the life of the socket ---- */

static enum avj_rt_action next(struct avj_rt *rt, int64_t now, int64_t *until)
{
    return avj_rt_next(rt, now, until);
}

static struct avj_rt *live_at(int64_t now)
{
    struct avj_rt *rt = new_rt();
    int64_t until;
    assert_int_equal(next(rt, now, &until), AVJ_RT_CONNECT);
    avj_rt_opened(rt, now);
    assert_int_equal(feed(rt, CONNECTED, now), AVJ_RT_LIVE);
    assert_true(avj_rt_live(rt));
    return rt;
}

static void it_connects_at_once_and_pings_every_twenty_seconds(void **state)
{
    (void)state;
    int64_t until;
    struct avj_rt *rt = live_at(1000);
    assert_int_equal(next(rt, 1000, &until), AVJ_RT_WAIT);
    assert_int_equal(until, 21000);
    assert_int_equal(next(rt, 21000, &until), AVJ_RT_PING);
    assert_int_equal(next(rt, 21000, &until), AVJ_RT_WAIT);
    assert_int_equal(feed(rt, "{\"type\":\"pong\"}", 21010), AVJ_RT_NOTHING);
    assert_int_equal(next(rt, 41000, &until), AVJ_RT_PING);
    avj_rt_free(rt);
}

static void silence_for_45_seconds_is_death(void **state)
{
    (void)state;
    int64_t until;
    struct avj_rt *rt = live_at(0);
    assert_int_equal(next(rt, 20000, &until), AVJ_RT_PING);
    assert_int_equal(next(rt, 40000, &until), AVJ_RT_PING);
    assert_int_equal(next(rt, 44999, &until), AVJ_RT_WAIT);
    assert_int_equal(until, 45000);
    assert_int_equal(next(rt, 45000, &until), AVJ_RT_CLOSE);
    assert_true(avj_rt_closed(rt, 45000));
    assert_false(avj_rt_live(rt));
    avj_rt_free(rt);
}

static void a_handshake_without_a_first_frame_is_given_up(void **state)
{
    (void)state;
    int64_t until;
    struct avj_rt *rt = new_rt();
    assert_int_equal(next(rt, 0, &until), AVJ_RT_CONNECT);
    avj_rt_opened(rt, 5);
    assert_int_equal(next(rt, 14999, &until), AVJ_RT_WAIT);
    assert_int_equal(next(rt, 15000, &until), AVJ_RT_CLOSE);
    assert_false(avj_rt_closed(rt, 15000));
    avj_rt_free(rt);
}

/* Fails `times` in a row from `now` on; gives the time of the last failure, *longest the longest
 * wait between. */
static int64_t fail_often(struct avj_rt *rt, unsigned times, int64_t now, const char *frame,
                          int64_t *longest)
{
    int64_t until;
    *longest = 0;
    for (unsigned i = 0; i < times; i++) {
        if (next(rt, now, &until) == AVJ_RT_WAIT) {
            *longest = until - now > *longest ? until - now : *longest;
            now = until;
            assert_int_equal(next(rt, now, &until), AVJ_RT_CONNECT);
        }
        avj_rt_opened(rt, now);
        if (frame)
            feed(rt, frame, now);
        avj_rt_closed(rt, now);
    }
    return now;
}

static void it_comes_back_later_and_later_but_within_a_minute(void **state)
{
    (void)state;
    int64_t longest, until;
    struct avj_rt *rt = new_rt();
    int64_t now = fail_often(rt, 200, 0, NULL, &longest);
    assert_in_range(longest, 20000, 60000);
    /* A connect forgets the past. */
    while (next(rt, now, &until) == AVJ_RT_WAIT)
        now = until;
    avj_rt_opened(rt, now);
    feed(rt, CONNECTED, now);
    assert_true(avj_rt_closed(rt, now));
    assert_int_equal(next(rt, now, &until), AVJ_RT_WAIT);
    assert_in_range(until - now, 1, 500);
    avj_rt_free(rt);
}

static void a_policy_error_deserves_a_few_retries_and_then_patience(void **state)
{
    (void)state;
    static const char frame[] =
        "{\"type\":\"error\",\"data\":{\"code\":1008,\"message\":\"Error: Server Error\"}}";
    int64_t longest, until;
    struct avj_rt *rt = new_rt();
    int64_t now = fail_often(rt, AVJ_RT_POLICY_RETRIES, 0, frame, &longest);
    assert_in_range(longest, 1, 60000);
    while (next(rt, now, &until) == AVJ_RT_WAIT)
        now = until;
    feed(rt, frame, now);
    avj_rt_closed(rt, now);
    assert_int_equal(next(rt, now, &until), AVJ_RT_WAIT);
    assert_int_equal(until - now, AVJ_RT_POLICY_WAIT_MS);
    avj_rt_free(rt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_spellings_are_subscribed_where_the_server_has_both),
        cmocka_unit_test(plain_http_becomes_ws_and_the_cookie_is_encoded),
        cmocka_unit_test(every_frame_says_what_it_says),
        cmocka_unit_test(it_connects_at_once_and_pings_every_twenty_seconds),
        cmocka_unit_test(silence_for_45_seconds_is_death),
        cmocka_unit_test(a_handshake_without_a_first_frame_is_given_up),
        cmocka_unit_test(it_comes_back_later_and_later_but_within_a_minute),
        cmocka_unit_test(a_policy_error_deserves_a_few_retries_and_then_patience),
    };
    return cmocka_run_group_tests_name("realtime", tests, NULL, NULL);
}
