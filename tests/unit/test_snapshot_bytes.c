/*
 * Every byte of a snapshot counts: one that was changed anywhere but between two sections, cut, or
 * filled up is not taken; and SNAPSHOT.md tells where the bytes are.
 */
#include "journal/bytes.h"
#include "journal/format.h"
#include "tests/support/cases.h"
#include "tests/support/described.h"
#include "tests/support/files.h"
#include "tests/support/history_store.h"

#define PATH "s"

/* A history with something in every section. */
struct rig {
    struct mem_io *mem;
    const struct avj_io *io;
    struct kept_records records;
    struct avj_view *view;
    struct avj_snapshot_header header;
    uint8_t *bytes;
    size_t len;
};

static void read_back(struct rig *rig)
{
    int file = rig->io->open(rig->io->ctx, PATH, AVJ_OPEN_READ);
    assert_true(file >= 0);
    assert_true(avj_snapshot_header_read(rig->io, file, &rig->header));
    assert_int_equal(rig->io->close(rig->io->ctx, file), 0);
    rig->bytes = mem_io_data(rig->mem, PATH, &rig->len);
    assert_non_null(rig->bytes);
}

static bool is_rich(const struct avj_view *view)
{
    return view->conflict_count && view->outbox_live > 2 && view->sides.count > 2 &&
           view->open.count > 2 && view->threads.count > 2 && view->slots.texts.used > 4096;
}

static void rig_begin(struct rig *rig)
{
    struct history h;
    struct avj_pack entry = {0};
    memset(rig, 0, sizeof(*rig));
    rig->mem = mem_io_new(1);
    rig->io = mem_io_table(rig->mem);
    struct avj_source source = kept_records_source(&rig->records);
    rig->view = avj_view_new(&source);
    history_init(&h, 3);
    h.broken = 0;
    for (size_t i = 0; i < HISTORY_DOCS; i++)
        h.docs[i].row = 2;
    while (!is_rich(rig->view) && rig->records.count < 5000) {
        history_next(&h, &entry);
        kept_records_add(&rig->records, entry.data, entry.len);
        struct avj_slice kept = rig->records.items[rig->records.count - 1];
        assert_int_equal(avj_view_apply(rig->view, rig->records.count, kept.data, kept.len, NULL),
                         AVJ_OK);
    }
    assert_true(is_rich(rig->view));
    avj_pack_release(&entry);
    assert_int_equal(snapshot_copy_write(rig->view, rig->io, PATH), AVJ_OK);
    read_back(rig);
}

static void rig_end(struct rig *rig)
{
    avj_view_free(rig->view);
    kept_records_release(&rig->records);
    mem_io_free(rig->mem);
}

static bool is_taken(struct rig *rig)
{
    struct avj_view *view = snapshot_copy_read(rig->io, PATH, &rig->records);
    bool taken = view != NULL;
    avj_view_free(view);
    return taken;
}

/* ---- changed ---- */

static bool in_a_section(const struct rig *rig, size_t at)
{
    for (int i = 0; i < AVJ_SECTIONS; i++)
        if (at >= rig->header.sections[i].at &&
            at < rig->header.sections[i].at + rig->header.sections[i].len)
            return true;
    return at < AVJ_SNAPSHOT_PAGE;
}

/* Header and what is not zero: all of it.  Of zeros, some. */
static bool is_looked_at(const struct rig *rig, size_t at)
{
    return at < AVJ_SNAPSHOT_PAGE || (rig->bytes[at] && at % 3 == 0) || at % 509 == 0;
}

static void every_changed_byte_is_seen(void **state)
{
    struct rig *rig = *state;
    size_t seen = 0;
    for (size_t at = 0; at < rig->len; at++) {
        if (!in_a_section(rig, at) || !is_looked_at(rig, at))
            continue;
        uint8_t mask = (uint8_t)(1u << at % 8);
        rig->bytes[at] ^= mask;
        if (is_taken(rig))
            fail_msg("byte %zu may be changed", at);
        rig->bytes[at] ^= mask;
        seen++;
    }
    print_message("%zu bytes of %zu were changed in turn\n", seen, rig->len);
    assert_true(seen > 5000 && is_taken(rig));
}

