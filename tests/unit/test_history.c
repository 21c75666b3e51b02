/*
 * Compaction with history: whatever the log holds, and however often and where it is compacted, the
 * view is the same as without.
 */
#include "journal/scan.h"
#include "replay/clock.h"
#include "replay/history.h"
#include "replay/store_private.h"
#include "tests/support/fault_io.h"
#include "tests/support/journal_case.h"
#include "tests/support/rng.h"
#include "tests/support/sanitizers.h"

#include <errno.h>

/* 2026-11-22T18:00:00Z */
#define BEGIN_MS INT64_C(1795370400000)

/* What a disk does is no concern here: syncs need not be waited for. */
static struct avj_io io;
static const struct avj_journal_options quiet = {
    .io = &io, .segment_target = 64 * 1024, .no_background = true};

static int no_sync(void *ctx, int file)
{
    (void)ctx, (void)file;
    return 0;
}

/* A month after the logs that are made here. */
static int64_t a_month_later(void *ctx)
{
    (void)ctx;
    return BEGIN_MS + INT64_C(30) * 86400000;
}

static int no_sync_dir(void *ctx, const char *path)
{
    (void)ctx, (void)path;
    return 0;
}

/* ---- random logs ---- */

struct maker {
    struct test_rng rng;
    struct avj_pack pack;
    uint64_t hlc, seq; /* of the entry being made */
    uint64_t length;   /* of the whole log, about */
    uint64_t turns[2]; /* of m0 and m1 the last begin of a stream */
};

static uint64_t below(struct maker *m, uint64_t limit)
{
    return test_rng_below(&m->rng, limit);
}

static void put_text(struct maker *m, const char *key, const char *text)
{
    avj_pack_cstr(&m->pack, key);
    avj_pack_cstr(&m->pack, text);
}

static void put_int(struct maker *m, const char *key, int64_t value)
{
    avj_pack_cstr(&m->pack, key);
    avj_pack_int(&m->pack, value);
}

/* Few values, so that rows show edits and edits meet; long ones, so that they are worth dropping.
 */
static void put_value(struct maker *m, const char *key)
{
    char text[160];
    size_t len = 1 + (size_t)below(m, 2) * 150;

    memset(text, 'a' + (int)below(m, 3), len);
    avj_pack_cstr(&m->pack, key);
    avj_pack_text(&m->pack, text, len);
}

static void put_fields(struct maker *m, enum avj_entity entity, const char *id, bool whole)
{
    const char *one = entity == AVJ_MESSAGE ? "content" : "title";
    bool both = whole || below(m, 2);
    bool other = below(m, 2);

    avj_pack_cstr(&m->pack, "f");
    avj_pack_map(&m->pack, (whole ? 2u : 0u) + (both ? 2u : 1u));
    if (whole) {
        put_text(m, "id", id);
        if (entity == AVJ_MESSAGE)
            put_text(m, "threadId", below(m, 2) ? "t0" : "t1");
        else
            put_text(m, "createdAt", "2026-11-22T17:00:00.000+00:00");
    }
    if (both || !other)
        put_value(m, one);
    if (both || other)
        put_value(m, entity == AVJ_MESSAGE ? "model" : "lastMessageAt");
}

static void put_version(struct maker *m)
{
    uint64_t second = m->seq * 10 / m->length + below(m, 3);
    char text[40];

    snprintf(text, sizeof text, "2026-11-22T18:00:%02u.000+00:00", (unsigned)second);
    put_text(m, "v", text);
}

static void begin(struct maker *m, enum avj_entry_type type, enum avj_entity entity, const char *id,
                  size_t pairs)
{
    int64_t ms = BEGIN_MS + (int64_t)(m->seq * 10000 / m->length) + (int64_t)below(m, 900);

    m->hlc = avj_hlc_next(m->hlc, ms);
    avj_pack_reset(&m->pack);
    avj_entry_begin(&m->pack, type, m->hlc, below(m, 2) ? "0123456789abcdef" : NULL, entity, id,
                    pairs);
}

