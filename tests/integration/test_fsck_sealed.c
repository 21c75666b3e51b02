/* The checker and sealed segments, and dictionaries of a journal's own: whole, and damaged. */
#include "journal/format.h"
#include "journal/maintain.h"
#include "journal/rewrite.h"
#include "tests/integration/fsck_case.h"

static void seal_it(const char *dir)
{
    struct avj_journal *journal = open_it(dir);
    struct avj_error err = {0};

    assert_ok(avj_journal_maintain(journal, NULL, NULL, &err), err);
    avj_journal_close(journal);
}

/* Three records of segments 2 and 3 become entries of a type that nobody knows yet. */
static enum avj_status make_short(void *arg, uint64_t seq, const void *data, size_t len,
                                  struct avj_slice *instead, struct avj_error *err)
{
    static const char later[] = "\x82\xa1t\xa6later!\xa1h\x01";
    (void)arg, (void)data, (void)len, (void)err;
    if (seq > 5 && seq < 9)
        *instead = (struct avj_slice){later, sizeof later - 1};
    return AVJ_OK;
}

static void compact_it(const char *dir)
{
    struct avj_rewriting how = {.decide = make_short};
    struct avj_rewritten done;
    struct avj_error err = {0};

    seal_it(dir);
    struct avj_journal *journal = open_it(dir);
    assert_ok(avj_journal_rewrite(journal, 11, &how, &done, &err), err);
    assert_int_equal(done.records, 3);
    avj_journal_close(journal);
}

static void a_compacted_segment_is_clean_and_what_is_unknown_in_it_is_told(void **state)
{
    struct fixture *f = *state;
    struct seen seen;

    compact_it(f->dir);
    check_with(f->dir, &(struct fsck_options){.deep = true}, &seen);
    if (seen.code || seen.findings != 1)
        print_seen(&seen);
    assert_int_equal(seen.code, FSCK_CLEAN);
    assert_int_equal(seen.findings, 1);
    assert_int_equal(seen.first[FSCK_UNKNOWN_TYPES].count, 3);
    assert_int_equal(seen.summary.records, f->records);
    assert_true(seen.summary.fold_complete);
}

static struct avj_segment_header header_of(const char *path)
{
    struct avj_segment_header header;
    struct avj_error err = {0};

    assert_ok(avj_read_segment_header(avj_io_posix(), path, &header, &err), err);
    return header;
}

static void cut_the_index(const char *dir)
{
    char *path = segment_path(dir, 2);

    seal_it(dir);
    test_truncate_file(path, header_of(path).from.index_at);
    free(path);
}

static void flip_in_the_index(const char *dir)
{
    char *path = segment_path(dir, 2);

    seal_it(dir);
    test_flip(path, header_of(path).from.index_at + 70, 2);
    free(path);
}

static void flip_in_a_sealed_frame(const char *dir)
{
    char *path = segment_path(dir, 2);

    seal_it(dir);
    test_flip(path, HEADER + 100, 2);
    free(path);
}

/* As a program would that sealed something else: every hash fits but that of the content. */
static void forge_the_content(const char *dir)
{
    char *path = segment_path(dir, 2);
    uint8_t bytes[AVJ_SEGMENT_HEADER_LEN], *file;
    struct avj_segment_header header;
    size_t len;

    seal_it(dir);
    header = header_of(path);
    header.from.content[0] ^= 1;
    avj_segment_header_encode(&header, bytes);
    file = test_read_file(path, &len);
    memcpy(file, bytes, sizeof bytes);
    test_write_file(path, file, len);
    free(file);
    free(path);
}

/* A fifth segment that begins with a dictionary of the journal's own and holds record 16. */
static void begin_with_a_dictionary(const char *dir)
{
    struct avj_journal *journal = open_it(dir);
    struct avj_dictionary own;
    struct avj_error err = {0};
    uint8_t *bytes;

    avj_dictionary_default(&own);
    bytes = malloc(own.len);
    assert_non_null(bytes);
    memcpy(bytes, own.data, own.len);
    bytes[own.len - 1] ^= 1;
    own =
        (struct avj_dictionary){.data = bytes, .len = own.len, .hash = avj_hash64(bytes, own.len)};
    assert_ok(avj_dictionary_save(journal, &own, 1, &err), err);
    free(bytes);
    assert_ok(avj_journal_rotate(journal, &err), err);
    append(journal, 16, AVJ_DURABLE);
    avj_journal_close(journal);
}

static void flip_in_the_dictionary(const char *dir)
{
    char *path = segment_path(dir, SEGMENTS + 1);

    begin_with_a_dictionary(dir);
    assert_int_equal(header_of(path).dictionary.kind, AVJ_DICTIONARY_EMBEDDED);
    test_flip(path, HEADER + 20, 8);
    free(path);
}

struct damage_case {
    const char *sentence;
    void (*make)(const char *dir);
    enum fsck_code finding; /* FSCK_CODES: none, it is clean */
    uint64_t segment;       /* of the finding */
    uint64_t first, last;   /* records of the finding, 0: not looked at */
    uint64_t lost;
};

/* Segment 1 holds records 1-3, the others four each: 4-7, 8-11, 12-15. */
static const struct damage_case damage_cases[] = {
    {"sealed segments are clean", seal_it, FSCK_CODES, 0, 0, 0, 0},
    {"a dictionary of the journal's own is clean", begin_with_a_dictionary, FSCK_CODES, 0, 0, 0, 0},
    {"a sealed segment without its index is damage, its records are there", cut_the_index,
     FSCK_INDEX, 2, 0, 0, 0},
    {"an index with a bit wrong is damage", flip_in_the_index, FSCK_INDEX, 2, 0, 0, 0},
    {"a bit wrong in a sealed frame takes its records with it", flip_in_a_sealed_frame,
     FSCK_PAYLOAD, 2, 4, 7, 4},
    {"a sealed segment that holds something else is damage", forge_the_content, FSCK_CONTENT, 2, 0,
     0, 0},
    {"a dictionary with a bit wrong takes with it what needs it", flip_in_the_dictionary,
     FSCK_DICTIONARY, SEGMENTS + 1, 16, 16, 1},
};

static bool is_as_told(const struct damage_case *c, const struct seen *seen)
{
    if (c->finding == FSCK_CODES)
        return seen->code == FSCK_CLEAN && seen->findings == 0;
    const struct fsck_finding *finding = &seen->first[c->finding];
    return seen->code == FSCK_DAMAGE && seen->by_code[c->finding] &&
           finding->segment == c->segment && (!c->first || finding->first_seq == c->first) &&
           (!c->last || finding->last_seq == c->last) && seen->summary.lost_records == c->lost;
}

static void each_damage_gives_its_finding(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof damage_cases / sizeof damage_cases[0]; i++) {
        const struct damage_case *c = &damage_cases[i];
        struct fixture *f;
        struct seen seen;

        setup((void **)&f);
        c->make(f->dir);
        check(f->dir, &seen);
        bool good = is_as_told(c, &seen);
        if (!good) {
            print_message("%s:\n", c->sentence);
            print_seen(&seen);
        }
        teardown((void **)&f);
        assert_true(good);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_damage_gives_its_finding),
        WHOLE(a_compacted_segment_is_clean_and_what_is_unknown_in_it_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
