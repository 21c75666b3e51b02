/*
 * Makes the seeds of the fuzz targets from what the library writes, so that new features of the
 * format come in by themselves.  Run by hand: make_corpus FOLDER (tests/fuzz/corpus).
 */
#include "tests/fuzz/fuzz.h"

#include "journal/bytes.h"
#include "tests/support/files.h"
#include "tests/support/history.h"
#include "tests/support/small_journal.h"

#include <string.h>
#include <sys/stat.h>

#define FRAME_HEADER_GIVEN 256u /* as fuzz_frame.c has it */

static void put(const char *folder, const char *target, const char *name, const void *data,
                size_t len)
{
    char *dir = test_path(folder, "%s", target), *path;

    (void)mkdir(folder, 0755);
    (void)mkdir(dir, 0755);
    path = test_path(dir, "%s", name);
    test_write_file(path, data, len);
    free(path);
    free(dir);
}

/* Zeros written ahead are all alike: some of them will do. */
static const uint8_t *segment(const struct small_journal *small, const char *path, size_t *len)
{
    const uint8_t *data = mem_io_data(small->mem, path, len);
    size_t end = *len;

    fuzz_require(data && end >= 4096, "no segment");
    while (end > 4096 && data[end - 1] == 0)
        end--;
    *len = *len < end + 100 ? *len : end + 100;
    return data;
}

/* A segment as fuzz_frame.c wants it: without the reserved bytes of the header, and with 0 for the
 * writer of each frame. */
static void put_frames(const char *folder, const char *name, const struct small_journal *small,
                       const char *path)
{
    size_t len;
    const uint8_t *data = segment(small, path, &len);
    uint8_t *out = malloc(len);

    fuzz_require(out, "out of memory");
    memcpy(out, data, FRAME_HEADER_GIVEN);
    memcpy(out + FRAME_HEADER_GIVEN, data + 4096, len - 4096);
    len = len - 4096 + FRAME_HEADER_GIVEN;
    for (size_t at = FRAME_HEADER_GIVEN; at + 64 <= len; at += 8)
        if (memcmp(out + at, "AVJF", 4) == 0)
            memset(out + at + 48, 0, 4);
    put(folder, "frame", name, out, len);
    free(out);
}

/* Payloads as fuzz_record.c wants them. */
static void put_records(const char *folder, const char *name, const struct small_journal *small,
                        const struct small_frame *frame)
{
    size_t len;
    const uint8_t *bytes = mem_io_data(small->mem, frame->path, &len) + frame->offset;
    size_t stored = bytes[8] | (size_t)bytes[9] << 8 | (size_t)bytes[10] << 16;
    uint8_t *out = malloc(6 + stored);

    fuzz_require(out, "out of memory");
    out[0] = (uint8_t)((bytes[5] & 1) | (bytes[52] | bytes[53] ? 1 << 4 : 0)); /* fuzz_record.c */
    out[1] = bytes[7];
    out[2] = bytes[6];
    out[3] = bytes[14];
    out[4] = bytes[13];
    out[5] = bytes[12];
    memcpy(out + 6, bytes + 64, stored);
    put(folder, "record", name, out, 6 + stored);
    free(out);
}

static void put_journal(const char *folder, const char *name, enum small_end end)
{
    struct small_journal small;
    char file[64];

    small_journal_build(&small, end, 7, 0);
    for (unsigned number = 1; number <= small.segments; number++) {
        size_t len;
        const uint8_t *data = segment(&small, small_segment(number), &len);
        snprintf(file, sizeof file, "%s-%u", name, number);
        put(folder, "segment", file, data, len);
        put_frames(folder, file, &small, small_segment(number));
    }
    for (size_t i = 0; i < small.frame_count; i++) {
        snprintf(file, sizeof file, "%s-%llu", name, (unsigned long long)small.frames[i].first_seq);
        put_records(folder, file, &small, &small.frames[i]);
    }
    small_journal_release(&small);
}

/* More bytes than the record that is counted. */
static void put_too_long(const char *folder)
{
    static const uint8_t bytes[] = {0, 0, 1, 0, 0, 0, 1, 'a', 1, 'b'};

    put(folder, "record", "too-long", bytes, sizeof bytes);
}

/* What a hostile writer makes of the first segment; fuzz_frame.c puts the hashes right,
 * fuzz_segment.c does not. */
static void put_hostile(const char *folder)
{
    struct small_journal small;
    size_t len;
    const uint8_t *data;
    uint8_t segment_bytes[4096 + 160], frames[FRAME_HEADER_GIVEN + 160];

    small_journal_build(&small, SMALL_CLOSED, 7, 0);
    data = segment(&small, small_segment(3), &len);
    fuzz_require(len >= sizeof segment_bytes, "short");
    memcpy(segment_bytes, data, sizeof segment_bytes);
    avj_put_le32(segment_bytes + 4096 + 8, UINT32_MAX - 15);
    put(folder, "segment", "claims-much", segment_bytes, sizeof segment_bytes);
    memcpy(frames, data, FRAME_HEADER_GIVEN);
    memcpy(frames + FRAME_HEADER_GIVEN, data + 4096, 160);
    memset(frames + FRAME_HEADER_GIVEN + 48, 0, 4);
    avj_put_le32(frames + FRAME_HEADER_GIVEN + 8, 0x20000000);
    put(folder, "frame", "claims-much", frames, sizeof frames);
    avj_put_le32(frames + FRAME_HEADER_GIVEN + 8, avj_get_le32(data + 4096 + 8));
    put(folder, "frame", "good", frames, sizeof frames);
    avj_put_le64(frames + 40, 1); /* or the cursor would miss its predecessors */
    avj_put_le64(frames + 64, (uint64_t)INT64_MAX + 5);
    avj_put_le64(frames + 96, 0);
    put(folder, "frame", "numbers-end", frames, sizeof frames);
    memset(frames + FRAME_HEADER_GIVEN + 48, 2, 1); /* the sequence number stays as it is */
    avj_put_le64(frames + 64, 1);
    put(folder, "frame", "number-jumps", frames, sizeof frames);
    small_journal_release(&small);
}