static void make_local(struct maker *m, enum avj_entity entity, const char *id)
{
    static const enum avj_op ops[] = {AVJ_CREATE, AVJ_UPDATE, AVJ_UPDATE, AVJ_UPDATE, AVJ_DELETE};
    enum avj_op op = ops[below(m, 5)];

    begin(m, AVJ_E_LOCAL, entity, id, op == AVJ_DELETE ? 1 : 2);
    put_text(m, "o", avj_op_name(op));
    if (op != AVJ_DELETE)
        put_fields(m, entity, id, op == AVJ_CREATE);
}

static void make_state(struct maker *m, enum avj_entity entity, const char *id, bool ack)
{
    static const char *const rows[] = {"r", "r", "r", "q"};
    bool deleted = below(m, 6) == 0, elided = ack && below(m, 6) == 0;
    bool fields = !deleted && !elided;
    bool keeps = ack && below(m, 12) == 0;

    begin(m, ack ? AVJ_E_ACK : AVJ_E_REMOTE, entity, id,
          2u + (fields ? 1 : 0) + (ack ? 2 : 0) + (keeps ? 1 : 0));
    put_text(m, "r", rows[below(m, 4)]);
    put_version(m);
    if (ack) {
        put_int(m, "s", (int64_t)(m->seq - 1 - below(m, m->seq < 6 ? m->seq : 6)));
        put_int(m, "x", elided ? 0 : 200);
    }
    if (keeps) {
        avj_pack_cstr(&m->pack, "k");
        avj_pack_list(&m->pack, 1);
        avj_pack_cstr(&m->pack, "model");
    }
    if (fields)
        put_fields(m, entity, id, true);
}

static void make_simple(struct maker *m, enum avj_entry_type type, enum avj_entity entity,
                        const char *id)
{
    bool conflict = type == AVJ_E_CONFLICT;

    begin(m, type, entity, id, conflict ? 2 : 1);
    put_int(m, "s", (int64_t)(m->seq - 1));
    if (conflict)
        put_fields(m, entity, id, false);
}

static void make_push(struct maker *m, enum avj_entity entity, const char *id)
{
    begin(m, AVJ_E_PUSH, AVJ_ENTITIES, NULL, 3);
    put_text(m, "a", "x");
    put_text(m, "v", "single");
    avj_pack_cstr(&m->pack, "d");
    avj_pack_list(&m->pack, 1);
    avj_pack_list(&m->pack, 5);
    avj_pack_cstr(&m->pack, avj_schema(entity)->kind);
    avj_pack_cstr(&m->pack, id);
    avj_pack_cstr(&m->pack, "r");
    avj_pack_int(&m->pack, (int64_t)(m->seq - 1));
    avj_pack_cstr(&m->pack, "update");
}

static void make_stream(struct maker *m, const char *id)
{
    static const char *const ops[] = {"begin", "append",      "append", "append",
                                      "end",   "interrupted", "append"};
    uint64_t *turn = &m->turns[id[1] - '0'], op = below(m, 7);

    begin(m, AVJ_E_STREAM, AVJ_MESSAGE, id, 3);
    put_text(m, "o", ops[op]);
    if (op == 0)
        *turn = m->seq;
    put_int(m, "s", (int64_t)(*turn - (*turn && below(m, 8) == 0))); /* or of another begin */
    put_value(m, "d");
}

static void make_entry(struct maker *m)
{
    static const char *const messages[] = {"m0", "m1", "m2", "m3", "m4"};
    static const char *const threads[] = {"t0", "t1"};
    enum avj_entity entity = below(m, 5) ? AVJ_MESSAGE : AVJ_THREAD;
    const char *id = entity == AVJ_MESSAGE ? messages[below(m, 5)] : threads[below(m, 2)];
    uint64_t percent = below(m, 100);

    if (percent < 42)
        make_local(m, entity, id);
    else if (percent < 62)
        make_state(m, entity, id, true);
    else if (percent < 80)
        make_state(m, entity, id, false);
    else if (percent < 84)
        make_simple(m, AVJ_E_REJECT, entity, id);
    else if (percent < 87)
        make_simple(m, AVJ_E_DROP, entity, id);
    else if (percent < 89)
        make_simple(m, AVJ_E_RETRY, entity, id);
    else if (percent < 90)
        make_simple(m, AVJ_E_CONFLICT, entity, "m4");
    else if (percent < 95)
        make_push(m, entity, id);
    else
        make_stream(m, messages[below(m, 2)]);
}

