/* FORMAT.md tells the truth: its dump decodes as it says, and the writer makes the same bytes. */
#include "journal/format.h"
#include "journal/payload.h"
#include "tests/support/cases.h"
#include "tests/support/files.h"

#define DUMP_MAX 8192

struct dump {
    uint8_t bytes[DUMP_MAX];
    size_t len;
};

/* One line "OFFSET  16 bytes  # comment"; gaps left by a "*" are filled with the line before. */
static void take_line(struct dump *dump, const char *line)
{
    char *at;
    size_t offset = strtoul(line, &at, 16);
    assert_true(offset + 16 <= DUMP_MAX);
    assert_true(offset >= dump->len);
    for (; dump->len < offset; dump->len++)
        dump->bytes[dump->len] = dump->bytes[dump->len - 16];
    for (int i = 0; i < 16; i++)
        dump->bytes[dump->len++] = (uint8_t)strtoul(at, &at, 16);
    assert_non_null(strchr(at, '#'));
}

static void read_dump(struct dump *dump)
{
    const char *source = getenv("AVJ_SOURCE");
    char *name = test_path(source ? source : ".", "journal/FORMAT.md");
    FILE *file = fopen(name, "r");
    free(name);
    assert_non_null(file);
    char line[512];
    bool inside = false;
    dump->len = 0;
    while (fgets(line, sizeof(line), file)) {
        if (strncmp(line, "```", 3) == 0)
            inside = strncmp(line, "```dump", 7) == 0;
        else if (inside && line[0] != '*')
            take_line(dump, line);
    }
    fclose(file);
    assert_int_equal(dump->len, 0x10b0);
}

static void header_decodes(void **state)
{
    struct dump *dump = *state;
    struct avj_segment_header h;
    assert_int_equal(avj_segment_header_decode(dump->bytes, &h, NULL), AVJ_OK);
    assert_int_equal(h.version, 1);
    assert_int_equal(h.segment_no, 1);
    assert_int_equal(h.first_seq, 1);
    assert_int_equal(h.prev_segment_no, 0);
    assert_int_equal(h.created_ms, 1795370972548);
    assert_int_equal(h.journal_id[0], 0x01);
    assert_int_equal(h.salt[15], 0x20);
    assert_int_equal(h.boot_id[7], 0xb0);
    assert_int_equal(h.incompat, AVJ_INCOMPAT_DICTIONARY);
    assert_int_equal(h.dictionary.kind, AVJ_DICTIONARY_SHIPPED);
    assert_int_equal(h.dictionary.len, 60296);
    assert_int_equal(h.dictionary.hash, 0xf6526547210c11fd);
    assert_int_equal(h.frames_at, 4096);
    assert_false(h.sealed);
    assert_int_equal(h.chain, 0x49814aa5a4626f74);
}

struct expected {
    size_t offset, total;
    uint64_t first_seq, durable_seq, prev_hash;
    unsigned count, stored, raw;
    bool compressed;
    uint32_t dictionary;
};

static const struct expected frames[] = {
    {0x1000, 80, 1, 0, 0x49814aa5a4626f74, 2, 7, 7, false, 0},
    {0x1050, 96, 3, 2, 0xe60f1f7462151ff5, 1, 17, 65, true, 0x210c11fd},
};

static void frames_decode(void **state)
{
    struct dump *dump = *state;
    for (size_t i = 0; i < 2; i++) {
        const struct expected *want = &frames[i];
        const uint8_t *bytes = dump->bytes + want->offset;
        struct avj_frame_header h;
        uint64_t place = avj_frame_place(dump->bytes + 48, want->offset);
        assert_true(avj_frame_header_decode(bytes, place, &h));
        assert_int_equal(h.count, want->count);
        assert_int_equal(h.stored_len, want->stored);
        assert_int_equal(h.raw_len, want->raw);
        assert_int_equal(h.first_seq, want->first_seq);
        assert_int_equal(h.durable_seq, want->durable_seq);
        assert_int_equal(h.prev_hash, want->prev_hash);
        assert_int_equal(h.writer_id, 0x24232221);
        assert_int_equal(h.dict_id, want->dictionary);
        assert_int_equal((h.flags & AVJ_FRAME_FLAG_ZSTD) != 0, want->compressed);
        assert_int_equal(avj_payload_hash(place, bytes + 64, h.stored_len), h.payload_hash);
        assert_int_equal(avj_frame_total(h.stored_len), want->total);
        uint8_t trailer[8];
        avj_frame_trailer_encode((uint32_t)want->total, h.header_hash, trailer);
        assert_memory_equal(bytes + want->total - 8, trailer, 8);
    }
}

