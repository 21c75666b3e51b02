/*
 * Another process appends in the very moment between planning what a server's state does and
 * writing it down: nothing of what it wrote may be lost unnoticed.  The moment is that at which the
 * append lock is asked for; a durable append asks for another one besides.
 */
#include "replay/store_private.h"
#include "tests/support/cases.h"
#include "tests/support/files.h"

#define EARLY "2020-11-22T18:00:01.000+00:00"
#define LATE  "2100-11-22T18:00:01.000+00:00"
#define LATER "2100-11-22T18:00:02.000+00:00"

static struct avj_error err;

struct race {
    char *dir, *path;
    struct avj_io io;
    struct avj_store *here, *other;
    char thread[AVJ_ID_TEXT];
    void (*meanwhile)(struct race *race); /* NULL: nothing happens */
    unsigned asked;                       /* for the append lock */
};

static int ask_for_lock(void *ctx, int file)
{
    struct race *race = ctx;
    void (*meanwhile)(struct race *) = race->meanwhile;
    race->meanwhile = NULL;
    race->asked++;
    if (meanwhile)
        meanwhile(race);
    return avj_io_posix()->try_lock(NULL, file);
}

static struct avj_store *open_store(const struct race *race, const struct avj_io *io)
{
    struct avj_store_options options = {.journal = {.io = io, .no_background = true},
                                        .anonymous = true};
    struct avj_store *store;
    assert_ok(avj_store_open(race->path, &options, &store, &err), err);
    return store;
}

static int setup(void **state)
{
    struct race *race = calloc(1, sizeof(*race));
    race->dir = test_dir_new();
    race->path = test_path(race->dir, "j");
    race->io = *avj_io_posix();
    race->io.ctx = race; /* those of POSIX do not look at it */
    race->io.try_lock = ask_for_lock;
    assert_ok(avj_store_create(race->path, NULL, NULL, &err), err);
    race->other = open_store(race, NULL);
    assert_ok(avj_thread_new(race->other, "a thread", race->thread, &err), err);
    race->here = open_store(race, &race->io);
    *state = race;
    return 0;
}

static int teardown(void **state)
{
    struct race *race = *state;
    avj_store_close(race->here);
    avj_store_close(race->other);
    test_dir_free(race->dir);
    free(race->path);
    free(race);
    return 0;
}

static void pack_text(struct avj_pack *p, const char *name, const char *text)
{
    avj_pack_cstr(p, name);
    avj_pack_cstr(p, text);
}

/* Row "m1", or it is gone (text NULL). */
static struct avj_row row_of(const struct race *race, struct avj_pack *p, const char *version,
                             const char *text)
{
    avj_pack_map(p, 5);
    pack_text(p, "id", "m1");
    pack_text(p, "createdAt", "2026-11-22T18:00:00.000+00:00");
    pack_text(p, "threadId", race->thread);
    pack_text(p, "role", "user");
    pack_text(p, "content", text ? text : "");
    return (struct avj_row){.entity = AVJ_MESSAGE,
                            .id = "m1",
                            .remote_id = "m1",
                            .version = version,
                            .created = "2026-11-22T18:00:00.000+00:00",
                            .deleted = !text,
                            .fields = {p->data, p->len}};
}

static void arrive(struct race *race, const char *version, const char *text)
{
    struct avj_pack p = {0};
    struct avj_row row = row_of(race, &p, version, text);
    assert_ok(avj_sync_remote(race->here, &row, 1, "realtime", AVJ_RELAXED, NULL, &err), err);
    avj_pack_release(&p);
}

/* ---- what the other process does meanwhile ---- */

static void it_edits(struct race *race)
{
    assert_ok(avj_message_edit(race->other, "m1", "edited", 6, &err), err);
}

static void it_deletes(struct race *race)
{
    assert_ok(avj_message_delete(race->other, "m1", &err), err);
}

static void it_edits_another(struct race *race)
{
    assert_ok(avj_thread_rename(race->other, race->thread, "renamed", &err), err);
}

