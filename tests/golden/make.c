/*
 * Makes the golden journals: make_golden FOLDER (tests/golden/journals), by hand, when the format
 * gained something.  What is there already is left alone: golden files are for ever.  Salts, ids
 * and clocks come from a seed, so the same program with the same zstd makes the same bytes.
 *
 * Each row is a journal of the library's own making, then changed by `change`, with the verdict
 * that this program demands before it writes it down.
 */
#include "tests/golden/describe.h"

#include "journal/bytes.h"
#include "journal/format.h"
#include "tests/support/files.h"
#include "tests/support/small_journal.h"

#include <errno.h>
#include <string.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

struct golden {
    struct mem_io *mem;
    struct mem_io *older; /* when the first segment had one frame */
    struct known known;
    struct avj_journal *journal;
};

static void need(enum avj_status status, const struct avj_error *err)
{
    if (status == AVJ_OK)
        return;
    fprintf(stderr, "make_golden: %s\n", err->message);
    exit(1);
}

/* ---- what the library makes ---- */

static void append(struct golden *g, enum known_kind kind, size_t len, size_t count,
                   enum avj_durability durability)
{
    struct avj_error err;

    need(known_append(&g->known, g->journal, kind, len, count, durability, &err), &err);
}

static void rotate(struct golden *g)
{
    struct avj_error err;

    need(avj_journal_rotate(g->journal, &err), &err);
}

/* `reserve`: with zeros written ahead, which rows about the end of the file can not use. */
static void open_again(struct golden *g, bool reserve)
{
    struct avj_journal_options options = small_options(g->mem);
    struct avj_error err;

    avj_journal_close(g->journal);
    options.no_reserve = !reserve;
    need(avj_journal_open(SMALL_DIR, &options, &g->journal, &err), &err);
}

static void nothing(struct golden *g)
{
    (void)g;
}

/* A frame of each kind. */
static void one_segment(struct golden *g)
{
    append(g, KNOWN_RAW, 20, 1, AVJ_DURABLE);
    g->older = mem_io_copy(g->mem);
    append(g, KNOWN_TEXT, 300, 1, AVJ_DURABLE);
    append(g, KNOWN_RAW, 5, 12, AVJ_DURABLE);
    append(g, KNOWN_RAW, 0, 1, AVJ_DURABLE);
}

static void two_segments(struct golden *g)
{
    one_segment(g);
    rotate(g);
    append(g, KNOWN_TEXT, 90, 4, AVJ_DURABLE);
    append(g, KNOWN_RAW, 20, 1, AVJ_DURABLE);
}

static void three_segments(struct golden *g)
{
    two_segments(g);
    rotate(g);
    append(g, KNOWN_RAW, 8, 2, AVJ_DURABLE);
}

static void kill_now(struct golden *g)
{
    mem_io_kill(g->mem, true);
    avj_journal_close(g->journal);
    g->journal = NULL;
    mem_io_kill(g->mem, false);
}

static void killed(struct golden *g)
{
    two_segments(g);
    append(g, KNOWN_TEXT, 90, 2, AVJ_RELAXED);
    kill_now(g);
}

static void cut_last(struct golden *g, unsigned number, size_t bytes)
{
    size_t len;

    (void)mem_io_data(g->mem, small_segment(number), &len);
    mem_io_resize(g->mem, small_segment(number), len - bytes);
}

static void torn(struct golden *g)
{
    killed(g);
    cut_last(g, 2, 30);
}

/* The torn tail stays in segment 2; the log goes on in segment 3. */
static void went_on(struct golden *g)
{
    torn(g);
    open_again(g, false);
    append(g, KNOWN_RAW, 20, 1, AVJ_DURABLE);
}

static void reserved(struct golden *g)
{
    open_again(g, true);
    two_segments(g);
}

static void seal(struct golden *g)
{
    struct avj_error err;

    need(avj_journal_maintain(g->journal, NULL, NULL, &err), &err);
}

static void sealed(struct golden *g)
{
    two_segments(g);
    rotate(g);
    seal(g);
    append(g, KNOWN_RAW, 20, 1, AVJ_DURABLE);
}

/* What stood behind segment 2's end is kept in the sealed one. */
static void sealed_with_set_aside(struct golden *g)
{
    went_on(g);
    rotate(g);
    seal(g);
    append(g, KNOWN_RAW, 20, 1, AVJ_DURABLE);
}

static void own_dictionary(struct golden *g)
{
    append(g, KNOWN_TEXT, 100, 1, AVJ_DURABLE);
    small_save_dictionary(g->journal);
    open_again(g, false);
    rotate(g);
    append(g, KNOWN_TEXT, 100, 1, AVJ_DURABLE);
    append(g, KNOWN_TEXT, 100, 3, AVJ_DURABLE);
    append(g, KNOWN_RAW, 20, 1, AVJ_DURABLE);
}

