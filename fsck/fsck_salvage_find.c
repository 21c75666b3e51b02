/* Records in any file: see fsck_salvage.h. */
#include "fsck/fsck_salvage_private.h"

#include "fsck/fsck_wreck_dictionary.h"
#include "journal/loose.h"
#include "journal/mend.h"
#include "journal/reader.h"
#include "replay/entry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Of a file at once; a frame that begins in its first part is whole in it. */
#define WINDOW    ((size_t)64 * 1024 * 1024)
#define OVERLAP   ((size_t)17 * 1024 * 1024)
#define DEPTH     4
#define FILES_MAX 100000u

struct finding {
    const struct avj_io *io;
    const char *path;
    struct fsck_find *find;
    struct fsck_find_files *files;
    struct fsck_wreck wreck;
    struct avj_loose loose;
    struct avj_error *err;
    enum avj_status status; /* of listing */

    struct fsck_find_file *file; /* at hand */
    uint64_t frame_at;           /* the last one met in it */
    bool salted;                 /* the next holds */
    uint8_t salt[16];
};

/* ---- records ---- */

static bool keep(struct fsck_find *f, const struct fsck_found *found, const uint8_t *data)
{
    if (f->count == f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 1024;
        struct fsck_found *items = realloc(f->items, cap * sizeof(*items));
        if (!items)
            return false;
        f->items = items;
        f->cap = cap;
    }
    if (f->room - f->used < found->len) {
        size_t room = 2 * f->room + found->len;
        uint8_t *bytes = realloc(f->bytes, room);
        if (!bytes)
            return false;
        f->bytes = bytes;
        f->room = room;
    }
    f->items[f->count] = *found;
    f->items[f->count++].at = f->used;
    if (found->len)
        memcpy(f->bytes + f->used, data, found->len);
    f->used += found->len;
    return true;
}

static bool is_entry(const struct avj_slice *record)
{
    struct avj_entry entry;
    if (avj_entry_decode(record->data, record->len, &entry, NULL) != AVJ_OK)
        return false;
    bool known = entry.type != AVJ_ENTRY_TYPES;
    avj_entry_release(&entry);
    return known;
}

/* ---- frames ---- */

static enum avj_status take_frame(struct finding *f, const struct avj_loose_frame *frame,
                                  bool proven)
{
    struct avj_slice record;
    size_t at = 0;
    uint64_t seq = frame->first_seq;
    if (seq == 0 || seq > INT64_MAX - 65536)
        return AVJ_OK;
    uint64_t before = f->file->records;
    for (uint32_t i = 0; i < frame->count && avj_loose_next(frame, &at, &record); i++, seq++) {
        /* Without the frame's own proof an entry must show that it is one. */
        if (!proven && !is_entry(&record))
            continue;
        struct fsck_found found = {
            .seq = seq, .len = record.len, .proven = proven, .whole = frame->whole};
        if (!keep(f->find, &found, record.data))
            return avj_fail(f->err, AVJ_ENOMEM, "out of memory");
        f->file->records++;
    }
    if (f->file->records > before)
        f->file->frames++;
    if (!frame->whole && f->file->records > before) {
        f->file->partial++;
        f->find->partial++;
    }
    return AVJ_OK;
}

/* Looks at one place where a frame's first bytes stand; *step: how far to go on. */
static enum avj_status look_at(struct finding *f, const uint8_t *bytes, size_t len, uint64_t offset,
                               size_t *step)
{
    struct avj_loose_frame frame;
    struct avj_frame_info info;
    const uint8_t *stored;
    *step = 4;
    enum avj_status status = avj_loose_unpack(&f->loose, bytes, len, &frame);
    if (status != AVJ_OK)
        return status == AVJ_END ? AVJ_OK : avj_fail(f->err, status, "out of memory");
    bool proven = f->salted && frame.whole &&
                  avj_frame_from_memory(f->salt, offset, bytes, len, &info, &stored);
    if (frame.whole)
        *step = frame.total;
    return take_frame(f, &frame, proven);
}

static enum avj_status look_through(struct finding *f, const uint8_t *bytes, size_t len,
                                    size_t until, uint64_t offset)
{
    enum avj_status status = AVJ_OK;
    size_t at = 0, step;
    while (status == AVJ_OK && at < until) {
        const uint8_t *magic = memmem(bytes + at, len - at, "AVJF", 4);
        if (!magic)
            break;
        at = (size_t)(magic - bytes);
        if (at >= until)
            break;
        status = look_at(f, magic, len - at, offset + at, &step);
        at += step;
    }
    return status;
}

