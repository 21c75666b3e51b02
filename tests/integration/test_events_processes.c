/*
 * Subscriptions among processes: one is woken by what another appends, by its descriptor alone; and
 * with three that write at once, the events cover every entry of the log, each once.
 */
#include "replay/events.h"
#include "replay/sync.h"
#include "tests/support/files.h"
#include "tests/support/process_case.h"
#include "tests/support/sanitizers.h"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 60000
#define THREADS     5
#define WRITERS     3
#define ROUNDS      (TEST_SANITIZED ? 150u : 600u)

static struct avj_error err;

/* Segments are sealed meanwhile, in the background. */
static const struct avj_store_options options = {.journal = {.segment_target = 64 * 1024},
                                                 .anonymous = true};

static struct avj_store *open_store(const char *dir)
{
    struct avj_store *store = NULL;
    if (avj_store_open(dir, &options, &store, &err) != AVJ_OK)
        fprintf(stderr, "open: %s\n", err.message);
    return store;
}

static void pack_text(struct avj_pack *p, const char *name, const char *text)
{
    avj_pack_cstr(p, name);
    avj_pack_cstr(p, text);
}

/* ---- what a writer does: ids tell the thread, "tTHREAD" and "tTHREAD-wWRITER-NUMBER" ---- */

struct writer {
    const char *dir;
    int go; /* writes once it can read from there: its pipe is made before it is */
    unsigned number;
    struct avj_store *store;
    struct test_rng rng;
    unsigned made;    /* messages, 0 .. made-1 */
    unsigned texts;   /* no two are the same */
    unsigned deleted; /* messages 0 .. deleted-1 are */
    unsigned thread_of[4096];
};

static void name_message(const struct writer *w, unsigned message, char id[32])
{
    snprintf(id, 32, "t%u-w%u-%u", w->thread_of[message], w->number, message);
}

static enum avj_status mutate(struct writer *w, enum avj_op op, enum avj_entity entity,
                              const char *id, struct avj_pack *p)
{
    struct avj_mutation m = {op, entity, id, {p->data, p->len}};
    enum avj_durability durability = test_rng_below(&w->rng, 20) == 0 ? AVJ_DURABLE : AVJ_RELAXED;
    enum avj_status status = avj_store_mutate(w->store, &m, 1, durability, NULL, &err);
    avj_pack_release(p);
    return status;
}

static void pack_message(struct writer *w, const char *id, unsigned thread, struct avj_pack *p)
{
    char name[16], text[64];
    snprintf(name, sizeof(name), "t%u", thread);
    snprintf(text, sizeof(text), "text %u of writer %u", w->texts++, w->number);
    avj_pack_map(p, 5);
    pack_text(p, "id", id);
    pack_text(p, "threadId", name);
    pack_text(p, "role", "user");
    pack_text(p, "content", text);
    pack_text(p, "createdAt", "2026-11-22T18:00:00.000Z");
}

/* A new message, made here or merged in. */
static enum avj_status make(struct writer *w, bool remote)
{
    struct avj_pack p = {0};
    char id[32];
    unsigned thread = (unsigned)test_rng_below(&w->rng, THREADS);
    unsigned number = w->made + (remote ? 100000 : 0);
    if (!remote) {
        w->thread_of[w->made] = thread;
        w->made++;
    }
    snprintf(id, sizeof(id), "t%u-w%u-%u", thread, w->number, number + (remote ? w->texts : 0));
    pack_message(w, id, thread, &p);
    if (!remote)
        return mutate(w, AVJ_CREATE, AVJ_MESSAGE, id, &p);
    struct avj_row row = {.entity = AVJ_MESSAGE,
                          .id = id,
                          .remote_id = id,
                          .version = "2026-11-22T18:00:00.000+00:00",
                          .fields = {p.data, p.len}};
    enum avj_status status =
        avj_sync_remote(w->store, &row, 1, "realtime", AVJ_RELAXED, NULL, &err);
    avj_pack_release(&p);
    return status;
}

static enum avj_status edit(struct writer *w, enum avj_entity entity, const char *id,
                            const char *field)
{
    struct avj_pack p = {0};
    char text[64];
    snprintf(text, sizeof(text), "text %u of writer %u", w->texts++, w->number);
    avj_pack_map(&p, 1);
    pack_text(&p, field, text);
    return mutate(w, AVJ_UPDATE, entity, id, &p);
}

