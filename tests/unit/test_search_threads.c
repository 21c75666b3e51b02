/* Searching a store: what is visible is found, all of it, and nothing else; compared with a search
 * that reads every document and tries every place. */
#include "replay/clock.h"
#include "replay/search.h"
#include "replay/sync.h"
#include "tests/support/cases.h"
#include "tests/support/files.h"
#include "tests/support/naive_search.h"
#include "tests/support/rng.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct fixture {
    char *dir, *path;
    struct avj_store *store;
};

static struct avj_error err;

static int setup(void **state)
{
    static struct fixture f;
    f.dir = test_dir_new();
    f.path = test_path(f.dir, "journal");
    if (avj_store_create(f.path, NULL, NULL, &err) != AVJ_OK ||
        avj_store_open(f.path, NULL, &f.store, &err) != AVJ_OK)
        return -1;
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    avj_store_close(f->store);
    free(f->path);
    test_dir_free(f->dir);
    return 0;
}

static void new_thread(struct avj_store *store, const char *title, char id[AVJ_ID_TEXT])
{
    assert_ok(avj_thread_new(store, title, id, &err), err);
}

static void say(struct avj_store *store, const char *thread, const char *text, char id[AVJ_ID_TEXT])
{
    assert_ok(avj_message_send(store, thread, "user", text, strlen(text), id, &err), err);
}

/* ---- the other search ---- */

struct naive {
    struct avj_store *store;
    const char *const *words;
    const struct avj_search_options *options;
    struct avj_hit *hits;
    size_t count, cap;
};

static bool holds(const struct naive *n, struct avj_slice text)
{
    for (const char *const *word = n->words; *word; word++)
        if (!naive_in(*word, text.data, text.len, n->options->match_case))
            return false;
    return true;
}

static char *copied(struct avj_slice text)
{
    char *copy = strndup(text.data ? text.data : "", text.len);
    if (!copy)
        abort();
    return copy;
}

static bool naive_each(void *arg, const struct avj_doc *doc)
{
    struct naive *n = arg;
    bool thread = doc->entity == AVJ_THREAD;
    struct avj_slice in = avj_packed_text(doc->fields.data, doc->fields.len, "threadId");
    struct avj_slice id = {doc->id, strlen(doc->id)};
    struct avj_slice of = thread ? id : in;
    const char *only = n->options->thread;
    if (only && (of.len != strlen(only) || memcmp(of.data, only, of.len) != 0))
        return true;
    if (!holds(n, avj_packed_text(doc->fields.data, doc->fields.len, thread ? "title" : "content")))
        return true;
    if (n->count == n->cap) {
        n->cap = n->cap ? n->cap * 2 : 16;
        n->hits = realloc(n->hits, n->cap * sizeof(*n->hits));
        if (!n->hits)
            abort();
    }
    n->hits[n->count++] = (struct avj_hit){.entity = doc->entity,
                                           .id = copied(id),
                                           .thread = of.data ? copied(of) : NULL,
                                           .ms = thread ? doc->last_message_ms : doc->created_ms};
    return true;
}

static int newest_first(const void *a, const void *b)
{
    const struct avj_hit *x = a, *y = b;
    if (x->ms != y->ms)
        return x->ms > y->ms ? -1 : 1;
    if (x->entity != y->entity)
        return x->entity < y->entity ? -1 : 1;
    return strcmp(y->id, x->id);
}

static void naive_search(struct naive *n)
{
    assert_ok(avj_store_walk(n->store, AVJ_THREAD, naive_each, n, &err), err);
    assert_ok(avj_store_walk(n->store, AVJ_MESSAGE, naive_each, n, &err), err);
    if (n->count)
        qsort(n->hits, n->count, sizeof(*n->hits), newest_first);
}

static void naive_release(struct naive *n)
{
    for (size_t i = 0; i < n->count; i++) {
        free((char *)n->hits[i].id);
        free((char *)n->hits[i].thread);
    }
    free(n->hits);
}

/* Both searches; gives how much was found. */
static size_t compare(struct avj_store *store, const char *const *words,
                      const struct avj_search_options *options)
{
    struct naive n = {.store = store, .words = words, .options = options};
    const struct avj_hit *hits;
    size_t count;
    naive_search(&n);
    size_t wanted = options->limit && options->limit < n.count ? options->limit : n.count;
    assert_ok(avj_store_search(store, words, options, &hits, &count, &err), err);
    assert_int_equal(count, wanted);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(hits[i].entity, n.hits[i].entity);
        assert_string_equal(hits[i].id, n.hits[i].id);
        assert_true(!hits[i].thread == !n.hits[i].thread);
        if (hits[i].thread)
            assert_string_equal(hits[i].thread, n.hits[i].thread);
        assert_int_equal(hits[i].ms, n.hits[i].ms);
    }
    naive_release(&n);
    return wanted;
}

