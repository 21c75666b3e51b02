/*
 * Damage, exhaustively: every bit, every length, every sector, every frame and every segment of a
 * small journal.  Always: no record is given out that was not written, nothing that was promised is
 * dropped in silence, and what was promised and is there is read.
 *
 * AVJ_DAMAGE_STRIDE=N takes every Nth bit and length (1; under sanitizers 31), AVJ_DAMAGE_BYTES=N
 * makes the journal that large.
 */
#include "journal/witness.h"
#include "tests/support/cases.h"
#include "tests/support/sanitizers.h"
#include "tests/support/small_journal.h"

#ifdef __GLIBC__
#include <malloc.h>
#endif

#define SECTOR 512u
#define SEED   7u

#define STRIDE (TEST_SANITIZED ? 31 : 1)

/* One journal with both its ends, and the copy that is damaged. */
struct rig {
    struct small_journal small;
    struct mem_io *mem;
    enum small_end end;
    uint64_t cases, found;
};

/* What was done, for the message of a failure. */
struct damage {
    const char *what, *path;
    uint64_t at, other;
};

static size_t from_environment(const char *name, size_t otherwise)
{
    const char *text = getenv(name);

    return text ? (size_t)strtoull(text, NULL, 10) : otherwise;
}

static struct rig rig_new(enum small_end end)
{
    struct rig rig = {.end = end};

    small_journal_build(&rig.small, end, SEED, from_environment("AVJ_DAMAGE_BYTES", 0));
    rig.mem = mem_io_copy(rig.small.mem);
    return rig;
}

static void rig_release(struct rig *rig, const char *what)
{
    print_message("%s, %s: %llu cases, %llu of them damage\n", what, small_end_text(rig->end),
                  (unsigned long long)rig->cases, (unsigned long long)rig->found);
    mem_io_free(rig->mem);
    small_journal_release(&rig->small);
}

static void must(const struct rig *rig, const struct damage *damage, const char *who,
                 enum small_expected expected, enum small_verdict got, const struct avj_error *err)
{
    static const char *const wanted[] = {"nothing found", "damage found", "either"};

    if (small_as_expected(expected, got))
        return;
    fail_msg("%s journal, %s (%s at %llu, %llu): %s: %s, wanted %s (%s)", small_end_text(rig->end),
             damage->what, damage->path, (unsigned long long)damage->at,
             (unsigned long long)damage->other, who, small_verdict_text(got), wanted[expected],
             err->message);
}

static void check_reader(struct rig *rig, const struct damage *damage, enum small_expected expected)
{
    struct avj_error err = {0};

    must(rig, damage, "reader", expected, small_read(rig->mem, &rig->small.known, 1, &err), &err);
    rig->cases++;
    rig->found += expected == SMALL_MUST_BE_FOUND;
}

/* The damaged copy, by every way in: whether damage must be found follows from the bytes. */
static void check(struct rig *rig, const struct damage *damage)
{
    struct avj_error err = {0};
    enum small_expected expected = small_expect(&rig->small, rig->mem);

    check_reader(rig, damage, expected);
    must(rig, damage, "writer", expected, small_write(rig->mem, &rig->small.known, &err), &err);
}

/* As check, and the damaged segment must scan to nothing but what was written, and so must a reader
 * that seeks into it. */
static void check_scan(struct rig *rig, const struct damage *damage)
{
    struct avj_error err = {0};
    const struct known *known = &rig->small.known;

    check(rig, damage);
    if (!strstr(damage->path, ".seg"))
        return;
    must(rig, damage, "scan", SMALL_MAY_BE_FOUND, small_scan(rig->mem, damage->path, known, &err),
         &err);
    must(rig, damage, "reader from 30 on", SMALL_MAY_BE_FOUND,
         small_read(rig->mem, known, 30, &err), &err);
}

static void mend(struct rig *rig)
{
    mem_io_restore(rig->mem, rig->small.mem);
}

typedef void rig_test(struct rig *rig);

static void with_every_end(const char *what, rig_test *test)
{
    for (enum small_end end = SMALL_CLOSED; end < SMALL_ENDS; end++) {
        struct rig rig = rig_new(end);

        check(&rig, &(struct damage){"no damage", "", 0, 0});
        test(&rig);
        rig_release(&rig, what);
    }
}

/* What differs from one end to another is in the last segment and the sync file: only the first end
 * goes through all of it. */
