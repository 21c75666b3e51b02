/* The journal's files at one moment: see fsck_capture.h. */
#include "fsck/fsck_capture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How long to try for the append lock: writers hold it for a write, not for a sync. */
#define LOCK_PATIENCE_MS 2000
/* Without the lock: a bad end counts when so many looks in a row give the same. */
#define SAME_LOOKS    8
#define LOOKS_MAX     200
#define LOOK_PAUSE_MS 10

void fsck_segment_path(const struct fsck_capture *c, const struct fsck_segment *segment,
                       char out[FSCK_PATH_MAX])
{
    snprintf(out, FSCK_PATH_MAX, "%s/segments/%s", c->path, segment->name);
}

/* Boyer and Moore's majority vote. */
static void find_journal_id(struct fsck_capture *c)
{
    size_t lead = 0;
    for (size_t i = 0; i < c->count; i++) {
        const struct fsck_segment *s = &c->segments[i];
        if (s->status != AVJ_OK)
            continue;
        if (lead == 0)
            memcpy(c->journal_id, s->header.journal_id, 16);
        bool same = memcmp(c->journal_id, s->header.journal_id, 16) == 0;
        lead = same ? lead + 1 : lead - 1;
    }
}

bool fsck_segment_belongs(const struct fsck_capture *c, const struct fsck_segment *s)
{
    return s->status == AVJ_OK && memcmp(s->header.journal_id, c->journal_id, 16) == 0 &&
           s->header.segment_no == s->number;
}

static void names_release(struct fsck_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->names[i]);
    names->count = 0;
}

static void forget(struct fsck_capture *c)
{
    free(c->segments);
    c->segments = NULL;
    c->count = 0;
    names_release(&c->leftovers);
    names_release(&c->strange);
    memset(&c->tail, 0, sizeof(c->tail));
}

void fsck_capture_release(struct fsck_capture *c)
{
    forget(c);
}

/* ---- the folder ---- */

static bool ends_in(const char *name, const char *end)
{
    size_t len = strlen(name), tail = strlen(end);
    return len >= tail && strcmp(name + len - tail, end) == 0;
}

static void look_at_name(void *arg, const char *name)
{
    struct fsck_capture *c = arg;
    if (strncmp(name, "segments/", 9) != 0)
        return; /* beside the segments other parts of the program keep files of their own */
    struct fsck_names *names = ends_in(name, ".tmp") ? &c->leftovers : &c->strange;
    if (names->count == FSCK_NAMES_MAX)
        return;
    char *copy = strdup(name);
    if (copy)
        names->names[names->count++] = copy;
}

