/*
 * Two things that a crash may not be mistaken for, and that may not be mistaken for a crash: frames
 * of another journal inside of records, and a bit that rots.  See sim_explore.h.
 */
#include "tests/support/sim_rot.h"

#include <stdlib.h>
#include <string.h>

#define NESTED_FRAMES 8u
#define NESTED_NOISE  40u

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "%s\n", what);
    abort();
}

/* ---- frames of another journal ---- */

/* The frames of the length that most have: the last ones. */
struct found {
    uint64_t offsets[NESTED_FRAMES];
    uint64_t len;
    size_t count;
};

static enum avj_status note_frame(void *arg, const struct avj_frame_info *frame)
{
    struct found *found = arg;

    if (frame->durable_seq < UINT16_MAX)
        return AVJ_OK;
    must(found->count < NESTED_FRAMES, "too many frames to nest");
    found->len = frame->total_len;
    found->offsets[found->count++] = frame->offset;
    return AVJ_OK;
}

/* A journal that has come far: 65,535 records, durable, then frames of one record each. */
static void make_far_journal(const struct avj_io *io)
{
    struct avj_journal_options options = sim_options(io);
    struct avj_slice *many = calloc(UINT16_MAX, sizeof *many);
    uint8_t noise[NESTED_NOISE];
    struct avj_slice one = {noise, sizeof noise};
    struct avj_journal *journal = NULL;
    struct test_rng rng;

    test_rng_init(&rng, 1);
    must(many && avj_journal_create(SIM_JOURNAL, &options, NULL) == AVJ_OK &&
             avj_journal_open(SIM_JOURNAL, &options, &journal, NULL) == AVJ_OK &&
             avj_journal_append(journal, many, UINT16_MAX, AVJ_RELAXED, NULL, NULL) == AVJ_OK &&
             avj_journal_sync(journal, NULL) == AVJ_OK,
         "no journal to nest");
    for (unsigned i = 0; i < NESTED_FRAMES; i++) {
        test_rng_fill(&rng, noise, sizeof noise);
        must(avj_journal_append(journal, &one, 1, AVJ_RELAXED, NULL, NULL) == AVJ_OK, "append");
    }
    avj_journal_close(journal);
    free(many);
}

static enum avj_status note_compressed(void *arg, const struct avj_frame_info *frame)
{
    unsigned *frames = arg;

    must(!frame->compressed, "batches with frames in them are compressed: those are none any more");
    ++*frames;
    return AVJ_OK;
}

/* Only in what is stored as it is do frames stand as frames. */
static void check_nested(const char *path)
{
    unsigned frames = 0;
    const struct avj_scan_events events = {.arg = &frames, .frame = note_compressed};
    struct sim_disk *disk = sim_explore_disk(1);
    struct sim_process *process = sim_process_new(disk);
    const struct avj_io *io = sim_process_io(process);
    struct avj_journal_options options = sim_options(io);
    struct sim_ledger ledger = {.durable = 0};
    struct sim_relaxed relaxed = {.last = 0};
    struct avj_scan_result result;
    struct avj_journal *journal = NULL;

    must(avj_journal_create(SIM_JOURNAL, &options, NULL) == AVJ_OK &&
             avj_journal_open(SIM_JOURNAL, &options, &journal, NULL) == AVJ_OK &&
             sim_ledger_append(&ledger, &relaxed, process, journal, SIM_NESTED, AVJ_RELAXED,
                               NULL) == AVJ_OK,
         "no journal with frames in a record");
    must(avj_scan_segment(io, path, 0, false, &events, &result, NULL) == AVJ_OK && frames > 0,
         "scan");
    avj_journal_close(journal);
    sim_ledger_release(&ledger);
    sim_relaxed_release(&relaxed);
    sim_disk_free(disk);
}

void sim_rot_nest(void)
{
    static uint8_t frames[NESTED_FRAMES * 256];
    const char *path = SIM_JOURNAL "/segments/0000000000000001.seg";
    struct found found = {.count = 0};
    const struct avj_scan_events events = {.arg = &found, .frame = note_frame};
    struct sim_disk *disk = sim_explore_disk(1);
    struct sim_process *process = sim_process_new(disk);
    const struct avj_io *io = sim_process_io(process);
    struct avj_scan_result result;
    size_t got;
    int file;

    make_far_journal(io);
    must(avj_scan_segment(io, path, 0, false, &events, &result, NULL) == AVJ_OK, "scan");
    must(found.count == NESTED_FRAMES && found.len <= 256, "other frames than those to nest");
    file = io->open(io->ctx, path, AVJ_OPEN_READ);
    for (size_t i = 0; i < found.count; i++)
        must(avj_io_read_full(io, file, frames + i * found.len, (size_t)found.len, found.offsets[i],
                              &got) == 0,
             "read");
    sim_ledger_nest(frames, (size_t)found.len, found.count);
    sim_disk_free(disk);
    check_nested(path);
}

/* ---- a bit rots ---- */

struct names {
    char paths[64][64];
    size_t count;
};

static int note_segment(void *arg, const char *name)
{
    struct names *names = arg;

    if (strstr(name, ".seg") && names->count < 64)
        snprintf(names->paths[names->count++], 64, SIM_JOURNAL "/segments/%s", name);
    return 0;
}

/* Half of the bits near the end of what was written, where the verdict is hard. */
static uint64_t some_place(const uint8_t *data, size_t len, struct test_rng *rng)
{
    size_t end = len, from;

    while (end > 1 && data[end - 1] == 0)
        end--;
    from = test_rng_below(rng, 2) && end > 1000 ? end - 1000 : 0;
    return from + test_rng_below(rng, end - from);
}

static void flip(const struct avj_io *io, const char *path, struct test_rng *rng)
{
    int file = io->open(io->ctx, path, AVJ_OPEN_WRITE);
    int64_t size = file < 0 ? -1 : io->size(io->ctx, file);
    uint8_t *data = malloc(size > 0 ? (size_t)size : 1);
    size_t got;
    uint64_t at;

    must(data && size > 0 && avj_io_read_full(io, file, data, (size_t)size, 0, &got) == 0,
         "a segment can not be read");
    at = some_place(data, (size_t)size, rng);
    data[at] ^= (uint8_t)(1u << test_rng_below(rng, 8));
    must(io->pwrite(io->ctx, file, data + at, 1, at) == 1, "a segment can not be written");
    io->close(io->ctx, file);
    free(data);
}

bool sim_rot(struct sim_disk *disk, struct test_rng *rng)
{
    struct sim_process *process = sim_process_new(disk);
    const struct avj_io *io = sim_process_io(process);
    struct names names = {.count = 0};

    (void)io->list(io->ctx, SIM_JOURNAL "/segments", note_segment, &names);
    if (names.count > 0)
        flip(io, names.paths[test_rng_below(rng, names.count)], rng);
    sim_process_free(process);
    return names.count > 0;
}