static bool same_at_every_end(const struct rig *rig, const char *path)
{
    return strcmp(path, small_segment(rig->small.segments)) != 0 && strcmp(path, SMALL_SYNC) != 0;
}

/* Zeros written ahead are all alike: a few of them will do. */
static size_t pace(const struct rig *rig, const char *path, size_t at)
{
    const struct small_extent *last = &rig->small.extents[rig->small.segments - 1];
    bool is_last = strcmp(path, small_segment(rig->small.segments)) == 0;

    return is_last && at > last->written + 200 ? 97 : 1;
}

/* ---- bytes ---- */

static void flip_file(struct rig *rig, const char *path, size_t stride)
{
    size_t len;
    uint8_t *data = mem_io_data(rig->mem, path, &len);

    for (size_t bit = 0; bit / 8 < len; bit += stride * pace(rig, path, bit / 8)) {
        const struct damage damage = {"a bit flipped", path, bit / 8, bit % 8};

        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (bit / stride % 9 == 0) /* in each byte and, by and by, each bit */
            check_scan(rig, &damage);
        else
            check_reader(rig, &damage, small_expect(&rig->small, rig->mem));
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void flip_all(struct rig *rig)
{
    size_t stride = from_environment("AVJ_DAMAGE_STRIDE", STRIDE);

    for (size_t i = 0; mem_io_name(rig->small.mem, i); i++)
        if (rig->end == SMALL_CLOSED || !same_at_every_end(rig, mem_io_name(rig->small.mem, i)))
            flip_file(rig, mem_io_name(rig->small.mem, i), stride);
}

static void every_bit_flipped(void **state)
{
    (void)state;
    with_every_end("every bit flipped", flip_all);
}

static void cut_all(struct rig *rig)
{
    size_t stride = from_environment("AVJ_DAMAGE_STRIDE", STRIDE);
    const char *path;

    for (size_t i = 0; (path = mem_io_name(rig->small.mem, i)); i++) {
        size_t len;
        (void)mem_io_data(rig->small.mem, path, &len);
        if (rig->end != SMALL_CLOSED && same_at_every_end(rig, path))
            continue;
        for (size_t at = 0; at < len; at += stride * pace(rig, path, at)) {
            const struct damage damage = {"cut", path, at, 0};
            mem_io_resize(rig->mem, path, at);
            if (at / stride % 3 == 0)
                check_scan(rig, &damage);
            else
                check_reader(rig, &damage, small_expect(&rig->small, rig->mem));
            mend(rig);
        }
    }
}

static void every_file_cut_at_every_length(void **state)
{
    (void)state;
    with_every_end("every file cut at every length", cut_all);
}

static void spoil_sectors(struct rig *rig, const char *path, struct test_rng *noise)
{
    size_t len;
    uint8_t *data = mem_io_data(rig->mem, path, &len);

    for (size_t at = 0; at < len; at += SECTOR) {
        const struct damage damage = {noise ? "a sector garbled" : "a sector zeroed", path, at, 0};
        size_t width = len - at < SECTOR ? len - at : SECTOR;
        uint8_t before[SECTOR];

        memcpy(before, data + at, width);
        if (noise)
            test_rng_fill(noise, data + at, width);
        else
            memset(data + at, 0, width);
        check_scan(rig, &damage);
        memcpy(data + at, before, width);
    }
}

static void spoil_all(struct rig *rig)
{
    struct test_rng rng;

    test_rng_init(&rng, SEED);
    for (size_t i = 0; mem_io_name(rig->small.mem, i); i++) {
        spoil_sectors(rig, mem_io_name(rig->small.mem, i), NULL);
        spoil_sectors(rig, mem_io_name(rig->small.mem, i), &rng);
    }
}

static void every_sector_zeroed_and_garbled(void **state)
{
    (void)state;
    with_every_end("every sector zeroed and garbled", spoil_all);
}

/* ---- frames ---- */

static const uint8_t *frame_bytes(struct rig *rig, const struct small_frame *frame)
{
    size_t len;

    return mem_io_data(rig->small.mem, frame->path, &len) + frame->offset;
}

/* Replaces `cut` bytes at `frame` by `len` others; the rest of the file moves. */
static void splice(struct rig *rig, const struct small_frame *frame, uint64_t at, size_t cut,
                   const uint8_t *bytes, size_t len)
{
    size_t old_len, rest;
    const uint8_t *old = mem_io_data(rig->small.mem, frame->path, &old_len);
    uint8_t *new = malloc(old_len + len);

    assert_non_null(new);
    cut = cut < old_len - at ? cut : (size_t)(old_len - at);
    rest = (size_t)(old_len - at - cut);
    memcpy(new, old, (size_t)at);
    memcpy(new + at, bytes, len);
    memcpy(new + at + len, old + at + cut, rest);
    mem_io_put(rig->mem, frame->path, new, (size_t)at + len + rest);
    free(new);
}

/* Four ways to bring frame `b` to the place of frame `a`. */
static void misplace(struct rig *rig, const struct small_frame *a, const struct small_frame *b)
{
    const struct {
        const char *what;
        uint64_t at;
        size_t cut;
    } rows[] = {
        {"a frame overwritten by another", a->offset, (size_t)b->len},
        {"a frame replaced by another", a->offset, (size_t)a->len},
        {"a frame put in front of another", a->offset, 0},
        {"a frame put behind another", a->offset + a->len, 0},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct damage damage = {rows[i].what, a->path, a->first_seq, b->first_seq};
        splice(rig, a, rows[i].at, rows[i].cut, frame_bytes(rig, b), (size_t)b->len);
        check_scan(rig, &damage);
        mend(rig);
    }
}

static void swap_frames(struct rig *rig, const struct small_frame *a, const struct small_frame *b)
{
    const struct damage damage = {"two frames swapped", a->path, a->first_seq, b->first_seq};
    const uint8_t *old = frame_bytes(rig, a);
    size_t middle = (size_t)(b->offset - a->offset - a->len);
    size_t len = (size_t)(a->len + middle + b->len);
    uint8_t *new = malloc(len);

    assert_non_null(new);
    memcpy(new, frame_bytes(rig, b), (size_t)b->len);
    memcpy(new + b->len, old + a->len, middle);
    memcpy(new + b->len + middle, old, (size_t)a->len);
    splice(rig, a, a->offset, len, new, len);
    check_scan(rig, &damage);
    mend(rig);
    free(new);
}

static void drop_frame(struct rig *rig, const struct small_frame *a)
{
    const struct damage damage = {"a frame taken out", a->path, a->first_seq, 0};

    splice(rig, a, a->offset, (size_t)a->len, (const uint8_t *)"", 0);
    check_scan(rig, &damage);
    mend(rig);
}

static void misplace_all(struct rig *rig)
{
    const struct small_frame *frames = rig->small.frames;
    size_t count = rig->small.frame_count;

    for (size_t a = 0; a < count; a++) {
        drop_frame(rig, &frames[a]);
        for (size_t b = 0; b < count; b++)
            misplace(rig, &frames[a], &frames[b]);
        for (size_t b = a + 1; b < count && frames[b].path == frames[a].path; b++)
            swap_frames(rig, &frames[a], &frames[b]);
    }
}

static void every_frame_overwritten_doubled_swapped_and_taken_out(void **state)
{
    (void)state;
    with_every_end("frames misplaced", misplace_all);
}

/* ---- segments ---- */

static void delete_and_rename(struct rig *rig)
{
    unsigned count = rig->small.segments;

    for (unsigned number = 1; number <= count; number++) {
        struct damage damage = {"a segment deleted", "", number, 0};
        char path[64];

        snprintf(path, sizeof path, "%s", small_segment(number));
        damage.path = path;
        mem_io_remove(rig->mem, path);
        check(rig, &damage);
        for (unsigned other = 1; other <= count + 2; other++) {
            mend(rig);
            damage = (struct damage){"a segment renamed", path, number, other};
            mem_io_move(rig->mem, path, small_segment(other));
            if (other != number)
                check(rig, &damage);
        }
        mend(rig);
    }
}

static void put_copy(struct rig *rig, unsigned to, struct mem_io *from, unsigned number)
{
    size_t len;
    const uint8_t *data = mem_io_data(from, small_segment(number), &len);

    if (data)
        mem_io_put(rig->mem, small_segment(to), data, len);
}

static void swap_and_copy(struct rig *rig)
{
    unsigned count = rig->small.segments;

    for (unsigned a = 1; a <= count; a++) {
        for (unsigned b = 1; b <= count; b++) {
            struct damage damage = {"a segment is its neighbour's copy", "segments", a, b};
            put_copy(rig, a, rig->small.mem, b);
            check(rig, &damage);
            damage.what = "two segments swapped";
            put_copy(rig, b, rig->small.mem, a);
            check(rig, &damage);
            mend(rig);
        }
    }
}

/* Another history of another journal, with the same numbers and sizes. */
static void replace_by_foreign(struct rig *rig)
{
    struct small_journal other;

    small_journal_build(&other, rig->end, SEED + 1, from_environment("AVJ_DAMAGE_BYTES", 0));
    for (unsigned number = 1; number <= rig->small.segments; number++) {
        const struct damage damage = {"a segment of another journal", "segments", number, 0};
        put_copy(rig, number, other.mem, number);
        check(rig, &damage);
        mend(rig);
    }
    small_journal_release(&other);
}

/* Copies made earlier in this journal's life: everything in them is good, only not new enough. */
static void replace_by_older(struct rig *rig)
{
    for (size_t i = 0; i < rig->small.older_count; i++) {
        struct mem_io *older = rig->small.older[i];
        size_t len;
        const uint8_t *sync = mem_io_data(rig->small.mem, SMALL_SYNC, &len);

        for (unsigned number = 1; number <= rig->small.segments; number++) {
            const struct damage damage = {"an older copy of a segment", "segments", number, i};
            put_copy(rig, number, older, number);
            check_scan(rig, &damage);
            mend(rig);
        }
        mem_io_restore(rig->mem, older);
        mem_io_put(rig->mem, SMALL_SYNC, sync, len);
        check(rig, &(struct damage){"the journal restored, its sync file newer", "", i, 0});
        mend(rig);
    }
}

/* The sync file knows of a segment that is not there, though it held no record yet. */
static void forget_an_empty_segment(struct rig *rig)
{
    const struct damage damage = {"an empty last segment gone", SMALL_SYNC, 0, 0};
    struct avj_segment_header header;
    struct avj_sync_witness witness;
    struct avj_error err = {0};
    const struct avj_io *io = mem_io_table(rig->mem);
    size_t len;
    uint8_t *slot = mem_io_data(rig->mem, SMALL_SYNC, &len);

    assert_ok(avj_read_segment_header(io, small_segment(1), &header, &err), err);
    assert_ok(avj_read_sync_witness(io, SMALL_DIR, &witness, &err), err);
    witness.segment_no = rig->small.segments + 1;
    witness.offset = 4096;
    avj_witness_encode(AVJ_SLOT_WITNESS, &witness, header.journal_id, slot);
    must(rig, &damage, "reader", SMALL_MUST_BE_FOUND,
         small_read(rig->mem, &rig->small.known, 1, &err), &err);
    must(rig, &damage, "writer", SMALL_MUST_BE_FOUND,
         small_write(rig->mem, &rig->small.known, &err), &err);
    mend(rig);
}

/* What a writer left that died while it made a segment. */
static void leave_temporary(struct rig *rig)
{
    static const size_t lengths[] = {0, 1, 4095, 4096, 9000};
    static const uint8_t noise[9000] = {1, 2, 3};

    for (unsigned number = 1; number <= rig->small.segments + 1; number++) {
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            const struct damage damage = {"a temporary file left", "segments", number, lengths[i]};
            char path[64];
            snprintf(path, sizeof path, SMALL_DIR "/segments/%016x.tmp", number);
            mem_io_put(rig->mem, path, noise, lengths[i]);
            check(rig, &damage);
            mend(rig);
        }
    }
}

static void change_segments(struct rig *rig)
{
    delete_and_rename(rig);
    swap_and_copy(rig);
    replace_by_foreign(rig);
    replace_by_older(rig);
    leave_temporary(rig);
    forget_an_empty_segment(rig);
}

static void every_segment_deleted_renamed_swapped_replaced_and_restored(void **state)
{
    (void)state;
    with_every_end("segments mixed up", change_segments);
}

/* A million journals are opened: what they allocate is not to be given back to the system each
 * time. */
static void keep_memory(void)
{
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bit_flipped),
        cmocka_unit_test(every_file_cut_at_every_length),
        cmocka_unit_test(every_sector_zeroed_and_garbled),
        cmocka_unit_test(every_frame_overwritten_doubled_swapped_and_taken_out),
        cmocka_unit_test(every_segment_deleted_renamed_swapped_replaced_and_restored),
    };
    keep_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
