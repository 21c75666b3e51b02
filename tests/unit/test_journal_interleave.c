/*
 * Readers beside a writer, deterministically: the writer acts between any two calls that the reader
 * makes to the file system, each in turn. What a reader meets half-way is never taken for damage,
 * and what was appended is seen by the next look.
 */
#include "tests/support/fault_io.h"
#include "tests/support/journal_case.h"
#include "tests/support/rng.h"

/* The writer's part: records of these sizes are appended, durable, all behind one call of the
 * reader. */
struct script {
    const char *sentence;
    size_t sizes[4]; /* up to the first 0 */
    enum avj_durability durability;
};

/* With segments of 64 KiB, and one record of 40,000 bytes there, the next of that size begins a new
 * segment. */
#define BIG 40000

static const struct script scripts[] = {
    {"a small durable append", {10}, AVJ_DURABLE},
    {"a small relaxed append", {10}, AVJ_RELAXED},
    {"a durable append that begins a segment", {BIG}, AVJ_DURABLE},
    {"a relaxed append that begins a segment", {BIG}, AVJ_RELAXED},
    {"a small append, then one that begins a segment", {10, BIG}, AVJ_DURABLE},
    {"two appends that each begin a segment", {BIG, BIG}, AVJ_DURABLE},
    {"three segments and a small append", {BIG, BIG, BIG, 10}, AVJ_DURABLE},
};

/* Noise that follows from its sequence number and cannot be compressed. */
static void noise(uint64_t seq, uint8_t *data, size_t len)
{
    struct test_rng rng;

    test_rng_init(&rng, seq);
    test_rng_fill(&rng, data, len);
}

static enum avj_status append_noise(struct avj_journal *journal, uint64_t seq, size_t len,
                                    enum avj_durability durability, struct avj_error *err)
{
    static uint8_t data[BIG];
    struct avj_slice slice = {data, len};

    noise(seq, data, len);
    return avj_journal_append(journal, &slice, 1, durability, NULL, err);
}

struct beside {
    struct avj_journal *writer;
    const struct script *script;
    uint64_t calls, at; /* acts behind call number `at` */
    uint64_t next;      /* the next sequence number */
    enum avj_status status;
    struct avj_error err;
};

static void act(void *arg, const struct fault_record *record)
{
    struct beside *b = arg;

    (void)record;
    if (++b->calls != b->at)
        return;
    for (size_t i = 0; i < 4 && b->script->sizes[i] > 0 && b->status == AVJ_OK; i++) {
        b->status =
            append_noise(b->writer, b->next, b->script->sizes[i], b->script->durability, &b->err);
        b->next += b->status == AVJ_OK;
    }
}

static bool acted(const struct beside *b)
{
    return b->calls >= b->at;
}

static void must_be(bool good, const struct beside *b, const char *what,
                    const struct avj_error *err)
{
    if (!good)
        fail_msg("%s, behind call %llu: %s: %s", b->script->sentence, (unsigned long long)b->at,
                 what, err->message);
}

/* Where the reader holds the lock, nobody can write. */
static void check_writer(const struct beside *b)
{
    must_be(b->status == AVJ_OK || b->status == AVJ_ELOCKED, b, "writing", &b->err);
}

static size_t size_of(const struct script *script, uint64_t seq)
{
    return seq == 1 ? BIG : script->sizes[seq - 2];
}

/* Reads on to the end; *seen is the last sequence number so far. */
static void read_on(struct avj_cursor *cursor, const struct beside *b, uint64_t *seen)
{
    static uint8_t wanted[BIG];
    struct avj_record record;
    struct avj_error err = {0};
    enum avj_status status;

    while ((status = avj_cursor_next(cursor, &record, &err)) == AVJ_OK) {
        uint64_t seq = ++*seen;
        must_be(record.seq == seq && seq < b->next && record.len == size_of(b->script, seq), b,
                "a wrong record", &err);
        noise(seq, wanted, record.len);
        assert_memory_equal(record.data, wanted, record.len);
    }
    must_be(status == AVJ_END, b, "reading", &err);
}

/* One reader's call with the writer acting in it; false when the reader was done before its turn
 * came. */
typedef bool one_look(struct journal_case *c, struct fault_io *fault, struct beside *b);

static bool look_with_a_cursor(struct journal_case *c, struct fault_io *fault, struct beside *b)
{
    const struct avj_journal_options options = {.io = fault_io_table(fault)};
    struct avj_journal *reader = open_journal(c->dir, &options);
    struct avj_cursor *cursor;
    struct avj_error err = {0};
    uint64_t seen = 0;

    assert_ok(avj_cursor_open(reader, 0, &cursor, &err), err);
    read_on(cursor, b, &seen);
    fault_io_hook(fault, act, b);
    read_on(cursor, b, &seen);
    fault_io_hook(fault, NULL, NULL);
    check_writer(b);
    read_on(cursor, b, &seen);
    must_be(seen + 1 == b->next, b, "records are not seen", &err);
    avj_cursor_close(cursor);
    avj_journal_close(reader);
    return acted(b);
}

