/* Making, opening and closing a journal. */
#include "journal/maintain.h"
#include "journal/wake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct avj_journal_options with_defaults(const struct avj_journal_options *given)
{
    struct avj_journal_options o = {0};
    if (given)
        o = *given;
    if (!o.io)
        o.io = avj_io_posix();
    if (!o.compression_level)
        o.compression_level = AVJ_LEVEL_DEFAULT;
    if (!o.segment_target)
        o.segment_target = AVJ_SEGMENT_TARGET_DEFAULT;
    if (o.segment_target < AVJ_SEGMENT_TARGET_MIN)
        o.segment_target = AVJ_SEGMENT_TARGET_MIN;
    if (!o.lock_timeout_ms)
        o.lock_timeout_ms = AVJ_LOCK_TIMEOUT_DEFAULT_MS;
    return o;
}

/* ---- create ---- */

static void parent_of(const char *path, char out[AVJ_PATH_MAX])
{
    snprintf(out, AVJ_PATH_MAX, "%s", path);
    size_t len = strlen(out);
    while (len > 1 && out[len - 1] == '/')
        out[--len] = 0;
    char *slash = strrchr(out, '/');
    if (!slash)
        snprintf(out, AVJ_PATH_MAX, ".");
    else if (slash == out)
        out[1] = 0;
    else
        *slash = 0;
}

static enum avj_status make_dir(const struct avj_io *io, const char *path, struct avj_error *err)
{
    int r = io->mkdir(io->ctx, path);
    if (r < 0 && r != -EEXIST)
        return avj_fail_errno(err, -r, "create directory %s", path);
    return AVJ_OK;
}

static enum avj_status sync_dir(const struct avj_io *io, const char *path, struct avj_error *err)
{
    int r = io->sync_dir(io->ctx, path);
    return r < 0 ? avj_fail_errno(err, -r, "sync directory %s", path) : AVJ_OK;
}

/* Creates `name` in the journal's folder, empty; *file is left open. */
static enum avj_status make_file(const struct avj_io *io, const char *path, const char *name,
                                 int *file, struct avj_error *err)
{
    char full[AVJ_PATH_MAX];
    snprintf(full, sizeof(full), "%s/%s", path, name);
    *file = io->open(io->ctx, full, AVJ_OPEN_WRITE | AVJ_OPEN_CREATE);
    return *file < 0 ? avj_fail_errno(err, -*file, "create %s", full) : AVJ_OK;
}

static enum avj_status first_segment(const struct avj_io *io, const char *path,
                                     struct avj_error *err)
{
    struct avj_segment_entry *segments;
    size_t count;
    enum avj_status status = avj_list_segments(io, path, &segments, &count, NULL, NULL, err);
    if (status != AVJ_OK)
        return status;
    free(segments);
    if (count)
        return avj_fail(err, AVJ_EEXIST, "%s is a journal already", path);
    struct avj_segment_header h = {
        .version = AVJ_FORMAT_VERSION,
        .segment_no = 1,
        .first_seq = 1,
        .created_ms = io->now_ms(io->ctx),
    };
    int r = io->random(io->ctx, h.journal_id, 16);
    if (r == 0)
        r = io->random(io->ctx, h.salt, 16);
    if (r < 0)
        return avj_fail_errno(err, -r, "random numbers");
    io->boot_id(io->ctx, h.boot_id);
    struct avj_dictionary dictionary;
    struct avj_draft draft;
    avj_dictionary_default(&dictionary);
    status = avj_draft_begin(&draft, io, path, 1, NULL, err);
    if (status != AVJ_OK)
        return status;
    status = avj_draft_header(&draft, &h, &dictionary, err);
    if (status == AVJ_OK)
        status = avj_draft_publish(&draft, err);
    else
        avj_draft_drop(&draft);
    if (status != AVJ_OK) {
        char name[AVJ_PATH_MAX];
        avj_segment_path(path, 1, ".seg", name);
        (void)io->unlink(io->ctx, name); /* nobody has seen it: this process has the lock */
    }
    return status;
}

