/*
 * Repair, exhaustively: every bit, every length and every sector of a small journal of sealed and
 * ordinary segments is damaged in turn.  Always: the repair says that all is well, a check and the
 * normal reader agree, each record that stood in an undamaged frame is there byte for byte under
 * its number, each other one is told to be lost, and nothing is invented.
 *
 * AVJ_REPAIR_STRIDE=N takes every Nth bit and length (1: all; target repair-bits),
 * AVJ_REPAIR_ROUNDS=N makes so many rounds of several damages at once.
 */
#include "tests/integration/fsck_case.h"
#include "tests/support/rng.h"
#include "tests/support/sanitizers.h"
#include "tests/support/small_journal.h"

#include "fsck/fsck_repair.h"
#include "journal/scan.h"

#define SECTOR 512u
#define STRIDE (TEST_SANITIZED ? 2003 : 211)

#define RECORDS_MAX 64u

struct place {
    char path[48];
    uint64_t offset, end; /* of its frame */
};

struct rig {
    struct mem_io *base, *mem;
    uint64_t frames_at[5]; /* by segment */
    uint64_t records;
    struct place places[RECORDS_MAX + 1]; /* by number */
    uint64_t cases, lost;
    /* the damage at hand */
    const char *what, *path;
    bool bit;
    uint64_t from, to; /* bytes that are not as they were */
};

static uint64_t stride(void)
{
    const char *text = getenv("AVJ_REPAIR_STRIDE");
    uint64_t n = text ? strtoull(text, NULL, 10) : 0;

    return n ? n : STRIDE;
}

/* ---- the journal ---- */

static void append_some(struct avj_journal *journal, uint64_t *number, unsigned frames)
{
    struct avj_error err = {0};

    for (unsigned i = 0; i < frames; i++) {
        struct avj_pack packs[3] = {{0}};
        struct avj_slice records[3];
        size_t count = 1 + i % 3;
        for (size_t k = 0; k < count; k++) {
            if (*number == 1)
                add_thread(&packs[k]);
            else
                add_local(&packs[k], *number);
            records[k] = (struct avj_slice){packs[k].data, packs[k].len};
            ++*number;
        }
        assert_ok(avj_journal_append(journal, records, count, AVJ_DURABLE, NULL, &err), err);
        for (size_t k = 0; k < count; k++)
            avj_pack_release(&packs[k]);
    }
}

static enum avj_status note_place(void *arg, const struct avj_frame_info *frame, uint64_t seq,
                                  const uint8_t *data, size_t len)
{
    struct place *place = &((struct rig *)arg)->places[seq];

    (void)data, (void)len;
    place->offset = frame->offset;
    place->end = frame->offset + frame->total_len;
    return AVJ_OK;
}

static void find_places(struct rig *rig)
{
    struct avj_scan_events events = {.arg = rig, .record = note_place};
    struct avj_scan_result result;
    struct avj_error err = {0};

    for (unsigned s = 1; s <= 4; s++) {
        char path[48];
        snprintf(path, sizeof path, "%s", small_segment(s));
        assert_ok(avj_scan_segment(mem_io_table(rig->base), path, 0, true, &events, &result, &err),
                  err);
        rig->frames_at[s] = result.header.frames_at;
        for (uint64_t seq = result.header.first_seq; seq < result.next_seq; seq++)
            snprintf(rig->places[seq].path, sizeof path, "%s", path);
    }
}

/* Segments 1 and 2 are sealed, 3 and 4 are not. */
static struct rig rig_new(void)
{
    struct rig rig = {.base = mem_io_new(5)};
    struct avj_journal_options options = small_options(rig.base);
    struct avj_journal *journal;
    struct avj_error err = {0};
    uint64_t number = 1;

    options.no_reserve = true; /* every byte of the files counts */