/* ---- a random life ---- */

static const char *const vocabulary[] = {
    "fjord",  "Fjord",  "FJORDS",  "bread", "straße", "STRAẞE", "été",    "ÉTÉ", "Привет",
    "ПРИВЕТ", "мир",    "日本",    "東京",  "σοφός",  "ΣΟΦΟΣ",  "emoji😀", "k",   "\u212A",
    "s",      "\u017F", "content", "user",  "title",  "create", "the",    "ice", "Is",
};

static const char *const searched[][3] = {
    {"fjord"},
    {"FJORD", "the"},
    {"straße"},
    {"été", "ice"},
    {"привет"},
    {"мир", "Привет"},
    {"日本"},
    {"東"},
    {"σοφοσ"},
    {"😀"},
    {"k"},
    {"s", "k"},
    {"content"},
    {"user"},
    {"create"},
    {"e"},
    {"he i"},
    {"no such word"},
    {"titel", "the"},
    {"x"},
    {"ad fjo"},
};

struct life {
    struct avj_store *store;
    struct test_rng rng;
    char threads[6][AVJ_ID_TEXT];
    char messages[600][AVJ_ID_TEXT];
    size_t thread_count, message_count;
    int version;
};

static const char *sentence(struct life *l, char out[256])
{
    size_t words = 1 + test_rng_below(&l->rng, 6), len = 0;
    for (size_t i = 0; i < words; i++)
        len += (size_t)snprintf(out + len, 256 - len, "%s%s", i ? " " : "",
                                vocabulary[test_rng_below(&l->rng, COUNT(vocabulary))]);
    return out;
}

static const char *next_version(struct life *l, char out[AVJ_TIME_TEXT])
{
    avj_time_format(INT64_C(1795000000000) + l->version++, out);
    return out;
}

static void pack_row(struct avj_pack *fields, const char *id, const char *thread, const char *text,
                     const char *time)
{
    avj_pack_map(fields, 5);
    avj_pack_cstr(fields, "content"); /* not the canonical order */
    avj_pack_cstr(fields, text);
    avj_pack_cstr(fields, "id");
    avj_pack_cstr(fields, id);
    avj_pack_cstr(fields, "threadId");
    avj_pack_cstr(fields, thread);
    avj_pack_cstr(fields, "role");
    avj_pack_cstr(fields, "user");
    avj_pack_cstr(fields, "createdAt");
    avj_pack_cstr(fields, time);
}

/* What another device did to a message of ours or of its own. */
static void from_elsewhere(struct life *l, const char *id, const char *thread)
{
    char text[256], version[AVJ_TIME_TEXT], remote[64];
    struct avj_pack fields = {0};
    struct avj_doc doc;
    snprintf(remote, sizeof(remote), "row-%.20s", id);
    if (avj_store_get(l->store, AVJ_MESSAGE, id, &doc) == AVJ_OK && doc.remote_id)
        snprintf(remote, sizeof(remote), "%s", doc.remote_id);
    next_version(l, version);
    pack_row(&fields, id, thread, sentence(l, text), version);
    struct avj_row row = {.entity = AVJ_MESSAGE,
                          .id = id,
                          .remote_id = remote,
                          .version = version,
                          .created = version,
                          .deleted = test_rng_below(&l->rng, 5) == 0,
                          .fields = {fields.data, fields.len}};
    size_t applied;
    assert_ok(avj_sync_remote(l->store, &row, 1, "realtime", AVJ_RELAXED, &applied, &err), err);
    avj_pack_release(&fields);
}

