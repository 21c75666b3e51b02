/*
 * The table of FORMAT.md, "The end of the log: torn or rotten", row by row.  The rows are read from
 * the document: what it calls a verdict is what must come out.  A row without a case here fails,
 * and so does a case whose row is gone.
 */
#include "journal/bytes.h"
#include "journal/format.h"
#include "tests/support/cases.h"
#include "tests/support/files.h"
#include "tests/support/small_journal.h"

#define ROWS_MAX 40
#define SEED     11u

/* ---- making what is found ---- */

struct scene {
    struct small_journal *small;
    char path[64]; /* of the segment */
    uint8_t *data;
    size_t len;
    size_t at; /* the place where the log ends, or should go on */
};

static void look_again(struct scene *s)
{
    s->data = mem_io_data(s->small->mem, s->path, &s->len);
    assert_non_null(s->data);
}

/* Cuts the last segment at `at`, so that each finding begins with the end of the file. */
static void end_of_file(struct scene *s)
{
    mem_io_resize(s->small->mem, s->path, s->at);
    look_again(s);
}

static void zeros_to_the_end(struct scene *s)
{
    end_of_file(s);
    mem_io_resize(s->small->mem, s->path, s->at + 5000);
    look_again(s);
}

/* A whole good frame of one record at s->at, which follows `chain`. */
static size_t put_frame(struct scene *s, uint64_t chain, uint64_t seq)
{
    static const uint8_t payload[24] = {23, 'n', 'o', 't', ' ', 'o', 'f', ' ', 'i', 't'};
    uint64_t place = avj_frame_place(s->data + 48, s->at);
    size_t total = (size_t)avj_frame_total(sizeof payload);
    struct avj_frame_header h = {
        .type = AVJ_FRAME_RECORDS,
        .count = 1,
        .stored_len = sizeof payload,
        .raw_len = sizeof payload,
        .first_seq = seq,
        .prev_hash = chain,
        .payload_hash = avj_payload_hash(place, payload, sizeof payload),
    };

    if (s->len < s->at + total) {
        mem_io_resize(s->small->mem, s->path, s->at + total);
        look_again(s);
    }
    avj_frame_header_encode(&h, place, s->data + s->at);
    memcpy(s->data + s->at + AVJ_FRAME_HEADER_LEN, payload, sizeof payload);
    avj_frame_trailer_encode((uint32_t)total, h.header_hash,
                             s->data + s->at + total - AVJ_FRAME_TRAILER_LEN);
    return total;
}

static void a_good_frame_that_does_not_continue(struct scene *s)
{
    end_of_file(s);
    put_frame(s, 0x1234, s->small->known.last + 1);
}

static void a_frame_cut_short(struct scene *s)
{
    a_good_frame_that_does_not_continue(s);
    mem_io_resize(s->small->mem, s->path, s->len - 9);
    look_again(s);
}

static void bytes_that_are_no_frame(struct scene *s)
{
    end_of_file(s);
    mem_io_resize(s->small->mem, s->path, s->at + 700);
    look_again(s);
    memset(s->data + s->at, 0x5a, 700);
}

static void zeros_then_other_bytes(struct scene *s)
{
    bytes_that_are_no_frame(s);
    memset(s->data + s->at, 0, 512);
}

/* ---- the verdicts ---- */

static struct avj_journal_info open_and_append(struct small_journal *small, struct avj_error *err)
{
    struct avj_journal_options options = small_options(small->mem);
    struct avj_journal *journal = NULL;
    struct avj_journal_info info;

    assert_ok(avj_journal_open(SMALL_DIR, &options, &journal, err), *err);
    assert_ok(avj_journal_info(journal, &info, err), *err);
    assert_ok(known_append(&small->known, journal, KNOWN_RAW, 30, 1, AVJ_DURABLE, err), *err);
    avj_journal_close(journal);
    assert_int_equal(small_read(small->mem, &small->known, 1, err), SMALL_SOUND);
    return info;
}

static void must_be_clean(struct scene *s)
{
    struct avj_error err = {0};
    unsigned segments = small_segments(s->small->mem);

    assert_int_equal(small_read(s->small->mem, &s->small->known, 1, &err), SMALL_SOUND);
    assert_int_equal(open_and_append(s->small, &err).unsynced_tail_bytes, 0);
    assert_int_equal(small_segments(s->small->mem), segments);
}

