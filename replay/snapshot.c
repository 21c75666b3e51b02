/* Which snapshot is used, when one is written, and which go: see snapshot.h. */
#include "replay/snapshot.h"
#include "replay/clock.h"
#include "replay/snapshot_file.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_MAX_ 4096
/* Kept: the newest, and the one before in case the newest is damaged. */
#define KEPT 2

struct names {
    uint64_t *seqs; /* of the snapshots, newest first */
    size_t count, cap;
    char strange[64]; /* a file that is in the way: unfinished, or set aside */
};

static bool path_of(const char *journal, const char *name, char out[PATH_MAX_])
{
    int n =
        snprintf(out, PATH_MAX_, "%s/" AVJ_SNAPSHOT_FOLDER "%s%s", journal, *name ? "/" : "", name);
    return n > 0 && n < PATH_MAX_;
}

static bool snapshot_path(const char *journal, uint64_t seq, const char *suffix,
                          char out[PATH_MAX_])
{
    char name[32];
    snprintf(name, sizeof(name), "%016" PRIx64 "%s", seq, suffix);
    return path_of(journal, name, out);
}

static bool parse_name(const char *name, uint64_t *seq)
{
    *seq = 0;
    for (int i = 0; i < 16; i++) {
        char c = name[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0)
            return false;
        *seq = *seq << 4 | (uint64_t)digit;
    }
    return strcmp(name + 16, ".snap") == 0;
}