    assert_ok(avj_journal_create(SMALL_DIR, &options, &err), err);
    assert_ok(avj_journal_open(SMALL_DIR, &options, &journal, &err), err);
    for (unsigned s = 1; s <= 4; s++) {
        append_some(journal, &number, 4);
        if (s == 1)
            small_save_dictionary(journal); /* the next segment begins with it */
        if (s == 2) {
            assert_ok(avj_journal_rotate(journal, &err), err);
            assert_ok(avj_journal_maintain(journal, NULL, NULL, &err), err);
        } else if (s < 4) {
            assert_ok(avj_journal_rotate(journal, &err), err);
        }
    }
    avj_journal_close(journal);
    rig.records = number - 1;
    assert_true(rig.records < RECORDS_MAX);
    find_places(&rig);
    rig.mem = mem_io_copy(rig.base);
    return rig;
}

static void rig_release(struct rig *rig, const char *what)
{
    print_message("%s: %llu cases, %llu records lost\n", what, (unsigned long long)rig->cases,
                  (unsigned long long)rig->lost);
    assert_true(rig->cases > 0);
    mem_io_free(rig->mem);
    mem_io_free(rig->base);
}

/* ---- what must come of it ---- */

static bool wrong(const struct rig *rig, const char *why)
{
    fail_msg("%s of %s, bytes %llu to %llu: %s", rig->what, rig->path,
             (unsigned long long)rig->from, (unsigned long long)rig->to, why);
    return false;
}

/* Of several damages at once; NULL: one, which the rig tells. */
struct touched;
static const struct touched *random_touched;
static bool must_stay(const struct rig *rig, const struct touched *touched, uint64_t seq);

/* Was the record's frame damaged, or what is needed to know it? */
static bool may_be_lost(const struct rig *rig, uint64_t seq)
{
    if (random_touched)
        return !must_stay(rig, random_touched, seq);
    const struct place *place = &rig->places[seq];

    /* One wrong bit is found by the checksums, wherever it is. */
    if (strcmp(place->path, rig->path) != 0 || rig->bit)
        return false;
    if (place->offset < rig->to && place->end > rig->from)
        return true;
    /* More than a bit of the dictionary, which may be this segment's alone. */
    for (unsigned s = 1; s <= 4; s++)
        if (strcmp(rig->path, small_segment(s)) == 0 && rig->to - rig->from > 1 &&
            rig->from < rig->frames_at[s] && rig->to > HEADER)
            return true;
    /* More than a bit of the salt, where no successor knows it. */
    bool known = strcmp(rig->path, small_segment(3)) == 0;
    return !known && rig->from < 64 && rig->to > 48 && rig->to - rig->from > 1;
}

static bool is_known(uint64_t number, const struct avj_record *record)
{
    struct avj_pack pack = {0};

    if (number == 1)
        add_thread(&pack);
    else
        add_local(&pack, number);
    bool same = pack.len == record->len && memcmp(pack.data, record->data, pack.len) == 0;
    avj_pack_release(&pack);
    return same;
}

static bool is_repair(const struct avj_record *record, const char *op)
{
    struct avj_entry entry;
    struct avj_value o;

    if (avj_entry_decode(record->data, record->len, &entry, NULL) != AVJ_OK)
        return false;
    bool is = entry.type == AVJ_E_REPAIR && avj_value_get(entry.root, "o", &o) &&
              avj_value_text_is(o, op);
    avj_entry_release(&entry);
    return is;
}

static void read_all(struct rig *rig)
{
    struct avj_journal_options options = small_options(rig->mem);
    struct avj_journal *journal;
    struct avj_cursor *cursor = NULL;
    struct avj_record record;
    struct avj_error err = {0};
    enum avj_status status;
    uint64_t seq = 0;
    bool first_lost = false;

    if (avj_journal_open(SMALL_DIR, &options, &journal, &err) != AVJ_OK ||
        avj_cursor_open(journal, 1, &cursor, &err) != AVJ_OK)
        wrong(rig, err.message);
    while ((status = avj_cursor_next(cursor, &record, &err)) == AVJ_OK) {
        seq++;
        if (record.seq != seq)
            wrong(rig, "numbers do not follow");
        if (seq > rig->records) {
            /* Record 1 made the thread. */
            if (!is_repair(&record, "repair") &&
                !(first_lost && memmem(record.data, record.len, "Recovered thread", 16)))
                wrong(rig, "something was invented");
        } else if (!is_known(seq, &record)) {
            if (!is_repair(&record, "lost"))
                wrong(rig, "a record is another");
            if (!may_be_lost(rig, seq))
                wrong(rig, "an intact record was dropped");
            rig->lost++;
            first_lost = first_lost || seq == 1;
        }
    }
    if (status != AVJ_END)
        wrong(rig, err.message);
    if (seq < rig->records)
        wrong(rig, "the end is missing");
    avj_cursor_close(cursor);
    avj_journal_close(journal);
}