static void what_lies_between_sections_is_nothing(void **state)
{
    struct rig *rig = *state;
    size_t between = 0;
    for (size_t at = 0; at < rig->len; at++)
        if (!in_a_section(rig, at)) {
            assert_int_equal(rig->bytes[at], 0);
            rig->bytes[at] = 0xff;
            between++;
        }
    assert_true(between > 0);
    struct avj_view *view = snapshot_copy_read(rig->io, PATH, &rig->records);
    assert_non_null(view);
    assert_true(described_same(rig->view, view, true, "with bytes between sections changed"));
    avj_view_free(view);
    for (size_t at = 0; at < rig->len; at++)
        if (!in_a_section(rig, at))
            rig->bytes[at] = 0;
}

static void every_other_length_is_seen(void **state)
{
    struct rig *rig = *state;
    struct mem_io *whole = mem_io_copy(rig->mem);
    size_t len = rig->len;
    for (size_t cut = 0; cut <= len + 2 * AVJ_SNAPSHOT_PAGE; cut += AVJ_SNAPSHOT_PAGE)
        for (size_t more = 0; more < 2; more++) {
            if (cut + more == len)
                continue;
            mem_io_resize(rig->mem, PATH, cut + more);
            if (is_taken(rig))
                fail_msg("%zu bytes of %zu will do", cut + more, len);
            mem_io_restore(rig->mem, whole);
        }
    mem_io_resize(rig->mem, PATH, len - 1);
    assert_false(is_taken(rig));
    mem_io_restore(rig->mem, whole);
    assert_true(is_taken(rig));
    mem_io_free(whole);
    rig->bytes = mem_io_data(rig->mem, PATH, &rig->len);
}

/* Hashes that are right, numbers that are not: no read goes behind what is there.  (Who writes a
 * count that is possible and wrong, with its hash, is believed.) */
static void numbers_that_can_not_be_are_not_believed(void **state)
{
    struct rig *rig = *state;
    static const uint64_t values[] = {
        UINT32_MAX, UINT64_MAX, UINT64_MAX - 4095, 1ull << 40, 4097, 4095, 1, 0};
    uint8_t page[AVJ_SNAPSHOT_PAGE];
    memcpy(page, rig->bytes, sizeof(page));
    for (size_t number = 0; number < 3 * AVJ_SECTIONS; number++)
        for (size_t v = 0; v < (number % 3 == 2 ? 4 : 8); v++) {
            uint8_t *at = rig->bytes + 96 + 32 * (number / 3) + 8 * (number % 3);
            /* Of these the number of items says nothing. */
            bool idle = number % 3 == 2 &&
                        (number / 3 == AVJ_SECTION_META || number / 3 == AVJ_SECTION_DATA);
            bool same = avj_get_le64(at) == values[v];
            avj_put_le64(at, values[v]);
            avj_put_le64(rig->bytes + 4088, avj_hash64(rig->bytes, 4088));
            if (is_taken(rig) && !same && !idle)
                fail_msg("section %zu, number %zu may be %llu", number / 3, number % 3,
                         (unsigned long long)values[v]);
            memcpy(rig->bytes, page, sizeof(page));
        }
    assert_true(is_taken(rig));
}

/* ---- SNAPSHOT.md ---- */

/* The rows of its tables "| offset | bytes | name | ..." and "| section | item | ...". */
struct row {
    size_t offset, bytes;
    char name[32];
};

static bool read_row(const char *line, struct row *row)
{
    return sscanf(line, "| %zu | %zu | `%31[^`]` |", &row->offset, &row->bytes, row->name) == 3;
}

static FILE *open_document(void)
{
    const char *source = getenv("AVJ_SOURCE");
    char *name = test_path(source ? source : ".", "replay/SNAPSHOT.md");
    FILE *file = fopen(name, "r");
    free(name);
    assert_non_null(file);
    return file;
}