/* The same entries go to every journal. */
static void extend(struct maker *m, struct avj_journal *const *journals, size_t count,
                   uint64_t entries, uint64_t rotate)
{
    struct avj_error err = {0};

    for (uint64_t i = 0; i < entries; i++) {
        m->seq = journal_info(journals[0]).next_seq;
        make_entry(m);
        struct avj_slice slice = {m->pack.data, m->pack.len};
        bool turn = below(m, rotate) == 0;
        for (size_t j = 0; j < count; j++) {
            uint64_t seq;
            assert_ok(avj_journal_append(journals[j], &slice, 1, AVJ_RELAXED, &seq, &err), err);
            assert_int_equal(seq, m->seq);
            if (turn)
                assert_ok(avj_journal_rotate(journals[j], &err), err);
        }
    }
}

/* ---- the same view ---- */

static struct avj_store *open_store(const char *dir, bool snapshots)
{
    struct avj_store_options options = {
        .journal = quiet, .no_snapshots = !snapshots, .anonymous = true};
    struct avj_store *store = NULL;
    struct avj_error err = {0};

    assert_ok(avj_store_open(dir, &options, &store, &err), err);
    return store;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static void assert_same_documents(struct avj_store *a, struct avj_store *b, enum avj_entity entity)
{
    const struct avj_doc *x, *y;
    size_t nx, ny;
    struct avj_error err = {0};

    assert_ok(avj_store_list(a, entity, &x, &nx, &err), err);
    assert_ok(avj_store_list(b, entity, &y, &ny, &err), err);
    assert_int_equal(nx, ny);
    for (size_t i = 0; i < nx; i++) {
        assert_string_equal(x[i].id, y[i].id);
        assert_int_equal(x[i].fields.len, y[i].fields.len);
        assert_memory_equal(x[i].fields.data, y[i].fields.data, x[i].fields.len);
        assert_true(same_text(x[i].remote_id, y[i].remote_id));
        assert_true(same_text(x[i].version, y[i].version));
        assert_int_equal(x[i].pending, y[i].pending);
        assert_int_equal(x[i].parked, y[i].parked);
        assert_int_equal(x[i].created_ms, y[i].created_ms);
        assert_int_equal(x[i].last_message_ms, y[i].last_message_ms);
    }
}

static void assert_same_stores(struct avj_store *a, struct avj_store *b)
{
    struct avj_store_status x, y;
    struct avj_error err = {0};

    assert_ok(avj_store_status(a, &x, &err), err);
    assert_ok(avj_store_status(b, &y, &err), err);
    assert_memory_equal(x.digest, y.digest, sizeof x.digest);
    assert_int_equal(x.pending, y.pending);
    assert_int_equal(x.parked, y.parked);
    assert_int_equal(x.conflicts, y.conflicts);
    assert_int_equal(x.oldest_pending_ms, y.oldest_pending_ms);
    assert_int_equal(x.last_ack_ms, y.last_ack_ms);
    assert_int_equal(a->view->counts.unmatched_acks, b->view->counts.unmatched_acks);
    assert_memory_equal(x.visible, y.visible, sizeof x.visible);
    for (int entity = 0; entity < AVJ_ENTITIES; entity++)
        assert_same_documents(a, b, (enum avj_entity)entity);
}

static void assert_same(const char *whole, const char *compacted)
{
    struct avj_store *a = open_store(whole, false), *b = open_store(compacted, false),
                     *c = open_store(compacted, true);

    assert_same_stores(a, b);
    assert_same_stores(a, c);
    avj_store_close(a);
    avj_store_close(b);
    avj_store_close(c);
}

/* ---- compaction ---- */

struct patience {
    uint64_t left;
};

static bool is_out(void *arg)
{
    struct patience *p = arg;

    return p->left == 0 || --p->left == 0;
}

static void keep(const char *dir, const struct avj_keep *policy)
{
    struct avj_store *store = open_store(dir, true);
    struct avj_error err = {0};

    assert_ok(avj_store_keep(store, policy, &err), err);
    avj_store_close(store);
}

static void seal(const char *dir)
{
    struct avj_journal *journal = open_journal(dir, &quiet);
    struct avj_maintained done;
    struct avj_error err = {0};

    assert_ok(avj_journal_maintain(journal, NULL, &done, &err), err);
    avj_journal_close(journal);
}

/* patience 0: to the end. */
static struct avj_compacted_history compact(const char *dir, uint64_t patience)
{
    struct avj_store *store = open_store(dir, true);
    struct patience p = {patience};
    const struct avj_compacting how = {.arg = &p, .stop = patience ? is_out : NULL};
    struct avj_compacted_history done;
    struct avj_error err = {0};