static int note_name(void *arg, const char *name)
{
    struct names *names = arg;
    uint64_t seq;
    if (!parse_name(name, &seq)) {
        const char *dot = strrchr(name, '.');
        if (dot && (strcmp(dot, ".tmp") == 0 || strcmp(dot, ".bad") == 0))
            snprintf(names->strange, sizeof(names->strange), "%s", name);
        return 0;
    }
    if (names->count == names->cap) {
        size_t cap = names->cap ? names->cap * 2 : 8;
        uint64_t *grown = realloc(names->seqs, cap * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        names->seqs = grown;
        names->cap = cap;
    }
    names->seqs[names->count++] = seq;
    return 0;
}

static int newest_first(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x > *y ? -1 : *x < *y;
}

static void list(const struct avj_io *io, const char *journal, struct names *names)
{
    char folder[PATH_MAX_];
    *names = (struct names){.count = 0};
    if (path_of(journal, "", folder))
        (void)io->list(io->ctx, folder, note_name, names);
    if (names->count)
        qsort(names->seqs, names->count, sizeof(*names->seqs), newest_first);
}

static const struct avj_io *io_of(const struct avj_store *store)
{
    return store->options.journal.io ? store->options.journal.io : avj_io_posix();
}

/* ---- opening ---- */

/* Is what the snapshot holds still before the moment that is asked for? */
static bool fits_moment(const struct avj_store *store, const struct avj_snapshot_header *h)
{
    if (store->options.at_seq && h->seq > store->options.at_seq)
        return false;
    return !store->options.at_ms || avj_hlc_ms(h->hlc) <= store->options.at_ms;
}

enum fate { FATE_STAYS, FATE_OUTDATED, FATE_BAD };

/* *fate: what becomes of the file; bad is what is of no use to anybody. */
static struct avj_view *open_one(struct avj_store *store, const struct avj_source *source,
                                 uint64_t seq, enum fate *fate)
{
    const struct avj_io *io = io_of(store);
    char path[PATH_MAX_];
    struct avj_snapshot_header h;
    struct avj_view *view = NULL;
    struct avj_journal_info info;
    *fate = FATE_STAYS;
    if (!snapshot_path(avj_journal_path(store->journal), seq, ".snap", path))
        return NULL;
    int file = io->open(io->ctx, path, AVJ_OPEN_READ);
    if (file < 0)
        return NULL;
    enum avj_status status = avj_journal_info(store->journal, &info, NULL);
    if (status == AVJ_OK) {
        /* Behind the log's end there may be a record that a power cut left there: it will not stay.
         */
        bool good = avj_snapshot_header_read(io, file, &h) && h.seq == seq &&
                    h.seq < info.next_seq && memcmp(info.journal_id, h.journal_id, 16) == 0;
        if (good && fits_moment(store, &h))
            status = avj_snapshot_take(io, file, &h, source, !store->options.journal.no_background,
                                       &view);
        if (!good || status == AVJ_ECORRUPT)
            *fate = FATE_BAD;
        else if (status == AVJ_ENOTFOUND)
            *fate = FATE_OUTDATED;
    }
    (void)io->close(io->ctx, file);
    return view;
}

static void put_away(struct avj_store *store, uint64_t seq, enum fate fate)
{
    const struct avj_io *io = io_of(store);
    char from[PATH_MAX_], to[PATH_MAX_];
    const char *journal = avj_journal_path(store->journal);
    if (fate == FATE_STAYS || store->options.read_only ||
        !snapshot_path(journal, seq, ".snap", from) || !snapshot_path(journal, seq, ".bad", to))
        return;
    if (fate == FATE_BAD)
        (void)io->rename(io->ctx, from, to);
    else
        (void)io->unlink(io->ctx, from);
}

void avj_snapshot_open(struct avj_store *store, const struct avj_source *source)
{
    struct names names;
    list(io_of(store), avj_journal_path(store->journal), &names);
    for (size_t i = 0; !store->view && i < names.count; i++) {
        enum fate fate;
        store->view = open_one(store, source, names.seqs[i], &fate);
        put_away(store, names.seqs[i], fate);
        if (store->view)
            store->snapshot_seq = store->snapshot_tail = names.seqs[i];
    }
    free(names.seqs);
}

/* ---- writing ---- */

/* Older ones, unfinished ones and those set aside go. */
static void prune(const struct avj_io *io, const char *journal)
{
    struct names names;
    char path[PATH_MAX_];
    list(io, journal, &names);
    for (size_t i = KEPT; i < names.count; i++)
        if (snapshot_path(journal, names.seqs[i], ".snap", path))
            (void)io->unlink(io->ctx, path);
    for (int tries = 0; *names.strange && tries < 64; tries++) {
        if (!path_of(journal, names.strange, path) || io->unlink(io->ctx, path) < 0)
            break;
        free(names.seqs);
        list(io, journal, &names);
    }
    free(names.seqs);
}

/* The file under its temporary name; then its name. */
static enum avj_status put_file(struct avj_view *view, const struct avj_io *io, const char *journal,
                                const uint8_t journal_id[16], uint64_t *bytes,
                                struct avj_error *err)
{
    char temp[PATH_MAX_], path[PATH_MAX_], folder[PATH_MAX_];
    if (!snapshot_path(journal, view->last_seq, ".tmp", temp) ||
        !snapshot_path(journal, view->last_seq, ".snap", path) || !path_of(journal, "", folder))
        return avj_fail(err, AVJ_EINVAL, "%s: the path is too long", journal);
    (void)io->unlink(io->ctx, temp);
    int file = io->open(io->ctx, temp, AVJ_OPEN_WRITE | AVJ_OPEN_CREATE | AVJ_OPEN_EXCL);
    if (file < 0)
        return avj_fail_errno(err, -file, "%s", temp);
    enum avj_status status = avj_snapshot_put(view, io, file, journal_id, bytes, err);
    int error = io->close(io->ctx, file);
    if (status == AVJ_OK && error == 0)
        error = io->rename(io->ctx, temp, path);
    if (status == AVJ_OK && error == 0)
        error = io->sync_dir(io->ctx, folder);
    if (status == AVJ_OK && error < 0)
        status = avj_fail_errno(err, -error, "%s", path);
    if (status != AVJ_OK)
        (void)io->unlink(io->ctx, temp);
    return status;
}

static enum avj_status write_locked(struct avj_store *store, uint64_t *bytes, struct avj_error *err)
{
    const struct avj_io *io = io_of(store);
    const char *journal = avj_journal_path(store->journal);
    struct avj_journal_info info;
    char lock[PATH_MAX_], folder[PATH_MAX_];
    if (!path_of(journal, "", folder) || !path_of(journal, "lock", lock))
        return avj_fail(err, AVJ_EINVAL, "%s: the path is too long", journal);
    int error = io->mkdir(io->ctx, folder);
    if (error == 0)
        error = io->sync_dir(io->ctx, journal);
    if (error < 0 && error != -EEXIST)
        return avj_fail_errno(err, -error, "%s", folder);
    int file = io->open(io->ctx, lock, AVJ_OPEN_WRITE | AVJ_OPEN_CREATE);
    if (file < 0)
        return avj_fail_errno(err, -file, "%s", lock);
    enum avj_status status = AVJ_OK;
    int taken = io->try_lock(io->ctx, file);
    if (taken == AVJ_LOCK_BUSY)
        status = avj_fail(err, AVJ_ELOCKED, "%s: another process is writing a snapshot", journal);
    else if (taken < 0)
        status = avj_fail_errno(err, -taken, "%s", lock);
    if (status == AVJ_OK)
        status = avj_journal_info(store->journal, &info, err);
    if (status == AVJ_OK)
        status = put_file(store->view, io, journal, info.journal_id, bytes, err);
    if (status == AVJ_OK) {
        store->snapshot_tail = store->view->last_seq;
        prune(io, journal);
    }
    (void)io->close(io->ctx, file); /* and the lock with it */
    return status;
}

/* Durable records first: a snapshot that ends in others would be stale after a power cut. */
static enum avj_status write_snapshot(struct avj_store *store, uint64_t *bytes,
                                      struct avj_error *err)
{
    enum avj_status status = AVJ_OK;
    if (store->view->last_seq == 0)
        return avj_fail(err, AVJ_ENOTFOUND, "%s: nothing to take a snapshot of",
                        avj_journal_path(store->journal));
    if (!store->options.read_only)
        status = avj_journal_sync(store->journal, err);
    return status == AVJ_OK ? write_locked(store, bytes, err) : status;
}

enum avj_status avj_store_snapshot(struct avj_store *store, struct avj_snapshot_info *info,
                                   struct avj_error *err)
{
    uint64_t bytes = 0;
    if (store->options.read_only)
        return avj_fail(err, AVJ_EREADONLY, "%s is open for reading only",
                        avj_journal_path(store->journal));
    enum avj_status status = avj_store_refresh(store, NULL, err);
    if (status == AVJ_OK)
        status = write_snapshot(store, &bytes, err);
    if (status == AVJ_OK && info)
        *info = (struct avj_snapshot_info){.seq = store->view->last_seq,
                                           .bytes = bytes,
                                           .documents = avj_slots_last(&store->view->slots)};
    return status;
}

/* ---- by itself ---- */

struct avj_snapshotter {
    pthread_t thread;
    char *path;
    struct avj_store_options options;
    atomic_bool done;
    uint64_t seq; /* written by it; 0: none */
};

static bool pays(const struct avj_store *store, uint64_t records)
{
    return !store->options.no_snapshots && !store->frozen &&
           store->view->last_seq >= store->snapshot_tail + records;
}

/* With a store of its own: what there is, and the tail behind it, folded once more. */
static void *work(void *arg)
{
    struct avj_snapshotter *s = arg;
    struct avj_store *store;
    uint64_t bytes;
    if (avj_store_open(s->path, &s->options, &store, NULL) == AVJ_OK) {
        if (store->view->last_seq > store->snapshot_tail &&
            write_locked(store, &bytes, NULL) == AVJ_OK)
            s->seq = store->view->last_seq;
        store->options.no_snapshots = true;
        avj_store_close(store);
    }
    atomic_store(&s->done, true);
    return NULL;
}

static void join(struct avj_store *store)
{
    struct avj_snapshotter *s = store->snapshotter;
    if (!s)
        return;
    pthread_join(s->thread, NULL);
    if (s->seq > store->snapshot_tail)
        store->snapshot_tail = s->seq;
    free(s->path);
    free(s);
    store->snapshotter = NULL;
    store->snapshot_ended_ms = io_of(store)->monotonic_ms(io_of(store)->ctx);
}

static void start(struct avj_store *store)
{
    struct avj_snapshotter *s = calloc(1, sizeof(*s));
    if (s)
        s->path = strdup(avj_journal_path(store->journal));
    if (!s || !s->path) {
        free(s);
        return;
    }
    s->options.journal.io = store->options.journal.io;
    s->options.journal.no_background = true;
    s->options.read_only = true;
    atomic_init(&s->done, false);
    /* What it tells of need not be durable: where the log loses its end, the snapshot is stale. */
    if (pthread_create(&s->thread, NULL, work, s) != 0) {
        free(s->path);
        free(s);
        return;
    }
    store->snapshotter = s;
}

void avj_snapshot_consider(struct avj_store *store)
{
    const struct avj_io *io = io_of(store);
    if (store->snapshotter && atomic_load(&store->snapshotter->done))
        join(store);
    if (!store->ready || store->snapshotter || store->options.journal.no_background ||
        store->options.read_only || !pays(store, AVJ_SNAPSHOT_RECORDS))
        return;
    int64_t now = io->monotonic_ms(io->ctx);
    if (store->snapshot_ended_ms && now < store->snapshot_ended_ms + AVJ_SNAPSHOT_PAUSE_MS)
        return;
    start(store);
}

void avj_snapshot_after_open(struct avj_store *store)
{
    uint64_t bytes;
    if (store->options.journal.no_background || !pays(store, AVJ_SNAPSHOT_RECORDS))
        return;
    if (store->folded >= avj_slots_last(&store->view->slots) / 4)
        (void)write_snapshot(store, &bytes, NULL);
    else
        avj_snapshot_consider(store);
}

void avj_snapshot_at_close(struct avj_store *store)
{
    uint64_t bytes;
    join(store);
    if (pays(store, AVJ_SNAPSHOT_RECORDS))
        (void)write_snapshot(store, &bytes, NULL);
}