static void a_frame_is_good_at_its_own_place_only(void **state)
{
    struct dump *dump = *state;
    struct avj_frame_header h;
    for (uint64_t offset = 0; offset < 0x2000; offset += 8) {
        uint64_t place = avj_frame_place(dump->bytes + 48, offset);
        assert_int_equal(avj_frame_header_decode(dump->bytes + 0x1000, place, &h),
                         offset == 0x1000);
    }
}

/* ---- the writer, with everything that is random or of this machine replaced by what the document
 * says ---- */

static uint8_t next_random;

static int counted_random(void *ctx, void *data, size_t len)
{
    (void)ctx;
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)data)[i] = ++next_random;
    return 0;
}

static int64_t fixed_now(void *ctx)
{
    (void)ctx;
    return 1795370972548;
}

static void fixed_boot(void *ctx, uint8_t id[16])
{
    (void)ctx;
    memset(id, 0xb0, 16);
}

static size_t write_journal(const char *path, uint8_t *bytes)
{
    struct avj_io io = *avj_io_posix();
    io.random = counted_random;
    io.now_ms = fixed_now;
    io.boot_id = fixed_boot;
    next_random = 0;
    struct avj_journal_options options = {.io = &io};
    struct avj_journal *journal;
    char as[64];
    memset(as, 'a', sizeof(as));
    struct avj_slice first[] = {{"hello", 5}, {"", 0}}, second[] = {{as, sizeof(as)}};
    assert_int_equal(avj_journal_create(path, &options, NULL), AVJ_OK);
    assert_int_equal(avj_journal_open(path, &options, &journal, NULL), AVJ_OK);
    assert_int_equal(avj_journal_append(journal, first, 2, AVJ_DURABLE, NULL, NULL), AVJ_OK);
    assert_int_equal(avj_journal_append(journal, second, 1, AVJ_DURABLE, NULL, NULL), AVJ_OK);
    avj_journal_close(journal);
    char *name = test_path(path, "segments/0000000000000001.seg");
    size_t len;
    uint8_t *file = test_read_file(name, &len);
    assert_true(len <= DUMP_MAX);
    memcpy(bytes, file, len);
    free(file);
    free(name);
    return len;
}

/* Up to the second frame's payload, whose compressed bytes are zstd's affair (another version may
 * choose others). */
static void the_writer_makes_these_bytes(void **state)
{
    struct dump *dump = *state;
    char *dir = test_dir_new();
    char *path = test_path(dir, "journal");
    uint8_t bytes[DUMP_MAX];
    size_t len = write_journal(path, bytes);
    assert_true(len > 0x1090);
    assert_memory_equal(bytes, dump->bytes, 0x1050);
    assert_memory_equal(bytes + 0x1060, dump->bytes + 0x1060, 16);
    free(path);
    test_dir_free(dir);
}

int main(void)
{
    static struct dump dump;
    read_dump(&dump);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(header_decodes, &dump),
        cmocka_unit_test_prestate(frames_decode, &dump),
        cmocka_unit_test_prestate(a_frame_is_good_at_its_own_place_only, &dump),
        cmocka_unit_test_prestate(the_writer_makes_these_bytes, &dump),
    };
    return cmocka_run_group_tests_name("FORMAT.md", tests, NULL, NULL);
}
