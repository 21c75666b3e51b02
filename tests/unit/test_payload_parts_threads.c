/*
 * Large payloads in parts: cut between records, compressed by two threads, read back whole, part by
 * part, and by programs that know zstd alone; and a table that does not say what is there is
 * damage.
 */
#include "journal/bytes.h"
#include "journal/payload.h"
#include "tests/support/cases.h"
#include "tests/support/numbered.h"

#include <zstd.h>

#define RECORDS_MAX 60000u
#define HUGE_RECORD ((size_t)3 * 1024 * 1024)

struct rig {
    struct avj_packer *packer;
    struct avj_unpacker *unpacker;
    uint8_t *bytes, *huge, *raw;
    struct avj_slice *records;
    struct avj_payload payload;
    struct avj_frame_info frame;
    uint8_t *stored; /* a copy of just its length */
};

static uint8_t own_dictionary[20000];

static void rig_begin(struct rig *rig)
{
    memset(rig, 0, sizeof(*rig));
    rig->packer = avj_packer_new(AVJ_LEVEL_DEFAULT);
    rig->unpacker = avj_unpacker_new();
    rig->bytes = malloc((size_t)RECORDS_MAX * NUMBERED_MAX);
    rig->huge = calloc(1, HUGE_RECORD);
    rig->raw = malloc((size_t)16 * 1024 * 1024);
    rig->records = calloc(RECORDS_MAX, sizeof(*rig->records));
    assert_true(rig->packer && rig->unpacker && rig->bytes && rig->huge && rig->raw);
    assert_non_null(rig->records);
    for (size_t i = 0; i < RECORDS_MAX; i++) {
        uint8_t *data = rig->bytes + i * NUMBERED_MAX;
        rig->records[i] = (struct avj_slice){data, numbered_make(i, data)};
    }
    for (size_t i = 0; i < sizeof(own_dictionary); i++)
        own_dictionary[i] = rig->bytes[i];
}

static void rig_end(struct rig *rig)
{
    avj_packer_free(rig->packer);
    avj_unpacker_free(rig->unpacker);
    free(rig->bytes);
    free(rig->huge);
    free(rig->raw);
    free(rig->records);
    free(rig->stored);
}

enum dictionary { NONE, BUILTIN, OWN };

static void use(struct rig *rig, enum dictionary which)
{
    struct avj_dictionary dictionary = {.len = 0};
    if (which == BUILTIN)
        avj_dictionary_default(&dictionary);
    if (which == OWN) {
        dictionary.data = own_dictionary;
        dictionary.len = sizeof(own_dictionary);
        dictionary.hash = avj_dictionary_hash(dictionary.data, dictionary.len);
    }
    assert_int_equal(avj_packer_dictionary(rig->packer, &dictionary), AVJ_OK);
    assert_int_equal(avj_unpacker_dictionary(rig->unpacker, &dictionary), AVJ_OK);
}

static void pack(struct rig *rig, size_t count)
{
    struct avj_error err = {0};
    struct avj_payload *p = &rig->payload;
    assert_ok(avj_pack_records(rig->packer, rig->records, count, p, &err), err);
    assert_int_equal(p->count, count);
    rig->frame = (struct avj_frame_info){.type = AVJ_FRAME_RECORDS,
                                         .count = p->count,
                                         .raw_len = p->raw_len,
                                         .stored_len = p->stored_len,
                                         .compressed = p->compressed,
                                         .bare = p->bare,
                                         .dictionary = p->dictionary};
    rig->stored = realloc(rig->stored, p->stored_len);
    assert_non_null(rig->stored);
    memcpy(rig->stored, p->stored, p->stored_len);
}

static void assert_same(const struct rig *rig, size_t i, const struct avj_slice *record)
{
    assert_int_equal(record->len, rig->records[i].len);
    assert_memory_equal(record->data, rig->records[i].data, record->len);
}

static void assert_whole(struct rig *rig)
{
    struct avj_slice record;
    assert_int_equal(avj_unpack(rig->unpacker, &rig->frame, rig->stored), AVJ_OK);
    for (size_t i = 0; i < rig->frame.count; i++) {
        assert_true(avj_unpack_next(rig->unpacker, &record));
        assert_same(rig, i, &record);
    }
    assert_false(avj_unpack_next(rig->unpacker, &record));
}

/* Last part first. */
static void assert_by_parts(struct rig *rig, const struct avj_parts *parts)
{
    assert_int_equal(avj_unpack_begin(rig->unpacker, rig->raw), AVJ_OK);
    for (uint32_t i = parts->count; i-- > 0;) {
        const struct avj_part *part = &parts->parts[i];
        struct avj_slice record;
        memset(rig->raw, 0xee, rig->frame.raw_len);
        assert_int_equal(avj_unpack_part(rig->unpacker, i), AVJ_OK);
        const uint8_t *p = rig->raw + part->at;
        for (uint32_t n = 0; n < part->count; n++) {
            p = avj_record_get(p, rig->raw + part->at + part->len, &record);
            assert_non_null(p);
            assert_same(rig, part->first + n, &record);
        }
        assert_ptr_equal(p, rig->raw + part->at + part->len);
    }
}