static enum avj_status read_windows(struct finding *f, int file)
{
    uint8_t *window = malloc(WINDOW);
    enum avj_status status = window ? AVJ_OK : avj_fail(f->err, AVJ_ENOMEM, "out of memory");
    for (uint64_t at = 0; status == AVJ_OK && at < f->file->size;) {
        size_t got = 0;
        int r = avj_io_read_full(f->io, file, window, WINDOW, at, &got);
        if (r < 0)
            f->file->error = -r; /* what came before it was read */
        bool last = got < WINDOW || r < 0;
        size_t until = last ? got : WINDOW - OVERLAP;
        status = look_through(f, window, got, until, at);
        if (last)
            break;
        at += until;
    }
    free(window);
    return status;
}

/* ---- files ---- */

static void judge_header(struct finding *f, const char *full)
{
    struct avj_segment_header header;
    bool mended;
    f->salted = false;
    f->file->state = "no header";
    enum avj_status status = avj_mend_header(f->io, full, &header, &mended, NULL);
    if (status == AVJ_OK) {
        f->file->foreign =
            f->wreck.known && memcmp(header.journal_id, f->wreck.journal_id, 16) != 0;
        f->file->state = f->file->foreign ? "another journal's: not taken from"
                         : mended         ? "header with one wrong bit"
                                          : "good header";
        memcpy(f->salt, header.salt, 16);
        f->salted = true;
    } else if (f->file->size >= 4096 && avj_mend_guess(f->io, full, &header, NULL) == AVJ_OK) {
        memcpy(f->salt, header.salt, 16); /* a frame proves it, or does not */
        f->salted = true;
    }
}

static enum avj_status take_proven(void *arg, const struct avj_frame_info *frame, uint64_t seq,
                                   const uint8_t *data, size_t len)
{
    struct finding *f = arg;
    const struct fsck_found found = {.seq = seq, .len = len, .proven = true, .whole = true};
    if (frame->offset != f->frame_at || f->file->records == 0)
        f->file->frames++;
    f->frame_at = frame->offset;
    f->file->records++;
    return keep(f->find, &found, data) ? AVJ_OK : AVJ_ENOMEM;
}

/* What a repair would take of it: that is proven.  *all: nothing else can be in the file. */
static enum avj_status look_as_segment(struct finding *f, bool *all)
{
    *all = false;
    for (size_t i = 0; i < f->wreck.count; i++) {
        struct fsck_wreck_file *file = &f->wreck.files[i];
        if (strcmp(file->name, f->file->name) != 0 || file->foreign)
            continue;
        enum avj_status status = fsck_wreck_look(&f->wreck, file, 0, NULL);
        if (status == AVJ_OK)
            status = fsck_wreck_records(&f->wreck, file, take_proven, f, NULL);
        *all = status == AVJ_OK && file->sound;
        return status == AVJ_ENOMEM ? avj_fail(f->err, status, "out of memory") : AVJ_OK;
    }
    return AVJ_OK;
}

static enum avj_status look_at_file(struct finding *f, const char *name)
{
    char full[FSCK_PATH_MAX];
    struct fsck_find_files *files = f->files;
    snprintf(full, sizeof(full), "%s/%s", f->path, name);
    if (files->count == files->cap) {
        size_t cap = files->cap ? 2 * files->cap : 64;
        struct fsck_find_file *items = realloc(files->items, cap * sizeof(*items));
        if (!items)
            return avj_fail(f->err, AVJ_ENOMEM, "out of memory");
        files->items = items;
        files->cap = cap;
    }
    f->file = &files->items[files->count++];
    *f->file = (struct fsck_find_file){.state = "can not be read"};
    snprintf(f->file->name, sizeof(f->file->name), "%s", name);
    int file = f->io->open(f->io->ctx, full, AVJ_OPEN_READ);
    int64_t size = file < 0 ? file : f->io->size(f->io->ctx, file);
    enum avj_status status = AVJ_OK;
    if (size < 0) {
        f->file->error = (int)-size;
    } else {
        f->file->size = (uint64_t)size;
        judge_header(f, full);
        bool all = f->file->foreign;
        if (!all)
            status = look_as_segment(f, &all);
        if (status == AVJ_OK && !all)
            status = read_windows(f, file);
    }
    if (file >= 0)
        (void)f->io->close(f->io->ctx, file);
    return status;
}