static enum avj_status write_something(struct writer *w)
{
    struct avj_pack none = {0};
    char id[32];
    unsigned alive = w->made - w->deleted;
    switch (test_rng_below(&w->rng, 6)) {
    case 0:
        snprintf(id, sizeof(id), "t%u", (unsigned)test_rng_below(&w->rng, THREADS));
        return edit(w, AVJ_THREAD, id, "title");
    case 1:
        if (!alive)
            break;
        name_message(w, w->deleted + (unsigned)test_rng_below(&w->rng, alive), id);
        return edit(w, AVJ_MESSAGE, id, "content");
    case 2:
        if (!alive)
            break;
        name_message(w, w->deleted++, id);
        return mutate(w, AVJ_DELETE, AVJ_MESSAGE, id, &none);
    case 3:
        return make(w, true);
    default:
        break;
    }
    return make(w, false);
}

static int write_much(void *arg, int out)
{
    struct writer *w = arg;
    enum avj_status status = AVJ_OK;
    char start;
    (void)out;
    if (read(w->go, &start, 1) != 1 || !(w->store = open_store(w->dir)))
        return 1;
    for (unsigned i = 0; status == AVJ_OK && i < ROUNDS; i++)
        status = write_something(w);
    if (status != AVJ_OK)
        fprintf(stderr, "writer %u: %s\n", w->number, err.message);
    avj_store_close(w->store);
    return status != AVJ_OK;
}

static int write_once(void *arg, int out)
{
    struct writer *w = arg;
    char start;
    (void)out;
    if (read(w->go, &start, 1) != 1 || !(w->store = open_store(w->dir)))
        return 1;
    enum avj_status status = make(w, w->number == 1);
    avj_store_close(w->store);
    return status != AVJ_OK;
}

/* ---- what a subscription told ---- */

struct range {
    uint64_t first, last;
};

struct heard {
    enum avj_event_kind kind;
    char thread[8]; /* "" for none */
    struct range *ranges;
    size_t count;
    uint64_t changes; /* told, and entries found in the log */
    uint64_t entries;
};

struct ledger {
    struct avj_events *events;
    const char *only_thread;
    struct heard heard[64];
    size_t count;
};

static struct heard *heard_of(struct ledger *ledger, enum avj_event_kind kind, const char *thread)
{
    for (size_t i = 0; i < ledger->count; i++)
        if (ledger->heard[i].kind == kind && strcmp(ledger->heard[i].thread, thread) == 0)
            return &ledger->heard[i];
    struct heard *heard = &ledger->heard[ledger->count++];
    assert_true(ledger->count <= 64);
    heard->kind = kind;
    snprintf(heard->thread, sizeof(heard->thread), "%s", thread);
    return heard;
}

static void fetch(struct ledger *ledger)
{
    struct avj_event event;
    enum avj_status status;
    while ((status = avj_events_next(ledger->events, &event, &err)) == AVJ_OK) {
        struct heard *heard = heard_of(ledger, event.kind, event.thread ? event.thread : "");
        heard->ranges = realloc(heard->ranges, (heard->count + 1) * sizeof(*heard->ranges));
        assert_non_null(heard->ranges);
        heard->ranges[heard->count++] = (struct range){event.first_seq, event.last_seq};
        heard->changes += event.changes;
    }
    assert_status(AVJ_END, status, err);
}

static bool covered(const struct heard *heard, uint64_t seq)
{
    for (size_t i = heard->count; i-- > 0;)
        if (heard->ranges[i].first <= seq && seq <= heard->ranges[i].last)
            return true;
    return false;
}

/* The entry must have been told under this kind and thread. */
static void expect(struct ledger *ledger, enum avj_event_kind kind, const char *thread,
                   uint64_t seq)
{
    if (ledger->only_thread && *thread && strcmp(thread, ledger->only_thread) != 0)
        return;
    struct heard *heard = heard_of(ledger, kind, thread);
    heard->entries++;
    if (!covered(heard, seq))
        fail_msg("no %s of thread \"%s\" covers entry %llu", avj_event_name(kind), thread,
                 (unsigned long long)seq);
}

static void expect_entry(struct ledger *ledger, const struct avj_entry *e, uint64_t seq)
{
    struct avj_value op;
    char thread[8];
    (void)avj_value_get(e->root, "o", &op);
    if (e->type == AVJ_E_LOCAL)
        expect(ledger, AVJ_EVENT_STATUS, "", seq);
    if (e->entity == AVJ_THREAD) {
        expect(ledger, AVJ_EVENT_THREADS, "", seq);
        return;
    }
    assert_int_equal(e->entity, AVJ_MESSAGE);
    snprintf(thread, sizeof(thread), "%.2s", (const char *)e->id.data);
    expect(ledger, AVJ_EVENT_MESSAGES, thread, seq);
    if (!avj_value_text_is(op, "update"))
        expect(ledger, AVJ_EVENT_THREADS, "", seq);
}