static enum avj_status create_locked(const struct avj_io *io, const char *path, int lock,
                                     struct avj_error *err)
{
    int r = io->try_lock(io->ctx, lock);
    if (r < 0)
        return avj_fail_errno(err, -r, "%s/lock", path);
    if (r == AVJ_LOCK_BUSY)
        return avj_fail(err, AVJ_EEXIST, "%s is a journal already, in use by another process",
                        path);
    int sync;
    enum avj_status status = make_file(io, path, AVJ_WITNESS_FILE, &sync, err);
    if (status != AVJ_OK)
        return status;
    (void)io->close(io->ctx, sync);
    char parent[AVJ_PATH_MAX];
    parent_of(path, parent);
    /* The names around the first segment before its own: once it is there, this is a journal. */
    status = sync_dir(io, path, err);
    if (status == AVJ_OK)
        status = sync_dir(io, parent, err);
    if (status == AVJ_OK)
        status = first_segment(io, path, err);
    return status;
}

enum avj_status avj_journal_create(const char *path, const struct avj_journal_options *options,
                                   struct avj_error *err)
{
    struct avj_journal_options o = with_defaults(options);
    const struct avj_io *io = o.io;
    if (strlen(path) == 0 || strlen(path) > AVJ_PATH_MAX - 64)
        return avj_fail(err, AVJ_EINVAL, "create journal: the path is empty or too long");
    char dir[AVJ_PATH_MAX];
    snprintf(dir, sizeof(dir), "%s/segments", path);
    enum avj_status status = make_dir(io, path, err);
    if (status == AVJ_OK)
        status = make_dir(io, dir, err);
    int lock = -1;
    if (status == AVJ_OK)
        status = make_file(io, path, "lock", &lock, err);
    if (status == AVJ_OK)
        status = create_locked(io, path, lock, err);
    if (lock >= 0)
        (void)io->close(io->ctx, lock);
    if (status != AVJ_OK)
        avj_wrap(err, "create journal");
    return status;
}

/* ---- open ---- */

static enum avj_status open_side_file(struct avj_journal *j, const char *name, int *file,
                                      struct avj_error *err)
{
    char full[AVJ_PATH_MAX];
    snprintf(full, sizeof(full), "%s/%s", j->path, name);
    unsigned flags = j->options.read_only ? AVJ_OPEN_READ : AVJ_OPEN_WRITE | AVJ_OPEN_CREATE;
    *file = j->io->open(j->io->ctx, full, flags);
    if (*file >= 0)
        return AVJ_OK;
    int errnum = -*file;
    *file = -1;
    if (j->options.read_only)
        return AVJ_OK;
    enum avj_status status = avj_fail_errno(err, errnum, "%s", full);
    if (status == AVJ_EREADONLY || status == AVJ_EACCES)
        avj_wrap(err, "the journal can not be written here");
    return status;
}

static enum avj_status header_of(struct avj_journal *j, const struct avj_segment_entry *entry,
                                 struct avj_segment_header *header, struct avj_error *err)
{
    char name[AVJ_PATH_MAX];
    avj_segment_path(j->path, entry->number, ".seg", name);
    enum avj_status status = avj_read_segment_header(j->io, name, header, err);
    if (status == AVJ_ECORRUPT)
        avj_wrap(err, "run avchat-fsck %s", j->path);
    return status;
}

/* What the finished segments come to: a sealed one is all log; of the others the successor says
 * where they end.  What can not be read is the cursor's to complain of. */
static uint64_t measure_finished(struct avj_journal *j, const struct avj_segment_entry *list,
                                 size_t count, uint64_t *sealed)
{
    uint64_t bytes = 0;
    struct avj_segment_header header;
    bool before_is_sealed = false;
    *sealed = 0;
    for (size_t i = 0; i < count; i++) {
        if (header_of(j, &list[i], &header, NULL) != AVJ_OK)
            continue;
        if (i > 0 && !before_is_sealed)
            bytes += header.prev_end;
        before_is_sealed = header.sealed;
        if (!header.sealed)
            continue;
        ++*sealed;
        bytes += avj_segment_size(j, list[i].number);
    }
    return bytes;
}