    assert_ok(avj_store_compact(store, &how, &done, &err), err);
    avj_store_close(store);
    return done;
}

/* The other journal gets as many entries, so that numbers stay the same. */
static void fill_up(const char *dir, const char *other)
{
    struct avj_journal *a = open_journal(dir, &quiet), *b = open_journal(other, &quiet);
    uint64_t wanted = journal_info(b).next_seq;
    struct avj_pack pack = {0};
    struct avj_error err = {0};

    avj_entry_begin(&pack, AVJ_E_HISTORY, 1, NULL, AVJ_ENTITIES, NULL, 0);
    struct avj_slice slice = {pack.data, pack.len};
    while (journal_info(a).next_seq < wanted)
        assert_ok(avj_journal_append(a, &slice, 1, AVJ_RELAXED, NULL, &err), err);
    avj_pack_release(&pack);
    avj_journal_close(a);
    avj_journal_close(b);
}

/* A process that has looked at nothing since before the bodies went. */
static void assert_wakes_up(const char *whole, struct avj_store *sleeper)
{
    struct avj_store *a = open_store(whole, false);
    struct avj_error err = {0};

    assert_ok(avj_store_refresh(sleeper, NULL, &err), err);
    assert_same_stores(a, sleeper);
    avj_store_close(a);
    avj_store_close(sleeper);
}

struct random_case {
    struct maker maker;
    char *whole, *compacted;
    uint64_t dropped;
};

static void extend_both(struct random_case *r, uint64_t entries, uint64_t rotate)
{
    struct avj_journal *journals[] = {open_journal(r->whole, &quiet),
                                      open_journal(r->compacted, &quiet)};

    extend(&r->maker, journals, 2, entries, rotate);
    avj_journal_close(journals[0]);
    avj_journal_close(journals[1]);
}

static void snapshot(const char *dir)
{
    struct avj_store *store = open_store(dir, true);
    struct avj_error err = {0};

    assert_ok(avj_store_snapshot(store, NULL, &err), err);
    avj_store_close(store);
}

static void one_random_log(struct journal_case *c, uint64_t seed, uint64_t *dropped)
{
    struct random_case r = {.whole = test_path(c->folder, "whole"),
                            .compacted = test_path(c->folder, "compacted")};
    struct maker *m = &r.maker;
    uint64_t rotate;

    test_rng_init(&m->rng, seed);
    m->length = 40 + below(m, 260);
    rotate = 3 + below(m, 60);
    create_journal(r.whole, &quiet);
    test_copy_tree(r.whole, r.compacted);
    extend_both(&r, m->length / 3, rotate);
    if (below(m, 2))
        snapshot(r.compacted);
    for (int round = 0; round < 3; round++) {
        const struct avj_keep policy = {true, 0, below(m, 2) ? below(m, 20000) : 0};
        struct avj_store *sleeper = open_store(r.compacted, below(m, 2));
        extend_both(&r, m->length / 4, rotate);
        keep(r.compacted, &policy);
        seal(r.compacted);
        if (below(m, 2))
            r.dropped += compact(r.compacted, 1 + below(m, 12)).records;
        fill_up(r.whole, r.compacted);
        assert_same(r.whole, r.compacted);
        r.dropped += compact(r.compacted, 0).records;
        if (!policy.bytes) /* else what was appended counts */
            assert_int_equal(compact(r.compacted, 0).records, 0); /* twice is once */
        fill_up(r.whole, r.compacted);
        assert_same(r.whole, r.compacted);
        assert_wakes_up(r.whole, sleeper);
    }
    *dropped += r.dropped;
    avj_pack_release(&m->pack);
    test_dir_free(r.whole);
    test_dir_free(r.compacted);
}

static void a_random_log_shows_the_same_however_it_is_compacted(void **state)
{
    uint64_t seed = test_rng_seed("random logs"), dropped = 0;
    uint64_t count = TEST_SANITIZED ? 25 : 120;

    for (uint64_t i = 0; i < count; i++) {
        one_random_log(*state, seed + i, &dropped);
    }
    print_message("%llu logs, %llu bodies dropped\n", (unsigned long long)count,
                  (unsigned long long)dropped);
    assert_true(dropped > count * 10);
}

/* ---- what goes, what stays ---- */

/* A log by hand: one entry a call, in a segment that is rotated at the end. */
struct hand {
    struct maker maker;
    struct avj_journal *journal;
};

static void write_entry(struct hand *h)
{
    struct avj_slice slice = {h->maker.pack.data, h->maker.pack.len};
    struct avj_error err = {0};

    assert_ok(avj_journal_append(h->journal, &slice, 1, AVJ_RELAXED, &h->maker.seq, &err), err);
}

static void content(struct hand *h, const char *id, const char *text)
{
    struct avj_pack *p = &h->maker.pack;

    avj_pack_cstr(p, "f");
    avj_pack_map(p, 2);
    avj_pack_cstr(p, "id");
    avj_pack_cstr(p, id);
    avj_pack_cstr(p, "content");
    avj_pack_cstr(p, text);
}

static void local(struct hand *h, enum avj_op op, const char *id, const char *text)
{
    begin(&h->maker, AVJ_E_LOCAL, AVJ_MESSAGE, id, op == AVJ_DELETE ? 1 : 2);
    put_text(&h->maker, "o", avj_op_name(op));
    if (op != AVJ_DELETE)
        content(h, id, text);
    write_entry(h);
}

/* text NULL: the row is gone. */
static void ack(struct hand *h, const char *id, const char *version, const char *text)
{
    begin(&h->maker, AVJ_E_ACK, AVJ_MESSAGE, id, text ? 5 : 4);
    put_text(&h->maker, "r", "row");
    put_text(&h->maker, "v", version);
    put_int(&h->maker, "s", (int64_t)h->maker.seq);
    put_int(&h->maker, "x", 200);
    if (text)
        content(h, id, text);
    write_entry(h);
}

#define V(n) "2026-11-22T18:00:0" n ".000+00:00"

/* 1 create, 2 its ack, 3 edit, 4 its ack: of "kept"; 5 create, 6 ack, 7 delete, 8 ack: of "gone".
 */
static struct hand begin_hand(struct journal_case *c)
{
    struct hand h = {.maker.length = 100};

