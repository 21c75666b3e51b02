/* Records once more: see fsck_source.h. */
#include "fsck/fsck_source.h"

#include "journal/fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of the fetcher: what was folded lately is found elsewhere. */
#define CACHE_BYTES ((size_t)8 * 1024 * 1024)
/* Bytes of records of one segment that are kept at most, where they are needed so. */
#define WHOLE_MAX ((size_t)256 * 1024 * 1024)

/* Where a segment's records begin. */
struct start {
    uint64_t segment, first_seq;
};

/* The records of one segment, from the first on, one behind the other. */
struct whole {
    uint64_t segment; /* 0: none */
    uint64_t first_seq;
    uint8_t *bytes;
    size_t used, cap;
    size_t *ends;
    size_t count, ends_cap;
};

struct fsck_source {
    struct avj_io io; /* shows the whole part of the log */
    const struct avj_io *under;
    const char *path;
    char last[24]; /* file name of the last segment that is shown, "": none is */
    struct avj_fetcher *fetcher;
    bool (*recent)(void *arg, uint64_t seq, struct avj_slice *record);
    void *recent_arg;
    struct start *starts;
    size_t start_count, start_cap;
    uint64_t last_seq; /* that was noted */
    struct whole whole;
};

/* ---- the files that are shown ---- */

static const struct avj_io *under(void *ctx)
{
    return ((struct fsck_source *)ctx)->under;
}

static int shown_open(void *ctx, const char *path, unsigned flags)
{
    return under(ctx)->open(under(ctx)->ctx, path, flags);
}

static int shown_close(void *ctx, int file)
{
    return under(ctx)->close(under(ctx)->ctx, file);
}

static ssize_t shown_pread(void *ctx, int file, void *data, size_t len, uint64_t offset)
{
    return under(ctx)->pread(under(ctx)->ctx, file, data, len, offset);
}

static int64_t shown_size(void *ctx, int file)
{
    return under(ctx)->size(under(ctx)->ctx, file);
}

static int64_t shown_monotonic_ms(void *ctx)
{
    return under(ctx)->monotonic_ms(under(ctx)->ctx);
}

static int64_t shown_now_ms(void *ctx)
{
    return under(ctx)->now_ms(under(ctx)->ctx);
}

static void shown_sleep_us(void *ctx, unsigned us)
{
    under(ctx)->sleep_us(under(ctx)->ctx, us);
}

static void shown_boot_id(void *ctx, uint8_t id[16])
{
    under(ctx)->boot_id(under(ctx)->ctx, id);
}

static const void *shown_map(void *ctx, int file, size_t len)
{
    return under(ctx)->map(under(ctx)->ctx, file, len);
}

static void shown_unmap(void *ctx, const void *map, size_t len)
{
    under(ctx)->unmap(under(ctx)->ctx, map, len);
}

struct shown_names {
    const char *last;
    int (*each)(void *arg, const char *name);
    void *arg;
};

/* Names of segments are numbers of one length: their order is that of their letters. */
static int show_name(void *arg, const char *name)
{
    const struct shown_names *names = arg;
    return strcmp(name, names->last) <= 0 ? names->each(names->arg, name) : 0;
}

static int shown_list(void *ctx, const char *path, int (*each)(void *arg, const char *name),
                      void *arg)
{
    struct shown_names names = {((struct fsck_source *)ctx)->last, each, arg};
    return under(ctx)->list(under(ctx)->ctx, path, show_name, &names);
}

static void show(struct fsck_source *source, const struct avj_io *io)
{
    source->under = io;
    source->io = (struct avj_io){
        .ctx = source,
        .open = shown_open,
        .close = shown_close,
        .pread = shown_pread,
        .size = shown_size,
        .list = shown_list,
        .map = io->map ? shown_map : NULL,
        .unmap = io->unmap ? shown_unmap : NULL,
        .now_ms = shown_now_ms,
        .monotonic_ms = shown_monotonic_ms,
        .sleep_us = shown_sleep_us,
        .boot_id = shown_boot_id,
    }; /* what is not here changes something, which nobody does by way of this */
}

static void find_last(struct fsck_source *source, const struct fsck_capture *c)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct fsck_segment *s = &c->segments[i];
        if (s->number != c->segments[0].number + i || !fsck_segment_belongs(c, s))
            break;
        memcpy(source->last, s->name, sizeof(source->last));
    }
}

struct fsck_source *fsck_source_new(const struct fsck_capture *capture)
{
    struct fsck_source *source = calloc(1, sizeof(*source));
    if (!source)
        return NULL;
    source->path = capture->path;
    show(source, capture->io);
    find_last(source, capture);
    if (avj_fetcher_open(&source->io, capture->path, CACHE_BYTES, &source->fetcher, NULL) !=
        AVJ_OK) {
        free(source);
        return NULL;
    }
    return source;
}