/* Some of what waits is acknowledged, as it is or refused. */
static void settle_some(struct life *l)
{
    const struct avj_push_op *ops;
    size_t count;
    assert_ok(avj_outbox_next(l->store, 20, NULL, NULL, &ops, &count, &err), err);
    if (count == 0)
        return;
    struct avj_outcome outcomes[20];
    static char versions[20][AVJ_TIME_TEXT];
    for (size_t i = 0; i < count; i++) {
        bool elided = ops[i].kind == AVJ_PUSH_ELIDE, refused = test_rng_below(&l->rng, 8) == 0;
        outcomes[i] = (struct avj_outcome){.op = &ops[i],
                                           .acknowledged = elided || !refused,
                                           .status = elided    ? 0
                                                     : refused ? 400
                                                               : 200,
                                           .error_type = "bad",
                                           .error_message = "no"};
        outcomes[i].row = (struct avj_row){.entity = ops[i].entity,
                                           .id = ops[i].id,
                                           .remote_id = ops[i].remote_id,
                                           .version = next_version(l, versions[i]),
                                           .created = versions[i],
                                           .deleted = ops[i].kind == AVJ_PUSH_DELETE || elided,
                                           .fields = ops[i].fields};
    }
    assert_ok(avj_sync_settle(l->store, outcomes, count, &err), err);
}

static void change_message(struct life *l, const char *id)
{
    char text[256];
    struct avj_doc doc;
    if (avj_store_get(l->store, AVJ_MESSAGE, id, &doc) != AVJ_OK)
        return;
    if (test_rng_below(&l->rng, 4) == 0) {
        assert_ok(avj_message_delete(l->store, id, &err), err);
        return;
    }
    sentence(l, text);
    assert_ok(avj_message_edit(l->store, id, text, strlen(text), &err), err);
}

static void live(struct life *l)
{
    char text[256], *thread = l->threads[test_rng_below(&l->rng, l->thread_count)];
    char *message = l->messages[l->message_count ? test_rng_below(&l->rng, l->message_count) : 0];
    switch (test_rng_below(&l->rng, 10)) {
    case 0:
        if (l->message_count)
            change_message(l, message);
        return;
    case 1:
        if (l->message_count)
            from_elsewhere(l, message, thread);
        return;
    case 2:
        settle_some(l);
        return;
    case 3:
        assert_ok(avj_thread_rename(l->store, thread, sentence(l, text), &err), err);
        return;
    default:
        break;
    }
    if (l->message_count < COUNT(l->messages))
        say(l->store, thread, sentence(l, text), l->messages[l->message_count++]);
}

static void begin_life(struct life *l, struct avj_store *store, uint64_t seed)
{
    char text[256];
    *l = (struct life){.store = store};
    test_rng_init(&l->rng, seed);
    for (; l->thread_count < COUNT(l->threads); l->thread_count++)
        new_thread(store, sentence(l, text), l->threads[l->thread_count]);
}

static size_t compare_all(struct life *l, struct avj_store *store)
{
    size_t found = 0;
    for (size_t i = 0; i < COUNT(searched); i++) {
        struct avj_search_options options = {.match_case = i % 2};
        found += compare(store, searched[i], &options);
        options.limit = 1 + test_rng_below(&l->rng, 8);
        compare(store, searched[i], &options);
        options = (struct avj_search_options){
            .thread = l->threads[test_rng_below(&l->rng, l->thread_count)],
            .limit = test_rng_below(&l->rng, 3)};
        struct avj_doc doc;
        if (avj_store_get(store, AVJ_THREAD, options.thread, &doc) == AVJ_OK)
            found += compare(store, searched[i], &options);
    }
    return found;
}

static void a_search_finds_what_reading_everything_finds(void **state)
{
    struct fixture *f = *state;
    static struct life l;
    size_t found = 0;
    begin_life(&l, f->store, test_rng_seed("search"));
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 150; i++)
            live(&l);
        found += compare_all(&l, f->store);
    }
    assert_true(found > 1000); /* else it proves little */

    /* and when everything is read anew, from sealed segments. */
    struct avj_store_options alone = {.journal.no_background = true}; /* nobody else seals */
    avj_store_close(f->store);
    assert_ok(avj_store_open(f->path, &alone, &f->store, &err), err);
    struct avj_journal *journal = avj_store_journal(f->store);
    assert_ok(avj_journal_rotate(journal, &err), err);
    assert_ok(avj_journal_maintain(journal, NULL, NULL, &err), err);
    compare_all(&l, f->store);
}

static void a_store_of_the_past_is_searched_as_it_was(void **state)
{
    struct fixture *f = *state;
    static struct life l;
    struct avj_store_status now;
    begin_life(&l, f->store, test_rng_seed("search of the past"));
    for (int i = 0; i < 300; i++)
        live(&l);
    assert_ok(avj_store_status(f->store, &now, &err), err);
    for (uint64_t seq = 10; seq <= now.records; seq += now.records / 5) {
        struct avj_store_options options = {.at_seq = seq};
        struct avj_store *past;
        assert_ok(avj_store_open(f->path, &options, &past, &err), err);
        compare_all(&l, past);
        avj_store_close(past);
    }
}