/* Lives of a journal as fuzz_recovery.c reads them, each with its name. */
static void put_lives(const char *folder)
{
    static const struct {
        const char *name;
        uint8_t bytes[64];
        size_t len;
    } rows[] = {
        {"append-kill-append", {0, 0, 8, 20, 0, 0, 30, 10, 0, 8, 9, 10}, 12},
        {"append-cut-append", {0, 0, 8, 20, 0, 0, 30, 11, 1, 0, 1, 0, 0, 8, 9, 10}, 16},
        {"rotate-cut", {0, 0, 8, 20, 8, 0, 0, 30, 8, 0, 8, 7, 11, 1, 1, 0, 1, 15}, 18},
        {"flip-the-tail", {0, 0, 8, 20, 0, 8, 30, 13, 1, 3, 9, 0, 8, 9}, 14},
        {"cut-the-tail", {0, 0, 8, 20, 0, 0, 30, 10, 13, 1, 5, 9, 0, 8, 9, 15}, 16},
        {"two-handles", {0, 0, 0, 20, 16, 8, 20, 0, 0, 20, 8, 16, 0, 5, 7, 23, 10, 16, 8, 4}, 20},
        {"stale-frames", {0, 0, 8, 20, 0, 8, 20, 14, 1, 16, 0, 1, 0, 0, 8, 8, 15}, 17},
        {"large", {0, 0, 13, 70, 0, 0, 12, 78, 0, 0, 12, 78, 0, 0, 12, 78, 0, 0, 12, 78, 0}, 21},
        {"kill-in-sync", {0, 0, 8, 20, 6, 9, 0, 0, 8, 9, 6, 30, 1, 1, 0, 1, 15}, 17},
        {"seal", {0, 0, 8, 20, 0, 8, 20, 8, 0, 8, 30, 5, 15, 0, 8, 8, 8, 5, 11, 0, 0, 15}, 22},
        {"reserve", {1, 0, 8, 1, 0, 8, 2, 0, 8, 3, 0, 8, 4, 0, 8, 5, 0, 8, 6, 11, 0, 8, 7}, 23},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        put(folder, "recovery", rows[i].name, rows[i].bytes, rows[i].len);
}

/* Entries as fuzz_entries.c reads them: histories, each of another kind. */
static void put_entries(const char *folder)
{
    for (uint64_t seed = 0; seed < 24; seed++) {
        struct history history;
        struct avj_pack entry = {0}, all = {0};
        char name[32];
        history_init(&history, seed);
        for (int i = 0; i < 12; i++) {
            uint8_t len[2];
            history_next(&history, &entry);
            if (entry.len > 1000) /* a seed of few bytes is worth more */
                continue;
            len[0] = (uint8_t)(entry.len >> 8);
            len[1] = (uint8_t)entry.len;
            avj_pack_raw(&all, len, sizeof len);
            avj_pack_raw(&all, entry.data, entry.len);
        }
        fuzz_require(!all.failed, "out of memory");
        snprintf(name, sizeof name, "history-%llu", (unsigned long long)seed);
        put(folder, "entries", name, all.data, all.len);
        avj_pack_release(&entry);
        avj_pack_release(&all);
    }
}

/* Journals as fuzz_fsck.c reads them: a history in two segments, with other options and another
 * harm each. */
static void put_journals(const char *folder)
{
    for (uint64_t seed = 0; seed < 16; seed++) {
        static const uint8_t begins[] = {0xff, 0xfe}, ends[] = {0xff, 0xff};
        uint8_t options = (uint8_t)seed;
        uint8_t harm[] = {(uint8_t)(seed * 7), (uint8_t)(seed * 3), 16, (uint8_t)(seed * 40)};
        struct history history;
        struct avj_pack entry = {0}, all = {0};
        char name[32];
        history_init(&history, 100 + seed);
        avj_pack_raw(&all, &options, 1);
        for (int i = 0; i < 8; i++) {
            uint8_t len[2];
            history_next(&history, &entry);
            if (entry.len > 600)
                continue;
            len[0] = (uint8_t)(entry.len >> 8);
            len[1] = (uint8_t)entry.len;
            avj_pack_raw(&all, len, sizeof len);
            avj_pack_raw(&all, entry.data, entry.len);
            if (i == 4)
                avj_pack_raw(&all, begins, sizeof begins);
        }
        avj_pack_raw(&all, ends, sizeof ends);
        if (seed % 4)
            avj_pack_raw(&all, harm, sizeof harm);
        fuzz_require(!all.failed, "out of memory");
        snprintf(name, sizeof name, "journal-%llu", (unsigned long long)seed);
        put(folder, "fsck", name, all.data, all.len);
        avj_pack_release(&entry);
        avj_pack_release(&all);
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: make_corpus FOLDER\n");
        return 2;
    }
    put_journal(argv[1], "closed", SMALL_CLOSED);
    put_journal(argv[1], "killed", SMALL_KILLED);
    put_hostile(argv[1]);
    put_too_long(argv[1]);
    put_lives(argv[1]);
    put_entries(argv[1]);
    put_journals(argv[1]);
    return 0;
}