static enum avj_status place_tail(struct avj_journal *j, const struct avj_segment_entry *last,
                                  struct avj_error *err)
{
    char name[AVJ_PATH_MAX];
    avj_segment_path(j->path, last->number, ".seg", name);
    enum avj_status status = avj_reader_open(&j->reader, name, &j->segment, err);
    if (status == AVJ_ECORRUPT)
        avj_wrap(err, "run avchat-fsck %s", j->path);
    if (status != AVJ_OK)
        return status;
    if (j->segment.segment_no != last->number)
        return avj_fail(err, AVJ_ECORRUPT, "%s is a segment of another place; run avchat-fsck %s",
                        name, j->path);
    if ((j->segment.ro_compat & ~AVJ_RO_COMPAT_KNOWN) && !j->options.read_only)
        return avj_fail(err, AVJ_EVERSION, "%s: made by a newer program, can only be read here",
                        j->path);
    memcpy(j->journal_id, j->segment.journal_id, 16);
    avj_place_begin(&j->tail, &j->segment);
    return AVJ_OK;
}

static enum avj_status load_segments(struct avj_journal *j, struct avj_error *err)
{
    struct avj_segment_entry *list;
    size_t count;
    enum avj_status status = avj_list_segments(j->io, j->path, &list, &count, NULL, NULL, err);
    if (status != AVJ_OK)
        return status;
    if (count == 0) {
        free(list);
        return avj_fail(err, AVJ_ENOTJOURNAL, "%s is not a journal: it has no segments", j->path);
    }
    struct avj_segment_header first;
    status = header_of(j, &list[0], &first, err);
    if (status == AVJ_OK)
        status = place_tail(j, &list[count - 1], err);
    if (status == AVJ_OK) {
        uint64_t sealed;
        j->sealed_bytes = measure_finished(j, list, count, &sealed);
        j->first_seq = first.first_seq;
        j->segments = count;
    }
    free(list);
    return status;
}

/* Finds the end.  Only under the lock is it sure that a bad tail is not just in the making. */
static enum avj_status find_end(struct avj_journal *j, struct avj_error *err)
{
    if (j->options.read_only)
        return avj_tail_catch_up(j, false, err);
    enum avj_status status = avj_append_lock(j, err);
    if (status != AVJ_OK)
        return status;
    status = avj_tail_catch_up(j, true, err);
    j->in_order = status == AVJ_OK;
    avj_append_unlock(j);
    return status;
}

static enum avj_status set_up(struct avj_journal *j, const char *path, struct avj_error *err)
{
    j->path = strdup(path);
    j->packer = avj_packer_new(j->options.compression_level);
    if (!j->path || !j->packer)
        return avj_fail(err, AVJ_ENOMEM, "out of memory");
    j->io->boot_id(j->io->ctx, j->boot_id);
    int r = j->io->random(j->io->ctx, &j->writer_id, sizeof(j->writer_id));
    if (r >= 0)
        r = j->io->random(j->io->ctx, &j->handle_id, sizeof(j->handle_id));
    if (r < 0)
        return avj_fail_errno(err, -r, "random numbers");
    enum avj_status status = load_segments(j, err);
    if (status == AVJ_OK)
        status = open_side_file(j, "lock", &j->lock_file, err);
    if (status == AVJ_OK)
        status = open_side_file(j, AVJ_WITNESS_FILE, &j->sync_file, err);
    if (status == AVJ_OK)
        status = find_end(j, err);
    return status;
}

static struct avj_journal *new_journal(const struct avj_journal_options *options)
{
    struct avj_journal *j = calloc(1, sizeof(*j));
    if (!j)
        return NULL;
    j->options = with_defaults(options);
    j->io = j->options.io;
    j->process = (long)getpid();
    j->lock_file = j->sync_file = j->file = j->wake_fd = -1;
    avj_reader_init(&j->reader, j->io);
    pthread_mutex_init(&j->append_mutex, NULL);
    pthread_mutex_init(&j->state_mutex, NULL);
    pthread_cond_init(&j->synced, NULL);
    return j;
}