static void records_come_back_whole_and_part_by_part(void **state)
{
    struct rig *rig = *state;
    static const struct {
        const char *sentence;
        enum dictionary dictionary;
        size_t count;
        bool huge; /* the second record */
        uint32_t least, most;
    } rows[] = {
        {"little: one zstd frame and no table", NONE, 100, false, 0, 0},
        {"just large: the same", BUILTIN, 900, false, 0, 0},
        {"a megabyte without a dictionary of its own: four or five", NONE, 3000, false, 4, 5},
        {"the built-in one is not used for it", BUILTIN, 3000, false, 4, 5},
        {"with its own: small ones", OWN, 3000, false, 14, 15},
        {"just large with its own: small ones", OWN, 900, false, 4, 5},
        {"as much as a frame may have: fifteen", OWN, 40000, false, 15, 15},
        {"a record that is larger than a part is in one", OWN, 1000, true, 2, 15},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct avj_slice second = rig->records[1];
        struct avj_parts parts;
        print_message("%s\n", rows[i].sentence);
        use(rig, rows[i].dictionary);
        if (rows[i].huge)
            rig->records[1] = (struct avj_slice){rig->huge, HUGE_RECORD};
        pack(rig, rows[i].count);
        assert_true(rig->frame.compressed);
        assert_whole(rig);
        assert_int_equal(avj_unpack_look(rig->unpacker, &rig->frame, rig->stored, &parts), AVJ_OK);
        assert_in_range(parts.count, rows[i].least, rows[i].most);
        if (parts.count) {
            assert_by_parts(rig, &parts);
            assert_int_equal(rig->frame.dictionary != 0, rows[i].dictionary == OWN);
        }
        rig->records[1] = second;
    }
}

/* Programs that know of no table read on: to zstd it is a frame to be skipped. */
static void zstd_alone_reads_it(void **state)
{
    struct rig *rig = *state;
    use(rig, NONE);
    pack(rig, 3000);
    assert_int_equal(
        ZSTD_decompress(rig->raw, rig->frame.raw_len, rig->stored, rig->frame.stored_len),
        rig->frame.raw_len);
    assert_memory_equal(rig->raw + 1 + (rig->records[0].len > 127), rig->records[0].data,
                        rig->records[0].len);
}

/* The same bytes, whichever thread was quicker. */
static void it_is_the_same_every_time(void **state)
{
    struct rig *rig = *state;
    use(rig, OWN);
    pack(rig, 3000);
    uint64_t first = avj_dictionary_hash(rig->stored, rig->frame.stored_len);
    for (int i = 0; i < 20; i++) {
        pack(rig, 3000);
        assert_true(avj_dictionary_hash(rig->stored, rig->frame.stored_len) == first);
    }
}

static bool is_taken(struct rig *rig)
{
    struct avj_parts parts;
    enum avj_status whole = avj_unpack(rig->unpacker, &rig->frame, rig->stored);
    enum avj_status look = avj_unpack_look(rig->unpacker, &rig->frame, rig->stored, &parts);
    assert_true(whole == AVJ_OK || whole == AVJ_ECORRUPT);
    assert_true(look == AVJ_OK || look == AVJ_ECORRUPT);
    return whole == AVJ_OK;
}

/* Its magic, its length, and what it says of each part. */
static void every_byte_of_the_table_counts(void **state)
{
    struct rig *rig = *state;
    struct avj_parts parts;
    use(rig, OWN);
    pack(rig, 900);
    assert_int_equal(avj_unpack_look(rig->unpacker, &rig->frame, rig->stored, &parts), AVJ_OK);
    const struct avj_part *last = &parts.parts[parts.count - 1];
    assert_int_equal(rig->frame.stored_len,
                     last->stored_at + last->stored_len + 8 + 2 * parts.count);
    for (size_t at = last->stored_at + last->stored_len; at < rig->frame.stored_len; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            rig->stored[at] ^= (uint8_t)(1u << bit);
            if (is_taken(rig))
                fail_msg("bit %u of byte %zu may be changed", bit, at);
            rig->stored[at] ^= (uint8_t)(1u << bit);
        }
    assert_true(is_taken(rig));
}

/* Numbers that come to the right sum and are wrong. */
static void records_must_be_in_the_part_that_is_said(void **state)
{
    struct rig *rig = *state;
    use(rig, OWN);
    pack(rig, 900);
    uint8_t *end = rig->stored + rig->frame.stored_len;
    avj_put_le16(end - 2, (uint16_t)(avj_get_le16(end - 2) + 1));
    avj_put_le16(end - 4, (uint16_t)(avj_get_le16(end - 4) - 1));
    assert_false(is_taken(rig));
}

int main(void)
{
    static struct rig rig;
    rig_begin(&rig);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(records_come_back_whole_and_part_by_part, &rig),
        cmocka_unit_test_prestate(zstd_alone_reads_it, &rig),
        cmocka_unit_test_prestate(it_is_the_same_every_time, &rig),
        cmocka_unit_test_prestate(every_byte_of_the_table_counts, &rig),
        cmocka_unit_test_prestate(records_must_be_in_the_part_that_is_said, &rig),
    };
    int failed = cmocka_run_group_tests_name("payloads in parts", tests, NULL, NULL);
    rig_end(&rig);
    return failed;
}