static bool look_with_a_new_cursor(struct journal_case *c, struct fault_io *fault, struct beside *b)
{
    const struct avj_journal_options options = {.io = fault_io_table(fault)};
    struct avj_journal *reader = open_journal(c->dir, &options);
    struct avj_cursor *cursor;
    struct avj_error err = {0};
    uint64_t seen = 0;

    fault_io_hook(fault, act, b);
    must_be(avj_cursor_open(reader, 0, &cursor, &err) == AVJ_OK, b, "opening a cursor", &err);
    read_on(cursor, b, &seen);
    fault_io_hook(fault, NULL, NULL);
    check_writer(b);
    read_on(cursor, b, &seen);
    must_be(seen + 1 == b->next, b, "records are not seen", &err);
    avj_cursor_close(cursor);
    avj_journal_close(reader);
    return acted(b);
}

static bool look_for_news(struct journal_case *c, struct fault_io *fault, struct beside *b)
{
    const struct avj_journal_options options = {.io = fault_io_table(fault)};
    struct avj_journal *reader = open_journal(c->dir, &options);
    struct avj_journal_info info;
    struct avj_error err = {0};

    fault_io_hook(fault, act, b);
    must_be(avj_journal_info(reader, &info, &err) == AVJ_OK, b, "asking", &err);
    fault_io_hook(fault, NULL, NULL);
    check_writer(b);
    must_be(info.next_seq <= b->next, b, "more records than there are", &err);
    must_be(avj_journal_info(reader, &info, &err) == AVJ_OK && info.next_seq == b->next, b,
            "asking again", &err);
    avj_journal_close(reader);
    return acted(b);
}

static bool open_beside(struct journal_case *c, struct fault_io *fault, struct beside *b,
                        bool read_only)
{
    const struct avj_journal_options options = {.io = fault_io_table(fault),
                                                .read_only = read_only};
    struct avj_journal *reader = NULL;
    struct avj_journal_info info;
    struct avj_error err = {0};

    fault_io_hook(fault, act, b);
    must_be(avj_journal_open(c->dir, &options, &reader, &err) == AVJ_OK, b, "opening", &err);
    fault_io_hook(fault, NULL, NULL);
    check_writer(b);
    must_be(avj_journal_info(reader, &info, &err) == AVJ_OK && info.next_seq == b->next, b,
            "asking", &err);
    must_be(info.unsynced_tail_bytes == 0, b, "a tail was taken for torn", &err);
    avj_journal_close(reader);
    return acted(b);
}

static bool look_by_opening(struct journal_case *c, struct fault_io *fault, struct beside *b)
{
    return open_beside(c, fault, b, false);
}

static bool look_by_opening_read_only(struct journal_case *c, struct fault_io *fault,
                                      struct beside *b)
{
    return open_beside(c, fault, b, true);
}

static bool run_once(struct journal_case *c, const struct script *script, uint64_t at,
                     one_look *look)
{
    const struct avj_journal_options small = {
        .segment_target = 64 * 1024, .lock_timeout_ms = 1, .no_background = true};
    struct fault_io *fault = fault_io_new(avj_io_posix());
    struct beside b = {.script = script, .at = at, .next = 1};
    struct avj_error err = {0};
    bool more;

    create_journal(c->dir, &small);
    b.writer = open_journal(c->dir, &small);
    assert_ok(append_noise(b.writer, b.next++, BIG, AVJ_DURABLE, &err), err);
    more = look(c, fault, &b);
    avj_journal_close(b.writer);
    fault_io_free(fault);
    test_remove_tree(c->dir);
    return more;
}

static void run_all(void **state, one_look *look)
{
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        uint64_t at = 1;
        while (run_once(*state, &scripts[i], at, look))
            at++;
        assert_true(at > 3);
    }
}

static void a_cursor_at_the_end_takes_no_append_for_damage(void **state)
{
    run_all(state, look_with_a_cursor);
}

static void a_cursor_that_is_opened_takes_no_append_for_damage(void **state)
{
    run_all(state, look_with_a_new_cursor);
}

static void asking_for_the_state_takes_no_append_for_damage(void **state)
{
    run_all(state, look_for_news);
}

static void opening_takes_no_append_for_damage(void **state)
{
    run_all(state, look_by_opening);
}

static void opening_read_only_takes_no_append_for_damage(void **state)
{
    run_all(state, look_by_opening_read_only);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOURNAL_CASE(a_cursor_at_the_end_takes_no_append_for_damage),
        JOURNAL_CASE(a_cursor_that_is_opened_takes_no_append_for_damage),
        JOURNAL_CASE(asking_for_the_state_takes_no_append_for_damage),
        JOURNAL_CASE(opening_takes_no_append_for_damage),
        JOURNAL_CASE(opening_read_only_takes_no_append_for_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