static void put_right(struct rig *rig)
{
    struct fsck_options options = {.io = mem_io_table(rig->mem)};
    struct fsck_repair_sink quiet = {.arg = NULL};
    struct fsck_sink silent = {.arg = NULL};
    struct avj_error err = {0};

    int code = fsck_repair(SMALL_DIR, &options, NULL, &quiet, &err);
    if (code & ~FSCK_REPAIRED)
        wrong(rig, err.message[0] ? err.message : "not repaired");
    if (fsck_run(SMALL_DIR, &options, &silent, &err) != FSCK_CLEAN)
        wrong(rig, "not clean afterwards");
    if (fsck_repair(SMALL_DIR, &options, NULL, &quiet, &err) != FSCK_CLEAN)
        wrong(rig, "a second repair finds something");
    read_all(rig);
    rig->cases++;
    mem_io_restore(rig->mem, rig->base);
}

/* ---- damage ---- */

static void every_bit(void **state)
{
    struct rig rig = rig_new();
    const char *name;
    uint64_t bit = 0;

    (void)state;
    rig.what = "a bit";
    rig.bit = true;
    for (size_t i = 0; (name = mem_io_name(rig.base, i)); i++) {
        char path[64];
        size_t len;
        snprintf(path, sizeof path, "%s", name);
        (void)mem_io_data(rig.base, path, &len);
        rig.path = path;
        for (; bit < len * 8; bit += stride()) {
            rig.from = bit / 8;
            rig.to = rig.from + 1;
            mem_io_data(rig.mem, path, &len)[bit / 8] ^= (uint8_t)(1u << (bit % 8));
            put_right(&rig);
        }
        bit -= len * 8;
    }
    rig_release(&rig, "bits");
}

static void every_length(void **state)
{
    struct rig rig = rig_new();
    uint64_t step = stride() / 4 + 1;

    (void)state;
    rig.what = "a cut";
    for (unsigned s = 1; s <= 4; s++) {
        char path[64];
        size_t len;
        snprintf(path, sizeof path, "%s", small_segment(s));
        (void)mem_io_data(rig.base, path, &len);
        rig.path = path;
        for (uint64_t to = len; to > 0; to = to > step ? to - step : 0) {
            rig.from = to - 1;
            rig.to = len;
            mem_io_resize(rig.mem, path, (size_t)to - 1);
            put_right(&rig);
        }
    }
    rig_release(&rig, "lengths");
}

static void every_sector(void **state)
{
    struct rig rig = rig_new();

    (void)state;
    for (int with = 0; with < 2; with++) {
        rig.what = with ? "a garbled sector" : "a zeroed sector";
        for (unsigned s = 1; s <= 4; s++) {
            char path[64];
            size_t len;
            snprintf(path, sizeof path, "%s", small_segment(s));
            (void)mem_io_data(rig.base, path, &len);
            rig.path = path;
            for (uint64_t at = 0; at < len; at += SECTOR) {
                uint64_t end = at + SECTOR < len ? at + SECTOR : len;
                rig.from = at;
                rig.to = end;
                memset(mem_io_data(rig.mem, path, &len) + at, with ? 0xa5 : 0, (size_t)(end - at));
                put_right(&rig);
            }
        }
    }
    rig_release(&rig, "sectors");
}

/* ---- several at once ---- */