    test_rng_init(&h.maker.rng, 1);
    create_journal(c->dir, &quiet);
    h.journal = open_journal(c->dir, &quiet);
    local(&h, AVJ_CREATE, "kept", "first words of some length");
    ack(&h, "kept", V("1"), "first words of some length");
    local(&h, AVJ_UPDATE, "kept", "second words");
    ack(&h, "kept", V("2"), "second words");
    local(&h, AVJ_CREATE, "gone", "words that were taken back");
    ack(&h, "gone", V("1"), "words that were taken back");
    local(&h, AVJ_DELETE, "gone", NULL);
    ack(&h, "gone", V("1"), NULL);
    return h;
}

static void end_hand(struct journal_case *c, struct hand *h)
{
    struct avj_error err = {0};

    assert_ok(avj_journal_rotate(h->journal, &err), err);
    avj_pack_release(&h->maker.pack);
    avj_journal_close(h->journal);
    seal(c->dir);
}

static const struct avj_keep needed = {.limited = true};

/* "12.4": the entries that have fields, and those that are stubs in their places. */
static void assert_bodies(const char *dir, const char *wanted)
{
    struct avj_journal *journal = open_journal(dir, &quiet);
    struct avj_cursor *cursor;
    struct avj_record record;
    struct avj_error err = {0};
    char seen[64] = "";
    size_t len = strlen(wanted);

    assert_ok(avj_cursor_open(journal, 0, &cursor, &err), err);
    for (size_t i = 0; i < len; i++) {
        struct avj_entry e;
        struct avj_value f;
        struct avj_stub stub;
        assert_ok(avj_cursor_next(cursor, &record, &err), err);
        assert_ok(avj_entry_decode(record.data, record.len, &e, &err), err);
        seen[i] = avj_value_get(e.root, "f", &f) ? 'f' : avj_stub_of(&e, &stub) ? 's' : '-';
        avj_entry_release(&e);
    }
    assert_string_equal(seen, wanted);
    avj_cursor_close(cursor);
    avj_journal_close(journal);
}

static void bodies_that_nothing_needs_go_and_facts_stay(void **state)
{
    struct journal_case *c = *state;
    struct hand h = begin_hand(c);

    end_hand(c, &h);
    assert_bodies(c->dir, "ffffff--");
    assert_int_equal(compact(c->dir, 0).records, 0); /* everything is kept where nobody says else */
    assert_bodies(c->dir, "ffffff--");
    keep(c->dir, &needed);
    struct avj_compacted_history done = compact(c->dir, 0);
    assert_int_equal(done.records, 5);
    assert_int_equal(done.from, 1);
    assert_int_equal(done.to, 6);
    assert_int_equal(done.segments, 1);
    assert_true(done.bytes > 100);
    assert_bodies(c->dir, "sssfss--");
}

static void what_is_kept_by_days_is_younger(void **state)
{
    struct journal_case *c = *state;
    struct hand h = begin_hand(c);
    int64_t now_ms = io.now_ms(io.ctx);

    /* An edit of today. */
    h.maker.hlc = avj_hlc_next(h.maker.hlc, now_ms);
    local(&h, AVJ_UPDATE, "kept", "third words");
    h.maker.hlc = avj_hlc_next(h.maker.hlc, now_ms);
    ack(&h, "kept", V("3"), "third words");
    end_hand(c, &h);
    keep(c->dir, &(struct avj_keep){.limited = true, .days = 31});
    assert_int_equal(compact(c->dir, 0).records, 0);
    keep(c->dir, &(struct avj_keep){.limited = true, .days = 29});
    (void)compact(c->dir, 0);
    assert_bodies(c->dir, "sssfss--ff");
    keep(c->dir, &needed);
    (void)compact(c->dir, 0);
    assert_bodies(c->dir, "ssssss--sf");
}

static void a_document_with_an_open_conflict_keeps_everything(void **state)
{
    struct journal_case *c = *state;
    struct hand h = begin_hand(c);

    begin(&h.maker, AVJ_E_CONFLICT, AVJ_MESSAGE, "gone", 2);
    put_int(&h.maker, "s", 7);
    content(&h, "gone", "an edit that lost");
    write_entry(&h);
    end_hand(c, &h);
    keep(c->dir, &needed);
    (void)compact(c->dir, 0);
    assert_bodies(c->dir, "sssfff--f");
}

static void what_the_server_can_not_hold_keeps_its_body(void **state)
{
    struct journal_case *c = *state;
    struct hand h = {.maker.length = 100};

    test_rng_init(&h.maker.rng, 1);
    create_journal(c->dir, &quiet);
    h.journal = open_journal(c->dir, &quiet);
    local(&h, AVJ_CREATE, "m", "words");
    begin(&h.maker, AVJ_E_ACK, AVJ_MESSAGE, "m", 6);
    put_text(&h.maker, "r", "row");
    put_text(&h.maker, "v", V("1"));
    put_int(&h.maker, "s", 1);
    put_int(&h.maker, "x", 200);
    avj_pack_cstr(&h.maker.pack, "k");
    avj_pack_list(&h.maker.pack, 1);
    avj_pack_cstr(&h.maker.pack, "content");
    content(&h, "m", "words");
    write_entry(&h);
    end_hand(c, &h);
    keep(c->dir, &needed);
    assert_int_equal(compact(c->dir, 0).records, 0);
    assert_bodies(c->dir, "ff");
}

static void chunks_of_a_message_that_stands_go_at_any_setting(void **state)
{
    struct journal_case *c = *state;
    static const char *const ops[] = {"begin", "append", "append", "end", "begin", "append"};
    uint64_t turn = 0; /* its begin */
    struct hand h = {.maker.length = 100};
    struct avj_store *store;
    struct avj_journal_info before, after;

    test_rng_init(&h.maker.rng, 1);
    create_journal(c->dir, &quiet);
    h.journal = open_journal(c->dir, &quiet);
    for (size_t i = 0; i < 6; i++) {
        begin(&h.maker, AVJ_E_STREAM, AVJ_MESSAGE, "m", 3);
        put_text(&h.maker, "o", ops[i]);
        put_int(&h.maker, "s", (int64_t)turn);
        put_text(&h.maker, "d", "a part of the answer");
        write_entry(&h);
        if (i % 4 == 0)
            turn = h.maker.seq;
    }
    end_hand(c, &h);
    store = open_store(c->dir, false);
    before = journal_info(avj_store_journal(store));
    avj_store_close(store);
    assert_int_equal(compact(c->dir, 0).records, 2);
    assert_bodies(c->dir, "-ss---");
    store = open_store(c->dir, false);
    after = journal_info(avj_store_journal(store));
    assert_int_equal(after.next_seq, before.next_seq + 1); /* the record of it */
    avj_store_close(store);
}

static void the_past_shows_that_something_is_not_there_any_more(void **state)
{
    struct journal_case *c = *state;
    struct hand h = begin_hand(c);
    struct avj_store_options options = {.journal = quiet, .at_seq = 2};
    struct avj_store *store;
    struct avj_doc doc;
    struct avj_error err = {0};
    struct avj_tree *tree;
    struct avj_value dropped;

    end_hand(c, &h);
    keep(c->dir, &needed);
    (void)compact(c->dir, 0);
    assert_ok(avj_store_open(c->dir, &options, &store, &err), err);
    assert_int_equal(avj_store_get(store, AVJ_MESSAGE, "kept", &doc), AVJ_OK);
    assert_true(avj_fields_get(doc.fields, "$dropped", &tree, &dropped));
    assert_true(dropped.kind == AVJ_BOOL && dropped.boolean);
    assert_string_equal(doc.version, V("1"));
    avj_tree_free(tree);
    assert_status(AVJ_EREADONLY, avj_store_compact(store, NULL, NULL, &err), err);
    avj_store_close(store);
}

/* ---- whatever fails ---- */

/* False: nothing failed any more. */
static bool compact_with(struct journal_case *c, uint64_t nth, enum fault_how how)
{
    struct fault_io *fault = fault_io_new(&io);
    struct fault_plan plan = {FAULT_ANY, nth, nth % 2, how, nth % 3 ? EIO : ENOSPC}, none = {0};
    struct avj_store_options options = {.journal = quiet, .no_snapshots = true};
    struct avj_store *store;
    struct avj_error err = {0};
    char *dir = test_path(c->folder, "failing");
    bool failed;

    test_copy_tree(c->dir, dir);
    options.journal.io = fault_io_table(fault);
    assert_ok(avj_store_open(dir, &options, &store, &err), err);
    fault_io_plan(fault, &plan);
    enum avj_status ignored = avj_store_compact(store, NULL, NULL, &err);
    (void)ignored;
    failed = fault_io_failed(fault) > 0;
    fault_io_plan(fault, &none);
    avj_store_close(store);
    assert_int_equal(fault_io_open_files(fault), 0);
    fault_io_free(fault);
    assert_same(c->dir, dir);
    (void)compact(dir, 0);
    assert_same(c->dir, dir);
    assert_bodies(dir, "sssfss--");
    test_dir_free(dir);
    return failed;
}

static void every_call_fails_in_turn_and_the_view_stays(void **state)
{
    struct journal_case *c = *state;
    struct hand h = begin_hand(c);
    uint64_t nth = 1;

    end_hand(c, &h);
    keep(c->dir, &needed);
    while (compact_with(c, nth, nth % 5 ? FAULT_ERROR : FAULT_HALF_ERROR))
        nth++;
    assert_true(nth > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOURNAL_CASE(a_random_log_shows_the_same_however_it_is_compacted),
        JOURNAL_CASE(bodies_that_nothing_needs_go_and_facts_stay),
        JOURNAL_CASE(what_is_kept_by_days_is_younger),
        JOURNAL_CASE(a_document_with_an_open_conflict_keeps_everything),
        JOURNAL_CASE(what_the_server_can_not_hold_keeps_its_body),
        JOURNAL_CASE(chunks_of_a_message_that_stands_go_at_any_setting),
        JOURNAL_CASE(the_past_shows_that_something_is_not_there_any_more),
        JOURNAL_CASE(every_call_fails_in_turn_and_the_view_stays),
    };

    io = *avj_io_posix();
    io.sync = no_sync;
    io.sync_dir = no_sync_dir;
    io.now_ms = a_month_later;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