/* ---- by hand ---- */

static size_t search(struct avj_store *store, const char *word, const struct avj_hit **hits)
{
    const char *const words[] = {word, NULL};
    size_t count;
    assert_ok(avj_store_search(store, words, NULL, hits, &count, &err), err);
    return count;
}

static void only_what_is_visible_now_is_found(void **state)
{
    struct fixture *f = *state;
    char t[AVJ_ID_TEXT], m[AVJ_ID_TEXT];
    const struct avj_hit *hits;
    new_thread(f->store, "Norway", t);
    say(f->store, t, "the fjords in May", m);
    assert_int_equal(search(f->store, "FJORD", &hits), 1);
    assert_string_equal(hits[0].id, m);
    assert_string_equal(hits[0].thread, t);
    assert_int_equal(hits[0].entity, AVJ_MESSAGE);
    assert_int_equal(search(f->store, "norway", &hits), 1);
    assert_int_equal(hits[0].entity, AVJ_THREAD);
    assert_int_equal(search(f->store, "user", &hits), 0); /* a role is no content */
    assert_int_equal(search(f->store, t, &hits), 0);      /* nor is an id */

    assert_ok(avj_message_edit(f->store, m, "the lakes in May", 16, &err), err);
    assert_int_equal(search(f->store, "fjord", &hits), 0);
    assert_int_equal(search(f->store, "lakes", &hits), 1);
    assert_ok(avj_message_delete(f->store, m, &err), err);
    assert_int_equal(search(f->store, "lakes", &hits), 0);
}

static void what_can_not_be_searched_for_is_refused(void **state)
{
    static const struct {
        const char *words[3];
        enum avj_status wanted;
        const char *message;
    } rows[] = {
        {{NULL}, AVJ_EINVAL, "one word or more"},
        {{""}, AVJ_EINVAL, "word 1 to search for is empty"},
        {{"a", ""}, AVJ_EINVAL, "word 2 to search for is empty"},
        {{"a", "b\xff"}, AVJ_EINVAL, "word 2 to search for is not UTF-8"},
    };
    struct fixture *f = *state;
    const struct avj_hit *hits;
    size_t count;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_status(rows[i].wanted,
                      avj_store_search(f->store, rows[i].words, NULL, &hits, &count, &err), err);
        assert_contains(err.message, rows[i].message);
        assert_int_equal(count, 0);
    }
    const char *const word[] = {"a", NULL};
    struct avj_search_options nowhere = {.thread = "none"};
    assert_status(AVJ_ENOTFOUND, avj_store_search(f->store, word, &nowhere, &hits, &count, &err),
                  err);
    assert_contains(err.message, "none");
}

/* An entry as another program may write it: fields in another order, and a key that nobody knows.
 */
static void append_foreign(struct avj_store *store, const char *thread, const char *id,
                           const char *text, const char *key)
{
    struct avj_pack entry = {0};
    avj_entry_begin(&entry, AVJ_E_LOCAL, avj_store_stamp(store), "elsewhere", AVJ_MESSAGE, id, 3);
    avj_pack_cstr(&entry, "o");
    avj_pack_cstr(&entry, "create");
    avj_pack_cstr(&entry, key);
    avj_pack_cstr(&entry, text);
    avj_pack_cstr(&entry, "f");
    pack_row(&entry, id, thread, text, "2026-11-22T18:00:00.000+00:00");
    struct avj_slice record = {entry.data, entry.len};
    assert_ok(avj_journal_append(avj_store_journal(store), &record, 1, AVJ_RELAXED, NULL, &err),
              err);
    avj_pack_release(&entry);
    assert_ok(avj_store_refresh(store, NULL, &err), err);
}

static void entries_of_other_programs_are_searched_too(void **state)
{
    struct fixture *f = *state;
    char t[AVJ_ID_TEXT];
    const struct avj_hit *hits;
    new_thread(f->store, "t", t);
    append_foreign(f->store, t, "in another order", "fjords", "y");
    append_foreign(f->store, t, "with a strange key", "more fjords", "Z");
    assert_int_equal(search(f->store, "fjord", &hits), 2);
    assert_string_equal(hits[0].thread, t);
    assert_int_equal(search(f->store, "more", &hits), 1);
    assert_string_equal(hits[0].id, "with a strange key");
    assert_int_equal(search(f->store, "elsewhere", &hits), 0);
}

