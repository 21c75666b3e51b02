/*
 * Pages of threads and of messages are what sorting everything and slicing it gives: in both
 * directions, between two documents, with any limit, and with ids that are not in the list.
 */
#include "replay/clock.h"
#include "tests/support/cases.h"
#include "tests/support/history_store.h"

#define JOURNAL "j"

struct item {
    char *id, *thread;
    int64_t ms;
    bool pinned;
};

struct rig {
    struct mem_io *mem;
    struct history_store s;
    struct test_rng rng;
    struct item *messages, *threads;
    size_t message_count, thread_count;
};

/* ---- what is there, found by walking ---- */

static char *copied(const char *text, size_t len)
{
    char *copy = malloc(len + 1);
    if (!copy)
        abort();
    memcpy(copy, text, len);
    copy[len] = 0;
    return copy;
}

static bool get_value(const struct avj_doc *doc, const char *key, struct avj_tree **tree,
                      struct avj_value *value)
{
    if (avj_tree_parse(doc->fields.data, doc->fields.len, tree) != AVJ_OK)
        abort();
    return avj_value_get(avj_tree_root(*tree), key, value);
}

static bool note_message(void *arg, const struct avj_doc *doc)
{
    struct rig *rig = arg;
    struct avj_tree *tree;
    struct avj_value thread;
    struct item *item = &rig->messages[rig->message_count++];
    bool named = get_value(doc, "threadId", &tree, &thread) && thread.kind == AVJ_TEXT;
    *item = (struct item){.id = copied(doc->id, strlen(doc->id)), .ms = doc->created_ms};
    item->thread = named ? copied(thread.text, thread.len) : NULL;
    avj_tree_free(tree);
    return true;
}

static bool note_thread(void *arg, const struct avj_doc *doc)
{
    struct rig *rig = arg;
    struct avj_tree *tree;
    struct avj_value pinned;
    struct item *item = &rig->threads[rig->thread_count++];
    *item = (struct item){.id = copied(doc->id, strlen(doc->id)), .ms = doc->last_message_ms};
    (void)get_value(doc, "isPinned", &tree, &pinned);
    item->pinned = pinned.kind == AVJ_BOOL && pinned.boolean;
    avj_tree_free(tree);
    return true;
}

static int message_order(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    if (x->ms != y->ms)
        return x->ms < y->ms ? -1 : 1;
    return strcmp(x->id, y->id);
}

static int thread_order(const void *a, const void *b)
{
    const struct item *x = a, *y = b;
    if (x->pinned != y->pinned)
        return x->pinned ? -1 : 1;
    if (x->ms != y->ms)
        return x->ms > y->ms ? -1 : 1;
    return strcmp(x->id, y->id);
}

static void walk(struct rig *rig)
{
    struct avj_error err = {0};
    const struct avj_view *view = rig->s.store->view;
    rig->messages = calloc(view->counts.visible[AVJ_MESSAGE] + 1, sizeof(*rig->messages));
    rig->threads = calloc(view->counts.visible[AVJ_THREAD] + 1, sizeof(*rig->threads));
    assert_true(rig->messages && rig->threads);
    assert_ok(avj_store_walk(rig->s.store, AVJ_MESSAGE, note_message, rig, &err), err);
    assert_ok(avj_store_walk(rig->s.store, AVJ_THREAD, note_thread, rig, &err), err);
    assert_int_equal(rig->message_count, view->counts.visible[AVJ_MESSAGE]);
    assert_int_equal(rig->thread_count, view->counts.visible[AVJ_THREAD]);
    qsort(rig->messages, rig->message_count, sizeof(*rig->messages), message_order);
    qsort(rig->threads, rig->thread_count, sizeof(*rig->threads), thread_order);
}

/* ---- random chats ---- */

static void put_time(struct rig *rig, const char *key, struct avj_pack *out)
{
    char text[AVJ_TIME_TEXT];
    avj_time_format(1795370400000 + 1000 * (int64_t)test_rng_below(&rig->rng, 20), text);
    avj_pack_cstr(out, key);
    avj_pack_cstr(out, text);
}

static void put_id(unsigned number, char out[64])
{
    if (number % 2)
        snprintf(out, 64, "%08x-0000-4000-8000-000000000000", number);
    else
        snprintf(out, 64, "id_%u", number);
}