static void must_be_a_tail(struct scene *s)
{
    struct avj_error err = {0};
    unsigned segments = small_segments(s->small->mem);
    size_t len = s->len;
    uint8_t *before = malloc(len);

    assert_non_null(before);
    memcpy(before, s->data, len);
    assert_int_equal(small_read(s->small->mem, &s->small->known, 1, &err), SMALL_SOUND);
    assert_int_equal(small_write(s->small->mem, &s->small->known, &err), SMALL_SOUND);
    assert_int_equal(open_and_append(s->small, &err).unsynced_tail_bytes, len - s->at);
    assert_int_equal(small_segments(s->small->mem), segments + 1);
    look_again(s);
    assert_int_equal(s->len, len);
    assert_memory_equal(s->data, before, len);
    free(before);
}

static void must_be_corruption(struct scene *s)
{
    struct avj_error err = {0};

    assert_int_equal(small_read(s->small->mem, &s->small->known, 1, &err), SMALL_FOUND);
    assert_contains(err.message, "avchat-fsck");
    assert_int_equal(small_write(s->small->mem, &s->small->known, &err), SMALL_FOUND);
}

/* The log goes on in a new segment, which holds again what no witness tells of. */
static void must_be_carried_over(struct scene *s)
{
    struct avj_error err = {0};
    unsigned segments = small_segments(s->small->mem);

    assert_int_equal(small_read(s->small->mem, &s->small->known, 1, &err), SMALL_SOUND);
    open_and_append(s->small, &err);
    assert_int_equal(small_segments(s->small->mem), segments + 1);
}

typedef void verdict_test(struct scene *s);

/* ---- the cases ---- */

typedef void finding(struct scene *s);
typedef void row_case(finding *make, verdict_test *verdict);

static void scene_new(struct scene *s, struct small_journal *small, enum small_end end)
{
    small_journal_build(small, end, SEED, 0);
    memset(s, 0, sizeof *s);
    s->small = small;
    snprintf(s->path, sizeof s->path, "%s", small_segment(small->segments));
    s->at = (size_t)small->extents[small->segments - 1].promised;
    look_again(s);
}

/* Behind the end of everything that was promised. */
static void at_the_tail(finding *make, verdict_test *verdict)
{
    struct small_journal small;
    struct scene s;

    scene_new(&s, &small, SMALL_CLOSED);
    make(&s);
    verdict(&s);
    small_journal_release(&small);
}

static finding *const at_any_tail[] = {
    end_of_file,
    zeros_to_the_end,
    a_frame_cut_short,
    bytes_that_are_no_frame,
    zeros_then_other_bytes,
    a_good_frame_that_does_not_continue,
};

static const struct small_frame *frame_from_the_end(const struct small_journal *small, size_t back)
{
    return &small->frames[small->frame_count - 1 - back];
}

/* The witness tells of the last frame, which is not there. */
static void proof_by_witness(finding *make, verdict_test *verdict)
{
    struct small_journal small;
    struct scene s;

    scene_new(&s, &small, SMALL_CLOSED);
    s.at = (size_t)frame_from_the_end(&small, 0)->offset;
    make(&s);
    verdict(&s);
    small_journal_release(&small);
}

/* No witness; the last frame was written when the one before it was durable, and that is gone. */
static void proof_by_a_later_frame(finding *make, verdict_test *verdict)
{
    struct small_journal small;
    struct scene s;
    const struct small_frame *last;
    uint8_t frame[1024];

    scene_new(&s, &small, SMALL_CLOSED);
    last = frame_from_the_end(&small, 0);
    assert_true(last->len <= sizeof frame);
    memcpy(frame, s.data + last->offset, (size_t)last->len);
    s.at = (size_t)frame_from_the_end(&small, 1)->offset;
    make(&s);
    mem_io_resize(small.mem, s.path, (size_t)last->offset);
    mem_io_resize(small.mem, s.path, (size_t)(last->offset + last->len));
    look_again(&s);
    memcpy(s.data + last->offset, frame, (size_t)last->len);
    mem_io_remove(small.mem, SMALL_SYNC);
    verdict(&s);
    small_journal_release(&small);
}

/* No witness; a successor names a later end. */
static void proof_by_successor(finding *make, verdict_test *verdict)
{
    struct small_journal small;
    struct scene s;
    const struct small_frame *last = NULL;

    scene_new(&s, &small, SMALL_CLOSED);
    snprintf(s.path, sizeof s.path, "%s", small_segment(small.segments - 1));
    for (size_t i = 0; i < small.frame_count; i++)
        if (strcmp(small.frames[i].path, s.path) == 0)
            last = &small.frames[i];
    assert_non_null(last);
    look_again(&s);
    s.at = (size_t)last->offset;
    make(&s);
    mem_io_remove(small.mem, SMALL_SYNC);
    verdict(&s);
    small_journal_release(&small);
}