/* Where the encoder puts a header whose every byte is different. */
static void encode_marked(uint8_t page[AVJ_SNAPSHOT_PAGE])
{
    struct avj_snapshot_header h = {
        .seq = 0x0102030405060708, .hlc = 0x1112131415161718, .bytes = 0x2122232425262728};
    memset(h.journal_id, 0x31, 16);
    memset(h.record_hash, 0x41, 16);
    memset(h.digest, 0x51, 16);
    for (unsigned i = 0; i < AVJ_SECTIONS; i++)
        h.sections[i] = (struct avj_section){0x60 + i, 0x70 + i, 0x80 + i, 0x90 + i};
    avj_snapshot_header_encode(&h, page);
}

static void assert_bytes(const uint8_t *page, const struct row *row)
{
    const uint8_t *at = page + row->offset;
    static const struct {
        const char *name;
        size_t bytes;
        uint64_t value; /* its first eight bytes, or fewer */
    } known[] = {
        {"magic", 8, 0x3150414e534a5641},
        {"version", 4, AVJ_SNAPSHOT_VERSION},
        {"sections", 4, AVJ_SECTIONS},
        {"slot size", 1, sizeof(struct avj_slot)},
        {"thread size", 1, sizeof(struct avj_thread)},
        {"side size", 1, sizeof(struct avj_side)},
        {"open size", 1, sizeof(struct avj_open)},
        {"chunk shift", 1, AVJ_CHUNK_SHIFT},
        {"outbox size", 1, sizeof(struct avj_outbox_entry)},
        {"byte order", 1, 4},
        {"journal id", 16, 0x3131313131313131},
        {"last record", 8, 0x0102030405060708},
        {"record hash", 16, 0x4141414141414141},
        {"stamp", 8, 0x1112131415161718},
        {"digest", 16, 0x5151515151515151},
        {"bytes", 8, 0x2122232425262728},
        {"section table", (size_t)32 * AVJ_SECTIONS, 0x60},
        {"header hash", 8, 0},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        uint64_t value = 0;
        if (strcmp(known[i].name, row->name) != 0)
            continue;
        assert_int_equal(row->bytes, known[i].bytes);
        for (size_t b = 0; b < 8 && b < row->bytes; b++)
            value |= (uint64_t)at[b] << 8 * b;
        if (strcmp(row->name, "header hash") == 0)
            assert_int_equal(value, avj_hash64(page, row->offset));
        else
            assert_int_equal(value, known[i].value);
        return;
    }
    fail_msg("SNAPSHOT.md: no such part of the header: %s", row->name);
}

/* Every byte of the header is in a row, or is said to be zero. */
static void the_document_tells_the_header(void **state)
{
    (void)state;
    uint8_t page[AVJ_SNAPSHOT_PAGE];
    bool told[AVJ_SNAPSHOT_PAGE] = {false};
    char line[1024];
    FILE *file = open_document();
    encode_marked(page);
    while (fgets(line, sizeof(line), file)) {
        struct row row;
        if (!read_row(line, &row))
            continue;
        assert_true(row.offset + row.bytes <= sizeof(page));
        for (size_t i = 0; i < row.bytes; i++) {
            assert_false(told[row.offset + i]);
            told[row.offset + i] = true;
        }
        if (strcmp(row.name, "zero") != 0)
            assert_bytes(page, &row);
        for (size_t i = 0; strcmp(row.name, "zero") == 0 && i < row.bytes; i++)
            assert_int_equal(page[row.offset + i], 0);
    }
    fclose(file);
    for (size_t i = 0; i < sizeof(page); i++)
        if (!told[i])
            fail_msg("SNAPSHOT.md does not tell of byte %zu", i);
}