static void it_hears_the_same(struct race *race)
{
    struct avj_pack p = {0};
    struct avj_row row = row_of(race, &p, LATE, "from elsewhere");
    assert_ok(avj_sync_remote(race->other, &row, 1, "realtime", AVJ_RELAXED, NULL, &err), err);
    avj_pack_release(&p);
}

static void it_measures_the_clock(struct race *race)
{
    assert_ok(avj_sync_clock(race->other, -86400000, &err), err);
}

/* ---- what is left of it ---- */

struct race_case {
    const char *sentence;
    void (*meanwhile)(struct race *race);
    const char *version, *arrives; /* NULL: deleted */
    const char *shows;             /* NULL: the message is gone */
    unsigned conflicts, pending, asked;
};

static const struct race_case cases[] = {
    {"an edit that loses to the newer state is kept as a conflict", it_edits, LATE, "new", "new", 1,
     1, 2},
    {"an edit that wins leaves the state as a conflict", it_edits, EARLY, "new", "edited", 1, 2, 2},
    {"an edit of what was deleted elsewhere is kept", it_edits, LATE, NULL, NULL, 1, 1, 2},
    {"a delete wins, what it had not seen is kept", it_deletes, LATE, "new", NULL, 1, 2, 2},
    {"a state that the other journaled is not journaled again", it_hears_the_same, LATE,
     "from elsewhere", "from elsewhere", 0, 1, 1},
    {"a clock that was measured meanwhile is looked at", it_measures_the_clock, LATE, "new", "new",
     0, 1, 2},
    {"what does not concern the document costs no second plan", it_edits_another, LATE, "new",
     "new", 0, 2, 1},
    {"alone, one plan does", NULL, LATE, "new", "new", 0, 1, 1},
};

static unsigned conflicts_of(struct avj_store *store)
{
    const struct avj_conflict *conflicts;
    size_t count;
    assert_ok(avj_store_conflicts(store, &conflicts, &count, &err), err);
    return (unsigned)count;
}

static void check_message(struct avj_store *store, const struct race_case *c)
{
    struct avj_doc doc;
    struct avj_tree *tree;
    struct avj_value content;
    enum avj_status status = avj_store_get(store, AVJ_MESSAGE, "m1", &doc);
    if (!c->shows) {
        assert_int_equal(status, AVJ_ENOTFOUND);
        return;
    }
    assert_int_equal(status, AVJ_OK);
    assert_int_equal(avj_tree_parse(doc.fields.data, doc.fields.len, &tree), AVJ_OK);
    assert_true(avj_value_get(avj_tree_root(tree), "content", &content));
    if (!avj_value_text_is(content, c->shows))
        fail_msg("%s: it shows \"%.*s\"", c->sentence, (int)content.len, content.text);
    avj_tree_free(tree);
}

static void check(struct race *race, const struct race_case *c)
{
    assert_int_equal(err.status, AVJ_OK); /* planning anew is no failure that callers would keep */
    struct avj_store_status status, replayed;
    struct avj_store *anew = open_store(race, NULL);
    assert_ok(avj_store_refresh(race->here, NULL, &err), err);
    assert_ok(avj_store_status(race->here, &status, &err), err);
    assert_ok(avj_store_status(anew, &replayed, &err), err);
    if (status.conflicts != c->conflicts || conflicts_of(race->here) != c->conflicts)
        fail_msg("%s: %u conflicts", c->sentence, conflicts_of(race->here));
    if (status.pending != c->pending || race->asked != c->asked)
        fail_msg("%s: %u pending, asked %u times", c->sentence, (unsigned)status.pending,
                 race->asked);
    check_message(race->here, c);
    check_message(anew, c);
    assert_memory_equal(status.digest, replayed.digest, sizeof(status.digest));
    avj_store_close(anew);
}