static void any_of_these_with_proof(finding *make, verdict_test *verdict)
{
    (void)make;
    for (size_t i = 0; i < sizeof at_any_tail / sizeof *at_any_tail; i++) {
        proof_by_witness(at_any_tail[i], verdict);
        proof_by_a_later_frame(at_any_tail[i], verdict);
        proof_by_successor(at_any_tail[i], verdict);
    }
}

/* The last two frames were promised to nobody; the first of them is bad. */
static void a_good_frame_behind_a_bad_one(finding *make, verdict_test *verdict)
{
    struct small_journal small;
    struct scene s;
    struct avj_error err = {0};

    (void)make;
    assert_ptr_equal(verdict, must_be_corruption);
    scene_new(&s, &small, SMALL_KILLED);
    s.data[frame_from_the_end(&small, 1)->offset + 70] ^= 1;
    /* Only under the lock is it sure that nobody writes there just now. */
    assert_int_equal(small_read(small.mem, &small.known, 1, &err), SMALL_SOUND);
    assert_int_equal(small_write(small.mem, &small.known, &err), SMALL_FOUND);
    small_journal_release(&small);
}

static void killed_in_a_sync(finding *make, verdict_test *verdict)
{
    struct small_journal small;
    struct scene s;

    (void)make;
    scene_new(&s, &small, SMALL_MID_SYNC);
    verdict(&s);
    small_journal_release(&small);
}

static void killed_in_a_sync_and_rebooted(finding *make, verdict_test *verdict)
{
    struct small_journal small;
    struct scene s;

    (void)make;
    scene_new(&s, &small, SMALL_MID_SYNC);
    mem_io_boot(small.mem);
    verdict(&s);
    small_journal_release(&small);
}

static void the_dictionary_damaged(finding *make, verdict_test *verdict)
{
    struct small_journal small;
    struct scene s;
    struct avj_segment_header header;
    struct avj_error err;

    (void)make;
    for (size_t at = 0; at < 8; at++) {
        scene_new(&s, &small, SMALL_CLOSED);
        snprintf(s.path, sizeof s.path, "%s", small_segment(4));
        look_again(&s);
        assert_ok(avj_read_segment_header(mem_io_table(small.mem), s.path, &header, &err), err);
        assert_int_equal(header.dictionary.kind, AVJ_DICTIONARY_EMBEDDED);
        s.data[4096 + at] ^= 0x10;
        verdict(&s);
        small_journal_release(&small);
    }
}

/* One byte of each frame that another follows, and of the last of each segment but the last. */
static void damage_in_front_of_the_end(finding *make, verdict_test *verdict)
{
    size_t count = 1;

    (void)make;
    for (size_t i = 0; i + 1 < count || i == 0; i++) {
        struct small_journal small;
        struct scene s;

        scene_new(&s, &small, SMALL_CLOSED);
        count = small.frame_count;
        snprintf(s.path, sizeof s.path, "%s", small.frames[i].path);
        look_again(&s);
        s.data[small.frames[i].offset + 9 * i % small.frames[i].len] ^= 4;
        verdict(&s);
        small_journal_release(&small);
    }
}

static void change_segment(unsigned number, void (*change)(struct scene *s, unsigned number),
                           verdict_test *verdict)
{
    struct small_journal small;
    struct scene s;

    scene_new(&s, &small, SMALL_CLOSED);
    change(&s, number);
    verdict(&s);
    small_journal_release(&small);
}

static void each_segment(void (*change)(struct scene *s, unsigned number), verdict_test *verdict)
{
    struct small_journal small;
    unsigned segments;

    small_journal_build(&small, SMALL_CLOSED, SEED, 0);
    segments = small.segments;
    small_journal_release(&small);
    for (unsigned number = 1; number <= segments; number++)
        change_segment(number, change, verdict);
}

static void spoil_header(struct scene *s, unsigned number)
{
    size_t len;

    mem_io_data(s->small->mem, small_segment(number), &len)[90 + number] ^= 1;
}

static void a_header_that_is_not_valid(finding *make, verdict_test *verdict)
{
    (void)make;
    each_segment(spoil_header, verdict);
}

static void take_away(struct scene *s, unsigned number)
{
    mem_io_remove(s->small->mem, small_segment(number));
}

