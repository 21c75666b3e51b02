/* Snapshots held against the log: see fsck_snapshots.h. */
#include "fsck/fsck_snapshots.h"

#include "journal/bytes.h"
#include "replay/snapshot.h"
#include "replay/view_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the folder ---- */

static bool path_of(const struct fsck_snapshots *s, const char *name, char out[FSCK_PATH_MAX])
{
    int n = snprintf(out, FSCK_PATH_MAX, "%s/" AVJ_SNAPSHOT_FOLDER "%s%s", s->path,
                     *name ? "/" : "", name);
    return n > 0 && n < FSCK_PATH_MAX;
}

/* "000000000001f786.snap" */
static bool parse_name(const char *name, uint64_t *seq)
{
    *seq = 0;
    if (strlen(name) != 21 || strcmp(name + 16, ".snap") != 0)
        return false;
    for (int i = 0; i < 16; i++) {
        char c = name[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0)
            return false;
        *seq = *seq << 4 | (uint64_t)digit;
    }
    return true;
}

/* Keeps them by number, and the newest where there are too many. */
static void add_snapshot(struct fsck_snapshots *s, const char *name, uint64_t seq)
{
    size_t i = s->count;
    if (i == FSCK_SNAPSHOTS_MAX) {
        if (seq < s->items[0].seq)
            return;
        memmove(s->items, s->items + 1, --i * sizeof(s->items[0]));
    } else {
        s->count++;
    }
    for (; i > 0 && s->items[i - 1].seq > seq; i--)
        s->items[i] = s->items[i - 1];
    s->items[i] = (struct fsck_snapshot){.seq = seq, .file = -1};
    snprintf(s->items[i].name, sizeof(s->items[i].name), "%s", name);
}

static bool ends_in(const char *name, const char *end)
{
    size_t len = strlen(name), tail = strlen(end);
    return len >= tail && strcmp(name + len - tail, end) == 0;
}

static int list_snapshot(void *arg, const char *name)
{
    struct fsck_snapshots *s = arg;
    uint64_t seq;
    if (parse_name(name, &seq))
        add_snapshot(s, name, seq);
    return 0;
}

static int list_leftover(void *arg, const char *name)
{
    struct fsck_snapshots *s = arg;
    char full[FSCK_PATH_MAX];
    if (!(ends_in(name, ".tmp") && s->nobody_writes) && !ends_in(name, ".bad"))
        return 0;
    snprintf(full, sizeof(full), AVJ_SNAPSHOT_FOLDER "/%.200s", name);
    char *copy = s->leftovers.count < FSCK_NAMES_MAX ? strdup(full) : NULL;
    if (copy)
        s->leftovers.names[s->leftovers.count++] = copy;
    return 0;
}

static int find_unfinished(void *arg, const char *name)
{
    (void)arg;
    return ends_in(name, ".tmp") ? 1 : 0;
}

/* A file under a temporary name may be in the making: who writes one has the folder's lock. */
static void list_leftovers(struct fsck_snapshots *s)
{
    const struct avj_io *io = s->io;
    char folder[FSCK_PATH_MAX], lock[FSCK_PATH_MAX];
    int file = -1;
    if (!path_of(s, "", folder) || !path_of(s, "lock", lock))
        return;
    if (io->list(io->ctx, folder, find_unfinished, NULL) == 1) {
        file = io->open(io->ctx, lock, AVJ_OPEN_WRITE);
        if (file >= 0 && io->try_lock(io->ctx, file) != AVJ_LOCK_TAKEN) {
            (void)io->close(io->ctx, file);
            return;
        }
        if (file < 0 && file != -ENOENT)
            return; /* no telling */
        s->nobody_writes = true;
    }
    (void)io->list(io->ctx, folder, list_leftover, s);
    if (file >= 0)
        (void)io->close(io->ctx, file); /* and the lock with it */
}

/* ---- headers ---- */

/* Whole, and begun as all versions begin it: then it is not damage that makes it strange. */
static bool is_of_another_version(const uint8_t page[AVJ_SNAPSHOT_PAGE])
{
    return memcmp(page, "AVJSNAP", 7) == 0 &&
           avj_get_le64(page + AVJ_SNAPSHOT_PAGE - 8) == avj_hash64(page, AVJ_SNAPSHOT_PAGE - 8);
}

static void bad_bytes(struct fsck_snapshot *item, const char *why)
{
    item->state = FSCK_SNAPSHOT_BAD_BYTES;
    item->why = why;
}

static void read_header(const struct fsck_snapshots *s, struct fsck_snapshot *item)
{
    uint8_t page[AVJ_SNAPSHOT_PAGE];
    size_t got;
    if (avj_io_read_full(s->io, item->file, page, sizeof(page), 0, &got) < 0)
        bad_bytes(item, "it can not be read");
    else if (got < sizeof(page))
        bad_bytes(item, "it is shorter than its header");
    else if (avj_snapshot_header_read(s->io, item->file, &item->header))
        item->state = FSCK_SNAPSHOT_GOOD;
    else if (avj_snapshot_header_decode(page, &item->header))
        bad_bytes(item, "it is not as long as it should be");
    else if (is_of_another_version(page))
        item->state = FSCK_SNAPSHOT_NOT_OURS;
    else
        bad_bytes(item, "its header is not as written");
    if (item->state == FSCK_SNAPSHOT_GOOD && item->header.seq != item->seq)
        bad_bytes(item, "it has the name of another");
    if (item->state != FSCK_SNAPSHOT_GOOD)
        item->header = (struct avj_snapshot_header){.seq = item->seq};
}