static void large(struct golden *g)
{
    append(g, KNOWN_TEXT, 700000, 1, AVJ_DURABLE);
    append(g, KNOWN_TEXT, 700, 1000, AVJ_DURABLE);
}

static void killed_in_a_sync(struct golden *g)
{
    struct avj_error err;

    two_segments(g);
    mem_io_kill_at_sync(g->mem);
    if (known_append(&g->known, g->journal, KNOWN_TEXT, 90, 2, AVJ_DURABLE, &err) == AVJ_OK)
        exit(1);
    kill_now(g);
}

/* ---- what became of it ---- */

static void flip(struct golden *g, unsigned number, size_t at)
{
    size_t len;

    mem_io_data(g->mem, small_segment(number), &len)[at] ^= 0x10;
}

static void zeros_behind_the_end(struct golden *g)
{
    cut_last(g, 2, (size_t)0 - 1000);
}

static void noise_behind_the_end(struct golden *g)
{
    size_t len;

    cut_last(g, 2, (size_t)0 - 100);
    memset(mem_io_data(g->mem, small_segment(2), &len) + len - 100, 0x77, 100);
}

static void no_witness(struct golden *g)
{
    mem_io_remove(g->mem, SMALL_SYNC);
}

static void flipped_payload(struct golden *g)
{
    flip(g, 1, 4096 + 64 + 3);
}

static void flipped_header(struct golden *g)
{
    flip(g, 2, 90);
}

static void zeroed_sector(struct golden *g)
{
    size_t len;

    memset(mem_io_data(g->mem, small_segment(1), &len) + 4096, 0, 512);
}

static void durable_tail_gone(struct golden *g)
{
    cut_last(g, 2, 20);
}

static void first_segment_gone(struct golden *g)
{
    mem_io_remove(g->mem, small_segment(1));
}

static void middle_segment_gone(struct golden *g)
{
    mem_io_remove(g->mem, small_segment(2));
}

static void last_segment_gone(struct golden *g)
{
    mem_io_remove(g->mem, small_segment(3));
}

static void segments_swapped(struct golden *g)
{
    mem_io_move(g->mem, small_segment(1), SMALL_DIR "/other");
    mem_io_move(g->mem, small_segment(2), small_segment(1));
    mem_io_move(g->mem, SMALL_DIR "/other", small_segment(2));
}

static void older_copy(struct golden *g)
{
    size_t len;
    const uint8_t *data = mem_io_data(g->older, small_segment(1), &len);

    mem_io_put(g->mem, small_segment(1), data, len);
}

static void first_frame_twice(struct golden *g)
{
    size_t len;
    uint8_t *data = mem_io_data(g->mem, small_segment(1), &len);

    memcpy(data + 4096 + avj_frame_total(21), data + 4096, (size_t)avj_frame_total(21));
}

static void flipped_dictionary(struct golden *g)
{
    flip(g, 2, 4096 + 12);
}

/* A header field changed by somebody who knows how to make the hash fit: another version. */
static void patch_last_header(struct golden *g, size_t at)
{
    size_t len;
    uint8_t *data = mem_io_data(g->mem, small_segment(1), &len);

    data[at] = at == 8 ? 2 : 0x80;
    avj_hash128(data, AVJ_SEGMENT_HASH_OFFSET, data + AVJ_SEGMENT_HASH_OFFSET);
}

static void version_2(struct golden *g)
{
    patch_last_header(g, 8);
}

static void compatible_feature(struct golden *g)
{
    patch_last_header(g, 15);
}

static void read_only_compatible_feature(struct golden *g)
{
    patch_last_header(g, 19);
}

static void incompatible_feature(struct golden *g)
{
    patch_last_header(g, 23);
}