/* Every entry from `from` on was told, and nothing else. */
static void check(struct avj_store *store, struct ledger *ledger, uint64_t from)
{
    struct avj_cursor *cursor;
    struct avj_record record;
    struct avj_entry entry;
    enum avj_status status;
    assert_ok(avj_cursor_open(avj_store_journal(store), from, &cursor, &err), err);
    while ((status = avj_cursor_next(cursor, &record, &err)) == AVJ_OK) {
        assert_ok(avj_entry_decode(record.data, record.len, &entry, &err), err);
        expect_entry(ledger, &entry, record.seq);
        avj_entry_release(&entry);
    }
    assert_status(AVJ_END, status, err);
    avj_cursor_close(cursor);
    for (size_t i = 0; i < ledger->count; i++) {
        assert_int_equal(ledger->heard[i].changes, ledger->heard[i].entries);
        free(ledger->heard[i].ranges);
    }
}

static uint64_t last_seq(struct avj_store *store)
{
    struct avj_journal_info info;
    assert_ok(avj_journal_info(avj_store_journal(store), &info, &err), err);
    return info.next_seq - 1;
}

/* Waits by the descriptor until nothing is held back any more. */
static void fetch_rest(struct ledger *ledger)
{
    struct pollfd poll_fd = {.fd = avj_events_fd(ledger->events), .events = POLLIN};
    fetch(ledger);
    while (avj_events_due_ms(ledger->events) >= 0) {
        assert_int_equal(poll(&poll_fd, 1, PATIENCE_MS), 1);
        fetch(ledger);
    }
}

static void make_chat(const char *dir)
{
    struct avj_store *store;
    assert_ok(avj_store_create(dir, NULL, &options, &err), err);
    store = open_store(dir);
    assert_non_null(store);
    for (unsigned t = 0; t < THREADS; t++) {
        struct avj_pack p = {0};
        char id[16];
        snprintf(id, sizeof(id), "t%u", t);
        avj_pack_map(&p, 3);
        pack_text(&p, "id", id);
        pack_text(&p, "title", "title");
        pack_text(&p, "createdAt", "2026-11-22T18:00:00.000Z");
        struct avj_mutation m = {AVJ_CREATE, AVJ_THREAD, id, {p.data, p.len}};
        assert_ok(avj_store_mutate(store, &m, 1, AVJ_RELAXED, NULL, &err), err);
        avj_pack_release(&p);
    }
    avj_store_close(store);
}

static struct writer *new_writer(const char *dir, unsigned number, int go, uint64_t seed)
{
    struct writer *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    w->dir = dir;
    w->number = number;
    w->go = go;
    test_rng_init(&w->rng, seed + number);
    return w;
}