static bool file_is_there(const struct fsck_capture *c, const char *name)
{
    char path[FSCK_PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", c->path, name);
    int file = c->io->open(c->io->ctx, path, AVJ_OPEN_READ);
    if (file >= 0)
        (void)c->io->close(c->io->ctx, file);
    return file != -ENOENT;
}

/* True when file `sync` holds something: an empty one only says that nothing was made durable yet.
 */
static bool sync_says_something(const struct fsck_capture *c)
{
    char path[FSCK_PATH_MAX];
    snprintf(path, sizeof(path), "%s/sync", c->path);
    int file = c->io->open(c->io->ctx, path, AVJ_OPEN_READ);
    if (file < 0)
        return false;
    int64_t size = c->io->size(c->io->ctx, file);
    (void)c->io->close(c->io->ctx, file);
    return size > 0;
}

static enum avj_status look_at_witness(struct fsck_capture *c, struct avj_error *err)
{
    /* A slot that is being written may look bad for a moment. */
    for (int tries = 0; tries < 5; tries++) {
        if (tries > 0)
            c->io->sleep_us(c->io->ctx, 1000);
        enum avj_status status = avj_read_sync_witness(c->io, c->path, &c->witness, err);
        if (status != AVJ_OK || c->witness.valid || c->witness.marked || !sync_says_something(c))
            break;
    }
    /* A mark alone: the first sync is under way. */
    c->witness_missing = !c->witness.valid && !c->witness.marked &&
                         (sync_says_something(c) || !file_is_there(c, "sync"));
    c->lock_missing = !file_is_there(c, "lock");
    return AVJ_OK; /* whatever was wrong with the folder is said by listing it */
}

static enum avj_status look_at_segment(struct fsck_capture *c, struct fsck_segment *segment,
                                       struct avj_error *err)
{
    char path[FSCK_PATH_MAX];
    fsck_segment_path(c, segment, path);
    int file = c->io->open(c->io->ctx, path, AVJ_OPEN_READ);
    if (file < 0) {
        segment->status = avj_fail_errno(NULL, -file, "open");
        return AVJ_OK;
    }
    int64_t size = c->io->size(c->io->ctx, file);
    (void)c->io->close(c->io->ctx, file);
    segment->size = size > 0 ? (uint64_t)size : 0;
    segment->status = avj_read_segment_header(c->io, path, &segment->header, err);
    return segment->status == AVJ_EVERSION || segment->status == AVJ_ENOMEM ? segment->status
                                                                            : AVJ_OK;
}

static enum avj_status look_at_folder(struct fsck_capture *c, struct avj_error *err)
{
    struct avj_segment_entry *list;
    size_t count;
    enum avj_status status = avj_list_segments(c->io, c->path, &list, &count, look_at_name, c, err);
    if (status != AVJ_OK)
        return status;
    c->segments = calloc(count ? count : 1, sizeof(*c->segments));
    if (!c->segments)
        status = avj_fail(err, AVJ_ENOMEM, "%s: out of memory", c->path);
    for (size_t i = 0; i < count && status == AVJ_OK; i++) {
        struct fsck_segment *segment = &c->segments[c->count++];
        segment->number = list[i].number;
        memcpy(segment->name, list[i].name, sizeof(segment->name));
        status = look_at_segment(c, segment, err);
    }
    free(list);
    return status;
}

/* ---- the end of the log ---- */

struct tail_look {
    bool bad, later_frame;
    uint64_t end, next_seq;
};

static enum avj_status tail_frame(void *arg, const struct avj_frame_info *frame)
{
    struct tail_look *look = arg;
    if (look->bad)
        return AVJ_OK;
    look->end = frame->offset + frame->total_len;
    look->next_seq = frame->first_seq + frame->count;
    return AVJ_OK;
}

static enum avj_status tail_damage(void *arg, enum avj_damage damage, uint64_t offset, uint64_t len,
                                   const struct avj_frame_info *next_good)
{
    struct tail_look *look = arg;
    (void)damage, (void)len;
    if (!look->bad)
        look->end = offset;
    look->bad = true;
    look->later_frame = look->later_frame || (next_good && next_good->offset > offset);
    return AVJ_OK;
}

/*
 * Torn or rotten?  Bytes were durable when a later frame or the witness says so.  And while the
 * machine has not been booted again, a killed process can only have left the beginning of one
 * write: a whole frame behind a bad one then means rot.
 */
static enum fsck_tail_state judge_tail(const struct fsck_capture *c, const struct tail_look *look,
                                       const struct avj_scan_result *result)
{
    static const uint8_t unknown[16];
    if (!look->bad)
        return FSCK_TAIL_GOOD;
    if (c->witness.valid && c->witness.seq >= look->next_seq)
        return FSCK_TAIL_DAMAGED;
    if (result->durable_seq >= look->next_seq)
        return FSCK_TAIL_DAMAGED;
    uint8_t boot[16];
    c->io->boot_id(c->io->ctx, boot);
    /* What a failed sync leaves behind proves nothing. */
    bool same_boot = memcmp(boot, unknown, 16) != 0 &&
                     memcmp(boot, result->header.boot_id, 16) == 0 &&
                     c->witness.unsettled != result->header.segment_no;
    return look->later_frame && same_boot ? FSCK_TAIL_DAMAGED : FSCK_TAIL_UNSYNCED;
}

static enum avj_status look_at_tail(struct fsck_capture *c, struct avj_error *err)
{
    if (c->count == 0)
        return AVJ_OK;
    struct fsck_segment *last = &c->segments[c->count - 1];
    struct tail_look look = {.end = 0, .next_seq = last->header.first_seq};
    struct avj_scan_events events = {.arg = &look, .frame = tail_frame, .damage = tail_damage};
    struct avj_scan_result result = {0};
    char path[FSCK_PATH_MAX];
    fsck_segment_path(c, last, path);
    c->tail.state = FSCK_TAIL_DAMAGED;
    c->tail.file_bytes = last->size;
    if (last->status != AVJ_OK)
        return AVJ_OK;
    enum avj_status status = avj_scan_segment(c->io, path, 0, false, &events, &result, err);
    if (status == AVJ_ENOMEM || status == AVJ_EVERSION)
        return status;
    if (status != AVJ_OK || !result.header_ok)
        return AVJ_OK; /* the main pass meets it again and says so */
    last->size = result.file_bytes;
    c->tail.file_bytes = result.file_bytes;
    c->tail.end = look.end ? look.end : result.end;
    c->tail.next_seq = look.next_seq;
    c->tail.state = judge_tail(c, &look, &result);
    return AVJ_OK;
}

/* ---- looks ---- */

static enum avj_status look(struct fsck_capture *c, struct avj_error *err)
{
    forget(c);
    enum avj_status status = look_at_witness(c, err);
    if (status == AVJ_OK)
        status = look_at_folder(c, err);
    if (status == AVJ_OK)
        status = look_at_tail(c, err);
    return status;
}

static bool calm(const struct fsck_capture *c)
{
    return c->tail.state == FSCK_TAIL_GOOD && c->leftovers.count == 0;
}

int fsck_lock(const struct avj_io *io, const char *path, const char *name, int64_t patience_ms)
{
    char full[FSCK_PATH_MAX];
    snprintf(full, sizeof(full), "%s/%s", path, name);
    int file = io->open(io->ctx, full, AVJ_OPEN_WRITE);
    if (file < 0)
        return file;
    int64_t give_up = io->monotonic_ms(io->ctx) + patience_ms;
    for (;;) {
        int r = io->try_lock(io->ctx, file);
        if (r == AVJ_LOCK_TAKEN)
            return file;
        bool again = r == AVJ_LOCK_BUSY || r == -EINTR;
        if (!again || io->monotonic_ms(io->ctx) >= give_up) {
            (void)io->close(io->ctx, file);
            return again ? -EBUSY : r;
        }
        io->sleep_us(io->ctx, 1000);
    }
}

static bool same_look(const struct fsck_capture *c, const struct fsck_tail *tail, size_t count)
{
    return c->count == count && c->tail.end == tail->end && c->tail.file_bytes == tail->file_bytes;
}

static enum avj_status look_until_it_stands(struct fsck_capture *c, struct avj_error *err)
{
    int same = 1;
    for (int looks = 0; looks < LOOKS_MAX && same < SAME_LOOKS && !calm(c); looks++) {
        struct fsck_tail tail = c->tail;
        size_t count = c->count;
        c->io->sleep_us(c->io->ctx, LOOK_PAUSE_MS * 1000);
        enum avj_status status = look(c, err);
        if (status != AVJ_OK)
            return status;
        same = same_look(c, &tail, count) ? same + 1 : 1;
    }
    return AVJ_OK;
}

static enum avj_status look_again(struct fsck_capture *c, struct avj_error *err)
{
    int lock = fsck_lock(c->io, c->path, "lock", LOCK_PATIENCE_MS);
    if (lock < 0)
        return look_until_it_stands(c, err);
    enum avj_status status = look(c, err);
    (void)c->io->unlock(c->io->ctx, lock);
    (void)c->io->close(c->io->ctx, lock);
    return status;
}

static int stop_at_first(void *arg, const char *name)
{
    (void)arg, (void)name;
    return 1;
}

/* A folder that is not there, or may not be read, is not the same as one that is no journal. */
static enum avj_status check_folder(const struct fsck_capture *c, struct avj_error *err)
{
    int r = strlen(c->path) > FSCK_PATH_MAX - 192
                ? -ENAMETOOLONG
                : c->io->list(c->io->ctx, c->path, stop_at_first, NULL);
    if (r == -ENOTDIR)
        return AVJ_ENOTJOURNAL;
    return r < 0 ? avj_fail_errno(err, -r, "%s", c->path) : AVJ_OK;
}

enum avj_status fsck_capture(const struct avj_io *io, const char *path, struct fsck_capture *c,
                             struct avj_error *err)
{
    memset(c, 0, sizeof(*c));
    c->io = io;
    c->path = path;
    enum avj_status status = check_folder(c, err);
    if (status == AVJ_OK)
        status = look(c, err);
    if (status == AVJ_OK && !calm(c))
        status = look_again(c, err);
    if (status == AVJ_OK && c->count == 0 && !sync_says_something(c))
        status = AVJ_ENOTJOURNAL;
    find_journal_id(c);
    if (status == AVJ_ENOTJOURNAL)
        (void)avj_fail(err, status, "not a journal: %s: give the folder that avchat init made",
                       path);
    return status;
}