static const struct row {
    const char *name, *about;
    void (*make)(struct golden *g);
    void (*change)(struct golden *g);
    const char *read; /* the line that must be in the description */
} rows[] = {
    {"empty", "a journal without records", nothing, nothing, "read AVJ_END"},
    {"one-segment", "a frame of each kind", one_segment, nothing, "read AVJ_END"},
    {"three-segments", "rotated twice", three_segments, nothing, "read AVJ_END"},
    {"killed", "written, not synced, killed", killed, nothing, "read AVJ_END"},
    {"torn", "the last append, promised to nobody, is there in part", torn, nothing,
     "read AVJ_END"},
    {"went-on", "a torn tail, cut by the next segment", went_on, nothing, "read AVJ_END"},
    {"zeros", "zeros behind the end", two_segments, zeros_behind_the_end, "read AVJ_END"},
    {"noise", "noise behind the end", two_segments, noise_behind_the_end, "read AVJ_END"},
    {"no-witness", "without its sync file", two_segments, no_witness, "read AVJ_END"},
    {"bad-payload", "a bit of the first record flipped", two_segments, flipped_payload,
     "read AVJ_ECORRUPT"},
    {"bad-header", "a bit of the second segment's header flipped", three_segments, flipped_header,
     "read AVJ_ECORRUPT"},
    {"zeroed-sector", "512 bytes zeroed", two_segments, zeroed_sector, "read AVJ_ECORRUPT"},
    {"short", "the end of a frame that was promised is missing", two_segments, durable_tail_gone,
     "read AVJ_ECORRUPT"},
    {"no-first", "segment 1 is missing", three_segments, first_segment_gone, "read AVJ_ECORRUPT"},
    {"no-middle", "segment 2 is missing", three_segments, middle_segment_gone, "read AVJ_ECORRUPT"},
    {"no-last", "segment 3 is missing: the witness tells", three_segments, last_segment_gone,
     "read AVJ_ECORRUPT"},
    {"swapped", "segments 1 and 2 are swapped", three_segments, segments_swapped,
     "read AVJ_ECORRUPT"},
    {"older", "segment 1 is an older copy", two_segments, older_copy, "read AVJ_ECORRUPT"},
    {"frame-twice", "the first frame stands in the second's place too", two_segments,
     first_frame_twice, "read AVJ_ECORRUPT"},
    {"reserved", "zeros written ahead", reserved, nothing, "reserved at"},
    {"sealed", "segments 1 and 2 are sealed", sealed, nothing, "read AVJ_END"},
    {"sealed-set-aside", "sealed with what a crash had left", sealed_with_set_aside, nothing,
     "read AVJ_END"},
    {"dictionary", "segment 2 has a dictionary of its own", own_dictionary, nothing,
     "read AVJ_END"},
    {"large", "large payloads, each of two zstd frames", large, nothing, "read AVJ_END"},
    {"marked", "killed in the middle of a sync", killed_in_a_sync, nothing, "read AVJ_END"},
    {"sealed-bad", "a bit of a sealed segment flipped", sealed, flipped_payload,
     "read AVJ_ECORRUPT"},
    {"sealed-last", "nothing follows the sealed segments", sealed, last_segment_gone,
     "read AVJ_ECORRUPT"},
    {"dictionary-bad", "a bit of a dictionary flipped", own_dictionary, flipped_dictionary,
     "read AVJ_ECORRUPT"},
    {"version-2", "of a later version", nothing, version_2, "read AVJ_EVERSION"},
    {"compatible", "an unknown compatible feature", nothing, compatible_feature, "read AVJ_END"},
    {"read-only", "an unknown feature that can be read and not written", nothing,
     read_only_compatible_feature, "read AVJ_END"},
    {"incompatible", "an unknown feature that can not be read", nothing, incompatible_feature,
     "read AVJ_EVERSION"},
};

/* ---- writing them down ---- */

static void need_folder(const char *path)
{
    if (mkdir(path, 0755) != 0 && errno != EEXIST) {
        perror(path);
        exit(1);
    }
}

static void write_files(struct mem_io *mem, const char *folder)
{
    char *segments = test_path(folder, "segments");
    const char *name;

    need_folder(folder);
    need_folder(segments);
    for (size_t i = 0; (name = mem_io_name(mem, i)); i++) {
        size_t len;
        const uint8_t *data = mem_io_data(mem, name, &len);
        char *path = test_path(folder, "%s", name + strlen(SMALL_DIR) + 1);
        if (strcmp(name, SMALL_DIR "/lock") != 0)
            test_write_file(path, data, len);
        free(path);
    }
    free(segments);
}

static void write_text(const char *path, const struct row *row, const char *description)
{
    FILE *file = fopen(path, "w");

    if (!file || fprintf(file, "# %s\n%s", row->about, description) < 0 || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

static void make_row(const struct row *row, uint64_t seed, const char *folder)
{
    struct golden g = {.mem = mem_io_new(seed)};
    struct avj_journal_options options = small_options(g.mem);
    char *path = test_path(folder, "%s", row->name), *text = test_path(folder, "%s.txt", row->name);
    struct avj_error err;
    char *description;

    known_init(&g.known, seed);
    need(avj_journal_create(SMALL_DIR, &options, &err), &err);
    open_again(&g, false);
    row->make(&g);
    avj_journal_close(g.journal);
    row->change(&g);
    description = golden_describe(options.io, SMALL_DIR);
    if (!strstr(description, row->read)) {
        fprintf(stderr, "make_golden: %s: not \"%s\" but\n%s", row->name, row->read, description);
        exit(1);
    }
    write_files(g.mem, path);
    write_text(text, row, description);
    free(description);
    mem_io_free(g.mem);
    mem_io_free(g.older);
    known_release(&g.known);
    free(path);
    free(text);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: make_golden FOLDER\n");
        return 2;
    }
    need_folder(argv[1]);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = test_path(argv[1], "%s.txt", rows[i].name);
        if (!test_exists(text)) {
            make_row(&rows[i], 100 + i, argv[1]);
            printf("%s\n", rows[i].name);
        }
        free(text);
    }
    return 0;
}
