/*
 * For tests of subscriptions: two stores on one journal with a thread and a message in it, a clock
 * that stands still, and changes to make.
 */
#ifndef TEST_EVENTS_RIG_H
#define TEST_EVENTS_RIG_H

#include "replay/events.h"
#include "replay/sync.h"
#include "tests/support/cases.h"
#include "tests/support/fault_io.h"
#include "tests/support/files.h"

#include <poll.h>

#define HOUR_MS 3600000u

static struct avj_error err;
static int64_t clock_ms;

static inline int64_t fake_monotonic(void *ctx)
{
    (void)ctx;
    return clock_ms;
}

/* Two stores on one journal: `here` is the one subscribed to, `other` stands for another process.
 */
struct fixture {
    char *dir, *path;
    struct avj_io io;
    struct fault_io *fault;
    struct avj_store *here, *other;
    char t[AVJ_ID_TEXT], m[AVJ_ID_TEXT]; /* a thread and a message in it, from before */
};

static inline struct avj_store *open_store(const struct fixture *f, const struct avj_io *io)
{
    struct avj_store_options options = {.journal = {.io = io, .no_background = true}};
    struct avj_store *store;
    assert_ok(avj_store_open(f->path, &options, &store, &err), err);
    return store;
}

static inline int events_rig_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    if (!f)
        return -1;
    f->dir = test_dir_new();
    f->path = test_path(f->dir, "journal");
    f->fault = fault_io_new(avj_io_posix());
    f->io = *fault_io_table(f->fault);
    f->io.monotonic_ms = fake_monotonic;
    clock_ms = 1000;
    assert_ok(avj_store_create(f->path, NULL, NULL, &err), err);
    f->here = open_store(f, &f->io);
    f->other = open_store(f, NULL);
    assert_ok(avj_thread_new(f->other, "T", f->t, &err), err);
    assert_ok(avj_message_send(f->other, f->t, "user", "hi", 2, f->m, &err), err);
    assert_ok(avj_store_refresh(f->here, NULL, &err), err);
    *state = f;
    return 0;
}

static inline int events_rig_teardown(void **state)
{
    struct fixture *f = *state;
    avj_store_close(f->other);
    avj_store_close(f->here);
    fault_io_free(f->fault);
    free(f->path);
    test_dir_free(f->dir);
    free(f);
    return 0;
}

static inline struct avj_events *subscribe(struct avj_store *store,
                                           const struct avj_events_options *options)
{
    struct avj_events *events;
    assert_ok(avj_events_open(store, options, &events, &err), err);
    return events;
}

static inline bool readable(struct avj_events *events)
{
    struct pollfd poll_fd = {.fd = avj_events_fd(events), .events = POLLIN};
    return poll(&poll_fd, 1, 0) == 1;
}

/* All that is due, as "threads messages(T) status": kinds, "(T)" for the thread t, "(ID)" for
 * another, and the order as told. */
static inline const char *told(struct fixture *f, struct avj_events *events)
{
    static char text[512];
    struct avj_event event;
    enum avj_status status;
    size_t len = 0;
    text[0] = 0;
    while ((status = avj_events_next(events, &event, &err)) == AVJ_OK) {
        const char *name = avj_event_name(event.kind);
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s", len ? " " : "",
                                (int)strcspn(name, "_"), name);
        if (event.thread)
            len += (size_t)snprintf(text + len, sizeof(text) - len, "(%s)",
                                    strcmp(event.thread, f->t) == 0 ? "T" : event.thread);
        assert_true(len < sizeof(text));
        assert_true(event.local || event.remote);
        assert_true(event.first_seq > 0 && event.first_seq <= event.last_seq);
        assert_true(event.changes > 0);
    }
    assert_status(AVJ_END, status, err);
    return text;
}

/* ---- what others do ---- */

static inline void pack_text(struct avj_pack *p, const char *name, const char *text)
{
    avj_pack_cstr(p, name);
    avj_pack_cstr(p, text);
}

/* A row from the server, journaled by `other`. */
static inline void arrive(struct avj_store *store, enum avj_entity entity, const char *id,
                          const char *thread, const char *text, const char *version, bool deleted)
{
    struct avj_pack p = {0};
    avj_pack_map(&p, thread ? 5 : 3);
    pack_text(&p, "id", id);
    pack_text(&p, "createdAt", "2026-11-22T18:00:00.000+00:00");
    if (thread) {
        pack_text(&p, "threadId", thread);
        pack_text(&p, "role", "user");
        pack_text(&p, "content", text);
    } else {
        pack_text(&p, entity == AVJ_PROJECT ? "name" : "title", text);
    }
    struct avj_row row = {.entity = entity,
                          .id = id,
                          .remote_id = id,
                          .version = version,
                          .created = "2026-11-22T18:00:00.000+00:00",
                          .deleted = deleted,
                          .fields = {p.data, p.len}};
    assert_ok(avj_sync_remote(store, &row, 1, "realtime", AVJ_RELAXED, NULL, &err), err);
    avj_pack_release(&p);
}

#define V1 "2027-11-22T18:00:01.000+00:00"
#define V2 "2027-11-22T18:00:02.000+00:00"

static inline void a_message_comes(struct fixture *f)
{
    arrive(f->other, AVJ_MESSAGE, "m1", f->t, "from elsewhere", V1, false);
}

static inline void it_is_edited_elsewhere(struct fixture *f)
{
    arrive(f->other, AVJ_MESSAGE, "m1", f->t, "edited", V2, false);
}

static inline void it_goes(struct fixture *f)
{
    arrive(f->other, AVJ_MESSAGE, "m1", f->t, NULL, V2, true);
}

static inline void a_message_is_sent(struct fixture *f)
{
    assert_ok(avj_message_send(f->other, f->t, "user", "hello", 5, NULL, &err), err);
}

static inline void a_message_is_sent_here(struct fixture *f)
{
    assert_ok(avj_message_send(f->here, f->t, "user", "hello", 5, NULL, &err), err);
}

#define EVENTS_CASE(test)                                                                          \
    cmocka_unit_test_setup_teardown(test, events_rig_setup, events_rig_teardown)

#endif