void fsck_source_free(struct fsck_source *source)
{
    if (!source)
        return;
    avj_fetcher_close(source->fetcher);
    free(source->starts);
    free(source->whole.bytes);
    free(source->whole.ends);
    free(source);
}

/* ---- the records of one segment ---- */

enum avj_status fsck_source_note(struct fsck_source *source, uint64_t segment, uint64_t seq)
{
    source->last_seq = seq;
    if (source->start_count && source->starts[source->start_count - 1].segment == segment)
        return AVJ_OK;
    if (source->start_count == source->start_cap) {
        size_t cap = source->start_cap ? 2 * source->start_cap : 16;
        struct start *starts = realloc(source->starts, cap * sizeof(*starts));
        if (!starts)
            return AVJ_ENOMEM;
        source->starts = starts;
        source->start_cap = cap;
    }
    source->starts[source->start_count++] = (struct start){segment, seq};
    return AVJ_OK;
}

static const struct start *start_of(const struct fsck_source *source, uint64_t seq)
{
    size_t low = 0, high = source->start_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (source->starts[middle].first_seq <= seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low && seq <= source->last_seq ? &source->starts[low - 1] : NULL;
}

static bool grow(void **bytes, size_t *cap, size_t wanted, size_t item)
{
    if (wanted <= *cap)
        return true;
    size_t more = wanted + wanted / 2;
    void *grown = realloc(*bytes, more * item);
    if (!grown)
        return false;
    *bytes = grown;
    *cap = more;
    return true;
}

static enum avj_status keep_record(void *arg, const struct avj_frame_info *frame, uint64_t seq,
                                   const uint8_t *data, size_t len)
{
    struct fsck_source *source = arg;
    struct whole *w = &source->whole;
    void *bytes = w->bytes, *ends = w->ends;
    (void)frame;
    if (seq != w->first_seq + w->count || seq > source->last_seq)
        return AVJ_END; /* the log as it was checked goes no further */
    if (len > WHOLE_MAX - w->used)
        return AVJ_ENOMEM;
    bool ok = grow(&bytes, &w->cap, w->used + len, 1);
    w->bytes = bytes;
    ok = ok && grow(&ends, &w->ends_cap, w->count + 1, sizeof(*w->ends));
    w->ends = ends;
    if (!ok)
        return AVJ_ENOMEM;
    memcpy(w->bytes + w->used, data, len);
    w->used += len;
    w->ends[w->count++] = w->used;
    return AVJ_OK;
}

static enum avj_status read_whole(struct fsck_source *source, const struct start *start)
{
    struct whole *w = &source->whole;
    struct avj_scan_events events = {.arg = source, .record = keep_record};
    struct avj_scan_result result;
    char path[FSCK_PATH_MAX];
    snprintf(path, sizeof(path), "%s/segments/%016llx.seg", source->path,
             (unsigned long long)start->segment);
    w->segment = start->segment;
    w->first_seq = start->first_seq;
    w->used = w->count = 0;
    enum avj_status status = avj_scan_segment(source->under, path, 0, true, &events, &result, NULL);
    return status == AVJ_END ? AVJ_OK : status;
}

/* What the index, the header or the neighbours of a segment do not lead to is still there. */
static bool find_in_whole(struct fsck_source *source, uint64_t seq, struct avj_slice *record)
{
    const struct start *start = start_of(source, seq);
    struct whole *w = &source->whole;
    if (!start || (w->segment != start->segment && read_whole(source, start) != AVJ_OK))
        return false;
    if (seq < w->first_seq || seq - w->first_seq >= w->count)
        return false;
    size_t i = (size_t)(seq - w->first_seq), begin = i ? w->ends[i - 1] : 0;
    *record = (struct avj_slice){w->bytes + begin, w->ends[i] - begin};
    return true;
}

/* ---- fetching ---- */

void fsck_source_recent(struct fsck_source *source,
                        bool (*find)(void *arg, uint64_t seq, struct avj_slice *record), void *arg)
{
    source->recent = find;
    source->recent_arg = arg;
}

enum avj_status fsck_source_fetch(void *arg, uint64_t seq, struct avj_slice *record,
                                  struct avj_error *err)
{
    struct fsck_source *source = arg;
    struct avj_record found;
    if (source->recent && source->recent(source->recent_arg, seq, record))
        return AVJ_OK;
    enum avj_status status = avj_fetcher_get(source->fetcher, seq, &found, err);
    if (status == AVJ_OK)
        *record = (struct avj_slice){found.data, found.len};
    else if (status != AVJ_ENOMEM && find_in_whole(source, seq, record))
        status = AVJ_OK;
    return status;
}