enum avj_status avj_journal_open(const char *path, const struct avj_journal_options *options,
                                 struct avj_journal **out, struct avj_error *err)
{
    *out = NULL;
    if (strlen(path) == 0 || strlen(path) > AVJ_PATH_MAX - 64)
        return avj_fail(err, AVJ_EINVAL, "open journal: the path is empty or too long");
    struct avj_journal *j = new_journal(options);
    if (!j)
        return avj_fail(err, AVJ_ENOMEM, "open journal: out of memory");
    enum avj_status status = set_up(j, path, err);
    if (status != AVJ_OK) {
        avj_wrap(err, "open journal");
        avj_journal_close(j);
        return status;
    }
    *out = j;
    return AVJ_OK;
}

void avj_journal_close(struct avj_journal *j)
{
    if (!j)
        return;
    avj_background_stop(j);
    if (j->file >= 0) {
        enum avj_status ignored = avj_journal_sync(j, NULL);
        (void)ignored;
    }
    if (j->file >= 0) /* a sync that fails may have given it up */
        (void)j->io->close(j->io->ctx, j->file);
    if (j->lock_file >= 0)
        (void)j->io->close(j->io->ctx, j->lock_file);
    if (j->sync_file >= 0)
        (void)j->io->close(j->io->ctx, j->sync_file);
    if (j->wake_fd >= 0)
        close(j->wake_fd);
    avj_reader_release(&j->reader);
    avj_packer_free(j->packer);
    avj_retained_release(&j->retained);
    pthread_cond_destroy(&j->synced);
    pthread_mutex_destroy(&j->state_mutex);
    pthread_mutex_destroy(&j->append_mutex);
    free(j->path);
    free(j);
}

/* ---- the rest ---- */

/* Sealing goes on in any process, so the files are asked. */
static enum avj_status measure(struct avj_journal *j, struct avj_journal_info *info,
                               struct avj_error *err)
{
    struct avj_segment_entry *list;
    size_t count;
    enum avj_status status = avj_list_segments(j->io, j->path, &list, &count, NULL, NULL, err);
    if (status != AVJ_OK)
        return status;
    while (count > 1 && list[count - 1].number > j->tail.segment_no)
        count--; /* younger than what was caught up with */
    info->segments = count;
    info->bytes = measure_finished(j, list, count, &info->sealed) + j->tail.offset;
    uint64_t size = avj_segment_size(j, j->tail.segment_no);
    if (!j->torn && size > j->tail.offset)
        info->reserved = size - j->tail.offset;
    free(list);
    return AVJ_OK;
}

enum avj_status avj_journal_info(struct avj_journal *j, struct avj_journal_info *info,
                                 struct avj_error *err)
{
    memset(info, 0, sizeof(*info));
    pthread_mutex_lock(&j->append_mutex);
    enum avj_status status = avj_tail_catch_up(j, false, err);
    if (status == AVJ_OK)
        status = measure(j, info, err);
    memcpy(info->journal_id, j->journal_id, 16);
    info->first_seq = j->first_seq;
    info->next_seq = j->tail.next_seq;
    info->unsynced_tail_bytes = j->torn_bytes;
    struct avj_sync_witness witness = {0};
    if (j->sync_file >= 0)
        avj_witness_load(j->io, j->sync_file, j->journal_id, &witness);
    pthread_mutex_lock(&j->state_mutex);
    info->durable_seq = witness.seq > j->durable_seq ? witness.seq : j->durable_seq;
    pthread_mutex_unlock(&j->state_mutex);
    pthread_mutex_unlock(&j->append_mutex);
    return status;
}

const char *avj_journal_path(const struct avj_journal *j)
{
    return j->path;
}

int avj_journal_wake_fd(struct avj_journal *j)
{
    pthread_mutex_lock(&j->append_mutex);
    if (j->wake_fd < 0)
        j->wake_fd = avj_wake_open(j->path);
    pthread_mutex_unlock(&j->append_mutex);
    return j->wake_fd;
}

void avj_journal_woken(struct avj_journal *j)
{
    if (j->wake_fd >= 0)
        (void)avj_wake_drain(j->wake_fd);
}