static void add(struct rig *rig, enum avj_entity entity, unsigned number, const char *op)
{
    struct avj_error err = {0};
    struct avj_pack e = {0};
    char id[64], thread[64];
    put_id(number, id);
    put_id((unsigned)test_rng_below(&rig->rng, 16), thread);
    bool deletes = strcmp(op, "delete") == 0;
    avj_entry_begin(&e, AVJ_E_LOCAL, 1, NULL, entity, id, deletes ? 1 : 2);
    avj_pack_cstr(&e, "o");
    avj_pack_cstr(&e, op);
    if (!deletes) {
        avj_pack_cstr(&e, "f");
        avj_pack_map(&e, 3);
        put_time(rig, "createdAt", &e);
        if (entity == AVJ_THREAD) {
            put_time(rig, "lastMessageAt", &e);
            avj_pack_cstr(&e, "isPinned");
            avj_pack_bool(&e, test_rng_below(&rig->rng, 4) == 0);
        } else {
            avj_pack_cstr(&e, "threadId");
            avj_pack_cstr(&e, thread);
            avj_pack_cstr(&e, "content");
            avj_pack_cstr(&e, "c");
        }
    }
    struct avj_slice slice = {e.data, e.len};
    assert_ok(avj_store_append(rig->s.store, &slice, 1, AVJ_RELAXED, NULL, &err), err);
    avj_pack_release(&e);
}

static void rig_begin(struct rig *rig, uint64_t seed)
{
    static const char *const ops[] = {"create", "create", "create", "update", "delete"};
    memset(rig, 0, sizeof(*rig));
    rig->mem = mem_io_new(seed);
    history_store_begin(&rig->s, mem_io_table(rig->mem), JOURNAL, seed);
    test_rng_init(&rig->rng, seed);
    for (int i = 0; i < 300; i++)
        add(rig, AVJ_MESSAGE, (unsigned)test_rng_below(&rig->rng, 120), ops[i % 5]);
    for (int i = 0; i < 60; i++)
        add(rig, AVJ_THREAD, (unsigned)test_rng_below(&rig->rng, 24), ops[i % 5]);
    if (seed % 2) { /* out of a mapped snapshot, and changed since */
        (void)history_store_snapshot(&rig->s);
        history_store_close(&rig->s);
        history_store_open(&rig->s);
        assert_true(rig->s.store->snapshot_seq);
        for (int i = 0; i < 20; i++)
            add(rig, AVJ_MESSAGE, (unsigned)test_rng_below(&rig->rng, 120), ops[i % 5]);
    }
    walk(rig);
}

static void free_items(struct item *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(items[i].id);
        free(items[i].thread);
    }
    free(items);
}

static void rig_end(struct rig *rig)
{
    free_items(rig->messages, rig->message_count);
    free_items(rig->threads, rig->thread_count);
    history_store_end(&rig->s);
    mem_io_free(rig->mem);
}

/* ---- sorting and slicing ---- */

/* The items of a list; thread NULL: threads. */
static size_t members(const struct rig *rig, const char *thread, const struct item **out)
{
    size_t n = 0;
    for (size_t i = 0; thread && i < rig->message_count; i++)
        if (rig->messages[i].thread && strcmp(rig->messages[i].thread, thread) == 0)
            out[n++] = &rig->messages[i];
    for (size_t i = 0; !thread && i < rig->thread_count; i++)
        out[n++] = &rig->threads[i];
    return n;
}

/* False: the id is not in the list. */
static bool place_of(const struct item **list, size_t n, const char *id, size_t *place)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i]->id, id) == 0) {
            *place = i;
            return true;
        }
    return false;
}

/* False: AVJ_ENOTFOUND. */
static bool slice(const struct item **list, size_t n, const struct avj_page *page, size_t *begin,
                  size_t *end)
{
    size_t at;
    *begin = 0;
    *end = n;
    if (page->after) {
        if (!place_of(list, n, page->after, &at))
            return false;
        *begin = at + 1;
    }
    if (page->before) {
        if (!place_of(list, n, page->before, &at))
            return false;
        *end = at;
    }
    if (*end < *begin)
        *end = *begin;
    while (page->limit && *end - *begin > page->limit) {
        if (page->from_end)
            ++*begin;
        else
            --*end;
    }
    return true;
}