/* ---- larger than one thread's stretch ---- */

#define MANY 40000

/* As this program writes them, unlike pack_row. */
static void pack_plain(struct avj_pack *fields, const char *id, const char *thread,
                       const char *text, const char *time)
{
    const char *const pairs[] = {"id",   id,        "threadId", thread,      "role",
                                 "user", "content", text,       "createdAt", time};
    avj_pack_map(fields, COUNT(pairs) / 2);
    for (size_t i = 0; i < COUNT(pairs); i++)
        avj_pack_cstr(fields, pairs[i]);
}

static void fill_many(struct fixture *f, const char *thread)
{
    static char ids[500][AVJ_ID_TEXT];
    static struct avj_mutation mutations[500];
    for (int done = 0; done < MANY; done += 500) {
        struct avj_pack fields[500] = {{0}};
        for (int i = 0; i < 500; i++) {
            char text[64], time[AVJ_TIME_TEXT];
            assert_ok(avj_id_new(f->store, ids[i]), err);
            snprintf(text, sizeof(text), "number %d of many", done + i);
            avj_time_format(INT64_C(1700000000000) + done + i, time);
            pack_plain(&fields[i], ids[i], thread, text, time);
            mutations[i] = (struct avj_mutation){
                AVJ_CREATE, AVJ_MESSAGE, ids[i], {fields[i].data, fields[i].len}};
        }
        assert_ok(avj_store_mutate(f->store, mutations, 500, AVJ_RELAXED, NULL, &err), err);
        for (int i = 0; i < 500; i++)
            avj_pack_release(&fields[i]);
    }
}

struct calls {
    uint64_t done, total;
    int progress, asked, stop_at;
};

static void on_progress(void *arg, uint64_t done, uint64_t total)
{
    struct calls *calls = arg;
    calls->progress++;
    calls->done = done;
    calls->total = total;
}

static bool on_stop(void *arg)
{
    struct calls *calls = arg;
    return ++calls->asked == calls->stop_at;
}

static void several_threads_find_what_one_finds(void **state)
{
    struct fixture *f = *state;
    char t[AVJ_ID_TEXT];
    const struct avj_hit *hits;
    const char *const digits[] = {"9", "number", NULL};
    size_t count;
    struct calls calls = {.stop_at = -1};
    new_thread(f->store, "Many", t);
    fill_many(f, t);
    assert_int_equal(search(f->store, "number", &hits), MANY);
    for (size_t i = 1; i < MANY; i++)
        assert_true(hits[i - 1].ms > hits[i].ms);

    struct avj_search_options options = {
        .limit = 10, .stop = on_stop, .progress = on_progress, .arg = &calls};
    assert_ok(avj_store_search(f->store, digits, &options, &hits, &count, &err), err);
    assert_int_equal(count, 10);
    assert_int_equal(hits[0].ms, INT64_C(1700000000000) + MANY - 1);
    assert_int_equal(hits[9].ms, INT64_C(1700000000000) + MANY - 10);
    assert_true(calls.progress > 0 && calls.asked > 0);
    assert_true(calls.done <= calls.total);
    options.limit = 0;
    compare(f->store, digits, &options);

    /* The same without threads of the library's own. */
    struct avj_store_options alone = {.journal.no_background = true};
    avj_store_close(f->store);
    assert_ok(avj_store_open(f->path, &alone, &f->store, &err), err);
    compare(f->store, digits, &options);
}

static void a_search_that_is_stopped_gives_what_it_has(void **state)
{
    struct fixture *f = *state;
    char t[AVJ_ID_TEXT];
    const struct avj_hit *hits;
    const char *const words[] = {"number", NULL};
    size_t count;
    struct calls calls = {.stop_at = 1};
    struct avj_search_options options = {.stop = on_stop, .arg = &calls};
    new_thread(f->store, "Many", t);
    fill_many(f, t);
    assert_ok(avj_store_search(f->store, words, &options, &hits, &count, &err), err);
    assert_in_range(count, 1, MANY - 1);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(hits[i].entity, AVJ_MESSAGE);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(only_what_is_visible_now_is_found),
        CASE(what_can_not_be_searched_for_is_refused),
        CASE(entries_of_other_programs_are_searched_too),
        CASE(a_search_finds_what_reading_everything_finds),
        CASE(a_store_of_the_past_is_searched_as_it_was),
        CASE(several_threads_find_what_one_finds),
        CASE(a_search_that_is_stopped_gives_what_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