static void what_is_written_meanwhile_is_met(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct race *race;
        (void)setup((void **)&race);
        arrive(race, "2010-11-22T18:00:01.000+00:00", "first");
        assert_ok(avj_store_refresh(race->other, NULL, &err), err);
        err = (struct avj_error){.status = AVJ_OK};
        race->asked = 0;
        race->meanwhile = cases[i].meanwhile;
        arrive(race, cases[i].version, cases[i].arrives);
        check(race, &cases[i]);
        void *pointer = race;
        (void)teardown(&pointer);
    }
}

/* The push of an edit was answered with what others made of the row; meanwhile the field is edited
 * again here. */
static void an_answer_meets_what_is_written_meanwhile(void **state)
{
    struct race *race = *state;
    struct avj_pack p = {0};
    const struct avj_push_op *ops;
    size_t count, i = 0;
    arrive(race, EARLY, "first");
    assert_ok(avj_store_refresh(race->other, NULL, &err), err);
    assert_ok(avj_message_edit(race->here, "m1", "sent", 4, &err), err);
    assert_ok(avj_store_refresh(race->other, NULL, &err), err);
    assert_ok(avj_outbox_next(race->here, 10, NULL, NULL, &ops, &count, &err), err);
    while (i < count && ops[i].entity != AVJ_MESSAGE)
        i++;
    assert_true(i < count);
    struct avj_push_op op = ops[i];
    op.id = "m1";
    op.base_version = EARLY;
    struct avj_outcome outcome = {
        .op = &op, .acknowledged = true, .status = 200, .row = row_of(race, &p, LATER, "theirs")};
    err = (struct avj_error){.status = AVJ_OK};
    race->asked = 0;
    race->meanwhile = it_edits;
    assert_ok(avj_sync_settle(race->here, &outcome, 1, &err), err);
    avj_pack_release(&p);
    check(race, &(struct race_case){"the second edit lost to what the answer told, and is kept",
                                    NULL, LATER, "theirs", "theirs", 1, 1, 3});
}

/* Many rows in one call, one of which is edited meanwhile: each is journaled once. */
static void of_many_rows_none_is_written_twice(void **state)
{
    enum { ROWS = 40 };
    struct race *race = *state;
    struct avj_pack packs[ROWS] = {{0}};
    struct avj_row rows[ROWS];
    char ids[ROWS][8];
    size_t applied;
    arrive(race, EARLY, "first");
    assert_ok(avj_store_refresh(race->other, NULL, &err), err);
    for (size_t i = 0; i < ROWS; i++) {
        rows[i] = row_of(race, &packs[i], LATE, "new");
        snprintf(ids[i], sizeof(ids[i]), "r%zu", i);
        if (i == 17)
            continue;
        avj_pack_release(&packs[i]);
        packs[i] = (struct avj_pack){0};
        avj_pack_map(&packs[i], 5);
        pack_text(&packs[i], "id", ids[i]);
        pack_text(&packs[i], "createdAt", "2026-11-22T18:00:00.000+00:00");
        pack_text(&packs[i], "threadId", race->thread);
        pack_text(&packs[i], "role", "user");
        pack_text(&packs[i], "content", "new");
        rows[i].id = rows[i].remote_id = ids[i];
        rows[i].fields = (struct avj_fields){packs[i].data, packs[i].len};
    }
    race->meanwhile = it_edits;
    struct avj_store_status before, after;
    assert_ok(avj_store_status(race->here, &before, &err), err);
    assert_ok(avj_sync_remote(race->here, rows, ROWS, "pull", AVJ_RELAXED, &applied, &err), err);
    assert_int_equal(applied, ROWS);
    assert_ok(avj_store_status(race->here, &after, &err), err);
    assert_int_equal(after.records, before.records + 1 + ROWS + 1); /* the edit, its conflict */
    assert_int_equal(after.visible[AVJ_MESSAGE], ROWS);
    assert_int_equal(after.conflicts, 1);
    for (size_t i = 0; i < ROWS; i++)
        avj_pack_release(&packs[i]);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_meanwhile_is_met),
        CASE(an_answer_meets_what_is_written_meanwhile),
        CASE(of_many_rows_none_is_written_twice),
    };
    return cmocka_run_group_tests_name("sync race", tests, NULL, NULL);
}