static const char *any_id(struct rig *rig, const struct item **list, size_t n)
{
    uint64_t what = test_rng_below(&rig->rng, 20);
    if (what == 0)
        return "nobody";
    if (what == 1 && rig->message_count) /* of another list, perhaps */
        return rig->messages[test_rng_below(&rig->rng, rig->message_count)].id;
    return n && what < 11 ? list[test_rng_below(&rig->rng, n)]->id : NULL;
}

static void check_page(struct rig *rig, const char *thread)
{
    const struct item *list[512];
    struct avj_error err = {0};
    const struct avj_doc *docs;
    size_t n = members(rig, thread, list), begin, end, count;
    struct avj_page page = {.after = any_id(rig, list, n), .before = any_id(rig, list, n)};
    page.limit = test_rng_below(&rig->rng, 3) ? 1 + test_rng_below(&rig->rng, 12) : 0;
    page.from_end = test_rng_below(&rig->rng, 2);
    bool there = slice(list, n, &page, &begin, &end);
    enum avj_status status = thread
                                 ? avj_store_page(rig->s.store, thread, &page, &docs, &count, &err)
                                 : avj_store_threads(rig->s.store, &page, &docs, &count, &err);
    assert_int_equal(status, there ? AVJ_OK : AVJ_ENOTFOUND);
    if (!there) {
        assert_int_equal(count, 0);
        assert_true(*err.message);
        return;
    }
    assert_int_equal(count, end - begin);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(docs[i].id, list[begin + i]->id);
}

static void pages_are_slices(void **state)
{
    (void)state;
    uint64_t seed = test_rng_seed("chats"), n = getenv("AVJ_TEST_SEED") ? 1 : 12;
    for (uint64_t i = 0; i < n; i++) {
        struct rig rig;
        rig_begin(&rig, seed + i);
        assert_true(rig.thread_count > 2 && rig.message_count > 20);
        for (int page = 0; page < 1500; page++) {
            check_page(&rig, NULL);
            check_page(&rig, rig.threads[test_rng_below(&rig.rng, rig.thread_count)].id);
        }
        rig_end(&rig);
    }
}

static void a_thread_that_is_not_there_has_no_page(void **state)
{
    (void)state;
    struct rig rig;
    struct avj_error err = {0};
    const struct avj_doc *docs;
    size_t count = 7;
    rig_begin(&rig, 2);
    struct avj_page page = {.limit = 0};
    assert_status(AVJ_ENOTFOUND, avj_store_page(rig.s.store, "none", &page, &docs, &count, &err),
                  err);
    assert_int_equal(count, 0);
    assert_contains(err.message, "none");
    rig_end(&rig);
}

/* Forwards and backwards, a page at a time, everything is met once. */
static void leafing(struct rig *rig, bool backwards, size_t limit)
{
    struct avj_error err = {0};
    char last[64] = "";
    size_t met = 0, count;
    do {
        const struct avj_doc *docs;
        struct avj_page page = {.limit = limit, .from_end = backwards};
        if (*last)
            *(backwards ? &page.before : &page.after) = last;
        assert_ok(avj_store_threads(rig->s.store, &page, &docs, &count, &err), err);
        for (size_t i = 0; i < count; i++, met++) {
            size_t at = backwards ? count - 1 - i : i;
            size_t place = backwards ? rig->thread_count - 1 - met : met;
            assert_string_equal(docs[at].id, rig->threads[place].id);
            snprintf(last, sizeof(last), "%s", docs[at].id);
        }
    } while (count);
    assert_int_equal(met, rig->thread_count);
}

static void leafing_meets_everything_once(void **state)
{
    (void)state;
    struct rig rig;
    rig_begin(&rig, 3);
    for (size_t limit = 1; limit < 30; limit++) {
        leafing(&rig, false, limit);
        leafing(&rig, true, limit);
    }
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_slices),
        cmocka_unit_test(a_thread_that_is_not_there_has_no_page),
        cmocka_unit_test(leafing_meets_everything_once),
    };
    return cmocka_run_group_tests_name("paging", tests, NULL, NULL);
}