/* Names in the journal's own folder that never hold records. */
static bool is_passed_over(const char *name)
{
    static const char *const names[] = {"lock",       "sync",       "seal.lock",    "sync.lock",
                                        "serve.lock", "dictionary", "session.json", "snapshots"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

struct folder {
    struct finding *finding;
    const char *name; /* "": the journal's own */
    int depth;
};

static enum avj_status look_in_folder(struct finding *f, const char *name, int depth, int *listed);

static int look_at_name(void *arg, const char *name)
{
    const struct folder *folder = arg;
    struct finding *f = folder->finding;
    char inner[FSCK_WRECK_NAME + 200];
    int listed;
    if ((!*folder->name && is_passed_over(name)) || f->files->count >= FILES_MAX ||
        strlen(folder->name) + strlen(name) + 2 > FSCK_WRECK_NAME)
        return 0;
    snprintf(inner, sizeof(inner), "%.200s%s%.200s", folder->name, *folder->name ? "/" : "", name);
    f->status = look_in_folder(f, inner, folder->depth + 1, &listed);
    if (f->status == AVJ_OK && listed == -ENOTDIR)
        f->status = look_at_file(f, inner);
    return f->status == AVJ_OK ? 0 : 1;
}

static enum avj_status look_in_folder(struct finding *f, const char *name, int depth, int *listed)
{
    struct folder folder = {f, name, depth};
    char full[FSCK_PATH_MAX];
    snprintf(full, sizeof(full), "%s%s%s", f->path, *name ? "/" : "", name);
    *listed = depth > DEPTH ? -ENOTDIR : f->io->list(f->io->ctx, full, look_at_name, &folder);
    return f->status;
}

/* ---- each number once ---- */

static unsigned rank_of(const struct fsck_found *found)
{
    return found->proven ? 0 : found->whole ? 1 : 2;
}

/* The best first; of equally good ones that which says more: compaction makes records shorter. */
static int by_worth(const void *a, const void *b)
{
    const struct fsck_found *x = a, *y = b;
    if (x->seq != y->seq)
        return x->seq < y->seq ? -1 : 1;
    if (rank_of(x) != rank_of(y))
        return rank_of(x) < rank_of(y) ? -1 : 1;
    if (x->len != y->len)
        return x->len > y->len ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* What a repair put in the place of a lost record gives way to the record. */
static bool stands_in(const struct fsck_find *f, const struct fsck_found *found)
{
    struct avj_entry entry;
    struct avj_value o;
    if (avj_entry_decode(f->bytes + found->at, found->len, &entry, NULL) != AVJ_OK)
        return false;
    bool is = entry.type == AVJ_E_REPAIR && avj_value_get(entry.root, "o", &o) &&
              (avj_value_text_is(o, "lost") || avj_value_text_is(o, "replaced"));
    avj_entry_release(&entry);
    return is;
}

static void sort(struct fsck_find *f)
{
    size_t kept = 0;
    for (size_t i = 0; i < f->count; i++)
        if (!stands_in(f, &f->items[i]))
            f->items[kept++] = f->items[i];
    f->count = kept;
    if (f->count)
        qsort(f->items, f->count, sizeof(*f->items), by_worth);
    kept = 0;
    for (size_t i = 0; i < f->count; i++)
        if (kept == 0 || f->items[kept - 1].seq != f->items[i].seq)
            f->items[kept++] = f->items[i];
    f->count = kept;
}

static enum avj_status look_everywhere(struct finding *f)
{
    int listed;
    enum avj_status status = fsck_wreck_gather(f->io, f->path, &f->wreck, f->err);
    /* Whatever is the matter with the segments: their dictionaries are all that is wanted here. */
    if (status == AVJ_ENOMEM)
        return status;
    const struct avj_dictionary *first =
        f->wreck.dictionaries ? fsck_dictionaries_get(f->wreck.dictionaries, 0) : NULL;
    avj_loose_init(&f->loose, first, first ? fsck_dictionaries_count(f->wreck.dictionaries) : 0);
    status = look_in_folder(f, "", 0, &listed);
    if (status == AVJ_OK && listed < 0)
        status = avj_fail_errno(f->err, -listed, "%s", f->path);
    return status;
}

enum avj_status fsck_find_all(const struct avj_io *io, const char *path, struct fsck_find *find,
                              struct fsck_find_files *files, struct avj_error *err)
{
    struct finding f = {.io = io, .path = path, .find = find, .files = files, .err = err};
    memset(find, 0, sizeof(*find));
    memset(files, 0, sizeof(*files));
    enum avj_status status = look_everywhere(&f);
    avj_loose_release(&f.loose);
    fsck_wreck_release(&f.wreck);
    if (status == AVJ_OK)
        sort(find);
    return status;
}

void fsck_find_release(struct fsck_find *find, struct fsck_find_files *files)
{
    free(find->items);
    free(find->bytes);
    free(files->items);
}