static void the_document_tells_the_sections(void **state)
{
    struct rig *rig = *state;
    static const struct {
        const char *name;
        size_t unit;
    } known[AVJ_SECTIONS] = {
        [AVJ_SECTION_SLOTS] = {"SLOTS", sizeof(struct avj_slot)},
        [AVJ_SECTION_TEXTS] = {"TEXTS", 8},
        [AVJ_SECTION_BASE] = {"BASE", sizeof(uint32_t)},
        [AVJ_SECTION_DATA] = {"DATA", 8},
        [AVJ_SECTION_THREADS] = {"THREADS", sizeof(struct avj_thread)},
        [AVJ_SECTION_SIDES] = {"SIDES", sizeof(struct avj_side)},
        [AVJ_SECTION_OPEN] = {"OPEN", sizeof(struct avj_open)},
        [AVJ_SECTION_OUTBOX] = {"OUTBOX", sizeof(struct avj_outbox_entry)},
        [AVJ_SECTION_CONFLICTS] = {"CONFLICTS", sizeof(uint64_t)},
        [AVJ_SECTION_META] = {"META", 1},
    };
    char line[1024], name[32];
    FILE *file = open_document();
    size_t next = 0, number, unit;
    while (fgets(line, sizeof(line), file)) {
        if (sscanf(line, "| %zu | `%31[^`]` | %zu |", &number, name, &unit) != 3)
            continue;
        assert_int_equal(number, next);
        assert_true(next < AVJ_SECTIONS);
        assert_string_equal(name, known[next].name);
        assert_int_equal(unit, known[next].unit);
        assert_int_equal(rig->header.sections[next++].len % unit, 0);
    }
    fclose(file);
    assert_int_equal(next, AVJ_SECTIONS);
}

#define MEMBER(item, member)                                                                       \
    {                                                                                              \
#item, #member, offsetof(struct avj_##item, member),                                       \
            sizeof(((struct avj_##item *)0)->member)                                               \
    }

static void the_document_tells_the_items(void **state)
{
    (void)state;
    static const struct {
        const char *item, *member;
        size_t offset, bytes;
    } known[] = {
        MEMBER(slot, id),          MEMBER(slot, digest),
        MEMBER(slot, created_ms),  MEMBER(slot, version_ms),
        MEMBER(slot, body_low),    MEMBER(slot, body_high),
        MEMBER(slot, flags),       MEMBER(slot, thread),
        MEMBER(slot, extra),       MEMBER(thread, last_message_ms),
        MEMBER(thread, newest_ms), MEMBER(thread, fields),
        MEMBER(thread, messages),  MEMBER(thread, summaries),
        MEMBER(thread, slot),      MEMBER(thread, pinned),
        MEMBER(side, kept),        MEMBER(side, remote_id),
        MEMBER(side, next_free),   MEMBER(open, doc),
        MEMBER(open, at),          MEMBER(open, len),
        MEMBER(open, pending),     MEMBER(open, order),
        MEMBER(open, parked),      MEMBER(open, next_free),
        MEMBER(span, at),          MEMBER(span, len),
        MEMBER(span, cap),
    };
    const size_t count = sizeof(known) / sizeof(known[0]);
    char line[1024], item[16], member[32];
    FILE *file = open_document();
    size_t next = 0, offset, bytes;
    while (fgets(line, sizeof(line), file)) {
        if (sscanf(line, "| %15[a-z] | `%31[^`]` | %zu | %zu |", item, member, &offset, &bytes) !=
            4)
            continue;
        assert_true(next < count);
        assert_string_equal(item, known[next].item);
        assert_string_equal(member, known[next].member);
        assert_int_equal(offset, known[next].offset);
        assert_int_equal(bytes, known[next].bytes);
        next++;
    }
    fclose(file);
    assert_int_equal(next, count);
}

int main(void)
{
    static struct rig rig;
    rig_begin(&rig);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(every_changed_byte_is_seen, &rig),
        cmocka_unit_test_prestate(what_lies_between_sections_is_nothing, &rig),
        cmocka_unit_test_prestate(every_other_length_is_seen, &rig),
        cmocka_unit_test_prestate(numbers_that_can_not_be_are_not_believed, &rig),
        cmocka_unit_test(the_document_tells_the_header),
        cmocka_unit_test_prestate(the_document_tells_the_sections, &rig),
        cmocka_unit_test(the_document_tells_the_items),
    };
    int failed = cmocka_run_group_tests_name("the bytes of snapshots", tests, NULL, NULL);
    rig_end(&rig);
    return failed;
}