static void copy_segment(struct scene *s, unsigned number, struct mem_io *from, unsigned source)
{
    size_t len;
    const uint8_t *data = mem_io_data(from, small_segment(source), &len);

    if (data)
        mem_io_put(s->small->mem, small_segment(number), data, len);
    else
        take_away(s, number);
}

static void put_foreign(struct scene *s, unsigned number)
{
    struct small_journal other;

    small_journal_build(&other, SMALL_CLOSED, SEED + 1, 0);
    copy_segment(s, number, other.mem, number);
    small_journal_release(&other);
}

static void put_neighbour(struct scene *s, unsigned number)
{
    copy_segment(s, number, s->small->mem, number == 1 ? 2 : number - 1);
}

/* The oldest copy of it that is not yet whole. */
static void put_older(struct scene *s, unsigned number)
{
    size_t i = 0;

    while (!mem_io_exists(s->small->older[i], small_segment(number)))
        i++;
    copy_segment(s, number, s->small->older[i], number);
    if (small_expect(s->small, s->small->mem) != SMALL_MUST_BE_FOUND) /* it had one frame only */
        take_away(s, number);
}

static void segments_that_do_not_fit(finding *make, verdict_test *verdict)
{
    (void)make;
    each_segment(take_away, verdict);
    each_segment(put_foreign, verdict);
    each_segment(put_neighbour, verdict);
    each_segment(put_older, verdict);
}

static struct avj_segment_header header_of(struct scene *s, unsigned number)
{
    struct avj_segment_header header;
    struct avj_error err;

    assert_ok(
        avj_read_segment_header(mem_io_table(s->small->mem), small_segment(number), &header, &err),
        err);
    return header;
}

static void cut_the_index_off(struct scene *s, unsigned number)
{
    mem_io_resize(s->small->mem, small_segment(number), header_of(s, number).from.index_at);
}

/* Somebody who can make the hash fit changed what the header says of the records. */
static void tell_of_other_records(struct scene *s, unsigned number)
{
    size_t len;
    uint8_t *data = mem_io_data(s->small->mem, small_segment(number), &len);

    data[216] ^= 1;
    avj_hash128(data, AVJ_SEGMENT_HASH_OFFSET, data + AVJ_SEGMENT_HASH_OFFSET);
}

static void end_with_a_sealed_segment(struct scene *s, unsigned number)
{
    for (unsigned later = number + 1; later <= s->small->segments; later++)
        mem_io_remove(s->small->mem, small_segment(later));
    mem_io_remove(s->small->mem, SMALL_SYNC);
}

/* The records are all there: a reader from the first on may not notice. */
static void must_be_told_by_a_scan(void (*change)(struct scene *s, unsigned number))
{
    for (unsigned number = 1; number <= 2; number++) {
        struct small_journal small;
        struct scene s;
        struct avj_error err = {0};

        scene_new(&s, &small, SMALL_CLOSED);
        assert_true(header_of(&s, number).sealed);
        change(&s, number);
        assert_int_equal(small_scan(small.mem, small_segment(number), &small.known, &err),
                         SMALL_FOUND);
        assert_true(
            small_as_expected(SMALL_MAY_BE_FOUND, small_read(small.mem, &small.known, 1, &err)));
        small_journal_release(&small);
    }
}

static void sealed_segments(finding *make, verdict_test *verdict)
{
    (void)make;
    must_be_told_by_a_scan(cut_the_index_off);
    must_be_told_by_a_scan(tell_of_other_records);
    change_segment(1, end_with_a_sealed_segment, verdict);
    change_segment(2, end_with_a_sealed_segment, verdict);
}

/* The first words of a row, the second column, and how to make it. */
static const struct {
    const char *found, *proof;
    row_case *run;
    finding *make[2];
} cases[] = {
    {"end of file", "no", at_the_tail, {end_of_file}},
    {"zeros up to the end of file", "no", at_the_tail, {zeros_to_the_end}},
    {"a frame cut short, or bytes that are no frame",
     "no",
     at_the_tail,
     {a_frame_cut_short, bytes_that_are_no_frame}},
    {"zeros, then other bytes", "no", at_the_tail, {zeros_then_other_bytes}},
    {"a good frame that does not continue the log",
     "no",
     at_the_tail,
     {a_good_frame_that_does_not_continue}},
    {"any of these, with a good frame behind it, in the boot",
     "–",
     a_good_frame_behind_a_bad_one,
     {NULL}},
    {"any of these", "yes", any_of_these_with_proof, {NULL}},
    {"damage in front of the end, in any segment", "–", damage_in_front_of_the_end, {NULL}},
    {"a mark that is unsettled, of an earlier boot", "no", killed_in_a_sync_and_rebooted, {NULL}},
    {"a mark that is unsettled", "no", killed_in_a_sync, {NULL}},
    {"the dictionary behind a header, damaged", "–", the_dictionary_damaged, {NULL}},
    {"a sealed segment without its index", "–", sealed_segments, {NULL}},
    {"a segment header that is not valid", "–", a_header_that_is_not_valid, {NULL}},
    {"segment missing", "–", segments_that_do_not_fit, {NULL}},
};
#define CASES (sizeof cases / sizeof *cases)