static void bury(struct process *process)
{
    int status;
    free(process_finish(process, &status, NULL));
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- tests ---- */

static void three_processes_write_and_the_events_cover_every_entry(void **state)
{
    struct journal_case *c = *state;
    uint64_t seed = test_rng_seed("events of three writers");
    struct writer *writers[WRITERS];
    struct process processes[WRITERS];
    int go[2];
    make_chat(c->dir);
    assert_int_equal(pipe(go), 0);
    for (unsigned i = 0; i < WRITERS; i++)
        writers[i] = new_writer(c->dir, i, go[0], seed);
    for (unsigned i = 1; i < WRITERS; i++)
        processes[i] = process_fork(write_much, writers[i]);
    struct avj_store *store = open_store(c->dir);
    assert_non_null(store);
    uint64_t from = last_seq(store) + 1;
    struct ledger all = {0}, one = {.only_thread = "t1"};
    assert_ok(avj_events_open(store, NULL, &all.events, &err), err);
    assert_ok(avj_events_open(store,
                              &(struct avj_events_options){.no_debounce = true, .thread = "t1"},
                              &one.events, &err),
              err);
    assert_int_equal(write(go[1], "go", WRITERS - 1), WRITERS - 1);
    writers[0]->store = store;
    for (unsigned i = 0; i < ROUNDS; i++) {
        assert_ok(write_something(writers[0]), err);
        fetch(test_rng_below(&writers[0]->rng, 2) ? &all : &one);
    }
    for (unsigned i = 1; i < WRITERS; i++)
        bury(&processes[i]);
    fetch_rest(&all);
    fetch_rest(&one);
    assert_true(last_seq(store) >= from - 1 + (uint64_t)WRITERS * ROUNDS);
    check(store, &all, from);
    check(store, &one, from);
    avj_events_close(all.events);
    avj_events_close(one.events);
    avj_store_close(store);
    for (unsigned i = 0; i < WRITERS; i++)
        free(writers[i]);
    close(go[0]);
    close(go[1]);
}

static void another_process_makes_the_descriptor_readable(void **state)
{
    struct journal_case *c = *state;
    make_chat(c->dir);
    for (unsigned remote = 0; remote < 2; remote++) {
        int go[2];
        assert_int_equal(pipe(go), 0);
        struct writer *w = new_writer(c->dir, remote, go[0], 1);
        struct process process = process_fork(write_once, w);
        struct avj_store *store = open_store(c->dir);
        struct avj_events *events;
        struct avj_event event;
        assert_non_null(store);
        assert_ok(avj_events_open(store, NULL, &events, &err), err);
        struct pollfd poll_fd = {.fd = avj_events_fd(events), .events = POLLIN};
        assert_int_equal(poll(&poll_fd, 1, 0), 0);
        assert_int_equal(write(go[1], "g", 1), 1);
        enum avj_status status = AVJ_END;
        while (status == AVJ_END) {
            assert_int_equal(poll(&poll_fd, 1, PATIENCE_MS), 1);
            status = avj_events_next(events, &event, &err);
        }
        assert_ok(status, err);
        assert_int_equal(event.kind, AVJ_EVENT_MESSAGES);
        assert_int_equal(event.thread[0], 't');
        assert_int_equal(event.local, !remote);
        assert_int_equal(event.remote, remote);
        bury(&process);
        avj_events_close(events);
        avj_store_close(store);
        close(go[0]);
        close(go[1]);
        free(w);
    }
}

/* Sends in every second turn, as soon as it was told of the other's message; looks when its
 * descriptor says so, at no other time. */
static enum avj_status play_ping_pong(struct writer *w, unsigned turns)
{
    struct avj_events *events;
    struct avj_event event;
    enum avj_status status =
        avj_events_open(w->store, &(struct avj_events_options){.no_debounce = true}, &events, &err);
    for (unsigned turn = 0; status >= 0 && turn < turns; turn++) {
        struct pollfd poll_fd = {.fd = avj_events_fd(events), .events = POLLIN};
        struct avj_store_status now;
        if (turn % 2 == w->number)
            status = make(w, turn / 2 % 2 == 0);
        if (status >= 0)
            status = avj_store_status(w->store, &now, &err);
        while (status >= 0 && now.visible[AVJ_MESSAGE] <= turn) {
            if (poll(&poll_fd, 1, PATIENCE_MS) != 1)
                return avj_fail(&err, AVJ_ETIMEOUT, "not woken in turn %u", turn);
            while ((status = avj_events_next(events, &event, &err)) == AVJ_OK)
                continue;
            if (status == AVJ_END)
                status = avj_store_status(w->store, &now, &err);
        }
    }
    avj_events_close(events);
    return status;
}

#define TURNS 400

static int play(void *arg, int out)
{
    struct writer *w = arg;
    (void)out;
    w->store = open_store(w->dir);
    enum avj_status status = w->store ? play_ping_pong(w, TURNS) : AVJ_EIO;
    if (status != AVJ_OK)
        fprintf(stderr, "player %u: %s\n", w->number, err.message);
    avj_store_close(w->store);
    return status != AVJ_OK;
}

static void two_processes_play_ping_pong_with_nothing_but_the_descriptor(void **state)
{
    struct journal_case *c = *state;
    struct writer *players[2];
    struct process processes[2];
    make_chat(c->dir);
    for (unsigned i = 0; i < 2; i++) {
        players[i] = new_writer(c->dir, i, -1, 1);
        processes[i] = process_fork(play, players[i]);
    }
    for (unsigned i = 0; i < 2; i++) {
        bury(&processes[i]);
        free(players[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROCESS_CASE(another_process_makes_the_descriptor_readable),
        PROCESS_CASE(two_processes_play_ping_pong_with_nothing_but_the_descriptor),
        PROCESS_CASE(three_processes_write_and_the_events_cover_every_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