void fsck_snapshots_open(struct fsck_snapshots *s, const struct avj_io *io, const char *path)
{
    char folder[FSCK_PATH_MAX], name[FSCK_PATH_MAX];
    memset(s, 0, sizeof(*s));
    s->io = io;
    s->path = path;
    if (!path_of(s, "", folder) || io->list(io->ctx, folder, list_snapshot, s) < 0)
        return;
    list_leftovers(s);
    for (size_t i = 0; i < s->count; i++) {
        struct fsck_snapshot *item = &s->items[i];
        item->state = FSCK_SNAPSHOT_UNREAD;
        if (!path_of(s, item->name, name))
            continue;
        item->file = io->open(io->ctx, name, AVJ_OPEN_READ);
        if (item->file >= 0)
            read_header(s, item);
        else if (item->file != -ENOENT) /* the program took it away, for it has a newer one */
            item->why = "it can not be opened";
        item->header.seq = item->seq;
    }
}

void fsck_snapshots_close(struct fsck_snapshots *s)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->items[i].file >= 0)
            (void)s->io->close(s->io->ctx, s->items[i].file);
    for (size_t i = 0; i < s->leftovers.count; i++)
        free(s->leftovers.names[i]);
    s->count = s->leftovers.count = 0;
}

/* ---- against the log ---- */

static void compare_view(struct fsck_snapshot *item, const struct avj_view *view)
{
    uint8_t digest[16];
    avj_view_digest(view, digest);
    if (memcmp(digest, item->header.digest, sizeof(digest)) != 0)
        item->unsure = true;
    else if (view->last_hlc != item->header.hlc)
        snprintf(item->difference, sizeof(item->difference), "the last time of the log is another");
}

void fsck_snapshots_meet(struct fsck_snapshots *s, uint64_t seq, const void *data, size_t len,
                         const struct avj_view *view)
{
    while (s->next < s->count && s->items[s->next].header.seq < seq)
        s->next++; /* its record is lost */
    struct fsck_snapshot *item = &s->items[s->next];
    if (s->next == s->count || item->header.seq != seq)
        return;
    uint8_t hash[16];
    avj_hash128(data, len, hash);
    s->next++;
    item->met = true;
    item->same_record = memcmp(hash, item->header.record_hash, sizeof(hash)) == 0;
    item->compacted = !item->same_record && avj_record_is_stub(data, len);
    if (item->same_record && view)
        compare_view(item, view);
}

void fsck_snapshots_meet_late(struct fsck_snapshots *s, struct avj_slice record)
{
    struct fsck_snapshot *item = &s->items[s->next];
    if (record.data)
        fsck_snapshots_meet(s, item->seq, record.data, record.len, NULL);
    else
        s->next++;
    item->unsure = item->same_record;
}

bool fsck_snapshots_any_unsure(const struct fsck_snapshots *s)
{
    bool any = false;
    for (size_t i = 0; i < s->count; i++)
        any = any || (s->items[i].unsure && s->items[i].state == FSCK_SNAPSHOT_GOOD);
    return any;
}

enum avj_status fsck_snapshots_verify(struct fsck_snapshots *s, bool threads)
{
    for (size_t i = 0; i < s->count; i++) {
        struct fsck_snapshot *item = &s->items[i];
        if (item->state != FSCK_SNAPSHOT_GOOD)
            continue;
        enum avj_status status = avj_snapshot_verify(s->io, item->file, &item->header, threads);
        if (status == AVJ_ENOMEM)
            return status;
        if (status != AVJ_OK)
            bad_bytes(item, "its content is not as written");
    }
    return AVJ_OK;
}

/* ---- findings ---- */

static bool is_stale(const struct fsck_snapshot *item, const struct fsck_capture *capture,
                     uint64_t checked_to, bool complete, const char **why)
{
    *why = NULL;
    if (memcmp(item->header.journal_id, capture->journal_id, 16) != 0)
        *why = "it is of another journal";
    else if (item->met && !item->same_record && !item->compacted)
        *why = "the log has another record there";
    else if (!item->met && item->header.seq > checked_to && complete)
        *why = "the log ends before that";
    else if (!item->met && item->header.seq <= checked_to)
        *why = "the log lacks that record";
    return *why != NULL;
}

static void report_one(const struct fsck_snapshot *item, enum fsck_code code, const char *why,
                       struct fsck_findings *findings)
{
    struct fsck_finding *finding = fsck_findings_add(findings, code);
    if (finding)
        finding->first_seq = finding->last_seq = item->seq;
    fsck_detail(finding, AVJ_SNAPSHOT_FOLDER "/%s%s%s", item->name, *why ? ": " : "", why);
}

void fsck_snapshots_report(const struct fsck_snapshots *s, const struct fsck_capture *capture,
                           uint64_t checked_to, bool complete, struct fsck_findings *findings)
{
    for (size_t i = 0; i < s->leftovers.count; i++)
        fsck_detail(fsck_findings_add(findings, FSCK_SNAPSHOT_LEFTOVER), "%s",
                    s->leftovers.names[i]);
    for (size_t i = 0; i < s->count; i++) {
        const struct fsck_snapshot *item = &s->items[i];
        const char *why;
        if (item->why)
            report_one(item, FSCK_SNAPSHOT_DAMAGED, item->why, findings);
        else if (item->state == FSCK_SNAPSHOT_NOT_OURS)
            report_one(item, FSCK_SNAPSHOT_OTHER, "", findings);
        else if (item->state == FSCK_SNAPSHOT_UNREAD)
            continue;
        else if (is_stale(item, capture, checked_to, complete, &why))
            report_one(item, FSCK_SNAPSHOT_STALE, why, findings);
        else if (item->difference[0])
            report_one(item, FSCK_SNAPSHOT_DIFFERS, item->difference, findings);
    }
}
