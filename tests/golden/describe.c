/* A journal as text: see describe.h. */
#include "tests/golden/describe.h"

#include "journal/scan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static const char *status_name(enum avj_status status)
{
    switch (status) {
#define AVJ_X(name, value, text, class)                                                            \
    case name:                                                                                     \
        return #name;
        AVJ_STATUS_TABLE(AVJ_X)
#undef AVJ_X
    }
    return "?";
}

/* By their names, which do not change; the library's texts may. */
static const char *damage_name(enum avj_damage damage)
{
    static const char *const names[] = {
        [AVJ_DAMAGE_NONE] = "NONE",
        [AVJ_DAMAGE_SEGMENT_HEADER] = "SEGMENT_HEADER",
        [AVJ_DAMAGE_FRAME_HEADER] = "FRAME_HEADER",
        [AVJ_DAMAGE_PAYLOAD] = "PAYLOAD",
        [AVJ_DAMAGE_TRAILER] = "TRAILER",
        [AVJ_DAMAGE_CHAIN] = "CHAIN",
        [AVJ_DAMAGE_SEQUENCE] = "SEQUENCE",
        [AVJ_DAMAGE_DECOMPRESS] = "DECOMPRESS",
        [AVJ_DAMAGE_PADDING] = "PADDING",
        [AVJ_DAMAGE_TRUNCATED] = "TRUNCATED",
        [AVJ_DAMAGE_DICTIONARY] = "DICTIONARY",
        [AVJ_DAMAGE_INDEX] = "INDEX",
        [AVJ_DAMAGE_CONTENT] = "CONTENT",
    };

    return (size_t)damage < sizeof names / sizeof *names ? names[damage] : "ANOTHER";
}

static void describe_reading(const struct avj_io *io, const char *path, FILE *out)
{
    const struct avj_journal_options options = {.io = io, .read_only = true};
    struct avj_journal *journal = NULL;
    struct avj_cursor *cursor = NULL;
    struct avj_record record;
    enum avj_status status = avj_journal_open(path, &options, &journal, NULL);

    if (status == AVJ_OK)
        status = avj_cursor_open(journal, 0, &cursor, NULL);
    while (status == AVJ_OK && (status = avj_cursor_next(cursor, &record, NULL)) == AVJ_OK)
        fprintf(out, "record %" PRIu64 " %zu %016" PRIx64 "\n", record.seq, record.len,
                avj_hash64(record.data, record.len));
    fprintf(out, "read %s\n", status_name(status));
    avj_cursor_close(cursor);
    avj_journal_close(journal);
}

static enum avj_status scan_frame(void *arg, const struct avj_frame_info *frame)
{
    fprintf(arg,
            "frame at %" PRIu64 ": %u records from %" PRIu64 ", %u bytes%s, durable %" PRIu64 "\n",
            frame->offset, frame->count, frame->first_seq, frame->raw_len,
            frame->compressed ? " compressed" : "", frame->durable_seq);
    return AVJ_OK;
}

static enum avj_status scan_record(void *arg, const struct avj_frame_info *frame, uint64_t seq,
                                   const uint8_t *data, size_t len)
{
    (void)frame;
    fprintf(arg, "scanned %" PRIu64 " %zu %016" PRIx64 "\n", seq, len, avj_hash64(data, len));
    return AVJ_OK;
}

static enum avj_status scan_damage(void *arg, enum avj_damage damage, uint64_t offset, uint64_t len,
                                   const struct avj_frame_info *next_good)
{
    fprintf(arg, "damage at %" PRIu64 ": %s, %" PRIu64 " bytes, %s\n", offset, damage_name(damage),
            len, next_good ? "then it goes on" : "nothing behind it");
    return AVJ_OK;
}

static enum avj_status scan_reserved(void *arg, uint64_t offset, uint64_t len)
{
    fprintf(arg, "reserved at %" PRIu64 ": %" PRIu64 " bytes\n", offset, len);
    return AVJ_OK;
}

static void describe_segment(const struct avj_io *io, const char *path,
                             const struct avj_segment_entry *entry, FILE *out)
{
    const struct avj_scan_events events = {.arg = out,
                                           .frame = scan_frame,
                                           .record = scan_record,
                                           .damage = scan_damage,
                                           .reserved = scan_reserved};
    struct avj_scan_result result;
    char name[4200];
    enum avj_status status;

    snprintf(name, sizeof name, "%s/segments/%s", path, entry->name);
    fprintf(out, "segment %s\n", entry->name);
    status = avj_scan_segment(io, name, 0, true, &events, &result, NULL);
    fprintf(out, "scan %s, end %" PRIu64 " of %" PRIu64 ", next record %" PRIu64 "\n",
            status_name(status), result.end, result.file_bytes, result.next_seq);
}

char *golden_describe(const struct avj_io *io, const char *path)
{
    struct avj_segment_entry *segments = NULL;
    size_t count = 0, len;
    char *text = NULL;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        abort();
    describe_reading(io, path, out);
    if (avj_list_segments(io, path, &segments, &count, NULL, NULL, NULL) != AVJ_OK)
        fprintf(out, "no segments\n");
    for (size_t i = 0; i < count; i++)
        describe_segment(io, path, &segments[i], out);
    free(segments);
    if (fclose(out) != 0)
        abort();
    return text;
}