/* AVJ_REPAIR_ROUNDS=N; each has a seed of its own. */
static uint64_t rounds(void)
{
    const char *text = getenv("AVJ_REPAIR_ROUNDS");
    uint64_t n = text ? strtoull(text, NULL, 10) : 0;

    return n ? n : TEST_SANITIZED ? 40 : 400;
}

/* Bytes of a segment that were touched; to 0: none. */
struct touched {
    uint64_t from, to;
};

static void touch(struct touched *t, uint64_t from, uint64_t to)
{
    if (!t->to || from < t->from)
        t->from = from;
    if (to > t->to)
        t->to = to;
}

/* False: a file was moved; what is touched is not known by its name any more. */
static bool damage_one(struct rig *rig, struct test_rng *rng, struct touched touched[5])
{
    unsigned segment = 1 + (unsigned)test_rng_below(rng, 4);
    char path[64], other[64];
    size_t len;

    snprintf(path, sizeof path, "%s", small_segment(segment));
    snprintf(other, sizeof other, "%s", small_segment(1 + (unsigned)test_rng_below(rng, 4)));
    if (!mem_io_exists(rig->mem, path))
        return true;
    uint8_t *data = mem_io_data(rig->mem, path, &len);
    uint64_t at = len ? test_rng_below(rng, len) : 0, end = at + 1 + test_rng_below(rng, 900);
    switch (test_rng_below(rng, 5)) {
    case 0:
    case 1:
        for (uint64_t i = at; i < end && i < len; i++)
            data[i] = (uint8_t)test_rng_below(rng, 256);
        touch(&touched[segment], at, end);
        break;
    case 2:
        mem_io_resize(rig->mem, path, (size_t)at);
        touch(&touched[segment], at, UINT64_MAX);
        break;
    case 3:
        mem_io_remove(rig->mem, path);
        touch(&touched[segment], 0, UINT64_MAX);
        break;
    default:
        if (mem_io_exists(rig->mem, other) && strcmp(path, other) != 0) {
            mem_io_move(rig->mem, path, other); /* over it, or into its place */
            for (unsigned s = 1; s <= 4; s++)
                if (strcmp(small_segment(s), other) == 0)
                    touch(&touched[s], 0, UINT64_MAX);
        } else {
            mem_io_move(rig->mem, path, SMALL_DIR "/segments/a-name-that-is-none");
        }
        return false;
    }
    return true;
}

/* Neither its frame nor what is in front of the frames of its segment was touched. */
static bool must_stay(const struct rig *rig, const struct touched *touched, uint64_t seq)
{
    for (unsigned s = 1; s <= 4; s++) {
        const struct touched *t = &touched[s];
        if (strcmp(rig->places[seq].path, small_segment(s)) != 0)
            continue;
        return !t->to || (t->from >= rig->frames_at[s] &&
                          (t->to <= rig->places[seq].offset || t->from >= rig->places[seq].end));
    }
    return false;
}

static bool any_header_left(struct rig *rig)
{
    const char *name;

    for (size_t i = 0; (name = mem_io_name(rig->mem, i)); i++) {
        struct avj_segment_header header;
        if (strstr(name, "segments/") &&
            avj_read_segment_header(mem_io_table(rig->mem), name, &header, NULL) == AVJ_OK)
            return true;
    }
    return false;
}

static void several_at_once(void **state)
{
    struct rig rig = rig_new();
    struct touched touched[5];

    (void)state;
    random_touched = touched;
    rig.what = "random damage, its seed is the first byte,";
    rig.path = "";
    for (uint64_t seed = 1; seed <= rounds(); seed++) {
        struct test_rng rng;
        test_rng_init(&rng, seed);
        memset(touched, 0, sizeof touched);
        rig.from = seed;
        for (uint64_t n = 1 + test_rng_below(&rng, 4); n > 0; n--)
            if (!damage_one(&rig, &rng, touched))
                break;
        if (any_header_left(&rig))
            put_right(&rig);
        else
            mem_io_restore(rig.mem, rig.base);
    }
    random_touched = NULL;
    rig_release(&rig, "random damage");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bit),
        cmocka_unit_test(every_length),
        cmocka_unit_test(every_sector),
        cmocka_unit_test(several_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