static const struct {
    const char *word; /* that the verdict begins with */
    verdict_test *test;
} verdicts[] = {
    {"clean", must_be_clean},
    {"none", must_be_clean},
    {"a sync whose success nobody knows", must_be_carried_over},
    {"unsynced tail", must_be_a_tail},
    {"corruption", must_be_corruption},
};

/* ---- the document ---- */

struct row {
    char found[256], proof[32], verdict[256];
};

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Copies the next cell of "| a | b |" without the blanks around it. */
static const char *take_cell(const char *at, char *out, size_t cap)
{
    size_t len;

    at += strspn(at, "| ");
    len = strcspn(at, "|");
    snprintf(out, cap, "%.*s", (int)len, at);
    for (size_t end = strlen(out); end > 0 && out[end - 1] == ' '; end--)
        out[end - 1] = 0;
    return at + len;
}

static size_t read_rows(struct row rows[ROWS_MAX])
{
    const char *source = getenv("AVJ_SOURCE");
    char *name = test_path(source ? source : ".", "journal/FORMAT.md"), line[1024];
    FILE *file = fopen(name, "r");
    bool inside = false;
    size_t count = 0;

    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        if (begins(line, "| what is found at the tail"))
            inside = true;
        else if (inside && line[0] != '|')
            break;
        else if (inside && !begins(line, "|---") && count < ROWS_MAX) {
            struct row *row = &rows[count++];
            const char *at = take_cell(line, row->found, sizeof row->found);
            at = take_cell(at, row->proof, sizeof row->proof);
            take_cell(at, row->verdict, sizeof row->verdict);
        }
    }
    fclose(file);
    free(name);
    return count;
}

static bool fits(const struct row *row, size_t i)
{
    return begins(row->found, cases[i].found) && strcmp(row->proof, cases[i].proof) == 0;
}

static void one_row(void **state)
{
    const struct row *row = *state;
    verdict_test *verdict = NULL;
    size_t i = 0;

    while (i < CASES && !fits(row, i))
        i++;
    if (i == CASES)
        fail_msg("FORMAT.md has a row that has no case here: %s | %s", row->found, row->proof);
    for (size_t v = 0; v < sizeof verdicts / sizeof *verdicts; v++)
        if (begins(row->verdict, verdicts[v].word))
            verdict = verdicts[v].test;
    if (!verdict)
        fail_msg("FORMAT.md has a verdict that is not known here: %s", row->verdict);
    cases[i].run(cases[i].make[0], verdict);
    if (cases[i].make[1])
        cases[i].run(cases[i].make[1], verdict);
}

static struct row rows[ROWS_MAX];
static size_t row_count;

static void every_case_has_its_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < CASES; i++) {
        size_t row = 0;
        while (row < row_count && !fits(&rows[row], i))
            row++;
        if (row == row_count)
            fail_msg("FORMAT.md has no row: %s | %s", cases[i].found, cases[i].proof);
    }
}

int main(void)
{
    struct CMUnitTest tests[ROWS_MAX + 1] = {cmocka_unit_test(every_case_has_its_row)};
    char *names[ROWS_MAX];
    int failed;

    row_count = read_rows(rows);
    for (size_t i = 0; i < row_count; i++) {
        if (asprintf(&names[i], "%s (proof: %s): %s", rows[i].found, rows[i].proof,
                     rows[i].verdict) < 0)
            abort();
        tests[i + 1] =
            (struct CMUnitTest){.name = names[i], .test_func = one_row, .initial_state = &rows[i]};
    }
    failed = _cmocka_run_group_tests("FORMAT.md's verdicts", tests, row_count + 1, NULL, NULL);
    for (size_t i = 0; i < row_count; i++)
        free(names[i]);
    return failed;
}
